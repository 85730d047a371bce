"""Every traced ufunc is NumPy's: dtypes, promotion, broadcasting, `out=`, `where=`, `dtype=`, and what it refuses."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, interpreted

from tracegraph.errors import UnsupportedError
from tracegraph.ir import DTYPES
from tracegraph.tracing import ufuncs

UNARY = (
    "absolute arccos arccosh arcsin arcsinh arctan arctanh bitwise_count cbrt ceil conjugate cos cosh deg2rad degrees "
    "exp exp2 expm1 fabs floor frexp invert isfinite isinf isnan log log10 log1p log2 logical_not modf negative positive "
    "rad2deg radians reciprocal rint sign signbit sin sinh spacing sqrt square tan tanh trunc"
).split()
BINARY = (
    "add arctan2 bitwise_and bitwise_or bitwise_xor copysign divide divmod equal float_power floor_divide fmax fmin "
    "fmod gcd greater greater_equal heaviside hypot lcm ldexp left_shift less less_equal logaddexp logaddexp2 "
    "logical_and logical_or logical_xor maximum minimum multiply nextafter not_equal power remainder right_shift subtract"
).split()
#: Ufuncs of two results, and how many operands they take.
SEVERAL = {"divmod": 2, "frexp": 1, "modf": 1}
over = pytest.mark.parametrize
#: Ufuncs that are expressions here are as near as that.
ULPS = {"logaddexp": 4, "logaddexp2": 4}
WEAK = (True, 2, 1.5, 1.5 + 0.5j)


def values(shape: tuple[int, ...], dtype: Any, seed: int = 0) -> np.ndarray:
    """Positive, so that powers, shifts and logarithms are defined; with ties."""
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.asarray(rng.integers(1, 8, shape) / 2, dtype)
    if np.dtype(dtype).kind == "c":
        return np.asarray((rng.integers(1, 8, shape) + 1j * rng.integers(-3, 4, shape)) / 2, dtype)
    return rng.integers(1, 5, shape).astype(dtype)


def test_every_ufunc_is_tried() -> None:
    """The lists above name every ufunc that is traced."""
    assert {getattr(np, name) for name in (*UNARY, *BINARY, *SEVERAL)} == set(ufuncs._EMIT)


def test_the_ufunc_behind_clip() -> None:
    """It takes three operands."""
    clip = np._core.umath.clip
    for dtype in DTYPES:
        check_traced(lambda x: clip(x, x[0], x[1]), values((5,), dtype))


@over("dtype", DTYPES, ids=str)
@over("name", UNARY)
def test_unary(name: str, dtype: np.dtype) -> None:
    """One operand of each dtype, of ranks 0 to 4, empty and of size 1."""
    ufunc = getattr(np, name)
    for shape in ((), (3,), (2, 3), (0,), (1, 1), (2, 0, 2), (2, 1, 2, 2)):
        check_traced(lambda x: ufunc(x), values(shape, dtype))


@over("name", BINARY)
def test_binary_over_dtypes(name: str) -> None:
    """Two operands of any two dtypes."""
    ufunc = getattr(np, name)
    for one, other in itertools.product(DTYPES, DTYPES):
        check_traced(lambda x, y: ufunc(x, y), values((3,), one), values((3,), other, 1), ulps=ULPS.get(name, 2))


@over("name", SEVERAL)
def test_several_results(name: str) -> None:
    """A tuple of arrays or numbers; into arrays that are there already."""
    ufunc, count = getattr(np, name), SEVERAL[name]
    for dtype in DTYPES:
        for shape in ((), (3,), (2, 3), (0,)):
            x, y = (values(shape, dtype, k) for k in range(2))
            check_traced(lambda *xs: ufunc(*xs), *(x, y)[:count])
            check_traced(lambda *xs: ufunc(*xs), *(x[()], y[()])[:count])
    special = np.array([0.0, -0.0, -2.5, np.inf, -np.inf, np.nan, 1e-310])
    check_traced(lambda *xs: ufunc(*xs), *(special, special[::-1])[:count])
    outs = [np.zeros(3), np.zeros(3, "i4" if name == "frexp" else "f8")]
    given = [values((3,), "f8", k) for k in range(count)]
    check_traced(lambda a, b, *xs: (ufunc(*xs, out=(a, b)), a, b), *outs, *given)
    check_traced(lambda a, *xs: (ufunc(*xs, out=(a, None)), a), outs[0], *given)
    check_error(lambda x: ufunc(*(x, x)[:count]), np.ones(2, complex), start="ufunc")


@over("name", BINARY)
def test_binary_with_python_numbers(name: str) -> None:
    """A Python number takes the dtype of the array; it is written in the function, or an argument of it."""
    ufunc = getattr(np, name)
    for dtype, weak in itertools.product(DTYPES, WEAK):
        x, ulps = values((3,), dtype), ULPS.get(name, 2)
        check_traced(lambda x, weak=weak: ufunc(x, weak), x, ulps=ulps)
        check_traced(lambda x, weak=weak: ufunc(weak, x), x, ulps=ulps)
        check_traced(lambda x, w: ufunc(x, w), x, weak, ulps=ulps)
        check_traced(lambda x, w: ufunc(w, x), x, weak, ulps=ulps)


@over("name", BINARY)
def test_binary_broadcasts(name: str) -> None:
    """Shapes of ranks 0 to 4, empty and of size 1; NumPy's numbers, 0-d arrays, lists."""
    ufunc = getattr(np, name)
    shapes = ((), (3,), (1,), (2, 3), (2, 1), (0, 3), (4, 1, 2, 3), (0,))
    dtype = "i8" if "shift" in name or "bitwise" in name or name in ("gcd", "lcm", "ldexp") else "f8"
    for one, other in itertools.product(shapes, shapes):
        check_traced(lambda x, y: ufunc(x, y), values(one, dtype), values(other, dtype, 1), ulps=ULPS.get(name, 2))
    check_traced(lambda x, y: ufunc(x, y), values((3,), dtype)[0], values((3,), dtype), ulps=ULPS.get(name, 2))
    check_traced(lambda x: ufunc(x, [1, 2, 3]), values((3,), dtype), ulps=ULPS.get(name, 2))
    check_traced(lambda x: ufunc([x, x], x), values((3,), dtype), ulps=ULPS.get(name, 2))


