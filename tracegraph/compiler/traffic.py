"""What a kernel has to do at the least: bytes between it and memory, and arithmetic. A kernel comes in, numbers go out."""

from __future__ import annotations

import math
from collections.abc import Container, Sequence
from typing import NamedTuple

import numpy as np

from tracegraph.compiler.cost import weight_of
from tracegraph.compiler.kernel import CallKernel, Kernel, LibraryKernel, NestKernel, PhaseKernel
from tracegraph.compiler.nest import Address, Apply, Load, Nest, Pick
from tracegraph.ir import Node, Where

__all__ = ["Traffic", "in_all", "lines_of", "traffic_of"]


class Traffic(NamedTuple):
    """What a kernel does in one call.

    Attributes:
        nbytes: what it reads and writes: each element once, however often it is met.
        operations: multiplications and additions; other functions count as many as they take the time of.
        slots: how many of those a processor would issue that does a multiplication and an addition at once.
        dtype: what it computes with.
    """

    nbytes: float
    operations: float
    slots: float
    dtype: np.dtype


def traffic_of(kernel: Kernel, near: Container[Node] = ()) -> Traffic:
    """The traffic of one call, but for buffers that never leave the cache. Of a step of NumPy only what goes in and out is
    known; a branch counts as its largest way."""
    if isinstance(kernel, NestKernel):
        return _of_nest(kernel.nest, near)
    if isinstance(kernel, CallKernel):
        return _of_call(kernel)
    node = kernel.node
    if isinstance(kernel, LibraryKernel) and kernel.packs and kernel.packed is not None:
        return Traffic(2.0 * _bytes(kernel.packed), 0.0, 0.0, node.dtype)
    if isinstance(kernel, PhaseKernel):
        nbytes = sum(_bytes(each) for each in (*kernel.reads, *kernel.writes))
        return Traffic(nbytes, float(node.aval.size), float(node.aval.size), node.dtype)
    read = sum(min(_bytes(operand.base), math.prod(_shape(kernel, k)) * operand.base.dtype.itemsize)
               for k, operand in enumerate(kernel.operands))  # fmt: skip
    terms = 0.0
    if kernel.is_contraction:
        m, n, k = kernel.contraction.extents
        terms = float(math.prod(level.extent for level in kernel.contraction.batch) * m * n * k)
    elif kernel.is_product:
        terms = float(node.aval.size * kernel.operands[0].layout().shape[-1])  # type: ignore[union-attr]
    scale = 4 if node.dtype.kind == "c" else 1
    operations = 2 * terms * scale if terms else 0.0
    return Traffic(read + node.aval.nbytes, operations, terms * scale or operations, node.dtype)


def _shape(kernel: LibraryKernel, k: int) -> tuple[int, ...]:
    layout = kernel.operands[k].layout()
    return () if layout is None else tuple(n for n, by in zip(layout.shape, layout.strides, strict=True) if by)


def _bytes(node: Node) -> int:
    return node.aval.nbytes


def _of_nest(nest: Nest, near: Container[Node]) -> Traffic:
    read: dict[Node, float] = {}
    written: dict[Node, float] = {}

    def note(met: dict[Node, float], address: Address, is_random: bool) -> None:
        extents = [axis.extent for axis, by in zip(nest.axes, address.strides, strict=True) if by or is_random]
        met[address.buffer] = met.get(address.buffer, 0) + math.prod(extents) * address.buffer.dtype.itemsize

    for each in (*nest.body, *nest.epilogue):
        if isinstance(each, (Load, Pick)):
            note(read, each.address, isinstance(each, Pick))
    for store in (*nest.body_stores, *nest.stores):
        note(written, store.address, bool(store.places))
    nbytes = sum(min(count, _bytes(node)) for met in (read, written) for node, count in met.items() if node not in near)
    kept = math.prod(nest.axes[k].extent for k in nest.kept)
    body, after = (
        sum(weight_of(each.node) for each in side if isinstance(each, Apply)) for side in (nest.body, nest.epilogue)
    )
    operations = float(nest.points * (body + len(nest.folds)) + kept * after)
    floats = [node.dtype for node in (*read, *written) if node.dtype.kind in "fc"]
    dtype = max(floats, key=lambda each: each.itemsize, default=np.dtype(float))
    return Traffic(nbytes, operations, operations, dtype)


def _of_call(kernel: CallKernel) -> Traffic:
    sums = [in_all(list(map(traffic_of, plan.schedule.kernels))) for plan in kernel.plans]
    if kernel.node.op.name == "branch":
        return max(sums, key=lambda each: each.nbytes)
    return in_all(sums, kernel.node.params["length"] or 1)


def in_all(parts: Sequence[Traffic], times: int = 1) -> Traffic:
    """The sum of several calls, so many times."""
    return Traffic(
        times * sum(each.nbytes for each in parts),
        times * sum(each.operations for each in parts),
        times * sum(each.slots for each in parts),
        parts[0].dtype if parts else np.dtype(float),
    )


def lines_of(kernel: Kernel) -> tuple[Where, ...]:
    """The user's lines that made the nodes of a kernel, in order."""
    if isinstance(kernel, NestKernel):
        stores = [store.address.buffer for store in (*kernel.nest.body_stores, *kernel.nest.stores)]
        nodes = [*kernel.nest.nodes, *(stores if not kernel.nest.nodes else ())]
    else:
        nodes = [kernel.node]
    return tuple(sorted({node.where for node in nodes if node.where is not None}))
