"""The pipeline: every stage between a traced graph and something that runs, in order, in one list.

Each stage is a pure function of what the one before it gave. An observer sees the name and the value of each: prints,
pictures, golden tests and checks hang on that, so that no stage needs to know of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tracegraph.backends.numba.choice import does_products
from tracegraph.backends.numba.program import Executable, link
from tracegraph.compiler.fuse import fuse
from tracegraph.compiler.inner import plan_inner
from tracegraph.compiler.memory import plan
from tracegraph.compiler.native import Settings
from tracegraph.compiler.schedule import schedule
from tracegraph.compiler.sharing import share
from tracegraph.compiler.skew import skew
from tracegraph.compiler.sweep import sweep
from tracegraph.ir import Graph, Node, descendants
from tracegraph.ops.control import loop
from tracegraph.rewrite import LOWER, OPTIMISE, STABILISE, hoist, rewrite, share_loops, simplify_calls

__all__ = ["STAGES", "Observer", "build", "optimise", "stabilise"]

Observer = Callable[[str, Any], None]

Settings.does_products = staticmethod(does_products)


def stabilise(outputs: Sequence[Node], wrt: Sequence[Node]) -> tuple[list[Node], list[Node]]:
    """What a derivative starts from: softmax and its kin in a form whose derivative does not overflow, each loop once.

    Args:
        outputs: what will be differentiated.
        wrt: the nodes that they will be differentiated by.

    Returns:
        The outputs, and the nodes that now stand for ``wrt``.
    """
    rewritten = rewrite(Graph((), outputs), STABILISE, keep=wrt).outputs
    stable, wrt = rewritten[: len(outputs)], list(rewritten[len(outputs) :])
    if sum(node.op is loop for node in descendants(stable, wrt)) > 1:
        stable = share_loops(Graph(wrt, stable)).outputs
    return list(stable), wrt


def optimise(graph: Graph) -> Graph:
    """Graph to Graph: identities, folding, common subexpressions, dead code, loops that do only what is needed."""
    simple = rewrite(simplify_calls(graph), OPTIMISE)
    hoisted = hoist(simple)
    return simple if hoisted is simple else rewrite(hoisted, OPTIMISE)


def lower(graph: Graph) -> Graph:
    """Graph to Graph: operations that have no kernel of their own, as expressions of ones that have."""
    return rewrite(graph, LOWER)


#: Graph -> Graph -> Graph -> Graph -> kernels -> waves -> waves -> waves -> memory -> waves -> native program.
STAGES: tuple[tuple[str, Callable[[Any], Any]], ...] = (
    ("optimise", optimise),
    ("lower", lower),
    ("inner", plan_inner),
    ("fuse", fuse),
    ("schedule", schedule),
    ("share", share),
    ("sweep", sweep),
    ("plan", plan),
    ("skew", skew),
    ("link", link),
)


def build(graph: Graph, observer: Observer | None = None) -> Executable:
    """Takes a traced graph through all stages.

    Args:
        graph: what to compute.
        observer: called with ``("trace", graph)`` and then with the name and the result of each stage.
    """
    value: Any = graph
    if observer:
        observer("trace", value)
    for name, stage in STAGES:
        value = stage(value)
        if observer:
            observer(name, value)
    return value  # type: ignore[no-any-return]
