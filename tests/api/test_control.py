"""Control flow as operations, against the same written in plain Python: values, derivatives in both modes, errors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.tree import flatten

RNG = np.random.default_rng(5)
W = RNG.normal(size=(3, 3)) / 3
XS = RNG.normal(size=(6, 3))


def plain_scan(f: Callable[..., Any], init: Any, xs: Any, *, reverse: bool = False) -> Any:
    carry, ys = init, []
    for x in xs[::-1] if reverse else xs:
        carry, y = f(carry, x)
        ys.append(y)
    return carry, np.stack(ys[::-1] if reverse else ys)


def plain_while(cond: Callable[..., Any], body: Callable[..., Any], value: Any) -> Any:
    while cond(value):
        value = body(value)
    return value


def cell(w: Any, carry: Any, x: Any) -> Any:
    new = np.tanh(w @ carry + x) * 1.1
    return new, np.sum(new * carry)


def through_scan(scan: Callable[..., Any], **options: Any) -> Callable[..., Any]:
    def loss(w: Any, xs: Any) -> Any:
        carry, ys = scan(lambda c, x: cell(w, c, x), xs[0] * 2, xs, **options)
        return np.sum(carry * carry) + np.sum(np.sin(ys))

    return loss


def by_solving(scan: Callable[..., Any]) -> Callable[..., Any]:
    """With steps of Python in the body."""

    def loss(w: Any, xs: Any) -> Any:
        def turn(carry: Any, x: Any) -> Any:
            new = np.linalg.solve(w + 3 * np.eye(3), carry + np.sort(x))
            return new, np.linalg.norm(new)

        carry, ys = scan(turn, np.ones(3), xs)
        return np.sum(carry) + np.sum(ys)

    return loss


def nested(scan: Callable[..., Any]) -> Callable[..., Any]:
    def loss(w: Any, xs: Any) -> Any:
        def outer(carry: Any, x: Any) -> Any:
            inner, ys = scan(lambda c, k: (np.cos(c * k) + carry, c), x, w)
            return inner, np.sum(ys)

        carry, ys = scan(outer, np.zeros(3), xs)
        return np.sum(carry) + np.sum(ys * ys)

    return loss


def newton_inside(scan: Callable[..., Any], loop: Callable[..., Any]) -> Callable[..., Any]:
    """A loop of unknown length in the body of another."""

    def loss(w: Any, xs: Any) -> Any:
        def turn(carry: Any, x: Any) -> Any:
            a = 2 + np.sum(x * x) + carry * 0.1 + w[0, 0]
            root = loop(lambda r: abs(r * r - a) > 1e-13 * a, lambda r: 0.5 * (r + a / r), 1.0 + a * 0)
            return root, root * carry

        carry, ys = scan(turn, w[1, 1] * 2, xs)
        return carry + np.sum(ys)

    return loss


PROGRAMS = {
    "scan": (through_scan(tg.scan), through_scan(plain_scan)),
    "reverse": (through_scan(tg.scan, reverse=True), through_scan(plain_scan, reverse=True)),
    "unrolled": (through_scan(tg.scan, unroll=True), through_scan(plain_scan)),
    "unrolled in reverse": (through_scan(tg.scan, unroll=True, reverse=True), through_scan(plain_scan, reverse=True)),
    **{
        f"segments of {n}": (through_scan(tg.scan, checkpoint=n), through_scan(plain_scan)) for n in (True, 1, 2, 4, 6, 9)
    },
    "segments in reverse": (through_scan(tg.scan, checkpoint=4, reverse=True), through_scan(plain_scan, reverse=True)),
    "nested": (nested(tg.scan), nested(plain_scan)),
    "steps of Python": (by_solving(tg.scan), by_solving(plain_scan)),
    "unknown length inside": (newton_inside(tg.scan, tg.while_loop), newton_inside(plain_scan, plain_while)),
}  # fmt: skip


def over_programs(function: Callable[..., Any]) -> Any:
    return pytest.mark.parametrize("name", PROGRAMS)(function)


@over_programs
def test_value(name: str) -> None:
    ours, plain = PROGRAMS[name]
    np.testing.assert_allclose(tg.compile(ours)(W, XS), plain(W, XS), rtol=1e-13)


@over_programs
def test_gradient(name: str) -> None:
    ours, plain = PROGRAMS[name]
    for mine, theirs in zip(tg.grad(ours, (0, 1))(W, XS), tg.grad(plain, (0, 1))(W, XS), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-12)


@over_programs
def test_second_derivative(name: str) -> None:
    """The derivative of a loop is a loop, so it can be differentiated again."""
    ours, plain = PROGRAMS[name]
    direction = np.cos(np.arange(9.0)).reshape(3, 3)

    def twice(f: Callable[..., Any]) -> Any:
        return tg.grad(lambda w, xs: np.sum(tg.grad(f)(w, xs) * direction), (0, 1))(W, XS)

    for mine, theirs in zip(twice(ours), twice(plain), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-8, atol=1e-10)


# -- what a body may do ------------------------------------------------------------------------------------------------


def test_trees_and_numbers() -> None:
    """Carries are any containers; Python's numbers take the dtype of what the body makes of them."""
    start = {"n": 0, "sum": 0.0, "both": (np.ones(2, "f4"), None)}

    def turn(carry: Any, x: Any) -> Any:
        both = (carry["both"][0] * 2, None)
        return {"n": carry["n"] + 1, "sum": carry["sum"] + x["a"], "both": both}, [x["b"], carry["n"]]

    xs = {"a": np.arange(3, dtype="f4"), "b": np.arange(6).reshape(3, 2)}
    carry, (b, n) = tg.compile(lambda xs: tg.scan(turn, start, xs))(xs)
    assert carry["n"] == 3
    assert type(carry["n"]) is int
    assert carry["sum"] == 3
    assert carry["sum"].dtype == np.float32
    assert carry["both"][0].dtype == np.float32
    np.testing.assert_array_equal(b, xs["b"])
    np.testing.assert_array_equal(n, [0, 1, 2])


