"""Examples of each public function of NumPy, and why some have none.

An example is an expression or a statement over the arrays of `VALUES`, whose names in it are its arguments.
"""

import ast
import copy
import math
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np

from support.programs import quiet

__all__ = [
    "METHODS", "NOT_TRACED", "REASONS", "SYNTAX", "VALUES", "arguments_of", "eager", "examples", "function_of", "public"
]  # fmt: skip

# -- the arguments of examples -----------------------------------------------------------------------------------------


def _values() -> dict[str, Any]:
    draw = np.random.default_rng(7)
    x, y = draw.normal(size=(3, 4)), draw.normal(size=(3, 4))
    half = draw.normal(size=(4, 4))
    gaps = x.copy()
    gaps[0, 1] = gaps[2, 2] = np.nan
    return {
        "x": x,
        "y": y,
        "p": 0.2 + draw.random((3, 4)),  # positive
        "q": draw.uniform(-0.9, 0.9, (3, 4)),  # inside (-1, 1)
        "g": 1.1 + draw.random((3, 4)),  # above 1
        "nan": gaps,
        "u": draw.normal(size=6),
        "v": draw.normal(size=4),
        "w": 0.2 + draw.random(6),  # weights
        "r": np.sort(draw.normal(size=5)),  # sorted
        "c": draw.normal(size=(2, 3)),
        "a": np.array(0.7),
        "s": half + 4 * np.eye(4),  # square
        "h": half @ half.T + np.eye(4),  # positive definite
        "k": draw.normal(size=(2, 3, 4)),
        "z": draw.normal(size=(3, 4)) + 1j * draw.normal(size=(3, 4)),
        "zz": draw.normal(size=(3, 4)) + 1j * draw.normal(size=(3, 4)),
        "zs": half + 1j * draw.normal(size=(4, 4)),
        "m": draw.random((3, 4)) < 0.5,
        "mm": draw.random((3, 4)) < 0.5,
        "mu": np.array([True, False, True, True, False, True]),
        "i": draw.integers(1, 9, (3, 4)),
        "j": draw.integers(1, 5, (3, 4)),
        "iu": draw.integers(0, 6, 6),
        "at": draw.integers(0, 4, (3, 2)),
        "byte": draw.integers(0, 256, (2, 4), dtype=np.uint8),
    }


VALUES = _values()

# -- helpers where an expression needs a function or a statement -------------------------------------------------------


def _under_errstate(x: Any) -> Any:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(np.abs(x)) / np.sqrt(np.abs(x))


def _filled(empty: Any, values: Any) -> Any:
    empty[:] = values
    return empty


def _summed_by_nditer(x: Any) -> Any:
    total = 0.0
    for value in np.nditer(x):
        total = total + value * value
    return total


HELPERS: dict[str, Any] = {
    "np": np, "math": math, "_under_errstate": _under_errstate, "_filled": _filled, "_summed_by_nditer": _summed_by_nditer,
}  # fmt: skip

# -- running them ------------------------------------------------------------------------------------------------------


def arguments_of(source: str) -> list[str]:
    """The names of `VALUES` in an example, in the order of that table."""
    used = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    return [name for name in VALUES if name in used]


def function_of(source: str) -> Callable[..., Any]:
    """The function of those arguments that gives the expression, or carries out the statement."""
    is_expression = isinstance(ast.parse(source).body[0], ast.Expr)
    scope = dict(HELPERS)
    exec(f"def example({', '.join(arguments_of(source))}):\n    {'return ' * is_expression}{source}", scope)
    return scope["example"]  # type: ignore[no-any-return]


def eager(source: str) -> tuple[Any, Exception | None, list[Any]]:
    """What an example gives eagerly, what it raises, and its arguments afterwards."""
    args = [copy.copy(VALUES[name]) for name in arguments_of(source)]
    with quiet():
        try:
            return function_of(source)(*args), None, args
        except Exception as error:
            return None, error, args


# -- examples ----------------------------------------------------------------------------------------------------------

#: The operands of ufuncs on floats, where x and y will not do.
OPERANDS = dict.fromkeys("log log2 log10 sqrt reciprocal".split(), "p") | {
    "arccos": "q", "arcsin": "q", "arctanh": "q", "arccosh": "g", "log1p": "p", "power": "p, y", "float_power": "p, y",
    "floor_divide": "x, p", "remainder": "x, p", "divmod": "x, p", "fmod": "x, p", "ldexp": "x, j", "isnat": "",
    "matmul": "x, s", "matvec": "x, v", "vecmat": "v, s", "vecdot": "x, y",
}  # fmt: skip
#: The ufuncs on whole numbers alone.
INTEGER = "bitwise_and bitwise_or bitwise_xor bitwise_count invert left_shift right_shift gcd lcm".split()

