"""What a term may be, for many values of some of its unknowns at once: intervals of 64-bit whole numbers, in arrays.

Before each operation it is certain that no result leaves `LIMIT`. Truth values are 0 and 1: true for certain is (1, 1).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from checker.semantics import terms as t
from checker.semantics.terms import Term, Value
from checker.semantics.values import Unsupported

LIMIT = 2**62
MANY = 32  # places from which on arrays are quicker, with the time it takes to load them


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`, at every place; the same array if both are equal everywhere."""

    low: Any
    high: Any

    @property
    def exact(self) -> bool:
        return self.low is self.high

    def size(self) -> int:
        """The largest absolute value."""
        return max(-int(self.low.min()), int(self.high.max()), 0)


@dataclass(slots=True)
class Places:
    """`known`: what some unknowns are at each of `count` places; all others are anything in their ranges."""

    count: int
    known: dict[Term, Any]
    done: dict[Term, Interval] = field(default_factory=dict)

    def of(self, value: Value) -> Interval:
        """The interval of a whole number or of a truth value at every place. Raises `Unsupported`."""
        if not isinstance(value, Term):
            return self._constant(value)
        for node in t.upwards(value, self.done):
            self.done[node] = self._node(node)
        return self.done[value]

    def exactly(self, value: Value, what: str) -> Any:
        """The value at every place, if it depends on nothing else there. Raises `Unsupported`."""
        found = self.of(value)
        if not found.exact:
            raise Unsupported(f"{what} depends on data")
        return found.low

    def _constant(self, value: Value) -> Interval:
        import numpy as np

        if not isinstance(value, bool) and not (t.is_whole(value) and abs(int(value)) < LIMIT):  # type: ignore[arg-type]
            raise Unsupported(f"{value} in arrays")
        return _point(np.full(self.count, int(value), dtype=np.int64))  # type: ignore[arg-type]

    def _argument(self, a: Any) -> Interval:
        return self.done[a] if isinstance(a, Term) else self._constant(a)

    def _node(self, node: Term) -> Interval:
        import numpy as np

        if node.op == "var":
            if node in self.known:
                return _point(self.known[node])
            low, high = node.args[1:]
            if low is None or high is None or low > high:
                raise Unsupported(f"{node} without bounds in arrays")
            return _between(self._constant(low).low, self._constant(high).low)
        if node.op == "lin":
            return self._sum(node)
        if node.op not in _OPERATIONS:
            raise Unsupported(f"{node.op} in arrays")
        args = [self._argument(a) for a in node.args]
        if any(x.size() >= LIMIT for x in args):
            raise Unsupported("numbers too large for arrays")
        if node.op in ("div", "mod") and isinstance(node.args[1], Term):
            raise Unsupported(f"{node.op} by an unknown number")
        with np.errstate(all="raise"):
            return _OPERATIONS[node.op](*args)

    def _sum(self, node: Term) -> Interval:
        parts = [(self._constant(node.args[0]), 1)]
        parts += [(self.done[x], c) for x, c in zip(node.args[1::2], node.args[2::2], strict=True)]
        if not all(type(c) is int for _, c in parts):
            raise Unsupported("a fraction in arrays")
        if any(abs(c) >= LIMIT for _, c in parts) or sum(abs(c) * x.size() for x, c in parts) >= LIMIT:
            raise Unsupported("numbers too large for arrays")
        low = sum(c * (x.low if c > 0 else x.high) for x, c in parts)
        if all(x.exact for x, _ in parts):
            return _point(low)
        return _between(low, sum(c * (x.high if c > 0 else x.low) for x, c in parts))


def _point(x: Any) -> Interval:
    return Interval(x, x)


def _between(low: Any, high: Any) -> Interval:
    import numpy as np

    return _point(low) if np.array_equal(low, high) else Interval(low, high)


def _product(a: Interval, b: Interval) -> Interval:
    import numpy as np

    if a.size() * b.size() >= LIMIT:
        raise Unsupported("numbers too large for arrays")
    if a.exact and b.exact:
        return _point(a.low * b.low)
    corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
    return _between(np.minimum.reduce(corners), np.maximum.reduce(corners))


def _quotient(a: Interval, b: Interval) -> Interval:
    return _point(a.low // b.low) if a.exact else _between(a.low // b.low, a.high // b.low)


def _remainder(a: Interval, b: Interval) -> Interval:
    """Of an interval within one multiple of b its ends; else anything."""
    import numpy as np

    if a.exact:
        return _point(a.low % b.low)
    near = a.low // b.low == a.high // b.low
    return _between(np.where(near, a.low % b.low, 0), np.where(near, a.high % b.low, b.low - 1))


def _choice(condition: Interval, a: Interval, b: Interval) -> Interval:
    import numpy as np

    yes, no = condition.low == 1, condition.high == 0
    low = np.where(yes, a.low, np.where(no, b.low, np.minimum(a.low, b.low)))
    return _between(low, np.where(yes, a.high, np.where(no, b.high, np.maximum(a.high, b.high))))


def _largest(*parts: Interval) -> Interval:
    import numpy as np

    return _between(np.maximum.reduce([x.low for x in parts]), np.maximum.reduce([x.high for x in parts]))


def _all(*parts: Interval) -> Interval:
    import numpy as np

    return _between(np.minimum.reduce([x.low for x in parts]), np.minimum.reduce([x.high for x in parts]))


def _truth(certain: Any, possible: Any) -> Interval:
    import numpy as np

    return _between(certain.astype(np.int64), possible.astype(np.int64))


_OPERATIONS: dict[str, Callable[..., Interval]] = {
    "mul": _product,
    "div": _quotient,
    "mod": _remainder,
    "ite": _choice,
    "max": _largest,
    "and": _all,
    "not": lambda x: _point(1 - x.low) if x.exact else _between(1 - x.high, 1 - x.low),
    "eq0": lambda x: _truth((x.low == 0) & (x.high == 0), (x.low <= 0) & (x.high >= 0)),
    "le0": lambda x: _truth(x.high <= 0, x.low <= 0),
}
