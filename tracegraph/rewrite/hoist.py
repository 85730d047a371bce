"""Work that need not be done turn by turn leaves the loop. A graph comes in, one goes out in which

* what depends on constants only is computed once, before the loop;
* a product of an element and constants is one product over all turns, before the loop;
* a sum of products over the turns, such as the derivative by a matrix, is one product, behind the loop;
* what two turns would compute alike is computed by the first of them (`turns`).

Large products use the machine better than many small ones. Only for graphs that nobody differentiates any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tracegraph.ir import Graph, Node, located, set_where, toposort
from tracegraph.ops.broadcast import reduce_sum
from tracegraph.ops.call import result, results
from tracegraph.ops.control import Loop, branch, loop
from tracegraph.ops.elementwise import add
from tracegraph.ops.leaf import input_node
from tracegraph.ops.product import matmul
from tracegraph.ops.rules import is_float
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.rewrite.turns import handed_on, merged

__all__ = ["hoist"]

#: How much larger than what it is computed from a value may be that is kept for all turns.
MOST_GROWTH = 16


def hoist(graph: Graph) -> Graph:
    """An equivalent graph whose loops do less."""
    if not any(node.op in (loop, branch) for node in graph.nodes):
        return graph
    made: dict[Node, Node] = {node: node for node in graph.inputs}
    given: dict[Node, list[Node]] = {}
    for node in graph.nodes[len(graph.inputs) :]:
        inputs = tuple([made[source] for source in node.inputs])
        if node.op is result and node.inputs[0] in given:
            made[node] = given[node.inputs[0]][node.params["index"]]
            continue
        new = node.with_inputs(inputs)
        if node.op is branch:
            params = {**node.params, "branches": tuple(map(hoist, node.params["branches"]))}
            new = Node(branch, new.inputs, params, node.aval, node.where)
        elif node.op is loop:
            with located(node.where):
                given[node] = _hoisted(Loop.of(new))
        made[node] = new
    return Graph(graph.inputs, [made[node] for node in graph.outputs])


def _hoisted(parts: Loop) -> list[Node]:
    """The results of a loop, what can be done outside of it done there."""
    parts = merged(parts)
    carries = parts.carries
    parts = handed_on(_before(parts._replace(body=hoist(parts.body))))
    made = _behind(parts) if parts.length is not None and parts.length > 1 else results(parts.node())
    return [*made[:carries], *made[parts.carries :]]


# -- before the loop ---------------------------------------------------------------------------------------------------


def _before(parts: Loop) -> Loop:
    """A loop that gets as constants and as stacked inputs what depends on nothing else."""
    body = parts.body
    turning = {body.inputs[0], *parts.carry_inputs}
    elements = set(parts.element_inputs)
    outside: dict[Node, Node] = dict(zip(parts.const_inputs, parts.consts, strict=True))
    # Not out of a loop around another: that may be one over segments, which is there to keep little at a time.
    is_inmost = not any(node.op is loop for node in body.nodes)
    is_stacked = is_inmost and parts.length is not None and parts.length > 1
    over_turns: dict[Node, Node] = dict(zip(parts.element_inputs, parts.stacked, strict=True)) if is_stacked else {}
    needed_before: set[Node] = set()
    for node in body.nodes[len(body.inputs) :]:
        if any(source in turning for source in node.inputs) or node.op.form is not None or node.op is result:
            turning.add(node)
        elif any(source in elements for source in node.inputs):
            elements.add(node)
            if _is_product(node) and _growth(node) <= MOST_GROWTH and is_stacked:
                needed_before.add(node)
    moved = _outermost(body, turning, elements, needed_before)
    if not moved:
        return parts
    fresh: dict[Node, Node] = {}
    consts, stacked = list(parts.consts), list(parts.stacked)
    const_inputs, element_inputs = list(parts.const_inputs), list(parts.element_inputs)
    for node in moved:
        fresh[node] = input_node(node.aval, node.where)
        if node in elements:
            stacked.append(_over_turns(node, over_turns, outside, parts.length or 0))
            element_inputs.append(fresh[node])
        else:
            consts.append(_once(node, outside))
            const_inputs.append(fresh[node])
    ahead = [body.inputs[0], *parts.carry_inputs]
    boundary = [*ahead, *parts.element_inputs, *parts.const_inputs, *fresh]
    outputs = Graph(boundary, body.outputs).splice([*boundary[: len(body.inputs)], *fresh.values()])
    cond = parts.cond
    if cond is not None:
        extra = [input_node(each.aval) for each in consts[len(parts.consts) :]]
        cond = Graph([*cond.inputs, *extra], cond.outputs)
    return parts._replace(
        body=Graph([*ahead, *element_inputs, *const_inputs], outputs),
        cond=cond,
        stacked=tuple(stacked),
        consts=tuple(consts),
    )


def _is_product(node: Node) -> bool:
    return node.op is matmul and is_float(node)


def _growth(node: Node) -> float:
    return node.aval.size / max(min(source.aval.size for source in node.inputs), 1)


def _outermost(body: Graph, turning: set[Node], elements: set[Node], products: set[Node]) -> list[Node]:
    """What is computed before the loop and needed in it: products over elements, and whatever takes constants only."""
    inputs = set(body.inputs)
    found: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = list(body.outputs)
    while stack:
        node = stack.pop()
        if node in seen or node in inputs:
            continue
        seen.add(node)
        is_constant = node not in turning and node not in elements
        if node in products or (is_constant and _is_work(node)):
            found[node] = None
        else:
            stack.extend(node.inputs)
    return list(found)


def _is_work(node: Node) -> bool:
    """Whether a value is computed, not only seen in another way or written down."""
    return node.op.kind not in ("leaf", "view", "input") and not _is_literal(node)


def _is_literal(node: Node) -> bool:
    """Whether a value depends on nothing at all."""
    return all(each.op.kind in ("leaf", "view") for each in toposort([node]))


def _once(root: Node, outside: dict[Node, Node]) -> Node:
    """A node over constants, computed outside."""
    for node in toposort([root], [each for each in outside if each.op.kind == "input"]):
        if node not in outside:
            outside[node] = (
                node.with_inputs(tuple([outside[source] for source in node.inputs])) if node.inputs else node
            )
    return outside[root]


def _over_turns(root: Node, stacks: dict[Node, Node], outside: dict[Node, Node], length: int) -> Node:
    """A node over elements, computed for all turns at once along a leading axis."""
    inputs = [each for each in (*stacks, *outside) if each.op.kind == "input"]
    for node in toposort([root], inputs):
        if node in stacks or node in outside:
            continue
        axes = [source in stacks for source in node.inputs]
        if not any(axes):
            _once(node, outside)
            continue
        sources = [stacks.get(source) or _once(source, outside) for source in node.inputs]
        set_where(node.where)
        assert node.op.batch is not None, "what is stacked has a batching rule"
        stacks[node] = node.op.batch(sources, axes, node.params)
    return stacks[root]


# -- behind the loop ---------------------------------------------------------------------------------------------------


class _Sum(NamedTuple):
    """A carry that only adds up: its number, and the terms that are added at each turn."""

    carry: int
    terms: list[Node]


def _behind(parts: Loop) -> list[Node]:
    """The results of a loop, with sums of products taken after it."""
    length = parts.length
    assert length is not None, "only what a loop of known length stacks can be read outside"
    sums = _sums(parts)
    kept = list(dict.fromkeys(base for each in sums for term in each.terms for base in _operands(term)))
    if not kept:
        return results(parts.node())
    known = dict(zip(parts.element_inputs, parts.stacked, strict=True))
    fresh = [node for node in kept if node not in known]
    dropped = {each.carry for each in sums}
    carries = [k for k in range(parts.carries) if k not in dropped]
    ahead = [parts.body.inputs[0], *(parts.carry_inputs[k] for k in carries)]
    outputs = [*(parts.body.outputs[k] for k in carries), *parts.body.outputs[parts.carries :], *fresh]
    body = Graph([*ahead, *parts.element_inputs, *parts.const_inputs], outputs)
    made = results(
        parts._replace(
            body=body,
            init=tuple(parts.init[k] for k in carries),
            names=(*(parts.names[k] for k in carries), *parts.names[parts.carries :], *fresh),
        ).node()
    )
    first = len(carries) + parts.stacks
    stacks = {**known, **dict(zip(fresh, made[first:], strict=True))}
    answer: dict[int, Node] = dict(zip(carries, made, strict=False))
    for carry, terms in sums:
        total = parts.init[carry]
        for term in terms:
            total = add(total, _summed(term, stacks, length))
        answer[carry] = total
    return [*(answer[k] for k in range(parts.carries)), *made[len(carries) : first]]


def _sums(parts: Loop) -> list[_Sum]:
    """The carries that are nothing but sums of products, or of what is stacked for products anyway."""
    if parts.cond is not None:
        return []
    uses = Counter(source for node in parts.body.nodes[len(parts.body.inputs) :] for source in node.inputs)
    uses.update(parts.body.outputs)
    found = []
    for k, (state, out) in enumerate(zip(parts.carry_inputs, parts.body.outputs, strict=False)):
        terms = _terms(out, state, uses)
        if terms and uses[state] == 1 and uses[out] == 1 and is_float(state):
            found.append(_Sum(k, terms))
    chosen = [each for each in found if all(_pays(term) for term in each.terms)]
    stacked = {base for each in chosen for term in each.terms for base in _operands(term)}
    stacked.update(parts.element_inputs)
    chosen += [
        each
        for each in found
        if each not in chosen and all(_pays(term) or _is_within(_operands(term), stacked) for term in each.terms)
    ]
    return chosen if any(_pays(term) for each in chosen for term in each.terms) else []


def _is_within(operands: Sequence[Node], stacked: set[Node]) -> bool:
    return bool(operands) and stacked.issuperset(operands)


def _terms(out: Node, state: Node, uses: Mapping[Node, int]) -> list[Node]:
    """What is added to a carry; nothing if anything else is done with it."""
    terms: list[Node] = []
    has_state = False
    stack = [out]
    while stack:
        node = stack.pop()
        if node is state:
            has_state = True
        elif node.op is add and (node is out or uses[node] == 1):
            stack.extend(node.inputs)
        else:
            terms.append(node)
    return terms if has_state else []


def _views(node: Node) -> tuple[Node, list[Node]]:
    """What a value is a view of, and the views on the way, the last one first."""
    views = []
    while node.op.name in ("transpose", "reshape"):
        views.append(node)
        (node,) = node.inputs
    return node, views


def _operands(term: Node) -> list[Node]:
    """What of each turn is needed to add up a term afterwards; nothing if it is no term of that kind."""
    base, _ = _views(term)
    if base.op is matmul and base.aval.ndim == 2:
        return [_views(source)[0] for source in base.inputs]
    return [_views(base.inputs[0])[0]] if base.op is reduce_sum else []


def _pays(term: Node) -> bool:
    """Whether the operands of a product are smaller than the product that need not be written at each turn."""
    base, _ = _views(term)
    operands = _operands(term)
    return base.op is matmul and bool(operands) and sum(each.aval.size for each in operands) <= 2 * term.aval.size


def _summed(term: Node, stacks: Mapping[Node, Node], length: int) -> Node:
    """A term, added up over all turns."""
    base, views = _views(term)
    if base.op is matmul:
        x, y = (_stack(source, stacks, length) for source in base.inputs)
        (m, k), n = base.inputs[0].shape, base.shape[1]
        rows = reshape_to(transpose(x, axes=(1, 0, 2)), (m, length * k))
        total = matmul(rows, reshape_to(y, (length * k, n)))
    else:
        whole = _stack(base.inputs[0], stacks, length)
        total = reduce_sum(whole, axes=(0, *(axis + 1 for axis in base.params["axes"])))
    for view in reversed(views):
        total = view.with_inputs((total,))
    return total


def _stack(node: Node, stacks: Mapping[Node, Node], length: int) -> Node:
    """A value for all turns, along a leading axis."""
    base, views = _views(node)
    whole = stacks[base]
    for view in reversed(views):
        if view.op is transpose:
            whole = transpose(whole, axes=(0, *(axis + 1 for axis in view.params["axes"])))
        else:
            whole = reshape_to(whole, (length, *view.shape))
    return whole
