"""A run of an attention circuit, row by row and layer by layer (Defs. 2.1, 2.2, A.1), with packets as in Lemma 3.2.

exact: hardmax. softmax: numbers are known by bounds. rounded: an adversary picks a valid output of every head, so that a run
is one of many, in exact numbers; without an adversary there is one run whose bounds hold for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache

from checker.kernel.replay.adversaries import NEAREST, Adversary, Choice, Place
from checker.kernel.replay.angles import Real
from checker.kernel.replay.enclosures import Enclosure, Exact, Number, Undecided, bounds, exact, least
from checker.kernel.replay.expressions import (
    Fault,
    LocalRun,
    Message,
    Scope,
    State,
    Value,
    Vector,
    Words,
    by_name,
    deep_recursion,
    in_order,
    integer,
    nearest,
    number,
    pseudorandom,
    truth,
    vector,
    word_in,
)
from checker.kernel.replay.heads import Heads, Looks, Row, Seen, Vectors
from checker.language import syntax as s
from checker.models.circuit import Circuit, Head, Layer, Local, Packets, Selector
from checker.models.protocol import words_of

Mail = dict[int, tuple[Message, ...]]


@dataclass(frozen=True)
class CircuitRun:
    """`rows[l]` is X^l; `inboxes[l]` (l from 0) what the rows read in the local function of layer l, {} without packets.

    With `finish` one more of `inboxes` is what the rows of the output words read there, and `machines` says as which machine.
    """

    rows: tuple[dict[int, Row], ...]
    inboxes: tuple[Mail, ...]
    outputs: dict[str, tuple[int, ...]]
    fault: Fault | None
    machines: dict[int, int] = field(default_factory=dict)


# ---- packets (Lemma 3.2) ------------------------------------------------------------------------


def selector_columns(selector: Selector, row: int) -> set[int]:
    """The columns (from 1) in which row `row` (from 1) of the matrix has a 1; a missing row has none."""
    if selector.name == "table":
        text = selector.rows[row - 1] if 1 <= row <= len(selector.rows) else ""
        return {j for j, bit in enumerate(text, 1) if bit == "1"}
    if selector.name == "identity":
        return {row} if 1 <= row <= selector.arguments[0] else set()
    if selector.name == "random":
        d, b, seed = selector.arguments
        return {j for j in range(1, d + 1) if (b + 1) * pseudorandom(seed, row, j) < 2**64}
    r, k, points = selector.arguments  # kautz_singleton
    if not 1 <= row <= r**k:
        return set()
    digits = [(row - 1) // r**i % r for i in range(k)]
    return {x * r + sum(a * x**i for i, a in enumerate(digits)) % r + 1 for x in range(points)}


def selector_width(selector: Selector) -> int:
    """d, the number of columns."""
    if selector.name == "table":
        return max((len(row) for row in selector.rows), default=0)
    if selector.name in ("identity", "random"):
        return selector.arguments[0]
    return selector.arguments[0] * selector.arguments[2]


def validity(c: Circuit) -> frozenset[int]:
    """The last coordinate of every packet."""
    return frozenset(p.at + j * c.packet_width(p) - 1 for p in c.packets for j in range(1, selector_width(p.selector) + 1))


def packed(c: Circuit, p: Packets, sent: list[Message]) -> Vector:
    """From coordinate `at` on: packet j is the only message sent in p whose row has a 1 in column j, or zero."""
    count: dict[int, int] = {}
    carried: list[tuple[Message, set[int]]] = []
    for m in sent:
        k = count[m.destination] = count.get(m.destination, 0) + 1
        row = ((m.source - 1) * p.machines + m.destination - 1) * p.messages + k
        carried.append((replace(m, number=k), selector_columns(p.selector, row)))
    result: list[Number] = [0] * (p.at - 1)
    for j in range(1, selector_width(p.selector) + 1):
        alone = [m for m, columns in carried if j in columns]
        if len(alone) == 1:
            m = alone[0]
            result += [*m.words, *[0] * (c.longest(p) - len(m.words))]
            result += [p.tags.index(m.tag) + 1, m.source, m.destination, m.number, 1]
        else:
            result += [0] * c.packet_width(p)
    return tuple(result)


def read_packets(c: Circuit, p: Packets, i: int, row: Row) -> list[Message]:
    """`reads P` at row i: scale the clean packets, round them, and keep those for i that are messages.

    Raises `Undecided` if the bounds of a number leave open what is read.
    """
    width = c.packet_width(p)
    starts = [p.at + j * width for j in range(selector_width(p.selector))]
    packets = [[row.get(start + o, Fraction(0)) for o in range(width)] for start in starts]
    heard = [packet[-1] for packet in packets if packet[-1] > p.heard]
    if not heard:
        return []
    weight = least(heard)
    scale = _senders(bounds(weight)[0], p.messages)
    if _senders(bounds(weight)[1], p.messages) != scale:
        raise Undecided(f"{weight} as the weight of a packet")
    inbox: dict[tuple[int, int, int], Message] = {}
    for packet in packets:
        if not _rounds_to(scale * packet[-1], 1) or not _rounds_to(scale * packet[-3], i):
            continue
        *padded, kind, source, destination, k, _ = [nearest(scale * v) for v in packet]
        if not 1 <= kind <= len(p.tags):
            continue
        ranges = c.message(p.tags[kind - 1]).words
        words = tuple(padded[: len(ranges)])
        if all(low <= w <= high for w, (low, high) in zip(words, ranges, strict=True)):
            inbox.setdefault((kind, source, k), Message(p.tags[kind - 1], words, source, destination, k))
    return list(inbox.values())


def _senders(weight: Fraction, most: int) -> int:
    """The number in 1..most whose reciprocal is nearest to the weight, of two the smaller. It falls with the weight."""
    found = 1
    for senders in range(2, most + 1):
        if abs(weight - Fraction(1, senders)) < abs(weight - Fraction(1, found)):
            found = senders
    return found


def _rounds_to(value: Number, n: int) -> bool:
    low, high = bounds(value)
    return nearest(low) <= n <= nearest(high) and nearest(value) == n


# ---- layers (Defs. 2.1, 2.2) ----------------------------------------------------------------------


@lru_cache(maxsize=200)
def seen_rows(mask: s.Expr | None, rows: range, functions: tuple[s.FunctionDefinition, ...]) -> Seen:
    """For each row the rows that it may attend to: those as `other` for which the mask is true, with the row as `self`."""
    if mask is None:
        return {i: tuple(rows) for i in rows}
    found: dict[int, tuple[int, ...]] = {}
    for i in rows:
        scopes = {j: Scope(by_name(functions), {"self": i, "other": j}) for j in rows}
        found[i] = tuple(j for j, scope in scopes.items() if truth(mask, scope))
        if not found[i]:
            raise Fault(f"row {i} may attend to no row", mask.span)
    return found


MULTIPLES = {s.Name("row"): 1, s.Unary("-", s.Name("row")): -1}


class Evaluation:
    """X^0, ..., X^L and what the local functions read: the state of one run."""

    def __init__(self, c: Circuit, words: dict[str, tuple[int, ...]], heads: Heads) -> None:
        self.c, self.words, self.functions, self.heads = c, words, by_name(c.functions), heads
        self.rows: list[dict[int, Row]] = []
        self.inboxes: list[Mail] = []
        self.outputs: dict[str, list[int]] = {a.name: [] for a in c.outputs}
        self.machines: dict[int, int] = {}

    def scope(self, i: int) -> Scope:
        """`self` and `row` at row i of the last X."""
        x = self.rows[-1][i]
        return Scope(self.functions, {"self": i, "row": tuple(x.get(k, 0) for k in range(1, self.c.width + 1))})

    def at(self, i: int, row: Row) -> None:
        """Only this row is known."""
        self.rows, self.inboxes = [{i: row}], [{}]

    def start(self) -> None:
        """X^0: coordinate 1 of row w holds input word w, all else is 0."""
        self.rows.append({i: {} for i in self.c.rows})
        for w, (name, k) in enumerate(words_of(self.c.inputs), 1):
            if w not in self.rows[0]:
                raise Fault(f"there is no row {w} for {name}[{k}]", place="the input")
            self.rows[0][w] = sparse((self.words[name][k - 1],))
        for w, row in self.rows[0].items():
            self.representable(row, "row", f"row {w} in the input")

    def local(self, local: Local, row: int, i: int) -> LocalRun:
        """The local function at a row, as machine i: it knows `self`, the input words it reads and its inbox."""
        c, scope = self.c, self.scope(row).bind({"self": i})
        values: dict[str, Value] = {"self": i}
        held: dict[str, list[int]] = {a.name: [] for a in c.inputs}
        inbox: list[Message] = []
        for read in local.reads:
            if isinstance(read, s.ReadsPackets):
                inbox += read_packets(c, c.block(read.packets), i, self.rows[-1][row])
                self.inboxes[-1][row] = in_order(inbox)
                continue
            array = next(a for a in c.inputs if a.name == read.array)
            known: dict[int, int] = {}
            for k in range(integer(read.low, scope), integer(read.high, scope) + 1):
                if not 1 <= k <= array.size:
                    raise Fault(f"expected an index of {array.name} in 1..{array.size}, found {k}", read.span)
                known[k] = word_in(number(read.value, scope.bind({read.variable: k})), array.low, array.high, read.span)
            values[array.name], held[array.name] = Words(array.name, array.size, known), list(known)
        types, outputs = {m.tag: m for m in c.messages}, {a.name: a for a in c.outputs}
        machines = {tag: min((p.machines for p in c.packets if tag in p.tags), default=c.tokens + c.blank) for tag in types}
        run = LocalRun(types, machines, outputs, {a.name: range(1, a.size + 1) for a in c.outputs})
        run.run(local.body, Scope(self.functions, values, State(in_order(inbox), held)))
        return run

    def for_heads(self, local: Local | None, i: int) -> Scope:
        """What the heads see at row i: `self`, `row`, and what the row's local function sent and assigned."""
        run = self.local(local, i, i) if local is not None and local.low <= i <= local.high else LocalRun({}, {}, {}, {})
        outputs = {a.name: Words(a.name, a.size, run.assigned.get(a.name, {})) for a in self.c.outputs}
        carried = {p.name: [m for m in run.sent if m.tag in p.tags] for p in self.c.packets}
        return replace(
            self.scope(i).bind(outputs),
            packed={p.name: packed(self.c, p, carried[p.name]) for p in self.c.packets},
            destinations={name: frozenset(m.destination for m in sent) for name, sent in carried.items()},
        )

    def layer(self, index: int, layer: Layer) -> None:
        """X^l = X^(l-1) + the outputs of the heads, all of which see X^(l-1)."""
        self.inboxes.append({})
        scopes: dict[int, Scope] = {}
        i, place = 0, f"layer {index + 1} ({layer.name})"
        try:
            for i in self.c.rows:
                scopes[i] = self.for_heads(layer.local, i)
            heads: list[dict[int, Vectors]] = []
            for head in layer.heads:
                place = f"layer {index + 1} ({layer.name}), head {head.name}"
                heads.append({})
                for i in self.c.rows:
                    heads[-1][i] = self.vectors(head, scopes[i])
            place = f"layer {index + 1} ({layer.name})"
            after = self.heads.apply(self.rows[-1], index + 1, heads, seen_rows(layer.mask, self.c.rows, self.c.functions))
            for i in self.c.rows:
                self.representable(after[i], "row")
        except (Fault, Undecided) as fault:
            fault.place = f"row {i} in {place}"
            raise
        self.rows.append(after)

    def vectors(self, head: Head, scope: Scope) -> Vectors:
        """Query, key and value of a row."""
        (query, _), (key, _), (value, written) = [self.first(cases, scope) for cases in (head.query, head.key, head.value)]
        if self.c.scale is not None:
            self.representable({k: self.c.scale * x for k, x in query.items()}, f"{self.c.scale} * query")
        self.representable(key, "key")
        self.representable(value, "value")
        return Vectors(query, key, value, MULTIPLES.get(written, 0) if written is not None else 0)

    def first(self, cases: tuple[s.Case, ...], scope: Scope) -> tuple[Row, s.Expr | None]:
        """The first case whose condition holds, and how it is written; the zero vector if there is none."""
        if not s.mentions(cases, "row", "packed", "destinations", *(a.name for a in self.c.outputs)):
            return first_by_index(cases, self.c.functions, integer(s.Name("self"), scope), self.c.width)
        return first_case(cases, scope, self.c.width)

    def representable(self, numbers: Row, what: str, place: str = "") -> None:
        """On the rung rounded every number is a multiple of 2^-f of size less than 2^i (Def. A.1)."""
        f, i = self.c.fraction, self.c.integer
        if f is None or i is None:
            return
        limit, unit = 1 << i, Fraction(1, 1 << f)
        for k, x in numbers.items():
            if isinstance(x, Enclosure):
                if x.low <= -limit < x.high or x.low < limit <= x.high:
                    raise Undecided(f"overflow of {what}[{k}] = {x}", place)
                if x.step == 0 or (x.step / unit).denominator != 1:
                    raise Undecided(f"{what}[{k}] = {x} as a multiple of 2^-{f}", place)
            elif isinstance(x, Real) or (1 << f) % x.denominator:
                raise Fault(f"{what}[{k}] = {x} is not a multiple of 2^-{f}", place=place)
            low, high = bounds(x)
            if low >= limit or high <= -limit:
                raise Fault(f"overflow: {what}[{k}] = {x}, expected a size below 2^{i}", place=place)

    def finish(self) -> None:
        """Output word w is its array's readout at row w, or what that row assigns to it in `finish`."""
        if self.c.finish is not None:
            self.inboxes.append({})
        for w, (name, k) in enumerate(words_of(self.c.outputs), 1):
            try:
                if w not in self.rows[-1]:
                    raise Fault(f"there is no row {w} for {name}[{k}]")
                self.outputs[name].append(self.output(w, name, k))
            except (Fault, Undecided) as fault:
                fault.place = f"row {w} in the output"
                raise

    def output(self, w: int, name: str, k: int) -> int:
        """The output word of row w, entry k of an array."""
        return self.readout(w, name) if self.c.finish is None else self.assigned(self.c.finish, w, name, k)

    def readout(self, w: int, name: str) -> int:
        """The readout of an array at row w."""
        array, readout = next(x for x in zip(self.c.outputs, self.c.readouts, strict=True) if x[0].name == name)
        return word_in(number(readout, self.scope(w)), array.low, array.high, readout.span)

    def output_bounds(self, w: int, name: str, k: int) -> tuple[Fraction, Fraction]:
        """Bounds of the output word of row w; those of its array where bounds do not say more."""
        array = next(a for a in self.c.outputs if a.name == name)
        whole = Fraction(array.low), Fraction(array.high)
        try:
            if self.c.finish is not None:
                word = Fraction(self.assigned(self.c.finish, w, name, k))
                return word, word
            readout = self.c.readouts[self.c.outputs.index(array)]
            low, high = bounds(number(readout, self.scope(w)))
            return max(low, whole[0]), min(high, whole[1])
        except Undecided:
            return whole

    def assigned(self, finish: Local, w: int, name: str, k: int) -> int:
        """The output word that row w assigns as the machine it acts as."""
        i = self.machines[w] = self.machine(finish, w)
        words = self.local(finish, w, i).assigned.get(name, {})
        if k not in words:
            raise Fault(f"machine {i} does not assign {name}[{k}]")
        return words[k]

    def machine(self, finish: Local, w: int) -> int:
        """The machine that row w acts as."""
        if finish.machine is None or not finish.low <= w <= finish.high:
            raise Fault(f"row {w} does not finish")
        return integer(finish.machine, Scope(self.functions, {"self": w}))


