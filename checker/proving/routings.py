"""Looking for a valid routing that a head does not deliver (Lemma 3.2), and what it does to one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations_with_replacement, product
from math import comb, inf
from random import Random
from time import monotonic

from checker.kernel.certificates import Violation, selects
from checker.kernel.judgements import Delivers
from checker.kernel.proofs import NotProved
from checker.kernel.replay import circuit as replay
from checker.kernel.replay.adversaries import ADVERSARIES, NEAREST, Adversary
from checker.kernel.replay.expressions import Fault as ReplayFault
from checker.kernel.replay.expressions import Message
from checker.kernel.replay.undecided import Undecided
from checker.kernel.routing_rules import selector_of
from checker.proving.inputs import SEED
from checker.proving.runs import Disagreement, Search
from checker.proving.witnesses import of_routing
from checker.semantics import circuits as cs
from checker.semantics import packets as pk
from checker.semantics.expressions import Fault, Vec
from checker.semantics.machines import Sent
from checker.semantics.precision import readers
from checker.semantics.values import Unsupported

Routing = tuple[tuple[int, int], ...]  # (source, destination) of each message, in the order of sending
Boxes = dict[int, list[str]]  # what each row reads that reads packets


def search_routing(j: Delivers, budget: int, seconds: float, quick: bool = False) -> Search:
    """A valid routing that is not delivered: all of a small instance, else random ones
    after one built on a weakness of the selector.

    A `quick` search tries the adversaries of rounded heads only where hardmax already goes wrong.
    """
    end, tried = monotonic() + seconds, 0
    routings, complete = candidates(j, budget)
    for routing in routings:
        if tried >= budget or (tried and monotonic() > end):
            complete = False
            break
        tried += 1
        try:
            found = None if quick and _delivered_exactly(j, routing) else undelivered(j, routing, inf if quick else end)
        except (Fault, ReplayFault, Unsupported):
            return Search(None, tried, False)  # the circuit is undefined; that is for other claims to refute
        if found is not None:
            return Search(of_routing(j, routing, *found), tried, False)
    return Search(None, tried, complete and monotonic() <= end)


def _delivered_exactly(j: Delivers, routing: Routing) -> bool:
    """Does hardmax deliver a routing of a circuit with softmax?"""
    if j.circuit.rung == "exact":
        return False
    sent, got = deliver(j, routing)
    return sent == got


def undelivered(j: Delivers, routing: Routing, end: float = inf) -> tuple[Boxes, Boxes, Adversary] | None:
    """What is sent and what is read instead, and with which adversary; None if nothing is found wrong.

    From the time `end` on no further adversary is tried.
    """
    if j.circuit.rung == "exact":
        sent, got = deliver(j, routing)
        if sent != got and got != replayed(j, routing):
            raise Disagreement(f"{j}: the evaluator and replay differ on the routing {routing}")
        return None if sent == got else (sent, got, NEAREST)
    sent = expected(j, routing)
    for number, adversary in enumerate(ADVERSARIES if j.circuit.rung == "rounded" or j.noise else (NEAREST,)):
        if number and monotonic() > end:
            break
        try:
            got = replayed(j, routing, adversary)
        except Undecided:
            continue
        if sent != got:
            return sent, got, adversary
    return None


def candidates(j: Delivers, budget: int) -> tuple[Iterator[Routing], bool]:
    """All valid routings and True if they are few, else some without end."""
    p = j.circuit.packets[0]
    choices = comb(p.machines + p.messages, p.messages)  # multisets of at most so many of the machines
    if choices <= budget and choices**p.machines <= budget:
        machines = range(1, p.machines + 1)
        sets = sorted(c for k in range(p.messages + 1) for c in combinations_with_replacement(machines, k))
        everything = (tuple((i, d) for i, box in enumerate(boxes, 1) for d in box) for boxes in product(sets, repeat=p.machines))
        return (r for r in everything if _valid(r, p.messages)), True
    return _weak_then_random(j), False


def _valid(routing: Routing, most: int) -> bool:
    sources, targets = [i for i, _ in routing], [d for _, d in routing]
    return all(sources.count(i) <= most for i in set(sources)) and all(targets.count(d) <= most for d in set(targets))


def _weak_then_random(j: Delivers) -> Iterator[Routing]:
    p = j.circuit.packets[0]
    try:
        selects(selector_of(j))
    except Violation as found:
        cells = [((row - 1) // p.messages // p.machines + 1, (row - 1) // p.messages % p.machines + 1) for row in found.rows]
        target = cells[0][1]
        routing = tuple(sorted(cells + [(i, target) for i in {i for i, _ in cells} if (i, target) not in cells]))
        if _valid(routing, p.messages):
            yield routing
    except NotProved:
        pass
    random = Random(SEED)
    while True:
        slots = [d for d in range(1, p.machines + 1) for _ in range(p.messages)]
        random.shuffle(slots)
        cells = [(i, slots.pop()) for i in range(1, p.machines + 1) for _ in range(p.messages)]
        yield tuple(x for x in cells if random.random() < 0.8)


def messages(j: Delivers, routing: Routing) -> list[tuple[int, int, str, tuple[int, ...]]]:
    """A routing with types and words filled in: (source, destination, type, words)."""
    kinds = [j.circuit.message(tag) for tag in j.circuit.packets[0].tags]
    found = []
    for n, (i, d) in enumerate(routing):
        kind = kinds[n % len(kinds)]
        found.append((i, d, kind.tag, tuple(low + (n + k) % (high - low + 1) for k, (low, high) in enumerate(kind.words))))
    return found


def expected(j: Delivers, routing: Routing) -> Boxes:
    """What each row should read: what was sent to the machine that it reads as."""
    boxes: Boxes = {}
    for i, d, tag, words in messages(j, routing):
        boxes.setdefault(d, []).append(f"{tag}{words} from {i}")
    return {w: sorted(boxes.get(i, [])) for w, i in readers(j.circuit).items()}


def replayed(j: Delivers, routing: Routing, adversary: Adversary = NEAREST) -> Boxes:
    """What each row reads, by the replay interpreter. Raises `Undecided`."""
    sent: dict[int, list[Message]] = {}
    for i, d, tag, words in messages(j, routing):
        sent.setdefault(i, []).append(Message(tag, words, i, d))
    got = replay.replay_routing(j.circuit, sent, adversary, j.noise)
    return {i: sorted(f"{m.tag}{m.words} from {m.source}" for m in box) for i, box in got.items()}


def deliver(j: Delivers, routing: Routing) -> tuple[Boxes, Boxes]:
    """What each row should read, and what it reads after the head, by the evaluator on the rung exact."""
    c, p = j.circuit.at("exact"), j.circuit.packets[0]
    states = {i: cs.RowState(Vec({}, c.width)) for i in c.rows}
    for i, d, tag, words in messages(j, routing):
        states[i] = cs.RowState(states[i].row, (), (*states[i].sent, Sent(tag, words, d, True)))
    out = cs.attend(c, c.layers[0].heads[0], states, c.layers[0].mask)
    read = {w: pk.unpack(c, p, i, out[w]) for w, i in readers(c).items()}
    got = {w: sorted(f"{m.tag}{m.words} from {m.source}" for m in box) for w, box in read.items()}
    return expected(j, routing), got
