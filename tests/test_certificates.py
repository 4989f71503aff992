"""Certificates of a routing layer's tables: exact on selectors (Fact B.2), and no proof for wrong queries or keys (Prop. B.1)."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product
from random import Random

import pytest
from helpers import circuit, compiled_text, library, protocol, replaced

from checker.compilers import embeddings, selectors
from checker.kernel.certificates import Violation, selects
from checker.kernel.judgements import Margins, Propagates, Selects
from checker.kernel.margins import Confused, margins, propagates
from checker.kernel.proofs import NotProved
from checker.kernel.replay.circuit import replay_score, selector_columns
from checker.kernel.routing_rules import routing_head
from checker.language import syntax as s
from checker.models.circuit import Circuit, Selector


def covered(columns: list[set[int]], row: int, others: tuple[int, ...]) -> bool:
    return columns[row - 1] <= set().union(*(columns[i - 1] for i in others))


def has_property(x: Selector, rows: int, b: int) -> bool:
    """By the definition: in any b of the rows each has a column that is 1 there alone."""
    columns = [selector_columns(x, i) for i in range(1, rows + 1)]
    return not any(covered(columns, row, tuple(i for i in chosen if i != row))
                   for chosen in combinations(range(1, rows + 1), min(b, rows)) for row in chosen)


def agrees(x: Selector, rows: int, b: int) -> bool:
    try:
        proved = selects(Selects(x, rows, b))
    except Violation as found:
        columns = [selector_columns(x, i) for i in range(1, rows + 1)]
        assert len(set(found.rows)) == len(found.rows) <= b
        assert all(1 <= i <= rows for i in found.rows)
        assert covered(columns, found.rows[0], found.rows[1:])
        assert not has_property(x, rows, b)
        return False
    assert proved.judgement == Selects(x, rows, b)
    assert has_property(x, rows, b)
    return True


def random_table(random: Random) -> Selector:
    rows, columns, density = random.randint(1, 7), random.randint(1, 9), random.choice([0.2, 0.4, 0.6])
    return Selector("table", (), tuple("".join("01"[random.random() < density] for _ in range(columns)) for _ in range(rows)))


def test_a_table_is_proved_exactly_if_it_selects() -> None:
    random, verdicts = Random(5), []
    for _ in range(1_500):
        x = random_table(random)
        verdicts.append(agrees(x, random.randint(1, len(x.rows) + random.choice([0, 0, 0, 1])), random.randint(1, 4)))
    assert 200 < sum(verdicts) < 1_300


def test_a_nearly_good_table_is_decided_too() -> None:
    """An identity or a Kautz-Singleton matrix with some entries flipped."""
    random, verdicts = Random(6), []
    for _ in range(300):
        x, width = random.choice([(Selector("identity", (7,)), 7), (Selector("kautz_singleton", (3, 2, 2)), 6),
                                  (Selector("kautz_singleton", (3, 2, 3)), 9)])
        rows = [["01"[j in selector_columns(x, i)] for j in range(1, width + 1)] for i in range(1, 8)]
        for _ in range(random.randint(0, 3)):
            i, j = random.randrange(7), random.randrange(width)
            rows[i][j] = "10"[int(rows[i][j])]
        verdicts.append(agrees(Selector("table", (), tuple("".join(row) for row in rows)), 7, random.randint(1, 4)))
    assert 50 < sum(verdicts) < 250


@pytest.mark.parametrize("r", [2, 3, 4, 5])
@pytest.mark.parametrize("k", [1, 2])
def test_kautz_singleton_with_any_parameters(r: int, k: int) -> None:
    """r prime or not, more rows than polynomials, fewer or more points than the inequality asks for."""
    for points in range(1, r + 2):
        for rows in {1, min(r**k, 7), min(r**k + 1, 7)}:
            for b in (1, 2, 3):
                agrees(Selector("kautz_singleton", (r, k, points)), rows, b)


def rule(x: Selector, rows: int, b: int) -> str:
    return selects(Selects(x, rows, b)).rule


def test_the_inequality_is_used_only_where_it_holds() -> None:
    assert rule(Selector("kautz_singleton", (5, 2, 3)), 25, 3) == "Reed-Solomon inequality"  # 2 * 1 < 3
    with pytest.raises(Violation):
        selects(Selects(Selector("kautz_singleton", (5, 2, 2)), 25, 3))  # 2 * 1 = 2: two lines cover a third
    with pytest.raises(Violation):
        selects(Selects(Selector("kautz_singleton", (5, 2, 3)), 26, 3))  # there are 25 lines
    # Mod 4, 2x is 0 twice: lines meet at two points. The inequality (1 * 1 < 2) would hold for a prime.
    with pytest.raises(Violation):
        selects(Selects(Selector("kautz_singleton", (4, 2, 3)), 16, 3))
    # The 3 points are 0, 1, 0 mod 2: x and 1 - x do not meet twice but 0 and x agree at 0 and 2.
    assert rule(Selector("kautz_singleton", (2, 2, 2)), 4, 2) == "Reed-Solomon inequality"
    with pytest.raises(Violation):
        selects(Selects(Selector("kautz_singleton", (2, 2, 3)), 4, 3))


def table_of(x: Selector, rows: int, width: int) -> Selector:
    return Selector("table", (), tuple("".join("01"[j in selector_columns(x, i)] for j in range(1, width + 1))
                                       for i in range(1, rows + 1)))


def test_a_table_is_known_again() -> None:
    """The inequality serves a table whose rows are those of a Kautz-Singleton matrix, and no table with a row that is not."""
    lines = table_of(Selector("kautz_singleton", (5, 2, 4)), 25, 20)
    assert rule(lines, 25, 4) == "Reed-Solomon inequality" and rule(lines, 24, 4) == "Reed-Solomon inequality"
    assert rule(table_of(Selector("identity", (9,)), 9, 9), 9, 9) == "identity matrix"
    for bad, b in ((lines, 5), (table_of(Selector("kautz_singleton", (5, 2, 3)), 25, 15), 4)):
        with pytest.raises(Violation):
            selects(Selects(bad, 25, b))
    swapped = Selector("table", (), (lines.rows[1], lines.rows[0], *lines.rows[2:]))
    assert rule(swapped, 25, 4) == "weights and overlaps"  # it selects all the same
    for j in range(20):
        changed = lines.rows[7][:j] + "10"[int(lines.rows[7][j])] + lines.rows[7][j + 1:]
        flipped = Selector("table", (), (*lines.rows[:7], changed, *lines.rows[8:]))
        try:
            assert rule(flipped, 25, 4) != "Reed-Solomon inequality"
        except Violation as found:
            columns = [selector_columns(flipped, i) for i in range(1, 26)]
            assert covered(columns, found.rows[0], found.rows[1:])


def test_a_random_matrix_is_decided_exactly() -> None:
    parameters = product((3, 9, 20, 40), (1, 2, 3), range(1, 21))
    verdicts = [agrees(Selector("random", (d, b, seed)), 7, b) for d, b, seed in parameters]
    assert 60 < sum(verdicts) < 200


def test_the_printed_number_of_columns_is_enough() -> None:
    """Fact B.2: d = ceil(12 b^2 ln n). Natural logarithms by hand: ln 8 = 2.0794..., ln 32 = 3.4657..."""
    for rows, b, d in ((8, 2, 100), (32, 4, 666), (32, 2, 167)):
        x = selectors.choose("paper", rows, b)
        assert (x.name, x.arguments[:2]) == ("random", (d, b))
        assert selects(Selects(x, rows, b))


def test_many_rows_need_a_search() -> None:
    """The eight largest overlaps of a row together exceed it, though no eight rows cover it; where some do, they are found."""
    assert rule(Selector("random", (3763, 9, 1)), 48, 9) == "search"
    thin = Selector("random", (300, 9, 1))
    with pytest.raises(Violation) as found:
        selects(Selects(thin, 48, 9))
    rows = found.value.rows
    assert len(set(rows)) == len(rows) <= 9
    assert covered([selector_columns(thin, i) for i in range(1, 49)], rows[0], rows[1:])


def test_identity_needs_a_column_a_row() -> None:
    assert agrees(Selector("identity", (7,)), 7, 4)
    assert not agrees(Selector("identity", (6,)), 7, 1)


# ---- queries and keys ---------------------------------------------------------------------------


def propagation(instance: tuple[str, int], embedding: str, *edits: tuple[str, str]) -> Circuit:
    """The routing head of the first round, after edits of the circuit's text."""
    text = compiled_text(library(*instance), "best", embedding)
    for old, new in edits:
        text = replaced(text, old, new, text.count(old))
    c = circuit(text)
    return routing_head(c, 1, c.packets[0]).circuit


