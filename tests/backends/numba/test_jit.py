"""Kernels compute what their source says, vectorised, with strict arithmetic unless they accumulate."""

import re

import numpy as np
import pytest
from numba.core.errors import TypingError

from tracegraph.backends.numba.intrinsics import ELEMENT_TYPES
from tracegraph.backends.numba.jit import compile_assembly, compile_ir, compile_source
from tracegraph.backends.numba.loader import Loader, host_cpu

ADD = """
def add(args, lo, hi):
    x = pointer(args, 0, {dtype})
    y = pointer(args, 1, {dtype})
    out = pointer(args, 2, {dtype})
    for i in range(lo, hi):
        store(out, i, load(x, i) + load(y, i))
"""

POLYNOMIAL = (
    """
def polynomial(args, lo, hi):
    x = pointer(args, 0, float32)
    out = pointer(args, 1, float32)
    for i in range(lo, hi):
        v = load(x, i)
        r = float32(1)
"""
    + "        r = r * v + float32(0.5)\n" * 12
    + "        store(out, i, r)\n"
)

REDUCE = """
def reduce(args, lo, hi):
    x = pointer(args, 0, {dtype})
    out = pointer(args, 1, {dtype})
    acc = load(x, lo)
    for i in range(lo + 1, hi):
        acc = {accumulate}(acc, load(x, i))
    store(out, 0, acc)
"""

MANY = """
def many(args, lo, hi):
    a = pointer(args, 0, float64)
    b = pointer(args, 1, float64)
    p = pointer(args, 2, float64)
    q = pointer(args, 3, float64)
    r = pointer(args, 4, float32)
    for i in range(lo, hi):
        x = load(a, i)
        y = load(b, i)
        store(p, i, x + y)
        store(q, i, x - y)
        store(r, i, float32(x * y))
"""

HAS_AVX = "+avx2" in host_cpu()[1].split(",")
HAS_AVX512 = "+avx512f" in host_cpu()[1].split(",")


def calls(assembly):
    return set(re.findall(r"\bcallq?\s+\*?(\S+)", assembly))


@pytest.mark.parametrize("dtype", [name for name in ELEMENT_TYPES if name != "boolean"])
def test_every_number_dtype_is_loaded_and_stored(call, dtype):
    """x + y agrees with NumPy for each dtype of a number."""
    x, y = np.arange(37).astype(dtype), (np.arange(37) * 3).astype(dtype)
    out = np.zeros_like(x)
    call(ADD.format(dtype=dtype), "add", [x, y, out], 0, 36)
    expected = x + y
    expected[36] = 0
    np.testing.assert_array_equal(out, expected)


def test_booleans_are_stored_as_bytes(call):
    """A boolean is a truth value in the kernel and a byte 0 or 1 in memory."""
    source = """
def flip(args, lo, hi):
    x = pointer(args, 0, boolean)
    out = pointer(args, 1, boolean)
    for i in range(lo, hi):
        store(out, i, not load(x, i))
"""
    x = np.arange(40) % 3 == 0
    out = np.zeros(40, bool)
    call(source, "flip", [x, out], 0, 40)
    np.testing.assert_array_equal(out, ~x)
    assert set(out.view(np.uint8)) == {0, 1}


def test_loads_and_stores_over_many_arrays_need_no_check_for_overlap():
    """The loop is vectorised without a run-time comparison of addresses."""
    ir = compile_ir(MANY, "many")
    assert "vector.memcheck" not in ir
    assert "vector.body" in ir


def test_scalars_are_loaded_once():
    """What does not change in a loop is read before it."""
    source = """
def scale(args, lo, hi):
    x = pointer(args, 0, float64)
    factor = pointer(args, 1, float64)
    out = pointer(args, 2, float64)
    for i in range(lo, hi):
        store(out, i, load(x, i) * load(factor, 0))
"""
    body = compile_ir(source, "scale").split("vector.body:")[1].split("br i1")[0]
    assert set(re.findall(r"= load (<\d+)? ?", body)) <= {"<4", "<8", "<2"}


def test_output_may_be_the_input(call):
    """Storing to the place just loaded from is allowed."""
    x = np.arange(1000.0)
    call(ADD.format(dtype="float64"), "add", [x, x, x], 0, 1000)
    np.testing.assert_array_equal(x, 2 * np.arange(1000.0))


def test_reload_sees_what_was_stored(call):
    """A kernel may read back its own output."""
    source = """
def scan(args, lo, hi):
    x = pointer(args, 0, float64)
    out = pointer(args, 1, float64)
    store(out, lo, load(x, lo))
    for i in range(lo + 1, hi):
        store(out, i, reload(out, i - 1) + load(x, i))
"""
    x = np.random.default_rng(0).random(100)
    out = np.empty(100)
    call(source, "scan", [x, out], 0, 100)
    np.testing.assert_array_equal(out, np.cumsum(x))


