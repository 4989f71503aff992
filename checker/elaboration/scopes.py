"""Names, numbers of arguments and types of definitions and statements, checked before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from checker.elaboration.closing import unread_outputs
from checker.elaboration.kinds import (
    ANY,
    ARRAY,
    BOOLEAN,
    FIELD,
    MASKS,
    NUMBER,
    RESERVED,
    SELECTORS,
    VECTOR,
    Expressions,
    Scope,
)
from checker.language import syntax as s
from checker.language.diagnostics import Span


class Definitions(Expressions):
    """Definitions and statements."""

    def function(self, d: s.FunctionDefinition) -> None:
        self.distinct("parameter", [(p, d.span) for p in d.parameters])
        self.kind(d.body, self.function_scope(d))

    def block(
        self,
        body: tuple[s.Statement, ...],
        scope: Scope,
        sends: Mapping[str, tuple[str, ...]] | None,
        outputs: tuple[str, ...] | None,
    ) -> None:
        """Statements; what may be sent and assigned here, None for nothing."""
        for st in body:
            match st:
                case s.Let(name, value):
                    kind = self.kind(value, scope)
                    self.distinct("constant", [(name, st.span)], (*RESERVED, *(k for k, x in scope.names.items() if x == ARRAY)))
                    scope = scope.bind(name, kind=kind)
                case s.Send():
                    self._send(st, scope, sends)
                case s.Choose(condition, then, otherwise):
                    self.want(condition, BOOLEAN, scope)
                    self.block(then, scope, sends, outputs)
                    self.block(otherwise, scope, sends, outputs)
                case s.Repeat(binder, inner):
                    self.block(inner, self.binder(binder, scope), sends, outputs)
                case s.Assign(array, index, value):
                    if outputs is None:
                        self.report("PLACE", "expected output words to be assigned in `finish`, found it in a round", st.span)
                    elif array not in outputs:
                        self.unknown("an output array", array, outputs, st.span)
                    self.want(index, NUMBER, scope)
                    self.want(value, NUMBER, scope)

    def _send(self, st: s.Send, scope: Scope, sends: Mapping[str, tuple[str, ...]] | None) -> None:
        if sends is None:
            self.report("PLACE", "expected no `send` in `finish`, found one", st.span)
        elif st.tag not in sends:
            self.unknown("a type of message", st.tag, sends, st.span)
        elif len(sends[st.tag]) != len(st.words):
            self.report("ARITY", f"expected {len(sends[st.tag])} words in a message {st.tag}, found {len(st.words)}", st.span)
        kinds = (sends or {}).get(st.tag, ())
        for k, e in enumerate(st.words):
            self.want(e, kinds[k] if k < len(kinds) else NUMBER, scope)
        self.want(st.destination, NUMBER, scope)

    def _constants(self, d: s.ProtocolDefinition | s.CircuitDefinition | s.LemmaDefinition) -> Scope:
        """Parameters, `where` and constants: the scope of constants."""
        scope = Scope(dict.fromkeys(d.parameters, NUMBER))
        if d.where is not None:
            self.want(d.where, BOOLEAN, scope)
        for let in d.lets:
            kind = self.kind(let.value, scope)
            if kind not in (NUMBER, BOOLEAN, ANY):
                self.report("TYPE", f"expected a constant that is a number, found a {kind}", let.value.span)
            scope = scope.bind(let.name, kind=kind)
        return scope

    def _head(self, d: s.ProtocolDefinition | s.CircuitDefinition) -> Scope:
        """Also settings, arrays, requires, messages."""
        scope = self._constants(d)
        for _, e in d.settings:
            self.want(e, NUMBER, scope)
        for a in (*d.inputs, *d.outputs):
            self.want(a.size, NUMBER, scope)
            self._types((a.type,), scope)
        for m in d.messages:
            self._types(m.words, scope)
        self.distinct("constant or array", [*_constants(d), *((x.name, x.span) for x in (*d.inputs, *d.outputs))])
        self.distinct("type of message", [(m.tag, m.span) for m in d.messages])
        whole = scope.bind(*(a.name for a in d.inputs), kind=ARRAY)
        for e in d.requires:
            self.want(e, BOOLEAN, whole)
        return scope

    def _types(self, types: tuple[s.Type | s.NumbersType, ...], scope: Scope) -> None:
        for t in types:
            if isinstance(t, s.NumbersType):
                self.want(t.count, NUMBER, scope)
                if t.step is not None:
                    self.want(t.step, NUMBER, scope)
                if t is not types[-1]:
                    self.report(
                        "TYPE", "expected one vector of numbers, behind the words of the message, found another place", t.span
                    )
            if isinstance(t, s.RangeType):
                self.want(t.low, NUMBER, scope)
                self.want(t.high, NUMBER, scope)

    def each(self, each: s.ForEach | None, scope: Scope) -> Scope:
        """The scope with the variable of a loop."""
        if each is None:
            return scope
        self.want(each.low, NUMBER, scope)
        self.want(each.high, NUMBER, scope)
        self.distinct("variable", [(each.variable, each.span)])
        return scope.bind(each.variable)

    def protocol(self, d: s.ProtocolDefinition) -> None:
        constants = self._head(d)
        arrays = tuple(a.name for a in d.inputs)
        outputs = tuple(a.name for a in d.outputs)
        tags = _kinds(d.messages)
        for a in d.outputs:
            if a.readout is not None:
                self.report("DECLARATION", f"expected a readout in circuits only, found one at {a.name}", a.span)
        whole = constants.bind(*arrays, kind=ARRAY)
        numeric = any(VECTOR in kinds for kinds in tags.values())
        local = replace(whole.bind("self"), held=arrays + outputs, inbox=tags, numeric=numeric, vectors=numeric)
        for r in d.rounds:
            keeps = self.each(r.each, replace(whole, at=local))
            for e in r.keeps:
                self.want(e, BOOLEAN, keeps)
            self.block(r.body, local.bind(*([r.each.variable] if r.each else [])), tags, None)
        self.block(d.finish, local, None, outputs)

    def circuit(self, d: s.CircuitDefinition) -> None:
        constants = self._head(d)
        tags = _kinds(d.messages)
        for m in d.messages:
            if VECTOR in tags[m.tag]:
                self.report("TYPE", f"expected messages of words in a circuit, found numbers in {m.tag}", m.span)
        rows = replace(constants, names={**constants.names, "self": NUMBER, "row": VECTOR}, vectors=True)
        self._new_in_masks("constant", _constants(d))
        self._mask(d.mask, constants)
        with_fields = self._fields(d.fields, rows, {*constants.names, *(a.name for a in (*d.inputs, *d.outputs))})
        for a in d.outputs:
            if a.readout is not None:
                self.want(a.readout, NUMBER, with_fields)
        for message, span in unread_outputs(d):
            self.report("DECLARATION", message, span)
        self.distinct("declaration of packets", [(p.name, p.span) for p in d.packets])
        for p in d.packets:
            self._packets(p, constants, tags)
        for x in d.layers:
            self._layer(d, x, constants, rows, with_fields, tags)
        if d.finish is not None:
            if d.finish.machine is not None:
                self.want(d.finish.machine, NUMBER, constants.bind("self"))
            self._local(d, d.finish, constants, rows, tags, None)

    def _layer(
        self,
        d: s.CircuitDefinition,
        x: s.LayerDeclaration,
        constants: Scope,
        rows: Scope,
        fields: Scope,
        tags: Mapping[str, tuple[str, ...]],
    ) -> None:
        """A layer; `rows` is the scope of a row, `fields` with what the circuit's fields name."""
        outputs = tuple(a.name for a in d.outputs)
        inner = self.each(x.each, constants)
        variables = [x.each.variable] if x.each else []
        if x.each:
            self._new_in_masks("variable", [(x.each.variable, x.each.span)])
            if x.each.variable in (f.name for f in d.fields):
                self.report("DUPLICATE", f"expected a new name for a variable, found the field `{x.each.variable}`", x.each.span)
        self._mask(x.mask, inner)
        if x.local is not None:
            self._local(d, x.local, inner, rows.bind(*variables), tags, tags)
        taken = {*fields.names, *variables, *(a.name for a in (*d.inputs, *d.outputs))}
        heads = self._fields(x.fields, fields.bind(*variables), taken)
        heads = replace(heads.bind(*outputs, kind=ARRAY), packets=tuple(p.name for p in d.packets))
        self.distinct("head", [(h.name, h.span) for h in x.heads])
        for h in x.heads:
            self._cases((*h.query, *h.key, *h.value), heads)

    def _cases(self, cases: tuple[s.Case, ...], scope: Scope) -> None:
        for case in cases:
            self.want(case.value, VECTOR, scope)
            if case.condition is not None:
                self.want(case.condition, BOOLEAN, scope)

    def _mask(self, mask: s.Expr | None, constants: Scope) -> None:
        if mask is not None:
            self.want(mask, BOOLEAN, constants.of_mask())

    def _new_in_masks(self, what: str, names: list[tuple[str, Span]]) -> None:
        """Names that are seen in masks mean nothing there already."""
        for name, span in names:
            if name in MASKS:
                self.report("DUPLICATE", f"expected a new name for a {what}, found `{name}`, which masks have", span)

    def _new_fields(self, names: list[tuple[str, Span]], taken: Iterable[str]) -> None:
        """No field twice, none with a name that is known where fields are."""
        alone = (k for k, f in self.functions.items() if not f.parameters)
        self.distinct("field", names, (*RESERVED, *MASKS))
        for name, span in names:
            if name in {*taken, *alone}:
                self.report("DUPLICATE", f"expected a new name for a field, found `{name}`, which is known here", span)

    def _fields(self, lets: tuple[s.Let, ...], scope: Scope, taken: Iterable[str]) -> Scope:
        """The scope with what fields of a circuit name, each known from the next one on."""
        self._new_fields([(x.name, x.span) for x in lets], taken)
        for x in lets:
            kind = self.kind(x.value, scope)
            if kind not in (NUMBER, BOOLEAN, VECTOR, ANY):
                self.report("TYPE", f"expected a number, a truth value or a vector, found a {kind}", x.value.span)
            scope = scope.bind(x.name, kind=kind)
        return scope

    def lemma(self, d: s.LemmaDefinition) -> None:
        constants = self._constants(d)
        self.distinct("constant", _constants(d))
        self._new_in_masks("constant", _constants(d))
        self.want(d.low, NUMBER, constants)
        self.want(d.high, NUMBER, constants)
        self._mask(d.mask, constants)
        names = [f.name for f in d.fields]
        self._new_fields([(f.name, f.span) for f in d.fields], constants.names)
        row = constants.bind("self")
        for f in d.fields:
            self.want(f.low, NUMBER, row)
            self.want(f.high, NUMBER, row)
        own = row.bind(*names)
        for e in d.assumptions:
            self.want(e, BOOLEAN, own)
        self._cases((*d.query, *d.key), replace(own, vectors=True))
        self.rows_read(d.reads, row.bind(*names, kind=FIELD))

    def rows_read(self, rows: tuple[s.Expr, ...], scope: Scope) -> None:
        """The one or two rows that a row attends to."""
        if len(rows) > 2:
            self.report("ARITY", f"expected one or two rows that are read, found {len(rows)}", rows[2].span)
        for e in rows:
            self.want(e, NUMBER, scope)

    def _packets(self, p: s.PacketsDeclaration, constants: Scope, tags: Mapping[str, tuple[str, ...]]) -> None:
        for tag in p.tags:
            if tag not in tags:
                self.unknown("a type of message", tag, tags, p.span)
        self.distinct("type in packets", [(tag, p.span) for tag in p.tags])
        for e in (p.at, p.machines, p.messages, p.heard):
            self.want(e, NUMBER, constants)
        if isinstance(p.selector, s.SelectorByName):
            self.selector(p.selector)
            for e in p.selector.arguments:
                self.want(e, NUMBER, constants)

    def selector(self, x: s.SelectorByName) -> None:
        if x.name not in SELECTORS:
            self.unknown("identity, kautz_singleton, random or table", x.name, [*SELECTORS, "table"], x.span)
        else:
            self._arity(x.name, SELECTORS[x.name], len(x.arguments), x.span)

    def _local(
        self,
        d: s.CircuitDefinition,
        local: s.LocalDeclaration,
        inner: Scope,
        rows: Scope,
        tags: Mapping[str, tuple[str, ...]],
        sends: Mapping[str, tuple[str, ...]] | None,
    ) -> None:
        self.want(local.low, NUMBER, inner)
        self.want(local.high, NUMBER, inner)
        packets, inputs, read = [p.name for p in d.packets], [a.name for a in d.inputs], []
        for r in local.reads:
            if isinstance(r, s.ReadsPackets):
                if r.packets not in packets:
                    self.unknown("a declaration of packets", r.packets, packets, r.span)
                continue
            if r.array not in inputs:
                self.unknown("an input array", r.array, inputs, r.span)
            read.append((r.array, r.span))
            self.want(r.low, NUMBER, rows)
            self.want(r.high, NUMBER, rows)
            self.distinct("variable", [(r.variable, r.span)])
            self.want(r.value, NUMBER, rows.bind(r.variable))
        self.distinct("input array that is read", read)
        scope = replace(inner.bind("self").bind(*inputs, kind=ARRAY), held=tuple(inputs), inbox=tags, vectors=True)
        self.block(local.body, scope, sends, tuple(a.name for a in d.outputs))


def _constants(d: s.ProtocolDefinition | s.CircuitDefinition | s.LemmaDefinition) -> list[tuple[str, Span]]:
    """The names of parameters and constants, each with its place."""
    return [*((p, d.span) for p in d.parameters), *((x.name, x.span) for x in d.lets)]


def _kinds(messages: tuple[s.MessageDeclaration, ...]) -> dict[str, tuple[str, ...]]:
    """The kinds of the words of each type of message."""
    return {m.tag: tuple(VECTOR if isinstance(x, s.NumbersType) else NUMBER for x in m.words) for m in messages}
