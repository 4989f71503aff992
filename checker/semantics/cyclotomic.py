"""Exact real numbers: rational combinations of cosines of rational turns. A turn of r is the angle 2 pi r.

They are closed under sums and products. Whether a number is rational is decided exactly; a number that is not has no ties, so
integers around it of growing precision tell how it compares and rounds. What comes out rational is an int or a Fraction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm
from typing import Union

Rational = int | Fraction
Number = Union[int, Fraction, "Cyclotomic"]
NEAR = 64  # binary digits behind the point of the integer by which numbers are told apart first


class Cyclotomic:
    """(constant + the sum of c cos(2 pi k / order) over (k, c) in `parts`) / below, in whole numbers. Always irrational.

    0 < k < order / 4, ascending; order is a multiple of 12. A number may be written in several ways: equal ones compare equal and
    have one hash, however they are written.
    """

    __slots__ = ("order", "below", "constant", "parts", "_near", "_hash")

    def __init__(self, order: int, below: int, constant: int, parts: tuple[tuple[int, int], ...]) -> None:
        """For `_make` and operations that cannot make a number rational."""
        self.order, self.below, self.constant, self.parts = order, below, constant, parts
        self._near: int | None = None
        self._hash: int | None = None

    @property
    def near(self) -> int:
        """An integer within 1 of 2^NEAR times the number."""
        if self._near is None:
            self._near = approximate(self, NEAR)
        return self._near

    # ---- arithmetic ---------------------------------------------------------------------------

    def __add__(self, other: Number) -> Number:
        if isinstance(other, Cyclotomic):
            order, below = lcm(self.order, other.order), lcm(self.below, other.below)
            return _make(order, below, [*self._over(order, below), *other._over(order, below)])
        below = lcm(self.below, other.denominator)
        constant = self.constant * (below // self.below) + other.numerator * (below // other.denominator)
        return _reduced(self.order, below, constant, [(k, c * (below // self.below)) for k, c in self.parts])

    __radd__ = __add__

    def __neg__(self) -> Cyclotomic:
        return Cyclotomic(self.order, self.below, -self.constant, tuple((k, -c) for k, c in self.parts))

    def __sub__(self, other: Number) -> Number:
        return self + -other

    def __rsub__(self, other: Rational) -> Number:
        return -self + other

    def __mul__(self, other: Number) -> Number:
        """cos a cos b = (cos(a - b) + cos(a + b)) / 2."""
        if isinstance(other, Cyclotomic):
            order = lcm(self.order, other.order)
            pairs = [(k, j, c * d) for k, c in self._over(order, self.below) for j, d in other._over(order, other.below)]
            return _make(order, 2 * self.below * other.below, [part for k, j, c in pairs for part in ((k - j, c), (k + j, c))])
        if other == 0:
            return 0
        n = other.numerator
        return _reduced(self.order, self.below * other.denominator, self.constant * n, [(k, c * n) for k, c in self.parts])

    __rmul__ = __mul__

    def _over(self, order: int, below: int) -> list[tuple[int, int]]:
        """All parts, the constant as the first, over multiples of the order and of what is below."""
        step, factor = order // self.order, below // self.below
        parts = [(k * step, c * factor) for k, c in self.parts]
        return [(0, self.constant * factor), *parts] if self.constant else parts

    def __truediv__(self, other: Rational) -> Number:
        return self * (1 / Fraction(other))

    def __pow__(self, exponent: int) -> Number:
        result: Number = 1
        for _ in range(exponent):
            result = result * self
        return result

    def __floordiv__(self, other: Rational) -> int:
        return int((self / other).__floor__())

    def __mod__(self, other: Rational) -> Number:
        return self - other * (self // other)

    def __abs__(self) -> Cyclotomic:
        return self if self > 0 else -self

    # ---- rounding and order -------------------------------------------------------------------

    def scaled_floor(self, bits: int) -> int:
        """The largest integer that is at most 2^bits times the number."""
        precision = max(bits, 0) + NEAR
        while True:
            x, shift = approximate(self, precision), precision - bits
            low, high = (x - 1) >> shift, (x + 1) >> shift
            if low == high:
                return low
            precision *= 2

    def __floor__(self) -> int:
        return self.scaled_floor(0)

    def __ceil__(self) -> int:
        return self.scaled_floor(0) + 1

    def __trunc__(self) -> int:
        return self.scaled_floor(0) + (self < 0)

    def __int__(self) -> int:
        return self.__trunc__()

    def __float__(self) -> float:
        return float(Fraction(self.scaled_floor(1_100), 1 << 1_100))

    def __bool__(self) -> bool:
        return True

    def _below(self, other: Number) -> bool:
        """Is it less than the other, which is another number?"""
        gap = near(other) - self.near
        if abs(gap) > 2:
            return gap > 0
        difference = other - self
        if not isinstance(difference, Cyclotomic):
            return difference > 0
        return difference.scaled_floor(NEAR) >= 0

    def __lt__(self, other: Number) -> bool:
        return self._below(other)

    def __le__(self, other: Number) -> bool:
        return self == other or self._below(other)

    def __gt__(self, other: Number) -> bool:
        return not self <= other

    def __ge__(self, other: Number) -> bool:
        return not self._below(other)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cyclotomic):
            return False if isinstance(other, int | Fraction) else NotImplemented
        if self is other:
            return True
        return abs(self.near - other.near) <= 2 and self - other == 0

    def __hash__(self) -> int:
        """Of the number rounded down to a multiple of 2^-NEAR, which does not depend on how it is written."""
        if self._hash is None:
            self._hash = hash(("cyclotomic", self.scaled_floor(NEAR)))
        return self._hash

    def __repr__(self) -> str:
        shown = [] if self.constant == 0 else [str(Fraction(self.constant, self.below))]
        for k, c in self.parts:
            size = Fraction(abs(c), self.below)
            sign = ("-" if c < 0 else "") if not shown else ("- " if c < 0 else "+ ")
            shown.append(f"{sign}{'' if size == 1 else f'{size}·'}cos(2π·{Fraction(k, self.order)})")
        return " ".join(shown)


# ---- making numbers ---------------------------------------------------------------------------


def _whole(x: Fraction) -> Rational:
    return x.numerator if x.denominator == 1 else x


def _make(order: int, below: int, terms: Iterable[tuple[int, int]]) -> Number:
    """The sum of c cos(2 pi k / order) over (k, c), any k, divided by `below`; a rational number as an int or a Fraction."""
    found: dict[int, int] = {}
    halves = 0  # the constant is known in halves, for the cosine of a sixth is one
    for k, c in terms:
        k %= order
        if 2 * k > order:
            k = order - k
        if 4 * k > order:
            k, c = order // 2 - k, -c
        if k == 0:
            halves += 2 * c
        elif 6 * k == order:
            halves += c
        elif 4 * k != order:
            found[k] = found.get(k, 0) + c
    kept = [(k, c) for k, c in sorted(found.items()) if c]
    if len(kept) != 1:  # one cosine is rational at multiples of a quarter and a sixth only (Niven)
        rational = _rational(order, kept)
        if rational is not None:
            return _whole((Fraction(halves, 2) + rational) / below)
    return _reduced(order, 2 * below, halves, [(k, 2 * c) for k, c in kept])


def _reduced(order: int, below: int, constant: int, parts: list[tuple[int, int]]) -> Cyclotomic:
    """In lowest terms."""
    common = gcd(below, constant, *(c for _, c in parts))
    if common == 1:
        return Cyclotomic(order, below, constant, tuple(parts))
    return Cyclotomic(order, below // common, constant // common, tuple((k, c // common) for k, c in parts))


@lru_cache(maxsize=100_000)
def cosine(turns: Rational, g: int | None = None) -> Number:
    """cos(2 pi turns), exactly; with g rounded to the nearest multiple of 2^-g, halves up."""
    if g is not None:
        return rounded(cosine(turns), g)
    order = lcm(12, turns.denominator)
    return _make(order, 1, [(turns.numerator * (order // turns.denominator), 1)])


def rounded(x: Number, g: int) -> Rational:
    """The multiple of 2^-g nearest to x, halves up."""
    if isinstance(x, Cyclotomic):
        return _whole(Fraction((x.scaled_floor(g + 1) + 1) >> 1, 1 << g))
    return _whole(Fraction((2 * x.numerator * (1 << g) + x.denominator) // (2 * x.denominator), 1 << g))


def near(x: Number) -> int:
    """An integer within 1 of 2^NEAR x."""
    return x.near if isinstance(x, Cyclotomic) else approximate(x, NEAR)


def approximate(x: Number, bits: int) -> int:
    """An integer within 1 of 2^bits x, in whole numbers throughout."""
    if not isinstance(x, Cyclotomic):
        return (x.numerator << bits) // x.denominator
    extra = 2 + (sum(abs(c) for _, c in x.parts) // x.below + 1).bit_length()
    total = x.constant << (bits + extra)
    for k, c in x.parts:
        total += c * _cosine_near(k, x.order, bits + extra)  # off by at most |c|, over `below` all by less than 2^(extra - 2)
    return (2 * (total // x.below) + (1 << extra)) >> (extra + 1)


def outward(x: Number) -> tuple[Rational, Rational]:
    """Rational bounds of x, within 2^(1 - NEAR) of it; x itself if it is rational."""
    if not isinstance(x, Cyclotomic):
        return x, x
    return Fraction(x.near - 1, 1 << NEAR), Fraction(x.near + 1, 1 << NEAR)


@lru_cache(maxsize=200_000)
def _cosine_near(k: int, order: int, bits: int) -> int:
    """An integer within 1 of 2^bits cos(2 pi k / order): the middle of a ball of FLINT's that is smaller than a half."""
    import flint

    before, precision = flint.ctx.prec, bits + 16
    try:
        while True:
            flint.ctx.prec = precision
            ball = flint.arb.cos_pi_fmpq(flint.fmpq(2 * k, order)) * flint.arb(2) ** bits
            low, high = ball.lower().floor().unique_fmpz(), ball.upper().ceil().unique_fmpz()
            if low is not None and high is not None and high - low <= 2:
                return (int(low) + int(high)) // 2
            precision *= 2
    finally:
        flint.ctx.prec = before


