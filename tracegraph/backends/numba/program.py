"""The linker: a memory plan comes in, something that runs goes out.

Every kernel's source is written and its machine code fetched from the cache; every task gets its table of addresses and
extents; the waves become native tapes, with steps of Python between them where NumPy does an operation. Arguments and
results are bound by the tape itself at each call.
"""

from __future__ import annotations

import math
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, NoReturn

import numpy as np

from tracegraph.backends import reference
from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.contractions import SHARED, contraction_kernel, contraction_table
from tracegraph.backends.numba.control import (
    COUNT,
    TURNS,
    Carry,
    History,
    Patch,
    branch_code,
    branch_words,
    choose,
    free,
    loop_code,
    loop_words,
    memory_at,
    turn,
)  # fmt: skip
from tracegraph.backends.numba.library_threads import with_limited_library
from tracegraph.backends.numba.phases import write_phase
from tracegraph.backends.numba.places import places_kernel
from tracegraph.backends.numba.pools import write_pool
from tracegraph.backends.numba.products import product_call, product_code
from tracegraph.backends.numba.results import LARGE, recycler
from tracegraph.backends.numba.source import ERRORS, KernelSource, Slot, write_nest
from tracegraph.backends.numba.sweeps import Move, Share, sweep_code, sweep_words
from tracegraph.backends.numba.tape import Argument, Run, Task, Wave, make_tape, tape_task
from tracegraph.backends.numba.workers import side_by_side
from tracegraph.compiler.contract import Contraction
from tracegraph.compiler.kernel import CallKernel, Kernel, LibraryKernel, NestKernel, PhaseKernel
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.memory import Plan
from tracegraph.compiler.schedule import Part
from tracegraph.compiler.schedule import Task as ScheduledTask
from tracegraph.compiler.schedule import Wave as ScheduledWave
from tracegraph.compiler.streams import streaming
from tracegraph.errors import append_place
from tracegraph.ir import Aval, Node, aval_of
from tracegraph.ir.layout import contiguous
from tracegraph.ops.control import Loop, loop
from tracegraph.ops.leaf import iota, is_literal

__all__ = ["Executable", "kernel_counts", "kernel_name", "link", "swept_together"]

#: From this much work on, other Python threads may run meanwhile.
RELEASE_NANOSECONDS = 20_000.0
_NOWHERE: Mapping[int, np.ndarray] = {}
_NO_ARENA = np.empty(0, np.uint8)


def kernel_counts() -> tuple[int, int]:
    """How many kernels this process has compiled, and how many it has loaded from the disk."""
    info = default_cache.cache_info()
    return info.compiled, info.loaded


def link(plan: Plan) -> Executable:
    """Makes a plan executable: compiles (or loads) what it needs."""
    return Executable(plan)


