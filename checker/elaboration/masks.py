"""Masks: which rows a row may attend to, as a closed truth value over `self`, the row that attends, and `other`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from checker.elaboration.folding import A_NUMBER, TRUE, Folder, static
from checker.elaboration.inlining import Inliner
from checker.language import printer
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error

ROW, OTHER = s.Name("self"), s.Name("other")
NAMED = ("none", "causal", "strict")
WINDOW = s.FunctionDefinition(
    "window",
    ("w", "g"),
    s.Binary(
        "or",
        s.Member(s.Binary("-", ROW, OTHER), s.Unary("-", s.Name("w")), s.Name("w")),
        s.Binary("==", s.Binary("mod", OTHER, s.Name("g")), s.Number(0)),
    ),
)
OPEN: Mapping[str, s.Expr] = {"self": ROW, "other": A_NUMBER, **{name: s.Name(name) for name in NAMED}}
MAX_PAIRS = 500_000  # pairs of rows that are looked at


def expanded(mask: s.Expr, rows: range, functions: Mapping[str, s.FunctionDefinition]) -> s.Expr | None:
    """A folded mask with the named ones written out; None if it always holds, so that there is no mask."""
    first = s.Number(rows.start)
    alone = s.Binary("and", s.Binary("==", ROW, first), s.Binary("==", OTHER, first))
    named = {
        "none": TRUE,
        "causal": s.Binary("<=", OTHER, ROW),
        "strict": s.Binary("or", s.Binary("<", OTHER, ROW), alone),
    }
    written_out = Inliner().expr(mask, named, {"window": WINDOW})
    folded = Folder(functions).expr(written_out, {"self": ROW, "other": A_NUMBER})
    return None if static(folded) is True else replace(folded, span=mask.span)


def check_rows(mask: s.Expr, rows: range, where: str, functions: Mapping[str, s.FunctionDefinition], span: Span) -> None:
    """Raises `SpecError` if a row may attend to no row at all, or if that takes too long to see."""
    folder = Folder(functions)
    pairs = 0
    for i in rows:
        for j in _likely_first(i, rows):
            pairs += 1
            if pairs > MAX_PAIRS:
                raise spec_error(
                    "TOO_LARGE", f"expected that {MAX_PAIRS} pairs of rows show a row for each to attend to, found more", span
                )
            known = static(folded := folder.expr(mask, {"self": s.Number(i), "other": s.Number(j)}))
            if not isinstance(known, bool):
                raise spec_error(
                    "MASK", f"expected true or false for row {i} and row {j}, found `{printer.expression(folded)}`", span
                )
            if known:
                break
        else:
            raise spec_error("MASK", f"expected a row that row {i} of {where} may attend to, found none", span)


def _likely_first(i: int, rows: range) -> Iterator[int]:
    """All rows: the row itself and the first row before the others."""
    yield i
    if i != rows.start:
        yield rows.start
    yield from (j for j in rows[1:] if j != i)
