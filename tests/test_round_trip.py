"""Text to tree and back: what is printed parses to what was printed, and closed models close to themselves."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from checker.compilers.protocol_to_circuit import transformer
from checker.elaboration.closing import close_circuit, close_protocol
from checker.elaboration.lemmas import close_lemma
from checker.elaboration.library import library_names, load, load_text
from checker.elaboration.models import Models
from checker.elaboration.theorem_to_claims import instances
from checker.language import printer
from checker.language import syntax as s
from checker.language.parser import parse, parse_expression
from checker.language.resources import data_folder
from checker.models import printing
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol

LOOSE = settings(max_examples=120, deadline=None, database=None,
                 suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
FILES = sorted([*data_folder("spec").glob("*.lks"), *data_folder("proofs").glob("*.lks")])

# ---- strategies: any tree that a text can say; numbers are naturals, a minus is an operator ------

names = st.sampled_from(["a", "b1", "x_", "Q", "self", "row", "fold", "forall", "_t", "masks", "reads_", "by_", "sum",
                         "count", "bits", "tokens_"])
tags = st.sampled_from(["m", "fwd", "pair"])
naturals = st.one_of(st.integers(0, 12), st.integers(0, 10**60)).map(s.Number)


def tuples(of: st.SearchStrategy, least: int = 0, most: int = 2) -> st.SearchStrategy:
    return st.lists(of, min_size=least, max_size=most).map(tuple)


def binders(e: st.SearchStrategy) -> st.SearchStrategy:
    return st.one_of(st.builds(s.OverRange, names, e, e), st.builds(s.OverHeld, names, names),
                     st.builds(s.OverInbox, tags, tuples(names, 1), st.none() | names))


def larger(e: st.SearchStrategy) -> st.SearchStrategy:
    """Expressions with these as their parts."""
    kinds = st.sampled_from(["sum", "min", "max", "any", "all", "count", "only"])
    return st.one_of(
        st.builds(s.Index, names, e), st.builds(s.Unary, st.sampled_from(["-", "not"]), e),
        st.builds(s.Binary, st.sampled_from(sorted(printer.LEVELS)), e, e), st.builds(s.Conditional, e, e, e),
        st.builds(s.Member, e, e, e), st.builds(s.At, e, e), st.builds(s.Vector, tuples(e, 2, 3)),
        st.builds(s.Call, names, tuples(e), tuples(st.tuples(names, e), most=1)),
        st.builds(s.Reduce, kinds, e, binders(e), st.none() | e),
        st.builds(lambda body, over: s.Reduce("vector", body, over), e, binders(e)),
    )


expressions = st.recursive(st.one_of(naturals, st.builds(s.Name, names)), larger, max_leaves=12)
small = st.recursive(st.one_of(naturals, st.builds(s.Name, names)), larger, max_leaves=3)


def blocks(statement: st.SearchStrategy) -> st.SearchStrategy:
    return tuples(statement)


statements = st.recursive(
    st.one_of(st.builds(s.Let, names, small), st.builds(s.Send, tags, tuples(small, 1), small),
              st.builds(s.Assign, names, small, small)),
    lambda inner: st.one_of(st.builds(s.Choose, small, blocks(inner), blocks(inner)),
                            st.builds(s.Repeat, binders(small), blocks(inner))),
    max_leaves=4,
)
body = blocks(statements)
types = st.one_of(st.builds(s.WordType), st.builds(s.RangeType, small, small))
each = st.none() | st.builds(s.ForEach, names, small, small)
lets = tuples(st.builds(s.Let, names, small), most=1)
where = st.none() | small
messages = tuples(st.builds(s.MessageDeclaration, tags, tuples(types, 1)))
arrays = tuples(st.builds(s.ArrayDeclaration, names, small, types))
readable = tuples(st.builds(s.ArrayDeclaration, names, small, types, st.none() | small))


def settings_of(*keys: str) -> st.SearchStrategy:
    return st.tuples(*(st.tuples(st.just(key), small) for key in keys))


protocols = st.builds(
    s.ProtocolDefinition, names, tuples(names), where, lets, settings_of("word", "memory", "machines"), arrays, readable,
    tuples(small), messages, tuples(st.builds(s.RoundDeclaration, names, each, tuples(small), body)), body)
bits = st.lists(st.sampled_from("01"), min_size=1, max_size=5).map("".join)
selectors = st.one_of(st.builds(s.SelectorByName, names, tuples(small, 1, 3)), st.builds(s.SelectorByTable, tuples(bits, 1, 3)))
packets = st.builds(s.PacketsDeclaration, names, tuples(tags, 1), small, small, small, selectors, small)
reads = st.one_of(st.builds(s.ReadsPackets, names), st.builds(s.ReadsInput, names, names, small, small, small))
cases = tuples(st.builds(s.Case, small, st.none() | small), 1, 3)
locals_ = st.builds(s.LocalDeclaration, small, small, tuples(reads), body)
finishes = st.builds(s.LocalDeclaration, small, small, tuples(reads), body, small)
layers = st.builds(s.LayerDeclaration, names, each, st.none() | locals_,
                   tuples(st.builds(s.HeadDeclaration, names, cases, cases, cases)), where, lets)
numbers = [settings_of("word", "tokens", "width", "blank", *s.NUMBERS[:k]) for k in (0, 1, 3)]
circuits = st.builds(s.CircuitDefinition, names, tuples(names), where, lets, st.one_of(*numbers), st.booleans(), arrays, readable,
                     tuples(small), messages, tuples(packets, most=1), tuples(layers), st.none() | finishes, where, lets)
lemmas = st.builds(s.LemmaDefinition, names, tuples(names), where, lets, small, small, where,
                   tuples(st.builds(s.FieldDeclaration, names, small, small)), tuples(small), cases, cases, tuples(small, 1))
functions = st.builds(s.FunctionDefinition, names, tuples(names), expressions)
rungs = st.just("") | names
uses = st.builds(s.Call, names, tuples(small), tuples(st.tuples(names, small)))
claims = st.builds(
    s.Claim, names,
    st.one_of(st.builds(s.Simulates, names, names, rungs), st.builds(s.Computes, names, small, each), st.builds(s.Fits, names),
              st.builds(s.Delivers, names, rungs), st.builds(s.Holds, small),
              st.builds(s.Propagates, names, st.none() | small),
              st.builds(s.Selects, st.builds(s.SelectorByName, names, tuples(small, 1, 3)), small, small),
              st.builds(s.ForReals, small, tuples(names, 1, 3), st.none() | small),
              st.builds(s.Reads, names, names, small, tuples(small, 1), each, st.none() | uses),
              st.builds(s.LemmaHolds, uses, st.none() | small)),
    st.sampled_from(["proved", "refuted", "undecided", "vacuous"]))
spans = st.one_of(small.map(lambda e: (e, e)), st.tuples(small, small))
theorems = st.builds(s.Theorem, names, tuples(st.builds(s.Domain, names, tuples(spans, 1, 3))), where, lets, tuples(claims))
files = tuples(st.one_of(st.builds(s.Use, names), functions, protocols, circuits, lemmas, theorems), 1, 3).map(s.SourceFile)


def comes_back(item: s.Item) -> None:
    assert parse(printer.item(item)).items == (item,)


# ---- any tree -----------------------------------------------------------------------------------


@given(expressions)
@settings(LOOSE, max_examples=600)
def test_expressions(e: s.Expr) -> None:
    assert parse_expression(printer.expression(e)) == e


@given(body)
@LOOSE
def test_statements(block: tuple[s.Statement, ...]) -> None:
    settings_ = (("word", s.Number(1)), ("memory", s.Number(1)), ("machines", s.Number(1)))
    comes_back(s.ProtocolDefinition("p", (), None, (), settings_, (), (), (), (), (), block))


@given(functions)
@LOOSE
def test_functions(item: s.Item) -> None:
    comes_back(item)


@given(protocols)
@LOOSE
def test_protocols(item: s.Item) -> None:
    comes_back(item)


@given(circuits)
@LOOSE
def test_circuits(item: s.Item) -> None:
    comes_back(item)


@given(lemmas)
@LOOSE
def test_lemmas(item: s.Item) -> None:
    comes_back(item)


@given(theorems)
@LOOSE
def test_theorems(item: s.Item) -> None:
    comes_back(item)


@given(files)
@LOOSE
def test_files(file: s.SourceFile) -> None:
    assert parse(printer.source(file)) == file


@given(expressions, expressions)
@LOOSE
def test_different_trees_have_different_texts(a: s.Expr, b: s.Expr) -> None:
    assert (printer.expression(a) == printer.expression(b)) == (a == b)


# ---- what ships ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_files_that_ship_come_back_and_printing_is_stable(path) -> None:
    file = parse(path.read_text(encoding="utf-8"))
    text = printer.source(file)
    assert parse(text) == file
    assert printer.source(parse(text)) == text


def reclosed(m: Protocol | Circuit) -> Protocol | Circuit:
    """What the model's text says."""
    loaded = load_text(printing.text(m))
    d = loaded.definitions[m.name]
    if isinstance(d, s.ProtocolDefinition):
        return close_protocol(d, {}, loaded.functions)
    assert isinstance(d, s.CircuitDefinition)
    return close_circuit(d, {}, loaded.functions)


