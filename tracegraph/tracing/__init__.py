"""From a Python function to a graph: `trace` (state), `placeholder` (the array), `indexing`, `lift` (promotion),
`ufuncs`, `reductions`, `methods`, `selecting` and `functions` (what NumPy means), `watch` (what a function reads), in
reading order."""

from tracegraph.tracing.bodies import body_of
from tracegraph.tracing.functions import FUNCTIONS
from tracegraph.tracing.lift import node_of
from tracegraph.tracing.methods import METHODS
from tracegraph.tracing.nested import Enclosed, Leaf, Nested, closed, effects_before, placed, trace_nested
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.standins import standins
from tracegraph.tracing.trace import Fork, GiveUp, Storage, Trace, active_trace, user_where, users_part
from tracegraph.tracing.watch import Watch

__all__ = [
    "Enclosed", "Fork", "GiveUp", "Leaf", "Nested", "Placeholder", "Storage", "Trace", "Watch", "active_trace", "closed",
    "effects_before", "new_trace", "node_of", "placed", "standins", "trace_nested", "user_where", "users_part",
]  # fmt: skip


def new_trace(fork: Fork | None = None) -> Trace:
    """A trace that knows NumPy's functions."""
    return Trace(METHODS, FUNCTIONS, fork, body_of)
