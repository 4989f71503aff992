"""The bounds below the rung exact: they are on the right side, they count every head, and no rule does without them."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction

import mpmath
import pytest
from helpers import circuit, library, proof, protocol, replaced

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.judgements import Delivers, LayerStep, Simulates
from checker.kernel.layer_rules import layer_step, simulates
from checker.kernel.proofs import NotProved
from checker.kernel.replay.circuit import replay_circuit
from checker.kernel.routing_rules import delivers, routing_head
from checker.kernel.softmax_lemma import statements
from checker.language.parser import parse_expression
from checker.models import printing
from checker.proving.obligations import Prover, obligation
from checker.semantics.precision import decay, growth

SWAP = """protocol swap { word 8; memory 1; machines 2; input x[2] in word; output y[2] in word; message m(word);
  round r { send m(sum(x[k] for k in held(x))) to 3 - self; }
  finish { y[self] = only(m); } }"""
# It mentions messages, in a case that is never taken, but adds its row to itself.
DOUBLING = """    head again_{} {{
      query (2 * self, 1);
      key (self, -self^2);
      value row when self >= 0, moment_dual(destinations(mail_1), 5);
    }}
"""


def test_heads_of_the_first_layer_that_mention_messages_count() -> None:
    """Four heads each add the raw row: coordinate 1, which nobody reads, grows from 255 to 1275, and 1023 fit in 10 bits."""
    p = protocol(SWAP)
    heads = "".join(DOUBLING.format(k) for k in range(4))
    text = replaced(printing.text(transformer(p, clear="fresh")), "  layer init {\n", "  layer init {\n" + heads)
    for key, value in (("scale", 18), ("fraction", 7)):
        text = re.sub(f"  {key} \\d+;", f"  {key} {value};", text)
    small, large = (circuit(re.sub(r"  integer \d+;", f"  integer {bits};", text)) for bits in (10, 12))
    fault = replay_circuit(small, {"x": (255, 255)}).fault
    assert fault is not None and "row[1] = 1275" in str(fault)
    assert replay_circuit(large, {"x": (255, 255)}).outputs == {"y": (255, 255)}
    assert proof(Simulates(small, p)) is None
    assert proof(Simulates(large, p)) is not None


@pytest.mark.parametrize("x", [Fraction(x) for x in ("0", "1/1000", "1/3", "1", "7/2", "40", "900")])
def test_bounds_of_exponentials_are_on_the_right_side_and_near(x: Fraction) -> None:
    """Against 60 digits. Beyond 700 the bound of e^-x stays where it is."""
    with mpmath.workdps(400):
        true, found = mpmath.exp(-mpmath.mpf(x.numerator) / x.denominator), decay(x)
        above = mpmath.mpf(found.numerator) / found.denominator
        assert true <= above and (x > 700 or above - true <= true * mpmath.mpf(10) ** -20)
        large = growth(x)
        assert (large is None) == (x > 1)
        if large is not None:
            assert 1 / true <= mpmath.mpf(large.numerator) / large.denominator


def test_the_rules_need_lemma_A_2_below_the_rung_exact() -> None:
    p, prover = library("tree_sum", 4, 2, 1), Prover()
    c = transformer(p)
    for rung in ("softmax", "rounded"):
        low = c.at(rung)
        for j, rule in ((routing_head(low, 1, low.packets[0]), delivers), (LayerStep(low, p, 1), layer_step)):
            assert isinstance(j, (Delivers, LayerStep))
            premises = [prover.prove(x) for x in obligation(j, "").premises]
            lemma = [x for x in premises if x.judgement in statements()]
            assert len(lemma) == 3 and rule(j, *premises)
            for gone in lemma:
                with pytest.raises(NotProved, match=r"Lemma A\.2"):
                    rule(j, *(x for x in premises if x is not gone))


@pytest.mark.parametrize(("number", "old", "new"), [
    (0, "lost / (1 + lost)", "lost / (2 + lost)"),
    (0, "(hi - lo) *", "(hi - lo) / 2 *"),
    (1, "(rho - 1) / k", "(rho - 1) / (2 * k)"),
    (2, "(j + 1) *", "j *"),
])
def test_lemma_A_2_is_sharp_enough_to_be_false_when_a_bound_is_smaller(number: int, old: str, new: str) -> None:
    from checker.kernel.softmax_lemma import ELSEWHERE, PARTS, WEIGHT

    text = replaced((ELSEWHERE, WEIGHT, PARTS)[number][0], old, new)
    j = statements()[number]
    assert proof(j) is not None and proof(replace(j, condition=parse_expression(text))) is None


def test_keys_need_their_fraction_bits() -> None:
    """The duals of signs are multiples of 2^-f; with one fraction bit less they are no numbers of the circuit."""
    p = library("tree_sum", 4, 2, 1)
    c = transformer(p, embedding="sign")
    assert c.fraction is not None and proof(Simulates(c, p)) is not None
    head = routing_head(c, 1, c.packets[0])
    fewer = replace(head.circuit, fraction=c.fraction - 1)
    assert proof(head) is not None and proof(Delivers(fewer.at("softmax"))) is not None
    with pytest.raises(NotProved, match=f"needs {c.fraction} fraction bits"):
        Prover().prove(obligation(Delivers(fewer), ""))


def test_a_circuit_without_layers_simulates_nothing() -> None:
    p = library("tree_sum", 4, 2, 1)
    c = replace(transformer(p), layers=())
    fits = Prover().prove(obligation(Simulates(transformer(p), p), "").premises[0])
    with pytest.raises(NotProved, match="a layer for every local function"):
        simulates(Simulates(c, p), fits)
