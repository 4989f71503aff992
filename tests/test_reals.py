"""Claims for all real numbers: what is just barely false is refuted, with a point that is checked here once more."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction as F
from functools import reduce
from pathlib import Path
from random import Random

import pytest
from helpers import judgements, proof
from helpers import verdict as verdict_of

from checker.elaboration.library import load, load_text
from checker.elaboration.theorem_to_claims import ClaimAt, claims
from checker.kernel import algebra
from checker.kernel.judgements import ForReals, Judgement
from checker.kernel.proofs import NotProved, Outcome
from checker.language import printer
from checker.language import syntax as s
from checker.language.diagnostics import SpecError
from checker.language.parser import parse
from checker.language.resources import data_folder
from checker.proving.passes import How, check_files
from checker.proving.points import search_points
from checker.reporting import json_report

FUNCTIONS = """function distance(a, b) = max(a - b, b - a);
function inverse(a) = 1 / a;
function cube(a) = a^3;
function third = 1 / 3;
"""


def judgement(statement: str) -> ForReals:
    found = judgements(f"{FUNCTIONS}theorem t {{ claim it: {statement}; }}")["it"]
    assert isinstance(found, ForReals)
    return found


def outcome(statement: str) -> Outcome:
    return verdict_of(judgement(statement))


# ---- mutants: each is true but for the edit, and false only at a few points ------------------------

FALSE: list[tuple[str, Callable[..., bool]]] = [  # a claim, and where it is false, in Python
    ("x^2 + y^2 > 2 * x * y for all real x, y", lambda x, y: not x**2 + y**2 > 2 * x * y),
    ("x > 0 for all real x where x >= 0", lambda x: x == 0),
    ("x^2 + 1/4 > x for all real x", lambda x: x == F(1, 2)),
    ("x * y <= ((x + y) / 2)^2 - 1/1000000 for all real x, y where x >= 0 and y >= 0",
     lambda x, y: min(x, y) >= 0 and (x - y)**2 < F(4, 1000000)),
    ("x * (1 - x) <= 249999/1000000 for all real x", lambda x: x * (1 - x) > F(249999, 1000000)),
    ("x^3 <= 2 for all real x where x^2 <= 8/5", lambda x: x**2 <= F(8, 5) and x**3 > 2),
    ("distance(x, y) < distance(x, z) + distance(z, y) for all real x, y, z",
     lambda x, y, z: abs(x - y) >= abs(x - z) + abs(z - y)),
    ("(x + y) / (x - y) == (x - y) / (x + y) for all real x, y where x > y and y > -x",
     lambda x, y: x > y > -x and (x + y) / (x - y) != (x - y) / (x + y)),
    ("1 / x <= 1 for all real x where x > 0", lambda x: 0 < x < 1),
    ("(if x < 1 then 2 * x else x + 1) != 2 for all real x", lambda x: x == 1),
    ("3 * x != 22 for all real x where x > 7", lambda x: x == F(22, 3)),
    ("min(x, y, 1) < third for all real x, y where x + y < 2/3 or x == third and y == third", lambda x, y: x == y == F(1, 3)),
    ("not (x + y == 3 and x * y == 2) for all real x, y", lambda x, y: x + y == 3 and x * y == 2),
    ("y != 2 for all real x, y where x^2 == 2 * y^2 + 1 and x == 3", lambda x, y: x == 3 and y == 2),
    ("(if x > 0 then -1 / x else x + 1) <= 0 for all real x where x >= 0", lambda x: x == 0),  # 0 is no denominator there
    ("1 / x * (1 / x) < 0 for all real x where x < 0", lambda x: x < 0),
    ("1 / x^3 > -1 for all real x where x < 0", lambda x: 0 > x >= -1),
    ("y != x + 1 for all real x, y where x^2 >= 2 and x^3 <= 3 and x > 0", lambda x, y: x**2 >= 2 and x**3 <= 3 and y == x + 1),
]


@pytest.mark.parametrize(("statement", "wrong"), FALSE, ids=[x for x, _ in FALSE])
def test_false_by_little(statement: str, wrong: Callable[..., bool]) -> None:
    found = outcome(statement)
    assert found.verdict == "REFUTED" and found.witness is not None
    point = {name: F(x) for name, x in found.witness.point}
    assert list(point) == list(judgement(statement).variables) and wrong(**point)


UNDEFINED: list[tuple[str, Callable[..., bool]]] = [  # a claim, and where its denominator is 0
    ("1 / x > 0 for all real x where x >= 0", lambda x: x == 0),
    ("x / x == 1 for all real x", lambda x: x == 0),
    ("0 * (1 / x) == 0 for all real x", lambda x: x == 0),
    ("1 / x - 1 / x == 0 for all real x", lambda x: x == 0),
    ("1 / x == 1 / x for all real x", lambda x: x == 0),
    ("inverse(inverse(x)) == x for all real x", lambda x: x == 0),
    ("(if x == 0 then 1 / x else 1) == 1 for all real x", lambda x: x == 0),
    ("x * y / (x^2 + y^2) <= 1 for all real x, y", lambda x, y: x == y == 0),
    ("1 / (1 / (x - 1) - 1 / (x + 1)) > 0 for all real x where x > 1 or x == -1", lambda x: x == -1),
    ("1 / x > 0 or x <= 0 for all real x where x >= 0", lambda x: x == 0),
    ("x >= 1 and 1 / (x - 1) > 0 or x < 1 for all real x", lambda x: x == 1),
    ("1 / (x^2 + y^2 - 1) < 0 for all real x, y where x^2 + y^2 <= 1 and (x < 1 or y == 0)", lambda x, y: x**2 + y**2 == 1),
    ("x^(1/2) >= 0 for all real x where x >= 0", lambda x: x >= 0),
]


@pytest.mark.parametrize(("statement", "wrong"), UNDEFINED, ids=[x for x, _ in UNDEFINED])
def test_a_zero_denominator_is_a_counterexample(statement: str, wrong: Callable[..., bool]) -> None:
    found = outcome(statement)
    assert found.verdict == "REFUTED" and found.witness is not None and "undefined" in found.witness.summary
    assert wrong(**{name: F(x) for name, x in found.witness.point})


@pytest.mark.parametrize("statement", [
    "x^2 + y^2 >= 2 * x * y for all real x, y",
    "x * y <= ((x + y) / 2)^2 for all real x, y where x >= 0 and y >= 0",
    "x * (1 - x) <= 1/4 for all real x",
    "x^3 <= 3 for all real x where x^2 <= 2",
    "x^3 < 2829/1000 for all real x where x^2 <= 2",  # 2 sqrt(2) = 2.8284...
    "distance(x, y) <= distance(x, z) + distance(z, y) for all real x, y, z",
    "1 / x > 0 for all real x where x > 0", "1 / x * (1 / x) > 0 for all real x where x < 0",
    "1 / x * (1 / x) + 1 / x + 1 > 0 for all real x where x != 0",
    "(if x == 0 then 0 else 1 / x) * x <= 1 for all real x",
    "(if x > 0 then 1 / x else x) <= max(1, 1 / (x^2 + 1) + 1 / x^2) for all real x where x != 0",
    "x == 0 or x / x == 1 for all real x", "x != 0 and 1 / x > 0 or x <= 0 for all real x",
    "1 / x > 0 for all real x where 1 / x > 0",  # where the assumption has no value nothing is claimed
    "1 / (x + y) + 1 / (x - y) == 2 * x / (x^2 - y^2) for all real x, y where x + y != 0 and x != y",
    "(x / a + y / b) / (1 / a + 1 / b) == (b * x + a * y) / (a + b) for all real a, b, x, y where a > 0 and b > 0",
    "cube(x) - cube(y) == (x - y) * (x^2 + x * y + y^2) for all real x, y",
    "(x > 0) == (cube(x) > 0) for all real x",
    "sum(x^k for k in 0..4) * (x - 1) == x^5 - 1 for all real x", "all(x^2 + k > 0 for k in 1..3) for all real x",
    "x in -1..1 for all real x where x^2 <= 1", "min(x, y) * max(x, y) == x * y for all real x, y",
    "1 / (x - 2^(1/1)) + third > third for all real x where x > 2",
])
def test_true(statement: str) -> None:
    assert outcome(statement).verdict == "PROVED"


@pytest.mark.parametrize("statement", [
    "x > 0 for all real x where x * x < 0", "1 == 1 for all real x where x > 1 and x < 1",
    "x == x for all real x where x^2 == 2 and x^4 != 4", "x == x for all real x where 1 / x == 0",
    "1 / 0 == 1 for all real x where x != x", "x == x for all real x, y where x^2 + y^2 < 2 * x * y",
])
def test_nothing_satisfies_the_assumption(statement: str) -> None:
    found = outcome(statement)
    assert found.verdict == "VACUOUS" and proof(judgement(statement)) is None


@pytest.mark.parametrize(("statement", "reason"), [
    ("x^2 != 2 for all real x", "irrational"),
    ("x * y != 2 for all real x, y where x == y", "irrational"),
    ("x == x for all real x where x > 1 / (1 - 1)", "undefined"),
    ("floor(x) <= x for all real x", "no real algebra"),
    ("x mod 2 < 2 for all real x", "no real algebra"),
    ("2^x > 0 for all real x where x >= 0 and x <= 0", "no real algebra"),
])
def test_undecided(statement: str, reason: str) -> None:
    found = outcome(statement)
    assert found.verdict == "UNDECIDED" and reason in found.reason


def test_an_assumption_without_a_value_anywhere_is_never_proved() -> None:
    assert outcome("x == x for all real x where 1 / (x - x) > 0").verdict in ("UNDECIDED", "VACUOUS")


HARD = "x^4 * y^2 + x^2 * y^4 + z^6 >= 3 * x^2 * y^2 * z^2 for all real x, y, z where x^2 + y^2 + z^2 <= 9"  # Motzkin's


def test_a_small_budget_leaves_it_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    assert outcome(HARD).verdict == "PROVED"
    monkeypatch.setattr(algebra, "RESOURCES", 200)
    found = outcome(HARD)
    assert found.verdict == "UNDECIDED" and "z3 gave up within 200 resource units" in found.reason


def test_replay_has_the_last_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(algebra, "wrong_at", lambda j, point: None)
    found = outcome("3 * x != 22 for all real x where x > 7")
    assert found.verdict == "UNDECIDED" and "replay does not confirm" in found.reason


def test_points_alone_refute_and_never_prove() -> None:
    """What `lockstep test` does."""
    assert search_points(judgement("x * y <= 1 for all real x, y where x <= 1"), 1000, 5.0).witness is not None
    found = search_points(judgement("x * y <= 1 for all real x, y where max(x, y) <= 1 and min(x, y) >= 0"), 500, 5.0)
    assert found.witness is None and found.tried > 10 and not found.complete
    assert search_points(judgement("x == x for all real x where x != x"), 100, 5.0).tried == 0


# ---- any statement ---------------------------------------------------------------------------------


def some_number(random: Random, depth: int) -> s.Expr:
    if depth == 0 or random.random() < 0.15:
        return random.choice([s.Name("x"), s.Name("y"), s.Name("x"), s.Name("y"), s.Number(0), s.Number(1), s.Number(2)])
    a, b, kind = some_number(random, depth - 1), some_number(random, depth - 1), random.random()
    if kind < 0.6:
        return s.Binary(random.choice("+-*//"), a, b)
    if kind < 0.72:
        return s.Binary("^", a, s.Number(random.randint(0, 3)))
    if kind < 0.86:
        return s.Call(random.choice(["min", "max"]), (a, b))
    return s.Conditional(some_condition(random, depth - 1), a, b)


def some_condition(random: Random, depth: int) -> s.Expr:
    kind = random.random()
    if depth <= 0 or kind < 0.5:
        below = max(depth - 1, 0)
        comparison = random.choice(["==", "!=", "<", "<=", ">", ">="])
        return s.Binary(comparison, some_number(random, below), some_number(random, below))
    a, b = some_condition(random, depth - 1), some_condition(random, depth - 1)
    if kind < 0.75:
        return s.Binary(random.choice(["and", "or"]), a, b)
    if kind < 0.85:
        return s.Unary("not", a)
    return s.Conditional(a, b, some_condition(random, depth - 1)) if kind < 0.93 else s.Binary("==", a, b)


GRID = sorted({F(a, b) for a in range(-3, 4) for b in (1, 2, 3)})


@pytest.mark.parametrize("seed", range(4))
def test_verdicts_agree_with_replay_on_a_grid(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Proved: nothing is wrong at any point. Vacuous: no point satisfies the assumption. Otherwise replay confirmed the point."""
    monkeypatch.setattr(algebra, "RESOURCES", 1_000_000)
    random, seen = Random(seed), set()
    for _ in range(60):
        assumption, condition = some_condition(random, 2), some_condition(random, 3)
        if random.random() < 0.4:  # so that many are true
            condition = s.Binary("or", random.choice([assumption, s.Unary("not", condition)]), condition)
        j = ForReals(condition, ("x", "y"), random.choice([assumption, assumption, None]))
        points = ({"x": x, "y": y} for x in GRID for y in GRID)
        try:
            algebra.for_reals(j)
            seen.add("proved")
            assert all(algebra.wrong_at(j, p) is None for p in points), str(j)
        except algebra.NeverSatisfied:
            seen.add("vacuous")
            assert not any(algebra.assumption_holds(j, p) for p in points), str(j)
        except algebra.FailsAt as failure:
            seen.add("refuted")
            assert algebra.wrong_at(j, failure.point) is not None
        except NotProved as reason:
            assert "replay does not confirm" not in str(reason), str(j)
    assert seen == {"proved", "vacuous", "refuted"}


