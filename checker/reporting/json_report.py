"""A report as JSON: schema 1, keys always in the same order."""

from __future__ import annotations

import json
from typing import Any

from checker.kernel.proofs import VERDICTS, Proved, Witness
from checker.proving.results import ClaimResult, Report
from checker.reporting.proof_trees import numbered
from checker.reporting.version import VERSION

SCHEMA = 1


def render(report: Report, exit_status: int | None = None) -> str:
    """The text of the JSON document."""
    return json.dumps(document(report, exit_status), indent=2, ensure_ascii=False) + "\n"


def document(report: Report, exit_status: int | None = None) -> dict[str, Any]:
    """The document as plain data. `exit_status` is given where it is not the report's own."""
    return {
        "lockstep": VERSION,
        "schema": SCHEMA,
        "results": [_result(r) for r in report.results],
        "summary": {v.lower(): sum(r.outcome.verdict == v for r in report.results) for v in VERDICTS},
        "seconds": round(report.seconds, 3),
        "versions": dict(report.versions),
        "budget": dict(report.budget),
        "exit_status": report.exit_status if exit_status is None else exit_status,
    }


def _result(r: ClaimResult) -> dict[str, Any]:
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
        "place": {"file": r.span.file, "line": r.span.line, "column": r.span.column},
        "witness": None if o.witness is None else _witness(o.witness),
        "proof": None if o.proof is None else _proof(o.proof),
    }


def _witness(w: Witness) -> dict[str, Any]:
    return {
        "summary": w.summary,
        "inputs": {name: list(values) for name, values in w.inputs},
        "table": list(w.table),
        "point": {name: str(value) for name, value in w.point},
    }


def _proof(proof: Proved) -> dict[str, Any]:
    """A premise that is used twice is written once, with an `id`; later uses are `{"ref": id}`."""
    numbers = numbered(proof)
    written: set[int] = set()

    def node(p: Proved) -> dict[str, Any]:
        if id(p) in written:
            return {"ref": numbers[id(p)]}
        written.add(id(p))
        start: dict[str, Any] = {"id": numbers[id(p)]} if id(p) in numbers else {}
        return start | {
            "rule": p.rule,
            "judgement": str(p.judgement),
            "detail": p.detail,
            "premises": [node(q) for q in p.premises],
        }

    return node(proof)