def scores(c: Circuit) -> dict[int, tuple[Fraction, Fraction, Fraction, Fraction]]:
    """For each machine, by the replay interpreter: the least and largest score of a member over all sets, the largest score of
    another, and of a row that is no machine."""
    p, found = c.packets[0], {}
    machines = range(1, p.machines + 1)
    sets = [chosen for k in range(p.messages + 1) for chosen in combinations(machines, k)]
    for i in machines:
        of = [(i in chosen, replay_score(c, i, row, frozenset(chosen))) for chosen in sets for row in machines]
        member, other = [x for is_in, x in of if is_in], [x for is_in, x in of if not is_in]
        rest = max(replay_score(c, i, row, frozenset()) for row in c.rows if row not in machines)
        found[i] = (min(member), max(member), max(other), rest)
    return found


def enumerated(c: Circuit) -> Margins:
    """The margins by their definition, with the best top_i."""
    of = scores(c).values()
    return Margins(max((high - low) / 2 for low, high, _, _ in of), min(low - rest for low, _, _, rest in of),
                   min(low - other for low, _, other, _ in of), min(rest - other for _, _, other, rest in of))


MOMENT = ("moment(self, 5)", "moment_dual(destinations(mail), 5)")
CASES = {
    "query off by one": ("moment", (MOMENT[0], "moment(self + 1, 5)")),
    "query one too early": ("moment", (MOMENT[0], "moment(self - 1, 5)")),
    "start row as good as a member": ("moment", ("zeros(5), 3 / 4", "zeros(5), 1")),
    "start row as bad as a stranger": ("moment", ("zeros(5), 3 / 4", "zeros(5), 1 / 2")),
    "start row above a member": ("moment", ("zeros(5), 3 / 4", "zeros(5), 2")),
    "no start row": ("moment", ("  start;\n", "")),
    "dual with too few coordinates": ("moment", (MOMENT[1], "moment_dual(destinations(mail), 4)")),
    "query with too few coordinates": ("moment", ("(moment(self, 5), 1)", "(moment(self, 4), 0, 1)")),
    "query for one machine less": ("moment", ("5), 1) when self in 1..4", "5), 1) when self in 1..3")),
    "hadamard query off by one": ("hadamard", ("hadamard(self, 4)", "hadamard(self mod 4 + 1, 4)")),
    "hadamard start row as good as a member": ("hadamard", ("zeros(4), 3", "zeros(4), 4")),
    "hadamard start row as bad as a stranger": ("hadamard", ("zeros(4), 3", "zeros(4), 0")),
    "hadamard of too small an order": ("hadamard", ("hadamard(self, 4)", "hadamard((self - 1) mod 2 + 1, 2)"),
                                       ("hadamard_dual(destinations(mail), 4)", "hadamard_dual(destinations(mail), 2)"),
                                       ("zeros(4), 3", "zeros(2), 3 / 2")),
    "hadamard of an order that is no power of two": ("hadamard", ("hadamard(self, 4)", "hadamard(self, 6)"),
                                                     ("(destinations(mail), 4)", "(destinations(mail), 6)")),
}


