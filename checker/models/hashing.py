"""Hashes of large frozen dataclasses, each computed once: caches look models up often."""

from __future__ import annotations

from dataclasses import fields
from typing import Any


def once(model: Any) -> int:
    """The hash of all fields that count in comparisons, kept in the model's list `_hash`."""
    known: list[int] = model._hash
    if not known:
        known.append(hash(tuple(getattr(model, f.name) for f in fields(model) if f.compare)))
    return known[0]