@over("kind", [np.float32(1.5), np.float64(1.5), np.int8(2), np.uint64(2), np.bool(True), np.array(2.5), np.array([2])])
def test_numpys_numbers_are_not_weak(kind: Any) -> None:
    """NumPy's scalars and 0-d arrays promote as arrays do."""
    for dtype in DTYPES:
        check_traced(lambda x, y: (x + y, y * x, np.maximum(x, y)), values((3,), dtype), kind)
        check_traced(lambda x: (x + kind, kind * x, np.maximum(x, kind)), values((3,), dtype))


@over("compare", ["equal", "not_equal", "less", "less_equal", "greater", "greater_equal"])
@over("number", [-1, 300, -129, 2**40, 2**63, 2**64 - 1, 0, 255])
def test_integers_compare_with_python_integers_by_value(compare: str, number: int) -> None:
    """Even with those beyond their own dtype, which no arithmetic takes."""
    ufunc = getattr(np, compare)
    for dtype in DTYPES:
        if dtype.kind != "b" or number < 2**63:
            check_traced(lambda x: (ufunc(x, number), ufunc(number, x)), np.array([0, 1, 100], dtype))


@over("operator", ["+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "<", "<=", ">", ">=", "==", "!="])
def test_operators(operator: str) -> None:
    """Python's operators between traced values, arrays of the function's own, and numbers; reflected ones too."""
    own = np.array([1, 2, 1])
    binary = eval(f"lambda x, y: x {operator} y")
    for dtype in DTYPES:
        x, y = values((3,), dtype), values((2, 3), dtype, 1)
        check_traced(binary, x, y)
        check_traced(lambda x: (binary(x, own), binary(own, x), binary(x, 2), binary(2, x)), x)
        check_traced(binary, x[0], y[0, 0])
    for one, other in itertools.product((True, 3, 2.5), repeat=2):
        check_traced(binary, one, other)


@over("operator", ["+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>"])
def test_augmented_operators(operator: str) -> None:
    """``x += y`` is in place for arrays, with NumPy's casting; the argument changes as it does eagerly."""
    scope: dict[str, Any] = {}
    exec(f"def function(x, y):\n    before = x\n    x {operator}= y\n    return x, before", scope)
    for one, other in itertools.product(("?", "i1", "u4", "i8", "f4", "f8"), repeat=2):
        check_traced(scope["function"], values((3,), one), values((3,), other, 1))
        check_traced(scope["function"], values((3,), one), 2)
        check_traced(scope["function"], values((), one), values((), other))
        check_traced(scope["function"], values((), one)[()], values((), other)[()])


@over("exponent", [2, -1, 0, 1, 3, 0.5, 2.0, -1.0, True])
def test_powers_by_constants(exponent: float) -> None:
    """NumPy's operator has its own way with some exponents."""
    for dtype in ("?", "i1", "i8", "f4", "f8"):
        if exponent == -1 and type(exponent) is int and dtype not in ("f4", "f8"):
            continue  # NumPy looks at the values
        for x in (values((3,), dtype), values((), dtype), values((), dtype)[()]):
            check_traced(lambda x: x**exponent, x)


@over("symbol", ["-x", "+x", "~x", "abs(x)"])
def test_unary_operators(symbol: str) -> None:
    """On arrays, NumPy's numbers and Python's."""
    function = eval(f"lambda x: {symbol}")
    for dtype in DTYPES:
        check_traced(function, values((3,), dtype))
        check_traced(function, values((), dtype)[()])
    for number in (3, -2.5):
        if symbol != "~x" or type(number) is int:
            check_traced(function, number)


# -- where the result goes ---------------------------------------------------------------------------------------------


def test_out() -> None:
    """Into an array that is there already, which is also the result; by keyword, by position, in a tuple."""
    x, y = values((2, 3), "f8"), values((3,), "f8", 1)
    check_traced(lambda x, y, z: (np.add(x, y, out=z), z), x, y, np.zeros((2, 3)))
    check_traced(lambda x, y, z: (np.add(x, y, z), z), x, y, np.zeros((2, 3)))
    check_traced(lambda x, y, z: (np.add(x, y, out=(z,)), z), x, y, np.zeros((2, 3)))
    check_traced(lambda x, z: np.negative(x, out=z), x, np.zeros((4, 2, 3)))
    check_traced(lambda x: np.multiply(x, x, out=x), x)
    check_traced(lambda x, y, z: np.add(x, y, out=z[::-1, ::2]), x[:, :2], y[:2], np.zeros((2, 4), "f4"))
    check_traced(lambda x, z: np.add(x, 1, out=z), np.array(2.0), np.zeros(()))


@over("mask", [np.array([True, False, True]), True, False, [False, True, True], np.array([[True], [False]])])
def test_where_with_out(mask: Any) -> None:
    """What the mask leaves out stays as it was."""
    x = values((2, 3), "f8")
    check_traced(lambda x, z: np.add(x, 1, out=z, where=mask), x, np.full((2, 3), 9.0))
    check_traced(lambda x, m, z: np.exp(x, out=z, where=m), x, np.asarray(mask), np.full((2, 3), 9.0))


@over("dtype", ["f4", "f8", float, np.float32])
def test_dtype(dtype: Any) -> None:
    """The loop is the one for that dtype."""
    check_traced(lambda x: np.add(x, x, dtype=dtype), values((3,), "i8"))
    check_traced(lambda x: np.exp(x, dtype=dtype), values((3,), "i2"))
    check_traced(lambda x, z: np.multiply(x, 2, out=z, dtype=dtype), values((3,), "f4"), np.zeros(3))


@over("name", ["add", "multiply", "maximum", "minimum", "logical_or", "logical_and"])
def test_reduce(name: str) -> None:
    """A ufunc's own reduction is along the first axis unless told otherwise."""
    ufunc = getattr(np, name)
    for axis in (0, 1, -1, None, (0, 1)):
        check_traced(lambda x, axis=axis: ufunc.reduce(x, axis=axis), values((2, 3), "f8"))
    check_traced(lambda x: ufunc.reduce(x), values((2, 3), "f8"))
    check_traced(lambda x: ufunc.reduce(x, axis=1, keepdims=True), values((2, 3), "f8"))


@over("shapes", [((2, 3), (3, 4)), ((3,), (3, 4)), ((2, 3), (3,)), ((3,), (3,)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)),
                    ((5, 1, 2, 3), (4, 3, 1)), ((2, 0), (0, 3)), ((0, 2), (2, 2)), ((3,), (5, 3, 4)),
                    ((1, 1), (1, 1))])  # fmt: skip
def test_matmul(shapes: Any) -> None:
    """Vectors, matrices, stacks of them, empty ones; over dtypes."""
    one, other = shapes
    for dtypes in (("f8", "f8"), ("f4", "f8"), ("i4", "f4"), ("i8", "i8"), ("u1", "i1"), ("?", "?"), ("?", "f4")):
        x, y = (values(shape, dtype, k) for k, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)))
        check_traced(lambda x, y: x @ y, x, y)
        check_traced(lambda x, y: np.matmul(x, y), x, y)
    check_traced(lambda x, y, z: np.matmul(x, y, out=z), values(one, "f8"), values(other, "f8"),
                 np.zeros(np.shape(values(one, "f8") @ values(other, "f8"))))  # fmt: skip


