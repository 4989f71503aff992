"""Inputs of a protocol or circuit: some at random, one from the command line. (All of them: `kernel/enumeration.py`.)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from random import Random

from checker.kernel.enumeration import Words, permuted
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models.protocol import Array
from checker.semantics.protocols import conjuncts

SEED = 1
REMEMBERED = 500  # inputs of a model
MAX_TRIES = 2_000
MAX_STRUCTURED = 64
COMMAND = Span("--input")


def _rest(requires: tuple[s.Expr, ...]) -> tuple[s.Expr, ...]:
    """What is required beside that arrays are permutations."""
    return tuple(e for r in requires for e in conjuncts(r) if not permuted((e,)))


def _filter(
    inputs: tuple[Array, ...], rest: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...]
) -> Callable[[Words], bool]:
    if not rest:
        return lambda words: True
    from checker.kernel.replay.expressions import satisfies

    return lambda words: satisfies(rest, functions, inputs, words)


def _permutable(a: Array) -> bool:
    return a.low <= 1 and a.size <= a.high


def _structured(inputs: tuple[Array, ...], free: set[str]) -> Iterator[Words]:
    """All low, all high, one word other than low; for permutations the identity, its reverse, one swap."""
    low = {a.name: tuple(range(1, a.size + 1)) if a.name in free else (a.low,) * a.size for a in inputs}
    yield low
    yield {a.name: low[a.name][::-1] if a.name in free else (a.high,) * a.size for a in inputs}
    for a in inputs:
        for k in range(min(a.size, MAX_STRUCTURED)):
            words = list(low[a.name])
            if a.name in free:
                words[k - 1], words[k] = words[k], words[k - 1]
            else:
                words[k] = a.high
            yield {**low, a.name: tuple(words)}


def _at_random(a: Array, permuted: bool, random: Random) -> tuple[int, ...]:
    if permuted:
        return tuple(random.sample(range(1, a.size + 1), a.size))
    return tuple(random.randint(a.low, a.high) for _ in range(a.size))


@dataclass(slots=True)
class _Remembered:
    """The first inputs of a stream: the claims about a model look at the same ones."""

    source: Iterator[Words]
    made: list[Words] = field(default_factory=list)


@lru_cache(maxsize=16)
def _remembered(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...], seed: int
) -> _Remembered:
    return _Remembered(islice(_random_inputs(inputs, requires, functions, seed), REMEMBERED))


def random_inputs(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...], seed: int
) -> Iterator[Words]:
    """Structured inputs, then random ones without end; the same for the same seed.

    It ends when 2,000 tries in a row do not meet the requirements.
    """
    first = _remembered(inputs, requires, functions, seed)
    for n in range(REMEMBERED):
        if n == len(first.made):
            try:
                first.made.append(next(first.source))
            except StopIteration:
                return
        yield first.made[n]
    yield from islice(_random_inputs(inputs, requires, functions, seed), REMEMBERED, None)


def _random_inputs(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...], seed: int
) -> Iterator[Words]:
    free, rest = permuted(requires), _rest(requires)
    if any(a.name in free and not _permutable(a) for a in inputs):
        return
    good = _filter(inputs, rest, functions)
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for words in _structured(inputs, free):
        key = tuple(words.values())
        if key not in seen and good(words):
            yield words
        seen.add(key)
    random = Random(seed)
    failures = 0
    while failures < MAX_TRIES:
        words = {a.name: _at_random(a, a.name in free, random) for a in inputs}
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
