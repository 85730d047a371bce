"""Every traced NumPy function and method is NumPy's: axes, keywords, dtypes, empty arrays, views and copies, errors."""

import itertools
import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, interpreted

import tracegraph as tg
from tracegraph.errors import UnsupportedError
from tracegraph.ir import DTYPES

SHAPES = ((), (3,), (1,), (0,), (2, 3), (1, 1), (2, 0), (2, 3, 4), (1, 3, 1), (2, 1, 3, 2))


def values(shape: tuple[int, ...], dtype: Any = "f8", seed: int = 0) -> np.ndarray:
    """With ties, zeros and both signs."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.asarray(np.round(rng.normal(size=shape) * 2, 1), dtype)
    return rng.integers(
        0 if np.dtype(dtype).kind in "bu" else -3, 2 if np.dtype(dtype).kind == "b" else 5, shape
    ).astype(dtype)


def axes_of(ndim: int) -> list[Any]:
    """No axis, each axis from both ends, pairs, none at all."""
    pairs = list(itertools.permutations(range(ndim), 2))[:4]
    return [None, *range(-ndim, ndim), *pairs, *([(-1,), ()] if ndim else [(), 0, -1, 1])]


def slack_of(x: np.ndarray) -> float:
    """Sums in another order."""
    return (
        64 * float(np.finfo(x.dtype).eps) * (1 + float(np.sum(np.abs(x.astype(float)) ** 2)))
        if x.dtype.kind == "f"
        else 1e-13
    )


# -- reductions --------------------------------------------------------------------------------------------------------

SUMS = {name: getattr(np, name) for name in "sum prod max min any all mean var std amax amin ptp".split()}
ARGS = {name: getattr(np, name) for name in ("argmax", "argmin")}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", SUMS)
def test_reductions_over_axes(name: str, shape: tuple[int, ...]) -> None:
    """Every axis, several, none, negative ones; kept or not; of empty arrays, where there is a value."""
    x, function = values(shape), SUMS[name]
    for axis, keepdims in itertools.product(axes_of(len(shape)), (False, True)):
        check_traced(lambda x, axis=axis, k=keepdims: function(x, axis=axis, keepdims=k), x, slack=slack_of(x))


@pytest.mark.parametrize("name", [*SUMS, *ARGS])
def test_reductions_over_dtypes(name: str) -> None:
    """The dtype of the result is NumPy's, for functions and methods."""
    for dtype in DTYPES:
        x = values((3, 4), dtype)
        check_traced(lambda x: {**SUMS, **ARGS}[name](x), x, slack=slack_of(x))
        if name not in ("amax", "amin", "ptp"):
            check_traced(lambda x: getattr(x, name)(axis=0), x, slack=slack_of(x))
            check_traced(lambda x: getattr(x, name)(), x.ravel()[0], slack=slack_of(x))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ARGS)
def test_arg_reductions(name: str, shape: tuple[int, ...]) -> None:
    """The first of several; the first NaN; along an axis or of all."""
    function = ARGS[name]
    for axis, keepdims in itertools.product((None, *range(-len(shape), len(shape))), (False, True)):
        check_traced(lambda x, axis=axis, k=keepdims: function(x, axis=axis, keepdims=k), values(shape))
    x = np.array([[1.0, np.nan, 3.0, np.nan], [2.0, 2.0, 0.0, 0.0]])
    check_traced(lambda x: (function(x), function(x, axis=0), function(x, axis=1)), x)


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "u1"])
def test_reductions_with_dtype(name: str, dtype: str) -> None:
    """The dtype in which is summed is also that of the result."""
    for own in ("i2", "f4", "f8", "?"):
        if np.dtype(dtype).kind != "f" and (name in ("mean", "var", "std") or np.dtype(own).kind == "f"):
            continue
        x = values((3, 4), own)
        check_traced(lambda x: SUMS[name](x, axis=1, dtype=dtype), x, slack=1e-4)


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_reductions_with_initial(name: str) -> None:
    """A value to start from; with it, extremes of nothing have a value."""
    for shape, axis in (((2, 3), 0), ((2, 3), None), ((0, 3), 0), ((0,), None)):
        x = values(shape)
        check_traced(lambda x, axis=axis: SUMS[name](x, axis=axis, initial=1.5), x, slack=slack_of(x))
        check_traced(lambda x, axis=axis: SUMS[name](x, axis=axis, initial=2), values(shape, "i2"))


