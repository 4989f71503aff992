"""Names, numbers of arguments and types in theorems, and with `scopes` all of a file: every problem at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from checker.elaboration.folding import deep
from checker.elaboration.kinds import ANY, ARRAY, BOOLEAN, CIRCUIT, LEMMA, MODEL, NUMBER, PROTOCOL, TAKEN, VECTOR, Scope
from checker.elaboration.scopes import Definitions
from checker.language import syntax as s
from checker.language.diagnostics import Diagnostic, Span, SpecError


def check_names(file: s.SourceFile, visible: Mapping[str, s.Definition]) -> None:
    """Raises one `SpecError` with all problems of the file; `visible` holds its own and its libraries' definitions."""
    with deep():
        problems = _problems(file, Theorems(visible))
    if problems:
        raise SpecError(*dict.fromkeys(problems))


def _problems(file: s.SourceFile, checker: Theorems) -> list[Diagnostic]:
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
            case s.LemmaDefinition():
                checker.lemma(item)
            case s.Theorem():
                checker.theorem(item)
    return checker.problems


class Theorems(Definitions):
    """Theorems and their claims."""

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
            if kind == LEMMA:
                kind = self.report("TYPE", "expected a number, a protocol or a circuit, found a lemma", let.value.span)
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
            case s.Call("transformer" | "mpc", (inner, *_)):
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
            case s.Simulates(left, right, _):
                if self._subject(left, MODEL, scope, claim.span):
                    self._subject(right, PROTOCOL if scope.names[left] == CIRCUIT else MODEL, scope, claim.span)
            case s.Fits(protocol):
                self._subject(protocol, PROTOCOL, scope, claim.span)
            case s.Delivers(circuit, _):
                self._subject(circuit, CIRCUIT, scope, claim.span)
            case s.Propagates(circuit, margin):
                self._subject(circuit, CIRCUIT, scope, claim.span)
                if margin is not None:
                    self.want(margin, NUMBER, scope)
            case s.Selects(selector, count, rows):
                self.selector(selector)
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
            case s.Reads():
                self._cut(claim, scope, models)
            case s.LemmaHolds(lemma, margin):
                if lemma.options:
                    self.report("NAME", f"expected fields in cuts only, found {lemma.options[0][0]} = ...", lemma.span)
                self._lemma(lemma, scope)
                if margin is not None:
                    self.want(margin, NUMBER, scope)

    def _cut(self, cut: s.Reads, scope: Scope, models: Mapping[str, Any]) -> None:
        d = models.get(cut.circuit) if self._subject(cut.circuit, CIRCUIT, scope, cut.span) else None
        if isinstance(d, s.CircuitDefinition):
            heads = [h.name for x in d.layers for h in x.heads]
            if cut.head not in heads:
                self.unknown(f"a head of {cut.circuit}", cut.head, heads, cut.span)
        scope = self.each(cut.each, scope)
        self.want(cut.layer, NUMBER, scope)
        inner = scope.bind(*(a.name for a in (() if d is None else d.inputs)), kind=ARRAY).bind("self")
        if d is not None:
            self.rows_read(cut.rows, inner)
        if cut.lemma is None:
            return
        lemma = self._lemma(cut.lemma, scope)
        for _, value in () if d is None else cut.lemma.options:
            self.want(value, NUMBER, replace(inner.bind("row", kind=VECTOR), vectors=True))
        if lemma is None:
            return
        fields = [f.name for f in lemma.fields]
        given = [(name, value.span) for name, value in cut.lemma.options]
        for name, span in given:
            if name not in fields:
                self.unknown(f"a field of {lemma.name}", name, fields, span)
        self.distinct("value of field", given, ())
        missing = [name for name in fields if name not in (x for x, _ in given)]
        if missing:
            message = f"expected a value for each field of {lemma.name}, found none for {', '.join(missing)}"
            self.report("ARITY", message, cut.lemma.span)

    def _lemma(self, e: s.Call, scope: Scope) -> s.LemmaDefinition | None:
        """The lemma that is named with its arguments."""
        d = self.visible.get(e.function)
        for a in e.arguments:
            self.want(a, NUMBER, scope)
        if not isinstance(d, s.LemmaDefinition):
            self.unknown("a lemma", e.function, (k for k, x in self.visible.items() if isinstance(x, s.LemmaDefinition)), e.span)
            return None
        self._arity(e.function, len(d.parameters), len(e.arguments), e.span)
        return d
