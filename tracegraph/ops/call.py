"""Operations that are made of graphs and have several results: `call` here, loops and branches in `control`.

The node of such an operation is no array: its value is the tuple of its results, and `result` takes one of them. What
derivatives and batching make of it is its `Form`. A form is handed the transform that calls it, and applies that to the
graphs inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from tracegraph.ir import Aval, Graph, Node, Op
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import Params

__all__ = ["OPS", "TOKEN", "Form", "boxed", "call", "evaluate", "is_call", "pack", "result", "results"]

#: The aval of what is no array: the results of a call together, or an array whose length is known only when it is there.
TOKEN = Aval((), np.dtype(object))

MaybeNodes = Sequence[Node | None]
#: ``vjp(outputs, cts, wrt)``: the cotangents of ``wrt``, None where there is none.
Vjp = Callable[[Sequence[Node], Sequence[Node], Sequence[Node]], list[Node | None]]
#: ``jvp(outputs, wrt, tangents)``: the tangents of the outputs, None where there is none.
Jvp = Callable[[Sequence[Node], Sequence[Node], Sequence[Node]], list[Node | None]]
#: ``batch(graph, size, batched, wanted)``: the graph over a leading batch axis of the inputs that are batched, and which of
#: its outputs have that axis; those that are ``wanted`` do in any case.
Batch = Callable[[Graph, int, Sequence[bool], Sequence[bool]], tuple[Graph, list[bool]]]


class Form(Protocol):
    """What transforms make of a call."""

    def avals(self, node: Node) -> Sequence[Aval]:
        """Of its results."""

    def pullback(self, node: Node, cts: MaybeNodes, wanted: Sequence[bool], vjp: Vjp) -> MaybeNodes:
        """The cotangents of its inputs, as far as they are wanted, given those of its results; None for zero."""

    def pushforward(self, node: Node, tangents: MaybeNodes, jvp: Jvp) -> MaybeNodes:
        """The tangents of its results, given those of its inputs; None for zero."""

    def batched(self, inputs: Sequence[Node], axes: Sequence[bool], params: Params, size: int, batch: Batch) -> Node:
        """A `pack` of its results over a leading batch axis."""


def is_call(node: Node) -> bool:
    return node.op.form is not None


def boxed(value: Any) -> np.ndarray:
    """A value that is no array, as the value of a node whose aval is `TOKEN`."""
    box = np.empty((), object)
    box[()] = value
    return box


def evaluate(graph: Graph, arrays: Sequence[Any]) -> list[Any]:
    """The values of a graph's outputs, by the references of its operations."""
    values = dict(zip(graph.inputs, arrays, strict=True))
    for node in graph.nodes[len(graph.inputs) :]:
        value = node.op.reference(*[values[source] for source in node.inputs], **node.params)
        values[node] = np.asarray(value)
    return [values[node] for node in graph.outputs]


#: One of the results of a call.
result: Op = Op(
    "result",
    rule=lambda node, *, index, aval: aval,
    reference=lambda values, *, index, aval: values[()][index],
    batch=lambda inputs, axes, params: inputs[0].inputs[params["index"]],
    kind="result",
)
#: Nodes as if they were the results of one call.
pack: Op = Op("pack", rule=lambda *avals: TOKEN, reference=lambda *values: boxed(values), kind="pack")


def results(node: Node) -> list[Node]:
    """All results of a call."""
    return [result(node, index=k, aval=aval) for k, aval in enumerate(node.op.form.avals(node))]


class _CallForm:
    """A graph in the place of an operation. With a ``rule``, that says what its derivatives are; without, differentiating it
    computes again what the derivative needs of it, so that nothing inside is kept until then."""

    def avals(self, node: Node) -> Sequence[Aval]:
        return [each.aval for each in node.params["body"].outputs]

    def pullback(self, node: Node, cts: MaybeNodes, wanted: Sequence[bool], vjp: Vjp) -> MaybeNodes:
        rule = node.params["rule"]
        if rule is not None:
            return rule.pullback(node, cts, wanted, vjp)  # type: ignore[no-any-return]
        given = [ct for ct in cts if ct is not None]
        sources = [again(source, given[0]) for source in node.inputs]
        outputs = [each for each, ct in zip(node.params["body"].splice(sources), cts, strict=True) if ct is not None]
        return vjp(outputs, given, sources)

    def pushforward(self, node: Node, tangents: MaybeNodes, jvp: Jvp) -> MaybeNodes:
        rule = node.params["rule"]
        if rule is not None:
            return rule.pushforward(node, tangents, jvp)  # type: ignore[no-any-return]
        sources = [
            identity(source) for source in node.inputs
        ]  # which may depend on each other; their tangents are total
        given = [(source, tangent) for source, tangent in zip(sources, tangents, strict=True) if tangent is not None]
        outputs = node.params["body"].splice(sources)
        return jvp(outputs, [source for source, _ in given], [tangent for _, tangent in given])

    def batched(self, inputs: Sequence[Node], axes: Sequence[bool], params: Params, size: int, batch: Batch) -> Node:
        body, rule = params["body"], params["rule"]
        wide, flags = batch(body, size, axes, [False] * len(body.outputs))
        made = results(call(*inputs, body=wide, rule=None if rule is None else rule.batched(size, tuple(axes))))
        return pack(*[each if flag else expand_leading(each, size) for each, flag in zip(made, flags, strict=True)])


#: A graph as one operation, until nobody differentiates it any more.
call: Op = Op(
    "call",
    rule=lambda *avals, body, rule: TOKEN,
    reference=lambda *arrays, body, rule: boxed(evaluate(body, arrays)),
    kind="call",
    form=_CallForm(),
)


def _again_batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    return again(*inputs) if axes[0] else inputs[0]


#: A value, to be computed anew once another one is there: what is computed from it is not what was computed before.
again: Op = Op(
    "again",
    rule=lambda x, *others: x,
    reference=lambda x, *others: x,
    vjp=lambda ct, node, i: ct if i == 0 else None,
    batch=_again_batch,
    kind="identity",
)

OPS: Sequence[Op] = (result, pack, call, again)
