"""Control flow as operations: `loop` runs a graph again and again, `branch` one of several graphs.

A loop is JAX's ``scan`` and ``while_loop`` in one. Its body is a graph from the state before a turn to the state after it
(the carries), which may also read one element of each stacked input at each turn, and give one of each stacked output.
It ends after ``length`` turns; or, if that is None, when its condition is false; or, without a condition, after as many
turns as its first input says. What the last two kinds stack has no length that is known beforehand: it is no array of the
graph but a history, which only other loops read.

Reverse mode runs the loop once more in the other direction, over what the derivative needs of each turn: the forward loop
stacks that. So a loop's derivative is a loop, to any order. The forward loop that stacks more takes the place of the one
that the function made, because both have the same ``family`` (`rewrite.loops`).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.ir import Aval, Graph, Node, Op, descendants, toposort
from tracegraph.ops.broadcast import broadcast_to, expand_leading, fill, is_zero, zeros_like
from tracegraph.ops.call import TOKEN, Batch, Jvp, MaybeNodes, Vjp, boxed, evaluate, pack, results
from tracegraph.ops.elementwise import add, convert, equal, less, where
from tracegraph.ops.gather import scatter_add
from tracegraph.ops.leaf import input_node
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.region import slice_, update
from tracegraph.ops.rules import Params, is_float
from tracegraph.ops.shape import reshape_to, transpose

__all__ = ["OPS", "Loop", "branch", "loop", "make_loop", "residuals", "total"]

INT = np.dtype(np.int64)
#: Writes that are looked at to find whether a region is still zero.
LATEST_WRITES = 16
#: Arithmetic that is rather done again in the backward loop than kept from the forward one.
_CHEAP = frozenset(
    "absolute add conj convert equal greater greater_equal imag less less_equal logical_and logical_not logical_or "
    "make_complex maximum minimum multiply negative not_equal real sign subtract where".split()
)


class Loop(NamedTuple):
    """A loop, taken apart.

    Attributes:
        body: from the place of the turn (int64), the carries, an element of each stacked input, and the constants, to the
            carries, and an element of each stacked output.
        cond: from the place of the turn, the carries and the constants to whether there is another turn; or None.
        turns: how many there are, where that is an input.
        init: the carries at first.
        stacked: what is read one element at each turn: arrays with the turns along their first axis, or histories.
        consts: what is the same in all turns.
        length: how many turns there are, where that is known.
        reverse: whether elements are read and written from the last to the first.
        family: equal for loops that compute the same, as far as ``names`` of their results agree, of the inputs ``base``.
        names: of each carry and stacked output.
        base: the places among the inputs of those that all of the family have.
    """

    body: Graph
    cond: Graph | None
    turns: Node | None
    init: tuple[Node, ...]
    stacked: tuple[Node, ...]
    consts: tuple[Node, ...]
    length: int | None
    reverse: bool
    family: Hashable
    names: tuple[Hashable, ...]
    base: tuple[int, ...] | None

    @staticmethod
    def of(node: Node) -> Loop:
        """The parts of a loop's node."""
        return Loop.split(node.inputs, node.params)

    @staticmethod
    def split(inputs: Sequence[Node], params: Params) -> Loop:
        is_counted = params["length"] is None and params["cond"] is None
        first = int(is_counted)
        second = first + params["carries"]
        third = second + params["stacked"]
        return Loop(
            params["body"],
            params["cond"],
            inputs[0] if is_counted else None,
            tuple(inputs[first:second]),
            tuple(inputs[second:third]),
            tuple(inputs[third:]),
            params["length"],
            params["reverse"],
            params["family"],
            params["names"],
            params["base"],
        )

    def node(self) -> Node:
        """The loop as a node."""
        counted = () if self.turns is None else (self.turns,)
        return loop(
            *counted,
            *self.init,
            *self.stacked,
            *self.consts,
            body=self.body,
            cond=self.cond,
            carries=len(self.init),
            stacked=len(self.stacked),
            length=self.length,
            reverse=self.reverse,
            family=self.family,
            names=self.names,
            base=self.base,
        )

    @property
    def carries(self) -> int:
        return len(self.init)

    @property
    def stacks(self) -> int:
        """How many stacked outputs there are."""
        return len(self.body.outputs) - self.carries

    @property
    def carry_inputs(self) -> tuple[Node, ...]:
        return self.body.inputs[1 : 1 + self.carries]

    @property
    def element_inputs(self) -> tuple[Node, ...]:
        return self.body.inputs[1 + self.carries : 1 + self.carries + len(self.stacked)]

    @property
    def const_inputs(self) -> tuple[Node, ...]:
        return self.body.inputs[1 + self.carries + len(self.stacked) :]

    def avals(self) -> list[Aval]:
        """Of its results: the carries at last, what is stacked, and with a condition the number of turns."""
        state = [each.aval for each in self.init]
        elements = [each.aval for each in self.body.outputs[self.carries :]]
        if self.length is not None:
            return [*state, *(Aval((self.length, *each.shape), each.dtype) for each in elements)]
        turns = [] if self.cond is None else [Aval((), INT)]
        return [*state, *(TOKEN for _ in elements), *turns]