@pytest.mark.parametrize("name", CASES)
def test_wrong_queries_and_keys_are_refused(name: str) -> None:
    embedding, *edits = CASES[name]
    assert margins(propagation(("pointer_doubling", 4, 1), embedding))
    c = propagation(("pointer_doubling", 4, 1), embedding, *edits)
    with pytest.raises(NotProved) as reason:
        margins(c)
    if isinstance(reason.value, Confused):
        assert confirmed(c, reason.value)
    with pytest.raises(NotProved):
        propagates(Propagates(c, Margins(Fraction(0), Fraction(0), Fraction(0), Fraction(0))))


def confirmed(c: Circuit, found: Confused) -> bool:
    """Do the two rows stand in the wrong order, by the replay interpreter, wherever the sets are sent from?"""
    rest = [replay_score(c, found.machine, row, frozenset()) for row in c.rows if not 1 <= row <= c.packets[0].machines]
    assert found.first is None or found.machine in found.first
    assert found.second is None or found.machine not in found.second
    assert found.first != found.second

    def of(chosen: tuple[int, ...] | None) -> list[Fraction]:
        machines = range(1, c.packets[0].machines + 1)
        return [max(rest)] if chosen is None else [replay_score(c, found.machine, row, frozenset(chosen)) for row in machines]

    return min(of(found.first)) <= max(of(found.second))


@pytest.mark.parametrize("edits", [[("zeros(5), 3 / 4", "zeros(5), 5 / 8")], [("zeros(4), 3", "zeros(4), 1")],
                                   [("hadamard(self, 4)", "hadamard(self, 8)"),
                                    ("(destinations(mail), 4)", "(destinations(mail), 8)"), ("zeros(4), 3", "zeros(8), 6")]])
def test_other_right_queries_and_keys_are_proved(edits: list[tuple[str, str]]) -> None:
    embedding = "moment" if "5" in edits[0][0] else "hadamard"
    c = propagation(("pointer_doubling", 4, 1), embedding, *edits)
    found, rule, _ = margins(c)
    assert rule != "all scores" and found == enumerated(c)
    assert propagates(Propagates(c, found)).judgement == Propagates(c, found)


