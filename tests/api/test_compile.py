"""`compile`: what it takes, what it gives back, what it refuses; signatures; threads; what one can ask of it."""

import copy
import dataclasses
import functools
import inspect
import itertools
import pickle
import re
import threading
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg
from tracegraph.errors import TraceError, UnsupportedError
from tracegraph.ir import Graph
from tracegraph.tree import flatten

X = np.arange(6.0).reshape(2, 3)
Pair = namedtuple("Pair", "first second")


@dataclasses.dataclass
class Layer:
    weights: Any
    bias: Any = 0.0


@dataclasses.dataclass(frozen=True)
class Frozen:
    value: Any

    def __post_init__(self) -> None:
        if not isinstance(self.value, np.ndarray):
            raise TypeError("a Frozen holds an array")


class Model:
    """Methods, static methods, calls and properties to compile."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    @tg.compile
    def method(self, x, power=2):
        """Scales."""
        return x**power * self.scale

    @staticmethod
    @tg.compile
    def static(x):
        return x + 1

    def plain(self, x):
        return x * self.scale

    def __call__(self, x):
        return x - self.scale


def add(x, y=10.0, *rest, z=100.0, **more):
    """Adds."""
    return x + y + sum(rest) + z + sum(more.values())


# -- what can be compiled ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (add, X + 110),
        (lambda x: x * 2, X * 2),
        (functools.partial(add, y=1.0), X + 101),
        (functools.partial(add, 5.0), X + 105),
        (Model(3.0), X - 3),
        (Model(3.0).plain, X * 3),
        (np.exp, np.exp(X)),
        (np.sum, np.sum(X)),
    ],
)
def test_callables(function: Callable[..., Any], expected: Any) -> None:
    """Functions, lambdas, partial functions, callable objects, bound methods, NumPy's own functions."""
    assert_same(expected, tg.compile(function)(X), ulps=2)


def test_methods() -> None:
    """A decorated method is bound to its object, and sees its own; a static one is not bound."""
    two, three = Model(2.0), Model(3.0)
    for _ in range(2):
        np.testing.assert_array_equal(two.method(X), X**2 * 2)
        np.testing.assert_array_equal(three.method(X), X**2 * 3)
    np.testing.assert_array_equal(Model.static(X), X + 1)
    np.testing.assert_array_equal(two.static(X), X + 1)
    assert two.method.__name__ == "method"
    assert Model.method.__doc__ == "Scales."


def test_decorator_with_options() -> None:
    """With and without brackets; twice over."""

    @tg.compile(static_argnames="n")
    def repeated(x, n):
        return np.stack([x] * n)

    assert repeated(X, 3).shape == (3, 2, 3)
    assert repeated(X, n=2).shape == (2, 2, 3)
    np.testing.assert_array_equal(tg.compile(tg.compile(lambda x: x + 1))(X), X + 1)


@pytest.mark.parametrize("wrong", [1, None, "f", X])
def test_what_is_no_function_is_refused(wrong: Any) -> None:
    """The message shows it."""
    if wrong is None:
        assert callable(tg.compile(wrong))
        return
    with pytest.raises(
        TypeError, match=r"(?s)compile: expected a function, got .*; write @tg.compile or tg.compile\(f\)"
    ):
        tg.compile(wrong)


def test_metadata_is_kept() -> None:
    """Name, documentation, module, signature, and the function itself."""
    compiled = tg.compile(add)
    assert (compiled.__name__, compiled.__doc__, compiled.__module__) == ("add", "Adds.", add.__module__)
    assert inspect.signature(compiled) == inspect.signature(add)
    assert compiled.__wrapped__ is add


# -- arguments ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [((1.0,), {}), ((1.0, 2.0), {}), ((1.0, 2.0, 3.0, 4.0), {}), ((1.0,), {"z": 5.0}), ((1.0,), {"y": 2.0, "w": 3.0}),
     ((), {"x": 1.0}), ((X, 2, 3.0), {"z": X[0]})],
)  # fmt: skip
def test_arguments_in_every_form(args: Any, kwargs: Any) -> None:
    """Defaults, positions, names, ``*args`` and ``**kwargs``."""
    assert_same(np.asarray(add(*args, **kwargs)), np.asarray(tg.compile(add)(*args, **kwargs)), ulps=2)


