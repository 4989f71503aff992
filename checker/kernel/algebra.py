"""Statements about all real numbers: rational functions become polynomials, and z3 decides them (nlsat).

A value is written n/d, with d a product of denominators. Where the statement is defined none of them is 0, so that n/d <= 0 is
n*d <= 0. That they are not 0 is proved first. A denominator in a branch that is not taken is in no comparison that counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import prod
from typing import Any

from checker.kernel.judgements import ForReals
from checker.kernel.limits import RESOURCES
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.replay.expressions import Fault as ReplayFault
from checker.kernel.replay.expressions import evaluate_equation
from checker.language import syntax as s
from checker.semantics.cyclotomic import Cyclotomic, Number
from checker.semantics.expressions import Condition, Fault, Scope, evaluate, truth
from checker.semantics.terms import Term, Value, real
from checker.semantics.values import Unsupported

Point = dict[str, int | Fraction]
GRIDS = (1, 2, 10, 100, 10**4, 10**8)  # denominators at most: how simple the numbers of a witness are tried to be
FOR_A_WITNESS = 20  # this part of the resources for each question that makes a witness simpler


class NeverSatisfied(NotProved):
    """The assumption holds nowhere: there is nothing that the claim speaks of."""


class FailsAt(NotProved):
    """False or undefined at this point, which satisfies the assumption; confirmed by replay."""

    def __init__(self, point: Point, wrong: str) -> None:
        super().__init__(f"the statement is {wrong}")
        self.point, self.wrong = point, wrong


def assumption_holds(j: ForReals, point: Mapping[str, int | Fraction]) -> bool:
    """Is the assumption defined and true here, by the replay evaluator?"""
    try:
        return j.assumption is None or evaluate_equation(j.assumption, j.functions, {}, point)
    except ReplayFault:
        return False


def wrong_at(j: ForReals, point: Mapping[str, int | Fraction]) -> str | None:
    """What is wrong at this point, by the replay evaluator; None if nothing is, or if the assumption does not hold."""
    if not assumption_holds(j, point):
        return None
    try:
        return None if evaluate_equation(j.condition, j.functions, {}, point) else "false"
    except ReplayFault as fault:
        return f"undefined: {fault}"


def for_reals(j: ForReals) -> Proved:
    """The assumption can be satisfied; under it every operation is defined (no denominator is 0), and the statement is true.

    Raises `NeverSatisfied`, `FailsAt` with a confirmed point, or `NotProved`.
    """
    assumed, _ = _meaning(j, j.assumption, "assumption")
    question = _Question(j.variables)
    given = [question.truth(a) for a in assumed]
    if given:
        found = question.ask(given)
        if found.verdict == "unsat":
            raise NeverSatisfied("the assumption holds for no real numbers")
        if found.verdict == "unknown":
            raise NotProved(f"can the assumption hold? {found.reason}")
    goals, defined = _meaning(j, j.condition, "statement")
    for k, goal in enumerate(goals):
        wanted = question.truth(goal)
        against = [*given, question.z3.Not(wanted)]
        found = question.ask(against)
        if found.verdict == "unknown":
            raise NotProved(found.reason)
        if found.verdict == "sat":
            raise _refutation(j, question, against, found)
        if k < defined:
            given.append(wanted)
    return conclude(j, "real algebra", _detail(len(goals) - defined, defined))


def _detail(parts: int, defined: int) -> str:
    zero = f"; {defined} denominator{'s are' if defined > 1 else ' is'} never 0" if defined else ""
    return f"{parts} part{'' if parts == 1 else 's'} by z3 over the reals{zero}"


def _meaning(j: ForReals, e: s.Expr | None, what: str) -> tuple[list[Value], int]:
    """Conditions that all hold where the expression is defined and true, and nowhere else; the first ones make it defined."""
    if e is None:
        return [], 0
    conditions: list[Condition] = []
    scope = Scope({x: real(x) for x in j.variables}, {f.name: f for f in j.functions}, conditions=conditions)
    try:
        value = truth(evaluate(e, scope), e.span)
    except Fault as reason:
        raise NotProved(f"the {what} is undefined: {reason}") from None
    except Unsupported as reason:
        raise NotProved(f"the {what} is no real algebra: {reason}") from None
    parts = list(value.args) if isinstance(value, Term) and value.op == "and" else [value]
    return [*(c.term for c in conditions), *parts], len(conditions)


@dataclass(frozen=True, slots=True)
class _Found:
    """z3's answer; the model holds rational numbers, or None where it is irrational, and then also one near it."""

    verdict: str
    exact: dict[str, Fraction | None]
    near: dict[str, Fraction]
    reason: str = ""