def test_moments_serve_sets_up_to_their_order_and_no_larger() -> None:
    """Five coordinates are 2 * 2 + 1: enough for two destinations, not for three."""
    for most, enough in ((1, True), (2, True), (3, False)):
        c = propagation(("pointer_doubling", 4, 1), "moment")
        c = replace(c, packets=(replace(c.packets[0], messages=most),))
        try:
            assert margins(c)[0] == enumerated(c)
            assert enough
        except NotProved:
            assert not enough


@pytest.mark.parametrize("change", [{"near": Fraction(-1, 100)}, {"rest": Fraction(1, 100)}, {"other": Fraction(1, 100)},
                                    {"empty": Fraction(1, 100)}])
def test_better_margins_than_there_are_have_no_proof(change: dict[str, Fraction]) -> None:
    c = propagation(("pointer_doubling", 4, 1), "moment")
    found = margins(c)[0]
    (name, by), = change.items()
    better, worse = (replace(found, **{name: getattr(found, name) + sign * by}) for sign in (1, -1))
    assert propagates(Propagates(c, worse))
    with pytest.raises(NotProved):
        propagates(Propagates(c, better))


DUAL, HADAMARD = "(moment_dual(destinations(mail), 5), 0)", "(hadamard(self, 4), 1)"
FORMS = {
    "as compiled": ("moment", "moment curve"),
    "hadamard as compiled": ("hadamard", "orthogonal rows"),
    "more coordinates in the query": ("hadamard", "orthogonal rows", (HADAMARD, "(hadamard(self, 4), 1, self, 7)")),
    "another start key": ("hadamard", "orthogonal rows", ("(zeros(4), 3)", "(1, 0, 0, 0, 1)")),
    "signs": ("hadamard", "all scores", (HADAMARD, "(-hadamard(self, 4), 1)"),
              ("(hadamard_dual(destinations(mail), 4), 0)", "(-hadamard_dual(destinations(mail), 4), 0)")),
    "a last coordinate that is not 0": ("moment", "all scores", (DUAL, "(moment_dual(destinations(mail), 5), 1 / 16)")),
    "a key that depends on its row": ("moment", "all scores", (DUAL, "(moment_dual(destinations(mail), 5), self / 64)")),
    "one machine with another key": ("moment", "all scores", (f"{DUAL} when self >= 1",
        f"{DUAL} when self >= 1 and self != 2, (moment_dual(destinations(mail), 5), 1 / 8) when self == 2")),
    "one machine with another case": ("moment", "moment curve", (f"{DUAL} when self >= 1",
                                                                f"{DUAL} when self >= 1 and self != 2, {DUAL} when self == 2")),
}


@pytest.mark.parametrize("name", FORMS)
def test_margins_are_those_of_all_scores(name: str) -> None:
    """A certificate is only used on the keys that it speaks of, and says what enumeration by the replay interpreter says."""
    embedding, rule, *edits = FORMS[name]
    c = propagation(("pointer_doubling", 4, 1), embedding, *edits)
    found, by, _ = margins(c)
    assert by == rule and found == enumerated(c)


def signed(k: int, seed: int, machines: int = 4, messages: int = 2, g: int | None = None, start: str = "3 / 4") -> Circuit:
    """A routing head with random signs of so many coordinates."""
    digits = "" if g is None else f", {g}"
    text = compiled_text(protocol(f"""protocol p {{ word 1; memory {messages}; machines {machines}; input x[1] in word;
      output y[1] in word; message m(word); round r {{ }} finish {{ if self == 1 {{ y[1] = 0; }} }} }}"""), "best", "sign")
    text = re.sub(r"sign\(self, \d+, \d+\)", f"sign(self, {k}, {seed})", text)
    text = re.sub(r"(sign_dual\(destinations\(\w+\)), \d+, \d+(?:, \d+)?\)", rf"\1, {k}, {seed}{digits})", text)
    text = re.sub(r"\(zeros\(\d+\), 3 / 4\)", f"(zeros({k}), {start})", re.sub(r"width \d+;", "width 20000;", text))
    c = circuit(text)
    return routing_head(c, 1, c.packets[0]).circuit


