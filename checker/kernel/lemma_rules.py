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
from math import inf, lcm, prod
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
from checker.semantics.cyclotomic import Cyclotomic, approximate
from checker.semantics.expressions import Fault, OfRows, Scope, Vec, evaluate, number, truth
from checker.semantics.masks import visible
from checker.semantics.precision import ENDLESS, about, grain
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

MAX_STATES = 2_000_000  # values of all rows together
MAX_SCORES = 60_000_000  # pairs of a query and a key
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
    try:
        for way in (_by_squares, _by_table):
            found = way(j.lemma)
            if found is None:
                continue
            margin, how = found
            if margin < j.margin:
                raise NotProved(f"the margin is {about(margin)} or a little more, not {about(j.margin)}")
            return conclude(j, *how)
    except Unsupported as reason:
        raise NotProved(f"{j.lemma.name}: {reason}") from None
    except Fault as fault:
        raise NotProved(f"{j.lemma.name}: undefined: {fault.message}") from None
    raise NotProved(f"{j.lemma.name}: no rule applies")


def margin_of(lemma: Lemma) -> Fraction:
    """The margin that `picks` proves. Raises `NotProved`."""
    try:
        found = _by_squares(lemma) or _by_table(lemma)
    except (Unsupported, Fault) as reason:
        raise NotProved(f"{lemma.name}: {reason}") from None
    assert found is not None
    return found[0]


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
        return max([grain_of(constant), *(grain_of(k) + grain_of(term) for term, k in parts.items())])
    if x.op == "mul":
        return sum(grain_of(a) for a in x.args)
    if x.op == "ite":
        return max(grain_of(a) for a in x.args[1:])
    if x.op == "cos" and x.args[1] is not None:
        return int(x.args[1])
    return ENDLESS


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
    other rows score at least s less."""
    try:
        (i, own), (j, other) = _symbols(lemma, "i"), _symbols(lemma, "j")
        conditions: list[Any] = []
        here = scope(lemma, i, own, conditions)
        targets = [number(evaluate(e, here), e.span) for e in lemma.reads]
        query, key = choose_case(lemma.query, here), choose_case(lemma.key, scope(lemma, j, other, conditions))
        if conditions or not all(t.is_whole(x) for x in targets):
            return None
        score = _polynomial(sem.dot(query, key))
        rows = [_polynomial(x) for x in targets]
    except (Unsupported, Fault):
        return None
    import sympy

    unknown = sympy.Symbol("j")
    difference = sympy.Poly(sympy.expand(score - score.subs(unknown, rows[0])), unknown)
    s_ = -difference.coeff_monomial(unknown ** (2 * len(rows)))
    if not (s_.is_Rational and s_ > 0) or any(f"{f} of j" in map(str, score.free_symbols) for f in other):
        return None
    if sympy.expand(difference.as_expr() + s_ * sympy.prod(unknown - x for x in rows) ** 2) != 0:
        return None
    try:
        if not _stated_rows_are_seen(lemma, i, own, targets):
            return None
    except (NotProved, Unsupported, Fault):
        return None
    margin = Fraction(int(s_.p), int(s_.q))
    power = "(j - t)^2" if len(rows) == 1 else "((j - t)(j - u))^2"
    return margin, ("squares", f"scores are f(i) - {margin} {power}, an identity of polynomials")


def _polynomial(x: Value) -> Any:
    import sympy

    if not isinstance(x, Term):
        if not isinstance(x, (int, Fraction)):
            raise Unsupported("an irrational number in a polynomial")
        return sympy.Rational(Fraction(x).numerator, Fraction(x).denominator)
    match x.op:
        case "var":
            return sympy.Symbol(x.args[0])
        case "lin":
            constant, parts = t.split(x)
            return _polynomial(constant) + sum(_polynomial(k) * _polynomial(term) for term, k in parts.items())
        case "mul":
            return _polynomial(x.args[0]) * _polynomial(x.args[1])
    raise Unsupported(f"{x.op} in a polynomial")


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


def states(lemma: Lemma, i: int) -> Iterator[State]:
    """What row i may hold, in lexicographic order."""
    ranges = []
    for f in lemma.fields:
        low, high = (evaluate(e, scope(lemma, i, {})) for e in (f.low, f.high))
        if not (t.is_whole(low) and t.is_whole(high)):
            raise Unsupported(f"field {f.name} without whole bounds")
        ranges.append(range(int(low), int(high) + 1))
    if prod(len(r) for r in ranges) > MAX_STATES:
        raise Unsupported(f"more than {MAX_STATES:,} values of a row")
    for own in product(*ranges):
        here = scope(lemma, i, dict(zip(_names(lemma), own, strict=True)))
        if all(truth(evaluate(e, here), e.span) for e in lemma.assumptions):
            yield own


@dataclass(frozen=True, slots=True)
class _Table:
    """Queries and keys of all rows and states: as they are, and as whole numbers (times `unit`) that are at most 1 off where an
    entry is irrational."""

    held: dict[int, list[State]]
    queries: dict[tuple[int, State], tuple[Vec, tuple[int, ...]]]
    own: dict[tuple[int, State], tuple[State, Vec, tuple[int, ...]]]  # the keys
    keys: dict[
        int, list[tuple[State, Vec, tuple[int, ...]]]
    ]  # those of a row that differ, or whose fields matter to what is stated
    unit: tuple[int, int]  # of queries, of keys
    rational: bool


def _tabulate(lemma: Lemma, matters: list[int]) -> _Table:
    held = {i: list(states(lemma, i)) for i in lemma.rows}
    total = sum(map(len, held.values()))
    if not all(held.values()):
        if total == 0:
            raise Never("no values satisfy the assumptions")
        raise Never(f"no values satisfy the assumptions in row {next(i for i, x in held.items() if not x)}")
    if total > MAX_STATES:
        raise Unsupported(f"{total:,} values of rows are more than {MAX_STATES:,}")
    names = _names(lemma)
    vectors: list[dict[tuple[int, State], Vec]] = [{}, {}]
    for i, own in ((row, own) for row in lemma.rows for own in held[row]):
        here = scope(lemma, i, dict(zip(names, own, strict=True)))
        for found, cases in zip(vectors, (lemma.query, lemma.key), strict=True):
            found[i, own] = sem.select(cases, here, WIDTH)
    width = max((x.length for found in vectors for x in found.values()), default=0)
    used = [{k for x in found.values() for k in x.entries} for found in vectors]
    places = tuple(k for k in range(1, width + 1) if k in used[0] and k in used[1])
    whole, units, rational = [], [], True
    for found in vectors:
        entries = [x for vec in found.values() for k, x in vec.entries.items() if k in places]
        fractions = [Fraction(x) for x in entries if isinstance(x, (int, Fraction))]
        exact = len(fractions) == len(entries)
        rational = rational and exact
        unit = lcm(*(x.denominator for x in fractions)) if exact else 1 << BITS
        units.append(unit)
        whole.append({at: tuple(_scaled(vec.entries.get(k, 0), unit, exact) for k in places) for at, vec in found.items()})
    queries = {at: (vec, whole[0][at]) for at, vec in vectors[0].items()}
    of_row = {at: (at[1], vec, whole[1][at]) for at, vec in vectors[1].items()}
    keys = {}
    for j in lemma.rows:
        differ = {
            (whole[1][j, b] if rational else tuple(sorted(vectors[1][j, b].entries.items())), *(b[n] for n in matters)): b
            for b in held[j]
        }
        keys[j] = [of_row[j, b] for b in differ.values()]
    return _Table(held, queries, of_row, keys, (units[0], units[1]), rational)


def _scaled(x: Any, unit: int, exact: bool) -> int:
    return int(Fraction(x) * unit) if exact else approximate(x, BITS)


@dataclass(frozen=True, slots=True)
class _Row:
    """One row with one state: for each row that it sees the scores, and the rows that are stated."""

    i: int
    own: State
    scores: dict[int, list[tuple[State, Any]]]
    slack: int  # two scores that differ by more are in that order


@lru_cache(maxsize=200)
def _by_table(lemma: Lemma) -> Found:
    seen = _visible(lemma)
    stated, matters = _stated(lemma)
    table = _tabulate(lemma, matters)
    pairs = sum(len(table.held[i]) * sum(len(table.keys[j]) for j in seen[i]) for i in lemma.rows)
    if pairs > MAX_SCORES:
        raise Unsupported(f"{pairs:,} scores are more than {MAX_SCORES:,}")
    least: Fraction | float = inf
    scale = table.unit[0] * table.unit[1]
    count = 0
    for i in lemma.rows:
        for own in table.held[i]:
            query, short = table.queries[i, own]
            size = sum(map(abs, short))
            scores: dict[int, list[tuple[State, Any]]] = {}
            biggest = 0
            for j in seen[i]:
                keys = table.keys[j] if j != i else [table.own[i, own]]
                scores[j] = [(b, sum(map(mul, short, numbers))) for b, _, numbers in keys]
                count += len(scores[j])
            if table.rational:
                gap = stated(_Row(i, own, scores, 0))
                least = least if gap == inf else min(least, Fraction(gap, scale))
                continue
            biggest = max(sum(map(abs, numbers)) for j in seen[i] for _, _, numbers in table.keys[j])
            slack = 2 * (size + biggest + len(short))
            try:
                gap = stated(_Row(i, own, scores, slack))
                least = least if gap == inf else min(least, Fraction(gap - slack, scale))
            except NotProved:
                exact = {
                    j: [(b, sem.dot(query, key)) for b, key, _ in (table.keys[j] if j != i else [table.own[i, own]])]
                    for j in seen[i]
                }
                least = min(least, _rational_below(stated(_Row(i, own, exact, 0))))
    kinds = "" if table.rational else ", irrational ones by whole numbers of 128 bits, near ties exactly"
    found = Fraction(least) if least != inf else Fraction(1)  # with a single row there is nothing else to read
    return found, ("scores", f"{count:,} scores{kinds}; margin {about(found)}")


def _rational_below(x: Any) -> Fraction:
    """A positive rational number at most x, x > 0."""
    if x == inf:
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
        return lambda row: _fixed(lemma, row), []
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
    memo: dict[Any, bool] = {}
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


def _fixed(lemma: Lemma, row: _Row) -> Any:
    """The stated rows depend on the row itself alone."""
    here = scope(lemma, row.i, dict(zip(_names(lemma), row.own, strict=True)))
    targets: list[int] = []
    for e in lemma.reads:
        x = number(evaluate(e, here), e.span)
        if not isinstance(x, int) or x not in row.scores:
            raise Mistaken(f"it cannot attend to row {x}", row.i, {row.i: row.own})
        targets += [] if x in targets else [x]
    stated = [(x, b, score) for x in targets for b, score in row.scores[x]]
    low = min(stated, key=lambda y: y[2])
    high = max(stated, key=lambda y: y[2])
    if len(targets) > 1 and (row.slack or low[2] != high[2]):
        raise Mistaken(
            f"rows {low[0]} and {high[0]} do not score the same", row.i, {row.i: row.own, low[0]: low[1], high[0]: high[1]}
        )
    rival = max(
        ((j, b, score) for j, of in row.scores.items() if j not in targets for b, score in of), key=lambda y: y[2], default=None
    )
    if rival is None:
        return inf
    if not low[2] - rival[2] > row.slack:
        raise Mistaken(
            f"row {rival[0]} scores no less than row {low[0]}", row.i, {row.i: row.own, low[0]: low[1], rival[0]: rival[1]}
        )
    return low[2] - rival[2]


def _searched(lemma: Lemma, e: s.Reduce, row: _Row, memo: dict[Any, bool]) -> Any:
    """The stated row is the last (or first) of a range whose field fits."""
    assert isinstance(e.binder, s.OverRange) and e.condition is not None
    own: dict[str, Value] = dict(zip(_names(lemma), row.own, strict=True))
    here = scope(lemma, row.i, own)
    low, high = evaluate(e.binder.low, here), evaluate(e.binder.high, here)
    if not (t.is_whole(low) and t.is_whole(high)):
        raise Unsupported("a range without whole bounds")
    names = s.free_names(e.condition)
    mine = tuple(own[x] for x in _names(lemma) if x in _plain_names(e.condition))
    theirs = [n for n, x in enumerate(_names(lemma)) if any(y.array == x for y in _indices(e.condition))]
    me = row.i if "self" in names else None

    def fits(j: int, b: State) -> bool:
        key = (me, mine, j, tuple(b[n] for n in theirs))
        if key not in memo:
            rows = {
                x: OfRows(x, lambda k, n=n: _at_row(k, j, b[n]), lemma.low, lemma.high)  # type: ignore[misc]
                for n, x in enumerate(_names(lemma))
            }
            there = Scope({**here.names, e.binder.variable: j}, here.functions, rows=rows)  # type: ignore[union-attr]
            found = truth(evaluate(e.condition, there), e.span)  # type: ignore[arg-type]
            assert isinstance(found, bool)
            memo[key] = found
        return memo[key]

    order = sorted(row.scores, reverse=e.kind == "max")
    candidates = range(int(low), int(high) + 1)
    outside = next((j for j in candidates if j not in row.scores), None)
    if outside is not None:
        raise Mistaken(f"it cannot attend to row {outside}", row.i, {row.i: row.own})
    gap: Any = inf
    lowest: tuple[int, State, Any] | None = None  # the least score with which a row so far may be the stated one
    highest: tuple[int, State, Any] | None = None  # the largest score of a row so far that does not fit
    certain = False  # does a row so far always fit?
    for j in order:
        of = [(j, b, score) for b, score in row.scores[j]]
        good = [y for y in of if j in candidates and fits(j, y[1])]
        bad = [y for y in of if not (j in candidates and fits(j, y[1]))]
        if lowest is not None:
            gap = min(gap, _gap(row, lowest, max(of, key=_score)))
        if good and not certain:
            worst = min(good, key=_score)
            if highest is not None:
                gap = min(gap, _gap(row, worst, highest))
            lowest = worst if lowest is None else min(lowest, worst, key=_score)
        if bad:
            highest = max(([] if highest is None else [highest]) + bad, key=_score)
        certain = certain or not bad
    if not certain:
        raise Mistaken("it may be that no row fits", row.i, {row.i: row.own})
    return gap


def _at_row(k: Value, j: int, x: int) -> int:
    """What row k holds, if only row j is known."""
    if k != j:
        raise Unsupported("what is read depends on other rows than the one that is looked at")
    return x


def _score(entry: tuple[int, State, Any]) -> Any:
    return entry[2]


def _gap(row: _Row, winner: tuple[int, State, Any], rival: tuple[int, State, Any]) -> Any:
    if not winner[2] - rival[2] > row.slack:
        raise Mistaken(
            f"row {rival[0]} scores no less than row {winner[0]}",
            row.i,
            {row.i: row.own, winner[0]: winner[1], rival[0]: rival[1]},
        )
    return winner[2] - rival[2]