FUNCTIONS: dict[str, tuple[str, ...]] = {
    # creation
    "arange": ("np.arange(x.shape[0]) + x[:, 0]", "np.arange(a, a + 3)"),
    "array": (
        "np.array(x)", "np.array([x, y])", "np.array([x[0, 0], 2.0, a])",
        "np.array([[x[0, 0], 1], [2, a]], dtype=np.float32)",
    ),
    "asanyarray": ("np.asanyarray(x)", "np.asanyarray([x[0], y[0]])"),
    "asarray": ("np.asarray(x)", "np.asarray(x, dtype=np.float32)"),
    "asarray_chkfinite": ("np.asarray_chkfinite(x)",),
    "ascontiguousarray": ("np.ascontiguousarray(x.T)",),
    "asfortranarray": ("np.asfortranarray(x)",),
    "astype": ("np.astype(x, np.float32)", "np.astype(x, int)"),
    "copy": ("np.copy(x)",),
    "diag": ("np.diag(x)", "np.diag(v, 1)"),
    "diagflat": ("np.diagflat(v)",),
    "empty": ("_filled(np.empty((2, 3)), c)",),
    "empty_like": ("_filled(np.empty_like(x), y)",),
    "eye": ("np.eye(4) * x[:1]", "np.eye(3, 4, 1) + x"),
    "fromfunction": ("np.fromfunction(lambda row, column: row + column, (3, 4)) * x",),
    "fromiter": ("np.fromiter((value * 2 for value in v), float)",),
    "full": ("np.full((2, 2), a)", "np.full(x.shape, 3.0) + x"),
    "full_like": ("np.full_like(x, a)", "np.full_like(i, 3)"),
    "geomspace": ("np.geomspace(1.0, 10.0, 4) * v", "np.geomspace(p[0], g[0], 5)"),
    "identity": ("np.identity(4) @ s",),
    "indices": ("np.indices((3, 4))[0] * x",),
    "linspace": ("np.linspace(0.0, 1.0, 4) * v", "np.linspace(a, 3.0, 5)", "np.linspace(x[0], y[0], 3)"),
    "logspace": ("np.logspace(0.0, 1.0, 4) * v", "np.logspace(a, 1.0, 4)"),
    "meshgrid": ("np.meshgrid(u, v)", "np.meshgrid(u, v, indexing='ij', sparse=True)"),
    "ones": ("np.ones(x.shape) + x",),
    "ones_like": ("np.ones_like(x)",),
    "tri": ("np.tri(3, 4) * x",),
    "tril": ("np.tril(x)", "np.tril(k, -1)"),
    "triu": ("np.triu(x)", "np.triu(k, 1)"),
    "vander": ("np.vander(v)", "np.vander(v, 3, increasing=True)"),
    "zeros": ("np.zeros(x.shape) + x",),
    "zeros_like": ("np.zeros_like(x)",),
    "copyto": ("np.copyto(x, y)", "np.copyto(x, y, where=m)"),
    "bartlett": ("np.bartlett(6) * u",),
    "blackman": ("np.blackman(6) * u",),
    "hamming": ("np.hamming(6) * u",),
    "hanning": ("np.hanning(6) * u",),
    "kaiser": ("np.kaiser(6, 2.0) * u",),
    # shape
    "array_split": ("np.array_split(u, 4)",),
    "atleast_1d": ("np.atleast_1d(a)", "np.atleast_1d(a, x)"),
    "atleast_2d": ("np.atleast_2d(v)",),
    "atleast_3d": ("np.atleast_3d(x)",),
    "block": ("np.block([[x, y], [y, x]])",),
    "bmat": (),
    "broadcast_arrays": ("np.broadcast_arrays(x, v)",),
    "broadcast_shapes": ("np.broadcast_shapes(x.shape, v.shape)",),
    "broadcast_to": ("np.broadcast_to(v, (3, 4))",),
    "column_stack": ("np.column_stack((u, w))",),
    "concatenate": ("np.concatenate((x, y))", "np.concatenate((x, y), axis=1)", "np.concatenate((x, i), axis=None)"),
    "dsplit": ("np.dsplit(k, 2)",),
    "dstack": ("np.dstack((x, y))",),
    "expand_dims": ("np.expand_dims(x, 1)",),
    "flip": ("np.flip(x)", "np.flip(x, 1)"),
    "fliplr": ("np.fliplr(x)",),
    "flipud": ("np.flipud(x)",),
    "hsplit": ("np.hsplit(x, 2)",),
    "hstack": ("np.hstack((x, y))",),
    "matrix_transpose": ("np.matrix_transpose(k)",),
    "moveaxis": ("np.moveaxis(k, 0, -1)",),
    "ndim": ("np.ndim(x)",),
    "pad": (
        "np.pad(x, 1)", "np.pad(x, ((1, 2), (0, 1)), mode='edge')", "np.pad(u, 2, mode='reflect')",
        "np.pad(x, 1, constant_values=a)", "np.pad(u, 2, mode='wrap')", "np.pad(u, 2, mode='linear_ramp')",
        "np.pad(u, 2, mode='mean')", "np.pad(u, 2, mode='symmetric')",
    ),
    "ravel": ("np.ravel(x)", "np.ravel(x, order='F')"),
    "repeat": ("np.repeat(x, 2)", "np.repeat(x, 3, axis=1)", "np.repeat(v, [1, 0, 2, 1])"),
    "reshape": ("np.reshape(x, (2, -1))", "np.reshape(x, (4, 3), order='F')"),
    "resize": ("np.resize(x, (2, 8))",),
    "roll": ("np.roll(u, 2)", "np.roll(x, -1, axis=1)", "np.roll(x, (1, 2), axis=(0, 1))"),
    "rollaxis": ("np.rollaxis(k, 2)",),
    "rot90": ("np.rot90(x)",),
    "row_stack": (),
    "shape": ("np.shape(x)",),
    "size": ("np.size(x)", "np.size(x, 1)"),
    "split": ("np.split(u, 3)", "np.split(x, [1, 3], axis=1)"),
    "squeeze": ("np.squeeze(x[:, None])",),
    "stack": ("np.stack((x, y))", "np.stack((x, y), axis=-1)"),
    "swapaxes": ("np.swapaxes(k, 0, 2)",),
    "tile": ("np.tile(x, 2)", "np.tile(x, (2, 1, 2))"),
    "transpose": ("np.transpose(x)", "np.transpose(k, (2, 0, 1))"),
    "unstack": ("np.unstack(x)", "np.unstack(x, axis=1)"),
    "vsplit": ("np.vsplit(s, 2)",),
    "vstack": ("np.vstack((x, y))",),
    "append": ("np.append(x, y)", "np.append(x, y, axis=0)"),
    "insert": ("np.insert(u, 1, a)", "np.insert(x, [1, 2], v, axis=0)"),
    "delete": ("np.delete(u, 2)", "np.delete(x, [0, 2], axis=1)"),
    "trim_zeros": ("np.trim_zeros(np.where(u > 0.5, u, 0))",),
    # reductions
    "all": ("np.all(m)", "np.all(m, axis=1)"),
    "amax": ("np.amax(x, axis=0)",),
    "amin": ("np.amin(x, axis=0)",),
    "any": ("np.any(m)", "np.any(x > 1, axis=0)"),
    "argmax": ("np.argmax(x)", "np.argmax(x, axis=1)"),
    "argmin": ("np.argmin(x)", "np.argmin(x, axis=1, keepdims=True)"),
    "average": ("np.average(x)", "np.average(x, axis=0, weights=p)", "np.average(u, weights=w, returned=True)"),
    "count_nonzero": ("np.count_nonzero(m)", "np.count_nonzero(x > 0, axis=1)"),
    "max": ("np.max(x)", "np.max(x, axis=1, keepdims=True)", "np.max(x, initial=0.5, where=m)"),
    "mean": ("np.mean(x)", "np.mean(x, axis=(0, 1))", "np.mean(x, axis=1, where=p > 0)"),
    "median": ("np.median(x)", "np.median(u)", "np.median(x, axis=0)"),
    "min": ("np.min(x)", "np.min(x, axis=1)"),
    "nanargmax": ("np.nanargmax(nan)", "np.nanargmax(nan, axis=1)"),
    "nanargmin": ("np.nanargmin(nan)", "np.nanargmin(nan, axis=1)"),
    "nancumprod": ("np.nancumprod(nan)",),
    "nancumsum": ("np.nancumsum(nan, axis=1)",),
    "nanmax": ("np.nanmax(nan, axis=0)",),
    "nanmean": ("np.nanmean(nan)", "np.nanmean(nan, axis=0)"),
    "nanmedian": ("np.nanmedian(nan)", "np.nanmedian(nan, axis=1)"),
    "nanmin": ("np.nanmin(nan, axis=0)",),
    "nanpercentile": ("np.nanpercentile(nan, 30)", "np.nanpercentile(nan, [10, 50], axis=1)"),
    "nanprod": ("np.nanprod(nan)",),
    "nanquantile": ("np.nanquantile(nan, 0.3)",),
    "nanstd": ("np.nanstd(nan, axis=1)",),
    "nansum": ("np.nansum(nan, axis=0)",),
    "nanvar": ("np.nanvar(nan)",),
    "percentile": (
        "np.percentile(x, 30)", "np.percentile(x, [10, 50], axis=1)", "np.percentile(u, 25, method='lower')",
    ),
    "prod": ("np.prod(x)", "np.prod(i, axis=0)"),
    "ptp": ("np.ptp(x)", "np.ptp(x, axis=0)"),
    "quantile": ("np.quantile(x, 0.3)", "np.quantile(x, [0.1, 0.5], axis=0)"),
    "std": ("np.std(x)", "np.std(x, axis=1, ddof=1)"),
    "sum": ("np.sum(x)", "np.sum(x, axis=0)", "np.sum(i)", "np.sum(m)", "np.sum(x, where=m)"),
    "var": ("np.var(x)", "np.var(x, axis=0, ddof=1)"),
    "trapezoid": ("np.trapezoid(u)", "np.trapezoid(r, u[:5])", "np.trapezoid(x, dx=0.1, axis=0)"),
    # scans and differences
    "cumprod": ("np.cumprod(u)", "np.cumprod(x, axis=1)"),
    "cumsum": ("np.cumsum(x)", "np.cumsum(x, axis=0)", "np.cumsum(m)"),
    "cumulative_prod": ("np.cumulative_prod(u)",),
    "cumulative_sum": ("np.cumulative_sum(u, include_initial=True)",),
    "diff": ("np.diff(u)", "np.diff(x, n=2, axis=1)", "np.diff(u, prepend=a)"),
    "ediff1d": ("np.ediff1d(u)", "np.ediff1d(u, to_end=a)"),
    "gradient": ("np.gradient(u)", "np.gradient(x)", "np.gradient(x, 0.5, axis=0)"),
    "unwrap": ("np.unwrap(3 * u)",),
    # elementwise
    "angle": ("np.angle(z)", "np.angle(x)"),
    "around": ("np.around(x, 1)",),
    "clip": ("np.clip(x, -0.5, 0.5)", "np.clip(x, None, a)", "np.clip(i, 2, 5)"),
    "fix": ("np.fix(3 * x)",),
    "i0": ("np.i0(x)",),
    "imag": ("np.imag(z)", "np.imag(x)"),
    "isclose": ("np.isclose(x, y, atol=0.5)",),
    "iscomplex": ("np.iscomplex(z)", "np.iscomplex(x)"),
    "isneginf": ("np.isneginf(x)",),
    "isposinf": ("np.isposinf(x)",),
    "isreal": ("np.isreal(z)", "np.isreal(x)"),
    "nan_to_num": ("np.nan_to_num(nan)", "np.nan_to_num(nan, nan=a)"),
    "real": ("np.real(z)", "np.real(x)"),
    "real_if_close": ("np.real_if_close(x)", "np.real_if_close(z)"),
    "round": ("np.round(x)", "np.round(x, 2)"),
    "sinc": ("np.sinc(x)",),
    "heaviside": ("np.heaviside(x, 0.5)",),
    "interp": ("np.interp(x, r, u[:5])", "np.interp(a, r, u[:5], left=0.0)"),
    "piecewise": (
        "np.piecewise(x, [x < 0, x >= 0], [lambda t: -t, lambda t: t**2])", "np.piecewise(x, [x > 1], [2.0, -1.0])",
    ),
    "select": ("np.select([x > 1, x > 0], [y, 2 * y], -1.0)",),
    "where": ("np.where(m, x, y)", "np.where(x > 0, x, 0)", "np.where(m)"),
    "vectorize": ("np.vectorize(lambda t: 2 * t + 1)(x)",),
    "frompyfunc": (),
    # indices and selections
    "argwhere": ("np.argwhere(m)", "np.argwhere(x > 0)"),
    "choose": ("np.choose(at[:, 0] % 3, [x[:, 0], y[:, 0], p[:, 0]])", "np.choose(i % 2, (x, y))"),
    "compress": ("np.compress([True, False, True], x, axis=0)", "np.compress(mu, u)"),
    "diag_indices": ("s[np.diag_indices(4)]",),
    "diag_indices_from": ("np.diag_indices_from(s)",),
    "diagonal": ("np.diagonal(s)", "np.diagonal(k, 1, 1, 2)"),
    "digitize": ("np.digitize(x, r)", "np.digitize(x, r, right=True)"),
    "extract": ("np.extract(m, x)",),
    "fill_diagonal": ("np.fill_diagonal(s, a)", "np.fill_diagonal(s, v)"),
    "flatnonzero": ("np.flatnonzero(m)",),
    "ix_": ("x[np.ix_([0, 2], [1, 3])]", "np.ix_(iu, at[:, 0])"),
    "mask_indices": ("s[np.mask_indices(4, np.triu)]",),
    "nonzero": ("np.nonzero(m)", "np.nonzero(x > 0)"),
    "place": ("np.place(x, m, v)",),
    "put": ("np.put(x, iu, u)", "np.put(x, [1, 5], a)"),
    "put_along_axis": ("np.put_along_axis(x, at, a, axis=1)",),
    "putmask": ("np.putmask(x, m, y)",),
    "ravel_multi_index": ("np.ravel_multi_index((iu % 3, iu), (3, 6))",),
    "searchsorted": ("np.searchsorted(r, x)", "np.searchsorted(r, x, side='right')"),
    "take": ("np.take(x, iu)", "np.take(x, at, axis=1)", "np.take(x, iu + 9, mode='wrap')"),
    "take_along_axis": ("np.take_along_axis(x, at, axis=1)",),
    "tril_indices": ("s[np.tril_indices(4)]",),
    "tril_indices_from": ("np.tril_indices_from(s)",),
    "triu_indices": ("s[np.triu_indices(4, 1)]",),
    "triu_indices_from": ("np.triu_indices_from(s)",),
    "unravel_index": ("np.unravel_index(iu, (3, 4))", "np.unravel_index(np.argmax(x), x.shape)"),
    # sorting and sets
    "argpartition": ("np.argpartition(u, 2)[:3]",),
    "argsort": ("np.argsort(x)", "np.argsort(x, axis=0, kind='stable')"),
    "intersect1d": ("np.intersect1d(i, j)",),
    "isin": ("np.isin(i, j)", "np.isin(i, [1, 2])"),
    "lexsort": ("np.lexsort((u, iu))",),
    "partition": ("np.partition(u, 2)[2]", "np.partition(x, 1, axis=0)[1]"),
    "setdiff1d": ("np.setdiff1d(i, j)",),
    "setxor1d": ("np.setxor1d(i, j)",),
    "sort": ("np.sort(x)", "np.sort(x, axis=0)", "np.sort(x, axis=None)", "np.sort(i)"),
    "sort_complex": ("np.sort_complex(z)",),
    "union1d": ("np.union1d(i, j)",),
    "unique": (
        "np.unique(i)", "np.unique(x)", "np.unique(i, return_counts=True)",
        "np.unique(i, return_inverse=True, return_index=True)",
    ),
    "unique_all": ("np.unique_all(i)",),
    "unique_counts": ("np.unique_counts(i)",),
    "unique_inverse": ("np.unique_inverse(i)",),
    "unique_values": ("np.unique_values(i)",),
    # products and polynomials
    "cross": ("np.cross(x[0, :3], y[0, :3])", "np.cross(x[:, :3], y[:, :3])"),
    "dot": ("np.dot(x, s)", "np.dot(u, w)", "np.dot(k, v)"),
    "einsum": (
        "np.einsum('ij,jk->ik', x, s)", "np.einsum('ij,ij->i', x, y)", "np.einsum('ii', s)",
        "np.einsum('kij,j', k, v)",
    ),
    "einsum_path": ("len(np.einsum_path('ij,jk->ik', x, s)[0])",),
    "inner": ("np.inner(x, y)",),
    "kron": ("np.kron(c, s)",),
    "outer": ("np.outer(u, v)",),
    "tensordot": ("np.tensordot(x, s, 1)", "np.tensordot(k, x, axes=([1, 2], [0, 1]))"),
    "trace": ("np.trace(s)", "np.trace(k, axis1=1, axis2=2)"),
    "vdot": ("np.vdot(u, w)", "np.vdot(z, zz)"),
    "convolve": ("np.convolve(u, v)", "np.convolve(u, v, mode='same')", "np.convolve(u, v, mode='valid')"),
    "correlate": ("np.correlate(u, v)", "np.correlate(u, v, mode='full')"),
    "poly": ("np.poly(v)",),
    "polyadd": ("np.polyadd(u, v)",),
    "polyder": ("np.polyder(v)",),
    "polydiv": ("np.polydiv(u, v)",),
    "polyfit": ("np.polyfit(r, u[:5], 2)",),
    "polyint": ("np.polyint(v)",),
    "polymul": ("np.polymul(u, v)",),
    "polysub": ("np.polysub(u, v)",),
    "polyval": ("np.polyval(v, x)",),
    "roots": ("np.roots(v)",),
    # statistics
    "bincount": ("np.bincount(iu)", "np.bincount(iu, weights=w, minlength=8)"),
    "corrcoef": ("np.corrcoef(x)", "np.corrcoef(u, w)"),
    "cov": ("np.cov(x)", "np.cov(x, rowvar=False)"),
    "histogram": ("np.histogram(x, 4)", "np.histogram(u, r)", "np.histogram(u, 4, (-1, 1), weights=w)"),
    "histogram2d": ("np.histogram2d(u, w, 3)",),
    "histogram_bin_edges": ("np.histogram_bin_edges(u, 4)",),
    "histogramdd": ("np.histogramdd(x, bins=2)",),
    # tests and facts
    "allclose": ("np.allclose(x, y)", "np.allclose(x, x + 1e-12)"),
    "array_equal": ("np.array_equal(x, y)", "np.array_equal(i, i + 0)"),
    "array_equiv": ("np.array_equiv(x, x[:1])",),
    "can_cast": ("np.can_cast(x.dtype, np.float32)",),
    "common_type": ("i.astype(np.common_type(x, i))",),
    "iscomplexobj": ("np.iscomplexobj(x)", "np.iscomplexobj(z)"),
    "isdtype": ("np.isdtype(x.dtype, 'real floating')",),
    "isfortran": ("np.isfortran(x)",),
    "isrealobj": ("np.isrealobj(x)",),
    "isscalar": ("np.isscalar(x)", "np.isscalar(3.0 * len(x))"),
    "issubdtype": ("np.issubdtype(x.dtype, np.floating)",),
    "iterable": ("np.iterable(x)",),
    "may_share_memory": ("np.may_share_memory(x, x[1:])",),
    "min_scalar_type": ("i.astype(np.min_scalar_type(x))",),
    "promote_types": ("i.astype(np.promote_types(x.dtype, np.float32))",),
    "require": ("np.require(x, requirements='C')",),
    "result_type": ("i.astype(np.result_type(x, i))", "x.astype(np.result_type(i, np.float32))"),
    "shares_memory": ("np.shares_memory(x, x[1:])",),
    # functions of functions, bits
    "apply_along_axis": ("np.apply_along_axis(lambda row: row * row[0], 1, x)", "np.apply_along_axis(np.sum, 0, x)"),
    "apply_over_axes": ("np.apply_over_axes(np.sum, k, [0, 2])",),
    "packbits": ("np.packbits(m)", "np.packbits(m, axis=1)"),
    "unpackbits": ("np.unpackbits(byte)", "np.unpackbits(byte, axis=1)"),
    # classes
    "broadcast": ("np.zeros(np.broadcast(x, v).shape) + x",),
    "errstate": ("_under_errstate(x)",),
    "finfo": ("x + np.finfo(x.dtype).eps",),
    "iinfo": ("i % np.iinfo(i.dtype).max",),
    "ndenumerate": ("[2 * value for _, value in np.ndenumerate(x)]",),
    "ndindex": ("sum(x[place] for place in np.ndindex(*x.shape))",),
    "nditer": ("_summed_by_nditer(x)",),
    "poly1d": ("np.poly1d(v)(x)",),
    "ndarray": ("isinstance(x, np.ndarray)", "np.ndarray.sum(x)"),
    "dtype": ("x.astype(np.dtype('f4'))", "x.dtype == np.dtype(float)"),
}  # fmt: skip

