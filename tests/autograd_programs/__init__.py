"""Whole programs as autograd's users write them, with `import numpy as np` and `from tracegraph import grad`.

A module holds `objective`, a scalar function, `arguments` to differentiate it at, and `main`, which optimises something and
gives the objective before and after. `PROGRAMS` finds them.
"""

import pkgutil
from importlib import import_module
from types import ModuleType

__all__ = ["PROGRAMS"]

PROGRAMS: dict[str, ModuleType] = {
    each.name: import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__)
}
