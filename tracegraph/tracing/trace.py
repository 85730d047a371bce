"""One trace: what happens while a user's function runs on placeholders. It knows which arrays of the user's it has
seen, whether it is still open, and the tables that say what NumPy's functions mean."""

from __future__ import annotations

import dis
import os
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

import numpy as np

from tracegraph.errors import TraceError, at
from tracegraph.ir import Node, Where
from tracegraph.ir.layout import contiguous
from tracegraph.ops.leaf import constant
from tracegraph.tracing.spans import Spans

__all__ = [
    "LIBRARIES", "MOST_ARRAYS", "Fork", "GiveUp", "ListedError", "Storage", "Trace", "active_trace", "called_by_user",
    "caught_in", "is_users", "user_where", "users_frame", "users_part", "warn",
]  # fmt: skip

#: ``fork(node, live)``: the value of a node at this call. What is traced from here on holds for that value only; of the
#: other nodes, those that are ``live`` are what the function still has in hand.
Fork = Callable[[Node, list[Node]], np.ndarray]

#: A function that makes more arrays than this is better run as it is than as a graph.
MOST_ARRAYS = 120_000
#: Operations that are looked at to find what a whole number was worked out from.
MOST_LOOKED_AT = 64
#: Kinds of operations that such numbers are worked out by, and kinds of what they are worked out from.
_SIMPLE = frozenset({"elementwise", "view", "input", "leaf"})


class ListedError(TraceError):
    """A ufunc was given a list of traced values, which it turns into an array of its own before anybody is asked.

    Attributes:
        names: the ufuncs of NumPy that the code may have called.
    """

    def __init__(self, message: str, names: frozenset[str]) -> None:
        super().__init__(message)
        self.names = names


#: Code that is not the user's: it is not asked to work on placeholders.
LIBRARIES = frozenset({"numpy", "scipy", "tracegraph", "numba", "llvmlite"})

_NUMPY = Path(np.__file__).parent
_OURS = (str(Path(__file__).parents[1]), str(_NUMPY), str(_NUMPY.with_name("scipy")), "<string>", "<__array_function__")


@lru_cache(maxsize=4096)
def _is_ours(file: str) -> bool:
    return file.startswith(_OURS)


def is_users(module: str | None) -> bool:
    """Whether a module is neither one of these libraries nor Python's own."""
    root = (module or "").split(".")[0]
    return root not in LIBRARIES and root not in sys.stdlib_module_names


def users_frame() -> FrameType | None:
    """The innermost code that runs and is neither tracegraph's nor NumPy's or SciPy's own."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_ours(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


def user_where() -> Where | None:
    """The line that this code is at."""
    frame = users_frame()
    return None if frame is None else Where(frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name)


def warn(text: str, category: type[Warning]) -> None:
    """Warns as NumPy would, of the user's line."""
    level, frame = 1, sys._getframe(0)
    while _is_ours(frame.f_code.co_filename) and frame.f_back is not None:
        level, frame = level + 1, frame.f_back
    warnings.warn(text, category, stacklevel=level)


@lru_cache(maxsize=1024)
def caught_in(code: CodeType) -> tuple[tuple[int, int], ...]:
    """The stretches of some code in which an error goes to an ``except`` or ``finally`` of its own."""
    body = dis.Bytecode(code)
    after = {first.offset: (first.opname, second.opname) for first, second in pairwise(body)}
    return tuple(
        (entry.start, entry.end)
        for entry in body.exception_entries  # type: ignore[attr-defined]
        if (names := after.get(entry.target)) is not None
        and names[0] == "PUSH_EXC_INFO"
        and names[1] != "WITH_EXCEPT_START"
    )


def called_by_user() -> str | None:
    """The function of SciPy's that the user's line has called and in which we are, if there is one."""
    frame: FrameType | None = sys._getframe(1)
    name = None
    while frame is not None and _is_ours(frame.f_code.co_filename):
        parts = str(frame.f_globals.get("__name__")).split(".")
        if parts[0] == "scipy":
            name = ".".join([*(part for part in parts if not part.startswith("_")), frame.f_code.co_name])
        frame = frame.f_back
    return name