class Executable:
    """A program for one signature.

    Attributes:
        plan: the memory plan.
        may_fail: whether it may raise an error when it has written to some results already.
        constants: arrays from outside that it reads.

    Calls from several threads at once are answered side by side: each has tables of its own. The arena of intermediate
    values is taken anew at each call, as results are, and bound like them: it is the last argument of the tape.
    """

    def __init__(self, plan: Plan) -> None:
        graph = plan.schedule.fused.graph
        self.plan = plan
        self._code = assemble(plan)
        self._inputs = [node.aval for node in graph.inputs]
        self._outputs = plan.schedule.fused.outputs
        self._makers = list(map(_maker, self._outputs))
        self._shared = shared = dict(plan.schedule.shared)
        self._places = [(None, shared[k]) if k in shared else (make, 0) for k, make in enumerate(self._makers)]
        self._arena = _maker(aval_of((plan.arena_bytes,), np.uint8)) if plan.arena_bytes else _no_arena
        self._idle = [_Instance(self._code)]
        self._run = self._idle[0].run
        self.may_fail = self._idle[0].may_fail
        self.constants = tuple(_constants(plan))
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return f"{len(self.kernels)} different kernels"

    @property
    def kernels(self) -> tuple[str, ...]:
        """The sources of the kernels, each once: what the cache goes by."""
        return tuple(dict.fromkeys(source.text for source in self._code.every_source()))

    @property
    def source(self) -> str:
        """The kernels' sources, with the user's lines beside them."""
        listings = {source.text: source.listing() for source in self._code.every_source()}
        return "\n\n".join(listings.values())

    def run(self, leaves: Sequence[Any], into: Mapping[int, np.ndarray] = _NOWHERE) -> list[np.ndarray]:
        """The values of the graph's outputs, in new arrays.

        Args:
            leaves: one array or number for each input, of its shape and dtype.
            into: for outputs that are computed in the memory of an input, the array that is given for that, if it may be
                written over; it lies in C order.
        """
        results, arena = [make() for make in self._makers], self._arena()
        for output, number in self._shared.items():
            if output in into:
                results[output] = _as(into[output], self._outputs[output])
            else:
                np.copyto(results[output].reshape(-1), leaves[number].reshape(-1))
        if not self._run(*leaves, *results, arena):
            arrays = [_prepared(leaf, dtype) for leaf, (_, dtype) in zip(leaves, self._inputs, strict=True)]
            if not self._run(*arrays, *results, arena):
                self._run_aside(arrays, [*results, arena])
        return results

    def attempt(self, leaves: Sequence[Any]) -> list[np.ndarray] | None:
        """The same for leaves that may be any objects; None, and nothing is done, if they are not just what the tape wants.

        Each output that may be computed in the memory of an input is.
        """
        results = [leaves[number] if make is None else make() for make, number in self._places]
        return results if self._run(*leaves, *results, self._arena()) else None

    def timed(self, leaves: Sequence[Any], runs: int) -> list[tuple[tuple[int, ...], float]]:
        """The least time in seconds of each kernel in some runs on results of their own; of kernels that are swept together,
        that of all of them.

        Each kernel runs on the same tasks as ever, but one kernel of a wave after the other.
        """
        arrays = [_prepared(leaf, dtype) for leaf, (_, dtype) in zip(leaves, self._inputs, strict=True)]
        results = [make() for make in self._makers]
        instance = _TimedInstance(self._code)
        best = [math.inf] * len(instance.parts)
        for _ in range(runs):
            for output, number in self._shared.items():
                np.copyto(results[output].reshape(-1), arrays[number].reshape(-1))
            if not instance.run(*arrays, *results, self._arena()):
                raise AssertionError("arguments of a checked signature do not fit the program")
            best = list(map(min, best, instance.seconds))
        return list(zip(instance.parts, best, strict=True))

    def _run_aside(self, arrays: Sequence[Any], results: Sequence[np.ndarray]) -> None:
        """Runs on tables of its own, because another thread is using the first ones."""
        with self._lock:
            instance = self._idle.pop() if len(self._idle) > 1 else _Instance(self._code)
        if not instance.run(*arrays, *results):
            raise AssertionError("arguments of a checked signature do not fit the program")
        with self._lock:
            self._idle.append(instance)


def _maker(aval: Aval) -> Callable[[], np.ndarray]:
    """Makes arrays of arbitrary contents."""
    return partial(recycler.take, aval) if aval.nbytes >= LARGE else partial(np.empty, *aval)


def _no_arena() -> np.ndarray:
    return _NO_ARENA


def _as(array: np.ndarray, aval: Aval) -> np.ndarray:
    """The array itself if it has this shape, or else its memory in this shape."""
    if array.dtype is aval.dtype and array.shape == aval.shape:
        return array
    return array.view(aval.dtype).reshape(aval.shape)


def _prepared(leaf: Any, dtype: np.dtype) -> Any:
    """A leaf as the tape takes it: a Python float as it is, all else as an aligned array in C order of this very dtype."""
    if type(leaf) is float:
        return leaf
    array = np.require(np.asarray(leaf, dtype), None, ("C", "A"))
    return array if array.dtype is dtype else array.view(dtype)


def _constants(plan: Plan) -> Iterator[np.ndarray]:
    """The arrays that kernels read by reference, in loops and branches too."""
    for node in plan.schedule.fused.graph.nodes:
        if "value" in node.params and not is_literal(node):
            yield node.params["value"]
    for kernel in plan.schedule.kernels:
        for inner in kernel.plans if isinstance(kernel, CallKernel) else ():
            yield from _constants(inner)


def _uses_library(plan: Plan) -> bool:
    """Whether there are products by BLAS in a plan, or steps of NumPy, which may call it."""
    for kernel in plan.schedule.kernels:
        if isinstance(kernel, CallKernel):
            if any(map(_uses_library, kernel.plans)):
                return True
        elif isinstance(kernel, LibraryKernel) and not (kernel.is_contraction or kernel.is_pool):
            return True
    return False


