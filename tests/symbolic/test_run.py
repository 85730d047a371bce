"""`run`: what it gives, what it refuses, that updates are all or none, and that programs are kept no longer than needed."""

from __future__ import annotations

import gc
import inspect
import re
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph import FeedError
from tracegraph.nn import DenseLayer, InputLayer
from tracegraph.symbolic import (
    Expression,
    Parameter,
    categorical_crossentropy,
    eq,
    exp,
    get_all_params,
    grad,
    matrix,
    mean,
    program,
    run,
    scalar,
    sgd,
    softmax,
    tensor3,
    tensor4,
    updates,
    vector,
)

RNG = np.random.default_rng(0)


def line() -> int:
    """The line that calls this."""
    frame = inspect.currentframe()
    assert frame is not None
    assert frame.f_back is not None
    return frame.f_back.f_lineno


def network() -> tuple[Any, Any, Any, Any, list[Parameter]]:
    X, Y = matrix(), vector()
    net = DenseLayer(InputLayer(X), num_units=7)
    net = DenseLayer(net, num_units=3, nonlinearity=softmax)
    return X, Y, net, mean(categorical_crossentropy(net, Y)), get_all_params(net)


def batch(n: int, features: int = 5) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(n, features)), RNG.integers(0, 3, n)


# -- what it gives -----------------------------------------------------------------------------------------------------


def test_results_come_in_the_container_of_the_fetches() -> None:
    """One gives an array; a list, tuple or dict gives its like; an update gives None; nothing gives nothing."""
    x = vector()
    total, w = x.sum(), Parameter(1.0)
    given = {x: np.array([1.0, 2.0])}
    assert type(run(total, feed=given)) is np.ndarray
    assert run([total, x], feed=given)[1].tolist() == [1.0, 2.0]
    assert type(run((total,), feed=given)) is tuple
    assert run({"a": total, "b": total}, feed=given) == {"a": 3.0, "b": 3.0}
    assert run([updates({w: w + 1.0}), total], feed=given) == [None, 3.0]
    assert run([]) == []
    assert run(updates({w: w + 1.0})) is None


def test_results_are_the_callers_own() -> None:
    """What was returned is changed neither by later runs nor, in parameters, by the caller."""
    w = Parameter(np.zeros(3))
    step = updates({w: w + 1.0})
    before, _ = run([w, step])
    fetched = run(w)
    fetched[:] = 99
    run(step)
    assert before.tolist() == [0.0, 0.0, 0.0]
    assert w.get_value().tolist() == [2.0, 2.0, 2.0]


def test_layers_stand_where_expressions_do() -> None:
    """As fetches, as keys of feed, in operators and in NumPy's functions."""
    X = matrix(shape=(None, 2))
    source = InputLayer(X)
    net = DenseLayer(source, num_units=1, W=np.ones((2, 1)))
    x = np.array([[1.0, 2.0]])
    assert run(net, feed={source: x}).tolist() == [[3.0]]
    assert run(np.exp(net) + 1 - net.T, feed={X: x}) == pytest.approx(np.exp(3.0) + 1 - 3)


@pytest.mark.parametrize(
    ("declare", "given", "expected"),
    [
        (lambda: vector(), np.array([1, 2]), np.float64),
        (lambda: vector(), np.array([True, False]), np.float64),
        (lambda: vector(), [1, 2], np.float64),
        (lambda: vector(), np.array([1.5], np.float32), np.float64),
        (lambda: vector(dtype="float32"), np.array([1, 2**24]), np.float32),
        (lambda: vector(dtype="float32"), [1.5], np.float32),
        (lambda: vector(dtype=np.int64), np.array([3], np.uint8), np.int64),
        (lambda: vector(dtype=np.uint8), [255], np.uint8),
        (lambda: scalar(), 2, np.float64),
        (lambda: vector(), np.array([1.5], ">f8"), np.float64),
    ],
)
def test_what_loses_nothing_is_converted(declare: Callable[[], Any], given: Any, expected: Any) -> None:
    """Integers become floats that hold them, narrow floats widen, Python's numbers take the input's dtype."""
    x = declare()
    found = run(x, feed={x: given})
    assert found.dtype == expected
    np.testing.assert_array_equal(found, np.asarray(given))


# -- what it refuses ---------------------------------------------------------------------------------------------------

