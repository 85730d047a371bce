"""Indices of every kind, traced, pick what NumPy picks and write where NumPy writes; errors are NumPy's too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.running import check_error, check_traced

import tracegraph as tg

X = np.arange(24.0).reshape(2, 3, 4)
I = np.array([[0, 1], [1, -1]])  # noqa: E741
MASK = np.array([True, False, True])


def reading(index: Callable[[Any], Any]) -> Callable[..., Any]:
    """A function that reads at an index, which may be made of the array, and changes what it got."""

    def function(x: Any) -> Any:
        picked = x[index(x)]
        return picked, picked + 1, x

    return function


def writing(index: Callable[[Any], Any], value: Callable[[Any], Any]) -> Callable[..., Any]:
    def function(x: Any) -> Any:
        x[index(x)] = value(x)
        return x

    return function


INDICES: list[Callable[[Any], Any]] = [
    lambda x: [0, 1],
    lambda x: ([0, -1, 0],),
    lambda x: (slice(None), [0, 2]),
    lambda x: (0, [1, 2]),
    lambda x: (0, slice(None), [1, 2, 3]),
    lambda x: (slice(None), I),
    lambda x: (I, slice(None), I),
    lambda x: (I, I),
    lambda x: (..., I),
    lambda x: (I, ..., 1),
    lambda x: (None, [0], None),
    lambda x: ([0], None, [1, 2]),
    lambda x: (slice(None, None, -1), [2, 0], slice(1, 3)),
    lambda x: np.ix_([0, 1], [2, 0]),
    lambda x: [],
    lambda x: ([], 0),
    lambda x: np.zeros((2, 0), int),
    lambda x: np.array(1),
    lambda x: (np.array(1), 0, np.array(2)),
    lambda x: (np.uint8(1), np.array([2, 0], np.uint64)),
    lambda x: np.int8(-1),
    lambda x: x > 3,
    lambda x: x[:, :, 0] > 3,
    lambda x: (slice(None), x[0] > 5),
    lambda x: (slice(None), MASK, slice(1, None)),
    lambda x: ([True, False], slice(None), [0, 2]),
    lambda x: (0, MASK, [0, 1]),
    lambda x: (MASK[:2], None),
    lambda x: (x[:, 0, 0] > 90, ...),
    lambda x: (slice(None, 0), [0, 0], ..., 0),
    lambda x: (0, ..., [0, 1], [0, 1]),
    lambda x: True,
    lambda x: np.False_,
    lambda x: np.array(True),
    lambda x: (..., True),
    lambda x: (x > 1).nonzero(),
    lambda x: x[:, 0, 0].argmax(),
    lambda x: (x[:, 0, 0].argmax(), slice(1, None)),
    lambda x: (x[:, 0, 0].argmax(), 1, None, slice(None, None, 2)),
    lambda x: (x[:, 0, 0].argmax(), 1, x[0, 0].argmin()),
    lambda x: (x[:, 0, 0].argmin(), ..., [1, 1]),
    lambda x: x[:, 0, 0].astype(int) % 2,
    lambda x: (x[0, 0].astype(np.int8) % 2, slice(None), x[1, 1].astype(np.uint16) % 4),
]


@pytest.mark.parametrize("index", INDICES)
def test_reading(index: Callable[[Any], Any]) -> None:
    """Values, shapes, dtypes, and whether it is a number, a view or a copy."""
    check_traced(reading(index), X.copy())
    check_traced(reading(index), X.astype(np.int16))


@pytest.mark.parametrize("index", INDICES)
def test_writing(index: Callable[[Any], Any]) -> None:
    """One value for all, one for each, what broadcasts, and the array's own elements."""
    check_traced(writing(index, lambda x: -1), X.copy())
    check_traced(writing(index, lambda x: x[index(x)] * 2 + 1), X.copy())
    check_traced(writing(index, lambda x: x[index(x)][..., :1] if np.ndim(x[index(x)]) else 0), X.copy())
    check_traced(writing(index, lambda x: np.arange(4)), X.copy())
    check_traced(writing(index, lambda x: np.ones((1, 1, 1))), X.copy())
    check_traced(writing(index, lambda x: np.ones(5)), X.copy())


