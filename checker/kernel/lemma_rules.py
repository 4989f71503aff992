"""Lemmas about one head: which rows it reads, whatever the rows hold (Lemmas D.1, D.2).

Two ways to a proof: the scores are a constant minus the square of a polynomial that is zero at the stated rows alone; or all
scores of all pairs of rows and values are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import comb, inf, lcm, prod
from operator import mul
from typing import Any

from checker.kernel.judgements import Picks
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.solver import Tally, prove
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE
from checker.models.lemma import Lemma
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic, Number, approximate
from checker.semantics.expressions import Fault, OfRows, Scope, Vec, evaluate, number, truth
from checker.semantics.masks import visible
from checker.semantics.precision import ENDLESS, about, grain
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

MAX_STATES = 2_000_000  # values of all rows together
MAX_SCORES = 60_000_000  # pairs of a query and a key
MAX_MONOMIALS = 10_000  # in a score as a polynomial
WIDTH = 1_000_000
BITS = 128  # behind the point of irrational entries, where that decides a comparison

State = tuple[int, ...]  # the values of a row's fields, in the order of the lemma


class Never(NotProved):
    """No values satisfy the assumptions: the lemma is vacuous."""


class Mistaken(NotProved):
    """The lemma is false at row `row`, if the rows in `states` hold these values: a hint for the falsifier."""

    def __init__(self, reason: str, row: int, states: dict[int, State]) -> None:
        super().__init__(f"row {row}: {reason}")
        self.row, self.states = row, states


def picks(j: Picks) -> Proved:
    """The rule: by squares if the scores have that form, else by all scores."""
    margin, how = _found(j.lemma)
    if margin < j.margin:
        raise NotProved(f"the margin is {about(margin)} or a little more, not {about(j.margin)}")
    return conclude(j, *how)


def margin_of(lemma: Lemma) -> Fraction:
    """The margin that `picks` proves. Raises `NotProved`."""
    return _found(lemma)[0]


def _found(lemma: Lemma) -> Found:
    found = _by_squares(lemma) or _by_table(lemma)
    if isinstance(found, NotProved):
        raise found
    return found


Found = tuple[Fraction, tuple[str, str]]  # margin; rule and detail


def _functions(lemma: Lemma) -> dict[str, s.FunctionDefinition]:
    return {f.name: f for f in lemma.functions}


def scope(lemma: Lemma, self: Value, own: dict[str, Value], conditions: list[Any] | None = None) -> Scope:
    """What queries, keys, ranges and assumptions of a lemma may refer to."""
    return Scope({"self": self, **own}, _functions(lemma), builtins=dict(sem.VECTORS), conditions=conditions)


# ---- symbolic: sizes of the numbers, squares ------------------------------------------------------


def _symbols(lemma: Lemma, name: str) -> tuple[Term, dict[str, Value]]:
    """An unknown row and what it holds; only ranges are known."""
    me = t.variable(name, lemma.low, lemma.high)
    own: dict[str, Value] = {}
    for f in lemma.fields:
        low, high = (number(evaluate(e, scope(lemma, me, {}, [])), NOWHERE) for e in (f.low, f.high))
        least, most = t.bounds(low)[0], t.bounds(high)[1]
        if least is None or most is None or not (t.is_whole(low) and t.is_whole(high)):
            raise Unsupported(f"field {f.name} without whole bounds")
        own[f.name] = t.variable(f"{f.name} of {name}", int(least), int(most))
    return me, own


@dataclass(frozen=True, slots=True)
class Numbers:
    """The largest absolute value and the fraction bits of all entries of queries or of keys."""

    size: Fraction
    grain: int


@lru_cache(maxsize=1_000)
def numbers_of(lemma: Lemma) -> tuple[Numbers, Numbers]:
    """Of queries and of keys, by the ranges of their parts. Raises `Unsupported`."""
    me, own = _symbols(lemma, "i")
    found = []
    for cases in (lemma.query, lemma.key):
        size, fine = Fraction(0), 0
        for x in choose_case(cases, scope(lemma, me, own, [])).entries.values():
            low, high = t.bounds(x)
            if low is None or high is None or isinstance(x, Cyclotomic):
                raise Unsupported("an entry without rational bounds")
            size, fine = max(size, Fraction(high), -Fraction(low)), max(fine, grain_of(x))
        found.append(Numbers(size, fine))
    return found[0], found[1]


def grain_of(x: Value) -> int:
    """A number g such that the value is a multiple of 2^-g, whatever its unknowns are; `ENDLESS` if none is known."""
    if not isinstance(x, Term):
        return grain(x) if isinstance(x, (int, Fraction)) else ENDLESS
    if x.whole:
        return 0
    if x.op == "lin":
        constant, parts = t.split(x)
        return max([grain_of(constant), *(_grain_times(k, grain_of(term)) for term, k in parts.items())])
    if x.op == "mul":
        return sum(grain_of(a) for a in x.args)
    if x.op == "ite":
        return max(grain_of(a) for a in x.args[1:])
    if x.op == "cos" and x.args[1] is not None:
        return int(x.args[1])
    return ENDLESS


def _grain_times(k: Number, fine: int) -> int:
    """Of k times a multiple of 2^-fine: what k has of factors 2, it takes away."""
    if fine >= ENDLESS or not isinstance(k, int):
        return grain_of(k) + fine
    return max(0, fine - ((k & -k).bit_length() - 1))


def choose_case(cases: tuple[s.Case, ...], scope: Scope, width: int = WIDTH) -> Vec:
    """The first case whose condition holds, as a vector; its entries are choices where the conditions are not known."""
    found: list[tuple[Value, Vec]] = []
    for case in cases:
        condition = True if case.condition is None else truth(evaluate(case.condition, scope), case.span)
        if condition is False:
            continue
        value = evaluate(case.value, scope.under(condition))
        vector = value if isinstance(value, Vec) else Vec({1: number(value, case.span)}, 1)
        if vector.rows or vector.noise:
            raise Unsupported("a vector of a whole row")
        if vector.length > width:
            raise Fault(f"a vector of {vector.length} coordinates: the width is {width}", case.span)
        found.append((condition, vector))
        if condition is True:
            break
        scope = scope.under(v.negate(condition))
    result = Vec({}, 0)
    for condition, vector in reversed(found):
        keys = vector.entries.keys() | result.entries.keys()
        entries = {k: v.choose(condition, vector.entries.get(k, 0), result.entries.get(k, 0)) for k in keys}
        result = Vec({k: x for k, x in entries.items() if isinstance(x, Term) or x != 0}, max(vector.length, result.length))
    return result


@lru_cache(maxsize=1_000)
def _by_squares(lemma: Lemma) -> Found | None:
    """score(i, j) = a number that depends on i alone - s * ((j - t)(j - u))^2, t and u the stated rows, s > 0: all whole, so
    other rows score at least s less. If t is i and no row after i is seen, i - j may stand for (j - t)^2."""
    try:
        (i, own), (j, other) = _symbols(lemma, "i"), _symbols(lemma, "j")
        conditions: list[Any] = []
        here = scope(lemma, i, own, conditions)
        targets = [number(evaluate(e, here), e.span) for e in lemma.reads]
        query, key = choose_case(lemma.query, here), choose_case(lemma.key, scope(lemma, j, other, conditions))
        if conditions or not all(t.is_whole(x) for x in targets):
            return None
        score, *rows = _polynomials(sem.dot(query, key), *targets)
    except (Unsupported, Fault):
        return None
    import sympy

    unknown = sympy.Symbol("j")
    difference = sympy.Poly(sympy.expand(score - score.subs(unknown, rows[0])), unknown)
    if any(f"{f} of j" in map(str, score.free_symbols) for f in other):
        return None
    squares = [(unknown - x) ** 2 for x in rows]
    forms = [sympy.Integer(-1) * sympy.prod(squares)]
    if targets[0] is i and all(max(seen) <= row for row, seen in _visible(lemma).items()):
        forms.append((unknown - rows[0]) * sympy.prod(squares[1:]))
    for form in forms:
        polynomial = sympy.Poly(form, unknown)
        s_ = difference.coeff_monomial(unknown ** polynomial.degree()) / polynomial.LC()
        if s_.is_Rational and s_ > 0 and sympy.expand(difference.as_expr() - s_ * form) == 0:
            break
    else:
        return None
    try:
        if not _stated_rows_are_seen(lemma, i, own, targets):
            return None
    except (NotProved, Unsupported, Fault):
        return None
    margin = Fraction(int(s_.p), int(s_.q))
    return margin, ("squares", f"scores are f(i) + {margin} * ({form}), an identity of polynomials")


def _polynomials(*values: Value) -> list[Any]:
    """Values as expanded polynomials. Raises `Unsupported` if they are none, or with too many monomials."""
    import sympy

    done: dict[Term, tuple[Any, int]] = {}  # with its degree
    symbols: set[Any] = set()

    def of(x: Value) -> tuple[Any, int]:
        if not isinstance(x, Term):
            if not isinstance(x, (int, Fraction)):
                raise Unsupported("an irrational number in a polynomial")
            return sympy.Rational(Fraction(x).numerator, Fraction(x).denominator), 0
        if x not in done:
            done[x] = of_term(x)
        return done[x]

    def of_term(x: Term) -> tuple[Any, int]:
        match x.op:
            case "var":
                symbols.add(sympy.Symbol(x.args[0]))
                return sympy.Symbol(x.args[0]), 1
            case "lin":
                constant, parts = t.split(x)
                found = [(of(k)[0], *of(term)) for term, k in parts.items()]
                total = sympy.Add(of(constant)[0], *(k * p for k, p, _ in found))
                return sympy.expand(total), max(degree for _, _, degree in found)
            case "mul":
                (a, m), (b, n) = of(x.args[0]), of(x.args[1])
                if comb(len(symbols) + m + n, len(symbols)) > MAX_MONOMIALS:
                    raise Unsupported("a polynomial with very many monomials")
                return sympy.expand(a * b), m + n
        raise Unsupported(f"{x.op} in a polynomial")

    return [of(x)[0] for x in values]


def _stated_rows_are_seen(lemma: Lemma, me: Term, own: dict[str, Value], targets: list[Value]) -> bool:
    """Do the mask and the rows hold every stated row, whatever a row holds? And are there values for every row?"""
    if any(next(states(lemma, i), None) is None for i in lemma.rows):
        return False
    here = scope(lemma, me, own)
    known: list[Value] = []
    for f in lemma.fields:
        low, high = (number(evaluate(e, here), NOWHERE) for e in (f.low, f.high))
        known += [v.at_most(low, own[f.name]), v.at_most(own[f.name], high)]
    known += [truth(evaluate(e, here), e.span) for e in lemma.assumptions]
    tally = Tally()
    for x in targets:
        prove(v.both(v.at_most(lemma.low, x), v.at_most(x, lemma.high)), known, "there is the row", tally)
        if lemma.mask is not None:
            seen = truth(evaluate(lemma.mask, Scope({"self": me, "other": x}, _functions(lemma))), lemma.mask.span)
            prove(seen, known, "the mask lets the row be seen", tally)
    return True


# ---- all scores --------------------------------------------------------------------------------


def _names(lemma: Lemma) -> tuple[str, ...]:
    return tuple(f.name for f in lemma.fields)


def _visible(lemma: Lemma) -> dict[int, tuple[int, ...]]:
    return visible(lemma.mask, lemma.rows, lemma.functions)


def all_states(lemma: Lemma) -> dict[int, list[State]]:
    """What each row may hold. Raises `Unsupported` if the ranges have very many values together."""
    total = sum(prod(len(r) for r in _ranges(lemma, i)) for i in lemma.rows)
    if total > MAX_STATES:
        raise Unsupported(f"{total:,} values of rows are more than {MAX_STATES:,}")
    return {i: list(states(lemma, i)) for i in lemma.rows}


def _ranges(lemma: Lemma, i: int) -> list[range]:
    ranges = []
    for f in lemma.fields:
        low, high = (evaluate(e, scope(lemma, i, {})) for e in (f.low, f.high))
        if not (t.is_whole(low) and t.is_whole(high)):
            raise Unsupported(f"field {f.name} without whole bounds")
        ranges.append(range(int(low), int(high) + 1))
    return ranges


def states(lemma: Lemma, i: int) -> Iterator[State]:
    """What row i may hold, in lexicographic order."""
    ranges = _ranges(lemma, i)
    if prod(len(r) for r in ranges) > MAX_STATES:
        raise Unsupported(f"more than {MAX_STATES:,} values of a row")
    if not lemma.assumptions:
        yield from product(*ranges)
        return
    for own in product(*ranges):
        here = scope(lemma, i, dict(zip(_names(lemma), own, strict=True)))
        if all(truth(evaluate(e, here), e.span) for e in lemma.assumptions):
            yield own


Entry = tuple[State, Vec, tuple[int, ...]]  # what a row holds; its query or key: exactly, and at the places that matter


@dataclass(frozen=True, slots=True)
class _Table:
    """Queries and keys of all rows and states: as they are, and as whole numbers (times a unit) that are at most 1 off where an
    entry is irrational."""

    held: dict[int, list[State]]
    queries: dict[tuple[int, State], Entry]
    own: dict[tuple[int, State], Entry]  # all keys
    keys: dict[int, list[Entry]]  # those of a row that differ, or whose fields matter to what is stated
    unit: int  # of scores
    rational: bool


def _tabulate(lemma: Lemma, matters: list[int]) -> _Table:
    held = all_states(lemma)
    if not all(held.values()):
        if not any(held.values()):
            raise Never("no values satisfy the assumptions")
        raise Never(f"no values satisfy the assumptions in row {next(i for i, x in held.items() if not x)}")
    vectors = [_vectors(lemma, cases, held) for cases in (lemma.query, lemma.key)]
    different = [{id(x): x for x in found.values()} for found in vectors]
    width = max((x.length for found in different for x in found.values()), default=0)
    used = [{k for x in found.values() for k in x.entries} for found in different]
    places = tuple(k for k in range(1, width + 1) if k in used[0] and k in used[1])
    whole, unit, rational = [], 1, True
    for found in different:
        entries = [x for vec in found.values() for k, x in vec.entries.items() if k in places]
        fractions = [Fraction(x) for x in entries if isinstance(x, (int, Fraction))]
        exact = len(fractions) == len(entries)
        rational = rational and exact
        factor = lcm(*(x.denominator for x in fractions)) if exact else 1 << BITS
        unit *= factor
        whole.append({n: tuple(_scaled(vec.entries.get(k, 0), factor, exact) for k in places) for n, vec in found.items()})
    queries, own = ({at: (at[1], vec, w[id(vec)]) for at, vec in found.items()} for found, w in zip(vectors, whole, strict=True))
    keys = {j: list({(id(own[j, b][1]), *(b[n] for n in matters)): own[j, b] for b in held[j]}.values()) for j in lemma.rows}
    return _Table(held, queries, own, keys, unit, rational)


def _vectors(lemma: Lemma, cases: tuple[s.Case, ...], held: dict[int, list[State]]) -> dict[tuple[int, State], Vec]:
    """The query or key of every row and state; one object for each value of what it depends on."""
    names, plain = _names(lemma), _plain_names(cases)
    depends = [n for n, x in enumerate(names) if x in plain]
    found: dict[tuple[int, State], Vec] = {}
    made: dict[tuple[int, ...], Vec] = {}
    for i, of in held.items():
        for own in of:
            key = (i if "self" in plain else 0, *(own[n] for n in depends))
            if key not in made:
                made[key] = sem.select(cases, scope(lemma, i, dict(zip(names, own, strict=True))), WIDTH)
            found[i, own] = made[key]
    return found


def _scaled(x: Any, unit: int, exact: bool) -> int:
    return int(Fraction(x) * unit) if exact else approximate(x, BITS)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row with one state: the rows that it sees, with what they may hold, and how it scores them."""

    i: int
    own: State
    seen: tuple[int, ...]
    table: _Table
    exactly: bool
    slack: int  # two scores that differ by more are in that order

    def keys(self, j: int) -> list[Entry]:
        return self.table.keys[j] if j != self.i else [self.table.own[j, self.own]]

    def score(self, key: Entry) -> Any:
        _, query, short = self.table.queries[self.i, self.own]
        return sem.dot(query, key[1]) if self.exactly else sum(map(mul, short, key[2]))


