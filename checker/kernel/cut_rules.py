"""Rules about circuits whose heads read rows that depend on data: one cut a head, by a lemma, and then the whole (Theorem 4.2).

The residual stream is followed for every input at once: row 0, if there is a start token, and the unknown row `SELF`, as terms
over the input arrays. What a head reads is what its cut says, so that its output is a substitution: row e's value for SELF = e.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from checker.kernel.judgements import Computes, Cut, Picks, Reads, Use
from checker.kernel.lemma_rows import choose_case, grain_of, numbers_of
from checker.kernel.lemma_rows import scope as lemma_scope
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.kernel.softmax_lemma import lemma_for
from checker.kernel.solver import Tally, prove
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE
from checker.models.circuit import Circuit, Head
from checker.models.lemma import Lemma
from checker.semantics import circuits as sem
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.expressions import (
    Condition,
    Fault,
    OfRows,
    Scope,
    Vec,
    View,
    condition_of,
    evaluate,
    number,
    search_range,
    truth,
)
from checker.semantics.masks import all_defined, visible
from checker.semantics.precision import decay, share, shown, unit, up
from checker.semantics.terms import ArraySymbol, Term, Value
from checker.semantics.values import Unsupported

SELF = -1  # number of the unknown row among the errors of rows; row 0 is the start token's


@dataclass(frozen=True, slots=True)
class Stream:
    """The residual stream between two layers, for every input and every valid run: row 0 and row SELF in 1..tokens, each
    coordinate off by at most `off`."""

    start: Vec
    row: Vec
    off: Fraction


def me(c: Circuit) -> Term:
    """The unknown row."""
    return t.variable("self", 1, c.tokens)


def symbols(c: Circuit) -> dict[str, ArraySymbol]:
    return {a.name: ArraySymbol(a.name, a.size, a.low, a.high) for a in c.inputs}


def _arrays(c: Circuit) -> dict[str, Any]:
    return {name: View(name, a, 1, a.size) for name, a in symbols(c).items()}


Functions = tuple[s.FunctionDefinition, ...]


@dataclass(slots=True)
class _Work:
    """One use of a rule: the circuit, the functions of everybody, and what has to be shown."""

    c: Circuit
    functions: dict[str, s.FunctionDefinition]
    conditions: list[Condition]
    known: list[Value]
    tally: Tally

    def scope(self, self_: Value, row: Vec | None = None, **names: Any) -> Scope:
        given = {"self": self_, **_arrays(self.c), **names} | ({} if row is None else {"row": row})
        return Scope(given, self.functions, builtins=dict(sem.VECTORS), conditions=self.conditions)

    def of_lemma(self, lemma: Lemma, index: Value, own: dict[str, Value]) -> Scope:
        """What the lemma's expressions mean in a row that holds `own`."""
        return replace(lemma_scope(lemma, index, own, self.conditions), functions=self.functions)

    def show(self, goal: Value, what: str, *more: Value) -> None:
        prove(goal, [*self.known, *more], what, self.tally)

    def settle(self, where: str) -> None:
        """All that must hold for the run to be defined."""
        for condition in self.conditions:
            self.show(condition.term, f"{where}: {condition.reason}")
        self.conditions.clear()


def _work(c: Circuit, *functions: Functions) -> _Work:
    """Raises `NotProved` if two functions have one name."""
    named = {f.name: f for f in c.functions}
    for f in (f for some in functions for f in some):
        if named.setdefault(f.name, f) != f:
            raise NotProved(f"two functions are named {f.name}")
    work = _Work(c, named, [], [], Tally())
    for e in c.requires:
        try:
            known = truth(evaluate(e, Scope(_arrays(c), named, conditions=[])), e.span)
        except (Unsupported, Fault):
            continue  # an assumption less
        work.known.append(known)
    return work


# ---- rows ------------------------------------------------------------------------------------


