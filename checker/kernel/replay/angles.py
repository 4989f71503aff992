"""Exact irrational numbers: cosines of rational turns, their sums and products (a turn of r is the angle 2 pi r).

A number is a polynomial in a root of unity z = e^(2 pi i / order), reduced modulo the cyclotomic polynomial of the order. Then it
is rational only if the polynomial is a constant. Order and rounding are read off balls of real numbers (FLINT), as many
bits as it takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Any

from checker.kernel.replay.undecided import TooLong, Undecided

MAX_ORDER = 10_000  # of the root of unity: polynomials are shorter
BITS = 64  # of the first ball
FINE = 256  # bits behind the point of rational bounds


@contextmanager
def _flint(bits: int = BITS) -> Iterator[Any]:
    """FLINT with so many bits; imported here, for most circuits do without it."""
    import flint

    before, flint.ctx.prec = flint.ctx.prec, bits
    try:
        yield flint
    finally:
        flint.ctx.prec = before


@lru_cache(maxsize=1_000)
def _cyclotomic(order: int) -> Any:
    with _flint() as flint:
        return flint.fmpq_poly(flint.fmpz_poly.cyclotomic(order))


@lru_cache(maxsize=100_000)
def _cosine_ball(k: int, order: int, bits: int) -> Any:
    """A ball around cos(2 pi k / order)."""
    with _flint(bits) as flint:
        return flint.arb.cos_pi_fmpq(flint.fmpq(2 * k, order))


def _made(order: int, polynomial: Any) -> Fraction | Real:
    """The number, as a Fraction if it is rational."""
    reduced = polynomial % _cyclotomic(order)
    if reduced.degree() < 1:
        constant = reduced[0]
        return Fraction(int(constant.p), int(constant.q))
    return Real(order, reduced)


class Real:
    """An irrational real number, `polynomial` in z of that order. `_made` makes it."""

    __slots__ = ("order", "polynomial", "_ball", "_hash")

    def __init__(self, order: int, polynomial: Any) -> None:
        self.order, self.polynomial = order, polynomial
        self._ball: Any = None
        self._hash: int | None = None

    def ball(self, bits: int = BITS) -> Any:
        """A ball around it: the real part of the polynomial, for that is the number."""
        if bits == BITS and self._ball is not None:
            return self._ball
        with _flint(bits) as flint:
            total = flint.arb(0)
            for k, c in enumerate(self.polynomial.coeffs()):
                if c != 0:
                    total += _cosine_ball(k, self.order, bits) * c
        if bits == BITS:
            self._ball = total
        return total

    # ---- arithmetic ---------------------------------------------------------------------------

    def _with(self, other: int | Fraction | Real) -> tuple[int, Any, Any]:
        """A common order and both polynomials."""
        if not isinstance(other, Real):
            with _flint() as flint:
                return self.order, self.polynomial, flint.fmpq_poly([flint.fmpq(other.numerator, other.denominator)])
        order = lcm(self.order, other.order)
        if order > MAX_ORDER:
            raise TooLong(f"angles in {order:,} parts of a turn")
        return order, _lifted(self, order), _lifted(other, order)

    def __add__(self, other: int | Fraction | Real) -> Fraction | Real:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        order, a, b = self._with(other)
        return _made(order, a + b)

    __radd__ = __add__

    def __neg__(self) -> Real:
        return Real(self.order, -self.polynomial)

    def __sub__(self, other: int | Fraction | Real) -> Fraction | Real:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        return self + -other

    def __rsub__(self, other: int | Fraction) -> Fraction | Real:
        return -self + other

    def __mul__(self, other: int | Fraction | Real) -> Fraction | Real:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        order, a, b = self._with(other)
        return _made(order, a * b)

    __rmul__ = __mul__

    def __truediv__(self, other: int | Fraction | Real) -> Fraction | Real:
        if not isinstance(other, int | Fraction):
            raise Undecided(f"{self} divided by {other}")
        return self * (Fraction(1) / other)

    def __rtruediv__(self, other: int | Fraction) -> Fraction | Real:
        raise Undecided(f"{other} divided by {self}")

    def __pow__(self, exponent: int) -> Fraction | Real:
        result: Fraction | Real = Fraction(1)
        for _ in range(exponent):
            result = self * result
        return result

    # ---- order and rounding -------------------------------------------------------------------

    def scaled_floor(self, bits: int) -> int:
        """The largest integer below 2^bits times the number. It is irrational, so balls get small enough."""
        precision = BITS + bits
        while True:
            with _flint(precision) as flint:
                found = (self.ball(precision) * flint.arb(2) ** bits).floor().unique_fmpz()
                if found is not None:
                    return int(found)
            precision *= 2

    def bounds(self) -> tuple[Fraction, Fraction]:
        low = self.scaled_floor(FINE)
        return Fraction(low, 1 << FINE), Fraction(low + 1, 1 << FINE)

    def __floor__(self) -> int:
        return self.scaled_floor(0)

    def __ceil__(self) -> int:
        return self.scaled_floor(0) + 1

    def __float__(self) -> float:
        return float(self.bounds()[0])

    def __abs__(self) -> Real:
        return self if self > 0 else -self

    def __lt__(self, other: int | Fraction | Real) -> bool:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        if isinstance(other, Real):
            if self.ball() < other.ball():
                return True
            if self.ball() > other.ball():
                return False
        difference = self - other
        return difference.scaled_floor(0) < 0 if isinstance(difference, Real) else difference < 0

    def __le__(self, other: int | Fraction | Real) -> bool:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        return self < other or self == other

    def __gt__(self, other: int | Fraction | Real) -> bool:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        return not self <= other

    def __ge__(self, other: int | Fraction | Real) -> bool:
        if not isinstance(other, int | Fraction | Real):
            return NotImplemented
        return not self < other

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | Fraction):
            return False
        if not isinstance(other, Real):
            return NotImplemented
        if self.order == other.order:
            return bool(self.polynomial == other.polynomial)
        return bool(self.ball().overlaps(other.ball())) and self - other == 0

    def __hash__(self) -> int:
        """Of the number, rounded down, whatever its order is."""
        if self._hash is None:
            self._hash = hash(("real", self.scaled_floor(BITS)))
        return self._hash

    def __str__(self) -> str:
        return f"~{float(self):.6g}"


def _lifted(x: Real, order: int) -> Any:
    """Its polynomial in a root of unity of a multiple of its order."""
    if x.order == order:
        return x.polynomial
    with _flint() as flint:
        return x.polynomial(flint.fmpq_poly([0] * (order // x.order) + [1]))


@lru_cache(maxsize=100_000)
def cosine(turn: Fraction) -> Fraction | Real:
    """cos(2 pi turn) = (z^k + z^(order - k)) / 2."""
    turn = turn % 1
    k, order = turn.numerator, turn.denominator
    if order > MAX_ORDER:
        raise TooLong(f"an angle in {order:,} parts of a turn")
    with _flint() as flint:
        half = flint.fmpq(1, 2)
        return _made(order, half * (flint.fmpq_poly([0] * k + [1]) + flint.fmpq_poly([0] * (order - k) + [1])))


@lru_cache(maxsize=100_000)
def rounded_cosine(turn: Fraction, g: int) -> Fraction:
    """The multiple of 2^-g nearest to cos(2 pi turn), halves up. A tie is at a rational cosine: of a multiple of 1/4 or 1/6."""
    turn = turn % 1
    if 12 % turn.denominator == 0:
        found = (cosine(turn) * 2**g + Fraction(1, 2)).__floor__()
        return Fraction(found, 2**g)
    precision = BITS + g
    while True:
        with _flint(precision) as flint:
            ball = _cosine_ball(turn.numerator, turn.denominator, precision)
            whole = (ball * flint.arb(2) ** g + flint.arb(0.5)).floor().unique_fmpz()
            if whole is not None:
                return Fraction(int(whole), 2**g)
        precision *= 2
