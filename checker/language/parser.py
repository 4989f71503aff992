"""Text to syntax tree: lark's LALR(1) parser with the project's grammar, and errors with a place."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from typing import Any

from lark import Lark, Token, UnexpectedCharacters, UnexpectedEOF, UnexpectedInput, UnexpectedToken
from lark.tree import Meta
from lark.visitors import Transformer_NonRecursive

from checker.language import syntax as s
from checker.language import tables
from checker.language.diagnostics import Diagnostic, Span, SpecError
from checker.language.resources import MAX_BYTES

MAX_DEPTH = 200
MAX_ERRORS = 10
ITEM_START = re.compile(r"^(use|function|protocol|circuit|lemma|theorem)\b", re.MULTILINE)
REDUCTIONS = ("sum", "min", "max", "any", "all", "count", "only")


@lru_cache(maxsize=100)
def parse(text: str, file: str = "<text>") -> s.SourceFile:
    """The syntax tree of a file's text; what was parsed before is remembered.

    Raises `SpecError` with up to ten diagnostics: after an error it goes on at the next definition.
    """
    if len(text) > MAX_BYTES:
        raise SpecError(Diagnostic("TOO_LARGE", f"expected at most {MAX_BYTES} characters, found {len(text)}", Span(file, 1, 1)))
    _check_nesting(text, file)
    problems: list[Diagnostic] = []
    while True:
        try:
            tree = tables.parser().parse(text)
            break
        except UnexpectedInput as error:
            problems.append(_syntax_error(error, file, text))
            position = error.pos_in_stream if error.pos_in_stream is not None else len(text)
            if isinstance(error, UnexpectedEOF) or position < 0:
                position = len(text)
            following = ITEM_START.search(text, position + 1)
            if following is None or len(problems) >= MAX_ERRORS:
                raise SpecError(*problems) from None
            text = re.sub(r"[^\n]", " ", text[: following.start()]) + text[following.start() :]
    if problems:
        raise SpecError(*problems)
    source: s.SourceFile = _Build(file).transform(tree)
    for item in source.items:
        _check_depth(item)
    return source


def parse_compiled(text: str) -> s.SourceFile:
    """The syntax tree of a text that a compiler wrote, without places: the same tree in a third of the time.

    Raises `SpecError` as `parse` does.
    """
    try:
        source: s.SourceFile = _without_places().parse(text)
        return source
    except UnexpectedInput:
        return parse(text, "<compiled>")


@cache
def _without_places() -> Lark:
    return tables.building(_WithoutPlaces(_Build("<compiled>")))


def parse_expression(text: str) -> s.Expr:
    """One expression on its own (command-line use and tests)."""
    item = parse(f"function it = {text};").items[0]
    assert isinstance(item, s.FunctionDefinition)
    return item.body


def _check_nesting(text: str, file: str) -> None:
    depth = line = 0
    column = 0
    for character in text:
        column += 1
        if character == "\n":
            line, column = line + 1, 0
        elif character in "([{":
            depth += 1
            if depth > MAX_DEPTH:
                raise SpecError(
                    Diagnostic(
                        "TOO_DEEP", f"expected at most {MAX_DEPTH} nested brackets, found more", Span(file, line + 1, column)
                    )
                )
        elif character in ")]}":
            depth -= 1


def _check_depth(item: s.Item) -> None:
    stack: list[tuple[Any, int]] = [(item, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            span = getattr(node, "span", item.span)
            raise SpecError(
                Diagnostic("TOO_DEEP", f"expected an expression of depth at most {MAX_DEPTH}, found a deeper one", span)
            )
        if isinstance(node, tuple):
            stack.extend((child, depth) for child in node)
        elif is_dataclass(node) and not isinstance(node, Span):
            stack.extend((getattr(node, f.name), depth + 1) for f in fields(node))


def _syntax_error(error: UnexpectedInput, file: str, text: str) -> Diagnostic:
    if isinstance(error, UnexpectedToken):
        token = error.token
        names = sorted({_readable(name) for name in error.expected} - {"end of file"})
        found = "the end of the file" if token.type == "$END" else f"`{token}`"
        expected = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "") or "a definition"
        if token.type == "$END":
            last = text.rstrip()
            span = Span(file, last.count("\n") + 1, len(last) - (last.rfind("\n") + 1) + 1)
        else:
            span = Span(file, token.line or 1, token.column or 1, max(1, len(token)))
        return Diagnostic("SYNTAX", f"expected {expected}; found {found}", span)
    if isinstance(error, UnexpectedCharacters):
        found = text[error.pos_in_stream or 0]
        return Diagnostic(
            "SYNTAX", f"expected a token of the language, found the character {found!r}", Span(file, error.line, error.column)
        )
    return Diagnostic("SYNTAX", "expected a definition, found the end of the file", Span(file, 1, 1))


@cache
def _readable(terminal: str) -> str:
    if terminal in ("NAME", "NUMBER"):
        return "a " + terminal.lower()
    if terminal == "$END":
        return "end of file"
    definition = next((t for t in tables.parser().terminals if t.name == terminal), None)
    if definition is None or definition.pattern.type != "str":
        return {"COMPARE": "a comparison", "BITS": "a row of bits"}.get(terminal, terminal.lower())
    return f"`{definition.pattern.value}`"


class _Build(Transformer_NonRecursive):
    """One method a grammar rule; each returns a node of `language/syntax.py`."""

    def __init__(self, file: str) -> None:
        super().__init__(visit_tokens=False)
        self.file = file

    def _call_userfunc(self, tree: Any, new_children: Any = None) -> Any:
        children = tree.children if new_children is None else new_children
        return self.method(tree.data)(self._place(tree.meta), *children)

    def _place(self, meta: Meta) -> Span:
        if getattr(meta, "empty", True):
            return Span(self.file, 1, 1)
        length = meta.end_column - meta.column if meta.end_line == meta.line else 1
        return Span(self.file, meta.line, meta.column, max(1, length))

    def error(self, code: str, message: str, span: Span) -> SpecError:
        return SpecError(Diagnostic(code, message, span))

    def method(self, rule: str) -> Callable[..., Any]:
        """That of a rule of the grammar. Raises `AttributeError` for names that are no rules."""
        found: Callable[..., Any] = getattr(self, "r_" + rule.rstrip("_"))
        return found

    # definitions
    def r_start(self, at: Span, *items: s.Item) -> s.SourceFile:
        return s.SourceFile(items)

    def r_use(self, at: Span, name: Token) -> s.Use:
        return s.Use(str(name), span=at)

    def r_parameters(self, at: Span, *names: Token | None) -> tuple[str, ...]:
        return tuple(str(n) for n in names if n is not None)

    def r_where(self, at: Span, condition: s.Expr | None = None) -> s.Expr | None:
        return condition

    def r_function(self, at: Span, name: Token, parameters: tuple[str, ...], body: s.Expr) -> s.FunctionDefinition:
        return s.FunctionDefinition(str(name), parameters, body, span=at)

    def _sort(self, kind: str, name: str, at: Span, parts: tuple[Any, ...], once: tuple[str, ...]) -> dict[str, list[Any]]:
        table: dict[str, list[Any]] = {}
        for part in parts:
            key = part[0] if isinstance(part, tuple) else type(part).__name__
            table.setdefault(key, []).append(part)
        for key in once:
            found = len(table.get(key, []))
            if found != 1:
                raise self.error("DECLARATION", f"expected one `{key}` in {kind} {name}, found {found}", at)
        return table

    def _at_most_one(self, kind: str, name: str, at: Span, table: dict[str, list[Any]], keys: tuple[str, ...]) -> None:
        for key in keys:
            if len(table.get(key, [])) > 1:
                raise self.error("DECLARATION", f"expected at most one `{key}` in {kind} {name}, found {len(table[key])}", at)

    def r_protocol(
        self, at: Span, name: Token, parameters: tuple[str, ...], where: s.Expr | None, *parts: Any
    ) -> s.ProtocolDefinition:
        at = Span(self.file, at.line, at.column, len("protocol"))
        t = self._sort("protocol", name, at, parts, ("word", "memory", "machines", "finish"))
        settings = tuple((key, t[key][0][1]) for key in ("word", "memory", "address", "machines") if key in t)
        return s.ProtocolDefinition(
            str(name),
            parameters,
            where,
            tuple(t.get("Let", [])),
            settings,
            tuple(p[1] for p in t.get("input", [])),
            tuple(p[1] for p in t.get("output", [])),
            tuple(p[1] for p in t.get("requires", [])),
            tuple(m for p in t.get("messages", []) for m in p[1]),
            tuple(t.get("RoundDeclaration", [])),
            t["finish"][0][1],
            span=at,
        )

    def r_circuit(
        self, at: Span, name: Token, parameters: tuple[str, ...], where: s.Expr | None, *parts: Any
    ) -> s.CircuitDefinition:
        at = Span(self.file, at.line, at.column, len("circuit"))
        t = self._sort("circuit", name, at, parts, ("word", "tokens", "width"))
        settings = [(key, t[key][0][1]) for key in ("word", "tokens", "width")]
        settings.append(("blank", t["blank"][0][1] if "blank" in t else s.Number(0)))
        settings += [(key, t[key][0][1]) for key in s.NUMBERS if key in t]
        self._at_most_one("circuit", name, at, t, ("blank", "start", "finish", "mask", *s.NUMBERS))
        return s.CircuitDefinition(
            str(name),
            parameters,
            where,
            tuple(t.get("Let", [])),
            tuple(settings),
            "start" in t,
            tuple(p[1] for p in t.get("input", [])),
            tuple(p[1] for p in t.get("output", [])),
            tuple(p[1] for p in t.get("requires", [])),
            tuple(m for p in t.get("messages", []) for m in p[1]),
            tuple(t.get("PacketsDeclaration", [])),
            tuple(t.get("LayerDeclaration", [])),
            t["finish"][0][1] if "finish" in t else None,
            t["mask"][0][1] if "mask" in t else None,
            tuple(p[1] for p in t.get("field", [])),
            span=at,
        )

    def r_lemma(self, at: Span, name: Token, parameters: tuple[str, ...], where: s.Expr | None, *parts: Any) -> s.LemmaDefinition:
        at = Span(self.file, at.line, at.column, len("lemma"))
        t = self._sort("lemma", name, at, parts, ("rows", "query", "key", "reads"))
        self._at_most_one("lemma", name, at, t, ("mask",))
        low, high = t["rows"][0][1]
        return s.LemmaDefinition(
            str(name),
            parameters,
            where,
            tuple(t.get("Let", [])),
            low,
            high,
            t["mask"][0][1] if "mask" in t else None,
            tuple(t.get("FieldDeclaration", [])),
            tuple(p[1] for p in t.get("assume", [])),
            t["query"][0][1],
            t["key"][0][1],
            t["reads"][0][1],
            span=at,
        )

    def r_theorem(self, at: Span, name: Token, domains: tuple[s.Domain, ...], where: s.Expr | None, *parts: Any) -> s.Theorem:
        at = Span(self.file, at.line, at.column, len("theorem"))
        return s.Theorem(
            str(name),
            domains,
            where,
            tuple(p for p in parts if isinstance(p, s.Let)),
            tuple(p for p in parts if isinstance(p, s.Claim)),
            span=at,
        )

    # declarations
    def r_word(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("word", e)

    def r_memory(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("memory", e)

    def r_address(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("address", e)

    def r_machines(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("machines", e)

    def r_tokens(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("tokens", e)

    def r_blank(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("blank", e)

    def r_width(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("width", e)

    def r_scale(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("scale", e)

    def r_fraction(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("fraction", e)

    def r_integer(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("integer", e)

    def r_mask(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("mask", e)

    def r_field(self, at: Span, name: Token, e: s.Expr) -> tuple[str, s.Let]:
        return ("field", s.Let(str(name), e, span=at))

    def r_start_token(self, at: Span) -> tuple[str, None]:
        return ("start", None)

    def r_per_machine(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("messages", e)

    def r_heard(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("heard", e)

    def r_requires(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("requires", e)

    def r_input(self, at: Span, name: Token, size: s.Expr, of: s.Type) -> tuple[str, s.ArrayDeclaration]:
        return ("input", s.ArrayDeclaration(str(name), size, of, span=at))

    def r_output(
        self, at: Span, name: Token, size: s.Expr, of: s.Type, readout: s.Expr | None = None
    ) -> tuple[str, s.ArrayDeclaration]:
        return ("output", s.ArrayDeclaration(str(name), size, of, readout, span=at))

    def r_word_type(self, at: Span) -> s.Type:
        return s.WordType(span=at)

    def r_range_type(self, at: Span, low: s.Expr, high: s.Expr) -> s.Type:
        return s.RangeType(low, high, span=at)

    def r_numbers_type(self, at: Span, count: s.Expr, step: s.Expr | None = None) -> s.NumbersType:
        return s.NumbersType(count, step, span=at)

    def r_message(self, at: Span, tag: Token, *words: s.Type | s.NumbersType) -> s.MessageDeclaration:
        return s.MessageDeclaration(str(tag), words, span=at)

    def r_messages(self, at: Span, *messages: s.MessageDeclaration) -> tuple[str, tuple[s.MessageDeclaration, ...]]:
        return ("messages", messages)

    def r_for_each(self, at: Span, name: Token, low: s.Expr, high: s.Expr) -> s.ForEach:
        return s.ForEach(str(name), low, high, span=at)

    def r_keeps(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("keeps", e)

    def r_round(self, at: Span, name: Token, *rest: Any) -> s.RoundDeclaration:
        each = next((r for r in rest if isinstance(r, s.ForEach)), None)
        keeps = tuple(r[1] for r in rest if isinstance(r, tuple) and r and r[0] == "keeps")
        return s.RoundDeclaration(str(name), each, keeps, rest[-1], span=at)

    def r_finish(self, at: Span, body: tuple[s.Statement, ...]) -> tuple[str, tuple[s.Statement, ...]]:
        return ("finish", body)

    # statements
    def r_block(self, at: Span, *statements: s.Statement) -> tuple[s.Statement, ...]:
        return statements

    def r_let(self, at: Span, name: Token, e: s.Expr) -> s.Let:
        return s.Let(str(name), e, span=at)

    def r_send(self, at: Span, tag: Token, *rest: s.Expr) -> s.Send:
        return s.Send(str(tag), rest[:-1], rest[-1], span=at)

    def r_choose(
        self, at: Span, condition: s.Expr, then: tuple[s.Statement, ...], otherwise: tuple[s.Statement, ...] = ()
    ) -> s.Choose:
        return s.Choose(condition, then, otherwise, span=at)

    def r_repeat(self, at: Span, binder: s.Binder, body: tuple[s.Statement, ...]) -> s.Repeat:
        return s.Repeat(binder, body, span=at)

    def r_assign(self, at: Span, name: Token, index: s.Expr, e: s.Expr) -> s.Assign:
        return s.Assign(str(name), index, e, span=at)

    def r_over_range(self, at: Span, name: Token, low: s.Expr, high: s.Expr) -> s.Binder:
        return s.OverRange(str(name), low, high, span=at)

    def r_over_held(self, at: Span, name: Token, array: Token) -> s.Binder:
        return s.OverHeld(str(name), str(array), span=at)

    def r_over_inbox(self, at: Span, tag: Token, *names: Token | None) -> s.Binder:
        source = names[-1]
        return s.OverInbox(
            str(tag), tuple(str(n) for n in names[:-1] if n is not None), None if source is None else str(source), span=at
        )

    # circuits
    def r_selector_by_name(self, at: Span, name: Token, *arguments: s.Expr) -> tuple[str, s.SelectorByName]:
        return ("selector", s.SelectorByName(str(name), arguments, span=at))

    def r_selector_by_table(self, at: Span, *rows: Token) -> tuple[str, s.SelectorByTable]:
        return ("selector", s.SelectorByTable(tuple(str(r)[1:-1] for r in rows), span=at))

    def r_packets(self, at: Span, name: Token, *rest: Any) -> s.PacketsDeclaration:
        tags = tuple(str(r) for r in rest if isinstance(r, Token))
        offset, *parts = [r for r in rest if not isinstance(r, Token)]
        t = self._sort("packets", name, at, tuple(parts), ("machines", "messages", "selector", "heard"))
        values = {key: t[key][0][1] for key in ("machines", "messages", "selector", "heard")}
        return s.PacketsDeclaration(
            str(name), tags, offset, values["machines"], values["messages"], values["selector"], values["heard"], span=at
        )

    def r_layer(self, at: Span, name: Token, *rest: Any) -> s.LayerDeclaration:
        each = next((r for r in rest if isinstance(r, s.ForEach)), None)
        local = next((r for r in rest if isinstance(r, s.LocalDeclaration)), None)
        heads = tuple(r for r in rest if isinstance(r, s.HeadDeclaration))
        mask = next((r[1] for r in rest if isinstance(r, tuple) and r[0] == "mask"), None)
        fields = tuple(r[1] for r in rest if isinstance(r, tuple) and r[0] == "field")
        return s.LayerDeclaration(str(name), each, local, heads, mask, fields, span=Span(self.file, at.line, at.column, 5))

    def r_local(self, at: Span, low: s.Expr, high: s.Expr, *rest: Any) -> s.LocalDeclaration:
        return s.LocalDeclaration(low, high, rest[:-1], rest[-1], span=at)

    def r_finish_rows(self, at: Span, low: s.Expr, high: s.Expr, machine: s.Expr, *rest: Any) -> tuple[str, s.LocalDeclaration]:
        return (
            "finish",
            s.LocalDeclaration(low, high, rest[:-1], rest[-1], machine, span=Span(self.file, at.line, at.column, 6)),
        )

    def r_reads_packets(self, at: Span, name: Token) -> s.ReadsPackets:
        return s.ReadsPackets(str(name), span=at)

    def r_reads_input(self, at: Span, array: Token, k: Token, e: s.Expr, bound: Token, low: s.Expr, high: s.Expr) -> s.ReadsInput:
        if k != bound:
            raise self.error("NAME", f"expected `for {k} in ...`, found `for {bound} in ...`", at)
        return s.ReadsInput(str(array), str(k), e, low, high, span=at)

    def r_case(self, at: Span, e: s.Expr, condition: s.Expr | None = None) -> s.Case:
        return s.Case(e, condition, span=at)

    def r_cases(self, at: Span, *cases: s.Case) -> tuple[s.Case, ...]:
        return cases

    r_query = r_key = r_value = lambda self, at, cases: cases

    def r_head(self, at: Span, name: Token, query: Any, key: Any, value: Any) -> s.HeadDeclaration:
        return s.HeadDeclaration(str(name), query, key, value, span=at)

    # lemmas
    def r_rows(self, at: Span, low: s.Expr, high: s.Expr) -> tuple[str, tuple[s.Expr, s.Expr]]:
        return ("rows", (low, high))

    def r_any_field(self, at: Span, name: Token, low: s.Expr, high: s.Expr) -> s.FieldDeclaration:
        return s.FieldDeclaration(str(name), low, high, span=at)

    def r_assume(self, at: Span, e: s.Expr) -> tuple[str, s.Expr]:
        return ("assume", e)

    def r_query_part(self, at: Span, cases: tuple[s.Case, ...]) -> tuple[str, tuple[s.Case, ...]]:
        return ("query", cases)

    def r_key_part(self, at: Span, cases: tuple[s.Case, ...]) -> tuple[str, tuple[s.Case, ...]]:
        return ("key", cases)

    def r_reads_rows(self, at: Span, *rows: s.Expr) -> tuple[str, tuple[s.Expr, ...]]:
        return ("reads", rows)

    # theorems
    def r_domains(self, at: Span, *domains: s.Domain) -> tuple[s.Domain, ...]:
        return domains

    def r_span(self, at: Span, low: s.Expr, high: s.Expr | None) -> tuple[s.Expr, s.Expr]:
        return (low, low if high is None else high)

    def r_domain_span(self, at: Span, name: Token, span: tuple[s.Expr, s.Expr]) -> s.Domain:
        return s.Domain(str(name), (span,), span=at)

    def r_domain_union(self, at: Span, name: Token, *spans: tuple[s.Expr, s.Expr]) -> s.Domain:
        return s.Domain(str(name), spans, span=at)

    def r_claim(self, at: Span, name: Token, statement: s.Statementlike, expect: Token | None) -> s.Claim:
        return s.Claim(str(name), statement, str(expect or "proved"), span=at)

    def r_simulates(self, at: Span, circuit: Token, protocol: Token, rung: Token | None) -> s.Simulates:
        return s.Simulates(str(circuit), str(protocol), str(rung or ""), span=at)

    def r_computes(self, at: Span, subject: Token, equation: s.Expr, each: s.ForEach | None = None) -> s.Computes:
        return s.Computes(str(subject), equation, each, span=at)

    def r_fits(self, at: Span, protocol: Token) -> s.Fits:
        return s.Fits(str(protocol), span=at)

    def r_delivers(self, at: Span, circuit: Token, rung: Token | None) -> s.Delivers:
        return s.Delivers(str(circuit), str(rung or ""), span=at)

    def r_propagates(self, at: Span, circuit: Token, margin: s.Expr | None) -> s.Propagates:
        return s.Propagates(str(circuit), margin, span=at)

    def r_selects(self, at: Span, selector: s.Expr, count: s.Expr, rows: s.Expr) -> s.Selects:
        if not isinstance(selector, s.Call) or selector.options:
            raise self.error(
                "SYNTAX", "expected a selector with its arguments before `selects`, found something else", selector.span
            )
        return s.Selects(s.SelectorByName(selector.function, selector.arguments, span=selector.span), count, rows, span=at)

    def _lemma(self, e: s.Expr) -> s.Call:
        """A lemma at its arguments; a name alone has none."""
        if isinstance(e, s.Name):
            return s.Call(e.name, (), span=e.span)
        if not isinstance(e, s.Call):
            raise self.error("SYNTAX", "expected a lemma with its arguments, found something else", e.span)
        return e

    def r_lemma_holds(self, at: Span, lemma: s.Expr, margin: s.Expr | None) -> s.LemmaHolds:
        return s.LemmaHolds(self._lemma(lemma), margin, span=at)

    def r_attends(self, at: Span, head: Token, circuit: Token, layer: s.Expr, *rows: s.Expr) -> s.Reads:
        return s.Reads(str(head), str(circuit), layer, rows, None, None, span=at)

    def r_cut(self, at: Span, name: Token, *rest: Any) -> s.Claim:
        each = next((r for r in rest if isinstance(r, s.ForEach)), None)
        reads, lemma, expect = rest[-3:]
        statement = replace(reads, each=each, lemma=None if lemma is None else self._lemma(lemma))
        return s.Claim(str(name), statement, str(expect or "proved"), span=at)

    def r_for_reals(self, at: Span, e: s.Expr, *rest: Any) -> s.ForReals:
        return s.ForReals(e, tuple(str(name) for name in rest[:-1]), rest[-1], span=at)

    def r_holds(self, at: Span, e: s.Expr) -> s.Holds:
        return s.Holds(e, span=at)

    # expressions
    def r_number(self, at: Span, token: Token) -> s.Expr:
        if len(token) > 100:
            raise self.error("TOO_LARGE", f"expected a number of at most 100 digits, found {len(token)}", at)
        return s.Number(int(token), span=at)

    def r_name(self, at: Span, token: Token) -> s.Expr:
        return s.Name(str(token), span=at)

    def r_index(self, at: Span, array: Token, index: s.Expr) -> s.Expr:
        return s.Index(str(array), index, span=at)

    def r_option(self, at: Span, name: Token, e: s.Expr) -> tuple[str, s.Expr]:
        return (str(name), e)

    def r_call(self, at: Span, name: Token, *arguments: Any) -> s.Expr:
        given = [a for a in arguments if a is not None]
        return s.Call(
            str(name),
            tuple(a for a in given if not isinstance(a, tuple)),
            tuple(a for a in given if isinstance(a, tuple)),
            span=at,
        )

    def r_reduce(self, at: Span, name: Token, body: s.Expr, binder: s.Binder, condition: s.Expr | None) -> s.Expr:
        if name not in REDUCTIONS:
            raise self.error("NAME", f"expected one of {', '.join(REDUCTIONS)} before a comprehension, found `{name}`", at)
        return s.Reduce(str(name), body, binder, condition, span=at)

    def r_vector_for(self, at: Span, body: s.Expr, binder: s.Binder) -> s.Expr:
        return s.Reduce("vector", body, binder, None, span=at)

    def r_vector(self, at: Span, *items: s.Expr) -> s.Expr:
        return s.Vector(items, span=at)

    def r_conditional(self, at: Span, condition: s.Expr, then: s.Expr, otherwise: s.Expr) -> s.Expr:
        return s.Conditional(condition, then, otherwise, span=at)

    def r_member(self, at: Span, e: s.Expr, low: s.Expr, high: s.Expr) -> s.Expr:
        return s.Member(e, low, high, span=at)

    def r_compare(self, at: Span, left: s.Expr, operator: Token, right: s.Expr) -> s.Expr:
        return s.Binary(str(operator), left, right, span=at)

    def r_at(self, at: Span, e: s.Expr, machine: s.Expr) -> s.Expr:
        return s.At(e, machine, span=at)

    def r_negate(self, at: Span, e: s.Expr) -> s.Expr:
        return s.Unary("-", e, span=at)

    def r_not(self, at: Span, e: s.Expr) -> s.Expr:
        return s.Unary("not", e, span=at)


def _binary(operator: str) -> Any:
    return lambda self, at, left, right: s.Binary(operator, left, right, span=at)


for _rule, _operator in {
    "add": "+",
    "subtract": "-",
    "multiply": "*",
    "divide": "/",
    "quotient": "div",
    "modulo": "mod",
    "power": "^",
    "or": "or",
    "and": "and",
}.items():
    setattr(_Build, "r_" + _rule, _binary(_operator))


class _WithoutPlaces:
    """The methods of `_Build` as lark calls them while it reads: by the name of the rule, with the children alone."""

    def __init__(self, build: _Build) -> None:
        self._build, self._place = build, Span(build.file)

    def __getattr__(self, rule: str) -> Callable[[list[Any]], Any]:
        method, place = self._build.method(rule), self._place
        return lambda children: method(place, *children)
