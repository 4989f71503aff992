"""The benchmark of speed: its table, its exit status, and a small run of it. The baselines have tests of their own."""

from __future__ import annotations

import json
import time
from math import inf
from pathlib import Path

import pytest
from test_commands import lockstep

from checker.benchmarks import scale
from checker.benchmarks.measuring import Run, afresh, command
from checker.benchmarks.scale import Baseline, Row, table
from checker.commands import scale_times
from checker.kernel.proofs import NotProved
from checker.language.diagnostics import SpecError

ROWS = [
    Row("pointer_doubling n=256", 3.0, (Run(1.0, 80), Run(9.0, 82), Run(2.0, 81))),
    Row("pointer_doubling n=512", 7.0, (Run(7.0, 164),)),
    Row("sort n=1024", 15.0, ()),
]


def test_medians_targets_and_growth() -> None:
    text = table(ROWS, [Baseline("z3", 1, 8, 50.0, 0.5), Baseline("bitwuzla", 2, problem="it is not there")], "Made.")
    assert "| pointer_doubling n=256 | 3 | 2.00 | 3 | 82 | met |" in text
    assert "| sort n=1024 | 15 | cut off | 0 |  | missed |" in text
    assert "n = 256 to 512: time times 3.5, memory times 2.0" in text
    assert "| z3 | 1 | 8 | 50.00 | 0.50 | 100.0 |" in text and "it is not there" in text
    assert [r.within(1.5) for r in ROWS] == [True, True, False]
    assert "| y |  | 1.00 | 1 |  | 3 of 4 claims anew |" in table([Row("y", inf, (Run(1.0, 0, "3 of 4 claims anew"),))], [], "")
    assert not Row("x", 2.0, (Run(3.1, 0),)).within(1.5) and Row("x", 2.0, (Run(3.0, 0),)).within(1.5)


def test_what_is_missed() -> None:
    def rows(seconds: float, small: int, large: int) -> list[Row]:
        half = Row("pointer_doubling n=512", 9.0, (Run(1.0, small),))
        return [half, Row("pointer_doubling n=1024", 9.0, (Run(seconds, large),))]

    assert scale.missed(rows(6.7, 100, 670), 1.5) == [] and scale.missed(rows(6.0, 900, 3_000), 1.5) == []
    assert "time times 6.8" in scale.missed(rows(6.8, 100, 100), 1.5)[0]
    assert "memory times 6.8" in scale.missed(rows(1.0, 100, 680), 1.5)[0]
    assert scale.missed(rows(1.0, 900, 3_100), 1.5) == ["pointer_doubling n=1024: 3100 MiB"]
    assert scale.missed(rows(14.0, 100, 100), 1.5)[0] == "pointer_doubling n=1024"


def test_an_interrupt_keeps_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def measure(plan: scale.Plan, runs: int, most: float) -> Row:
        if done:
            raise KeyboardInterrupt
        done.append(plan.name)
        return Row(plan.name, 1.0, (Run(0.5, 1),))

    monkeypatch.setattr(scale_times, "measure", measure)
    page = tmp_path / "page.md"
    page.write_text("<!-- scale: begin -->\nold\n<!-- scale: end -->\n")
    with pytest.raises(KeyboardInterrupt):
        scale_times.scale_command((), 5, 1.0, 1.0, str(tmp_path / "b.json"), str(page), quick=True)
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["interrupted"] and [r["name"] for r in document["rows"]] == done
    assert done[0] in capsys.readouterr().out and "old" in page.read_text()


def test_a_proof_that_is_missing_is_said_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(plan: scale.Plan, runs: int, most: float) -> Row:
        if plan.name == "one_or_two_cycles n=64":
            raise NotProved("no rule")
        return Row(plan.name, 1.0, (Run(0.5, 1),))

    monkeypatch.setattr(scale_times, "measure", measure)
    with pytest.raises(SpecError, match="one_or_two_cycles n=64: expected a proof: no rule"):
        scale_times.scale_command((), 5, 1.0, 1.0, str(tmp_path / "b.json"), None, quick=True)
    missing, after = "| one_or_two_cycles n=64 | 1 | no proof | 0 |  | missed |", "| pointer_doubling n=256 | 1 | 0.50 |"
    assert f"{missing}\n{after}" in capsys.readouterr().out


