"""Functions that are traced as graphs of their own inside an open trace: the bodies of loops and branches.

Such a function may read whatever it sees, and may also change arrays from outside in place; whoever makes an operation of
it finds here what it read and what it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tracegraph.errors import at
from tracegraph.ir import Aval, Graph, Node, toposort
from tracegraph.ops.leaf import input_node, literal
from tracegraph.tracing.lift import node_of
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.trace import Storage, Trace, user_where
from tracegraph.tree import Structure, flatten, unflatten

__all__ = ["Enclosed", "Leaf", "Nested", "closed", "effects_before", "nesting", "placed", "trace_nested"]


class Leaf(NamedTuple):
    """An array or number that goes into such a function or comes out of it.

    Attributes:
        node: its value.
        weak: its class if it is one of Python's numbers.
        is_scalar: whether it is a number, not an array of no axes.
    """

    node: Node
    weak: type | None
    is_scalar: bool

    @staticmethod
    def of(value: Any, what: str) -> Leaf:
        """The leaf of a value; ``what`` it is, for the message if it is none."""
        if isinstance(value, Placeholder):
            return Leaf(value.node, value.weak, value.is_scalar)
        if not isinstance(value, (np.ndarray, np.generic, bool, int, float, complex)):
            message = f"{what} has {value!r:.60} of {type(value).__name__} in it; expected arrays and numbers"
            raise TypeError(at(message, user_where()))
        weak = type(value) if type(value) in (bool, int, float, complex) else None
        return Leaf(node_of(value), weak, not isinstance(value, np.ndarray))

    def inside(self) -> Leaf:
        """A fresh input of the same kind."""
        return self._replace(node=input_node(self.node.aval, user_where()))


class Nested(NamedTuple):
    """What a function gave.

    Attributes:
        leaves: its results.
        structure: how they are nested.
        changed: the memory from outside that it changed, and what that holds then.
        effect: the last of the effects that it has, if any.
    """

    leaves: list[Leaf]
    structure: Structure
    changed: dict[Storage, Node]
    effect: Node | None


def placed(trace: Trace, leaf: Leaf) -> Placeholder:
    """A leaf as the function sees it."""
    return Placeholder(trace, Storage(leaf.node), weak=leaf.weak, is_scalar=leaf.is_scalar)


def trace_nested(
    trace: Trace, call: Callable[[], Any], own: Sequence[Node], carried: Mapping[Storage, Node], token: Node, what: str
) -> Nested:
    """Runs a function, ``call``, as `nesting` says."""
    with nesting(trace, own, carried, token, what) as gathered:
        return gathered(call())


@contextmanager
def nesting(
    trace: Trace, own: Sequence[Node], carried: Mapping[Storage, Node], token: Node, what: str
) -> Iterator[Callable[[Any], Nested]]:
    """For the ``with`` block, in which a function runs, its values are known to nobody outside; at its end memory is as it
    was before. Gives what takes the function's value, still inside, and tells all that it gave.

    Args:
        trace: the open one.
        own: the inputs that are its own.
        carried: memory from outside, and the input that stands for its contents inside.
        token: the input that stands for the effects before it.
        what: the function, for messages.
    """
    before = trace.contents()
    effects, trace.effects = trace.effects, [token]
    for storage, node in carried.items():
        storage.node = node

    def gathered(value: Any) -> Nested:
        results, structure = flatten(value)
        leaves = [Leaf.of(each, f"what {what} returned") for each in results]
        now = {**_borrowed(trace), **before, **carried}
        changed = {storage: storage.node for storage, node in now.items() if storage.node is not node}
        return Nested(leaves, structure, changed, trace.effects[-1] if len(trace.effects) > 1 else None)

    try:
        with trace.inside((*own, *carried.values(), token)):
            yield gathered
    finally:
        for storage, node in {**_borrowed(trace), **before}.items():
            storage.node = node
        trace.effects = effects


def effects_before(trace: Trace) -> Node:
    """What an effect comes after."""
    return trace.effects[-1] if trace.effects else literal(False, np.dtype(bool))


def _borrowed(trace: Trace) -> dict[Storage, Node]:
    return {storage: node for _, node, storage in trace.borrowed.values()}


def closed(outputs: Sequence[Node], own: Sequence[Node]) -> tuple[Graph, list[Node]]:
    """The graph from a function's own inputs, and from all that it reads besides, to its outputs; and what that is.

    What does not depend on its own inputs is computed outside, once; numbers and views are not worth that.
    """
    dependent = set(own)
    reads: dict[Node, None] = {}
    order = toposort(outputs, own)
    for node in order:
        if node not in dependent and any(source in dependent for source in node.inputs):
            dependent.add(node)
    needed = [source for node in order if node in dependent for source in node.inputs]
    for node in dict.fromkeys([*needed, *outputs]):
        if node not in dependent and node.base.op.kind != "leaf":
            reads[node.base] = None
    fresh = [input_node(node.aval, node.where) for node in reads]
    boundary = [*own, *reads]
    return Graph([*own, *fresh], Graph(boundary, outputs).splice([*own, *fresh])), list(reads)


class Enclosed:
    """Functions that are traced with an input in the place of all memory that there is: whatever they compute is theirs.

    Args:
        trace: the open one.
        calls: each calls one of the functions.
        what: the functions, for messages.

    Attributes:
        found: what each of them gave.
    """

    def __init__(self, trace: Trace, calls: Sequence[Callable[[], Any]], what: str) -> None:
        where = user_where()
        self._trace = trace
        self._outside = trace.contents()
        self._inputs = {storage: input_node(node.aval, where) for storage, node in self._outside.items()}
        self._token = input_node(Aval((), np.dtype(bool)), where)
        self.found = [trace_nested(trace, call, [], self._inputs, self._token, what) for call in calls]
        self._changed = list(dict.fromkeys(storage for each in self.found for storage in each.changed))
        self._prints = any(each.effect is not None for each in self.found)

    def graphs(self, results: Sequence[Sequence[Node]]) -> tuple[list[Graph], list[Node]]:
        """A graph for each function, from the same inputs to its results, to all memory that one of them changed, and to
        their effects; and what those inputs are."""
        outputs: list[Node] = []
        for each, nodes in zip(self.found, results, strict=True):
            memory = [each.changed.get(it, self._inputs.get(it, it.node)) for it in self._changed]
            outputs += [*nodes, *memory, *([each.effect or self._token] if self._prints else [])]
        own = [*self._inputs.values(), self._token]
        sources = [*self._outside.values(), effects_before(self._trace)]
        body, reads = closed(outputs, own)
        reached = set(toposort(body.outputs))
        used = [k for k, node in enumerate(own) if node in reached]
        inputs = [*(own[k] for k in used), *body.inputs[len(own) :]]
        width = len(outputs) // len(self.found)
        graphs = [Graph(inputs, body.outputs[at : at + width]) for at in range(0, len(outputs), width)] if width else []
        return graphs or [Graph(inputs, []) for _ in self.found], [*(sources[k] for k in used), *reads]

    def settle(self, values: Sequence[Node], leaves: Sequence[Leaf]) -> Any:
        """What a graph gave, as the functions' result of these leaves; puts what it gave besides where it belongs."""
        for storage, value in zip(self._changed, values[len(leaves) :], strict=False):
            storage.node = value
        if self._prints:
            self._trace.effects.append(values[-1])
        results = [placed(self._trace, leaf._replace(node=value)) for leaf, value in zip(leaves, values, strict=False)]
        return unflatten(self.found[0].structure, results)