def test_names_in_another_order_are_other_arguments() -> None:
    """Keyword arguments are taken by name, not by place."""
    compiled = tg.compile(lambda a, b: a - b)
    assert compiled(a=3.0, b=1.0) == 2.0
    assert compiled(b=1.0, a=3.0) == 2.0
    assert compiled(3.0, b=1.0) == 2.0


def test_wrong_arguments_are_pythons_errors() -> None:
    """As if the function itself had been called."""
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'x'"):
        tg.compile(add)()
    with pytest.raises(TypeError, match="got an unexpected keyword argument 'b'"):
        tg.compile(lambda a: a)(1.0, b=2.0)


def test_nested_containers() -> None:
    """Dicts, lists, tuples, named tuples, dataclasses and None go in and come out as they are."""
    given = {"a": [X, (1.0, None)], "b": Pair(X[0], {"c": np.float32(2)}), "d": Layer(X, True), "e": Frozen(X), "f": ()}

    @tg.compile
    def double(tree):
        assert isinstance(tree["b"], Pair)
        assert isinstance(tree["e"], Frozen)
        return {**tree, "a": [tree["a"][0] * 2, (tree["a"][1][0] + 1, None)], "d": Layer(tree["d"].weights - 1, 5)}

    expected = {**given, "a": [X * 2, (2.0, None)], "d": Layer(X - 1, 5)}
    assert_same(expected, double(given))
    assert list(double(given)) == list(given)


def test_structure_is_part_of_the_signature() -> None:
    """A list is not a tuple, one key is not another, None is not a number."""
    compiled = tg.compile(lambda tree: tree or (0.0 if tree is None else 1.0))
    for tree in ([X], (X,), {"a": X}, {"b": X}, None, [], Pair(X, X)):
        assert_same(tree or (0.0 if tree is None else 1.0), compiled(tree))
    assert compiled.cache_info().signatures == 7


@pytest.mark.parametrize("value", [None, (), [], {}, 1, 2.5, True, X, np.float32(1), (X, {"k": (None, 2)})])
def test_results_that_do_not_depend_on_arguments(value: Any) -> None:
    """Constants come back, numbers as NumPy's numbers."""
    assert_same(value, tg.compile(lambda x: value)(X))


def test_an_argument_returned_is_a_new_array() -> None:
    """Results never share memory with arguments or with one another."""
    x, y = X.copy(), X.copy()
    a, b, c, d = tg.compile(lambda x, y: (x, x, x.T, y))(x, y)
    arrays = (x, y, a, b, c, d)
    assert not any(np.shares_memory(p, q) for k, p in enumerate(arrays) for q in arrays[:k])


def test_numbers_and_arrays_of_rank_0() -> None:
    """NumPy's distinction is kept: what is a number eagerly is one, a 0-d array is an array."""
    compiled = tg.compile(lambda x: (np.sum(x), x[0, 0], x[0, 0, ...], np.sum(x) + 1, np.where(x[0, 0] > 0, 1.0, 2.0)))
    for want, have in zip((np.float64, np.float64, np.ndarray, np.float64, np.ndarray), compiled(X), strict=True):
        assert type(have) is want


def test_python_numbers_are_weak() -> None:
    """They take the dtype of the arrays they meet, and each kind has a graph of its own; values share one."""
    compiled = tg.compile(lambda x, s: x * s)
    x = X.astype("f4")
    for s, dtype in (
        (2, "f4"),
        (2.5, "f4"),
        (True, "f4"),
        (np.float64(2), "f8"),
        (np.int64(2), "f8"),
        (np.float32(2), "f4"),
    ):
        assert compiled(x, s).dtype == dtype
    signatures = compiled.cache_info().signatures
    assert compiled(x, 7.5)[0, 1] == 7.5
    assert compiled.cache_info().signatures == signatures == 6


