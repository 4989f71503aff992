"""The routing lemma (Lemma 3.2) against every valid routing of the smallest instances, one by one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import combinations_with_replacement, product
from random import Random

import pytest
from helpers import circuit, compiled_text, proof, protocol, replaced, verdict

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.judgements import Delivers
from checker.kernel.routing_rules import routing_head
from checker.language.diagnostics import SpecError
from checker.models.circuit import Selector
from checker.models.protocol import Protocol
from checker.proving.routings import Routing, candidates, deliver, search_routing

SIZES = [(2, 1), (3, 1), (2, 2), (3, 2)]  # machines, messages
OPTIONS = [("identity", "moment"), ("identity", "hadamard"), ("kautz_singleton", "moment"), ("kautz_singleton", "hadamard")]


@cache
def text_of(machines: int, messages: int, selector: str = "identity", embedding: str = "hadamard", words: int = 1) -> str:
    """A circuit that routes at most so many messages a machine."""
    return compiled_text(routing_protocol(machines, messages, words), selector, embedding)


def routing_protocol(machines: int, messages: int, words: int = 1) -> Protocol:
    memory = messages * words
    return protocol(f"""protocol p {{ word 2; memory {memory}; machines {machines}; input x[1] in word; output y[1] in word;
      message m({', '.join(['word'] * words)}); round r {{ }} finish {{ if self == 1 {{ y[1] = 0; }} }} }}""")


def head(text: str) -> Delivers:
    c = circuit(text)
    return routing_head(c, 1, c.packets[0])


def routings(machines: int, messages: int) -> Iterator[Routing]:
    """All: every machine sends and receives at most so many messages."""
    boxes = [box for k in range(messages + 1) for box in combinations_with_replacement(range(1, machines + 1), k)]
    for chosen in product(boxes, repeat=machines):
        if all(n <= messages for n in Counter(d for box in chosen for d in box).values()):
            yield tuple((i, d) for i, box in enumerate(chosen, 1) for d in box)


def lost(j: Delivers) -> Routing | None:
    """The first routing that is not delivered."""
    p = j.circuit.packets[0]
    for routing in routings(p.machines, p.messages):
        sent, got = deliver(j, routing)
        if sent != got:
            return routing
    return None


def not_delivered(text: str) -> None:
    j = head(text)
    assert lost(j) is not None
    assert proof(j) is None
    assert verdict(j).verdict == "REFUTED"


def table(text: str, rows: list[str]) -> str:
    return re.sub(r"selector [^;]*;", "selector table { " + ", ".join(f'"{r}"' for r in rows) + " };", text)


def test_the_routings_are_all_there() -> None:
    """One message a machine: partial injections. 1 + 4 + 2 of two machines, 1 + 9 + 18 + 6 of three."""
    assert [sum(1 for _ in routings(*size)) for size in [(1, 1), (2, 1), (3, 1)]] == [2, 7, 34]


@pytest.mark.parametrize("size", SIZES)
def test_the_search_tries_them_all(size: tuple[int, int]) -> None:
    found = search_routing(head(text_of(*size)), 10_000, 60.0)
    assert found.complete and found.tried == len(list(routings(*size)))


def test_a_routing_is_tried_even_if_there_is_no_time() -> None:
    found = search_routing(head(text_of(2, 10)), 10, 0.0)
    assert found.witness is None and found.tried == 1


def test_many_messages_a_machine_are_proved_and_not_undecided() -> None:
    c = transformer(routing_protocol(2, 10))
    assert c.rung == "rounded"
    assert verdict(routing_head(c, 1, c.packets[0])).verdict == "PROVED"


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
@pytest.mark.parametrize("size", SIZES)
def test_the_compiled_head_delivers_all(size: tuple[int, int], options: tuple[str, str]) -> None:
    j = head(text_of(*size, *options))
    assert proof(j) is not None
    assert lost(j) is None


@pytest.mark.parametrize("size", [(2, 1), (3, 1), (2, 2)])
def test_the_printed_selector_delivers_all(size: tuple[int, int]) -> None:
    """Fact B.2 as printed, by the option `paper`."""
    j = head(text_of(*size, "paper", "hadamard"))
    assert j.circuit.packets[0].selector.name == "random"
    assert proof(j) is not None
    assert lost(j) is None


def test_messages_of_two_words_are_delivered() -> None:
    j = head(text_of(3, 1, words=2))
    assert proof(j) is not None and lost(j) is None


@pytest.mark.parametrize(("size", "heard"), [
    ((2, 2), "1 / 2"), ((2, 2), "2 / 3"), ((3, 2), "1 / 2"), ((2, 1), "1"), ((3, 1), "2"),
])
def test_a_lone_message_at_the_bound_is_not_heard(size: tuple[int, int], heard: str) -> None:
    """1 of b senders weighs 1/b, which must be above `heard`."""
    not_delivered(replaced(text_of(*size), f"heard 1 / {2 * size[1]};", f"heard {heard};"))


@pytest.mark.parametrize("heard", ["0", "1 / 3", "49 / 100"])
def test_any_bound_below_is_good(heard: str) -> None:
    j = head(replaced(text_of(2, 2), "heard 1 / 4;", f"heard {heard};"))
    assert proof(j) is not None and lost(j) is None


@pytest.mark.parametrize(("size", "selector"), [
    ((2, 1), "identity(3)"), ((3, 1), "identity(8)"), ((2, 2), "identity(7)"), ((2, 2), "kautz_singleton(2, 3, 2)"),
    ((2, 1), "kautz_singleton(3, 1, 1)"), ((2, 2), 'table { "1" }'),
])
def test_a_selector_that_is_too_small_loses_a_message(size: tuple[int, int], selector: str) -> None:
    text = re.sub(r"selector \w+\([\d, ]+\);", f"selector {selector};", text_of(*size))
    not_delivered(text)


def test_two_messages_to_one_machine_in_the_same_column_are_lost() -> None:
    """Rows 1 and 2: both messages from 1 to 1."""
    rows = ["0" * k + "1" + "0" * (7 - k) for k in range(8)]
    assert lost(head(table(text_of(2, 2), rows))) is None
    not_delivered(table(text_of(2, 2), [rows[0], rows[0], *rows[2:]]))


@pytest.mark.parametrize(("old", "new"), [
    ("hadamard(self, 2)", "hadamard(3 - self, 2)"),
    ("(hadamard(self, 2), 1) when self in 1..2", "(hadamard(self, 2), 1) when self in 2..2"),
    ("(hadamard_dual(destinations(mail), 2), 0)", "(-hadamard_dual(destinations(mail), 2), 0)"),
    ("value packed(mail)", "value packed(mail) when self != 1"),
])
def test_wrong_queries_keys_or_values_lose_a_message(old: str, new: str) -> None:
    not_delivered(replaced(text_of(2, 1), old, new))


@pytest.mark.parametrize("start", ["  start;\n", "(zeros(4), 3)"])
def test_who_receives_nothing_needs_the_start_token(start: str) -> None:
    """One column, one message a machine: machine 2 would hear 2 to 1, 3 to 3, 4 to 4, which average to a message for it."""
    text = table(text_of(4, 1), ["1"] * 16)
    j = head(text)
    assert proof(j) is not None and lost(j) is None
    not_delivered(replaced(text, start, "" if ";" in start else "(zeros(4), 0)"))


def test_a_start_token_above_all_messages_is_all_that_is_heard() -> None:
    not_delivered(replaced(text_of(3, 1), "(zeros(4), 3)", "(zeros(4), 5)"))


@pytest.mark.parametrize("size", [(2, 1), (2, 2), (3, 1)])
def test_a_random_table_is_proved_only_if_all_is_delivered(size: tuple[int, int]) -> None:
    """Proved is less than delivered: the lemma asks for any b^2 rows, also for rows that never meet."""
    random, j = Random(7), head(text_of(*size))
    p, rows, verdicts = j.circuit.packets[0], size[0] ** 2 * size[1], Counter[tuple[bool, bool]]()
    for _ in range(40):
        columns = random.randint(1, 10)
        density = random.choice([0.15, 0.5, 0.9])
        x = Selector("table", (), tuple("".join("01"[random.random() < density] for _ in range(columns)) for _ in range(rows)))
        c = replace(j.circuit, packets=(replace(p, selector=x),), width=200)
        mutant = Delivers(c)
        verdicts[proof(mutant) is not None, lost(mutant) is None] += 1
    assert not verdicts[True, False] and verdicts[False, False]
    assert size[1] > 1 or verdicts[True, True]


@pytest.mark.parametrize("size", [(2, 1), (2, 2), (3, 1)])
def test_a_mutated_head_is_proved_only_if_all_is_delivered(size: tuple[int, int]) -> None:
    """One number of the routing layer or of the packets is changed."""
    random, refused, proved = Random(8), 0, 0
    text = text_of(*size, "kautz_singleton", "moment")
    ends = [("  packets mail", "  layer init"), ("head route_mail", "layer final")]
    places = [m for a, b in ends for m in re.finditer(r"\b\d+\b", text) if text.index(a) <= m.start() < text.index(b)]
    for _ in range(60):
        place = random.choice(places)
        new = random.choice([int(place.group()) + 1, abs(int(place.group()) - 1), random.randrange(9)])
        try:
            j = head(text[: place.start()] + str(new) + text[place.end() :])
        except SpecError:
            refused += 1
            continue
        if j.circuit.packets[0].machines > 3 or j.circuit.packets[0].messages > 2:
            continue
        if proof(j) is None:
            refused += 1
        else:
            proved += 1
            assert lost(j) is None
    assert refused > 15 and proved > 5


@pytest.mark.parametrize("size", SIZES)
def test_all_routings_of_a_small_instance_are_tried(size: tuple[int, int]) -> None:
    found, complete = candidates(head(text_of(*size)), 10_000)
    assert complete and sorted(found) == sorted(routings(*size))


def test_too_many_routings_are_counted_and_not_listed() -> None:
    """At most 8 messages to 64 machines: 12 thousand million sets of destinations for each machine."""
    c = head(text_of(2, 2)).circuit
    packets = replace(c.packets[0], machines=64, messages=8)
    assert not candidates(Delivers(replace(c, packets=(packets,))), 10_000)[1]


def test_one_routing_at_least_is_tried() -> None:
    j = head(text_of(2, 1))
    assert search_routing(j, 10, 0.0).tried >= 1
