"""Scalar arithmetic as LLVM instructions: what comes in are Python expressions over `Value`s, what goes out are
instructions at the place where an llvmlite builder stands.

The emitters of this package are written over it, once for all precisions. It emits no branches and no fast-math
flags, so that LLVM vectorises the result and keeps every rounding. It knows nothing of Numba or of functions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias, Union

from llvmlite import ir

from ..loader import host_cpu

HAS_FMA = bool({"+fma", "+neon"} & set(host_cpu()[1].split(",")))
HAS_HALF = bool({"+f16c", "+neon"} & set(host_cpu()[1].split(",")))


@dataclass(frozen=True)
class Kind:
    """A dtype: its family (float, signed, unsigned, boolean) and its width in bits.

    `lanes` is 0 in a kernel, whose loops LLVM turns into vectors, and the length of vectors in functions that are written
    for each length (`lanes`); kinds that differ in nothing else are equal.
    """

    family: str
    bits: int
    lanes: int = field(default=0, compare=False)

    @cached_property
    def element(self) -> ir.Type:
        """The LLVM type of one element."""
        if self.is_float:
            return {16: ir.HalfType, 32: ir.FloatType, 64: ir.DoubleType}[self.bits]()
        return ir.IntType(self.bits)

    @cached_property
    def ir(self) -> ir.Type:
        return ir.VectorType(self.element, self.lanes) if self.lanes > 1 else self.element

    @cached_property
    def suffix(self) -> str:
        """How LLVM's overloaded intrinsics name it."""
        element = f"{'f' if self.is_float else 'i'}{self.bits}"
        return f"v{self.lanes}{element}" if self.lanes > 1 else element

    def in_lanes(self, lanes: int) -> Kind:
        return self if lanes == self.lanes else replace(self, lanes=lanes)

    @property
    def is_float(self) -> bool:
        return self.family == "float"

    @property
    def fraction(self) -> int:
        """Explicit bits of a float's mantissa."""
        return 23 if self.bits == 32 else 52

    @property
    def bias(self) -> int:
        """The exponent field of 1.0."""
        return 127 if self.bits == 32 else 1023

    @property
    def one(self) -> int:
        """The bits of 1.0; also what to add to a shifted exponent to make the bits of a power of two."""
        return self.bias << self.fraction

    @property
    def rounder(self) -> float:
        """1.5 * 2**fraction: adding it rounds to an integer, which then stands in the lowest bits."""
        return 1.5 * math.ldexp(1.0, self.fraction)

    @property
    def smallest_normal(self) -> float:
        return math.ldexp(1.0, 1 - self.bias)


FLOAT16, FLOAT32, FLOAT64, BOOLEAN = Kind("float", 16), Kind("float", 32), Kind("float", 64), Kind("boolean", 1)
COMPLEX64, COMPLEX128 = Kind("complex", 64), Kind("complex", 128)
SIGNED = {bits: Kind("signed", bits) for bits in (8, 16, 32, 64)}
UNSIGNED = {bits: Kind("unsigned", bits) for bits in (8, 16, 32, 64)}


