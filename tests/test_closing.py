from fractions import Fraction

import pytest

from checker.elaboration.closing import FALSE, TRUE, close_circuit, close_protocol, fold
from checker.language import syntax as s
from checker.language.diagnostics import SpecError
from checker.language.parser import parse, parse_expression
from checker.language.printer import expression
from checker.models.printing import text

TREE = """
function height(n, s) = if n <= s then 1 else 1 + height(ceil(n / s), s);
function total(x, n) = sum(x[k] for k in 1..n);
function unused(a) = a;
protocol tree_sum(n, s, p) where n >= 1 and s >= 2 and p >= 1 {
  let q = ceil(n / s);
  word p; memory s; machines q;
  input x[n] in word; output y[1] in word;
  requires total(x, n) >= n - 9;
  message part(word), pair(0..1, word);
  round add for t in 1..height(n, s) - 1
    keeps (sum(v for part(v) in inbox) at 1) >= t - 20 {
    let c = t + 1;
    if self <= ceil(n / s^t) {
      send part((sum(x[k] for k in held(x)) + sum(v for part(v) in inbox)) mod 2^p) to ceil(self / s);
      if t == 1 { let d = only(part) + c; send part(d) to 1; } else { send part(-c / 4) to 1; }
    }
  }
  finish { y[1] = (sum(x[k] for k in held(x)) + sum(v for part(v) in inbox)) mod 2^p; }
}
"""
ROUTE = """
function sharp(k) = -k^2;
circuit route(q, w) where q >= 1 {
  word w; tokens q; start; width 2 + 8 * q;
  input x[q] in 0..1; output y[q] in word = row[1 + 1];
  message part(word), pair(word, word);
  packets P of part at 3 { machines q; messages 1; selector identity(q); heard 3 / (4 * q); }
  packets E of part at 3 { machines q; messages 1; selector table { "010", "111" }; heard 0; }
  layer one for t in 1..2 {
    local 1..q reads x[k] = row[1] * (k - q) for k in self..self reads P { send part(x[self]) to t; }
    head h {
      query (t * (self - 1), 1) when t == 1, row when self >= 1, row when q == 0;
      key (self, sharp(self)), row;
      value packed(P) when q < 1;
    }
  }
}
"""


def definitions(source: str) -> tuple[dict[str, s.FunctionDefinition], s.ProtocolDefinition | s.CircuitDefinition]:
    items = parse(source).items
    functions = {i.name: i for i in items if isinstance(i, s.FunctionDefinition)}
    return functions, next(i for i in items if isinstance(i, s.ProtocolDefinition | s.CircuitDefinition))


def folded(source: str, **constants: int | Fraction) -> s.Expr:
    functions, _ = definitions(TREE)
    return fold(parse_expression(source), constants, functions)


@pytest.mark.parametrize(("source", "value"), [
    ("-3", -3), ("3 / 4", Fraction(3, 4)), ("n / 2", 4), ("-7 div 2", -4), ("-7 mod 2", 1), ("2^n", 256), ("bits(5)", 3),
    ("round(5 / 2)", 3), ("ceil(7 / 2) + floor(7 / 2)", 7), ("min(3, n, 5) + max(1, 2)", 5), ("height(n, 2)", 3),
    ("sum(k for k in 1..n if k mod 2 == 0)", 20), ("count(k > 3 for k in 1..n)", 5), ("sum(1 / 0 for k in 2..1)", 0),
    ("if n == 8 then 1 else 1 / 0", 1), ("only(k for k in 1..9 if k == n)", 8), ("sum(n for n in 1..2)", 3),
    ("height(1000, 999) + height(sum(j for j in 1..4), 3)", 5),
])
def test_static_numbers(source: str, value: int | Fraction) -> None:
    assert folded(source, n=8) == s.Number(value)


@pytest.mark.parametrize(("source", "value"), [
    ("n == 8 and not n < 8", TRUE), ("n < 8 and 1 / 0 == 1", FALSE), ("n in 1..7", FALSE), ("any(k == n for k in 1..9)", TRUE),
    ("(n == 8) == (n > 9)", FALSE), ("all(k == n for k in 2..1)", TRUE),
])
def test_static_conditions(source: str, value: s.Expr) -> None:
    assert folded(source, n=8) == value


