"""Whether an answer is right: every library's results against eager NumPy's, and gradients also against finite
differences of the eager function in float64. Nothing is timed before it has passed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.workload import Arguments, Workload, bound, leaves, map_leaves

__all__ = ["WrongAnswer", "check", "faults_of", "first_difference"]

#: Largest error allowed, relative to the largest element of the same result.
TOLERANCE = {
    np.dtype(np.float32): 2e-4, np.dtype(np.float64): 1e-9, np.dtype(np.complex64): 2e-4, np.dtype(np.complex128): 1e-9
}  # fmt: skip
#: The same for a directional derivative against central differences with this step in float64.
STEP, SLOPE_TOLERANCE = 1e-6, {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-5}


class WrongAnswer(Exception):
    """A library computed something else than NumPy."""


def faults_of(workload: Workload, args: Arguments, answers: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with the answers of libraries, compared with what eager NumPy gives.

    Args:
        workload: what was computed.
        args: from which arguments.
        answers: by the name of the library; for a gradient, the value with its gradient.
    """
    wanted = bound(workload.function, np)(*args)
    slopes, found = None, {}
    # One gradient passes differences, autograd's if it is there; the others are compared with it.
    for library in sorted(answers, key=lambda name: name != "autograd"):
        if not workload.argnums:
            fault = first_difference(answers[library], wanted, workload.stray)
        else:
            value, gradient = answers[library]
            fault = first_difference(value, wanted)
            if slopes is None:
                fault = fault or _slope_difference(workload, args, gradient)
                slopes = None if fault else gradient
            else:
                fault = fault or first_difference(gradient, slopes)
        if fault:
            found[library] = fault
    return found


def check(workload: Workload, args: Arguments, answers: Mapping[str, Any]) -> None:
    """Raises WrongAnswer, which names the workload and the library, if an answer is wrong."""
    for library, fault in faults_of(workload, args, answers).items():
        raise WrongAnswer(f"{workload.name}: {library} gives {fault}")


def first_difference(value: Any, wanted: Any, stray: float = 0.0, tolerance: float | None = None) -> str | None:
    """What a value has wrong; None if nothing. Infinities and NaN must stand where they are wanted.

    Args:
        stray: the share of elements that may be quite other ones.
        tolerance: in place of the usual ones.
    """
    found, right = list(leaves(value)), list(leaves(wanted))
    if len(found) != len(right):
        return f"{len(found)} results in place of {len(right)}"
    faults = (_difference(np.asarray(a), np.asarray(b), stray, tolerance) for a, b in zip(found, right, strict=True))
    return next((fault for fault in faults if fault), None)


def _difference(mine: np.ndarray, other: np.ndarray, stray: float, tolerance: float | None) -> str | None:
    if mine.shape != other.shape:
        return f"shape {mine.shape} in place of {other.shape}"
    if mine.dtype != other.dtype:
        return f"{mine.dtype} in place of {other.dtype}"
    is_finite = np.isfinite(other)
    if other.size and not np.any(is_finite):
        return "nothing to compare with: none of NumPy's own result is finite"
    relative = tolerance or TOLERANCE.get(other.dtype, 0)
    allowed = relative * np.max(np.abs(other), where=is_finite, initial=0) if relative else 0
    # A NaN compares as false, so this asks for what is right and not for what is wrong.
    with np.errstate(invalid="ignore"):
        is_near = np.abs(mine.astype(np.result_type(mine, np.float64)) - other) <= allowed
    wrong = ~np.where(is_finite, is_near, (mine == other) | (np.isnan(mine) & np.isnan(other)))
    if np.count_nonzero(wrong) <= stray * wrong.size:
        return None
    first = tuple(np.argwhere(wrong)[0])
    return (
        f"{np.count_nonzero(wrong)} of {wrong.size} elements wrong, the first {mine[first]} in place of {other[first]}"
    )


def _slope_difference(workload: Workload, args: Arguments, gradient: Any) -> str | None:
    """The gradient by each argument in turn, along one direction of all its arrays, against finite differences.

    The direction has the signs of the gradient, so that nothing cancels in the sum, and random lengths, so that no error
    is orthogonal to it; where the gradient is zero it goes up.
    """
    draw = np.random.default_rng(0).uniform
    for slope, position in zip(gradient, workload.argnums, strict=True):
        slopes, points = ([np.asarray(leaf) for leaf in leaves(each)] for each in (slope, args[position]))
        if [(slope.shape, slope.dtype) for slope in slopes] != [(point.shape, point.dtype) for point in points]:
            return f"gradients of {[f'{slope.dtype}{slope.shape}' for slope in slopes]}"
        directions = [np.where(slope < 0, -1, 1) * draw(0.5, 1.5, slope.shape) for slope in slopes]
        found = sum(float(np.sum(slope * direction)) for slope, direction in zip(slopes, directions, strict=True))
        ahead, behind = (_moved(workload, args, position, directions, step) for step in (STEP, -STEP))
        wanted = (ahead - behind) / (2 * STEP)
        # What of the difference is only rounding of the function's value
        noise = 1e-15 * (abs(ahead) + abs(behind)) / STEP
        if not abs(found - wanted) <= SLOPE_TOLERANCE[points[0].dtype] * abs(wanted) + noise:
            return f"a slope of {found} by argument {position}, along a direction in which differences give {wanted}"
    return None


def _moved(workload: Workload, args: Arguments, position: int, directions: list[np.ndarray], step: float) -> float:
    """The function in float64 with the arrays of one of its arguments moved."""
    wide = list(map_leaves(_widened, args))
    changes = iter(directions)
    wide[position] = map_leaves(lambda leaf: leaf + step * next(changes), wide[position])
    return float(bound(workload.function, np)(*wide))


def _widened(leaf: Any) -> Any:
    return leaf.astype(np.float64) if isinstance(leaf, np.ndarray) and leaf.dtype.kind == "f" else leaf
