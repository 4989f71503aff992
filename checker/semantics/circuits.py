"""What an attention circuit does (Defs. 2.1, 2.2): local functions, scores, hardmax averages, addition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from checker.language import syntax as s
from checker.language.diagnostics import Span
from checker.language.syntax import mentions
from checker.models.circuit import Circuit, Head, Layer, Packets
from checker.models.protocol import Array, words_of
from checker.semantics import packets as pk
from checker.semantics import scores
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic
from checker.semantics.expressions import (
    MAX_DIGITS,
    Condition,
    Fault,
    Meaning,
    Message,
    Scope,
    Vec,
    View,
    evaluate,
    join,
    number,
    total,
    truth,
)
from checker.semantics.machines import Effect, Sent, local_view, run_local
from checker.semantics.masks import defined, visible
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

MANY = 48  # rows from which on arrays are quicker, with the time it takes to load them
Rows = dict[int, Vec]


@dataclass(slots=True)
class RowState:
    """What one row has at hand inside a layer."""

    row: Vec
    inbox: tuple[Message, ...] = ()
    sent: tuple[Sent, ...] = ()
    assigned: dict[tuple[str, int], Value] = field(default_factory=dict)
    outputs: dict[str, View] | None = None  # in the place of `assigned`


def initial(c: Circuit, inputs: dict[str, Any]) -> Rows:
    """X^0: input word w in coordinate 1 of row w."""
    rows = {i: Vec({}, c.width) for i in c.rows}
    for w, (name, k) in enumerate(words_of(c.inputs), 1):
        value = View(name, inputs[name], 1, k).get(k)
        if value != 0 or isinstance(value, Term):
            rows[w] = Vec({1: value}, c.width)
    return rows


def functions_of(c: Circuit) -> dict[str, s.FunctionDefinition]:
    return {f.name: f for f in c.functions}


def inputs_read(c: Circuit, layer: Layer, i: int, row: Vec) -> dict[str, dict[int, Value]]:
    """The input words that row i finds in its row."""
    assert layer.local is not None
    found: dict[str, dict[int, Value]] = {}
    base = Scope({"self": i, "row": row}, functions_of(c))
    for r in layer.local.reads:
        if isinstance(r, s.ReadsInput):
            low, high = evaluate(r.low, base), evaluate(r.high, base)
            if isinstance(low, Term) or isinstance(high, Term) or not (t.is_whole(low) and t.is_whole(high)):
                raise Fault("expected whole numbers as the bounds of what is read", r.span)
            array = next(y for y in c.inputs if y.name == r.array)
            found[r.array] = {}
            for k in range(int(low), int(high) + 1):
                value = evaluate(r.value, base.bind(**{r.variable: k}))
                if not 1 <= k <= array.size:
                    raise Fault(f"expected an index of {array.name} in 1..{array.size}, found {k}", r.span)
                found[r.array][k] = in_type(value, array, r.span)
    return found


def in_type(value: Meaning, array: Array, span: Span) -> Value:
    """A word of the array: a known one is checked, an unknown one is compared later with one that is in range."""
    word = number(value, span)
    if not isinstance(word, Term) and not (t.is_whole(word) and array.low <= word <= array.high):
        raise Fault(f"expected a word of {array.name} in {array.low}..{array.high}, found {word}", span)
    return word


def read_inbox(c: Circuit, layer: Layer, i: int, row: Vec) -> tuple[Message, ...]:
    assert layer.local is not None
    return tuple(m for r in layer.local.reads if isinstance(r, s.ReadsPackets) for m in pk.unpack(c, c.block(r.packets), i, row))


def run_row(
    c: Circuit, layer: Layer, i: int, found: dict[str, dict[int, Value]], inbox: tuple[Message, ...], conditions: list[Condition]
) -> Effect:
    """The local block of a layer on row i, from the input words and the inbox it has read."""
    assert layer.local is not None
    names: dict[str, Any] = {"self": i}
    places: dict[str, range] = {}
    for a in c.inputs:
        words = found.get(a.name, {})
        places[a.name] = range(min(words), max(words) + 1) if words else range(1, 1)
        names[a.name] = local_view(a.name, words, places[a.name])
    scope = Scope(names, functions_of(c), inbox=inbox, held=places, conditions=conditions)
    outputs = {a.name: (a, range(1, a.size + 1)) for a in c.outputs}
    machines = min((p.machines for p in c.packets), default=c.tokens + c.blank)
    return run_local(layer.local.body, scope, c.messages, machines, outputs, complete=False)


def locals_of(c: Circuit, layer: Layer, rows: Rows) -> dict[int, RowState]:
    """Every row after the local block of a layer, on known numbers."""
    states = {i: RowState(row) for i, row in rows.items()}
    if layer.local is not None:
        for i in range(layer.local.low, layer.local.high + 1):
            inbox = read_inbox(c, layer, i, rows[i])
            effect = run_row(c, layer, i, inputs_read(c, layer, i, rows[i]), inbox, [])
            states[i] = RowState(rows[i], inbox, effect.sent, effect.assigned)
    return states


# ---- heads ----------------------------------------------------------------------------------


def row_scope(c: Circuit, i: int, state: RowState) -> Scope:
    """What queries, keys and values may refer to."""
    names: dict[str, Meaning] = {"self": i, "row": state.row}
    for a in c.outputs:
        words = {k: x for (name, k), x in state.assigned.items() if name == a.name}
        names[a.name] = View(a.name, words, min(words, default=1), max(words, default=0))
    names.update(state.outputs or {})
    builtins = {**VECTORS, "packed": _packed(c, i, state), "destinations": _destinations(c, state)}
    return Scope(names, functions_of(c), builtins=builtins)


def _packed(c: Circuit, i: int, state: RowState) -> Callable[[Scope, s.Call], Vec]:
    return lambda scope, e: pk.pack(c, _block(c, e), i, state.sent)


def _block(c: Circuit, e: s.Call) -> Packets:
    name = e.arguments[0]
    found = next((p for p in c.packets if isinstance(name, s.Name) and p.name == name.name), None)
    if found is None:
        raise Fault(f"{e.function} of packets that are not known here", e.span)
    return found


def _destinations(c: Circuit, state: RowState) -> Callable[[Scope, s.Call], frozenset[int]]:
    def of(scope: Scope, e: s.Call) -> frozenset[int]:
        tags = _block(c, e).tags
        return frozenset(int(m.destination) for m in state.sent if m.tag in tags)  # type: ignore[arg-type]

    return of


def _length(n: Value, e: s.Call) -> int:
    n = number(n, e.span)
    if isinstance(n, Term) or n != int(n) or n < 0:
        raise Fault(f"a vector of {n} coordinates", e.span)
    if n > 1_000_000:
        raise Unsupported(f"a vector of {n:,} coordinates")
    return int(n)


def _dense(values: tuple[Any, ...]) -> Vec:
    return Vec({k: v.whole(x) for k, x in enumerate(values, 1) if x != 0}, len(values))


def _zeros(scope: Scope, e: s.Call) -> Vec:
    return Vec({}, _length(evaluate(e.arguments[0], scope), e))


def _unit(scope: Scope, e: s.Call) -> Vec:
    k, x = _length(evaluate(e.arguments[0], scope), e), number(evaluate(e.arguments[1], scope), e.span)
    if k < 1:
        raise Fault(f"coordinate {k} of a vector", e.span)
    return Vec({k: x} if isinstance(x, Term) or x != 0 else {}, k)


def _family(make: Callable[..., tuple[Any, ...]]) -> Callable[[Scope, s.Call], Vec]:
    def build(scope: Scope, e: s.Call) -> Vec:
        first, length = evaluate(e.arguments[0], scope), _length(evaluate(e.arguments[1], scope), e)
        if not isinstance(first, frozenset):
            number(first, e.span)
        if isinstance(first, Term):
            if e.function != "moment":
                raise Unsupported(f"{e.function} of an unknown number")
            return join([v.power(first, k) for k in range(length)])
        if e.function.startswith("hadamard"):
            places = first if isinstance(first, frozenset) else {first}
            if length & (length - 1) or not all(t.is_whole(d) and 1 <= d <= length for d in places):
                raise Fault(
                    f"{e.function} of {sorted(places)}: expected rows of a matrix of order {length}, a power of two", e.span
                )
        if isinstance(first, Cyclotomic) and length > 100:
            raise Unsupported(f"{length} powers of an irrational number")
        try:
            return _dense(make(first, length))
        except ValueError as error:
            raise Fault(str(error), e.span) from None

    return build


def _sign(scope: Scope, e: s.Call) -> Vec:
    """sign(t, k, seed), sign_dual(S, k, seed) and sign_dual(S, k, seed, g)."""
    first, *numbers = (evaluate(a, scope) for a in e.arguments)
    length = _length(numbers[0], e)
    naturals = numbers[1:] if e.function == "sign_dual" else [first, *numbers[1:]]
    if v.symbolic(*naturals):
        raise Unsupported(f"{e.function} of unknown numbers")
    if not all(t.is_whole(x) and x >= 0 for x in naturals):
        raise Fault(f"{e.function} of {', '.join(map(str, naturals))}: expected natural numbers", e.span)
    if len(numbers) == 3 and numbers[2] > MAX_DIGITS:
        raise Fault(f"{e.function} with {numbers[2]} digits: expected at most {MAX_DIGITS}", e.span)
    try:
        if e.function == "sign":
            return _dense(pk.sign(int(first), length, int(numbers[1])))
        return _dense(pk.sign_dual(first, length, *(int(x) for x in numbers[1:])))
    except ValueError as error:
        raise Fault(str(error), e.span) from None


VECTORS: dict[str, Callable[[Scope, s.Call], Meaning]] = {
    "zeros": _zeros,
    "unit": _unit,
    "moment": _family(pk.moment),
    "moment_dual": _family(pk.moment_dual),
    "hadamard": _family(pk.hadamard),
    "hadamard_dual": _family(pk.hadamard_dual),
    "sign": _sign,
    "sign_dual": _sign,
}


def taken(cases: tuple[s.Case, ...], scope: Scope) -> s.Case | None:
    """The first case whose condition holds."""
    for case in cases:
        condition = True if case.condition is None else truth(evaluate(case.condition, scope), case.span)
        if isinstance(condition, Term):
            raise Unsupported("a case that depends on data")
        if condition:
            return case
    return None


def select(cases: tuple[s.Case, ...], scope: Scope, width: int) -> Vec:
    """The first case whose condition holds, as a vector of at most `width` coordinates; zero if there is none."""
    case = taken(cases, scope)
    if case is None:
        return Vec({}, 0)
    found = evaluate(case.value, scope)
    result = found if isinstance(found, Vec) else join([number(found, case.value.span)])
    if result.length > width:
        raise Fault(f"a vector of {result.length} coordinates: the width is {width}", case.span)
    return result


def dot(query: Vec, key: Vec) -> Value:
    if query.rows or key.rows or query.noise or key.noise:
        raise Unsupported("scores that depend on data")
    total: Value = 0
    small, large = (query, key) if len(query.entries) <= len(key.entries) else (key, query)
    for k, x in small.entries.items():
        if k in large.entries:
            total = v.add(total, v.multiply(x, large.entries[k]))
    return total


def winners(query: Vec, keys: dict[int, Vec]) -> list[int]:
    """The rows that hardmax attends to."""
    scores = {j: dot(query, key) for j, key in keys.items()}
    if v.symbolic(*scores.values()):
        raise Unsupported("scores that depend on data")
    top = max(scores.values())  # type: ignore[type-var]
    return [j for j, x in scores.items() if x == top]


def opaque(c: Circuit, i: int) -> RowState:
    """Row i of an arbitrary residual stream."""
    return RowState(Vec({}, c.width, {i: Fraction(1)}))


def data_free(c: Circuit, head: Head) -> bool:
    """Are the scores of a head the same for every input?"""
    return not depends(c, head.query, head.key)


def depends(c: Circuit, *parts: tuple[s.Case, ...]) -> bool:
    """Do cases mention what a row holds, sends or assigns?"""
    return mentions(parts, "row", "packed", "destinations", *(a.name for a in c.outputs))


@lru_cache(maxsize=500)
def bare(c: Circuit) -> Circuit:
    """What scores that do not depend on data, of heads that attend to all rows, are computed from."""
    nothing: tuple[()] = ()
    found = replace(c, name="", inputs=nothing, outputs=nothing, readouts=nothing, requires=nothing, messages=nothing)
    return replace(found, packets=nothing, layers=nothing, finish=None).at("exact")


@lru_cache(maxsize=100)
def vectors(plain: Circuit, cases: tuple[s.Case, ...]) -> tuple[Vec, ...]:
    """The queries or keys of all rows of a `bare` circuit."""
    return tuple([select(cases, row_scope(plain, i, opaque(plain, i)), plain.width) for i in plain.rows])


@lru_cache(maxsize=100)
def attended(plain: Circuit, query: tuple[s.Case, ...], key: tuple[s.Case, ...]) -> tuple[list[tuple[int, ...]], list[int]]:
    """The sets of rows that the rows of a `bare` circuit attend to, and for each row the place of its set in that list."""
    queries, keys = vectors(plain, query), vectors(plain, key)
    first = plain.rows.start
    found = scores.winners(queries, keys) if len(queries) >= MANY else None
    if found is not None:
        return [tuple([first + j for j in chosen]) for chosen in found[0]], found[1]
    of = dict(zip(plain.rows, keys, strict=True))
    sets: dict[tuple[int, ...], int] = {}
    places = [sets.setdefault(tuple(winners(x, of)), len(sets)) for x in queries]
    return [*sets], places


def attend(c: Circuit, head: Head, states: dict[int, RowState], mask: s.Expr | None) -> Rows:
    """The output of one head on every row: the average of the values it attends to, among the rows that the mask lets it see."""
    scopes = {i: row_scope(c, i, state) for i, state in states.items()}
    values = {j: select(head.value, scope, c.width) for j, scope in scopes.items()}
    if mask is None and tuple(states) == tuple(c.rows) and data_free(c, head):
        sets, places = attended(bare(c), head.query, head.key)
        means = [_average([values[j] for j in chosen], c.width) for chosen in sets]
        return {i: means[place] for i, place in zip(c.rows, places, strict=True)}
    keys = {j: select(head.key, scope, c.width) for j, scope in scopes.items()}
    out: Rows = {}
    averages: dict[tuple[int, ...], Vec] = {}
    seen = visible(mask, c.rows, c.functions)
    for i, scope in scopes.items():
        chosen = tuple(winners(select(head.query, scope, c.width), {j: keys[j] for j in seen[i]}))
        if chosen not in averages:
            averages[chosen] = _average([values[j] for j in chosen], c.width)
        out[i] = averages[chosen]
    return out


def _average(values: list[Vec], width: int) -> Vec:
    return total([Vec({}, width), *values]).times(Fraction(1, len(values)))


def apply_layer(c: Circuit, layer: Layer, rows: Rows) -> Rows:
    """X^l from X^(l-1)."""
    defined(layer.mask, c.rows, c.functions)
    states = locals_of(c, layer, rows)
    outs = [attend(c, head, states, layer.mask) for head in layer.heads]
    return {i: total([row, *(out[i] for out in outs)]) for i, row in rows.items()}


def read_out(c: Circuit, rows: Rows) -> dict[tuple[str, int], Value]:
    """psi: the output words, each off its row."""
    if c.finish is not None:
        return {key: finished(c, w, key, rows[w]) for w, key in enumerate(words_of(c.outputs), 1)}
    readouts = dict(zip((a.name for a in c.outputs), c.readouts, strict=True))
    found: dict[tuple[str, int], Value] = {}
    for w, (name, k) in enumerate(words_of(c.outputs), 1):
        array = next(a for a in c.outputs if a.name == name)
        value = evaluate(readouts[name], Scope({"self": w, "row": rows[w]}, functions_of(c)))
        found[name, k] = in_type(value, array, readouts[name].span)
    return found


def finish_layer(c: Circuit) -> Layer:
    """`finish` as a layer without heads: its local function, for the functions above."""
    return Layer("finish", c.finish, ())


def machine_of(c: Circuit, w: int) -> int:
    """The machine that row w acts as in `finish`."""
    assert c.finish is not None and c.finish.machine is not None
    found = evaluate(c.finish.machine, Scope({"self": w}, functions_of(c)))
    if not isinstance(found, (int, Fraction)) or isinstance(found, bool) or found != int(found):
        raise Fault(f"row {w} finishes as machine {found}: expected a whole number", c.finish.machine.span)
    return int(found)


def finished(c: Circuit, w: int, key: tuple[str, int], row: Vec) -> Value:
    """The output word that row w assigns by the local function of `finish`; other words are ignored."""
    last, i = finish_layer(c), machine_of(c, w)
    assigned = run_row(c, last, i, inputs_read(c, last, i, row), read_inbox(c, last, i, row), []).assigned
    if key not in assigned:
        raise Fault(f"row {w} does not assign {key[0]}[{key[1]}]: as machine {i} it should", Span("finish"))
    return assigned[key]


def run(c: Circuit, inputs: dict[str, Any]) -> tuple[list[Rows], dict[tuple[str, int], Value]]:
    """All residual streams X^0..X^L and the output words, on the rung exact. Raises `Fault`."""
    if c.rung != "exact":
        raise Unsupported(f"a run on the rung {c.rung}")
    streams = [initial(c, inputs)]
    for layer in c.layers:
        streams.append(apply_layer(c, layer, streams[-1]))
    return streams, read_out(c, streams[-1])
