"""Derivatives: Graph to Graph. Nodes come in, nodes of the same graph go out; the rules are the ops' own.

`vjp` walks backward from outputs and adds up cotangents; any node can be what one differentiates by. `jvp` walks forward;
what a single operation makes of tangents is the transpose of its vjp, which is linear in its cotangent (J. Townsend, "A new
trick for calculating Jacobian vector products", 2017). Operations that are made of graphs say for themselves what they
make of either (`ops.call`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from tracegraph.ir import Node, current_where, descendants, set_where
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.call import TOKEN, is_call, result
from tracegraph.ops.control import total
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import is_float
from tracegraph.transforms.masks import Masked, plus, pulled, settled

__all__ = ["Cotangents", "jvp", "vjp"]


class Cotangents(NamedTuple):
    """What a backward walk found.

    Attributes:
        wrt: the cotangent of each node asked for; None where the outputs do not depend on it.
        of: the cotangent of every node on the way, for pictures that explain derivatives.
    """

    wrt: list[Node | None]
    of: dict[Node, Masked]


def vjp(outputs: Sequence[Node], cts: Sequence[Node], wrt: Sequence[Node]) -> Cotangents:
    """The cotangents of the nodes ``wrt``, given those of the outputs. Linear in the number of nodes made after those.

    Args:
        outputs: what is differentiated.
        cts: the cotangent of each output, of its aval.
        wrt: float nodes, inputs or inner ones; where one depends on another, derivatives are total.
    """
    order = descendants(outputs, wrt)
    active = _between(order, wrt)
    found: dict[Node, Masked] = {}
    of_results: dict[Node, list[Node | None]] = {}

    def add_to(node: Node, ct: Masked) -> None:
        found[node] = plus(found[node], ct) if node in found else ct

    for node, ct in zip(outputs, cts, strict=True):
        if node in active:
            add_to(node, Masked(ct))
    here = current_where()
    for node in reversed(order):
        set_where(node.where)
        if is_call(node) and node in of_results:
            wanted = [source in active for source in node.inputs]
            parts = node.op.form.pullback(node, of_results[node], wanted, _cotangents)
            for source, part in zip(node.inputs, parts, strict=True):
                if part is not None and source in active:
                    add_to(source, Masked(part))
        elif node in found and node.op is result:
            (source,) = node.inputs
            if source in active:
                cts_of = of_results.setdefault(source, [None] * len(source.op.form.avals(source)))
                index = node.params["index"]
                before, ct = cts_of[index], settled(found[node])
                cts_of[index] = ct if before is None else total(before, ct)
        elif node in found and node.op.vjp is not None:
            for i, source in enumerate(node.inputs):
                if source in active:
                    masked = pulled(found[node], node, i)
                    if masked is not None:
                        add_to(source, masked)
    set_where(here)
    return Cotangents([settled(found[node]) if node in found else None for node in wrt], found)


def jvp(outputs: Sequence[Node], wrt: Sequence[Node], tangents: Sequence[Node]) -> list[Node | None]:
    """The tangents of the outputs, given those of the nodes ``wrt``; None where an output does not depend on them."""
    order = descendants(outputs, wrt)
    active = _between(order, wrt)
    found: dict[Node, Node] = {}
    of_results: dict[Node, Sequence[Node | None]] = {}
    for node, tangent in zip(wrt, tangents, strict=True):
        found[node] = total(found[node], tangent) if node in found else tangent
    here = current_where()
    for node in order:
        if node not in active:
            continue
        set_where(node.where)
        if is_call(node):
            given = [found.get(source) for source in node.inputs]
            if any(each is not None for each in given):
                of_results[node] = node.op.form.pushforward(node, given, jvp)
            continue
        if node.op is result:
            (source,) = node.inputs
            part = of_results[source][node.params["index"]] if source in of_results else None
        else:
            part = _pushed(node, found)
        if part is not None:
            found[node] = total(found[node], part) if node in found else part
    set_where(here)
    return [found.get(node) for node in outputs]


def _pushed(node: Node, tangents: dict[Node, Node]) -> Node | None:
    """The tangent that a node gets from those of its inputs: the transpose of its cotangents' rule."""
    if node.op.vjp is None:
        return None
    probe = identity(zeros_like(node))
    pulled, given = [], []
    for i, source in enumerate(node.inputs):
        part = node.op.vjp(probe, node, i) if source in tangents else None
        if part is not None:
            pulled.append(part)
            given.append(tangents[source])
    return vjp(pulled, given, [probe]).wrt[0] if pulled else None


def _cotangents(outputs: Sequence[Node], cts: Sequence[Node], wrt: Sequence[Node]) -> list[Node | None]:
    return vjp(outputs, cts, wrt).wrt


def _between(order: Sequence[Node], wrt: Collection[Node]) -> set[Node]:
    """The nodes through which a derivative by ``wrt`` can flow."""
    active = set(wrt)
    for node in order:
        if _is_differentiable(node) and any(source in active for source in node.inputs):
            active.add(node)
    return active


def _is_differentiable(node: Node) -> bool:
    if node.aval == TOKEN:
        return True
    return is_float(node) and (node.op.vjp is not None or node.op is result)
