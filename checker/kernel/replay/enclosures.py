"""Numbers of which only bounds are known. What the bounds do not decide is `Undecided`: no fault, no refutation, no proof."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd

from checker.kernel.replay.angles import Real
from checker.kernel.replay.undecided import TooLong as TooLong
from checker.kernel.replay.undecided import Undecided as Undecided


def common(a: Fraction, b: Fraction) -> Fraction:
    """The largest step that divides both; 0 if one of them is 0, which stands for no step."""
    if a == 0 or b == 0:
        return Fraction(0)
    return Fraction(gcd(a.numerator * b.denominator, b.numerator * a.denominator), a.denominator * b.denominator)


@dataclass(frozen=True, eq=False)
class Enclosure:
    """Some number in low..high, low < high; a multiple of `step` unless that is 0. Made by `enclosure` alone."""

    low: Fraction
    high: Fraction
    step: Fraction

    def __str__(self) -> str:
        low, high = float(self.low), float(self.high)
        return f"~{round(low, 9) + 0.0:.6g}" if high - low < 1e-9 else f"{low:.6g}..{high:.6g}"

    def __add__(self, other: Number) -> Number:
        if isinstance(other, Enclosure):
            return enclosure(self.low + other.low, self.high + other.high, common(self.step, other.step))
        if isinstance(other, Real):
            return self + enclosure(*other.bounds())
        step = self.step if other == 0 else common(self.step, abs(Fraction(other)))
        return enclosure(self.low + other, self.high + other, step)

    __radd__ = __add__

    def __neg__(self) -> Enclosure:
        return Enclosure(-self.high, -self.low, self.step)

    def __sub__(self, other: Number) -> Number:
        return self + -other

    def __rsub__(self, other: int | Fraction | Real) -> Number:
        return -self + other

    def __mul__(self, other: Number) -> Number:
        low, high = bounds(other)
        ends = [x * y for x in (self.low, self.high) for y in (low, high)]
        return enclosure(min(ends), max(ends), self.step * _step(other))

    __rmul__ = __mul__

    def __truediv__(self, other: Number) -> Number:
        if isinstance(other, Enclosure):
            return self * (1 / other)
        if isinstance(other, Real):
            return self * (1 / enclosure(*other.bounds()))  # type: ignore[operator]
        return self * (Fraction(1) / other)

    def __rtruediv__(self, other: int | Fraction | Real) -> Number:
        if self.low <= 0 <= self.high:
            raise Undecided(f"{other} divided by {self}")
        return enclosure(1 / self.high, 1 / self.low) * other

    def __pow__(self, exponent: int) -> Number:
        if exponent == 0:
            return 1
        ends = [self.low**exponent, self.high**exponent]
        if exponent % 2 == 0 and self.low < 0 < self.high:
            ends.append(Fraction(0))
        return enclosure(min(ends), max(ends), self.step**exponent)

    def __floor__(self) -> int:
        if floor(self.low) != floor(self.high):
            raise Undecided(f"{self} rounded")
        return floor(self.low)

    def __ceil__(self) -> int:
        return -floor(-self)

    def __lt__(self, other: Number) -> bool:
        low, high = bounds(other)
        return self._decide(self.high < low, self.low >= high, "<", other)

    def __le__(self, other: Number) -> bool:
        low, high = bounds(other)
        return self._decide(self.high <= low, self.low > high, "<=", other)

    def __gt__(self, other: Number) -> bool:
        return not self <= other

    def __ge__(self, other: Number) -> bool:
        return not self < other

    def __eq__(self, other: object) -> bool:
        """Numbers with bounds are never known to be equal; they may be known to differ."""
        if not isinstance(other, int | Fraction | Real | Enclosure):
            return NotImplemented
        low, high = bounds(other)
        return self._decide(False, self.high < low or high < self.low, "==", other)

    def _decide(self, yes: bool, no: bool, comparison: str, other: Number) -> bool:
        if not yes and not no:
            raise Undecided(f"{self} {comparison} {other}")
        return yes

    def may_be_whole(self, low: int, high: int) -> bool:
        """Can this be an integer in low..high?"""
        return max(ceil(self.low), low) <= min(floor(self.high), high)


Exact = int | Fraction | Real
Number = Exact | Enclosure


def bounds(x: Number) -> tuple[Fraction, Fraction]:
    """Rational bounds, equal to it if it is rational."""
    if isinstance(x, Real):
        return x.bounds()
    return (x.low, x.high) if isinstance(x, Enclosure) else (Fraction(x), Fraction(x))


def _step(x: Number) -> Fraction:
    """x is a multiple of this, if it is not 0."""
    return Fraction(0) if isinstance(x, Real) else x.step if isinstance(x, Enclosure) else abs(Fraction(x))


def exact(x: Number) -> Exact:
    """A number that is known exactly."""
    assert not isinstance(x, Enclosure)
    return x


def rational(x: Number) -> Fraction:
    """A number that is known exactly and is rational."""
    assert not isinstance(x, Enclosure | Real)
    return Fraction(x)


def enclosure(low: Fraction, high: Fraction, step: Fraction = Fraction(0)) -> Number:
    """The numbers in low..high that are multiples of `step`; with step 0 all of them. There must be one."""
    if step:
        low, high = ceil(low / step) * step, floor(high / step) * step
    if low > high:
        raise ValueError("no number lies within these bounds")
    return low if low == high else Enclosure(low, high, step)


def least(numbers: Iterable[Number]) -> Number:
    """The smallest of some numbers: bounds of it if only bounds are known."""
    given = list(numbers)
    exact = [x for x in given if not isinstance(x, Enclosure)]
    if len(exact) == len(given):
        return min(exact)
    steps = [_step(x) for x in given]
    step = steps[0]
    for other in steps[1:]:
        step = common(step, other)
    found = enclosure(min(bounds(x)[0] for x in given), min(bounds(x)[1] for x in given), step)
    return found.numerator if isinstance(found, Fraction) and found.denominator == 1 else found


def greatest(numbers: Iterable[Number]) -> Number:
    return -least([-x for x in numbers])
