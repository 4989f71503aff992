"""The syntax tree: one closed union for expressions, one for statements, one for definitions.

A tree with no parameters and no unrolled loops left (see `elaboration/closing.py`) is also what the
models hold, so what a compiler builds and what a person writes are the same kind of data.
Spans are kept out of equality and of `repr`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

from checker.language.diagnostics import NOWHERE, Span


def _span() -> Span:
    return field(default=NOWHERE, compare=False, repr=False, kw_only=True)


# ---- expressions ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number. The text form of a fraction is a quotient."""

    value: int | Fraction
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Index:
    """`x[k]`, 1-based."""

    array: str
    index: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in or a `function`; in a theorem also a protocol or circuit at parameters, with options."""

    function: str
    arguments: tuple[Expr, ...]
    options: tuple[tuple[str, Expr], ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Unary:
    """`-e` or `not e`."""

    operator: str
    operand: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic `+ - * / div mod ^`, comparison `== != < <= > >=`, logic `and or`."""

    operator: str
    left: Expr
    right: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Conditional:
    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Member:
    """`e in low..high`."""

    element: Expr
    low: Expr
    high: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Reduce:
    """`sum(e for binder if c)`; kinds: sum min max any all count only, and `vector` for `(e for k in a..b)`."""

    kind: str
    body: Expr
    binder: Binder
    condition: Expr | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class At:
    """`e at m`: the value of e in machine m's inbox (in `keeps` only)."""

    expression: Expr
    machine: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Vector:
    """`(e, f, ...)`: the concatenation of its items."""

    items: tuple[Expr, ...]
    span: Span = _span()


Expr = Number | Name | Index | Call | Unary | Binary | Conditional | Member | Reduce | At | Vector


@dataclass(frozen=True, slots=True)
class OverRange:
    """`k in low..high`"""

    variable: str
    low: Expr
    high: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OverHeld:
    """`k in held(x)`: the indices of x that lie on this machine."""

    variable: str
    array: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class OverInbox:
    """`tag(v, w) from k in inbox`: the messages of one type, their words and their source."""

    tag: str
    variables: tuple[str, ...]
    source: str | None = None
    span: Span = _span()


Binder = OverRange | OverHeld | OverInbox

