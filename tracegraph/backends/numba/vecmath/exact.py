"""Arithmetic, comparison, logic, bits, choice and rounding: `Value`s come in, instructions for NumPy's answers go out.

All results are exact or correctly rounded, and floats are neither contracted nor reassociated. It knows nothing of Numba.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .rows import ALL, BOOLEANS, FLOATS, INTEGERS, NUMBERS, Emitter, Row, row
from .value import BOOLEAN, UNSIGNED, Value, copysign, part_kind, rint, select


def _either(x: Value, y: Value) -> Value:
    return x | y


def _both(x: Value, y: Value) -> Value:
    return x & y


def _itself(x: Value) -> Value:
    return x


def _float_sign(x: Value) -> Value:
    """-1, 0 or 1; both zeros give 0.0 and nan gives nan."""
    unit = select(x.equals(0.0), 0.0, copysign(x.constant(1.0), x))
    return select(x.is_nan(), x, unit)


def _signed_sign(x: Value) -> Value:
    return select(x > 0, x.constant(1), x >> (x.kind.bits - 1))


def _unsigned_sign(x: Value) -> Value:
    return x.differs(0).convert("zext", x.kind)


def _extremum(better: Callable[[Value, Value], Value]) -> Emitter:
    """The better of two, or nan if either is; of two zeros the second, as NumPy's vector loops choose."""

    def emit(x: Value, y: Value) -> Value:
        return select(x.is_nan(), x, select(better(x, y), x, y))

    return emit


def _numeric_extremum(better: Callable[[Value, Value], Value]) -> Emitter:
    """The better of two, ignoring a nan beside a number."""

    def emit(x: Value, y: Value) -> Value:
        return select(y.is_nan(), x, select(better(x, y), x, y))

    return emit


def _integer_extremum(better: Callable[[Value, Value], Value]) -> Emitter:
    return lambda x, y: select(better(x, y), x, y)


def _left_shift(x: Value, count: Value) -> Value:
    within = _in_range(count)
    return select(within, x << select(within, count, 0), 0)


def _right_shift(x: Value, count: Value) -> Value:
    """What is shifted out on the right is gone: only the sign is left of it for a count out of range."""
    return x >> select(_in_range(count), count, x.kind.bits - 1)


def _unsigned_right_shift(x: Value, count: Value) -> Value:
    within = _in_range(count)
    return select(within, x >> select(within, count, 0), 0)


def _in_range(count: Value) -> Value:
    """Whether a shift count is below the width; a negative one is large when seen as unsigned."""
    return count.seen_as(UNSIGNED[count.kind.bits]) < count.kind.bits


def _isfinite(x: Value) -> Value:
    return abs(x) < math.inf


def _isinf(x: Value) -> Value:
    return abs(x).equals(math.inf)


def _signbit(x: Value) -> Value:
    return x.bits() < 0


def _rounding(intrinsic: str) -> Emitter:
    return lambda x: x.call(intrinsic)


ROWS: list[Row] = [
    row("add", 2, (NUMBERS, lambda x, y: x + y), (BOOLEANS, _either)),
    row("subtract", 2, (NUMBERS, lambda x, y: x - y)),
    row("multiply", 2, (NUMBERS, lambda x, y: x * y), (BOOLEANS, _both)),
    row("divide", 2, (FLOATS, lambda x, y: x / y)),
    row("negative", 1, (NUMBERS, lambda x: -x)),
    row("absolute", 1, (("float", "signed"), abs), (("unsigned", "boolean"), _itself), result=part_kind),
    row("sign", 1, (FLOATS, _float_sign), (("signed",), _signed_sign), (("unsigned",), _unsigned_sign)),
    row("less", 2, (ALL, lambda x, y: x < y), result=BOOLEAN),
    row("less_equal", 2, (ALL, lambda x, y: x <= y), result=BOOLEAN),
    row("greater", 2, (ALL, lambda x, y: x > y), result=BOOLEAN),
    row("greater_equal", 2, (ALL, lambda x, y: x >= y), result=BOOLEAN),
    row("equal", 2, (ALL, lambda x, y: x.equals(y)), result=BOOLEAN),
    row("not_equal", 2, (ALL, lambda x, y: x.differs(y)), result=BOOLEAN),
    row("logical_and", 2, (BOOLEANS, _both)),
    row("logical_or", 2, (BOOLEANS, _either)),
    row("logical_xor", 2, (BOOLEANS, lambda x, y: x ^ y)),
    row("logical_not", 1, (BOOLEANS, lambda x: ~x)),
    row("bitwise_and", 2, (INTEGERS, _both), (BOOLEANS, _both)),
    row("bitwise_or", 2, (INTEGERS, _either), (BOOLEANS, _either)),
    row("bitwise_xor", 2, ((*INTEGERS, *BOOLEANS), lambda x, y: x ^ y)),
    row("invert", 1, ((*INTEGERS, *BOOLEANS), lambda x: ~x)),
    row("left_shift", 2, (INTEGERS, _left_shift)),
    row("right_shift", 2, (("signed",), _right_shift), (("unsigned",), _unsigned_right_shift)),
    *(
        extremum
        for stem, better, logical in (
            ("max", lambda x, y: x > y, _either),
            ("min", lambda x, y: x < y, _both),
        )
        for extremum in (
            row(
                f"{stem}imum",
                2,
                (FLOATS, _extremum(better)),
                (INTEGERS, _integer_extremum(better)),
                (BOOLEANS, logical),
            ),
            row(
                f"f{stem}",
                2,
                (FLOATS, _numeric_extremum(better)),
                (INTEGERS, _integer_extremum(better)),
                (BOOLEANS, logical),
            ),
        )
    ),
    Row("where", 3, dict.fromkeys(ALL, select), conditions=1),
    *(row(name, 1, (FLOATS, _rounding(f"llvm.{name}")), (INTEGERS, _itself)) for name in ("floor", "ceil", "trunc")),
    row("rint", 1, (FLOATS, rint), (INTEGERS, _itself)),
    row("sqrt", 1, (FLOATS, _rounding("llvm.sqrt"))),
    row("copysign", 2, (FLOATS, copysign)),
    row("isnan", 1, (FLOATS, lambda x: x.is_nan()), result=BOOLEAN),
    row("isinf", 1, (FLOATS, _isinf), result=BOOLEAN),
    row("isfinite", 1, (FLOATS, _isfinite), result=BOOLEAN),
    row("signbit", 1, (FLOATS, _signbit), result=BOOLEAN),
]
