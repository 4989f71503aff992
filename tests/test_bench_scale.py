"""The benchmark of speed: its table, its exit status, and a small run of it. The baselines have tests of their own."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from checker.benchmarks import scale
from checker.benchmarks.measuring import Run, afresh
from checker.benchmarks.scale import Baseline, Row, table
from checker.commands import scale_times
from tests.test_commands import lockstep

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
    assert not Row("x", 2.0, (Run(3.1, 0),)).within(1.5) and Row("x", 2.0, (Run(3.0, 0),)).within(1.5)


def slow(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def test_work_in_a_process_of_its_own() -> None:
    found = afresh(slow, (0.1,), 20.0)
    assert found is not None and found.answer == 0.1 and found.seconds >= 0.1 and found.memory > 5
    assert afresh(slow, (60.0,), 0.5) is None


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