@pytest.mark.parametrize("native", [False, True])
def test_writing_through_views(native: bool) -> None:
    """An advanced index of a view writes to the array; a traced integer gives a view, whatever it is combined with."""

    def function(x: Any) -> Any:
        seen = x.T[1:, ::-1]
        seen[[0, 1], 0] = -1
        seen[seen > 15] = 0
        i = x[:, 0, 0].argmin()
        row = x[i]
        row[1] = 8
        column = x[i, 1:, None]
        column += 100
        x[i, 0, 0] += 5
        return x, row, column, seen

    check_traced(function, X.copy(), native=native)


def test_the_last_of_equal_indices_counts() -> None:
    """Also in the derivative: only the value that stayed has one."""

    def function(x: Any, v: Any) -> Any:
        x[[0, 1, 0]] = v
        x[[2, 2]] += 1
        return x

    x, v = np.arange(4.0), np.array([5.0, 6.0, 7.0])
    check_traced(function, x, v, native=True)
    by_x, by_v = tg.grad(lambda x, v: np.sum(function(x.copy(), v) * np.arange(1.0, 5)), argnums=(0, 1))(x, v)
    assert by_x.tolist() == [0, 0, 3, 4]
    assert by_v.tolist() == [0, 2, 1]


ERRORS: list[tuple[Callable[[Any], Any], str]] = [
    (lambda x: x[[5]], "index 5 is out of bounds for axis 0 with size 2"),
    (lambda x: x[:, [0, -4]], "index -4 is out of bounds for axis 1 with size 3"),
    (lambda x: x[np.array(7)], "index 7 is out of bounds for axis 0 with size 2"),
    (lambda x: x[0, [[0, 9]]], "index 9 is out of bounds for axis 1 with size 3"),
    (lambda x: x[:0][[0]], "index 0 is out of bounds for axis 0 with size 0"),
    (lambda x: x[[0, 1], [0, 1, 2]], "shape mismatch: indexing arrays could not be broadcast together with shapes (2,)"),
    (lambda x: x[np.ones(4, bool)], "boolean index did not match indexed array along axis 0; size of axis is 2 but size of"),
    (lambda x: x[x[0] > 1], "boolean index did not match indexed array along axis 0; size of axis is 2 but size of "),
    (lambda x: x[x > 1, 0], "too many indices for array: array is 3-dimensional, but 4 were indexed"),
    (lambda x: x[[1.5]], "only integers, slices"),
    (lambda x: x[x], "arrays used as indices must be of integer (or boolean) type"),
    (lambda x: x[x[0, 0, 0]], "only integers, slices"),
    (lambda x: x[[slice(1)]], "only integers, slices"),
    (lambda x: x[..., [0], ...], "an index can only have a single ellipsis"),
    (lambda x: x[x[0].astype(int)], "index 2 is out of bounds for axis 0 with size 2"),
    (lambda x: x[0, :, -x[0, 1].astype(int)], "index -5 is out of bounds for axis 2 with size 4"),
    (lambda x: x.take([0, 99]), "index 99 is out of bounds for axis 0 with size 24"),
]  # fmt: skip


@pytest.mark.parametrize(("function", "start"), ERRORS)
def test_errors_of_reading(function: Callable[[Any], Any], start: str) -> None:
    """NumPy's class and text, known at once or found while kernels run."""
    check_error(function, X.copy(), start=start)


@pytest.mark.parametrize(
    ("index", "value", "start"),
    [
        (lambda x: [0, 1], np.ones(3), "shape mismatch: value array of shape (3,) could not be broadcast"),
        (lambda x: x[:, :, 0] < 0, np.ones((0, 5)), "shape mismatch: value array of shape"),
        (lambda x: x > 5, np.ones(3), "NumPy boolean array indexing assignment cannot assign 3 input values"),
        (lambda x: x > 5, np.ones((2, 9)), "NumPy boolean array indexing assignment requires a 0 or 1-dimensional input"),
        (lambda x: x[:, 0, 0].astype(int), 1, "index 12 is out of bounds for axis 0 with size 2"),
    ],
)  # fmt: skip
def test_errors_of_writing(index: Callable[[Any], Any], value: Any, start: str) -> None:
    """A value that does not fit, an index that is not there."""
    function = writing(index, lambda x: value)
    given, eager = X.copy(), X.copy()
    with pytest.raises((IndexError, ValueError, TypeError)) as expected:
        function(eager)
    with pytest.raises(expected.type) as caught:
        tg.compile(function)(given)
    assert str(expected.value).startswith(start)
    assert str(caught.value).startswith(start)
    assert np.array_equal(given, X)


