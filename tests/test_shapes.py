"""Shapes of a compiled circuit: who clears the residual stream, and who applies the last local function."""

from __future__ import annotations

from itertools import islice

import pytest
from helpers import circuit, library, proof, protocol, replaced, verdict, wrong_inputs

from checker.compilers.protocol_to_circuit import transformer
from checker.elaboration.library import load_text
from checker.elaboration.models import sizes
from checker.kernel.judgements import Delivers, Simulates
from checker.kernel.replay.circuit import replay_circuit
from checker.kernel.replay.protocol import replay_protocol
from checker.kernel.routing_rules import routing_head
from checker.language.diagnostics import SpecError
from checker.models import printing
from checker.models.circuit import Circuit
from checker.proving.inputs import random_inputs
from checker.proving.routings import search_routing
from checker.semantics import circuits as fast

INSTANCES = [
    ("tree_sum", 8, 2, 2), ("prefix_sums", 6, 2, 1), ("maximum", 9, 3, 2), ("broadcast", 6, 2, 2), ("pointer_doubling", 5, 1),
    ("one_or_two_cycles", 4),
]
SHAPES = [("head", "fused"), ("fresh", "separate"), ("fresh", "fused")]
MANY_ROUNDS = [("tree_sum", 5, 2, 1), ("prefix_sums", 4, 2, 1), ("pointer_doubling", 3, 1), ("broadcast", 5, 2, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i[0])
def test_shapes_compute_what_the_protocol_computes(instance: tuple[str, int], shape: tuple[str, str]) -> None:
    p = library(*instance)
    c = transformer(p, clear=shape[0], final=shape[1]).at("exact")
    for words in islice(random_inputs(p.inputs, p.requires, p.functions, 5), 12):
        expected = replay_protocol(p, words).outputs
        found = replay_circuit(c, words)
        assert found.fault is None and found.outputs == expected, words
        quick = fast.run(c, dict(words))[1]
        assert quick == {(a, k): v for a, values in expected.items() for k, v in enumerate(values, 1)}, words


@pytest.mark.parametrize("shape", [("head", "separate"), *SHAPES])
def test_numbers_suffice_without_messages(shape: tuple[str, str]) -> None:
    """What the layers before have left where the output goes counts, also where no decoder asks for more bits."""
    p = protocol("""protocol constant { word 1; memory 1; machines 2; input x[2] in word; output y[2] in word;
      round r { } finish { y[self] = 1; } }""")
    assert proof(Simulates(transformer(p, clear=shape[0], final=shape[1]), p)) is not None


@pytest.mark.parametrize("instance", INSTANCES, ids=lambda i: i[0])
def test_sizes(instance: tuple[str, int]) -> None:
    """One layer less if fused, one head less without clearing; with coordinates of its own for every round the rows are wide."""
    p = library(*instance)
    usual, fused, own = transformer(p), transformer(p, final="fused"), transformer(p, clear="fresh")
    assert sizes(fused)["depth"] == sizes(p)["rounds"] == sizes(usual)["depth"] - 1
    assert sizes(own)["heads"] == sizes(usual)["heads"] - 1
    block = usual.packets[0]
    one = fast.pk.columns(block.selector) * usual.packet_width(block)
    assert own.width == 1 + p.memory + len(p.rounds) * one + p.memory
    assert [x.at for x in own.packets] == [2 + p.memory + r * one for r in range(len(p.rounds))]


@pytest.mark.parametrize("final", ["separate", "fused"])
@pytest.mark.parametrize("instance", MANY_ROUNDS, ids=lambda i: i[0])
def test_no_clearing_is_refuted(instance: tuple[str, int], final: str) -> None:
    p = library(*instance)
    assert verdict(Simulates(transformer(p, clear="none", final=final).at("exact"), p)).verdict == "REFUTED"


@pytest.mark.parametrize("final", ["separate", "fused"])
@pytest.mark.parametrize("instance", MANY_ROUNDS, ids=lambda i: i[0])
def test_two_layers_that_share_a_block_are_refuted(instance: tuple[str, int], final: str) -> None:
    p = library(*instance)
    c = transformer(p, clear="fresh", final=final).at("exact")
    text = printing.text(c)
    first, second = c.packets[:2]
    mutant = circuit(replaced(text, f"packets mail_2 of {', '.join(second.tags)} at {second.at} {{",
                              f"packets mail_2 of {', '.join(second.tags)} at {first.at} {{"))
    assert verdict(Simulates(mutant, p)).verdict == "REFUTED"


@pytest.mark.parametrize("machine", ["self", "1", "ceil(self / 2) + 1", "ceil((self + 1) / 2)", "self / 2"])
def test_tokens_that_finish_as_other_machines_are_refuted(machine: str) -> None:
    p = library("prefix_sums", 4, 2, 1)
    text = printing.text(transformer(p, final="fused").at("exact"))
    right = Simulates(circuit(text), p)
    assert verdict(right).verdict == "PROVED" and not list(wrong_inputs(right))
    assert verdict(Simulates(circuit(replaced(text, "as ceil(self / 2)", f"as {machine}")), p)).verdict == "REFUTED"


def test_tokens_that_hear_for_other_machines_are_refuted() -> None:
    p = library("prefix_sums", 4, 2, 1)
    text = printing.text(transformer(p, final="fused").at("exact"))
    mutant = replaced(text, "(hadamard(ceil(self / 2), 4), 1) when self in 1..4", "(hadamard(self, 4), 1) when self in 1..4")
    found = verdict(Simulates(circuit(mutant), p))
    assert found.verdict == "REFUTED" and found.witness is not None
    assert "machine 1 = token 2:" in "\n".join(found.witness.table)


FINISH = """
circuit c { word 2; tokens 3; start; width 8; input x[3] in word; output y[2] in word; output z[1] in word;
  layer one { head copy { query (2 * self, 1); key (self, -self^2); value unit(2, row[1]); } }
  finish 1..3 as ceil(self / 2) reads x[k] = row[2] for k in self..self {
    if self == 1 { y[1] = x[1]; y[2] = x[1]; } else { z[1] = x[2]; y[1] = 0; }
  }
}
"""


def test_a_row_knows_its_machine_and_gives_its_own_word_only() -> None:
    """Row 2 acts as machine 1 and calls its own word x[1]; what row 3 assigns to y[1] is ignored."""
    c = circuit(FINISH)
    words = {"x": (1, 2, 3)}
    assert replay_circuit(c, words).outputs == {"y": (1, 2), "z": (3,)}
    assert replay_circuit(c, words).machines == {1: 1, 2: 1, 3: 2}
    assert fast.run(c, words)[1] == {("y", 1): 1, ("y", 2): 2, ("z", 1): 3}


@pytest.mark.parametrize(("old", "new", "message"), [
    ("z[1] = x[2];", "", "does not assign z[1]"), ("as ceil(self / 2)", "as self / 2", "1/2"),
    ("y[2] = x[1];", "y[2] = 4;", "0..3"), ("y[2] = x[1];", "y[2] = x[1]; y[1] = 1;", "y[1] is assigned"),
])
def test_faults_of_finish(old: str, new: str, message: str) -> None:
    c = circuit(replaced(FINISH, old, new))
    run = replay_circuit(c, {"x": (1, 2, 3)})
    assert run.fault is not None and message in run.fault.message and "in the output" in run.fault.place
    with pytest.raises(fast.Fault):
        fast.run(c, {"x": (1, 2, 3)})


@pytest.mark.parametrize(("old", "new", "code"), [
    ("output z[1] in word;", "output z[1] in word = row[1];", "DECLARATION"), ("z[1] = x[2];", "send part(1) to 1;", "PLACE"),
    ("as ceil(self / 2)", "as row[1]", "NAME"), ("as ceil(self / 2)", "as self > 2", "TYPE"), ("1..3 as", "1..2 as", "RANGE"),
    ("1..3 as", "2..3 as", "RANGE"), ("as ceil(self / 2)", "", "SYNTAX"), ("reads x[k]", "reads mail reads x[k]", "NAME"),
    ("  layer one", "  finish 1..3 as self { }\n  layer one", "DECLARATION"),
])
def test_problems_of_finish(old: str, new: str, code: str) -> None:
    with pytest.raises(SpecError) as error:
        circuit(replaced(FINISH, old, new))
    assert code in [d.code for d in error.value.diagnostics]
    assert all(d.span.line > 0 for d in error.value.diagnostics)


def test_every_output_must_be_read_off() -> None:
    text = FINISH[: FINISH.index("  finish")] + "}"
    with pytest.raises(SpecError) as error:
        load_text(text)
    assert [d.message.split(",")[0] for d in error.value.diagnostics] == [
        "expected `= readout` behind output y", "expected `= readout` behind output z"]




def last_route(c: Circuit) -> Delivers:
    """The judgement about the layer whose packets the tokens of the output words read."""
    return routing_head(c, len(c.layers) - 1, c.packets[-1])


@pytest.mark.parametrize("rung", ["exact", "rounded"])
@pytest.mark.parametrize("instance", MANY_ROUNDS[1:], ids=lambda i: f"{i[0]}{i[1]}")
def test_tokens_hear_what_their_machines_would_hear(instance: tuple[str, int], rung: str) -> None:
    """Several tokens read as one machine; machines without output words are read by none."""
    j = last_route(transformer(library(*instance), final="fused").at(rung))
    assert search_routing(j, 60, 3.0).witness is None
    assert verdict(j).verdict == "PROVED"


@pytest.mark.parametrize("rung", ["exact", "rounded"])
@pytest.mark.parametrize("machine", ["self", "1", "3 - ceil(self / 2)"])
def test_tokens_that_query_for_other_machines_do_not_get_their_mail(machine: str, rung: str) -> None:
    c = transformer(library("prefix_sums", 4, 2, 1), final="fused").at(rung)
    text = printing.text(c)
    right = "(hadamard(ceil(self / 2), 4), 1) when self in 1..4"
    found = verdict(last_route(circuit(replaced(text, right, right.replace("ceil(self / 2)", machine)))))
    assert found.verdict == "REFUTED" and found.witness is not None
    assert "as machine" in found.witness.summary