def _certain(x: Value, what: str) -> Value:
    """A value that does not depend on how heads round."""
    stack, seen = [x], set()
    while stack:
        node = stack.pop()
        if isinstance(node, Term) and node not in seen:
            seen.add(node)
            if node.op in ("error", "coordinate", "real"):
                raise NotProved(f"{what} depends on how heads round")
            stack.extend(a for a in node.args if isinstance(a, Term))
    return x


def at(c: Circuit, start: Value, generic: Value, index: Value) -> Value:
    """What row `index` has, if row 0 has `start` and row SELF >= 1 has `generic`.

    Where the general form gives `start` at 0 too, it holds for all rows.
    """
    if not isinstance(index, Term):
        return start if index == 0 else v.substitute(generic, me(c), index)
    moved = v.substitute(generic, me(c), index)
    low = index.low
    if (low is not None and low >= 1) or not c.start:
        return moved
    zero = v.substitute(generic, me(c), 0)
    if zero is start or (not v.symbolic(zero, start) and zero == start):
        return moved
    return v.choose(v.equal(index, 0), start, moved)


def _initial(work: _Work) -> Stream:
    """X^0: input word w in coordinate 1 of row w."""
    c = work.c
    value: Value = 0
    first = 1
    for a in c.inputs:
        word = t.read(symbols(c)[a.name], v.subtract(me(c), first - 1))
        inside = v.both(v.at_most(first, me(c)), v.at_most(me(c), first + a.size - 1))
        value = v.choose(inside, word, value)
        first += a.size
    return Stream(Vec({}, c.width), Vec({1: value}, c.width), Fraction(0))


def _off(row: Vec, number_: int, off: Fraction) -> Vec:
    return replace(row, noise=(number_, off)) if off else row


def _supported(c: Circuit) -> None:
    if c.packets or c.messages or c.finish is not None or any(layer.local is not None for layer in c.layers):
        raise NotProved("a circuit with local functions: for other rules")
    if c.blank:
        raise NotProved("rows that hold no input word")


@lru_cache(maxsize=500)
def stream(c: Circuit, cuts: tuple[Cut, ...], functions: Functions) -> Stream:
    """The stream behind the layers that the cuts are about, for every input, if they hold. Raises `NotProved`."""
    _supported(c)
    all_defined(c)
    work = _work(c, functions)
    if not cuts:
        found = _initial(work)
    else:
        last = cuts[-1].layer
        before = stream(c, tuple(x for x in cuts if x.layer < last), functions)
        found = _behind(work, before, last, {x.head: x for x in cuts if x.layer == last})
        work.settle(f"layer {last + 1}")
    _fits_in(c, found)
    return found


def _behind(work: _Work, before: Stream, number_: int, cuts: dict[str, Cut]) -> Stream:
    c = work.c
    layer = c.layers[number_]
    if {h.name for h in layer.heads} != cuts.keys() or len(layer.heads) != len(cuts):
        raise NotProved(f"not every head of layer {layer.name} has a cut")
    start, row, off = before.start, before.row, before.off
    for h in layer.heads:
        cut = cuts[h.name]
        values = _vectors(work, h.value, before)
        low, high = _spanned(c, h, values.values())
        zero = values.get(0, Vec({}, c.width))
        start = start.plus(_average(work, cut, 0, zero, values[SELF])) if c.start else start
        row = row.plus(_average(work, cut, me(c), zero, values[SELF]))
        off += unit(c)
        if c.scale is not None:
            if not cut.margin > 0:
                raise NotProved(f"no margin of head {h.name} is known")
            off += share((len(c.rows) - 1) * decay(c.scale * cut.margin)) * (high - low)
    return Stream(start, row, up(off))


def _vectors(work: _Work, cases: tuple[s.Case, ...], x: Stream) -> dict[int, Vec]:
    """The query, key or value of row 0, if there is one, and of row SELF."""
    c = work.c
    return {i: choose_case(cases, work.scope(index, _off(row, i, x.off)), c.width) for i, index, row in _classes(c, x)}


