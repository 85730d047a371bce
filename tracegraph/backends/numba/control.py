"""Loops and branches in native code: tables come in, that say which tapes to walk and which words of those to change before
each turn. What they cannot do natively, because there is a step of Python inside, `turn` and `choose` do in Python with the
very same tables.

A *cell* is a word that holds the address of an array. Before each turn a *patch* copies a cell into a word of a kernel's
table, moved on to the element that belongs to the turn. A *carry* has two cells, one for the value before the turn and one
for that after it, between which two buffers change places; one that is changed in place has the same cell for both, and is
copied to where it is to be before the first turn. A *history* is memory that grows with the turns.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tracegraph.backends.numba.cache import runtime_cache
from tracegraph.backends.numba.pool import c_address

__all__ = [
    "COUNT", "TURNS", "Carry", "History", "Patch", "branch_code", "branch_words", "choose", "free", "loop_code",
    "loop_words", "memory_at", "turn",
]  # fmt: skip

Words = npt.NDArray[np.int64]

_LAYOUT = """
WALK, BODY, COND, FLAG, TURNS, LENGTH, REVERSE, PLACE, COUNT = 0, 1, 2, 3, 4, 5, 6, 7, 8
CARRIES, FIRST_CARRY, PATCHES, FIRST_PATCH, HISTORIES, FIRST_HISTORY = 9, 10, 11, 12, 13, 14
REALLOC, COPY, HEADER = 15, 16, 17
"""

_LOOP = """
def loop(args, lo, hi):
    turns = args[LENGTH]
    if args[TURNS] != 0:
        turns = table(args[TURNS])[0]
    known = args[COND] == 0
    done = 0
    row = args[FIRST_CARRY]
    for _ in range(args[CARRIES]):
        carry = table(row)
        if carry[3] == carry[4] and table(carry[2])[0] != table(carry[5])[0]:
            call_c(args[COPY], (table(carry[5])[0], table(carry[2])[0], carry[6]))
        row += 56
    while not known or done < turns:
        place = table(args[PLACE])
        place[0] = turns - 1 - done if args[REVERSE] != 0 else done
        row = args[FIRST_CARRY]
        for _ in range(args[CARRIES]):
            carry = table(row)
            is_first = done == 0 and carry[3] != carry[4]
            table(carry[0])[0] = table(carry[2])[0] if is_first else table(carry[3 + (done & 1)])[0]
            table(carry[1])[0] = table(carry[3 + ((done + 1) & 1)])[0]
            row += 56
        row = args[FIRST_HISTORY]
        for _ in range(args[HISTORIES]):
            memory = table(table(row)[0])
            wanted = (done + 1 if not known else turns) * table(row)[1]
            if wanted > memory[1]:
                if 2 * memory[1] > wanted:
                    wanted = 2 * memory[1]
                memory[0] = call_c(args[REALLOC], (memory[0], wanted))
                memory[1] = wanted
            row += 16
        row = args[FIRST_PATCH]
        for _ in range(args[PATCHES]):
            patch = table(row)
            table(patch[0])[0] = table(patch[1])[0] + patch[2] + patch[3] * place[0]
            row += 32
        if not known:
            call_kernel(args[WALK], args[COND], 0, 0)
            if table(args[FLAG])[0] & 255 == 0:
                break
        call_kernel(args[WALK], args[BODY], 0, 0)
        done += 1
    if args[COUNT] != 0:
        table(args[COUNT])[0] = done
    row = args[FIRST_CARRY]
    for _ in range(args[CARRIES]):
        carry = table(row)
        is_first = done == 0 and carry[3] != carry[4]
        last = table(carry[2])[0] if is_first else table(carry[3 + (done & 1)])[0]
        result = table(carry[5])[0]
        if last != result:
            call_c(args[COPY], (result, last, carry[6]))
        row += 56
"""

_BRANCH = """
def branch(args, lo, hi):
    call_kernel(args[0], args[2 + table(args[1])[0]], 0, 0)
"""

_WORD: dict[str, int] = {}
exec(_LAYOUT, {}, _WORD)


#: The words of a loop's table that are filled in later: the address of the number of turns, before and after.
TURNS, COUNT = _WORD["TURNS"], _WORD["COUNT"]


class Carry(NamedTuple):
    """A value that a turn takes from the one before. All but the last are addresses of words that hold addresses.

    Attributes:
        before, after: the cells of the value before and after a turn.
        init: what it is at first.
        even, odd: the buffer of the value after an even and an odd number of turns; if they are one, it is changed there.
        result: where it is to be at last, one of the two.
        nbytes: its size.
    """

    before: int
    after: int
    init: int
    even: int
    odd: int
    result: int
    nbytes: int


class Patch(NamedTuple):
    """A word that gets another address at each turn: that in a cell, moved by ``shift`` and by ``stride`` for each place."""

    target: int
    cell: int
    shift: int
    stride: int


class History(NamedTuple):
    """Memory that grows: the address of its two words (where it is, how many bytes it has), and how much a turn takes."""

    memory: int
    nbytes: int


def loop_code() -> int:
    """The address of the kernel that runs a loop's table."""
    return runtime_cache.address(_LAYOUT + _LOOP, "loop")


