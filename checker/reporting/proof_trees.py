"""A proof as lines of text. A premise used more than once is shown once and then referred to."""

from __future__ import annotations

from collections.abc import Iterator

from checker.kernel.proofs import Proved

LONGEST = 100


def numbered(proof: Proved) -> dict[int, int]:
    """`id` of each node with more than one use, to a number: 1, 2, ... in the order of first sight."""
    seen: set[int] = set()
    shared: set[int] = set()
    order: list[int] = []
    stack = [proof]
    while stack:
        p = stack.pop()
        if id(p) in seen:
            shared.add(id(p))
            continue
        seen.add(id(p))
        order.append(id(p))
        stack.extend(reversed(p.premises))
    return {key: k for k, key in enumerate((key for key in order if key in shared), start=1)}


def lines(proof: Proved, indent: str = "") -> Iterator[str]:
    """One line a node, premises below and to the right of their conclusion."""
    numbers = numbered(proof)
    written: set[int] = set()
    stack = [(proof, 0)]
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
        stack.extend((q, depth + 1) for q in reversed(p.premises))


def shorten(text: str, longest: int = LONGEST) -> str:
    """On one line, and cut if it is long."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 3] + "..."