def test_rows_of_an_earlier_run_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.25, 0.75, 0.5])
    monkeypatch.setattr(scale_times, "measure", lambda plan, runs, most: Row(plan.name, plan.target, (Run(next(seconds), 7),)))
    monkeypatch.setattr(scale_times, "baseline", lambda solver, t, most: Baseline(solver, t, 6, 1.5, 0.5))
    first, second = str(tmp_path / "1.json"), str(tmp_path / "2.json")
    scale_times.scale_command(("n=64", "cadical"), 5, 1.0, 9.0, first, None, quick=False)
    capsys.readouterr()
    scale_times.scale_command(("one_or_two_cycles n=64",), 3, 1.0, 8.0, second, None, quick=False, after=first)
    found = capsys.readouterr().out
    assert "| pointer_doubling n=64 | 1 | 0.25 | 1 | 7 | met |\n| one_or_two_cycles n=64 | 1 | 0.50 | 1 | 7 | met |\n" in found
    assert found.count("cadical | ") == 3
    assert "--runs 5 --most 9" in found and "Some rows again: " in found and "--runs 3 --most 8" in found
    rows = json.loads(Path(second).read_text())["rows"]
    assert [r["name"] for r in rows] == ["pointer_doubling n=64", "one_or_two_cycles n=64"]
    for text in ("[]", "{", '{"rows": [], "baselines": []}', '{"rows": [{"name": 1}], "baselines": [], "made": ""}'):
        (tmp_path / "1.json").write_text(text)
        with pytest.raises(SpecError, match="expected a report of `lockstep bench scale --json`"):
            scale_times.scale_command(("n=64",), 3, 1.0, 8.0, None, None, quick=False, after=first)


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_work_in_a_process_of_its_own() -> None:
    found = afresh(slow, (0.1,), 20.0)
    assert found is not None and found.answer == 0.1 and found.seconds >= 0.1 and found.memory > 5
    assert afresh(slow, (60.0,), 0.5) is None


def test_commands_are_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "it.lks"
    path.write_text("function f(n) = if n <= 0 then 1 else f(n - 1) + f(n - 2);\n"
                    "theorem t for n in 1..2 { claim c: sum(f(k + n) for k in 1..80000) == 1 expect refuted; }")
    begin = time.monotonic()
    assert command(("check", str(path)), 0, str(tmp_path), 0.3) is None and time.monotonic() - begin < 20
    found = command(("--help",), 0, str(tmp_path), 60.0)
    assert found is not None and "check" in found.answer and 0 < found.seconds < 60
    with pytest.raises(RuntimeError, match="status 0, not 2"):
        command(("--help",), 2, str(tmp_path), 60.0)


def test_a_missing_solver_is_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(scale.SOLVERS, "bitwuzla", ("no_such_solver", slow))
    assert "not installed" in scale.baseline("bitwuzla", 1, 1.0).problem


@pytest.mark.parametrize(("seconds", "status"), [(1.4, 0), (1.6, 1)])
def test_a_far_miss_fails_a_quick_run(seconds: float, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale_times, "measure", lambda plan, runs, most: Row(plan.name, 1.0, (Run(seconds, 1),)))
    assert scale_times.scale_command((), 5, 1.0, 1.0, None, None, quick=True) == status
    assert scale_times.scale_command(("help",), 5, 1.0, 1.0, None, None, quick=False) == 0


def test_a_small_run(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("a\n<!-- scale: begin -->\nold\n<!-- scale: end -->\nb\n")
    words = ("--quick", "--only", "doubling n=64", "--only", "help", "--json", str(tmp_path / "b.json"), "--write", str(page))
    done = lockstep("bench", "scale", *words)
    assert done.returncode in (0, 1) and "pointer_doubling n=64" in done.stdout, done.stderr
    document = json.loads((tmp_path / "b.json").read_text())
    assert [r["name"] for r in document["rows"]] == ["pointer_doubling n=64", "--help"]
    assert document["rows"][0]["runs"][0]["seconds"] > 0 and "cores" in document["machine"]
    assert "old" not in page.read_text() and done.stdout in page.read_text()