LINALG: dict[str, tuple[str, ...]] = {
    "cholesky": ("np.linalg.cholesky(h + h.T)", "np.linalg.cholesky(h + h.T, upper=True)"),
    "cond": ("np.linalg.cond(s)", "np.linalg.cond(s, 1)"),
    "cross": ("np.linalg.cross(x[:, :3], y[:, :3])",),
    "det": ("np.linalg.det(s)",),
    "diagonal": ("np.linalg.diagonal(k)",),
    "eig": ("np.linalg.eig(h)", "np.linalg.eig(zs)[0]"),
    "eigh": ("np.linalg.eigh(h + h.T)[0]", "np.abs(np.linalg.eigh(h + h.T)[1])"),
    "eigvals": ("np.linalg.eigvals(h)",),
    "eigvalsh": ("np.linalg.eigvalsh(h + h.T)",),
    "inv": ("np.linalg.inv(s)", "np.linalg.inv(zs)"),
    "lstsq": ("np.linalg.lstsq(x.T, v)[0]", "np.linalg.lstsq(x.T, v)"),
    "matmul": ("np.linalg.matmul(x, s)",),
    "matrix_norm": ("np.linalg.matrix_norm(s)", "np.linalg.matrix_norm(s, ord=2)"),
    "matrix_power": ("np.linalg.matrix_power(s, 3)", "np.linalg.matrix_power(s, -1)"),
    "matrix_rank": ("np.linalg.matrix_rank(s)",),
    "matrix_transpose": ("np.linalg.matrix_transpose(k)",),
    "multi_dot": ("np.linalg.multi_dot([x, s, v])",),
    "norm": (
        "np.linalg.norm(u)", "np.linalg.norm(x)", "np.linalg.norm(x, axis=1)", "np.linalg.norm(s, 2)",
        "np.linalg.norm(u, 1)", "np.linalg.norm(u, np.inf)", "np.linalg.norm(s, 'nuc')",
    ),
    "outer": ("np.linalg.outer(u, v)",),
    "pinv": ("np.linalg.pinv(x)",),
    "qr": ("np.linalg.qr(s)", "np.linalg.qr(x.T)", "np.linalg.qr(s, mode='r')"),
    "slogdet": ("np.linalg.slogdet(s)",),
    "solve": ("np.linalg.solve(s, v)", "np.linalg.solve(s, x.T)"),
    "svd": ("np.linalg.svd(x, full_matrices=False)", "np.linalg.svd(s)", "np.linalg.svd(x, compute_uv=False)"),
    "svdvals": ("np.linalg.svdvals(x)",),
    "tensordot": ("np.linalg.tensordot(x, s, axes=1)",),
    "tensorinv": ("np.linalg.tensorinv(s.reshape(2, 2, 4), ind=2)",),
    "tensorsolve": ("np.linalg.tensorsolve(s.reshape(2, 2, 4), x[:2, :2])",),
    "trace": ("np.linalg.trace(s)",),
    "vecdot": ("np.linalg.vecdot(x, y)",),
    "vector_norm": ("np.linalg.vector_norm(x)", "np.linalg.vector_norm(x, axis=1, ord=3)"),
}  # fmt: skip

