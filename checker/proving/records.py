"""Results as JSON and back: the form that reports, caches, worker processes and shards share."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from typing import Any

from checker.kernel.proofs import Outcome, ProofTree, Proved, Witness
from checker.language.diagnostics import Span
from checker.proving.results import ClaimResult

Json = dict[str, Any]


class Malformed(ValueError):
    """Not the record of a result."""


def record(r: ClaimResult) -> Json:
    """One result, keys always in the same order."""
    o = r.outcome
    return {
        "theorem": r.theorem,
        "claim": r.claim,
        "instance": dict(r.instance),
        "statement": r.statement,
        "verdict": o.verdict,
        "expected": r.expected,
        "as_expected": r.as_expected,
        "reason": o.reason,
        "seconds": round(r.seconds, 3),
        "cached": r.cached,
        "place": {"file": r.span.file, "line": r.span.line, "column": r.span.column},
        "witness": None if o.witness is None else _witness(o.witness),
        "proof": None if o.proof is None else _proof(o.proof),
    }


def plain(r: ClaimResult) -> ClaimResult:
    """The same result with a proof that is plain data."""
    if not isinstance(r.outcome.proof, Proved):
        return r
    known: dict[int, ProofTree] = {}

    def tree(p: Proved) -> ProofTree:
        if id(p) not in known:
            known[id(p)] = ProofTree(str(p.judgement), p.rule, p.detail, tuple(tree(q) for q in p.premises))
        return known[id(p)]

    return replace(r, outcome=replace(r.outcome, proof=tree(r.outcome.proof)))


def result(x: Any) -> ClaimResult:
    """The result of a record. Raises `Malformed`."""
    try:
        place = x["place"]
        outcome = Outcome(
            _text(x["verdict"]),
            None if x["proof"] is None else _tree(x["proof"]),
            None if x["witness"] is None else _seen(x["witness"]),
            _text(x["reason"]),
        )
        return ClaimResult(
            _text(x["theorem"]),
            _text(x["claim"]),
            tuple((_text(k), int(v)) for k, v in x["instance"].items()),
            _text(x["statement"]),
            _text(x["expected"]),
            outcome,
            float(x["seconds"]),
            Span(_text(place["file"]), int(place["line"]), int(place["column"])),
            bool(x["cached"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, AssertionError, RecursionError) as error:
        raise Malformed(f"{type(error).__name__}: {error}") from None


def results(found: Any) -> list[ClaimResult]:
    """The results of a list of records. Raises `Malformed`."""
    if not isinstance(found, list):
        raise Malformed("expected a list of results")
    return [result(x) for x in found]


def numbered(proof: Proved | ProofTree) -> dict[int, int]:
    """`id` of each node with more than one use, to a number: 1, 2, ... in the order of first sight."""
    seen: set[int] = set()
    shared: set[int] = set()
    order: list[int] = []
    stack = [proof]
    while stack:
        p = stack.pop()
        if id(p) in seen:
            shared.add(id(p))
            continue
        seen.add(id(p))
        order.append(id(p))
        stack.extend(reversed(p.premises))
    return {key: k for k, key in enumerate((key for key in order if key in shared), start=1)}


def _text(x: Any) -> str:
    if not isinstance(x, str):
        raise Malformed(f"expected text, found {x!r:.40}")
    return x


def _texts(found: Iterable[Any]) -> tuple[str, ...]:
    return tuple(map(_text, found))


def _witness(w: Witness) -> Json:
    return {
        "summary": w.summary,
        "inputs": {name: list(values) for name, values in w.inputs},
        "table": list(w.table),
        "point": {name: str(value) for name, value in w.point},
    }


def _seen(x: Any) -> Witness:
    inputs = tuple((_text(name), tuple(map(int, values))) for name, values in x["inputs"].items())
    point = tuple((_text(name), Fraction(_text(value))) for name, value in x["point"].items())
    return Witness(_text(x["summary"]), inputs, _texts(x["table"]), point)


def _proof(proof: Proved | ProofTree) -> Json:
    """A premise that is used twice is written once, with an `id`; later uses are `{"ref": id}`."""
    numbers = numbered(proof)
    written: set[int] = set()

    def node(p: Proved | ProofTree) -> Json:
        if id(p) in written:
            return {"ref": numbers[id(p)]}
        written.add(id(p))
        start: Json = {"id": numbers[id(p)]} if id(p) in numbers else {}
        return start | {
            "rule": p.rule,
            "judgement": str(p.judgement),
            "detail": p.detail,
            "premises": [node(q) for q in p.premises],
        }

    return node(proof)


def _tree(x: Any) -> ProofTree:
    known: dict[int, ProofTree] = {}

    def node(y: Any) -> ProofTree:
        if "ref" in y:
            return known[y["ref"]]
        premises = tuple(node(z) for z in y["premises"])
        found = ProofTree(_text(y["judgement"]), _text(y["rule"]), _text(y["detail"]), premises)
        if "id" in y:
            known[y["id"]] = found
        return found

    return node(x)