def sparse(v: Vector) -> Row:
    return {k: Fraction(x) if isinstance(x, int) else x for k, x in enumerate(v, 1) if isinstance(x, Enclosure) or x != 0}


def first_case(cases: tuple[s.Case, ...], scope: Scope, width: int) -> tuple[Row, s.Expr | None]:
    """The first case whose condition holds, and how it is written; the zero vector if there is none."""
    for case in cases:
        if case.condition is None or truth(case.condition, scope):
            value = vector(case.value, scope)
            if len(value) > width:
                raise Fault(f"expected at most {width} coordinates, found {len(value)}", case.span)
            return sparse(value), case.value
    return {}, None


@lru_cache(maxsize=20_000)
def first_by_index(
    cases: tuple[s.Case, ...], functions: tuple[s.FunctionDefinition, ...], i: int, width: int
) -> tuple[Row, s.Expr | None]:
    """The same for cases that depend on nothing but the row's number: the same in every run."""
    return first_case(cases, Scope(by_name(functions), {"self": i}), width)


@deep_recursion()
def replay_circuit(c: Circuit, words: dict[str, tuple[int, ...]], adversary: Adversary | None = NEAREST) -> CircuitRun:
    """The run of c on these input words, up to its first fault. Raises `Undecided` if bounds of numbers do not say how it goes.

    On the rung rounded the adversary picks valid outputs of the heads; with none, the run encloses the runs of all.
    """
    run, fault = Evaluation(c, words, Heads(c, adversary, validity(c))), None
    try:
        run.start()
        for index, layer in enumerate(c.layers):
            run.layer(index, layer)
        run.finish()
    except Fault as found:
        fault = found
    outputs = {a.name: tuple(run.outputs[a.name]) for a in c.outputs if len(run.outputs[a.name]) == a.size}
    return CircuitRun(tuple(run.rows), tuple(run.inboxes), outputs, fault, run.machines)


