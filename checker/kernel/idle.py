"""Machines with an empty inbox, of which most do nothing: their local function for many of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from checker.semantics import terms as t
from checker.semantics.expressions import Condition, Fault
from checker.semantics.intervals import MANY, Places
from checker.semantics.machines import Effect
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

RUNS = 64  # of the local function, for one round


class _Differs(Exception):
    """A condition holds at some of the machines and not at others."""

    def __init__(self, holds: Any) -> None:
        super().__init__()
        self.holds = holds


Decide = Callable[[Term], Value]


def not_silent(machines: Sequence[int], run: Callable[[Value, list[Condition], Decide], Effect]) -> Sequence[int]:
    """Those of the machines of which it is not shown that they are defined, send nothing and put out nothing.

    `run` runs the local function of a machine whose number is known or unknown, and collects what must hold. Where a choice
    depends on `self`, both kinds of machines are looked at apart; every condition is computed at every machine
    (`semantics/intervals.py`).
    """
    if len(machines) < MANY:
        return machines
    import numpy as np

    rest: list[int] = []
    parts, runs = [np.asarray(machines, dtype=np.int64)], 0
    while parts:
        here = parts.pop()
        runs += 1
        if runs > RUNS:
            rest += here.tolist()
            continue
        low, high = int(here.min()), int(here.max())
        me: Value = low if low == high else t.variable("self", low, high)
        at = Places(len(here), {me: here} if isinstance(me, Term) else {})
        conditions: list[Condition] = []

        def decide(c: Term, at: Places = at) -> Value:
            holds = at.exactly(c, "a choice") == 1
            if holds.all():
                return True
            if holds.any():
                raise _Differs(holds)
            return False

        try:
            effect = run(me, conditions, decide)
            if effect.sent or effect.assigned or not all(at.of(c.term).low.all() for c in conditions):
                rest += here.tolist()
        except _Differs as both:
            parts += [here[both.holds], here[~both.holds]]
        except (Fault, Unsupported):
            rest += here.tolist()
    return sorted(rest)
