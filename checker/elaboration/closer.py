"""What is common to closing definitions: parameters and constants substituted, loops unrolled, everything static a number."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeVar

from checker.elaboration import masks
from checker.elaboration.folding import Folder, deep, literal, static
from checker.elaboration.inlining import Inliner
from checker.language import printer
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models.protocol import Array, MessageType, Numbers

MAX_WORD = 300
MAX_SIZE = 1_000_000
MAX_ROUNDS = 10_000
NOTHING: Mapping[str, int] = {}
OPEN: Mapping[str, s.Expr] = {}
X = TypeVar("X")


def fold(
    e: s.Expr,
    constants: Mapping[str, int | Fraction],
    functions: Mapping[str, s.FunctionDefinition],
    unbound: tuple[str, ...] = (),
) -> s.Expr:
    """The expression with constants substituted and everything static a number (or TRUE, FALSE).

    `unbound` names mean something else than a constant or a function of that name: they stay.
    """
    with deep():
        env = {name: literal(value) for name, value in constants.items()}
        return Folder(functions).expr(e, {**env, **{name: s.Name(name) for name in unbound}})


class Closer:
    """One definition at one choice of its parameters."""

    def __init__(
        self,
        kind: str,
        d: s.ProtocolDefinition | s.CircuitDefinition | s.LemmaDefinition,
        arguments: Mapping[str, int],
        functions: Mapping[str, s.FunctionDefinition],
    ) -> None:
        self.folder = Folder(functions)
        arrays = () if isinstance(d, s.LemmaDefinition) else (*d.inputs, *d.outputs)
        self.array_names: dict[str, s.Expr] = {a.name: s.Name(a.name) for a in arrays}
        self.env = dict(self.array_names)
        if set(arguments) != set(d.parameters):
            raise spec_error(
                "ARITY",
                f"expected values of ({', '.join(d.parameters)}) for {kind} {d.name}, found ({', '.join(arguments)})",
                d.span,
            )
        for name, value in arguments.items():
            self.env[name] = s.Number(value)
        if d.where is not None:
            known = static(self.expr(d.where))
            if not isinstance(known, bool):
                raise spec_error(
                    "STATIC", f"expected a condition on numbers, found `{printer.expression(d.where)}`", d.where.span
                )
            if not known:
                values = ", ".join(f"{k} = {v}" for k, v in arguments.items())
                raise spec_error(
                    "INSTANCE", f"{kind} {d.name} expects {printer.expression(d.where)}, found {values}", d.where.span
                )
        for let in d.lets:
            value_ = self.expr(let.value)
            if static(value_) is None:
                raise spec_error(
                    "STATIC",
                    f"expected a value of {let.name} known from the parameters, found `{printer.expression(value_)}`",
                    let.value.span,
                )
            self.env[let.name] = value_
        self.inliner = Inliner()
        self.settings: dict[str, tuple[int, Span]] = {}
        if not isinstance(d, s.LemmaDefinition):
            self.settings = {key: (self.whole(e), e.span) for key, e in d.settings}
            self.word = self.setting("word", 1, MAX_WORD)

    def inside(self, bound: Mapping[str, int]) -> dict[str, s.Expr]:
        self.folder.work = 0
        return {**self.env, **{k: s.Number(v) for k, v in bound.items()}}

    def expr(self, e: s.Expr, bound: Mapping[str, int] = NOTHING, held: Mapping[str, s.Expr] = OPEN) -> s.Expr:
        """Folded, with the names of the loop bound to numbers and those held open to what is known of them."""
        return self.folder.expr(e, {**self.inside(bound), **held})

    def written_out(self, e: s.Expr, bound: Mapping[str, int], fields: Mapping[str, s.Expr]) -> s.Expr:
        """Folded, with the closed expressions put in that its fields name."""
        if not fields:
            return self.expr(e, bound)
        known = {name: value if static(value) is not None else s.Name(name) for name, value in fields.items()}
        return self.folder.expr(self.inliner.expr(self.expr(e, bound, known), fields), self.array_names)

    def fields(
        self, lets: tuple[s.Let, ...], bound: Mapping[str, int] = NOTHING, known: Mapping[str, s.Expr] = OPEN
    ) -> dict[str, s.Expr]:
        """The closed expressions that fields name, after those known already."""
        result = dict(known)
        for let in lets:
            result[let.name] = self.written_out(let.value, bound, result)
        return result

    def cases(self, cases: tuple[s.Case, ...], close: Callable[[s.Expr], s.Expr]) -> tuple[s.Case, ...]:
        """Closed, without those that never count."""
        result: list[s.Case] = []
        for case in cases:
            condition = None if case.condition is None else close(case.condition)
            known = True if condition is None else static(condition)
            if known is False:
                continue
            result.append(s.Case(close(case.value), None if known is True else condition, span=case.span))
            if known is True:
                break
        return tuple(result) or (s.Case(s.Call("zeros", (s.Number(1),)), None),)

    def mask(self, mask: s.Expr, bound: Mapping[str, int], rows: range) -> s.Expr | None:
        """Closed, with named masks written out; None if it always holds."""
        return masks.expanded(self.expr(mask, bound, masks.OPEN), rows, self.folder.functions)

    def body(self, body: tuple[s.Statement, ...], bound: Mapping[str, int] = NOTHING) -> tuple[s.Statement, ...]:
        return self.folder.block(body, self.inside(bound))

    def conditions(
        self, es: tuple[s.Expr, ...], bound: Mapping[str, int] = NOTHING, held: Mapping[str, s.Expr] = OPEN
    ) -> tuple[s.Expr, ...]:
        """Folded, without those that always hold."""
        folded = (self.expr(e, bound, held) for e in es)
        return tuple(e for e in folded if static(e) is not True)

    def number(self, e: s.Expr, bound: Mapping[str, int] = NOTHING) -> int | Fraction:
        value = static(folded := self.expr(e, bound))
        if value is None or isinstance(value, bool):
            raise spec_error(
                "STATIC", f"expected a number known from the parameters, found `{printer.expression(folded)}`", e.span
            )
        return value

    def whole(self, e: s.Expr, bound: Mapping[str, int] = NOTHING) -> int:
        value = self.number(e, bound)
        if isinstance(value, Fraction):
            raise spec_error("STATIC", f"expected a whole number, found {value}", e.span)
        return value

    def setting(self, key: str, least: int, most: int) -> int:
        value, span = self.settings[key]
        return self.limited(key, value, least, most, span)

    def limited(self, what: str, value: int, least: int, most: int, span: Span) -> int:
        if value < least:
            raise spec_error("SIZE", f"expected {what} >= {least}, found {value}", span)
        if value > most:
            raise spec_error("TOO_LARGE", f"expected {what} <= {most}, found {value}", span)
        return value

    def type(self, t: s.Type) -> tuple[int, int]:
        if isinstance(t, s.WordType):
            return (0, 2**self.word - 1)
        low, high = self.whole(t.low), self.whole(t.high)
        if low < 0:
            raise spec_error("RANGE", f"expected a range from 0 or more on, found {low}..{high}", t.span)
        if high < low:
            raise spec_error("RANGE", f"expected a range that is not empty, found {low}..{high}", t.span)
        if high > 2**self.word - 1:
            raise spec_error(
                "RANGE",
                f"expected a range within a word of {self.word} bits (0..{2**self.word - 1}), found {low}..{high}",
                t.span,
            )
        return (low, high)

    def arrays(self, declarations: tuple[s.ArrayDeclaration, ...], room: int, where: str) -> tuple[Array, ...]:
        result: list[Array] = []
        used = 0
        for d in declarations:
            size = self.limited(f"size of {d.name}", self.whole(d.size), 1, MAX_SIZE, d.size.span)
            used += size
            if used > room:
                raise spec_error(
                    "FIT", f"expected arrays that fit into {where} ({room} words), found {used} words up to {d.name}", d.span
                )
            result.append(Array(d.name, size, *self.type(d.type)))
        return tuple(result)

    def messages(self, declarations: tuple[s.MessageDeclaration, ...]) -> tuple[MessageType, ...]:
        for d in declarations:
            if not d.words:
                raise spec_error("SIZE", f"expected at least one word in a message {d.tag}, found none", d.span)
        return tuple(self.message(d) for d in declarations)

    def message(self, d: s.MessageDeclaration) -> MessageType:
        words = tuple(self.type(t) for t in d.words if not isinstance(t, s.NumbersType))
        last = d.words[-1]
        return MessageType(d.tag, words, self.numbers(last) if isinstance(last, s.NumbersType) else None)

    def numbers(self, t: s.NumbersType) -> Numbers:
        step = None if t.step is None else self.number(t.step)
        if step is not None and step <= 0:
            raise spec_error("RANGE", f"expected numbers by a positive step, found {step}", t.span)
        count = self.limited("numbers in a message", self.whole(t.count), 1, MAX_SIZE, t.count.span)
        return Numbers(count, None if step is None else Fraction(step))

    def unrolled(self, name: str, each: s.ForEach | None, make: Callable[[str, dict[str, int]], X], so_far: int) -> list[X]:
        """One round or layer, or one for every value of its variable."""
        if each is None:
            return [make(name, {})]
        low, high = self.whole(each.low), self.whole(each.high)
        if low < 0 <= high:
            raise spec_error("RANGE", f"expected a loop from 0 or more on, found {low}..{high}", each.span)
        total = so_far + high - low + 1
        if total > MAX_ROUNDS:
            raise spec_error("TOO_LARGE", f"expected at most {MAX_ROUNDS} rounds or layers, found {total}", each.span)
        return [make(f"{name}_{t}", {each.variable: t}) for t in range(max(low, 0), high + 1)]
