"""NumPy programs as their users write them, each a module that knows nothing of tracegraph; `PROGRAMS` finds them.

A module holds a function of the module's own name and `arguments(size, seed)`, which makes fresh arguments for it: "small"
ones take eager NumPy a few milliseconds, "bench" ones some tens. It may also hold

* `loss`, a scalar function of the same arguments, and `differentiate`, the positions of those to differentiate by (else
  the first);
* `tolerance`, the largest error relative to the largest element of a result, where the usual one is too strict;
* `stray`, the share of elements that rounding may turn into quite other ones.
"""

import pkgutil
from collections.abc import Callable
from importlib import import_module
from typing import Any, NamedTuple

__all__ = ["PROGRAMS", "Program"]


class Program(NamedTuple):
    """One module, see above."""

    name: str
    main: Callable[..., Any]
    arguments: Callable[..., tuple[Any, ...]]
    loss: Callable[..., Any] | None
    differentiate: tuple[int, ...]
    tolerance: float | None
    stray: float


def _program(name: str) -> Program:
    module = import_module(f"{__name__}.{name}")
    loss = getattr(module, "loss", None)
    by = getattr(module, "differentiate", (0,))
    limits = getattr(module, "tolerance", None), getattr(module, "stray", 0.0)
    return Program(name, getattr(module, name), module.arguments, loss, by, *limits)


PROGRAMS: dict[str, Program] = {
    found.name: _program(found.name) for found in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name)
}
