"""`lockstep table` and proofs/README.md: the page must say what the files say. Nothing is proved here."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from test_commands import lockstep, wrong

from checker.commands.result_tables import tables
from checker.elaboration.library import load, load_text
from checker.elaboration.theorem_to_claims import claims, listed
from checker.language.diagnostics import SpecError
from checker.reporting.json_report import SCHEMA
from checker.reporting.result_tables import Header, header_of
from checker.reporting.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
PROOFS = sorted((ROOT / "proofs").glob("*.lks"))
PAGE = (ROOT / "proofs" / "README.md").read_text(encoding="utf-8")

SMALL = """\
// Result: Lemma 0, sizes
// Printed: a * b <= |c|,
//   for all c.
// Repair: see `x | y`
//
// Note: not part of the header.
function twice(x) = x + x;
theorem sizes for n in {1..3, 7} {
  claim even: twice(n) mod 2 == 0;
  claim odd: twice(n) mod 2 == 1 expect refuted;
}
theorem one { claim more: 2 > 1; }
"""


def report(*paths: Path) -> dict[str, Any]:
    """The report of a run in which everything came out as expected."""
    return {
        "lockstep": VERSION,
        "schema": SCHEMA,
        "results": [
            {"theorem": c.theorem, "claim": c.name, "instance": dict(c.instance), "statement": c.statement,
             "expected": c.expected, "verdict": c.expected.upper(), "place": {"file": str(path)}}
            for path in paths for c in listed(load(path))
        ],
        "versions": {"python": "3", "z3-solver": "4"},
        "budget": {"timeout": "1 s"},
    }


@pytest.fixture
def small(tmp_path: Path) -> Path:
    file = tmp_path / "lemma_0.lks"
    file.write_text(SMALL, encoding="utf-8")
    return file


def lines(text: str) -> list[list[str]]:
    """The cells of all rows, without heads."""
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in text.splitlines() if line.startswith("|")]
    return [row for k, row in enumerate(rows) if row[0] != "---" and not (k + 1 < len(rows) and rows[k + 1][0] == "---")]


# ---- the page of the project ----------------------------------------------------------------------


@pytest.mark.parametrize("file", PROOFS, ids=lambda p: p.stem)
def test_every_file_says_what_it_is_about(file: Path) -> None:
    try:
        header_of(file.read_text(encoding="utf-8"), f"proofs/{file.name}")
    except SpecError as error:
        pytest.fail("\n".join(d.render() for d in error.diagnostics) + "\nproofs/README.md shows an example.", pytrace=False)


def test_the_page_is_current() -> None:
    """Every file, header, theorem, claim and instance as it is now, with the verdict that it expects (`make check` proves it)."""
    inside = PAGE.split("<!-- results: begin -->\n")[1].split("<!-- results: end -->\n")[0]
    *written, source = inside.splitlines()
    *wanted, _ = tables(report(*PROOFS), "report", PROOFS, ROOT / "proofs").splitlines()
    for now, then in zip([*wanted, ""], [*written, ""], strict=False):
        if now != then:
            pytest.fail(f"proofs/README.md is not current. Run `make table`.\nit has  {then}\nwanted  {now}", pytrace=False)
    assert len(wanted) == len(written)
    made_with = rf"From a report of lockstep {re.escape(VERSION)}, python \S+, z3-solver \S+, .*\. Limits: timeout .*\."
    assert re.fullmatch(made_with, source), "proofs/README.md is from a report of another version. Run `make table`."


def test_links_of_the_page() -> None:
    links = {x for x in re.findall(r"\]\(([^)#]+)", PAGE) if not x.startswith("http")}
    assert links >= {p.name for p in PROOFS} and all((ROOT / "proofs" / x).exists() for x in links)


def test_commands_of_the_page(tmp_path: Path) -> None:
    """They are those of `make table`; the second one, run on such a report, writes the page as it is but for the versions."""
    shown = re.findall(r"^lockstep .*", PAGE, re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8").split("\ntable:")[1].split("\n\n")[0]
    assert [c.split() for c in shown] == [
        c.replace(".venv/", "").split() for c in re.findall(r"\$\(BIN\)/(lockstep .*)", makefile)
    ]
    (tmp_path / "proofs").mkdir()
    for file in (*PROOFS, ROOT / "proofs" / "README.md"):
        shutil.copy(file, tmp_path / "proofs")
    copies = [Path("proofs") / p.name for p in PROOFS]
    document = report(*PROOFS)
    for r in document["results"]:
        r["place"]["file"] = str(copies[PROOFS.index(Path(r["place"]["file"]))])
    (tmp_path / "report.json").write_text(json.dumps(document), encoding="utf-8")
    done = lockstep(*shown[1].split()[1:], cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    source = re.compile("^From a report of .*", re.MULTILINE)
    assert source.sub("", (tmp_path / "proofs" / "README.md").read_text(encoding="utf-8")) == source.sub("", PAGE)


# ---- from files and a report to tables ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["fact_B_2", "proposition_B_1", "mistakes"])
def test_claims_are_listed_as_they_are_checked(name: str) -> None:
    loaded = load(ROOT / "proofs" / f"{name}.lks")
    for c, full in zip(listed(loaded), claims(loaded), strict=True):
        assert (c.theorem, c.name, c.instance, c.statement) == (full.theorem, full.name, full.instance, full.statement)
        assert (c.expected, c.span) == (full.expected, full.span)


def test_a_theorem_without_instances_is_listed() -> None:
    loaded = load_text("theorem none for n in 2..1 { claim a: n > 1 expect vacuous; claim b: n > 2; }")
    assert [(c.name, c.instance, c.expected) for c in listed(loaded)] == [("a", (), "vacuous"), ("b", (), "proved")]
    assert [(c.name, c.instance) for c in claims(loaded)] == [("a", ()), ("b", ())]


def test_the_tables_of_a_small_file(small: Path) -> None:
    text = tables(report(small), "report", [small], small.parent.parent)
    link = f"[lemma_0.lks]({small.parent.name}/lemma_0.lks)"
    assert lines(text) == [
        ["Lemma 0, sizes", link, "2 theorems, 5 instances", "5 proved, 4 refuted as expected",
         r"a \* b &lt;= \|c\|, for all c.", r"see `x \| y`"],
        [link, "`sizes`", "n={1..3, 7} (4 instances)", "`even`: 4 proved; `odd`: 4 refuted as expected"],
        ["", "`one`", "no parameters", "`more`: 1 proved"],
    ]
    assert text.splitlines()[-1] == f"From a report of lockstep {VERSION}, python 3, z3-solver 4. Limits: timeout 1 s."


def test_what_should_not_be_stands_out(small: Path) -> None:
    document = report(small)
    for number, verdict in ((0, "UNDECIDED"), (1, "PROVED"), (8, "ERROR")):
        document["results"][number]["verdict"] = verdict
    first, *rest = lines(tables(document, "report", [small], small.parent))
    assert first[3] == (
        "3 proved, 3 refuted as expected, "
        "**1 ERROR, expected proved**, **1 PROVED, expected refuted**, **1 UNDECIDED, expected proved**"
    )
    assert rest[0][3] == (
        "`even`: 3 proved, **1 UNDECIDED, expected proved**; `odd`: 3 refuted as expected, **1 PROVED, expected refuted**"
    )
    assert rest[1][3] == "`more`: **1 ERROR, expected proved**"


def test_mistakes_have_a_table_of_their_own(small: Path) -> None:
    other = small.with_name("mistakes_of_sizes.lks")
    other.write_text("// Result: wrong sizes\ntheorem t { claim less: 1 < 0 expect refuted; }\n", encoding="utf-8")
    text = tables(report(other, small), "report", [small, other], small.parent)
    results, mistakes = text.split("## Mistakes that must be found")
    assert "lemma_0.lks" in results and "mistakes_of_sizes" not in results
    link = "[mistakes_of_sizes.lks](mistakes_of_sizes.lks)"
    assert lines(mistakes)[0] == ["wrong sizes", link, "no parameters", "1 refuted as expected"]


@pytest.mark.parametrize(("old", "new", "said"), [
    ("{1..3, 7}", "1..3", "it has a claim `sizes.even` at n=7"),
    ("{1..3, 7}", "1..7", "it has no claim `sizes.even` at n=4"),
    ("== 1 expect refuted", "== 1", "it has no claim `sizes.odd` at n=1, `twice(n) mod 2 == 1`, expected proved"),
    ("== 1", "== 3", "it has no claim `sizes.odd` at n=1, `twice(n) mod 2 == 3`"),
    ("claim more", "claim larger", "it has no claim `one.larger`, `2 > 1`"),
    ("theorem one", "theorem two", "it has no claim `two.more`"),
    ("theorem one { claim more: 2 > 1; }\n", "", "it has a claim `one.more`"),
    ("{1..3, 7}", "{7, 1..3}", "its claims are in another order"),
])
def test_reports_of_other_claims_are_refused(old: str, new: str, said: str, small: Path) -> None:
    document = report(small)
    small.write_text(SMALL.replace(old, new), encoding="utf-8")
    assert small.read_text(encoding="utf-8") != SMALL
    with pytest.raises(SpecError) as caught:
        tables(document, "report.json", [small], small.parent)
    (one,) = caught.value.diagnostics
    assert one.code == "REPORT" and said in one.message and "again" in one.message


def test_a_file_that_is_not_in_the_report(small: Path) -> None:
    with pytest.raises(SpecError, match=r"it has no claim `sizes\.even`"):
        tables(report(), "report.json", [small], small.parent)


# ---- headers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "found"), [
    ("// Result: A\ntheorem", Header("A")),
    ("// Result: A\n//\n// Printed: no\n", Header("A")),
    ("// Result:\n//   A,\n// b\n", Header("A, b")),
    ("// Result: A: b\n// Repair: d\n// Printed: c\n//e", Header("A: b", "c e", "d")),
])
def test_headers(text: str, found: Header) -> None:
    assert header_of(text, "f") == found


@pytest.mark.parametrize(("text", "line"), [
    ("", 1), ("theorem t { }", 1), ("// Lemma 1\n// Result: A\n", 1), ("\n// Result: A\n", 1), ("// Result:\n//\n// A", 1),
    ("// Result: A\n// Printed: b\n", 1), ("// Result: A\n// Repair: b\n", 1), ("// Result: A\n// Print: b\n// Repair: c\n", 2),
    ("// Result: A\n// Result: B\n", 2), ("// Result: A\n// Printed:\n// Repair: b\n", 1),
])
def test_wrong_headers(text: str, line: int) -> None:
    with pytest.raises(SpecError) as caught:
        header_of(text, "f")
    (one,) = caught.value.diagnostics
    assert one.code == "HEADER" and one.span.line == line and "`// Printed: TEXT`" in one.message


# ---- the command ----------------------------------------------------------------------------------


def test_from_check_to_the_page(small: Path) -> None:
    folder = small.parent
    page = folder / "page.md"
    page.write_text("above\n<!-- results: begin -->\nold\n<!-- results: end -->\nbelow\n", encoding="utf-8")
    assert lockstep("check", "lemma_0.lks", "--json", "report.json", cwd=folder).returncode == 0
    done = lockstep("table", "report.json", "lemma_0.lks", cwd=folder)
    assert done.returncode == 0 and lines(done.stdout) == lines(tables(report(small), "report", [small], folder))
    assert lockstep("table", "report.json", ".", "--write", "page.md", cwd=folder).returncode == 0
    begin, end = "above\n<!-- results: begin -->\n", "<!-- results: end -->\nbelow\n"
    assert page.read_text(encoding="utf-8") == begin + done.stdout + end


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"schema": 1}', '{"schema": 2, "results": []}',
                                  '{"schema": 1, "results": [3]}', '{"schema": 1, "results": [{"instance": []}]}', "\ud7ff1e999"])
def test_what_is_no_report(text: str, small: Path) -> None:
    file = small.with_name("report.json")
    file.write_text(text, encoding="utf-8")
    assert "error[REPORT]: expected a report of `lockstep check --json`" in wrong(lockstep("table", str(file), str(small)))


def test_wrong_calls(small: Path) -> None:
    file = small.with_name("report.json")
    file.write_text(json.dumps(report(small)), encoding="utf-8")
    wrong(lockstep("table", str(file)))
    wrong(lockstep("table", "nothing.json", str(small)))
    assert "<!-- results: begin -->" in wrong(lockstep("table", str(file), str(small), "--write", str(small)))
    assert small.read_text(encoding="utf-8") == SMALL
    small.write_text(SMALL.split("\n", 1)[1], encoding="utf-8")
    assert f"{small}:1:1: error[HEADER]" in wrong(lockstep("table", str(file), str(small)))
