"""Large circuits: what is computed with arrays or without writing vectors out is what the slow exact reading says, and one wrong
number in a circuit of 256 machines is not proved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from random import Random

import pytest
from helpers import circuit, compiled_text, library, proof, replaced

from checker.backends.floats import run_many
from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.judgements import Simulates
from checker.language.diagnostics import SpecError
from checker.models import printing
from checker.proving.obligations import Prover
from checker.semantics import circuits as sem
from checker.semantics import precision, scores
from checker.semantics.expressions import Vec
from checker.semantics.family import hadamard_query

N, DOUBLINGS = 256, 1
MUTANTS = 100  # of TEXT, for each seed
P = library("pointer_doubling", N, DOUBLINGS)
COMPILED = transformer(P)
TEXT, SCALE = printing.text(COMPILED), COMPILED.scale or 0

# ---- scores --------------------------------------------------------------------------------------


def some_vectors(random: Random, rows: int, width: int, denominators: tuple[int, ...], size: int) -> list[Vec]:
    """Sparse vectors with many equal ones, so that there are ties."""
    pool = []
    for _ in range(max(2, rows // 2)):
        entries = {
            k: x for k in range(1, width + 1)
            if random.random() < 0.7 and (x := Fraction(random.randint(-size, size), random.choice(denominators)))
        }
        pool.append(Vec({k: int(x) if x.denominator == 1 else x for k, x in entries.items()}, width))
    return [random.choice(pool) for _ in range(rows)]


def product(x: Vec, y: Vec) -> Fraction:
    return sum((Fraction(x.entries.get(k, 0)) * Fraction(y.entries.get(k, 0)) for k in range(1, x.length + 1)), Fraction(0))


def slow_winners(queries: list[Vec], keys: list[Vec]) -> list[tuple[int, ...]]:
    found = []
    for q in queries:
        row = [product(q, k) for k in keys]
        found.append(tuple(j for j, x in enumerate(row) if x == max(row)))
    return found


def slow_patterns(queries: list[Vec], keys: list[Vec], far: int) -> set[scores.Pattern]:
    found = set()
    for q in queries:
        row = [product(q, k) for k in keys]
        gaps = sorted(max(row) - x for x in row if x != max(row))
        near = tuple((g, gaps.count(g)) for g in sorted(set(gaps)) if g < far)
        found.add((row.count(max(row)), near, sum(g >= far for g in gaps)))
    return found


@pytest.mark.parametrize("size", [1, 5, 1_000, 2**24, 2**27, 2**29])  # floating point, then integers of 64 bits
@pytest.mark.parametrize("seed", range(4))
def test_arrays_find_the_largest_scores_and_their_gaps(
    seed: int, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = Random(f"{seed} {size}")
    monkeypatch.setattr(scores, "BLOCK", random.choice([1, 40, 10**6]))
    queries = some_vectors(random, random.randint(1, 9), 3, (1,) if size > 2**20 else (1, 2, 3, 7), size)
    keys = some_vectors(random, random.randint(1, 9), 3, (1,) if size > 2**20 else (1, 5, 4), size)
    found = scores.winners(queries, keys)
    assert found is not None
    assert [found[0][place] for place in found[1]] == slow_winners(queries, keys)
    for far in (1, 4, 700):
        assert scores.patterns(queries, keys, far) == slow_patterns(queries, keys, far)


@pytest.mark.parametrize("last", [2**61 - 1, 2**61])
def test_scores_of_more_than_64_bits_are_left_to_exact_numbers(last: int) -> None:
    """The sum of the absolute values of the products is what counts; 2^61 - 1 is the last that arrays take."""
    queries, keys = [Vec({1: 1, 2: 1}, 2)], [Vec({1: last - 5, 2: -5}, 2), Vec({1: 5 - last, 2: 5}, 2)]
    found = scores.winners(queries, keys)
    assert found == ([(0,)], [0]) if last < 2**61 else found is None
    gaps = scores.patterns(queries, keys, 10)
    assert gaps == {(1, (), 1)} if last < 2**61 else gaps is None


@pytest.mark.parametrize("key", [2**53, 2**60, 2**62, 2**70])
def test_neighbours_that_floating_point_confuses_are_told_apart(key: int) -> None:
    queries, keys = [Vec({1: 1}, 1)], [Vec({1: key}, 1), Vec({1: key + 1}, 1)]
    found = scores.winners(queries, keys)
    assert found == ([(1,)], [0]) if key < 2**61 else found is None


def test_numbers_that_are_not_rational_are_left_to_exact_numbers() -> None:
    from checker.semantics.values import cosine

    assert scores.winners([Vec({1: cosine(Fraction(1, 8))}, 1)], [Vec({1: 1}, 1)]) is None
    assert scores.patterns([Vec({1: 1}, 1, {3: Fraction(1)})], [Vec({1: 1}, 1)], 700) is None


@pytest.mark.parametrize("instance", [
    ("pointer_doubling", 6, 1), ("prefix_sums", 7, 2, 1), ("one_or_two_cycles", 6), ("histogram", 3, 3, 2),
], ids=lambda i: i[0])
def test_bounds_and_streams_are_the_same_with_arrays_and_without(
    instance: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    c = transformer(library(*instance))
    found = []
    for many in (1, 10**6):
        monkeypatch.setattr(sem, "MANY", many)
        for cached in (sem.attended, precision._patterns, precision._spread, precision._totals, precision._reached):
            cached.cache_clear()
        fixed = [h for layer in c.layers for h in layer.heads if sem.data_free(c, h)]
        groups = [sem.attended(sem.bare(c), h.query, h.key) for h in fixed]
        rows = [[sets[place] for place in places] for sets, places in groups]
        found.append((rows, [precision.fixed_spread(c, h) for h in fixed], precision.reaches(c)))
    assert found[0] == found[1]
    assert found[0][0] == [slow_rows(c, h) for h in fixed]


def slow_rows(c, head):  # type: ignore[no-untyped-def]
    queries, keys = ([*sem.vectors(sem.bare(c), x)] for x in (head.query, head.key))
    padded = [Vec(x.entries, c.width) for x in keys]
    queries = [Vec(x.entries, c.width) for x in queries]
    return [tuple(c.rows.start + j for j in chosen) for chosen in slow_winners(queries, padded)]


# ---- rows of Sylvester's matrix --------------------------------------------------------------------


@pytest.mark.parametrize("query", [
    "(hadamard(self, 8), 1) when self in 1..7", "(hadamard(self + 1, 8), 3, 0, -2)",
    "(hadamard(9 - self, 8), 1 / 2) when self > 1",
    "(hadamard(self, 8), 1) when self in 1..9", "(hadamard(self, 7), 1)", "(hadamard(self, 16), 1)", "(1, hadamard(self, 8))",
])
def test_a_row_that_is_not_written_out_is_the_vector_that_cases_give(query: str) -> None:
    text = compiled_text(library("pointer_doubling", 7, 1), "best", "hadamard")
    c = circuit(text.replace("query (hadamard(self, 8), 1) when self in 1..7", f"query {query}", 1))
    head = next(h for layer in c.layers for h in layer.heads if h.name.startswith("route"))
    short = 0
    for i in c.rows:
        scope = sem.row_scope(c, i, sem.opaque(c, i))
        row = hadamard_query(head.query, scope, c.width)
        if row is not None:
            short += 1
            written = sem.select(head.query, scope, c.width)
            assert row.written() == written and {*row.numbers} - {0} == {*written.entries.values()}
            assert [row.at(k) for k in range(1, c.width + 1)] == [written.entries.get(k, 0) for k in range(1, c.width + 1)]
    assert (short > 0) == ("hadamard(self, 7)" not in query and not query.startswith("(1,"))


@pytest.mark.parametrize(("old", "new"), [
    ("hadamard(self, 256), 1)", "hadamard(self mod 256 + 1, 256), 1)"),  # each machine hears its neighbour's messages
    ("hadamard(self, 256), 1)", "hadamard(max(self, 2), 256), 1)"),  # machines 1 and 2 hear the same
    ("hadamard_dual(destinations(mail), 256), 0)", "hadamard_dual(destinations(mail), 128), 0)"),
    ("(zeros(256), 192)", "(zeros(256), 256)"),
    ("query (2 * self, 1);", "query (2 * self + 1, 1);"),  # clear attends to two rows
    ("key (self, -self^2);", "key (self, -self^2 - self);"),
])
def test_a_wrong_query_or_key_of_256_machines_is_not_proved(old: str, new: str) -> None:
    assert proof(Simulates(circuit(replaced(TEXT, old, new)), P)) is None


# ---- one number changed in a circuit of 256 machines -----------------------------------------------


@dataclass(frozen=True)
class Mutant:
    """The text with one number changed; what stands before the number in its line."""

    text: str
    before: str
    old: int
    new: int

    def harmless(self) -> bool:
        """The mutant means the same for a reason that can be seen. There is no row behind row N, and no word behind word N (to
        read one is an error); no number is a `word`; there are more bits, or the scale is larger, than the compiler found to be
        enough. Members score N and others 0, and the start token stays 16 from both, at a scale of at least 4; a score below -N
        stays as far from i^2."""
        before = self.before.strip()
        if before.endswith(("self in 1..", "min(2 * self,")) and not before.startswith("local"):
            return self.new > self.old == N
        if before == "word":
            return re.search(r"\bword\b(?! \d)", TEXT) is None
        if before == f"(zeros({N}),":
            return 16 <= self.new <= N - 16
        if before == "(0, -":
            return self.new >= N
        return before in ("scale", "fraction", "integer") and self.new > self.old


def mutants(seed: int) -> list[Mutant]:
    """Every number of the text is as likely as any other."""
    random = Random(seed)
    places = list(re.finditer(r"\b\d+\b", TEXT))
    found: dict[str, Mutant] = {}
    while len(found) < MUTANTS:
        place = random.choice(places)
        old = int(place.group())
        new = random.choice([old + 1, old - 1, random.randrange(2 * old + 2)])
        if new >= 0 and new != old:
            text = TEXT[: place.start()] + str(new) + TEXT[place.end() :]
            found.setdefault(text, Mutant(text, TEXT[TEXT.rindex("\n", 0, place.start()) + 1 : place.start()], old, new))
    return list(found.values())


def permutations() -> list[tuple[int, ...]]:
    """One cycle, back to front, one at random."""
    places = list(range(1, N + 1))
    return [(*places[1:], 1), tuple(reversed(places)), tuple(Random(5).sample(places, N))]


def ahead(following: tuple[int, ...], v: int) -> int:
    for _ in range(2**DOUBLINGS):
        v = following[v - 1]
    return v


@pytest.mark.parametrize("seed", [1, 2])
def test_one_wrong_number_among_256_machines_is_not_proved(seed: int) -> None:
    """What is proved means the same for a reason that can be seen, or else it computes the same in floating point, by code that
    shares neither scores nor bounds with the rules."""
    prover, proved, inputs = Prover(), 0, permutations()
    assert SCALE >= 4
    assert proof(Simulates(circuit(TEXT), P), prover) is not None
    for m in mutants(seed):
        try:
            j = Simulates(circuit(m.text), P)
        except SpecError:
            continue
        if proof(j, prover) is None:
            continue
        proved += 1
        if not m.harmless():
            what = f"{m.before.strip()} {m.old} became {m.new}"
            assert m.before.strip() not in ("scale", "fraction", "integer"), what
            for words, run in zip(inputs, run_many(j.circuit, [{"next": words} for words in inputs]), strict=True):
                assert run.outputs == {"far": tuple(ahead(words, v) for v in range(1, N + 1))}, what
    assert proved < MUTANTS / 4