def users_part(traceback: TracebackType | None) -> TracebackType | None:
    """What of a traceback goes through the user's code; all of it if ``TRACEGRAPH_FULL_TRACEBACK`` is set."""
    if traceback is None or "TRACEGRAPH_FULL_TRACEBACK" in os.environ:
        return traceback
    rest = users_part(traceback.tb_next)
    if _is_ours(traceback.tb_frame.f_code.co_filename):
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


class GiveUp(BaseException):
    """Ends a trace that would be worth less than it costs. No error of the user's, and not to be caught by the user's code.

    Attributes:
        where: the line at which that was seen.
    """

    def __init__(self, where: Where | None) -> None:
        super().__init__(where)
        self.where = where


class _Active(threading.local):
    trace: Trace | None = None


_active = _Active()


def active_trace() -> Trace | None:
    """The trace that is open in this thread."""
    return _active.trace


class Storage:
    """The memory that some placeholders share.

    Attributes:
        node: what it holds now.
        layout: how it is taken to lie: in C order.
        is_reshaped: whether someone sees it, or a copy of it, in another shape. Which of the two it is depends in NumPy
            on the order in memory, so once such memory is written to, arguments must really be in C order.
    """

    __slots__ = ("__weakref__", "is_reshaped", "layout", "node")

    def __init__(self, node: Node, *, is_reshaped: bool = False) -> None:
        self.node = node
        self.layout = contiguous(node.shape)
        self.is_reshaped = is_reshaped


