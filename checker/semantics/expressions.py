"""The one evaluator: what an expression means, over numbers and over terms.

With numbers an undefined operation raises `Fault`. With terms it becomes a condition that somebody has to prove.
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor
from typing import Any

from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE, Span
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic
from checker.semantics.terms import ArraySymbol, Term, Value
from checker.semantics.values import Unsupported

MAX_CALLS = 600
MAX_ITEMS = 1_000_000
MAX_DIGITS = 4_096  # binary digits behind the point
OF_ROW = ("packed", "destinations")  # what a row sends: a function sees its parameters only


class Fault(Exception):
    """An operation without a value, on known numbers."""

    def __init__(self, message: str, span: Span = NOWHERE) -> None:
        super().__init__(message)
        self.message, self.span = message, span


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that must hold for the run to be defined."""

    term: Value
    reason: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Message:
    """A message in an inbox. It is there if `guard` holds."""

    tag: str
    words: tuple[Value, ...]
    source: Value
    guard: Value = True


@dataclass(frozen=True, slots=True)
class View:
    """An array as seen from somewhere: only entries low..high may be read."""

    name: str
    entries: tuple[Value, ...] | ArraySymbol | dict[int, Value]
    low: int
    high: int

    def get(self, index: Value) -> Value:
        if isinstance(self.entries, ArraySymbol):
            return t.read(self.entries, index)
        if isinstance(self.entries, dict):
            if isinstance(index, Term):
                raise Unsupported(f"{self.name} at an unknown index")
            if index not in self.entries:
                raise Fault(f"{self.name}[{index}] has no value here")
            return self.entries[int(index)]
        if not isinstance(index, Term):
            return self.entries[int(index) - 1]
        result = self.entries[self.high - 1]
        for k in range(self.high - 1, self.low - 1, -1):
            result = v.choose(v.equal(index, k), self.entries[k - 1], result)
        return result


@dataclass(frozen=True, slots=True)
class OfRows:
    """What the rows low..high hold in a field of a lemma."""

    name: str
    get: Callable[[Value], Value]
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Vec:
    """A vector: sparse entries (1-based) and its length; `rows` are multiples of unknown rows X_j (for cuts).

    `noise` = (row, size): every coordinate is off by up to `size`; such a vector can only be read coordinate by coordinate.
    """

    entries: dict[int, Value]
    length: int
    rows: dict[int, Fraction] = field(default_factory=dict)
    noise: tuple[int, Fraction] | None = None

    def plus(self, other: Vec) -> Vec:
        if self.noise or other.noise:
            raise Unsupported("a sum of vectors that are off")
        entries, rows = dict(self.entries), dict(self.rows)
        for k, x in other.entries.items():
            total = v.add(entries[k], x) if k in entries else x
            if not isinstance(total, Term) and total == 0:
                entries.pop(k, None)
            else:
                entries[k] = total
        for j, c in other.rows.items():
            rows[j] = rows.get(j, Fraction(0)) + c
            if rows[j] == 0:
                del rows[j]
        return Vec(entries, max(self.length, other.length), rows)

    def times(self, factor: Fraction | int) -> Vec:
        if factor == 1:
            return self
        if self.noise:
            raise Unsupported("a multiple of a vector that is off")
        entries = {k: v.scale(factor, x) for k, x in self.entries.items()}
        return Vec(entries, self.length, {j: c * factor for j, c in self.rows.items()})


@dataclass(frozen=True, slots=True)
class Piece:
    """So many coordinates of a vector, and what each of them is, over `lane` terms."""

    length: int
    each: Value


@dataclass(frozen=True, slots=True)
class Lanes:
    """A vector of unknown numbers in pieces, one behind the other (see `semantics/lanes.py`)."""

    pieces: tuple[Piece, ...]

    @property
    def length(self) -> int:
        return sum(p.length for p in self.pieces)


