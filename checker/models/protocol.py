"""A protocol at fixed parameters (Def. 2.3): everything static is a number, loops of rounds are unrolled."""

from __future__ import annotations

from dataclasses import dataclass

from checker.language import syntax as s


@dataclass(frozen=True, slots=True)
class Array:
    """An input or output array: `size` numbers, each in low..high."""

    name: str
    size: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class MessageType:
    """A tag and the range (low, high) of each of its words. It costs `len(words)` words."""

    tag: str
    words: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Round:
    """Local_r, then delivery. `keeps` are invariants of the state at the start of the round."""

    name: str
    keeps: tuple[s.Expr, ...]
    body: tuple[s.Statement, ...]


@dataclass(frozen=True, slots=True)
class Protocol:
    """q machines of s words of p bits; R = len(rounds) + 1 local functions, the last of them `finish`.

    Word w of the packed input lies on machine ceil(w / s), and so does word w of the output.
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