@pytest.mark.parametrize(("source", "result"), [
    ("x[n] + 0 * self", "x[8] + 0 * self"),
    ("1 * self^1 / 1 - 0", "self"), ("sum(x[n] for n in 1..n)", "sum(x[n] for n in 1..8)"),
    ("1 / 0", "1 / 0"), ("2 mod 0", "2 mod 0"), ("total(x, n)", "total(x, 8)"), ("self > 1 and n == 8", "self > 1"),
    ("self > 1 and n == 7", "self > 1 and 1 == 0"), ("only(n)", "only(n)"),
    ("if n == self then n else -n", "if 8 == self then 8 else -8"),
    ("self - -n / 3", "self - -8 / 3"), ("(self^(1/2) * (3/4))^2", "(self^(1 / 2) * (3 / 4))^2"),
    ("(n, self + n)", "(8, self + 8)"), ("sum(n for part(n) in inbox)", "sum(n for part(n) in inbox)"),
])
def test_open_expressions(source: str, result: str) -> None:
    once = folded(source, n=8)
    assert expression(once) == result
    assert fold(once, {}, {}) == once and fold(parse_expression(result), {}, {}) == once


def test_spans_are_kept() -> None:
    e = folded("1 +\n   n * self", n=8)
    assert isinstance(e, s.Binary) and isinstance(e.right, s.Binary)
    assert (e.right.left.span.line, e.right.left.span.column) == (2, 4)


def test_recursion_must_end() -> None:
    deep = "1 + max(1, if n < 0 then 0 else (1 > 2 or n > 0 and h(n + 1) > 0) == (" * 12 + "h(n + 1) > 0" + "))" * 12
    text = ("function f(n) = if n == 0 then 0 else 1 + f(n - 1);\nfunction g(n) = if n < 2 then n else g(n - 1) + g(n - 2);\n"
            f"function h(n) = {deep};\nfunction k(n) = sum(k(j + 1) for j in n..n);")
    functions = {i.name: i for i in parse(text).items if isinstance(i, s.FunctionDefinition)}
    assert fold(parse_expression("f(900)"), {}, functions) == s.Number(900)
    assert fold(parse_expression("g(90)"), {}, functions) == s.Number(2880067194370816120)
    for source in ("f(-1)", "h(1)", "k(1)"):
        with pytest.raises(SpecError) as error:
            fold(parse_expression(source), {}, functions)
        assert error.value.diagnostics[0].code == "RECURSION"
    with pytest.raises(SpecError, match="bits"):
        fold(parse_expression("2^(10^9)"), {}, functions)


@pytest.mark.parametrize(("n", "memory", "p"), [(1, 2, 1), (4, 2, 3), (9, 2, 70), (20, 3, 300)])
def test_protocol_and_back(n: int, memory: int, p: int) -> None:
    functions, d = definitions(TREE)
    assert isinstance(d, s.ProtocolDefinition)
    protocol = close_protocol(d, {"n": n, "s": memory, "p": p}, functions)
    again, closed = definitions(text(protocol))
    assert isinstance(closed, s.ProtocolDefinition)
    assert close_protocol(closed, {}, again) == protocol


def test_protocol_unrolled() -> None:
    functions, d = definitions(TREE)
    assert isinstance(d, s.ProtocolDefinition)
    protocol = close_protocol(d, {"n": 8, "s": 2, "p": 1}, functions)
    assert [r.name for r in protocol.rounds] == ["add_1", "add_2"]
    assert [f.name for f in protocol.functions] == ["total"]
    assert protocol.machines == 4 and protocol.message("pair").words == ((0, 1), (0, 1))
    choice = protocol.rounds[1].body[0]
    assert isinstance(choice, s.Choose) and choice.then[-1] == s.Send("part", (s.Number(Fraction(-3, 4)),), s.Number(1))
    assert close_protocol(d, {"n": 2, "s": 2, "p": 1}, functions).rounds == ()


def test_lets_do_not_leak() -> None:
    functions, d = definitions("""protocol p { word 9; memory 9; machines 1; input x[1] in word; output y[1] in word;
      finish { let v = x[1]; if 1 == 1 { let v = x[1] + 1; if v > 3 { } } if 1 == 1 { let w = v; } y[1] = v; } }""")
    assert isinstance(d, s.ProtocolDefinition)
    protocol = close_protocol(d, {}, functions)
    assert [type(x).__name__ for x in protocol.finish] == ["Let", "Choose", "Let", "Assign"]
    again, closed = definitions(text(protocol))
    assert isinstance(closed, s.ProtocolDefinition) and close_protocol(closed, {}, again) == protocol


