"""A machine's local function: from inbox and held words to messages and output words (Def. 2.3)."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from checker.language import syntax as s
from checker.language.diagnostics import Span
from checker.models.protocol import Array, MessageType
from checker.semantics import terms as t
from checker.semantics import values as v
from checker.semantics.cyclotomic import Cyclotomic
from checker.semantics.expressions import Fault, Lanes, Meaning, Piece, Scope, Vec, View, Word, evaluate, items, number, truth
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on its way: it goes out if `guard` holds."""

    tag: str
    words: tuple[Word, ...]
    destination: Value
    guard: Value


@dataclass(frozen=True, slots=True)
class Effect:
    """What a local function does: messages in the order of sending, and output words."""

    sent: tuple[Sent, ...]
    assigned: dict[tuple[str, int], Value]


class _Run:
    def __init__(self, messages: tuple[MessageType, ...], machines: int, outputs: dict[str, tuple[Array, range]]) -> None:
        self.messages = {m.tag: m for m in messages}
        self.machines, self.outputs = machines, outputs
        self.sent: list[Sent] = []
        self.assigned: dict[tuple[str, int], list[tuple[Value, Value]]] = {}

    def block(self, statements: tuple[s.Statement, ...], scope: Scope) -> None:
        for st in statements:
            match st:
                case s.Let(name, value):
                    scope = scope.bind(**{name: evaluate(value, scope)})
                case s.Send():
                    self.send(st, scope)
                case s.Choose(condition, then, otherwise):
                    c = truth(evaluate(condition, scope), st.span)
                    if scope.decide is not None and isinstance(c, Term):
                        c = scope.decide(c)
                    if c is not False:
                        self.block(then, scope.under(c))
                    if c is not True:
                        self.block(otherwise, scope.under(v.negate(c)))
                case s.Repeat(binder, body):
                    for guard, names in items(binder, scope):
                        if guard is not False:
                            self.block(body, scope.under(guard).bind(**names))
                case s.Assign():
                    self.assign(st, scope)

    def send(self, st: s.Send, scope: Scope) -> None:
        kind = self.messages[st.tag]
        words = tuple(evaluate(w, scope) for w in st.words)
        destination = evaluate(st.destination, scope)
        for word, (low, high) in zip(words, kind.words, strict=kind.numbers is None):
            check_range(word, low, high, f"a word of {st.tag}", st, scope)
        if kind.numbers is not None:
            words = (*words[:-1], vector(words[-1], kind.numbers.count, f"the numbers of {st.tag}", st.span))
        check_range(destination, 1, self.machines, "a destination", st, scope)
        self.sent.append(Sent(st.tag, words, destination, scope.guard))

    def assign(self, st: s.Assign, scope: Scope) -> None:
        index, value = number(evaluate(st.index, scope), st.span), evaluate(st.value, scope)
        if isinstance(index, Term):
            raise Unsupported("an output word at an unknown index")
        if not t.is_whole(index):
            raise Fault(f"{st.array}[{index}]: expected a whole number", st.span)
        if st.array not in self.outputs:
            raise Fault(f"{st.array} is not an output that can be assigned here", st.span)
        array, place = self.outputs[st.array]
        scope.require(index in place, f"{st.array}[{index}] does not lie on this machine", st.span)
        check_range(value, array.low, array.high, st.array, st, scope)
        self.assigned.setdefault((st.array, int(index)), []).append((scope.guard, value))


def vector(value: Meaning, count: int, what: str, span: Span) -> Vec | Lanes:
    """A vector of `count` coordinates, padded with zeros."""
    found = value if isinstance(value, Vec | Lanes) else Vec({1: number(value, span)}, 1)
    if found.length > count:
        raise Fault(f"{what} are {found.length}: expected at most {count}", span)
    if isinstance(found, Lanes):
        return found if found.length == count else Lanes((*found.pieces, Piece(count - found.length, 0)))
    return found if found.length == count else Vec(found.entries, count)


def check_range(value: Value, low: int, high: int, what: str, st: s.Statement, scope: Scope) -> None:
    """A whole number in low..high."""
    if (
        not isinstance(value, (int, Fraction, Cyclotomic, Term))
        or v.is_boolean(value)
        or (not isinstance(value, Term) and not t.is_whole(value))
    ):
        raise Fault(f"{what} is {value}: expected a whole number in {low}..{high}", st.span)
    if not t.is_whole(value):
        raise Unsupported(f"{what} that may be a fraction")
    inside = v.both(v.at_most(low, value), v.at_most(value, high))
    if inside is not True:  # a reason takes longer to write than most conditions to see
        scope.require(inside, f"{what} is {t.show(value)}: expected {low}..{high}", st.span)


def run_local(
    body: tuple[s.Statement, ...],
    scope: Scope,
    messages: tuple[MessageType, ...],
    machines: int,
    outputs: dict[str, tuple[Array, range]] | None = None,
    complete: bool = True,
) -> Effect:
    """Run a local function. `outputs`: each output array and the indices that it may assign (all of them if `complete`)."""
    run = _Run(messages, machines, outputs or {})
    run.block(body, scope)
    assigned: dict[tuple[str, int], Value] = {}
    for name, (_, place) in (outputs or {}).items():
        for k in place:
            writes = run.assigned.get((name, k), [])
            if not writes and not complete:
                continue
            number: Value = 0
            value: Value = writes[-1][1] if writes else 0
            for guard, _value in writes:
                number = v.add(number, v.choose(guard, 1, 0))
            for guard, written in reversed(writes[:-1]):
                value = v.choose(guard, written, value)
            span = body[-1].span if body else s.Number(0).span
            if number != 1:
                scope.require(v.equal(number, 1), f"{name}[{k}] is assigned {t.show(number)} times: expected once", span)
            assigned[name, k] = value
    return Effect(tuple(run.sent), assigned)


def local_view(name: str, entries: object, held: range) -> View:
    """An input array as a machine sees it: only what it holds."""
    return View(name, entries, held.start, held.stop - 1)  # type: ignore[arg-type]
