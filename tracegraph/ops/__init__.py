"""The table of all operations: one row per op, one file per family, each op beside its derivative."""

from collections.abc import Mapping

from tracegraph.ir import Op
from tracegraph.ops import broadcast, elementwise, gather, leaf, linalg, product, reduce, region, shape, sorting

__all__ = [
    "ALL",
    "broadcast",
    "elementwise",
    "gather",
    "leaf",
    "linalg",
    "product",
    "reduce",
    "region",
    "shape",
    "sorting",
]

FAMILIES = (leaf, shape, broadcast, region, elementwise, reduce, product, gather, sorting, linalg)

#: Every operation by its name.
ALL: Mapping[str, Op] = {op.name: op for family in FAMILIES for op in family.OPS}
