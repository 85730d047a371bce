"""What a user calls: `compile`; derivatives (`derivatives`, `linear`, `jacobians`); `vmap` (`mapping`); functions with
derivatives of their own (`custom`, `roots`); control flow; `debug_print`."""

from tracegraph.api.checking import check_grads, stop_gradient
from tracegraph.api.checkpointing import checkpoint
from tracegraph.api.compiled import CacheInfo, Compiled, compile
from tracegraph.api.control import cond, fori_loop, map, scan, switch, while_loop
from tracegraph.api.custom import custom_jvp, custom_vjp
from tracegraph.api.derivatives import grad, value_and_grad
from tracegraph.api.jacobians import hessian, hvp, jacfwd, jacobian, jacrev
from tracegraph.api.linear import jvp, linearize, vjp
from tracegraph.api.mapping import vmap
from tracegraph.api.memory import Memory
from tracegraph.api.printing import debug_print
from tracegraph.api.profile import Profile
from tracegraph.api.roots import custom_root, fixed_point
from tracegraph.api.threads import get_num_threads, num_threads, set_num_threads

__all__ = [
    "CacheInfo", "Compiled", "Memory", "Profile", "check_grads", "checkpoint", "compile", "cond", "custom_jvp",
    "custom_root", "custom_vjp", "debug_print", "fixed_point", "fori_loop", "get_num_threads", "grad", "hessian", "hvp",
    "jacfwd", "jacobian", "jacrev", "jvp", "linearize", "map", "num_threads", "scan", "set_num_threads",
    "stop_gradient", "switch", "value_and_grad", "vjp", "vmap", "while_loop",
]  # fmt: skip
