"""The table of all operations: one row per op, one file per family, each op beside its derivative."""

from collections.abc import Mapping

from tracegraph.ir import Op
from tracegraph.ops import broadcast, count, elementwise, leaf, product, reduce, region, scan, shape, special, window

__all__ = [
    "ALL",
    "broadcast",
    "elementwise",
    "leaf",
    "product",
    "reduce",
    "region",
    "scan",
    "shape",
    "special",
    "window",
]

FAMILIES = (leaf, shape, broadcast, region, elementwise, reduce, product, scan, special, window, count)

#: Every operation by its name.
ALL: Mapping[str, Op] = {op.name: op for family in FAMILIES for op in family.OPS}