def branch_code() -> int:
    return runtime_cache.address(_BRANCH, "branch")


def loop_words(
    *,
    walk: int,
    body: int,
    cond: int,
    flag: int,
    turns: int,
    length: int,
    reverse: bool,
    place: int,
    count: int,
    carries: Sequence[Carry],
    patches: Sequence[Patch],
    histories: Sequence[History],
) -> Words:
    """The table of a loop.

    Args:
        walk: the address of the kernel that walks tapes.
        body, cond: the addresses of their tapes; 0 where there is none.
        flag: the address of the word in which the condition's value is.
        turns: the address of the number of turns, 0 if that is ``length``.
        reverse: whether places count down.
        place: the address of the word from which the body reads the place of the turn.
        count: the address at which the number of turns is wanted, or 0.
    """
    rows = [*carries, *patches, *histories]
    words = np.zeros(_WORD["HEADER"] + sum(map(len, rows)), np.int64)
    first = words.ctypes.data + 8 * _WORD["HEADER"]
    library = ctypes.CDLL(None)
    values = {
        "WALK": walk, "BODY": body, "COND": cond, "FLAG": flag, "TURNS": turns, "LENGTH": length, "REVERSE": int(reverse),
        "PLACE": place, "COUNT": count, "CARRIES": len(carries), "FIRST_CARRY": first, "PATCHES": len(patches),
        "FIRST_PATCH": first + 56 * len(carries), "HISTORIES": len(histories),
        "FIRST_HISTORY": first + 56 * len(carries) + 32 * len(patches),
        "REALLOC": c_address(library.realloc), "COPY": c_address(library.memcpy),
    }  # fmt: skip
    for name, value in values.items():
        words[_WORD[name]] = value
    words[_WORD["HEADER"] :] = [word for row in rows for word in row]
    return words


def branch_words(walk: int, tapes: Sequence[int]) -> Words:
    """The table of a branch; its second word is to hold the address of the index."""
    return np.array([walk, 0, *tapes], np.int64)


# -- the same in Python ------------------------------------------------------------------------------------------------


def _at(address: int) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(address)


def turn(words: Words, body: Callable[[], None], cond: Callable[[], None] | None) -> None:
    """Runs a loop's table, with functions in the place of tapes."""
    value = {name: int(words[k]) for name, k in _WORD.items() if name != "HEADER"}
    rows = iter(words[_WORD["HEADER"] :].tolist())
    carries = [Carry(*(next(rows) for _ in range(7))) for _ in range(value["CARRIES"])]
    patches = [Patch(*(next(rows) for _ in range(4))) for _ in range(value["PATCHES"])]
    histories = [History(*(next(rows) for _ in range(2))) for _ in range(value["HISTORIES"])]
    turns = _at(value["TURNS"]).value if value["TURNS"] else value["LENGTH"]
    done = 0

    def held(carry: Carry) -> int:
        is_first = done == 0 and carry.even != carry.odd
        return _at(carry.init if is_first else carry.odd if done & 1 else carry.even).value

    for carry in carries:
        if carry.even == carry.odd:
            ctypes.memmove(_at(carry.result).value, _at(carry.init).value, carry.nbytes)
    while cond is not None or done < turns:
        place = turns - 1 - done if value["REVERSE"] else done
        _at(value["PLACE"]).value = place
        for carry in carries:
            _at(carry.before).value = held(carry)
            _at(carry.after).value = _at(carry.even if done & 1 else carry.odd).value
        for history in histories:
            _reserve(history, (done + 1 if cond is not None else turns) * history.nbytes)
        for target, cell, shift, stride in patches:
            _at(target).value = _at(cell).value + shift + stride * place
        if cond is not None:
            cond()
            if not _at(value["FLAG"]).value & 255:
                break
        body()
        done += 1
    if value["COUNT"]:
        _at(value["COUNT"]).value = done
    for carry in carries:
        result = _at(carry.result).value
        if held(carry) != result:
            ctypes.memmove(result, held(carry), carry.nbytes)


def _reserve(history: History, wanted: int) -> None:
    memory, size = _at(history.memory), _at(history.memory + 8)
    if wanted > size.value:
        wanted = max(wanted, 2 * size.value)
        realloc = ctypes.CDLL(None).realloc
        realloc.restype, realloc.argtypes = ctypes.c_void_p, (ctypes.c_void_p, ctypes.c_size_t)
        memory.value = realloc(memory.value, wanted)
        size.value = wanted


def free(address: int) -> None:
    """Gives back the memory of a history."""
    ctypes.CDLL(None).free(ctypes.c_void_p(address))


def memory_at(address: int, nbytes: int) -> Any:
    """The bytes at an address, for as long as whoever owns them keeps them."""
    return (ctypes.c_char * nbytes).from_address(address)


def choose(words: Words, bodies: Sequence[Callable[[], None]]) -> None:
    """Runs a branch's table, with functions in the place of tapes."""
    bodies[_at(int(words[1])).value]()
