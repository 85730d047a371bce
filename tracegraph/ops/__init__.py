"""The table of all operations: one row per op, one file per family, each op beside its derivative."""

from collections.abc import Mapping

from tracegraph.ir import Op
from tracegraph.ops import broadcast, elementwise, fourier, leaf, linalg, product, reduce, region, shape, sorting

__all__ = [
    "ALL",
    "broadcast",
    "elementwise",
    "fourier",
    "leaf",
    "linalg",
    "product",
    "reduce",
    "region",
    "shape",
    "sorting",
]

FAMILIES = (leaf, shape, broadcast, region, elementwise, reduce, product, sorting, linalg, fourier)

#: Every operation by its name.
ALL: Mapping[str, Op] = {op.name: op for family in FAMILIES for op in family.OPS}
