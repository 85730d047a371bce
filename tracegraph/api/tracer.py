"""A Python function and the signature of its arguments come in, a graph goes out, with what is needed to call it."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np

from tracegraph.api.rolling import Rolling
from tracegraph.api.signature import Leaf
from tracegraph.errors import LeakError, TraceError, TracegraphError, UnsupportedError, at
from tracegraph.ir import Graph, Node, Where, located
from tracegraph.ops.leaf import input_node, input_op
from tracegraph.tracing import MOST_ARRAYS, Fork, Placeholder, Storage, loop_names, new_trace, node_of, standins
from tracegraph.tree import Structure, builder, flatten

__all__ = ["Given", "Traced", "input_nodes", "same_graph", "trace"]


class Given:
    """A result that depends on nothing that is traced: a number, a text; or what the body of a transform gives as such."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _array(value: np.ndarray) -> Any:
    return value


def _number(value: np.ndarray) -> Any:
    return value[()]


def _python_number(value: np.ndarray) -> Any:
    return value.item()


class Traced(NamedTuple):
    """The graph of one function for one signature.

    Attributes:
        graph: outputs are the function's, then the new contents of each argument that it changed in place and of each
            array that it borrowed, then what is run only for what it does.
        out_structure: how the function's outputs are nested.
        parts: for each leaf of what the function returns, how it is made of an output, or what it is.
        changed: the positions of the argument leaves that were changed in place.
        captured: the ids of the arrays from outside that kernels read by reference.
        order_matters: whether the graph is right only for arguments in C order.
        borrowed: the arrays from outside that were changed.
        forks: the lines at which the function went on by a value.
        catches: whether the function would catch an error that an operation may raise when it is run.
    """

    graph: Graph
    out_structure: Structure
    parts: tuple[Callable[[np.ndarray], Any] | Given, ...]
    changed: tuple[int, ...]
    captured: frozenset[int]
    order_matters: bool
    borrowed: tuple[np.ndarray, ...]
    forks: tuple[Where | None, ...] = ()
    catches: bool = False

    def value(self, results: Sequence[np.ndarray]) -> Any:
        """What the function returns, given the values of the outputs."""
        return self.finisher()(results)

    def finisher(self) -> Callable[[Sequence[np.ndarray]], Any]:
        """The same as a function, worked out once."""
        build, parts = builder(self.out_structure), self.parts
        if all(part is _array for part in parts):
            if len(parts) == len(self.graph.outputs):
                return build
            return lambda results: build(results[: len(parts)])

        def finish(results: Sequence[np.ndarray]) -> Any:
            outputs = iter(results)
            return build([part.value if type(part) is Given else part(next(outputs)) for part in parts])  # type: ignore[operator]

        return finish

    @property
    def returned(self) -> int:
        """How many of the outputs are part of what the function returns."""
        return sum(type(part) is not Given for part in self.parts)


def input_nodes(leaves: Sequence[Leaf], where: Where | None) -> list[Node]:
    """A node for each argument leaf."""
    return [input_node(leaf.aval, where, is_number=leaf.weak is float) for leaf in leaves]