FFT: dict[str, tuple[str, ...]] = {
    **{name: (f"np.fft.{name}(z)", f"np.fft.{name}(x, n=6, axis=0)") for name in "fft ifft hfft".split()},
    **{name: (f"np.fft.{name}(x)", f"np.fft.{name}(x, n=6, norm='ortho')") for name in "rfft ihfft".split()},
    "irfft": ("np.fft.irfft(z)", "np.fft.irfft(z, n=5)"),
    **{name: (f"np.fft.{name}(z)", f"np.fft.{name}(k)") for name in "fft2 ifft2 fftn ifftn irfft2 irfftn".split()},
    **{name: (f"np.fft.{name}(x)", f"np.fft.{name}(k)") for name in "rfft2 rfftn".split()},
    "fftshift": ("np.fft.fftshift(x)", "np.fft.fftshift(u, axes=0)"),
    "ifftshift": ("np.fft.ifftshift(x)",),
    "fftfreq": ("np.fft.fftfreq(6, 0.1) * u",),
    "rfftfreq": ("np.fft.rfftfreq(6) * v",),
}  # fmt: skip

#: Attributes and methods of arrays; those that have the name of a function take their examples from it.
ARRAY: dict[str, tuple[str, ...]] = {
    "T": ("x.T", "k.T"),
    "all": ("m.all()", "m.all(axis=0)"),
    "any": ("m.any()", "(x > 1).any(1)"),
    "argmax": ("x.argmax()", "x.argmax(axis=0)"),
    "argmin": ("x.argmin()", "x.argmin(axis=1)"),
    "argpartition": ("u.argpartition(2)[2]",),
    "argsort": ("x.argsort()", "x.argsort(axis=0)"),
    "astype": ("x.astype(np.float32)", "x.astype(int)", "i.astype('f8', copy=False)", "x.astype(bool)"),
    "base": ("x[1:].base is None",),
    "byteswap": ("i.byteswap()",),
    "choose": ("(i % 2).choose([x, y])",),
    "clip": ("x.clip(-0.5, 0.5)", "x.clip(min=0)", "x.clip(-1, 1, out=x)"),
    "compress": ("x.compress([True, False, True], axis=0)",),
    "conj": ("z.conj()", "x.conj()"),
    "conjugate": ("z.conjugate()",),
    "copy": ("x.copy()",),
    "cumprod": ("x.cumprod(axis=1)",),
    "cumsum": ("x.cumsum()", "x.cumsum(axis=0)"),
    "device": ("x.device",),
    "diagonal": ("s.diagonal()", "s.diagonal(1)"),
    "dot": ("x.dot(s)",),
    "dtype": ("x.astype(x.dtype)", "np.zeros(3, x.dtype) + x[:, 0]"),
    "fill": ("x.fill(2.0)", "x.fill(a)"),
    "flags": ("x.flags.c_contiguous", "x.T.flags['F_CONTIGUOUS']"),
    "flat": ("x.flat[3]", "[value * 2 for value in x.flat]"),
    "flatten": ("x.flatten()", "x.flatten('F')"),
    "imag": ("z.imag", "x.imag", "z.imag = x"),
    "item": ("x.item(3)", "a.item() * x", "x.item((1, 2))"),
    "itemsize": ("x.itemsize",),
    "mT": ("k.mT",),
    "max": ("x.max()", "x.max(axis=0)", "x.max(axis=(0, 1), keepdims=True)"),
    "mean": ("x.mean()", "x.mean(axis=1)"),
    "min": ("x.min()", "x.min(axis=-1)"),
    "nbytes": ("x.nbytes",),
    "ndim": ("x.ndim",),
    "nonzero": ("m.nonzero()",),
    "partition": ("u.partition(2)",),
    "prod": ("x.prod()", "x.prod(axis=0)"),
    "put": ("x.put([0, 3], [1.0, 2.0])", "x.put(iu, u)"),
    "ravel": ("x.ravel()", "x.T.ravel()"),
    "real": ("z.real", "x.real", "z.real = x"),
    "repeat": ("x.repeat(2, axis=0)",),
    "reshape": ("x.reshape(4, 3)", "x.reshape(-1)", "x.reshape((2, -1))", "k.reshape(6, -1)"),
    "resize": ("u.copy().resize(4)",),
    "round": ("x.round()", "x.round(1)"),
    "searchsorted": ("r.searchsorted(x)",),
    "shape": ("x.shape", "np.ones(x.shape[1]) * v"),
    "size": ("x.sum() / x.size",),
    "sort": ("x.sort()", "x.sort(axis=0)"),
    "squeeze": ("x[:, None].squeeze()", "x[:1].squeeze(axis=0)"),
    "std": ("x.std()", "x.std(axis=0, ddof=1)"),
    "strides": ("x.strides",),
    "sum": ("x.sum()", "x.sum(axis=0)", "x.sum(axis=1, keepdims=True)", "x.sum(dtype=np.float32)"),
    "swapaxes": ("k.swapaxes(0, 1)",),
    "take": ("x.take(iu)", "x.take([0, 2], axis=0)"),
    "tolist": ("x.tolist()", "v.tolist()"),
    "trace": ("s.trace()",),
    "transpose": ("x.transpose()", "k.transpose(2, 0, 1)", "k.transpose((1, 0, 2))"),
    "var": ("x.var()", "x.var(axis=1)"),
    "view": ("x.view()", "x.view(np.int64)", "z.view(float)"),
}

