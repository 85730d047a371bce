"""Division of floats with remainder: `Value`s come in, instructions for fmod and NumPy's npy_divmod go out.

The remainder is exact: one fused step where the quotient fits a float's mantissa, and C's fmod (`rare`) beyond. It
knows nothing of Numba.
"""

from __future__ import annotations

import math

from .rare import rarely
from .value import Value, copysign, flip_sign, select


def fmod(x: Value, y: Value) -> Value:
    """x - trunc(x / y) * y, exactly, with the sign of x."""
    dividend, divisor = abs(x), abs(y)
    quotient = (dividend / divisor).call("llvm.trunc")
    is_far = (quotient >= math.ldexp(1.0, x.kind.fraction)) & (dividend < math.inf) & (divisor > 0.0)
    far = rarely("fmod", is_far, dividend, divisor)
    # The quotient may have been rounded up to the next whole number, never down past one.
    rest = (-quotient).call("llvm.fma", divisor, dividend)
    rest = select(rest < 0.0, rest + divisor, rest)
    rest = select(is_far, far, rest)
    return copysign(select(dividend < divisor, dividend, rest), x)


def _opposes(rest: Value, y: Value) -> Value:
    """Whether a remainder with the dividend's sign has to be moved by the divisor; a nan never has to."""
    return select(y < 0.0, rest, -rest) > 0.0


def remainder(x: Value, y: Value) -> Value:
    """x - floor(x / y) * y, with the sign of y."""
    rest = fmod(x, y)
    moved = select(_opposes(rest, y), rest + y, rest)
    return select(rest.equals(0.0), copysign(rest, y), moved)


def floor_divide(x: Value, y: Value) -> Value:
    """floor(x / y), computed from the exact remainder; x / y itself for a zero divisor."""
    rest = fmod(x, y)
    quotient = (x - rest) / y
    quotient = select(_opposes(rest, y), quotient - 1.0, quotient)
    below = quotient.call("llvm.floor")
    nearest = select(quotient - below > 0.5, below + 1.0, below)
    zero = flip_sign(copysign(x.constant(0.0), x), y)
    return select(y.equals(0.0), x / y, select(quotient.equals(0.0), zero, nearest))
