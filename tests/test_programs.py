"""Whole NumPy programs, compiled as they are, do what they do eagerly: results, arguments that they change, gradients."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from programs import PROGRAMS, Program
from support.compare import kind_of
from support.nearly import difference

import tracegraph as tg

#: The step of finite differences, and how far a slope may be from what they give.
STEP, SLOPE_TOLERANCE = 1e-6, 1e-5


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_the_same_compiled(name: str) -> None:
    """With two sets of values, the second of which runs what was compiled for the first or is traced anew."""
    program = PROGRAMS[name]
    compiled = tg.compile(program.main)
    for seed in (0, 1):
        mine, theirs = program.arguments("small", seed), program.arguments("small", seed)
        expected, actual = program.main(*mine), compiled(*theirs)
        assert difference(expected, actual, program.tolerance, program.stray) is None
        assert difference(list(mine), list(theirs), program.tolerance, program.stray) is None


@pytest.mark.parametrize("name", [name for name, program in PROGRAMS.items() if program.loss])
def test_a_program_has_the_right_gradient(name: str) -> None:
    """Along one random direction, against central differences of the eager loss."""
    program = PROGRAMS[name]
    assert program.loss
    args = program.arguments("small", 0)
    value, slopes = tg.value_and_grad(program.loss, argnums=program.differentiate)(*copy.deepcopy(args))
    expected = program.loss(*copy.deepcopy(args))
    assert np.isclose(value, expected, rtol=program.tolerance or 1e-9)
    points = [args[k] for k in program.differentiate]
    assert [kind_of(slope) for slope in slopes] == [kind_of(np.asarray(point)[()]) for point in points]
    rng = np.random.default_rng(0)
    directions = [rng.uniform(0.5, 1.5, np.shape(slope)) * np.where(slope < 0, -1, 1) for slope in slopes]
    ahead, behind = (moved(program.loss, args, program, directions, step) for step in (STEP, -STEP))
    wanted = (ahead - behind) / (2 * STEP)
    found = sum(np.sum(slope * direction) for slope, direction in zip(slopes, directions, strict=True))
    noise = 1e-15 * (abs(ahead) + abs(behind)) / STEP
    assert abs(found - wanted) <= (program.tolerance or SLOPE_TOLERANCE) * abs(wanted) + noise


def moved(loss: Callable[..., Any], args: Any, program: Program, directions: list[Any], step: float) -> float:
    """The eager loss with the arguments moved along the directions."""
    given = list(copy.deepcopy(args))
    for k, direction in zip(program.differentiate, directions, strict=True):
        given[k] = given[k] + step * direction
    return float(loss(*given))
