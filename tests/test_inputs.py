from itertools import islice

import pytest

from checker.kernel.enumeration import every_input, input_count
from checker.language.diagnostics import SpecError
from checker.language.parser import parse_expression
from checker.models.protocol import Array
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
