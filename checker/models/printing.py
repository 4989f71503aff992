"""A model back to a definition, and so to text: closed, with the functions it calls."""

from __future__ import annotations

from checker.language import printer
from checker.language import syntax as s
from checker.models.circuit import Circuit, Local, Selector
from checker.models.lemma import Lemma
from checker.models.protocol import Array, MessageType, Protocol

Model = Protocol | Circuit | Lemma


def _array(a: Array, word: int, readout: s.Expr | None = None) -> s.ArrayDeclaration:
    of = s.WordType() if (a.low, a.high) == (0, 2**word - 1) else s.RangeType(s.Number(a.low), s.Number(a.high))
    return s.ArrayDeclaration(a.name, s.Number(a.size), of, readout)


def _message(m: MessageType, word: int) -> s.MessageDeclaration:
    words: tuple[s.Type | s.NumbersType, ...] = tuple(
        s.WordType() if r == (0, 2**word - 1) else s.RangeType(s.Number(r[0]), s.Number(r[1])) for r in m.words
    )
    if m.numbers is not None:
        step = None if m.numbers.step is None else s.Number(m.numbers.step)
        words = (*words, s.NumbersType(s.Number(m.numbers.count), step))
    return s.MessageDeclaration(m.tag, words)


def protocol_definition(p: Protocol) -> s.ProtocolDefinition:
    """The definition without parameters that closes to an equal protocol."""
    return s.ProtocolDefinition(
        p.name,
        (),
        None,
        (),
        tuple(
            (key, s.Number(value))
            for key in ("word", "memory", "address", "machines")
            if (value := getattr(p, key)) or key != "address"
        ),
        tuple(_array(a, p.word) for a in p.inputs),
        tuple(_array(a, p.word) for a in p.outputs),
        p.requires,
        tuple(_message(m, p.word) for m in p.messages),
        tuple(s.RoundDeclaration(r.name, None, r.keeps, r.body) for r in p.rounds),
        p.finish,
    )


def _selector(x: Selector) -> s.SelectorByName | s.SelectorByTable:
    if x.name == "table":
        return s.SelectorByTable(x.rows)
    return s.SelectorByName(x.name, tuple(s.Number(a) for a in x.arguments))


def _local(x: Local) -> s.LocalDeclaration:
    return s.LocalDeclaration(s.Number(x.low), s.Number(x.high), x.reads, x.body, x.machine)


def circuit_definition(c: Circuit) -> s.CircuitDefinition:
    """The definition without parameters that closes to an equal circuit."""
    return s.CircuitDefinition(
        c.name,
        (),
        None,
        (),
        tuple(
            (key, s.Number(value))
            for key in ("word", "tokens", "width", "blank", *s.NUMBERS)
            if (value := getattr(c, key)) is not None
        ),
        c.start,
        tuple(_array(a, c.word) for a in c.inputs),
        tuple(_array(a, c.word, r) for a, r in zip(c.outputs, c.readouts or (None,) * len(c.outputs), strict=True)),
        c.requires,
        tuple(_message(m, c.word) for m in c.messages),
        tuple(
            s.PacketsDeclaration(
                p.name,
                p.tags,
                s.Number(p.at),
                s.Number(p.machines),
                s.Number(p.messages),
                _selector(p.selector),
                s.Number(p.heard),
            )
            for p in c.packets
        ),
        tuple(
            s.LayerDeclaration(
                x.name,
                None,
                None if x.local is None else _local(x.local),
                tuple(s.HeadDeclaration(h.name, h.query, h.key, h.value) for h in x.heads),
                x.mask,
            )
            for x in c.layers
        ),
        None if c.finish is None else _local(c.finish),
    )


def lemma_definition(x: Lemma) -> s.LemmaDefinition:
    """The definition without parameters that closes to an equal lemma."""
    fields = tuple(s.FieldDeclaration(f.name, f.low, f.high) for f in x.fields)
    low, high = s.Number(x.low), s.Number(x.high)
    return s.LemmaDefinition(x.name, (), None, (), low, high, x.mask, fields, x.assumptions, x.query, x.key, x.reads)


def definition(m: Model) -> s.Definition:
    """The definition without parameters that closes to an equal model."""
    match m:
        case Protocol():
            return protocol_definition(m)
        case Circuit():
            return circuit_definition(m)
        case Lemma():
            return lemma_definition(m)


def text(*models: Model) -> str:
    """The models one after the other, after the functions and the circuits that they use."""
    circuits = {c.name: c for m in models if isinstance(m, Protocol) for c in m.circuits}
    whole = (*circuits.values(), *(m for m in models if m not in circuits.values()))
    functions = {f.name: f for m in whole for f in m.functions}
    return "\n\n".join(printer.item(d) for d in (*functions.values(), *map(definition, whole))) + "\n"
