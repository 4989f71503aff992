"""Rules about circuits: one step a layer, from any stream that reads as it should, and the composition of the steps
(Theorem 3.1)."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from checker.kernel.judgements import Computes, Fits, LayerStep, Simulates
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.routing_rules import routing_head
from checker.kernel.softmax_lemma import lemma_for
from checker.kernel.solver import Tally, prove
from checker.language import syntax as s
from checker.language.syntax import mentions
from checker.models.circuit import Circuit, Head, Layer, Local
from checker.models.protocol import Protocol, held, words_of
from checker.semantics import circuits as sem
from checker.semantics import protocols as ps
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Condition, Fault, Message, Scope, Vec, evaluate
from checker.semantics.machines import Effect, run_local
from checker.semantics.masks import unmasked
from checker.semantics.precision import block_of, error, numbers_of, packets_of, reaches, readers, shown
from checker.semantics.terms import Term
from checker.semantics.values import Unsupported

# ---- one layer ------------------------------------------------------------------------------


def layer_step(j: LayerStep, fits: Proved, *routed: Proved) -> Proved:
    """A layer does its part, from an arbitrary valid residual stream."""
    if fits.judgement != Fits(j.protocol):
        raise NotProved("the rule needs a protocol that fits")
    if j.protocol.numeric:
        raise NotProved("the rule needs a protocol whose messages carry words only")
    if any(all(x.judgement != needed for x in routed) for needed in lemma_for(j.circuit)):
        raise NotProved("the rule needs Lemma A.2")
    try:
        return _layer_step(j, fits, *routed)
    except Unsupported as reason:
        raise NotProved(f"{j}: no symbolic form: {reason}") from None
    except Fault as fault:
        raise NotProved(f"{j}: undefined: {fault.message}") from None


def _layer_step(j: LayerStep, fits: Proved, *routed: Proved) -> Proved:
    c, p, k = j.circuit, j.protocol, j.layer
    unmasked(c)  # what follows reasons about heads that attend to all rows
    rounds, fused = len(p.rounds), c.finish is not None
    if len(c.layers) != rounds + (1 if fused else 2):
        raise NotProved(f"expected {rounds + (1 if fused else 2)} layers for {rounds + 1} local functions, found {len(c.layers)}")
    _same_interface(c, p)
    _representable(c, k)
    did = []
    if k > 0:
        _same_reads(c, p, k)
        did.append(_same_local(c, p, c.layers[k], k))
    if fused and k == len(c.layers) - 1:
        did.append(_finishes(c, p))
    if k == 0:
        return conclude(j, "fixed attention pattern (Lemma B.4)", "; ".join([_dealt(c, p), *did]), fits, *routed)
    if k == rounds + 1:
        return conclude(j, "fixed attention pattern (Lemma B.6)", "; ".join([*did, _collected(c, p, k)]), fits, *routed)
    _capacity(c, p, k)
    for packets in packets_of(c, c.layers[k]):
        if not any(x.judgement == routing_head(c, k, packets) for x in routed):
            raise NotProved(f"the rule needs the routing lemma for {packets.name}")
    return conclude(j, "one round (Lemma 3.2 and clearing)", "; ".join([*did, _cleared(c, p, k)]), fits, *routed)


def _same_interface(c: Circuit, p: Protocol) -> None:
    if c.inputs != p.inputs or c.outputs != p.outputs:
        raise NotProved("circuit and protocol have different inputs or outputs")
    if c.messages != p.messages:
        raise NotProved("circuit and protocol have different types of messages")
    if any(f.name == g.name and f != g for f in c.functions for g in p.functions):
        raise NotProved("circuit and protocol use different functions of one name")
    if c.tokens != p.words_in or len(words_of(p.outputs)) > c.tokens + c.blank:
        raise NotProved("a token for each input and output word is needed")
    if p.machines > c.tokens + c.blank:
        raise NotProved("a token for each machine is needed")
    for x in c.packets:  # of blocks that no head writes too: they say as well which destinations there are
        if x.machines != p.machines:
            raise NotProved(f"{x.name} is for {x.machines} machines, the protocol has {p.machines}")


def _off(error: Fraction) -> str:
    return f", off by at most {shown(error)}" if error else ""


def _dealt(c: Circuit, p: Protocol) -> str:
    """Layer 1, computed over unknown inputs: machine i finds exactly the words that lie on it, however heads round."""
    inputs = ps.symbols(p)
    if c.layers[0].local is not None:
        raise NotProved("a local block in the first layer")
    off, exact = error(c, 0), c.at("exact")
    rows = sem.apply_layer(exact, exact.layers[0], sem.initial(exact, inputs))
    if len(c.layers) > 1:
        layer, tokens = c.layers[1], {i: i for i in range(1, p.machines + 1)}
    else:
        layer, tokens = sem.finish_layer(c), readers(c)
    if layer.local is None:
        raise NotProved(f"layer {layer.name} has no local block")
    for w, i in tokens.items():
        found = sem.inputs_read(c, layer, i, replace(rows[w], noise=(w, off) if off else None))
        for a in p.inputs:
            words = found.get(a.name, {})
            place = held(p.inputs, a.name, i, p.packing)
            if sorted(words) != list(place):
                raise NotProved(f"row {w} reads {a.name} at {sorted(words)}, machine {i} holds {list(place)}")
            for k in place:
                expected = t.read(inputs[a.name], k)
                if v.subtract(words[k], expected) != 0:
                    raise NotProved(f"row {w} reads {t.show(words[k])} for {a.name}[{k}]")
    return f"every machine reads its input words off its row{_off(off)}"


def _same_reads(c: Circuit, p: Protocol, k: int) -> None:
    layer = c.layers[k]
    if layer.local is None or (layer.local.low, layer.local.high) != (1, p.machines):
        raise NotProved(f"layer {layer.name} has no local block on rows 1..{p.machines}")
    if layer.local.machine is not None:
        raise NotProved(f"layer {layer.name}: every row must act as the machine of its number")
    _reads_all(c, p, layer.local, k)


def _reads_all(c: Circuit, p: Protocol, local: Local, k: int) -> None:
    """In the first local function the inputs, in all others the packets that the layer before wrote."""
    packets = [r.packets for r in local.reads if isinstance(r, s.ReadsPackets)]
    arrays = [r.array for r in local.reads if isinstance(r, s.ReadsInput)]
    if k == 1 and (packets or sorted(arrays) != sorted(a.name for a in p.inputs)):
        raise NotProved(f"local function {k}: expected to read each input once, and no packets")
    if k > 1 and (arrays or sorted(packets) != sorted(x.name for x in packets_of(c, c.layers[k - 1]))):
        raise NotProved(f"local function {k}: expected to read each block of packets of the layer before once, and no inputs")


def _finishes(c: Circuit, p: Protocol) -> str:
    """The token of every output word acts as the machine on which that word lies, and applies Local_R."""
    assert c.finish is not None
    words = words_of(p.outputs)
    if (c.finish.low, c.finish.high) != (1, len(words)):
        raise NotProved(f"expected to finish on rows 1..{len(words)}")
    for w, (name, k) in enumerate(words, 1):
        i = sem.machine_of(c, w)
        if not (1 <= i <= p.machines and k in held(p.outputs, name, i, p.packing)):
            raise NotProved(f"row {w} finishes as machine {i}, on which {name}[{k}] does not lie")
    _reads_all(c, p, c.finish, len(c.layers))
    if c.finish.body != p.finish:
        raise NotProved("what the output tokens do is not the text of the protocol's last local function")
    return "the output tokens apply the last local function as the machines of their words"


def _same_local(c: Circuit, p: Protocol, layer: Layer, number: int) -> str:
    """The local block is the protocol's local function: the same text, or else equal on every reachable state."""
    assert layer.local is not None
    body = p.finish if number == len(p.rounds) + 1 else p.rounds[number - 1].body
    if layer.local.body == body:
        return "the local function is the protocol's"
    tally, inputs = Tally(), ps.symbols(p)
    known = ps.assumptions(p, inputs)
    state = ps.run(p, inputs).states[number - 1]
    listed = state.listed() if isinstance(state, ps.Uniform) else state
    for i, inbox in listed.inboxes.items():
        conditions: list[Condition] = []
        mine = _effect(p, body, number, i, inbox, inputs)
        words = {a.name: {k: t.read(inputs[a.name], k) for k in held(p.inputs, a.name, i, p.packing)} for a in p.inputs}
        theirs = sem.run_row(c, layer, i, words if number == 1 else {}, inbox, conditions)
        for condition in conditions:
            prove(condition.term, known, f"row {i}: {condition.reason}", tally)
        _same_effect(mine, theirs, known, f"machine {i} in layer {layer.name}", tally)
    return f"the local function equals the protocol's on every reachable state ({tally})"


