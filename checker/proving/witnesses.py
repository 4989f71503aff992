"""A counterexample as a table, from the replay interpreters: where the two sides part first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from checker.kernel.enumeration import shown
from checker.kernel.judgements import Computes, Fits, ForReals, Simulates
from checker.kernel.proofs import Witness
from checker.kernel.replay.circuit import replay_circuit
from checker.kernel.replay.expressions import Fault, Message, Scope, Value, by_name, evaluate
from checker.kernel.replay.protocol import replay_protocol
from checker.language import syntax as s
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol

Words = dict[str, tuple[int, ...]]


def of_input(j: Fits | Simulates | Computes, words: Words, wrong: str) -> Witness:
    """The witness for one input that replay has confirmed."""
    match j:
        case Simulates(c, p):
            table = _side_by_side(c, p, words)
        case Fits(p):
            table = _traffic(p, words)
        case Computes():
            table = _outputs(j.subject, words)
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


def of_routing(name: str, routing: Iterable[tuple[int, int]], sent: dict[int, list[str]], got: dict[int, list[str]]) -> Witness:
    """A routing that is not delivered."""
    shown = ", ".join(f"{i} to {d}" for i, d in routing)
    first = next(i for i in sent if sent[i] != got[i])
    return Witness(f"machine {first} reads {got[first]}, sent were {sent[first]}", (), (f"routing of {name}: {shown}",))


def _box(messages: Iterable[Message]) -> str:
    return " ".join(sorted(f"{m.tag}({','.join(map(str, m.words))})<{m.source}" for m in messages)) or "-"


def _side_by_side(c: Circuit, p: Protocol, words: Words) -> list[str]:
    """MachineIn of each round beside what the circuit's rows read, from the first layer where they differ on."""
    left, right = replay_protocol(p, words), replay_circuit(c, words)
    lines: list[str] = []
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
            ]
            break
    if not lines:
        lines.append(
            f"they part at layer {len(c.layers)} ({c.layers[-1].name}), in the output:"
            if right.fault is None
            else f"the circuit is undefined: {right.fault.place}: {right.fault}"
        )
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


def _outputs(m: Protocol | Circuit, words: Words) -> list[str]:
    run = replay_protocol(m, words) if isinstance(m, Protocol) else replay_circuit(m, words)
    return [f"output {shown(run.outputs)}"] + ([] if run.fault is None else [f"{run.fault.place}: {run.fault}"])
