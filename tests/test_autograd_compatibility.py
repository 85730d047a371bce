"""Functions written for autograd, differentiated by `from tracegraph import grad` with `import numpy as np`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from autograd_programs import PROGRAMS
from scipy import signal
from support.autograd_functions import ROWS, Row
from support.compare import kind_of

import tracegraph as tg
from tracegraph import grad
from tracegraph.tree import flatten, unflatten

#: The step of finite differences, and how far slopes may be from what they give.
STEP, TOLERANCE = 1e-5, 2e-6


def to_scalar(value: Any) -> Any:
    """A real number that depends on every element of what a function returned, each in another way."""
    leaves, _ = flatten(value)
    total = 0.0
    for k, leaf in enumerate(leaves):
        weights = np.cos(1.0 + k + np.arange(np.size(leaf))).reshape(np.shape(leaf))
        total = (
            total
            + np.sum(weights * np.real(leaf))
            + np.sum(weights[::-1] * np.imag(leaf) if np.ndim(leaf) else np.imag(leaf))
        )
    return total


def scalar_of(row: Row) -> Callable[..., Any]:
    return lambda *args: to_scalar(row.function(*args))


def direction(args: Any, seed: int) -> Any:
    """A random direction in the space of the arguments."""
    draw = np.random.RandomState(seed)
    leaves, structure = flatten(args)
    steps = [
        draw.randn(*np.shape(leaf)) + (1j * draw.randn(*np.shape(leaf)) if np.iscomplexobj(leaf) else 0.0)
        for leaf in leaves
    ]
    return unflatten(structure, steps)


def moved(args: Any, along: Any, step: float) -> Any:
    leaves, structure = flatten(args)
    return unflatten(structure, [leaf + step * way for leaf, way in zip(leaves, flatten(along)[0], strict=True)])


def along(slopes: Any, way: Any) -> Any:
    """The slope in a direction: of z = x + iy, it is that by x in the real part and that by y in the imaginary one."""
    total = 0.0
    for slope, step in zip(flatten(slopes)[0], flatten(way)[0], strict=True):
        total = total + np.sum(np.real(np.conj(slope) * step))
    return total


def check(function: Callable[..., Any], args: tuple[Any, ...], name: str) -> None:
    """The gradient by all arguments, along two directions, against central differences."""
    slopes = grad(function, range(len(args)))(*args)
    points, structure = flatten(args)
    assert flatten(slopes)[1] == structure
    for slope, point in zip(flatten(slopes)[0], points, strict=True):
        assert kind_of(slope) == kind_of(point)
    for seed in range(2):
        way = direction(args, seed)
        ahead, behind = (float(function(*moved(args, way, step))) for step in (STEP, -STEP))
        wanted, found = (ahead - behind) / (2 * STEP), float(along(slopes, way))
        assert abs(found - wanted) <= TOLERANCE * (1 + abs(wanted) + abs(ahead)), f"{name}: {found} for {wanted}"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.kind}: {row.name}")
def test_gradients(row: Row) -> None:
    """Of first and of second order, by every argument."""
    function = scalar_of(row)
    check(function, row.args, "gradient")
    way = direction(row.args, 7)
    slope = grad(function, range(len(row.args)))
    check(lambda *args: along(slope(*args), way), row.args, "second order")


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name: str) -> None:
    """Their gradients against finite differences, and that they get what they are after."""
    program = PROGRAMS[name]
    wrt = [k for k, argument in enumerate(program.arguments) if not isinstance(argument, int)]
    rest = program.arguments[len(wrt) :]
    check(lambda *args: program.objective(*args, *rest), program.arguments[: len(wrt)], name)
    before, after = program.main()
    assert after < before


OUTSIDE = np.zeros(3)


def _fills(x):
    OUTSIDE[1] = x[0]
    return np.sum(OUTSIDE)


#: What users of autograd get wrong, and what they are told.
MISTAKES: list[tuple[str, Callable[..., Any], Any, type[Exception], str]] = [
    ("an integer", lambda x: x**2, 3, TypeError, r"a derivative is by floats or complex numbers, pass 1\.0 for 1"),
    ("integers", lambda x: np.sum(x**2), np.arange(3), TypeError, r"argument 0 is i64\[3\]"),
    ("several values", lambda x: x**2, np.ones(3), TypeError, r"it returned f64\[3\]; reduce it, for instance by np\.sum"),
    ("a pair", lambda x: (np.sum(x), x), np.ones(3), TypeError, "of a pair, has_aux=True differentiates the first"),
    ("nothing", lambda x: None, 1.0, TypeError, "it returned None"),
    ("a complex value", lambda x: 1j * x, 1.0, TypeError, "a gradient is of a real value"),
    ("an array from outside", _fills, np.ones(3), tg.UnsupportedError, "written into a NumPy array made outside"),
    ("a number of Python's", lambda x: x * float(x), 1.0, tg.TraceError, r"float\(\) was called on it"),
    ("SciPy", lambda x: np.sum(signal.hilbert(x)), np.ones(3), tg.UnsupportedError, r"scipy\.signal\.hilbert is not traced"),
    ("a wrong shape", lambda x: np.sum(x + np.ones(2)), np.ones(3), ValueError, "could not be broadcast"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "function", "x", "kind", "text"), MISTAKES, ids=[row[0] for row in MISTAKES])
def test_mistakes(name: str, function: Callable[..., Any], x: Any, kind: type[Exception], text: str) -> None:
    """The message says what is wrong, and on which line of the user's."""
    with pytest.raises(kind, match=text) as caught:
        grad(function)(x)
    assert f"  at {__file__}:" in str(caught.value)
