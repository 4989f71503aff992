"""Circuits in ordinary floating point compute what they compute in exact numbers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("numpy")

import numpy as np
from helpers import circuit, library

from checker.backends.floats import FloatCircuit, run_many, softmax
from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.enumeration import every_input
from checker.models.protocol import Array
from checker.semantics import circuits as exact
from checker.semantics import protocols

ROOT = Path(__file__).resolve().parents[1]
SCALE = 40


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
    c = replace(transformer(p), scale=SCALE)
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
    for given, run in zip(words, run_many(replace(transformer(p, *options), scale=SCALE), words), strict=True):
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
    wrong = [run for given, run in zip(words, run_many(replace(transformer(p), scale=1), words), strict=True)
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
        FloatCircuit(replace(c, scale=SCALE), "float16")


# ---- the command --------------------------------------------------------------------------------------


def lockstep(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "checker", *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_the_command_prints_the_same_in_floating_point(tmp_path: Path) -> None:
    given = ("spec/tree_sum.lks", "tree_sum", "n=4", "s=2", "p=1", "--input", "all")
    floats = lockstep("run", *given, "--backend", "numpy", "--scale", "40")
    assert floats.returncode == 0, floats.stderr
    assert floats.stdout == lockstep("run", *given).stdout and len(floats.stdout.splitlines()) == 16
    file = tmp_path / "c.lks"
    file.write_text(general(scale=""), encoding="utf-8")
    done = lockstep("run", str(file), "general", "--input", "1,2,3", "--backend", "numpy")
    assert done.returncode == 2 and "--scale" in done.stderr
    done = lockstep("run", str(file), "general", "--input", "1,2,3", "--scale", "3")
    assert done.returncode == 2 and "--backend numpy" in done.stderr
    done = lockstep("run", str(file), "general", "--input", "1,2,3", "--backend", "numpy", "--scale", "40", "--trace")
    assert done.returncode == 2 and "--trace" in done.stderr


def test_without_numpy_the_command_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    from checker.commands import definitions
    from checker.language.diagnostics import SpecError

    monkeypatch.setattr(definitions, "find_spec", lambda name: None)
    with pytest.raises(SpecError, match="pip install numpy"):
        definitions.needed("numpy", "floats")
