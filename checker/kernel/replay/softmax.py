"""Softmax with certified numbers (Def. A.1): the values that a valid head may put out, and enclosures of what softmax is.

Scores are exact. Rows of one score share an exponential, of the difference to the largest score. Exponentials are balls of
real numbers (FLINT's `arb`), turned into integers over a power of two, rounded outwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import floor
from typing import Any

from checker.kernel.replay.angles import Real
from checker.kernel.replay.enclosures import Enclosure, Number, bounds

GUARD = 64  # bits beyond what the numbers themselves need
REAL = 256  # bits after the point where no fraction is given


@contextmanager
def working_bits(bits: int) -> Iterator[Any]:
    """FLINT's `arb` with this many bits; imported here, for circuits without a scale do without it."""
    import flint

    before, flint.ctx.prec = flint.ctx.prec, bits
    try:
        yield flint
    finally:
        flint.ctx.prec = before


@lru_cache(maxsize=100_000)
def _exponential(exponent: Fraction, bits: int) -> Any:
    """A ball around e^exponent."""
    with working_bits(bits) as flint:
        return flint.arb(flint.fmpq(exponent.numerator, exponent.denominator)).exp()


def exponential(exponent: Fraction) -> Any:
    """A ball around e^exponent, with the bits that are set."""
    import flint

    return _exponential(exponent, flint.ctx.prec)


def _fixed(weight: Any, bits: int, flint: Any) -> tuple[int, int]:
    """Integers low <= 2^bits weight <= high. A weight lies in 0..1, even where the ball is a quotient of balls around 0."""
    one = 1 << bits
    large = weight * flint.arb(2) ** bits
    if not large.is_finite():
        return 0, one
    low, high = large.lower().floor().unique_fmpz(), large.upper().ceil().unique_fmpz()
    return (0 if low is None else max(0, int(low))), (one if high is None else min(one, int(high)))


def sign(terms: Iterable[tuple[Fraction, Fraction]]) -> int:
    """The sign of the sum of k e^-q over (q, k), the exponents q distinct and ascending.

    By Lindemann and Weierstrass the sum is 0 only if all k are, so enough precision tells.
    """
    found = [(q, k) for q, k in terms if k != 0]
    if not found:
        return 0
    if all(k > 0 for _, k in found) or all(k < 0 for _, k in found):
        return 1 if found[0][1] > 0 else -1
    bits = GUARD
    while True:
        with working_bits(bits) as flint:
            total = flint.arb(0)
            for q, k in found:
                total += _exponential(found[0][0] - q, bits) * flint.fmpq(k.numerator, k.denominator)
            if total > 0 or total < 0:
                return 1 if total > 0 else -1
        bits *= 2


@dataclass(frozen=True)
class Group:
    """Rows with one score, `gap` times the scale c below the largest, and bounds of the weight of each, over 2^bits."""

    gap: Fraction
    rows: tuple[int, ...]
    low: int
    high: int


def groups(scores: Mapping[int, Fraction], scale: int, bits: int) -> tuple[Group, ...]:
    """The rows by descending score, with their weights e^(c (score - largest)) / sum."""
    top = max(scores.values())
    rows: dict[Fraction, list[int]] = {}
    for j, score in scores.items():
        rows.setdefault(scale * (top - score), []).append(j)
    gaps = sorted(rows)
    weights = _weights(tuple((gap, len(rows[gap])) for gap in gaps), bits)
    return tuple(Group(gap, tuple(rows[gap]), *weight) for gap, weight in zip(gaps, weights, strict=True))


