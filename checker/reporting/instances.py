"""A list of instances in a few words."""

from __future__ import annotations

from math import prod

Instance = tuple[tuple[str, int], ...]


def ranges(values: list[int]) -> str:
    """`4..8, 16` of [4, 5, 6, 7, 8, 16]."""
    parts: list[list[int]] = []
    for v in sorted(set(values)):
        if parts and v == parts[-1][1] + 1:
            parts[-1][1] = v
        else:
            parts.append([v, v])
    return ", ".join(str(a) if a == b else f"{a}..{b}" for a, b in parts)


def one(instance: Instance) -> str:
    """`n=4, s=2`"""
    return ", ".join(f"{name}={value}" for name, value in instance)


def compact(instances: list[Instance]) -> str:
    """`n=4..8, s=2 (5 instances)`; a theorem without parameters has nothing to list."""
    if len(instances) == 1:
        return one(instances[0])
    columns: dict[str, list[int]] = {}
    for instance in instances:
        for name, value in instance:
            columns.setdefault(name, []).append(value)
    parts = []
    for name, values in columns.items():
        shown = ranges(values)
        parts.append(f"{name}={{{shown}}}" if ", " in shown else f"{name}={shown}")
    boxes = prod(len(set(values)) for values in columns.values())
    count = f"{len(instances)} instances" if boxes <= len(instances) else f"{len(instances)} of {boxes} instances"
    return f"{', '.join(parts)} ({count})".strip()