@pytest.mark.parametrize("name", ["sum", "prod", "mean", "var", "std", "any", "all", "max", "min"])
def test_reductions_with_where(name: str) -> None:
    """Only the elements that the mask takes."""
    mask = np.array([[True, False, True], [True, True, False]])
    start = {"initial": 0.5} if name in ("max", "min") else {}
    for axis in (None, 0, 1):
        x = values((2, 3))
        check_traced(lambda x, m, axis=axis: SUMS[name](x, axis=axis, where=m, **start), x, mask, slack=slack_of(x))
        check_traced(lambda x, axis=axis: SUMS[name](x, axis=axis, where=mask[0], **start), x, slack=slack_of(x))


@pytest.mark.parametrize("name", ["sum", "prod", "max", "min", "mean", "var", "any", "argmax"])
def test_reductions_with_out(name: str) -> None:
    """Into an array that is there, which is also the result."""
    out = np.zeros(3, {"any": bool, "argmax": np.int64}.get(name, float))
    x = values((2, 3))
    check_traced(lambda x, z: ({**SUMS, **ARGS}[name](x, axis=0, out=z), z), x, out, slack=slack_of(x))


def test_var_keywords() -> None:
    """Delta degrees of freedom under both names, more of them than elements, and a mean given."""
    x = values((4, 3))
    check_traced(lambda x: (np.var(x, ddof=1), np.std(x, axis=0, ddof=2), np.var(x, correction=1)), x, slack=1e-13)
    check_traced(lambda x: np.var(x, axis=0, mean=np.mean(x, axis=0, keepdims=True)), x, slack=1e-13)
    check_traced(lambda x: np.var(x, axis=0, ddof=4), x)


# -- shapes ------------------------------------------------------------------------------------------------------------

ON_ANY: dict[str, Callable[..., Any]] = {
    "ravel": np.ravel,
    "transpose": np.transpose,
    "squeeze": np.squeeze,
    "copy": np.copy,
    "flip": np.flip,
    "zeros_like": np.zeros_like,
    "ones_like": np.ones_like,
    "full_like": lambda x: np.full_like(x, 1),
    "empty_like": lambda x: np.empty_like(x).shape,
    "atleast_1d": np.atleast_1d,
    "atleast_2d": np.atleast_2d,
    "atleast_3d": np.atleast_3d,
    "expand_dims": lambda x: (np.expand_dims(x, 0), np.expand_dims(x, -1), np.expand_dims(x, (0, 2))),
    "reshape": lambda x: (np.reshape(x, -1), np.reshape(x, (1, x.size)), np.reshape(x, (*x.shape, 1))),
    "broadcast_to": lambda x: np.broadcast_to(x, (2, *x.shape)),
    "broadcast_arrays": lambda x: np.broadcast_arrays(x, np.zeros((2, *x.shape))),
    "stack": lambda x: (np.stack([x, x]), np.stack((x, x, x), axis=-1)),
    "vstack": lambda x: np.vstack([x, x]),
    "hstack": lambda x: np.hstack([x, x]),
    "dstack": lambda x: np.dstack([x, x]),
    "where": lambda x: (np.where(x > 0, x, 0), np.where(x, x, x)),
    "clip": lambda x: (np.clip(x, 0, 1), np.clip(x, None, 1), np.clip(x, min=0), np.clip(x, max=1)),
    "round": lambda x: np.round(x),
    "nan_to_num": np.nan_to_num,
    "isclose": lambda x: (np.isclose(x, 1), np.isclose(x, x, equal_nan=True)),
    "real": lambda x: (np.real(x), x.real),
    "imag": lambda x: (np.imag(x), x.imag),
    "angle": lambda x: (np.angle(x), np.angle(x, deg=True)),
    "conj": lambda x: (np.conj(x), x.conj(), x.conjugate()),
    "shape": lambda x: (np.shape(x), np.ndim(x), np.size(x)),
    "astype": lambda x: (np.astype(x, np.float32), np.astype(x, bool)),
    "tensordot": lambda x: np.tensordot(x, x, axes=0) if x.ndim < 3 else x,
    "outer": lambda x: np.outer(x, x),
    "vdot": lambda x: np.vdot(x, x),
    "methods": lambda x: (
        x.T,
        x.ravel(),
        x.flatten(),
        x.copy(),
        x.squeeze(),
        x.reshape(-1),
        x.transpose(),
        x.astype(bool),
    ),
    "attributes": lambda x: (x.shape, x.size, x.ndim, x.nbytes, x.itemsize, x.real),
}


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ON_ANY)
def test_functions_of_one_array(name: str, shape: tuple[int, ...]) -> None:
    """Arrays of any rank, empty ones and of size 1, and NumPy's own numbers; numbers stay numbers, 0-d arrays arrays."""
    for dtype in ("f8", "i4", "?"):
        x = values(shape, dtype)
        check_traced(ON_ANY[name], x, slack=1e-13)
    if not shape:
        check_traced(ON_ANY[name], values(shape)[()], slack=1e-13)


