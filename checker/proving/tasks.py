"""What a run has to settle, cut into tasks: a theorem of a file at one instance.

Tasks do not depend on each other, so they can go to other processes and machines. Those that one process settles share what is
proved once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from time import monotonic
from typing import Any

from checker.elaboration.library import Loaded
from checker.elaboration.models import Models
from checker.elaboration.theorem_to_claims import claims_at, instances
from checker.kernel.proofs import Outcome
from checker.language import printer
from checker.language import syntax as s
from checker.proving.checking import Checker
from checker.proving.results import ClaimResult

WITHIN = 3 / 4  # of the time for an obligation is planned; a third more is for a last search

Instance = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Task:
    """The claims `names` of a theorem at an instance (None: it has none). `file` counts the files of the run from 0."""

    file: int
    theorem: s.Theorem
    instance: Instance | None
    names: tuple[str, ...]

    @property
    def label(self) -> str:
        """For progress."""
        return f"{self.theorem.name} {', '.join(f'{k}={x}' for k, x in self.instance or ())}"

    def without(self, names: set[str]) -> Task:
        """The rest of the task."""
        return replace(self, names=tuple(n for n in self.names if n not in names))

    def cut(self, count: int) -> list[Task]:
        """The task in at most so many parts, the claims in order."""
        count, all_ = min(count, len(self.names)), len(self.names)
        return [replace(self, names=self.names[all_ * k // count : all_ * (k + 1) // count]) for k in range(count)]

    def undecided(self, names: tuple[str, ...], reason: str, seconds: float) -> list[ClaimResult]:
        """Results of claims that were given up from outside."""
        outcome, place = Outcome("UNDECIDED", reason=reason), self.instance or ()
        return [
            ClaimResult(self.theorem.name, c.name, place, printer.statement_text(c.statement), c.expect, outcome, seconds, c.span)
            for c in self.theorem.claims
            if c.name in names
        ]


def tasks(files: list[Loaded]) -> Iterator[Task]:
    """All tasks, in the order of the text. Raises `SpecError`."""
    for number, loaded in enumerate(files):
        for t in loaded.theorems:
            names = tuple(c.name for c in t.claims)
            found: list[Instance | None] = [tuple(x.items()) for x in instances(t, loaded.functions)]
            for instance in found or [None]:
                yield Task(number, t, instance, names)


@dataclass(frozen=True, slots=True)
class Work:
    """What all tasks of a run share: the files, the file to check against, and how claims are settled."""

    files: tuple[Loaded, ...]
    against: Loaded | None
    timeout: float  # seconds for one obligation, searches included
    only_falsify: bool = False
    share: float = 5.0  # seconds that `test` gives to one obligation
    memory: int | None = None  # MiB that one obligation may take


class Settler:
    """Settles tasks in this process, one after the other."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.checker = Checker(WITHIN * work.timeout, work.only_falsify, work.share, work.memory)
        self.models: dict[int, Models] = {}
        self.original = None if work.against is None else Models({**work.against.definitions})

    def settle(self, task: Task, watch: Callable[[str], None] = lambda name: None) -> Iterator[ClaimResult]:
        """The results of a task's claims. `watch` hears the name of the claim before each obligation of it begins, and an empty
        one before something is compiled. Raises `SpecError`."""
        if task.file not in self.models:
            self.models[task.file] = Models({**self.work.files[task.file].definitions}, self.original)
        instance = None if task.instance is None else dict(task.instance)
        watch("")
        for claim in claims_at(task.theorem, instance, self.models[task.file]):
            if claim.name in task.names:
                begin = monotonic()
                outcome = self.checker.outcome(claim, partial(watch, claim.name))
                seconds = monotonic() - begin
                yield ClaimResult(
                    claim.theorem, claim.name, claim.instance, claim.statement, claim.expected, outcome, seconds, claim.span
                )
            watch("")


def content(t: s.Theorem, loaded: Loaded, against: Loaded | None) -> str:
    """Everything that the verdicts of a theorem depend on, but the instance and the checker itself: its text, and the definitions
    that it leads to. Places in the text are no part of it."""
    parts = [repr(t), *reached(t, loaded.definitions)]
    if against is not None:  # protocols are taken from there by their names
        parts += ["against", *map(repr, against.definitions.values())]
    return "\n".join(parts)


def reached(root: Any, definitions: dict[str, s.Definition]) -> list[str]:
    """The definitions whose names occur in `root`, in these, and so on; a local name that hides one only adds to them."""
    seen: dict[str, str] = {}
    stack: list[Any] = [root]
    while stack:
        for name in _strings(stack.pop()):
            if name in definitions and name not in seen:
                seen[name] = repr(definitions[name])
                stack.append(definitions[name])
    return [seen[name] for name in sorted(seen)]


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, tuple):
        for x in node:
            yield from _strings(x)
    elif is_dataclass(node) and not isinstance(node, type):
        for f in fields(node):
            if f.name != "span":
                yield from _strings(getattr(node, f.name))
