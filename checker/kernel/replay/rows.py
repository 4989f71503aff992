"""The row-wise functions of a circuit, for protocols that compute what its rows do (Theorem 3.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from checker.kernel.replay.circuit import Evaluation, seen_rows, sparse, validity
from checker.kernel.replay.enclosures import Number
from checker.kernel.replay.expressions import Fault, Scope, Vector
from checker.kernel.replay.heads import Heads, Row, Vectors
from checker.language.diagnostics import Span
from checker.models.circuit import Circuit, Layer
from checker.models.protocol import words_of


@dataclass
class _Here:
    """A row in a layer: what its heads see, and those of their vectors that have been asked for."""

    row: Vector  # kept, so that no other vector gets its id
    scope: Scope
    heads: dict[int, Vectors] = field(default_factory=dict)
    whole: dict[tuple[int, str], Vector] = field(default_factory=dict)


class RowFunctions:
    """query, key, value, attends and readout of one circuit. Whether its numbers fit is not asked: messages store numbers."""

    def __init__(self, c: Circuit) -> None:
        self.c = c.at("softmax") if c.rung == "rounded" else c
        self.words = words_of(c.outputs)
        self.run = Evaluation(self.c, {}, Heads(self.c, None, validity(self.c)))
        self.known: dict[tuple[int, int, int], _Here] = {}

    def __call__(self, function: str, numbers: tuple[int, ...], row: Vector, span: Span) -> bool | Number | Vector:
        i = numbers[-2] if function == "attends" else numbers[-1]
        if i not in self.c.rows:
            raise Fault(f"there is no row {i} of {self.c.name}", span)
        if len(row) > self.c.width:
            raise Fault(f"expected at most {self.c.width} coordinates, found {len(row)}", span)
        if function == "readout":
            return self.readout(i, row, span)
        if not 1 <= numbers[0] <= len(self.c.layers):
            raise Fault(f"there is no layer {numbers[0]} of {self.c.name}", span)
        layer = self.c.layers[numbers[0] - 1]
        if function == "attends":
            return numbers[-1] in seen_rows(layer.mask, self.c.rows, self.c.functions)[i]
        h = numbers[1]
        if not 1 <= h <= len(layer.heads):
            raise Fault(f"there is no head {h} in layer {numbers[0]} of {self.c.name}", span)
        here = self.here(numbers[0], layer, i, row)
        if (h, function) not in here.whole:
            if h not in here.heads:
                here.heads[h] = self.run.vectors(layer.heads[h - 1], here.scope)
            here.whole[h, function] = self.dense(getattr(here.heads[h], function))
        return here.whole[h, function]

    def dense(self, row: Row) -> Vector:
        found: list[Number] = [0] * self.c.width
        for k, x in row.items():
            found[k - 1] = x
        return tuple(found)

    def here(self, n: int, layer: Layer, i: int, row: Vector) -> _Here:
        key = (n, i, id(row))
        if key not in self.known:
            self.run.at(i, sparse(row))
            self.known[key] = _Here(row, self.run.for_heads(layer.local, i))
        return self.known[key]

    def readout(self, i: int, row: Vector, span: Span) -> int:
        if not 1 <= i <= len(self.words):
            raise Fault(f"row {i} of {self.c.name} puts out no word", span)
        self.run.at(i, sparse(row))
        return self.run.output(i, *self.words[i - 1])