@pytest.mark.parametrize("name", ON_ANY)
def test_functions_over_dtypes(name: str) -> None:
    """The dtype of the result is NumPy's."""
    for dtype in DTYPES:
        check_traced(ON_ANY[name], values((2, 3), dtype), slack=1e-5)


x23, x234, v3, m34 = values((2, 3)), values((2, 3, 4)), values((3,)), values((3, 4))
ROWS: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (lambda x: (np.reshape(x, (4, -1)), x.reshape(4, 6), x.reshape((6, 4)), x.reshape(-1, 1), x.reshape([3, 8])), (x234,)),
    (lambda x: (np.transpose(x, (2, 0, 1)), x.transpose(1, 0, 2), x.transpose((0, -1, 1)), x.transpose(None)), (x234,)),
    (lambda x: (np.permute_dims(x, (1, 0)), np.matrix_transpose(x), x.mT), (x23,)),
    (lambda x: (np.swapaxes(x, 0, -1), x.swapaxes(1, 2)), (x234,)),
    (lambda x: (np.moveaxis(x, 0, -1), np.moveaxis(x, (0, 1), (2, 0)), np.moveaxis(x, [2], [0])), (x234,)),
    (lambda x: (np.squeeze(x, 0), np.squeeze(x, (0, 2)), x.squeeze(-1)), (values((1, 3, 1)),)),
    (lambda x: (np.expand_dims(x, (0, -1)), np.expand_dims(x, [1, 2])), (x23,)),
    (lambda x: (np.broadcast_to(x, 3), np.broadcast_to(x, (2, 3)), np.broadcast_to(x, [1, 3])), (v3,)),
    (lambda x, y: np.broadcast_arrays(x, y, 1.5), (v3, x23)),
    (lambda x: (np.flip(x, 0), np.flip(x, (0, 2)), np.flip(x), np.flip(x, -1)), (x234,)),
    (lambda x: (np.flipud(x), np.fliplr(x)), (x23,)),
    (lambda x, y: np.atleast_1d(x, y), (np.array(1.0), v3)),
    (lambda x, y: np.atleast_2d(x, y), (np.array(1.0), v3)),
    (lambda x: np.atleast_3d(x), (x23,)),
    (lambda x, y: (np.concatenate([x, y]), np.concatenate((y, x, y), axis=-2), np.concatenate([x, y], axis=None)),
     (x23, values((4, 3), "f4"))),
    (lambda x: np.concatenate([x, [[1, 2, 3]], np.zeros((0, 3))], axis=0), (x23,)),
    (lambda x, z: (np.concatenate([x, x], out=z), z), (x23, np.zeros((4, 3), "f4"))),
    (lambda x: np.concatenate([x, x], axis=1, dtype="f4"), (x23,)),
    (lambda x: np.stack([x[0], [1, 2, 3], x[1]], axis=1), (x23,)),
    (lambda x, z: np.stack([x, x], out=z), (v3, np.zeros((2, 3)))),
    (lambda x, y: (np.vstack([x, y]), np.hstack((x[0], y)), np.dstack([y, y])), (x23, v3)),
    (lambda x, y: np.column_stack([x, y]), (v3, m34)),
    (lambda x: np.split(x, 2), (m34[:2],)),
    (lambda x: (np.split(x, [1, 3], axis=1), np.array_split(x, 3, axis=-1), np.array_split(x, 2)), (m34,)),
    (lambda x: np.split(x, [2, 9, 1]), (v3,)),
    (lambda c, x, y: np.where(c, x, y), (x23 > 0, v3, values((2, 1), "i4"))),
    (lambda c: (np.where(c, 1, 0), np.where(c, 1.5, 2), np.where(c, True, False), np.where(c, [1, 2, 3], 0)), (x23 > 0,)),
    (lambda c, s: (np.where(c, s, 1), np.where(c, s, s), np.where(s > 1, c, s)), (x23 > 0, 2)),
    (lambda x: np.where(x > 0, x, -1), (values((3,), "u1"),)),
    (lambda x, lo, hi: (np.clip(x, lo, hi), x.clip(lo, hi), np.clip(x, hi, lo)), (x23, v3 - 1, v3)),
    (lambda x, z: np.clip(x, 0, 1, out=z), (x23, np.zeros((2, 3)))),
    (lambda x: (np.clip(x, -5, 300), np.clip(x, -1, None), np.clip(x, None, 300)), (values((3,), "u1"),)),
    (lambda x: (x.astype("i4"), x.astype(float), x.astype(np.float32, copy=False), x.astype(bool)), (x23,)),
    (lambda x: x.astype(x.dtype, copy=False), (x23,)),
    (lambda x: (np.zeros_like(x, dtype="i4"), np.full_like(x, 1.7, dtype=int), np.ones_like(x, shape=(2, 2)),
                np.full_like(x, 3, shape=())), (x23,)),
    (lambda x, s: np.full_like(x, s), (x23, 2.5)),
    (lambda x: (np.round(x, 1), np.round(x, -1), x.round(2), np.round(x.astype("i4"), 1)), (x23 * 11,)),
    (lambda x: np.nan_to_num(x, nan=7.0, posinf=8.0, neginf=-8.0), (np.array([np.nan, np.inf, -np.inf, 1.0]),)),
    (lambda x: np.nan_to_num(x), (np.array([np.nan, np.inf, -np.inf, 1.0], "f4"),)),
    (lambda x, y: (np.isclose(x, y), np.isclose(x, y, equal_nan=True), np.isclose(x, y, rtol=0.5, atol=0.1)),
     (np.array([1.0, np.nan, np.inf, 1e-9, 2.0]), np.array([1.0 + 1e-9, np.nan, np.inf, 0.0, 2.5]))),
    (lambda x: (np.size(x, 0), np.size(x, -1)), (x23,)),
    (lambda x: np.real(x), (x23,)),
    (lambda x, y: np.zeros(2, np.result_type(x, y, 1.5)), (v3.astype("f4"), v3.astype("i4"))),
    (lambda x, y: (np.dot(x, y), x.dot(y), np.inner(x, y.T), np.tensordot(x, y, 1)), (x23, m34)),
    (lambda x, y: (np.dot(x, y), np.dot(y, x), np.dot(x, 2.0), np.dot(3, x)), (v3, v3)),
    (lambda x, y: np.dot(x, y), (x234, values((5, 4, 3)))),
    (lambda x, y: np.dot(x, y), (x234, values((4,)))),
    (lambda x, y: (np.inner(x, y), np.inner(x[0], y[0]), np.inner(x, 2)), (x23, values((4, 3)))),
    (lambda x, y: (np.tensordot(x, y), np.tensordot(x, y, ([1, 2], [0, 1])), np.tensordot(x, y, (0, 2))),
     (x234, values((3, 4, 2)))),
    (lambda x, y: (np.outer(x, y), np.outer(y, x)), (x23, v3)),
    (lambda x, y: np.vdot(x, y), (x23, x23)),
    (lambda x, z: (np.dot(x, x.T, out=z), z), (x23, np.zeros((2, 2)))),
    (lambda x, y: np.dot(x, y), (v3.astype("i4"), v3.astype("f4"))),
    (lambda x: np.ptp(x, axis=1), (x23,)),
    (lambda x, z: (np.copyto(z, x), z), (v3, np.zeros((2, 3)))),
    (lambda x, z: (np.copyto(z, x, where=x > 0), z), (v3, np.zeros((2, 3)))),
    (lambda x, z: (np.copyto(z, x, casting="unsafe"), z), (v3, np.zeros((2, 3), int))),
    (lambda z: (np.copyto(z, 3), z), (np.zeros((2, 3)),)),
)  # fmt: skip


