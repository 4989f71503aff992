"""One head on rows that hold given values: a direct reading of a lemma (Defs. 2.1, 2.2; Lemmas D.1, D.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

from checker.kernel.replay.circuit import seen_rows
from checker.kernel.replay.enclosures import Exact, exact
from checker.kernel.replay.expressions import Fault, Scope, Value, Words, by_name, deep_recursion, integer, truth, vector
from checker.language import syntax as s
from checker.language.diagnostics import Span
from checker.models.lemma import Lemma

Held = Mapping[int, tuple[int, ...]]  # what each row holds in the fields of the lemma, in their order


@dataclass(frozen=True)
class LemmaRow:
    """What row `row` reads, with the scores of all rows that it sees, and what it should read (None: that is undefined)."""

    row: int
    scores: Mapping[int, Exact]
    best: tuple[int, ...]
    stated: tuple[int, ...] | None
    fault: str = ""


def admitted(lemma: Lemma, held: Held) -> bool:
    """Do these values lie in their ranges, and satisfy the assumptions?"""
    for i in lemma.rows:
        scope = _scope(lemma, i, held)
        for f, x in zip(lemma.fields, held[i], strict=True):
            here = Scope(by_name(lemma.functions), {"self": i})
            if not integer(f.low, here) <= x <= integer(f.high, here):
                return False
        if not all(truth(e, scope) for e in lemma.assumptions):
            return False
    return True


@deep_recursion()
def replay_lemma(lemma: Lemma, held: Held, i: int) -> LemmaRow:
    """Row i. Raises `Fault` if a query or key has no value."""
    seen = seen_rows(lemma.mask, lemma.rows, lemma.functions)[i]
    query = _first(lemma.query, _scope(lemma, i, held))
    scores: dict[int, Exact] = {}
    for j in seen:
        key = _first(lemma.key, _scope(lemma, j, held))
        total: Exact = Fraction(0)
        for a, b in zip(query, key, strict=False):
            total = total + exact(a) * exact(b)
        scores[j] = total
    top = max(scores.values())
    best = tuple(j for j in seen if scores[j] == top)
    try:
        scope = _scope(lemma, i, held)
        arrays = {_array(f.name): _of_rows(lemma, n, held) for n, f in enumerate(lemma.fields)}
        stated = tuple(integer(_shifted(e, lemma), scope.bind(arrays)) for e in lemma.reads)
    except Fault as fault:
        return LemmaRow(i, scores, best, None, str(fault))
    return LemmaRow(i, scores, best, tuple(sorted(set(stated))))


def wrong(lemma: Lemma, held: Held, i: int, margin: Fraction) -> LemmaRow | None:
    """The row, if it reads something else than it should, or not by the margin."""
    row = replay_lemma(lemma, held, i)
    if row.stated is None or row.best != row.stated:
        return row
    others = [x for j, x in row.scores.items() if j not in row.stated]
    return row if others and row.scores[row.stated[0]] - max(others) < margin else None


def _scope(lemma: Lemma, i: int, held: Held) -> Scope:
    own: dict[str, Value] = {f.name: x for f, x in zip(lemma.fields, held[i], strict=True)}
    return Scope(by_name(lemma.functions), {"self": i, **own})


def _first(cases: tuple[s.Case, ...], scope: Scope) -> tuple[Any, ...]:
    for case in cases:
        if case.condition is None or truth(case.condition, scope):
            return tuple(vector(case.value, scope))
    return ()


# ---- `f[j]`, field f of row j, beside `f`, the row's own -----------------------------------------


def _array(name: str) -> str:
    return f"{name}[]"  # no name of the language


def _of_rows(lemma: Lemma, n: int, held: Held) -> Words:
    """An array counts from 1, rows may count from 0."""
    return Words(lemma.fields[n].name, len(lemma.rows), {j - lemma.low + 1: held[j][n] for j in lemma.rows})


def _shifted(node: Any, lemma: Lemma) -> Any:
    names = {f.name for f in lemma.fields}
    if isinstance(node, s.Index) and node.array in names:
        index = s.Binary("+", _shifted(node.index, lemma), s.Number(1 - lemma.low))
        return s.Index(_array(node.array), index, span=node.span)
    if isinstance(node, tuple):
        return tuple(_shifted(x, lemma) for x in node)
    if is_dataclass(node) and not isinstance(node, (type, Span)):
        return replace(node, **{f.name: _shifted(getattr(node, f.name), lemma) for f in fields(node) if f.name != "span"})
    return node
