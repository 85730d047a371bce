"""`reduce`, `accumulate`, `reduceat`, `outer` and `at` of every ufunc, and running sums and products, as in NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, functions_called, interpreted

from tracegraph import compile, grad
from tracegraph.errors import UnsupportedError
from tracegraph.ir import DTYPES
from tracegraph.tracing import ufuncs
from tracegraph.tracing.methods import FUNCTIONS

over = pytest.mark.parametrize
BINARY = sorted(
    ufunc.__name__ for ufunc in ufuncs._EMIT if ufunc.nin == 2 and ufunc.nout == 1 and ufunc.__name__ != "ldexp"
)
REORDERABLE = "bitwise_and bitwise_or bitwise_xor fmax fmin gcd hypot logaddexp logaddexp2 logical_xor".split()
#: Reductions that are expressions here.
ULPS = 8


def values(shape: tuple[int, ...], dtype: Any = "f8", seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return np.asarray(rng.integers(1, 8, shape) / 2, dtype)
    return rng.integers(0 if dtype == "?" else 1, 3, shape).astype(dtype)


def check(function: Callable[..., Any], *args: Any) -> None:
    check_traced(function, *args, ulps=ULPS)


def kind_for(name: str) -> str:
    return "i8" if "shift" in name or "bitwise" in name or name in ("gcd", "lcm") else "f8"


@over("dtype", DTYPES, ids=str)
@over("name", BINARY)
def test_methods_over_dtypes(name: str, dtype: np.dtype) -> None:
    """What NumPy widens, converts and refuses."""
    ufunc = getattr(np, name)
    for shape in ((4,), (2, 3)):
        x = values(shape, dtype)
        check(lambda x: ufunc.reduce(x), x)
        check(lambda x: ufunc.accumulate(x), x)
        check(lambda x: ufunc.reduceat(x, [0, 1, 1]), x)
        check(lambda x: ufunc.outer(x, x), x)


@over("name", BINARY)
def test_reduce(name: str) -> None:
    """One axis, several, all; `keepdims`, `initial`, `where`, `out`, `dtype`; empty ones."""
    ufunc, dtype = getattr(np, name), kind_for(name)
    if ufunc.resolve_dtypes((np.dtype(dtype),) * 2 + (None,))[-1] == np.dtype(bool):
        return  # their reduction is of bools, tried above
    x, whole = values((2, 3, 4), dtype), values((), dtype)
    for axis in (0, 1, -1, (1,), None, (0, 2), (), 3, (0, 0)):
        check(lambda x, axis=axis: ufunc.reduce(x, axis=axis), x)
        check(lambda x, axis=axis: ufunc.reduce(x, axis=axis, keepdims=True), x)
    check(lambda x: (ufunc.reduce(x), ufunc.reduce(x, axis=None)), whole)
    check(lambda x: (ufunc.reduce(x, initial=2), ufunc.reduce(x, 1, None, None, True, 2)), x)
    check(lambda x: ufunc.reduce(x, axis=1), values((2, 0, 3), dtype))
    check(lambda x: ufunc.reduce(x, axis=1, initial=2), values((2, 0, 3), dtype))
    check(lambda x: ufunc.reduce(x, axis=0), values((2, 0), dtype))
    check(lambda x, z: (ufunc.reduce(x, axis=2, out=z), z), x, np.zeros((2, 3), dtype))
    check(lambda x, z: (ufunc.reduce(x, axis=2, out=z), z), x.astype(dtype[0] + "4"), np.zeros((2, 3), dtype))
    check(lambda x: ufunc.reduce(x, dtype=dtype[0] + "4"), x)
    check(lambda x: ufunc.reduce(x, where=x > 1), x)
    if name in (*REORDERABLE, "subtract", "divide", "maximum", "minimum", "add", "multiply"):
        check(lambda x: ufunc.reduce(x, axis=1, where=x > 1, initial=3), x)


@over("name", BINARY)
def test_accumulate_and_reduceat(name: str) -> None:
    """Any axis, `out`, `dtype`, segments that overlap or run backward; empty ones."""
    ufunc, dtype = getattr(np, name), kind_for(name)
    if ufunc.resolve_dtypes((np.dtype(dtype),) * 2 + (None,))[-1] == np.dtype(bool):
        return
    x = values((2, 3, 4), dtype)
    for axis in (0, 1, -1, (1,), None, (0, 1), 3):
        check(lambda x, axis=axis: ufunc.accumulate(x, axis=axis), x)
        check(lambda x, axis=axis: ufunc.reduceat(x, [1, 0, 1], axis=axis), x)
    check(lambda x: ufunc.accumulate(x), values((), dtype))
    check(lambda x: ufunc.reduceat(x, [0]), values((), dtype))
    check(lambda x: ufunc.accumulate(x, axis=1), values((2, 0), dtype))
    check(lambda x, z: (ufunc.accumulate(x, 2, None, z), z), x, np.zeros(x.shape, dtype))
    check(lambda x, z: (ufunc.reduceat(x, [2, 0], 2, None, z), z), x, np.zeros((2, 3, 2), dtype))
    check(lambda x: ufunc.accumulate(x, dtype=dtype[0] + "4"), x)
    check(lambda x, k: ufunc.reduceat(x, k, axis=2), x, np.array([0, 2, 1, 3]))
    check(lambda x, k: ufunc.reduceat(x, indices=k), x, np.array([0, 1], "i4"))


@over("name", BINARY)
def test_outer_and_at(name: str) -> None:
    """Every pair; and in place, once for each time that an index comes."""
    ufunc, dtype = getattr(np, name), kind_for(name)
    check(lambda x, y: ufunc.outer(x, y), values((2, 3), dtype), values((4,), dtype, 1))
    check(lambda x: (ufunc.outer(x, 2), ufunc.outer(3, x), ufunc.outer(x, [1, 2])), values((2,), dtype))
    check(lambda x: ufunc.outer(x, x, dtype=dtype[0] + "4"), values((2,), dtype))
    if ufunc.resolve_dtypes((np.dtype(dtype),) * 2 + (None,))[-1] == np.dtype(bool):
        return
    for index in ([0, 2, 0, 0], [1], 1, -1, slice(1, None), Ellipsis, [True, False, True], ([0, 0, -1], [1, 1, 2])):

        def change(x: np.ndarray, index: Any = index) -> np.ndarray:
            assert ufunc.at(x, index, 2) is None
            return x

        check(change, values((3, 4), dtype))

    def traced(x: np.ndarray, i: np.ndarray, v: np.ndarray) -> None:
        ufunc.at(x, i, v)
        ufunc.at(x, (i, i), v)
        ufunc.at(x[1:], (i - 1, 0), v)

    check(traced, values((4,) * 2, dtype), np.array([1, 1, 3, -1]), values((4,), dtype, 2))


INDICES: tuple[Callable[[Any], Any], ...] = (
    lambda i: (slice(None), i),
    lambda i: (slice(None), slice(1, None), i),
    lambda i: (i, slice(None), i),
    lambda i: (0, slice(None, None, -1), i),
    lambda i: (..., i),
    lambda i: (i, ...),
    lambda i: (i[:, None], slice(0, 2), i),
    lambda i: (slice(None), i[:, None], i),
    lambda i: (i, i, i),
    lambda i: i[1],
    lambda i: (i, 0.5),
    lambda i: (i, i, i, i),
)


@over("k", range(len(INDICES)))
def test_at_of_arrays_and_slices(k: int) -> None:
    """The axes of the arrays are where NumPy has them."""

    def change(x: np.ndarray, i: np.ndarray) -> None:
        np.add.at(x, INDICES[k](i), np.arange(3.0) if k < 9 else 1)

    for shape in ((3, 3, 3), (3, 4, 3)):
        check(change, values(shape), np.array([0, 2, 0]))


def test_at_of_masks() -> None:
    """Each element that is meant, once."""

    def change(x: np.ndarray) -> None:
        np.multiply.at(x, x > 2, 3)
        np.negative.at(x, x > 4)

    check(change, values((3, 4)))


def test_at_of_unary_ufuncs() -> None:
    """As often as the index comes."""

    def change(x: np.ndarray) -> None:
        np.negative.at(x, [0, 0, 1])
        np.square.at(x, ([2, 2, 2], [1, 1, 0]))
        np.exp.at(x, (0, 0))

    check(change, values((3, 2)))


def test_at_rounds_every_step() -> None:
    """Into the array's own dtype."""

    def change(x: np.ndarray, v: np.ndarray) -> None:
        np.add.at(x, [1, 1], v)
        np.add.at(x, [0], 1.5)

    check(change, np.ones(3, int), np.array([1.5, 2.5]))
    check(change, np.ones(3, "f4"), np.array([1.5, 2.5]) / 3)


