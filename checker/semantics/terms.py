"""Symbolic values: hash-consed terms, normalised as they are built, so that equal often means identical.

A value is a Python number (int, Fraction, bool) or a `Term`; the operations in `semantics/values.py` take both.
Terms are over integers (or fractions, in a circuit's averages) and booleans. Each integer term carries an interval.
"""

from __future__ import annotations

from collections.abc import Container, Hashable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Union
from weakref import WeakValueDictionary

from checker.semantics.cyclotomic import Cyclotomic, Number, Rational, outward

Value = Union[int, Fraction, Cyclotomic, bool, "Term"]


@dataclass(frozen=True, slots=True)
class ArraySymbol:
    """An unknown array of `size` integers in low..high.

    `inverse` names the array that undoes it; set only where the array is known to be a permutation of 1..size.
    """

    name: str
    size: int
    low: int
    high: int
    inverse: str | None = None

    def inverted(self) -> ArraySymbol:
        assert self.inverse is not None
        return ArraySymbol(self.inverse, self.size, self.low, self.high, self.name)


class Term:
    """One node. `op` and `args` say what it is; equal nodes are the same object."""

    __slots__ = ("op", "args", "low", "high", "key", "whole", "__weakref__")
    op: str
    args: tuple[Any, ...]
    low: Rational | None
    high: Rational | None
    key: int
    whole: bool  # certainly an integer

    def __repr__(self) -> str:
        return show(self)


class _Store:
    """The table of live nodes. Keys count upwards, so orders are the same in every run."""

    def __init__(self) -> None:
        self.table: WeakValueDictionary[tuple[Any, ...], Term] = WeakValueDictionary()
        self.count = 0

    def make(self, op: str, args: tuple[Any, ...], low: Rational | None = None, high: Rational | None = None) -> Term:
        signature = (op, *(("t", a.key) if isinstance(a, Term) else ("v", type(a).__name__, a) for a in args))
        found = self.table.get(signature)
        if found is not None:
            return found
        term = Term()
        term.op, term.args, term.low, term.high = op, args, low, high
        term.whole = op in ("var", "read", "table", "div", "search") or (
            op in ("lin", "mul", "mod", "max", "ite") and all(is_whole(a) for a in (args[1:] if op == "ite" else args))
        )
        self.count += 1
        term.key = self.count
        self.table[signature] = term
        return term


def is_whole(value: Value) -> bool:
    """Certainly an integer (a truth value is none)."""
    if isinstance(value, Term):
        return value.whole
    return not isinstance(value, bool | Cyclotomic) and value == int(value)


_STORE = _Store()


def variable(name: str, low: int | None = None, high: int | None = None) -> Term:
    """An unknown integer in low..high (part of the name's identity)."""
    return _STORE.make("var", (name, low, high), low, high)


def coordinate(row: int, place: int) -> Term:
    """An unknown coordinate of an arbitrary residual stream: any real number, so never taken for a whole one."""
    return _STORE.make("coordinate", (row, place))


def real(name: str) -> Term:
    """An unknown real number that is named in a claim."""
    return _STORE.make("real", (name,))


def lane(family: Hashable, offset: int) -> Term:
    """Coordinate c + offset of a family of unknown real numbers, c any place (see `semantics/lanes.py`)."""
    return _STORE.make("lane", (family, offset))


def entry(family: Hashable, place: int) -> Term:
    """One coordinate of a family of unknown real numbers."""
    return _STORE.make("entry", (family, place))


def lane_sum(value: Value, length: int) -> Value:
    """The sum of what is said of c, for c = 1..length."""
    return _STORE.make("lanes", (value, length))


def exponential(value: Value) -> Value:
    """e^value, which is positive; the exponential of a logarithm is what it is of."""
    if not isinstance(value, Term):
        if value != 0:
            raise ValueError("the exponential of a known number")
        return 1
    if value.op == "log":
        inner: Value = value.args[0]
        return inner
    return _STORE.make("exp", (value,), 0, None)


def logarithm(value: Value) -> Value:
    """The natural logarithm; whoever asks must show that the value is positive."""
    if not isinstance(value, Term):
        if value != 1:
            raise ValueError("the logarithm of a known number")
        return 0
    if value.op == "exp":
        inner: Value = value.args[0]
        return inner
    return _STORE.make("log", (value,))


def positive(value: Value) -> bool:
    """Certainly positive: an exponential, or a sum of such things and numbers, with factors that are not negative."""
    if not isinstance(value, Term):
        return not isinstance(value, bool | Cyclotomic) and value > 0
    if value.op == "exp":
        return True
    if value.op != "lin" or not isinstance(value.args[1], Term) or value.args[1].op != "exp":
        return False
    constant, parts = split(value)
    numbers = [constant, *parts.values()]
    return all(not isinstance(x, Cyclotomic) and x >= 0 for x in numbers) and all(positive(x) for x in parts)


def of_reals(value: Value) -> bool:
    """Is every unknown in it a real number that is named in a claim?"""
    stack, seen = [value], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Term) and node not in seen:
            seen.add(node)
            if node.op in ("var", "coordinate", "error", "read", "table", "search"):
                return False
            stack.extend(a for a in node.args if isinstance(a, Term))
    return True


def error(row: int, place: int, size: Fraction) -> Term:
    """How far a coordinate of a row is off: any real number of absolute value at most `size`."""
    return _STORE.make("error", (row, place, size), -size, size)


def boolean(op: str, *args: Value) -> Term:
    return _STORE.make(op, args)


def read(array: ArraySymbol, index: Value) -> Value:
    """`array[index]`; the index is in 1..size. A permutation and its inverse cancel."""
    if isinstance(index, Term) and index.op == "read" and array.inverse is not None and index.args[0].name == array.inverse:
        inner: Value = index.args[1]
        return inner
    return _STORE.make("read", (array, index), array.low, array.high)


