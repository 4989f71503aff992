"""Theorem 3.4 (C.1): an attention circuit as an MPC protocol, written in the language.

M rows, m coordinates, at most H heads a layer; branching b, and D = ceil(log_b M) levels. Machines, in this order:

* token machine i, for each row: it holds X_i, and is the root of two b-ary trees;
* inner-product machine (i, j): the score of row i with row j. These are the leaves of both kinds of trees;
* query-propagation machine (Q, i, d, k), level d = 1..D-1, node k: takes what row i asks down to the machines (i, j), and the
  partial sums (log Z, S) up again: Z the sum of the exponentials of the scores below it, S the softmax average of the values;
* key/value-propagation machine (KV, j, d, k): takes what row j tells down to the machines (i, j).

A layer takes D rounds down and D rounds up. Node k of level d stands for the rows b^(D-d) (k-1) + 1 .. b^(D-d) k, and so level d
has ceil(M / b^(D-d)) nodes. Row 0, the start token, is the last: its token machine is M.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from checker.compilers.build import fresh
from checker.language import printer
from checker.language.diagnostics import Span, spec_error
from checker.models.circuit import Circuit
from checker.models.protocol import words_of

LAYOUTS = ("lean", "printed")
DRIFT = Fraction(3, 4)  # steps that a number may be off when it is stored


@dataclass(frozen=True, slots=True)
class Tree:
    """The b-ary trees over M leaves. Level 0 is the root, level D the leaves."""

    leaves: int
    branching: int

    @property
    def depth(self) -> int:
        """D = max(1, ceil(log_b M))"""
        d = 1
        while self.branching**d < self.leaves:
            d += 1
        return d

    def nodes(self, level: int) -> int:
        """Nodes of a level: ceil(M / b^(D - level))."""
        return -(-self.leaves // int(self.branching ** (self.depth - level)))

    def inner(self) -> int:
        """Nodes of levels 1..D-1."""
        return sum(self.nodes(d) for d in range(1, self.depth))


@dataclass(frozen=True, slots=True)
class Words:
    """The most words that each kind of machine sends or receives, by the branching b; an address costs `address` words."""

    width: int
    heads: int
    address: int
    layout: str

    @property
    def asked(self) -> int:
        """What a row asks: its query in each head, or the row itself."""
        return (self.width * self.heads if self.layout == "printed" else self.width) + self.address

    @property
    def told(self) -> int:
        """What a row tells: its key and value in each head, or the row itself."""
        return (2 * self.width * self.heads if self.layout == "printed" else self.width) + self.address

    @property
    def state(self) -> int:
        return self.width + self.address

    @property
    def sums(self) -> int:
        """(log Z, S) in each head."""
        return self.heads * (self.width + 1 + self.address)

    def needed(self, branching: int) -> int:
        """The most words of any machine in a round, but for the input and the output."""
        down = max(branching * (self.asked + self.told) + self.state, self.asked + self.told)
        return max(down, branching * self.sums + self.state, 1 + self.address)

    def branching(self, memory: int) -> int:
        """The branching that a memory allows: as printed floor(s / (4mH)), where an address costs nothing."""
        if self.layout == "printed" and self.address == 0:
            return memory // (4 * self.width * self.heads)
        b = 0
        while self.needed(b + 1) <= memory:
            b += 1
        return b

    def least(self) -> int:
        """The least memory with a branching of 2."""
        if self.layout == "printed" and self.address == 0:
            return 8 * self.width * self.heads
        return self.needed(2)


def drift(depth: int, exact: bool, size: Fraction) -> tuple[Fraction, Fraction]:
    """How far off log Z and S are at the root of a tree, in steps in which they are stored, if |V| <= size.

    Weights are normalised by the numbers that are summed. So a sum of children that are off by dz is off by dz in log Z, and
    in S by size * dz more than they (the covariance of two bounded quantities), each a rounding more when it is sent.
    """
    dz, ds = Fraction(0) if exact else DRIFT, Fraction(0)
    for _ in range(depth - 1):
        dz, ds = dz + DRIFT, ds + size * dz + DRIFT
    return dz, ds + size * dz


@dataclass(frozen=True, slots=True)
class Format:
    """Bits of a word and the steps of its numbers; None where they are real."""

    word: int
    row: Fraction | None = None
    sums: Fraction | None = None


def numbers(c: Circuit, depth: int, heads: int) -> Format:
    """The fewest fraction bits with which the sums are precise enough for a valid head (Def. A.1), and the bits of a word."""
    if c.fraction is None or c.integer is None:
        return Format(c.word)
    f, size = c.fraction, Fraction(2) ** c.integer
    while heads * drift(depth, f >= 2 * c.fraction, size)[1] > Fraction(2) ** (f - c.fraction) / 4:
        f += 1
    dz, ds = drift(depth, f >= 2 * c.fraction, size)
    rows = len(c.rows)
    largest = max(c.width * size**2 + rows.bit_length() + (dz + 1) / 2**f, size + (ds + 1) / 2**f)
    bits = max(c.word, f + 1 + (int(largest) + 1).bit_length(), c.fraction + 1 + c.integer)
    return Format(bits, Fraction(1, 2**c.fraction), Fraction(1, 2**f))


@dataclass(slots=True)
class _Writer:
    """The text of one protocol, with $ before the names of what is known in local functions only."""

    c: Circuit
    name: str
    memory: int
    address: int
    layout: str
    words: Words
    tree: Tree
    lines: list[str] = field(default_factory=list)

    @property
    def rows(self) -> int:
        return self.tree.leaves

    @property
    def depth(self) -> int:
        return self.tree.depth

    @property
    def packing(self) -> int:
        return self.memory // (1 + self.address)

    def row(self, e: str) -> str:
        """The number of the row of token machine e."""
        return f"{e} mod {self.rows}" if self.c.start else e

    def first(self, kind: str, level: int) -> int:
        """The machine before the first one of a level of the trees Q or KV."""
        at = self.rows + self.rows**2 + (0 if kind == "Q" else self.rows * self.tree.inner())
        return at + self.rows * sum(self.tree.nodes(d) for d in range(1, level))

    def child(self, kind: str, level: int, i: str, k: str) -> str:
        """Node k of a level in the tree of row i."""
        if level == self.depth:
            i, k = (i, k) if kind == "Q" else (k, i)
            return f"{self.rows} + ({i} - 1) * {self.rows} + {k}"
        return f"{self.first(kind, level)} + ({i} - 1) * {self.tree.nodes(level)} + {k}"

    def parent(self, level: int, i: str, k: str) -> str:
        """Where node k of a level of the tree Q sends its sums."""
        if level == 1:
            return i
        above = f"ceil({k} / {self.tree.branching})"
        return f"{self.first('Q', level - 1)} + ({i} - 1) * {self.tree.nodes(level - 1)} + {above}"

    def add(self, indent: int, *lines: str) -> None:
        self.lines += ["  " * indent + x for x in lines]

    def write(self) -> str:
        c, w = self.c, self.words
        layers = [(n, len(x.heads)) for n, x in enumerate(c.layers, 1) if x.heads]
        numbers_ = numbers(c, self.depth, w.heads)
        row = "" if numbers_.row is None else f" by {numbers_.row}"
        sums = "" if numbers_.sums is None else f" by {numbers_.sums}"
        self.add(0, f"protocol {self.name} {{")
        self.add(1, f"word {numbers_.word};", f"memory {self.memory};")
        if self.address:
            self.add(1, f"address {self.address};")
        self.add(1, f"machines {self.rows + self.rows**2 + 2 * self.rows * self.tree.inner()};")
        self.add(1, *(f"input {a.name}[{a.size}] in {a.low}..{a.high};" for a in c.inputs))
        self.add(1, *(f"output {a.name}[{a.size}] in {a.low}..{a.high};" for a in c.outputs))
        self.add(1, *(f"requires {printer.expression(e)};" for e in c.requires))
        low, high = min(a.low for a in c.inputs), max(a.high for a in c.inputs)
        types = [f"token({low}..{high})", f"state(number[{c.width}]{row})"]
        if layers:
            types += [f"asks(number[{w.asked - self.address}]{row})", f"tells(number[{w.told - self.address}]{row})"]
            types += [f"part_{h}(number[{c.width + 1}]{sums})" for h in range(1, w.heads + 1)]
        types.append(f"answer({min(a.low for a in c.outputs)}..{max(a.high for a in c.outputs)})")
        self.add(1, f"message {', '.join(types)};")
        self.deal()
        before = 0
        for n, heads in layers:
            if before and self.layout == "printed":
                self.repack(n, before, numbers_.row)
            self.layer(n, heads, before if self.layout == "lean" else 0, n == layers[0][0], numbers_.row)
            before = heads
        self.pack(before, numbers_.row)
        self.add(0, "}")
        return "\n".join(self.lines) + "\n"

    def deal(self) -> None:
        self.add(1, "round deal {")
        at = 0
        for a in self.c.inputs:
            self.add(2, f"for $k in held({a.name}) {{ send token({a.name}[$k]) to $k + {at}; }}")
            at += a.size
        self.add(1, "}")

    def new_row(self, heads: int, step: Fraction | None, indent: int) -> None:
        """X_i: from the input word if nothing has been computed, else the old row and the sums of the heads."""
        if heads == 0:
            self.add(indent, "let $mine = unit(1, sum($w for token($w) in inbox));")
            return
        self.add(indent, "let $old = only(state);")
        for h in range(1, heads + 1):
            self.add(indent, f"let $z_{h} = sum(exp($p[1]) for part_{h}($p) in inbox);")
        parts = "".join(f" + sum(exp($p[1]) / $z_{h} * $p[$c + 1] for part_{h}($p) in inbox)" for h in range(1, heads + 1))
        new = f"($old[$c]{parts} for $c in 1..{self.c.width})"
        self.add(indent, f"let $mine = {new if step is None else f'stored({new}, {step})'};")

    def layer(self, n: int, heads: int, before: int, first: bool, step: Fraction | None) -> None:
        c, tree = self.c, self.tree
        self.add(1, f"round down_{n}_1 {{", f"  if self <= {self.rows} {{")
        if first or before:
            self.new_row(before, step, 3)
        else:
            self.add(3, "let $mine = only(state);")
        asks = tells = "$mine"
        if self.layout == "printed":
            i, scale = self.row("self"), c.scale
            every = range(1, heads + 1)
            for h in every:
                self.add(3, f"let $q_{h} = query({c.name}, {n}, {h}, {i}, $mine);")
            asks = _vector([f"({scale} * $q_{h}[$c] for $c in 1..{c.width})" for h in every])
            tells = _vector([f"{what}({c.name}, {n}, {h}, {i}, $mine)" for h in every for what in ("key", "value")])
        self.add(3, "send state($mine) to self;", f"let $asked = {asks};", f"let $told = {tells};")
        self.add(3, f"for $k in 1..{tree.nodes(1)} {{")
        self.add(4, f"send asks($asked) to {self.child('Q', 1, 'self', '$k')};")
        self.add(4, f"send tells($told) to {self.child('KV', 1, 'self', '$k')};")
        self.add(3, "}")
        self.add(2, "}")
        self.add(1, "}")
        for d in range(1, self.depth):
            self.add(1, f"round down_{n}_{d + 1} {{", f"  if self <= {self.rows} {{ send state(only(state)) to self; }}")
            for kind, tag in (("Q", "asks"), ("KV", "tells")):
                self.node(kind, d)
                below = f"{tree.branching} * ($k - 1) + 1..min({tree.branching} * $k, {tree.nodes(d + 1)})"
                self.add(3, f"for $l in {below} {{ send {tag}(only({tag})) to {self.child(kind, d + 1, '$i', '$l')}; }}")
                self.add(2, "}")
            self.add(1, "}")
        self.scores(n, heads)
        for d in range(self.depth - 1, 0, -1):
            self.add(1, f"round up_{n}_{d} {{", f"  if self <= {self.rows} {{ send state(only(state)) to self; }}")
            self.node("Q", d)
            for h in range(1, heads + 1):
                self.add(3, f"if count(part_{h}) > 0 {{")
                self.add(4, f"let $z = sum(exp($p[1]) for part_{h}($p) in inbox);")
                mean = f"(sum(exp($p[1]) / $z * $p[$c + 1] for part_{h}($p) in inbox) for $c in 1..{c.width})"
                self.add(4, f"send part_{h}((log($z), {mean})) to {self.parent(d, '$i', '$k')};")
                self.add(3, "}")
            self.add(2, "}")
            self.add(1, "}")

    def node(self, kind: str, d: int) -> None:
        """Node k of level d in the tree of row i."""
        first, nodes = self.first(kind, d), self.tree.nodes(d)
        self.add(2, f"if self in {first + 1}..{first + self.rows * nodes} {{")
        self.add(3, f"let $i = (self - {first + 1}) div {nodes} + 1;", f"let $k = (self - {first + 1}) mod {nodes} + 1;")

    def scores(self, n: int, heads: int) -> None:
        c, rows = self.c, self.rows
        self.add(1, f"round up_{n}_{self.depth} {{", f"  if self <= {rows} {{ send state(only(state)) to self; }}")
        self.add(2, f"if self in {rows + 1}..{rows + rows**2} {{")
        self.add(3, f"let $i = (self - {rows + 1}) div {rows} + 1;", f"let $j = (self - {rows + 1}) mod {rows} + 1;")
        self.add(3, "let $asked = only(asks);", "let $told = only(tells);")
        self.add(3, f"if attends({c.name}, {n}, {self.row('$i')}, {self.row('$j')}) {{")
        for h in range(1, heads + 1):
            if self.layout == "printed":
                at, m = (h - 1) * c.width, c.width
                score = f"sum($asked[{at} + $c] * $told[{2 * at} + $c] for $c in 1..{m})"
                value = f"($told[{2 * at + m} + $c] for $c in 1..{m})"
            else:
                self.add(4, f"let $q_{h} = query({c.name}, {n}, {h}, {self.row('$i')}, $asked);")
                self.add(4, f"let $k_{h} = key({c.name}, {n}, {h}, {self.row('$j')}, $told);")
                score = f"{c.scale} * sum($q_{h}[$c] * $k_{h}[$c] for $c in 1..{c.width})"
                value = f"value({c.name}, {n}, {h}, {self.row('$j')}, $told)"
            self.add(4, f"send part_{h}(({score}, {value})) to {self.parent(self.depth, '$i', '$j')};")
        self.add(3, "}")
        self.add(2, "}")
        self.add(1, "}")

    def repack(self, n: int, heads: int, step: Fraction | None) -> None:
        """As printed, tokens are packed between layers: floor(s / m) whole rows a machine."""
        a_machine = self.memory // self.words.state
        self.add(1, f"round pack_{n - 1} {{", f"  if self <= {self.rows} {{")
        self.new_row(heads, step, 3)
        self.add(3, f"send state($mine) to ceil(self / {a_machine});")
        self.add(2, "}")
        self.add(1, "}", f"round deal_{n} {{", "  for state($mine) from $i in inbox { send state($mine) to $i; }", "}")

    def pack(self, heads: int, step: Fraction | None) -> None:
        c, at = self.c, 0
        count = len(words_of(c.outputs))
        self.add(1, "round pack {", f"  if self <= {count} {{")
        self.new_row(heads, step, 3)
        self.add(3, f"send answer(readout({c.name}, self, $mine)) to ceil(self / {self.packing});")
        self.add(2, "}")
        self.add(1, "}", "finish {")
        for a in c.outputs:
            self.add(2, f"for answer($v) from $w in inbox {{ if $w in {at + 1}..{at + a.size} {{ {a.name}[$w - {at}] = $v; }} }}")
            at += a.size
        self.add(1, "}")


def _vector(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"({', '.join(items)})"


def mpc(c: Circuit, memory: int | None = None, layout: str = "lean", address: int = 0) -> str:
    """The text of the protocol that simulates the circuit with `memory` words a machine (by default the least that will do).

    `layout`: "printed" sends queries, keys and values down the trees and packs the tokens after each layer; "lean" sends rows,
    has queries, keys and values computed where they are needed, and merges the layers. Raises `SpecError`: MEMORY with the least
    memory if s allows no branching of 2, SCALE if the circuit attends by hardmax.
    """
    words, memory, tree = _sizes(c, memory, layout, address)
    taken = {c.name, *(f.name for f in c.functions), *(a.name for a in (*c.inputs, *c.outputs))}
    name = fresh(f"{c.name}_mpc", taken)
    text = _Writer(c, name, memory, address, layout, words, tree).write()
    return re.sub(r"\$(\w+)", lambda found: fresh(found[1], taken), text)


def formulas(c: Circuit, memory: int | None = None, layout: str = "lean", address: int = 0) -> tuple[str, str]:
    """R, the number of local functions of the protocol, over the depth D of its trees and the number of layers with heads; and
    the number of its machines, kind by kind."""
    tree, layers = _sizes(c, memory, layout, address)[2], sum(1 for x in c.layers if x.heads)
    d, m = tree.depth, tree.leaves
    rounds = f"{layers} * (2 * {d} + 2) + 1" if layout == "printed" and layers else f"2 * {d} * {layers} + 3"
    return rounds, f"{m} + {m}^2 + {m} * {tree.inner()} + {m} * {tree.inner()}"


def _sizes(c: Circuit, memory: int | None, layout: str, address: int) -> tuple[Words, int, Tree]:
    """The words of each kind of machine, the memory and the trees that it allows. Raises `SpecError` if there are none."""
    if c.scale is None:
        raise spec_error("SCALE", f"expected a circuit with a scale, found {c.name}: a protocol sums exponentials", Span(c.name))
    if not (c.inputs and c.outputs):
        raise spec_error("SIZE", f"expected a circuit with input and output words, found none in {c.name}", Span(c.name))
    heads = max((len(x.heads) for x in c.layers), default=0)
    words = Words(c.width, max(heads, 1), address, layout)
    memory = words.least() if memory is None else memory
    b = words.branching(memory)
    if b < 2:
        what = f"width {c.width} and {heads} heads" if heads != 1 else f"width {c.width} and one head"
        raise spec_error(
            "MEMORY",
            f"expected memory {words.least()} or more for trees of branching 2 with {what}, found {memory}",
            Span(c.name),
        )
    return words, memory, Tree(len(c.rows), b)
