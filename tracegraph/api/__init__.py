"""What a user calls: `compile`, `grad`, `value_and_grad`."""

from tracegraph.api.compiled import CacheInfo, Compiled, compile
from tracegraph.api.derivatives import grad, value_and_grad

__all__ = ["CacheInfo", "Compiled", "compile", "grad", "value_and_grad"]
