"""From what a person typed to files and numbers, with diagnostics."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

from checker.language import resources
from checker.language.diagnostics import Diagnostic, Span, SpecError
from checker.language.resources import MAX_BYTES, data_folder

SUFFIX = ".lks"
PARAMETER = re.compile(r"([A-Za-z_][A-Za-z_0-9]*)=([0-9]{1,100})", re.ASCII)


def _problem(path: Path, message: str) -> SpecError:
    return SpecError(Diagnostic("FILE", message, Span(str(path), 0, 0)))


def read(path: Path, limit: int = MAX_BYTES) -> str:
    """The text of a file of at most `limit` bytes (no pipes and devices: they may never end)."""
    if path.exists() and not path.is_file():
        raise _problem(path, "expected a file, found something else")
    return resources.read(path, limit)


def write(path: Path, text: str, *, overwrite: bool = True) -> None:
    """Write a whole file."""
    if not overwrite and os.path.lexists(path):
        raise _problem(path, "expected a new file, found one of that name (it is left as it is)")
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")  # names of files need not be text
    except (OSError, ValueError) as e:
        raise _problem(path, f"cannot be written: {getattr(e, 'strerror', None) or e}") from None


def between(text: str, mark: str, inside: str, name: str) -> str:
    """The text with `inside` between the marks. Raises `SpecError` (FILE) if they are not there once each."""
    begin, end = f"<!-- {mark}: begin -->\n", f"<!-- {mark}: end -->\n"
    if text.count(begin) != 1 or text.count(end) != 1 or text.index(begin) > text.index(end):
        raise _problem(Path(name), f"expected one line `{begin.strip()}` and below it one `{end.strip()}`")
    return text[: text.index(begin) + len(begin)] + inside + text[text.index(end) :]


def writable(path: Path) -> None:
    """Complain early about a report that cannot be written later."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise _problem(path, "expected a file in an existing directory")
    if not os.access(path if path.exists() else path.absolute().parent, os.W_OK):
        raise _problem(path, "cannot be written: no permission")


def collect(paths: tuple[str, ...]) -> list[Path]:
    """All files that the paths stand for, each once; the shipped ones if there is no path."""
    given = [Path(p) for p in paths] or [data_folder("spec"), data_folder("proofs")]
    files: dict[Path, Path] = {}
    problems: list[Diagnostic] = []
    for path in given:
        found = sorted(p for p in path.rglob("*" + SUFFIX) if p.is_file()) if path.is_dir() else [path]
        if not found and paths:
            problems.append(Diagnostic("FILE", f"expected a directory with {SUFFIX} files, found none", Span(str(path), 0, 0)))
        for file in found:
            try:
                read(file)
                files.setdefault(file.resolve(), file)
            except SpecError as e:
                problems.extend(e.diagnostics)
    if problems:
        raise SpecError(*problems)
    return list(files.values())


def into_page(path: str | None, mark: str) -> Callable[[str], None]:
    """Puts a text between the marks of a page, if there is one. That it has them and can be written is checked at once."""
    if path is None:
        return lambda text: None
    page = Path(path)
    between(read(page), mark, "", path)
    writable(page)
    return lambda text: write(page, between(read(page), mark, text, path))


def into_json(path: str | None) -> Callable[[object], None]:
    """Writes a document as JSON, if there is a file for it. That it can be written is checked at once."""
    if path in (None, "-"):
        return lambda document: None
    file = Path(path or "")
    writable(file)
    return lambda document: write(file, json.dumps(document, indent=2) + "\n")


def arguments(name: str, expected: tuple[str, ...], given: tuple[str, ...]) -> dict[str, int]:
    """`k=v ...` as numbers: each parameter once."""
    values: dict[str, int] = {}
    problems: list[Diagnostic] = []
    for text in given:
        match = PARAMETER.fullmatch(text)
        if match is None:
            problems.append(Diagnostic("PARAMETER", f"expected NAME=NUMBER, found `{text}`"))
            if text.partition("=")[0] in expected:
                values.setdefault(text.partition("=")[0], 0)
            continue
        key, value = match[1], int(match[2])
        if key not in expected:
            known = f"one of {', '.join(expected)}" if expected else "no parameters"
            problems.append(Diagnostic("PARAMETER", f"{name} expects {known}, found `{key}`"))
        elif key in values:
            problems.append(Diagnostic("PARAMETER", f"expected `{key}` once, found it again"))
        values[key] = value
    missing = [key for key in expected if key not in values]
    if missing:
        problems.append(Diagnostic("PARAMETER", f"{name} expects {', '.join(f'{m}=NUMBER' for m in missing)}, found nothing"))
    if problems:
        raise SpecError(*problems)
    return values
