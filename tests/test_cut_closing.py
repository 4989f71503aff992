"""Circuits with masks and fields, and lemmas, at numbers: named masks and fields written out, nothing captured, text and back."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import circuit

from checker.elaboration.closing import close_circuit
from checker.elaboration.lemmas import close_lemma
from checker.elaboration.library import load_text
from checker.elaboration.theorem_to_claims import claims
from checker.kernel.replay.circuit import replay_circuit
from checker.language import syntax as s
from checker.language.diagnostics import SpecError
from checker.language.parser import parse_expression
from checker.models import printing
from checker.models.circuit import Circuit
from checker.models.lemma import Field, Lemma
from checker.semantics.masks import visible

ONE = """circuit c {{ word 5; tokens 4; {start} width 3; {parts} input x[4] in word; output y[4] in word = {readout};
  layer first {{ {layer} head h {{ query zeros(1); key zeros(1); value {value}; }} }} }}"""


def one(parts: str = "", layer: str = "", value: str = "zeros(1)", readout: str = "row[1]", start: str = "") -> Circuit:
    return circuit(ONE.format(start=start, parts=parts, layer=layer, value=value, readout=readout))


def lemma(text: str, **arguments: int) -> Lemma:
    loaded = load_text(text)
    (d,) = [x for x in loaded.definitions.values() if isinstance(x, s.LemmaDefinition)]
    return close_lemma(d, arguments, loaded.functions)


def comes_back(c: Circuit) -> None:
    loaded = load_text(printing.text(c))
    d = loaded.definitions[c.name]
    assert isinstance(d, s.CircuitDefinition)
    assert close_circuit(d, {}, loaded.functions) == c


@pytest.mark.parametrize(("mask", "start", "rows"), [
    ("causal", "start;", {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 1, 2, 3}, 4: {0, 1, 2, 3, 4}}),
    ("strict", "start;", {0: {0}, 1: {0}, 2: {0, 1}, 3: {0, 1, 2}, 4: {0, 1, 2, 3}}),
    ("strict", "", {1: {1}, 2: {1}, 3: {1, 2}, 4: {1, 2, 3}}),
    ("window(1, 4)", "", {1: {1, 2, 4}, 2: {1, 2, 3, 4}, 3: {2, 3, 4}, 4: {3, 4}}),
    ("causal and window(1, 3)", "start;", {0: {0}, 1: {0, 1}, 2: {0, 1, 2}, 3: {0, 2, 3}, 4: {0, 3, 4}}),
    ("not strict", "", {1: {2, 3, 4}, 2: {2, 3, 4}, 3: {3, 4}, 4: {4}}),
    ("any(other == self - k for k in 0..1)", "", {1: {1}, 2: {1, 2}, 3: {2, 3}, 4: {3, 4}}),
    ("any(window(other, 9) for other in 0..1) and causal", "", {1: {1}, 2: {1, 2}, 3: {2, 3}, 4: {3, 4}}),
])
def test_masks_say_who_sees_whom(mask: str, start: str, rows: dict[int, set[int]]) -> None:
    c = one(f"mask {mask};", start=start)
    closed = c.layers[0].mask
    assert closed is not None and not s.mentions(closed, "causal", "strict", "none", "window")
    assert {i: {*js} for i, js in visible(closed, c.rows, c.functions).items()} == rows
    comes_back(c)


@pytest.mark.parametrize(("parts", "layer"), [
    ("", ""), ("mask none;", ""), ("mask causal;", "mask none;"), ("", "mask none or strict;"),
])
def test_no_mask(parts: str, layer: str) -> None:
    assert one(parts, layer).layers[0].mask is None


def test_a_mask_of_a_layer_takes_the_place_of_the_circuits() -> None:
    text = ONE.format(start="", parts="mask causal;", layer="", value="zeros(1)", readout="row[1]")
    text = text.replace("} } }", "} } layer more for l in 1..2 { mask other <= l or causal; } }")
    c = circuit(text)
    masks = [x.mask for x in c.layers]
    expected = ["other <= self", "other <= 1 or other <= self", "other <= 2 or other <= self"]
    assert masks == [parse_expression(e) for e in expected]
    comes_back(c)


@pytest.mark.parametrize(("mask", "start", "row"), [
    ("other > self", "", 4), ("other < self", "start;", 0), ("causal and other >= 2", "", 1),
    ("window(0, 9) and other != 3", "", 3), ("self == 3 and other == 9 or self != 3", "", 3),
])
def test_a_row_without_any_is_named(mask: str, start: str, row: int) -> None:
    for parts, layer in ((f"mask {mask};", ""), ("", f"mask {mask};")):
        with pytest.raises(SpecError, match=f"a row that row {row} of layer first may attend to, found none") as error:
            one(parts, layer, start=start)
        text = ONE.format(start=start, parts=parts, layer=layer, value="zeros(1)", readout="row[1]")
        span = error.value.diagnostics[0].span
        assert error.value.diagnostics[0].code == "MASK"
        assert text.splitlines()[span.line - 1][span.column - 1 :].startswith(mask.split()[0])


def test_a_mask_that_is_neither_true_nor_false() -> None:
    with pytest.raises(SpecError, match="true or false for row 1 and row 1"):
        one("mask 1 / (other - 1) > 0;")


def test_fields_are_written_out() -> None:
    c = one("field a = row[1] + 1; field b = 2 * a;", "field d = (a, b);", "(d, b)", "a - b")
    (value,) = c.layers[0].heads[0].value
    assert value.value == parse_expression("((row[1] + 1, 2 * (row[1] + 1)), 2 * (row[1] + 1))")
    assert c.readouts == (parse_expression("row[1] + 1 - 2 * (row[1] + 1)"),)
    comes_back(c)


@pytest.mark.parametrize(("field", "use", "expected"), [
    ("sum(k * row[1] for k in 1..2)", "sum(f * k for k in 1..3)", 18),
    ("sum(k * row[1] for k in 1..2)", "sum(f for k in f..f)", 3),
    ("self * row[1]", "sum(f for f in 1..3)", 6), ("self + row[1]", "max(k + f for k in 1..2 if k < f)", 3),
    ("1 + 1", "f ^ f + f", 6),
])
def test_nothing_is_captured(field: str, use: str, expected: int) -> None:
    c = one(f"field f = {field};", readout=use)
    assert not s.mentions(c.readouts, "f") or "for f" in use
    assert replay_circuit(c, {"x": (1, 1, 1, 1)}).outputs["y"][0] == expected
    comes_back(c)


def test_a_loop_variable_in_a_field_of_another_name() -> None:
    text = ONE.format(start="", parts="field f = sum(row[1] + l for l in 1..2);", layer="", value="zeros(1)", readout="row[1]")
    text = text.replace("layer first {", "layer first for l in 5..6 { field g = sum(f + l + m for m in 1..2);").replace(
        "value zeros(1)", "value sum(g for m in 1..l)")
    values = [x.heads[0].value[0].value for x in circuit(text).layers]
    inner = "sum(row[1] + l for l in 1..2)"
    assert values == [parse_expression(f"sum(sum({inner} + {k} + m for m in 1..2) for m in 1..{k})") for k in (5, 6)]


def test_fields_that_grow_too_large_or_deep() -> None:
    doubled = "field f0 = row[1];" + "".join(f"field f{k} = f{k - 1} * f{k - 1};" for k in range(1, 30))
    with pytest.raises(SpecError) as error:
        one(doubled, readout="f29")
    assert error.value.diagnostics[0].code == "TOO_LARGE"
    chain = "field f0 = row[1];" + "".join(f"field f{k} = f{k - 1} + 1;" for k in range(1, 400))
    with pytest.raises(SpecError) as error:
        one(chain, readout="f399")
    assert error.value.diagnostics[0].code == "TOO_DEEP"


def test_an_element_of_a_field_that_is_a_vector() -> None:
    assert one("field r = row;", readout="r[1]").readouts == (parse_expression("row[1]"),)
    with pytest.raises(SpecError, match="expected an array, found `v`"):
        one("field v = (row[1], 2);", readout="v[1]")


LAST = """function old(n, s) = n * s; function same(a, b) = a == b; function unused(a) = a;
lemma last(n, s) where n >= 1 {
  let M = old(n, s); rows 0..n; mask strict or window(0, M + 1);
  field mine in 1..s; field before in 0..min(s, self);
  assume self >= 0; assume same(self, 0) or before <= s; assume 1 == 1;
  query (angle(M + mine, 2 * M), 1) when self >= 1, 0 when s == 1; key before when s > 1, mine;
  reads max(j for j in 0..self if before[j] == mine), n;
}
"""


def test_lemma() -> None:
    e = parse_expression
    closed = lemma(LAST, n=3, s=2)
    assert closed.rows == range(4) and closed.mask is not None
    assert visible(closed.mask, closed.rows, ()) == {0: (0,), 1: (0, 1), 2: (0, 1, 2), 3: (0, 1, 2, 3)}
    assert closed.fields == (Field("mine", s.Number(1), s.Number(2)), Field("before", s.Number(0), e("min(2, self)")))
    assert closed.assumptions == (e("self >= 0"), e("same(self, 0) or before <= 2"))
    assert closed.query == (s.Case(e("(angle(6 + mine, 12), 1)"), e("self >= 1")),)
    assert closed.key == (s.Case(s.Name("before"), None),)
    assert closed.reads == (e("max(j for j in 0..self if before[j] == mine)"), s.Number(3))
    assert [f.name for f in closed.functions] == ["same"]
    assert closed == lemma(LAST, n=3, s=2) and hash(closed) == hash(lemma(LAST, n=3, s=2)) and closed != lemma(LAST, n=3, s=3)


@pytest.mark.parametrize(("old", "new", "code", "place"), [
    ("where n >= 1", "where n >= 4", "INSTANCE", "n >= 4"), ("rows 0..n", "rows 0..n / 2", "STATIC", "n / 2"),
    ("rows 0..n", "rows n..0", "SIZE", "0; mask"), ("rows 0..n", "rows -1..n", "SIZE", "-1"),
    ("rows 0..n", "rows 0..2000", "TOO_LARGE", "2000"),
    ("strict or window(0, M + 1)", "other < self", "MASK", "other"), ("in 1..s;", "in 1..s / 4;", "STATIC", "s / 4"),
    ("in 1..s;", "in 1..6 / self;", "STATIC", "6 / self"), ("in 1..s;", "in self / 2..s;", "STATIC", "self / 2"),
    ("in 1..s;", "in 1..10^30;", "TOO_LARGE", "field mine"), ("let M = old(n, s)", "let M = 1 / (n - 3)", "STATIC", "1 / (n"),
])
def test_lemmas_that_make_no_sense(old: str, new: str, code: str, place: str) -> None:
    text = LAST.replace(old, new)
    assert text != LAST
    with pytest.raises(SpecError) as error:
        lemma(text, n=3, s=2)
    d = error.value.diagnostics[0]
    assert d.code == code and text.splitlines()[d.span.line - 1][d.span.column - 1 :].startswith(place)


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", "checker", *arguments], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_commands(tmp_path: Path) -> None:
    """Printed in the standard form, and checked, with masks, fields, lemmas and cuts in the file."""
    path = tmp_path / "t.lks"
    path.write_text("circuit c(n) { word 2; tokens n; width 1; mask causal; field f = row[1]; input x[n] in word;"
                    " output y[n] in word = f; layer a { head h { query 1; key 1; value f; } } }\n"
                    + LAST + "theorem t for n in 1..1 { let T = c(n); cut k: h in T[1] reads 1; }\n", encoding="utf-8")
    path.write_text(run("fmt", str(path)), encoding="utf-8")
    run("fmt", "--check", str(path))
    assert "field f = row[1];" in path.read_text(encoding="utf-8")
    assert run("check", str(path)).startswith("PROVED")


@pytest.mark.parametrize("layer", ["1", "l"])
def test_a_cut_for_more_layers_than_there_can_be(layer: str) -> None:
    """Found before anything is made for each of them."""
    text = ONE.format(parts="", layer="", value="zeros(1)", readout="row[1]", start="")
    theorem = f"theorem t {{\n  let T = c();\n  cut a for l in 1..10^12: h in T[{layer}] reads self;\n}}\n"
    with pytest.raises(SpecError) as error:
        list(claims(load_text(f"{text}\n{theorem}")))
    (found,) = error.value.diagnostics
    assert found.code == "TOO_LARGE" and (found.span.line, found.span.column) == (5, 18)
