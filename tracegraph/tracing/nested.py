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
from tracegraph.ops.leaf import input_node, literal, stop_gradient
from tracegraph.tracing.lift import node_of
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.trace import Storage, Trace, user_where
from tracegraph.tree import Structure, flatten, unflatten

__all__ = [
    "WEAK",
    "Enclosed",
    "Leaf",
    "Nested",
    "closed",
    "common",
    "effects_before",
    "nesting",
    "placed",
    "takes",
    "trace_nested",
    "unknown",
    "used_of",
]  # fmt: skip


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


WEAK = (bool, int, float, complex)


def takes(dtype: np.dtype, weak: type) -> bool:
    """Whether one of Python's numbers takes the dtype of an array that it meets."""
    return WEAK.index(weak) <= {"b": 0, "i": 1, "u": 1, "f": 2, "c": 3}[dtype.kind]


def common(column: Sequence[Leaf]) -> Leaf | None:
    """What the results of all branches at one place can be; None if they have nothing in common."""
    first, *_ = strong = [leaf for leaf in column if leaf.weak is None] or [
        max(column, key=lambda leaf: WEAK.index(leaf.weak or complex))
    ]
    dtype = first.node.dtype
    fits = all(
        leaf.node.shape == first.node.shape
        and (leaf.node.dtype == dtype or (leaf.weak is not None and takes(dtype, leaf.weak)))
        for leaf in column
    )
    if not fits:
        return None
    return first._replace(is_scalar=all(leaf.is_scalar for leaf in strong))


def unknown(trace: Trace, value: bool | int | float) -> Placeholder:
    """One of Python's numbers as one that is only known when the function runs."""
    leaf = Leaf.of(value, "a number")
    node = stop_gradient(leaf.node)
    trace.hide(node)
    return placed(trace, leaf._replace(node=node))


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


def used_of(body: Graph, reads: Sequence[Node], sources: Sequence[Node]) -> tuple[Graph, list[Node]]:
    """A graph that `closed` gave without the inputs that it does not need, and what the others are, given what its own
    inputs are."""
    reached = set(toposort(body.outputs))
    pairs = [(node, source) for node, source in zip(body.inputs, [*sources, *reads], strict=True) if node in reached]
    return Graph([node for node, _ in pairs], body.outputs), [source for _, source in pairs]


class Enclosed:
    """Functions that are traced with an input in the place of all memory that there is: whatever they compute is theirs.

    Args:
        trace: the open one.
        what: the functions, for messages.

    Attributes:
        found: what each of them gave.
    """

    def __init__(self, trace: Trace, what: str) -> None:
        where = user_where()
        self._trace = trace
        self._what = what
        self._outside = trace.contents()
        self._inputs = {storage: input_node(node.aval, where) for storage, node in self._outside.items()}
        self._token = input_node(Aval((), np.dtype(bool)), where)
        for storage, node in self._outside.items():
            trace.spans.stand(self._inputs[storage], node)
        self.found: list[Nested] = []

    def run(self, call: Callable[[], Any]) -> None:
        """Runs one of the functions."""
        with self.inside() as gathered:
            gathered(call())

    @contextmanager
    def inside(self) -> Iterator[Callable[[Any], Nested]]:
        """For the ``with`` block, in which one of the functions runs; gives what takes its value."""
        with nesting(self._trace, [], self._inputs, self._token, self._what) as gathered:

            def kept(value: Any) -> Nested:
                self.found.append(gathered(value))
                return self.found[-1]

            yield kept

    @property
    def inputs(self) -> list[Node]:
        """What the functions take."""
        return [*self._inputs.values(), self._token]

    @property
    def sources(self) -> list[Node]:
        """What that is."""
        return [*self._outside.values(), effects_before(self._trace)]

    def outputs(self, results: Sequence[Sequence[Node]]) -> list[list[Node]]:
        """For each function its results, all memory that one of them changed, and their effects."""
        prints = any(each.effect is not None for each in self.found)
        made = []
        for each, nodes in zip(self.found, results, strict=True):
            memory = [each.changed.get(it, self._inputs.get(it, it.node)) for it in self._changed]
            made.append([*nodes, *memory, *([each.effect or self._token] if prints else [])])
        return made

    def graphs(self, results: Sequence[Sequence[Node]]) -> tuple[list[Graph], list[Node]]:
        """A graph for each function, from the same inputs to its `outputs`; and what those inputs are."""
        every = self.outputs(results)
        body, sources = used_of(*closed([node for outputs in every for node in outputs], self.inputs), self.sources)
        width = len(every[0])
        graphs = [Graph(body.inputs, body.outputs[at : at + width]) for at in range(0, len(every) * width, width or 1)]
        return graphs or [Graph(body.inputs, []) for _ in every], sources

    def settle(self, values: Sequence[Node], leaves: Sequence[Leaf]) -> Any:
        """What a graph gave, as the functions' result of these leaves; puts what it gave besides where it belongs."""
        changed = self._changed
        for storage, value in zip(changed, values[len(leaves) :], strict=False):
            storage.node = value
        if len(values) > len(leaves) + len(changed):
            self._trace.effects.append(values[-1])
        results = [placed(self._trace, leaf._replace(node=value)) for leaf, value in zip(leaves, values, strict=False)]
        return unflatten(self.found[0].structure, results)

    @property
    def _changed(self) -> list[Storage]:
        return list(dict.fromkeys(storage for each in self.found for storage in each.changed))