def _spanned(c: Circuit, h: Head, values: Iterable[Vec]) -> tuple[Fraction, Fraction]:
    """low <= 0 and high >= 0 around all coordinates of a head's values, which do not depend on how heads round and (Def. A.1)
    are multiples of 2^-f of size less than 2^i."""
    low, high = Fraction(0), Fraction(0)
    for vec in values:
        for x in vec.entries.values():
            _certain(x, f"a value of head {h.name}")
            least, most = t.bounds(x)
            if least is None or most is None:
                raise NotProved(f"a value of head {h.name} has no bound")
            low, high = min(low, Fraction(least)), max(high, Fraction(most))
            if c.fraction is not None and grain_of(x) > c.fraction:
                raise NotProved(f"a value of head {h.name} is no multiple of 2^-{c.fraction}")
    if c.integer is not None and not max(high, -low) < 2**c.integer:
        raise NotProved(f"a value of head {h.name} may be as large as {shown(max(high, -low))}")
    return low, high


def _classes(c: Circuit, x: Stream) -> list[tuple[int, Value, Vec]]:
    """Row 0, if there is one, and row SELF: its number among the errors, its index, the row."""
    return ([(0, 0, x.start)] if c.start else []) + [(SELF, me(c), x.row)]


def _average(work: _Work, cut: Cut, self_: Value, start: Vec, generic: Vec) -> Vec:
    """The average of the values of the rows that the cut says: of one or two, which may be the same."""
    rows = [number(evaluate(e, work.scope(self_)), e.span) for e in cut.rows]
    if not 1 <= len(rows) <= 2:
        raise NotProved("a cut reads one row or two")
    total, share_ = Vec({}, work.c.width), Fraction(1, len(rows))
    start, generic = start.times(share_), generic.times(share_)
    for index in rows:
        entries = {
            k: at(work.c, start.entries.get(k, 0), generic.entries.get(k, 0), index)
            for k in start.entries.keys() | generic.entries.keys()
        }
        total = total.plus(Vec({k: x for k, x in entries.items() if isinstance(x, Term) or x != 0}, work.c.width))
    return total


def _fits_in(c: Circuit, x: Stream) -> None:
    """Def. A.1 of the stream: its heads' outputs are multiples of 2^-f, and so is it; it must be small enough."""
    if c.integer is None:
        return
    for vec in (x.start, x.row):
        for entry in vec.entries.values():
            low, high = t.bounds(entry)
            if low is None or high is None or not max(Fraction(high), -Fraction(low)) + x.off < 2**c.integer:
                raise NotProved(f"a coordinate of the stream may be too large for {c.integer} integer bits: {t.show(entry)}")
    if not x.off < 2**c.integer:
        raise NotProved("the stream may be off by too much")


# ---- one cut -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ByLemmas:
    """The rule: the heads of the last layer read what lemmas say, from the stream that the cuts before it make."""

    uses: tuple[Use, ...]

    def __call__(self, j: Reads, *premises: Proved) -> Proved:
        c, last = j.circuit, j.cuts[-1].layer
        earlier, cuts = tuple(x for x in j.cuts if x.layer < last), [x for x in j.cuts if x.layer == last]
        _ordered(c, j.cuts)
        given = [x.judgement for x in premises]
        needed = [Picks(use.lemma, cut.margin) for use, cut in zip(self.uses, cuts, strict=True)]
        if any(x not in given for x in (*needed, *lemma_for(c))):
            raise NotProved("the rule needs the lemmas proved")
        if earlier and Reads(c, earlier, j.functions) not in given:
            raise NotProved("the rule needs the cuts of the layers before")
        try:
            before = stream(c, earlier, j.functions)
            done = [_one(j, cut, use, before) for cut, use in zip(cuts, self.uses, strict=True)]
            _defined(j, cuts, before)
        except Unsupported as reason:
            raise NotProved(f"{j.cuts[-1]}: no symbolic form: {reason}") from None
        except Fault as fault:
            raise NotProved(f"{j.cuts[-1]}: undefined: {fault.message}") from None
        off = f"; the stream before is off by at most {shown(before.off)}" if before.off else ""
        return conclude(j, "lemmas at a cut", "; ".join(done) + off, *premises)


