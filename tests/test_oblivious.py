"""Protocols in which who sends to whom does not depend on data: machines followed together, against one by one."""

from __future__ import annotations

from collections import Counter
from functools import cache
from itertools import islice
from random import Random

import numpy as np
import pytest
from helpers import library, proof, protocol, replaced, wrong_inputs

from checker.kernel import protocol_rules
from checker.kernel.by_replay import violated
from checker.kernel.judgements import Fits
from checker.kernel.oblivious_rules import follow
from checker.kernel.proofs import NotProved
from checker.kernel.solver import Tally
from checker.language.resources import data_folder
from checker.models.protocol import Protocol
from checker.proving.inputs import random_inputs
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Fault
from checker.semantics.intervals import LIMIT, MANY, Places
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

# ---- protocols ------------------------------------------------------------------------------

NETWORK = (data_folder("spec") / "sort.lks").read_text()
N = 40  # machines of the mutants


def network(old: str = "", new: str = "") -> Protocol:
    """The network for sorting, with an edit."""
    text = NETWORK[: NETWORK.index("theorem")].replace("protocol sort(n, s, p) where n >= 2 and s >= 2 and p >= 1 {",
                                                       f"protocol sort {{ let n = {N}; let s = 2; let p = 2;")
    return protocol(replaced(text, old, new) if old else text)


def together(p: Protocol) -> bool:
    """Are machines that are followed together within the bounds?"""
    try:
        follow(p, Tally())
    except (Unsupported, Fault, NotProved):
        return False
    return True


def test_machines_of_one_form_share_a_run() -> None:
    p = network()
    proved = proof(Fits(p))
    assert proved is not None and proved.rule == "follow the rounds over unknown words"
    forms = follow(p, Tally())
    assert forms.machines == N * (len(p.rounds) - 1) > 5 * forms.runs


HAVE = "send part(have) to self;"


@pytest.mark.parametrize("new", [
    f"{HAVE} if self == 23 and t == 9 {{ send part(have) to self; }}",  # three words sent
    f"{HAVE} if self == 40 and t == 12 {{ send part(have) to 1; }}",  # machine 1 hears three
    "send part(have) to if self == 31 and t == 7 then n + 1 else self;",
    "send part(have) to if self == 31 and t == 7 then 0 else self;",
    "send part(if self == 31 and t == 7 then 4 else have) to self;",  # no word of two bits
    "send part(if self == 31 and t == 7 then have + 4 else have) to self;",
    "if self != 9 or t != 16 { send part(have) to self; }",  # it has no partner then, and so finds nothing afterwards
    "send part(have div (if self == 12 and t == 3 then 0 else 1)) to self;",
    "send part(have) to if self == 8 and t == 3 then 7 else self;",  # machine 7 hears three
])
def test_one_machine_that_differs_in_one_round(new: str) -> None:
    """What is proved of the other machines of its form is not proved of it, and the replay interpreter says why."""
    p = network(HAVE, new)
    assert not together(p) and proof(Fits(p)) is None
    assert any(violated(Fits(p), words) is not None for words in islice(random_inputs(p.inputs, p.requires, p.functions, 1), 5))


@pytest.mark.parametrize("new", [
    "send part(if self == 31 and t == 99 then 4 else have) to self;",
    f"{HAVE} if self == 9 and t == 9 and partner(self, t, 1) > n {{ send part(have) to 5; }}",
    "send part(if self == 31 and t == 7 then 3 else have) to self;",
])
def test_one_machine_that_differs_and_does_no_harm(new: str) -> None:
    p = network(HAVE, new)
    assert together(p) and one_by_one(p)


def one_by_one(p: Protocol) -> bool:
    try:
        protocol_rules._fits(Fits(p))
    except (Unsupported, Fault, NotProved):
        return False
    return True


def test_a_protocol_whose_messages_are_data_is_followed_otherwise() -> None:
    p = library("pointer_doubling", MANY, 2)
    with pytest.raises(Unsupported):
        follow(p, Tally())
    proved = proof(Fits(p))
    assert proved is not None and "keeps" in proved.detail


