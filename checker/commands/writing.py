"""`lockstep compile`, `lockstep fmt` and `lockstep new`: what writes text of the language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from checker.commands import files
from checker.language import printer
from checker.language.diagnostics import Diagnostic, Span, SpecError, spec_error
from checker.language.parser import parse

if TYPE_CHECKING:
    from checker.models.circuit import Circuit
    from checker.models.protocol import Protocol

NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*", re.ASCII)
COMMENT = re.compile(r"[ \t]*//[^\n]*")

STARTER = """\
// {name}: the sum of n words modulo 2^p. Every machine sends the sum of its words to machine 1.
// Try:  lockstep check {file}
//       lockstep run {file} {name} n=4 s=2 p=1 --input 1,0,1,1 --trace

protocol {name}(n, s, p) where n >= 1 and s >= 1 and p >= 1 and n <= s^2 {{
  word p;
  memory s;
  machines ceil(n / s);
  input x[n] in word;
  output y[1] in word;
  message part(word);
  round gather {{
    send part(sum(x[k] for k in held(x)) mod 2^p) to 1;
  }}
  finish {{
    if self == 1 {{
      y[1] = sum(v for part(v) in inbox) mod 2^p;
    }}
  }}
}}

function total(x, n) = sum(x[k] for k in 1..n);

