"""What the exported file of every circuit starts with: the meaning of the language on numbers, packets, and vectors.

This text is copied into the file, so it imports the standard library only and nothing of lockstep.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from math import ceil, cos, floor, pi
from typing import Any, NamedTuple


class NoValue(ValueError):
    """Something has no value: an index out of range, `only` of two, a word outside its type."""


# ---- numbers ----------------------------------------------------------------------------------------


def natural(x: Any) -> int:
    """A whole number as an int."""
    if isinstance(x, bool) or x != int(x):
        raise NoValue(f"expected a whole number, found {x}")
    return int(x)


def at(array: Any, index: Any) -> Any:
    """An entry of an array {index: word}, or a coordinate of a vector, from 1 on."""
    k = natural(index)
    if isinstance(array, list):
        if not 1 <= k <= len(array):
            raise NoValue(f"coordinate {k} of a vector of {len(array)}")
        return array[k - 1]
    if k not in array:
        raise NoValue(f"there is no entry {k} here")
    return array[k]


def floats(a: Any, b: Any) -> tuple[Any, Any]:
    """Fractions become floats where the other number is neither a fraction nor an int."""
    if isinstance(a, Fraction) and not isinstance(b, (int, Fraction)):
        return float(a), b
    if isinstance(b, Fraction) and not isinstance(a, (int, Fraction)):
        return a, float(b)
    return a, b


def add(a: Any, b: Any) -> Any:
    a, b = floats(a, b)
    return a + b


def subtract(a: Any, b: Any) -> Any:
    a, b = floats(a, b)
    return a - b


def times(a: Any, b: Any) -> Any:
    a, b = floats(a, b)
    return a * b


def divide(a: Any, b: Any) -> Any:
    if isinstance(b, (int, Fraction)) and b == 0:
        raise NoValue("division by 0")
    if isinstance(a, (int, Fraction)) and isinstance(b, (int, Fraction)):
        return Fraction(a) / b
    a, b = floats(a, b)
    return a / b


def quotient(a: Any, b: Any) -> Any:
    if b <= 0:
        raise NoValue(f"div by {b}")
    return a // b


def modulo(a: Any, b: Any) -> Any:
    if b <= 0:
        raise NoValue(f"mod by {b}")
    return a % b


def power(a: Any, b: Any) -> Any:
    k = natural(b)
    if not 0 <= k <= 4096:
        raise NoValue(f"exponent {b}")
    return a**k


def upper(x: Any) -> Any:
    return ceil(x)


def lower(x: Any) -> Any:
    return floor(x)


def nearest(x: Any) -> Any:
    """Halves go up."""
    return floor(x + (0.5 if isinstance(x, float) else Fraction(1, 2)))


def bits(x: Any) -> int:
    if natural(x) < 0:
        raise NoValue(f"bits({x})")
    return natural(x).bit_length()


def between(low: Any, high: Any) -> range:
    return range(natural(low), natural(high) + 1)


def only(found: list[Any]) -> Any:
    if len(found) != 1:
        raise NoValue(f"expected exactly one, found {len(found)}")
    return found[0]


def least(found: list[Any]) -> Any:
    if not found:
        raise NoValue("min of nothing")
    return min(found)


def greatest(found: list[Any]) -> Any:
    if not found:
        raise NoValue("max of nothing")
    return max(found)


def permutation(array: dict[int, Any]) -> bool:
    return sorted(array.values()) == list(range(1, len(array) + 1))


# ---- vectors ----------------------------------------------------------------------------------------


def vector(*parts: Any) -> list[Any]:
    """Numbers and vectors, one behind the other."""
    found: list[Any] = []
    for part in parts:
        found.extend(part if isinstance(part, list) else [part])
    return found


def negative(x: Any) -> Any:
    return [-v for v in x] if isinstance(x, list) else -x


def zeros(length: Any) -> list[Any]:
    return [0] * natural(length)


def unit(place: Any, x: Any) -> list[Any]:
    if natural(place) < 1:
        raise NoValue(f"coordinate {place} of a vector")
    return [0] * (natural(place) - 1) + [x]


def moment(point: Any, length: Any) -> list[Any]:
    return [point**e for e in range(natural(length))]


def moment_dual(places: frozenset[int], length: Any) -> list[Any]:
    """The coefficients of 1 - (1/2) * product of (z - d)^2, constant first."""
    product = [Fraction(1)]
    for d in sorted(places) * 2:
        product = [a - d * b for a, b in zip([Fraction(0), *product], [*product, Fraction(0)], strict=True)]
    if len(product) > length:
        raise NoValue(f"the dual of {len(places)} machines has {len(product)} coefficients, more than {length}")
    found: list[Any] = [-c / 2 for c in product] + [0] * (natural(length) - len(product))
    found[0] += 1
    return found


def hadamard(row: Any, order: Any) -> list[Any]:
    if natural(order) < 1 or natural(order) & (natural(order) - 1) or not 1 <= natural(row) <= order:
        raise NoValue(f"row {row} of a Hadamard matrix of order {order}")
    return [-1 if ((natural(row) - 1) & j).bit_count() % 2 else 1 for j in range(natural(order))]


def hadamard_dual(places: frozenset[int], order: Any) -> list[Any]:
    return [sum(column) for column in zip(zeros(order), *(hadamard(d, order) for d in places), strict=True)]


# ---- messages (Lemma 3.2) -----------------------------------------------------------------------------


COSINES = {Fraction(k, 12): Fraction(x, 2) for k, x in ((0, 2), (2, 1), (3, 0), (4, -1), (6, -2))}  # the rational ones


def cosine(a: Any, parts: Any, digits: Any = None) -> Any:
    """cos(2 pi a / parts); with `digits` rounded to a multiple of 2^-digits, halves up."""
    half = Fraction(1, 2)
    turns = abs((Fraction(a) / natural(parts) + half) % 1 - half)
    x = COSINES[turns] if turns in COSINES else cos(2 * pi * turns)
    return x if digits is None else Fraction(floor(Fraction(x) * 2 ** natural(digits) + half), 2 ** natural(digits))


def angle(a: Any, parts: Any, digits: Any = None) -> list[Any]:
    """cosine and sine of 2 pi a / parts."""
    return [cosine(a, parts, digits), cosine(Fraction(a) - Fraction(natural(parts), 4), parts, digits)]


class Message(NamedTuple):
    tag: str
    words: tuple[int, ...]
    destination: int
    source: int = 0


class Block(NamedTuple):
    """A block of packets: `ranges` are those of the words of each tag; the selector is (name, arguments) or ("table", rows)."""

    tags: tuple[str, ...]
    ranges: tuple[tuple[tuple[int, int], ...], ...]
    first: int
    machines: int
    messages: int
    longest: int
    columns: int
    selector: tuple[str, Any]
    heard: Fraction


def check(x: Any, low: int, high: int, what: str) -> int:
    if natural(x) < low or natural(x) > high:
        raise NoValue(f"{what} is {x}: expected {low}..{high}")
    return natural(x)


def send(sent: list[Message], tag: str, words: tuple[Any, ...], ranges: Any, destination: Any, machines: int) -> None:
    whole = tuple(check(w, low, high, f"a word of {tag}") for w, (low, high) in zip(words, ranges, strict=True))
    sent.append(Message(tag, whole, check(destination, 1, machines, "a destination")))


def assign(assigned: Any, name: str, index: Any, size: int, value: Any, low: int, high: int) -> None:
    k = check(index, 1, size, f"an index of {name}")
    if k in assigned[name]:
        raise NoValue(f"{name}[{k}] is assigned twice")
    assigned[name][k] = check(value, low, high, name)


def of(inbox: Iterable[Message], tag: str) -> list[tuple[tuple[int, ...], int]]:
    """The words and the source of each message of a type."""
    return [(m.words, m.source) for m in inbox if m.tag == tag]


def destinations(sent: Iterable[Message], block: Block) -> frozenset[int]:
    return frozenset(m.destination for m in sent if m.tag in block.tags)


def selector_row(block: Block, row: int) -> set[int]:
    """The columns (from 0 on) where a row (from 1 on) of the selector is 1."""
    name, given = block.selector
    if name == "table":
        return {j for j, bit in enumerate(given[row - 1]) if bit == "1"} if row <= len(given) else set()
    if name == "identity":
        return {row - 1} if row <= given[0] else set()
    r, k, points = given
    if row > r**k:
        return set()
    digits = [(row - 1) // r**e % r for e in range(k)]
    return {x * r + sum(c * x**e for e, c in enumerate(digits)) % r for x in range(points)}


def packed(sent: Iterable[Message], block: Block, source: int) -> list[Any]:
    """Each message in the packets where its row is 1 and the rows of the other messages are 0."""
    counts: dict[int, int] = {}
    carried: list[tuple[list[int], set[int]]] = []
    for m in sent:
        if m.tag in block.tags:
            k = counts[m.destination] = counts.get(m.destination, 0) + 1
            row = ((source - 1) * block.machines + m.destination - 1) * block.messages + k
            padding = [0] * (block.longest - len(m.words))
            fields = [*m.words, *padding, block.tags.index(m.tag) + 1, source, m.destination, k, 1]
            carried.append((fields, selector_row(block, row)))
    width = block.longest + 5
    found: list[Any] = [0] * (block.first - 1 + block.columns * width)
    for n, (fields, columns) in enumerate(carried):
        for j in columns.difference(*(other for k, (_, other) in enumerate(carried) if k != n)):
            base = block.first - 1 + j * width
            found[base : base + width] = fields
    return found


def unpacked(row: list[float], block: Block, machine: int) -> list[Message]:
    """The clean packets for this machine: scaled by the number of senders and rounded."""
    width = block.longest + 5
    starts = [block.first - 1 + j * width for j in range(block.columns)]
    heard = [row[b + width - 1] for b in starts if row[b + width - 1] > block.heard]
    if not heard:
        return []
    c = min(range(1, block.messages + 1), key=lambda c: (abs(min(heard) - 1 / c), c))
    found: dict[tuple[int, int, int], Message] = {}
    for b in starts:
        if nearest(c * row[b + width - 1]) != 1:
            continue
        fields = [nearest(c * v) for v in row[b : b + width]]
        kind, source, destination, k = fields[block.longest : block.longest + 4]
        if destination != machine or not 1 <= kind <= len(block.tags):
            continue
        ranges = block.ranges[kind - 1]
        words = tuple(fields[: len(ranges)])
        if all(low <= w <= high for w, (low, high) in zip(words, ranges, strict=True)):
            found.setdefault((kind, source, k), Message(block.tags[kind - 1], words, destination, source))
    return [found[key] for key in sorted(found)]
