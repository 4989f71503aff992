"""A counterexample as a table, from the replay interpreters: where the two sides part first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from checker.kernel.by_replay import shown
from checker.kernel.judgements import Computes, Delivers, Fits, ForReals, OfInputs, Performs, Reads, Returns, Simulates
from checker.kernel.proofs import Witness
from checker.kernel.replay.adversaries import NEAREST, Adversary
from checker.kernel.replay.circuit import CircuitRun, replay_circuit
from checker.kernel.replay.enclosures import Exact, Number, bounds
from checker.kernel.replay.expressions import Fault, Message, Scope, Value, by_name, evaluate
from checker.kernel.replay.lemmas import Held, LemmaRow
from checker.kernel.replay.protocol import replay_protocol
from checker.language import syntax as s
from checker.models.circuit import Circuit
from checker.models.lemma import Lemma
from checker.models.protocol import Protocol, words_of
from checker.semantics.precision import about, readers

Words = dict[str, tuple[int, ...]]


def of_input(j: OfInputs, words: Words, wrong: str, adversary: Adversary = NEAREST) -> Witness:
    """The witness for one input that replay has confirmed, with this adversary on the rung rounded."""
    match j:
        case Simulates(c, p):
            table = _side_by_side(c, p, words, adversary)
        case Fits(p):
            table = _traffic(p, words)
        case Performs(p, c):
            table = [*_protocol_outputs(p, words), *_rung(c, adversary), *_outputs(c, words, adversary)[-2:]]
        case Returns(p, original):
            table = [*_protocol_outputs(p, words), *_protocol_outputs(original, words)]
        case Computes():
            table = _outputs(j.subject, words, adversary)
        case Reads(c):
            table = _rung(c, adversary)
    return Witness(wrong, tuple(words.items()), tuple(table))


def of_point(j: ForReals, point: Mapping[str, int | Fraction], wrong: str) -> Witness:
    """The witness for one point of real numbers that replay has confirmed; both sides, if it is a comparison."""
    table: list[str] = []
    if isinstance(j.condition, s.Binary):
        for name, side in (("left", j.condition.left), ("right", j.condition.right)):
            try:
                table.append(f"the {name} side is {_text(evaluate(side, Scope(by_name(j.functions), dict(point))))}")
            except Fault as fault:
                table.append(f"the {name} side is undefined: {fault}")
    return Witness(f"{wrong} at {', '.join(f'{k} = {x}' for k, x in point.items())}", (), tuple(table), tuple(point.items()))


def _text(value: Value) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def of_lemma(lemma: Lemma, held: Held, found: LemmaRow) -> Witness:
    """Values of the fields for which a row reads something else than stated, with the scores that say so."""
    stated = "nothing that is defined" if found.stated is None else _some_rows(found.stated)
    summary = f"row {found.row} reads {_some_rows(found.best)}, stated is {stated}"
    if found.stated == found.best:
        summary = f"row {found.row} reads {_some_rows(found.best)} by less than the margin"
    table = [f"{f.name} = {', '.join(str(held[i][n]) for i in lemma.rows)}" for n, f in enumerate(lemma.fields)]
    shown_rows = sorted({*found.best, *(found.stated or ())} & found.scores.keys())
    table += [f"  row {j} scores {_score(found.scores[j])}" for j in shown_rows]
    others = [j for j in found.scores if j not in shown_rows]
    if others:
        best = max(others, key=lambda j: found.scores[j])
        table.append(f"  the best other row is {best} with {_score(found.scores[best])}")
    return Witness(summary, (), tuple([f"rows {lemma.low}..{lemma.high}", *table] + ([found.fault] if found.fault else [])))


def of_lemma_fault(lemma: Lemma, held: Held, i: int, fault: str) -> Witness:
    """Values of the fields for which a head is undefined."""
    table = [f"{f.name} = {', '.join(str(held[i][n]) for i in lemma.rows)}" for n, f in enumerate(lemma.fields)]
    return Witness(f"row {i} is undefined: {fault}", (), (f"rows {lemma.low}..{lemma.high}", *table))


def _some_rows(rows: tuple[int, ...]) -> str:
    return f"{'row' if len(rows) == 1 else 'rows'} {', '.join(map(str, rows))}"


def _score(x: Exact) -> str:
    if not isinstance(x, Fraction):
        return f"{float(x):.6g}"
    return str(x) if x.denominator < 1000 else about(x)


def of_routing(
    j: Delivers,
    routing: Iterable[tuple[int, int]],
    sent: dict[int, list[str]],
    got: dict[int, list[str]],
    adversary: Adversary = NEAREST,
) -> Witness:
    """A routing that is not delivered."""
    shown = ", ".join(f"{i} to {d}" for i, d in routing)
    name = j.circuit.packets[0].name
    first = next(w for w in sent if sent[w] != got[w])
    reader = f"machine {first}" if j.circuit.finish is None else f"row {first} as machine {readers(j.circuit)[first]}"
    return Witness(
        f"{reader} reads {got[first]}, sent were {sent[first]}",
        (),
        (*_rung(j.circuit, adversary), f"routing of {name}: {shown}"),
    )


def _box(messages: Iterable[Message]) -> str:
    return " ".join(sorted(f"{m.tag}({','.join(map(str, m.words))})<{m.source}" for m in messages)) or "-"


def _rung(c: Circuit, adversary: Adversary) -> list[str]:
    """The numbers of the rung, below exact."""
    if c.rung == "exact":
        return []
    if c.rung == "softmax":
        return [f"softmax with scale {c.scale}"]
    return [f"{adversary}: scale {c.scale}, fraction {c.fraction}, integer {c.integer}"]


def _off(c: Circuit, words: Words, run: CircuitRun, layer: int, i: int) -> list[str]:
    """The coordinate of row i of X^layer that is farthest from that of hardmax."""
    if c.rung == "exact":
        return []
    exact = replay_circuit(c.at("exact"), words)
    if layer >= min(len(exact.rows), len(run.rows)):
        return ["  the circuit is undefined with hardmax as well"] if exact.fault is not None else []
    mine, theirs = run.rows[layer][i], exact.rows[layer][i]

    def distance(k: int) -> Fraction:
        return max(abs(x - bounds(theirs.get(k, 0))[0]) for x in bounds(mine.get(k, 0)))

    far = max(sorted({*mine, *theirs}), key=distance, default=0)
    if not far or distance(far) == 0:
        return [f"  row {i} is what it is with hardmax"]
    return [f"  row {i}, coordinate {far} after layer {layer}: {_decimal(mine.get(far, 0))}, with hardmax {theirs.get(far, 0)}"]


def _decimal(x: Number) -> str:
    return f"{x} = {about(x)}" if isinstance(x, Fraction) and x.denominator != 1 else str(x)


def _side_by_side(c: Circuit, p: Protocol, words: Words, adversary: Adversary) -> list[str]:
    """MachineIn of each round beside what the circuit's rows read, from the first layer where they differ on."""
    left, right = replay_protocol(p, words), replay_circuit(c, words, adversary)
    lines = _rung(c, adversary)
    start = len(lines)
    for layer in range(2, min(len(left.inboxes), len(right.inboxes) - 1) + 1):
        mine, theirs = left.inboxes[layer - 1], right.inboxes[layer]
        token = right.machines if layer == len(c.layers) else {i: i for i in mine}
        parted = [(w, i) for w, i in token.items() if _box(mine.get(i, ())) != _box(theirs.get(w, ()))]
        if parted:
            w, i = parted[0]
            lines.append(f"they part at layer {layer} ({c.layers[layer - 1].name}), machine {i} = token {w}:")
            lines += [
                f"  machine {i}  MachineIn^({layer})  {_box(mine.get(i, ()))}",
                f"  token {w}    reads          {_box(theirs.get(w, ()))}",
                *_off(c, words, right, layer, w),
            ]
            break
    if len(lines) == start:
        lines.append(
            f"they part at layer {len(c.layers)} ({c.layers[-1].name}), in the output:"
            if right.fault is None
            else f"the circuit is undefined: {right.fault.place}: {right.fault}"
        )
        if left.fault is None and right.fault is None:
            keys = words_of(p.outputs)
            wrong = next(w for w, key in enumerate(keys, 1) if _word(left.outputs, key) != _word(right.outputs, key))
            lines += _off(c, words, right, len(c.layers), wrong)
    return [*lines, f"  protocol {shown(left.outputs)}", f"  circuit  {shown(right.outputs)}"]


def _traffic(p: Protocol, words: Words) -> list[str]:
    run = replay_protocol(p, words)
    lines = [
        f"round {o.round} ({p.rounds[o.round - 1].name}): machine {o.machine} {o.kind} {o.words} words, memory {p.memory}"
        for o in run.overflow
    ]
    if run.fault is not None:
        lines.append(f"{run.fault.place}: {run.fault}")
    return lines + [f"round {r + 1} ({p.rounds[r].name}): keeps number {k + 1} is false" for r, k in run.keeps_fail]


def _word(outputs: Words, key: tuple[str, int]) -> int:
    name, k = key
    return outputs[name][k - 1]


def _protocol_outputs(p: Protocol, words: Words) -> list[str]:
    return [f"protocol {p.name}: {line}" for line in _outputs(p, words, NEAREST)]


def _outputs(m: Protocol | Circuit, words: Words, adversary: Adversary) -> list[str]:
    run = replay_protocol(m, words) if isinstance(m, Protocol) else replay_circuit(m, words, adversary)
    lines = _rung(m, adversary) if isinstance(m, Circuit) else []
    return [*lines, f"output {shown(run.outputs)}"] + ([] if run.fault is None else [f"{run.fault.place}: {run.fault}"])
