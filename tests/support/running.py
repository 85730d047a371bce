"""Ways to run a function: eagerly, and traced, checked, optimised and interpreted without any compiled kernel."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from support.compare import assert_same
from support.programs import quiet
from tracegraph import compile, pipeline
from tracegraph.api.signature import leaf_of
from tracegraph.api.tracer import input_nodes, trace
from tracegraph.backends import reference
from tracegraph.errors import UnsupportedError
from tracegraph.ir import Graph, Node, check
from tracegraph.tree import flatten, unflatten

__all__ = ["check_error", "check_traced", "interpreted", "outcome", "same_error"]


def interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function as traced and optimised, run by the reference interpreter: no kernel is compiled for it."""

    def run(*args: Any) -> Any:
        leaves, structure = flatten(list(args))
        specs = [leaf_of(leaf, lambda: "an argument") for leaf in leaves]
        inputs = input_nodes(specs, None)
        arrays = [np.array(leaf, node.dtype) for leaf, node in zip(leaves, inputs, strict=True)]

        def fork(node: Node, live: list[Node]) -> np.ndarray:
            return reference.run(Graph(inputs, [node]), arrays)[0]

        done = trace(lambda given: function(*unflatten(structure, given)), specs, inputs, None, fork)
        graph = check(pipeline.optimise(check(done.graph, "trace")), "optimise")
        results = reference.run(graph, arrays)
        for k, value in zip(reversed(done.changed), reversed(results), strict=False):
            np.copyto(leaves[k], value)
        return done.value(results)

    return run


def outcome(function: Callable[..., Any], args: Any) -> tuple[Any, Exception | None]:
    """What a function returns, or what it raises, without a word from NumPy."""
    with quiet():
        try:
            return function(*args), None
        except Exception as error:
            return None, error


def check_traced(
    function: Callable[..., Any], *args: Any, native: bool = False, ulps: float = 2, slack: Any = 0.0
) -> None:
    """Eager and traced, the function returns or raises the same, and leaves its arguments the same.

    Args:
        native: through compiled kernels rather than the interpreter.

    Half precision, which NumPy makes of the exponential of int8 and the like, is refused by name.
    """
    given = copy.deepcopy(args)
    expected, error = outcome(function, args)
    run = compile(function) if native else interpreted(function)
    if error is not None:
        _, caught = outcome(run, given)
        assert caught is not None, f"eager: {error!r}, traced: no error"
        assert same_error(error, caught), f"eager: {error!r}, traced: {caught!r}"
        return
    if any(getattr(leaf, "dtype", None) == np.float16 for leaf in flatten(expected)[0]):
        with pytest.raises(UnsupportedError, match="float16"):
            run(*given)
        return
    assert_same(expected, run(*given), ulps=ulps, slack=slack)
    assert_same(list(args), list(given), ulps=ulps, slack=slack)


def same_error(expected: BaseException, actual: BaseException) -> bool:
    """Whether the clause that catches the one catches the other; a private class of NumPy's counts as its public base."""
    public = next(kind for kind in type(expected).__mro__ if kind.__module__ in ("builtins", "numpy.exceptions"))
    return isinstance(actual, public)


def check_error(function: Callable[..., Any], *args: Any, start: str) -> None:
    """Eager and traced, the function raises the same class; both messages begin so; the traced one ends with the line."""
    given = copy.deepcopy(args)
    _, expected = outcome(function, args)
    assert expected is not None, "eager NumPy takes this"
    assert str(expected).startswith(start), f"eager: {expected}"
    _, caught = outcome(interpreted(function), given)
    assert caught is not None, f"eager: {expected!r}, traced: no error"
    assert same_error(expected, caught), f"eager: {expected!r}, traced: {caught!r}"
    assert str(caught).startswith(start), f"traced: {caught}"
    text = "\n".join([str(caught), *getattr(caught, "__notes__", [])])
    assert f"at {function.__code__.co_filename}:" in text, f"traced: {text}"
