"""A circuit with one number changed is proved only if it still computes the same on every input."""

from __future__ import annotations

import re
from random import Random

import pytest
from helpers import circuit, compiled_text, library, proof, protocol, replaced, verdict, wrong_inputs

from checker.kernel.by_replay import by_enumeration, violated
from checker.kernel.enumeration import every_input
from checker.kernel.judgements import Simulates
from checker.language.diagnostics import SpecError
from checker.models.protocol import Protocol
from checker.proving.falsifier import suspicious
from checker.proving.obligations import Prover

INSTANCES = [
    ("tree_sum", 4, 2, 1), ("prefix_sums", 4, 2, 1), ("maximum", 4, 2, 1), ("broadcast", 4, 2, 1),
    ("pointer_doubling", 4, 1), ("one_or_two_cycles", 4), ("sort", 3, 2, 1), ("histogram", 2, 3, 2),
    ("random_walks", 2, 1),
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
    words = Random(3).choice(list(every_input(p.inputs, p.requires, p.functions)))
    for text in mutants(compiled_text(p), 4, EACH):
        try:
            j = Simulates(circuit(text), p)
        except SpecError:
            continue
        assert suspicious(j, words) == (violated(j, words) is not None), text

# ---- mutants with a name ------------------------------------------------------------------------

CLEAR = """    head clear {
      query (2 * self, 1);
      key (self, -self^2);
      value -row;
    }
"""
# Machine 2 receives nothing. Without a start token it would hear the others, and 2, 3 and 4 average to a message for it.
LONELY = """protocol lonely { word 1; memory 1; machines 4; input x[1] in word; output y[4] in word; message one(word);
  round send { if self > 1 { send one(1) to (if self == 2 then 1 else self); } }
  finish { y[self] = count(one); } }"""


def refuted(p: Protocol, text: str) -> None:
    j = Simulates(circuit(text), p)
    assert proof(j) is None
    assert verdict(j).verdict == "REFUTED"


def table(text: str, rows: list[str]) -> str:
    """The text with its selector written out as a table."""
    changed = re.sub(r"selector \w+\([\d, ]+\);", "selector table { " + ", ".join(f'"{r}"' for r in rows) + " };", text)
    assert changed != text
    return changed


@pytest.mark.parametrize("instance", INSTANCES[:5], ids=lambda i: i[0])
def test_every_layer_but_one_at_most_needs_its_clear_head(instance: tuple[str, int]) -> None:
    """In a first round `deal` the input words happen to do no harm: the rules do not see that, enumeration may."""
    p = library(*instance)
    parts = compiled_text(p).split(CLEAR)
    assert len(parts) == len(p.rounds) + 3
    harmless = 0
    for k in range(1, len(parts)):
        j = Simulates(circuit(CLEAR.join(parts[:k]) + CLEAR.join(parts[k:])), p)
        wrong = next(wrong_inputs(j), None)
        assert proof(j) is None
        assert verdict(j, timeout=20.0).verdict == ("PROVED" if wrong is None else "REFUTED"), wrong
        harmless += wrong is None
    assert harmless <= (p.rounds[0].name == "deal")


def test_a_start_token_is_needed_where_nothing_is_heard() -> None:
    p = protocol(LONELY)
    text = table(compiled_text(p, "identity", "hadamard"), ["1"] * 16)
    assert proof(Simulates(circuit(text), p)) is not None
    refuted(p, replaced(text, "  start;\n", ""))


@pytest.mark.parametrize(("old", "new"), [
    ("query (hadamard(self, 2), 1) when self in 1..2", "query (hadamard(3 - self, 2), 1) when self in 1..2"),
    ("query (hadamard(self, 2), 1) when self in 1..2", "query (hadamard(self, 2), 1) when self in 2..2"),
    ("query (2 * self, 1) when self in 1..2", "query (2 * (self - 1), 1) when self in 1..2"),
    ("query (2 * self, 1);", "query (2 * (self + 1), 1);"),
])
def test_a_query_off_by_one_is_refuted(old: str, new: str) -> None:
    p = library("tree_sum", 4, 2, 1)
    refuted(p, replaced(compiled_text(p), old, new))


def test_a_collecting_query_off_by_one_is_refuted() -> None:
    p = library("prefix_sums", 4, 2, 1)
    refuted(p, replaced(compiled_text(p), "query (2 * ceil(self / 2), 1)", "query (2 * (ceil(self / 2) - 1), 1)"))


def test_a_flipped_entry_of_the_table_makes_two_messages_collide() -> None:
    """Machines 1 and 2 send to 1: rows 1 and 5. With one more 1 row 5 covers row 1, and what machine 1 sends is lost."""
    p = library("tree_sum", 4, 2, 1)
    rows = ["0" * k + "1" + "0" * (7 - k) for k in range(8)]
    assert proof(Simulates(circuit(table(compiled_text(p), rows)), p)) is not None
    rows[4] = "1" + rows[4][1:]
    refuted(p, table(compiled_text(p), rows))
