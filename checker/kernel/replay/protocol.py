"""A run of a protocol, machine by machine and round by round (Def. 2.3)."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass

from checker.kernel.replay.balls import GUARD, working_bits
from checker.kernel.replay.enclosures import Undecided
from checker.kernel.replay.expressions import (
    Fault,
    LocalRun,
    Message,
    Numeric,
    Scope,
    State,
    Value,
    Words,
    by_name,
    deep_recursion,
    in_order,
    truth,
    whole,
)
from checker.kernel.replay.rows import RowFunctions
from checker.language import syntax as s
from checker.models.protocol import Protocol, held

Mail = dict[int, tuple[Message, ...]]


@dataclass(frozen=True)
class Overflow:
    """In round `round` (from 1) the machine 'sends' or 'receives' more words than its memory."""

    round: int
    machine: int
    kind: str
    words: int


@dataclass(frozen=True)
class ProtocolRun:
    """`inboxes[r - 1]` is MachineIn^(r), `sent[r - 1]` what round r sends. An array with a word missing is not in `outputs`.

    `keeps_fail` holds (index in `rounds`, index in `keeps`), both from 0. After a fault what came before it is kept.
    """

    inboxes: tuple[Mail, ...]
    sent: tuple[Mail, ...]
    outputs: dict[str, tuple[int, ...]]
    fault: Fault | None
    overflow: tuple[Overflow, ...]
    keeps_fail: tuple[tuple[int, int], ...]


class _Run:
    """Local_1, delivery, ..., Local_R: the state of one run."""

    def __init__(self, p: Protocol, words: dict[str, tuple[int, ...]]) -> None:
        self.p, self.words, self.functions = p, words, by_name(p.functions)
        self.machines = range(1, p.machines + 1)
        self.numeric = Numeric(p.word, {c.name: RowFunctions(c) for c in p.circuits}) if p.numeric else None
        self.costs = {m.tag: p.cost(m.tag) for m in p.messages}
        self.inboxes: list[Mail] = []
        self.sent: list[Mail] = []
        self.outputs: dict[str, dict[int, int]] = {a.name: {} for a in p.outputs}
        self.overflow: list[Overflow] = []
        self.keeps_fail: list[tuple[int, int]] = []

    def state(self, machine: int, inbox: tuple[Message, ...]) -> State:
        """Word w of the packed output lies on machine ceil(w / s), and so does word w of the input before the first delivery.

        Where an address costs words, there are fewer words a machine (`packing`).
        """
        packing, first = self.p.packing, len(self.inboxes) == 1
        places = {a.name: held(self.p.outputs, a.name, machine, packing) for a in self.p.outputs}
        places |= {a.name: held(self.p.inputs, a.name, machine, packing) if first else range(0) for a in self.p.inputs}
        return State(inbox, places)

    def local(self, machine: int, last: bool, body: tuple[s.Statement, ...], place: str) -> LocalRun:
        """Local_r of one machine: it knows `self`, its inbox, and in the first local function its input words."""
        p, state = self.p, self.state(machine, self.inboxes[-1][machine])
        values: dict[str, Value] = {"self": machine}
        for a in p.inputs:
            known = {k: self.words[a.name][k - 1] for k in state.held[a.name]}
            values[a.name] = Words(a.name, a.size, known)
        types = {} if last else {m.tag: m for m in p.messages}
        run = LocalRun(types, dict.fromkeys(types, p.machines), {a.name: a for a in p.outputs} if last else {}, state.held)
        try:
            run.run(body, Scope(self.functions, values, state, numeric=self.numeric))
            for a in p.outputs if last else ():
                for k in state.held[a.name]:
                    if k not in run.assigned.get(a.name, {}):
                        raise Fault(f"{a.name}[{k}] is not assigned")
        except (Fault, Undecided) as reason:
            reason.place = f"machine {machine} in {place}"
            raise
        return run

    def keeps(self, index: int) -> None:
        """The invariants of the state before round `index`; one that has no value does not hold."""
        states = {m: self.state(m, inbox) for m, inbox in self.inboxes[-1].items()}
        scope = Scope(self.functions, whole(self.p.inputs, self.words), states=states, numeric=self.numeric)
        for j, invariant in enumerate(self.p.rounds[index].keeps):
            try:
                holds = truth(invariant, scope)
            except Fault:
                holds = False
            if not holds:
                self.keeps_fail.append((index, j))

    def check(self, r: int, machine: int, kind: str, messages: tuple[Message, ...]) -> None:
        cost = sum(self.costs[m.tag] for m in messages)
        if cost > self.p.memory:
            self.overflow.append(Overflow(r, machine, kind, cost))

    def whole_run(self) -> None:
        self.inboxes.append(dict.fromkeys(self.machines, ()))
        for r, step in enumerate(self.p.rounds, 1):
            self.keeps(r - 1)
            self.sent.append({})
            for m in self.machines:
                self.sent[-1][m] = tuple(self.local(m, False, step.body, f"round {r} ({step.name})").sent)
                self.check(r, m, "sends", self.sent[-1][m])
            mail: dict[int, list[Message]] = {m: [] for m in self.machines}
            for message in (x for messages in self.sent[-1].values() for x in messages):
                mail[message.destination].append(message)
            self.inboxes.append({m: in_order(messages) for m, messages in mail.items()})
            for m, inbox in self.inboxes[-1].items():
                self.check(r, m, "receives", inbox)
        for m in self.machines:
            for name, entries in self.local(m, True, self.p.finish, "finish").assigned.items():
                self.outputs[name].update(entries)
        for a in self.p.outputs:
            if len(self.outputs[a.name]) < a.size:
                raise Fault(f"a word of {a.name} lies on no machine", place="finish")


@deep_recursion()
def replay_protocol(p: Protocol, words: dict[str, tuple[int, ...]]) -> ProtocolRun:
    """The run of p on these input words, up to its first fault. Too many words for the memory do not stop it.

    Of the valid runs of a protocol whose messages carry numbers it is the one that stores the nearest. Raises `Undecided` if
    bounds of numbers do not say how it goes.
    """
    run, fault = _Run(p, words), None
    try:
        with working_bits(p.word + GUARD) if p.numeric else nullcontext():
            run.whole_run()
    except Fault as found:
        fault = found
    outputs = {
        a.name: tuple(run.outputs[a.name][k] for k in range(1, a.size + 1))
        for a in p.outputs
        if len(run.outputs[a.name]) == a.size
    }
    return ProtocolRun(tuple(run.inboxes), tuple(run.sent), outputs, fault, tuple(run.overflow), tuple(run.keeps_fail))
