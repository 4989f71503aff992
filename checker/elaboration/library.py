"""A file and the library files that it uses: text, definitions and theorems, with all names checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from checker.elaboration.kinds import hint
from checker.elaboration.theorem_scopes import check_names
from checker.language import syntax as s
from checker.language.diagnostics import Diagnostic, Span, SpecError, spec_error
from checker.language.parser import parse
from checker.language.resources import data_folder, read


@dataclass(frozen=True, slots=True)
class Loaded:
    """One file. `definitions` holds its own and those of the library files it uses, in order (used files first)."""

    path: Path
    text: str
    source: s.SourceFile
    definitions: dict[str, s.Definition]
    theorems: tuple[s.Theorem, ...]

    @property
    def functions(self) -> dict[str, s.FunctionDefinition]:
        return {k: d for k, d in self.definitions.items() if isinstance(d, s.FunctionDefinition)}


def library_names() -> list[str]:
    """What `use NAME from library;` can name."""
    return sorted(p.stem for p in data_folder("spec").glob("*.lks"))


def load(path: Path) -> Loaded:
    """The file with everything that it uses."""
    return load_text(read(path), str(path), path)


def load_text(text: str, name: str = "<text>", path: Path | None = None) -> Loaded:
    """As `load`, for text that is in memory; `name` stands in the diagnostics."""
    source = parse(text, name)
    if all(isinstance(i, s.Use) for i in source.items):
        raise spec_error("EMPTY", "expected definitions or theorems, found none", Span(name, 1, 1))
    used: dict[str, s.SourceFile] = {}
    library = data_folder("spec").resolve()
    here = path.resolve() if path is not None else None
    own = here.stem if here is not None and here.parent == library else None
    _follow(source, used, own)
    definitions: dict[str, s.Definition] = {}
    problems: list[Diagnostic] = []
    for file in (*used.values(), source):
        mine: set[str] = set()
        for item in file.items:
            if isinstance(item, s.Use | s.Theorem):
                continue
            if item.name in definitions and item.name not in mine:  # twice in one file: check_names says so
                other = definitions[item.name].span
                problems.append(
                    Diagnostic(
                        "DUPLICATE",
                        f"expected a new name, found `{item.name}`, which {other.file}:{other.line} defines",
                        item.span,
                    )
                )
            mine.add(item.name)
            definitions.setdefault(item.name, item)
    if problems:
        raise SpecError(*problems)
    for file in (*used.values(), source):
        check_names(file, definitions)
    return Loaded(
        path if path is not None else Path(name),
        text,
        source,
        definitions,
        tuple(i for i in source.items if isinstance(i, s.Theorem)),
    )


def _follow(source: s.SourceFile, used: dict[str, s.SourceFile], own: str | None) -> None:
    """Library files in the order of use, what they use before them; a file that is being read is not read again."""
    open_files: set[str] = set() if own is None else {own}

    def visit(file: s.SourceFile) -> None:
        for item in file.items:
            if not isinstance(item, s.Use) or item.name in open_files:
                continue
            known = library_names()
            if item.name not in known:
                raise spec_error(
                    "NAME",
                    f"expected one of the library files {', '.join(known) or '(there are none)'}, "
                    f"found `{item.name}`{hint(item.name, known)}",
                    item.span,
                )
            open_files.add(item.name)
            path = data_folder("spec") / f"{item.name}.lks"
            inner = parse(read(path), str(path))
            visit(inner)
            used[item.name] = inner

    visit(source)