#: What is written otherwise than as a call, by what the table calls it.
SYNTAX: dict[str, tuple[str, ...]] = {
    "operators": (
        "x + y", "x - 1", "2 * x", "1 / p", "x // p", "x % p", "p ** 2", "2 ** x", "x @ s", "-x", "+x", "abs(x)",
        "divmod(x, p)", "i & j", "i | 1", "i ^ j", "~m", "i << 1", "i >> j", "x < y", "x == y", "x != 0", "v @ s @ v",
        "z * zz", "z / 2j", "x * 1j", "i / j", "i // j", "m & ~mm", "m ^ mm", "m + m", "i * 0.5", "i + True",
    ),
    "operators in place": (
        "x += y", "x *= 2", "x -= v", "x /= p", "p **= 2", "m |= mm", "i &= 3", "i <<= j", "x @= s", "i //= j",
        "i %= 3", "m ^= mm", "x[1] += 1", "z *= x", "i += 2",
    ),
    "numbers from arrays": (
        "float(x[0, 0]) + 1", "int(i[0, 0]) * x", "bool(x[0, 0] > 0)", "complex(z[0, 0])",
        "x[0, 0] if x[0, 0] > 0 else y[0, 0]", "round(float(a), 1)", "math.exp(a)", "math.sqrt(p[0, 0])",
        "math.floor(x[0, 0])", "x[i[0, 0] % 3]", "u[: i[0, 0] % 5]", "[x[0, n] for n in range(i[0, 0] % 3)]",
        "f'{float(a):.2f}'", "max(x[0, 0], y[0, 0])", "min(u)", "sum(u)", "sorted(u)", "any(m[0])", "all(m[0])",
        "not m[0, 0]", "a and x", "np.float64(3.0) * a", "0.3 < a < 1", "i[0, 0] in (1, 2, 3)",
        "{1: x}.get(int(i[0, 0]), y)", "hash(float(a))",
    ),
    "iteration": (
        "len(x)", "[2 * row for row in x]", "[n * row for n, row in enumerate(x)]",
        "[one * two for one, two in zip(u, w)]", "list(u)", "(lambda first, *rest: first + len(rest))(*x)",
        "x.tolist()[0][1]", "1.5 in u", "a in u", "list(reversed(u))",
    ),
    "whole numbers and slices": (
        "x[1]", "x[-1, 2]", "x[:, 1]", "x[::-1]", "x[1:, ::2]", "x[..., 0]", "x[None, :, 1]", "x[:, np.newaxis]",
        "k[0][1][2]", "x[()]", "x[5:]", "k[:, -2:, 1:3]", "k[..., ::-1]", "x[np.int64(1)]", "u[2:-1]",
        "x[slice(1, 3)]",
    ),
    "index arrays": (
        "x[[0, 2]]", "u[iu]", "x[:, [1, 0, 1]]", "x[iu % 3, iu % 4]", "x[[0, 1], :2]", "k[:, [0, 2], [1, 3]]",
        "k[[0], :, [1]]", "x[at[:, 0] % 3]", "x[np.array([[0, 1], [2, 0]])]", "x[(iu % 3)[:, None], at[:, 0]]",
        "u[u.argsort()]", "x[[]]", "x[-1 - iu % 3]",
    ),
    "masks": (
        "x[m]", "x[x > 0]", "x[m[:, 0]]", "x[:, m[0]]", "x[~m]", "k[:, m]", "x[m].sum()", "x[x > 0].mean()", "z[m]",
        "i[i > 4]", "x[x > 99]", "x[m[:, 0], 1:]", "x[m[:, 0]][:, m[0]]", "x[m & mm]", "len(x[m])", "x[m] * y[m]",
        "x[True]", "x[False]",
    ),
    "assignment": (
        "x[0] = 1", "x[:, 1] = v[:3]", "x[...] = 0", "x[m] = 0", "x[m] = y[m]", "x[x > 0] = -x[x > 0]",
        "x[[0, 2]] = v", "u[iu] = w", "x[iu % 3, iu % 4] = u", "x[m] = a", "x[:, [0, 1]] = y[:, :2]", "i[0] = x[0]",
        "x[0, 0] = a", "x[1][:2] = 0", "z[m] = x[m]", "x[m[:, 0], 2] = 5", "k[:, m] = 1.0", "x[1:] = x[:-1]",
        "x[:-1] = x[1:]", "x.T[0] = 1", "x[[0, 1], [1, 2]] = [3.0, a]", "x[:] = y.T.reshape(3, 4)",
        "x[1:, ::2] = x[:2, 1::2]", "u[::-1] = u", "x[x > 99] = 1", "x.flat[::5] = 1.0", "x.ravel()[3] = 0",
        "x[0], x[1] = x[1].copy(), x[0].copy()", "x[0] = x[1] = 3", "z.real = x", "z.imag[0] = 1",
        "u[u.argmax()] = 0", "x.reshape(-1)[m.ravel()] = 0",
    ),
    "augmented assignment": (
        "x[0] += 1", "x[:, 1:] += x[:, :-1]", "x[m] += 1", "x[m] += y[m]", "u[iu] += w", "x[[0, 2]] += v",
        "x[1:][:, 0] += a", "x[iu % 3, iu % 4] += 1", "x[x < 0] *= -1", "x[m] **= 2", "x[1:] -= x[:-1].copy()",
        "i[i > 3] -= 3", "x[:, 0] /= p[:, 1]", "k[0] @= s",
    ),
    "keywords of ufuncs": (
        "np.add(x, y, out=x)", "np.multiply(x, 2, out=y)", "np.sqrt(x, where=x > 0, out=np.zeros_like(x))",
        "np.divide(x, y, out=x, where=m)", "np.add(i, j, dtype=float)", "np.exp(i, dtype=np.float32)",
        "np.sum(x, axis=0, out=v)", "np.cumsum(x, axis=1, out=x)", "np.matmul(x, s, out=y)", "np.dot(x, s, out=y)",
        "np.add(i, x, out=i, casting='unsafe')", "np.maximum(x, 0, out=x)", "np.mean(x, axis=0, out=v)",
        "np.clip(x, 0, 1, out=x)", "np.greater(x, y, out=m)", "np.modf(x, out=(x, y))",
    ),
    "index tricks": (
        "np.r_[u, w]", "np.r_[u, 0.0, a]", "np.c_[u, w]", "np.s_[1:3] == slice(1, 3)", "np.mgrid[:3, :4][0] * x",
        "np.ogrid[:3, :4][0] * x", "np.r_[1:7] * u", "x[np.index_exp[1:, 0]]",
    ),
    "windows": (
        "np.lib.stride_tricks.sliding_window_view(u, 3)", "np.lib.stride_tricks.sliding_window_view(x, (2, 2))",
        "np.lib.stride_tricks.sliding_window_view(u, 3)[::2].mean(axis=1)",
        "np.lib.stride_tricks.as_strided(u, (4, 3), (8, 8))",
    ),
    "polynomial": (
        "np.polynomial.polynomial.polyval(x, v)", "np.polynomial.chebyshev.chebval(q, v)",
        "np.polynomial.Polynomial(v)(x)", "np.polynomial.polynomial.polyfit(r, u[:5], 2)",
        "np.polynomial.legendre.leggauss(4)[0] * v",
    ),
}  # fmt: skip

