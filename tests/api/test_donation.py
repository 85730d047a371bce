"""Results in the memory of arguments: those that a function changes in place, and those that the caller gives away."""

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same
from support.programs import draw, quiet

import tracegraph as tg

N = 50_000


def numbers(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape)


def sharing(function: Any, *args: Any) -> dict[int, int]:
    """Which outputs of a compiled function are in the memory of which inputs."""
    program = function._path(args, {})[-1].program
    return dict(program.plan.schedule.shared)


def check_in_place(function: Callable[..., Any], *args: Any, shared: bool = True) -> None:
    """Called twice, a function leaves its arguments and returns what it does eagerly; whether it writes straight into the
    first."""
    compiled, mine, theirs = tg.compile(function), [np.array(each) for each in args], [np.array(each) for each in args]
    for _ in range(2):
        expected, actual = function(*mine), compiled(*theirs)
        assert_same(expected, actual, ulps=4, slack=1e-12)
        assert_same(mine, theirs, ulps=4, slack=1e-12)
    assert (0 in sharing(compiled, *theirs).values()) is shared


# -- arguments that the function changes -------------------------------------------------------------------------------


def descent(x, g):
    x -= 0.1 * g


def part(x, v):
    x[3:50] = v[:47] * 2


def both(x, v):
    x[10:] = v[10:]
    x *= 2
    return x + 1, x


def swapped(x, v):
    x[:], v[:] = v + 1, x * 2


def old_value(x, v):
    before = x.sum()
    x += v
    return before, x.sum()


def chain(x, v):
    for k in range(5):
        x[k] = x[k + 1] + v[k]
    return x[:5]


def reversed_(x, v):
    x[:] = x[::-1] * v


def rows(x, v):
    x /= abs(x).sum(axis=0)
    x[0] = v[1]


@pytest.mark.parametrize("function", [descent, part, both, old_value, chain])
def test_an_argument_is_changed_where_it_is(function: Callable[..., Any]) -> None:
    """The kernels write into the caller's array."""
    check_in_place(function, numbers(N), numbers(N))


@pytest.mark.parametrize("function", [swapped, reversed_])
def test_what_is_read_elsewhere_is_not_written_over(function: Callable[..., Any]) -> None:
    """Where an element is needed after its place would have been written, the new values are computed apart."""
    check_in_place(function, numbers(N), numbers(N), shared=function is swapped)


def test_rows() -> None:
    """A reduction reads all before the first element is written."""
    check_in_place(rows, numbers(40, 50), numbers(40, 50))


@pytest.mark.parametrize(
    "view",
    [lambda x: x[:, 3], lambda x: x[2:8], lambda x: x.T, lambda x: x[::-1], lambda x: x[1:5, 1:5]],
    ids=["column", "rows", "transposed", "backwards", "block"],
)
def test_views_are_changed(view: Callable[[np.ndarray], np.ndarray]) -> None:
    """An argument in any order of memory is changed, and nothing around it."""
    mine, theirs, v = numbers(300, 300), numbers(300, 300), np.ones(300)
    compiled = tg.compile(lambda x, v: descent(x, v))
    for _ in range(2):
        given = v[: view(mine).shape[-1]]
        descent(view(mine), given)
        compiled(view(theirs), given)
        assert_same(mine, theirs)


def test_calls_of_one_signature_look_at_the_arrays() -> None:
    """After many calls that go straight into an array, one with overlapping, read-only or other arrays is still right."""
    compiled, g = tg.compile(descent), numbers(N)
    x = numbers(N)
    for _ in range(3):
        compiled(x, g)
    whole = numbers(N + 1)
    with pytest.raises(tg.TraceError, match="shares memory"):
        compiled(whole[1:], whole[:-1])
    with pytest.raises(tg.TraceError, match="shares memory"):
        compiled(x, x)
    fixed = x.copy()
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        compiled(fixed, g)
    assert_same(fixed, x)
    for mine, theirs in ((whole[:-1].copy(), whole[:-1]), (numbers(2 * N)[::2], numbers(2 * N)[::2])):
        descent(mine, g)
        compiled(theirs, g)
        assert_same(mine, theirs)
    scaled, y = tg.compile(lambda x, k: x.__imul__(k)), np.ones(5)
    for k in (2, 2, 3, 0.5, True):
        scaled(y, k)
    assert (y == 6).all()


