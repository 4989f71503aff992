"""The rule without an idea: every input of the instance, by the replay interpreters. And what they find wrong at an input."""

from __future__ import annotations

from math import ceil, floor, inf
from time import monotonic

from checker.kernel.enumeration import Words, every_input, input_count
from checker.kernel.judgements import (
    Computes,
    Fits,
    Judgement,
    OfInputs,
    Performs,
    Reads,
    Returns,
    Simulates,
    circuit_of,
    instances,
    model_of,
)
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.replay.adversaries import ADVERSARIES, NEAREST, Adversary
from checker.kernel.replay.circuit import attention, outputs_within, replay_circuit
from checker.kernel.replay.expressions import Fault as ReplayFault
from checker.kernel.replay.expressions import evaluate_equation, evaluate_rows
from checker.kernel.replay.protocol import replay_protocol
from checker.kernel.replay.undecided import Undecided
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol


def shown(words: Words) -> str:
    """`y = 1, 0`"""
    return "; ".join(f"{name} = {', '.join(map(str, x))}" for name, x in words.items()) or "nothing"


def adversaries(j: Judgement) -> tuple[Adversary, ...]:
    """Those who may find something wrong: on the rung rounded several, else one, who has nothing to say."""
    if isinstance(j, Performs):
        return (NEAREST,)  # what a protocol puts out is compared with all that valid heads can
    c = circuit_of(j)
    return ADVERSARIES if c is not None and c.rung == "rounded" else (NEAREST,)


def violated(j: Judgement, words: Words) -> str | None:
    """What is wrong at this input, by the replay interpreters; None if nothing is found wrong.

    On the rung rounded each adversary is tried, on the rung softmax a number must be certified to be wrong.
    """
    found = violation(j, words)
    return None if found is None else found[0]


def violation(j: Judgement, words: Words, end: float = inf, only: tuple[Adversary, ...] = ()) -> tuple[str, Adversary] | None:
    """What is wrong at this input, and with which adversary: of those in `only`, if there are some, else of all.

    None if nothing is found wrong. From the time `end` on no further adversary is tried.
    """
    several = adversaries(j)
    for number, adversary in enumerate(only or several):
        if number and monotonic() > end:
            break
        try:
            wrong = violated_by(j, words, adversary)
        except Undecided:
            continue
        if wrong is not None:
            return (f"{adversary}, {wrong}" if len(several) > 1 else wrong), adversary
    return None


def violated_by(j: Judgement, words: Words, adversary: Adversary | None) -> str | None:
    """What is wrong at this input with this adversary, without one with some; None if nothing is. Raises `Undecided`."""
    match j:
        case Fits(p):
            run = replay_protocol(p, words)
            if run.fault is not None:
                return f"{run.fault.place}: {run.fault}"
            for o in run.overflow:
                return f"machine {o.machine} {o.kind} {o.words} words in round {o.round}, memory {p.memory}"
            for r, k in run.keeps_fail:
                return f"keeps number {k + 1} of round {r + 1} is false"
            return None
        case Simulates(c, p):
            left, right = replay_protocol(p, words), replay_circuit(c, words, adversary)
            if left.fault is not None or right.fault is not None:
                return f"undefined: {left.fault or right.fault}"
            if left.outputs == right.outputs:
                return None
            return f"the protocol puts out {shown(left.outputs)}, the circuit {shown(right.outputs)}"
        case Performs(p, c):
            return _not_performed(p, c, words)
        case Returns(p, original):
            mine, theirs = replay_protocol(p, words), replay_protocol(original, words)
            if mine.fault is not None or theirs.fault is not None:
                return f"undefined: {_placed(mine.fault or theirs.fault)}"
            if mine.outputs == theirs.outputs:
                return None
            return f"the protocol puts out {shown(mine.outputs)}, the original {shown(theirs.outputs)}"
        case Computes(m, equation, each, functions):
            found = replay_protocol(m, words) if isinstance(m, Protocol) else replay_circuit(m, words, adversary)
            if found.fault is not None:
                return f"undefined: {found.fault}"
            for variables in instances(each):
                where = "".join(f" at {k} = {x}" for k, x in variables.items())
                try:
                    if not evaluate_equation(equation, functions, {**words, **found.outputs}, variables):
                        return f"the equation is false{where}"
                except ReplayFault as fault:
                    return f"the equation is undefined{where}: {fault}"
            return None
        case Reads(c, cuts, functions):
            looks = attention(c, words, adversary)
            for cut in cuts:
                if cut.layer >= len(looks.layers):
                    return f"undefined: {looks.fault}"
                number = next(n for n, h in enumerate(c.layers[cut.layer].heads) if h.name == cut.head)
                for i, look in looks.layers[cut.layer][number].items():
                    try:
                        stated = evaluate_rows(cut.rows, functions, words, i)
                    except ReplayFault as fault:
                        return f"what row {i} reads in head {cut.head} of layer {cut.layer + 1} is undefined: {fault}"
                    if tuple(sorted(set(stated))) != tuple(sorted(look.best)):
                        return (
                            f"row {i} reads {_rows(look.best)} in head {cut.head} of layer {cut.layer + 1}, not {_rows(stated)}"
                        )
            return None
    raise TypeError(f"no inputs to enumerate for {j}")


