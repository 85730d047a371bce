"""Plans the graphs inside of loops and branches, innermost first. A graph comes in, one goes out whose calls know how each
of their graphs is computed, so that the fuser can give them their memory."""

from __future__ import annotations

from tracegraph.compiler.fuse import fuse
from tracegraph.compiler.memory import Plan, plan
from tracegraph.compiler.schedule import schedule
from tracegraph.compiler.sharing import share
from tracegraph.compiler.sweep import sweep
from tracegraph.ir import Graph, Node
from tracegraph.ops.control import branch, loop
from tracegraph.ops.leaf import input_node

__all__ = ["plan_inner"]


def plan_inner(graph: Graph) -> Graph:
    """Graph to Graph: loops and branches get a parameter ``plans``."""
    if not any(node.op in (loop, branch) for node in graph.nodes):
        return graph
    made: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes[len(graph.inputs) :]:
        inputs = tuple([made[source] for source in node.inputs])
        if node.op in (loop, branch):
            plans = tuple(_planned(graph) for graph in _graphs(node))
            made[node] = Node(node.op, inputs, {**node.params, "plans": plans}, node.aval, node.where)
        else:
            made[node] = node.with_inputs(inputs)
    return Graph(graph.inputs, [made[node] for node in graph.outputs])


def _graphs(node: Node) -> tuple[Graph, ...]:
    """The graphs that a call is made of: of a loop its body, and its condition if it has one."""
    if node.op is branch:
        return node.params["branches"]  # type: ignore[no-any-return]
    body, cond = node.params["body"], node.params["cond"]
    body = _overwriting(body, node.params["carries"])
    return (body,) if cond is None else (body, cond)


def _overwriting(body: Graph, carries: int) -> Graph:
    """The body of a loop, whose updates of what it carries may be done in the memory in which that is."""
    place, *others = body.inputs
    carried = [input_node(node.aval, node.where, reuse=k, is_lent=False) for k, node in enumerate(others[:carries])]
    inputs = [place, *carried, *others[carries:]]
    return Graph(inputs, body.splice(inputs))


def _planned(graph: Graph) -> Plan:
    return plan(sweep(share(schedule(fuse(plan_inner(graph))))))
