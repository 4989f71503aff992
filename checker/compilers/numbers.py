"""Scale, fraction and integer bits of a compiled circuit: the least for which certified bounds say that it is right.

The bounds are those of `semantics/precision.py`. The fraction comes first, as if the scale were without end (the guard bits
of Lemma 3.2, one unit of rounding for each head), then the scale (Lemma A.2), then the bits for the largest number.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

from checker.compilers.embeddings import Embedding
from checker.language.diagnostics import spec_error
from checker.models.circuit import Circuit
from checker.semantics.precision import (
    ZERO,
    Margins,
    clears,
    error,
    largest_field,
    noise,
    numbers_of,
    packets_of,
    reach,
    reaches,
    routed_spread,
    undecoded,
    unit,
)

MOST_BITS = 200
MOST_SCALE = 1_024
SPARE = 8
Built = tuple[Circuit, Mapping[str, Embedding]]


def numbered(build: Callable[[int | None], Built], words: int, machines: int) -> Circuit:
    """The circuit with its numbers. `build(g)` makes it with keys that are multiples of 2^-g and names the embedding of each
    block; `words` is the most input words that a machine averages. Raises `SpecError` (NUMBERS) if no choice suffices."""
    circuit, embeddings = build(None)
    rounds_keys = any(e.seed is not None for e in embeddings.values())
    for fraction in range(1, MOST_BITS):
        if rounds_keys:
            circuit, embeddings = build(fraction)
        margins = {name: e.margins() for name, e in embeddings.items()}
        wide = replace(circuit, scale=MOST_SCALE, fraction=fraction, integer=0)
        if not rounds_keys and not suffices(wide, margins, words):
            continue
        scale = _least_scale(wide, margins, words, rounds_keys)
        if scale is not None:
            return _with_integer(replace(wide, scale=scale), embeddings, machines)
    raise spec_error("NUMBERS", f"expected a fraction of less than {MOST_BITS} bits to suffice for {circuit.name}, found none")


def _least_scale(wide: Circuit, margins: Mapping[str, Margins], words: int, near_ties: bool) -> int | None:
    """By bisection; with near-ties, which a larger scale drives apart, a few from the least that would do without them on."""

    def enough(scale: int, margins: Mapping[str, Margins] = margins) -> bool:
        return suffices(replace(wide, scale=scale), margins, words)

    if not near_ties:
        return _least(enough)
    even = {name: replace(m, near=Fraction(0)) for name, m in margins.items()}
    least = _least(lambda scale: enough(scale, even))
    return next((c for c in range(least, least + SPARE) if enough(c)), None)


def _least(enough: Callable[[int], bool]) -> int:
    """By bisection below the first power of two that is enough: what is not shows in an early layer, so that is quick."""
    most = 1
    while most < MOST_SCALE and not enough(most):
        most *= 2
    return bisect_left(range(most), True, lo=most // 2, key=enough)


def suffices(c: Circuit, margins: Mapping[str, Margins], words: int) -> bool:
    """Do rounded heads leave every row readable in every layer?"""
    for number, layer in enumerate(c.layers):
        blocks = packets_of(c, layer)
        if not blocks:
            old = ZERO if number == 0 or clears(c, layer) else reach(c, number).blank
            if not (error(c, number) + old) * (words if number == 0 else 1) < Fraction(1, 2):
                return False
        for p in blocks:
            spread = routed_spread(c, p, margins[p.name])
            if spread is None or undecoded(p, noise(c, number, p) + unit(c) + spread * largest_field(c, p)):
                return False
    return True


def _with_integer(c: Circuit, embeddings: Mapping[str, Embedding], machines: int) -> Circuit:
    """The least i such that 2^i is above every number of the heads and of the stream."""
    bounds = reaches(c)
    sizes = [x.size for x in bounds]
    sizes += [
        size for x, layer in zip(bounds, c.layers, strict=False) for h in layer.heads for _, size, _ in numbers_of(c, h, x.size)
    ]
    sizes += [e.largest_key(machines, c.block(name).messages) for name, e in embeddings.items()]
    return replace(c, integer=int(max(sizes)).bit_length())
