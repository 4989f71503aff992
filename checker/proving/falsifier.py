"""Looking for a counterexample: with the evaluator first (fast), confirmed by the replay interpreters, then made small.

Circuits with a scale are left to the replay interpreter, which tries several adversaries on the rung rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from itertools import combinations_with_replacement, product
from math import comb, inf, prod
from random import Random
from time import monotonic

from checker.kernel.algebra import assumption_holds, wrong_at
from checker.kernel.certificates import Violation, selects
from checker.kernel.enumeration import circuit_of, every_input, input_count, model_of, violated, violated_by, violation
from checker.kernel.judgements import Computes, Delivers, Fits, ForReals, OfInputs, Performs, Picks, Reads, Returns, Simulates
from checker.kernel.lemma_rows import Mistaken, all_states
from checker.kernel.proofs import NotProved, Witness
from checker.kernel.protocol_rules import instances
from checker.kernel.replay import circuit as replay
from checker.kernel.replay.adversaries import ADVERSARIES, NEAREST, Adversary
from checker.kernel.replay.enclosures import Undecided
from checker.kernel.replay.expressions import Fault as ReplayFault
from checker.kernel.replay.expressions import Message, satisfies
from checker.kernel.replay.lemmas import admitted
from checker.kernel.replay.lemmas import wrong as lemma_wrong
from checker.kernel.replay.protocol import replay_protocol
from checker.kernel.routing_rules import selector_of
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.inputs import random_inputs
from checker.proving.witnesses import Disagreement, of_input, of_lemma, of_lemma_fault, of_point, of_routing
from checker.semantics import circuits as cs
from checker.semantics import packets as pk
from checker.semantics import protocols as ps
from checker.semantics.expressions import Fault, Scope, Vec, View, evaluate
from checker.semantics.machines import Sent
from checker.semantics.precision import readers
from checker.semantics.terms import Value
from checker.semantics.values import Unsupported

Words = dict[str, tuple[int, ...]]
InputJudgement = OfInputs
InputKey = tuple[tuple[str, tuple[int, ...]], ...]
Outputs = dict[tuple[str, int], Value]
Wrong = tuple[str, Adversary]  # what is wrong, and with which adversary
SEED = 1
SHRINKING = 2.0  # seconds to make a counterexample small


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: a witness or none, among how many inputs; `complete` if these were all."""

    witness: Witness | None
    tried: int
    complete: bool


def search(j: InputJudgement, budget: int, seconds: float, quick: bool = False) -> Search:
    """All inputs in order if there are at most `budget`, else structured and random ones.

    A `quick` search tries the adversaries of rounded heads only where hardmax already goes wrong.
    """
    m = model_of(j)
    complete = input_count(m.inputs, m.requires) <= budget
    source = (
        every_input(m.inputs, m.requires, m.functions) if complete else random_inputs(m.inputs, m.requires, m.functions, SEED)
    )
    end, tried = monotonic() + seconds, 0
    for words in source:
        if tried >= budget or (tried and monotonic() > end):
            complete = False
            break
        tried += 1
        found = confirmed(j, words, inf if quick else end, quick)
        if found is not None:
            return Search(_witness(j, *smallest(j, words, found, complete)), tried, False)
    return Search(None, tried, complete and (tried == 0 or monotonic() <= end))


def from_model(j: InputJudgement, model: dict[str, int], end: float = inf) -> Witness | None:
    """The input that the solver hit on, if the claim is violated there; words it left open are as low as they can be."""
    m = model_of(j)
    words = {a.name: tuple(model.get(f"{a.name}[{k}]", a.low) for k in range(1, a.size + 1)) for a in m.inputs}
    if not model or not satisfies(m.requires, m.functions, m.inputs, words):
        return None
    found = violation(j, words, end)
    return None if found is None else _witness(j, *smallest(j, words, found, first=False))


def _witness(j: InputJudgement, words: Words, found: Wrong) -> Witness:
    return of_input(j, words, *found)


