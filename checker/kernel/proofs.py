"""What a proof and a verdict are. Only `kernel/rules` make a `Proved`: its constructor takes the kernel's own seal."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

VERDICTS = ("PROVED", "REFUTED", "UNDECIDED", "VACUOUS", "ERROR")
_SEAL = object()


@dataclass(frozen=True, slots=True)
class Proved:
    """A judgement established by a rule from proved premises. A tree that reports print."""

    judgement: Any
    rule: str
    detail: str
    premises: tuple[Proved, ...]
    seal: object = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("only the kernel makes a Proved")


@dataclass(frozen=True, slots=True, eq=False)
class ProofTree:
    """A proof as reports print it: plain data, which no rule takes for a premise."""

    judgement: str
    rule: str
    detail: str
    premises: tuple[ProofTree, ...]


def conclude(judgement: Any, rule: str, detail: str, *premises: Proved) -> Proved:
    """Used by the rules of `kernel/` alone (import-linter and a test hold the others off)."""
    return Proved(judgement, rule, detail, premises, _SEAL)


class NotProved(Exception):
    """A rule does not apply, or a condition of it fails: the reason. Never a refutation.

    `model` is where the solver saw it fail, as values of input words (`x[3]`) and other unknowns: a hint for the falsifier.
    """

    def __init__(self, reason: str, model: dict[str, int] | None = None) -> None:
        super().__init__(reason)
        self.model = model or {}


@dataclass(frozen=True, slots=True)
class Witness:
    """Why a claim is refuted: the input or the point (if there is one) and a table, confirmed by the replay interpreters."""

    summary: str
    inputs: tuple[tuple[str, tuple[int, ...]], ...] = ()
    table: tuple[str, ...] = ()
    point: tuple[tuple[str, int | Fraction], ...] = ()  # real numbers


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one obligation. PROVED carries a proof, REFUTED a witness, all others a reason."""

    verdict: str
    proof: Proved | ProofTree | None = None
    witness: Witness | None = None
    reason: str = ""

    def __post_init__(self) -> None:
        assert self.verdict in VERDICTS
        assert (self.verdict == "PROVED") == (self.proof is not None)
        assert (self.verdict == "REFUTED") == (self.witness is not None)
