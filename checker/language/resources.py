"""Texts from files, and where grammar/, spec/ and proofs/ lie: in the source tree, or inside an installed wheel."""

from pathlib import Path

from checker.language.diagnostics import Span, spec_error

MAX_BYTES = 4_000_000


def read(path: Path, limit: int = MAX_BYTES) -> str:
    """The text of a file of at most `limit` bytes, or a diagnostic with code FILE or TOO_LARGE."""
    span = Span(str(path))
    try:
        if path.is_dir():
            raise spec_error("FILE", "expected a file, found a directory", span)
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except FileNotFoundError:
        raise spec_error("FILE", "expected a file, found nothing of this name", span) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise spec_error("FILE", f"expected a file that can be read, found: {reason}", span) from None
    if len(data) > limit:
        raise spec_error("TOO_LARGE", f"expected at most {limit} bytes, found more", span)
    if b"\0" in data:
        raise spec_error("FILE", "expected text in UTF-8, found a binary file", span)
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise spec_error(
            "FILE", f"expected text in UTF-8, found the byte {data[error.start]:#04x} at place {error.start}", span
        ) from None


def data_folder(name: str) -> Path:
    """The folder `name` that ships with the project."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "_data" / name
    return installed if installed.is_dir() else package.parent / name
