"""Queries and keys of sparse propagation (Prop. B.1): a machine attends to the rows that sent to it, else to the start token."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from checker.compilers.build import SELF, call, cases, number, vector, within
from checker.language import syntax as s
from checker.language.diagnostics import spec_error
from checker.semantics.packets import WORDS, chained, moment_dual
from checker.semantics.precision import Margins

CHOICES = ("best", "hadamard", "moment", "sign")
SEEDS = 16  # that are tried for each number of coordinates


@dataclass(frozen=True, slots=True)
class Embedding:
    """A family of vectors u_i and duals w_S with <u_i, w_S> = `member` for i in S and at most `member` / 2 otherwise.

    With `digits` g the coordinates of the duals are multiples of 2^-g, and scores are off by up to coordinates * 2^-(g + 1).
    """

    name: str
    coordinates: int
    member: int
    seed: int | None = None
    digits: int | None = None

    @property
    def floor(self) -> Fraction:
        """The score of the start token, between both."""
        return Fraction(3 * self.member, 4)

    def query(self, machine: s.Expr, last: int) -> tuple[s.Case, ...]:
        """(u_machine, 1) on rows 1..last; the machine is an expression over `self`."""
        own = call(self.name, machine, self.coordinates, *self._numbers(self.seed))
        return cases(vector(own, 1), within(SELF, 1, last))

    def key(self, packets: str) -> tuple[s.Case, ...]:
        """(w_S, 0), S the machines that the row sends these packets to; (0, floor) at the start token."""
        numbers = self._numbers(self.seed, self.digits)
        dual = call(f"{self.name}_dual", call("destinations", s.Name(packets)), self.coordinates, *numbers)
        start = vector(call("zeros", self.coordinates), number(self.floor))
        return cases(vector(dual, 0), s.Binary(">=", SELF, s.Number(1)), start)

    def margins(self) -> Margins:
        """What the construction promises about the scores (Prop. B.1)."""
        near = Fraction(0) if self.digits is None else Fraction(self.coordinates, 2 ** (self.digits + 1))
        other = Fraction(0) if self.name == "hadamard" else Fraction(self.member, 2)
        return Margins(near, self.member - near - self.floor, self.member - 2 * near - other, self.floor - other - near)

    def largest_key(self, machines: int, messages: int) -> Fraction:
        """A bound on the coordinates of the keys of all sets of at most `messages` machines."""
        most = min(machines, messages)
        if self.name == "hadamard":
            return max(Fraction(most), self.floor)
        if self.name == "moment":
            return max(abs(x) for x in moment_dual(frozenset(range(machines - most + 1, machines + 1)), self.coordinates)) + 1
        return Fraction(2)

    def _numbers(self, *given: int | None) -> tuple[int, ...]:
        return tuple(x for x in given if x is not None)


def hadamard(machines: int) -> Embedding:
    """Rows of the Sylvester matrix of an order >= the number of machines: a member scores the order, others 0."""
    order = 1 << (machines - 1).bit_length()
    return Embedding("hadamard", order, order)


def moment(messages: int) -> Embedding:
    """The moment curve against 1 - (1/2) prod (z - d)^2: 2Q + 1 coordinates for sets of at most Q machines."""
    return Embedding("moment", 2 * messages + 1, 1)


def sign(machines: int, messages: int, g: int | None = None) -> Embedding:
    """Random signs (Prop. B.1): the fewest coordinates k for which some seed has |<u_i, u_j>| <= k / (3 Q - 1) for all i != j.

    Q is the most members of a set. By this bound the duals of all sets are within reach: others score at most 1/2.
    """
    return replace(_signs(machines, min(machines, messages)), digits=g)


@lru_cache(maxsize=1_000)
def _signs(machines: int, most: int) -> Embedding:
    rows = [[0] * machines for _ in range(SEEDS)]  # row of seed and machine: the signs up to k as bits
    prefixes = [[chained(chained(0, seed), i) for i in range(1, machines + 1)] for seed in range(1, SEEDS + 1)]
    k = 0
    while True:
        k += 1
        for seed in range(SEEDS):
            rows[seed] = [2 * x + (2 * chained(p, k) < WORDS) for x, p in zip(rows[seed], prefixes[seed], strict=True)]
            if _coherent(rows[seed], k, 3 * most - 1):
                return Embedding("sign", k, 1, seed + 1)


def _coherent(rows: list[int], k: int, factor: int) -> bool:
    """factor * |<u_i, u_j>| <= k for all pairs of rows of k signs, 1 bits for -1."""
    return all(factor * abs(k - 2 * (a ^ b).bit_count()) <= k for a, b in combinations(rows, 2))


def best(machines: int, messages: int, room: int = 0) -> Embedding:
    """hadamard, whose small numbers need the least precision, if it fits into the `room` that packets take anyway or has no
    more coordinates than moment."""
    plain, curve = hadamard(machines), moment(messages)
    return plain if plain.coordinates + 1 <= max(room, curve.coordinates + 1) else curve


def choose(choice: str, machines: int, messages: int, g: int | None = None, room: int = 0) -> Embedding:
    """An embedding by the name of the option `embedding`; with g, all keys are multiples of 2^-g. Raises `SpecError` (OPTION)."""
    match choice:
        case "best":
            return best(machines, messages, room)
        case "hadamard":
            return hadamard(machines)
        case "moment":
            return moment(messages)
        case "sign":
            return sign(machines, messages, g)
    raise spec_error("OPTION", f"expected an embedding of {', '.join(CHOICES)}, found {choice}")