ROWS: tuple[tuple[Callable[..., Any], tuple[Any, ...]], ...] = (
    (lambda x: (np.cumsum(x), np.cumsum(x, 0), np.cumsum(x, axis=-1), x.cumsum(), x.cumsum(1)), (values((2, 3)),)),
    (lambda x: (np.cumprod(x), np.cumprod(x, 0), np.cumprod(x, axis=-1), x.cumprod(), x.cumprod(1)), (values((2, 3)),)),
    (lambda x: (np.cumsum(x, dtype="f4"), np.cumprod(x, dtype=int)), (values((2, 3)),)),
    (lambda x, z: (np.cumsum(x, 0, out=z), z, x.cumprod(1, None, z)), (values((2, 3)), np.zeros((2, 3)))),
    (lambda x: (np.cumsum(x), np.cumprod(x)), (values(()),)),
    (lambda x: (np.nancumsum(x), np.nancumprod(x, 1), np.nancumsum(x, axis=0, dtype="f4")),
     (np.array([[1, np.nan, 2], [np.nan, 3, 4]]),)),
    (lambda x: (np.cumulative_sum(x, axis=1), np.cumulative_prod(x, axis=0, include_initial=True),
                np.cumulative_sum(x, axis=0, include_initial=True)), (values((2, 3)),)),
    (lambda x: (np.cumulative_sum(x), np.cumulative_prod(x, include_initial=True)), (values((3,), "i4"),)),
)  # fmt: skip


