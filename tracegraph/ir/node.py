"""The graph: immutable nodes, each one operation on whole arrays. This file is all there is to the representation.

An `Op` is one row: everything that the rest of tracegraph knows of an operation. A `Node` applies an op to other nodes.
A `Graph` is a view of the nodes between some inputs and some outputs. A node is equal only to itself; that two nodes
compute the same value is found by the rewriter (`key`), for which `where` does not count.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from tracegraph.ir.aval import Aval
from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ir.printer import format_graph
from tracegraph.ir.where import Where, current_where

__all__ = ["Graph", "Node", "Op", "descendants", "toposort"]

#: ``vjp(ct, node, i)``: the cotangent of input ``i`` of ``node``, given that of its output; None where it is zero.
Vjp = Callable[["Node", "Node", int], "Node | None"]
#: ``batch(inputs, axes, params)``: the node of the op over a leading batch axis of each input that has one.
Batch = Callable[[Sequence["Node"], Sequence[bool], Mapping[str, Any]], "Node"]


class Op:
    """One operation: a row of the table of all operations.

    Called with nodes and parameters, it makes a node: ``add(x, y)``, ``reduce_sum(x, axes=(0,))``.

    Args:
        name: unique; shown in prints, and the name of its scalar function in generated kernels.
        rule: ``rule(*avals, **params) -> Aval``: checks the inputs and gives the shape and dtype of the output.
        reference: ``reference(*arrays, **params) -> array``: the meaning, in NumPy.
        vjp: the derivative rule, or None where the derivative is zero (integer or boolean outputs).
        batch: how the op acts on inputs with a leading batch axis.
        kind: how the compiler takes it: ``"elementwise"``, ``"view"``, ``"reduce"``, ``"leaf"``, ``"opaque"``, or ``"call"``
            for an operation made of graphs, with several results (see `ops.call`).
        loop: format string of its scalar code in a kernel, ``"exp({0})"``; elementwise ops only.
        form: the derivatives and batching of a call, in place of ``vjp`` and ``batch``.
        parts: of an opaque op that NumPy does without Python's lock: ``parts(out, *arrays, count, **params)`` gives about so
            many calls that can run side by side, and together write the result.
    """

    __slots__ = ("batch", "form", "kind", "loop", "name", "parts", "reference", "rule", "vjp")

    def __init__(
        self,
        name: str,
        *,
        rule: Callable[..., Aval],
        reference: Callable[..., Any],
        vjp: Vjp | None = None,
        batch: Batch | None = None,
        kind: str = "opaque",
        loop: str | None = None,
        form: Any = None,
        parts: Callable[..., Sequence[Callable[[], Any]]] | None = None,
    ) -> None:
        self.name = name
        self.rule = rule
        self.reference = reference
        self.vjp = vjp
        self.batch = batch
        self.kind = kind
        self.loop = loop
        self.form = form
        self.parts = parts

    def __call__(self, *inputs: Node, **params: Any) -> Node:
        aval = self.rule(*[node.aval for node in inputs], **params)
        return Node(self, inputs, params, aval, current_where())

    def __repr__(self) -> str:
        return f"Op({self.name})"


_serials = count()


class Node:
    """One operation applied to nodes; or, with a leaf op, an input or a constant.

    Attributes:
        op: the operation.
        inputs: the nodes that it takes.
        params: what else it takes: axes, shapes, dtypes, constants.
        aval: shape and dtype of its value.
        where: the user's line that made it.
        serial: how many nodes were made before it; so it is larger than those of its inputs.
    """

    __slots__ = ("_layout", "aval", "inputs", "op", "params", "serial", "where")

    def __init__(
        self, op: Op, inputs: tuple[Node, ...], params: Mapping[str, Any], aval: Aval, where: Where | None
    ) -> None:
        self.op = op
        self.inputs = inputs
        self.params = params
        self.aval = aval
        self.where = where
        self.serial = next(_serials)
        self._layout: Layout | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.aval.shape

    @property
    def dtype(self) -> np.dtype:
        return self.aval.dtype

    @property
    def base(self) -> Node:
        """What is seen through views; of any other node, itself."""
        node = self
        while node.op.kind == "view":
            (node,) = node.inputs
        return node

    @property
    def layout(self) -> Layout | None:
        """Where its elements lie in the memory of its `base`, which is in C order; None if no strides can say that."""
        if self._layout is None:
            views, node = [], self
            while node.op.kind == "view" and node._layout is None:
                views.append(node)
                (node,) = node.inputs
            if node._layout is None:
                node._layout = contiguous(node.shape)
            layout: Layout | None = node._layout
            for view in reversed(views):
                view._layout = layout = layout and layout.view(view.op.name, view.params)
            return layout
        return self._layout

    def key(self) -> tuple[Any, ...]:
        """Equal for two nodes that compute the same value from the same inputs.

        Inputs are equal only to themselves. So are arrays, because they may change between calls; constants that
        cannot change are equal by their bits (0.0 is not -0.0).
        """
        value = self.params.get("value")
        if value is not None:
            frozen = value.ndim == 0 and not value.flags.writeable
            return (self.op, self.dtype, value.tobytes()) if frozen else (self.op, id(value))
        if self.op.kind == "input":
            return (id(self),)
        return (self.op, *map(id, self.inputs), *sorted(self.params.items()))

    def with_inputs(self, inputs: tuple[Node, ...]) -> Node:
        """The same operation on other inputs of the same avals; the node itself if they are its own."""
        if inputs == self.inputs:
            return self
        return Node(self.op, inputs, self.params, self.aval, self.where)

    def __repr__(self) -> str:
        return f"<{self.op.name} {self.aval}>"


class Graph:
    """The nodes between ``inputs`` and ``outputs``.

    Nodes that are reached from the outputs and are no inputs must be operations or constants; `check` says so.
    """

    __slots__ = ("_nodes", "inputs", "outputs")

    def __init__(self, inputs: Iterable[Node], outputs: Iterable[Node]) -> None:
        self.inputs = tuple(inputs)
        self.outputs = tuple(outputs)
        self._nodes: tuple[Node, ...] | None = None

    @property
    def nodes(self) -> tuple[Node, ...]:
        """All nodes, inputs first, every node after those that it takes; the order is reproducible."""
        if self._nodes is None:
            self._nodes = tuple(toposort(self.outputs, self.inputs))
        return self._nodes

    def splice(self, sources: Sequence[Node]) -> list[Node]:
        """The outputs, computed from other nodes of the same avals in place of the inputs."""
        made = dict(zip(self.inputs, sources, strict=True))
        for node in self.nodes[len(self.inputs) :]:
            inputs = tuple([made[source] for source in node.inputs])
            made[node] = node.with_inputs(inputs)
        return [made[node] for node in self.outputs]

    def users(self) -> dict[Node, list[Node]]:
        """For each node, the nodes that take it (once for each time that it is taken)."""
        users: dict[Node, list[Node]] = {node: [] for node in self.nodes}
        for node in self.nodes[len(self.inputs) :]:
            for source in node.inputs:
                users[source].append(node)
        return users

    def __repr__(self) -> str:
        return format_graph(self)


def toposort(outputs: Sequence[Node], inputs: Sequence[Node] = ()) -> list[Node]:
    """Every node that the outputs need, after the nodes it takes itself. It does not look behind ``inputs``."""
    order = list(dict.fromkeys(inputs))
    done = set(order)
    stack = list(reversed(outputs))
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
        elif done.issuperset(node.inputs):
            stack.pop()
            done.add(node)
            order.append(node)
        else:
            stack.extend([source for source in reversed(node.inputs) if source not in done])
    return order


def descendants(outputs: Sequence[Node], roots: Sequence[Node], inputs: Sequence[Node] = ()) -> list[Node]:
    """Of `toposort(outputs, inputs)`, in the same order, what can depend on the roots: what is not older than all of these.

    So a transform of a part of a large graph takes no longer than that of a small one.
    """
    first = min([root.serial for root in roots], default=math.inf)
    order = list(dict.fromkeys(inputs))
    done = set(order)
    stack = [node for node in reversed(outputs) if node.serial >= first]
    while stack:
        node = stack[-1]
        if node in done:
            stack.pop()
            continue
        waiting = [source for source in node.inputs if source.serial >= first and source not in done]
        if waiting:
            stack.extend(reversed(waiting))
        else:
            stack.pop()
            done.add(node)
            order.append(node)
    return order
