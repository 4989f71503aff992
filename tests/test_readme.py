"""Every command that the README and the pages show is run, from the text of the page."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
LANGUAGE = (ROOT / "grammar" / "README.md").read_text(encoding="utf-8")


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = command.split("#")[0].split()
    assert words[0] == "lockstep", command
    return subprocess.run([sys.executable, "-m", "checker", *words[1:]], capture_output=True, text=True, cwd=folder, timeout=400)


def test_commands_of_the_readme(tmp_path: Path) -> None:
    for name in ("spec", "proofs"):
        (tmp_path / name).symlink_to(ROOT / name)
    commands = [
        line
        for block in re.findall(r"```\n(.*?)```", README, re.DOTALL)
        for line in block.splitlines()
        if line.startswith("lockstep ")
    ]
    assert len(commands) >= 6
    said = ""
    for command in commands:
        target = command.split(">")[1].strip() if ">" in command else None
        done = run(command.split(">")[0], tmp_path)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        if target:
            (tmp_path / target).write_text(done.stdout, encoding="utf-8")
        said += done.stdout
    shown = re.findall(r"^(?:(?:PROVED|REFUTED) .*|  .*the equation is false.*|    (?:x|output y) = .*)$", README, re.MULTILINE)
    assert len(shown) >= 8
    for line in shown:
        assert line in said, line


def test_make_targets_of_the_readme() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^(?:`|)make (\w+)", README, re.MULTILINE))
    assert {"check", "test"} <= targets and all(f"\n{t}:" in makefile for t in targets)


def test_the_first_protocol_of_the_readme(tmp_path: Path) -> None:
    block = next(b for b in re.findall(r"```\n(.*?)```", README, re.DOTALL) if b.startswith("protocol"))
    (tmp_path / "first.lks").write_text(block, encoding="utf-8")
    done = run("lockstep check first.lks", tmp_path)
    assert done.returncode == 0 and "REFUTED" not in done.stdout and "PROVED" in done.stdout


def test_examples_of_the_language_page(tmp_path: Path) -> None:
    blocks = re.findall(r"```\n(.*?)```", LANGUAGE, re.DOTALL)
    text = "\n".join(
        [
            "function height(n, s) = if n <= s then 1 else 1 + height(ceil(n / s), s);",
            "function total(x, n) = sum(x[k] for k in 1..n);",
            *blocks,
        ]
    )
    (tmp_path / "page.lks").write_text(text, encoding="utf-8")
    done = run("lockstep check page.lks", tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
