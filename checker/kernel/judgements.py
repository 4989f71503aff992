"""What can be proved, as data. Equal judgements are proved once."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from checker.language import syntax as s
from checker.language.printer import expression
from checker.models.circuit import Circuit, Selector
from checker.models.lemma import Lemma
from checker.models.protocol import Protocol
from checker.semantics.precision import Margins, shown


@dataclass(frozen=True, slots=True)
class Fits:
    """For every input: every operation of the run is defined, no machine sends or receives (and so holds) more than s
    words in a round, every `keeps` holds, every output word is assigned once (Def. 2.3)."""

    protocol: Protocol

    def __str__(self) -> str:
        return f"{self.protocol.name} fits in {self.protocol.memory} words a machine"


@dataclass(frozen=True, slots=True)
class Computes:
    """For every input, the equation holds between inputs and outputs; `functions` are those it calls."""

    subject: Protocol | Circuit
    equation: s.Expr
    each: tuple[str, int, int] | None
    functions: tuple[s.FunctionDefinition, ...] = ()

    def __str__(self) -> str:
        tail = "" if self.each is None else f" for {self.each[0]} in {self.each[1]}..{self.each[2]}"
        return f"{self.subject.name} computes {expression(self.equation)}{tail}"


@dataclass(frozen=True, slots=True)
class Selects:
    """In any `b` of the first `rows` rows, each row has a 1 where the others have 0 (Fact B.2)."""

    selector: Selector
    rows: int
    b: int

    def __str__(self) -> str:
        name = self.selector.name
        arguments = f"({', '.join(map(str, self.selector.arguments))})" if self.selector.arguments else ""
        return f"{name}{arguments} selects any {self.b} of {self.rows} rows"


@dataclass(frozen=True, slots=True)
class Propagates:
    """The scores of the queries of machines 1..q with every set of at most `messages` destinations have these margins, or
    better ones, in whatever row the key of the set is (Prop. B.1): with near = 0 and the others positive, a machine attends
    exactly to the rows that send to it, and if there are none to rows that are no machine.

    `circuit` is stripped to one layer with the one head and its packets.
    """

    circuit: Circuit
    margins: Margins

    def __str__(self) -> str:
        p = self.circuit.packets[0]
        return f"queries and keys of {p.name}: {p.machines} machines, sets of at most {p.messages}; {self.margins}"


@dataclass(frozen=True, slots=True)
class Attends:
    """The scores of a head tell the senders of a machine from rows that are no machine, and these from all others, by more than
    0 and by at least `least` (Prop. B.1); on the rung exact all senders of a machine score the same."""

    circuit: Circuit
    least: Fraction

    def __str__(self) -> str:
        p = self.circuit.packets[0]
        return f"queries and keys of {p.name} tell senders from others" + (f" by {self.least}" if self.least else "")


@dataclass(frozen=True, slots=True)
class Delivers:
    """For every valid routing, reading the packets after the head gives each machine exactly what was sent to it (Lemma 3.2),
    even if up to `noise` is added to every coordinate of the head's output. If the circuit ends here with `finish`, not the
    rows of the machines read but those of the output words: each what was sent to the machine that it acts as."""

    circuit: Circuit
    noise: Fraction = Fraction(0)

    def __str__(self) -> str:
        p, c = self.circuit.packets[0], self.circuit
        return (
            f"{p.name} delivers every routing of {p.machines} machines with at most {p.messages} messages"
            f" of at most {c.longest(p)} words a machine"
        )


@dataclass(frozen=True, slots=True)
class LayerStep:
    """Layer `layer` (0-based) of the circuit does what it must.

    Layer 0 brings every machine its input words. Layer r = 1..R-1: from every residual stream whose rows 1..q read as
    MachineIn^(r), the rows read as MachineIn^(r+1) afterwards. Layer R: the rows of the output tokens hold the output.
    "Every stream" is every one within the bounds of `semantics/precision.py`, and they hold again behind the layer.
    """

    circuit: Circuit
    protocol: Protocol
    layer: int

    def __str__(self) -> str:
        name = self.circuit.layers[self.layer].name if self.layer < len(self.circuit.layers) else "?"
        return f"layer {self.layer + 1} ({name}) of {self.circuit.name}"


@dataclass(frozen=True, slots=True)
class Simulates:
    """For every input, the circuit's output is the protocol's (Theorem 3.1), however valid heads round on the circuit's rung."""

    circuit: Circuit
    protocol: Protocol

    def __str__(self) -> str:
        return f"{self.circuit.name} simulates {self.protocol.name} at {self.circuit.rung}"


