"""Masks: what a head makes of them, in the evaluator, in replay and in floating point; and that no rule overlooks one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from random import Random

import pytest
from helpers import library, proof, wrong_inputs

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.judgements import Attends, Delivers, LayerStep, Propagates, Simulates
from checker.kernel.margins import margins
from checker.kernel.proofs import NotProved
from checker.kernel.replay.adversaries import DOWN, UP
from checker.kernel.replay.circuit import attention, replay_circuit
from checker.kernel.replay.enclosures import Undecided
from checker.kernel.routing_rules import routing_head
from checker.language import syntax as s
from checker.language.parser import parse_expression
from checker.models.circuit import Circuit, Head, Layer
from checker.models.protocol import Array
from checker.semantics import circuits as sem
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


def test_a_mask_makes_a_compiled_circuit_wrong() -> None:
    """So it matters that no rule overlooks one."""
    p = library("tree_sum", 4, 2, 1)
    c = transformer(p).at("exact")
    others = parse_expression("other != self")
    wrong = [next(wrong_inputs(Simulates(masked(c, number, others), p)), None) for number in range(len(c.layers))]
    assert None not in wrong
    assert next(wrong_inputs(Simulates(masked(c, 0, EVERYTHING), p)), None) is None


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


# ---- heads with masks: the evaluator, replay and floating point, against a direct calculation -----------

Sees = Callable[[int, int], bool]
Winners = dict[int, list[int]]
MASKS: tuple[tuple[str | None, Sees], ...] = (
    (None, lambda i, j: True),
    ("other <= self", lambda i, j: j <= i),
    ("other < self or self == 0 and other == 0", lambda i, j: j < i or i == j == 0),
    ("self - other in 0 - 1..1", lambda i, j: abs(i - j) <= 1),
    ("other == self or other mod 2 == 1 and not other > self", lambda i, j: j == i or (j % 2 == 1 and j <= i)),
)
ROWS = range(5)


def cases(vectors: list[str]) -> tuple[s.Case, ...]:
    """One vector for each row."""
    return tuple(s.Case(parse_expression(e), parse_expression(f"self == {i}")) for i, e in enumerate(vectors))


def one_layer(query: list[str], key: list[str], mask: str | None) -> Circuit:
    """Row i >= 1 has word i of four; y[i] is 60 times the average of the words at the rows that row i attends to."""
    value = (s.Case(parse_expression("unit(6, 60 * row[1])"), None),)
    layer = Layer("one", None, (Head("only", cases(query), cases(key), value),), None if mask is None else parse_expression(mask))
    x, y, readout = Array("x", 4, 0, 5), Array("y", 4, 0, 300), parse_expression("round(row[6])")
    return Circuit("one", 9, 4, 0, 6, True, (x,), (y,), (readout,), (), (), (), (layer,))


def compare(c: Circuit, winners: Winners, words: tuple[int, ...]) -> None:
    value = (0, *words)
    expected = {i: Fraction(sum(60 * value[j] for j in js), len(js)) for i, js in winners.items()}
    streams, outputs = sem.run(c, {"x": words})
    assert {i: row.entries.get(6, 0) for i, row in streams[-1].items()} == expected
    replayed = replay_circuit(c, {"x": words})
    assert replayed.fault is None
    assert {i: row.get(6, 0) for i, row in replayed.rows[-1].items()} == expected
    assert [*replayed.outputs["y"]] == [outputs["y", k] for k in ROWS[1:]] == [expected[k] for k in ROWS[1:]]
    looks = attention(c, {"x": words}).layers[0][0]
    assert {i: [*look.best] for i, look in looks.items()} == winners
    assert all(look.weights == {j: (Fraction(1, len(look.best)),) * 2 for j in look.best} for look in looks.values())


def random_table(seed: int) -> tuple[Circuit, Winners, Random]:
    """Row i scores row j by a table of small numbers, with many ties."""
    random = Random(seed)
    table = [[random.randrange(3) for _ in ROWS] for _ in ROWS]
    mask, sees = MASKS[seed % len(MASKS)]
    winners = {}
    for i in ROWS:
        seen = {j: table[i][j] for j in ROWS if sees(i, j)}
        winners[i] = [j for j, x in seen.items() if x == max(seen.values())]
    return (
        one_layer([f"({', '.join(map(str, row))})" for row in table], [f"unit({j + 1}, 1)" for j in ROWS], mask),
        winners,
        random,
    )


@pytest.mark.parametrize("seed", range(25))
def test_scores_that_are_whole(seed: int) -> None:
    c, winners, random = random_table(seed)
    compare(c, winners, tuple(random.randrange(6) for _ in range(4)))


@pytest.mark.parametrize("seed", range(25))
def test_scores_that_are_cosines(seed: int) -> None:
    """The key with the angle nearest to the query's wins: on a circle of m points, which takes whole numbers only."""
    random, m = Random(seed), 5 + seed % 12
    mask, sees = MASKS[seed % len(MASKS)]
    asks, says = ([random.randrange(m) for _ in ROWS] for _ in range(2))
    away = [[min((a - b) % m, (b - a) % m) for b in says] for a in asks]
    winners = {}
    for i in ROWS:
        seen = {j: away[i][j] for j in ROWS if sees(i, j)}
        winners[i] = [j for j, x in seen.items() if x == min(seen.values())]
    turned = [f"angle({b} - {m} * self, {m})" for b in says]
    compare(one_layer([f"angle({a}, {m})" for a in asks], turned, mask), winners, tuple(random.randrange(6) for _ in range(4)))


