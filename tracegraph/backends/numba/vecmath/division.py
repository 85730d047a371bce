"""Division with remainder: `Value`s come in, instructions for floor_divide, remainder and fmod go out.

Integers never trap: divisors that would (0, and -1, by which the smallest integer overflows) are replaced before
dividing. What floats need stands in `float_division`. It knows nothing of Numba.
"""

from __future__ import annotations

from .float_division import floor_divide, fmod, remainder
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Value, select


def _quotient(x: Value, y: Value) -> Value:
    """x / y toward zero, for y that cannot trap.

    CPUs divide vectors of floats only. Up to 32 bits that is exact: a quotient that is not whole lies 1/y or more below
    the next whole number, and its rounding error, x/y 2**-24 or 2**-53, is less.
    """
    if x.kind.bits == 64:
        return x // y
    kind = FLOAT64 if x.kind.bits == 32 else FLOAT32
    there, back = ("sitofp", "fptosi") if x.kind.family == "signed" else ("uitofp", "fptoui")
    return (x.convert(there, kind) / y.convert(there, kind)).convert(back, x.kind)


def _signed_parts(x: Value, y: Value) -> tuple[Value, Value, Value]:
    """Quotient toward zero and remainder by a divisor that cannot trap (1 in place of 0 and -1), and the divisor."""
    safe = select(y.equals(0) | y.equals(-1), 1, y)
    quotient = _quotient(x, safe)
    return quotient, x - quotient * safe, safe


def _signed_floor_divide(x: Value, y: Value) -> Value:
    quotient, rest, safe = _signed_parts(x, y)
    below = rest.differs(0) & ((rest ^ safe) < 0)
    floored = quotient - below.convert("zext", x.kind)
    return select(y.equals(0), 0, select(y.equals(-1), -x, floored))


def _signed_remainder(x: Value, y: Value) -> Value:
    _, rest, safe = _signed_parts(x, y)
    below = rest.differs(0) & ((rest ^ safe) < 0)
    return rest + select(below, safe, 0)


def _signed_fmod(x: Value, y: Value) -> Value:
    return _signed_parts(x, y)[1]


def _unsigned_floor_divide(x: Value, y: Value) -> Value:
    is_zero = y.equals(0)
    return select(is_zero, 0, _quotient(x, select(is_zero, 1, y)))


def _unsigned_remainder(x: Value, y: Value) -> Value:
    safe = select(y.equals(0), 1, y)
    return x - _quotient(x, safe) * safe


ROWS: list[Row] = [
    row(
        "floor_divide",
        2,
        (FLOATS, floor_divide),
        (("signed",), _signed_floor_divide),
        (("unsigned",), _unsigned_floor_divide),
    ),
    row(
        "remainder",
        2,
        (FLOATS, remainder),
        (("signed",), _signed_remainder),
        (("unsigned",), _unsigned_remainder),
    ),
    row("fmod", 2, (FLOATS, fmod), (("signed",), _signed_fmod), (("unsigned",), _unsigned_remainder)),
]