@deep_recursion()
def outputs_within(c: Circuit, words: dict[str, tuple[int, ...]]) -> dict[tuple[str, int], tuple[Fraction, Fraction]]:
    """Bounds of each output word over all valid runs of c on these input words. Raises `Fault` and `Undecided`."""
    run = Evaluation(c, words, Heads(c, None, validity(c)))
    run.start()
    for index, layer in enumerate(c.layers):
        run.layer(index, layer)
    if c.finish is not None:
        run.inboxes.append({})
    return {(name, k): run.output_bounds(w, name, k) for w, (name, k) in enumerate(words_of(c.outputs), 1)}


@dataclass(frozen=True)
class Attention:
    """`layers[l][h][i]` is how row i looks at the others through head h of layer l (from 0), up to the layer with the fault."""

    layers: tuple[tuple[Looks, ...], ...]
    fault: Fault | None


@deep_recursion()
def attention(c: Circuit, words: dict[str, tuple[int, ...]], adversary: Adversary | None = NEAREST) -> Attention:
    """Who attends to whom in the run of c on these input words: `Look.best` and `Look.weights`. Raises `Undecided`.

    Below the rung exact `best` are the rows with the largest scores of the run, and weights are known by bounds.
    """
    run, fault = Evaluation(c, words, Heads(c, adversary, validity(c))), None
    try:
        run.start()
        for index, layer in enumerate(c.layers):
            run.layer(index, layer)
    except Fault as found:
        fault = found
    return Attention(tuple(map(tuple, run.heads.looks)), fault)


