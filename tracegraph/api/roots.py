"""`custom_root`, `fixed_point`: solutions of equations, whose derivatives are those of the equations and not of how they
were solved."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from tracegraph.api.checking import stop_gradient
from tracegraph.api.compiled import Compiled
from tracegraph.api.control import while_loop
from tracegraph.api.mapping import vmap
from tracegraph.api.probes import Form, Tree, arrays_of, checked, kept, like, named, nodes_like, pair_of, refuse
from tracegraph.ir import Graph, Node
from tracegraph.ops.broadcast import zeros_like
from tracegraph.ops.call import MaybeNodes
from tracegraph.ops.custom import customised
from tracegraph.ops.elementwise import negative
from tracegraph.ops.leaf import identity
from tracegraph.ops.leaf import stop_gradient as stopped
from tracegraph.ops.rules import is_float
from tracegraph.pipeline import stabilise
from tracegraph.tracing import active_trace
from tracegraph.transforms import autodiff
from tracegraph.transforms.splice import linear_part
from tracegraph.tree import flatten, unflatten

__all__ = ["custom_root", "fixed_point"]

#: ``solve(g, y)``: the ``x`` with ``g(x) = y``, of a linear function.
Solve = Callable[[Callable[[Any], Any], Any], Any]


def custom_root(
    f: Callable[[Any], Any],
    initial_guess: Any,
    solve: Callable[[Callable[[Any], Any], Any], Any],
    tangent_solve: Solve | None = None,
    has_aux: bool = False,
) -> Any:
    """A root of a function, whose derivatives are found from the function alone (implicit function theorem).

    Args:
        f: takes a value nested like ``initial_guess`` and gives one of the same structure, shapes and dtypes. The root is
            differentiated by the traced values that it reads from outside.
        initial_guess: where to begin; float arrays or numbers, or nested containers of them.
        solve: ``solve(f, initial_guess)`` gives an ``x`` with ``f(x) = 0``, in any way; its operations are not
            differentiated. It may be a Python loop.
        tangent_solve: ``tangent_solve(g, y)`` gives the ``x`` with ``g(x) = y`` of a linear function ``g`` of values like
            the root: of the derivative of ``f`` there in forward mode, and of its transpose in reverse mode. ``lambda g,
            y: y / g(1.0)`` does for numbers. If it is None, the matrix of ``g`` is set up, and the equations are solved
            directly.
        has_aux: ``solve`` returns a pair of which the first part is the root; the other is a constant to derivatives.

    Returns:
        The root, or the pair if ``has_aux``. Outside of compiled functions and derivatives it is what ``solve`` gives.

    Raises:
        TypeError: the root is no float or complex number or array.
        ValueError: ``f`` gives something of another structure or shape than the root.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> def newton(f, x):
        ...     for _ in range(20):
        ...         x = x - f(x) / tg.grad(f)(x)
        ...     return x
        >>> root = lambda a: tg.custom_root(lambda x: x**2 - a, 1.0, newton)
        >>> round(float(tg.grad(root)(4.0)), 6)
        0.25
    """
    checked("custom_root", f)
    checked("custom_root", solve)
    if active_trace() is None:
        return solve(f, initial_guess)
    value, aux = pair_of("custom_root", solve(f, initial_guess), has_aux=has_aux)
    root = arrays_of("custom_root", value)
    for node in root.nodes:
        if not is_float(node):
            refuse(
                f"custom_root: the root is {node.aval}; derivatives are of floats or complex numbers, begin at 1.0 for 1"
            )
    rule, reads = _equation(f, root, tangent_solve or _direct)
    made = like(root.form, customised(reads, root.nodes, rule))
    return (made, stop_gradient(aux)) if has_aux else made


def _equation(f: Callable[[Any], Any], root: Tree, solve: Solve) -> tuple[_Equation, list[Node]]:
    """The equation at a root, and what it reads from outside."""
    probes = [identity(stopped(node)) for node in root.nodes]
    residual = arrays_of("custom_root", f(like(root.form, probes)))
    avals = [[node.aval for node in each.nodes] for each in (residual, root)]
    if residual.structure != root.structure or avals[0] != avals[1]:
        shown = [
            unflatten(each.structure, map(repr, kinds)) for each, kinds in zip((residual, root), avals, strict=True)
        ]
        refuse(f"custom_root: f gives {shown[0]}, expected what the root is, {shown[1]}", ValueError)
    reads, inputs, outputs = linear_part(residual.nodes, probes)
    return _Equation(Graph([*probes, *inputs], outputs), root.form, solve), reads


class _Equation(NamedTuple):
    """``f(x, reads) = 0``, which says what the derivatives of ``x`` are.

    Attributes:
        graph: from ``x`` and ``reads`` to what is zero.
        form: of ``x``, and of that.
        solve: solves linear equations.
    """

    graph: Graph
    form: Form
    solve: Solve

    def pullback(self, sources: Sequence[Node], values: Sequence[Node], cts: MaybeNodes) -> MaybeNodes:
        residual, x, reads = self._at(sources, values)

        def transposed(given: Any) -> Any:
            nodes = nodes_like("custom_root", "what the transposed derivative is applied to", given, self.form)
            return like(self.form, _filled(autodiff.vjp(residual, nodes, x).wrt, x))

        known = [zeros_like(node) if ct is None else ct for node, ct in zip(values, cts, strict=True)]
        solution = self._solved(transposed, known)
        wrt = [node for node in reads if is_float(node)]
        found = iter(autodiff.vjp(residual, list(map(negative, solution)), wrt).wrt)
        return [next(found) if is_float(node) else None for node in reads]

    def pushforward(self, sources: Sequence[Node], values: Sequence[Node], tangents: MaybeNodes) -> MaybeNodes:
        residual, x, reads = self._at(sources, values)

        def derivative(given: Any) -> Any:
            nodes = nodes_like("custom_root", "what the derivative is applied to", given, self.form)
            return like(self.form, _filled(autodiff.jvp(residual, x, nodes), residual))

        pairs = [(node, tangent) for node, tangent in zip(reads, tangents, strict=True) if tangent is not None]
        moved = autodiff.jvp(residual, [node for node, _ in pairs], [tangent for _, tangent in pairs])
        return [negative(node) for node in self._solved(derivative, _filled(moved, residual))]

    def _at(self, sources: Sequence[Node], values: Sequence[Node]) -> tuple[list[Node], list[Node], list[Node]]:
        """What is zero, and names for the root and for what is read from outside, by which it can be differentiated."""
        fresh = [identity(node) for node in (*values, *sources)]
        residual, wrt = stabilise(self.graph.splice(fresh), fresh)
        return residual, wrt[: len(values)], wrt[len(values) :]

    def _solved(self, function: Callable[[Any], Any], known: Sequence[Node]) -> list[Node]:
        solution = self.solve(function, like(self.form, known))
        return nodes_like("custom_root", "what tangent_solve returned", solution, self.form)


def _filled(nodes: Sequence[Node | None], values: Sequence[Node]) -> list[Node]:
    return [zeros_like(value) if node is None else node for node, value in zip(nodes, values, strict=True)]


def _direct(function: Callable[[Any], Any], known: Any) -> Any:
    """Solves linear equations by their matrix."""
    leaves, structure = flatten(known)
    if len(leaves) == 1 and not np.ndim(leaves[0]):
        return unflatten(structure, [leaves[0] / flatten(function(unflatten(structure, [leaves[0] * 0 + 1])))[0][0]])
    ends = np.cumsum([np.size(leaf) for leaf in leaves])[:-1].tolist()

    def apart(vector: Any) -> Any:
        parts = np.split(vector, ends)
        pieces = [np.reshape(p, np.shape(leaf)).astype(leaf.dtype) for p, leaf in zip(parts, leaves, strict=True)]
        return unflatten(structure, pieces)

    def together(value: Any) -> Any:
        return np.concatenate([np.ravel(leaf) for leaf in flatten(value)[0]])

    vector = together(known)
    columns = vmap(lambda v: together(function(apart(v))))(np.eye(vector.size, dtype=vector.dtype))
    return apart(np.linalg.solve(columns.T, vector))


def fixed_point(
    f: Callable[[Any, Any], Any], params: Any, init: Any, *, tol: float | None = None, max_steps: int = 1000
) -> Any:
    """The ``x`` with ``f(params, x) = x``, found by iteration; its derivatives are found from the equation.

    Args:
        f: takes ``params`` and a value nested like ``init``, and gives one of the same structure, shapes and dtypes. Near
            the solution it must bring values closer together, else the iteration does not end there.
        params: arrays and numbers, or nested containers of them; what derivatives are by. What ``f`` reads of traced values
            from outside counts too.
        init: where to begin; float arrays or numbers, or nested containers of them.
        tol: the iteration ends when no element changes by more than this times one more than its magnitude; by default a
            thousand times the precision of the dtype.
        max_steps: after so many steps it ends in any case.

    Returns:
        The last iterate. Derivatives are taken by the same iteration on the linearised equation, so that they cost no
        memory for the steps; they do not depend on ``init``.

    Raises:
        TypeError: ``init`` is no float or complex number or array.
        ValueError: ``f`` gives something of another structure or shape than ``init``.

    Example:
        >>> import numpy as np
        >>> import tracegraph as tg
        >>> root = lambda a: fixed_point(lambda a, x: (x + a / x) / 2, a, 1.0)
        >>> round(float(root(4.0)), 6), round(float(tg.grad(root)(4.0)), 6)
        (2.0, 0.25)
    """
    return _fixed_point(checked("fixed_point", f), tol, max_steps)(params, init)


@kept
def _fixed_point(f: Callable[[Any, Any], Any], tol: float | None, max_steps: int) -> Compiled[..., Any]:
    def iterate(residual: Callable[[Any], Any], x: Any) -> Any:
        """Subtracts the residual from the value until that changes nothing."""

        def goes_on(state: Any) -> Any:
            x, residual, steps = state
            moves = [
                np.any(np.abs(r) > (1e3 * np.finfo(r.dtype).eps if tol is None else tol) * (1 + np.abs(each)))
                for each, r in zip(flatten(x)[0], flatten(residual)[0], strict=True)
            ]
            return (steps < max_steps) & functools.reduce(np.logical_or, moves, False)

        def step(state: Any) -> Any:
            x, r, steps = state
            x = _minus(x, r)
            return x, residual(x), steps + 1

        return while_loop(goes_on, step, (x, residual(x), 0))[0]

    def linear(g: Callable[[Any], Any], y: Any) -> Any:
        return custom_root(lambda u: _minus(g(u), y), y, iterate, linear)

    def body(params: Any, init: Any) -> Any:
        return custom_root(lambda x: _minus(x, f(params, x)), init, iterate, linear)

    return Compiled(named(f, "fixed_point"), body=body, watched=f)


def _minus(a: Any, b: Any) -> Any:
    leaves, structure = flatten(a)
    others, found = flatten(b)
    if structure != found:
        refuse(f"fixed_point: f gives {b!r:.60} for {a!r:.60}; they must be nested alike", ValueError)
    return unflatten(structure, [x - y for x, y in zip(leaves, others, strict=True)])
