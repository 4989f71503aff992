from itertools import islice
from time import monotonic

import pytest
from helpers import library

from checker.kernel.enumeration import every_input, input_count
from checker.language.diagnostics import SpecError
from checker.language.parser import parse_expression
from checker.language.syntax import FunctionDefinition
from checker.models.protocol import Array
from checker.proving import inputs
from checker.proving.inputs import parse_input, random_inputs

X, Y = Array("x", 3, 1, 3), Array("y", 2, 0, 1)
PERMUTED = (parse_expression("permutation(x) and x[1] < x[2]"),)


def test_all_inputs_in_order() -> None:
    found = [w["x"] + w["y"] for w in every_input((X, Y), (), ())]
    assert len(found) == input_count((X, Y)) == 27 * 4
    assert found == sorted(set(found))


def test_requirements() -> None:
    assert input_count((X, Y), PERMUTED) == 24
    assert [w["x"] for w in every_input((X,), PERMUTED, ())] == [(1, 2, 3), (1, 3, 2), (2, 3, 1)]
    assert list(every_input((Y,), (parse_expression("permutation(y)"),), ())) == []
    assert list(every_input((), (), ())) == [{}]


def test_random_inputs() -> None:
    first = list(islice(random_inputs((X, Y), PERMUTED, (), 7), 50))
    assert first == list(islice(random_inputs((X, Y), PERMUTED, (), 7), 50))
    assert all(sorted(w["x"]) == [1, 2, 3] and w["x"][0] < w["x"][1] for w in first)
    assert list(islice(random_inputs((Y,), (), (), 1), 4)) == [{"y": (0, 0)}, {"y": (1, 1)}, {"y": (1, 0)}, {"y": (0, 1)}]
    assert list(random_inputs((Y,), (parse_expression("y[1] > 1"),), (), 1)) == []


def test_parse_input() -> None:
    assert parse_input("3, 1,2,0,1", (X, Y)) == {"x": (3, 1, 2), "y": (0, 1)}
    for text in ("", "3,1,2,0", "3,1,2,0,2", "3,1,a,0,1", "3,1,,0,1", "3,1,2.5,0,1", "0,1,2,0,1", "-1,1,1,0,0",
                 "1" * 5000 + ",1,1,1,1"):
        with pytest.raises(SpecError) as error:
            parse_input(text, (X, Y))
        assert error.value.diagnostics[0].code == "INPUT"


def test_one_cycle_is_found_at_once() -> None:
    """One cycle on n places, or two on n/2 each, which a random permutation hardly is; the words must have walked n places."""
    p = library("one_or_two_cycles", 256)
    begin = monotonic()
    (words,) = islice(random_inputs(p.inputs, p.requires, p.functions, 3, begin), 1)
    assert words == {"next": (*range(2, 257), 1)} and monotonic() - begin < 5


def test_random_inputs_have_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_TRIES", 10**9)
    monkeypatch.setattr(inputs, "FIRST", 0.3)
    begin = monotonic()
    assert list(random_inputs((Y,), (parse_expression("y[1] > 1"),), (), 2, begin)) == []
    assert 0.2 < monotonic() - begin < 5
    few = [*random_inputs((X,), (parse_expression("permutation(x) and x[1] == 2 and x[2] == 3"),), (), 2, monotonic())]
    assert few == [{"x": (2, 3, 1)}]


def test_requirements_that_cannot_be_judged_are_not_met(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "MAX_TRIES", 3)
    deep = FunctionDefinition("f", ("k",), parse_expression("if k == 0 then 1 else f(k - 1)"))
    assert [*random_inputs((Y,), (parse_expression("f(3000 * y[1]) == 1"),), (deep,), 1)][:2] == [{"y": (0, 0)}, {"y": (0, 1)}]
