"""Looking for real numbers at which a claim is false (`for all real`): simple rational ones, at random."""

from __future__ import annotations

from fractions import Fraction
from random import Random
from time import monotonic

from checker.kernel.algebra import FailsAt, NeverSatisfied, assumption_holds, wrong_at
from checker.kernel.judgements import ForReals
from checker.kernel.proofs import NotProved, Outcome
from checker.proving.inputs import SEED
from checker.proving.obligations import Prover, obligation
from checker.proving.runs import Search
from checker.proving.witnesses import of_point

POINTS = 2_000  # that are tried
COORDINATES = (0, 1, Fraction(1, 2), 2, -1, 3, Fraction(-1, 2), Fraction(1, 3), 10, -2, Fraction(9, 10), Fraction(1, 100), 100)


def search_points(j: ForReals, budget: int, seconds: float) -> Search:
    """Points with simple rational coordinates, at random; `tried` counts those that satisfy the assumption."""
    random, end, tried = Random(SEED), monotonic() + seconds, 0
    for number in range(budget):
        if number and monotonic() > end:
            break
        few = COORDINATES[: 2 + number * len(COORDINATES) // budget]
        point: dict[str, int | Fraction] = {x: random.choice(few) for x in j.variables}
        if assumption_holds(j, point):
            tried += 1
            wrong = wrong_at(j, point)
            if wrong is not None:
                return Search(of_point(j, point, wrong), tried, False)
    return Search(None, tried, False)


def settled(j: ForReals, prover: Prover, timeout: float) -> Outcome:
    """The rule finds a proof or a point; else simple points are tried."""
    try:
        return Outcome("PROVED", proof=prover.prove(obligation(j, "reals")))
    except NeverSatisfied as reason:
        return Outcome("VACUOUS", reason=str(reason))
    except FailsAt as failure:
        return Outcome("REFUTED", witness=of_point(j, failure.point, failure.wrong))
    except NotProved as reason:
        return tested(j, timeout, f"{reason}; ")


def tested(j: ForReals, seconds: float, before: str = "") -> Outcome:
    """A search alone."""
    found = search_points(j, POINTS, seconds)
    if found.witness is not None:
        return Outcome("REFUTED", witness=found.witness)
    return Outcome("UNDECIDED", reason=f"{before}no counterexample among {found.tried:,} points that satisfy the assumption")