def test_circuit_and_back() -> None:
    functions, d = definitions(ROUTE)
    assert isinstance(d, s.CircuitDefinition)
    circuit = close_circuit(d, {"q": 3, "w": 2}, functions)
    assert [x.name for x in circuit.layers] == ["one_1", "one_2"]
    first, second = (x.heads[0] for x in circuit.layers)
    assert len(first.query) == 1 and first.query[0].condition is None
    assert len(second.query) == 1 and second.query[0].condition is not None
    assert first.value == (s.Case(s.Call("zeros", (s.Number(1),)), None),)
    assert [f.name for f in circuit.functions] == ["sharp"]
    assert circuit.packets[0].heard == Fraction(1, 4) and type(circuit.packets[1].heard) is Fraction
    again, closed = definitions(text(circuit))
    assert isinstance(closed, s.CircuitDefinition)
    assert close_circuit(closed, {}, again) == circuit


SMALL = ("protocol p(n) where n > 0 {{ word {w}; memory {m}; machines {q}; "
         "input x[{a}] in {r}; output y[{b}] in word; finish {{ }} }}")


@pytest.mark.parametrize(("change", "code"), [
    ({"n": 0}, "INSTANCE"), ({"w": "0"}, "SIZE"), ({"m": "0"}, "SIZE"), ({"q": "n - 1"}, "SIZE"), ({"a": "0"}, "SIZE"),
    ({"r": "3..2"}, "RANGE"), ({"r": "0..4"}, "RANGE"), ({"r": "-1..1"}, "RANGE"), ({"b": "5"}, "FIT"), ({"a": "5"}, "FIT"),
    ({"q": "10^6"}, "TOO_LARGE"), ({"m": "1 / 0"}, "STATIC"), ({"m": "3 / 2"}, "STATIC"),
])
def test_sanity(change: dict[str, str | int], code: str) -> None:
    values = {"w": "2", "m": "4", "q": "1", "a": "1", "b": "1", "r": "word", "n": 1, **change}
    functions, d = definitions(SMALL.format(**values))
    assert isinstance(d, s.ProtocolDefinition)
    with pytest.raises(SpecError) as error:
        close_protocol(d, {"n": int(values["n"])}, functions)
    assert error.value.diagnostics[0].code == code and error.value.diagnostics[0].span.line == 1


@pytest.mark.parametrize(("old", "new", "code"), [
    ("8 * q;", "8 * q - 9;", "FIT"), ('"111"', '"11"', "SELECTOR"), ("= row[1 + 1]", "", "DECLARATION"),
    ("local 1..q", "local 1..9", "RANGE"),
    ("machines q; messages 1", "machines 0; messages 1", "SIZE"), ("1..2 {", "1..20000 {", "TOO_LARGE"),
    ("tokens q", "tokens 1", "FIT"),
])
def test_sanity_of_circuits(old: str, new: str, code: str) -> None:
    functions, d = definitions(ROUTE.replace(old, new, 1))
    assert isinstance(d, s.CircuitDefinition)
    with pytest.raises(SpecError) as error:
        close_circuit(d, {"q": 3, "w": 2}, functions)
    assert error.value.diagnostics[0].code == code


CALLS = "function g(a) = a; protocol p { word 1; memory 1; machines 1; input x[1] in word; finish { } }"
WRONG_KIND = ("g(x) + 0", "0 + g(x)", "g(x) - 0", "g(x) * 1", "1 * x", "x / 1", "(x, 1) + 0", "-x + 0", "x ^ 1", "(x > 1) + 0")
WRONG_KIND += ("(if 0 <= x[1] then x else 1) * 1", "g(x) and 1 == 1", "1 == 1 and g(x)", "x or 0 == 1")
WRONG_KIND += ("0 == 1 or x[1]", "x + 1 and 1 == 1")
NUMBERS = ("x[1] + 0", "1 * -x[1]", "self - 0", "sum(k * 1 for k in 1..x[1]) + 0", "min(g(x), 1) / 1", "(x + 1) ^ 1")


@pytest.mark.parametrize("text", WRONG_KIND)
def test_what_may_be_of_the_wrong_kind_is_not_simplified(text: str) -> None:
    assert isinstance(fold(parse_expression(text), {}, definitions(CALLS)[0], ("x",)), s.Binary)


@pytest.mark.parametrize("text", NUMBERS)
def test_numbers_are_simplified(text: str) -> None:
    before = parse_expression(text)
    assert isinstance(before, s.Binary)
    inner = before.right if isinstance(before.left, s.Number) else before.left
    found = fold(before, {}, definitions(CALLS)[0], ("x",))
    assert expression(found) == expression(inner).replace("k * 1", "k")


def test_truth_values_are_simplified() -> None:
    for given, simpler in (("x > 0 and 1 == 1", "x > 0"), ("0 == 1 or x in 0..1", "x in 0..1"), ("not x or 1 == 0", "not x")):
        assert expression(fold(parse_expression(given), {}, {}, ("x",))) == simpler
