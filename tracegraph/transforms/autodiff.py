"""Derivatives: Graph to Graph. Nodes come in, nodes of the same graph go out; the rules are the ops' own.

`vjp` walks backward from outputs and adds up cotangents; any node can be what one differentiates by. `jvp` is `vjp`
twice: a vector-Jacobian product is linear in its cotangent, and the transpose of that linear map is the Jacobian-vector
product (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tracegraph.ir import Node, current_where, set_where, toposort
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.elementwise import add
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import is_float

__all__ = ["Cotangents", "jvp", "vjp"]


class Cotangents(NamedTuple):
    """What a backward walk found.

    Attributes:
        wrt: the cotangent of each node asked for; None where the outputs do not depend on it.
        of: the cotangent of every node on the way, for pictures that explain derivatives.
    """

    wrt: list[Node | None]
    of: dict[Node, Node]


def vjp(outputs: Sequence[Node], cts: Sequence[Node], wrt: Sequence[Node]) -> Cotangents:
    """The cotangents of the nodes ``wrt``, given those of the outputs. Linear in the number of nodes.

    Args:
        outputs: what is differentiated.
        cts: the cotangent of each output, of its aval.
        wrt: float nodes, inputs or inner ones; where one depends on another, derivatives are total.
    """
    order = toposort(outputs)
    active = _between(order, wrt)
    found: dict[Node, Node] = {}
    for node, ct in zip(outputs, cts, strict=True):
        if node in active:
            found[node] = add(found[node], ct) if node in found else ct
    here = current_where()
    for node in reversed(order):
        if node not in found or node.op.vjp is None:
            continue
        ct = found[node]
        set_where(node.where)
        for i, source in enumerate(node.inputs):
            if source in active:
                part = node.op.vjp(ct, node, i)
                if part is not None:
                    found[source] = add(found[source], part) if source in found else part
    set_where(here)
    return Cotangents([found.get(node) for node in wrt], found)


def jvp(outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]) -> list[Node | None]:
    """The tangents of the outputs, given those of the nodes ``wrt``; None where an output does not depend on them."""
    active = _between(toposort(outputs), wrt)
    floats = [node for node in outputs if node in active]
    probes = [identity(zeros_like(node)) for node in floats]
    pulled = vjp(floats, probes, wrt).wrt
    reached = [(ct, tangent) for ct, tangent in zip(pulled, tangents, strict=True) if ct is not None]
    pushed = vjp([ct for ct, _ in reached], [tangent for _, tangent in reached], probes).wrt
    tangent_of = dict(zip(floats, pushed, strict=True))
    return [tangent_of.get(node) for node in outputs]


def _between(order: Sequence[Node], wrt: Collection[Node]) -> set[Node]:
    """The float nodes through which a derivative by ``wrt`` can flow."""
    active = set(wrt)
    for node in order:
        if is_float(node) and node.op.vjp is not None and any(source in active for source in node.inputs):
            active.add(node)
    return active
