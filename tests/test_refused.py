"""Claims that are false, or undefined, for reasons that a checker can overlook: none of them may ever be proved.

The first line of each file names its false claims. Most are false at one rare input, so that a random search does not find it.
"""

from pathlib import Path

import pytest

from checker.language.diagnostics import SpecError
from checker.proving.passes import How, check_files

FILES = sorted((Path(__file__).parent / "refused").glob("*.lks"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_not_proved(path: Path) -> None:
    first = path.read_text(encoding="utf-8").split("\n")[0]
    names = first.removeprefix("// not proved: ").split(":")[0].split()
    verdicts = {r.claim: r.outcome.verdict for r in check_files([path], How(timeout=0.2)).results}
    assert names and {verdicts[name] for name in names} <= {"REFUTED", "UNDECIDED"}


def test_the_order_of_an_inbox_is_not_observable(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(
        """circuit c { word 1; tokens 1; start; width 12; input x[1] in word; output y[1] in word = row[1]; message part(word);
  packets mail of part at 1 { machines 1; messages 1; selector identity(1); heard 0; }
  layer a { local 1..1 reads mail { let u = (v for part(v) in inbox); y[1] = u[1]; } } }
theorem t { let T = c(); claim depth: depth(T) == 1; }
""",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match="order is not observable"):
        check_files([tmp_path / "t.lks"])


def test_only_one_truth_value(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(
        """protocol p { word 16; memory 2; machines 1; input x[1] in word; output y[1] in word; message part(word);
  finish { y[1] = if only(x[1] == k for k in 1..1) then 1 else 0; } }
theorem t { let P = p(); claim c: P computes y[1] == (if x[1] == 1 then 1 else 0); }
""",
        encoding="utf-8",
    )
    assert [r.outcome.verdict for r in check_files([tmp_path / "t.lks"]).results] == ["PROVED"]


def test_sizes_are_those_of_the_protocol_to_check_against(tmp_path: Path) -> None:
    text = """protocol p { word 1; memory 2; machines 1; input x[1] in word; output y[1] in word; message part(word); ROUNDS
  finish { y[1] = 0; } }
theorem t { let P = p(); claim few: rounds(P) == 1; }
"""
    (tmp_path / "mine.lks").write_text(text.replace("ROUNDS", ""), encoding="utf-8")
    (tmp_path / "original.lks").write_text(text.replace("ROUNDS", "round r { }"), encoding="utf-8")
    found = check_files([tmp_path / "mine.lks"], against=tmp_path / "original.lks").results
    assert [r.outcome.verdict for r in found] == ["REFUTED"]


ONE_ROUND = """protocol p(n) where n >= 1 {
  word 20; memory 4; machines 2; input x[1] in 0..9000; output y[1] in word; message a(word);
  round one { for k in REPEAT { send a(WORD) to 1; } }
  finish { for k in held(y) { y[k] = VALUE; } } }
"""


def against(mine: str, original: str, folder: Path) -> list[str]:
    (folder / "mine.lks").write_text(mine, encoding="utf-8")
    (folder / "original.lks").write_text(original, encoding="utf-8")
    found = check_files([folder / "mine.lks"], How(timeout=0.5), against=folder / "original.lks")
    return [r.outcome.verdict for r in found.results]


def test_against_takes_the_same_parameters(tmp_path: Path) -> None:
    """Not those that the theorem's instance has under the same names."""
    heavy = ONE_ROUND.replace("REPEAT", "1..n").replace("WORD", "0").replace("VALUE", "0")
    heavy += "theorem t for n in 3..3 { let P = p(n + 5); claim fits: P fits; }"
    assert against(heavy, heavy, tmp_path) == ["REFUTED"]
    two = ONE_ROUND.replace("REPEAT", "held(x)").replace("WORD", "0").replace("VALUE", "n")
    two += """theorem t for n in 3..3 { let A = p(n); let B = p(n + 1);
      claim a: A computes y[1] == 3; claim b: B computes y[1] == 3; }"""
    assert against(two, two, tmp_path) == ["PROVED", "REFUTED"]


def test_functions_of_one_name_in_two_files(tmp_path: Path) -> None:
    """The search in the protocol is over the original's f, that in the equation over one that differs at 994."""
    search = "max(j for j in 0..x[{}] if j == 0 or f(j))"
    text = ONE_ROUND.replace("REPEAT", "held(x)").replace("WORD", search.format("k")).replace("VALUE", "only(a)")
    text += f"theorem t for n in 1..1 {{ let P = p(n); claim right: P computes y[1] == {search.format('1')}; }}"
    f = "function f(a) = a mod 7 == 0{};\n"
    assert against(f.format("") + text, f.format("") + text, tmp_path) == ["PROVED"]
    assert against(f.format(" and a != 994") + text, f.format("") + text, tmp_path) != ["PROVED"]


def test_what_is_compiled_is_compiled_from_the_original(tmp_path: Path) -> None:
    """Mine puts out x, the original 1 - x: so do its circuit, and the circuit's protocol."""
    source = """protocol copy(n) where n >= 1 {
  word 1; memory n; machines 1; input x[n] in word; output y[n] in word; message m(word);
  finish { for k in held(y) { y[k] = %s; } } }
"""
    mine = source % "x[k]" + """theorem t for n in 2..2 { let P = copy(n); let T = transformer(P); let Q = mpc(T);
      claim p: P computes y[1] == x[1]; claim t: T computes y[1] == x[1]; claim q: Q computes y[1] == x[1];
      claim back: Q simulates P; }"""
    assert against(mine, source % "x[k]", tmp_path) == ["PROVED"] * 4
    assert against(mine, source % "1 - x[k]", tmp_path) == ["REFUTED", "REFUTED", "REFUTED", "PROVED"]


def test_the_file_to_check_against_has_the_same_words(tmp_path: Path) -> None:
    mine = ONE_ROUND.replace("REPEAT", "held(x)").replace("WORD", "0").replace("VALUE", "0")
    with pytest.raises(SpecError, match="same inputs and outputs"):
        against(mine + "theorem t { let P = p(1); claim fits: P fits; }", mine.replace("0..9000", "0..9"), tmp_path)


def test_a_protocol_with_numbers_is_taken_from_the_other_file_if_it_is_there(tmp_path: Path) -> None:
    """Mine puts out what its circuit does, the original 1 - x."""
    circuit = """circuit t { word 16; tokens 1; width 2; scale 1; fraction 4; integer 6; input x[1] in 0..1;
  output y[1] in 0..1 = max(0, min(1, round(row[1]))); }
"""
    head = "protocol echo { word 23; memory 10; machines 1; input x[1] in 0..1; output y[1] in 0..1;\n"
    mine = head + """  message token(0..1), state(number[2] by 1 / 16), answer(0..1);
  round deal { for k in held(x) { send token(x[k]) to k; } }
  round tell { let mine = unit(1, sum(w for token(w) in inbox)); send answer(readout(t, 1, mine)) to 1; }
  finish { y[1] = only(answer); } }
"""
    theorem = "theorem it { claim few: rounds(echo) == 3; claim wrong: echo computes y[1] == 1 - x[1]; }"
    other = head + "  message m(word); finish { for k in held(y) { y[k] = 1 - x[k]; } } }\n"
    whole = circuit + mine + theorem
    assert against(whole, circuit + mine, tmp_path) == ["PROVED", "REFUTED"]
    assert against(whole, circuit, tmp_path) == ["PROVED", "REFUTED"]
    assert against(whole, other, tmp_path) == ["REFUTED", "PROVED"]
    with pytest.raises(SpecError, match="made from a circuit"):
        against(whole.replace("few: rounds(echo) == 3", "same: echo simulates t"), other, tmp_path)


def test_sizes_in_identities_are_those_of_the_protocol_to_check_against(tmp_path: Path) -> None:
    text = """protocol p { word 1; memory 2; machines 1; input x[1] in word; output y[1] in word; message part(word); ROUNDS
  finish { y[1] = 0; } }
theorem t { let P = p(); claim few: z^2 + 1 >= rounds(P) for all real z; }
"""
    assert against(text.replace("ROUNDS", ""), text.replace("ROUNDS", ""), tmp_path) == ["PROVED"]
    assert against(text.replace("ROUNDS", ""), text.replace("ROUNDS", "round r { }"), tmp_path) == ["REFUTED"]


TWO_COORDINATES = """circuit c {
  word 1; tokens 3; width 3; scale 8; fraction 6; integer 7;
  input x[3] in word;
  output y[3] in word = round(2 * row[2] - row[3]);
  layer a { head h { query (2 * self, -1); key (self, self^2); value (0, row[1], row[1]); } }
}
"""


def test_what_is_known_of_other_theorems_does_not_matter(tmp_path: Path) -> None:
    """Without the cut no proof is found; with it there is one, whichever is tried first."""
    without = "theorem a { let Q = mpc(c); claim fits: Q fits; claim same: Q simulates c; }\n"
    having = without.replace("theorem a {", "theorem b { cut r: h in c[1] reads self;")
    for text in (without + having, having + without):
        (tmp_path / "t.lks").write_text(TWO_COORDINATES + text, encoding="utf-8")
        found = {(r.theorem, r.claim): r.outcome.verdict for r in check_files([tmp_path / "t.lks"], How(timeout=0.5)).results}
        assert {k for k, verdict in found.items() if verdict == "PROVED"} == {("b", "r"), ("b", "fits"), ("b", "same")}


def test_circuits_without_words(tmp_path: Path) -> None:
    """There is nothing to deal: a diagnostic; a protocol that performs one has no room for words and needs none."""
    text = """circuit t { word 1; tokens 1; width 1; scale 1; fraction 1; integer 3;
 layer a { head h { query 0; key 0; value 0; } } }
protocol p { word 16; memory 1; address 1; machines 2; message n(number[1] by 1 / 2);
 round a { if self == 1 { send n(query(t, 1, 1, 1, zeros(1))) to 2; } } finish { } }
"""
    (tmp_path / "t.lks").write_text(text + "theorem it { claim fits: p fits; }", encoding="utf-8")
    assert [r.outcome.verdict for r in check_files([tmp_path / "t.lks"], How(timeout=0.5)).results] == ["REFUTED"]
    (tmp_path / "t.lks").write_text(text + "theorem it { let Q = mpc(t); claim fits: Q fits; }", encoding="utf-8")
    with pytest.raises(SpecError, match="input and output words"):
        check_files([tmp_path / "t.lks"])


def test_what_is_stored_is_a_vector_on_every_rung(tmp_path: Path) -> None:
    """stored(1, step) has a first coordinate, also where numbers are not rounded."""
    text = """circuit t {
  word 16; tokens 1; width 1; scale 1; fraction 4; integer 6;
  input x[1] in 0..3; output y[1] in 0..4096 = floor(16 * row[1]) + 100;
  layer a { head h { query 0; key 0; value 0; } } }
protocol q { word 27; memory 9; machines 1; input x[1] in 0..3; output y[1] in 0..4096;
  message s(number[1] by 1 / 16), part(number[2] by 1 / 4096), answer(0..4096);
  round a {
    let u = stored(1, 1 / 16);
    let w = u[1];
    let v = unit(1, x[1]);
    let a = query(t, 1, 1, 1, v);
    let b = key(t, 1, 1, 1, v);
    send s(unit(1, x[1])) to 1;
    send part((sum(a[c] * b[c] for c in 1..1), value(t, 1, 1, 1, v))) to 1;
  }
  round b {
    let old = only(s);
    let z = sum(exp(p[1]) for part(p) in inbox);
    let mine = stored((old[c] + sum(exp(p[1]) / z * p[c + 1] for part(p) in inbox) for c in 1..1), 1 / 16);
    send answer(readout(t, 1, mine)) to 1;
  }
  finish { y[1] = only(answer); }
}
theorem it { claim same: q simulates t; claim real: q simulates t at softmax; }
"""
    (tmp_path / "t.lks").write_text(text, encoding="utf-8")
    assert [r.outcome.verdict for r in check_files([tmp_path / "t.lks"]).results] == ["PROVED", "PROVED"]


def test_what_has_no_value_has_none_in_no_coordinates(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(
        """circuit t { word 1; tokens 1; width 1; input x[1] in word; output y[1] in word = row[1];
  layer b { head h { query sign(1 / 2, 0, 1); key 0; value 0; } } }
theorem it { claim t: t computes y[1] == x[1]; }
""",
        encoding="utf-8",
    )
    assert [r.outcome.verdict for r in check_files([tmp_path / "t.lks"]).results] == ["REFUTED"]
