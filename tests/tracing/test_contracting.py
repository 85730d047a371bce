"""`einsum` in all its forms, products of stacks, convolution and cross products, as in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, functions_called

from tracegraph import grad
from tracegraph.ir import DTYPES
from tracegraph.tracing.contracting import FUNCTIONS

over = pytest.mark.parametrize
#: Sums of a few numbers around 1, in another order.
SLACK = 1e-12


def values(*shape: int, dtype: Any = "f8", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.asarray(rng.integers(-6, 8, shape) / 2, dtype)
    return rng.integers(0, 2, shape).astype(dtype)


EINSUMS: tuple[tuple[str, tuple[tuple[int, ...], ...]], ...] = (
    ("i", ((3,),)), ("i->", ((3,),)), ("ij->ji", ((2, 3),)), ("ij", ((2, 3),)), ("ji", ((2, 3),)), ("ii", ((3, 3),)),
    ("ii->i", ((3, 3),)), ("iij->ji", ((3, 3, 2),)), ("iji->ij", ((3, 2, 3),)), ("iii->i", ((2, 2, 2),)),
    ("ij->i", ((2, 3),)), ("...ii->...i", ((2, 3, 3),)), ("...->...", ((2, 3),)), ("i...", ((2, 3),)),
    ("...i->...", ((2, 3),)), ("i,i", ((3,), (3,))), ("i,i->i", ((3,), (3,))), ("i,j", ((3,), (2,))),
    ("i,j->ji", ((3,), (2,))), ("ij,jk", ((2, 3), (3, 4))), ("ij,jk->ki", ((2, 3), (3, 4))), ("ij,kj->ik", ((2, 3), (4, 3))),
    ("bij,bjk->bik", ((5, 2, 3), (5, 3, 4))), ("bij,bjk->ik", ((5, 2, 3), (5, 3, 4))), ("bij,bij->b", ((5, 2, 3),) * 2),
    ("ij,ij->", ((2, 3),) * 2), ("ij,ij->ij", ((2, 3),) * 2), ("...ij,...jk->...ik", ((5, 1, 2, 3), (4, 3, 2))),
    ("...ij,jk", ((5, 2, 3), (3, 4))), ("i...,i...->...", ((3, 2), (3, 2))), ("ij,jk,kl->il", ((2, 3), (3, 4), (4, 2))),
    ("ij,jk,kl", ((2, 3), (3, 4), (4, 2))), ("i,j,k->ijk", ((2,), (3,), (4,))),
    ("abc,bd,cd->ad", ((2, 3, 4), (3, 5), (4, 5))),
    ("ii,ij->j", ((3, 3), (3, 2))), ("ij,j", ((2, 3), (3,))), ("i,ij", ((2,), (2, 3))), ("ij,j->i", ((1, 3), (3,))),
    ("ij,ij->ij", ((1, 3), (2, 1))), ("ij,jk->ik", ((2, 1), (3, 4))), (",i->i", ((), (3,))), (",", ((), ())),
    ("ij,jk->ik", ((0, 3), (3, 2))), ("ij,jk->ik", ((2, 0), (0, 3))), ("ij,kl->", ((2, 3), (4, 2))),
    ("ab,bc,cd,de->ae", ((2, 3), (3, 4), (4, 5), (5, 2))), ("aB,Bc->ca", ((2, 3), (3, 2))),
    (" i j , j k ", ((2, 3), (3, 2))),
    ("a...,...b->a...b", ((2, 3), (3, 4))), ("", ((),)),
)  # fmt: skip


@over(("subscripts", "shapes"), EINSUMS, ids=lambda value: str(value).replace(" ", ""))
def test_einsum(subscripts: str, shapes: tuple[tuple[int, ...], ...]) -> None:
    """Implicit and explicit results, diagonals, ellipses, extents of 1, any number of arrays."""
    arrays = [values(*shape, seed=k) for k, shape in enumerate(shapes)]
    for optimize in (False, True, "optimal", "greedy"):
        check_traced(lambda *xs, optimize=optimize: np.einsum(subscripts, *xs, optimize=optimize), *arrays, slack=SLACK)


@over("dtype", DTYPES, ids=str)
def test_einsum_of_every_dtype(dtype: np.dtype) -> None:
    """Nothing is widened; two dtypes are promoted."""
    x, y = values(2, 3, dtype=dtype), values(3, 2, dtype=dtype, seed=1)
    for subscripts in ("ij,jk", "ij,jk->", "ij,ji->ij"):
        check_traced(lambda x, y, s=subscripts: np.einsum(s, x, y), x, y, slack=SLACK)
        check_traced(lambda x, y, s=subscripts: np.einsum(s, x, y), x, values(3, 2), slack=SLACK)
    check_traced(lambda x: (np.einsum("ij->", x), np.einsum("ij->j", x), np.einsum("ij->ji", x)), x, slack=SLACK)


def test_views_of_einsum() -> None:
    """One array that is only rearranged is seen, not copied."""

    def change(x: np.ndarray) -> Any:
        np.einsum("ii->i", x)[:] = 7
        np.einsum("ij->ji", x)[0] += 1
        np.einsum("...->...", x)[1, 1] = 3

    check_traced(change, values(3, 3))


A, B, C = values(2, 3), values(3, 4, seed=1), values(3, seed=2)
X = values(5, 2, 3)
ROWS: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (lambda x, y: np.einsum(x, [0, 1], y, [1, 2]), (A, B)),
    (lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [2, 0]), (A, B)),
    (lambda x, y: np.einsum(x, [Ellipsis, 1], y, [1, 2], [Ellipsis, 2]), (A, B)),
    (lambda x, y: np.einsum("ij,jk", x, y, optimize=["einsum_path", (0, 1)]), (A, B)),
    (lambda x, y, z: (np.einsum("ij,jk", x, y, out=z), z), (A, B, np.zeros((2, 4)))),
    (lambda x, y: np.einsum("ij,jk", x, y, dtype="f8"), (A.astype("f4"), B.astype("f4"))),
    (lambda x, y: np.einsum("ij,jk", x, y, dtype="f4", casting="same_kind"), (A, B)),
    (lambda x: np.einsum("ij,->ij", x, 2.5), (A.astype("f4"),)),
    (lambda x: np.einsum("ij,j", x, [1, 2, 3]), (A,)),
    (lambda x, y: np.einsum("i,i", x, y), (C.astype("i4"), C)),
    *((lambda x, y, mode=mode: (np.convolve(x, y, mode), np.correlate(x, y, mode), np.correlate(y, x, mode),
                                np.convolve(y, x, mode)), (values(n), values(m, seed=1)))
      for mode in ("full", "same", "valid") for n in (1, 4, 5, 8) for m in (1, 2, 3, 4)),
    (lambda x, y: (np.convolve(x, y), np.correlate(x, y), np.convolve(x, [1, 2]), np.convolve(x, 2.0)),
     (C.astype("i4"), C.astype("f4"))),
    (lambda x, y: np.cross(x, y), (values(4, 3), values(4, 3, seed=1))),
    (lambda x, y: (np.cross(x, y), np.cross(y, x)), (values(4, 3), values(3, seed=1))),
    (lambda x, y: np.cross(x, y, axis=0), (values(3, 4), values(3, 4, seed=1))),
    (lambda x, y: np.cross(x, y, axisa=0, axisb=1, axisc=0), (values(3, 4), values(4, 3, seed=1))),
)  # fmt: skip


@over("k", range(len(ROWS)))
def test_functions(k: int) -> None:
    """Keywords, other spellings, modes, lists and numbers."""
    function, args = ROWS[k]
    check_traced(function, *args, slack=SLACK)


def test_every_function_is_tried() -> None:
    """The table calls all that is here."""
    assert functions_called(ROWS) >= set(FUNCTIONS)


@over("shapes", [((2, 3), (3,)), ((5, 2, 3), (3,)), ((5, 2, 3), (5, 3)), ((2, 3), (4, 3)), ((5, 2, 3), (2,)), ((3,), (3,)),
                 ((5, 2, 3), (4, 3)), ((), (3,)), ((2, 0), (0,))])  # fmt: skip
def test_products_of_stacks(shapes: Any) -> None:
    """Matrices and vectors in stacks that broadcast; what does not fit."""
    x, y = (values(*shape, seed=k) for k, shape in enumerate(shapes))
    for ufunc in (np.vecdot, np.matvec, np.vecmat, np.matmul):
        check_traced(lambda x, y, ufunc=ufunc: ufunc(x, y), x, y, slack=SLACK)
        check_traced(lambda x, y, ufunc=ufunc: ufunc(y, x), x, y, slack=SLACK)
    check_traced(lambda x, y: np.vecdot(x, y, axis=0), x, x, slack=SLACK)
    check_traced(lambda x, y: np.vecdot(x, y, keepdims=True), x, x, slack=SLACK)


def test_products_into_arrays() -> None:
    """`out=` and `dtype=`."""
    check_traced(lambda x, y, z: (np.matmul(x, y, out=z), z), X, B, np.zeros((5, 2, 4)), slack=SLACK)
    check_traced(lambda x, y, z: (np.matvec(x, y, out=z), z), X, C, np.zeros((5, 2)), slack=SLACK)
    check_traced(lambda x, y: np.matmul(x, y, dtype="f4"), X, B, slack=1e-5)
    check_traced(lambda x, y, z: np.matmul(x, y, out=z), X, B, np.zeros((5, 2, 3)))
    check_traced(lambda x, y, z: np.matmul(x, y, out=z), X, B, np.zeros((5, 2, 4), int))


CORNERS: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (lambda x, y: np.tensordot(x, y, ([-1], [0])), (A, B)),
    (lambda x, y: np.tensordot(x, y, (-1, 0)), (A, B)),
    (lambda x, y: np.tensordot(x, y, 0), (A, C)),
    (lambda x, y: np.tensordot(x, y, 1), (A, A)),
    (lambda x, y: np.tensordot(x, y, ([0, 1], [0])), (A, A)),
    (lambda x, y: np.tensordot(x, y, ([0, 1], [0, 1])), (A, A)),
    (lambda x, y: (np.dot(x, y), np.dot(2, y), np.dot(x, [1, 2, 3])), (A, C)),
    (lambda x, y: np.dot(x, y), (A, A)),
    (lambda x, y: np.dot(x, y), (X, A)),
    (lambda x, y: np.dot(x, y), (X, values(4, 3, 2))),
    (lambda x, y: np.dot(x, y), (np.zeros((2, 0)), np.zeros((0, 3)))),
    (lambda x, y: np.dot(x, y), (A > 0, B > 0)),
    (lambda x, y, z: np.dot(x, y, out=z), (A, B, np.zeros((2, 4), "f4"))),
    (lambda x, y, z: np.dot(x, y, out=z), (A, B, np.zeros((2, 3)))),
    (lambda x, y: np.inner(x, y), (X, A)),
    (lambda x, y: np.inner(x, y), (A, B)),
    (lambda x, y: np.vdot(x, y), (A, A.T)),
    (lambda x, y: np.vdot(x, y), (A, C)),
    (lambda x, y: np.outer(x, y), (A, B)),
)  # fmt: skip


@over("k", range(len(CORNERS)))
def test_corners_of_products(k: int) -> None:
    """Axes from the end, numbers, bools, empty ones, what does not fit."""
    function, args = CORNERS[k]
    check_traced(function, *args, slack=SLACK)


def test_errors() -> None:
    """The class and text are NumPy's."""
    check_error(lambda x, y: np.einsum("ij,jk,kl", x, y), A, B, start="more operands provided to einstein")
    check_error(lambda x: np.einsum("ijk", x), A, start="einstein sum subscripts string contains too many subscripts")
    check_error(
        lambda x: np.einsum("i", x), A, start="operand has more dimensions than subscripts given in einstein sum"
    )
    check_error(
        lambda x: np.einsum("ij->k", x), A, start="einstein sum subscripts string included output subscript 'k'"
    )
    check_error(
        lambda x: np.einsum("ij->ii", x), A, start="einstein sum subscripts string includes output subscript 'i'"
    )
    check_error(lambda x, y: np.einsum("ij,jk", x, y), A, A, start="operands could not be broadcast together")
    check_error(lambda x: np.einsum("ij->i", x, dtype="f4"), A, start="Iterator operand 0 dtype could not be cast")
    check_error(lambda x: np.convolve(x, x), np.zeros(0), start="a cannot be empty")
    check_error(lambda x: np.convolve(x, x, "most"), C, start="mode must be one of 'valid', 'same', or 'full'")
    check_error(lambda x: np.convolve(x, x), A, start="object too deep for desired array")
    check_error(lambda x: np.cross(x, x), values(4), start="incompatible dimensions for cross product")


