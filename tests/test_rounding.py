"""Rounding of unknown numbers: what is certainly whole stays as it is, the rest has the value that numbers give."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import floor

import pytest

from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.values import Unsupported

X, Y = t.variable("x", 0, 5), t.variable("y", 0, 5)


def combination(constant: Fraction, a: Fraction, b: Fraction) -> t.Value:
    return v.add(constant, v.add(v.scale(a, X), v.scale(b, Y)))


def test_a_whole_number_is_its_own_rounding() -> None:
    average = v.scale(Fraction(1, 3), v.add(X, v.scale(3, Y)))
    assert v.nearest(X) is X
    assert v.nearest(v.scale(3, average)) is v.add(X, v.scale(3, Y))
    assert v.nearest(v.subtract(v.scale(2, X), Fraction(7, 3))) is v.subtract(v.scale(2, X), 2)


@pytest.mark.parametrize("a", [Fraction(1, 2), Fraction(-2, 3), Fraction(2), Fraction(5, 2)])
@pytest.mark.parametrize("constant", [Fraction(0), Fraction(1, 2), Fraction(-5, 3)])
def test_floor_agrees_with_numbers(constant: Fraction, a: Fraction) -> None:
    for b in (Fraction(1), Fraction(-1, 2)):
        rounded = v.floor(combination(constant, a, b))
        for x, y in product(range(6), repeat=2):
            assert v.substitute(v.substitute(rounded, X, x), Y, y) == floor(constant + a * x + b * y)


def test_a_number_that_may_be_a_fraction_is_not_rounded() -> None:
    with pytest.raises(Unsupported):
        v.nearest(t.coordinate(1, 1))
