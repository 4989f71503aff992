"""What `lockstep bench scale` measures: proofs for every input of a thousand machines, and baselines for the same question.

A proof row is from the text to the verdicts, as `lockstep check` finds them: parsing, the compiler, memory bounds, invariants,
every layer. Each run has a process
of its own. The baselines answer an easier question (no scores, no packets, no rounding, no memory bounds), in their favour.
"""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from importlib.util import find_spec
from math import ceil, inf, log2
from pathlib import Path
from typing import Any

import checker
from checker.benchmarks.all_inputs import by_enumeration
from checker.benchmarks.bitvectors import by_bitwuzla, by_z3
from checker.benchmarks.measuring import Run, afresh, command
from checker.benchmarks.one_hot import by_cadical
from checker.benchmarks.theorems import prove_all
from checker.elaboration.library import load_text
from checker.elaboration.theorem_to_claims import claims
from checker.language.resources import data_folder

SOLVERS: dict[str, tuple[str, Callable[..., Any]]] = {
    "z3": ("z3", by_z3),
    "bitwuzla": ("bitwuzla", by_bitwuzla),
    "one-hot SAT, cadical": ("pysat", by_cadical),
    "enumeration, numpy": ("numpy", by_enumeration),
}
BROKEN = "function f(n) = n;\n" * 199 + "theorem t { claim ; }\n"
MEMORY = 2_048  # MiB at n = 1024
GROWTH = 4.5  # what doubling n may multiply time and memory by: scores are n^2
EDITED = "maximum"  # the protocol of the library that is edited
SMALL = "use tree_sum from library; theorem t { let P = tree_sum(8, 2, 2); let T = transformer(P); claim c: T simulates P; }"


@dataclass(frozen=True, slots=True)
class Row:
    """Something measured: its runs (none: cut off at the limit, or there is a problem), and the seconds that it may take."""

    name: str
    target: float
    runs: tuple[Run, ...]
    problem: str = ""

    @property
    def seconds(self) -> float | None:
        return statistics.median(r.seconds for r in self.runs) if self.runs else None

    @property
    def memory(self) -> int | None:
        return max((r.memory for r in self.runs), default=None)

    @property
    def note(self) -> str:
        """What there is to say instead of whether a target is met."""
        return str(self.runs[-1].answer) if self.target == inf and self.runs else ""

    def within(self, slack: float = 1.0) -> bool:
        """Is the target met, or missed by no more than that factor?"""
        return self.seconds is not None and self.seconds <= slack * self.target


