"""Complex numbers and half precision through the whole stack, by compiled kernels, against eager NumPy."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced

import tracegraph as tg
from tracegraph import pipeline
from tracegraph.compiler import native
from tracegraph.tracing import ufuncs

over = pytest.mark.parametrize
DTYPES = ("f2", "c8", "c16")
UFUNCS = sorted(ufuncs._EMIT, key=lambda ufunc: ufunc.__name__)


def sample(dtype: str, shape: tuple[int, ...], seed: int = 0, scale: float = 2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(scale=scale, size=shape)
    return (x + 1j * rng.normal(scale=scale, size=shape) if dtype[0] == "c" else x).astype(dtype)


def takes(ufunc: np.ufunc, dtype: str) -> bool:
    try:
        ufunc.resolve_dtypes((*[np.dtype(dtype)] * ufunc.nin, *[None] * ufunc.nout))
    except TypeError:
        return False
    return True


@over("dtype", DTYPES)
def test_ufuncs_in_one_program(dtype: str) -> None:
    """All at once, so that kernels and NumPy's steps hand values to one another; what NumPy refuses is refused."""
    known = [ufunc for ufunc in UFUNCS if takes(ufunc, dtype)]
    assert len(known) > 40
    for shape in ((5, 7), (), (0, 3)):
        args = sample(dtype, shape), sample(dtype, shape, 1)
        check_traced(lambda x, y: [ufunc(*(x, y)[: ufunc.nin]) for ufunc in known], *args, native=True, ulps=8)
    x = sample(dtype, (3,))
    for ufunc in set(UFUNCS) - set(known):
        check_error(lambda x, ufunc=ufunc: ufunc(*[x] * ufunc.nin), x, start="ufunc")


@over(
    "name",
    [
        "exp",
        "log",
        "sqrt",
        "absolute",
        "divide",
        "multiply",
        "square",
        "less",
        "maximum",
        "sinh",
        "cosh",
        "sin",
        "cos",
        "sign",
    ],
)
@over("dtype", ["c8", "c16"])
def test_complex_kernels_over_the_whole_range(name: str, dtype: str) -> None:
    """Parts of all sizes, subnormal to huge, and of very different sizes; infinities and NaN.

    Products that overflow are left out: what NumPy gives depends on where in its vectors an element lies.
    """
    ufunc = getattr(np, name)
    rng = np.random.default_rng(2)
    high = (300 if dtype == "c16" else 36) / (2 if name in ("multiply", "square") else 1)
    x, y = (np.empty(4000, dtype) for _ in range(2))
    for part in (x.real, x.imag, y.real, y.imag):
        part[...] = 10.0 ** rng.uniform(-high, high, 4000) * rng.choice([-1, 1], 4000)
        part[::7] = rng.choice([0.0, -0.0, 1.0, -1.0, np.inf, np.nan], part[::7].size)
        part[1::7] = rng.normal(scale=800 if dtype == "c16" else 100, size=part[1::7].size)
    near = np.exp(1j * np.linspace(-np.pi, np.pi, 4000)) * (1 + rng.normal(scale=1e-5, size=4000))
    for args in ((x, y), (near.astype(dtype), y)):
        tolerated = {"slack": np.finfo(dtype).tiny * 4} if name != "absolute" else {}
        check_traced(lambda x, y: ufunc(*(x, y)[: ufunc.nin]), *args, native=True, ulps=4, **tolerated)


@over("to", ["?", "i1", "u2", "i8", "f2", "f4", "f8", "c8", "c16"])
@over("dtype", [*DTYPES, "f8", "f4", "i4", "?"])
def test_conversions(dtype: str, to: str) -> None:
    """Halves are rounded once, also from double precision: halfway cases and their neighbours."""
    x = np.abs(sample(dtype, (50,), scale=30)) if dtype[0] not in "fc" else sample(dtype, (50,), scale=30)
    if np.dtype(to).kind in "iu":
        x = np.abs(x).astype(dtype)
    check_traced(lambda x: x.astype(to), x, native=True, ulps=0)
    if dtype[0] in "fc" and to == "f2":
        bits = np.arange(0, 0x7BFF, 11).astype("u2").view("f2").astype("f8")
        middle = (bits + np.nextafter(bits.astype("f2"), np.float16(np.inf)).astype("f8")) / 2
        cases = [bits, middle, np.nextafter(middle, np.inf), np.nextafter(middle, -np.inf)]
        check_traced(lambda x: x.astype(to), np.concatenate(cases).astype(dtype), native=True, ulps=0)


def test_every_kernel_of_complex_numbers_is_there() -> None:
    """What the compiler counts on is what there is to call."""
    from tracegraph.backends.numba.vecmath import complex_numbers

    ours = {*complex_numbers.EMITTERS, *(row.name for row in complex_numbers.ROWS)}
    structural = {"part", "part_at", "pick", "identity", "again", "stop_gradient", "convert", "reduce_sum"}
    assert ours == native.COMPLEX - structural


