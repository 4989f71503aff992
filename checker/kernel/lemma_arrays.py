"""The scores of a lemma about a head in arrays: how much the stated rows win by, for all rows and all that they may hold.

What arrays cannot settle (a gap no larger than what scores may be off by, a stated row that is not seen) is left to whoever
compares exact numbers one by one. A *slot* is what a row may hold as far as scores and the statement depend on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from checker.kernel.lemma_rows import State, names_of, scope
from checker.models.lemma import Lemma
from checker.semantics import terms as t
from checker.semantics.expressions import Fault, evaluate
from checker.semantics.intervals import Places
from checker.semantics.scores import BLOCK, LIMIT, Table
from checker.semantics.values import Unsupported

MAX_SCORES = 600_000_000  # pairs of a place and a slot that are looked at
NONE = 2**62 - 1  # in the place of a score that is not there: more than any gap; -NONE where the largest is looked for


@dataclass(frozen=True)
class Rows:
    """All rows with all that they may hold, in one order: places 0, 1, ... Queries and keys are those of a `Table`."""

    lemma: Lemma
    held: dict[int, list[State]]
    seen: dict[int, tuple[int, ...]]
    table: Table
    query: Sequence[int]  # of each place: the number of its query
    key: Sequence[int]
    matters: tuple[int, ...]  # the fields of other rows on which the statement depends

    @cached_property
    def count(self) -> int:
        return len(self.query)

    @cached_property
    def states(self) -> list[tuple[int, State]]:
        return [(i, own) for i, of in self.held.items() for own in of]

    @cached_property
    def row(self) -> Any:
        """The row of each place, counted from the lowest."""
        import numpy as np

        return np.repeat(np.arange(len(self.held)), [len(of) for of in self.held.values()])

    @cached_property
    def fields(self) -> Any:
        """What each place holds, a column for each field."""
        import numpy as np

        if any(abs(x) >= LIMIT for _, own in self.states for x in own):
            raise Unsupported("fields too large for arrays")
        return np.array([own for _, own in self.states], dtype=np.int64).reshape(self.count, len(self.lemma.fields))

    @cached_property
    def slots(self) -> tuple[Any, Any]:
        """The first place of each slot, slots in the order of their rows, and the slot of each place."""
        import numpy as np

        columns = [self.row, np.asarray(self.key), *(self.fields[:, n] for n in self.matters)]
        _, first, slot = np.unique(np.stack(columns, axis=1), axis=0, return_index=True, return_inverse=True)
        return first, slot.reshape(-1)

    @cached_property
    def slot_row(self) -> Any:
        return self.row[self.slots[0]]

    @cached_property
    def starts(self) -> Any:
        """The first slot of each row."""
        import numpy as np

        return np.searchsorted(self.slot_row, np.arange(len(self.held)))

    @cached_property
    def sight(self) -> Any:
        """Which rows each row sees."""
        import numpy as np

        found = np.zeros((len(self.held), len(self.held)), dtype=bool)
        for i, seen in self.seen.items():
            found[i - self.lemma.low, [j - self.lemma.low for j in seen]] = True
        return found

    def scores(self, places: Any) -> Any:
        """The scores of some places with all slots."""
        import numpy as np

        query, key = np.asarray(self.query)[places], np.asarray(self.key)[self.slots[0]]
        return self.table.scores(query)[:, key]

    def own_scores(self) -> Any:
        """How each place scores itself."""
        import numpy as np

        step = max(1, BLOCK // max(1, self.table.queries.shape[1]))
        query, key, found = np.asarray(self.query), np.asarray(self.key), np.empty(self.count, dtype=np.int64)
        for k in range(0, self.count, step):
            part = slice(k, k + step)
            found[part] = (self.table.queries[query[part]] * self.table.keys[key[part]]).sum(axis=1)
        return found

    def blocks(self, places: Any) -> Iterator[Any]:
        step = max(1, BLOCK // len(self.slot_row))
        for start in range(0, len(places), step):
            yield places[start : start + step]

    def own_only(self, places: Any) -> Any:
        """Which slots there are for each of these places: of its own row the one that it holds."""
        here = self.slot_row[None, :] != self.row[places][:, None]
        here[range(len(places)), self.slots[1][places]] = True
        return here


@dataclass(frozen=True, slots=True)
class Gaps:
    """The least gap in whole numbers (None: nothing else can be read), and the places that arrays do not settle."""

    least: int | None
    open: list[int]


def fixed(rows: Rows) -> Gaps | None:
    """The stated rows depend on the row itself alone. None where they are no whole numbers in arrays."""
    import numpy as np

    targets = _targets(rows)
    if targets is None:
        return None
    inside = ((targets >= 0) & (targets < len(rows.held))).all(axis=1)
    targets = np.where(inside[:, None], targets, 0)
    seen = inside & rows.sight[rows.row[:, None], targets].all(axis=1)
    gap = np.zeros(rows.count, dtype=np.int64)
    _against_all(rows, targets, np.flatnonzero(seen), gap)
    close = np.flatnonzero(seen & (gap <= 2 * rows.table.off))
    _limited(len(close), len(rows.slot_row))
    for places in rows.blocks(close):
        here = rows.own_only(places)
        gap[places] = _margin(rows, targets[places], rows.scores(places), here, rows.sight[rows.row[places]])
    return _gaps(rows, gap)


def _against_all(rows: Rows, targets: Any, places: Any, gap: Any) -> None:
    """What the stated rows of these places win by against all other rows, seen or not, with all that they may hold."""
    import numpy as np

    query = np.asarray(rows.query)
    _limited(len(rows.table.queries), len(rows.slot_row))
    places = places[np.argsort(query[places], kind="stable")]
    different = np.unique(query[places])
    step = max(1, BLOCK // len(rows.slot_row))
    own = rows.own_scores()
    for block in (different[k : k + step] for k in range(0, len(different), step)):
        scores = rows.table.scores(block)[:, np.asarray(rows.key)[rows.slots[0]]]
        best = np.maximum.reduceat(scores, rows.starts, axis=1)
        worst = np.minimum.reduceat(scores, rows.starts, axis=1)
        some = places[np.searchsorted(query[places], block[0]) : np.searchsorted(query[places], block[-1], side="right")]
        of, me = np.searchsorted(block, query[some]), rows.row[some]
        low, high = (  # of the stated rows, with all that others may hold
            over.reduce([np.where(x == me, own[some], extreme[of, x]) for x in targets[some].T])
            for over, extreme in ((np.minimum, worst), (np.maximum, best))
        )
        rival = np.full(len(some), -NONE)
        for _ in range(targets.shape[1] + 1):  # the best rows, of which as many as there are targets may be stated
            leader = best.argmax(axis=1)
            other = (targets[some] != leader[of][:, None]).all(axis=1)
            rival = np.where(other, np.maximum(rival, best[range(len(block)), leader][of]), rival)
            best[range(len(block)), leader] = -NONE
        gap[some] = _won(rows, targets[some], low, high, rival)


def _margin(rows: Rows, targets: Any, scores: Any, here: Any, sight: Any) -> Any:
    """What the stated rows win by against the other rows that are seen; `here`: the slots that there are."""
    import numpy as np

    of = range(len(targets))
    best = np.maximum.reduceat(np.where(here, scores, -NONE), rows.starts, axis=1)
    worst = np.minimum.reduceat(np.where(here, scores, NONE), rows.starts, axis=1)
    low, high = np.minimum.reduce([worst[of, x] for x in targets.T]), np.maximum.reduce([best[of, x] for x in targets.T])
    others = np.where(sight, best, -NONE)
    for x in targets.T:
        others[of, x] = -NONE
    return _won(rows, targets, low, high, others.max(axis=1))


def _won(rows: Rows, targets: Any, low: Any, high: Any, rival: Any) -> Any:
    """low - rival; 0 where several stated rows are not sure to tie."""
    import numpy as np

    found = np.where(rival > -NONE, low - np.maximum(rival, -LIMIT), NONE)
    several = (targets != targets[:, :1]).any(axis=1)
    return np.where(several & ((low != high) | (rows.table.off > 0)), 0, found)


def _limited(places: int, slots: int) -> None:
    if places * slots > MAX_SCORES:
        raise Unsupported(f"more than {MAX_SCORES:,} scores")


def _targets(rows: Rows) -> Any | None:
    """The stated rows of each place, counted from the lowest: a column each."""
    import numpy as np

    lemma = rows.lemma
    me = t.variable("self", lemma.low, lemma.high)
    own = {
        name: t.variable(name, int(rows.fields[:, n].min()), int(rows.fields[:, n].max()))
        for n, name in enumerate(names_of(lemma))
    }
    known = {me: rows.row + lemma.low} | {x: rows.fields[:, n] for n, x in enumerate(own.values())}
    at = Places(rows.count, {x: column for x, column in known.items() if isinstance(x, t.Term)})
    try:
        conditions: list[Any] = []
        here = scope(lemma, me, dict(own), conditions)
        values = [evaluate(e, here) for e in lemma.reads]
        if not all(at.of(c.term).low.all() for c in conditions):
            return None
        return np.stack([at.exactly(x, "a stated row") - lemma.low for x in values], axis=1)
    except (Unsupported, Fault):
        return None


def searched(
    rows: Rows, last: bool, ranges: Sequence[tuple[int, int]], groups: Sequence[int], fits: Callable[[int, int], bool]
) -> Gaps:
    """The stated row is the last (or the first) of a range at which a condition holds.

    `ranges` and `groups` are of each place; `fits(group, place)` says whether the condition of a group holds at the row of a
    place, as that holds."""
    import numpy as np

    lemma, size = rows.lemma, len(rows.held)
    first = rows.slots[0]
    _limited(rows.count, len(first))
    ends = [(a - lemma.low, b - lemma.low) if a <= b else (0, -1) for a, b in ranges]
    low, high = (np.array([max(-1, min(x[n], size)) for x in ends], dtype=np.int64) for n in (0, 1))
    inside = (low >= 0) & (high < size) | (low > high)
    group = np.asarray(groups)
    gap = np.zeros(rows.count, dtype=np.int64)
    order = np.arange(size)[::-1] if last else np.arange(size)
    for number in np.unique(group):
        of_group = np.flatnonzero((group == number) & inside)
        if not len(of_group):
            continue
        fitting = np.zeros(len(first), dtype=bool)
        for slot in np.flatnonzero(_covered(low[of_group], high[of_group], size)[rows.slot_row]):
            fitting[slot] = fits(int(number), int(first[slot]))
        for places in rows.blocks(of_group):
            in_range = (rows.slot_row >= low[places][:, None]) & (rows.slot_row <= high[places][:, None])
            fit = fitting & in_range & rows.own_only(places)
            visible = rows.sight[rows.row[places]][:, rows.slot_row]
            hidden = (fit & ~visible).any(axis=1)
            here = visible & rows.own_only(places)
            found, certain = _in_order(rows, rows.scores(places), fit & here, ~fit & here, order)
            gap[places] = np.where(certain & ~hidden, found, 0)
    return _gaps(rows, gap)


def _covered(low: Any, high: Any, size: int) -> Any:
    """The rows that lie in one of some ranges."""
    import numpy as np

    some = low <= high
    steps = np.zeros(size + 1, dtype=np.int64)
    np.add.at(steps, low[some], 1)
    np.add.at(steps, high[some] + 1, -1)
    return np.cumsum(steps)[:-1] > 0


def _in_order(rows: Rows, scores: Any, fit: Any, rest: Any, order: Any) -> tuple[Any, Any]:
    """The least gap between a row that may be the stated one and all others, and whether there always is one.

    Rows are gone through in `order`. The stated one is the first that fits. So a row may be it unless a row before always fits;
    then it must win against what does not fit before it, and against all that comes behind."""
    import numpy as np

    def least(where: Any) -> Any:
        return np.minimum.reduceat(np.where(where, scores, NONE), rows.starts, axis=1)[:, order]

    def most(where: Any) -> Any:
        return np.maximum.reduceat(np.where(where, scores, -NONE), rows.starts, axis=1)[:, order]

    bad = most(rest)
    every = np.maximum(most(fit), bad)
    always = (every > -NONE) & (bad == -NONE)
    before = _before(np.logical_or.accumulate(always, axis=1), False)
    good = np.where(before, NONE, least(fit))
    lowest = _before(np.minimum.accumulate(good, axis=1), NONE)
    highest = _before(np.maximum.accumulate(bad, axis=1), -NONE)
    behind = np.where((lowest < NONE) & (every > -NONE), lowest - every, NONE)
    against = np.where((good < NONE) & (highest > -NONE), good - highest, NONE)
    return np.minimum(behind, against).min(axis=1), always.any(axis=1)


def _before(accumulated: Any, first: Any) -> Any:
    """What holds before each step."""
    import numpy as np

    return np.concatenate([np.full((len(accumulated), 1), first), accumulated[:, :-1]], axis=1)


def _gaps(rows: Rows, gap: Any) -> Gaps:
    """Those that are larger than two scores may be off together."""
    import numpy as np

    settled = gap > 2 * rows.table.off
    real = gap[settled & (gap < NONE)]
    return Gaps(int(real.min()) if len(real) else None, np.flatnonzero(~settled).tolist())
