"""Verdicts of earlier runs, by the content of what they speak of.

An entry's name covers everything that its verdicts depend on: what is claimed, the source of this checker, the versions of the
solvers (`fingerprint`). An entry is signed with a secret of its user, which lies elsewhere: what is damaged, was made for another
name or by somebody else is ignored. Entries are JSON, so reading one runs no code. They are written whole or not at all, so runs
can share a folder. Entries of other versions of the checker are deleted when they have not been used for a while.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path, user_state_path

from checker.language.resources import data_folder
from checker.proving.versions import versions

SECRET = "LOCKSTEP_CACHE_SECRET"  # for machines that trust each other's entries, in place of the secret of the user
UNUSED = 14 * 24 * 3600.0  # seconds after which the entries of another version go
LARGEST = 200_000_000  # bytes of an entry


def folder() -> Path:
    """Where the entries of all versions are."""
    return user_cache_path("lockstep", appauthor=False) / "verdicts"


@lru_cache(maxsize=1)
def fingerprint() -> str:
    """A name for this checker: its source, the grammar, and the versions of what it proves with."""
    whole = hashlib.sha256(repr(versions()).encode())
    package = Path(__file__).resolve().parents[1]
    for root, pattern in ((package, "*.py"), (data_folder("grammar"), "*.lark"), (data_folder("grammar"), "*.json")):
        for path in sorted(root.rglob(pattern)):
            whole.update(f"\0{path.relative_to(root).as_posix()}\0".encode())
            whole.update(path.read_bytes())
    return whole.hexdigest()


def library() -> str:
    """The content of all that a file can `use`. It is no part of the fingerprint: an edit of one protocol leaves the others."""
    whole = hashlib.sha256()
    for path in sorted(data_folder("spec").glob("*.lks")):
        whole.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def name_of(*parts: str) -> str:
    """The name of the entry for these parts, under this checker."""
    return hashlib.sha256("\0".join(f"{len(p)}:{p}" for p in (fingerprint(), *parts)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of signed entries."""

    folder: Path
    secret: bytes

    def get(self, name: str) -> Any:
        """What was stored under that name; None if there is nothing that can be believed."""
        path = self._path(name)
        try:
            if path.stat().st_size > LARGEST:
                return None
            signature, _, text = path.read_bytes().partition(b"\n")
            if not hmac.compare_digest(signature, self._sign(name, text)):
                return None
            return json.loads(text)
        except (OSError, ValueError, RecursionError):
            return None

    def put(self, name: str, data: Any) -> None:
        """Store; a folder that cannot be written to stores nothing."""
        text = json.dumps(data, separators=(",", ":")).encode()
        path = self._path(name)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(self._sign(name, text) + b"\n" + text)
            draft.replace(path)
        except OSError:
            with suppress(OSError):
                draft.unlink()

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / name

    def _sign(self, name: str, text: bytes) -> bytes:
        return hmac.new(self.secret, name.encode() + b"\n" + text, "sha256").hexdigest().encode()


def opened() -> Cache | None:
    """The user's cache, for this version of the checker; None if there is no place for one."""
    secret = _secret()
    if secret is None:
        return None
    own = folder() / fingerprint()
    try:
        own.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.utime(own)
        for other in folder().iterdir():
            if other != own and time.time() - other.stat().st_mtime > UNUSED:
                shutil.rmtree(other, ignore_errors=True)
    except OSError:
        return None
    return Cache(own, secret)


def clear() -> tuple[int, int]:
    """Delete all entries of all versions: how many there were, and their bytes."""
    found = [p for p in folder().rglob("*") if p.is_file()] if folder().is_dir() else []
    size = sum(p.stat().st_size for p in found)
    shutil.rmtree(folder(), ignore_errors=True)
    return len(found), size


def _secret() -> bytes | None:
    given = os.environ.get(SECRET)
    if given:
        return hashlib.sha256(given.encode()).digest()
    path = user_state_path("lockstep", appauthor=False) / "cache_secret"
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(secrets.token_bytes(32))
            with suppress(FileExistsError):
                os.link(draft, path)  # there at once and whole, or somebody else's is
            draft.unlink()
        found = path.read_bytes()
    except OSError:
        return None
    return found if len(found) == 32 else None
