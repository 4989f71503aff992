"""Theorem 3.4: a protocol with numbers, followed round by round over all inputs and all row-wise functions of its circuit."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

from checker.kernel.idle import Decide, not_silent
from checker.kernel.partial_sums import PartialSums
from checker.kernel.proofs import NotProved
from checker.kernel.solver import Later, Tally, prove
from checker.language import syntax as s
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol, held
from checker.semantics import lanes
from checker.semantics import protocols as ps
from checker.semantics.expressions import Condition, Fault, Message, Scope
from checker.semantics.machines import Effect, local_view, run_local
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported


@dataclass(slots=True)
class Followed:
    """What a run is like for every input: words by (round, machine, kind), the widest merge, how far off rows are at most before
    they are stored, and whether the output is the circuit's."""

    traffic: list[tuple[int, int, str, int]] = field(default_factory=list)
    merged: int = 1
    drift: Fraction = Fraction(0)
    parts: int = 0
    busy: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)

    def most(self) -> int:
        return max((words for *_, words in self.traffic), default=0)


class _Run:
    def __init__(self, p: Protocol) -> None:
        self.p = p
        self.inputs = ps.symbols(p)
        self.sums = PartialSums(p, performed_by(p), self.inputs)
        self.known = Later(lambda: ps.assumptions(p, self.inputs))
        self.functions = ps.functions_of(p)
        self.found = Followed()

    def follow(self) -> Followed:
        p = self.p
        inboxes: dict[int, list[Message]] = {}
        for r, round_ in enumerate(p.rounds):
            if round_.keeps:
                raise Unsupported("`keeps` in a protocol with numbers")
            where = f"round {r + 1} ({round_.name})"
            mail: dict[int, list[Message]] = {}
            received: dict[int, int] = {}
            idle = [i for i in range(1, p.machines + 1) if i not in inboxes] if r else []
            active = range(1, p.machines + 1) if not r else sorted([*inboxes, *not_silent(idle, self.idle(round_.body))])
            for i in active:
                conditions: list[Condition] = []
                self.sums.where = f"machine {i} in {where}"
                try:
                    sent = run_local(
                        round_.body, self.scope(i, inboxes.get(i, []), r == 0, conditions), p.messages, p.machines
                    ).sent
                    words = 0
                    for m in sent:
                        if m.guard is not True or isinstance(m.destination, Term):
                            raise Unsupported("a message that depends on data")
                        numbers = p.message(m.tag).numbers
                        own = m.words if numbers is None else (*m.words[:-1], self.sums.kept(m.words[-1], numbers.step))
                        cost, to = p.cost(m.tag), int(m.destination)
                        words += cost
                        received[to] = received.get(to, 0) + cost
                        mail.setdefault(to, []).append(Message(m.tag, own, i))
                except (Fault, Unsupported) as reason:
                    raise NotProved(f"{self.sums.where}: {reason}") from None
                self.prove(conditions, self.sums.where)
                if words:
                    self.found.traffic.append((r + 1, i, "sends", words))
                    self.found.busy.add(i)
            self.found.traffic += [(r + 1, i, "receives", words) for i, words in received.items()]
            self.found.busy |= set(received)
            inboxes = mail
        self.finish(inboxes)
        self.found.parts, self.found.merged, self.found.drift = self.sums.count, self.sums.merged, self.sums.drift
        return self.found

    def prove(self, conditions: Iterable[Condition], where: str) -> None:
        for x in conditions:
            prove(x.term, self.known, f"{where}: {x.reason}", self.found.tally)

    def idle(self, body: tuple[s.Statement, ...], last: bool = False) -> Callable[[Value, list[Condition], Decide], Effect]:
        """The local function of a machine that holds no words, finds nothing, and in the last one has no word to put out."""
        outputs = {a.name: (a, range(1, 1)) for a in self.p.outputs} if last else {}

        def run(me: Value, conditions: list[Condition], decide: Decide) -> Effect:
            scope = self.scope(me, [], False, conditions, decide)
            return run_local(body, scope, () if last else self.p.messages, self.p.machines, outputs)

        return run

    def scope(
        self, i: Value, inbox: list[Message], first: bool, conditions: list[Condition], decide: Decide | None = None
    ) -> Scope:
        names: dict[str, Any] = {"self": i}
        places = {a.name: range(1, 1) for a in self.p.inputs}
        if first:
            assert isinstance(i, int)
            places = {a.name: held(self.p.inputs, a.name, i, self.p.packing) for a in self.p.inputs}
        for a in self.p.inputs:
            names[a.name] = local_view(a.name, self.inputs[a.name], places[a.name])
        return Scope(
            names,
            self.functions,
            inbox=tuple(inbox),
            held=places,
            conditions=conditions,
            builtins=self.sums.builtins,
            lanes=lanes.over,
            decide=decide,
        )

    def finish(self, inboxes: dict[int, list[Message]]) -> None:
        p = self.p
        words = self.sums.output_words()
        first = not p.rounds  # then all machines may hold input words
        last = p.machines if first else -(-p.words_out // p.packing) if p.words_out else 0
        idle = [i for i in range(last + 1, p.machines + 1) if i not in inboxes]
        for i in sorted({*range(1, last + 1), *inboxes, *not_silent(idle, self.idle(p.finish, last=True))}):
            outputs = {a.name: (a, held(p.outputs, a.name, i, p.packing)) for a in p.outputs}
            conditions: list[Condition] = []
            self.sums.where = f"machine {i} in finish"
            try:
                scope = self.scope(i, inboxes.get(i, []), first, conditions)
                assigned = run_local(p.finish, scope, p.messages, p.machines, outputs).assigned
            except (Fault, Unsupported) as reason:
                raise NotProved(f"{self.sums.where}: {reason}") from None
            self.prove(conditions, self.sums.where)
            for key, value in assigned.items():
                if value is not words[key]:
                    raise NotProved(f"{self.sums.where}: {key[0]}[{key[1]}] is not shown to be what the circuit puts out")


def performed_by(p: Protocol) -> Circuit:
    """The circuit whose functions a protocol with numbers calls, on the protocol's rung. Raises `NotProved` if it is not one."""
    if len(p.circuits) != 1:
        raise NotProved("the rule needs a protocol that calls the functions of one circuit")
    if len({m.real for m in p.messages if m.numbers is not None}) > 1:
        raise NotProved("the rule needs numbers that are all real, or all kept in steps")
    (c,) = p.circuits
    if (p.inputs, p.outputs, p.requires) != (c.inputs, c.outputs, c.requires):
        raise NotProved("the rule needs a circuit with the same inputs, outputs and `requires`")
    own = {f.name: f for f in c.functions}
    if any(own.get(f.name, f) != f for f in p.functions):
        raise NotProved("the rule needs functions that mean the same in the circuit and in the protocol")
    try:
        return c.at(p.rung)
    except ValueError as reason:
        raise NotProved(f"the circuit does not reach the rung of the protocol: {reason}") from None


@lru_cache(maxsize=8)
def follow(p: Protocol) -> Followed:
    """The protocol over all inputs. Raises `NotProved` with machine and round if something is undefined, too large or not what
    its circuit computes there."""
    try:
        return _Run(p).follow()
    except (Fault, Unsupported) as reason:
        raise NotProved(str(reason)) from None