class Code(NamedTuple):
    """A plan with the code of its kernels.

    Attributes:
        plan: the memory plan.
        sources: the text of each kernel that has one.
        codes: the address of each kernel's machine code; 0 for a step of Python.
        inner: for each kernel, the code of the programs inside it.
    """

    plan: Plan
    sources: tuple[KernelSource | None, ...]
    codes: tuple[int, ...]
    inner: tuple[tuple[Code, ...], ...]

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        return self.plan.schedule.kernels

    @property
    def is_native(self) -> bool:
        """Whether there is no step of Python in it."""
        return all(
            code or isinstance(kernel, NestKernel) for code, kernel in zip(self.codes, self.kernels, strict=True)
        )

    def every_source(self) -> Iterator[KernelSource]:
        """The sources of all kernels, of programs inside too."""
        for source, inner in zip(self.sources, self.inner, strict=True):
            if source is not None:
                yield source
            for each in inner:
                yield from each.every_source()


def assemble(plan: Plan) -> Code:
    """Compiles (or loads) the kernels of a plan."""
    kernels = plan.schedule.kernels
    inner = tuple(tuple(map(assemble, each.plans)) if isinstance(each, CallKernel) else () for each in kernels)
    streams = streaming(plan)
    sources = tuple(_source(kernel, streams=number in streams) for number, kernel in enumerate(kernels))
    codes = tuple(map(_code, kernels, sources, inner))
    return Code(plan, sources, codes, inner)


def _is_checked(code: Code) -> bool:
    """Whether a kernel may find an index out of bounds."""
    return any(slot.buffer is ERRORS for source in code.every_source() for slot in source.slots)


class _Instance:
    """Tables and tapes: the state that a running program writes to."""

    def __init__(self, code: Code) -> None:
        self._graph = code.plan.schedule.fused.graph
        self._arena_targets: list[tuple[int, int]] = []
        self._errors = np.zeros(1, np.int64)
        self._numbers = {node: k for k, node in enumerate(self._graph.inputs)}
        self._scalars = np.zeros(len(self._graph.inputs) + 1, np.int64)
        self._copies: list[tuple[np.ndarray, np.ndarray]] = []
        self._targets: dict[Node, list[tuple[int, int]]] = {}
        self._keep: list[Any] = []
        self._histories: dict[Node, np.ndarray] = {}
        self.run = self._build(code)
        if self._histories:
            weakref.finalize(self, _release, list(self._histories.values()))

    def _build(self, code: Code) -> Callable[..., bool]:
        """One tape, or several with Python in between."""
        frame = _Frame(self, code)
        stretches, steps = frame.stretches()
        release = code.plan.schedule.nanoseconds > RELEASE_NANOSECONDS
        runs = [make_tape(stretches[0], self._arguments(code.plan), release_gil=release)[0]]
        runs += [make_tape(stretch, release_gil=release)[0] for stretch in stretches[1:]]
        run = runs[0] if not steps and not self._copies else self._interleaved(runs, steps)
        run = with_limited_library(run) if _uses_library(code.plan) else run
        is_checked = _is_checked(code)
        self.may_fail = is_checked or bool(steps)
        return self._checked(run) if is_checked else run

    def words(self, count: int) -> tuple[np.ndarray, int]:
        """A table that lives as long as this does, and where it lies."""
        table = np.zeros(count, np.int64)
        self._keep.append(table)
        return table, table.ctypes.data

    def kept(self, *values: Any) -> None:
        """Keeps what native code needs."""
        self._keep += values

    def history(self, node: Node) -> np.ndarray:
        """Where the memory of a history is, and how much it is."""
        if node not in self._histories:
            self._histories[node] = np.zeros(2, np.int64)
        return self._histories[node]

    def constant(self, node: Node) -> np.ndarray:
        """A constant's memory: the user's own array, or a copy that is renewed at each call if that is not in C order."""
        value = node.params["value"] if "value" in node.params else np.arange(node.params["length"], dtype=node.dtype)
        usable = np.require(value, None, ("C", "A"))
        self._keep.append(usable)
        if usable is not value:
            self._copies.append((usable, value))
        return usable

    def bind_arena(self, word: int, shift: int) -> int:
        """As `_Frame.point`, of a byte of the arena of the outermost program, whose address the tape writes at each call."""
        self._arena_targets.append((word, shift))
        return 0

    def bind(self, word: int, buffer: Node, shift: int) -> int:
        """The same of a byte of one of its arguments or results."""
        if "number" in buffer.params:
            number = self._scalars[self._numbers[buffer] :].ctypes.data
            self._targets[buffer] = [(number, 0)]
            return number
        self._targets.setdefault(buffer, []).append((word, shift))
        return 0

    @property
    def errors(self) -> int:
        """The address of the word in which kernels say that an index was out of bounds."""
        return int(self._errors.ctypes.data)

    def _arguments(self, plan: Plan) -> list[Argument]:
        """How the tape binds each argument and each result: a Python float by its bits, an array by its address."""
        inputs = [_argument(node, node.aval, self._targets.get(node, ())) for node in self._graph.inputs]
        outputs = zip(self._graph.outputs, plan.schedule.fused.outputs, strict=True)
        bound = [_argument(node, aval, self._targets.get(node, ()), writeable=True) for node, aval in outputs]
        arena = Argument(self._arena_targets, np.dtype(np.uint8), (plan.arena_bytes,), (1,), writeable=True)
        return [*inputs, *bound, arena]

    # -- indices out of bounds -------------------------------------------------------------------------------------

    def _checked(self, run: Callable[..., bool]) -> Callable[..., bool]:
        """A run after which it is looked whether kernels met an index that was out of bounds."""
        lock = threading.Lock()

        def checked(*arrays: Any) -> bool:
            if not lock.acquire(blocking=False):
                return False
            try:
                if not run(*arrays):
                    return False
                if self._errors[0]:
                    self._errors[0] = 0
                    self._explain(arrays)
            finally:
                lock.release()
            return True

        return checked

    def _explain(self, arrays: Sequence[Any]) -> NoReturn:
        """Finds the index by running the graph again, step by step; rounding may decide that it is then in bounds."""
        pairs = zip(arrays, self._graph.inputs, strict=False)
        reference.run(self._graph, [np.asarray(each, node.dtype) for each, node in pairs])
        raise IndexError("an index is out of bounds")

    # -- steps of Python -------------------------------------------------------------------------------------------

    def _interleaved(self, runs: Sequence[Run], steps: Sequence[Step]) -> Callable[..., bool]:
        """Tapes with steps of Python between them. What NumPy raises in a step gets the user's line."""
        lock = threading.Lock()
        first, *rest = runs

        def run(*arrays: Any) -> bool:
            for copy, original in self._copies:
                np.copyto(copy, original)
            if not lock.acquire(blocking=False):
                return False
            try:
                if not first(*arrays):
                    return False
                with np.errstate(all="ignore"):
                    for step, after in zip(steps, rest, strict=True):
                        step(arrays)
                        after()
            finally:
                lock.release()
            return True

        return run


