"""Queries, keys, values and readings of a row as affine maps of the row, found by evaluating them on an unknown row."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from checker.language import syntax as s
from checker.models.circuit import Circuit
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics.cyclotomic import Number
from checker.semantics.expressions import Condition, Scope, Vec, evaluate, number
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

EFFECTS = ("packed", "destinations")


@dataclass(frozen=True, slots=True)
class Affine:
    """multiple * row + the constants + coefficient * row[source] at coordinate `place` for each (place, source, coefficient).

    Coordinates count from 1.
    """

    multiple: Number
    constants: tuple[tuple[int, Number], ...]
    mapped: tuple[tuple[int, int, Number], ...]
    length: int

    @property
    def constant(self) -> bool:
        return self.multiple == 0 and not self.mapped


@dataclass(frozen=True, slots=True)
class Reading:
    """A number read off a row: constant + sum of coefficient * row[source], rounded (halves up) if `rounded`."""

    rounded: bool
    constant: Number
    parts: tuple[tuple[int, Number], ...]


def unknown_row(c: Circuit, i: int) -> Vec:
    return Vec({}, c.width, {i: Fraction(1)})


def vector_form(c: Circuit, cases: tuple[s.Case, ...], i: int, state: sem.RowState) -> Affine | None:
    """What a query, key or value of row i is, given what the row sends and assigns; None if it is no affine map.

    Raises `Fault` where it has no value.
    """
    seen = sem.RowState(unknown_row(c, i), state.inbox, state.sent, state.assigned)
    scope = sem.row_scope(c, i, seen)
    try:
        found = sem.select(cases, scope, c.width)
    except Unsupported:
        return None
    if scope.conditions or set(found.rows) - {i}:
        return None
    constants: list[tuple[int, Number]] = []
    mapped: list[tuple[int, int, Number]] = []
    for place, x in found.entries.items():
        part = _split(x, i)
        if part is None:
            return None
        if part[0] != 0:
            constants.append((place, part[0]))
        mapped += [(place, source, k) for source, k in part[1]]
    return Affine(found.rows.get(i, 0), tuple(constants), tuple(mapped), found.length)


def reading(c: Circuit, e: s.Expr, i: int, **names: int) -> Reading | None:
    """The number that an expression reads off row i; None if it is neither affine nor such a number rounded."""
    rounded = isinstance(e, s.Call) and e.function == "round" and all(f.name != "round" for f in c.functions)
    inner = e.arguments[0] if rounded and isinstance(e, s.Call) else e
    conditions: list[Condition] = []
    scope = Scope({"self": i, "row": unknown_row(c, i), **names}, sem.functions_of(c), conditions=conditions)
    try:
        part = _split(number(evaluate(inner, scope), e.span), i)
    except Unsupported:
        return None
    return None if part is None or conditions else Reading(rounded, *part)


def _split(x: Value, i: int) -> tuple[Number, tuple[tuple[int, Number], ...]] | None:
    """Constant and coefficients of the coordinates of row i."""
    if not isinstance(x, Term):
        return x, ()
    constant, parts = t.split(x)
    found: list[tuple[int, Number]] = []
    for term, k in parts.items():
        if term.op != "coordinate" or term.args[0] != i:
            return None
        found.append((term.args[1], k))
    return constant, tuple(found)


def names_in(node: object) -> frozenset[str]:
    """All names, arrays and functions that occur in a tree."""
    if isinstance(node, tuple):
        return frozenset[str]().union(*map(names_in, node))
    fields = getattr(node, "__dataclass_fields__", None)
    if fields is None:
        return frozenset()
    own = {s.Name: "name", s.Index: "array", s.Call: "function"}.get(type(node))
    inner = frozenset[str]().union(*(names_in(getattr(node, f)) for f in fields if f != "span"))
    return inner | {getattr(node, own)} if own is not None else inner


def depends_on_effects(c: Circuit, cases: tuple[s.Case, ...]) -> bool:
    """May it depend on what the row sends or assigns?"""
    return bool(names_in(cases) & {*EFFECTS, *(a.name for a in c.outputs)})