@lru_cache(maxsize=1_000)
def _by_table(lemma: Lemma) -> Found | NotProved:
    """What a comparison of all scores proves, or why it does not."""
    try:
        return _compared(lemma)
    except NotProved as reason:
        return reason
    except (Unsupported, Fault) as reason:
        return NotProved(f"{lemma.name}: {reason}")


def _compared(lemma: Lemma) -> Found:
    seen = _visible(lemma)
    gap_of, matters = _stated(lemma)
    table = _tabulate(lemma, matters)
    different = len({id(x[1]) for x in table.queries.values()})
    pairs = sum(len({id(table.queries[i, own][1]) for own in table.held[i]}) * len(seen[i]) for i in lemma.rows)
    if min(pairs, different * len(lemma.rows)) * max(map(len, table.keys.values())) > MAX_SCORES:
        raise Unsupported(f"more than {MAX_SCORES:,} scores")
    biggest = max(sum(map(abs, key[2])) for keys in table.keys.values() for key in keys)
    least: Fraction | float = inf
    for i in lemma.rows:
        for own in table.held[i]:
            short = table.queries[i, own][2]
            slack = 0 if table.rational else 2 * (sum(map(abs, short)) + biggest + len(short))
            try:
                gap = gap_of(_Row(i, own, seen[i], table, False, slack))
                least = least if gap == inf else min(least, Fraction(gap - slack, table.unit))
            except Mistaken:
                if table.rational:
                    raise
                least = min(least, _rational_below(gap_of(_Row(i, own, seen[i], table, True, 0))))
    kinds = "" if table.rational else f", irrational ones by whole numbers of {BITS} bits, near ties exactly"
    found = Fraction(least) if least != inf else Fraction(1)  # with a single row there is nothing else to read
    count = sum(map(len, table.held.values()))
    return found, ("scores", f"the scores of {count:,} rows and what they hold{kinds}; margin {about(found)}")