@pytest.mark.parametrize("name", library_names())
def test_closed_library_models_and_their_circuits_come_back(name: str) -> None:
    loaded = load(data_folder("spec") / f"{name}.lks")
    models, seen = Models({**loaded.definitions}), 0
    definition = loaded.definitions[name]
    for theorem in loaded.theorems:
        for instance in instances(theorem, loaded.functions):
            if max(instance.values()) > 8:
                continue
            p = models.close(name, tuple(instance[k] for k in definition.parameters), theorem.span)
            assert reclosed(p) == p
            if isinstance(p, Protocol):
                c = transformer(p)
                assert reclosed(c) == c
            seen += 1
    assert seen >= 3


LEMMA = """function gap(i) = if i == 0 then 0 else gap(i - 1) + 1;
lemma last(n, sigma) where n >= 1 {
  let M = 2 * n; rows 1..n; mask strict or window(1, n);
  field mine in 1..sigma; field before in 0..self;
  assume mine <= gap(self) + sigma; query (angle(mine, M), 1) when mine > n - 2 or self == 1; key angle(before, M, 9), 0;
  reads max(j for j in 1..self if j == 1 or before[j] == mine), self;
}
"""


def test_closed_lemmas_come_back() -> None:
    loaded = load_text(LEMMA)
    definition = loaded.definitions["last"]
    assert isinstance(definition, s.LemmaDefinition)
    lemma = close_lemma(definition, {"n": 4, "sigma": 2}, loaded.functions)
    again = load_text(printing.text(lemma))
    closed = again.definitions["last"]
    assert isinstance(closed, s.LemmaDefinition) and closed.parameters == () and list(again.definitions) == ["gap", "last"]
    assert close_lemma(closed, {}, again.functions) == lemma
    assert lemma.mask is not None and (lemma.mask.span.line, lemma.mask.span.column) == (3, 34)
