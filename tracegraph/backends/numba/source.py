"""Writes the Python source of a kernel from its loop nest. Knows nothing of graphs beyond the nodes named in the nest.

A kernel is ``def name(args, lo, hi)``: ``args`` is a table of addresses, strides and extents, ``[lo, hi)`` the slice of the
outermost loop that this call runs. ``exp(x) + 1`` of a float64 array of any rank becomes

    def add_exp_loop(args, lo, hi):
        a0 = pointer(args, 0, float64)
        c0 = cast_float64(float_from_word(args[1]))
        out0 = pointer(args, 2, float64)
        for i in range(lo, hi):
            v0 = load(a0, i)
            v1 = exp(v0)
            v3 = add(v1, c0)
            store(out0, i, v3)

The text depends on operations, dtypes, loops and which strides are 0 or 1, never on extents or numbers, but for axes of so
few elements that they are written out. Long sums of floats are taken in blocks, each vectorised, so that their error does
not grow with the length; a column reduction keeps its partial results in a strip of memory of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import zip_longest
from typing import Any, NamedTuple, TypeGuard

import numpy as np

from tracegraph.compiler.cost import is_bound_by_memory, weight_of
from tracegraph.compiler.nest import Address, Apply, Fold, Index, Instruction, Literal, Load, Nest, Pick, Reduce, Store
from tracegraph.ir import Node, aval_of
from tracegraph.ops.leaf import input_node
from tracegraph.ops.rules import real_of

__all__ = ["ERRORS", "KernelSource", "Slot", "write_nest"]

#: Stands for a word in which kernels say that an index was out of bounds.
ERRORS = input_node(aval_of((1,), np.int64))

#: Terms of a floating-point sum that are added up before the next partial sum is begun.
BLOCK = 1024
#: Columns of a column reduction that are carried together: they fit in the first-level cache.
STRIP = 512
#: Rows and columns of a tile of arrays that lie across each other, and where the next row of a copy begins: elements
#: below each other must not compete for one place in the cache.
TILE, PITCH = 64, 72
#: Rows of a reduction that are taken together, if a body has at most as much arithmetic and there are no more reductions:
#: partial results of columns are read and written less often, and rows are read from several places of memory at once.
GROUP, LIGHT, MOST_GROUPED = 4, 12, 3
#: Bytes of a line of the cache.
LINE = 64
#: A product, and one that is only added up, which takes one instruction with its sum; and of which dtypes.
PRODUCT, TERM, FUSED = "multiply({0}, {1})", "multiply_term({0}, {1})", (np.float32, np.float64)
#: An epilogue of more arithmetic has a loop of its own over a strip of results, which is vectorised.
HEAVY = 10


class Slot(NamedTuple):
    """One word of a kernel's table: the address of an element of a buffer, or (if there is none) a number."""

    buffer: Node | None
    value: int


class KernelSource(NamedTuple):
    """The text of a kernel and the table that it wants.

    Attributes:
        name: of the function, after its operations.
        text: the source, which is compiled and which the disk cache goes by.
        slots: what each word of ``args`` holds.
        notes: gives for each line the user's line that it comes from, or the number that it reads, or None.
    """

    name: str
    text: str
    slots: tuple[Slot, ...]
    notes: Callable[[], Sequence[Any]] = tuple

    def listing(self) -> str:
        """The source with the user's lines beside it."""
        lines = zip_longest(self.text.splitlines(), self.notes())
        return "\n".join(f"{line:<60}  # {note}" if note is not None else line for line, note in lines)


class _Given(NamedTuple):
    """What of a nest its text does not say, but its table.

    Attributes:
        addresses: each once, in the order of the instructions.
        indexed: what is read and written at indices, likewise.
        streams: whether what it writes had better go past the caches.
    """

    nest: Nest
    addresses: Sequence[Address]
    indexed: Sequence[Pick | Store]
    streams: bool


#: What a word of a table holds, for any nest of one text.
_Origin = Callable[[_Given], Slot]

#: The name, the text and the table of every form of nests that was written.
_written: dict[Hashable, tuple[str, str, tuple[_Origin, ...]]] = {}


class _Reduction(NamedTuple):
    """How a reduction is computed: its scalar function and where it starts, by kind of dtype."""

    accumulate: str
    combine: str
    starts: dict[str, Any]
    for_bool: str = ""