def _rational_below(x: Any) -> Fraction:
    """A positive rational number at most x, x > 0."""
    if x is inf:
        return Fraction(1)
    bits = 64
    while not isinstance(x, (int, Fraction)):
        near = approximate(x, bits) - 1
        if near > 0:
            return Fraction(near, 1 << bits)
        bits *= 2
    return Fraction(x)


def _stated(lemma: Lemma) -> tuple[Callable[[_Row], Any], list[int]]:
    """The function that compares the scores of a row with what is stated: the least gap; raises `Mistaken`. And the fields of
    other rows that matter to it, by their numbers."""
    fields = set(_names(lemma))
    indexed = {x.array for x in _indices(lemma.reads)} & fields
    if not indexed:
        best: dict[int, list[tuple[Any, int, State]]] = {}
        return lambda row: _fixed(lemma, row, best), []
    first = lemma.reads[0]
    if (
        len(lemma.reads) > 1
        or not isinstance(first, s.Reduce)
        or first.kind not in ("max", "min")
        or not isinstance(first.binder, s.OverRange)
        or first.body != s.Name(first.binder.variable)
        or first.condition is None
        or any(x.index != first.body for x in _indices(first.condition) if x.array in fields)
        or any(x.array in fields for x in _indices((first.binder.low, first.binder.high)))
    ):
        raise Unsupported("what is read depends on other rows in a way that is not `max(j for j in a..b if c)`, c over f[j]")
    memo: dict[Any, dict[int, tuple[list[Entry], list[Entry]]]] = {}
    return lambda row: _searched(lemma, first, row, memo), [n for n, x in enumerate(_names(lemma)) if x in indexed]


