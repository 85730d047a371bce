"""Control flow on data: each way through a function is compiled once, and picked at each call by what the values are."""

import itertools
import warnings
from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg
from tracegraph.api import paths as api_paths

X = np.array([1.0, -2.0, 3.0])


def newton(a: Any, tolerance: float) -> Any:
    x = a
    while abs(x * x - a) > tolerance:
        x = x - (x * x - a) / (2 * x)
    return x


def collatz(n: Any) -> Any:
    steps = 0
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        steps += 1
    return steps


def bisect(low: Any, high: Any) -> Any:
    while high - low > 1e-3:
        middle = (low + high) / 2
        if middle**3 < 2:
            low = middle
        else:
            high = middle
    return low


def relabel(labels: Any) -> Any:
    changed = True
    while changed:
        before = labels.copy()
        labels[1:] = np.minimum(labels[1:], labels[:-1])
        changed = np.any(labels != before)
    return labels


def largest(x: Any) -> Any:
    best = x[0]
    for each in x:
        if each > best:
            best = each
    return best


def counted(x: Any, n: Any) -> Any:
    total = np.zeros_like(x)
    for k in range(n):
        total = total + x * k
    return total


def memory(x: Any) -> Any:
    y = x * 2
    if y[0] > 0 and y[1] < 0:
        y[0] = 100.0
        x[2] = 7.0
    return y + 1