def test_a_read_only_argument_is_refused() -> None:
    """As NumPy does, and it stays as it was."""
    x = np.ones(N)
    x.flags.writeable = False
    with pytest.raises(ValueError, match="read-only"):
        tg.compile(descent)(x, np.ones(N))
    assert (x == 1).all()


def test_an_argument_is_untouched_after_an_error() -> None:
    """An index out of bounds, or a matrix that has no factors, is noticed before anything is changed."""

    def at_index(x, i):
        x[2:] = 7
        return x[i]

    def factored(x, a):
        x *= 2
        return np.linalg.cholesky(a * x[0])

    for function, good, bad in ((at_index, np.array([3]), np.array([N])), (factored, np.eye(2), -np.eye(2))):
        compiled, x = tg.compile(function), np.ones(N)
        compiled(x, good)
        before = x.copy()
        with pytest.raises((IndexError, np.linalg.LinAlgError)):
            compiled(x, bad)
        assert_same(before, x)


def test_an_array_from_outside_that_overlaps() -> None:
    """What kernels read by reference may be a part of the argument."""
    x = numbers(N)
    near = x[1:]

    def add(x):
        x[:-1] += near

    mine = x.copy()
    mine[:-1] += mine[1:].copy()
    compiled = tg.compile(add)
    compiled(np.zeros(N))
    compiled(x)
    assert_same(mine, x)


def test_after_a_fork() -> None:
    """The last stretch of a function changes its argument in place too; what came before has its old value."""

    def function(x, v):
        if v[0] > 0:
            x += v
        else:
            x -= 2 * v
        return x.sum()

    for sign in (1, -1):
        mine, theirs, v = numbers(N), numbers(N), sign * np.ones(N)
        compiled = tg.compile(function)
        assert_same(function(mine, v), compiled(theirs, v), ulps=16, slack=1e-9)
        assert_same(mine, theirs)
        assert sharing(compiled, theirs, v)


# -- arguments that are given away -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 10, N])
def test_a_donated_array_is_the_result(n: int) -> None:
    """The same object comes back, holding the result, small or large; so it goes on from call to call."""
    step = tg.compile(lambda p, g: p - 0.1 * g, donate_argnums=0)
    p, g = numbers(n), numbers(n)
    expected = p - 0.1 * g
    q = step(p, g)
    assert q is p
    assert_same(expected, q)
    assert step(q, g) is p


def test_other_arguments_may_need_preparation() -> None:
    """A Python integer, or an array in another order, does not keep a result from being in the donated array."""
    step = tg.compile(lambda p, k, m: p * k + m.sum(), donate_argnums=0)
    p, m = numbers(30, 30), numbers(30, 30)
    expected = p * 3 + m.T.sum()
    assert step(p, 3, m.T) is p
    assert_same(expected, p, ulps=16, slack=1e-12)


def test_a_result_of_ours_can_be_donated() -> None:
    """A large result owns its memory, although that will be used again."""
    make = tg.compile(lambda x: x + 1)
    step = tg.compile(lambda p: p * 2, donate_argnums=(0,))
    p = make(numbers(N))
    view = p[:3]
    q = step(p)
    assert q is p
    assert_same(view, q[:3])
    other = make(numbers(N))
    assert not np.may_share_memory(other, q)


def test_donation_by_name_and_inside_trees() -> None:
    """Every array of a donated tree counts, keyword arguments too."""

    def update(state, *, grads, rate=0.1):
        return {name: value - rate * grads[name] for name, value in state.items()}, grads["w"].sum()

    step = tg.compile(update, donate_argnames="state")
    state, grads = {"w": numbers(20, 30), "b": numbers(30)}, {"w": numbers(20, 30), "b": numbers(30)}
    expected = update({name: value.copy() for name, value in state.items()}, grads=grads)
    result = step(state, grads=grads)
    assert_same(expected, result, ulps=4, slack=1e-12)
    assert result[0]["w"] is state["w"]
    assert result[0]["b"] is state["b"]
    assert step.memory(state, grads=grads).results == 8


def test_results_of_another_shape_or_dtype() -> None:
    """A result of the same size takes the memory in its own shape; one of another dtype does not."""
    x = numbers(20, 30)
    flat = tg.compile(lambda x: x.reshape(-1) * 2, donate_argnums=0)(x)
    assert flat.shape == (600,)
    assert np.may_share_memory(flat, x)
    x = numbers(20)
    assert not np.may_share_memory(tg.compile(lambda x: (x * 2).astype(np.int64), donate_argnums=0)(x), x)


