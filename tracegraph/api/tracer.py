"""A Python function and the signature of its arguments come in, a graph goes out, with what is needed to call it."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.api.signature import Leaf
from tracegraph.errors import TraceError, at
from tracegraph.ir import Graph, Node, Where, located
from tracegraph.ops.leaf import input_node
from tracegraph.tracing import Placeholder, Storage, new_trace, node_of
from tracegraph.tree import Structure, flatten

__all__ = ["Traced", "same_graph", "trace"]


class Traced(NamedTuple):
    """The graph of one function for one signature.

    Attributes:
        graph: outputs are the function's, then the new contents of each argument that it changed in place.
        out_structure: how the function's outputs are nested.
        is_scalar: for each output, whether NumPy gives a number rather than an array.
        changed: the positions of the argument leaves that were changed in place.
        captured: the ids of the arrays from outside that kernels read by reference.
        order_matters: whether the graph is right only for arguments in C order.
    """

    graph: Graph
    out_structure: Structure
    is_scalar: tuple[bool, ...]
    changed: tuple[int, ...]
    captured: frozenset[int]
    order_matters: bool


def trace(call: Callable[[list[Any]], Any], leaves: Sequence[Leaf], where: Where | None) -> Traced:
    """Runs a function on placeholders.

    Args:
        call: calls the user's function, given its argument leaves.
        leaves: what each of them is.
        where: where the function is defined.

    Raises:
        TraceError: the function did something that can't be traced, or returned something that is no array.
    """
    inputs = [input_node(leaf.aval, where, is_number=leaf.weak is float) for leaf in leaves]
    current = new_trace()
    randomness = _global_randomness()
    with located(where), current.open():
        storages = [Storage(node) for node in inputs]
        arguments = [
            Placeholder(current, storage, weak=leaf.weak, is_scalar=leaf.is_scalar)
            for storage, leaf in zip(storages, leaves, strict=True)
        ]
        value = call(list(arguments))
        _check_no_noise(randomness, where)
        if inspect.isgenerator(value) or inspect.iscoroutine(value):
            raise TraceError(at(f"a compiled function returned a {type(value).__name__}; return a list instead", where))
        results, out_structure = flatten(value)
        outputs = [_output(result, where) for result in results]
        is_scalar = tuple(
            result.is_scalar
            if isinstance(result, Placeholder)
            else np.ndim(result) == 0 and not isinstance(result, np.ndarray)
            for result in results
        )
        changed = tuple(k for k, storage in enumerate(storages) if storage.node is not inputs[k])
        outputs += [storages[k].node for k in changed]
    return Traced(Graph(inputs, outputs), out_structure, is_scalar, changed, current.captured, current.order_matters)


def same_graph(one: Graph, other: Graph) -> bool:
    """Whether two traces of a function gave the same graph, reading the same arrays by reference."""
    if len(one.nodes) != len(other.nodes):
        return False
    twin: dict[Node, Node] = {}
    for a, b in zip(one.nodes, other.nodes, strict=True):
        twin[a] = b
        if a.op is not b.op or a.aval != b.aval or [twin[source] for source in a.inputs] != list(b.inputs):
            return False
        if not (a.key() == b.key() if "value" in a.params else a.params == b.params):
            return False
    return [twin[node] for node in one.outputs] == list(other.outputs)


def _global_randomness() -> Any:
    """The state of NumPy's global generator; None if nobody has imported it, which NumPy leaves until it is used."""
    random = sys.modules.get("numpy.random")
    return None if random is None else random.get_state()[1:3]


def _check_no_noise(before: Any, where: Where | None) -> None:
    """Numbers that NumPy's global generator gave would be the same at every later call."""
    after = _global_randomness()
    if before is not None and (before[1] != after[1] or not np.array_equal(before[0], after[0])):
        message = (
            "np.random was drawn from inside a compiled function, which would freeze those numbers; draw them outside and "
            "pass them as an argument, or close over a generator, rng = np.random.default_rng(seed), and draw from that"
        )
        raise TraceError(at(message, where))


def _output(value: Any, where: Where | None) -> Node:
    if isinstance(value, Placeholder):
        return value.node
    if not isinstance(value, (np.ndarray, np.generic, bool, int, float, complex)):
        raise TraceError(
            at(
                f"a compiled function returned {value!r:.60} of {type(value).__name__}; expected arrays, numbers, or "
                "dicts, lists, tuples or dataclasses of them",
                where,
            )
        )
    return node_of(value)
