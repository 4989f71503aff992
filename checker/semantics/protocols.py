"""What a protocol does: local functions, delivery, and the two forms of a state between rounds.

A *listed* state holds the inbox of every machine. A *uniform* state holds one inbox, as a function of the
unknown machine SELF: the form that lets a round with data-dependent destinations be followed for any number of machines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from checker.language import syntax as s
from checker.models.protocol import Protocol, Round, held
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Condition, Message, Scope, View, evaluate, truth
from checker.semantics.machines import Effect, Sent, local_view, run_local
from checker.semantics.terms import ArraySymbol, Term, Value
from checker.semantics.values import Unsupported

Inbox = tuple[Message, ...]
Inputs = dict[str, Any]  # name -> tuple of numbers, or ArraySymbol


@dataclass(frozen=True, slots=True)
class Listed:
    inboxes: dict[int, Inbox]


@dataclass(frozen=True, slots=True)
class Uniform:
    """`inbox` is over the variable `self_term(q)`."""

    inbox: Inbox
    machines: int

    def at(self, machine: Value) -> Inbox:
        me = self_term(self.machines)
        return tuple(
            Message(m.tag, tuple(v.substitute(w, me, machine) for w in m.words), v.substitute(m.source, me, machine))
            for m in self.inbox
        )

    def listed(self) -> Listed:
        return Listed({i: self.at(i) for i in range(1, self.machines + 1)})


State = Listed | Uniform


@dataclass(frozen=True, slots=True)
class Traffic:
    """Words a machine sends and receives in a round; machine 0 stands for every machine."""

    machine: int
    kind: str
    words: Value


@dataclass(slots=True)
class Step:
    """One round from a given state."""

    state: State
    conditions: list[Condition]
    traffic: list[Traffic]
    effects: dict[int, Effect] = field(default_factory=dict)


def self_term(machines: int) -> Term:
    """The unknown machine."""
    return t.variable("self", 1, machines)


def functions_of(p: Protocol) -> dict[str, s.FunctionDefinition]:
    return {f.name: f for f in p.functions}


def machine_scope(p: Protocol, inputs: Inputs, first: bool, machine: Value, inbox: Inbox, conditions: list[Condition]) -> Scope:
    """What a machine knows: itself, its inbox, and in the first local function its input words."""
    names: dict[str, Any] = {"self": machine}
    places: dict[str, range] = {}
    for a in p.inputs:
        if not first:
            places[a.name] = range(1, 1)
        elif not isinstance(machine, Term):
            places[a.name] = held(p.inputs, a.name, int(machine), p.packing)
        if a.name in places:
            names[a.name] = local_view(a.name, inputs[a.name], places[a.name])
    return Scope(names, functions_of(p), inbox=inbox, held=places, conditions=conditions)


def input_scope(p: Protocol, inputs: Inputs, conditions: list[Condition] | None = None) -> Scope:
    """Whole input arrays, for `requires`, `keeps` and claims."""
    names = {a.name: View(a.name, inputs[a.name], 1, a.size) for a in p.inputs}
    return Scope(dict(names), functions_of(p), conditions=[] if conditions is None else conditions)


def start(p: Protocol) -> Listed:
    return Listed({i: () for i in range(1, p.machines + 1)})


def step(p: Protocol, r: int, state: State, inputs: Inputs) -> Step:
    """Round r (0-based) from a state. Uniform where it can be, listed otherwise."""
    if isinstance(state, Uniform):
        try:
            return _uniform_step(p, p.rounds[r], state, inputs)
        except Unsupported:
            state = state.listed()
    done = listed_step(p, r, state, inputs)
    uniform = generalise(done.state, p.machines)
    return Step(done.state if uniform is None else uniform, done.conditions, done.traffic, done.effects)


def _uniform_step(p: Protocol, r: Round, state: Uniform, inputs: Inputs) -> Step:
    me = self_term(p.machines)
    conditions: list[Condition] = []
    effect = run_local(r.body, machine_scope(p, inputs, False, me, state.inbox, conditions), p.messages, p.machines)
    words = sum(p.cost(m.tag) for m in effect.sent)
    inbox: list[Message] = []
    for m in effect.sent:
        if m.guard is not True:
            raise Unsupported("a message that is not always sent")
        sender = invert(m.destination, me, me, p.machines)
        inbox.append(Message(m.tag, tuple(v.substitute(w, me, sender) for w in m.words), sender))
    return Step(
        Uniform(tuple(inbox), p.machines), conditions, [Traffic(0, "sends", words), Traffic(0, "receives", words)], {0: effect}
    )


def invert(destination: Value, me: Term, receiver: Value, machines: int) -> Value:
    """The one sender whose destination is `receiver`, where the destination is a composition of permutations of 1..q."""
    if destination is me:
        return receiver
    if isinstance(destination, Term) and destination.op == "read":
        array, index = destination.args
        if array.inverse is not None and array.size == machines:
            return invert(index, me, t.read(array.inverted(), receiver), machines)
    raise Unsupported("a destination that is not a permutation of the machines")


def listed_step(p: Protocol, r: int, state: Listed, inputs: Inputs) -> Step:
    """Round r (0-based) from the inbox of every machine to the inbox of every machine."""
    conditions: list[Condition] = []
    effects = {
        i: run_local(p.rounds[r].body, machine_scope(p, inputs, r == 0, i, inbox, conditions), p.messages, p.machines)
        for i, inbox in state.inboxes.items()
    }
    inboxes: dict[int, list[Message]] = {i: [] for i in state.inboxes}
    for i, effect in effects.items():
        for m in effect.sent:
            _deliver(m, i, inboxes)
    traffic = [Traffic(i, "sends", _words((m.guard, p.cost(m.tag)) for m in e.sent)) for i, e in effects.items()]
    traffic += [Traffic(i, "receives", _words((m.guard, p.cost(m.tag)) for m in box)) for i, box in inboxes.items()]
    return Step(Listed({i: tuple(box) for i, box in inboxes.items()}), conditions, traffic, effects)


def _deliver(m: Sent, source: int, inboxes: dict[int, list[Message]]) -> None:
    if m.guard is False:
        return
    if not isinstance(m.destination, Term):
        if m.destination in inboxes:  # else that the guard holds is a condition that must be refuted
            inboxes[int(m.destination)].append(Message(m.tag, m.words, source, m.guard))
        return
    for i, box in inboxes.items():
        guard = v.both(m.guard, v.equal(m.destination, i))
        if guard is not False:
            box.append(Message(m.tag, m.words, source, guard))


def _words(parts: Any) -> Value:
    total: Value = 0
    for guard, words in parts:
        total = v.add(total, v.choose(guard, words, 0))
    return total


def finish(p: Protocol, state: State, inputs: Inputs) -> tuple[dict[tuple[str, int], Value], list[Condition]]:
    """Local_R: the output words, and what must hold for them to be defined."""
    conditions: list[Condition] = []
    outputs: dict[tuple[str, int], Value] = {}
    listed = state.listed() if isinstance(state, Uniform) else state
    for i, inbox in listed.inboxes.items():
        outputs.update(finish_at(p, i, inbox, inputs, conditions).assigned)
    return outputs, conditions


def finish_at(p: Protocol, machine: int, inbox: Inbox, inputs: Inputs, conditions: list[Condition]) -> Effect:
    places = {a.name: (a, held(p.outputs, a.name, machine, p.packing)) for a in p.outputs}
    scope = machine_scope(p, inputs, not p.rounds, machine, inbox, conditions)
    return run_local(p.finish, scope, p.messages, p.machines, places)


def keeps_scope(p: Protocol, state: State, inputs: Inputs, conditions: list[Condition]) -> Scope:
    """Where an invariant is evaluated: whole inputs, and `at` any machine of the state."""
    scope = input_scope(p, inputs, conditions)

    def inbox_at(machine: Value) -> Inbox:
        if isinstance(state, Uniform):
            return state.at(machine)
        if isinstance(machine, Term):
            raise Unsupported("an unknown machine of a listed state")
        return state.inboxes.get(int(machine), ())

    return Scope(scope.names, scope.functions, conditions=conditions, at=inbox_at, machines=p.machines)


# ---- listed to uniform ----------------------------------------------------------------------


def generalise(state: State, machines: int) -> Uniform | None:
    """A uniform state with exactly these inboxes, if there is an obvious one. Checked machine by machine."""
    if isinstance(state, Uniform):
        return state
    boxes = [state.inboxes[i] for i in range(1, machines + 1)]
    shape = [m.tag for m in boxes[0]]
    if any([m.tag for m in box] != shape or any(m.guard is not True for m in box) for box in boxes) or not shape:
        return None
    if not any(isinstance(w, Term) for m in boxes[0] for w in m.words):
        return None
    inbox: list[Message] = []
    try:
        for place in range(len(shape)):
            column = [box[place] for box in boxes]
            words = tuple(_anti_unify([m.words[k] for m in column], machines) for k in range(len(column[0].words)))
            inbox.append(Message(shape[place], words, _anti_unify([m.source for m in column], machines)))
    except Unsupported:
        return None
    found = Uniform(tuple(inbox), machines)
    return found if all(found.at(i) == state.inboxes[i] for i in range(1, machines + 1)) else None


def _anti_unify(column: list[Value], machines: int) -> Value:
    first = column[0]
    if all(x is first or (not v.symbolic(x, first) and x == first) for x in column):
        return first
    if all(isinstance(x, int) for x in column):
        return t.table(tuple(int(x) for x in column), self_term(machines))  # type: ignore[arg-type]
    if not all(
        isinstance(x, Term) and isinstance(first, Term) and x.op == first.op and len(x.args) == len(first.args) for x in column
    ):
        raise Unsupported("no common form")
    args: list[Any] = []
    for place in range(len(first.args)):  # type: ignore[union-attr]
        parts = [x.args[place] for x in column]  # type: ignore[union-attr]
        number = (first.op == "lin" and place % 2 == 0 and place > 0) or (first.op in ("mod", "div") and place == 1)  # type: ignore[union-attr]
        if (number or first.op == "var") and any(x != parts[0] for x in parts):  # type: ignore[union-attr]
            raise Unsupported("no common form")
        if isinstance(parts[0], (Term, int)) and not isinstance(parts[0], bool):
            args.append(_anti_unify(parts, machines))
        elif all(x == parts[0] for x in parts):
            args.append(parts[0])
        else:
            raise Unsupported("no common form")
    return v.rebuild(first, tuple(args))  # type: ignore[arg-type]


# ---- a whole run ----------------------------------------------------------------------------


@dataclass(slots=True)
class Run:
    """All states (before each local function), output words, conditions and traffic of a run."""

    states: list[State]
    outputs: dict[tuple[str, int], Value]
    conditions: list[Condition]
    traffic: list[tuple[int, Traffic]]


def run(p: Protocol, inputs: Inputs) -> Run:
    """From the inputs to the outputs: numbers (raises `Fault`) or terms."""
    state: State = start(p)
    states, conditions, traffic = [state], [], []
    for r in range(len(p.rounds)):
        done = step(p, r, state, inputs)
        state = done.state
        states.append(state)
        conditions += done.conditions
        traffic += [(r, x) for x in done.traffic]
    outputs, more = finish(p, state, inputs)
    return Run(states, outputs, conditions + more, traffic)


def symbols(p: Protocol) -> dict[str, ArraySymbol]:
    """Unknown inputs. `requires permutation(a)` gives the array an inverse."""
    permuted = {
        e.arguments[0].name
        for q in p.requires
        for e in conjuncts(q)
        if isinstance(e, s.Call) and e.function == "permutation" and isinstance(e.arguments[0], s.Name)
    }
    return {
        a.name: ArraySymbol(
            a.name, a.size, a.low, a.high, f"{a.name}⁻¹" if a.name in permuted and (a.low, a.high) == (1, a.size) else None
        )
        for a in p.inputs
    }


def conjuncts(e: s.Expr) -> list[s.Expr]:
    if isinstance(e, s.Binary) and e.operator == "and":
        return conjuncts(e.left) + conjuncts(e.right)
    return [e]


def assumptions(p: Protocol, inputs: Inputs) -> list[Value]:
    """What `requires` says of the inputs, as terms."""
    return [truth(evaluate(e, input_scope(p, inputs)), e.span) for e in p.requires]
