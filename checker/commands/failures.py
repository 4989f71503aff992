"""What can go wrong, as an exit status and lines on stderr. Never a traceback, unless LOCKSTEP_DEBUG=1."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from checker.language.diagnostics import Diagnostic, Span, SpecError

LARGEST = 8 * 2**30
CLOSED_PIPE = 141
SHOWN = 20


def status_of(action: Callable[[list[str]], int], arguments: list[str]) -> int:
    """The exit status of an action, with whatever it raises."""
    limit_memory()
    try:
        return action(arguments)
    except click.exceptions.Exit as e:
        return e.exit_code
    except click.ClickException as e:
        e.show()
        return 2
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return 130
    except BrokenPipeError:
        return CLOSED_PIPE
    except Exception as e:
        if os.environ.get("LOCKSTEP_DEBUG") == "1":
            raise
        diagnostics = diagnosed(e)
        if diagnostics:
            show(diagnostics)
            return 2
        text = " ".join(str(e).split())[:300]
        click.echo(
            f"lockstep: internal error: {type(e).__name__}{': ' + text if text else ''} "
            "(LOCKSTEP_DEBUG=1 shows where; please report it)",
            err=True,
        )
        return 4


def diagnosed(error: Exception) -> tuple[Diagnostic, ...]:
    """The error as diagnostics, if the spec or the call is to blame."""
    if isinstance(error, SpecError):
        return error.diagnostics
    if isinstance(error, RecursionError):
        return (Diagnostic("TOO_DEEP", "expected a spec that nests less deep, found one that exceeds the stack"),)
    if isinstance(error, MemoryError):
        return (Diagnostic("TOO_LARGE", "expected a spec that needs less memory, found one that exceeds what there is"),)
    if isinstance(error, OverflowError) or (isinstance(error, ValueError) and "integer string conversion" in str(error)):
        return (Diagnostic("TOO_LARGE", "expected smaller numbers, found one that is too large to go on with"),)
    if isinstance(error, OSError) and error.filename is not None:
        return (Diagnostic("FILE", f"{error.strerror or 'cannot be used'}", Span(str(error.filename), 0, 0)),)
    return ()


def show(diagnostics: tuple[Diagnostic, ...]) -> None:
    """On stderr, with the line of the file and a caret where there is one."""
    sources: dict[str, str | None] = {}
    for d in diagnostics[:SHOWN]:
        if d.span.line and d.span.file not in sources:
            try:
                sources[d.span.file] = Path(d.span.file).read_text(encoding="utf-8")
            except (OSError, ValueError):
                sources[d.span.file] = None
        click.echo(d.render(sources.get(d.span.file)), err=True)
    if len(diagnostics) > SHOWN:
        click.echo(f"... and {len(diagnostics) - SHOWN} more", err=True)


def limit_memory() -> None:
    """Let a hostile spec end in MemoryError and not in a machine without memory."""
    if sys.platform == "win32":
        return
    try:
        import resource

        there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        limit = min(LARGEST, there * 9 // 10)
        if hard == resource.RLIM_INFINITY or hard > limit:
            resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    except (ImportError, OSError, ValueError):
        return
