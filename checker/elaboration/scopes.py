"""Names, numbers of arguments and types of definitions, statements and theorems, checked before anything runs: every problem of
a file at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from checker.elaboration.closing import unread_outputs
from checker.elaboration.folding import deep
from checker.elaboration.kinds import (
    ANY,
    ARRAY,
    BOOLEAN,
    CIRCUIT,
    MODEL,
    NUMBER,
    PROTOCOL,
    RESERVED,
    SELECTORS,
    TAKEN,
    VECTOR,
    Expressions,
    Scope,
)
from checker.language import syntax as s
from checker.language.diagnostics import Diagnostic, Span, SpecError


def check_names(file: s.SourceFile, visible: Mapping[str, s.Definition]) -> None:
    """Raises one `SpecError` with all problems of the file; `visible` holds its own and its libraries' definitions."""
    with deep():
        problems = _problems(file, _Checker(visible))
    if problems:
        raise SpecError(*dict.fromkeys(problems))


def _problems(file: s.SourceFile, checker: _Checker) -> list[Diagnostic]:
    checker.distinct("definition", [(i.name, i.span) for i in file.items if not isinstance(i, s.Use | s.Theorem)], TAKEN)
    checker.distinct("theorem", [(i.name, i.span) for i in file.items if isinstance(i, s.Theorem)])
    for item in file.items:
        match item:
            case s.FunctionDefinition():
                checker.function(item)
            case s.ProtocolDefinition():
                checker.protocol(item)
            case s.CircuitDefinition():
                checker.circuit(item)
            case s.Theorem():
                checker.theorem(item)
    return checker.problems


