"""Exact real numbers made of cosines: identities, order, rounding, and what expressions make of them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import ceil, floor

import flint
import pytest
from helpers import circuit
from hypothesis import given
from hypothesis import strategies as st

from checker.kernel.replay import angles
from checker.kernel.replay import expressions as replay
from checker.kernel.replay.angles import Real
from checker.kernel.replay.circuit import replay_circuit as run_exactly
from checker.kernel.replay.undecided import Undecided
from checker.kernel.solver import ask
from checker.language.parser import parse_expression
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic, Number, approximate, cosine, outward, rounded
from checker.semantics.expressions import Fault, Scope, Vec, evaluate
from checker.semantics.terms import Term
from checker.semantics.values import Unsupported

TURNS = st.builds(Fraction, st.integers(-40, 40), st.integers(1, 40))
RATIONALS = st.fractions(-4, 4, max_denominator=6)


def sine(turns: Fraction) -> Number:
    return cosine(turns - Fraction(1, 4))


@st.composite
def sums(draw: st.DrawFn) -> tuple[Number, list[tuple[Fraction, Fraction]]]:
    """A number and the coefficients and turns that it was made from."""
    parts = draw(st.lists(st.tuples(RATIONALS, TURNS), min_size=1, max_size=4))
    total: Number = 0
    for c, r in parts:
        total = total + c * cosine(r)
    return total, parts


def ball(parts: list[tuple[Fraction, Fraction]]) -> flint.arb:
    """What FLINT makes of a sum."""
    total = flint.arb(0)
    for c, r in parts:
        total += flint.arb.cos_pi_fmpq(flint.fmpq(2 * r.numerator, r.denominator)) * flint.fmpq(c.numerator, c.denominator)
    return total


@pytest.fixture(autouse=True)
def _precise() -> Iterator[None]:
    before, flint.ctx.prec = flint.ctx.prec, 300
    yield
    flint.ctx.prec = before


# ---- identities: each is an exact equality, however the two sides are written ---------------------


@pytest.mark.parametrize("m", [*range(1, 41), 60, 105, 210])
def test_roots_of_unity(m: int) -> None:
    """All cosines of m-th parts sum up to 0, their squares to m / 2, from 3 on."""
    roots = [cosine(Fraction(k, m)) for k in range(m)]
    assert sum(roots, 0) == (1 if m == 1 else 0)
    assert sum((x * x for x in roots), 0) == (m if m < 3 else Fraction(m, 2))
    assert sum((cosine(Fraction(k, 3 * m)) for k in range(m, 3 * m)), 0) == -sum(
        (cosine(Fraction(k, 3 * m)) for k in range(m)), 0
    )


@given(TURNS, TURNS)
def test_addition_theorems(a: Fraction, b: Fraction) -> None:
    assert cosine(a) ** 2 + sine(a) ** 2 == 1
    assert cosine(a) * cosine(b) + sine(a) * sine(b) == cosine(a - b)
    assert sine(a) * cosine(b) + cosine(a) * sine(b) == sine(a + b)
    assert 4 * cosine(a) ** 3 - 3 * cosine(a) == cosine(3 * a)


def test_rational_numbers_come_out_rational() -> None:
    found = [cosine(Fraction(k, 12)) for k in (0, 2, 3, 4, 6)]
    assert found == [1, Fraction(1, 2), 0, Fraction(-1, 2), -1]
    assert all(isinstance(x, int | Fraction) for x in found)
    golden = cosine(Fraction(1, 5))
    assert 4 * golden * golden + 2 * golden == 1 and isinstance(golden, Cyclotomic)
    assert isinstance(8 * cosine(Fraction(1, 7)) * cosine(Fraction(2, 7)) * cosine(Fraction(4, 7)), int)
    assert isinstance(cosine(Fraction(1, 8)) ** 2, Fraction)


@pytest.mark.parametrize("p", [5, 7, 15, 21, 25, 35])
def test_one_number_written_in_two_ways(p: int) -> None:
    """The sum over all but one of the residues is the other one, negated: equal, and one key of a dictionary."""
    other = cosine(Fraction(1, p))
    rest = -sum((cosine(Fraction(k, p)) for k in range(p) if k != 1), 0)
    assert isinstance(rest, Cyclotomic) and isinstance(other, Cyclotomic) and rest.parts != other.parts
    assert rest == other and hash(rest) == hash(other) and {rest: 1}[other] == 1
    assert rest <= other and rest >= other and not rest < other and not rest > other
    assert rest != other + Fraction(1, 10**40) and rest < other + Fraction(1, 10**40)


# ---- order and rounding, against FLINT's balls ------------------------------------------------------


@given(sums(), sums())
def test_order(x: tuple[Number, list[tuple[Fraction, Fraction]]], y: tuple[Number, list[tuple[Fraction, Fraction]]]) -> None:
    (a, left), (b, right) = x, y
    difference = ball([*left, *((-c, r) for c, r in right)])
    if a == b:
        assert difference.contains(0) and not a < b and not a > b and a <= b and hash(a) == hash(b)
    else:
        assert not difference.contains(0)
        assert (a < b) == (a <= b) == (not a > b) == (not a >= b) == bool(difference < 0)


@given(sums(), st.integers(0, 70))
def test_roundings(x: tuple[Number, list[tuple[Fraction, Fraction]]], g: int) -> None:
    number, parts = x
    exact = ball(parts)
    assert abs(exact * 2**g - approximate(number, g)) <= 1 + flint.arb(2) ** -200
    low, high = outward(number)
    assert low <= number <= high and high - low <= Fraction(1, 2**62)
    if not isinstance(number, Cyclotomic):
        assert rounded(number, g) == Fraction(floor(number * 2**g + Fraction(1, 2)), 2**g)
        return
    below, near = flint.fmpz(floor(number)), rounded(number, g)
    assert below < exact < below + 1 and ceil(number) == floor(number) + 1
    assert (Fraction(near) * 2**g).denominator == 1
    assert abs(exact - flint.fmpq(near.numerator, near.denominator)) * 2 ** (g + 1) < 1
    assert int(number) == (floor(number) if number > 0 else ceil(number)) and number != int(number)


def test_halves_go_up() -> None:
    assert cosine(Fraction(1, 6), 0) == 1 and cosine(Fraction(1, 3), 0) == 0
    assert rounded(cosine(Fraction(1, 8)), 3) == Fraction(6, 8)  # 0.7071 lies between 5.5/8 and 6.5/8


# ---- in expressions -----------------------------------------------------------------------------------


def value(text: str, **names: object) -> object:
    return evaluate(parse_expression(text), Scope(dict(names), {}, builtins=sem.VECTORS))


def test_angle_and_cosine() -> None:
    found = value("angle(3, 7)")
    assert isinstance(found, Vec) and found.length == 2
    assert found.entries == {1: cosine(Fraction(3, 7)), 2: sine(Fraction(3, 7))}
    assert value("cosine(a / 2 - 9, 7)", a=5) == cosine(Fraction(-13, 14))
    rough = value("angle(1, 8, 4)")
    assert isinstance(rough, Vec) and rough.entries == {1: Fraction(11, 16), 2: Fraction(11, 16)}
    assert value("(angle(0, 5), angle(5, 20))", a=0) == Vec({1: 1, 4: 1}, 4)


@pytest.mark.parametrize(
    "text",
    [
        "angle(1, 0)",
        "angle(1, 5 / 2)",
        "angle(cosine(1, 5), 5)",
        "cosine(1, cosine(1, 5))",
        "cosine(1, 5, 0 - 1)",
        "cosine(1, 5, 5000)",
        "unit(cosine(1, 5), 1)",
        "zeros(cosine(1, 5))",
        "row[1 + cosine(1, 5)]",
        "2 ^ cosine(1, 5)",
        "sum(k for k in 1..cosine(1, 5))",
        "bits(2 + cosine(1, 5))",
        "hadamard(2 + cosine(1, 5), 4)",
        "hadamard(3 / 2, 4)",
        "sign(1, 2, cosine(1, 5))",
        "not cosine(1, 5)",
    ],
)
def test_faults(text: str) -> None:
    with pytest.raises(Fault):
        value(text, row=Vec({1: 1}, 3))


@pytest.mark.parametrize("text", ["1 / cosine(1, 5)", "1 div (2 * cosine(1, 5))", "1 mod (2 * cosine(1, 5))", "cosine(1, m)"])
def test_unsupported(text: str) -> None:
    with pytest.raises(Unsupported):
        value(text, m=t.variable("m", 1, 4))


def test_arithmetic_of_irrational_numbers() -> None:
    """cos 72° = 0.309...: it has a place among whole numbers, a remainder and powers."""
    assert value("floor(10 * cosine(1, 5))") == 3 and value("ceil(10 * cosine(1, 5))") == 4
    assert value("(10 * cosine(1, 5)) div 2") == 1
    assert value("(10 * cosine(1, 5)) mod 2 == 10 * cosine(1, 5) - 2") is True
    assert value("(2 * cosine(1, 5)) ^ 2 == 1 - 2 * cosine(1, 5)") is True
    assert value("max(cosine(1, 5), 1 / 3, cosine(2, 7)) == 1 / 3") is True
    assert value("cosine(1, 5) in 0..1 and cosine(1, 5) != cosine(1, 7)") is True


# ---- replay has numbers of its own ---------------------------------------------------------------------


def texts() -> st.SearchStrategy[str]:
    """Expressions of real numbers."""
    turn = st.tuples(st.integers(-9, 9), st.integers(1, 15))
    leaf = turn.map(lambda x: f"cosine({x[0]} / 2, {x[1]})") | st.integers(-3, 3).map(lambda k: f"({k} / 2)")
    return st.recursive(
        leaf | turn.map(lambda x: f"cosine({x[0]}, {x[1]}, 5)"),
        lambda e: st.tuples(e, st.sampled_from("+-*"), e).map(lambda x: f"({' '.join(x)})") | e.map(lambda x: f"({x} mod 2)"),
        max_leaves=4,
    )


@given(texts(), texts())
def test_replay_has_the_same_numbers_and_the_same_order(a: str, b: str) -> None:
    def replayed(text: str) -> replay.Value:
        return replay.evaluate(parse_expression(text), replay.Scope({}, {}))

    ours, theirs = value(a), replayed(a)
    assert isinstance(ours, Cyclotomic) == isinstance(theirs, Real)
    assert floor(ours * 2**60) == floor(theirs * 2**60)  # type: ignore[operator]
    for operator in ("==", "<", "<=", ">", ">=", "!="):
        assert value(f"{a} {operator} {b}") is replayed(f"{a} {operator} {b}")
    assert value(f"floor({a}) + round({b}) - ceil({a})") == replayed(f"floor({a}) + round({b}) - ceil({a})")


@pytest.mark.parametrize("text", ["angle(1, 0)", "cosine(cosine(1, 5), 5)", "cosine(1, 5, 0 - 1)", "cosine(1, 5, 5000)"])
def test_replay_has_the_same_faults(text: str) -> None:
    with pytest.raises(replay.Fault):
        replay.evaluate(parse_expression(text), replay.Scope({}, {}))


@pytest.mark.parametrize("text", ["1 / cosine(1, 5)", "1 div cosine(1, 7)", "cosine(1, 10007)", "cosine(1, 97) + cosine(1, 113)"])
def test_replay_has_limits(text: str) -> None:
    with pytest.raises(Undecided):
        replay.evaluate(parse_expression(text), replay.Scope({}, {}))


def test_one_number_of_two_orders_in_replay() -> None:
    """cos 72° of five parts, and as it comes out of parts of 35."""
    a = angles.cosine(Fraction(1, 5))
    b = angles.cosine(Fraction(1, 5)) + angles.cosine(Fraction(1, 7)) - angles.cosine(Fraction(1, 7))
    assert isinstance(a, Real) and isinstance(b, Real) and a.order != b.order
    assert a == b and hash(a) == hash(b) and a <= b and not a < b
    assert angles.rounded_cosine(Fraction(1, 10**9), 80) == cosine(Fraction(1, 10**9), 80) < 1


# ---- with unknowns --------------------------------------------------------------------------------------


def test_the_cosine_of_an_unknown_turn() -> None:
    x = t.variable("x", 0, 6)
    found = value("cosine(x, 7)", x=x)
    assert isinstance(found, Term) and t.bounds(found) == (-1, 1) and not t.is_whole(found)
    assert "cos(2π" in t.show(found)
    assert value("cosine(x, 7)", x=x) is found
    for k in range(7):
        assert v.substitute(found, x, k) == cosine(Fraction(k, 7))
    fine = value("cosine(x, 7, 3)", x=x)
    assert fine is not found and v.substitute(fine, x, 1) == cosine(Fraction(1, 7), 3)  # type: ignore[arg-type]


def test_irrational_factors_of_unknowns() -> None:
    x = t.variable("x", 0, 3)
    twice = v.scale(cosine(Fraction(1, 5)), x)
    low, high = t.bounds(twice)
    assert low == 0 and high is not None and 0 <= high - 3 * cosine(Fraction(1, 5)) < Fraction(1, 2**60)
    assert v.substitute(twice, x, 3) == 3 * cosine(Fraction(1, 5))
    assert not t.is_whole(twice)
    assert v.floor(twice) == 0
    with pytest.raises(Unsupported):
        v.floor(v.add(twice, twice))
    assert v.at_most(twice, 1) is True and v.less(1, v.add(twice, cosine(Fraction(1, 5)))) is not True


def test_z3_knows_bounds_of_cosines_only() -> None:
    x = t.variable("x", 0, 9)
    c = v.cosine(v.divide(x, 10))
    assert ask(v.at_most(v.add(c, x), v.add(x, 1)), ()).verdict == "unsat"
    assert ask(v.less(v.multiply(c, c), v.add(x, 2)), ()).verdict == "unsat"
    assert ask(v.equal(c, v.cosine(v.divide(v.subtract(x, 10), 10))), ()).verdict == "sat"  # true, but it cannot know
    golden = v.scale(cosine(Fraction(1, 5)), x)
    assert ask(v.less(v.multiply(golden, x), 30), ()).verdict == "unsat"  # 81 * 0.3090
    assert ask(v.less(v.multiply(golden, x), 25), ()).verdict == "sat"


# ---- in a whole circuit --------------------------------------------------------------------------------

CIRCUIT = """
function third(x) = floor(x * cosine(1, 5) + 1 / 3);
circuit irrational { word 2; tokens 3; start; width 3; mask causal;
  input x[3] in word;
  output y[3] in word = READOUT;
  layer fetch { head back { query angle(self - 1, 9); key angle(self, 9); value (0, row[1] * cosine(1, 5), 1); } } }"""


@pytest.mark.parametrize(
    "readout", ["round(row[2] / cosine(2, 12))", "third(row[1])", "if row[2] > 1 / 2 then 1 else round(4 * row[2] ^ 2)"]
)
def test_evaluator_and_replay_agree(readout: str) -> None:
    c = circuit(CIRCUIT.replace("READOUT", readout))
    for words in ((0, 1, 2), (3, 3, 0), (2, 0, 1)):
        streams, outputs = sem.run(c, {"x": words})
        run = run_exactly(c, {"x": words})
        assert run.fault is None and [*run.outputs["y"]] == [outputs["y", k] for k in (1, 2, 3)]
        for i, row in streams[-1].items():
            assert all(floor(x * 2**60) == floor(run.rows[-1][i][k] * 2**60) for k, x in row.entries.items())  # type: ignore
            assert row.entries.get(2, 0) == (words[i - 2] * cosine(Fraction(1, 5)) if i > 1 else 0)


def test_an_irrational_word_is_a_fault_with_its_place() -> None:
    c = circuit(CIRCUIT.replace("READOUT", "row[2]"))
    with pytest.raises(Fault, match=r"expected a word of y in 0..3, found 3·cos\(2π·1/5\)") as found:
        sem.run(c, {"x": (3, 1, 1)})
    assert found.value.span.line == 5
    fault = run_exactly(c, {"x": (3, 1, 1)}).fault
    assert fault is not None and fault.span.line == 5 and fault.place == "row 2 in the output"


def test_a_question_is_remembered_with_its_assumptions_and_its_model_names_words_at_known_places() -> None:
    x, i = t.ArraySymbol("x", 9, 0, 3), t.variable("i", 1, 9)
    goal = v.at_most(t.read(x, 2), 1)
    first = ask(goal, ())
    assert first.verdict == "sat" and first.model["x[2]"] >= 2
    assert ask(goal, ()) is first  # nothing is asked again
    assert ask(goal, (v.at_most(t.read(x, 2), 0),)).verdict == "unsat"  # another question
    assert ask(v.at_most(t.read(x, 3), 1), ()).model.keys() == {"x[3]"}
    assert ask(v.at_most(t.read(x, i), 1), ()).model.keys() == {"i"}  # which word that is depends on i
