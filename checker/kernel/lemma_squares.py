"""Lemmas about a head whose scores are a constant minus a square that is zero at the stated rows alone; for any rows."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from math import comb
from typing import Any

from checker.kernel.lemma_rows import Found, choose_case, functions_of, scope, seen_rows, states, symbols
from checker.kernel.proofs import NotProved
from checker.kernel.solver import Tally, prove
from checker.language.diagnostics import NOWHERE
from checker.models.lemma import Lemma
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Fault, Scope, evaluate, number, truth
from checker.semantics.masks import defined
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

MAX_MONOMIALS = 10_000  # in a score as a polynomial


@lru_cache(maxsize=1_000)
def by_squares(lemma: Lemma) -> Found | None:
    """score(i, j) = a number that depends on i alone - s * ((j - t)(j - u))^2, t and u the stated rows, s > 0: all whole, so
    other rows score at least s less. If t is i and no row after i is seen, i - j may stand for (j - t)^2."""
    try:
        defined(lemma.mask, lemma.rows, lemma.functions)
        (i, own), (j, other) = symbols(lemma, "i"), symbols(lemma, "j")
        conditions: list[Any] = []
        here = scope(lemma, i, own, conditions)
        targets = [number(evaluate(e, here), e.span) for e in lemma.reads]
        query, key = choose_case(lemma.query, here), choose_case(lemma.key, scope(lemma, j, other, conditions))
        if conditions or not all(t.is_whole(x) for x in targets):
            return None
        score, *rows = _polynomials(sem.dot(query, key), *targets)
    except (Unsupported, Fault):
        return None
    import sympy

    unknown = sympy.Symbol("j")
    difference = sympy.Poly(sympy.expand(score - score.subs(unknown, rows[0])), unknown)
    if any(f"{f} of j" in map(str, score.free_symbols) for f in other):
        return None
    squares = [(unknown - x) ** 2 for x in rows]
    forms = [sympy.Integer(-1) * sympy.prod(squares)]
    if targets[0] is i and all(max(seen) <= row for row, seen in seen_rows(lemma).items()):
        forms.append((unknown - rows[0]) * sympy.prod(squares[1:]))
    for form in forms:
        polynomial = sympy.Poly(form, unknown)
        s_ = difference.coeff_monomial(unknown ** polynomial.degree()) / polynomial.LC()
        if s_.is_Rational and s_ > 0 and sympy.expand(difference.as_expr() - s_ * form) == 0:
            break
    else:
        return None
    try:
        if not _stated_rows_are_seen(lemma, i, own, targets):
            return None
    except (NotProved, Unsupported, Fault):
        return None
    margin = Fraction(int(s_.p), int(s_.q))
    return margin, ("squares", f"scores are f(i) + {margin} * ({form}), an identity of polynomials")


def _polynomials(*values: Value) -> list[Any]:
    """Values as expanded polynomials. Raises `Unsupported` if they are none, or with too many monomials."""
    import sympy

    done: dict[Term, tuple[Any, int]] = {}  # with its degree
    symbols: set[Any] = set()

    def of(x: Value) -> tuple[Any, int]:
        if not isinstance(x, Term):
            if not isinstance(x, (int, Fraction)):
                raise Unsupported("an irrational number in a polynomial")
            return sympy.Rational(Fraction(x).numerator, Fraction(x).denominator), 0
        if x not in done:
            done[x] = of_term(x)
        return done[x]

    def of_term(x: Term) -> tuple[Any, int]:
        match x.op:
            case "var":
                symbols.add(sympy.Symbol(x.args[0]))
                return sympy.Symbol(x.args[0]), 1
            case "lin":
                constant, parts = t.split(x)
                found = [(of(k)[0], *of(term)) for term, k in parts.items()]
                total = sympy.Add(of(constant)[0], *(k * p for k, p, _ in found))
                return sympy.expand(total), max(degree for _, _, degree in found)
            case "mul":
                (a, m), (b, n) = of(x.args[0]), of(x.args[1])
                if comb(len(symbols) + m + n, len(symbols)) > MAX_MONOMIALS:
                    raise Unsupported("a polynomial with very many monomials")
                return sympy.expand(a * b), m + n
        raise Unsupported(f"{x.op} in a polynomial")

    return [of(x)[0] for x in values]


def _stated_rows_are_seen(lemma: Lemma, me: Term, own: dict[str, Value], targets: list[Value]) -> bool:
    """Do the mask and the rows hold every stated row, whatever a row holds? And are there values for every row?"""
    if any(next(states(lemma, i), None) is None for i in lemma.rows):
        return False
    here = scope(lemma, me, own)
    known: list[Value] = []
    for f in lemma.fields:
        low, high = (number(evaluate(e, here), NOWHERE) for e in (f.low, f.high))
        known += [v.at_most(low, own[f.name]), v.at_most(own[f.name], high)]
    known += [truth(evaluate(e, here), e.span) for e in lemma.assumptions]
    tally = Tally()
    for x in targets:
        prove(v.both(v.at_most(lemma.low, x), v.at_most(x, lemma.high)), known, "there is the row", tally)
        if lemma.mask is not None:
            seen = truth(evaluate(lemma.mask, Scope({"self": me, "other": x}, functions_of(lemma))), lemma.mask.span)
            prove(seen, known, "the mask lets the row be seen", tally)
    return True
