"""`vmap`: a function of one example becomes a function of many."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from tracegraph.api.compiled import Compiled
from tracegraph.api.probes import Tree, arrays_of, checked, named, owners, refuse, standing_for, traced
from tracegraph.errors import TraceError, at
from tracegraph.ir import Node
from tracegraph.ops.broadcast import expand_leading, reduced_shape
from tracegraph.ops.leaf import input_node
from tracegraph.ops.shape import inverse, transpose
from tracegraph.tracing import Placeholder, Storage, Trace, active_trace, user_where
from tracegraph.transforms.batching import batch_nodes
from tracegraph.tree import MisfitError, Structure, flatten, places, prefix, unflatten

__all__ = ["vmap"]


def vmap(
    function: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0, axis_size: int | None = None
) -> Compiled[..., Any]:
    """A function of many examples at once, from one of a single example: what a loop over them gives, as whole-array code.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        in_axes: along which axis of each argument the examples lie, None for what all of them share: one for all
            arguments, or a tuple with an entry for each positional one, itself an axis or nested like the argument, as far
            down as need be. Keyword arguments are mapped along axis 0.
        out_axes: where the axis of the examples goes in the results, the same way; None for a result that is the same for
            all of them.
        axis_size: how many examples there are; needed only if no argument says so.

    Returns:
        A compiled function of the same arguments. What ``function`` writes into its mapped arguments goes into the caller's
        arrays. It may not go on (``if``, ``while``) by values that differ between examples, nor write to other arrays.

    Raises:
        ValueError: the axes do not fit the arguments or the results, or have different lengths.
        TraceError: the function went on by a value that differs between examples.

    Example:
        >>> import numpy as np
        >>> norm = lambda x: np.sqrt(np.sum(x * x))
        >>> vmap(norm)(np.array([[3.0, 4.0], [6.0, 8.0]]))
        array([ 5., 10.])
        >>> vmap(np.dot, in_axes=(0, None))(np.eye(2), np.array([1.0, 2.0]))
        array([1., 2.])
    """
    checked("vmap", function)

    def body(*args: Any, **kwargs: Any) -> Any:
        leaves, structure = flatten((args, kwargs))
        axes = [
            *_axes("in_axes", "positional arguments", structure.children[0], in_axes),
            *([0] * len(places(structure.children[1]))),
        ]
        names = owners([*range(len(args)), *kwargs], [*structure.children[0].children, *structure.children[1].children])
        mapped = [_mapped(name, leaf, axis) for name, leaf, axis in zip(names, leaves, axes, strict=True)]
        size = _size([each for each in mapped if each is not None], axis_size)
        given = [leaf if each is None else each.example for leaf, each in zip(leaves, mapped, strict=True)]
        args, kwargs = unflatten(structure, given)
        return _batched(
            lambda: function(*args, **kwargs), [each for each in mapped if each is not None], size, out_axes
        )

    return Compiled(named(function, "vmap"), body=body, watched=function)


class _Mapped(NamedTuple):
    """An argument leaf that has examples.

    Attributes:
        name: of the argument, for messages.
        whole: all examples.
        axis: along which they lie.
        node: one example, when the function is called.
        example: what the function is given for it.
        is_ours: whether ``whole`` is a copy, so that nobody would see what is written to it.
    """

    name: str
    whole: Placeholder
    axis: int
    node: Node
    example: Placeholder
    is_ours: bool


def _is_axis(value: Any) -> bool:
    return value is None or type(value) is int


def _axes(name: str, what: str, structure: Structure, axes: Any) -> list[int | None]:
    """One for each leaf."""
    try:
        found = prefix(structure, axes, _is_axis)
    except MisfitError as error:
        refuse(f"vmap: {name} must be an axis, None, or nested like the {what}: {error}", ValueError)
    for each in found:
        if not _is_axis(each):
            refuse(f"vmap: {name} must be an axis, None, or nested like the {what}; {each!r:.60} is no axis")
    return found


def _mapped(name: str, leaf: Any, axis: int | None) -> _Mapped | None:
    if axis is None:
        return None
    whole = traced(leaf)
    if whole is None:
        refuse(f"vmap: {name} is {leaf!r:.60}, which has no axis {axis}; say in_axes=None for what all examples share")
    ndim = len(whole.shape)
    if not -ndim <= axis < ndim:
        refuse(
            f"vmap: {name} is {whole.node.aval}, which has no axis {axis} to be mapped; say in_axes=None for what all "
            "examples share",
            ValueError,
        )
    axis %= ndim
    node = input_node(whole.node.aval._replace(shape=reduced_shape(whole.shape, (axis,))), user_where())
    example = Placeholder(whole.origin, Storage(node), is_scalar=not node.shape)
    return _Mapped(name, whole, axis, node, example, whole is not leaf)


def _size(mapped: Sequence[_Mapped], axis_size: int | None) -> int:
    sizes = {f"axis {each.axis} of {each.name}": each.whole.shape[each.axis] for each in mapped}
    if axis_size is not None:
        sizes["axis_size"] = axis_size
    if not sizes:
        refuse("vmap: no argument is mapped, so axis_size must say how many examples there are", ValueError)
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{what} is {size}" for what, size in sizes.items())
        refuse(f"vmap: the arguments have different numbers of examples: {listed}", ValueError)
    return next(iter(sizes.values()))


def _batched(call: Callable[[], Any], mapped: Sequence[_Mapped], size: int, out_axes: Any) -> Any:
    """Calls the function of one example, and gives its results for all."""
    trace = active_trace()
    assert trace is not None, "the body of a transform runs only inside a trace"
    effects = len(trace.effects)
    wholes = {each.node: _to_front(each.whole.node, each.axis) for each in mapped}
    with _apart(trace, wholes), trace.inside(wholes, "is another one for each example of a vmap"):
        results = arrays_of("vmap", call())
        written = [each for each in mapped if each.example.node is not each.node]
        changed = [each.example.node for each in written]
    wanted = [*results.nodes, *changed, *trace.effects[effects:]]
    found = batch_nodes(wanted, size, wholes, wholes)
    given = len(results.nodes)
    trace.effects[effects:] = [node for node, _ in found[given + len(changed) :]]
    for each, (node, has_axis) in zip(written, found[given:], strict=False):
        if each.is_ours:
            message = f"vmap: the function writes to {each.name}, which is an array from outside; pass a copy"
            raise TraceError(at(message, user_where()))
        each.whole.write(_to_place(node if has_axis else expand_leading(node, size), each.axis))
    return _placed(results, found[:given], size, out_axes)


@contextmanager
def _apart(trace: Trace, examples: Collection[Node]) -> Iterator[None]:
    """For the ``with`` block, no memory may be written to that was there before, but for that of the examples."""
    where = user_where()
    before = {storage: node for storage, node in trace.contents().items() if node not in examples}
    yield
    borrowed = {storage: node for _, node, storage in trace.borrowed.values()}
    for storage, node in {**borrowed, **before}.items():
        if storage.node is not node:
            message = (
                f"a function under vmap changed an array of {node.aval} from outside, which all examples share; return "
                "what it makes instead (random numbers: draw them for all examples before, and pass them in)"
            )
            raise TraceError(at(message, where))


def _placed(results: Tree, found: Sequence[tuple[Node, bool]], size: int, out_axes: Any) -> Any:
    axes = _axes("out_axes", "results", results.structure, out_axes)
    leaves = []
    steps = places(results.structure)
    for leaf, (node, has_axis), axis, step in zip(results.form.leaves, found, axes, steps, strict=True):
        if axis is None:
            if has_axis:
                refuse(f"vmap: out_axes is None for result{step}, which differs between the examples", ValueError)
            leaves.append(standing_for(leaf, node))
            continue
        rank = len(leaf.aval.shape) + 1
        if not -rank <= axis < rank:
            refuse(f"vmap: out_axes is {axis} for result{step}, which is {leaf.aval} for each example", ValueError)
        whole = _to_place(node if has_axis else expand_leading(node, size), axis % rank)
        leaves.append(standing_for(leaf._replace(weak=None, is_scalar=False), whole))
    return unflatten(results.structure, leaves)


def _order(rank: int, axis: int) -> tuple[int, ...]:
    """The axes with one of them first."""
    return (axis, *(k for k in range(rank) if k != axis))


def _to_front(node: Node, axis: int) -> Node:
    return transpose(node, axes=_order(len(node.shape), axis)) if axis else node


def _to_place(node: Node, axis: int) -> Node:
    return transpose(node, axes=inverse(_order(len(node.shape), axis))) if axis else node
