"""Selector matrices (Fact B.2): few columns such that each of b rows has a 1 where the others have 0."""

from __future__ import annotations

from checker.language.diagnostics import spec_error
from checker.models.circuit import Selector

CHOICES = ("best", "identity", "kautz_singleton")


def columns(selector: Selector) -> int:
    """d, the number of columns, which is the number of packets (Lemma 3.2)."""
    match selector.name, selector.arguments:
        case "identity", (d,):
            return d
        case "kautz_singleton", (r, _, points):
            return r * points
        case "table", ():
            return len(selector.rows[0]) if selector.rows else 0
    raise ValueError(f"no selector {selector.name} with {len(selector.arguments)} arguments")


def identity(rows: int) -> Selector:
    """One column a row: a selector for every b."""
    return Selector("identity", (rows,))


def kautz_singleton(rows: int, b: int) -> Selector:
    """The fewest columns r * L over all k, with r prime, r^k >= rows and L = (b - 1)(k - 1) + 1 <= r points (Fact B.2).

    Two polynomials with k coefficients agree on at most k - 1 points, so b - 1 others cover less than L points of a row.
    """
    b = max(1, min(b, rows))
    found: list[Selector] = []
    k = 1
    while True:
        points = (b - 1) * (k - 1) + 1
        found.append(Selector("kautz_singleton", (_prime_from(max(2, points, _root(rows, k))), k, points)))
        if 2**k >= rows:  # more coefficients do not make r any smaller
            return min(found, key=columns)
        k += 1


def best(rows: int, b: int) -> Selector:
    """The one of both with fewer columns."""
    return min(identity(rows), kautz_singleton(rows, b), key=columns)


def choose(choice: str, rows: int, b: int) -> Selector:
    """A selector by the name of the option `selector`. Raises `SpecError` (OPTION)."""
    match choice:
        case "best":
            return best(rows, b)
        case "identity":
            return identity(rows)
        case "kautz_singleton":
            return kautz_singleton(rows, b)
    raise spec_error("OPTION", f"expected a selector of {', '.join(CHOICES)}, found {choice}")


def _root(n: int, k: int) -> int:
    """The least r >= 1 with r^k >= n."""
    low, high = 1, 1 << (n.bit_length() // k + 1)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if middle**k >= n else (middle + 1, high)
    return low


def _prime_from(n: int) -> int:
    """The least prime >= n."""
    while n < 2 or any(n % a == 0 for a in range(2, int(n**0.5) + 1)):
        n += 1
    return n
