"""`lockstep bench hop`: what it proves, what it counts, and what it says when there is no proof."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_commands import lockstep, wrong

from checker.commands import hop_times
from checker.commands.hop_times import Instances, enumerated, prove
from checker.kernel.judgements import Computes
from checker.kernel.proofs import NotProved
from checker.language.diagnostics import SpecError


def test_every_claim_is_proved_and_p_is_the_circuits() -> None:
    of = Instances(3, 2, 1, 3)
    named = [(dict(c.instance)["k"], c.name) for c in of.claims]
    for name, first in (("fetched", 1), ("found", 1), ("doubled", 2), ("hops", 1)):
        assert [k for k, claim in named if claim == name] == list(range(first, 4))
    assert all(dict(c.instance) == {"n": 3, "sigma": 2, "k": dict(c.instance)["k"]} for c in of.claims)
    (last,) = [j for c in of.claims for j in c.judgements if isinstance(j, Computes)][-1:]
    assert prove(Instances(3, 2, 2, 3)) == last.subject.precision  # type: ignore[union-attr]


def test_enumeration_stops_at_the_limits() -> None:
    found = enumerated(2, 1, 60.0, 2)
    assert found is not None and (found.n, found.inputs) == (2, 4) and found.seconds > 0
    assert enumerated(2, 1, 1e-9, 2) is None


def test_the_table(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("before\n<!-- hop: begin -->\nold\n<!-- hop: end -->\nafter\n", encoding="utf-8")
    options = ("--n", "2", "--n", "3", "--sigma", "2", "--hops", "2", "--runs", "1", "--write", str(file))
    done = lockstep("bench", "hop", *options)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = [line.split() for line in done.stdout.splitlines()[1:4]]
    assert [(x[0], x[2], x[3]) for x in lines] == [("2", "2^2", "1..2"), ("2", "2^2", "2"), ("3", "2^3", "2")]
    text = file.read_text(encoding="utf-8")
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text and "| 3 | 2 | 2^3 | 2 |" in text


def test_marks_are_looked_for_first(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("nothing\n", encoding="utf-8")
    wrong(lockstep("bench", "hop", "--write", str(file)))
    wrong(lockstep("bench", "hop", "--n", "0"))


def test_no_proof_is_a_diagnostic(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(work: object, arguments: object) -> None:
        raise NotProved("no rule")

    monkeypatch.setattr(hop_times, "afresh", never)
    with pytest.raises(SpecError, match="n = 2, sigma = 2, k = 1: no rule"):
        hop_times.hop_command((2,), 2, 1, 1, 1.0, None)
