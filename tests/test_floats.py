"""Circuits in ordinary floating point compute what they compute in exact numbers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

pytest.importorskip("numpy")

import numpy as np
from helpers import circuit, library, replaced

from checker.backends.enough import enough
from checker.backends.floats import FloatCircuit, run_many, softmax
from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.enumeration import every_input
from checker.models.circuit import Circuit
from checker.models.protocol import Array, Protocol
from checker.proving.inputs import random_inputs
from checker.semantics import circuits as exact
from checker.semantics import protocols

ROOT = Path(__file__).resolve().parents[1]
SCALE = 40


def at_scale(c: Circuit, scale: int = SCALE) -> Circuit:
    return replace(c, scale=scale, fraction=None, integer=None)


def grouped(arrays: tuple[Array, ...], found: dict[tuple[str, int], object]) -> dict[str, tuple[object, ...]]:
    return {a.name: tuple(found[a.name, k] for k in range(1, a.size + 1)) for a in arrays}


# All inputs of each, 10,365 in all.
@pytest.mark.parametrize(("name", "arguments", "inputs"), [
    ("tree_sum", (4, 2, 3), 4096),
    ("maximum", (6, 3, 2), 4096),
    ("tree_sum", (5, 2, 2), 1024),
    ("prefix_sums", (4, 2, 2), 256),
    ("pointer_doubling", (6, 1), 720),
    ("one_or_two_cycles", (6,), 160),
    ("one_or_two_cycles", (4,), 9),
    ("broadcast", (5, 2, 2), 4),
])
def test_float64_agrees_with_the_exact_evaluator_on_every_input(name: str, arguments: tuple[int, ...], inputs: int) -> None:
    p = library(name, *arguments)
    c = at_scale(transformer(p))
    words = list(every_input(p.inputs, p.requires, p.functions))
    assert len(words) == inputs
    found = run_many(c, words, "float64")
    for given, run in zip(words, found, strict=True):
        assert run.fault is None and run.outputs == grouped(p.outputs, protocols.run(p, given).outputs), given
    for k in range(0, inputs, 1 + inputs // 3):
        assert found[k].outputs == grouped(c.outputs, exact.run(c.at("exact"), words[k])[1])


@pytest.mark.parametrize("options", [("identity", "moment"), ("kautz_singleton", "hadamard")])
def test_all_tables(options: tuple[str, str]) -> None:
    p = library("tree_sum", 6, 2, 1)
    words = list(every_input(p.inputs, p.requires, p.functions))
    for given, run in zip(words, run_many(at_scale(transformer(p, *options)), words), strict=True):
        assert run.outputs == {"y": (sum(given["x"]) % 2,)}


@pytest.mark.parametrize("shape", [("fresh", "separate"), ("head", "fused"), ("fresh", "fused")])
@pytest.mark.parametrize(("name", "arguments"), [("tree_sum", (6, 2, 1)), ("prefix_sums", (4, 2, 1)), ("maximum", (3, 3, 1))])
def test_all_shapes(name: str, arguments: tuple[int, ...], shape: tuple[str, str]) -> None:
    p = library(name, *arguments)
    words = list(every_input(p.inputs, p.requires, p.functions))
    c = replace(transformer(p, clear=shape[0], final=shape[1]), scale=SCALE)
    for given, run in zip(words, run_many(c, words), strict=True):
        assert run.fault is None and run.outputs == grouped(p.outputs, protocols.run(p, given).outputs), given


def test_a_small_scale_gives_wrong_answers() -> None:
    """The softmax is a real one: at scale 1 it is too soft to tell rows apart."""
    p = library("tree_sum", 6, 2, 2)
    words = list(every_input(p.inputs, p.requires, p.functions))[::17]
    wrong = [run for given, run in zip(words, run_many(at_scale(transformer(p), 1), words), strict=True)
             if run.outputs != {"y": (sum(given["x"]) % 4,)}]
    assert wrong


GENERAL = """
circuit general {
  word 2; tokens 3; width 4; {scale}
  input x[3] in word;
  output y[3] in word = {readout};
  layer one {
    head back { query (2 * self, 1) when self >= 2, (2, 1); key (self, -self^2); value {value}; }
  }
  layer two {
    head sharp { query (row[1], 1) when row[1] >= 1; key (row[1], -4 * self);
      value unit(3, row[2] / 2) when row[2] > 0, unit(4, 1); }
  }
}"""


def general(readout: str = "round(row[2])", value: str = "unit(2, row[1])", scale: str = "scale 40;") -> str:
    return GENERAL.replace("{readout}", readout).replace("{value}", value).replace("{scale}", scale)


@pytest.mark.parametrize("readout", ["round(row[2])", "round(row[1] + row[3] - row[3])", "(if row[2] > 1 / 2 then 1 else 0)",
                                     "min(3, round(row[1] * row[1] * row[2]))"])
@pytest.mark.parametrize("value", ["unit(2, row[1])", "(0, row[1], -row[1] + row[1])",
                                   "unit(2, row[1] * row[1] / (row[1] + 1)) when row[1] > 1"])
def test_queries_keys_values_and_readouts_of_any_form(readout: str, value: str) -> None:
    """Cases and products of data, evaluated on the floats as the exact numbers they are."""
    c = circuit(general(readout, value))
    words = list(every_input(c.inputs, c.requires, c.functions))
    runs = run_many(c, words)
    assert any(run.fault is None for run in runs)
    for given, run in zip(words, runs, strict=True):
        try:
            wanted = grouped(c.outputs, exact.run(c.at("exact"), given)[1])
        except exact.Fault:
            assert run.fault is not None, given
            continue
        assert run.outputs == wanted, (given, run)


def test_only_round_rounds() -> None:
    """A readout that does not round gets the float as it is, which is seldom whole."""
    c = circuit(general("row[1] + row[2]", "unit(2, row[1] / 3)"))
    (run,) = run_many(c, [{"x": (1, 2, 1)}])
    assert run.fault is not None and "expected a word of y in 0..3" in run.fault.message


def test_heads_against_their_definition() -> None:
    """One layer by hand: softmax(c Q K^T) V added to X."""
    c = circuit(general())
    machine = FloatCircuit(c)
    x = machine.initial([{"x": (3, 1, 2)}])
    found = machine.layers[0].apply(x, {})
    rows = [1, 2, 3]
    for i in rows:
        scores = [40.0 * (2 * max(i, 1) * j - j * j) for j in rows]
        weights = np.exp(np.array(scores) - max(scores))
        expected = x[0, i - 1].copy()
        expected[1] += weights @ np.array([3.0, 1.0, 2.0]) / weights.sum()
        assert np.allclose(found[0, i - 1], expected, rtol=1e-14, atol=0)
    assert np.allclose(softmax(np.array([0.0, 0.0, -1e30])), [0.5, 0.5, 0.0])


def test_no_scale_and_unknown_dtype() -> None:
    c = transformer(library("tree_sum", 4, 2, 1)).at("exact")
    with pytest.raises(ValueError, match="scale"):
        FloatCircuit(c)
    with pytest.raises(ValueError, match="dtype"):
        FloatCircuit(at_scale(c), "float16")


# ---- how many bits are enough ---------------------------------------------------------------------------


def right(c: Circuit, words: list[dict[str, tuple[int, ...]]], wanted: list[object], dtype: str) -> bool:
    return [run.outputs for run in run_many(c, words, dtype)] == wanted


def at_random(p: Protocol, many: int) -> list[dict[str, tuple[int, ...]]]:
    """Random inputs, without the structured ones that come first."""
    structured = 2 + sum(a.size for a in p.inputs)
    return list(islice(random_inputs(p.inputs, p.requires, p.functions, 1), structured, structured + many))


def prefix_circuit(n: int, embedding: str) -> tuple[Circuit, list[dict[str, tuple[int, ...]]], list[object]]:
    p = library("prefix_sums", n, 3, 1)
    words = at_random(p, 8)
    sums: list[object] = [{"y": tuple(sum(w["x"][:k]) % 2 for k in range(1, n + 1))} for w in words]
    return at_scale(transformer(p, embedding=embedding)), words, sums


def test_the_border_of_float32_on_the_moment_curve() -> None:
    """Entries grow like n^6: the bound gives up before the answers get wrong, and float64 is enough on both sides."""
    predicted = observed = None
    for n in range(5, 16):
        c, words, wanted = prefix_circuit(n, "moment")
        ok, good = enough(c, "float32").ok, right(c, words, wanted, "float32")
        assert good or not ok, n
        assert enough(c, "float64").ok and right(c, words, wanted, "float64")
        predicted = predicted or (None if ok else n)
        observed = observed or (None if good else n)
        assert ok == (predicted is None)  # once it is not enough, it stays so
    print(f"float32: predicted no from n = {predicted}, wrong from n = {observed}")
    assert predicted is not None and observed is not None and 5 < predicted <= observed
    other, words, wanted = prefix_circuit(observed, "hadamard")
    assert enough(other, "float32").ok and right(other, words, wanted, "float32")


def ladder_text(n: int) -> str:
    """Every row attends to itself: scores 2ij - j^2, which need twice the bits of n."""
    return f"""circuit ladder {{ word 1; tokens {n}; width 2; scale 40; input x[{n}] in word;
      output y[{n}] in word = round(row[2]);
      layer copy {{ head own {{ query (2 * self, 1); key (self, -self^2); value (0, row[1]); }} }} }}"""


@pytest.mark.parametrize(("n", "ok", "good"), [(1024, True, True), (2048, False, True), (4200, False, False)])
def test_the_border_of_float32_on_squares(n: int, ok: bool, good: bool) -> None:
    c, words = circuit(ladder_text(n)), tuple(k * k // 7 % 2 for k in range(n))
    assert enough(c, "float32").ok == ok
    assert right(c, [{"x": words}], [{"y": words}], "float32") == good
    assert 40 * 4200**2 > 2**24 > 40 * 600**2


def test_the_border_of_float32_on_long_words() -> None:
    found = {}
    for bits in range(12, 31, 2):
        p = library("maximum", 4, 2, bits)
        c, top = at_scale(transformer(p), 100), 2**bits - 1
        words: list[dict[str, tuple[int, ...]]] = [{"x": w} for w in ((top, 1, 2, 3), (5, top - 2, top - 1, 0), (1, 2, 3, top))]
        found[bits] = (enough(c, "float32").ok, right(c, words, [{"y": (max(w["x"]),)} for w in words], "float32"))
        assert enough(c, "float64").ok
    assert all(good or not ok for ok, good in found.values())
    assert found[12] == (True, True) and found[30] == (False, False)


def test_too_soft_a_softmax_is_predicted() -> None:
    c = transformer(library("tree_sum", 6, 2, 2))
    assert [enough(at_scale(c, scale), "float64").ok for scale in (1, 4, 40)] == [False, False, True]


@pytest.mark.parametrize(("old", "new", "why"), [
    ("= round(row[2])", "= row[2]", "without round"),
    ("key (self, ", "key (row[1], ", "depend on the row"),
    ("value (0, row[1])", "value (0, row[1] * row[1])", "no linear map"),
])
def test_what_has_no_bound_is_not_decided(old: str, new: str, why: str) -> None:
    ok, reason = enough(circuit(replaced(ladder_text(9), old, new)), "float64")
    assert not ok and reason.startswith("not decided") and why in reason


@pytest.mark.parametrize("name", ["tree_sum", "maximum", "broadcast", "prefix_sums"])
def test_enough_means_right(name: str) -> None:
    """On scales from too small to large enough: a yes is never followed by a wrong answer."""
    p = library(name, 5, 2, 1)
    words = list(every_input(p.inputs, p.requires, p.functions))
    wanted: list[object] = [grouped(p.outputs, protocols.run(p, w).outputs) for w in words]
    verdicts = []
    for scale in (1, 2, 4, 6, 8, 10, 12, 16, 24):
        c = at_scale(transformer(p), scale)
        for dtype in ("float32", "float64"):
            ok, good = enough(c, dtype).ok, right(c, words, wanted, dtype)
            assert good or not ok, (scale, dtype)
            verdicts.append((ok, good))
    assert (True, True) in verdicts and (False, False) in verdicts


SIGNED = """
circuit signed { word 4; tokens 3; width 2; scale {scale}; input x[3] in 0..3;
  output y[3] in word = round({again}row[2] + 4);
  layer first { head own { query (2 * self, 1); key (self, -self^2); value {first}; }
    head own_row { query (2 * self, 1); key (self, -self^2); value -row; } }
  layer second { head own { query (2 * self, 1); key (self, -self^2); value (0, {again}row[2]); }
    head own_row { query (2 * self, 1); key (self, -self^2); value -row; } } }"""


@pytest.mark.parametrize("first", ["(0, row[1])", "(0, -row[1])", "(0, row[1]) when self == 2, (0, -row[1])"])
@pytest.mark.parametrize("again", ["", "-"])
def test_enough_means_right_where_numbers_are_negative(first: str, again: str) -> None:
    """What a losing row brings in is as far from the winner's value as the values of rows may be apart."""
    verdicts = []
    for scale in range(1, 8):
        c = circuit(SIGNED.replace("{first}", first).replace("{again}", again).replace("{scale}", str(scale)))
        inputs = list(every_input(c.inputs, c.requires, c.functions))
        wanted: list[object] = [grouped(c.outputs, exact.run(c.at("exact"), w)[1]) for w in inputs]
        verdicts.append((enough(c, "float64").ok, right(c, inputs, wanted, "float64")))
    assert all(good or not ok for ok, good in verdicts), verdicts
    assert (True, True) in verdicts and (False, False) in verdicts


