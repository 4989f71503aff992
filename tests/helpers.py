"""What several test files share: models from text, closed mutants, all inputs by the replay interpreters."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import cache

from checker.compilers.protocol_to_circuit import transformer
from checker.elaboration.closing import close_circuit, close_protocol
from checker.elaboration.library import load, load_text
from checker.elaboration.theorem_to_claims import ClaimAt, claims
from checker.kernel.by_replay import violated
from checker.kernel.enumeration import every_input
from checker.kernel.judgements import Computes, Fits, Judgement, Simulates
from checker.kernel.proofs import NotProved, Outcome, Proved
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE
from checker.language.resources import data_folder
from checker.models import printing
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol
from checker.proving.checking import Checker
from checker.proving.obligations import Prover, obligation


@cache
def library(name: str, *arguments: int) -> Protocol:
    """A protocol of spec/ at its parameters."""
    loaded = load(data_folder("spec") / f"{name}.lks")
    d = loaded.definitions[name]
    assert isinstance(d, s.ProtocolDefinition)
    return close_protocol(d, dict(zip(d.parameters, arguments, strict=True)), loaded.functions)


def protocol(text: str) -> Protocol:
    """The one protocol without parameters in a text, names checked."""
    loaded = load_text(text)
    (d,) = [x for x in loaded.definitions.values() if isinstance(x, s.ProtocolDefinition)]
    return close_protocol(d, {}, loaded.functions)


def circuit(text: str) -> Circuit:
    """The one circuit without parameters in a text, names checked."""
    loaded = load_text(text)
    (d,) = [x for x in loaded.definitions.values() if isinstance(x, s.CircuitDefinition)]
    return close_circuit(d, {}, loaded.functions)


@cache
def compiled_text(p: Protocol, selector: str = "best", embedding: str = "best") -> str:
    return printing.text(transformer(p, selector, embedding).at("exact"))


def replaced(text: str, old: str, new: str, count: int = 1) -> str:
    """The text with an edit that is sure to change it."""
    assert old in text and old != new
    return text.replace(old, new, count)


def proof(j: Judgement, prover: Prover | None = None) -> Proved | None:
    """By the rules alone, without enumeration; None if there is none."""
    try:
        return (prover or Prover()).prove(obligation(j, ""))
    except NotProved:
        return None


def verdict(j: Judgement, timeout: float = 2.0, checker: Checker | None = None) -> Outcome:
    """What `lockstep check` says."""
    claim = ClaimAt("test", "it", (), "", "proved", NOWHERE, (j,))
    return (checker or Checker(timeout, only_falsify=False)).outcome(claim)


def wrong_inputs(j: Fits | Simulates | Computes) -> Iterator[dict[str, tuple[int, ...]]]:
    """Every input at which the judgement is false, by the replay interpreters."""
    m = j.protocol if isinstance(j, (Fits, Simulates)) else j.subject
    return (words for words in every_input(m.inputs, m.requires, m.functions) if violated(j, words) is not None)


def judgements(text: str) -> dict[str, Judgement]:
    """The judgement behind each claim of a text whose theorems have one instance."""
    return {c.name: c.judgements[0] for c in claims(load_text(text))}


def gone(group: int) -> bool:
    """Does nothing run in a group of processes, after some seconds at the latest? What has ended may be listed for a while."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False