def _indices(node: Any) -> Iterator[s.Index]:
    if isinstance(node, s.Index):
        yield node
    if isinstance(node, tuple):
        for x in node:
            yield from _indices(x)
        return
    for f in getattr(node, "__dataclass_fields__", {}):
        if f != "span":
            yield from _indices(getattr(node, f))


def _plain_names(node: Any) -> set[str]:
    """The names that occur not as arrays."""
    if isinstance(node, s.Name):
        return {node.name}
    if isinstance(node, tuple):
        return {x for y in node for x in _plain_names(y)}
    return {x for f in getattr(node, "__dataclass_fields__", {}) if f != "span" for x in _plain_names(getattr(node, f))}


def _fixed(lemma: Lemma, row: _Row, best: dict[int, list[tuple[Any, int, State]]]) -> Any:
    """The stated rows depend on the row itself alone."""
    here = scope(lemma, row.i, dict(zip(_names(lemma), row.own, strict=True)))
    targets: list[int] = []
    for e in lemma.reads:
        x = number(evaluate(e, here), e.span)
        if not isinstance(x, int) or x not in row.seen:
            raise Mistaken(f"it cannot attend to row {x}", row.i, {row.i: row.own})
        targets += [] if x in targets else [x]
    stated = [(row.score(key), j, key[0]) for j in targets for key in row.keys(j)]
    low, high = min(stated, key=_score), max(stated, key=_score)
    if len(targets) > 1 and (row.slack or low[0] != high[0]):
        raise Mistaken(
            f"rows {low[1]} and {high[1]} do not score the same", row.i, {row.i: row.own, low[1]: low[2], high[1]: high[2]}
        )
    if not row.exactly:
        query = id(row.table.queries[row.i, row.own][1])
        if query not in best:  # of all rows, seen or not, with all that they may hold
            every = ((row.score(key), j, key[0]) for j, keys in row.table.keys.items() for key in keys)
            of_row: dict[int, tuple[Any, int, State]] = {}
            for entry in every:
                if entry[1] not in of_row or entry[0] > of_row[entry[1]][0]:
                    of_row[entry[1]] = entry
            best[query] = sorted(of_row.values(), key=_score, reverse=True)[: len(lemma.reads) + 1]
        rival = next((x for x in best[query] if x[1] not in targets), None)
        if rival is None:
            return inf
        if low[0] - rival[0] > row.slack:
            return low[0] - rival[0]
    others = [(row.score(key), j, key[0]) for j in row.seen if j not in targets for key in row.keys(j)]
    if not others:
        return inf
    return _gap(row, low, max(others, key=_score))


