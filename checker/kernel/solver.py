"""Terms to z3: does a condition follow from assumptions, for all values of the unknowns?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from checker.kernel.limits import RESOURCES
from checker.kernel.proofs import NotProved
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic, Rational, outward
from checker.semantics.terms import ArraySymbol, Term, Value

INSTANCES = 64
REMEMBERED = 5_000  # questions: circuits that differ in a number ask many in the same words


@dataclass(slots=True)
class Tally:
    """How the conditions of a proof were settled; for its detail line."""

    rewriting: int = 0
    solver: int = 0

    def __str__(self) -> str:
        return f"{self.rewriting} conditions by rewriting, {self.solver} by z3"


@dataclass(slots=True)
class Later:
    """Assumptions that are made when the first condition needs one: many conditions hold without. To leave them out is safe."""

    make: Callable[[], list[Value]]
    more: tuple[Value, ...] = ()
    made: list[list[Value]] = field(default_factory=list)  # shared with those that have more

    def __iter__(self) -> Iterator[Value]:
        if not self.made:
            self.made.append(self.make())
        return iter([*self.made[0], *self.more])

    def with_more(self, more: Iterable[Value]) -> Later:
        """These and some more."""
        return Later(self.make, (*self.more, *more), self.made)


def prove(goal: Value, assumptions: Iterable[Value], what: str, tally: Tally) -> None:
    """The goal holds wherever the assumptions do, or `NotProved`: it fails somewhere, or z3 gave up."""
    if not v.is_boolean(goal):
        raise NotProved(f"{what}: expected a truth value, found something else")
    if goal is True or any(goal is a for a in assumptions):
        tally.rewriting += 1
        return
    if goal is False:
        raise NotProved(f"{what}: does not hold")
    answer = ask(goal, tuple(assumptions))
    tally.solver += 1
    if answer.verdict == "unsat":
        return
    if answer.verdict == "sat":
        model = dict(answer.model)
        shown = ", ".join(f"{k} = {x}" for k, x in list(model.items())[:12])
        raise NotProved(f"{what}: fails in the state that z3 found ({shown}), which may not be reachable", model)
    raise NotProved(f"{what}: z3 gave up within {RESOURCES:,} resource units ({answer.reason})")


@dataclass(frozen=True, slots=True)
class Answer:
    """z3's answer: sat with a model, unsat, or unknown with its reason."""

    verdict: str
    model: Mapping[str, int]  # read only, for it is remembered
    reason: str = ""


@lru_cache(maxsize=REMEMBERED)
def ask(goal: Value, assumptions: tuple[Value, ...]) -> Answer:
    """z3's answer to: assumptions and not goal. Equal terms are the same object, so the same question is asked once."""
    import z3

    try:
        solver = z3.Solver()
        solver.set("rlimit", RESOURCES)
        translate = _Translate(z3)
        for a in [*assumptions, v.negate(goal)]:
            if a is not True:
                solver.add(translate(a))
        for side in translate.side:
            solver.add(side)
        verdict = str(solver.check())
        if verdict != "sat":
            return Answer(verdict, {}, "" if verdict == "unsat" else str(solver.reason_unknown()))
        model = solver.model()
        values = {name: model.eval(x, model_completion=True) for name, x in translate.variables.items()}
        return Answer(verdict, MappingProxyType({name: x.as_long() for name, x in values.items() if z3.is_int_value(x)}))
    except z3.Z3Exception as error:
        return Answer("unknown", {}, str(error))


