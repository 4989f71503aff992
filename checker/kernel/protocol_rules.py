"""Rules about protocols: memory bounds with inductive invariants, and reference functions."""

from __future__ import annotations

from collections.abc import Iterable

from checker.kernel.judgements import Computes, Fits, instances
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.solver import Later, Tally, prove
from checker.language import syntax as s
from checker.models.protocol import Protocol, Round
from checker.semantics import protocols as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import Condition, Fault, Message, Scope, View, evaluate
from checker.semantics.intervals import MANY
from checker.semantics.protocols import Inputs, State, Uniform
from checker.semantics.terms import ArraySymbol, Term, Value
from checker.semantics.values import Unsupported


def fits(j: Fits, *premises: Proved) -> Proved:
    """Follow the protocol round by round over unknown inputs. A round with `keeps` starts from every state of the
    same shape that satisfies the invariant, which is shown to hold where the round is entered. Many machines are followed
    together if who sends to whom does not depend on data; a protocol with numbers also over all functions of its circuit."""
    if j.protocol.numeric:
        from checker.kernel.mpc_rules import fits_with_numbers

        return fits_with_numbers(j, *premises)
    if j.protocol.machines >= MANY:
        try:
            return _fits_together(j)
        except (Unsupported, Fault):
            pass
    try:
        return _fits(j)
    except Unsupported as reason:
        raise NotProved(f"no symbolic form: {reason}") from None
    except Fault as fault:
        raise NotProved(f"a run is undefined: {fault.message}") from None


def _fits_together(j: Fits) -> Proved:
    from checker.kernel.oblivious_rules import follow

    tally = Tally()
    forms = follow(j.protocol, tally)
    detail = f"{tally}; {forms.runs} runs whatever the words are, for {forms.machines} local functions"
    return conclude(j, "follow the rounds over unknown words", detail)


def _fits(j: Fits) -> Proved:
    p, tally = j.protocol, Tally()
    inputs = sem.symbols(p)
    known = Later(lambda: sem.assumptions(p, inputs))
    state: State = sem.start(p)
    abstracted = 0
    for r, round_ in enumerate(p.rounds):
        where = f"round {r + 1} ({round_.name})"
        if round_.keeps:
            _keeps_hold(p, round_, state, inputs, known, f"{where}: keeps", tally)
            if isinstance(state, Uniform):
                state, more = abstract(p, round_, r, state, inputs)
                known, abstracted = known.with_more(more), abstracted + 1
        done = sem.step(p, r, state, inputs)
        _conditions(done.conditions, known, where, tally)
        for x in done.traffic:
            who = f"machine {x.machine}" if x.machine else "every machine"
            prove(v.at_most(x.words, p.memory), known, f"{where}: {who} {x.kind} at most {p.memory} words", tally)
        state = done.state
    _, conditions = sem.finish(p, state, inputs)
    _conditions(conditions, known, "finish", tally)
    invariant = f"; {abstracted} rounds from an arbitrary state that satisfies `keeps`" if abstracted else ""
    return conclude(j, "follow the rounds over unknown inputs", f"{tally}{invariant}")


def _conditions(conditions: list[Condition], known: Iterable[Value], where: str, tally: Tally) -> None:
    for c in conditions:
        prove(c.term, known, f"{where}: {c.reason}", tally)


def _keeps_hold(
    p: Protocol, round_: Round, state: State, inputs: Inputs, known: Iterable[Value], where: str, tally: Tally
) -> None:
    for e in round_.keeps:
        conditions: list[Condition] = []
        scope = sem.keeps_scope(p, state, inputs, conditions)
        body = _for_every_machine(e, p.machines)
        if body is not None and isinstance(state, Uniform):
            prove(evaluate(body[0], scope.bind(**{body[1]: sem.self_term(p.machines)})), known, where, tally)
        else:
            prove(evaluate(e, scope), known, where, tally)
        _conditions(conditions, known, where, tally)


def _for_every_machine(e: s.Expr, machines: int) -> tuple[s.Expr, str] | None:
    match e:
        case s.Reduce("all", body, s.OverRange(variable, s.Number(1), s.Number(high)), None) if high == machines:
            return body, variable
    return None


