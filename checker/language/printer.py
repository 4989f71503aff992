"""Syntax tree to text. Parsing what is printed gives an equal tree."""

from __future__ import annotations

from fractions import Fraction

from checker.language import syntax as s

LEVELS = {
    "or": 1,
    "and": 2,
    "==": 4,
    "!=": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "+": 5,
    "-": 5,
    "*": 6,
    "/": 6,
    "div": 6,
    "mod": 6,
    "^": 8,
}
CONDITIONAL, NEGATION, COMPARISON, SUM, SIGNED, PLACED, ATOM = 0, 3, 4, 5, 7, 9, 10
WIDTH = 110


def expression(e: s.Expr, level: int = 0) -> str:
    """The text of an expression, in brackets if it binds looser than `level`."""
    text, own = _expression(e)
    return f"({text})" if own < level else text


def _expression(e: s.Expr) -> tuple[str, int]:
    match e:
        case s.Number(value):
            if isinstance(value, Fraction) and value.denominator != 1:
                return f"{value.numerator} / {value.denominator}", 6 if value >= 0 else SIGNED - 1
            return str(int(value)), ATOM if value >= 0 else SIGNED
        case s.Name(name):
            return name, ATOM
        case s.Index(array, index):
            return f"{array}[{expression(index)}]", ATOM
        case s.Call(function, arguments, options):
            parts = [expression(a) for a in arguments] + [f"{k} = {expression(v)}" for k, v in options]
            return f"{function}({', '.join(parts)})", ATOM
        case s.Unary("not", operand):
            return f"not {expression(operand, NEGATION)}", NEGATION
        case s.Unary(_, operand):
            return f"-{expression(operand, SIGNED)}", SIGNED
        case s.Binary(operator, left, right):
            own = LEVELS[operator]
            if own == COMPARISON:
                return f"{expression(left, SUM)} {operator} {expression(right, SUM)}", own
            if operator == "^":
                return f"{expression(left, PLACED)}^{expression(right, PLACED)}", own
            return f"{expression(left, own)} {operator} {expression(right, own + 1)}", own
        case s.Conditional(condition, then, otherwise):
            return f"if {expression(condition)} then {expression(then)} else {expression(otherwise)}", CONDITIONAL
        case s.Member(element, low, high):
            return f"{expression(element, SUM)} in {expression(low, SUM)}..{expression(high, SUM)}", COMPARISON
        case s.Reduce("vector", body, over):
            return f"({expression(body)} for {binder(over)})", ATOM
        case s.Reduce(kind, body, over, condition):
            tail = "" if condition is None else f" if {expression(condition)}"
            return f"{kind}({expression(body)} for {binder(over)}{tail})", ATOM
        case s.At(inner, machine):
            return f"{expression(inner, PLACED)} at {expression(machine, ATOM)}", PLACED
        case s.Vector(items):
            return f"({', '.join(expression(i) for i in items)})", ATOM


def binder(b: s.Binder) -> str:
    match b:
        case s.OverRange(variable, low, high):
            return f"{variable} in {expression(low, SUM)}..{expression(high, SUM)}"
        case s.OverHeld(variable, array):
            return f"{variable} in held({array})"
        case s.OverInbox(tag, variables, source):
            return f"{tag}({', '.join(variables)})" + (f" from {source}" if source else "") + " in inbox"


def _block(statements: tuple[s.Statement, ...], indent: str) -> str:
    if not statements:
        return "{ }"
    inner = indent + "  "
    return "{\n" + "".join(f"{inner}{_statement(st, inner)}\n" for st in statements) + indent + "}"


def _statement(st: s.Statement, indent: str) -> str:
    match st:
        case s.Let(name, value):
            return f"let {name} = {expression(value)};"
        case s.Send(tag, words, destination):
            return f"send {tag}({', '.join(expression(w) for w in words)}) to {expression(destination)};"
        case s.Choose(condition, then, otherwise):
            tail = f" else {_block(otherwise, indent)}" if otherwise else ""
            return f"if {expression(condition)} {_block(then, indent)}{tail}"
        case s.Repeat(over, body):
            return f"for {binder(over)} {_block(body, indent)}"
        case s.Assign(array, index, value):
            return f"{array}[{expression(index)}] = {expression(value)};"


def _type(t: s.Type | s.NumbersType) -> str:
    if isinstance(t, s.NumbersType):
        return f"number[{expression(t.count)}]" + ("" if t.step is None else f" by {expression(t.step)}")
    return "word" if isinstance(t, s.WordType) else f"{expression(t.low, SUM)}..{expression(t.high, SUM)}"