def make_loop(
    body: Graph,
    *,
    init: Sequence[Node],
    stacked: Sequence[Node],
    consts: Sequence[Node],
    length: int | None = None,
    turns: Node | None = None,
    cond: Graph | None = None,
    reverse: bool = False,
) -> Node:
    """A new loop; the arguments are the attributes of `Loop`."""
    names = (*(("carry", k) for k in range(len(init))), *(("stack", k) for k in range(len(body.outputs) - len(init))))
    given = tuple(init), tuple(stacked), tuple(consts)
    return Loop(body, cond, turns, *given, length, reverse, object(), names, None).node()


def _loop_rule(*avals: Aval, body: Graph, carries: int, length: int | None, cond: Graph | None, **params: Any) -> Aval:
    first = int(length is None and cond is None)
    state = avals[first : first + carries]
    for before, node in zip(state, body.outputs, strict=False):
        if before != node.aval:
            raise TypeError(f"loop: a carry is {before} before a turn and {node.aval} after it")
    return TOKEN


def _loop_reference(*arrays: Any, **params: Any) -> np.ndarray:
    parts: Any = Loop.split(arrays, params)
    state: list[Any] = list(parts.init)
    stacked = [each[()] if each.dtype.kind == "O" else each for each in parts.stacked]
    turns = parts.length if parts.turns is None else int(parts.turns)
    rows: list[list[Any]] = []
    while turns is None or len(rows) < turns:
        done = len(rows)
        at = np.int64(turns - 1 - done if parts.reverse and turns is not None else done)
        if parts.cond is not None and not evaluate(parts.cond, [at, *state, *parts.consts])[0]:
            break
        values = evaluate(parts.body, [at, *state, *(each[at] for each in stacked), *parts.consts])
        state = values[: parts.carries]
        rows.append(values[parts.carries :])
    count = len(rows)
    if parts.reverse:
        rows.reverse()
    stacks: list[Any] = []
    for k, node in enumerate(parts.body.outputs[parts.carries :]):
        whole = np.empty((count, *node.shape), node.dtype)
        for place, row in enumerate(rows):
            whole[place] = row[k]
        stacks.append(whole if parts.length is not None else boxed(whole))
    last = [] if parts.cond is None else [np.asarray(count)]
    return boxed((*state, *stacks, *last))


def total(a: Node, b: Node) -> Node:
    """The sum of two cotangents of one value. What belongs to a part of it only is added there."""
    if a.aval == TOKEN:
        return _total_history(a, b)
    for part, whole in ((b, a), (a, b)):
        if part.op is update and is_zero(part.inputs[0]):
            value, params = part.inputs[1], part.params
            if not _is_untouched(whole, params, value.shape):
                value = add(slice_(whole, **params, sizes=value.shape), value)
            return update(whole, value, **params)
        if part.op is scatter_add and is_zero(part.inputs[0]):
            return scatter_add(whole, *part.inputs[1:], **part.params)
    return add(a, b)


def _total_history(a: Node, b: Node) -> Node:
    (call,) = a.inputs
    parts = Loop.of(call)
    aval = parts.body.outputs[a.params["index"]].aval
    x, y = input_node(aval), input_node(aval)
    body = Graph([input_node(Aval((), INT)), x, y], [add(x, y)])
    count = parts.turns if parts.cond is None else results(call)[-1]
    return results(make_loop(body, init=(), stacked=(a, b), consts=(), turns=count))[0]