class _Translate:
    """One question's translation: shared nodes once, ranges and inverses as side conditions."""

    def __init__(self, z3: Any) -> None:
        self.z3 = z3
        self.done: dict[Term, Any] = {}
        self.variables: dict[str, Any] = {}
        self.arrays: dict[str, Any] = {}
        self.searches: dict[tuple[Any, ...], Any] = {}
        self.side: list[Any] = []

    def __call__(self, value: Value) -> Any:
        if not isinstance(value, Term):
            return self.number(value)
        stack = [value]
        while stack:
            node = stack[-1]
            waiting = [a for a in node.args if isinstance(a, Term) and a not in self.done]
            if waiting:
                stack.extend(waiting)
            else:
                stack.pop()
                if node not in self.done:
                    self.done[node] = self.node(node)
        return self.done[value]

    def number(self, value: Any) -> Any:
        if isinstance(value, bool):
            return self.z3.BoolVal(value)
        if isinstance(value, Cyclotomic):
            return self.real(f"{value}", *outward(value))
        return self.z3.RealVal(value) if isinstance(value, Fraction) else self.z3.IntVal(value)

    def argument(self, a: Any) -> Any:
        return self.done[a] if isinstance(a, Term) else self.number(a)

    def node(self, node: Term) -> Any:
        z3 = self.z3
        if node.op == "var":
            name, low, high = node.args
            x = self.variables.setdefault(name, z3.Int(name))
            self.within(x, low, high)
            return x
        if node.op == "cos":
            return self.real(f"cos #{node.key}", -1, 1)
        if node.op == "error":
            return self.real(f"error #{node.key}", node.low, node.high)  # type: ignore[arg-type]
        if node.op == "coordinate":
            return z3.Real(f"X[{node.args[0]},{node.args[1]}]")
        if node.op == "read":
            return self.read(node.args[0], node.args[1], z3)
        if node.op == "search":
            return self.search(node, z3)
        if node.op == "table":
            entries, index = node.args[0], self.argument(node.args[1])
            result = z3.IntVal(entries[-1])
            for k in range(len(entries) - 1, 0, -1):
                result = z3.If(index == k, entries[k - 1], result)
            return result
        if node.op == "lin":
            return z3.Sum(
                self.number(node.args[0]),
                *(self.number(c) * self.argument(x) for x, c in zip(node.args[1::2], node.args[2::2], strict=True)),
            )
        args = [self.argument(a) for a in node.args]
        if node.op == "max":
            result = args[0]
            for a in args[1:]:
                result = z3.If(a > result, a, result)
            return result
        return {
            "mul": lambda: args[0] * args[1],
            "div": lambda: args[0] / args[1],
            "mod": lambda: args[0] % args[1],
            "ite": lambda: z3.If(*args),
            "eq0": lambda: args[0] == 0,
            "le0": lambda: args[0] <= 0,
            "not": lambda: z3.Not(args[0]),
            "and": lambda: z3.And(*args),
        }[node.op]()

    def real(self, name: str, low: Rational, high: Rational) -> Any:
        """A real number of which no more is said than these bounds."""
        x = self.z3.Real(name)
        self.side += [x >= self.number(low), x <= self.number(high)]
        return x

    def read(self, array: ArraySymbol, place: Value, z3: Any) -> Any:
        index = self.argument(place)
        known = array.name in self.arrays
        f = self.arrays.setdefault(array.name, z3.Function(array.name, z3.IntSort(), z3.IntSort()))
        if not known and array.inverse is not None and array.size <= INSTANCES:
            g = self.arrays.setdefault(array.inverse, z3.Function(array.inverse, z3.IntSort(), z3.IntSort()))
            for k in range(1, array.size + 1):
                self.side += [g(f(k)) == k, f(g(k)) == k, f(k) >= 1, f(k) <= array.size, g(k) >= 1, g(k) <= array.size]
        x = f(index)
        self.side.append(z3.Implies(z3.And(index >= 1, index <= array.size), z3.And(x >= array.low, x <= array.high)))
        if not isinstance(place, Term):
            self.variables[f"{array.name}[{place}]"] = x
        return x

    def search(self, node: Term, z3: Any) -> Any:
        """A function of the numbers that it depends on, of which only its range is known."""
        kind, body, names, *values, low, high = node.args
        numbers = [x for x in (*values, low, high) if not isinstance(x, ArraySymbol)]
        arrays = tuple(x for x in values if isinstance(x, ArraySymbol))
        f = self.searches.setdefault(
            (kind, body, names, arrays), z3.Function(f"search {len(self.searches)}", *[z3.IntSort()] * (len(numbers) + 1))
        )
        x, low, high = f(*(self.argument(a) for a in numbers)), self.argument(low), self.argument(high)
        self.side.append(z3.Implies(low <= high, z3.And(low <= x, x <= high)))
        self.side.append(z3.Implies(low > high, x == low))
        return x

    def within(self, x: Any, low: int | None, high: int | None) -> None:
        if low is not None:
            self.side.append(x >= low)
        if high is not None:
            self.side.append(x <= high)
