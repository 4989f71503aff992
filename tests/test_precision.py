"""Bounds on the residual stream count every head, or a number may leave the range of fixed point."""

from __future__ import annotations

import re

from helpers import circuit, proof, protocol, replaced

from checker.compilers.protocol_to_circuit import transformer
from checker.kernel.judgements import Simulates
from checker.kernel.replay.circuit import replay_circuit
from checker.models import printing

SWAP = """protocol swap { word 8; memory 1; machines 2; input x[2] in word; output y[2] in word; message m(word);
  round r { send m(sum(x[k] for k in held(x))) to 3 - self; }
  finish { y[self] = only(m); } }"""
# It mentions messages, in a case that is never taken, but adds its row to itself.
DOUBLING = """    head again_{} {{
      query (2 * self, 1);
      key (self, -self^2);
      value row when self >= 0, moment_dual(destinations(mail_1), 5);
    }}
"""


def test_heads_of_the_first_layer_that_mention_messages_count() -> None:
    """Four heads each add the raw row: coordinate 1, which nobody reads, grows from 255 to 1275, and 1023 fit in 10 bits."""
    p = protocol(SWAP)
    heads = "".join(DOUBLING.format(k) for k in range(4))
    text = replaced(printing.text(transformer(p, clear="fresh")), "  layer init {\n", "  layer init {\n" + heads)
    for key, value in (("scale", 18), ("fraction", 7)):
        text = re.sub(f"  {key} \\d+;", f"  {key} {value};", text)
    small, large = (circuit(re.sub(r"  integer \d+;", f"  integer {bits};", text)) for bits in (10, 12))
    fault = replay_circuit(small, {"x": (255, 255)}).fault
    assert fault is not None and "row[1] = 1275" in str(fault)
    assert replay_circuit(large, {"x": (255, 255)}).outputs == {"y": (255, 255)}
    assert proof(Simulates(small, p)) is None
    assert proof(Simulates(large, p)) is not None
