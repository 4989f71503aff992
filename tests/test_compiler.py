"""Theorem 3.1: a compiled circuit computes what its protocol computes, on every input of small instances."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction
from itertools import combinations, product

import pytest

from checker.compilers import embeddings, selectors
from checker.compilers.protocol_to_circuit import message_classes, transformer
from checker.elaboration.closing import close_circuit, close_protocol
from checker.kernel.replay.circuit import replay_circuit, selector_columns
from checker.kernel.replay.protocol import replay_protocol
from checker.language import syntax as s
from checker.language.diagnostics import SpecError
from checker.language.parser import parse
from checker.models import printing
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.semantics import circuits as fast

TREE_SUM = """
protocol tree_sum { word 1; memory 2; machines 2; input x[4] in word; output y[1] in word; message part(word);
  round add { send part(sum(x[k] for k in held(x)) mod 2) to 1; }
  finish { if self == 1 { y[1] = sum(v for part(v) in inbox) mod 2; } } }"""

# The word of a machine says where it goes; the receiver of nothing answers 3. One word a machine, so s = 1.
SCATTER = """
protocol scatter { word 2; memory 1; machines 3; input x[3] in 1..3; output y[3] in word; requires permutation(x);
  message go(word);
  round send { for k in held(x) { send go(self) to x[k]; } }
  round back { for go(v) from j in inbox { send go(j) to v; } }
  finish { y[self] = only(go); } }"""

# Where a message goes depends on the data; in each round some machines may receive nothing. More outputs than inputs.
HEAR = """
protocol hear { word 2; memory 2; machines 4; input x[4] in 0..1; output y[8] in word; message bit(0..1);
  round first { for k in held(x) { send bit(x[k]) to k mod 2 + 1; } }
  round keep { for bit(v) in inbox { send bit(v) to 2 * self - 1 + v; } }
  finish { y[2 * self - 1] = count(bit); y[2 * self] = sum(v for bit(v) in inbox); } }"""

# More machines than words, a machine that is not full, inputs and outputs that are packed across machines, two classes.
MANY = """
function double(a) = 2 * a;
protocol many { word 2; memory 2; machines 5; input a[1] in word; input b[2] in 1..2; output y[2] in word; output z[3] in word;
  message w(word, word), v(word);
  round out { for k in held(a) { send v(a[k]) to 5; } for k in held(b) { send v(double(b[k]) mod 4) to 2 + k; } }
  round back { for v(e) from j in inbox { send w(e, j) to self - 2; } }
  finish {
    if self == 1 { y[1] = sum(e for w(e, j) in inbox) mod 4; y[2] = count(w); }
    if self == 2 { z[1] = sum(e + j for w(e, j) in inbox) mod 4; z[2] = count(w); }
    if self == 3 { z[3] = sum(e * j for w(e, j) in inbox) mod 4; } } }"""

# Two messages, even two equal ones, from one machine to one destination.
TWICE = """
protocol twice { word 2; memory 2; machines 2; input x[2] in word; output y[2] in word; message v(word);
  round both { for k in held(x) { send v(x[k]) to 2; } }
  finish { if self == 1 { y[1] = count(v); y[2] = 0; } } }"""
TWICE_BACK = TWICE.replace("to 2; } }\n", "to 2; } }\n  round home { for v(e) in inbox { send v(e) to 1; } }\n").replace(
    "y[2] = 0", "y[2] = sum(e for v(e) in inbox) mod 4")

# s = 3: messages of one word, and of two and three words, are two classes.
CLASSES = """
protocol classes { word 1; memory 3; machines 2; input x[4] in word; output y[4] in word;
  message one(word), two(word, word), three(word, word, word);
  round mixed { if self == 1 { if x[1] == 1 { send three(x[1], x[2], x[3]) to 2; }
                               else { send two(x[2], x[3]) to 1; send one(x[1]) to 2; } }
                else { if x[4] == 1 { send one(x[4]) to 1; } } }
  finish { if self == 1 { y[1] = count(two); y[2] = sum(v * w for two(v, w) in inbox); y[3] = count(one); }
           else { y[4] = (count(one) + sum(a + b + c for three(a, b, c) in inbox)) mod 2; } } }"""

# R = 1: the outputs are read off the inputs, no message is sent.
LOCAL = """
protocol local_only { word 2; memory 2; machines 2; input x[3] in word; output y[3] in word;
  finish { for k in held(x) { y[k] = (x[k] + k) mod 4; } } }"""

# Rounds without messages, and names that the compiler would like to have.
SILENT = """
protocol silent { word 1; memory 2; machines 2; input k[2] in word; output j[3] in word;
  round init { let mail = 1; }
  round final { let mail = 1; }
  finish { if self == 1 { j[1] = count(e == 1 for e in 1..1); j[2] = 0; } else { j[3] = 1; } } }"""

ALL = {"tree_sum": TREE_SUM, "scatter": SCATTER, "hear": HEAR, "many": MANY, "twice": TWICE, "twice_back": TWICE_BACK,
       "classes": CLASSES, "local": LOCAL, "silent": SILENT}
OPTIONS = [("best", "best"), ("identity", "moment"), ("kautz_singleton", "hadamard"), ("best", "best", "fresh"),
           ("best", "best", "head", "fused"), ("best", "best", "fresh", "fused"), ("identity", "moment", "fresh", "fused")]


def protocol(text: str) -> Protocol:
    items = parse(text).items
    functions = {f.name: f for f in items if isinstance(f, s.FunctionDefinition)}
    definition = items[-1]
    assert isinstance(definition, s.ProtocolDefinition)
    return close_protocol(definition, {}, functions)


def inputs(p: Protocol) -> Iterator[dict[str, tuple[int, ...]]]:
    """All inputs (and only permutations where they are required)."""
    for words in product(*(product(range(a.low, a.high + 1), repeat=a.size) for a in p.inputs)):
        if not p.requires or all(len(set(w)) == len(w) for w in words):
            yield {a.name: w for a, w in zip(p.inputs, words, strict=True)}


def reclosed(c: Circuit) -> Circuit:
    items = parse(printing.text(c)).items
    definition = items[-1]
    assert isinstance(definition, s.CircuitDefinition)
    return close_circuit(definition, {}, {f.name: f for f in items if isinstance(f, s.FunctionDefinition)})


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ALL)
def test_circuit_computes_what_the_protocol_computes(name: str, options: tuple[str, ...]) -> None:
    p = protocol(ALL[name])
    c = transformer(p, *options).at("exact")
    assert len(c.layers) == len(p.rounds) + (1 if "fused" in options else 2)
    for words in inputs(p):
        expected = replay_protocol(p, words)
        assert expected.fault is None and not expected.overflow
        found = replay_circuit(c, words)
        assert found.fault is None, (words, found.fault.place, found.fault.message)
        assert found.outputs == expected.outputs, words
        _, quick = fast.run(c, dict(words))
        assert quick == {(a, k): v for a, values in expected.outputs.items() for k, v in enumerate(values, 1)}, words


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ALL)
def test_printed_circuit_closes_to_itself(name: str, options: tuple[str, ...]) -> None:
    c = transformer(protocol(ALL[name]), *options)
    assert reclosed(c) == c


def test_a_wrong_circuit_is_noticed() -> None:
    """Mutants: each must differ from the protocol on some input, or the comparison above says nothing."""
    p = protocol(HEAR)
    c = transformer(p).at("exact")
    last = c.layers[2]
    mutants = {
        "no clear": replace(c, layers=(*c.layers[:2], replace(last, heads=last.heads[:1]), c.layers[3])),
        "deaf": replace(c, packets=(replace(c.packets[0], heard=Fraction(1)), *c.packets[1:])),
        "one column": replace(c, packets=(replace(c.packets[0], selector=selectors.identity(1)), *c.packets[1:])),
        "one word": replace(c, readouts=(s.Index("row", s.Number(1)),))}
    for name, mutant in mutants.items():
        assert any(replay_circuit(mutant, w).outputs != replay_protocol(p, w).outputs for w in inputs(p)), name


def test_message_classes() -> None:
    def classes(memory: int, *lengths: int) -> list[tuple[int, int, int]]:
        p = protocol(f"protocol p {{ word 1; memory {memory}; machines 1; input x[1] in word; output y[1] in word; message "
                     + ", ".join(f"m{n}({', '.join(['word'] * n)})" for n in lengths) + "; finish { y[1] = 0; } }")
        return [(c.shortest, c.longest, c.most) for c in message_classes(p)]

    assert classes(1, 1) == [(1, 1, 1)]
    assert classes(3, 1, 2, 3) == [(1, 1, 3), (2, 3, 1)]
    assert classes(20, 1, 2, 15, 16, 20) == [(1, 1, 20), (2, 15, 10), (16, 20, 1)]
    assert classes(20, 16) == [(16, 20, 1)]
    with pytest.raises(SpecError, match="found m3 of 3 words"):
        classes(2, 3)


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 9, 16, 20])
@pytest.mark.parametrize("b", [1, 2, 3])
def test_selector_property(rows: int, b: int) -> None:
    """Each row of any b has a column that is 1 there and 0 in the others (Fact B.2)."""
    for x in (selectors.identity(rows), selectors.kautz_singleton(rows, b), selectors.best(rows, b), selectors.paper(rows, b)):
        table = [selector_columns(x, i) for i in range(1, rows + 1)]
        assert all(1 <= j <= selectors.columns(x) for row in table for j in row)
        for chosen in combinations(table, min(b, rows)):
            for i, row in enumerate(chosen):
                assert row - set().union(*chosen[:i], *chosen[i + 1 :])


@pytest.mark.parametrize(("factor", "n"), [(12, 1), (12, 2), (12, 3), (192, 32), (12, 10**6), (10**6, 7)])
def test_logarithms_are_exact(factor: int, n: int) -> None:
    """Against the decimals of the standard library, which are rounded correctly to 60 places."""
    c = selectors.ceil_times_log(factor, n)
    decimals = Context(prec=60)
    assert c == int(decimals.multiply(Decimal(factor), decimals.ln(Decimal(n))).to_integral_value(ROUND_CEILING))
    low, high = selectors.log_bounds(n, 40)
    exact = Fraction(decimals.ln(Decimal(n)))
    assert low <= exact + Fraction(1, 10**50) and exact - Fraction(1, 10**50) <= high and high - low < Fraction(1, 10**30)


def test_fewest_columns() -> None:
    assert selectors.kautz_singleton(10_000, 4).arguments == (11, 4, 10)
    assert selectors.columns(selectors.best(10_000, 4)) == 110
    assert selectors.best(5, 4) == selectors.identity(5)
    assert embeddings.best(8, 3).coordinates == 7 and embeddings.best(7, 4).name == "hadamard"


@pytest.mark.parametrize("options", [("none", "best"), ("best", "none"), ("best", "best", "best"),
                                     ("best", "best", "head", "head")])
def test_unknown_options(options: tuple[str, ...]) -> None:
    with pytest.raises(SpecError):
        transformer(protocol(LOCAL), *options)