@over("dtype", DTYPES)
def test_reductions(dtype: str) -> None:
    """Sums of halves are NumPy's own; complex numbers are ordered by their real parts first."""
    names = ("sum", "prod", "mean", "var", "std", "max", "min", "argmax", "argmin", "any", "all", "ptp")

    def program(x: Any) -> Any:
        return [[getattr(np, name)(x, axis=axis) for name in names] for axis in (None, 0, 1)]

    x = sample(dtype, (13, 17), scale=1)
    check_traced(program, x, native=True, ulps=64)
    x[3, 4] = np.nan
    x[5] = 0
    x[6:8] = x[8]
    check_traced(program, x, native=True, ulps=64)
    long = sample(dtype, (300_001,), scale=1)
    check_traced(lambda x: (np.sum(x), np.mean(x), np.max(x)), long, native=True, slack=1e-1 if dtype == "c8" else 1e-9)


@over("dtype", DTYPES)
def test_products(dtype: str) -> None:
    """Matrices, vectors, stacks; transposed; the scalar product of complex vectors conjugates the first."""
    a, b, v = sample(dtype, (4, 5)), sample(dtype, (5, 3), 1), sample(dtype, (5,), 2)
    check_traced(lambda a, b, v: (a @ b, b.T @ a.T, a @ v, v @ b, np.vdot(v, v), np.dot(v, v)), a, b, v, native=True)
    check_traced(lambda a, b: (np.outer(a, b), np.tensordot(a, b, 1), np.inner(a, b.T)), a, b, native=True)
    check_traced(lambda a, b: a @ b, sample(dtype, (3, 4, 5)), b, native=True)


@over("dtype", DTYPES)
def test_moving_elements(dtype: str) -> None:
    """Views, copies, writes, joins and choices."""

    def program(x: Any, y: Any) -> Any:
        z = x.copy()
        z[1:, ::2] = y[:-1, ::2] * 2
        z[0] += 1
        return (
            z.T,
            np.concatenate([x[::-1], y.T.reshape(y.shape)]),
            np.where(x == y, 1, z),
            x.ravel()[3],
            x.astype("c16"),
        )

    check_traced(program, sample(dtype, (3, 4)), sample(dtype, (3, 4), 1), native=True)


def test_parts_are_views() -> None:
    """Writing to them, through views of theirs and of the whole, is seen by all; those of reals are themselves and zeros."""

    def program(z: Any) -> Any:
        z = z.copy()
        row, re = z[1], z.real
        re[...] = re * 2
        row.imag[::2] = 7
        z.imag += 1
        z.T.real[0] = -1
        z.real = z.real + row.imag
        z[:, 1:].imag = 3
        re[2] = np.arange(4)
        return z, re, row, z.real.T.reshape(2, 6), z[0, 0].real, z[0, 0].imag, np.real(z), np.imag(z)

    for dtype in ("c8", "c16"):
        check_traced(program, sample(dtype, (3, 4)), native=True)

    def in_place(z: Any) -> None:
        z.real[1:] = 0

    check_traced(in_place, sample("c16", (3, 4)), native=True)

    def of_reals(x: Any) -> Any:
        x = x.copy()
        x.real = 5
        return x, x.imag, x.real[::2], x.conj()

    check_traced(of_reals, sample("f8", (4,)), native=True)
    check_error(lambda x: setattr(x, "imag", 1), np.ones(3), start="array does not have imaginary part to set")
    check_error(lambda x: x.imag.__setitem__(0, 1), np.ones(3), start="assignment destination is read-only")


def test_functions_of_parts() -> None:
    """What NumPy does to each part by itself."""
    z = np.array([complex(np.nan, 1), complex(np.inf, -np.inf), 1.26 - 3.75j])
    for dtype in ("c8", "c16"):
        check_traced(
            lambda z: (np.nan_to_num(z), np.round(z, 1), np.rint(z), np.isnan(z)), z.astype(dtype), native=True
        )


def test_python_complex_numbers() -> None:
    """They take the precision of what they meet; arithmetic among them is double."""

    def program(x: Any, w: Any) -> Any:
        return x * w, w / x, w * 2, w**2, abs(w), w.real, w.imag, w.conjugate(), -w, w + 1.5, x + 1j, 2j**x, w == 1j

    for x in (sample("c8", (3,)), sample("c16", (3,)), np.ones(3, "f4"), np.ones(3), np.arange(3), np.ones(3, "f2")):
        check_traced(program, x, 1.5 - 2j, native=True)


