"""Seconds and memory of work in processes of its own, which remember nothing and are ended when they take too long."""

from __future__ import annotations

import multiprocessing
import os
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter, sleep
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
    return Run(seconds, _mib(resource.getrusage(resource.RUSAGE_SELF)), answer)


def _mib(usage: resource.struct_rusage) -> int:
    return usage.ru_maxrss // (1024 if sys.platform != "darwin" else 1024 * 1024)


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


def command(arguments: tuple[str, ...], status: int, folder: str, most: float, package: str | None = None) -> Run | None:
    """Run lockstep in a process of its own, with the cache in a folder, and perhaps a copy of the package; None if it takes more
    than `most` seconds. The answer is what it prints, the memory that of its largest process; 0 if that
    is not more than this process takes, of which it starts as a copy.

    Raises `RuntimeError` if it ends with another status.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": folder, "XDG_STATE_HOME": folder, "PYTHONPYCACHEPREFIX": f"{folder}/modules"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # as an installed lockstep: modules are compiled once
    if package is not None:
        environment["PYTHONPATH"] = package
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as problem:
        begin = perf_counter()
        call = [sys.executable, "-m", "checker", *arguments]
        p = subprocess.Popen(call, stdout=output, stderr=problem, env=environment, cwd=package, start_new_session=True)
        try:
            usage = _ended(p, begin + most)
        except BaseException:
            os.killpg(p.pid, signal.SIGKILL)
            raise
        seconds = perf_counter() - begin
        if usage is None:
            return None
        for stream in (output, problem):
            stream.seek(0)
        if p.returncode != status:
            raise RuntimeError(f"lockstep {' '.join(arguments)}: status {p.returncode}, not {status}: {problem.read()[-500:]}")
        most, own = _mib(usage), _mib(resource.getrusage(resource.RUSAGE_SELF))
        return Run(seconds, most if most > own else 0, output.read())


def _ended(p: subprocess.Popen[bytes], end: float) -> resource.struct_rusage | None:
    """What a process has used, its own processes among it. One that takes too long is ended, its own processes too."""
    while True:
        pid, status, usage = os.wait4(p.pid, os.WNOHANG)
        if pid:
            p.returncode = os.waitstatus_to_exitcode(status)
            return usage
        if perf_counter() > end:
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()
            return None
        sleep(0.002)


def machine(cores: int) -> str:
    """What figures depend on; how fast it is at the moment, for machines are shared."""

    def additions() -> float:
        begin, total = perf_counter(), 0
        for k in range(10_000_000):
            total += k
        return perf_counter() - begin

    python = f"{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}"
    return f"{python}, 10,000,000 additions in {statistics.median(additions() for _ in range(3)):.2f} s"
