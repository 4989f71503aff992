"""`lockstep bounds --round-trip`: the sizes are those of the models."""

from __future__ import annotations

import json
from pathlib import Path

from test_commands import lockstep, wrong


def test_sizes_by_hand(tmp_path: Path) -> None:
    """tree_sum(2, 2, 1) is one machine that adds: two layers move words, width 2. Its circuit has three rows with a start token:
    trees of two levels, 3 + 9 + 2 * 3 * 2 machines, 2 * 2 * 2 + 3 rounds, and memory for two parts of three words in each of
    two heads, and a row."""
    data, page = tmp_path / "it.json", tmp_path / "page.md"
    page.write_text("<!-- round-trip: begin -->\nold\n<!-- round-trip: end -->\n", encoding="utf-8")
    done = lockstep("bounds", "--round-trip", "--json", str(data), "--write", str(page))
    assert done.returncode == 0, done.stderr
    rows = json.loads(data.read_text(encoding="utf-8"))["round_trip"]
    assert rows[0] == {
        "name": "tree_sum n = 2", "before": {"rounds": 1, "machines": 1, "memory": 2}, "depth": 2, "width": 2, "rows": 3,
        "heads": 2, "after": {"rounds": 11, "machines": 24, "memory": 14},
    }
    for x in rows:  # Theorem 3.1 and Theorem 3.4, counted without their compilers
        levels, below = 1, x["rows"]
        nodes = []
        while below > 2:
            below = -(-below // 2)
            nodes.append(below)
            levels += 1
        assert x["depth"] == x["before"]["rounds"] + 1 and x["after"]["rounds"] == 2 * levels * x["depth"] + 3
        assert x["after"]["machines"] == x["rows"] + x["rows"] ** 2 + 2 * x["rows"] * sum(nodes)
    text = page.read_text(encoding="utf-8")
    assert text.count("\n| ") == len(rows) + 3 and "old" not in text and "| tree_sum n = 2 | 1 | 1 | 2 | 2 | 2 |" in text


def test_wrong_calls() -> None:
    wrong(lockstep("bounds", "--round-trip", "--floats"))
    wrong(lockstep("bounds", "--constructions", "--write", "page.md"))