@pytest.mark.parametrize("k", range(len(ROWS)))
def test_functions(k: int) -> None:
    """What a function takes besides one array: axes in every form, several arrays, lists, numbers, `out`, `dtype`."""
    function, args = ROWS[k]
    check_traced(function, *args, slack=1e-12)


# -- errors ------------------------------------------------------------------------------------------------------------

WRONG: tuple[tuple[Callable[..., Any], tuple[Any, ...], str], ...] = (
    (lambda x: x.reshape(4, 2), (x23,), "cannot reshape array of size 6 into shape (4,2)"),
    (lambda x: x.reshape(-1, 4), (x23,), "cannot reshape array of size 6 into shape (4)"),
    (lambda x: x.reshape(-1, -1), (x23,), "can only specify one unknown dimension"),
    (lambda x: np.sum(x, axis=2), (x23,), "axis 2 is out of bounds for array of dimension 2"),
    (lambda x: np.sum(x, axis=(0, 0)), (x23,), "duplicate value in 'axis'"),
    (lambda x: np.argmax(x, axis=-3), (x23,), "axis -3 is out of bounds for array of dimension 2"),
    (lambda x: np.max(x), (np.zeros(0),), "zero-size array to reduction operation maximum which has no identity"),
    (lambda x: np.argmin(x), (np.zeros(0),), "attempt to get argmin of an empty sequence"),
    (lambda x: np.max(x, where=x > 0), (x23,), "reduction operation 'maximum' does not have an identity, so to use a where"),
    (lambda x: np.transpose(x, (0, 1, 2)), (x23,), "axes don't match array"),
    (lambda x: np.transpose(x, (0, 0)), (x23,), "repeated axis in transpose"),
    (lambda x: np.transpose(x, (0, 2)), (x23,), "axis 2 is out of bounds for array of dimension 2"),
    (lambda x: np.swapaxes(x, 0, 2), (x23,), "axis2: axis 2 is out of bounds for array of dimension 2"),
    (lambda x: np.moveaxis(x, 0, 3), (x23,), "destination: axis 3 is out of bounds for array of dimension 2"),
    (lambda x: np.moveaxis(x, (0, 1), 0), (x23,), "`source` and `destination` arguments must have the same number"),
    (lambda x: np.squeeze(x, 0), (x23,), "cannot select an axis to squeeze out which has size not equal to one"),
    (lambda x: np.expand_dims(x, 3), (x23,), "axis 3 is out of bounds for array of dimension 3"),
    (lambda x: np.broadcast_to(x, (2, 4)), (x23,), "operands could not be broadcast together with remapped shapes"),
    (lambda x, y: np.broadcast_arrays(x, y), (x23, values((4,))), "shape mismatch: objects cannot be broadcast to a single"),
    (lambda x: np.concatenate([x, x[0]]), (x23,),
     "all the input arrays must have same number of dimensions, but the array at index 0 has 2 dimension(s) and the"),
    (lambda x: np.concatenate([x, x[:, :1]]), (x23,), "all the input array dimensions except for the concatenation axis"),
    (lambda x: np.concatenate([x, x], axis=2), (x23,), "axis 2 is out of bounds for array of dimension 2"),
    (lambda x: np.concatenate([x, x]), (np.array(1.0),), "zero-dimensional arrays cannot be concatenated"),
    (lambda x: np.stack([x, x[0]]), (x23,), "all input arrays must have the same shape"),
    (lambda x: np.split(x, 2, axis=1), (x23,), "array split does not result in an equal division"),
    (lambda x, y: np.dot(x, y), (x23, x23), "shapes (2,3) and (2,3) not aligned: 3 (dim 1) != 2 (dim 0)"),
    (lambda x, y: np.inner(x, y), (x23, m34), "shapes (2,3) and (4,3) not aligned: 3 (dim 1) != 4 (dim 0)"),
    (lambda x, y: np.tensordot(x, y, 1), (x23, x23), "shape-mismatch for sum"),
    (lambda x: np.matrix_transpose(x), (v3,), "Input array must be at least 2-dimensional, but it is 1"),
    (lambda x: x.mT, (v3,), "matrix transpose with ndim < 2 is undefined"),
    (lambda x, z: np.copyto(z, x), (v3, np.zeros(2)), "could not broadcast input array from shape (3,) into shape (2,)"),
    (lambda x, z: np.copyto(z, x), (v3, np.zeros(3, int)), "Cannot cast array data from dtype('float64') to dtype('int64')"),
    (lambda x: np.where(x, x, v3[:2]), (x23,), "operands could not be broadcast together with shapes (2,3) (2,3) (2,)"),
    (lambda x: x.reshape(2.5), (x23,), "expected a sequence of integers or a single integer, got '2.5'"),
    (lambda x: np.sum(x, axis=1.0), (x23,), "'float' object cannot be interpreted as an integer"),
)  # fmt: skip


