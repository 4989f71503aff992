"""What the exported file of every circuit ends with: the module. Copied into the file, never imported by lockstep.

The names in capitals are generated: see `to_torch.py`.
"""

from __future__ import annotations

import sys
from typing import Any

import torch

from checker.backends.runtime import NoValue, check

ROWS = range(0)
WIDTH = 0
SCALE = 0
INPUTS: tuple[tuple[str, int, int, int], ...] = ()
OUTPUTS: tuple[tuple[str, int, int, int, Any], ...] = ()
LAYERS: tuple[Any, ...] = ()

# ---- copied from here on ----

Sent = tuple[tuple[Any, ...], dict[str, dict[int, int]]]  # what a row sends, and the output words it assigns


class Module(torch.nn.Module):
    """Input words (batch, words), whole numbers, to output words: X += softmax(SCALE * Q K^T) V for every head.

    A part of a head is "fixed" (the same for all inputs), a function of the "row" (tensors), or one of what "each" row sends.
    Raises `NoValue` if a local function has no value on some input of the batch.
    """

    def __init__(self, dtype: torch.dtype = torch.float64) -> None:
        super().__init__()
        self.dtype = dtype
        for _, _, _, mask, heads in LAYERS:
            if mask is not None:  # row i attends to the rows j with mask(i, j)
                seen = torch.tensor([[mask(i, j) for j in ROWS] for i in ROWS])
                self.register_buffer(mask.__name__, seen, persistent=False)
            for head in heads:
                for kind, part in head:
                    if kind == "fixed" and not hasattr(self, part.__name__):
                        table = torch.tensor([dense(part(i)) for i in ROWS], dtype=dtype)
                        self.register_buffer(part.__name__, table, persistent=False)

    def forward(self, words: torch.Tensor) -> torch.Tensor:
        size = sum(size for _, size, _, _ in INPUTS)
        if words.dim() != 2 or words.shape[1] != size:
            raise ValueError(f"expected words of shape (batch, {size}), found {tuple(words.shape)}")
        start = 0
        for name, size, low, high in INPUTS:
            given = words[:, start : start + size]
            if ((given < low) | (given > high)).any():
                raise NoValue(f"expected words of {name} in {low}..{high}")
            start += size
        x = torch.zeros(len(words), len(ROWS), WIDTH, dtype=self.dtype)
        x[:, 1 - ROWS.start : 1 - ROWS.start + words.shape[1], 0] = words.to(self.dtype)
        for first, last, local, mask, heads in LAYERS:
            seen = None if mask is None else getattr(self, mask.__name__)
            done = self.locals(x, first, last, local)
            result = x
            for head in heads:
                q, k, v = (self.part(kind, part, x, done) for kind, part in head)
                attention = torch.nn.functional.scaled_dot_product_attention
                result = result + attention(q, k, v, attn_mask=seen, scale=float(SCALE))
            x = result
        return self.outputs(x)

    def locals(self, x: torch.Tensor, first: int, last: int, local: Any) -> list[list[Sent]]:
        """What each row sends and assigns, for each input; rows without a local function do nothing."""
        nothing: Sent = ((), {name: {} for name, *_ in OUTPUTS})
        done = [[nothing for _ in ROWS] for _ in range(len(x))]
        if local is not None:
            known: dict[Any, Sent] = {}
            for b, rows in enumerate(x[:, first - ROWS.start : last + 1 - ROWS.start].tolist()):
                for i, row in enumerate(rows, first):
                    done[b][i - ROWS.start] = local(i, row, known)
        return done

    def part(self, kind: str, part: Any, x: torch.Tensor, done: list[list[Sent]]) -> torch.Tensor:
        """A query, key or value of every row: (batch, rows, width)."""
        batch = len(x)
        if kind == "fixed":
            table: torch.Tensor = getattr(self, part.__name__)
            return table.expand(batch, -1, -1)
        if kind == "row":
            found = []
            for i in ROWS:
                columns = dense(part(i, list(x[:, i - ROWS.start].unbind(-1))))
                made = [v if isinstance(v, torch.Tensor) else x.new_full((batch,), float(v)) for v in columns]
                found.append(torch.stack(made, -1))
            return torch.stack(found, 1)
        rows = x.tolist() if kind == "each row" else [[None] * len(ROWS)] * batch
        known: dict[Any, list[float]] = {}
        table_: list[list[list[float]]] = []
        for b in range(batch):
            table_.append([])
            for i in ROWS:
                sent, assigned = done[b][i - ROWS.start]
                key = (b if kind == "each row" else 0, i, id(sent), id(assigned))
                if key not in known:
                    known[key] = [float(v) for v in dense(part(i, rows[b][i - ROWS.start], sent, assigned))]
                table_[b].append(known[key])
        return torch.tensor(table_, dtype=self.dtype)

    def outputs(self, x: torch.Tensor) -> torch.Tensor:
        found = []
        for rows in x.tolist():
            words, w = [], 0
            for name, size, low, high, readout in OUTPUTS:
                for _ in range(size):
                    w += 1
                    words.append(check(readout(w, rows[w - ROWS.start]), low, high, f"a word of {name}"))
            found.append(words)
        return torch.tensor(found, dtype=torch.int64)


def dense(v: Any) -> list[Any]:
    """A vector, or a number, with zeros up to the width."""
    found = v if isinstance(v, list) else [v]
    if len(found) > WIDTH:
        raise NoValue(f"a vector of {len(found)} coordinates: the width is {WIDTH}")
    return found + [0] * (WIDTH - len(found))


if __name__ == "__main__":
    given = [[int(w) for w in text.split(",")] for text in sys.argv[1:]]
    for line in Module()(torch.tensor(given)).tolist() if given else []:
        print(",".join(map(str, line)))