# ---- Lemma A.2 --------------------------------------------------------------------------------------

LEMMA = [c for c in claims(load(data_folder("proofs") / "lemma_A_2.lks")) if isinstance(c.judgements[0], ForReals)]
NOT_NEEDED = {("one_more_part", "k >= 1"), ("all_parts", "k >= 1")}  # the quotients by k in the assumption say that it is not 0


def conjuncts(e: s.Expr | None) -> list[s.Expr]:
    if isinstance(e, s.Binary) and e.operator == "and":
        return [*conjuncts(e.left), *conjuncts(e.right)]
    return [] if e is None else [e]


@pytest.mark.parametrize("claim", [c for c in LEMMA if c.expected == "proved"], ids=lambda c: c.name)
def test_lemma_A_2_needs_each_of_its_assumptions(claim: ClaimAt) -> None:
    j = claim.judgements[0]
    assert isinstance(j, ForReals) and verdict_of(j).verdict == "PROVED"
    parts = conjuncts(j.assumption)
    for left_out in parts:
        kept = [e for e in parts if e is not left_out]
        weaker = replace(j, assumption=reduce(lambda a, b: s.Binary("and", a, b), kept) if kept else None)
        needed = (claim.name, printer.expression(left_out)) not in NOT_NEEDED
        assert verdict_of(weaker).verdict == ("REFUTED" if needed else "PROVED"), printer.expression(left_out)