# ---- the command --------------------------------------------------------------------------------------


def lockstep(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "checker", *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_the_command_prints_the_same_in_floating_point(tmp_path: Path) -> None:
    given = ("spec/tree_sum.lks", "tree_sum", "n=4", "s=2", "p=1", "--input", "all")
    floats = lockstep("run", *given, "--backend", "numpy", "--scale", "40")
    assert floats.returncode == 0, floats.stderr
    assert floats.stdout == lockstep("run", *given).stdout and len(floats.stdout.splitlines()) == 16
    assert floats.stderr == ""
    done = lockstep("run", "spec/maximum.lks", "maximum", "n=4", "s=2", "p=24", "--input", "random:1",
                    "--backend", "numpy", "--scale", "40", "--dtype", "float32")
    assert done.stderr.startswith("warning: float32 at scale 40 may not be enough: ") and "off by" in done.stderr
    file = tmp_path / "c.lks"
    file.write_text(general(scale=""), encoding="utf-8")
    done = lockstep("run", str(file), "general", "--input", "1,2,3", "--backend", "numpy")
    assert done.returncode == 2 and "--scale" in done.stderr
    done = lockstep("run", str(file), "general", "--input", "1,2,3", "--scale", "3")
    assert done.returncode == 2 and "--backend numpy" in done.stderr
    done = lockstep("run", str(file), "general", "--input", "1,2,3", "--backend", "numpy", "--scale", "40", "--trace")
    assert done.returncode == 2 and "--trace" in done.stderr