def trace(
    call: Callable[[list[Any]], Any],
    leaves: Sequence[Leaf],
    inputs: Sequence[Node],
    where: Where | None,
    fork: Fork | None = None,
    rolling: Rolling | None = None,
    most: int = MOST_ARRAYS,
    listed: frozenset[str] = frozenset(),
) -> Traced:
    """Runs a function on placeholders.

    Args:
        call: calls the user's function, given its argument leaves.
        leaves: what each of them is.
        inputs: their nodes.
        where: where the function is defined.
        fork: finds out the values that the function goes on by; without it, it may not ask.
        rolling: makes loops of the graph of Python's; None if those are written out.
        most: how many arrays the function may make.
        listed: the ufuncs that it gives lists of traced values to.

    Raises:
        TraceError: the function did something that can't be traced, or returned something that is no array.
    """
    current = new_trace(fork, rolling, most)
    current.arguments = frozenset(inputs)
    randomness = _global_randomness()
    names = nullcontext() if rolling is None else loop_names(rolling.spaces)
    with located(where), current.open(), standins(listed), names:
        storages = [Storage(node) for node in inputs]
        arguments = [
            Placeholder(current, storage, weak=leaf.weak, is_scalar=leaf.is_scalar)
            for storage, leaf in zip(storages, leaves, strict=True)
        ]
        value = _called(call, list(arguments))
        _check_no_noise(randomness, where)
        if inspect.isgenerator(value) or inspect.iscoroutine(value):
            raise TraceError(at(f"a compiled function returned a {type(value).__name__}; return a list instead", where))
        results, out_structure = flatten(value)
        parts = [_part(result, where) for result in results]
        outputs = [node_of(each) for each, part in zip(results, parts, strict=True) if type(part) is not Given]
        changed = tuple(k for k, storage in enumerate(storages) if storage.node is not inputs[k])
        outputs += [storages[k].node for k in changed]
        borrowed = [
            (array, storage) for array, before, storage in current.borrowed.values() if storage.node is not before
        ]
        outputs += [*(storage.node for _, storage in borrowed), *current.effects, *current.kept_attempts()]
    graph = Graph(inputs, outputs)
    for node in graph.nodes[len(inputs) :]:
        if node.op is input_op:
            message = (
                f"a value of {node.aval} of a loop, a branch or a vmap was used outside of it; return it from there"
            )
            raise LeakError(at(message, node.where))
    return Traced(
        graph,
        out_structure,
        tuple(parts),
        changed,
        current.captured,
        current.order_matters,
        tuple(array for array, _ in borrowed),
        catches=bool(current.attempts),
    )


def _called(call: Callable[[list[Any]], Any], arguments: list[Any]) -> Any:
    """What the function returns. A traced value that NumPy could not put into an array of its own says why itself."""
    try:
        return call(arguments)
    except ValueError as error:
        if isinstance(error.__cause__, TracegraphError):
            raise error.__cause__ from None
        raise
    except TypeError as error:
        method = re.match(r"descriptor '(\w+)' .* doesn't apply to a 'Placeholder' object", str(error))
        if method is None:
            raise
        message = f"np.ndarray.{method[1]}(x) of a traced value is not traced; write x.{method[1]}()"
        raise UnsupportedError(at(message, _last_line(error.__traceback__))) from None


def _last_line(traceback: TracebackType | None) -> Where | None:
    """Where an error was raised."""
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return None
    code = traceback.tb_frame.f_code
    return Where(code.co_filename, traceback.tb_lineno, code.co_name)


def same_graph(one: Graph, other: Graph) -> bool:
    """Whether two traces of a function gave the same graph, reading the same arrays by reference."""
    if len(one.nodes) != len(other.nodes):
        return False
    twin: dict[Node, Node] = {}
    for a, b in zip(one.nodes, other.nodes, strict=True):
        twin[a] = b
        if a.op is not b.op or a.aval != b.aval or [twin[source] for source in a.inputs] != list(b.inputs):
            return False
        if not (a.key() == b.key() if "value" in a.params else a.params == b.params):
            return False
    return [twin[node] for node in one.outputs] == list(other.outputs)


def _global_randomness() -> Any:
    """The state of NumPy's global generator; None if nobody has imported it, which NumPy leaves until it is used."""
    random = sys.modules.get("numpy.random")
    return None if random is None else random.get_state()[1:3]


def _check_no_noise(before: Any, where: Where | None) -> None:
    """Numbers that NumPy's global generator gave would be the same at every later call."""
    after = _global_randomness()
    if before is not None and (before[1] != after[1] or not np.array_equal(before[0], after[0])):
        message = (
            "np.random was drawn from inside a compiled function, which would freeze those numbers; draw from a generator "
            "that is an argument or comes from outside, rng = tg.random.default_rng(seed), or pass numbers drawn before"
        )
        raise TraceError(at(message, where))


def _part(value: Any, where: Where | None) -> Callable[[np.ndarray], Any] | Given:
    """How a leaf of what the function returned is made at each call."""
    if isinstance(value, Placeholder):
        return _python_number if value.weak else _number if value.is_scalar else _array
    if isinstance(value, np.ndarray):
        return _array
    if type(value) is Given:
        return value
    if not isinstance(value, (np.generic, bool, int, float, complex, str, bytes, np.dtype, type)):
        raise TraceError(
            at(
                f"a compiled function returned {value!r:.60} of {type(value).__name__}; expected arrays, numbers, texts, "
                "or dicts, lists, tuples or dataclasses of them",
                where,
            )
        )
    return Given(value)
