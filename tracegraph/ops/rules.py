"""What the rows of all families share: shape and dtype rules, the form of derivative rules, and small constructors.

Operations are strict: operands of one call have one dtype and one shape; promotion and broadcasting are explicit nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES, Aval, Node, Op
from tracegraph.ir.node import Vjp

__all__ = [
    "ANY",
    "BOOL",
    "BOOLS",
    "FLOATS",
    "INTEGERS",
    "NUMBERS",
    "Ints",
    "Params",
    "batch_all",
    "each",
    "is_float",
    "same_avals",
]

BOOL = np.dtype(bool)
BOOLS = frozenset({BOOL})
FLOATS = frozenset(dtype for dtype in DTYPES if dtype.kind == "f")
INTEGERS = frozenset(dtype for dtype in DTYPES if dtype.kind in "iu")
NUMBERS = FLOATS | INTEGERS
ANY = NUMBERS | BOOLS

Ints = tuple[int, ...]
Params = Mapping[str, Any]


def is_float(node: Node) -> bool:
    """Whether a derivative can flow through the node's value."""
    return node.aval.dtype.kind in "fc"


def each(*rules: Callable[..., Node | None] | None) -> Vjp:
    """A derivative rule from one function per input, each taking the cotangent, the node and its inputs.

    ``each(lambda ct, out, x, y: multiply(ct, y), lambda ct, out, x, y: multiply(ct, x))`` is the rule of ``x * y``.
    """

    def vjp(ct: Node, node: Node, i: int) -> Node | None:
        rule = rules[i]
        return None if rule is None else rule(ct, node, *node.inputs)

    return vjp


def same_avals(name: str, avals: Sequence[Aval]) -> Aval:
    """The one aval of all operands of a strict operation."""
    first = avals[0]
    for other in avals[1:]:
        if other != first:
            raise TypeError(f"{name}: operands of a strict operation differ: {', '.join(map(repr, avals))}")
    return first


def batch_all(op: Op, inputs: Sequence[Node], axes: Sequence[bool], expand: Callable[[Node, int], Node]) -> list[Node]:
    """Gives every input a leading batch axis; ``expand(node, size)`` repeats the ones that have none."""
    size = next(node.shape[0] for node, batched in zip(inputs, axes, strict=True) if batched)
    return [node if batched else expand(node, size) for node, batched in zip(inputs, axes, strict=True)]