REFUSED: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "dtype": (lambda: vector("x", dtype="float32"), np.zeros(2), "input 'x' of float32 .* fed dtype float64; expected"),
    "float into int": (lambda: vector("x", dtype=int), [0.5], "was fed dtype float64; expected int64"),
    "large integers": (lambda: vector("x"), np.array([2**53 + 1]), "between 9007199254740993 and .* cannot all hold"),
    "integers in float32": (lambda: vector(dtype="f4"), np.array([2**24 + 1]), r"vector\(\) of float32 .* was fed int64"),
    "beyond uint8": (lambda: vector(dtype=np.uint8), [256], "cannot all hold exactly"),
    "complex": (lambda: vector("x"), np.array([1j]), "was fed dtype complex128"),
    "text": (lambda: vector("x"), "abc", "was fed dtype <U3"),
    "ragged": (lambda: matrix("x"), [[1.0], [1.0, 2.0]], "which is no array"),
    "masked": (lambda: vector("x"), np.ma.array([1.0], mask=[True]), "was fed a masked array"),
    "rank": (lambda: matrix("x"), np.zeros(3), r"rank 1 and shape \(3,\); expected rank 2 and shape \(any, any\)"),
    "extent": (lambda: matrix("x", shape=(None, 4)), np.zeros((2, 3)), r"\(2, 3\); expected rank 2 and shape \(any, 4\)"),
    "tensor": (lambda: tensor3("x", shape=(1, None, 2)), np.zeros((2, 2, 2)), r"expected rank 3 and shape \(1, any, 2\)"),
    "expression": (lambda: vector("x"), exp(2.0), "was fed the expression exp .*; expected an array"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_an_array_that_does_not_fit_is_refused(case: str) -> None:
    """The error names the input and the line that built it, says what was given and what was expected."""
    make, value, text = REFUSED[case]
    x = make()
    with pytest.raises(FeedError, match=text) as caught:
        run(x + 1, feed={x: value})
    assert f"built at {__file__}:{make.__code__.co_firstlineno}" in str(caught.value)


def test_a_missing_input_is_named() -> None:
    """With the line that built it."""
    x, y = vector("x"), vector("y")
    here = line() - 1
    with pytest.raises(FeedError, match=rf"run: input 'y' of float64 \(built at {__file__}:{here} .*\) was not fed"):
        run(x + y, feed={x: np.zeros(2)})
    with pytest.raises(FeedError, match=r"input 'x' .* was not fed"):
        run(x)


def test_an_unknown_input_is_named() -> None:
    """Also one that no fetch depends on, and a key that is no input."""
    x, y = vector("x"), vector("y")
    with pytest.raises(FeedError, match=rf"input 'y' .*:{line() - 1} .* was fed, but no fetch depends on it"):
        run(x * 2, feed={x: np.zeros(2), y: np.zeros(2)})
    with pytest.raises(FeedError, match="feed has a value for 'x' of str, which is no input"):
        run(x * 2, feed={"x": np.zeros(2)})
    with pytest.raises(FeedError, match=r"feed has a value for the expression mul .*, which is no input"):
        run(x * 2, feed={x * 2: np.zeros(2)})
    with pytest.raises(FeedError, match=r"feed is \[1\] of list; expected a dict"):
        run(x * 2, feed=[1])  # type: ignore[arg-type]


def test_a_fetch_that_is_no_expression_is_named() -> None:
    """By its position."""
    x = vector()
    with pytest.raises(FeedError, match=rf"(?s)run: fetch 1 is 'loss' of str; expected an expression.*:{line() + 1}"):
        run([x, "loss"], feed={x: np.zeros(2)})
    with pytest.raises(FeedError, match="fetch 0 is None of NoneType"):
        run(None)


def test_arrays_that_do_not_fit_each_other_name_the_line_of_the_expression() -> None:
    """NumPy's error and text, then the line that built the expression, which the traceback shows too."""
    x, y = vector(), vector()
    total = x + y
    here = line() - 1
    with pytest.raises(
        ValueError, match=r"operands could not be broadcast together with shapes \(2,\) \(3,\)"
    ) as caught:
        run(total, feed={x: np.zeros(2), y: np.zeros(3)})
    assert f"at {__file__}:{here} " in str(caught.value)
    assert sum(str(entry.path) == __file__ for entry in caught.traceback) == 2
    scores, classes = matrix(), vector()
    for function in (eq, categorical_crossentropy):
        with pytest.raises(ValueError, match=r"\(4, 3\) and class indices of shape \(3,\) do not fit: .* shape \(4,\)"):
            run(function(scores, classes), feed={scores: np.zeros((4, 3)), classes: np.zeros(3)})


def test_bad_declarations_are_refused() -> None:
    """Where they stand."""
    with pytest.raises(ValueError, match=r"(?s)matrix: expected a shape of 2 extents .* got \(3,\).*test_run.py"):
        matrix(shape=(3,))
    with pytest.raises(TypeError, match="vector: expected a name, got 5; a shape is given as shape="):
        vector(5)  # type: ignore[arg-type]
    with pytest.raises(tg.UnsupportedError, match="dtype object is not supported"):
        tensor4(dtype=object)


# -- updates -----------------------------------------------------------------------------------------------------------


def test_updates_take_the_old_values() -> None:
    """Two parameters can exchange their values in one run."""
    a, b = Parameter(1.0), Parameter(2.0)
    run([updates({a: b + 0.0}), updates({b: a + 0.0})])
    assert (a.get_value(), b.get_value()) == (2.0, 1.0)


def test_on_an_error_no_parameter_changes() -> None:
    """Neither where one of several new values does not fit, nor where a later fetch fails."""
    a, b, x = Parameter(np.zeros(2), name="a"), Parameter(np.zeros(2), name="b"), vector()
    step = updates({a: a + 1.0, b: b + x})
    with pytest.raises(FeedError, match=rf"(?s)the update of parameter 'b' .*f64\[2\], is f64\[3,2\].*:{line() + 1}"):
        run([updates({a: a + 1.0, b: b + np.zeros((3, 2))})])
    with pytest.raises(ValueError, match="broadcast"):
        run([step], feed={x: np.zeros(3)})
    with pytest.raises(ValueError, match="matmul"):
        run([step, x @ np.zeros(5)], feed={x: np.zeros(2)})
    assert a.get_value().tolist() == b.get_value().tolist() == [0.0, 0.0]
    run([step], feed={x: np.ones(2)})
    assert a.get_value().tolist() == [1.0, 1.0]


def test_an_update_of_another_dtype_is_refused() -> None:
    """It would change the parameter's."""
    w = Parameter(np.zeros(2, np.float32), name="w")
    with pytest.raises(FeedError, match=r"parameter 'w' .* f32\[2\], is f64\[2\] from the expression add"):
        run(updates({w: w + np.zeros(2)}))


def test_a_parameter_is_updated_once_a_run() -> None:
    """Twice is an error, in one update and in two."""
    w = Parameter(0.0, name="w")
    one, two = updates({w: w + 1.0}), updates({w: w + 2.0})
    with pytest.raises(FeedError, match=r"parameter 'w' .* is updated twice"):
        run([one, two])
    with pytest.raises(FeedError, match="updated twice"):
        updates(one, two)
    with pytest.raises(TypeError, match="only parameters can be updated"):
        updates({vector(): 1.0})  # type: ignore[dict-item]


# -- programs ----------------------------------------------------------------------------------------------------------


def test_a_second_batch_size_only_traces() -> None:
    """The same program serves it, and it gives the same values row by row."""
    X, Y, net, loss, parameters = network()
    x, y = batch(8)
    whole = run(net, feed={X: x})
    np.testing.assert_allclose(run(net, feed={X: x[:3]}), whole[:3], rtol=1e-12)
    info = program([net]).cache_info()
    assert info.signatures == 2
    step = sgd(grad(loss, parameters), parameters)
    for n in (8, 3, 8, 3):
        run([step], feed={X: x[:n], Y: y[:n]})
    assert program([step]).cache_info().signatures == 2


def test_a_second_batch_size_compiles_no_kernel() -> None:
    """Forward, and a whole step of training: the kernels are the same ones."""
    X, Y, net, loss, parameters = network()
    x, y = batch(64)
    step = sgd(grad(loss, parameters), parameters)
    for fetch, feeds in ((net, [X]), (step, [X, Y])):
        run(fetch, feed={leaf: value[:40] for leaf, value in zip(feeds, (x, y), strict=False)})
        before = program([fetch]).cache_info()
        run(fetch, feed={leaf: value[:50] for leaf, value in zip(feeds, (x, y), strict=False)})
        after = program([fetch]).cache_info()
        assert (after.kernels, after.compiled) == (before.kernels, before.compiled)


def test_programs_do_not_keep_expressions_alive() -> None:
    """Neither the first fetch, which holds the program, nor the others, which are dropped with their entry."""
    x = vector()
    kept, other = x * 2, x * 3
    run([kept, other], feed={x: np.zeros(2)})
    assert len(kept.runners) == 1
    gone = weakref.ref(other)
    del other
    gc.collect()
    assert gone() is None
    assert not kept.runners


def test_a_program_goes_with_its_first_fetch() -> None:
    """Though another of the fetches stays."""
    x = vector()
    first, other = x * 2, x * 3
    run([first, other], feed={x: np.zeros(2)})
    (runner,) = map(weakref.ref, first.runners.values())
    del first
    gc.collect()
    assert runner() is None
    assert run(other, feed={x: np.ones(2)}).tolist() == [3.0, 3.0]


def test_a_program_says_what_it_runs() -> None:
    """Its graph, whose inputs are in its order, and its kernels."""
    x, w = vector("x"), Parameter(np.ones(2), name="w")
    running = program([x * w])
    feed = {x: np.zeros(2)}
    assert [leaf.name for leaf in (*running.inputs, *running.parameters)] == ["x", "w"]
    assert re.search(r"inputs  a: f64\[2\], b: f64\[2\]\n  c: f64\[2\] = multiply\(a, b\)", str(running.graph(feed)))
    assert "multiply" in running.source(feed)


def test_constants_are_expressions() -> None:
    """An expression without any input runs; so does a function that gives several arrays."""
    assert run(exp(0.0)) == 1.0
    assert type(run(exp(0.0))) is np.ndarray
    x = vector()
    parts: Expression = np.split(x, 2)  # type: ignore[assignment, call-overload]
    assert [part.tolist() for part in run(parts, feed={x: np.arange(4.0)})] == [[0.0, 1.0], [2.0, 3.0]]
