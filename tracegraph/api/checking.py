"""`check_grads`: derivatives against finite differences. `stop_gradient`: values that count as constants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tracegraph.api.linear import jvp, vjp
from tracegraph.api.probes import checked, refuse
from tracegraph.ops.leaf import stop_gradient as stop_op
from tracegraph.ops.rules import is_float
from tracegraph.tracing import Placeholder
from tracegraph.tree import flatten, places, tree_map, unflatten

__all__ = ["check_grads", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The same value, which derivatives take for a constant.

    Args:
        x: an array, a number, or nested containers of them; what is no float or complex array is left as it is.

    Returns:
        What was given, with the same structure, shapes and dtypes. Outside of compiled functions and derivatives that is
        all that it does.

    Example:
        >>> import tracegraph as tg
        >>> float(tg.grad(lambda x: x * stop_gradient(x))(3.0))
        3.0
    """
    return tree_map(_stopped, x)


def _stopped(leaf: Any) -> Any:
    if not isinstance(leaf, Placeholder) or not is_float(leaf.node):
        return leaf
    return leaf.fresh(stop_op(leaf.node), leaf.weak, is_array=not leaf.is_scalar)


def check_grads(
    function: Callable[..., Any],
    args: Sequence[Any],
    order: int = 2,
    modes: Sequence[str] = ("fwd", "rev"),
    atol: float | None = None,
    rtol: float | None = None,
    eps: float | None = None,
) -> None:
    """Compares derivatives of a function with central differences, along random directions.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        args: a tuple or list of arguments, at which it is smooth; float or complex.
        order: up to which order derivatives are compared.
        modes: which: "fwd" (`jvp`), "rev" (`vjp`); at higher orders, each of each.
        atol: how far they may be apart, absolutely.
        rtol: the same, relatively; by default both fit the least precise dtype among the arguments.
        eps: how far the points of the differences are from ``args``.

    Raises:
        AssertionError: they differ; the text says which derivative of which result, by how much.
        ValueError: a mode is neither "fwd" nor "rev", or the order is less than 1.

    Example:
        >>> import numpy as np
        >>> check_grads(lambda x: np.exp(x) * x, (np.array([0.5, -1.0]),))
    """
    checked("check_grads", function)
    if order < 1 or any(mode not in _PRODUCTS for mode in modes):
        refuse(
            f"check_grads: modes are 'fwd' and 'rev' and order is at least 1, got {modes!r} and {order!r}", ValueError
        )
    if not isinstance(args, (tuple, list)):
        refuse(f"check_grads: args must be a tuple or a list of the function's arguments, got {args!r:.60}")
    single = any(np.asarray(leaf).dtype.char in "efF" for leaf in flatten(tuple(args))[0])
    checker = _Checker(
        list(modes),
        (2e-2 if single else 1e-5) if atol is None else atol,
        (2e-2 if single else 1e-5) if rtol is None else rtol,
        (1e-2 if single else 1e-4) if eps is None else eps,
    )
    checker.check(function, tuple(args), order, getattr(function, "__name__", "the function"))


#: The mode's name, and that of its product with the Jacobian.
_PRODUCTS = {"fwd": "jvp", "rev": "vjp"}


class _Checker:
    def __init__(self, modes: list[str], atol: float, rtol: float, eps: float) -> None:
        self._modes = modes
        self._atol = atol
        self._rtol = rtol
        self._eps = eps
        self._rng = np.random.default_rng(0)

    def check(self, function: Callable[..., Any], args: tuple[Any, ...], order: int, name: str) -> None:
        """Compares the first derivatives, then checks those as functions."""
        tangents = self._random(args)
        differences = self._differences(function, args, tangents)
        for mode in self._modes:
            compare = self._forward if mode == "fwd" else self._reverse
            derivative = compare(function, args, tangents, differences, name)
            if order > 1:
                self.check(derivative, args, order - 1, f"the {_PRODUCTS[mode]} of {name}")

    def _forward(
        self, function: Callable[..., Any], args: tuple[Any, ...], tangents: Any, differences: Any, name: str
    ) -> Callable[..., Any]:
        """Compares Jacobian-vector products; gives them as a function of the arguments."""
        _, pushed = jvp(function, args, tangents)
        self._compare(f"jvp of {name}", pushed, differences)
        return lambda *args: jvp(function, args, tangents)[1]

    def _reverse(
        self, function: Callable[..., Any], args: tuple[Any, ...], tangents: Any, differences: Any, name: str
    ) -> Callable[..., Any]:
        """Compares vector-Jacobian products; gives them as a function of the arguments."""
        value, pullback = vjp(function, *args)
        cts = self._random(value)
        self._compare(f"vjp of {name}", _dot(pullback(cts), tangents), _dot(cts, differences))
        return lambda *args: vjp(function, *args)[1](cts)

    def _random(self, value: Any) -> Any:
        """Directions like a value; zeros for integers."""
        return tree_map(self._random_leaf, value)

    def _random_leaf(self, leaf: Any) -> Any:
        array = np.asarray(leaf)
        direction = self._rng.normal(size=array.shape)
        if array.dtype.kind == "c":
            direction = direction + 1j * self._rng.normal(size=array.shape)
        return np.asarray(direction if array.dtype.kind in "fc" else 0 * direction).astype(array.dtype)

    def _differences(self, function: Callable[..., Any], args: tuple[Any, ...], tangents: Any) -> Any:
        """How the results change along the tangents."""
        ahead, structure = flatten(_moved(function, args, tangents, self._eps))
        behind, _ = flatten(_moved(function, args, tangents, -self._eps))
        return unflatten(structure, [_slope(a, b, self._eps) for a, b in zip(ahead, behind, strict=True)])

    def _compare(self, what: str, found: Any, expected: Any) -> None:
        leaves, structure = flatten(found)
        for place, one, other in zip(places(structure), leaves, flatten(expected)[0], strict=True):
            if not np.allclose(one, other, rtol=self._rtol, atol=self._atol):
                distance = np.max(np.abs(np.subtract(one, other)))
                at_place = f" at {place}" if place else ""
                raise AssertionError(
                    f"check_grads: the {what}{at_place} differs from finite differences by {distance:.3g}: it is {one!r}, "
                    f"they give {other!r}"
                )


def _moved(function: Callable[..., Any], args: tuple[Any, ...], tangents: Any, step: float) -> Any:
    leaves, structure = flatten(args)
    pairs = zip(leaves, flatten(tangents)[0], strict=True)
    moved = [np.add(leaf, np.multiply(step, tangent), dtype=np.asarray(leaf).dtype) for leaf, tangent in pairs]
    return function(*unflatten(structure, moved))


def _slope(ahead: Any, behind: Any, eps: float) -> Any:
    wide = np.dtype(complex if np.asarray(ahead).dtype.kind == "c" else float)
    return np.divide(np.subtract(ahead, behind, dtype=wide), 2 * eps)


def _dot(one: Any, other: Any) -> Any:
    """The real product of two trees: what a transpose keeps, of complex numbers too."""
    pairs = zip(flatten(one)[0], flatten(other)[0], strict=True)
    return sum(np.sum(np.real(np.multiply(a, b, dtype=np.result_type(a, b, float)))) for a, b in pairs)
