"""What is static in a tree becomes a number: substitution of constants, exact arithmetic, calls at numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Any

from checker.language import syntax as s
from checker.language.diagnostics import NOWHERE, Span, spec_error

Value = int | Fraction
TRUE = s.Binary("==", s.Number(1), s.Number(1))
FALSE = s.Binary("==", s.Number(1), s.Number(0))
MAX_RECURSION = 1_000
MAX_FRAMES = 20_000
MAX_WORK = 2_000_000
MAX_BITS = 1_000_000
MAX_RANGE = 100_000
A_NUMBER = s.Name("self")
NUMBERS = ("ceil", "floor", "round", "bits", "min", "max", "count", "cosine", "exp", "log")
BY_NAME = ("destinations", "packed", "permutation")


def truth(value: bool, span: Span = NOWHERE) -> s.Expr:
    """The tree of a known boolean."""
    return s.Binary("==", s.Number(1, span=span), s.Number(1 if value else 0, span=span), span=span)


def literal(value: Value | bool, span: Span = NOWHERE) -> s.Expr:
    """The tree of a known value; a fraction with denominator 1 is an integer."""
    if value is True or value is False:
        return truth(value, span)
    return s.Number(_whole(value), span=span)


def _whole(value: Value) -> Value:
    return value.numerator if type(value) is not int and value.denominator == 1 else value


def static(e: s.Expr) -> Value | bool | None:
    """The number or the boolean that a folded expression is, or None."""
    if type(e) is s.Number:
        return _whole(e.value)
    if type(e) is s.Binary and e.operator == "==" and type(e.left) is s.Number and e.left.value == 1:
        if type(e.right) is s.Number and e.right.value in (0, 1):
            return e.right.value == 1
    return None


def walk(node: Any) -> Iterator[Any]:
    """All nodes of a tree (or of tuples of trees), parents first."""
    stack = [node]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(reversed(node))
        elif is_dataclass(node) and not isinstance(node, Span):
            yield node
            stack.extend(getattr(node, f.name) for f in reversed(fields(node)) if f.name != "span")


@contextmanager
def deep() -> Iterator[None]:
    """Room for a recursion of 1,000 calls; running out of it is a diagnostic."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, MAX_FRAMES))
    try:
        yield
    except RecursionError:
        raise spec_error("RECURSION", "expected a recursion that ends, found one that is too deep") from None
    finally:
        sys.setrecursionlimit(before)


def _is_number(value: Value | bool | None) -> bool:
    return value is not None and not isinstance(value, bool)


def arithmetic(operator: str, a: Value, b: Value, span: Span) -> Value | bool | None:
    """The value of an operation on two numbers; None if it has none."""
    match operator:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "/":
            return None if b == 0 else Fraction(a) / b
        case "div":
            return None if b <= 0 else a // b
        case "mod":
            return None if b <= 0 else a % b
        case "^":
            return _power(a, b, span)
        case "==":
            return a == b
        case "!=":
            return a != b
        case "<":
            return a < b
        case "<=":
            return a <= b
        case ">":
            return a > b
        case ">=":
            return a >= b
    return None


def _power(a: Value, b: Value, span: Span) -> Value | None:
    if not isinstance(b, int) or b < 0:
        return None
    size = max(abs(Fraction(a).numerator).bit_length(), Fraction(a).denominator.bit_length())
    if a not in (-1, 0, 1) and size * b > MAX_BITS:
        raise spec_error("TOO_LARGE", f"expected a number of at most {MAX_BITS} bits, found a larger power", span)
    return Fraction(a) ** b


def _builtin(name: str, values: list[Value]) -> Value | None:
    match name, values:
        case "ceil", [a]:
            return ceil(a)
        case "floor", [a]:
            return floor(a)
        case "round", [a]:
            return floor(a + Fraction(1, 2))
        case "bits", [int(a)] if a >= 0:
            return a.bit_length()
        case "min", [_, *_]:
            return min(values)
        case "max", [_, *_]:
            return max(values)
    return None


def _reduced(kind: str, values: list[Value | bool]) -> Value | bool | None:
    numbers = all(not isinstance(v, bool) for v in values)
    if kind in ("any", "all", "count"):
        if not all(isinstance(v, bool) for v in values):
            return None
        return any(values) if kind == "any" else all(values) if kind == "all" else sum(values)
    if kind == "only":
        return values[0] if len(values) == 1 else None
    if not numbers or (kind != "sum" and not values):
        return None
    return sum(values) if kind == "sum" else min(values) if kind == "min" else max(values) if kind == "max" else None


