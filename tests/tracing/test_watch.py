"""What a compiled function reads besides its arguments is read as it is at each call."""

from __future__ import annotations

import functools
import gc
import weakref
from typing import Any

import numpy as np
import pytest

import tracegraph as tg

SCALE = 2.0
WEIGHTS = np.ones(3)


def helper(x: Any) -> Any:
    return x * SCALE


class Layer:
    def __init__(self) -> None:
        self.w = np.ones(3)
        self.gain = 1.0

    def forward(self, x: Any) -> Any:
        return self.w * x * self.gain


class Model:
    def __init__(self) -> None:
        self.layers = [Layer()]
        self.unused = 0

    @tg.compile
    def predict(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer.forward(x)
        return x


def test_a_global_that_is_bound_anew(monkeypatch: Any) -> None:
    """A global number, read by a helper, counts as it is at the call."""
    compiled = tg.compile(lambda x: helper(x))
    assert compiled(1.0) == 2.0
    monkeypatch.setitem(globals(), "SCALE", 3.0)
    assert compiled(1.0) == 3.0


def test_a_function_that_is_defined_anew(monkeypatch: Any) -> None:
    """Redefining a helper, as one does in a notebook, is seen."""
    compiled = tg.compile(lambda x: helper(x))
    assert compiled(1.0) == 2.0
    monkeypatch.setitem(globals(), "helper", lambda x: x - 1)
    assert compiled(1.0) == 0.0


def test_an_array_that_is_changed_in_place_costs_one_retrace() -> None:
    """Kernels read arrays by reference; once that has been seen to be all, changes cost nothing."""
    weights = np.ones(3)
    compiled = tg.compile(lambda x: x * weights)
    assert compiled(2.0).tolist() == [2, 2, 2]
    weights[:] = [1, 2, 3]
    assert compiled(2.0).tolist() == [2, 4, 6]
    entries = compiled._forms.copy()
    weights[:] = [4, 5, 6]
    assert compiled(2.0).tolist() == [8, 10, 12]
    assert compiled._forms == entries


def test_an_array_that_python_alone_looked_at() -> None:
    """What NumPy computed from an array while tracing is computed again once the array has changed."""
    weights = np.ones(3)
    compiled = tg.compile(lambda x: x * float(weights.sum()))
    assert compiled(1.0) == 3.0
    weights[:] = 2
    assert compiled(1.0) == 6.0


def test_an_array_that_both_python_and_kernels_read() -> None:
    """What NumPy computed while tracing and what kernels read change together."""
    weights = np.ones(3)
    compiled = tg.compile(lambda x: x * weights + np.sum(weights))
    for value in (1.0, 2.0, 3.0):
        weights[:] = value
        assert compiled(1.0).tolist() == [4 * value] * 3


def test_a_closed_over_variable() -> None:
    """A variable of an enclosing function may be bound anew."""
    rate = 1.0

    def scaled(x: Any) -> Any:
        return x * rate

    compiled = tg.compile(scaled)
    assert compiled(3.0) == 3.0
    rate = 2.0
    assert compiled(3.0) == 6.0


def test_lists_and_dicts_that_change() -> None:
    """Elements of containers may come, go and be replaced."""
    parts, settings = [np.ones(2)], {"bias": 1.0}
    compiled = tg.compile(lambda x: sum(x * part for part in parts) + settings["bias"])
    assert compiled(1.0).tolist() == [2, 2]
    parts.append(np.ones(2))
    assert compiled(1.0).tolist() == [3, 3]
    settings["bias"] = 5.0
    assert compiled(1.0).tolist() == [7, 7]


def test_attributes_of_objects_that_a_method_reaches() -> None:
    """A method's self, and the objects in it, are read at each call."""
    model = Model()
    assert model.predict(1.0).tolist() == [1, 1, 1]
    model.layers[0].w = np.zeros(3)
    assert model.predict(1.0).tolist() == [0, 0, 0]
    model.layers[0].w = np.ones(3)
    model.layers[0].gain = 4.0
    assert model.predict(1.0).tolist() == [4, 4, 4]
    model.layers.append(Layer())
    model.layers[1].gain = 2.0
    assert model.predict(1.0).tolist() == [8, 8, 8]


def test_what_the_code_does_not_name_costs_nothing() -> None:
    """An attribute that no reached code mentions may change freely."""
    model = Model()
    model.predict(1.0)
    before = model.predict._forms.copy()
    model.unused = 1
    model.predict(1.0)
    assert model.predict._forms == before


def test_two_instances_have_graphs_of_their_own() -> None:
    """Methods are compiled for each instance."""
    one, two = Model(), Model()
    two.layers[0].gain = 3.0
    assert one.predict(1.0).tolist() == [1, 1, 1]
    assert two.predict(1.0).tolist() == [3, 3, 3]


def test_derivatives_and_partial_functions_are_watched_too() -> None:
    """The function inside a derivative or a partial function is followed."""
    power = [2.0]

    def raised(scale: float, x: Any) -> Any:
        return scale * x ** power[0]

    slope = tg.grad(functools.partial(raised, 3.0))
    assert slope(2.0) == 12.0
    power[0] = 3.0
    assert slope(2.0) == 36.0


def test_a_function_that_counts_its_calls_counts_every_one() -> None:
    """A side effect on watched state makes the function run again in Python, as eager code would."""
    seen: list[int] = []

    def noted(x: Any) -> Any:
        seen.append(1)
        return x + len(seen)

    compiled = tg.compile(noted)
    assert [float(compiled(0.0)) for _ in range(3)] == [1.0, 2.0, 3.0]


def test_a_generator_draws_anew_at_each_call() -> None:
    """Noise from a closed-over generator is not frozen: it is what eager code would draw."""
    rng, twin = np.random.default_rng(7), np.random.default_rng(7)
    compiled = tg.compile(lambda x: x + rng.normal(size=3))
    for _ in range(3):
        assert compiled(1.0).tolist() == (1.0 + twin.normal(size=3)).tolist()


def test_the_global_generator_is_refused() -> None:
    """Drawing from np.random inside would freeze the numbers."""
    with pytest.raises(tg.TraceError, match=r"np\.random was drawn from inside a compiled function[\s\S]*default_rng"):
        tg.compile(lambda x: x + np.random.normal())(1.0)


def test_a_generator_without_a_seed_is_refused() -> None:
    """Made inside, it would give the same numbers at every call; with a seed it does so in NumPy too."""
    with pytest.raises(tg.TraceError, match=r"np\.random\.default_rng\(\) was called inside a compiled function"):
        tg.compile(lambda x: x + np.random.default_rng().normal())(1.0)
    seeded = tg.compile(lambda x: x + np.random.default_rng(5).normal())
    assert seeded(1.0) == seeded(1.0) == 1.0 + np.random.default_rng(5).normal()


def test_instances_of_a_compiled_class_are_freed() -> None:
    """A compiled method keeps nothing of an instance alive once the user has dropped it."""
    model = Model()
    model.predict(1.0)
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
