"""A definition at numbers: parameters substituted, loops of rounds and layers unrolled, everything static a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import Any, TypeVar

from checker.elaboration.folding import A_NUMBER, FALSE, TRUE, Folder, called, deep, literal, static
from checker.language import printer
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models import circuit as c
from checker.models.protocol import Array, MessageType, Protocol, Round

__all__ = ["FALSE", "TRUE", "close_circuit", "close_protocol", "fold", "static"]

MAX_WORD = 300
MAX_MACHINES = 100_000
MAX_WIDTH = 10_000_000
MAX_MEMORY = 10_000_000
MAX_SIZE = 1_000_000
MAX_ROUNDS = 10_000
MAX_SCALE = 1_000_000
MAX_BITS = 4_096
NOTHING: Mapping[str, int] = {}
X = TypeVar("X")


def fold(
    e: s.Expr,
    constants: Mapping[str, int | Fraction],
    functions: Mapping[str, s.FunctionDefinition],
    unbound: tuple[str, ...] = (),
) -> s.Expr:
    """The expression with constants substituted and everything static a number (or TRUE, FALSE).

    `unbound` names mean something else than a constant or a function of that name: they stay.
    """
    with deep():
        env = {name: literal(value) for name, value in constants.items()}
        return Folder(functions).expr(e, {**env, **{name: s.Name(name) for name in unbound}})


class _Closer:
    """One definition at one choice of its parameters."""

    def __init__(
        self,
        kind: str,
        d: s.ProtocolDefinition | s.CircuitDefinition,
        arguments: Mapping[str, int],
        functions: Mapping[str, s.FunctionDefinition],
    ) -> None:
        self.folder = Folder(functions)
        self.env: dict[str, s.Expr] = {a.name: s.Name(a.name) for a in (*d.inputs, *d.outputs)}
        if set(arguments) != set(d.parameters):
            raise spec_error(
                "ARITY",
                f"expected values of ({', '.join(d.parameters)}) for {kind} {d.name}, found ({', '.join(arguments)})",
                d.span,
            )
        for name, value in arguments.items():
            self.env[name] = s.Number(value)
        if d.where is not None:
            known = static(self.expr(d.where))
            if not isinstance(known, bool):
                raise spec_error(
                    "STATIC", f"expected a condition on numbers, found `{printer.expression(d.where)}`", d.where.span
                )
            if not known:
                values = ", ".join(f"{k} = {v}" for k, v in arguments.items())
                raise spec_error(
                    "INSTANCE", f"{kind} {d.name} expects {printer.expression(d.where)}, found {values}", d.where.span
                )
        for let in d.lets:
            value_ = self.expr(let.value)
            if static(value_) is None:
                raise spec_error(
                    "STATIC",
                    f"expected a value of {let.name} known from the parameters, found `{printer.expression(value_)}`",
                    let.value.span,
                )
            self.env[let.name] = value_
        self.settings = {key: (self.whole(e), e.span) for key, e in d.settings}
        self.word = self.setting("word", 1, MAX_WORD)

    def inside(self, bound: Mapping[str, int]) -> dict[str, s.Expr]:
        self.folder.work = 0
        return {**self.env, **{k: s.Number(v) for k, v in bound.items()}}

    def expr(self, e: s.Expr, bound: Mapping[str, int] = NOTHING, unbound: str = "") -> s.Expr:
        """Folded, with the names of the loop bound to numbers and one name of a number held open."""
        env = self.inside(bound)
        return self.folder.expr(e, {**env, unbound: A_NUMBER} if unbound else env)

    def body(self, body: tuple[s.Statement, ...], bound: Mapping[str, int] = NOTHING) -> tuple[s.Statement, ...]:
        return self.folder.block(body, self.inside(bound))

    def conditions(self, es: tuple[s.Expr, ...], bound: Mapping[str, int] = NOTHING) -> tuple[s.Expr, ...]:
        """Folded, without those that always hold."""
        folded = (self.expr(e, bound) for e in es)
        return tuple(e for e in folded if static(e) is not True)

    def number(self, e: s.Expr, bound: Mapping[str, int] = NOTHING) -> int | Fraction:
        value = static(folded := self.expr(e, bound))
        if value is None or isinstance(value, bool):
            raise spec_error(
                "STATIC", f"expected a number known from the parameters, found `{printer.expression(folded)}`", e.span
            )
        return value

    def whole(self, e: s.Expr, bound: Mapping[str, int] = NOTHING) -> int:
        value = self.number(e, bound)
        if isinstance(value, Fraction):
            raise spec_error("STATIC", f"expected a whole number, found {value}", e.span)
        return value

    def setting(self, key: str, least: int, most: int) -> int:
        value, span = self.settings[key]
        return self.limited(key, value, least, most, span)

    def limited(self, what: str, value: int, least: int, most: int, span: Span) -> int:
        if value < least:
            raise spec_error("SIZE", f"expected {what} >= {least}, found {value}", span)
        if value > most:
            raise spec_error("TOO_LARGE", f"expected {what} <= {most}, found {value}", span)
        return value

    def type(self, t: s.Type) -> tuple[int, int]:
        if isinstance(t, s.WordType):
            return (0, 2**self.word - 1)
        low, high = self.whole(t.low), self.whole(t.high)
        if low < 0:
            raise spec_error("RANGE", f"expected a range from 0 or more on, found {low}..{high}", t.span)
        if high < low:
            raise spec_error("RANGE", f"expected a range that is not empty, found {low}..{high}", t.span)
        if high > 2**self.word - 1:
            raise spec_error(
                "RANGE",
                f"expected a range within a word of {self.word} bits (0..{2**self.word - 1}), found {low}..{high}",
                t.span,
            )
        return (low, high)

    def arrays(self, declarations: tuple[s.ArrayDeclaration, ...], room: int, where: str) -> tuple[Array, ...]:
        result: list[Array] = []
        used = 0
        for d in declarations:
            size = self.limited(f"size of {d.name}", self.whole(d.size), 1, MAX_SIZE, d.size.span)
            used += size
            if used > room:
                raise spec_error(
                    "FIT", f"expected arrays that fit into {where} ({room} words), found {used} words up to {d.name}", d.span
                )
            result.append(Array(d.name, size, *self.type(d.type)))
        return tuple(result)

    def messages(self, declarations: tuple[s.MessageDeclaration, ...]) -> tuple[MessageType, ...]:
        for d in declarations:
            if not d.words:
                raise spec_error("SIZE", f"expected at least one word in a message {d.tag}, found none", d.span)
        return tuple(MessageType(d.tag, tuple(self.type(t) for t in d.words)) for d in declarations)

    def unrolled(self, name: str, each: s.ForEach | None, make: Callable[[str, dict[str, int]], X], so_far: int) -> list[X]:
        """One round or layer, or one for every value of its variable."""
        if each is None:
            return [make(name, {})]
        low, high = self.whole(each.low), self.whole(each.high)
        if low < 0 <= high:
            raise spec_error("RANGE", f"expected a loop from 0 or more on, found {low}..{high}", each.span)
        total = so_far + high - low + 1
        if total > MAX_ROUNDS:
            raise spec_error("TOO_LARGE", f"expected at most {MAX_ROUNDS} rounds or layers, found {total}", each.span)
        return [make(f"{name}_{t}", {each.variable: t}) for t in range(max(low, 0), high + 1)]


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


def close_protocol(d: s.ProtocolDefinition, arguments: dict[str, int], functions: Mapping[str, s.FunctionDefinition]) -> Protocol:
    """The protocol at these parameters; `SpecError` if there is none."""
    with deep():
        close = _Closer("protocol", d, arguments, functions)
        memory, machines = close.setting("memory", 1, MAX_MEMORY), close.setting("machines", 1, MAX_MACHINES)
        where = f"{machines} machines of {memory} words"
        inputs = close.arrays(d.inputs, memory * machines, where)
        outputs = close.arrays(d.outputs, memory * machines, where)
        rounds: list[Round] = []
        for r in d.rounds:
            rounds += close.unrolled(
                r.name,
                r.each,
                lambda name, bound, r=r: Round(  # type: ignore[misc]
                    name, close.conditions(r.keeps, bound), _output_ranges(close.body(r.body, bound), outputs, memory)
                ),
                len(rounds),
            )
        requires, finish = close.conditions(d.requires), _output_ranges(close.body(d.finish), outputs, memory)
        used = called(functions, requires, tuple(rounds), finish)
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
        )


def _cases(close: _Closer, cases: tuple[s.Case, ...], bound: dict[str, int]) -> tuple[s.Case, ...]:
    result: list[s.Case] = []
    for case in cases:
        condition = None if case.condition is None else close.expr(case.condition, bound)
        known = True if condition is None else static(condition)
        if known is False:
            continue
        result.append(s.Case(close.expr(case.value, bound), None if known is True else condition, span=case.span))
        if known is True:
            break
    return tuple(result) or (s.Case(s.Call("zeros", (s.Number(1),)), None),)


def _reads(close: _Closer, r: s.ReadsPackets | s.ReadsInput, bound: dict[str, int]) -> s.ReadsPackets | s.ReadsInput:
    if isinstance(r, s.ReadsPackets):
        return r
    return s.ReadsInput(
        r.array,
        r.variable,
        close.expr(r.value, bound, r.variable),
        close.expr(r.low, bound),
        close.expr(r.high, bound),
        span=r.span,
    )


def _local(close: _Closer, d: s.LocalDeclaration, rows: range, bound: dict[str, int]) -> c.Local:
    low, high = close.whole(d.low, bound), close.whole(d.high, bound)
    if low <= high and (low not in rows or high not in rows):
        raise spec_error("RANGE", f"expected rows within {rows.start}..{rows.stop - 1}, found {low}..{high}", d.span)
    machine = None if d.machine is None else close.expr(d.machine, bound)
    return c.Local(low, high, tuple(_reads(close, r, bound) for r in d.reads), close.body(d.body, bound), machine)


def _finish(close: _Closer, d: s.LocalDeclaration, rows: range, outputs: tuple[Array, ...]) -> c.Local:
    local, words = _local(close, d, rows, {}), sum(a.size for a in outputs)
    if (local.low, local.high) != (1, words):
        raise spec_error(
            "RANGE", f"expected the rows of the output words, 1..{words}, in finish, found {local.low}..{local.high}", d.span
        )
    return local


def _layer(close: _Closer, d: s.LayerDeclaration, rows: range, name: str, bound: dict[str, int]) -> c.Layer:
    heads = tuple(
        c.Head(h.name, _cases(close, h.query, bound), _cases(close, h.key, bound), _cases(close, h.value, bound)) for h in d.heads
    )
    return c.Layer(name, None if d.local is None else _local(close, d.local, rows, bound), heads)


def _selector(close: _Closer, d: s.SelectorByName | s.SelectorByTable) -> tuple[c.Selector, int]:
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


def _packets(close: _Closer, d: s.PacketsDeclaration, messages: tuple[MessageType, ...], width: int) -> c.Packets:
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
    if d.mask is not None or d.fields or any(x.mask is not None or x.fields for x in d.layers):
        raise spec_error("MASK", f"expected no mask and no fields in {d.name}, found some: they have no meaning yet", d.span)
    with deep():
        close = _Closer("circuit", d, arguments, functions)
        tokens, width = close.setting("tokens", 1, MAX_MACHINES), close.setting("width", 1, MAX_WIDTH)
        blank = close.setting("blank", 0, MAX_MACHINES) if "blank" in close.settings else 0
        rows = range(0 if d.start else 1, tokens + blank + 1)
        inputs = close.arrays(d.inputs, tokens, "the tokens")
        outputs = close.arrays(d.outputs, tokens + blank, "the rows")
        readouts = [close.expr(a.readout) for a in d.outputs if a.readout is not None]
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
                lambda name, bound, x=x: _layer(  # type: ignore[misc]
                    close, x, rows, name, bound
                ),
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


def _numbers(close: _Closer, d: s.CircuitDefinition) -> tuple[int | None, int | None, int | None]:
    """Scale, fraction and integer bits: the latter two together, and only with a scale."""
    given = [key in close.settings for key in s.NUMBERS]
    if given[1] != given[2] or given[1] > given[0]:
        found = ", ".join(key for key in s.NUMBERS if key in close.settings)
        raise spec_error("DECLARATION", f"expected scale alone or with fraction and integer, found {found}", d.span)
    limits = {"scale": MAX_SCALE, "fraction": MAX_BITS, "integer": MAX_BITS}
    scale, fraction, integer = (close.setting(key, 0, limits[key]) if key in close.settings else None for key in s.NUMBERS)
    return scale, fraction, integer
