"""`custom`: values whose derivatives are said by somebody else than the operations that they were computed by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tracegraph.ir import Aval, Graph, Node, Op
from tracegraph.ops.broadcast import expand_leading, reduce_sum
from tracegraph.ops.call import TOKEN, Batch, Jvp, MaybeNodes, Vjp, boxed, pack, results
from tracegraph.ops.leaf import input_node, stop_gradient
from tracegraph.ops.rules import Params

__all__ = ["OPS", "CustomRule", "custom", "customised"]


class CustomRule(Protocol):
    """The derivatives of some values by what they are computed from."""

    def pullback(self, sources: Sequence[Node], values: Sequence[Node], cts: MaybeNodes) -> MaybeNodes:
        """The cotangents of what the values are computed from; None for zero."""

    def pushforward(self, sources: Sequence[Node], values: Sequence[Node], tangents: MaybeNodes) -> MaybeNodes:
        """The tangents of the values; None for zero."""


class _CustomForm:
    """The inputs are what the values are computed from, then the values."""

    def avals(self, node: Node) -> Sequence[Aval]:
        return [each.aval for each in node.inputs[node.params["count"] :]]

    def pullback(self, node: Node, cts: MaybeNodes, wanted: Sequence[bool], vjp: Vjp) -> MaybeNodes:
        count = node.params["count"]
        found = node.params["rule"].pullback(node.inputs[:count], results(node), cts)
        return [*found, *[None] * (len(node.inputs) - count)]

    def pushforward(self, node: Node, tangents: MaybeNodes, jvp: Jvp) -> MaybeNodes:
        count = node.params["count"]
        return node.params["rule"].pushforward(node.inputs[:count], results(node), tangents[:count])  # type: ignore[no-any-return]

    def batched(self, inputs: Sequence[Node], axes: Sequence[bool], params: Params, size: int, batch: Batch) -> Node:
        count = params["count"]
        values = [
            each if has_axis else expand_leading(each, size)
            for each, has_axis in zip(inputs[count:], axes[count:], strict=True)
        ]
        rule = _BatchedRule(params["rule"], size, tuple(axes[:count]), batch)
        return pack(*results(custom(*inputs[:count], *values, rule=rule, count=count)))


class _BatchedRule(NamedTuple):
    """A rule for each example of a batch.

    Attributes:
        rule: for one example.
        size: how many there are.
        axes: which of the sources have a leading batch axis; values, their tangents and cotangents do.
        batch: makes a graph of one example one of all.
    """

    rule: CustomRule
    size: int
    axes: tuple[bool, ...]
    batch: Batch

    def pullback(self, sources: Sequence[Node], values: Sequence[Node], cts: MaybeNodes) -> MaybeNodes:
        ones = _Examples()
        found = self.rule.pullback(
            [ones.of(each, has_axis) for each, has_axis in zip(sources, self.axes, strict=True)],
            [ones.of(each, True) for each in values],
            [None if each is None else ones.of(each, True) for each in cts],
        )
        wide = self._all(ones, found)
        return [
            each if each is None or has_axis else reduce_sum(each, axes=(0,))
            for each, has_axis in zip(wide, self.axes, strict=True)
        ]

    def pushforward(self, sources: Sequence[Node], values: Sequence[Node], tangents: MaybeNodes) -> MaybeNodes:
        ones = _Examples()
        given = [
            None if each is None else ones.of(each, has_axis)
            for each, has_axis in zip(tangents, self.axes, strict=True)
        ]
        found = self.rule.pushforward(
            [ones.of(each, has_axis) for each, has_axis in zip(sources, self.axes, strict=True)],
            [ones.of(each, True) for each in values],
            given,
        )
        return self._all(ones, found)

    def _all(self, ones: _Examples, found: MaybeNodes) -> MaybeNodes:
        """What was found for one example, for all."""
        outputs = [each for each in found if each is not None]
        wide, _ = self.batch(Graph(ones.inputs, outputs), self.size, ones.axes, [True] * len(outputs))
        made = iter(wide.splice(ones.wholes))
        return [None if each is None else next(made) for each in found]


class _Examples:
    """Inputs that stand for one example of batched values."""

    def __init__(self) -> None:
        self.inputs: list[Node] = []
        self.wholes: list[Node] = []
        self.axes: list[bool] = []

    def of(self, whole: Node, has_axis: bool) -> Node:
        """The input for a value, which has a batch axis or is the same for all."""
        shape = whole.shape[1:] if has_axis else whole.shape
        self.inputs.append(input_node(whole.aval._replace(shape=shape), whole.where))
        self.wholes.append(whole)
        self.axes.append(has_axis)
        return self.inputs[-1]


custom: Op = Op(
    "custom",
    rule=lambda *avals, rule, count: TOKEN,
    reference=lambda *arrays, rule, count: boxed(arrays[count:]),
    kind="call",
    form=_CustomForm(),
)


def customised(sources: Sequence[Node], values: Sequence[Node], rule: CustomRule) -> list[Node]:
    """Values, whose derivatives by the sources are what the rule says, and by all else zero."""
    return results(custom(*sources, *map(stop_gradient, values), rule=rule, count=len(sources)))


OPS: Sequence[Op] = (custom,)