def total(vectors: Sequence[Vec]) -> Vec:
    """The sum of vectors, at least one."""
    if len(vectors) == 1:
        return vectors[0]
    found: dict[int, list[Value]] = {}
    rows: dict[int, Fraction] = {}
    for x in vectors:
        if x.noise:
            raise Unsupported("a sum of vectors that are off")
        for k, e in x.entries.items():
            found.setdefault(k, []).append(e)
        for j, c in x.rows.items():
            rows[j] = rows.get(j, Fraction(0)) + c
    sums = {k: v.total(xs) for k, xs in found.items()}
    entries = {k: e for k, e in sums.items() if isinstance(e, Term) or e != 0}
    return Vec(entries, max(x.length for x in vectors), {j: c for j, c in rows.items() if c != 0})


Word = Any  # of a message: a Value, or the Vec behind the words
Meaning = Any  # a Value, a View, a Vec, or a frozenset of machines


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything an expression may refer to."""

    names: dict[str, Meaning]
    functions: dict[str, s.FunctionDefinition]
    guard: Value = True
    inbox: tuple[Message, ...] | None = None
    held: dict[str, range] = field(default_factory=dict)
    rows: dict[str, OfRows] = field(default_factory=dict)  # in a lemma: what other rows hold
    conditions: list[Condition] | None = None  # None: nobody would prove them
    at: Callable[[Value], tuple[Message, ...]] | None = None
    machines: int = 0
    builtins: dict[str, Callable[[Scope, s.Call], Meaning]] = field(default_factory=dict)
    lanes: Callable[[s.Reduce, Scope], Meaning | None] | None = None  # for all coordinates at once, where that can be
    decide: Callable[[Term], Value] | None = None  # what is known of the condition of a choice between statements
    calls: int = 0

    def bind(self, **names: Meaning) -> Scope:
        return self._with({**self.names, **names}, self.guard)

    def under(self, guard: Value) -> Scope:
        return self if guard is True else self._with(self.names, v.both(self.guard, guard))

    def _with(self, names: dict[str, Meaning], guard: Value) -> Scope:
        """Written out: `replace` takes several times as long."""
        return Scope(
            names,
            self.functions,
            guard,
            self.inbox,
            self.held,
            self.rows,
            self.conditions,
            self.at,
            self.machines,
            self.builtins,
            self.lanes,
            self.decide,
            self.calls,
        )

    def inside(self, arguments: dict[str, Meaning]) -> Scope:
        """What the body of a function may refer to."""
        pure = self.builtins
        if any(k in pure for k in OF_ROW):
            pure = {k: b for k, b in pure.items() if k not in OF_ROW}
        return Scope(
            arguments,
            self.functions,
            self.guard,
            conditions=self.conditions,
            machines=self.machines,
            builtins=pure,
            lanes=self.lanes,
            calls=self.calls + 1,
        )

    def require(self, condition: Value, reason: str, span: Span) -> None:
        """The condition must hold where the guard does."""
        whole = v.either(v.negate(self.guard), condition)
        if whole is True:
            return
        if whole is False:
            raise Fault(reason, span)
        if self.conditions is None:
            raise Unsupported(f"{reason}, where that depends on data")
        self.conditions.append(Condition(whole, reason, span))


def evaluate(e: s.Expr, scope: Scope) -> Meaning:
    """The value of an expression. Raises `Fault` (undefined) or `Unsupported` (no symbolic form)."""
    match e:
        case s.Number(value):
            return value
        case s.Name(name):
            if name not in scope.names and name in scope.functions and not scope.functions[name].parameters:
                return _call(s.Call(name, (), span=e.span), scope)
            if name not in scope.names:
                raise Fault(f"{name} has no value here", e.span)
            return scope.names[name]
        case s.Binary(operator, left, right):
            return _binary(operator, left, right, scope, e.span)
        case s.Call():
            return _call(e, scope)
        case s.Index(array, index):
            return _index(e, scope.rows.get(array, scope.names.get(array)), evaluate(index, scope), scope)
        case s.Unary(operator, operand):
            x = evaluate(operand, scope)
            if isinstance(x, Vec):
                return x.times(-1)
            return v.negate(truth(x, e.span)) if operator == "not" else v.scale(-1, number(x, e.span))
        case s.Conditional(condition, then, otherwise):
            c = truth(evaluate(condition, scope), e.span)
            if not isinstance(c, Term):
                return evaluate(then if c else otherwise, scope)
            a, b = evaluate(then, scope.under(c)), evaluate(otherwise, scope.under(v.negate(c)))
            if not all(isinstance(x, (int, Fraction, Cyclotomic, Term)) for x in (a, b)) or v.is_boolean(a) != v.is_boolean(b):
                raise Unsupported("a choice by data between things that are not numbers")
            return v.choose(c, a, b)
        case s.Member(element, low, high):
            x, first, last = (number(evaluate(y, scope), e.span) for y in (element, low, high))
            return v.both(v.at_most(first, x), v.at_most(x, last))
        case s.Reduce():
            return _reduce(e, scope)
        case s.At(expression, machine):
            if scope.at is None:
                raise Fault("`at` has a meaning in `keeps` only", e.span)
            m = number(evaluate(machine, scope), machine.span)
            if not t.is_whole(m):
                raise Unsupported("a machine that may be a fraction")
            inside = v.both(v.at_most(1, m), v.at_most(m, scope.machines))
            scope.require(inside, f"there is no machine {t.show(m)}", e.span)
            if inside is False:
                raise Unsupported(f"machine {t.show(m)} in a case that must be shown to be impossible")
            inner = replace(scope, inbox=scope.at(m), names={**scope.names, "self": m})
            return evaluate(expression, inner)
        case s.Vector(items):
            return joined([evaluate(i, scope) for i in items], e.span)


def number(x: Meaning, span: Span) -> Value:
    """A number, known or unknown, and nothing else."""
    if type(x) is int:
        return x
    if isinstance(x, (int, Fraction, Cyclotomic, Term)) and not v.is_boolean(x):
        return x
    raise Fault("expected a number, found something else", span)


def truth(x: Meaning, span: Span) -> Value:
    """A truth value, known or unknown, and nothing else."""
    if v.is_boolean(x):
        found: Value = x
        return found
    raise Fault("expected a truth value, found something else", span)


def _index(e: s.Index, array: Meaning, index: Value, scope: Scope) -> Value:
    if isinstance(array, Lanes):
        return _lane(array, number(index, e.span), e)
    if isinstance(array, Vec):
        index = number(index, e.span)
        if isinstance(index, Term) or not t.is_whole(index) or not 1 <= index <= array.length:
            raise Fault(f"coordinate {index} of a vector of {array.length}", e.span)
        result: Value = array.entries.get(int(index), 0)
        for j, c in array.rows.items():
            result = v.add(result, v.scale(c, t.coordinate(j, int(index))))
        if array.noise:
            row, size = array.noise
            result = v.add(result, t.error(row, int(index), size))
        return result
    if not isinstance(array, (View, OfRows)):
        raise Fault(f"{e.array} is not an array here", e.span)
    if not t.is_whole(number(index, e.span)):
        if isinstance(index, Term):
            raise Unsupported("an index that may be a fraction")
        raise Fault(f"{e.array}[{index}]: expected a whole number", e.span)
    inside = v.both(v.at_most(array.low, index), v.at_most(index, array.high))
    if inside is not True:
        scope.require(inside, f"{e.array}[{t.show(index)}]: entries {array.low}..{array.high} can be read here", e.span)
    if not isinstance(index, Term) and not array.low <= index <= array.high:
        return 0  # only reached under a guard that must be shown to fail
    return array.get(index)


def _lane(vector: Lanes, index: Value, e: s.Index) -> Value:
    """The coordinate at a place, or at c + offset for all c of a range that lies within one piece."""
    from checker.semantics import lanes

    low, high = t.bounds(index)
    constant, parts = t.split(index)
    if low is None or high is None or not t.is_whole(index) or low < 1 or high > vector.length:
        raise Fault(f"coordinate {t.show(index)} of a vector of {vector.length}", e.span)
    start = 0
    for p in vector.pieces:
        if start < low and high <= start + p.length:
            if not isinstance(index, Term):
                return lanes.at(p.each, int(index) - start)
            loop = next(iter(parts)) if [*parts.values()] == [1] else None
            if loop is not None and loop.op == "var" and loop.args[0] == lanes.COORDINATE and t.is_whole(constant):
                return lanes.shifted(p.each, int(constant) - start)
        start += p.length
    raise Unsupported("coordinates of several pieces")


def _binary(operator: str, left: s.Expr, right: s.Expr, scope: Scope, span: Span) -> Value:
    a = evaluate(left, scope)
    if operator in ("and", "or"):
        truth(a, span)
        if not isinstance(a, Term):
            return truth(evaluate(right, scope), span) if bool(a) == (operator == "and") else bool(a)
        b = truth(evaluate(right, scope.under(a if operator == "and" else v.negate(a))), span)
        return v.both(a, b) if operator == "and" else v.either(a, b)
    b = evaluate(right, scope)
    if type(a) is int and type(b) is int and (operator in _WHOLE if b > 0 else operator in _ALWAYS):
        return _WHOLE[operator](a, b)
    if operator not in ("==", "!=") or not (v.is_boolean(a) and v.is_boolean(b)):
        number(a, span)
        number(b, span)
    if operator in ("div", "mod", "/"):
        if isinstance(b, Term) and operator != "/":
            raise Unsupported(f"{operator} by an unknown number")
        allowed = v.less(0, b) if operator != "/" else v.negate(v.equal(b, 0))
        if allowed is not True:
            scope.require(allowed, f"{operator} by {t.show(b)}: expected a positive number", span)
        if b == 0:
            return 0
    if operator == "^" and not isinstance(b, Term):
        if b != int(b) or b < 0:
            raise Fault(f"exponent {b}: expected a natural number", span)
        if b > 4096:
            raise Unsupported("a large exponent")
    return _BINARY[operator](a, b)


_ALWAYS: dict[str, Callable[[int, int], int]] = {  # what most operations are about, without a look at what else they could be
    "+": operators.add,
    "-": operators.sub,
    "*": operators.mul,
    "==": operators.eq,
    "!=": operators.ne,
    "<": operators.lt,
    "<=": operators.le,
    ">": operators.gt,
    ">=": operators.ge,
}
_WHOLE: dict[str, Callable[[int, int], int]] = {**_ALWAYS, "div": operators.floordiv, "mod": operators.mod}  # by what is positive
_BINARY: dict[str, Callable[[Value, Value], Value]] = {
    "+": v.add,
    "-": v.subtract,
    "*": v.multiply,
    "/": v.divide,
    "div": v.quotient,
    "mod": v.modulo,
    "^": v.power,
    "==": v.equal,
    "!=": lambda a, b: v.negate(v.equal(a, b)),
    "<": v.less,
    "<=": v.at_most,
    ">": lambda a, b: v.less(b, a),
    ">=": lambda a, b: v.at_most(b, a),
}


def items(binder: s.Binder, scope: Scope) -> Iterator[tuple[Value, dict[str, Meaning]]]:
    """What a binder runs over: the guard of each item and the names it binds."""
    match binder:
        case s.OverRange(variable, low, high):
            first, last = (number(evaluate(y, scope), binder.span) for y in (low, high))
            if isinstance(first, Term) or isinstance(last, Term):
                raise Unsupported("a range with unknown bounds")
            if not (t.is_whole(first) and t.is_whole(last)):
                raise Fault("expected whole numbers as the bounds of a range", binder.span)
            if last - first >= MAX_ITEMS:
                raise Unsupported(f"a range of {last - first + 1:,} items, more than {MAX_ITEMS:,}")
            for k in range(int(first), int(last) + 1):
                yield True, {variable: k}
        case s.OverHeld(variable, array):
            if array not in scope.held:
                raise Unsupported(f"held({array}) of an unknown machine")
            for k in scope.held[array]:
                yield True, {variable: k}
        case s.OverInbox(tag, variables, source):
            for m in scope.inbox or ():
                if m.tag == tag:
                    names: dict[str, Meaning] = dict(zip(variables, m.words, strict=True))
                    if source is not None:
                        names[source] = m.source
                    yield m.guard, names


def _reduce(e: s.Reduce, scope: Scope) -> Meaning:
    if scope.lanes is not None and (all_at_once := scope.lanes(e, scope)) is not None:
        return all_at_once
    if scope.conditions is not None and (interval := search_range(e, scope)) is not None:
        return _search(e, *interval, scope)
    found: list[tuple[Value, Any]] = []
    for guard, names in items(e.binder, scope):
        inner = scope.under(guard).bind(**names)
        if e.condition is not None:
            condition = truth(evaluate(e.condition, inner), e.span)
            guard, inner = v.both(guard, condition), inner.under(condition)
        if guard is not False:
            found.append((guard, evaluate(e.body, inner)))
    return _fold(e.kind, found, scope, e.span)


def search_range(e: s.Reduce, scope: Scope) -> tuple[Value, Value] | None:
    """The bounds a..b of `max(v for v in a..b if c)` or of `min(...)` if they are not both known; None for everything else."""
    b = e.binder
    if e.kind not in ("max", "min") or not isinstance(b, s.OverRange) or e.body != s.Name(b.variable) or e.condition is None:
        return None
    low, high = (number(evaluate(y, scope), b.span) for y in (b.low, b.high))
    if not v.symbolic(low, high) or not (t.is_whole(low) and t.is_whole(high)):
        return None
    return low, high


def _search(e: s.Reduce, low: Value, high: Value, scope: Scope) -> Value:
    """A number in low..high that depends on what the condition depends on, and on nothing else.

    The condition must be defined at all numbers in low..high, and hold at the first that is looked at: so there is a largest one.
    """
    assert isinstance(e.binder, s.OverRange) and e.condition is not None
    names = tuple(sorted(s.free_names(e.condition) - {e.binder.variable}))
    if _of_machine(e.condition):
        raise Unsupported("a search that depends on the inbox or on where words lie")
    if not scope.rows.keys().isdisjoint(names):
        raise Unsupported("a search that depends on what other rows hold")
    values = tuple(_known_whole(name, scope, e.span) for name in names if name in scope.names)
    scope.require(v.at_most(low, high), f"{e.kind} of nothing", e.span)
    first = low if e.kind == "max" else high
    holds = truth(evaluate(e.condition, scope.bind(**{e.binder.variable: first})), e.span)
    scope.require(holds, f"{e.kind} of numbers of which the first is not certain", e.span)
    condition_of(e, low, high, scope)
    return t.search(e.kind, (e.binder.variable, e.condition), tuple(x for x in names if x in scope.names), values, low, high)


def condition_of(e: s.Reduce, low: Value, high: Value, scope: Scope) -> tuple[Term, Value]:
    """An unknown number of low..high, and whether the condition of a `max` or `min` holds there."""
    assert isinstance(e.binder, s.OverRange) and e.condition is not None
    least, most = t.bounds(low)[0], t.bounds(high)[1]
    k = t.variable(  # no name of the language
        f"{e.binder.variable} {scope.calls}", None if least is None else floor(least), None if most is None else ceil(most)
    )
    inside = v.both(v.at_most(low, k), v.at_most(k, high))
    inner = replace(scope.under(inside).bind(**{e.binder.variable: k}), calls=scope.calls + 1)
    return k, truth(evaluate(e.condition, inner), e.span)


def _of_machine(node: Any) -> bool:
    """Does the tree depend on a machine's inbox, on what it holds or sends? No name in it says so."""
    if isinstance(node, (s.At, s.OverInbox, s.OverHeld)):
        return True
    if isinstance(node, s.Call) and node.function in ("only", "count", *OF_ROW):
        return True
    if isinstance(node, tuple):
        return any(_of_machine(x) for x in node)
    return any(_of_machine(getattr(node, f)) for f in getattr(node, "__dataclass_fields__", {}) if f != "span")


