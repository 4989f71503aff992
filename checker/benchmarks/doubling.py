"""The question that the baselines answer: does pointer doubling by messages give the same as its attention layers?

`spec/pointer_doubling.lks` with T doublings on n machines, as one formula for the whole run, over all permutations `next`.
By messages, a machine looks for the message to it, sender by sender. By attention at the rung exact, it attends to all rows whose
set of destinations it is in, and hears what they have for it together. Scores, packets and rounding are left out, and so are
the memory bounds: the question is easier than what lockstep proves. Machines are numbered from 0 here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

W = TypeVar("W")
Read = Callable[[Sequence[Sequence[W]], int, Sequence[W], int], W]


@dataclass(frozen=True, slots=True)
class Slip:
    """A planted error: in doubling `round` (from 0), on one side, `machine` sends its bwd where it should send its fwd."""

    attention: bool
    round: int
    machine: int


class Machines(Protocol[W]):
    """How a machine reads, in some logic: destinations[k][j] is where machine j sends its k-th message."""

    def number(self, i: int) -> W: ...

    def searched(self, destinations: Sequence[Sequence[W]], k: int, values: Sequence[W], i: int) -> W:
        """The value of the first machine whose k-th message goes to i."""
        ...

    def heard(self, destinations: Sequence[Sequence[W]], k: int, values: Sequence[W], i: int) -> W:
        """All k-th messages to i of the machines that send to i at all, together."""
        ...


def run(m: Machines[W], following: Sequence[W], doublings: int, attention: bool, slip: Slip | None = None) -> list[W]:
    """`far` after all rounds, read in one of the two ways."""
    read: Read[W] = m.heard if attention else m.searched
    every = range(len(following))
    me = [m.number(i) for i in every]
    fwd = list(following)
    bwd = [read([me, fwd], 1, me, i) for i in every]  # the round mirror; fwd goes to oneself
    for t in range(doublings):
        sent = list(fwd)
        if slip is not None and (slip.attention, slip.round) == (attention, t):
            sent[slip.machine] = bwd[slip.machine]
        to = [bwd, fwd]
        fwd, bwd = [read(to, 0, sent, i) for i in every], [read(to, 1, bwd, i) for i in every]
    return fwd


@dataclass(frozen=True, slots=True)
class Answer:
    """`same` on every input, or a permutation (0-based) where the two sides differ."""

    same: bool
    model: tuple[int, ...] = ()
