"""The routing lemma (Lemma 3.2) for a head with its queries, keys, packets and decoder, on every rung."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from checker.kernel.judgements import Delivers, Propagates, Selects
from checker.kernel.margins import key_numbers
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.softmax_lemma import lemma_for
from checker.language import syntax as s
from checker.language.syntax import mentions
from checker.models.circuit import Circuit, Packets
from checker.semantics import circuits as sem
from checker.semantics import packets as pk
from checker.semantics.expressions import Fault, evaluate, truth
from checker.semantics.precision import ZERO, largest_field, noise, numbers_of, routed_spread, shown, undecoded, unit
from checker.semantics.values import Unsupported


def routing_head(c: Circuit, number: int, packets: Packets) -> Delivers:
    """The judgement about the one head of a layer (0-based) that carries these packets, stripped of all that does not matter
    to it. The rest of the layer is in its `noise`."""
    layer = c.layers[number]
    heads = [h for h in layer.heads if mentions(h, "packed") and mentions(h, packets.name)]
    if len(heads) != 1:
        raise NotProved(f"layer {layer.name}: expected one head that carries {packets.name}, found {len(heads)}")
    stripped = replace(
        c,
        name="",
        requires=(),
        inputs=(),
        readouts=(),
        outputs=c.outputs,
        packets=(packets,),
        messages=tuple(m for m in c.messages if m.tag in packets.tags),
        layers=(replace(layer, name="", local=None, heads=(replace(heads[0], name=""),)),),
    )
    if number + 1 < len(c.layers):
        stripped = replace(stripped, finish=None)
    try:
        return Delivers(stripped, noise(c, number, packets))
    except (Unsupported, Fault) as reason:
        raise NotProved(f"layer {layer.name}: no bound on the stream: {reason}") from None


def selector_of(j: Delivers) -> Selects:
    """At most b senders to a machine, each with at most b messages: b^2 rows of the matrix meet."""
    p = j.circuit.packets[0]
    return Selects(p.selector, pk.selector_rows(p), p.messages**2)


def delivers(j: Delivers, selector: Proved, propagation: Proved, *lemma: Proved) -> Proved:
    """Lemma 3.2. A machine hears the average over its c <= b senders, so the last coordinate of a packet is
    (number of writers) / c. By the selector property each message to it has a packet with one writer, so the least nonzero
    one is 1/c. What is read is off by at most `error`; as long as the decoder bears that (`undecoded`), packets without a
    writer stay at most `heard`, the nearest reciprocal is that of c, packets with one writer are the clean ones, and times
    c they round to the message as it was written. Those for somebody else are dropped."""
    c, p = j.circuit, j.circuit.packets[0]
    scores = propagation.judgement
    if any(x.mask is not None for x in c.layers):
        raise NotProved(f"{p.name} is delivered by a head with a mask, and the lemma speaks of heads that attend to all rows")
    if selector.judgement != selector_of(j) or not isinstance(scores, Propagates) or scores.circuit != c:
        raise NotProved("the rule needs the selector and the propagation of this very head")
    if tuple(x.judgement for x in lemma) != lemma_for(c):
        raise NotProved("the rule needs Lemma A.2")
    spread = routed_spread(c, p, scores.margins)
    if spread is None:
        raise NotProved(f"the scores do not tell senders from others: {scores.margins}")
    error = j.noise + unit(c) + spread * largest_field(c, p)
    problem = undecoded(p, error)
    if problem:
        raise NotProved(problem)
    try:
        _values_are_packets(c, p)
    except Unsupported as reason:
        raise NotProved(f"the values of the head have no symbolic form: {reason}") from None
    except Fault as fault:
        raise NotProved(f"undefined: {fault.message}") from None
    if c.fraction is not None and c.integer is not None:
        for name, size, fine in (*numbers_of(c, c.layers[0].heads[0], ZERO), ("key", *key_numbers(c))):
            if not (size < 2**c.integer and fine <= c.fraction):
                raise NotProved(
                    f"a {name} may reach {shown(size)} and needs {fine} fraction bits: there are {c.integer} integer bits"
                    f" and {c.fraction} fraction bits"
                )
    off = "" if c.rung == "exact" else f"; a coordinate is off by less than {shown(error)}"
    detail = f"{p.messages}^2 rows of the selector meet; heard above {p.heard}{off}"
    return conclude(j, "routing lemma (Lemma 3.2)", detail, selector, propagation, *lemma)


@lru_cache(maxsize=200)
def _values_are_packets(c: Circuit, p: Packets) -> None:
    head = c.layers[0].heads[0]
    packed = s.Call("packed", (s.Name(p.name),))
    for i in c.rows:
        case = _case(c, head.value, i)
        machine = 1 <= i <= p.machines
        if machine and (case is None or case.value != packed):
            raise NotProved(f"the value of row {i} is not packed({p.name})")
        if not machine and case is not None and case.value != packed and not _is_zero(c, case, i):
            raise NotProved(f"the value of row {i}, which sends nothing, is not zero")


def _case(c: Circuit, cases: tuple[s.Case, ...], i: int) -> s.Case | None:
    scope = sem.row_scope(c, i, sem.opaque(c, i))
    for case in cases:
        if case.condition is None:
            return case
        if mentions(case.condition, "row", "packed", "destinations", *(a.name for a in c.outputs)):
            raise NotProved("a case that depends on data")
        if truth(evaluate(case.condition, scope), case.span):
            return case
    return None


def _is_zero(c: Circuit, case: s.Case, i: int) -> bool:
    value = sem.select((s.Case(case.value, None),), sem.row_scope(c, i, sem.opaque(c, i)), c.width)
    return not value.entries and not value.rows