@over("dtype", ["?", "i1", "u1", "i8", "u8", "f2", "f4", "f8", "c8", "c16"])
def test_promotion_is_numpys(dtype: str) -> None:
    """Among arrays, NumPy's numbers and Python's."""
    others = [np.ones(2, other) for other in ("?", "i1", "u2", "i4", "u8", "f2", "f4", "f8", "c8", "c16")]
    for y in (*others, *(y[0] for y in others), True, 1, 1.5, 1j):
        check_traced(
            lambda x, y: (x + y, np.where(x == 1, x, y), np.concatenate([x, np.atleast_1d(y)])), np.ones(2, dtype), y
        )


def test_errors_are_numpys() -> None:
    """Where complex numbers have no order, rest or rounding."""
    z = sample("c16", (3,))
    for function in (
        lambda z: z // 2,
        lambda z: z % 2,
        lambda z: np.floor(z),
        lambda z: np.arctan2(z, z),
        lambda z: ~z,
    ):
        check_error(function, z, start="ufunc")
    check_error(lambda z: np.isnat(z), z, start="ufunc 'isnat' is only defined for")
    check_error(
        lambda x, z: np.add(x, z, out=x), np.ones(3), z, start="Cannot cast ufunc 'add' output from dtype('complex128')"
    )


@over(
    "value", [np.array([None]), np.array(["a"]), np.ones(2, "M8[s]"), np.ones(2, "m8[s]"), np.ones(2, "V3")], ids=repr
)
def test_other_dtypes_are_refused_by_name(value: Any) -> None:
    """The argument and its dtype are named."""
    with pytest.raises(tg.UnsupportedError, match=r"argument 0 is an array of dtype"):
        tg.compile(lambda x: x)(value)


def mandelbrot(z: Any, c: Any) -> Any:
    for _ in range(4):
        z = z * z + c
    return np.abs(z) > 2


@over("dtype", DTYPES)
def test_chains_are_fused(dtype: str) -> None:
    """One kernel for a chain of complex numbers or of halves, whose every result is rounded as NumPy's are."""
    z, c = sample(dtype, (40, 50), scale=0.5), sample(dtype, (40, 50), 1, scale=0.5)
    seen: dict[str, Any] = {}
    from tracegraph.api.signature import leaf_of
    from tracegraph.api.tracer import input_nodes, trace

    leaves = [leaf_of(x, lambda: "x") for x in (z, c)]
    graph = trace(lambda given: mandelbrot(*given), leaves, input_nodes(leaves, None), None).graph
    pipeline.build(graph, seen.__setitem__)
    assert len(seen["fuse"].kernels) == 1
    check_traced(mandelbrot, z, c, native=True)
    check_traced(lambda z, c: z * c + z - c, z, c, native=True, ulps=0 if dtype == "f2" else 8)


def test_gradients_of_halves() -> None:
    """A cotangent has the precision of its primal."""
    x = sample("f2", (6,), scale=1)
    slope = tg.grad(lambda x: np.sum(np.tanh(x) * x))(x)
    wide = x.astype(float)
    assert slope.dtype == np.float16
    np.testing.assert_allclose(slope, np.tanh(wide) + wide / np.cosh(wide) ** 2, atol=4e-3)


@over(
    "function",
    [
        lambda z: np.sum(np.exp(z) / np.sum(np.exp(z)) * np.arange(4)),
        lambda z: np.log(np.sum(np.exp(z))),
        lambda z: np.sum(1 / (1 + np.exp(-z))),
        lambda z: np.sum(np.log(1 + np.exp(z)) + np.log1p(np.exp(z))),
    ],
)
def test_formulas_of_reals_are_left_alone(function: Any) -> None:
    """Softmax, log-sum-exp, sigmoid and softplus of complex numbers are as they are written."""
    z = sample("c16", (4,), scale=0.5)
    check_traced(function, z, native=True, ulps=16)
    slope, h = tg.grad(function, holomorphic=True)(z), 1e-6
    for k in range(4):
        step = h * np.eye(4)[k]
        assert slope[k] == pytest.approx((function(z + step) - function(z - step)) / (2 * h), rel=1e-7, abs=1e-8)


def test_derivatives_agree_for_all_parts() -> None:
    """Gradients through every way between reals and complex numbers, by differences."""

    def f(x: Any) -> Any:
        z = x[0] + 1j * x[1]
        w = z.copy()
        w.real[1:] *= 2
        w.imag = np.sin(w.imag)
        sizes = np.abs(w) + np.angle(w) + np.sign(w).real
        matrix = np.outer(w, z.conj())
        return np.sum(sizes * np.exp(z).imag) + np.real(np.sum(matrix @ matrix)) + np.sum(np.prod(w).real)

    x = np.abs(sample("f8", (2, 4))) + 0.2
    slope, h = tg.grad(f)(x), 1e-6
    for k in itertools.product(range(2), range(4)):
        step = np.zeros((2, 4))
        step[k] = h
        assert slope[k] == pytest.approx((f(x + step) - f(x - step)) / (2 * h), rel=1e-6, abs=1e-7)
