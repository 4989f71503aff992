"""A circuit with one number changed is proved only if it still computes the same on every input."""

from __future__ import annotations

import re
from random import Random

import pytest
from helpers import circuit, compiled_text, library, proof, protocol, replaced, verdict

from checker.kernel.enumeration import by_enumeration, every_input, violated
from checker.kernel.judgements import Simulates
from checker.language.diagnostics import SpecError
from checker.models.protocol import Protocol
from checker.proving.falsifier import suspicious
from checker.proving.obligations import Prover

INSTANCES = [
    ("tree_sum", 4, 2, 1), ("prefix_sums", 4, 2, 1), ("maximum", 4, 2, 1), ("broadcast", 4, 2, 1),
    ("pointer_doubling", 4, 1), ("one_or_two_cycles", 4),
]
EACH = 13


def mutants(text: str, seed: int, count: int) -> list[str]:
    """Circuits that differ in one number token: one more, one less or something else."""
    random, begin = Random(seed), text.index("circuit ")
    places = list(re.finditer(r"\b\d+\b", text[begin:]))
    found: dict[str, None] = {}
    while len(found) < count:
        place = random.choice(places)
        old = int(place.group())
        new = random.choice([old + 1, old - 1, random.randrange(12)])
        if new >= 0 and new != old:
            found[text[: begin + place.start()] + str(new) + text[begin + place.end() :]] = None
    return list(found)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i[0])
def test_a_proved_mutant_is_right_on_every_input(instance: tuple[str, int], seed: int) -> None:
    p, prover, refused = library(*instance), Prover(), 0
    assert proof(Simulates(circuit(compiled_text(p)), p), prover) is not None
    for text in mutants(compiled_text(p), seed, EACH):
        try:
            j = Simulates(circuit(text), p)
        except SpecError:
            refused += 1
            continue
        if proof(j, prover) is None:
            refused += 1
        else:
            by_enumeration(j, 5_000)
    assert refused > EACH / 2


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i[0])
def test_evaluator_and_replay_agree_on_mutants(instance: tuple[str, int]) -> None:
    p = library(*instance)
    words = Random(3).choice(list(every_input(p)))
    for text in mutants(compiled_text(p), 4, EACH):
        try:
            j = Simulates(circuit(text), p)
        except SpecError:
            continue
        assert suspicious(j, words) == (violated(j, words) is not None), text