_REDUCTIONS: dict[str, _Reduction] = {
    "reduce_sum": _Reduction("accumulate_add", "add", {"f": 0.0, "i": 0, "u": 0}),
    "reduce_prod": _Reduction("accumulate_mul", "multiply", {"f": 1.0, "i": 1, "u": 1}),
    "reduce_max": _Reduction("accumulate_max", "maximum", {"f": -np.inf, "b": False}, "logical_or"),
    "reduce_min": _Reduction("accumulate_min", "minimum", {"f": np.inf, "b": True}, "logical_and"),
}
#: The loop of a maximum or minimum of numbers that are not NaN.
_PEAKS = {"reduce_max": "peak_max", "reduce_min": "peak_min"}


def write_nest(nest: Nest, *, streams: bool = False) -> KernelSource:
    """The kernel of a loop nest.

    Args:
        nest: what it computes.
        streams: whether what it writes had better go past the caches, which is a word of its table.
    """
    form, addresses, indexed = _form(nest)
    known = _written.get(form)
    if known is None:
        known = _written[form] = _Writer(nest, addresses, indexed).write()
    name, text, origins = known
    given = _Given(nest, list(addresses), list(indexed), streams)
    slots = tuple([origin(given) for origin in origins])
    return KernelSource(name, text, slots, lambda: _Writer(nest, addresses, indexed).noted())


def _form(nest: Nest) -> tuple[Hashable, dict[Address, int], dict[Pick | Store, int]]:
    """All of a nest that its text depends on; and its addresses and what it reads or writes at indices, numbered.

    Of nodes and buffers that is which are the same, what they do and their dtypes; of strides whether they are 0, 1 or the
    width of what is written out; of extents nothing, but for axes that are written out and whether a sum is a short one.
    """
    width = _width(nest)
    axes = tuple([
        (axis.is_reduced, axis.extent if axis.is_unrolled else -1 if axis.is_reduced and axis.extent <= BLOCK else 0)
        for axis in nest.axes
    ])  # fmt: skip
    buffers: dict[Node, int] = {}
    starts: dict[tuple[Node, int], int] = {}
    addresses: dict[Address, int] = {}
    indexed: dict[Pick | Store, int] = {}

    def place(address: Address) -> Hashable:
        known = addresses.get(address)
        if known is not None:
            return known
        addresses[address] = len(addresses)
        buffer, offset, strides = address
        kinds = [stride if 0 <= stride <= 1 else 3 if 1 < stride == width else 2 for stride in strides]
        at, start = buffers.setdefault(buffer, len(buffers)), starts.setdefault((buffer, offset), len(starts))
        return at, start, buffer.dtype.num, *kinds

    def places(each: Pick | Store) -> Hashable:
        at = indexed.setdefault(each, len(indexed)) if each.places else -1
        return at, *[(operand, stride == 1) for operand, stride, _ in each.places]

    def instruction(each: Instruction) -> Hashable:
        if isinstance(each, Apply):
            node = each.node
            params = tuple(node.params.items()) if node.params else ()
            return (
                node.op,
                node.aval.dtype.num,
                params,
                each.operands,
                *[source.aval.dtype.num for source in node.inputs],
            )
        if isinstance(each, Load):
            return Load, place(each.address)
        if isinstance(each, Literal):
            return Literal, each.dtype.num
        if isinstance(each, Index):
            return Index, place(each.address), each.dtype.num
        if isinstance(each, Reduce):
            return Reduce, folds.index(each.node)
        return Pick, each.node.op, place(each.address), places(each)

    def store(each: Store) -> Hashable:
        return place(each.address), each.value, each.is_sum, places(each)

    folds = [fold.node for fold in nest.folds]
    form = (
        axes,
        tuple(map(instruction, nest.body)),
        tuple(map(store, nest.body_stores)),
        tuple([(fold.node.op, fold.node.dtype.num, fold.value) for fold in nest.folds]),
        tuple(map(instruction, nest.epilogue)),
        tuple(map(store, nest.stores)),
        nest.is_column,
        nest.is_ordered,
        nest.outer,
    )
    return form, addresses, indexed


def _width(nest: Nest) -> int:
    """Of how many points one is written out beside the other."""
    return math.prod(axis.extent for axis in nest.axes if axis.is_unrolled)


