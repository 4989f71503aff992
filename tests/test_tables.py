"""Claims about tables: a selector selects (Fact B.2), queries and keys propagate (Prop. B.1); refuted ones with a witness."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import pytest
from helpers import circuit, compiled_text, judgements, library, replaced, verdict

from checker.kernel.certificates import Violation
from checker.kernel.judgements import Attends, Selects
from checker.kernel.margins import Confused
from checker.kernel.proofs import Outcome
from checker.kernel.routing_rules import routing_head
from checker.language.diagnostics import SpecError
from checker.models.circuit import Selector
from checker.proving.runs import Disagreement
from checker.proving.tables import of_rows, of_scores


def of(claim: str, models: str = "", rest: str = "") -> Outcome:
    (j,) = judgements(f"{models}\ntheorem t {{ {rest} claim c: {claim}; }}").values()
    return verdict(j)


@pytest.mark.parametrize("claim", [
    "identity(5) selects 5 of 5", "kautz_singleton(5, 2, 4) selects 4 of 25", "random(666, 4, 1) selects 4 of 32",
    "kautz_singleton(5, 2, 2 + 2) selects 2^2 of 5^2", "identity(1) selects 9 of 1",
])
def test_selectors_that_select(claim: str) -> None:
    assert of(claim).verdict == "PROVED"


@pytest.mark.parametrize(("claim", "summary"), [
    ("identity(5) selects 1 of 6", "row 6 has no 1"),
    ("kautz_singleton(5, 2, 3) selects 4 of 25", "cover every column of row"),
    ("kautz_singleton(5, 2, 1) selects 2 of 25", "covers every column of row"),
    ("kautz_singleton(4, 2, 3) selects 3 of 16", "cover every column of row"),
    ("random(60, 4, 1) selects 4 of 32", "cover every column of row"),
])
def test_selectors_that_do_not(claim: str, summary: str) -> None:
    found = of(claim)
    assert found.verdict == "REFUTED" and found.witness is not None and summary in found.witness.summary


def test_what_is_too_large_to_look_at_is_undecided() -> None:
    """No inequality holds (a point too few), and there are a million rows."""
    assert of("kautz_singleton(101, 3, 2) selects 2 of 101^3").verdict == "UNDECIDED"
    assert of("kautz_singleton(101, 3, 3) selects 2 of 101^3").verdict == "PROVED"


@pytest.mark.parametrize(("claim", "code"), [
    ("identity(0) selects 1 of 1", "SIZE"), ("identity(3, 3) selects 1 of 1", "ARITY"), ("unity(3) selects 1 of 1", "NAME"),
    ("3 selects 1 of 1", "SYNTAX"), ("identity(3) selects 1 / 2 of 3", "TYPE"), ("identity(3) selects 0 of 3", "SIZE"),
])
def test_claims_about_selectors_that_make_no_sense(claim: str, code: str) -> None:
    with pytest.raises(SpecError) as problem:
        of(claim)
    assert problem.value.diagnostics[0].code == code


def test_a_violation_that_replay_does_not_see_is_an_error() -> None:
    j = Selects(Selector("identity", (5,)), 5, 3)
    for rows in ((1, 2, 3), (6,), (1, 1)):
        with pytest.raises(Disagreement):
            of_rows(j, rows)
    with pytest.raises(Disagreement):
        of_rows(Selects(Selector("identity", (5,)), 6, 0), Violation((6,)).rows)  # sets of no rows have no violation


TEXT = compiled_text(library("pointer_doubling", 4, 1), "best", "moment")


def propagates(text: str, least: Fraction = Fraction(0)) -> Outcome:
    c = circuit(text)
    return verdict(Attends(routing_head(c, 1, c.packets[0]).circuit, least))


@pytest.mark.parametrize("least", [0, Fraction(1, 8), Fraction(1, 4)])
def test_margins_as_printed(least: Fraction) -> None:
    assert propagates(TEXT, Fraction(least)).verdict == "PROVED"


@pytest.mark.parametrize(("start", "least"), [("3 / 4", Fraction(26, 100)), ("5 / 8", Fraction(1, 4)), ("7 / 8", Fraction(1, 4)),
                                              ("1", Fraction(0)), ("1 / 2", Fraction(0)), ("2", Fraction(0)), ("0", Fraction(0))])
def test_margins_that_are_not_there(start: str, least: Fraction) -> None:
    text = TEXT if start == "3 / 4" else replaced(TEXT, "zeros(5), 3 / 4", f"zeros(5), {start}", TEXT.count("zeros(5), 3 / 4"))
    found = propagates(text, least)
    assert found.verdict == "REFUTED" and found.witness is not None and len(found.witness.table) == 2


def test_hardmax_needs_ties() -> None:
    """Scores of senders that are near each other, but not equal: no average on the rung exact, and none that is claimed."""
    text = replaced(TEXT, "5), 0) when self >= 1", "5), self / 64) when self >= 1", TEXT.count("5), 0) when self >= 1"))
    assert propagates(text).verdict == "UNDECIDED"
    c = circuit(text)
    head = routing_head(c, 1, c.packets[0]).circuit
    assert verdict(Attends(replace(head, scale=9), Fraction(0))).verdict == "PROVED"


def test_a_confusion_that_replay_does_not_see_is_an_error() -> None:
    c = circuit(TEXT)
    j = Attends(routing_head(c, 1, c.packets[0]).circuit, Fraction(0))
    for first, second in (((1,), None), (None, (2,)), ((2,), None), (None, (1,))):
        with pytest.raises(Disagreement):
            of_scores(j, Confused(1, first, second, ""))


def test_claims_from_text() -> None:
    lets = "let P = pointer_doubling(4, 1); let T = transformer(P, embedding = sign);"
    models = "use pointer_doubling from library;"
    assert of("T propagates", models, lets).verdict == "PROVED"
    assert of("T propagates by 1 / 8", models, lets).verdict == "PROVED"
    assert of("T propagates by 3 / 8", models, lets).verdict == "REFUTED"
    with pytest.raises(SpecError):
        of("T propagates by 0 - 1", models, lets)
    with pytest.raises(SpecError):
        of("P propagates", models, lets)