def _known_whole(name: str, scope: Scope, span: Span) -> Any:
    """What a search depends on: numbers, and whole arrays."""
    x = scope.names[name]
    if isinstance(x, View) and isinstance(x.entries, ArraySymbol) and (x.low, x.high) == (1, x.entries.size):
        return x.entries
    if isinstance(x, (int, Fraction, Term)) and not v.is_boolean(x):
        return x
    raise Unsupported(f"a search that depends on {name}")


def _fold(kind: str, found: list[tuple[Value, Any]], scope: Scope, span: Span) -> Meaning:
    if kind == "vector":
        if any(g is not True for g, _ in found):
            raise Unsupported("a vector of items that may be missing")
        return joined([x for _, x in found], span)
    if kind == "only" and len(found) == 1 and found[0][0] is True:
        return found[0][1]
    if kind == "only" and any(isinstance(x, Vec | Lanes) for _, x in found):
        raise Fault(f"expected exactly one, found {len(found)}", span)
    logical = kind in ("any", "all", "count") or (kind == "only" and all(v.is_boolean(x) for _, x in found))
    for _, x in found:
        (truth if logical else number)(x, span)
    result: Value
    if kind == "sum" and found and all(g is True for g, _ in found):
        return v.total(x for _, x in found)
    if kind in ("sum", "count"):
        result = 0
        for g, x in found:
            result = v.add(result, v.choose(g, x, 0) if kind == "sum" else v.choose(v.both(g, x), 1, 0))
        return result
    if kind in ("any", "all"):
        result = kind == "all"
        for g, x in found:
            result = v.either(result, v.both(g, x)) if kind == "any" else v.both(result, v.either(v.negate(g), x))
        return result
    if kind == "only":
        many = _fold("count", [(g, True) for g, _ in found], scope, span)
        scope.require(v.equal(many, 1), f"expected exactly one, found {t.show(many)}", span)
        result = found[-1][1] if found else 0
        for g, x in reversed(found[:-1]):
            result = v.choose(g, x, result)
        return result
    some: Value = False
    result = 0
    for g, x in found:
        better = v.maximum(result, x) if kind == "max" else v.minimum(result, x)
        result = v.choose(some, v.choose(g, better, result), x)
        some = v.either(some, g)
    scope.require(some, f"{kind} of nothing", span)
    return result


