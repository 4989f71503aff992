"""All inputs of a model. Also comparisons of sizes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import permutations, product
from math import factorial, prod

from checker.kernel.judgements import Counts
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.language import syntax as s
from checker.models.protocol import Array
from checker.semantics.expressions import Fault, Scope, evaluate
from checker.semantics.protocols import conjuncts
from checker.semantics.values import Unsupported

Words = dict[str, tuple[int, ...]]


def permuted(requires: tuple[s.Expr, ...]) -> set[str]:
    """The arrays that `requires` says are permutations."""
    return {
        e.arguments[0].name
        for r in requires
        for e in conjuncts(r)
        if isinstance(e, s.Call) and e.function == "permutation" and isinstance(e.arguments[0], s.Name)
    }


def input_count(inputs: tuple[Array, ...], requires: tuple[s.Expr, ...] = ()) -> int:
    """How many inputs there are at most."""
    free = permuted(requires)
    return prod(factorial(a.size) if a.name in free else (a.high - a.low + 1) ** a.size for a in inputs)


def every_input(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...]
) -> Iterator[Words]:
    """All inputs that satisfy `requires`, in lexicographic order."""
    from checker.kernel.replay.expressions import satisfies  # much that is not needed before

    for words in _products(inputs, permuted(requires)):
        if satisfies(requires, functions, inputs, words):
            yield words


def _products(inputs: tuple[Array, ...], free: set[str]) -> Iterator[Words]:
    if not inputs:
        yield {}
        return
    a = inputs[0]
    entries = permutations(range(1, a.size + 1)) if a.name in free else product(range(a.low, a.high + 1), repeat=a.size)
    for first in entries:
        for rest in _products(inputs[1:], free):
            yield {a.name: first, **rest}


class FalseComparison(NotProved):
    """The numbers do not compare as claimed: a refutation by itself."""


def counts(j: Counts) -> Proved:
    """A comparison of numbers."""
    try:
        holds = evaluate(j.condition, Scope(dict(j.values), {f.name: f for f in j.functions}))
    except (Fault, Unsupported) as reason:
        raise NotProved(f"undefined: {reason}") from None
    if not isinstance(holds, bool):
        raise NotProved("expected a comparison, found something else")
    if not holds:
        raise FalseComparison("the comparison is false")
    return conclude(j, "count", ", ".join(f"{k} = {x}" for k, x in j.values))