ONE, THREE, TABLE, EMPTY = values(()), values((3,)), values((2, 3)), values((0,))

#: What random calls have found to be other than NumPy's.
FOUND: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    *((lambda x, z, f=f: (f(x, axis=0, out=z), z), (TABLE, np.zeros(shape)))
      for f in (np.sum, np.max, np.any, np.mean, np.std, np.ptp, np.hypot.reduce)
      for shape in ((3,), (1, 3), (2, 3), (1,), (4,))),
    (lambda x, z: np.argmax(x, axis=0, out=z), (TABLE, np.zeros((1, 3), int))),
    *((lambda x, axis=axis: (np.argsort(x, axis), np.argpartition(x, 0, axis)), (ONE,)) for axis in (0, -1, 1, None)),
    (lambda x: (np.partition(x, 5), np.argpartition(x, 5)), (EMPTY,)),
    (lambda x: np.partition(x, []), (EMPTY,)),
    (lambda x: (np.isposinf(x), np.isneginf(x), np.ediff1d(x, to_end=x)), (THREE,)),
    (lambda x: np.unique(x, return_inverse=True), (ONE,)),
    (lambda x, n: np.nan_to_num(x, nan=n), (np.array([1, np.nan, 2j], "c8"), np.arange(3.0))),
    (lambda x: (np.nan_to_num(x, copy=False), x), (np.array([1, np.nan, np.inf]),)),
    (lambda x: (np.nanmean(x), np.nanmean(x, axis=0)), (np.array([[1, np.nan], [2, 3]], "f2"),)),
    (lambda x, e: np.histogram(x, e), (np.array([0, 1, 1]), np.array([False, True, True]))),
    (lambda x, y: np.correlate(x, y), (ONE, THREE)),
    (lambda x, y: np.polymul(x, y), (TABLE, THREE)),
    (lambda x: np.fromiter((row for row in x), float), (TABLE,)),
    (lambda x, y: x.fill(y), (THREE, values((1,)))),
    (lambda x, y: x.fill(y), (THREE * 1j, THREE)),
    (lambda x: np.bincount(x), (ONE,)),
    (lambda x: np.choose(x[0], (x, 5)), (THREE,)),
    *((lambda x, m, f=f: f(x, m), (TABLE, mask))
      for mask in (THREE, THREE > 0, np.ones((1, 3), bool), np.ones((2, 2, 3), bool), np.ones(2, bool), np.array(1 > 0),
                   np.int8(1))
      for f in (lambda x, m: np.sum(x, where=m), lambda x, m: np.max(x, initial=0.5, where=m),
                lambda x, m: np.mean(x, where=m), lambda x, m: np.copyto(x, 2, where=m),
                lambda x, m: np.add(x, x, out=x, where=m), lambda x, m: np.hypot.reduce(x, where=m))),
    (lambda x: np.sum(x, where=[1, 0, 1]), (TABLE,)),
    *((lambda x, m, v, f=f: f(x, m, v), (TABLE.astype(kind), TABLE > 0, value))
      for f in (np.putmask, np.place, lambda x, m, v: np.put(x, [0], v)) for kind in ("f4", "f8", "i8")
      for value in (TABLE, THREE, 1.5, 2)),
    *((lambda x, z, f=f: (f(x, axis=0, out=z), z), (TABLE.astype(kind) * 9, np.zeros(3, to)))
      for f in (np.sum, np.max, np.any, np.mean, np.var, np.std, np.ptp, np.argmax, np.add.reduce)
      for kind, to in (("f8", "i8"), ("f4", "f8"), ("c8", "f8"), ("i4", "f4"), ("f2", "f8"))),
    (lambda x, z: (np.cumsum(x, axis=0, out=z), z), (TABLE * 9, np.zeros((2, 3), int))),
    (lambda x, z: np.dot(x, x, out=z), (ONE, np.zeros(()))),
    (lambda x, z: np.dot(x, 2.0, out=z), (THREE, np.zeros(3, "f4"))),
    (lambda x: (np.full((2, 2), x), np.full_like(x[0], x)), (np.ones((1, 2, 2)),)),
    *((lambda x, n=n: np.size(x, n), (ONE,)) for n in (0, 1, ())),
    (lambda x: np.size(x, (0, 1)), (TABLE,)),
    (lambda x, y: np.concatenate((x, y), axis=1), (THREE, ONE)),
    *((lambda x, n=n: np.around(x, n), (np.array([True, False]),)) for n in (-1, 0, 1)),
    *((lambda x, k=k: x.item(k), (x,)) for x in (ONE, THREE, TABLE) for k in (0, (1,), (1, 2), (), 100, (0, 0, 0), 1.5)),
    (lambda x: x.item(1, 2), (TABLE,)),
    *((lambda x, n=n: x.repeat(2, axis=n), (ONE,)) for n in (0, -1, 1, None)),
    *((lambda x: x.tolist()[0][1], (x,)) for x in (THREE, TABLE)),
    *((np.bincount, (x.astype(kind),)) for x in (THREE, EMPTY) for kind in ("u8", "u1", "?")),
    (lambda x, y: np.bincount(x, y, 8), (EMPTY.astype(int), EMPTY)),
    *((np.digitize, args) for args in ((THREE * 1j, ONE), (THREE, THREE * 1j), (THREE, ONE), (THREE, EMPTY))),
    *((lambda x, r, f: (np.interp(x, r, f), np.interp(x, r, f, left=0, right=2), np.interp(x, r, f, period=3)), args)
      for args in ((np.array([-1, 0.5, 5, np.nan]), np.arange(3.0), np.arange(3) * 1j + 2), (ONE, THREE * 1j, THREE),
                   (np.array([-9.0, 9.0]), np.array([3.0, 2, 1]), THREE), (ONE, ONE, ONE),
                   (np.array(1j), np.arange(3.0), THREE))),
    (lambda x, w: np.histogram(x, 4, (-1, 1), weights=w), (TABLE, TABLE > 0)),
    (lambda x, w: np.histogram(x, np.array([-1.0, 0, 1]), weights=w), (TABLE, TABLE > 0)),
    (lambda x, w: (np.histogram(x, 4, weights=w), np.histogram(x, [-1, 0, 1], weights=w)), (TABLE, TABLE * 1j)),
    (np.histogram, (TABLE, EMPTY)),
    *((lambda x, y: np.histogram2d(x, y, 3), args)
      for args in ((THREE, THREE.astype("f2")), (TABLE, TABLE), (THREE, THREE[:2]))),
    *((lambda x: np.histogramdd(x, bins=2), (x,)) for x in (TABLE, THREE, np.ones((2, 2, 2)))),
    *((np.cross, args)
      for args in ((THREE[:2], THREE[:2]), (TABLE[:, :2], THREE[:2]), (THREE[:2], THREE), (THREE, TABLE))),
    (lambda x, y: np.cross(x, y), (np.ones((3, 2)), np.ones((4, 2)))),
    (np.correlate, (np.array([4, 1], "u1"), np.array([True]))),
    *((f, (np.array([np.nan, 1j, 2, 1 + np.nan * 1j]),)) for f in (np.nancumprod, np.nancumsum)),
    (np.linalg.pinv, (np.zeros((3, 0), int),)),
    (lambda x: (np.rad2deg(x), np.deg2rad(x)), (np.linspace(-90, 90, 50).astype("f2"),)),
    *((np.add.at, (THREE.copy(), *args))
      for args in ((1, np.ones(1)), ([1], np.ones(1)), ([1, 2], np.ones((1, 2))), (9, 1.0))),
    *((lambda x, y: operator.imatmul(x, y), (x, y)) for x in (THREE, np.eye(3)) for y in (THREE, np.eye(3))),
    *((lambda x: math.exp(x), (x,)) for x in (ONE.astype("f4"), ONE * 1j, np.array(1j))),
    *((lambda x, f=f: operator.setitem(f(x), 0, 1), (x,)) for f, x in ((lambda x: x[1], THREE), (lambda x: x.imag, ONE))),
    *((lambda x, i: x[i], (np.zeros((3, 3, 0)), i)) for i in ((np.array([0, 3]), np.array([0, 1])), np.array([[2, 0]]))),
    *((f, (np.zeros((2, 0)),)) for f in (lambda x: np.compress([True, False, True], x, axis=0),
                                        lambda x: x.take([2], axis=0))),
    *((lambda x, i, v: x.__setitem__(i, v), (x.copy(), i, v))
      for x in (np.zeros((3, 2)), np.zeros((3, 0))) for i in (np.zeros(0, bool), np.zeros(0, int), [0, 9])
      for v in (np.zeros((3, 0)), np.zeros((3, 0, 2)), np.zeros((3, 3)), 1.0)),
    (lambda x, i, j: x[i, j], (np.zeros((0, 2)), np.zeros((1, 2), int), np.zeros((0, 2), int))),
    (lambda x: np.einsum("ii", x), (np.zeros((0, 1)),)),
    (lambda x, z: np.mean(x, axis=0, out=z), (ONE, THREE.copy())),
    (lambda x, s: operator.imatmul(x, s), (np.zeros(2, "u1"), np.zeros(2))),
    (lambda x, s, z: np.matmul(x, s, out=z), (ONE, np.ones(1), np.zeros((), int))),
    (lambda x, z, w: np.modf(x, out=(z, w)), (ONE, np.zeros(()), np.zeros(3))),
    (lambda x, y: operator.iadd(x, y), (np.zeros((2, 3), int), np.ones((2, 2)))),
    *((lambda x, v, i: operator.setitem(x, i, v), (np.zeros(3, kind), v, i))
      for kind in ("?", "i4", "f8", "c8") for v in (np.ones(1), np.ones(2)) for i in (np.array(1), np.array(9))),
    *((lambda x, v=v: operator.setitem(x, 1, v), (np.zeros(3, kind),))
      for kind in ("?", "i4", "f8", "c8") for v in ([1], [1, 2], [], np.ones(2), 1, True)),
    (lambda x, w: np.bincount(x, w), (np.ones(2, int), np.array(1j))),
    (np.histogramdd, (np.zeros((3, 0)),)),
    (lambda x, y: np.ravel_multi_index((x, y), (3, 6)), (np.ones(2, "u8"), np.ones(2, "u8"))),
    (np.linalg.pinv, (np.zeros((0, 2, 2), "u8"),)),
    (lambda x: np.arange(x, x + 3), (np.array(0.7026, "f2"),)),
    (lambda x, v: np.put(x, [1, 5], v), (ONE.copy(), EMPTY)),
    (lambda i: np.unravel_index(i, (3, 4)), (np.arange(3).astype("u8"),)),
    (lambda x, v: np.put(x, [1, 5], v), (EMPTY.copy(), EMPTY)),
    *((lambda x, y, z: np.matmul(x, y, out=z), (np.ones((2, 3)), y, np.zeros(shape)))
      for y in (np.ones((3, 2)), np.ones((3, 1)), np.ones(3)) for shape in ((2, 2), (4, 2, 2), (4, 2), (2,), (3,))),
    (lambda x: (math.floor(x[0]), math.ceil(x[0])), (np.array([1.5 + 2j]),)),
    (np.bitwise_and.reduce, (np.zeros(0, "u1"),)),
    (np.polymul, (np.zeros(3, int), np.ones(2, "i4"))),
    (lambda x, i, w: operator.setitem(x, i, x[i] + w), (np.ones((3, 4)), np.array([[3, 1]]), np.ones((3, 4)))),
)  # fmt: skip


