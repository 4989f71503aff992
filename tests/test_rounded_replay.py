"""Runs on the rungs softmax and rounded: against weights by hand, against 60 digits, against every choice of a tiny circuit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import islice, product
from math import exp
from random import Random
from time import monotonic

import pytest
from helpers import circuit, library, replaced, verdict
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp, mpf

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel import by_replay
from checker.kernel.by_replay import by_enumeration, violated, violated_by, violation
from checker.kernel.enumeration import every_input
from checker.kernel.judgements import Computes, Simulates
from checker.kernel.proofs import NotProved
from checker.kernel.replay.adversaries import ADVERSARIES, DOWN, NEAREST, UP, Adversary, Choice, Place, from_table
from checker.kernel.replay.circuit import replay_all, replay_circuit, replay_routing
from checker.kernel.replay.enclosures import Enclosure, Number, Undecided, bounds, enclosure, greatest, least
from checker.kernel.replay.expressions import Fault, Message, Scope, evaluate
from checker.kernel.replay.softmax import sign, weight_bounds
from checker.kernel.routing_rules import routing_head
from checker.language.parser import parse_expression
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving import checking, falsifier
from checker.proving import inputs as searched
from checker.proving.routings import expected, replayed, undelivered
from checker.semantics import circuits as semantics
from checker.semantics.values import Unsupported

TWO = """circuit two {
  word 1; tokens 2; width 2; scale 1; %s
  input x[2] in word; output y[2] in word = round(row[2]);
  layer one { head look { query self - 1; key self; value unit(2, row[1]); } }
}"""


def two(numbers: str = "") -> Circuit:
    return circuit(TWO % numbers)


def rational(x: mpf) -> Fraction:
    sign_, mantissa, exponent, _ = x._mpf_
    return (-1) ** sign_ * Fraction(int(mantissa)) * Fraction(2) ** int(exponent)


# ---- softmax ------------------------------------------------------------------------------------


def test_two_rows_by_hand() -> None:
    """Row 1 has scores 0, 0; row 2 has scores 1, 2, so it weighs row 2 by e / (1 + e). Row 2 holds a 1."""
    run = replay_circuit(two(), {"x": (0, 1)})
    with mp.workdps(60):
        expected_weight = rational(mp.e / (1 + mp.e))
    assert run.rows[1][1][2] == Fraction(1, 2)
    low, high = bounds(run.rows[1][2][2])
    assert low - Fraction(1, 10**58) < expected_weight < high + Fraction(1, 10**58) and 0 < high - low < Fraction(1, 10**70)
    assert run.outputs == {"y": (1, 1)}  # round(1/2) = 1


def test_scores_known_by_bounds() -> None:
    """A second layer whose scores depend on what the first put out: e^s / (1 + e^s) with s = e / (1 + e)."""
    text = (TWO % "").replace("round(row[2])", "round(row[1])")
    text = text[: text.rindex("}")] + "layer two { head again { query row[2]; key self - 1; value unit(1, 2 * (self - 1)); } } }"
    run = replay_circuit(circuit(text), {"x": (0, 1)})
    low, high = bounds(run.rows[2][2][1])
    with mp.workdps(60):
        s = mp.e / (1 + mp.e)
        value = 1 + 2 * rational(mp.exp(s) / (1 + mp.exp(s)))
    assert low - Fraction(1, 10**58) < value < high + Fraction(1, 10**58) and high - low < Fraction(1, 10**60)


@pytest.mark.parametrize("far", [1, 2**40, 2**2000])
def test_weights_of_scores_however_far(far: int) -> None:
    """Rows 1 and 2 score anything in 0..far, row 3 scores far: no weight that is possible is outside of the bounds."""
    any_score = enclosure(Fraction(0), Fraction(far))
    found = weight_bounds({1: any_score, 2: any_score, 3: far}, 1, 256)
    tiny = exp(-float(min(far, 1_000)))
    others = (tiny / (tiny + 2), 1 / (2 + tiny))
    for row, (below, above) in {1: others, 2: others, 3: (1 / 3, 1 / (1 + 2 * tiny))}.items():
        low, high = found[row]
        assert 0 <= low <= below + 1e-12 and above - 1e-12 <= high <= 1


def test_what_bounds_do_not_decide_is_no_fault() -> None:
    """The value is a tiny bit below 1: it is not a word, but 256 bits do not show it; with scale 1 they do."""
    c = circuit((TWO % "").replace("round(row[2])", "row[2]").replace("self - 1;", "2 * self - 3;"))
    with pytest.raises(Undecided, match="as a word"):
        replay_circuit(replace(c, scale=1000), {"x": (0, 1)})
    fault = replay_circuit(c, {"x": (0, 1)}).fault
    assert fault is not None and fault.place == "row 1 in the output"


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(-5, 5)), min_size=1, max_size=5, unique_by=lambda t: t[0]))
@settings(max_examples=60, deadline=None)
def test_signs(terms: list[tuple[int, int]]) -> None:
    with mp.workdps(60):
        value = sum((k * mp.exp(-q) for q, k in terms), mpf(0))
    assert sign([(Fraction(q), Fraction(k)) for q, k in sorted(terms)]) == mp.sign(value)


def test_a_sign_that_needs_many_digits() -> None:
    """e^-q with q = 700,000 decides between 1 - 1 + e^-q and 1 - 1 - e^-q; so do 400 digits of e against a fraction."""
    far = Fraction(700_000)
    assert sign([(Fraction(0), Fraction(0)), (far, Fraction(1))]) == 1
    with mp.workdps(400):
        near = rational(mp.exp(-1))
    assert sign([(Fraction(0), near + Fraction(1, 10**390)), (Fraction(1), Fraction(-1))]) == 1
    assert sign([(Fraction(0), near - Fraction(1, 10**390)), (Fraction(1), Fraction(-1))]) == -1


# ---- valid choices ------------------------------------------------------------------------------


def recorded(c: Circuit, words: dict[str, tuple[int, ...]]) -> dict[Place, tuple[int, int, int]]:
    """Of each coordinate: the lowest, the highest and the nearest valid value."""
    found: dict[Place, tuple[int, int, int]] = {}

    def pick(place: Place, choice: Choice) -> int:
        found[place] = (choice.low, choice.high, choice.nearest)
        return choice.nearest

    replay_circuit(c, words, Adversary("watched", pick))
    return found


def tabled(random: Random, rows: int, width: int, fraction: int, scale: int) -> tuple[Circuit, list[list[list[Fraction]]]]:
    """One layer with queries, keys and values by a table of random multiples of 2^-2."""
    def number() -> Fraction:
        return Fraction(random.randint(-8, 8), 4)

    table = [[[number() for _ in range(width)] for _ in range(rows)] for _ in range(3)]
    parts = [", ".join(f"({', '.join(f'{x.numerator} / {x.denominator}' for x in row)}) when self == {i}"
                       for i, row in enumerate(part, 1)).replace("(-", "(0 - ").replace(", -", ", 0 - ") for part in table]
    text = f"""circuit random {{ word 1; tokens {rows}; width {width}; scale {scale}; fraction {fraction}; integer 8;
      input x[{rows}] in word; output y[1] in word = 0;
      layer one {{ head look {{ query {parts[0]}; key {parts[1]}; value {parts[2]}; }} }} }}"""
    return circuit(text), table


@pytest.mark.parametrize("scale", [0, 1, 3, 20])
@pytest.mark.parametrize("fraction", [2, 5, 30])
def test_all_valid_choices_and_no_others(scale: int, fraction: int) -> None:
    """t is the output in units of 2^-f, by 60 digits: valid are the integers n with |n - t| <= 1."""
    random, seen = Random(scale * 100 + fraction), 0
    for _ in range(12):
        rows = random.randint(1, 4)
        c, (queries, keys, values) = tabled(random, rows, 3, fraction, scale)
        for place, (low, high, near) in recorded(c, {"x": (0,) * rows}).items():
            with mp.workdps(60):
                scores = [sum((q * k for q, k in zip(queries[place.row - 1], key, strict=True)), Fraction(0)) for key in keys]
                exponentials = [mp.exp(mpf((scale * s).numerator) / (scale * s).denominator) for s in scores]
                weights = [rational(e / sum(exponentials)) for e in exponentials]
            t = sum((w * row[place.coordinate - 1] for w, row in zip(weights, values, strict=True)), Fraction(0)) * 2**fraction
            tiny = Fraction(1, 10**40)
            assert low <= near <= high and abs(near - t) <= Fraction(1, 2) + tiny
            assert abs(low - t) <= 1 + tiny and abs(high - t) <= 1 + tiny
            assert abs(low - 1 - t) > 1 - tiny and abs(high + 1 - t) > 1 - tiny
            assert high - low == 1 or (high - low == 2 and abs(near - t) < tiny)
            seen += 1
    assert seen > 50


def test_a_hair_below_one() -> None:
    """y = 1 / (1 + e^-1000) for row 2, 1 - 2^-f and 1 are valid, 1 + 2^-f is not; row 1 has 1/2 exactly, with three choices."""
    c = replace(two("fraction 4; integer 12;"), scale=1000)
    found = recorded(c, {"x": (0, 1)})
    assert found[Place(1, 1, 2, 2)] == (15, 16, 16) and found[Place(1, 1, 1, 2)] == (7, 9, 8)
    assert found[Place(1, 1, 1, 1)] == (-1, 1, 0)
    assert recorded(c, {"x": (1, 0)})[Place(1, 1, 2, 2)] == (0, 1, 0)  # e^-1000 / (1 + e^-1000) is positive


def test_adversaries_pick_valid_values() -> None:
    c = replace(two("fraction 4; integer 12;"), scale=1000)
    table = from_table({Place(1, 1, 1, 2): 1, Place(1, 1, 2, 2): 5})
    ends = {a.name: [replay_circuit(c, {"x": (0, 1)}, a).rows[1][i].get(2, 0) * 16 for i in (1, 2)]
            for a in (*ADVERSARIES, table)}
    assert ends[DOWN.name] == [7, 15] and ends[UP.name] == [9, 16] and ends[NEAREST.name] == [8, 16]
    assert ends[table.name] == [8, 16]
    assert all(a in (7, 8, 9) and b in (15, 16) for a, b in ends.values()) and len(set(map(tuple, ends.values()))) > 2
    with pytest.raises(ValueError, match="none of"):
        replay_circuit(c, {"x": (0, 1)}, Adversary("cheating", lambda place, choice: choice.high + 1))


# ---- numbers that must be representable (Def. A.1) ----------------------------------------------


@pytest.mark.parametrize(("old", "new", "message"), [
    ("row[1])", "1 / 3)", "row 1 in layer 1 (one), head look: value[2] = 1/3 is not a multiple of 2^-2"),
    ("key self", "key self / 8", "row 1 in layer 1 (one), head look: key[1] = 1/8 is not a multiple of 2^-2"),
    ("key self", "key 4 * self", "row 2 in layer 1 (one), head look: overflow: key[1] = 8, expected a size below 2^3"),
    ("key self", "key -4 * self", "row 2 in layer 1 (one), head look: overflow: key[1] = -8, expected a size below 2^3"),
    ("scale 1", "scale 8", "row 2 in layer 1 (one), head look: overflow: 8 * query[1] = 8, expected a size below 2^3"),
    ("query self - 1", "query (self - 1) / 8", "row 2 in layer 1 (one), head look: 1 * query[1] = 1/8 is not a multiple of 2^-2"),
    ("integer 3", "integer 0", "row 2 in the input: overflow: row[1] = 1, expected a size below 2^0"),
])
def test_not_representable(old: str, new: str, message: str) -> None:
    fault = replay_circuit(circuit(replaced(TWO % "fraction 2; integer 3;", old, new)), {"x": (0, 1)}).fault
    assert fault is not None and f"{fault.place}: {fault.message}" == message
    assert replay_circuit(two("fraction 2; integer 3;"), {"x": (0, 1)}).fault is None


def test_the_stream_overflows() -> None:
    """Two heads put 7/2 and 4 into coordinate 2, 8 with both rounded up."""
    text = replaced(TWO % "fraction 1; integer 3;", "row[1]); }", "7 / 2); } head more { query 0; key 0; value unit(2, 4); }")
    fault = replay_circuit(circuit(text), {"x": (0, 1)}, UP).fault
    assert fault is not None and (fault.place, fault.message) == (
        "row 1 in layer 1 (one)", "overflow: row[2] = 17/2, expected a size below 2^3")
    down = replay_circuit(circuit(text), {"x": (0, 1)}, DOWN)
    assert down.rows[1][1][2] == Fraction(13, 2) and down.fault is not None and down.fault.place == "row 1 in the output"
    with pytest.raises(Undecided, match="overflow"):
        replay_circuit(circuit(text), {"x": (0, 1)}, None)


# ---- compiled circuits --------------------------------------------------------------------------


@cache
def compiled(scale: int, fraction: int, integer: int = 12) -> tuple[Circuit, Protocol]:
    p = library("tree_sum", 4, 2, 1)
    return replace(transformer(p), scale=scale, fraction=fraction, integer=integer), p


def inputs(p: Protocol) -> Iterator[dict[str, tuple[int, ...]]]:
    return every_input(p.inputs, p.requires, p.functions)


def test_enough_bits_and_scale() -> None:
    c, p = compiled(40, 10)
    for words in islice(inputs(p), 0, None, 3):
        for adversary in ADVERSARIES:
            assert violated_by(Simulates(c, p), words, adversary) is None
        assert violated_by(Simulates(c, p), words, None) is None
        assert violated_by(Simulates(c.at("softmax"), p), words, NEAREST) is None
    assert verdict(Simulates(c, p)).verdict == "PROVED"


@pytest.mark.parametrize(("scale", "fraction"), [(0, 10), (40, 3), (40, 2)])
def test_too_few_bits_or_too_small_a_scale(scale: int, fraction: int) -> None:
    c, p = compiled(scale, fraction)
    found = verdict(Simulates(c, p))
    assert found.verdict == "REFUTED" and found.witness is not None
    assert "with every head rounded" in found.witness.summary
    assert f"scale {scale}, fraction {fraction}, integer 12" in found.witness.table[0]
    with pytest.raises(NotProved):
        by_enumeration(Simulates(c, p), 100)
    assert verdict(Simulates(c.at("exact"), p)).verdict == "PROVED"
    assert verdict(Simulates(c.at("softmax"), p)).verdict == ("REFUTED" if scale == 0 else "PROVED")


def test_a_refutation_shows_the_coordinate() -> None:
    """Every head rounded down, f = 3: the sums of two bits arrive as 1/4 a packet too low."""
    c, p = compiled(40, 3)
    found = verdict(Simulates(c, p)).witness
    assert found is not None
    words = dict(found.inputs)
    (line,) = [x for x in found.table if "coordinate" in x]
    row, k, layer = (int(line.split(word)[1].split()[0].strip(",:")) for word in ("row", "coordinate", "layer"))
    shown = Fraction(line.split(": ")[1].split(" = ")[0].split(",")[0])
    adversary = next(a for a in ADVERSARIES if str(a) in found.summary)
    assert replay_circuit(c, words, adversary).rows[layer][row].get(k, 0) == shown
    assert violated(Simulates(c, p), words) == found.summary


def test_routing() -> None:
    good, weak = (routing_head(c, 1, c.packets[0]) for c, _ in (compiled(40, 10), compiled(0, 10)))
    routing = ((1, 1), (1, 2), (2, 1), (2, 2))
    assert undelivered(good, routing) is None and undelivered(weak, routing) is not None
    assert verdict(weak).verdict == "REFUTED"
    for adversary in ADVERSARIES:
        assert replayed(good, routing, adversary) == expected(good, routing)


def test_routing_with_noise() -> None:
    """A lone message comes with weight 1: noise up to 1/4 does it no harm, noise 3/4 makes it unreadable."""
    c, _ = compiled(40, 10)
    j = routing_head(c, 1, c.packets[0])
    sent = {1: [Message("part", (1,), 1, 2)]}
    for below in ("rounded", "softmax"):
        for adversary in (UP, DOWN):
            quiet = replay_routing(j.circuit.at(below), sent, adversary, Fraction(1, 8))
            assert [m.words for m in quiet[2]] == [(1,)] and quiet[1] == []
        loud = replay_routing(j.circuit.at(below), sent, DOWN, Fraction(3, 4))
        assert [m.words for m in loud[2]] != [(1,)]


def test_the_evaluator_does_not_run_other_rungs() -> None:
    c, p = compiled(40, 10)
    words = next(inputs(p))
    with pytest.raises(Unsupported, match="rung rounded"):
        semantics.run(c, words)
    semantics.run(c.at("exact"), words)


# ---- every choice, and bounds that hold for all -------------------------------------------------


TINY = """circuit tiny {{
  word 1; tokens 2; width 2; scale {scale}; fraction {fraction}; integer 4;
  input x[2] in word; output y[1] in word = {readout};
  layer one {{ head a {{ query {q}; key {k}; value {v}; }} {more} }}
  layer two {{ head b {{ query {q2}; key {k2}; value {v2}; }} }}
}}"""


def tiny(random: Random) -> Circuit:
    queries = ["(1, 0)", "2 * self - 3", "(row[1], 1)", "(2 * self, 1)"]
    keys = ["self", "(self, -self^2)", "(row[1], 0)", "3 - self"]
    values = ["row", "-row", "unit(2, row[1])", "(0, 1)", "(row[2], row[1])", "unit(2, 1 - row[1])"]
    readouts = ["round(row[1])", "round(row[2])", "if row[2] > 1 / 2 then 1 else 0", "round(min(row[1], row[2]))",
                "round(row[1] * row[2])", "if row[1] == 0 then 0 else 1", "max(0, min(1, floor(row[2] + row[1])))"]
    more = random.choice(["", "head c { query (2 * self, 1); key (self, -self^2); value -row; }"])
    one, two_ = ([random.choice(part) for part in (queries, keys, values)] for _ in range(2))
    return circuit(TINY.format(scale=random.choice([0, 1, 4]), fraction=random.choice([1, 3]), readout=random.choice(readouts),
                               q=one[0], k=one[1], v=one[2], more=more, q2=two_[0], k2=two_[1], v2=two_[2]))


def test_bounds_hold_for_every_choice() -> None:
    """What is decided by bounds is so in every run; every run lies within the bounds."""
    random, decided, inside = Random(5), 0, 0
    for _ in range(60):
        c = tiny(random)
        words = {"x": (random.randint(0, 1), random.randint(0, 1))}
        row = random.randint(1, 2)
        every = replay_all(c, words, lambda place, row=row: place.row == row, random.choice(ADVERSARIES))
        try:
            whole = replay_circuit(c, words, None)
        except Undecided:
            continue
        for run in islice(every, 60):
            assert (run.fault is None) == (whole.fault is None) and run.outputs == whole.outputs
            for mine, theirs in zip(run.rows, whole.rows, strict=True):
                for i, k in product(mine, (1, 2)):
                    low, high = bounds(theirs[i].get(k, 0))
                    assert low <= mine[i].get(k, 0) <= high
                    inside += low < high
        decided += 1
    assert decided > 15 and inside > 1000


def test_what_every_choice_agrees_on_may_be_proved() -> None:
    """f = 1, row 2 is a hair below 1 or above 0: all choices are 1/2 or 1, or else 0 or 1/2, and 1/2 is rounded up."""
    text = replaced(TWO % "fraction 1; integer 12;", "round(row[2])", "if self == 1 then 0 else round(row[2])")
    c = replace(circuit(text), scale=1000)
    outputs = {tuple(sorted({run.outputs["y"][1] for run in replay_all(c, {"x": x}, lambda place: place.coordinate == 2)}))
               for x in [(0, 1), (1, 0)]}
    assert outputs == {(1,), (0, 1)}
    right = Computes(c, parse_expression("y[2] == x[2]"), None)
    assert violated_by(right, {"x": (1, 0)}, UP) == "the equation is false"
    with pytest.raises(Undecided):
        violated_by(right, {"x": (1, 0)}, None)
    with pytest.raises(NotProved):
        by_enumeration(right, 4)
    assert by_enumeration(replace(right, subject=replace(c, fraction=2)), 4).rule == "enumeration with bounds"


def test_how_many_runs() -> None:
    """Row 1: coordinate 1 is 0 (3 choices), coordinate 2 is 1/2 (3 choices); row 2: 3 choices and 2."""
    c = replace(two("fraction 4; integer 12;"), scale=1000)
    assert len(list(replay_all(c, {"x": (0, 1)}, lambda place: True))) == 3 * 3 * 3 * 2
    assert len(list(replay_all(c, {"x": (0, 1)}, lambda place: False))) == 1


# ---- arithmetic with bounds ---------------------------------------------------------------------


EXPRESSIONS = ["a + b", "a - b", "a * b", "-a", "a^2", "a^3", "a / 3", "1 / a", "a / b", "a div 2", "a mod 2", "min(a, b)",
               "max(a, b, 1)", "floor(a)", "ceil(b)", "round(a)", "if a < b then a else b", "if a == b then 1 else 0",
               "2 * a - a / 4 + 1", "if a >= 1 then a else 0 - a", "sum(a * k for k in 1..3)", "max(k * b for k in 1..2)"]


@given(st.sampled_from(EXPRESSIONS), st.lists(st.integers(-12, 12), min_size=4, max_size=4), st.integers(0, 3), st.data())
@settings(max_examples=400, deadline=None)
def test_bounds_of_expressions(text: str, ends: list[int], spacing: int, data: st.DataObject) -> None:
    """Any two numbers within bounds give a value within the bounds of the value, and a multiple of its step."""
    step, e = Fraction(spacing, 4), parse_expression(text)

    def known(x: int, y: int) -> tuple[Number, Fraction]:
        low, high = min(x, y) * (step or Fraction(1, 4)), max(x, y) * (step or Fraction(1, 4))
        inner = data.draw(st.integers(0, 4)) if not step else None
        point = low + (high - low) * inner / 4 if inner is not None else data.draw(st.integers(min(x, y), max(x, y))) * step
        return enclosure(low, high, step), point

    (a, at_a), (b, at_b) = known(*ends[:2]), known(*ends[2:])
    points = Scope({}, {"a": at_a, "b": at_b})
    try:
        found = evaluate(e, Scope({}, {"a": a, "b": b}))
    except Undecided:
        return
    except Fault:
        with pytest.raises(Fault):
            evaluate(e, points)
        return
    exact = evaluate(e, points)
    assert isinstance(found, int | Fraction | Enclosure) and isinstance(exact, int | Fraction)
    low, high = bounds(found)
    assert low <= exact <= high
    if isinstance(found, Enclosure) and found.step:
        assert (exact / found.step).denominator == 1


def test_least_and_greatest() -> None:
    a, b = enclosure(Fraction(0), Fraction(2)), enclosure(Fraction(1), Fraction(3))
    assert bounds(least([a, b])) == (0, 2) and bounds(greatest([a, b])) == (1, 3)
    assert least([a, b, -1]) == -1 and greatest([a, 5]) == 5


@pytest.mark.parametrize("seconds", [3.0, 20.0])
def test_a_search_of_slow_replays_ends_in_time(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a clock by which a replay takes a second and a run with hardmax a tenth of one, and nothing else takes time."""
    clock = [0.0]

    def replay(j: object, words: object, adversary: Adversary | None) -> None:
        clock[0] += 1

    def with_hardmax(j: object, words: object) -> bool:
        clock[0] += 0.1
        return False

    for module in (by_replay, falsifier, checking, searched):
        monkeypatch.setattr(module, "monotonic", lambda: clock[0])
    monkeypatch.setattr(by_replay, "violated_by", replay)
    monkeypatch.setattr(falsifier, "suspicious", with_hardmax)
    c = transformer(library("tree_sum", 13, 2, 1))
    assert verdict(Computes(c, parse_expression("y[1] == x[1]"), None), timeout=seconds).verdict == "UNDECIDED"
    assert seconds <= clock[0] <= seconds + 1.5


def test_adversaries_after_the_end_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Adversary] = []

    def harmless(j: object, words: object, adversary: Adversary) -> None:
        tried.append(adversary)

    monkeypatch.setattr(by_replay, "violated_by", harmless)
    p = library("tree_sum", 4, 2, 1)
    j, words = Simulates(transformer(p), p), {"x": (0, 0, 0, 0)}
    for end, those in ((monotonic() - 1, ADVERSARIES[:1]), (monotonic() + 100, ADVERSARIES)):
        tried.clear()
        assert violation(j, words, end) is None and tuple(tried) == those
    tried.clear()
    assert violation(j, words, only=(UP,)) is None and tried == [UP]
