"""The ways of one function through its forks, for one signature.

Python's ``if``, ``while`` and ``range`` on traced values make a tree: its nodes are `Segment`s, straight stretches that are
compiled once each, and its branches are the outcomes by which the function went on. A call walks the tree: it runs a
segment, looks at the outcome, and takes the branch. Where there is none yet, the function is traced again: what is known of
the way so far is replayed, and from there on values are found by running the graph up to each fork. What the function has
in hand at a fork is kept, so nothing before a fork is computed twice.
"""

from __future__ import annotations

import gc
import threading
import warnings
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tracegraph import pipeline
from tracegraph.api.rolling import Rolling
from tracegraph.api.signature import Leaf
from tracegraph.api.tracer import Traced, input_nodes, trace
from tracegraph.backends.numba.program import Executable
from tracegraph.backends.numba.results import LARGE, has_own_memory
from tracegraph.errors import TraceError, TracegraphError, TracegraphWarning, at
from tracegraph.ir import Aval, Graph, Node, Where
from tracegraph.ops.leaf import ANY, input_node
from tracegraph.tracing import MOST_ARRAYS, GiveUp, ListedError, Site, UnrolledError, active_trace, user_where

__all__ = ["MISS", "Paths", "Segment"]

#: What stands for no value.
MISS = object()

#: A function that forks more often than this in one call, or takes more different ways, is better run as it is.
MOST_FORKS = 256
MOST_PATHS = 32

#: One that makes more arrays than this, or asks for more values, is traced again, with loops of the graph in the place of
#: Python's.
FIRST_ARRAYS, FIRST_FORKS = 4_000, 8


class _FailedError(BaseException):
    """An operation of a compiled stretch has failed in a function that catches errors; its own code must not see this."""

    def __init__(self, error: Exception) -> None:
        super().__init__(error)
        self.error = error


class Segment:
    """A straight stretch of a function, up to the next fork or to its end.

    Attributes:
        program: what computes it; None if all that it decides by is there already.
        takes: the values that it takes, by their places among the arguments and the results of the segments before it;
            None for the arguments as they are.
        avals: of what decides and of its other results.
        decides: the place of the value that decides where the function goes on.
        drops: the places of large values that the function has not in hand any more when it goes on.
        ending: what the function gives, if it ends here.
        branches: where it goes on, by the bits of the value that decides.
        value: makes what the function gives of the results, if it ends here.
    """

    __slots__ = ("avals", "branches", "decides", "drops", "ending", "program", "takes", "value")

    def __init__(
        self,
        program: Executable | None,
        takes: tuple[int, ...] | None,
        avals: list[Aval],
        decides: int,
        ending: Traced | None = None,
        drops: tuple[int, ...] = (),
    ) -> None:
        self.program = program
        self.takes = takes
        self.avals = avals
        self.decides = decides
        self.drops = drops
        self.ending = ending
        self.branches: dict[bytes, Segment] = {}
        self.value = None if ending is None else ending.finisher()

    def given(self, values: Sequence[Any]) -> Sequence[Any]:
        """What its program takes."""
        return values if self.takes is None else [values[k] for k in self.takes]

    def run(self, values: list[Any]) -> None:
        """Puts its results behind the values, and lets go of those that nobody needs after it: their memory is used again
        while it is in the cache."""
        if self.program is not None:
            values += self.program.run(self.given(values))
        for place in self.drops:
            values[place] = None

    def outcome(self, values: Sequence[Any]) -> np.ndarray:
        """What the function goes on by."""
        return np.asarray(values[self.decides], self.avals[0].dtype)

    def finish(self, leaves: Sequence[Any], values: Sequence[Any]) -> Any:
        """Runs the last segment and builds what the function returns.

        The caller's arrays that the function changes are changed now, when nothing can go wrong any more.
        """
        traced, value_of = self.ending, self.value
        assert traced is not None, "only the last segment gives the function's value"
        assert value_of is not None, "it makes that of its results"
        if traced.order_matters:
            _check_order(leaves)
        program = self.program
        assert program is not None, "the last segment has a program, if only an empty one"
        if not (traced.changed or traced.borrowed or program.plan.schedule.shared):
            return value_of(program.run(self.given(values)))
        _check_separate(leaves, traced.changed)
        results = program.run(self.given(values), self.into(leaves, values))
        targets = [*[leaves[k] for k in traced.changed], *traced.borrowed]
        for target, value in zip(targets, results[traced.returned :], strict=False):
            if target is not value:
                np.copyto(target, value)
        return value_of(results)

    def into(self, leaves: Sequence[Any], values: Sequence[Any]) -> dict[int, np.ndarray]:
        """Of the last segment, the outputs that are computed in the memory of the caller's arrays, and those.

        They lie in C order. An argument that the function changes is changed at once if nothing can go wrong on the way; it
        is known to lie apart from other arguments. One that was given away has to own its memory, which nobody else reads.
        """
        into: dict[int, np.ndarray] = {}
        program, traced = self.program, self.ending
        if program is None or traced is None:
            return into
        given = self.given(values)
        are_apart = _are_apart(leaves, program.constants)
        for output, number in program.plan.schedule.shared:
            array = given[number]
            if type(array) is not np.ndarray or not array.flags.carray:
                continue
            if not are_apart and any(np.may_share_memory(array, each) for each in program.constants):
                continue
            if output >= traced.returned:
                if not program.may_fail:
                    into[output] = array
            elif are_apart or (has_own_memory(array) and not _is_met_again(array, leaves)):
                into[output] = array
        return into


