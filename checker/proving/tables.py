"""What is wrong with a table: rows of a selector (Fact B.2), scores of queries and keys (Prop. B.1), confirmed by replay."""

from __future__ import annotations

from checker.kernel.certificates import Violation
from checker.kernel.judgements import Attends, Selects
from checker.kernel.margins import Confused
from checker.kernel.proofs import NotProved, Outcome, Witness
from checker.kernel.replay.circuit import replay_score, selector_columns
from checker.kernel.replay.enclosures import Exact
from checker.proving.obligations import Prover, obligation
from checker.proving.runs import Disagreement


def of_rows(j: Selects, rows: tuple[int, ...]) -> Witness:
    """A row of a selector and others that together cover it, column by column (Fact B.2)."""
    first, *others = rows
    columns = {i: selector_columns(j.selector, i) for i in rows}
    covered = columns[first] <= set[int]().union(*(columns[i] for i in others))
    if not covered or len(set(rows)) != len(rows) or len(rows) > j.b or not all(1 <= i <= j.rows for i in rows):
        raise Disagreement(f"{j}: replay does not confirm that rows {others} cover row {first}")
    table = [f"row {first} has a 1 in {_columns(columns[first])}"]
    table += [f"  row {i} too in {_columns(columns[first] & columns[i])}" for i in others]
    return Witness(str(Violation(rows)), (), tuple(table))


def _columns(columns: set[int]) -> str:
    found = sorted(columns)
    if not found:
        return "no column"
    more = f", ... ({len(found)} in all)" if len(found) > 20 else ""
    return f"{'column' if len(found) == 1 else 'columns'} {', '.join(map(str, found[:20]))}{more}"


def of_scores(j: Attends, found: Confused) -> Witness:
    """Two rows whose scores stand in the wrong order for a machine, or too near each other (Prop. B.1)."""
    c, i = j.circuit, found.machine
    machines = range(1, c.packets[0].machines + 1)

    def of(chosen: tuple[int, ...] | None) -> list[tuple[Exact, int]]:
        rows = machines if chosen is not None else [row for row in c.rows if row not in machines]
        return [(replay_score(c, i, row, frozenset(chosen or ())), row) for row in rows]

    def named(score: Exact, row: int, chosen: tuple[int, ...] | None) -> str:
        sends = "is no machine" if chosen is None else f"sends to {', '.join(map(str, chosen)) or 'nobody'}"
        return f"row {row}, which {sends}, scores {score} for machine {i}"

    more = max(of(None)) if found.first is None else min(of(found.first))
    less = max(of(found.second))
    right = (found.first is None or i in found.first) and (found.second is None or i not in found.second)
    if not right or (more[0] > less[0] and more[0] - less[0] >= j.least):
        raise Disagreement(f"{j}: replay does not confirm that {found}")
    table = (named(*more, found.first), named(*less, found.second))
    return Witness(f"machine {i} does not tell two rows apart" + (f" by {j.least}" if j.least else ""), (), table)


def settled(j: Selects | Attends, prover: Prover) -> Outcome:
    """The certificates of a table say where it is wrong; replay confirms it."""
    try:
        return Outcome("PROVED", proof=prover.prove(obligation(j, "table")))
    except Violation as failure:
        assert isinstance(j, Selects)
        return Outcome("REFUTED", witness=of_rows(j, failure.rows))
    except Confused as failure:
        assert isinstance(j, Attends)
        return Outcome("REFUTED", witness=of_scores(j, failure))
    except NotProved as reason:
        return Outcome("UNDECIDED", reason=str(reason))
