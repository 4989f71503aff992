"""Fraction bits of the entries of queries and keys: certified without looking at every row."""

import pytest

from checker.elaboration.lemmas import close_lemma
from checker.elaboration.library import load_text
from checker.kernel.lemma_rows import numbers_of


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
