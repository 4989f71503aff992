"""How far heads with softmax and rounding are from hardmax (Lemma A.2), and how large the numbers of a circuit become.

Everything is an exact rational bound, read off the circuit as it stands. The compiler chooses scale and fraction by these
bounds; the kernel's rules use the same ones to prove that they suffice.

The weights that row i gives are compared with hardmax's, which are equal on the rows of the largest score. Their *spread* is
the weight that goes elsewhere plus half of what near-ties among the largest take from each other. A head's output is then
off by at most spread * (high - low), where its values lie in low..high: both are averages of the same values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import ceil, gcd

from checker.language import syntax as s
from checker.language.syntax import mentions
from checker.models.circuit import Circuit, Head, Layer, Packets
from checker.semantics import circuits as sem
from checker.semantics import family, scores
from checker.semantics import packets as pk
from checker.semantics import terms as t
from checker.semantics.circuits import data_free, opaque
from checker.semantics.cyclotomic import Cyclotomic, Number, outward
from checker.semantics.expressions import View
from checker.semantics.masks import unmasked
from checker.semantics.scores import Pattern
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

ZERO = Fraction(0)
FAR = 700  # e^-700 is small enough for every purpose
ENDLESS = 1_000_000  # no number of fraction bits suffices
FINE = 320  # bits behind the point of bounds that are carried along, far more than fraction bits
BITS = 96  # bits behind the point of the partial sums


# ---- exponentials ---------------------------------------------------------------------------


@lru_cache(maxsize=10_000)
def decay(x: Fraction) -> Fraction:
    """A number at least e^-x and close to it, x >= 0. With y = x / 2^k < 1 the terms of the series of e^y, each rounded down, sum
    to less than e^y; its reciprocal, rounded up, is squared k times, rounded up each time."""
    x = min(x, Fraction(FAR))
    halvings = int(x).bit_length()
    term = total = 1 << BITS
    n = 0
    while term:
        n += 1
        term = term * x.numerator // ((x.denominator << halvings) * n)
        total += term
    found, bits = -(-(1 << 2 * BITS) // total), BITS
    for _ in range(halvings):
        found, bits = found * found, 2 * bits
        spare = max(0, found.bit_length() - BITS)
        found, bits = -(-found >> spare), bits - spare
    return Fraction(found, 1 << bits)


def growth(x: Fraction) -> Fraction | None:
    """A number at least e^x for 0 <= x <= 1, as e^-x >= 1 - x + x^2/2 - x^3/6; None beyond."""
    return 1 / (1 - x + x**2 / 2 - x**3 / 6) if 0 <= x <= 1 else None


def up(x: Fraction) -> Fraction:
    """x or a little more, with a denominator that stays small."""
    return Fraction(ceil(x * (1 << FINE)), (1 << FINE))


def share(lost: Fraction) -> Fraction:
    """The part of the total weight that is lost if the largest scores weigh at least 1 and all others at most `lost`."""
    return lost / (1 + lost)


# ---- spreads --------------------------------------------------------------------------------


@lru_cache(maxsize=500)
def _patterns(plain: Circuit, head: Head) -> frozenset[Pattern]:
    """What the scores of a row look like, of all rows of a `bare` circuit; from `FAR` on gaps need not be told apart."""
    queries, keys = sem.vectors(plain, head.query), sem.vectors(plain, head.key)
    found = scores.patterns(queries, keys, FAR) if len(queries) >= sem.MANY else None
    if found is not None:
        return found
    exact: set[Pattern] = set()
    for query in queries:
        counted = Counter(sem.dot(query, key) for key in keys)
        if any(isinstance(x, Term) for x in counted):
            raise Unsupported("scores that depend on data")
        top = max(counted)  # type: ignore[type-var]
        exact.add((counted[top], tuple((top - x, n) for x, n in counted.items() if x != top), 0))  # type: ignore[operator]
    return frozenset(exact)


@lru_cache(maxsize=500)
def _parts(c: Circuit) -> Circuit:
    """What queries, keys and values of rows with unknown output words are computed from."""
    return replace(sem.bare(c), outputs=c.outputs)


def fixed_spread(c: Circuit, head: Head) -> Fraction:
    """The spread of a head whose scores do not depend on data, over all rows. 0 for hardmax."""
    unmasked(c)
    return ZERO if c.scale is None else _spread(sem.bare(c), head, c.scale)


@lru_cache(maxsize=5_000)
def _spread(plain: Circuit, head: Head, scale: int) -> Fraction:
    """`lost / ties` is the weight of the others beside a largest score of weight 1, in units of 2^-FINE, rounded up."""
    worst, weights = 0, dict[Number, int]()
    for ties, others, rest in _patterns(plain, head):
        lost = rest * _units(Fraction(min(scale, 1) * FAR))
        for gap, n in others:
            if gap not in weights:
                weights[gap] = _units(max(ZERO, Fraction(outward(scale * gap)[0])))
            lost += n * weights[gap]
        worst = max(worst, -(-lost // ties))
    return up(share(Fraction(worst, (1 << FINE))))


@lru_cache(maxsize=10_000)
def _units(x: Fraction) -> int:
    """At least e^-x, in units of 2^-FINE."""
    return ceil(decay(x) * (1 << FINE))


@dataclass(frozen=True, slots=True)
class Margins:
    """How clearly the scores of sparse propagation (Prop. B.1) tell machines apart, over all machines i and sets S.

    There is a number top_i such that |score(i, S) - top_i| <= near if i is in S. It is above near plus every score of a row that
    is no machine by at least `rest`, and above near plus every score(i, S), i not in S, by at least `other`. The best
    row that is no machine is above every score(i, S), i not in S, by at least `empty`.
    """

    near: Fraction
    rest: Fraction
    other: Fraction
    empty: Fraction

    def __str__(self) -> str:
        return f"near {self.near}, rest {self.rest}, other {self.other}, empty {self.empty}"


def routed_spread(c: Circuit, p: Packets, m: Margins) -> Fraction | None:
    """The spread of a routing head: with one sender or more, and with none. 0 for hardmax; None if there is no bound."""
    if c.scale is None:
        return ZERO if m.near == 0 and min(m.rest, m.other, m.empty) > 0 else None
    if min(m.rest, m.other, m.empty) < 0:
        return None
    rest = len(c.rows) - p.machines
    unequal = growth(2 * c.scale * m.near)
    if unequal is None:
        return None
    lost = rest * decay(c.scale * m.rest) + (p.machines - 1) * decay(c.scale * m.other)
    heard = share(lost) + (unequal - 1) / 2
    return up(max(heard, share(p.machines * decay(c.scale * m.empty))))


def largest_field(c: Circuit, p: Packets) -> int:
    """The largest number in a packet: a word, the number of a type, a machine, the number of a message or the 1."""
    words = max((high for tag in p.tags for _, high in c.message(tag).words), default=0)
    return max(words, len(p.tags), p.machines, p.messages, 1)


# ---- sizes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Reach:
    """A bound on a residual stream: every coordinate of every row is of size at most `size`; one that no head has written
    so far is of size at most `blank`."""

    size: Fraction
    blank: Fraction
    written: frozenset[int]


def unit(c: Circuit) -> Fraction:
    """2^-f, how far rounding may move a coordinate of a head's output; 0 without rounding."""
    return ZERO if c.fraction is None else Fraction(1, 2**c.fraction)