class Paths:
    """The tree of segments of one function for one signature.

    Args:
        call: calls the function, given its argument leaves.
        leaves: what each of them is.
        where: where the function is defined.
        name: of the function, for messages.
        is_plain: whether the function also runs on NumPy arrays, by itself.
        donated: the places of the arguments whose memory may be used for results.
        notice: told of each new trace.
        spaces: the names of the modules whose functions it may call.
        forget: takes back traced values that the function has left where others find them, and says where, if it did.
    """

    def __init__(
        self,
        call: Callable[[list[Any]], Any],
        leaves: Sequence[Leaf],
        where: Where | None,
        name: str,
        *,
        is_plain: bool,
        donated: frozenset[int],
        notice: Callable[[Traced], None],
        spaces: Sequence[dict[str, Any]],
        forget: Callable[[], str | None],
    ) -> None:
        self.traced: Traced | None = None
        self._apply = call
        self._leaves = leaves
        self._where = where
        self._name = name
        self._is_plain = is_plain
        self._donated = frozenset(k for k in donated if not leaves[k].is_scalar)
        self._notice = notice
        self._root: Segment | None = None
        self._programs: dict[Hashable, Executable] = {}
        self._endings = 0
        self._is_given_up = False
        self._spaces = spaces
        self._forget = forget
        self._unrolled: set[Site] | None = None
        self._listed: frozenset[str] = frozenset()
        self._catches = False
        self._lock = threading.RLock()

    def call(self, leaves: Sequence[Any]) -> Any:
        """The value of the function.

        If an operation fails in a function that catches errors, that runs as it is: it says itself how it goes on.
        """
        root = self._root
        if root is not None and root.ending is not None and not self._catches:
            return root.finish(leaves, leaves)
        try:
            return self._found(leaves)
        except _FailedError as failed:
            kept = [(leaf, leaf.copy()) for leaf in leaves if isinstance(leaf, np.ndarray)]
            try:
                return self._apply(list(leaves))
            except Exception as error:
                for leaf, old in kept:
                    if leaf.flags.writeable:
                        np.copyto(leaf, old)
                if type(error) is type(failed.error):
                    raise failed.error from None
                raise

    def _found(self, leaves: Sequence[Any]) -> Any:
        """The value by the segments for these arguments."""
        if not self._is_given_up:
            try:
                segments, values = self.path(leaves)
            except GiveUp as reason:
                self._warn(reason.where)
            else:
                with self._failing():
                    return segments[-1].finish(leaves, values)
        return self._apply(list(leaves))

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Around the run of a segment: its errors are known from those that the function raises while it is traced."""
        try:
            yield
        except Exception as error:
            if not self._catches or isinstance(error, TracegraphError):
                raise
            raise _FailedError(error) from None

    def quick(self) -> Callable[[Sequence[Any]], Any] | None:
        """What gives the function's value of leaves whose kinds nobody has looked at.

        It gives `MISS`, having done nothing, if they are of another signature or need more care. None if each call does.
        """
        root = self._root
        if root is None or root.ending is None or root.program is None or root.value is None:
            return None
        traced, program, value_of = root.ending, root.program, root.value
        schedule = program.plan.schedule
        shared, outputs = dict(schedule.shared), schedule.fused.outputs
        if traced.order_matters or traced.borrowed or self._catches or (shared and program.may_fail):
            return None
        if any(outputs[output] != self._leaves[number].aval for output, number in shared.items()):
            return None
        attempt = program.attempt
        scalars = [
            (k, leaf.weak or leaf.aval.dtype.type, leaf.aval.dtype)
            for k, leaf in enumerate(self._leaves)
            if leaf.is_scalar and leaf.weak is not float
        ]
        copied = [(k, number) for number, k in enumerate(traced.changed, traced.returned) if number not in shared]
        outside = program.constants if shared or copied else ()

        def call(leaves: Sequence[Any]) -> Any:
            if scalars:
                leaves = list(leaves)
                for k, kind, dtype in scalars:
                    if type(leaves[k]) is not kind:
                        return MISS
                    leaves[k] = np.asarray(leaves[k], dtype)
            if (shared or copied) and not _are_apart(leaves, outside):
                return MISS
            results = attempt(leaves)
            if results is None:
                return MISS
            for k, number in copied:
                np.copyto(leaves[k], results[number])
            return value_of(results)

        return call

    def path(self, leaves: Sequence[Any], observer: pipeline.Observer | None = None) -> tuple[list[Segment], list[Any]]:
        """The segments for these arguments, traced if they are new, and the values that the last one takes from."""
        segments: list[Segment] = []
        values = list(leaves)
        if observer is None and self._walk(segments, values):
            return segments, values
        with self._lock:
            if observer is None and self._walk(segments, values):  # another thread has been here meanwhile
                return segments, values
            return self._trace(leaves, segments, values, observer)

    def _walk(self, segments: list[Segment], values: list[Any]) -> bool:
        """Goes on from these segments and values, as far as the way is known; whether that is to the end."""
        while True:
            if segments:
                last = segments[-1]
                if last.ending is not None:
                    return True
                following = last.branches.get(last.outcome(values).tobytes())
            else:
                following = self._root
            if following is None:
                return False
            segments.append(following)
            if following.ending is None:
                with self._failing():
                    following.run(values)

    @property
    def segments(self) -> list[Segment]:
        """All segments there are."""
        found = [] if self._root is None else [self._root]
        for segment in found:
            found += segment.branches.values()
        return found

    def _trace(
        self, leaves: Sequence[Any], walked: list[Segment], values: list[Any], observer: pipeline.Observer | None
    ) -> tuple[list[Segment], list[Any]]:
        if self._endings >= MOST_PATHS:
            if self._is_plain:
                raise GiveUp(None if self.traced is None else self.traced.forks[-1])
            self._root, self._endings, walked, values = None, 0, [], list(leaves)
        with _no_collection():
            recorder, traced = self._traced(leaves, walked, values, observer)
        if observer is None:
            self._endings += 1
            self.traced = traced
            try:
                self._notice(traced)
            except BaseException:
                self._root, self._endings = None, 0
                raise
        return recorder.segments, recorder.values

    def _traced(
        self, leaves: Sequence[Any], walked: list[Segment], values: list[Any], observer: pipeline.Observer | None
    ) -> tuple[_Recorder, Traced]:
        """A trace along these segments, or if that fails from the start. What takes too many steps is traced with loops of
        the graph in the place of Python's; those that turn out to be none are written out."""
        is_anew = False
        while True:
            rolling = None if self._unrolled is None else Rolling(self._unrolled, self._spaces)
            recorder = _Recorder(self, walked, values, len(leaves), observer, rolling)
            try:
                traced = recorder.trace()
                if rolling is not None:
                    rolling.failed.update(loop.site for loop in rolling.open)
                if rolling is None or not (rolling.failed or (rolling.made and self._forget())):
                    return recorder, traced
                rolling.failed |= rolling.made
            except _AstrayError:
                if is_anew:
                    raise
                is_anew = True
            except GiveUp:
                if rolling is not None:
                    raise
                self._unrolled = set()
            except ListedError as error:
                self._listed |= error.names
            except (Exception, UnrolledError):
                if rolling is None or not (rolling.failed or rolling.open):
                    raise
                rolling.failed.update(loop.site for loop in rolling.open[-1:])
            if rolling is not None and self._unrolled is not None:
                self._unrolled |= rolling.failed
                self._forget()
            self._root, self._endings = None, 0
            walked, values = [], list(leaves)

    def _warn(self, where: Where | None) -> None:
        self._is_given_up = True
        message = (
            f"{self._name}() runs as it is, without being compiled: it takes too many different ways, or too many steps, "
            "for a graph of each to pay; say the choice as one expression, np.where(...), or by tg.cond(...), the loop as "
            "operations on whole arrays, or by tg.while_loop(...), tg.fori_loop(...) or tg.scan(...), and make what is a "
            "setting static (static_argnames=...)"
        )
        warnings.warn(at(message, where), TracegraphWarning, stacklevel=4)

    def program(self, graph: Graph, observer: pipeline.Observer | None) -> Executable:
        """What computes a graph; the same for graphs that differ only in what their nodes are."""
        if observer is not None:
            return pipeline.build(graph, observer)
        key = _shape_of(graph)
        found = self._programs.get(key)
        if found is None:
            found = self._programs[key] = pipeline.build(graph)
        return found

    def attach(self, segment: Segment, before: Segment | None, outcome: bytes) -> None:
        """Puts a segment into the tree."""
        if before is None:
            self._root = segment
        else:
            before.branches[outcome] = segment


