"""One row, or a few, for every operation: operands to try it on, and what it should give. `ops/` tests run over the table.

An operation with a new row here is tested for its rule, its reference, its derivatives to third order, its batching and
its kernel.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mpmath
import numpy as np

from tracegraph.ir import DTYPES, Aval, Node, Shape
from tracegraph.ops import ALL
from tracegraph.ops.broadcast import fill, zeros_like
from tracegraph.ops.leaf import constant, input_node
from tracegraph.ops.product import swap_last

__all__ = ["CASES", "EXACT_ZERO", "NOT_OPERATIONS", "REFUSED", "UNDIFFERENTIATED", "Case"]

#: ``sample(rng, shape, dtype, k)``: values for operand k.
Sample = Callable[[np.random.Generator, Shape, np.dtype, int], Any]

_ALL = tuple(DTYPES)
KINDS: Mapping[str, tuple[np.dtype, ...]] = {
    "floats": tuple(d for d in _ALL if d.kind == "f"),
    "complex": tuple(d for d in _ALL if d.kind == "c"),
    "inexact": tuple(d for d in _ALL if d.kind in "fc"),
    "reals": tuple(d for d in _ALL if d.kind in "iuf"),
    "parts": (np.dtype("f4"), np.dtype("f8")),
    "integers": tuple(d for d in _ALL if d.kind in "iu"),
    "numbers": tuple(d for d in _ALL if d.kind != "b"),
    "bool": tuple(d for d in _ALL if d.kind == "b"),
    "real lapack": tuple(d for d in _ALL if d.char in "fd"),
    "complex lapack": tuple(d for d in _ALL if d.char in "FD"),
    "lapack": tuple(d for d in _ALL if d.char in "fdFD"),
    "any": _ALL,
    "doubles": (np.dtype(float),),
    "words": (np.dtype(np.uint64),),
}


def _turned(rng: np.random.Generator, values: Any, dtype: np.dtype, scale: float) -> np.ndarray:
    """Of a dtype; complex numbers get an imaginary part of some size."""
    if dtype.kind != "c":
        return np.asarray(values, dtype)
    return np.asarray(values + 1j * np.round(rng.normal(scale=scale, size=np.shape(values)), 1), dtype)


def anything(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """Of the middle of the dtype's range, both signs, whole and broken, with ties."""
    if dtype.kind in "fc":
        return _turned(rng, np.round(rng.normal(scale=2, size=shape), 1), dtype, 2)
    return rng.integers(0 if dtype.kind in "ub" else -9, 2 if dtype.kind == "b" else 10, shape).astype(dtype)


def within(low: float, high: float) -> Sample:
    """Floats of an interval; complex numbers near it."""
    return lambda rng, shape, dtype, k: _turned(rng, rng.uniform(low, high, shape), dtype, 0.3)


