"""What is simplified about calls as wholes: a graph comes in, one with fewer and smaller loops goes out.

A loop's derivative needs a loop that stacks more than the function's own. Both are of one family, and the one that gives
more takes the other's place. Then each loop is cut down to the carries and stacks that somebody needs. Only for graphs that
nobody differentiates any more.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from tracegraph.ir import Graph, Node, located, toposort
from tracegraph.ops.call import call, result, results
from tracegraph.ops.control import Loop, branch, loop

__all__ = ["share_loops", "simplify_calls"]


def simplify_calls(graph: Graph) -> Graph:
    """An equivalent graph, in which each loop is made once and gives what is needed, inside of others too."""
    if not any(node.op in (loop, branch, call) for node in graph.nodes):
        return graph
    return _pruned(share_loops(_inlined(graph)))


def _inlined(graph: Graph) -> Graph:
    """Calls that nobody differentiates any more are the graphs that they are made of."""
    made: dict[Node, Node] = {node: node for node in graph.inputs}
    bodies: dict[Node, list[Node]] = {}
    for node in graph.nodes[len(graph.inputs) :]:
        inputs = tuple([made[source] for source in node.inputs])
        if node.op is call:
            bodies[node] = _inlined(node.params["body"]).splice(inputs)
            made[node] = node
        elif node.op is result and node.inputs[0] in bodies:
            made[node] = bodies[node.inputs[0]][node.params["index"]]
        else:
            made[node] = node.with_inputs(inputs)
    return Graph(graph.inputs, [made[node] for node in graph.outputs])


# -- loops of one family -----------------------------------------------------------------------------------------------


def share_loops(graph: Graph) -> Graph:
    """An equivalent graph in which, of loops of one family, the one that gives most stands for all."""
    families: dict[Hashable, list[Node]] = {}
    for node in graph.nodes:
        if node.op is loop:
            parts = Loop.of(node)
            base = node.inputs if parts.base is None else tuple(node.inputs[k] for k in parts.base)
            families.setdefault((parts.family, base), []).append(node)
    instead: dict[Node, dict[Hashable, Node]] = {}
    for members in families.values():
        if len(members) > 1:
            instead.update(_replacements(members))
    if not instead:
        return graph

    def meaning(node: Node) -> Node:
        """The result that stands for another."""
        if node.op is not result or node.inputs[0] not in instead:
            return node
        (source,) = node.inputs
        parts = Loop.of(source)
        index = node.params["index"]
        return instead[source][parts.names[index] if index < len(parts.names) else None]

    made: dict[Node, Node] = {node: node for node in graph.inputs}
    stack = list(graph.outputs)
    while stack:
        node = stack[-1]
        if node in made:
            stack.pop()
            continue
        known = meaning(node)
        needed = node.inputs if known is node else (known,)
        waiting = [source for source in needed if source not in made]
        if waiting:
            stack.extend(waiting)
            continue
        stack.pop()
        if known is not node:
            made[node] = made[known]
        else:
            inputs = tuple([made[source] for source in node.inputs])
            made[node] = node.with_inputs(inputs)
    return Graph(graph.inputs, [made[node] for node in graph.outputs])


def _replacements(members: Sequence[Node]) -> dict[Node, dict[Hashable, Node]]:
    """For loops of one family that another stands for: its results by their names, and the number of turns by None.

    The one that stands for others is the one with most inputs: a derivative in forward mode carries more. It stacks what
    they stack besides, and must not depend on any of them.
    """
    main, *others = sorted(members, key=lambda node: (-len(node.inputs), -len(Loop.of(node).names)))
    names = set(Loop.of(main).names)
    reached = set(toposort([main]))
    absorbed = [
        node
        for node in others
        if node not in reached and (Loop.of(node).base is None or names.issuperset(Loop.of(node).names))
    ]
    if not absorbed:
        return {}
    union = _union(main, absorbed)
    return {node: _by_name(union) for node in (*absorbed, *([main] if union is not main else []))}


def _union(main: Node, others: Sequence[Node]) -> Node:
    """The loop that also stacks what others of its family stack, which have no inputs but those of the family."""
    parts = Loop.of(main)
    names, outputs = list(parts.names), list(parts.body.outputs)
    counted = int(parts.turns is not None)
    base = range(len(main.inputs)) if parts.base is None else parts.base
    inputs = [parts.body.inputs[0], *(parts.body.inputs[k - counted + 1] for k in base if k >= counted)]
    for node in others:
        other = Loop.of(node)
        fresh = [k for k, name in enumerate(other.names) if name not in names]
        if fresh:
            gives = other.body.splice(inputs)
            outputs += [gives[k] for k in fresh]
            names += [other.names[k] for k in fresh]
    if len(names) == len(parts.names):
        return main
    return parts._replace(body=Graph(parts.body.inputs, outputs), names=tuple(names)).node()


def _by_name(node: Node) -> dict[Hashable, Node]:
    parts = Loop.of(node)
    made = results(node)
    return {**dict(zip(parts.names, made, strict=False)), None: made[-1]}


# -- what is needed ----------------------------------------------------------------------------------------------------


def _pruned(graph: Graph) -> Graph:
    """Loops and branches that compute what is needed of them, and nothing else."""
    needed: dict[Node, set[int]] = {}
    slim: dict[Node, tuple[Node, dict[int, int]]] = {}
    reached = set(graph.outputs)
    for node in reversed(graph.nodes):
        if node not in reached:
            continue
        inputs = node.inputs
        if node.op is result and node.inputs[0].op in (loop, branch):
            needed.setdefault(node.inputs[0], set()).add(node.params["index"])
        elif node.op in (loop, branch):
            with located(node.where):
                slim[node] = (_slim_loop if node.op is loop else _slim_branch)(node, needed.get(node, set()))
            inputs = slim[node][0].inputs
        reached.update(inputs)
    made: dict[Node, Node] = {node: node for node in graph.inputs}
    for node in graph.nodes[len(graph.inputs) :]:
        if node not in reached:
            continue
        if node in slim:
            new, _ = slim[node]
            made[node] = new.with_inputs(tuple([made[source] for source in new.inputs]))
        elif node.op is result and node.inputs[0] in slim:
            (source,) = node.inputs
            places = slim[source][1]
            with located(node.where):
                made[node] = result(made[source], index=places[node.params["index"]], aval=node.aval)
        else:
            inputs = tuple([made[source] for source in node.inputs])
            made[node] = node.with_inputs(inputs)
    return Graph(graph.inputs, [made[node] for node in graph.outputs])


def _slim_loop(node: Node, needed: set[int]) -> tuple[Node, dict[int, int]]:
    """The loop with the results that are needed, and where each of them is now."""
    parts = Loop.of(node)
    body = simplify_calls(parts.body)
    cond = None if parts.cond is None else simplify_calls(parts.cond)
    carries = parts.carries
    kept = {k for k in needed if k < carries}
    stacks = sorted(k for k in needed if carries <= k < len(parts.names))
    used: set[Node] = set()
    if cond is not None:
        reached = set(toposort(cond.outputs))
        kept |= {k for k in range(carries) if cond.inputs[1 + k] in reached}
    while True:
        used = set(toposort([body.outputs[k] for k in (*sorted(kept), *stacks)]))
        more = {k for k in range(carries) if body.inputs[1 + k] in used} - kept
        if not more:
            break
        kept |= more
    states = sorted(kept)
    elements = [k for k in range(len(parts.stacked)) if body.inputs[1 + carries + k] in used]
    first = 1 + carries + len(parts.stacked)
    by_cond = set() if cond is None else set(toposort(cond.outputs))
    consts = [
        k
        for k in range(len(parts.consts))
        if body.inputs[first + k] in used or (cond is not None and cond.inputs[1 + carries + k] in by_cond)
    ]
    inputs = [
        body.inputs[0],
        *(body.inputs[1 + k] for k in states),
        *(body.inputs[1 + carries + k] for k in elements),
        *(body.inputs[first + k] for k in consts),
    ]
    if cond is not None:
        ahead = [cond.inputs[0], *(cond.inputs[1 + k] for k in states)]
        cond = Graph([*ahead, *(cond.inputs[1 + carries + k] for k in consts)], cond.outputs)
    new = parts._replace(
        body=Graph(inputs, [body.outputs[k] for k in (*states, *stacks)]),
        cond=cond,
        init=tuple(parts.init[k] for k in states),
        stacked=tuple(parts.stacked[k] for k in elements),
        consts=tuple(parts.consts[k] for k in consts),
        names=tuple(parts.names[k] for k in (*states, *stacks)),
        family=object(),
        base=None,
    ).node()
    places = {k: place for place, k in enumerate((*states, *stacks))}
    places[len(parts.names)] = len(places)
    return new, places


def _slim_branch(node: Node, needed: set[int]) -> tuple[Node, dict[int, int]]:
    """The branch with the results and operands that are needed, and where each of those results is now."""
    kept = sorted(needed)
    bodies = [simplify_calls(body) for body in node.params["branches"]]
    outputs = [[body.outputs[k] for k in kept] for body in bodies]
    used = [set(toposort(each)) for each in outputs]
    index, *operands = node.inputs
    some = [
        k for k in range(len(operands)) if any(body.inputs[k] in seen for body, seen in zip(bodies, used, strict=True))
    ]
    branches = tuple(Graph([body.inputs[k] for k in some], each) for body, each in zip(bodies, outputs, strict=True))
    new = branch(index, *(operands[k] for k in some), branches=branches)
    return new, {k: place for place, k in enumerate(kept)}
