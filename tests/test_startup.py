"""How little is imported and built before the first answer; the shipped tables of the parser."""

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from lark import UnexpectedInput

from checker.language import tables
from checker.language.diagnostics import SpecError
from checker.language.parser import parse, parse_compiled

ROOT = Path(__file__).resolve().parents[1]
SLOW = ("z3", "numpy", "sympy", "flint", "rich")
BROKEN = """
protocol broken(n) {
  machines n;
  input x[n] in 0..1;
  output y in 0..1
}
"""
SMALL = """
use tree_sum from library;
theorem t for n in {8} {
  let P = tree_sum(n, 2, 1);
  claim fits: P fits;
  claim right: P computes y[1] == total(x, n, 1);
}
"""


def run(code: str, *arguments: str) -> tuple[subprocess.CompletedProcess[str], float]:
    """A Python process that runs the code, and its CPU time."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=100, cwd=ROOT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def imported(*arguments: str) -> tuple[int, set[str]]:
    """The exit status of a `lockstep` command and the modules in its process at the end."""
    code = (
        "import sys\nfrom checker.commands.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    print()\n    print(end.code, *sys.modules)"
    )
    done, _ = run(code, *arguments)
    status, *modules = done.stdout.splitlines()[-1].split()
    return int(status), set(modules)


def packages(modules: set[str]) -> set[str]:
    return {m.partition(".")[0] for m in modules}


def test_help_imports_no_part_of_the_checker() -> None:
    status, modules = imported("--help")
    assert status == 0 and "click" in modules
    assert not packages(modules) & {*SLOW, "lark"}
    assert not any(m.startswith(("checker.kernel", "checker.language.parser", "checker.elaboration")) for m in modules)


def test_a_syntax_error_imports_the_parser_alone(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(BROKEN)
    status, modules = imported("check", str(tmp_path / "t.lks"))
    assert status == 2 and "checker.language.parser" in modules
    assert not packages(modules) & set(SLOW)
    assert not any(m.startswith(("checker.semantics", "checker.elaboration", "checker.compilers")) for m in modules)


def test_a_small_check_imports_no_algebra_and_no_arrays(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(SMALL)
    status, modules = imported("check", str(tmp_path / "t.lks"))
    assert status == 0 and "checker.proving.checking" in modules
    assert not packages(modules) & {"numpy", "sympy", "rich"}


@pytest.mark.parametrize(("text", "most"), [(None, 30), (BROKEN, 80), (SMALL, 250)])
def test_the_start_takes_a_multiple_of_bare_python(text: str | None, most: int, tmp_path: Path) -> None:
    """With room for a slow machine: the least of three runs, against four times what it takes when this is written."""
    arguments = ["--help"]
    if text is not None:
        (tmp_path / "t.lks").write_text(text)
        arguments = ["check", str(tmp_path / "t.lks")]
    start = "from checker.commands.main import main; main()"
    bare = min(run("pass")[1] for _ in range(3))
    assert min(run(start, *arguments)[1] for _ in range(3)) < most * bare


# ---- tables ---------------------------------------------------------------------------------


def shipped() -> str:
    return (ROOT / "grammar" / "tables.json").read_text(encoding="utf-8")


def test_the_tables_are_those_of_the_grammar() -> None:
    """After a change of the grammar or of lark: `make tables`."""
    assert tables.text_of(tables.build()) == shipped()


def test_the_parser_comes_from_the_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "build", lambda: pytest.fail("the tables were built"))
    tables.parser.cache_clear()
    assert tables.parser().parse("use sort from library;").children


@pytest.mark.parametrize("text", [
    "",
    "[]",
    shipped()[:1000],
    json.dumps({**json.loads(shipped()), "of": "something else"}),
    json.dumps({"of": tables._source(), "tokens": [], "states": []}),
])
def test_other_tables_are_not_used(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tables.json").write_text(text)
    (tmp_path / "lockstep.lark").write_text(tables.grammar())
    monkeypatch.setattr(tables, "data_folder", lambda name: tmp_path)
    monkeypatch.setattr(tables, "build", lambda: "built")
    tables.parser.cache_clear()
    found = tables.parser()
    tables.parser.cache_clear()
    assert found == "built"


def test_the_tables_of_another_grammar_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tables.json").write_text(shipped())
    (tmp_path / "lockstep.lark").write_text(tables.grammar().replace('"requires"', '"needs"'))
    monkeypatch.setattr(tables, "data_folder", lambda name: tmp_path)
    tables.parser.cache_clear()
    found = tables.parser()
    tables.parser.cache_clear()
    assert any(t.pattern.value == "needs" for t in found.terminals)


def test_both_parsers_agree() -> None:
    """On every file that ships, and where it is cut off in the middle: the tree, or the error and what was expected."""
    built, read = tables.build(), tables._from(json.loads(shipped()))
    for file in sorted((*(ROOT / "spec").glob("*.lks"), *(ROOT / "proofs").glob("*.lks")))[::3]:
        text = file.read_text(encoding="utf-8")
        assert built.parse(text) == read.parse(text)
        for end in range(10, min(len(text), 4000), 97):
            errors = []
            for parser in (built, read):
                try:
                    parser.parse(text[:end])
                except UnexpectedInput as error:
                    errors.append((type(error), error.pos_in_stream, getattr(error, "expected", None)))
            assert not errors or errors[0] == errors[1]


def test_text_of_compilers_is_read_as_any_other() -> None:
    """Without places, the same tree; with an error, the same diagnostics."""
    for file in sorted(x for folder in ("spec", "proofs", "tests/refused") for x in (ROOT / folder).glob("*.lks")):
        text = file.read_text(encoding="utf-8")
        assert repr(parse_compiled(text)) == repr(parse(text))
    for text in ("protocol p { word", "function f(x) = 1 +;", "protocol p { word 1; word 2; }", "circuit c { tokens 1; }"):
        found = []
        for read in (parse, parse_compiled):
            with pytest.raises(SpecError) as problem:
                read(text)
            found.append([(d.code, d.message) for d in problem.value.diagnostics])
        assert found[0] == found[1]
