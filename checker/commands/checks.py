"""`lockstep check` and `lockstep test`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from checker.commands import files
from checker.proving.passes import How, check_files
from checker.proving.results import ClaimResult, Report
from checker.proving.versions import versions
from checker.reporting import json_report
from checker.reporting.text import TextReport


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Bar:
    """A progress bar on stderr if that is a terminal, nothing otherwise."""

    def __init__(self, wanted: bool) -> None:
        self.progress: Any = None
        self.task: Any = None
        if wanted and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

            self.progress = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self.task = self.progress.add_task("", total=None)

    def update(self, label: str, done: int, total: int) -> None:
        if self.progress is not None:
            self.progress.start()
            self.progress.update(self.task, description=label, completed=done, total=total)

    def pause(self) -> None:
        """Take the bar away, so that a line can be printed."""
        if self.progress is not None:
            self.progress.stop()


def _run(paths: tuple[str, ...], against: str | None, how: How, text: TextReport | None, json_to: str | None) -> Report:
    """Check, printing lines as they come. On Ctrl-C what there is gets reported, and the interrupt goes on."""
    found = files.collect(paths)
    other = None if against is None else Path(against)
    if other is not None:
        files.read(other)
    if json_to not in (None, "-"):
        files.writable(Path(json_to or ""))
    bar, results, start = Bar(json_to != "-"), [], time.monotonic()

    def take(result: ClaimResult) -> None:
        results.append(result)
        if text is not None:
            if text.due(result):
                bar.pause()
            text.add(result)

    progress: Callable[[str, int, int], None] | None = None if bar.progress is None else bar.update
    try:
        report = check_files(found, how, against=other, progress=progress, on_result=take)
    except KeyboardInterrupt:
        bar.pause()
        _report(Report(tuple(results), time.monotonic() - start, versions(), how.budget), text, json_to, 130)
        raise
    finally:
        bar.pause()
    _report(report, text, json_to)
    return report


def _report(report: Report, text: TextReport | None, json_to: str | None, status: int | None = None) -> None:
    if text is not None:
        text.summary(report, interrupted=status == 130)
    if json_to == "-":
        sys.stdout.write(json_report.render(report, status))
    elif json_to is not None:
        files.write(Path(json_to), json_report.render(report, status))


def check_command(
    paths: tuple[str, ...], against: str | None, how: How, json_to: str | None, *, verbose: bool, quiet: bool
) -> int:
    text = None if json_to == "-" else TextReport(sys.stdout, verbose=verbose, quiet=quiet)
    return _run(paths, against, how, text, json_to).exit_status


def test_command(paths: tuple[str, ...], against: str | None, how: How, *, quiet: bool) -> int:
    """1 if something is refuted that should not be, 4 after an internal error, 2 if there is no claim, else 0."""
    report = _run(paths, against, how, TextReport(sys.stdout, quiet=quiet, testing=True), None)
    verdicts = [(r.outcome.verdict, r.expected) for r in report.results]
    if not verdicts:
        return 2
    if any(verdict == "ERROR" for verdict, _ in verdicts):
        return 4
    return 1 if any(verdict == "REFUTED" and expected != "refuted" for verdict, expected in verdicts) else 0