class _TimedInstance(_Instance):
    """Tables, and a tape for each kernel of each wave, so that they can be timed.

    Attributes:
        parts: the kernels that each tape runs.
        seconds: how long each tape took in the last run.
    """

    def _build(self, code: Code) -> Callable[..., bool]:
        release = code.plan.schedule.nanoseconds > RELEASE_NANOSECONDS
        found = list(_Frame(self, code).parts())
        steps = [_alone(part, release=release) if isinstance(part, Wave) else part for _, part in found]
        self.parts = [numbers for numbers, _ in found]
        self.seconds = [0.0] * len(steps)
        bind, _ = make_tape([], self._arguments(code.plan))

        def run(*arrays: Any) -> bool:
            for copy, original in self._copies:
                np.copyto(copy, original)
            if not bind(*arrays):
                return False
            with np.errstate(all="ignore"):
                for k, step in enumerate(steps):
                    start = time.perf_counter()
                    step(arrays)
                    self.seconds[k] = time.perf_counter() - start
            return True

        limited = with_limited_library(run) if _uses_library(code.plan) else run
        return self._checked(limited) if _is_checked(code) else limited


def _alone(wave: Wave, *, release: bool) -> Step:
    """A wave on a tape of its own."""
    run, _ = make_tape([wave], release_gil=release)

    def step(arrays: Sequence[Any]) -> None:
        run()

    return step


def _release(histories: Sequence[np.ndarray]) -> None:
    for memory in histories:
        free(int(memory[0]))


#: What a word at an address says of where a byte of some buffer lies; 0 if it is written there when that is known.
Bind = Callable[[int, int], int]
Step = Callable[[Sequence[Any]], None]


