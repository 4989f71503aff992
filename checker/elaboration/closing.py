"""A definition at numbers: parameters substituted, loops of rounds and layers unrolled, everything static a number."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

from checker.elaboration.closer import Closer, fold
from checker.elaboration.folding import A_NUMBER, FALSE, TRUE, called, deep, static
from checker.elaboration.masks import check_rows
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models import circuit as c
from checker.models.protocol import Array, MessageType, Protocol, Round

__all__ = ["FALSE", "TRUE", "close_circuit", "close_protocol", "fold", "static"]

NO_CIRCUITS: Mapping[str, s.CircuitDefinition] = {}
MAX_MACHINES = 100_000
MAX_WIDTH = 10_000_000
MAX_MEMORY = 10_000_000
MAX_SCALE = 2**64
MAX_BITS = 4_096


def _output_ranges(node: Any, outputs: tuple[Array, ...], memory: int) -> Any:
    """`k in held(y)`, y an output, written out: s * (self - 1) + 1 - offset .. s * self - offset, within 1..size."""
    if isinstance(node, s.OverHeld):
        offset = 0
        for a in outputs:
            if a.name == node.array:
                first = s.Binary(
                    "+", s.Binary("*", s.Number(memory), s.Binary("-", s.Name("self"), s.Number(1))), s.Number(1 - offset)
                )
                last = s.Binary("-", s.Binary("*", s.Number(memory), s.Name("self")), s.Number(offset))
                low = s.Call("max", (s.Number(1), first))
                high = s.Call("min", (last, s.Number(a.size)))
                return s.OverRange(node.variable, fold(low, {}, {}), fold(high, {}, {}), span=node.span)
            offset += a.size
        return node
    if isinstance(node, tuple):
        return tuple(_output_ranges(x, outputs, memory) for x in node)
    if is_dataclass(node) and not isinstance(node, (type, Span)):
        return replace(
            node, **{f.name: _output_ranges(getattr(node, f.name), outputs, memory) for f in fields(node) if f.name != "span"}
        )
    return node


def close_protocol(
    d: s.ProtocolDefinition,
    arguments: dict[str, int],
    functions: Mapping[str, s.FunctionDefinition],
    circuits: Mapping[str, s.CircuitDefinition] = NO_CIRCUITS,
) -> Protocol:
    """The protocol at these parameters; `SpecError` if there is none. `circuits` are those whose functions it may call."""
    with deep():
        close = Closer("protocol", d, arguments, functions)
        memory, machines = close.setting("memory", 1, MAX_MEMORY), close.setting("machines", 1, MAX_MACHINES)
        address = close.setting("address", 0, MAX_MEMORY) if "address" in close.settings else 0
        packing = memory // (1 + address)
        where = f"{machines} machines of {memory} words"
        inputs = close.arrays(d.inputs, packing * machines, where)
        outputs = close.arrays(d.outputs, packing * machines, where)
        rounds: list[Round] = []
        for r in d.rounds:
            rounds += close.unrolled(
                r.name,
                r.each,
                lambda name, bound, r=r: Round(  # type: ignore[misc]
                    name, close.conditions(r.keeps, bound), _output_ranges(close.body(r.body, bound), outputs, packing)
                ),
                len(rounds),
            )
        requires, finish = close.conditions(d.requires), _output_ranges(close.body(d.finish), outputs, packing)
        used = called(functions, requires, tuple(rounds), finish)
        named = s.circuits_called((tuple(r.body for r in rounds), finish))
        return Protocol(
            d.name,
            close.word,
            memory,
            machines,
            inputs,
            outputs,
            requires,
            close.messages(d.messages),
            tuple(rounds),
            finish,
            used,
            tuple(close_circuit(circuits[name], {}, functions) for name in circuits if name in named),
            address,
        )


def _reads(close: Closer, r: s.ReadsPackets | s.ReadsInput, bound: dict[str, int]) -> s.ReadsPackets | s.ReadsInput:
    if isinstance(r, s.ReadsPackets):
        return r
    return s.ReadsInput(
        r.array,
        r.variable,
        close.expr(r.value, bound, {r.variable: A_NUMBER}),
        close.expr(r.low, bound),
        close.expr(r.high, bound),
        span=r.span,
    )


def _local(close: Closer, d: s.LocalDeclaration, rows: range, bound: dict[str, int]) -> c.Local:
    low, high = close.whole(d.low, bound), close.whole(d.high, bound)
    if low <= high and (low not in rows or high not in rows):
        raise spec_error("RANGE", f"expected rows within {rows.start}..{rows.stop - 1}, found {low}..{high}", d.span)
    machine = None if d.machine is None else close.expr(d.machine, bound)
    return c.Local(low, high, tuple(_reads(close, r, bound) for r in d.reads), close.body(d.body, bound), machine)


def _finish(close: Closer, d: s.LocalDeclaration, rows: range, outputs: tuple[Array, ...]) -> c.Local:
    local, words = _local(close, d, rows, {}), sum(a.size for a in outputs)
    if (local.low, local.high) != (1, words):
        raise spec_error(
            "RANGE", f"expected the rows of the output words, 1..{words}, in finish, found {local.low}..{local.high}", d.span
        )
    return local


class _Rows:
    """What the layers and readouts of a circuit have in common: its rows, its fields and its mask."""

    def __init__(self, close: Closer, d: s.CircuitDefinition, rows: range) -> None:
        self.close, self.rows = close, rows
        self.fields = close.fields(d.fields)
        self.own = d.mask
        self.mask = None if d.mask is None else close.mask(d.mask, {}, rows)
        self.checked: set[s.Expr] = set()

    def expr(self, e: s.Expr) -> s.Expr:
        return self.close.written_out(e, {}, self.fields)

    def layer(self, d: s.LayerDeclaration, name: str, bound: dict[str, int]) -> c.Layer:
        fields = self.close.fields(d.fields, bound, self.fields)

        def cases(given: tuple[s.Case, ...]) -> tuple[s.Case, ...]:
            return self.close.cases(given, lambda e: self.close.written_out(e, bound, fields))

        heads = tuple(c.Head(h.name, cases(h.query), cases(h.key), cases(h.value)) for h in d.heads)
        local = None if d.local is None else _local(self.close, d.local, self.rows, bound)
        mask = self.mask if d.mask is None else self.close.mask(d.mask, bound, self.rows)
        written = self.own if d.mask is None else d.mask
        if mask is not None and written is not None and mask not in self.checked:
            check_rows(mask, self.rows, f"layer {name}", self.close.folder.functions, written.span)
            self.checked.add(mask)
        return c.Layer(name, local, heads, mask)


def _selector(close: Closer, d: s.SelectorByName | s.SelectorByTable) -> tuple[c.Selector, int]:
    """The selector and its number of columns."""
    if isinstance(d, s.SelectorByTable):
        lengths = {len(row) for row in d.rows}
        if len(lengths) != 1 or 0 in lengths:
            raise spec_error("SELECTOR", f"expected rows of one length, found lengths {sorted(lengths)}", d.span)
        return c.Selector("table", (), d.rows), lengths.pop()
    arguments = tuple(close.limited(f"arguments of {d.name}", close.whole(a), 1, MAX_WIDTH, a.span) for a in d.arguments)
    match d.name, arguments:
        case ("identity", (columns,)) | ("random", (columns, _, _)):
            return c.Selector(d.name, arguments), columns
        case "kautz_singleton", (r, _, points):
            return c.Selector(d.name, arguments), r * points
    raise spec_error(
        "SELECTOR",
        "expected identity(d), kautz_singleton(r, k, L), random(d, b, seed) or a table,"
        f" found {d.name} with {len(arguments)} arguments",
        d.span,
    )


def _packets(close: Closer, d: s.PacketsDeclaration, messages: tuple[MessageType, ...], width: int) -> c.Packets:
    lengths = {m.tag: len(m.words) for m in messages}
    unknown = [t for t in d.tags if t not in lengths]
    if unknown or not d.tags:
        raise spec_error("NAME", f"expected message types of the circuit in packets {d.name}, found {', '.join(unknown)}", d.span)
    at = close.limited("coordinate", close.whole(d.at), 1, MAX_WIDTH, d.at.span)
    machines = close.limited("machines", close.whole(d.machines), 1, MAX_MACHINES, d.machines.span)
    most = close.limited("messages", close.whole(d.messages), 1, MAX_MEMORY, d.messages.span)
    selector, columns = _selector(close, d.selector)
    heard = close.number(d.heard)
    if heard < 0:
        raise spec_error("RANGE", f"expected heard >= 0, found {heard}", d.heard.span)
    last = at + columns * (max(lengths[t] for t in d.tags) + 5) - 1
    if last > width:
        raise spec_error("FIT", f"expected packets {d.name} within width {width}, found coordinates {at}..{last}", d.span)
    return c.Packets(d.name, d.tags, at, machines, most, selector, Fraction(heard))


def close_circuit(d: s.CircuitDefinition, arguments: dict[str, int], functions: Mapping[str, s.FunctionDefinition]) -> c.Circuit:
    """The circuit at these parameters; `SpecError` if there is none."""
    with deep():
        close = Closer("circuit", d, arguments, functions)
        tokens, width = close.setting("tokens", 1, MAX_MACHINES), close.setting("width", 1, MAX_WIDTH)
        blank = close.setting("blank", 0, MAX_MACHINES) if "blank" in close.settings else 0
        rows = range(0 if d.start else 1, tokens + blank + 1)
        inputs = close.arrays(d.inputs, tokens, "the tokens")
        outputs = close.arrays(d.outputs, tokens + blank, "the rows")
        over = _Rows(close, d, rows)
        readouts = [over.expr(a.readout) for a in d.outputs if a.readout is not None]
        for problem in unread_outputs(d):
            raise spec_error("DECLARATION", *problem)
        finish = None if d.finish is None else _finish(close, d.finish, rows, outputs)
        messages = close.messages(d.messages)
        packets = tuple(_packets(close, p, messages, width) for p in d.packets)
        layers: list[c.Layer] = []
        for x in d.layers:
            layers += close.unrolled(
                x.name,
                x.each,
                lambda name, bound, x=x: over.layer(x, name, bound),  # type: ignore[misc]
                len(layers),
            )
        requires = close.conditions(d.requires)
        used = called(functions, requires, tuple(readouts), tuple(layers), () if finish is None else finish)
        return c.Circuit(
            d.name,
            close.word,
            tokens,
            blank,
            width,
            d.start,
            inputs,
            outputs,
            tuple(readouts),
            requires,
            messages,
            packets,
            tuple(layers),
            used,
            *_numbers(close, d),
            finish,
        )


def unread_outputs(d: s.CircuitDefinition) -> Iterator[tuple[str, Span]]:
    """What is wrong with how the output is read off: each array has a readout, or none has one and there is a `finish`."""
    for a in d.outputs:
        if d.finish is None and a.readout is None:
            yield f"expected `= readout` behind output {a.name}, or a `finish` for all outputs, found neither", a.span
        if d.finish is not None and a.readout is not None:
            yield f"expected no readout of {a.name} beside `finish`, found both", a.span


def _numbers(close: Closer, d: s.CircuitDefinition) -> tuple[int | None, int | None, int | None]:
    """Scale, fraction and integer bits: the latter two together, and only with a scale."""
    given = [key in close.settings for key in s.NUMBERS]
    if given[1] != given[2] or given[1] > given[0]:
        found = ", ".join(key for key in s.NUMBERS if key in close.settings)
        raise spec_error("DECLARATION", f"expected scale alone or with fraction and integer, found {found}", d.span)
    limits = {"scale": MAX_SCALE, "fraction": MAX_BITS, "integer": MAX_BITS}
    scale, fraction, integer = (close.setting(key, 0, limits[key]) if key in close.settings else None for key in s.NUMBERS)
    return scale, fraction, integer