@pytest.mark.parametrize("claim", [c for c in LEMMA if c.expected == "refuted"], ids=lambda c: c.name)
def test_too_good_bounds_of_lemma_A_2_are_refuted(claim: ClaimAt) -> None:
    assert verdict_of(claim.judgements[0]).verdict == "REFUTED"


def test_lemma_A_2_at_random_rows() -> None:
    """The claim `lemma`, on sums over rows that are computed here."""
    random = Random(1)
    (lemma,) = [c.judgements[0] for c in LEMMA if c.name == "lemma"]
    assert isinstance(lemma, ForReals)
    for _ in range(200):
        eta, b = F(random.randint(0, 8), 8), F(random.randint(1, 5))
        tops = [F(random.randint(-20, 20), 20) * b for _ in range(random.randint(1, 4))]
        rest = [(F(random.randint(0, 8), 8) * eta, F(random.randint(-20, 20), 20) * b) for _ in range(random.randint(0, 6))]
        point = {"k": F(len(tops)), "A": sum(tops) / len(tops), "R": sum((w for w, _ in rest), F(0)), "B": b, "eta": eta,
                 "S": sum((w * x for w, x in rest), F(0)), "N": F(len(rest))}
        soft = (sum(tops) + point["S"]) / (len(tops) + point["R"])
        assert abs(soft - point["A"]) <= 2 * b * len(rest) * eta
        assert algebra.assumption_holds(lemma, point) and algebra.wrong_at(lemma, point) is None