# ---- statements -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Let:
    name: str
    value: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Send:
    tag: str
    words: tuple[Expr, ...]
    destination: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Choose:
    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Repeat:
    binder: Binder
    body: tuple[Statement, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Assign:
    """`y[k] = e`: an output word."""

    array: str
    index: Expr
    value: Expr
    span: Span = _span()


Statement = Let | Send | Choose | Repeat | Assign

# ---- declarations ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class WordType:
    """All of Z_{2^p}, p the protocol's word."""

    span: Span = _span()


@dataclass(frozen=True, slots=True)
class RangeType:
    low: Expr
    high: Expr
    span: Span = _span()


Type = WordType | RangeType


@dataclass(frozen=True, slots=True)
class NumbersType:
    """A vector of `count` numbers: multiples of `step` as long as a word, or real numbers if there is no step."""

    count: Expr
    step: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ArrayDeclaration:
    name: str
    size: Expr
    type: Type
    readout: Expr | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class MessageDeclaration:
    tag: str
    words: tuple[Type | NumbersType, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ForEach:
    """`for t in low..high` behind a round or a layer."""

    variable: str
    low: Expr
    high: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class RoundDeclaration:
    name: str
    each: ForEach | None
    keeps: tuple[Expr, ...]
    body: tuple[Statement, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FunctionDefinition:
    name: str
    parameters: tuple[str, ...]
    body: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ProtocolDefinition:
    """Def. 2.3. `settings` holds word, memory, machines and, if it is not 0, address."""

    name: str
    parameters: tuple[str, ...]
    where: Expr | None
    lets: tuple[Let, ...]
    settings: tuple[tuple[str, Expr], ...]
    inputs: tuple[ArrayDeclaration, ...]
    outputs: tuple[ArrayDeclaration, ...]
    requires: tuple[Expr, ...]
    messages: tuple[MessageDeclaration, ...]
    rounds: tuple[RoundDeclaration, ...]
    finish: tuple[Statement, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class SelectorByName:
    name: str
    arguments: tuple[Expr, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class SelectorByTable:
    rows: tuple[str, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class PacketsDeclaration:
    """A block of the residual stream that holds packets (Lemma 3.2), from coordinate `at` on."""

    name: str
    tags: tuple[str, ...]
    at: Expr
    machines: Expr
    messages: Expr
    selector: SelectorByName | SelectorByTable
    heard: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ReadsPackets:
    packets: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ReadsInput:
    """`reads x[k] = e for k in a..b`: how a machine finds its input words in its row."""

    array: str
    variable: str
    value: Expr
    low: Expr
    high: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LocalDeclaration:
    """The local function that rows low..high apply to what they read off their row, as the machine of their number.

    In `finish` they do so as `machine`, an expression over `self`, the row.
    """

    low: Expr
    high: Expr
    reads: tuple[ReadsPackets | ReadsInput, ...]
    body: tuple[Statement, ...]
    machine: Expr | None = None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Case:
    """`e when c`; the first case whose condition holds counts, and no case means the zero vector."""

    value: Expr
    condition: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class HeadDeclaration:
    name: str
    query: tuple[Case, ...]
    key: tuple[Case, ...]
    value: tuple[Case, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LayerDeclaration:
    """Without a mask of its own a layer has the circuit's. `fields` name expressions over `self` and `row`."""

    name: str
    each: ForEach | None
    local: LocalDeclaration | None
    heads: tuple[HeadDeclaration, ...]
    mask: Expr | None = None
    fields: tuple[Let, ...] = ()
    span: Span = _span()


NUMBERS = ("scale", "fraction", "integer")  # the settings of a circuit that say how it computes (Def. A.1)


@dataclass(frozen=True, slots=True)
class CircuitDefinition:
    """Defs. 2.1 and 2.2. `settings` holds word, tokens, width, blank and those of `NUMBERS` that are given.

    The output is read off by the readouts of the output arrays, or by `finish`.
    The mask, over `self` and `other`, says which rows a row may attend to. `fields` name expressions over `self` and `row`.
    """

    name: str
    parameters: tuple[str, ...]
    where: Expr | None
    lets: tuple[Let, ...]
    settings: tuple[tuple[str, Expr], ...]
    start: bool
    inputs: tuple[ArrayDeclaration, ...]
    outputs: tuple[ArrayDeclaration, ...]
    requires: tuple[Expr, ...]
    messages: tuple[MessageDeclaration, ...]
    packets: tuple[PacketsDeclaration, ...]
    layers: tuple[LayerDeclaration, ...]
    finish: LocalDeclaration | None = None
    mask: Expr | None = None
    fields: tuple[Let, ...] = ()
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class FieldDeclaration:
    """`field f in low..high` of a lemma: any whole number of the range (over `self`), independently in each row."""

    name: str
    low: Expr
    high: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LemmaDefinition:
    """One head, over all values that the rows low..high may hold: each row attends to exactly the rows that `reads` names.

    Assumptions, query and key are over `self` and the row's own fields; in `reads`, `f[j]` is field f of row j.
    """

    name: str
    parameters: tuple[str, ...]
    where: Expr | None
    lets: tuple[Let, ...]
    low: Expr
    high: Expr
    mask: Expr | None
    fields: tuple[FieldDeclaration, ...]
    assumptions: tuple[Expr, ...]
    query: tuple[Case, ...]
    key: tuple[Case, ...]
    reads: tuple[Expr, ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Use:
    name: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Domain:
    """A parameter of a theorem and the ranges it runs over (inclusive)."""

    name: str
    spans: tuple[tuple[Expr, Expr], ...]
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Simulates:
    """`T simulates P at rung`; no rung is the one that the circuit's numbers reach."""

    circuit: str
    protocol: str
    rung: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Computes:
    """`P computes y[k] == e for k in a..b`"""

    subject: str
    equation: Expr
    each: ForEach | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Fits:
    """No machine sends, receives or holds more than s words, and every `keeps` holds."""

    protocol: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Delivers:
    """Every routing layer of the circuit delivers every valid routing (Lemma 3.2)."""

    circuit: str
    rung: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Propagates:
    """The queries and keys of every routing layer tell senders from all other rows, by at least the margin (Prop. B.1)."""

    circuit: str
    margin: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Selects:
    """In any `count` of the first `rows` rows of the matrix each has a 1 where the others have 0 (Fact B.2)."""

    selector: SelectorByName
    count: Expr
    rows: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Holds:
    """A comparison of sizes: rounds, depth, heads, width, ..."""

    condition: Expr
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class ForReals:
    """`condition for all real a, b where assumption`"""

    condition: Expr
    variables: tuple[str, ...]
    assumption: Expr | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Reads:
    """A cut: `head in circuit[layer] reads rows by lemma(arguments, field = e, ...)`.

    For every input each row `self` attends, in that head of that layer (1-based), to exactly the rows named. The values of the
    lemma's fields are the call's options, over `self`, `row` (the stream before the layer) and the input arrays.
    """

    head: str
    circuit: str
    layer: Expr
    rows: tuple[Expr, ...]
    each: ForEach | None
    lemma: Call | None
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class LemmaHolds:
    """`lemma(arguments) holds by margin`: for all values of the fields, and each row that is read is better than all others by
    more than 0, and by the margin at least."""

    lemma: Call
    margin: Expr | None
    span: Span = _span()


Statementlike = Simulates | Computes | Fits | Delivers | Propagates | Selects | Holds | ForReals | Reads | LemmaHolds


@dataclass(frozen=True, slots=True)
class Claim:
    name: str
    statement: Statementlike
    expect: str
    span: Span = _span()


@dataclass(frozen=True, slots=True)
class Theorem:
    name: str
    domains: tuple[Domain, ...]
    where: Expr | None
    lets: tuple[Let, ...]
    claims: tuple[Claim, ...]
    span: Span = _span()


Definition = FunctionDefinition | ProtocolDefinition | CircuitDefinition | LemmaDefinition
Item = Use | FunctionDefinition | ProtocolDefinition | CircuitDefinition | LemmaDefinition | Theorem


@dataclass(frozen=True, slots=True)
class SourceFile:
    items: tuple[Item, ...]


def free_names(node: object) -> set[str]:
    """The names and arrays that a tree refers to and does not bind itself (functions are not among them)."""
    match node:
        case Name(name):
            return {name}
        case Index(array, index):
            return {array} | free_names(index)
        case Reduce(_, body, binder, condition):
            bound = {binder.variable} if not isinstance(binder, OverInbox) else {*binder.variables, binder.source}
            outside = free_names(binder) if not isinstance(binder, OverHeld) else {binder.array}
            return outside | ({x for y in (body, condition) for x in free_names(y)} - bound)
        case tuple():
            return {x for y in node for x in free_names(y)}
    fields = getattr(node, "__dataclass_fields__", None)
    return set() if fields is None else {x for f in fields if f != "span" for x in free_names(getattr(node, f))}


OF_CIRCUITS = {"query": 5, "key": 5, "value": 5, "attends": 4, "readout": 3}  # functions of a circuit, with their arguments


def circuits_called(node: object) -> set[str]:
    """The circuits whose row-wise functions are called in a tree: query(T, layer, head, row's number, row) and the like."""
    if isinstance(node, tuple):
        return {x for y in node for x in circuits_called(y)}
    found: set[str] = set()
    if isinstance(node, Call) and node.function in OF_CIRCUITS and node.arguments and isinstance(node.arguments[0], Name):
        found.add(node.arguments[0].name)
    fields = getattr(node, "__dataclass_fields__", None)
    return found if fields is None else found | {x for f in fields if f != "span" for x in circuits_called(getattr(node, f))}


def mentions(node: object, *names: str) -> bool:
    """Does a name occur in the tree, as a name, an array or a function?"""
    return not mentioned(node).isdisjoint(names)


@lru_cache(maxsize=20_000)
def mentioned(node: object) -> frozenset[str]:
    """All names in a tree, or in a tuple of trees: of values, arrays and functions."""
    found: set[str] = set()
    stack = [node]
    while stack:
        x = stack.pop()
        if isinstance(x, tuple):
            stack.extend(x)
            continue
        if isinstance(x, (Name, Index, Call)):
            found.add(x.name if isinstance(x, Name) else x.array if isinstance(x, Index) else x.function)
        fields = getattr(x, "__dataclass_fields__", None)
        if fields is not None:
            stack.extend(getattr(x, f) for f in fields if f != "span")
    return frozenset(found)