def _searched(lemma: Lemma, e: s.Reduce, row: _Row, memo: dict[Any, dict[int, tuple[list[Entry], list[Entry]]]]) -> Any:
    """The stated row is the last (or first) of a range whose field fits."""
    assert isinstance(e.binder, s.OverRange)
    here = scope(lemma, row.i, dict(zip(_names(lemma), row.own, strict=True)))
    low, high = evaluate(e.binder.low, here), evaluate(e.binder.high, here)
    if not (t.is_whole(low) and t.is_whole(high)):
        raise Unsupported("a range without whole bounds")
    plain = _plain_names(e.condition)
    depends = (row.i if "self" in plain else None, *(x for n, x in zip(_names(lemma), row.own, strict=True) if n in plain))
    parts = memo.setdefault(depends, {})

    def part(j: int) -> tuple[list[Entry], list[Entry]]:
        """What row j may hold, and what of it fits first."""
        if not low <= j <= high:
            return [], row.keys(j)
        if j == row.i:
            return _parted(lemma, e, here, j, row.keys(j))
        if j not in parts:
            parts[j] = _parted(lemma, e, here, j, row.keys(j))
        return parts[j]

    hidden = (j for j in range(int(low), int(high) + 1) if j not in row.seen)
    outside = next((j for j in hidden if j not in lemma.rows or part(j)[0]), None)
    if outside is not None:
        raise Mistaken(f"it cannot attend to row {outside}", row.i, {row.i: row.own})
    order = sorted(row.seen, reverse=e.kind == "max")
    quick = None if row.exactly else _quick(row.table.queries[row.i, row.own][2], [part(j) for j in order], row.slack)
    if quick is not None:
        return quick
    gap: Any = inf
    lowest: tuple[Any, int, State] | None = None  # the least score with which a row so far may be the stated one
    highest: tuple[Any, int, State] | None = None  # the largest score of a row so far that does not fit
    certain = False  # does a row so far always fit?
    for j in order:
        fit, rest = part(j)
        good = [(row.score(key), j, key[0]) for key in fit]
        bad = [(row.score(key), j, key[0]) for key in rest]
        if lowest is not None:
            gap = _smaller(gap, _gap(row, lowest, max(good + bad, key=_score)))
        if good and not certain:
            worst = min(good, key=_score)
            if highest is not None:
                gap = _smaller(gap, _gap(row, worst, highest))
            lowest = worst if lowest is None else min(lowest, worst, key=_score)
        if bad:
            highest = max(([] if highest is None else [highest]) + bad, key=_score)
        certain = certain or not bad
    if not certain:
        raise Mistaken("it may be that no row fits", row.i, {row.i: row.own})
    return gap


