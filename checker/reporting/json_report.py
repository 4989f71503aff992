"""A report as JSON: schema 1, keys always in the same order."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from checker.kernel.proofs import VERDICTS
from checker.proving.records import record
from checker.proving.results import Report
from checker.reporting.version import VERSION

SCHEMA = 1
MAX_REPORT = 500_000_000  # bytes: reports hold proofs


def render(report: Report, exit_status: int | None = None) -> str:
    """The text of the JSON document."""
    return json.dumps(document(report, exit_status), indent=2, ensure_ascii=False) + "\n"


def document(report: Report, exit_status: int | None = None) -> dict[str, Any]:
    """The document as plain data. `exit_status` is given where it is not the report's own."""
    return {
        "lockstep": VERSION,
        "schema": SCHEMA,
        "results": [record(r) for r in report.results],
        "summary": {v.lower(): sum(r.outcome.verdict == v for r in report.results) for v in VERDICTS},
        "seconds": round(report.seconds, 3),
        "versions": dict(report.versions),
        "budget": dict(report.budget),
        "shard": None if report.shard is None else asdict(report.shard),
        "exit_status": report.exit_status if exit_status is None else exit_status,
    }
