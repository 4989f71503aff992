"""Who decides how a valid head rounds (Def. A.1): deterministic choices with a name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Place:
    """A coordinate of a head's output: layer, head, and coordinate count from 1; rows have their numbers.

    `validity`: it is the last one of a packet, by which the packet is found clean (Lemma 3.2).
    """

    layer: int
    head: int
    row: int
    coordinate: int
    validity: bool = False


class Choice(Protocol):
    """The valid values of a coordinate, in units of 2^-f: all integers from `low` to `high`."""

    @property
    def low(self) -> int: ...
    @property
    def high(self) -> int: ...
    @property
    def nearest(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Adversary:
    """`pick` chooses one of the valid values; `name` says how: with every head `name`."""

    name: str
    pick: Callable[[Place, Choice], int]

    def __str__(self) -> str:
        return f"with every head {self.name}"


NEAREST = Adversary("rounded to the nearest", lambda place, choice: choice.nearest)
UP = Adversary("rounded up", lambda place, choice: choice.high)
DOWN = Adversary("rounded down", lambda place, choice: choice.low)


def _alternating(place: Place, choice: Choice) -> int:
    return choice.high if (place.layer + place.head + place.row + place.coordinate) % 2 else choice.low


ALTERNATE = Adversary("rounded up and down in turn", _alternating)
FAINT = Adversary(
    "rounded down in the validity coordinates and up elsewhere",
    lambda place, choice: choice.low if place.validity else choice.high,
)
LOUD = Adversary(
    "rounded up in the validity coordinates and down elsewhere",
    lambda place, choice: choice.high if place.validity else choice.low,
)


def random(seed: int) -> Adversary:
    """Up or down by a hash of the place: the same in every run."""

    def pick(place: Place, choice: Choice) -> int:
        text = f"{seed},{place.layer},{place.head},{place.row},{place.coordinate}"
        return choice.high if crc32(text.encode()) & 1 else choice.low

    return Adversary(f"rounded at random with seed {seed}", pick)


def from_table(table: dict[Place, int], otherwise: Adversary = NEAREST) -> Adversary:
    """Entry k of the table: the (k + 1)-th smallest valid value (or the largest, if there are fewer)."""

    def pick(place: Place, choice: Choice) -> int:
        return min(choice.low + table[place], choice.high) if place in table else otherwise.pick(place, choice)

    return Adversary(f"rounded by a table of {len(table)} coordinates, elsewhere {otherwise.name}", pick)


ADVERSARIES = (DOWN, UP, NEAREST, FAINT, LOUD, ALTERNATE, random(1), random(2))