class Writer:
    """Local functions of which destinations and cases depend on `self` and on senders."""

    def __init__(self, random: Random, machines: int) -> None:
        self.random, self.machines = random, machines

    def pick(self, *texts: str) -> str:
        return self.random.choice(texts)

    def place(self, sender: str) -> str:
        q, r = self.machines, self.random.randint(1, self.machines)
        return self.pick("self", f"{q} + 1 - self", f"(self + {r}) mod {q} + 1", "ceil(self / 2)", sender, f"min({q}, self + 1)",
                         f"max(1, {sender} - 1)", f"if self == {r} then {sender} else self", f"({sender} * self) mod {q} + 1",
                         *(["self + 1", f"self + {sender} - {r}"] if self.random.random() < 0.3 else []))

    def test(self, sender: str) -> str:
        r = self.random.randint(1, self.machines)
        return self.pick(f"self == {r}", f"self != {r}", f"{sender} < self", f"self mod 2 == {sender} mod 2", f"self > {r}",
                         f"any(j == {r} for a(v) from j in inbox)", "count(a) == 1")

    def word(self) -> str:
        return self.pick("sum(v for a(v) in inbox) mod 2", "min(1, count(a))", "max(0, max(v for a(v) in inbox))",
                         "if count(a) > 0 then min(v for a(v) in inbox) else 0", "if self == 2 then 1 - min(1, count(a)) else 1",
                         "sum(v * j for a(v) from j in inbox) mod 2")

    def block(self, first: bool) -> str:
        if first:
            return f"for k in held(x) {{ send a(x[k]) to {self.place('k')}; }}"
        kind, word = self.random.randrange(4), self.word()
        if kind == 0:
            return f"for a(v) from j in inbox {{ if {self.test('j')} {{ send a(v) to {self.place('j')}; }} }}"
        if kind == 1:
            return f"if {self.test('self')} {{ send a({word}) to {self.place('self')}; }} else {{ send a(1) to self; }}"
        if kind == 2:
            return f"for a(v) from j in inbox {{ send a(v) to {self.place('j')}; }}"
        return f"send a({word}) to {self.place('self')};"


@cache
def random_protocol(seed: int) -> Protocol:
    random = Random(seed)
    machines = random.randint(2, 6)
    w = Writer(random, machines)
    rounds = "".join(f"round r{r} {{ {w.block(r == 0)} }}\n" for r in range(random.randint(2, 4)))
    return protocol(f"""protocol p {{ word 1; memory 2; machines {machines}; input x[{machines}] in word; output y[2] in word;
        message a(word);
        {rounds} finish {{ for k in held(y) {{ y[k] = count(a) mod 2; }} }} }}""")


COUNT = 120


@pytest.mark.parametrize("seed", range(COUNT))
def test_random_protocols_come_out_as_one_by_one(seed: int) -> None:
    p = random_protocol(seed)
    fast, slow = together(p), one_by_one(p)
    assert fast == slow
    if fast:
        assert next(wrong_inputs(Fits(p)), None) is None


def test_random_protocols_are_of_both_kinds() -> None:
    outcomes = Counter(together(random_protocol(seed)) for seed in range(COUNT))
    assert min(outcomes[True], outcomes[False]) > COUNT / 8


# ---- arrays ---------------------------------------------------------------------------------


def linear(random: Random, a: Value, b: Value, c: int, p: Value) -> Value:
    return v.add(a, v.scale(random.randint(-3, 3), b))


def product(random: Random, a: Value, b: Value, c: int, p: Value) -> Value:
    return v.multiply(a, b) if random.random() < 0.3 else v.subtract(a, b)


def rest(random: Random, a: Value, b: Value, c: int, p: Value) -> Value:
    return random.choice((v.quotient, v.modulo))(a, c)


def most(random: Random, a: Value, b: Value, c: int, p: Value) -> Value:
    return random.choice((v.maximum, v.minimum))(a, b)


def choice(random: Random, a: Value, b: Value, c: int, p: Value) -> Value:
    return v.choose(p, a, b)