@pytest.mark.parametrize(
    "make",
    [
        lambda x: np.asfortranarray(x),
        lambda x: x[::-1, ::-1],
        lambda x: x[:, ::2],
        lambda x: x.T,
        lambda x: np.broadcast_to(x[0], (4, *x[0].shape)),
        lambda x: np.lib.stride_tricks.as_strided(x, (3, 2), (8, 8)),
        lambda x: x[:0],
        lambda x: x[..., None],
        lambda x: np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float64).reshape(x.shape),
    ],
    ids="fortran reversed strided transposed zero-stride overlapping empty ones misaligned".split(),
)
def test_memory_layouts(make: Callable[[np.ndarray], np.ndarray]) -> None:
    """Any strides, alignment and writability; the result is in C order."""
    x = make(X.copy())
    compiled = tg.compile(lambda x: (x * 2 + 1, np.sum(x, axis=0)))
    doubled, total = compiled(x)
    np.testing.assert_array_equal(doubled, x * 2 + 1)
    np.testing.assert_array_equal(total, x.sum(0))
    assert doubled.flags.c_contiguous
    c_order = np.ascontiguousarray(x)
    c_order.flags.writeable = False
    np.testing.assert_array_equal(compiled(c_order)[0], doubled)


def test_strided_arguments_are_changed_in_place() -> None:
    """Whatever their strides, the caller's own memory."""

    def function(x):
        x[0] += 10

    for make in (lambda x: x, lambda x: x[::-1], lambda x: x[:, ::2], lambda x: x.T, lambda x: x[..., None]):
        eager, traced = X.copy(), X.copy()
        function(make(eager))
        tg.compile(function)(make(traced))
        np.testing.assert_array_equal(eager, traced)


def test_read_only_arguments_are_not_changed() -> None:
    """NumPy's error, and the contents stay."""
    x = X.copy()
    x.flags.writeable = False

    def function(x):
        x += 1

    with pytest.raises(ValueError, match="read-only"):
        tg.compile(function)(x)
    np.testing.assert_array_equal(x, X)


def test_the_same_array_twice() -> None:
    """Read, it may be given twice; changed, it may not."""
    assert_same(X * 2, tg.compile(lambda x, y: x + y)(X, X))

    def function(x, y):
        x += 1
        return y

    with pytest.raises(TraceError, match="argument leaf 0 is changed in place and shares memory with argument leaf 1"):
        tg.compile(function)(*[X.copy()] * 2)


@pytest.mark.parametrize(
    ("value", "error", "text"),
    [
        ("text", TypeError, "argument 0 is 'text' of str; expected arrays, numbers"),
        (object(), TypeError, "argument 0 is <object object"),
        ({1, 2}, TypeError, "argument 0 is {1, 2} of set"),
        (np.array(["a"]), UnsupportedError, "argument 0 is an array of dtype <U1"),
        (np.array([None]), UnsupportedError, "argument 0 is an array of dtype object"),
        (np.ones(2, "g"), UnsupportedError, f"argument 0 is an array of dtype {np.dtype('g')}"),
        (np.ones(2, "m8[D]"), UnsupportedError, "argument 0 is an array of dtype timedelta64"),
        (np.ones(2, "M8[s]"), UnsupportedError, "argument 0 is an array of dtype datetime64"),
        (np.ones(2, ">f8"), UnsupportedError, "argument 0 is an array of dtype >f8"),
        (np.ma.ones(2), UnsupportedError, "argument 0 is a MaskedArray; pass a plain array, for instance np.asarray(x)"),
        ([1.0, {"a": "text"}], TypeError, "argument 0 is 'text' of str"),
    ],
)  # fmt: skip
def test_wrong_leaves_are_refused(value: Any, error: type[Exception], text: str) -> None:
    """The message names the function, the argument and what it is."""

    def named(x):
        return x

    with pytest.raises(error) as caught:
        tg.compile(named)(value)
    assert str(caught.value).startswith("named(): ")
    assert text in str(caught.value)


