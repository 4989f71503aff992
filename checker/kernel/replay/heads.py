"""What the heads of a layer add to the stream, on each rung (Defs. 2.1, 2.2, A.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import ceil, floor
from typing import NamedTuple

from checker.kernel.replay.adversaries import Adversary, Place
from checker.kernel.replay.angles import Real
from checker.kernel.replay.enclosures import Enclosure, Exact, Number, Undecided, bounds, enclosure, exact, rational
from checker.kernel.replay.softmax import REAL, Group, Output, bits_for, groups, weight_bounds
from checker.models.circuit import Circuit

Row = dict[int, Number]  # coordinate (from 1) -> value, if that is not known to be 0
Rows = dict[int, Row]


class Vectors(NamedTuple):
    """Query, key and value of a row; `multiple` is a number k such that the value is k times the row, or 0."""

    query: Row
    key: Row
    value: Row
    multiple: int = 0


Head = dict[int, Vectors]
Seen = Mapping[int, tuple[int, ...]]  # for each row those that it may attend to


@dataclass(frozen=True)
class Look:
    """How one row looks at the others through a head: the scores of the rows that it may attend to."""

    scores: Mapping[int, Number]
    scale: int | None
    bits: int

    @cached_property
    def best(self) -> tuple[int, ...]:
        """The rows with the largest score, which hardmax attends to. Raises `Undecided` if bounds of the scores do not tell."""
        known = {j: x for j, x in self.scores.items() if not isinstance(x, Enclosure)}
        if len(known) == len(self.scores):
            top = max(known.values())
            return tuple(j for j, x in known.items() if x == top)
        ends = {j: bounds(x) for j, x in self.scores.items()}
        least = max(low for low, _ in ends.values())
        possible = tuple(j for j, (_, high) in ends.items() if high >= least)
        if len(possible) > 1:
            raise Undecided(f"which of the rows {', '.join(map(str, possible))} has the largest score")
        return possible

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """On the rungs with a scale, with scores that are known exactly and rational: the rows by descending score."""
        assert self.scale is not None
        return groups({j: rational(x) for j, x in self.scores.items()}, self.scale, self.bits)

    @cached_property
    def weights(self) -> Mapping[int, tuple[Fraction, Fraction]]:
        """Bounds of the weights; they are equal to them for hardmax, and rows that are left out have none."""
        if self.scale is None:
            return {j: (Fraction(1, len(self.best)),) * 2 for j in self.best}
        return weight_bounds(self.scores, self.scale, self.bits)


Looks = dict[int, Look]


@dataclass(frozen=True)
class Shift:
    """At softmax no value is picked, but a row may differ by some noise: once up, once down, or not at all."""

    low: int = -1
    high: int = 1
    nearest: int = 0


class Heads:
    """X^l from X^(l-1). On the rung rounded the adversary picks the outputs; with none, bounds hold for all valid ones.

    `looks[l][h]` is how the rows looked at each other through head h of layer l (from 0), for the layers so far.
    """

    def __init__(self, c: Circuit, adversary: Adversary | None, validity: frozenset[int], noise: Fraction = Fraction(0)) -> None:
        """`validity`: the last coordinates of the packets; `noise` may be added to every coordinate beside what the heads do."""
        self.c, self.adversary, self.validity, self.noise = c, adversary, validity, noise
        self.unit = Fraction(0) if c.fraction is None else Fraction(1, 1 << c.fraction)
        rounded = c.fraction is not None and c.integer is not None
        self.looks: list[list[Looks]] = []
        self.bits = bits_for(c.fraction, c.integer, len(c.rows)) if rounded else REAL  # type: ignore[arg-type]

    def apply(self, x: Rows, layer: int, heads: list[Head], seen: Seen) -> Rows:
        """X plus the outputs of the heads, in which each row sees the rows `seen`. `layer` counts from 1."""
        c = self.c
        looks = [{i: Look(_scores(row.query, head, seen[i]), c.scale, self.bits) for i, row in head.items()} for head in heads]
        self.looks.append(looks)
        both = list(zip(heads, looks, strict=True))
        if c.rung == "exact":
            return _added(x, [_hardmax(head, look) for head, look in both])
        if c.rung == "rounded" and self.adversary is not None:
            return _added(x, [self._picked(self.adversary, layer, h, *one) for h, one in enumerate(both, 1)])
        return {i: self._enclosed(i, x, layer, both) for i in x}

    # ---- rounded --------------------------------------------------------------------------------

    def _picked(self, adversary: Adversary, layer: int, h: int, head: Head, looks: Looks) -> Rows:
        c = self.c
        assert c.scale is not None and c.fraction is not None and c.integer is not None
        values = {j: {k: _whole(v / self.unit) for k, v in row.value.items()} for j, row in head.items()}
        slack, limit = 1 + self.noise / self.unit, 1 << (c.fraction + c.integer)
        result: Rows = {}
        for i in head:
            found = looks[i].groups
            result[i] = {}
            known: dict[tuple[int, ...], Output] = {}
            for k in range(1, c.width + 1):
                sums = tuple([sum([values[j].get(k, 0) for j in g.rows]) for g in found])
                if sums not in known:
                    known[sums] = Output(found, sums, self.bits, slack, limit)
                choice = known[sums]
                n = adversary.pick(Place(layer, h, i, k, k in self.validity), choice)
                if not choice.low <= n <= choice.high:
                    raise ValueError(f"{adversary.name}: {n} is none of {choice.low}..{choice.high}")
                if n != 0:
                    result[i][k] = n * self.unit
        return result

    # ---- bounds ---------------------------------------------------------------------------------

    def _enclosed(self, i: int, x: Rows, layer: int, heads: list[tuple[Head, Looks]]) -> Row:
        """Row i. What heads add of this very row is taken together with it first: a head that clears it leaves little."""
        assert self.c.scale is not None
        keep_low, keep_high = Fraction(1), Fraction(1)
        low: dict[int, Fraction] = {}
        high: dict[int, Fraction] = {}
        for head, looks in heads:
            alike: dict[Number | tuple[int], list[int]] = {}  # weights are certainly equal where scores are known and equal
            scores, weights = looks[i].scores, looks[i].weights
            for j, weight in weights.items():
                if j == i and head[j].multiple:
                    own = [head[j].multiple * w for w in weight]
                    keep_low, keep_high = keep_low + min(own), keep_high + max(own)
                else:
                    score = scores[j]
                    alike.setdefault((j,) if isinstance(score, Enclosure) else score, []).append(j)
            for rows in alike.values():
                least, most = weights[rows[0]]
                for k in {k for j in rows for k in head[j].value}:
                    ends = [bounds(head[j].value[k]) for j in rows if k in head[j].value]
                    below, above = sum([b for b, _ in ends], Fraction(0)), sum([a for _, a in ends], Fraction(0))
                    low[k] = low.get(k, Fraction(0)) + min(below * least, below * most)
                    high[k] = high.get(k, Fraction(0)) + max(above * least, above * most)
        result: Row = {}
        slack = len(heads) * self.unit
        for k in range(1, self.c.width + 1):
            below, above = low.get(k, Fraction(0)) - slack, high.get(k, Fraction(0)) + slack
            if k in x[i]:
                kept = [v * w for v in bounds(x[i][k]) for w in (keep_low, keep_high)]
                below, above = below + min(kept), above + max(kept)
            below, above = self._noisy(Place(layer, 1, i, k, k in self.validity), below, above)
            result[k] = self._between(below, above)
        return {k: v for k, v in result.items() if isinstance(v, Enclosure) or v != 0}

    def _noisy(self, place: Place, low: Fraction, high: Fraction) -> tuple[Fraction, Fraction]:
        if self.noise == 0:
            return low, high
        if self.adversary is None:
            return low - self.noise, high + self.noise
        shift = self.adversary.pick(place, Shift()) * self.noise
        return low + shift, high + shift

    def _between(self, low: Fraction, high: Fraction) -> Number:
        """Multiples of 2^-f, or real numbers; the bounds of these get no longer than `bits` after the point."""
        if self.unit or low == high:
            return enclosure(low, high, self.unit)
        one = 1 << self.bits
        return enclosure(Fraction(floor(low * one), one), Fraction(ceil(high * one), one))


def _whole(x: Number) -> int:
    """An exact number that has been found to be an integer."""
    value = rational(x)
    assert value.denominator == 1
    return value.numerator


def _scores(query: Row, head: Head, seen: tuple[int, ...]) -> dict[int, Number]:
    """<query, key_j> for every row j that is seen."""
    if any(isinstance(q, Real) for q in query.values()):
        asked = tuple(query.items())
        return {j: _score(asked, tuple(head[j].key.items())) for j in seen}
    return {j: _product(query, head[j].key) for j in seen}


def _product(query: Row, key: Row) -> Number:
    total: Number = Fraction(0)
    for k, q in query.items():
        if k in key:
            total = total + q * key[k]
    return total


@lru_cache(maxsize=200_000)
def _score(query: tuple[tuple[int, Number], ...], key: tuple[tuple[int, Number], ...]) -> Number:
    """<query, key>, remembered: irrational numbers take a while."""
    return _product(dict(query), dict(key))


def _hardmax(head: Head, looks: Looks) -> Rows:
    """Row i averages the values of the rows whose score <query_i, key_j> is the largest of those that it sees (Def. 2.1)."""
    result: Rows = {}
    for i, look in looks.items():
        values = [head[j].value for j in look.best]
        share = Fraction(1, len(values))
        coordinates = {k for value in values for k in value}
        result[i] = {k: _total([exact(value.get(k, 0)) for value in values]) * share for k in coordinates}
    return result


def _total(numbers: list[Exact]) -> Exact:
    total: Exact = Fraction(0)
    for x in numbers:
        total = total + x
    return total


def _added(x: Rows, outputs: list[Rows]) -> Rows:
    """X plus exact outputs."""
    result: Rows = {}
    for i, row in x.items():
        total = dict(row)
        for output in outputs:
            for k, v in output[i].items():
                total[k] = total.get(k, 0) + v
        result[i] = {k: v for k, v in total.items() if v != 0}
    return result
