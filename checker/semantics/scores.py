"""The largest scores of all rows at once, as whole numbers in arrays where it is certain that no sum leaves them.

For heads whose scores do not depend on data: their queries and keys are multiplied by their denominators. Every score is then
a sum of products whose absolute values together stay below `LIMIT`, so differences of two scores stay within 64 bits, and if
they stay below 2^53 every partial sum is exact in floating point, in whatever order it is taken. Where numbers are not rational
or not that small, `table` may take whole numbers near them and says how far off scores are; the other functions return None:
whoever asks must compare the exact numbers one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from checker.semantics.cyclotomic import Number, approximate
from checker.semantics.expressions import Vec
from checker.semantics.terms import Term

LIMIT = 2**61  # of the sum of the absolute values of the products in any score
DOUBLE = 2**53  # whole numbers below are exact in floating point
BLOCK = 2**20  # scores that are looked at together
NEAR = 40  # binary digits behind the point of numbers near irrational ones, at most
WORK = 2**33  # products of numbers for all scores together

# How many rows have the largest score; how far below it others are, and how many; how many more there are.
Pattern = tuple[int, tuple[tuple[Number, int], ...], int]


@dataclass(frozen=True, slots=True)
class Table:
    """Queries and keys, a row each, with one column for every coordinate that both use. Scores are multiples of 1/unit. Each is
    off by at most `off` of them: 0 where entries are rational and small."""

    queries: Any
    keys: Any
    unit: int
    off: int = 0

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """Scores in units, some rows of queries at a time: the place of the first of them, and a row of scores for each."""
        step = max(1, BLOCK // len(self.keys))
        for start in range(0, len(self.queries), step):
            yield start, self.scores(slice(start, start + step))

    def scores(self, queries: Any) -> Any:
        """The scores of some queries with all keys."""
        import numpy as np

        return (self.queries[queries] @ self.keys.T).astype(np.int64)


def table(queries: Sequence[Vec], keys: Sequence[Vec], near: bool = False) -> Table | None:
    """Queries and keys as whole numbers; with `near` as numbers near them where they are irrational or too large.

    None where that does not work, where vectors depend on data, and where it is too much work."""
    both = (*queries, *keys)
    if any(x.rows or x.noise or any(isinstance(e, Term) for e in x.entries.values()) for x in both):
        return None
    common = set().union(*(x.entries for x in queries)) & set().union(*(x.entries for x in keys))
    columns = {k: place for place, k in enumerate(sorted(common))}
    if len(queries) * len(keys) * max(1, len(columns)) > WORK:
        return None
    left, right = ([{columns[k]: e for k, e in x.entries.items() if k in columns} for x in of] for of in (queries, keys))
    whole = [_cleared(x, len(columns)) for x in (left, right)]
    bound = LIMIT if None in whole else _bound(*(x.most for x in whole if x is not None))
    off = 0
    if bound >= LIMIT:
        if not near:
            return None
        bits = _bits(left, right, len(columns))
        if bits is None:
            return None
        whole = [_nearest(x, len(columns), bits) for x in (left, right)]
    a, b = whole
    assert a is not None and b is not None
    bound = _bound(a.most, b.most)
    if bound >= LIMIT:
        return None
    if a.near or b.near:
        off = a.longest + b.longest + len(columns)
    exact_in_floats = bound < DOUBLE
    return Table(_array(a, len(columns), exact_in_floats), _array(b, len(columns), exact_in_floats), a.unit * b.unit, off)


@dataclass(frozen=True, slots=True)
class _Cleared:
    """Vectors times `unit` as whole numbers by place, each off by at most 1 if they are `near`; the largest absolute value at
    every place, and the largest sum of the absolute values of a vector."""

    rows: list[dict[int, int]]
    unit: int
    most: list[int]
    near: bool

    @property
    def longest(self) -> int:
        return max((sum(map(abs, row.values())) for row in self.rows), default=0)


def _cleared(vectors: list[dict[int, Any]], width: int) -> _Cleared | None:
    """Times their common denominator; None where entries are irrational."""
    if any(type(e) not in (int, Fraction) for x in vectors for e in x.values()):
        return None
    unit = lcm(*{e.denominator for x in vectors for e in x.values()})
    return _with_most([{k: e.numerator * (unit // e.denominator) for k, e in x.items()} for x in vectors], unit, width, False)


def _nearest(vectors: list[dict[int, Any]], width: int, bits: int) -> _Cleared:
    return _with_most([{k: approximate(e, bits) for k, e in x.items()} for x in vectors], 1 << bits, width, True)


def _with_most(rows: list[dict[int, int]], unit: int, width: int, near: bool) -> _Cleared:
    most = [0] * width
    for row in rows:
        for k, x in row.items():
            most[k] = max(most[k], abs(x))
    return _Cleared(rows, unit, most, near)


def _bound(left: list[int], right: list[int]) -> int:
    return max(sum(a * b for a, b in zip(left, right, strict=True)), *left, *right, 0)


def _bits(left: list[dict[int, Any]], right: list[dict[int, Any]], width: int) -> int | None:
    """The most binary digits behind the point with which scores of numbers near these stay below the limit."""
    a, b = (_nearest(x, width, 0).most for x in (left, right))  # each off by at most 1
    for bits in range(NEAR, -1, -1):
        scaled = [[(x + 1 << bits) + 1 for x in most] for most in (a, b)]
        if _bound(*scaled) < LIMIT:
            return bits
    return None


def _array(x: _Cleared, width: int, floats: bool) -> Any:
    import numpy as np

    found = np.zeros((len(x.rows), width), dtype=np.float64 if floats else np.int64)
    for i, row in enumerate(x.rows):
        for place, e in row.items():
            found[i, place] = e
    return found


def winners(queries: Sequence[Vec], keys: Sequence[Vec]) -> tuple[list[tuple[int, ...]], list[int]] | None:
    """The sets of places of the keys with the largest score, and for each query the place of its set in that list."""
    import numpy as np

    found = table(queries, keys)
    if found is None:
        return None
    sets: list[tuple[int, ...]] = []
    known: dict[bytes | int, int] = {}
    chosen: list[int] = []
    for _, scores in found.blocks():
        best = scores == scores.max(axis=1, keepdims=True)
        ties, first = best.sum(axis=1).tolist(), best.argmax(axis=1).tolist()
        bits = np.packbits(best, axis=1)
        for i, (count, j) in enumerate(zip(ties, first, strict=True)):
            key: bytes | int = j if count == 1 else bits[i].tobytes()
            if key not in known:
                known[key] = len(sets)
                sets.append((j,) if count == 1 else tuple(np.flatnonzero(best[i]).tolist()))
            chosen.append(known[key])
    return sets, chosen


def patterns(queries: Sequence[Vec], keys: Sequence[Vec], far: int) -> frozenset[Pattern] | None:
    """What the scores of a query look like, of all queries: how many keys have the largest one, how far below it others are and
    how many, gaps from `far` on only counted together."""
    import numpy as np

    whole = table(queries, keys)
    if whole is None:
        return None
    limit = min(far * whole.unit, 2**62)
    found: dict[tuple[int, int, bytes, bytes], Pattern] = {}
    for _, scores in whole.blocks():
        gaps = scores.max(axis=1, keepdims=True) - scores
        ties = (gaps == 0).sum(axis=1).tolist()
        row, column = np.nonzero((gaps > 0) & (gaps < limit))
        gap = gaps[row, column]
        order = np.lexsort((gap, row))
        row, gap = row[order], gap[order]
        new = np.ones(len(row), dtype=bool)
        new[1:] = (row[1:] != row[:-1]) | (gap[1:] != gap[:-1])
        start = np.flatnonzero(new)
        count = np.diff(np.append(start, len(row)))
        row, gap = row[start], gap[start]
        ends = np.searchsorted(row, np.arange(len(ties) + 1)).tolist()
        for i, tied in enumerate(ties):
            near, many = gap[ends[i] : ends[i + 1]], count[ends[i] : ends[i + 1]]
            rest = len(keys) - tied - int(many.sum())
            key = (tied, rest, near.tobytes(), many.tobytes())
            if key not in found:
                gaps_of: list[Number] = [Fraction(g, whole.unit) for g in near.tolist()]
                found[key] = (tied, tuple(zip(gaps_of, many.tolist(), strict=True)), rest)
    return frozenset(found.values())
