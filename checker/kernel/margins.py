"""By how much queries and keys tell the senders of a machine from all other rows (Prop. B.1), on the vectors as they stand.

Where the keys are the duals of a family of vectors that the language names, a certificate covers all sets of destinations at
once. Else every score of every set is computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations
from math import ceil, comb
from operator import mul

from checker.kernel.judgements import Attends, Propagates
from checker.kernel.proofs import NotProved, Proved, conclude
from checker.language import syntax as s
from checker.language.syntax import mentions
from checker.models.circuit import Circuit
from checker.semantics import circuits as sem
from checker.semantics import packets as pk
from checker.semantics.expressions import Fault, Vec, evaluate, truth
from checker.semantics.family import Sylvester, hadamard_query
from checker.semantics.machines import Sent
from checker.semantics.masks import unmasked
from checker.semantics.precision import Margins, grain, readers
from checker.semantics.values import Unsupported

SCORES = 3_000_000
Number = int | Fraction


class Confused(NotProved):
    """Machine `machine` confuses rows: a row that sends to the set `first` scores no better for it than a row that sends to
    `second` (None: a row that sends nothing). If `first` is None, a row that sends nothing scores no better than `second`."""

    def __init__(self, machine: int, first: tuple[int, ...] | None, second: tuple[int, ...] | None, scores: str) -> None:
        def name(chosen: tuple[int, ...] | None) -> str:
            return "a row that is no machine" if chosen is None else f"one that sends to {{{', '.join(map(str, chosen))}}}"

        super().__init__(f"machine {machine}: {name(first)} must score more than {name(second)}: {scores}")
        self.machine, self.first, self.second = machine, first, second


@dataclass(frozen=True, slots=True)
class Bounds:
    """For one machine: the scores of its members lie in low..high, all others score at most `other`, `floor` is the best of a
    row that is no machine. If they are `attained`, `low` is by `member_set` and `other` by `other_set`."""

    low: Number
    high: Number
    other: Number
    floor: Number
    member_set: tuple[int, ...] | None = None
    other_set: tuple[int, ...] | None = None
    attained: bool = True


def propagates(j: Propagates) -> Proved:
    """The margins of the queries and keys are at least those of the judgement."""
    found, rule, detail = margins(j.circuit)
    least = j.margins
    enough = all(a >= b for a, b in ((found.rest, least.rest), (found.other, least.other), (found.empty, least.empty)))
    if found.near > least.near or not enough:
        raise NotProved(f"the margins are {found}, not {least}")
    return conclude(j, rule, detail)


def margins(c: Circuit, least: Fraction = Fraction(0)) -> tuple[Margins, str, str]:
    """The margins of the one head of `c`, all but `near` positive and at least `least`; the rule that gives them and its detail.

    Raises `NotProved` if there are none or none can be found; `Confused` if two rows are known that are not told apart by that.
    """
    found = _margins(c, least)
    if isinstance(found, NotProved):
        raise found
    return found


def attends(j: Attends, propagation: Proved) -> Proved:
    """From margins that are large enough. Raises `Confused` with two rows that are not told apart by that, if it knows some."""
    found = propagation.judgement
    if not isinstance(found, Propagates) or found.circuit != j.circuit:
        raise NotProved("the rule needs the margins of this very head")
    m = found.margins
    if min(m.rest, m.other, m.empty) < j.least:
        m = margins(j.circuit, j.least)[0]
    least = min(m.rest, m.other, m.empty)
    if least <= 0 or least < j.least:
        raise NotProved(f"the margins that are known are {m}, not {j.least}")
    if m.near != 0 and j.circuit.rung == "exact":
        raise NotProved(f"hardmax needs equal scores of all senders, and they are only near each other: {m}")
    return conclude(j, "margins", f"at least {least}", propagation)


@lru_cache(maxsize=1_000)
def _margins(c: Circuit, least: Fraction) -> tuple[Margins, str, str] | NotProved:
    try:
        head = _Head(c, least)
        try:
            return _by_form(head)
        except Confused as failure:
            return failure
        except NotProved as failure:
            if head.scores > SCORES:
                return NotProved(f"{failure}; and {head.scores:,} scores are more than {SCORES:,}")
        return _by_enumeration(head)
    except NotProved as reason:
        return reason
    except Unsupported as reason:
        return NotProved(f"the queries or keys depend on more than the row's index and destinations: {reason}")
    except Fault as fault:
        return NotProved(f"undefined: {fault.message}")


@dataclass(frozen=True, slots=True)
class Form:
    """The key of every machine is (name(destinations, k, *more), 0)."""

    name: str
    k: int
    more: tuple[int, ...]


class _Head:
    """The queries of the machines, the keys of the rows that are none, and the form of the machines' keys."""

    def __init__(self, c: Circuit, least: Fraction) -> None:
        unmasked(c)
        head, p = c.layers[0].heads[0], c.packets[0]
        outputs = tuple(a.name for a in c.outputs)
        if mentions(head.query, "row", "packed", "destinations", *outputs) or mentions(head.key, "row", "packed", *outputs):
            raise NotProved("a query must depend on the row's index alone, a key on the index and the destinations alone")
        self.c, self.key, self.q, self.least = c, head.key, p.machines, least
        self.most = min(p.messages, p.machines)
        if self.most < 1:
            raise NotProved("there are no messages")
        if self.q > c.tokens + c.blank:
            raise NotProved(f"{self.q} machines, but only {c.tokens + c.blank} rows")
        self.machines = range(1, self.q + 1)
        self.queries: dict[int, Vec | Sylvester] = {}
        reads = readers(c)
        for w in c.rows:
            query, i = query_of(c, head.query, w), reads.get(w)
            if i is not None and (i not in self.machines or not same(self.queries.setdefault(i, query), query)):
                raise NotProved(f"row {w} reads as machine {i}, which is none or has another query in another row")
        rest: list[Vec] = []
        for key in (vector(c, head.key, i, ()) for i in c.rows if not 1 <= i <= self.q):
            if key not in rest[-1:]:
                rest.append(key)
        if not rest:
            raise NotProved("a machine that receives nothing has no row to attend to: there is no start token and no blank one")
        self.floors = {i: max(score(query, key) for key in rest) for i, query in self.queries.items()}
        self.form, self.kinds = self._kinds()
        self.sets = sum(comb(self.q, k) for k in range(self.most + 1))
        self.scores = self.sets * self.q * len(self.kinds)

    def _kinds(self) -> tuple[Form | None, list[int]]:
        """One machine for each kind of key (machines that take the same case, if it does not mention `self`), and the
        form of their keys if all have the same."""
        if mentions(tuple(x.condition for x in self.key if x.condition is not None), "destinations"):
            return None, list(self.machines)
        kinds: dict[object, int] = {}
        forms: set[Form | None] = set()
        for i in self.machines:
            scope = sem.row_scope(self.c, i, sem.RowState(Vec({}, self.c.width)))
            holds = (x.condition is None or truth(evaluate(x.condition, scope), x.span) for x in self.key)
            place = next((n for n, taken in enumerate(holds) if taken), None)
            own = place is not None and mentions(self.key[place].value, "self")
            kinds.setdefault((place, i if own else 0), i)
            forms.add(None if place is None else self._form(self.key[place].value))
        return (forms.pop() if len(forms) == 1 else None), list(kinds.values())

    def _form(self, e: s.Expr) -> Form | None:
        """Read off the expression; a function of the circuit that hides a name of the language has no form."""
        match e:
            case s.Vector((s.Call(name, (s.Call("destinations", (s.Name(block),), ()), *numbers), ()), s.Number(0))):
                known = [x.value for x in numbers if isinstance(x, s.Number) and isinstance(x.value, int)]
                hidden = {f.name for f in self.c.functions} & {name, "destinations"}
                if known and len(known) == len(numbers) and not hidden and block == self.c.packets[0].name:
                    return Form(name, known[0], tuple(known[1:]))
        return None

    def duals(self) -> dict[int, list[Number]]:
        """The first k coordinates of the key for each set of one machine."""
        assert self.form is not None
        return {d: dense(vector(self.c, self.key, 1, (d,)), self.form.k) for d in self.machines}


