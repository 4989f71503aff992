"""Lemma A.2 as the rules use it: statements about all real numbers, proved like any other claim (`proofs/lemma_A_2.lks`).

A row gives the largest scores the weights u, between 1 and rho, U together; M is the average of their values by these
weights, A their plain average. All other rows have the weight R, at most `lost` for each unit of U, and the weighted values S.
All values lie in lo..hi. Then what softmax puts out is within (hi - lo) * (lost / (1 + lost) + (rho - 1) / 2) of A.
"""

from __future__ import annotations

from functools import cache

from checker.kernel.judgements import ForReals
from checker.language.parser import parse_expression
from checker.models.circuit import Circuit

ELSEWHERE = (
    "max(M - (U * M + S) / (U + R), (U * M + S) / (U + R) - M) <= (hi - lo) * lost / (1 + lost)",
    ("U", "M", "R", "S", "lo", "hi", "lost"),
    "U > 0 and 0 <= R and R <= lost * U and lo <= M and M <= hi and lo * R <= S and S <= hi * R",
)
WEIGHT = (  # of one of k: V is the weight of the other k - 1
    "max(u / (u + V) - 1 / k, 1 / k - u / (u + V)) <= (rho - 1) / k",
    ("u", "V", "k", "rho"),
    "k >= 1 and 1 <= u and u <= rho and k - 1 <= V and V <= (k - 1) * rho",
)
PARTS = (  # D sums (part - 1 / k) * (value - (lo + hi) / 2) over j of the k: one more, and so all
    "max(D + d * v, -(D + d * v)) <= (j + 1) * (hi - lo) * (rho - 1) / (2 * k)",
    ("D", "d", "v", "j", "k", "rho", "lo", "hi"),
    "k >= 1 and max(D, -D) <= j * (hi - lo) * (rho - 1) / (2 * k) and max(d, -d) <= (rho - 1) / k"
    " and max(v, -v) <= (hi - lo) / 2",
)


@cache
def statements() -> tuple[ForReals, ...]:
    """What Lemma A.2 comes down to."""
    return tuple(
        ForReals(parse_expression(claim), variables, parse_expression(assumption))
        for claim, variables, assumption in (ELSEWHERE, WEIGHT, PARTS)
    )


def lemma_for(c: Circuit) -> tuple[ForReals, ...]:
    """The statements that a rule about heads of this circuit needs: none for hardmax."""
    return () if c.scale is None else statements()
