"""Checksums (CRC-32 and a shift register with feedback) of many messages at once, with whole numbers and their bits."""

import numpy as np

POLYNOMIAL = np.uint32(0xEDB88320)


def make_table():
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        odd = (table & 1).astype(bool)
        table = np.where(odd, (table >> np.uint32(1)) ^ POLYNOMIAL, table >> np.uint32(1))
    return table


def shift_register(state, steps):
    bits = np.zeros((steps, len(state)), dtype=np.uint8)
    for t in range(steps):
        bit = (state ^ (state >> 2) ^ (state >> 3) ^ (state >> 5)) & 1
        state = (state >> 1) | (bit << 15)
        bits[t] = bit
    return state, np.packbits(bits, axis=0)


def crc(messages, state):
    table = make_table()
    sums = np.full(len(messages), 0xFFFFFFFF, dtype=np.uint32)
    for column in messages.T:
        sums = table[(sums ^ column) & np.uint32(0xFF)] ^ (sums >> np.uint32(8))
    return ~sums, *shift_register(state, messages.shape[1])


def arguments(size="small", seed=0):
    n, length = {"small": (6, 16), "bench": (50_000, 80)}[size]
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, length), dtype=np.uint8), rng.integers(1, 2**16, n)
