"""Theorem 3.1 / B.3: an R-round protocol as an attention circuit of R + 1 layers, strictly by Def. 2.2.

Layers: `init` deals the input words to the machines (Lemma B.4), one layer a round routes its messages (Lemmas 3.2, B.7),
`final` takes the output words to their tokens (Lemma B.6). A head `clear` in every layer takes the old row away. Options of
`transformer` give other shapes: coordinates of its own for every layer, or L = R without `final`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from checker.compilers import embeddings, numbers, selectors
from checker.compilers.build import (
    ROW,
    SELF,
    call,
    called,
    cases,
    fresh,
    minus,
    negative,
    number,
    plus,
    square,
    times,
    vector,
    within,
)
from checker.compilers.embeddings import Embedding
from checker.language import syntax as s
from checker.language.diagnostics import spec_error
from checker.models.circuit import Circuit, Head, Layer, Local, Packets, Selector
from checker.models.protocol import Array, MessageType, Protocol

Reads = tuple[s.ReadsPackets | s.ReadsInput, ...]
CLEARING = ("head", "fresh", "none")
FINALS = ("separate", "fused")


@dataclass(frozen=True, slots=True)
class MessageClass:
    """The types of messages of `shortest`..`longest` words, at most `most` = Q_h of them a machine (Lemma B.7)."""

    shortest: int
    longest: int
    most: int
    types: tuple[MessageType, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """A block of packets and the embedding of the head that carries it."""

    packets: Packets
    embedding: Embedding
    end: int


Routes = tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Blocks:
    """Where each layer writes: the words of a machine behind `dealt` coordinates, the packets of each round, the output
    words behind `collected` coordinates."""

    dealt: int
    rounds: tuple[Routes, ...]
    collected: int
    width: int


def transformer(
    p: Protocol, selector: str = "best", embedding: str = "best", clear: str = "head", final: str = "separate"
) -> Circuit:
    """The circuit of Theorem B.3: M = max(n_in, n_out, q) rows behind a start token, L = R + 1 layers, width in coordinates.

    `clear`: `head` is a head in every layer that takes the old row away; `fresh` gives every layer coordinates of its own;
    `none` does neither, which is a mistake. `final`: `fused` saves the last layer (L = R), because the tokens of the output
    words hear what their machines would hear and apply Local_R themselves.

    Raises `SpecError`: INSTANCE if a type of message has more than s words, OPTION for an unknown value of an option, TYPE if
    messages carry numbers or addresses cost words.
    """
    _known("clear", clear, CLEARING)
    _known("final", final, FINALS)
    if p.numeric:
        tag = next(m.tag for m in p.messages if m.numbers is not None)
        raise spec_error("TYPE", f"expected a protocol whose messages carry words only, found numbers in {tag} of {p.name}")
    if p.address:
        raise spec_error("TYPE", f"expected a protocol whose addresses cost nothing, found address {p.address} in {p.name}")

    def build(g: int | None) -> numbers.Built:
        blocks = _blocks(p, selector, embedding, clear == "fresh", g)
        routes = {x.packets.name: x.embedding for routes in blocks.rounds for x in routes}
        return _circuit(p, blocks, clear == "head", final == "fused"), routes

    return numbers.numbered(build, p.memory, p.machines)


def _circuit(p: Protocol, blocks: Blocks, clears: bool, fused: bool) -> Circuit:
    reads = (_reads_inputs(p, blocks.dealt), *(_mail(routes) for routes in blocks.rounds))
    names = {r.name for r in p.rounds}
    own = (_clear(),) if clears else ()
    layers = [Layer(fresh("init", names), None, (_deal(p, blocks.dealt, fused and not p.rounds), *own))]
    for index, (r, routes, read) in enumerate(zip(p.rounds, blocks.rounds, reads, strict=False), 1):
        last = fused and index == len(p.rounds)
        layers.append(Layer(r.name, Local(1, p.machines, read, r.body), (*(_route(p, x, last) for x in routes), *own)))
    finish = Local(1, p.words_out, reads[-1], p.finish, _machine(p)) if fused else None
    if not fused:
        local = Local(1, p.machines, reads[-1], p.finish)
        layers.append(Layer(fresh("final", names), local, (_collect(p, blocks.collected), *own)))
    return Circuit(
        f"{p.name}_circuit",
        p.word,
        p.words_in,
        _rows(p) - p.words_in,
        blocks.width,
        True,
        p.inputs,
        p.outputs,
        () if fused else tuple(_word_of(p, blocks.collected) for _ in p.outputs),
        p.requires,
        p.messages,
        tuple(dict.fromkeys(x.packets for routes in blocks.rounds for x in routes)),
        tuple(layers),
        called(p.functions, p.requires, tuple(r.body for r in p.rounds), p.finish),
        finish=finish,
    )


def _known(option: str, choice: str, choices: tuple[str, ...]) -> None:
    if choice not in choices:
        raise spec_error("OPTION", f"expected {option} to be one of {', '.join(choices)}, found {choice}")


def _rows(p: Protocol) -> int:
    """M, the rows without the start token: one for each input word, output word and machine (Theorem B.3)."""
    return max(p.words_in, p.words_out, p.machines)


# ---- packets (Lemmas 3.2, B.7) ------------------------------------------------------------------


def message_classes(p: Protocol) -> tuple[MessageClass, ...]:
    """The classes [beta_{h-1}, beta_h) with beta_0 = 1 and beta_h = min(2 beta_{h-1}^3, s + 1) that have types (Lemma B.7)."""
    for m in p.messages:
        if len(m.words) > p.memory:
            raise spec_error(
                "INSTANCE",
                f"expected messages of at most {p.memory} words (the memory of a machine of {p.name}), "
                f"found {m.tag} of {len(m.words)} words, which can never be sent",
            )
    found: list[MessageClass] = []
    low = 1
    while low <= p.memory:
        high = min(2 * low**3, p.memory + 1)
        types = tuple(m for m in p.messages if low <= len(m.words) < high)
        if types:
            found.append(MessageClass(low, high - 1, p.memory // low, types))
        low = high
    return tuple(found)


def _blocks(p: Protocol, selector: str, embedding: str, own: bool, g: int | None) -> Blocks:
    """All layers write to the coordinates from 1 on, or each to its `own` ones, behind the input words in coordinate 1."""
    selectors.choose(selector, 1, 1)  # an unknown option is an error even where nothing is routed
    embeddings.choose(embedding, 1, 1)
    shared = _routes(p, selector, embedding, g)
    rounds: list[Routes] = []
    end = 1 + p.memory
    for index in range(1, len(p.rounds) + 1):
        rounds.append(tuple(_moved(p, x, index, end) for x in shared) if own else shared)
        end += max((x.end for x in shared), default=0)
    blocks = Blocks(1, tuple(rounds), end, end + p.memory) if own else Blocks(0, tuple(rounds), 0, p.memory)
    needed = (max(x.end, x.embedding.coordinates + 1) for routes in rounds for x in routes)
    return replace(blocks, width=max(2, blocks.width, *needed))


def _routes(p: Protocol, selector: str, embedding: str, g: int | None) -> Routes:
    """One block of packets a class, side by side from coordinate 1 on."""
    found: list[Route] = []
    at, classes = 1, message_classes(p)
    for h, c in enumerate(classes, 1):
        matrix = selectors.choose(selector, p.machines**2 * c.most, c.most**2)
        packets = _packets(p, c, fresh("mail" if len(classes) == 1 else f"mail_{h}", _taken(p)), at, matrix)
        at += selectors.columns(matrix) * (max(len(m.words) for m in c.types) + 5)
        found.append(Route(packets, embeddings.choose(embedding, p.machines, c.most, g, at - 1), at - 1))
    return tuple(found)


def _moved(p: Protocol, route: Route, index: int, before: int) -> Route:
    """The block behind `before` more coordinates, with a number at its name."""
    name = fresh(f"{route.packets.name}_{index}", _taken(p))
    return replace(route, packets=replace(route.packets, name=name, at=before + route.packets.at), end=before + route.end)


def _taken(p: Protocol) -> set[str]:
    return {m.tag for m in p.messages} | {a.name for a in (*p.inputs, *p.outputs)} | {f.name for f in p.functions}


def _mail(routes: Routes) -> Reads:
    return tuple(s.ReadsPackets(x.packets.name) for x in routes)


def _packets(p: Protocol, c: MessageClass, name: str, at: int, matrix: Selector) -> Packets:
    """A machine hears at most Q_h senders, so a lone packet weighs at least 1/Q_h, above 1/(2 Q_h) (Lemma 3.2)."""
    return Packets(name, tuple(m.tag for m in c.types), at, p.machines, c.most, matrix, Fraction(1, 2 * c.most))


def _route(p: Protocol, route: Route, fused: bool) -> Head:
    """Sparse propagation (Prop. B.1): the average of the packets of those who sent something to this machine.

    If fused, the tokens of the output words hear it, each for the machine of its word.
    """
    name = route.packets.name
    value = cases(call("packed", s.Name(name)))
    machine, last = (_machine(p), p.words_out) if fused else (SELF, p.machines)
    return Head(f"route_{name}", route.embedding.query(machine, last), route.embedding.key(name), value)


# ---- fixed attention patterns (Lemmas B.4, B.6) ---------------------------------------------------


def _clear() -> Head:
    """Each row attends to itself, score 2ij - j^2, and takes its raw old row away."""
    return Head("clear", cases(vector(times(2, SELF), 1)), cases(vector(SELF, negative(square(SELF)))), cases(negative(ROW)))


def _key(p: Protocol, place: s.Expr, last: int) -> tuple[s.Case, ...]:
    """(d, -d^2) with d = place on rows 1..last; elsewhere a key below all scores 2id - d^2 = i^2 - (i - d)^2."""
    never = number(-4 * (_rows(p) + 1) ** 2)
    return cases(vector(place, negative(square(place))), within(SELF, 1, last), vector(0, never))


def _deal(p: Protocol, before: int, fused: bool) -> Head:
    """Lemma B.4: machine i averages the tokens of its words, word w in coordinate before + (w - 1) mod s + 1.

    If fused, the tokens of the output words do so, each for the machine of its word.
    """
    machine, last = (_machine(p), p.words_out) if fused else (SELF, -(-p.words_in // p.memory))
    value = call("unit", _place(p, before), s.Index("row", s.Number(1)))
    return Head(
        "deal",
        cases(vector(times(2, machine), 1), within(SELF, 1, last)),
        _key(p, _machine(p), p.words_in),
        cases(value, within(SELF, 1, p.words_in)),
    )


def _collect(p: Protocol, before: int) -> Head:
    """Lemma B.6: the token of output word w takes all output words of machine ceil(w / s), behind `before` coordinates."""
    busy = -(-p.words_out // p.memory)
    return Head(
        "collect",
        cases(vector(times(2, _machine(p)), 1), within(SELF, 1, p.words_out)),
        _key(p, SELF, busy),
        cases(_outputs(p, before), within(SELF, 1, busy)),
    )


def _machine(p: Protocol) -> s.Expr:
    """The machine of word `self`: ceil(self / s)."""
    return SELF if p.memory == 1 else call("ceil", s.Binary("/", SELF, s.Number(p.memory)))


def _place(p: Protocol, before: int) -> s.Expr:
    """The place of word `self` on its machine, behind some coordinates: before + (self - 1) mod s + 1."""
    return s.Number(before + 1) if p.memory == 1 else plus(s.Binary("mod", plus(SELF, -1), s.Number(p.memory)), before + 1)


def _word_of(p: Protocol, before: int) -> s.Expr:
    """psi: the output word of this token among those of its machine, rounded to a whole number."""
    return call("round", s.Index("row", _place(p, before)))


# ---- words on a machine ---------------------------------------------------------------------------


def _words_before(p: Protocol, constant: int) -> s.Expr:
    """s * (self - 1) + constant: the packed words on the machines before this one, and some more."""
    return plus(SELF, constant - 1) if p.memory == 1 else plus(times(p.memory, plus(SELF, -1)), constant)


def _held(p: Protocol, array: Array, offset: int) -> tuple[s.Expr, s.Expr]:
    """The first and the last index of an array on machine `self`, when `offset` words are packed before it."""
    first = _words_before(p, 1 - offset)
    low = first if offset == 0 else call("max", 1, first)
    return low, call("min", plus(times(p.memory, SELF), -offset), array.size)


def _offsets(arrays: tuple[Array, ...]) -> list[tuple[Array, int]]:
    """Each array with the number of words packed before it."""
    return [(a, sum(b.size for b in arrays[:i])) for i, a in enumerate(arrays)]


def _reads_inputs(p: Protocol, before: int) -> Reads:
    """Machine i finds the average of its `count` words, each on its own coordinate: count times that is the word, rounded."""
    reads: list[s.ReadsInput] = []
    whole = p.words_in % p.memory == 0
    count = s.Number(p.memory) if whole else minus(call("min", times(p.memory, SELF), p.words_in), _words_before(p, 0))
    for array, offset in _offsets(p.inputs):
        k = fresh("k", {array.name})
        place = plus(minus(s.Name(k), _words_before(p, 0)), offset + before) if p.memory > 1 else s.Number(before + 1)
        word: s.Expr = s.Index("row", place)
        low, high = _held(p, array, offset)
        reads.append(s.ReadsInput(array.name, k, call("round", word if p.memory == 1 else s.Binary("*", word, count)), low, high))
    return tuple(reads)


def _outputs(p: Protocol, before: int) -> s.Expr:
    """The output words of machine `self` in packed order, behind `before` coordinates."""
    k = fresh("k", {a.name for a in p.outputs})
    parts: list[s.Expr] = [call("zeros", before)] if before else []
    for array, offset in _offsets(p.outputs):
        low, high = _held(p, array, offset)
        parts.append(s.Reduce("vector", s.Index(array.name, s.Name(k)), s.OverRange(k, low, high)))
    return parts[0] if len(parts) == 1 else vector(*parts)
