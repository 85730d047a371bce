"""`grad` and `value_and_grad`: derivative functions of NumPy functions. They are ordinary compiled functions whose bodies
trace the user's function over fresh nodes and differentiate between those; so they nest without levels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracegraph.api.compiled import Compiled
from tracegraph.api.probes import (
    Between,
    Tree,
    arrays_of,
    checked,
    dependence,
    like,
    named,
    pair_of,
    probe,
    refuse,
)
from tracegraph.ops.broadcast import fill
from tracegraph.ops.elementwise import conj
from tracegraph.ops.rules import is_float
from tracegraph.tree import LEAF, flatten

__all__ = ["Chosen", "grad", "value_and_grad"]


def grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    *,
    argnames: str | Sequence[str] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Any:
    """The gradient of a function of scalar value.

    Args:
        function: a NumPy function, compiled or not. (An expression of `tracegraph.symbolic` is differentiated by
            ``grad(expression, nodes)`` instead, see there.)
        argnums: which positional arguments to differentiate by, the first if neither these nor names are given; a single
            one gives a gradient, several a tuple of them.
        argnames: which keyword arguments to differentiate by.
        has_aux: the function returns a pair of which only the first part is differentiated; the gradient function then
            returns (gradient, second part).
        holomorphic: the function is complex differentiable and its value is complex: the result is its complex derivative.

    Returns:
        A compiled function of the same arguments. A gradient has the structure, shapes and dtypes of its argument; where
        the value does not depend on it, zeros. Of a real value by a complex argument ``x + iy`` it is ``df/dx + i df/dy``,
        the direction of steepest ascent, so that ``z - rate * gradient`` descends.

    Raises:
        TypeError: the value is no float scalar, or an argument to differentiate by is no float or complex array.

    Example:
        >>> import numpy as np
        >>> float(grad(lambda x: np.sum(x**3))(np.array([2.0]))[0])
        12.0
        >>> float(grad(grad(lambda x: x**3))(2.0))
        12.0
        >>> complex(grad(lambda z: np.abs(z) ** 2)(3 + 4j))
        (6+8j)
        >>> complex(grad(lambda z: z**2, holomorphic=True)(3 + 4j))
        (6+8j)
    """
    symbolic = getattr(function, "__tracegraph_grad__", None)
    if symbolic is not None:
        return symbolic(argnums)
    return _derivative(function, argnums, argnames, has_aux, holomorphic, with_value=False)


def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] | None = None,
    *,
    argnames: str | Sequence[str] | None = None,
    has_aux: bool = False,
    holomorphic: bool = False,
) -> Compiled[..., Any]:
    """A function that returns (value, gradient); arguments as for `grad`.

    Example:
        >>> value, slope = value_and_grad(lambda x: x**2)(3.0)
        >>> float(value), float(slope)
        (9.0, 6.0)
    """
    return _derivative(function, argnums, argnames, has_aux, holomorphic, with_value=True)


class Chosen:
    """Which arguments of a function to differentiate by.

    Args:
        name: of the transform, for messages.
        argnums: positions.
        argnames: names of keyword arguments; the first argument if neither is given.
    """

    def __init__(self, name: str, argnums: Any, argnames: Any = None) -> None:
        if argnums is None and argnames is None:
            argnums = 0
        self._name = name
        self._positions = [] if argnums is None else [argnums] if isinstance(argnums, int) else list(argnums)
        self._names = [] if argnames is None else [argnames] if isinstance(argnames, str) else list(argnames)
        is_one = len(self._positions) + len(self._names) == 1
        self.is_single = isinstance(argnums, int) != isinstance(argnames, str) and is_one

    def probe(
        self, function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Tree, Callable[[], Any]]:
        """Fresh nodes for these arguments, and the function at them, to be called."""
        keys = [*(k % len(args) if -len(args) <= k < len(args) else k for k in self._positions), *self._names]
        values: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        for key in keys:
            if key not in values:
                kind = "argnums" if isinstance(key, int) else "argnames"
                given = ", ".join(map(str, values)) or "none"
                refuse(f"{self._name}: {kind} names argument {key!r}, the call has {given}", ValueError)
        probes = probe(self._name, [values[key] for key in keys], keys)
        values.update(zip(keys, probes.value, strict=True))
        return probes, lambda: function(*[values[k] for k in range(len(args))], **{key: values[key] for key in kwargs})

    def regroup(self, parts: Sequence[Any]) -> Any:
        """One result for each of the arguments, as the user has asked for them."""
        return parts[0] if self.is_single else tuple(parts)


def _derivative(
    function: Callable[..., Any], argnums: Any, argnames: Any, has_aux: bool, holomorphic: bool, *, with_value: bool
) -> Compiled[..., Any]:
    name = "value_and_grad" if with_value else "grad"
    checked(name, function)
    chosen = Chosen(name, argnums, argnames)

    def body(*args: Any, **kwargs: Any) -> Any:
        probes, call = chosen.probe(function, args, kwargs)
        value, aux = pair_of(name, call(), has_aux=has_aux)
        between = dependence(probes, _scalar(name, value))
        gradient = chosen.regroup(slopes(between, name, holomorphic=holomorphic))
        if with_value:
            value = between.outputs.value
            return ((value, aux), gradient) if has_aux else (value, gradient)
        return (gradient, aux) if has_aux else gradient

    return Compiled(named(function, name), body=body, watched=function)


_MISFIT = {
    False: "{name}: the function returned {aval}; a gradient is of a real value, such as np.abs(y) ** 2 or np.real(y). If "
    "the function is holomorphic, say holomorphic=True for its complex derivative",
    True: "{name}: holomorphic=True, but the function returned {aval}, which is real; leave holomorphic out",
}


def slopes(between: Between, name: str, *, holomorphic: bool = False) -> Any:
    """The gradients of a traced scalar, nested as its inputs.

    Args:
        between: from what to what.
        name: of the transform, for messages.
        holomorphic: whether to give complex derivatives of a complex value.
    """
    (output,) = between.outputs.nodes
    if (output.dtype.kind == "c") != holomorphic:
        refuse(_MISFIT[holomorphic].format(name=name, aval=output.aval))
    if holomorphic:
        for node in between.wrt:
            if node.dtype.kind != "c":
                refuse(f"{name}: holomorphic=True, but an argument is {node.aval}, which is real")
    found = between.pull([fill(1, (), output.dtype)])
    if not holomorphic:
        found = [conj(slope) if slope.dtype.kind == "c" else slope for slope in found]
    return like(between.inputs.form, found)


def _scalar(name: str, value: Any) -> Tree:
    """A function's value, if that is one number."""
    _, structure = flatten(value)
    if structure is not LEAF:
        hint = "; of a pair, has_aux=True differentiates the first" if type(value) is tuple else ""
        refuse(f"{name}: the function must return a float scalar, it returned {value!r:.60}{hint}")
    tree = arrays_of(name, value)
    (place,) = tree.leaves
    if place.shape or not is_float(place.node):
        refuse(
            f"{name}: the function must return a float scalar, it returned {place.node.aval}; reduce it, for instance "
            "by np.sum, or differentiate one element"
        )
    return tree
