"""`lockstep table`: the results of the paper, from the headers of the files and a JSON report of them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import click

from checker.commands import files
from checker.elaboration.library import load_text
from checker.elaboration.theorem_to_claims import listed
from checker.language.diagnostics import Diagnostic, Span, SpecError, spec_error
from checker.reporting.json_report import MAX_REPORT
from checker.reporting.result_tables import FileRow, header_of, is_of, made_with, page, results_of

MARK = "results"


def table_command(report: str, paths: tuple[str, ...], write_to: str | None) -> int:
    """The tables on standard output, or between the marks of a file. Nothing is proved."""
    into_page = files.into_page(write_to, MARK)
    text = tables(_document(report), report, files.collect(paths), Path(write_to).parent if write_to is not None else Path())
    if write_to is None:
        click.echo(text, nl=False)
    into_page(text)
    return 0


def tables(document: Any, name: str, paths: list[Path], folder: Path) -> str:
    """The page of the files, with links from `folder`. Raises `SpecError`: HEADER, or REPORT if it is not of these claims."""
    results = {Path(file).resolve(): found for file, found in results_of(document, name).items()}
    rows: list[FileRow] = []
    problems: list[Diagnostic] = []
    for path in paths:
        try:
            text = files.read(path)
            header = header_of(text, str(path))
            found = results.get(path.resolve(), [])
            difference = is_of(found, listed(load_text(text, str(path), path)))
            if difference:
                raise spec_error(
                    "REPORT",
                    f"expected a report with the claims of {path} as they are now, but {difference}: run `lockstep check` again",
                    Span(name, 0, 0),
                )
            link = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
            rows.append(FileRow(path.name, link, header, tuple(found)))
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(*problems)
    return page(rows, made_with(document))


def _document(report: str) -> Any:
    try:
        return json.loads(files.read(Path(report), MAX_REPORT))
    except (ValueError, RecursionError) as error:
        raise spec_error("REPORT", f"expected a report of `lockstep check --json`: {error}", Span(report, 0, 0)) from None
