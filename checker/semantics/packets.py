"""Packets (Lemma 3.2): selector matrices, multiple hashing, decoding; and the vectors of sparse propagation (Prop. B.1)."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache
from math import floor
from typing import Any

from checker.models.circuit import Circuit, Packets, Selector
from checker.semantics.cyclotomic import Number
from checker.semantics.expressions import Message, Vec
from checker.semantics.machines import Sent
from checker.semantics.terms import Value

WORDS = 2**64  # the hash of the seeded tables is over words of 64 bits


def columns(selector: Selector) -> int:
    """d, the number of packets."""
    if selector.name == "table":
        return len(selector.rows[0])
    if selector.name == "kautz_singleton":
        return selector.arguments[0] * selector.arguments[2]
    return selector.arguments[0]


@lru_cache(maxsize=200_000)
def selector_row(selector: Selector, row: int) -> frozenset[int]:
    """The columns (1-based) where a row (1-based) of the matrix is 1; a missing row has none."""
    if selector.name == "table":
        bits = selector.rows[row - 1] if row <= len(selector.rows) else ""
        return frozenset(j for j, bit in enumerate(bits, 1) if bit == "1")
    if selector.name == "identity":
        return frozenset({row} if row <= selector.arguments[0] else ())
    if selector.name == "random":
        d, b, seed = selector.arguments
        prefix = chained(chained(0, seed), row)
        return frozenset(j for j in range(1, d + 1) if chained(prefix, j) * (b + 1) < WORDS)
    r, k, points = selector.arguments
    if row > r**k:
        return frozenset()
    digits = [(row - 1) // r**e % r for e in range(k)]
    return frozenset(x * r + sum(c * x**e for e, c in enumerate(digits)) % r + 1 for x in range(points))


def chained(before: int, x: int) -> int:
    """h(..., x) from h(...): the next word of splitmix64 after the state h(...) + x."""
    z = (before + x + 0x9E3779B97F4A7C15) % WORDS
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORDS
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORDS
    return z ^ z >> 31


def selector_rows(packets: Packets) -> int:
    """One row for each (source, destination, number)."""
    return packets.machines**2 * packets.messages


def row_of(packets: Packets, source: int, destination: int, number: int) -> int:
    return ((source - 1) * packets.machines + destination - 1) * packets.messages + number


def numbered(sent: Iterable[Sent], packets: Packets) -> list[tuple[Sent, int]]:
    """The messages that go into these packets, each with its number among those to the same destination."""
    counts: dict[Value, int] = {}
    result = []
    for m in sent:
        if m.tag in packets.tags:
            counts[m.destination] = counts.get(m.destination, 0) + 1
            result.append((m, counts[m.destination]))
    return result


def pack(circuit: Circuit, packets: Packets, source: int, sent: Iterable[Sent]) -> Vec:
    """z_source: each message in the packets where its row is 1 and the rows of the sender's other messages are 0."""
    width, longest = circuit.packet_width(packets), circuit.longest(packets)
    messages = numbered(sent, packets)
    rows = [selector_row(packets.selector, row_of(packets, source, int(m.destination), k)) for m, k in messages]  # type: ignore[arg-type]
    entries: dict[int, Value] = {}
    for place, (m, k) in enumerate(messages):
        others = frozenset[int]().union(*(r for i, r in enumerate(rows) if i != place))
        fields = [*m.words, *[0] * (longest - len(m.words)), packets.tags.index(m.tag) + 1, source, m.destination, k, 1]
        for j in rows[place] - others:
            base = packets.at + (j - 1) * width
            entries.update({base + f: x for f, x in enumerate(fields) if x != 0})
    return Vec(entries, circuit.width)


