"""Masks: which rows a row may attend to."""

from __future__ import annotations

from functools import lru_cache

from checker.language import syntax as s
from checker.models.circuit import Circuit
from checker.semantics.expressions import Fault, Scope, evaluate, truth
from checker.semantics.terms import Term
from checker.semantics.values import Unsupported

PAIRS = 4_000_000
CAUSAL = s.Binary("<=", s.Name("other"), s.Name("self"))  # a shorter way to its rows


@lru_cache(maxsize=500)
def visible(mask: s.Expr | None, rows: range, functions: tuple[s.FunctionDefinition, ...]) -> dict[int, tuple[int, ...]]:
    """For each row the rows that it may attend to, all of them without a mask.

    Raises `Fault` if there is none for some row, and `Unsupported` for very many rows.
    """
    if mask is None:
        return dict.fromkeys(rows, tuple(rows))
    if len(rows) ** 2 > PAIRS:
        raise Unsupported(f"a mask of {len(rows):,} rows")
    known, found = {f.name: f for f in functions}, {}
    for i in rows:
        if mask == CAUSAL:
            found[i] = tuple(range(rows.start, min(i + 1, rows.stop)))
        else:
            found[i] = tuple(j for j in rows if _holds(mask, Scope({"self": i, "other": j}, known)))
        if not found[i]:
            raise Fault(f"row {i} has no row to attend to", mask.span)
    return found


def _holds(mask: s.Expr, scope: Scope) -> bool:
    value = truth(evaluate(mask, scope), mask.span)
    assert not isinstance(value, Term)  # nothing in it is unknown
    return bool(value)


def defined(mask: s.Expr | None, rows: range, functions: tuple[s.FunctionDefinition, ...]) -> None:
    """A mask has a value for all pairs of rows, and shows each row another or itself. Raises `Fault` and `Unsupported`."""
    if mask not in (None, CAUSAL):
        visible(mask, rows, functions)


def all_defined(c: Circuit) -> None:
    """The same for all layers: those without heads have masks too."""
    for layer in c.layers:
        defined(layer.mask, c.rows, c.functions)


def unmasked(c: Circuit) -> None:
    """Raises `Unsupported` if a layer has a mask: for what is derived from heads that attend to all rows."""
    for layer in c.layers:
        if layer.mask is not None:
            raise Unsupported(f"layer {layer.name} has a mask")
