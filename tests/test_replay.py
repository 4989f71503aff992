"""The slow direct interpreter against runs computed by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import combinations, product
from operator import mul

import pytest

from checker.kernel.replay.circuit import packed, read_packets, replay_circuit, selector_columns
from checker.kernel.replay.enclosures import TooLong
from checker.kernel.replay.expressions import (
    Fault,
    Message,
    Scope,
    State,
    Words,
    evaluate,
    evaluate_equation,
    pseudorandom,
    satisfies,
)
from checker.kernel.replay.protocol import Overflow, ProtocolRun, replay_protocol
from checker.language import syntax as s
from checker.language.parser import parse, parse_expression
from checker.models.circuit import Circuit, Head, Layer, Local, Packets, Selector
from checker.models.protocol import Array, MessageType, Protocol, Round
from checker.semantics import expressions as evaluator
from checker.semantics.circuits import VECTORS
from checker.semantics.packets import chained, selector_row

E = parse_expression
BIT = (0, 1)


def functions(text: str) -> tuple[s.FunctionDefinition, ...]:
    return tuple(item for item in parse(text).items if isinstance(item, s.FunctionDefinition))


def body(text: str) -> tuple[s.Statement, ...]:
    item = parse(f"protocol it {{ word 1; memory 1; machines 1; finish {{ {text} }} }}").items[0]
    assert isinstance(item, s.ProtocolDefinition)
    return item.finish


def value(text: str, scope: Scope | None = None) -> object:
    return evaluate(E(text), scope or Scope({}, {}))


SUM = "sum(x[k] for k in held(x)) + sum(v for part(v) in inbox)"
# tree_sum(4, 2, 1) of the reference page
TREE = Protocol("tree_sum", 1, 2, 2, (Array("x", 4, 0, 1),), (Array("y", 1, 0, 1),), (), (MessageType("part", (BIT,)),), (
    Round("add", (), body(f"if self <= ceil(4 / 2^1) {{ send part(({SUM}) mod 2) to ceil(self / 2); }}")),),
    body("if self == 1 { y[1] = sum(v for part(v) in inbox) mod 2; }"))


def run(sends: str, finish: str = "if self == 1 { y[1] = 0; }") -> ProtocolRun:
    p = replace(TREE, rounds=(Round("add", (), body(sends)),), finish=body(finish))
    return replay_protocol(p, {"x": (1, 0, 1, 1)})


def test_tree_sum() -> None:
    result = replay_protocol(TREE, {"x": (1, 0, 1, 1)})
    mail = (Message("part", (1,), 1, 1), Message("part", (0,), 2, 1))
    assert result.fault is None and result.overflow == () and result.keeps_fail == ()
    assert result.sent == ({1: mail[:1], 2: mail[1:]},)
    assert result.inboxes == ({1: (), 2: ()}, {1: mail, 2: ()})
    assert result.outputs == {"y": (1,)}


@pytest.mark.parametrize(("sends", "finish", "place", "message"), [
    ("", "y[1] = 0;", "machine 2 in finish", "y[1] does not lie on this machine"),
    ("", "let v = 0;", "machine 1 in finish", "y[1] is not assigned"),
    ("", "if self == 1 { y[1] = 0; y[1] = 0; }", "machine 1 in finish", "y[1] is assigned twice"),
    ("", "if self == 1 { y[2] = 0; }", "machine 1 in finish", "expected an index of y in 1..1, found 2"),
    ("", "if self == 1 { y[1] = x[1]; }", "machine 1 in finish", "x[1] is not known here"),
    ("let v = x[1];", "", "machine 2 in round 1 (add)", "x[1] is not known here"),
    ("send part(2) to 1;", "", "machine 1 in round 1 (add)", "expected a word in 0..1, found 2"),
    ("send part(1 / 2) to 1;", "", "machine 1 in round 1 (add)", "expected a word in 0..1, found 1/2"),
    ("send part(1) to self + 1;", "", "machine 2 in round 1 (add)", "expected a machine in 1..2, found 3"),
    ("if self == 2 { let v = only(part); }", "", "machine 2 in round 1 (add)",
     "only(part) expects one message of one word, found 0 messages"),
])
def test_faults(sends: str, finish: str, place: str, message: str) -> None:
    fault = run(sends, finish).fault
    assert fault is not None and (fault.place, fault.message) == (place, message)


def test_a_fault_keeps_what_came_before() -> None:
    result = run("send part(self - 1) to self + 1;")
    assert result.fault is not None and result.outputs == {}
    assert result.inboxes == ({1: (), 2: ()},) and result.sent == ({1: (Message("part", (0,), 1, 2),)},)


def test_overflow_does_not_stop_the_run() -> None:
    result = run("for k in 1..2 { send part(1) to 2; } if self == 2 { send part(0) to 2; }")
    assert result.overflow == (Overflow(1, 2, "sends", 3), Overflow(1, 2, "receives", 5))
    assert result.fault is None and result.outputs == {"y": (0,)}
    assert [m.words[0] for m in result.inboxes[1][2]] == [1, 1, 0, 1, 1]


def test_keeps() -> None:
    rounds = tuple(Round("add", tuple(E(k) for k in keeps), body(f"send part(({SUM}) mod 2) to self;")) for keeps in (
        ("count(part) at 1 == 0", "count(part) at 3 == 0", "x[2] == 1"),
        ("all(only(part) at m == (x[2 * m - 1] + x[2 * m]) mod 2 for m in 1..2)", "self at 2 == 2", "only(part) at 2 == 1")))
    finish = body("if self == 1 { y[1] = 0; }")
    result = replay_protocol(replace(TREE, rounds=(*rounds[:1], replace(rounds[1], body=())), finish=finish), {"x": (1, 0, 1, 1)})
    assert result.fault is None and result.keeps_fail == ((0, 1), (0, 2), (1, 2))


def test_requires_and_equations() -> None:
    total = functions("function total(a, n) = if n == 0 then 0 else a[n] + total(a, n - 1);")
    x = (Array("x", 3, 0, 3),)
    assert satisfies((E("permutation(x)"), E("total(x, 3) == 6")), total, x, {"x": (3, 1, 2)})
    assert not satisfies((E("permutation(x)"),), total, x, {"x": (3, 1, 1)})
    assert not satisfies((E("x[4] == 0"),), total, x, {"x": (3, 1, 2)})
    assert not satisfies((), total, x, {"x": (3, 1, 4)})
    assert evaluate_equation(E("y[k] == total(x, k) mod 2"), total, {"x": (1, 1, 1), "y": (1, 0, 1)}, {"k": 3})
    with pytest.raises(Fault, match="no value"):
        evaluate_equation(E("y[1] == x[1] / 0"), total, {"x": (1,), "y": (1,)}, {})


def test_recursion_is_bounded() -> None:
    deep = functions("function f(n) = if n <= 0 then 0 else 1 + max(0, sum(f(n - 1) for k in 1..1 if all(n > 0 for j in 1..1)));")
    assert evaluate_equation(E("f(1999) == 1999"), deep, {}, {})
    with pytest.raises(TooLong, match="more than 2,000 calls inside each other"):
        evaluate_equation(E("f(2000) == 2000"), deep, {}, {})


@pytest.mark.parametrize(("text", "expected"), [
    ("-2^2", -4), ("7 div 2 - (0 - 7) div 2", 7), ("(0 - 7) mod 3", 2), ("1 / 3 + 2 / 3", 1), ("round(5 / 2)", 3),
    ("round(-5 / 2)", -2), ("bits(0)", 0), ("bits(5)", 3), ("min(3, 1, 2)", 1), ("count(k > 1 for k in 1..3)", 2),
    ("only(k for k in 1..9 if k * k == 49)", 7),
    ("(1, (2, 3), (k for k in 4..5))", (1, 2, 3, 4, 5)), ("sum(k for k in 1..0)", 0), ("any(k == 0 for k in 1..0)", False),
    ("unit(3, 7)", (0, 0, 7)), ("moment(0, 3)", (1, 0, 0)), ("moment(2, 4)", (1, 2, 4, 8)), ("hadamard(4, 4)", (1, -1, -1, 1)),
    ("-(zeros(1), 2)", (0, -2)), ("false_or(1)", 1), ("3 in 1..3", True), ("1 == 2 and 1 / 0 == 1", False), ("x[2]", 6),
    ("moment_dual(destinations(P), 4)", (Fraction(-1), 2, Fraction(-1, 2), 0)), ("hadamard_dual(destinations(P), 2)", (1, -1)),
    ("sum(v * j for part(v, w) from j in inbox)", 14), ("count(part)", 2), ("first", 1),
])
def test_values(text: str, expected: object) -> None:
    known = {f.name: f for f in functions("function false_or(a) = a; function first = 1;")}
    inbox = (Message("part", (4, 0), 2, 1), Message("part", (2, 1), 3, 1))
    scope = Scope(known, {"x": Words("x", 2, {2: 6})}, State(inbox, {}), destinations={"P": frozenset({2})})
    assert value(text, scope) == expected


@pytest.mark.parametrize("text", [
    "x[1]", "x[3]", "min(k for k in 1..0)", "only(k for k in 1..2)", "1 div 0", "1 mod (0 - 1)", "2^(0 - 1)", "bits(0 - 1)",
    "hadamard(1, 3)", "unknown", "unknown(1)", "1 + (1 == 1)", "not 1", "1 at 1", "moment_dual(destinations(P), 2)", "packed(P)",
    "sign(1, 2)", "sign(0 - 1, 2, 1)", "sign(1 / 2, 2, 1)", "sign_dual(destinations(P), 2)", "sign_dual(2, 2, 1)",
    "sign_dual(destinations(P), 2, 1, 5000)", "sign_dual(destinations(P), 0, 1)",
    "permutation(x)", "count(part)", "any(1 / 0 == 1 for k in 1..1)"])
def test_what_has_no_value(text: str) -> None:
    with pytest.raises(Fault):
        value(text, Scope({}, {"x": Words("x", 2, {2: 6})}, destinations={"P": frozenset({2})}))


def cases(text: str, when: str | None = None) -> tuple[s.Case, ...]:
    return (s.Case(E(text), None if when is None else E(when)),)


def test_copy() -> None:
    """`copy` of the reference page: row 2 sees row 1, row 1 sees row 0 and row 0 (a zero query) the average of all."""
    head = Head("previous", cases("(2 * (self - 1), 1)", "self >= 1"), cases("(self, -self^2)"), cases("row", "self >= 1"))
    c = Circuit("copy", 1, 2, 0, 2, True, (Array("x", 2, 0, 1),), (Array("y", 2, 0, 1),), (E("row[1]"),), (), (), (),
                (Layer("fetch", None, (head,)),))
    result = replay_circuit(c, {"x": (1, 0)})
    one = Fraction(1)
    assert result.rows == ({0: {}, 1: {1: one}, 2: {}}, {0: {1: one / 3}, 1: {1: one}, 2: {1: one}})
    assert result.inboxes == ({},) and result.outputs == {"y": (1, 1)} and result.fault is None
    fault = replay_circuit(c, {"x": (1, 1)}).fault
    assert fault is not None and (fault.place, fault.message) == ("row 2 in the output", "expected a word in 0..1, found 2")


def test_packets() -> None:
    """Rows 1 and 2 send x + 1 to each other. Every row averages the packets of both, at coordinates 2..13, weight 1/2."""
    message, array = MessageType("part", ((0, 2),)), Array("x", 2, 0, 1)
    p = Packets("P", ("part",), 2, 2, 2, Selector("table", rows=("00", "00", "10", "00", "01")), Fraction(1, 4))
    x = s.ReadsInput("x", "k", E("row[1]"), E("self"), E("self"))
    send = Local(1, 2, (x,), body("for k in held(x) { send part(x[k] + 1) to 3 - self; }"))
    read = Local(1, 2, (s.ReadsPackets("P"),), body("y[self] = only(part);"))
    layers = (Layer("send", send, (Head("all", cases("zeros(0)"), cases("zeros(0)"), cases("packed(P)")),)),
              Layer("read", read, (Head("own", cases("(2 * self, -1)"), cases("(self, self^2)"), cases("unit(14, y[self])")),)))
    c = Circuit("swap", 2, 2, 0, 14, False, (array,), (Array("y", 2, 0, 2),), (E("row[14]"),), (), (message,), (p,), layers)
    result = replay_circuit(c, {"x": (1, 0)})
    assert result.fault is None and result.outputs == {"y": (1, 2)}
    half = {2: 1, 3: Fraction(1, 2), 4: Fraction(1, 2), 5: 1, 6: Fraction(1, 2), 7: Fraction(1, 2),
            8: Fraction(1, 2), 9: Fraction(1, 2), 10: 1, 11: Fraction(1, 2), 12: Fraction(1, 2), 13: Fraction(1, 2)}
    assert result.rows[1] == {1: {1: 1, **half}, 2: half}
    assert result.inboxes == ({}, {1: (Message("part", (1,), 2, 1, 1),), 2: (Message("part", (2,), 1, 2, 1),)})
    same = replace(c, packets=(replace(p, selector=Selector("table", rows=("00", "00", "10", "00", "10"))),))
    fault = replay_circuit(same, {"x": (1, 0)}).fault
    assert fault is not None and fault.place == "row 1 in layer 2 (read)"
    twice = [Message("part", (w,), 1, 2) for w in (1, 2)]
    two = replace(p, messages=2, selector=Selector("table", rows=("000", "000", "110", "011")))
    assert packed(c, two, twice) == (0, 1, 1, 1, 2, 1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 1, 2, 2, 1)


def test_reading_packets() -> None:
    """At row 2, h = 1/4, weights 1/3, 1/3, 2/3, 1/3, 1/4, 1/3, so c = 3: which packets are messages for it?"""
    p = Packets("P", ("part",), 1, 2, 3, Selector("identity", (6,)), Fraction(1, 4))
    c = Circuit("none", 2, 2, 0, 36, False, (), (), (), (), (MessageType("part", ((0, 2),)),), (p,), ())
    third = Fraction(1, 3)
    packets = ((2, 1, 1, 2, 1), (1, 1, 1, 2, 1), (2, 2, 2, 4, 2), (1, 1, 2, 1, 1), (0, 0, 0, 0, 0), (3, 1, 1, 2, 2))
    weights = (third, third, 2 * third, third, Fraction(1, 4), third)
    flat = [v for words, w in zip(packets, weights, strict=True) for v in (*(third * x for x in words), w)]
    row = {k: v for k, v in enumerate(flat, 1) if v != 0}
    # the second repeats (type, source, k) of the first, the third is not clean, the fourth is for row 1, the sixth has word 3
    assert read_packets(c, p, 2, row) == [Message("part", (2,), 1, 2, 1)]
    assert read_packets(c, p, 1, row) == [Message("part", (1,), 2, 1, 1)]
    assert read_packets(c, p, 2, {36: Fraction(1, 4)}) == []


def test_the_hash_is_splitmix64() -> None:
    """The first outputs of the reference implementation from the state 0, and a chain by hand."""
    assert pseudorandom(0) == 0xE220A8397B1DCDAF
    assert pseudorandom(0x9E3779B97F4A7C15) == 0x6E789E6AA1B965F4
    assert pseudorandom(3, 5) == pseudorandom((pseudorandom(3) + 5) % 2**64)
    assert [chained(chained(0, 2), x) for x in range(50)] == [pseudorandom(2, x) for x in range(50)]


def both(text: str, *destinations: int) -> tuple[Fraction, ...]:
    """A vector by the replay interpreter, after a look that the evaluator says the same."""
    found = value(text, Scope({}, {"self": 3}, destinations={"P": frozenset(destinations)}))
    assert isinstance(found, tuple)
    builtins = {**VECTORS, "destinations": lambda scope, e: frozenset(destinations)}
    other = evaluator.evaluate(E(text), evaluator.Scope({"self": 3}, {}, builtins=builtins))
    assert (other.length, other.entries) == (len(found), {k: x for k, x in enumerate(found, 1) if x != 0})
    return tuple(map(Fraction, found))


def test_sign_vectors_and_their_duals() -> None:
    """By the definition: 1 with each member, in the span of the members (the only such vector), coordinates rounded."""
    for seed, chosen in product((1, 5, 70_000), ((), (2,), (1, 3), (1, 2, 4), (2, 3, 5, 6))):
        u = {d: both(f"sign({d}, 20, {seed})") for d in chosen}
        assert all(set(x) <= {-1, 1} for x in u.values())
        w = both(f"sign_dual(destinations(P), 20, {seed})", *chosen)
        assert all(sum(map(mul, u[d], w)) == 1 for d in chosen)
        # w is in their span: orthogonal to what is orthogonal to them, as are many vectors with two or four entries 1 and -1.
        orthogonal = 0
        for places in (*combinations(range(20), 2), *combinations(range(9), 4)):
            for signs in product((1, -1), repeat=len(places)):
                if all(sum(x * u[d][j] for x, j in zip(signs, places, strict=True)) == 0 for d in chosen):
                    assert sum(x * w[j] for x, j in zip(signs, places, strict=True)) == 0
                    orthogonal += 1
        assert orthogonal > 30
        for g in (0, 3, 12):
            rounded = both(f"sign_dual(destinations(P), 20, {seed}, {g})", *chosen)
            assert all((x * 2**g).denominator == 1 and -Fraction(1, 2) < (x - y) * 2**g <= Fraction(1, 2)
                       for x, y in zip(rounded, w, strict=True))
    assert both("sign(self, 64, 2)") == tuple(-1 if pseudorandom(2, 3, j) < 2**63 else 1 for j in range(1, 65))


def test_signs_that_depend_on_each_other_have_no_dual() -> None:
    """Three vectors of two coordinates."""
    with pytest.raises(Fault):
        both("sign_dual(destinations(P), 2, 1)", 1, 2, 3)
    builtins = {**VECTORS, "destinations": lambda scope, e: frozenset({1, 2, 3})}
    with pytest.raises(evaluator.Fault):
        evaluator.evaluate(E("sign_dual(destinations(P), 2, 1)"), evaluator.Scope({}, {}, builtins=builtins))


def test_random_selectors() -> None:
    x = Selector("random", (40, 2, 7))
    rows = [selector_columns(x, r) for r in range(1, 30)]
    assert rows == [selector_row(x, r) for r in range(1, 30)]
    assert rows[4] == {j for j in range(1, 41) if pseudorandom(7, 5, j) / 2**64 < 1 / 3}
    assert 300 < sum(map(len, rows)) < 480  # of 29 * 40 = 1160 entries about a third
    everywhere = selector_columns(Selector("random", (9, 0, 1)), 4)
    assert everywhere == set(range(1, 10))


def test_selectors() -> None:
    assert [selector_columns(Selector("identity", (2,)), r) for r in range(4)] == [set(), {1}, {2}, set()]
    # row 6, t = 5 = 12 in base 3, f(x) = 2 + x: columns 0 + 2, 3 + 0, 6 + 1, from 0
    assert selector_columns(Selector("kautz_singleton", (3, 2, 3)), 6) == {3, 4, 8}
    assert selector_columns(Selector("kautz_singleton", (3, 2, 3)), 10) == set()


def test_calls_with_other_arrays_are_other_calls() -> None:
    """What is known of a call is known of these arguments; it makes a recursion over all lengths no deeper than one call."""
    text = "function at(a, k) = if k == 0 then 0 else at(a, k - 1) + a[k];"
    (f,) = parse(text).items
    assert isinstance(f, s.FunctionDefinition)
    values = {"x": tuple(range(1, 3001)), "y": (5,) * 3000}
    for equation, holds in [
        ("at(x, 3) == 6 and at(y, 3) == 15 and at(x, 3) != at(y, 3)", True),
        ("all(at(x, k) == k * (k + 1) / 2 for k in 1..3000)", True),
        ("all(at(x, k) == k * (k + 1) / 2 for k in 1..3000) and at(y, 1) == 1", False),
    ]:
        assert evaluate_equation(parse_expression(equation), (f,), values, {}) == holds
    with pytest.raises(TooLong):
        evaluate_equation(parse_expression("at(x, 3000) == 1"), (f,), values, {})
