"""The question as one formula over bit-vectors, for z3 and for bitwuzla."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from checker.benchmarks.doubling import Answer, Slip, run


def bits(n: int) -> int:
    """The width of the numbers 0..n - 1."""
    return max(1, (n - 1).bit_length())


@dataclass(frozen=True, slots=True)
class Z3:
    """Terms of z3."""

    width: int

    def number(self, i: int) -> Any:
        from z3 import BitVecVal

        return BitVecVal(i, self.width)

    def searched(self, destinations: Sequence[Sequence[Any]], k: int, values: Sequence[Any], i: int) -> Any:
        from z3 import If

        me, found = self.number(i), values[-1]
        for to, value in reversed(list(zip(destinations[k], values, strict=True))[:-1]):
            found = If(to == me, value, found)
        return found

    def heard(self, destinations: Sequence[Sequence[Any]], k: int, values: Sequence[Any], i: int) -> Any:
        from z3 import And, If, Or

        me, nothing = self.number(i), self.number(0)
        found = nothing
        for j, value in enumerate(values):
            attended = Or([to[j] == me for to in destinations])
            found = found | If(And(attended, destinations[k][j] == me), value, nothing)
        return found


def by_z3(n: int, doublings: int, slip: Slip | None = None) -> Answer:
    """z3 with its own choice of tactics."""
    from z3 import ULT, BitVec, Distinct, Or, Solver, sat, unsat

    m = Z3(bits(n))
    following = [BitVec(f"next{i}", m.width) for i in range(n)]
    solver = Solver()
    solver.add(Distinct(following))
    if n < 2**m.width:
        solver.add([ULT(x, n) for x in following])
    sides = [run(m, following, doublings, attention, slip) for attention in (False, True)]
    solver.add(Or([a != b for a, b in zip(*sides, strict=True)]))
    verdict = solver.check()
    if verdict == unsat:
        return Answer(True)
    if verdict != sat:
        raise RuntimeError(f"z3 gave up: {solver.reason_unknown()}")
    model = solver.model()
    return Answer(False, tuple(model.eval(x, model_completion=True).as_long() for x in following))


@dataclass(frozen=True, slots=True)
class Bitwuzla:
    """Terms of bitwuzla."""

    manager: Any
    kind: Any
    sort: Any

    def number(self, i: int) -> Any:
        return self.manager.mk_bv_value(self.sort, i)

    def same(self, a: Any, b: Any) -> Any:
        return self.manager.mk_term(self.kind.EQUAL, [a, b])

    def any_of(self, terms: list[Any]) -> Any:
        return terms[0] if len(terms) == 1 else self.manager.mk_term(self.kind.OR, terms)

    def searched(self, destinations: Sequence[Sequence[Any]], k: int, values: Sequence[Any], i: int) -> Any:
        me, found = self.number(i), values[-1]
        for to, value in reversed(list(zip(destinations[k], values, strict=True))[:-1]):
            found = self.manager.mk_term(self.kind.ITE, [self.same(to, me), value, found])
        return found

    def heard(self, destinations: Sequence[Sequence[Any]], k: int, values: Sequence[Any], i: int) -> Any:
        me, nothing, parts = self.number(i), self.number(0), []
        for j, value in enumerate(values):
            attended = self.any_of([self.same(to[j], me) for to in destinations])
            mine = self.manager.mk_term(self.kind.AND, [attended, self.same(destinations[k][j], me)])
            parts.append(self.manager.mk_term(self.kind.ITE, [mine, value, nothing]))
        return parts[0] if len(parts) == 1 else self.manager.mk_term(self.kind.BV_OR, parts)


def by_bitwuzla(n: int, doublings: int, slip: Slip | None = None) -> Answer:
    """bitwuzla as it comes."""
    import bitwuzla as b

    manager, width = b.TermManager(), bits(n)
    options = b.Options()
    options.set(b.Option.PRODUCE_MODELS, True)
    solver = b.Bitwuzla(manager, options)
    m = Bitwuzla(manager, b.Kind, manager.mk_bv_sort(width))
    following = [manager.mk_const(m.sort, f"next{i}") for i in range(n)]
    if n > 1:
        solver.assert_formula(manager.mk_term(b.Kind.DISTINCT, following))
    if n < 2**width:
        for x in following:
            solver.assert_formula(manager.mk_term(b.Kind.BV_ULT, [x, m.number(n)]))
    sides = [run(m, following, doublings, attention, slip) for attention in (False, True)]
    solver.assert_formula(m.any_of([manager.mk_term(b.Kind.DISTINCT, [x, y]) for x, y in zip(*sides, strict=True)]))
    verdict = solver.check_sat()
    if verdict == b.Result.UNSAT:
        return Answer(True)
    if verdict != b.Result.SAT:
        raise RuntimeError("bitwuzla gave up")
    return Answer(False, tuple(int(solver.get_value(x).value(10)) for x in following))
