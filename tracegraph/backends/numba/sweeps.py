"""Tasks of several kernels: a table comes in that says which, and the blocks of rows that they are to run, one after
the other.

Values that live within a block lie in a *lane*, memory of the task's own, wherever the block begins: before a kernel
runs, the words of its table that hold their addresses are moved, so that the row at which it begins falls on the first
row of the lane.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np

from tracegraph.backends.numba.cache import runtime_cache
from tracegraph.backends.numba.pool import Words

__all__ = ["Move", "Share", "sweep_code", "sweep_words"]

_SWEEP = """
def sweep(args, lo, hi):
    for block in range(lo, hi):
        row = address_of(args) + 8
        for _ in range(args[0]):
            share = table(row)
            begin = block * share[4] - share[5]
            end = share[3]
            if block < hi - 1 and begin + share[4] < end:
                end = begin + share[4]
            if begin < share[2]:
                begin = share[2]
            if begin < end:
                position = share[7]
                for _ in range(share[6]):
                    move = table(position)
                    table(move[0])[0] = table(move[1])[0] - begin * move[2]
                    position += 24
                call_kernel(share[0], share[1], begin, end)
            row += 64
"""


class Move(NamedTuple):
    """A word of a kernel's table, the cell that holds the address of the lane, and how many bytes a turn is."""

    word: int
    cell: int
    step: int


class Share(NamedTuple):
    """What a kernel does in a task: code, table, the first turn and that after the last, turns in a block, and by how many
    it stays behind; and what is moved before it runs."""

    code: int
    table: int
    lo: int
    hi: int
    step: int
    shift: int
    moves: Sequence[Move]


def sweep_code() -> int:
    """The address of the kernel that runs such a task, from one block to another."""
    return runtime_cache.address(_SWEEP, "sweep")


def sweep_words(shares: Sequence[Share]) -> Words:
    """The table of a task. It holds its own address, and so must stay where it is."""
    words = np.zeros(1 + 8 * len(shares) + 3 * sum(len(share.moves) for share in shares), np.int64)
    words[0] = len(shares)
    place = 1 + 8 * len(shares)
    for k, share in enumerate(shares):
        moves = share.moves
        words[1 + 8 * k : 9 + 8 * k] = [*share[:6], len(moves), words.ctypes.data + 8 * place]
        words[place : place + 3 * len(moves)] = list(chain(*moves))
        place += 3 * len(moves)
    return words
