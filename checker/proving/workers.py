"""Tasks on worker processes of this machine, within budgets that hold whether a worker cooperates or not.

A worker notes in shared memory when it begins an obligation. One that is at an obligation for too long is killed: that claim is
UNDECIDED, the rest of its task goes to another worker. So is a claim whose worker ends on its own, for want of memory say.
Nothing else is lost: a task's results count when the whole task is back, once.
"""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from pebble import ProcessExpired, ProcessPool

from checker.language.diagnostics import SpecError
from checker.proving.records import plain
from checker.proving.results import ClaimResult
from checker.proving.tasks import Settler, Task, Work

PAYS = 1.0  # seconds of work after which more than one worker is started
POLL = 0.1  # seconds between looks at the clocks
GRACE = 0.5  # seconds that a worker may take to notice by itself
MIB = 1 << 20


@dataclass(slots=True)
class Clocks:
    """For each task: when its worker began the present obligation, 0 before the first; and which claim of the theorem that is of,
    -1 while the instance is compiled."""

    begun: Any
    claim: Any


@dataclass(frozen=True, slots=True)
class Done:
    """A task's results, or the diagnostics of its text."""

    number: int
    results: tuple[ClaimResult, ...]
    error: SpecError | None = None


@dataclass(slots=True)
class _Running:
    number: int
    task: Task
    worker: int


Group = tuple[int, str]


class _Waiting:
    """The tasks that nobody works at, by theorem: the instances of one share lemmas, protocols and circuits."""

    def __init__(self, tasks: dict[int, Task]) -> None:
        self.groups: dict[Group, deque[tuple[int, Task]]] = {}
        for number, task in tasks.items():
            self.groups.setdefault(group(task), deque()).append((number, task))

    def __bool__(self) -> bool:
        return bool(self.groups)

    def take(self, last: Group | None, others: set[Group]) -> tuple[int, Task]:
        """The next for a worker: of the theorem that it was at last, or of the first one that no other worker is at, or the last
        one of that with the most tasks."""
        free = last if last in self.groups else next((x for x in self.groups if x not in others), None)
        if free is not None:
            return self._out(free, self.groups[free].popleft())
        crowded = max(self.groups, key=lambda x: len(self.groups[x]))
        return self._out(crowded, self.groups[crowded].pop())

    def _out(self, of: Group, found: tuple[int, Task]) -> tuple[int, Task]:
        if not self.groups[of]:
            del self.groups[of]
        return found

    def back(self, number: int, task: Task) -> None:
        """A task of which something is left: the next of its theorem."""
        self.groups.setdefault(group(task), deque()).appendleft((number, task))


def group(task: Task) -> Group:
    return task.file, task.theorem.name


def here(work: Work, tasks: dict[int, Task]) -> Iterator[Done]:
    """The same in this process, which nothing ends when a budget is exceeded."""
    settler = Settler(work)
    for number, task in tasks.items():
        try:
            yield Done(number, tuple(settler.settle(task)))
        except SpecError as error:
            yield Done(number, (), error)


def run(work: Work, tasks: dict[int, Task], jobs: int) -> Iterator[Done]:
    """The results of the tasks, by their numbers, as they come. Closing the iterator ends all workers at once. If there are few
    tasks for the workers, they are cut up: claims that stand together stay together, for they share what is proved."""
    each = jobs // max(1, len(tasks))
    if each < 2:
        yield from _run(work, tasks, jobs)
        return
    parts = [(number, part) for number, task in tasks.items() for part in task.cut(each)]
    found: dict[int, list[ClaimResult]] = {number: [] for number in tasks}
    with closing(_run(work, {k: part for k, (_, part) in enumerate(parts)}, jobs)) as running:
        for done in running:
            number = parts[done.number][0]
            found[number] += done.results
            if done.error is not None or len(found[number]) == len(tasks[number].names):
                yield Done(number, _in_order(tasks[number], found[number]), done.error)


