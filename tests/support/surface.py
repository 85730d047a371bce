"""What of NumPy is traced and differentiated: `row_of` tries all examples of one function eagerly and compiled, `document`
writes docs/numpy.md from all rows."""

import copy
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

import tracegraph as tg
from support.nearly import difference
from support.numpy_examples import METHODS, REASONS, VALUES, arguments_of, eager, examples, function_of, public
from support.programs import quiet
from tracegraph.tree import flatten

__all__ = ["document", "line_of", "row_of"]

# -- trying ------------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """One line of the table.

    Attributes:
        name: of the function, without ``np.``.
        traced: "yes", "in part" or "no".
        derivative: "yes", "in part", "no", or "-" where no example is a float function of floats.
        note: the first thing that fails.
    """

    name: str
    traced: str
    derivative: str
    note: str


def _traced_fault(source: str) -> str | None:
    """What is wrong with an example compiled; None if nothing is."""
    expected, error, mine = eager(source)
    assert error is None, f"eager NumPy refuses the example {source}: {error!r}"
    theirs = [copy.copy(VALUES[name]) for name in arguments_of(source)]
    with quiet():
        try:
            actual = tg.compile(function_of(source))(*theirs)
        except Exception as caught:
            return _first_line(caught)
    found = difference(expected, actual) or difference(mine, theirs)
    return None if found is None else f"wrong: {found}"


def _first_line(error: Exception) -> str:
    """What an error says, without where."""
    text = re.split(r"\n|; |: it was | \(", f"{error}".strip() or type(error).__name__)[0]
    text = re.sub(r"0x[0-9a-f]+", "0x", re.sub(r"[\w./-]*/[\w./-]+|^example\(\): ", "", text))
    kind = "" if isinstance(error, tg.TracegraphError) else f"{type(error).__name__}: "
    return f"{kind}{text}"[:110]


#: Of the elements of a result, for real and imaginary parts.
WEIGHTS = np.random.default_rng(3).uniform(-1, 1, (2, 1000))


def _scalar(function: Callable[..., Any], changed: list[int], *args: Any) -> Any:
    """A weighted sum of all floats that a function gives or leaves in arguments that it changes."""
    given = [np.copy(arg) for arg in args]
    total = 0.0
    for leaf in [*flatten(function(*given))[0], *(given[k] for k in changed)]:
        if _is_inexact(leaf) and np.size(leaf):
            weights = WEIGHTS[:, : np.size(leaf)].reshape(2, *np.shape(leaf))
            total = total + np.sum(weights[0] * np.real(leaf))
            if leaf.dtype.kind == "c":
                total = total + np.sum(weights[1] * np.imag(leaf))
    return total


def _is_inexact(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return isinstance(dtype, np.dtype) and dtype.kind in "fc"


class _Smooth(NamedTuple):
    """What of an example there is to differentiate.

    Attributes:
        by: the places of the float arguments.
        changed: the places of those that it changes.
        narrow: the narrowest float that it gives.
    """

    by: list[int]
    changed: list[int]
    narrow: str


def _smooth(source: str) -> _Smooth | None:
    """None if an example gives no floats, or of no floats."""
    result, _, after = eager(source)
    names = arguments_of(source)
    by = [k for k, name in enumerate(names) if VALUES[name].dtype.kind == "f"]
    changed = [k for k in by if not np.array_equal(after[k], VALUES[names[k]], equal_nan=True)]
    inexact = [leaf for leaf in [*flatten(result)[0], *(after[k] for k in changed)] if _is_inexact(leaf)]
    if not by or not inexact:
        return None
    narrow = min((leaf.real.dtype for leaf in inexact), key=lambda dtype: dtype.itemsize)
    return _Smooth(by, changed, narrow.name)


#: By the narrowest dtype: the step of differences, and how far off a slope may be.
STEPS = {"float16": (0.1, 0.05), "float32": (1e-2, 1e-3), "float64": (1e-6, 1e-5)}


def _derivative_fault(source: str, smooth: _Smooth) -> str | None:
    """What is wrong with the gradient of an example by its float arguments, along one direction; None if nothing is."""
    function = function_of(source)
    args = [VALUES[name] for name in arguments_of(source)]
    rng = np.random.default_rng(1)
    known = [~np.isnan(args[k]) for k in smooth.by]
    directions = [here * rng.uniform(0.5, 1.5, here.shape) for here in known]
    for k, place in enumerate(smooth.by):
        # What LAPACK reads only one triangle of stays symmetric.
        if args[place] is VALUES["h"]:
            directions[k] = directions[k] + directions[k].T
    size, tolerance = STEPS[smooth.narrow]

    def moved(step: float) -> float:
        given = list(args)
        for k, direction in zip(smooth.by, directions, strict=True):
            given[k] = args[k] + step * direction
        return float(_scalar(function, smooth.changed, *given))

    with quiet():
        wanted = (moved(size) - moved(-size)) / (2 * size)
        try:
            slopes = tg.grad(lambda *given: _scalar(function, smooth.changed, *given), argnums=tuple(smooth.by))(*args)
        except Exception as caught:
            return f"derivative: {_first_line(caught)}"
    found = sum(
        np.sum(np.where(here, slope, 0) * direction)
        for here, slope, direction in zip(known, slopes, directions, strict=True)
    )
    if abs(found - wanted) <= tolerance * max(1, abs(wanted)):
        return None
    return f"derivative wrong: {found:.4g}, differences give {wanted:.4g}"


def row_of(name: str) -> Row:
    """A function's line, all its examples tried."""
    sources = examples()[name]
    faults = [_traced_fault(source) for source in sources]
    notes = [f"`{source}`: {fault}" for source, fault in zip(sources, faults, strict=True) if fault]
    smooth = [(source, found) for source in sources if (found := _smooth(source))]
    slopes = [_derivative_fault(*pair) for pair in smooth]
    notes += [f"`{source}`: {fault}" for (source, _), fault in zip(smooth, slopes, strict=True) if fault]
    return Row(name, _share(faults), _share(slopes), notes[0].replace("|", "\\|") if notes else "")