@over(
    "shapes", [((3,), (3,)), ((2, 3), (3,)), ((2, 3), (2, 3)), ((4, 1, 3), (2, 3)), ((0,), (0,)), ((2, 3, 3), (3, 3))]
)
def test_products_of_vectors(shapes: Any) -> None:
    """Stacks of vectors and matrices; the first vector of a scalar product is conjugated."""
    for dtype in ("f8", "i4", "c16", "f2", "?"):
        x, y = (values(shape, dtype, k) for k, shape in enumerate(shapes))
        for ufunc in (np.vecdot, np.matvec, np.vecmat):
            check_traced(lambda x, y, ufunc=ufunc: ufunc(x, y), x, y, slack=1e-12)
    check_error(lambda x, y: np.vecdot(x, y), np.ones(3), np.ones(4), start="vecdot: Input operand 1 has a mismatch")
    check_error(
        lambda x, y: np.matvec(x, y), np.ones(3), np.ones(3), start="matvec: Input operand 0 does not have enough"
    )


def test_divmod_of_python() -> None:
    """The built-in function, of arrays and numbers, from both sides."""
    for x in (values((3,), "f8"), values((3,), "i4"), values((), "f4")[()], 7, 7.5):
        check_traced(lambda x: (divmod(x, 2), divmod(9, x)), x)