def abstract(p: Protocol, round_: Round, r: int, state: Uniform, inputs: Inputs) -> tuple[Uniform, list[Value]]:
    """Every state of the same shape: each word an unknown function of the machine.

    Where `keeps` says f[g[i]] == i for every machine i, and both map machines to machines, g is injective on a finite set,
    so both are permutations, inverse to each other."""
    fresh = _fresh(p, r, state, {})
    pairs: dict[str, str] = {}
    rest: list[s.Expr] = []
    for e in round_.keeps:
        body = _for_every_machine(e, p.machines)
        found = None if body is None else _inverse_pairs(body, p, fresh, inputs)
        if found is None:
            rest.append(e)
        else:
            for f, g in found:
                pairs.setdefault(f, g)
                pairs.setdefault(g, f)
    if any(pairs[pairs[f]] != f for f in pairs):
        raise Unsupported("invariants that pair one function with two others")
    result = _fresh(p, r, state, pairs)
    conditions: list[Condition] = []
    more = [evaluate(e, sem.keeps_scope(p, result, inputs, conditions)) for e in rest]
    return result, more


def _fresh(p: Protocol, r: int, state: Uniform, inverses: dict[str, str]) -> Uniform:
    me = sem.self_term(p.machines)
    inbox = []
    for place, m in enumerate(state.inbox, 1):
        ranges = [*p.message(m.tag).words, (1, p.machines)]
        names = [f"{m.tag}#{place}.{k}@{r + 1}" for k in range(1, len(ranges))] + [f"source#{place}@{r + 1}"]
        read = [
            t.read(ArraySymbol(n, p.machines, low, high, inverses.get(n)), me)
            for n, (low, high) in zip(names, ranges, strict=True)
        ]
        inbox.append(Message(m.tag, tuple(read[:-1]), read[-1]))
    return Uniform(tuple(inbox), p.machines)


def _inverse_pairs(body: tuple[s.Expr, str], p: Protocol, state: Uniform, inputs: Inputs) -> list[tuple[str, str]] | None:
    me = sem.self_term(p.machines)
    conditions: list[Condition] = []
    value = evaluate(body[0], sem.keeps_scope(p, state, inputs, conditions).bind(**{body[1]: me}))
    parts = value.args if isinstance(value, Term) and value.op == "and" else (value,)
    pairs: list[tuple[str, str]] = []
    for part in parts:
        f = _identity(part, me, p.machines)
        if f is None:
            return None
        pairs.append(f)
    return None if conditions else pairs


def _identity(part: Value, me: Term, q: int) -> tuple[str, str] | None:
    """(f, g) if the condition is f[g[me]] == me for f, g from 1..q to 1..q."""
    if not (isinstance(part, Term) and part.op == "eq0"):
        return None
    constant, terms = t.split(part.args[0])
    if constant != 0 or sorted(terms.values()) != [-1, 1] or me not in terms:
        return None
    outer = next(x for x in terms if x is not me)
    if outer.op != "read" or not isinstance(outer.args[1], Term) or outer.args[1].op != "read" or outer.args[1].args[1] is not me:
        return None
    f, g = outer.args[0], outer.args[1].args[0]
    return (f.name, g.name) if all((a.size, a.low, a.high) == (q, 1, q) for a in (f, g)) and f.name != g.name else None


def computes(j: Computes, protocol_fits: Proved) -> Proved:
    """Run the protocol over unknown inputs to its output terms, and compare them with the reference. That the run is
    defined is the premise."""
    p = j.subject
    if not isinstance(p, Protocol) or p.numeric or protocol_fits.judgement != Fits(p):
        raise NotProved("the rule needs a protocol that fits")
    tally, own = Tally(), {f.name: f for f in p.functions}
    if any(own.get(f.name, f) != f for f in j.functions):
        raise NotProved("the rule needs functions that mean the same in the protocol and in the equation")
    try:
        inputs = sem.symbols(p)
        known = sem.assumptions(p, inputs)
        outputs = sem.run(p, inputs).outputs
        names = {a.name: View(a.name, tuple(outputs[a.name, k] for k in range(1, a.size + 1)), 1, a.size) for a in p.outputs}
        scope = sem.input_scope(p, inputs)
        for variables in instances(j.each):
            conditions: list[Condition] = []
            place = Scope({**scope.names, **names, **variables}, {f.name: f for f in j.functions}, conditions=conditions)
            what = "the equation" + "".join(f" at {k} = {x}" for k, x in variables.items())
            prove(evaluate(j.equation, place), known, what, tally)
            _conditions(conditions, known, what, tally)
    except Unsupported as reason:
        raise NotProved(f"no symbolic form: {reason}") from None
    except Fault as fault:
        raise NotProved(f"undefined: {fault.message}") from None
    return conclude(j, "run over unknown inputs and compare", str(tally), protocol_fits)
