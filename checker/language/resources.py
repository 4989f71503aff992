"""Where grammar/, spec/ and proofs/ lie: in the source tree, or inside an installed wheel."""

from pathlib import Path


def data_folder(name: str) -> Path:
    """The folder `name` that ships with the project."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name
