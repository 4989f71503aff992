"""An attention circuit at fixed parameters (Defs. 2.1, 2.2): closed expressions, layers unrolled."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction

from checker.language import syntax as s
from checker.models.hashing import once
from checker.models.protocol import Array, MessageType

RUNGS = ("exact", "softmax", "rounded")


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
    """What rows low..high compute from what they read off their row, each as the machine of its number.

    In `finish` each row does so as `machine`, an expression over `self`, the row.
    """

    low: int
    high: int
    reads: tuple[s.ReadsPackets | s.ReadsInput, ...]
    body: tuple[s.Statement, ...]
    machine: s.Expr | None = None


@dataclass(frozen=True, slots=True)
class Head:
    name: str
    query: tuple[s.Case, ...]
    key: tuple[s.Case, ...]
    value: tuple[s.Case, ...]


@dataclass(frozen=True, slots=True)
class Layer:
    """The mask, over `self` and `other`, says which rows a row may attend to; None is all of them."""

    name: str
    local: Local | None
    heads: tuple[Head, ...]
    mask: s.Expr | None = None


@dataclass(frozen=True, slots=True)
class Circuit:
    """Rows 1..tokens + blank, and row 0 if there is a start token; m = width coordinates a row.

    X^0 has input word w in coordinate 1 of row w and 0 elsewhere; output word w is its array's readout at row w, or with
    `finish` (then there are no readouts) what the local function of `finish` assigns to that word at row w.

    Heads: hardmax without `scale`; with scale c the softmax of c times the scores. With `fraction` f and `integer` i every
    number of Q (times c), K, V and X is a multiple of 2^-f of size less than 2^i, and every coordinate of a head's output
    may be off by up to 2^-f: any such output is valid (Def. A.1).
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
    scale: int | None = None
    fraction: int | None = None
    integer: int | None = None
    finish: Local | None = None

    _hash: list[int] = field(default_factory=list, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return once(self)

    @property
    def rung(self) -> str:
        """How it computes: exact, softmax or rounded."""
        return "exact" if self.scale is None else "softmax" if self.fraction is None else "rounded"

    @property
    def precision(self) -> int | None:
        """p', bits of a number: integer part, fraction and sign (Def. A.1)."""
        return None if self.fraction is None or self.integer is None else self.integer + self.fraction + 1

    def at(self, rung: str) -> Circuit:
        """The same circuit on a lower rung, or on its own. Raises `ValueError` if it lacks the numbers that the rung needs."""
        if RUNGS.index(rung) > RUNGS.index(self.rung):
            raise ValueError(f"{self.name} has no {'scale' if self.scale is None else 'fraction'}")
        scale = None if rung == "exact" else self.scale
        return replace(self, scale=scale) if rung == self.rung else replace(self, scale=scale, fraction=None, integer=None)

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
