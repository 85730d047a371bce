"""Python's own loops as loops of the graph: the values of functions that are not to be written out, against eager NumPy."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from support.rolled import compare, roll_all

import tracegraph as tg
from tracegraph.tree import flatten

X = np.linspace(0.5, 2.0, 12)
A = np.cos(np.arange(42.0)).reshape(6, 7)
N = np.array([3, -1, 4, 1, -5, 9, 2, -6, 5, 3, 5, 8])


@pytest.fixture(autouse=True)
def _rolled(monkeypatch: pytest.MonkeyPatch) -> None:
    roll_all(monkeypatch)


# -- loops of the graph ------------------------------------------------------------------------------------------------


def summed(x: Any) -> Any:
    total, count = 0, 0
    for i in range(len(x)):
        total += x[i] * i
        count += 1
    return total, count, i


def fibonacci(x: Any) -> Any:
    a, b = x[0], x[1]
    before = a
    for _ in range(9):
        before = a
        a, b = b, a + b
    return a, b, before


def powers(x: Any) -> Any:
    v = x[:7]
    for _ in range(8):
        w = A @ v
        v = A.T @ w / np.sqrt(np.sum(w * w))
    return v


def by_rows(a: Any) -> Any:
    for i in range(1, a.shape[0]):
        row = a[i]
        row[1:-1] += a[i - 1, :-2] + row[2:]
        row /= 2
    return a


def read_after_writing(x: Any) -> Any:
    """What is carried on besides the array is an element of it, and a copy of it."""
    value, copy = 0.0, x * 1.0
    for k in range(len(x)):
        x[k] += 0.5 * value + copy[k - 1]
        value = x[2]
        copy = x.copy()
    return x, value, copy


def by_columns(a: Any) -> Any:
    for j in range(a.shape[1] - 2, 0, -1):
        a[1:-1, j] = a[:-2, j + 1] - a[1:-1, j]
        a[::-2, j] += 1
    return a


def through_elements(x: Any) -> Any:
    total, last = 0.0, 0.0
    for value in x:
        total, last = total / 2 + value, value
    return total, last, value


def before_last(x: Any) -> Any:
    """The items of the turn before."""
    total, last, place, one = 0.0, x[0], 0, x[1]
    for k, (value, other) in enumerate(zip(x, x[::-1], strict=True)):
        total = total / 2 + (value - last) * place + one
        last, place, one = value, k, other
    return total, last, place, k, value


def enumerated(x: Any) -> Any:
    out = np.zeros_like(x)
    for k, (one, other) in enumerate(zip(x, x[::-1], strict=True), start=1):
        out[k - 1] = one * k - other
    return out, k, one


def backwards(x: Any) -> Any:
    out = np.empty_like(x)
    out[-1] = x[-1]
    for i in reversed(range(len(x) - 1)):
        out[i] = out[i + 1] * 0.5 + x[i]
    last = 0.0
    for value in reversed(x):
        last = value - last
    return out, last


def trained(x: Any) -> Any:
    weights = [x[:3] * 1.0, x[3]]
    state = {"step": 0, "mean": x[:3] * 0}
    for _ in range(6):
        slope = np.tanh(weights[0]) * weights[1]
        state["mean"] = 0.9 * state["mean"] + 0.1 * slope
        state["step"] += 1
        weights[0] = weights[0] - 0.1 * state["mean"] / (1 - 0.9 ** state["step"])
        weights[1] -= 0.01 * np.sum(slope)
    return weights, state


class Filter:
    def __init__(self, gain: float) -> None:
        self.gain = gain
        self.level = 0.0
        self.kept = np.zeros(3)

    def step(self, value: Any) -> Any:
        self.level = self.level + self.gain * (value - self.level)
        self.kept[1] += self.level
        return self.level


def through_objects(x: Any) -> Any:
    one, other = Filter(0.3), Filter(0.7)
    total = 0.0
    for value in x:
        total += one.step(value) * other.step(-value)
    return total, one.level, other.kept


def through_closures(x: Any) -> Any:
    level = x[0]

    def step(value: Any) -> None:
        nonlocal level
        level = 0.5 * (level + value)

    for value in x:
        step(value)
    return level


def with_choices(x: Any) -> Any:
    total, least, out = 0.0, x[0], np.zeros_like(x)
    for i in range(len(x)):
        if x[i] > 1.5:
            total += x[i]
            out[i] = 1
        elif x[i] < 0.9 and i > 1:
            total -= x[i - 2]
            continue
        if x[i] < least:
            least = x[i]
        out[i] += total
    return total, least, out


def choices_within_turns(a: Any) -> Any:
    """The first item of the inner loop, too, goes both ways in each turn of the outer one."""
    total, found = 0.0, []
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] > 0:
                total += a[i, j]
            else:
                total -= 1
        found.append(total)
    return total, np.array(found)


def items_changed_on_one_way(x: Any) -> Any:
    level, out = x[0], np.empty_like(x)
    for t, value in enumerate(x):
        if value > 1.2 * level:
            value = 1.2 * level
        level = 0.3 * value + 0.7 * level
        out[t] = level
    return out, value, t


def within_settings(x: Any) -> Any:
    total = 0.0
    with np.errstate(all="ignore"):
        for value in x:
            with np.errstate(divide="ignore"):
                total += 1 / value
    return total


def sorted_by_swaps(n: Any) -> Any:
    for i in range(len(n) - 1):
        for j in range(len(n) - 1):
            if n[j] > n[j + 1] and i >= 0:
                n[j], n[j + 1] = n[j + 1], n[j]
    return n


def only_where_it_is_safe(n: Any) -> Any:
    total = 0
    for i in range(len(n)):
        if i + 1 < len(n):
            total += n[i + 1]
    return total


def nested(a: Any) -> Any:
    for _ in range(3):
        for i in range(1, a.shape[0] - 1):
            for j in range(1, a.shape[1] - 1):
                a[i, j] = (a[i - 1, j] + a[i, j - 1] + a[i, j] + a[i, j + 1] + a[i + 1, j]) / 5
    return a, i, j


def helper(x: Any, decay: Any) -> Any:
    pair = (x[0], np.zeros(2))
    for value in x:
        pair = (pair[0] * decay + value, pair[1] + np.stack([value, pair[0]]))
    return pair


def through_helpers(x: Any) -> Any:
    return helper(x, 0.5), functools.partial(helper, decay=x[1])(x[2:])


def names_of_its_own(x: Any) -> Any:
    assert isinstance(range(3), range)
    assert [k for k in range(3)] == [0, 1, 2] == list(reversed([2, 1, 0]))  # noqa: C416
    total = 0.0
    for _ in range(5):
        total += sum(x[k] for k in range(2)) + len([value for value in x])  # noqa: C416
        for k, name in enumerate("ab"):
            total += k * (name == "b")
    return total


def appended(x: Any) -> Any:
    y, rows, sums, places = x[:3], [x[:3]], [], []
    for k, value in enumerate(x):
        y = np.tanh(y) + value
        rows.append(y)
        sums.append(np.sum(y))
        sums.append(value)
        places.append(k)
    return np.array(rows), np.stack(rows[2:]), sums, sums[3], np.cumsum(sums), places


class Recorder:
    def __init__(self) -> None:
        self.history: list[Any] = [0.0]
        self.settings = {"log": [1.0]}

    def note(self, value: Any) -> None:
        self.history.append(value)
        if value > 1:
            self.settings["log"].append(value * 2)
        else:
            self.settings["log"].append(1 - value)


def recorded(x: Any) -> Any:
    recorder = Recorder()
    for value in x:
        recorder.note(value)
    return np.array(recorder.history), np.array(recorder.settings["log"]), len(recorder.history)


def appended_within(x: Any) -> Any:
    found = []
    total = 0.0
    for value in x:
        for k in range(4):
            total += value * k
            found.append(total)
    return np.array(found)


ROLLED = [
    (summed, X), (summed, N), (fibonacci, X), (powers, X), (by_rows, A), (by_columns, A), (through_elements, X),
    (before_last, X), (read_after_writing, X), (enumerated, X), (backwards, X), (trained, X), (through_objects, X),
    (through_closures, X), (with_choices, X), (choices_within_turns, A), (items_changed_on_one_way, X),
    (appended, X), (recorded, X), (appended_within, X), (within_settings, X), (sorted_by_swaps, N),
    (only_where_it_is_safe, N), (nested, A), (through_helpers, X), (names_of_its_own, X),
]  # fmt: skip


@pytest.mark.parametrize(("function", "x"), ROLLED, ids=lambda each: getattr(each, "__name__", ""))
def test_loops_of_the_graph(function: Callable[..., Any], x: Any) -> None:
    assert compare(function, x) > 0


@pytest.mark.parametrize("function", [through_elements, by_rows, trained, through_objects, with_choices, nested])
def test_derivatives(function: Callable[..., Any]) -> None:
    def loss(x: Any) -> Any:
        return sum(np.sum(np.sin(leaf)) for leaf in flatten(function(x * 1.0))[0] if np.asarray(leaf).dtype == float)

    tg.check_grads(tg.compile(loss), (A if function in (by_rows, nested) else X,), order=2)


def test_vmap() -> None:
    xs = np.stack([X, X[::-1], X * 2])
    found = tg.vmap(tg.compile(backwards))(xs)
    for one, other in zip(found, zip(*map(backwards, xs), strict=True), strict=True):
        np.testing.assert_allclose(one, np.stack(other), rtol=1e-13)


# -- loops that are written out ----------------------------------------------------------------------------------------


def read_back(x: Any) -> Any:
    found = [x[0]]
    for value in x:
        found.append(found[-1] * 0.5 + value)
    return np.array(found)


def returned_early(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += x[i]
        if i == 5:
            return total
    return -total


def by_turns(x: Any) -> Any:
    old, new = x * 1.0, np.zeros_like(x)
    for _ in range(5):
        new[1:-1] = old[:-2] + old[2:]
        old, new = new, old
    return old


def by_tables(x: Any) -> Any:
    table = [1.0, 2.0, 3.0, 4.0, 5.0]
    total = 0.0
    for k in range(5):
        total += table[k] * x[k]
    return total


def with_iterators(x: Any) -> Any:
    more = iter([1.0, 2.0, 3.0, 4.0])
    total = 0.0
    for k in range(4):
        total += next(more) * x[k]
    return total


def with_sets(x: Any) -> Any:
    seen: set[int] = set()
    total = x[0]
    for _ in range(6):
        seen.add(len(seen))
        total += len(seen)
    return total


def growing(x: Any) -> Any:
    total = x
    for _ in range(4):
        total = np.concatenate([total, total[:1]])
    return total


def two_names(x: Any) -> Any:
    """In the end both stand for one array."""
    one = other = x * 1.0
    for _ in range(5):
        one = other = other + 1.0
    one[0] = -1
    return other


def kept_views(a: Any) -> Any:
    """What a turn leaves is a view at its own place."""
    row = a[0]
    for i in range(1, 6):
        a[i] += row
        row = a[i]
    row[0] = 7
    return a


def refused_values(x: Any) -> Any:
    total = 0.0
    for value in x:
        if value > 100:
            raise ValueError("too large")
        total += value
    return total


def caught(x: Any) -> Any:
    total = 0.0
    for k in range(5):
        try:
            total += x[k] / (x[k] - x[3])
        except ZeroDivisionError:
            total = -1
    return total


def with_else(x: Any) -> Any:
    total = 0.0
    for value in x:
        total += value
    else:
        total *= 2
    return total


def items(x: Any) -> Iterator[Any]:
    for k in range(6):
        yield x[k] * k


def generated(x: Any) -> Any:
    return sum(items(x))


WRITTEN_OUT = [
    (read_back, X), (returned_early, X), (by_turns, X), (by_tables, X),
    (with_iterators, X), (with_sets, X), (growing, X), (two_names, X), (kept_views, A), (refused_values, X), (caught, X),
    (generated, X),
]  # fmt: skip


@pytest.mark.parametrize(("function", "x"), WRITTEN_OUT, ids=lambda each: getattr(each, "__name__", ""))
def test_loops_that_are_written_out(function: Callable[..., Any], x: Any) -> None:
    with np.errstate(all="ignore"):
        assert compare(function, x) == 0


def test_else_of_a_loop() -> None:
    compare(with_else, X)


def test_arrays_of_numpys_own_that_a_body_changes() -> None:
    def counted(x: Any) -> Any:
        counts = COUNTS.copy()
        total = 0.0
        for k in range(5):
            counts[k % 2] += 1
            total += x[k] * counts[0]
        return total

    COUNTS = np.zeros(2, int)
    compare(counted, X)


def test_an_error_in_a_body_is_numpys() -> None:
    @tg.compile
    def wrong(x: Any) -> Any:
        total = x
        for _ in range(5):
            total = total + np.ones(3)
        return total

    with pytest.raises(ValueError, match="broadcast"):
        wrong(X)


def test_an_index_out_of_bounds_in_a_turn() -> None:
    def beyond(x: Any) -> Any:
        total = 0.0
        for k in range(13):
            total += x[k]
        return total

    with pytest.raises(IndexError):
        tg.compile(beyond)(X)


def test_objects_from_outside_keep_no_traced_values() -> None:
    class Counter:
        def __init__(self) -> None:
            self.calls = 0
            self.scale = 2.0

        def __call__(self, x: Any) -> Any:
            total = 0.0
            for value in x:
                self.calls += 1
                total += self.scale * value
            return total

    counter = Counter()
    assert tg.compile(counter)(X) == pytest.approx(2 * np.sum(X))
    assert type(counter.calls) is int
    with pytest.raises(tg.LeakError, match="'last'"):
        tg.compile(lambda x: kept_outside(counter, x))(X)
    assert not hasattr(counter, "last")


def kept_outside(counter: Any, x: Any) -> Any:
    for value in x:
        counter.last = value
    return x


def test_names_are_pythons_own_afterwards() -> None:
    compare(summed, X)
    assert not {"range", "enumerate", "zip", "reversed"} & set(globals())


def test_long_loops_need_no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    def averaged(x: Any) -> Any:
        out = np.empty_like(x)
        out[0] = x[0]
        for t in range(1, len(x)):
            out[t] = 0.1 * x[t] + 0.9 * out[t - 1]
        return out

    assert compare(averaged, np.sin(np.arange(20_000.0))) == 1
    assert compare(averaged, np.sin(np.arange(20.0))) == 0