@dataclass(frozen=True, slots=True)
class Baseline:
    """The largest n that a solver decides in time, and ours at that n. `problem` says why there is none."""

    solver: str
    doublings: int
    n: int = 0
    seconds: float = 0.0
    ours: float | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A row to be measured."""

    name: str
    target: float
    work: Callable[..., Any]
    arguments: tuple[Any, ...]
    large: bool = False  # beyond n = 1024


def simulated(protocol: str, *parameters: int) -> None:
    """Prove that a protocol fits, and that its circuit simulates it on the rung rounded. Raises `NotProved`."""
    numbers = ", ".join(map(str, parameters))
    text = f"use {protocol} from library; theorem t {{ let P = {protocol}({numbers}); let T = transformer(P);"
    text += " claim fits: P fits; claim same: T simulates P at rounded; }"
    prove_all(claims(load_text(text, "<benchmark>")))


def after_an_edit(folder: str, most: float) -> Run | None:
    """The time for all of spec/ and proofs/ after an edit of one protocol of the library, all else being known; the answer is how
    many claims were settled anew. The package is copied, so that the library is not touched."""
    copy = Path(folder) / "copy"
    if not copy.is_dir():
        package = Path(checker.__file__).parent
        shutil.copytree(package, copy / "checker")
        for name in ("grammar", "spec", "proofs"):
            if package not in data_folder(name).parents:
                shutil.copytree(data_folder(name), copy / name)
    within = copy / "checker" / "_data" if (copy / "checker" / "_data").is_dir() else copy
    paths = [str(within / name) for name in ("spec", "proofs")]
    if command(("check", *paths), 0, folder, most, str(copy)) is None:  # most of it from the cache
        return None
    edited = within / "spec" / f"{EDITED}.lks"
    text = edited.read_text(encoding="utf-8")
    edited.write_text(text.replace("  message ", f"  let edit_{text.count('let edit_')} = 0;\n  message ", 1), encoding="utf-8")
    found = command(("check", *paths, "--json", "-"), 0, folder, most, str(copy))
    if found is None:
        return None
    results = json.loads(found.answer)["results"]
    return replace(found, answer=f"{sum(not r['cached'] for r in results):,} of {len(results):,} claims anew")


def plans(folder: str, hops: Callable[[int, int, int], None]) -> Iterator[Plan]:
    """All rows but the baselines. `folder` is for files and caches; `hops` proves Theorem 4.2 for n and a range of k."""
    (Path(folder) / "broken.lks").write_text(BROKEN)
    (Path(folder) / "small.lks").write_text(SMALL)
    for n, target in ((64, 1.0), (256, 3.0), (512, 7.0), (1024, 15.0), (4096, 120.0)):
        yield Plan(f"pointer_doubling n={n}", target, simulated, ("pointer_doubling", n, ceil(log2(n))), n > 1024)
        yield Plan(f"one_or_two_cycles n={n}", target, simulated, ("one_or_two_cycles", n), n > 1024)
    yield Plan("prefix_sums n=1024", 15.0, simulated, ("prefix_sums", 1024, 4, 1))
    yield Plan("sort n=1024", 15.0, simulated, ("sort", 1024, 2, 1))
    yield Plan("theorem_4_2 n=100 k=1..16", 10.0, hops, (100, 1, 16))
    yield Plan("theorem_4_2 n=1024 k=16", 30.0, hops, (1024, 16, 16))
    shipped = tuple(str(data_folder(x)) for x in ("spec", "proofs"))
    yield Plan("spec and proofs, cold", 60.0, command, (("check", *shipped), 0, f"{folder}/cache"))
    yield Plan("spec and proofs, unchanged", 1.0, command, (("check", *shipped), 0, f"{folder}/cache"))
    yield Plan(f"spec and proofs, {EDITED} edited", inf, after_an_edit, (f"{folder}/cache",))
    yield Plan("--help", 0.15, command, (("--help",), 0, folder))
    yield Plan("syntax error, 200 lines", 0.3, command, (("check", f"{folder}/broken.lks"), 2, folder))
    yield Plan("small check, n=8", 0.6, command, (("check", f"{folder}/small.lks", "--no-cache"), 0, folder))


def measure(plan: Plan, runs: int, most: float) -> Row:
    """Several runs; a row that is cut off once, or that takes a tenth of the limit, is not run again."""
    found: list[Run] = []
    if plan.work is command and plan.target <= 1:  # not the first time
        plan.work(*plan.arguments, most)
    while len(found) < runs:
        whole = plan.work in (command, after_an_edit)  # a process already
        one = plan.work(*plan.arguments, most) if whole else afresh(plan.work, plan.arguments, most)
        if one is None:
            break
        found.append(replace(one, answer=None) if plan.work is command else one)
        if found[-1].seconds > most / 10 or plan.name.endswith("cold"):
            break
    return Row(plan.name, plan.target, tuple(found))


def baseline(solver: str, doublings: int, most: float) -> Baseline:
    """n = 4, 6, ... until one takes too long; then ours at the last that did not."""
    module, work = SOLVERS[solver]
    if find_spec(module) is None:
        return Baseline(solver, doublings, problem=f"{module} is not installed (extra `bench`)")
    last: tuple[int, float] | None = None
    for n in range(4, 256, 2):
        run = afresh(work, (n, doublings), most)
        if run is None:
            break
        if not run.answer.same:
            raise RuntimeError(f"{solver} finds a difference for n = {n}: {run.answer.model}")
        last = n, run.seconds
    if last is None:
        return Baseline(solver, doublings, problem="not even n = 4 in time")
    ours = afresh(simulated, ("pointer_doubling", last[0], doublings), most)
    return Baseline(solver, doublings, last[0], last[1], None if ours is None else ours.seconds)


def table(rows: list[Row], baselines: list[Baseline], made: str) -> str:
    """Markdown."""
    lines = ["| work | target, s | measured, s | runs | memory, MiB | |", "| --- | --- | --- | --- | --- | --- |"]
    for r in rows:
        seconds = f"{r.seconds:.2f}" if r.seconds is not None else "no proof" if r.problem else "cut off"
        verdict = r.note or ("met" if r.within() else "missed")
        target = "" if r.target == inf else f"{r.target:g}"
        lines.append(f"| {r.name} | {target} | {seconds} | {len(r.runs)} | {r.memory or ''} | {verdict} |")
    lines += [f"\n{x}" for x in growth(rows)]
    if baselines:
        lines += ["", "| baseline | T | largest n | it takes, s | ours, s | ratio |", "| --- | --- | --- | --- | --- | --- |"]
        for b in baselines:
            if b.problem:
                lines.append(f"| {b.solver} | {b.doublings} | {b.problem} | | | |")
            else:
                ours, ratio = ("cut off", "") if b.ours is None else (f"{b.ours:.2f}", f"{b.seconds / b.ours:.1f}")
                lines.append(f"| {b.solver} | {b.doublings} | {b.n} | {b.seconds:.2f} | {ours} | {ratio} |")
    return "\n".join([*lines, "", made]) + "\n"


@dataclass(frozen=True, slots=True)
class Growth:
    """What doubling n multiplies time and memory by."""

    protocol: str
    n: int
    time: float
    memory: float

    def __str__(self) -> str:
        return (
            f"{self.protocol}, n = {self.n} to {2 * self.n}: time times {self.time:.1f},"
            f" memory times {self.memory:.1f} (target: {GROWTH})"
        )


def growth(rows: list[Row]) -> Iterator[Growth]:
    """Where both sizes were measured."""
    by_name = {r.name: r for r in rows}
    for protocol in ("pointer_doubling", "one_or_two_cycles"):
        for n in (256, 512):
            a, b = by_name.get(f"{protocol} n={n}"), by_name.get(f"{protocol} n={2 * n}")
            if a is not None and b is not None and a.seconds and b.seconds and a.memory and b.memory:
                yield Growth(protocol, n, b.seconds / a.seconds, b.memory / a.memory)


def missed(rows: list[Row], slack: float) -> list[str]:
    """Targets that are missed by more than that factor."""
    slow = [r.name for r in rows if not r.within(slack)]
    large = [f"{r.name}: {r.memory} MiB" for r in rows if "n=1024" in r.name and (r.memory or 0) > slack * MEMORY]
    return slow + large + [str(g) for g in growth(rows) if max(g.time, g.memory) > slack * GROWTH]


def made_here(machine: str, options: str) -> str:
    """How, when and where."""
    return f"Written by `lockstep bench scale {options} --write FILE` on {date.today().isoformat()}, {machine}."
