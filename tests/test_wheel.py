"""An installed wheel carries grammar/, spec/ and proofs/ and needs no source tree."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def test_the_wheel_works_outside_the_source_tree(tmp_path: Path) -> None:
    source = tmp_path / "source"
    keep = ("checker", "grammar", "spec", "proofs", "pyproject.toml", "README.md", "LICENSE")
    source.mkdir()
    for name in keep:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(installed)
    shutil.rmtree(source)
    (tmp_path / "own.lks").write_text(
        "use tree_sum from library;\ntheorem t { let P = tree_sum(4, 2, 1); claim fits: P fits; }\n"
    )
    for arguments in (["own.lks"], [str(installed / "checker" / "_data" / "proofs" / "mistakes.lks")]):
        code = f"import sys; sys.path.insert(0, {str(installed)!r}); from checker.commands.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, "check", *arguments], capture_output=True, text=True, cwd=tmp_path, timeout=200
        )
        assert done.returncode == 0, done.stdout + done.stderr
