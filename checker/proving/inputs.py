"""Inputs of a protocol or circuit: some at random, one from the command line. (All of them: `kernel/enumeration.py`.)"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from math import inf
from random import Random
from time import monotonic

from checker.kernel.enumeration import Words, permuted
from checker.kernel.replay.undecided import Undecided
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models.protocol import Array
from checker.semantics.protocols import conjuncts

SEED = 1
REMEMBERED = 500  # inputs of a model
MAX_TRIES = 2_000
FIRST = 10.0  # seconds more for the first input
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

    def good(words: Words) -> bool:
        try:
            return satisfies(rest, functions, inputs, words)
        except Undecided:  # another input may be quicker to judge
            return False

    return good


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


def _in_cycles(inputs: tuple[Array, ...], free: set[str]) -> Iterator[Words]:
    """All low, and permutations of one cycle, then of two: what else may be required of permutations is about cycles often."""
    for count in (1, 2):
        yield {a.name: _cycles([*range(1, a.size + 1)], count) if a.name in free else (a.low,) * a.size for a in inputs}


def _at_random(a: Array, permuted: bool, random: Random, failures: int) -> tuple[int, ...]:
    """Any words; after a failure permutations of one or two cycles of one length as well."""
    if permuted:
        order = random.sample(range(1, a.size + 1), a.size)
        return _cycles(order, failures % 3) if failures % 3 else tuple(order)
    return tuple(random.randint(a.low, a.high) for _ in range(a.size))


def _cycles(order: list[int], count: int) -> tuple[int, ...]:
    """The permutation that leads along so many cycles of equal length, and keeps the rest."""
    found = {x: x for x in order}
    length = len(order) // count
    for k in range(count):
        cycle = order[k * length : (k + 1) * length]
        found |= dict(zip(cycle, cycle[1:] + cycle[:1], strict=True))
    return tuple(found[x] for x in range(1, len(order) + 1))


@dataclass(slots=True)
class _Remembered:
    """The first inputs of a stream: the claims about a model look at the same ones."""

    source: Iterator[Words | None]
    made: list[Words] = field(default_factory=list)


@lru_cache(maxsize=16)
def _remembered(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...], seed: int
) -> _Remembered:
    return _Remembered(_random_inputs(inputs, requires, functions, seed))


def random_inputs(
    inputs: tuple[Array, ...],
    requires: tuple[s.Expr, ...],
    functions: tuple[s.FunctionDefinition, ...],
    seed: int,
    end: float = inf,
) -> Iterator[Words]:
    """Structured inputs, then random ones without end; the same for the same seed.

    It ends when 2,000 tries in a row do not meet the requirements, or when none does at the time `end`; for a first input there
    is some more time.
    """
    first = _remembered(inputs, requires, functions, seed)
    for n in range(REMEMBERED):
        while n == len(first.made):
            if monotonic() > (end if first.made else end + FIRST):
                return
            try:
                words = next(first.source)
            except StopIteration:
                return
            if words is not None:
                first.made.append(words)
        yield first.made[n]
    count = 0
    for words in _random_inputs(inputs, requires, functions, seed):
        count += words is not None
        if words is not None and count > REMEMBERED:
            yield words
        elif words is None and monotonic() > end:
            return


def _random_inputs(
    inputs: tuple[Array, ...], requires: tuple[s.Expr, ...], functions: tuple[s.FunctionDefinition, ...], seed: int
) -> Iterator[Words | None]:
    """None for a try that fails."""
    free, rest = permuted(requires), _rest(requires)
    if any(a.name in free and not _permutable(a) for a in inputs):
        return
    good = _filter(inputs, rest, functions)
    seen: set[tuple[tuple[int, ...], ...]] = set()
    for words in (*(_in_cycles(inputs, free) if free and rest else ()), *_structured(inputs, free)):
        key = tuple(words.values())
        if key not in seen:
            yield words if good(words) else None
        seen.add(key)
    random = Random(seed)
    failures = 0
    while failures < MAX_TRIES:
        words = {a.name: _at_random(a, a.name in free, random, failures) for a in inputs}
        found = good(words)
        failures = 0 if found else failures + 1
        yield words if found else None


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
