"""Looking for a counterexample: with the evaluator first (fast), confirmed by the replay interpreters, then made small.

Circuits with a scale are left to the replay interpreter, which tries several adversaries on the rung rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import chain, product
from math import inf, prod
from random import Random
from time import monotonic

from checker.kernel.algebra import assumption_holds, wrong_at
from checker.kernel.enumeration import Words, circuit_of, every_input, input_count, model_of, violated, violated_by, violation
from checker.kernel.judgements import Computes, Fits, ForReals, OfInputs, Performs, Picks, Reads, Returns, Simulates
from checker.kernel.lemma_rows import Mistaken, all_states
from checker.kernel.proofs import Witness
from checker.kernel.protocol_rules import instances
from checker.kernel.replay.adversaries import NEAREST, Adversary
from checker.kernel.replay.enclosures import Undecided
from checker.kernel.replay.expressions import Fault as ReplayFault
from checker.kernel.replay.expressions import satisfies
from checker.kernel.replay.lemmas import admitted
from checker.kernel.replay.lemmas import wrong as lemma_wrong
from checker.kernel.replay.protocol import replay_protocol
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.inputs import SEED, random_inputs
from checker.proving.runs import RUNS, Outputs, Search, in_floats
from checker.proving.witnesses import Disagreement, of_input, of_lemma, of_lemma_fault, of_point
from checker.semantics import protocols as ps
from checker.semantics.expressions import Fault, Scope, View, evaluate
from checker.semantics.values import Unsupported

Wrong = tuple[str, Adversary]  # what is wrong, and with which adversary
SHRINKING = 2.0  # seconds to make a counterexample small
TOGETHER = 10, 200  # inputs of the first batch in floating point, and of the others


def search(j: OfInputs, budget: int, seconds: float, quick: bool = False) -> Search:
    """All inputs in order if there are at most `budget`, else structured and random ones.

    A `quick` search runs circuits with a scale in floating point, and tries the adversaries of rounded heads only where that goes
    wrong, and hardmax too.
    """
    m = model_of(j)
    complete = input_count(m.inputs, m.requires) <= budget
    source = (
        every_input(m.inputs, m.requires, m.functions) if complete else random_inputs(m.inputs, m.requires, m.functions, SEED)
    )
    end, tried = monotonic() + seconds, 0
    for words, unlikely in _in_batches(j, source, budget, end) if quick else ((words, False) for words in source):
        if tried and monotonic() > end:
            complete = False
            break
        tried += 1
        found = None if unlikely else confirmed(j, words, inf if quick else end, quick)
        if found is not None:
            return Search(_witness(j, *smallest(j, words, found, complete)), tried, False)
        if tried == budget:
            break
    return Search(None, tried, complete and (tried == 0 or monotonic() <= end))


def _in_batches(j: OfInputs, source: Iterator[Words], budget: int, end: float) -> Iterator[tuple[Words, bool]]:
    """The inputs, so many at least, each with whether a run of its circuit in floating point found nothing wrong."""
    c, size = circuit_of(j), TOGETHER[0]
    if c is None or c.scale is None or not isinstance(j, (Simulates, Computes)):
        yield from ((words, False) for words in source)
        return
    while batch := _some(source, min(size, budget) or 1, end):
        outputs = in_floats(c, batch, end - monotonic())
        if outputs is None:
            yield from ((words, False) for words in chain(batch, source))
            return
        yield from ((words, not _wrong(j, words, found)) for words, found in zip(batch, outputs, strict=False))
        source = chain(batch[len(outputs) :], source)
        size, budget = TOGETHER[1], budget - len(outputs)


def _some(source: Iterator[Words], most: int, end: float) -> list[Words]:
    """At least one input, if there is one, and more while there is time."""
    found: list[Words] = []
    for words in source:
        found.append(words)
        if len(found) == most or monotonic() > end:
            break
    return found


def _wrong(j: Simulates | Computes, words: Words, outputs: Outputs | Fault) -> bool:
    """Is what the model puts out wrong?"""
    if isinstance(outputs, Fault):
        return True
    try:
        if isinstance(j, Simulates):
            return outputs != RUNS.outputs(j.protocol, words)
        return not _equation_holds(j.subject, j, words, outputs)
    except (Fault, Unsupported):
        return True


def from_model(j: OfInputs, model: dict[str, int], end: float = inf) -> Witness | None:
    """The input that the solver hit on, if the claim is violated there; words it left open are as low as they can be."""
    m = model_of(j)
    words = {a.name: tuple(model.get(f"{a.name}[{k}]", a.low) for k in range(1, a.size + 1)) for a in m.inputs}
    if not model or not satisfies(m.requires, m.functions, m.inputs, words):
        return None
    found = violation(j, words, end)
    return None if found is None else _witness(j, *smallest(j, words, found, first=False))


def _witness(j: OfInputs, words: Words, found: Wrong) -> Witness:
    return of_input(j, words, *found)


def confirmed(j: OfInputs, words: Words, end: float = inf, quick: bool = False, only: tuple[Adversary, ...] = ()) -> Wrong | None:
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


def suspicious(j: OfInputs, words: Words) -> bool:
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
def _at_exact(j: OfInputs) -> OfInputs:
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


def _equation_holds(m: Protocol | Circuit, j: Computes, words: Words, outputs: Outputs) -> bool:
    names = {a.name: View(a.name, words[a.name], 1, a.size) for a in m.inputs}
    names |= {a.name: View(a.name, tuple(outputs[a.name, k] for k in range(1, a.size + 1)), 1, a.size) for a in m.outputs}
    functions = {f.name: f for f in j.functions}
    return all(evaluate(j.equation, Scope({**names, **variables}, functions)) for variables in instances(j.each))


def smallest(j: OfInputs, words: Words, found: Wrong, first: bool) -> tuple[Words, Wrong]:
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
