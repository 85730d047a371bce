"""Dicts, lists and dataclasses that a function is given and changes are changed for its caller."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from support.compare import kind_of

import tracegraph as tg
from tracegraph.errors import TraceError
from tracegraph.tree import flatten


@dataclass
class Body:
    place: Any
    speed: Any

    def drift(self, dt):
        self.place = self.place + dt * self.speed


def bind_keys(weights, rate):
    for name in weights:
        weights[name] = weights[name] * (1 - rate)
    weights["sum"] = weights["w"].sum() + weights["n"]
    return weights["sum"]


def move_bodies(bodies, dt):
    for body in bodies:
        body.drift(dt)
    bodies.append(Body(bodies[0].place - bodies[1].place, 0.0))


def swap(pair):
    pair["one"], pair["two"] = pair["two"], pair["one"]
    pair["one"] += 1


def nested(tree):
    tree["log"].append(tree["inner"][0].mean())
    tree["inner"][1] = None
    del tree["gone"]
    return len(tree["log"])


CASES = {
    "keys": (bind_keys, ({"w": np.arange(3.0), "n": 2}, 0.5)),
    "attributes": (move_bodies, ([Body(np.arange(2.0), np.ones(2)), Body(np.ones(2), 2.0)], 0.1)),
    "swapped": (swap, ({"one": np.arange(2), "two": np.ones(2, int)},)),
    "nested": (nested, ({"log": [], "inner": [np.arange(4.0), 3.0], "gone": 1},)),
}


@pytest.mark.parametrize("name", CASES)
def test_containers_are_changed_as_eagerly(name: str) -> None:
    function, args = CASES[name]
    compiled = tg.compile(function)
    for _ in range(3):
        mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
        expected, actual = flatten((function(*mine), mine)), flatten((compiled(*theirs), theirs))
        assert actual[1] == expected[1]
        for one, other in zip(actual[0], expected[0], strict=True):
            assert kind_of(one) == kind_of(other)
            np.testing.assert_allclose(one, other)


def test_what_is_moved_stays_the_callers_own() -> None:
    weights: dict[str, Any] = {"new": np.arange(3.0)}
    before = weights["new"]

    @tg.compile
    def keep(weights):
        weights["old"] = weights["new"]
        weights["new"] = weights["new"] + 1

    keep(weights)
    assert weights["old"] is before
    assert weights["new"].tolist() == [1.0, 2.0, 3.0]


def test_each_way_changes_what_it_changes() -> None:
    @tg.compile
    def step(state, x):
        if x > 0:
            state["total"] = state["total"] + x

    state = {"total": 1.0}
    for x in (2.0, -5.0, 3.0):
        step(state, x)
    assert state == {"total": 6.0}


def test_a_function_that_runs_as_it_is_changes_them_too() -> None:
    @tg.compile
    def digits(state, n):
        while n > 0:
            state["digits"].append(n % 2)
            n = n // 2 if n % 2 else n - 1

    state: dict[str, list[int]] = {}

    def many():
        for n in range(200, 300):
            state["digits"] = []
            digits(state, n)

    with pytest.warns(tg.TracegraphWarning):
        many()
    expected: dict[str, list[int]] = {"digits": []}
    digits.__wrapped__(expected, 299)
    assert state == expected


def test_after_an_error_nothing_is_changed() -> None:
    @tg.compile
    def fails(state, a):
        state["inverse"] = np.linalg.inv(a)

    state: dict[str, Any] = {}
    with pytest.raises(np.linalg.LinAlgError):
        fails(state, np.zeros((2, 2)))
    assert not state


def test_one_container_in_two_places_is_refused() -> None:
    @tg.compile
    def change(one, other):
        one["x"] = one["x"] + other["x"]

    shared = {"x": 1.0}
    with pytest.raises(TraceError, match="a dict that the function changes is among its arguments twice"):
        change(shared, shared)
