"""Running expressions: fetches and fed arrays come in, arrays go out, parameters change together. There is no compiler
here: a program is a compiled function that replays its fetches."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.api import CacheInfo, Compiled, compile
from tracegraph.api.compiled import Listing
from tracegraph.api.signature import Leaf
from tracegraph.api.tracer import input_nodes, trace
from tracegraph.errors import FeedError, at
from tracegraph.ir import Aval, Graph
from tracegraph.symbolic._expression import Expression, Symbol, postorder
from tracegraph.symbolic._leaves import Input, Parameter
from tracegraph.symbolic._replay import replay
from tracegraph.symbolic._updates import Updates, check_once
from tracegraph.tracing import Placeholder, user_where

__all__ = ["Program", "Runner", "program", "run"]


class Runner:
    """What computes some fetches, for inputs of any shapes. The first of the fetches keeps it.

    It does not keep the fetches themselves alive.

    Attributes:
        inputs: what must be fed.
        parameters: what it takes besides, in this order after the inputs.
        compiled: the compiled function.
    """

    def __init__(self, fetches: Sequence[Expression]) -> None:
        order = postorder(fetches)
        self.inputs = tuple(each for each in order if isinstance(each, Input))
        self.parameters = tuple(each for each in order if isinstance(each, Parameter))
        self._updated = tuple(p for each in fetches if isinstance(each, Updates) for p in each.parameters)
        check_once(self._updated)
        body = _Body([weakref.ref(fetch) for fetch in fetches], (*self.inputs, *self.parameters))
        self.compiled: Compiled[..., Any] = compile(body)

    def __call__(self, feed: Mapping[Any, Any]) -> list[Any]:
        """The values of the fetches, None for updates, which are then assigned.

        Raises:
            FeedError: what is fed does not fit the inputs.
        """
        results, new_values = self.compiled(*self.arguments(feed))
        for parameter, value in zip(self._updated, new_values, strict=True):
            parameter.value = np.asarray(value)
        return results  # type: ignore[no-any-return]

    def arguments(self, feed: Mapping[Any, Any]) -> list[Any]:
        """What the compiled function is called with."""
        arguments: list[Any] = _bind(self.inputs, self.parameters, feed)
        arguments += [parameter.value for parameter in self.parameters]
        return arguments


class _Body:
    """The function that a program compiles: it replays the fetches on placeholders."""

    def __init__(self, fetches: Sequence[weakref.ref[Expression]], leaves: Sequence[Expression]) -> None:
        self.__name__ = "run"
        self._fetches = fetches
        self._leaves = leaves

    def __call__(self, *placeholders: Any) -> tuple[list[Any], list[Any]]:
        fetches = [fetch() for fetch in self._fetches]
        alive = [fetch for fetch in fetches if fetch is not None]
        assert len(alive) == len(fetches), "whoever runs a program holds its fetches"
        values = replay(alive, dict(zip(self._leaves, placeholders, strict=True)))
        new = [value for fetch in alive if isinstance(fetch, Updates) for value in fetch.new_values(values)]
        return [_as_array(values[fetch]) for fetch in alive], new


def _as_array(value: Any) -> Any:
    """A number as the array of rank 0 that `run` gives."""
    if isinstance(value, Placeholder):
        return value.fresh(value.node, is_array=True) if value.is_scalar else value
    return np.asarray(value) if isinstance(value, (np.generic, bool, int, float)) else value


def run(fetches: Any, feed: Mapping[Any, Any] | None = None) -> Any:
    """Computes expressions from what is fed, and applies the updates among them, all at once or, on any error, none.

    Args:
        fetches: one expression, layer or update, or a list, tuple or dict of them.
        feed: an array for each input that the fetches depend on, ``{X: x, Y: y}``.

    Returns:
        NumPy arrays, None for an update, in the same container. All are computed from the parameters as they were before.

    Raises:
        FeedError: an input is missing, unknown or fed a wrong dtype, rank or shape; a fetch is no expression; a
            new value does not fit its parameter.
        ValueError: arrays that are fed do not fit each other, as NumPy puts it, with the line of the expression.

    Example:
        >>> from tracegraph.symbolic import exp, matrix
        >>> X = matrix()
        >>> run([X.sum(axis=0), exp(X).max()], feed={X: np.zeros((2, 3))})
        [array([0., 0., 0.]), array(1.)]
    """
    kind = type(fetches)
    if kind is dict:
        return dict(zip(fetches, _run(list(fetches.values()), feed), strict=True))
    if kind is list or kind is tuple:
        results = _run(fetches, feed)
        return results if kind is list else tuple(results)
    return _run((fetches,), feed)[0]


def _run(fetches: Sequence[Any], feed: Mapping[Any, Any] | None) -> list[Any]:
    if not fetches:
        return []
    given = {} if feed is None else feed
    return _runner(fetches, given)(given)


def _runner(fetches: Sequence[Any], feed: Mapping[Any, Any]) -> Runner:
    """What runs these fetches: kept by the first of them until any of the others is gone."""
    try:
        expressions = [fetch.expression for fetch in fetches]
    except AttributeError:
        expressions = [_fetched(k, fetch) for k, fetch in enumerate(fetches)]
    key = tuple(map(id, expressions))
    runners: dict[tuple[int, ...], Runner] = expressions[0].runners
    found = runners.get(key)
    if found is None:
        _initialise(expressions, feed)
        found = runners[key] = Runner(expressions)
        for expression in expressions[1:]:
            weakref.finalize(expression, _forget, weakref.ref(expressions[0]), key).atexit = False
    return found


def _forget(first: weakref.ref[Expression], key: tuple[int, ...]) -> None:
    holder = first()
    if holder is not None:
        holder.runners.pop(key, None)


def _fetched(k: int, fetch: Any) -> Expression:
    if isinstance(fetch, Symbol):
        return fetch.expression
    raise FeedError(
        at(
            f"run: fetch {k} is {fetch!r:.60} of {type(fetch).__name__}; expected an expression, a layer or an update, or "
            "one list, tuple or dict of them",
            user_where(),
        )
    )


def _bind(inputs: Sequence[Input], parameters: Sequence[Parameter], feed: Mapping[Any, Any]) -> list[np.ndarray]:
    """What is fed to each input, checked."""
    try:
        values = [feed[each] for each in inputs]
    except (KeyError, TypeError, IndexError):
        values = []
    if len(values) != len(feed) or len(values) != len(inputs):
        values = _sorted_out(inputs, parameters, feed)
    return [
        value
        if type(value) is np.ndarray and value.dtype is each.dtype and each.fits(value.shape)
        else each.accept(value)
        for each, value in zip(inputs, values, strict=True)
    ]


def _sorted_out(inputs: Sequence[Input], parameters: Sequence[Parameter], feed: Any) -> list[Any]:
    """What is fed to each input, where keys may be layers; or the error that says what is wrong with them.

    The inputs that decided on the shapes of parameters may be fed too.
    """
    if not isinstance(feed, Mapping):
        message = f"run: feed is {feed!r:.60} of {type(feed).__name__}; expected a dict, {{input: array}}"
        raise FeedError(at(message, user_where()))
    given: dict[Any, Any] = {}
    for key, value in feed.items():
        if not isinstance(key, Symbol) or not isinstance(key.expression, Input):
            what = key.expression.describe() if isinstance(key, Symbol) else f"{key!r:.60} of {type(key).__name__}"
            raise FeedError(at(f"run: feed has a value for {what}, which is no input", user_where()))
        given[key.expression] = value
    shapes = [parameter.source for parameter in parameters if parameter.source is not None]
    allowed = {*inputs, *postorder(shapes)}
    for key in given:
        if key not in allowed:
            raise FeedError(
                at(f"run: {key.describe()} was fed, but no fetch depends on it; leave it out", user_where())
            )
    for each in inputs:
        if each not in given:
            raise FeedError(at(f"run: {each.describe()} was not fed; add it to feed={{...}}", user_where()))
    return [given[each] for each in inputs]


def _initialise(expressions: Sequence[Expression], feed: Mapping[Any, Any]) -> None:
    """Gives values to the parameters that have none: what their shapes hang on is traced, not run."""
    needed = postorder(expressions)
    pending = [each for each in needed if isinstance(each, Parameter) and each.value is None]
    if not pending:
        return
    inputs = [each for each in needed if isinstance(each, Input)]
    specs = [Leaf(Aval(array.shape, array.dtype), None, False) for array in _bind(inputs, pending, feed)]

    def call(leaves: list[Any]) -> None:
        replay(pending, dict(zip(inputs, leaves, strict=True)))

    trace(call, specs, input_nodes(specs, user_where()), user_where())


# -- what one can ask --------------------------------------------------------------------------------------------------


class Program:
    """What `run` runs for some fetches, to be looked at. Made by `program`.

    Attributes:
        fetches: the expressions.
        inputs: what must be fed.
        parameters: what it takes besides, in this order after the inputs.
    """

    def __init__(self, fetches: Sequence[Expression], feed: Mapping[Any, Any]) -> None:
        self.fetches = tuple(fetches)
        self._runner = _runner(fetches, feed)
        self.inputs = self._runner.inputs
        self.parameters = self._runner.parameters

    def graph(self, feed: Mapping[Any, Any]) -> Graph:
        """The optimised graph for what is fed. Its inputs stand in the order of ``inputs`` and ``parameters``, its outputs
        in that of the fetches, without updates, before the new values of updated parameters."""
        return self._runner.compiled.graph(*self._runner.arguments(feed))

    def source(self, feed: Mapping[Any, Any]) -> Listing:
        """The source of the kernels for what is fed."""
        return self._runner.compiled.source(*self._runner.arguments(feed))

    def cache_info(self) -> CacheInfo:
        """How many signatures, calls and kernels there have been."""
        return self._runner.compiled.cache_info()


def program(fetches: Sequence[Any], feed: Mapping[Any, Any] | None = None) -> Program:
    """The program of some fetches: its graph, its kernels and what is cached.

    Args:
        fetches: expressions, layers, updates.
        feed: where parameters get their shapes from the first batch and have not seen it, such a batch.

    Raises:
        FeedError: as `run` does.

    Example:
        >>> from tracegraph.symbolic import vector
        >>> x, y = vector("x"), vector("y")
        >>> [leaf.name for leaf in program([x * y]).inputs]
        ['x', 'y']
    """
    return Program([_fetched(k, fetch) for k, fetch in enumerate(fetches)], feed or {})
