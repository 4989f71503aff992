"""A circuit as a Python file of its own that needs PyTorch only: heads by scaled_dot_product_attention, local functions as code.

Everything that comes from the circuit is built from its closed syntax tree: names are checked and get a prefix, numbers are
written as numbers, and no text of a spec is ever evaluated.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from checker.backends.forms import EFFECTS, names_in
from checker.language import syntax as s
from checker.language.diagnostics import Span, spec_error
from checker.models import printing
from checker.models.circuit import Circuit, Layer, Packets
from checker.models.protocol import Array
from checker.semantics.packets import columns

NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*", re.ASCII)
HERE = Path(__file__).parent
COPIED = "# ---- copied from here on ----\n"
OPERATORS = ("+", "-", "*", "==", "!=", "<", "<=", ">", ">=", "and", "or")
HELPERS = {"/": "divide", "div": "quotient", "mod": "modulo", "^": "power"}
ON_TENSORS = {"+": "add", "-": "subtract", "*": "times", "/": "divide"}
FUNCTIONS = {"ceil": "upper", "floor": "lower", "round": "nearest", "bits": "bits", "permutation": "permutation"}
VECTORS = ("zeros", "unit", "moment", "moment_dual", "hadamard", "hadamard_dual", "angle", "cosine")
Names = dict[str, str]


def module_text(c: Circuit, origin: str) -> str:
    """The whole file. `origin` says where the circuit comes from: names and sizes. Raises `SpecError` (EXPORT, SCALE)."""
    if c.scale is None:
        raise spec_error("SCALE", f"expected a scale: {c.name} states none, and softmax attention needs one")
    torch_part = (HERE / "runtime_torch.py").read_text(encoding="utf-8").partition(COPIED)[2]
    try:
        text = "\n".join([*_header(c, origin), functions_text(c, torch=True), "", torch_part.strip(), ""])
        compile(text, "<exported>", "exec")
    except (SyntaxError, RecursionError, MemoryError, ValueError) as e:
        raise _refused(f"Python cannot read the file: {e}") from None
    return text


def functions_text(c: Circuit, torch: bool = False) -> str:
    """The part without the module: the meaning of the language, sizes, and the functions of the circuit."""
    runtime = (HERE / "runtime.py").read_text(encoding="utf-8")
    imports, rest = runtime[runtime.index("from __future__") :].split("\n\n\n", 1)
    if torch:
        imports = imports.replace("\n\n", "\n\nimport sys\n", 1) + "\n\nimport torch"
    return f"{imports}\n\n\n{rest.rstrip()}\n\n\n{_Writer(c).text()}"


def _header(c: Circuit, origin: str) -> list[str]:
    start = " (the first is the start token)" if c.start else ""
    heads = max((len(x.heads) for x in c.layers), default=0)
    lines = [
        f"The attention circuit {c.name} as a PyTorch module, exported by lockstep.",
        f"From: {origin}.",
        f"Sizes: {len(c.rows)} rows{start}, width {c.width}, {len(c.layers)} layers, at most {heads} heads a layer,"
        f" softmax of {c.scale} times the scores.",
        "",
        "    from THIS_FILE import Module",
        f"    Module()(torch.tensor([[...]]))   # a batch of {sum(a.size for a in c.inputs)} words,"
        f" {', '.join(f'{a.name}[{a.size}] in {a.low}..{a.high}' for a in c.inputs)}",
        "",
        "A run in floating point proves nothing. What the input must meet (`requires`) is not checked. The definition:",
        "",
        *printing.text(c).splitlines(),
    ]
    safe = (re.sub(r"[^ -~]", "?", line) for line in lines)
    return [*(f"# {line}".rstrip() for line in safe), ""]


def _refused(message: str, span: Span | None = None) -> Exception:
    return spec_error("EXPORT", message, *([span] if span is not None else []))


def _checked(name: str) -> str:
    if NAME.fullmatch(name) is None:
        raise _refused(f"expected a name of letters, digits and _, found {name[:40]!r}")
    return name


def _ranges(words: tuple[tuple[int, int], ...]) -> str:
    return "(" + "".join(f"({low}, {high}), " for low, high in words) + ")"


class _Writer:
    """Python text for one circuit. Every name of the circuit becomes v_NAME_NUMBER or f_NAME."""

    def __init__(self, c: Circuit) -> None:
        self.c, self.count = c, 0
        self.functions = {f.name for f in c.functions}
        self.tensors = False
        self.lines: list[str] = []
        self.machines = min((p.machines for p in c.packets), default=c.tokens + c.blank)

    def text(self) -> str:
        c = self.c
        self._section("sizes")
        self.lines += [f"ROWS = range({c.rows.start}, {c.rows.stop})", f"WIDTH = {c.width}", f"SCALE = {c.scale}"]
        self.lines.append(
            "INPUTS = (" + "".join(f'("{_checked(a.name)}", {a.size}, {a.low}, {a.high}), ' for a in c.inputs) + ")"
        )
        self.lines.append("BLOCKS = {")
        self.lines += [f'    "{_checked(p.name)}": {self._block(p)},' for p in c.packets]
        self.lines.append("}")
        if c.functions:
            self._section("functions")
        for f in c.functions:
            names = {p: self._fresh(p) for p in f.parameters}
            self._define(f"f_{_checked(f.name)}", list(names.values()), self._e(f.body, names))
        self._section("layers")
        layers = [self._layer(n, layer) for n, layer in enumerate(c.layers, 1)]
        self._section("outputs")
        for a, e in zip(c.outputs, c.readouts, strict=True):
            self._define(f"read_{_checked(a.name)}", ["i", "row"], self._e(e, {"self": "i", "row": "row"}))
        self.lines.append(
            "OUTPUTS = (" + "".join(f'("{a.name}", {a.size}, {a.low}, {a.high}, read_{a.name}), ' for a in c.outputs) + ")"
        )
        self.lines += ["LAYERS = (", *(f"    {x}," for x in layers), ")"]
        return "\n".join(self.lines) + "\n"

    def _section(self, title: str) -> None:
        self.lines += ["", f"# ---- {title} " + "-" * 60, ""] if self.lines else [f"# ---- {title} " + "-" * 60, ""]

    def _define(self, name: str, parameters: list[str], result: str) -> None:
        self.lines += [f"def {name}({', '.join(parameters)}):", f"    return {result}", "", ""]

    def _fresh(self, name: str) -> str:
        self.count += 1
        return f"v_{_checked(name)}_{self.count}"

    def _block(self, p: Packets) -> str:
        c = self.c
        ranges = "".join(_ranges(c.message(tag).words) + ", " for tag in p.tags)
        tags = "".join(f'"{_checked(tag)}", ' for tag in p.tags)
        rows = p.selector.rows if p.selector.name == "table" else p.selector.arguments
        if not all(isinstance(x, int) or set(x) <= {"0", "1"} for x in rows):
            raise _refused(f"the selector of packets {p.name} is no table of 0 and 1")
        selector = f'("{_checked(p.selector.name)}", ({"".join(f"{x!r}, " for x in rows)}))'
        return (
            f"Block(({tags}), ({ranges}), {p.at}, {p.machines}, {p.messages}, {c.longest(p)}, {columns(p.selector)},"
            f" {selector}, Fraction({p.heard.numerator}, {p.heard.denominator}))"
        )

    # ---- layers -------------------------------------------------------------------------------------

    def _layer(self, n: int, layer: Layer) -> str:
        local = "None"
        if layer.local is not None:
            local = f"local_{n}"
            self._local(local, layer)
        low, high = (layer.local.low, layer.local.high) if layer.local is not None else (1, 0)
        heads = []
        for h, head in enumerate(layer.heads, 1):
            parts = [self._part(f"{what}_{n}_{h}", getattr(head, what), layer) for what in ("query", "key", "value")]
            heads.append("(" + ", ".join(f'("{kind}", {name})' for kind, name in parts) + ")")
        mask = "None"
        if layer.mask is not None:
            mask = f"mask_{n}"
            self._define(mask, ["i", "j"], self._e(layer.mask, {"self": "i", "other": "j"}))
        return f"({low}, {high}, {local}, {mask}, ({''.join(x + ', ' for x in heads)}))"

    def _part(self, name: str, cases: tuple[s.Case, ...], layer: Layer) -> tuple[str, str]:
        """Its kind and its name."""
        outputs = {a.name for a in self.c.outputs}
        used = names_in(cases)
        names = {"self": "i", "row": "row"} | {y: f'assigned["{_checked(y)}"]' for y in outputs}
        if used & {*EFFECTS, *outputs}:
            kind = "each row" if "row" in used else "each"
        elif "row" not in used:
            kind = "fixed"
        else:
            smooth = all(not _mentions_row(case.condition) and self._on_tensors(case.value) for case in cases)
            kind = "row" if smooth else "each row"
        parameters = {"fixed": ["i"], "row": ["i", "row"]}.get(kind, ["i", "row", "sent", "assigned"])
        self.lines.append(f"def {name}({', '.join(parameters)}):")
        self.tensors = kind == "row"
        closed = False
        for case in cases:
            if case.condition is None:
                self.lines.append(f"    return {self._e(case.value, names)}")
                closed = True
                break
            self.lines += [f"    if {self._e(case.condition, names)}:", f"        return {self._e(case.value, names)}"]
        self.tensors = False
        self.lines += [*([] if closed else ["    return []"]), "", ""]
        return kind, name

    def _on_tensors(self, e: s.Expr) -> bool:
        """Does it do nothing with the row that tensors cannot do?"""
        if not _mentions_row(e):
            return True
        match e:
            case s.Name("row") | s.Index("row"):
                return not isinstance(e, s.Index) or not _mentions_row(e.index)
            case s.Unary("-", operand):
                return self._on_tensors(operand)
            case s.Binary("+" | "-" | "*", left, right):
                return self._on_tensors(left) and self._on_tensors(right)
            case s.Binary("/", left, right):
                return self._on_tensors(left) and not _mentions_row(right)
            case s.Vector(items):
                return all(map(self._on_tensors, items))
            case s.Call("unit", (place, x)):
                return "unit" not in self.functions and not _mentions_row(place) and self._on_tensors(x)
        return False

    def _local(self, name: str, layer: Layer) -> None:
        """What row i sends and assigns, remembered by what it reads."""
        local = layer.local
        assert local is not None
        arrays = {a.name: f'words["{_checked(a.name)}"]' for a in self.c.inputs}
        read = [f"{name}_reads_{k}" for k in range(1, len(local.reads) + 1)]
        inputs: dict[str, str] = {}
        mail: list[str] = []
        for function, r in zip(read, local.reads, strict=True):
            if isinstance(r, s.ReadsPackets):
                mail.append(f'*unpacked(row, BLOCKS["{_checked(r.packets)}"], i)')
                continue
            array = next(a for a in self.c.inputs if a.name == r.array)
            k, base = self._fresh(r.variable), {"self": "i", "row": "row"}
            word = self._e(r.value, {**base, r.variable: k})
            bounds = f"between({self._e(r.low, base)}, {self._e(r.high, base)})"
            checked = f'{k}: check({word}, {array.low}, {array.high}, "a word of {_checked(array.name)}")'
            self._define(function, ["i", "row"], f"{{{checked} for {k} in {bounds}}}")
            inputs[r.array] = f"{function}(i, row)"
        words = "".join(f'"{_checked(a.name)}": {inputs.get(a.name, "{}")}, ' for a in self.c.inputs)
        places = "".join(f'"{_checked(a.name)}": {{}}, ' for a in self.c.outputs)
        self.lines += [
            f"def {name}(i, row, known):",
            f"    words = {{{words}}}",
            f"    inbox = ({''.join(x + ', ' for x in mail)})",
            "    key = (i, inbox, *(tuple(a.items()) for a in words.values()))",
            "    if key not in known:",
            f"        known[key] = {name}_run(i, words, inbox)",
            "    return known[key]",
            "",
            "",
            f"def {name}_run(i, words, inbox):",
            f"    sent, assigned = [], {{{places}}}",
        ]
        self._statements(local.body, {"self": "i", **arrays}, 1)
        self.lines += ["    return tuple(sent), assigned", "", ""]

    # ---- statements -----------------------------------------------------------------------------------

    def _statements(self, body: tuple[s.Statement, ...], names: Names, depth: int) -> None:
        start, indent = len(self.lines), "    " * depth
        if depth > 90:
            raise _refused("statements are nested too deep for Python")
        for st in body:
            match st:
                case s.Let(name, value):
                    text, new = self._e(value, names), self._fresh(name)
                    self.lines.append(f"{indent}{new} = {text}")
                    names = {**names, name: new}
                case s.Send(tag, words, destination):
                    values = "".join(self._e(w, names) + ", " for w in words)
                    ranges = _ranges(self.c.message(tag).words)
                    to = self._e(destination, names)
                    self.lines.append(f'{indent}send(sent, "{_checked(tag)}", ({values}), {ranges}, {to}, {self.machines})')
                case s.Choose(condition, then, otherwise):
                    self.lines.append(f"{indent}if {self._e(condition, names)}:")
                    self._statements(then, names, depth + 1)
                    if otherwise:
                        self.lines.append(f"{indent}else:")
                        self._statements(otherwise, names, depth + 1)
                case s.Repeat(binder, inner):
                    loop, bound = self._binder(binder, names)
                    self.lines.append(f"{indent}{loop}:")
                    self._statements(inner, bound, depth + 1)
                case s.Assign(array, index, value):
                    a = self._output(array)
                    place, word = self._e(index, names), self._e(value, names)
                    self.lines.append(f'{indent}assign(assigned, "{a.name}", {place}, {a.size}, {word}, {a.low}, {a.high})')
        if len(self.lines) == start:
            self.lines.append(f"{indent}pass")

    def _output(self, name: str) -> Array:
        found = next((a for a in self.c.outputs if a.name == name), None)
        if found is None:
            raise _refused(f"{name} is no output")
        _checked(found.name)
        return found

    def _binder(self, binder: s.Binder, names: Names) -> tuple[str, Names]:
        """`for ... in ...`, and the names it binds."""
        match binder:
            case s.OverRange(variable, low, high):
                k = self._fresh(variable)
                return f"for {k} in between({self._e(low, names)}, {self._e(high, names)})", {**names, variable: k}
            case s.OverHeld(variable, array):
                k = self._fresh(variable)
                return f'for {k} in words["{_checked(array)}"]', {**names, variable: k}
            case s.OverInbox(tag, variables, source):
                new = {v: self._fresh(v) for v in variables}
                origin = self._fresh("source" if source is None else source)
                if source is not None:
                    new[source] = origin
                words = "".join(new[v] + ", " for v in variables)
                return f'for ({words}), {origin} in of(inbox, "{_checked(tag)}")', {**names, **new}

    # ---- expressions ----------------------------------------------------------------------------------

    def _e(self, e: s.Expr, names: Names) -> str:
        match e:
            case s.Number(value):
                if isinstance(value, Fraction):
                    return f"Fraction({value.numerator}, {value.denominator})"
                return str(int(value)) if value >= 0 else f"({int(value)})"
            case s.Name(name):
                if name in names:
                    return names[name]
                if name in self.functions:
                    return f"f_{_checked(name)}()"
                raise _refused(f"{name} has no value here", e.span)
            case s.Index(array, index):
                if array not in names:
                    raise _refused(f"{array} is not an array here", e.span)
                return f"at({names[array]}, {self._e(index, names)})"
            case s.Unary("not", operand):
                return f"(not {self._e(operand, names)})"
            case s.Unary(_, operand):
                return f"negative({self._e(operand, names)})"
            case s.Binary(operator, left, right):
                a, b = self._e(left, names), self._e(right, names)
                if self.tensors and operator in ON_TENSORS and _mentions_row(e):
                    return f"{ON_TENSORS[operator]}({a}, {b})"
                if operator in HELPERS:
                    return f"{HELPERS[operator]}({a}, {b})"
                if operator in OPERATORS:
                    return f"({a} {operator} {b})"
            case s.Conditional(condition, then, otherwise):
                return f"({self._e(then, names)} if {self._e(condition, names)} else {self._e(otherwise, names)})"
            case s.Member(element, low, high):
                return f"({self._e(low, names)} <= {self._e(element, names)} <= {self._e(high, names)})"
            case s.Reduce():
                return self._reduce(e, names)
            case s.Vector(items):
                return f"vector({', '.join(self._e(x, names) for x in items)})"
            case s.Call():
                return self._call(e, names)
        raise _refused("an expression that has no meaning in a circuit", e.span)

    def _reduce(self, e: s.Reduce, names: Names) -> str:
        loop, bound = self._binder(e.binder, names)
        condition = "" if e.condition is None else f" if {self._e(e.condition, bound)}"
        items = f"[{self._e(e.body, bound)} {loop}{condition}]"
        match e.kind:
            case "vector":
                return f"vector(*{items})"
            case "count":
                return f"{items}.count(True)"
            case "min" | "max":
                return f"{'least' if e.kind == 'min' else 'greatest'}({items})"
            case "sum" | "any" | "all" | "only":
                return f"{e.kind}({items})"
        raise _refused(f"a reduction {e.kind}", e.span)

    def _call(self, e: s.Call, names: Names) -> str:
        name = e.function
        if name in self.functions:
            return f"f_{_checked(name)}({', '.join(self._e(a, names) for a in e.arguments)})"
        if name in ("only", "count", "packed", "destinations"):
            (given,) = e.arguments
            tag = _checked(given.name if isinstance(given, s.Name) else "")
            if name in EFFECTS:
                return f'packed(sent, BLOCKS["{tag}"], i)' if name == "packed" else f'destinations(sent, BLOCKS["{tag}"])'
            return f'only([m[0][0] for m in of(inbox, "{tag}")])' if name == "only" else f'len(of(inbox, "{tag}"))'
        arguments = ", ".join(self._e(a, names) for a in e.arguments)
        if name in VECTORS:
            return f"{name}({arguments})"
        if name in FUNCTIONS:
            return f"{FUNCTIONS[name]}({arguments})"
        if name in ("min", "max"):
            return f"{'least' if name == 'min' else 'greatest'}([{arguments}])"
        raise _refused(f"{name} is not a function", e.span)


def _mentions_row(node: object) -> bool:
    return "row" in names_in(node)
