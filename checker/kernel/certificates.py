"""Certificates for the tables of a routing layer, checked on the tables as they stand: Fact B.2 and Prop. B.1."""

from __future__ import annotations

from itertools import combinations
from math import comb

from checker.kernel.judgements import Propagates, Selects
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.language import syntax as s
from checker.models.circuit import Circuit
from checker.semantics import circuits as sem
from checker.semantics.expressions import Fault, Vec, evaluate
from checker.semantics.machines import Sent
from checker.semantics.packets import selector_row
from checker.semantics.terms import Value
from checker.semantics.values import Unsupported

GRAM_ROWS = 3_000
SEARCH_STEPS = 2_000_000
SCORES = 3_000_000


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


def propagates(j: Propagates) -> Proved:
    """All scores of every machine with every set, exactly, on the queries and keys as they stand."""
    try:
        return _propagates(j)
    except Unsupported as reason:
        raise NotProved(f"the queries or keys depend on more than the row's index and destinations: {reason}") from None
    except Fault as fault:
        raise NotProved(f"undefined: {fault.message}") from None


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


def _propagates(j: Propagates) -> Proved:
    c = j.circuit
    head, p = c.layers[0].heads[0], c.packets[0]
    outputs = tuple(a.name for a in c.outputs)
    if mentions(head.query, "row", "packed", "destinations", *outputs) or mentions(head.key, "row", "packed", *outputs):
        raise NotProved("a query must depend on the row's index alone, a key on the index and the destinations alone")
    q, most = p.machines, p.messages
    if q > c.tokens + c.blank:
        raise NotProved(f"{q} machines, but only {c.tokens + c.blank} rows")
    queries = {i: _vector(c, head.query, i, ()) for i in c.rows}
    rest = {i: _vector(c, head.key, i, ()) for i in c.rows if not 1 <= i <= q}
    if not rest:
        raise NotProved("a machine that receives nothing has no row to attend to: there is no start token and no blank one")
    queries = {i: query for i, query in queries.items() if 1 <= i <= q}
    floors = {i: max(sem.dot(queries[i], key) for key in rest.values()) for i in queries}  # type: ignore[type-var]
    size = sum(comb(q, k) for k in range(min(most, q) + 1))
    groups = _same_key_rows(c, head.key, q)
    if size * q * len(groups) > SCORES:
        raise NotProved(f"{size * q * len(groups):,} scores are more than {SCORES:,}")
    tops: dict[int, Value] = {}
    for k in range(min(most, q) + 1):
        for chosen in combinations(range(1, q + 1), k):
            for row in groups:
                _check_set(c, row, chosen, queries, floors, tops)
    return conclude(
        j,
        "all scores",
        f"{size:,} sets, {q} queries, {len(groups)} kinds of key; a member scores"
        f" {_shown(tops.values())}, a row that sends nothing at most {_shown(floors.values())}",
    )


def _shown(values: object) -> str:
    found = sorted(set(values))  # type: ignore[call-overload]
    return str(found[0]) if len(found) == 1 else f"{found[0]}..{found[-1]}" if found else "-"


def _vector(c: Circuit, cases: tuple[s.Case, ...], row: int, destinations: tuple[int, ...]) -> Vec:
    tag = c.packets[0].tags[0]
    words = tuple(low for low, _ in c.message(tag).words)
    state = sem.RowState(Vec({}, c.width), (), tuple(Sent(tag, words, d, True) for d in destinations))
    return sem.select(cases, sem.row_scope(c, row, state), c.width)


def _same_key_rows(c: Circuit, cases: tuple[s.Case, ...], q: int) -> list[int]:
    """One machine row for each kind of key: rows that take the same case, if that case does not mention `self`."""
    kinds: dict[object, int] = {}
    for i in range(1, q + 1):
        scope = sem.row_scope(c, i, sem.RowState(Vec({}, c.width)))
        if mentions(tuple(x.condition for x in cases if x.condition is not None), "destinations"):
            kinds[i] = i
            continue
        place = next((n for n, x in enumerate(cases) if x.condition is None or evaluate(x.condition, scope)), None)
        own = place is not None and mentions(cases[place].value, "self")
        kinds.setdefault((place, i if own else 0), i)
    return list(kinds.values())


def _check_set(
    c: Circuit, row: int, chosen: tuple[int, ...], queries: dict[int, Vec], floors: dict[int, Value], tops: dict[int, Value]
) -> None:
    key = _vector(c, c.layers[0].heads[0].key, row, chosen)
    for i, query in queries.items():
        score = sem.dot(query, key)
        if i in chosen:
            if tops.setdefault(i, score) != score:
                raise NotProved(f"machine {i}: members of its senders score {tops[i]} and {score}, not the same")
            if not score > floors[i]:  # type: ignore[operator]
                raise NotProved(f"machine {i}: a sender to {set(chosen)} scores {score}, a row that sends nothing {floors[i]}")
        elif not score < floors[i]:  # type: ignore[operator]
            raise NotProved(
                f"machine {i}: a row that sends to {set(chosen) or 'nobody'} scores {score},"
                f" not less than the {floors[i]} of a row that sends nothing"
            )