@dataclass(frozen=True, slots=True)
class Values:
    """A bound on the values of a head: coefficient * X_j + a number in low..high at the coordinates `places`, 0 elsewhere.

    On a stream of multiples of 2^-f they are multiples of 2^-f if f >= grain.
    """

    coefficient: Fraction
    low: Fraction
    high: Fraction
    places: frozenset[int] | range
    grain: int = 0

    def width(self, size: Fraction) -> Fraction:
        """high - low, when the stream is of size at most `size`."""
        return self.high - self.low + 2 * self.coefficient * size


def values_of(c: Circuit, head: Head, size: Fraction) -> Values:
    """What the values of a head are, on an arbitrary stream of that size. Raises `Unsupported` if there is no bound."""
    if mentions(head.value, "packed"):
        p = next((p for p in c.packets if mentions(head.value, p.name)), None)
        packed = None if p is None else s.Call("packed", (s.Name(p.name),))
        if p is None or any(x.value != packed and not _zeros(x.value) for x in head.value):
            raise Unsupported("values that are neither packets of one block nor zero")
        return Values(ZERO, ZERO, Fraction(largest_field(c, p)), block_of(c, p))
    form = _values(_parts(c), head)
    low = min((b.low - b.slope * size for b in form.bounds), default=ZERO)
    high = max((b.high + b.slope * size for b in form.bounds), default=ZERO)
    return Values(form.coefficient, min(ZERO, low), max(ZERO, high), form.places, form.grain)


