"""`lockstep run`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import click

from checker.commands.definitions import as_circuit, closed, scaled
from checker.kernel.enumeration import every_input
from checker.kernel.replay.circuit import CircuitRun, attention, replay_circuit
from checker.kernel.replay.enclosures import TooLong, Undecided, bounds
from checker.kernel.replay.expressions import Fault, satisfies
from checker.kernel.replay.protocol import ProtocolRun, replay_protocol
from checker.language import printer
from checker.language.diagnostics import NOWHERE, Diagnostic, Span, SpecError, spec_error
from checker.models.circuit import Circuit
from checker.models.protocol import Array, Protocol
from checker.proving.inputs import parse_input, random_inputs
from checker.reporting.traces import Words, attention_trace, circuit_trace, protocol_trace

INPUT, RUNG = Span("--input", 0, 0), Span("--rung", 0, 0)
RANDOM = re.compile(r"random:([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class FloatOptions:
    """How to run in floating point: the dtype, and a scale for circuits that state none."""

    dtype: str = "float64"
    scale: int | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """What is shown beside the output words."""

    trace: bool = False
    attention: bool = False


def run_command(
    file: str,
    name: str,
    parameters: tuple[str, ...],
    given: str,
    shown: Shown,
    floats: FloatOptions | None = None,
    rung: str | None = None,
) -> int:
    """Print outputs. 1 if the run breaks the memory or a `keeps`, 2 if something has no value or is undecided."""
    model = closed(file, name, parameters)
    if floats is not None:
        return _run_floats(name, model, given, shown, floats)
    if shown.attention:
        model = as_circuit(model)
    if rung is not None:
        model = _at_rung(model, rung)
    worst = 0
    found = False
    for words in _inputs(model, given):
        found = True
        start = f"{_flat(model.inputs, words)} -> " if given == "all" else ""
        try:
            run = _replay(model, words)
            if shown.trace or shown.attention:
                _show(model, words, run, shown, given)
        except Undecided as reason:
            why = "it takes too long" if isinstance(reason, TooLong) else "the bounds of the numbers leave open"
            text = f"{reason.place}{': ' if reason.place else ''}{why}: {reason}"
            if given != "all":
                raise SpecError(Diagnostic("UNDECIDED", text, NOWHERE)) from None
            click.echo(f"{start}undecided: {text}")
            worst = 2
            continue
        if run.fault is None:
            click.echo(start + _flat(model.outputs, run.outputs))
        elif given == "all":
            click.echo(f"{start}no value: {_fault_text(run.fault)}")
        else:
            raise SpecError(Diagnostic("FAULT", _fault_text(run.fault), run.fault.span))
        if given != "all" and isinstance(model, Protocol) and isinstance(run, ProtocolRun) and model.rung == "rounded":
            click.echo(_guaranteed(model, words, run))
        breaches = _breaches(model, run)
        for line in breaches:
            click.echo(line, err=True)
        worst = max(worst, 2 if run.fault is not None else 1 if breaches else 0)
    if not found:
        raise _nothing(name)
    return worst


def _run_floats(name: str, model: Protocol | Circuit, given: str, shown: Shown, options: FloatOptions) -> int:
    """The same in floating point, in batches. 2 if an output has no value."""
    if shown.trace or shown.attention:
        flag = "--trace" if shown.trace else "--attention"
        raise spec_error("OPTION", f"expected no {flag} with --backend numpy: what is shown is exact", Span(flag, 0, 0))
    from checker.backends.enough import enough
    from checker.backends.floats import FloatCircuit

    circuit = scaled(as_circuit(model), options.scale)
    machine = FloatCircuit(circuit, options.dtype)
    ok, reason = enough(circuit, options.dtype)
    if not ok:
        click.echo(f"warning: {options.dtype} at scale {circuit.scale} may not be enough: {reason}", err=True)
    worst, found = 0, False
    inputs = _inputs(circuit, given)
    while batch := list(islice(inputs, 1_000)):
        found = True
        for words, run in zip(batch, machine.run(batch), strict=True):
            start = f"{_flat(circuit.inputs, words)} -> " if given == "all" else ""
            if run.fault is None:
                click.echo(start + _flat(circuit.outputs, run.outputs))
            elif given == "all":
                worst = 2
                click.echo(f"{start}no value: {run.fault.message}")
            else:
                raise SpecError(Diagnostic("FAULT", f"in {options.dtype}: {run.fault.message}", run.fault.span))
    if not found:
        raise _nothing(name)
    return worst


def _nothing(name: str) -> SpecError:
    return spec_error("INPUT", f"expected an input that meets the `requires` of {name}, found none", INPUT)


def _at_rung(model: Protocol | Circuit, rung: str) -> Protocol | Circuit:
    if isinstance(model, Protocol) and not model.numeric:
        raise spec_error("RUNG", f"expected a circuit, found the protocol {model.name}", RUNG)
    try:
        return model.at(rung)
    except ValueError as reason:
        raise spec_error("RUNG", f"expected a circuit with the numbers of the rung {rung}: {reason}", RUNG) from None


def _replay(model: Protocol | Circuit, words: Words) -> ProtocolRun | CircuitRun:
    return replay_protocol(model, words) if isinstance(model, Protocol) else replay_circuit(model, words)


def _inputs(model: Protocol | Circuit, given: str) -> Iterator[Words]:
    if given == "all":
        yield from every_input(model.inputs, model.requires, model.functions)
    elif given.startswith("random"):
        match = RANDOM.fullmatch(given)
        if match is None:
            raise spec_error("INPUT", f"expected random:SEED with a number as SEED, found `{given}`", INPUT)
        structured = 2 + sum(a.size for a in model.inputs)
        few = list(islice(random_inputs(model.inputs, model.requires, model.functions, int(match[1])), structured + 1))
        yield from few[-1:]
    else:
        words = parse_input(given, model.inputs)
        if not satisfies(model.requires, model.functions, model.inputs, words):
            wanted = "; ".join(printer.expression(e) for e in model.requires)
            raise spec_error("INPUT", f"expected an input with {wanted}; found {given}", INPUT)
        yield words


def _show(model: Protocol | Circuit, words: Words, run: ProtocolRun | CircuitRun, shown: Shown, given: str) -> None:
    """Raises `Undecided`."""
    lines: list[str] = []
    if shown.trace:
        lines += _trace(model, words, run)
    if shown.attention and isinstance(model, Circuit):
        lines += attention_trace(model, attention(model, words).layers)
    if not given[:1].isdigit():
        click.echo(f"input {_flat(model.inputs, words)}")
    click.echo("\n".join(lines))


def _trace(model: Protocol | Circuit, words: Words, run: ProtocolRun | CircuitRun) -> list[str]:
    if isinstance(model, Protocol) and isinstance(run, ProtocolRun):
        return protocol_trace(model, words, run)
    assert isinstance(model, Circuit) and isinstance(run, CircuitRun)
    return circuit_trace(model, run)


def _guaranteed(p: Protocol, words: Words, run: ProtocolRun) -> str:
    """How far the numbers of a run are from those over exact real numbers, and whether the output words are the same there."""
    try:
        real = replay_protocol(p.at("softmax"), words)
    except Undecided as reason:
        return f"over exact reals: not decided: {reason.place}: {reason}"
    if real.fault is not None or real.outputs != run.outputs:
        return f"over exact reals: {_fault_text(real.fault) if real.fault else _flat(p.outputs, real.outputs)}"
    far = Fraction(0)
    for stored, exact in zip(run.inboxes, real.inboxes, strict=True):
        for i, inbox in stored.items():
            for m, n in zip(inbox, exact[i], strict=True):
                for x, y in zip(m.vector or (), n.vector or (), strict=True):
                    far = max(far, *(abs(a - b) for a in bounds(x) for b in bounds(y)))
    if far == 0:
        return "over exact reals: the same words and the same numbers"
    k = -(far.numerator.bit_length() - far.denominator.bit_length() + 1)
    digits = f"2^{-k} or less" + (f": {k} binary digits behind the point are guaranteed" if k > 0 else "")
    return f"over exact reals: the same words; no number is farther off than {digits}"


def _flat(arrays: tuple[Array, ...], words: Words) -> str:
    """All words in packed order."""
    return ",".join(str(w) for a in arrays for w in words[a.name])


def _fault_text(fault: Fault) -> str:
    return f"{fault.place}: {fault.message}" if fault.place else fault.message


def _breaches(model: Protocol | Circuit, run: ProtocolRun | CircuitRun) -> list[str]:
    """Where a run of a protocol does not fit."""
    if not isinstance(run, ProtocolRun) or not isinstance(model, Protocol):
        return []
    lines = [
        f"does not fit: machine {o.machine} {o.kind} {o.words} words in round {o.round}; its memory is {model.memory}"
        for o in run.overflow
    ]
    return lines + [
        f"does not keep: {printer.expression(model.rounds[r].keeps[k])} before round {r + 1} ({model.rounds[r].name})"
        for r, k in run.keeps_fail
    ]