def joined(parts: list[Meaning], span: Span = NOWHERE) -> Vec | Lanes:
    """One vector of numbers and vectors, one behind the other."""
    if any(isinstance(x, Lanes) for x in parts):
        return Lanes(tuple(p for x in parts for p in _pieces(x, span)))
    return join(parts, span)


def join(parts: list[Meaning], span: Span = NOWHERE) -> Vec:
    """The same of numbers and vectors with entries."""
    entries: dict[int, Value] = {}
    length = 0
    for part in parts:
        if isinstance(part, Vec):
            if part.rows or part.noise:
                raise Unsupported("a vector of an unknown row")
            entries.update({length + k: x for k, x in part.entries.items()})
            length += part.length
        else:
            length += 1
            value = number(part, span)
            if isinstance(value, Term) or value != 0:
                entries[length] = value
    return Vec(entries, length)


def _pieces(x: Meaning, span: Span) -> tuple[Piece, ...]:
    if isinstance(x, Lanes):
        return x.pieces
    if isinstance(x, Vec):
        if x.rows or x.noise:
            raise Unsupported("a vector of an unknown row")
        return tuple(_piece(x.entries.get(k, 0)) for k in range(1, x.length + 1))
    return (_piece(number(x, span)),)


def _piece(x: Value) -> Piece:
    """A coordinate of its own. One that speaks of all coordinates would be taken for another."""
    from checker.semantics import lanes

    if lanes.depends(x):
        raise Unsupported("a vector, in a loop over coordinates, of some of them")
    return Piece(1, x)