def _refutation(j: ForReals, question: _Question, constraints: list[Any], found: _Found) -> NotProved:
    """A point with simple numbers: one after the other is set to the simplest near z3's that leaves the rest possible."""
    fixed: Point = {}
    for name in j.variables:
        x = question.z3.Real(name)
        value = found.exact[name]
        near = found.near[name] if value is None else value
        for candidate in dict.fromkeys(near.limit_denominator(d) for d in GRIDS):
            again = question.ask([*constraints, x == _real(question.z3, candidate)], RESOURCES // FOR_A_WITNESS)
            if again.verdict == "sat":
                value, found = candidate, again
                break
        if value is None:
            return NotProved(
                f"z3 finds that the statement fails for some irrational {name} near {float(near)}, nothing rational was found"
            )
        constraints = [*constraints, x == _real(question.z3, value)]
        fixed[name] = value.numerator if value.denominator == 1 else value
    wrong = wrong_at(j, fixed)
    return NotProved("z3 finds that the statement fails, replay does not confirm it") if wrong is None else FailsAt(fixed, wrong)


def _real(z3: Any, value: int | Fraction) -> Any:
    return z3.RealVal(str(value))


Factors = dict[int, tuple[Any, int]]  # z3's number of a polynomial, the polynomial and its exponent
Quotient = tuple[Any, Factors]  # numerator and denominator


class _Question:
    """Terms over real numbers as z3 polynomials, each node once."""

    def __init__(self, variables: tuple[str, ...]) -> None:
        import z3

        self.z3: Any = z3
        self.variables = variables
        self.numbers: dict[Term, Quotient] = {}
        self.truths: dict[Term, Any] = {}

    def ask(self, constraints: list[Any], resources: int | None = None) -> _Found:
        """Can these hold together? nlsat first, then z3's general solver, each with the budget."""
        z3, budget, reason = self.z3, RESOURCES if resources is None else resources, ""
        for make in (z3.Tactic("qfnra-nlsat").solver, z3.Solver):
            try:
                solver = make()
                solver.set("rlimit", budget)
                solver.add(*constraints)
                verdict = str(solver.check())
                if verdict == "sat":
                    return self._found(solver.model())
                if verdict == "unsat":
                    return _Found(verdict, {}, {})
                reason = str(solver.reason_unknown())
            except z3.Z3Exception as error:
                reason = str(error)
        return _Found("unknown", {}, {}, f"z3 gave up within {budget:,} resource units ({reason})")

    def _found(self, model: Any) -> _Found:
        exact: dict[str, Fraction | None] = {}
        near: dict[str, Fraction] = {}
        for name in self.variables:
            value = model.eval(self.z3.Real(name), model_completion=True)
            rational = self.z3.is_rational_value(value)
            near[name] = Fraction(str((value if rational else value.approx(30)).as_fraction()))
            exact[name] = near[name] if rational else None
        return _Found("sat", exact, near)

    def truth(self, value: Value) -> Any:
        if not isinstance(value, Term):
            return self.z3.BoolVal(bool(value))
        if value not in self.truths:
            self.truths[value] = self._truth(value)
        return self.truths[value]

    def _truth(self, e: Term) -> Any:
        match e.op:
            case "eq0":
                return self.number(e.args[0])[0] == 0
            case "le0":
                return self._signed(self.number(e.args[0])) <= 0
            case "not":
                return self.z3.Not(self.truth(e.args[0]))
            case "and":
                return self.z3.And(*(self.truth(a) for a in e.args))
        raise NotProved(f"no real algebra: {e.op}")

    def number(self, value: Value) -> Quotient:
        if isinstance(value, Cyclotomic):
            raise NotProved("no real algebra: an irrational constant")
        if not isinstance(value, Term):
            return _real(self.z3, value), {}
        if value not in self.numbers:
            self.numbers[value] = self._number(value)
        return self.numbers[value]

    def _number(self, e: Term) -> Quotient:
        match e.op:
            case "real":
                return self.z3.Real(e.args[0]), {}
            case "lin":
                parts = [self.number(x) for x in e.args[1::2]]
                return self._sum(e.args[0], parts, list(e.args[2::2]))
            case "mul":
                (a, below_a), (b, below_b) = self.number(e.args[0]), self.number(e.args[1])
                return a * b, _times(below_a, below_b)
            case "over":
                (a, below_a), (b, below_b) = self.number(e.args[0]), self.number(e.args[1])
                return a * _product(below_b), _times(below_a, {b.get_id(): (b, 1)})
            case "ite":
                return self._choice(self.truth(e.args[0]), self.number(e.args[1]), self.number(e.args[2]))
            case "max":
                found = self.number(e.args[0])
                for x in e.args[1:]:
                    other = self.number(x)
                    found = self._choice(self._signed(self._sum(0, [found, other], [1, -1])) <= 0, other, found)
                return found
        raise NotProved(f"no real algebra: {e.op}")

    def _sum(self, constant: Number, parts: list[Quotient], scales: list[Number]) -> Quotient:
        common: Factors = {}
        for _, below in parts:
            for key, (factor, k) in below.items():
                common[key] = (factor, max(k, common[key][1] if key in common else 0))
        total = self.number(constant)[0] * _product(common)
        for scale, (above, below) in zip(scales, parts, strict=True):
            missing = {key: (f, k - (below[key][1] if key in below else 0)) for key, (f, k) in common.items()}
            total = total + self.number(scale)[0] * above * _product(missing)
        return total, common

    def _choice(self, condition: Any, a: Quotient, b: Quotient) -> Quotient:
        """The denominators stay apart: where one branch is taken, those of the other may be 0."""
        above = self.z3.If(condition, a[0], b[0])
        if a[1].keys() == b[1].keys() and all(a[1][key][1] == b[1][key][1] for key in a[1]):
            return above, a[1]
        below = self.z3.If(condition, _product(a[1]), _product(b[1]))
        return above, {below.get_id(): (below, 1)}

    def _signed(self, value: Quotient) -> Any:
        """A polynomial with the sign of the quotient: squares are left out."""
        above, below = value
        return above * _product({key: (factor, k % 2) for key, (factor, k) in below.items()})


def _times(a: Factors, b: Factors) -> Factors:
    found = dict(a)
    for key, (factor, k) in b.items():
        found[key] = (factor, k + (found[key][1] if key in found else 0))
    return found


def _product(factors: Factors) -> Any:
    """1 if there are none."""
    return prod(factor for factor, k in factors.values() for _ in range(k))
