"""Names in an expression replaced by what they stand for: what is put in is not captured by the binders around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from checker.elaboration.folding import BY_NAME
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.language.parser import MAX_DEPTH

MAX_NODES = 1_000_000  # of what one inliner puts in
ROOM = 10  # levels of a definition around an expression
Forms = Mapping[str, s.FunctionDefinition]


def bound(binder: s.Binder) -> tuple[str, ...]:
    """The variables of a binder."""
    if isinstance(binder, s.OverInbox):
        return (*binder.variables, *([binder.source] if binder.source else []))
    return (binder.variable,)


def _parts(node: Any) -> dict[str, Any]:
    if not is_dataclass(node) or isinstance(node, Span):
        return {}
    return {f.name: getattr(node, f.name) for f in fields(node) if f.name != "span"}


def _measure(node: Any) -> tuple[int, int]:
    """Nodes and levels of a tree."""
    parts = node if isinstance(node, tuple) else tuple(_parts(node).values())
    found = [_measure(x) for x in parts]
    own = 0 if isinstance(node, tuple) or not is_dataclass(node) else 1
    return own + sum(n for n, _ in found), own + max((d for _, d in found), default=0)


class Inliner:
    """Puts in values of names, and the bodies of forms for calls of them; a form may mention more than its parameters.

    Raises `SpecError` if the result has more than a million nodes, or more levels than an expression of a file may have.
    """

    def __init__(self) -> None:
        self.nodes = 0

    def expr(self, e: s.Expr, values: Mapping[str, s.Expr], forms: Forms | None = None) -> s.Expr:
        found: s.Expr = _Inlining(self, forms or {}).visit(e, values, 0)
        return found


class _Inlining:
    def __init__(self, inliner: Inliner, forms: Forms) -> None:
        self.inliner, self.forms = inliner, forms

    def visit(self, node: Any, values: Mapping[str, s.Expr], depth: int) -> Any:
        match node:
            case tuple():
                return tuple([self.visit(x, values, depth) for x in node])
            case s.Name(name):
                return self.put_in(name, values[name], depth, node.span) if name in values else node
            case s.Index(array, index):
                if isinstance(to := values.get(array), s.Name):
                    array = to.name
                elif to is not None:
                    raise spec_error("TYPE", f"expected an array, found `{array}`, which names an expression", node.span)
                return s.Index(array, self.visit(index, values, depth + 1), span=node.span)
            case s.Call(function, arguments) if function in self.forms:
                form = self.forms[function]
                given = dict(zip(form.parameters, self.visit(arguments, values, depth + 1), strict=True))
                return self.inliner.expr(form.body, given)
            case s.Call(function) if function in BY_NAME or function in ("only", "count"):
                return node
            case s.Reduce():
                return self.reduce(node, values, depth)
        parts = _parts(node)
        return replace(node, **{k: self.visit(x, values, depth + 1) for k, x in parts.items()}) if parts else node

    def put_in(self, name: str, value: s.Expr, depth: int, span: Span) -> s.Expr:
        nodes, levels = _measure(value)
        self.inliner.nodes += nodes
        if self.inliner.nodes > MAX_NODES:
            raise spec_error("TOO_LARGE", f"expected at most {MAX_NODES} nodes with `{name}` written out, found more", span)
        if depth + levels > MAX_DEPTH - ROOM:
            raise spec_error(
                "TOO_DEEP", f"expected an expression of depth at most {MAX_DEPTH - ROOM} with `{name}` written out", span
            )
        return value

    def reduce(self, e: s.Reduce, values: Mapping[str, s.Expr], depth: int) -> s.Reduce:
        """Variables that what is put in mentions are renamed."""
        variables = bound(e.binder)
        inside = s.free_names((e.body, e.condition))
        inner = {name: value for name, value in values.items() if name not in variables and name in inside}
        put_in = s.free_names(tuple(inner.values()))
        for form in self.forms.values():
            if s.mentions((e.body, e.condition), form.name):
                put_in |= s.free_names(form.body) - {*form.parameters}
        renamed: dict[str, str] = {}
        for variable in variables:
            if variable in put_in:
                new = variable + "_"
                while new in put_in or new in inside or new in variables or new in renamed.values():
                    new += "_"
                renamed[variable], inner[variable] = new, s.Name(new)
        binder: s.Binder
        match e.binder:
            case s.OverRange(variable, low, high):
                low, high = self.visit((low, high), values, depth + 2)
                binder = s.OverRange(renamed.get(variable, variable), low, high, span=e.binder.span)
            case s.OverHeld(variable, array):
                binder = s.OverHeld(renamed.get(variable, variable), array, span=e.binder.span)
            case s.OverInbox(tag, names, source):
                new_names = tuple(renamed.get(x, x) for x in names)
                binder = s.OverInbox(tag, new_names, None if source is None else renamed.get(source, source), span=e.binder.span)
        body, condition = self.visit((e.body, e.condition), inner, depth + 1)
        return s.Reduce(e.kind, body, binder, condition, span=e.span)
