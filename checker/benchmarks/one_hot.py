"""The question in propositional logic, a variable for each machine and number, for cadical (CaDiCaL 1.5.3 by python-sat)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from checker.benchmarks.doubling import Answer, Slip, run

Number = tuple[int, ...]  # literals, one for each value; exactly one holds


@dataclass(slots=True)
class Gates:
    """Clauses, with and-gates that are made once each. `true` is a literal that holds."""

    n: int
    count: int = 1
    clauses: list[list[int]] = field(default_factory=lambda: [[1]])
    known: dict[tuple[int, ...], int] = field(default_factory=dict)
    true: int = 1

    def new(self) -> int:
        self.count += 1
        return self.count

    def both(self, literals: Iterable[int]) -> int:
        xs = tuple(sorted({x for x in literals if x != self.true}))
        if -self.true in xs or any(-x in xs for x in xs):
            return -self.true
        if len(xs) < 2:
            return xs[0] if xs else self.true
        if xs not in self.known:
            gate = self.known[xs] = self.new()
            self.clauses += [[-gate, x] for x in xs]
            self.clauses.append([gate, *(-x for x in xs)])
        return self.known[xs]

    def either(self, literals: Iterable[int]) -> int:
        return -self.both([-x for x in literals])

    def exactly_one(self, literals: Sequence[int]) -> None:
        self.clauses.append(list(literals))
        self.clauses += [[-x, -y] for k, x in enumerate(literals) for y in literals[:k]]

    def number(self, i: int) -> Number:
        return tuple(self.true if v == i else -self.true for v in range(self.n))

    def searched(self, destinations: Sequence[Sequence[Number]], k: int, values: Sequence[Number], i: int) -> Number:
        free, parts = self.true, []
        for to, value in zip(destinations[k], values, strict=True):
            taken = self.both([free, to[i]])
            free = self.both([free, -to[i]])
            parts.append([self.both([taken, x]) for x in value])
        return tuple(self.either(column) for column in zip(*parts, strict=True))

    def heard(self, destinations: Sequence[Sequence[Number]], k: int, values: Sequence[Number], i: int) -> Number:
        # that the machine is attended to follows from to[i], and a competent user leaves it out
        parts = [[self.both([to[i], x]) for x in value] for to, value in zip(destinations[k], values, strict=True)]
        return tuple(self.either(column) for column in zip(*parts, strict=True))


def by_cadical(n: int, doublings: int, slip: Slip | None = None) -> Answer:
    """One call of cadical on the whole formula."""
    from pysat.solvers import Solver

    g = Gates(n)
    following = [tuple(g.new() for _ in range(n)) for _ in range(n)]
    for row in following:
        g.exactly_one(row)
    for column in zip(*following, strict=True):
        g.exactly_one(column)
    sides = [run(g, following, doublings, attention, slip) for attention in (False, True)]
    different = []
    for a, b in ((a, b) for x, y in zip(*sides, strict=True) for a, b in zip(x, y, strict=True) if a != b):
        differs = g.new()
        g.clauses += [[-differs, a, b], [-differs, -a, -b]]
        different.append(differs)
    g.clauses.append(different)
    with Solver(name="cadical153", bootstrap_with=g.clauses) as solver:
        if not solver.solve():
            return Answer(True)
        holds = set(solver.get_model())
    return Answer(False, tuple(next(v for v, x in enumerate(row) if x in holds) for row in following))
