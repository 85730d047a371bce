"""The table of all operations: one row per op, one file per family, each op beside its derivative."""

from collections.abc import Mapping

from tracegraph.ir import Op
from tracegraph.ops import (
    broadcast,
    call,
    control,
    convolution,
    count,
    custom,
    effect,
    elementwise,
    fourier,
    gather,
    leaf,
    linalg,
    pooling,
    product,
    random,
    reduce,
    region,
    scan,
    shape,
    sorting,
    special,
    window,
)  # fmt: skip

__all__ = [
    "ALL", "broadcast", "call", "control", "convolution", "count", "custom", "effect", "elementwise", "fourier", "gather",
    "leaf", "linalg", "pooling", "product", "random", "reduce", "region", "scan", "shape", "sorting", "special", "window",
]  # fmt: skip

FAMILIES = (
    leaf, shape, broadcast, region, elementwise, reduce, product, convolution, gather, scan, special, window, pooling, count,
    sorting, linalg, fourier, random, effect, call, control, custom,
)  # fmt: skip

#: Every operation by its name.
ALL: Mapping[str, Op] = {op.name: op for family in FAMILIES for op in family.OPS}
