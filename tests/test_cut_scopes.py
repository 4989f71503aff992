"""What may be named in masks, fields, lemmas and cuts; each mistake is answered at its place."""

import pytest

from checker.elaboration.library import load_text
from checker.language.diagnostics import Diagnostic, SpecError

GOOD = """\
function find(x, i) = max(j for j in 0..i if j == 0 or (j >= 2 and x[j - 1] == x[i]));
function near(i, j) = i - j in 0..2;
circuit hop(n, sigma) {
  let most = sigma + 1;
  word 4; tokens n; start; width 4; mask causal and not (near(other, self) and other > self);
  field before = round(row[2]) + most;
  field pair = (before, angle(self, n, 8));
  input x[n] in 1..sigma; output y[n] in word = before;
  layer first {
    mask window(2, 3) and (strict or self == other) or none;
    field here = before + 1;
    head back { query (cosine(here, n), pair); key angle(self, n + 1); value unit(2, here); }
  }
  layer second for l in 1..2 {
    mask other <= self + l;
    field next = before + l;
    head jump { query next when next > 1; key self; value zeros(1); }
  }
}
lemma same(n, sigma) where n >= 1 {
  let M = 2 * n;
  rows 0..n;
  mask causal;
  field mine in 1..sigma;
  field last in 0..min(self, M);
  assume self >= 1 or last == 0;
  query (angle(mine, M), 1) when mine > last; key cosine(last, M);
  reads max(j for j in 0..self if j == 0 or last[j] == mine), self;
}
theorem t for n in 1..3, s in 2..3 {
  let T = hop(n, s);
  cut one: back in T[1] reads self - n, find(x, self) by same(n, s, mine = round(row[1]), last = x[self] + n);
  cut all_: jump in T[l + 1] reads self expect undecided;
  claim lemma_: same(n, s) holds by 1 / n;
}
""".replace("cut all_:", "cut all_ for l in 1..depth(T) - 1:")