def test_no_turns() -> None:
    """A loop that never turns gives what it was given, and no rows."""
    carry, ys = tg.scan(lambda c, x: (c + x, x * 2), np.ones(2), np.zeros((0, 2)))
    np.testing.assert_array_equal(carry, [1, 1])
    assert ys.shape == (0, 2)
    assert tg.while_loop(lambda n: n < 0, lambda n: n + 1, 5) == 5
    assert tg.compile(lambda n: tg.fori_loop(3, n, lambda i, x: x + i, 7))(1) == 7
    np.testing.assert_array_equal(
        tg.grad(lambda x: np.sum(tg.while_loop(lambda v: v[0] < 0, lambda v: v * 2, x)))(np.ones(2)), [1, 1]
    )


def test_arrays_from_outside_may_be_changed() -> None:
    """What the body writes in place is carried along, whoever made it."""

    def program(x: Any) -> Any:
        table = np.zeros(5)
        table[0] = x

        def turn(i: Any, total: Any) -> Any:
            table[i + 1] = table[i] * 2 + 1
            return total + table[i]

        return table, tg.fori_loop(0, 4, turn, 0.0)

    table, total = tg.compile(program)(1.0)
    np.testing.assert_array_equal(table, [1, 3, 7, 15, 31])
    assert total == 26
    assert tg.grad(lambda x: program(x)[1])(1.0) == 15


def test_a_changed_argument() -> None:
    """An argument that the body changes is changed for the caller."""

    @tg.compile
    def program(x: Any) -> Any:
        def turn(i: Any, c: Any) -> Any:
            x[i] += c
            return c + 1

        return tg.fori_loop(0, 3, turn, 1.0)

    x = np.zeros(3)
    program(x)
    np.testing.assert_array_equal(x, [1, 2, 3])


def test_branches_may_change_arrays() -> None:
    """Of a branch that is not taken nothing is seen."""

    @tg.compile
    def program(flag: Any, x: Any) -> Any:
        y = x.copy()

        def write() -> Any:
            y[0] = 9.0
            return y * 2

        doubled = tg.cond(flag, write, lambda: y)
        return y, doubled

    for flag, first, second in ((True, [9, 1], [18, 2]), (False, [1, 1], [1, 1])):
        y, doubled = program(flag, np.ones(2))
        np.testing.assert_array_equal(y, first)
        np.testing.assert_array_equal(doubled, second)