def _for_each(each: s.ForEach | None) -> str:
    return "" if each is None else f" for {each.variable} in {expression(each.low, SUM)}..{expression(each.high, SUM)}"


def _head_line(keyword: str, name: str, parameters: tuple[str, ...], where: s.Expr | None) -> str:
    text = f"{keyword} {name}" + (f"({', '.join(parameters)})" if parameters else "")
    return text + (f" where {expression(where)}" if where is not None else "") + " {"


def _mask(mask: s.Expr | None, indent: str) -> list[str]:
    return [] if mask is None else [f"{indent}mask {expression(mask)};"]


def _fields(fields: tuple[s.Let, ...], indent: str) -> list[str]:
    return [f"{indent}field {f.name} = {expression(f.value)};" for f in fields]


def _common(d: s.ProtocolDefinition | s.CircuitDefinition) -> list[str]:
    lines = [f"  {_statement(let, '  ')}" for let in d.lets]
    lines += [f"  {key} {expression(value)};" for key, value in d.settings if (key, value) != ("blank", s.Number(0))]
    if isinstance(d, s.CircuitDefinition) and d.start:
        lines.append("  start;")
    if isinstance(d, s.CircuitDefinition):
        lines += [*_mask(d.mask, "  "), *_fields(d.fields, "  ")]
    lines += [f"  input {a.name}[{expression(a.size)}] in {_type(a.type)};" for a in d.inputs]
    for a in d.outputs:
        readout = "" if a.readout is None else f" = {expression(a.readout)}"
        lines.append(f"  output {a.name}[{expression(a.size)}] in {_type(a.type)}{readout};")
    lines += [f"  requires {expression(r)};" for r in d.requires]
    if d.messages:
        lines.append("  message " + ", ".join(f"{m.tag}({', '.join(_type(t) for t in m.words)})" for m in d.messages) + ";")
    return lines


def _protocol(d: s.ProtocolDefinition) -> str:
    lines = [_head_line("protocol", d.name, d.parameters, d.where), *_common(d)]
    for r in d.rounds:
        keeps = "".join(f"\n    keeps {expression(k)}" for k in r.keeps)
        lines.append(f"  round {r.name}{_for_each(r.each)}{keeps} {_block(r.body, '  ')}")
    lines += [f"  finish {_block(d.finish, '  ')}", "}"]
    return "\n".join(lines)


def _cases(keyword: str, cases: tuple[s.Case, ...], indent: str = "      ") -> str:
    texts = [expression(c.value) + ("" if c.condition is None else f" when {expression(c.condition)}") for c in cases]
    return f"{indent}{keyword} " + f",\n{indent}  ".join(texts) + ";"


def _reads(r: s.ReadsPackets | s.ReadsInput) -> str:
    if isinstance(r, s.ReadsPackets):
        return f"reads {r.packets}"
    return (
        f"reads {r.array}[{r.variable}] = {expression(r.value)}"
        f" for {r.variable} in {expression(r.low, SUM)}..{expression(r.high, SUM)}"
    )


def _local(keyword: str, d: s.LocalDeclaration, indent: str) -> str:
    machine = "" if d.machine is None else f"as {expression(d.machine)} "
    reads = "".join(f"{_reads(r)} " for r in d.reads)
    return f"{indent}{keyword} {expression(d.low, SUM)}..{expression(d.high, SUM)} {machine}{reads}{_block(d.body, indent)}"


def _packets(p: s.PacketsDeclaration) -> list[str]:
    if isinstance(p.selector, s.SelectorByName):
        selector = f"selector {p.selector.name}({', '.join(expression(a) for a in p.selector.arguments)});"
    else:
        selector = "selector table {\n      " + ",\n      ".join(f'"{row}"' for row in p.selector.rows) + "\n    };"
    return [
        f"  packets {p.name} of {', '.join(p.tags)} at {expression(p.at)} {{",
        f"    machines {expression(p.machines)};",
        f"    messages {expression(p.messages)};",
        f"    {selector}",
        f"    heard {expression(p.heard)};",
        "  }",
    ]


def _circuit(d: s.CircuitDefinition) -> str:
    lines = [_head_line("circuit", d.name, d.parameters, d.where), *_common(d)]
    for p in d.packets:
        lines += _packets(p)
    for layer in d.layers:
        lines.append(f"  layer {layer.name}{_for_each(layer.each)} {{")
        lines += [*_mask(layer.mask, "    "), *_fields(layer.fields, "    ")]
        if layer.local is not None:
            lines.append(_local("local", layer.local, "    "))
        for h in layer.heads:
            lines += [f"    head {h.name} {{", _cases("query", h.query), _cases("key", h.key), _cases("value", h.value), "    }"]
        lines.append("  }")
    if d.finish is not None:
        lines.append(_local("finish", d.finish, "  "))
    lines.append("}")
    return "\n".join(lines)


