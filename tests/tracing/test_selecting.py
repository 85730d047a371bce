"""take, put, masks and their kin, traced, do what NumPy does: values, shapes, dtypes, errors, derivatives."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced

import tracegraph as tg

X = np.arange(24.0).reshape(2, 3, 4) % 7
V = np.array([3.0, 1.0, 2.0, 3.0, 1.0])
K = np.array([[0, 2, -1], [1, 1, 0]])


def changing(change: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that changes its argument, and gives it back."""

    def function(x: Any) -> Any:
        return change(x), x

    return function


READING: list[Callable[[Any], Any]] = [
    lambda x: np.take(x, [0, 5, -1]),
    lambda x: np.take(x, 3),
    lambda x: x.take([[0, 1], [1, 0]], axis=1),
    lambda x: x.take(K, axis=2),
    lambda x: x.take([0, 9, -9], axis=1, mode="clip"),
    lambda x: np.take(x, [0, 9, -8], axis=-1, mode="wrap"),
    lambda x: np.take(x, x[0, 0].astype(np.int32)),
    lambda x: np.take(x, [], axis=0),
    lambda x: np.take(x[0, 0, 0], [0, 0]),
    lambda x: np.take(x, [True, False]),
    lambda x: np.take(x, [0.5, 2.5]),
    lambda x: np.take(x, x[0].astype(np.uint64)),
    lambda x: np.take_along_axis(x, np.argsort(-x, axis=1), axis=1),
    lambda x: np.take_along_axis(x, np.argmax(x, axis=-1)[..., None], -1),
    lambda x: np.take_along_axis(x, np.array([3, -1]), None),
    lambda x: np.take_along_axis(x, np.array([[[0], [2]]]), 1),
    lambda x: np.choose(x.astype(int) % 3, [x, -x, 0]),
    lambda x: np.choose([0, 1, 1, 0], [x, np.arange(4)]),
    lambda x: np.choose(x.astype(int) - 2, (x, 1.5, -x), mode="clip"),
    lambda x: (x.astype(int) - 9).choose((x, 1), mode="wrap"),
    lambda x: np.select([x > 4, x > 2], [x, -x], 7),
    lambda x: np.select([x > 4], [x]),
    lambda x: np.compress([True, False, True], x, axis=1),
    lambda x: x.compress(x[0, 0] > 1, axis=2),
    lambda x: np.compress([0, 1], x),
    lambda x: np.extract(x > 4, x),
    lambda x: np.extract(x[0] > 2, np.arange(12)),
    lambda x: np.nonzero(x > 4),
    lambda x: (x > 4).nonzero(),
    lambda x: np.nonzero(x),
    lambda x: np.argwhere(x > 4),
    lambda x: np.flatnonzero(x - 1),
    lambda x: np.where(x > 4),
    lambda x: np.where(x[0, 0] > 99),
    lambda x: x[np.where(x > 4)] + 1,
    lambda x: np.diagonal(x),
    lambda x: x.diagonal(1, 1, 2),
    lambda x: np.diag(x[0, 0]),
    lambda x: np.diag(x[0, 0], -2),
    lambda x: np.diag(x[0], 1),
    lambda x: np.diagflat(x[0], 1),
    lambda x: np.trace(x),
    lambda x: np.tril(x),
    lambda x: np.triu(x, 1),
    lambda x: np.tril(x[0], -1),
    lambda x: np.repeat(x, 2, axis=1),
    lambda x: np.repeat(x, [1, 0, 2], axis=1),
    lambda x: np.repeat(x, 3),
    lambda x: np.repeat(x, 0, axis=0),
    lambda x: x.repeat([2, 3], 0),
    lambda x: np.repeat(x[0, 0], x[0, 0].astype(int)),
    lambda x: np.unique(x),
    lambda x: np.unique(x, return_index=True, return_inverse=True, return_counts=True),
    lambda x: np.unique(x[0, 0], return_inverse=True),
    lambda x: np.unique(x // 3, axis=1),
    lambda x: np.unique(x[:, :, 0] // 3, axis=0, return_index=True, return_inverse=True, return_counts=True),
    lambda x: np.unique(np.where(x > 4, np.nan, x), return_counts=True),
    lambda x: np.unique(x[:0], return_counts=True),
    lambda x: np.unravel_index(np.argmax(x), x.shape),
    lambda x: np.unravel_index(x[0].astype(int), (4, 5)),
    lambda x: np.unravel_index(x[0].astype(int), (4, 5), order="F"),
    lambda x: np.ravel_multi_index((x[0].astype(int) % 2, x[1].astype(int) % 3), (2, 3)),
    lambda x: np.ravel_multi_index((x[0].astype(int), x[1].astype(int)), (2, 3), mode=("clip", "wrap"), order="F"),
    lambda x: np.ix_(x[0, 0] > 1, [1, 2]),
    lambda x: x[np.ix_(x[:, 0, 0] >= 0, x[0, :, 0] > 1, [0, -1])],
]


@pytest.mark.parametrize("function", READING)
def test_reading(function: Callable[[Any], Any]) -> None:
    """Of floats and of integers."""
    check_traced(function, X)
    check_traced(function, X.astype(np.int32))


def _outs(x: Any) -> Any:
    out = np.zeros((2, 2), x.dtype)
    np.take(x, [[0, 1], [5, 6]], out=out)
    return out


WRITING: list[Callable[[Any], Any]] = [
    lambda x: np.put(x, [0, 5, -1], [1, 2]),
    lambda x: x.put([0, 50, -30], 3, mode="wrap"),
    lambda x: np.put(x, [0, 0], [8, 9]),
    lambda x: np.put(x, x[0, 0].astype(int), x[1, 1], mode="clip"),
    lambda x: np.put(x, [], 1),
    lambda x: np.put(x.T, [1, 2], -1),
    lambda x: np.place(x, x > 4, [1, 2, 3]),
    lambda x: np.place(x, x > 4, 9),
    lambda x: np.place(x, x > 99, []),
    lambda x: np.putmask(x, x > 4, [1, 2, 3]),
    lambda x: np.putmask(x, x > 4, -x),
    lambda x: np.copyto(x, 0, where=x > 4),
    lambda x: np.copyto(x[0], [1, 2, 3, 4], where=x[1] > 2),
    lambda x: np.put_along_axis(x, np.argmax(x, axis=1)[:, None], 99, axis=1),
    lambda x: np.put_along_axis(x, np.argsort(x, axis=-1), np.arange(4), -1),
    lambda x: np.put_along_axis(x, np.array([0, 7]), [5, 6], None),
    lambda x: np.fill_diagonal(x[0], [8, 9]),
    lambda x: np.fill_diagonal(x[1].T, 5, wrap=True),
    lambda x: np.fill_diagonal(x[:, :2, :2], 5),
    _outs,
]


@pytest.mark.parametrize("change", WRITING)
def test_writing(change: Callable[[Any], Any]) -> None:
    """Into arrays and views, of floats and of integers."""
    check_traced(changing(change), X.copy())
    check_traced(changing(change), X.astype(np.int16))


@pytest.mark.parametrize(
    ("function", "start"),
    [
        (lambda x: np.take(x, [99]), "index 99 is out of bounds for axis 0 with size 24"),
        (lambda x: np.take(x, x.astype(int), axis=1), "index 3 is out of bounds for axis 1 with size 3"),
        (lambda x: np.take(x, x), "Cannot cast array data from dtype('float64') to dtype('int64') according to the rule"),
        (lambda x: np.put(x, x, 1), "Cannot cast array data from dtype('float64') to dtype('int64') according to the rule"),
        (lambda x: np.take(x[:0], [0]), "cannot do a non-empty take from an empty axes."),
        (lambda x: x.take([0], mode="nowhere"), "clipmode must be one of 'clip', 'raise', or 'wrap' (got 'nowhere')"),
        (lambda x: np.choose(x.astype(int), [1, 2]), "invalid entry in choice array"),
        (lambda x: np.compress(x > 1, x), "condition must be a 1-d array"),
        (lambda x: np.nonzero(x[0, 0, 0]), "Calling nonzero on 0d arrays is not allowed."),
        (lambda x: np.where(x, x), "either both or neither of x and y should be given"),
        (lambda x: np.place(x, x >= 0, []), "Cannot insert from an empty array!"),
        (lambda x: np.putmask(x, x[0] > 1, 1), "putmask: mask and data must be the same size"),
        (lambda x: np.take_along_axis(x, np.array([0]), 0), "`indices` and `arr` must have the same number of dimensions"),
        (lambda x: np.take_along_axis(x, x, 0), "`indices` must be an integer array"),
        (lambda x: np.take_along_axis(x, x.astype(int), 0), "index 2 is out of bounds for axis 0 with size 2"),
        (lambda x: np.ravel_multi_index((x.astype(int), x.astype(int)), (2, 3)), "invalid entry in coordinates array"),
        (lambda x: np.fill_diagonal(x[0, 0], 1), "array must be at least 2-d"),
        (lambda x: np.diag(x), "Input must be 1- or 2-d."),
    ],
)  # fmt: skip
def test_errors(function: Callable[[Any], Any], start: str) -> None:
    """NumPy's class and text."""
    check_error(function, X.copy(), start=start)


def test_an_index_that_only_values_rule_out() -> None:
    """Where indices are data, what is out of range is found when they are there."""
    run = tg.compile(lambda at: np.unravel_index(at, (2, 3)))
    assert [each.tolist() for each in run(np.array([0, 5]))] == [[0, 1], [0, 2]]
    with pytest.raises(ValueError, match="out of bounds for array with size 6"):
        run(np.array([0, 6]))
    best = tg.compile(lambda x: np.unravel_index(np.argmax(x), x.shape))
    assert best(X) == np.unravel_index(np.argmax(X), X.shape)
    assert len(best.graph(X).outputs) == 3
    choose = tg.compile(lambda at, x: np.choose(at, [x, -x]))
    assert choose(np.array([0, 1]), np.array([4.0, 5.0])).tolist() == [4, -5]
    with pytest.raises(ValueError, match="invalid entry in choice array"):
        choose(np.array([0, 2]), np.array([4.0, 5.0]))


@pytest.mark.parametrize(
    "function",
    [
        lambda x: np.take(x, [0, 2, 2]),
        lambda x: x[x > 1.5],
        lambda x: np.diag(x) @ x,
        lambda x: np.repeat(x, [2, 0, 1, 3, 1]) * np.arange(7),
        lambda x: np.take_along_axis(x, np.argsort(x), 0) * np.arange(5),
        lambda x: np.compress(x < 2.5, x) ** 2,
        lambda x: np.choose(np.arange(5) % 2, [x, x * x]),
        lambda x: np.sort(x)[::-1][[0, 1]],
    ],
)
def test_derivatives(function: Callable[[Any], Any]) -> None:
    """Against finite differences; what masks and indices are made of has no part in it."""
    x = V + np.array([0.0, 0.1, 0.2, 0.3, 0.4])

    def scalar(x: Any) -> Any:
        return np.sum(np.sin(function(x)))

    steps = 1e-6 * np.eye(5)
    expected = [(scalar(x + step) - scalar(x - step)) / 2e-6 for step in steps]
    assert tg.grad(scalar)(x) == pytest.approx(np.array(expected), abs=1e-7)


def _escape(z: Any, c: Any) -> Any:
    n = np.zeros(z.shape, int)
    for k in range(4):
        inside = abs(z) < 2
        n[inside] = k
        z[inside] = z[inside] ** 2 + c[inside]
        z[inside] -= 0.25 * c[inside]
    return z, n


def _several(z: Any, c: Any) -> Any:
    m = z > 0
    m[m] = c[m] < 1
    part = z[m]
    same = part
    part *= 2
    part += same
    z[m] = np.maximum(np.sqrt(part), 1)
    c[m] /= z[m] * z.dtype.type(3)
    z[m] += c.sum()
    return z, c


def _rows(z: Any, c: Any) -> Any:
    square = np.outer(z, c)
    square[z > 0] *= -2
    square[square < 0] += z[0]
    square[1:][z[1:] < 0] *= 2
    return (square,)


def _twice(z: Any, c: Any) -> Any:
    """The same mask, each time worked out anew."""
    z[(z > 0) & ~(c < 0.5)] = np.sqrt(z[(z > 0) & ~(c < 0.5)]) + c[(z > 0) & ~(c < 0.5)]
    z[~(z > 1)] **= 3
    return (z,)


@pytest.mark.parametrize("function", [_escape, _several, _rows, _twice])
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_what_one_mask_selects_needs_no_count(function: Callable[..., Any], dtype: str) -> None:
    """Both sides are worked out for all elements: one graph, however many the mask selects."""
    rng = np.random.default_rng(0)
    compiled = tg.compile(function)
    for _ in range(3):
        z, c = rng.normal(size=(2, 20)).astype(dtype)
        given = z.copy(), c.copy()
        expected, actual = function(z, c), compiled(*given)
        assert np.allclose([z, c], given, rtol=1e-5)
        for want, have in zip(expected, actual, strict=True):
            assert want.dtype == have.dtype
            assert np.allclose(want, have, rtol=1e-5)
    assert not any(node.op.name in ("gather", "nonzero") for node in compiled.graph(z, c).nodes)


def _mixed(z: Any, c: Any) -> Any:
    m = z > 0
    part = z[m] + 1
    other = part * 2
    other[0] = 7
    part -= other.mean()
    view = part[1:]
    part *= 2
    c[m] = part
    z[:] = 0
    return (
        part,
        other,
        view,
        part.shape,
        c[m] * np.arange(len(part)),
        c[z == 0] + z[z == 0],
        np.sum(c[m] > 0),
        z[m] + c[m],
    )


def _changed_between(z: Any) -> Any:
    """The same words, but not the same mask."""
    part = z[z > 0]
    z *= -1
    part = part[:1] + z[z > 0]
    z[z > 0] = part
    z[z > -1] = 7 * z[z > -1]
    return z


def test_what_a_mask_selects_is_an_array_to_anyone_who_asks() -> None:
    """Its shape, its elements, its views, other functions of it."""
    z, c = np.random.default_rng(1).normal(size=(2, 9))
    check_traced(_mixed, z.copy(), c.copy())
    check_traced(lambda z, c: z[z > 0] + z[c > 0], np.array([1.0, -1.0]), np.array([-1.0, 1.0]))
    check_traced(lambda z, c: z[z > 0] + z[c > 0], np.array([1.0, 1.0, 2.0]), np.array([-1.0, 1.0, 1.0]))
    check_traced(_changed_between, np.array([-1.0, 2.0, 3.0]))
    check_traced(lambda z: np.power(z[z > 1], z[z > 1]), np.array([-1, 2, 3]))
    check_traced(lambda z: np.exp(z[z > 0], dtype="f4"), np.array([-1, 2, 3], "f4"))
    check_traced(lambda z: (z[z > 0] * [1, 2], [1, 2] + z[z > 0]), np.array([-1.0, 2.0, 3.0]))


REDUCED: list[Callable[..., Any]] = [
    lambda x, m: np.sum(x[m] * 2),
    lambda x, m: x[m].sum(axis=0),
    lambda x, m: np.sum(x[m], dtype="c16"),
    lambda x, m: np.prod(x[m]),
    lambda x, m: x[m].mean(),
    lambda x, m: np.var(x[m], ddof=1),
    lambda x, m: x[m].std(),
    lambda x, m: np.max(x[m], axis=0),
    lambda x, m: x[m].min(),
    lambda x, m: np.any(x[m] > 1),
    lambda x, m: (x[m] != 0).all(),
    lambda x, m: np.count_nonzero(x[m]),
]


@pytest.mark.parametrize("function", REDUCED)
@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "u1", "?", "c16"])
def test_reductions_of_what_a_mask_selects_need_no_count(function: Callable[..., Any], dtype: str) -> None:
    """Nor an array of it, but for the extremes of complex numbers."""
    rng = np.random.default_rng(2)
    x = (rng.normal(size=(6, 5)) * 3).astype(dtype)
    for m in (rng.random(x.shape) < 0.4, rng.random(6) < 0.4):
        check_traced(function, x, m, slack=100)
        nodes = tg.compile(function).graph(x, m).nodes
        assert dtype == "c16" or not any(node.op.name in ("gather", "nonzero") for node in nodes)


