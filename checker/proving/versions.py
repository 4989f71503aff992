"""The versions that verdicts depend on."""

from __future__ import annotations

import platform

PACKAGES = ("lockstep-checker", "z3-solver", "python-flint", "sympy", "numpy", "lark")


def versions() -> tuple[tuple[str, str], ...]:
    """What the verdicts depend on."""
    from importlib.metadata import PackageNotFoundError, version

    found = [("python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            found.append((name, "source tree"))
    return tuple(found)