@pytest.mark.skipif(not HAS_AVX, reason="the host has no AVX2")
def test_hot_loop_is_vectorised_and_calls_nothing():
    """Plain loops use vector registers; arithmetic-heavy ones the widest that the host has."""
    narrow = compile_assembly(ADD.format(dtype="float32"), "add")
    assert "%ymm" in narrow
    assert calls(narrow) == set()
    wide = compile_assembly(POLYNOMIAL, "polynomial")
    assert ("%zmm" if HAS_AVX512 else "%ymm") in wide
    assert calls(wide) == set()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize(
    ("accumulate", "numpy"),
    [
        ("accumulate_add", np.add),
        ("accumulate_mul", np.multiply),
        ("accumulate_max", np.maximum),
        ("accumulate_min", np.minimum),
    ],
)
def test_reductions_are_vectorised_and_right(call, accumulate, numpy, dtype):
    """A reduction becomes a vector loop and agrees with NumPy."""
    source = REDUCE.format(dtype=dtype, accumulate=accumulate)
    x = (1 + np.random.default_rng(1).random(1001) / 100).astype(dtype)
    out = np.zeros(1, dtype)
    call(source, "reduce", [x, out], 0, 1001)
    np.testing.assert_allclose(out[0], numpy.reduce(x), rtol=1e-4 if dtype == "float32" else 1e-12)
    assert "vector.body" in compile_ir(source, "reduce")


@pytest.mark.parametrize("accumulate", ["accumulate_max", "accumulate_min"])
@pytest.mark.parametrize("place", [0, 1, 17, 100])
def test_nan_wins_extrema(call, accumulate, place):
    """A NaN anywhere makes the maximum and the minimum NaN, as in NumPy."""
    x = np.random.default_rng(2).random(101)
    x[place] = np.nan
    out = np.zeros(1)
    call(REDUCE.format(dtype="float64", accumulate=accumulate), "reduce", [x, out], 0, 101)
    assert np.isnan(out[0])


def test_arithmetic_outside_accumulation_is_strict():
    """Only the accumulating operation may be reassociated, and take a product unrounded; nothing is approximated."""
    ir = compile_ir(REDUCE.format(dtype="float64", accumulate="accumulate_add"), "reduce")
    flags = set(re.findall(r"\bf(?:add|mul|sub|div) ((?:\w+ )*)(?:double|<)", ir))
    assert flags == {"reassoc contract "}
    assert "fast" not in ir
    strict = compile_ir(POLYNOMIAL, "polynomial")
    assert not re.search(r"\bf(?:add|mul) (?:reassoc|contract|fast|nnan|nsz)", strict)
    assert "fma" not in compile_assembly(POLYNOMIAL, "polynomial")


def test_division_by_zero_is_ieee(call):
    """Dividing by zero gives infinity or NaN and raises nothing."""
    source = ADD.replace("+ load", "/ load").format(dtype="float64")
    x, y, out = np.array([1.0, -1.0, 0.0]), np.zeros(3), np.empty(3)
    call(source, "add", [x, y, out], 0, 3)
    np.testing.assert_array_equal(out, [np.inf, -np.inf, np.nan])


def test_python_operators_on_integers(call):
    """Floor division, modulo, powers, shifts and inversion behave as in Python."""
    source = """
def integers(args, lo, hi):
    x = pointer(args, 0, int64)
    out = pointer(args, 1, int64)
    for i in range(lo, hi):
        v = load(x, i)
        store(out, i, (v // 3) * 1000 + (v % 3) * 100 + v ** 2 + (v << 1) + ~v)
"""
    x = np.arange(-9, 10)
    out = np.empty_like(x)
    call(source, "integers", [x, out], 0, len(x))
    np.testing.assert_array_equal(out, (x // 3) * 1000 + (x % 3) * 100 + x**2 + (x << 1) + ~x)


def test_same_source_gives_same_bytes():
    """Compiling is deterministic, so that entries of a cache can be compared."""
    source = ADD.format(dtype="float32")
    assert compile_source(source, "add") == compile_source(source, "add")


def test_kernels_of_one_name_do_not_clash():
    """Two objects that export the same symbol are both usable."""
    loader = Loader()
    code = compile_source(ADD.format(dtype="float32"), "add")
    assert loader.load(code, "add") != loader.load(code, "add")


def test_own_njit_functions_still_work(python):
    """Compiling kernels leaves the user's own Numba code alone, in either order."""
    code = """
import numba
@numba.njit
def before(x): return x.sum() + 1
@numba.njit
def after(x): return (x * 2).max()
import numpy as np
print(before(np.ones(3)))
from tracegraph.backends.numba.jit import compile_source
compile_source("def f(args, lo, hi): args[0] = lo", "f")
print(after(np.ones(3)))
compile_source("def g(args, lo, hi): args[0] = ~hi", "g")
"""
    assert python(code) == "4.0\n2.0"


def test_errors_say_what_was_given():
    """Mistakes in generated source name what was given and what was expected."""
    with pytest.raises(TypingError, match=r"given slot int64, expected a literal"):
        compile_source("def f(args, lo, hi):\n    pointer(args, lo, float32)\n", "f")
    with pytest.raises(TypingError, match=r"load\(\) was given int64"):
        compile_source("def f(args, lo, hi):\n    load(lo, hi)\n", "f")
    with pytest.raises(ValueError, match="defines no function 'g'"):
        compile_source("def f(args, lo, hi):\n    pass\n", "g")
    with pytest.raises(ValueError, match="returns float64, expected nothing or an int64"):
        compile_source("def f(args, lo, hi):\n    return 1.5\n", "f")
