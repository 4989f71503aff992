"""The passes of `check`: files to tasks, tasks to results (from the cache, or by workers), results to a report.

What parses and proves is imported when a file needs it: if nothing has changed, nothing does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from checker.kernel.limits import ENUMERATED, RESOURCES
from checker.language.diagnostics import Diagnostic, SpecError
from checker.language.resources import data_folder, read
from checker.proving.cache import Cache, library, name_of
from checker.proving.records import Malformed, record, results
from checker.proving.results import ClaimResult, Report, Shard
from checker.proving.versions import versions

if TYPE_CHECKING:
    from checker.elaboration.library import Loaded
    from checker.proving.tasks import Task, Work
    from checker.proving.workers import Done

T = TypeVar("T")
TEST_SECONDS = 30.0  # for all claims of a `test` run together, about
KEPT = ("PROVED", "REFUTED")  # what a cache keeps: a proof, or a witness that replay has confirmed


@dataclass(frozen=True, slots=True)
class How:
    """How a run settles its claims: budgets for one obligation, and where it is settled."""

    timeout: float = 60.0  # seconds
    memory: int | None = None  # MiB
    only_falsify: bool = False
    jobs: int = 0  # worker processes; 0: this process, which no budget can end
    scheduler: str | None = None  # the address of a Dask scheduler, in place of `jobs`
    shard: tuple[int, int] | None = None  # (i, k): every k-th task, from the i-th on
    cache: Cache | None = None

    @property
    def budget(self) -> tuple[tuple[str, str], ...]:
        """The limits, for reports."""
        memory = () if self.memory is None else (("memory", f"{self.memory} MiB an obligation"),)
        return (
            ("timeout", f"{self.timeout:g} s an obligation"),
            *memory,
            ("z3", f"{RESOURCES:,} resource units a question"),
            ("enumeration", f"{ENUMERATED:,} inputs"),
        )


@dataclass(frozen=True, slots=True)
class Text:
    """What a file held when the run began: it is read once, so what is proved is what has the name in the cache."""

    path: Path
    text: str

    def name(self, against: Text | None, used: str) -> str:
        """Of its cache entry, with the file to check against and all that a file can `use`."""
        return name_of("file", self.text, self.shipped, used, *(() if against is None else (against.text, against.shipped)))

    @property
    def shipped(self) -> str:
        """Its name in the library if it is there: it does not use itself."""
        path = self.path.resolve()
        return path.stem if path.parent == data_folder("spec").resolve() else ""


@dataclass(slots=True)
class _File:
    """A file, and what the cache has of it as a whole."""

    text: Text
    name: str
    known: list[ClaimResult] | None


@dataclass(slots=True)
class _Slot:
    """Neighbouring results of a report: of a whole file from the cache, or of a task, which may lack some."""

    file: int  # of all files
    size: int
    results: list[ClaimResult] = field(default_factory=list)
    task: Task | None = None
    name: str = ""

    @property
    def full(self) -> bool:
        return len(self.results) == self.size


def check_files(
    paths: list[Path],
    how: How = How(),
    *,
    against: Path | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    on_result: Callable[[ClaimResult], None] | None = None,
) -> Report:
    """Check every claim of the files. `on_result` hears them in the order of the report.

    Raises `SpecError` with the diagnostics of all files: for syntax and names before anything is proved, for the rest when the
    first of them is met. On `KeyboardInterrupt`, `on_result` hears of all that was decided.
    """
    begin = monotonic()
    other = None if against is None else Text(against, read(against))
    files = _files(paths, other, None if how.shard or how.only_falsify else how.cache)
    fresh = [k for k, f in enumerate(files) if f.known is None]
    slots = [_Slot(k, len(f.known), f.known) for k, f in enumerate(files) if f.known is not None]
    work, shard = None, None
    if fresh:
        work, tasks = _elaborated([files[k].text for k in fresh], other, how)
        shard = _shard(tasks, how.shard)
        chosen = tasks if how.shard is None else tasks[how.shard[0] - 1 :: how.shard[1]]
        slots += [_Slot(fresh[t.file], len(t.names), [], t) for t, _ in chosen]
        names = {id(t): name for t, name in tasks}
        slots.sort(key=lambda slot: slot.file)
        for slot in slots:
            if slot.task is not None:
                slot.name = names[id(slot.task)]
                slot.results = _recalled(slot.task, slot.name, how)
    given: list[ClaimResult] = []
    ready = 0

    def tell(everything: bool = False) -> None:
        nonlocal ready
        while ready < len(slots) and (slots[ready].full or everything):
            for r in slots[ready].results:
                given.append(r)
                if on_result is not None:
                    on_result(r)
            ready += 1

    total = sum(slot.size for slot in slots)
    try:
        tell()
        for slot in _settled(work, slots, how) if work is not None else ():
            if how.cache is not None and not how.only_falsify:
                _keep(slot, how.cache)
            if progress is not None and slot.task is not None:
                progress(slot.task.label, sum(len(x.results) for x in slots), total)
            tell()
    except KeyboardInterrupt:
        tell(everything=True)
        raise
    if ready < len(slots):  # a report must not say less than was asked
        raise RuntimeError(f"no result for claims of {sum(not slot.full for slot in slots)} tasks")
    if how.cache is not None and how.shard is None and not how.only_falsify:
        _keep_files(files, other, slots, how.cache)
    return Report(tuple(given), monotonic() - begin, versions(), how.budget, shard)


# ---- files --------------------------------------------------------------------------------------------


def _files(paths: list[Path], against: Text | None, cache: Cache | None) -> list[_File]:
    """The texts, and for those that the cache has seen as they are, with the library as it is, their results."""
    texts = [Text(path, read(path)) for path in paths]
    if cache is None:
        return [_File(x, "", None) for x in texts]
    used = library()
    named = [(x, x.name(against, used)) for x in texts]
    return [_File(x, name, _whole(cache.get(name), x.path)) for x, name in named]


def _whole(found: object, path: Path) -> list[ClaimResult] | None:
    try:
        return [replace(r, cached=True, span=replace(r.span, file=str(path))) for r in results(found)]
    except Malformed:
        return None


def _keep_files(files: list[_File], against: Text | None, slots: list[_Slot], cache: Cache) -> None:
    """Whole files, unless the library has changed meanwhile: which of both was used is not known."""
    used = library()
    for k, group in groupby(slots, key=lambda slot: slot.file):
        parts = [*group]
        found = [r for slot in parts for r in slot.results]
        same = files[k].known is None and files[k].text.name(against, used) == files[k].name
        if same and all(slot.full for slot in parts) and all(r.outcome.verdict in KEPT for r in found):
            cache.put(files[k].name, [record(r) for r in found])


def load_all(texts: list[Text]) -> list[Loaded]:
    """All files, or the diagnostics of all of them. What syntax errors do not need is imported when there are none."""
    from checker.language.parser import parse

    _all_of(lambda x: parse(x.text, str(x.path)), texts)
    from checker.elaboration.library import load_text

    return _all_of(lambda x: load_text(x.text, str(x.path), x.path), texts)


def _all_of(action: Callable[[Text], T], texts: list[Text]) -> list[T]:
    found: list[T] = []
    problems: list[Diagnostic] = []
    for x in texts:
        try:
            found.append(action(x))
        except SpecError as error:
            problems += error.diagnostics
    if problems:
        raise SpecError(*problems)
    return found


# ---- tasks --------------------------------------------------------------------------------------------


def _elaborated(texts: list[Text], against: Text | None, how: How) -> tuple[Work, list[tuple[Task, str]]]:
    """The tasks of the files, in order, each with the name of its cache entry."""
    loaded = load_all(texts)
    from checker.elaboration.library import load_text
    from checker.proving.tasks import Work, content, tasks

    original = None if against is None else load_text(against.text, str(against.path), against.path)
    found = [*tasks(loaded)]
    count = sum(len(t.names) for t in found)
    share = min(how.timeout, 5.0, max(0.1, TEST_SECONDS / max(1, count)))
    work = Work(tuple(loaded), original, how.timeout, how.only_falsify, share, how.memory)
    if how.cache is None and how.shard is None:
        return work, [(t, "") for t in found]
    named: list[tuple[Task, str]] = []
    for (file, _), group in groupby(found, key=lambda t: (t.file, t.theorem.name)):
        same = [*group]
        text = content(same[0].theorem, loaded[file], original)
        named += [(t, name_of("task", text, repr(t.instance))) for t in same]
    return work, named


def _shard(tasks: list[tuple[Task, str]], part: tuple[int, int] | None) -> Shard | None:
    if part is None:
        return None
    return Shard(part[0], part[1], len(tasks), hashlib.sha256("".join(name for _, name in tasks).encode()).hexdigest())


def _recalled(task: Task, name: str, how: How) -> list[ClaimResult]:
    """What the cache knows of a task. Where its claims are is taken from the text as it is now."""
    found = how.cache.get(name) if how.cache is not None and not how.only_falsify else None
    try:
        known = {r.claim: r for r in results(found)} if found is not None else {}
    except Malformed:
        return []
    spans = {c.name: c.span for c in task.theorem.claims}
    return [replace(known[n], cached=True, span=spans[n]) for n in task.names if n in known]


def _keep(slot: _Slot, cache: Cache) -> None:
    decided = [r for r in slot.results if r.outcome.verdict in KEPT]
    if any(not r.cached for r in decided):
        cache.put(slot.name, [record(r) for r in decided])


def _settled(work: Work, slots: list[_Slot], how: How) -> Iterator[_Slot]:
    """The slots that lacked results, as they become full."""
    todo: dict[int, Task] = {}
    for k, slot in enumerate(slots):
        if slot.task is not None and not slot.full:
            todo[k] = slot.task.without({r.claim for r in slot.results})
    places = {k: {c.name: n for n, c in enumerate(t.theorem.claims)} for k, t in todo.items()}
    for done in _where(work, todo, how):
        if done.error is not None:
            raise _every_problem(work) or done.error
        slot = slots[done.number]
        slot.results = sorted([*slot.results, *done.results], key=lambda r: places[done.number][r.claim])
        yield slot


def _where(work: Work, todo: dict[int, Task], how: How) -> Iterator[Done]:
    """The results of the tasks, wherever they are settled."""
    if not todo:
        return iter(())
    if how.scheduler is not None:
        from checker.proving.cluster import run as elsewhere

        return elsewhere(work, todo, how.scheduler)
    from checker.proving.workers import here, run

    return run(work, todo, how.jobs) if how.jobs else here(work, todo)


def _every_problem(work: Work) -> SpecError | None:
    """What is wrong with the files, all of it."""
    from checker.elaboration.theorem_to_claims import claims

    problems: list[Diagnostic] = []
    for loaded in work.files:
        try:
            for _ in claims(loaded, work.against):
                pass
        except SpecError as error:
            problems += error.diagnostics
    return SpecError(*problems) if problems else None