def problems(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(SpecError) as error:
        load_text(text)
    return error.value.diagnostics


def test_good() -> None:
    assert list(load_text(GOOD).definitions) == ["find", "near", "hop", "same"]


@pytest.mark.parametrize(("old", "new", "code", "at", "says"), [
    # masks
    ("mask causal and", "mask casual and", "NAME", "casual", "did you mean `causal`"),
    ("or none;", "or other;", "TYPE", "other;", "a truth value"),
    ("window(2, 3)", "window(2)", "ARITY", "window(2)", "2 arguments of window"),
    ("window(2, 3)", "window", "NAME", "window", "known here"),
    ("window(2, 3)", "windo(2, 3)", "NAME", "windo(2, 3)", "known here"),
    ("near(other, self)", "row[1] > 1", "NAME", "row[1]", "of circuits only"),
    ("near(other, self)", "x[self] > 1", "NAME", "x[self]", "an array that is known here"),
    ("near(other, self)", "before > 1", "NAME", "before", "known here"),
    ("= round(row[2]) +", "= other +", "NAME", "other", "in masks only"),
    ("value zeros(1)", "value window(1, 2)", "NAME", "window(1, 2)", "in masks only"),
    ("next when next > 1", "next when causal", "NAME", "causal", "in masks only"),
    ("let most =", "let strict =", "DUPLICATE", "let", "which masks have"),
    ("(n, sigma) {", "(n, sigma, other) {", "DUPLICATE", "circuit", "which masks have"),
    ("second for l in", "second for none in", "DUPLICATE", "for", "which masks have"),
    ("function near", "function window", "DUPLICATE", "function", "which the language has"),
    # fields of circuits
    ("field pair =", "field before =", "DUPLICATE", "field before = (", "a second"),
    ("field pair =", "field most =", "DUPLICATE", "field most = (", "known here"),
    ("field pair =", "field x =", "DUPLICATE", "field x = (", "known here"),
    ("field pair =", "field y =", "DUPLICATE", "field y = (", "known here"),
    ("field pair =", "field n =", "DUPLICATE", "field n = (", "known here"),
    ("field pair =", "field row =", "DUPLICATE", "field row = (", "which the language has"),
    ("field next =", "field pair =", "DUPLICATE", "field pair = before", "known here"),
    ("field next =", "field l =", "DUPLICATE", "field l =", "known here"),
    ("for l in 1..2", "for pair in 1..2", "DUPLICATE", "for pair", "the field `pair`"),
    ("round(row[2]) + most", "round(row[2]) + here", "NAME", "here", "known here"),
    ("round(row[2]) + most", "round(x[2])", "NAME", "x[2]", "an array that is known here"),
    ("round(row[2]) + most", "pair", "NAME", "pair", "known here"),
    ("= before + l;", "= before + y[1];", "NAME", "y[1]", "an array that is known here"),
    ("query next when", "query here when", "NAME", "here when", "known here"),
    ("in word = before", "in word = pair", "TYPE", "pair", "a number, found a vector"),
    # angles
    ("angle(self, n, 8)", "angle(self)", "ARITY", "angle(self)", "arguments of angle"),
    ("cosine(here, n)", "cosine(here, n > 1)", "TYPE", "n > 1", "a number"),
    ("min(self, M)", "angle(self, M)", "TYPE", "angle(self, M)", "no vector"),
    # lemmas
    ("rows 0..n", "rows 0..self", "NAME", "self", "known here"),
    ("min(self, M)", "mine", "NAME", "mine;", "known here"),
    ("min(self, M)", "row[1]", "NAME", "row[1]", "of circuits only"),
    ("assume self >= 1 or", "assume mine[1] == 1 or", "TYPE", "mine[1]", "the number `mine`"),
    ("self >= 1 or last == 0", "self + 1", "TYPE", "self + 1", "truth value"),
    ("assume self >= 1 or", "assume row[1] == 1 or", "NAME", "row[1]", "of circuits only"),
    ("key cosine(last, M)", "key last[self]", "TYPE", "last[self]", "the number `last`"),
    ("last[j] == mine), self", "lats[j] == mine), self", "NAME", "lats[j]", "did you mean `last`"),
    ("mine), self;", "mine), self, 0;", "ARITY", "0;", "one or two rows"),
    ("mine), self;", "mine), self > 1;", "TYPE", "self > 1", "a number"),
    ("field last in", "field mine in", "DUPLICATE", "field mine in 0", "a second"),
    ("field last in", "field M in", "DUPLICATE", "field M in", "known here"),
    ("field last in", "field other in", "DUPLICATE", "field other in", "which the language has"),
    ("let M =", "let sigma =", "DUPLICATE", "let sigma", "a second"),
    ("lemma same(n, sigma) where n", "lemma same(n, sigma) where m", "NAME", "m >= 1", "known here"),
    # cuts
    ("back in T[1]", "bakc in T[1]", "NAME", "bakc", "did you mean `back`"),
    ("back in T[1]", "back in U[1]", "NAME", "back in U", "a circuit that a `let`"),
    ("jump in T[l + 1]", "jump in T[k + 1]", "NAME", "k + 1", "known here"),
    ("reads self - n", "reads row[1]", "NAME", "row[1]", "of circuits only"),
    ("reads self - n", "reads y[1]", "NAME", "y[1]", "an array that is known here"),
    ("reads self - n", "reads 0, 1", "ARITY", "find(x, self) by", "one or two rows"),
    ("by same(n, s,", "by smae(n, s,", "NAME", "smae", "did you mean `same`"),
    ("by same(n, s,", "by find(n, s,", "NAME", "find(n", "a lemma"),
    ("by same(n, s,", "by same(n,", "ARITY", "same(n,", "2 arguments of same"),
    ("by same(n, s,", "by same(n, self,", "NAME", "self, mine", "known here"),
    ("mine = round", "main = round", "NAME", "round(row[1])", "a field of same"),
    ("mine = round", "main = round", "ARITY", "same(n, s, main", "none for mine"),
    ("last = x[self] + n", "mine = x[self] + n", "DUPLICATE", "x[self] + n", "a second"),
    (", last = x[self] + n", "", "ARITY", "same(n, s, mine", "none for last"),
    ("last = x[self] + n", "last = y[self]", "NAME", "y[self]", "an array that is known here"),
    ("last = x[self] + n", "last = before", "NAME", "before)", "known here"),
    ("last = x[self] + n", "last = row", "TYPE", "row)", "a number, found a vector"),
    # lemmas that hold
    ("same(n, s) holds", "hop(n, s) holds", "NAME", "hop(n, s) holds", "a lemma"),
    ("same(n, s) holds", "same(n) holds", "ARITY", "same(n) holds", "2 arguments of same"),
    ("same(n, s) holds", "same(n, s, mine = 1) holds", "NAME", "same(n, s, mine = 1)", "in cuts only"),
    ("by 1 / n", "by n > 1", "TYPE", "n > 1", "a number"),
    ("let T = hop(n, s)", "let L = same(n, s); let T = hop(n, s)", "TYPE", "same(n, s); let", "found a lemma"),
    ("same(n, s) holds by 1 / n", "same(n, s)", "TYPE", "same(n, s);", "a truth value"),
])
def test_one_problem(old: str, new: str, code: str, at: str, says: str) -> None:
    """The edit gives a problem of this code which starts where `at` does, at its first place from the edit's line on."""
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    line = GOOD[: GOOD.index(old)].count("\n")
    place = text.index(at, len("".join(text.splitlines(keepends=True)[:line])))
    expected = (text[:place].count("\n") + 1, place - text.rfind("\n", 0, place))
    found = [(d.code, (d.span.line, d.span.column), d.message) for d in problems(text)]
    assert all(m.startswith("expected ") for _, _, m in found)
    assert any((c, where) == (code, expected) and says in m for c, where, m in found), (expected, found)
