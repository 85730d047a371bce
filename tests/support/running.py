"""Ways to run a function: eagerly, and traced, checked, optimised and interpreted without any compiled kernel."""

import copy
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from support.compare import assert_same
from support.programs import quiet
from tracegraph import compile, pipeline
from tracegraph.api.signature import leaf_of
from tracegraph.api.tracer import input_nodes, trace
from tracegraph.backends import reference
from tracegraph.ir import Graph, Node, check
from tracegraph.tracing.placeholder import Placeholder
from tracegraph.tree import flatten, unflatten

__all__ = ["check_error", "check_traced", "functions_called", "interpreted", "outcome", "same_error"]


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


def functions_called(rows: Iterable[tuple[Callable[..., Any], Sequence[Any]]]) -> set[Any]:
    """The functions of NumPy that reach placeholders while functions are traced on copies of their arguments."""
    called = set()
    plain = Placeholder.__array_function__

    def noted(self: Placeholder, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        called.add(function)
        return plain(self, function, types, args, kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Placeholder, "__array_function__", noted)
        for function, args in rows:
            interpreted(function)(*copy.deepcopy(args))
    return called


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
    """
    given = copy.deepcopy(args)
    expected, error = outcome(function, args)
    run = compile(function) if native else interpreted(function)
    if error is not None:
        _, caught = outcome(run, given)
        assert caught is not None, f"eager: {error!r}, traced: no error"
        assert same_error(error, caught), f"eager: {error!r}, traced: {caught!r}"
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
