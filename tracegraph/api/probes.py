"""What transforms of functions share: fresh nodes in the place of arguments, the function's results as nodes, and the linear
maps between the two."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, wraps
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tracegraph.api.compiled import Compiled
from tracegraph.api.signature import Leaf
from tracegraph.errors import at
from tracegraph.ir import Aval, Node
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import INEXACT, is_float
from tracegraph.pipeline import stabilise
from tracegraph.tracing import Placeholder, Storage, Trace, active_trace, node_of, user_where
from tracegraph.transforms import autodiff
from tracegraph.tree import MisfitError, Structure, flatten, flatten_as, places, prefix, unflatten

__all__ = [
    "Between",
    "Form",
    "Tree",
    "arguments",
    "arrays_of",
    "checked",
    "dependence",
    "kept",
    "like",
    "named",
    "nodes_like",
    "owners",
    "pair_of",
    "probe",
    "standing_for",
    "traced",
]


class Form(NamedTuple):
    """What values are like: the kind of each leaf, and how they are nested."""

    leaves: tuple[Leaf, ...]
    structure: Structure


class Tree(NamedTuple):
    """Traced values and how they are nested.

    Attributes:
        leaves: the values, which a function may still change in place.
        nodes: what they were at first.
        structure: how they are nested.
    """

    leaves: list[Placeholder]
    nodes: list[Node]
    structure: Structure

    @staticmethod
    def of(leaves: list[Placeholder], structure: Structure) -> Tree:
        return Tree(leaves, [leaf.node for leaf in leaves], structure)

    @property
    def value(self) -> Any:
        return unflatten(self.structure, self.leaves)

    @property
    def form(self) -> Form:
        kinds = [Leaf(node.aval, leaf.weak, leaf.is_scalar) for leaf, node in zip(self.leaves, self.nodes, strict=True)]
        return Form(tuple(kinds), self.structure)


class Between(NamedTuple):
    """A function at a point, as the graph between fresh nodes for its arguments and its results.

    Attributes:
        inputs: the fresh nodes.
        outputs: the results.
        wrt: the nodes that stand for ``inputs`` in the graph of ``outputs``.
    """

    inputs: Tree
    outputs: Tree
    wrt: list[Node]

    def pull(self, cts: Sequence[Node | None]) -> list[Node]:
        """The cotangents of the inputs, given those of the outputs; None for one of zeros."""
        pairs = [
            (node, ct) for node, ct in zip(self.outputs.nodes, cts, strict=True) if ct is not None and is_float(node)
        ]
        found = autodiff.vjp([node for node, _ in pairs], [ct for _, ct in pairs], self.wrt).wrt
        return [zeros_like(node) if ct is None else ct for node, ct in zip(self.wrt, found, strict=True)]

    def push(self, tangents: Sequence[Node | None]) -> list[Node]:
        """The tangents of the outputs, given those of the inputs; None for one of zeros."""
        pairs = [(node, tangent) for node, tangent in zip(self.wrt, tangents, strict=True) if tangent is not None]
        found = autodiff.jvp(self.outputs.nodes, [node for node, _ in pairs], [tangent for _, tangent in pairs])
        return [
            zeros_like(node) if each is None else each for node, each in zip(self.outputs.nodes, found, strict=True)
        ]


def dependence(inputs: Tree, outputs: Tree) -> Between:
    """How some results depend on fresh nodes, in a form that is safe to differentiate."""
    stable, wrt = stabilise(outputs.nodes, inputs.nodes)
    renewed = list(map(standing_for, outputs.form.leaves, stable))
    return Between(inputs, Tree(renewed, stable, outputs.structure), wrt)


def probe(name: str, values: Sequence[Any], keys: Sequence[Any]) -> Tree:
    """A fresh node for every leaf to differentiate by, nested as a tuple of the values.

    Args:
        name: of the transform, for messages.
        values: arguments to differentiate by.
        keys: their names or positions.

    Raises:
        TypeError: a leaf is no float or complex array or number.
    """
    leaves, structure = flatten(tuple(values))
    names = owners(keys, structure.children)
    return Tree.of([_fresh(name, owner, leaf) for owner, leaf in zip(names, leaves, strict=True)], structure)


def arguments(name: str, values: Sequence[Any], keys: Sequence[Any]) -> Tree:
    """The leaves of a tuple of arguments as traced values, integers too.

    Raises:
        TypeError: one is no array and no number.
    """
    leaves, structure = flatten(tuple(values))
    found = []
    for owner, leaf in zip(owners(keys, structure.children), leaves, strict=True):
        place = traced(leaf)
        if place is None:
            refuse(
                f"{name}: {owner} is {leaf!r:.60} of {type(leaf).__name__}; name what is no array in nondiff_argnums"
            )
        found.append(place)
    return Tree.of(found, structure)


def owners(keys: Sequence[Any], structures: Sequence[Structure]) -> list[str]:
    """For messages, what each leaf of some arguments is called."""
    return [f"argument {key!r}{place}" for key, each in zip(keys, structures, strict=True) for place in places(each)]


def _fresh(name: str, owner: str, leaf: Any) -> Placeholder:
    place = traced(leaf)
    if place is None or not is_float(place.node):
        given = f"{leaf!r:.60}" if place is None else place.node.aval
        refuse(f"{name}: {owner} is {given}; a derivative is by floats or complex numbers, pass 1.0 for 1")
    return standing_for(Leaf(place.node.aval, place.weak, place.is_scalar), identity(place.node))


def arrays_of(name: str, value: Any) -> Tree:
    """The leaves of what a function has returned as traced values.

    Raises:
        TypeError: one is no array and no number.
    """
    leaves, structure = flatten(value)
    found = [traced(leaf) for leaf in leaves]
    for leaf, place in zip(leaves, found, strict=True):
        if place is None:
            refuse(f"{name}: the function returned {leaf!r:.60} of {type(leaf).__name__}; expected arrays or numbers")
    return Tree.of([place for place in found if place is not None], structure)


def traced(leaf: Any) -> Placeholder | None:
    """A leaf as a value of the open trace; None if it is no array and no number."""
    if isinstance(leaf, Placeholder):
        return leaf
    if not isinstance(leaf, (np.ndarray, np.generic, bool, int, float, complex)):
        return None
    weak = type(leaf) if type(leaf) in (bool, int, float, complex) else None
    return Placeholder(_open_trace(), Storage(node_of(leaf)), weak=weak, is_scalar=not isinstance(leaf, np.ndarray))


def standing_for(leaf: Leaf, node: Node) -> Placeholder:
    """A value of the kind of another: an array, NumPy's number or Python's."""
    return Placeholder(_open_trace(), Storage(node), weak=leaf.weak, is_scalar=leaf.is_scalar)


def _open_trace() -> Trace:
    trace = active_trace()
    assert trace is not None, "the body of a transform runs only inside a trace"
    return trace


def like(form: Form, nodes: Iterable[Node]) -> Any:
    """Nodes nested in a form, each of the kind of its leaf."""
    return unflatten(form.structure, map(standing_for, form.leaves, nodes))


def nodes_like(name: str, what: str, given: Any, form: Form) -> list[Node]:
    """Tangents or cotangents that someone has given for values of some form, checked.

    Python's numbers take the dtype of the value. Those of integers have no effect, and are taken as they are.

    Raises:
        ValueError: they are nested otherwise, or one has another shape than its value.
        TypeError: one has another dtype than its value, or is no array.
    """
    try:
        leaves = flatten_as(form.structure, given)
    except MisfitError as error:
        raise ValueError(at(f"{name}: the {what} must be nested like the values: {error}", user_where())) from None
    steps = places(form.structure)
    return [
        _node_like(name, f"{what}{step}", leaf, kind.aval)
        for leaf, kind, step in zip(leaves, form.leaves, steps, strict=True)
    ]


def some_like(name: str, what: str, given: Any, form: Form) -> list[Node | None]:
    """As `nodes_like`, for what a user's rule returned: None anywhere stands for zeros, and integers have no derivative."""
    try:
        leaves = prefix(form.structure, given, lambda part: part is None)
    except MisfitError as error:
        raise ValueError(at(f"{name}: {what} must be nested like the values: {error}", user_where())) from None
    steps = places(form.structure)
    return [
        None if leaf is None or kind.aval.dtype not in INEXACT else _node_like(name, f"{what}, {step}", leaf, kind.aval)
        for leaf, kind, step in zip(leaves, form.leaves, steps, strict=True)
    ]


