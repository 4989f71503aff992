"""Looking for a counterexample: with the evaluator first (fast), confirmed by the replay interpreters, then made small.

Circuits with a scale are left to the replay interpreter, which tries several adversaries on the rung rounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import chain
from math import inf
from time import monotonic

from checker.kernel.enumeration import Words, every_input, input_count
from checker.kernel.judgements import (
    Computes,
    Fits,
    OfInputs,
    Performs,
    Reads,
    Returns,
    Simulates,
    circuit_of,
    instances,
    model_of,
)
from checker.kernel.proofs import Witness
from checker.kernel.replay.adversaries import NEAREST, Adversary
from checker.kernel.replay.undecided import Undecided
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.inputs import SEED, random_inputs
from checker.proving.runs import RUNS, Disagreement, Outputs, Search, in_floats
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
    complete, end, tried = input_count(m.inputs, m.requires) <= budget, monotonic() + seconds, 0
    source = (
        every_input(m.inputs, m.requires, m.functions)
        if complete
        else random_inputs(m.inputs, m.requires, m.functions, SEED, end)
    )
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
    from checker.kernel.by_replay import violation
    from checker.kernel.replay.expressions import satisfies

    m = model_of(j)
    words = {a.name: tuple(model.get(f"{a.name}[{k}]", a.low) for k in range(1, a.size + 1)) for a in m.inputs}
    if not model or not satisfies(m.requires, m.functions, m.inputs, words):
        return None
    found = violation(j, words, end)
    return None if found is None else _witness(j, *smallest(j, words, found, first=False))


def _witness(j: OfInputs, words: Words, found: Wrong) -> Witness:
    from checker.proving.witnesses import of_input  # replay, which is needed where something is wrong

    return of_input(j, words, *found)


def confirmed(j: OfInputs, words: Words, end: float = inf, quick: bool = False, only: tuple[Adversary, ...] = ()) -> Wrong | None:
    """What the evaluator finds wrong at this input and replay confirms. From the time `end` on no further adversary is tried.

    Below the rung exact replay alone looks; a `quick` look leaves it out where hardmax does nothing wrong.
    """
    c, m = circuit_of(j), model_of(j)
    numeric = isinstance(m, Protocol) and m.numeric
    several = numeric or (c is not None and c.rung != "exact")
    if (quick or not several) and not suspicious(j if numeric or not several else _at_exact(j), words):
        return None
    from checker.kernel.by_replay import violated_by, violation

    if several:
        return violation(j, words, end, only)
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
        return _by_replay(j, words)
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
                return _by_replay(j, words)
    except Fault:
        return True
    except Unsupported:
        return _by_replay(j, words)


def _by_replay(j: OfInputs, words: Words) -> bool:
    from checker.kernel.by_replay import violated

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
    from checker.kernel.replay.protocol import replay_protocol

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
    from checker.kernel.replay.expressions import satisfies

    for a in m.inputs:
        for k, x in enumerate(words[a.name]):
            for y in range(a.low, min(x, a.low + 4)):
                changed = list(words[a.name])
                changed[k] = y
                candidate = {**words, a.name: tuple(changed)}
                if satisfies(m.requires, m.functions, m.inputs, candidate):
                    yield candidate