def test_vectors_of_two_are_warned_of_once() -> None:
    """As by NumPy, of the user's line."""
    for cross in (np.cross, tg.compile(lambda x, y: np.cross(x, y))):
        with pytest.warns(DeprecationWarning, match="Arrays of 2-dimensional vectors are deprecated") as caught:
            cross(THREE[:2], THREE[:2])
        assert [each.filename for each in caught] == [__file__]


def test_order_in_memory_is_told_of_arguments_in_c_order_only() -> None:
    """Of others the answer would be another one."""
    tell = tg.compile(lambda x: (x.strides, x.flags.fnc, np.isfortran(x)))
    assert tell(TABLE) == ((24, 8), False, False)
    assert tg.compile(lambda x: x.strides)(np.zeros((2, 0))) == (0, 0)
    with pytest.raises(tg.TraceError, match="not in C order"):
        tell(TABLE.T)

    def first_of_a_line(x: Any) -> None:
        x.ravel()[0] = 5

    with pytest.raises(tg.TraceError, match="not in C order"):
        tg.compile(first_of_a_line)(THREE[::-1])


@pytest.mark.parametrize("k", range(len(FOUND)))
def test_odd_calls(k: int) -> None:
    """Numbers, empty arrays, arguments of the wrong rank."""
    function, args = FOUND[k]
    check_traced(function, *args)


