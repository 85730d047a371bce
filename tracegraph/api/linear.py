"""`vjp`, `jvp` and `linearize`: a function's value at a point, and the linear map that is its linear_map there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.api.compiled import Compiled
from tracegraph.api.probes import (
    Between,
    Form,
    arrays_of,
    checked,
    dependence,
    kept,
    like,
    named,
    nodes_like,
    pair_of,
    probe,
    refuse,
)
from tracegraph.api.tracer import Given
from tracegraph.errors import LeakError, at
from tracegraph.ir import Node
from tracegraph.ops.leaf import input_node
from tracegraph.tracing import Placeholder, Storage, active_trace, node_of, user_where
from tracegraph.transforms.splice import linear_part, replace

__all__ = ["between", "jvp", "linearize", "vjp"]


def vjp(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and the vector-Jacobian product at that point: reverse mode.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        primals: where; float or complex arrays and numbers.
        has_aux: the function returns a pair of which only the first part is differentiated.

    Returns:
        (value, pullback), with the second part of the pair as a third if ``has_aux``. ``pullback(ct)`` takes a cotangent
        nested like the value, with its shapes and dtypes, and gives a tuple with a cotangent for each of the primals. It
        may be called any number of times, and in other compiled functions. Of complex numbers it is the plain transpose,
        with no conjugation, so that it is linear in the cotangent. Integer results do not depend on the primals; what
        their cotangents are makes no difference.

    Raises:
        TypeError: a primal is no float or complex array; a cotangent has another dtype than its value.
        ValueError: the cotangent is nested otherwise than the value, or has other shapes.

    Example:
        >>> import numpy as np
        >>> value, pullback = vjp(lambda x, y: x * np.sin(y), np.array([1.0, 2.0]), 0.0)
        >>> pullback(np.ones(2))
        (array([0., 0.]), 3.0)
    """
    return _linear("vjp", function, primals, has_aux=has_aux)


def linearize(function: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """The value of a function, and the Jacobian-vector product at that point as a function: forward mode for many tangents.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        primals: where; float or complex arrays and numbers.
        has_aux: the function returns a pair of which only the first part is differentiated.

    Returns:
        (value, pushforward), with the second part of the pair as a third if ``has_aux``. ``pushforward(*tangents)`` takes a
        tangent for each primal, with its structure, shapes and dtypes, and gives one that is nested like the value. What
        does not depend on tangents is computed once, by `linearize`.

    Raises:
        TypeError: a primal is no float or complex array; a tangent has another dtype than its primal.
        ValueError: a tangent is nested otherwise than its primal, or has another shape.

    Example:
        >>> import numpy as np
        >>> value, pushforward = linearize(np.sin, np.array([0.0, np.pi]))
        >>> pushforward(np.ones(2))
        array([ 1., -1.])
    """
    return _linear("linearize", function, primals, has_aux=has_aux)


def jvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any], has_aux: bool = False) -> Any:
    """The value of a function and its Jacobian-vector product, together: forward mode.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        primals: a tuple or list of arguments; float or complex arrays and numbers.
        tangents: one for each of them, with its structure, shapes and dtypes. Python's numbers fit any dtype.
        has_aux: the function returns a pair of which only the first part is differentiated.

    Returns:
        (value, tangent of the value), with the second part of the pair as a third if ``has_aux``. Tangents of integer
        results are zeros.

    Raises:
        TypeError: a primal is no float or complex array; a tangent has another dtype than its primal.
        ValueError: a tangent is nested otherwise than its primal, or has another shape.

    Example:
        >>> import numpy as np
        >>> jvp(lambda x, y: x * y, (2.0, np.array([1.0, 3.0])), (1.0, np.zeros(2)))
        (array([2., 6.]), array([1., 3.]))
    """
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            refuse(f"jvp: {what} must be a tuple or a list with one entry for each argument, got {given!r:.60}")
    if len(primals) != len(tangents):
        refuse(f"jvp: {len(primals)} primals, but {len(tangents)} tangents", ValueError)
    return _forward(checked("jvp", function), has_aux)(tuple(primals), tuple(tangents))


