"""Parts of a run and their merger, and the same run on a Dask cluster: nothing lost, nothing counted twice."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers import gone
from test_commands import ROOT, lockstep

from checker.language.diagnostics import SpecError
from checker.language.resources import data_folder
from checker.proving import cluster, remote
from checker.proving.passes import How, Text, check_files, load_all
from checker.proving.results import Report
from checker.proving.tasks import Work, tasks

TEXT = """
use tree_sum from library;
theorem t for n in 1..5 { claim least: n >= 2; claim most: n <= 5; }
theorem u for n in 2..3 { let P = tree_sum(n, 2, 1); claim fits: P fits; }
theorem none for n in 1..0 { claim nothing: n == 0; }
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "t.lks").write_text(TEXT)
    return tmp_path / "t.lks"


def plain(document: Any) -> Any:
    """Without what differs from run to run."""
    rest = ("theorem", "claim", "instance", "statement", "verdict", "expected", "reason", "place", "witness", "proof")
    return [{key: r[key] for key in rest} for r in document["results"]]


def parts(path: Path, count: int) -> list[str]:
    names = []
    for k in range(1, count + 1):
        names.append(str(path.with_name(f"part_{k}_of_{count}.json")))
        lockstep("check", str(path), "--shard", f"{k}/{count}", "--json", names[-1], "--no-cache")
    return names


@pytest.mark.parametrize("count", [1, 3])
def test_the_merged_report_is_that_of_the_whole_run(path: Path, count: int) -> None:
    whole = lockstep("check", str(path), "--json", "-", "--no-cache")
    merged = lockstep("merge", *reversed(parts(path, count)), "--json", "-")
    assert merged.returncode == whole.returncode == 1, merged.stderr
    assert plain(json.loads(merged.stdout)) == plain(json.loads(whole.stdout))
    assert json.loads(merged.stdout)["summary"] == json.loads(whole.stdout)["summary"]


def test_a_merged_report_in_words(path: Path) -> None:
    done = lockstep("merge", *parts(path, 2))
    assert done.returncode == 1 and "11 proved, 1 refuted, 1 vacuous: 2 not as expected" in done.stdout


def test_a_part_without_claims_is_fine_and_a_run_without_claims_is_not(path: Path) -> None:
    path.write_text("theorem t for n in 1..1 { claim c: n == 1; }")
    names = parts(path, 3)
    assert [json.loads(Path(n).read_text())["exit_status"] for n in names] == [0, 0, 0]
    assert lockstep("merge", *names).returncode == 0


def test_parts_that_do_not_belong_together(path: Path, tmp_path: Path) -> None:
    first, second = parts(path, 2)
    whole, torn = tmp_path / "whole.json", tmp_path / "torn.json"
    lockstep("check", str(path), "--json", str(whole), "--no-cache")
    document = json.loads(Path(second).read_text())
    document["results"] = document["results"][:-2]
    torn.write_text(json.dumps(document))
    other = tmp_path / "other" / "t.lks"
    other.parent.mkdir()
    other.write_text(TEXT.replace("n <= 5", "n <= 6"))
    _, edited = parts(other, 2)
    again = tmp_path / "again.json"
    again.write_text(Path(first).read_text())
    wrong = {
        "found none for 2": (first,),
        "once": (first, str(again), second),
        "of the same files": (first, edited),
        "not of a part": (str(whole),),
        "tasks, found": (str(torn),),
        "expected a file": (str(tmp_path / "nothing.json"),),
    }
    (tmp_path / "broken.json").write_text("[1")
    wrong["JSONDecodeError"] = (str(tmp_path / "broken.json"),)
    for message, names in wrong.items():
        done = lockstep("merge", *names)
        assert done.returncode == 2 and message in done.stderr, (message, done.stderr)


def test_an_instance_that_is_named_twice_is_two_tasks(path: Path) -> None:
    path.write_text("theorem t for n in {2, 2, 1, 2} { claim a: n >= 1; claim b: n <= 2; }")
    whole = lockstep("check", str(path), "--json", "-", "--no-cache")
    merged = lockstep("merge", *parts(path, 3), "--json", "-")
    assert merged.returncode == 0, merged.stderr
    assert plain(json.loads(merged.stdout)) == plain(json.loads(whole.stdout)) and len(plain(json.loads(whole.stdout))) == 8


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/2/3", "-1/2"])
def test_a_wrong_part(path: Path, text: str) -> None:
    done = lockstep("check", str(path), "--shard", text)
    assert done.returncode == 2 and "expected I/K" in done.stderr


# ---- a cluster ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local() -> Iterator[Any]:
    distributed = pytest.importorskip("distributed")
    os.environ["PYTHONPATH"] = str(ROOT)
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as found:
        yield found


