"""Leaves of the graph: inputs, constants, counters; and the two identities that guide differentiation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES, Aval, Node, Op, Where, canonical, current_where
from tracegraph.ops.rules import each

__all__ = [
    "ANY",
    "OPS",
    "constant",
    "identity",
    "input_node",
    "input_op",
    "iota",
    "is_literal",
    "literal",
    "stop_gradient",
]

#: Of an input that may be written over: any output of its shape may be in its memory at the end.
ANY = -1


def _constant_rule(*, value: np.ndarray) -> Aval:
    return Aval(value.shape, value.dtype)


def _iota_rule(*, length: int, dtype: np.dtype) -> Aval:
    return Aval((length,), dtype)


def _not_run(**params: Any) -> np.ndarray:
    raise AssertionError("an input has no value of its own")


def _batch_identity(op_name: str) -> Any:
    return lambda inputs, axes, params: BY_NAME[op_name](*inputs)


input_op: Op = Op("input", rule=lambda **params: Aval((), np.dtype(float)), reference=_not_run, kind="input")
constant_op: Op = Op("constant", rule=_constant_rule, reference=lambda *, value: value, kind="leaf")
#: 0, 1, ..., length - 1.
iota: Op = Op("iota", rule=_iota_rule, reference=lambda *, length, dtype: np.arange(length, dtype=dtype), kind="leaf")
#: A fresh name for a value: what a transform differentiates with respect to.
identity: Op = Op(
    "identity", rule=lambda x: x, reference=lambda x: x, vjp=each(lambda ct, out, x: ct), kind="identity",
    batch=_batch_identity("identity"),
)  # fmt: skip
#: The value, through which no derivative passes.
stop_gradient: Op = Op(
    "stop_gradient", rule=lambda x: x, reference=lambda x: x, kind="identity", batch=_batch_identity("stop_gradient")
)

OPS: Sequence[Op] = (input_op, constant_op, iota, identity, stop_gradient)
BY_NAME = {op.name: op for op in OPS}


def input_node(
    aval: Aval, where: Where | None = None, *, is_number: bool = False, reuse: int | None = None, is_lent: bool = True
) -> Node:
    """A fresh input of a graph.

    Args:
        aval: what is given.
        where: the user's line.
        is_number: it is always given as a Python float rather than an array.
        reuse: which output, by its number, may be computed in its memory, or `ANY`.
        is_lent: whether that memory has to be as it was if there is an error, unless it is given away.
    """
    params: dict[str, Any] = {"number": float} if is_number else {}
    if reuse is not None:
        params |= {"reuse": reuse, "is_lent": is_lent and reuse != ANY}
    return Node(input_op, (), params, aval, where)


def constant(value: Any) -> Node:
    """A node that holds an array, by reference: kernels read it as it is when they run, so it may change between calls.

    Python's and NumPy's scalars become read-only: only those are folded and shared by the rewriter (see `is_literal`).
    """
    array = np.asarray(value)
    if array.dtype not in DTYPES:
        raise TypeError(f"no graph can hold an array of dtype {array.dtype}")
    if not isinstance(value, np.ndarray):
        array.flags.writeable = False
    return Node(constant_op, (), {"value": array}, Aval(array.shape, canonical(array.dtype)), current_where())


def literal(value: complex, dtype: np.dtype) -> Node:
    """A scalar constant of a given dtype."""
    return constant(dtype.type(value))


def is_literal(node: Node) -> bool:
    """Whether the node is a scalar constant that can never change."""
    return node.op is constant_op and node.params["value"].ndim == 0 and not node.params["value"].flags.writeable
