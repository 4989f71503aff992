"""Certificates of a routing layer's tables: exact on selectors (Fact B.2), and no proof for wrong queries or keys (Prop. B.1)."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from helpers import circuit, compiled_text, library, protocol, replaced

from checker.kernel.certificates import Violation, propagates, selects
from checker.kernel.judgements import Propagates, Selects
from checker.kernel.layer_rules import routing_head
from checker.kernel.proofs import NotProved
from checker.kernel.replay.circuit import selector_columns
from checker.models.circuit import Selector


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


def test_identity_needs_a_column_a_row() -> None:
    assert agrees(Selector("identity", (7,)), 7, 4)
    assert not agrees(Selector("identity", (6,)), 7, 1)


# ---- queries and keys ---------------------------------------------------------------------------


def propagation(instance: tuple[str, int], embedding: str, *edits: tuple[str, str]) -> Propagates:
    """The routing head of the first round, after edits of the circuit's text."""
    text = compiled_text(library(*instance), "best", embedding)
    for old, new in edits:
        text = replaced(text, old, new, text.count(old))
    c = circuit(text)
    return Propagates(routing_head(c, c.layers[1], c.packets[0]).circuit)


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
    assert propagates(propagation(("pointer_doubling", 4, 1), embedding))
    with pytest.raises(NotProved):
        propagates(propagation(("pointer_doubling", 4, 1), embedding, *edits))


@pytest.mark.parametrize("edits", [[("zeros(5), 3 / 4", "zeros(5), 5 / 8")], [("zeros(4), 3", "zeros(4), 1")],
                                   [("hadamard(self, 4)", "hadamard(self, 8)"),
                                    ("(destinations(mail), 4)", "(destinations(mail), 8)"), ("zeros(4), 3", "zeros(8), 6")]])
def test_other_right_queries_and_keys_are_proved(edits: list[tuple[str, str]]) -> None:
    embedding = "moment" if "5" in edits[0][0] else "hadamard"
    assert propagates(propagation(("pointer_doubling", 4, 1), embedding, *edits))


def test_moments_serve_sets_up_to_their_order_and_no_larger() -> None:
    """Five coordinates are 2 * 2 + 1: enough for two destinations, not for three."""
    for most, enough in ((1, True), (2, True), (3, False)):
        c = propagation(("pointer_doubling", 4, 1), "moment").circuit
        j = Propagates(replace(c, packets=(replace(c.packets[0], messages=most),)))
        try:
            propagates(j)
            assert enough
        except NotProved:
            assert not enough


def test_a_query_undefined_on_any_row_is_refused() -> None:
    """The rows behind the machines have queries too; a run in which one has no value is undefined."""
    p = protocol("""protocol p { word 1; memory 2; machines 2; input x[4] in word; output y[1] in word; message a(word);
        round r { send a(x[2 * self]) to 1; } finish { if self == 1 { y[1] = count(a) mod 2; } } }""")
    text = replaced(compiled_text(p), "(hadamard(self, 2), 1) when self in 1..2", "(hadamard(self, 2), 1) when self in 1..3")
    c = circuit(text)
    with pytest.raises(NotProved):
        propagates(Propagates(routing_head(c, c.layers[1], c.packets[0]).circuit))