def _is_untouched(whole: Node, params: Params, sizes: tuple[int, ...]) -> bool:
    """Whether a region is still zero in what was made by writing into zeros, as far as is soon seen."""
    for _ in range(LATEST_WRITES):
        if whole.op is not update:
            return is_zero(whole)
        spans = [_spans(params, sizes), _spans(whole.params, whole.inputs[1].shape)]
        if all(a.start < b.stop and b.start < a.stop for a, b in zip(*spans, strict=True)):
            return False
        whole = whole.inputs[0]
    return False


def _spans(params: Params, sizes: tuple[int, ...]) -> list[range]:
    """From the first to the last index of a region, along each axis."""
    ends = [
        (start, start + step * (n - 1)) for start, step, n in zip(params["starts"], params["steps"], sizes, strict=True)
    ]
    return [range(min(pair), max(pair) + 1) for pair in ends]


class _LoopForm:
    """What transforms make of a loop."""

    def avals(self, node: Node) -> Sequence[Aval]:
        return Loop.of(node).avals()

    # -- reverse mode --------------------------------------------------------------------------------------------------

    def pullback(self, node: Node, cts: MaybeNodes, wanted: Sequence[bool], vjp: Vjp) -> MaybeNodes:
        parts = Loop.of(node)
        body, carries = parts.body, parts.carries
        turning = [k for k, each in enumerate(parts.init) if is_float(each)]
        given = [(k, ct) for k, ct in enumerate(cts[carries : carries + parts.stacks]) if ct is not None]
        seeds = [input_node(body.outputs[k].aval) for k in turning]
        seeds_of_stacks = [input_node(body.outputs[carries + k].aval) for k, _ in given]
        outputs = [body.outputs[k] for k in turning] + [body.outputs[carries + k] for k, _ in given]
        wanted = wanted[len(wanted) - len(body.inputs) + 1 :]
        elements = [each for k, each in enumerate(parts.element_inputs) if wanted[carries + k] and is_float(each)]
        consts = [
            each
            for k, each in enumerate(parts.const_inputs)
            if wanted[carries + len(parts.stacked) + k] and is_float(each)
        ]
        states = [parts.carry_inputs[k] for k in turning]
        found = vjp(outputs, [*seeds, *seeds_of_stacks], [*states, *elements, *consts])
        of_states = [
            zeros_like(state) if ct is None else ct for state, ct in zip(states, found[: len(states)], strict=True)
        ]
        of_elements = [
            (each, ct)
            for each, ct in zip(elements, found[len(states) : len(states) + len(elements)], strict=True)
            if ct is not None
        ]
        of_consts = [
            (each, ct) for each, ct in zip(consts, found[len(states) + len(elements) :], strict=True) if ct is not None
        ]
        sums = [input_node(each.aval) for each, _ in of_consts]
        gives = [
            *of_states,
            *(add(each, ct) for each, (_, ct) in zip(sums, of_consts, strict=True)),
            *(ct for _, ct in of_elements),
        ]
        kept = residuals(gives, [*seeds, *seeds_of_stacks, *sums], body.inputs, parts.carry_inputs)
        forward, stacks = _stacking(node, kept)
        back = _cut(gives, parts, kept, [*seeds, *sums], seeds_of_stacks)
        init = [
            *(zeros_like(parts.init[k]) if (ct := cts[k]) is None else ct for k in turning),
            *(zeros_like(each) for each, _ in of_consts),
        ]
        made = results(
            make_loop(
                back.body,
                init=init,
                stacked=[
                    *(parts.stacked[parts.element_inputs.index(each)] for each in back.elements),
                    *(stacks[each] for each in back.kept),
                    *(ct for _, ct in given),
                ],
                consts=[parts.consts[parts.const_inputs.index(each)] for each in back.consts],
                length=parts.length,
                turns=results(forward)[-1] if parts.cond is not None else parts.turns,
                reverse=not parts.reverse,
            )
        )
        answer: dict[Node, Node] = {}
        answer.update(zip(states, made, strict=False))
        answer.update((each, ct) for (each, _), ct in zip(of_consts, made[len(states) :], strict=False))
        answer.update((each, ct) for (each, _), ct in zip(of_elements, made[len(init) :], strict=False))
        counted = () if parts.turns is None else (None,)
        return [*counted, *(answer.get(each) for each in body.inputs[1:])]

    # -- forward mode --------------------------------------------------------------------------------------------------

    def pushforward(self, node: Node, tangents: MaybeNodes, jvp: Jvp) -> MaybeNodes:
        parts = Loop.of(node)
        body, carries = parts.body, parts.carries
        tangents = tangents[len(tangents) - len(body.inputs) + 1 :]
        given = dict(zip(body.inputs[1:], tangents, strict=True))
        moving = {each for each in body.inputs[1:] if given[each] is not None}
        while True:  # a carry moves if it does at first, or after some turn
            probes = {each: input_node(each.aval) for each in body.inputs[1:] if each in moving}
            pushed = jvp(body.outputs, list(probes), list(probes.values()))
            more = {parts.carry_inputs[k] for k in range(carries) if pushed[k] is not None} - moving
            if not more:
                break
            moving |= more
        states = [k for k, each in enumerate(parts.carry_inputs) if each in moving]
        elements = [each for each in parts.element_inputs if each in moving]
        consts = [each for each in parts.const_inputs if each in moving]
        stacks = [k for k in range(parts.stacks) if pushed[carries + k] is not None]
        of_states = [zeros_like(parts.init[k]) if (t := given[parts.carry_inputs[k]]) is None else t for k in states]
        tangent_of = [pushed[k] or zeros_like(body.outputs[k]) for k in states]
        inputs = [
            body.inputs[0],
            *parts.carry_inputs,
            *(probes[parts.carry_inputs[k]] for k in states),
            *parts.element_inputs,
            *(probes[each] for each in elements),
            *parts.const_inputs,
            *(probes[each] for each in consts),
        ]
        outputs = [
            *body.outputs[:carries],
            *tangent_of,
            *body.outputs[carries:],
            *(ct for k in stacks if (ct := pushed[carries + k]) is not None),
        ]
        cond = parts.cond
        if cond is not None:
            spare = [input_node(probes[parts.carry_inputs[k]].aval) for k in states]
            others = [input_node(probes[each].aval) for each in consts]
            cond = Graph([*cond.inputs[: 1 + carries], *spare, *cond.inputs[1 + carries :], *others], cond.outputs)
        first = 0 if parts.turns is None else 1
        second = first + carries + len(states)
        third = second + len(parts.stacked) + len(elements)
        given_by = tuple(tangents)
        made = parts._replace(
            body=Graph(inputs, outputs),
            cond=cond,
            init=(*parts.init, *of_states),
            stacked=(*parts.stacked, *(t for each in elements if (t := given[each]) is not None)),
            consts=(*parts.consts, *(t for each in consts if (t := given[each]) is not None)),
            names=(
                *parts.names[:carries],
                *(("tangent", parts.names[k], given_by) for k in states),
                *parts.names[carries:],
                *(("tangent", parts.names[carries + k], given_by) for k in stacks),
            ),
            base=_places(parts.base, [
                *range(first + carries),
                *range(second, second + len(parts.stacked)),
                *range(third, third + len(parts.consts)),
            ]),
        )  # fmt: skip
        values = results(made.node())
        answer: list[Node | None] = [None] * len(parts.avals())
        for place, k in enumerate(states):
            answer[k] = values[carries + place]
        for place, k in enumerate(stacks):
            answer[carries + k] = values[carries + len(states) + parts.stacks + place]
        return answer

    # -- batching ------------------------------------------------------------------------------------------------------

    def batched(self, inputs: Sequence[Node], axes: Sequence[bool], params: Params, size: int, batch: Batch) -> Node:
        parts = Loop.split(inputs, params)
        flags = list(axes[len(axes) - len(parts.body.inputs) + 1 :])
        carries, elements = parts.carries, len(parts.stacked)
        own_counts = parts.turns is not None and axes[0]
        wants_stacks = [parts.length is None] * parts.stacks
        if own_counts:
            flags[:carries] = [True] * carries
        while True:  # a carry has the batch axis if it has it at first, or after some turn
            body, given = batch(parts.body, size, [False, *flags], [*flags[:carries], *wants_stacks])
            more = [a or b for a, b in zip(flags[:carries], given[:carries], strict=True)]
            cond = parts.cond
            if cond is not None:
                used = [*flags[:carries], *flags[carries + elements :]]
                cond, (is_split,) = batch(cond, size, [False, *used], [False])
                own_counts = is_split
                more = [True] * carries if is_split else more
            if more == flags[:carries]:
                break
            flags[:carries] = more
        init = [expand_leading(each, size) if flag and each.aval.shape == inner.shape else each
                for each, flag, inner in zip(parts.init, flags, parts.carry_inputs, strict=False)]  # fmt: skip
        stacked = [
            _exchanged(each) if flag and each.aval != TOKEN else each
            for each, flag in zip(parts.stacked, flags[carries:], strict=False)
        ]
        family = (parts.family, size, tuple(axes))
        wide = parts._replace(body=body, cond=cond, init=tuple(init), stacked=tuple(stacked), family=family)
        if own_counts:
            wide = _masked(wide, size)
        values = results(wide.node())
        last = []
        if parts.cond is not None:
            last = [values[carries] if own_counts else expand_leading(values[-1], size)]
        stacks = values[len(wide.init) : len(wide.init) + parts.stacks]
        return pack(
            *(
                each if flag else expand_leading(each, size)
                for each, flag in zip(values, flags[:carries], strict=False)
            ),
            *(_stack_of(each, size, is_wide=flag) for each, flag in zip(stacks, given[carries:], strict=True)),
            *last,
        )