def _away_from_zero(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    return _turned(rng, rng.uniform(0.4, 2, shape) * rng.choice([-1, 1], shape), dtype, 1)


def _apart(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """No two operands, and no two elements, are near each other."""
    return _turned(rng, rng.permutation(int(np.prod(shape))).reshape(shape) * 0.5 + 0.2 * k - 1, dtype, 1)


def _powers(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """Integers are raised to what is not negative: NumPy refuses the others."""
    if dtype.kind in "iu":
        return np.abs(anything(rng, shape, dtype, k)) if k else anything(rng, shape, dtype, k)
    return _turned(rng, rng.normal(size=shape) if k else rng.uniform(0.2, 3, shape), dtype, 0.3)


def _shifts(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    return rng.integers(0, 8 * dtype.itemsize, shape).astype(dtype) if k else anything(rng, shape, dtype, k)


def _third_remainder(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """Far from where the quotient jumps."""
    return np.asarray(rng.uniform(0.95, 1.05, shape) if k else rng.uniform(2.3, 2.7, shape), dtype)


@dataclass(frozen=True)
class Case:
    """An operation on operands of some shapes.

    Attributes:
        op: its name.
        shapes: of its operands.
        params: of the call.
        dtypes: which it takes, a key of `KINDS`; operands have one dtype, except
        fixed: operands that always have one of their own.
        sample: where it is tried.
        given: the same for fixed operands.
        smooth: where its derivatives are; None if it has none.
        prepare: makes of those operands what the operation needs: symmetric matrices, for one.
        numpy: what it should give.
        ulps: how far a kernel may be off the reference.
        slack: the same, absolutely, for sums: from the operands.
        is_large: enough work to be split over threads; only kernels are tried on it.
    """

    op: str
    shapes: tuple[Shape, ...]
    params: Mapping[str, Any] = field(default_factory=dict)
    dtypes: str = "any"
    fixed: Mapping[int, np.dtype] = field(default_factory=dict)
    sample: Sample = anything
    given: Sample | None = None
    smooth: Sample | None = None
    prepare: Callable[[Sequence[Node]], Sequence[Node]] | None = None
    numpy: Callable[..., Any] | None = None
    ulps: float = 0
    slack: Callable[..., Any] | None = None
    is_large: bool = False

    def __str__(self) -> str:
        shapes = "_".join("x".join(map(str, shape)) or "scalar" for shape in self.shapes)
        params = "_".join(
            str(value).replace(" ", "") for value in self.params.values() if not isinstance(value, np.ndarray)
        )
        return "-".join(filter(None, (self.op, shapes, params)))

    def avals(self, dtype: np.dtype, lead: Shape = ()) -> list[Aval]:
        """Of the operands."""
        return [Aval((*lead, *shape), self.fixed.get(k, dtype)) for k, shape in enumerate(self.shapes)]

    def inputs(self, dtype: np.dtype) -> list[Node]:
        """Fresh nodes for the operands."""
        return [input_node(aval) for aval in self.avals(dtype)]

    def arrays(self, dtype: np.dtype, sample: Sample | None = None, lead: Shape = ()) -> list[np.ndarray]:
        """Values for the operands, the same each time; ``lead``: further leading axes."""
        rng = np.random.default_rng(7)
        pick = sample or self.sample
        avals = enumerate(self.avals(dtype, lead))
        return [np.asarray(((self.given or pick) if k in self.fixed else pick)(rng, *aval, k)) for k, aval in avals]

    def apply(self, inputs: Sequence[Node]) -> Node:
        return ALL[self.op](*inputs, **self.params)

    def apply_smoothly(self, inputs: Sequence[Node]) -> Node:
        """With `prepare`, for derivatives."""
        return self.apply(inputs if self.prepare is None else self.prepare(inputs))


BOOL, F64, C128 = np.dtype(bool), np.dtype(float), np.dtype(complex)
INDEX, I32 = np.dtype(np.int64), np.dtype("i4")
SHAPES: tuple[Shape, ...] = ((2, 3), (), (1,), (0,), (3, 0, 2), (1, 1))
LARGE: Shape = (100_003,)

#: name: dtypes, arity, where to sample, where it is smooth, ulps of its kernel.
ELEMENTWISE: Mapping[str, tuple[str, int, Sample, Sample | None, float]] = {
    "add": ("any", 2, anything, anything, 0),
    "subtract": ("numbers", 2, anything, anything, 0),
    "multiply": ("any", 2, anything, anything, 0),
    "divide": ("inexact", 2, anything, _away_from_zero, 0),
    "floor_divide": ("reals", 2, anything, None, 0),
    "remainder": ("reals", 2, anything, _third_remainder, 0),
    "power": ("numbers", 2, _powers, within(0.5, 2), 4),
    "negative": ("numbers", 1, anything, anything, 0),
    "absolute": ("any", 1, anything, _away_from_zero, 0),
    "sign": ("numbers", 1, anything, _away_from_zero, 0),
    "maximum": ("any", 2, anything, _apart, 0),
    "minimum": ("any", 2, anything, _apart, 0),
    "fmax": ("any", 2, anything, _apart, 0),
    "fmin": ("any", 2, anything, _apart, 0),
    "fmod": ("reals", 2, anything, _third_remainder, 0),
    "exp": ("inexact", 1, anything, within(-2, 2), 2),
    "expm1": ("inexact", 1, anything, within(-2, 2), 3),
    "log": ("inexact", 1, within(0.1, 9), within(0.3, 3), 4),
    "log1p": ("inexact", 1, within(-0.9, 9), within(-0.5, 3), 3),
    "sqrt": ("inexact", 1, within(0, 9), within(0.3, 3), 0),
    "tanh": ("inexact", 1, anything, within(-2, 2), 4),
    "sigmoid": ("floats", 1, anything, within(-2, 2), 4),
    "sin": ("inexact", 1, anything, within(-2, 2), 2),
    "cos": ("inexact", 1, anything, within(-2, 2), 2),
    "tan": ("inexact", 1, anything, within(-1, 1), 4),
    "arcsin": ("inexact", 1, within(-1, 1), within(-0.7, 0.7), 4),
    "arccos": ("inexact", 1, within(-1, 1), within(-0.7, 0.7), 4),
    "arctan": ("inexact", 1, anything, within(-2, 2), 4),
    "sinh": ("inexact", 1, anything, within(-2, 2), 4),
    "cosh": ("inexact", 1, anything, within(-2, 2), 4),
    "arcsinh": ("inexact", 1, anything, within(-2, 2), 4),
    "arccosh": ("inexact", 1, within(1, 9), within(1.5, 3), 4),
    "arctanh": ("inexact", 1, within(-1, 1), within(-0.7, 0.7), 4),
    "exp2": ("inexact", 1, anything, within(-2, 2), 2),
    "log2": ("inexact", 1, within(0.1, 9), within(0.3, 3), 2),
    "log10": ("inexact", 1, within(0.1, 9), within(0.3, 3), 2),
    "cbrt": ("floats", 1, anything, _away_from_zero, 2),
    "hypot": ("floats", 2, anything, _away_from_zero, 2),
    "arctan2": ("floats", 2, anything, _away_from_zero, 4),
    "floor": ("floats", 1, anything, None, 0),
    "ceil": ("floats", 1, anything, None, 0),
    "trunc": ("floats", 1, anything, None, 0),
    "rint": ("inexact", 1, anything, None, 0),
    "isnan": ("inexact", 1, anything, None, 0),
    "isinf": ("inexact", 1, anything, None, 0),
    "isfinite": ("inexact", 1, anything, None, 0),
    "signbit": ("floats", 1, anything, None, 0),
    "copysign": ("floats", 2, anything, _away_from_zero, 0),
    "equal": ("any", 2, anything, None, 0),
    "not_equal": ("any", 2, anything, None, 0),
    "less": ("any", 2, anything, None, 0),
    "less_equal": ("any", 2, anything, None, 0),
    "greater": ("any", 2, anything, None, 0),
    "greater_equal": ("any", 2, anything, None, 0),
    "logical_and": ("bool", 2, anything, None, 0),
    "logical_or": ("bool", 2, anything, None, 0),
    "logical_xor": ("bool", 2, anything, None, 0),
    "logical_not": ("bool", 1, anything, None, 0),
    "bitwise_and": ("integers", 2, anything, None, 0),
    "bitwise_or": ("integers", 2, anything, None, 0),
    "bitwise_xor": ("integers", 2, anything, None, 0),
    "invert": ("integers", 1, anything, None, 0),
    "left_shift": ("integers", 2, _shifts, None, 0),
    "right_shift": ("integers", 2, _shifts, None, 0),
    "conj": ("complex", 1, anything, anything, 0),
    "real": ("complex", 1, anything, anything, 0),
    "imag": ("complex", 1, anything, anything, 0),
    "make_complex": ("parts", 2, anything, anything, 0),
    "nextafter": ("floats", 2, anything, _apart, 0),
    "spacing": ("floats", 1, anything, None, 0),
    "frexp_mantissa": ("floats", 1, anything, within(1.2, 1.8), 0),
    "frexp_exponent": ("floats", 1, anything, None, 0),
    "gcd": ("integers", 2, anything, None, 0),
    "lcm": ("integers", 2, anything, None, 0),
    "bitwise_count": ("integers", 1, anything, None, 0),
}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x.astype(np.longdouble))), x.dtype)


#: What NumPy calls otherwise.
NUMPY: Mapping[str, Callable[..., Any]] = {
    "sigmoid": _sigmoid,
    "conj": np.conjugate,
    "make_complex": lambda re, im: np.asarray(re + np.asarray(1j, f"c{2 * re.itemsize}") * im),
    "frexp_mantissa": lambda x: np.frexp(x)[0],
    "frexp_exponent": lambda x: np.frexp(x)[1],
}


def _elementwise() -> list[Case]:
    cases = []
    for name, (dtypes, arity, sample, smooth, ulps) in ELEMENTWISE.items():
        function = NUMPY[name] if name in NUMPY else getattr(np, name)
        shared = {"dtypes": dtypes, "sample": sample, "ulps": ulps, "numpy": function}
        cases += [Case(name, (shape,) * arity, smooth=smooth, **shared) for shape in SHAPES]
        cases.append(Case(name, (LARGE,) * arity, is_large=True, **shared))
    for shape in (*SHAPES, LARGE):
        large = shape == LARGE
        smooth = None if large else anything
        cases.append(Case("where", (shape,) * 3, fixed={0: BOOL}, smooth=smooth, numpy=np.where, is_large=large))
        cases.append(
            Case("ldexp", (shape,) * 2, dtypes="floats", fixed={1: I32}, smooth=smooth, numpy=np.ldexp, is_large=large)
        )
        for to in DTYPES:
            cases.append(
                Case(
                    "convert", (shape,), {"dtype": to}, sample=_convertible(to), is_large=large,
                    smooth=smooth if to in (F64, C128) else None, numpy=_astype,
                )
            )  # fmt: skip
    return cases


def _astype(x: np.ndarray, dtype: np.dtype) -> np.ndarray:
    with warnings.catch_warnings(category=np.exceptions.ComplexWarning, action="ignore"):
        return x.astype(dtype)


def _convertible(to: np.dtype) -> Sample:
    """What C leaves open is left out: negative and huge floats as unsigned integers."""
    if to.kind == "u":
        return lambda rng, shape, dtype, k: (
            np.abs(anything(rng, shape, dtype, k)).astype(dtype)
            if dtype.kind in "fc"
            else anything(rng, shape, dtype, k)
        )
    return anything


def _sum_slack(x: np.ndarray, axes: tuple[int, ...]) -> Any:
    """The error of a sum in any order."""
    count = np.prod([x.shape[k] for k in axes], dtype=int)
    return np.finfo(x.dtype).eps * count * np.sum(np.abs(x).astype(float), axis=axes) if x.dtype.kind in "fc" else 0.0


def _prod_slack(x: np.ndarray, axes: tuple[int, ...]) -> Any:
    count = np.prod([x.shape[k] for k in axes], dtype=int)
    if x.dtype.kind not in "fc":
        return 0.0
    limits = np.finfo(x.dtype)
    return limits.eps * count * np.prod(np.abs(x).astype(float), axis=axes) + count * limits.smallest_subnormal


def _product_slack(x: np.ndarray, y: np.ndarray) -> Any:
    if x.dtype.kind not in "fc":
        return 0.0
    return np.finfo(x.dtype).eps * x.shape[-1] * (np.abs(x).astype(float) @ np.abs(y).astype(float))


def _near_one(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    if dtype.kind in "fc":
        return _turned(rng, rng.uniform(0.8, 1.2, shape), dtype, 0)
    return anything(rng, shape, dtype, k)


_SUMMED: Sequence[tuple[Shape, tuple[int, ...]]] = (
    ((2, 3), (0,)), ((2, 3), (1,)), ((2, 3), (0, 1)), ((2, 3), ()), ((), ()), ((2, 3, 4), (0, 2)), ((2, 3, 4), (1,)),
    ((1, 5), (0,)), ((7,), (0,)), ((0, 3), (1,)),
)  # fmt: skip
_EMPTY: Sequence[tuple[Shape, tuple[int, ...]]] = (((0,), (0,)), ((0, 3), (0,)), ((2, 0, 3), (1, 2)))
_LONG: Sequence[tuple[Shape, tuple[int, ...]]] = (
    (LARGE, (0,)), ((301, 403), (0,)), ((301, 403), (1,)), ((301, 403), (0, 1)), ((40, 50, 60), (0, 2)),
)  # fmt: skip


def _reductions() -> list[Case]:
    rows: Sequence[tuple[str, str, Any, bool, Any, Sample, Sample]] = (
        ("reduce_sum", "numbers", np.add, True, _sum_slack, anything, anything),
        ("reduce_prod", "numbers", np.multiply, True, _prod_slack, _near_one, anything),
        ("reduce_max", "any", np.maximum, False, None, anything, _apart),
        ("reduce_min", "any", np.minimum, False, None, anything, _apart),
    )
    cases = []
    for name, dtypes, ufunc, empty, slack, sample, smooth in rows:

        def function(x: np.ndarray, axes: tuple[int, ...], ufunc: np.ufunc = ufunc) -> Any:
            return ufunc.reduce(x, axis=axes, dtype=x.dtype)

        shared = {"dtypes": dtypes, "numpy": function, "slack": slack, "sample": sample}
        for shape, axes in (*_SUMMED, *(_EMPTY if empty else ())):
            cases.append(Case(name, (shape,), {"axes": axes}, smooth=smooth, **shared))
        cases += [Case(name, (shape,), {"axes": axes}, is_large=True, **shared) for shape, axes in _LONG]
    for name, arg in (("argmax", np.argmax), ("argmin", np.argmin)):
        for shape, axis in (((5,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 4), 1), ((1, 1), 1), ((0, 3), 1)):
            cases.append(Case(name, (shape,), {"axis": axis}, numpy=arg))
        cases += [
            Case(name, (shape,), {"axis": axis}, numpy=arg, is_large=True)
            for shape, axis in ((LARGE, 0), ((301, 403), 0), ((301, 403), 1))
        ]
    return cases


def _views() -> list[Case]:
    def slices(starts: Any, steps: Any, sizes: Any) -> tuple[slice, ...]:
        stops = (start + step * size for start, step, size in zip(starts, steps, sizes, strict=True))
        return tuple(
            slice(start, stop if stop >= 0 else None, step) if size else slice(0, 0)
            for start, stop, step, size in zip(starts, stops, steps, sizes, strict=True)
        )

    def updated(x: np.ndarray, v: np.ndarray, starts: Any, steps: Any) -> np.ndarray:
        x = x.copy()
        x[slices(starts, steps, v.shape)] = v
        return x

    smooth = {"smooth": anything}
    cases = [
        Case(name, (shape,), numpy=lambda x: x, smooth=anything if name == "identity" else None)
        for name in ("identity", "stop_gradient")
        for shape in SHAPES
    ]
    for old, new in (
        ((2, 3, 4), (6, 4)),
        ((2, 3), (6,)),
        ((6,), (3, 1, 2)),
        ((1,), ()),
        ((), (1, 1)),
        ((0, 3), (5, 0)),
    ):
        cases.append(Case("reshape", (old,), {"shape": new}, numpy=np.reshape, **smooth))
    for shape, axes in (((2, 3), (1, 0)), ((2, 3, 4), (2, 0, 1)), ((2, 3, 4), (0, 2, 1)), ((), ()), ((0, 2), (1, 0))):
        cases.append(Case("transpose", (shape,), {"axes": axes}, numpy=np.transpose, **smooth))
    for old, new in (
        ((3, 1), (2, 3, 4)),
        ((), (2, 3)),
        ((3,), (2, 3)),
        ((1,), (0,)),
        ((0, 1), (0, 5)),
        ((2,), (2,)),
        ((1,), (1, 1)),
    ):
        cases.append(Case("broadcast_to", (old,), {"shape": new}, numpy=np.broadcast_to, **smooth))
    regions: Sequence[tuple[Shape, Any, Any, Shape]] = (
        ((5,), (1,), (2,), (2,)), ((5,), (4,), (-2,), (3,)), ((5,), (0,), (1,), (0,)), ((3, 4), (2, 1), (-1, 2), (3, 2)),
        ((3, 4), (1, 0), (1, 1), (1, 4)), ((2, 3, 4), (1, 0, 3), (1, 2, -1), (1, 2, 4)), ((), (), (), ()),
        ((0, 3), (0, 1), (1, 1), (0, 2)),
    )  # fmt: skip
    for shape, starts, steps, sizes in regions:
        params = {"starts": starts, "steps": steps}
        cases += [
            Case("slice", (shape,), {**params, "sizes": sizes},
                 numpy=lambda x, starts, steps, sizes: x[slices(starts, steps, sizes)], **smooth),
            Case("update", (shape, sizes), params, numpy=updated, **smooth),
        ]  # fmt: skip
    for shapes, axis in (
        (((2,), (3,)), 0), (((2, 3), (2, 1)), 1), (((2, 3), (1, 3), (4, 3)), 0), (((0, 3), (2, 3)), 0),
        (((2, 0), (2, 0)), 1),
        (((2, 3),), 1),
    ):  # fmt: skip
        cases.append(
            Case("concatenate", shapes, {"axis": axis}, numpy=lambda *xs, axis: np.concatenate(xs, axis), **smooth)
        )
    large = {"is_large": True}
    return [
        *cases,
        Case("reshape", ((301, 403),), {"shape": (403, 301)}, numpy=np.reshape, **large),
        Case("transpose", ((301, 403),), {"axes": (1, 0)}, numpy=np.transpose, **large),
        Case("broadcast_to", ((301, 1),), {"shape": (301, 403)}, numpy=np.broadcast_to, **large),
        Case("slice", ((301, 403),), {"starts": (300, 1), "steps": (-1, 2), "sizes": (301, 201)},
             numpy=lambda x, starts, steps, sizes: x[slices(starts, steps, sizes)], **large),
        Case("update", ((301, 403), (301, 201)), {"starts": (300, 1), "steps": (-1, 2)}, numpy=updated, **large),
        Case("concatenate", ((301, 403), (301, 17)), {"axis": 1}, numpy=lambda *xs, axis: np.concatenate(xs, axis), **large),
    ]  # fmt: skip


def _products() -> list[Case]:
    shapes: Sequence[tuple[Shape, Shape]] = (
        ((2, 3), (3, 4)), ((1, 1), (1, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 3)), ((5, 2, 3), (5, 3, 4)), ((1, 7), (7, 1)),
        ((2, 2, 2, 3), (2, 2, 3, 1)),
    )  # fmt: skip
    shared = {"numpy": np.matmul, "slack": _product_slack}
    large: Sequence[tuple[Shape, Shape]] = (((129, 65), (65, 257)), ((7, 33, 65), (7, 65, 35)))
    return [
        *(Case("matmul", pair, smooth=anything, **shared) for pair in shapes),
        *(Case("matmul", pair, is_large=True, **shared) for pair in large),
    ]


def _whole(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """Small whole numbers, whose sums are exact in any order."""
    return rng.integers(-4, 5, shape).astype(dtype)


def _conv_slack(x: np.ndarray, w: np.ndarray, **params: Any) -> Any:
    sums = ALL["conv"].reference(np.abs(x).astype(float), np.abs(w).astype(float), **params)
    return np.finfo(x.dtype).eps * w[0, 0].size * sums


def _convolved(x: np.ndarray, w: np.ndarray, stride: Any, dilation: Any, is_transposed: bool) -> np.ndarray:
    """Place by place, weight by weight."""
    sizes = zip(x.shape[3:], w.shape[3:], stride, dilation, strict=True)
    places = [(n - d * (k - 1) - 1) // s + 1 for n, k, s, d in sizes]
    wide = np.float32 if x.dtype == np.float16 else x.dtype
    out = np.zeros((x.shape[0], *w.shape[:2], *places), wide)
    for place in np.ndindex(*places):
        for tap in np.ndindex(*w.shape[3:]):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True))
            seen = x[(..., *at)].astype(wide)
            out[(..., *place)] += np.einsum("ngc,goc->ngo", seen, w[(..., *tap)].astype(wide))
    return np.asarray(np.moveaxis(out, 0, 2) if is_transposed else out, x.dtype)


def _convolutions() -> list[Case]:
    rows: Sequence[tuple[Shape, Shape, Any, Any]] = (
        ((2, 1, 2, 5), (1, 3, 2, 3), (1,), (1,)), ((2, 2, 1, 7), (2, 1, 1, 2), (2,), (3,)),
        ((2, 1, 2, 4, 5), (1, 2, 2, 3, 2), (1, 1), (1, 1)), ((1, 2, 2, 5, 6), (2, 2, 2, 2, 3), (2, 3), (1, 1)),
        ((2, 1, 1, 6, 5), (1, 2, 1, 1, 1), (2, 2), (1, 1)), ((1, 3, 1, 5, 5), (3, 1, 1, 3, 3), (1, 1), (2, 2)),
        ((1, 1, 1, 3, 4, 3), (1, 2, 1, 2, 2, 1), (1, 2, 1), (1, 1, 1)), ((0, 1, 2, 4), (1, 2, 2, 2), (1,), (1,)),
    )  # fmt: skip
    shared: Mapping[str, Any] = {"dtypes": "inexact", "numpy": _convolved, "slack": _conv_slack}
    cases = [
        Case("conv", (x, w), {"stride": stride, "dilation": dilation, "is_transposed": is_transposed}, sample=_whole,
             smooth=anything, **shared)
        for x, w, stride, dilation in rows
        for is_transposed in (False, True)
    ]  # fmt: skip
    large: Sequence[tuple[Shape, Shape, Any]] = (
        ((3, 1, 17, 16, 15), (1, 33, 17, 3, 3), (1, 1)), ((2, 1, 3, 33, 33), (1, 20, 3, 7, 7), (2, 2)),
        ((4, 2, 40, 7, 7), (2, 20, 40, 1, 1), (1, 1)), ((17, 1, 5, 14, 14), (1, 33, 5, 12, 12), (1, 1)),
    )  # fmt: skip
    return cases + [
        Case("conv", (x, w), {"stride": stride, "dilation": (1, 1), "is_transposed": is_transposed}, is_large=True, **shared)
        for x, w, stride in large
        for is_transposed in (False, True)
    ]  # fmt: skip


def _well(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """Matrices with singular values that are apart and far from zero; nearly the same in a stack.

    Of complex ones no component of a vector is near zero, for some are turned until they are real."""
    m, n = shape[-2:]
    base = np.zeros((m, n))
    np.fill_diagonal(base, (np.arange(min(m, n)) + 2.0) * (2 if dtype.kind == "c" else 1))
    if dtype.kind == "c":
        base += 0.9
    noise = rng.uniform(-0.3, 0.3, shape)
    return np.asarray(base + noise + (1j * rng.uniform(-0.3, 0.3, shape) if dtype.kind == "c" else 0), dtype)


def _definite(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    x = _well(rng, shape, dtype, k)
    return np.asarray((x + np.conj(x).swapaxes(-1, -2)) / 2, dtype)


def _symmetric(inputs: Sequence[Node]) -> Sequence[Node]:
    (x,) = inputs
    turned = swap_last(ALL["conj"](x) if x.dtype.kind == "c" else x)
    return [ALL["multiply"](total := ALL["add"](x, turned), fill(0.5, total.shape, total.dtype))]


def _turning(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    """Square matrices with a pair of complex eigenvalues."""
    x = _well(rng, shape, dtype, k)
    x[..., 0, 1] += 3
    x[..., 1, 0] -= 3
    return x


def _triangular(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    x = _well(rng, shape, dtype, k)
    return x if k else np.tril(x)


def _lower(inputs: Sequence[Node]) -> Sequence[Node]:
    """The first with zeros above the diagonal."""
    x, y = inputs
    return [ALL["where"](constant(np.broadcast_to(np.tri(x.shape[-1], dtype=bool), x.shape)), x, zeros_like(x)), y]


def _cholesky_pullback(factor: np.ndarray, ct: np.ndarray) -> np.ndarray:
    """Without blocks."""
    n = factor.shape[-1]
    inner = np.tril(np.conj(factor.mT) @ ct) * (1 - np.eye(n, dtype=factor.dtype) / 2)
    half = np.conj(np.linalg.inv(factor).mT) @ inner @ np.linalg.inv(factor)
    return (half + np.conj(half.mT)) / 2


def _small(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    return np.asarray(_well(rng, shape, dtype, k) / 2, dtype)


def _taylor(x: np.ndarray) -> np.ndarray:
    """The exponential of matrices by its series."""
    wide = x.astype(np.result_type(x.dtype, float))
    term = total = np.broadcast_to(np.eye(x.shape[-1], dtype=wide.dtype), x.shape)
    for k in range(1, 60):
        term = term @ wide / k
        total = total + term
    return np.asarray(total, x.dtype)


def _linalg() -> list[Case]:
    shared: Mapping[str, Any] = {"dtypes": "lapack", "sample": _well, "smooth": _well, "slack": _some_ulps}
    triangular: Mapping[str, Any] = {**shared, "sample": _triangular, "smooth": _triangular}
    symmetric: Mapping[str, Any] = {**shared, "sample": _definite, "smooth": _definite, "prepare": _symmetric}
    squares: Sequence[Shape] = ((3, 3), (1, 1), (2, 2, 2), (0, 0))
    oblongs: Sequence[Shape] = ((3, 3), (4, 2), (2, 4), (2, 3, 2), (1, 1))

    def packed(parts: Sequence[Any], lead: Shape) -> np.ndarray:
        sizes = [math.prod(np.shape(part)[len(lead) :]) for part in parts]
        return np.concatenate([np.reshape(part, (*lead, n)) for part, n in zip(parts, sizes, strict=True)], -1)

    def qr(x: np.ndarray, mode: str) -> np.ndarray:
        parts = np.linalg.qr(x, mode=mode)
        return packed([parts] if mode == "r" else parts, x.shape[:-2])

    def eig(x: np.ndarray) -> np.ndarray:
        w, v = np.linalg.eig(x)
        return packed((w.real, w.imag, v.real, v.imag), x.shape[:-2])

    def svd(x: np.ndarray, full: bool) -> np.ndarray:
        return packed(np.linalg.svd(x, full_matrices=full), x.shape[:-2])

    def lstsq(a: np.ndarray, b: np.ndarray, rcond: float) -> np.ndarray:
        x, residuals, rank, _ = np.linalg.lstsq(a, b, rcond)
        return packed(
            [
                x,
                np.resize(residuals, b.shape[-1]) if residuals.size else np.zeros(b.shape[-1], x.dtype),
                x.dtype.type(rank),
            ],
            (),
        )

    return [
        *(Case("solve", (shape, (*shape[:-1], 2)), numpy=np.linalg.solve, **shared) for shape in squares),
        *(Case("solve_triangular", (shape, (*shape[:-1], 2)), {"lower": lower},
               numpy=lambda a, b, lower: np.linalg.solve((np.tril if lower else np.triu)(a), b), **triangular)
          for shape in squares for lower in (False, True)),
        *(Case("inv", (shape,), {"or_nan": False}, numpy=lambda x, or_nan: np.linalg.inv(x), **shared)
          for shape in squares),
        *(Case("det", (shape,), numpy=np.linalg.det, **shared) for shape in squares),
        *(Case("cofactor", (shape,), numpy=lambda x: np.linalg.det(x)[..., None, None] * np.linalg.inv(x).mT, **shared)
          for shape in squares),
        *(Case("slogdet", (shape,), numpy=lambda x: np.stack(np.linalg.slogdet(x), -1), **shared) for shape in squares),
        *(Case("expm", (shape,), numpy=_taylor, **{**shared, "sample": _small, "smooth": _small}) for shape in squares),
        *(Case("cholesky", (shape,), {"upper": upper}, numpy=np.linalg.cholesky, **symmetric)
          for shape in squares for upper in (False, True)),
        *(Case("cholesky_pullback", (shape, shape), numpy=_cholesky_pullback, **{**triangular, "prepare": _lower})
          for shape in squares),
        *(Case("eigh", (shape,), {"uplo": uplo}, numpy=lambda x, uplo: packed(np.linalg.eigh(x, uplo), x.shape[:-2]),
               **symmetric) for shape in squares for uplo in "LU"),
        *(Case("eigvalsh", (shape,), {"uplo": uplo}, numpy=lambda x, uplo: np.linalg.eigvalsh(x, uplo), **symmetric)
          for shape in squares for uplo in "LU"),
        *(Case("eig", (shape,), numpy=eig, **{**shared, "dtypes": "real lapack", "sample": sample, "smooth": sample})
          for sample, shapes in ((_well, squares), (_turning, ((2, 2), (3, 3), (2, 3, 3)))) for shape in shapes),
        *(Case("eigvals", (shape,), numpy=lambda x: eig(x)[..., : 2 * x.shape[-1]],
               **{**shared, "dtypes": "real lapack", "sample": sample, "smooth": sample})
          for sample, shapes in ((_well, squares), (_turning, ((2, 2), (3, 3), (2, 3, 3)))) for shape in shapes),
        *(Case("complex_eig", (shape,), numpy=lambda x: packed(np.linalg.eig(x), x.shape[:-2]),
               **{**shared, "dtypes": "complex lapack"}) for shape in squares),
        *(Case("complex_eigvals", (shape,), numpy=np.linalg.eigvals, **{**shared, "dtypes": "complex lapack"})
          for shape in squares),
        *(Case("qr", (shape,), {"mode": "reduced"}, numpy=qr, **shared) for shape in oblongs),
        *(Case("qr", (shape,), {"mode": "r"}, numpy=qr, **shared) for shape in oblongs),
        *(Case("qr", (shape,), {"mode": "complete"}, numpy=qr, **shared) for shape in ((3, 3), (2, 4))),
        *(Case("qr", (shape,), {"mode": mode}, numpy=qr, **{**shared, "smooth": None})
          for shape in oblongs for mode in ("complete", "raw")),
        *(Case("svd", (shape,), {"full": False}, numpy=svd, **shared) for shape in oblongs),
        *(Case("svd", (shape,), {"full": True}, numpy=svd, **{**shared, "smooth": None}) for shape in oblongs),
        *(Case("svdvals", (shape,), numpy=np.linalg.svdvals, **shared) for shape in oblongs),
        *(Case("lstsq", (shape, (*shape[:-1], 2)), {"rcond": 1e-9}, numpy=lstsq, **shared)
          for shape in ((3, 3), (4, 2), (2, 4))),
        *(Case("pinv", (shape,), {"rcond": 1e-9}, numpy=np.linalg.pinv, **shared) for shape in oblongs),
    ]  # fmt: skip


def _gaussian(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    x = rng.normal(size=shape)
    return (x + 1j * rng.normal(size=shape) if dtype.kind == "c" else x).astype(dtype)


def _fourier() -> list[Case]:
    norms = {True: {"none": "backward", "full": "forward"}, False: {"none": "forward", "full": "backward"}}

    def dft(x: np.ndarray, axis: int, forward: bool, scale: str) -> np.ndarray:
        return (np.fft.fft if forward else np.fft.ifft)(x, axis=axis, norm=norms[forward].get(scale, scale))

    def weighed(x: np.ndarray, axis: int, length: int, weight: float) -> np.ndarray:
        weights = np.array([weight if 0 < 2 * k < length else 1 for k in range(x.shape[axis])], x.real.dtype)
        return x * np.expand_dims(weights, tuple(range(1, x.ndim - axis)))

    def real(x: np.ndarray, axis: int, forward: bool, scale: str, doubled: bool) -> np.ndarray:
        y = np.fft.rfft(x, axis=axis, norm=norms[True].get(scale, scale))
        return weighed(y if forward else np.conj(y), axis, x.shape[axis], 2 if doubled else 1)

    def hermitian(x: np.ndarray, axis: int, length: int, forward: bool, scale: str, halved: bool) -> np.ndarray:
        y = weighed(np.conj(x) if forward else x, axis, length, 0.5 if halved else 1)
        return np.fft.irfft(y, length, axis, norms[False].get(scale, scale))

    shared: Mapping[str, Any] = {"sample": _gaussian, "smooth": _gaussian, "slack": _some_ulps}
    ways = tuple(itertools.product((True, False), ("none", "ortho", "full"), (True, False)))
    return [
        *(Case("dft", ((4, 5),), {"axis": axis, "forward": forward, "scale": scale}, "complex", numpy=dft,
               **shared) for axis in (0, 1) for forward, scale, flag in ways if flag),
        *(Case("real_dft", (shape,), {"axis": 0, "forward": forward, "scale": scale, "doubled": flag}, "real lapack",
               numpy=real, **shared) for shape in ((5,), (4, 3), (1,)) for forward, scale, flag in ways),
        *(Case("hermitian_dft", ((3, 3),), {"axis": 0, "length": n, "forward": forward, "scale": scale, "halved": flag},
               "complex", numpy=hermitian, **shared) for n in (4, 5) for forward, scale, flag in ways),
    ]  # fmt: skip


def _some_ulps(x: np.ndarray, *others: np.ndarray, **params: Any) -> Any:
    """LAPACK's answer may depend on where the operands lie in memory."""
    return 64 * np.finfo(x.dtype).eps


def _indices(below: int) -> Sample:
    """The first operand as it comes, then indices."""
    return lambda rng, shape, dtype, k: rng.integers(0, below, shape) if k else anything(rng, shape, dtype, k)


def _sorting() -> list[Case]:
    def put(x: np.ndarray, i: np.ndarray, axis: int, length: int, distinct: bool) -> np.ndarray:
        result = np.zeros((*x.shape[:axis], length, *x.shape[axis + 1 :]), x.dtype)
        for at in np.ndindex(x.shape):
            result[(*at[:axis], i[at], *at[axis + 1 :])] += x[at]
        return result

    def search(a: np.ndarray, v: np.ndarray, side: Any) -> np.ndarray:
        if a.ndim == 1:
            return np.searchsorted(a, v, side)
        return np.stack([search(*pair, side) for pair in zip(a, v, strict=True)])

    def rising(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
        x = anything(rng, shape, dtype, k)
        return x if k else np.sort(x)

    axes: Sequence[tuple[Shape, int]] = (((5,), 0), ((3, 4), 0), ((3, 4), 1), ((2, 3, 2), 1), ((1,), 0), ((0, 2), 1))
    along = {"axis": 1, "distinct": False}
    return [
        *(Case("sort", (shape,), {"axis": axis, "kind": kind}, numpy=np.sort, smooth=_apart)
          for shape, axis in axes for kind in (None, "stable")),
        *(Case("argsort", (shape,), {"axis": axis, "kind": "stable"}, numpy=np.argsort) for shape, axis in axes),
        *(Case("partition", (shape,), {"axis": axis, "kth": (0,)}, numpy=np.partition, smooth=_apart)
          for shape, axis in axes),
        *(Case("argpartition", (shape,), {"axis": axis, "kth": (0,)}, numpy=np.argpartition) for shape, axis in axes),
        *(Case("lexsort", (shape,) * 2, {"axis": axis}, numpy=lambda x, y, axis: np.lexsort((x, y), axis))
          for shape, axis in axes),
        *(Case("searchsorted", pair, {"side": side}, numpy=search, sample=rising)
          for pair in (((5,), (3,)), ((2, 4), (2, 2)), ((1,), (0,))) for side in ("left", "right")),
        Case("take_along", ((2, 3), (2, 4)), along, fixed={1: INDEX}, sample=_indices(3), smooth=_indices(3),
             numpy=lambda x, i, axis, distinct: np.take_along_axis(x, i, axis)),
        Case("put_along_add", ((2, 4), (2, 4)), {**along, "length": 3}, "numbers", {1: INDEX}, _indices(3),
             smooth=_indices(3), numpy=put),
    ]  # fmt: skip


def _gathers() -> list[Case]:
    def by_loop(picked: Callable[[np.ndarray, Any, Any], None]) -> Callable[..., Any]:
        """What a loop over the indices makes of the operands."""

        def function(x: np.ndarray, *rest: np.ndarray, axes: Any, distinct: bool, **params: Any) -> np.ndarray:
            *values, indices = (*rest[: len(rest) - len(axes)], rest[len(rest) - len(axes) :])
            others = tuple(n for k, n in enumerate(x.shape) if k not in axes)
            out = x.copy() if values else np.empty((*indices[0].shape, *others), x.dtype)
            for at in np.ndindex(indices[0].shape):
                place: list[Any] = [slice(None)] * x.ndim
                for axis, index in zip(axes, indices, strict=True):
                    place[axis] = index[at]
                if values:
                    picked(out, tuple(place), values[0][at])
                else:
                    out[at] = x[tuple(place)]
            return out

        return function

    def put(out: np.ndarray, place: Any, value: Any) -> None:
        out[place] = value

    def add(out: np.ndarray, place: Any, value: Any) -> None:
        out[place] += value

    def below(arrays: int) -> Sample:
        return lambda rng, shape, dtype, k: (
            rng.integers(-3, 3, shape) if k >= arrays else anything(rng, shape, dtype, k)
        )

    rows: Sequence[tuple[Shape, Shape, tuple[int, ...]]] = (
        ((3,), (4,), (0,)), ((3, 2), (4,), (0,)), ((2, 3), (2, 2), (1,)), ((3, 4), (5,), (0, 1)), ((3, 2, 4), (2,), (0, 2)),
        ((3,), (), (0,)), ((3, 2), (), (0,)), ((3, 2), (0,), (0,)), ((3, 0), (2,), (0,)), ((0, 3), (2,), (1,)),
    )  # fmt: skip
    large: Sequence[tuple[Shape, Shape, tuple[int, ...]]] = (
        (LARGE, LARGE, (0,)), ((301, 403), (301,), (0,)), ((31, 4, 301), (7, 403), (0, 2)),
    )  # fmt: skip
    cases = []
    for (shape, index, axes), is_large in (*((row, False) for row in rows), *((row, True) for row in large)):
        picked = (*index, *(n for k, n in enumerate(shape) if k not in axes))
        shared = {"params": {"axes": axes, "distinct": False}, "is_large": is_large}
        for name, dtypes, do in (("gather", "any", None), ("scatter", "any", put), ("scatter_add", "numbers", add)):
            arrays = 1 if do is None else 2
            cases.append(
                Case(
                    name, (shape, picked)[:arrays] + (index,) * len(axes), dtypes=dtypes, numpy=by_loop(do or put),
                    fixed=dict.fromkeys(range(arrays, arrays + len(axes)), INDEX), sample=below(arrays),
                    smooth=None if is_large else below(arrays), **shared,
                )
            )  # fmt: skip

    def some(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
        return np.broadcast_to(np.arange(shape[-1]) % 2 == 0, shape).copy()

    return [
        *cases,
        *(Case("nonzero", (shape,), {"count": -(-shape[-1] // 2)}, "bool", sample=some,
               numpy=lambda mask, count: np.nonzero(mask)[-1].reshape(*mask.shape[:-1], count), is_large=shape == LARGE)
          for shape in ((5,), (1,), (0,), (2, 4), LARGE)),
    ]  # fmt: skip


def _leaves() -> list[Case]:
    return [
        *(Case("iota", (), {"length": n, "dtype": np.dtype(dtype)},
               numpy=lambda length, dtype: np.arange(length, dtype=dtype))
          for n in (0, 1, 5, LARGE[0]) for dtype in ("i8", "f4")),
        *(Case("constant", (), {"value": np.arange(n).astype(dtype)}, numpy=lambda value: value)
          for n in (0, 3) for dtype in ("f8", "i4", "?")),
    ]  # fmt: skip


def _below_three(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    return rng.integers(0, 3, shape)


def _scans() -> list[Case]:
    def accumulated(x: np.ndarray, ufunc: str, axis: int) -> Any:
        return getattr(np, ufunc).accumulate(x, axis=axis, dtype=x.dtype)

    def recurred(a: np.ndarray, b: np.ndarray, axis: int) -> Any:
        def along(a: np.ndarray, b: np.ndarray) -> np.ndarray:
            out = b[:1]
            for factor, value in zip(a[1:], b[1:], strict=True):
                out = np.append(out, factor * out[-1] + value)
            return out

        if not a.size:
            return b
        pairs = np.moveaxis(np.stack([a, b]), axis + 1, 1).reshape(2, a.shape[axis], -1)
        lines = [along(*pair) for pair in np.moveaxis(pairs, 2, 0)]
        shape = np.moveaxis(a, axis, 0).shape
        return np.moveaxis(np.asarray(lines, a.dtype).reshape(len(lines), -1).T.reshape(shape), 0, axis)

    def summed(x: np.ndarray, ufunc: str, axis: int) -> Any:
        """The bound on the error of NumPy's own running sum."""
        if x.dtype.kind not in "fc":
            return 0.0
        return len(x) * float(np.finfo(x.dtype).eps) * np.cumsum(np.abs(x.astype(np.clongdouble)))

    rows: Sequence[tuple[str, str, Sample | None]] = (
        ("add", "any", anything), ("multiply", "any", anything), ("maximum", "any", _apart), ("minimum", "any", _apart),
        ("fmax", "any", _apart), ("fmin", "any", _apart), ("logaddexp", "floats", anything),
        ("subtract", "numbers", anything), ("divide", "floats", _away_from_zero), ("hypot", "floats", _away_from_zero),
        ("bitwise_xor", "integers", None),
    )  # fmt: skip
    shapes: Sequence[tuple[Shape, int]] = (
        ((5,), 0),
        ((2, 3), 0),
        ((2, 3), 1),
        ((2, 3, 4), 1),
        ((0, 3), 1),
        ((3, 1), 1),
    )
    cases = []
    for ufunc, dtypes, smooth in rows:
        shared = {"dtypes": dtypes, "smooth": smooth}
        for shape, axis in shapes:
            params = {"ufunc": ufunc, "axis": axis}
            cases.append(Case("cumulate", (shape,), params, numpy=accumulated, **shared))
            if ufunc not in ("add", "multiply", "maximum", "minimum"):
                cases.append(
                    Case("reduce_ufunc", (shape,), params, numpy=lambda x, ufunc, axis: getattr(np, ufunc).reduce(
                        x, axis=axis, dtype=x.dtype), **shared)
                )  # fmt: skip
        cases.append(Case("cumulate", ((0,),), {"ufunc": ufunc, "axis": 0}, numpy=accumulated, **shared))
    for ufunc in ("add", "multiply", "maximum", "minimum"):
        for shape, axis in ((LARGE, 0), ((301, 403), 0), ((301, 403), 1), ((20, 300, 40), 1)):
            params = {"ufunc": ufunc, "axis": axis}
            slack = summed if ufunc == "add" and shape == LARGE else None
            cases.append(Case("cumulate", (shape,), params, numpy=accumulated, is_large=True, slack=slack))
    shared = {"dtypes": "inexact", "numpy": recurred, "sample": within(-1, 1), "ulps": 4}
    for shape, axis in shapes:
        cases.append(Case("recurrence", (shape,) * 2, {"axis": axis}, smooth=anything, **shared))
    for shape, axis in (((301, 43), 0), ((301, 43), 1)):
        cases.append(Case("recurrence", (shape,) * 2, {"axis": axis}, is_large=True, **shared))
    return cases


def _segments() -> list[Case]:
    def reduced(x: np.ndarray, indices: np.ndarray, ufunc: str, axis: int) -> Any:
        return getattr(np, ufunc).reduceat(x, indices, axis=axis, dtype=x.dtype)

    def spread(x: np.ndarray, indices: np.ndarray, length: int, axis: int) -> np.ndarray:
        stops = np.maximum([*indices[1:], length], indices + 1)
        places = np.arange(length)[:, None]
        matrix = (places >= indices) & (places < stops)
        return np.moveaxis(np.tensordot(matrix.astype(x.dtype), x, (1, axis)), 0, axis)

    def scattered(x: np.ndarray, v: np.ndarray, *indices: np.ndarray, ufunc: str) -> np.ndarray:
        x = x.copy()
        getattr(np, ufunc).at(x, indices, v)
        return x

    rows = (("add", "any", anything), ("maximum", "any", _apart), ("multiply", "any", None))
    segments = ((((5,), (3,)), 0), (((4, 3), (2,)), 0), (((2, 4), (4,)), 1))
    cases = [
        Case("reduceat", shapes, {"ufunc": ufunc, "axis": axis}, dtypes, {1: INDEX}, given=_below_three, smooth=smooth,
             numpy=reduced)
        for ufunc, dtypes, smooth in rows for shapes, axis in segments
    ]  # fmt: skip
    cases += [
        Case("spread_segments", shapes, {"length": length, "axis": axis}, "inexact", {1: INDEX}, given=_below_three,
             smooth=anything, numpy=spread)
        for shapes, length, axis in ((((3,), (3,)), 5, 0), (((2, 3), (2,)), 4, 0), (((2, 4), (4,)), 4, 1))
    ]  # fmt: skip
    rows = (
        ("add", "any", anything),
        ("subtract", "numbers", anything),
        ("maximum", "any", _apart),
        ("multiply", "any", None),
    )
    cases += [
        Case("scatter_at", shapes, {"ufunc": ufunc}, dtypes, dict.fromkeys(range(2, len(shapes)), INDEX), given=_below_three,
             smooth=smooth, numpy=scattered)
        for ufunc, dtypes, smooth in rows
        for shapes in (((4,), (6,), (6,)), ((3, 2), (2, 2, 2), (2, 2)), ((3, 4), (5,), (5,), (5,)), ((3,), (), ()))
    ]  # fmt: skip
    return cases


def _special() -> list[Case]:
    def called(*xs: np.ndarray, ufunc: np.ufunc, output: int = 0) -> Any:
        values = ufunc(*xs)
        return values[output] if ufunc.nout > 1 else values

    rows: Sequence[tuple[np.ufunc, str, Mapping[str, Any], Sample | None]] = (
        (np.gcd, "integers", {}, None), (np.lcm, "integers", {}, None), (np.bitwise_count, "integers", {}, None),
        (np.nextafter, "floats", {}, anything), (np.frexp, "floats", {"output": 0}, within(0.6, 0.9)),
        (np.frexp, "floats", {"output": 1}, None), (np.reciprocal, "integers", {}, None),
    )  # fmt: skip

    def slid(x: np.ndarray, w: np.ndarray) -> np.ndarray:
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[-1], -1)
        values = windows * w[..., None, :]
        return np.asarray(values.any(-1) if x.dtype == BOOL else values.sum(-1), x.dtype)

    cases = [
        Case("correlate", shapes, smooth=anything, numpy=slid, slack=_window_slack)
        for shapes in (((5,), (3,)), ((4,), (4,)), ((2, 5), (2, 1)), ((2, 2, 6), (2, 2, 3)))
    ]

    def windowed(x: np.ndarray, axis: int, size: int, stride: int) -> np.ndarray:
        parts = [x[(slice(None),) * axis + (slice(i, i + size),)] for i in range(0, x.shape[axis] - size + 1, stride)]
        return np.stack([np.add.reduce(part, axis, dtype=x.dtype) for part in parts], axis)

    cases += [
        Case("window", (shape,), {"axis": axis, "size": size, "stride": stride}, "reals", sample=_whole,
             smooth=anything, numpy=windowed, is_large=shape == (50_000, 3))
        for shape, axis, size, stride in (((7,), 0, 3, 2), ((2, 6), 1, 3, 1), ((5, 2), 0, 2, 3), ((3, 2, 40), 2, 35, 2),
                                          ((50_000, 3), 0, 3, 2))
    ]  # fmt: skip

    def seen(shape: Shape, results: Shape, sizes: Shape, strides: Shape, before: Shape) -> Any:
        """For each window, and each of its elements that is on the image: which window, which number, where."""
        for p in np.ndindex(*results[-2:]):
            for number, tap in enumerate(np.ndindex(*sizes)):
                place = tuple(i * s - b + t for i, s, b, t in zip(p, strides, before, tap, strict=True))
                if all(0 <= at < n for at, n in zip(place, shape[-2:], strict=True)):
                    yield (..., *p), number, (..., *place)

    def largest(x: np.ndarray, sizes: Shape, strides: Shape, before: Shape, after: Shape) -> np.ndarray:
        axes = zip(x.shape[-2:], before, after, sizes, strides, strict=True)
        found = np.full((*x.shape[:-2], *((n + b + a - k) // s + 1 for n, b, a, k, s in axes)), np.min(x), x.dtype)
        for p, _, place in seen(x.shape, found.shape, sizes, strides, before):
            found[p] = np.maximum(found[p], x[place])
        return found

    def first_places(
        x: np.ndarray, found: np.ndarray, sizes: Shape, strides: Shape, before: Shape, after: Shape
    ) -> np.ndarray:
        numbers = np.full(found.shape, -1)
        for p, number, place in seen(x.shape, found.shape, sizes, strides, before):
            numbers[p] = np.where((numbers[p] < 0) & (x[place] == found[p]), number, numbers[p])
        return np.maximum(numbers, 0).astype(np.uint8)

    def spread(
        ct: np.ndarray, places: np.ndarray, sizes: Shape, strides: Shape, before: Shape, extents: Shape
    ) -> np.ndarray:
        total = np.zeros((*ct.shape[:-2], *extents), ct.dtype)
        for p, number, place in seen(total.shape, ct.shape, sizes, strides, before):
            total[place] += np.where(places[p] == number, ct[p], ct.dtype.type(0))
        return total

    def taken(x: np.ndarray, places: np.ndarray, sizes: Shape, strides: Shape, before: Shape) -> np.ndarray:
        found = np.zeros(places.shape, x.dtype)
        for p, number, place in seen(x.shape, places.shape, sizes, strides, before):
            found[p] = np.where(places[p] == number, x[place], found[p])
        return found

    for shape, sizes, strides, before, after in (
        ((4, 5), (2, 2), (2, 2), (0, 0), (0, 0)), ((2, 5, 6), (3, 3), (2, 2), (0, 1), (1, 1)),
        ((2, 4, 20), (3, 3), (1, 1), (1, 1), (1, 1)), ((3, 40), (1, 35), (1, 2), (0, 3), (0, 0)),
        ((7, 3), (2, 1), (3, 2), (1, 0), (0, 0)), ((4, 300, 70), (3, 3), (2, 2), (1, 1), (1, 1)),
    ):  # fmt: skip
        params = {"sizes": sizes, "strides": strides, "before": before, "after": after}
        results = (*shape[:-2], *ALL["max_pool"].rule(Aval(shape, np.dtype(float)), **params).shape[-2:])
        places = {1: np.dtype(np.uint8)}
        given = {name: params[name] for name in ("sizes", "strides", "before")}
        is_large = shape[-2] == 300
        cases += [
            Case("max_pool", (shape,), params, "reals", sample=_whole, smooth=_apart, numpy=largest, is_large=is_large),
            Case("pool_places", (shape, results), params, "reals", sample=_whole, numpy=first_places, is_large=is_large),
            Case("pool_spread", (results, results), {**given, "extents": shape[-2:]}, "reals", fixed=places,
                 sample=_whole, given=_inside(before, shape, sizes, strides), smooth=anything, numpy=spread,
                 is_large=is_large),
            Case("pool_take", (shape, results), given, "reals", fixed=places, sample=_whole,
                 given=_inside(before, shape, sizes, strides), smooth=anything, numpy=taken, is_large=is_large),
        ]  # fmt: skip
    cases.append(Case("correlate", ((40_003,), (20,)), numpy=slid, slack=_window_slack, is_large=True))
    cases += [
        Case("pointwise", (shape,) * ufunc.nin, {"ufunc": ufunc, **params}, dtypes, smooth=smooth, numpy=called)
        for ufunc, dtypes, params, smooth in rows for shape in SHAPES
    ]  # fmt: skip
    for name, function in (("erf", math.erf), ("erfc", math.erfc)):
        cases += [
            Case(name, (shape,), dtypes="floats", smooth=None if shape == LARGE else within(-1, 1), ulps=4,
                 is_large=shape == LARGE, numpy=_each(function))
            for shape in (*SHAPES, LARGE)
        ]  # fmt: skip
    cases += [
        Case("polygamma", (shape,), {"n": n}, "floats", sample=within(-4.9, 20), smooth=within(1, 3),
             numpy=lambda x, n: _each(lambda value: float(mpmath.polygamma(n, value)))(x))
        for shape in SHAPES for n in (0, 1, 2)
    ]  # fmt: skip
    cases += [
        Case("gammaln", (shape,), dtypes="floats", sample=within(0.1, 9), smooth=None if shape == LARGE else within(1, 3),
             ulps=4, slack=lambda x: 8 * np.finfo(x.dtype).eps, is_large=shape == LARGE, numpy=_each(math.lgamma))
        for shape in (*SHAPES, LARGE)
    ]  # fmt: skip
    return cases


def _counts() -> list[Case]:
    def edges(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
        values = anything(rng, shape, dtype, k)
        return np.sort(values, axis=-1) if k == 1 else values

    def knots(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
        values = rng.uniform(0.35, 0.65, shape)
        return np.asarray(values + np.arange(shape[-1]) if k == 1 else values + rng.integers(-1, 5, shape))

    def interpolated(x: np.ndarray, xp: np.ndarray, fp: np.ndarray) -> np.ndarray:
        return np.asarray(np.interp(x, xp, fp), x.dtype)

    def counted(x: np.ndarray, edges: np.ndarray, *w: np.ndarray, is_uniform: bool) -> np.ndarray:
        return np.histogram(x, edges, weights=w[0] if w else None)[0]

    def fixed(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
        return np.broadcast_to(np.linspace(-2.0, 3.0, shape[-1]), shape)

    def slack(x: np.ndarray, edges: np.ndarray, *w: np.ndarray, is_uniform: bool) -> Any:
        """NumPy takes differences of running sums."""
        return _sum_slack(np.ravel(w[0]), (0,)) if w else 0.0

    tables = (((4,), (3,)), ((2, 3), (4,)), ((), (1,)), ((0,), (2,)))
    cases = [
        Case("digitize", shapes, {"right": right}, "reals", sample=edges, numpy=np.digitize)
        for shapes in tables for right in (False, True)
    ]  # fmt: skip
    cases += [
        Case("interp", (*shapes, shapes[1]), {}, "floats", sample=edges, smooth=knots, numpy=interpolated)
        for shapes in tables
    ]
    for shapes in tables[:2]:
        for more in ((), (shapes[0],)):
            for is_uniform in (False, True):
                cases.append(
                    Case("histogram", (*shapes, *more), {"is_uniform": is_uniform}, "reals", {1: F64}, given=fixed,
                         smooth=within(0.6, 1.2) if more else None, numpy=counted, slack=slack)
                )  # fmt: skip
    cases += [
        Case("bin_count", (shape,), {"bins": "sturges", "range": range}, "reals",
             numpy=lambda x, bins, range: np.int64(len(np.histogram_bin_edges(x, bins, range)) - 1))
        for shape in ((7,), (2, 3)) for range in (None, (0, 5))
    ]  # fmt: skip
    return cases


def _inside(before: Shape, shape: Shape, sizes: Shape, strides: Shape) -> Sample:
    """Places in windows that lie on the image."""

    def sample(rng: np.random.Generator, results: Shape, dtype: np.dtype, k: int) -> np.ndarray:
        number = np.zeros(results, int)
        for axis, each in enumerate((-2, -1)):
            begin = np.arange(results[each]) * strides[axis] - before[axis]
            low, high = np.maximum(-begin, 0), np.minimum(shape[each] - begin, sizes[axis])
            low, high = (end[:, None] if each == -2 else end for end in (low, high))
            number = number * sizes[axis] + low + rng.integers(0, 1000, results) % (high - low)
        return number.astype(dtype)

    return sample


def _window_slack(x: np.ndarray, w: np.ndarray) -> Any:
    if x.dtype.kind not in "fc":
        return 0.0
    return 4 * np.finfo(x.dtype).eps * w.shape[-1] ** 2 * np.abs(x).max() * np.abs(w).max()


def _each(function: Callable[[float], float]) -> Callable[..., Any]:
    return lambda x: np.asarray([function(float(value)) for value in x.flat], x.dtype).reshape(x.shape)


def _words(rng: np.random.Generator, shape: Shape, dtype: np.dtype, k: int) -> np.ndarray:
    return rng.integers(0, 1 << 64, shape, dtype=np.uint64)


def _threefry(counter: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Threefry-2x32-20 on Python's integers, a word at a time."""

    def word(counter: int, key: int) -> int:
        mask = 0xFFFFFFFF
        k = [key & mask, key >> 32, 0x1BD11BDA ^ key & mask ^ key >> 32]
        x, y = (counter + k[0]) & mask, ((counter >> 32) + k[1]) & mask
        for i in range(20):
            r = (13, 15, 26, 6, 17, 29, 16, 24)[i % 8]
            x = (x + y) & mask
            y = ((y << r | y >> (32 - r)) ^ x) & mask
            if i % 4 == 3:
                j = i // 4 + 1
                x, y = (x + k[j % 3]) & mask, (y + k[(j + 1) % 3] + j) & mask
        return x | y << 32

    words = [word(int(c), int(k)) for c, k in zip(np.ravel(counter), np.ravel(key), strict=True)]
    return np.array(words, np.uint64).reshape(np.shape(counter))


def _gamma(counter: Any, key: Any, a: np.ndarray, law: str, size: Shape, event: Shape, dtype: np.dtype) -> np.ndarray:
    philox = np.random.Philox(counter=[0, 0, 0, int(counter)], key=[int(key), 0])
    return np.random.Generator(philox).standard_gamma(a, size).astype(dtype)


def _random() -> list[Case]:
    bits = {"dtypes": "words", "sample": _words, "numpy": _threefry}
    word = np.dtype(np.uint64)
    drawn = {"law": "standard_gamma", "event": (), "dtype": F64}
    return [
        *(Case("random_bits", (shape, shape), **bits) for shape in SHAPES),
        Case("random_bits", (LARGE, LARGE), is_large=True, **bits),
        *(
            Case("variates", ((), (), shape), {**drawn, "size": shape}, dtypes="doubles", fixed={0: word, 1: word},
                 sample=within(0.5, 3), numpy=_gamma)
            for shape in SHAPES
        ),
    ]  # fmt: skip


CASES: Sequence[Case] = (
    *_leaves(), *_views(), *_elementwise(), *_reductions(), *_products(), *_convolutions(), *_scans(), *_segments(),
    *_special(), *_counts(), *_gathers(), *_sorting(), *_linalg(), *_fourier(), *_random(),
)  # fmt: skip

#: What is no operation on values.
NOT_OPERATIONS: Mapping[str, str] = {
    "input": "has no value of its own",
    "debug_print": "prints",
    **dict.fromkeys(("call", "loop", "branch", "pack", "result"), "is made of graphs; tests/ops/test_control.py"),
    "custom": "is what it is given; tests/api/test_custom.py",
    "again": "is a value, in an order; tests/ops/test_control.py",
}

#: Operations that refuse to be differentiated, and why.
REFUSED: Mapping[str, str] = {"variates": "are accepted or rejected, which has no derivative"}

#: Operations of float values without a derivative rule, and why.
UNDIFFERENTIATED: Mapping[str, str] = {
    "input": "is where a derivative ends",
    "constant": "takes nothing",
    "iota": "takes nothing",
    "stop_gradient": "is there to stop it",
    "floor_divide": "is constant between jumps",
    "floor": "is constant between jumps",
    "ceil": "is constant between jumps",
    "trunc": "is constant between jumps",
    "rint": "is constant between jumps",
    "spacing": "is constant between jumps",
}

#: Operations whose result may be either zero: NumPy's own depends on the length of the array or the order of a sum.
EXACT_ZERO: frozenset[str] = frozenset(
    {"maximum", "minimum", "fmax", "fmin", "reduce_max", "reduce_min", "reduce_sum", "matmul", "conv"}
)
