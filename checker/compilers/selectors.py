"""Selector matrices (Fact B.2): few columns such that each of b rows has a 1 where the others have 0."""

from __future__ import annotations

from fractions import Fraction
from heapq import nlargest
from math import ceil

from checker.language.diagnostics import spec_error
from checker.models.circuit import Selector
from checker.semantics.packets import selector_row

CHOICES = ("best", "identity", "kautz_singleton", "paper")
SEEDS = 16
ENTRIES = 1_000_000  # of random matrices that are looked at


def columns(selector: Selector) -> int:
    """d, the number of columns, which is the number of packets (Lemma 3.2)."""
    match selector.name, selector.arguments:
        case ("identity", (d,)) | ("random", (d, _, _)):
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


def paper(rows: int, b: int) -> Selector:
    """Fact B.2 as printed: ceil(12 b^2 ln n) columns for n rows (at least one), entries 1 with probability 1/(b + 1).

    The first seed whose matrix is seen to select; if none of those that are tried is, the one that is nearest to it.
    """
    b, d = max(1, min(b, rows)), paper_columns(rows, b)
    tried = [Selector("random", (d, b, seed)) for seed in range(1, max(1, min(SEEDS, ENTRIES // (rows * d))) + 1)]
    best, most = tried[0], None
    for x in tried:
        spare = _spare(x, rows, b)
        if most is None or spare > most:
            best, most = x, spare
        if spare > 0:
            break
    return best


def paper_columns(rows: int, b: int) -> int:
    """ceil(12 b^2 ln n), and at least 1."""
    return max(1, ceil_times_log(12 * max(1, min(b, rows)) ** 2, rows))


def _spare(x: Selector, rows: int, b: int) -> int:
    """The least number of columns that a row has beyond its b - 1 largest overlaps; above 0 the matrix selects."""
    table = [sum(1 << j for j in selector_row(x, i)) for i in range(1, rows + 1)]
    return min(
        row.bit_count() - sum(nlargest(b - 1, ((row & other).bit_count() for k, other in enumerate(table) if k != i)))
        for i, row in enumerate(table)
    )


def ceil_times_log(factor: int, n: int) -> int:
    """ceil(factor * ln n), exactly: from bounds of ln n that are as near as it takes."""
    terms = 8
    while True:
        low, high = log_bounds(n, terms)
        if ceil(factor * low) == ceil(factor * high):
            return ceil(factor * low)
        terms *= 2


def log_bounds(n: int, terms: int) -> tuple[Fraction, Fraction]:
    """ln n between two fractions: with n = 2^k m and 1 <= m < 2 it is k ln 2 + ln m, by ln x = 2 artanh((x - 1) / (x + 1))."""
    k = n.bit_length() - 1
    two, m = _log_bounds(Fraction(2), terms), _log_bounds(Fraction(n, 2**k), terms)
    return k * two[0] + m[0], k * two[1] + m[1]


def _log_bounds(x: Fraction, terms: int) -> tuple[Fraction, Fraction]:
    """1 <= x <= 2. The terms left out of 2 sum z^(2i + 1) / (2i + 1) are at most 2 z^(2 terms + 1) / (1 - z^2)."""
    z = (x - 1) / (x + 1)
    low = 2 * sum((z ** (2 * i + 1) / (2 * i + 1) for i in range(terms)), Fraction(0))
    return low, low + 2 * z ** (2 * terms + 1) / (1 - z * z)


def best(rows: int, b: int) -> Selector:
    """The one of the two that need no seed with fewer columns."""
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
        case "paper":
            return paper(rows, b)
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
