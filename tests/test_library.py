"""The library from the command line: compiled, checked, edited by hand; and what ends a run."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from checker.elaboration.library import load
from checker.language.syntax import ProtocolDefinition

ROOT = Path(__file__).resolve().parents[1]
SIGNATURES = {
    "tree_sum": ("n", "s", "p"),
    "prefix_sums": ("n", "s", "p"),
    "maximum": ("n", "s", "p"),
    "broadcast": ("n", "s", "p"),
    "pointer_doubling": ("n", "T"),
    "one_or_two_cycles": ("n",),
    "sort": ("n", "s", "p"),
    "histogram": ("n", "s", "p"),
    "random_walks": ("n", "T"),
}
INSTANCES = {
    "tree_sum": "n=8 s=2 p=2",
    "prefix_sums": "n=5 s=3 p=1",
    "maximum": "n=7 s=2 p=2",
    "broadcast": "n=8 s=2 p=1",
    "pointer_doubling": "n=5 T=2",
    "one_or_two_cycles": "n=6",
    "sort": "n=5 s=2 p=2",
    "histogram": "n=6 s=3 p=3",
    "random_walks": "n=4 T=2",
}


def lockstep(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "checker", *arguments], capture_output=True, text=True, cwd=ROOT, timeout=200)


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_are_fixed(name: str) -> None:
    definition = load(ROOT / "spec" / f"{name}.lks").definitions[name]
    assert isinstance(definition, ProtocolDefinition) and definition.parameters == SIGNATURES[name]


@pytest.mark.parametrize("name", SIGNATURES)
def test_what_is_compiled_can_be_checked(name: str, tmp_path: Path) -> None:
    done = lockstep("compile", f"spec/{name}.lks", name, *INSTANCES[name].split(), "--to", "circuit")
    (tmp_path / "c.lks").write_text(done.stdout, encoding="utf-8")
    for more in ([], ["--against", f"spec/{name}.lks"]):
        checked = lockstep("check", str(tmp_path / "c.lks"), *more)
        assert checked.returncode == 0 and "4 proved" in checked.stdout, checked.stdout + checked.stderr


def edited(tmp_path: Path, old: str, new: str) -> subprocess.CompletedProcess[str]:
    text = lockstep("compile", "spec/tree_sum.lks", "tree_sum", "n=4", "s=2", "p=16", "--to", "circuit").stdout
    start = text.index("circuit tree_sum_circuit")
    assert old in text[start:]
    (tmp_path / "c.lks").write_text(text[:start] + text[start:].replace(old, new, 1), encoding="utf-8")
    return lockstep("check", str(tmp_path / "c.lks"))


def test_a_local_function_written_in_another_way_is_proved_equal(tmp_path: Path) -> None:
    done = edited(
        tmp_path,
        "sum(x[k] for k in held(x)) + sum(v for part(v) in inbox)",
        "sum(v for part(v) in inbox) + sum(x[k] for k in held(x))",
    )
    assert done.returncode == 0, done.stdout


def test_a_local_function_that_differs_at_one_of_many_inputs_is_refuted(tmp_path: Path) -> None:
    done = edited(tmp_path, "if self <= 2 {", "if self <= 2 and not (self == 1 and sum(x[k] for k in held(x)) == 131070) {")
    assert done.returncode == 1 and "x = 65535, 65535, " in done.stdout, done.stdout


def test_against_uses_the_original_protocol(tmp_path: Path) -> None:
    """Protocol and circuit changed in the same way agree with each other, but not with the original."""
    text = lockstep("compile", "spec/tree_sum.lks", "tree_sum", "n=4", "s=2", "p=1", "--to", "circuit").stdout
    (tmp_path / "c.lks").write_text(text.replace("sum(x[k] for k in held(x))", "sum(x[k] + 1 for k in held(x) if k == 1)"))
    assert lockstep("check", str(tmp_path / "c.lks")).returncode == 0
    assert lockstep("check", str(tmp_path / "c.lks"), "--against", "spec/tree_sum.lks").returncode == 1


def test_a_requirement_that_only_the_circuit_makes_is_not_believed(tmp_path: Path) -> None:
    text = lockstep("compile", "spec/tree_sum.lks", "tree_sum", "n=4", "s=2", "p=1", "--to", "circuit").stdout
    start = text.index("circuit tree_sum_circuit")
    circuit = text[start:].replace("message part", "requires x[1] == 0;\n  message part", 1)
    assert "row[1]) when self in 1..4" in circuit
    circuit = circuit.replace("row[1]) when self in 1..4", "row[1]) when self in 2..4")  # right if x[1] is 0, and only then
    (tmp_path / "c.lks").write_text(text[:start] + circuit, encoding="utf-8")
    assert lockstep("check", str(tmp_path / "c.lks")).returncode == 1


def test_mistakes_without_expect_refuted(tmp_path: Path) -> None:
    text = (ROOT / "proofs" / "mistakes.lks").read_text(encoding="utf-8")
    (tmp_path / "mistakes.lks").write_text(text.replace(" expect refuted", ""), encoding="utf-8")
    assert lockstep("check", str(tmp_path / "mistakes.lks")).returncode == 1
    assert lockstep("check", "proofs/mistakes.lks").returncode == 0


def test_interrupted() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "checker", "check", "spec"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a parent in the background ignores it
    )
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130 and b"Traceback" not in error
