"""Theorem 3.4: a protocol with numbers, followed round by round over all inputs and all row-wise functions of its circuit.

Queries, keys and values are unknown real numbers, one for each row, head and coordinate. So is what a message says of a set A of
rows that row i may attend to: log Z(A), Z(A) the sum of the exponentials of its scores, and S(A), the mean of their values with
these weights. What a local function computes from them is recognised: a leaf (A = {j}), the union of sets that have no row in
common, or the row behind a layer, whose A must be all rows that the mask lets it see. That a merge is the mean over the union
is an identity of rational functions, proved with sympy. Everything that is not recognised is refused.

With steps the numbers that arrive are off, each by what its message says: see `Parts.merged`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from checker.kernel.idle import Decide, not_silent
from checker.kernel.proofs import NotProved
from checker.kernel.solver import Later, Tally, prove
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol, held, words_of
from checker.semantics import circuits as cs
from checker.semantics import lanes
from checker.semantics import protocols as ps
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.circuits import VECTORS
from checker.semantics.expressions import Condition, Fault, Lanes, Meaning, Message, Piece, Scope, Vec, evaluate, number
from checker.semantics.machines import Effect, local_view, run_local
from checker.semantics.masks import visible
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

DRIFT = Fraction(3, 4)  # steps that a number may be off when it is stored
VALID = Fraction(1, 4)  # of the unit of a row: how far off the sums of all its heads may be, so that storing gives a valid row
UNKNOWN = {"lane", "entry", "lanes", "exp", "log", "over"}  # operations on numbers that are not words
Rows = int  # a set of rows, one bit each


@dataclass(frozen=True, slots=True)
class Part:
    """What is known of a set of rows that row `row` attends to in a head (0-based layer and head): log Z and S, off by at most
    `dz` and `ds`. Each time that rounded numbers are stored makes another `copy`, off in another way."""

    layer: int
    head: int
    row: int
    seen: Rows
    dz: Fraction = Fraction(0)
    ds: Fraction = Fraction(0)
    copy: int = 0


@dataclass(slots=True)
class Followed:
    """What a run is like for every input: words by (round, machine, kind), the widest merge, how far off rows are at most before
    they are stored, and whether the output is the circuit's."""

    traffic: list[tuple[int, int, str, int]] = field(default_factory=list)
    merged: int = 1
    drift: Fraction = Fraction(0)
    parts: int = 0
    stored: dict[tuple[int, int], str] = field(default_factory=dict)
    busy: set[int] = field(default_factory=set)
    tally: Tally = field(default_factory=Tally)

    def most(self) -> int:
        return max((words for *_, words in self.traffic), default=0)


