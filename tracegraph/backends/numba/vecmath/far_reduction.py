"""Huge arguments of sine, cosine and tangent: doubles come in as `Value`s with lanes, the quadrant and the rest go out.

After Payne and Hanek (1983): x in integers of 24 bits, times those digits of 2/pi that count, is summed without rounding
modulo 4, which leaves the quadrant and what is beyond it. It knows nothing of Numba.
"""

from __future__ import annotations

import math

from .lanes import gathered
from .value import FLOAT64, Value, fma, rint, select, two_product, two_sum

_DIGIT = 24
#: 1200 bits of 2/pi behind the point.
_TWO_OVER_PI = int(
    "a2f9836e4e441529fc2757d1f534ddc0db6295993c439041fe5163abdebbc561b7246e3a424dd2e006492eea09d1921cfe1deb1cb129a73ee88235f5"
    "2ebb4484e99c7026b45f7e413991d639835339f49c845f8bbdf9283b1ff897ffde05980fef2f118b5a0a6d1f6d367ecf27cb09b74f463f669e5fea2d"
    "7527bac7ebe5f17b3d0739f78a5292ea6bfb5fb11f8d5d0856033046fc7b",
    16,
)
_DIGITS = (0.0, 0.0, 0.0, *(float(_TWO_OVER_PI >> _DIGIT * k & (1 << _DIGIT) - 1) for k in reversed(range(50))))
_HALF_PI = (math.pi / 2, 6.123233995736766e-17)


def far_reduced(x: Value, bits: int) -> tuple[Value, Value, Value]:
    """x = n pi/2 + r for 2**16 <= |x|, to the precision of a float of so many bits.

    n modulo 4 stands in the lowest bits of an integer, and r is a sum of two doubles; nan for infinity.
    """
    field = (x.bits() >> FLOAT64.fraction) & 0x7FF
    # x = 2**(24 j) times a number from 2**4 to 2**28, whose digits are `first` and two more.
    j = ((field - (FLOAT64.bias + 4)) * 2731) >> 16
    j = select(j > 0, j, 0)
    rest = x * ((FLOAT64.bias - j * _DIGIT) << FLOAT64.fraction).as_float()
    digits = []
    for _ in range(3 if bits == 64 else 2):
        digits.append(rest.call("llvm.trunc"))
        rest = (rest - digits[-1]) * 2.0**_DIGIT
    count = 7 if bits == 64 else 5
    others = [gathered(j + k, FLOAT64, _DIGITS, "two_over_pi") for k in range(count + 2)]
    products = []
    for k in range(count):
        total = digits[0] * others[k + 2]
        for place, digit in enumerate(digits[1:], start=1):
            total = fma(digit, others[k + 2 - place], total)
        products.append(total * 2.0 ** (-_DIGIT * k))
    # Whole turns are left out of the first three, whose sum is exact then.
    leading = x.constant(0.0)
    for product in products[:3]:
        leading = leading + (product - 4.0 * rint(product * 0.25))
    n = rint(leading)
    total, low = _sum(leading - n, products[3])
    total, lower = _sum(total, products[4])
    low = low + lower
    for product in products[5:]:
        low = low + product
    total, low = two_sum(total, low)
    r, r_low = two_product(total, total.constant(_HALF_PI[0]))
    r, r_low = two_sum(r, r_low + fma(total, _HALF_PI[1], low * _HALF_PI[0]))
    return (n + FLOAT64.rounder).bits(), r, r_low


def _sum(a: Value, b: Value) -> tuple[Value, Value]:
    """a + b and what rounding took from it (Knuth)."""
    total = a + b
    virtual = total - a
    return total, (a - (total - virtual)) + (b - virtual)
