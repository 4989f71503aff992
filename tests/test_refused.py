"""Claims that are false, or undefined, for reasons that a checker can overlook: none of them may ever be proved.

The first line of each file names its false claims. Most are false at one rare input, so that a random search does not find it.
"""

from pathlib import Path

import pytest

from checker.proving.checking import check_files

FILES = sorted((Path(__file__).parent / "refused").glob("*.lks"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_not_proved(path: Path) -> None:
    first = path.read_text(encoding="utf-8").split("\n")[0]
    names = first.removeprefix("// not proved: ").split(":")[0].split()
    verdicts = {r.claim: r.outcome.verdict for r in check_files([path], timeout=0.2).results}
    assert names and {verdicts[name] for name in names} <= {"REFUTED", "UNDECIDED"}
