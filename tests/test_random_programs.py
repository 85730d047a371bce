"""Random NumPy programs give the same eagerly, interpreted and compiled: values, dtypes, shapes, errors, and what becomes
of their arguments. ``--programs N`` and ``--native N`` say how many."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same, kind_of
from support.programs import Program, draw, quiet, spread, variants
from support.running import interpreted, outcome, same_error

import tracegraph as tg

CHUNK = 50
GRADIENTS = 400


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    option = {"interpreted_from": "--programs", "native_from": "--native"}
    for name in metafunc.fixturenames:
        if name in option:
            metafunc.parametrize(name, range(0, metafunc.config.getoption(option[name]), CHUNK))


def problem(program: Program, runner: Callable[..., Any]) -> str | None:
    """What differs between an eager run and another; None if nothing does."""
    function = program.function()
    mine, theirs = program.arguments(), program.arguments()
    expected, error = outcome(function, mine)
    if isinstance(error, NameError):
        return None
    try:
        with quiet():
            actual = runner(function)(*theirs)
    except Exception as caught:
        return None if error is not None and same_error(error, caught) else f"eager: {error!r}, traced: {caught!r}"
    if error is not None:
        return f"eager: {error!r}, traced: no error"
    names = [*program.names, *dict(program.inputs)]
    wanted, have = [*expected, *mine], [*actual, *theirs]
    for name, value, got, slack in zip(names, wanted, have, spread(program, wanted), strict=True):
        if kind_of(value) != kind_of(got):
            return f"{name}: eager {kind_of(value)}, traced {kind_of(got)}"
        known = np.isfinite(slack)
        try:
            assert_same(
                np.asarray(value)[known], np.asarray(got)[known], ulps=16, slack=slack[known], signed_zero=False
            )
        except AssertionError as difference:
            return f"{name}: {difference}\neager:  {value!r}\ntraced: {got!r}"
    return None


def shrunk(program: Program, fails: Callable[[Program], str | None]) -> Program:
    """The program without the statements that it does not need to fail."""
    for smaller in variants(program):
        if fails(smaller):
            return shrunk(smaller, fails)
    return program


def check_programs(seeds: range, runner: Callable[..., Any], length: int) -> None:
    for seed in seeds:
        program = draw(seed, length)
        if problem(program, runner):
            program = shrunk(program, lambda smaller: problem(smaller, runner))
            pytest.fail(f"{problem(program, runner)}\n\n{program.script()}", pytrace=False)


def test_interpreted_programs(interpreted_from: int) -> None:
    """Traced, optimised and interpreted, a program does what it does eagerly."""
    check_programs(range(interpreted_from, interpreted_from + CHUNK), interpreted, 25)


def test_native_programs(native_from: int) -> None:
    """Compiled to kernels, a program does what it does eagerly."""
    check_programs(range(10**6 + native_from, 10**6 + native_from + CHUNK), tg.compile, 8)


def slope(program: Program) -> tuple[float, float, float]:
    """The derivative of a weighted sum of all results along a random direction: traced, by differences, and its scale."""
    function, arguments = program.function(), program.arguments()
    rng = np.random.default_rng(program.seed)
    results = function(*program.arguments())
    weights = [rng.normal(size=np.shape(value)) for value in results]
    direction = [rng.normal(size=np.shape(value)) for value in arguments]

    def loss(*values: Any) -> Any:
        copies = [value + 0.0 for value in values]
        return sum(np.sum(weight * result) for weight, result in zip(weights, function(*copies), strict=True))

    def moved(by: float) -> Any:
        return loss(*[value + by * step for value, step in zip(arguments, direction, strict=True)])

    steps = (1e-3, -1e-3, 2e-3, -2e-3)
    ahead, behind, further, back = (moved(step) for step in steps)
    by_differences = (8 * (ahead - behind) - (further - back)) / 12e-3
    found = interpreted(tg.grad(loss, argnums=tuple(range(len(arguments)))))(*arguments)
    terms = [np.sum(gradient * step) for gradient, step in zip(found, direction, strict=True)]
    size = sum(np.sum(np.abs(gradient * step)) for gradient, step in zip(found, direction, strict=True))
    return float(sum(terms)), float(by_differences), float(size) + 1


def wrong_slope(program: Program) -> str | None:
    """What is wrong with the gradient; None if nothing is."""
    if not program.names:
        return None
    try:
        with quiet():
            traced, by_differences, scale = slope(program)
    except NameError:
        return None
    if abs(traced - by_differences) <= 1e-6 * scale:
        return None
    return f"the slope is {by_differences}, the traced gradient gives {traced}"


@pytest.mark.parametrize("first", range(0, GRADIENTS, CHUNK))
def test_gradients_of_smooth_programs(first: int) -> None:
    """The gradient of a smooth program is that found by finite differences."""
    for seed in range(first, first + CHUNK):
        program = draw(seed, 12, smooth=True)
        if wrong_slope(program):
            program = shrunk(program, wrong_slope)
            pytest.fail(f"{wrong_slope(program)}\n\n{program.script()}", pytrace=False)