def moving(x, y):
    return x[::-1] + y, x * 2


def crossed(x, y):
    return y - x, x + y


def late(x, y):
    return x + y, (x * y).sum()


def early(x, y):
    z = x * 2
    return z.cumsum(), x.max(), x[0] + y


def matrix(x, y):
    return x.reshape(250, 200) @ y.reshape(200, 250)


@pytest.mark.parametrize("function", [moving, crossed, late, early, matrix])
def test_donation_does_not_change_results(function: Callable[..., Any]) -> None:
    """However results depend on donated arrays."""
    x, y = numbers(N), numbers(N)
    expected = tg.compile(function)(x, y)
    for donated in (0, 1, (0, 1)):
        assert_same(expected, tg.compile(function, donate_argnums=donated)(x.copy(), y.copy()))


@pytest.mark.parametrize(
    "arguments",
    [
        lambda x: (x, x),
        lambda x: (x, x[:]),
        lambda x: (x[1:], x[:-1]),
        lambda x: (x[::2], np.ones(-(-x.size // 2))),
        lambda x: (np.broadcast_to(x[:1], x.shape), x),
        lambda x: (np.frombuffer(x.tobytes()), x),
    ],
    ids=["twice", "and a view", "overlapping", "with gaps", "broadcast", "read-only"],
)
def test_what_somebody_else_may_read_is_left_alone(arguments: Callable[[np.ndarray], Any]) -> None:
    """Views, and arrays that are passed twice, are not overwritten."""
    step = tg.compile(lambda p, g: p - 0.5 * g, donate_argnums=0)
    given = arguments(numbers(N))
    before = [each.copy() for each in given]
    result = step(*given)
    assert_same(before[0] - 0.5 * before[1], result)
    assert_same(before, list(given))


def test_an_array_from_outside_is_not_donated() -> None:
    """If the function reads the very array by reference, the argument is left alone."""
    x = numbers(N)
    step = tg.compile(lambda p: p - x[::-1], donate_argnums=0)
    expected = x - x[::-1]
    assert_same(step(x.copy()), expected)
    assert_same(step(x), expected)
    assert_same(expected, step(x))


def test_a_scatter_into_a_donated_array() -> None:
    """The table itself is updated, without a copy; duplicates count each time."""

    def update(table, rows, g):
        table = table.copy()
        np.add.at(table, rows, -g)
        return table

    table, picked, g = numbers(1000, 8), np.array([3, 5, 3]), numbers(3, 8)
    expected, step = update(table, picked, g), tg.compile(update, donate_argnums=0)
    assert step.memory(table, picked, g).results == 0
    result = step(table, picked, g)
    assert result is table
    assert_same(expected, result)
    with pytest.raises(IndexError):
        step(table, np.array([0, 1, 1000]), g)


@pytest.mark.parametrize("options", [{"donate_argnums": 2}, {"donate_argnames": "z"}])
def test_unknown_donated_arguments(options: dict[str, Any]) -> None:
    """The error names the parameters."""
    with pytest.raises(ValueError, match=r"donated argument . is none of the parameters \(x, y\)"):
        tg.compile(lambda x, y: x, **options)


def test_a_static_argument_is_not_donated() -> None:
    """It is no array."""
    with pytest.raises(ValueError, match="argument x can't be both static and donated"):
        tg.compile(lambda x: x, static_argnums=0, donate_argnames="x")


def test_methods_and_decorators() -> None:
    """Donation goes with a compiled method, and with the decorator's form."""

    class Model:
        @tg.compile(donate_argnames="p")
        def step(self, p, g):
            return p - g

    p = numbers(8)
    assert Model().step(p, np.ones(8)) is p
    gc.collect()


@pytest.mark.parametrize("start", range(0, 120, 40))
def test_random_programs_give_the_same(start: int) -> None:
    """With all arguments donated a program returns what it does without."""
    for seed in range(start, start + 40):
        program = draw(3 * 10**6 + seed, 8)
        function, names = program.function(), tuple(dict(program.inputs))
        try:
            with quiet():
                expected = tg.compile(function)(*program.arguments())
        except Exception:
            continue
        with quiet():
            actual = tg.compile(function, donate_argnames=names)(*program.arguments())
        assert_same(expected, actual, ulps=2, slack=1e-12)