@lru_cache(maxsize=10_000)
def _weights(sizes: tuple[tuple[Fraction, int], ...], bits: int) -> tuple[tuple[int, int], ...]:
    """Bounds of e^-gap / sum of n e^-gap, for each gap with its number n of rows."""
    if len(sizes) == 1 and 2**bits % sizes[0][1] == 0:
        return ((2**bits // sizes[0][1],) * 2,)
    balls = [_exponential(-gap, bits + GUARD) for gap, _ in sizes]
    with working_bits(bits + GUARD) as flint:
        total = flint.arb(0)
        for (_, n), ball in zip(sizes, balls, strict=True):
            total += n * ball
        return tuple(_fixed(ball / total, bits, flint) for ball in balls)


# ---- rounded: the valid values of one coordinate --------------------------------------------------


@dataclass(frozen=True)
class Output:
    """One coordinate y of a head's output at one row. `sums`: its values in units of 2^-f, added up over each group.

    Valid are the integers within `slack` of y in units of 2^-f (1 for a valid head) and below `limit` in size.
    """

    groups: tuple[Group, ...]
    sums: tuple[int, ...]
    bits: int
    slack: Fraction
    limit: int

    def _floor(self, negative: bool, shift: Fraction) -> int:
        """floor(y + shift), or floor(-y + shift)."""
        sums = [-x for x in self.sums] if negative else self.sums
        if not any(sums):
            return floor(shift)
        moved = floor(shift * (1 << self.bits))
        low = sum(x * (g.low if x > 0 else g.high) for x, g in zip(sums, self.groups, strict=True)) + moved
        high = sum(x * (g.high if x > 0 else g.low) for x, g in zip(sums, self.groups, strict=True)) + moved + 1
        below, above = low >> self.bits, high >> self.bits
        if below == above:
            return below
        assert above == below + 1
        edge = above - shift  # is y, or -y, at least that?
        return above if sign((g.gap, x - edge * len(g.rows)) for g, x in zip(self.groups, sums, strict=True)) >= 0 else below

    @cached_property
    def low(self) -> int:
        return max(-self._floor(True, self.slack), 1 - self.limit)

    @cached_property
    def high(self) -> int:
        return min(self._floor(False, self.slack), self.limit - 1)

    @cached_property
    def nearest(self) -> int:
        return min(max(self._floor(False, Fraction(1, 2)), self.low), self.high)


def bits_for(fraction: int, integer: int, rows: int) -> int:
    """Enough for weights: sums over all rows of numbers below 2^integer, in units of 2^-fraction, are known within a half."""
    return fraction + integer + rows.bit_length() + GUARD


# ---- enclosures -------------------------------------------------------------------------------


def _shifted(scores: Mapping[int, Number]) -> Mapping[int, Number]:
    """Irrational scores less the largest of them, which leaves softmax as it is: what was equal is exactly 0."""
    irrational = [x for x in scores.values() if isinstance(x, Real)]
    if not irrational or any(isinstance(x, Enclosure) for x in scores.values()):
        return scores
    top = max(scores.values())
    return {j: x - top for j, x in scores.items()}


def weight_bounds(scores: Mapping[int, Number], scale: int, bits: int) -> dict[int, tuple[Fraction, Fraction]]:
    """Bounds of the weight of each row. The scores themselves may be known by bounds only."""
    unit = Fraction(1, 1 << bits)
    scores = _shifted(scores)
    exact = {j: Fraction(x) for j, x in scores.items() if not isinstance(x, Enclosure | Real)}
    if len(exact) == len(scores):
        found = groups(exact, scale, bits)
        if len(found) == 1:
            return {j: (Fraction(1, len(scores)),) * 2 for j in scores}
        return {j: (g.low * unit, g.high * unit) for g in found for j in g.rows}
    top = max(bounds(x)[1] for x in scores.values())
    low, high = {}, {}
    with working_bits(bits + GUARD) as flint:
        for j, x in scores.items():
            low[j], high[j] = (_exponential(scale * (end - top), bits + GUARD) for end in bounds(x))
        result = {}
        for j in scores:
            others_low = sum((x for k, x in low.items() if k != j), flint.arb(0))
            others_high = sum((x for k, x in high.items() if k != j), flint.arb(0))
            least, _ = _fixed(low[j] / (low[j] + others_high), bits, flint)
            _, most = _fixed(high[j] / (high[j] + others_low), bits, flint)
            result[j] = (least * unit, most * unit)
    return result
