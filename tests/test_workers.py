"""Worker processes: the same verdicts, and budgets that end who does not keep them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import gone

from checker.elaboration.theorem_to_claims import ClaimAt
from checker.kernel.proofs import Outcome
from checker.language.diagnostics import SpecError
from checker.proving import workers
from checker.proving.checking import Checker
from checker.proving.passes import How, Text, check_files, load_all
from checker.proving.results import ClaimResult, Report
from checker.proving.tasks import tasks

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="workers inherit what a test patches only where they are forked")
TEXT = """
theorem t for n in 1..4 {
  claim one: n >= 1;
  claim odd: n >= 2;
  claim last: n <= 4;
}
"""


def spec(folder: Path, text: str = TEXT) -> Path:
    path = folder / "t.lks"
    path.write_text(text)
    return path


def brief(report: Report) -> list[tuple[str, tuple[tuple[str, int], ...], str]]:
    return [(r.claim, r.instance, r.outcome.verdict) for r in report.results]


def sabotage(monkeypatch: pytest.MonkeyPatch, name: str, instance: int, action: object) -> None:
    """Something happens in the worker that works on the claim `name` at n = `instance`."""
    honest = Checker._judge

    def judge(self: Checker, j: object, claim: ClaimAt) -> Outcome:
        if claim.name == name and dict(claim.instance)["n"] == instance:
            action()  # type: ignore[operator]
        return honest(self, j, claim)  # type: ignore[arg-type]

    monkeypatch.setattr(Checker, "_judge", judge)


def forever() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.valid_signals()) - {signal.SIGKILL})
    while True:
        pass


def greedy() -> None:
    bytearray(1 << 33)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_find_what_this_process_finds(tmp_path: Path) -> None:
    more = "theorem s for n in 2..4 { let P = tree_sum(n, 2, 1); claim f: P fits; }"
    path = spec(tmp_path, "use tree_sum from library;" + TEXT + more)
    here, there = check_files([path]), check_files([path], How(jobs=2))
    assert brief(here) == brief(there)
    assert [r.outcome.verdict for r in here.results].count("REFUTED") == 1
    assert here.results[-1].outcome.proof is not None and there.results[-1].outcome.proof is not None
    assert str(here.results[-1].outcome.proof.judgement) == there.results[-1].outcome.proof.judgement


@LINUX
def test_a_worker_that_does_not_come_back_is_ended_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = spec(tmp_path)
    honest = brief(check_files([path]))
    sabotage(monkeypatch, "odd", 3, forever)
    start = time.monotonic()
    report = check_files([path], How(timeout=0.3, jobs=2))
    assert time.monotonic() - start < 20
    hung = ("odd", (("n", 3),))
    assert [x for x in brief(report) if x[:2] != hung] == [x for x in honest if x[:2] != hung]
    (lost,) = (r for r in report.results if (r.claim, r.instance) == ("odd", (("n", 3),)))
    assert lost.outcome.verdict == "UNDECIDED" and "0.3 s (--timeout)" in lost.outcome.reason
    assert [r.claim for r in report.results] == ["one", "odd", "last"] * 4  # in order, each once


@LINUX
def test_who_takes_too_much_memory_is_undecided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(self: Checker, j: object, claim: ClaimAt) -> Outcome:
        if dict(claim.instance)["n"] != 2:
            return honest(self, j, claim)  # type: ignore[arg-type]
        try:
            greedy()
        except MemoryError:
            return self._no_memory()
        raise AssertionError("no limit")

    honest = Checker._judge
    monkeypatch.setattr(Checker, "_judge", judge)
    report = check_files([spec(tmp_path)], How(memory=200, jobs=1))
    verdicts = {r.instance: r.outcome for r in report.results if r.claim == "last"}
    assert verdicts[(("n", 2),)].verdict == "UNDECIDED" and "200 MiB (--memory)" in verdicts[(("n", 2),)].reason
    assert {verdicts[(("n", k),)].verdict for k in (1, 3, 4)} == {"PROVED"}


@LINUX
def test_a_worker_that_is_lost_takes_one_claim_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sabotage(monkeypatch, "one", 2, killed)
    report = check_files([spec(tmp_path)], How(jobs=2))
    lost = [r for r in report.results if r.outcome.verdict == "UNDECIDED"]
    assert [(r.claim, r.instance) for r in lost] == [("one", (("n", 2),))]
    assert "SIGKILL" in lost[0].outcome.reason
    assert len(report.results) == 12


@LINUX
def test_compiling_has_a_budget_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = spec(tmp_path)
    honest = workers.Settler.settle

    def settle(self: workers.Settler, task: object, watch: object = None) -> object:
        watch("")  # type: ignore[operator]
        if dict(task.instance)["n"] == 1:  # type: ignore[attr-defined]
            forever()
        return honest(self, task, watch)  # type: ignore[arg-type]

    monkeypatch.setattr(workers.Settler, "settle", settle)
    report = check_files([path], How(timeout=0.3, jobs=1))
    assert [r.outcome.verdict for r in report.results[:3]] == ["UNDECIDED"] * 3
    assert len(report.results) == 12 and {r.outcome.verdict for r in report.results[3:]} == {"PROVED"}


@LINUX
def test_an_interrupt_ends_the_workers_and_tells_what_was_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first task hangs; those behind it are done, and are told of."""
    sabotage(monkeypatch, "one", 1, forever)
    told: list[ClaimResult] = []

    def interrupt(label: str, done: int, total: int) -> None:
        if done == 9:
            raise KeyboardInterrupt

    monkeypatch.setattr(workers, "PAYS", 0.0)
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        check_files([spec(tmp_path)], How(timeout=60, jobs=2), progress=interrupt, on_result=told.append)
    assert time.monotonic() - start < 20
    assert sorted({dict(r.instance)["n"] for r in told}) == [2, 3, 4] and len(told) == 9


