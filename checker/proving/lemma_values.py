"""Looking for values of the fields of a lemma about a head for which a row reads something else than stated."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from math import prod
from random import Random
from time import monotonic

from checker.kernel.judgements import Picks
from checker.kernel.lemma_rows import Mistaken, Never, all_states
from checker.kernel.proofs import NotProved, Outcome
from checker.kernel.replay.expressions import Fault as ReplayFault
from checker.kernel.replay.lemmas import admitted, wrong
from checker.proving.inputs import SEED
from checker.proving.obligations import Prover, obligation
from checker.proving.runs import TESTED, Disagreement, Search, verdict_of
from checker.proving.witnesses import of_lemma, of_lemma_fault
from checker.semantics.expressions import Fault
from checker.semantics.values import Unsupported

FILLED = 400  # ways to fill the rows about which a hint says nothing


def search_lemma(j: Picks, hint: Mistaken | None, budget: int, seconds: float) -> Search:
    """Values of the fields for which a row reads something else than stated: all in order if they are few, else some around
    what the hint says."""
    end, tried = monotonic() + seconds, 0
    lemma = j.lemma
    try:
        held = all_states(lemma)
    except (Fault, Unsupported):
        return Search(None, 0, False)  # nobody knows what rows may hold
    complete = prod(len(x) for x in held.values()) <= budget
    rows = lemma.rows if hint is None or complete else [hint.row]
    for values in product(*held.values()) if complete else _filled(held, hint):
        if tried >= budget or (tried and monotonic() > end):
            return Search(None, tried, False)
        tried += 1
        given = dict(zip(lemma.rows, values, strict=True))
        for i in rows:
            try:
                found = wrong(lemma, given, i, j.margin)
            except ReplayFault as fault:
                if not admitted(lemma, given):
                    raise Disagreement(f"{j}: replay finds that the values {given} are not admitted") from None
                return Search(of_lemma_fault(lemma, given, i, str(fault)), tried, False)
            if found is not None:
                if not admitted(lemma, given):
                    raise Disagreement(f"{j}: replay finds that the values {given} are not admitted")
                return Search(of_lemma(lemma, given, found), tried, False)
    return Search(None, tried, complete)


def _filled(held: dict[int, list[tuple[int, ...]]], hint: Mistaken | None) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The rows of the hint as it says; the others all alike as far as they can be, then at random."""
    known = {} if hint is None else hint.states
    kinds = sorted({x for of in held.values() for x in of})
    for kind in kinds[:FILLED]:
        yield tuple(known.get(i, kind if kind in of else of[0]) for i, of in held.items())
    random = Random(SEED)
    while True:
        yield tuple(known.get(i, random.choice(of)) for i, of in held.items())


def settled(j: Picks, prover: Prover, timeout: float) -> Outcome:
    """The scores say where a lemma fails; replay confirms it."""
    try:
        return Outcome("PROVED", proof=prover.prove(obligation(j, "lemma")))
    except Never as reason:
        return Outcome("VACUOUS", reason=str(reason))
    except NotProved as failure:
        hint, reason_ = failure if isinstance(failure, Mistaken) else None, str(failure)
    found = search_lemma(j, hint, TESTED, timeout)
    if found.witness is not None:
        return Outcome("REFUTED", witness=found.witness)
    return Outcome("UNDECIDED", reason=f"{reason_}; no counterexample among {found.tried:,} values of the fields")


def tested(j: Picks, seconds: float) -> Outcome:
    """A search alone."""
    found = search_lemma(j, None, TESTED, seconds)
    return verdict_of(found) or Outcome("UNDECIDED", reason=f"no counterexample among {found.tried:,} values of the fields")
