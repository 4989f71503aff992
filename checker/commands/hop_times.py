"""`lockstep bench hop`: how long the proof that the circuit of Theorem 4.2 computes hop_k takes, beside trying every input.

Every proof is made in a process of its own, which remembers nothing of others. Its time is from the text to the proof: parsing,
closing, the three lemmas, the cuts and the claims, as `lockstep check` settles them.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import date
from time import perf_counter

import click

from checker.benchmarks.measuring import Run, afresh
from checker.benchmarks.theorems import Domains, instances_of, prove_all
from checker.commands import files
from checker.commands.checks import Bar
from checker.elaboration.theorem_to_claims import ClaimAt
from checker.kernel.by_replay import by_enumeration
from checker.kernel.enumeration import input_count
from checker.kernel.judgements import Computes
from checker.kernel.proofs import NotProved
from checker.language.diagnostics import spec_error
from checker.models.circuit import Circuit

MARK = "hop"


@dataclass(frozen=True, slots=True)
class Instances:
    """Theorem 4.2 for n tokens, sigma symbols and all k in least..k."""

    n: int
    sigma: int
    least: int
    k: int

    @property
    def claims(self) -> list[ClaimAt]:
        """Cuts and claims of all instances, in order, as `proofs/theorem_4_2.lks` has them."""
        size = {"n": (self.n, self.n), "sigma": (self.sigma, self.sigma)}
        found: dict[str, Domains] = {}
        if self.least == 1:
            found["one_hop"] = {**size, "k": (1, 1)}
        if self.k > 1:
            found["theorem_4_2"] = {**size, "k": (max(2, self.least), self.k)}
        return instances_of("theorem_4_2", found)


@dataclass(frozen=True, slots=True)
class Row:
    """Several runs of the same instances; they return p' of the last circuit in bits (Def. A.1)."""

    of: Instances
    runs: tuple[Run, ...]


@dataclass(frozen=True, slots=True)
class Enumerated:
    """What replay of every input takes at n, the largest that was finished in time."""

    n: int
    inputs: int
    seconds: float


def prove(of: Instances) -> int | None:
    """All claims, in this process: p' of the last circuit in bits (Def. A.1). Raises `NotProved`."""
    circuits = [j.subject for j in prove_all(of.claims) if isinstance(j, Computes) and isinstance(j.subject, Circuit)]
    return circuits[-1].precision if circuits else None


def enumerated(sigma: int, k: int, seconds: float, most: int) -> Enumerated | None:
    """Replay of every input for n = 1, 2, ...: the last n at which that ends in so many seconds; None if n = 1 is too much."""
    last = None
    for n in range(1, most + 1):
        (claim,) = (c for c in Instances(n, sigma, k, k).claims if c.name == "hops")
        (j,) = claim.judgements
        assert isinstance(j, Computes)
        inputs, begin = input_count(j.subject.inputs), perf_counter()
        try:
            by_enumeration(j, inputs, seconds)
        except NotProved:
            break
        last = Enumerated(n, inputs, perf_counter() - begin)
        if last.seconds * sigma > seconds:
            break
    return last


# ---- the command --------------------------------------------------------------------------------------


def hop_command(sizes: tuple[int, ...], sigma: int, hops: int, runs: int, seconds: float, write_to: str | None) -> int:
    """The table on standard output, and between the marks of a file. Raises `SpecError` (BENCH) if something is not proved."""
    into_page = files.into_page(write_to, MARK)
    sizes = tuple(dict.fromkeys(sizes))
    plan = [(Instances(sizes[0], sigma, 1, hops), 1)] if hops > 1 else []
    plan += [(Instances(n, sigma, hops, hops), runs if n == sizes[0] else 1) for n in sizes]
    bar, done, total = Bar(True), 0, 1 + sum(k for _, k in plan)
    try:
        bar.update("every input of small n", done, total)
        baseline = enumerated(sigma, hops, seconds, min(sizes))
        bar.pause()
        click.echo(_line(HEAD))
        rows: list[Row] = []
        for of, times in plan:
            found: list[Run] = []
            for _ in range(times):
                done += 1
                bar.update(f"n = {of.n}, k = {_hops(of)}", done, total)
                one = afresh(prove, (of,))
                assert one is not None  # there is no limit
                found.append(one)
            rows.append(Row(of, tuple(found)))
            bar.pause()
            click.echo(_line(cells(rows[-1])))
    except NotProved as reason:
        raise spec_error("BENCH", f"expected a proof for n = {of.n}, sigma = {sigma}, k = {_hops(of)}: {reason}") from None
    finally:
        bar.pause()
    click.echo(compared(baseline, rows[-1], seconds))
    into_page(table(rows, baseline, seconds))
    return 0


HEAD = ("n", "sigma", "inputs", "k", "p'", "proof, s", "runs", "memory, MiB")
WIDTHS = (6, 5, 8, 6, 5, 9, 4, 0)


def _hops(of: Instances) -> str:
    return str(of.k) if of.least == of.k else f"{of.least}..{of.k}"


def cells(row: Row) -> tuple[str, ...]:
    seconds = statistics.median(r.seconds for r in row.runs)
    memory = max(r.memory for r in row.runs)
    of = row.of
    return (
        str(of.n),
        str(of.sigma),
        f"{of.sigma}^{of.n}",
        _hops(of),
        str(row.runs[-1].answer),
        f"{seconds:.1f}",
        str(len(row.runs)),
        str(memory),
    )


def compared(baseline: Enumerated | None, row: Row, seconds: float) -> str:
    """The baseline in words."""
    if baseline is None:
        return f"Replay of every input does not end in {seconds:g} s even for n = 1."
    last, of = statistics.median(r.seconds for r in row.runs), row.of
    return (
        f"Replay of every input ends in {seconds:g} s up to n = {baseline.n}, k = {of.k}: {baseline.inputs:,} inputs in "
        f"{baseline.seconds:.1f} s;\nthe proof for n = {of.n} speaks of {of.sigma}^{of.n} inputs and takes {last:.1f} s."
    )


def _line(row: tuple[str, ...]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, WIDTHS, strict=True)).rstrip()


def table(rows: list[Row], baseline: Enumerated | None, seconds: float) -> str:
    """Markdown with the baseline and the date."""
    lines = "".join(f"| {' | '.join(line)} |\n" for line in (HEAD, ("---",) * len(HEAD), *map(cells, rows)))
    written = f"Written by `lockstep bench hop --write FILE` on {date.today().isoformat()}."
    return f"{lines}\n{compared(baseline, rows[-1], seconds)}\n{written}\n"
