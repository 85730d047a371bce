"""What a user calls: `compile`, derivatives (`derivatives`, `linear`), `vmap` (`mapping`), `debug_print`."""

from tracegraph.api.compiled import CacheInfo, Compiled, compile
from tracegraph.api.derivatives import grad, value_and_grad
from tracegraph.api.linear import jvp, linearize, vjp
from tracegraph.api.mapping import vmap
from tracegraph.api.printing import debug_print

__all__ = [
    "CacheInfo", "Compiled", "compile", "debug_print", "grad", "jvp", "linearize", "value_and_grad", "vjp", "vmap",
]  # fmt: skip