def between(
    name: str, function: Callable[..., Any], primals: Sequence[Any], *, has_aux: bool = False
) -> tuple[Between, Any]:
    """A function at a point, inside a trace, and what it gives besides."""
    probes = probe(name, primals, range(len(primals)))
    value, aux = pair_of(name, function(*probes.value), has_aux=has_aux)
    return dependence(probes, arrays_of(name, value)), aux


@kept
def _forward(function: Callable[..., Any], has_aux: bool) -> Compiled[..., Any]:
    def body(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        found, aux = between("jvp", function, primals, has_aux=has_aux)
        pushed = found.push(nodes_like("jvp", "tangents", tangents, found.inputs.form))
        value, tangent = found.outputs.value, like(found.outputs.form, pushed)
        return (value, tangent, aux) if has_aux else (value, tangent)

    return Compiled(named(function, "jvp"), body=body, watched=function)


class LinearMap(NamedTuple):
    """A linear map between trees of values.

    Attributes:
        name: of the transform that gave it, for messages.
        what: it takes: cotangents or tangents.
        takes: what that is to be like.
        gives: what its results are like.
        is_unary: whether it takes one tree and gives a tuple, or takes the parts of a tuple and gives one tree.
    """

    name: str
    what: str
    takes: Form
    gives: Form
    is_unary: bool

    def __call__(self, given: tuple[Any, ...], apply: Callable[[list[Node]], list[Node]]) -> Any:
        """What it gives for a call with these arguments; ``apply`` is the map of nodes."""
        expected = 1 if self.is_unary else len(self.takes.structure.children)
        if len(given) != expected:
            refuse(
                f"{self.name}: the linear map takes {expected} argument(s), the {self.what}; it was given {len(given)}"
            )
        nodes = nodes_like(self.name, self.what, given[0] if self.is_unary else given, self.takes)
        return like(self.gives, apply(nodes))


def _map_of(name: str, found: Between) -> tuple[LinearMap, Callable[[Sequence[Node]], list[Node]]]:
    if name == "vjp":
        return LinearMap(name, "cotangent", found.outputs.form, found.inputs.form, True), found.pull
    return LinearMap(name, "tangents", found.inputs.form, found.outputs.form, False), found.push


def _linear(name: str, function: Callable[..., Any], primals: tuple[Any, ...], *, has_aux: bool) -> Any:
    checked(name, function)
    trace = active_trace()
    if trace is None:
        value, aux, held, linear_map = _residuals(function, name, has_aux)(*primals)
        linear: Callable[..., Any] = _Held(linear_map, held)
        return (value, linear, aux) if has_aux else (value, linear)
    found, aux = between(name, function, primals, has_aux=has_aux)
    linear_map, apply = _map_of(name, found)

    def here(*given: Any) -> Any:
        if active_trace() is not trace:
            raise LeakError(at(f"the linear map of a {name} was used after its function had returned", user_where()))
        return linear_map(given, apply)

    value = found.outputs.value
    return (value, here, aux) if has_aux else (value, here)


@kept
def _residuals(function: Callable[..., Any], name: str, has_aux: bool) -> Compiled[..., Any]:
    """The compiled function that computes a value and all that the linear map needs to know of the point."""

    def body(*primals: Any) -> Any:
        found, aux = between(name, function, primals, has_aux=has_aux)
        linear_map, apply = _map_of(name, found)
        inputs = [input_node(leaf.aval, user_where()) for leaf in linear_map.takes.leaves]
        held, stand_ins, outputs = linear_part(apply(inputs), inputs)
        trace = active_trace()
        assert trace is not None, "a compiled function runs its body inside a trace"

        def linear(values: list[Any], given: tuple[Any, ...]) -> Any:
            known = dict(zip(stand_ins, map(node_of, values), strict=True))
            return linear_map(given, lambda nodes: replace(outputs, {**known, **dict(zip(inputs, nodes, strict=True))}))

        return (
            found.outputs.value,
            aux,
            [Placeholder(trace, Storage(node)) for node in held],
            Given(Compiled(named(function, name), body=linear)),
        )

    return Compiled(named(function, name), body=body, watched=function)


class _Held:
    """The linear map at a point whose values are at hand."""

    def __init__(self, linear: Compiled[..., Any], held: list[np.ndarray]) -> None:
        self._linear = linear
        self._held = held

    def __call__(self, *given: Any) -> Any:
        return self._linear(self._held, given)
