"""Lemmas about a head by all its scores: every row, with all that it and the rows that it sees may hold (Lemmas D.1, D.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import inf, lcm
from operator import mul
from typing import Any

from checker.kernel.lemma_rows import WIDTH, Found, Mistaken, Never, State, all_states, names_of, scope, seen_rows
from checker.kernel.proofs import NotProved
from checker.language import syntax as s
from checker.models.lemma import Lemma
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics.cyclotomic import approximate
from checker.semantics.expressions import Fault, OfRows, Scope, Vec, evaluate, number, truth
from checker.semantics.precision import about
from checker.semantics.terms import Value
from checker.semantics.values import Unsupported

MAX_SCORES = 60_000_000  # pairs of a query and a key
BITS = 128  # behind the point of irrational entries, where that decides a comparison

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
    names, plain = names_of(lemma), _plain_names(cases)
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
def by_scores(lemma: Lemma) -> Found | NotProved:
    """What a comparison of all scores proves, or why it does not."""
    try:
        return _compared(lemma)
    except NotProved as reason:
        return reason
    except (Unsupported, Fault) as reason:
        return NotProved(f"{lemma.name}: {reason}")


def _compared(lemma: Lemma) -> Found:
    seen = seen_rows(lemma)
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
    fields = set(names_of(lemma))
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
    return lambda row: _searched(lemma, first, row, memo), [n for n, x in enumerate(names_of(lemma)) if x in indexed]


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
    here = scope(lemma, row.i, dict(zip(names_of(lemma), row.own, strict=True)))
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
    here = scope(lemma, row.i, dict(zip(names_of(lemma), row.own, strict=True)))
    low, high = evaluate(e.binder.low, here), evaluate(e.binder.high, here)
    if not (t.is_whole(low) and t.is_whole(high)):
        raise Unsupported("a range without whole bounds")
    plain = _plain_names(e.condition)
    depends = (row.i if "self" in plain else None, *(x for n, x in zip(names_of(lemma), row.own, strict=True) if n in plain))
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
        rows = {x: OfRows(x, _at_row(j, key[0][n]), lemma.low, lemma.high) for n, x in enumerate(names_of(lemma))}
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
