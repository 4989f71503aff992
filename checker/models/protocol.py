"""A protocol at fixed parameters (Def. 2.3): everything static is a number, loops of rounds are unrolled."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from checker.language import syntax as s
from checker.language.diagnostics import Span
from checker.models.hashing import once

if TYPE_CHECKING:
    from checker.models.circuit import Circuit


@dataclass(frozen=True, slots=True)
class Array:
    """An input or output array: `size` numbers, each in low..high."""

    name: str
    size: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """A vector of `count` numbers, each a word: a multiple of `step`, of size less than 2^(p-1) steps. Real ones have no step."""

    count: int
    step: Fraction | None


@dataclass(frozen=True, slots=True)
class MessageType:
    """A tag, the range (low, high) of each of its words, and the vector of numbers behind them, if there is one."""

    tag: str
    words: tuple[tuple[int, int], ...]
    numbers: Numbers | None = None

    @property
    def cost(self) -> int:
        """How many words it has."""
        return len(self.words) + (0 if self.numbers is None else self.numbers.count)

    @property
    def real(self) -> bool:
        """Does it carry real numbers?"""
        return self.numbers is not None and self.numbers.step is None


@dataclass(frozen=True, slots=True)
class Round:
    """Local_r, then delivery. `keeps` are invariants of the state at the start of the round."""

    name: str
    keeps: tuple[s.Expr, ...]
    body: tuple[s.Statement, ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """q machines of s words of p bits; R = len(rounds) + 1 local functions, the last of them `finish`.

    Word w of the packed input lies on machine ceil(w / s), and so does word w of the output. A message costs its words and
    `address` words more; if these are not 0, input and output lie floor(s / (1 + address)) words a machine. Local functions
    may call the row-wise functions of `circuits` (Theorem 3.4).
    """

    name: str
    word: int
    memory: int
    machines: int
    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]
    requires: tuple[s.Expr, ...]
    messages: tuple[MessageType, ...]
    rounds: tuple[Round, ...]
    finish: tuple[s.Statement, ...]
    functions: tuple[s.FunctionDefinition, ...] = ()
    circuits: tuple[Circuit, ...] = ()
    address: int = 0

    _hash: list[int] = field(default_factory=list, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return once(self)

    @property
    def numeric(self) -> bool:
        """Do messages carry numbers that are not whole?"""
        return any(m.numbers is not None for m in self.messages)

    @property
    def rung(self) -> str:
        """How it computes: exact without numbers; with them softmax (real numbers) or rounded (all are multiples of a step)."""
        return "exact" if not self.numeric else "softmax" if any(m.real for m in self.messages) else "rounded"

    def at(self, rung: str) -> Protocol:
        """The same protocol on a lower rung, or on its own. Raises `ValueError` if it does not have the numbers of the rung."""
        if rung == self.rung:
            return self
        if (self.rung, rung) != ("rounded", "softmax"):
            raise ValueError(f"{self.name} computes at {self.rung}")
        messages = tuple(replace(m, numbers=m.numbers and Numbers(m.numbers.count, None)) for m in self.messages)
        rounds = tuple(replace(r, body=_unrounded(r.body)) for r in self.rounds)
        return replace(self, messages=messages, rounds=rounds, finish=_unrounded(self.finish))

    @property
    def packing(self) -> int:
        """Words of the input, or of the output, on one machine: each takes the place of a word and of an address."""
        return self.memory // (1 + self.address)

    def cost(self, tag: str) -> int:
        """How many words a message costs that is sent."""
        return self.message(tag).cost + self.address

    @property
    def words_in(self) -> int:
        return sum(a.size for a in self.inputs)

    @property
    def words_out(self) -> int:
        return sum(a.size for a in self.outputs)

    def message(self, tag: str) -> MessageType:
        return next(m for m in self.messages if m.tag == tag)


def held(arrays: tuple[Array, ...], name: str, machine: int, memory: int) -> range:
    """The indices of array `name` that lie on a machine when the arrays are packed `memory` words a machine."""
    offset = 0
    for array in arrays:
        if array.name == name:
            return range(max(1, memory * (machine - 1) + 1 - offset), min(memory * machine - offset, array.size) + 1)
        offset += array.size
    raise KeyError(name)


def words_of(arrays: tuple[Array, ...]) -> list[tuple[str, int]]:
    """The packed order: word w (0-based place in the list) is entry k of array a."""
    return [(a.name, k) for a in arrays for k in range(1, a.size + 1)]


def _unrounded(node: Any) -> Any:
    """The tree with the vector (e) in the place of stored(e, step)."""
    if isinstance(node, s.Call) and node.function == "stored":
        return s.Vector((_unrounded(node.arguments[0]),), span=node.span)
    if isinstance(node, tuple):
        return tuple(_unrounded(x) for x in node)
    if is_dataclass(node) and not isinstance(node, (type, Span)):
        return replace(node, **{f.name: _unrounded(getattr(node, f.name)) for f in fields(node) if f.name != "span"})
    return node