def test_wrong_results_are_refused() -> None:
    """What is no array, number, text or container of them; generators too."""
    with pytest.raises(TraceError, match=r"a compiled function returned <object object at \w+> of object"):
        tg.compile(lambda x: object())(X)
    with pytest.raises(TraceError, match="a compiled function returned a generator; return a list instead"):
        tg.compile(lambda x: (row for row in x))(X)


def test_results_that_depend_on_nothing_are_what_they_are() -> None:
    """Numbers, texts and classes come back as they are, numbers of Python's that are computed as such."""
    same = ("text", 3, True, 2.5, np.float32, np.dtype("i4"), np.float32(1), None)
    assert tg.compile(lambda x: same)(X) == same
    assert [type(value) for value in tg.compile(lambda x, n: (x * 2, n + 1, n > x))(2.0, 3)] == [float, int, bool]


def test_a_traceback_shows_the_users_lines() -> None:
    """The last of them is the one that went wrong; ours are in it only where the function was called."""

    def wrong(x: np.ndarray) -> np.ndarray:
        return x + np.ones(7)

    with pytest.raises(ValueError, match="could not be broadcast") as caught:
        tg.compile(lambda x: wrong(x) * 2)(X)
    assert [entry.name for entry in caught.traceback][-2:] == ["<lambda>", "wrong"]


def test_integers_beyond_64_bits_are_refused() -> None:
    """As NumPy does."""
    with pytest.raises(OverflowError):
        tg.compile(lambda x: x + 1)(2**70)


# -- static arguments --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options", [{"static_argnums": 1}, {"static_argnums": (1,)}, {"static_argnames": "n"}, {"static_argnames": ["n"]},
                {"static_argnums": -1}],
)  # fmt: skip
def test_static_arguments_are_part_of_the_signature(options: dict[str, Any]) -> None:
    """They are Python values while the function is traced, by whatever name; each value has its graph."""
    compiled = tg.compile(lambda x, n=2: x**n if n % 2 else sum([x] * n), **options)
    for call in (compiled(X, 3), compiled(X, n=3)):
        np.testing.assert_array_equal(call, X**3)
    np.testing.assert_array_equal(compiled(X), X * 2)
    np.testing.assert_array_equal(compiled(X, 4), X * 4)


def test_static_values_are_told_apart_by_kind() -> None:
    """1 and 1.0 and True are equal, and yet give different results."""
    compiled = tg.compile(lambda x, s: x * s, static_argnames="s")
    x = np.ones(2, int)
    assert [compiled(x, s).dtype.kind for s in (1, 1.0, True, 1)] == ["i", "f", "i", "i"]


def test_static_arguments_may_be_anything_hashable() -> None:
    """Strings, functions, tuples, None."""
    compiled = tg.compile(lambda x, how: how(x) if callable(how) else getattr(np, how)(x), static_argnums=1)
    assert compiled(X, "sum") == 15
    assert compiled(X, np.max) == 5


def test_unhashable_static_arguments_are_refused() -> None:
    """The message names them and says what to write instead."""
    compiled = tg.compile(lambda x, n: x, static_argnames="n")
    with pytest.raises(
        TypeError, match=r"static arguments must be hashable, n got \(\[1, 2\],\); use tuples in place of lists"
    ):
        compiled(X, n=[1, 2])


@pytest.mark.parametrize("options", [{"static_argnames": "m"}, {"static_argnums": 2}, {"static_argnums": (0, -3)}])
def test_unknown_static_arguments_are_refused(options: dict[str, Any]) -> None:
    """At once, with the names that there are."""
    with pytest.raises(ValueError, match=r"static argument \S+ is none of the parameters \(x, n\)"):
        tg.compile(lambda x, n: x, **options)


# -- what one can ask --------------------------------------------------------------------------------------------------