def _masked(wide: Loop, size: int) -> Loop:
    """A loop in which each example has a number of turns of its own: it stays as it is when its own are over.

    With a condition, a new carry behind the others counts the turns of each.
    """
    body, carries = wide.body, wide.carries
    if wide.cond is None:
        assert wide.turns is not None, "a loop without a condition has a count"
        turns = input_node(wide.turns.aval)
        going = less(expand_leading(body.inputs[0], size), turns)
        inputs = [*body.inputs, turns]
        count = reduce_max(wide.turns, axes=(0,))
        outputs = [_choose(going, *pair) for pair in zip(body.outputs, wide.carry_inputs, strict=False)]
        masked = Graph(inputs, [*outputs, *body.outputs[carries:]])
        return wide._replace(body=masked, turns=count, consts=(*wide.consts, wide.turns))
    turns = input_node(Aval((size,), INT))
    (going,) = wide.cond.splice([body.inputs[0], *wide.carry_inputs, *wide.const_inputs])
    outputs = [_choose(going, *pair) for pair in zip(body.outputs, wide.carry_inputs, strict=False)]
    outputs.append(add(turns, convert(going, dtype=INT)))
    ahead = [body.inputs[0], *wide.carry_inputs, turns]
    masked = Graph([*ahead, *body.inputs[1 + carries :]], [*outputs, *body.outputs[carries:]])
    state, consts = wide.cond.inputs[: 1 + carries], wide.cond.inputs[1 + carries :]
    some = reduce_max(wide.cond.outputs[0], axes=(0,))
    return wide._replace(
        body=masked,
        cond=Graph([*state, input_node(turns.aval), *consts], [some]),
        init=(*wide.init, fill(0, (size,), INT)),
        names=(*wide.names[:carries], "turns", *wide.names[carries:]),
        base=_places(wide.base, [k + (k >= carries) for k in range(len(wide.init) + len(wide.consts))]),
    )


