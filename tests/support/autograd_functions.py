"""Functions as autograd's users write them, with the arguments to try them at: `import numpy as np` in place of its import.

A row is a kind, a name, a function and its arguments; all float and complex arguments are differentiated by.
"""

import dataclasses
from collections import OrderedDict, namedtuple
from collections.abc import Callable, Iterator
from functools import reduce
from math import sqrt
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import scipy.special
import scipy.stats
from numpy import array, concatenate, ones, pi
from numpy import zeros as blank
from numpy.linalg import cholesky, det, inv, norm, slogdet, solve
from scipy.linalg import cho_factor, cho_solve
from scipy.special import expit, gammaln, logsumexp
from scipy.stats import multivariate_normal as mvn
from scipy.stats import norm as norm_law

__all__ = ["ROWS", "Row"]


class Row(NamedTuple):
    """One function to differentiate."""

    kind: str
    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]


_draw = np.random.RandomState(0)


def normal(*shape: int) -> Any:
    return _draw.randn(*shape)


def positive(*shape: int) -> Any:
    return 0.3 + _draw.rand(*shape)


def inside(*shape: int) -> Any:
    return _draw.uniform(-0.8, 0.8, shape)


def complex_(*shape: int) -> Any:
    return _draw.randn(*shape) + 1j * _draw.randn(*shape)


def spd(n: int) -> Any:
    half = _draw.randn(n, n)
    return half @ half.T + n * np.eye(n)


X, Y = normal(3, 4), normal(3, 4)
P, Q = positive(3, 4), positive(3, 4)
U, V, W = normal(5), normal(5), normal(4)
C = normal(2, 3, 4)
S = normal(4, 4) + 4 * np.eye(4)
T = spd(4)
Z, ZV = complex_(3, 4), complex_(6)
MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, True]])
INT = np.array([[1, 2, 3, 4], [2, 2, 1, 3], [5, 1, 1, 2]])
IU = np.array([0, 2, 2, 4, 1])


def _plain(kind: str, *rows: Any) -> Iterator[Row]:
    """Rows of one kind: (name, function, *arguments)."""
    for name, function, *args in rows:
        yield Row(kind, name, function, tuple(args))


# -- operators of scalars, the reflected ones among them ---------------------------------------------------------------

