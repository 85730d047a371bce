"""The linker: a memory plan comes in, something that runs goes out.

Every kernel's source is written and its machine code fetched from the cache; every task gets its table of addresses and
extents; the waves become native tapes, with steps of Python between them where NumPy does an operation. Arguments and
results are bound by the tape itself at each call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from tracegraph.backends import reference
from tracegraph.backends.numba.cache import default_cache
from tracegraph.backends.numba.contractions import contraction_kernel, contraction_table
from tracegraph.backends.numba.products import product_call, product_code
from tracegraph.backends.numba.results import LARGE, recycler
from tracegraph.backends.numba.scans import write_scan
from tracegraph.backends.numba.source import ERRORS, KernelSource, Slot, write_nest
from tracegraph.backends.numba.tape import Argument, Run, Task, Wave, make_tape
from tracegraph.compiler.kernel import Kernel, LibraryKernel, NestKernel
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.memory import Plan
from tracegraph.compiler.schedule import Task as ScheduledTask
from tracegraph.errors import append_place
from tracegraph.ir import Aval, Node, aval_of
from tracegraph.ir.layout import contiguous

__all__ = ["Executable", "kernel_counts", "link"]

#: From this much work on, other Python threads may run meanwhile.
RELEASE_NANOSECONDS = 20_000.0


def kernel_counts() -> tuple[int, int]:
    """How many kernels this process has compiled, and how many it has loaded from the disk."""
    info = default_cache.cache_info()
    return info.compiled, info.loaded


def link(plan: Plan) -> Executable:
    """Makes a plan executable: compiles (or loads) what it needs."""
    return Executable(plan)


class Executable:
    """A program for one signature.

    Calls from several threads at once are answered side by side: each has tables of its own. The arena of intermediate
    values is taken anew at each call, as results are, and bound like them: it is the last argument of the tape.
    """

    def __init__(self, plan: Plan) -> None:
        graph = plan.schedule.fused.graph
        self.plan = plan
        self._sources = [_source(kernel) for kernel in plan.schedule.kernels]
        kernels = plan.schedule.kernels
        self._codes = [_code(kernel, source) for kernel, source in zip(kernels, self._sources, strict=True)]
        self._inputs = [node.aval for node in graph.inputs]
        memory = (*plan.schedule.fused.outputs, aval_of((plan.arena_bytes,), np.uint8))
        self._memory = [(aval, aval.nbytes >= LARGE) for aval in memory]
        self._idle = [_Instance(plan, self._sources, self._codes)]
        self._run = self._idle[0].run
        self._lock = threading.Lock()

    def __str__(self) -> str:
        return f"{len(self.kernels)} different kernels"

    @property
    def kernels(self) -> tuple[str, ...]:
        """The sources of the kernels, each once: what the cache goes by."""
        return tuple(dict.fromkeys(source.text for source in self._sources if source is not None))

    @property
    def source(self) -> str:
        """The kernels' sources, with the user's lines beside them."""
        listings = {source.text: source.listing() for source in self._sources if source is not None}
        return "\n\n".join(listings.values())

    def run(self, leaves: Sequence[Any]) -> list[np.ndarray]:
        """The values of the graph's outputs, in new arrays.

        Args:
            leaves: one array or number for each input, of its shape and dtype.
        """
        results = [recycler.take(aval) if is_large else np.empty(*aval) for aval, is_large in self._memory]
        if not self._run(*leaves, *results):
            arrays = [_prepared(leaf, dtype) for leaf, (_, dtype) in zip(leaves, self._inputs, strict=True)]
            if not self._run(*arrays, *results):
                self._run_aside(arrays, results)
        results.pop()
        return results

    def _run_aside(self, arrays: Sequence[Any], results: Sequence[np.ndarray]) -> None:
        """Runs on tables of its own, because another thread is using the first ones."""
        with self._lock:
            instance = self._idle.pop() if len(self._idle) > 1 else _Instance(self.plan, self._sources, self._codes)
        if not instance.run(*arrays, *results):
            raise AssertionError("arguments of a checked signature do not fit the program")
        with self._lock:
            self._idle.append(instance)


def _prepared(leaf: Any, dtype: np.dtype) -> Any:
    """A leaf as the tape takes it: a Python float as it is, all else as an aligned array in C order of this very dtype."""
    if type(leaf) is float:
        return leaf
    array = np.require(np.asarray(leaf, dtype), None, ("C", "A"))
    return array if array.dtype is dtype else array.view(dtype)


class _Instance:
    """Tables and tapes: the state that a running program writes to."""

    def __init__(self, plan: Plan, sources: Sequence[KernelSource | None], codes: Sequence[int]) -> None:
        self._plan = plan
        self._sources = sources
        self._codes = codes
        self._graph = plan.schedule.fused.graph
        self._places = {node: k for k, node in enumerate((*self._graph.inputs, *self._graph.outputs))}
        self._arena_targets: list[tuple[int, int]] = []
        self._errors = np.zeros(1, np.int64)
        self._scalars = np.zeros(len(self._graph.inputs) + 1, np.int64)
        self._constants: dict[Node, np.ndarray] = {}
        self._copies: list[tuple[np.ndarray, np.ndarray]] = []
        self._tables: list[np.ndarray] = []
        self._targets: dict[Node, list[tuple[int, int]]] = {}
        self.run = self._build()

    def _build(self) -> Callable[..., bool]:
        """One tape, or several with Python in between."""
        schedule = self._plan.schedule
        stretches: list[list[Wave]] = [[]]
        steps: list[LibraryKernel] = []
        for wave in schedule.waves:
            kernel = schedule.kernels[wave.tasks[0].kernel]
            if self._codes[wave.tasks[0].kernel] == 0 and not isinstance(kernel, NestKernel):
                steps.append(kernel)
                stretches.append([])
            else:
                stretches[-1].append(Wave([self._task(task) for task in wave.tasks], wave.is_parallel))
        release = schedule.nanoseconds > RELEASE_NANOSECONDS
        runs = [make_tape(stretches[0], self._arguments(), release_gil=release)[0]]
        runs += [make_tape(stretch, release_gil=release)[0] for stretch in stretches[1:]]
        run = runs[0] if not steps and not self._copies else self._interleaved(runs, steps)
        is_checked = any(
            slot.buffer is ERRORS for source in self._sources if source is not None for slot in source.slots
        )
        return self._checked(run) if is_checked else run

    # -- tables ----------------------------------------------------------------------------------------------------

    def _task(self, task: ScheduledTask) -> Task:
        kernel = self._plan.schedule.kernels[task.kernel]
        source = self._sources[task.kernel]
        if source is not None:
            table = self._slots_table(source.slots, kernel, task.piece)
        else:
            assert isinstance(kernel, LibraryKernel), "every nest has a source"
            table = self._contraction_table(kernel) if kernel.is_contraction else self._product_table(kernel)
        return Task(self._codes[task.kernel], table.ctypes.data, task.lo, task.hi)

    def _slots_table(self, slots: Sequence[Slot], kernel: Kernel, piece: int) -> np.ndarray:
        table = self._table(len(slots))
        for k, (buffer, value) in enumerate(slots):
            if buffer is None:
                table[k] = value
            else:
                own = 0
                if isinstance(kernel, NestKernel) and buffer is kernel.partials:
                    own = piece * (buffer.aval.size // kernel.pieces)
                self._point(table, k, buffer, value + own)
        return table

    def _contraction_table(self, kernel: LibraryKernel) -> np.ndarray:
        contraction = kernel.contraction
        words = contraction_table(contraction)
        table = self._table(len(words))
        table[:] = words
        first, second = kernel.operands if kernel.node.op.name == "matmul" else reversed(kernel.operands)
        places = zip((first.base, second.base, kernel.node), (*contraction.starts, 0), strict=True)
        for slot, (buffer, offset) in enumerate(places):
            self._point(table, slot, buffer, offset)
        return table

    def _product_table(self, kernel: LibraryKernel) -> np.ndarray:
        call = product_call(kernel)
        table = self._table(len(call.words))
        table[:] = call.words
        for slot, (buffer, offset) in enumerate(call.places, start=1):
            self._point(table, slot, buffer, offset)
        return table

    def _table(self, words: int) -> np.ndarray:
        table = np.zeros(max(words, 1), np.int64)
        self._tables.append(table)
        return table

    def _point(self, table: np.ndarray, k: int, buffer: Node, offset: int) -> None:
        """Makes a word of a table the address of an element; that of an argument is written by the tape at each call."""
        shift = offset * buffer.dtype.itemsize
        if buffer is ERRORS:
            table[k] = self._errors.ctypes.data
        elif buffer in self._plan.offsets:
            self._arena_targets.append((table[k:].ctypes.data, self._plan.offsets[buffer] + shift))
        elif "value" in buffer.params:
            table[k] = self._constant(buffer).ctypes.data + shift
        elif "number" in buffer.params:
            number = self._scalars[self._graph.inputs.index(buffer) :]
            table[k] = number.ctypes.data
            self._targets[buffer] = [(number.ctypes.data, 0)]
        else:
            self._targets.setdefault(buffer, []).append((table[k:].ctypes.data, shift))

    def _constant(self, node: Node) -> np.ndarray:
        """A constant's memory: the user's own array, or a copy that is renewed at each call if that is not in C order."""
        if node not in self._constants:
            value = node.params["value"]
            usable = np.require(value, None, ("C", "A"))
            self._constants[node] = usable
            if usable is not value:
                self._copies.append((usable, value))
        return self._constants[node]

    def _arguments(self) -> list[Argument]:
        """How the tape binds each argument and each result: a Python float by its bits, an array by its address."""
        fused = self._plan.schedule.fused
        inputs = [_argument(node, node.aval, self._targets.get(node, ())) for node in self._graph.inputs]
        outputs = zip(self._graph.outputs, fused.outputs, strict=True)
        bound = [_argument(node, aval, self._targets.get(node, ()), writeable=True) for node, aval in outputs]
        arena = Argument(self._arena_targets, np.dtype(np.uint8), (self._plan.arena_bytes,), (1,), writeable=True)
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

    def _interleaved(self, runs: Sequence[Run], steps: Sequence[LibraryKernel]) -> Callable[..., bool]:
        """Tapes with steps of Python between them. What NumPy raises in a step gets the user's line."""
        lock = threading.Lock()
        first, *rest = runs
        bound = [self._bound(step, after) for step, after in zip(steps, rest, strict=True)]

        def run(*arrays: Any) -> bool:
            for copy, original in self._copies:
                np.copyto(copy, original)
            if not lock.acquire(blocking=False):
                return False
            try:
                if not first(*arrays):
                    return False
                with np.errstate(all="ignore"):
                    for step in bound:
                        step(arrays)
            finally:
                lock.release()
            return True

        return run

    def _bound(self, step: LibraryKernel, after: Run) -> Callable[[Sequence[Any]], None]:
        """One step of Python and the tape behind it; all is known before the call but where arguments and results lie."""
        node = step.node
        reference, params = node.op.reference, node.params
        operands = [self._reader(operand) for operand in step.operands]
        target = self._reader(Access(node, ()))

        def run(arrays: Sequence[Any]) -> None:
            try:
                value = reference(*[operand(arrays) for operand in operands], **params)
            except Exception as error:
                append_place(error, node.where)
                raise
            np.copyto(target(arrays), value)
            after()

        return run

    def _reader(self, operand: Access) -> Callable[[Sequence[Any]], np.ndarray]:
        """How a step finds an operand among the arguments, the results and the arena of a call, which comes last."""
        base, dtype = operand.base, operand.base.dtype
        layout = operand.layout()
        assert layout is not None, "views of a settled graph are strides"
        shape, start = layout.shape, layout.offset * dtype.itemsize
        strides = tuple(stride * dtype.itemsize for stride in layout.strides)
        if base in self._plan.offsets:
            place, start = -1, start + self._plan.offsets[base]
        elif base in self._places:
            place = self._places[base]
        else:
            fixed = self._constant(base) if "value" in base.params else np.arange(base.params["length"], dtype=dtype)
            whole = np.ndarray(shape, dtype, fixed, start, strides)
            return lambda arrays: whole
        if 0 in shape:
            return lambda arrays: np.empty(shape, dtype)
        if "number" in base.params:
            return lambda arrays: np.ndarray(shape, dtype, np.asarray(arrays[place], dtype), start, strides)
        return lambda arrays: np.ndarray(shape, dtype, arrays[place], start, strides)


def _argument(node: Node, aval: Aval, targets: Sequence[tuple[int, int]], *, writeable: bool = False) -> Argument:
    if "number" in node.params:
        return Argument(targets)
    strides = tuple(stride * aval.dtype.itemsize for stride in contiguous(aval.shape).strides)
    return Argument(targets, aval.dtype, aval.shape, strides, writeable)


def _source(kernel: Kernel) -> KernelSource | None:
    if isinstance(kernel, NestKernel):
        return write_nest(kernel.nest)
    return write_scan(kernel) if kernel.is_scan else None


def _code(kernel: Kernel, source: KernelSource | None) -> int:
    """The address of a kernel's machine code; 0 for a step of Python, as a product is where there is no BLAS."""
    if source is not None:
        return default_cache.address(source.text, source.name)
    if isinstance(kernel, LibraryKernel) and kernel.is_contraction:
        name, text = contraction_kernel(kernel.contraction)
        return default_cache.address(text, name)
    return product_code(kernel.node) if isinstance(kernel, LibraryKernel) and kernel.is_product else 0