def unpack(circuit: Circuit, packets: Packets, machine: int, row: Vec) -> tuple[Message, ...]:
    """MachineIn, read off a row of known numbers: clean packets for this machine (Lemma 3.2, decoding)."""
    width, longest = circuit.packet_width(packets), circuit.longest(packets)
    last = packets.at + columns(packets.selector) * width
    validity: dict[int, Any] = {
        k: x for k, x in row.entries.items() if packets.at <= k < last and (k - packets.at) % width == width - 1
    }
    heard = [x for x in validity.values() if x > packets.heard]
    if not heard:
        return ()
    c = senders(min(heard), packets.messages)
    found: dict[tuple[int, ...], Message] = {}
    for k, x in validity.items():
        if nearest(c * x) != 1:
            continue
        base = k - width + 1
        fields = [nearest(c * row.entries.get(base + f, 0)) for f in range(width)]  # type: ignore[operator]
        number, source, destination, count = fields[longest : longest + 4]
        if destination != machine or not 1 <= number <= len(packets.tags):
            continue
        kind = circuit.message(packets.tags[number - 1])
        words = fields[: len(kind.words)]
        if all(low <= w <= high for w, (low, high) in zip(words, kind.words, strict=True)):
            found.setdefault((number, source, count), Message(kind.tag, tuple(words), source))
    return tuple(found[key] for key in sorted(found))


def senders(weight: Number, most: int) -> int:
    """The number 1..most whose reciprocal is nearest to the weight of a lone packet; of two equally near the smaller."""
    return min(range(1, most + 1), key=lambda c: (abs(weight - Fraction(1, c)), c))


def nearest(x: Number) -> int:
    """Halves go up."""
    return floor(x + Fraction(1, 2))


# ---- vectors of sparse propagation ----------------------------------------------------------


@lru_cache(maxsize=100_000)
def moment(point: int | Fraction, length: int) -> tuple[int | Fraction, ...]:
    return tuple(point**e for e in range(length))


@lru_cache(maxsize=100_000)
def moment_dual(places: frozenset[int], length: int) -> tuple[Fraction, ...]:
    """The coefficients of 1 - (1/2) * product of (z - d)^2, constant first."""
    product = [Fraction(1)]
    for d in places:
        for _ in range(2):
            product = [a - d * b for a, b in zip([Fraction(0), *product], [*product, Fraction(0)], strict=True)]
    if len(product) > length:
        raise ValueError(f"the dual of {len(places)} machines has {len(product)} coefficients, more than {length}")
    coefficients = [-c / 2 for c in product] + [Fraction(0)] * (length - len(product))
    coefficients[0] += 1
    return tuple(coefficients)


def hadamard(row: int, order: int) -> tuple[int, ...]:
    return tuple(-1 if ((row - 1) & j).bit_count() % 2 else 1 for j in range(order))


@lru_cache(maxsize=100_000)
def hadamard_dual(places: frozenset[int], order: int) -> tuple[int, ...]:
    rows = [hadamard(d, order) for d in places]
    return tuple(sum(row[j] for row in rows) for j in range(order))


@lru_cache(maxsize=10_000)
def sign(place: int, length: int, seed: int) -> tuple[int, ...]:
    prefix = chained(chained(0, seed), place)
    return tuple(-1 if 2 * chained(prefix, j) < WORDS else 1 for j in range(1, length + 1))


@lru_cache(maxsize=10_000)
def sign_dual(places: frozenset[int], length: int, seed: int, g: int | None = None) -> tuple[Fraction | int, ...]:
    """U (U^T U)^(-1) 1, the columns of U the signs of the places; with g, each coordinate rounded to a multiple of 2^-g."""
    columns = [sign(d, length, seed) for d in sorted(places)]
    gram = [[sum(x * y for x, y in zip(a, b, strict=True)) for b in columns] for a in columns]
    weights, of = solved(gram)
    sums = [sum(w * u for w, u in zip(weights, at, strict=True)) for at in zip(*columns, strict=True)] or [0] * length
    if g is None:
        return tuple(Fraction(x, of) for x in sums)
    return tuple(Fraction((2 ** (g + 1) * x + of) // (2 * of), 2**g) for x in sums)


def solved(gram: list[list[int]]) -> tuple[list[int], int]:
    """(x, d), d > 0, with gram (x / d) = (1, ..., 1), by fraction-free elimination; the matrix is U^T U of some U.

    Raises `ValueError` if it is singular, as it is when a pivot is 0.
    """
    rows, n, before = [[*row, 1] for row in gram], len(gram), 1
    for k in range(n):
        pivot = rows[k][k]
        if pivot == 0:
            raise ValueError(f"the signs of {n} machines depend on each other: they have no dual")
        for i in range(n):
            if i != k:
                rows[i] = [(pivot * x - rows[i][k] * y) // before for x, y in zip(rows[i], rows[k], strict=True)]
        before = pivot
    return [row[n] for row in rows], before
