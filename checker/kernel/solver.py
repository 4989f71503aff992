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
from checker.semantics.terms import ArraySymbol, Term, Value, upwards

INSTANCES = 64
KNOWN = ("max", "mul", "div", "mod", "ite", "eq0", "le0", "not", "and")  # operations that are z3's too
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
        question = [x for x in (*assumptions, v.negate(goal)) if x is not True]
        translate = _translator()
        for x in question:
            solver.add(translate(x))
        sides, variables = translate.about(question)
        solver.add(*sides)
        verdict = str(solver.check())
        if verdict != "sat":
            return Answer(verdict, {}, "" if verdict == "unsat" else str(solver.reason_unknown()))
        model = solver.model()
        values = {name: model.eval(x, model_completion=True) for name, x in variables.items()}
        return Answer(verdict, MappingProxyType({name: x.as_long() for name, x in values.items() if z3.is_int_value(x)}))
    except z3.Z3Exception as error:
        return Answer("unknown", {}, str(error))


@dataclass(slots=True)
class _Translated:
    """A term in z3: the expression, what is known of it besides, and the number of an input by its name, if it is one."""

    expression: Any
    sides: list[Any]
    variable: str = ""


_KEPT: list[_Translate] = []
NODES = 200_000  # of the terms that are remembered in z3's form


def _translator() -> _Translate:
    """One for all questions: most of what they ask about is the same. A new one when the old one has become large."""
    if not _KEPT or len(_KEPT[0].done) > NODES:
        import z3

        _KEPT[:] = [_Translate(z3)]
    return _KEPT[0]


class _Translate:
    """Terms as expressions of z3, each once; ranges and inverses as side conditions, of those that a question is about."""

    def __init__(self, z3: Any) -> None:
        self.z3 = z3
        self.done: dict[Term, _Translated] = {}
        self.searches: dict[tuple[Any, ...], Any] = {}
        self.permutations: dict[ArraySymbol, list[Any]] = {}
        self.here = _Translated(None, [])  # what is being translated

    def __call__(self, value: Value) -> Any:
        if not isinstance(value, Term):
            return self.number(value)
        for node in upwards(value, self.done):
            self.here = _Translated(None, [])
            self.here.expression = self.node(node)
            self.done[node] = self.here
        return self.done[value].expression

    def about(self, question: Iterable[Value]) -> tuple[list[Any], dict[str, Any]]:
        """The side conditions of all terms in a question, and its variables by name. To be called behind their translation."""
        sides: dict[int, Any] = {}
        variables: dict[str, Any] = {}
        stack, seen = [x for x in question if isinstance(x, Term)], set[Term]()
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                found = self.done[node]
                sides |= {x.get_id(): x for x in found.sides}
                if found.variable:
                    variables[found.variable] = found.expression
                stack.extend(a for a in node.args if isinstance(a, Term))
        return [*sides.values()], variables

    def number(self, value: Any) -> Any:
        if isinstance(value, bool):
            return self.z3.BoolVal(value)
        if isinstance(value, Cyclotomic):
            return self.real(f"{value}", *outward(value))
        return self.z3.RealVal(value) if isinstance(value, Fraction) else self.z3.IntVal(value)

    def argument(self, a: Any) -> Any:
        return self.done[a].expression if isinstance(a, Term) else self.number(a)

    def node(self, node: Term) -> Any:
        z3 = self.z3
        if node.op == "var":
            name, low, high = node.args
            x = z3.Int(name)
            self.here.variable = name
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
        if node.op not in KNOWN:
            raise z3.Z3Exception(f"{node.op} of unknown numbers")
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
        self.here.sides += [x >= self.number(low), x <= self.number(high)]
        return x

    def read(self, array: ArraySymbol, place: Value, z3: Any) -> Any:
        index = self.argument(place)
        f = z3.Function(array.name, z3.IntSort(), z3.IntSort())
        if array.inverse is not None and array.size <= INSTANCES:
            if array not in self.permutations:
                g, every = z3.Function(array.inverse, z3.IntSort(), z3.IntSort()), range(1, array.size + 1)
                found = [x for k in every for x in (g(f(k)) == k, f(g(k)) == k)]
                found += [x for h in (f, g) for k in every for x in (h(k) >= 1, h(k) <= array.size)]
                self.permutations[array] = found
            self.here.sides += self.permutations[array]
        x = f(index)
        self.here.sides.append(z3.Implies(z3.And(index >= 1, index <= array.size), z3.And(x >= array.low, x <= array.high)))
        if not isinstance(place, Term):
            self.here.variable = f"{array.name}[{place}]"
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
        self.here.sides.append(z3.Implies(low <= high, z3.And(low <= x, x <= high)))
        self.here.sides.append(z3.Implies(low > high, x == low))
        return x

    def within(self, x: Any, low: int | None, high: int | None) -> None:
        if low is not None:
            self.here.sides.append(x >= low)
        if high is not None:
            self.here.sides.append(x <= high)
