"""What a user calls: `compile`, `grad`, `value_and_grad`, `debug_print`."""

from tracegraph.api.compiled import CacheInfo, Compiled, compile
from tracegraph.api.derivatives import grad, value_and_grad
from tracegraph.api.printing import debug_print

__all__ = ["CacheInfo", "Compiled", "compile", "debug_print", "grad", "value_and_grad"]