# ---- text -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", [
    "x >= 0 for all real x", "x > y for all real x, y where x > y or not y > 0",
    "x >= n for all real x where x > n expect refuted",
    "(if x > 0 then x else -x) >= 0 for all real x", "all(x >= k for k in 1..n) for all real x where all(x > k for k in 1..n)",
    "x / (y / z) == x * z / y for all real x, y, z where y * z != 0 expect vacuous",
])
def test_round_trip(claim: str) -> None:
    text = f"theorem t for n in 1..2 {{\n  claim it: {claim};\n}}\n"
    file = parse(text)
    assert printer.source(file) == text and parse(printer.source(file)) == file
    (theorem,) = file.items
    assert isinstance(theorem, s.Theorem) and isinstance(theorem.claims[0].statement, s.ForReals)
    assert load_text(text)


def test_all_and_real_are_names_elsewhere() -> None:
    text = """function real(all) = all + 1;
      theorem t for where_ in 1..2 { claim it: all(real(k) > real for k in 1..3 if k > 0) for all real real; }"""
    file = parse(text)
    assert parse(printer.source(file)) == file
    sizes = judgements("function real(k) = k + 1; theorem t { claim it: all(real(k) > k for k in 1..3); }")
    assert proof(sizes["it"]) is not None


@pytest.mark.parametrize(("claim", "code", "message"), [
    ("x > y for all real x", "NAME", "`y`"), ("x > 0 for all real x where z > 0", "NAME", "`z`"),
    ("x > 0 for all real x, x", "DUPLICATE", "a second"), ("n > 0 for all real n", "DUPLICATE", "which is known here"),
    ("d > 0 for all real d", "DUPLICATE", "which is known here"), ("f > 0 for all real f", "DUPLICATE", "which is known here"),
    ("c > 0 for all real c", "DUPLICATE", "which is known here"), ("P > 0 for all real P", "DUPLICATE", "which is known here"),
    ("max > 0 for all real max", "DUPLICATE", "which the language has"),
    ("x + 1 for all real x", "TYPE", "expected a truth value"),
    ("x > 0 for all real x where x", "TYPE", "expected a truth value"),
    ("x > (x > 0) for all real x", "TYPE", "expected a number"), ("x[1] > 0 for all real x", "TYPE", "expected an array"),
    ("f(x) > 0 for all real x", "ARITY", "expected 2"), ("g(x) > 0 for all real x", "NAME", "`g`"),
    ("count(part) > x for all real x", "NAME", "inbox"), ("(x, x) == x for all real x", "TYPE", "vector"),
    ("x > 0 for all x", "SYNTAX", "`real`"), ("x > 0 for all real", "SYNTAX", "a name"), ("x > 0 for real x", "SYNTAX", "`all`"),
])
def test_names_and_types(claim: str, code: str, message: str) -> None:
    text = f"""function f(a, b) = a; function c = 1;
      protocol P {{ word 1; memory 1; machines 1; input x[1] in word; output y[1] in word; finish {{ y[1] = x[1]; }} }}
      theorem t for n in 1..2 {{ let d = n + 1; claim it: {claim}; }}"""
    with pytest.raises(SpecError) as error:
        load_text(text)
    assert (code, True) in {(d.code, message in d.message and d.span.line == 3) for d in error.value.diagnostics}


