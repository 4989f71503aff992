"""Fraction bits of the entries of queries and keys: certified without looking at every row."""

import pytest

from checker.elaboration.lemmas import close_lemma
from checker.elaboration.library import load_text
from checker.kernel.lemma_rows import numbers_of
from checker.kernel.lemma_scores import by_scores
from checker.kernel.proofs import NotProved


@pytest.mark.parametrize(
    "entry, bits",
    [
        ("cosine(self, 7, 5)", 5),
        ("2^3 * cosine(self, 7, 5)", 2),  # factors of 2 take fraction bits away
        ("12 * cosine(self, 7, 5)", 3),
        ("2^9 * cosine(self, 7, 5)", 0),
        ("cosine(self, 7, 5) / 4", 7),
        ("3 * cosine(self, 7, 5) + 8 * cosine(self, 11, 6)", 5),
    ],
)
def test_factors_of_two_take_fraction_bits_away(entry: str, bits: int) -> None:
    text = f"lemma l() {{ rows 0..20; query {entry}; key 1; reads self; }}"
    loaded = load_text(text)
    lemma = close_lemma(loaded.definitions["l"], {}, loaded.functions)
    assert numbers_of(lemma)[0].grain == bits


@pytest.mark.parametrize(
    "lemma, proved",
    [
        ("field f in 2^70..2^70 + 1; query 1; key self; reads 2;", True),
        ("field f in 0..1; query 1; key self; reads 2 + 2^70 * ((self * (self - 1)) mod 2);", True),
        ("field f in 0..1; query 1; key self; reads 1 + 2^70 * ((self * (self - 1)) mod 2);", False),
        ("field f in 0..1; query 2^70; key self / 2^35; reads 2;", True),
        ("field f in 0..1; query 2^70; key 2 ^ (3 - self) / 3^50; reads 0;", True),
        ("field f in 0..1; query 2^70; key 2 ^ (3 - self) / 3^50 + f / 3^48; reads 0;", False),
        ("field f in 0..1; query 1; key (if self == 0 or f == 1 then 10 + self else self);"
         " reads max(j for j in 0..2^70 if j == 0 or f[j] == 1);", False),
        ("field f in 0..1; query 1; key (if self == 0 or f == 1 then 10 + self else self);"
         " reads max(j for j in 0..2 if j == 0 or f[j] == 1);", True),
    ],
)
def test_numbers_beyond_64_bits(lemma: str, proved: bool) -> None:
    """Arrays do not hold them; what they cannot tell apart is compared exactly."""
    loaded = load_text(f"lemma l() {{ rows 0..2; {lemma} }}")
    found = by_scores(close_lemma(loaded.definitions["l"], {}, loaded.functions))
    assert isinstance(found, NotProved) != proved, found
