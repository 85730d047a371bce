"""`numpy.nditer` on placeholders: their elements, one after another in C order, as views of rank 0."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tracegraph.errors import UnsupportedError, at
from tracegraph.ops.broadcast import fill
from tracegraph.tracing.lift import common_dtype, has_placeholder, listed, node_of, result
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.trace import user_where

__all__ = ["nditer"]

#: What of NumPy's flags changes nothing here, or is followed.
FLAGS = frozenset(
    {"multi_index", "c_index", "external_loop", "refs_ok", "zerosize_ok", "buffered", "growinner", "copy_if_overlap"}
)


def nditer(op: Any, flags: Any = None, op_flags: Any = None, *args: Any, order: str = "K", **kwargs: Any) -> Any:
    """NumPy's iterator, or if there are placeholders among the operands what does for them as it does."""
    if not has_placeholder(op):
        plain: Any = np.nditer
        return plain(op, flags, op_flags, *args, order=order, **kwargs)
    unknown = [name for name in flags or () if name not in FLAGS]
    if args or kwargs or unknown or order not in ("C", "K", "A"):
        named = ", ".join([*unknown, *kwargs, *([] if order in ("C", "K", "A") else [f"order={order!r}"])])
        raise UnsupportedError(
            at(f"np.nditer with {named or 'dtypes'} is not traced; write loops over indices", user_where())
        )
    return Iteration(op if isinstance(op, (list, tuple)) else [op], tuple(flags or ()), op_flags)


class Iteration:
    """What stands for an object of `numpy.nditer`."""

    def __init__(self, operands: Sequence[Any], flags: tuple[str, ...], op_flags: Any) -> None:
        given = [None if each is None else _operand(each) for each in operands]
        several = op_flags if op_flags and not isinstance(op_flags[0], str) else [op_flags] * len(given)
        self._written = [each is None or bool({"readwrite", "writeonly"} & {*(kinds or ())})
                         for each, kinds in zip(given, several, strict=True)]  # fmt: skip
        known = [each for each in given if each is not None]
        self.shape: tuple[int, ...] = np.broadcast_shapes(*[each.shape for each in known])
        if 0 in self.shape and "zerosize_ok" not in flags:
            raise ValueError(at("Iteration of zero-sized operands is not enabled", user_where()))
        dtype = common_dtype(known)
        self.operands = tuple(result(fill(0, self.shape, dtype), is_array=True) if x is None else x for x in given)
        if any(x.shape != self.shape for x, written in zip(self.operands, self._written, strict=True) if written):
            raise ValueError(at("non-broadcastable operand", user_where()))
        self._seen = [np.broadcast_to(x, self.shape) if x.shape != self.shape else x for x in self.operands]
        self._whole = "external_loop" in flags
        self._flags = flags
        self._place = 0

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def itersize(self) -> int:
        return math.prod(self.shape)

    @property
    def nop(self) -> int:
        return len(self.operands)

    @property
    def finished(self) -> bool:
        return self._place >= (min(self.itersize, 1) if self._whole else self.itersize)

    @property
    def multi_index(self) -> tuple[int, ...]:
        if "multi_index" not in self._flags:
            raise ValueError(at("Iterator is not tracking a multi-index", user_where()))
        return tuple(map(int, np.unravel_index(self._place, self.shape)))

    @property
    def index(self) -> int:
        if "c_index" not in self._flags:
            raise ValueError(at("Iterator does not have an index", user_where()))
        return self._place

    @property
    def value(self) -> Any:
        return self[0] if self.nop == 1 else tuple(self[k] for k in range(self.nop))

    def __getitem__(self, k: int) -> Any:
        x: Any = self._seen[k]
        if self._whole:
            return np.reshape(x, -1)
        view = x[(*map(int, np.unravel_index(self._place, self.shape)), ...)]
        return view if self._written[k] else np.copy(view)

    def __setitem__(self, k: int, value: Any) -> None:
        self[k][...] = value

    def iternext(self) -> bool:
        self._place += 1
        return not self.finished

    def reset(self) -> None:
        self._place = 0

    def close(self) -> None:
        """NumPy writes back then what it has in buffers; here there are none."""

    def __len__(self) -> int:
        return self.nop

    def __iter__(self) -> Iterator[Any]:
        while not self.finished:
            yield self.value
            self._place += 1

    def __enter__(self) -> Iteration:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


def _operand(value: Any) -> Placeholder:
    """An operand, whose elements come in the order in which they lie in memory."""
    x = value if isinstance(value, Placeholder) else result(node_of(listed(value)), is_array=True)
    if not x.flags.c_contiguous:
        raise UnsupportedError(
            at("np.nditer over a view whose elements do not lie in C order is not traced", user_where())
        )
    return x
