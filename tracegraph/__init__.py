"""tracegraph: ordinary NumPy functions as static graphs, differentiated, optimised and run in parallel on the CPU.

>>> import numpy as np
>>> import tracegraph as tg
>>> @tg.compile
... def z(a, x, b, y, c):
...     return np.exp(a * x + b * y + c)
>>> dz = tg.grad(z, argnums=(0, 3))
>>> [round(float(slope), 3) for slope in dz(1.0, 2.0, 3.0, -1.0, 0.5)]
[1.213, 1.82]
"""

from __future__ import annotations

import importlib
from types import ModuleType

from tracegraph.api import (
    CacheInfo,
    Compiled,
    Memory,
    Profile,
    check_grads,
    checkpoint,
    compile,
    cond,
    custom_jvp,
    custom_root,
    custom_vjp,
    debug_print,
    fixed_point,
    fori_loop,
    get_num_threads,
    grad,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    map,
    num_threads,
    scan,
    set_num_threads,
    stop_gradient,
    switch,
    value_and_grad,
    vjp,
    vmap,
    while_loop,
)
from tracegraph.errors import (
    FeedError,
    GraphError,
    LeakError,
    TraceError,
    TracegraphError,
    TracegraphWarning,
    UnsupportedError,
)

__all__ = [
    "CacheInfo", "Compiled", "FeedError", "GraphError", "LeakError", "Memory", "Profile", "TraceError",
    "TracegraphError", "TracegraphWarning", "UnsupportedError", "check_grads", "checkpoint", "compile", "cond",
    "custom_jvp", "custom_root", "custom_vjp", "debug_print", "fixed_point", "fori_loop", "get_num_threads", "grad",
    "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linearize", "map", "num_threads", "random", "scan",
    "set_num_threads", "stop_gradient", "switch", "value_and_grad", "vjp", "vmap", "while_loop",
]  # fmt: skip


def __getattr__(name: str) -> ModuleType:
    """`tracegraph.random`, imported when it is first asked for."""
    if name == "random":
        return importlib.import_module("tracegraph.random")
    raise AttributeError(f"module 'tracegraph' has no attribute {name!r}")