#: Scalar types as conversions.
TYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 longlong ulonglong float16 float32 float64 complex64 "
    "complex128"
).split()

#: Why there is nothing to trace: reason by names.
REASONS = {
    "reads or writes files": "fromfile fromregex genfromtxt load loadtxt save savetxt savez savez_compressed memmap",
    "text": "array2string array_repr array_str base_repr binary_repr format_float_positional format_float_scientific "
    "fromstring bytes_ str_ character flexible",
    "settings of NumPy itself": "get_printoptions printoptions set_printoptions getbufsize setbufsize geterr geterrcall "
    "seterr seterrcall",
    "facts about NumPy itself": "get_include info show_config show_runtime test mintypecode typename",
    "dates": "busday_count busday_offset is_busday busdaycalendar datetime_as_string datetime_data datetime64 timedelta64 "
    "isnat",
    "objects, records and matrices; use arrays of numbers": "asmatrix bmat matrix frompyfunc object_ recarray record void",
    "abstract types, for isinstance and issubdtype": "complexfloating floating generic inexact integer number "
    "signedinteger unsignedinteger ufunc",
    "extended precision": "longdouble clongdouble",
    "low-level access to memory": "frombuffer from_dlpack nested_iters flatiter __array_namespace_info__",
    "deprecated by NumPy": "row_stack",
    "bytes and memory, of arrays": "ndarray.ctypes ndarray.data ndarray.dump ndarray.dumps ndarray.getfield "
    "ndarray.setfield ndarray.setflags ndarray.to_device ndarray.tobytes ndarray.tofile",
    "an exception": "linalg.LinAlgError",
}
NOT_TRACED = {name: reason for reason, names in REASONS.items() for name in names.split()}