class Trace:
    """The state of one trace.

    Args:
        ufuncs: what each of NumPy's ufuncs does to placeholders.
        functions: what each of NumPy's other functions does.
        fork: finds out the value of a node, where the function depends on it; None if no values are at hand.
        rolling: makes loops of the graph of Python's; None if those are written out.
        most: how many arrays the function may make.
        otherwise: finds what a function of NumPy's that is not in the table does, None if that is not known.

    Attributes:
        is_open: whether the function is still running.
        order_matters: whether memory that is seen in two shapes was written to, so that arguments must be in C order.
        borrowed: arrays from outside that the function may change, what they held at first, and their memory.
        effects: nodes that are to be run for what they do, in this order.
        attempts: nodes that may fail when they run, where the user's code would catch that.
        spans: what is known of whole numbers that are traced.
        arguments: the inputs that stand for the function's arguments.
    """

    def __init__(
        self,
        ufuncs: Mapping[Any, Callable[..., Any]],
        functions: Mapping[Any, Callable[..., Any]],
        fork: Fork | None = None,
        rolling: Any = None,
        most: int = MOST_ARRAYS,
        otherwise: Callable[[Any], Callable[..., Any] | None] = lambda function: None,
    ) -> None:
        self.ufuncs = ufuncs
        self._functions = functions
        self._otherwise = otherwise
        self.is_open = False
        self.order_matters = False
        self.borrowed: dict[int, tuple[np.ndarray, Node, Storage]] = {}
        self.effects: list[Node] = []
        self.attempts: list[Node] = []
        self.spans = Spans()
        self._outermost: FrameType | None = None
        self.arguments: Collection[Node] = ()
        self.rolling = rolling
        self._left = most
        self._fork = fork
        self._captured: dict[int, tuple[np.ndarray, np.ndarray, Node]] = {}
        self._known: dict[Node, np.ndarray | None] = {}
        self._decided: dict[Node, np.ndarray] = {}
        self._counted_from: set[Node] = set()
        self._storages: list[weakref.ref[Storage]] = []
        self._inner: dict[Node, str] = {}
        self._at_hand: set[Node] = set()

    @contextmanager
    def open(self) -> Iterator[Trace]:
        """Placeholders of this trace may be used inside the ``with`` block, and only there."""
        outer, _active.trace = _active.trace, self
        self.is_open = True
        self._outermost = sys._getframe(2)
        try:
            yield self
            for array, before, _ in self._captured.values():
                _check_unchanged(array, before)
        finally:
            self.is_open = False
            self._outermost = None
            _active.trace = outer

    @contextmanager
    def inside(
        self, inputs: Iterable[Node], what: str = "in the body of a loop or branch has no number"
    ) -> Iterator[None]:
        """What depends on these inputs is known to nobody outside the ``with`` block; ``what`` it is, for messages."""
        outer, self._inner = self._inner, {**self._inner, **dict.fromkeys(inputs, what)}
        try:
            yield
        finally:
            self._inner = outer

    def _inner_kind(self, node: Node) -> str | None:
        """What a node is that depends on an input that nobody outside of such a block has a value for."""
        met: set[Node] = set()
        stack = [node]
        while stack:
            each = stack.pop()
            if each in met or each in self._at_hand:
                continue
            if each.op.kind == "input" and each not in self.arguments:
                return self._inner.get(each, "in a derivative of a loop or a vmap has no number")
            met.add(each)
            stack.extend(each.inputs)
        self._at_hand |= met
        return None

    def is_rolled(self, node: Node) -> bool:
        """Whether a value may be another one at each turn of a loop of Python's that is being made one of the graph."""
        return self.rolling is not None and bool(self.rolling.open) and self._inner_kind(node) is not None

    def contents(self) -> dict[Storage, Node]:
        """What all memory that the function has in hand holds now."""
        return {storage: storage.node for storage in self._alive()}

    @property
    def captured(self) -> frozenset[int]:
        """The ids of the arrays that are read by reference."""
        return frozenset(self._captured)

    def capture(self, value: Any) -> Node:
        """The node of an array that the function did not get as an argument. It is passed to kernels by reference."""
        if not isinstance(value, np.ndarray):
            return constant(value)
        if id(value) in self.borrowed:
            return self.borrowed[id(value)][2].node
        seen = self._captured.get(id(value))
        if seen is None:
            node = constant(value)
            self._captured[id(value)] = value, value.copy(), node
            return node
        _check_unchanged(*seen[:2])
        return seen[2]

    def note_attempt(self, node: Node) -> None:
        """Keeps a node that may fail if the user's code would catch the error: it is run, whoever needs it or not."""
        if self.is_caught():
            self.attempts.append(node)

    def is_caught(self) -> bool:
        """Whether the user's code would catch an error that is raised now."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame is not self._outermost:
            code, place = frame.f_code, frame.f_lasti
            if not _is_ours(code.co_filename) and any(start <= place < end for start, end in caught_in(code)):
                return True
            frame = frame.f_back
        return False

    def kept_attempts(self) -> list[Node]:
        """Those that are not inside of a loop or a branch, which keeps its own."""
        return [node for node in self.attempts if self._inner_kind(node) is None]

    def meaning(self, function: Any) -> Callable[..., Any] | None:
        """What one of NumPy's functions does to placeholders."""
        return self._functions.get(function) or self._otherwise(function)

    def adopt(self, storage: Storage) -> None:
        """Notes memory that the function has in hand for as long as a placeholder of it lives."""
        self._storages.append(weakref.ref(storage))
        self._left -= 1
        if self._left < 0:
            raise GiveUp(user_where())

    def known(self, node: Node) -> np.ndarray | None:
        """The value of a node that depends on no argument and on no array from outside; None if it does."""
        stack = [node]
        while stack:
            each = stack[-1]
            waiting = [source for source in each.inputs if source not in self._known] if each not in self._known else ()
            if waiting:
                stack.extend(waiting)
            else:
                stack.pop()
                if each not in self._known:
                    self._known[each] = self._worked_out(each)
        return self._known[node]

    def hide(self, node: Node) -> None:
        """Makes a node one whose value is not known while the function is traced."""
        self._known[node] = None

    def _worked_out(self, node: Node) -> np.ndarray | None:
        value = node.params.get("value")
        if node.op.kind == "input" or (value is not None and id(value) in self._captured):
            return None
        operands = [self._known[source] for source in node.inputs]
        if any(operand is None for operand in operands):
            return None
        with np.errstate(all="ignore"):
            return np.asarray(node.op.reference(*operands, **node.params))

    def settled(self, node: Node) -> np.ndarray | None:
        """The value of a number on which no argument has a part but whole numbers, the settings. These are decided."""
        cone: set[Node] = set()
        stack = [node]
        while stack:
            each = stack.pop()
            if each not in cone and self.known(each) is None:
                is_setting = each.op.kind == "input" and each in self.arguments and each.dtype.kind in "iub"
                is_simple = each.op.kind in _SIMPLE and each.aval.size == 1 and len(cone) < MOST_LOOKED_AT
                if not (is_simple and (is_setting or each.inputs)):
                    return None
                cone.add(each)
                stack.extend(each.inputs)
        values: dict[Node, np.ndarray | None] = {}
        with np.errstate(all="ignore"):
            for each in sorted(cone, key=lambda each: each.serial):
                operands = [values[source] if source in values else self.known(source) for source in each.inputs]
                values[each] = (
                    np.asarray(each.op.reference(*operands, **each.params)) if operands else self.decide(each)
                )
        return values.get(node, self.known(node))

    def decide(
        self, node: Node, why: str = "its value decides how the function goes on", instead: str = "np.where"
    ) -> np.ndarray:
        """The value of a node, now: what is traced from here on is right for this value only.

        Args:
            node: what Python needs to know.
            why: what for, for the message if no values are at hand.
            instead: what to write then.
        """
        value = None if self.rolling is None else self.rolling.turn(self, node)
        if value is not None:
            return value  # type: ignore[no-any-return]
        value = self.known(node)
        if value is None:
            value = self._decided.get(node)
        if value is None:
            inner = self._inner_kind(node)
            if inner is not None and self.rolling is not None and self.rolling.open:
                return self.rolling.decide(node)  # type: ignore[no-any-return]
            if inner is not None:
                message = f"a value of {node.aval} {inner}: {why}; write {instead}, tg.cond or tg.while_loop instead"
                raise TraceError(at(message, user_where()))
            if self._fork is None:
                raise TraceError(
                    at(f"a traced value of {node.aval} has no number yet: {why}; write {instead} instead", user_where())
                )
            value = self._counted(node)
            if value is None:
                value = self._fork(node, self._live())
            self._decided[node] = value
            if node.dtype.kind in "iu" and not node.shape:
                self.spans.stand(node, int(value))
        return value

    def _counted(self, node: Node) -> np.ndarray | None:
        """The value of a number that is worked out from whole ones among the arguments, if these are decided; None if not.

        They are decided here when the second whole number is wanted that is worked out from them, so that an ``n + 1`` and
        an ``n // 2`` are no forks of their own.
        """
        cone: set[Node] = set()
        stack = [node]
        while stack:
            each = stack.pop()
            is_whole = each.aval.size == 1 and each.dtype.kind in "iub" and each.op.kind in _SIMPLE
            if not is_whole or len(cone) > MOST_LOOKED_AT:
                return None
            if each not in cone:
                cone.add(each)
                stack.extend(each.inputs if each not in self._decided else ())
        order = sorted(cone, key=lambda each: each.serial)
        roots = [each for each in order if each.op.kind == "input" and each not in self._decided]
        if roots and (node in roots or node.dtype.kind == "b" or not self._counted_from.issuperset(roots)):
            self._counted_from.update(roots if node.dtype.kind != "b" else ())
            return None
        values: dict[Node, np.ndarray] = {}
        with np.errstate(all="ignore"):
            for each in order:
                value = self.decide(each) if each in roots else self._decided.get(each, self.known(each))
                if value is None:
                    value = np.asarray(each.op.reference(*[values[source] for source in each.inputs], **each.params))
                values[each] = value
        return values[node]

    def _alive(self) -> list[Storage]:
        """The memory that somebody still has in hand."""
        alive = [(reference, storage) for reference in self._storages if (storage := reference()) is not None]
        self._storages = [reference for reference, _ in alive]
        return [storage for _, storage in alive]

    def _live(self) -> list[Node]:
        live = dict.fromkeys([*(storage.node for storage in self._alive()), *self.effects, *self.attempts])
        return [node for node in live if self._inner_kind(node) is None]

    def borrow(self, array: np.ndarray) -> Storage:
        """The memory of an array from outside that the function may change: at each call the array is changed at its end.

        Whoever borrows an array sees to it that nobody computes with the array itself while the function is traced.
        """
        if id(array) not in self.borrowed:
            node = self.capture(array)
            self.borrowed[id(array)] = array, node, Storage(node)
        return self.borrowed[id(array)][2]


def _check_unchanged(array: np.ndarray, before: np.ndarray) -> None:
    """An array that has entered the graph by reference must not change while the rest is traced."""
    if array.tobytes() != before.tobytes():
        message = (
            f"an array of shape {array.shape} was changed in place after a traced value had been computed from it; "
            "give it to the function as an argument, or finish filling it before it meets a traced value"
        )
        raise TraceError(at(message, user_where()))
