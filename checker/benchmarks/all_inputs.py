"""The question by trying every permutation, in chunks of numpy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from typing import Any

from checker.benchmarks.doubling import Answer, Slip, run

TAIL = 8  # a chunk holds the TAIL! orders of the last numbers


@dataclass(frozen=True, slots=True)
class Columns:
    """A number is a column: its value for each permutation of the chunk. All are less than 256."""

    size: int

    def number(self, i: int) -> Any:
        import numpy as np

        return np.full(self.size, i, dtype=np.uint8)

    def searched(self, destinations: Sequence[Sequence[Any]], k: int, values: Sequence[Any], i: int) -> Any:
        import numpy as np

        found = values[-1].copy()
        for to, value in reversed(list(zip(destinations[k], values, strict=True))[:-1]):
            np.copyto(found, value, where=to == i)
        return found

    def heard(self, destinations: Sequence[Sequence[Any]], k: int, values: Sequence[Any], i: int) -> Any:
        import numpy as np

        found = np.zeros(self.size, dtype=np.uint8)
        for to, value in zip(destinations[k], values, strict=True):
            found |= value * (to == i)
        return found


def by_enumeration(n: int, doublings: int, slip: Slip | None = None) -> Answer:
    """All n! permutations, n < 256."""
    import numpy as np

    tail = min(n, TAIL)
    orders = np.array(list(permutations(range(tail))), dtype=np.uint8)
    m = Columns(factorial(tail))
    for head in permutations(range(n), n - tail):
        rest = np.array([v for v in range(n) if v not in head], dtype=np.uint8)
        following = [m.number(v) for v in head] + list(np.ascontiguousarray(rest[orders].T))
        sides = [run(m, following, doublings, attention, slip) for attention in (False, True)]
        wrong = np.zeros(m.size, dtype=bool)
        for a, b in zip(*sides, strict=True):
            wrong |= a != b
        if wrong.any():
            place = int(wrong.argmax())
            return Answer(False, tuple(int(column[place]) for column in following))
    return Answer(True)
