"""What a row of the table of workloads is: a plain NumPy function, a maker of arguments for any size, and how the
gradient is asked for. The function takes the module `np` first, so that every library can be given its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Arguments", "Workload", "bound", "is_chosen", "leaves", "map_leaves", "random"]

Arguments = tuple[Any, ...]


class Workload(NamedTuple):
    """One thing to time.

    Attributes:
        name: what the table calls it.
        function: takes the module `np` and then the arguments.
        arguments: makes them for a size, the same ones each time.
        size: the extent that a user would vary: rows, batch, points. None where all arguments are numbers.
        smoke: the extent for a run that only shows that everything works.
        argnums: which arguments to differentiate by (the first is 0); none for the function itself.
        variants: the function as a library must have it where the plain one won't do, by the library's name.
        stray: the share of elements of the result that rounding may turn into other ones, for chaotic functions.
    """

    name: str
    function: Callable[..., Any]
    arguments: Callable[[int], Arguments]
    size: int | None
    smoke: int | None
    argnums: tuple[int, ...] = ()
    variants: Mapping[str, Callable[..., Any]] = {}
    stray: float = 0.0

    def other_sizes(self, size: int | None) -> list[int]:
        """Two sizes near a given one, for the first call with a new shape."""
        return [] if size is None else [size - max(1, size // 8), size - max(2, size // 4)]


def is_chosen(name: str, only: str) -> bool:
    """Whether a row is asked for: by a part of its name, or one of several between commas."""
    return any(part in name for part in only.split(","))


def bound(function: Callable[..., Any], np: Any) -> Callable[..., Any]:
    """A workload's function over one module."""

    def over(*args: Any) -> Any:
        return function(np, *args)

    over.__name__ = over.__qualname__ = function.__name__
    return over


def random(*shape: int, seed: int = 0, dtype: Any = np.float64) -> np.ndarray:
    """Normal numbers, the same ones on each call."""
    return np.random.default_rng(seed).standard_normal(shape, dtype)


def leaves(value: Any) -> Iterator[Any]:
    """The arrays and numbers in nested tuples and lists."""
    if isinstance(value, (tuple, list)):
        for part in value:
            yield from leaves(part)
    else:
        yield value


def map_leaves(change: Callable[..., Any], value: Any, *others: Any) -> Any:
    """Applies a function to the leaves of one or more values of one structure."""
    if isinstance(value, (tuple, list)):
        return type(value)([map_leaves(change, *parts) for parts in zip(value, *others, strict=True)])
    return change(value, *others)
