"""One row, or a few, for every operation: operands to try it on, and what it should give. `ops/` tests run over the table.

An operation with a new row here is tested for its rule, its reference, its derivatives to third order, its batching and
its kernel.
"""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES, Aval, Node, Shape
from tracegraph.ops import ALL
from tracegraph.ops.leaf import input_node

__all__ = ["CASES", "EXACT_ZERO", "NOT_OPERATIONS", "UNDIFFERENTIATED", "Case"]

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
    "any": _ALL,
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
        smooth: where its derivatives are; None if it has none.
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
    smooth: Sample | None = None
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
        return [np.asarray((pick if aval.dtype == dtype else anything)(rng, *aval, k)) for k, aval in avals]

    def apply(self, inputs: Sequence[Node]) -> Node:
        return ALL[self.op](*inputs, **self.params)


BOOL, F64, C128, I32 = np.dtype(bool), np.dtype(float), np.dtype(complex), np.dtype("i4")
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


def _leaves() -> list[Case]:
    return [
        *(Case("iota", (), {"length": n, "dtype": np.dtype(dtype)},
               numpy=lambda length, dtype: np.arange(length, dtype=dtype))
          for n in (0, 1, 5, LARGE[0]) for dtype in ("i8", "f4")),
        *(Case("constant", (), {"value": np.arange(n).astype(dtype)}, numpy=lambda value: value)
          for n in (0, 3) for dtype in ("f8", "i4", "?")),
    ]  # fmt: skip


CASES: Sequence[Case] = (*_leaves(), *_views(), *_elementwise(), *_reductions(), *_products())

#: What is no operation on values.
NOT_OPERATIONS: Mapping[str, str] = {"input": "has no value of its own"}

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
    {"maximum", "minimum", "fmax", "fmin", "reduce_max", "reduce_min", "reduce_sum", "matmul"}
)