@dataclass(frozen=True, slots=True)
class Bound:
    """A number within slope * size of low..high, on a stream of size at most `size`."""

    slope: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, slots=True)
class _Form:
    coefficient: Fraction
    bounds: frozenset[Bound]
    places: frozenset[int]
    grain: int


@lru_cache(maxsize=2_000)
def _values(c: Circuit, head: Head) -> _Form:
    coefficient, bounds, places, fine = ZERO, set(), set(), 0
    for j in c.rows:
        value = sem.select(head.value, sem.row_scope(c, j, _with_outputs(c, j)), c.width)
        coefficient = max(coefficient, sum((abs(x) for x in value.rows.values()), ZERO))
        fine = max([fine, *(_grain(x, multiple=True) for x in value.rows.values())])
        for k, x in value.entries.items():
            bounds.add(bound(x))
            constant, parts = t.split(x)
            fine = max([fine, grain(constant), *(_grain(n, multiple=term.op == "coordinate") for term, n in parts.items())])
            if not all(term.whole or term.op == "coordinate" for term in parts):
                fine = ENDLESS
            places.add(k)
    return _Form(coefficient, frozenset(bounds), frozenset(places), fine)


def _zeros(e: s.Expr) -> bool:
    return isinstance(e, s.Call) and e.function == "zeros" and isinstance(e.arguments[0], s.Number)


def _grain(factor: Number, multiple: bool) -> int:
    """The grain of factor * x, x whole; of a `multiple` of the stream, which may have any grain, only if the factor is whole."""
    return grain(factor) if not multiple else 0 if t.is_whole(factor) else ENDLESS


def _with_outputs(c: Circuit, i: int) -> sem.RowState:
    """An opaque row with unknown output words."""
    state = opaque(c, i)
    state.outputs = {a.name: View(a.name, t.ArraySymbol(f"{a.name} at {i}", a.size, a.low, a.high), 1, a.size) for a in c.outputs}
    return state


def bound(x: Value) -> Bound:
    """An interval for the value; unknown coordinates of the stream count by their coefficients."""
    constant, parts = t.split(x)
    slope = ZERO
    low, high = map(Fraction, outward(constant))
    for term, k in parts.items():
        if term.op == "coordinate":
            slope += size_of(k)
        elif term.low is None or term.high is None:
            raise Unsupported("a value without a bound")
        else:
            ends = [Fraction(factor * end) for factor in outward(k) for end in (term.low, term.high)]
            low, high = low + min(ends), high + max(ends)
    return Bound(slope, low, high)


def first(c: Circuit) -> Reach:
    """X^0 holds the input words."""
    return Reach(Fraction(max((a.high for a in c.inputs), default=0)), ZERO, frozenset({1}))


def after(c: Circuit, layer: Layer, before: Reach) -> Reach:
    """The stream behind a layer. Averages are no larger than what they average, so routing needs no margin here."""
    fixed = _fixed(layer)
    if not all(data_free(c, h) for h in fixed):
        raise Unsupported("scores that depend on data")
    size, blank, written = ZERO, ZERO, set(before.written)
    for kept, b in _totals(_parts(c), fixed):
        entries = max(b.high, -b.low) + b.slope * before.size
        size, blank = max(size, kept * before.size + entries), max(blank, kept * before.blank)
    for h in layer.heads:
        values = values_of(c, h, before.size)
        if h in fixed:  # in the totals above
            spread = fixed_spread(c, h)
            size += unit(c) + spread * values.width(before.size)
            blank += unit(c) + spread * 2 * values.coefficient * before.blank
        else:
            size += unit(c) + values.coefficient * before.size + max(-values.low, values.high)
            blank += unit(c) + values.coefficient * before.blank
        written.update(values.places)
    return Reach(up(size), up(blank), frozenset(written))


def _fixed(layer: Layer) -> tuple[Head, ...]:
    return tuple(h for h in layer.heads if not mentions(h, "packed", "destinations"))


