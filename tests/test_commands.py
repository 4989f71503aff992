"""The command line through a subprocess, and the reports on hand-made results."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from math import exp
from pathlib import Path

import pytest

from checker.kernel.proofs import Outcome, Proved, Witness, conclude
from checker.language.diagnostics import Span
from checker.proving.results import ClaimResult, Report
from checker.reporting import instances, json_report, proof_trees
from checker.reporting.text import TextReport

ROOT = Path(__file__).resolve().parents[1]
TINY = """\
protocol pair(n) where n >= 1 {
  word 2;
  memory n;
  machines 2;
  input x[2 * n] in word;
  output y[1] in word;
  message part(word);
  round gather {
    send part(sum(x[k] for k in held(x)) mod 4) to 1;
  }
  finish {
    if self == 1 {
      y[1] = sum(v for part(v) in inbox) mod 4;
    }
  }
}

circuit second {
  word 1;
  tokens 2;
  width 3;
  input x[2] in word;
  output y[1] in word = row[2];
  layer fetch {
    head other {
      query (1, 0) when self == 1;
      key (self, 0);
      value (0, row[1]);
    }
  }
}
"""


def lockstep(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("LOCKSTEP_DEBUG", None)
    return subprocess.run([sys.executable, "-m", "checker", *arguments], capture_output=True, text=True, timeout=120,
                          cwd=cwd, env=environment)


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    file = tmp_path / "tiny.lks"
    file.write_text(TINY, encoding="utf-8")
    return str(file)


def wrong(done: subprocess.CompletedProcess[str]) -> str:
    """A call that is wrong: status 2, nothing but diagnostics."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


# ---- start-up -----------------------------------------------------------------------------------


