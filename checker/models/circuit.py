"""An attention circuit at fixed parameters (Defs. 2.1, 2.2): closed expressions, layers unrolled."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from checker.language import syntax as s
from checker.models.protocol import Array, MessageType


@dataclass(frozen=True, slots=True)
class Selector:
    """A named 0/1 matrix with its parameters, or a table of rows (Fact B.2)."""

    name: str
    arguments: tuple[int, ...] = ()
    rows: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Packets:
    """A block of the residual stream that carries messages (Lemma 3.2).

    d packets of `packet_width` coordinates, from coordinate `at` (1-based) on. A packet is
    (words padded to the longest, type, source, destination, number, 1); messages of the types `tags`,
    at most `messages` sent and received by each of the machines 1..machines.
    """

    name: str
    tags: tuple[str, ...]
    at: int
    machines: int
    messages: int
    selector: Selector
    heard: Fraction


@dataclass(frozen=True, slots=True)
class Local:
    """What rows low..high compute from what they read off their row."""

    low: int
    high: int
    reads: tuple[s.ReadsPackets | s.ReadsInput, ...]
    body: tuple[s.Statement, ...]


@dataclass(frozen=True, slots=True)
class Head:
    name: str
    query: tuple[s.Case, ...]
    key: tuple[s.Case, ...]
    value: tuple[s.Case, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    name: str
    local: Local | None
    heads: tuple[Head, ...]


@dataclass(frozen=True, slots=True)
class Circuit:
    """Rows 1..tokens + blank, and row 0 if there is a start token; m = width coordinates a row.

    X^0 has input word w in coordinate 1 of row w and 0 elsewhere; output word w is its array's readout at row w.
    """

    name: str
    word: int
    tokens: int
    blank: int
    width: int
    start: bool
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    readouts: tuple[s.Expr, ...]
    requires: tuple[s.Expr, ...]
    messages: tuple[MessageType, ...]
    packets: tuple[Packets, ...]
    layers: tuple[Layer, ...]
    functions: tuple[s.FunctionDefinition, ...] = ()

    @property
    def rows(self) -> range:
        return range(0 if self.start else 1, self.tokens + self.blank + 1)

    def message(self, tag: str) -> MessageType:
        return next(m for m in self.messages if m.tag == tag)

    def block(self, name: str) -> Packets:
        return next(p for p in self.packets if p.name == name)

    def longest(self, packets: Packets) -> int:
        """The number of words of the longest message that the block carries."""
        return max(len(self.message(t).words) for t in packets.tags)

    def packet_width(self, packets: Packets) -> int:
        """Coordinates of one packet: words, then type, source, destination, number and the validity token."""
        return self.longest(packets) + 5
