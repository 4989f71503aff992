"""Who can say what: only the kernel proves, only a witness refutes, and nothing else passes."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from helpers import library, proof, protocol, verdict

from checker.elaboration.library import load_text
from checker.elaboration.theorem_to_claims import claims
from checker.kernel.judgements import Computes, Fits
from checker.kernel.proofs import VERDICTS, NotProved, Outcome, Proved, Witness, conclude
from checker.kernel.protocol_rules import computes, fits
from checker.language.diagnostics import NOWHERE
from checker.language.parser import parse_expression
from checker.proving.passes import How, check_files
from checker.proving.results import ClaimResult, Report
from checker.proving.runs import Runs
from checker.semantics import protocols as ps
from checker.semantics.expressions import Fault

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "checker"
PARITY = """protocol parity(n) where n >= 1 { word 1; memory n; machines 1; input x[n] in word; output y[1] in word;
  REQUIRES message none(word); finish { y[1] = sum(x[k] for k in held(x)) mod 2; } }
"""


def spec(theorem: str, requires: str = "") -> str:
    return PARITY.replace("REQUIRES", requires) + theorem


def check(text: str, folder: Path, *options: str, command: str = "check") -> subprocess.CompletedProcess[str]:
    """`lockstep check` in a process of its own, which must not end in a traceback."""
    file = folder / "it.lks"
    file.write_text(text, encoding="utf-8")
    environment = {k: x for k, x in os.environ.items() if k != "LOCKSTEP_DEBUG"} | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-m", "checker", command, str(file), *options], capture_output=True, text=True,
                          timeout=100, env=environment)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def verdicts(text: str, folder: Path, timeout: float = 2.0) -> list[str]:
    file = folder / "it.lks"
    file.write_text(text, encoding="utf-8")
    return [r.outcome.verdict for r in check_files([file], How(timeout=timeout)).results]


# ---- the kernel ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seal", [None, object(), "seal", True])
def test_nobody_else_makes_a_proof(seal: object) -> None:
    with pytest.raises(TypeError):
        Proved(Fits(library("tree_sum", 4, 2, 1)), "trust me", "", (), seal)


def names_of(path: Path) -> set[str]:
    """All names and attributes that a module mentions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    found |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    return found | {a.name for n in ast.walk(tree) if isinstance(n, (ast.Import, ast.ImportFrom)) for a in n.names}


def test_conclude_and_the_seal_stay_in_the_kernel() -> None:
    users = {p.relative_to(PACKAGE).parts[0] for p in PACKAGE.rglob("*.py") if names_of(p) & {"conclude", "_SEAL"}}
    assert users == {"kernel"}
    assert [p.name for p in PACKAGE.rglob("*.py") if "_SEAL" in names_of(p)] == ["proofs.py"]


def test_only_conclude_calls_the_constructor() -> None:
    calls = [p.name for p in PACKAGE.rglob("*.py") for n in ast.walk(ast.parse(p.read_text(encoding="utf-8")))
             if isinstance(n, ast.Call) and isinstance(n.func, ast.Name) and n.func.id == "Proved"]
    assert calls == ["proofs.py"]
    dodges = {"__new__", "__setattr__", "seal"}
    assert [p.name for p in PACKAGE.rglob("*.py") if names_of(p) & dodges] == ["proofs.py"]


def test_a_rule_takes_no_proof_of_something_else() -> None:
    """A proof that another protocol fits is no premise."""
    p, other = library("tree_sum", 4, 2, 1), library("maximum", 4, 2, 1)
    with pytest.raises(NotProved):
        computes(Computes(p, parse_expression("y[1] <= 1"), None), fits(Fits(other)))
    assert computes(Computes(p, parse_expression("y[1] <= 1"), None), fits(Fits(p)))


@pytest.mark.parametrize("name", VERDICTS)
def test_proved_carries_a_proof_and_refuted_a_witness(name: str) -> None:
    made = conclude("a judgement", "a rule", "")
    for proof_, witness in product((None, made), (None, Witness("w"))):
        right = (proof_ is not None) == (name == "PROVED") and (witness is not None) == (name == "REFUTED")
        if right:
            assert Outcome(name, proof_, witness).verdict == name
        else:
            with pytest.raises(AssertionError):
                Outcome(name, proof_, witness)


# ---- exit status --------------------------------------------------------------------------------


