"""Rules of Theorem 3.4: a protocol with numbers fits, it performs its circuit, and what follows from that."""

from __future__ import annotations

from math import ceil, log2

from checker.kernel.judgements import Computes, Fits, Performs, Returns, Simulates, runs
from checker.kernel.number_runs import Followed, follow, performed_by
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.rational_functions import merges


def fits_with_numbers(j: Fits, *premises: Proved) -> Proved:
    """Follow the protocol over all inputs and all functions of its circuit; count the words of every machine in every round. That
    its circuit is defined is the premise: the functions have values then, and output words are in their ranges."""
    p = j.protocol
    if [x.judgement for x in premises] != [runs(performed_by(p))]:
        raise NotProved("the rule needs a circuit of which every run is defined")
    found = follow(p)
    for r, machine, kind, words in found.traffic:
        if words > p.memory:
            where = f"round {r} ({p.rounds[r - 1].name})"
            raise NotProved(f"{where}: machine {machine} {kind} {words} words, more than {p.memory}")
    idle = p.machines - len(found.busy)
    machines = f"all {p.machines:,} machines send or receive" if not idle else f"{idle:,} of {p.machines:,} machines are idle"
    return conclude(
        j,
        "follow the rounds over all inputs and row-wise functions",
        f"at most {found.most():,} words; {machines}; {found.tally}",
        *premises,
    )


def performs(j: Performs, fits: Proved) -> Proved:
    """Each layer's sums are those of the layer, composed along the trees by which its messages travel (Theorem C.1)."""
    p, c = j.protocol, j.circuit
    if fits.judgement != Fits(p):
        raise NotProved("the rule needs a protocol that fits")
    if performed_by(p) != c:
        raise NotProved("the rule needs a protocol that calls the functions of this circuit, on its rung")
    found = follow(p)
    if not all(merges(children) for children in range(1, found.merged + 1)):
        raise NotProved("the merge of partial sums is not the sum of all")
    return conclude(j, "partial softmax sums along the trees (Theorem 3.4)", _detail(found, j), fits)


def _detail(found: Followed, j: Performs) -> str:
    what = f"{found.parts:,} partial sums; merges of up to {found.merged} by sympy, as rational functions"
    if j.circuit.fraction is None:
        return f"{what}; over exact reals"
    off = "exact" if found.drift == 0 else f"at most 2^{ceil(log2(found.drift))} off"
    return f"{what}; sums {off}, a head may be 2^-{j.circuit.fraction} off; words of {j.protocol.word} bits"


def returns(j: Returns, performed: Proved, simulation: Proved) -> Proved:
    """The protocol's runs are runs of the circuit, and all of these put out what the original puts out."""
    x, y = performed.judgement, simulation.judgement
    if not (isinstance(x, Performs) and isinstance(y, Simulates) and x.circuit == y.circuit):
        raise NotProved("the rule needs a protocol that performs a circuit that simulates a protocol")
    if (x.protocol, y.protocol) != (j.protocol, j.original) or x.circuit.requires != y.protocol.requires:
        raise NotProved("the rule needs these protocols, with the same `requires`")
    return conclude(j, "there and back (Theorems 3.1 and 3.4)", x.circuit.name, performed, simulation)


def computes_by_performing(j: Computes, performed: Proved, reference: Proved) -> Proved:
    """A protocol that performs a circuit computes what all valid runs of the circuit compute."""
    x, y = performed.judgement, reference.judgement
    if not (isinstance(x, Performs) and isinstance(y, Computes) and x.protocol == j.subject and x.circuit == y.subject):
        raise NotProved("the rule needs a protocol that performs a circuit and what that computes")
    if (j.equation, j.each, j.functions) != (y.equation, y.each, y.functions):
        raise NotProved("the rule needs the same equation")
    return conclude(j, "performing carries over", x.circuit.name, performed, reference)