def _ordered(c: Circuit, cuts: tuple[Cut, ...]) -> None:
    heads = [(n, h.name) for n, layer in enumerate(c.layers) for h in layer.heads]
    found = [(x.layer, x.head) for x in cuts]
    last = cuts[-1].layer
    if [x for x in heads if x[0] < last] != [x for x in found if x[0] < last]:
        raise NotProved("the rule needs a cut for every head of the layers before, in order")
    if len(set(found)) != len(found) or any(x not in heads for x in found) or any(x.layer > last for x in cuts):
        raise NotProved("a cut about a head that is not there, or two about one")


def _one(j: Reads, cut: Cut, use: Use, before: Stream) -> str:
    """The head is the lemma's in every row, and reads there what the cut says."""
    c, lemma = j.circuit, use.lemma
    layer = c.layers[cut.layer]
    head = next(h for h in layer.heads if h.name == cut.head)
    if lemma.rows != c.rows:
        raise NotProved(
            f"{lemma.name} is about rows {lemma.low}..{lemma.high}, the circuit has {c.rows.start}..{c.rows.stop - 1}"
        )
    if layer.mask != lemma.mask and visible(layer.mask, c.rows, c.functions) != visible(lemma.mask, lemma.rows, lemma.functions):
        raise NotProved(f"{lemma.name} has another mask")
    if sorted(name for name, _ in use.fields) != sorted(f.name for f in lemma.fields):
        raise NotProved(f"{lemma.name}: expected a value for each field")
    _representable(c, lemma)
    work = _work(c, j.functions, lemma.functions)
    held: dict[int, dict[str, Value]] = {}
    for i, index, row in _classes(c, before):
        here = work.scope(index, _off(row, i, before.off))
        held[i] = {name: _certain(number(evaluate(e, here), e.span), f"field {name}") for name, e in use.fields}
        _admitted(work, lemma, index, held[i])
    for i, index, row in _classes(c, before):
        theirs = work.of_lemma(lemma, index, held[i])
        _same_vectors(work, head, lemma, work.scope(index, _off(row, i, before.off)), theirs)
        _same_rows(work, cut, lemma, index, theirs, held)
    work.settle(str(cut))
    return f"{cut.head} is the head of {lemma.name} ({work.tally})"


def _defined(j: Reads, cuts: list[Cut], before: Stream) -> None:
    """The run gets through the layer: values too, and heads without a cut, are defined and can be represented."""
    c, work = j.circuit, _work(j.circuit, j.functions)
    for h in c.layers[cuts[0].layer].heads:
        values = _vectors(work, h.value, before)
        if c.fraction is not None:
            _spanned(c, h, values.values())
        if all(cut.head != h.name for cut in cuts):
            if c.fraction is not None:
                raise NotProved(f"no cut says what head {h.name} of the same layer reads")
            for cases in (h.query, h.key):
                _vectors(work, cases, before)
    work.settle(f"layer {cuts[0].layer + 1}")


def _representable(c: Circuit, lemma: Lemma) -> None:
    """Def. A.1 of queries, times the scale, and keys."""
    if c.fraction is None or c.integer is None:
        return
    for what, factor, x in zip(("query", "key"), (c.scale or 1, 1), numbers_of(lemma), strict=True):
        if not factor * x.size < 2**c.integer:
            raise NotProved(f"a {what} of {lemma.name} may reach {shown(factor * x.size)}: {c.integer} integer bits hold less")
        if x.grain > c.fraction:
            raise NotProved(f"a {what} of {lemma.name} is no multiple of 2^-{c.fraction}")