def test_random_numbers() -> None:
    """A generator advances from turn to turn as it does in Python's own loop."""

    def program(rng: Any, scan: Callable[..., Any]) -> Any:
        return scan(lambda c, x: (c + rng.normal(), rng.uniform(size=2)), 0.0, np.zeros(4))

    mine = tg.compile(lambda rng: program(rng, tg.scan))(tg.random.default_rng(3))
    theirs = program(tg.random.default_rng(3), plain_scan)
    for a, b in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(a, b)


def test_prints_at_each_turn(capsys: pytest.CaptureFixture[str]) -> None:
    """Effects are in order, in loops and in the branch that is taken."""

    @tg.compile
    def program(xs: Any) -> Any:
        tg.debug_print("first")

        def turn(carry: Any, x: Any) -> Any:
            tg.debug_print("turn")
            tg.cond(x > 1, lambda: tg.debug_print("large", x), lambda: None)
            return carry + x, None

        total, _ = tg.scan(turn, 0.0, xs)
        tg.debug_print("last", total)
        return total

    program(np.arange(3.0))
    assert capsys.readouterr().out.split("\n") == ["first", "turn", "turn", "turn", "large 2.0", "last 3.0", ""]


def test_a_fork_on_what_is_outside() -> None:
    """Python's own `if` in a body may ask for what does not change from turn to turn."""

    @tg.compile
    def program(flag: Any, xs: Any) -> Any:
        return tg.scan(lambda c, x: (c + x if flag > 0 else c - x, None), 0.0, xs)[0]

    assert program(1.0, np.ones(3)) == 3
    assert program(-1.0, np.ones(3)) == -3


def test_memory_is_not_copied_at_each_call() -> None:
    """The kernels of a body are compiled once, whatever the length."""
    f = tg.compile(lambda xs: tg.scan(lambda c, x: (np.sin(c) + x, c), 0.0, xs))
    f(np.ones(4))
    before = f.cache_info().compiled
    f(np.ones(400))
    assert f.cache_info().compiled == before


def test_threads() -> None:
    """Calls from several threads at once do not disturb each other's loops."""
    import threading

    f = tg.compile(lambda n, x: tg.while_loop(lambda v: v[0] < n, lambda v: (v[0] + 1, v[1] * 1.0001), (0, x)))
    found: list[Any] = []

    def work(k: int) -> None:
        found.append((k, f(k * 1000, np.full(100, 1.0))[0]))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [(k, k * 1000) for k in range(1, 7)]


# -- loops of unknown length -------------------------------------------------------------------------------------------


def test_newton_by_while() -> None:
    """Reverse mode through a loop whose length nobody knows, to third order."""

    def root(loop: Callable[..., Any]) -> Callable[..., Any]:
        return lambda a: loop(lambda x: abs(x * x - a) > 1e-14 * a, lambda x: 0.5 * (x + a / x), a * 0 + 1.0)

    f: Any = root(tg.while_loop)
    expected = np.sqrt(2.0)
    for order in range(4):
        assert float(f(2.0)) == pytest.approx(expected, rel=1e-9)
        expected *= (0.5 - order) / 2.0
        f = tg.grad(f)


def test_number_of_turns_by_value() -> None:
    """The same program for every number of turns; memory for the backward loop grows with it."""
    f = tg.grad(lambda n, x: np.sum(tg.fori_loop(0, n, lambda i, v: np.sin(v) * 1.5, x)), 1)
    x = np.array([0.3, 0.7])

    def plain(n: int) -> Any:
        def function(x: Any) -> Any:
            for _ in range(n):
                x = np.sin(x) * 1.5
            return np.sum(x)

        return tg.grad(function)(x)

    for n in (0, 1, 7, 100):
        np.testing.assert_allclose(f(n, x), plain(n), rtol=1e-9)
    assert f.cache_info().signatures == 1


# -- branches ----------------------------------------------------------------------------------------------------------