class _Frame:
    """One plan of an instance: the outermost, or one inside a loop or branch, which finds its inputs, outputs and arena in
    buffers of the frame around it.

    Args:
        instance: holds the tables.
        code: the plan and its code.
        bound: for each buffer that is not the plan's own, how an address in it gets into a word.
        arena: the same for its arena.
    """

    def __init__(
        self, instance: _Instance, code: Code, bound: Mapping[Node, Bind] | None = None, arena: Bind | None = None
    ) -> None:
        self._instance = instance
        self._code = code
        self._plan = code.plan
        self._bound = bound
        self._arena = arena
        self._constants: dict[Node, np.ndarray] = {}
        self._tables: dict[tuple[int, int, int], tuple[int, list[Move]]] = {}
        graph = code.plan.schedule.fused.graph
        self._places = {node: k for k, node in enumerate((*graph.inputs, *graph.outputs))}

    def stretches(self) -> tuple[list[list[Wave]], list[Step]]:
        """The waves that run natively, cut where there are steps of Python, and those."""
        stretches: list[list[Wave]] = [[]]
        steps: list[Step] = []
        for wave in self._plan.schedule.waves:
            step = self._step_of(wave.kernels[0])
            if step is not None:
                steps.append(step)
                stretches.append([])
            else:
                stretches[-1].append(Wave([self._task(task) for task in wave.tasks], wave.is_parallel))
        return stretches, steps

    def parts(self) -> Iterator[tuple[tuple[int, ...], Wave | Step]]:
        """For each kernel of each wave, or all that are swept together, the tasks, or the step of Python that it is."""
        for wave in self._plan.schedule.waves:
            for numbers in swept_together(wave):
                step = self._step_of(numbers[0])
                if step is not None:
                    yield numbers, step
                else:
                    tasks = [self._task(task) for task in wave.tasks if task.parts[0].kernel in numbers]
                    yield numbers, Wave(tasks, wave.is_parallel and len(tasks) > 1)

    def _step_of(self, number: int) -> Step | None:
        """The step of Python that a kernel is; None if it runs natively."""
        kernel = self._code.kernels[number]
        if self._code.codes[number] or isinstance(kernel, (NestKernel, PhaseKernel)):
            return None
        return self._call(number, kernel)[1] if isinstance(kernel, CallKernel) else self._step(kernel)

    # -- tables ----------------------------------------------------------------------------------------------------

    def _task(self, task: ScheduledTask) -> Task:
        shares = [
            Share(self._code.codes[part.kernel], table, part.lo, part.hi, part.step, part.shift, moves)
            for part in task.parts
            for table, moves in [self._table(part, task.lane)]
        ]
        if len(shares) == 1 and not shares[0].moves:
            return Task(*shares[0][:4])
        words = sweep_words(shares)
        self._instance.kept(words)
        return Task(sweep_code(), words.ctypes.data, task.first, task.last)

    def _table(self, part: Part, lane: int) -> tuple[int, list[Move]]:
        """The address of a kernel's table, and which of its words are moved. Pieces and lanes have tables of their own if
        they write to different places."""
        number, kernel, source = part.kernel, self._code.kernels[part.kernel], self._code.sources[part.kernel]
        has_pieces = isinstance(kernel, NestKernel) and kernel.pieces > 1
        has_lanes = any(node in self._plan.shelves for node in (*kernel.reads, *kernel.writes))
        key = number, part.piece if has_pieces else 0, lane if has_lanes else 0
        if key not in self._tables:
            if isinstance(kernel, CallKernel):
                self._tables[key] = self._call(number, kernel)[0].ctypes.data, []
            elif source is not None:
                self._tables[key] = self._slots_table(source.slots, kernel, part.piece, lane)
            else:
                assert isinstance(kernel, LibraryKernel), "every nest has a source"
                is_contraction = kernel.is_contraction
                self._tables[key] = (
                    self._contraction_table(kernel, lane) if is_contraction else (self._product_table(kernel), [])
                )
        return self._tables[key]

    def _slots_table(self, slots: Sequence[Slot], kernel: Kernel, piece: int, lane: int) -> tuple[int, list[Move]]:
        table, address = self._instance.words(len(slots))
        words, moves = [], []
        for k, (buffer, value) in enumerate(slots):
            if buffer is None:
                words.append(value)
            elif buffer in self._plan.shelves:
                moves.append(self._move(address + 8 * k, kernel, buffer, value, lane))
                words.append(0)
            else:
                own = 0
                if isinstance(kernel, NestKernel) and buffer in kernel.partials:
                    own = piece * (buffer.aval.size // kernel.pieces)
                words.append(self.point(address + 8 * k, buffer, (value + own) * buffer.dtype.itemsize))
        table[:] = words
        return address, moves

    def _move(self, word: int, kernel: Kernel, buffer: Node, start: int, lane: int) -> Move:
        """How a word follows an element of a value that lies in lanes."""
        assert isinstance(kernel, (NestKernel, LibraryKernel)), "only nests and contractions are swept"
        shelf = self._plan.shelves[buffer]
        cells, cell = self._instance.words(1)
        cells[0] = self._in_arena(cell, shelf.offset + lane * shelf.lane_bytes + start * buffer.dtype.itemsize)
        return Move(word, cell, kernel.pace(buffer))

    def _contraction_table(self, kernel: LibraryKernel, lane: int) -> tuple[int, list[Move]]:
        contraction = kernel.contraction
        words = contraction_table(contraction, packs=kernel.packs)
        table, address = self._instance.words(len(words))
        table[:] = words
        a, b = kernel.factors
        places = [(0, a.base, contraction.starts[0]), (1, b.base, contraction.starts[1]), (2, kernel.node, 0)]
        if kernel.packed is not None:
            own, shared = (0, 1) if contraction.shared == "b" else (1, 0)
            places = [places[shared]] if kernel.packs else [places[own], places[2]]
            places.append((SHARED, kernel.packed, 0))
        moves = []
        for slot, buffer, offset in places:
            if buffer in self._plan.shelves:
                moves.append(self._move(address + 8 * slot, kernel, buffer, offset, lane))
            else:
                table[slot] = self.point(address + 8 * slot, buffer, offset * buffer.dtype.itemsize)
        return address, moves

    def _product_table(self, kernel: LibraryKernel) -> int:
        call = product_call(kernel)
        table, address = self._instance.words(len(call.words))
        table[:] = call.words
        for slot, (buffer, offset) in enumerate(call.places, start=call.first):
            table[slot] = self.point(address + 8 * slot, buffer, offset * buffer.dtype.itemsize)
        return address

    def point(self, word: int, buffer: Node, shift: int) -> int:
        """What a word says of where a byte of a buffer lies: its address, or 0 if that is written there later."""
        if buffer in self._plan.offsets:
            return self._in_arena(word, self._plan.offsets[buffer] + shift)
        if buffer is ERRORS:
            return self._instance.errors
        if "value" in buffer.params or buffer.op is iota:
            return int(self._constant(buffer).ctypes.data) + shift
        if self._bound is not None:
            return self._bound[buffer](word, shift)
        return self._instance.bind(word, buffer, shift)

    def _in_arena(self, word: int, shift: int) -> int:
        """The same of a byte of the arena."""
        return (self._instance.bind_arena if self._arena is None else self._arena)(word, shift)

    def _constant(self, node: Node) -> np.ndarray:
        if node not in self._constants:
            self._constants[node] = self._instance.constant(node)
        return self._constants[node]

    # -- loops and branches ----------------------------------------------------------------------------------------

    def _within(self, buffer: Node, start: int = 0) -> Bind:
        """Addresses in a buffer of this frame."""
        return lambda word, shift: self.point(word, buffer, start + shift)

    def _operand(self, operand: Access) -> Bind:
        layout = operand.layout()
        assert layout is not None, "an operand of a call was copied into C order"
        return self._within(operand.base, layout.offset * operand.base.dtype.itemsize)

    def _call(self, number: int, kernel: CallKernel) -> tuple[np.ndarray, Step]:
        """The table of a loop or branch, and what runs it in Python."""
        return (self._loop if kernel.node.op is loop else self._branch)(number, kernel)

    def _branch(self, number: int, kernel: CallKernel) -> tuple[np.ndarray, Step]:
        index, *operands = map(self._operand, kernel.operands)
        tapes, runs = [], []
        for code, arena in zip(self._code.inner[number], kernel.arenas, strict=True):
            graph = code.plan.schedule.fused.graph
            bound: dict[Node, Bind] = dict(zip(graph.inputs, operands, strict=True))
            bound.update((node, self._within(each)) for node, each in zip(graph.outputs, kernel.results, strict=True))
            tape, run = _Frame(self._instance, code, bound, self._within(arena)).program()
            tapes.append(tape)
            runs.append(run)
        words = branch_words(tapes[0].kernel, [tape.args for tape in tapes])
        self._instance.kept(words)
        words[1] = index(words[1:].ctypes.data, 0)
        return words, lambda arrays: choose(words, runs)

    def _loop(self, number: int, kernel: CallKernel) -> tuple[np.ndarray, Step]:
        instance = self._instance
        parts: Any = Loop.split(kernel.operands, kernel.node.params)  # type: ignore[arg-type]
        patches: list[Patch] = []

        def moving(cell: int, stride: int) -> Bind:
            """Addresses in the array that a cell tells, at the place of the turn."""

            def bind(word: int, shift: int) -> int:
                patches.append(Patch(word, cell, shift, stride))
                return 0

            return bind

        def fixed(address: int) -> Bind:
            return lambda word, shift: address + shift

        def pointed(bind: Bind) -> int:
            """A new cell."""
            cells, address = instance.words(1)
            cells[0] = bind(address, 0)
            return address

        def stack(node: Node, bind: Bind, stride: int) -> Bind:
            """Elements of a stacked array, or of a history."""
            address = instance.history(node).ctypes.data if node.dtype.kind == "O" else pointed(bind)
            return moving(address, stride)

        (_, place), (_, flag) = instance.words(1), instance.words(1)
        before, after, carries = [], [], []
        for k, init in enumerate(parts.init):
            (_, now), (_, then) = instance.words(1), instance.words(1)
            result = pointed(self._within(kernel.results[k]))
            other = kernel.spares[k]
            spare = result if other is None else pointed(self._within(other))
            is_even = parts.length is not None and parts.length % 2 == 0
            even, odd = (result, spare) if is_even else (spare, result)
            start = pointed(self._operand(init))
            carries.append(Carry(now, then, start, even, odd, result, kernel.results[k].aval.nbytes))
            before.append(moving(now, 0) if other is not None else self._within(kernel.results[k]))
            after.append(moving(then, 0) if other is not None else self._within(kernel.results[k]))
        body, *others = self._code.inner[number]
        graph = body.plan.schedule.fused.graph
        elements = graph.inputs[1 + parts.carries : 1 + parts.carries + len(parts.stacked)]
        stacked = [
            stack(each.base, self._operand(each), node.aval.nbytes)
            for each, node in zip(parts.stacked, elements, strict=True)
        ]
        consts = [self._operand(each) for each in parts.consts]
        bound: dict[Node, Bind] = dict(zip(graph.inputs, [fixed(place), *before, *stacked, *consts], strict=True))
        bound.update(zip(graph.outputs, after, strict=False))
        histories = []
        for node, each in zip(graph.outputs[parts.carries :], kernel.results[parts.carries :], strict=False):
            bound[node] = stack(each, self._within(each), node.aval.nbytes)
            if each.dtype.kind == "O":
                histories.append(History(instance.history(each).ctypes.data, node.aval.nbytes))
        arenas = [self._within(arena) for arena in kernel.arenas]
        tape, run = _Frame(instance, body, bound, arenas[0]).program()
        test, tested = None, None
        for code in others:
            graph = code.plan.schedule.fused.graph
            bound = dict(zip(graph.inputs, [fixed(place), *before, *consts], strict=True))
            bound[graph.outputs[0]] = fixed(flag)
            test, tested = _Frame(instance, code, bound, arenas[1]).program()
        words = loop_words(
            walk=tape.kernel,
            body=tape.args,
            cond=0 if test is None else test.args,
            flag=flag,
            turns=0,
            length=-1 if parts.length is None else parts.length,
            reverse=parts.reverse,
            place=place,
            count=0,
            carries=carries,
            patches=patches,
            histories=histories,
        )
        instance.kept(words)
        if parts.turns is not None:
            words[TURNS] = self._operand(parts.turns)(words[TURNS:].ctypes.data, 0)
        if parts.cond is not None:
            words[COUNT] = self.point(words[COUNT:].ctypes.data, kernel.results[-1], 0)
        return words, lambda arrays: turn(words, run, tested)

    def program(self) -> tuple[Task, Callable[[], Any]]:
        """The task that walks this plan's tape, and a function that runs it, with its steps of Python if it has some."""
        stretches, steps = self.stretches()
        tapes = [make_tape(stretch) for stretch in stretches]
        self._instance.kept(*tapes)
        first, *rest = [run for run, _ in tapes]
        task = tape_task(tapes[0][1])
        if not steps:
            return task, first

        def run() -> None:
            first()
            for step, after in zip(steps, rest, strict=True):
                step(())
                after()

        return task, run

    # -- steps of Python -------------------------------------------------------------------------------------------

    def _step(self, kernel: LibraryKernel) -> Step:
        """One step of NumPy; all is known before the call but where arguments and results lie."""
        node = kernel.node
        reference, parts, params = node.op.reference, node.op.parts, node.params
        operands = [self._reader(operand) for operand in kernel.operands]
        target = self._reader(Access(node, ()))

        def run(arrays: Sequence[Any]) -> None:
            out, values = target(arrays), [operand(arrays) for operand in operands]
            try:
                if parts is None:
                    np.copyto(out, reference(*values, **params))
                else:
                    side_by_side(out.size, partial(parts, out, *values, **params))
            except Exception as error:
                append_place(error, node.where)
                raise

        return run

    def _reader(self, operand: Access) -> Callable[[Sequence[Any]], np.ndarray]:
        """How a step finds an operand: among the arguments, the results and the arena of a call, which comes last; or,
        inside a loop, by a word that holds its address."""
        base, dtype = operand.base, operand.base.dtype
        layout = operand.layout()
        assert layout is not None, "views of a settled graph are strides"
        shape, start = layout.shape, layout.offset * dtype.itemsize
        strides = tuple(stride * dtype.itemsize for stride in layout.strides)
        if 0 in shape:
            return lambda arrays: np.empty(shape, dtype)
        if "value" in base.params or base.op is iota:
            whole = np.ndarray(shape, dtype, self._constant(base), start, strides)
            return lambda arrays: whole
        if self._bound is not None:
            cell, address = self._instance.words(1)
            cell[0] = self.point(address, base, 0)
            return lambda arrays: np.ndarray(shape, dtype, memory_at(int(cell[0]), base.aval.nbytes), start, strides)
        if base in self._plan.offsets:
            place, start = -1, start + self._plan.offsets[base]
        else:
            place = self._places[base]
        if "number" in base.params:
            return lambda arrays: np.ndarray(shape, dtype, np.asarray(arrays[place], dtype), start, strides)
        return lambda arrays: np.ndarray(shape, dtype, arrays[place], start, strides)


def swept_together(wave: ScheduledWave) -> list[tuple[int, ...]]:
    """The kernels of a wave, those together that any task runs block by block."""
    groups: list[set[int]] = []
    for task in wave.tasks:
        group = {part.kernel for part in task.parts}
        groups = [each for each in groups if not each & group] + [
            group.union(*(each for each in groups if each & group))
        ]
    return [tuple(number for number in wave.kernels if number in group) for group in groups]


def _argument(node: Node, aval: Aval, targets: Sequence[tuple[int, int]], *, writeable: bool = False) -> Argument:
    if "number" in node.params:
        return Argument(targets)
    strides = tuple(stride * aval.dtype.itemsize for stride in contiguous(aval.shape).strides)
    return Argument(targets, aval.dtype, aval.shape, strides, writeable)


def kernel_name(kernel: Kernel) -> str:
    """What a kernel is called: by its source, or whose it is and what it does."""
    source = _source(kernel)
    if source is not None:
        return source.name
    assert not isinstance(kernel, (NestKernel, PhaseKernel)), "every nest and phase has a source"
    if isinstance(kernel, CallKernel):
        return kernel.node.op.name
    if kernel.is_contraction:
        return _contraction_source(kernel.contraction)[0]
    return f"BLAS {kernel.node.op.name}" if kernel.is_product else f"NumPy {kernel.node.op.name}"


def _contraction_source(contraction: Contraction) -> tuple[str, str]:
    return places_kernel(contraction) if contraction.reads_places else contraction_kernel(contraction)


def _source(kernel: Kernel, *, streams: bool = False) -> KernelSource | None:
    if isinstance(kernel, NestKernel):
        return write_nest(kernel.nest, streams=streams)
    if isinstance(kernel, LibraryKernel) and kernel.is_pool:
        return write_pool(kernel)
    return write_phase(kernel) if isinstance(kernel, PhaseKernel) else None


def _code(kernel: Kernel, source: KernelSource | None, inner: Sequence[Code]) -> int:
    """The address of a kernel's machine code; 0 for a step of Python, as a product is where there is no BLAS."""
    if source is not None:
        return default_cache.address(source.text, source.name)
    if isinstance(kernel, CallKernel):
        is_native = all(each.is_native for each in inner)
        return 0 if not is_native else loop_code() if kernel.node.op is loop else branch_code()
    if isinstance(kernel, LibraryKernel) and kernel.is_contraction:
        name, text = _contraction_source(kernel.contraction)
        return default_cache.address(text, name)
    return product_code(kernel.node) if isinstance(kernel, LibraryKernel) and kernel.is_product else 0
