"""Vectors of unknown numbers, known by what coordinate c is for all c at once: what is done to each coordinate is done once.

A *lane* is coordinate c + offset of a family of unknowns (a query, a value, ...), c running over the places of a piece.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from checker.language import syntax as s
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Fault, Lanes, Meaning, Piece, Scope, evaluate, number
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

OTHERS = {"var", "eq0", "le0", "lanes"}  # what a coordinate may not depend on
COORDINATE = " c"  # the name of the variable of a loop over coordinates, which no program can write


def family(name: Hashable, length: int) -> Lanes:
    """All coordinates of a family of unknowns."""
    return Lanes((Piece(length, t.lane(name, 0)),))


def over(e: s.Reduce, scope: Scope) -> Meaning | None:
    """`(e for c in a..b)` or `sum(e for c in a..b)` where e reads coordinates at c; None where one must go through them."""
    if e.kind not in ("vector", "sum") or not isinstance(e.binder, s.OverRange) or e.condition is not None:
        return None
    low, high = evaluate(e.binder.low, scope), evaluate(e.binder.high, scope)
    if not isinstance(low, int) or not isinstance(high, int) or low > high:
        return None
    c = t.variable(COORDINATE, low, high)
    conditions = scope.conditions
    before = 0 if conditions is None else len(conditions)
    try:
        found = evaluate(e.body, replace(scope.bind(**{e.binder.variable: c}), lanes=None))
        if not isinstance(found, Term) or "lane" not in (kinds := operations(found)) or kinds & OTHERS:
            raise Unsupported("not by coordinates")
        template = shifted(number(found, e.span), low - 1)
    except (Fault, Unsupported):
        if conditions is not None:
            del conditions[before:]
        return None
    length = high - low + 1
    return Lanes((Piece(length, template),)) if e.kind == "vector" else t.lane_sum(template, length)


def operations(x: Value) -> set[str]:
    """The operations in a term."""
    found: set[str] = set()
    stack, done = [x], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Term) and node not in done:
            done.add(node)
            found.add(node.op)
            stack.extend(a for a in node.args if isinstance(a, Term))
    return found


def shifted(x: Value, by: int) -> Value:
    """What is said of c, said of c + by."""
    for lane in sorted(_lanes(x) if by else (), key=lambda lane: lane.args[1], reverse=by > 0):  # none is met twice
        x = v.substitute(x, lane, t.lane(lane.args[0], lane.args[1] + by))
    return x


def at(x: Value, place: int) -> Value:
    """What is said of c, at c = place."""
    for lane in _lanes(x):
        x = v.substitute(x, lane, t.entry(lane.args[0], lane.args[1] + place))
    return x


def depends(x: Value) -> bool:
    """Is it about coordinate c, for all c at once?"""
    return any(node.op == "lane" or (node.op == "var" and node.args[0] == COORDINATE) for node in _nodes(x))


def _nodes(x: Value) -> set[Term]:
    stack, done = [x], set[Term]()
    while stack:
        node = stack.pop()
        if isinstance(node, Term) and node not in done:
            done.add(node)
            if node.op != "lanes":  # a sum over all coordinates has none of its own
                stack.extend(a for a in node.args if isinstance(a, Term))
    return done


def _lanes(x: Value) -> list[Term]:
    return sorted((node for node in _nodes(x) if node.op == "lane"), key=lambda node: node.key)
