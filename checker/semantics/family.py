"""Vectors that need not be written out: what follows from the name of their family."""

from __future__ import annotations

from dataclasses import dataclass

from checker.language import syntax as s
from checker.semantics.circuits import taken
from checker.semantics.cyclotomic import Rational
from checker.semantics.expressions import Scope, Vec, evaluate
from checker.semantics.packets import hadamard


@dataclass(frozen=True, slots=True)
class Sylvester:
    """(hadamard(row, order), *tail): row `row` (1-based) of Sylvester's matrix and some numbers behind it."""

    row: int
    order: int
    tail: tuple[Rational, ...]

    @property
    def numbers(self) -> tuple[Rational, ...]:
        """The numbers that occur: the first row has no -1."""
        return (1, *((-1,) if self.row > 1 else ()), *self.tail)

    def at(self, place: int) -> Rational:
        """The coordinate at a place from 1 on."""
        if place > self.order:
            return self.tail[place - self.order - 1] if place - self.order <= len(self.tail) else 0
        return -1 if ((self.row - 1) & (place - 1)).bit_count() % 2 else 1

    def written(self) -> Vec:
        """The same with all coordinates."""
        found = dict(enumerate([*hadamard(self.row, self.order), *self.tail], 1))
        return Vec({k: x for k, x in found.items() if x != 0}, self.order + len(self.tail))


def hadamard_query(cases: tuple[s.Case, ...], scope: Scope, width: int) -> Sylvester | None:
    """The vector that cases give, if it is of this form and has a value; None is anything else."""
    if not any(_of_form(case.value, scope) for case in cases):
        return None
    case = taken(cases, scope)
    if case is None or not _of_form(case.value, scope):
        return None
    assert isinstance(case.value, s.Vector)
    call, *tail = case.value.items
    assert isinstance(call, s.Call) and isinstance(call.arguments[1], s.Number)
    row, order = evaluate(call.arguments[0], scope), call.arguments[1].value
    numbers = tuple(x.value for x in tail if isinstance(x, s.Number))
    if not isinstance(row, int) or isinstance(row, bool) or not isinstance(order, int) or order & (order - 1):
        return None
    return Sylvester(row, order, numbers) if 1 <= row <= order and order + len(numbers) <= width else None


def _of_form(value: s.Expr, scope: Scope) -> bool:
    """(hadamard(e, number), numbers), with the meaning of the language."""
    match value:
        case s.Vector((s.Call("hadamard", (_, s.Number()), ()), *tail)):
            return all(isinstance(x, s.Number) for x in tail) and "hadamard" not in scope.functions
    return False