theorem {name}_works for n in 3..4 {{
  let P = {name}(n, 2, 1);
  let T = transformer(P);
  claim fits: P fits;
  claim right: P computes y[1] == total(x, n) mod 2;
  claim same: T simulates P;
  claim depth: depth(T) == rounds(P) + 1;
}}
"""

COMPILED = """\
theorem compiled{instance} {{
  claim fits: {protocol} fits;
  claim same: {circuit} simulates {protocol};
  claim depth: depth({circuit}) == rounds({protocol}){final};
{lemma}}}
"""


PERFORMED = """\
theorem performed{instance} {{
  claim fits: {protocol} fits;
  claim same: {protocol} simulates {circuit};
  claim rounds: rounds({protocol}) == {rounds};
  // one for each row and each pair of rows, and the inner nodes of the trees of queries, then of keys and values
  claim machines: machines({protocol}) == {machines};
{back}}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """What to compile to: a circuit, a protocol, or what the source is not; and the numbers and the layout of a protocol."""

    kind: str | None = None
    memory: int | None = None
    layout: str = "lean"
    address: int = 0


def compile_command(
    file: str, name: str, parameters: tuple[str, ...], given: dict[str, str | None], target: Target, output: str | None
) -> int:
    """The source, what it is compiled to, and the theorem that relates them. `given` are the options of `transformer`."""
    from checker.commands.definitions import closed
    from checker.models.circuit import Circuit

    source = closed(file, name, parameters)
    options = {key: value.replace("-", "_") for key, value in given.items() if value is not None}
    kind = target.kind or ("protocol" if isinstance(source, Circuit) else "circuit")
    instance = f" for {', '.join(p.replace('=', ' in ') for p in parameters)}" if parameters else ""
    if kind == "circuit":
        if isinstance(source, Circuit):
            raise spec_error("NAME", f"expected a protocol, found the circuit `{name}`: --to protocol", Span(file, 0, 0))
        _put(_to_circuit(source, options, instance), output)
    else:
        _put(_to_protocol(source, options, target, instance), output)
    return 0


def _to_protocol(source: Protocol | Circuit, options: dict[str, str], target: Target, instance: str) -> str:
    """A circuit as a protocol (Theorem 3.4). A protocol goes there and back."""
    from checker.compilers.circuit_to_protocol import formulas, mpc
    from checker.compilers.protocol_to_circuit import transformer
    from checker.elaboration.models import closed
    from checker.models.circuit import Circuit
    from checker.models.printing import text

    circuit = source if isinstance(source, Circuit) else transformer(source, **options)
    rounds, machines = formulas(circuit, target.memory, target.layout, target.address)
    made = closed(f"{text(circuit)}\n{mpc(circuit, target.memory, target.layout, target.address)}")
    back = "" if isinstance(source, Circuit) else f"  claim back: {made.name} simulates {source.name};\n"
    models = (made,) if isinstance(source, Circuit) else (source, made)
    return (
        text(*models)
        + "\n"
        + PERFORMED.format(
            protocol=made.name,
            circuit=circuit.name,
            instance=instance,
            rounds=rounds,
            machines=machines,
            back=back,
        )
    )


def _to_circuit(protocol: Protocol, options: dict[str, str], instance: str) -> str:
    """A protocol as a circuit (Theorem 3.1)."""
    from checker.compilers.protocol_to_circuit import transformer
    from checker.models.printing import text

    circuit = transformer(protocol, **options)
    return (
        text(protocol, circuit)
        + "\n"
        + COMPILED.format(
            protocol=protocol.name,
            circuit=circuit.name,
            instance=instance,
            final=" + 1" if circuit.finish is None else "",
            lemma=f"  claim lemma: {circuit.name} delivers;\n" if circuit.packets else "",
        )
    )


def export_command(file: str, name: str, parameters: tuple[str, ...], scale: int | None, output: str | None) -> int:
    """The circuit as a PyTorch module."""
    from checker.backends.to_torch import module_text
    from checker.commands.definitions import as_circuit, closed, scaled

    circuit = scaled(as_circuit(closed(file, name, parameters)), scale)
    _put(module_text(circuit, " ".join((name, *parameters))), output)
    return 0


def fmt_command(names: tuple[str, ...], only_check: bool, write: bool) -> int:
    """Print, compare or rewrite. All files are read before the first is written."""
    problems: list[Diagnostic] = []
    todo: list[tuple[Path, str, str, bool]] = []
    for name in names:
        try:
            text = files.read(Path(name))
            head, body = split_head(text)
            formatted = head + printer.source(parse(text, name))
            commented = COMMENT.search(body) is not None
            if write and not only_check and commented:
                raise spec_error(
                    "COMMENTS", "expected no comments after the first definition: rewriting would lose them", Span(name, 0, 0)
                )
            todo.append((Path(name), text, formatted, commented))
        except SpecError as e:
            problems.extend(e.diagnostics)
    if problems:
        raise SpecError(*problems)
    return _format(todo, only_check, write)


def _format(todo: list[tuple[Path, str, str, bool]], only_check: bool, write: bool) -> int:
    status = 0
    for path, text, formatted, commented in todo:
        if only_check:
            if without_comments(text) != without_comments(formatted):
                click.echo(f"would change {path}", err=True)
                status = 1
        elif write:
            if text != formatted:
                files.write(path, formatted)
        else:
            click.echo(formatted, nl=False)
            if commented:
                click.echo(f"{path}: comments after the first definition are not in the output", err=True)
    return status


def split_head(text: str) -> tuple[str, str]:
    """The comments and empty lines above the first definition, and the rest."""
    lines = text.splitlines(keepends=True)
    k = 0
    while k < len(lines) and (not lines[k].strip() or lines[k].lstrip().startswith("//")):
        k += 1
    head, body = "".join(lines[:k]), "".join(lines[k:])
    return (head if head.strip() else ""), body


def without_comments(text: str) -> list[str]:
    """The lines that have something in them beside comments; empty lines do not count."""
    return [line for line in COMMENT.sub("", text).split("\n") if line.strip()]


def new_command(name: str, output: str | None) -> int:
    """Write the starter text to a new file."""
    from checker.elaboration.library import load_text

    path = Path(output) if output is not None else Path(f"{name}.lks")
    if NAME.fullmatch(name) is None or len(name) > 60:
        raise spec_error("NAME", f"expected a name of letters, digits and _, found `{name[:60]}`")
    text = STARTER.format(name=name, file=path)
    try:
        load_text(text)
    except SpecError as e:
        raise spec_error("NAME", f"expected a name that means nothing yet, found `{name}`: {e.diagnostics[0].message}") from None
    files.write(path, text, overwrite=False)
    click.echo(f"wrote {path}")
    return 0


def _put(text: str, output: str | None) -> None:
    if output is None or output == "-":
        click.echo(text, nl=False)
    else:
        files.write(Path(output), text)
