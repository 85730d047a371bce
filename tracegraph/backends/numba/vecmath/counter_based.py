"""Random bits from a counter and a key: uint64 `Value`s come in, instructions for the words that
`tracegraph.ops.random` defines go out. It knows nothing of Numba.
"""

from __future__ import annotations

from tracegraph.ops.random import PARITY, ROTATIONS, ROUNDS

from .rows import Row, row
from .value import UNSIGNED, Value


def _random_bits(counter: Value, key: Value) -> Value:
    x, y = _halves(counter)
    first, second = _halves(key)
    schedule = (first, second, first ^ second ^ PARITY)
    x, y = x + first, y + second
    for k in range(ROUNDS):
        rotation = ROTATIONS[k % 8]
        x = x + y
        y = (y << rotation | y >> (32 - rotation)) ^ x
        if k % 4 == 3:
            step = k // 4 + 1
            x, y = x + schedule[step % 3], y + (schedule[(step + 1) % 3] + step)
    return x.convert("zext", UNSIGNED[64]) | y.convert("zext", UNSIGNED[64]) << 32


def _halves(word: Value) -> tuple[Value, Value]:
    return word.convert("trunc", UNSIGNED[32]), (word >> 32).convert("trunc", UNSIGNED[32])


ROWS: list[Row] = [row("random_bits", 2, (("unsigned",), _random_bits))]