def _lemma(d: s.LemmaDefinition) -> str:
    lines = [_head_line("lemma", d.name, d.parameters, d.where)]
    lines += [f"  {_statement(let, '  ')}" for let in d.lets]
    lines.append(f"  rows {expression(d.low, SUM)}..{expression(d.high, SUM)};")
    lines += _mask(d.mask, "  ")
    lines += [f"  field {f.name} in {expression(f.low, SUM)}..{expression(f.high, SUM)};" for f in d.fields]
    lines += [f"  assume {expression(e)};" for e in d.assumptions]
    lines += [_cases("query", d.query, "  "), _cases("key", d.key, "  ")]
    lines += [f"  reads {', '.join(map(expression, d.reads))};", "}"]
    return "\n".join(lines)


def _rung(rung: str) -> str:
    return f" at {rung}" if rung else ""


def _body(statement: s.Statementlike) -> str:
    match statement:
        case s.Simulates(circuit, protocol, rung):
            body = f"{circuit} simulates {protocol}{_rung(rung)}"
        case s.Computes(subject, equation, each):
            body = f"{subject} computes {expression(equation)}{_for_each(each)}"
        case s.Fits(protocol):
            body = f"{protocol} fits"
        case s.Delivers(circuit, rung):
            body = f"{circuit} delivers{_rung(rung)}"
        case s.Propagates(circuit, margin):
            body = f"{circuit} propagates" + ("" if margin is None else f" by {expression(margin)}")
        case s.Selects(selector, count, rows):
            arguments = ", ".join(map(expression, selector.arguments))
            body = f"{selector.name}({arguments}) selects {expression(count)} of {expression(rows)}"
        case s.Holds(condition):
            body = expression(condition)
        case s.ForReals(condition, variables, assumption):
            tail = "" if assumption is None else f" where {expression(assumption)}"
            body = f"{expression(condition)} for all real {', '.join(variables)}{tail}"
        case s.Reads(head, circuit, layer, rows, _, lemma):
            body = f"{head} in {circuit}[{expression(layer)}] reads {', '.join(map(expression, rows))}"
            body += "" if lemma is None else f" by {expression(lemma)}"
        case s.LemmaHolds(lemma, margin):
            body = f"{expression(lemma)} holds" + ("" if margin is None else f" by {expression(margin)}")
    return body


def _claim(c: s.Claim) -> str:
    name = f"cut {c.name}{_for_each(c.statement.each)}" if isinstance(c.statement, s.Reads) else f"claim {c.name}"
    return f"  {name}: {_body(c.statement)}" + ("" if c.expect == "proved" else f" expect {c.expect}") + ";"


def statement_text(statement: s.Statementlike) -> str:
    """A claim's statement on one line."""
    return _body(statement) + (_for_each(statement.each) if isinstance(statement, s.Reads) else "")


def _theorem(t: s.Theorem) -> str:
    def span(low: s.Expr, high: s.Expr) -> str:
        return expression(low, SUM) if low == high else f"{expression(low, SUM)}..{expression(high, SUM)}"

    domains = [
        f"{d.name} in {span(*d.spans[0])}" if len(d.spans) == 1 else f"{d.name} in {{{', '.join(span(*p) for p in d.spans)}}}"
        for d in t.domains
    ]
    text = f"theorem {t.name}" + (f" for {', '.join(domains)}" if domains else "")
    lines = [text + (f" where {expression(t.where)}" if t.where is not None else "") + " {"]
    lines += [f"  {_statement(let, '  ')}" for let in t.lets]
    return "\n".join([*lines, *(_claim(c) for c in t.claims), "}"])


def item(i: s.Item) -> str:
    """The text of one definition."""
    match i:
        case s.Use(name):
            return f"use {name} from library;"
        case s.FunctionDefinition(name, parameters, body):
            return f"function {name}({', '.join(parameters)}) = {expression(body)};"
        case s.ProtocolDefinition():
            return _protocol(i)
        case s.CircuitDefinition():
            return _circuit(i)
        case s.LemmaDefinition():
            return _lemma(i)
        case s.Theorem():
            return _theorem(i)


def source(file: s.SourceFile) -> str:
    """The text of a whole file."""
    return "\n\n".join(item(i) for i in file.items) + "\n"
