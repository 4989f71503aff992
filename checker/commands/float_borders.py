"""`lockstep bounds --floats`: from which size on compiled circuits are too large for a floating-point format.

For each series of circuits, at the scale that the compiler states, two borders: the least size without a promise of
`checker.backends.enough`, and the least size where one of a few fixed inputs comes out wrong.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import islice

import click

from checker.backends.enough import enough
from checker.backends.floats import run_many
from checker.commands import files
from checker.commands.checks import Bar
from checker.commands.definitions import closed
from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.replay.protocol import replay_protocol
from checker.language.resources import data_folder
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.inputs import random_inputs

SEED, STRUCTURED, RANDOM = 1, 2, 6  # inputs of a run: the first structured ones, then random ones
EXPLANATION = (
    "prediction first, wrong words later: a promise holds for every input by a bound on all rounding errors;\n"
    f"wrong words are what {STRUCTURED + RANDOM} fixed inputs show. The size just below a border was tried and was good."
)


@dataclass(frozen=True, slots=True)
class Series:
    """Circuits of one protocol of the library, by one parameter; `limit` is the largest size that is tried."""

    protocol: str
    parameters: str  # as on the command line, with the variable in place of its number
    variable: str
    embedding: str
    limit: int

    @property
    def name(self) -> str:
        return f"{self.protocol}({', '.join(x.partition('=')[2] for x in self.parameters.split())}), {self.embedding}"

    def at(self, size: int) -> Protocol:
        given = [x.partition("=") for x in self.parameters.split()]
        chosen = tuple(f"{name}={size if value == self.variable else value}" for name, _, value in given)
        found = closed(str(data_folder("spec") / f"{self.protocol}.lks"), self.protocol, chosen)
        assert isinstance(found, Protocol)
        return found


SERIES = (
    Series("maximum", "n=4 s=2 p=p", "p", "hadamard", 32),
    Series("prefix_sums", "n=n s=3 p=1", "n", "moment", 16),
    Series("prefix_sums", "n=n s=3 p=1", "n", "hadamard", 16),
    Series("pointer_doubling", "n=n T=1", "n", "moment", 50),
    Series("pointer_doubling", "n=n T=1", "n", "hadamard", 32),
)


@dataclass(frozen=True, slots=True)
class Border:
    """The least size that is bad, and the precision p' of the compiled circuit there, in bits (Def. A.1)."""

    size: int
    precision: int | None


@dataclass(frozen=True, slots=True)
class Row:
    """Both borders of a series, None if there is none up to `limit`; `broken` are sizes with a promise and a wrong word."""

    series: Series
    limit: int
    promise: Border | None
    wrong: Border | None
    broken: tuple[int, ...]


@dataclass(slots=True)
class _Trial:
    """What is known of a series; `told` hears of every size that is looked at."""

    series: Series
    dtype: str
    told: Callable[[int], None]
    circuits: dict[int, tuple[Protocol, Circuit]] = field(default_factory=dict)
    promises: dict[int, bool] = field(default_factory=dict)
    wrongs: dict[int, bool] = field(default_factory=dict)

    def compiled(self, size: int) -> tuple[Protocol, Circuit]:
        if size not in self.circuits:
            self.told(size)
            p = self.series.at(size)
            self.circuits[size] = p, transformer(p, embedding=self.series.embedding)
        return self.circuits[size]

    def unpromised(self, size: int) -> bool:
        if size not in self.promises:
            self.promises[size] = enough(self.compiled(size)[1], self.dtype).ok
        return not self.promises[size]

    def wrong(self, size: int) -> bool:
        """Does one of the inputs come out wrong or without a value?"""
        if size not in self.wrongs:
            p, c = self.compiled(size)
            self.unpromised(size)
            inputs = list(_inputs(p))
            runs = zip(inputs, run_many(c, inputs, self.dtype), strict=True)
            self.wrongs[size] = any(run.outputs != replay_protocol(p, words).outputs for words, run in runs)
        return self.wrongs[size]

    def border(self, size: int | None) -> Border | None:
        return None if size is None else Border(size, self.compiled(size)[1].precision)