def table(entries: tuple[int, ...], index: Value) -> Value:
    """`entries[index]`, 1-based, entries known."""
    if not isinstance(index, Term):
        return entries[int(index) - 1]
    if len(set(entries)) == 1:
        return entries[0]
    if entries == tuple(range(1, len(entries) + 1)):
        return index
    return _STORE.make("table", (entries, index), min(entries), max(entries))


def search(kind: str, body: Any, names: tuple[str, ...], values: tuple[Any, ...], low: Value, high: Value) -> Value:
    """The largest (`kind` max) or smallest whole number v in low..high at which a condition holds.

    `body` is the condition with what binds v (a tree of the language); `names` are its other free names and `values`
    what they stand for. Whoever asks must show that there is such a number; where there is none, it is any of low..high, and
    low where these are none.
    """
    if low is high or (not isinstance(low, Term) and not isinstance(high, Term) and low >= high):
        return low
    lows, highs = bounds(low), bounds(high)
    top = None if highs[1] is None or lows[1] is None else max(highs[1], lows[1])
    return _STORE.make("search", (kind, body, names, *values, low, high), lows[0], top)


def bounds(value: Value) -> tuple[Rational | None, Rational | None]:
    """An interval with rational ends that holds the value; None is unbounded."""
    return (value.low, value.high) if isinstance(value, Term) else outward(value)


# ---- linear combinations: op "lin", args (constant, (term, coefficient), ...) sorted by key -------


def split(value: Value) -> tuple[Number, dict[Term, Number]]:
    """Constant and coefficients of a value as a linear combination of other terms."""
    if not isinstance(value, Term):
        return value, {}
    if value.op == "lin":
        return value.args[0], dict(zip(value.args[1::2], value.args[2::2], strict=True))
    return 0, {value: 1}


def combine(constant: Number, parts: Iterable[tuple[Term, Number]]) -> Value:
    """The linear combination, normalised: a number, a bare term, or a `lin` node."""
    kept = sorted(((t, _whole(c)) for t, c in parts if c != 0), key=lambda p: p[0].key)
    if not kept:
        return _whole(constant)
    if constant == 0 and len(kept) == 1 and kept[0][1] == 1:
        return kept[0][0]
    low: Rational | None
    high: Rational | None
    low, high = outward(constant)
    for term, c in kept:
        small, large = (term.low, term.high) if c > 0 else (term.high, term.low)
        least, most = outward(c)
        low = None if low is None or small is None else low + min(least * small, most * small)
        high = None if high is None or large is None else high + max(least * large, most * large)
    flat: tuple[Any, ...] = (_whole(constant), *(x for p in kept for x in p))
    return _STORE.make("lin", flat, low, high)


def _whole(n: Number) -> Number:
    return n.numerator if type(n) is Fraction and n.denominator == 1 else n


def bounded(op: str, args: tuple[Any, ...], low: Rational | None, high: Rational | None) -> Term:
    return _STORE.make(op, args, low, high)


def show(value: Value, depth: int = 6) -> str:
    """A readable form, cut off at `depth`."""
    if not isinstance(value, Term):
        return str(value)
    if depth == 0:
        return "…"
    if value.op in ("var", "real"):
        return str(value.args[0])
    if value.op in ("lane", "entry"):
        return f"{value.args[0]}[{'c + ' if value.op == 'lane' else ''}{value.args[1]}]"
    if value.op == "coordinate":
        return f"X[{value.args[0]},{value.args[1]}]"
    if value.op == "error":
        return f"e[{value.args[0]},{value.args[1]}]"
    if value.op == "read":
        return f"{value.args[0].name}[{show(value.args[1], depth - 1)}]"
    if value.op == "search":
        kind, _, names, *values, low, high = value.args
        shown = (show(x, depth - 1) if isinstance(x, Term) else str(getattr(x, "name", x)) for x in values)
        given = ", ".join(f"{k} = {x}" for k, x in zip(names, shown, strict=True))
        return f"{kind}(of {show(low, depth - 1)}..{show(high, depth - 1)}; {given})"
    if value.op == "lin":
        parts = [
            f"{'' if c == 1 else f'{c}·'}{show(t, depth - 1)}" for t, c in zip(value.args[1::2], value.args[2::2], strict=True)
        ]
        return "(" + " + ".join(parts + ([str(value.args[0])] if value.args[0] else [])) + ")"
    if value.op == "cos":
        turns, g = value.args
        exact = f"cos(2π·{show(turns, depth - 1)})"
        return exact if g is None else f"{exact} to {g} digits"
    return f"{value.op}({', '.join(show(a, depth - 1) if isinstance(a, Term) else str(a) for a in value.args)})"


def upwards(value: Value, done: Container[Term]) -> Iterator[Term]:
    """The nodes of a term that are not yet `done`, what they are made of first; whoever asks adds each of them."""
    stack = [value] if isinstance(value, Term) else []
    while stack:
        node = stack[-1]
        waiting = [a for a in node.args if isinstance(a, Term) and a not in done]
        if waiting:
            stack.extend(waiting)
        else:
            stack.pop()
            if node not in done:
                yield node


def substitute(value: Value, variable_: Term, replacement: Value, rebuild: Any) -> Value:
    """`value` with the variable replaced; `rebuild(op, args)` constructs normalised nodes again."""
    done: dict[Term, Value] = {variable_: replacement}
    for node in upwards(value, done):
        args = tuple(done[a] if isinstance(a, Term) else a for a in node.args)
        done[node] = node if args == node.args else rebuild(node, args)
    return done[value] if isinstance(value, Term) else value
