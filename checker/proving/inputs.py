"""The inputs of a protocol or circuit: how many, all of them, some at random, one from the command line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import permutations
from math import factorial, prod
from random import Random

from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models.protocol import Array

Words = dict[str, tuple[int, ...]]
MAX_TRIES = 2_000
MAX_STRUCTURED = 64
COMMAND = Span("--input")


def _conjuncts(e: s.Expr) -> list[s.Expr]:
    found: list[s.Expr] = []
    stack = [e]
    while stack:
        e = stack.pop()
        if isinstance(e, s.Binary) and e.operator == "and":
            stack += [e.right, e.left]
        else:
            found.append(e)
    return found


def _split(requires: tuple[s.Expr, ...]) -> tuple[set[str], tuple[s.Expr, ...]]:
    """The arrays that are permutations, and what else is required."""
    permuted: set[str] = set()
    rest: list[s.Expr] = []
    for e in (c for r in requires for c in _conjuncts(r)):
        match e:
            case s.Call("permutation", (s.Name(name),)):
                permuted.add(name)
            case _:
                rest.append(e)
    return permuted, tuple(rest)


def _filter(
    inputs: tuple[Array, ...], rest: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...]
) -> Callable[[Words], bool]:
    if not rest:
        return lambda words: True
    from checker.kernel.replay.expressions import satisfies

    return lambda words: satisfies(rest, functions, inputs, words)


def _permutable(a: Array) -> bool:
    return a.low <= 1 and a.size <= a.high


def count_bound(inputs: tuple[Array, ...], requires: tuple[s.Expr, ...] = ()) -> int:
    """At most so many inputs: ranges multiplied, size! for an array that is required to be a permutation."""
    permuted, _ = _split(requires)
    return prod(
        (factorial(a.size) if _permutable(a) else 0) if a.name in permuted else (a.high - a.low + 1) ** a.size for a in inputs
    )


def _entries(a: Array, permuted: bool) -> Iterator[tuple[int, ...]]:
    """The values of one array in lexicographic order."""
    if permuted:
        if _permutable(a):
            yield from permutations(range(1, a.size + 1))
        return
    words = [a.low] * a.size
    while True:
        yield tuple(words)
        place = a.size - 1
        while place >= 0 and words[place] == a.high:
            words[place] = a.low
            place -= 1
        if place < 0:
            return
        words[place] += 1


def _product(inputs: tuple[Array, ...], permuted: set[str]) -> Iterator[Words]:
    if not inputs:
        yield {}
        return
    for first in _entries(inputs[0], inputs[0].name in permuted):
        for others in _product(inputs[1:], permuted):
            yield {inputs[0].name: first, **others}


def all_inputs(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...]
) -> Iterator[Words]:
    """Every input that meets the requirements, in lexicographic order of the packed words."""
    permuted, rest = _split(requires)
    return filter(_filter(inputs, rest, functions), _product(inputs, permuted))


def _structured(inputs: tuple[Array, ...], permuted: set[str]) -> Iterator[Words]:
    """All low, all high, one word other than low; for permutations the identity, its reverse, one swap."""
    low = {a.name: tuple(range(1, a.size + 1)) if a.name in permuted else (a.low,) * a.size for a in inputs}
    yield low
    yield {a.name: low[a.name][::-1] if a.name in permuted else (a.high,) * a.size for a in inputs}
    for a in inputs:
        for k in range(min(a.size, MAX_STRUCTURED)):
            words = list(low[a.name])
            if a.name in permuted:
                words[k - 1], words[k] = words[k], words[k - 1]
            else:
                words[k] = a.high
            yield {**low, a.name: tuple(words)}


def _at_random(a: Array, permuted: bool, random: Random) -> tuple[int, ...]:
    if permuted:
        return tuple(random.sample(range(1, a.size + 1), a.size))
    return tuple(random.randint(a.low, a.high) for _ in range(a.size))


def random_inputs(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...], seed: int
) -> Iterator[Words]:
    """Structured inputs, then random ones without end; the same for the same seed.

    It ends when 2,000 tries in a row do not meet the requirements.
    """
    permuted, rest = _split(requires)
    if any(a.name in permuted and not _permutable(a) for a in inputs):
        return
    good = _filter(inputs, rest, functions)
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for words in _structured(inputs, permuted):
        key = tuple(words.values())
        if key not in seen and good(words):
            yield words
        seen.add(key)
    random = Random(seed)
    failures = 0
    while failures < MAX_TRIES:
        words = {a.name: _at_random(a, a.name in permuted, random) for a in inputs}
        if good(words):
            failures = 0
            yield words
        else:
            failures += 1


def parse_input(text: str, arrays: tuple[Array, ...]) -> Words:
    """The words of `3,1,4` in packed order, each checked against its range."""
    parts = [p.strip() for p in text.split(",")] if text.strip() else []
    expected = sum(a.size for a in arrays)
    if len(parts) != expected:
        layout = ", ".join(f"{a.name}[{a.size}]" for a in arrays)
        raise spec_error("INPUT", f"expected {expected} numbers for {layout}, found {len(parts)}", COMMAND)
    result: Words = {}
    for a in arrays:
        mine, parts = parts[: a.size], parts[a.size :]
        words: list[int] = []
        for k, part in enumerate(mine, 1):
            digits = part.removeprefix("-")
            if not (digits.isascii() and digits.isdigit() and len(digits) <= 100):
                raise spec_error("INPUT", f"expected a number for {a.name}[{k}], found {part[:40]!r}", COMMAND)
            if not a.low <= int(part) <= a.high:
                raise spec_error("INPUT", f"expected {a.name}[{k}] in {a.low}..{a.high}, found {part}", COMMAND)
            words.append(int(part))
        result[a.name] = tuple(words)
    return result