def _admitted(work: _Work, lemma: Lemma, index: Value, own: dict[str, Value]) -> None:
    """What the row holds is in the ranges of the fields and satisfies the assumptions."""
    for f in lemma.fields:
        bare = work.of_lemma(lemma, index, {})
        low, high = (number(evaluate(e, bare), NOWHERE) for e in (f.low, f.high))
        x = own[f.name]
        if not t.is_whole(x):
            raise NotProved(f"field {f.name} of {lemma.name} may be a fraction")
        work.show(v.both(v.at_most(low, x), v.at_most(x, high)), f"field {f.name} of {lemma.name} lies in its range")
    here = work.of_lemma(lemma, index, own)
    for e in lemma.assumptions:
        work.show(truth(evaluate(e, here), e.span), f"{lemma.name}: an assumption holds")


def _same_vectors(work: _Work, head: Head, lemma: Lemma, mine: Scope, theirs: Scope) -> None:
    for what, cases, expected in (("query", head.query, lemma.query), ("key", head.key, lemma.key)):
        a, b = choose_case(cases, mine, work.c.width), choose_case(expected, theirs)
        for k in sorted(a.entries.keys() | b.entries.keys()):
            same = v.equal(a.entries.get(k, 0), b.entries.get(k, 0))
            if same is not True:
                _certain(a.entries.get(k, 0), f"the {what} of head {head.name}")
            work.show(same, f"the {what} of head {head.name} is that of {lemma.name} in coordinate {k}")


def _same_rows(work: _Work, cut: Cut, lemma: Lemma, index: Value, theirs: Scope, held: dict[int, dict[str, Value]]) -> None:
    c, names = work.c, {f.name for f in lemma.fields}
    rows: dict[str, OfRows] = {}
    for name in names:
        start, generic = held.get(0, {}).get(name, 0), held[SELF][name]
        rows[name] = OfRows(name, lambda k, a=start, b=generic: at(c, a, b, k), lemma.low, lemma.high)  # type: ignore[misc]
    theirs = replace(theirs, rows=rows)
    if len(cut.rows) != len(lemma.reads):
        raise NotProved(f"{lemma.name} is about {len(lemma.reads)} rows, the cut says {len(cut.rows)}")
    for mine, stated in zip(cut.rows, lemma.reads, strict=True):
        x = number(evaluate(mine, work.scope(index)), mine.span)
        interval = search_range(stated, theirs) if isinstance(stated, s.Reduce) else None
        if interval is None or not isinstance(stated, s.Reduce):
            work.show(v.equal(x, number(evaluate(stated, theirs), stated.span)), f"{cut}: the row that {lemma.name} states")
        else:
            _same_search(work, stated, interval, theirs, x, str(cut))


def _same_search(work: _Work, e: s.Reduce, interval: tuple[Value, Value], theirs: Scope, x: Value, what: str) -> None:
    """Both are the largest (or the smallest) number of the same range at which conditions hold that agree there."""
    if not isinstance(x, Term) or x.op != "search":
        raise NotProved(f"{what}: expected `max(j for j in ...)` or `min(...)`, found {t.show(x)}")
    kind, (variable, condition), names, *values, low, high = x.args
    if kind != e.kind:
        raise NotProved(f"{what}: one is a {kind}, the other a {e.kind}")
    for a, b in zip(interval, (low, high), strict=True):
        work.show(v.equal(a, b), f"{what}: the same range")
    k, expected = condition_of(e, *interval, theirs)
    given = {n: View(n, y, 1, y.size) if isinstance(y, ArraySymbol) else y for n, y in zip(names, values, strict=True)}
    inside = v.both(v.at_most(low, k), v.at_most(k, high))
    here = Scope({**given, variable: k}, work.functions, conditions=work.conditions, guard=inside, calls=theirs.calls + 1)
    found = truth(evaluate(condition, here), e.span)
    work.show(v.equal(found, expected), f"{what}: the same condition", *([inside] if isinstance(inside, Term) else []))


