"""Seconds and memory of work in processes of its own, which remember nothing and are ended when they take too long."""

from __future__ import annotations

import multiprocessing
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from pebble import ProcessExpired, ProcessPool


@dataclass(frozen=True, slots=True)
class Run:
    """One run: seconds, without the start of its process and the import of the work's own module; the most memory of the
    process in MiB; what the work returned."""

    seconds: float
    memory: int
    answer: Any = None


def measured(work: Callable[..., Any], arguments: tuple[Any, ...]) -> Run:
    """In this process."""
    begin = perf_counter()
    answer = work(*arguments)
    seconds = perf_counter() - begin
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return Run(seconds, most // (1024 if sys.platform != "darwin" else 1024 * 1024), answer)


def afresh(work: Callable[..., Any], arguments: tuple[Any, ...], most: float | None = None) -> Run | None:
    """In a new process; None if it takes more than `most` seconds (None: no limit).

    Raises `MemoryError` if it was ended from outside, and what the work raises.
    """
    with ProcessPool(1, context=multiprocessing.get_context("spawn")) as pool:
        try:
            found: Run = pool.schedule(measured, (work, arguments), timeout=most).result()
            return found
        except TimeoutError:
            return None
        except ProcessExpired as end:
            raise MemoryError(f"a process of the benchmark ended from outside: {end}") from None
        finally:
            pool.stop()  # type: ignore[no-untyped-call]
