"""Runs of models on given inputs, to see where something may be wrong: by the evaluator, remembered, and in floating point."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import TYPE_CHECKING

from checker.kernel.enumeration import Words
from checker.kernel.proofs import Outcome, Witness
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.semantics import circuits as cs
from checker.semantics import protocols as ps
from checker.semantics.expressions import Fault
from checker.semantics.terms import Value
from checker.semantics.values import Unsupported

if TYPE_CHECKING:
    from checker.backends.floats import FloatCircuit

InputKey = tuple[tuple[str, tuple[int, ...]], ...]
Outputs = dict[tuple[str, int], Value]
TESTED = 10_000  # inputs of a long search
SMALL = 60  # rows times layers of a circuit up to which the evaluator is as quick as loading arrays
WEIGHTS = 30_000_000  # of all heads of a circuit together, in floating point


class Disagreement(Exception):
    """The evaluator and the replay interpreters differ: an internal error, never a verdict."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: a witness or none, among how many inputs; `complete` if these were all."""

    witness: Witness | None
    tried: int
    complete: bool


def verdict_of(found: Search) -> Outcome | None:
    """What a search shows by itself."""
    if found.witness is not None:
        return Outcome("REFUTED", witness=found.witness)
    if found.tried == 0 and found.complete:
        return Outcome("VACUOUS", reason="no input satisfies `requires`")
    if found.tried == 0:
        return Outcome("UNDECIDED", reason="no input was found that satisfies `requires`")
    return None


class Runs:
    """Runs by the evaluator, remembered: the claims about one model look at the same inputs first. A model is known by
    its value, for each rung has a copy of its own of what is one circuit at hardmax."""

    MODELS, INPUTS = 16, 64  # of so many models at a time, so many inputs each

    def __init__(self) -> None:
        self.known: dict[Protocol | Circuit, dict[InputKey, ps.Run | Outputs | Fault | Unsupported]] = {}

    def outputs(self, m: Protocol | Circuit, words: Words) -> Outputs:
        """The output words. Raises `Fault` and `Unsupported`, remembered too."""
        found = self._run(m, words)
        return found.outputs if isinstance(found, ps.Run) else found

    def protocol(self, p: Protocol, words: Words) -> ps.Run:
        """All of a run. Raises as `outputs` does."""
        found = self._run(p, words)
        assert isinstance(found, ps.Run)
        return found

    def _run(self, m: Protocol | Circuit, words: Words) -> ps.Run | Outputs:
        if m not in self.known:
            if len(self.known) >= self.MODELS:
                del self.known[next(iter(self.known))]
            self.known[m] = {}
        runs, key = self.known[m], tuple(words.items())
        found = runs.get(key)
        if found is None:
            try:
                found = ps.run(m, words) if isinstance(m, Protocol) else cs.run(m, words)[1]
            except (Fault, Unsupported) as reason:
                found = reason.with_traceback(None)
            if len(runs) < self.INPUTS:
                runs[key] = found
        if isinstance(found, (Fault, Unsupported)):
            raise found
        return found


RUNS = Runs()


def in_floats(c: Circuit, many: Sequence[Words], seconds: float) -> list[Outputs | Fault] | None:
    """What a circuit with a scale puts out on some inputs, in floating point: of the first one, and of all if there is time.
    None if that is not for this circuit."""
    if len(c.rows) * len(c.layers) <= SMALL and "numpy" not in sys.modules:
        return None
    if len(c.rows) ** 2 * sum(len(layer.heads) for layer in c.layers) > WEIGHTS:
        return None
    begin = monotonic()
    try:
        machine = _floating(c if c.rung == "softmax" else c.at("softmax"))
        found = machine.outputs(many[:1])
        if (monotonic() - begin) * (len(many) - 1) < seconds:
            found += machine.outputs(many[1:])
    except (Fault, Unsupported, ValueError, OverflowError):
        return None
    return found


@dataclass(frozen=True, slots=True)
class _Floating:
    """A circuit in floating point, and what it put out: claims about one circuit look at the same inputs."""

    circuit: FloatCircuit
    known: dict[InputKey, Outputs | Fault] = field(default_factory=dict)

    def outputs(self, many: Sequence[Words]) -> list[Outputs | Fault]:
        keys = [tuple(words.items()) for words in many]
        new = {key: words for key, words in zip(keys, many, strict=True) if key not in self.known}
        found: dict[InputKey, Outputs | Fault] = {}
        for key, x in zip(new, self.circuit.run([*new.values()]), strict=True):
            found[key] = x.fault or {(a, k): w for a, words in x.outputs.items() for k, w in enumerate(words, 1)}
        if len(self.known) < Runs.INPUTS:
            self.known.update(found)
        return [found[key] if key in found else self.known[key] for key in keys]


@lru_cache(maxsize=4)
def _floating(c: Circuit) -> _Floating:
    from checker.backends.floats import FloatCircuit

    return _Floating(FloatCircuit(c))
