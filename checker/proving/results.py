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

    @property
    def as_expected(self) -> bool:
        return self.outcome.verdict != "ERROR" and self.outcome.verdict.lower() == self.expected


@dataclass(frozen=True, slots=True)
class Report:
    """All results of one run, in order, with what is needed to repeat it."""

    results: tuple[ClaimResult, ...]
    seconds: float
    versions: tuple[tuple[str, str], ...]
    budget: tuple[tuple[str, str], ...]

    @property
    def exit_status(self) -> int:
        """0 as expected, 1 otherwise, 2 no claim, 3 undecided or vacuous, 4 internal error; the worst counts."""
        if not self.results:
            return 2
        bad = [r.outcome.verdict for r in self.results if not r.as_expected]
        if "ERROR" in bad:
            return 4
        if any(v in ("PROVED", "REFUTED") for v in bad):
            return 1
        return 3 if bad else 0
