"""The native tape: a program as one array of int64 words, walked without Python and without the GIL.

What comes in: waves of tasks, each a kernel's address, the address of its table, and a range; and the arrays
that a call is to be given. What goes out: a Python callable that checks its arguments, writes their addresses
where kernels look for them, and runs all waves in order, at a cost of some tens of nanoseconds. It knows
nothing of graphs, buffers or what a kernel computes; who makes a tape keeps the memory that it names alive.

The encoding: a header (`_LAYOUT` names its words; from `METHOD` on stand the four of a `PyMethodDef`, which
makes the tape itself a built-in function), then for each wave

    count, parallel, then `count` rows of four words: kernel, args, lo, hi

and then for each argument

    type, descr, flags, nd, targets, then `nd` extents, `nd` strides in bytes, `targets` addresses and shifts

A wave starts when all tasks of the one before are done. Tasks of a parallel wave run in any order and at the
same time; those of a serial wave run one after the other.
"""

import ctypes
from collections.abc import Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import numpy as np

from .cache import KernelCache, runtime_cache
from .pool import WORDS as POOL_WORDS
from .pool import Pool, Words, c_address, default_pool

HEADER = 16
# A stride that fits whatever is given; no array has it, because it is no multiple of any element's size but one.
_ANY = -(2**63) + 1

# After the head of an array object: data, nd, extents, strides, base, descr, flags; of a float: its value.
_LAYOUT = f"""
WAVES, POOL, WALK, ARGUMENTS, FIRST_ARGUMENT, RUNNING = 0, 1, 2, 3, 4, 5
SAVE, RESTORE, INCREF, TRUE, FALSE, METHOD = 6, 7, 8, 9, 10, 11
HEADER, ANY = {HEADER}, {_ANY}
DATA = {object.__basicsize__ // 8}
TYPE, ND, EXTENTS, STRIDES, DESCR, FLAGS = DATA - 1, DATA + 1, DATA + 2, DATA + 3, DATA + 5, DATA + 6
"""

_WALK = """
def walk(tape, lo, hi):
    # Run every wave. A pool that is busy with another tape, or one that this is a task of, is left alone.
    pool = table(tape[POOL])
    threaded = tape[POOL] != 0 and pool[THREADS] > 1
    position = address_of(tape) + 8 * HEADER
    for _ in range(tape[WAVES]):
        count = table(position)[0]
        parallel = threaded and count > 1 and table(position)[1] != 0
        position += 16
        if parallel and atomic_replace(pool, BUSY, 0, 1):
            call_kernel(pool[WAVE], tape[POOL], position, count)
            atomic_store(pool, BUSY, 0)
            position += 32 * count
        else:
            for _ in range(count):
                task = table(position)
                call_kernel(task[0], task[1], task[2], task[3])
                position += 32
"""

_ENTRY = """
def entry(self, arguments, count):
    # The C function of a built-in Python function (METH_FASTCALL); `self` is the array that holds the tape.
    tape = table(self[DATA])
    answer = tape[FALSE]
    if count == tape[ARGUMENTS] and atomic_replace(tape, RUNNING, 0, 1):
        row = address_of(tape) + tape[FIRST_ARGUMENT]
        fits = True
        for k in range(count):
            given = table(table(arguments)[k])
            wanted = table(row)
            nd = wanted[3]
            fits = fits and given[TYPE] == wanted[0]
            if fits and nd >= 0:
                fits = given[DESCR] == wanted[1] and given[FLAGS] & wanted[2] == wanted[2]
                fits = fits and given[ND] & 0xFFFFFFFF == nd
                for d in range(nd if fits else 0):
                    extent = wanted[5 + d]
                    fits = fits and table(given[EXTENTS])[d] == extent
                    stride = wanted[5 + nd + d]
                    fits = fits and (stride == ANY or table(given[STRIDES])[d] == stride)
            if fits:
                first = 5 + 2 * max(nd, 0)
                for t in range(first, first + 2 * wanted[4], 2):
                    table(wanted[t])[0] = given[DATA] + wanted[t + 1]
                row += 8 * (first + 2 * wanted[4])
        if fits:
            address = address_of(tape)
            if tape[SAVE] != 0:
                state = call_c(tape[SAVE], ())
                call_kernel(tape[WALK], address, 0, 0)
                call_c(tape[RESTORE], (state,))
            else:
                call_kernel(tape[WALK], address, 0, 0)
            answer = tape[TRUE]
        atomic_store(tape, RUNNING, 0)
    call_c(tape[INCREF], (answer,))
    return answer
"""

_WORD: dict[str, int] = {}
exec(_LAYOUT, {}, _WORD)


class Task(NamedTuple):
    """One call `kernel(args, lo, hi)`, by addresses."""

    kernel: int
    args: int
    lo: int
    hi: int