# ---- certificates for all sets at once ------------------------------------------------------------


def _by_form(head: _Head) -> tuple[Margins, str, str]:
    """A certificate that fits the form of the keys; the rest of the key is 0, so only the first k coordinates count."""
    if head.form is None:
        raise NotProved("the keys have no form with a certificate")
    vector(head.c, head.key, 1, ())  # its length fits, or else it has no value
    match head.form:
        case Form("hadamard_dual", k, ()):
            return _orthogonal(head, k)
        case Form("moment_dual", k, ()):
            return _moments(head, k)
        case Form("sign_dual", k, (seed,)):
            return _signs(head, k, seed, Fraction(0))
        case Form("sign_dual", k, (seed, g)) if g >= 0:
            return _signs(head, k, seed, Fraction(k, 2 ** (g + 1)))
    raise NotProved(f"there is no certificate for {head.form.name}")


def _orthogonal(head: _Head, k: int) -> tuple[Margins, str, str]:
    """The dual of a set is the sum of the duals of its members. If query i is orthogonal to the duals of all other machines, a
    row scores what query i scores with the dual of i, or else 0."""
    if k >= head.q and all(isinstance(x, Sylvester) and (x.row, x.order) == (i, k) for i, x in head.queries.items()):
        # The dual of machine j is row j, as query i is row i: different rows are different characters of the group of bit
        # strings under XOR, the product of which sums to 0.
        rows = {i: Bounds(k, k, 0, head.floors[i], (i,), ()) for i in head.queries}
        return judged(rows, "orthogonal rows", f"query i is row i of the Sylvester matrix; {members(rows)}", head.least)
    queries, duals = {i: dense(x, k) for i, x in head.queries.items()}, head.duals()
    bounds: dict[int, Bounds] = {}
    for i, product in products(queries, duals):
        own = product.pop(i)
        wrong = next((d for d, x in product.items() if x != 0), None)
        if wrong is not None:
            raise NotProved(f"query {i} and the dual of machine {wrong} are not orthogonal: {product[wrong]}")
        bounds[i] = Bounds(own, own, 0, head.floors[i], (i,), ())
    detail = f"query i and the dual of machine j are orthogonal for all i != j, {head.q}^2 products; {members(bounds)}"
    return judged(bounds, "orthogonal rows", detail, head.least)


