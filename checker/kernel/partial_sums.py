"""Theorem 3.4: what the numbers of a protocol are, over all inputs and all row-wise functions of the circuit that it performs.

Queries, keys and values are unknown real numbers, one for each row, head and coordinate. So is what a message says of a set A of
rows that row i may attend to: log Z(A), Z(A) the sum of the exponentials of its scores, and S(A), the mean of their values with
these weights. What a local function computes from them is recognised: a leaf (A = {j}), the union of sets that have no row in
common, or the row behind a layer, whose A must be all rows that the mask lets it see. That a merge is the mean over the union
is an identity of rational functions, proved with sympy. Everything that is not recognised is refused.

With steps the numbers that arrive are off, each by what its message says: see `union` and `rounded`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from checker.kernel.rational_functions import equal_functions
from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE
from checker.models.circuit import Circuit
from checker.models.protocol import Protocol, words_of
from checker.semantics import circuits as cs
from checker.semantics import lanes
from checker.semantics import protocols as ps
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.circuits import VECTORS
from checker.semantics.expressions import Fault, Lanes, Meaning, Piece, Scope, Vec, evaluate, number
from checker.semantics.masks import all_defined, visible
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


class PartialSums:
    """What the numbers of a run are: of the circuit that a protocol performs, on its rung, over unknown inputs."""

    def __init__(self, p: Protocol, c: Circuit, inputs: ps.Inputs) -> None:
        self.p, self.c = p, c
        self.exact = p.rung == "rounded"
        all_defined(self.c)
        self.layers = [n for n, x in enumerate(self.c.layers) if x.heads]
        self.sight: dict[int, dict[int, Rows]] = {}
        self.first = cs.initial(self.c, dict(inputs))
        self.where = ""  # which machine in which round
        self.places = {w: key for w, key in enumerate(words_of(p.outputs), 1)}
        self.words = {w: t.variable(f"{a}[{k}]", *self.range(a)) for w, (a, k) in self.places.items()}
        self.count, self.merged = 0, 1  # of sums; the widest merge
        self.drift = Fraction(0)  # how far rows are off at most before they are stored
        self.done: dict[tuple[int, int], str] = {}  # where a row was stored
        self.builtins: dict[str, Callable[[Scope, s.Call], Meaning]] = {
            **VECTORS,
            "stored": self.stored,
            "query": self.embedded,
            "key": self.embedded,
            "value": self.embedded,
            "attends": self.attends,
            "readout": self.readout,
        }

    def output_words(self) -> dict[tuple[str, int], Term]:
        """What the circuit puts out, by array and index."""
        return {key: self.words[w] for w, key in self.places.items()}

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
        vector = self.settled(given)
        if vector.length > self.c.width or _padded(vector) != _padded(self.row(before, i)):
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
            self.count += 1
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
        if (layer, i) in self.done:
            raise Unsupported(f"row {i} behind layer {layer + 1} is stored again, after {self.done[layer, i]}")
        self.done[layer, i] = self.where

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
        self.merged = max(self.merged, len(parts))
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
        return replace(part, dz=dz, ds=ds, copy=part.copy if exact else self.count)

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
        self.merged = max(self.merged, *(len(x) for x in heads))
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
        self.drift = max(self.drift, drift)
        if drift > VALID * self.unit:
            raise Unsupported(
                f"the sums of a row may be {float(drift / self.unit):.3g} units off, and no more than {VALID} is valid"
            )


# ---- terms ---------------------------------------------------------------------------------------


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
