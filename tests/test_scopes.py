from pathlib import Path

import pytest

from checker.elaboration import library
from checker.elaboration.library import load, load_text
from checker.language.diagnostics import SpecError

GOOD = """
function one = 1;
function total(x, n) = sum(x[k] for k in 1..n);
function pos(a) = a > 0;
protocol p(n, s) where n >= 1 {
  let q = ceil(n / s);
  word 4; memory s; machines q; input x[n] in word; output y[1] in 0..one;
  requires permutation(x) and total(x, n) > 0;
  message part(word), pair(word, 0..1);
  round add for t in 1..2 keeps all((count(part) at m) <= t and x[m] >= 0 for m in 1..q) {
    let v = sum(x[k] for k in held(x)) + sum(a + j for pair(a, b) from j in inbox if pos(b));
    for k in 1..t { send pair(v, k mod 2) to k; }
    if count(part) > 0 and self == 1 { send part(only(part)) to self; }
  }
  finish { for k in held(y) { y[k] = only(part); } }
}
circuit c { word 1; tokens 2; start; width 30; input x[2] in word; output y[2] in word = row[1];
  message part(word);
  packets P of part at 3 { machines 2; messages 1; selector identity(4); heard 0; }
  layer a { local 1..2 reads x[k] = row[k] for k in self..self reads P {
      send part(x[self]) to 1; y[self] = only(part); }
    head h { query (-row, 2 * self, zeros(3)) when self >= 1; key hadamard_dual(destinations(P), 4), row;
      value (packed(P), y[1]); }
  }
}
theorem t for n in {4..8, 16}, s in 2..n where s < n {
  let P = p(n, s); let C = c; let T = transformer(P, selector = best, embedding = moment); let d = n + one;
  claim fits: P fits; claim right: T computes y[k] == x[k] + d for k in 1..1; claim same: T simulates P at exact;
  claim go: T delivers; claim depth: depth(T) == rounds(P) + 1 and width(C) < 9 and tokens(T) >= memory(P);
}
"""


def problems(text: str) -> list[tuple[str, str]]:
    with pytest.raises(SpecError) as error:
        load_text(text)
    assert all(d.span.line > 0 for d in error.value.diagnostics)
    return [(d.code, d.message) for d in error.value.diagnostics]


def test_good() -> None:
    loaded = load_text(GOOD)
    assert list(loaded.definitions) == ["one", "total", "pos", "p", "c"] and [t.name for t in loaded.theorems] == ["t"]
    assert list(loaded.functions) == ["one", "total", "pos"]


@pytest.mark.parametrize(("old", "new", "code"), [
    ("ceil(n / s)", "ciel(n / s)", "NAME"), ("memory s;", "memory r;", "NAME"), ("held(x))", "held(z))", "NAME"),
    ("to self;", "to n > 1;", "TYPE"), ("send part(only", "send pear(only", "NAME"),
    ("send pair(v, k mod 2)", "send pair(v)", "ARITY"),
    ("only(part); }", "only(pair); }", "ARITY"), ("pair(a, b) from", "pair(a) from", "ARITY"),
    ("pair(a, b) from", "pair(a, a) from", "DUPLICATE"),
    ("total(x, n) > 0", "total(x) > 0", "ARITY"), ("total(x, n) > 0", "total(x, n)", "TYPE"), ("if pos(b)", "if b", "TYPE"),
    ("let q =", "let n =", "DUPLICATE"), ("output y[1] in 0", "output x[1] in 0", "DUPLICATE"),
    ("let v =", "let self =", "DUPLICATE"),
    ("send part(only(part)) to self", "y[1] = 1", "PLACE"), ("y[k] = only(part)", "send part(1) to 1", "PLACE"),
    ("y[k] = only(part)", "y[k] = row[1]", "NAME"), ("x[k] for k in held(x))", "(1, 2) for k in held(x))", "TYPE"),
    ("count(part) at m", "count(part)", "NAME"), ("P = p(n, s)", "P = p(n)", "ARITY"), ("P = p(n, s)", "P = q(n)", "NAME"),
    ("selector = best", "selector = bset", "NAME"), ("selector = best", "sel = best", "NAME"), ("P fits", "T fits", "TYPE"),
    ("P fits", "p fits", "NAME"), ("depth(T) ==", "depth(P) ==", "TYPE"), ("y[k] == x[k]", "z[k] == x[k]", "NAME"),
    ("claim go", "claim fits", "DUPLICATE"), ("identity(4)", "identity(4, 4)", "ARITY"), ("identity(4)", "identiy(4)", "NAME"),
    ("packed(P), y", "packed(Q), y", "NAME"), ("of part at", "of port at", "NAME"), ("= row[1];", "= row;", "TYPE"),
    ("to 1; y[self]", "to row[1]; y[self]", "NAME"), ("function one", "function total", "DUPLICATE"),
    ("function one", "function min", "DUPLICATE"),
    ("(a) = a > 0", "(a) = a > b", "NAME"), ("let C = c;", "let C = c(1);", "ARITY"), ("x[m] >= 0", "q[m] >= 0", "TYPE"),
])
def test_one_problem(old: str, new: str, code: str) -> None:
    assert old in GOOD
    assert code in [c for c, _ in problems(GOOD.replace(old, new, 1))]


def test_all_problems_and_hints() -> None:
    found = problems("function f(alpha) = alhpa + (1 > 2);\nfunction g(a) = f(a, a) + flor(a);")
    assert [c for c, _ in found] == ["NAME", "TYPE", "ARITY", "NAME"]
    assert "did you mean `alpha`" in found[0][1] and "did you mean `floor`" in found[3][1]


def test_deep_expressions_are_quick() -> None:
    load_text("function f(a) = " + "-" * 180 + "a; function g(a) = " + "((" * 60 + "a > 1" + ") == (1 > a))" * 60 + ";")


def test_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(path: Path) -> str:
        with pytest.raises(SpecError) as error:
            load(path)
        return error.value.diagnostics[0].code

    (tmp_path / "empty.lks").write_text(" // nothing\n")
    (tmp_path / "binary.lks").write_bytes(b"\x00\x01")
    (tmp_path / "latin.lks").write_bytes("function ä".encode("latin-1"))
    (tmp_path / "a.lks").write_text("use b from library; function a(n) = b(n);")
    (tmp_path / "b.lks").write_text("use a from library; function b(n) = if n < 1 then 0 else a(n - 1);")
    (tmp_path / "twice.lks").write_text("use b from library; function a = 1;")
    (tmp_path / "unknown.lks").write_text("use bb from library; function a = 1;")
    monkeypatch.setattr(library, "data_folder", lambda name: tmp_path)
    assert [code(tmp_path / f"{x}.lks") for x in ("no", "empty", "binary", "latin", "twice", "unknown")] == [
        "FILE", "EMPTY", "FILE", "FILE", "DUPLICATE", "NAME"]
    assert code(tmp_path) == "FILE"
    assert list(load(tmp_path / "a.lks").definitions) == ["b", "a"]
    assert list(load(tmp_path / "b.lks").definitions) == ["a", "b"]
    assert set(load_text("use a from library; function c = a(1);").definitions) == {"a", "b", "c"}


def test_long_chains_of_functions() -> None:
    load_text("function f0(a) = a;\n" + "\n".join(f"function f{k}(a) = f{k - 1}(a) + 1;" for k in range(1, 500)[::-1]))