PROGRAMS: dict[str, tuple[Callable[..., Any], list[tuple[Any, ...]]]] = {
    "if": (lambda x: x + 1 if x.sum() > 0 else x - 1, [(X,), (-X,), (X,)]),
    "and or not": (lambda x: (not x[0]) or (x[1] > 0 and x[2] > 0), [(X,), (-X,), (X * 0,)]),
    "max and min": (lambda x, y: max(x, y) - min(x, y), [(1.5, 2.5), (3.5, 2.5)]),
    "ternary in a loop": (largest, [(X,), (-X,), (X[::-1].copy(),)]),
    "while": (newton, [(2.0, 1e-12), (9.0, 1e-12), (2.0, 1e-3)]),
    "nested": (bisect, [(0.0, 2.0), (0.5, 1.5)]),
    "integers": (collatz, [(6,), (7,), (6,)]),
    "in place": (memory, [(X,), (-X,)]),
    "arrays in a loop": (relabel, [(np.array([3, 1, 2, 5, 0, 4]),), (np.arange(6),)]),
    "range of a value": (counted, [(X, 3), (X, 0), (X, 5)]),
    "int": (lambda x: np.ones(3) * int(x[0] * 2.5), [(X,), (X * 3,)]),
    "index of a list": (lambda k: [10, 20, 30][k], [(0,), (2,), (-1,)]),
    "key of a dict": (lambda x: {1: "one", 3: "three"}[x.argmax()] == "one", [(X * -1,), (np.array([0, 1, 2, 9.0]),)]),
    "item": (lambda x: x[0].item() + x.tolist()[1], [(X,), (-X,)]),
    "round and floor": (lambda x: (round(x[1] / 3), x[0] // 1), [(X,), (-X,)]),
    "in": (lambda x: x * 2 if 3.0 in x else x, [(X,), (-X,)]),
    "divmod": (lambda x: divmod(x, 2)[1], [(7,), (8,)]),
    "class": (lambda x: x * 2 if isinstance(x, np.ndarray) else x * 3, [(X,), (2.0,), (np.float32(1),)]),
    "float is a float": (lambda x: x * 2 if isinstance(x, float) else x * 3, [(2,), (2.0,), (np.float64(1),)]),
    "reduce": (lambda x: reduce(lambda a, b: a if a > b else b, x), [(X,), (-X,)]),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_way_gives_numpys_answer(name: str) -> None:
    """The first time, when it is traced, and again when it is picked."""
    function, calls = PROGRAMS[name]
    compiled = tg.compile(function)
    for args in (*calls, *calls):
        mine, theirs = ([np.copy(a) if isinstance(a, np.ndarray) else a for a in args] for _ in range(2))
        assert_same(compiled(*mine), function(*theirs))
        for a, b in zip(mine, theirs, strict=True):
            assert_same(a, b)


def test_each_way_is_traced_once() -> None:
    """The function's own code runs once for each way through it."""
    runs = itertools.count()

    @tg.compile
    def f(x: Any) -> Any:
        next(runs)
        return x * 2 if x[0] > 0 else x * 3

    for x in (X, -X, X, -X, X * 5):
        f(x)
    assert next(runs) == 2


def test_nothing_is_computed_twice() -> None:
    """What was computed before a fork is not part of what follows it."""

    @tg.compile
    def f(x: Any) -> Any:
        y = np.exp(x)
        return y + 1 if y[0] > 1 else y - 1

    f(X)
    _, after = f._path((X,), {})
    assert "exp" not in "".join(after.program.kernels)


def test_turns_of_a_loop_share_their_program() -> None:
    """What differs from turn to turn only in its operands is linked once."""
    compiled = tg.compile(newton)
    compiled(50.0, 1e-12)
    segments = compiled._path((50.0, 1e-12), {})
    assert len(segments) > 5
    assert len({id(each.program) for each in segments}) <= 4


@pytest.mark.parametrize("a", [2.0, 9.0])
def test_derivatives_go_through(a: float) -> None:
    """Of each way, to second order."""
    root = tg.grad(lambda a: newton(a, 1e-14))
    assert root(a) == pytest.approx(0.5 / np.sqrt(a))
    assert tg.grad(tg.grad(lambda x: x**3 if x > 0 else -x * x))(a) == pytest.approx(6 * a)
    assert tg.grad(tg.grad(lambda x: x**3 if x > 0 else -x * x))(-a) == pytest.approx(-2)


def test_an_error_on_one_way_leaves_the_arguments_untouched() -> None:
    """An assertion on data fails only where it should."""

    @tg.compile
    def f(x: Any) -> Any:
        x[0] = 5.0
        assert x[1] > 0, "expected a positive number"
        return x * 2

    x = -X
    assert_same(f(x), np.array([10.0, 4.0, -6.0]))
    x = X.copy()
    with pytest.raises(AssertionError, match="positive"):
        f(x)
    assert_same(x, X)


def test_past_the_limit_the_function_runs_as_it_is() -> None:
    """With one warning that names the line; the answers stay right, also in place."""

    def f(x: Any, n: Any) -> Any:
        for k in range(n):
            x[0] += k
        return x * n

    compiled = tg.compile(f)

    def check(n: int) -> None:
        mine, theirs = X.copy(), X.copy()
        assert_same(compiled(mine, n), f(theirs, n))
        assert_same(mine, theirs)

    for n in range(32):
        check(n)
    with pytest.warns(tg.TracegraphWarning, match=r"f\(\) runs as it is[^\n]*\n  at .*test_paths.py:\d+ in f"):
        check(32)
    check(33)


def test_a_loop_of_very_many_forks_runs_as_it_is() -> None:
    """The limit on one way."""
    compiled = tg.compile(lambda x: sum(1 for _ in range(2000) if x[0] > 0 and (x := x - 0.001)[0] > 0))
    with pytest.warns(tg.TracegraphWarning):
        first = compiled(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compiled(X) == first


def test_a_function_that_changes_its_mind() -> None:
    """What is not reproducible is traced anew rather than mixed up."""
    turns = itertools.count(1)

    @tg.compile
    def f(x: Any) -> Any:
        kept = [x * k for k in range(next(turns))]
        return kept[-1] if x[0] > 0 else -kept[-1]

    assert_same(f(X), X * 0)
    assert_same(f(-X), X * 2)


def test_symbolic_graphs_have_no_values() -> None:
    """Where there are no values, the message says what was asked."""
    from tracegraph.api.signature import leaf_of
    from tracegraph.api.tracer import input_nodes, trace

    leaf = leaf_of(X, lambda: "x")
    with pytest.raises(tg.TraceError, match="its truth was asked for"):
        trace(lambda leaves: leaves[0] if leaves[0][0] > 0 else 0, [leaf], input_nodes([leaf], None), None)


def windows(x: Any, width: Any, step: Any) -> Any:
    """Its slices hang on whole numbers that are worked out from two arguments."""
    total = np.zeros((len(x) - width) // step + 1)
    for k in range(width):
        total += x[k : k + (len(x) - width) // step * step + 1 : step]
    return total / width


def test_what_is_worked_out_from_decided_numbers_is_no_fork() -> None:
    compiled, x = tg.compile(windows), np.arange(30.0)
    for width, step in ((5, 2), (5, 3), (7, 2), (5, 2)):
        assert_same(compiled(x, width, step), windows(x, width, step))
        assert len(compiled._path((x, width, step), {})) <= 4
    assert_same(compiled(x[:20], 3, 1), windows(x[:20], 3, 1))


def test_one_number_that_is_worked_out_leaves_the_argument_open() -> None:
    """Two arguments that give the same whole number go the same way."""
    compiled, x = tg.compile(lambda x, n: x[: n // 2] * n), np.arange(30.0)
    for n in (6, 7, 6):
        assert_same(compiled(x, n), x[: n // 2] * n)
    (paths,) = [paths for form in compiled._forms.values() for paths in form.entries.values()]
    assert len(paths.segments) == 2


def relaxed(x: Any, tolerance: Any) -> Any:
    """Each turn makes large arrays that the next but one does not need."""
    first = x + 1
    while np.max(np.abs(x)) > tolerance:
        change = x * 0.25
        x = x - change
        kept = x + change
    return x, kept, first[:3]


def test_large_values_go_when_they_are_not_in_hand_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_paths, "FIRST_FORKS", 100)
    compiled, x = tg.compile(relaxed), np.linspace(-1.0, 1.0, 60_000)
    for tolerance in (0.01, 0.3, 0.01, 0.02):
        assert_same(compiled(x, tolerance), relaxed(x, tolerance))
    segments = compiled._path((x, 0.01), {})
    assert len(segments) > 15
    assert compiled.memory(x, 0.01).held < 5 * x.nbytes
    assert compiled.profile(x, 0.01).rows


def recalled(x: Any) -> Any:
    """What a mask selected of an array is asked for when the array itself is gone."""
    y = np.sqrt(x)
    if np.sum(y) > 0:
        part = y[y > 0.5]
        y = y * 2
    if np.sum(y) > 1:
        y = y + 1
    if np.sum(y) > 2:
        y = y + len(part)
    return y


def test_what_is_gone_can_be_computed_again() -> None:
    compiled = tg.compile(recalled)
    for first in (0.0, 0.2, 0.0):
        x = np.linspace(first, 1.0, 50_000)
        assert_same(compiled(x), recalled(x))


def compacted(z: Any) -> Any:
    """A mask selects of what is not in hand otherwise."""
    for _ in range(12):
        z = z * z * 1.5
        z = z[z > 0.01]
        if not len(z):
            break
    return z


def test_what_a_mask_may_select_of_is_kept() -> None:
    """Else each turn would compute all turns before it again."""
    compiled = tg.compile(compacted)
    for low in (0.0, 0.3):
        z = np.linspace(low, 0.6, 100_000)
        assert_same(compiled(z), compacted(z))
    programs = [segment.program for segment in compiled._path((z,), {}) if segment.program is not None]
    assert len(programs) > 6
    assert max(len(program.plan.schedule.fused.graph.nodes) for program in programs) < 20
