"""Diagnostics as data: a stable code, a message for people, and the place it speaks of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a file: 1-based line and column of its first character, and its length in characters."""

    file: str = "<built>"
    line: int = 0
    column: int = 0
    length: int = 1


NOWHERE = Span()


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What was expected, what was found, and where."""

    code: str
    message: str
    span: Span = NOWHERE

    def render(self, source: str | None = None) -> str:
        """`file:line:column: error[CODE]: message`, with the line and a caret when the source is known."""
        place = (
            f"{self.span.file}:{self.span.line}:{self.span.column}: "
            if self.span.line
            else (f"{self.span.file}: " if self.span is not NOWHERE else "")
        )
        text = f"{place}error[{self.code}]: {self.message}"
        lines = (source or "").split("\n")
        if source is None or not 0 < self.span.line <= len(lines):
            return text
        line = lines[self.span.line - 1]
        start = max(0, self.span.column - 61)
        shown = line[start : start + 120].replace("\t", " ")
        marks = "^" * max(1, min(self.span.length, 120 - (self.span.column - 1 - start)))
        return f"{text}\n  {shown}\n  {' ' * (self.span.column - 1 - start)}{marks}"


class SpecError(Exception):
    """The spec or the call is wrong: one or more diagnostics."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("; ".join(d.message for d in diagnostics))
        self.diagnostics = diagnostics

    def __reduce__(self) -> tuple[type[SpecError], tuple[Diagnostic, ...]]:
        """It may come from another process."""
        return SpecError, self.diagnostics


def spec_error(code: str, message: str, span: Span = NOWHERE) -> SpecError:
    """A `SpecError` of one diagnostic."""
    return SpecError(Diagnostic(code, message, span))