def _call(e: s.Call, scope: Scope) -> Meaning:
    name = e.function
    if name in scope.functions:
        f = scope.functions[name]
        if scope.calls >= MAX_CALLS:
            raise Unsupported(f"{name} calls itself more than {MAX_CALLS} times deep")
        arguments = {p: evaluate(a, scope) for p, a in zip(f.parameters, e.arguments, strict=True)}
        return evaluate(f.body, scope.inside(arguments))
    if name in scope.builtins:
        return scope.builtins[name](scope, e)
    if name in ("only", "count"):
        assert isinstance(e.arguments[0], s.Name)
        found = [(m.guard, m.words[0] if name == "only" else True) for m in scope.inbox or () if m.tag == e.arguments[0].name]
        return _fold(name, found, scope, e.span)
    arguments_ = [evaluate(a, scope) for a in e.arguments]
    if name == "permutation":
        return _permutation(arguments_[0], e.span)
    if name in ("angle", "cosine"):
        return _angle(e, arguments_)
    for x in arguments_:
        number(x, e.span)
    if name in ("exp", "log"):
        return _exponential(e, arguments_[0], scope)
    if name in ("min", "max"):
        result = arguments_[0]
        for x in arguments_[1:]:
            result = v.maximum(result, x) if name == "max" else v.minimum(result, x)
        return result
    if name == "bits":
        if isinstance(arguments_[0], Term):
            raise Unsupported("bits of an unknown number")
        if not t.is_whole(arguments_[0]) or arguments_[0] < 0:
            raise Fault(f"bits({arguments_[0]}): expected a natural number", e.span)
        return int(arguments_[0]).bit_length()
    if name in _ROUNDING:
        return _ROUNDING[name](arguments_[0])
    raise Fault(f"{name} is not a function", e.span)