def part_of(j: Reads, whole: Proved) -> Proved:
    """Some of the cuts that were shown, with no larger margins."""
    full = whole.judgement
    if not isinstance(full, Reads) or (full.circuit, full.functions) != (j.circuit, j.functions):
        raise NotProved("the rule needs cuts of the same circuit")
    for cut in j.cuts:
        if not any(replace(x, margin=cut.margin) == cut and x.margin >= cut.margin for x in full.cuts):
            raise NotProved(f"{cut}: not among the cuts that were shown")
    return conclude(j, "one of the cuts", str(j.cuts[-1]), whole)


# ---- the whole -------------------------------------------------------------------------------------


def computes_by_cuts(j: Computes, reads: Proved) -> Proved:
    """Behind the last layer the readouts satisfy the equation, in the unknown row or at every index that is named."""
    c, full = j.subject, reads.judgement
    if not isinstance(c, Circuit) or not isinstance(full, Reads) or full.circuit != c:
        raise NotProved("the rule needs cuts of the circuit")
    if [(x.layer, x.head) for x in full.cuts] != [(n, h.name) for n, layer in enumerate(c.layers) for h in layer.heads]:
        raise NotProved("the rule needs a cut for every head")
    try:
        return _computes(j, c, full, reads)
    except Unsupported as reason:
        raise NotProved(f"{j}: no symbolic form: {reason}") from None
    except Fault as fault:
        raise NotProved(f"{j}: undefined: {fault.message}") from None


def _computes(j: Computes, c: Circuit, full: Reads, reads: Proved) -> Proved:
    final = stream(c, full.cuts, full.functions)
    work = _work(c, j.functions, full.functions)
    outputs: dict[str, OfRows] = {}
    row: dict[str, Any] = {"self": me(c), "row": _off(final.row, SELF, final.off)}
    first = 1
    for a, readout in zip(c.outputs, c.readouts, strict=True):
        if first + a.size - 1 > c.tokens:
            raise NotProved("output words on rows without input")
        word = number(evaluate(readout, Scope(row, work.functions, conditions=work.conditions)), readout.span)
        _certain(word, f"the readout of {a.name}")
        on_row = v.both(v.at_most(first, me(c)), v.at_most(me(c), first + a.size - 1))
        assumed = [on_row] if isinstance(on_row, Term) else []
        if not t.is_whole(word):
            raise NotProved(f"the readout of {a.name} may be a fraction")
        for condition in work.conditions:
            work.show(condition.term, f"the readout of {a.name}: {condition.reason}", *assumed)
        work.conditions.clear()
        work.show(v.both(v.at_most(a.low, word), v.at_most(word, a.high)), f"{a.name} is in its range", *assumed)
        outputs[a.name] = OfRows(a.name, _word_on_row(c, word, first), 1, a.size)
        first += a.size
    names: dict[str, Any] = {**_arrays(c), **outputs}
    if j.each is not None:
        variable, low, high = j.each
        if low > high:
            raise NotProved("no output word is named: the range is empty")
        names[variable] = me(c) if (low, high) == (1, c.tokens) else t.variable(f"{variable} ", low, high)
    goal = truth(evaluate(j.equation, Scope(names, work.functions, conditions=work.conditions)), j.equation.span)
    work.settle("the equation")
    work.show(goal, f"{c.name} computes it")
    off = f", off by at most {shown(final.off)}" if final.off else ""
    return conclude(j, "composition of cuts", f"{len(c.layers)} layers; the readouts{off}; {work.tally}", reads)


def _word_on_row(c: Circuit, word: Value, first: int) -> Callable[[Value], Value]:
    """Output word k, read off row first + k - 1."""
    return lambda k: v.substitute(word, me(c), v.add(k, first - 1))


def all_heads(c: Circuit) -> Iterable[tuple[int, Head]]:
    """Every head with its layer (0-based), in order."""
    return ((n, h) for n, layer in enumerate(c.layers) for h in layer.heads)
