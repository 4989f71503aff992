"""Which results of the paper are checked, at which instances and with which verdicts: tables in Markdown.

What a file is about stands in its first comments (`header_of`). Instances and verdicts are those of a JSON report.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from checker.elaboration.theorem_to_claims import ClaimAt
from checker.language.diagnostics import Span, spec_error
from checker.reporting import instances
from checker.reporting.json_report import SCHEMA

FIELD = re.compile(r"// ([A-Z][a-z]+):(?: (.*))?")
MARKUP = re.compile(r"[\\*\[\]]|(?<!\w)_|_(?!\w)")
FIELDS = ("Result", "Printed", "Repair")
FORM = "`// Result: TEXT`, and where the printed text is wrong `// Printed: TEXT` and `// Repair: TEXT`"


@dataclass(frozen=True, slots=True)
class Header:
    """The result of the paper; what its printed text got wrong and the repair, both empty if it is right."""

    result: str
    printed: str = ""
    repair: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """One claim at one instance as a report has it. The first five say which claim it is, with what expectation."""

    theorem: str
    claim: str
    instance: instances.Instance
    statement: str
    expected: str
    verdict: str = ""

    @property
    def asked(self) -> tuple[str, str, instances.Instance, str, str]:
        """All but the verdict."""
        return self.theorem, self.claim, self.instance, self.statement, self.expected


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file: what the tables call it, where they link to, its header and its claims."""

    name: str
    link: str
    header: Header
    checked: tuple[Checked, ...]


