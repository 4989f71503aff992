"""Runs of the replay interpreters as tables."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from checker.kernel.replay.circuit import CircuitRun
from checker.kernel.replay.enclosures import Number
from checker.kernel.replay.expressions import Message
from checker.kernel.replay.heads import Look, Looks
from checker.kernel.replay.protocol import ProtocolRun
from checker.models.circuit import Circuit
from checker.models.protocol import Array, Protocol, held

Words = dict[str, tuple[int, ...]]
COORDINATES = 12
NUMBERS = 4  # of a vector in a message
FAINT = Fraction(1, 1_000)  # weights below that are counted only


def table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    """Columns as wide as they need to be."""
    widths = [max(len(row[k]) for row in (header, *rows)) for k in range(len(header))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (header, *rows)]


def _entries(arrays: tuple[Array, ...], words: Words, machine: int, memory: int) -> list[str]:
    return [
        f"{a.name}[{k}]={words[a.name][k - 1]}" for a in arrays if a.name in words for k in held(arrays, a.name, machine, memory)
    ]


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(texts) or "-"


def _cost(p: Protocol, messages: Iterable[Message]) -> int:
    return sum(p.cost(m.tag) for m in messages)


def _message(m: Message) -> str:
    numbers = [] if m.vector is None else [_vector(m.vector)]
    return f"{m.tag}({', '.join([*map(str, m.words), *numbers])})"


def _vector(numbers: tuple[Number, ...]) -> str:
    """Its first numbers, to six digits."""
    shown = [x if isinstance(x, str) else f"{float(x):.6g}" for x in (_short(x) for x in numbers[:NUMBERS])]
    return f"({', '.join(shown)}{f', ... {len(numbers)} numbers' if len(numbers) > NUMBERS else ''})"


def _short(x: Number) -> str | Fraction:
    return Fraction(x) if isinstance(x, int | Fraction) else str(x)


def protocol_trace(p: Protocol, words: Words, run: ProtocolRun) -> list[str]:
    """Rounds x machines: what a machine knows, what it sends, and how many words it holds, sends and receives."""
    rows: list[tuple[str, ...]] = []
    named: set[str] = set()
    for r, inboxes in enumerate(run.inboxes):
        last = r == len(p.rounds)
        name = "finish" if last else f"{r + 1} {p.rounds[r].name}"
        for i, inbox in inboxes.items():
            dealt = _entries(p.inputs, words, i, p.packing) if r == 0 else []
            knows = _listed([*dealt, *(f"{_message(m)} from {m.source}" for m in inbox)])
            sent = run.sent[r].get(i, ()) if r < len(run.sent) else ()
            does = [f"{_message(m)} to {m.destination}" for m in sent]
            if last:
                does = _entries(p.outputs, run.outputs, i, p.packing)
            if p.numeric and not (dealt or inbox or does):
                continue  # very many machines, most of them idle in most rounds
            received = str(_cost(p, run.inboxes[r + 1][i])) if r + 1 < len(run.inboxes) else "-"
            rows.append(
                (
                    "" if name in named else name,
                    str(i),
                    knows,
                    str(len(dealt) + _cost(p, inbox)),
                    _listed(does),
                    "-" if last else str(_cost(p, sent)),
                    received,
                )
            )
            named.add(name)
    counts = f"machines {p.machines}, memory {p.memory}, word {p.word}, rounds {len(p.rounds) + 1}"
    return [counts, *table(("round", "machine", "knows", "held", "sends", "sent", "received"), rows)]


def circuit_trace(c: Circuit, run: CircuitRun) -> list[str]:
    """Layers x rows: what a row reads, and what is in the residual stream after the layer (nonzero coordinates)."""
    rows: list[tuple[str, ...]] = []
    for k, x in enumerate(run.rows):
        inboxes = run.inboxes[k - 1] if k else {}
        for place, (i, coordinates) in enumerate(x.items()):
            name = "" if place else ("input" if k == 0 else f"{k} {c.layers[k - 1].name}")
            reads = _listed(f"{_message(m)} from {m.source}" for m in inboxes.get(i, ()))
            shown = [f"{j}:{v}" for j, v in sorted(coordinates.items()) if v]
            more = [f"... {len(shown) - COORDINATES} more"] if len(shown) > COORDINATES else []
            rows.append((name, str(i), reads, _listed(shown[:COORDINATES] + more)))
    for place, (w, i) in enumerate(run.machines.items()):
        reads = _listed(f"{_message(m)} from {m.source}" for m in run.inboxes[-1].get(w, ()))
        rows.append(("" if place else "finish", str(w), reads, f"as machine {i}"))
    counts = f"rows {c.rows.start}..{c.rows.stop - 1}, width {c.width}, layers {len(c.layers)}"
    return [counts, *table(("layer", "row", "reads", "coordinates after"), rows)]


def attention_trace(c: Circuit, layers: tuple[tuple[Looks, ...], ...]) -> list[str]:
    """Layers x heads x rows: the rows that a row attends to, each with its weight; neighbours of one weight together."""
    rows: list[tuple[str, ...]] = []
    for k, (layer, heads) in enumerate(zip(c.layers, layers, strict=False), 1):
        for h, (head, looks) in enumerate(zip(layer.heads, heads, strict=True)):
            for place, (i, look) in enumerate(looks.items()):
                rows.append(("" if place or h else f"{k} {layer.name}", "" if place else head.name, str(i), _weights(look)))
    valid = ", every head rounded to the nearest" if c.rung == "rounded" else ""
    return [f"attention on the rung {c.rung}{valid}", *table(("layer", "head", "row", "attends to rows (weight of each)"), rows)]


def _weights(look: Look) -> str:
    """The heaviest first."""
    shown: list[tuple[int, int, str]] = []
    for j, (low, high) in sorted(look.weights.items(), key=lambda x: (-x[1][0], x[0])):
        if high < FAINT:
            continue
        weight = str(low) if low == high and low.denominator <= 10_000 else _decimal(low, high)
        if shown and shown[-1][1:] == (j - 1, weight):
            shown[-1] = (shown[-1][0], j, weight)
        else:
            shown.append((j, j, weight))
    faint = sum(high < FAINT for _, high in look.weights.values())
    more = [f"{faint} more below {float(FAINT)}"] if faint else []
    return _listed([f"{first if first == last else f'{first}..{last}'} ({weight})" for first, last, weight in shown] + more)


def _decimal(low: Fraction, high: Fraction) -> str:
    """To four digits, if the bounds agree in them."""
    least, most = f"{float(low):.4f}", f"{float(high):.4f}"
    return least if least == most else f"{least}..{most}"
