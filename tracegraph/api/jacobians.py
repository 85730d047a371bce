"""`jacfwd`, `jacrev`, `jacobian`, `hessian`, `hvp`: derivatives of all results by all arguments, and products with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import numpy as np

from tracegraph.api.compiled import Compiled
from tracegraph.api.derivatives import Chosen, grad
from tracegraph.api.linear import between
from tracegraph.api.probes import (
    Between,
    arrays_of,
    checked,
    dependence,
    kept,
    like,
    named,
    nodes_like,
    pair_of,
    refuse,
)
from tracegraph.errors import UnsupportedError
from tracegraph.ir import Node
from tracegraph.ops.broadcast import broadcast_to, expand_leading
from tracegraph.ops.elementwise import conj, convert, equal
from tracegraph.ops.leaf import constant, input_node, iota
from tracegraph.ops.rules import is_float
from tracegraph.ops.shape import reshape_to, transpose
from tracegraph.tracing import Placeholder, Storage, active_trace
from tracegraph.transforms.batching import batch_nodes
from tracegraph.tree import unflatten

__all__ = ["colouring", "hessian", "hvp", "jacfwd", "jacobian", "jacrev"]


def jacfwd(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Compiled[..., Any]:
    """The Jacobian of a function, column by column: forward mode, for functions with more results than arguments.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        argnums: which positional arguments to differentiate by.
        has_aux: the function returns a pair of which only the first part is differentiated; (Jacobian, second part) is then
            returned.
        holomorphic: arguments and results are complex, and the result is the complex derivative.

    Returns:
        A compiled function of the same arguments. Its result is nested like the function's, and in the place of each leaf
        is what is nested like the argument (a tuple of them, if ``argnums`` is a sequence) and has, for an argument leaf of
        shape ``s`` and a result leaf of shape ``r``, an array of shape ``r + s`` and of the result's dtype.

    Raises:
        TypeError: an argument to differentiate by is no float array, or is complex and ``holomorphic`` is not said; a result
            is an integer.

    Example:
        >>> import numpy as np
        >>> jacfwd(lambda x: x**2)(np.array([1.0, 2.0]))
        array([[2., 0.],
               [0., 4.]])
    """
    return _jacobian("jacfwd", function, argnums, has_aux, holomorphic, _columns)


def jacrev(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Compiled[..., Any]:
    """The Jacobian of a function, row by row: reverse mode, for functions with more arguments than results.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them.
        argnums: which positional arguments to differentiate by.
        has_aux: the function returns a pair of which only the first part is differentiated; (Jacobian, second part) is then
            returned.
        holomorphic: arguments and results are complex, and the result is the complex derivative.

    Returns:
        What `jacfwd` gives, of the argument's dtype. Each row is the gradient of one real result, so by complex arguments it
        is ``df/dx + i df/dy`` as `grad` has it.

    Raises:
        TypeError: an argument to differentiate by is no float or complex array; a result is an integer, or is complex and
            ``holomorphic`` is not said.

    Example:
        >>> import numpy as np
        >>> jacrev(lambda x: np.stack([x[0] * x[1], x[1]]))(np.array([2.0, 3.0]))
        array([[3., 2.],
               [0., 1.]])
    """
    return _jacobian("jacrev", function, argnums, has_aux, holomorphic, _rows)


def hessian(
    function: Callable[..., Any], argnums: int | Sequence[int] = 0, has_aux: bool = False, holomorphic: bool = False
) -> Compiled[..., Any]:
    """The second derivatives of a function: `jacfwd` of `jacrev`, with their arguments.

    Returns:
        A compiled function of the same arguments. Its result is nested like the function's, in the place of each leaf like
        the argument, and in the place of each leaf of that like the argument again: for a scalar function of one array of
        shape ``s``, an array of shape ``s + s``.

    Raises:
        TypeError: an argument to differentiate by is no float array; a result is no float.

    Example:
        >>> import numpy as np
        >>> hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0]))
        array([[4., 2.],
               [2., 0.]])
    """
    return jacfwd(jacrev(function, argnums, has_aux, holomorphic), argnums, has_aux, holomorphic)


def hvp(function: Callable[..., Any], primals: Sequence[Any], tangents: Sequence[Any]) -> Any:
    """The product of a function's Hessian with a vector, at a small multiple of a gradient's cost: forward over reverse.

    Args:
        function: of float scalar value.
        primals: a tuple or list of arguments; float arrays and numbers, or nested containers of them.
        tangents: the vector, one part for each of them, with its structure, shapes and dtypes.

    Returns:
        How the gradient by all primals changes along the tangents: one part if there is one primal, a tuple otherwise.

    Raises:
        TypeError: the value is no float scalar, or a primal is no float array.
        ValueError: a tangent does not fit its primal.

    Example:
        >>> import numpy as np
        >>> hvp(lambda x: np.sum(x**3), (np.array([1.0, 2.0]),), (np.array([1.0, 0.0]),))
        array([6., 0.])
    """
    for what, given in (("primals", primals), ("tangents", tangents)):
        if not isinstance(given, (tuple, list)):
            refuse(f"hvp: {what} must be a tuple or a list with one entry for each argument, got {given!r:.60}")
    return _hvp(checked("hvp", function))(tuple(primals), tuple(tangents))


@kept
def _hvp(function: Callable[..., Any]) -> Compiled[..., Any]:
    def body(primals: tuple[Any, ...], tangents: tuple[Any, ...]) -> Any:
        is_single = len(primals) == 1
        slope = grad(function, 0 if is_single else range(len(primals)))
        found, _ = between("hvp", slope, primals)
        pushed = found.push(nodes_like("hvp", "tangents", tangents, found.inputs.form))
        return like(found.outputs.form, pushed)

    return Compiled(named(function, "hvp"), body=body, watched=function)


#: ``block(between, k, n)``: for each result leaf or argument leaf, see `_columns` and `_rows`.
Blocks = Callable[[str, Between, bool], dict[tuple[int, int], Node]]


def _jacobian(
    name: str, function: Callable[..., Any], argnums: Any, has_aux: bool, holomorphic: bool, blocks: Blocks
) -> Compiled[..., Any]:
    checked(name, function)
    chosen = Chosen(name, argnums)

    def body(*args: Any, **kwargs: Any) -> Any:
        probes, call = chosen.probe(function, args, kwargs)
        value, aux = pair_of(name, call(), has_aux=has_aux)
        found = dependence(probes, arrays_of(name, value))
        for node in found.outputs.nodes:
            if not is_float(node):
                refuse(f"{name}: the function returned {node.aval}; only floats and complex numbers have derivatives")
        jacobian = _nested(chosen, found, blocks(name, found, holomorphic))
        return (jacobian, aux) if has_aux else jacobian

    return Compiled(named(function, name), body=body, watched=function)


def _nested(chosen: Chosen, found: Between, blocks: dict[tuple[int, int], Node]) -> Any:
    """The blocks, nested like results and in each like the arguments."""
    trace = active_trace()
    assert trace is not None, "the body of a transform runs only inside a trace"
    rows = []
    for i, out in enumerate(found.outputs.form.leaves):
        row = []
        for k, leaf in enumerate(found.inputs.form.leaves):
            shape = (*out.aval.shape, *leaf.aval.shape)
            is_scalar = not shape and leaf.is_scalar
            storage = Storage(reshape_to(blocks[i, k], shape))
            row.append(Placeholder(trace, storage, weak=leaf.weak if out.weak else None, is_scalar=is_scalar))
        rows.append(chosen.regroup(unflatten(found.inputs.structure, row)))
    return unflatten(found.outputs.structure, rows)


def _columns(name: str, found: Between, holomorphic: bool) -> dict[tuple[int, int], Node]:
    """The derivatives of all results by each element of each argument."""
    for node in found.wrt:
        if (node.dtype.kind == "c") != holomorphic:
            refuse(_MISFIT[holomorphic].format(name=name, what="an argument is", aval=node.aval))
    blocks = {}
    for k, node in enumerate(found.wrt):
        for i, column in enumerate(pushed(found, k, _basis(node))):
            axes = (*range(1, len(column.shape)), 0)
            blocks[i, k] = transpose(column, axes=axes)
    return blocks


def _rows(name: str, found: Between, holomorphic: bool) -> dict[tuple[int, int], Node]:
    """The derivatives of each element of each result by all arguments."""
    for node in found.outputs.nodes:
        if (node.dtype.kind == "c") != holomorphic:
            refuse(_MISFIT[holomorphic].format(name=name, what="the function returned", aval=node.aval))
    blocks = {}
    for i, node in enumerate(found.outputs.nodes):
        cts: list[Node | None] = [None] * len(found.outputs.nodes)
        cts[i] = one = input_node(node.aval, node.where)
        for k, row in enumerate(_over(found.pull(cts), one, _basis(node))):
            blocks[i, k] = conj(row) if row.dtype.kind == "c" and not holomorphic else row
    return blocks


_MISFIT = {
    False: "{name}: {what} {aval}; say holomorphic=True if the function is complex differentiable, else use the other of "
    "jacfwd (complex results of real arguments) and jacrev (real results of complex arguments)",
    True: "{name}: holomorphic=True, but {what} {aval}, which is real",
}


def pushed(found: Between, k: int, tangents: Node) -> list[Node]:
    """The tangents of all results for each of several tangents of argument leaf ``k``, which lie along a leading axis."""
    given: list[Node | None] = [None] * len(found.wrt)
    given[k] = one = input_node(found.wrt[k].aval, found.wrt[k].where)
    return _over(found.push(given), one, tangents)


def _over(outputs: Sequence[Node], one: Node, many: Node) -> list[Node]:
    """What is computed from one value, from each of many."""
    size = many.shape[0]
    found = batch_nodes(outputs, size, {one: many}, [one])
    return [node if has_axis else expand_leading(node, size) for node, has_axis in found]


def _basis(node: Node) -> Node:
    """An array for each element of a value, which is one there and zero elsewhere."""
    n = node.aval.size
    index = iota(length=n, dtype=np.dtype(np.int64))
    column = broadcast_to(reshape_to(index, (n, 1)), shape=(n, n))
    eye = convert(equal(column, broadcast_to(index, shape=(n, n))), dtype=node.dtype)
    return reshape_to(eye, (n, *node.shape))


# -- sparse Jacobians --------------------------------------------------------------------------------------------------


def jacobian(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    has_aux: bool = False,
    holomorphic: bool = False,
    *,
    sparsity: Any = None,
) -> Callable[..., Any]:
    """The Jacobian of a function, by forward or reverse mode, whichever is less work; or of known sparsity, at the cost of
    few products.

    Args:
        function: takes and returns arrays and numbers, or nested containers of them; with ``sparsity``, it returns one float
            array or number.
        argnums: which positional arguments to differentiate by; with ``sparsity`` a single one, which is one float array.
        has_aux: the function returns a pair of which only the first part is differentiated; (Jacobian, second part) is then
            returned.
        holomorphic: arguments and results are complex, and the result is the complex derivative.
        sparsity: where the Jacobian may differ from zero: a boolean array of shape ``r + s`` for results of shape ``r`` and
            arguments of shape ``s`` (or both flattened), or a matrix of `scipy.sparse` of both flattened. Columns that
            meet in no row share a Jacobian-vector product. Where it is False, the Jacobian must be zero: else the answer
            is wrong.

    Returns:
        A function of the same arguments. It gives what `jacfwd` or `jacrev` gives; if ``sparsity`` is a matrix of
        `scipy.sparse`, one in compressed rows, of both flattened.

    Raises:
        TypeError: as `jacfwd` and `jacrev`.
        ValueError: the sparsity has another shape than the Jacobian.

    Example:
        >>> import numpy as np
        >>> second = lambda x: x[2:] - 2 * x[1:-1] + x[:-2]
        >>> band = np.array([[1, 1, 1, 0], [0, 1, 1, 1]], dtype=bool)
        >>> jacobian(second, sparsity=band)(np.ones(4))
        array([[ 1., -2.,  1.,  0.],
               [ 0.,  1., -2.,  1.]])
    """
    if sparsity is None:
        return _jacobian("jacobian", function, argnums, has_aux, holomorphic, _either)
    if not isinstance(argnums, int):
        refuse(f"jacobian: with a sparsity, argnums must be one position, got {argnums!r:.60}")
    chosen = Chosen("jacobian", argnums)
    pattern = _Pattern(sparsity)
    checked("jacobian", function)

    def body(*args: Any, **kwargs: Any) -> Any:
        probes, call = chosen.probe(function, args, kwargs)
        value, aux = pair_of("jacobian", call(), has_aux=has_aux)
        jacobian = pattern.jacobian(dependence(probes, arrays_of("jacobian", value)), holomorphic=holomorphic)
        return (jacobian, aux) if has_aux else jacobian

    compiled = Compiled(named(function, "jacobian"), body=body, watched=function)
    if pattern.matrix is None:
        return compiled

    @wraps(compiled)
    def sparse(*args: Any, **kwargs: Any) -> Any:
        if active_trace() is not None:
            refuse(
                "jacobian: a matrix of scipy.sparse can't be made inside a compiled function; give the sparsity as a "
                "boolean array, sparsity.toarray()",
                UnsupportedError,
            )
        found = compiled(*args, **kwargs)
        return (pattern.filled(found[0]), found[1]) if has_aux else pattern.filled(found)

    return sparse


def _either(name: str, found: Between, holomorphic: bool) -> dict[tuple[int, int], Node]:
    """By rows or by columns: what there is less of, or what is defined for these dtypes."""
    results, arguments = found.outputs.nodes, found.wrt
    by_rows = sum(node.aval.size for node in results) < sum(node.aval.size for node in arguments)
    if not holomorphic and any(node.dtype.kind == "c" for node in (*results, *arguments)):
        by_rows = any(node.dtype.kind == "c" for node in arguments)
    return (_rows if by_rows else _columns)(name, found, holomorphic)


class _Pattern:
    """Where a Jacobian may differ from zero, and which of its columns meet in no row.

    Args:
        sparsity: a boolean array, or a matrix of `scipy.sparse`.

    Attributes:
        matrix: the matrix of `scipy.sparse` in compressed rows, if it is one.
    """

    def __init__(self, sparsity: Any) -> None:
        self.matrix: Any = None
        if hasattr(sparsity, "tocsr"):
            self.matrix = sparsity.tocsr().astype(bool)
            self.matrix.sort_indices()
            self._shape = self.matrix.shape
        else:
            self._where = np.asarray(sparsity, dtype=bool)
            self._shape = self._where.shape

    def jacobian(self, found: Between, *, holomorphic: bool) -> Any:
        """The Jacobian, or its entries in the matrix's order."""
        (out, *others), (leaf, *rest) = found.outputs.form.leaves, found.inputs.form.leaves
        if others or rest:
            refuse("jacobian: a sparsity is of one array by one array; differentiate by one, and return one")
        if (leaf.aval.dtype.kind == "c") != holomorphic or (out.aval.dtype.kind == "c" and not holomorphic):
            refuse(_MISFIT[holomorphic].format(name="jacobian", what="an argument is", aval=leaf.aval))
        shape = (*out.aval.shape, *leaf.aval.shape)
        flat = (out.aval.size, leaf.aval.size)
        if self._shape not in ((flat,) if self.matrix is not None else (flat, shape)):
            refuse(
                f"jacobian: the sparsity has shape {self._shape}, expected {flat}, {out.aval} by {leaf.aval}",
                ValueError,
            )
        rows, columns = self.matrix.nonzero() if self.matrix is not None else np.nonzero(self._where.reshape(flat))
        colours = colouring(rows, columns, flat)
        seeds = np.zeros((max(colours, default=-1) + 1, flat[1]), leaf.aval.dtype)
        seeds[colours, np.arange(flat[1])] = 1
        tangents = constant(seeds.reshape(len(seeds), *leaf.aval.shape))
        (products,) = pushed(found, 0, tangents)
        trace = active_trace()
        assert trace is not None, "the body of a transform runs only inside a trace"
        merged: Any = Placeholder(trace, Storage(reshape_to(products, (len(seeds), flat[0]))))
        if self.matrix is not None:
            return merged[colours[columns], rows]
        return np.where(self._where.reshape(flat), merged[colours].T, 0).reshape(shape)

    def filled(self, entries: np.ndarray) -> Any:
        """The matrix with these entries."""
        matrix = self.matrix.astype(entries.dtype)
        matrix.data[:] = entries
        return matrix


def colouring(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A number for each column such that columns of the same number have no entry in the same row; greedy, in order.

    >>> colouring(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2]), (2, 3))
    array([0, 1, 0])
    """
    taken = [0] * shape[0]  # for each row, the bits of the colours in it
    colours = np.zeros(shape[1], int)
    order = np.argsort(columns, kind="stable")
    bounds = np.searchsorted(columns[order], np.arange(shape[1] + 1))
    met = rows[order]
    for column in range(shape[1]):
        mine = met[bounds[column] : bounds[column + 1]].tolist()
        bits = 0
        for row in mine:
            bits |= taken[row]
        free = ~bits & (bits + 1)
        colours[column] = free.bit_length() - 1
        for row in mine:
            taken[row] |= free
    return colours
