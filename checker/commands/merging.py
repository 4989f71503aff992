"""`lockstep merge`: the reports of all parts of a run become the report of the whole."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from checker.commands import files
from checker.language.diagnostics import Span, SpecError, spec_error
from checker.proving.records import Malformed, results
from checker.proving.results import ClaimResult, Report, Shard
from checker.reporting import json_report
from checker.reporting.json_report import MAX_REPORT, SCHEMA
from checker.reporting.text import TextReport


@dataclass(frozen=True, slots=True)
class Part:
    """The report of a part of a run; `name` is its file's."""

    name: str
    report: Report
    shard: Shard

    @property
    def tasks(self) -> list[list[ClaimResult]]:
        """The results of each task, in order: neighbours of one theorem and instance, each claim once."""
        found: list[list[ClaimResult]] = []
        for r in self.report.results:
            last = found[-1] if found else []
            same = last and (last[0].span.file, last[0].theorem, last[0].instance) == (r.span.file, r.theorem, r.instance)
            if same and r.claim not in [x.claim for x in last]:
                last.append(r)
            else:
                found.append([r])
        return found


def merge_command(names: tuple[str, ...], json_to: str | None, *, verbose: bool, quiet: bool) -> int:
    """Print the whole report; its exit status. Raises `SpecError` (REPORT) if the parts are not those of one run."""
    if json_to not in (None, "-"):
        files.writable(Path(json_to or ""))
    report = merged([part(name) for name in names])
    if json_to != "-":
        text = TextReport(sys.stdout, verbose=verbose, quiet=quiet)
        for r in report.results:
            text.add(r)
        text.summary(report)
    if json_to == "-":
        sys.stdout.write(json_report.render(report))
    elif json_to is not None:
        files.write(Path(json_to), json_report.render(report))
    return report.exit_status


def part(name: str) -> Part:
    """The report in a file. Raises `SpecError` (REPORT)."""
    try:
        document: Any = json.loads(files.read(Path(name), MAX_REPORT))
        if document["schema"] != SCHEMA:
            raise Malformed(f"schema {document['schema']}")
        x = document["shard"]
        if x is None:
            raise Malformed("the report of a whole run, not of a part (`lockstep check --shard`)")
        shard = Shard(int(x["index"]), int(x["of"]), int(x["tasks"]), str(x["run"]))
        if document["exit_status"] == 130:
            raise Malformed("a run that was interrupted")
        report = Report(
            tuple(results(document["results"])),
            float(document["seconds"]),
            tuple((str(k), str(v)) for k, v in document["versions"].items()),
            tuple((str(k), str(v)) for k, v in document["budget"].items()),
            shard,
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise _wrong(name, f"expected a report of `lockstep check --shard --json`, found {reason}") from None
    found = Part(name, report, shard)
    expected = len(range(shard.index - 1, shard.tasks, shard.of))
    if len(found.tasks) != expected:
        raise _wrong(name, f"expected the results of {expected} tasks, found {len(found.tasks)}")
    return found


def merged(parts: list[Part]) -> Report:
    """The report of the whole run. Raises `SpecError` (REPORT) unless each part of it is there once."""
    first = parts[0]
    for p in parts:
        if (p.shard.of, p.shard.tasks, p.shard.run) != (first.shard.of, first.shard.tasks, first.shard.run):
            raise _wrong(p.name, f"expected a part of the run of {first.name}: of the same files, by the same version")
        if (p.report.versions, p.report.budget) != (first.report.versions, first.report.budget):
            raise _wrong(p.name, f"expected the versions and limits of {first.name}")
    seen: dict[int, Part] = {}
    for p in parts:
        other = seen.setdefault(p.shard.index, p)
        if other is not p:
            raise _wrong(p.name, f"expected each part once, found part {p.shard.index} in {other.name} too")
    missing = [str(k) for k in range(1, first.shard.of + 1) if k not in seen]
    if missing:
        raise _wrong(first.name, f"expected all parts 1..{first.shard.of}, found none for {', '.join(missing)}")
    queues = [iter(seen[k].tasks) for k in range(1, first.shard.of + 1)]
    tasks = [next(queues[k % first.shard.of]) for k in range(first.shard.tasks)]
    whole = tuple(r for task in tasks for r in task)
    return Report(whole, sum(p.report.seconds for p in parts), first.report.versions, first.report.budget)


def _wrong(name: str, message: str) -> SpecError:
    return spec_error("REPORT", message, Span(name, 0, 0))
