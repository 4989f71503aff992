"""Theorems of `proofs/` at instances of one's own: what benchmarks prove is what the file states."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import inf

from checker.elaboration.library import Loaded, load
from checker.elaboration.theorem_to_claims import ClaimAt, claims
from checker.kernel.judgements import Judgement
from checker.kernel.proofs import NotProved
from checker.language import syntax as s
from checker.language.resources import data_folder
from checker.proving.checking import Checker

Domains = Mapping[str, tuple[int, int]]  # the least and the largest value of each parameter


def theorems_of(file: str, domains: Mapping[str, Domains]) -> Loaded:
    """A file of proofs/ with some of its theorems, by their names, at instances of one's own."""
    loaded = load(data_folder("proofs") / f"{file}.lks")
    found = []
    for t in loaded.theorems:
        if t.name in domains:
            here = tuple(s.Domain(x, ((s.Number(a), s.Number(b)),)) for x, (a, b) in domains[t.name].items())
            found.append(replace(t, domains=here, where=None))
    return replace(loaded, theorems=tuple(found))


def instances_of(file: str, domains: Mapping[str, Domains]) -> list[ClaimAt]:
    """The claims and cuts of these theorems, in the order of the file."""
    return list(claims(theorems_of(file, domains)))


def prove_all(wanted: Iterable[ClaimAt]) -> list[Judgement]:
    """What was proved, in order, settled as `lockstep check` does it. Raises `NotProved`."""
    checker, found = Checker(inf, only_falsify=False), list[Judgement]()
    for claim in wanted:
        outcome = checker.outcome(claim)
        if outcome.verdict != "PROVED":
            raise NotProved(f"{claim.theorem}.{claim.name}: {outcome.verdict} {outcome.reason}")
        found += claim.judgements
    return found
