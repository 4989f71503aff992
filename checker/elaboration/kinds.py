"""The kinds of expressions (numbers, truth values, vectors, ...) in a scope, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches

from checker.compilers import circuit_to_protocol, embeddings, protocol_to_circuit, selectors
from checker.language import syntax as s
from checker.language.diagnostics import Diagnostic, Span

NUMBER, BOOLEAN, VECTOR, SET, ARRAY, ANY = "number", "truth value", "vector", "set", "array", "any"
FIELD = "field"  # of a lemma, in `reads`: a number by its name, an array by index
PROTOCOL, CIRCUIT, MODEL, LEMMA = "protocol", "circuit", "model", "lemma"
RESERVED = ("self", "row")
MASKS = ("other", "none", "causal", "strict", "window")  # what has a meaning in masks only
COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")
BUILTINS: dict[str, tuple[tuple[str, ...], str]] = {
    "ceil": ((NUMBER,), NUMBER),
    "floor": ((NUMBER,), NUMBER),
    "round": ((NUMBER,), NUMBER),
    "bits": ((NUMBER,), NUMBER),
    "zeros": ((NUMBER,), VECTOR),
    "unit": ((NUMBER, NUMBER), VECTOR),
    "moment": ((NUMBER, NUMBER), VECTOR),
    "hadamard": ((NUMBER, NUMBER), VECTOR),
    "moment_dual": ((SET, NUMBER), VECTOR),
    "hadamard_dual": ((SET, NUMBER), VECTOR),
    "sign": ((NUMBER, NUMBER, NUMBER), VECTOR),
    "sign_dual": ((SET, NUMBER, NUMBER, NUMBER), VECTOR),
    "permutation": ((ARRAY,), BOOLEAN),
    "angle": ((NUMBER, NUMBER, NUMBER), VECTOR),
    "cosine": ((NUMBER, NUMBER, NUMBER), NUMBER),
}
OPTIONAL = {"sign_dual": 1, "angle": 1, "cosine": 1}  # how many of the last arguments may be left out
OF_NUMBERS = {"exp": 1, "log": 1, "stored": 2}  # in protocols whose messages carry numbers
BY_NAME = ("only", "count", "packed", "destinations")
SIZES = {
    "rounds": PROTOCOL,
    "machines": PROTOCOL,
    "memory": PROTOCOL,
    "depth": CIRCUIT,
    "heads": CIRCUIT,
    "width": CIRCUIT,
    "tokens": CIRCUIT,
    "precision": CIRCUIT,
}
OPTIONS: dict[str, dict[str, tuple[str, ...]]] = {  # what compilers can be told: one of some names, or () for a number
    "transformer": {
        "selector": selectors.CHOICES,
        "embedding": embeddings.CHOICES,
        "clear": protocol_to_circuit.CLEARING,
        "final": protocol_to_circuit.FINALS,
    },
    "mpc": {"memory": (), "layout": circuit_to_protocol.LAYOUTS, "address": ()},
}
AMOUNTS = ("memory", "address")
SELECTORS = {"identity": 1, "kautz_singleton": 3, "random": 3}
TAKEN = {
    *(*BUILTINS, *BY_NAME, *SIZES, *RESERVED, *MASKS, "min", "max", "sum", "any", "all"),
    *(*OPTIONS, *OF_NUMBERS, *s.OF_CIRCUITS),
}


@dataclass(frozen=True)
class Scope:
    """What may be named at one place. `inbox`, `packets` and `held` are None where there is nothing of the kind."""

    names: Mapping[str, str] = field(default_factory=dict)
    held: tuple[str, ...] | None = None
    inbox: Mapping[str, tuple[str, ...]] | None = None  # the kinds of the words of a message
    numeric: bool = False  # a protocol whose messages carry numbers
    packets: tuple[str, ...] | None = None
    vectors: bool = False
    at: Scope | None = None
    theorem: bool = False
    mask: bool = False

    def bind(self, *names: str, kind: str = NUMBER) -> Scope:
        return replace(self, names={**self.names, **dict.fromkeys(names, kind)})

    def of_mask(self) -> Scope:
        """These constants, the two rows that a mask speaks of, and the masks that have a name."""
        return replace(self.bind("self", "other").bind("none", "causal", "strict", kind=BOOLEAN), mask=True)


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` when something known is close."""
    close = get_close_matches(name, list(known), 1)
    return f"; did you mean `{close[0]}`?" if close else ""