def test_help_imports_nothing_heavy() -> None:
    code = ("import sys\nfrom checker.commands.main import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
            "heavy = {'lark', 'z3', 'sympy', 'numpy', 'rich'} & set(sys.modules)\nassert not heavy, heavy\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr
    assert "compile" in done.stdout


@pytest.mark.parametrize("command", ["check", "test", "run", "compile", "export", "fmt", "new", "bounds", "bench", "table"])
def test_every_help_has_an_example(command: str) -> None:
    done = lockstep(command, "--help")
    assert done.returncode == 0
    assert f"lockstep {command} " in done.stdout and "Example" in done.stdout


def test_version() -> None:
    assert lockstep("--version").stdout.startswith("lockstep")


# ---- status 2 -----------------------------------------------------------------------------------


def test_missing_file(tmp_path: Path) -> None:
    for command in (["check"], ["test"], ["fmt"]):
        assert "nowhere.lks" in wrong(lockstep(*command, str(tmp_path / "nowhere.lks")))


def test_binary_file(tmp_path: Path) -> None:
    file = tmp_path / "binary.lks"
    file.write_bytes(bytes(range(256)))
    assert "UTF-8" in wrong(lockstep("check", str(file)))
    file.write_bytes(b"\0\0")
    assert "binary" in wrong(lockstep("check", str(file)))


def test_directory_without_specs(tmp_path: Path) -> None:
    assert "found none" in wrong(lockstep("check", str(tmp_path)))


def test_two_syntax_errors_with_carets(tmp_path: Path) -> None:
    file = tmp_path / "bad.lks"
    file.write_text("function f(a) = a +;\n\nfunction g(a) = ) a;\n", encoding="utf-8")
    for command in ("check", "fmt"):
        text = wrong(lockstep(command, str(file)))
        assert f"{file}:1:20: error[SYNTAX]" in text
        assert f"{file}:3:17: error[SYNTAX]" in text
        assert "^" in text


def test_deep_nesting(tmp_path: Path) -> None:
    file = tmp_path / "deep.lks"
    file.write_text("function f = " + "(" * 100_000 + "1" + ")" * 100_000 + ";", encoding="utf-8")
    assert "TOO_DEEP" in wrong(lockstep("check", str(file)))
    file.write_text("function f = " + "- " * 100_000 + "1;", encoding="utf-8")
    assert "TOO_DEEP" in wrong(lockstep("check", str(file)))


def test_bad_parameters_are_all_named(tiny: str) -> None:
    text = wrong(lockstep("run", tiny, "pair", "n=x", "m=1", "--input", "0,0"))
    assert "`n=x`" in text and "`m`" in text
    assert "n=NUMBER" in wrong(lockstep("run", tiny, "pair", "--input", "0,0"))
    assert "again" in wrong(lockstep("run", tiny, "pair", "n=1", "n=1", "--input", "0,0"))
    assert "one of pair, second" in wrong(lockstep("run", tiny, "nothing", "--input", "0,0"))
    wrong(lockstep("run", tiny, "pair", "n=0", "--input", "0,0"))
    wrong(lockstep("run", tiny, "pair", "n=" + "9" * 90, "--input", "0,0"))


@pytest.mark.parametrize("given", ["0", "0,0,0", "0,4", "0,x", "random:", "random:x", ""])
def test_bad_inputs(tiny: str, given: str) -> None:
    wrong(lockstep("run", tiny, "pair", "n=1", "--input", given))


# ---- run ----------------------------------------------------------------------------------------


def test_run_a_protocol(tiny: str) -> None:
    assert lockstep("run", tiny, "pair", "n=2", "--input", "1,2,3,3").stdout == "1\n"
    done = lockstep("run", tiny, "pair", "n=2", "--input", "all")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == 256
    assert "3,2,0,0 -> 1\n" in done.stdout
    first, second = (lockstep("run", tiny, "pair", "n=2", "--input", "random:7") for _ in range(2))
    assert first.returncode == 0 and first.stdout == second.stdout


def test_a_run_that_does_not_fit(tiny: str) -> None:
    done = lockstep("run", tiny, "pair", "n=1", "--input", "3,2")
    assert done.returncode == 1 and done.stdout == "1\n"
    assert "machine 1 receives 2 words in round 1" in done.stderr


def test_run_a_circuit(tiny: str) -> None:
    assert lockstep("run", tiny, "second", "--input", "0,1").stdout == "1\n"
    trace = lockstep("run", tiny, "second", "--input", "0,1", "--trace").stdout
    assert "1 fetch" in trace and "2:1" in trace


def test_run_a_circuit_on_a_rung(tmp_path: Path) -> None:
    """Row 1 weighs row 2 by e^c / (1 + e^c): with c = 0 it is 1/2, which is no word."""
    file = tmp_path / "rungs.lks"
    file.write_text(TINY.replace("  width 3;", "  width 3; scale 0; fraction 3; integer 4;"), encoding="utf-8")
    run = ("run", str(file), "second", "--input", "0,1")
    done = lockstep(*run)
    assert done.returncode == 2 and "expected a word in 0..1, found 1/2" in done.stderr
    assert lockstep(*run, "--rung", "exact").stdout == "1\n"
    done = lockstep("run", str(file), "second", "--input", "all", "--rung", "softmax")
    assert done.stdout.startswith("0,0 -> 0\n0,1 -> no value: ")
    file.write_text(TINY.replace("  width 3;", "  width 3; scale 1000;"), encoding="utf-8")
    done = lockstep(*run)
    assert done.returncode == 2 and done.stderr.startswith("error[UNDECIDED]")
    assert lockstep("run", str(file), "second", "--input", "all").stdout.startswith("0,0 -> 0\n0,1 -> undecided: ")
    done = lockstep(*run, "--rung", "rounded")
    assert done.returncode == 2 and "expected a circuit with the numbers of the rung rounded" in done.stderr
    done = lockstep("run", str(file), "pair", "n=1", "--input", "3,2", "--rung", "exact")
    assert done.returncode == 2 and "found the protocol pair" in done.stderr


def test_attention(tmp_path: Path) -> None:
    """Rows 1..6 score -1, 0, 0, 0, 1 and 2 or 20 for row 1, all the same for the others, at scale 1."""
    file = tmp_path / "looks.lks"
    text = """circuit looks { word 1; tokens 6; width 3; SCALE input x[1] in word; output y[1] in word = 0;
      layer only { head look {
        query 1 when self == 1; key -1 when self == 1, 1 when self == 5, LAST when self == 6; value 0; } } }"""
    file.write_text(text.replace("SCALE", "scale 1;").replace("LAST", "2"), encoding="utf-8")
    run = ("run", str(file), "looks", "--input", "0", "--attention")
    total = exp(-1) + 3 + exp(1) + exp(2)
    w = [f"{exp(k) / total:.4f}" for k in (-1, 0, 1, 2)]
    shown = lockstep(*run).stdout.splitlines()
    assert shown[0] == "attention on the rung softmax" and shown[-1] == "0" and len(shown) == 9
    assert shown[2].split(maxsplit=4) == ["1", "only", "look", "1", f"6 ({w[3]}), 5 ({w[2]}), 2..4 ({w[1]}), 1 ({w[0]})"]
    assert shown[3].split() == ["2", "1..6", "(1/6)"]
    assert lockstep(*run, "--rung", "exact").stdout.splitlines()[2].split()[3:] == ["1", "6", "(1)"]
    file.write_text(text.replace("SCALE", "scale 1;").replace("LAST", "20"), encoding="utf-8")
    assert lockstep(*run).stdout.splitlines()[2].split(maxsplit=4)[-1] == "6 (1.0000), 5 more below 0.001"
    done = lockstep(*run, "--backend", "numpy")
    assert done.returncode == 2 and "expected no --attention with --backend numpy" in done.stderr


def test_attention_of_a_protocol_is_that_of_its_circuit(tiny: str) -> None:
    shown = lockstep("run", tiny, "pair", "n=2", "--input", "1,2,3,3", "--attention", "--trace")
    assert shown.returncode == 0 and shown.stdout.endswith("\n1\n")
    assert "route_mail" in shown.stdout and "coordinates after" in shown.stdout
    assert "every head rounded to the nearest" in shown.stdout


def test_trace_of_a_protocol(tiny: str) -> None:
    trace = lockstep("run", tiny, "pair", "n=2", "--input", "1,2,3,3", "--trace").stdout
    assert "x[3]=3, x[4]=3" in trace
    assert "part(2) to 1" in trace
    assert "part(2) from 2" in trace
    assert "y[1]=1" in trace


def test_a_run_without_a_value(tmp_path: Path) -> None:
    file = tmp_path / "fault.lks"
    file.write_text(TINY.replace("mod 4) to 1", ") to 1"), encoding="utf-8")
    done = lockstep("run", str(file), "pair", "n=2", "--input", "3,0,0,0")
    assert done.returncode == 0, done.stderr
    done = lockstep("run", str(file), "pair", "n=2", "--input", "3,3,0,0")
    assert done.returncode == 2
    assert "machine 1" in done.stderr and "^" in done.stderr


# ---- compile, fmt, new --------------------------------------------------------------------------


def test_compile_prints_a_spec_that_checks(tiny: str, tmp_path: Path) -> None:
    done = lockstep("compile", tiny, "pair", "n=2", "--to", "circuit")
    assert done.returncode == 0, done.stderr
    assert "theorem compiled for n in 2 {" in done.stdout
    out = tmp_path / "compiled.lks"
    assert lockstep("compile", tiny, "pair", "n=2", "-o", str(out)).returncode == 0
    assert out.read_text(encoding="utf-8") == done.stdout
    assert lockstep("fmt", str(out)).returncode == 0
    checked = lockstep("check", str(out))
    assert checked.returncode == 0 and "4 proved: all as expected" in checked.stdout
    assert lockstep("check", str(out), "--against", tiny).returncode == 0
    other = tmp_path / "other.lks"
    other.write_text(TINY.replace("mod 4;", "mod 3;"), encoding="utf-8")
    assert lockstep("check", str(out), "--against", str(other)).returncode == 1
    wrong(lockstep("compile", tiny, "second"))


def test_compile_in_other_shapes(tiny: str, tmp_path: Path) -> None:
    out = tmp_path / "compiled.lks"
    for clear, final in (("fresh", "separate"), ("fresh", "fused"), ("head", "fused")):
        done = lockstep("compile", tiny, "pair", "n=2", "--clear", clear, "--final", final, "-o", str(out))
        assert done.returncode == 0, done.stderr
        text = out.read_text(encoding="utf-8")
        assert ("head clear" in text, "finish 1.." in text) == (clear == "head", final == "fused")
        checked = lockstep("check", str(out), "--against", tiny)
        assert checked.returncode == 0 and "all as expected" in checked.stdout, checked.stdout
        assert "pair_circuit delivers" in checked.stdout
    assert "head, fresh, none" in wrong(lockstep("compile", tiny, "pair", "n=2", "--clear", "heads"))
    assert "separate, fused" in wrong(lockstep("compile", tiny, "pair", "n=2", "--final", "none"))


def test_fmt(tiny: str, tmp_path: Path) -> None:
    once = lockstep("fmt", tiny).stdout
    file = tmp_path / "once.lks"
    file.write_text("// kept\n\n" + once, encoding="utf-8")
    assert lockstep("fmt", "--check", str(file)).returncode == 0
    assert lockstep("fmt", str(file)).stdout == "// kept\n\n" + once
    untidy = tmp_path / "untidy.lks"
    untidy.write_text("function   f(a)=a+1; // lost\n", encoding="utf-8")
    assert lockstep("fmt", "--check", str(untidy)).returncode == 1
    assert "COMMENTS" in wrong(lockstep("fmt", "--write", str(untidy)))
    untidy.write_text("function   f(a)=a+1;\n", encoding="utf-8")
    assert lockstep("fmt", "--write", str(untidy)).returncode == 0
    assert untidy.read_text(encoding="utf-8") == "function f(a) = a + 1;\n"


def test_new_can_be_checked_and_is_not_overwritten(tmp_path: Path) -> None:
    assert lockstep("new", "parity", cwd=tmp_path).returncode == 0
    done = lockstep("check", "parity.lks", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PROVED" in done.stdout
    assert "left as it is" in wrong(lockstep("new", "parity", cwd=tmp_path))
    for name in ("../parity", "total", "ceil"):
        wrong(lockstep("new", name, cwd=tmp_path))
    done = lockstep("test", "parity.lks", cwd=tmp_path)
    assert done.returncode == 0
    assert "NOT REFUTED" in done.stdout and "PROVED" not in done.stdout
    document = json.loads(lockstep("check", "parity.lks", "--json", "-", cwd=tmp_path).stdout)
    assert document["schema"] == 1 and document["exit_status"] == 0


def test_a_refuted_claim(tmp_path: Path) -> None:
    file = tmp_path / "tiny.lks"
    file.write_text(TINY + "theorem t { let P = pair(2); claim zero: P computes y[1] == 0; }\n", encoding="utf-8")
    done = lockstep("check", str(file))
    assert done.returncode == 1, done.stdout + done.stderr
    assert "REFUTED" in done.stdout and "x = " in done.stdout
    assert lockstep("test", str(file)).returncode == 1
    file.write_text(file.read_text(encoding="utf-8").replace("== 0;", "== 0 expect refuted;"), encoding="utf-8")
    assert lockstep("check", str(file)).returncode == 0
    assert lockstep("test", str(file)).returncode == 0


# ---- reports ------------------------------------------------------------------------------------


def proof() -> Proved:
    shared = conclude("a", "axiom", "")
    return conclude("a and a", "both", "twice", shared, shared)


def result(verdict: str, expected: str = "proved", *, n: int = 4, claim: str = "right") -> ClaimResult:
    outcome = Outcome(verdict, proof() if verdict == "PROVED" else None,
                      Witness("wrong here", (("x", (1, 0)),), ("row one",)) if verdict == "REFUTED" else None,
                      "" if verdict in ("PROVED", "REFUTED") else "because")
    return ClaimResult("sums", claim, (("n", n), ("s", 2)), "P fits", expected, outcome, 0.25, Span("f.lks", 3, 5))


def report(*results: ClaimResult) -> Report:
    return Report(results, 1.5, (("z3", "1"),), (("timeout", "60 s"),))


@pytest.mark.parametrize(("results", "status"), [
    ((), 2),
    ((result("PROVED"),), 0),
    ((result("REFUTED", "refuted"), result("UNDECIDED", "undecided"), result("VACUOUS", "vacuous")), 0),
    ((result("REFUTED"),), 1),
    ((result("PROVED", "refuted"),), 1),
    ((result("UNDECIDED"),), 3),
    ((result("VACUOUS"), result("PROVED")), 3),
    ((result("UNDECIDED"), result("REFUTED")), 1),
    ((result("REFUTED"), result("ERROR")), 4),
])
def test_exit_status(results: tuple[ClaimResult, ...], status: int) -> None:
    assert report(*results).exit_status == status


def rendered(*results: ClaimResult, verbose: bool = False, quiet: bool = False, testing: bool = False) -> str:
    out = io.StringIO()
    text = TextReport(out, verbose=verbose, quiet=quiet, testing=testing)
    for r in results:
        text.add(r)
    text.summary(report(*results))
    return out.getvalue()


def test_text_report_groups_instances() -> None:
    text = rendered(*(result("PROVED", n=n) for n in range(4, 9)))
    assert text.splitlines()[0] == "PROVED      sums.right  P fits   n=4..8, s=2 (5 instances)  1.25 s"
    assert "5 proved: all as expected" in text
    assert "\x1b" not in text


def test_text_report_groups_what_comes_claim_after_claim() -> None:
    text = rendered(*(result("PROVED", n=n, claim=claim) for n in range(4, 7) for claim in ("right", "same")))
    assert [line.split("  ")[-2].strip() for line in text.splitlines()[:2]] == ["n=4..6, s=2 (3 instances)"] * 2


def test_text_report_of_a_refutation() -> None:
    text = rendered(result("PROVED"), result("REFUTED", n=5), result("REFUTED", n=6))
    for part in ("f.lks:3:5", "n=5, s=2: wrong here", "x = 1, 0", "row one", "and 1 more instances", "2 not as expected"):
        assert part in text
    assert "n=6, s=2: wrong here" in rendered(result("REFUTED", n=5), result("REFUTED", n=6), verbose=True)
    assert "as expected" in rendered(result("REFUTED", "refuted")).splitlines()[0]


def test_text_report_reasons_and_quiet() -> None:
    assert "  because" in rendered(result("UNDECIDED"))
    assert len(rendered(result("PROVED"), quiet=True).splitlines()) == 1
    assert "UNDECIDED" in rendered(result("PROVED"), result("UNDECIDED", claim="same"), quiet=True)


def test_a_test_never_says_proved() -> None:
    text = rendered(result("UNDECIDED"), result("PROVED", claim="depth"), testing=True)
    assert "PROVED" not in text and "proved" not in text
    assert "no unexpected counterexample" in text


def test_shared_premises_are_printed_once() -> None:
    assert list(proof_trees.lines(proof())) == ["both: a and a  [twice]", "  #1 axiom: a", "  axiom: see #1"]
    assert "axiom: see #1" in rendered(result("PROVED"), verbose=True)


def test_json_report() -> None:
    document = json.loads(json_report.render(report(result("PROVED"), result("REFUTED"))))
    assert list(document) == ["lockstep", "schema", "results", "summary", "seconds", "versions", "budget", "shard", "exit_status"]
    assert list(document["results"][0]) == [
        "theorem", "claim", "instance", "statement", "verdict", "expected", "as_expected", "reason", "seconds", "cached", "place",
        "witness", "proof"]
    assert document["results"][0]["proof"]["premises"][1] == {"ref": 1}
    assert document["results"][1]["witness"] == {
        "summary": "wrong here", "inputs": {"x": [1, 0]}, "table": ["row one"], "point": {}}
    assert document["exit_status"] == 1 and document["summary"]["refuted"] == 1


def test_compact_instances() -> None:
    assert instances.compact([()]) == ""
    assert instances.compact([(("n", 4),)]) == "n=4"
    many = [(("n", n), ("s", s)) for n in (4, 5, 6, 16) for s in (2, 3)]
    assert instances.compact(many) == "n={4..6, 16}, s=2..3 (8 instances)"
    assert instances.compact([(("n", 1), ("s", 1)), (("n", 2), ("s", 2))]) == "n=1..2, s=1..2 (2 of 4 instances)"