@contextmanager
def _no_collection() -> Iterator[None]:
    """Graphs are large and hold no garbage: looking for some takes a quarter of the time that it takes to build one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _AstrayError(Exception):
    """The function did not do again what it had done before on the same outcomes."""


class _Recorder:
    """One trace of a function: it replays the forks whose outcomes are known, and runs the graph up to each further one."""

    def __init__(
        self,
        paths: Paths,
        walked: list[Segment],
        values: list[Any],
        arguments: int,
        observer: pipeline.Observer | None,
        rolling: Rolling | None,
    ) -> None:
        self.segments = list(walked)
        self._rolling = rolling
        self.values = values
        self._paths = paths
        self._observer = observer
        self._walked = len(walked)
        self._passed = 0
        self._next = arguments
        self._outcome = b""
        self._places: dict[Node, int] = {}
        self._forks: list[Where | None] = []

    def trace(self) -> Traced:
        paths = self._paths
        inputs = input_nodes(paths._leaves, paths._where)
        self._places.update({node: k for k, node in enumerate(inputs)})
        most = FIRST_ARRAYS if self._rolling is None else MOST_ARRAYS
        traced = trace(
            paths._apply, paths._leaves, inputs, paths._where, self._fork, self._rolling, most, paths._listed
        )
        if self._passed < self._walked:
            raise _AstrayError
        traced = traced._replace(forks=tuple(self._forks))
        paths._catches |= paths._is_plain and traced.catches
        if self.segments:
            graph, takes = _cut(traced.graph.outputs, self._places)
        else:
            graph, takes = traced.graph, None
        self._append(graph, takes, [], 0, traced)
        return traced

    def _fork(self, node: Node, live: list[Node]) -> np.ndarray:
        """The value of a node, which decides on the next segment."""
        where = user_where()
        self._forks.append(where)
        if len(self._forks) > FIRST_FORKS and self._rolling is None:
            raise GiveUp(where)
        if len(self._forks) > MOST_FORKS and self._paths._is_plain:
            raise GiveUp(where)
        gives = [] if node in self._places else self._gives(node, live)
        decides = self._places.get(node, self._next)
        avals = [node.aval, *(each.aval for each in gives[1:])]
        if self._passed < self._walked:
            segment = self.segments[self._passed]
            if segment.avals != avals or segment.decides != decides:
                raise _AstrayError
        else:
            graph, takes = _cut(gives, self._places) if gives else (None, ())
            segment = self._append(graph, takes, avals, decides, drops=self._dropped(node, live))
            trace = active_trace()
            self._paths._catches |= self._paths._is_plain and trace is not None and bool(trace.attempts)
            with self._paths._failing():
                segment.run(self.values)
        self._places.update({each: place for place, each in enumerate(gives, self._next)})
        if segment.drops:
            self._places = {each: place for each, place in self._places.items() if place not in segment.drops}
        self._next += len(gives)
        self._passed += 1
        outcome = segment.outcome(self.values)
        self._outcome = outcome.tobytes()
        return outcome

    def _gives(self, node: Node, live: Sequence[Node]) -> list[Node]:
        """What a segment computes: what decides, and all that the function has in hand and that is not there already."""
        kept = dict.fromkeys(node.base for node in live)
        return [node, *(each for each in kept if each.inputs and each not in self._places and each is not node)]

    def _dropped(self, node: Node, live: Sequence[Node]) -> tuple[int, ...]:
        """The places of what is large, and was computed before, and is not in hand any more."""
        kept = {node, *(each.base for each in live)}
        return tuple(
            place
            for each, place in self._places.items()
            if each.inputs and each.aval.nbytes >= LARGE and each not in kept
        )

    def _append(
        self,
        graph: Graph | None,
        takes: tuple[int, ...] | None,
        avals: list[Aval],
        decides: int,
        ending: Traced | None = None,
        drops: tuple[int, ...] = (),
    ) -> Segment:
        paths = self._paths
        if graph is not None and ending is not None:
            graph = _reusing(graph, takes, ending, paths._donated)
        program = None if graph is None else paths.program(graph, self._observer)
        segment = Segment(program, takes, avals, decides, ending, drops)
        if self._observer is None:
            paths.attach(segment, self.segments[-1] if self.segments else None, self._outcome)
        self.segments.append(segment)
        return segment


def _cut(outputs: Sequence[Node], places: Mapping[Node, int]) -> tuple[Graph, tuple[int, ...]]:
    """The graph from the values that there are to the outputs, and the places of those that it takes."""
    made: dict[Node, Node] = {}
    inputs: dict[Node, int] = {}
    stack = list(outputs)
    while stack:
        node = stack[-1]
        if node in made:
            stack.pop()
        elif node in places:
            made[node] = node if node.op.kind == "input" else input_node(node.aval, node.where)
            inputs[made[node]] = places[node]
        else:
            waiting = [source for source in node.inputs if source not in made]
            if waiting:
                stack.extend(reversed(waiting))
            else:
                made[node] = node.with_inputs(tuple([made[source] for source in node.inputs])) if node.inputs else node
    return Graph(inputs, [made[node] for node in outputs]), tuple(inputs.values())


def _reusing(graph: Graph, takes: tuple[int, ...] | None, traced: Traced, donated: frozenset[int]) -> Graph:
    """The graph, in which inputs that may be written over say so: those that the function changes, and those given away."""
    reuse = {**dict.fromkeys(donated, ANY), **{k: number for number, k in enumerate(traced.changed, traced.returned)}}
    if not reuse:
        return graph
    places = range(len(graph.inputs)) if takes is None else takes
    inputs = [
        input_node(node.aval, node.where, reuse=reuse[place]) if place in reuse and not node.params else node
        for node, place in zip(graph.inputs, places, strict=True)
    ]
    return Graph(inputs, graph.splice(inputs))


def _shape_of(graph: Graph) -> Hashable:
    """Equal for graphs that compute the same from inputs of the same avals."""
    number = {node: k for k, node in enumerate(graph.nodes)}
    rows: list[Hashable] = [len(graph.inputs), *[number[node] for node in graph.outputs]]
    for node in graph.nodes:
        if node.inputs:
            place = node.where if node.op.kind == "opaque" else None
            inputs = tuple([number[source] for source in node.inputs])
            rows.append((node.op, node.aval, inputs, place, *sorted(node.params.items())))
        elif "value" in node.params:
            rows.append(node.key())
        else:
            rows.append((node.op, node.aval, *sorted(node.params.items())))
    return tuple(rows)


def _is_met_again(array: np.ndarray, leaves: Sequence[Any]) -> bool:
    """Whether a second leaf lies in the memory of an array, which owns it."""
    again = sum(leaf is array for leaf in leaves) > 1
    return again or any(
        isinstance(leaf, np.ndarray) and not has_own_memory(leaf) and np.may_share_memory(leaf, array)
        for leaf in leaves
    )


def _are_apart(leaves: Sequence[Any], others: Sequence[np.ndarray] = ()) -> bool:
    """Whether it is plain to see that no two of these arrays share memory: each is another one, with memory of its own."""
    seen = set()
    count = 0
    for leaf in (*leaves, *others):
        if type(leaf) is np.ndarray:
            if leaf.base is not None and not has_own_memory(leaf):
                return False
            seen.add(id(leaf))
            count += 1
    return len(seen) == count


def _check_separate(leaves: Sequence[Any], changed: Sequence[int]) -> None:
    """An argument that is changed in place must not share memory with another: the graph holds them apart."""
    if _are_apart(leaves):
        return
    for k in changed:
        for other, leaf in enumerate(leaves):
            if other != k and isinstance(leaf, np.ndarray) and np.may_share_memory(leaves[k], leaf):
                raise TraceError(
                    f"argument leaf {k} is changed in place and shares memory with argument leaf {other}; pass a copy"
                )


def _check_order(leaves: Sequence[Any]) -> None:
    """NumPy copies what is reshaped, or not, and tells strides, according to the order in memory: C order is assumed."""
    for k, leaf in enumerate(leaves):
        if isinstance(leaf, np.ndarray) and not leaf.flags.c_contiguous:
            raise TraceError(
                f"argument leaf {k} is not in C order, and the function asks for strides or flags, or writes to an array "
                "that it has reshaped, which NumPy copies or not by that order; pass np.ascontiguousarray(x)"
            )
