"""A proof as lines of text. A premise used more than once is shown once and then referred to."""

from __future__ import annotations

from collections.abc import Iterator

from checker.kernel.proofs import ProofTree, Proved
from checker.proving.records import numbered

LONGEST = 100


def lines(proof: Proved | ProofTree, indent: str = "") -> Iterator[str]:
    """One line a node, premises below and to the right of their conclusion."""
    numbers = numbered(proof)
    written: set[int] = set()
    stack: list[tuple[Proved | ProofTree, int]] = [(proof, 0)]
    while stack:
        p, depth = stack.pop()
        margin = indent + "  " * depth
        number = numbers.get(id(p))
        if id(p) in written:
            yield f"{margin}{p.rule}: see #{number}"
            continue
        written.add(id(p))
        mark = "" if number is None else f"#{number} "
        yield f"{margin}{mark}{p.rule}: {shorten(str(p.judgement))}" + (f"  [{shorten(p.detail)}]" if p.detail else "")
        premises: tuple[Proved | ProofTree, ...] = p.premises
        stack.extend((q, depth + 1) for q in reversed(premises))


def shorten(text: str, longest: int = LONGEST) -> str:
    """On one line, and cut if it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 3] + "..."
