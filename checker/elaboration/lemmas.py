"""A lemma about one head at numbers."""

from __future__ import annotations

from collections.abc import Mapping

from checker.elaboration.closer import Closer
from checker.elaboration.folding import A_NUMBER, called, deep, static
from checker.elaboration.masks import check_rows
from checker.language import printer
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models.lemma import Field, Lemma

MAX_ROWS = 2_000  # rules look at all pairs
MAX_VALUES = 1_000_000  # of one field in one row


def _field(close: Closer, f: s.FieldDeclaration, rows: range) -> Field:
    """The field with the ends of its range, over `self`, which are whole numbers in each row."""
    low, high = close.expr(f.low), close.expr(f.high)
    for i in rows:
        a, b = (_at_row(close, e, i, given.span) for e, given in ((low, f.low), (high, f.high)))
        if b - a >= MAX_VALUES:
            raise spec_error(
                "TOO_LARGE", f"expected at most {MAX_VALUES} values of {f.name}, found {b - a + 1} in row {i}", f.span
            )
    return Field(f.name, low, high)


def _at_row(close: Closer, e: s.Expr, row: int, span: Span) -> int:
    found = static(folded := close.expr(e, {"self": row}))
    if isinstance(found, bool) or not isinstance(found, int):
        raise spec_error("STATIC", f"expected a whole number in row {row}, found `{printer.expression(folded)}`", span)
    return found


def close_lemma(d: s.LemmaDefinition, arguments: dict[str, int], functions: Mapping[str, s.FunctionDefinition]) -> Lemma:
    """The lemma at these parameters; `SpecError` if there is none."""
    with deep():
        close = Closer("lemma", d, arguments, functions)
        low = close.limited("first row", close.whole(d.low), 0, MAX_ROWS, d.low.span)
        high = close.limited("last row", close.whole(d.high), low, low + MAX_ROWS - 1, d.high.span)
        rows = range(low, high + 1)
        fields = tuple(_field(close, f, rows) for f in d.fields)
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