def _choose(going: Node, new: Node, old: Node) -> Node:
    """New values for the examples that are going on."""
    (size,) = going.shape
    mask = going
    if new.shape != going.shape:
        column = reshape_to(going, (size, *(1,) * (new.aval.ndim - 1)))
        mask = column if column.shape == new.shape else broadcast_to(column, shape=new.shape)
    return where(mask, new, old)


def _exchanged(node: Node) -> Node:
    """With the first two axes in the other order."""
    return transpose(node, axes=(1, 0, *range(2, node.aval.ndim)))


def _stack_of(node: Node, size: int, *, is_wide: bool) -> Node:
    """A stacked output with the batch axis first; in a history it stays behind the turns."""
    if node.aval == TOKEN:
        return node
    return _exchanged(node) if is_wide else expand_leading(node, size)


def _places(base: tuple[int, ...] | None, where_to: Sequence[int]) -> tuple[int, ...]:
    """Where the family's inputs are, now that the inputs stand at new places."""
    return tuple(where_to) if base is None else tuple(where_to[k] for k in base)


# -- what a derivative keeps of each turn ------------------------------------------------------------------------------


def residuals(
    outputs: Sequence[Node], seeds: Sequence[Node], inputs: Sequence[Node] = (), carries: Sequence[Node] = ()
) -> list[Node]:
    """The values that a derivative needs of what it is the derivative of, and that are not soon computed again.

    Args:
        outputs: of the derivative.
        seeds: what it is a linear function of.
        inputs: of a loop's body; the derivative's body has them too, but for
        carries: these.
    """
    order = descendants(outputs, seeds)
    dependent = set(seeds)
    for node in order:
        if any(source in dependent for source in node.inputs):
            dependent.add(node)
    needed = [source for node in order if node in dependent for source in node.inputs if source not in dependent]
    needed += [node for node in outputs if node not in dependent]
    known = set(inputs) - set(carries)
    kept: dict[Node, None] = {}
    later: list[Node] = []
    for node in dict.fromkeys(needed):
        base = node.base
        if base.aval == TOKEN:
            kept.update(dict.fromkeys(_roots(base, known)[0]))
        elif base.op.kind == "elementwise" and base.op.name in _CHEAP and base not in known:
            later.append(base)
        elif not _is_known(base, known):
            kept[base] = None
    known.update(kept)
    for node in later:
        roots, passed = _roots(node, known)
        if sum(root.aval.nbytes for root in roots) <= node.aval.nbytes:
            kept.update(dict.fromkeys(roots))
            known.update(roots, passed)
        else:
            kept[node] = None
            known.add(node)
    return list(kept)


