"""Certificates for selector matrices, checked on the matrices as they stand (Fact B.2)."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import nlargest

from checker.kernel.judgements import Selects
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.models.circuit import Selector
from checker.semantics.packets import selector_row

ROWS = 500_000
GRAM_ROWS = 3_000
SEARCH_STEPS = 2_000_000


class Violation(NotProved):
    """A row (first) and other rows that together cover all its columns: the selector property fails."""

    def __init__(self, rows: tuple[int, ...]) -> None:
        others = ", ".join(map(str, rows[1:]))
        cover = f"rows {others} cover" if len(rows) > 2 else f"row {others} covers"
        super().__init__(f"{cover} every column of row {rows[0]}" if others else f"row {rows[0]} has no 1")
        self.rows = rows


def selects(j: Selects) -> Proved:
    """By the Reed-Solomon inequality, else by weights and overlaps of the rows, else by search. Raises `Violation`."""
    x, rows, b = _named(j.selector, j.rows), j.rows, min(j.b, j.rows)
    same = "" if x == j.selector else f"the table is {x.name}({', '.join(map(str, x.arguments))}); "
    if x.name == "kautz_singleton":
        r, k, points = x.arguments
        if _prime(r) and rows <= r**k and points <= r and (b - 1) * (k - 1) < points:
            return conclude(
                j,
                "Reed-Solomon inequality",
                f"{same}{rows} <= {r}^{k} polynomials agree on less than {k} of"
                f" {points} points of F_{r}, and {b - 1} * {k - 1} < {points}",
            )
    if x.name == "identity" and rows <= x.arguments[0]:
        return conclude(j, "identity matrix", f"{same}{rows} <= {x.arguments[0]} columns")
    if x.name == "identity" and b >= 1:
        raise Violation((x.arguments[0] + 1,))
    if rows > ROWS:
        raise NotProved(f"{rows:,} rows are more than {ROWS:,}, and no inequality covers them")
    table = [sum(1 << column for column in selector_row(x, i)) for i in range(1, rows + 1)]
    overlaps = [_overlaps(table, i, b - 1) for i in range(rows)] if rows <= GRAM_ROWS else None
    if overlaps is not None:
        spare = [row.bit_count() - sum(most) for row, most in zip(table, overlaps, strict=True)]
        if min(spare) > 0:
            i = spare.index(min(spare))
            return conclude(
                j,
                "weights and overlaps",
                f"each row has more columns than its {b - 1} largest overlaps together; least so row {i + 1}:"
                f" {table[i].bit_count()} > {sum(overlaps[i])}",
            )
    steps = _search_all(table, b, overlaps)
    return conclude(j, "search", f"no {b - 1} rows cover another ({steps} steps)")


def _prime(r: int) -> bool:
    return r > 1 and all(r % a for a in range(2, int(r**0.5) + 1))


def _named(x: Selector, rows: int) -> Selector:
    """For a table whose first rows are those of an identity or a Kautz-Singleton matrix: that matrix. Rows are compared."""
    if x.name != "table" or not x.rows or rows > len(x.rows):
        return x
    width = len(x.rows[0])
    candidates = [Selector("identity", (width,))] if rows <= width else []
    for r in range(2, width + 1):
        if width % r == 0 and width // r <= r and _prime(r):
            k = 1
            while r**k < rows:
                k += 1
            candidates.append(Selector("kautz_singleton", (r, k, width // r)))
    for y in candidates:
        if all(selector_row(y, i) == selector_row(x, i) for i in range(1, rows + 1)):
            return y
    return x


def _overlaps(table: list[int], i: int, most: int) -> list[int]:
    """The `most` largest numbers of columns that row i shares with another, largest first."""
    row = table[i]
    return nlargest(most, [(row & other).bit_count() for k, other in enumerate(table) if k != i])


def _search_all(table: list[int], b: int, overlaps: list[list[int]] | None) -> int:
    """Branch on an uncovered column with the fewest rows. Raises `Violation` when it finds a cover.

    What is left of a row cannot be covered by as many others as may still be chosen if it has more columns than the largest
    overlaps of the row with so many.
    """
    holders: dict[int, list[int]] = {}
    for i, row in enumerate(table):
        for column in _columns(row):
            holders.setdefault(column, []).append(i)
    steps = 0
    for target, row in enumerate(table):
        if not row and b >= 1:
            raise Violation((target + 1,))
        reach = [row.bit_count() if overlaps is None else sum(overlaps[target][:k]) for k in range(b)]
        stack: list[tuple[int, tuple[int, ...]]] = [(row, ())]
        while stack:
            left, chosen = stack.pop()
            steps += 1
            if steps > SEARCH_STEPS:
                raise NotProved(f"the search for a violating set stopped after {SEARCH_STEPS:,} steps")
            if not left:
                raise Violation((target + 1, *(i + 1 for i in chosen)))
            if len(chosen) == b - 1 or left.bit_count() > reach[b - 1 - len(chosen)]:
                continue
            column = min(_columns(left), key=lambda x: len(holders[x]))
            stack.extend((left & ~table[i], (*chosen, i)) for i in holders[column] if i != target and i not in chosen)
    return steps


def _columns(row: int) -> Iterator[int]:
    """The columns of a row that is given as bits."""
    while row:
        yield (row & -row).bit_length() - 1
        row &= row - 1