class _Writer:
    """Collects lines, with the table slots that they come to need."""

    def __init__(self, nest: Nest, addresses: Mapping[Address, int], indexed: Mapping[Pick | Store, int]) -> None:
        self.nest = nest
        self._addresses = addresses
        self._indexed = indexed
        self._streamed: frozenset[Address] = frozenset()
        self.lines: list[str] = []
        self.notes: list[Any] = []
        self.head: list[str] = []
        self.slots: list[_Origin] = []
        self.depth = 1
        self._pointers: dict[tuple[Node, int], str] = {}
        self._places: dict[Address, int] = {}
        self._is_checked = False
        self._named: set[str] = set()
        self._literals: dict[str, str] = {}
        self._copied: dict[Load, str] = {}
        self._group: int | None = None
        self._inner = [nest.loops - 1]
        self._width = _width(nest)
        self._counts = {"a": 0, "out": 0, "errors": 0}
        self.remarks: dict[str, np.ndarray] = {}
        self._written = {store.address[:2] for store in (*nest.body_stores, *nest.stores)}
        self._overwritten = nest.overwritten
        terms = [nest.body[fold.value] for fold in nest.folds if _rounds(fold.node)]
        self._terms = {each for each in terms if isinstance(each, Apply)}
        self.index = [_letter(k, axis.is_reduced) for k, axis in enumerate(nest.axes)]

    def write(self) -> tuple[str, str, tuple[_Origin, ...]]:
        """The kernel's name, its text and its table."""
        if not self.nest.folds:
            self.plain()
        elif self.nest.is_column:
            self.column()
        else:
            self.row()
        return self.finish()

    def noted(self) -> Sequence[Any]:
        """For each line what is to be said of it."""
        self.write()
        return None, *map(self.remarks.get, self.head), *self.notes

    # -- the three forms -------------------------------------------------------------------------------------------

    def plain(self) -> None:
        """Every loop is kept: the body runs at each point."""
        across = self._crossing()
        streamed = self._streamable()
        if streamed:
            with self.block(f"if {self._may_stream(streamed)}:"):
                self._streamed = frozenset(streamed)
                self._points(across)
                self._streamed = frozenset()
                self.line("fence()")
            with self.block("else:"):
                self._points(across)
        else:
            self._points(across)

    def _points(self, across: int | None) -> None:
        if across is not None:
            self._tiled(across)
            return
        with self.loops(self.nest.kept_loops):
            for _ in self.copies(is_reduced=False):
                self.statements("v", self.nest.body, self.nest.body_stores)

    def _streamable(self) -> list[Address]:
        """What is written line by line and not read, of a nest that waits for memory."""
        nest = self.nest
        if not nest.kept_loops or nest.is_ordered or not is_bound_by_memory(nest):
            return []
        read = {each.address.buffer for each in nest.body if isinstance(each, (Load, Pick))}
        return [
            store.address
            for store in nest.body_stores
            if not store.places
            and store.address.strides[nest.kept_loops[-1]] == 1
            and store.address.buffer not in read
            and store.address.buffer.dtype.kind in "iuf"
            and store.address.buffer.dtype.itemsize > 1
        ]

    def _may_stream(self, streamed: Sequence[Address]) -> str:
        """Whether that pays, and every row begins with a line."""
        *outer, last = self.nest.kept_loops
        numbers = [self._addresses[each] for each in streamed]

        def streams(given: _Given) -> Slot:
            written = [given.addresses[number] for number in numbers]
            fits = all(each.strides[k] * each.buffer.dtype.itemsize % LINE == 0 for each in written for k in outer)
            return Slot(None, given.streams and fits)

        start = "lo" if last == self.nest.outer else "0"
        terms = [f"begins_line({self.pointer(each)}, {start})" for each in streamed]
        return " and ".join([f"{self._number('streams', streams)} != 0", *dict.fromkeys(terms)])

    def _crossing(self) -> int | None:
        """The loop along which arrays lie that the innermost loop only visits in leaps, if there are such."""
        *loops, last = self.nest.kept_loops or (0,)
        if self.nest.is_ordered or not loops or self.nest.loops < len(self.nest.axes):
            return None
        leaps = [each.address.strides for each in self.nest.body if self._leaps(each, last)]
        counts = {k: sum(strides[k] == 1 for strides in leaps) for k in loops}
        best = max(loops, key=lambda k: counts[k])
        return best if counts[best] else None

    def _leaps(self, each: Instruction, last: int) -> TypeGuard[Load]:
        return (
            isinstance(each, Load)
            and each.address.strides[last] not in (0, 1)
            and all(each.address.buffer is not buffer for buffer, _ in self._written)
        )

    def _tiled(self, across: int) -> None:
        """Tile by tile: what lies across the innermost loop is copied as it lies, and then read from the copy."""
        nest = self.nest
        last = nest.kept_loops[-1]
        self._inner.append(across)
        loads = [each for each in nest.body if self._leaps(each, last) and each.address.strides[across] == 1]
        with ExitStack() as stack:
            for k in nest.kept_loops:
                stack.enter_context(self.strip(k, TILE) if k in (across, last) else self.loops([k]))
            for k, each in enumerate(dict.fromkeys(loads)):
                held = self._hold(f"tile{k}", each.address.buffer.dtype, TILE * PITCH)
                place = f"({self._along(last)}) * {PITCH} + {self._along(across)}"
                with self.across(last), self.across(across):
                    value = f"load({self.pointer(each.address)}, {self.place(each.address)})"
                    self.line(f"store({held}, {place}, {value})")
                self._copied[each] = _from_bits(f"reload({held}, {place})", each.address)
            with self.across(across), self.across(last):
                self.statements("v", nest.body, nest.body_stores)

    def row(self) -> None:
        """The innermost loop is reduced: partial results stay in registers."""
        nest = self.nest
        loops = nest.kept_loops
        weight = sum(weight_of(each.node) for each in nest.epilogue if isinstance(each, Apply))
        if not loops or not nest.reduced_loops:
            with self.loops(loops):
                self._row(None)
        elif weight > HEAVY:
            last = loops[-1]
            with self.loops(loops[:-1]), self.strip(last):
                self._grouped(last, f"start{last}", f"stop{last}", lambda: self._row(last))
                self._finish_strip(last)
        else:
            with self.loops(loops[:-1]):
                self._grouped(loops[-1], *self.bounds(loops[-1]), lambda: self._row(None))

    def _row(self, held: int | None) -> None:
        """A row, or several side by side: the results are held for a strip of an axis, or go on through the epilogue."""
        folds = self.nest.folds
        for copy in self.copies(is_reduced=False):
            for fold in folds:
                self.line(f"{self._total(fold)}{copy} = {_start(fold.node)}", fold.node)
                if _is_peak(fold.node):
                    self.line(f"{self._total(fold, 'noted')}{copy} = {_word_of(fold.node)}(0)")
        self._totals(self.nest.reduced_loops)
        for copy in self.copies(is_reduced=False):
            for fold in filter(lambda fold: _is_peak(fold.node), folds):
                total = f"{self._total(fold)}{copy}"
                self.line(f"{total} = nan_if({self._total(fold, 'noted')}{copy}, {total})", fold.node)
            if held is None:
                self._finish({fold.node: f"{self._total(fold)}{copy}" for fold in folds})
                continue
            for fold in folds:
                memory = self._held(fold, copy if self._group is None else "")
                self.line(f"store({memory}, {self._along(held)}, {self._total(fold)}{copy})")

    def _totals(self, loops: Sequence[int]) -> None:
        """The reduced loops of a row, the innermost one in blocks if it is long and rounding matters."""
        folds = self.nest.folds
        summed = [fold for fold in folds if _rounds(fold.node)]
        is_short = bool(self.nest.kept_loops and loops) and self.nest.axes[loops[-1]].extent <= BLOCK
        if not loops or not summed or is_short:
            with self.loops(loops):
                self._accumulate("total")
            return
        (lo, hi), i = self.bounds(loops[-1]), self.index[loops[-1]]
        sums = [(fold, copy) for fold in summed for copy in self.copies(is_reduced=False)]
        with self.loops(loops[:-1]), self.block(f"for begin in range({lo}, {hi}, {BLOCK}):"):
            for fold, copy in sums:
                self.line(f"{self._total(fold, 'partial')}{copy} = {_start(fold.node)}")
            with self.block(f"for {i} in range(begin, min(begin + {BLOCK}, {hi})):"):
                self._accumulate("partial")
            for fold, copy in sums:
                total = f"{self._total(fold)}{copy}"
                self.line(f"{total} = add({total}, {self._total(fold, 'partial')}{copy})")

    def _accumulate(self, sums: str) -> None:
        """What is done at a point of the loops: the body for each element that is written out."""
        for copy in self.copies(is_reduced=False):
            for _ in self.copies(is_reduced=True):
                names = self.statements("v", self.nest.body, self.nest.body_stores)
                for fold in self.nest.folds:
                    total = self._total(fold, sums if _rounds(fold.node) else "total") + copy
                    value = names[fold.value]
                    if _is_peak(fold.node):
                        noted = f"{self._total(fold, 'noted')}{copy}"
                        self.line(f"{total} = {_peak(fold.node)}({total}, {value})", fold.node)
                        self.line(f"{noted} = note_nan({noted}, {value})")
                    else:
                        self.line(f"{total} = {_accumulate(fold.node, total, value)}", fold.node)

    def column(self) -> None:
        """The innermost loop is kept: partial results are held in memory, a strip of columns at a time."""
        nest = self.nest
        *outer, last = nest.kept_loops
        *loops, row = nest.reduced_loops
        with self.loops(outer), self.strip(last):
            with self.across(last):
                for copy in self.copies(is_reduced=False):
                    for fold in nest.folds:
                        self.line(
                            f"store({self._held(fold, copy)}, {self._along(last)}, {_start(fold.node)})", fold.node
                        )
            with self.loops(loops):
                self._grouped(row, *self.bounds(row), lambda: self._columns(last))
            self._finish_strip(last)

    def _columns(self, last: int) -> None:
        """Adds a row, or several, to the results that are held for a strip."""
        at = self._along(last)
        with self.across(last):
            for copy in self.copies(is_reduced=False):
                totals: dict[Fold, str] = {}
                for _ in self.copies(is_reduced=True):
                    names = self.statements("v", self.nest.body, self.nest.body_stores)
                    for fold in self.nest.folds:
                        value = names[fold.value]
                        if fold in totals:
                            value = _accumulate(fold.node, totals[fold], value)
                        totals[fold] = self._total(fold)
                        self.line(f"{totals[fold]} = {value}", fold.node)
                for fold, total in totals.items():
                    held = self._held(fold, copy)
                    self.line(
                        f"store({held}, {at}, {_accumulate(fold.node, f'reload({held}, {at})', total)})", fold.node
                    )

    def _grouped(self, axis: int, lo: str, hi: str, emit: Callable[[], None]) -> None:
        """A loop over an axis: with little to do at each point, several at a time and then the rest one by one."""
        weight = sum(weight_of(each.node) for each in self.nest.body if isinstance(each, Apply))
        if (
            not self._overwritten
            and weight <= LIGHT
            and len(self.nest.folds) <= MOST_GROUPED
            and self.nest.loops == len(self.nest.axes)
        ):
            whole = f"({hi} - {lo}) // {GROUP} * {GROUP}" if lo != "0" else f"{hi} // {GROUP} * {GROUP}"
            self.line(f"whole{axis} = {whole if lo == '0' else f'{lo} + {whole}'}")
            with self.block(f"for {self.index[axis]} in range({lo}, whole{axis}, {GROUP}):"):
                self._group = axis
                emit()
                self._group = None
            lo = f"whole{axis}"
        with self.block(f"for {self.index[axis]} in range({f'{lo}, ' if lo != '0' else ''}{hi}):"):
            emit()

    def _finish(self, totals: dict[Node, str]) -> None:
        self.statements("w", self.nest.epilogue, self.nest.stores, totals)

    def _finish_strip(self, last: int) -> None:
        """The epilogue for the results that are held for a strip."""
        with self.across(last):
            for copy in self.copies(is_reduced=False):
                self._finish(
                    {fold.node: f"reload({self._held(fold, copy)}, {self._along(last)})" for fold in self.nest.folds}
                )

    def _total(self, fold: Fold, word: str = "total") -> str:
        return f"{word}{self.nest.folds.index(fold)}" if len(self.nest.folds) > 1 else word

    def _held(self, fold: Fold, copy: str) -> str:
        """The name of the memory that holds a strip of partial results."""
        dtype = np.dtype(np.float32) if fold.node.dtype == np.float16 else fold.node.dtype
        return self._hold(f"held{self.nest.folds.index(fold)}{copy}", dtype, STRIP)

    def _hold(self, name: str, dtype: np.dtype, count: int) -> str:
        """The name of memory of the kernel's own."""
        if name not in self._named:
            self._named.add(name)
            self.head.append(f"{name} = hold({len(self.slots)}, {_type(dtype)}, {count})")
            self.slots.append(lambda given: Slot(None, 0))
        return name

    # -- pieces ----------------------------------------------------------------------------------------------------

    def line(self, text: str, node: Node | None = None) -> None:
        self.lines.append("    " * self.depth + text)
        self.notes.append(node and node.where)

    @contextmanager
    def block(self, header: str) -> Iterator[None]:
        self.line(header)
        self.depth += 1
        yield
        self.depth -= 1

    @contextmanager
    def strip(self, axis: int, count: int = STRIP) -> Iterator[None]:
        """A loop over strips of an axis."""
        lo, hi = self.bounds(axis)
        with self.block(f"for start{axis} in range({lo}, {hi}, {count}):"):
            self.line(f"stop{axis} = min(start{axis} + {count}, {hi})")
            yield

    @contextmanager
    def across(self, axis: int) -> Iterator[None]:
        """A loop over a strip."""
        with self.block(f"for {self.index[axis]} in range(start{axis}, stop{axis}):"):
            yield

    def _along(self, axis: int) -> str:
        """How far a point lies from the start of its strip."""
        return f"{self.index[axis]} - start{axis}"

    def copies(self, *, is_reduced: bool) -> Iterator[str]:
        """Goes over the points that are written out; gives what a name has behind it at each."""
        axes = [axis for axis in enumerate(self.nest.axes) if axis[1].is_reduced == is_reduced]
        extents = {
            k: GROUP if k == self._group else axis.extent for k, axis in axes if k == self._group or axis.is_unrolled
        }
        letters = list(self.index)
        for point in np.ndindex(*extents.values()):
            for k, at in zip(extents, point, strict=True):
                self.index[k] = str(at) if k != self._group else f"({letters[k]} + {at})" if at else letters[k]
            yield "".join(f"_{at}" for at in point)
        self.index[:] = letters

    @contextmanager
    def loops(self, axes: Sequence[int]) -> Iterator[None]:
        """Loops over axes, one inside the other."""
        for k in axes:
            lo, hi = self.bounds(k)
            self.line(
                f"for {self.index[k]} in range({lo}, {hi}):" if lo != "0" else f"for {self.index[k]} in range({hi}):"
            )
            self.depth += 1
        yield
        self.depth -= len(axes)

    def bounds(self, axis: int) -> tuple[str, str]:
        """Where a loop begins and ends: the outer one runs over the slice that the kernel is called for."""
        if axis == self.nest.outer:
            return "lo", "hi"
        return "0", self._number(f"n{axis}", lambda given: Slot(None, given.nest.axes[axis].extent))

    def statements(
        self,
        prefix: str,
        body: Sequence[Instruction],
        stores: Sequence[Store],
        totals: Mapping[Node, str] | None = None,
    ) -> Sequence[str]:
        """The instructions of one level, and what is stored of them. Gives the names of their values."""
        names = [
            self.literal(each, f"{prefix}{k}") if isinstance(each, Literal) else f"{prefix}{k}"
            for k, each in enumerate(body)
        ]
        for k, each in enumerate(body):
            if isinstance(each, Pick):
                self._check(each, names)
            if not isinstance(each, Literal):
                self.line(
                    f"{names[k]} = {self._expression(each, names, totals or {})}",
                    each.node if isinstance(each, (Apply, Pick)) else None,
                )
        for store in stores:
            if store.places:
                self._check(store, names)
            pointer, place, value = self.pointer(store.address), self._place_of(store, names), names[store.value]
            if store.is_sum:
                value = f"add({_from_bits(f'reload({pointer}, {place})', store.address)}, {value})"
            write = "stream" if store.address in self._streamed else "store"
            self.line(f"{write}({pointer}, {place}, {_to_bits(value, store.address)})")
        return names

    def _expression(self, each: Instruction, names: Sequence[str], totals: Mapping[Node, str]) -> str:
        if isinstance(each, Load) and each in self._copied:
            return self._copied[each]
        if isinstance(each, Load):
            may_be_new = each.address[:2] in self._written and each.address not in self._overwritten
            function = "reload" if may_be_new else "load"
            return _from_bits(f"{function}({self.pointer(each.address)}, {self.place(each.address)})", each.address)
        if isinstance(each, Pick):
            return _from_bits(f"load({self.pointer(each.address)}, {self._place_of(each, names)})", each.address)
        if isinstance(each, Index):
            place, number = self.place(each.address), self._addresses[each.address]
            first = self._number(
                f"first{self._places[each.address]}", lambda given: Slot(None, given.addresses[number].offset)
            )
            return f"{_cast(each.dtype)}({first} + {place})"
        if isinstance(each, Apply):
            loop: str = each.node.op.loop  # type: ignore[assignment]
            if loop == PRODUCT and each in self._terms and each.node.dtype in FUSED:
                loop = TERM
            text = loop.format(*[names[k] for k in each.operands], **each.node.params)
            return f"round_to_half({text})" if each.node.dtype == np.float16 else text
        assert isinstance(each, Reduce)
        return totals[each.node]

    def _place_of(self, each: Pick | Store, names: Sequence[str]) -> str:
        """How far what is read or written lies from the address's first element."""
        terms = [self.place(each.address), *(self._moves(each, names) if each.places else ())]
        return " + ".join(term for term in terms if term != "0") or "0"

    def _check(self, each: Pick | Store, names: Sequence[str]) -> None:
        """Notes whether an index is out of bounds. It then counts as 0."""
        if not self._is_checked:
            self._is_checked = True
            self.head.append("is_outside = boolean(False)")
        for k, (operand, *_) in enumerate(each.places):
            n = self._index_word("m", each, k)
            self.line(
                f"is_outside = logical_or(is_outside, outside({names[operand]}, {n}))",
                each.node if isinstance(each, Pick) else None,
            )

    def _moves(self, each: Pick | Store, names: Sequence[str]) -> list[str]:
        """How far the indices move an address."""
        moves = []
        for k, (operand, stride, _) in enumerate(each.places):
            move = f"inside({names[operand]}, {self._index_word('m', each, k)})"
            moves.append(move if stride == 1 else f"{move} * {self._index_word('t', each, k)}")
        return moves

    def _index_word(self, letter: str, each: Pick | Store, k: int) -> str:
        """The extent of the axis that an index is along, by the letter m; or the stride of that, by t."""
        number = self._indexed[each]
        field = 2 if letter == "m" else 1
        return self._number(
            f"{letter}{number}_{k}", lambda given: Slot(None, int(given.indexed[number].places[k][field]))
        )

    def literal(self, each: Literal, use: str) -> str:
        """The name of a number. It is read from the table: 1/n of a mean, say, must not make another kernel of each n."""
        if use in self._literals:
            return self._literals[use]
        name = self._literals[use] = f"c{len(self._literals)}"
        if each.dtype.kind == "c":
            text = f"make_complex({self._word(each, use, 'real')}, {self._word(each, use, 'imag')})"
        else:
            text = self._word(each, use, "real")
        self.head.append(f"{name} = {text}")
        self.remarks[self.head[-1]] = each.value
        return name

    def _word(self, each: Literal, use: str, part: str) -> str:
        """A real number of the table, as an expression."""
        dtype = getattr(each.value, part).dtype
        text = f"args[{len(self.slots)}]"
        if dtype.kind == "f":
            text = f"float_from_word({text})"
        level, k = "body" if use[0] == "v" else "epilogue", int(use[1:])

        def word(given: _Given) -> Slot:
            value = getattr(getattr(given.nest, level)[k].value, part)
            return Slot(None, int(np.float64(value).view(np.int64) if dtype.kind == "f" else value.astype(np.int64)))

        self.slots.append(word)
        return f"{_cast(dtype)}({text})"

    def pointer(self, address: Address) -> str:
        """The name of the pointer to an address's first element."""
        key = address.buffer, address.offset
        if key not in self._pointers:
            kind = "errors" if address.buffer is ERRORS else "out" if key in self._written else "a"
            name = f"{kind}{self._counts[kind]}"
            self._counts[kind] += 1
            self._pointers[key] = name
            self.head.append(f"{name} = pointer(args, {len(self.slots)}, {_type(address.buffer.dtype)})")
            number = self._addresses.get(address, -1)
            self.slots.append(
                (lambda given: Slot(ERRORS, 0)) if number < 0 else lambda given: Slot(*given.addresses[number][:2])
            )
        return self._pointers[key]

    def place(self, address: Address) -> str:
        """How far an element lies from the first, as an expression of the loop variables."""
        if address not in self._places:
            self._places[address] = len(self._places)
        k = self._places[address]
        terms = []
        for axis, stride in enumerate(address.strides):
            index = self.index[axis]
            if stride == 0 or index == "0":
                continue
            if stride == 1 and (axis in self._inner or self.nest.axes[axis].is_unrolled):
                terms.append(index)
            elif 1 < stride == self._width and axis in self._inner:
                terms.append(f"{index} * {stride}")
            else:
                terms.append(f"{index} * {self._stride(k, axis, self._addresses[address])}")
        return " + ".join(terms) or "0"

    def _stride(self, k: int, axis: int, number: int) -> str:
        return self._number(f"s{k}_{axis}", lambda given: Slot(None, given.addresses[number].strides[axis]))

    def _number(self, name: str, origin: _Origin) -> str:
        if name not in self._named:
            self._named.add(name)
            self.head.append(f"{name} = args[{len(self.slots)}]")
            self.slots.append(origin)
        return name

    def finish(self) -> tuple[str, str, tuple[_Origin, ...]]:
        name = _name(self.nest)
        if self._is_checked:
            errors = self.pointer(Address(ERRORS, 0, ()))
            with self.block("if is_outside:"):
                self.line(f"store({errors}, 0, 1)")
        head = [f"    {line}" for line in self.head]
        text = "\n".join([f"def {name}(args, lo, hi):", *head, *self.lines, ""])
        return name, text, tuple(self.slots)


