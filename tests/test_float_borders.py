"""`lockstep bounds --floats`: where floating point ends, and the table of it in the README."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("numpy")

from test_commands import lockstep, wrong

from checker.commands.files import between
from checker.commands.float_borders import SERIES, borders, cells, head, least, table
from checker.language.diagnostics import SpecError

README = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
QUICK = {"maximum": 32, "prefix_sums": 16, "pointer_doubling": 8}


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20])
def test_the_least_bad_size(limit: int) -> None:
    for first in range(1, 25):
        asked: list[int] = []
        found = least(lambda size, k=first, to=asked: to.append(size) or size >= k, limit)  # type: ignore[misc, func-returns-value]
        assert found == (first if first <= limit else None)
        assert max(asked) <= limit and len(asked) <= 11
        assert first == 1 or min(first - 1, limit) in asked


@pytest.mark.parametrize("series", SERIES, ids=lambda s: s.name)
def test_no_wrong_word_where_it_was_promised(series) -> None:  # type: ignore[no-untyped-def]
    """moment's entries and long words leave float32 within these sizes; the signs of hadamard do not."""
    row = borders(series, "float32", QUICK[series.protocol])
    assert row.broken == ()
    if series.embedding == "hadamard" and series.variable == "n":
        assert row.promise is None and row.wrong is None
    elif series.protocol != "pointer_doubling":
        assert row.promise is not None and row.wrong is not None and 1 < row.promise.size <= row.wrong.size
        assert row.promise.precision is not None and row.wrong.precision is not None
        assert row.promise.precision <= row.wrong.precision
    else:
        assert row.wrong is None


def test_a_promise_that_is_broken_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    from checker.backends.enough import Enough
    from checker.commands import float_borders

    monkeypatch.setattr(float_borders, "SERIES", SERIES[:1])
    monkeypatch.setattr(float_borders, "enough", lambda c, dtype: Enough(True, "a bound that is wrong"))
    assert float_borders.floats_command("float32", 30, "-", None) == 1
    assert "in spite of a promise" in capsys.readouterr().err


def test_the_table_of_the_readme() -> None:
    """Its shape, and the row of the cheapest series as it comes out now (wrong words depend on the order of sums, a little)."""
    inside = README.split("<!-- float32: begin -->\n")[1].split("<!-- float32: end -->\n")[0]
    lines = inside.strip().splitlines()
    found = [tuple(cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")) for line in lines[: 2 + len(SERIES)]]
    assert found[0] == head("float32") and found[1] == ("---",) * 3
    assert [row[0] for row in found[2:]] == [series.name for series in SERIES]
    for row, series in zip(found[2:], SERIES, strict=True):
        pattern = rf"{series.variable} = (\d+) \(p' = \d+\)|none up to {series.variable} = {series.limit}"
        sizes = [re.fullmatch(pattern, cell) for cell in row[1:]]
        assert all(sizes), row
        promise, wrong_from = (int(m[1] or series.limit + 1) for m in sizes if m)
        assert 1 < promise <= wrong_from
    assert re.fullmatch(r"Written by `lockstep bounds --floats --dtype float32 --write FILE` on \d{4}-\d\d-\d\d\.", lines[-1])
    now = borders(SERIES[0], "float32")
    assert now.wrong is not None and cells(now)[:2] == found[2][:2]
    stated = re.fullmatch(r"p = (\d+) .*", found[2][2])
    assert stated and abs(int(stated[1]) - now.wrong.size) <= 1


def test_the_command_and_its_json(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("above\n<!-- float64: begin -->\nold\n<!-- float64: end -->\nbelow\n", encoding="utf-8")
    done = lockstep("bounds", "--floats", "--dtype", "float64", "--limit", "2", "--write", str(file))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("float64") and "prediction first, wrong words later" in done.stdout
    assert [re.split(r"  +", line) for line in lines[1 : 1 + len(SERIES)]] == [
        [s.name, f"none up to {s.variable} = 2", f"none up to {s.variable} = 2"] for s in SERIES
    ]
    page = file.read_text(encoding="utf-8")
    assert page.startswith("above\n<!-- float64: begin -->\n| float64") and page.endswith("\n<!-- float64: end -->\nbelow\n")
    assert "old" not in page and all(f"| `{s.name.rpartition(', ')[0]}`, {s.embedding} | none up to" in page for s in SERIES)
    data = json.loads(lockstep("bounds", "--floats", "--limit", "1", "--json", "-").stdout)
    assert data["dtype"] == "float32" and [row["series"] for row in data["floats"]] == [s.name for s in SERIES]
    assert all(row["no_promise_from"] is None and row["wrong_word_from"] is None and row["limit"] == 1 for row in data["floats"])


@pytest.mark.parametrize("text", ["", "<!-- float32: begin -->\n", "<!-- float32: end -->\n<!-- float32: begin -->\n"])
def test_files_without_marks_are_left_alone(text: str, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="begin"):
        between(text, "float32", table([], "float32"), "page.md")
    file = tmp_path / "page.md"
    file.write_text(text, encoding="utf-8")
    wrong(lockstep("bounds", "--floats", "--write", str(file)))
    assert file.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("options", [
    ("--floats", "--constructions"), ("--floats", "--machines", "4"), ("--floats", "--limit", "0"),
    ("--constructions", "--dtype", "float32"), ("--floats", "--dtype", "float16")])
def test_wrong_calls(options: tuple[str, ...]) -> None:
    wrong(lockstep("bounds", *options))
