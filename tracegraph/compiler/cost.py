"""What work costs: rough figures by which the fuser and the scheduler choose. Only ratios matter."""

from __future__ import annotations

from tracegraph.compiler.nest import Apply, Load, Nest, Pick, Store
from tracegraph.ir import Node

__all__ = ["is_bound_by_memory", "nest_nanoseconds", "weight_of"]

#: Arithmetic that a scalar function stands for, in additions; 1 where nothing is said. `benchmarks/costs.py` measures it.
WEIGHTS: dict[str, int] = {
    **dict.fromkeys("divide pick".split(), 8),
    **dict.fromkeys("exp exp2".split(), 9),
    **dict.fromkeys("hypot remainder sqrt".split(), 12),
    **dict.fromkeys("arccos arcsin cosh expm1 log sinh".split(), 15),
    **dict.fromkeys("arctan arctan2 cos log10 log2 sin tanh".split(), 19),
    **dict.fromkeys("cbrt floor_divide log1p sigmoid".split(), 24),
    "tan": 32,
    **dict.fromkeys("arccosh arcsinh arctanh random_bits".split(), 45),
    "power": 60,
}

#: Nanoseconds for one addition of a vectorised loop, and for one element read or written, on one core.
ADDITION = 0.05
TRANSFER = 0.15
#: The same for one element read at indices.
PICK = 1.0
#: And for one byte that is in no cache, while all cores read and write.
FAR_BYTE = 0.07


def weight_of(node: Node) -> int:
    """The cost of a scalar operation in additions: of complex numbers about four times that of reals."""
    weight = WEIGHTS.get(node.op.name, 1)
    for each in (node, *node.inputs):
        if each.aval.dtype.kind == "c":
            return 4 * weight
    return weight


def nest_nanoseconds(nest: Nest) -> float:
    """About how long one core takes for a loop nest."""
    arithmetic, transfers, picks = 0, len(nest.body_stores), 0
    for each in nest.body:
        if isinstance(each, Apply):
            arithmetic += weight_of(each.node)
        elif isinstance(each, Load):
            transfers += 1
        elif isinstance(each, Pick):
            picks += 1
    for store in nest.body_stores:
        picks += bool(store.places)
    return nest.points * (ADDITION * arithmetic + TRANSFER * (transfers or 1) + PICK * picks)


def is_bound_by_memory(nest: Nest) -> bool:
    """Whether a nest without reductions, on arrays that no cache holds, waits for memory rather than for arithmetic."""
    arithmetic = sum(weight_of(each.node) for each in nest.body if isinstance(each, Apply))
    addresses = [each.address for each in (*nest.body, *nest.body_stores) if isinstance(each, (Load, Store, Pick))]
    moved = sum(each.buffer.dtype.itemsize for each in addresses if any(each.strides))
    return ADDITION * arithmetic <= FAR_BYTE * moved