class Folder:
    """Folds trees; an environment maps names to numbers and known booleans, a name that is bound to itself, or to `self` if it
    is certainly a number."""

    def __init__(self, functions: Mapping[str, s.FunctionDefinition]) -> None:
        self.functions = functions
        self.known: dict[Any, Value | bool | None] = {}
        self.depth = 0
        self.work = 0

    def expr(self, e: s.Expr, env: Mapping[str, s.Expr]) -> s.Expr:
        match e:
            case s.Number(number):
                return e if type(number) is int else literal(number, e.span)
            case s.Name(name):
                if name not in env:
                    return self._constant(e)
                value = static(env[name])
                return e if value is None else literal(value, e.span)
            case s.Index(array, index):
                return s.Index(array, self.expr(index, env), span=e.span)
            case s.Call():
                return self._call(e, env)
            case s.Unary():
                return self._unary(e, env)
            case s.Binary():
                return self._binary(e, env)
            case s.Conditional(condition, then, otherwise):
                condition = self.expr(condition, env)
                known = static(condition)
                if isinstance(known, bool):
                    return self.expr(then if known else otherwise, env)
                return s.Conditional(condition, self.expr(then, env), self.expr(otherwise, env), span=e.span)
            case s.Member(element, low, high):
                parts = [self.expr(x, env) for x in (element, low, high)]
                a, b, c = (static(x) for x in parts)
                if _is_number(a) and _is_number(b) and _is_number(c):
                    return truth(b <= a <= c, e.span)  # type: ignore[operator]
                return s.Member(parts[0], parts[1], parts[2], span=e.span)
            case s.Reduce():
                return self._reduce(e, env)
            case s.At(inner, machine):
                return s.At(self.expr(inner, env), self.expr(machine, env), span=e.span)
            case s.Vector(items):
                return s.Vector(tuple([self.expr(x, env) for x in items]), span=e.span)

    def _constant(self, e: s.Name) -> s.Expr:
        """A function without parameters is called by its name alone."""
        definition = self.functions.get(e.name)
        value = None if definition is None or definition.parameters else self._inlined(definition, [], e.span)
        return e if value is None else literal(value, e.span)

    def _unary(self, e: s.Unary, env: Mapping[str, s.Expr]) -> s.Expr:
        operand = self.expr(e.operand, env)
        value = static(operand)
        if e.operator == "not" and isinstance(value, bool):
            return truth(not value, e.span)
        if e.operator == "-" and value is not None and not isinstance(value, bool):
            return literal(-value, e.span)
        return s.Unary(e.operator, operand, span=e.span)

    def _binary(self, e: s.Binary, env: Mapping[str, s.Expr]) -> s.Expr:
        left = self.expr(e.left, env)
        a = static(left)
        if e.operator in ("and", "or"):
            decisive = e.operator == "or"
            if a is decisive:
                return left
            right = self.expr(e.right, env)
            b = static(right)
            if isinstance(a, bool) and self.certainly_true_or_false(right):
                return right
            if isinstance(b, bool) and b != decisive and self.certainly_true_or_false(left):
                return left
            return s.Binary(e.operator, left, right, span=e.span)
        right = self.expr(e.right, env)
        b = static(right)
        if a is not None and b is not None:
            value: Value | bool | None = None
            if not isinstance(a, bool) and not isinstance(b, bool):
                value = arithmetic(e.operator, a, b, e.span)
            elif isinstance(a, bool) and isinstance(b, bool) and e.operator in ("==", "!="):
                value = (a == b) == (e.operator == "==")
            return s.Binary(e.operator, left, right, span=e.span) if value is None else literal(value, e.span)
        return self._simpler(e.operator, left, right, env) or s.Binary(e.operator, left, right, span=e.span)

    def _simpler(self, operator: str, left: s.Expr, right: s.Expr, env: Mapping[str, s.Expr]) -> s.Expr | None:
        """x for x + 0 and the like; not if x may be of a kind for which x + 0 has no value."""
        match operator, left, right:
            case ("+" | "-", x, s.Number(0)) | ("*" | "/" | "^", x, s.Number(1)) if self.certainly_number(x, env):
                return x
            case ("+", s.Number(0), x) | ("*", s.Number(1), x) if self.certainly_number(x, env):
                return x
        return None

    def certainly_number(self, e: s.Expr, env: Mapping[str, s.Expr]) -> bool:
        """Is the value a number, if there is one? As written, without a look at what functions do."""
        match e:
            case s.Number() | s.Index() | s.Reduce("sum" | "min" | "max" | "count"):
                return True
            case s.Name(name):
                return name == "self" or env.get(name) == A_NUMBER
            case s.Unary("-", inner) | s.At(inner, _):
                return self.certainly_number(inner, env)
            case s.Binary(operator):
                return operator in ("+", "-", "*", "/", "div", "mod", "^")
            case s.Conditional(_, then, otherwise):
                return self.certainly_number(then, env) and self.certainly_number(otherwise, env)
            case s.Call(function):
                return function in NUMBERS and function not in self.functions
        return False

    def certainly_true_or_false(self, e: s.Expr) -> bool:
        """Is the value a truth value, if there is one?"""
        match e:
            case s.Member() | s.Unary("not") | s.Reduce("any" | "all"):
                return True
            case s.Binary(operator):
                return operator in ("and", "or", "==", "!=", "<", "<=", ">", ">=")
            case s.At(inner, _):
                return self.certainly_true_or_false(inner)
            case s.Conditional(_, then, otherwise):
                return self.certainly_true_or_false(then) and self.certainly_true_or_false(otherwise)
            case s.Call(function):
                return function == "permutation" and function not in self.functions
        return False

    def _call(self, e: s.Call, env: Mapping[str, s.Expr]) -> s.Expr:
        if e.function in BY_NAME or (e.function in ("only", "count") and len(e.arguments) == 1):
            return e
        if e.function in s.OF_CIRCUITS and e.function not in self.functions:
            return s.Call(e.function, (*e.arguments[:1], *(self.expr(a, env) for a in e.arguments[1:])), span=e.span)
        arguments = [self.expr(a, env) for a in e.arguments]
        options = tuple([(k, self.expr(v, env)) for k, v in e.options])
        folded = s.Call(e.function, tuple(arguments), options, span=e.span)
        values = [static(a) for a in arguments]
        if options or None in values:
            return folded
        definition = self.functions.get(e.function)
        if definition is None:
            if any(isinstance(v, bool) for v in values):
                return folded
            value: Value | bool | None = _builtin(e.function, values)  # type: ignore[arg-type]
        else:
            if len(arguments) != len(definition.parameters):
                raise spec_error(
                    "ARITY", f"expected {len(definition.parameters)} arguments of {e.function}, found {len(arguments)}", e.span
                )
            value = self._inlined(definition, arguments, e.span)
        return folded if value is None else literal(value, e.span)

    def _inlined(self, definition: s.FunctionDefinition, arguments: list[s.Expr], span: Span) -> Value | bool | None:
        key = (definition.name, tuple(arguments))
        if key in self.known:
            return self.known[key]
        self._step(span)
        if self.depth >= MAX_RECURSION:
            raise spec_error(
                "RECURSION",
                f"expected a recursion that ends, found {MAX_RECURSION} calls inside each other at {definition.name}",
                span,
            )
        self.depth += 1
        try:
            value = static(self.expr(definition.body, dict(zip(definition.parameters, arguments, strict=True))))
        finally:
            self.depth -= 1
        self.known[key] = value
        return value

    def _step(self, span: Span) -> None:
        self.work += 1
        if self.work > MAX_WORK:
            raise spec_error("TOO_LARGE", f"expected at most {MAX_WORK} steps for what is static, found more", span)

    def binder(self, b: s.Binder, env: Mapping[str, s.Expr]) -> tuple[s.Binder, dict[str, s.Expr]]:
        """The folded binder, and the environment inside of it."""
        match b:
            case s.OverRange(variable, low, high):
                folded: s.Binder = s.OverRange(variable, self.expr(low, env), self.expr(high, env), span=b.span)
                bound = {variable}
            case s.OverHeld(variable, _):
                folded, bound = b, {variable}
            case s.OverInbox(_, variables, source):
                folded, bound = b, {*variables, *([source] if source else [])}
        return folded, {**env, **dict.fromkeys(bound, A_NUMBER)}

    def _reduce(self, e: s.Reduce, env: Mapping[str, s.Expr]) -> s.Expr:
        binder, inner = self.binder(e.binder, env)
        if isinstance(binder, s.OverRange) and e.kind != "vector":
            low, high = static(binder.low), static(binder.high)
            if type(low) is int and type(high) is int and high - low < MAX_RANGE:
                value = self._static_reduce(e, inner, binder.variable, range(low, high + 1))
                if value is not None:
                    return literal(value, e.span)
        condition = None if e.condition is None else self.expr(e.condition, inner)
        known = None if condition is None else static(condition)
        return s.Reduce(e.kind, self.expr(e.body, inner), binder, None if known is True else condition, span=e.span)

    def _static_reduce(self, e: s.Reduce, env: dict[str, s.Expr], variable: str, over: range) -> Value | bool | None:
        values: list[Value | bool] = []
        for k in over:
            self._step(e.span)
            here = {**env, variable: s.Number(k)}
            if e.condition is not None:
                taken = static(self.expr(e.condition, here))
                if not isinstance(taken, bool):
                    return None
                if not taken:
                    continue
            value = static(self.expr(e.body, here))
            if value is None:
                return None
            values.append(value)
        return _reduced(e.kind, values)

    def block(self, body: tuple[s.Statement, ...], env: Mapping[str, s.Expr]) -> tuple[s.Statement, ...]:
        """Folded statements: static lets are substituted, a choice with a known condition is its taken branch."""
        inner = dict(env)
        groups: list[tuple[bool, tuple[s.Statement, ...], Span]] = []
        for st in body:
            chosen, result = self._statement(st, inner)
            groups.append((chosen, result, st.span))
        after: tuple[s.Statement, ...] = ()
        for chosen, group, span in reversed(groups):
            names = {x.name for x in group if isinstance(x, s.Let)} if chosen else set()
            if names & _mentioned(after if names else ()):
                group = (s.Choose(truth(True, span), group, span=span),)
            after = group + after
        return after

    def _statement(self, st: s.Statement, env: dict[str, s.Expr]) -> tuple[bool, tuple[s.Statement, ...]]:
        match st:
            case s.Let(name, value):
                value = self.expr(value, env)
                if static(value) is None:
                    env[name] = A_NUMBER if self.certainly_number(value, env) else s.Name(name)
                    return False, (s.Let(name, value, span=st.span),)
                env[name] = value
                return False, ()
            case s.Send(tag, words, destination):
                folded = tuple([self.expr(w, env) for w in words])
                return False, (s.Send(tag, folded, self.expr(destination, env), span=st.span),)
            case s.Choose(condition, then, otherwise):
                condition = self.expr(condition, env)
                known = static(condition)
                if isinstance(known, bool):
                    return True, self.block(then if known else otherwise, env)
                return False, (s.Choose(condition, self.block(then, env), self.block(otherwise, env), span=st.span),)
            case s.Repeat(over, body):
                binder, inner = self.binder(over, env)
                return False, (s.Repeat(binder, self.block(body, inner), span=st.span),)
            case s.Assign(array, index, value):
                return False, (s.Assign(array, self.expr(index, env), self.expr(value, env), span=st.span),)


def _mentioned(statements: tuple[s.Statement, ...]) -> set[str]:
    return {x.name if isinstance(x, s.Name) else x.array for x in walk(statements) if isinstance(x, s.Name | s.Index)}


def _functions(tree: Any) -> list[str]:
    return [x.function if isinstance(x, s.Call) else x.name for x in walk(tree) if isinstance(x, s.Call | s.Name)]


def called(functions: Mapping[str, s.FunctionDefinition], *trees: Any) -> tuple[s.FunctionDefinition, ...]:
    """The functions that the trees call, directly or through each other, in the order of definition, bodies folded."""
    folder = Folder(functions)
    found: dict[str, s.FunctionDefinition] = {}
    pending = _functions(trees)
    while pending:
        name = pending.pop()
        if name in found or name not in functions:
            continue
        d = functions[name]
        with deep():
            folder.work = 0
            body = folder.expr(d.body, {p: s.Name(p) for p in d.parameters})
        found[name] = s.FunctionDefinition(d.name, d.parameters, body, span=d.span)
        pending += _functions(found[name].body)
    return tuple(found[name] for name in functions if name in found)
