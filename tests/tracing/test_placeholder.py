"""What a placeholder is to Python: iteration, length, truth, conversion, indexing, printing; and where it may not go."""

import copy
import math
import re
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.running import check_error, check_traced, interpreted

import tracegraph as tg
from tracegraph.errors import LeakError, TraceError
from tracegraph.tracing import Placeholder, active_trace

A = np.arange(24.0).reshape(2, 3, 4)

INDICES: tuple[Any, ...] = (
    np.s_[0], np.s_[-1], np.s_[1, 2, 3], np.s_[:, 1], np.s_[..., 0], np.s_[0, ...], np.s_[...], np.s_[()], np.s_[::-1],
    np.s_[:, ::2, ::-2], np.s_[1:0], np.s_[5:], np.s_[-5:-1], np.s_[None], np.s_[:, None, 0], np.s_[..., None],
    np.s_[0, None, ..., 1:], np.s_[0, 0, 0, ...], np.s_[0, 0, 0, None], np.s_[np.int64(1), np.uint8(0)], np.s_[1:2, 2:1:-1],
    np.s_[::5, ::-5], np.s_[np.array(1)],
)  # fmt: skip


@pytest.mark.parametrize("index", INDICES, ids=str)
def test_indexing(index: Any) -> None:
    """Integers, slices, None and ... in every combination; a number where NumPy gives one, a 0-d array where it does."""
    check_traced(lambda x: x[index], A)
    check_traced(lambda x: np.sum(x[index] * 2), A)


@pytest.mark.parametrize("index", [np.s_[:], np.s_[...], np.s_[0:0], np.s_[::2], np.s_[None]], ids=str)
def test_indexing_empty_and_single(index: Any) -> None:
    """Arrays without elements, and with one."""
    for shape in ((0,), (1,), (0, 3), (1, 1)):
        check_traced(lambda x: x[index], np.ones(shape))
    if index in (np.s_[...], np.s_[None]):
        check_traced(lambda x: x[index], np.array(1.0))
        check_traced(lambda x: x[index], np.float64(1.0))


WRONG: tuple[tuple[Callable[..., Any], str], ...] = (
    (lambda x: x[2], "index 2 is out of bounds for axis 0 with size 2"),
    (lambda x: x[0, -4], "index -4 is out of bounds for axis 1 with size 3"),
    (lambda x: x[0, 0, 0, 0], "too many indices for array: array is 3-dimensional, but 4 were indexed"),
    (lambda x: x[..., 0, ...], "an index can only have a single ellipsis ('...')"),
    (lambda x: x["a"], "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean"),
    (lambda x: x[1.0], "only integers, slices (`:`), ellipsis (`...`), numpy.newaxis (`None`) and integer or boolean"),
    (lambda x: x[::0], "slice step cannot be zero"),
    (lambda x: x[0.5:], "slice indices must be integers or None or have an __index__ method"),
    (lambda x: len(x[0, 0, 0, ...]), "len() of unsized object"),
    (lambda x: list(x[0, 0, 0, ...]), "iteration over a 0-d array"),
    (lambda x: x[0, 0, 0, ...][0], "too many indices for array: array is 0-dimensional, but 1 were indexed"),
    (lambda x: {x: 1}, "unhashable type"),
)


@pytest.mark.parametrize("k", range(len(WRONG)))
def test_errors_are_numpys(k: int) -> None:
    """Class and text are NumPy's; the user's line comes after, where NumPy has a say."""
    function, start = WRONG[k]
    if start.startswith(("unhashable", "len", "iteration", "slice indices")):
        check_traced(function, A)
    else:
        check_error(function, A, start=start)


def test_iteration_and_length() -> None:
    """Along the first axis: loops, unpacking, zip, enumerate, sum, reversed, in."""
    check_traced(lambda x: [row * k for k, row in enumerate(x)], A)
    check_traced(lambda x: tuple(x), A[0, 0])
    check_traced(lambda x: sum(x), A)
    check_traced(lambda x: list(reversed(x)), A)
    check_traced(lambda x: [a - b for a, b in zip(x, x[::-1], strict=True)], A)
    check_traced(lambda x: len(x) * x, A)
    check_traced(lambda x: (len(x), len(x[:0]), [1 for _ in x[:0]]), A)

    def unpacked(x):
        first, second = x
        return second - first

    check_traced(unpacked, A)


def test_python_and_numpy_agree_with_methods() -> None:
    """abs, round, pow and copies."""
    check_traced(lambda x: (abs(x), pow(x, 2), copy.copy(x), copy.deepcopy(x)), A - 7)
    check_traced(lambda x: (abs(x), pow(x, 2), -x), -3.0)


