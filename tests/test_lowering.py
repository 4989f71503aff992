"""Scale, fraction and integer bits of compiled circuits, lowered step by step: what the rules still prove is right for every
way to round that is tried, and the lowest numbers are refuted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from itertools import islice

import pytest
from helpers import library, proof, verdict

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.by_replay import violated, violated_by
from checker.kernel.enumeration import every_input
from checker.kernel.judgements import Simulates
from checker.kernel.replay.adversaries import ADVERSARIES, DOWN, UP, Place
from checker.kernel.replay.circuit import replay_all
from checker.kernel.replay.protocol import replay_protocol
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.obligations import Prover

INSTANCES = [
    ("tree_sum", 2, 2, 1), ("tree_sum", 3, 2, 1), ("maximum", 2, 2, 1), ("broadcast", 3, 2, 1), ("prefix_sums", 2, 2, 1),
    ("sort", 2, 2, 1), ("pointer_doubling", 2, 1), ("one_or_two_cycles", 2), ("histogram", 1, 3, 2), ("random_walks", 1, 1),
]
Chosen = Callable[[Place], bool]


@cache
def compiled(*instance: int | str) -> tuple[Circuit, Protocol]:
    name, *arguments = instance
    p = library(name, *arguments)
    return transformer(p), p


def wrong(c: Circuit, p: Protocol) -> list[str]:
    """What all adversaries find at all inputs; in wide circuits, where a run takes long, two of them at the last input."""
    words, adversaries = list(every_input(p.inputs, p.requires, p.functions)), ADVERSARIES
    if c.width > 500:
        words, adversaries = words[-1:], (UP, DOWN)
    found = [violated_by(Simulates(c, p), x, adversary) for x in words for adversary in adversaries]
    return [x for x in found if x is not None]


def steps(c: Circuit, what: str) -> Iterator[Circuit]:
    """The number as it is, one less, and so on down to 0."""
    for n in range(getattr(c, what), -1, -1):
        yield replace(c, **{what: n})


@pytest.mark.parametrize("what", ["fraction", "scale"])
@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: "-".join(map(str, i)))
def test_lowered_step_by_step(instance: tuple[int | str, ...], what: str) -> None:
    (c, p), prover = compiled(*instance), Prover()
    proved = [x for x in steps(c, what) if proof(Simulates(x, p), prover) is not None]
    assert proved == list(islice(steps(c, what), len(proved))) and proved[0] == c
    assert [wrong(x, p) for x in proved] == [[]] * len(proved)
    lowest = replace(c, **{what: 0})
    found = verdict(Simulates(lowest, p))
    assert found.verdict == "REFUTED" and found.witness is not None
    assert violated(Simulates(lowest, p), dict(found.witness.inputs)) == found.witness.summary


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: "-".join(map(str, i)))
def test_integer_bits_are_needed(instance: tuple[int | str, ...]) -> None:
    c, p = compiled(*instance)
    assert proof(Simulates(replace(c, integer=c.integer - 1), p)) is None


def border(c: Circuit, p: Protocol) -> Iterator[Circuit]:
    """For some numbers of fraction bits the least scale that is proved: where the bounds leave the least room."""
    prover = Prover()
    for fraction in (c.fraction, c.fraction + 1, c.fraction + 3):
        proved = [x for n in range(c.scale + 1) if proof(Simulates(x := replace(c, fraction=fraction, scale=n), p), prover)]
        yield from proved[:1]


@pytest.mark.parametrize("instance", [INSTANCES[k] for k in (1, 3, 5, 6)], ids=lambda i: i[0])
def test_least_scale_for_a_fraction(instance: tuple[int | str, ...]) -> None:
    c, p = compiled(*instance)
    least = list(border(c, p))
    assert len(least) == 3 and len({x.scale for x in least}) > 1
    assert all(wrong(x, p) == [] for x in least)


# ---- every choice -------------------------------------------------------------------------------


def row_1(place: Place) -> bool:
    """tree_sum of two words: what machine 1 hears, and the coordinate of token 1 that is read out."""
    return place.row == 1 and (place.layer == 1 or place.coordinate == 1)


def lone_packet(place: Place) -> bool:
    """broadcast to two machines: the word and the validity of the packet from machine 1 to 2, in row 2."""
    return (place.layer, place.row) == (2, 2) and place.coordinate in (13, 18)


def every_choice(c: Circuit, p: Protocol, chosen: Chosen) -> Iterator[bool]:
    """Is the output right? For all inputs, with all choices at some places and all others rounded down."""
    for words in every_input(p.inputs, p.requires, p.functions):
        expected = replay_protocol(p, words).outputs
        yield from (run.fault is None and run.outputs == expected for run in replay_all(c, words, chosen, DOWN))


@pytest.mark.parametrize(("instance", "chosen"), [(("tree_sum", 2, 2, 1), row_1), (("broadcast", 3, 2, 1), lone_packet)])
def test_every_choice(instance: tuple[int | str, ...], chosen: Chosen) -> None:
    c, p = compiled(*instance)
    found = list(every_choice(next(border(c, p)), p, chosen))
    assert len(found) > 50 and all(found)
    assert not all(every_choice(replace(c, fraction=2), p, chosen))
    assert not all(every_choice(replace(c, scale=1), p, chosen))
