"""Verdicts on random small protocols against every input by the replay interpreters."""

from __future__ import annotations

from collections import Counter
from functools import cache
from random import Random

import pytest
from helpers import proof, protocol, verdict, wrong_inputs

from checker.compilers.protocol_to_circuit import transformer
from checker.elaboration.closing import fold
from checker.kernel.judgements import Computes, Fits, Simulates
from checker.kernel.proofs import Outcome
from checker.language.parser import parse_expression
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol

COUNT = 60
SEEDS = range(COUNT)


class Writer:
    """Local functions with destinations that are static or data, conditionals, and one or two types of messages."""

    def __init__(self, random: Random, machines: int, size: int) -> None:
        self.random, self.machines, self.size = random, machines, size

    def pick(self, *texts: str) -> str:
        return self.random.choice(texts)

    def bit(self, first: bool) -> str:
        """A number that is mostly 0 or 1."""
        if first:
            atom = self.pick("sum(x[k] for k in held(x))", "count(x[k] == 1 for k in held(x))", "self", "1", "0")
        else:
            atom = self.pick("sum(v for a(v) in inbox)", "count(a)", "count(b)", "sum(w for b(w, z) in inbox)", "self",
                             "sum(v * j for a(v) from j in inbox)")
        return self.pick(f"({atom}) mod 2", f"({atom}) mod 2", f"(if {atom} > 1 then 1 else 0)", f"min(1, {atom})")

    def place(self, data: str) -> str:
        q = self.machines
        return self.pick("self", "1", str(q), f"{q} + 1 - self", f"self mod {q} + 1", "ceil(self / 2)",
                         f"({data} + self) mod {q} + 1", f"1 + min({q - 1}, {data})",
                         f"(if {data} == 1 then 1 else {q})", *(["self + 1"] if self.random.random() < 0.2 else []))

    def send(self, first: bool) -> str:
        data = self.bit(first)
        if self.random.random() < 0.75:
            return f"send a({data}) to {self.place(self.bit(first))};"
        return f"send b({data}, {self.bit(first)}) to {self.place(data)};"

    def block(self, first: bool) -> str:
        kind = self.random.randrange(6)
        if kind == 0 and first:
            return f"for k in held(x) {{ send a(x[k]) to {self.place('x[k]')}; }}"
        if kind == 0:
            return f"for a(v) from j in inbox {{ send a(v) to {self.pick('j', self.place('v'))}; }}"
        if kind == 1:
            return f"if {self.bit(first)} == 1 {{ {self.send(first)} }} else {{ {self.send(first)} }}"
        if kind == 2:
            return f"if self == {self.random.randint(1, self.machines)} {{ {self.send(first)} }}"
        if kind == 3:
            return f"let d = {self.bit(first)}; if d == 1 {{ send a(d) to {self.place('d')}; }}"
        return self.send(first)


@cache
def random_protocol(seed: int) -> Protocol:
    random = Random(seed)
    machines = random.randint(1, 4)
    size = random.randint(1, min(6, 2 * machines))
    outputs = random.randint(1, min(2, 2 * machines))
    w = Writer(random, machines, size)
    rounds = "".join(f"round r{r} {{ {w.block(r == 0)} {w.block(r == 0) if random.random() < 0.2 else ''} }}\n"
                     for r in range(random.randint(1, 2)))
    return protocol(f"""protocol p {{ word 1; memory 2; machines {machines}; input x[{size}] in word; output y[{outputs}] in word;
        message a(word), b(word, word);
        {rounds} finish {{ for k in held(y) {{ y[k] = {w.bit(False)}; }} }} }}""")


@cache
def random_equation(seed: int) -> Computes:
    random, p = Random(-seed), random_protocol(seed)
    other = random.choice(["sum(x[j] for j in 1..n) mod 2", "x[1]", "max(x[j] for j in 1..n)", "x[n]", "0", "1"])
    equation = random.choice([f"y[k] == {other}", f"y[k] in 0..({other})", "y[k] <= 1", "y[k] < 2 and k <= 2",
                              f"y[k] >= {other}"])
    return Computes(p, fold(parse_expression(equation), {"n": p.words_in}, {}), ("k", 1, p.words_out))


@cache
def right(j: Fits | Computes | Simulates) -> bool:
    return next(wrong_inputs(j), None) is None


@cache
def fits(seed: int) -> Outcome:
    return verdict(Fits(random_protocol(seed)))


@cache
def computes(seed: int) -> Outcome:
    return verdict(random_equation(seed))


@cache
def compiled(seed: int) -> Circuit:
    return transformer(random_protocol(seed)).at("exact")


def agree(found: Outcome, true: bool) -> None:
    assert found.verdict in (("PROVED" if true else "REFUTED"), "UNDECIDED"), found


@pytest.mark.parametrize("seed", SEEDS)
def test_fits(seed: int) -> None:
    agree(fits(seed), right(Fits(random_protocol(seed))))


@pytest.mark.parametrize("seed", SEEDS)
def test_computes(seed: int) -> None:
    agree(computes(seed), right(random_equation(seed)))


@pytest.mark.parametrize("seed", [seed for seed in SEEDS if right(Fits(random_protocol(seed)))])
def test_what_fits_is_simulated(seed: int) -> None:
    j = Simulates(compiled(seed), random_protocol(seed))
    found = verdict(j)
    assert found.verdict == "PROVED", found
    assert right(j)


def test_rules_alone_prove_nothing_false_and_most_of_what_is_true() -> None:
    asked = [j for seed in SEEDS for j in (Fits(random_protocol(seed)), random_equation(seed))]
    found = Counter((right(j), proof(j) is not None) for j in asked)
    assert found[False, True] == 0 and found[False, False] >= COUNT / 4
    assert found[True, True] >= 2 * found[True, False]


def test_most_are_decided_and_both_ways() -> None:
    for found in (Counter(fits(seed).verdict for seed in SEEDS), Counter(computes(seed).verdict for seed in SEEDS)):
        assert found["UNDECIDED"] <= COUNT / 4
        assert min(found["PROVED"], found["REFUTED"]) >= COUNT / 6, found
