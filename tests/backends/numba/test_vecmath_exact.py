"""Functions whose results are exact or correctly rounded agree with NumPy bit for bit, for every dtype."""

import sys

import numpy as np
import pytest
from backends.numba.test_vecmath_cases import DTYPES, FLOATS, INTEGERS, SIGNED, assert_same, evaluate, pairs
from numba.core.errors import TypingError

from tracegraph.backends.numba.jit import compile_source

COMPARISONS = "less less_equal greater greater_equal equal not_equal".split()
ARITHMETIC = "add subtract multiply maximum minimum floor_divide remainder fmod".split()
BITS = "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split()
LOGIC = "add multiply maximum minimum logical_and logical_or logical_xor".split()
ROUNDING = "floor ceil trunc rint".split()
UNARY = {
    "float": ["negative", "absolute", "sign", "sqrt", *ROUNDING],
    "integer": ["negative", "absolute", "sign", "invert", *ROUNDING],
    "bool": ["absolute", "logical_not"],
}
TESTS = "isnan isinf isfinite signbit".split()


def family(dtype):
    return "float" if dtype in FLOATS else "bool" if dtype == "bool" else "integer"


def binary(dtype):
    return {"float": [*ARITHMETIC, "divide", "copysign"], "integer": [*ARITHMETIC, *BITS], "bool": LOGIC}[family(dtype)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_two_operands(call, dtype):
    """Arithmetic wraps around, division never traps, shifts may be too far, nan is passed on."""
    x, y = pairs(dtype)
    functions = dict.fromkeys(binary(dtype), dtype) | dict.fromkeys(COMPARISONS, bool)
    with np.errstate(all="ignore"):
        for name, got in evaluate(call, functions, x, y).items():
            assert_same(got, getattr(np, name)(x, y), name, x, y)


@pytest.mark.parametrize("dtype", DTYPES)
def test_functions_of_one_operand(call, dtype):
    """Signs, rounding, square roots and tests of special values."""
    x, _ = pairs(dtype)
    functions = dict.fromkeys(UNARY[family(dtype)], dtype) | dict.fromkeys(TESTS if dtype in FLOATS else (), bool)
    with np.errstate(all="ignore"):
        for name, got in evaluate(call, functions, x).items():
            # NumPy rounds integers by way of float64, which loses bits.
            is_itself = name in ROUNDING and dtype in INTEGERS
            assert_same(got, x if is_itself else getattr(np, name)(x), name, x)


@pytest.mark.parametrize("dtype", FLOATS)
def test_fmax_and_fmin_prefer_numbers_to_nan(call, dtype):
    """fmax and fmin agree with NumPy, whose choice between zeros of two signs varies with the length."""
    x, y = pairs(dtype)
    for name, got in evaluate(call, dict.fromkeys(["fmax", "fmin"], dtype), x, y).items():
        np.testing.assert_array_equal(got, getattr(np, name)(x, y))


@pytest.mark.parametrize("dtype", DTYPES)
def test_where(call, dtype):
    """where(c, x, y) chooses by a boolean, whatever dtype it chooses from."""
    x, y = pairs(dtype)
    condition = np.arange(x.size) % 3 == 0
    got = evaluate(call, {"where": dtype}, condition, x, y)["where"]
    assert_same(got, np.where(condition, x, y), "where", x, y)


def definite(x, target):
    """Whether NumPy's vector loop and its scalar one agree on the conversion, which they do not for uint32."""
    if x.dtype.kind != "f" or target != "uint32":
        return np.ones(x.shape, bool)
    return (x > -(2.0**31)) & (x < 2.0**32)


@pytest.mark.skipif(sys.platform != "linux", reason="conversions out of range are those of x86-64 Linux")
@pytest.mark.parametrize("dtype", DTYPES)
def test_casts(call, dtype):
    """Every dtype becomes every other as by astype, out of range and nan included."""
    x, _ = pairs(dtype)
    if dtype in FLOATS:
        x = np.concatenate([x, *(np.array([2.0**k, 2.0**k - 1, -(2.0**k), 1.5 * 2.0**k], dtype) for k in range(6, 66))])
    with np.errstate(all="ignore"):
        for name, got in evaluate(call, {f"cast_{target}": target for target in DTYPES}, x).items():
            usable = definite(x, str(got.dtype))
            assert_same(got[usable], x.astype(got.dtype)[usable], name, x[usable])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_integer_powers_wrap_around(call, dtype):
    """x**n for n >= 0 is that of NumPy, modulo a power of two."""
    x, y = pairs(dtype, 3000)
    if dtype in SIGNED:
        x, y = x[y >= 0], y[y >= 0]
    assert_same(evaluate(call, {"power": dtype}, x, y)["power"], np.power(x, y), "power", x, y)


def test_literals_of_infinity_and_nan(call):
    """Generated source writes float64(inf) and float64(nan)."""
    source = """
def literals(args, lo, hi):
    out = pointer(args, 0, float64)
    for i in range(lo, hi):
        store(out, i, where(equal(i, 0), float64(inf), float64(nan)))
"""
    out = np.zeros(2)
    call(source, "literals", [out], 0, 2)
    assert out[0] == np.inf
    assert np.isnan(out[1])


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("add(load(x, i), 1)", "expected 2 operands of one dtype"),
        ("logical_not(load(x, i))", "expected a boolean dtype"),
    ],
)
def test_wrong_operands_are_rejected(expression, message):
    """An operand of another dtype is an error at compile time, with the function's name in it."""
    source = f"""
def wrong(args, lo, hi):
    x = pointer(args, 0, float64)
    for i in range(lo, hi):
        store(x, i, {expression})
"""
    with pytest.raises(TypingError, match=message):
        compile_source(source, "wrong")
