"""From what a user's operation was given to strict operands: one dtype, one shape. NumPy itself decides the dtypes."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import numpy as np

from tracegraph.errors import LeakError, UnsupportedError
from tracegraph.ir import DTYPES, Node, Shape, canonical
from tracegraph.ops.broadcast import broadcast_to
from tracegraph.ops.elementwise import convert
from tracegraph.ops.leaf import constant
from tracegraph.ops.shape import reshape_to
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.trace import Storage, active_trace

__all__ = [
    "as_dtype", "broadcast", "cast", "check_dtype", "common_dtype", "converted", "descriptor", "has_placeholder", "listed",
    "loop_dtypes", "node_of", "result", "sizes", "spread", "tight", "trimmed",
]  # fmt: skip

#: A dtype, or for a Python number its class: NumPy lets such a number take the dtype of what it meets (NEP 50).
Descriptor = np.dtype | type


def descriptor(value: Any) -> Descriptor:
    """What decides the dtype that an operand brings."""
    if isinstance(value, Placeholder):
        weak = value.weak
        return value.dtype if weak is None or weak is bool else weak
    if type(value) in (int, float, complex):
        return type(value)
    return value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype


def node_of(value: Any, dtype: np.dtype | None = None) -> Node:
    """The node of an operand, of a given dtype or its own.

    Args:
        value: a placeholder, an array, a number, or nested sequences of them.
        dtype: what to convert to.
    """
    if isinstance(value, Placeholder):
        return cast(value.node, dtype or value.dtype)
    if type(value) in (bool, int, float, complex):
        with np.errstate(over="ignore"):
            return constant(check_dtype(dtype or np.asarray(value).dtype).type(value))
    trace = active_trace()
    if isinstance(value, (np.ndarray, np.generic)) and trace is not None:
        check_dtype(value.dtype)
        return cast(trace.capture(value), dtype or value.dtype)
    if isinstance(value, (list, tuple)) and has_placeholder(value):
        return node_of(listed(value), dtype)
    array = np.asarray(value)
    check_dtype(array.dtype)
    return constant(array if dtype is None else array.astype(dtype))


def converted(value: Any, dtype: np.dtype, casting: Any = "safe") -> Node:
    """The node of an operand that a function takes as an array of one dtype: arrays must convert to it by a casting rule,
    numbers and lists of them are converted whatever they are.

    Raises:
        TypeError: an array does not convert.
    """
    is_fixed = isinstance(value, np.ndarray) or (descriptor(value) is complex and dtype.kind in "iuf")
    if is_fixed and not np.can_cast(descriptor(value), dtype, casting):
        mine = np.dtype(descriptor(value))
        raise TypeError(f"Cannot cast array data from {mine!r} to {dtype!r} according to the rule {casting!r}")
    return node_of(value, dtype)


def listed(value: Any) -> Any:
    """A sequence with placeholders in it as one placeholder; anything else as NumPy's array of it."""
    if isinstance(value, (list, tuple)) and has_placeholder(value):
        return np.stack([listed(element) for element in value])
    return value if isinstance(value, Placeholder) else np.asarray(value)


def has_placeholder(value: Any) -> bool:
    """Whether there is a placeholder anywhere in nested sequences."""
    if isinstance(value, (list, tuple)):
        return any(map(has_placeholder, value))
    return isinstance(value, Placeholder)


def as_dtype(dtype: Any) -> np.dtype:
    """A dtype, spelled in any way that NumPy takes, its class among them."""
    is_class = isinstance(dtype, type) and issubclass(dtype, np.dtype)
    return dtype() if is_class else np.dtype(dtype)  # type: ignore[no-any-return]


def check_dtype(dtype: np.dtype) -> np.dtype:
    """The dtype, if a graph can hold it, as the one object that stands for it."""
    if dtype not in DTYPES:
        raise UnsupportedError(
            f"arrays of dtype {dtype} are not traced; the dtypes are {', '.join(str(known) for known in DTYPES)}"
        )
    return canonical(dtype)


