"""Bad input is answered with a place and a code, never with a traceback; several mistakes in one run."""

import subprocess
import sys
from pathlib import Path

import pytest

GOOD = """\
protocol one(n, s) where n >= 1 {
  word 2; memory s; machines n; input x[n] in word; output y[1] in word; message part(word), two(word, word);
  round tell { LOCAL }
  finish { if self == 1 { y[1] = 0; } }
}
theorem t for n in 2..3 { let P = one(n, 2); claim fits: P fits; CLAIM }
"""


def check(tmp_path: Path, text: str, *arguments: str) -> str:
    path = tmp_path / "bad.lks"
    path.write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "checker", *(arguments or ("check", str(path)))]
    done = subprocess.run([a.replace("FILE", str(path)) for a in command], capture_output=True, text=True, timeout=100)
    assert done.returncode == 2, done
    assert "Traceback" not in done.stderr and "internal" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("local", "claim", "code", "place"),
    [
        ("send part(nobody) to 1;", "", "NAME", ":3:26:"),
        ("send nothing(1) to 1;", "", "NAME", ":3:16:"),
        ("send part(1, 2) to 1;", "", "ARITY", ":3:16:"),
        ("send part(1 == 1) to 1;", "", "TYPE", ":3:26:"),
        ("send part(only(two)) to 1;", "", "", ":3:"),
        ("send part(y[1]) to 1;", "", "", ":3:"),
        ("let a = f(1);", "", "NAME", ":3:"),
        ("", "claim more: Q fits;", "NAME", ":6:"),
        ("", "claim more: depth(P) == 2;", "TYPE", ":6:"),
        ("", "claim fits: P fits;", "DUPLICATE", ":6:"),
        ("", "claim more: P simulates P;", "TYPE", ":6:"),
    ],
)
def test_mistakes_have_a_place(tmp_path: Path, local: str, claim: str, code: str, place: str) -> None:
    answer = check(tmp_path, GOOD.replace("LOCAL", local).replace("CLAIM", claim))
    assert f"error[{code}" in answer and place in answer and "expected" in answer and "^" in answer


def test_several_in_one_run(tmp_path: Path) -> None:
    text = GOOD.replace("LOCAL", "send part(a) to b; send part(1) to c;").replace("CLAIM", "")
    assert check(tmp_path, text).count("error[NAME]") == 3


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("memory s", "memory 0"),
        ("for n in 2..3", "for n in 0..3"),
        ("x[n] in word", "x[n] in 3..2"),
        ("x[n] in word", "x[n] in 0..4"),
        ("x[n] in word", "x[n * 9] in word"),
        ("word 2", "word 1 / 2"),
        ("machines n", "machines 10^9"),
        ("claim fits", "claim fits: P computes y[k] == x[k] for k in 1..1 / 0; claim other"),
    ],
)
def test_instances_that_make_no_sense(tmp_path: Path, old: str, new: str) -> None:
    answer = check(tmp_path, GOOD.replace("LOCAL", "").replace("CLAIM", "").replace(old, new))
    assert "error[" in answer and "bad.lks:" in answer


@pytest.mark.parametrize("given", ["1,2", "1,2,9", "1,x,2", "", "random:x"])
def test_inputs_of_the_wrong_length_or_range(tmp_path: Path, given: str) -> None:
    text = GOOD.replace("LOCAL", "").replace("CLAIM", "")
    assert "error[" in check(tmp_path, text, "run", "FILE", "one", "n=3", "s=2", "--input", given)


@pytest.mark.parametrize("open_, close", [("(", ")"), ("- ", ""), ("not ", ""), ("if 1 == 1 then ", " else 1"), ("f(", ")")])
def test_nested_ten_thousand_deep(tmp_path: Path, open_: str, close: str) -> None:
    text = f"function f(a) = a;\nfunction g(a) = {open_ * 10_000}1{close * 10_000};\n"
    assert "error[TOO_DEEP]" in check(tmp_path, text)


def test_empty_and_missing(tmp_path: Path) -> None:
    assert "error[EMPTY]" in check(tmp_path, "")
    assert "error[FILE]" in check(tmp_path, "", "check", "FILE.missing")


def test_too_large_for_the_budget(tmp_path: Path) -> None:
    text = GOOD.replace("LOCAL", "").replace("CLAIM", "").replace("for n in 2..3", "for n in 1..10000000")
    assert "error[TOO_LARGE]" in check(tmp_path, text)


def test_specs_cannot_read_files(tmp_path: Path) -> None:
    assert "error[NAME]" in check(tmp_path, "use secrets from library;\nfunction f(a) = a;\n")
