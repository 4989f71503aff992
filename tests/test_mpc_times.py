"""`lockstep bench theorem_3_4`: what it proves and counts, and what it says when there is no proof."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from test_commands import lockstep, wrong

from checker.benchmarks.measuring import Run
from checker.commands import mpc_times
from checker.commands.mpc_times import Row, Sizes, growth, prove, sizes, table
from checker.language.diagnostics import SpecError


def test_sizes_by_hand() -> None:
    """M = 4, b = 2: D = 2, 4 + 16 + 2 * 4 * 2 machines, 2 * 2 + 3 local functions; both rows and two addresses cost nothing."""
    assert sizes(4) == Sizes(36, 7, 24)


def test_proofs_are_made_and_cut_off(tmp_path: Path) -> None:
    found = prove(4, str(tmp_path), 60)
    assert found is not None and found.answer == Sizes(36, 7, 24) and 0 < found.seconds < 60
    assert prove(4, str(tmp_path), 0.2) is None


def test_growth_is_compared_with_the_number_of_machines() -> None:
    def row(tokens: int, machines: int, *seconds: float) -> Row:
        return Row(tokens, tuple(Run(x, 10, Sizes(machines, 9, 24)) for x in seconds), None)

    rows = [row(16, 100, 3.0, 1.0, 1.1), row(32, 400, 4.3), row(64, 800, 9.0), Row(128, (), None)]
    assert ["met" in x for x in growth(rows)] == [True, False]  # 1.1 to 4.3 for 4 times as many, 4.3 to 9 for twice as many
    text = table(rows, "made")
    assert "| 16 | 100 | 9 | 24 | 1.1 | 3 | 11.00 | 10 | cut off |" in text
    assert "M = 128: target 60 s, missed" in text


def test_the_table(tmp_path: Path) -> None:
    page, data = tmp_path / "page.md", tmp_path / "it.json"
    page.write_text("before\n<!-- theorem_3_4: begin -->\nold\n<!-- theorem_3_4: end -->\nafter\n", encoding="utf-8")
    options = ("--tokens", "3", "--tokens", "2", "--runs", "1", "--write", str(page), "--json", str(data))
    done = lockstep("bench", "theorem_3_4", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    cells = [line.split(" | ")[:4] for line in done.stdout.splitlines()[2:4]]
    assert cells == [["| 2", "6", "5", "24"], ["| 3", "24", "7", "24"]]
    text = page.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and "| 3 | 24 | 7 | 24 |" in text
    assert [x["tokens"] for x in json.loads(data.read_text(encoding="utf-8"))["rows"]] == [2, 3]


def test_marks_are_looked_for_first(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("nothing\n", encoding="utf-8")
    wrong(lockstep("bench", "theorem_3_4", "--write", str(file)))
    wrong(lockstep("bench", "theorem_3_4", "--tokens", "0"))


def test_no_proof_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(tokens: int, folder: str, most: float) -> None:
        raise RuntimeError("status 3")

    monkeypatch.setattr(mpc_times, "prove", never)
    with pytest.raises(SpecError, match="for 5 tokens: status 3"):
        mpc_times.theorem_3_4_command((5,), 1, 1.0, None, None)
