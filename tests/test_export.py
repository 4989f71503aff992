"""Exported modules: the generated functions compute what the circuit computes, and nothing in a spec can become code."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")

import numpy as np
from helpers import circuit, library, protocol

from checker.backends import runtime
from checker.backends.floats import softmax
from checker.backends.to_torch import functions_text, module_text
from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.enumeration import every_input
from checker.language import syntax as s
from checker.language.diagnostics import SpecError
from checker.language.parser import parse_expression
from checker.models.circuit import Circuit, Selector
from checker.models.protocol import Protocol
from checker.semantics import circuits as exact
from checker.semantics import packets as pk
from checker.semantics import protocols
from checker.semantics.machines import Sent

ROOT = Path(__file__).resolve().parents[1]

# Names that mean something to Python or to the exported file.
NAMES = """
function lambda(class, i) = if class > i then class - i else round((class + i) / 2);
protocol torch { word 3; memory 2; machines 3; input None[4] in word; output ROWS[3] in word; requires None[1] <= 5;
  message import(word), v_x_1(word);
  round def {
    let sent = sum(None[assigned] for assigned in held(None)) mod 8;
    for in_ in held(None) { if in_ mod 2 == 1 { send import(sent) to 3; } }
    if not (sent in 1..2) and any(None[k] > 3 for k in held(None)) { send v_x_1(lambda(sent, 3)) to 1 + sent mod 2; }
  }
  round again {
    for import(a) from i in inbox { send import(max(a, i)) to i; }
    for v_x_1(w) in inbox { if count(v_x_1) == 1 { send v_x_1(w div 2) to min(self + 1, 3); } else { let w = 1; } }
  }
  finish { for words in held(ROWS) {
    ROWS[words] = (sum(a * b for import(a) from b in inbox) + words * count(v_x_1) + bits(words)) mod 8; } } }"""

GENERAL = """
circuit general {
  word 2; tokens 3; width 5; scale 40;
  input x[3] in word;
  output y[3] in word = min(3, round(row[2] + row[3] * row[3]));
  layer one {
    head back { query (2 * self, 1) when self >= 2, (2, 1); key (self, -self^2);
      value (0, row[1] / 2 + row[1] * 1 / 2 - 0 * row[1]); }
    head more { query (2 * self, 1); key (self, -self^2); value unit(3, row[1] * row[1]) when row[1] == 1; }
  }
  layer two {
    local 1..3 reads x[k] = round(row[1] * k) for k in 1..1 { if self > 1 { y[self] = x[1]; } }
    head sharp { query (row[1], 1) when row[1] >= 1; key (row[1], -4 * self); value (zeros(4), row[2] / 2) when row[2] > 0; }
    head own { query (2 * self, 1); key (self, -self^2); value (0, 0, 0, y[self], min(1, row[1])) when self > 1; }
  }
}"""


LOOKS_UP = """
circuit looks_up {
  word 4; tokens 4; start; width 3; scale 60;
  input x[4] in 0..3;
  output y[4] in 0..9 = round(row[2] + row[3]);
  layer fetch { head back { query zeros(1); key zeros(1); value (0, row[1]); } }
  layer average { head both { query (1); key (1); value (0, 0, 2 * row[1]); } }
}"""


def looks_up() -> Circuit:
    """y[i] = x[i - 1] (0 for i = 1), found by an angle, plus twice the average of the words at i and i - 2."""
    c = circuit(LOOKS_UP)
    asks, says = (s.Case(parse_expression(x), None) for x in ("angle(self - 1, 7)", "angle(self, 7, 9)"))
    back = replace(c.layers[0].heads[0], query=(asks,), key=(says,))
    causal, even = (parse_expression(x) for x in ("other <= self", "other in self - 2..self and other mod 2 == self mod 2"))
    return replace(c, layers=(replace(c.layers[0], heads=(back,), mask=causal), replace(c.layers[1], mask=even)))


def circuits() -> dict[str, tuple[Protocol | None, Circuit]]:
    found: dict[str, tuple[Protocol | None, Circuit]] = {"general": (None, circuit(GENERAL)), "looks_up": (None, looks_up())}
    for name, p in {
        "tree_sum": library("tree_sum", 4, 2, 2),
        "pointer_doubling": library("pointer_doubling", 4, 1),
        "maximum": library("maximum", 5, 3, 1),
        "names": protocol(NAMES),
    }.items():
        found[name] = p, replace(transformer(p), scale=60, fraction=None, integer=None)
    return found


CIRCUITS = circuits()


def cases(name: str) -> list[tuple[list[int], list[int]]]:
    """Hundreds of inputs, or all, and the output words on exact numbers; words packed."""
    p, c = CIRCUITS[name]
    words = list(every_input(c.inputs, c.requires, c.functions))
    found = []
    for given in words[:: 1 + len(words) // 300]:
        outputs = exact.run(c.at("exact"), given)[1] if p is None else protocols.run(p, given).outputs
        wanted = [int(outputs[a.name, k]) for a in c.outputs for k in range(1, a.size + 1)]
        found.append(([w for a in c.inputs for w in given[a.name]], wanted))
    return found


def with_numpy(made: dict[str, Any], words: list[int]) -> list[int]:
    """The generated functions, with numpy in the place of PyTorch."""
    rows, width = made["ROWS"], made["WIDTH"]

    def dense(v: Any) -> list[float]:
        flat = v if isinstance(v, list) else [v]
        assert len(flat) <= width
        return [*map(float, flat), *[0.0] * (width - len(flat))]

    x = np.zeros((len(rows), width))
    x[1 - rows.start : 1 - rows.start + len(words), 0] = words
    for first, last, local, mask, heads in made["LAYERS"]:
        hidden = np.array([[mask is not None and not mask(i, j) for j in rows] for i in rows])
        done: dict[int, Any] = {i: ((), {name: {} for name, *_ in made["OUTPUTS"]}) for i in rows}
        for i in range(first, last + 1):
            done[i] = local(i, x[i - rows.start].tolist(), {})
        result = x
        for head in heads:
            parts = []
            for kind, part in head:
                more = {"fixed": 0, "row": 1}.get(kind, 3)
                parts.append(np.array([dense(part(i, *(x[i - rows.start].tolist(), *done[i])[:more])) for i in rows]))
            q, k, v = parts
            result = result + softmax(np.where(hidden, -np.inf, made["SCALE"] * q @ k.T)) @ v
        x = result
    found, w = [], 0
    for _, size, low, high, readout in made["OUTPUTS"]:
        for _ in range(size):
            w += 1
            found.append(made["check"](readout(w, x[w - rows.start].tolist()), low, high, "a word"))
    return found


@pytest.mark.parametrize("name", CIRCUITS)
def test_generated_functions_compute_the_same(name: str) -> None:
    made: dict[str, Any] = {"__name__": "made"}
    exec(compile(functions_text(CIRCUITS[name][1]), name, "exec"), made)
    kinds = {kind for *_, heads in made["LAYERS"] for head in heads for kind, _ in head}
    special = {"general": {"fixed", "row", "each row"}, "looks_up": {"fixed", "row"}}
    assert kinds == special.get(name, {"fixed", "row", "each"})
    for words, wanted in cases(name):
        assert with_numpy(made, words) == wanted, words


@pytest.mark.parametrize("name", CIRCUITS)
def test_the_exported_file_is_python_and_says_what_it_is(name: str) -> None:
    text = module_text(CIRCUITS[name][1], "some n=4")
    compile(text, "exported.py", "exec")
    head = text.split("from __future__")[0]
    assert all(line.startswith("#") for line in head.splitlines() if line)
    assert CIRCUITS[name][1].name in head and "some n=4" in head and "width" in head
    imported = {line.split()[1].split(".")[0] for line in text.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"__future__", "sys", "collections", "fractions", "math", "typing", "torch"}
    assert "checker" not in text and text.isascii()


EVIL = 'x"); __import__("os").system("true"); ("'


@pytest.mark.parametrize("evil", [EVIL, "x\nimport os", "x y", "", "ﬁ"])
def test_no_name_becomes_code(evil: str) -> None:
    """The grammar refuses such names already; the exporter does not rely on it."""
    c = CIRCUITS["tree_sum"][1]
    local = c.layers[1].local
    assert local is not None
    hostile = [
        replace(c, inputs=(replace(c.inputs[0], name=evil),)),
        replace(c, outputs=(replace(c.outputs[0], name=evil),)),
        replace(c, packets=(replace(c.packets[0], name=evil),)),
        replace(c, packets=(replace(c.packets[0], selector=Selector("table", (), ("01", evil))),)),
        replace(c, packets=(replace(c.packets[0], selector=Selector(evil, (8,))),)),
        replace(c, functions=(s.FunctionDefinition(evil, (), s.Number(1)),)),
        replace(c, functions=(s.FunctionDefinition("f", (evil,), s.Number(1)),)),
        replace(c, readouts=(s.Name(evil),)),
        replace(c, readouts=(s.Call(evil, ()),)),
        replace(c, readouts=(s.Binary(evil, s.Number(1), s.Number(2)),)),
        replace(c, layers=(replace(c.layers[1], local=replace(local, body=(s.Let(evil, s.Number(1)),))),)),
    ]
    for other in hostile:
        if other.packets[0].selector.rows == ("01", ""):
            continue  # an empty row is harmless
        with pytest.raises((SpecError, StopIteration)):
            functions_text(other)
    head = module_text(c, f"a\n{evil}\r\x0cimport os\u2028").split("# Sizes")[0]
    for line in head.splitlines():
        assert line.startswith("#")


def test_what_has_no_value_is_an_error() -> None:
    made: dict[str, Any] = {"__name__": "made"}
    exec(functions_text(CIRCUITS["tree_sum"][1]), made)
    with pytest.raises(ValueError, match="a word of x"):
        made["local_2"](1, [5.0, 1.0, *[0.0] * 46], {})
    for wrong in (lambda: runtime.only([]), lambda: runtime.greatest([]), lambda: runtime.at({1: 2}, 2),
                  lambda: runtime.at([1], 0), lambda: runtime.divide(1, 0),
                  lambda: runtime.modulo(1, 0), lambda: runtime.hadamard(5, 4),
                  lambda: runtime.moment_dual(frozenset({1, 2}), 3), lambda: runtime.natural(True), lambda: runtime.power(2, -1)):
        with pytest.raises(runtime.NoValue):
            wrong()


@pytest.mark.parametrize("options", [("identity", "moment"), ("kautz_singleton", "hadamard")])
def test_packets_and_vectors_are_those_of_the_language(options: tuple[str, str]) -> None:
    c = transformer(library("prefix_sums", 4, 2, 2), *options)
    p = c.packets[0]
    made: dict[str, Any] = {"__name__": "made"}
    exec(functions_text(replace(c, scale=1)), made)
    block = made["BLOCKS"][p.name]
    for source in range(1, 5):
        for destinations in [(), (1,), (3, 4), (2, 2)]:
            sent = [("part", (k % 4,), d) for k, d in enumerate(destinations, 2)]
            wanted = pk.pack(c, p, source, [Sent(*m, True) for m in sent])
            row = made["packed"]([made["Message"](*m) for m in sent], block, source)
            assert {k: x for k, x in enumerate(row, 1) if x != 0} == wanted.entries
            for machine in range(1, 5):
                found = made["unpacked"]([x / 2 for x in row] + [0.0], block, machine)
                read = pk.unpack(c, p, machine, wanted.times(Fraction(1, 2)))
                assert [(m.tag, m.words, m.source) for m in found] == [(m.tag, m.words, m.source) for m in read]
                assert bool(read) == (machine in destinations)
    for order in (1, 4, 8):
        for places in (frozenset[int](), frozenset({1}), frozenset({1, order})):
            assert made["hadamard_dual"](places, order) == list(pk.hadamard_dual(places, order))
            assert made["moment_dual"](places, 5) == list(pk.moment_dual(places, 5))
        assert made["hadamard"](1, order) == list(pk.hadamard(1, order)) and made["moment"](order, 4) == list(pk.moment(order, 4))


@pytest.mark.parametrize("name", CIRCUITS)
def test_modules_on_pytorch(name: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "made.py").write_text(module_text(CIRCUITS[name][1], name), encoding="utf-8")
    pairs = cases(name)
    code = ("import json, sys, torch\nfrom made import Module\nassert 'checker' not in sys.modules\n"
            "print(json.dumps(Module()(torch.tensor(json.load(sys.stdin))).tolist()))\n")
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps([words for words, _ in pairs]), capture_output=True,
                          text=True, cwd=tmp_path, timeout=300)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [wanted for _, wanted in pairs]


def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "m.py"
    command = [sys.executable, "-m", "checker", "export", "spec/tree_sum.lks", "tree_sum", "n=4", "s=2", "p=1", "-o", str(out)]
    done = subprocess.run([*command, "--scale", "40"], capture_output=True, text=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr
    text = out.read_text(encoding="utf-8")
    compile(text, "m.py", "exec")
    assert "# From: tree_sum n=4 s=2 p=1." in text and "scaled_dot_product_attention" in text
