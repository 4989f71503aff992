"""Is a floating-point format enough for a circuit? A bound on all rounding errors, from the exact queries, keys and ranges.

The standard model of floating point: every operation is off by a factor 1 + d with |d| <= u, the unit roundoff, and sums are
taken in any order. A yes is meant to hold for every input: each row then decodes to the words that it holds on exact numbers
(where the circuit is right on those, with hardmax, and rounds only what is whole there). A no says that the bound is too weak:
wrong answers usually begin somewhat later. It is no judgement of the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import comb, exp, inf, lcm
from typing import Any, NamedTuple

import numpy as np

from checker.backends import forms
from checker.backends.forms import Affine
from checker.language import syntax as s
from checker.models.circuit import Circuit, Head, Layer, Packets
from checker.models.protocol import words_of
from checker.semantics import circuits as sem
from checker.semantics import packets as pk
from checker.semantics.cyclotomic import Cyclotomic, Rational
from checker.semantics.expressions import Fault, Scope, Vec, evaluate
from checker.semantics.machines import Sent
from checker.semantics.values import Unsupported

MANTISSA = {"float64": 53, "float32": 24}  # bits, the hidden one included
LARGEST = {"float64": 1.7e308, "float32": 3.4e38}
MAX_KEYS = 20_000
CHUNK = 4_000_000

Integers = np.ndarray[Any, Any]


class Enough(NamedTuple):
    ok: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Spread:
    """What a head may do wrong on any row: weight that goes to rows that lose, and how uneven the weights of winners are."""

    leak: float
    uneven: float
    own: bool  # every row attends to itself and to nothing else
    reason: str


class _Value(NamedTuple):
    """The coordinates of a head's values: the largest size, how far apart two rows may be, the error that is taken over, and
    whether none is negative on exact numbers."""

    size: float
    apart: float
    inherited: float
    positive: bool


class _Undecided(Exception):
    pass


def enough(c: Circuit, dtype: str) -> Enough:
    """Whether floating-point softmax in this dtype at the circuit's scale gives the output words that it has on exact numbers.

    Raises `ValueError` if the circuit has no scale or the dtype is unknown.
    """
    if c.scale is None or dtype not in MANTISSA:
        raise ValueError(f"expected a scale and a dtype of {', '.join(MANTISSA)}")
    try:
        return _Bounds(c, dtype).follow()
    except _Undecided as reason:
        return Enough(False, f"not decided: {reason}")
    except (Fault, Unsupported) as reason:
        return Enough(False, f"not decided: {reason}")
    except OverflowError:
        return Enough(False, "queries, keys or scores are beyond all floating-point numbers")


class _Bounds:
    """Bounds on the size and the error of the residual stream, layer by layer."""

    def __init__(self, c: Circuit, dtype: str) -> None:
        self.c, self.dtype, self.bits = c, dtype, MANTISSA[dtype]
        self.u = 2.0**-self.bits
        self.known: dict[tuple[object, ...], Spread] = {}
        self.rows = len(c.rows)
        self.counts = {p.at + k * c.packet_width(p) - 1 for p in c.packets for k in range(1, pk.columns(p.selector) + 1)}

    def follow(self) -> Enough:
        c, u = self.c, self.u
        size = float(max((abs(x) for a in c.inputs for x in (a.low, a.high)), default=0))
        error = share = u * size if size >= 2.0**self.bits else 0.0  # of a coordinate, and of a weight that counts packets
        why, slack, weight, positive = "", 0.0, 0.0, True  # ranges begin at 0 or above
        for layer in c.layers:
            if layer.mask is not None:
                raise _Undecided(f"layer {layer.name} has a mask")
            used, reads = self._reads(layer, error, share, size)
            slack = max(slack, used)
            if used >= 1:
                return self._no(layer.name, reads, why)
            new, grown, shares, counted, cleared, worst, signs = 0.0, 0.0, 0.0, 0.0, False, -1.0, positive
            for head in layer.heads:
                spread = self._spread(layer, head)
                if spread.leak > 1 / 2:
                    return Enough(False, f"layer {layer.name}, head {head.name}: {spread.reason}")
                value = self._value(layer, head, size, error, positive)
                uneven = spread.uneven + (2 * self.rows + 8) * u
                off = spread.leak * value.apart + uneven * value.size
                if off > worst:
                    worst, why = off, f"layer {layer.name}, head {head.name}: {spread.reason}"
                takes = spread.own and self._takes_away(layer, head)
                cleared, signs = cleared or takes, signs and (takes or value.positive)
                new, grown = new + off + value.inherited, grown + (0.0 if takes else value.size)
                weighs = self._weighs(layer, head, value, weight)
                if weighs is not None:
                    one_sided = value.positive or (positive and self._takes_away(layer, head))
                    shares += spread.leak * ((1 if one_sided else 2) * weighs + 2 * share) + uneven * (weighs + share)
                    shares, counted = shares + value.inherited, counted + (0.0 if takes else weighs)
            adds = len(layer.heads) * u * (2 * size + grown)
            error = new + adds + (0.0 if cleared else error)
            share = shares + adds + (0.0 if cleared else share)
            size, positive = grown + error + (0.0 if cleared else size), signs
            weight = counted + (0.0 if cleared else weight)
            if not size < LARGEST[self.dtype]:
                return Enough(False, f"layer {layer.name}: numbers up to {size:.2g}")
        used, reads = self._outputs(error, size)
        slack = max(slack, used)
        if used >= 1:
            return self._no("output", reads, why)
        return Enough(True, f"errors stay below {slack:.2g} of what rounding in the circuit mends")

    def _no(self, where: str, reads: str, why: str) -> Enough:
        return Enough(False, f"{where}: {reads}; {why}" if why else f"{where}: {reads}")

    # ---- what is read -------------------------------------------------------------------------------

    def _reads(self, layer: Layer, error: float, share: float, size: float) -> tuple[float, str]:
        """The error over what decoding mends (1 is too much), and what it is about."""
        found = (0.0, "")
        if layer.local is None:
            return found
        for r in layer.local.reads:
            if isinstance(r, s.ReadsPackets):
                found = max(found, self._packets(self.c.block(r.packets), error, share))
            else:
                for i in range(layer.local.low, layer.local.high + 1):
                    base = Scope({"self": i, "row": forms.unknown_row(self.c, i)}, sem.functions_of(self.c))
                    for k in range(int(evaluate(r.low, base)), int(evaluate(r.high, base)) + 1):
                        reading = forms.reading(self.c, r.value, i, **{r.variable: k})
                        found = max(found, self._reading(reading, error, size, f"{r.array}[{k}] on row {i}"))
        return found

    def _packets(self, p: Packets, error: float, share: float) -> tuple[float, str]:
        """Decoding: a lone packet is told from nothing, the number of senders from others, and fields are rounded."""
        b, u = p.messages, self.u
        heard = float(p.heard)
        fields = 2 * (b * error + 4 * u * b * self._field(p))
        room = min(heard, 1 / b - heard, 1 / (2 * b * (b + 1)) - 4 * u)
        weights = share / room if room > 0 else inf
        if weights > fields:
            return weights, f"the weights of packets {p.name} are off by up to {share:.2g}"
        return fields, f"a field of packets {p.name}, times {b}, is off by up to {fields / 2:.2g}"

    def _field(self, p: Packets) -> float:
        words = [x for tag in p.tags for low, high in self.c.message(tag).words for x in (abs(low), abs(high))]
        return float(max([p.machines, p.messages, len(p.tags), *words]))

    def _reading(self, r: forms.Reading | None, error: float, size: float, what: str) -> tuple[float, str]:
        if r is None or not r.rounded:
            raise _Undecided(f"{what} is read without round(...) of a linear map of the row")
        factor = sum(abs(float(k)) for _, k in r.parts)
        off = factor * error + (len(r.parts) + 3) * self.u * (factor * size + abs(float(r.constant)))
        return 2 * off, f"{what} is off by up to {off:.2g}"

    def _outputs(self, error: float, size: float) -> tuple[float, str]:
        readouts = dict(zip((a.name for a in self.c.outputs), self.c.readouts, strict=True))
        found = (0.0, "")
        for w, (name, k) in enumerate(words_of(self.c.outputs), 1):
            found = max(found, self._reading(forms.reading(self.c, readouts[name], w), error, size, f"{name}[{k}]"))
        return found

    # ---- values ---------------------------------------------------------------------------------------

    def _value(self, layer: Layer, head: Head, size: float, error: float, positive: bool) -> _Value:
        """What a head averages, on a stream with errors whose exact coordinates are within `size` and perhaps none negative."""
        if layer.local is not None and forms.depends_on_effects(self.c, head.value):
            largest = max((self._plain(case.value) for case in head.value), default=0.0)
            return _Value(largest, largest, 0.0, True)  # ranges begin at 0 or above
        found, most, inherited = 0.0, 0.0, 0.0
        for i in self.c.rows:
            form = self._form(head.value, i)
            places: dict[int, float] = {}
            for place, _, k in form.mapped:
                places[place] = places.get(place, 0.0) + abs(float(k))
            factor = max(places.values(), default=0.0) + abs(float(form.multiple))
            rounds = (len(form.mapped) + 2) * self.u if form.mapped or form.multiple not in (0, 1, -1) else 0.0
            constant = max((abs(float(k)) for _, k in form.constants), default=0.0)
            found, most = max(found, factor * size + constant), max(most, factor)
            inherited = max(inherited, factor * error + rounds * (factor * size + constant) + self.u * constant)
            positive = positive and all(k >= 0 for k in (*(k for *_, k in form.mapped), *(k for _, k in form.constants)))
        apart = found + most * error if positive else 2 * found
        if self._takes_away(layer, head):
            return _Value(found, apart, 0.0, False)
        positive = positive and all(self._form(head.value, i).multiple >= 0 for i in self.c.rows)
        return _Value(found, apart if positive else 2 * found, inherited, positive)

    def _weighs(self, layer: Layer, head: Head, value: _Value, weight: float) -> float | None:
        """How much a head adds to the coordinates that count packets, whose size is `weight` so far; None if it leaves them."""
        if layer.local is not None and forms.depends_on_effects(self.c, head.value):
            outputs = forms.names_in(head.value) & {a.name for a in self.c.outputs}
            return value.size if outputs else 1.0
        written = [self._form(head.value, i) for i in self.c.rows]
        if any({*(x for x, *_ in f.mapped), *(x for x, _ in f.constants)} & self.counts for f in written):
            return value.size
        multiple = max(abs(float(f.multiple)) for f in written)
        return multiple * weight if multiple else None

    def _plain(self, e: s.Expr) -> float:
        """The largest coordinate of a value made of packets and output words as they are."""
        match e:
            case s.Number(value):
                return abs(float(value))
            case s.Call("packed", (s.Name(name),)):
                return self._field(self.c.block(name))
            case s.Index(name) if any(a.name == name for a in self.c.outputs):
                return float(max(abs(x) for a in self.c.outputs if a.name == name for x in (a.low, a.high)))
            case s.Vector(items):
                return max((self._plain(x) for x in items), default=0.0)
            case s.Reduce("vector", body, _, None):
                return self._plain(body)
        raise _Undecided("a value that computes with what a row sends or assigns")

    def _takes_away(self, layer: Layer, head: Head) -> bool:
        """Is the value -row, on every row?"""
        match head.value:
            case (s.Case(s.Unary("-", s.Name("row")), None),):
                return True
        return False

    def _form(self, cases: tuple[s.Case, ...], i: int, destinations: tuple[Sent, ...] = ()) -> Affine:
        form = forms.vector_form(self.c, cases, i, sem.RowState(Vec({}, self.c.width), (), destinations))
        if form is None:
            raise _Undecided("a query, key or value is no linear map of the row")
        return form

    # ---- scores ---------------------------------------------------------------------------------------

    def _spread(self, layer: Layer, head: Head) -> Spread:
        effects = layer.local is not None and forms.depends_on_effects(self.c, head.key)
        key = (head.query, head.key, (layer.local.low, layer.local.high) if effects and layer.local is not None else None)
        if key not in self.known:
            self.known[key] = self._measure(layer, head, effects)
        return self.known[key]

    def _measure(self, layer: Layer, head: Head, effects: bool) -> Spread:
        """From every query, and every key that some row may have."""
        if forms.names_in(head.query) & {*forms.EFFECTS, *(a.name for a in self.c.outputs)}:
            raise _Undecided(f"the queries of head {head.name} depend on data")
        queries = [self._static(head.query, i) for i in self.c.rows]
        local = range(layer.local.low, layer.local.high + 1) if effects and layer.local is not None else range(0)
        fixed = {i: self._static(head.key, i) for i in self.c.rows if i not in local}
        varied = list(dict.fromkeys(self._varied(head, local))) if effects else []
        width = max((max(k) for k in (*queries, *fixed.values(), *map(dict, varied)) if k), default=1)
        q, dq = integers(queries, width)
        k, dk = integers([*fixed.values(), *map(dict, varied)], width)
        return self._separate(q, k, dq * dk, list(fixed), len(varied) > 0)

    def _static(self, cases: tuple[s.Case, ...], i: int, sent: tuple[Sent, ...] = ()) -> dict[int, Rational]:
        form = self._form(cases, i, sent)
        if not form.constant:
            raise _Undecided("queries and keys that depend on the row")
        found: dict[int, Rational] = {}
        for place, x in form.constants:
            if isinstance(x, Cyclotomic):
                raise _Undecided("queries and keys with irrational numbers")
            found[place] = x
        return found

    def _varied(self, head: Head, local: range) -> Iterator[tuple[tuple[int, Rational], ...]]:
        """The keys of rows that may send, for every set of destinations."""
        names = forms.names_in(head.key)
        blocks = [p for p in self.c.packets if p.name in names]
        if "packed" in names or any(a.name in names for a in self.c.outputs) or len(blocks) != 1:
            raise _Undecided(f"the keys of head {head.name} depend on more than destinations")
        p = blocks[0]
        most = min(p.messages, p.machines)
        kinds = list(local) if any("self" in forms.names_in(case.value) for case in head.key) else self._kinds(head, local)
        sets = sum(comb(p.machines, size) for size in range(most + 1))
        if sets * len(kinds) > MAX_KEYS:
            raise _Undecided(f"head {head.name} has {sets * len(kinds):,} keys, more than {MAX_KEYS:,}")
        words = tuple(low for low, _ in self.c.message(p.tags[0]).words)
        for i in kinds:
            for size in range(most + 1):
                for chosen in combinations(range(1, p.machines + 1), size):
                    sent = tuple(Sent(p.tags[0], words, d, True) for d in chosen)
                    yield tuple(sorted(self._static(head.key, i, sent).items()))

    def _kinds(self, head: Head, local: range) -> list[int]:
        """One row for each case that rows take; all rows if that depends on destinations."""
        conditions = [case.condition for case in head.key if case.condition is not None]
        if any("destinations" in forms.names_in(e) for e in conditions):
            return list(local)
        kinds: dict[int | None, int] = {}
        for i in local:
            scope = sem.row_scope(self.c, i, sem.RowState(Vec({}, self.c.width)))
            taken = (n for n, x in enumerate(head.key) if x.condition is None or evaluate(x.condition, scope))
            kinds.setdefault(next(taken, None), i)
        return list(kinds.values())

    def _separate(self, q: Integers, k: Integers, denominator: int, fixed: list[int], varied: bool) -> Spread:
        """The worst row. Scores are s / denominator; `size` is the same with absolute values, which bounds partial sums."""
        assert self.c.scale is not None
        c, u = float(self.c.scale), self.u
        terms = int(max((q != 0).sum(1).max(initial=0), 1))
        roundings = (terms + 2) * u / (1 - (terms + 2) * u)
        exact = 2.0**self.bits if denominator & (denominator - 1) == 0 else 0.0
        rows, leak, uneven, own = len(fixed), 0.0, 0.0, not varied and fixed == list(self.c.rows)
        worst = (inf, 0.0, 0.0, 0.0)  # what is left of the margin, the margin, the error of the top score, the largest sum
        step = max(1, CHUNK // max(1, len(k)))
        for start in range(0, len(q), step):
            part = q[start : start + step]
            score, size = (np.asarray(x, np.float64) for x in (part @ k.T, abs(part) @ abs(k).T))
            dot = np.where(size <= exact, 0.0, roundings * size)
            off = (c * dot + np.where((dot == 0) & (c * size <= exact), 0.0, 2 * u * c * (abs(score) + dot))) / denominator
            for n in range(len(part)):
                values, errors = score[n], off[n]
                floor = values[:rows].max() if rows else -inf
                for top in np.unique(values[values >= floor]) if varied else (floor,):
                    error = float(errors[values == top].max())
                    lower = values < top
                    many = varied or int((values == top).sum()) > 1
                    own = own and not many and bool(values[start + n] == top)
                    below = c * (top - values[lower]) / denominator * (1 - u) - errors[lower] - error
                    left = below.min() if lower.any() else inf
                    lost = self._lost(below, int(lower[:rows].sum())) if left > 0 else 0.0
                    leak = max(leak, lost / (1 + lost) if left > 0 else 1.0)
                    uneven = max(uneven, (exp(2 * error) - 1 if error < 300 else inf) if many else 0.0)
                    if left < worst[0]:
                        gap = float(top - values[lower].max()) / denominator
                        worst = (left, c * gap, error, c * float(size[n].max()) / denominator)
        _, apart, error, largest = worst
        text = (
            f"scores times the scale have sums up to {largest:.3g}, are off by up to {error:.2g} and {apart:.4g} apart,"
            f" so rows that lose may get {leak:.2g} of the weight"
        )
        return Spread(leak, uneven, own, text)

    def _lost(self, below: np.ndarray[Any, Any], fixed: int) -> float:
        """The weight of the losers if a winner weighs 1: the first `fixed` of them stand on one row each, others on any row."""
        others = (self.rows - fixed - 1) * exp(-below[fixed:].min()) if len(below) > fixed else 0.0
        return float(np.exp(-below[:fixed]).sum()) + others


def integers(vectors: list[dict[int, Rational]], width: int) -> tuple[Integers, int]:
    """Vectors over one common denominator, as machine integers where all dot products with others fit, else as Python's."""
    denominator = lcm(*(x.denominator for v in vectors for x in v.values()))
    largest = max((abs(int(x * denominator)) for v in vectors for x in v.values()), default=0)
    small = largest < 2**31 // max(1, width)
    found = np.zeros((len(vectors), width), np.int64 if small else object)
    for n, v in enumerate(vectors):
        for place, x in v.items():
            found[n, place - 1] = int(x * denominator)
    return found, denominator