class Wave(NamedTuple):
    """Tasks that do not depend on one another; `parallel` says whether threads are worth their while."""

    tasks: Sequence[Task]
    parallel: bool = False


class Argument(NamedTuple):
    """What a call must be given at one place, and the words that are to hold it.

    Each target is the address of a word, and a number of bytes that is added to what it holds.

    With a dtype: an aligned `np.ndarray` of this dtype, shape and strides; its data address is written.
    Without: a Python float, whose eight bytes are written.
    """

    targets: Sequence[tuple[int, int]]
    dtype: np.dtype[Any] | None = None
    shape: tuple[int, ...] = ()
    strides: tuple[int, ...] = ()
    writeable: bool = False

    def encode(self) -> list[int]:
        """The words of this argument on a tape."""
        if self.dtype is None:
            return [id(float), 0, 0, -1, len(self.targets), *chain(*self.targets)]
        if self.dtype is not np.dtype(self.dtype.type):
            raise ValueError(f"argument has dtype {self.dtype!r}, expected a built-in one in native byte order")
        flags = _ALIGNED | (_WRITEABLE if self.writeable else 0)
        head = [id(np.ndarray), id(self.dtype), flags, len(self.shape), len(self.targets)]
        return [*head, *self.shape, *self._wanted_strides(), *chain(*self.targets)]

    def _wanted_strides(self) -> list[int]:
        """Along axes of one element, and in arrays of none, no stride is ever used, and NumPy leaves it arbitrary."""
        is_empty = 0 in self.shape
        return [_ANY if is_empty or n == 1 else stride for n, stride in zip(self.shape, self.strides, strict=True)]


_ALIGNED, _WRITEABLE = 0x100, 0x400


class Run(Protocol):
    """Runs a tape; False (and nothing is run) if an argument does not fit or the tape is running already."""

    def __call__(self, *arguments: object) -> bool: ...


_METH_FASTCALL = 0x80
# Read by Python for as long as any function made here lives, hence objects of this module.
_NAME = ctypes.create_string_buffer(b"run")
_DOC = ctypes.create_string_buffer(b"run(*arguments): run the tape; False if they do not fit it.")


def make_tape(
    waves: Sequence[Wave],
    arguments: Sequence[Argument] = (),
    *,
    release_gil: bool = False,
    pool: Pool = default_pool,
    cache: KernelCache = runtime_cache,
) -> tuple[Run, Words]:
    """A built-in function that runs the waves, and the int64 words that it reads.

    `release_gil` lets other Python threads run meanwhile, which costs 50 ns: worth it from some 10 us on.
    The function keeps the words alive, but not the kernels, tables and targets that they name.

    >>> run, words = make_tape([])
    >>> run()
    True
    """
    words = _encode(waves, arguments)
    _link(words, release_gil, pool.address if any(wave.parallel for wave in waves) else 0, cache)
    make = ctypes.pythonapi.PyCFunction_NewEx
    make.restype, make.argtypes = ctypes.py_object, (ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)
    return make(words.ctypes.data + 8 * _WORD["METHOD"], words, None), words


def tape_task(words: Words) -> Task:
    """The task that walks a tape, so that one tape may run another; it binds no arguments."""
    return Task(int(words[_WORD["WALK"]]), words.ctypes.data, 0, 0)


def _encode(waves: Sequence[Wave], arguments: Sequence[Argument]) -> Words:
    words = [0] * HEADER
    for wave in waves:
        words += [len(wave.tasks), int(wave.parallel)]
        for task in wave.tasks:
            words += task
    words[_WORD["WAVES"]] = len(waves)
    words[_WORD["ARGUMENTS"]] = len(arguments)
    words[_WORD["FIRST_ARGUMENT"]] = 8 * len(words)
    for argument in arguments:
        words += argument.encode()
    return np.array(words, np.int64)


def _link(words: Words, release_gil: bool, pool_address: int, cache: KernelCache) -> None:
    """Fill the header with the addresses of what the entry calls."""
    api = ctypes.pythonapi
    method = [ctypes.addressof(_NAME), cache.address(_LAYOUT + _ENTRY, "entry"), _METH_FASTCALL]
    words[_WORD["METHOD"] : _WORD["METHOD"] + 4] = [*method, ctypes.addressof(_DOC)]
    words[_WORD["POOL"]] = pool_address
    words[_WORD["WALK"]] = cache.address(POOL_WORDS + _LAYOUT + _WALK, "walk")
    words[_WORD["INCREF"]] = c_address(api.Py_IncRef)
    words[_WORD["TRUE"]], words[_WORD["FALSE"]] = id(True), id(False)
    if release_gil:
        words[_WORD["SAVE"]] = c_address(api.PyEval_SaveThread)
        words[_WORD["RESTORE"]] = c_address(api.PyEval_RestoreThread)
