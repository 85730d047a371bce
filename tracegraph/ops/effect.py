"""What is run for what it does rather than for its value. Each effect takes the one before it, which keeps their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.rules import BOOL, Params

__all__ = ["OPS", "debug_print"]


def _print(*values: Any, pieces: tuple[str | None, ...], sep: str, end: str) -> np.ndarray:
    given = iter(values[len(values) - pieces.count(None) :])
    print(*[str(next(given)) if piece is None else piece for piece in pieces], sep=sep, end=end)
    return np.zeros((), BOOL)


def _batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    size = next(node.shape[0] for node, batched in zip(inputs, axes, strict=True) if batched)
    return expand_leading(debug_print(*inputs, **params), size)


#: Prints texts, and values where a piece is None; an operand more than there are such pieces is the effect before this one.
debug_print: Op = Op(
    "debug_print",
    rule=lambda *avals, pieces, sep, end: Aval((), BOOL),
    reference=_print,
    batch=_batch,
)

OPS: Sequence[Op] = (debug_print,)