def _share(faults: list[str | None]) -> str:
    right = faults.count(None)
    return "-" if not faults else "yes" if right == len(faults) else "in part" if right else "no"


# -- the document ------------------------------------------------------------------------------------------------------

HEAD = """# What of NumPy is traced

Written by `TRACEGRAPH_GOLDEN=write python -m pytest tests/test_surface.py`, which tries examples of every public function
eagerly and compiled, and compares values, dtypes and shapes, and gradients with finite differences.

**traced**: the compiled examples give what NumPy gives. **derivative**: so do their gradients ("-": no example is a float
function of floats). The note shows the first example that fails, and why; what is traced "in part" refuses the rest by an
error and never guesses, unless the note says *wrong*.
"""


def line_of(row: Row) -> str:
    group, colon, example = row.name.rpartition(": ")
    name = f"{group}{colon}`{example}`".replace("|", "\\|")
    return f"| {name} | {row.traced} | {row.derivative} | {row.note} |"


def _section(name: str) -> str:
    """Under which heading a row stands."""
    if ": " in name:
        return "Syntax"
    prefix, _, bare = name.rpartition(".")
    if prefix == "ndarray":
        return "numpy.ndarray"
    if prefix in ("linalg", "fft"):
        return f"numpy.{prefix}"
    if bare in METHODS:
        return "Methods of ufuncs"
    return "Ufuncs" if isinstance(getattr(np, name), np.ufunc) else "numpy"


SECTIONS = ("numpy", "Ufuncs", "Methods of ufuncs", "numpy.linalg", "numpy.fft", "numpy.ndarray", "Syntax")


def document(rows: Iterable[Row]) -> str:
    """The text of docs/numpy.md."""
    rows = list(rows)
    right = sum(row.traced == "yes" for row in rows)
    smooth = [row for row in rows if row.derivative != "-"]
    sloped = sum(row.derivative == "yes" for row in smooth)
    counts = f"{right} of {len(rows)} rows are traced in full; {sloped} of the {len(smooth)} that can have"
    parts = [HEAD, f"{counts} a derivative have one.\n"]
    for section in SECTIONS:
        inside = [row for row in rows if _section(row.name) == section]
        lines = "\n".join(map(line_of, inside))
        parts.append(f"## {section}\n\n| | traced | derivative | note |\n|---|---|---|---|\n{lines}\n")
    aliases: dict[str, list[str]] = {}
    for name, own in public().items():
        if name != own:
            aliases.setdefault(own, []).append(name)
    others = "\n".join(
        f"* `{own}`: {', '.join(f'`{each}`' for each in names)}" for own, names in sorted(aliases.items())
    )
    parts.append(f"## Other names\n\nof the same objects.\n\n{others}\n")
    reasons = "\n".join(
        f"* {reason}: {', '.join(f'`{name}`' for name in names.split())}" for reason, names in REASONS.items()
    )
    parts.append(f"## Not for graphs\n\n{RANDOM}\n{reasons}\n")
    return "\n".join(parts)


RANDOM = """* `np.random`: refused inside a compiled function, where numbers would be drawn once and never again. Draw
  outside and pass them in: `f(x, rng.normal(size=x.shape))`."""