SMOOTH: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.einsum("ij,kj,k->i", x, x, x[:, 0]), A),
    (lambda x: np.einsum("ii->i", x), values(3, 3)),
    (lambda x: np.convolve(x, np.array([1.0, 2, 3]) * x[0], "same"), values(5)),
    (lambda x: np.correlate(np.array([1.0, 2, 3]), x, "full"), values(5)),
    (lambda x: np.cross(x, x[::-1]), values(2, 3)),
    (lambda x: np.vecdot(x, x * 2), A),
)


@over("k", range(len(SMOOTH)))
def test_gradients(k: int) -> None:
    """Against differences."""
    function, x = SMOOTH[k]
    weights = np.random.default_rng(3).normal(size=np.shape(function(x)))

    def loss(x: np.ndarray) -> Any:
        return np.sum(function(x) * weights)

    actual = grad(loss)(x)
    for place in np.ndindex(x.shape):
        step = np.zeros(x.shape)
        step[place] = 1e-6
        expected = (loss(x + step) - loss(x - step)) / 2e-6
        assert actual[place] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_kernels() -> None:
    """Through compiled code."""
    check_traced(lambda x, y: np.einsum("bij,jk->bik", x, y), X, B, native=True, slack=SLACK)
    check_traced(lambda x, y: np.convolve(x, y), values(50), C, native=True, slack=SLACK)