METHODS = ("reduce", "accumulate", "reduceat", "outer", "at")


def _ufunc_examples(name: str) -> tuple[str, ...]:
    """On floats, whole numbers, booleans and complex numbers, of those that NumPy takes."""
    ufunc = getattr(np, name)
    if name in INTEGER:
        return _accepted([f"np.{name}({'i, j' if ufunc.nin == 2 else 'i'})"])
    first = OPERANDS.get(name, "x, y" if ufunc.nin == 2 else "x")
    others = ["i, j", "m, mm", "z, zz"] if ufunc.nin == 2 else ["i", "m", "z"]
    return _accepted([f"np.{name}({given})" for given in (first, *(others if ufunc.signature is None else ()))])


def _method_examples(name: str, method: str) -> tuple[str, ...]:
    """One of a ufunc's methods, on floats or else on whole numbers."""
    ufunc = getattr(np, name)
    if ufunc.nin > 2 or ufunc.nout > 1 or ufunc.signature or (ufunc.nin == 1 and method != "at"):
        return ()
    call = {
        "reduce": ("p", "axis=0"),
        "accumulate": ("p", "axis=1"),
        "reduceat": ("w", "[0, 2, 3]"),
        "outer": ("w", "p"),
        "at": ("w", "iu", "w") if ufunc.nin == 2 else ("w" if name not in OPERANDS else "p[0]", "[0, 1, 0]"),
    }[method]
    whole = tuple({"p": "i", "w": "iu", "p[0]": "i[0]"}.get(operand, operand) for operand in call)
    return _accepted([f"np.{name}.{method}({', '.join(given)})" for given in (call, whole)])[:1]


