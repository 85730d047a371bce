"""What a turn of a loop computes of the state that it leaves, and the next turn again of the state that it finds, is handed
on instead: it becomes a carry. Leapfrog steps with a force at each end take one force a turn so, and what is computed of
the last few values of a series is computed once for each. Only for graphs that nobody differentiates any more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracegraph.ir import Graph, Node
from tracegraph.ops.call import result
from tracegraph.ops.control import Loop
from tracegraph.ops.leaf import input_node
from tracegraph.rewrite.engine import rewrite

__all__ = ["handed_on", "merged"]

#: Operations that each element that is handed on must save: to write it and read it again takes time too.
LEAST_SAVED = 16


def merged(parts: Loop) -> Loop:
    """The loop with each of its constants once."""
    consts = tuple(dict.fromkeys(parts.consts))
    if len(consts) == len(parts.consts):
        return parts
    firsts = [parts.consts.index(each) for each in consts]
    return parts._replace(
        body=_with_each_once(parts.body, parts.consts, firsts),
        cond=parts.cond and _with_each_once(parts.cond, parts.consts, firsts),
        consts=consts,
    )


def _with_each_once(graph: Graph, consts: Sequence[Node], firsts: Sequence[int]) -> Graph:
    """A graph whose last inputs are given as constants, some more than once; and which of them remain."""
    ahead, given = graph.inputs[: -len(consts)], graph.inputs[-len(consts) :]
    instead = [given[consts.index(each)] for each in consts]
    return Graph([*ahead, *(given[k] for k in firsts)], graph.splice([*ahead, *instead]))


def handed_on(parts: Loop) -> Loop:
    """The loop with more carries, behind its own ones, and less to do."""
    if parts.length is None or parts.length < 2:
        return parts
    body = rewrite(parts.body, ())
    later = _later(body, parts)
    chosen = _chosen(body, later)
    if not chosen:
        return parts
    fresh = [input_node(node.aval, node.where) for node in chosen]
    first = parts.carries
    state, rest = body.inputs[: 1 + first], body.inputs[1 + first :]
    outputs = Graph([*body.inputs, *chosen], [*body.outputs, *(later[node] for node in chosen)]).splice(
        [*body.inputs, *fresh]
    )
    last = len(body.outputs)
    start = Graph([*parts.carry_inputs, *parts.const_inputs], chosen).splice([*parts.init, *parts.consts])
    return parts._replace(
        body=Graph([*state, *fresh, *rest], [*outputs[:first], *outputs[last:], *outputs[first:last]]),
        init=(*parts.init, *start),
        names=(*parts.names[:first], *fresh, *parts.names[first:]),
    )


def _later(body: Graph, parts: Loop) -> dict[Node, Node]:
    """For what depends on the state and constants alone: what this turn has that the next will compute there."""
    known = {node.key(): node for node in body.nodes}
    later = dict(zip(parts.carry_inputs, body.outputs, strict=False))
    later.update((node, node) for node in parts.const_inputs)
    for node in body.nodes[len(body.inputs) :]:
        if node.op.form is not None or node.op is result or any(source not in later for source in node.inputs):
            continue
        found = known.get(node.with_inputs(tuple([later[source] for source in node.inputs])).key())
        if found is not None:
            later[node] = found
    return later


def _chosen(body: Graph, later: Mapping[Node, Node]) -> list[Node]:
    """What is handed on: of all that could be, the last of what leads to the rest, as far as that saves enough."""
    free = {node for node in body.nodes[len(body.inputs) :] if node in later and later[node] is not node}
    needed = {source for node in body.nodes if node not in free for source in node.inputs}
    wanted = {node.base for node in (*needed, *body.outputs) if node.base in free}
    chosen: dict[Node, None] = {}
    for root in (node for node in body.nodes if node in wanted):
        saved, seen, stack = 0, {root}, [root]
        while stack:
            node = stack.pop()
            saved += _work(node)
            for source in node.inputs:
                if source in free and source not in seen and source not in wanted:
                    seen.add(source)
                    stack.append(source)
        if saved > LEAST_SAVED * root.aval.size:
            chosen[root] = None
    return list(chosen)


def _work(node: Node) -> int:
    """About how many operations on elements a node stands for, at least."""
    if node.op.kind in ("view", "leaf", "identity"):
        return 0
    return node.aval.size if node.op.kind == "elementwise" else sum(each.aval.size for each in (node, *node.inputs))