class Expressions:
    """Kinds of expressions, and what is wrong with them."""

    def __init__(self, visible: Mapping[str, s.Definition]) -> None:
        self.visible = visible
        self.functions = {k: d for k, d in visible.items() if isinstance(d, s.FunctionDefinition)}
        self.problems: list[Diagnostic] = []
        self.results: dict[str, str] = {}

    def report(self, code: str, message: str, span: Span) -> str:
        self.problems.append(Diagnostic(code, message, span))
        return ANY

    def unknown(self, what: str, name: str, known: Iterable[str], span: Span) -> str:
        return self.report("NAME", f"expected {what}, found `{name}`{hint(name, known)}", span)

    def want(self, e: s.Expr, kind: str, scope: Scope) -> str:
        return self.expect(self.kind(e, scope), kind, e.span)

    def expect(self, found: str, kind: str, span: Span) -> str:
        """The kind that was found, after a report if it is another one."""
        fits = found in (kind, ANY) or (kind == VECTOR and found == NUMBER) or (kind == MODEL and found in (PROTOCOL, CIRCUIT))
        if not fits:
            self.report("TYPE", f"expected a {kind}, found {'an' if found == ARRAY else 'a'} {found}", span)
        return found

    def kind(self, e: s.Expr, scope: Scope) -> str:
        match e:
            case s.Number():
                return NUMBER
            case s.Name(name):
                return self._name(name, scope, e.span)
            case s.Index(array, index):
                self.want(index, NUMBER, scope)
                return self._index(array, scope, e.span)
            case s.Call():
                return self._call(e, scope)
            case s.Unary("not", operand):
                self.want(operand, BOOLEAN, scope)
                return BOOLEAN
            case s.Unary(_, operand):
                return self.want(operand, VECTOR if scope.vectors else NUMBER, scope)
            case s.Binary():
                return self._binary(e, scope)
            case s.Conditional(condition, then, otherwise):
                self.want(condition, BOOLEAN, scope)
                return self._join(self.kind(then, scope), self.kind(otherwise, scope), e)
            case s.Member(element, low, high):
                for x in (element, low, high):
                    self.want(x, NUMBER, scope)
                return BOOLEAN
            case s.Reduce():
                return self._reduce(e, scope)
            case s.At(inner, machine):
                self.want(machine, NUMBER, scope)
                if scope.at is None:
                    return self.report("NAME", "expected `at` in `keeps` only, found it elsewhere", e.span)
                return self.kind(inner, replace(scope.at, names={**scope.at.names, **scope.names, "self": NUMBER}))
            case s.Vector(items):
                for x in items:
                    self.want(x, VECTOR, scope)
                return self._vector(scope, e.span)

    def quietly(self, e: s.Expr, scope: Scope) -> str:
        """The kind, without reporting again."""
        before = len(self.problems)
        kind = self.kind(e, scope)
        del self.problems[before:]
        return kind

    def _vector(self, scope: Scope, span: Span) -> str:
        if not scope.vectors:
            self.report("TYPE", "expected no vector outside of circuits, found one", span)
        return VECTOR

    def _join(self, a: str, b: str, e: s.Expr) -> str:
        if ANY in (a, b):
            return a if b == ANY else b
        if {a, b} == {NUMBER, VECTOR}:
            return VECTOR
        if a != b:
            self.report("TYPE", f"expected both branches of one type, found a {a} and a {b}", e.span)
        return a

    def _name(self, name: str, scope: Scope, span: Span) -> str:
        if name in scope.names:
            return NUMBER if scope.names[name] == FIELD else scope.names[name]
        definition = self.visible.get(name)
        if isinstance(definition, s.FunctionDefinition) or (definition is not None and scope.theorem):
            return self._defined(name, (), scope, span)
        if name == "row":
            return self.report(
                "NAME", "expected `row` in fields, heads, readouts and `reads` of circuits only, found it elsewhere", span
            )
        if name in MASKS and not scope.mask:
            return self.report("NAME", f"expected `{name}` in masks only, found it elsewhere", span)
        return self.unknown("a name that is known here", name, scope.names, span)

    def _index(self, array: str, scope: Scope, span: Span) -> str:
        kind = scope.names.get(array)
        if kind is None and array == "row":
            return self._name(array, scope, span)
        if kind is None:
            return self.unknown(
                "an array that is known here", array, (k for k, v in scope.names.items() if v in (ARRAY, FIELD)), span
            )
        if kind not in (ARRAY, VECTOR, FIELD, ANY):
            self.report("TYPE", f"expected an array, found the {kind} `{array}`", span)
        return NUMBER

    def _binary(self, e: s.Binary, scope: Scope) -> str:
        if e.operator in ("and", "or"):
            self.want(e.left, BOOLEAN, scope)
            self.want(e.right, BOOLEAN, scope)
            return BOOLEAN
        left, right = self.kind(e.left, scope), self.kind(e.right, scope)
        known = right if left == ANY else left
        kind = BOOLEAN if e.operator in ("==", "!=") and known == BOOLEAN else NUMBER
        self.expect(left, kind, e.left.span)
        self.expect(right, kind, e.right.span)
        return BOOLEAN if e.operator in COMPARISONS else NUMBER

    def _arity(self, name: str, expected: int, found: int, span: Span) -> bool:
        if expected != found:
            self.report("ARITY", f"expected {expected} argument{'' if expected == 1 else 's'} of {name}, found {found}", span)
        return expected == found

    def _call(self, e: s.Call, scope: Scope) -> str:
        if e.options and not (scope.theorem and e.function in OPTIONS):
            self.report("NAME", f"expected options with {' and '.join(OPTIONS)} only, found {e.options[0][0]} = ...", e.span)
        if e.function in BY_NAME:
            return self._by_name(e, scope)
        if scope.theorem and e.function in SIZES:
            if self._arity(e.function, 1, len(e.arguments), e.span):
                self.want(e.arguments[0], SIZES[e.function], scope)
            return NUMBER
        if scope.theorem and e.function in OPTIONS:
            return self._compiled(e, scope)
        if e.function in ("min", "max"):
            for a in e.arguments:
                self.want(a, NUMBER, scope)
            if not e.arguments:
                self.report("ARITY", f"expected arguments of {e.function}, found none", e.span)
            return NUMBER
        if scope.numeric and e.function in (*OF_NUMBERS, *s.OF_CIRCUITS):
            return self._of_numbers(e, scope)
        if e.function == "window" and scope.mask:
            if self._arity("window", 2, len(e.arguments), e.span):
                for a in e.arguments:
                    self.want(a, NUMBER, scope)
            return BOOLEAN
        if e.function in BUILTINS:
            kinds, result = BUILTINS[e.function]
            missing = len(kinds) - len(e.arguments)
            if 0 < missing <= OPTIONAL.get(e.function, 0):
                kinds = kinds[:-missing]
            if self._arity(e.function, len(kinds), len(e.arguments), e.span):
                for a, kind in zip(e.arguments, kinds, strict=True):
                    self.want(a, kind, scope)
            return self._vector(scope, e.span) if result == VECTOR else result
        return self._defined(e.function, e.arguments, scope, e.span)

    def _by_name(self, e: s.Call, scope: Scope) -> str:
        """`only(tag)`, `count(tag)`, `packed(P)`, `destinations(P)`"""
        of_tags = e.function in ("only", "count")
        known: Iterable[str] | None = scope.inbox if of_tags else scope.packets
        result = NUMBER if of_tags else VECTOR if e.function == "packed" else SET
        if known is None:
            place = "where there is an inbox" if of_tags else "in heads of circuits"
            self.report("NAME", f"expected {e.function}(...) {place} only, found it elsewhere", e.span)
        elif self._arity(e.function, 1, len(e.arguments), e.span):
            argument = e.arguments[0]
            if not isinstance(argument, s.Name) or argument.name not in known:
                what = "a type of message" if of_tags else "a declaration of packets"
                self.unknown(what, argument.name if isinstance(argument, s.Name) else "...", known, argument.span)
            elif e.function == "only" and scope.inbox is not None and len(scope.inbox[argument.name]) != 1:
                self.report(
                    "ARITY",
                    f"expected a message of one word in only(...), found {argument.name} of {len(scope.inbox[argument.name])}",
                    e.span,
                )
            elif e.function == "only" and scope.inbox is not None:
                return scope.inbox[argument.name][0]
        return result

    def _of_numbers(self, e: s.Call, scope: Scope) -> str:
        """`exp`, `log`, `stored`, and the functions of circuits, whose first argument names the circuit."""
        vector = e.function == "stored"
        if not self._arity(e.function, {**OF_NUMBERS, **s.OF_CIRCUITS}[e.function], len(e.arguments), e.span):
            return ANY
        first, *rest = e.arguments
        if e.function in OF_NUMBERS:
            self.want(first, VECTOR if vector else NUMBER, scope)
        elif not isinstance(first, s.Name) or not isinstance(d := self.visible.get(first.name), s.CircuitDefinition):
            known = [k for k, d in self.visible.items() if isinstance(d, s.CircuitDefinition)]
            self.unknown("a circuit of this file", first.name if isinstance(first, s.Name) else "...", known, first.span)
        elif d.parameters:
            self.report("ARITY", f"expected a circuit without parameters, found {d.name}({', '.join(d.parameters)})", first.span)
        for k, a in enumerate(rest, 1):
            last_is_row = e.function in ("query", "key", "value", "readout") and k == len(rest)
            self.want(a, VECTOR if last_is_row else NUMBER, scope)
        if e.function == "attends":
            return BOOLEAN
        return VECTOR if e.function in ("stored", "query", "key", "value") else NUMBER

    def _compiled(self, e: s.Call, scope: Scope) -> str:
        """transformer(P, ...) or mpc(T, ...)"""
        source, made = (PROTOCOL, CIRCUIT) if e.function == "transformer" else (CIRCUIT, PROTOCOL)
        known = OPTIONS[e.function]
        if self._arity(e.function, 1, len(e.arguments), e.span):
            self.want(e.arguments[0], source, scope)
        for option, value in e.options:
            if option not in known:
                self.unknown(f"one of the options {', '.join(known)}", option, known, e.span)
            elif option in AMOUNTS:
                self.want(value, NUMBER, scope)
            elif not isinstance(value, s.Name) or value.name not in known[option]:
                found = value.name if isinstance(value, s.Name) else "..."
                self.unknown(f"one of {', '.join(known[option])} for {option}", found, known[option], value.span)
        self.distinct("option", [(option, value.span) for option, value in e.options])
        return made

    def _defined(self, name: str, arguments: tuple[s.Expr, ...], scope: Scope, span: Span) -> str:
        definition = self.visible.get(name)
        if definition is None or (not scope.theorem and not isinstance(definition, s.FunctionDefinition)):
            for a in arguments:
                self.kind(a, scope)
            if name in MASKS and not scope.mask:
                return self._name(name, scope, span)
            known = [*BUILTINS, *BY_NAME, "min", "max", *(self.visible if scope.theorem else self.functions)]
            known += [*SIZES, *OPTIONS] if scope.theorem else []
            return self.unknown("a function that is known here", name, known, span)
        self._arity(name, len(definition.parameters), len(arguments), span)
        for a in arguments:
            if isinstance(definition, s.FunctionDefinition):
                self.kind(a, scope)
            else:
                self.want(a, NUMBER, scope)
        match definition:
            case s.FunctionDefinition():
                result = self._result(definition)
                return self._vector(scope, span) if result == VECTOR else result
            case s.ProtocolDefinition():
                return PROTOCOL
            case s.CircuitDefinition():
                return CIRCUIT
            case s.LemmaDefinition():
                return LEMMA

    def function_scope(self, d: s.FunctionDefinition) -> Scope:
        return Scope(dict.fromkeys(d.parameters, ANY), vectors=True)

    def _result(self, d: s.FunctionDefinition) -> str:
        if d.name not in self.results:
            self.results[d.name] = ANY
            self.results[d.name] = self.quietly(d.body, self.function_scope(d))
        return self.results[d.name]

    def binder(self, b: s.Binder, scope: Scope) -> Scope:
        """What is known inside of the binder."""
        vectors: list[str] = []
        match b:
            case s.OverRange(variable, low, high):
                self.want(low, NUMBER, scope)
                self.want(high, NUMBER, scope)
                names = [variable]
            case s.OverHeld(variable, array):
                if scope.held is None:
                    self.report("NAME", "expected held(...) in local functions only, found it elsewhere", b.span)
                elif array not in scope.held:
                    self.unknown("an array that lies on machines", array, scope.held, b.span)
                names = [variable]
            case s.OverInbox(tag, variables, source):
                if scope.inbox is None:
                    self.report("NAME", "expected `in inbox` where there is an inbox only, found it elsewhere", b.span)
                elif tag not in scope.inbox:
                    self.unknown("a type of message", tag, scope.inbox, b.span)
                elif len(scope.inbox[tag]) != len(variables):
                    self.report(
                        "ARITY", f"expected {len(scope.inbox[tag])} names for the words of {tag}, found {len(variables)}", b.span
                    )
                else:
                    vectors = [v for v, kind in zip(variables, scope.inbox[tag], strict=True) if kind == VECTOR]
                names = [*variables, *([source] if source else [])]
        self.distinct("variable", [(name, b.span) for name in names])
        return scope.bind(*names).bind(*vectors, kind=VECTOR)

    def _reduce(self, e: s.Reduce, scope: Scope) -> str:
        inner = self.binder(e.binder, scope)
        if e.condition is not None:
            self.want(e.condition, BOOLEAN, inner)
        if e.kind == "only":
            return self.kind(e.body, inner)
        if e.kind == "vector":
            if isinstance(e.binder, s.OverInbox):
                self.report("TYPE", "expected no vector over the inbox, whose order is not observable, found one", e.span)
            self.want(e.body, VECTOR, inner)
            return self._vector(scope, e.span)
        self.want(e.body, BOOLEAN if e.kind in ("any", "all", "count") else NUMBER, inner)
        return BOOLEAN if e.kind in ("any", "all") else NUMBER

    def distinct(self, what: str, names: list[tuple[str, Span]], taken: Iterable[str] = RESERVED) -> None:
        """No name twice, none that means something already."""
        seen: set[str] = set()
        for name, span in names:
            if name in seen:
                self.report("DUPLICATE", f"expected one {what} `{name}`, found a second", span)
            elif name in taken:
                self.report("DUPLICATE", f"expected a new name for a {what}, found `{name}`, which the language has", span)
            seen.add(name)