def _accepted(sources: Iterable[str]) -> tuple[str, ...]:
    return tuple(source for source in sources if eager(source)[1] is None)


def public() -> dict[str, str]:
    """The name of every public callable, and of what arrays have, with the name of its row: several may name one object."""
    found: dict[str, str] = {}
    first: dict[int, str] = {}
    for prefix, module in (("", np), ("linalg.", np.linalg), ("fft.", np.fft)):
        for name in sorted(module.__all__):
            thing = getattr(module, name)
            if callable(thing):
                known = getattr(thing, "__name__", name)
                own = known if getattr(module, known, None) is thing else name
                found[prefix + name] = first.setdefault(id(thing), prefix + own)
    return found | {name: name for name in (f"ndarray.{each}" for each in dir(np.ndarray) if each[0] != "_")}


@cache
def examples() -> dict[str, tuple[str, ...]]:
    """By the name of a row; of ufuncs' methods too. What is not traced has none."""
    found: dict[str, tuple[str, ...]] = {}
    names = public()
    for name in sorted(set(names.values()) - NOT_TRACED.keys()):
        prefix, _, bare = name.rpartition(".")
        same = [alias for alias, own in names.items() if own == name]
        if prefix:
            found[name] = {"linalg": LINALG, "fft": FFT, "ndarray": ARRAY}[prefix].get(bare, ())
        elif isinstance(getattr(np, name), np.ufunc):
            found[name] = _ufunc_examples(name)
            methods = {f"{name}.{method}": _method_examples(name, method) for method in METHODS}
            found |= {key: sources for key, sources in methods.items() if sources}
        elif name in TYPES:
            found[name] = (f"np.{name}(a)", f"np.{name}({'z' if 'complex' in name else 'p'})")
        else:
            found[name] = next((FUNCTIONS[alias] for alias in same if alias in FUNCTIONS), ())
    return found | {f"{name}: {source}": (source,) for name, sources in SYNTAX.items() for source in sources}
