"""From a Python function to a graph: `trace` (state), `placeholder` (the array), `indexing`, `lift` (promotion),
`ufuncs`, `reductions`, `methods` and `functions` (what NumPy means), `watch` (what a function reads), in reading order."""

from tracegraph.tracing.functions import FUNCTIONS
from tracegraph.tracing.lift import node_of
from tracegraph.tracing.methods import METHODS
from tracegraph.tracing.placeholder import Placeholder, Storage
from tracegraph.tracing.trace import Trace, active_trace, user_where
from tracegraph.tracing.watch import Watch

__all__ = ["Placeholder", "Storage", "Trace", "Watch", "active_trace", "new_trace", "node_of", "user_where"]


def new_trace() -> Trace:
    """A trace that knows NumPy's functions."""
    return Trace(METHODS, FUNCTIONS)
