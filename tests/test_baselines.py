"""The baselines that lockstep is compared with: each against an oracle that follows the messages one by one."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations, product

import pytest

from checker.benchmarks.all_inputs import by_enumeration
from checker.benchmarks.bitvectors import by_bitwuzla, by_z3
from checker.benchmarks.doubling import Answer, Slip
from checker.benchmarks.one_hot import by_cadical

Baseline = Callable[[int, int, Slip | None], Answer]
BASELINES = [
    pytest.param(by_z3, None, id="z3"),
    pytest.param(by_bitwuzla, "bitwuzla", id="bitwuzla"),
    pytest.param(by_cadical, "pysat", id="cadical"),
    pytest.param(by_enumeration, "numpy", id="numpy"),
]


def far(following: tuple[int, ...], doublings: int, attention: bool, slip: Slip | None) -> list[int]:
    """Messages in lists: the first one, or the union of all bits, as the two sides read them."""
    n = len(following)
    fwd, bwd = list(following), [following.index(i) for i in range(n)]
    for t in range(doublings):
        forward: list[list[int]] = [[] for _ in range(n)]
        backward: list[list[int]] = [[] for _ in range(n)]
        for j in range(n):
            forward[bwd[j]].append(bwd[j] if slip == Slip(attention, t, j) else fwd[j])
            backward[fwd[j]].append(bwd[j])
        fwd, bwd = ([_read(inbox, attention, last) for inbox in side] for side, last in ((forward, fwd[-1]), (backward, bwd[-1])))
    return fwd


def _read(inbox: list[int], attention: bool, otherwise: int) -> int:
    if not attention:
        return inbox[0] if inbox else otherwise
    found = 0
    for value in inbox:
        found |= value
    return found


def differs(following: tuple[int, ...], doublings: int, slip: Slip | None) -> bool:
    return far(following, doublings, False, slip) != far(following, doublings, True, slip)


def test_the_oracle_walks() -> None:
    for following, doublings, attention in product(permutations(range(4)), (1, 2, 3), (False, True)):
        expected = list(range(4))
        for _ in range(2**doublings):
            expected = [following[v] for v in expected]
        assert far(following, doublings, attention, None) == expected


@pytest.mark.parametrize("baseline, module", BASELINES)
@pytest.mark.parametrize("n", [3, 4])
def test_baselines_find_what_the_oracle_finds(baseline: Baseline, module: str | None, n: int) -> None:
    if module is not None:
        pytest.importorskip(module)
    slips = [None, *(Slip(attention, t, j) for attention in (False, True) for t in (0, 1) for j in (0, n - 1))]
    for doublings, slip in product((1, 2), slips):
        if slip is not None and slip.round >= doublings:
            continue
        wrong = any(differs(following, doublings, slip) for following in permutations(range(n)))
        assert wrong == (slip is not None)
        answer = baseline(n, doublings, slip)
        assert answer.same == (not wrong), (doublings, slip)
        if not answer.same:
            assert sorted(answer.model) == list(range(n)) and differs(answer.model, doublings, slip)


def test_enumeration_beyond_one_chunk() -> None:
    pytest.importorskip("numpy")
    assert by_enumeration(9, 1).same
    answer = by_enumeration(9, 1, Slip(True, 0, 8))
    assert not answer.same and differs(answer.model, 1, Slip(True, 0, 8))