def replay_all(
    c: Circuit, words: dict[str, tuple[int, ...]], chosen: Callable[[Place], bool], otherwise: Adversary = NEAREST
) -> Iterator[CircuitRun]:
    """The runs with every valid choice at the chosen places, elsewhere as `otherwise` says. For tiny circuits: they multiply."""
    picked: list[int] = []
    while True:
        most: list[int] = []

        def pick(place: Place, choice: Choice, most: list[int] = most) -> int:
            if not chosen(place):
                return otherwise.pick(place, choice)
            most.append(choice.high - choice.low)
            if len(most) > len(picked):
                picked.append(0)
            return choice.low + picked[len(most) - 1]

        yield replay_circuit(c, words, Adversary(f"rounded by choice {picked}", pick))
        del picked[len(most) :]
        while picked and picked[-1] == most[len(picked) - 1]:
            picked.pop()
        if not picked:
            return
        picked[-1] += 1


@deep_recursion()
def replay_routing(
    c: Circuit, sent: dict[int, list[Message]], adversary: Adversary | None = NEAREST, noise: Fraction = Fraction(0)
) -> dict[int, list[Message]]:
    """What each row reads after the one head of `c` if the rows send these messages and are zero otherwise (Lemma 3.2): row i of
    a machine as machine i, with `finish` the rows of the output words, each as the machine it acts as.

    The row that is read differs by at most `noise`, in every coordinate, from what a valid head puts out.
    """
    p, run = c.packets[0], Evaluation(c, {}, Heads(c, adversary, validity(c), noise))
    run.rows.append({i: {} for i in c.rows})
    vectors: dict[int, Vectors] = {}
    head = c.layers[0].heads[0]
    for i in c.rows:
        mine = sent.get(i, [])
        scope = replace(
            run.scope(i),
            packed={p.name: packed(c, p, mine)},
            destinations={p.name: frozenset(m.destination for m in mine)},
        )
        vectors[i] = run.vectors(head, scope)
    rows = run.heads.apply(run.rows[-1], 1, [vectors], seen_rows(c.layers[0].mask, c.rows, c.functions))
    machines = {i: i for i in range(1, p.machines + 1)}
    if c.finish is not None:
        machines = {w: run.machine(c.finish, w) for w in range(c.finish.low, c.finish.high + 1)}
    return {w: read_packets(c, p, i, rows[w]) for w, i in machines.items()}


@deep_recursion()
def replay_score(c: Circuit, i: int, j: int, destinations: frozenset[int]) -> Exact:
    """<query_i, key_j> of the one head of `c`, where row j sends messages of its packets to these destinations."""
    head, run = c.layers[0].heads[0], Evaluation(c, {}, Heads(c, None, validity(c)))
    run.rows.append({row: {} for row in c.rows})
    query, _ = run.first(head.query, replace(run.scope(i), destinations={c.packets[0].name: frozenset()}))
    key, _ = run.first(head.key, replace(run.scope(j), destinations={c.packets[0].name: destinations}))
    return sum((exact(x) * exact(key.get(k, 0)) for k, x in query.items()), 0)