def test_only_the_branch_taken_runs() -> None:
    """A division by zero, or an endless loop, in the other one does nothing."""
    f = tg.compile(lambda n: tg.cond(n > 0, lambda: tg.while_loop(lambda k: k < 10, lambda k: k + n, 0), lambda: n))
    assert f(3) == 12
    assert f(0) == 0


def test_switch() -> None:
    """By number; numbers out of range take the nearest."""
    f = tg.compile(lambda k, x: tg.switch(k, [np.sin, np.cos, lambda x: x * x], x))
    for k, expected in ((-5, np.sin), (0, np.sin), (1, np.cos), (2, np.square), (9, np.square)):
        np.testing.assert_allclose(f(k, XS), expected(XS))
    g = tg.grad(lambda k, x: np.sum(tg.switch(k, [np.sin, np.cos, lambda x: x * x], x)), 1)
    np.testing.assert_allclose(g(1, XS), -np.sin(XS))
    np.testing.assert_allclose(g(2, XS), 2 * XS)


def test_eager() -> None:
    """Outside of compiled functions they do the same."""
    assert tg.cond(True, lambda x: x + 1, lambda x: x, 1) == 2
    assert tg.switch(1, [abs, float], 2) == 2.0
    np.testing.assert_array_equal(tg.map(lambda x: x[::-1], np.arange(4).reshape(2, 2)), [[1, 0], [3, 2]])


# -- errors ------------------------------------------------------------------------------------------------------------

