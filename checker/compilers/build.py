"""Syntax nodes in the form that folding leaves alone: a printed model parses and closes to an equal one."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import Any

from checker.language import syntax as s
from checker.language.diagnostics import Span

SELF, ROW = s.Name("self"), s.Name("row")


def number(value: int | Fraction) -> s.Number:
    """A literal; whole fractions are integers."""
    return s.Number(int(value) if value == int(value) else value)


def call(function: str, *arguments: s.Expr | int) -> s.Expr:
    return s.Call(function, tuple([_expr(a) for a in arguments]))


def plus(e: s.Expr, constant: int) -> s.Expr:
    """e + constant, as e - |constant| below zero and as e at zero."""
    if isinstance(e, s.Number):
        return number(e.value + constant)
    if constant == 0:
        return e
    return s.Binary("+" if constant > 0 else "-", e, s.Number(abs(constant)))


def minus(left: s.Expr, right: s.Expr) -> s.Expr:
    """left - right, where right is not a number."""
    return s.Binary("-", left, right)


def times(factor: int, e: s.Expr) -> s.Expr:
    return e if factor == 1 else s.Binary("*", s.Number(factor), e)


def negative(e: s.Expr) -> s.Expr:
    return s.Unary("-", e)


def square(e: s.Expr) -> s.Expr:
    return s.Binary("^", e, s.Number(2))


def within(e: s.Expr, low: int, high: int) -> s.Expr:
    return s.Member(e, s.Number(low), s.Number(high))


def vector(*items: s.Expr | int) -> s.Expr:
    return s.Vector(tuple([_expr(x) for x in items]))


def cases(value: s.Expr, condition: s.Expr | None = None, otherwise: s.Expr | None = None) -> tuple[s.Case, ...]:
    """`value when condition, otherwise`; no `otherwise` is the zero vector."""
    return (s.Case(value, condition), *(() if otherwise is None else (s.Case(otherwise, None),)))


def fresh(name: str, taken: Collection[str]) -> str:
    """The name, with underscores behind it until nothing else has it."""
    while name in taken:
        name += "_"
    return name


def called(functions: tuple[s.FunctionDefinition, ...], *trees: Any) -> tuple[s.FunctionDefinition, ...]:
    """The functions that trees call, directly or through each other, in their order."""
    known = {f.name: f for f in functions}
    found: set[str] = set()
    pending = list(_mentioned(trees))
    while pending:
        name = pending.pop()
        if name in known and name not in found:
            found.add(name)
            pending += _mentioned(known[name].body)
    return tuple(f for f in functions if f.name in found)


def _mentioned(tree: Any) -> Iterator[str]:
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(node)
        elif is_dataclass(node) and not isinstance(node, Span):
            stack.extend(getattr(node, f.name) for f in fields(node))
            if isinstance(node, s.Name | s.Call):
                yield node.name if isinstance(node, s.Name) else node.function


def _expr(e: s.Expr | int) -> s.Expr:
    return s.Number(e) if isinstance(e, int) else e
