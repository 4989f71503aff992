"""A claim to its verdict: counterexamples, proofs and enumeration in turn, each with its share of the time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from checker.elaboration.theorem_to_claims import ClaimAt
from checker.kernel.enumeration import FalseComparison
from checker.kernel.judgements import (
    Attends,
    Computes,
    Counts,
    Delivers,
    ForReals,
    Hints,
    Judgement,
    OfInputs,
    Picks,
    Reads,
    Selects,
    Simulates,
    circuit_of,
    model_of,
)
from checker.kernel.limits import ENUMERATED
from checker.kernel.proofs import NotProved, Outcome, Witness
from checker.kernel.replay.undecided import Undecided
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.falsifier import from_model, search
from checker.proving.inputs import SEED, random_inputs
from checker.proving.obligations import Prover, obligation
from checker.proving.runs import TESTED, Disagreement, Search, verdict_of

FIRST_LOOK = (10, 0.1)  # inputs and seconds before proving
LARGE = 300  # rows times layers of a circuit, machines times rounds of a protocol, from which on a proof is tried first
AFTER_PROOF = 1 / 3  # of the timeout: what is left at least when no proof was found, however long that took
HARDMAX_FIRST = 1 / 3  # of a search below the rung exact, for inputs where hardmax goes wrong: replay is slow
ENUMERATING = 3 / 4  # of the time that is left, for enumeration; the rest is for a long search


@dataclass(slots=True)
class Checker:
    """Settles claims one after the other; what is proved once is shared."""

    timeout: float  # seconds for one judgement
    only_falsify: bool
    share: float = 5.0  # seconds that `test` gives to one judgement
    memory: int | None = None  # MiB for one judgement, which somebody else enforces
    prover: Prover = field(default_factory=Prover)
    known: dict[tuple[Judgement, Hints, tuple[Protocol | Circuit, ...]], Outcome] = field(default_factory=dict)

    def outcome(self, claim: ClaimAt, watch: Callable[[], None] = lambda: None) -> Outcome:
        """The verdict on a claim: the worst of its judgements'. `watch` is called before each of them."""
        if claim.problem:
            return Outcome("VACUOUS", reason=claim.problem)
        found = []
        for j in claim.judgements:
            watch()
            found.append(self._judge(j, claim))
        order = ["ERROR", "REFUTED", "UNDECIDED", "VACUOUS", "PROVED"]
        return min(found, key=lambda o: order.index(o.verdict))

    def _judge(self, j: Judgement, claim: ClaimAt) -> Outcome:
        key = j, claim.hints, claim.origins
        if key not in self.known:
            try:
                self.known[key] = self._test(j) if self.only_falsify else self._settle(j, claim)
            except Undecided as reason:
                self.known[key] = Outcome("UNDECIDED", reason=str(reason))
            except Disagreement as error:
                self.known[key] = Outcome("ERROR", reason=str(error))
            except RecursionError:
                self.known[key] = Outcome("UNDECIDED", reason="the expressions are nested too deep to follow")
            except MemoryError:
                self.known[key] = self._no_memory()
            except Exception as error:  # an internal error of one claim is its verdict; the others go on
                if "out of memory" in str(error):  # z3 has an exception of its own
                    self.known[key] = self._no_memory()
                else:
                    self.known[key] = Outcome("ERROR", reason=f"internal error: {type(error).__name__}: {error}")
        return self.known[key]

    def _no_memory(self) -> Outcome:
        limit = "that there is" if self.memory is None else f"of {self.memory} MiB (--memory)"
        return Outcome("UNDECIDED", reason=f"the memory {limit} did not suffice")

    def _settle(self, j: Judgement, claim: ClaimAt) -> Outcome:
        if isinstance(j, Counts):
            return self._count(j)
        if isinstance(j, ForReals):
            from checker.proving import points

            return points.settled(j, self.prover, self.timeout)
        if isinstance(j, (Selects, Attends)):
            from checker.proving import tables

            return tables.settled(j, self.prover)
        if isinstance(j, Picks):
            from checker.proving import lemma_values

            return lemma_values.settled(j, self.prover, self.timeout)
        end = monotonic() + self.timeout
        if not _at_hand(j, claim):
            early = verdict_of(self._search(j, *FIRST_LOOK, quick=True))
            if early is not None:
                return early
        try:
            name = f"{claim.theorem}[{','.join(f'{k}={x}' for k, x in claim.instance)}]/{claim.name}"
            return Outcome("PROVED", proof=self.prover.prove(obligation(j, name, claim.origins, claim.hints)))
        except NotProved as failure:
            reason, model = str(failure), failure.model
        end = max(end, monotonic() + AFTER_PROOF * self.timeout)
        if isinstance(j, OfInputs):
            witness = from_model(j, model, end)
            if witness is not None:
                return Outcome("REFUTED", witness=witness)
            from checker.kernel.by_replay import by_enumeration

            try:
                return Outcome("PROVED", proof=by_enumeration(j, ENUMERATED, ENUMERATING * (end - monotonic())))
            except NotProved as failure:
                reason = f"{reason}; no enumeration: {failure}"
        again = self._search(j, TESTED, end - monotonic())
        return verdict_of(again) or Outcome(
            "UNDECIDED", reason=f"{reason}; no counterexample among {again.tried:,} inputs in at most {self.timeout:g} s"
        )

    def _test(self, j: Judgement) -> Outcome:
        if isinstance(j, Counts):
            found = self._count(j)
            return found if found.verdict == "REFUTED" else Outcome("UNDECIDED", reason="the comparison holds")
        if isinstance(j, ForReals):
            from checker.proving import points

            return points.tested(j, self.share)
        if isinstance(j, (Selects, Attends)):
            from checker.proving import tables

            table = tables.settled(j, self.prover)
            return Outcome("UNDECIDED", reason="no counterexample") if table.verdict == "PROVED" else table
        if isinstance(j, Picks):
            from checker.proving import lemma_values

            return lemma_values.tested(j, self.share)
        found_ = self._search(j, TESTED, self.share)
        what = "routings" if isinstance(j, Delivers) else "inputs"
        whole = ", which are all" if found_.complete else ""
        return verdict_of(found_) or Outcome("UNDECIDED", reason=f"no counterexample among {found_.tried:,} {what}{whole}")

    def _search(self, j: Judgement, budget: int, seconds: float, quick: bool = False) -> Search:
        if isinstance(j, Delivers):
            from checker.proving.routings import search_routing

            return search_routing(j, budget, seconds, quick)
        assert isinstance(j, OfInputs)
        circuit, end = circuit_of(j), monotonic() + seconds
        if not quick and circuit is not None and circuit.rung != "exact":
            early = search(j, budget, HARDMAX_FIRST * seconds, quick=True)
            if early.witness is not None:
                return early
        return search(j, budget, end - monotonic(), quick)

    def _count(self, j: Counts) -> Outcome:
        try:
            return Outcome("PROVED", proof=self.prover.prove(obligation(j, "count")))
        except FalseComparison:
            return Outcome("REFUTED", witness=Witness(", ".join(f"{k} = {x}" for k, x in j.values)))
        except NotProved as reason:
            return Outcome("UNDECIDED", reason=str(reason))


def _at_hand(j: Judgement, claim: ClaimAt) -> bool:
    """Is a proof at hand that is quicker than a look at one input: by cuts, of a protocol with numbers, or of many machines and
    rounds, or of a circuit of many rows and layers? If some inputs are excluded, there must be others."""
    if not isinstance(j, OfInputs):
        return False
    c, m = circuit_of(j), model_of(j)
    by_cuts = c is not None and bool(claim.hints.cuts) and isinstance(j, (Reads, Computes))
    if c is not None:
        large = len(c.rows) * len(c.layers) > LARGE and bool(claim.origins or isinstance(j, Simulates))
    else:
        large = isinstance(m, Protocol) and m.machines * (len(m.rounds) + 1) > LARGE
    if not (by_cuts or large or (isinstance(m, Protocol) and m.numeric)):
        return False
    return not m.requires or next(random_inputs(m.inputs, m.requires, m.functions, SEED, monotonic() + 1), None) is not None