@over("k", range(len(ROWS)))
def test_running_results(k: int) -> None:
    """Sums and products, over one axis or all elements."""
    function, args = ROWS[k]
    check(function, *args)


@over("dtype", DTYPES, ids=str)
def test_running_results_of_every_dtype(dtype: np.dtype) -> None:
    """Small integers are added in wide ones."""
    check(lambda x: (np.cumsum(x), np.cumprod(x), np.nancumsum(x), np.cumsum(x, dtype=x.dtype)), values((5,), dtype))


def test_every_function_is_tried() -> None:
    """The table calls all that is here."""
    assert functions_called(ROWS) == set(FUNCTIONS)


def test_calls_with_every_keyword() -> None:
    """`where` without `out` leaves the other elements open; `casting`, `dtype`, `signature`, `order`, `subok`."""
    x = values((2, 3))
    done = interpreted(lambda x: np.sqrt(x, where=x > 1))(x)
    np.testing.assert_array_equal(done[x > 1], np.sqrt(x[x > 1]))
    check(lambda x: np.add(x, 1, subok=False, order="F"), x)
    check(
        lambda x: (
            np.add(x, 1, signature="dd->d"),
            np.add(x, 1, dtype="f4"),
            np.add(x, 1, casting="unsafe", dtype=int),
        ),
        x,
    )
    check(lambda x: np.add(x, 1, signature=(None, None, "f4")), x)
    check(lambda x: np.add(x, 1, dtype="f4", casting="safe"), x)
    check(lambda x, z: np.add(x, 1, z), x, np.zeros((2, 3), int))
    check(lambda x, z: np.add(x, 1, z, casting="unsafe"), x, np.zeros((2, 3), int))
    check(lambda x, z, w: (np.divmod(x, 2, z, w), np.modf(x, out=(z, None)), z), x, np.zeros((2, 3)), np.zeros((2, 3)))


