"""How an array lies in its buffer: an offset, and a stride for each axis, counted in elements (of the parts of complex
numbers, where only those are seen).

Views are arithmetic on layouts. The compiler reads kernels' index maps off them; the tracer decides by them whether a
reshape is a view or a copy, as NumPy does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Any, NamedTuple

from tracegraph.ir.aval import Shape

__all__ = ["Layout", "contiguous"]

Ints = tuple[int, ...]


class Layout(NamedTuple):
    """Element ``i`` of an array lies at ``offset + sum(i * strides)`` of its buffer.

    >>> contiguous((2, 3)).transpose((1, 0))
    Layout(offset=0, shape=(3, 2), strides=(1, 3))
    """

    offset: int
    shape: Shape
    strides: Ints

    def transpose(self, axes: Ints) -> Layout:
        return Layout(self.offset, tuple(self.shape[a] for a in axes), tuple(self.strides[a] for a in axes))

    def broadcast_to(self, shape: Shape) -> Layout:
        """Repeated axes get stride 0.

        An axis of extent 1 that stays so keeps its stride: then the index maps of a batch of one are those of any
        other batch, and one kernel serves both.
        """
        lead = len(shape) - len(self.shape)
        sizes = zip(self.shape, shape[lead:], self.strides, strict=True)
        return Layout(self.offset, shape, (*(0,) * lead, *(stride if n == m else 0 for n, m, stride in sizes)))

    def slice(self, starts: Ints, steps: Ints, sizes: Ints) -> Layout:
        moved = sum(start * stride for start, stride in zip(starts, self.strides, strict=True))
        return Layout(self.offset + moved, sizes, tuple(map(int.__mul__, self.strides, steps)))

    def reshape(self, shape: Shape) -> Layout | None:
        """The same elements in the same order under another shape; None if no strides can say that."""
        if shape == self.shape:
            return self
        # Strictly: a repeated value of extent 1 is not contiguous, or its batch of one would have other strides.
        if 0 in shape or self.strides == _contiguous_strides(self.shape):
            return Layout(self.offset, shape, _contiguous_strides(shape))
        old = [(n, s) for n, s in zip(self.shape, self.strides, strict=True) if n != 1]
        strides, done = [0] * len(shape), 0
        axis = 0
        while axis < len(shape):
            if shape[axis] == 1:
                axis += 1
                continue
            stop, wanted, first, have = axis + 1, shape[axis], done, 1
            while have != wanted:
                if have < wanted:
                    have *= old[done][0]
                    done += 1
                else:
                    wanted *= shape[stop]
                    stop += 1
            if not _chained(old[first:done]):
                return None
            stride = old[done - 1][1]
            for k in reversed(range(axis, stop)):
                strides[k] = stride
                stride *= shape[k]
            axis = stop
        return Layout(self.offset, shape, tuple(strides))

    def is_contiguous(self) -> bool:
        """Whether the elements lie one after another in C order."""
        expected = 1
        for n, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if n != 1 and stride != expected:
                return 0 in self.shape
            expected *= n
        return True

    def view(self, op: str, params: Mapping[str, Any]) -> Layout | None:
        """The layout after a view operation; None where it is no view of this layout."""
        if op == "transpose":
            return self.transpose(params["axes"])
        if op == "broadcast_to":
            return self.broadcast_to(params["shape"])
        if op in ("real", "imag"):
            return Layout(2 * self.offset + (op == "imag"), self.shape, tuple(2 * stride for stride in self.strides))
        if op == "slice":
            return self.slice(params["starts"], params["steps"], params["sizes"])
        return self.reshape(params["shape"])


def contiguous(shape: Shape) -> Layout:
    """A C-ordered array at the start of its buffer."""
    return Layout(0, shape, _contiguous_strides(shape))


@lru_cache(maxsize=1024)
def _contiguous_strides(shape: Shape) -> Ints:
    strides = [1] * len(shape)
    for k in reversed(range(len(shape) - 1)):
        strides[k] = strides[k + 1] * max(shape[k + 1], 1)
    return tuple(strides)


def _chained(axes: list[tuple[int, int]]) -> bool:
    """Whether each axis starts where the next one ends, so that together they are one axis."""
    return all(outer[1] == inner[0] * inner[1] for outer, inner in pairwise(axes))
