"""Every input of the circuits of Theorem 4.2 with |Sigma|^N <= 10^6, against Def. 4.1 written out in Python.

A reading of its own: numpy over all inputs at once, hardmax, nothing of `semantics` or `kernel`. Scores of these sizes are exact
in float64: multiples of 2^-2b below 2^(2b + 2). Of the two largest sizes one has k = 8 only, the other k = 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import reduce
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("numpy")

import numpy as np
from helpers import replaced
from test_commands import lockstep

from checker.elaboration.closing import close_circuit
from checker.elaboration.library import load_text
from checker.language import syntax as s
from checker.language.resources import data_folder
from checker.models.circuit import Circuit

SPEC = (data_folder("spec") / "k_hop.lks").read_text(encoding="utf-8").partition("\ntheorem ")[0] + "\n"
CHUNK = 20_000


# ---- Definition 4.1 -------------------------------------------------------------------------------


def hop(k: int, x: tuple[int, ...], i: int) -> int:
    """hop_k(x, i), with 0 for nothing; tokens are x[0], x[1], ... and i >= 1."""
    for _ in range(k):
        i = next((j for j in range(i, 1, -1) if x[j - 2] == x[i - 1]), 0) if i else 0
    return x[i - 1] if i else 0


def hops_of_all(n: int, sigma: int, k: int) -> Any:
    """hop_k(x, 1..n) for all x in lexicographic order. What comes behind i does not matter for hop_k(x, i)."""
    symbols = range(1, sigma + 1)
    columns = [np.repeat([hop(k, x, i) for x in product(symbols, repeat=i)], sigma ** (n - i)) for i in range(1, n + 1)]
    return np.stack(columns, 1)


def test_the_example_of_the_definition() -> None:
    """2 3 2 3 2 1 2: from 7 to 6, behind the 2 at 5; that 1 is new. From 5 to 4, 3, 2; that 3 is new."""
    x = (2, 3, 2, 3, 2, 1, 2)
    assert [hop(k, x, 7) for k in (0, 1, 2)] == [2, 1, 0]
    assert [hop(k, x, 5) for k in range(5)] == [2, 3, 2, 3, 0]


# ---- the circuit ----------------------------------------------------------------------------------


def value(e: s.Expr, names: dict[str, Any], functions: dict[str, s.FunctionDefinition]) -> Any:
    """A number, an array of one number for each input, a truth value, or a list of those."""

    def of(x: s.Expr) -> Any:
        return value(x, names, functions)

    match e:
        case s.Number(x):
            return x
        case s.Name(x):
            return names[x]
        case s.Index(array, index):
            return names[array][of(index) - 1]
        case s.Unary("-", x):
            return -of(x)
        case s.Vector(items):
            parts = [of(x) for x in items]
            return [y for x in parts for y in (x if isinstance(x, list) else [x])]
        case s.Binary(operator, left, right):
            a, b = of(left), of(right)
            if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
                a, b = (float(x) if isinstance(x, Fraction) else x for x in (a, b))
            match operator:
                case "+":
                    return a + b
                case "-":
                    return a - b
                case "*":
                    return a * b
                case "^":
                    return a**b
                case "/":
                    return Fraction(a) / b
                case "<=":
                    return a <= b
                case "==":
                    return a == b
        case s.Call("round", (x,)):
            return np.floor(of(x) + 0.5)
        case s.Call("max", (x, y)):
            return max(of(x), of(y))
        case s.Call("cosine", (x, m, g)):
            return np.floor(np.cos(2 * np.pi * (of(x) / of(m))) * 2.0 ** of(g) + 0.5) / 2.0 ** of(g)
        case s.Call(name, arguments) if name in functions:
            given = dict(zip(functions[name].parameters, map(of, arguments), strict=True))
            return value(functions[name].body, given, functions)
    raise AssertionError(f"not a part of this circuit: {e}")


def outputs(c: Circuit, x: Any) -> Any:
    """The output words for each row of x."""
    functions = {f.name: f for f in c.functions}
    zero = np.zeros(len(x))
    rows = {i: [x[:, i - 1].astype(float) if i else zero, *[zero] * (c.width - 1)] for i in c.rows}

    def chosen(cases: tuple[s.Case, ...], i: int) -> list[Any]:
        names = {"self": i, "row": rows[i]}
        case = next(d for d in cases if d.condition is None or value(d.condition, names, functions))
        found = value(case.value, names, functions)
        return found if isinstance(found, list) else [found]

    for layer in c.layers:
        (head,) = layer.heads
        assert layer.local is None and layer.mask is not None
        query, key, carried = ({i: chosen(part, i) for i in c.rows} for part in (head.query, head.key, head.value))
        after = {}
        for i in c.rows:
            seen = [j for j in c.rows if value(layer.mask, {"self": i, "other": j}, functions)]
            scores = [sum(q * k for q, k in zip(query[i], key[j], strict=False)) for j in seen]
            best = reduce(np.maximum, scores)
            weights = [(score == best) * 1.0 for score in scores]
            total = sum(weights)
            after[i] = list(rows[i])
            for w, j in zip(weights, seen, strict=True):
                share = w / total
                for d, new in enumerate(carried[j]):
                    if not (isinstance(new, int) and new == 0):
                        after[i][d] = after[i][d] + share * new
        rows = after
    (readout,), (array,) = c.readouts, c.outputs
    return np.stack([value(readout, {"self": i, "row": rows[i]}, functions) for i in range(1, array.size + 1)], 1)


def closed(text: str, n: int, sigma: int, k: int) -> Circuit:
    loaded = load_text(text)
    d = loaded.definitions["k_hop"]
    assert isinstance(d, s.CircuitDefinition)
    return close_circuit(d, {"n": n, "sigma": sigma, "k": k}, loaded.functions).at("exact")


def wrong_inputs(text: str, n: int, sigma: int, k: int) -> Iterator[tuple[int, ...]]:
    """The inputs at which the circuit does not compute hop_k, in order."""
    c, expected = closed(text, n, sigma, k), hops_of_all(n, sigma, k)
    for start in range(0, sigma**n, CHUNK):
        numbers = np.arange(start, min(start + CHUNK, sigma**n))
        x = np.stack([numbers // sigma ** (n - i) % sigma + 1 for i in range(1, n + 1)], 1)
        wrong = (outputs(c, x) != expected[start : start + CHUNK]).any(1)
        yield from (tuple(map(int, row)) for row in x[wrong])


# ---- tests ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(1, 9))
def test_every_input_of_the_small_instances(k: int) -> None:
    for n, sigma in product(range(1, 9), range(1, 4)):
        assert next(wrong_inputs(SPEC, n, sigma, k), None) is None, (n, sigma)


@pytest.mark.parametrize(("n", "sigma", "k"), [(12, 3, 8), (19, 2, 3)])
def test_every_input_near_a_million(n: int, sigma: int, k: int) -> None:
    assert 500_000 < sigma**n <= 1_000_000
    assert next(wrong_inputs(SPEC, n, sigma, k), None) is None


MUTANTS = {
    "spacing n": SPEC.replace("2 * n * ", "n * "),
    "one layer fewer": replaced(SPEC, "for l in 1..bits(k - 1) {", "for l in 1..bits(k - 1) - 1 {"),
    "no start token": replaced(SPEC, "  start;\n", ""),
}


def smallest(text: str) -> tuple[int, int, int]:
    """The first instance, by |Sigma|^N and then k, with a wrong input."""
    instances = sorted(product(range(1, 6), range(1, 4), range(1, 4)), key=lambda x: (x[1] ** x[0], x[2], x))
    return next(x for x in instances if next(wrong_inputs(text, *x), None) is not None)


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_refuted_and_replayed(name: str, tmp_path: Path) -> None:
    """At the smallest instance that this oracle finds wrong, with an input that it finds wrong too."""
    text = MUTANTS[name]
    assert text != SPEC
    n, sigma, k = smallest(text)
    theorem = f"theorem t for n in {{{n}}}, sigma in {{{sigma}}}, k in {{{k}}} {{\n  let T = k_hop(n, sigma, k);\n"
    theorem += "  claim hops: T computes y[i] == hop(k, x, i) for i in 1..n;\n}\n"
    file = tmp_path / "mutant.lks"
    file.write_text(f"{text}\n{theorem}", encoding="utf-8")
    done = lockstep("check", str(file))
    assert done.returncode == 1 and "REFUTED" in done.stdout, done.stdout + done.stderr
    found = re.search(r"x = ([0-9, ]+)", done.stdout)
    assert found is not None, done.stdout
    assert tuple(map(int, found[1].rstrip(", ").split(","))) in set(wrong_inputs(text, n, sigma, k))
