"""Logarithms to other bases: floats come in as `Value`s, instructions for log2 and log10 go out.

log(m) of x = 2**k m is kept as a sum of two floats, multiplied by 1 / log(base), also of two floats, and added to
k log_base(2): at most 0.78 ULP off. It knows nothing of Numba.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .logarithm import mantissa_log, split, with_limits
from .rows import FLOATS, Row, row
from .value import FLOAT32, FLOAT64, Kind, Value, fma, two_product, two_sum


@dataclass(frozen=True)
class _Base:
    """A base in two parts each: 1 / log(base), and log_base(2) with enough trailing zeros that k times it is exact."""

    inverse: tuple[float, float]
    two: tuple[float, float]


_TWO: dict[Kind, _Base] = {
    FLOAT64: _Base(inverse=(1.4426950408889634, 2.0355273740931033e-17), two=(1.0, 0.0)),
    FLOAT32: _Base(inverse=(1.4426950216293335, 1.9259629911266175e-08), two=(1.0, 0.0)),
}
_TEN: dict[Kind, _Base] = {
    FLOAT64: _Base(
        inverse=(0.4342944819032518, 1.098319650216765e-17), two=(0.30102999566361177, 3.694239077158931e-13)
    ),
    FLOAT32: _Base(inverse=(0.4342944920063019, -1.0103050052231683e-08), two=(0.301025390625, 4.605039066518657e-06)),
}


def _to_base(bases: dict[Kind, _Base]) -> Callable[[Value], Value]:
    def emit(x: Value) -> Value:
        base = bases[x.kind]
        k, m, _ = split(x)
        log_m, low = mantissa_log(m - 1.0)
        product, product_low = two_product(log_m, x.constant(base.inverse[0]))
        rest = fma(log_m, base.inverse[1], fma(low, base.inverse[0], product_low))
        total, lost = two_sum(k * base.two[0], product)
        return with_limits(x, total + (lost + fma(k, base.two[1], rest)))

    return emit


ROWS: list[Row] = [row("log2", 1, (FLOATS, _to_base(_TWO))), row("log10", 1, (FLOATS, _to_base(_TEN)))]