def clears(c: Circuit, layer: Layer) -> bool:
    """Does hardmax of the heads without packets leave nothing of X in any row?"""
    unmasked(c)
    return all(kept == 0 for kept, _ in _totals(_parts(c), _fixed(layer)))


def readers(c: Circuit) -> dict[int, int]:
    """The rows that read packets, each with the machine that it reads as: the machines, or in `finish` the output tokens."""
    if c.finish is not None:
        return {w: sem.machine_of(c, w) for w in range(c.finish.low, c.finish.high + 1)}
    return {i: i for i in range(1, max((p.machines for p in c.packets), default=c.tokens + c.blank) + 1)}


def packets_of(c: Circuit, layer: Layer) -> tuple[Packets, ...]:
    """The blocks of packets that a layer writes."""
    values = tuple(h.value for h in layer.heads if mentions(h.value, "packed"))
    return tuple(p for p in c.packets if mentions(values, p.name))


def block_of(c: Circuit, p: Packets) -> range:
    """The coordinates of a block of packets."""
    return range(p.at, p.at + pk.columns(p.selector) * c.packet_width(p))


@lru_cache(maxsize=2_000)
def _totals(c: Circuit, heads: tuple[Head, ...]) -> frozenset[tuple[Fraction, Bound]]:
    """X plus what hardmax makes of these heads, for every row: the sum of the coefficients of X, in absolute value, and a
    bound on each coordinate of the rest."""
    states = {i: _with_outputs(c, i) for i in c.rows}
    rows = {i: state.row for i, state in states.items()}
    for h in heads:
        out = sem.attend(c, h, states, None)
        rows = {i: row.plus(out[i]) for i, row in rows.items()}
    entries: set[tuple[Fraction, Value]] = set()
    for row in rows.values():
        kept = sum((abs(x) for x in row.rows.values()), ZERO)
        entries |= {(kept, x) for x in row.entries.values()} | {(kept, 0)}
    return frozenset((kept, bound(x)) for kept, x in entries)


def reaches(c: Circuit) -> tuple[Reach, ...]:
    """The bounds on X^0, ..., X^L. Raises `Unsupported` if there are none."""
    reach(c, len(c.layers))
    return tuple(_reached(c))


def reach(c: Circuit, number: int) -> Reach:
    """The bound on X^number. Raises `Unsupported` if there is none."""
    unmasked(c)
    found = _reached(c)
    while len(found) <= number:
        found.append(after(c, c.layers[len(found) - 1], found[-1]))
    return found[number]


@lru_cache(maxsize=500)
def _reached(c: Circuit) -> list[Reach]:
    """The bounds that have been asked for so far, from X^0 on."""
    return [first(c)]


def disturbance(c: Circuit, head: Head, before: Reach, spread: Fraction, places: Iterable[int]) -> Fraction:
    """How far a head with that spread is from hardmax at these coordinates, however it rounds."""
    values = values_of(c, head, before.size)
    if values.coefficient == 0 and not any(k in values.places for k in places):
        return unit(c)
    return unit(c) + spread * values.width(before.size)


def noise(c: Circuit, number: int, p: Packets) -> Fraction:
    """How far the other heads of a layer (0-based), and what was in the stream before, may move the coordinates of a block.

    Heads that write nothing there only round. That the old row is taken away, or that there was none, is for the layer's rule.
    """
    unmasked(c)
    if c.rung == "exact":
        return ZERO
    layer, block, before = c.layers[number], block_of(c, p), reach(c, number)
    empty = not any(k in before.written for k in block) and not clears(c, layer)
    total = before.blank if empty else ZERO
    for h in layer.heads:
        if not mentions(h.value, "packed"):
            total += disturbance(c, h, before, fixed_spread(c, h), block)
        elif not mentions(h.value, p.name):
            total += unit(c)
    return up(total)


def error(c: Circuit, number: int) -> Fraction:
    """How far any row may be from what hardmax without rounding makes of a layer whose scores do not depend on data."""
    unmasked(c)
    if c.rung == "exact":
        return ZERO
    before = reach(c, number)
    heads = c.layers[number].heads
    return sum((disturbance(c, h, before, fixed_spread(c, h), range(1, c.width + 1)) for h in heads), ZERO)