def test_errors() -> None:
    """The class and text are NumPy's."""
    x = values((2, 3))
    check_error(lambda x: np.add.accumulate(x, axis=2), x, start="axis 2 is out of bounds for array of dimension 2")
    check_error(lambda x: np.add.accumulate(x, axis=None), x, start="accumulate does not allow multiple axes")
    check_error(lambda x: np.divide.reduce(x, axis=None), x, start="reduction operation 'divide' is not reorderable")
    check_error(
        lambda x: np.subtract.reduce(x, where=x > 1), x, start="reduction operation 'subtract' does not have an"
    )
    check(lambda x: np.add.at(x, 0), x)
    one = values(())
    for axis in (0, -1, 1, None):
        check(lambda x, axis=axis: np.add.accumulate(x, axis=axis), one)
        check(lambda x, axis=axis: np.add.reduceat(x, [0], axis=axis), one)
    check_error(
        lambda x: np.gcd.reduceat(x, [0, 2]), values((2,)), start="index 2 out-of-bounds in gcd.reduceat [0, 2)"
    )
    check_error(lambda x: np.lcm.at(x, x, x), values((4,)), start="ufunc 'lcm' did not contain a loop")
    check_error(lambda x: np.floor.at(x, 1.5), values((4,)) * 1j, start="ufunc 'floor' not supported")
    check_error(lambda x: np.negative.at(x[0], 0), values((4,)), start="first operand must be array")
    check_error(
        lambda x, i: np.add.at(x, i, [1, 2, 3]), values((4,)), np.array([0, 9]), start="index 9 is out of bounds"
    )
    check_error(lambda x: np.add.at(x, (0, 0), [1, 2]), x, start="array is not broadcastable to correct shape")
    with pytest.raises(IndexError):
        compile(lambda x, i: np.add.at(x, i, 1))(values((3,)), np.array([5]))
    with pytest.raises(UnsupportedError, match="a mask and several values"):
        interpreted(lambda x: np.add.at(x, x > 1, [1, 2]))(x)
    with pytest.raises(UnsupportedError, match="another dtype"):
        interpreted(lambda x: np.equal.at(x, [0], 1))(x)
    with pytest.raises(UnsupportedError, match="another dtype"):
        interpreted(lambda x: np.ldexp.reduce(x))(values((3,), "i8"))
    with pytest.raises(UnsupportedError, match="a mask among other indices"):
        interpreted(lambda x: np.add.at(x, (x[0] > 1, 0), 1))(x)


SMOOTH: tuple[tuple[Callable[..., Any], np.ndarray], ...] = (
    (lambda x: np.cumsum(x, axis=1), values((3, 4))),
    (lambda x: np.cumprod(x), values((5,)) - 2),
    (lambda x: np.cumprod(x * np.array([1.0, 0, 1, 0])), values((4,))),
    (lambda x: np.maximum.accumulate(x), np.array([1.0, 3, 2, 5, 4])),
    (lambda x: np.subtract.reduce(x, axis=1), values((3, 4))),
    (lambda x: np.logaddexp.reduce(x, axis=None), values((3, 4))),
    (lambda x: np.fmax.reduce(x), np.array([1.0, 3, np.nan, 2])),
    (lambda x: np.add.reduceat(x, [0, 2, 1]), values((4,))),
    (lambda x: np.multiply.outer(x, x), values((4,))),
    (lambda x: np.hypot.reduce(x, axis=0), values((3, 4))),
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
        assert np.isnan(x[place]) or actual[place] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_gradient_of_at() -> None:
    """Values added to an array at indices get the cotangents of the places where they went."""

    def loss(v: np.ndarray, i: np.ndarray) -> Any:
        z = np.zeros_like(v)
        np.add.at(z, i, v)
        return np.sum(z**2)

    v, i = np.array([1.0, 2, 3]), np.array([0, 0, 2])
    np.testing.assert_allclose(grad(loss)(v, i), [6.0, 6.0, 6.0])