# ---- is it rational? ----------------------------------------------------------------------------


@lru_cache(maxsize=20_000)
def _primes(n: int) -> tuple[tuple[int, int], ...]:
    """The prime powers (p, exponent) of n."""
    import flint

    return tuple((int(p), int(k)) for p, k in flint.fmpz(n).factor())


@lru_cache(maxsize=20_000)
def mean_of_conjugates(order: int) -> Fraction:
    """mu(order) / phi(order), the mean of all primitive roots of unity of an order. A rational number is the mean of its own."""
    result = Fraction(1)
    for p, k in _primes(order):
        result = Fraction(0) if k > 1 else result / (1 - p)
    return result


@lru_cache(maxsize=200_000)
def _from_mean(k: int, order: int) -> int:
    """An integer within 2 of 2^NEAR times what the cosine of the turn k / order is above the mean of its conjugates."""
    return _cosine_near(k, order, NEAR) - approximate(mean_of_conjugates(order // gcd(k, order)), NEAR)


def _rational(order: int, parts: list[tuple[int, int]]) -> Rational | None:
    """The sum of c cos(2 pi k / order) over parts (k, c) if it is rational. Decided by approximation, or else exactly."""
    if abs(sum(c * _from_mean(k, order) for k, c in parts)) > 2 * sum(abs(c) for _, c in parts):
        return None
    value = sum((c * mean_of_conjugates(order // gcd(k, order)) for k, c in parts), Fraction(0))
    roots = {Fraction(0): -2 * Fraction(value)}
    for k, c in parts:
        for turn in (Fraction(k, order), Fraction(order - k, order)):
            roots[turn] = roots.get(turn, Fraction(0)) + c
    return value if vanishes(roots) else None


def vanishes(roots: dict[Fraction, Fraction]) -> bool:
    """Is the sum of c e^(2 pi i r) over {r: c} zero? 0 <= r < 1.

    Let p be the largest prime of the common order N, and K be generated by a root of order N / p^k, p^k the power in N.
    If k > 1 the roots of order p^k give a basis over the field of order N / p. If k = 1, the sum of all p-th roots of unity being
    0 is their only relation over K.
    """
    roots = {r: c for r, c in roots.items() if c != 0}
    if len(roots) < 2:
        return not roots
    p, k = max(_primes(lcm(*(r.denominator for r in roots))))
    return all(vanishes(part) for part in _components(roots, p, k))


def _components(roots: dict[Fraction, Fraction], p: int, k: int) -> Iterator[dict[Fraction, Fraction]]:
    """Sums of roots that are all zero if and only if the given sum is; p^k is divided by p in their orders."""
    groups: dict[int, dict[Fraction, Fraction]] = {}
    power = p**k
    for r, c in roots.items():
        share = _part(r.denominator, p)
        x = r.numerator * (power // share) * pow(r.denominator // share, -1, power)  # r - x / p^k is of an order without p
        groups.setdefault(x % p, {})[(r - Fraction(x % p, power)) % 1] = c
    if k > 1 or len(groups) < p:
        yield from groups.values()
        return
    smallest = min(groups.values(), key=len)
    for group in groups.values():
        if group is not smallest:
            yield {r: group.get(r, Fraction(0)) - smallest.get(r, Fraction(0)) for r in {**group, **smallest}}


def _part(n: int, p: int) -> int:
    """The largest power of p that divides n."""
    power = 1
    while n % (power * p) == 0:
        power *= p
    return power
