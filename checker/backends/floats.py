"""An attention circuit in ordinary floating point: numpy arrays, softmax(scale * Q K^T) V, X += ...

Local functions run on the whole numbers that rows decode to. This is no proof of anything: it is how such a circuit behaves
on the arithmetic that people use. Whole batches of inputs run at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np

from checker.backends import forms
from checker.backends.forms import Affine, Reading
from checker.language import syntax as s
from checker.models.circuit import Circuit, Layer, Packets
from checker.models.protocol import Array, words_of
from checker.semantics import circuits as sem
from checker.semantics import packets as pk
from checker.semantics import terms as t
from checker.semantics.cyclotomic import Number
from checker.semantics.expressions import Fault, Message, Scope, Vec, evaluate
from checker.semantics.masks import visible
from checker.semantics.values import Unsupported

DTYPES = ("float64", "float32")
BATCH_NUMBERS = 4_000_000
BATCH = 1_024

Words = dict[str, tuple[int, ...]]
Floats = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class FloatRun:
    """The output words, or why there are none."""

    outputs: Words
    fault: Fault | None = None


def run_many(c: Circuit, inputs: Iterable[Words], dtype: str = "float64") -> list[FloatRun]:
    """The output words on each input. Raises `ValueError` if the circuit has no scale or the dtype is none of `DTYPES`."""
    machine = FloatCircuit(c, dtype)
    return list(machine.run(list(inputs)))


class FloatCircuit:
    """A circuit ready to run. What does not depend on data is computed once; local functions are remembered by what they read."""

    def __init__(self, c: Circuit, dtype: str = "float64") -> None:
        if c.scale is None:
            raise ValueError(f"{c.name} has no scale: softmax attention needs one")
        if dtype not in DTYPES:
            raise ValueError(f"expected a dtype of {', '.join(DTYPES)}, found {dtype}")
        self.c, self.dtype = c, np.dtype(dtype)
        self.first, self.rows = c.rows.start, len(c.rows)
        self.scale = self.dtype.type(c.scale)
        self.layers = [_Layer(self, layer) for layer in c.layers]
        last = (c.finish.machine,) * len(c.outputs) if c.finish is not None and c.finish.machine is not None else c.readouts
        expressions = dict(zip((a.name for a in c.outputs), last, strict=True))
        self.words = dict(enumerate(words_of(c.outputs), 1))
        self.readouts = [
            (array, w, None if c.finish is not None else forms.reading(c, expressions[name], w))
            for w, (name, _) in self.words.items()
            for array in c.outputs
            if array.name == name
        ]
        self.expressions = expressions

    def run(self, inputs: Sequence[Words]) -> Iterator[FloatRun]:
        size = max(1, min(BATCH, BATCH_NUMBERS // (self.rows * self.c.width)))
        for start in range(0, len(inputs), size):
            with np.errstate(all="ignore"):  # infinities and NaN end as faults
                yield from self._batch(inputs[start : start + size])

    def _batch(self, inputs: Sequence[Words]) -> list[FloatRun]:
        faults: dict[int, Fault] = {}
        x = self.initial(inputs)
        for layer in self.layers:
            x = layer.apply(x, faults)
        columns = [self._read(x, array, w, reading, faults) for array, w, reading in self.readouts]
        return [self._result(b, columns, faults) for b in range(len(inputs))]

    def initial(self, inputs: Sequence[Words]) -> Floats:
        """X^0 of every input: (inputs, rows, width)."""
        x = np.zeros((len(inputs), self.rows, self.c.width), self.dtype)
        words = np.array([[w for a in self.c.inputs for w in given[a.name]] for given in inputs], self.dtype)
        x[:, 1 - self.first : 1 - self.first + words.shape[1], 0] = words
        return x

    def _read(self, x: Floats, array: Array, w: int, reading: Reading | None, faults: dict[int, Fault]) -> list[Any]:
        span = self.expressions[array.name].span
        if reading is not None:
            return number_list(self.read(x, w - self.first, reading))
        found: list[Any] = []
        for b in range(len(x)):
            try:
                row = exact_row(x[b, w - self.first])
                if self.c.finish is not None:
                    found.append(sem.finished(self.c, w, self.words[w], row))
                else:
                    scope = Scope({"self": w, "row": row}, sem.functions_of(self.c))
                    found.append(evaluate(self.expressions[array.name], scope))
            except (Fault, Unsupported, OverflowError, ValueError) as e:
                faults.setdefault(b, e if isinstance(e, Fault) else Fault(str(e), span))
                found.append(None)
        return found

    def read(self, x: Floats, place: int, r: Reading) -> Floats:
        total = np.full(len(x), float(r.constant), self.dtype)
        for source, k in r.parts:
            total = total + self.dtype.type(k) * x[:, place, source - 1]
        return np.floor(total + self.dtype.type(0.5)) if r.rounded else total

    def _result(self, b: int, columns: list[list[Any]], faults: dict[int, Fault]) -> FloatRun:
        if b in faults:
            return FloatRun({}, faults[b])
        found: dict[str, list[int]] = {a.name: [] for a in self.c.outputs}
        for (array, _, _), column in zip(self.readouts, columns, strict=True):
            try:
                found[array.name].append(word(column[b], array, self.expressions[array.name]))
            except Fault as fault:
                return FloatRun({}, fault)
        return FloatRun({name: tuple(words) for name, words in found.items()})


class _Layer:
    """One layer: the local function of each row, remembered, and the heads."""

    def __init__(self, whole: FloatCircuit, layer: Layer) -> None:
        self.whole, self.layer, self.c = whole, layer, whole.c
        seen = visible(layer.mask, self.c.rows, self.c.functions)
        self.hidden = None if layer.mask is None else np.array([[j not in seen[i] for j in self.c.rows] for i in self.c.rows])
        self.heads = [_Head(whole, self, head.query, head.key, head.value) for head in layer.heads]
        self.states: list[list[sem.RowState | Fault]] = [[sem.RowState(Vec({}, self.c.width))] for _ in self.c.rows]
        self.known: list[dict[object, int]] = [{} for _ in self.c.rows]
        self.readings: dict[int, list[tuple[Array, int, Reading, s.ReadsInput]] | None] = {}
        if layer.local is not None:
            for i in range(layer.local.low, layer.local.high + 1):
                self.readings[i] = self._readings(i, layer.local.reads)

    def _readings(
        self, i: int, reads: tuple[s.ReadsPackets | s.ReadsInput, ...]
    ) -> list[tuple[Array, int, Reading, s.ReadsInput]] | None:
        """How row i reads its input words, or None if that is no matter of rounding and linear maps."""
        found: list[tuple[Array, int, Reading, s.ReadsInput]] = []
        base = Scope({"self": i, "row": forms.unknown_row(self.c, i)}, sem.functions_of(self.c))
        for r in reads:
            if isinstance(r, s.ReadsInput):
                try:
                    low, high = evaluate(r.low, base), evaluate(r.high, base)
                    if not (isinstance(low, int) and isinstance(high, int)):
                        return None
                    array = next(a for a in self.c.inputs if a.name == r.array)
                    for k in range(low, high + 1):
                        reading = forms.reading(self.c, r.value, i, **{r.variable: k})
                        if reading is None or not 1 <= k <= array.size:
                            return None
                        found.append((array, k, reading, r))
                except (Fault, Unsupported):
                    return None
        return found

    # ---- local functions ------------------------------------------------------------------------

    def apply(self, x: Floats, faults: dict[int, Fault]) -> Floats:
        ids = np.zeros(x.shape[:2], np.int64)
        if self.layer.local is not None:
            self._local(x, ids, faults)
        result = x
        for head in self.heads:
            result = result + head.attend(x, ids, faults)
        return result

    def _local(self, x: Floats, ids: np.ndarray[Any, Any], faults: dict[int, Fault]) -> None:
        local = self.layer.local
        assert local is not None
        blocks = [self.c.block(r.packets) for r in local.reads if isinstance(r, s.ReadsPackets)]
        mail = [self._mail(x, p, local.low, local.high) for p in blocks]
        for i in range(local.low, local.high + 1):
            place = i - self.whole.first
            readings = self.readings[i]
            words = None if readings is None else self._words(x, place, readings)
            for b in range(len(x)):
                if words is None:
                    key: object = (b, x[b, place].tobytes())
                else:
                    key = (words[b], *(m.get((b, i), ()) for m in mail))
                number = self.known[place].get(key)
                if number is None:
                    number = self._learn(x, b, i, None if words is None else words[b], blocks, mail)
                    self.known[place][key] = number
                state = self.states[place][number]
                if isinstance(state, Fault):
                    faults.setdefault(b, state)
                else:
                    ids[b, place] = number

    def _words(self, x: Floats, place: int, readings: list[tuple[Array, int, Reading, s.ReadsInput]]) -> list[tuple[float, ...]]:
        """The input words that the row reads, for each input."""
        columns = [self.whole.read(x, place, r) for _, _, r, _ in readings]
        return [tuple(row) for row in np.stack(columns, 1).tolist()] if columns else [()] * len(x)

    def _mail(self, x: Floats, p: Packets, low: int, high: int) -> dict[tuple[int, int], tuple[tuple[float, ...], ...]]:
        """The clean packets for each (input, machine), scaled and rounded (Lemma 3.2, decoding)."""
        width, count, dtype = self.c.packet_width(p), pk.columns(p.selector), self.whole.dtype
        block = x[:, low - self.whole.first : high + 1 - self.whole.first, p.at - 1 : p.at - 1 + count * width]
        block = block.reshape(*block.shape[:2], count, width)
        weights = block[..., -1]
        heard = weights > dtype.type(p.heard)
        least = np.where(heard, weights, dtype.type(np.inf)).min(-1)
        reciprocals = np.array([1 / k for k in range(1, p.messages + 1)], dtype)
        senders = (np.abs(least[..., None] - reciprocals).argmin(-1) + 1).astype(dtype)
        half = dtype.type(0.5)
        clean = heard.any(-1)[..., None] & (np.floor(senders[..., None] * weights + half) == 1)
        destination = np.floor(senders[..., None] * block[..., width - 3] + half)
        clean &= destination == np.arange(low, high + 1, dtype=dtype)[:, None]
        b, r, j = np.nonzero(clean)
        fields = np.floor(senders[b, r][:, None] * block[b, r, j] + half).tolist()
        found: dict[tuple[int, int], tuple[tuple[float, ...], ...]] = {}
        for b_, i, packet in zip(b.tolist(), (r + low).tolist(), fields, strict=True):
            found[b_, i] = (*found.get((b_, i), ()), tuple(packet))
        return found

    def _learn(
        self, x: Floats, b: int, i: int, words: tuple[float, ...] | None, blocks: list[Packets], mail: list[dict[Any, Any]]
    ) -> int:
        """Run the local function of row i and give what it does a number."""
        place = i - self.whole.first
        state: sem.RowState | Fault
        try:
            if words is None:
                found = sem.inputs_read(self.c, self.layer, i, exact_row(x[b, place]))
            else:
                found = {r.array: {} for r in self.layer.local.reads if isinstance(r, s.ReadsInput)}  # type: ignore[union-attr]
                for (array, k, _, r), value in zip(self.readings[i] or (), words, strict=True):
                    found[r.array][k] = word(value, array, r)
            inbox = tuple(m for p, box in zip(blocks, mail, strict=True) for m in self._inbox(p, box.get((b, i), ())))
            effect = sem.run_row(self.c, self.layer, i, found, inbox, [])
            state = sem.RowState(Vec({}, self.c.width), inbox, effect.sent, effect.assigned)
        except Fault as fault:
            state = fault
        except (Unsupported, OverflowError, ValueError) as e:
            state = Fault(f"row {i}: {e}")
        self.states[place].append(state)
        return len(self.states[place]) - 1

    def _inbox(self, p: Packets, packets: tuple[tuple[float, ...], ...]) -> list[Message]:
        longest = self.c.longest(p)
        found: dict[tuple[int, int, int], Message] = {}
        for packet in dict.fromkeys(packets):
            if not all(map(isfinite, packet)):
                continue
            fields = [int(f) for f in packet]
            number, source, _, count = fields[longest : longest + 4]
            if not 1 <= number <= len(p.tags):
                continue
            kind = self.c.message(p.tags[number - 1])
            words = fields[: len(kind.words)]
            if all(low <= w <= high for w, (low, high) in zip(words, kind.words, strict=True)):
                found.setdefault((number, source, count), Message(kind.tag, tuple(words), source))
        return [found[key] for key in sorted(found)]


class _Head:
    """A head: queries, keys and values, each a part that may depend on the row and on what the row sends and assigns."""

    def __init__(
        self, whole: FloatCircuit, layer: _Layer, query: tuple[s.Case, ...], key: tuple[s.Case, ...], value: tuple[s.Case, ...]
    ) -> None:
        self.whole, self.hidden = whole, layer.hidden
        self.query, self.key, self.value = (_Part(whole, layer, cases) for cases in (query, key, value))
        self.weights: Floats | None = None

    def attend(self, x: Floats, ids: np.ndarray[Any, Any], faults: dict[int, Fault]) -> Floats:
        """softmax(scale * Q K^T) V of every input: (inputs, rows, width)."""
        weights = self.weights
        if weights is None:
            q, k = (part.array(x, ids, faults) for part in (self.query, self.key))
            width = max(self._used(q), self._used(k), 1)
            scores = self.whole.scale * np.matmul(q[..., :width], np.swapaxes(k[..., :width], -1, -2))
            weights = softmax(scores if self.hidden is None else np.where(self.hidden, self.whole.dtype.type(-np.inf), scores))
            if q.ndim == 2 and k.ndim == 2:
                self.weights = weights
        out: Floats = np.matmul(weights, self.value.array(x, ids, faults))
        return out

    @staticmethod
    def _used(a: Floats) -> int:
        """The number of coordinates up to the last one that is not zero everywhere."""
        used = np.nonzero(a.reshape(-1, a.shape[-1]).any(0))[0]
        return int(used[-1]) + 1 if len(used) else 0


def softmax(scores: Floats) -> Floats:
    """Along the last axis; the largest score is taken away first, as everybody does."""
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    found: Floats = weights / weights.sum(-1, keepdims=True)
    return found


class _Part:
    """A query, key or value of every row."""

    def __init__(self, whole: FloatCircuit, layer: _Layer, cases: tuple[s.Case, ...]) -> None:
        self.whole, self.layer, self.cases, self.c = whole, layer, cases, whole.c
        self.effects = layer.layer.local is not None and forms.depends_on_effects(whole.c, cases)
        self.forms: dict[tuple[int, int], Affine | Fault | None] = {}
        self.static: Floats | None = None

    def form(self, place: int, number: int) -> Affine | Fault | None:
        key = (place, number if self.effects else 0)
        if key not in self.forms:
            state = self.layer.states[place][number if self.effects else 0]
            assert not isinstance(state, Fault)
            try:
                self.forms[key] = forms.vector_form(self.c, self.cases, place + self.whole.first, state)
            except Fault as fault:
                self.forms[key] = fault
        return self.forms[key]

    def array(self, x: Floats, ids: np.ndarray[Any, Any], faults: dict[int, Fault]) -> Floats:
        """(rows, width) if it is the same for all inputs, else (inputs, rows, width)."""
        if self.static is not None:
            return self.static
        if not self.effects:
            all_forms = [self.form(place, 0) for place in range(self.whole.rows)]
            if all(isinstance(f, Affine) and f.constant for f in all_forms):
                self.static = np.stack([self._constants(f) for f in all_forms])  # type: ignore[arg-type]
                return self.static
            shared = {f.multiple for f in all_forms if isinstance(f, Affine) and not f.constants and not f.mapped}
            if len(shared) == 1 and all(isinstance(f, Affine) and not f.constants and not f.mapped for f in all_forms):
                multiples: Floats = self.whole.dtype.type(as_float(shared.pop())) * x
                return multiples
        result = np.zeros(x.shape, x.dtype)
        for place in range(self.whole.rows):
            numbers, inverse = np.unique(ids[:, place] if self.effects else ids[:1, place] * 0, return_inverse=True)
            found = [self.form(place, int(n)) for n in numbers]
            if all(isinstance(f, Affine) and f.constant for f in found):
                table = np.stack([self._constants(f) for f in found])  # type: ignore[arg-type]
                result[:, place] = table[inverse]
                continue
            for n, f in enumerate(found):
                where = np.nonzero(inverse == n)[0] if self.effects else np.arange(len(x))
                result[where, place] = self._apply(f, x[where, place], place, int(numbers[n]), where, faults)
        return result

    def _constants(self, f: Affine) -> Floats:
        row = np.zeros(self.c.width, self.whole.dtype)
        for place, k in f.constants:
            row[place - 1] = as_float(k)
        return row

    def _apply(
        self,
        f: Affine | Fault | None,
        rows: Floats,
        place: int,
        number: int,
        where: np.ndarray[Any, Any],
        faults: dict[int, Fault],
    ) -> Floats:
        if isinstance(f, Affine):
            dtype = self.whole.dtype
            result: Floats = self._constants(f) + dtype.type(as_float(f.multiple)) * rows
            for out, source, k in f.mapped:
                result[:, out - 1] += dtype.type(as_float(k)) * rows[:, source - 1]
            return result
        result = np.zeros(rows.shape, rows.dtype)
        for n, b in enumerate(where.tolist()):
            if isinstance(f, Fault):
                faults.setdefault(b, f)
                continue
            state = self.layer.states[place][number]
            assert not isinstance(state, Fault)
            try:
                seen = sem.RowState(exact_row(rows[n]), state.inbox, state.sent, state.assigned)
                found = sem.select(self.cases, sem.row_scope(self.c, place + self.whole.first, seen), self.c.width)
                for k, value in found.entries.items():
                    result[n, k - 1] = as_float(value)  # type: ignore[arg-type]
            except (Fault, Unsupported, OverflowError, ValueError) as e:
                faults.setdefault(b, e if isinstance(e, Fault) else Fault(str(e)))
        return result


# ---- numbers ------------------------------------------------------------------------------------------


def as_float(x: Number) -> float:
    """The nearest float; what is too large is infinite."""
    try:
        return float(x)
    except OverflowError:
        return float("inf") if x > 0 else float("-inf")


def exact_row(row: Floats) -> Vec:
    """A row of floats as the exact numbers that they are. Raises `ValueError` or `OverflowError` where one is none."""
    return Vec({k: Fraction(float(x)) for k, x in enumerate(row.tolist(), 1) if x != 0}, len(row))


def number_list(column: Floats) -> list[float]:
    found: list[float] = column.tolist()
    return found


def word(value: Any, array: Array, e: s.Expr | s.ReadsInput) -> int:
    """A word of the array. Raises `Fault`."""
    if isinstance(value, float):
        if not isfinite(value):
            raise Fault(f"expected a word of {array.name} in {array.low}..{array.high}, found {value}", e.span)
        value = Fraction(value)
    found = sem.in_type(value, array, e.span)
    assert t.is_whole(found)
    return int(found)  # type: ignore[arg-type]