class _Checker(Expressions):
    """Definitions, statements and theorems."""

    def function(self, d: s.FunctionDefinition) -> None:
        self.distinct("parameter", [(p, d.span) for p in d.parameters])
        self.kind(d.body, self.function_scope(d))

    def block(
        self, body: tuple[s.Statement, ...], scope: Scope, sends: Mapping[str, int] | None, outputs: tuple[str, ...] | None
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

    def _send(self, st: s.Send, scope: Scope, sends: Mapping[str, int] | None) -> None:
        if sends is None:
            self.report("PLACE", "expected no `send` in `finish`, found one", st.span)
        elif st.tag not in sends:
            self.unknown("a type of message", st.tag, sends, st.span)
        elif sends[st.tag] != len(st.words):
            self.report("ARITY", f"expected {sends[st.tag]} words in a message {st.tag}, found {len(st.words)}", st.span)
        for e in (*st.words, st.destination):
            self.want(e, NUMBER, scope)

    def _head(self, d: s.ProtocolDefinition | s.CircuitDefinition) -> Scope:
        """Parameters, `where`, constants, settings, arrays, requires, messages: the scope of constants."""
        scope = Scope(dict.fromkeys(d.parameters, NUMBER))
        if d.where is not None:
            self.want(d.where, BOOLEAN, scope)
        for let in d.lets:
            kind = self.kind(let.value, scope)
            if kind not in (NUMBER, BOOLEAN, ANY):
                self.report("TYPE", f"expected a constant that is a number, found a {kind}", let.value.span)
            scope = scope.bind(let.name, kind=kind)
        for _, e in d.settings:
            self.want(e, NUMBER, scope)
        for a in (*d.inputs, *d.outputs):
            self.want(a.size, NUMBER, scope)
            self._types((a.type,), scope)
        for m in d.messages:
            self._types(m.words, scope)
        self.distinct(
            "constant or array",
            [
                *((p, d.span) for p in d.parameters),
                *((x.name, x.span) for x in d.lets),
                *((x.name, x.span) for x in (*d.inputs, *d.outputs)),
            ],
        )
        self.distinct("type of message", [(m.tag, m.span) for m in d.messages])
        whole = scope.bind(*(a.name for a in d.inputs), kind=ARRAY)
        for e in d.requires:
            self.want(e, BOOLEAN, whole)
        return scope

    def _types(self, types: tuple[s.Type, ...], scope: Scope) -> None:
        for t in types:
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
        tags = {m.tag: len(m.words) for m in d.messages}
        for a in d.outputs:
            if a.readout is not None:
                self.report("DECLARATION", f"expected a readout in circuits only, found one at {a.name}", a.span)
        whole = constants.bind(*arrays, kind=ARRAY)
        local = replace(whole.bind("self"), held=arrays + outputs, inbox=tags)
        for r in d.rounds:
            keeps = self.each(r.each, replace(whole, at=local))
            for e in r.keeps:
                self.want(e, BOOLEAN, keeps)
            self.block(r.body, local.bind(*([r.each.variable] if r.each else [])), tags, None)
        self.block(d.finish, local, None, outputs)

    def circuit(self, d: s.CircuitDefinition) -> None:
        constants = self._head(d)
        tags = {m.tag: len(m.words) for m in d.messages}
        rows = replace(constants, names={**constants.names, "self": NUMBER, "row": VECTOR}, vectors=True)
        packets = tuple(p.name for p in d.packets)
        outputs = tuple(a.name for a in d.outputs)
        for a in d.outputs:
            if a.readout is not None:
                self.want(a.readout, NUMBER, rows)
        for message, span in unread_outputs(d):
            self.report("DECLARATION", message, span)
        self.distinct("declaration of packets", [(p.name, p.span) for p in d.packets])
        for p in d.packets:
            self._packets(p, constants, tags)
        for x in d.layers:
            inner = self.each(x.each, constants)
            variables = [x.each.variable] if x.each else []
            if x.local is not None:
                self._local(d, x.local, inner, rows.bind(*variables), tags, tags)
            heads = replace(rows.bind(*variables).bind(*outputs, kind=ARRAY), packets=packets)
            self.distinct("head", [(h.name, h.span) for h in x.heads])
            for case in (c for h in x.heads for c in (*h.query, *h.key, *h.value)):
                self.want(case.value, VECTOR, heads)
                if case.condition is not None:
                    self.want(case.condition, BOOLEAN, heads)
        if d.finish is not None:
            if d.finish.machine is not None:
                self.want(d.finish.machine, NUMBER, constants.bind("self"))
            self._local(d, d.finish, constants, rows, tags, None)

    def _packets(self, p: s.PacketsDeclaration, constants: Scope, tags: Mapping[str, int]) -> None:
        for tag in p.tags:
            if tag not in tags:
                self.unknown("a type of message", tag, tags, p.span)
        self.distinct("type in packets", [(tag, p.span) for tag in p.tags])
        for e in (p.at, p.machines, p.messages, p.heard):
            self.want(e, NUMBER, constants)
        if isinstance(p.selector, s.SelectorByName):
            self._selector(p.selector)
            for e in p.selector.arguments:
                self.want(e, NUMBER, constants)

    def _selector(self, x: s.SelectorByName) -> None:
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
        tags: Mapping[str, int],
        sends: Mapping[str, int] | None,
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

    # theorems
    def theorem(self, t: s.Theorem) -> None:
        scope = Scope(theorem=True)
        models: dict[str, s.ProtocolDefinition | s.CircuitDefinition | None] = {}
        for name, d in self.visible.items():
            if isinstance(d, s.ProtocolDefinition | s.CircuitDefinition) and not d.parameters:
                scope = scope.bind(name, kind=PROTOCOL if isinstance(d, s.ProtocolDefinition) else CIRCUIT)
                models[name] = d
        for domain in t.domains:
            for e in (x for span in domain.spans for x in span):
                self.want(e, NUMBER, scope)
            scope = scope.bind(domain.name)
        if t.where is not None:
            self.want(t.where, BOOLEAN, scope)
        for let in t.lets:
            kind = self.kind(let.value, scope)
            scope = scope.bind(let.name, kind=kind)
            if kind in (PROTOCOL, CIRCUIT, ANY):
                models[let.name] = self._model(let.value, models)
        bound = [*((x.name, x.span) for x in t.domains), *((x.name, x.span) for x in t.lets)]
        self.distinct("parameter or constant", bound)
        self.distinct("claim", [(c.name, c.span) for c in t.claims])
        for claim in t.claims:
            self._claim(claim.statement, scope, models)

    def _model(self, e: s.Expr, models: Mapping[str, Any]) -> s.ProtocolDefinition | s.CircuitDefinition | None:
        """The definition whose arrays a model has."""
        match e:
            case s.Call("transformer", (inner, *_)):
                return self._model(inner, models)
            case s.Call(name, _) | s.Name(name):
                found = models.get(name) or self.visible.get(name)
                return found if isinstance(found, s.ProtocolDefinition | s.CircuitDefinition) else None
        return None

    def _subject(self, name: str, kind: str, scope: Scope, span: Span) -> bool:
        found = scope.names.get(name)
        if found is None:
            self.unknown(f"a {kind} that a `let` of this theorem names", name, scope.names, span)
        elif found not in (kind, ANY) and not (kind == MODEL and found in (PROTOCOL, CIRCUIT)):
            self.report("TYPE", f"expected a {kind}, found the {found} `{name}`", span)
        else:
            return True
        return False

    def _claim(self, claim: s.Statementlike, scope: Scope, models: Mapping[str, Any]) -> None:
        match claim:
            case s.Simulates(circuit, protocol, _):
                self._subject(circuit, CIRCUIT, scope, claim.span)
                self._subject(protocol, PROTOCOL, scope, claim.span)
            case s.Fits(protocol):
                self._subject(protocol, PROTOCOL, scope, claim.span)
            case s.Delivers(circuit, _):
                self._subject(circuit, CIRCUIT, scope, claim.span)
            case s.Propagates(circuit, margin):
                self._subject(circuit, CIRCUIT, scope, claim.span)
                if margin is not None:
                    self.want(margin, NUMBER, scope)
            case s.Selects(selector, count, rows):
                self._selector(selector)
                for e in (*selector.arguments, count, rows):
                    self.want(e, NUMBER, scope)
            case s.Holds(condition):
                self.want(condition, BOOLEAN, scope)
            case s.ForReals(condition, variables, assumption):
                self.distinct("real variable", [(x, claim.span) for x in variables], TAKEN)
                for x in variables:
                    if x in scope.names or x in self.visible:
                        self.report(
                            "DUPLICATE", f"expected a new name for a real variable, found `{x}`, which is known here", claim.span
                        )
                inner = scope.bind(*variables)
                for e in (condition, *([] if assumption is None else [assumption])):
                    self.want(e, BOOLEAN, inner)
            case s.Computes(subject, equation, each):
                if self._subject(subject, MODEL, scope, claim.span):
                    d = models.get(subject)
                    inner = self.each(each, scope)
                    if d is not None:
                        inner = inner.bind(*(a.name for a in (*d.inputs, *d.outputs)), kind=ARRAY)
                        self.want(equation, BOOLEAN, inner)