def header_of(text: str, file: str) -> Header:
    """The first paragraph of comments: `// Result: ...` and its like, each going on to the next of them. Raises HEADER."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        start = FIELD.fullmatch(line.rstrip())
        if start is not None:
            name = start[1]
            if name not in FIELDS or name in found:
                raise spec_error("HEADER", f"expected {FORM}, each once, found `// {name}:`", Span(file, number, 1, len(line)))
            lines = found[name] = [start[2] or ""]
        elif not line.startswith("//") or not line[2:].strip() or "Result" not in found:
            break
        else:
            lines.append(line[2:].strip())
    texts = {name: " ".join(part for part in parts if part) for name, parts in found.items()}
    if not texts.get("Result"):
        raise spec_error("HEADER", f"expected the file to begin with {FORM}: the table of results shows them", Span(file, 1, 1))
    if bool(texts.get("Printed")) != bool(texts.get("Repair")):
        raise spec_error("HEADER", "expected both `// Printed: TEXT` and `// Repair: TEXT`, or neither", Span(file, 1, 1))
    return Header(texts["Result"], texts.get("Printed", ""), texts.get("Repair", ""))


# ---- the report ---------------------------------------------------------------------------------------


def results_of(document: Any, name: str) -> dict[str, list[Checked]]:
    """The results of a report by file, in its order. Raises REPORT if the document is none."""
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise spec_error("REPORT", f"expected a report of `lockstep check --json` with schema {SCHEMA}", Span(name, 0, 0))
    found: dict[str, list[Checked]] = {}
    try:
        for r in document["results"]:
            place = tuple((str(k), int(x)) for k, x in r["instance"].items())
            words = (str(r[key]) for key in ("statement", "expected", "verdict"))
            one = Checked(str(r["theorem"]), str(r["claim"]), place, *words)
            found.setdefault(str(r["place"]["file"]), []).append(one)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise spec_error("REPORT", f"expected a report of `lockstep check --json`, found {reason}", Span(name, 0, 0)) from None
    return found


def made_with(document: dict[str, Any]) -> str:
    """Which versions and limits the verdicts come from."""
    versions, budget = document.get("versions"), document.get("budget")
    parts = [f"lockstep {document.get('lockstep')}"]
    if isinstance(versions, dict):
        parts += [f"{name} {version}" for name, version in versions.items() if name != "lockstep-checker"]
    limits = [f"{name} {limit}" for name, limit in budget.items()] if isinstance(budget, dict) else []
    return f"From a report of {', '.join(parts)}. Limits: {', '.join(limits)}.\n"


def is_of(results: Iterable[Checked], claims: Iterable[ClaimAt]) -> str:
    """How the results are not those of the claims of a file, or nothing if they are."""
    found = [r.asked for r in results]
    wanted = [(c.theorem, c.name, c.instance, c.statement, c.expected) for c in claims]
    if found == wanted:
        return ""
    for what, some, others in (("has no", wanted, set(found)), ("has a", found, set(wanted))):
        for theorem, claim, instance, statement, expected in (x for x in some if x not in others):
            where = f" at {instances.one(instance)}" if instance else ""
            return f"it {what} claim `{theorem}.{claim}`{where}, `{statement}`, expected {expected}"
    return "its claims are in another order"


# ---- the tables ---------------------------------------------------------------------------------------


def page(rows: list[FileRow], source: str) -> str:
    """The results; the deliberate mistakes (files whose names begin with `mistakes`); every theorem; `source`."""
    mistakes = [row for row in rows if row.name.startswith("mistakes")]
    results = [row for row in rows if row not in mistakes]
    parts = []
    if results:
        parts.append("## Results\n\n" + _files(results, "Result of the paper"))
    if mistakes:
        parts.append("## Mistakes that must be found\n\n" + _files(mistakes, "About"))
    parts.append("## Theorem by theorem\n\n" + _theorems(rows))
    return "\n".join((*parts, source))


def _files(rows: list[FileRow], about: str) -> str:
    lines = [[about, "File", "Instances", "Verdicts", "What the printed text got wrong", "The repair"]]
    for row in rows:
        theorems = _by_theorem(row.checked)
        count = sum(len({r.instance for r in group}) for _, group in theorems)
        size = _instances(theorems[0][1]) if len(theorems) == 1 else f"{len(theorems)} theorems, {count} instances"
        header = row.header
        verdicts = ", ".join(_counted(row.checked))
        lines.append([_text(header.result), _link(row), size, verdicts, _text(header.printed), _text(header.repair)])
    wide = any(row.header.printed for row in rows)
    return _markdown(line if wide else line[:4] for line in lines)


def _theorems(rows: list[FileRow]) -> str:
    lines = [["File", "Theorem", "Instances", "Claims and verdicts"]]
    for row in rows:
        for number, (theorem, group) in enumerate(_by_theorem(row.checked)):
            groups: dict[tuple[str, ...], list[str]] = {}
            results: dict[tuple[str, ...], list[Checked]] = {}
            for claim in dict.fromkeys(r.claim for r in group):
                mine = [r for r in group if r.claim == claim]
                kind = tuple(sorted({_label(r) for r in mine}))
                groups.setdefault(kind, []).append(f"`{claim}`")
                results.setdefault(kind, []).extend(mine)
            verdicts = "; ".join(f"{', '.join(names)}: {', '.join(_counted(results[k]))}" for k, names in groups.items())
            lines.append([_link(row) if number == 0 else "", f"`{theorem}`", _instances(group), verdicts])
    return _markdown(lines)


def _by_theorem(checked: Iterable[Checked]) -> list[tuple[str, list[Checked]]]:
    return [(name, list(group)) for name, group in groupby(checked, key=lambda r: r.theorem)]


def _instances(group: list[Checked]) -> str:
    return instances.compact(list(dict.fromkeys(r.instance for r in group))) or "no parameters"


def _label(r: Checked) -> str:
    """`proved`, `refuted as expected`; what should not be stands out."""
    verdict = r.verdict.lower()
    if r.verdict == "ERROR" or verdict != r.expected:
        return f"**{r.verdict}, expected {r.expected}**"
    return verdict if verdict == "proved" else f"{verdict} as expected"


def _counted(checked: Iterable[Checked]) -> list[str]:
    counts = Counter(_label(r) for r in checked)
    order = sorted(counts, key=lambda label: (label.startswith("**"), label))
    return [f"**{counts[x]} {x[2:]}" if x.startswith("**") else f"{counts[x]} {x}" for x in order]


def _link(row: FileRow) -> str:
    return f"[{row.name}]({row.link})"


def _text(text: str) -> str:
    """For a cell: nothing but what stands between backquotes is markup."""
    pieces = text.split("`")
    plain = [MARKUP.sub(r"\\\g<0>", p).replace("<", "&lt;") if k % 2 == 0 else p for k, p in enumerate(pieces)]
    return "`".join(plain).replace("|", r"\|")


def _markdown(lines: Iterable[list[str]]) -> str:
    head, *body = lines
    return "".join(f"| {' | '.join(line)} |\n" for line in (head, ["---"] * len(head), *body))
