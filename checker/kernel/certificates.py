"""Certificates for selector matrices, checked on the matrices as they stand (Fact B.2)."""

from __future__ import annotations

from itertools import combinations

from checker.kernel.judgements import Selects
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.language import syntax as s
from checker.semantics.packets import selector_row

GRAM_ROWS = 3_000
SEARCH_STEPS = 2_000_000


class Violation(NotProved):
    """A row (first) and other rows that together cover all its columns: the selector property fails."""

    def __init__(self, rows: tuple[int, ...]) -> None:
        super().__init__(f"rows {', '.join(map(str, rows[1:]))} cover every column of row {rows[0]}")
        self.rows = rows


def selects(j: Selects) -> Proved:
    """By the Reed-Solomon inequality, else by weights and overlaps of the rows, else by search."""
    x, rows, b = j.selector, j.rows, min(j.b, j.rows)
    if x.name == "kautz_singleton":
        r, k, points = x.arguments
        prime = r > 1 and all(r % a for a in range(2, int(r**0.5) + 1))
        if prime and rows <= r**k and points <= r and (b - 1) * (k - 1) < points:
            return conclude(
                j,
                "Reed-Solomon inequality",
                f"{rows} <= {r}^{k} polynomials agree on less than {k} of"
                f" {points} points of F_{r}, and {b - 1} * {k - 1} < {points}",
            )
    if x.name == "identity" and rows <= x.arguments[0]:
        return conclude(j, "identity matrix", f"{rows} <= {x.arguments[0]} columns")
    table = [selector_row(x, i) for i in range(1, rows + 1)]
    weight = min(len(row) for row in table)
    if rows <= GRAM_ROWS:
        overlap = max((len(a & b_) for a, b_ in combinations(table, 2)), default=0)
        if weight > (b - 1) * overlap:
            return conclude(j, "weights and overlaps", f"least weight {weight} > {b - 1} * largest overlap {overlap}")
    steps = _search_all(table, b)
    return conclude(j, "search", f"no {b - 1} rows cover another ({steps} steps)")


def _search_all(table: list[frozenset[int]], b: int) -> int:
    """Branch on an uncovered column with the fewest rows. Raises `Violation` when it finds a cover."""
    holders: dict[int, list[int]] = {}
    for i, row in enumerate(table):
        for column in row:
            holders.setdefault(column, []).append(i)
    steps = 0
    for target, row in enumerate(table):
        if not row and b >= 1:
            raise Violation((target + 1,))
        stack: list[tuple[frozenset[int], tuple[int, ...]]] = [(row, ())]
        while stack:
            left, chosen = stack.pop()
            steps += 1
            if steps > SEARCH_STEPS:
                raise NotProved(f"the search for a violating set stopped after {SEARCH_STEPS:,} steps")
            if not left:
                raise Violation((target + 1, *(i + 1 for i in chosen)))
            if len(chosen) == b - 1:
                continue
            column = min(left, key=lambda x: len(holders[x]))
            stack.extend((left - table[i], (*chosen, i)) for i in holders[column] if i != target and i not in chosen)
    return steps


def mentions(node: object, *names: str) -> bool:
    """Does a name occur in the tree, as a name, an array or a function?"""
    if isinstance(node, (s.Name, s.Index, s.Call)):
        own = node.name if isinstance(node, s.Name) else node.array if isinstance(node, s.Index) else node.function
        if own in names:
            return True
    if isinstance(node, tuple):
        return any(mentions(x, *names) for x in node)
    fields = getattr(node, "__dataclass_fields__", None)
    return fields is not None and any(mentions(getattr(node, f), *names) for f in fields if f != "span")