@pytest.mark.parametrize("seed", range(10))
def test_below_the_rung_exact(seed: int) -> None:
    """At a large scale softmax and rounded heads give the same words; weights enclose those of hardmax but for a little."""
    c, winners, random = random_table(seed)
    words = tuple(random.randrange(6) for _ in range(4))
    exact = replay_circuit(c, {"x": words}).outputs
    below = replace(c, scale=64, fraction=8, integer=10)
    soft = replay_circuit(below.at("softmax"), {"x": words})
    for run in (soft, *(replay_circuit(below, {"x": words}, a) for a in (UP, DOWN, None))):
        assert run.fault is None and run.outputs == exact
    for circuit in (below, below.at("softmax")):
        for i, look in attention(circuit, {"x": words}).layers[0][0].items():
            assert [*look.best] == winners[i] and set(look.weights) == set(look.scores)
            for j, (low, high) in look.weights.items():
                hard = Fraction(j in winners[i], len(winners[i]))
                assert low <= high and abs(low - hard) < Fraction(1, 10**20) > abs(high - hard)


def test_irrational_scores_of_softmax_and_of_rounded_heads() -> None:
    """Softmax has bounds of irrational scores; ties among them are exact. Rounded heads cannot have such queries."""
    angles = [f"angle({k}, 5)" for k in (0, 1, 4, 2, 3)]
    c = replace(one_layer(angles, angles, None), scale=100, fraction=8, integer=10)
    look = attention(c.at("softmax"), {"x": (1, 2, 3, 4)}).layers[0][0][0]
    assert look.best == (0,) and look.weights[1] == look.weights[2]
    near = look.weights[1]
    assert Fraction(9) / 10**31 < near[0] <= near[1] < Fraction(1, 10**30)  # e^(-100 (1 - cos 72°)) = 9.8 / 10^31
    fault = replay_circuit(c, {"x": (1, 2, 3, 4)}).fault
    assert fault is not None and "not a multiple of 2^-8" in str(fault)
    digits = [x.replace(", 5)", ", 5, 8)") for x in angles]
    rounded = replace(one_layer(digits, digits, None), scale=1, fraction=8, integer=10)
    assert replay_circuit(rounded, {"x": (1, 2, 3, 4)}).fault is None


def test_a_row_that_may_attend_to_no_row() -> None:
    c = one_layer(["1"] * 5, ["1"] * 5, "other < self")
    fault = replay_circuit(c, {"x": (1, 2, 3, 4)}).fault
    assert fault is not None and "row 0" in str(fault)
    assert attention(c, {"x": (1, 2, 3, 4)}).fault is not None
    with pytest.raises(Fault, match="row 0"):
        sem.run(c, {"x": (1, 2, 3, 4)})


def test_who_has_the_largest_score_may_be_open() -> None:
    """Behind a softmax layer the stream is known by bounds: a tie there is none that bounds tell."""
    first = one_layer(["1"] * 5, ["1"] * 5, None)
    second = one_layer(["row[6]"] * 5, ["1", "1", "2", "1", "1"], None).layers[0]
    third = one_layer(["1"] * 5, ["row[6]"] * 5, None).layers[0]
    words = replace(first.layers[0], mask=parse_expression("other != 0 or self == 0"))
    soft = replace(first, layers=(words, second, third), scale=1)
    looks = attention(soft, {"x": (1, 2, 2, 1)}).layers
    assert looks[1][0][1].best == (2,)
    with pytest.raises(Undecided):
        assert looks[2][0][1].best


def test_floating_point_is_the_same() -> None:
    floats = pytest.importorskip("checker.backends.floats")
    for seed in range(10):
        c, _, random = random_table(seed)
        words = {"x": tuple(random.randrange(6) for _ in range(4))}
        (run,) = floats.run_many(replace(c, scale=60), [words])
        assert run.fault is None and run.outputs == replay_circuit(c, words).outputs
