"""Protocols, circuits and lemmas at parameters, and what compilers make of them, each made once."""

from __future__ import annotations

from typing import Any

from checker.elaboration.closing import close_circuit, close_protocol
from checker.elaboration.lemmas import close_lemma
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.language.parser import parse_compiled
from checker.models import printing
from checker.models.circuit import Circuit
from checker.models.lemma import Lemma
from checker.models.protocol import Protocol

Model = Protocol | Circuit


class Models:
    """Protocols and circuits at parameters, each made once. With `--against`, protocols are those of the `original`."""

    def __init__(self, definitions: dict[str, s.Definition], original: Models | None = None) -> None:
        self.definitions, self.original = definitions, original
        self.functions = {k: d for k, d in definitions.items() if isinstance(d, s.FunctionDefinition)}
        self.made: dict[object, Model] = {}
        self.circuits = {k: d for k, d in definitions.items() if isinstance(d, s.CircuitDefinition)}
        self.origins: dict[Model, Model] = {}
        self.lemmas: dict[tuple[str, tuple[int, ...]], Lemma] = {}

    def close(self, name: str, arguments: tuple[int, ...], span: Span) -> Model:
        d = self.definitions[name]
        assert isinstance(d, (s.ProtocolDefinition, s.CircuitDefinition))
        if len(arguments) != len(d.parameters):
            raise spec_error("ARITY", f"expected {len(d.parameters)} parameters for {name}, found {len(arguments)}", span)
        key = (name, arguments)
        if key not in self.made:
            given = dict(zip(d.parameters, arguments, strict=True))
            self.made[key] = (
                close_protocol(d, given, self.functions, self.circuits)
                if isinstance(d, s.ProtocolDefinition)
                else close_circuit(d, given, self.functions)
            )
        return self.made[key]

    def named(self, name: str, arguments: tuple[int, ...], instance: dict[str, int], span: Span) -> Model:
        """The same, but a protocol from the original, at the same parameters; one that has none here, as in a compiled file, at
        the theorem's instance. A protocol with numbers that is not there is taken as it is like circuits: compilers make both."""
        own = self.close(name, arguments, span)
        if self.original is None or not isinstance(own, Protocol):
            return own
        d = self.original.definitions.get(name)
        if not isinstance(d, s.ProtocolDefinition):
            if d is None and own.numeric:
                return own
            raise spec_error("NAME", f"expected a protocol {name} in the file to check against", span)
        if not arguments and d.parameters:
            missing = [x for x in d.parameters if x not in instance]
            if missing:
                raise spec_error("ARITY", f"expected the theorem's instance to name {', '.join(missing)} of {name}", span)
            arguments = tuple(instance[x] for x in d.parameters)
        found = self.original.close(name, arguments, span)
        if (found.inputs, found.outputs) != (own.inputs, own.outputs):
            raise spec_error(
                "TYPE", f"expected the same inputs and outputs in {name} here and in the file to check against", span
            )
        return found

    def lemma(self, name: str, arguments: tuple[int, ...], span: Span) -> Lemma:
        d = self.definitions.get(name)
        if not isinstance(d, s.LemmaDefinition):
            raise spec_error("TYPE", f"expected a lemma, found {name}", span)
        if len(arguments) != len(d.parameters):
            raise spec_error("ARITY", f"expected {len(d.parameters)} parameters for {name}, found {len(arguments)}", span)
        key = (name, arguments)
        if key not in self.lemmas:
            self.lemmas[key] = close_lemma(d, dict(zip(d.parameters, arguments, strict=True)), self.functions)
        return self.lemmas[key]

    def compile(self, source: Model, options: tuple[tuple[str, str | int], ...]) -> Model:
        """A protocol to a circuit, or a circuit to a protocol. The compiler's output reaches the prover only as parsed text."""
        key = (source, options)
        if key not in self.made:
            given: dict[str, Any] = dict(options)
            if isinstance(source, Protocol):
                from checker.compilers.protocol_to_circuit import transformer

                text = printing.text(transformer(source, **given))
            else:
                from checker.compilers.circuit_to_protocol import mpc

                text = f"{printing.text(source)}\n{mpc(source, **given)}"
            self.made[key] = made = closed(text)
            self.origins[made] = source
        return self.made[key]

    def chain(self, m: Model) -> tuple[Model, ...]:
        """What a model was compiled from, what that was compiled from, and so on."""
        found: list[Model] = []
        while m in self.origins:
            m = self.origins[m]
            found.append(m)
        return tuple(found)


def closed(text: str) -> Model:
    """The last model of a text, which has no parameters."""
    definitions = {d.name: d for d in parse_compiled(text).items if not isinstance(d, s.Use)}
    functions = {k: d for k, d in definitions.items() if isinstance(d, s.FunctionDefinition)}
    circuits = {k: d for k, d in definitions.items() if isinstance(d, s.CircuitDefinition)}
    *_, last = definitions.values()
    if isinstance(last, s.ProtocolDefinition):
        return close_protocol(last, {}, functions, circuits)
    assert isinstance(last, s.CircuitDefinition)
    return close_circuit(last, {}, functions)


def sizes(m: Model) -> dict[str, int]:
    """Everything that is counted, on the model as it stands."""
    if isinstance(m, Protocol):
        return {"rounds": len(m.rounds) + 1, "machines": m.machines, "memory": m.memory}
    precision = {} if m.precision is None else {"precision": m.precision}
    return precision | {
        "depth": len(m.layers),
        "heads": max((len(x.heads) for x in m.layers), default=0),
        "width": m.width,
        "tokens": m.tokens + m.blank,
    }
