"""What each operation of the language means, once, for numbers and for terms alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from math import floor as _floor
from math import lcm
from typing import Any

from checker.semantics import cyclotomic
from checker.semantics import terms as t
from checker.semantics.cyclotomic import Cyclotomic, Number
from checker.semantics.terms import Term, Value

MAX_COSINES = 10_000  # in one number


def symbolic(*values: Value) -> bool:
    return any(isinstance(v, Term) for v in values)


def whole(n: Number) -> Number:
    """A fraction with denominator 1 as an integer."""
    return n.numerator if type(n) is Fraction and n.denominator == 1 else n


def add(a: Value, b: Value) -> Value:
    if not isinstance(a, Term) and not isinstance(b, Term):
        return whole(a + b)
    (c, xs), (d, ys) = t.split(a), t.split(b)
    for term, k in ys.items():
        xs[term] = xs.get(term, 0) + k
    return t.combine(c + d, xs.items())


def total(values: Iterable[Value]) -> Value:
    """The sum. The one with the most terms comes last, and is left as it is if all others cancel."""
    *small, largest = sorted(values, key=lambda x: len(x.args) if isinstance(x, Term) and x.op == "lin" else 0)
    constant: Number = 0
    parts: dict[Term, Number] = {}
    for x in small:
        c, xs = t.split(x)
        constant += c
        for term, k in xs.items():
            parts[term] = parts.get(term, 0) + k
    rest = t.combine(constant, parts.items())
    return largest if not isinstance(rest, Term) and rest == 0 else add(rest, largest)


def scale(k: Number, a: Value) -> Value:
    if not isinstance(a, Term):
        if isinstance(k, Cyclotomic) and isinstance(a, Cyclotomic) and len(k.parts) * len(a.parts) > MAX_COSINES:
            raise Unsupported("a number made of very many cosines")
        return whole(k * a)
    c, xs = t.split(a)
    return t.combine(k * c, [(term, k * x) for term, x in xs.items()])


def subtract(a: Value, b: Value) -> Value:
    return add(a, scale(-1, b))


def multiply(a: Value, b: Value) -> Value:
    if not isinstance(a, Term):
        return scale(a, b)
    if not isinstance(b, Term):
        return scale(b, a)
    first, second = (a, b) if a.key <= b.key else (b, a)
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high) if x is not None and y is not None]
    full = len(corners) == 4
    return t.bounded("mul", (first, second), min(corners) if full else None, max(corners) if full else None)


def divide(a: Value, b: Value) -> Value:
    """Exact division by a known number; or by a real one, which whoever asks must show to be other than 0."""
    if isinstance(b, Term):
        if not t.of_reals(b):
            raise Unsupported("division by an unknown number")
        return t.bounded("over", (a, b), None, None)
    if isinstance(b, Cyclotomic):
        raise Unsupported("division by an irrational number")
    return scale(Fraction(1) / b, a)


def quotient(a: Value, b: Value) -> Value:
    """a div b, rounded down; b a known positive number, and whole where a is unknown, and then a is whole too."""
    if isinstance(b, Term):
        raise Unsupported("div by an unknown number")
    if isinstance(b, Cyclotomic):
        raise Unsupported("div by an irrational number")
    if not isinstance(a, Term):
        return a // b
    if not (a.whole and t.is_whole(b)):
        raise Unsupported("div of a number that may be a fraction")
    if a.low is not None and a.high is not None and a.low // b == a.high // b:
        return a.low // b
    low, high = (None if x is None else x // b for x in (a.low, a.high))
    return t.bounded("div", (a, b), low, high)


def modulo(a: Value, b: Value) -> Value:
    """a mod b; b a known positive number, and whole where a is unknown, and then a is whole too.

    Inner remainders by multiples of b vanish.
    """
    if isinstance(b, Term):
        raise Unsupported("mod by an unknown number")
    if isinstance(b, Cyclotomic):
        raise Unsupported("mod by an irrational number")
    if not isinstance(a, Term):
        return whole(a % b)
    if not (a.whole and t.is_whole(b)):
        raise Unsupported("mod of a number that may be a fraction")
    b = int(b)
    constant, parts = t.split(a)
    if all(term.whole for term in parts):
        flat: dict[Term, Number] = {}
        for term, k in parts.items():
            inner: Value = term
            if term.op == "mod" and term.args[1] % b == 0:
                inner = term.args[0]
            extra, more = t.split(inner)
            constant += k * extra
            for x, c in more.items():
                flat[x] = flat.get(x, 0) + k * c
        a = t.combine(constant % b, [(x, c % b) for x, c in flat.items()])
    if not isinstance(a, Term):
        return whole(a % b)
    if a.low is not None and a.high is not None and a.low >= 0 and a.high < b:
        return a
    return t.bounded("mod", (a, b), 0, b - 1)


def power(a: Value, b: Value) -> Value:
    if isinstance(b, Term):
        raise Unsupported("an unknown exponent")
    if not isinstance(a, Term | Cyclotomic):
        return whole(Fraction(a) ** int(b))
    result: Value = 1
    for _ in range(int(b)):
        result = multiply(result, a)
    return result


def floor(a: Value) -> Value:
    """Whole multiples of whole numbers come out unchanged: only the rest is rounded.

    A rest that may be a fraction is rounded if it lies between two neighbouring whole numbers for certain.
    """
    if not isinstance(a, Term):
        return _floor(a)
    constant, parts = t.split(a)
    certain = t.combine(0, [(term, k) for term, k in parts.items() if term.whole and t.is_whole(k)])
    rest = subtract(a, certain)
    low, high = t.bounds(rest)
    if low is not None and high is not None and _floor(low) == _floor(high):
        return add(certain, _floor(low))
    if not all(term.whole for term in parts):
        raise Unsupported("rounding of a number that may be a fraction in an unknown way")
    if not isinstance(rest, Term):
        return add(certain, _floor(rest))
    factors = [k for k in (constant, *parts.values()) if not isinstance(k, Cyclotomic)]
    if len(factors) <= len(parts):
        raise Unsupported("rounding of an unknown number with an irrational factor")
    common = lcm(*(k.denominator for k in factors))
    return add(certain, quotient(scale(common, rest), common))


def ceil(a: Value) -> Value:
    return scale(-1, floor(scale(-1, a)))


def nearest(a: Value) -> Value:
    return floor(add(a, Fraction(1, 2)))


def cosine(turns: Value, g: int | None = None) -> Value:
    """cos(2 pi turns); with g the multiple of 2^-g nearest to it, halves up."""
    if isinstance(turns, Cyclotomic):
        raise Unsupported("the cosine of an irrational turn")
    if not isinstance(turns, Term):
        return cyclotomic.cosine(turns % 1, g)
    return t.bounded("cos", (turns, g), -1, 1)


# ---- booleans -------------------------------------------------------------------------------


def negate(a: Value) -> Value:
    if not isinstance(a, Term):
        return not a
    return a.args[0] if a.op == "not" else t.boolean("not", a)


def both(a: Value, b: Value) -> Value:
    if not isinstance(a, Term):
        return b if a else False
    if not isinstance(b, Term):
        return a if b else False
    if a is b:
        return a
    parts = sorted({*_flat("and", a), *_flat("and", b)}, key=lambda x: x.key)
    if any(negate(p) in parts for p in parts):
        return False
    return t.boolean("and", *parts)


def _flat(op: str, a: Term) -> tuple[Term, ...]:
    return a.args if a.op == op else (a,)


def either(a: Value, b: Value) -> Value:
    return negate(both(negate(a), negate(b)))


def equal(a: Value, b: Value) -> Value:
    if is_boolean(a) or is_boolean(b):
        if not symbolic(a, b):
            return a == b
        return either(both(a, b), both(negate(a), negate(b)))
    difference = subtract(a, b)
    if not isinstance(difference, Term):
        return difference == 0
    low, high = difference.low, difference.high
    if (low is not None and low > 0) or (high is not None and high < 0) or t.positive(difference):
        return False
    _, parts = t.split(difference)
    if parts[min(parts, key=lambda x: x.key)] < 0:
        difference = scale(-1, difference)
    return t.boolean("eq0", difference)


def is_boolean(a: object) -> bool:
    """A truth value, known or unknown."""
    return isinstance(a, bool) or (isinstance(a, Term) and a.op in ("eq0", "le0", "and", "not"))


def at_most(a: Value, b: Value) -> Value:
    if type(a) is int and type(b) is int:
        return a <= b
    difference = subtract(a, b)
    if not isinstance(difference, Term):
        return difference <= 0
    if difference.high is not None and difference.high <= 0:
        return True
    if (difference.low is not None and difference.low > 0) or t.positive(difference):
        return False
    return t.boolean("le0", difference)


def less(a: Value, b: Value) -> Value:
    return negate(at_most(b, a))


def choose(condition: Value, a: Value, b: Value) -> Value:
    """if condition then a else b"""
    if not isinstance(condition, Term):
        return a if condition else b
    if a is b or (not symbolic(a, b) and a == b):
        return a
    if is_boolean(a) or is_boolean(b):
        return either(both(condition, a), both(negate(condition), b))
    if condition.op == "not":
        condition, a, b = condition.args[0], b, a
    (l1, h1), (l2, h2) = t.bounds(a), t.bounds(b)
    return t.bounded(
        "ite",
        (condition, a, b),
        None if l1 is None or l2 is None else min(l1, l2),
        None if h1 is None or h2 is None else max(h1, h2),
    )


def minimum(a: Value, b: Value) -> Value:
    return scale(-1, maximum(scale(-1, a), scale(-1, b)))


def maximum(a: Value, b: Value) -> Value:
    if not symbolic(a, b):
        return max(a, b)  # type: ignore[type-var]
    parts: list[Value] = []
    for x in (a, b):
        parts += [*x.args] if isinstance(x, Term) and x.op == "max" else [x]
    constants = [x for x in parts if not isinstance(x, Term)]
    terms: set[Term] = {x for x in parts if isinstance(x, Term)}
    kept: list[Value] = [*sorted(terms, key=lambda x: x.key)]
    if constants:
        top = max(constants)
        kept = [x for x in kept if isinstance(x, Term) and (x.high is None or x.high > top)]
        if not all(isinstance(x, Term) and x.low is not None and x.low >= top for x in kept) or not kept:
            kept.append(top)
    if len(kept) == 1:
        return kept[0]
    lows, highs = zip(*(t.bounds(x) for x in kept), strict=True)
    known = [x for x in lows if x is not None]
    return t.bounded("max", tuple(kept), max(known) if known else None, None if None in highs else max(highs))


class Unsupported(Exception):
    """The evaluator has no symbolic form for this; concrete evaluation has."""


_REBUILD: dict[str, Callable[..., Value]] = {
    "mul": multiply,
    "div": quotient,
    "over": divide,
    "mod": modulo,
    "not": negate,
    "ite": choose,
    "cos": cosine,
    "exp": t.exponential,
    "log": t.logarithm,
    "eq0": lambda a: equal(a, 0),
    "le0": lambda a: at_most(a, 0),
}


def rebuild(node: Term, args: tuple[Any, ...]) -> Value:
    """The node's operation on other arguments, normalised again."""
    if node.op == "lin":
        result: Value = args[0]
        for term, k in zip(args[1::2], args[2::2], strict=True):
            result = add(result, scale(k, term))
        return result
    if node.op == "read":
        return t.read(*args)
    if node.op == "table":
        return t.table(*args)
    if node.op == "search":
        kind, body, names, *values, low, high = args
        return t.search(kind, body, names, tuple(values), low, high)
    if node.op in ("and", "max"):
        join = both if node.op == "and" else maximum
        result = args[0]
        for a in args[1:]:
            result = join(result, a)
        return result
    return _REBUILD[node.op](*args)


def substitute(value: Value, variable: Term, replacement: Value) -> Value:
    """`value` with `variable` replaced everywhere."""
    return t.substitute(value, variable, replacement, rebuild)