def _is_known(node: Node, known: set[Node]) -> bool:
    return node in known or node.op.kind == "leaf"


def _roots(node: Node, known: set[Node]) -> tuple[list[Node], set[Node]]:
    """What a value is computed from, through views and cheap arithmetic; a history by its loop, which runs again.

    Returns:
        The values, and what lies between.
    """
    roots: dict[Node, None] = {}
    seen: set[Node] = set()
    stack = [node]
    while stack:
        each = stack.pop().base
        if each in seen or _is_known(each, known):
            continue
        seen.add(each)
        if each.aval == TOKEN or (each.op.kind == "elementwise" and each.op.name in _CHEAP):
            stack.extend(each.inputs)
        else:
            roots[each] = None
    return list(roots), seen


def _stacking(node: Node, kept: Sequence[Node]) -> tuple[Node, dict[Node, Node]]:
    """The loop that also stacks some values of each turn, and those."""
    parts = Loop.of(node)
    if not kept:
        return node, {}
    body = Graph(parts.body.inputs, [*parts.body.outputs, *kept])
    forward = parts._replace(body=body, names=(*parts.names, *kept)).node()
    first = parts.carries + parts.stacks
    return forward, dict(zip(kept, results(forward)[first:], strict=False))


class _Cut(NamedTuple):
    """A backward body, and what of the forward loop it reads."""

    body: Graph
    elements: list[Node]
    kept: list[Node]
    consts: list[Node]


def _cut(
    outputs: Sequence[Node], parts: Loop, kept: Sequence[Node], state: Sequence[Node], stacks: Sequence[Node]
) -> _Cut:
    """The body that computes some nodes from the kept ones."""
    boundary = [parts.body.inputs[0], *state, *kept, *stacks, *parts.element_inputs, *parts.const_inputs]
    used = set(toposort(outputs, boundary)[len(set(boundary)) :])
    reached = {source for node in used for source in node.inputs} | set(outputs)
    elements = [each for each in parts.element_inputs if each in reached and each not in kept]
    consts = [each for each in parts.const_inputs if each in reached and each not in kept]
    before = [parts.body.inputs[0], *state, *elements, *kept, *stacks, *consts]
    fresh = [input_node(node.aval, node.where) for node in before]
    made = Graph(before, outputs).splice(fresh)
    return _Cut(Graph(fresh, made), elements, list(kept), consts)


