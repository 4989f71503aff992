"""Claims that are false, or undefined, for reasons that a checker can overlook: none of them may ever be proved.

The first line of each file names its false claims. Most are false at one rare input, so that a random search does not find it.
"""

from pathlib import Path

import pytest

from checker.language.diagnostics import SpecError
from checker.proving.passes import How, check_files

FILES = sorted((Path(__file__).parent / "refused").glob("*.lks"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_not_proved(path: Path) -> None:
    first = path.read_text(encoding="utf-8").split("\n")[0]
    names = first.removeprefix("// not proved: ").split(":")[0].split()
    verdicts = {r.claim: r.outcome.verdict for r in check_files([path], How(timeout=0.2)).results}
    assert names and {verdicts[name] for name in names} <= {"REFUTED", "UNDECIDED"}


def test_the_order_of_an_inbox_is_not_observable(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(
        """circuit c { word 1; tokens 1; start; width 12; input x[1] in word; output y[1] in word = row[1]; message part(word);
  packets mail of part at 1 { machines 1; messages 1; selector identity(1); heard 0; }
  layer a { local 1..1 reads mail { let u = (v for part(v) in inbox); y[1] = u[1]; } } }
theorem t { let T = c(); claim depth: depth(T) == 1; }
""",
        encoding="utf-8",
    )
    with pytest.raises(SpecError, match="order is not observable"):
        check_files([tmp_path / "t.lks"])


def test_only_one_truth_value(tmp_path: Path) -> None:
    (tmp_path / "t.lks").write_text(
        """protocol p { word 16; memory 2; machines 1; input x[1] in word; output y[1] in word; message part(word);
  finish { y[1] = if only(x[1] == k for k in 1..1) then 1 else 0; } }
theorem t { let P = p(); claim c: P computes y[1] == (if x[1] == 1 then 1 else 0); }
""",
        encoding="utf-8",
    )
    assert [r.outcome.verdict for r in check_files([tmp_path / "t.lks"]).results] == ["PROVED"]


def test_sizes_are_those_of_the_protocol_to_check_against(tmp_path: Path) -> None:
    text = """protocol p { word 1; memory 2; machines 1; input x[1] in word; output y[1] in word; message part(word); ROUNDS
  finish { y[1] = 0; } }
theorem t { let P = p(); claim few: rounds(P) == 1; }
"""
    (tmp_path / "mine.lks").write_text(text.replace("ROUNDS", ""), encoding="utf-8")
    (tmp_path / "original.lks").write_text(text.replace("ROUNDS", "round r { }"), encoding="utf-8")
    found = check_files([tmp_path / "mine.lks"], against=tmp_path / "original.lks").results
    assert [r.outcome.verdict for r in found] == ["REFUTED"]