def test_graph_source_and_explain() -> None:
    """The graph prints, and makes no call; sources and stages are text."""
    compiled = tg.compile(lambda x: np.exp(x) + 1)
    graph = compiled.graph(X)
    assert isinstance(graph, Graph)
    assert re.search(r"exp\(a\) +# test_compile.py:\d+", str(graph))
    assert compiled.cache_info()[:2] == (1, 0)
    for listing in (compiled.source(X), compiled.explain(X)):
        assert isinstance(listing, str)
        assert repr(listing) == str(listing)
    assert "== " in compiled.explain(X)


def test_cache_info_counts() -> None:
    """Signatures by shape, dtype and structure; every call."""
    compiled = tg.compile(lambda x: x + 1)
    for x in (X, X * 2, X[0], X.astype("f4"), 1.0, 2.0, 1, X):
        compiled(x)
    assert compiled.cache_info()[:2] == (5, 8)


def test_a_second_call_does_not_trace() -> None:
    """The function's own code runs once for each signature."""
    runs = itertools.count()
    compiled = tg.compile(lambda x: x + 1 if next(runs) >= 0 else x)
    for _ in range(3):
        compiled(X)
    compiled(X[0])
    assert next(runs) == 2


# -- nesting, errors, threads ------------------------------------------------------------------------------------------


def test_compiled_functions_nest() -> None:
    """Inside another one, a compiled function is part of its graph; so is a recursion on static arguments."""
    inner = tg.compile(lambda x: x * 2)
    outer = tg.compile(lambda x: inner(x) + inner(x + 1))
    np.testing.assert_array_equal(outer(X), X * 4 + 2)
    assert inner.cache_info().calls == 0

    @tg.compile(static_argnames="n")
    def power(x, n):
        return x if n == 1 else x * power(x, n - 1)

    np.testing.assert_array_equal(power(X, 5), X * X * X * X * X)


def test_endless_recursion_is_pythons_error() -> None:
    """And everything goes on working."""

    @tg.compile
    def endless(x):
        return endless(x) + 1

    with pytest.raises(RecursionError):
        endless(X)
    assert tg.compile(lambda x: x + 1)(1.0) == 2.0


def test_an_error_in_the_function_is_the_users_own() -> None:
    """It comes through as it is, each time, and leaves everything usable."""

    class Own(Exception):
        pass

    fail = True

    @tg.compile
    def function(x):
        y = x + 1
        if fail:
            raise Own("mine")
        return y

    for _ in range(2):
        with pytest.raises(Own, match=r"^mine$"):
            function(X)
    with pytest.raises(Own):
        tg.compile(lambda x: function(x) * 2)(X)
    fail = False
    np.testing.assert_array_equal(function(X), X + 1)


def test_closed_over_arrays_are_read_at_each_call() -> None:
    """They are passed by reference, not frozen into the graph."""
    weights = np.ones(3)
    compiled = tg.compile(lambda x: x * weights + weights)
    np.testing.assert_array_equal(compiled(X), X + 1)
    weights[:] = 2
    np.testing.assert_array_equal(compiled(X), X * 2 + 2)


def test_threads_call_one_function() -> None:
    """Many at once, on shapes new and known, each gets the answer to its own arguments."""
    compiled = tg.compile(lambda x, s: np.exp(x * s) + np.sum(x, axis=0))
    start, wrong = threading.Barrier(8), []

    def work(k: int) -> None:
        start.wait()
        for n in (3, 3, 4 + k % 2, 3, 7):
            x = np.linspace(0, 1, n * 5).reshape(n, 5) * (k + 1)
            if not np.allclose(compiled(x, 0.5), np.exp(x * 0.5) + x.sum(0), rtol=1e-14):
                wrong.append((k, n))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert compiled.cache_info()[:2] == (4, 40)


@tg.compile
def doubled(x):
    return x * 2


def test_a_compiled_function_is_pickled_by_name():
    """As a plain function is, so that it can be sent to other processes; a copy of it is itself."""
    assert doubled.__reduce__() == "doubled"
    assert copy.deepcopy(doubled) is doubled
    assert copy.deepcopy({"f": doubled})["f"](2.0) == 4.0