@pytest.mark.parametrize("jobs", [0, 2])
def test_a_claim_without_a_result_is_no_report(jobs: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker leaves out does not look as if nobody had asked."""
    if jobs and sys.platform != "linux":
        pytest.skip("workers inherit what a test patches only where they are forked")
    honest = workers.Settler.settle

    def settle(self: workers.Settler, task: object, *watch: object) -> object:
        return [r for r in honest(self, task, *watch) if (r.claim, r.instance) != ("odd", (("n", 1),))]  # type: ignore[arg-type]

    monkeypatch.setattr(workers.Settler, "settle", settle)
    with pytest.raises(RuntimeError, match="no result for claims of 1 tasks"):
        check_files([spec(tmp_path)], How(jobs=jobs))


def test_a_wrong_text_is_a_diagnostic_with_workers_too(tmp_path: Path) -> None:
    text = "use tree_sum from library; theorem t for n in 0..1 { let P = tree_sum(n, 2, 1); claim f: P fits; }"
    found = []
    for jobs in (0, 2):
        with pytest.raises(SpecError) as error:
            check_files([spec(tmp_path, text)], How(jobs=jobs))
        found.append(error.value.diagnostics)
    assert found[0] == found[1]


def test_ctrl_c_from_outside(tmp_path: Path) -> None:
    """A real interrupt of a real run: status 130, a summary, and no process left behind."""
    text = "use sort from library; theorem t for n in 6..9 { let P = sort(n, 3, 2);"
    text += " claim a: P computes y[k] <= y[k + 1] for k in 1..n - 1; }"
    command = [sys.executable, "-m", "checker", "check", str(spec(tmp_path, text)), "--no-cache", "--jobs", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    if process.returncode == 0:
        pytest.skip("the run was over before the interrupt")
    assert process.returncode == 130 and "interrupted" in err and "Traceback" not in err
    assert "so far" in out or "no claims" in out
    assert gone(process.pid)


def test_a_worker_that_was_ended_gives_up_no_claim_twice(tmp_path: Path) -> None:
    """Before its end it may note a claim again that is no part of the rest."""
    loaded = load_all([Text(spec(tmp_path), TEXT)])
    task = next(tasks(loaded))
    assert workers._given_up(task, 1) == ("odd",)
    assert workers._given_up(task.without({"odd"}), 1) == ("one", "last")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_a_task_is_cut_into_all_of_its_claims(tmp_path: Path, count: int) -> None:
    (task, *_) = tasks(load_all([Text(spec(tmp_path), TEXT)]))
    parts = task.cut(count)
    assert len(parts) == min(count, 3) and all(x.names for x in parts)
    assert tuple(n for x in parts for n in x.names) == task.names == ("one", "odd", "last")


@pytest.mark.parametrize("jobs", [2, 3, 8])
def test_one_task_for_several_workers(tmp_path: Path, jobs: int) -> None:
    """Its claims are shared out, and come back in the order of the text, each once."""
    path = spec(tmp_path, TEXT.replace("1..4", "1..1"))
    found = brief(check_files([path], How(jobs=jobs)))
    assert found == brief(check_files([path], How())) and [x[2] for x in found] == ["PROVED", "REFUTED", "PROVED"]


@LINUX
def test_a_part_of_a_task_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own claim is given up, and nothing else of the task."""
    sabotage(monkeypatch, "odd", 1, forever)
    path = spec(tmp_path, TEXT.replace("1..4", "1..1"))
    found = brief(check_files([path], How(jobs=2, timeout=1)))
    assert [(x[0], x[2]) for x in found] == [("one", "PROVED"), ("odd", "UNDECIDED"), ("last", "PROVED")]
