"""Terms as rational functions, compared by sympy (Theorem 3.4: the merge of partial softmax sums)."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

from checker.semantics.terms import Term, Value


def equal_functions(a: Value, b: Value, logarithms: set[Term]) -> bool:
    """Are two terms the same rational function of the other unknowns and of the exponentials of these? With log on the outside of
    both, are what it is of?"""
    import sympy

    if isinstance(a, Term) and isinstance(b, Term) and a.op == b.op == "log":
        a, b = a.args[0], b.args[0]
    names: dict[Term, Any] = {}

    def build(x: Value) -> Any:
        if not isinstance(x, Term):
            return sympy.Rational(x.numerator, x.denominator) if isinstance(x, (int, Fraction)) else _refuse()
        if x.op == "exp" and x.args[0] in logarithms:
            return names.setdefault(x, sympy.Symbol(f"E{len(names)}", positive=True))
        if x.op == "lin":
            rest = zip(x.args[1::2], x.args[2::2], strict=True)
            return build(x.args[0]) + sum(build(term) * build(k) for term, k in rest)
        if x.op == "mul":
            return build(x.args[0]) * build(x.args[1])
        if x.op == "over":
            return build(x.args[0]) / build(x.args[1])
        if x.op in ("lane", "entry", "read", "var") and x not in logarithms:
            return names.setdefault(x, sympy.Symbol(f"x{len(names)}", real=True))
        return _refuse()

    try:
        return bool(sympy.cancel(build(a) - build(b)) == 0)
    except (_NotRational, ZeroDivisionError):
        return False


class _NotRational(Exception):
    pass


def _refuse() -> Any:
    raise _NotRational


@lru_cache(maxsize=100)
def merges(children: int) -> bool:
    """The mean over a union of parts is the mean of their means with weights Z_k / Z, for all Z_k > 0 and all S_k; merging in
    another order or in steps gives the same. By sympy, as rational functions."""
    import sympy

    e = sympy.symbols(f"E1:{children + 1}", positive=True)
    x = sympy.symbols(f"S1:{children + 1}", real=True)
    z = sympy.Symbol("Z", positive=True)
    mean = sum(a / z * b for a, b in zip(e, x, strict=True))
    if sympy.expand(sympy.cancel(mean * z) - sum(a * b for a, b in zip(e, x, strict=True))) != 0:
        return False

    def two(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
        total = a[0] + b[0]
        return total, a[0] / total * a[1] + b[0] / total * b[1]

    e1, e2, e3 = sympy.symbols("E1:4", positive=True)
    x1, x2, x3 = sympy.symbols("S1:4", real=True)
    left, right = two(two((e1, x1), (e2, x2)), (e3, x3)), two((e1, x1), two((e2, x2), (e3, x3)))
    return all(sympy.cancel(a - b) == 0 for a, b in zip(left, right, strict=True))