class _Run:
    def __init__(self, p: Protocol) -> None:
        self.p, self.c = p, performed_by(p)
        self.exact = p.rung == "rounded"
        self.inputs = ps.symbols(p)
        self.known = Later(lambda: ps.assumptions(p, self.inputs))
        self.functions = ps.functions_of(p)
        self.layers = [n for n, x in enumerate(self.c.layers) if x.heads]
        self.sight: dict[int, dict[int, Rows]] = {}
        self.first = cs.initial(self.c, dict(self.inputs))
        self.where = ""
        self.places = {w: key for w, key in enumerate(words_of(p.outputs), 1)}
        self.words = {w: t.variable(f"{a}[{k}]", *self.range(a)) for w, (a, k) in self.places.items()}
        self.found = Followed()
        self.builtins: dict[str, Callable[[Scope, s.Call], Meaning]] = {
            **VECTORS,
            "stored": self.stored,
            "query": self.embedded,
            "key": self.embedded,
            "value": self.embedded,
            "attends": self.attends,
            "readout": self.readout,
        }

    def range(self, array: str) -> tuple[int, int]:
        a = next(a for a in self.p.outputs if a.name == array)
        return a.low, a.high

    # ---- families of unknowns -----------------------------------------------------------------

    def vector(self, kind: str, of: Any) -> Lanes:
        """All coordinates of a query, key, value or row, or of a part: log Z and the mean."""
        whole = lanes.family((kind, of), self.c.width)
        return whole if kind != "mean" else Lanes((Piece(1, self.log_z(of)), *whole.pieces))

    def log_z(self, part: Part) -> Term:
        return t.entry(("log Z", part), 0)

    def row(self, before: int, i: int) -> Lanes:
        """Row i of the stream behind the first `before` layers (those without heads change nothing)."""
        done = sum(1 for n in self.layers if n < before)
        return self.given(self.first[i]) if done == 0 else self.vector("row", (self.layers[done - 1] + 1, i))

    def given(self, vec: Vec) -> Lanes:
        """A row of numbers and input words, by its content, as long as it is."""
        if vec.noise or vec.rows or vec.length > self.c.width:
            raise Unsupported("a row that is unknown or too long")
        entries = sorted((k, x) for k, x in vec.entries.items() if isinstance(x, Term) or x != 0)
        if any(isinstance(x, Term) and lanes.operations(x) & UNKNOWN for _, x in entries):
            raise Unsupported("a row made of some numbers of others")
        if any(lanes.depends(x) for _, x in entries):
            raise Unsupported("a row in a loop over coordinates")
        return lanes.family(("given", tuple(entries)), vec.length)

    def seen(self, layer: int, i: int) -> Rows:
        if layer not in self.sight:
            rows = visible(self.c.layers[layer].mask, self.c.rows, self.c.functions)
            self.sight[layer] = {k: sum(1 << j for j in seen) for k, seen in rows.items()}
        return self.sight[layer][i]

    # ---- functions of the circuit -------------------------------------------------------------

    def whole(self, e: s.Expr, scope: Scope, low: int, high: int, what: str) -> int:
        x = number(evaluate(e, scope), e.span)
        if isinstance(x, Term):
            raise Unsupported(f"a {what} that depends on data")
        if not t.is_whole(x) or not low <= x <= high:
            raise Fault(f"expected a {what} in {low}..{high}, found {x}", e.span)
        return int(x)

    def place(self, e: s.Call, scope: Scope) -> tuple[int, int, int]:
        """Layer and head, both from 0 on, and the row's number, of query(T, l, h, i, row)."""
        layer = self.whole(e.arguments[1], scope, 1, len(self.c.layers), "layer") - 1
        head = self.whole(e.arguments[2], scope, 1, len(self.c.layers[layer].heads), "head") - 1
        return layer, head, self.token(e.arguments[3], scope)

    def token(self, e: s.Expr, scope: Scope) -> int:
        return self.whole(e, scope, self.c.rows.start, self.c.rows.stop - 1, "row")

    def embedded(self, scope: Scope, e: s.Call) -> Lanes:
        layer, head, i = self.place(e, scope)
        self.must_be_row(evaluate(e.arguments[4], scope), layer, i)
        return self.vector(e.function, (layer, head, i))

    def must_be_row(self, given: Meaning, before: int, i: int) -> None:
        if _padded(self.settled(given)) != _padded(self.row(before, i)):
            raise Unsupported(f"row {i} behind layer {before} is asked for what it is not shown to be")

    def attends(self, scope: Scope, e: s.Call) -> bool:
        layer = self.whole(e.arguments[1], scope, 1, len(self.c.layers), "layer") - 1
        i, j = (self.token(x, scope) for x in e.arguments[2:])
        return bool(self.seen(layer, i) >> j & 1)

    def readout(self, scope: Scope, e: s.Call) -> Term:
        w = self.whole(e.arguments[1], scope, 1, len(self.words), "row with an output word")
        self.must_be_row(evaluate(e.arguments[2], scope), len(self.c.layers), w)
        return self.words[w]

    def stored(self, scope: Scope, e: s.Call) -> Lanes:
        given, step = evaluate(e.arguments[0], scope), evaluate(e.arguments[1], scope)
        if not isinstance(step, (int, Fraction)) or isinstance(step, bool):
            raise Unsupported("a step that depends on data")
        if step <= 0:
            raise Fault(f"numbers by a step of {step}: expected a positive one", e.span)
        return self.kept(given, Fraction(step))

    # ---- what numbers are ---------------------------------------------------------------------

    def lanes_of(self, x: Meaning) -> Lanes:
        if isinstance(x, Lanes):
            return x
        return self.given(x if isinstance(x, Vec) else Vec({1: number(x, NOWHERE)}, 1))

    def settled(self, x: Meaning) -> Lanes:
        """Over exact reals, a row or part that has been computed, by its name."""
        found = self.lanes_of(x)
        return found if self.exact or self.plain(found) else self.kept(found, None)

    def plain(self, vector: Lanes) -> bool:
        """Nothing but zeros, lanes and log Z, with factors?"""
        return all(not isinstance(p.each, Term) or _single(p.each) is not None for p in vector.pieces)

    def kept(self, x: Meaning, step: Fraction | None) -> Lanes:
        """The vector as it arrives: by its name if it has been computed, and shown to be representable."""
        vector = self.lanes_of(x)
        if self.plain(vector):
            if step is not None:
                self.representable(vector, step)
            return vector
        computed = self.leaf(vector) or self.merge(vector)
        if computed is not None:
            self.found.parts += 1
            return self.as_long_as(vector, self.vector("mean", self.rounded(computed, step)))
        layer, i, drift = self.new_row(vector)
        if step is not None:
            self.storable(drift, step)
            self.once(layer, i)
        return self.as_long_as(vector, self.vector("row", (layer + 1, i)))

    def as_long_as(self, vector: Lanes, named: Lanes) -> Lanes:
        if vector.length != named.length:
            raise Unsupported(f"a vector of {vector.length} numbers, of which {named.length} have been computed")
        return named

    def once(self, layer: int, i: int) -> None:
        """A row that is rounded when it is stored is computed once: stored again it would be another row."""
        if (layer, i) in self.found.stored:
            raise Unsupported(f"row {i} behind layer {layer + 1} is stored again, after {self.found.stored[layer, i]}")
        self.found.stored[layer, i] = self.where

    def representable(self, vector: Lanes, step: Fraction) -> None:
        """Each coordinate is a multiple of the step, and not too large: those of the circuit are multiples of 2^-f of size less
        than 2^i (Def. A.1; queries times the scale)."""
        for p in vector.pieces:
            for grid, size in self.grids(p.each):
                if (grid / step).denominator != 1:
                    raise Unsupported(f"a number that may be no multiple of {step}")
                if size >= step * 2 ** (self.p.word - 1):
                    raise Unsupported(f"a number that may be too large for a word of {self.p.word} bits")

    def grids(self, x: Value) -> list[tuple[Fraction, Fraction]]:
        """What the numbers that this stands for are multiples of, and a bound of their size."""
        if isinstance(x, (int, Fraction)):
            return [(abs(Fraction(x)), abs(Fraction(x)))]
        found = _single(x) if isinstance(x, Term) else None
        if found is None or found[0].op != "lane":
            raise Unsupported("a number that may be no multiple of the step in which it is stored")
        factor, (kind, of) = found[1], found[0].args[0]
        if kind == "given":
            return [grid for _, e in of for grid in self.grid_of_input(e, factor)]
        if kind == "query" and self.scale and factor % self.scale == 0:
            return [(self.unit, self.size * abs(factor // self.scale))]
        if kind in ("row", "key", "value") and factor == 1:
            return [(self.unit, self.size)]
        raise Unsupported(f"a {kind} that may be no multiple of the step in which it is stored")

    def grid_of_input(self, x: Value, factor: Any) -> list[tuple[Fraction, Fraction]]:
        if not isinstance(x, Term):
            return self.grids(v.scale(factor, x))
        if not x.whole or x.low is None or x.high is None or factor != 1:
            raise Unsupported("a number that may be no multiple of the step in which it is stored")
        return [(Fraction(1), max(abs(Fraction(x.low)), abs(Fraction(x.high))))]

    @property
    def scale(self) -> int:
        assert self.c.scale is not None
        return self.c.scale

    @property
    def unit(self) -> Fraction:
        if self.c.fraction is None:
            raise Unsupported("steps of a circuit of real numbers")
        return Fraction(1, 2**self.c.fraction)

    @property
    def size(self) -> Fraction:
        if self.c.integer is None:
            raise Unsupported("steps of a circuit of real numbers")
        return Fraction(2**self.c.integer)

    def leaf(self, vector: Lanes) -> Part | None:
        """(the score of rows i and j, the value of row j)."""
        first, *rest = vector.pieces
        score = t.split(first.each)
        if first.length != 1 or score[0] != 0 or len(score[1]) != 1:
            return None
        ((term, factor),) = score[1].items()
        products = None if term.op != "lanes" or term.args[1] != self.c.width else _products(term.args[0])
        if products is None or len(products) != 1:
            return None
        ((pair, times),) = products.items()
        if any(x.op != "lane" or x.args[1] != 0 for x in pair):
            return None
        query, key = pair if pair[0].args[0][0] == "query" else pair[::-1]
        (what, of), (that, told) = query.args[0], key.args[0]
        if (what, that, factor * times) != ("query", "key", self.scale) or of[:2] != told[:2]:
            return None
        if _joined(rest) != self.vector("value", told):
            return None
        layer, head, i = of
        return Part(layer, head, i, 1 << told[2])

    def merge(self, vector: Lanes) -> Part | None:
        """(log of the sum of exponentials, the mean with these weights) of parts that have no row in common."""
        first, *rest = vector.pieces
        if first.length != 1 or len(rest) != 1 or rest[0].length != self.c.width:
            return None
        parts = self.parts(first.each)
        if not parts:
            return None
        union, (z, mean) = self.union(parts), self.sums(parts)
        if not self.same(first.each, t.logarithm(z), parts) or not self.same(rest[0].each, mean, parts):
            return None
        self.found.merged = max(self.found.merged, len(parts))
        return union

    def parts(self, value: Value) -> list[Part]:
        """The parts whose log Z occurs."""
        found: dict[Part, None] = {}
        stack, done = [value], set()
        while stack:
            node = stack.pop()
            if isinstance(node, Term) and node not in done:
                done.add(node)
                if node.op == "entry" and node.args[0][0] == "log Z":
                    found[node.args[0][1]] = None
                stack.extend(a for a in node.args if isinstance(a, Term))
        return sorted(found, key=lambda x: (x.head, x.seen))

    def union(self, parts: list[Part]) -> Part:
        """The part of all rows of some parts. Weights come from the numbers that are summed: log Z is off by no more than they,
        and S by its size times as much, the most that the covariance of S with something of that size can be."""
        first = parts[0]
        seen = 0
        for x in parts:
            if (x.layer, x.head, x.row) != (first.layer, first.head, first.row):
                raise Unsupported("a merge of sums of different rows or heads")
            if seen & x.seen:
                raise Unsupported(f"a merge that counts a row twice for row {x.row}")
            seen |= x.seen
        dz, ds = max(x.dz for x in parts), max(x.ds for x in parts)
        return Part(first.layer, first.head, first.row, seen, dz, ds + (self.size * dz if dz else 0))

    def sums(self, parts: list[Part]) -> tuple[Value, Value]:
        """Z, and each coordinate of the mean of the union, as a protocol computes them."""
        weights = [t.exponential(self.log_z(x)) for x in parts]
        z = v.total(weights)
        means = [t.lane(("mean", x), 0) for x in parts]
        return z, v.total([v.multiply(v.divide(w, z), x) for w, x in zip(weights, means, strict=True)])

    def same(self, found: Value, wanted: Value, parts: list[Part]) -> bool:
        """The same term, or the same rational function."""
        if found is wanted or (not isinstance(found, Term) and not isinstance(wanted, Term) and found == wanted):
            return True
        return equal_functions(found, wanted, {self.log_z(x) for x in parts})

    def rounded(self, part: Part, step: Fraction | None) -> Part:
        """The part as it is stored. A leaf may be an exact multiple of the step."""
        if step is None:
            return part
        leaf = part.seen & (part.seen - 1) == 0 and part.dz == part.ds == 0
        dz = part.dz + (0 if leaf and (self.unit**2 / step).denominator == 1 else DRIFT * step)
        ds = part.ds + (0 if leaf and (self.unit / step).denominator == 1 else DRIFT * step)
        largest = max(self.c.width * self.size**2 + part.seen.bit_count().bit_length() + dz, self.size + ds)
        if largest >= step * 2 ** (self.p.word - 1):
            raise Unsupported(f"sums that may be too large for a word of {self.p.word} bits")
        exact = dz == part.dz and ds == part.ds
        return replace(part, dz=dz, ds=ds, copy=part.copy if exact else self.found.parts)

    def new_row(self, vector: Lanes) -> tuple[int, int, Fraction]:
        """The layer and the row that has been computed, and how far off it is: the old row and the means of all its heads."""
        parts = dict.fromkeys(x for p in vector.pieces for x in self.parts(p.each))
        if not parts or len(vector.pieces) != 1 or vector.length != self.c.width:
            raise Unsupported("numbers of a message that are neither sums nor a row")
        first = next(iter(parts))
        layer, i = first.layer, first.row
        heads = [[x for x in parts if x.head == h] for h in range(len(self.c.layers[layer].heads))]
        if any((x.layer, x.row) != (layer, i) for x in parts) or not all(heads):
            raise Unsupported(f"row {i} behind layer {layer + 1} without all its heads, or with those of another row")
        whole = [self.union(x) for x in heads]
        for x in whole:
            if x.seen != self.seen(layer, i):
                rows = ", ".join(map(str, _members(x.seen ^ self.seen(layer, i))))
                raise Unsupported(
                    f"row {i} hears of other rows than it attends to in head {x.head + 1} of layer {layer + 1}: {rows}"
                )
        self.found.merged = max(self.found.merged, *(len(x) for x in heads))
        (old,) = self.row(layer, i).pieces
        wanted = v.total([old.each, *(self.sums(x)[1] for x in heads)])
        if not self.same(vector.pieces[0].each, wanted, [*parts]):
            raise Unsupported(f"row {i} behind layer {layer + 1} is not the old one and the outputs of its heads")
        return layer, i, Fraction(sum(x.ds for x in whole))

    def storable(self, drift: Fraction, step: Fraction) -> None:
        """A row that is stored is one of a run with valid heads (Def. A.1): a multiple of the unit u = 2^-f that is at most u
        off. Then each head has a valid output, so that they add up to it (their multiples in reach fill an interval)."""
        if step != self.unit:
            raise Unsupported(f"a row that is stored by {step}: the circuit's unit is {self.unit}")
        self.found.drift = max(self.found.drift, drift)
        if drift > VALID * self.unit:
            raise Unsupported(
                f"the sums of a row may be {float(drift / self.unit):.3g} units off, and no more than {VALID} is valid"
            )

    # ---- rounds -------------------------------------------------------------------------------

    def follow(self) -> Followed:
        p = self.p
        inboxes: dict[int, list[Message]] = {}
        for r, round_ in enumerate(p.rounds):
            if round_.keeps:
                raise Unsupported("`keeps` in a protocol with numbers")
            where = f"round {r + 1} ({round_.name})"
            mail: dict[int, list[Message]] = {}
            received: dict[int, int] = {}
            idle = [i for i in range(1, p.machines + 1) if i not in inboxes] if r else []
            active = range(1, p.machines + 1) if not r else sorted([*inboxes, *not_silent(idle, self.idle(round_.body))])
            for i in active:
                conditions: list[Condition] = []
                self.where = f"machine {i} in {where}"
                try:
                    sent = run_local(
                        round_.body, self.scope(i, inboxes.get(i, []), r == 0, conditions), p.messages, p.machines
                    ).sent
                    words = 0
                    for m in sent:
                        if m.guard is not True or isinstance(m.destination, Term):
                            raise Unsupported("a message that depends on data")
                        numbers = p.message(m.tag).numbers
                        own = m.words if numbers is None else (*m.words[:-1], self.kept(m.words[-1], numbers.step))
                        cost, to = p.cost(m.tag), int(m.destination)
                        words += cost
                        received[to] = received.get(to, 0) + cost
                        mail.setdefault(to, []).append(Message(m.tag, own, i))
                except (Fault, Unsupported) as reason:
                    raise NotProved(f"{self.where}: {reason}") from None
                self.prove(conditions, self.where)
                if words:
                    self.found.traffic.append((r + 1, i, "sends", words))
                    self.found.busy.add(i)
            self.found.traffic += [(r + 1, i, "receives", words) for i, words in received.items()]
            self.found.busy |= set(received)
            inboxes = mail
        self.finish(inboxes)
        return self.found

    def prove(self, conditions: Iterable[Condition], where: str) -> None:
        for x in conditions:
            prove(x.term, self.known, f"{where}: {x.reason}", self.found.tally)

    def idle(self, body: tuple[s.Statement, ...], last: bool = False) -> Callable[[Value, list[Condition], Decide], Effect]:
        """The local function of a machine that holds no words, finds nothing, and in the last one has no word to put out."""
        outputs = {a.name: (a, range(1, 1)) for a in self.p.outputs} if last else {}

        def run(me: Value, conditions: list[Condition], decide: Decide) -> Effect:
            scope = self.scope(me, [], False, conditions, decide)
            return run_local(body, scope, () if last else self.p.messages, self.p.machines, outputs)

        return run

    def scope(
        self, i: Value, inbox: list[Message], first: bool, conditions: list[Condition], decide: Decide | None = None
    ) -> Scope:
        names: dict[str, Any] = {"self": i}
        places = {a.name: range(1, 1) for a in self.p.inputs}
        if first:
            assert isinstance(i, int)
            places = {a.name: held(self.p.inputs, a.name, i, self.p.packing) for a in self.p.inputs}
        for a in self.p.inputs:
            names[a.name] = local_view(a.name, self.inputs[a.name], places[a.name])
        return Scope(
            names,
            self.functions,
            inbox=tuple(inbox),
            held=places,
            conditions=conditions,
            builtins=self.builtins,
            lanes=lanes.over,
            decide=decide,
        )

    def finish(self, inboxes: dict[int, list[Message]]) -> None:
        p = self.p
        places = {key: w for w, key in self.places.items()}
        first = not p.rounds  # then all machines may hold input words
        last = p.machines if first else -(-p.words_out // p.packing)
        idle = [i for i in range(last + 1, p.machines + 1) if i not in inboxes]
        for i in sorted({*range(1, last + 1), *inboxes, *not_silent(idle, self.idle(p.finish, last=True))}):
            outputs = {a.name: (a, held(p.outputs, a.name, i, p.packing)) for a in p.outputs}
            conditions: list[Condition] = []
            self.where = f"machine {i} in finish"
            try:
                scope = self.scope(i, inboxes.get(i, []), first, conditions)
                assigned = run_local(p.finish, scope, p.messages, p.machines, outputs).assigned
            except (Fault, Unsupported) as reason:
                raise NotProved(f"{self.where}: {reason}") from None
            self.prove(conditions, self.where)
            for key, value in assigned.items():
                if value is not self.words[places[key]]:
                    raise NotProved(f"{self.where}: {key[0]}[{key[1]}] is not shown to be what the circuit puts out")


def performed_by(p: Protocol) -> Circuit:
    """The circuit whose functions a protocol with numbers calls, on the protocol's rung. Raises `NotProved` if it is not one."""
    if len(p.circuits) != 1:
        raise NotProved("the rule needs a protocol that calls the functions of one circuit")
    if len({m.real for m in p.messages if m.numbers is not None}) > 1:
        raise NotProved("the rule needs numbers that are all real, or all kept in steps")
    (c,) = p.circuits
    if (p.inputs, p.outputs, p.requires) != (c.inputs, c.outputs, c.requires):
        raise NotProved("the rule needs a circuit with the same inputs, outputs and `requires`")
    own = {f.name: f for f in c.functions}
    if any(own.get(f.name, f) != f for f in p.functions):
        raise NotProved("the rule needs functions that mean the same in the circuit and in the protocol")
    try:
        return c.at(p.rung)
    except ValueError as reason:
        raise NotProved(f"the circuit does not reach the rung of the protocol: {reason}") from None


@lru_cache(maxsize=8)
def follow(p: Protocol) -> Followed:
    """The protocol over all inputs. Raises `NotProved` with machine and round if something is undefined, too large or not what
    its circuit computes there."""
    try:
        return _Run(p).follow()
    except (Fault, Unsupported) as reason:
        raise NotProved(str(reason)) from None


# ---- terms and rational functions ----------------------------------------------------------------


def _members(rows: Rows) -> list[int]:
    return [j for j in range(rows.bit_length()) if rows >> j & 1]


def _single(x: Term) -> tuple[Term, Any] | None:
    """An unknown and its factor, if that is all."""
    constant, parts = t.split(x)
    ((term, factor), *more) = parts.items()
    return None if constant != 0 or more or term.op not in ("lane", "entry") else (term, factor)


def _joined(pieces: list[Piece]) -> Lanes:
    """The vector of these pieces, without zeros behind."""
    kept = [*pieces]
    while kept and not isinstance(kept[-1].each, Term) and kept[-1].each == 0:
        kept.pop()
    return Lanes(tuple(kept))


def _padded(x: Lanes) -> Hashable:
    """What tells vectors apart if zeros behind do not count."""
    found = _joined([*x.pieces]).pieces
    if not found:
        return ("given", ())
    term = found[0].each
    if len(found) == 1 and isinstance(term, Term) and term.op == "lane" and term.args[0][0] == "given" and term.args[1] == 0:
        entries = term.args[0][1]
        if all(k <= found[0].length for k, _ in entries):
            return ("given", entries)
    return found


def _pair(x: Term, y: Term) -> tuple[Term, Term]:
    return (x, y) if x.key <= y.key else (y, x)


def _products(value: Value) -> dict[tuple[Term, Term], Any] | None:
    """A sum of products of two atoms with factors, multiplied out; None for anything else."""
    constant, parts = t.split(value)
    if constant != 0:
        return None
    found: dict[tuple[Term, Term], Any] = {}
    for term, factor in parts.items():
        if term.op != "mul":
            return None
        for x, a in t.split(term.args[0])[1].items():
            for y, b in t.split(term.args[1])[1].items():
                key = _pair(x, y)
                found[key] = found.get(key, 0) + factor * a * b
        if any(t.split(x)[0] != 0 for x in term.args):
            return None
    return {k: x for k, x in found.items() if x != 0}


def equal_functions(a: Value, b: Value, logarithms: set[Term]) -> bool:
    """Are two terms the same rational function of the other unknowns and of the exponentials of these? With log on the outside of
    both, are what it is of?"""
    import sympy

    if isinstance(a, Term) and isinstance(b, Term) and a.op == b.op == "log":
        a, b = a.args[0], b.args[0]
    names: dict[Term, Any] = {}

    def build(x: Value) -> Any:
        if not isinstance(x, Term):
            return sympy.Rational(x.numerator, x.denominator) if isinstance(x, (int, Fraction)) else _refuse()
        if x.op == "exp" and x.args[0] in logarithms:
            return names.setdefault(x, sympy.Symbol(f"E{len(names)}", positive=True))
        if x.op == "lin":
            rest = zip(x.args[1::2], x.args[2::2], strict=True)
            return build(x.args[0]) + sum(build(term) * build(k) for term, k in rest)
        if x.op == "mul":
            return build(x.args[0]) * build(x.args[1])
        if x.op == "over":
            return build(x.args[0]) / build(x.args[1])
        if x.op in ("lane", "entry", "read", "var") and x not in logarithms:
            return names.setdefault(x, sympy.Symbol(f"x{len(names)}", real=True))
        return _refuse()

    try:
        return bool(sympy.cancel(build(a) - build(b)) == 0)
    except (_NotRational, ZeroDivisionError):
        return False


class _NotRational(Exception):
    pass


def _refuse() -> Any:
    raise _NotRational


@lru_cache(maxsize=100)
def merges(children: int) -> bool:
    """The mean over a union of parts is the mean of their means with weights Z_k / Z, for all Z_k > 0 and all S_k; merging in
    another order or in steps gives the same. By sympy, as rational functions."""
    import sympy

    e = sympy.symbols(f"E1:{children + 1}", positive=True)
    x = sympy.symbols(f"S1:{children + 1}", real=True)
    z = sympy.Symbol("Z", positive=True)
    mean = sum(a / z * b for a, b in zip(e, x, strict=True))
    if sympy.expand(sympy.cancel(mean * z) - sum(a * b for a, b in zip(e, x, strict=True))) != 0:
        return False

    def two(a: tuple[Any, Any], b: tuple[Any, Any]) -> tuple[Any, Any]:
        total = a[0] + b[0]
        return total, a[0] / total * a[1] + b[0] / total * b[1]

    e1, e2, e3 = sympy.symbols("E1:4", positive=True)
    x1, x2, x3 = sympy.symbols("S1:4", real=True)
    left, right = two(two((e1, x1), (e2, x2)), (e3, x3)), two((e1, x1), two((e2, x2), (e3, x3)))
    return all(sympy.cancel(a - b) == 0 for a, b in zip(left, right, strict=True))
