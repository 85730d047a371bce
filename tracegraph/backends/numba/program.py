"""The linker: a memory plan comes in, something that runs goes out.

Every kernel's source is written and its machine code fetched from the cache; every task gets its table of addresses and
extents; the waves become native tapes, with steps of Python between them where NumPy does an operation. Arguments and
results are bound by the tape itself at each call.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from tracegraph.backends.numba.products import product_call, product_code
from tracegraph.backends.numba.results import LARGE, recycler
from tracegraph.backends.numba.scans import write_scan
from tracegraph.backends.numba.source import ERRORS, KernelSource, Slot, write_nest
from tracegraph.backends.numba.tape import Argument, Run, Task, Wave, make_tape, tape_task
from tracegraph.compiler.kernel import CallKernel, Kernel, LibraryKernel, NestKernel
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.memory import Plan
from tracegraph.compiler.schedule import Task as ScheduledTask
from tracegraph.errors import append_place
from tracegraph.ir import Aval, Node, aval_of
from tracegraph.ir.layout import contiguous
from tracegraph.ops.control import Loop, loop
from tracegraph.ops.leaf import iota

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
        self._code = assemble(plan)
        self._inputs = [node.aval for node in graph.inputs]
        memory = (*plan.schedule.fused.outputs, aval_of((plan.arena_bytes,), np.uint8))
        self._memory = [(aval, aval.nbytes >= LARGE) for aval in memory]
        self._idle = [_Instance(self._code)]
        self._run = self._idle[0].run
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
            instance = self._idle.pop() if len(self._idle) > 1 else _Instance(self._code)
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
    sources = tuple(map(_source, kernels))
    codes = tuple(map(_code, kernels, sources, inner))
    return Code(plan, sources, codes, inner)


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
        is_checked = any(slot.buffer is ERRORS for source in code.every_source() for slot in source.slots)
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

    def bind(self, plan: Plan, word: int, buffer: Node, shift: int) -> int:
        """As `_Frame.point`, of a buffer of the outermost program: 0 if the tape writes the address at each call."""
        if buffer in plan.offsets:
            self._arena_targets.append((word, plan.offsets[buffer] + shift))
        elif "number" in buffer.params:
            number = self._scalars[self._numbers[buffer] :].ctypes.data
            self._targets[buffer] = [(number, 0)]
            return number
        else:
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
        graph = code.plan.schedule.fused.graph
        self._places = {node: k for k, node in enumerate((*graph.inputs, *graph.outputs))}

    def stretches(self) -> tuple[list[list[Wave]], list[Step]]:
        """The waves that run natively, cut where there are steps of Python, and those."""
        stretches: list[list[Wave]] = [[]]
        steps: list[Step] = []
        for wave in self._plan.schedule.waves:
            number = wave.tasks[0].kernel
            kernel = self._code.kernels[number]
            if self._code.codes[number] == 0 and not isinstance(kernel, NestKernel):
                steps.append(self._call(number, kernel)[1] if isinstance(kernel, CallKernel) else self._step(kernel))
                stretches.append([])
            else:
                stretches[-1].append(Wave([self._task(task) for task in wave.tasks], wave.is_parallel))
        return stretches, steps

    # -- tables ----------------------------------------------------------------------------------------------------

    def _task(self, task: ScheduledTask) -> Task:
        kernel = self._code.kernels[task.kernel]
        source = self._code.sources[task.kernel]
        if isinstance(kernel, CallKernel):
            table = self._call(task.kernel, kernel)[0].ctypes.data
        elif source is not None:
            table = self._slots_table(source.slots, kernel, task.piece)
        else:
            assert isinstance(kernel, LibraryKernel), "every nest has a source"
            table = self._contraction_table(kernel) if kernel.is_contraction else self._product_table(kernel)
        return Task(self._code.codes[task.kernel], table, task.lo, task.hi)

    def _slots_table(self, slots: Sequence[Slot], kernel: Kernel, piece: int) -> int:
        table, address = self._instance.words(len(slots))
        words = []
        for k, (buffer, value) in enumerate(slots):
            if buffer is None:
                words.append(value)
            else:
                own = 0
                if isinstance(kernel, NestKernel) and buffer is kernel.partials:
                    own = piece * (buffer.aval.size // kernel.pieces)
                words.append(self.point(address + 8 * k, buffer, (value + own) * buffer.dtype.itemsize))
        table[:] = words
        return address

    def _contraction_table(self, kernel: LibraryKernel) -> int:
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
        for slot, buffer, offset in places:
            table[slot] = self.point(address + 8 * slot, buffer, offset * buffer.dtype.itemsize)
        return address

    def _product_table(self, kernel: LibraryKernel) -> int:
        call = product_call(kernel)
        table, address = self._instance.words(len(call.words))
        table[:] = call.words
        for slot, (buffer, offset) in enumerate(call.places, start=1):
            table[slot] = self.point(address + 8 * slot, buffer, offset * buffer.dtype.itemsize)
        return address

    def point(self, word: int, buffer: Node, shift: int) -> int:
        """What a word says of where a byte of a buffer lies: its address, or 0 if that is written there later."""
        if buffer in self._plan.offsets:
            if self._arena is not None:
                return self._arena(word, self._plan.offsets[buffer] + shift)
            return self._instance.bind(self._plan, word, buffer, shift)
        if buffer is ERRORS:
            return self._instance.errors
        if "value" in buffer.params or buffer.op is iota:
            return int(self._constant(buffer).ctypes.data) + shift
        if self._bound is not None:
            return self._bound[buffer](word, shift)
        return self._instance.bind(self._plan, word, buffer, shift)

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
            spare = pointed(self._within(kernel.spares[k]))
            is_even = parts.length is not None and parts.length % 2 == 0
            even, odd = (result, spare) if is_even else (spare, result)
            start = pointed(self._operand(init))
            carries.append(Carry(now, then, start, even, odd, result, kernel.results[k].aval.nbytes))
            before.append(moving(now, 0))
            after.append(moving(then, 0))
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
        reference, params = node.op.reference, node.params
        operands = [self._reader(operand) for operand in kernel.operands]
        target = self._reader(Access(node, ()))

        def run(arrays: Sequence[Any]) -> None:
            try:
                value = reference(*[operand(arrays) for operand in operands], **params)
            except Exception as error:
                append_place(error, node.where)
                raise
            np.copyto(target(arrays), value)

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


def _argument(node: Node, aval: Aval, targets: Sequence[tuple[int, int]], *, writeable: bool = False) -> Argument:
    if "number" in node.params:
        return Argument(targets)
    strides = tuple(stride * aval.dtype.itemsize for stride in contiguous(aval.shape).strides)
    return Argument(targets, aval.dtype, aval.shape, strides, writeable)


def _source(kernel: Kernel) -> KernelSource | None:
    if isinstance(kernel, NestKernel):
        return write_nest(kernel.nest)
    return write_scan(kernel) if isinstance(kernel, LibraryKernel) and kernel.is_scan else None


def _code(kernel: Kernel, source: KernelSource | None, inner: Sequence[Code]) -> int:
    """The address of a kernel's machine code; 0 for a step of Python, as a product is where there is no BLAS."""
    if source is not None:
        return default_cache.address(source.text, source.name)
    if isinstance(kernel, CallKernel):
        is_native = all(each.is_native for each in inner)
        return 0 if not is_native else loop_code() if kernel.node.op is loop else branch_code()
    if isinstance(kernel, LibraryKernel) and kernel.is_contraction:
        name, text = contraction_kernel(kernel.contraction)
        return default_cache.address(text, name)
    return product_code(kernel.node) if isinstance(kernel, LibraryKernel) and kernel.is_product else 0