def part_kind(kind: Kind) -> Kind:
    """The kind of the parts of a complex number; any other kind itself."""
    return Kind("float", kind.bits // 2) if kind.family == "complex" else kind


def complex_kind(kind: Kind) -> Kind:
    """The kind of complex numbers with such parts."""
    return Kind("complex", 2 * kind.bits)


Operand: TypeAlias = Union["Value", int, float]


class Value:
    """An LLVM value with its kind and with Python's operators; constants adapt to the value beside them."""

    __slots__ = ("builder", "kind", "raw")

    def __init__(self, builder: ir.IRBuilder, raw: ir.Value, kind: Kind) -> None:
        self.builder, self.raw, self.kind = builder, raw, kind

    def constant(self, number: float) -> Value:
        """A constant of this value's kind."""
        return constant(self.builder, self.kind, number)

    def lift(self, other: Operand) -> Value:
        """`other` as a value of this kind; the kinds of two values must agree."""
        if not isinstance(other, Value):
            return self.constant(other)
        if other.kind != self.kind:
            raise TypeError(f"operands are {self.kind} and {other.kind}, expected one kind")
        return other

    def _same(self, instruction: str, left: Operand, right: Operand) -> Value:
        raw = getattr(self.builder, instruction)(self.lift(left).raw, self.lift(right).raw)
        return Value(self.builder, raw, self.kind)

    def _arithmetic(self, name: str, left: Operand, right: Operand) -> Value:
        return self._same("f" + name if self.kind.is_float else name, left, right)

    def __add__(self, other: Operand) -> Value:
        return self._arithmetic("add", self, other)

    def __radd__(self, other: Operand) -> Value:
        return self._arithmetic("add", other, self)

    def __sub__(self, other: Operand) -> Value:
        return self._arithmetic("sub", self, other)

    def __rsub__(self, other: Operand) -> Value:
        return self._arithmetic("sub", other, self)

    def __mul__(self, other: Operand) -> Value:
        return self._arithmetic("mul", self, other)

    def __rmul__(self, other: Operand) -> Value:
        return self._arithmetic("mul", other, self)

    def __truediv__(self, other: Operand) -> Value:
        return self._same("fdiv", self, other)

    def __rtruediv__(self, other: Operand) -> Value:
        return self._same("fdiv", other, self)

    def __floordiv__(self, other: Operand) -> Value:
        """Integer division toward zero; the caller keeps zero divisors and overflow away."""
        return self._same("sdiv" if self.kind.family == "signed" else "udiv", self, other)

    def __neg__(self) -> Value:
        raw = self.builder.fneg(self.raw) if self.kind.is_float else self.builder.neg(self.raw)
        return Value(self.builder, raw, self.kind)

    def __abs__(self) -> Value:
        if self.kind.is_float:
            return self.call("llvm.fabs")
        return select(self < 0, -self, self)

    def __and__(self, other: Operand) -> Value:
        return self._same("and_", self, other)

    def __or__(self, other: Operand) -> Value:
        return self._same("or_", self, other)

    def __xor__(self, other: Operand) -> Value:
        return self._same("xor", self, other)

    def __invert__(self) -> Value:
        return Value(self.builder, self.builder.not_(self.raw), self.kind)

    def __lshift__(self, count: Operand) -> Value:
        return self._same("shl", self, count)

    def __rshift__(self, count: Operand) -> Value:
        """Arithmetic for signed kinds, logical for the others."""
        return self._same("ashr" if self.kind.family == "signed" else "lshr", self, count)

    def _compare(self, operator: str, other: Operand) -> Value:
        right = self.lift(other).raw
        if self.kind.is_float:
            # "Not equal" is the one comparison that holds for nan.
            compare = self.builder.fcmp_unordered if operator == "!=" else self.builder.fcmp_ordered
        else:
            signed = self.kind.family == "signed"
            compare = self.builder.icmp_signed if signed else self.builder.icmp_unsigned
        return Value(self.builder, compare(operator, self.raw, right), BOOLEAN.in_lanes(self.kind.lanes))

    def __lt__(self, other: Operand) -> Value:
        return self._compare("<", other)

    def __le__(self, other: Operand) -> Value:
        return self._compare("<=", other)

    def __gt__(self, other: Operand) -> Value:
        return self._compare(">", other)

    def __ge__(self, other: Operand) -> Value:
        return self._compare(">=", other)

    def equals(self, other: Operand) -> Value:
        return self._compare("==", other)

    def differs(self, other: Operand) -> Value:
        return self._compare("!=", other)

    def is_nan(self) -> Value:
        nan = self.builder.fcmp_unordered("uno", self.raw, self.raw)
        return Value(self.builder, nan, BOOLEAN.in_lanes(self.kind.lanes))

    def call(self, intrinsic: str, *others: Operand) -> Value:
        """An overloaded LLVM intrinsic whose operands and result are all of this kind."""
        return self.call_named(f"{intrinsic}.{self.kind.suffix}", *others)

    def call_named(self, name: str, *others: Operand | ir.Value) -> Value:
        """A function or an intrinsic without overloading whose result is of this kind, as are operands that are not raw."""
        given = [other if isinstance(other, ir.Value) else self.lift(other).raw for other in others]
        operands = [self.raw, *given]
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(self.kind.ir, [operand.type for operand in operands])
            function = ir.Function(module, kind, name)
        return Value(self.builder, self.builder.call(function, operands), self.kind)

    def bits(self) -> Value:
        """The bits of a float as a signed integer."""
        kind = SIGNED[self.kind.bits].in_lanes(self.kind.lanes)
        return Value(self.builder, self.builder.bitcast(self.raw, kind.ir), kind)

    def as_float(self) -> Value:
        """The float of this integer's width whose bits the integer holds."""
        kind = (FLOAT32 if self.kind.bits == 32 else FLOAT64).in_lanes(self.kind.lanes)
        return Value(self.builder, self.builder.bitcast(self.raw, kind.ir), kind)

    def seen_as(self, kind: Kind) -> Value:
        """An integer of the same width taken as signed or unsigned; no instruction."""
        return Value(self.builder, self.raw, kind.in_lanes(self.kind.lanes))

    def convert(self, instruction: str, kind: Kind) -> Value:
        """One of LLVM's conversions: trunc, zext, sext, sitofp, uitofp, fptosi, fpext, fptrunc."""
        kind = kind.in_lanes(self.kind.lanes)
        return Value(self.builder, getattr(self.builder, instruction)(self.raw, kind.ir), kind)


def constant(builder: ir.IRBuilder, kind: Kind, number: float) -> Value:
    """A number of a kind; integers wrap around."""
    element = ir.Constant(kind.element, float(number) if kind.is_float else int(number) & ((1 << kind.bits) - 1))
    return Value(builder, ir.Constant(kind.ir, [element] * kind.lanes) if kind.lanes > 1 else element, kind)


def fma(a: Value, b: Operand, c: Operand) -> Value:
    """a*b + c, in one rounding where the host has the instruction and in two elsewhere."""
    return a.call("llvm.fma", b, c) if HAS_FMA else a * b + c


def two_sum(a: Value, b: Operand) -> tuple[Value, Value]:
    """a + b and what rounding took from it, where |a| >= |b| or a is 0 (Dekker 1971)."""
    total = a + b
    return total, b - (total - a)


def two_product(a: Value, b: Value) -> tuple[Value, Value]:
    """a * b and what rounding took from it, by fma or by halves of the mantissas (Veltkamp, Dekker 1971)."""
    product = a * b
    if HAS_FMA:
        return product, fma(a, b, -product)
    (a_high, a_low), (b_high, b_low) = _halves(a), _halves(b)
    return product, a_low * b_low - (product - a_high * b_high - a_low * b_high - a_high * b_low)


def _halves(a: Value) -> tuple[Value, Value]:
    spread = a * (math.ldexp(1.0, (a.kind.fraction + 2) // 2) + 1.0)
    high = spread - (spread - a)
    return high, a - high


def select(condition: Value, chosen: Operand, otherwise: Operand) -> Value:
    """`chosen` where the condition holds; both sides are computed."""
    like = chosen if isinstance(chosen, Value) else otherwise
    if not isinstance(like, Value):
        raise TypeError("select() of two constants: make one of them a value with .constant()")
    left, right = like.lift(chosen), like.lift(otherwise)
    return Value(like.builder, like.builder.select(condition.raw, left.raw, right.raw), like.kind)


def rint(x: Value) -> Value:
    """To the nearest integer, ties to even."""
    return x.call("llvm.rint")


def copysign(magnitude: Value, sign: Operand) -> Value:
    return magnitude.call("llvm.copysign", sign)


def flip_sign(x: Value, sign: Value) -> Value:
    """x with its sign changed where `sign` is negative (-0.0 and negative nan included)."""
    mask = 1 << (x.kind.bits - 1)
    return (x.bits() ^ (sign.bits() & mask)).as_float()


def horner(x: Value, coefficients: Sequence[float]) -> Value:
    """c[0] + c[1]*x + c[2]*x**2 + ..., one fma after another: the fewest instructions."""
    result: Operand = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = fma(x, result, coefficient)
    return x.lift(result)