# ---- parameters, judgements, reports ----------------------------------------------------------------


def test_parameters_are_constants_at_an_instance(tmp_path: Path) -> None:
    file = tmp_path / "it.lks"
    file.write_text("theorem t for n in 1..3 { let m = n^2; claim it: x * n <= m for all real x where x <= n;"
                    " claim some: x + n > 2 for all real x where x > 0 and x * (n - 2) >= 0; }", encoding="utf-8")
    results = [(r.claim, dict(r.instance)["n"], r.outcome.verdict) for r in check_files([file]).results]
    assert results == [("it", 1, "PROVED"), ("some", 1, "VACUOUS"), ("it", 2, "PROVED"), ("some", 2, "PROVED"),
                       ("it", 3, "PROVED"), ("some", 3, "PROVED")]


def test_sizes_of_models_are_constants(tmp_path: Path) -> None:
    text = """protocol P { word 1; memory 3; machines 2; input x[1] in word; output y[1] in word;
        finish { for k in held(y) { y[k] = 0; } } }
      theorem t { claim it: a * machines(P) < memory(P) for all real a where a <= 1;
        claim not_: a * machines(P) < memory(P) for all real a where 2 * a <= 3 expect refuted; }"""
    file = tmp_path / "it.lks"
    file.write_text(text, encoding="utf-8")
    assert [r.outcome.verdict for r in check_files([file]).results] == ["PROVED", "REFUTED"]


def test_equal_claims_are_one_judgement() -> None:
    def of(text: str) -> list[Judgement]:
        return [j for c in claims(load_text(text)) for j in c.judgements]

    same = of("theorem t for n in 1..2 { claim it: x + 1 > x for all real x; claim other: x + n > x for all real x; }")
    assert len(set(same)) == 2
    a, b = judgement("x > 0 for all real x where x > 1"), judgement("x > 0 for all real x where x > 2")
    assert a != b


def test_reports_show_the_point(tmp_path: Path) -> None:
    file = tmp_path / "it.lks"
    file.write_text("theorem t { claim it: 2 * x + b != 4 for all real x, b where b == 3 expect refuted; }", encoding="utf-8")
    report = check_files([file])
    witness = json.loads(json_report.render(report))["results"][0]["witness"]
    assert witness["point"] == {"x": "1/2", "b": "3"} and witness["summary"] == "false at x = 1/2, b = 3"
    assert witness["table"] == ["the left side is 4", "the right side is 4"] and witness["inputs"] == {}
    tested = check_files([file], How(only_falsify=True)).results[0].outcome
    assert tested.verdict in ("REFUTED", "UNDECIDED")
