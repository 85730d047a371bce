"""What a function writes into, and who sees it: views and views of views, both ways; arguments; what cannot be written."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided
from support.running import check_error, check_traced, interpreted

import tracegraph as tg
from tracegraph.errors import TraceError, UnsupportedError

A, V, B = np.arange(12.0).reshape(3, 4), np.arange(4.0), np.array([True, False, True, True])


def through_views(x):
    rows = x[::2]
    corner = rows.T[1:3]
    corner[0] = -1
    flat = rows[0].reshape(2, 2)
    flat[1] += 10
    x *= 2
    return x, rows, corner, flat


def views_see_later_writes(x):
    view = x[1:, ::-1]
    twin = view
    x[...] = 7
    x[2, 3] = 1
    return view, twin + 0, np.sum(view)


def a_copy_is_apart(x):
    copy, sliced = x.copy(), x[0].copy()
    x += 100
    copy[0] = 5
    return copy, sliced, x


def values_are_taken_at_once(x):
    total = np.sum(x)
    doubled = x * 2
    x[...] = 0
    return total, doubled, x


def names_are_bound_anew(x):
    before = x
    x = x + 1
    x += 1
    return before, x


def reshape_of_a_transpose_is_a_copy(x):
    flat = x.T.reshape(-1)
    flat[:] = 0
    return x, flat


def reshape_of_a_slice_is_a_copy_or_view(x):
    copied, seen = x[:, :2].reshape(-1), x[:2].reshape(-1)
    copied[:] = -1
    seen[:] = -2
    return x


def ravel_is_a_view_of_whole_rows_only(x):
    x[0].ravel()[:] = 1
    x[:, 0].ravel()[:] = 2
    x[:, 1].reshape(-1)[:] = 3
    return x


def flatten_is_a_copy(x):
    x.flatten()[:] = 0
    return x


def overlap_forward(x):
    x[1:] = x[:-1]
    return x


def overlap_backward(x):
    x[:] = x[::-1]
    return x


def overlap_in_ufunc(x):
    np.add(x[1:], x[:-1], out=x[:-1])
    x += x.T if x.ndim == 1 else x[0]
    return x


def all_axes_functions_give_views(x):
    np.transpose(x)[0] = 1
    np.swapaxes(x, 0, 1)[1] = 2
    np.moveaxis(x, 0, 1)[2] = 3
    np.expand_dims(x, 0)[0, 0] = 4
    np.squeeze(x[None])[1, 1:] = 5
    np.flip(x, 1)[2, :2] = 6
    np.atleast_3d(x)[0, 0, 0] = 7
    np.split(x, 2, axis=1)[1][1] = 8
    return x


def fills(x):
    x.fill(3)
    np.copyto(x[1], 4)
    np.copyto(x[2], x[0] + 1, where=x[0] > 0)
    return x


def made_inside(x):
    out = np.zeros_like(x)
    for i in range(x.shape[0]):
        out[i] = x[i] * i
    return out


def augmented_items(x):
    x[0] += 1
    x[:, 1] *= 2
    x[1, 2] -= 3
    x[..., -1] /= 4
    x[2:] **= 2
    return x


def numbers_from_arrays_are_apart(x):
    number = x[0, 0]
    x[0, 0] = 99
    number += 1
    return number, x


def zero_d_views_are_not(x):
    view = x[0, 0, ...]
    x[0, 0] = 99
    view += 1
    return view, x


def iterated_rows_are_views(x):
    for row in x:
        row[0] = -row[1]
    first, *_ = x
    first += 1
    return x


FUNCTIONS: tuple[Callable[..., Any], ...] = (
    through_views, views_see_later_writes, a_copy_is_apart, values_are_taken_at_once, names_are_bound_anew,
    reshape_of_a_transpose_is_a_copy, reshape_of_a_slice_is_a_copy_or_view, ravel_is_a_view_of_whole_rows_only,
    flatten_is_a_copy, overlap_forward, overlap_backward, overlap_in_ufunc, all_axes_functions_give_views, fills,
    made_inside,
    augmented_items, numbers_from_arrays_are_apart, zero_d_views_are_not, iterated_rows_are_views,
)  # fmt: skip


@pytest.mark.parametrize("native", [False, True], ids=["interpreted", "native"])
@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_writes_are_numpys(function: Callable[..., Any], native: bool) -> None:
    """Results and argument are what they are eagerly."""
    check_traced(function, A.copy(), native=native)


ASSIGNED: tuple[tuple[Any, Any], ...] = (
    (np.s_[...], V), (np.s_[:], 1), (np.s_[0], V), (np.s_[:, 0], 5.5), (np.s_[1, 2], True), (np.s_[::2, ::-1], V),
    (np.s_[:, None], A[:, None]), (np.s_[0], A[:1]), (np.s_[:0], V), (np.s_[-1, ...], [1, 2, 3, 4]), (np.s_[1:], B),
    (np.s_[0, 0], np.float32(3)), (np.s_[..., 1:3], np.ones((3, 2), "i4")), (np.s_[()], 2), (np.s_[0, 0, ...], 4),
    (np.s_[2, 1], np.array(6)),
)  # fmt: skip


@pytest.mark.parametrize("dtype", ["f8", "f4", "i4", "?"])
@pytest.mark.parametrize("k", range(len(ASSIGNED)))
def test_assignments(k: int, dtype: str) -> None:
    """Values are broadcast, and cast to the array's dtype whatever theirs; they are traced, or the function's own."""
    index, value = ASSIGNED[k]

    def own(x):
        x[index] = value

    def given(x, v):
        x[index] = v

    check_traced(own, A.astype(dtype))
    if isinstance(value, (np.ndarray, int, float)):
        check_traced(given, A.astype(dtype), value)


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "//=", "%="])
def test_zero_d_arrays_change_and_numbers_do_not(symbol: str) -> None:
    """A 0-d array is written in place; NumPy's and Python's numbers are bound anew."""
    scope: dict[str, Any] = {}
    exec(f"def function(x):\n    y = x\n    y {symbol} 2.0\n    return x, y", scope)
    for x in (np.array(3.0), np.float64(3.0), 3.0):
        check_traced(scope["function"], x)


def test_several_arguments_are_changed() -> None:
    """Each that was written into; the others keep their contents, and their identity."""

    def swap(x, y, z):
        kept = x.copy()
        x[...] = y
        y[...] = kept
        return np.sum(z)

    x, y, z = A.copy(), A * 2, A.copy()
    interpreted(swap)(x, y, z)
    np.testing.assert_array_equal(x, A * 2)
    np.testing.assert_array_equal(y, A)
    check_traced(swap, A.copy(), A * 2, A)
    check_traced(lambda d: d["x"].fill(d["y"][0]), {"x": A.copy(), "y": V + 3})


WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda x: np.broadcast_to(x[0], (2, 4)).__setitem__(0, 1), "assignment destination is read-only"),
    (lambda x: np.add(x, 1, out=np.broadcast_to(x[0], (3, 4))), "output array is read-only"),
    (lambda x: x.__setitem__(0, np.ones(3)), "could not broadcast input array from shape (3,) into shape (4,)"),
    (
        lambda x: x.__setitem__(slice(1, 2), np.ones((2, 4))),
        "could not broadcast input array from shape (2,4) into shape (1,4)",
    ),
    (lambda x: x.__setitem__((3, 0), 1), "index 3 is out of bounds for axis 0 with size 3"),
    (lambda x: x.__setitem__((0, 0, 0), 1), "too many indices for array"),
    (lambda x: x[0, 0].__setitem__((), 1), "'numpy.float64' object has no attribute '__setitem__'"),
)


@pytest.mark.parametrize("k", range(len(WRONG)))
def test_errors_are_numpys(k: int) -> None:
    """What NumPy refuses to write is refused with its words."""
    function, start = WRONG[k]
    if "__setitem__'" in start:
        with pytest.raises(TypeError, match="'float64' object does not support item assignment"):
            interpreted(function)(A.copy())
    else:
        check_error(function, A.copy(), start=start)


OUTSIDE = np.zeros(3)


def test_assignment_into_an_array_from_outside_is_refused() -> None:
    """NumPy cannot hold what is not known yet; the text says what to write instead."""

    def fill(x):
        out = OUTSIDE
        out[0] = x
        return out

    text = r"written into a NumPy array made outside the trace; use np\.zeros_like"
    with pytest.raises(UnsupportedError, match=text) as caught:
        interpreted(fill)(1.0)
    assert str(caught.value).endswith(f"at {__file__}:{fill.__code__.co_firstlineno + 2} in fill")
    with pytest.raises(UnsupportedError, match=text):
        interpreted(lambda x: np.copyto(OUTSIDE, x))(V[:3])


def test_arrays_changed_during_the_trace_are_refused() -> None:
    """The graph holds an array by reference: once it has met a traced value it must stay as it is."""
    own = np.zeros(3)

    def changes_between(x):
        y = x + own
        own[0] += 1
        return y * own

    def changes_at_the_end(x):
        y = x + own
        own[1] += 1
        return y

    def changes_before(x):
        own[2] += 1
        return x + own

    for function in (changes_between, changes_at_the_end):
        with pytest.raises(TraceError, match="was changed in place after a traced value had been computed from it"):
            interpreted(function)(np.ones(3))
    np.testing.assert_array_equal(interpreted(changes_before)(np.ones(3)), 1 + own)


@pytest.mark.parametrize("writes", [lambda x: x.reshape(-1), lambda x: x.T.ravel(), lambda x: (x + 1).reshape(6)])
def test_writing_to_what_was_reshaped_needs_c_order(writes) -> None:
    """NumPy copies or not by the order in memory, which is not traced: Fortran order is refused, C order is right."""

    def function(x):
        flat = writes(x)
        flat[0] = 99
        return x, flat

    compiled = tg.compile(function)
    mine, theirs = np.ones((2, 3)), np.ones((2, 3))
    for one, other in zip(function(mine), compiled(theirs), strict=True):
        assert np.array_equal(one, other)
    with pytest.raises(tg.TraceError, match="not in C order"):
        compiled(np.ones((3, 2)).T)


def windows_of_what_changes(x: Any) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(x, (2, 2))
    x *= 2
    sums = windows.sum(axis=(-1, -2))
    x[0] = 9
    return sums, windows[0, 0], windows.T, windows.reshape(-1, 4)


def strided_both_ways(x: Any) -> Any:
    line = as_strided(x, (4,), (5 * x.itemsize,))
    rows = as_strided(x[1:], (2, 4, 2), (x.strides[0], x.itemsize, x.itemsize), writeable=False)
    line += 10
    x[2] = -1
    return line, rows, rows.max(axis=-1)


def test_windows_and_strides_are_views() -> None:
    """They see what is written later; those that overlap are for reading only."""
    x = np.arange(20.0).reshape(4, 5)
    check_traced(windows_of_what_changes, x.copy())
    check_traced(lambda x: strided_both_ways(x[:, :4]), x.copy())
    check_traced(strided_both_ways, x.copy())
    check_traced(lambda x: operator.setitem(np.lib.stride_tricks.sliding_window_view(x, 2, 1), 0, 1), x.copy())
    with pytest.raises(tg.UnsupportedError, match="only within the elements of one array"):
        tg.compile(lambda x: as_strided(x, (30,), (8,)))(x)