def _exponential(e: s.Call, x: Value, scope: Scope) -> Value:
    """exp(x), or log(x) of a positive number."""
    if e.function == "log":
        scope.require(v.less(0, x), f"log of {t.show(x)}: expected a positive number", e.span)
    try:
        return t.exponential(x) if e.function == "exp" else t.logarithm(x)
    except ValueError as reason:
        raise Unsupported(str(reason)) from None


def _natural(n: Value, what: str, e: s.Call) -> int:
    if isinstance(n, Term):
        raise Unsupported(f"{e.function} with an unknown number of {what}")
    if not t.is_whole(n) or n < 0:
        raise Fault(f"{e.function} with {n} {what}: expected a natural number", e.span)
    return int(n)


def _angle(e: s.Call, arguments: list[Meaning]) -> Meaning:
    """angle(a, M), angle(a, M, g): cosine and sine of 2 pi a / M; cosine(a, M), cosine(a, M, g): the cosine alone."""
    a, *numbers = (number(x, e.span) for x in arguments)
    if isinstance(a, Cyclotomic):
        raise Fault(f"{e.function} of {a}: expected a rational number", e.span)
    m = _natural(numbers[0], "parts of a turn", e)
    if m < 1:
        raise Fault(f"{e.function} with {m} parts of a turn: expected a positive number", e.span)
    g = _natural(numbers[1], "digits", e) if len(numbers) == 2 else None
    if g is not None and g > MAX_DIGITS:
        raise Fault(f"{e.function} with {g} digits: expected at most {MAX_DIGITS}", e.span)
    turns = v.divide(a, m)
    cosine = v.cosine(turns, g)
    return cosine if e.function == "cosine" else join([cosine, v.cosine(v.subtract(turns, Fraction(1, 4)), g)])


_ROUNDING = {"ceil": v.ceil, "floor": v.floor, "round": v.nearest}


def _permutation(array: Meaning, span: Span) -> Value:
    if not isinstance(array, View):
        raise Fault("expected an array in permutation(...)", span)
    entries = array.entries
    size = entries.size if isinstance(entries, ArraySymbol) else len(entries)
    if isinstance(entries, dict) or (array.low, array.high) != (1, size):
        raise Fault(f"not all of {array.name} is known here", span)
    if isinstance(entries, ArraySymbol):
        if entries.inverse is not None:
            return True
        if entries.size > 64:
            raise Unsupported("permutation of a long unknown array")
        entries = tuple(t.read(entries, k) for k in range(1, entries.size + 1))
    if not v.symbolic(*entries):
        return sorted(entries) == list(range(1, len(entries) + 1))  # type: ignore[type-var]
    result: Value = True
    for i, a in enumerate(entries):
        result = v.both(result, v.both(v.at_most(1, a), v.at_most(a, len(entries))))
        for b in entries[:i]:
            result = v.both(result, v.negate(v.equal(a, b)))
    return result