def confirmed(
    j: InputJudgement, words: Words, end: float = inf, quick: bool = False, only: tuple[Adversary, ...] = ()
) -> Wrong | None:
    """What the evaluator finds wrong at this input and replay confirms. From the time `end` on no further adversary is tried.

    Below the rung exact replay alone looks; a `quick` look leaves it out where hardmax does nothing wrong.
    """
    c, m = circuit_of(j), model_of(j)
    if isinstance(m, Protocol) and m.numeric:
        return None if quick and not suspicious(j, words) else violation(j, words, end, only)
    if c is not None and c.rung != "exact":
        return None if quick and not suspicious(_at_exact(j), words) else violation(j, words, end, only)
    if not suspicious(j, words):
        return None
    try:
        wrong = violated_by(j, words, NEAREST)
    except Undecided:
        return None
    if wrong is None:
        raise Disagreement(f"{j}: the evaluator finds an error at {words} that replay does not confirm")
    return wrong, NEAREST


class Runs:
    """Runs by the evaluator, remembered: the claims about one model look at the same inputs first. A model is known by
    its value, for each rung has a copy of its own of what is one circuit at hardmax."""

    MODELS, INPUTS = 16, 64  # of so many models at a time, so many inputs each

    def __init__(self) -> None:
        self.known: dict[Protocol | Circuit, dict[InputKey, ps.Run | Outputs | Fault | Unsupported]] = {}

    def outputs(self, m: Protocol | Circuit, words: Words) -> Outputs:
        """The output words. Raises `Fault` and `Unsupported`, remembered too."""
        found = self._run(m, words)
        return found.outputs if isinstance(found, ps.Run) else found

    def protocol(self, p: Protocol, words: Words) -> ps.Run:
        """All of a run. Raises as `outputs` does."""
        found = self._run(p, words)
        assert isinstance(found, ps.Run)
        return found

    def _run(self, m: Protocol | Circuit, words: Words) -> ps.Run | Outputs:
        if m not in self.known:
            if len(self.known) >= self.MODELS:
                del self.known[next(iter(self.known))]
            self.known[m] = {}
        runs, key = self.known[m], tuple(words.items())
        found = runs.get(key)
        if found is None:
            try:
                found = ps.run(m, words) if isinstance(m, Protocol) else cs.run(m, words)[1]
            except (Fault, Unsupported) as reason:
                found = reason.with_traceback(None)
            if len(runs) < self.INPUTS:
                runs[key] = found
        if isinstance(found, (Fault, Unsupported)):
            raise found
        return found


RUNS = Runs()


def suspicious(j: InputJudgement, words: Words) -> bool:
    """Is something wrong at this input, by the evaluator? Where that has no answer, by replay."""
    c, m = circuit_of(j), model_of(j)
    numeric = isinstance(m, Protocol) and m.numeric
    if not isinstance(j, Performs) and (numeric or (c is not None and c.rung != "exact")):
        return violated(j, words) is not None
    try:
        match j:
            case Fits(p):
                return _unfit(p, words)
            case Simulates(c, p):
                return RUNS.outputs(c, words) != RUNS.outputs(p, words)
            case Computes(m):
                return not _equation_holds(m, j, words, RUNS.outputs(m, words))
            case Performs(p, c):
                return _outputs_of(p, words) != RUNS.outputs(c.at("exact"), words)
            case Returns() | Reads():
                return violated(j, words) is not None
    except Fault:
        return True
    except Unsupported:
        return violated(j, words) is not None


@lru_cache(maxsize=16)
def _at_exact(j: InputJudgement) -> InputJudgement:
    match j:
        case Simulates(c, p):
            return Simulates(c.at("exact"), p)
        case Computes(Circuit() as c):
            return replace(j, subject=c.at("exact"))
        case Reads(c):
            return replace(j, circuit=c.at("exact"))
    return j


def _outputs_of(p: Protocol, words: Words) -> Outputs:
    """What replay says that a protocol with numbers puts out; nothing if it is undefined."""
    outputs = replay_protocol(p, words).outputs
    return {(name, k): x for name, array in outputs.items() for k, x in enumerate(array, 1)}


def _unfit(p: Protocol, words: Words) -> bool:
    run = RUNS.protocol(p, words)
    if any(x.words > p.memory for _, x in run.traffic):  # type: ignore[operator]
        return True
    return any(
        not evaluate(e, ps.keeps_scope(p, run.states[r], words, [])) for r, round_ in enumerate(p.rounds) for e in round_.keeps
    )


