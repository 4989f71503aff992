"""`lockstep bounds`: the table says what the compiler does."""

from __future__ import annotations

import json

import pytest
from helpers import protocol
from test_commands import lockstep, wrong

from checker.commands.constructions import EMBEDDINGS, SELECTORS, cost
from checker.compilers.protocol_to_circuit import transformer


@pytest.mark.parametrize(("machines", "messages"), [(1, 1), (2, 1), (4, 1), (3, 2), (2, 3)])
def test_widths_are_those_of_compiled_circuits(machines: int, messages: int) -> None:
    p = protocol(f"""protocol p {{ word 1; memory {messages}; machines {machines}; input x[1] in word; output y[1] in word;
      message m(word); round r {{ }} finish {{ if self == 1 {{ y[1] = 0; }} }} }}""")
    found = cost(machines, messages)
    for x in SELECTORS:
        for e in EMBEDDINGS:
            assert found.width(x, e) == transformer(p, x, e).width


def test_columns_by_hand() -> None:
    """N = 8, s = 1: 64 rows, b = 1, 12 ln 64 = 49.9; one point of F_2 and 6 coefficients. N = 4, s = 2: 32 rows, b = 4."""
    assert cost(8, 1).columns == {"identity": 64, "kautz_singleton": 2, "paper": 50}
    assert cost(4, 2).columns["paper"] == 666
    assert [cost(9, s).coordinates["moment"] for s in (1, 2, 3)] == [3, 5, 7]
    assert cost(9, 1).coordinates["hadamard"] == 16


def test_the_table_and_its_json() -> None:
    done = lockstep("bounds", "--constructions", "--machines", "4,8", "--messages", "1,2")
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0].split()[:4] == ["machines", "messages", "selector", "d"] and len(lines) == 1 + 4 * 3
    data = json.loads(lockstep("bounds", "--constructions", "--machines", "4,8", "--messages", "1,2", "--json", "-").stdout)
    rows = data["constructions"]
    assert [(r["machines"], r["messages"]) for r in rows] == [(4, 1), (4, 2), (8, 1), (8, 2)]
    numbers = [line.split() for line in lines[1:]]
    for r, k in zip(rows, range(0, 12, 3), strict=True):
        for x, line in zip(SELECTORS, numbers[k:k + 3], strict=True):
            assert line[:4] == [str(r["machines"]), str(r["messages"]), x, str(r["columns"][x])]
            assert line[4:] == [str(y) for e in EMBEDDINGS for y in (r["coordinates"][e], r["width"][f"{x},{e}"])]


@pytest.mark.parametrize("options", [(), ("--constructions", "--machines", "0"), ("--constructions", "--machines", "4;5"),
                                     ("--constructions", "--messages", ""), ("--constructions", "--machines", "99999999999")])
def test_wrong_calls(options: tuple[str, ...]) -> None:
    wrong(lockstep("bounds", *options))
