"""A definition of a file at the parameters of a command line."""

from __future__ import annotations

from pathlib import Path

from checker.commands import files
from checker.elaboration.closing import close_circuit, close_protocol
from checker.elaboration.library import load
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol


def closed(file: str, name: str, parameters: tuple[str, ...]) -> Protocol | Circuit:
    """The protocol or circuit `name` of a file, at `k=v ...`."""
    path = Path(file)
    files.read(path)
    definitions = load(path).definitions
    models = {n: d for n, d in definitions.items() if isinstance(d, s.ProtocolDefinition | s.CircuitDefinition)}
    functions = {n: d for n, d in definitions.items() if isinstance(d, s.FunctionDefinition)}
    if name not in models:
        known = f"one of {', '.join(models)}" if models else "a file with a protocol or circuit"
        raise spec_error("NAME", f"expected {known}, found `{name}`", Span(file, 0, 0))
    definition = models[name]
    arguments = files.arguments(name, definition.parameters, parameters)
    if isinstance(definition, s.ProtocolDefinition):
        return close_protocol(definition, arguments, functions)
    return close_circuit(definition, arguments, functions)