@cache
def loop_dtypes(
    ufunc: np.ufunc,
    descriptors: tuple[Descriptor, ...],
    dtype: np.dtype | tuple[np.dtype | None, ...] | None,
    casting: str = "same_kind",
) -> tuple[np.dtype, ...]:
    """The dtypes of the inputs and outputs of the loop that NumPy would pick.

    Args:
        ufunc: what is called.
        descriptors: of its operands.
        dtype: of its results, or of all its inputs and outputs, where the caller says so.
        casting: how far operands may be converted.

    Raises:
        TypeError: NumPy has no loop for these.
        UnsupportedError: the loop is of a dtype that is not traced.
    """
    if not any(isinstance(each, np.dtype) for each in descriptors):
        descriptors = tuple(map(np.dtype, descriptors))
    given: Any = {} if casting == "same_kind" else {"casting": casting}
    if dtype is not None:
        given["signature"] = dtype if isinstance(dtype, tuple) else (*(None,) * ufunc.nin, *(dtype,) * ufunc.nout)
    dtypes = ufunc.resolve_dtypes((*descriptors, *(None,) * ufunc.nout), **given)
    return tuple(check_dtype(np.dtype(each)) for each in dtypes)


def common_dtype(values: Sequence[Any]) -> np.dtype:
    """The dtype to which NumPy promotes all of the values."""
    kinds = [descriptor(value) for value in values]
    strong = [kind for kind in kinds if isinstance(kind, np.dtype)]
    weak = [np.dtype(kind).type(0).item() for kind in kinds if not isinstance(kind, np.dtype)]
    return check_dtype(np.result_type(*strong, *weak))


def sizes(shape: Any) -> Shape:
    """A shape, however it is given: a number, a sequence, an array; what of it is traced is found out."""
    if isinstance(shape, Placeholder):
        shape = list(shape) if shape.ndim else shape
    return tuple(map(operator.index, shape)) if isinstance(shape, (Sequence, np.ndarray)) else (operator.index(shape),)


def cast(node: Node, dtype: np.dtype) -> Node:
    """The node as another dtype."""
    return node if node.dtype == dtype else convert(node, dtype=dtype)


def spread(node: Node, shape: Shape) -> Node:
    """The node broadcast to a shape."""
    return node if node.shape == shape else broadcast_to(node, shape=shape)


def trimmed(node: Node, ndim: int) -> Node:
    """The node without the leading axes of extent 1 that it has more than so many: NumPy drops them where it assigns."""
    extra = max(node.aval.ndim - ndim, 0)
    return reshape_to(node, node.shape[extra:]) if extra and node.shape[:extra] == (1,) * extra else node


def broadcast(nodes: Sequence[Node]) -> list[Node]:
    """All nodes in their common shape.

    Raises:
        ValueError: there is none, with NumPy's text.
    """
    shapes = [node.shape for node in nodes]
    first = shapes[0]
    if all(shape == first for shape in shapes):
        return list(nodes)
    try:
        shape = _common_shape(*shapes)
    except ValueError:
        raise ValueError(
            f"operands could not be broadcast together with shapes {' '.join(map(tight, shapes))}"
        ) from None
    return [spread(node, shape) for node in nodes]


_common_shape = lru_cache(maxsize=4096)(np.broadcast_shapes)


def tight(shape: Shape) -> str:
    """A shape as NumPy's messages have it."""
    return str(shape).replace(", ", ",")


def result(node: Node, weak: type | None = None, *, is_array: bool = False) -> Placeholder:
    """A new array of the open trace; a number, as NumPy has it, if the shape is () and it is no array of that."""
    trace = active_trace()
    if trace is None:
        raise LeakError(f"a traced value of {node.aval} was used after its function had returned")
    return Placeholder(trace, Storage(node), weak=weak, is_scalar=not (node.shape or is_array))
