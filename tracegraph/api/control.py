"""Control flow as operations: `cond`, `switch`, `scan`, `while_loop`, `fori_loop` and `map`.

Inside a compiled function they become one node of its graph, whose body is traced once and runs without Python; outside
of one they are compiled by themselves. What they call may read anything it sees, and may change arrays in place, its own
and those from outside.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from typing import Any

import numpy as np

from tracegraph.api.checkpointing import checkpoint as checkpointed
from tracegraph.api.compiled import Compiled
from tracegraph.api.loops import BOOL, INT, looping, shown
from tracegraph.errors import at
from tracegraph.ir import Node
from tracegraph.ops.call import results
from tracegraph.ops.control import branch
from tracegraph.ops.elementwise import add, maximum, minimum, subtract
from tracegraph.ops.leaf import input_node, literal
from tracegraph.tracing import (
    Enclosed,
    Leaf,
    Placeholder,
    Trace,
    active_trace,
    common,
    placed,
    user_where,
)  # fmt: skip
from tracegraph.tracing.lift import cast
from tracegraph.tree import flatten, tree_map, unflatten

__all__ = ["cond", "fori_loop", "map", "scan", "switch", "while_loop"]


def scan(
    f: Callable[[Any, Any], tuple[Any, Any]],
    init: Any,
    xs: Any = None,
    length: int | None = None,
    reverse: bool = False,
    unroll: int | bool = 1,
    *,
    checkpoint: int | bool | None = None,
) -> tuple[Any, Any]:
    """Runs ``carry, y = f(carry, x)`` over the leading axis of ``xs``, and stacks the ys.

    It means ``for x in xs: carry, y = f(carry, x); ys.append(y)``, as one loop of the compiled program.

    Args:
        f: takes the carry and one element of ``xs``; returns the carry, of the same structure, shapes and dtypes, and an
            output, which may be None.
        init: the carry at first; arrays and numbers, or nested containers of them.
        xs: what is walked over: arrays with the same leading axis, or containers of them, or None.
        length: how many turns, where there are no xs.
        reverse: walk from the last element to the first; ys stay in the order of xs.
        unroll: True writes all turns out one after another, as Python's own loop would; a number changes nothing.
        checkpoint: how many turns make a segment. Reverse mode then keeps only the carries between segments, and the
            turns of one segment at a time, for one more forward pass; True takes about the square root of the length.

    Returns:
        The last carry, and the outputs stacked along a new leading axis.

    Raises:
        TypeError: the carry changes its structure, shape or dtype; the message shows both.
        ValueError: the leading axes differ, or there are neither xs nor a length.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> total, sums = tg.scan(lambda c, x: (c + x, c + x), 0.0, np.array([1.0, 2.0, 3.0]))
        >>> float(total), sums
        (6.0, array([1., 3., 6.]))
    """
    trace = active_trace()
    if trace is None:
        return _eager_scan(f, length, reverse, unroll, checkpoint)(init, xs)  # type: ignore[no-any-return]
    leaves, structure = flatten(xs)
    elements = [Leaf.of(each, "scan: xs") for each in leaves]
    length = _length(elements, length)
    if unroll is True:
        return _unrolled(f, init, xs, length, reverse)
    if checkpoint is not None and checkpoint is not False and length > 1:
        step = math.isqrt(length) if checkpoint is True else operator.index(checkpoint)
        return _segmented(f, init, xs, length, reverse, step)
    rows = [
        each._replace(
            node=input_node(each.node.aval._replace(shape=each.node.shape[1:])), is_scalar=each.node.aval.ndim == 1
        )
        for each in elements
    ]

    def turn(place: Node, carry: Any) -> tuple[Any, Any]:
        given = f(carry, unflatten(structure, [placed(trace, row) for row in rows]))
        if not (isinstance(given, (tuple, list)) and len(given) == 2):
            raise TypeError(
                at(
                    f"scan: f must return a pair (carry, y), it returned {given!r:.60}; for no y, (carry, None)",
                    user_where(),
                )
            )
        return given[0], given[1]

    return _loop(
        "scan", trace, turn, init, stacked=[each.node for each in elements], rows=[row.node for row in rows],
        length=length, reverse=reverse,
    )  # fmt: skip


def while_loop(cond_fun: Callable[[Any], Any], body_fun: Callable[[Any], Any], init_val: Any) -> Any:
    """Runs ``val = body_fun(val)`` as long as ``cond_fun(val)`` is true.

    Args:
        cond_fun: takes the value; returns a bool.
        body_fun: takes the value; returns the next, of the same structure, shapes and dtypes.
        init_val: the value at first; arrays and numbers, or nested containers of them.

    Returns:
        The first value for which the condition is false. Derivatives go through it in both modes; reverse mode keeps what
        it needs of each turn in memory that grows as the loop runs.

    Raises:
        TypeError: the value changes its structure, shape or dtype, or the condition is no bool.

    Example:
        >>> import tracegraph as tg
        >>> int(tg.while_loop(lambda n: n < 100, lambda n: n * 3, 1))
        243
    """
    trace = active_trace()
    if trace is None:
        return _eager_while(cond_fun, body_fun)(init_val)
    return _loop("while_loop", trace, lambda place, carry: (body_fun(carry), None), init_val, cond=cond_fun)[0]


def fori_loop(lower: Any, upper: Any, body_fun: Callable[[Any, Any], Any], init_val: Any) -> Any:
    """Runs ``val = body_fun(i, val)`` for i from ``lower`` to ``upper - 1``.

    Args:
        lower, upper: integers; either may be traced.
        body_fun: takes the number of the turn and the value; returns the next value.
        init_val: the value at first.

    Returns:
        The last value.

    Example:
        >>> import tracegraph as tg
        >>> float(tg.fori_loop(0, 4, lambda i, x: x * 2 + i, 1.0))
        27.0
    """
    trace = active_trace()
    if trace is None:
        if _is_static(lower) and _is_static(upper):
            return _eager_fori(body_fun, lower, upper)(init_val)
        return _eager_fori_traced(body_fun)(lower, upper, init_val)
    low, high = (Leaf.of(each, "fori_loop: a bound") for each in (lower, upper))
    for each in (low, high):
        if each.node.dtype.kind not in "iu" or each.node.shape:
            raise TypeError(at(f"fori_loop: a bound is {each.node.aval}; expected an integer", user_where()))
    first, last = cast(low.node, INT), cast(high.node, INT)

    def turn(place: Node, carry: Any) -> tuple[Any, Any]:
        number = placed(trace, Leaf(add(place, first), int, is_scalar=True))
        return body_fun(number, carry), None

    if _is_static(lower) and _is_static(upper):
        return _loop("fori_loop", trace, turn, init_val, length=max(0, int(upper) - int(lower)))[0]
    turns = maximum(subtract(last, first), literal(0, INT))
    return _loop("fori_loop", trace, turn, init_val, turns=turns)[0]


def map(f: Callable[[Any], Any], xs: Any) -> Any:
    """Applies a function to each element along the leading axis of ``xs``, one after another, and stacks the results.

    `vmap` gives the same values, all at once.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> tg.map(lambda x: x**2, np.array([1.0, 2.0]))
        array([1., 4.])
    """
    return scan(lambda carry, x: (carry, f(x)), None, xs)[1] if active_trace() is not None else _eager_map(f)(xs)


def cond(pred: Any, true_fun: Callable[..., Any], false_fun: Callable[..., Any], *operands: Any) -> Any:
    """``true_fun(*operands) if pred else false_fun(*operands)``, of which only the one taken runs.

    Args:
        pred: a bool or a number, which may be traced.
        true_fun, false_fun: take the operands; their results have the same structure, shapes and dtypes.
        operands: arrays and numbers, or nested containers of them.

    Raises:
        TypeError: the results of the two differ in structure, shape or dtype; the message shows both.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> f = tg.compile(lambda x: tg.cond(np.sum(x) > 0, np.sin, np.cos, x))
        >>> float(f(np.array(0.0)))
        1.0
    """
    trace = active_trace()
    if trace is None:
        return (true_fun if pred else false_fun)(*operands)
    choice = Leaf.of(pred, "cond: pred").node
    if choice.shape:
        raise TypeError(at(f"cond: pred is {choice.aval}; expected one bool, for instance np.any(x > 0)", user_where()))
    named = {" if false": false_fun, " if true": true_fun}
    return _branches("cond", trace, cast(cast(choice, BOOL), INT), named, operands)


def switch(index: Any, branches: Sequence[Callable[..., Any]], *operands: Any) -> Any:
    """``branches[index](*operands)``, of which only the one taken runs; an index out of range takes the nearest.

    Args:
        index: an integer, which may be traced.
        branches: functions of the operands; their results have the same structure, shapes and dtypes.
        operands: arrays and numbers, or nested containers of them.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> f = tg.compile(lambda k, x: tg.switch(k, [np.sin, np.cos, np.square], x))
        >>> float(f(2, 3.0))
        9.0
    """
    branches = tuple(branches)
    if not branches:
        raise ValueError(at("switch: there are no branches", user_where()))
    trace = active_trace()
    if trace is None:
        return branches[min(max(operator.index(index), 0), len(branches) - 1)](*operands)
    choice = Leaf.of(index, "switch: index").node
    if choice.shape or choice.dtype.kind not in "iu":
        raise TypeError(at(f"switch: index is {choice.aval}; expected an integer", user_where()))
    inside = minimum(maximum(cast(choice, INT), literal(0, INT)), literal(len(branches) - 1, INT))
    return _branches("switch", trace, inside, {f" from branch {k}": each for k, each in enumerate(branches)}, operands)


# -- outside of compiled functions -------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _eager_scan(f: Any, length: Any, reverse: bool, unroll: Any, checkpoint: Any) -> Compiled[..., Any]:
    return Compiled(lambda init, xs: scan(f, init, xs, length, reverse, unroll, checkpoint=checkpoint))


@lru_cache(maxsize=256)
def _eager_while(cond_fun: Any, body_fun: Any) -> Compiled[..., Any]:
    return Compiled(lambda init: while_loop(cond_fun, body_fun, init))


@lru_cache(maxsize=256)
def _eager_fori(body_fun: Any, lower: int, upper: int) -> Compiled[..., Any]:
    return Compiled(lambda init: fori_loop(lower, upper, body_fun, init))


@lru_cache(maxsize=256)
def _eager_fori_traced(body_fun: Any) -> Compiled[..., Any]:
    return Compiled(lambda lower, upper, init: fori_loop(lower, upper, body_fun, init))


@lru_cache(maxsize=256)
def _eager_map(f: Any) -> Compiled[..., Any]:
    return Compiled(lambda xs: map(f, xs))


def _is_static(bound: Any) -> bool:
    return type(bound) is not Placeholder and isinstance(bound, (int, np.integer))


# -- loops -------------------------------------------------------------------------------------------------------------


def _length(elements: Sequence[Leaf], length: int | None) -> int:
    for each in elements:
        if not each.node.shape:
            raise ValueError(
                at("scan: an element of xs is a number; expected arrays with a leading axis", user_where())
            )
    found = {each.node.shape[0] for each in elements} | ({operator.index(length)} if length is not None else set())
    if not found:
        raise ValueError(at("scan: there are neither xs nor a length", user_where()))
    if len(found) > 1:
        sizes = ", ".join(str(each.node.aval) for each in elements)
        raise ValueError(at(f"scan: the leading axes differ: xs are {sizes}, length is {length}", user_where()))
    (only,) = found
    if only < 0:
        raise ValueError(at(f"scan: length is {only}; expected a number of turns", user_where()))
    return only


def _loop(
    name: str, trace: Trace, turn: Callable[[Node, Any], tuple[Any, Any]], init: Any, **options: Any
) -> tuple[Any, Any]:
    """Makes a loop of a body, as `looping` says."""
    steps = looping(name, trace, init, **options)
    with closing(steps):
        place, carry = next(steps)
        while True:
            try:
                place, carry = steps.send(turn(place, carry))
            except StopIteration as end:
                return end.value[:2]  # type: ignore[no-any-return]


def _unrolled(f: Callable[..., Any], init: Any, xs: Any, length: int, reverse: bool) -> tuple[Any, Any]:
    """All turns, written out."""
    leaves, structure = flatten(xs)
    carry, rows = init, []
    for k in reversed(range(length)) if reverse else range(length):
        carry, y = f(carry, unflatten(structure, [leaf[k] for leaf in leaves]))
        rows.append(flatten(y))
    if reverse:
        rows.reverse()
    if not rows:
        raise ValueError(at("scan: unroll=True of no turns; leave it out", user_where()))
    ys = [np.stack(column) for column in zip(*(row for row, _ in rows), strict=True)]
    return carry, unflatten(rows[0][1], ys)


def _segmented(f: Callable[..., Any], init: Any, xs: Any, length: int, reverse: bool, step: int) -> tuple[Any, Any]:
    """A loop over segments, of which each is computed again by reverse mode."""
    leaves, structure = flatten(xs)
    if step < 1:
        raise ValueError(at(f"scan: checkpoint is {step}; expected a number of turns, or True", user_where()))
    step = min(step, length)
    whole = length // step * step

    @checkpointed
    def segment(carry: Any, rows: Any) -> Any:
        return scan(f, carry, unflatten(structure, rows), None if rows else step, reverse)

    @checkpointed
    def rest(carry: Any, rows: Any) -> Any:
        return scan(f, carry, unflatten(structure, rows), length - whole, reverse)

    head = [np.reshape(leaf[:whole], (length // step, step, *leaf.shape[1:])) for leaf in leaves]
    tail = [leaf[whole:] for leaf in leaves]
    carry, last = init, None
    if whole < length and reverse:
        carry, last = rest(carry, tail)
    carry, first = scan(segment, carry, head, length // step, reverse)
    if whole < length and not reverse:
        carry, last = rest(carry, tail)
    ys = tree_map(lambda y: np.reshape(y, (whole, *y.shape[2:])), first)
    if last is not None:
        ends, kind = flatten(last)
        ys = unflatten(kind, [np.concatenate(pair) for pair in zip(flatten(ys)[0], ends, strict=True)])
    return carry, ys


# -- branches ----------------------------------------------------------------------------------------------------------


def _branches(
    name: str, trace: Trace, index: Node, functions: Mapping[str, Callable[..., Any]], operands: Sequence[Any]
) -> Any:
    """Traces the branches, and makes the operation of them."""
    where = user_where()
    enclosed = Enclosed(trace, name)
    for function in functions.values():
        enclosed.run(lambda function=function: function(*operands))  # type: ignore[misc]
    found = enclosed.found
    kinds = [common(column) for column in zip(*(each.leaves for each in found), strict=False)]
    if any(each.structure != found[0].structure for each in found) or None in kinds:
        sides = [f"{shown(each.structure, each.leaves)}{which}" for each, which in zip(found, functions, strict=True)]
        raise TypeError(at(f"{name}: the branches return {', '.join(sides)}; they must return the same", where))
    leaves = [kind for kind in kinds if kind is not None]
    graphs, sources = enclosed.graphs(
        [[cast(leaf.node, kind.node.dtype) for leaf, kind in zip(each.leaves, leaves, strict=True)] for each in found]
    )
    made = results(branch(index, *sources, branches=tuple(graphs)))
    return enclosed.settle(made, leaves)
