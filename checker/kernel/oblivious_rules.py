"""Memory bounds of protocols in which who sends to whom does not depend on data (such as Theorem B.3's), machines together.

In such a protocol it depends on `self` and on the senders alone what a machine finds in its inbox: which messages, from whom.
So all machines that find messages of the same types, in the same order, are followed by one run of the local function, with
unknown machine, unknown senders and unknown words. What it sends, to whom, and what must hold for it to be defined are then
terms, and arrays say what these are at each of the machines, as it and its senders are, whatever the words are: any words of
their ranges (a run that sends others is not defined). That is more than can be reached, and nothing about a machine is taken
from another one: each has its place in the arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from checker.kernel.proofs import NotProved
from checker.kernel.solver import Later, Tally, prove
from checker.models.protocol import Protocol
from checker.semantics import protocols as sem
from checker.semantics import terms as t
from checker.semantics.expressions import Message
from checker.semantics.intervals import Places
from checker.semantics.machines import run_local
from checker.semantics.terms import Value
from checker.semantics.values import Unsupported

Post = tuple[str, int]  # a message in an inbox: its type and its sender
Boxes = dict[int, tuple[Post, ...]]  # by machine


@dataclass(slots=True)
class Forms:
    """How many runs of local functions stand for how many."""

    runs: int = 0
    machines: int = 0


def follow(p: Protocol, tally: Tally) -> Forms:
    """Show that every run is defined and within the bounds on memory. Raises `Unsupported` or `Fault`: other rules may do."""
    if not p.rounds or any(r.keeps for r in p.rounds):
        raise Unsupported("no rounds, or an invariant")
    inputs = sem.symbols(p)
    known = Later(lambda: sem.assumptions(p, inputs))
    done = sem.listed_step(p, 0, sem.start(p), inputs)
    for c in done.conditions:
        prove(c.term, known, f"round 1 ({p.rounds[0].name}): {c.reason}", tally)
    for x in done.traffic:
        within(p, 0, [(x.machine, x.words)], x.kind)
    assert isinstance(done.state, sem.Listed)
    boxes = {i: _posted(box) for i, box in done.state.inboxes.items()}
    forms = Forms()
    for r in range(1, len(p.rounds)):
        boxes = _step(p, r, boxes, inputs, forms)
    _finish(p, boxes, inputs, known, tally)
    return forms


def within(p: Protocol, r: int, traffic: Iterable[tuple[int, Value]], kind: str) -> None:
    """No machine sends, or receives, more words than fit."""
    for machine, words in traffic:
        if isinstance(words, t.Term):
            raise Unsupported("the number of messages depends on data")
        if words > p.memory:
            where = f"round {r + 1} ({p.rounds[r].name})"
            raise NotProved(f"{where}: machine {machine} {kind} {words} words, more than {p.memory}")


def _posted(inbox: tuple[Message, ...]) -> tuple[Post, ...]:
    if any(m.guard is not True or isinstance(m.source, t.Term) for m in inbox):
        raise Unsupported("who sends to whom depends on data")
    return tuple((m.tag, int(m.source)) for m in inbox)  # type: ignore[arg-type]


def _unknown(p: Protocol, shape: tuple[str, ...], sources: list[Value]) -> tuple[Message, ...]:
    """Messages of these types with any words at all."""
    return tuple(
        Message(tag, tuple(t.variable(f"word {k} of {n}", *x) for k, x in enumerate(p.message(tag).words)), source)
        for n, (tag, source) in enumerate(zip(shape, sources, strict=True))
    )


def _step(p: Protocol, r: int, boxes: Boxes, inputs: sem.Inputs, forms: Forms) -> Boxes:
    """What the machines find after round r (0-based)."""
    import numpy as np

    shapes: dict[tuple[str, ...], list[int]] = {}
    for i, box in boxes.items():
        shapes.setdefault(tuple(tag for tag, _ in box), []).append(i)
    sends = {i: 0 for i in boxes}
    posts: dict[int, list[tuple[int, int, str]]] = {i: [] for i in boxes}
    for shape, machines in shapes.items():
        forms.runs, forms.machines = forms.runs + 1, forms.machines + len(machines)
        table = np.array([[i, *(source for _, source in boxes[i])] for i in machines], dtype=np.int64).T
        names = ("self", *(f"source {n}" for n in range(len(shape))))
        me, *sources = (_ranging(name, column) for name, column in zip(names, table, strict=True))
        at = Places(len(machines), {x: column for x, column in zip((me, *sources), table, strict=True) if isinstance(x, t.Term)})
        conditions: list[Any] = []
        scope = sem.machine_scope(p, inputs, False, me, _unknown(p, shape, sources), conditions)
        effect = run_local(p.rounds[r].body, scope, p.messages, p.machines)
        for c in conditions:
            if not at.of(c.term).low.all():
                raise Unsupported(f"not certain whatever the words are: {c.reason}")
        for place, m in enumerate(effect.sent):
            sent = at.exactly(m.guard, "whether a message is sent").tolist()
            to = at.exactly(m.destination, "a destination").tolist()
            for i, goes, j in zip(machines, sent, to, strict=True):
                if goes:
                    sends[i] += p.cost(m.tag)
                    posts[j].append((i, place, m.tag))
    within(p, r, sends.items(), "sends")
    within(p, r, ((i, sum(p.cost(tag) for _, _, tag in box)) for i, box in posts.items()), "receives")
    return {i: tuple((tag, source) for source, _, tag in sorted(box)) for i, box in posts.items()}


def _ranging(name: str, column: Any) -> Value:
    """An unknown that is one of these numbers; a number if there is only one."""
    low, high = int(column.min()), int(column.max())
    return low if low == high else t.variable(name, low, high)


def _finish(p: Protocol, boxes: Boxes, inputs: sem.Inputs, known: Later, tally: Tally) -> None:
    """The last local function, machine by machine: which output words lie there depends on the machine."""
    for i, box in boxes.items():
        conditions: list[Any] = []
        inbox = _unknown(p, tuple(tag for tag, _ in box), [source for _, source in box])
        sem.finish_at(p, i, inbox, inputs, conditions)
        for c in conditions:
            try:
                prove(c.term, known, f"finish: {c.reason}", tally)
            except NotProved as reason:  # of words that cannot be reached, perhaps
                raise Unsupported(f"not certain whatever the words are: {reason}") from None
