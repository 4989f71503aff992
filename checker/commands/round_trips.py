"""`lockstep bounds --round-trip`: what a protocol costs as a circuit, and as the protocol of that circuit.

The instances are those that proofs/round_trip.lks proves to compute the same.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import date

import click

from checker.commands import files
from checker.commands.checks import Bar
from checker.elaboration.library import load
from checker.elaboration.theorem_to_claims import claims
from checker.kernel.judgements import Performs, Returns
from checker.language.resources import data_folder

MARK = "round-trip"
HEAD = ("protocol", "rounds", "machines", "s", "depth", "width", "rows", "heads", "rounds", "machines", "s")


@dataclass(frozen=True, slots=True)
class Protocol:
    """Local functions, machines, and words of memory a machine."""

    rounds: int
    machines: int
    memory: int


@dataclass(frozen=True, slots=True)
class Trip:
    """A protocol, its circuit by Theorem 3.1 (layers, embedding dimension, rows, the most heads in a layer), and the circuit's
    protocol by Theorem 3.4."""

    name: str
    before: Protocol
    depth: int
    width: int
    rows: int
    heads: int
    after: Protocol

    def cells(self) -> tuple[str, ...]:
        a, b = ((f"{x.rounds}", f"{x.machines:,}", f"{x.memory}") for x in (self.before, self.after))
        return (self.name, *a, str(self.depth), str(self.width), str(self.rows), str(self.heads), *b)


def trips(bar: Bar) -> list[Trip]:
    """One for each instance, in the order of the file. Nothing is proved here."""
    found: list[Trip] = []
    there: Performs | None = None
    for claim in claims(load(data_folder("proofs") / "round_trip.lks")):
        for j in claim.judgements:
            if isinstance(j, Performs):
                there = j
            if isinstance(j, Returns) and there is not None and there.protocol == j.protocol:
                p, c, q = j.original, there.circuit, j.protocol
                named = f"{p.name} {', '.join(f'{k} = {x}' for k, x in claim.instance)}"
                heads = max(len(layer.heads) for layer in c.layers)
                sizes = (Protocol(len(x.rounds) + 1, x.machines, x.memory) for x in (p, q))
                found.append(Trip(named, next(sizes), len(c.layers), c.width, len(c.rows), heads, next(sizes)))
                bar.update(named, len(found), len(found))
    bar.pause()
    return found


def table(found: list[Trip], made: str) -> str:
    """Markdown."""
    groups = "| | protocol | | | circuit | | | | protocol again | | |\n"
    rule = f"| {' | '.join(['---'] * len(HEAD))} |\n"
    head = f"| {' | '.join(f'*{x}*' if x != 'protocol' else '' for x in HEAD)} |\n"
    return groups + rule + head + "".join(f"| {' | '.join(x.cells())} |\n" for x in found) + f"\n{made}\n"


def round_trip_command(json_to: str | None, write_to: str | None) -> int:
    """The table on standard output."""
    into_page = files.into_page(write_to, MARK)
    into_json = files.into_json(json_to)
    found = trips(Bar(json_to != "-"))
    text = table(found, f"Written by `lockstep bounds --round-trip --write FILE` on {date.today().isoformat()}.")
    document = {"round_trip": [asdict(x) for x in found]}
    if json_to == "-":
        click.echo(json.dumps(document, indent=2))
    else:
        click.echo(text, nl=False)
    into_json(document)
    into_page(text)
    return 0
