"""The largest scores of all rows at once, as whole numbers in arrays where it is certain that no sum leaves them.

For heads whose scores do not depend on data: their queries and keys are multiplied by their denominators. Every score is then
a sum of products whose absolute values together stay below `LIMIT`, so differences of two scores stay within 64 bits, and if
they stay below 2^53 every partial sum is exact in floating point, in whatever order it is taken. All functions return None
where numbers are not rational or not that small: whoever asks must compare the exact numbers one by one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from checker.semantics.cyclotomic import Number
from checker.semantics.expressions import Vec

LIMIT = 2**61  # of the sum of the absolute values of the products in any score
DOUBLE = 2**53  # whole numbers below are exact in floating point
BLOCK = 2**20  # scores that are looked at together
WORK = 2**33  # products of numbers for all scores together

# How many rows have the largest score; how far below it others are, and how many; how many more there are.
Pattern = tuple[int, tuple[tuple[Number, int], ...], int]


@dataclass(frozen=True, slots=True)
class _Table:
    """Queries and keys, a row each, with one column for every coordinate that both use; scores are multiples of 1/unit."""

    queries: Any
    keys: Any
    unit: int

    def blocks(self) -> Iterator[tuple[int, Any]]:
        """Scores in units, some rows of queries at a time: the place of the first of them, and a row of scores for each."""
        import numpy as np

        step = max(1, BLOCK // len(self.keys))
        keys = self.keys.T
        for start in range(0, len(self.queries), step):
            yield start, (self.queries[start : start + step] @ keys).astype(np.int64)


def _table(queries: Sequence[Vec], keys: Sequence[Vec]) -> _Table | None:
    import numpy as np

    both = (*queries, *keys)
    if any(x.rows or x.noise or any(type(e) not in (int, Fraction) for e in x.entries.values()) for x in both):
        return None
    common = set().union(*(x.entries for x in queries)) & set().union(*(x.entries for x in keys))
    columns = {k: place for place, k in enumerate(sorted(common))}
    if len(queries) * len(keys) * max(1, len(columns)) > WORK:
        return None
    (left, most, p), (right, largest, q) = _cleared(queries, columns), _cleared(keys, columns)
    bound = max(sum(a * b for a, b in zip(most, largest, strict=True)), *most, *largest, 0)
    if bound >= LIMIT:
        return None
    tables = []
    for rows in (left, right):
        table = np.zeros((len(rows), len(columns)), dtype=np.float64 if bound < DOUBLE else np.int64)
        for i, row in enumerate(rows):
            for place, x in row:
                table[i, place] = x
        tables.append(table)
    return _Table(tables[0], tables[1], p * q)


def _cleared(vectors: Sequence[Vec], columns: dict[int, int]) -> tuple[list[list[tuple[int, int]]], list[int], int]:
    """The vectors as whole numbers at places, the largest absolute value at every place, and what they are multiplied by."""
    unit = lcm(*{e.denominator for x in vectors for k, e in x.entries.items() if k in columns})  # type: ignore[union-attr]
    most = [0] * len(columns)
    rows: list[list[tuple[int, int]]] = []
    for x in vectors:
        row: list[tuple[int, int]] = []
        for k, e in x.entries.items():
            if k in columns:
                whole, place = e.numerator * (unit // e.denominator), columns[k]  # type: ignore[union-attr]
                most[place] = max(most[place], abs(whole))
                row.append((place, whole))
        rows.append(row)
    return rows, most, unit


def winners(queries: Sequence[Vec], keys: Sequence[Vec]) -> tuple[list[tuple[int, ...]], list[int]] | None:
    """The sets of places of the keys with the largest score, and for each query the place of its set in that list."""
    import numpy as np

    table = _table(queries, keys)
    if table is None:
        return None
    sets: list[tuple[int, ...]] = []
    known: dict[bytes | int, int] = {}
    chosen: list[int] = []
    for _, scores in table.blocks():
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

    table = _table(queries, keys)
    if table is None:
        return None
    limit = min(far * table.unit, 2**62)
    found: dict[tuple[int, int, bytes, bytes], Pattern] = {}
    for _, scores in table.blocks():
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
                gaps_of: list[Number] = [Fraction(g, table.unit) for g in near.tolist()]
                found[key] = (tied, tuple(zip(gaps_of, many.tolist(), strict=True)), rest)
    return frozenset(found.values())