def _inputs(p: Protocol) -> Iterator[dict[str, tuple[int, ...]]]:
    structured = 2 + sum(a.size for a in p.inputs)
    found = list(islice(random_inputs(p.inputs, p.requires, p.functions, SEED), structured + RANDOM))
    yield from found[:STRUCTURED]
    yield from found[-RANDOM:]


def least(bad: Callable[[int], bool], limit: int) -> int | None:
    """The first bad size in 1..limit, if sizes above a bad one are bad: by doubling, then by halving."""
    good, size = 0, 1
    while not bad(size):
        if size >= limit:
            return None
        good, size = size, min(2 * size, limit)
    return good + 1 + bisect_left(range(good + 1, size), True, key=bad)


def borders(series: Series, dtype: str, limit: int | None = None, told: Callable[[int], None] = lambda size: None) -> Row:
    """Both borders of a series. It compiles and runs about 2 log(limit) circuits."""
    most = series.limit if limit is None else limit
    trial = _Trial(series, dtype, told)
    promise = trial.border(least(trial.unpromised, most))
    wrong = trial.border(least(trial.wrong, most))
    broken = tuple(size for size, is_wrong in sorted(trial.wrongs.items()) if is_wrong and trial.promises[size])
    return Row(series, most, promise, wrong, broken)


# ---- the command --------------------------------------------------------------------------------------


def floats_command(dtype: str, limit: int | None, json_to: str | None, write_to: str | None) -> int:
    """The table as text, as JSON, or between the marks of a file. 1 if a promise was broken."""
    into_page = files.into_page(write_to, dtype)
    into_json = files.into_json(json_to)
    rows: list[Row] = []
    for row in _rows(dtype, limit):
        rows.append(row)
        if json_to != "-":
            if len(rows) == 1:
                click.echo(_line(head(dtype)))
            click.echo(_line(cells(row)))
        if row.broken:
            click.echo(f"{row.series.name}: a wrong word in spite of a promise at {row.broken}: please report it", err=True)
    if json_to is None:
        click.echo(EXPLANATION)
    else:
        document = {"dtype": dtype, "floats": [_data(row) for row in rows]}
        if json_to == "-":
            click.echo(json.dumps(document, indent=2))
        into_json(document)
    into_page(table(rows, dtype))
    return 1 if any(row.broken for row in rows) else 0


def _rows(dtype: str, limit: int | None) -> Iterator[Row]:
    bar = Bar(True)
    for index, series in enumerate(SERIES):
        label = f"{series.name}: {series.variable} ="
        try:
            row = borders(series, dtype, limit, lambda size, k=index, text=label: bar.update(f"{text} {size}", k, len(SERIES)))  # type: ignore[misc]
        finally:
            bar.pause()
        yield row


def head(dtype: str) -> tuple[str, str, str]:
    return f"{dtype}, at the compiler's scale", "no promise from", "a wrong word found from"


def cells(row: Row) -> tuple[str, str, str]:
    return row.series.name, _border(row, row.promise), _border(row, row.wrong)


def _border(row: Row, border: Border | None) -> str:
    if border is None:
        return f"none up to {row.series.variable} = {row.limit}"
    return f"{row.series.variable} = {border.size} (p' = {border.precision})"


def _line(row: tuple[str, str, str]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, (34, 22, 0), strict=True)).rstrip()


def _data(row: Row) -> dict[str, object]:
    def one(border: Border | None) -> object:
        return None if border is None else {"size": border.size, "precision": border.precision}

    return {
        "series": row.series.name,
        "variable": row.series.variable,
        "limit": row.limit,
        "no_promise_from": one(row.promise),
        "wrong_word_from": one(row.wrong),
    }


def table(rows: Iterable[Row], dtype: str) -> str:
    """Markdown with the date."""
    lines = [head(dtype), ("---",) * 3]
    for row in rows:
        name, promise, wrong = cells(row)
        series, _, embedding = name.rpartition(", ")
        lines.append((f"`{series}`, {embedding}", promise, wrong))
    written = f"Written by `lockstep bounds --floats --dtype {dtype} --write FILE` on {date.today().isoformat()}."
    return "".join(f"| {' | '.join(line)} |\n" for line in lines) + f"\n{written}\n"
