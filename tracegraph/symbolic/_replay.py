"""Replaying expressions inside a trace: the values of leaves come in, the value of every expression comes out. Derivatives
are made here, between the nodes of the graph as it is so far; so they may be by any node, and nest without levels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from tracegraph.errors import at
from tracegraph.ir import Graph, Node, located
from tracegraph.ops.broadcast import fill, zeros_like
from tracegraph.ops.elementwise import conj
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import is_float
from tracegraph.rewrite import STABILISE, rewrite
from tracegraph.symbolic._expression import Derivatives, Expression, postorder
from tracegraph.tracing import Placeholder, node_of
from tracegraph.tracing.lift import result
from tracegraph.transforms.autodiff import vjp
from tracegraph.tree import flatten, unflatten

__all__ = ["replay"]


def replay(expressions: Iterable[Expression], leaves: Mapping[Expression, Any]) -> Mapping[Expression, Any]:
    """The value of each of these expressions, and of all that they need, each computed once.

    Args:
        expressions: what to evaluate.
        leaves: placeholders for their inputs, and for parameters.

    What hangs on no placeholder is computed at once, by NumPy, and as quietly as kernels would.

    Raises:
        TypeError: a derivative of what is no float scalar, or by what is no float.
    """
    order = postorder(expressions)
    derivatives = [expression for expression in order if isinstance(expression, Derivatives)]
    probes = {by: each for each in derivatives for by in each.wrt}
    values: dict[Expression, Any] = dict(leaves)
    with np.errstate(all="ignore"):
        for expression in order:
            if isinstance(expression, Derivatives):
                values[expression] = _differentiate(expression, values, probes)
            elif expression not in values:
                values[expression] = expression.evaluate(values)
            if expression in probes:
                values[expression] = _named(expression, values[expression], probes[expression])
    return values


def _named(expression: Expression, value: Any, user: Derivatives) -> Placeholder:
    """The value under a name of its own, which is what keeps nested derivatives apart."""
    node = node_of(value)
    if not is_float(node):
        message = f"grad: {expression.describe()} is {node.aval}; a derivative is by floats or complex numbers"
        raise TypeError(at(message, user.where))
    with located(expression.where):
        named = node if node.op.kind == "input" else identity(node)
    return result(named, is_array=not getattr(value, "is_scalar", False))


def _differentiate(
    derivatives: Derivatives, values: dict[Expression, Any], probes: Iterable[Expression]
) -> list[Placeholder]:
    _stabilise(values, [values[probe].node for probe in probes if probe in values])
    loss = values[derivatives.loss]
    if not isinstance(loss, Placeholder) or loss.shape or loss.dtype.kind != "f":
        aval = loss.node.aval if isinstance(loss, Placeholder) else type(loss).__name__
        message = (
            f"grad: the loss must be a float scalar, {derivatives.loss.describe()} is {aval}; reduce it, for instance "
            "grad(mean(loss), ...), or differentiate one element"
        )
        raise TypeError(at(message, derivatives.where))
    wrt = [values[by].node for by in derivatives.wrt]
    with located(derivatives.where):
        found = vjp([loss.node], [fill(1, (), loss.dtype)], wrt).wrt
        slopes = [zeros_like(node) if ct is None else ct for node, ct in zip(wrt, found, strict=True)]
        slopes = [conj(slope) if slope.dtype.kind == "c" else slope for slope in slopes]
    return [result(slope, is_array=True) for slope in slopes]


def _stabilise(values: dict[Expression, Any], keep: list[Node]) -> None:
    """Puts softmax and its kin into a form whose derivative does not overflow, wherever in the graph they are.

    All values are rewritten together: what is derived from now on and what was computed before stay one graph.
    """
    parts = {expression: flatten(value) for expression, value in values.items()}
    places = [leaf for leaves, _ in parts.values() for leaf in leaves if isinstance(leaf, Placeholder)]
    rewritten = rewrite(Graph((), [place.node for place in places]), STABILISE, keep=keep).outputs
    renewed = {id(place): _renewed(place, node) for place, node in zip(places, rewritten, strict=False)}
    for expression, (leaves, structure) in parts.items():
        values[expression] = unflatten(structure, [renewed.get(id(leaf), leaf) for leaf in leaves])


def _renewed(place: Placeholder, node: Node) -> Placeholder:
    return place if place.node is node else place.fresh(node, place.weak, is_array=not place.is_scalar)