def _equation_holds(m: Protocol | Circuit, j: Computes, words: Words, outputs: dict[tuple[str, int], Value]) -> bool:
    names = {a.name: View(a.name, words[a.name], 1, a.size) for a in m.inputs}
    names |= {a.name: View(a.name, tuple(outputs[a.name, k] for k in range(1, a.size + 1)), 1, a.size) for a in m.outputs}
    functions = {f.name: f for f in j.functions}
    return all(evaluate(j.equation, Scope({**names, **variables}, functions)) for variables in instances(j.each))


def smallest(j: InputJudgement, words: Words, found: Wrong, first: bool) -> tuple[Words, Wrong]:
    """Lower one word at a time while the claim stays violated, with the same adversary, for at most `SHRINKING` seconds
    (an exhaustive search in order has the first already)."""
    m = model_of(j)
    end = monotonic() + SHRINKING
    again = not first
    while again and monotonic() < end:
        again = False
        for smaller in _lower(m, words):
            if monotonic() > end:
                break
            wrong = confirmed(j, smaller, end, only=(found[1],))
            if wrong is not None:
                words, found, again = smaller, wrong, True
                break
    return words, found


def _lower(m: Protocol | Circuit, words: Words) -> Iterator[Words]:
    for a in m.inputs:
        for k, x in enumerate(words[a.name]):
            for y in range(a.low, min(x, a.low + 4)):
                changed = list(words[a.name])
                changed[k] = y
                candidate = {**words, a.name: tuple(changed)}
                if satisfies(m.requires, m.functions, m.inputs, candidate):
                    yield candidate


# ---- points of real numbers --------------------------------------------------------------------

COORDINATES = (0, 1, Fraction(1, 2), 2, -1, 3, Fraction(-1, 2), Fraction(1, 3), 10, -2, Fraction(9, 10), Fraction(1, 100), 100)


def search_points(j: ForReals, budget: int, seconds: float) -> Search:
    """Points with simple rational coordinates, at random; `tried` counts those that satisfy the assumption."""
    random, end, tried = Random(SEED), monotonic() + seconds, 0
    for number in range(budget):
        if number and monotonic() > end:
            break
        few = COORDINATES[: 2 + number * len(COORDINATES) // budget]
        point: dict[str, int | Fraction] = {x: random.choice(few) for x in j.variables}
        if assumption_holds(j, point):
            tried += 1
            wrong = wrong_at(j, point)
            if wrong is not None:
                return Search(of_point(j, point, wrong), tried, False)
    return Search(None, tried, False)


# ---- lemmas about heads ---------------------------------------------------------------------------

FILLED = 400  # ways to fill the rows about which a hint says nothing


def search_lemma(j: Picks, hint: Mistaken | None, budget: int, seconds: float) -> Search:
    """Values of the fields for which a row reads something else than stated: all in order if they are few, else some around
    what the hint says."""
    end, tried = monotonic() + seconds, 0
    lemma = j.lemma
    try:
        held = all_states(lemma)
    except (Fault, Unsupported):
        return Search(None, 0, False)  # nobody knows what rows may hold
    complete = prod(len(x) for x in held.values()) <= budget
    rows = lemma.rows if hint is None or complete else [hint.row]
    for values in product(*held.values()) if complete else _filled(held, hint):
        if tried >= budget or (tried and monotonic() > end):
            return Search(None, tried, False)
        tried += 1
        given = dict(zip(lemma.rows, values, strict=True))
        for i in rows:
            try:
                found = lemma_wrong(lemma, given, i, j.margin)
            except ReplayFault as fault:
                if not admitted(lemma, given):
                    raise Disagreement(f"{j}: replay finds that the values {given} are not admitted") from None
                return Search(of_lemma_fault(lemma, given, i, str(fault)), tried, False)
            if found is not None:
                if not admitted(lemma, given):
                    raise Disagreement(f"{j}: replay finds that the values {given} are not admitted")
                return Search(of_lemma(lemma, given, found), tried, False)
    return Search(None, tried, complete)


def _filled(held: dict[int, list[tuple[int, ...]]], hint: Mistaken | None) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The rows of the hint as it says; the others all alike as far as they can be, then at random."""
    known = {} if hint is None else hint.states
    kinds = sorted({x for of in held.values() for x in of})
    for kind in kinds[:FILLED]:
        yield tuple(known.get(i, kind if kind in of else of[0]) for i, of in held.items())
    random = Random(SEED)
    while True:
        yield tuple(known.get(i, random.choice(of)) for i, of in held.items())


# ---- routings -------------------------------------------------------------------------------

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
