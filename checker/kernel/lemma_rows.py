"""What a lemma about one head speaks of: what its rows may hold, what they see, the sizes of its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from checker.kernel.proofs import NotProved
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE
from checker.models.lemma import Lemma
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic, Number
from checker.semantics.expressions import Fault, Scope, Vec, evaluate, number, truth
from checker.semantics.masks import visible
from checker.semantics.precision import ENDLESS, grain
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

MAX_STATES = 2_000_000  # values of all rows together
WIDTH = 1_000_000

State = tuple[int, ...]  # the values of a row's fields, in the order of the lemma
Found = tuple[Fraction, tuple[str, str]]  # margin; rule and detail


class Never(NotProved):
    """No values satisfy the assumptions: the lemma is vacuous."""


class Mistaken(NotProved):
    """The lemma is false at row `row`, if the rows in `states` hold these values: a hint for the falsifier."""

    def __init__(self, reason: str, row: int, states: dict[int, State]) -> None:
        super().__init__(f"row {row}: {reason}")
        self.row, self.states = row, states


def functions_of(lemma: Lemma) -> dict[str, s.FunctionDefinition]:
    return {f.name: f for f in lemma.functions}


def scope(lemma: Lemma, self: Value, own: dict[str, Value], conditions: list[Any] | None = None) -> Scope:
    """What queries, keys, ranges and assumptions of a lemma may refer to."""
    return Scope({"self": self, **own}, functions_of(lemma), builtins=dict(sem.VECTORS), conditions=conditions)


# ---- every row at once, as terms ------------------------------------------------------------------


def symbols(lemma: Lemma, name: str) -> tuple[Term, dict[str, Value]]:
    """An unknown row and what it holds; only ranges are known."""
    me = t.variable(name, lemma.low, lemma.high)
    own: dict[str, Value] = {}
    for f in lemma.fields:
        low, high = (number(evaluate(e, scope(lemma, me, {}, [])), NOWHERE) for e in (f.low, f.high))
        least, most = t.bounds(low)[0], t.bounds(high)[1]
        if least is None or most is None or not (t.is_whole(low) and t.is_whole(high)):
            raise Unsupported(f"field {f.name} without whole bounds")
        own[f.name] = t.variable(f"{f.name} of {name}", int(least), int(most))
    return me, own


@dataclass(frozen=True, slots=True)
class Numbers:
    """The largest absolute value and the fraction bits of all entries of queries or of keys."""

    size: Fraction
    grain: int


@lru_cache(maxsize=1_000)
def numbers_of(lemma: Lemma) -> tuple[Numbers, Numbers]:
    """Of queries and of keys, by the ranges of their parts. Raises `Unsupported`."""
    me, own = symbols(lemma, "i")
    found = []
    for cases in (lemma.query, lemma.key):
        size, fine = Fraction(0), 0
        for x in choose_case(cases, scope(lemma, me, own, [])).entries.values():
            low, high = t.bounds(x)
            if low is None or high is None or isinstance(x, Cyclotomic):
                raise Unsupported("an entry without rational bounds")
            size, fine = max(size, Fraction(high), -Fraction(low)), max(fine, grain_of(x))
        found.append(Numbers(size, fine))
    return found[0], found[1]


def grain_of(x: Value) -> int:
    """A number g such that the value is a multiple of 2^-g, whatever its unknowns are; `ENDLESS` if none is known."""
    if not isinstance(x, Term):
        return grain(x) if isinstance(x, (int, Fraction)) else ENDLESS
    if x.whole:
        return 0
    if x.op == "lin":
        constant, parts = t.split(x)
        return max([grain_of(constant), *(_grain_times(k, grain_of(term)) for term, k in parts.items())])
    if x.op == "mul":
        return sum(grain_of(a) for a in x.args)
    if x.op == "ite":
        return max(grain_of(a) for a in x.args[1:])
    if x.op == "cos" and x.args[1] is not None:
        return int(x.args[1])
    return ENDLESS


def _grain_times(k: Number, fine: int) -> int:
    """Of k times a multiple of 2^-fine: what k has of factors 2, it takes away."""
    if fine >= ENDLESS or not isinstance(k, int):
        return grain_of(k) + fine
    return max(0, fine - ((k & -k).bit_length() - 1))


def choose_case(cases: tuple[s.Case, ...], scope: Scope, width: int = WIDTH) -> Vec:
    """The first case whose condition holds, as a vector; its entries are choices where the conditions are not known."""
    found: list[tuple[Value, Vec]] = []
    for case in cases:
        condition = True if case.condition is None else truth(evaluate(case.condition, scope), case.span)
        if condition is False:
            continue
        value = evaluate(case.value, scope.under(condition))
        vector = value if isinstance(value, Vec) else Vec({1: number(value, case.span)}, 1)
        if vector.rows or vector.noise:
            raise Unsupported("a vector of a whole row")
        if vector.length > width:
            raise Fault(f"a vector of {vector.length} coordinates: the width is {width}", case.span)
        found.append((condition, vector))
        if condition is True:
            break
        scope = scope.under(v.negate(condition))
    result = Vec({}, 0)
    for condition, vector in reversed(found):
        keys = vector.entries.keys() | result.entries.keys()
        entries = {k: v.choose(condition, vector.entries.get(k, 0), result.entries.get(k, 0)) for k in keys}
        result = Vec({k: x for k, x in entries.items() if isinstance(x, Term) or x != 0}, max(vector.length, result.length))
    return result


# ---- row by row -----------------------------------------------------------------------------------


def names_of(lemma: Lemma) -> tuple[str, ...]:
    return tuple(f.name for f in lemma.fields)


def seen_rows(lemma: Lemma) -> dict[int, tuple[int, ...]]:
    return visible(lemma.mask, lemma.rows, lemma.functions)


def all_states(lemma: Lemma) -> dict[int, list[State]]:
    """What each row may hold. Raises `Unsupported` if the ranges have very many values together."""
    total = sum(prod(len(r) for r in _ranges(lemma, i)) for i in lemma.rows)
    if total > MAX_STATES:
        raise Unsupported(f"{total:,} values of rows are more than {MAX_STATES:,}")
    return {i: list(states(lemma, i)) for i in lemma.rows}


def _ranges(lemma: Lemma, i: int) -> list[range]:
    ranges = []
    for f in lemma.fields:
        low, high = (evaluate(e, scope(lemma, i, {})) for e in (f.low, f.high))
        if not (t.is_whole(low) and t.is_whole(high)):
            raise Unsupported(f"field {f.name} without whole bounds")
        ranges.append(range(int(low), int(high) + 1))
    return ranges


def states(lemma: Lemma, i: int) -> Iterator[State]:
    """What row i may hold, in lexicographic order."""
    ranges = _ranges(lemma, i)
    if prod(len(r) for r in ranges) > MAX_STATES:
        raise Unsupported(f"more than {MAX_STATES:,} values of a row")
    if not lemma.assumptions:
        yield from product(*ranges)
        return
    for own in product(*ranges):
        here = scope(lemma, i, dict(zip(names_of(lemma), own, strict=True)))
        if all(truth(evaluate(e, here), e.span) for e in lemma.assumptions):
            yield own
