"""Real numbers in balls (FLINT's `arb`), for protocols that compute with exponentials and logarithms.

A ball is precise relative to its size, so that sums of e^x stay known where they are tiny or huge. Operations keep as many bits
as `working_bits` has set around them.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cached_property
from math import floor
from typing import Any

from checker.kernel.replay.angles import Real
from checker.kernel.replay.enclosures import Enclosure, Number, bounds
from checker.kernel.replay.softmax import exponential, working_bits
from checker.kernel.replay.undecided import TooLong, Undecided

# Beyond the bits of a word: bounds of a sum are wider than those of its parts by a bit or two a level and layer, and scores
# multiply them by the scale times the size of numbers, which is below the largest word in each layer.
GUARD = 256
LONGEST = 100_000  # bits before or after the point of bounds as fractions
__all__ = ["GUARD", "Ball", "exp", "log", "nearest_multiple", "working_bits"]


class Ball(Enclosure):
    """Some real number in a ball, which has a radius above 0. Made by `_made` alone."""

    step = Fraction(0)
    arb: Any

    def __init__(self, arb: Any) -> None:
        self.__dict__["arb"] = arb  # its base is frozen

    @cached_property
    def low(self) -> Fraction:
        return _fraction(self.arb.mid()) - _fraction(self.arb.rad())

    @cached_property
    def high(self) -> Fraction:
        return _fraction(self.arb.mid()) + _fraction(self.arb.rad())

    def __str__(self) -> str:
        return f"~{self.arb.str(6, radius=False)}"

    def __add__(self, other: Number) -> Number:
        return _made(self.arb + _operand(other))

    __radd__ = __add__

    def __neg__(self) -> Ball:
        return Ball(-self.arb)

    def __sub__(self, other: Number) -> Number:
        return _made(self.arb - _operand(other))

    def __rsub__(self, other: Number) -> Number:
        return _made(_operand(other) - self.arb)

    def __mul__(self, other: Number) -> Number:
        return _made(self.arb * _operand(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Number:
        return _made(self.arb / _operand(other))

    def __rtruediv__(self, other: Number) -> Number:
        return _made(_operand(other) / self.arb)

    def __pow__(self, exponent: int) -> Number:
        return 1 if exponent == 0 else _made(self.arb**exponent)

    def __lt__(self, other: Number) -> bool:
        x = _operand(other)
        return self._decide(bool(self.arb < x), bool(self.arb >= x), "<", other)

    def __le__(self, other: Number) -> bool:
        x = _operand(other)
        return self._decide(bool(self.arb <= x), bool(self.arb > x), "<=", other)

    def __gt__(self, other: Number) -> bool:
        return not self <= other

    def __ge__(self, other: Number) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, int | Fraction | Real | Enclosure):
            return NotImplemented
        return self._decide(False, bool(self.arb != _operand(other)), "==", other)


def _operand(x: Number) -> Any:
    """For arithmetic with a ball."""
    if isinstance(x, Ball):
        return x.arb
    if isinstance(x, int):
        return x
    import flint

    if isinstance(x, Real):
        return x.ball(flint.ctx.prec)
    if isinstance(x, Enclosure):
        low, high = [flint.arb(flint.fmpq(end.numerator, end.denominator)) for end in (x.low, x.high)]
        return low.union(high)
    return flint.fmpq(x.numerator, x.denominator)


def _made(arb: Any) -> Number:
    """The number of a ball: exact if the radius is 0. Raises `Undecided` if it may be anything (a division by what may be 0)."""
    if arb.is_exact():
        return _fraction(arb)
    if not arb.is_finite():
        raise Undecided("a number without bounds")
    return Ball(arb)


def _fraction(arb: Any) -> Fraction:
    """The exact number of a ball of radius 0."""
    mantissa, exponent = arb.man_exp()
    if abs(exponent) > LONGEST:
        raise TooLong(f"a number with more than {LONGEST:,} bits")
    return Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


def exp(x: Number) -> Number:
    """e^x."""
    if isinstance(x, Enclosure | Real):
        import flint

        return _made(flint.arb(_operand(x)).exp())
    return 1 if x == 0 else _made(exponential(Fraction(x)))


def log(x: Number) -> Number:
    """log x, of a number that is known to be positive."""
    import flint

    return 0 if not isinstance(x, Enclosure | Real) and x == 1 else _made(flint.arb(_operand(x)).log())


def nearest_multiple(x: Number, step: Fraction) -> int:
    """The k for which k steps are nearest to x, or to the middle of what is known of x, halves up.

    Raises `Undecided` if it is not certain that x is at most 3/4 of a step away.
    """
    low, high = bounds(x)
    k = floor((low + high) / (2 * step) + Fraction(1, 2))
    if high - k * step > Fraction(3, 4) * step or k * step - low > Fraction(3, 4) * step:
        raise Undecided(f"{x} as a multiple of {step}")
    return k