@pytest.mark.parametrize("k", range(len(WRONG)))
def test_errors_are_numpys(k: int) -> None:
    """Class and text are NumPy's; the user's line comes after."""
    function, args, start = WRONG[k]
    check_error(function, *args, start=start)


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: x.tobytes(), "x.tobytes of an array is not traced"),
        (lambda x: x.view("i4"), "write x.astype(dtype)"),
        (lambda x: np.min_scalar_type(x[0, 0]), "np.min_scalar_type of a traced number is not traced"),
        (lambda x: np.unique_values(x), "write np.unique(x)"),
        (lambda x: x.astype(object), "arrays of dtype object are not traced"),
        (lambda x: x.astype("M8[s]"), "arrays of dtype datetime64[s] are not traced"),
        (lambda x: x == np.array([None]), "arrays of dtype object are not traced"),
        (lambda x: np.where(x > 0, x, np.array(["a"])), "arrays of dtype <U32 are not traced"),
    ],
)
def test_unsupported_functions_are_named(function: Callable[..., Any], text: str) -> None:
    """What is not traced says so, with the user's line."""
    with pytest.raises(UnsupportedError) as caught:
        interpreted(function)(x23)
    assert text in str(caught.value)
    assert f"at {__file__}:{function.__code__.co_firstlineno}" in str(caught.value)
