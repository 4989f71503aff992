"""`lockstep bounds`: what the constructions of Fact B.2 and Prop. B.1 cost, counted without making a circuit."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import click

from checker.commands import files
from checker.compilers import embeddings, selectors
from checker.language.diagnostics import spec_error

SELECTORS = ("identity", "kautz_singleton", "paper")
EMBEDDINGS = ("hadamard", "moment", "sign")
PACKET = 6  # coordinates of a packet with one word: the word, type, source, destination, number, validity
MOST_MACHINES, MOST_MESSAGES = 256, 16


@dataclass(frozen=True, slots=True)
class Cost:
    """One routing layer of N machines that send and receive at most s messages of one word each.

    `columns`: d by selector, for n = N^2 s rows and b = s^2; `coordinates`: k by embedding, for sets of at most s machines.
    """

    machines: int
    messages: int
    columns: dict[str, int]
    coordinates: dict[str, int]

    def width(self, selector: str, embedding: str) -> int:
        """m, the embedding dimension of the compiled circuit: d packets in a row, k + 1 coordinates in queries and keys."""
        return max(2, self.messages, PACKET * self.columns[selector], self.coordinates[embedding] + 1)


def cost(machines: int, messages: int) -> Cost:
    """The sizes that the compiler takes for these machines and messages."""
    rows, b = machines**2 * messages, messages**2
    columns = {
        "identity": selectors.columns(selectors.identity(rows)),
        "kautz_singleton": selectors.columns(selectors.kautz_singleton(rows, b)),
        "paper": selectors.paper_columns(rows, b),
    }
    coordinates = {name: embeddings.choose(name, machines, messages).coordinates for name in EMBEDDINGS}
    return Cost(machines, messages, columns, coordinates)


def bounds_command(machines: str, messages: str, json_to: str | None, *, constructions: bool) -> int:
    """The table, as text or as JSON."""
    if not constructions:
        raise spec_error("OPTION", "expected what to count: --constructions, --floats or --round-trip, found nothing")
    pairs = [
        (n, m) for n in _numbers("--machines", machines, MOST_MACHINES) for m in _numbers("--messages", messages, MOST_MESSAGES)
    ]
    costs = [cost(n, m) for n, m in pairs]
    if json_to is None:
        _show(costs)
        return 0
    text = json.dumps({"constructions": [_data(c) for c in costs]}, indent=2) + "\n"
    if json_to == "-":
        click.echo(text, nl=False)
    else:
        files.write(Path(json_to), text)
    return 0


def _numbers(option: str, text: str, most: int) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and len(part) < 9 and 1 <= int(part) <= most for part in parts):
        raise spec_error("OPTION", f"expected numbers in 1..{most} with commas between them for {option}, found `{text[:60]}`")
    return list(dict.fromkeys(int(part) for part in parts))


def _data(c: Cost) -> dict[str, object]:
    width = {f"{x},{e}": c.width(x, e) for x in SELECTORS for e in EMBEDDINGS}
    return {
        "machines": c.machines,
        "messages": c.messages,
        "columns": c.columns,
        "coordinates": c.coordinates,
        "width": width,
    }


def _show(costs: list[Cost]) -> None:
    head = ("machines", "messages", "selector", "d", *(f"{x} {name}" for name in EMBEDDINGS for x in ("k", "m")))
    lines = [
        (
            str(c.machines),
            str(c.messages),
            x,
            str(c.columns[x]),
            *(str(y) for e in EMBEDDINGS for y in (c.coordinates[e], c.width(x, e))),
        )
        for c in costs
        for x in SELECTORS
    ]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(*head, caption="d packets, k coordinates of a query, m the embedding dimension")
        for line in lines:
            table.add_row(*line)
        Console(file=sys.stdout).print(table)
        return
    widths = [max(len(row[k]) for row in (head, *lines)) for k in range(len(head))]
    for row in (head, *lines):
        click.echo("  ".join(x.ljust(w) if k == 2 else x.rjust(w) for k, (x, w) in enumerate(zip(row, widths, strict=True))))