def test_an_index_out_of_bounds_is_found_at_any_call() -> None:
    """Kernels read nothing outside; the call raises, names the line, and the next one is as good as any."""

    @tg.compile
    def function(x: Any, i: Any) -> Any:
        return np.exp(x[i]) + 1

    x, i = np.arange(5.0), np.array([0, -5, 4])
    for _ in range(2):
        assert np.array_equal(function(x, i), np.exp(x[i]) + 1)
        with pytest.raises(
            IndexError, match=r"^index 5 is out of bounds for axis 0 with size 5\n  at .*test_indexing.py"
        ):
            function(x, i + 1)


def test_a_mask_written_without_its_count_makes_one_graph() -> None:
    """However many elements it selects."""

    @tg.compile
    def function(x: Any) -> Any:
        x = x.copy()
        x[x > 0] = 0
        x[x < -1] *= 2 if x.ndim == 2 else 1
        return x

    for seed in range(5):
        x = np.random.default_rng(seed).normal(size=9)
        function(x)
    assert np.array_equal(function(x), np.minimum(x, 0))


# -- any index ---------------------------------------------------------------------------------------------------------


@st.composite
def indices(draw: st.DrawFn, shape: tuple[int, ...]) -> tuple[Any, ...]:
    """Items of every kind, for some axes; some arrays have extents that do not fit together."""
    common = draw(st.sampled_from([(2,), (3, 1), (), (0,), (1, 2)]))
    items: list[Any] = []
    axis = 0
    while axis < len(shape) and draw(st.integers(0, 9)):
        n = shape[axis]
        kind = draw(st.sampled_from(["slice", "integer", "array", "list", "mask", "none", "wide"]))
        if kind == "slice":
            parts = [draw(st.none() | st.integers(-n - 1, n + 1)) for _ in range(2)]
            items.append(slice(*parts, draw(st.sampled_from([None, 1, 2, -1, -2]))))
        elif kind == "integer":
            items.append(draw(st.integers(-n, n - 1)))
        elif kind == "array":
            size = int(np.prod(common))
            values = draw(st.lists(st.integers(-n, n - 1), min_size=size, max_size=size))
            items.append(np.array(values, draw(st.sampled_from(["i8", "i4", "i2"]))).reshape(common))
        elif kind == "list":
            items.append(draw(st.lists(st.integers(-n, n - 1), min_size=0, max_size=2)))
        elif kind == "mask":
            items.append(np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool))
        elif kind == "wide" and axis + 1 < len(shape):
            size = n * shape[axis + 1]
            items.append(
                np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)), bool).reshape(shape[axis:][:2])
            )
            axis += 1
        else:
            items.append(None)
            continue
        axis += 1
    if draw(st.booleans()):
        items.insert(draw(st.integers(0, len(items))), ...)
    return tuple(items)


@settings(max_examples=300, deadline=None)
@given(indices(X.shape), st.sampled_from([(), (1,), (2,), (4,), (3, 1), (2, 1, 4)]), st.booleans())
def test_any_index(index: tuple[Any, ...], shape: tuple[int, ...], as_arguments: bool) -> None:
    """Read and written, its arrays known or given as arguments: as NumPy has it, errors included."""
    value = np.arange(np.prod(shape)).reshape(shape) + 100.0
    arrays = [item for item in index if isinstance(item, np.ndarray)] if as_arguments else []

    def used(given: Any) -> Any:
        rest = iter(given)
        return tuple(next(rest) if as_arguments and isinstance(item, np.ndarray) else item for item in index)

    def reads(x: Any, given: Any) -> Any:
        return x[used(given)]

    def writes(x: Any, given: Any) -> Any:
        x[used(given)] = value
        return x

    check_traced(reads, X.copy(), arrays)
    check_traced(writes, X.copy(), arrays)