REFUSED: tuple[tuple[Callable[[Any], Any], str, str], ...] = (
    (lambda x: float(x), "float() was called on it", "x.astype(float)"),
    (lambda x: math.gamma(x), "float() was called on it", "x.astype(float)"),
    (lambda x: complex(x), "complex() was called on it", "x.astype(complex)"),
)


@pytest.mark.parametrize("k", range(len(REFUSED)))
def test_asking_for_a_number_is_refused(k: int) -> None:
    """The message says what was asked, what to write instead, that a setting can be static, and where."""
    function, asked, instead = REFUSED[k]
    with pytest.raises(TraceError) as caught:
        interpreted(function)(1.5)
    text = str(caught.value)
    assert text.startswith("a traced value of ")
    assert asked in text
    assert f"write {instead}" in text
    assert "static_argnames" in text
    assert text.endswith(f"at {__file__}:{function.__code__.co_firstlineno} in <lambda>")
    assert isinstance(caught.value, TypeError)


def test_printing_shows_what_is_known() -> None:
    """Kind, operation and line, in repr, str and f-strings; never a value."""
    seen: list[str] = []

    def show(x, s):
        y = x * 2
        seen.extend([repr(x), f"{y}", str(y), f"{y:.3f}", repr(s)])
        return y

    interpreted(show)(np.ones((2, 3), "f4"), 1.5)
    line = show.__code__.co_firstlineno + 1
    assert re.fullmatch(r"<traced f32\[2,3\] from input at .*>", seen[0])
    assert seen[1] == seen[2] == seen[3]
    assert seen[1] == f"<traced f32[2,3] from multiply at {__file__}:{line} in show>"
    assert seen[4].startswith("<traced Python float from input")


def test_a_traced_value_may_not_leave_its_function() -> None:
    """Used after the function returned, in another function or in another thread, it says where it comes from."""
    kept: list[Placeholder] = []

    def leak(x):
        kept.append(x * 2)
        return x

    interpreted(leak)(np.ones(3))
    line = leak.__code__.co_firstlineno + 1
    uses: tuple[Callable[[], Any], ...] = (
        lambda: kept[0] + 1,
        lambda: np.exp(kept[0]),
        lambda: kept[0][0],
        lambda: kept[0].sum(),
        lambda: interpreted(lambda y: y + kept[0])(np.ones(3)),
        lambda: interpreted(lambda y: kept[0])(np.ones(3)),
        lambda: kept[0].__setitem__(0, 1),
    )
    for use in uses:
        with pytest.raises(
            LeakError, match=r"a traced value of f64\[3\] was used after its function had returned"
        ) as caught:
            use()
        assert f"{__file__}:{line} in leak" in str(caught.value)
    assert repr(kept[0]).startswith("<traced f64[3]")
    assert kept[0].shape == (3,)


def test_a_traced_value_may_not_enter_another_thread() -> None:
    """Each thread has its own trace."""
    errors: list[BaseException] = []

    def elsewhere(x):
        try:
            np.exp(x)
        except TraceError as error:
            errors.append(error)

    def spread(x):
        thread = threading.Thread(target=elsewhere, args=(x,))
        thread.start()
        thread.join()
        return x

    interpreted(spread)(np.ones(3))
    assert [type(error) for error in errors] == [LeakError]


def test_traces_nest_and_close() -> None:
    """No trace is open outside, nor after an error inside."""
    inner: list[Any] = []

    def outer(x):
        inner.append(active_trace())
        return tg.compile(lambda y: inner.append(active_trace()) or y * 2)(x)

    interpreted(outer)(np.ones(2))
    assert inner[0] is inner[1] is not None
    assert active_trace() is None
    with pytest.raises(ZeroDivisionError):
        interpreted(lambda x: 1 // 0)(1.0)
    assert active_trace() is None


class Keeper:
    """Keeps what it computes."""

    def __init__(self) -> None:
        self.weights = np.ones(3)

    def keep(self, x: Any) -> Any:
        self.last = x * 2
        return x

    def rebind(self, x: Any) -> Any:
        self.weights = self.weights + x
        return x


def test_a_traced_value_that_is_kept_is_taken_back() -> None:
    """In an attribute, a global or a list: an error that names it, at each call, and nothing is lost."""
    kept: list[Any] = []
    keeper = Keeper()
    cases = (
        (keeper.keep, "the attribute 'last' of a Keeper"),
        (keeper.rebind, "the name 'weights'"),
        (lambda x: kept.append(x * 2), "a list that it did not make"),
    )
    for function, what in cases:
        compiled = tg.compile(function)
        for _ in range(2):
            with pytest.raises(LeakError, match=f"a traced value was kept in {what}"):
                compiled(1.5)
    assert (kept, vars(keeper).keys(), list(keeper.weights)) == ([], {"weights"}, [1.0, 1.0, 1.0])