def outcome(name: str) -> Outcome:
    return Outcome(name, conclude("it", "test", "") if name == "PROVED" else None, Witness("w") if name == "REFUTED" else None)


def status(*pairs: tuple[str, str]) -> int:
    """Of a report on claims with these verdicts and expectations."""
    results = tuple(ClaimResult("t", "c", (), "", expected, outcome(name), 0.0, NOWHERE) for name, expected in pairs)
    return Report(results, 0.0, (), ()).exit_status


@pytest.mark.parametrize("name", VERDICTS)
@pytest.mark.parametrize("expected", ["proved", "refuted", "undecided", "vacuous"])
def test_a_claim_passes_only_with_the_verdict_it_expects(name: str, expected: str) -> None:
    assert (status((name, expected)) == 0) == (name.lower() == expected)


def test_undecided_and_vacuous_never_pass_for_proved() -> None:
    assert status(("UNDECIDED", "proved")) == status(("VACUOUS", "proved")) == 3
    assert status(("UNDECIDED", "refuted")) == 3
    assert status(("PROVED", "proved"), ("UNDECIDED", "proved")) == 3


def test_the_worst_verdict_counts_in_any_order() -> None:
    order = [("ERROR", 4), ("REFUTED", 1), ("UNDECIDED", 3), ("PROVED", 0)]
    for (a, worst), (b, other) in product(order, order):
        if [x for x, _ in order].index(a) <= [x for x, _ in order].index(b):
            assert status((a, "proved"), (b, "proved")) == status((b, "proved"), (a, "proved")) == worst, (a, b, other)
    assert status(("PROVED", "refuted"), ("UNDECIDED", "proved")) == 1


def test_no_claim_is_no_success() -> None:
    assert status() == 2


# ---- from text to verdict -----------------------------------------------------------------------


def test_a_claim_that_expects_refuted_but_is_proved_exits_1(tmp_path: Path) -> None:
    assert check(spec("theorem t { let P = parity(3); claim f: P fits expect refuted; }"), tmp_path).returncode == 1
    assert check(spec("theorem t { let P = parity(3); claim f: P fits; }"), tmp_path).returncode == 0
    false = "theorem t { let P = parity(3); claim c: P computes y[1] == x[1]"
    assert check(spec(f"{false} expect refuted; }}"), tmp_path).returncode == 0
    assert check(spec(f"{false}; }}"), tmp_path).returncode == 1


def test_one_false_claim_among_many_exits_1(tmp_path: Path) -> None:
    text = spec("theorem t for n in 1..4 { let P = parity(n); claim f: P fits; claim c: P computes y[1] == x[1]; }")
    assert verdicts(text, tmp_path) == ["PROVED", "PROVED", *["PROVED", "REFUTED"] * 3]
    assert check(text, tmp_path).returncode == 1


@pytest.mark.parametrize("theorem", [
    "theorem t for n in 5..4 { let P = parity(n); claim f: P fits; }",
    "theorem t for n in 1..4 where n > 4 { let P = parity(n); claim f: P fits; claim c: P computes y[1] == 7; }",
    "theorem t { let P = parity(3); claim c: P computes y[k] == 7 for k in 2..1; }",
])
def test_nothing_to_prove_is_vacuous(theorem: str, tmp_path: Path) -> None:
    assert set(verdicts(spec(theorem), tmp_path)) == {"VACUOUS"}
    assert check(spec(theorem), tmp_path).returncode == 3
    assert check(spec(theorem.replace(";", " expect vacuous;").replace("(3) expect vacuous", "(3)").replace(
        "(n) expect vacuous", "(n)")), tmp_path).returncode == 0


@pytest.mark.parametrize("requires", ["x[1] > 1", "x[1] == 0 and x[1] == 1", "permutation(x)", "sum(x[k] for k in 1..3) > 3",
                                      "0 == 1", "x[1] / 0 == 1 and 1 == 2"])
def test_unsatisfiable_requirements_are_vacuous(requires: str, tmp_path: Path) -> None:
    """No input: everything would hold, also what is false."""
    theorem = ("theorem t { let P = parity(3); let T = transformer(P); claim f: P fits; claim c: P computes y[1] == 7;"
               " claim s: T simulates P; }")
    found = verdicts(spec(theorem, f"requires {requires};"), tmp_path)
    assert set(found) <= {"VACUOUS", "UNDECIDED"}
    if "/" not in requires:
        assert set(found) == {"VACUOUS"}