def _effect(
    p: Protocol, body: tuple[s.Statement, ...], number: int, i: int, inbox: tuple[Message, ...], inputs: ps.Inputs
) -> Effect:
    if body is p.finish:
        return ps.finish_at(p, i, inbox, inputs, [])
    scope = ps.machine_scope(p, inputs, number == 1, i, inbox, [])
    return run_local(body, scope, p.messages, p.machines)


def _same_effect(a: Effect, b: Effect, known: list[t.Value], where: str, tally: Tally) -> None:
    if [m.tag for m in a.sent] != [m.tag for m in b.sent] or a.assigned.keys() != b.assigned.keys():
        raise NotProved(f"{where}: other messages or output words")
    for m, n in zip(a.sent, b.sent, strict=True):
        prove(v.equal(m.guard, n.guard), known, f"{where}: a message is sent in the same cases", tally)
        for x, y in zip((m.destination, *m.words), (n.destination, *n.words), strict=True):
            prove(v.either(v.negate(m.guard), v.equal(x, y)), known, f"{where}: the same {m.tag}", tally)
    for key in a.assigned:
        prove(v.equal(a.assigned[key], b.assigned[key]), known, f"{where}: the same {key[0]}[{key[1]}]", tally)


def _capacity(c: Circuit, p: Protocol, k: int) -> None:
    blocks = packets_of(c, c.layers[k])
    tags = [tag for x in blocks for tag in x.tags]
    if sorted(tags) != sorted(m.tag for m in p.messages):
        raise NotProved("each type of message must be in one block of packets")
    taken: set[int] = set()
    for x in blocks:
        most = p.memory // min(len(p.message(tag).words) for tag in x.tags)
        if x.messages < most:
            raise NotProved(f"{x.name} carries {x.messages} messages a machine, {most} can be sent")
        block = block_of(c, x)
        if x.at < 1 or block.stop - 1 > c.width or not taken.isdisjoint(block):
            raise NotProved(f"{x.name} overlaps another block or leaves the row")
        taken.update(block)


