"""The rule for lemmas about one head (Lemmas D.1, D.2): which rows it reads, whatever the rows hold."""

from __future__ import annotations

from fractions import Fraction

from checker.kernel.judgements import Picks
from checker.kernel.lemma_rows import Found
from checker.kernel.lemma_scores import by_scores
from checker.kernel.lemma_squares import by_squares
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.models.lemma import Lemma
from checker.semantics.precision import about


def picks(j: Picks) -> Proved:
    """The rule: by squares if the scores have that form, else by all scores."""
    margin, how = _found(j.lemma)
    if margin < j.margin:
        raise NotProved(f"the margin is {about(margin)} or a little more, not {about(j.margin)}")
    return conclude(j, *how)


def margin_of(lemma: Lemma) -> Fraction:
    """The margin that `picks` proves. Raises `NotProved`."""
    return _found(lemma)[0]


def _found(lemma: Lemma) -> Found:
    found = by_squares(lemma) or by_scores(lemma)
    if isinstance(found, NotProved):
        raise found
    return found