def _moments(head: _Head, k: int) -> tuple[Margins, str, str]:
    """1 - (1/2) prod (i - d)^2 is 1 for i in S; else each factor is at least 1, so it is at most 1/2, and 1/2 for no d."""
    if 2 * head.most + 1 > k:
        raise NotProved(f"the dual of {head.most} machines has {2 * head.most + 1} coefficients, more than {k}")
    for i, query in head.queries.items():
        if dense(query, k) != list(pk.moment(i, k)):
            raise NotProved(f"query {i} does not have the powers of {i}")
    bounds = {i: Bounds(1, 1, Fraction(1, 2), head.floors[i], (i,), ()) for i in head.queries}
    detail = f"2 * {head.most} + 1 <= {k} coefficients: 1 - (1/2) prod (i - d)^2 is 1 at members and at most 1/2 elsewhere"
    return judged(bounds, "moment curve", f"{detail}; {members(bounds)}", head.least)


def _signs(head: _Head, k: int, seed: int, near: Fraction) -> tuple[Margins, str, str]:
    """|<u_i, u_j>| <= c for all i != j, and (Q - 1) c < k: then the Gram matrix of any Q vectors is k on its diagonal and
    invertible, with the inverse times 1 at most 1 / (k - (Q - 1) c) in each coordinate, so others score at most
    Q c / (k - (Q - 1) c). Members score 1. Duals rounded to 2^-g are off by 2^-(g + 1) in each of k coordinates: `near`.
    """
    queries = {i: dense(x, k) for i, x in head.queries.items()}
    for i, query in queries.items():
        if query != list(pk.sign(i, k, seed)):
            raise NotProved(f"query {i} is not sign({i}, {k}, {seed})")
    vectors: dict[int, list[Number]] = {d: [*pk.sign(d, k, seed)] for d in head.machines}
    largest: Number = 0
    for i, product in products(vectors, vectors):
        for d, x in product.items():
            if d != i:
                largest = max(largest, x, -x)
    if (head.most - 1) * largest >= k:
        raise NotProved(f"products of up to {largest} of {k} are too large for sets of {head.most}")
    other = Fraction(head.most * largest) / (k - (head.most - 1) * largest) + near
    bounds = {i: Bounds(1 - near, 1 + near, other, head.floors[i], attained=False) for i in queries}
    detail = f"|<u_i, u_j>| <= {largest} of {k} for all i != j, {head.q}^2 products: the duals of all sets of {head.most} exist"
    return judged(bounds, "coherence", f"{detail}; {members(bounds)}", head.least)


