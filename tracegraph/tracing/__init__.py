"""From a Python function to a graph: `trace` (state), `placeholder` (the array), `indexing`, `lift` (promotion),
`ufuncs`, `reductions`, `methods`, `selecting` and `functions` (what NumPy means), `watch` (what a function reads), in
reading order."""

from typing import Any

from tracegraph.tracing.bodies import body_of
from tracegraph.tracing.flow import Exit
from tracegraph.tracing.functions import FUNCTIONS
from tracegraph.tracing.lift import node_of
from tracegraph.tracing.methods import METHODS
from tracegraph.tracing.nested import (
    WEAK,
    Enclosed,
    Leaf,
    Nested,
    closed,
    common,
    effects_before,
    nesting,
    placed,
    takes,
    trace_nested,
    unknown,
    used_of,
)
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tracing.sites import Decision, Items, Site, decision, targets
from tracegraph.tracing.slots import Growing, Key, Slots, Spent, UnknownError, UnrolledError, are_same, bind, is_number
from tracegraph.tracing.spans import Form
from tracegraph.tracing.standins import standins
from tracegraph.tracing.stretches import assign, has_traced_bounds, pick
from tracegraph.tracing.trace import (
    MOST_ARRAYS,
    Fork,
    GiveUp,
    ListedError,
    Storage,
    Trace,
    active_trace,
    user_where,
    users_part,
)
from tracegraph.tracing.walks import loop_names
from tracegraph.tracing.watch import Watch

__all__ = [
    "MOST_ARRAYS", "WEAK", "Decision", "Enclosed", "Exit", "Fork", "Form", "GiveUp", "Growing", "Items", "Key",
    "Leaf", "ListedError", "Nested", "Placeholder", "Site", "Slots", "Spent", "Storage", "Trace", "UnknownError",
    "UnrolledError", "Watch", "active_trace", "are_same", "assign", "bind", "closed", "common", "decision",
    "effects_before", "has_traced_bounds", "is_number", "loop_names", "nesting", "new_trace", "node_of", "pick",
    "placed", "standins", "takes", "targets", "trace_nested", "unknown", "used_of", "user_where", "users_part",
]  # fmt: skip


def new_trace(fork: Fork | None = None, rolling: Any = None, most: int = MOST_ARRAYS) -> Trace:
    """A trace that knows NumPy's functions."""
    return Trace(METHODS, FUNCTIONS, fork, rolling, most, body_of)