@dataclass(frozen=True, slots=True)
class Performs:
    """For every input, the protocol's output is the circuit's (Theorem 3.4). Over exact reals if both compute at softmax; at
    rounded every run of the protocol, however it stores its numbers, is a run of the circuit with valid heads (Def. A.1).
    """

    protocol: Protocol
    circuit: Circuit

    def __str__(self) -> str:
        return f"{self.protocol.name} simulates {self.circuit.name} at {self.circuit.rung}"


@dataclass(frozen=True, slots=True)
class Returns:
    """For every input, the output of a protocol made from a circuit is that of the protocol which the circuit was made from."""

    protocol: Protocol
    original: Protocol

    def __str__(self) -> str:
        return f"{self.protocol.name} simulates {self.original.name}"


@dataclass(frozen=True, slots=True)
class Counts:
    """A comparison of sizes, counted on the models."""

    condition: s.Expr
    values: tuple[tuple[str, int], ...]
    functions: tuple[s.FunctionDefinition, ...] = ()

    def __str__(self) -> str:
        return f"{expression(self.condition)} with {', '.join(f'{k} = {v}' for k, v in self.values)}"


@dataclass(frozen=True, slots=True)
class ForReals:
    """For all real values of the variables where the assumption is defined and true (none: everywhere), the condition is
    defined and true; and there are such values."""

    condition: s.Expr
    variables: tuple[str, ...]
    assumption: s.Expr | None
    functions: tuple[s.FunctionDefinition, ...] = ()

    def __str__(self) -> str:
        tail = "" if self.assumption is None else f" where {expression(self.assumption)}"
        return f"{expression(self.condition)} for all real {', '.join(self.variables)}{tail}"


@dataclass(frozen=True, slots=True)
class Picks:
    """A lemma about a head: whatever the rows hold in its fields, each row's largest scores are those of exactly the rows
    stated: each by more than 0, and by at least `margin`, above all other rows that the mask lets it attend to."""

    lemma: Lemma
    margin: Fraction = Fraction(0)

    def __str__(self) -> str:
        reads = ", ".join(expression(e) for e in self.lemma.reads)
        return f"{self.lemma.name}: every row reads {reads}" + (f" by {shown(self.margin)}" if self.margin else "")


@dataclass(frozen=True, slots=True)
class Cut:
    """The rows that a head of a layer (0-based) reads: over `self` and the input arrays.

    Their scores are the largest, by more than 0 and by at least `margin`.
    """

    layer: int
    head: str
    rows: tuple[s.Expr, ...]
    margin: Fraction = Fraction(0)

    def __str__(self) -> str:
        return f"{self.head} in layer {self.layer + 1} reads {', '.join(expression(e) for e in self.rows)}"


@dataclass(frozen=True, slots=True)
class Reads:
    """For every input and every valid run, the heads read in every row exactly the rows that the cuts say.

    The cuts are in the order of the layers; all but those of the last layer name every head of their layers.
    """

    circuit: Circuit
    cuts: tuple[Cut, ...]
    functions: tuple[s.FunctionDefinition, ...] = ()

    def __str__(self) -> str:
        return f"{self.circuit.name}: {'; '.join(map(str, self.cuts))}"


OfInputs = Fits | Simulates | Performs | Returns | Computes | Reads  # what an input can refute
Judgement = OfInputs | Selects | Propagates | Attends | Delivers | LayerStep | Counts | ForReals | Picks


ALWAYS = s.Binary("==", s.Number(1), s.Number(1))


def runs(c: Circuit) -> Computes:
    """For every input every run of a circuit is defined, and its numbers can be represented, however heads round (Def. A.1)."""
    return Computes(c, ALWAYS, None)


def instances(each: tuple[str, int, int] | None) -> list[dict[str, int]]:
    """The values of a claim's `for k in a..b`."""
    return [{}] if each is None else [{each[0]: k} for k in range(each[1], each[2] + 1)]


def circuit_of(j: Judgement) -> Circuit | None:
    """The circuit that a judgement about inputs is about, if it is about one."""
    m = j.circuit if isinstance(j, (Simulates, Delivers, Reads, Performs)) else j.subject if isinstance(j, Computes) else None
    return m if isinstance(m, Circuit) else None


def model_of(j: OfInputs) -> Protocol | Circuit:
    """The model whose inputs the judgement is about."""
    return j.protocol if isinstance(j, (Fits, Simulates, Performs, Returns)) else j.circuit if isinstance(j, Reads) else j.subject


@dataclass(frozen=True, slots=True)
class Use:
    """A lemma and what its fields are: expressions over `self`, `row` and the input arrays."""

    lemma: Lemma
    fields: tuple[tuple[str, s.Expr], ...]


@dataclass(frozen=True, slots=True)
class Hints:
    """What a theorem says that the heads of a circuit read, by which lemmas, and the functions in that: never believed."""

    cuts: tuple[tuple[Cut, Use | None], ...] = ()
    functions: tuple[s.FunctionDefinition, ...] = ()