def same(a: Report, b: Report) -> bool:
    def brief(report: Report) -> list[tuple[object, ...]]:
        return [(r.theorem, r.claim, r.instance, r.outcome.verdict, r.outcome.witness, r.span.line) for r in report.results]

    return brief(a) == brief(b)


def test_a_cluster_finds_what_this_process_finds(path: Path, local: Any) -> None:
    here, there = check_files([path]), check_files([path], How(scheduler=local.scheduler_address))
    assert same(here, there)
    proofs = [[str(r.outcome.proof.judgement) for r in x.results if r.outcome.proof is not None] for x in (here, there)]
    assert proofs[0] == proofs[1]


def test_a_worker_is_killed_half_way(path: Path, local: Any) -> None:
    """Its batch goes to another worker; the report is that of an undisturbed run."""
    path.write_text("use prefix_sums from library; theorem t for n in 2..9, s in 2..3 { let P = prefix_sums(n, s, 2);"
                    " claim fits: P fits; claim rounds: rounds(P) >= 1; claim same: transformer_of_it(n) == n; }"
                    " function transformer_of_it(n) = n;")
    here = check_files([path])
    killed: list[int] = []
    told: list[object] = []

    def kill_one() -> None:
        time.sleep(1.2)
        worker = next(iter(local.workers.values()))
        killed.append(worker.pid)
        os.kill(worker.pid, signal.SIGKILL)

    thread = threading.Thread(target=kill_one)
    thread.start()
    there = check_files([path], How(scheduler=local.scheduler_address), on_result=told.append)
    thread.join()
    assert killed and same(here, there) and len(told) == len(here.results) == 48


def test_budgets_hold_on_a_cluster(path: Path, local: Any) -> None:
    path.write_text("use sort from library; theorem t for n in 1..1 { claim quick: n == 1; }"
                    " theorem u for n in 9..9 { let P = sort(n, 3, 3);"
                    " claim slow: P computes y[k] <= y[k + 1] for k in 1..n - 1; }")
    report = check_files([path], How(timeout=0.05, scheduler=local.scheduler_address))
    quick, slow = report.results
    assert quick.outcome.verdict == "PROVED"
    assert slow.outcome.verdict == "UNDECIDED" and "0.05 s" in slow.outcome.reason


def test_a_run_that_is_given_up_leaves_no_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process of a batch, and the worker that it has."""
    distributed = pytest.importorskip("distributed")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    path.write_text("use sort from library; theorem t { let P = sort(3000, 2, 1); claim c: P fits; }")
    loaded = load_all([Text(path, path.read_text())])
    work = Work(tuple(loaded), None, 60.0)
    started: list[Any] = []
    honest = subprocess.Popen

    class GivenUp:
        def __init__(self, name: str, client: object) -> None:
            self.end = time.monotonic() + 2.5

        def is_set(self) -> bool:
            return time.monotonic() > self.end

    def popen(*arguments: Any, **options: Any) -> Any:
        started.append(honest(*arguments, **options))
        return started[-1]

    monkeypatch.setattr(distributed, "Event", GivenUp)
    monkeypatch.setattr(distributed, "get_client", lambda: None)
    monkeypatch.setattr(cluster.subprocess, "Popen", popen)
    request = cluster._request(work, dict(enumerate(tasks(loaded))), [0])
    with pytest.raises(RuntimeError, match="given up"):
        cluster.settle_batch(request, "stop")
    assert gone(started[0].pid)


def test_no_scheduler(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr(cluster, "CONNECT", 0.5)
    with pytest.raises(SpecError) as error:
        check_files([path], How(scheduler="tcp://127.0.0.1:1"))
    assert error.value.diagnostics[0].code == "SCHEDULER"


def test_workers_of_another_version_are_refused(path: Path, local: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "fingerprint", lambda: "another version")
    with pytest.raises(SpecError) as error:
        check_files([path], How(scheduler=local.scheduler_address))
    assert "this very version" in error.value.diagnostics[0].message


def test_workers_with_another_library_are_refused(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a file uses is not sent: with other texts there, a batch would be about other protocols."""
    loaded = load_all([Text(path, path.read_text())])
    request = json.loads(cluster._request(Work(tuple(loaded), None, 60.0), dict(enumerate(tasks(loaded))), [0]))
    assert [r["verdict"] for r in remote.answer(request)["results"]["0"]] == ["REFUTED", "PROVED"]
    shutil.copytree(data_folder("spec"), tmp_path / "spec")
    (tmp_path / "spec" / "tree_sum.lks").write_text("protocol tree_sum(n, s, p) { }")
    monkeypatch.setattr("checker.proving.cache.data_folder", lambda name: tmp_path / name)
    assert remote.answer(request).keys() == {"other"}
