"""Division of floats with remainder: `Value`s come in, instructions for fmod and NumPy's npy_divmod go out.

The remainder is exact: one fused step where the quotient fits a float's mantissa, and as many as it takes beyond. It knows
nothing of Numba.
"""

from __future__ import annotations

import math

from .lanes import rarely, repeated
from .scaling import exponent, times_power
from .value import FLOAT32, FLOAT64, Value, copysign, flip_sign, select


def _far_rest(dividend: Value, divisor: Value) -> Value:
    """What is left of a dividend, in doubles: each step takes off what 51 bits of the quotient stand for."""
    if dividend.kind == FLOAT32:
        wide = [each.convert("fpext", FLOAT64) for each in (dividend, divisor)]
        return _far_rest(*wide).convert("fptrunc", FLOAT32)

    def step(rest: Value) -> list[Value]:
        apart = exponent(rest) - exponent(divisor) - 51.0
        scaled = times_power(divisor, select(apart > 0.0, apart, 0.0))
        return [_rest(rest, scaled)]

    return repeated([dividend], lambda rest: rest >= divisor, step)[0]


def _rest(dividend: Value, divisor: Value) -> Value:
    """What is left of a dividend, none of both negative, whose quotient fits in a float's mantissa."""
    quotient = (dividend / divisor).call("llvm.trunc")
    # The quotient may have been rounded up to the next whole number, never down past one.
    rest = (-quotient).call("llvm.fma", divisor, dividend)
    return select(rest < 0.0, rest + divisor, rest)


def _is_far(dividend: Value, divisor: Value) -> Value:
    """Whether a quotient is too large for the step of `_rest`."""
    is_large = dividend / divisor >= math.ldexp(1.0, dividend.kind.fraction)
    return is_large & (dividend < math.inf) & (divisor > 0.0)


_exactly = rarely("fmod", _is_far, _far_rest)


def fmod(x: Value, y: Value) -> Value:
    """x - trunc(x / y) * y, exactly, with the sign of x."""
    dividend, divisor = abs(x), abs(y)
    rest = _exactly(_rest(dividend, divisor), dividend, divisor)
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
