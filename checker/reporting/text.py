"""A report for people: one line a claim, what went wrong below it, and a summary."""

from __future__ import annotations

import os
from typing import Any, TextIO

import click

from checker.kernel.proofs import VERDICTS, Outcome, Witness
from checker.language.diagnostics import Span
from checker.proving.results import ClaimResult, Report
from checker.reporting import instances, proof_trees

Style = dict[str, Any]  # arguments of `click.style`
STYLES: dict[str, Style] = {
    "PROVED": {"fg": "green"},
    "REFUTED": {"fg": "red"},
    "UNDECIDED": {"fg": "yellow"},
    "VACUOUS": {"fg": "yellow"},
    "ERROR": {"fg": "red", "bold": True},
    "NOT REFUTED": {"fg": "cyan"},
}
PLAIN: Style = {}
BOLD: Style = {"bold": True}
DIM: Style = {"dim": True}
REASONS = 3


class TextReport:
    """Takes results as they come; prints when all of a theorem is there, a line for all instances of a claim with one verdict."""

    def __init__(self, out: TextIO, *, verbose: bool = False, quiet: bool = False, testing: bool = False) -> None:
        self.out = out
        self.color = False if os.environ.get("NO_COLOR") else None  # None: if `out` is a terminal
        self.verbose, self.quiet, self.testing = verbose, quiet, testing
        self.theorem: list[ClaimResult] = []

    def due(self, result: ClaimResult) -> bool:
        """Will this result make us print the theorem before it?"""
        return bool(self.theorem) and self._place(self.theorem[0]) != self._place(result)

    def add(self, result: ClaimResult) -> None:
        """Take one more result."""
        if self.due(result):
            self.flush()
        self.theorem.append(result)

    def flush(self) -> None:
        """Print what is there."""
        claims: dict[str, dict[tuple[str, str], list[ClaimResult]]] = {}
        for r in self.theorem:
            claims.setdefault(r.claim, {}).setdefault((self.label(r.outcome), r.statement), []).append(r)
        for group in (g for groups in claims.values() for g in groups.values()):
            if not (self.quiet and self._fine(group[0])):
                self._print_group(group)
        self.theorem = []

    def summary(self, report: Report, interrupted: bool = False) -> None:
        """The last line: how many of each verdict, and whether that is what was expected."""
        self.flush()
        labels = [self.label(r.outcome) for r in report.results]
        counts = ", ".join(f"{labels.count(v)} {v.lower()}" for v in ("NOT REFUTED", *VERDICTS) if v in labels)
        wrong = sum(not self._fine(r) for r in report.results)
        judged = f"{wrong} not as expected" if wrong else "all as expected"
        if self.testing:
            judged = f"{wrong} refuted against expectation" if wrong else "no unexpected counterexample"
        if interrupted:
            judged = f"{judged} so far"
        cached = sum(r.cached for r in report.results)
        if cached:
            counts += f", {cached} from the cache"
        text = f"{counts}: {judged}" if labels else "no claims"
        self._print(f"{text}  ({report.seconds:.2f} s)", {**BOLD, "fg": "red" if wrong or not labels else "green"})
        if self.verbose:
            for name, value in (*report.versions, *report.budget):
                self._print(f"  {name} {value}", DIM)

    def label(self, outcome: Outcome) -> str:
        """The verdict; a test never says more than that no counterexample was found."""
        if self.testing and outcome.verdict not in ("REFUTED", "ERROR", "VACUOUS"):
            return "NOT REFUTED"
        return outcome.verdict

    def _fine(self, r: ClaimResult) -> bool:
        if self.testing:
            return r.outcome.verdict != "ERROR" and (r.outcome.verdict != "REFUTED" or r.expected == "refuted")
        return r.as_expected

    def _place(self, r: ClaimResult) -> tuple[str, str]:
        return (r.span.file, r.theorem)

    def _print(self, text: str, style: Style = PLAIN, *, end: str = "\n") -> None:
        click.echo(click.style(text, **style) + end, file=self.out, nl=False, color=self.color)

    def _print_group(self, group: list[ClaimResult]) -> None:
        first = group[0]
        label = self.label(first.outcome)
        where = instances.compact([r.instance for r in group])
        seconds = sum(r.seconds for r in group)
        mark = ""
        if not self.testing and (first.expected != "proved" or not first.as_expected):
            mark = "  as expected" if first.as_expected else f"  expected {first.expected}"
        self._print(f"{label:<12}", STYLES[label], end="")
        self._print(
            f"{first.theorem}.{first.claim}  {first.statement}" + (f"   {where}" if where else "") + f"  {seconds:.2f} s" + mark,
            PLAIN if self._fine(first) else BOLD,
        )
        if not self._fine(first) and first.span.line:
            self._print(f"  at {place(first.span)}", DIM)
        self._reasons(group)
        if first.outcome.witness is not None:
            self._witnesses(group)
        if self.verbose and not self.testing:
            self._proofs(group)

    def _reasons(self, group: list[ClaimResult]) -> None:
        by_reason: dict[str, list[ClaimResult]] = {}
        for r in group:
            if r.outcome.reason:
                by_reason.setdefault(r.outcome.reason, []).append(r)
        for k, (reason, results) in enumerate(by_reason.items()):
            if k == REASONS and not self.verbose:
                self._print(f"  ... and {len(by_reason) - REASONS} more (-v shows all)")
                break
            where = "" if len(by_reason) == 1 else instances.compact([r.instance for r in results])
            self._print(f"  {where}: {reason}" if where else f"  {reason}")

    def _witnesses(self, group: list[ClaimResult]) -> None:
        for k, r in enumerate(group):
            if k == 1 and not self.verbose:
                self._print(f"  ... and {len(group) - 1} more instances (-v shows all)")
                break
            if r.outcome.witness is not None:
                self._witness(r.outcome.witness, instances.one(r.instance) if len(group) > 1 else "")

    def _witness(self, w: Witness, where: str) -> None:
        self._print(f"  {where}: {w.summary}" if where else f"  {w.summary}")
        for name, values in w.inputs:
            self._print(f"    {name} = {', '.join(str(v) for v in values)}")
        for line in w.table:
            self._print(f"    {line}")

    def _proofs(self, group: list[ClaimResult]) -> None:
        for r in group:
            if r.outcome.proof is not None:
                if r.instance and len(group) > 1:
                    self._print(f"  {instances.one(r.instance)}")
                for line in proof_trees.lines(r.outcome.proof, "    "):
                    self._print(line, DIM)


def place(span: Span) -> str:
    """`file:line:column`"""
    return f"{span.file}:{span.line}:{span.column}"
