"""Lemmas about a head by all its scores: every row, with all that it and the rows that it sees may hold (Lemmas D.1, D.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from math import inf
from typing import Any

from checker.kernel.lemma_arrays import Gaps, Rows, fixed, searched
from checker.kernel.lemma_rows import WIDTH, Found, Mistaken, Never, State, all_states, names_of, scope, seen_rows
from checker.kernel.proofs import NotProved
from checker.language import syntax as s
from checker.models.lemma import Lemma
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics.cyclotomic import approximate
from checker.semantics.expressions import Fault, OfRows, Scope, Vec, evaluate, number, truth
from checker.semantics.precision import about
from checker.semantics.scores import table as table_of
from checker.semantics.terms import Value
from checker.semantics.values import Unsupported

MAX_EXACT = 20_000_000  # scores of exact numbers that are compared one by one

Entry = tuple[State, Vec]  # what a row holds; its query or key


@dataclass(frozen=True, slots=True)
class _Row:
    """One row with one state: the rows that it sees, with what they may hold, and how it scores them."""

    i: int
    own: State
    query: Vec
    key: Vec
    seen: tuple[int, ...]
    others: dict[int, list[Entry]]  # keys of rows that differ, or whose fields matter to what is stated

    def keys(self, j: int) -> list[Entry]:
        return self.others[j] if j != self.i else [(self.own, self.key)]

    def score(self, key: Entry) -> Any:
        return sem.dot(self.query, key[1])


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
    seen, held = seen_rows(lemma), all_states(lemma)
    if not all(held.values()):
        if not any(held.values()):
            raise Never("no values satisfy the assumptions")
        raise Never(f"no values satisfy the assumptions in row {next(i for i, x in held.items() if not x)}")
    search, matters = _stated(lemma)
    (queries, query), (keys, key) = (_vectors(lemma, cases, held) for cases in (lemma.query, lemma.key))
    count = len(query)
    table = table_of(queries, keys, near=True)
    rows = None if table is None else Rows(lemma, held, seen, table, query, key, matters)
    try:
        found = None if rows is None else fixed(rows) if search is None else _searched_in_arrays(search, rows)
    except Unsupported:  # too many scores for arrays, or too large
        found = None
    left = range(count) if found is None else found.open
    exact = _one_by_one(lemma, search, matters, held, seen, (queries, query), (keys, key), left)
    least: Fraction | None = exact
    if found is not None and found.least is not None and table is not None:
        near = Fraction(found.least - 2 * table.off, table.unit)
        least = near if least is None else min(least, near)
    kinds = ""
    if table is None or table.off:
        kinds = f", irrational or large ones near whole numbers of 64 bits, {len(left):,} of them exactly"
    margin = Fraction(1) if least is None else least  # with a single row there is nothing else to read
    return margin, ("scores", f"the scores of {count:,} rows and what they hold{kinds}; margin {about(margin)}")


def _vectors(lemma: Lemma, cases: tuple[s.Case, ...], held: dict[int, list[State]]) -> tuple[list[Vec], list[int]]:
    """The queries or keys that differ, and which of them each row has in each state: one for each value of what it depends on."""
    names, plain = names_of(lemma), _plain_names(cases)
    depends = [n for n, x in enumerate(names) if x in plain]
    vectors: list[Vec] = []
    numbers: list[int] = []
    known: dict[tuple[int, ...], int] = {}
    for i, of in held.items():
        at = i if "self" in plain else 0
        for own in of:
            parts = (at, *[own[n] for n in depends])
            if parts not in known:
                known[parts] = len(vectors)
                vectors.append(sem.select(cases, scope(lemma, i, dict(zip(names, own, strict=True))), WIDTH))
            numbers.append(known[parts])
    return vectors, numbers


Numbered = tuple[list[Vec], list[int]]


def _one_by_one(
    lemma: Lemma,
    search: _Search | None,
    matters: tuple[int, ...],
    held: dict[int, list[State]],
    seen: dict[int, tuple[int, ...]],
    queries: Numbered,
    keys: Numbered,
    places: Sequence[int],
) -> Fraction | None:
    """The least gap at some places, by exact numbers; None if there is nothing else to read. Raises `Mistaken`."""
    if not places:
        return None
    states = [(i, own) for i, of in held.items() for own in of]
    others: dict[int, dict[Any, Entry]] = {i: {} for i in held}
    for (j, own), k in zip(states, keys[1], strict=True):
        others[j].setdefault((k, *(own[n] for n in matters)), (own, keys[0][k]))
    plain = {j: [*x.values()] for j, x in others.items()}
    if len(places) * sum(map(len, plain.values())) > MAX_EXACT:
        raise Unsupported(f"more than {MAX_EXACT:,} scores that arrays do not tell apart")
    least: Fraction | None = None
    for place in places:
        i, own = states[place]
        row = _Row(i, own, queries[0][queries[1][place]], keys[0][keys[1][place]], seen[i], plain)
        gap = _fixed(lemma, row) if search is None else _searched(search, row)
        if gap is not inf:
            least = _rational_below(gap) if least is None else min(least, _rational_below(gap))
    return least


def _rational_below(x: Any) -> Fraction:
    """A positive rational number at most x, x > 0."""
    bits = 64
    while not isinstance(x, (int, Fraction)):
        near = approximate(x, bits) - 1
        if near > 0:
            return Fraction(near, 1 << bits)
        bits *= 2
    return Fraction(x)


@dataclass(frozen=True, slots=True)
class _Search:
    """The stated row is the last (or first) of a range whose fields fit. What rows hold parts in two, by what that depends on."""

    lemma: Lemma
    e: s.Reduce
    binder: s.OverRange
    depends: frozenset[str]
    parted: dict[Any, dict[int, tuple[list[Entry], list[Entry]]]]

    def scope(self, i: int, own: State) -> Scope:
        return scope(self.lemma, i, dict(zip(names_of(self.lemma), own, strict=True)))

    def group(self, i: int, own: State) -> tuple[int | None, ...]:
        """What the condition depends on, of the row itself."""
        fields = zip(names_of(self.lemma), own, strict=True)
        return (i if "self" in self.depends else None, *(x for n, x in fields if n in self.depends))

    def range(self, here: Scope) -> tuple[int, int]:
        low, high = evaluate(self.binder.low, here), evaluate(self.binder.high, here)
        if not (t.is_whole(low) and t.is_whole(high)):
            raise Unsupported("a range without whole bounds")
        return int(low), int(high)

    def fits(self, here: Scope, j: int, held: State) -> bool:
        """Does the condition hold at row j, if it holds this?"""
        assert self.e.condition is not None
        names = enumerate(names_of(self.lemma))
        rows = {x: OfRows(x, _at_row(j, held[n]), self.lemma.low, self.lemma.high) for n, x in names}
        there = Scope({**here.names, self.binder.variable: j}, here.functions, rows=rows)
        return bool(truth(evaluate(self.e.condition, there), self.e.span))


def _stated(lemma: Lemma) -> tuple[_Search | None, tuple[int, ...]]:
    """The search that the statement is, if it depends on what other rows hold, and the fields of them that matter to it, by their
    numbers. Raises `Unsupported`."""
    fields = set(names_of(lemma))
    indexed = {x.array for x in _indices(lemma.reads)} & fields
    if not indexed:
        return None, ()
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
    found = _Search(lemma, first, first.binder, frozenset(_plain_names(first.condition)), {})
    return found, tuple(n for n, x in enumerate(names_of(lemma)) if x in indexed)


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
    """The stated rows depend on the row itself alone: the least gap, `inf` if nothing else is seen. Raises `Mistaken`."""
    here = scope(lemma, row.i, dict(zip(names_of(lemma), row.own, strict=True)))
    targets: list[int] = []
    for e in lemma.reads:
        x = number(evaluate(e, here), e.span)
        if not isinstance(x, int) or x not in row.seen:
            raise Mistaken(f"it cannot attend to row {x}", row.i, {row.i: row.own})
        targets += [] if x in targets else [x]
    stated = [(row.score(key), j, key[0]) for j in targets for key in row.keys(j)]
    low, high = min(stated, key=_score), max(stated, key=_score)
    if len(targets) > 1 and low[0] != high[0]:
        raise Mistaken(
            f"rows {low[1]} and {high[1]} do not score the same", row.i, {row.i: row.own, low[1]: low[2], high[1]: high[2]}
        )
    others = [(row.score(key), j, key[0]) for j in row.seen if j not in targets for key in row.keys(j)]
    return _gap(row, low, max(others, key=_score)) if others else inf


def _searched_in_arrays(search: _Search, rows: Rows) -> Gaps:
    """All rows that arrays settle."""
    groups: dict[Any, tuple[int, Scope]] = {}
    ranges, numbers = [], []
    for i, own in rows.states:
        here = search.scope(i, own)
        ranges.append(search.range(here))
        numbers.append(groups.setdefault(search.group(i, own), (len(groups), here))[0])
    scopes = [here for _, here in groups.values()]

    def fits(group: int, place: int) -> bool:
        return search.fits(scopes[group], *rows.states[place])

    return searched(rows, search.e.kind == "max", ranges, numbers, fits)


def _searched(search: _Search, row: _Row) -> Any:
    """The stated row is the last (or first) of a range whose field fits: the least gap. Raises `Mistaken`."""
    here = search.scope(row.i, row.own)
    low, high = search.range(here)
    parts = search.parted.setdefault(search.group(row.i, row.own), {})

    def part(j: int) -> tuple[list[Entry], list[Entry]]:
        """What row j may hold, and what of it fits first."""
        if not low <= j <= high:
            return [], row.keys(j)
        if j == row.i:
            return _parted(search, here, j, row.keys(j))
        if j not in parts:
            parts[j] = _parted(search, here, j, row.keys(j))
        return parts[j]

    hidden = (j for j in range(low, high + 1) if j not in row.seen)
    outside = next((j for j in hidden if j not in search.lemma.rows or part(j)[0]), None)
    if outside is not None:
        raise Mistaken(f"it cannot attend to row {outside}", row.i, {row.i: row.own})
    gap: Any = inf
    lowest: tuple[Any, int, State] | None = None  # the least score with which a row so far may be the stated one
    highest: tuple[Any, int, State] | None = None  # the largest score of a row so far that does not fit
    certain = False  # does a row so far always fit?
    for j in sorted(row.seen, reverse=search.e.kind == "max"):
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


def _parted(search: _Search, here: Scope, j: int, keys: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Those of the states of row j at which the condition holds, and the others."""
    parted: tuple[list[Entry], list[Entry]] = ([], [])
    for key in keys:
        parted[0 if search.fits(here, j, key[0]) else 1].append(key)
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
    if not winner[0] > rival[0]:
        raise Mistaken(
            f"row {rival[1]} scores no less than row {winner[1]}",
            row.i,
            {row.i: row.own, winner[1]: winner[2], rival[1]: rival[2]},
        )
    return winner[0] - rival[0]
