"""That every run of a circuit is defined, by the ranges of its numbers (Defs. 2.2, A.1): for hand-written circuits.

Every coordinate of every row is an unknown number of an interval, and no more is known of it: a whole number as long as it is an
input word, then on the rung rounded a multiple of 2^-f, else any real number. Queries, keys and values are evaluated over these
unknowns. A head puts out an average of the values of the rows that a row may attend to, on the rung rounded up to a unit. That
gives the intervals behind the layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

from checker.kernel.judgements import Computes, runs
from checker.kernel.lemma_rows import choose_case, grain_of
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.solver import Tally, prove
from checker.language import syntax as s
from checker.models.circuit import Circuit, Head
from checker.models.protocol import words_of
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Condition, Fault, Meaning, Scope, Vec, evaluate, number
from checker.semantics.masks import visible
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

Interval = tuple[Fraction, Fraction]
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class Range:
    """A multiple of `step` in low..high; any real number there if that is 0."""

    low: Fraction
    high: Fraction
    step: Fraction

    def plus(self, ends: Interval, step: Fraction) -> Range:
        """With a number of that interval and that step added."""
        return self if ends == (ZERO, ZERO) else Range(self.low + ends[0], self.high + ends[1], min(self.step, step))

    def unknown(self, i: int, k: int) -> Value:
        """Coordinate k of row i."""
        if self.low == self.high:
            return v.whole(self.low)
        if self.step:
            return v.scale(self.step, t.variable(f"row {i}, {k}", ceil(self.low / self.step), floor(self.high / self.step)))
        middle = (self.low + self.high) / 2
        return v.add(v.whole(middle), t.error(i, k, self.high - middle))


NOTHING = Range(ZERO, ZERO, Fraction(1))
Row = dict[int, Range]  # the coordinates that may be other than 0


def runs_in_ranges(j: Computes) -> Proved:
    """Layer by layer, row by row."""
    c = j.subject
    if not isinstance(c, Circuit) or j != runs(c):
        raise NotProved("the rule is about whether a circuit runs")
    if c.packets or c.messages or c.finish is not None or any(layer.local is not None for layer in c.layers):
        raise NotProved("no rule shows that every run of the circuit is defined: it has local functions")
    if c.scale is None:
        raise NotProved("the rule needs a circuit with a scale")
    ranges = _Ranges(c)
    try:
        ranges.follow()
    except Unsupported as reason:
        raise NotProved(f"{ranges.place}: no range: {reason}") from None
    except Fault as fault:
        raise NotProved(f"{ranges.place}: undefined: {fault.message}") from None
    return conclude(j, "ranges of all rows", f"{len(c.layers)} layers, every row; {ranges.tally}")


class _Ranges:
    def __init__(self, c: Circuit) -> None:
        self.c, self.functions = c, {f.name: f for f in c.functions}
        self.place, self.tally = "the input", Tally()
        self.conditions: list[Condition] = []
        self.unit = ZERO if c.fraction is None else Fraction(1, 2**c.fraction)
        self.builtins = dict(sem.VECTORS) | {"floor": _floor, "ceil": _ceil, "round": _round}

    def follow(self) -> None:
        c = self.c
        rows: dict[int, Row] = {i: {} for i in c.rows}
        for w, (name, _) in enumerate(words_of(c.inputs), 1):
            if w not in rows:
                raise NotProved(f"there is no row for input word {w}")
            array = next(a for a in c.inputs if a.name == name)
            rows[w] = {1: Range(Fraction(array.low), Fraction(array.high), Fraction(1))}
            self.small((rows[w][1].low, rows[w][1].high), "an input word")
        for n, layer in enumerate(c.layers, 1):
            self.place = f"layer {n} ({layer.name})"
            seen = visible(layer.mask, c.rows, c.functions)
            found = [self.values(head, rows) for head in layer.heads]
            rows = {i: self.behind(rows[i], [[values[j] for j in seen[i]] for values in found]) for i in c.rows}
        for w, (name, k) in enumerate(words_of(c.outputs), 1):
            self.place = f"output word {w}"
            self.readout(name, k, w, rows)

    def row(self, i: int, row: Row) -> Vec:
        """Unknown numbers of these intervals."""
        entries = {k: x.unknown(i, k) for k, x in row.items()}
        return Vec({k: x for k, x in entries.items() if isinstance(x, Term) or x != 0}, self.c.width)

    def scope(self, i: int, row: Row) -> Scope:
        names: dict[str, Any] = {"self": i, "row": self.row(i, row)}
        return Scope(names, self.functions, conditions=self.conditions, builtins=self.builtins)

    def settled(self) -> None:
        for x in self.conditions:
            prove(x.term, [], f"{self.place}: {x.reason}", self.tally)
        self.conditions.clear()

    def values(self, head: Head, rows: dict[int, Row]) -> dict[int, dict[int, Interval]]:
        """The values of all rows; queries and keys have to be defined as well, and all must be representable."""
        c, found = self.c, dict[int, dict[int, Interval]]()
        for i, row in rows.items():
            scope = self.scope(i, row)
            for what, cases, factor in (("query", head.query, c.scale or 0), ("key", head.key, 1), ("value", head.value, 1)):
                vector = choose_case(cases, scope, c.width)
                ends = {
                    k: self.representable(v.scale(factor, x), f"a {what} of head {head.name}") for k, x in vector.entries.items()
                }
                if what == "value":
                    found[i] = ends
            self.settled()
        return found

    def representable(self, x: Value, what: str) -> Interval:
        """The ends of its interval. On the rung rounded it must be a multiple of 2^-f of size less than 2^i (Def. A.1)."""
        c, (low, high) = self.c, t.bounds(x)
        if low is None or high is None:
            raise Unsupported(f"{what} without bounds")
        if c.fraction is not None and grain_of(x) > c.fraction:
            raise Unsupported(f"{what} that may be no multiple of 2^-{c.fraction}")
        ends = Fraction(low), Fraction(high)
        self.small(ends, what)
        return ends

    def small(self, ends: Interval, what: str) -> None:
        if self.c.integer is not None and max(ends[1], -ends[0]) >= 2**self.c.integer:
            raise Unsupported(f"{what} that may be too large for {self.c.integer} integer bits")

    def behind(self, row: Row, heads: list[list[dict[int, Interval]]]) -> Row:
        """The old row and an average of the values that it may see, in each head."""
        found = dict(row)
        for values in heads:
            for k in range(1, self.c.width + 1) if self.unit else {k for x in values for k in x}:
                ends = [x.get(k, (ZERO, ZERO)) for x in values]
                average = min(a for a, _ in ends) - self.unit, max(b for _, b in ends) + self.unit
                found[k] = found.get(k, NOTHING).plus(average, self.unit)
        for x in found.values():
            self.small((x.low, x.high), "a row")
        return found

    def readout(self, name: str, k: int, w: int, rows: dict[int, Row]) -> None:
        c = self.c
        place = next(n for n, a in enumerate(c.outputs) if a.name == name)
        array, e = c.outputs[place], c.readouts[place]
        if w not in rows:
            raise NotProved(f"there is no row for output word {w}")
        word = number(evaluate(e, self.scope(w, rows[w])), e.span)
        if not t.is_whole(word):
            raise Unsupported("a word that may be a fraction")
        self.settled()
        inside = v.both(v.at_most(array.low, word), v.at_most(word, array.high))
        prove(inside, [], f"{name}[{k}] is in {array.low}..{array.high}", self.tally)


def _rounding(what: Callable[[Fraction], int], exact: Callable[[Value], Value]) -> Callable[[Scope, s.Call], Meaning]:
    """Where it is not known how a number rounds, any whole number between those to which its ends round."""

    def builtin(scope: Scope, e: s.Call) -> Meaning:
        x = number(evaluate(e.arguments[0], scope), e.span)
        try:
            return exact(x)
        except Unsupported:
            low, high = t.bounds(x)
            if low is None or high is None or not isinstance(x, Term):
                raise
            return t.variable(f"{e.function} of #{x.key}", what(Fraction(low)), what(Fraction(high)))

    return builtin


_floor = _rounding(floor, v.floor)
_ceil = _rounding(ceil, v.ceil)
_round = _rounding(lambda x: floor(x + Fraction(1, 2)), v.nearest)