# -- what is refused ---------------------------------------------------------------------------------------------------

WRONG: tuple[tuple[Any, tuple[Any, ...], str], ...] = (
    (lambda x, y: x + y, (np.ones(2), np.ones(3)), "operands could not be broadcast together with shapes (2,) (3,)"),
    (
        lambda x, y: np.exp(x) * y,
        (np.ones((2, 3)), np.ones((2, 4))),
        "operands could not be broadcast together with shapes",
    ),
    (lambda x: -x, (np.array([True]),), "The numpy boolean negative, the `-` operator, is not supported"),
    (lambda x: x - x, (np.array([True]),), "numpy boolean subtract, the `-` operator, is not supported"),
    (lambda x: ~x, (np.ones(2),), "ufunc 'invert' not supported for the input types"),
    (lambda x: x & 1, (np.ones(2),), "ufunc 'bitwise_and' not supported for the input types"),
    (lambda x: x << x, (np.ones(2),), "ufunc 'left_shift' not supported for the input types"),
    (lambda x: x + 300, (np.ones(2, "u1"),), "Python integer 300 out of bounds for uint8"),
    (lambda x: x + -1, (np.ones(2, "u1"),), "Python integer -1 out of bounds for uint8"),
    (lambda x, y: x @ y, (np.ones((2, 3)), np.ones((2, 3))), "matmul:"),
    (lambda x, y: x @ y, (np.ones((2, 3)), np.ones(())), "matmul:"),
    (lambda x: x @ 2, (np.ones((2, 3)),), "matmul:"),
    (lambda x, z: np.add(x, 1, out=z), (np.ones(3), np.zeros(2)), ""),
    (lambda x, z: np.add(x, 0.5, out=z), (np.ones(3), np.zeros(3, int)), "Cannot cast ufunc 'add' output from dtype"),
    (lambda x: np.sign(x), (np.array([True]),), "ufunc 'sign' "),
)


@over("row", WRONG, ids=range(len(WRONG)))
def test_errors_are_numpys(row: Any) -> None:
    """Class and text are NumPy's; the user's line comes after."""
    function, args, start = row
    check_error(function, *args, start=start)


def add_half(x, y):
    x += y


def test_in_place_casts_are_refused() -> None:
    """An integer array takes no floats in place."""
    for one, other in (("i8", "f8"), ("?", "i8"), ("u1", "i8"), ("f4", "?")):
        check_traced(add_half, values((3,), one), values((3,), other))
    check_error(
        lambda x: add_half(x, 0.5), np.ones(3, int), start="Cannot cast ufunc 'add' output from dtype('float64')"
    )


@over(
    ("function", "text"),
    [
        (lambda x: np.matmul(x, x, axes=[0, 0, ()]), "np.matmul with axes is not traced"),
    ],
)
def test_unsupported_calls_name_the_function(function: Any, text: str) -> None:
    """What is not traced says so, with the user's line."""
    with pytest.raises(UnsupportedError) as caught:
        interpreted(function)(np.ones(3))
    assert text in str(caught.value)
    assert f"at {__file__}:{function.__code__.co_firstlineno}" in str(caught.value)