def test_unsatisfiable_requirements_of_a_large_instance_are_no_proof(tmp_path: Path) -> None:
    """Too many inputs to try all: no witness of `requires`, so no verdict that counts."""
    theorem = "theorem t { let P = parity(40); claim f: P fits; claim c: P computes y[1] == 7; }"
    found = verdicts(spec(theorem, "requires sum(x[k] for k in 1..40) > 40;"), tmp_path, 1.0)
    assert set(found) <= {"VACUOUS", "UNDECIDED"}


# Products of many unknown words: no rule sees through them, and there are 2^72 inputs.
HARD = """function chain(x, k) = if k == 1 then x[1] else (chain(x, k - 1) * x[k] + x[k - 1] * x[k] + 3 * x[k] ^ 2) mod 251;
protocol hard { word 8; memory 9; machines 1; input x[9] in word; output y[1] in word; message none(word);
  finish { y[1] = chain(x, 9); } }
theorem t {
  claim c: hard computes y[1] == EQUATION;
  claim d: hard computes y[1] == EQUATION expect refuted;
  claim e: hard computes y[1] == EQUATION expect undecided;
}
""".replace("EQUATION", "(chain(x, 9) + (if chain(x, 8) * chain(x, 9) == 62001 then 1 else 0)) mod 251")


def test_undecided_is_not_a_pass(tmp_path: Path) -> None:
    """Nor with `expect refuted`; only with `expect undecided`."""
    file = tmp_path / "hard.lks"
    file.write_text(HARD, encoding="utf-8")
    plain, refuted, undecided = check_files([file], How(timeout=0.5, jobs=1)).results
    assert {r.outcome.verdict for r in (plain, refuted, undecided)} == {"UNDECIDED"}
    assert [Report((r,), 0.0, (), ()).exit_status for r in (plain, refuted, undecided)] == [3, 3, 0]


# ---- no traceback, whatever the text is ---------------------------------------------------------

RUINS = {
    "endless recursion": "function f(n) = f(n + 1);\n" + spec("theorem t { let P = parity(f(1)); claim f: P fits; }"),
    "endless recursion on data": "function f(n) = f(n + 1);\n"
                                 + spec("theorem t { let P = parity(2); claim c: P computes y[1] == f(x[1]); }"),
    "deep recursion": "function f(n) = if n == 0 then 0 else 1 + f(n - 1);\n"
                      + spec("theorem t { let P = parity(2); claim c: P computes y[1] == f(100000 + x[1]); }"),
    # Memory for what is known makes this one quick: f(60) = 0.
    "doubling recursion": "function f(n) = if n == 0 then 0 else f(n - 1) + f(n - 1);\n"
                          + spec("theorem t { let P = parity(f(60) + 1); claim f: P fits; }"),
    "a tower": spec("theorem t { let P = parity(9 ^ 9 ^ 9 ^ 9); claim f: P fits; }"),
    "a tower of data": spec("theorem t { let P = parity(2); claim c: P computes y[1] == (9 + x[1]) ^ 9 ^ 9 ^ 9 mod 2; }"),
    "a division by zero": spec("theorem t { let P = parity(1 div 0); claim f: P fits; }"),
    "a division by zero in data": spec("theorem t { let P = parity(2); claim c: P computes y[1] == x[1] / (x[2] - x[2]); }"),
    "an index out of range": spec("theorem t { let P = parity(2); claim c: P computes y[1] == x[3]; }"),
    "a word for a truth value": spec("theorem t { let P = parity(2); claim c: P computes x[1]; }"),
    "a huge protocol": spec("theorem t { let P = parity(1000000000); claim f: P fits; }"),
    "a long sum": spec("theorem t { let P = parity(2); claim c: P computes y[1] == " + "+".join(["x[1]"] * 5_000) + "; }"),
    "many brackets": spec("theorem t { let P = parity(2); claim c: P computes y[1] == " + "(" * 199 + "x[1]" + ")" * 199 + "; }"),
    "no theorem": spec(""),
    "half a file": spec("theorem t { let P = parity(2);"),
    # A destination that is no machine, behind a guard that never holds: this protocol fits.
    "a destination behind a false guard": """protocol p { word 1; memory 2; machines 1; input x[2] in word; output y[1] in word;
        message a(word); round r { if (x[1] + x[2]) mod 2 == 1 and x[1] * x[2] == 1 { send a(0) to 2; } } finish { y[1] = 0; } }
        theorem t { claim f: p fits; }""",
}


