"""A theorem to its claims: instances expanded, compilers called, their results printed and parsed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any, TypeVar

from checker.elaboration.closing import fold
from checker.elaboration.folding import called, static
from checker.elaboration.kinds import AMOUNTS
from checker.elaboration.library import Loaded
from checker.elaboration.models import Model, Models, sizes
from checker.kernel.judgements import (
    Attends,
    Computes,
    Counts,
    Cut,
    Delivers,
    Fits,
    ForReals,
    Hints,
    Judgement,
    OfInputs,
    Performs,
    Picks,
    Reads,
    Returns,
    Selects,
    Simulates,
    Use,
    circuit_of,
    model_of,
)
from checker.kernel.proofs import NotProved
from checker.language import printer
from checker.language import syntax as s
from checker.language.diagnostics import Span, SpecError, spec_error
from checker.language.syntax import mentions
from checker.models.circuit import RUNGS, Circuit, Selector
from checker.models.protocol import Protocol

NOTHING: Mapping[str, int] = MappingProxyType({})
MAX_INSTANCES = 10_000
MAX_SELECTOR = 10_000_000  # columns, rows and parameters of a selector that a claim speaks of


@dataclass(frozen=True, slots=True)
class ClaimAt:
    """A claim at one instance. `judgements` must all hold; none: `problem` says why there is nothing to prove.

    `origins` are what the model was compiled from, what that was compiled from, and so on, and `hints` what the theorem says that
    the heads of the circuit read, and by which lemmas: hints for the prover, never believed.
    """

    theorem: str
    name: str
    instance: tuple[tuple[str, int], ...]
    statement: str
    expected: str
    span: Span
    judgements: tuple[Judgement, ...]
    origins: tuple[Model, ...] = ()
    problem: str = ""
    hints: Hints = Hints()


def instances(t: s.Theorem, functions: dict[str, s.FunctionDefinition]) -> Iterator[dict[str, int]]:
    """The parameters of each instance, in order. A `where` that is neither true nor false is an error, not a missing instance."""

    def extend(done: dict[str, int], rest: tuple[s.Domain, ...]) -> Iterator[dict[str, int]]:
        if not rest:
            holds = True if t.where is None else static(fold(t.where, done, functions))
            if not isinstance(holds, bool):
                found = ", ".join(f"{k} = {x}" for k, x in done.items())
                raise spec_error("STATIC", f"expected a condition that is true or false at {found}", t.span)
            if holds:
                yield done
            return
        for low, high in rest[0].spans:
            for k in range(_number(low, done, functions), _number(high, done, functions) + 1):
                yield from extend({**done, rest[0].name: k}, rest[1:])

    for count, instance in enumerate(extend({}, t.domains), 1):
        if count > MAX_INSTANCES:
            raise spec_error("TOO_LARGE", f"expected at most {MAX_INSTANCES} instances of {t.name}", t.span)
        yield instance


def _number(e: s.Expr, constants: dict[str, int], functions: dict[str, s.FunctionDefinition]) -> int:
    found = static(fold(e, constants, functions))
    if isinstance(found, bool) or not isinstance(found, int):
        raise spec_error("TYPE", f"expected a whole number, found {printer.expression(e)}", e.span)
    return found


def _fraction(e: s.Expr, constants: dict[str, int], functions: dict[str, s.FunctionDefinition]) -> Fraction:
    found = static(fold(e, constants, functions))
    if isinstance(found, bool) or not isinstance(found, (int, Fraction)) or found < 0:
        raise spec_error("TYPE", f"expected a number that is not negative, found {printer.expression(e)}", e.span)
    return Fraction(found)


def claims(loaded: Loaded, against: Loaded | None = None) -> Iterator[ClaimAt]:
    """All claims of a file, instance by instance. A theorem without instances gives one vacuous claim each."""
    models = Models({**loaded.definitions}, None if against is None else Models({**against.definitions}))
    for t in loaded.theorems:
        found: list[dict[str, int] | None] = [*instances(t, models.functions)]
        for instance in found or [None]:
            yield from claims_at(t, instance, models)


def claims_at(t: s.Theorem, instance: dict[str, int] | None, models: Models) -> Iterator[ClaimAt]:
    """The claims of a theorem at one instance; vacuous ones if it has none."""
    if instance is not None:
        yield from _at(t, instance, models)
        return
    for c in t.claims:
        text = printer.statement_text(c.statement)
        yield ClaimAt(t.name, c.name, (), text, c.expect, c.span, (), problem="the theorem has no instance")


def listed(loaded: Loaded) -> Iterator[ClaimAt]:
    """The same claims in the same order without judgements. Nothing is compiled, so this is quick."""
    for t in loaded.theorems:
        for instance in [*instances(t, loaded.functions)] or [{}]:
            for c in t.claims:
                yield ClaimAt(t.name, c.name, tuple(instance.items()), printer.statement_text(c.statement), c.expect, c.span, ())


@dataclass(frozen=True, slots=True)
class _Here:
    """What names mean in a theorem at one instance: models by `let`, and numbers, parameters among them."""

    models: Models
    instance: dict[str, int]
    constants: dict[str, int]
    bound: dict[str, Model]

    def named(self, name: str, span: Span) -> Model:
        return self.bound[name] if name in self.bound else self.models.named(name, (), self.instance, span)

    def number(self, e: s.Expr, known: Mapping[str, int] = NOTHING) -> int:
        return _number(e, {**self.constants, **known}, self.models.functions)

    def fold(self, e: Any, known: Mapping[str, int] = NOTHING, own: tuple[str, ...] = ()) -> Any:
        return fold(e, {**self.constants, **known}, self.models.functions, own)

    def model(self, e: s.Call) -> Model | None:
        """What a call of a protocol, a circuit or a compiler makes; None if it is none. Raises `SpecError`."""
        if e.function in ("transformer", "mpc"):
            of, wanted = e.arguments[0], Protocol if e.function == "transformer" else Circuit
            source: Model | None = None
            if isinstance(of, s.Name):
                source = self.named(of.name, of.span)
            elif isinstance(of, s.Call):
                source = self.model(of)
            if not isinstance(source, wanted):
                raise spec_error(
                    "TYPE", f"expected a {'protocol' if wanted is Protocol else 'circuit'} in {e.function}(...)", e.span
                )
            given = ((k, self.number(x) if k in AMOUNTS else x) for k, x in e.options)
            options = tuple((k, x.name if isinstance(x, s.Name) else x) for k, x in given if isinstance(x, (s.Name, int)))
            try:
                return self.models.compile(source, options)
            except SpecError as error:
                raise SpecError(*(replace(d, span=e.span) for d in error.diagnostics)) from None
        if isinstance(self.models.definitions.get(e.function), (s.ProtocolDefinition, s.CircuitDefinition)):
            return self.models.named(e.function, tuple(self.number(a) for a in e.arguments), self.instance, e.span)
        return None


def _at(t: s.Theorem, instance: dict[str, int], models: Models) -> Iterator[ClaimAt]:
    here = _Here(models, instance, dict(instance), {})
    for let in t.lets:
        if isinstance(let.value, s.Call) and (model := here.model(let.value)) is not None:
            here.bound[let.name] = model
        else:
            here.constants[let.name] = here.number(let.value)
    place = tuple(instance.items())
    cuts = {c.name: cuts_of(c.statement, here) for c in t.claims if isinstance(c.statement, s.Reads)}
    trusted: dict[Circuit, list[tuple[Cut, Use | None]]] = {}
    for c in t.claims:
        if c.name in cuts and c.expect == "proved":
            trusted.setdefault(cuts[c.name][0], []).extend(cuts[c.name][1])
    related: dict[Circuit, Protocol] = {}
    for c in t.claims:
        if isinstance(c.statement, s.Simulates) and c.expect == "proved":
            for j in _judgements(c, here)[0]:
                if isinstance(j, Simulates):
                    related[j.circuit] = j.protocol
                if isinstance(j, Returns) and len(j.protocol.circuits) == 1:
                    related.setdefault(j.protocol.circuits[0], j.original)
    for c in t.claims:
        subject, own = cuts.get(c.name, (None, []))
        hints = Hints() if subject is None else _hints([*own, *trusted.get(subject, [])], models)
        if isinstance(c.statement, s.Reads):
            assert subject is not None
            found: tuple[Judgement, ...] = tuple(Reads(subject, (x,), hints.functions) for x, _ in own)
            origins: tuple[Model, ...] = ()
            problem = "" if own else "no layer is named: the range is empty"
        else:
            found, origins, problem = _judgements(c, here)
            subject = next((x for j in found if (x := _attends(j)) is not None), None)
            hints = Hints() if subject is None else _hints(trusted.get(subject, []), models)
            origins = origins or _related(found, related)
        text = printer.statement_text(c.statement)
        yield ClaimAt(t.name, c.name, place, text, c.expect, c.span, found, origins, problem, hints)


def _related(found: tuple[Judgement, ...], related: dict[Circuit, Protocol]) -> tuple[Model, ...]:
    """What a model was compiled from, if the theorem has both, and claims that one simulates the other: a hint."""
    for j in found:
        m = model_of(j) if isinstance(j, OfInputs) else None
        if isinstance(m, Protocol) and m.numeric and len(m.circuits) == 1:
            return (m.circuits[0], related[m.circuits[0]]) if m.circuits[0] in related else ()
        if isinstance(m, Circuit) and m in related:
            return (related[m],)
    return ()


def _attends(j: Judgement) -> Circuit | None:
    """The circuit whose heads a judgement is about, be it by the protocol that performs it."""
    m = model_of(j) if isinstance(j, OfInputs) else None
    if isinstance(m, Protocol) and m.numeric:
        return m.circuits[0] if len(m.circuits) == 1 else None
    return circuit_of(j)


def cuts_of(e: s.Reads, here: _Here) -> tuple[Circuit, list[tuple[Cut, Use | None]]]:
    """The circuit, and what its heads are said to read, each by a lemma if one is named."""
    c = here.named(e.circuit, e.span)
    if not isinstance(c, Circuit):
        raise spec_error("TYPE", f"expected a circuit, found the protocol {e.circuit}", e.span)
    known: dict[str, int] = {}
    layer, rows, each, lemma = _sizes((e.layer, e.rows, e.each, e.lemma), known, lambda n: here.named(n, e.span))
    arrays = tuple(a.name for a in c.inputs)
    found: list[tuple[Cut, Use | None]] = []
    for values in _each(each, known, here):
        values |= known
        number = here.number(layer, values)
        if not 1 <= number <= len(c.layers):
            raise spec_error("RANGE", f"expected a layer of {e.circuit} in 1..{len(c.layers)}, found {number}", e.span)
        heads = [h.name for h in c.layers[number - 1].heads]
        if e.head not in heads:
            raise spec_error(
                "NAME", f"expected a head of layer {number} ({', '.join(heads) or 'it has none'}), found `{e.head}`", e.span
            )
        read = tuple(here.fold(x, values, ("self", *arrays)) for x in rows)
        use = None
        if lemma is not None:
            numbers = tuple(here.number(a, values) for a in lemma.arguments)
            fields_ = tuple((k, here.fold(x, values, ("self", "row", *arrays))) for k, x in lemma.options)
            use = Use(here.models.lemma(lemma.function, numbers, lemma.span), fields_)
        found.append((Cut(number - 1, e.head, read), use))
    return c, found


def _hints(cuts: list[tuple[Cut, Use | None]], models: Models) -> Hints:
    named = tuple((cut.rows, () if use is None else use.fields) for cut, use in cuts)
    return Hints(tuple(cuts), called(models.functions, named))


def _each(each: s.ForEach | None, known: dict[str, int], here: _Here) -> Iterator[dict[str, int]]:
    """The values of the variable, one by one: the first layer that is none ends a range that is far too long."""
    if each is None:
        yield {}
        return
    low, high = here.number(each.low, known), here.number(each.high, known)
    if high - low >= MAX_INSTANCES:
        raise spec_error("TOO_LARGE", f"expected at most {MAX_INSTANCES} layers in a cut, found {high - low + 1}", each.low.span)
    for k in range(low, high + 1):
        yield {each.variable: k}


def _judgements(c: s.Claim, here: _Here) -> tuple[tuple[Judgement, ...], tuple[Model, ...], str]:
    models = here.models

    def named(name: str) -> Model:
        return here.named(name, c.span)

    def protocol(name: str) -> Protocol:
        found = named(name)
        if not isinstance(found, Protocol):
            raise spec_error("TYPE", f"expected a protocol, found the circuit {name}", c.span)
        return found

    def circuit(name: str) -> Circuit:
        found = named(name)
        if not isinstance(found, Circuit):
            raise spec_error("TYPE", f"expected a circuit, found the protocol {name}", c.span)
        return found

    match c.statement:
        case s.Fits(name):
            fitting = protocol(name)
            return (Fits(fitting),), models.chain(fitting), ""
        case s.Simulates(left, right, rung) if isinstance(q := named(left), Protocol):
            return _performs(q, named(right), rung, models.chain(q), c.span)
        case s.Simulates(left, right, rung):
            t, p = _at_rung(circuit(left), rung, c.span), protocol(right)
            if (t.inputs, t.outputs) != (p.inputs, p.outputs):
                raise spec_error("TYPE", f"expected the same inputs and outputs in {left} and {right}", c.span)
            return (Simulates(t, p),), (), ""
        case s.Delivers(name, rung):
            return _delivers(_at_rung(circuit(name), rung, c.span), c.span)
        case s.Propagates(name, margin):
            least = Fraction(0) if margin is None else _fraction(margin, here.constants, models.functions)
            routed, _, problem = _delivers(circuit(name), c.span)
            return tuple(Attends(j.circuit, least) for j in routed if isinstance(j, Delivers)), (), problem
        case s.Selects(selector, count, rows):
            numbers = [here.number(e) for e in (*selector.arguments, rows, count)]
            if not all(1 <= x <= MAX_SELECTOR for x in numbers):
                raise spec_error("SIZE", f"expected numbers in 1..{MAX_SELECTOR} in a claim about a selector", c.span)
            *arguments, n, b = numbers
            return (Selects(Selector(selector.name, tuple(arguments)), n, b),), (), ""
        case s.Computes(name, equation, each):
            subject = named(name)
            own = (*(a.name for a in (*subject.inputs, *subject.outputs)), *(() if each is None else (each.variable,)))
            known: dict[str, int] = {}
            folded = here.fold(_sizes(equation, known, named), known, own)
            span = None if each is None else (each.variable, here.number(each.low), here.number(each.high))
            origins = models.chain(subject)
            problem = "no output word is named: the range is empty" if span is not None and span[1] > span[2] else ""
            return (Computes(subject, folded, span, called(models.functions, folded)),), origins, problem
        case s.LemmaHolds(lemma, margin):
            least = Fraction(0) if margin is None else _fraction(margin, here.constants, models.functions)
            numbers_ = tuple(here.number(a) for a in lemma.arguments)
            return (Picks(models.lemma(lemma.function, numbers_, lemma.span), least),), (), ""
        case s.Holds(condition):
            values: dict[str, int] = {}
            folded = here.fold(_sizes(condition, values, named))
            return (Counts(folded, tuple(sorted(values.items())), called(models.functions, folded)),), (), ""
        case s.ForReals(condition, variables, assumption):
            sizes_here: dict[str, int] = {}
            statement, where = _sizes((condition, assumption), sizes_here, named)
            folded = here.fold(statement, sizes_here)
            assumed = None if where is None else here.fold(where, sizes_here)
            return (ForReals(folded, variables, assumed, called(models.functions, folded, assumed)),), (), ""
        case s.Reads():
            raise TypeError("a cut is no claim about one judgement")


def _performs(
    p: Protocol, of: Model, rung: str, origins: tuple[Model, ...], span: Span
) -> tuple[tuple[Judgement, ...], tuple[Model, ...], str]:
    """That a protocol simulates a circuit, or the protocol that its circuit was compiled from."""
    if (p.inputs, p.outputs) != (of.inputs, of.outputs):
        raise spec_error("TYPE", f"expected the same inputs and outputs in {p.name} and {of.name}", span)
    if not p.numeric:
        raise spec_error("TYPE", f"expected a protocol made from a circuit, by mpc(...), found {p.name}", span)
    at = _at_rung(p, rung, span)
    if isinstance(of, Circuit):
        return (Performs(at, _at_rung(of, at.rung, span)),), origins, ""
    return (Returns(at, of),), origins, ""


M = TypeVar("M", Protocol, Circuit)


def _at_rung(c: M, rung: str, span: Span) -> M:
    """The model on the rung that the claim names; its own if it names none."""
    if rung and rung not in RUNGS:
        raise spec_error("NAME", f"expected one of the rungs {', '.join(RUNGS)}, found {rung}", span)
    try:
        return c.at(rung or c.rung)
    except ValueError as reason:
        raise spec_error("RUNG", f"expected the numbers of the rung {rung}: {reason}", span) from None


def _delivers(c: Circuit, span: Span) -> tuple[tuple[Judgement, ...], tuple[Model, ...], str]:
    from checker.kernel.routing_rules import routing_head

    found: dict[Delivers, None] = {}
    for number, layer in enumerate(c.layers):
        for p in c.packets:
            if any(mentions(h.value, "packed") and mentions(h.value, p.name) for h in layer.heads):
                try:
                    found[routing_head(c, number, p)] = None
                except NotProved as reason:
                    raise spec_error("TYPE", str(reason), span) from None
    return tuple(found), (), "" if found else "the circuit has no routing layer"


def _sizes(node: Any, values: dict[str, int], model: Any) -> Any:
    if (
        isinstance(node, s.Call)
        and len(node.arguments) == 1
        and isinstance(node.arguments[0], s.Name)
        and node.function in ("rounds", "machines", "memory", "depth", "heads", "width", "tokens", "precision")
    ):
        found = sizes(model(node.arguments[0].name))
        if node.function not in found:
            raise spec_error("TYPE", f"{node.function} is not a size of {node.arguments[0].name}", node.span)
        key = f"{node.function}({node.arguments[0].name})"
        values[key] = found[node.function]
        return s.Name(key, span=node.span)
    if isinstance(node, tuple):
        return tuple(_sizes(x, values, model) for x in node)
    if is_dataclass(node) and not isinstance(node, (type, Span)):
        return replace(node, **{f.name: _sizes(getattr(node, f.name), values, model) for f in fields(node) if f.name != "span"})
    return node
