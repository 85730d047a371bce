"""`grad` and `value_and_grad`: derivative functions of NumPy functions. They are ordinary compiled functions whose bodies
trace the user's function over fresh nodes and differentiate between those; so they nest without levels."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.api.compiled import Compiled
from tracegraph.errors import at
from tracegraph.ir import Node
from tracegraph.ops.broadcast import fill, zeros_like
from tracegraph.ops.elementwise import conj
from tracegraph.ops.leaf import identity
from tracegraph.ops.rules import is_float
from tracegraph.pipeline import stabilise
from tracegraph.tracing import Placeholder, Storage, active_trace, node_of, user_where
from tracegraph.transforms.autodiff import vjp
from tracegraph.tree import Structure, flatten, unflatten

__all__ = ["grad", "gradients", "value_and_grad"]


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


def _derivative(
    function: Callable[..., Any], argnums: Any, argnames: Any, has_aux: bool, holomorphic: bool, *, with_value: bool
) -> Compiled[..., Any]:
    name = "value_and_grad" if with_value else "grad"
    if not callable(function):
        raise TypeError(f"{name}: expected a function, got {function!r:.60}")
    positions, names, is_single = _chosen(argnums, argnames)

    def body(*args: Any, **kwargs: Any) -> Any:
        keys = [*(k % len(args) if -len(args) <= k < len(args) else k for k in positions), *names]
        values: dict[Any, Any] = {**dict(enumerate(args)), **kwargs}
        _check_given(name, keys, values)
        probes, structures = _probe(name, keys, values)
        wrt = [probe.node for probe in probes]
        answer = function(*[values[k] for k in range(len(args))], **{key: values[key] for key in kwargs})
        value, aux = answer if has_aux else (answer, None)
        value, slopes = gradients(value, wrt, name, holomorphic=holomorphic)
        results = _regroup(slopes, probes, structures)
        gradient = results[0] if is_single else tuple(results)
        if with_value:
            return ((value, aux), gradient) if has_aux else (value, gradient)
        return (gradient, aux) if has_aux else gradient

    return Compiled(_renamed(function, name), body=body, watched=function)


_MISFIT = {
    False: "{name}: the function returned {aval}; a gradient is of a real value, such as np.abs(y) ** 2 or np.real(y). If "
    "the function is holomorphic, say holomorphic=True for its complex derivative",
    True: "{name}: holomorphic=True, but the function returned {aval}, which is real; leave holomorphic out",
}


def gradients(
    value: Any, wrt: Sequence[Node], name: str = "grad", *, holomorphic: bool = False
) -> tuple[Any, list[Node]]:
    """The derivative of a traced scalar by nodes of its graph, and the scalar as its stabilised graph computes it.

    Args:
        value: a float scalar; a complex one of a holomorphic function.
        wrt: float or complex nodes, inputs or inner ones.
        name: of the transform, for messages.
        holomorphic: whether to give complex derivatives of a complex value.
    """
    if not isinstance(value, Placeholder):
        value = _constant(value, name)
    if value.shape or not is_float(value.node):
        raise TypeError(
            at(
                f"{name}: the function must return a float scalar, it returned {value.node.aval}; reduce it, for instance "
                "by np.sum, or differentiate one element",
                user_where() or value.node.where,
            )
        )
    if (value.dtype.kind == "c") != holomorphic:
        raise TypeError(at(_MISFIT[holomorphic].format(name=name, aval=value.node.aval), user_where()))
    if holomorphic:
        for node in wrt:
            if node.dtype.kind != "c":
                raise TypeError(
                    at(f"{name}: holomorphic=True, but an argument is {node.aval}, which is real", user_where())
                )
    output, nodes = stabilise(value.node, wrt)
    found = vjp([output], [fill(1, (), output.dtype)], nodes).wrt
    slopes = [zeros_like(node) if ct is None else ct for node, ct in zip(wrt, found, strict=True)]
    if not holomorphic:
        slopes = [conj(slope) if slope.dtype.kind == "c" else slope for slope in slopes]
    return value.fresh(output, value.weak), slopes


def _constant(value: Any, name: str) -> Placeholder:
    """A value that depends on no argument at all."""
    trace = active_trace()
    if trace is None or not isinstance(value, (float, int, complex, np.ndarray, np.generic)):
        hint = "; of a pair, has_aux=True differentiates the first" if type(value) is tuple else ""
        raise TypeError(
            at(f"{name}: the function must return a float scalar, it returned {value!r:.60}{hint}", user_where())
        )
    return Placeholder(trace, Storage(node_of(value)), is_scalar=True)


def _chosen(argnums: Any, argnames: Any) -> tuple[list[int], list[str], bool]:
    if argnums is None and argnames is None:
        argnums = 0
    positions = [] if argnums is None else [argnums] if isinstance(argnums, int) else list(argnums)
    names = [] if argnames is None else [argnames] if isinstance(argnames, str) else list(argnames)
    return positions, names, isinstance(argnums, int) != isinstance(argnames, str) and len(positions) + len(names) == 1


def _check_given(name: str, keys: Sequence[Any], values: dict[Any, Any]) -> None:
    for key in keys:
        if key not in values:
            kind = "argnums" if isinstance(key, int) else "argnames"
            given = ", ".join(map(str, values)) or "none"
            raise ValueError(at(f"{name}: {kind} names argument {key!r}, the call has {given}", user_where()))


def _probe(name: str, keys: Sequence[Any], values: dict[Any, Any]) -> tuple[list[Placeholder], list[Structure]]:
    """Puts a fresh node in the place of every leaf to differentiate by, and gives those."""
    probes, structures = [], []
    for key in keys:
        leaves, structure = flatten(values[key])
        fresh = [_fresh(name, key, leaf) for leaf in leaves]
        values[key] = unflatten(structure, fresh)
        probes += fresh
        structures.append(structure)
    return probes, structures


def _fresh(name: str, key: Any, leaf: Any) -> Placeholder:
    node = node_of(leaf)
    if not is_float(node):
        raise TypeError(
            at(
                f"{name}: argument {key!r} is {node.aval}; a derivative is by floats or complex numbers, pass 1.0 for 1",
                user_where(),
            )
        )
    trace = active_trace()
    assert trace is not None, "the body of a derivative runs only inside a trace"
    known = isinstance(leaf, Placeholder)
    weak = leaf.weak if known else type(leaf) if type(leaf) in (float, complex) else None
    is_scalar = leaf.is_scalar if known else not isinstance(leaf, np.ndarray)
    return Placeholder(trace, Storage(identity(node)), weak=weak, is_scalar=is_scalar)


def _regroup(slopes: Sequence[Node], probes: Sequence[Placeholder], structures: Sequence[Structure]) -> list[Any]:
    parts = iter(
        Placeholder(probe.origin, Storage(slope), weak=probe.weak, is_scalar=probe.is_scalar)
        for slope, probe in zip(slopes, probes, strict=True)
    )
    return [unflatten(structure, parts) for structure in structures]


def _renamed(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    """A stand-in that carries the derivative's own name and documentation."""

    def derivative(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the body runs in its place")

    inner = getattr(function, "__name__", type(function).__name__)
    derivative.__name__ = derivative.__qualname__ = f"{name}({inner})"
    derivative.__doc__ = f"{name} of {inner}.\n\n{getattr(function, '__doc__', None) or ''}".rstrip()
    derivative.__signature__ = _signature(function)  # type: ignore[attr-defined]
    return derivative


def _signature(function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function).replace(return_annotation=inspect.Signature.empty)
    except (TypeError, ValueError):
        return inspect.signature(lambda *args, **kwargs: None)
