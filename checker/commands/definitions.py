"""A definition of a file at the parameters of a command line."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
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
        circuits = {n: d for n, d in models.items() if isinstance(d, s.CircuitDefinition)}
        return close_protocol(definition, arguments, functions, circuits)
    return close_circuit(definition, arguments, functions)


def as_circuit(model: Protocol | Circuit) -> Circuit:
    """A protocol is compiled (Theorem 3.1)."""
    if isinstance(model, Circuit):
        return model
    from checker.compilers.protocol_to_circuit import transformer

    return transformer(model)


def scaled(c: Circuit, scale: int | None) -> Circuit:
    """The circuit with this scale, which replaces all numbers that it states, or else its own. Raises `SpecError` (SCALE)."""
    if scale is not None and scale != c.scale:
        return replace(c, scale=scale, fraction=None, integer=None)
    if c.scale is None:
        raise spec_error(
            "SCALE", f"expected --scale C: {c.name} states no scale, and softmax attention needs one", Span("--scale")
        )
    return c


def needed(module: str, extra: str) -> None:
    """A package that is no part of the core. Raises `SpecError` (EXTRA) with the way to get it."""
    if find_spec(module) is None:
        raise spec_error("EXTRA", f"expected {module} to be installed: pip install {module}, or this package's extra `{extra}`")