OPERATORS = _plain(
    "operators",
    ("add", lambda x, y: x + y, 1.3, 0.4),
    ("add a constant", lambda x: 3 + x + 2.0, 0.7),
    ("subtract", lambda x, y: x - y, 1.3, 0.4),
    ("subtract from", lambda x: 1 - x * x, 0.7),
    ("multiply", lambda x, y: x * y * x, 1.3, 0.4),
    ("multiply an integer", lambda x: 3 * x * x, 1.1),
    ("divide", lambda x, y: x / y, 1.3, 0.4),
    ("divide into", lambda x: 2 / x, 0.7),
    ("power of both", lambda x, y: x**y, 1.3, 0.4),
    ("power of an integer", lambda x: x**3, -1.2),
    ("power to", lambda x: 2**x, 0.6),
    ("negative", lambda x: -x * x, 0.6),
    ("positive", lambda x: +x * x, 0.6),
    ("absolute", lambda x: abs(x) * x, -0.6),
    ("modulo", lambda x, y: (x % y) * x, 2.6, 0.7),
    ("modulo of", lambda x: (5.0 % x) * x, 1.7),
    ("floor division", lambda x: (x // 0.7) * x, 2.0),
    ("compare", lambda x, y: (x > y) * x + (x <= y) * y, 0.3, 0.9),
    ("augmented", lambda x: _augmented(x), 0.8),
    ("sum of a list", lambda x, y: sum([x, y, x * y, 1.0]), 0.8, 1.7),
    ("max of Python", lambda x, y: max(x * x, y * 3.0), 0.8, 1.7),
    ("min of Python", lambda x, y: min([x * x, y * 3.0, 9.0]), 0.8, 1.7),
    ("operators of arrays", lambda x, y: (2.0 - x) * y / (1.0 + y**2) + 3 ** (x / 4), X, Y),
    ("operators of NumPy scalars", lambda x, y: np.float64(2.0) * x + y / np.float64(3.0) - np.float64(1) ** x, X, 0.4),
    ("matmul operator", lambda a, b: a @ b, normal(2, 3), normal(3, 4)),
    ("matmul reflected", lambda b: np.ones((2, 3)) @ b, normal(3, 4)),
    ("sum of products", lambda x: sum(c * x**k for k, c in enumerate([1.0, 2.0, 0.5])), 0.6),
    ("integer array operand", lambda x: INT * x + x / INT - INT**x / 9, X),
    ("mod of arrays", lambda x: np.mod(x, 0.83) + np.remainder(x, P), X),
)  # fmt: skip


def _augmented(x: Any) -> Any:
    total = 1.0
    total += x
    total *= x
    total -= 3.0 * x
    total /= 1 + x * x
    total **= 2
    return total


# -- NumPy's functions of elements -------------------------------------------------------------------------------------

_ELEMENTWISE = {
    "abs": X, "absolute": X, "arccos": inside(3, 4), "arccosh": 1.2 + P, "arcsin": inside(3, 4), "arcsinh": X, "arctan": X,
    "arctanh": inside(3, 4), "cos": X, "cosh": X, "deg2rad": X, "degrees": X, "exp": X, "exp2": X, "expm1": X, "fabs": X,
    "log": P, "log10": P, "log1p": P, "log2": P, "negative": X, "rad2deg": X, "radians": X, "reciprocal": P, "sin": X,
    "sinc": X, "sinh": X, "sqrt": P, "square": X, "tan": inside(3, 4), "tanh": X, "nan_to_num": X, "real": X, "ceil": X,
    "floor": X, "rint": X, "sign": X, "trunc": X, "cbrt": P, "spacing": X, "fix": X,
}  # fmt: skip
_PAIRS = {
    "add": (X, Y), "subtract": (X, Y), "multiply": (X, Y), "divide": (X, P), "true_divide": (X, P), "power": (P, Y),
    "maximum": (X, Y), "minimum": (X, Y), "fmax": (X, Y), "fmin": (X, Y), "logaddexp": (X, Y), "logaddexp2": (X, Y),
    "arctan2": (X, Y), "hypot": (X, Y), "remainder": (X, P), "copysign": (X, Y), "float_power": (P, Y), "fmod": (X, P),
}  # fmt: skip


def _elementwise() -> Iterator[Row]:
    exempt = {"spacing"}
    for name, x in _ELEMENTWISE.items():
        if name not in exempt:
            yield Row("elementwise", name, getattr(np, name), (x,))
    for name, pair in _PAIRS.items():
        yield Row("elementwise", f"{name} of two", getattr(np, name), pair)
        yield Row("elementwise", f"{name} broadcast", getattr(np, name), (pair[0], pair[1][0]))
    yield from _plain(
        "elementwise",
        ("clip", lambda x: np.clip(x, -0.5, 0.8), X),
        ("where", lambda x, y: np.where(MASK, x, y), X, Y),
        ("where on a condition of values", lambda x: np.where(x > 0, x**2, -np.sin(x)), X),
        ("where with a constant", lambda x: np.where(MASK, x, 0.0) * x, X),
        ("select", lambda x: np.select([x < -0.3, x < 0.6], [x**2, np.exp(x)], 1.5 * x), X),
        ("sigmoid", lambda x: 0.5 * (np.tanh(x) + 1), X),
        ("relu", lambda x: np.maximum(0, x), X),
        ("softplus", lambda x: np.logaddexp(0, x), X),
        ("swish of users", lambda x: x / (1.0 + np.exp(-x)), X),
        ("real and imag", lambda x: np.real(np.exp(1j * x)) + np.imag(np.exp(2j * x)), X),
        ("scalar by array", lambda a, x: np.sin(a * x) + a, 0.7, X),
        ("float32", lambda x: np.sum(np.sin(x) * x), X.astype("f8")),
        ("an array of one", lambda x: np.exp(x) * x, np.array([0.3])),
        ("a 0-d array", lambda x: np.exp(x) * x, np.array(0.3)),
        ("an empty sum", lambda x: np.sum(x[:0]) + x[0], U),
    )  # fmt: skip


# -- reductions ----------------------------------------------------------------------------------------------------------


def _reductions() -> Iterator[Row]:
    for name in "sum mean prod max min var std".split():
        function = getattr(np, name)
        for label, kwargs in (
            ("all", {}), ("axis 0", {"axis": 0}), ("axis -1 keepdims", {"axis": -1, "keepdims": True}),
            ("axes", {"axis": (0, 2)}), ("axes keepdims", {"axis": (1, 2), "keepdims": True}),
        ):  # fmt: skip
            yield Row("reductions", f"{name} {label}", lambda x, f=function, k=kwargs: f(x, **k), (C,))
    yield from _plain(
        "reductions",
        ("method sum", lambda x: x.sum(axis=1) * x.mean() + x.max() - x.min(), C[0]),
        ("methods var, std", lambda x: x.var(axis=0) + x.std(axis=0, ddof=1), X),
        ("method prod", lambda x: x.prod(axis=1) * x.prod(), X),
        ("cumsum", lambda x: np.cumsum(x, axis=1) * x, X),
        ("cumsum flat", lambda x: np.cumsum(x) ** 2, X),
        ("cumprod", lambda x: np.cumprod(x, axis=0), X),
        ("trace", lambda x: np.trace(x) + np.trace(x, offset=1), S),
        ("diff", lambda x: np.diff(x) * np.diff(x, axis=1), X),
        ("diff twice", lambda x: np.diff(x, n=2, axis=-1) ** 2, C),
        ("gradient", lambda x: np.gradient(x), X),
        ("gradient of one axis", lambda x: np.gradient(x, axis=0), X),
        ("average", lambda x, w: np.average(x, axis=0, weights=w), X, positive(3)),
        ("median", lambda x: np.median(x, axis=1), X),
        ("percentile", lambda x: np.percentile(x, [20, 50, 90], axis=0), X),
        ("sort", lambda x: np.sort(x, axis=-1) * np.arange(4), X),
        ("sort and partition", lambda x: np.sort(np.partition(x, 2)[:3]) * np.arange(3), U),
        ("take what argsort says", lambda x: x[np.argsort(x)] * np.arange(5), U),
        ("max at argmax", lambda x: x[np.argmax(x)] * x[np.argmin(x)], U),
        ("amax of ties broken by hand", lambda x: np.amax(x + np.arange(5) * 0.3), U),
        ("linear ramp by sum", lambda x: np.sum(x * np.arange(x.size).reshape(x.shape)), X),
        ("norm by hand", lambda x: np.sqrt(np.sum(x**2, axis=1)), X),
        ("nansum", lambda x: np.nansum(x, axis=0) + np.nanmean(x), X),
        ("cov", lambda x: np.cov(x), X),
        ("corrcoef", lambda x: np.corrcoef(x), X),
        ("logsumexp by hand", lambda x: np.max(x) + np.log(np.sum(np.exp(x - np.max(x)))), X),
        ("any, all as masks", lambda x: np.sum(x * np.any(x > 0, axis=0)) + np.all(x < 9) * x, X),
        ("trapezoid", lambda y, x: np.trapezoid(y, x), U, np.cumsum(positive(5))),
    )  # fmt: skip


# -- indexing ------------------------------------------------------------------------------------------------------------

INDEXING = _plain(
    "indexing",
    ("an element", lambda x: x[1, 2] * x[0, 0], X),
    ("the last", lambda x: x[-1] * x[-2], U),
    ("row", lambda x: x[1] ** 2, X),
    ("slice", lambda x: x[1:4] * x[:3], U),
    ("steps", lambda x: x[::2] * x[::-2], U),
    ("reversed", lambda x: x[::-1] * x, U),
    ("both axes", lambda x: x[:, 1:3] ** 2 + x[:, ::2], X),
    ("ellipsis", lambda x: x[..., 0] * x[0, ..., 1:2], C[:, :2, :]),
    ("newaxis", lambda x: x[:, None] * x[None, :], U),
    ("None and an integer", lambda x: x[None, 1, ..., None] ** 2, C),
    ("fancy", lambda x: x[[0, 2, 2]] * x[[1, 1, 0]], X),
    ("fancy pairs", lambda x: x[[0, 2, 1], [3, 3, 0]] ** 2, X),
    ("fancy array", lambda x: x[np.array([0, 2, 2, 1])] ** 2, X),
    ("fancy of two dimensions", lambda x: x[np.array([[0, 1], [1, 2]])] ** 2, U),
    ("fancy and slice", lambda x: x[[0, 1], :, 1:] ** 2, C),
    ("one-hot pick", lambda x: np.log(x[np.arange(3), [1, 0, 3]]), P),
    ("boolean", lambda x: x[MASK] ** 2, X),
    ("boolean of values", lambda x: np.sum(x[x > 0] ** 2) + np.sum(x[x < 0]), X),
    ("boolean list", lambda x: x[[True, False, True]] ** 2, X),
    ("ix_", lambda x: x[np.ix_([0, 2], [1, 3])] ** 2, X),
    ("index of an index", lambda x: x[1:][0][::2] ** 2, X),
    ("take", lambda x: np.take(x, [0, 2, 2], axis=1) ** 2, X),
    ("take_along_axis", lambda x: np.take_along_axis(x, np.argsort(x, axis=1), axis=1) * np.arange(4), X),
    ("unpack", lambda x: _unpacked(x), U[:3]),
    ("iterate rows", lambda x: sum(np.dot(row, row) for row in x), X),
    ("zip rows", lambda x, y: sum(np.tanh(a @ b) for a, b in zip(x, y, strict=True)), X, Y),
    ("enumerate", lambda x: sum(k * a**2 for k, a in enumerate(x)), U),
    ("len and shape", lambda x: x.sum() / len(x) + x.shape[1] * x[0, 0] + x.ndim * x.size * x[0, 1], X),
    ("flat index", lambda x: x.flatten()[::3] * x.ravel()[1::3], X),
    ("diagonal by index", lambda x: x[np.arange(4), np.arange(4)] ** 2, S),
    ("integer from an array", lambda x: x[INT[0, 1]] * x[np.int64(0)], X),
    ("nonzero", lambda x: x[np.nonzero(MASK)] ** 2, X),
    ("where with one argument", lambda x: x[np.where(x > 0)] ** 2, X),
    ("triu_indices", lambda x: x[np.triu_indices(4, 1)] ** 2, S),
    ("negative fancy", lambda x: x[[-1, -2]] * x[-3:-1], U),
)  # fmt: skip


def _unpacked(x: Any) -> Any:
    a, b, c = x
    first, *rest = x
    return a * b + c**2 + first * rest[-1]


# -- shapes, joining, splitting ---------------------------------------------------------------------------------------

SHAPES = _plain(
    "shapes",
    ("reshape", lambda x: np.reshape(x, (4, 3)) @ np.reshape(x, (-1, 4)), X),
    ("reshape method", lambda x: x.reshape(2, 6) ** 2 + x.reshape((2, -1)), X),
    ("reshape in F order", lambda x: np.reshape(x, (4, 3), order="F") ** 2, X),
    ("ravel", lambda x: np.ravel(x) ** 2, X),
    ("flatten", lambda x: x.flatten() ** 2, X),
    ("T", lambda x: x.T @ x, X),
    ("transpose", lambda x: np.transpose(x, (2, 0, 1)) ** 2, C),
    ("transpose method", lambda x: x.transpose(1, 0, 2) ** 2 + x.transpose((1, 0, 2)), C),
    ("swapaxes", lambda x: np.swapaxes(x, 0, 2) ** 2, C),
    ("moveaxis", lambda x: np.moveaxis(x, 0, -1) ** 2, C),
    ("rollaxis", lambda x: np.rollaxis(x, 2) ** 2, C),
    ("squeeze", lambda x: np.squeeze(x[:, None]) ** 2, X),
    ("expand_dims", lambda x: np.expand_dims(x, 1) ** 2 * x, X[:, :3]),
    ("broadcast_to", lambda x: np.broadcast_to(x, (2, 3, 4)) ** 2, X),
    ("concatenate", lambda x, y: np.concatenate((x, y)) ** 2, X, Y),
    ("concatenate axis", lambda x, y: np.concatenate([x, y, x], axis=1) ** 2, X, Y),
    ("concatenate with constants", lambda x: np.concatenate([np.zeros(2), x, [1.0]]) ** 2, U),
    ("append", lambda x, y: np.append(x, y) ** 2, U, 0.4),
    ("stack", lambda x, y: np.stack([x, y], axis=1) ** 2, X, Y),
    ("vstack", lambda x, y: np.vstack((x, y)) ** 2, U, V),
    ("hstack", lambda x, y: np.hstack([x, y]) ** 2, X, Y),
    ("dstack", lambda x, y: np.dstack([x, y]) ** 2, X, Y),
    ("column_stack", lambda x, y: np.column_stack([x, y]) ** 2, U, V),
    ("array of scalars", lambda x, y: np.array([x, y, x * y]) ** 2, 0.3, 0.8),
    ("array of rows", lambda x, y: np.array([[x, -y], [y, x]]) @ np.array([1.0, 2.0]), 0.3, 0.8),
    ("array of arrays", lambda x, y: np.array([x, y]) ** 2, U, V),
    ("array of a comprehension", lambda x: np.array([np.sum(x**k) for k in range(1, 4)]), U),
    ("rotation matrix", lambda t: np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) @ np.ones(2), 0.4),
    ("split", lambda x: [part**2 for part in np.split(x, 2, axis=1)], X),
    ("split at", lambda x: [part**2 for part in np.split(x, [1, 3])], U),
    ("array_split", lambda x: np.array_split(x, 3)[0] ** 2, U),
    ("hsplit, vsplit", lambda x: (np.hsplit(x, 2)[1], np.vsplit(x, 3)[2] ** 2), X),
    ("pad", lambda x: np.pad(x, ((1, 2), (0, 1)), mode="constant") ** 2, X),
    ("pad edge", lambda x: np.pad(x, 1, mode="edge") ** 2, X),
    ("roll", lambda x: np.roll(x, 2) * x, U),
    ("roll axis", lambda x: np.roll(x, 1, axis=1) * x + np.roll(x, -1, axis=0), X),
    ("tile", lambda x: np.tile(x, (2, 3)) ** 2, X),
    ("repeat", lambda x: np.repeat(x, 2, axis=1) ** 2, X),
    ("repeat each", lambda x: np.repeat(x, [1, 0, 2, 1, 3]) ** 2, U),
    ("flip", lambda x: np.fliplr(x) * np.flipud(x) + np.flip(x), X),
    ("rot90", lambda x: np.rot90(x) ** 2, X),
    ("diag of a vector", lambda x: np.diag(x) @ np.diag(x, 0), U),
    ("diag of a matrix", lambda x: np.diag(x) ** 2 + np.diagonal(x), S),
    ("tril, triu", lambda x: np.tril(x) @ np.triu(x, 1), S),
    ("atleast", lambda x: (np.atleast_1d(x[0]), np.atleast_2d(x) ** 2, np.atleast_3d(x)), U),
    ("meshgrid", lambda x, y: np.multiply(*np.meshgrid(x, y)), U, W),
    ("zeros_like, ones_like", lambda x: np.zeros_like(x) + np.ones_like(x) * x**2, X),
    ("full, full_like", lambda x: np.full((2, 2), x) * np.full_like(np.ones(2), 3.0), 0.7),
    ("linspace to a traced end", lambda x: np.linspace(0.0, x, 4) ** 2, 0.7),
    ("astype", lambda x: x.astype(float) ** 2, X),
    ("copy", lambda x: np.copy(x) * x.copy(), X),
    ("array of an array", lambda x: np.array(x) ** 2 + np.asarray(x), X),
    ("r_ and c_", lambda x, y: (np.r_[x, 1.0, y] ** 2, np.c_[x, y] ** 2), U, V),
    ("block", lambda x: np.block([[x, np.zeros((3, 1))], [np.ones((1, 5))]]) ** 2, X),
    ("kron of eye", lambda x: np.kron(np.eye(2), x) ** 2, X[:2, :2]),
    ("delete, insert", lambda x: (np.delete(x, 1) ** 2, np.insert(x, 2, 1.0) ** 2), U),
    ("unstack by iteration", lambda x: [row**2 for row in x], X),
    ("fill an array made inside", lambda x: _filled(x), U),
    ("fill by rows", lambda x: _filled_by_rows(x), X),
)  # fmt: skip


def _filled(x: Any) -> Any:
    out = np.zeros(5)
    for k in range(5):
        out[k] = x[k] ** 2 + (out[k - 1] if k else 0.0)
    return out


def _filled_by_rows(x: Any) -> Any:
    out = np.empty((3, 4))
    out[0] = x[0]
    for k in range(1, 3):
        out[k] = np.tanh(out[k - 1] * x[k])
    out[:, 0] += x[:, 1] ** 2
    return out


# -- products ----------------------------------------------------------------------------------------------------------

PRODUCTS = _plain(
    "products",
    ("dot of vectors", lambda x, y: np.dot(x, y), U, V),
    ("dot of matrices", lambda x, y: np.dot(x, y), X, normal(4, 2)),
    ("dot of a matrix and a vector", lambda x, y: np.dot(x, y), X, W),
    ("dot with a scalar", lambda x, y: np.dot(x, y), 0.7, X),
    ("dot of deep arrays", lambda x, y: np.dot(x, y), C, normal(4, 2)),
    ("dot method", lambda x, y: x.dot(y).T.dot(x), X, normal(4, 4)),
    ("matmul", lambda x, y: np.matmul(x, y), C, normal(4, 2)),
    ("matmul of stacks", lambda x, y: np.matmul(x, y), C, normal(2, 4, 2)),
    ("tensordot", lambda x, y: np.tensordot(x, y, axes=[[2], [0]]), C, normal(4, 3)),
    ("tensordot of two axes", lambda x, y: np.tensordot(x, y, axes=([0, 1], [1, 0])), C, normal(3, 2)),
    ("tensordot of no axes", lambda x, y: np.tensordot(x, y, 0), U, W),
    ("einsum matmul", lambda x, y: np.einsum("ij,jk->ik", x, y), X, normal(4, 2)),
    ("einsum trace", lambda x: np.einsum("ii->", x @ x), S),
    ("einsum diagonal", lambda x: np.einsum("ii->i", x) ** 2, S),
    ("einsum ellipsis", lambda x, y: np.einsum("...ij,...jk->...ik", x, y), C, normal(2, 4, 3)),
    ("einsum of three", lambda x, y, z: np.einsum("i,ij,j->", x, y, z), normal(3), X, W),
    ("einsum implicit", lambda x, y: np.einsum("ij,jk", x, y), X, normal(4, 2)),
    ("einsum by numbers", lambda x, y: np.einsum(x, [0, 1], y, [1, 2], [0, 2]), X, normal(4, 2)),
    ("inner", lambda x, y: np.inner(x, y), X, normal(2, 4)),
    ("outer", lambda x, y: np.outer(x, y), U, W),
    ("kron", lambda x, y: np.kron(x, y), X, normal(2, 2)),
    ("cross", lambda x, y: np.cross(x, y), normal(4, 3), normal(4, 3)),
    ("vdot", lambda x, y: np.vdot(x, y), U, V),
    ("convolve", lambda x, y: np.convolve(x, y, mode="valid"), U, normal(3)),
    ("quadratic form", lambda x, a: x @ a @ x + np.dot(x.T, np.dot(a, x)), W, S),
    ("polyval", lambda p, x: np.polyval(p, x), normal(4), U),
    ("interp", lambda y: np.interp([0.5, 1.7, 3.2], np.arange(5.0), y) ** 2, U),
)  # fmt: skip


# -- linear algebra ------------------------------------------------------------------------------------------------------

LINALG = _plain(
    "linalg",
    ("solve", lambda a, b: solve(a, b), S, W),
    ("solve for a matrix", lambda a, b: np.linalg.solve(a, b), S, normal(4, 2)),
    ("solve stacks", lambda a, b: np.linalg.solve(a, b), normal(2, 3, 3) + 3 * np.eye(3), normal(2, 3, 2)),
    ("inv", lambda a: inv(a), S),
    ("inv of stacks", lambda a: np.linalg.inv(a), normal(2, 3, 3) + 3 * np.eye(3)),
    ("det", lambda a: det(a), S),
    ("det of stacks", lambda a: np.linalg.det(a), normal(2, 3, 3)),
    ("slogdet", lambda a: slogdet(a)[1], S),
    ("slogdet as a pair", lambda a: _log_determinant(a), S),
    ("cholesky", lambda a: cholesky((a + a.T) / 2), T),
    ("cholesky of a kernel", lambda x: cholesky(np.exp(-((x[:, None] - x[None]) ** 2)) + 0.5 * np.eye(5)), U),
    ("log det by cholesky", lambda a: 2 * np.sum(np.log(np.diag(cholesky((a + a.T) / 2)))), T),
    ("eigh values", lambda a: np.linalg.eigh(a + a.T)[0], S),
    ("eigvalsh", lambda a: np.linalg.eigvalsh(a + a.T), S),
    ("eigh projectors", lambda a: _projector(a + a.T), S),
    ("eig values", lambda a: np.sum(np.real(np.linalg.eigvals(a) ** 2)), S),
    ("svd values", lambda a: np.linalg.svd(a, compute_uv=False), X),
    ("svd parts", lambda a: _truncated(a), X),
    ("pinv", lambda a: np.linalg.pinv(a), X),
    ("qr", lambda a: np.abs(np.linalg.qr(a)[1]), X.T),
    ("lstsq", lambda a, b: np.linalg.lstsq(a, b, rcond=None)[0], X.T, W),
    ("matrix_power", lambda a: np.linalg.matrix_power(a / 4, 3), S),
    ("norm", lambda x: norm(x), X),
    ("norm along an axis", lambda x: norm(x, axis=1), X),
    ("norm keepdims", lambda x: x / np.linalg.norm(x, axis=-1, keepdims=True), C),
    ("norm of order 1", lambda x: np.linalg.norm(x, ord=1, axis=0), X),
    ("norm of order 3", lambda x: np.linalg.norm(x, 3), U),
    ("norm of order inf", lambda x: np.linalg.norm(x, np.inf), U),
    ("norm fro", lambda x: np.linalg.norm(x, "fro"), X),
    ("norm nuclear", lambda x: np.linalg.norm(x, "nuc"), X),
    ("norm spectral", lambda x: np.linalg.norm(x, 2), X),
    ("multi_dot", lambda x, y: np.linalg.multi_dot([x, y, x]), X, normal(4, 3)),
    ("trace of inverse", lambda a: np.trace(np.linalg.inv(a) @ a.T), S),
    ("mahalanobis", lambda x, a: x @ np.linalg.solve(np.dot(a, a.T), x), W, S),
    ("cond by values", lambda a: np.max(np.linalg.eigvalsh(a @ a.T)) / np.min(np.linalg.eigvalsh(a @ a.T)), S),
    ("cond", lambda a: np.linalg.cond(a), S),
    ("Newton step", lambda x: x - np.linalg.solve(np.diag(np.exp(x)) + np.eye(5), np.sin(x)), U),
)  # fmt: skip


def _log_determinant(a: Any) -> Any:
    sign, value = np.linalg.slogdet(a)
    return sign * value


def _projector(a: Any) -> Any:
    """Does not depend on the signs of eigenvectors."""
    values, vectors = np.linalg.eigh(a)
    return vectors[:, -1:] @ vectors[:, -1:].T * values[0]


def _truncated(a: Any) -> Any:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return np.dot(u[:, :2] * s[:2], vt[:2])


# -- Fourier transforms --------------------------------------------------------------------------------------------------

FFT = _plain(
    "fft",
    ("fft", lambda x: np.abs(np.fft.fft(x)) ** 2, U),
    ("fft along an axis", lambda x: np.real(np.fft.fft(x, axis=0)) + np.imag(np.fft.fft(x, axis=0)), X),
    ("fft of n", lambda x: np.abs(np.fft.fft(x, n=8)) ** 2, U),
    ("ifft", lambda x: np.real(np.fft.ifft(np.fft.fft(x) * np.arange(5))), U),
    ("fft of complex", lambda z: np.abs(np.fft.fft(z)) ** 2, ZV),
    ("rfft", lambda x: np.abs(np.fft.rfft(x)) ** 2, U),
    ("irfft", lambda x: np.fft.irfft(np.fft.rfft(x) * np.arange(4), n=6), normal(6)),
    ("fft2", lambda x: np.abs(np.fft.fft2(x)) ** 2, X),
    ("ifft2", lambda x: np.real(np.fft.ifft2(np.fft.fft2(x) ** 2)), X),
    ("fftn", lambda x: np.abs(np.fft.fftn(x)) ** 2, C),
    ("rfftn", lambda x: np.fft.irfftn(np.fft.rfftn(x) ** 2, s=(3, 4), axes=(0, 1)), X),
    ("fftshift", lambda x: np.real(np.fft.fftshift(np.fft.fft(x))) ** 2 + np.fft.ifftshift(x), U),
    ("convolution by fft", lambda x, y: np.real(np.fft.ifft(np.fft.fft(x) * np.fft.fft(y))), U, V),
)  # fmt: skip


# -- complex numbers on the way to a real value ------------------------------------------------------------------------

COMPLEX = _plain(
    "complex",
    ("abs", lambda z: np.abs(z), Z),
    ("angle", lambda z: np.angle(z), Z),
    ("conj", lambda z: np.real(np.conj(z) * z * z), Z),
    ("real, imag", lambda z: z.real**2 * z.imag + np.imag(z**2), Z),
    ("abs squared by hand", lambda z: np.real(z * np.conjugate(z)), Z),
    ("exp", lambda z: np.abs(np.exp(1j * z)), Z),
    ("sin, log", lambda z: np.real(np.sin(z)) + np.imag(np.log(z)), Z),
    ("complex from real", lambda x, y: np.abs(x + 1j * y) ** 3, X, Y),
    ("matmul", lambda z: np.abs(np.dot(z, z.conj().T)), Z),
    ("solve", lambda z, b: np.abs(np.linalg.solve(z, b)), complex_(3, 3) + 3 * np.eye(3), complex_(3)),
    ("inv, det", lambda z: np.abs(np.linalg.det(z)) + np.real(np.trace(np.linalg.inv(z))), complex_(3, 3)),
    ("a complex scalar", lambda z: abs(z) ** 2 + (z * z.conjugate()).real, 0.4 + 0.9j),
    ("power", lambda z: np.real(z**3) + np.imag(z**0.5), Z),
    ("phase of an integral", lambda x: np.angle(np.sum(np.exp(1j * x))), U),
    ("norm of complex", lambda z: np.linalg.norm(z), Z),
    ("array of complex", lambda x: np.abs(np.array([x, 1j * x, 1 + 1j])) * x, 0.8),
)  # fmt: skip


# -- scipy.special, and densities written in NumPy ---------------------------------------------------------------------

SPECIAL = _plain(
    "special",
    ("gammaln", lambda x: gammaln(x), P),
    ("gamma", lambda x: scipy.special.gamma(x), P),
    ("digamma", lambda x: scipy.special.digamma(x), P),
    ("psi", lambda x: scipy.special.psi(x), P),
    ("erf", lambda x: scipy.special.erf(x), X),
    ("erfc", lambda x: scipy.special.erfc(x), X),
    ("erfinv", lambda x: scipy.special.erfinv(x), inside(3)),
    ("erfcinv", lambda x: scipy.special.erfcinv(x), positive(3)),
    ("expit", lambda x: expit(x), X),
    ("logit", lambda x: scipy.special.logit(x), 0.1 + 0.5 * P),
    ("logsumexp", lambda x: logsumexp(x), X),
    ("logsumexp along an axis", lambda x: logsumexp(x, axis=1, keepdims=True), X),
    ("logsumexp weighted", lambda x, b: scipy.special.logsumexp(x, axis=0, b=b), X, P),
    ("softmax", lambda x: scipy.special.softmax(x, axis=1), X),
    ("log_softmax", lambda x: scipy.special.log_softmax(x, axis=1), X),
    ("j0, j1", lambda x: scipy.special.j0(x) + scipy.special.j1(x), P),
    ("i0, i1", lambda x: scipy.special.i0(x) + scipy.special.i1(x), P),
    ("jn", lambda x: scipy.special.jn(2, x), P),
    ("beta", lambda x, y: scipy.special.beta(x, y), P, Q),
    ("betaln", lambda x, y: scipy.special.betaln(x, y), P, Q),
    ("multigammaln", lambda x: scipy.special.multigammaln(x, 2), 2.5),
    ("xlogy", lambda x, y: scipy.special.xlogy(x, y), P, Q),
    ("entr", lambda x: scipy.special.entr(x), P),
    ("log_ndtr", lambda x: scipy.special.log_ndtr(x), X),
    ("ndtr", lambda x: scipy.special.ndtr(x), X),
    ("polygamma", lambda x: scipy.special.polygamma(1, x), P),
)  # fmt: skip


def normal_logpdf(x: Any, mean: Any, scale: Any) -> Any:
    return -0.5 * np.log(2 * np.pi) - np.log(scale) - (x - mean) ** 2 / (2 * scale**2)


def multivariate_normal_logpdf(x: Any, mean: Any, covariance: Any) -> Any:
    chol = np.linalg.cholesky(covariance)
    white = np.linalg.solve(chol, (x - mean).T)
    return -0.5 * np.sum(white**2, axis=0) - np.sum(np.log(np.diag(chol))) - 0.5 * len(mean) * np.log(2 * np.pi)


STATS = _plain(
    "stats",
    ("normal", normal_logpdf, X, 0.2, 1.3),
    ("normal by columns", normal_logpdf, X, W, positive(4)),
    ("normal cdf", lambda x: 0.5 * (1 + scipy.special.erf(x / np.sqrt(2))), X),
    ("multivariate normal", lambda x, m, a: multivariate_normal_logpdf(x, m, (a + a.T) / 2), X, W, T),
    ("gamma", lambda x, a, b: a * np.log(b) - gammaln(a) + (a - 1) * np.log(x) - b * x, P, 2.2, 1.4),
    ("beta", lambda x, a, b: (a - 1) * np.log(x) + (b - 1) * np.log1p(-x) - scipy.special.betaln(a, b), P / 2, 1.2, 2.4),
    ("student", lambda x, v: gammaln((v + 1) / 2) - gammaln(v / 2) - (v + 1) / 2 * np.log1p(x**2 / v), X, 3.1),
    ("poisson", lambda mu: INT * np.log(mu) - mu - gammaln(INT + 1), P),
    ("bernoulli", lambda logits: MASK * logits - np.logaddexp(0, logits), X),
    ("categorical", lambda logits: (logits - logsumexp(logits, axis=1, keepdims=True))[np.arange(3), [0, 3, 2]], X),
    ("dirichlet", lambda x, a: gammaln(np.sum(a)) - np.sum(gammaln(a)) + np.sum((a - 1) * np.log(x)), positive(4), P[0]),
    ("negative binomial", lambda r, p: gammaln(r + INT) - gammaln(r) + r * np.log(p) + INT * np.log(1 - p), 2.1, 0.4),
    ("chi2", lambda x, k: (k / 2 - 1) * np.log(x) - x / 2 - gammaln(k / 2) - k / 2 * np.log(2.0), P, 3.0),
    ("entropy of a gaussian", lambda a: 0.5 * np.linalg.slogdet(2 * np.pi * np.e * a)[1], T),
    ("kl of gaussians", lambda m, s: np.sum(0.5 * (np.exp(2 * s) + m**2 - 1) - s), W, normal(4)),
    ("mixture", lambda w, m: np.sum(logsumexp(w - logsumexp(w) + normal_logpdf(U[:, None], m, 0.7), axis=1)), W, normal(4)),
)  # fmt: skip


SCIPY = _plain(
    "scipy",
    ("norm.logpdf", lambda x, m, s: norm_law.logpdf(x, m, s), X, 0.2, 1.3),
    ("norm.pdf", lambda x: norm_law.pdf(x), X),
    ("norm.cdf", lambda x, m: norm_law.cdf(x, loc=m), X, 0.4),
    ("norm.logcdf, sf, logsf", lambda x: norm_law.logcdf(x) + norm_law.sf(x) + norm_law.logsf(x), X),
    ("norm.ppf", lambda q: norm_law.ppf(q) + norm_law.isf(q, scale=2.0), P / 2),
    ("a frozen distribution", lambda x, m, s: norm_law(m, s).logpdf(x), X, 0.2, 1.3),
    ("t.logpdf", lambda x, v: scipy.stats.t.logpdf(x, v), X, 3.2),
    ("gamma.logpdf", lambda x, a: scipy.stats.gamma.logpdf(x, a, scale=0.7), P, 2.2),
    ("beta.logpdf", lambda x, a, b: scipy.stats.beta.logpdf(x, a, b), P / 2, 1.2, 2.4),
    ("chi2.logpdf", lambda x, k: scipy.stats.chi2.logpdf(x, k), P, 3.4),
    ("expon, laplace", lambda x: scipy.stats.expon.logpdf(x) + scipy.stats.laplace.logpdf(x, scale=2.0), P),
    ("logistic, cauchy", lambda x: scipy.stats.logistic.logpdf(x) + scipy.stats.cauchy.cdf(x), X),
    ("lognorm, uniform", lambda x, s: scipy.stats.lognorm.pdf(x, s) * scipy.stats.uniform.pdf(x, 0.0, 2 * s), P, 1.4),
    ("poisson.logpmf", lambda mu: scipy.stats.poisson.logpmf(INT, mu), P),
    ("poisson.pmf", lambda mu: scipy.stats.poisson.pmf(INT, mu), 2.3),
    ("binom, bernoulli", lambda p: scipy.stats.binom.logpmf(INT, 6, p) + scipy.stats.bernoulli.logpmf(MASK, p), 0.4),
    ("nbinom, geom", lambda p: scipy.stats.nbinom.logpmf(INT, 3, p) + scipy.stats.geom.pmf(INT, p), 0.4),
    ("outside of the support", lambda x: np.exp(scipy.stats.expon.logpdf(x)) + scipy.stats.expon.cdf(x), X),
    ("multivariate_normal.logpdf", lambda x, m, a: mvn.logpdf(x, m, (a + a.T) / 2), X, W, T),
    ("multivariate_normal.pdf", lambda x: mvn.pdf(x, np.zeros(4), T), X),
    ("multivariate_normal.entropy", lambda a: mvn.entropy(np.zeros(4), (a + a.T) / 2), T),
    ("dirichlet.logpdf", lambda a: scipy.stats.dirichlet.logpdf(np.array([0.2, 0.3, 0.5]), a), positive(3)),
    ("linalg.solve", lambda a, b: scipy.linalg.solve(a, b), S, W),
    ("linalg.solve_triangular", lambda a, b: scipy.linalg.solve_triangular(a, b, lower=True), S, W),
    ("linalg.solve_triangular trans", lambda a, b: scipy.linalg.solve_triangular(a, b, trans="T"), S, normal(4, 2)),
    ("linalg.cho_solve", lambda a, b: cho_solve(cho_factor((a + a.T) / 2, lower=True), b), T, W),
    ("linalg.cholesky", lambda a: scipy.linalg.cholesky(a, lower=True) + scipy.linalg.cholesky(a), T),
    ("linalg.det, inv, norm", lambda a: scipy.linalg.det(a) * scipy.linalg.inv(a) / scipy.linalg.norm(a), S),
    ("linalg.block_diag", lambda a, b: scipy.linalg.block_diag(a, b) @ np.arange(6.0), X[:2, :2], S),
    ("linalg.svdvals", lambda a: scipy.linalg.svdvals(a) + scipy.linalg.svd(a)[1], X),
)  # fmt: skip


# -- containers --------------------------------------------------------------------------------------------------------

Pair = namedtuple("Pair", "weights bias")


@dataclasses.dataclass
class Model:
    scale: Any
    layers: list[Any]


def _network(params: Any, inputs: Any) -> Any:
    for weights, bias in params:
        outputs = np.dot(inputs, weights) + bias
        inputs = np.tanh(outputs)
    return outputs - logsumexp(outputs, axis=1, keepdims=True)


CONTAINERS = _plain(
    "containers",
    ("a list", lambda xs: xs[0] * xs[1] + sum(xs), [0.3, 1.2, U]),
    ("a tuple", lambda pair: pair[0] ** 2 * pair[1], (U, V)),
    ("a dict", lambda d: np.dot(d["w"], d["x"]) + d["b"], {"w": X, "x": W, "b": 0.4}),
    ("nested", lambda d: d["a"][0] * d["a"][1]["b"] + d["c"], {"a": [1.3, {"b": U}], "c": V}),
    ("dict items", lambda d: sum(np.sum(value**2) for value in d.values()), {"x": X, "y": U}),
    ("dict keys", lambda d: {key: d[key] * len(key) for key in sorted(d)}, {"x": X, "long": U}),
    ("an ordered dict", lambda d: d["b"] * d["a"], OrderedDict(b=U, a=V)),
    ("a named tuple", lambda p: np.tanh(X @ p.weights + p.bias), Pair(normal(4, 2), normal(2))),
    ("a dataclass", lambda m: m.scale * np.tanh(m.layers[0] @ m.layers[1]), Model(1.3, [X, W])),
    ("list of pairs", lambda params: _network(params, X), [(normal(4, 3), normal(3)), (normal(3, 2), normal(2))]),
    ("a list comprehension", lambda xs: np.sum(np.array([np.sum(x**2) for x in xs])), [U, X, W]),
    ("concatenate a list", lambda xs: np.concatenate([x.ravel() for x in xs]) ** 2, [U, X, W]),
    ("slices of a list", lambda xs: [x**2 for x in xs[1:]] + xs[:1], [U, V, W]),
    ("isinstance", lambda xs: xs[0] * 2 if isinstance(xs, tuple) else xs[0] * 3, (U, V)),
    ("list append", lambda x: _appended(x), U),
    ("dict built inside", lambda x: {"square": x**2, "sum": np.sum(x)}, U),
    ("tuple of results", lambda x: (x[0] ** 2, np.exp(x)), U),
    ("dict comprehension", lambda d: sum({k: np.sum(v) ** 2 for k, v in d.items()}.values()), {"x": X, "y": U}),
    ("a list that is multiplied", lambda x: sum([x] * 3), U),
    ("a list and constants", lambda xs: xs[0] * xs[1] * 2.0, [U, 0.7]),
    ("unflatten a vector", lambda v: _unflattened(v), normal(10)),
    ("keyword arguments", lambda x, scale=2.0: (lambda y, *, k: y * k)(x, k=scale), U),
    ("star arguments", lambda *xs: reduce(lambda a, b: a * b, xs), 0.4, 0.8, 1.3),
)  # fmt: skip


def _appended(x: Any) -> Any:
    kept = []
    state = x[0]
    for value in x[1:]:
        state = np.tanh(state + value)
        kept.append(state)
    return np.array(kept)


def _unflattened(v: Any) -> Any:
    parts, start = [], 0
    for shape in ((2, 3), (3,), ()):
        size = int(np.prod(shape))
        parts.append(np.reshape(v[start : start + size], shape))
        start += size
    w, b, s = parts
    return np.tanh(w @ b) * s


# -- control flow by values, recursion, closures -----------------------------------------------------------------------


def _branch(x: Any) -> Any:
    if np.sum(x) > 0:
        return np.exp(x)
    if x[0] < 0 and not x[1] > 100:
        return x**2
    return np.sin(x)


def _taylor(x: Any) -> Any:
    """The sine, by its series until it does not change."""
    total = term = x
    i = 0
    while np.abs(term) > 1e-12:
        term = -term * x**2 / ((2 * i + 3) * (2 * i + 2))
        total = total + term
        i += 1
    return total


def _newton_root(a: Any) -> Any:
    x = a
    while abs(x * x - a) > 1e-13:
        x = 0.5 * (x + a / x)
    return x


def _factorial_like(x: Any) -> Any:
    return x if x < 1.0 else x * _factorial_like(x - 1.0)


def _fibonacci(x: Any, n: int) -> Any:
    return x if n < 2 else np.sin(_fibonacci(x, n - 1)) + _fibonacci(x, n - 2) ** 2


def _closure(x: Any) -> Any:
    scale = np.sum(x)

    def inner(y: Any) -> Any:
        return y * scale

    return inner(inner(x))


def _early_exit(x: Any) -> Any:
    total = 0.0
    for value in x:
        if value > 1.5:
            break
        if value < -5:
            continue
        total = total + value**2
    else:
        total = total * 2
    return total


class _Scaler:
    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(self, x: Any) -> Any:
        return np.tanh(self.factor * x)

    def loss(self, x: Any) -> Any:
        return np.sum(self(x) ** 2)


def _deepest(x: Any) -> Any:
    try:
        return np.sum(x[0] * np.dot(x, x))
    except ValueError:
        return np.sum(x)


CONTROL = _plain(
    "control flow",
    ("if, by value, one way", _branch, np.abs(U)),
    ("if, by value, the other way", _branch, -np.abs(U)),
    ("while", _taylor, 0.7),
    ("while to convergence", _newton_root, 2.3),
    ("for", lambda x: reduce(lambda a, b: np.tanh(a + b), [x] * 6), U),
    ("for with a traced count of steps", lambda x: sum(x**k for k in range(x.shape[0])), U),
    ("recursion by value", _factorial_like, 3.4),
    ("recursion by depth", lambda x: _fibonacci(x, 6), 0.3),
    ("a closure over a traced value", _closure, U),
    ("break, continue, else", _early_exit, U),
    ("a callable object", _Scaler(1.7), U),
    ("a bound method", _Scaler(1.7).loss, U),
    ("a conditional expression", lambda x: x**2 if x > 0 else -x, 0.4),
    ("a chained comparison", lambda x: x**2 if 0 < x < 1 else -x, 0.4),
    ("and, or", lambda x, y: (x > 0 and x * y) or y, 0.4, 0.9),
    ("any, all", lambda x: np.sum(x**2) if np.any(x > 0) and not np.all(x > 0) else np.sum(x), U),
    ("assert", lambda x: _asserted(x), U),
    ("try", _deepest, U),
    ("sorted by value", lambda x: sum(k * v for k, v in enumerate(sorted(x))), U),
    ("map and filter", lambda x: sum(map(np.square, filter(lambda v: v > 0, x))), U),
    ("vectorised by a comprehension", lambda x: np.stack([np.outer(r, r) for r in x]), X),
    ("isscalar and shape", lambda x: x**2 if np.shape(x) == () and np.ndim(x) == 0 else x, 0.4),
    ("logistic map", lambda r: reduce(lambda x, _: r * x * (1 - x), range(5), 0.3), 2.7),
    ("lists of states", lambda x: np.array(reduce(lambda s, v: [*s, s[-1] * v], x, [1.0])), U),
    ("bisection", lambda a: _bisect(a), 2.3),
    ("names imported from NumPy", lambda x: array([x * pi, x**2]) + concatenate([ones(1), array([x])]), 0.4),
    ("a name imported as another", lambda x: _into_blank(x), 0.4),
    ("a name imported from math", lambda x: sqrt(x) * x, 0.4),
    ("an array from outside by traced indices", lambda x: (X.ravel()[np.floor(3 * x).astype(int)] * x), P),
    ("euler", lambda k: reduce(lambda y, _: y + 0.1 * (-k * y + np.sin(y)), range(10), np.ones(3)), 0.8),
)  # fmt: skip


def _into_blank(x: Any) -> Any:
    out = blank(3)
    for k in range(3):
        out[k] = x**k
    return out


def _asserted(x: Any) -> Any:
    assert np.all(np.isfinite(x)), "no finite numbers"
    assert x.shape == (5,)
    return x**2


def _bisect(a: Any) -> Any:
    """The value at the middle of the last bracket of the root, where it moves with the parameter."""
    low, high = 0.0, a
    for _ in range(6):
        middle = 0.5 * (low + high)
        if middle**2 < 2.0:
            low = middle
        else:
            high = middle
    return np.exp(middle)


ROWS = [
    *OPERATORS, *_elementwise(), *_reductions(), *INDEXING, *SHAPES, *PRODUCTS, *LINALG, *FFT, *COMPLEX, *SPECIAL, *STATS,
    *SCIPY, *CONTAINERS, *CONTROL,
]  # fmt: skip
