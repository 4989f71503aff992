"""`lockstep bench theorem_3_4`: how long it takes to prove that the protocol of a circuit simulates it, by the number of tokens.

The circuit has four coordinates and two heads (m H = 8), a causal mask and a start token; memory is the least that Theorem 3.4
works with. Each run is `lockstep check` on all cores: the circuit and its protocol compiled, printed and parsed, memory bounds,
both rungs, and the closed forms of rounds and machines. Beside it: what one run of that protocol by replay takes, on one input.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import click

from checker.benchmarks.measuring import Run, afresh, command, machine
from checker.benchmarks.theorems import theorems_of
from checker.commands import files
from checker.commands.checks import Bar, cores
from checker.elaboration.library import Loaded
from checker.elaboration.theorem_to_claims import claims
from checker.kernel.judgements import Performs
from checker.kernel.proofs import NotProved
from checker.kernel.replay.protocol import replay_protocol
from checker.language.diagnostics import spec_error
from checker.language.printer import source
from checker.language.syntax import SourceFile
from checker.models.protocol import Protocol
from checker.proving.versions import versions

MARK = "theorem_3_4"
TOKENS = (16, 32, 64, 128)
SECONDS = 60.0  # for M = 128
HEAD = ("M", "machines", "rounds", "s", "proof, s", "runs", "ms a machine", "memory, MiB", "one run by replay, s")


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of a compiled protocol: machines, rounds (local functions), words of memory."""

    machines: int
    rounds: int
    memory: int


@dataclass(frozen=True, slots=True)
class Row:
    """So many tokens, the start token among them: runs of the proof (none: cut off), and one run by replay (None: cut off)."""

    tokens: int
    runs: tuple[Run, ...]
    replay: float | None

    @property
    def sizes(self) -> Sizes | None:
        return self.runs[0].answer if self.runs else None

    @property
    def seconds(self) -> float | None:
        return statistics.median(r.seconds for r in self.runs) if self.runs else None

    def cells(self) -> tuple[str, ...]:
        replay = "cut off" if self.replay is None else f"{self.replay:.1f}"
        if self.sizes is None or self.seconds is None:
            return str(self.tokens), "", "", "", "cut off", "0", "", "", replay
        x = self.sizes
        memory = max(r.memory for r in self.runs)
        own = f"{self.seconds:.1f}", str(len(self.runs)), f"{1000 * self.seconds / x.machines:.2f}", str(memory)
        return str(self.tokens), f"{x.machines:,}", str(x.rounds), str(x.memory), *own, replay


def _theorem(tokens: int) -> Loaded:
    one = {"n": (tokens - 1, tokens - 1), "kind": (1, 1), "layers": (1, 1)}
    return theorems_of("theorem_3_4", {"two_heads": one})


def _protocol(tokens: int) -> Protocol:
    """The protocol of the theorem's circuit with so many tokens."""
    return next(j.protocol for c in claims(_theorem(tokens)) for j in c.judgements if isinstance(j, Performs))


def sizes(tokens: int) -> Sizes:
    p = _protocol(tokens)
    return Sizes(p.machines, len(p.rounds) + 1, p.memory)


def prove(tokens: int, folder: str, most: float) -> Run | None:
    """`lockstep check` of `two_heads`, on all cores; None if it takes more than `most` seconds. Raises `RuntimeError` if there is
    no proof."""
    loaded = _theorem(tokens)
    file = Path(folder) / f"{tokens}.lks"
    file.write_text(source(SourceFile((*loaded.definitions.values(), *loaded.theorems))), encoding="utf-8")
    found = command(("check", str(file), "--no-cache", "--timeout", "100000"), 0, folder, most)
    return None if found is None else replace(found, answer=sizes(tokens))


def replay(tokens: int) -> None:
    """One run, on one input."""
    p = _protocol(tokens)
    run = replay_protocol(p, {a.name: tuple(k % 4 for k in range(a.size)) for a in p.inputs})
    if run.fault is not None:
        raise NotProved(f"replay: {run.fault}")


def growth(rows: list[Row]) -> Iterator[str]:
    """Whether time grows faster than the number of machines."""
    for a, b in pairwise(rows):
        if a.sizes and b.sizes and a.seconds and b.seconds:
            time, machines = b.seconds / a.seconds, b.sizes.machines / a.sizes.machines
            found = "met" if time <= machines else "missed"
            yield f"M = {a.tokens} to {b.tokens}: machines times {machines:.1f}, time times {time:.1f} (target: no more; {found})"


def target(rows: list[Row]) -> Iterator[str]:
    for x in rows:
        if x.tokens == TOKENS[-1]:
            met = x.seconds is not None and x.seconds <= SECONDS
            yield f"M = {x.tokens}: target {SECONDS:g} s, {'met' if met else 'missed'}"


def table(rows: list[Row], made: str) -> str:
    """Markdown."""
    lines = "".join(f"| {' | '.join(line)} |\n" for line in (HEAD, ("---",) * len(HEAD), *(x.cells() for x in rows)))
    return "\n\n".join([lines.rstrip("\n"), *growth(rows), *target(rows), made]) + "\n"


def theorem_3_4_command(tokens: tuple[int, ...], runs: int, most: float, json_to: str | None, write_to: str | None) -> int:
    """The table on standard output; Ctrl-C ends it with what was measured. Raises `SpecError` (BENCH) where there is no proof."""
    into_page = files.into_page(write_to, MARK)
    into_json = files.into_json(json_to)
    rows: list[Row] = []
    bar, wanted, interrupted = Bar(True), sorted(set(tokens)), False
    with tempfile.TemporaryDirectory() as folder:
        try:
            for n in wanted:
                found: list[Run] = []
                while len(found) < runs:
                    bar.update(f"M = {n}", len(rows), len(wanted))
                    one = prove(n, folder, most)
                    if one is None:
                        break
                    found.append(one)
                    if one.seconds > most / 10:  # a long one is not run again
                        break
                once = afresh(replay, (n,), most / 10)
                rows.append(Row(n, tuple(found), None if once is None else once.seconds))
        except KeyboardInterrupt:
            interrupted = True
        except (NotProved, RuntimeError) as reason:
            raise spec_error("BENCH", f"expected a proof for {n} tokens: {reason}") from None
        finally:
            bar.pause()
    here = machine(cores())
    made = f"Written by `lockstep bench theorem_3_4 --runs {runs} --write FILE` on {date.today().isoformat()}, {here}."
    text = table(rows, f"Interrupted. {made}" if interrupted else made)
    click.echo(text, nl=False)
    into_json(
        {
            "machine": here,
            "versions": dict(versions()),
            "interrupted": interrupted,
            "rows": [asdict(x) for x in rows],
        }
    )
    if interrupted:
        raise KeyboardInterrupt
    into_page(text)
    return 0