def _not_performed(p: Protocol, c: Circuit, words: Words) -> str | None:
    """What the protocol does that no run of the circuit does. If the circuit has no run, nothing."""
    likely, run = replay_circuit(c, words, NEAREST), replay_protocol(p, words)
    if likely.fault is not None or likely.outputs == run.outputs:
        return None
    if run.fault is not None:
        return f"undefined: {_placed(run.fault)}"
    try:
        possible = outputs_within(c, words)
    except ReplayFault:
        return None
    for (name, k), (low, high) in possible.items():
        if not low <= (word := run.outputs[name][k - 1]) <= high:
            least, most = ceil(low), floor(high)
            what = str(least) if least == most else f"{least}..{most}"
            return f"the protocol puts out {name}[{k}] = {word}, the circuit {what if least <= most else 'no word'}"
    return None


def _placed(fault: ReplayFault | None) -> str:
    assert fault is not None
    return f"{fault.place}: {fault}" if fault.place else str(fault)


def _rows(rows: tuple[int, ...]) -> str:
    found = sorted(set(rows))
    return f"{'row' if len(found) == 1 else 'rows'} {', '.join(map(str, found))}"


def by_enumeration(j: OfInputs, most: int, seconds: float = inf) -> Proved:
    """Proved if nothing is wrong at any input; the budget is `most` inputs and so many seconds.

    Below the rung exact numbers are known by bounds, which hold for all valid heads (Def. A.1): all that the local functions and
    readouts do with them must be decided by the bounds.
    """
    m = model_of(j)
    if isinstance(j, Simulates) and (j.circuit.inputs, j.circuit.outputs) != (m.inputs, m.outputs):
        raise NotProved("circuit and protocol have different inputs or outputs")
    if isinstance(m, Protocol) and m.numeric:
        raise NotProved("replay stores each number in one way of several")
    count = input_count(m.inputs, m.requires)
    if count > most:
        raise NotProved(f"{count:,} inputs are more than {most:,}")
    seen, end = 0, monotonic() + seconds
    for words in every_input(m.inputs, m.requires, m.functions):
        seen += 1
        if monotonic() > end:
            raise NotProved(f"{seen - 1:,} of at most {count:,} inputs took {seconds:.3g} s")
        try:
            wrong = violated_by(j, words, None)
        except Undecided as reason:
            wrong = f"undecided: {reason.place}: {reason}"
        if wrong is not None:
            raise NotProved(f"at {words}: {wrong}")
    if not seen:
        raise NotProved("no input satisfies `requires`")
    circuit = circuit_of(j)
    if circuit is None or circuit.rung == "exact":
        return conclude(j, "enumeration", f"all {seen:,} inputs, by the replay interpreters")
    bounds = "softmax" if circuit.rung == "softmax" else "the outputs of all valid heads"
    return conclude(j, "enumeration with bounds", f"all {seen:,} inputs, by the replay interpreters with bounds of {bounds}")