@pytest.mark.parametrize("g", [None, 4, 6, 10])
def test_signs_are_certified_by_their_coherence(g: int | None) -> None:
    """All margins of the certificate are bounds of the ones by enumeration; exact duals tie exactly, rounded ones nearly."""
    by_coherence = 0
    for k, seed in product((10, 24), (1, 13)):
        c = signed(k, seed, g=g)
        exact = enumerated(c)
        try:
            found, rule, _ = margins(c)
        except Confused as failure:
            assert confirmed(c, failure) and min(exact.rest, exact.empty) <= 0
            continue
        assert found.near >= exact.near and (g is not None or found.near == 0)
        assert found.rest <= exact.rest and found.other <= exact.other and found.empty <= exact.empty
        assert rule == "coherence" or found == exact
        by_coherence += rule == "coherence"
    assert by_coherence >= 1 or g in (4, 6)  # near = k / 2^(g + 1) is too much there


def test_the_compiled_signs_have_the_printed_margin() -> None:
    """Prop. B.1: with |<u_i, u_j>| <= 1/(3 Q - 1) members score 1, the start token 3/4 and others at most 1/2."""
    for machines, messages in ((1, 1), (2, 1), (4, 2), (8, 2), (8, 3), (16, 2)):
        e = embeddings.sign(machines, messages)
        c = signed(e.coordinates, e.seed or 0, machines, messages)
        found, rule, _ = margins(c)
        assert rule == "coherence" and found.near == 0 and found.rest == Fraction(1, 4)
        assert found.empty >= Fraction(1, 4) and found.other >= Fraction(1, 2)
        if machines <= 4:
            exact = enumerated(c)
            assert exact.rest == found.rest and exact.empty >= found.empty


def test_signs_that_are_too_coherent_have_no_certificate() -> None:
    """One coordinate less than the compiler takes, any seed: some product is above k/(3 Q - 1), though scores may stand apart."""
    fewest = embeddings.sign(4, 2).coordinates
    for seed in range(1, 17):
        with suppress(NotProved):
            found, rule, _ = margins(signed(fewest - 1, seed))
            assert rule == "all scores" or found.empty < Fraction(1, 4)


@pytest.mark.parametrize("start", ["0", "1", "3 / 2"])
def test_a_start_key_that_scores_no_different_is_refused(start: str) -> None:
    e = embeddings.sign(4, 2)
    with pytest.raises(Confused) as found:
        margins(signed(e.coordinates, e.seed or 0, start=start))
    assert confirmed(signed(e.coordinates, e.seed or 0, start=start), found.value)


def test_signs_of_another_seed_or_with_too_few_digits_are_refused() -> None:
    e = embeddings.sign(4, 2)
    c = signed(e.coordinates, e.seed or 0)
    head = c.layers[0].heads[0]
    other = signed(e.coordinates, 1).layers[0].heads[0]
    with pytest.raises(NotProved):
        margins(replace(c, layers=(replace(c.layers[0], heads=(replace(head, query=other.query),)),)))
    with pytest.raises(NotProved):
        margins(signed(e.coordinates, e.seed or 0, g=0))


@pytest.mark.parametrize("embedding", ["moment", "hadamard", "sign"])
@pytest.mark.parametrize("instance", [("tree_sum", 4, 2, 1), ("tree_sum", 7, 3, 1), ("maximum", 5, 2, 1)])
def test_margins_with_blank_rows(instance: tuple[str, int], embedding: str) -> None:
    """Rows behind the machines have keys too: the dual of no destinations."""
    c = propagation(instance, embedding)
    found, rule, _ = margins(c)
    exact = enumerated(c)
    assert rule != "all scores" and (found == exact or embedding == "sign")
    near = found.near - exact.near
    assert near == 0 or (embedding == "sign" and near > 0)
    assert found.rest <= exact.rest and found.other <= exact.other and found.empty <= exact.empty


def test_a_function_that_hides_a_name_of_the_language_has_no_form() -> None:
    """No text has one; a model that was made by hand might."""
    c = propagation(("pointer_doubling", 4, 1), "moment")
    hidden = s.FunctionDefinition("moment_dual", ("of", "k"), s.Call("zeros", (s.Name("k"),)))
    with pytest.raises(NotProved):
        margins(replace(c, functions=(*c.functions, hidden)))


def test_a_query_undefined_on_any_row_is_refused() -> None:
    """The rows behind the machines have queries too; a run in which one has no value is undefined."""
    p = protocol("""protocol p { word 1; memory 2; machines 2; input x[4] in word; output y[1] in word; message a(word);
        round r { send a(x[2 * self]) to 1; } finish { if self == 1 { y[1] = count(a) mod 2; } } }""")
    text = replaced(compiled_text(p), "(hadamard(self, 2), 1) when self in 1..2", "(hadamard(self, 2), 1) when self in 1..3")
    c = circuit(text)
    with pytest.raises(NotProved):
        margins(routing_head(c, 1, c.packets[0]).circuit)
