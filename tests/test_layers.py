"""Layers that look right to a rule that overlooks something; the rules alone must refuse them."""

from pathlib import Path

import pytest

from checker.compilers.protocol_to_circuit import transformer
from checker.elaboration.closing import close_circuit, close_protocol
from checker.elaboration.library import load
from checker.kernel.judgements import Simulates
from checker.kernel.proofs import NotProved, Proved
from checker.language import syntax as s
from checker.language.diagnostics import SpecError
from checker.language.parser import parse
from checker.models import printing
from checker.models.protocol import Protocol
from checker.proving.obligations import Prover, obligation
from checker.proving.passes import check_files

ROOT = Path(__file__).resolve().parents[1]
HEAD = "    head clear {"


def tree_sum() -> Protocol:
    loaded = load(ROOT / "spec" / "tree_sum.lks")
    definition = loaded.definitions["tree_sum"]
    assert isinstance(definition, s.ProtocolDefinition)
    return close_protocol(definition, {"n": 4, "s": 2, "p": 1}, loaded.functions)


def prove(edit: list[tuple[str, str]], functions: str = "") -> Proved:
    p = tree_sum()
    text = printing.text(transformer(p).at("exact"))
    for old, new in edit:
        start = text.index("layer add_1")
        assert old in text[start:], old
        text = text[:start] + text[start:].replace(old, new, 1)
    items = parse(functions + text).items
    known = {f.name: f for f in items if isinstance(f, s.FunctionDefinition)}
    circuit = items[-1]
    assert isinstance(circuit, s.CircuitDefinition)
    return Prover().prove(obligation(Simulates(close_circuit(circuit, {}, known), p), "edited"))


def test_the_compiled_layer_is_proved() -> None:
    assert prove([])


@pytest.mark.parametrize(
    "value", ["floor(row[1]) - row[1]", "row[1] mod 1", "ceil(row[1]) - floor(row[1])", "row[1] div 1 - row[1]"]
)
def test_a_coordinate_of_the_stream_need_not_be_whole(value: str) -> None:
    bad = f"    head bad {{ query (2 * self, 1); key (self, -self^2); value unit(1, {value}); }}\n"
    with pytest.raises(NotProved):
        prove([(HEAD, bad + HEAD)])


@pytest.mark.parametrize("hidden", ["destinations(mail)", "packed(mail)"])
def test_a_function_cannot_hide_what_a_query_or_value_depends_on(hidden: str) -> None:
    bad = "    head bad { query zeros(1); key zeros(1); value secret(0); }\n"
    with pytest.raises((NotProved, SpecError)):
        prove([(HEAD, bad + HEAD)], f"function secret(a) = {hidden};\n")


def report(tmp_path: Path, text: str) -> list[tuple[str, tuple[tuple[str, int], ...]]]:
    (tmp_path / "t.lks").write_text("use tree_sum from library;\n" + text, encoding="utf-8")
    return [(r.outcome.verdict, r.instance) for r in check_files([tmp_path / "t.lks"]).results]


def test_a_condition_on_instances_may_call_functions(tmp_path: Path) -> None:
    text = "theorem t for n in 2..9 where height(n, 2) == 3 { let P = tree_sum(n, 2, 1); claim c: rounds(P) == 3; }"
    assert report(tmp_path, text) == [("PROVED", (("n", n),)) for n in (5, 6, 7, 8)]


def test_a_condition_on_instances_that_is_not_known_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError):
        report(tmp_path, "theorem t for n in 0..2 where 1 / n == 1 { let P = tree_sum(4, 2, 1); claim c: P fits; }")


def test_simulation_between_different_inputs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="same inputs"):
        report(
            tmp_path, "theorem t { let P = tree_sum(4, 2, 1); let T = transformer(tree_sum(5, 2, 1)); claim c: T simulates P; }"
        )