def _run(work: Work, tasks: dict[int, Task], jobs: int) -> Generator[Done, None, None]:
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    last = max(tasks, default=0) + 1
    clocks = Clocks(context.Array("d", last, lock=False), context.Array("i", last, lock=False))
    waiting = _Waiting(tasks)
    early: dict[int, list[ClaimResult]] = {}  # of claims that were given up
    running: dict[Any, _Running] = {}
    workers: list[ProcessPool] = []
    at_last: list[Group | None] = []  # of each worker
    begin = time.monotonic()

    try:
        while waiting or running:
            enough = jobs if time.monotonic() - begin > PAYS else 1
            while waiting and len(running) < enough:
                busy = {at.worker for at in running.values()}
                k = next((k for k in range(len(workers)) if k not in busy), len(workers))
                if k == len(workers):
                    workers.append(ProcessPool(1, initializer=_start, initargs=(work, clocks), context=context))
                    at_last.append(None)
                number, task = waiting.take(at_last[k], {x for n, x in enumerate(at_last) if n in busy and x is not None})
                at_last[k] = group(task)
                clocks.begun[number], clocks.claim[number] = 0.0, -1
                running[workers[k].schedule(_settle, (number, task))] = _Running(number, task, k)
            wait(running, timeout=POLL if work.timeout > 1 else POLL / 10, return_when=FIRST_COMPLETED)
            for future, at in list(running.items()):
                late = not future.done() and _late(clocks, at.number, work.timeout)
                if not (future.done() or late):
                    continue
                del running[future]
                reason, seconds = "", _elapsed(clocks, at.number)
                if late:
                    future.cancel()
                    reason = f"it took more than the time of {work.timeout:g} s (--timeout), and its process was ended"
                else:
                    try:
                        found = future.result()
                    except ProcessExpired as end:
                        reason = _ended(end, work.memory)
                    except CancelledError:
                        reason = "its process was ended"
                if not reason:
                    if isinstance(found, SpecError):
                        yield Done(at.number, (), found)
                    else:
                        yield Done(at.number, _in_order(at.task, [*early.pop(at.number, []), *found]))
                    continue
                names = _given_up(at.task, clocks.claim[at.number])
                early.setdefault(at.number, []).extend(at.task.undecided(names, reason, seconds))
                rest = at.task.without(set(names))
                if rest.names:
                    waiting.back(at.number, rest)
                else:
                    yield Done(at.number, _in_order(at.task, early.pop(at.number)))
    finally:
        for worker in workers:
            worker.stop()  # type: ignore[no-untyped-call]
        for worker in workers:
            worker.join()


def _late(clocks: Clocks, number: int, timeout: float) -> bool:
    return _elapsed(clocks, number) > timeout + GRACE


def _elapsed(clocks: Clocks, number: int) -> float:
    begun = clocks.begun[number]
    return time.monotonic() - begun if begun else 0.0


def _given_up(task: Task, position: int) -> tuple[str, ...]:
    """The claim that was at work; all claims, if the instance was being compiled, or a worker that was ended before has noted
    a claim that is no part of the rest."""
    name = task.theorem.claims[position].name if position >= 0 else ""
    return (name,) if name in task.names else task.names


def _ended(end: ProcessExpired, memory: int | None) -> str:
    code = getattr(end, "exitcode", None) or 0
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with status {code}"
    limit = f" (--memory {memory})" if memory else ""
    return f"its process ended {how}, for want of memory perhaps{limit}"


def _in_order(task: Task, found: list[ClaimResult]) -> tuple[ClaimResult, ...]:
    order = {c.name: k for k, c in enumerate(task.theorem.claims)}
    return tuple(sorted(found, key=lambda r: order[r.claim]))


# ---- in the worker ------------------------------------------------------------------------------------

_settler: Settler | None = None
_clocks: Clocks | None = None


def _start(work: Work, clocks: Clocks) -> None:
    """A worker ignores Ctrl-C: who started it ends it."""
    global _settler, _clocks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _settler, _clocks = Settler(work), clocks


def _settle(number: int, task: Task) -> list[ClaimResult] | SpecError:
    assert _settler is not None and _clocks is not None
    begun, at, memory = _clocks.begun, _clocks.claim, _settler.work.memory
    places = {c.name: k for k, c in enumerate(task.theorem.claims)} | {"": -1}

    def watch(name: str) -> None:
        at[number] = places[name]
        begun[number] = time.monotonic()
        limit_memory(memory)

    try:
        return [plain(r) for r in _settler.settle(task, watch)]
    except SpecError as error:
        return error


def limit_memory(mib: int | None) -> None:
    """From here on this process may take so many MiB more; where the system cannot say what it has, nothing happens."""
    if mib is None:
        return
    try:
        import resource

        with open("/proc/self/statm") as stream:
            there = int(stream.read().split()[0]) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        wanted = there + mib * MIB
        resource.setrlimit(resource.RLIMIT_AS, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))
    except (ImportError, OSError, ValueError):
        return
