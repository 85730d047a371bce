"""The ways through the body of a loop, and the branches of the graph that choose between what they give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from tracegraph.api.loops import INT
from tracegraph.ir import Graph, Node
from tracegraph.ops.broadcast import broadcast_to, zeros_like
from tracegraph.ops.call import results
from tracegraph.ops.control import branch
from tracegraph.ops.elementwise import logical_not, where
from tracegraph.ops.gather import gather, scatter, scatter_add
from tracegraph.ops.region import slice_, update
from tracegraph.tracing import closed, used_of
from tracegraph.tracing.lift import cast

__all__ = ["Way", "joined"]


class Way(NamedTuple):
    """A way through a body.

    Attributes:
        decisions: the bools by which it went on, and what each was taken to be.
        closed: the numbers of those whose other way is known.
    """

    decisions: list[tuple[Node, bool]]
    closed: set[int]

    def after(self) -> list[bool] | None:
        """How the next way begins: the last decision that was for true is for false; None if there was none."""
        found = [outcome for _, outcome in self.decisions]
        while found and (not found[-1] or len(found) - 1 in self.closed):
            found.pop()
        return [*found[:-1], False] if found else None


def joined(ways: Sequence[tuple[Way, list[Node]]], depth: int, inputs: Sequence[Node]) -> list[Node]:
    """What the ways through a body give, those that agree up to some decision; where they differ, a branch chooses.

    Of an array that both ways have written to, it chooses what is written and where. The way that is not taken writes the
    element that stands there, so that no array has to be copied.
    """
    (first, outputs), *others = ways
    if not others:
        return outputs
    decides, _ = first.decisions[depth]
    no, yes = (
        joined([each for each in ways if each[0].decisions[depth][1] is outcome], depth + 1, inputs)
        for outcome in (False, True)
    )
    made = list(no)
    writes: list[tuple[int, bool, Node]] = []
    given: tuple[list[Node], list[Node]] = ([], [])
    plain: list[int] = []
    for k, pair in enumerate(zip(no, yes, strict=True)):
        chains = list(map(_writes, pair))
        if pair[0] is pair[1]:
            continue
        if chains[0][0] is not chains[1][0] or not pair[0].aval.size:
            plain.append(k)
            continue
        made[k] = chains[0][0]
        writes += [(k, side, write) for side, (_, chain) in zip((False, True), chains, strict=True) for write in chain]
    for side, outputs in zip(given, (no, yes), strict=True):
        side += [outputs[k] for k in plain]
    for _, taken, write in writes:
        for node in write.inputs[1:]:
            given[taken].append(node)
            given[not taken].append(zeros_like(node))
    if not given[0]:
        return made
    body, sources = used_of(*closed([*given[0], *given[1]], inputs), inputs)
    count = len(given[0])
    graphs = [Graph(body.inputs, body.outputs[at : at + count]) for at in (0, count)]
    chosen = iter(results(branch(cast(decides, INT), *sources, branches=tuple(graphs))))
    for k in plain:
        made[k] = next(chosen)
    for k, taken, write in writes:
        flag = decides if taken else logical_not(decides)
        value, *indices = [next(chosen) for _ in write.inputs[1:]]
        made[k] = _written(flag, made[k], value, indices, write)
    return made


def _writes(node: Node) -> tuple[Node, list[Node]]:
    """What an array was before the last writes into it, and those."""
    found = []
    while node.op in (update, scatter, scatter_add):
        found.append(node)
        node = node.inputs[0]
    return node, found[::-1]


def _written(flag: Node, x: Node, value: Node, indices: Sequence[Node], write: Node) -> Node:
    """An array after a write, which is done where the flag is set."""
    if write.op is scatter_add:
        before = zeros_like(value)
    elif write.op is scatter:
        before = gather(x, *indices, **write.params)
    else:
        before = slice_(x, sizes=value.shape, **write.params)
    wide = flag if not value.shape else broadcast_to(flag, shape=value.shape)
    return write.op(x, where(wide, value, before), *indices, **write.params)
