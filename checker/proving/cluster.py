"""Tasks on the workers of a Dask scheduler.

Neighbouring tasks of a file go together, as a batch of plain text. A Dask worker settles a batch in a process of its own
(`remote.py`), where the budgets hold as they do here. A worker that is lost does not lose its batch: Dask gives it to another
one, from its beginning, and takes the results of one of them. A batch that loses worker after worker is UNDECIDED.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from typing import Any

from checker.language.diagnostics import Span, SpecError, spec_error
from checker.proving.cache import fingerprint, library
from checker.proving.records import results
from checker.proving.results import ClaimResult
from checker.proving.tasks import Task, Work
from checker.proving.workers import Done

CONNECT = 10.0  # seconds to wait for the scheduler
BATCHES = 4  # for each thread of the cluster
LARGEST = 16  # tasks in a batch
WATCH = 0.5  # seconds between looks whether the run was given up


def run(work: Work, tasks: dict[int, Task], address: str) -> Iterator[Done]:
    """The results of the tasks, by their numbers, as they come.

    Raises `SpecError` (SCHEDULER) if there is no scheduler, or if its workers have another version of the checker.
    """
    from distributed import Client, Event, as_completed

    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError, TimeoutError) as error:
        raise _wrong(address, f"expected a Dask scheduler: {error}") from None
    try:
        stop = Event(client=client)
        threads = max(1, sum(client.nthreads().values()))
        size = max(1, min(LARGEST, len(tasks) // (BATCHES * threads)))
        batches = [batch for same in _neighbours(tasks) for batch in _cut(same, size)]
        futures = {client.submit(settle_batch, _request(work, tasks, batch), stop.name, pure=False): batch for batch in batches}
        try:
            for future in as_completed(futures):
                yield from _done(work, tasks, futures[future], future, address)
        finally:
            stop.set()
            client.cancel([*futures])
    finally:
        client.close()


def _neighbours(tasks: dict[int, Task]) -> Iterator[list[int]]:
    for _, same in groupby(tasks, key=lambda number: tasks[number].file):
        yield [*same]


def _cut(numbers: list[int], size: int) -> Iterator[list[int]]:
    for k in range(0, len(numbers), size):
        yield numbers[k : k + size]


def _request(work: Work, tasks: dict[int, Task], batch: list[int]) -> str:
    """A batch as text: its one file, and which claims of it are wanted."""
    loaded = work.files[tasks[batch[0]].file]
    against = work.against
    return json.dumps(
        {
            "checker": [fingerprint(), library()],
            "file": [str(loaded.path), loaded.text],
            "against": None if against is None else [str(against.path), against.text],
            "timeout": work.timeout,
            "only_falsify": work.only_falsify,
            "share": work.share,
            "memory": work.memory,
            "tasks": [[n, tasks[n].theorem.name, tasks[n].instance, tasks[n].names] for n in batch],
        }
    )


def _done(work: Work, tasks: dict[int, Task], batch: list[int], future: Any, address: str) -> Iterator[Done]:
    from distributed.scheduler import KilledWorker

    try:
        answer = json.loads(future.result())
    except KilledWorker:
        reason = "the workers that it was given to were lost, one after the other"
        yield from (Done(n, tuple(tasks[n].undecided(tasks[n].names, reason, 0.0))) for n in batch)
        return
    except Exception as error:  # whatever a worker raises: its batch has no verdict
        reason = f"a worker of {address} failed: {type(error).__name__}: {error}"
        yield from (Done(n, tuple(tasks[n].undecided(tasks[n].names, reason, 0.0))) for n in batch)
        return
    if "other" in answer:
        raise _wrong(address, "expected workers with this very version of lockstep and its library, found another one")
    for n in batch:
        found = answer["results"].get(str(n))
        if found is None:  # its text is wrong, which whoever asked finds out again, with the places
            yield Done(n, (), spec_error("SPEC", "a worker found an error in the text"))
        else:
            yield Done(n, tuple(_as_asked(tasks[n], results(found))))


def _as_asked(task: Task, found: list[ClaimResult]) -> list[ClaimResult]:
    """Results for exactly the claims of the task. Raises `SpecError` (SCHEDULER) otherwise."""
    if [r.claim for r in found] != [c.name for c in task.theorem.claims if c.name in task.names]:
        raise spec_error("SCHEDULER", f"expected results for {', '.join(task.names)}, found others")
    return found


def settle_batch(request: str, stop: str) -> str:
    """In a Dask worker: a process of its own settles the batch; it is ended when the run is given up or this worker ends."""
    from distributed import Event, get_client

    event = Event(stop, client=get_client())
    command = [sys.executable, "-m", "checker.proving.remote"]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        process.stdin.write(request + "\n")
        process.stdin.flush()
        answer = _line(process, event)
        if not answer:
            raise RuntimeError(f"the process of a batch ended with {process.poll()}: {process.stderr.read()[-500:]}")
        return answer
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # its workers too
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            with suppress(OSError):
                if stream is not None:
                    stream.close()


def _line(process: Any, event: Any) -> str:
    """The answer, while nobody has given up."""
    import selectors

    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while not selector.select(WATCH):
            if event.is_set():
                raise RuntimeError("the run was given up")
    return str(process.stdout.readline())


def _wrong(address: str, message: str) -> SpecError:
    return spec_error("SCHEDULER", message, Span(address, 0, 0))