def _letter(k: int, is_reduced: bool) -> str:
    return f"{'r' if is_reduced else 'i'}{k}"


def _from_bits(text: str, address: Address) -> str:
    """An element that was read: halves are kept as their bits and computed as singles."""
    return f"from_half({text})" if address.buffer.dtype == np.float16 else text


def _to_bits(text: str, address: Address) -> str:
    return f"to_half({text})" if address.buffer.dtype == np.float16 else text


@cache
def _type(dtype: np.dtype) -> str:
    return {"bool": "boolean", "float16": "uint16"}.get(str(dtype), str(dtype))


@cache
def _cast(dtype: np.dtype) -> str:
    return f"cast_{dtype}"


def _start(node: Node) -> str:
    """The value that a reduction starts from."""
    starts = _REDUCTIONS[node.op.name].starts
    if node.dtype.kind == "c":
        part = f"{real_of(node.dtype)}({starts['f']!r})"
        return f"make_complex({part}, {real_of(node.dtype)}(0.0))"
    if node.dtype == np.float16:
        return f"float32({starts['f']!r})"
    if node.dtype.kind in starts:
        value = starts[node.dtype.kind]
    else:
        limits = np.iinfo(node.dtype)
        value = limits.min if node.op.name == "reduce_max" else limits.max
    return f"{_type(node.dtype)}({value!r})"


def _rounds(node: Node) -> bool:
    """Whether the error of a reduction grows with the length."""
    return node.op.name == "reduce_sum" and node.dtype.kind in "fc"


def _is_peak(node: Node) -> bool:
    """Whether a reduction must watch for NaN, which it does apart, for then the rest is one instruction."""
    return node.op.name in _PEAKS and node.dtype.kind == "f"


def _peak(node: Node) -> str:
    return _PEAKS[node.op.name]


def _word_of(node: Node) -> str:
    """An integer as wide as the numbers of a reduction."""
    return "int64" if node.dtype == np.float64 else "int32"


def _accumulate(node: Node, total: str, value: str) -> str:
    reduction = _REDUCTIONS[node.op.name]
    function = reduction.for_bool if node.dtype.kind == "b" else reduction.accumulate
    return f"{function}({total}, {value})"


def _name(nest: Nest) -> str:
    """After the operations, last first, so that profiles and tracebacks can be read; never that of a scalar function."""
    words = [each.node.op.name for each in reversed((*nest.body, *nest.epilogue)) if isinstance(each, (Apply, Pick))]
    words = [*(fold.node.op.name for fold in nest.folds), *words]
    return "_".join([*dict.fromkeys(words[:6]), "loop"])
