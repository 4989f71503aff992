"""Masks: what a head makes of them, in the evaluator, in replay and in floating point; and that no rule overlooks one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from helpers import library, proof

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.judgements import Attends, Delivers, LayerStep, Propagates, Simulates
from checker.kernel.margins import margins
from checker.kernel.proofs import NotProved
from checker.kernel.routing_rules import routing_head
from checker.language import syntax as s
from checker.language.parser import parse_expression
from checker.models.circuit import Circuit
from checker.semantics.expressions import Fault
from checker.semantics.masks import visible
from checker.semantics.precision import error, noise, packets_of, reaches
from checker.semantics.values import Unsupported

CAUSAL = parse_expression("other <= self")
EVERYTHING = parse_expression("other >= 0")  # a mask that hides nothing: the rules must not look at what it says


def masked(c: Circuit, number: int, mask: s.Expr) -> Circuit:
    layers = (*c.layers[:number], replace(c.layers[number], mask=mask), *c.layers[number + 1 :])
    return replace(c, layers=layers)


# ---- no rule overlooks a mask ---------------------------------------------------------------------


@pytest.mark.parametrize("mask", [CAUSAL, EVERYTHING], ids=["causal", "everything"])
@pytest.mark.parametrize("rung", ["exact", "rounded"])
@pytest.mark.parametrize(
    "instance", [("tree_sum", 4, 2, 1), ("histogram", 2, 3, 2), ("pointer_doubling", 4, 1)], ids=lambda i: i[0]
)
@pytest.mark.parametrize("shape", [("head", "separate"), ("fresh", "fused")])
def test_a_compiled_circuit_with_a_mask_is_not_proved(
    instance: tuple[str, int], rung: str, mask: s.Expr, shape: tuple[str, str]
) -> None:
    p = library(*instance)
    c = transformer(p, clear=shape[0], final=shape[1]).at(rung)
    for number in range(len(c.layers)):
        mutant = masked(c, number, mask)
        assert proof(Simulates(mutant, p)) is None
        assert proof(LayerStep(mutant, p, number)) is None
        for packets in packets_of(c, c.layers[number]):
            whole = routing_head(c, number, packets)
            assert proof(whole) is not None
            head = masked(whole.circuit, 0, mask)
            assert proof(Delivers(head, whole.noise)) is None
            found = margins(whole.circuit)[0]
            assert proof(Propagates(head, found)) is None
            assert proof(Attends(head, found.rest)) is None
            with pytest.raises(NotProved):
                routing_head(mutant, number, packets)
            with pytest.raises(Unsupported):
                noise(mutant, number, packets)
        with pytest.raises(Unsupported):
            reaches(mutant)
        with pytest.raises(Unsupported):
            error(mutant, number)


# ---- which rows a row sees ---------------------------------------------------------------------------


def test_visible_rows() -> None:
    below = s.FunctionDefinition("below", ("a", "b"), parse_expression("a < b"))
    assert visible(None, range(1, 4), ()) == {1: (1, 2, 3), 2: (1, 2, 3), 3: (1, 2, 3)}
    assert visible(CAUSAL, range(0, 3), ()) == {0: (0,), 1: (0, 1), 2: (0, 1, 2)}
    strict = parse_expression("below(other, self) or self == 0 and other == 0")
    assert visible(strict, range(0, 3), (below,)) == {0: (0,), 1: (0,), 2: (0, 1)}
    window = parse_expression("self - other in 0 - 1..1 or other mod 3 == 0")
    assert visible(window, range(1, 7), ())[5] == (3, 4, 5, 6)


@pytest.mark.parametrize("text", ["other < self", "1", "other / 0 == 1", "nobody <= self", "row[1] == 1"])
def test_a_mask_without_meaning_is_a_fault(text: str) -> None:
    with pytest.raises(Fault):
        visible(parse_expression(text), range(1, 4), ())
