"""Loops of the graph, made of a body that is run until what it carries is settled."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.errors import at
from tracegraph.ir import Aval, Graph, Node, Where
from tracegraph.ops.call import results
from tracegraph.ops.control import make_loop
from tracegraph.ops.leaf import input_node
from tracegraph.tracing import (
    WEAK,
    Leaf,
    Placeholder,
    Storage,
    Trace,
    closed,
    effects_before,
    nesting,
    placed,
    takes,
    trace_nested,
    user_where,
)  # fmt: skip
from tracegraph.tracing.lift import cast
from tracegraph.tree import Structure, flatten, unflatten

__all__ = ["BOOL", "INT", "looping", "shown"]

INT = np.dtype(np.int64)
BOOL = np.dtype(bool)


def looping(
    name: str,
    trace: Trace,
    init: Any,
    *,
    stacked: Sequence[Node] = (),
    rows: Sequence[Node] = (),
    length: int | None = None,
    turns: Node | None = None,
    reverse: bool = False,
    cond: Callable[[Any], Any] | None = None,
) -> Generator[tuple[Node, Any], tuple[Any, Any], tuple[Any, Any, Node]]:
    """Traces a body until what it carries is settled, and makes the loop of it.

    Yields:
        The place of the turn and what is carried, for which the body is to run; what that gives is sent back.

    Returns:
        The last carry, the outputs of all turns, and the node of the loop.
    """
    where = user_where()
    values, structure = flatten(init)
    state = [Leaf.of(each, f"{name}: the value at first") for each in values]
    memory: dict[Storage, Node] = {}
    place, token = input_node(Aval((), INT), where), input_node(Aval((), BOOL), where)
    while True:
        inside = [leaf.inside() for leaf in state]
        carried = {storage: input_node(node.aval, where) for storage, node in memory.items()}
        own = [place, *(leaf.node for leaf in inside), *rows]
        with nesting(trace, own, carried, token, name) as gathered:
            nested = gathered((yield place, unflatten(structure, [placed(trace, leaf) for leaf in inside])))
        found, *_ = nested.structure.children
        after = nested.leaves[: len(state)]
        if found != structure:
            raise TypeError(at(_changed(name, structure, state, found, nested.leaves), where))
        settled = list(map(_settled, state, after))
        fresh = {storage: storage.node for storage in nested.changed if storage not in memory}
        if settled == state and not fresh:
            break
        state = settled
        memory.update(fresh)
    outputs = [node for node in map(_fitted, state, after) if node is not None]
    if len(outputs) < len(state):
        raise TypeError(at(_changed(name, structure, state, found, after), where))
    outputs += [nested.changed.get(storage, node) for storage, node in carried.items()]
    states = [*(leaf.node for leaf in inside), *carried.values()]
    start = [*(leaf.node for leaf in state), *memory.values()]
    if nested.effect is not None:
        outputs.append(nested.effect)
        states.append(token)
        start.append(effects_before(trace))
    count = len(outputs)
    outputs += [leaf.node for leaf in nested.leaves[len(state) :]]
    graph, consts = closed(outputs, [place, *states, *rows])
    test = None
    if cond is not None:
        flag = _test(trace, cond, structure, inside, carried, where)
        test, reads = closed([flag], [place, *states])
        consts, graph, test = _sharing(graph, consts, test, reads)
    loop = make_loop(
        graph, init=start, stacked=stacked, consts=consts, length=length, turns=turns, cond=test, reverse=reverse
    )
    made = results(loop)
    for storage, value in zip(memory, made[len(state) :], strict=False):
        storage.node = value
    if nested.effect is not None:
        trace.effects.append(made[count - 1])
    last = [placed(trace, leaf._replace(node=value)) for leaf, value in zip(state, made, strict=False)]
    stacks = [Placeholder(trace, Storage(value)) for value in made[count : len(outputs)]]
    return unflatten(structure, last), unflatten(nested.structure.children[1], stacks), loop


def _settled(before: Leaf, after: Leaf) -> Leaf:
    """What a carry is from the first turn on: one of Python's numbers becomes what the body makes of it."""
    if before.weak is None or before.node.shape != after.node.shape:
        return before
    if before.node.dtype == after.node.dtype:
        return before if before.weak is after.weak else Leaf(before.node, None, before.is_scalar)
    if after.weak is not None and WEAK.index(after.weak) < WEAK.index(before.weak):
        return before
    return Leaf(cast(before.node, after.node.dtype), after.weak, before.is_scalar)


def _fitted(before: Leaf, after: Leaf) -> Node | None:
    """A carry after a turn, as it was before; None if it is something else."""
    if before.node.aval == after.node.aval:
        return after.node
    if after.weak is None or before.node.shape != after.node.shape or not takes(before.node.dtype, after.weak):
        return None
    return cast(after.node, before.node.dtype)


def _test(
    trace: Trace,
    cond: Callable[[Any], Any],
    structure: Structure,
    inside: Sequence[Leaf],
    carried: Mapping[Storage, Node],
    where: Where | None,
) -> Node:
    """Whether a loop goes on, from the same inputs as its body."""
    token = input_node(Aval((), BOOL), where)

    def test() -> Any:
        return cond(unflatten(structure, [placed(trace, leaf) for leaf in inside]))

    nested = trace_nested(trace, test, [leaf.node for leaf in inside], carried, token, "while_loop: cond_fun")
    if nested.changed or nested.effect is not None:
        raise TypeError(at("while_loop: cond_fun changes an array in place or prints; let body_fun do that", where))
    if len(nested.leaves) != 1 or nested.leaves[0].node.shape:
        given = ", ".join(str(leaf.node.aval) for leaf in nested.leaves)
        raise TypeError(
            at(f"while_loop: cond_fun returned {given}; expected one bool, for instance np.any(x > 0)", where)
        )
    return cast(nested.leaves[0].node, BOOL)


def _sharing(
    body: Graph, consts: Sequence[Node], test: Graph, reads: Sequence[Node]
) -> tuple[list[Node], Graph, Graph]:
    """A body and a condition that take the same constants."""
    every = list(dict.fromkeys([*consts, *reads]))
    return every, *(_taking(graph, given, every) for graph, given in ((body, consts), (test, reads)))  # type: ignore[return-value]


def _taking(graph: Graph, given: Sequence[Node], every: Sequence[Node]) -> Graph:
    """A graph that takes more constants than it reads."""
    first = len(graph.inputs) - len(given)
    known = dict(zip(given, graph.inputs[first:], strict=True))
    return Graph([*graph.inputs[:first], *(known.get(each) or input_node(each.aval) for each in every)], graph.outputs)


def _changed(name: str, structure: Structure, before: Sequence[Leaf], found: Structure, after: Sequence[Leaf]) -> str:
    """Says that a body does not give what it takes, and shows both."""
    return (
        f"{name}: the body takes {shown(structure, before)} and returns {shown(found, after)}; what is carried must keep "
        "its structure, shapes and dtypes"
    )


def shown(structure: Structure, leaves: Sequence[Leaf]) -> str:
    """The shapes and dtypes of some leaves, nested as they are."""
    return str(unflatten(structure, [leaf.node.aval for leaf in leaves]))