def test_reductions_of_nothing_that_a_mask_selects() -> None:
    x = np.array([1.0, 2.0])
    check_traced(lambda x: (x[x > 5].sum(), np.prod(x[x > 5]), np.any(x[x > 5]), np.all(x[x > 5])), x)
    check_error(
        lambda x: np.max(x[x > 5]), x, start="zero-size array to reduction operation maximum which has no identity"
    )
    check_error(
        lambda x: x[x > 5].min(), x, start="zero-size array to reduction operation minimum which has no identity"
    )


def test_other_reductions_of_what_a_mask_selects() -> None:
    x = np.random.default_rng(3).normal(size=(6, 5))
    check_traced(lambda x: (x[x > 0].sum(keepdims=True), np.max(x[x > 0], initial=5), np.argmax(x[x > 0])), x)
    check_traced(lambda x: (x[x[:, 0] > 0].sum(axis=1), x[x[:, 0] > 0].max(axis=(0, 1))), x)
    assert np.allclose(tg.grad(lambda x: np.sum(np.log(x[x > 0])))(x), np.where(x > 0, 1 / x, 0))


def test_no_derivative_comes_from_what_a_mask_leaves_out() -> None:
    """Where a function has none there, or an infinite one; of numbers too."""

    def function(x: Any, a: Any, b: Any) -> Any:
        y = np.zeros_like(x)
        m = x > 1
        y[m] = a * np.arccosh(x[m])
        y[m] = a * np.log(x[m] - 1) * b
        return y.sum()

    x = np.array([0.5, 1.0, 2.0, 3.0, -1.0])
    by_x, by_a, by_b = tg.grad(function, argnums=(0, 1, 2))(x, np.float64(2), 3.0)
    assert by_x.tolist() == [0, 0, 6, 3, 0]
    assert by_a == pytest.approx(3 * np.log(2))
    assert by_b == pytest.approx(2 * np.log(2))


def test_native() -> None:
    """The same through kernels."""

    def function(x: Any, k: Any) -> Any:
        y = x * 2
        y[k[0]] = x[k[1]] + 1
        y[:, x[0, :, 0] > 0] += 1
        np.add.at(y, (slice(None), k[0]), x[:, [0, 1, 2]])
        y[y > 9] *= 0.5
        np.put(y, k, x[0, 0, 0])
        return (
            y,
            np.take(y, k, axis=2),
            y[y < 3],
            np.nonzero(y),
            np.unique(y),
            np.take_along_axis(y, np.argsort(y, 1), 1),
        )

    check_traced(function, X[:, :3, :3].copy(), np.array([[0, 1, -1], [1, 0, 0]]), native=True)
    check_traced(lambda x, k: x[k] @ x[k].T, X[0], K[0] % 3, native=True)
    check_traced(lambda x, k: (np.sum(x[k], axis=0), np.sum(x[k][:, k], axis=-1)), X[0, :, :3].copy(), K, native=True)