# ---- numbers that fixed point must hold (Def. A.1) -----------------------------------------


def grain(*numbers: Number) -> int:
    """The least g such that all are multiples of 2^-g; more than any circuit has if there is none."""
    below = [0 if isinstance(x, Cyclotomic) else x.denominator for x in numbers]
    return ENDLESS if any(d.bit_count() != 1 for d in below) else max(below, default=1).bit_length() - 1


def size_of(x: Number) -> Fraction:
    """At least the absolute value; just that of a rational number."""
    return max(abs(Fraction(end)) for end in outward(x))


@dataclass(frozen=True, slots=True)
class Entries:
    """The numbers in the queries or keys of all rows: the largest absolute value and the denominators of those that are
    rational, and the others."""

    largest: Fraction
    below: frozenset[int]
    irrational: frozenset[Cyclotomic]

    def times(self, factor: int) -> tuple[Fraction, int]:
        """The largest absolute value and the grain of all of them times a factor of at least 1."""
        scaled = [factor * x for x in self.irrational]
        size = max(factor * self.largest, max(map(size_of, scaled), default=ZERO))
        return size, grain(*(Fraction(1, d // gcd(d, factor)) for d in self.below), *scaled)


@lru_cache(maxsize=1_000)
def _entries(c: Circuit, cases: tuple[s.Case, ...], name: str) -> Entries:
    largest = ZERO
    below, irrational = set[int](), set[Cyclotomic]()
    for i in c.rows:
        scope = sem.row_scope(c, i, opaque(c, i))
        sylvester = family.hadamard_query(cases, scope, c.width)
        for x in sem.select(cases, scope, c.width).entries.values() if sylvester is None else sylvester.numbers:
            if isinstance(x, Term):
                raise Unsupported(f"a {name} that depends on data")
            if isinstance(x, Cyclotomic):
                irrational.add(x)
            else:
                largest = max(largest, abs(Fraction(x)))
                below.add(x.denominator)
    return Entries(Fraction(largest), frozenset(below), frozenset(irrational))


def numbers_of(c: Circuit, head: Head, size: Fraction) -> tuple[tuple[str, Fraction, int], ...]:
    """What a head computes with: the name, the largest absolute value and the grain of queries (times the scale), keys (of a
    head with data-free scores) and values, on a stream of that size."""
    found: list[tuple[str, Fraction, int]] = []
    kinds = [("query", head.query, c.scale or 1)] + ([("key", head.key, 1)] if data_free(c, head) else [])
    for name, cases, factor in kinds:
        plain = _parts(c) if sem.depends(c, cases) else sem.bare(c)
        found.append((name, *_entries(plain, cases, name).times(factor)))
    values = values_of(c, head, size)
    found.append(("value", values.coefficient * size + max(-values.low, values.high), values.grain))
    return tuple(found)


# ---- the decoder (Lemma 3.2) ----------------------------------------------------------------


def undecoded(p: Packets, error: Fraction) -> str:
    """Why packets whose coordinates are off by up to `error` may be misread; empty if they cannot.

    With c <= b senders the weights are multiples of 1/c: no writer must stay at most `heard` and one writer above it; 1/c
    must be nearer than any other reciprocal of 1..b, at least 1/(b(b - 1)) away; times c, a coordinate must be off by less
    than one half.
    """
    b = p.messages
    apart = Fraction(1, 2 * b * max(1, b - 1))
    if not error <= p.heard < Fraction(1, b) - error:
        e = shown(error)
        return f"heard {p.heard}: expected at least {e} and less than 1/{b} - {e}, or a lone message is lost"
    if not error < apart:
        return f"a coordinate may be off by {shown(error)}: expected less than {apart}"
    return ""


def about(x: Fraction) -> str:
    """Six digits, for reading; a power of two below a number that is beyond floats."""
    return f"{float(x):.6g}" if abs(x) < 2**1000 else f"{'-' if x < 0 else ''}2^{int(abs(x)).bit_length() - 1}"


def shown(x: Fraction) -> str:
    """A bound, rounded up for reading."""
    if x.denominator < 10_000:
        return str(x)
    return f"{ceil(x * 1_000_000) / 1_000_000:.6f}" if x > Fraction(1, 100_000) else "0.00001"