@pytest.mark.parametrize("name", RUINS)
def test_no_text_ends_in_a_traceback(name: str, tmp_path: Path) -> None:
    """An answer or a diagnostic: never status 4, never a claim that passes as proved if it has no value."""
    done = check(RUINS[name], tmp_path, "--timeout", "2")
    assert done.returncode in (0, 1, 2, 3), done.stdout + done.stderr
    assert "internal error" not in done.stdout + done.stderr
    assert done.returncode != 0 or name in ("doubling recursion", "a destination behind a false guard")


def test_a_guarded_destination_that_is_no_machine() -> None:
    """Refuted if the guard can hold, proved if it cannot."""
    text = """protocol p { word 1; memory 2; machines 1; input x[2] in word; output y[1] in word; message a(word);
        round r { if GUARD { send a(0) to 2; } } finish { y[1] = 0; } }"""
    assert verdict(Fits(protocol(text.replace("GUARD", "x[1] + x[2] == 2")))).verdict == "REFUTED"
    assert proof(Fits(protocol(text.replace("GUARD", "x[1] + x[2] == 2")))) is None
    assert verdict(Fits(protocol(text.replace("GUARD", "(x[1] + x[2]) mod 2 == 1 and x[1] * x[2] == 1")))).verdict == "PROVED"


@pytest.mark.parametrize(
    "value",
    [
        "sum(1 for k in x[1]..x[1] + 1000000) - 1000000",
        "down(x[1] + 3000)",
        "if any(k == 3 for k in 1..1000001 + x[1]) then 1 else 0",
    ],
)
def test_what_takes_too_long_is_not_refuted(tmp_path: Path, value: str) -> None:
    """These have a value, which is 1: limits of replay are no faults."""
    (tmp_path / "t.lks").write_text(
        f"""function down(k) = if k == 0 then 1 else down(k - 1);
protocol p {{ word 24; memory 1; machines 1; input x[1] in word; output y[1] in word; message part(word);
  finish {{ y[1] = {value}; }} }}
theorem t {{ let P = p(); claim fits: P fits; claim right: P computes y[1] == 1; }}
""",
        encoding="utf-8",
    )
    found = check_files([tmp_path / "t.lks"], How(timeout=0.2)).results
    assert [r.outcome.verdict for r in found] == ["UNDECIDED", "UNDECIDED"], [r.outcome for r in found]
    tested = check_files([tmp_path / "t.lks"], How(timeout=0.2, only_falsify=True)).results
    assert [r.outcome.verdict for r in tested] == ["UNDECIDED", "UNDECIDED"]


def test_sizes_in_an_equation(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(
        spec("theorem t { let P = parity(3); claim c: P computes y[1] < memory(P) - 1; claim d: P computes y[1] < rounds(P); }"),
        encoding="utf-8",
    )
    assert [r.outcome.verdict for r in check_files([tmp_path / "t.lks"]).results] == ["PROVED", "REFUTED"]


def test_a_remembered_run_is_the_run() -> None:
    """Models that differ in one number are told apart, a fault comes again, and no more is kept than room is for."""
    text = (
        "protocol p(n, a) { word 4; memory 4; machines n; input x[n] in 0..3; output y[n] in 0..15; "
        "finish { y[self] = x[self] + a; } }\ntheorem t for n in {2}, a in {0, 1, 14} { let P = p(n, a); claim fits: P fits; }"
    )
    models = [j.protocol for c in claims(load_text(text), None) for j in c.judgements if isinstance(j, Fits)]
    assert len(set(models)) == 3

    class Few(Runs):
        MODELS, INPUTS = 2, 5

    runs = Few()
    for _ in range(2):
        for k in range(16):
            words = {"x": (k % 4, k // 4)}
            for m in models:
                try:
                    expected = ps.run(m, words).outputs
                except Fault:
                    with pytest.raises(Fault):
                        runs.outputs(m, words)
                else:
                    assert runs.outputs(m, words) == expected == runs.protocol(m, words).outputs
    assert len(runs.known) <= 2 and all(0 < len(known) <= 5 for known in runs.known.values())