def _static_sum(c: Circuit, heads: list[Head], states: dict[int, sem.RowState]) -> sem.Rows:
    """X plus the outputs of heads whose scores do not depend on data, from an arbitrary X."""
    total = {i: state.row for i, state in states.items()}
    for h in heads:
        if mentions((h.query, h.key), "row", *(a.name for a in c.outputs)):
            raise NotProved(f"the scores of head {h.name} depend on data")
        if mentions(h, "packed", "destinations"):
            raise NotProved(f"head {h.name} depends on messages, and no routing lemma covers it")
        out = sem.attend(c.at("exact"), h, states, None)
        total = {i: row.plus(out[i]) for i, row in total.items()}
    return total


@lru_cache(maxsize=100)
def _from_any(c: Circuit, heads: tuple[Head, ...]) -> sem.Rows:
    """The same from a stream of which nothing is known; layers with the same heads share it."""
    return _static_sum(c, list(heads), {i: sem.opaque(c, i) for i in c.rows})


def _cleared(c: Circuit, p: Protocol, k: int) -> str:
    """Where the packets go, all other heads together take away the old row of everyone who reads, or nothing was written."""
    layer, blocks = c.layers[k], packets_of(c, c.layers[k])
    others = [h for h in layer.heads if not mentions(h, "packed")]
    plain = c.at("exact") if mentions(tuple(others), *(a.name for a in c.outputs)) else sem.bare(c)
    rows = _from_any(plain, tuple(others))
    if len(layer.heads) - len(others) != len(blocks):
        raise NotProved(f"layer {layer.name} has a head that carries packets twice")
    read = readers(c) if k == len(c.layers) - 1 else range(1, p.machines + 1)
    if any(rows[w].entries for w in read):
        raise NotProved(f"layer {layer.name} writes something else than packets into a row")
    if all(not rows[w].rows for w in read):
        return "the old row is cleared"
    written = reaches(c)[k].written
    for w in read:
        if rows[w].rows and rows[w].rows != {w: 1}:
            raise NotProved(f"layer {layer.name} leaves something of the old stream in row {w}")
    if any(x in written for block in blocks for x in block_of(c, block)):
        raise NotProved(f"layer {layer.name} writes packets where an earlier layer wrote, and does not clear")
    return "the packets go where nothing was written before"