ERRORS: dict[str, tuple[Callable[[], Any], str]] = {
    "shape": (lambda: tg.scan(lambda c, x: (np.stack([c, c]), x), 1.0, np.ones(3)), r"takes f64\[\] and returns f64\[2\]"),
    "dtype": (
        lambda: tg.while_loop(lambda c: c[0] < 9, lambda c: c + 0.5, np.arange(3)), r"takes i64\[3\] and returns f64\[3\]",
    ),
    "structure": (lambda: tg.scan(lambda c, x: ((c, c), x), 1.0, np.ones(3)), r"takes f64\[\] and returns \(f64"),
    "no pair": (lambda: tg.scan(lambda c, x: c, 1.0, np.ones(3)), r"must return a pair \(carry, y\)"),
    "no text": (lambda: tg.scan(lambda c, x: (c, "y"), 1.0, np.ones(3)), r"'y' of str in it; expected arrays"),
    "lengths": (lambda: tg.scan(lambda c, x: (c, c), 1.0, (np.ones(3), np.ones(4))), r"axes differ: xs are f64\[3\], f64"),
    "no length": (lambda: tg.scan(lambda c, x: (c, c), 1.0), "neither xs nor a length"),
    "a number": (lambda: tg.scan(lambda c, x: (c, c), 1.0, 2.0), "expected arrays with a leading axis"),
    "condition": (lambda: tg.while_loop(lambda x: x, lambda x: x, np.ones(2)), r"returned f64\[2\]; expected one bool"),
    "bound": (lambda: tg.compile(lambda n: tg.fori_loop(0, n, lambda i, x: x, 0.0))(1.5), "a bound is f64"),
    "branches": (
        lambda: tg.compile(lambda p: tg.cond(p, lambda: 1.0, lambda: np.ones(2)))(True),
        r"return f64\[2\] if false, f64\[\] if true; they must return the same",
    ),
    "pred": (lambda: tg.compile(lambda p: tg.cond(p, lambda: 1.0, lambda: 2.0))(np.ones(2)), "expected one bool"),
    "no branches": (lambda: tg.switch(0, []), "there are no branches"),
    "if in a body": (
        lambda: tg.scan(lambda c, x: (c if c > 0 else x, x), 1.0, np.ones(3)), "in the body of a loop or branch has",
    ),
    "segments": (lambda: tg.scan(lambda c, x: (c, x), 1.0, np.ones(3), checkpoint=-1), "checkpoint is -1"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_error(name: str) -> None:
    """Each names what was given, what was expected, and the user's line."""
    call, text = ERRORS[name]
    with pytest.raises((TypeError, ValueError), match=text) as caught:
        call()
    assert __file__ in str(caught.value)


def test_a_value_of_a_body_that_is_kept() -> None:
    """It means nothing outside."""

    @tg.compile
    def program(xs: Any) -> Any:
        kept: list[Any] = []

        def turn(carry: Any, x: Any) -> Any:
            kept.append(x)
            return carry + x, None

        tg.scan(turn, 0.0, xs)
        return kept[0] + 1

    with pytest.raises(tg.LeakError, match="of a loop, a branch or a vmap was used"):
        program(np.ones(3))


# -- with the other transforms -----------------------------------------------------------------------------------------


def _collatz(n: Any) -> Any:
    def turn(state: Any) -> Any:
        n, count = state
        return np.where(n % 2 == 0, n // 2, 3 * n + 1), count + 1

    return tg.while_loop(lambda state: state[0] != 1, turn, (n, 0))[1]


def _damped(x: Any) -> Any:
    """A number of turns that depends on the value."""
    return tg.while_loop(lambda v: np.sum(v * v) > 1.0, lambda v: np.sin(v) * 0.9 + 0.01 * v, x)


def _piecewise(x: Any) -> Any:
    return tg.cond(np.sum(x) > 0, lambda: np.sin(x) * x, lambda: tg.cond(x[0] > -1, lambda: x**3, lambda: 2 * x))


def _cumulative(x: Any) -> Any:
    total, rows = tg.scan(lambda c, v: (c * np.cos(v) + v, c - v), np.sum(x), x)
    return np.append(rows, total)


def _powers(x: Any) -> Any:
    return tg.fori_loop(0, np.sum(x > 0), lambda i, v: v * (1.1 + 0.1 * i), x)


FUNCTIONS = (_damped, _piecewise, _cumulative, _powers)
POINTS = np.random.default_rng(8).normal(size=(7, 4)) * 2


def over_functions(test: Callable[..., Any]) -> Any:
    return pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__.strip("_"))(test)


def test_each_example_has_its_own_number_of_turns() -> None:
    np.testing.assert_array_equal(tg.vmap(_collatz)(np.arange(1, 28)), [_plain_collatz(n) for n in range(1, 28)])


def _plain_collatz(n: int) -> int:
    count = 0
    while n != 1:
        n, count = (n // 2 if n % 2 == 0 else 3 * n + 1), count + 1
    return count


@over_functions
def test_batched(function: Callable[..., Any]) -> None:
    """All examples at once give what each gives alone, and so do their derivatives, in any order of the transforms."""
    projected = lambda x: np.sum(np.cos(function(x)) * np.arange(1.0, 1 + function(POINTS[0]).size))  # noqa: E731
    for f in (function, tg.grad(projected), tg.hessian(projected), lambda x: tg.jvp(function, (x,), (x * x,))[1]):
        each = np.stack([f(point) for point in POINTS])
        np.testing.assert_allclose(tg.vmap(f)(POINTS), each, rtol=1e-9, atol=1e-9)
    total = tg.grad(lambda xs: np.sum(tg.vmap(projected)(xs)))
    np.testing.assert_allclose(total(POINTS), np.stack([tg.grad(projected)(x) for x in POINTS]), rtol=1e-9, atol=1e-9)


@over_functions
def test_both_modes_against_finite_differences(function: Callable[..., Any]) -> None:
    for point in POINTS[:4]:
        tg.check_grads(function, (point,), order=2, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(tg.jacfwd(function)(point), tg.jacrev(function)(point), rtol=1e-10, atol=1e-12)


def test_batched_consts_and_sums() -> None:
    """A batch of matrices that the body reads; the derivative by each is summed behind the loop."""
    ws = RNG.normal(size=(4, 3, 3)) / 3
    ours, plain = PROGRAMS["scan"]
    mine = tg.vmap(tg.grad(ours), in_axes=(0, None))(ws, XS)
    np.testing.assert_allclose(mine, np.stack([tg.grad(plain)(w, XS) for w in ws]), rtol=1e-10, atol=1e-12)


def test_a_row_of_the_batch_is_not_spoilt_by_another() -> None:
    """An example whose loop is over stays as it is, whatever the others go on to."""
    f = tg.vmap(lambda x: tg.while_loop(lambda v: v < 100.0, lambda v: v * v, x))
    np.testing.assert_array_equal(f(np.array([200.0, 3.0, 1.5])), [200.0, 6561.0, 1.5**16])


def test_linear_maps_through_loops() -> None:
    value, pullback = tg.vjp(_damped, POINTS[0])
    tangent = tg.jvp(_damped, (POINTS[0],), (POINTS[1],))[1]
    _, pushforward = tg.linearize(_damped, POINTS[0])
    np.testing.assert_allclose(pushforward(POINTS[1]), tangent, rtol=1e-12)
    assert float(np.sum(pullback(value)[0] * POINTS[1])) == pytest.approx(float(np.sum(value * tangent)))


# -- memory that a body changes ----------------------------------------------------------------------------------------


def plain_fori(lower: int, upper: int, body: Callable[..., Any], value: Any) -> Any:
    for k in range(lower, upper):
        value = body(k, value)
    return value


def smoothed(x: Any, fori: Callable[..., Any] = tg.fori_loop) -> Any:
    out = np.empty_like(x)
    out[0] = x[0]

    def turn(t: Any, last: Any) -> Any:
        out[t] = 0.3 * x[t] + 0.7 * out[t - 1]
        return out[t]

    return out, fori(1, len(x), turn, 0.0)


def relaxed(x: Any, fori: Callable[..., Any] = tg.fori_loop) -> Any:
    a = np.reshape(x * 1.0, (3, -1))

    def column(j: Any, i: Any) -> Any:
        a[i, j] = (a[i - 1, j] + a[i, j - 1] + a[i, j] + a[i, j + 1] + a[i + 1, j]) / 5
        return i

    fori(1, a.shape[0] - 1, lambda i, _: fori(1, a.shape[1] - 1, column, i), 0)
    return a


def filled(x: Any, fori: Callable[..., Any] = tg.fori_loop) -> Any:
    """What is carried is also read from outside; the loop may have no turn."""
    whole = x * 1.0
    first = whole + 1.0

    def fill(k: Any, total: Any) -> Any:
        before = whole[k] + 0.0
        whole[k] = before + whole[k - 1]
        whole[: len(x) // 2] *= before
        return total + whole[k]

    return fori(0, len(x) - 2, fill, 0.0), whole, first


def ringed(x: Any, fori: Callable[..., Any] = tg.fori_loop) -> Any:
    """What an array was before a turn is wanted after it."""
    ring = x * 1.0

    def turn(t: Any, old: Any) -> Any:
        kept = np.copy(ring)
        ring[t] = np.tanh(np.mean(old))
        return kept

    return fori(0, len(x), turn, np.zeros_like(x)), ring


MEMORY = [smoothed, relaxed, filled, ringed]


@pytest.mark.parametrize("f", MEMORY)
@pytest.mark.parametrize("n", [6, 12])
def test_memory_that_a_body_changes(f: Callable[..., Any], n: int) -> None:
    x = np.cos(np.arange(float(n)))
    kept = x.copy()
    expected, _ = flatten(f(x, plain_fori))
    compiled = tg.compile(f)
    for _ in range(2):
        found, _ = flatten(compiled(x))
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-14)
        np.testing.assert_array_equal(x, kept)


def test_no_turn_leaves_memory_as_it_was() -> None:
    for found, wanted in zip(tg.compile(filled)(np.array([1.5, 2.5])), (0.0, [1.5, 2.5], [2.5, 3.5]), strict=True):
        np.testing.assert_array_equal(found, wanted)


def test_writing_an_element_at_each_turn_copies_nothing_else() -> None:
    profile = tg.compile(smoothed).profile(np.ones(10_000))
    assert sum(row.nbytes for row in profile.rows) < 10_000 * 8 * 40


@pytest.mark.parametrize("f", MEMORY)
def test_derivatives_through_memory_that_a_body_changes(f: Callable[..., Any]) -> None:
    @tg.compile
    def loss(x: Any) -> Any:
        leaves, _ = flatten(f(x))
        return sum(np.sum(np.sin(leaf)) for leaf in leaves)

    tg.check_grads(loss, (np.sin(np.arange(9.0)),), order=2)
