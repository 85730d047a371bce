"""What a user calls: `compile`, derivatives, control flow, `debug_print`."""

from tracegraph.api.checkpointing import checkpoint
from tracegraph.api.compiled import CacheInfo, Compiled, compile
from tracegraph.api.control import cond, fori_loop, map, scan, switch, while_loop
from tracegraph.api.derivatives import grad, value_and_grad
from tracegraph.api.printing import debug_print

__all__ = [
    "CacheInfo", "Compiled", "checkpoint", "compile", "cond", "debug_print", "fori_loop", "grad", "map", "scan", "switch",
    "value_and_grad", "while_loop",
]  # fmt: skip
