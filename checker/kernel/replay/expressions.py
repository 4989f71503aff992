"""Expressions and local functions, read off the reference page one construct at a time (Defs. 2.1-2.3).

Arithmetic is exact, on numbers or on the bounds that are known of them. Everything is evaluated eagerly except the untaken
branch of `if`, the right side of a decided `and`/`or`, and the body of a comprehension where its condition fails. A function
sees its parameters only.
"""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import ceil, floor
from typing import Protocol

from checker.kernel.replay import balls, linear
from checker.kernel.replay.angles import Real, cosine, rounded_cosine
from checker.kernel.replay.enclosures import Enclosure, Number, TooLong, Undecided, greatest, least
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE, Span
from checker.models.protocol import Array, MessageType, Numbers

MAX_CALLS = 2_000
MAX_ITEMS = 1_000_000
MAX_FRAMES = 2_000_000


class Fault(Exception):
    """Something has no value. `place` says which machine or row in which round or layer; the caller fills it in."""

    def __init__(self, message: str, span: Span = NOWHERE, place: str = "") -> None:
        super().__init__(message)
        self.message, self.span, self.place = message, span, place


@contextmanager
def deep_recursion() -> Iterator[None]:
    """Room for MAX_CALLS nested calls of deep bodies. No generator is on the way, so they do not use up the C stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, MAX_FRAMES))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


@dataclass(frozen=True)
class Message:
    """`number` k: it is the k-th message of a packet block from this source to this destination (0 in protocols).

    `vector` holds the numbers behind the words, if its type has them.
    """

    tag: str
    words: tuple[int, ...]
    source: int
    destination: int
    number: int = 0
    vector: tuple[Number, ...] | None = None

    @property
    def parts(self) -> tuple[int | Vector, ...]:
        """What is bound to names: the words, then the vector."""
        return self.words if self.vector is None else (*self.words, self.vector)


@dataclass(frozen=True)
class Words:
    """An array, or the part of it that is known here."""

    name: str
    size: int
    known: Mapping[int, int]


Vector = tuple[Number, ...]
Value = bool | Number | Vector | Words | frozenset[int]


@dataclass(frozen=True)
class State:
    """What a machine knows beside its number: its inbox, and which indices of each array lie on it."""

    inbox: tuple[Message, ...]
    held: Mapping[str, Collection[int]]


class RowWise(Protocol):
    """The row-wise functions of a circuit: query(layer, head, row's number, row) and the like."""

    def __call__(self, function: str, numbers: tuple[int, ...], row: Vector, span: Span) -> bool | Number | Vector: ...


@dataclass(frozen=True)
class Numeric:
    """What local functions know if messages carry numbers: the bits of a word, and the circuits by name."""

    word: int
    circuits: Mapping[str, RowWise]


@dataclass(frozen=True)
class Scope:
    """What names mean here. `states` is for `e at m`; `packed` and `destinations` are for the heads of a circuit."""

    functions: Mapping[str, s.FunctionDefinition]
    values: Mapping[str, Value]
    state: State | None = None
    states: Mapping[int, State] = field(default_factory=dict)
    packed: Mapping[str, Vector] = field(default_factory=dict)
    destinations: Mapping[str, frozenset[int]] = field(default_factory=dict)
    calls: int = 0
    numeric: Numeric | None = None
    known: dict[tuple[object, ...], tuple[Value, Sequence[Value]]] = field(default_factory=dict)  # of calls, with their arguments

    def bind(self, values: Mapping[str, Value]) -> Scope:
        return Scope(
            self.functions,
            {**self.values, **values},
            self.state,
            self.states,
            self.packed,
            self.destinations,
            self.calls,
            self.numeric,
            self.known,
        )


def by_name(functions: tuple[s.FunctionDefinition, ...]) -> dict[str, s.FunctionDefinition]:
    return {f.name: f for f in functions}


def in_order(messages: Iterable[Message]) -> tuple[Message, ...]:
    """An inbox is a multiset; this is the one order in which we list it."""
    return tuple(sorted(messages, key=lambda m: (m.source, m.tag, m.words, m.number)))


def whole(arrays: tuple[Array, ...], words: Mapping[str, tuple[int, ...]]) -> dict[str, Value]:
    """Whole arrays, as `requires` and `keeps` see them."""
    return {a.name: Words(a.name, a.size, dict(enumerate(words[a.name], 1))) for a in arrays}


# ---- values of one kind -----------------------------------------------------------------------


def _normal(value: Number) -> Number:
    return value.numerator if type(value) is Fraction and value.denominator == 1 else value


def _as_number(value: Value, span: Span) -> Number:
    if type(value) is int:
        return value
    if isinstance(value, bool) or not isinstance(value, int | Fraction | Real | Enclosure):
        raise Fault(f"expected a number, found {_kind(value)}", span)
    return _normal(value)


def _as_vector(value: Value, span: Span) -> Vector:
    return value if isinstance(value, tuple) else (_as_number(value, span),)


def _kind(value: Value) -> str:
    kinds = {bool: "a truth value", tuple: "a vector", Words: "an array", frozenset: "a set"}
    return kinds.get(type(value), "a number")


def number(e: s.Expr, scope: Scope) -> Number:
    return _as_number(evaluate(e, scope), e.span)


def integer(e: s.Expr, scope: Scope) -> int:
    value = number(e, scope)
    if isinstance(value, Enclosure):
        raise Undecided(f"{value} as an integer")
    if not isinstance(value, int):
        raise Fault(f"expected an integer, found {value}", e.span)
    return value


def natural(e: s.Expr, scope: Scope) -> int:
    value = integer(e, scope)
    if value < 0:
        raise Fault(f"expected a natural number, found {value}", e.span)
    return value


def truth(e: s.Expr, scope: Scope) -> bool:
    value = evaluate(e, scope)
    if not isinstance(value, bool):
        raise Fault(f"expected a condition, found {_kind(value)}", e.span)
    return value


def vector(e: s.Expr, scope: Scope) -> Vector:
    """A number counts as a vector of one coordinate."""
    return _as_vector(evaluate(e, scope), e.span)


# ---- expressions ------------------------------------------------------------------------------


def evaluate(e: s.Expr, scope: Scope) -> Value:
    """The value of an expression, or a `Fault` when it has none. Raises `TooLong` where that would take too long."""
    match e:
        case s.Number(value):
            return _normal(value)
        case s.Name(name):
            return _name(name, scope, e.span)
        case s.Index(array, index):
            return _entry(_name(array, scope, e.span), integer(index, scope), e)
        case s.Call():
            return _call(e, scope)
        case s.Binary(operator, left, right):
            return _binary(operator, left, right, scope, e.span)
        case s.Unary("not", operand):
            return not truth(operand, scope)
        case s.Unary(_, operand):
            inner = evaluate(operand, scope)
            return tuple([-v for v in inner]) if isinstance(inner, tuple) else -_as_number(inner, e.span)
        case s.Conditional(condition, then, otherwise):
            return evaluate(then if truth(condition, scope) else otherwise, scope)
        case s.Member(element, low, high):
            x, first, last = (number(y, scope) for y in (element, low, high))
            return first <= x <= last
        case s.Reduce():
            return _reduce(e, scope)
        case s.At(inner_, machine):
            m = integer(machine, scope)
            if m not in scope.states:
                raise Fault(f"there is no machine {m} here", e.span)
            return evaluate(inner_, replace(scope.bind({"self": m}), state=scope.states[m]))
        case s.Vector(items):
            return _join([vector(item, scope) for item in items])


def _binary(operator: str, left: s.Expr, right: s.Expr, scope: Scope, span: Span) -> Value:
    if operator == "and":
        return truth(left, scope) and truth(right, scope)
    if operator == "or":
        return truth(left, scope) or truth(right, scope)
    if operator in ("==", "!="):
        a, b = evaluate(left, scope), evaluate(right, scope)
        if _kind(a) != _kind(b) or _kind(a) not in ("a number", "a truth value"):
            raise Fault(f"expected two numbers or two truth values, found {_kind(a)} and {_kind(b)}", span)
        return (a == b) == (operator == "==")
    return _arithmetic(operator, number(left, scope), number(right, scope), span)


def _join(vectors: list[Vector]) -> Vector:
    return tuple([v for part in vectors for v in part])


def _name(name: str, scope: Scope, span: Span) -> Value:
    if name in scope.values:
        return scope.values[name]
    if name in scope.functions and not scope.functions[name].parameters:
        return _call(s.Call(name, (), span=span), scope)
    raise Fault(f"`{name}` has no value here", span)


def _entry(array: Value, k: int, e: s.Index) -> Value:
    if isinstance(array, Words):
        if not 1 <= k <= array.size:
            raise Fault(f"expected an index of {e.array} in 1..{array.size}, found {k}", e.span)
        if k not in array.known:
            raise Fault(f"{e.array}[{k}] is not known here", e.span)
        return array.known[k]
    if isinstance(array, tuple) and 1 <= k <= len(array):
        return array[k - 1]
    raise Fault(f"{e.array}[{k}] has no value", e.span)


def _exact(value: Number) -> Fraction | Real | Enclosure:
    return Fraction(value) if isinstance(value, int) else value


def _arithmetic(operator: str, a: Number, b: Number, span: Span) -> Value:
    match operator:
        case "+":
            return _normal(a + b)
        case "-":
            return _normal(a - b)
        case "*":
            return _normal(a * b)
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case ">=":
            return a >= b
        case "div" | "mod" if isinstance(b, Real):
            raise Undecided(f"{a} {operator} {b}")
        case "/" if b != 0:
            return _normal(_exact(a) / b)
        case "div" if b > 0:
            return floor(_exact(a) / b)
        case "mod" if b > 0:
            return _normal(a - b * floor(_exact(a) / b))
        case "^" if isinstance(b, int) and b >= 0:
            return _normal(_exact(a) ** b)
    raise Fault(f"{a} {operator} {b} has no value", span)


def _inbox(scope: Scope, tag: str, span: Span) -> list[Message]:
    if scope.state is None:
        raise Fault("there is no inbox here", span)
    return [m for m in scope.state.inbox if m.tag == tag]


def bindings(binder: s.Binder, scope: Scope) -> list[dict[str, Value]]:
    """What a binder binds, in order."""
    match binder:
        case s.OverRange(variable, low, high):
            found = range(integer(low, scope), integer(high, scope) + 1)
            if found.stop - found.start > MAX_ITEMS:
                raise TooLong(f"a range of more than {MAX_ITEMS:,} items")
            return [{variable: k} for k in found]
        case s.OverHeld(variable, array):
            if scope.state is None or array not in scope.state.held:
                raise Fault(f"held({array}) has no value here", binder.span)
            return [{variable: k} for k in scope.state.held[array]]
        case s.OverInbox(tag, variables, source):
            bound: list[dict[str, Value]] = []
            for m in _inbox(scope, tag, binder.span):
                if len(m.parts) != len(variables):
                    raise Fault(f"expected {len(m.parts)} names for the words of {tag}, found {len(variables)}", binder.span)
                bound.append({**dict(zip(variables, m.parts, strict=True)), **({source: m.source} if source else {})})
            return bound


def _reduce(e: s.Reduce, scope: Scope) -> Value:
    """Every body whose condition holds is evaluated, so the order of an inbox cannot be observed."""
    if (known := _linear(e, scope)) is not None:
        return known
    inner = [scope.bind(values) for values in bindings(e.binder, scope)]
    if e.condition is not None:
        condition = e.condition
        inner = [i for i in inner if truth(condition, i)]
    if e.kind in ("any", "all", "count"):
        truths = [truth(e.body, i) for i in inner]
        return any(truths) if e.kind == "any" else all(truths) if e.kind == "all" else truths.count(True)
    if e.kind == "vector":
        return _join([vector(e.body, i) for i in inner])
    if e.kind == "only":
        if len(inner) != 1:
            raise Fault(f"`only` expects exactly one, found {len(inner)}", e.span)
        return evaluate(e.body, inner[0])
    numbers = [number(e.body, i) for i in inner]
    if e.kind == "sum":
        return _normal(sum(numbers))
    if not numbers:
        raise Fault(f"`{e.kind}` of nothing has no value", e.span)
    return least(numbers) if e.kind == "min" else greatest(numbers)


def _linear(e: s.Reduce, scope: Scope) -> Value | None:
    """The value of a sum of products of a known shape, zeros left out. None for other shapes, and where a factor is missing."""
    if e.kind not in ("sum", "vector") or not isinstance(e.binder, s.OverRange):
        return None
    product, terms = (linear.inner_product(e), None) if e.kind == "sum" else (None, linear.combination(e))
    if product is None and terms is None:
        return None
    low, high = integer(e.binder.low, scope), integer(e.binder.high, scope)
    if low > high:
        return None
    if product is not None:
        left, right = [_part(x, low, high, scope) for x in product]
        if left is None or right is None:
            return None
        return _normal(sum([x * y for x, y in zip(left, right, strict=True) if _maybe(x) and _maybe(y)]))
    total: list[Number] = [0] * (high - low + 1)
    for term in terms or ():
        inner = [(scope, None)] if isinstance(term, linear.Shift) else _factors(term, scope)
        for known, factor in inner:
            part = _part(term if isinstance(term, linear.Shift) else term.part, low, high, known)
            if part is None:
                return None
            for k, x in enumerate(part):
                if _maybe(x):
                    total[k] = total[k] + (x if factor is None else factor * x)
    return tuple([_normal(x) for x in total])


def _factors(term: linear.Mean, scope: Scope) -> list[tuple[Scope, Number]]:
    inner = [scope.bind(values) for values in bindings(term.binder, scope)]
    return [(known, number(term.factor, known)) for known in inner]


def _part(shift: linear.Shift, low: int, high: int, scope: Scope) -> Vector | None:
    """The coordinates low..high, shifted; None if some are missing."""
    found = scope.values.get(shift.vector)
    if not isinstance(found, tuple) or not low + shift.by >= 1 or high + shift.by > len(found):
        return None
    return found[low + shift.by - 1 : high + shift.by]


def _maybe(x: Number) -> bool:
    """May it be another number than 0?"""
    return isinstance(x, Enclosure) or x != 0


def _call(e: s.Call, scope: Scope) -> Value:
    name, arguments = e.function, e.arguments
    if name in ("only", "count", "packed", "destinations"):
        return _call_by_name(e, scope)
    if name in ("min", "max") and arguments:
        numbers = [number(a, scope) for a in arguments]
        return least(numbers) if name == "min" else greatest(numbers)
    if (name, len(arguments)) in BUILTINS:
        return _builtin(e, scope)
    if scope.numeric is not None and (name, len(arguments)) in OF_NUMBERS:
        return _of_numbers(e, scope, scope.numeric)
    function = scope.functions.get(name)
    if function is None or len(function.parameters) != len(arguments):
        raise Fault(f"there is no function `{name}` of {len(arguments)} arguments", e.span)
    if scope.calls >= MAX_CALLS:
        raise TooLong(f"more than {MAX_CALLS:,} calls inside each other")
    values = [evaluate(a, scope) for a in arguments]
    key = name, *((x if type(x) is int else (id(x),)) for x in values)
    if key in scope.known:
        return scope.known[key][0]
    given = dict(zip(function.parameters, values, strict=True))
    found = evaluate(function.body, Scope(scope.functions, given, calls=scope.calls + 1, known=scope.known))
    if all(type(x) is int or isinstance(x, Words) for x in values):  # a body knows nothing but its arguments
        scope.known[key] = found, values
    return found


def _call_by_name(e: s.Call, scope: Scope) -> Value:
    """`only(tag)`, `count(tag)`, `packed(P)`, `destinations(P)`: the argument is not a value."""
    if len(e.arguments) != 1 or not isinstance(argument := e.arguments[0], s.Name):
        raise Fault(f"`{e.function}` expects one name", e.span)
    if e.function in ("only", "count"):
        messages = _inbox(scope, argument.name, e.span)
        if e.function == "count":
            return len(messages)
        if len(messages) != 1 or len(messages[0].parts) != 1:
            raise Fault(f"only({argument.name}) expects one message of one word, found {len(messages)} messages", e.span)
        return messages[0].parts[0]
    table: Mapping[str, Value] = scope.packed if e.function == "packed" else scope.destinations
    if argument.name not in table:
        raise Fault(f"{e.function}({argument.name}) has no value here", e.span)
    return table[argument.name]


BUILTINS = {
    ("ceil", 1),
    ("floor", 1),
    ("round", 1),
    ("bits", 1),
    ("permutation", 1),
    ("zeros", 1),
    ("unit", 2),
    ("moment", 2),
    ("hadamard", 2),
    ("moment_dual", 2),
    ("hadamard_dual", 2),
    ("sign", 3),
    ("sign_dual", 3),
    ("sign_dual", 4),
    ("angle", 2),
    ("angle", 3),
    ("cosine", 2),
    ("cosine", 3),
}


OF_NUMBERS = {("exp", 1), ("log", 1), ("stored", 2), *s.OF_CIRCUITS.items()}


def _of_numbers(e: s.Call, scope: Scope, numeric: Numeric) -> Value:
    """exp, log, stored, and the row-wise functions of circuits."""
    first, *rest = e.arguments
    match e.function:
        case "exp":
            return balls.exp(number(first, scope))
        case "log":
            x = number(first, scope)
            if x <= 0:
                raise Fault(f"log({x}) has no value", e.span)
            return balls.log(x)
        case "stored":
            step = number(rest[0], scope)
            if isinstance(step, Enclosure | Real) or step <= 0:
                raise Fault(f"expected a positive step, found {step}", rest[0].span)
            return stored(vector(first, scope), Fraction(step), numeric.word, e.span)
    if not isinstance(first, s.Name) or first.name not in numeric.circuits:
        raise Fault(f"`{e.function}` expects a circuit", e.span)
    row = () if e.function == "attends" else vector(rest.pop(), scope)
    numbers = tuple([integer(x, scope) for x in rest])
    return numeric.circuits[first.name](e.function, numbers, row, e.span)


def stored(v: Vector, step: Fraction, word: int, span: Span) -> Vector:
    """Each coordinate as a multiple of the step. Of those at most 3/4 of a step away, which are valid, it is the nearest."""
    limit = 1 << (word - 1)
    found: list[Number] = []
    for x in v:
        if isinstance(x, int) and x == 0:
            found.append(0)
            continue
        k = balls.nearest_multiple(x, step)
        if abs(k) >= limit:
            raise Fault(f"overflow: {x}, expected a size below 2^{word - 1} times {step}", span)
        found.append(_normal(k * step))
    return v if all(x is y or (not isinstance(x, Enclosure) and x == y) for x, y in zip(v, found, strict=True)) else tuple(found)


def _builtin(e: s.Call, scope: Scope) -> Value:
    first, last = e.arguments[0], e.arguments[-1]
    match e.function:
        case "ceil":
            return ceil(number(first, scope))
        case "floor":
            return floor(number(first, scope))
        case "round":
            return nearest(number(first, scope))
        case "bits":
            return natural(first, scope).bit_length()
        case "zeros":
            return (0,) * natural(first, scope)
        case "permutation":
            array = evaluate(first, scope)
            if not isinstance(array, Words):
                raise Fault(f"expected an array, found {_kind(array)}", first.span)
            if len(array.known) != array.size:
                raise Fault(f"not all of {array.name} is known here", first.span)
            return sorted(array.known.values()) == list(range(1, array.size + 1))
        case "unit":
            k, value = natural(first, scope), number(last, scope)
            if k == 0:
                raise Fault("there is no coordinate 0", first.span)
            return (0,) * (k - 1) + (value,)
        case "moment":
            t = _exact(number(first, scope))
            return tuple([_normal(t**j) for j in range(natural(last, scope))])
        case "hadamard":
            return _hadamard(integer(first, scope), natural(last, scope), e.span)
        case "sign":
            key, index = natural(last, scope), natural(first, scope)
            return tuple([_sign(key, index, j) for j in range(1, _size(e, scope) + 1)])
        case "angle":
            return _part_of_turn(e, scope, Fraction(0)), _part_of_turn(e, scope, Fraction(1, 4))
        case "cosine":
            return _part_of_turn(e, scope, Fraction(0))
    members, k = evaluate(first, scope), _size(e, scope)
    if not isinstance(members, frozenset):
        raise Fault(f"expected a set, found {_kind(members)}", first.span)
    if e.function == "moment_dual":
        return _moment_dual(members, k, e.span)
    if e.function == "sign_dual":
        return _sign_dual(members, k, [natural(a, scope) for a in e.arguments[2:]], e.span)
    rows = [_hadamard(d, k, e.span) for d in sorted(members)]
    return tuple([sum([row[j] for row in rows]) for j in range(k)])


def _part_of_turn(e: s.Call, scope: Scope, less: Fraction) -> Number:
    """cos(2 pi (a / M - less)) of the arguments a and M; with a third one g the multiple of 2^-g nearest to it, halves up."""
    a, m = number(e.arguments[0], scope), natural(e.arguments[1], scope)
    if isinstance(a, Enclosure):
        raise Undecided(f"the angle of {a}")
    if isinstance(a, Real) or m == 0:
        raise Fault(f"{e.function} of {a} in {m} parts of a turn has no value", e.span)
    turn = Fraction(a) / m - less
    if len(e.arguments) == 2:
        return _normal(cosine(turn))
    g = natural(e.arguments[2], scope)
    if g > 4096:
        raise Fault(f"{e.function} with {g} digits: expected at most 4096", e.span)
    return _normal(rounded_cosine(turn, g))


def nearest(z: Number) -> int:
    """round(z) = floor(z + 1/2). Raises `Undecided` if the bounds of z do not tell."""
    return floor(z + Fraction(1, 2))


def pseudorandom(*words: int) -> int:
    """h of the reference page: h() = 0 and h(..., x) = mix(h(...) + x + g), all in 64 bits without sign."""
    h = 0
    for x in words:
        h = h + x + 11400714819323198485 & 18446744073709551615
        h = (h ^ (h >> 30)) * 13787848793156543929 & 18446744073709551615
        h = (h ^ (h >> 27)) * 10723151780598845931 & 18446744073709551615
        h ^= h >> 31
    return h


def _hadamard(t: int, k: int, span: Span) -> tuple[int, ...]:
    """Row t of the Sylvester matrix of order k: entry j is (-1)^popcount((t-1) & (j-1))."""
    if k.bit_count() != 1 or not 1 <= t <= k:
        raise Fault(f"hadamard({t}, {k}) has no value", span)
    return tuple([(-1) ** ((t - 1) & (j - 1)).bit_count() for j in range(1, k + 1)])


def _size(e: s.Call, scope: Scope) -> int:
    """The second argument: how many coordinates."""
    k = natural(e.arguments[1], scope)
    if k > MAX_ITEMS:
        raise TooLong(f"a vector of more than {MAX_ITEMS:,} coordinates")
    return k


def _sign(seed: int, t: int, j: int) -> int:
    return -1 if pseudorandom(seed, t, j) < 2**63 else 1


def _sign_dual(members: frozenset[int], k: int, numbers: list[int], span: Span) -> Vector:
    """w = the sum of a_d u_d with <u_d, w> = 1 for every member d; with a second number g rounded to multiples of 2^-g."""
    seed, *digits = numbers
    places = sorted(members)
    u = [[_sign(seed, d, j) for j in range(1, k + 1)] for d in places]
    equations = [[Fraction(sum([x * y for x, y in zip(a, b, strict=True)])) for b in u] + [Fraction(1)] for a in u]
    for column in range(len(places)):
        pivot = next((r for r in range(column, len(places)) if equations[r][column] != 0), None)
        if pivot is None:
            raise Fault(f"sign_dual of {places} has no value: the vectors are not independent", span)
        equations[column], equations[pivot] = equations[pivot], equations[column]
        equations[column] = [x / equations[column][column] for x in equations[column]]
        for r in range(len(places)):
            if r != column:
                factor = equations[r][column]
                equations[r] = [x - factor * y for x, y in zip(equations[r], equations[column], strict=True)]
    w = [sum([equations[d][-1] * u[d][j] for d in range(len(places))], Fraction(0)) for j in range(k)]
    if not digits:
        return tuple([_normal(x) for x in w])
    if digits[0] > 4096:
        raise Fault(f"sign_dual with {digits[0]} digits: expected at most 4096", span)
    return tuple([_normal(Fraction(nearest(x * 2 ** digits[0]), 2 ** digits[0])) for x in w])


def _moment_dual(members: frozenset[int], k: int, span: Span) -> Vector:
    """The k coefficients of 1 - 1/2 * product of (z - d)^2 over the members d, constant first."""
    product = [1]
    for d in [d for d in members for _ in range(2)]:
        product = [low - d * same for low, same in zip([0, *product], [*product, 0], strict=True)]
    if len(product) > k:
        raise Fault(f"moment_dual of {len(members)} numbers has {len(product)} coefficients, not {k}", span)
    product += [0] * (k - len(product))
    return tuple([_normal((1 if j == 0 else 0) - Fraction(a, 2)) for j, a in enumerate(product)])


# ---- local functions --------------------------------------------------------------------------


@dataclass
class LocalRun:
    """One run of a local function (Def. 2.3): what it may send and assign, and what it has sent and assigned so far."""

    types: Mapping[str, MessageType]  # the messages it may send
    machines: Mapping[str, int]  # a message of each tag goes to one of 1..machines[tag]
    outputs: Mapping[str, Array]  # the arrays it may assign
    here: Mapping[str, Collection[int]]  # the indices of each of them that lie here
    sent: list[Message] = field(default_factory=list)
    assigned: dict[str, dict[int, int]] = field(default_factory=dict)

    def run(self, body: tuple[s.Statement, ...], scope: Scope) -> None:
        """A `let` is known until the end of its block."""
        for statement in body:
            match statement:
                case s.Let(name, value):
                    scope = scope.bind({name: evaluate(value, scope)})
                case s.Choose(condition, then, otherwise):
                    self.run(then if truth(condition, scope) else otherwise, scope)
                case s.Repeat(binder, inner):
                    for values in bindings(binder, scope):
                        self.run(inner, scope.bind(values))
                case s.Send():
                    self._send(statement, scope)
                case s.Assign():
                    self._assign(statement, scope)

    def _send(self, send: s.Send, scope: Scope) -> None:
        kind, source = self.types.get(send.tag), scope.values["self"]
        assert isinstance(source, int)
        if kind is None or len(kind.words) + (kind.numbers is not None) != len(send.words):
            raise Fault(f"no message {send.tag} of {len(send.words)} words can be sent here", send.span)
        words = [word_in(number(w, scope), *span, w.span) for w, span in zip(send.words, kind.words, strict=False)]
        carried = None if kind.numbers is None else _carried(kind.numbers, send.words[-1], scope)
        destination = integer(send.destination, scope)
        if not 1 <= destination <= self.machines[send.tag]:
            raise Fault(f"expected a machine in 1..{self.machines[send.tag]}, found {destination}", send.destination.span)
        self.sent.append(Message(send.tag, tuple(words), source, destination, vector=carried))

    def _assign(self, assign: s.Assign, scope: Scope) -> None:
        array, k = self.outputs.get(assign.array), integer(assign.index, scope)
        if array is None:
            raise Fault(f"`{assign.array}` cannot be assigned here", assign.span)
        if not 1 <= k <= array.size:
            raise Fault(f"expected an index of {array.name} in 1..{array.size}, found {k}", assign.span)
        if k not in self.here[array.name]:
            raise Fault(f"{array.name}[{k}] does not lie on this machine", assign.span)
        if k in self.assigned.setdefault(array.name, {}):
            raise Fault(f"{array.name}[{k}] is assigned twice", assign.span)
        self.assigned[array.name][k] = word_in(number(assign.value, scope), array.low, array.high, assign.value.span)


def _carried(kind: Numbers, e: s.Expr, scope: Scope) -> Vector:
    """A vector as it is sent: padded with zeros, and stored if its numbers have a step."""
    assert scope.numeric is not None
    v = vector(e, scope)
    if len(v) > kind.count:
        raise Fault(f"expected at most {kind.count} numbers, found {len(v)}", e.span)
    if len(v) < kind.count:
        v += (0,) * (kind.count - len(v))
    return v if kind.step is None else stored(v, kind.step, scope.numeric.word, e.span)


def word_in(value: Number, low: int, high: int, span: Span = NOWHERE) -> int:
    if isinstance(value, Enclosure) and value.may_be_whole(low, high):
        raise Undecided(f"{value} as a word")
    if not isinstance(value, int) or not low <= value <= high:
        raise Fault(f"expected a word in {low}..{high}, found {value}", span)
    return value


# ---- over whole inputs and outputs --------------------------------------------------------------


@deep_recursion()
def satisfies(
    requires: tuple[s.Expr, ...],
    functions: tuple[s.FunctionDefinition, ...],
    inputs: tuple[Array, ...],
    words: Mapping[str, tuple[int, ...]],
) -> bool:
    """Are these words an input: of the right sizes, in their ranges, with every `requires` true (undefined is not true)?"""
    for a in inputs:
        given = words.get(a.name, ())
        if len(given) != a.size or not all(a.low <= w <= a.high for w in given):
            return False
    scope = Scope(by_name(functions), whole(inputs, words))
    return all(_holds(r, scope) for r in requires)


def _holds(e: s.Expr, scope: Scope) -> bool:
    try:
        return truth(e, scope)
    except Fault:
        return False


@deep_recursion()
def evaluate_equation(
    equation: s.Expr,
    functions: tuple[s.FunctionDefinition, ...],
    values: Mapping[str, tuple[int, ...]],
    variables: Mapping[str, Number],
) -> bool:
    """A claim's equation over whole input and output arrays. Raises `Fault` if it has no value."""
    arrays: dict[str, Value] = {name: Words(name, len(v), dict(enumerate(v, 1))) for name, v in values.items()}
    return truth(equation, Scope(by_name(functions), {**arrays, **variables}))


@deep_recursion()
def evaluate_rows(
    rows: tuple[s.Expr, ...],
    functions: tuple[s.FunctionDefinition, ...],
    values: Mapping[str, tuple[int, ...]],
    self: int,
) -> tuple[int, ...]:
    """The rows that a cut says row `self` reads, over whole input arrays. Raises `Fault` if they have no value."""
    arrays: dict[str, Value] = {name: Words(name, len(v), dict(enumerate(v, 1))) for name, v in values.items()}
    return tuple(integer(e, Scope(by_name(functions), {**arrays, "self": self})) for e in rows)
