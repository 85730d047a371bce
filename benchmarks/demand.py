"""What a workload asks of the machine at the least: bytes that must move and multiply-adds that must be done. The share of
the limit is the time that the machine would need for the one or the other, by the time that was needed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.libraries import LIBRARIES, OURS
from benchmarks.limits import Limits
from benchmarks.workload import Arguments, Workload, leaves
from tracegraph.compiler.cost import ADDITION, weight_of
from tracegraph.ir import Graph, Node
from tracegraph.ops import fourier, linalg, sorting

__all__ = ["Demand", "demand_of"]

#: Operations that are bound by neither.
LIBRARY = frozenset(op.name for family in (sorting, linalg, fourier) for op in family.OPS)
#: What moves fewer bytes may stay in the caches from one call to the next.
CACHED = 8e6


class Demand(NamedTuple):
    """Of one call, and the least time that the machine allows for it.

    Attributes:
        bytes: of all arguments and results, once.
        operations: of products and convolutions, a multiply-add counting as two.
        seconds: for the bytes or for the operations, whichever takes longer.
        bound: what is expected to set the time: "memory" or "fma"; "arithmetic" where scalar functions outweigh both by
            the cost model, "library" where LAPACK, an FFT or a sort is in the graph, "cache" for what is small.
    """

    bytes: int
    operations: float
    seconds: float
    bound: str


def demand_of(workload: Workload, args: Arguments, answer: Any, limits: Limits, threads: int) -> Demand:
    """Counted in our graph for these arguments, as it is after the rewriter."""
    count = sum(np.asarray(leaf).nbytes for leaf in (*leaves(args), *leaves(answer)))
    function: Any = LIBRARIES[OURS].prepare(workload)
    nodes = list(_nodes(function.graph(*args), 1))
    memory = count / limits.triad / 1e9
    operations = {node: times * _operations(node) for node, times in nodes}
    products = sum(done / limits.operations(node.dtype) for node, done in operations.items()) / 1e9
    arithmetic = sum(times * _additions(node) for node, times in nodes) * ADDITION * 1e-9 / threads
    bound = _bound(nodes, count, memory, products, arithmetic)
    return Demand(count, sum(operations.values()), max(memory, products), bound)


def _bound(nodes: list[tuple[Node, int]], count: int, memory: float, products: float, arithmetic: float) -> str:
    if any(node.op.name in LIBRARY for node, _ in nodes):
        return "library"
    if products > max(memory, arithmetic):
        return "fma"
    if count < CACHED:
        return "cache"
    return "memory" if memory > arithmetic else "arithmetic"


def _nodes(graph: Graph, times: int) -> Iterable[tuple[Node, int]]:
    """All nodes with how often they are computed; those inside a loop of unknown length count once."""
    for node in graph.nodes:
        yield node, times
        turns = times * (node.params.get("length") or 1)
        for inner in node.params.values():
            for each in inner if isinstance(inner, tuple) else (inner,):
                if isinstance(each, Graph):
                    yield from _nodes(each, turns)


def _operations(node: Node) -> float:
    """Of a product of matrices or a convolution: two for a multiply-add, four times that for complex ones."""
    if node.op.kind != "product" or node.dtype.kind not in "fc":
        return 0
    depth = node.inputs[0].shape[-1] if node.op.name == "matmul" else math.prod(node.inputs[1].shape[2:])
    return 2 * depth * node.aval.size * (4 if node.dtype.kind == "c" else 1)


def _additions(node: Node) -> float:
    """The arithmetic of elementwise work and reductions, in additions."""
    if node.op.kind == "elementwise":
        return weight_of(node) * node.aval.size
    return node.inputs[0].aval.size if node.op.kind == "reduce" else 0