def _collected(c: Circuit, p: Protocol, number: int) -> str:
    """The last layer over unknown output words: the token of word w reads out that word, however heads round."""
    states = {i: sem.opaque(c, i) for i in c.rows}
    unknown: dict[tuple[str, int], Term] = {}
    for i in range(1, p.machines + 1):
        for a in p.outputs:
            for k in held(p.outputs, a.name, i, p.packing):
                unknown[a.name, k] = t.variable(f"{a.name}[{k}] of machine {i}", a.low, a.high)
                states[i].assigned[a.name, k] = unknown[a.name, k]
    rows, off = _static_sum(c, list(c.layers[number].heads), states), error(c, number)
    readouts = dict(zip((a.name for a in c.outputs), c.readouts, strict=True))
    for w, key in enumerate(words_of(c.outputs), 1):
        row = _without_old(c, number, w, rows[w], off)
        found = evaluate(readouts[key[0]], Scope({"self": w, "row": row}, sem.functions_of(c)))
        if v.subtract(found, unknown[key]) != 0:
            raise NotProved(f"token {w} reads out {t.show(found)}, not {key[0]}[{key[1]}]")
    return f"the rows of the output tokens hold the output{_off(off)}"


def _without_old(c: Circuit, number: int, w: int, row: Vec, off: Fraction) -> Vec:
    """A row that is off; if the old row is still in it, only coordinates where nothing was written before can be read."""
    if row.rows == {w: 1}:
        before = reaches(c)[number]
        kept = {k: v.add(row.entries.get(k, 0), t.coordinate(w, k)) for k in before.written}
        row, off = Vec({**row.entries, **kept}, row.length), off + before.blank
    return replace(row, noise=(w, off) if off else None)


def _representable(c: Circuit, number: int) -> None:
    """Def. A.1: every entry of the queries (times the scale), keys and values and of the stream is a multiple of 2^-f and
    smaller than 2^i."""
    if c.fraction is None or c.integer is None:
        return
    layer, bounds = c.layers[number], reaches(c)
    limit = 2**c.integer
    for what, size in (("before", bounds[number].size), ("behind", bounds[number + 1].size)):
        if not size < limit:
            raise NotProved(f"the stream {what} layer {layer.name} may reach {shown(size)}: {c.integer} integer bits hold less")
    for h in layer.heads:
        for name, size, grain in numbers_of(c, h, bounds[number].size):
            if not size < limit:
                raise NotProved(f"a {name} of head {h.name} may reach {shown(size)}: {c.integer} integer bits hold less")
            if grain > c.fraction:
                raise NotProved(f"a {name} of head {h.name} needs {grain} fraction bits, there are {c.fraction}")


# ---- composition ----------------------------------------------------------------------------


def simulates(j: Simulates, fits: Proved, *steps: Proved) -> Proved:
    """By induction over the layers: after layer r the rows read as MachineIn^(r), and each step keeps that."""
    if len(j.circuit.layers) != len(j.protocol.rounds) + (2 if j.circuit.finish is None else 1):
        raise NotProved("the rule needs a layer for every local function, but the last if the output tokens finish")
    expected = tuple(LayerStep(j.circuit, j.protocol, k) for k in range(len(j.circuit.layers)))
    if fits.judgement != Fits(j.protocol) or tuple(x.judgement for x in steps) != expected:
        raise NotProved("the rule needs a step for every layer, in order")
    return conclude(j, "composition of the layers (Theorem 3.1)", f"{len(steps)} layers, one cut each", fits, *steps)


def computes_by_simulation(j: Computes, simulation: Proved, reference: Proved) -> Proved:
    """A circuit that simulates a protocol computes what the protocol computes."""
    x, y = simulation.judgement, reference.judgement
    if not (isinstance(x, Simulates) and isinstance(y, Computes) and x.circuit == j.subject and x.protocol == y.subject):
        raise NotProved("the rule needs a simulation of a protocol and what that computes")
    if (j.equation, j.each, j.functions) != (y.equation, y.each, y.functions) or x.circuit.requires != x.protocol.requires:
        raise NotProved("the rule needs the same equation and the same `requires`")
    return conclude(j, "simulation carries over", x.protocol.name, simulation, reference)
