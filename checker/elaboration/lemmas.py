"""A lemma about one head at numbers."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from checker.elaboration.closer import Closer
from checker.elaboration.folding import A_NUMBER, called, deep, static
from checker.elaboration.masks import check_rows
from checker.language import syntax as s
from checker.language.diagnostics import spec_error
from checker.models.lemma import Field, Lemma

MAX_ROWS = 100_000


def _bound(close: Closer, e: s.Expr) -> s.Expr:
    """An end of a field's range, over `self`."""
    folded = close.expr(e)
    known = static(folded)
    if isinstance(known, bool | Fraction):
        raise spec_error("STATIC", f"expected a whole number, found {known}", e.span)
    return folded


def close_lemma(d: s.LemmaDefinition, arguments: dict[str, int], functions: Mapping[str, s.FunctionDefinition]) -> Lemma:
    """The lemma at these parameters; `SpecError` if there is none."""
    with deep():
        close = Closer("lemma", d, arguments, functions)
        low = close.limited("first row", close.whole(d.low), 0, MAX_ROWS, d.low.span)
        high = close.limited("last row", close.whole(d.high), low, low + MAX_ROWS, d.high.span)
        rows = range(low, high + 1)
        fields = tuple(Field(f.name, _bound(close, f.low), _bound(close, f.high)) for f in d.fields)
        own: dict[str, s.Expr] = {f.name: A_NUMBER for f in d.fields}
        mask = None if d.mask is None else close.mask(d.mask, {}, rows)
        if mask is not None and d.mask is not None:
            check_rows(mask, rows, f"lemma {d.name}", functions, d.mask.span)
        assumptions = close.conditions(d.assumptions, held=own)
        query = close.cases(d.query, lambda e: close.expr(e, held=own))
        key = close.cases(d.key, lambda e: close.expr(e, held=own))
        reads = tuple(close.expr(e, held=own) for e in d.reads)
        ends = tuple((f.low, f.high) for f in fields)
        used = called(functions, ends, assumptions, query, key, reads, () if mask is None else mask)
        return Lemma(d.name, low, high, mask, fields, assumptions, query, key, reads, used)