@lru_cache(maxsize=200)
def key_numbers(c: Circuit) -> tuple[Fraction, int]:
    """The largest absolute value in the keys of all rows and sets, and the least g such that all are multiples of 2^-g.

    Raises `NotProved` if no bound is known.
    """
    try:
        return _key_numbers(_Head(c, Fraction(0)))
    except (Unsupported, Fault) as reason:
        raise NotProved(f"keys without a bound: {reason}") from None


def _key_numbers(head: _Head) -> tuple[Fraction, int]:
    most, q = head.most, head.q
    found: list[Number] = [x for r in head.c.rows if not 1 <= r <= q for x in numbers(vector(head.c, head.key, r, ()))]
    match head.form:
        case Form("hadamard_dual", _, ()):
            found.append(most)  # sums of at most so many rows of -1 and 1
        case Form("moment_dual", k, ()) if 2 * most + 1 <= k:
            # The coefficients of prod (z - d)^2 are sums of products of the d: the largest machines have the largest.
            found += [abs(x) + 1 for x in pk.moment_dual(frozenset(range(q - most + 1, q + 1)), k)] + [Fraction(1, 2)]
        case Form("sign_dual", k, (seed, g)) if g >= 0:
            vectors: dict[int, list[Number]] = {i: [*pk.sign(i, k, seed)] for i in head.machines}
            largest = max(
                (abs(Fraction(x)) for i, row in products(vectors, vectors) for d, x in row.items() if d != i), default=Fraction(0)
            )
            if (most - 1) * largest >= k:
                raise NotProved(f"products of up to {largest} of {k} are too large for sets of {most}")
            size = Fraction(most) / (k - (most - 1) * largest) + Fraction(1, 2 ** (g + 1))
            found += [Fraction(1, 2**g)]
            found.append(ceil(size))
        case _:
            if head.scores > SCORES:
                raise NotProved(f"{head.scores:,} keys are more than {SCORES:,}")
            for chosen in every_set(q, most):
                found += [x for row in head.kinds for x in numbers(vector(head.c, head.key, row, chosen))]
    return max((abs(Fraction(x)) for x in found), default=Fraction(0)), grain(*found)


def numbers(x: Vec) -> list[Number]:
    """The coordinates that are not 0."""
    if x.rows or not all(isinstance(e, (int, Fraction)) for e in x.entries.values()):
        raise Unsupported("scores that depend on data")
    return list(x.entries.values())  # type: ignore[arg-type]


# ---- every score ----------------------------------------------------------------------------------


def _by_enumeration(head: _Head) -> tuple[Margins, str, str]:
    bounds: dict[int, Bounds] = {}
    for chosen in every_set(head.q, head.most):
        for row in head.kinds:
            key = vector(head.c, head.key, row, chosen)
            for i, query in head.queries.items():
                x, old = score(query, key), bounds.get(i)
                bounds[i] = _with(old, i in chosen, x, chosen, head.floors[i])
    detail = f"{head.sets:,} sets, {head.q} queries, {len(head.kinds)} kinds of key; {members(bounds)}"
    return judged(bounds, "all scores", detail, head.least)


def _with(old: Bounds | None, member: bool, x: Number, chosen: tuple[int, ...], floor: Number) -> Bounds:
    """One more score. The empty set comes first, so `other` is known from the start and members begin afterwards."""
    if old is None:
        return Bounds(x, x, x, floor, None, chosen)
    if not member:
        return old if x <= old.other else Bounds(old.low, old.high, x, floor, old.member_set, chosen)
    if old.member_set is None:
        return Bounds(x, x, old.other, floor, chosen, old.other_set)
    if x < old.low:
        return Bounds(x, old.high, old.other, floor, chosen, old.other_set)
    return old if x <= old.high else Bounds(old.low, x, old.other, floor, old.member_set, old.other_set)


def every_set(machines: int, most: int) -> Iterator[tuple[int, ...]]:
    """All sets of at most `most` of the machines, the empty one first."""
    for k in range(most + 1):
        yield from combinations(range(1, machines + 1), k)