def _node_like(name: str, what: str, leaf: Any, aval: Aval) -> Node:
    given = traced(leaf)
    if given is None:
        refuse(f"{name}: {what} is {leaf!r:.60}, expected {aval}")
    if given.shape != aval.shape:
        refuse(f"{name}: {what} has shape {given.shape}, the value that it belongs to has {aval.shape}", ValueError)
    if aval.dtype not in INEXACT:
        return given.node
    rank = "biufc".index
    if given.dtype != aval.dtype and (given.weak is None or rank(given.dtype.kind) > rank(aval.dtype.kind)):
        refuse(f"{name}: {what} is {given.node.aval}, expected {aval}, the dtype of the value that it belongs to")
    return node_of(given, aval.dtype)


def pair_of(name: str, answer: Any, *, has_aux: bool) -> tuple[Any, Any]:
    """What is to be transformed of what a function has returned, and what is not."""
    if not has_aux:
        return answer, None
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        refuse(f"{name}: with has_aux=True the function must return a pair (value, aux), it returned {answer!r:.60}")
    return answer[0], answer[1]


def refuse(message: str, error: type[Exception] = TypeError) -> NoReturn:
    """Raises, with the user's line."""
    raise error(at(message, user_where()))


def checked(name: str, function: Any) -> Callable[..., Any]:
    """The function, if it is one."""
    if not callable(function):
        raise TypeError(at(f"{name}: expected a function, got {function!r:.60}", user_where()))
    return function  # type: ignore[no-any-return]


def kept(make: Callable[..., Compiled[..., Any]]) -> Callable[..., Compiled[..., Any]]:
    """Keeps what a transform has made of the functions that it saw last, the first argument, for the next call."""
    cached = lru_cache(128)(make)

    @wraps(make)
    def find(function: Callable[..., Any], *settings: Any) -> Compiled[..., Any]:
        try:
            hash(function)
        except TypeError:
            return make(function, *settings)
        return cached(function, *settings)

    return find


def named(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A stand-in that carries a transformed function's own name and documentation."""

    def transformed(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the body runs in its place")

    inner = getattr(function, "__name__", type(function).__name__)
    transformed.__name__ = transformed.__qualname__ = f"{name}({inner})"
    transformed.__doc__ = f"{name} of {inner}.\n\n{getattr(function, '__doc__', None) or ''}".rstrip()
    transformed.__signature__ = _signature(function)  # type: ignore[attr-defined]
    return transformed


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function).replace(return_annotation=inspect.Signature.empty)
    except (TypeError, ValueError):
        return inspect.signature(lambda *args, **kwargs: None)