def _smaller(a: Any, b: Any) -> Any:
    """The smaller of two gaps; exact numbers do not compare with the infinite one."""
    return b if a is inf else min(a, b)


def _quick(short: tuple[int, ...], parts: list[tuple[list[Entry], list[Entry]]], slack: int) -> float | int | None:
    """The same with bare scores: the least gap, or None where it is not large enough."""
    gap: float | int = inf
    lowest = highest = None
    certain = False
    for fit, rest in parts:
        good = [sum(map(mul, short, key[2])) for key in fit]
        bad = [sum(map(mul, short, key[2])) for key in rest]
        if lowest is not None:
            gap = min(gap, lowest - max(good + bad))
        if good and not certain:
            worst = min(good)
            if highest is not None:
                gap = min(gap, worst - highest)
            lowest = worst if lowest is None else min(lowest, worst)
        if bad:
            best = max(bad)
            highest = best if highest is None else max(highest, best)
        certain = certain or not bad
    return gap if certain and gap > slack else None


def _parted(lemma: Lemma, e: s.Reduce, here: Scope, j: int, keys: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those of the states of row j at which the condition holds, and the others."""
    assert isinstance(e.binder, s.OverRange) and e.condition is not None
    parted: tuple[list[Entry], list[Entry]] = ([], [])
    for key in keys:
        rows = {x: OfRows(x, _at_row(j, key[0][n]), lemma.low, lemma.high) for n, x in enumerate(_names(lemma))}
        there = Scope({**here.names, e.binder.variable: j}, here.functions, rows=rows)
        holds = truth(evaluate(e.condition, there), e.span)
        assert isinstance(holds, bool)
        parted[0 if holds else 1].append(key)
    return parted


def _at_row(j: int, x: int) -> Callable[[Value], Value]:
    """What rows hold, if only row j is known."""

    def get(index: Value) -> Value:
        if index != j:
            raise Unsupported("what is read depends on other rows than the one that is looked at")
        return x

    return get


def _score(entry: tuple[Any, int, State]) -> Any:
    return entry[0]


def _gap(row: _Row, winner: tuple[Any, int, State], rival: tuple[Any, int, State]) -> Any:
    if not winner[0] - rival[0] > row.slack:
        raise Mistaken(
            f"row {rival[1]} scores no less than row {winner[1]}",
            row.i,
            {row.i: row.own, winner[1]: winner[2], rival[1]: rival[2]},
        )
    return winner[0] - rival[0]
