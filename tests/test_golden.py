"""Text output, compared with files that name their own command on the first line.

`pytest tests/test_golden.py --update-golden` writes them again; read the difference before you commit it.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = sorted((ROOT / "tests" / "golden").glob("*.txt"))


def output(command: str) -> str:
    """What a command prints, with times, versions and how far a search came in its time replaced."""
    words = shlex.split(command.removeprefix("$ lockstep "))
    done = subprocess.run([sys.executable, "-m", "checker", *words], capture_output=True, text=True, cwd=ROOT, timeout=200)
    text = re.sub(r"\d+\.\d\d s", "0.00 s", done.stdout + done.stderr)
    text = re.sub(r"^  (python|lockstep-checker|z3-solver|python-flint|lark) .*$", r"  \1 VERSION", text, flags=re.MULTILINE)
    text = re.sub(r"among [\d,]+ inputs(, which are all)?", "among N inputs", text)
    return f"{command}\n{text}exit {done.returncode}\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_output_is_as_recorded(path: Path, request: pytest.FixtureRequest) -> None:
    recorded = path.read_text(encoding="utf-8")
    found = output(recorded.split("\n")[0])
    if request.config.getoption("--update-golden"):
        path.write_text(found, encoding="utf-8")
    else:
        assert found == recorded


def test_there_are_golden_files() -> None:
    assert len(FILES) >= 8
