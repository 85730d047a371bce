"""temporary"""

from collections.abc import Callable
from typing import Any

from tracegraph.backends.numba.program import Executable

Observer = Callable[[str, Any], None]


def optimise(graph):
    return graph


def stabilise(node, wrt):
    return node, list(wrt)


def build(graph, observer=None):
    return Executable(graph)
