"""Sums of products whose shape replay knows: their factors are looked up once, and what is 0 is left out.

It is the shape alone that is found here: the value is that of the expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from checker.language import syntax as s


@dataclass(frozen=True)
class Shift:
    """The coordinates c + by of a vector, where c is the variable of a loop."""

    vector: str
    by: int


@dataclass(frozen=True)
class Mean:
    """The sum over the messages of a binder of a factor, which does not know the loop's variable, times part of a vector."""

    binder: s.OverInbox
    factor: s.Expr
    part: Shift


def _shift(e: s.Expr, variable: str) -> Shift | None:
    """v[c], v[c + n] or v[n + c]."""
    match e:
        case s.Index(array, s.Name(name)) if name == variable:
            return Shift(array, 0)
        case s.Index(array, s.Binary("+", s.Name(name), s.Number(int(by)))) if name == variable:
            return Shift(array, by)
        case s.Index(array, s.Binary("+", s.Number(int(by)), s.Name(name))) if name == variable:
            return Shift(array, by)
    return None


@lru_cache(maxsize=10_000)
def inner_product(e: s.Reduce) -> tuple[Shift, Shift] | None:
    """sum(v[c + a] * w[c + b] for c in low..high)"""
    match e:
        case s.Reduce("sum", s.Binary("*", left, right), s.OverRange(variable), None):
            a, b = _shift(left, variable), _shift(right, variable)
            return None if a is None or b is None or variable in (a.vector, b.vector) else (a, b)
    return None


@lru_cache(maxsize=10_000)
def combination(e: s.Reduce) -> tuple[Shift | Mean, ...] | None:
    """(v[c + a] + sum(e * w[c + b] for tag(..., w) in inbox) + ... for c in low..high), with at least one sum over an inbox."""
    match e:
        case s.Reduce("vector", body, s.OverRange(variable), None):
            terms: list[Shift | Mean] = []
            for part in _summands(body):
                term = _mean(part, variable) or _shift(part, variable)
                if term is None or (isinstance(term, Shift) and term.vector == variable):
                    return None
                terms.append(term)
            return tuple(terms) if any(isinstance(x, Mean) for x in terms) else None
    return None


def _summands(e: s.Expr) -> list[s.Expr]:
    match e:
        case s.Binary("+", left, right):
            return [*_summands(left), *_summands(right)]
    return [e]


def _mean(e: s.Expr, variable: str) -> Mean | None:
    match e:
        case s.Reduce("sum", s.Binary("*", factor, part), s.OverInbox(_, names, source) as binder, None):
            shift = _shift(part, variable)
            if shift is None or s.mentions(factor, variable) or variable in (*names, source, shift.vector):
                return None
            return Mean(binder, factor, shift)
    return None
