"""Theorem 3.4: protocols made from circuits, and what is refuted when one word of them is changed."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from math import e, isclose, log

import pytest

from checker.compilers.circuit_to_protocol import Tree, drift, mpc
from checker.elaboration.library import load_text
from checker.elaboration.models import closed
from checker.elaboration.theorem_to_claims import ClaimAt, claims
from checker.kernel.judgements import Fits, Performs
from checker.kernel.number_runs import follow
from checker.kernel.proofs import NotProved, Outcome
from checker.kernel.rational_functions import equal_functions, merges
from checker.kernel.replay.circuit import outputs_within, replay_circuit
from checker.kernel.replay.protocol import replay_protocol
from checker.language.diagnostics import SpecError
from checker.models import printing
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.checking import Checker
from checker.semantics import terms as t
from checker.semantics import values as v
from tests.helpers import circuit, replaced, verdict

# The output is the row itself, in units of its fixed point, so that what goes wrong is seen.
MEANS = """circuit means {
  word 16; tokens 5; width 2; scale 2; fraction 6; integer 6; mask causal;
  input x[5] in 0..3; output y[5] in 0..512 = 64 * row[2] + 64;
  layer mean { head near { query (2 * row[1], -1); key (row[1], row[1]^2); value unit(2, row[1]); } }
}"""
TWO_LAYERS = """circuit two_layers {
  word 16; tokens 4; blank 1; start; width 3; scale 1; fraction 7; integer 7; mask window(1, 3);
  input x[4] in 0..2; output y[4] in 0..1024 = 128 * row[2] + 128 * row[3] + 256;
  layer a { head near { query (row[1], 0, 1); key (row[1], 1, 1); value unit(2, row[1]); }
            head far { query (0, 1); key (self, 1 - self); value unit(3, row[1] - 1); } }
  layer nothing { }
  layer b { mask none; head all_rows { query zeros(1); key zeros(1); value unit(2, 1) when self mod 2 == 0; } }
}"""
KINDS = [{}, {"layout": "printed"}, {"memory": 60}, {"memory": 200, "layout": "printed"}, {"memory": 40, "address": 1}]


def made(text: str, **options: object) -> tuple[Circuit, Protocol, str]:
    """A circuit, its protocol, and the text of both."""
    c = circuit(text)
    whole = f"{printing.text(c)}\n{mpc(c, **options)}"  # type: ignore[arg-type]
    p = closed(whole)
    assert isinstance(p, Protocol)
    return c, p, whole


def verdicts(text: str, timeout: float = 5.0) -> dict[str, Outcome]:
    checker = Checker(timeout, only_falsify=False)
    found: list[ClaimAt] = [*claims(load_text(text))]
    return {x.name: checker.outcome(x) for x in found}


THEOREM = "theorem it { claim fits: %s_mpc fits; claim same: %s_mpc simulates %s; claim real: %s_mpc simulates %s at softmax; }"


@pytest.mark.parametrize("options", KINDS, ids=str)
@pytest.mark.parametrize("text", [MEANS, TWO_LAYERS], ids=["means", "two_layers"])
def test_compiled_protocols_are_proved(text: str, options: dict[str, object]) -> None:
    """With the output rounded: over real numbers it is a whole number only then."""
    readout = text.split("in 0..", 2)[2].split("= ")[1].split(";")[0]
    c, p, whole = made(replaced(text, readout, f"round({readout})"), **options)
    assert closed(printing.text(p)) == p
    found = verdicts(whole + THEOREM % ((c.name,) * 5))
    assert {name: x.verdict for name, x in found.items()} == dict.fromkeys(("fits", "same", "real"), "PROVED"), found


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_runs_are_valid_runs_of_the_circuit(options: dict[str, object]) -> None:
    """By the replay interpreters, which share nothing with the proofs: rounded and over exact reals."""
    c, p, _ = made(TWO_LAYERS, **options)
    for words in ({"x": w} for w in [(0, 0, 0, 0), (2, 1, 0, 2), (1, 2, 2, 0)]):
        run = replay_protocol(p, words)
        assert run.fault is None and not run.overflow
        for (name, k), (low, high) in outputs_within(c, words).items():
            assert low <= run.outputs[name][k - 1] <= high
    averages = replaced(TWO_LAYERS, "128 * row[2] + 128 * row[3] + 256", "round(7 * row[2] + 5 * row[3] + 100)")
    real = closed(
        f"{averages.replace('fraction 7; integer 7;', '')}\n{mpc(circuit(averages.replace('fraction 7; integer 7;', '')))}"
    )
    assert isinstance(real, Protocol) and real.rung == "softmax"
    for w in [(0, 1, 2, 2), (2, 0, 0, 1)]:
        assert replay_protocol(real, {"x": w}).outputs == replay_circuit(real.circuits[0], {"x": w}).outputs


def test_against_floating_point() -> None:
    """The rows of all runs of MEANS at four words, against a softmax written out here."""
    _, p, _ = made(MEANS, memory=100)
    for w in product(range(4), repeat=3):
        words = (*w, 1, 2)
        found = replay_protocol(p, {"x": words}).outputs["y"]
        for i, x in enumerate(words):
            weights = [e ** (2 * (2 * x * y - y * y)) for y in words[: i + 1]]
            mean = sum(a * y for a, y in zip(weights, words, strict=False)) / sum(weights)
            assert abs(found[i] - 64 - 64 * mean) <= 1


MUTANTS = {
    "child": ("for l in 2 * (k - 1) + 1..min(2 * k, 3)", "for l in 2 * (k - 1) + 2..min(2 * k, 3)"),
    "another child": ("to 5 + (l - 1) * 5 + i;", "to 5 + (i - 1) * 5 + l;"),
    "another parent": ("to 40 + (i - 1) * 3 + ceil(j / 2);", "to 40 + (j - 1) * 3 + ceil(i / 2);"),
    "mask entry": ("if attends(means, 1, i, j) {", "if attends(means, 1, i, j) and not (i == 3 and j == 2) {"),
    "unmasked entry": ("if attends(means, 1, i, j) {", "if attends(means, 1, i, j) or (i == 4 and j == 5) {"),
    "forgotten Z": (
        "let z = sum(exp(p[1]) for part_1(p) in inbox);",
        "let z = max(exp(p[1]) for part_1(p) in inbox);",
    ),
    "forgotten S": (
        "sum(exp(p[1]) / z_1 * p[c + 1] for part_1(p) in inbox)",
        "sum(p[c + 1] for part_1(p) in inbox) / count(part_1)",
    ),
    "rounded apart": (
        "let z = sum(exp(p[1]) for part_1(p) in inbox);",
        "let rounded = stored((log(sum(exp(p[1]) for part_1(p) in inbox)), 0), 1 / 64); let z = exp(rounded[1]);",
    ),
    "scale": ("2 * sum(q_1[c] * k_1[c] for c in 1..2)", "sum(q_1[c] * k_1[c] for c in 1..2)"),
    "key of another row": ("key(means, 1, 1, j, told)", "key(means, 1, 1, i, asked)"),
    "old row": ("(old[c] + sum(", "(2 * old[c] + 1 / 64 + sum("),
    "readout": ("readout(means, self, mine)", "readout(means, self, old)"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_refuted(name: str) -> None:
    _, _, whole = made(MEANS)
    changed = replaced(whole, *MUTANTS[name], count=100)
    found = verdicts(changed + "theorem it { claim same: means_mpc simulates means; }", timeout=8.0)
    assert found["same"].verdict == "REFUTED", found["same"].reason
    witness = found["same"].witness
    assert witness is not None
    if name == "child":
        assert "machine" in witness.summary and "round" in witness.summary


def test_rounding_in_smaller_steps_is_not_proved() -> None:
    """Rounded apart in the steps of the sums, the error may still be small enough: not shown, and not refuted."""
    _, p, whole = made(MEANS)
    step = next(m.numbers.step for m in p.messages if m.tag == "part_1" and m.numbers is not None)
    rounded = f"let rounded = stored((log(sum(exp(p[1]) for part_1(p) in inbox)), 0), {step}); let z = exp(rounded[1]);"
    changed = replaced(whole, "let z = sum(exp(p[1]) for part_1(p) in inbox);", rounded, count=100)
    assert verdicts(changed + THEOREM % (("means",) * 5), timeout=0.5)["same"].verdict == "UNDECIDED"


@pytest.mark.parametrize("options", KINDS, ids=str)
def test_one_word_less(options: dict[str, object]) -> None:
    """The least memory is the least: a machine and a round are named. (One word less may move the input to other machines.)"""
    _, p, whole = made(MEANS, **options)
    most = follow(p).most()
    fewer = replaced(whole, f"memory {p.memory};", f"memory {most - 1};")
    found = verdicts(fewer + "theorem it { claim fits: means_mpc fits; }")["fits"]
    if p.packing * (1 + p.address) < most or p.words_in < most:  # else the input lies on other machines as well
        assert found.verdict == "REFUTED" and found.witness is not None
        assert "machine" in found.witness.summary and "round" in found.witness.summary


def test_precision_that_does_not_suffice() -> None:
    """Sums with fewer fraction bits, rows in other units, shorter words: never proved."""
    _, p, whole = made(MEANS)
    step = next(m.numbers.step for m in p.messages if m.tag == "part_1" and m.numbers is not None)
    for old, new in [
        (f"part_1(number[3] by {step})", f"part_1(number[3] by {step * 4})"),
        ("asks(number[2] by 1/64)", "asks(number[2] by 2)"),
        ("tells(number[2] by 1/64)", "tells(number[2])"),
        (", 1/64);", ", 1/128);"),
        (f"word {p.word};", "word 16;"),
    ]:
        changed = replaced(whole, old, new)
        assert verdicts(changed + THEOREM % (("means",) * 5), timeout=0.3)["same"].verdict in ("UNDECIDED", "REFUTED"), new


def test_least_memory() -> None:
    c = circuit(MEANS)
    with pytest.raises(SpecError, match="expected memory 10 or more for trees of branching 2"):
        mpc(c, 9)
    with pytest.raises(SpecError, match="expected memory 16 or more"):
        mpc(c, 15, "printed")
    with pytest.raises(SpecError, match="with a scale"):
        mpc(c.at("exact"))


def test_trees() -> None:
    """Levels and nodes against counting: the leaves below the nodes of a level partition all leaves."""
    for leaves, b in product(range(1, 40), range(2, 6)):
        tree = Tree(leaves, b)
        assert b**tree.depth >= leaves and (tree.depth == 1 or b ** (tree.depth - 1) < leaves)
        for d in range(tree.depth + 1):
            width = b ** (tree.depth - d)
            below = [range(width * k + 1, min(width * (k + 1), leaves) + 1) for k in range(tree.nodes(d))]
            assert [j for part in below for j in part] == [*range(1, leaves + 1)] and all(below)


def test_merge_identities() -> None:
    assert all(merges(n) for n in range(1, 9))
    x, y, z = (t.entry(("log Z", n), 0) for n in range(3))
    a, b = t.lane("S", 0), t.lane("T", 0)
    ex, ey, ez = map(t.exponential, (x, y, z))
    total = v.total([ex, ey])
    mean = v.total([v.multiply(v.divide(ex, total), a), v.multiply(v.divide(ey, total), b)])
    other = v.divide(v.total([v.multiply(ex, a), v.multiply(ey, b)]), total)
    assert equal_functions(mean, other, {x, y})
    assert not equal_functions(mean, v.divide(v.total([v.multiply(ex, a), v.multiply(ey, b)]), ex), {x, y})
    assert not equal_functions(mean, other, {x})  # the other exponential is of something unknown
    assert not equal_functions(v.divide(ez, total), v.divide(ez, ez), {x, y, z})


def test_drift_bounds_what_happens() -> None:
    """The bound on the error of a tree, against trees of floating-point sums whose numbers are off as far as they may be."""
    for depth in range(1, 6):
        _, bound = drift(depth, True, Fraction(8))
        step = Fraction(1, 2**20)
        z, value = [0.0] * 2**depth, [8.0 if k % 2 else -8.0 for k in range(2**depth)]
        exact = sum(value) / len(value)
        sign = 1
        for level in range(depth, 0, -1):
            pairs = [(k, k + 1) for k in range(0, len(z), 2)]
            weights = [(e ** z[i], e ** z[j]) for i, j in pairs]
            value = [(a * value[i] + b * value[j]) / (a + b) for (i, j), (a, b) in zip(pairs, weights, strict=True)]
            z = [log(a + b) for a, b in weights]
            if level > 1:
                off = float(step) * 0.75
                z = [x + off * (sign if k % 2 else -sign) for k, x in enumerate(z)]
                value = [x + off for x in value]
        assert abs(value[0] - exact) <= float(bound * step) * (1 + 1e-6)
    assert isclose(float(drift(1, True, Fraction(8))[1]), 0.0)


def test_two_different_circuits() -> None:
    """A protocol performs the circuit whose functions it calls, and no other."""
    c, p, _ = made(MEANS)
    other = circuit(replaced(MEANS, "value unit(2, row[1])", "value unit(2, row[1] + 1)"))
    assert verdict(Performs(p, c)).verdict == "PROVED"
    assert verdict(Performs(p, other), timeout=3.0).verdict == "REFUTED"


def test_transformer_refuses_numbers() -> None:
    _, p, whole = made(MEANS)
    with pytest.raises(SpecError, match="messages carry words only"):
        verdicts(whole + "theorem it { let T = transformer(means_mpc); claim depth: depth(T) == 1; }")
    with pytest.raises(NotProved):
        follow(
            p.at("softmax").__class__(**{**{f: getattr(p, f) for f in p.__dataclass_fields__ if f != "_hash"}, "circuits": ()})
        )
    assert verdict(Fits(p)).verdict == "PROVED"