def random_terms(random: Random, known: list[Term], other: list[Term]) -> tuple[Value, Value]:
    """A number and a truth value."""
    numbers: list[Value] = [*known, *other, random.randint(-3, 3)]
    truths: list[Value] = [v.at_most(known[0], 3)]
    for _ in range(12):
        a, b, c = random.choice(numbers), random.choice(numbers), random.randint(1, 5)
        p, q = random.choice(truths), random.choice(truths)
        numbers.append(random.choice((linear, product, rest, most, choice))(random, a, b, c, p))
        truths.append(random.choice((
            v.equal(a, b), v.at_most(a, b), v.both(p, q), v.either(p, q), v.negate(p),
        )))
    return numbers[-1], truths[-1]


@pytest.mark.parametrize("seed", range(60))
def test_intervals_hold_the_value_at_every_place(seed: int) -> None:
    random = Random(seed)
    known, other = [t.variable(f"k{i}", -4, 9) for i in range(2)], [t.variable(f"u{i}", 0, 2) for i in range(2)]
    places = np.array([[random.randint(-4, 9) for _ in range(15)] for _ in known], dtype=np.int64)
    at = Places(15, dict(zip(known, places, strict=True)))
    for value in random_terms(random, known, other):
        found = at.of(value)
        for place in range(15):
            here = value
            for x, column in zip(known, places, strict=True):
                here = v.substitute(here, x, int(column[place]))
            seen = {v.substitute(v.substitute(here, other[0], a), other[1], b) for a in range(3) for b in range(3)}
            assert all(found.low[place] <= int(x) <= found.high[place] for x in seen)  # type: ignore[arg-type]
            if not any(isinstance(x, Term) and x.op == "var" and x in other for x in unknowns(value)):
                assert found.exact and seen == {found.low[place]}


def unknowns(value: Value) -> set[Value]:
    stack, seen = [value], set()
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack.extend(a for a in getattr(node, "args", ()) if isinstance(a, Term))
    return seen


def test_numbers_that_may_leave_the_arrays_are_refused() -> None:
    x, wide = t.variable("x", 0, LIMIT - 1), t.variable("w", 0, None)
    small = t.variable("s", 1, 3)
    at = Places(1, {})
    for value in (v.add(x, x), v.multiply(x, small), v.add(x, small), wide, v.add(wide, 1), v.scale(1, v.add(x, LIMIT))):
        with pytest.raises(Unsupported):
            at.of(value)
    assert at.of(v.at_most(small, 3)).low.all() and int(at.of(v.multiply(small, small)).high[0]) == 9


def test_what_depends_on_data_is_not_exact() -> None:
    x, me = t.variable("x", 0, 5), t.variable("me", 1, 3)
    at = Places(3, {me: np.array([1, 2, 3], dtype=np.int64)})
    assert at.exactly(v.multiply(me, me), "it").tolist() == [1, 4, 9]
    with pytest.raises(Unsupported, match="it depends on data"):
        at.exactly(v.add(me, x), "it")


HUGE = """protocol p { word 2; memory 4; machines 40; input x[40] in word; output y[40] in word; message a(word);
  round one { for k in held(x) { send a(x[k]) to self; } }
  round two { send a(2^64 * ((self * (self - 1)) mod 2)) to self; }
  finish { for k in held(y) { y[k] = 0; } } }"""
NARROW = """protocol narrow { word 6; memory 1; machines 40; input x[40] in 0..3; output y[40] in 0..3; message part(0..15);
  round deal { for k in held(x) { send part(x[k]) to self; } }
  round pass { for part(v) in inbox { send part(v) to self; } }
  finish { for k in held(y) { y[k] = only(part); } } }"""


def test_words_that_cannot_be_reached_do_not_refuse_a_protocol() -> None:
    """What a type of message could carry is too large for the output, what is sent is not."""
    assert proof(Fits(protocol(NARROW))) is not None
    assert proof(Fits(protocol(NARROW.replace("x[40] in 0..3", "x[40] in 0..4")))) is None


def test_factors_that_arrays_cannot_hold() -> None:
    """2^64 times a number that is 0 at every machine."""
    assert proof(Fits(protocol(HUGE))) is not None
