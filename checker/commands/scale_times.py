"""`lockstep bench scale`: the targets of speed, measured, beside baselines for the same question."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

import click

from checker.benchmarks.measuring import Run, machine
from checker.benchmarks.scale import SOLVERS, Baseline, Row, baseline, made_here, measure, missed, plans, table
from checker.commands import files
from checker.commands.checks import Bar, cores
from checker.commands.hop_times import Instances, prove
from checker.kernel.proofs import NotProved
from checker.language.diagnostics import Span, SpecError, spec_error
from checker.proving.versions import versions
from checker.reporting.json_report import MAX_REPORT

MARK = "scale"
DOUBLINGS = (1, 2, 3)
SLACK = 1.5  # a quick run fails if a target is missed by more than half


def hops(n: int, least: int, most: int) -> None:
    """Prove Theorem 4.2 for n tokens, 4 symbols and k in least..most. Raises `NotProved`."""
    prove(Instances(n, 4, least, most))


def scale_command(
    only: tuple[str, ...],
    runs: int,
    seconds: float,
    most: float,
    json_to: str | None,
    write_to: str | None,
    *,
    quick: bool,
    after: str | None = None,
) -> int:
    """The table on standard output. 1 if `quick` and a target is missed by more than half. Ctrl-C ends it with what was measured,
    on standard output and in the JSON. What is not measured is taken from the JSON `after`, if there is one.

    Raises `SpecError` (BENCH) at the end if something is not proved.
    """
    into_page = files.into_page(write_to, MARK)
    into_json = files.into_json(json_to)
    earlier = None if after is None else _earlier(after)
    rows: list[Row] = []
    baselines: list[Baseline] = []
    bar, times, interrupted = Bar(True), 1 if quick else runs, False
    with tempfile.TemporaryDirectory() as folder:
        every = [*plans(folder, hops)]
        chosen = [p for p in every if not (quick and p.large) and (not only or any(x in p.name for x in only))]
        solvers = [] if quick else [(x, t) for x in SOLVERS for t in DOUBLINGS if not only or any(y in x for y in only)]
        total = len(chosen) + len(solvers)
        try:
            for plan in chosen:
                bar.update(plan.name, len(rows), total)
                try:
                    rows.append(measure(plan, times, most))
                except (NotProved, RuntimeError) as reason:
                    rows.append(Row(plan.name, plan.target, (), str(reason)))
            for solver, doublings in solvers:
                bar.update(f"{solver}, T = {doublings}", len(rows) + len(baselines), total)
                baselines.append(baseline(solver, doublings, seconds))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            bar.pause()
    here = machine(cores())
    made = made_here(here, f"--runs {times} --most {most:g} --seconds {seconds:g}")
    made = f"Interrupted. {made}" if interrupted else made
    if earlier is not None:
        names = [p.name for p in every]
        rows = sorted({x.name: x for x in (*earlier.rows, *rows) if x.name in names}.values(), key=lambda x: names.index(x.name))
        pairs = [(x, t) for x in SOLVERS for t in DOUBLINGS]
        known = {(x.solver, x.doublings): x for x in (*earlier.baselines, *baselines)}
        baselines = [known[x] for x in pairs if x in known]
        made = f"{earlier.made}\n\nSome rows again: {made}"
    text = table(rows, baselines, made)
    click.echo(text, nl=False)
    into_json(
        {
            "machine": here,
            "made": made,
            "versions": dict(versions()),
            "interrupted": interrupted,
            "rows": [_data(r) for r in rows],
            "baselines": [asdict(b) for b in baselines],
        }
    )
    if interrupted:
        raise KeyboardInterrupt
    into_page(text)
    if failed := [spec_error("BENCH", f"{r.name}: expected a proof: {r.problem}") for r in rows if r.problem]:
        raise SpecError(*(d for x in failed for d in x.diagnostics))
    return 1 if quick and missed(rows, SLACK) else 0


def _data(r: Row) -> dict[str, object]:
    return asdict(r) | {"target": None if r.target == inf else r.target, "median": r.seconds, "met": r.within()}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What an earlier run has measured."""

    rows: tuple[Row, ...]
    baselines: tuple[Baseline, ...]
    made: str


def _earlier(path: str) -> Earlier:
    """Raises `SpecError` (REPORT) if it is not what this command writes."""
    text = files.read(Path(path), MAX_REPORT)
    try:
        document = json.loads(text)
        rows = tuple(
            Row(
                str(r["name"]),
                inf if r["target"] is None else float(r["target"]),
                tuple(Run(float(x["seconds"]), int(x["memory"]), x["answer"]) for x in r["runs"]),
                str(r["problem"]),
            )
            for r in document["rows"]
        )
        baselines = tuple(
            Baseline(
                str(b["solver"]),
                int(b["doublings"]),
                int(b["n"]),
                float(b["seconds"]),
                None if b["ours"] is None else float(b["ours"]),
                str(b["problem"]),
            )
            for b in document["baselines"]
        )
        return Earlier(rows, baselines, str(document["made"]))
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise spec_error("REPORT", f"expected a report of `lockstep bench scale --json`: {error!r}", Span(path, 0, 0)) from None