# ---- from scores to margins -------------------------------------------------------------------------


def judged(bounds: dict[int, Bounds], rule: str, detail: str, least: Fraction) -> tuple[Margins, str, str]:
    """The margins, with top_i = low_i + near. Raises `NotProved` where one is not positive or less than `least`,
    `Confused` where that is certain."""
    near = max(Fraction(b.high - b.low, 2) for b in bounds.values())
    for i, b in bounds.items():
        for more, less, first, second in ((b.low, b.floor, b.member_set, None), (b.floor, b.other, None, b.other_set)):
            if not more > less or more - less < least:
                raise (
                    Confused(i, first, second, f"{more} and {less}")
                    if b.attained
                    else NotProved(f"machine {i}: {less} is not less than {more}, by the bounds of {rule}")
                )
    rest = min(Fraction(b.low - b.floor) for b in bounds.values())
    other = min(Fraction(b.low - b.other) for b in bounds.values())
    empty = min(Fraction(b.floor - b.other) for b in bounds.values())
    return Margins(near, rest, other, empty), rule, detail


def members(bounds: dict[int, Bounds]) -> str:
    """What members, rows that are no machine, and others score."""
    member = [x for b in bounds.values() for x in (b.low, b.high)]
    return (
        f"a member scores {shown(member)}, a row that sends nothing {shown(b.floor for b in bounds.values())},"
        f" another at most {shown(b.other for b in bounds.values())}"
    )


def shown(values: Iterable[Number]) -> str:
    found = sorted(set(values))
    return str(found[0]) if len(found) == 1 else f"{found[0]}..{found[-1]}"


# ---- vectors ------------------------------------------------------------------------------------------


def vector(c: Circuit, cases: tuple[s.Case, ...], row: int, destinations: tuple[int, ...]) -> Vec:
    """A query or key of a row that sends one message to each of these machines."""
    tag = c.packets[0].tags[0]
    words = tuple(low for low, _ in c.message(tag).words)
    state = sem.RowState(Vec({}, c.width), (), tuple(Sent(tag, words, d, True) for d in destinations))
    return sem.select(cases, sem.row_scope(c, row, state), c.width)


def query_of(c: Circuit, cases: tuple[s.Case, ...], row: int) -> Vec | Sylvester:
    """The query of a row, written out only if it must be."""
    scope = sem.row_scope(c, row, sem.RowState(Vec({}, c.width)))
    return hadamard_query(cases, scope, c.width) or sem.select(cases, scope, c.width)


def written(x: Vec | Sylvester) -> Vec:
    return x.written() if isinstance(x, Sylvester) else x


def same(x: Vec | Sylvester, y: Vec | Sylvester) -> bool:
    return x == y if type(x) is type(y) else written(x) == written(y)


def score(query: Vec | Sylvester, key: Vec) -> Number:
    if isinstance(query, Sylvester):
        query = Vec({j: query.at(j) for j in key.entries}, key.length)
    found = sem.dot(query, key)
    if isinstance(found, bool) or not isinstance(found, (int, Fraction)):
        raise Unsupported("scores that depend on data")
    return found


def dense(x: Vec | Sylvester, k: int) -> list[Number]:
    """The first k coordinates."""
    x = written(x)
    if x.rows or not all(isinstance(e, (int, Fraction)) for e in x.entries.values()):
        raise Unsupported("scores that depend on data")
    return [x.entries.get(j, 0) for j in range(1, k + 1)]  # type: ignore[misc]


def products(queries: dict[int, list[Number]], keys: dict[int, list[Number]]) -> Iterator[tuple[int, dict[int, Number]]]:
    """Every query with its products with all keys."""
    if all(x in (-1, 1) for row in (*queries.values(), *keys.values()) for x in row):
        k = len(next(iter(queries.values())))
        left, right = ({i: signs(row) for i, row in rows.items()} for rows in (queries, keys))
        for i, a in left.items():
            yield i, {d: k - 2 * (a ^ b).bit_count() for d, b in right.items()}
        return
    for i, query in queries.items():
        yield i, {d: sum(map(mul, query, key)) for d, key in keys.items()}


def signs(row: list[Number]) -> int:
    """The set of places of -1, as bits."""
    return int("".join("1" if x < 0 else "0" for x in row) or "0", 2)
