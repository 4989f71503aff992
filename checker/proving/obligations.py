"""A claim as a graph of named obligations: which judgements it takes, which rule joins them. Shared nodes are settled once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from checker.kernel.judgements import (
    Attends,
    Computes,
    Counts,
    Cut,
    Delivers,
    Fits,
    ForReals,
    Hints,
    Judgement,
    LayerStep,
    Performs,
    Picks,
    Propagates,
    Reads,
    Returns,
    Selects,
    Simulates,
    Use,
    runs,
)
from checker.kernel.proofs import NotProved, Proved
from checker.language import syntax as s
from checker.language.syntax import mentions
from checker.models.circuit import Circuit
from checker.models.lemma import Lemma
from checker.models.protocol import Protocol
from checker.semantics.precision import packets_of

Model = Protocol | Circuit
NO_HINTS = Hints()
Rule = Callable[..., Proved]
Content = tuple[Judgement, Rule, tuple[Any, ...]]


def _rule(j: Judgement) -> Rule:
    """The rule that concludes a judgement, if no other one is named. What only some of them need is imported with them."""
    from checker.kernel import enumeration, protocol_rules

    match j:
        case Fits():
            return protocol_rules.fits
        case Computes():
            return protocol_rules.computes
        case Counts():
            return enumeration.counts
        case Selects():
            from checker.kernel import certificates

            return certificates.selects
        case Propagates() | Attends():
            from checker.kernel import margins

            return margins.propagates if isinstance(j, Propagates) else margins.attends
        case Delivers():
            from checker.kernel import routing_rules

            return routing_rules.delivers
        case LayerStep() | Simulates():
            from checker.kernel import layer_rules

            return layer_rules.layer_step if isinstance(j, LayerStep) else layer_rules.simulates
        case Performs() | Returns():
            from checker.kernel import mpc_rules

            return mpc_rules.performs if isinstance(j, Performs) else mpc_rules.returns
        case ForReals():
            from checker.kernel import algebra

            return algebra.for_reals
        case Picks():
            from checker.kernel import lemma_rules

            return lemma_rules.picks
        case Reads():
            from checker.kernel import cut_rules

            return cut_rules.part_of


@dataclass(frozen=True, slots=True)
class Obligation:
    """One node: a judgement, the rule that concludes it, and the obligations that are its premises."""

    name: str
    judgement: Judgement
    premises: tuple[Obligation, ...]
    rule: Rule

    @property
    def content(self) -> Content:
        """All but the names. Whether a judgement is proved depends on its premises: other claims hint at others."""
        return self.judgement, self.rule, tuple(x.content for x in self.premises)


def obligation(j: Judgement, name: str, origins: tuple[Model, ...] = (), hints: Hints = NO_HINTS) -> Obligation:
    """The graph under a judgement; `origins` are what its model was compiled from, what that was compiled from, and so on.

    Raises `NotProved` if the circuit does not have the parts that its rule speaks of.
    """
    premises: list[Obligation] = []
    rule = _rule(j)
    match j:
        case Computes(Protocol() as p, equation, each, functions) if p.numeric:
            from checker.kernel.mpc_rules import computes_by_performing
            from checker.kernel.number_runs import performed_by

            rule, at = computes_by_performing, performed_by(p)
            premises = [
                obligation(Performs(p, at), f"{name}/performs", origins, hints),
                obligation(Computes(at, equation, each, functions), f"{name}/circuit", origins[1:], hints),
            ]
        case Computes(Protocol() as p):
            premises = [obligation(Fits(p), f"{name}/fits")]
        case Fits(p) if p.numeric:
            from checker.kernel.number_runs import performed_by

            premises = [obligation(runs(performed_by(p)), f"{name}/circuit", origins[1:], hints)]
        case Performs(p):
            premises = [obligation(Fits(p), f"{name}/fits", origins, hints)]
        case Returns(p, original):
            from checker.kernel.number_runs import performed_by

            at = performed_by(p)
            premises = [
                obligation(Performs(p, at), f"{name}/there", (at, original)),
                obligation(Simulates(at, original), f"{name}/back"),
            ]
        case Computes(Circuit() as c, equation, each, functions) if origins and isinstance(origin := origins[0], Protocol):
            from checker.kernel.layer_rules import computes_by_simulation

            rule = computes_by_simulation
            premises = [
                obligation(Simulates(c, origin), f"{name}/simulates"),
                obligation(Computes(origin, equation, each, functions), f"{name}/protocol"),
            ]
        case Computes(Circuit() as c) if hints.cuts:
            from checker.kernel.cut_rules import computes_by_cuts

            rule = computes_by_cuts
            premises = [by_cuts(c, hints, len(c.layers) - 1, name)]
        case Computes(Circuit() as c) if j == runs(c):
            from checker.kernel.range_rules import runs_in_ranges

            rule = runs_in_ranges
        case Computes():
            raise NotProved("the circuit was not compiled from a protocol here, and no cuts say what its heads read")
        case Reads(c, (cut, *_)):
            premises = [by_cuts(c, hints, cut.layer, name, cut.head)]
        case Delivers(c):
            from checker.kernel.margins import margins
            from checker.kernel.routing_rules import selector_of

            premises = [
                obligation(selector_of(j), f"{name}/selector"),
                obligation(Propagates(c, margins(c)[0]), f"{name}/propagation"),
                *_lemma(c),
            ]
        case Attends(c):
            from checker.kernel.margins import margins

            premises = [obligation(Propagates(c, margins(c)[0]), f"{name}/scores")]
        case LayerStep(c, p, k):
            premises = [obligation(Fits(p), f"{name}/fits"), *_lemma(c)]
            if 0 < k < len(c.layers) and mentions(c.layers[k], "packed"):
                from checker.kernel.routing_rules import routing_head

                premises += [obligation(routing_head(c, k, x), f"{name}/{x.name}") for x in packets_of(c, c.layers[k])]
        case Simulates(c, p):
            premises = [obligation(Fits(p), f"{name}/fits")]
            premises += [obligation(LayerStep(c, p, k), f"{name}/layer {k + 1}") for k in range(len(c.layers))]
        case _:
            pass
    return Obligation(name, j, tuple(premises), rule)


def by_cuts(c: Circuit, hints: Hints, last: int, name: str, only: str = "") -> Obligation:
    """What the heads of the layers up to `last` (0-based) read, one layer by its lemmas after the other; of the last layer `only`
    one head if it is named and numbers are not rounded (if they are, all must be shown to be representable).

    Raises `NotProved` if a head has no cut, or the cut no lemma."""
    from checker.kernel.cut_rules import ByLemmas, all_heads
    from checker.kernel.lemma_rules import margin_of

    found: dict[tuple[int, str], tuple[Cut, Use]] = {}
    for cut, use in hints.cuts:
        if cut.layer <= last:
            found.setdefault((cut.layer, cut.head), (cut, use or _own_lemma(c, cut, hints.functions)))
    only = "" if c.fraction is not None else only
    whole: list[Cut] = []
    below: list[Obligation] = []
    for number in range(last + 1):
        heads = [(n, h) for n, h in all_heads(c) if n == number and (number < last or not only or h.name == only)]
        if not heads:
            continue
        missing = [h.name for n, h in heads if (n, h.name) not in found]
        if missing:
            raise NotProved(f"no cut says what head {missing[0]} of layer {number + 1} reads")
        here = [found[n, h.name] for n, h in heads]
        margins_ = [margin_of(use.lemma) for _, use in here]
        whole += [replace(cut, margin=m) for (cut, _), m in zip(here, margins_, strict=True)]
        lemmas = [obligation(Picks(use.lemma, m), f"{use.lemma.name}") for (_, use), m in zip(here, margins_, strict=True)]
        j = Reads(c, tuple(whole), hints.functions)
        uses = tuple(use for _, use in here)
        below = [Obligation(f"{name}/layer {number + 1}", j, (*below, *lemmas, *_lemma(c)), ByLemmas(uses))]
    return below[0]


def _own_lemma(c: Circuit, cut: Cut, functions: tuple[s.FunctionDefinition, ...]) -> Use:
    """A head whose scores do not depend on data is its own lemma."""
    layer = c.layers[cut.layer]
    head = next(h for h in layer.heads if h.name == cut.head)
    if mentions((head.query, head.key), "row"):
        raise NotProved(f"the scores of head {cut.head} depend on data, and its cut names no lemma")
    everything = tuple(dict.fromkeys((*c.functions, *functions)))
    lemma = Lemma(cut.head, c.rows.start, c.rows.stop - 1, layer.mask, (), (), head.query, head.key, cut.rows, everything)
    return Use(lemma, ())


def _lemma(c: Circuit) -> list[Obligation]:
    from checker.kernel.softmax_lemma import lemma_for

    return [obligation(x, f"Lemma A.2/{n}") for n, x in enumerate(lemma_for(c), 1)]


@dataclass(slots=True)
class Prover:
    """Settles obligations, each content once. `settled` has the proofs, or the reasons that there are none."""

    settled: dict[Content, Proved | NotProved] = field(default_factory=dict)

    def prove(self, o: Obligation) -> Proved:
        """The proof of an obligation, premises first. Raises `NotProved`."""
        key = o.content
        if key not in self.settled:
            try:
                self.settled[key] = o.rule(o.judgement, *(self.prove(x) for x in o.premises))
            except NotProved as reason:
                self.settled[key] = reason
            except RecursionError:
                self.settled[key] = NotProved("the expressions are nested too deep to follow")
        found = self.settled[key]
        if isinstance(found, NotProved):
            raise found
        return found
