"""Queries and keys of sparse propagation (Prop. B.1): a machine attends to the rows that sent to it, else to the start token."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from checker.compilers.build import SELF, call, cases, number, vector, within
from checker.language import syntax as s
from checker.language.diagnostics import spec_error

CHOICES = ("best", "hadamard", "moment")


@dataclass(frozen=True, slots=True)
class Embedding:
    """A family of vectors u_i and duals w_S with <u_i, w_S> = `member` for i in S and at most `member` / 2 otherwise."""

    name: str
    coordinates: int
    member: int

    @property
    def floor(self) -> Fraction:
        """The score of the start token, between both."""
        return Fraction(3 * self.member, 4)

    def query(self, machines: int) -> tuple[s.Case, ...]:
        """(u_self, 1) on the rows that are machines."""
        return cases(vector(call(self.name, SELF, self.coordinates), 1), within(SELF, 1, machines))

    def key(self, packets: str) -> tuple[s.Case, ...]:
        """(w_S, 0), S the machines that the row sends these packets to; (0, floor) at the start token."""
        dual = call(f"{self.name}_dual", call("destinations", s.Name(packets)), self.coordinates)
        start = vector(call("zeros", self.coordinates), number(self.floor))
        return cases(vector(dual, 0), s.Binary(">=", SELF, s.Number(1)), start)


def hadamard(machines: int) -> Embedding:
    """Rows of the Sylvester matrix of an order >= the number of machines: a member scores the order, others 0."""
    order = 1 << (machines - 1).bit_length()
    return Embedding("hadamard", order, order)


def moment(messages: int) -> Embedding:
    """The moment curve against 1 - (1/2) prod (z - d)^2: 2Q + 1 coordinates for sets of at most Q machines."""
    return Embedding("moment", 2 * messages + 1, 1)


def best(machines: int, messages: int) -> Embedding:
    """The one with fewer coordinates; hadamard, which has only -1, 0, 1 in its queries, if equal."""
    return min(hadamard(machines), moment(messages), key=lambda e: e.coordinates)


def choose(choice: str, machines: int, messages: int) -> Embedding:
    """An embedding by the name of the option `embedding`. Raises `SpecError` (OPTION)."""
    match choice:
        case "best":
            return best(machines, messages)
        case "hadamard":
            return hadamard(machines)
        case "moment":
            return moment(messages)
    raise spec_error("OPTION", f"expected an embedding of {', '.join(CHOICES)}, found {choice}")
