"""A lemma about one head at fixed parameters: what each row may hold, its query and key, and the rows it attends to."""

from __future__ import annotations

from dataclasses import dataclass, field

from checker.language import syntax as s
from checker.models.hashing import once


@dataclass(frozen=True, slots=True)
class Field:
    """What a row knows: any whole number of low..high (over `self`), independently in each row."""

    name: str
    low: s.Expr
    high: s.Expr


@dataclass(frozen=True, slots=True)
class Lemma:
    """For all values of the fields that satisfy the assumptions in each row, each row attends to exactly the rows `reads`.

    Ranges are over `self`; assumptions, query and key over `self` and the row's own fields; `reads` also over `f[j]`, field f of
    row j. The mask is over `self` and `other`; None lets every row attend to all.
    """

    name: str
    low: int
    high: int
    mask: s.Expr | None
    fields: tuple[Field, ...]
    assumptions: tuple[s.Expr, ...]
    query: tuple[s.Case, ...]
    key: tuple[s.Case, ...]
    reads: tuple[s.Expr, ...]
    functions: tuple[s.FunctionDefinition, ...] = ()

    _hash: list[int] = field(default_factory=list, init=False, compare=False, repr=False)

    def __hash__(self) -> int:
        return once(self)

    @property
    def rows(self) -> range:
        return range(self.low, self.high + 1)