loop: Op = Op("loop", rule=_loop_rule, reference=_loop_reference, kind="call", form=_LoopForm())


# -- branches ----------------------------------------------------------------------------------------------------------


def _branch_rule(index: Aval, *avals: Aval, branches: tuple[Graph, ...], **params: Any) -> Aval:
    first, *others = branches
    for other in others:
        for a, b in zip(first.outputs, other.outputs, strict=True):
            if a.aval != b.aval:
                raise TypeError(f"branch: a result is {a.aval} in one branch and {b.aval} in another")
    return TOKEN


class _BranchForm:
    """What transforms make of a branch."""

    def avals(self, node: Node) -> Sequence[Aval]:
        return [each.aval for each in node.params["branches"][0].outputs]

    def pullback(self, node: Node, cts: MaybeNodes, wanted: Sequence[bool], vjp: Vjp) -> MaybeNodes:
        index, *operands = node.inputs
        given = [k for k, ct in enumerate(cts) if ct is not None]
        chosen = [k for k, each in enumerate(operands) if wanted[1 + k] and is_float(each)]
        found = []
        for body in node.params["branches"]:
            seeds = [input_node(body.outputs[k].aval) for k in given]
            wrt = [body.inputs[k] for k in chosen]
            found.append((body, seeds, vjp([body.outputs[k] for k in given], seeds, wrt)))
        reached = [place for place in range(len(chosen)) if any(pulled[place] is not None for *_, pulled in found)]
        branches = tuple(
            Graph([*body.inputs, *seeds], [pulled[p] or zeros_like(operands[chosen[p]]) for p in reached])
            for body, seeds, pulled in found
        )
        made = results(branch(index, *operands, *(ct for ct in cts if ct is not None), branches=branches))
        answer: list[Node | None] = [None] * len(node.inputs)
        for place, value in zip(reached, made, strict=True):
            answer[1 + chosen[place]] = value
        return answer

    def pushforward(self, node: Node, tangents: MaybeNodes, jvp: Jvp) -> MaybeNodes:
        index, *operands = node.inputs
        chosen = [k for k in range(len(operands)) if tangents[1 + k] is not None]
        found = []
        for body in node.params["branches"]:
            probes = [input_node(body.inputs[k].aval) for k in chosen]
            found.append((body, probes, jvp(body.outputs, [body.inputs[k] for k in chosen], probes)))
        count = len(node.params["branches"][0].outputs)
        reached = [k for k in range(count) if any(pushed[k] is not None for *_, pushed in found)]
        branches = tuple(
            Graph([*body.inputs, *probes], [pushed[k] or zeros_like(body.outputs[k]) for k in reached])
            for body, probes, pushed in found
        )
        given = [each for each in tangents if each is not None]
        made = dict(zip(reached, results(branch(index, *operands, *given, branches=branches)), strict=True))
        return [made.get(k) for k in range(count)]

    def batched(self, inputs: Sequence[Node], axes: Sequence[bool], params: Params, size: int, batch: Batch) -> Node:
        branches, count = params["branches"], len(params["branches"][0].outputs)
        index, *operands = inputs
        split, *flags = axes
        wanted = [split] * count
        while True:
            wide = [batch(body, size, flags, wanted) for body in branches]
            more = [any(given[k] for _, given in wide) for k in range(count)]
            if more == wanted:
                break
            wanted = more
        if not split:
            made = results(branch(*inputs, branches=tuple(body for body, _ in wide)))
            return pack(*(each if f else expand_leading(each, size) for each, f in zip(made, wanted, strict=True)))
        every = [body.splice(operands) for body, _ in wide]
        values = every[0]
        for k, others in enumerate(every[1:], 1):
            mine = equal(index, fill(k, (size,), index.dtype))
            values = [_choose(mine, new, old) for new, old in zip(others, values, strict=True)]
        return pack(*values)


#: One of several graphs of the same operands, by its number.
branch: Op = Op(
    "branch",
    rule=_branch_rule,
    reference=lambda index, *arrays, branches, **params: boxed(tuple(evaluate(branches[int(index)], arrays))),
    kind="call",
    form=_BranchForm(),
)

OPS: Sequence[Op] = (loop, branch)