def test_arrays_that_were_pickled():
    """Their dtype is equal to NumPy's own but another object, as arguments, in closures and in place."""

    def shipped(value):
        return pickle.loads(pickle.dumps(np.asarray(value)))

    weights = shipped([1.0, 2.0])
    assert weights.dtype is not np.dtype(float)
    compiled = tg.compile(lambda x, y: (x * weights + y.astype(weights.dtype), x @ weights, np.zeros_like(weights)))
    for x in (shipped([3.0, 4.0]), np.array([3.0, 4.0])):
        for y in (shipped([1, 2]), np.array([1, 2])):
            assert [value.tolist() for value in compiled(x, y)] == [[4.0, 10.0], 11.0, [0.0, 0.0]]

    def in_place(x):
        x[0] += 1

    x = shipped([1.0, 2.0])
    tg.compile(in_place)(x)
    assert x.tolist() == [2.0, 2.0]


# -- calls of the same form --------------------------------------------------------------------------------------------


def total(*args: Any, **kwargs: Any) -> Any:
    leaves = flatten([args, kwargs])[0]
    return {
        "sum": sum(np.sum(leaf * (k + 1)) for k, leaf in enumerate(leaves)),
        "first": (leaves[0] * 2, [len(leaves)]),
    }


FORMS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    ((X,), {}),
    ((X, X), {}),
    ((X.T,), {}),
    ((X.astype(np.float32),), {}),
    ((2.0,), {}),
    ((2,), {}),
    ((True,), {}),
    ((np.float64(2.0),), {}),
    ((np.array(2.0),), {}),
    ((np.array(2),), {}),
    (([X],), {}),
    (((X,),), {}),
    (({"a": X, "b": X + 1},), {}),
    (({"b": X + 1, "a": X},), {}),
    (({"a": X, "b": [X + 1]},), {}),
    (({"a": [X], "b": None},), {}),
    (({"a": [X], "b": 1.0},), {}),
    ((Pair(X, 2.0),), {}),
    ((Layer(X),), {}),
    ((Layer(Layer(X, X), None),), {}),
    ((X,), {"y": X}),
    ((X,), {"y": X, "z": {"a": 1.0}}),
    ((X,), {"z": {"a": 1.0}, "y": X}),
    ((), {"y": X, "z": X}),
    ((X[:1],), {}),
    ((X, 1.0, 2), {}),
    ((X, 1, 2.0), {}),
]


def test_calls_of_all_forms_in_any_order() -> None:
    """What was called last has no say in what the next call gives, however much their arguments are alike."""
    compiled = tg.compile(total)
    rng = np.random.default_rng(0)
    expected = [total(*args, **kwargs) for args, kwargs in FORMS]
    for k in [*range(len(FORMS)), *rng.integers(len(FORMS), size=400)]:
        args, kwargs = FORMS[k]
        for _ in range(2):
            actual = compiled(*args, **kwargs)
            assert_same(expected[k], actual, ulps=4)
            assert actual["first"][1] == expected[k]["first"][1]
    assert compiled.cache_info().signatures == len(FORMS)


def test_calls_of_one_form_from_threads() -> None:
    """Several threads call with their own trees at once, while another makes the function trace anew."""
    scale = [1.0]
    compiled = tg.compile(lambda tree: {name: value * scale[0] for name, value in tree.items()})
    failures: list[Any] = []

    def call(seed: int) -> None:
        tree = {"a": np.full(2000, float(seed)), "b": np.full(3, 1.0)}
        for _ in range(300):
            result = compiled(tree)
            if set(result["a"] / seed) - {1.0, 2.0} or set(result["b"]) - {1.0, 2.0}:
                failures.append(result)

    threads = [threading.Thread(target=call, args=(seed,)) for seed in range(1, 4)]
    for thread in threads:
        thread.start()
    for _ in range(5):
        scale[0] = 3.0 - scale[0]
    for thread in threads:
        thread.join()
    assert not failures
    assert set(compiled({"a": np.ones(2), "b": np.ones(3)})["a"]) == {scale[0]}
