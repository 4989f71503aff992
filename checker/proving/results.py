"""The one result value that every report prints."""

from __future__ import annotations

from dataclasses import dataclass

from checker.kernel.proofs import Outcome
from checker.language.diagnostics import Span


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """One claim at one instance of its theorem. `instance` is () when the instance list is empty (VACUOUS)."""

    theorem: str
    claim: str
    instance: tuple[tuple[str, int], ...]
    statement: str
    expected: str
    outcome: Outcome
    seconds: float
    span: Span
    cached: bool = False  # not decided in this run; `seconds` are those of the run that did

    @property
    def as_expected(self) -> bool:
        return self.outcome.verdict != "ERROR" and self.outcome.verdict.lower() == self.expected


@dataclass(frozen=True, slots=True)
class Shard:
    """Part `index` (from 1) of `of` of a run with so many tasks: every `of`-th one. `run` names the whole run by its content."""

    index: int
    of: int
    tasks: int
    run: str


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run, in order, with what is needed to repeat it."""

    results: tuple[ClaimResult, ...]
    seconds: float
    versions: tuple[tuple[str, str], ...]
    budget: tuple[tuple[str, str], ...]
    shard: Shard | None = None

    @property
    def exit_status(self) -> int:
        """0 as expected, 1 otherwise, 2 no claim, 3 undecided or vacuous, 4 internal error; the worst counts.

        A part of a run that had claims for other parts only is as expected."""
        if not self.results and (self.shard is None or self.shard.tasks == 0):
            return 2
        bad = [r.outcome.verdict for r in self.results if not r.as_expected]
        if "ERROR" in bad:
            return 4
        if any(v in ("PROVED", "REFUTED") for v in bad):
            return 1
        return 3 if bad else 0
