"""Every rule fires where it should, on inputs full of NaN, infinities and negative zeros, and changes no bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from support import rewriting as support

from tracegraph.ir import Node
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import broadcast_to, fill, keep_axes, reduce_sum
from tracegraph.ops.convolution import conv
from tracegraph.ops.count import interp
from tracegraph.ops.custom import customised
from tracegraph.ops.elementwise import like
from tracegraph.ops.leaf import constant, identity, literal, stop_gradient
from tracegraph.ops.linalg import cholesky, solve
from tracegraph.ops.product import matmul
from tracegraph.ops.reduce import argmax, argmin, reduce_max, reduce_min, reduce_prod
from tracegraph.ops.region import concatenate, slice_, update
from tracegraph.ops.shape import reshape, transpose
from tracegraph.ops.sorting import argsort, lexsort, put_along_add, sort, take_along
from tracegraph.ops.window import correlate, window
from tracegraph.rewrite import LOWER, OPTIMISE

F64, F32, I64, I32, I8, U8, BOOL = (np.dtype(name) for name in "f8 f4 i8 i4 i1 u1 ?".split())


class Case(NamedTuple):
    """A graph on which a rule fires.

    Attributes:
        rule: its name.
        specs: the avals of the inputs.
        build: makes the output of the inputs.
        tolerance: 0 for to the last bit.
        special: whether the inputs hold NaN, infinities and the like.
    """

    rule: str
    specs: str
    build: Callable[..., Node]
    tolerance: float = 0.0
    special: bool = True


def _number(op, value):
    return lambda x: op(x, like(x, value))


def _same(op):
    return lambda x: op(x, x)


def _by_factor(upper, is_turned):
    def build(x, y):
        factor = cholesky(ew.add(matmul(transpose(x, axes=(1, 0)), x), constant(np.eye(3))), upper=upper)
        return solve(transpose(factor, axes=(1, 0)) if is_turned else factor, y)

    return build


def _cut(x, starts, sizes, steps=None):
    return slice_(x, starts=starts, steps=steps or (1,) * len(starts), sizes=sizes)


def _conv(x, w, stride):
    return conv(x, w, stride=stride, dilation=(1,) * len(stride), is_transposed=False)


def _plus(x: Node, v: Node, starts: tuple[int, ...]) -> Node:
    """The array with something added in a region."""
    return _put(x, ew.add(_cut(x, starts, v.shape), v), starts)


def _put(x, v, starts, steps=None):
    return update(x, v, starts=starts, steps=steps or (1,) * len(starts))


def _put_in_region(x, v, starts, sizes, steps, shape, *place):
    part = _put(reshape(_cut(x, starts, sizes, steps), shape=shape), v, *place)
    return _put(x, reshape(part, shape=sizes), starts, steps)


def _softmax(axes, *, by_reciprocal=0):
    def build(x):
        e = ew.exp(x)
        total = reduce_sum(e, axes=axes)
        if by_reciprocal == 1:
            return ew.multiply(e, keep_axes(ew.divide(like(total, 1), total), x.shape, axes))
        wide = keep_axes(total, x.shape, axes)
        if by_reciprocal == 2:
            return ew.multiply(ew.power(wide, like(wide, -1)), ew.exp(x))
        return ew.divide(ew.exp(x), wide)

    return build


def _one_plus(x):
    return ew.add(like(x, 1), ew.exp(x))


V = "f64[13]"
M = "f64[3,4]"

#: op, its number, and the dtypes
NUMBERS = [
    ("add_zero", ew.add, 0, "i64 u8 bool"), ("add_zero", ew.add, -0.0, "f64 f32"),
    ("subtract_zero", ew.subtract, 0, "i32 u8 f64 f32"), ("multiply_one", ew.multiply, 1, "i8 u8 bool f32 f64"),
    ("divide_one", ew.divide, 1, "f32 f64"), ("floor_divide_one", ew.floor_divide, 1, "i32 u8"),
    ("power_one", ew.power, 1, "i32 u8 f32 f64"), ("bitwise_and_ones", ew.bitwise_and, -1, "i8 i64"),
    ("bitwise_and_ones", ew.bitwise_and, 255, "u8"), ("bitwise_or_zero", ew.bitwise_or, 0, "i8 u8"),
    ("bitwise_xor_zero", ew.bitwise_xor, 0, "i8 u8"), ("left_shift_zero", ew.left_shift, 0, "i8 u8"),
    ("right_shift_zero", ew.right_shift, 0, "i8 u8"), ("logical_and_true", ew.logical_and, 1, "bool"),
    ("logical_or_false", ew.logical_or, 0, "bool"), ("logical_xor_false", ew.logical_xor, 0, "bool"),
    ("maximum_least", ew.maximum, 0, "bool u8"), ("maximum_least", ew.maximum, -np.inf, "f32 f64"),
    ("minimum_greatest", ew.minimum, 1, "bool"), ("minimum_greatest", ew.minimum, np.inf, "f32 f64"),
    ("minimum_greatest", ew.minimum, 255, "u8"), ("add_true", ew.add, 1, "bool"),
    ("multiply_zero", ew.multiply, 0, "i8 u8 bool"), ("bitwise_and_zero", ew.bitwise_and, 0, "i8 u8"),
    ("bitwise_or_ones", ew.bitwise_or, -1, "i8"), ("bitwise_or_ones", ew.bitwise_or, 255, "u8"),
    ("logical_and_false", ew.logical_and, 0, "bool"), ("logical_or_true", ew.logical_or, 1, "bool"),
    ("remainder_one", ew.remainder, 1, "i8 u8"), ("power_zero", ew.power, 0, "i8 u8 f32 f64"),
    ("times_minus_one", ew.multiply, -1, "i8 f32 f64"), ("times_minus_one", ew.multiply, 255, "u8"),
    ("times_minus_one", ew.divide, -1, "f32 f64"), ("divide_by_power_of_two", ew.divide, 4, "f32 f64"),
    ("divide_by_power_of_two", ew.divide, -0.5, "f32 f64"), ("divide_by_power_of_two", ew.divide, 0.25, "f32 f64"),
    ("power_minus_one", ew.power, -1, "f32 f64"), ("power_half", ew.power, 0.5, "f32 f64"),
    ("power_two", ew.power, 2, "i8 u8 f32 f64"), ("power_small", ew.power, 3, "i8 u8 i64"),
    ("power_small", ew.power, 8, "i8 u8 i64"),
]  # fmt: skip

CASES = [
    *(Case(name, f"{short}[13]", _number(op, value)) for name, op, value, shorts in NUMBERS for short in shorts.split()),
    *(Case("power_small", f"{short}[40]", _number(ew.power, k), 1e-6) for k in (3, 5, 6, 7, 8) for short in ("f64", "f32")),
    *(Case("add_zero", spec, _number(ew.add, -0.0)) for spec in ("f64[]", "f64[0,3]", "f64[2,3]")),
    # equal, opposite, and exchanged operands
    *(Case("number_right", "i8[13]", lambda x, op=op: op(like(x, 3), x)) for op in (
        ew.add, ew.multiply, ew.equal, ew.not_equal, ew.less, ew.less_equal, ew.greater, ew.greater_equal,
        ew.bitwise_and, ew.bitwise_or, ew.bitwise_xor)),
    *(Case("number_right", V, lambda x, op=op: op(like(x, 1), x)) for op in (
        ew.add, ew.multiply, ew.equal, ew.not_equal, ew.less, ew.less_equal, ew.greater, ew.greater_equal)),
    *(Case("number_right", "bool[9]", lambda x, op=op: op(like(x, 1), x)) for op in (
        ew.logical_and, ew.logical_or, ew.logical_xor)),
    *(Case("same_operands", spec, _same(op)) for op in (ew.maximum, ew.minimum) for spec in (V, "i8[9]", "bool[3]")),
    *(Case("same_operands", "i8[9]", _same(op)) for op in (ew.bitwise_and, ew.bitwise_or)),
    *(Case("same_operands", "bool[9]", _same(op)) for op in (ew.logical_and, ew.logical_or)),
    *(Case("against_itself", "i8[9]", _same(op)) for op in (
        ew.subtract, ew.bitwise_xor, ew.equal, ew.not_equal, ew.less, ew.less_equal, ew.greater, ew.greater_equal)),
    *(Case("against_itself", V, _same(op)) for op in (ew.less, ew.greater)),
    Case("against_itself", "bool[9]", _same(ew.logical_xor)),
    *(Case("twice_negated", spec, lambda x: ew.negative(ew.negative(x))) for spec in (V, "i8[9]", "u8[9]")),
    Case("twice_negated", "i8[9]", lambda x: ew.invert(ew.invert(x))),
    Case("twice_negated", "bool[9]", lambda x: ew.logical_not(ew.logical_not(x))),
    *(Case("not_of_comparison", f"{spec} {spec}", lambda x, y, op=op: ew.logical_not(op(x, y)))
      for op in (ew.equal, ew.not_equal) for spec in (V, "i8[13]", "bool[13]")),
    *(Case("not_of_comparison", "i8[13] i8[13]", lambda x, y, op=op: ew.logical_not(op(x, y)))
      for op in (ew.less, ew.less_equal, ew.greater, ew.greater_equal)),
    *(Case("absolute_of_sign", spec, lambda x: ew.absolute(ew.negative(x))) for spec in (V, "i8[9]")),
    Case("absolute_of_sign", V, lambda x: ew.absolute(ew.absolute(x))),
    Case("absolute_of_sign", "bool[9]", ew.absolute),
    # signs
    Case("zero_minus", V, lambda x: ew.subtract(like(x, -0.0), x)),
    *(Case("zero_minus", spec, lambda x: ew.subtract(like(x, 0), x)) for spec in ("i8[9]", "u8[9]")),
    *(Case("add_negative", f"{spec} {spec}", build) for spec in (V, "i8[13]", "u8[13]") for build in (
        lambda x, y: ew.add(x, ew.negative(y)), lambda x, y: ew.add(ew.negative(x), y))),
    *(Case("subtract_negative", f"{spec} {spec}", lambda x, y: ew.subtract(x, ew.negative(y))) for spec in (V, "u8[9]")),
    *(Case("signs_of_product", f"{V} {V}", lambda x, y, op=op: op(ew.negative(x), ew.negative(y)))
      for op in (ew.multiply, ew.divide)),
    *(Case("signs_of_product", V, lambda x, op=op: op(ew.negative(x), like(x, 3))) for op in (ew.multiply, ew.divide)),
    Case("signs_of_product", "i8[9]", lambda x: ew.multiply(ew.negative(x), like(x, 3))),
    *(Case("regroup_numbers", "i8[13]", lambda x, op=op: op(op(x, like(x, 100)), like(x, 77))) for op in (
        ew.add, ew.multiply, ew.bitwise_and, ew.bitwise_or, ew.bitwise_xor)),
    # choice and conversion
    *(Case("where_number", f"{M} {M}", lambda x, y, c=c: ew.where(fill(c, x.shape, BOOL), x, y)) for c in (True, False)),
    Case("where_same", f"bool[3,4] {M}", lambda c, x: ew.where(c, x, x)),
    Case("where_not", f"bool[3,4] {M} {M}", lambda c, x, y: ew.where(ew.logical_not(c), x, y)),
    Case("where_within", f"bool[3,4] {M} {M}", lambda c, x, y: ew.where(c, ew.where(c, x, y), ew.exp(y))),
    Case("where_within", f"bool[3,4] {M} {M}", lambda c, x, y: ew.where(c, ew.exp(x), ew.where(c, x, y))),
    *(Case("where_bool", "bool[9]", lambda c, v=v: ew.where(c, like(c, v), like(c, not v))) for v in (True, False)),
    Case("convert_same", V, lambda x: ew.convert(x, dtype=F64)),
    *(Case("convert_twice", f"{short}[13]", lambda x, a=a, b=b: ew.convert(ew.convert(x, dtype=a), dtype=b))
      for short, a, b in [
          ("bool", I64, F64), ("bool", F32, I8), ("i8", I64, U8), ("i8", F32, F64), ("f32", F64, F32), ("i32", F64, BOOL),
          ("u8", F32, I32), ("f32", F64, BOOL), ("bool", I64, BOOL), ("i32", I64, I8), ("u8", np.dtype("i2"), I8)]),
    # identities
    Case("custom", V, lambda x: customised([x], [ew.exp(x), ew.negative(x)], None)[1]),
    *(Case("identity", spec, op) for op in (identity, stop_gradient) for spec in (V, "f64[]")),
    # folding
    Case("fold", "", lambda: ew.divide(literal(1.0, F64), literal(-0.0, F64))),
    Case("fold", "", lambda: ew.log(literal(-1.0, F32))),
    Case("fold", "", lambda: ew.multiply(literal(127, I8), literal(2, I8))),
    Case("fold", "", lambda: ew.floor_divide(literal(1, I32), literal(0, I32))),
    Case("fold", "", lambda: ew.convert(literal(np.nan, F64), dtype=I32)),
    Case("fold", "", lambda: ew.where(literal(True, BOOL), literal(3.5, F64), literal(2.5, F64))),
    Case("fold", "", lambda: ew.exp(fill(-0.5, (3, 4), F64)), 1e-15),
    Case("elementwise_of_broadcast", "f64[4]", lambda x: ew.negative(broadcast_to(x, shape=(3, 4)))),
    Case("elementwise_of_broadcast", "f64[4] f64[1,4]", lambda x, y: ew.add(
        broadcast_to(x, shape=(3, 4)), broadcast_to(y, shape=(3, 4)))),
    Case("elementwise_of_broadcast", "f64[4] f64[3,1]", lambda x, y: ew.add(
        broadcast_to(x, shape=(5, 3, 4)), broadcast_to(y, shape=(5, 3, 4)))),
    Case("elementwise_of_broadcast", "f64[3,1]", lambda x: ew.multiply(broadcast_to(x, shape=(3, 4)), fill(2, (3, 4), F64))),
    Case("elementwise_of_broadcast", "f64[4]", lambda x: ew.convert(broadcast_to(x, shape=(3, 4)), dtype=F32)),
    Case("elementwise_of_broadcast", "bool[] f64[4]", lambda c, x: ew.where(
        broadcast_to(c, shape=(3, 4)), broadcast_to(x, shape=(3, 4)), fill(-0.0, (3, 4), F64))),
    *(Case("extreme_of_scalar", "f64[]", lambda x, op=op: op(broadcast_to(x, shape=(3, 4)), axes=(0,)))
      for op in (reduce_max, reduce_min)),
    *(Case("sum_of_number", "", lambda v=v, t=t, axes=axes: reduce_sum(fill(v, (3, 0, 4), t), axes=axes))
      for v, t in [(0, F64), (3, F32), (-2, F64), (100, I8), (200, U8), (-1, I64)]
      for axes in [(1,), (0,), (0, 2), (0, 1, 2)]),
    *(Case("sum_of_number", "", lambda v=v, t=t: reduce_sum(fill(v, (3, 4), t), axes=(0, 1)))
      for v, t in [(0, F64), (-0.0, F64), (3, F32), (-2, F64), (100, I8), (200, U8), (-1, I64)]),
    # views
    Case("same_shape", M, lambda x: reshape(x, shape=(3, 4))),
    Case("same_shape", M, lambda x: broadcast_to(x, shape=(3, 4))),
    Case("same_order", M, lambda x: transpose(x, axes=(0, 1))),
    Case("same_order", "f64[]", lambda x: transpose(x, axes=())),
    Case("reshape_of_reshape", M, lambda x: reshape(reshape(x, shape=(12,)), shape=(2, 6))),
    Case("transpose_of_transpose", "f64[2,3,4]", lambda x: transpose(transpose(x, axes=(1, 2, 0)), axes=(0, 2, 1))),
    Case("broadcast_of_broadcast", "f64[3,1]", lambda x: broadcast_to(broadcast_to(x, shape=(2, 3, 1)), shape=(5, 2, 3, 4))),
    Case("broadcast_of_new_axes", "f64[4]", lambda x: broadcast_to(reshape(x, shape=(1, 1, 4)), shape=(2, 3, 4))),
    Case("broadcast_of_new_axes", "f64[]", lambda x: broadcast_to(reshape(x, shape=(1, 1)), shape=(2, 3))),
    Case("view_of_scalar", "f64[]", lambda x: reshape(broadcast_to(x, shape=(2, 6)), shape=(3, 4))),
    Case("view_of_scalar", "f64[]", lambda x: transpose(broadcast_to(x, shape=(2, 6)), axes=(1, 0))),
    Case("transpose_of_product", "f64[3,4] f64[3,5]", lambda x, y: transpose(
        matmul(transpose(x, axes=(1, 0)), y), axes=(1, 0)), 1e-12, False),
    Case("transpose_of_product", "f64[2,4,3] f64[2,5,3]", lambda x, y: transpose(
        matmul(x, transpose(y, axes=(0, 2, 1))), axes=(0, 2, 1)), 1e-12, False),
    # regions
    Case("slice_of_all", M, lambda x: _cut(x, (0, 0), (3, 4))),
    Case("slice_of_all", "f64[1,4]", lambda x: _cut(x, (0, 0), (1, 4), (-1, 1))),
    Case("slice_of_slice", "f64[20,9]", lambda x: _cut(_cut(x, (18, 1), (6, 4), (-3, 2)), (1, 3), (2, 3), (2, -1))),
    Case("slice_of_slice", "f64[20]", lambda x: _cut(_cut(x, (2,), (9,)), (0,), (0,))),
    Case("slice_of_broadcast", "f64[4]", lambda x: _cut(broadcast_to(x, shape=(3, 4)), (1, 3), (2, 2), (1, -2))),
    Case("slice_of_broadcast", "f64[3,1]", lambda x: _cut(
        broadcast_to(x, shape=(2, 3, 5)), (0, 2, 3), (2, 3, 0), (1, -1, 1))),
    Case("slice_of_broadcast", "f64[]", lambda x: _cut(broadcast_to(x, shape=(3,)), (2,), (1,))),
    Case("window_sums", "f64[9,3]", lambda x: window(x, axis=0, size=3, stride=2), 1e-14, special=False),
    Case("window_sums", "f32[2,90]", lambda x: window(x, axis=1, size=45, stride=3), 1e-5, special=False),
    Case("depthwise_conv", "f64[2,3,1,6,5] f64[3,1,1,2,3]", lambda x, w: _conv(x, w, (2, 1)), 1e-12),
    Case("depthwise_conv", "f64[1,3,2,6,9] f64[3,1,2,5,7]", lambda x, w: _conv(x, w, (1, 2)), 1e-12),
    Case("slice_of_conv", "f64[2,1,2,9] f64[1,2,2,2]",
         lambda x, w: _cut(_conv(x, w, (1,)), (0, 0, 0, 2), (2, 1, 2, 5)), 1e-12),
    Case("slice_of_conv", "f32[1,1,1,12,7] f32[1,1,1,2,3]",
         lambda x, w: _cut(_conv(x, w, (2, 1)), (0, 0, 0, 1, 0), (1, 1, 1, 2, 4), (1, 1, 1, 2, 1)), 1e-4),
    Case("slice_of_update", "f64[9] f64[3]", lambda x, v: _cut(_put(x, v, (1,), (2,)), (1,), (3,), (2,))),
    Case("slice_of_update", "f64[9] f64[3]", lambda x, v: _cut(_put(x, v, (1,), (2,)), (6,), (3,))),
    Case("slice_of_update", "f64[9] f64[4]", lambda x, v: _cut(_put(x, v, (1,), (2,)), (8,), (5,), (-2,))),
    Case("slice_of_update", "f64[9] f64[0]", lambda x, v: _cut(_put(x, v, (1,), (2,)), (0,), (5,))),
    Case("slice_of_update", "f64[5,5] f64[2,5]", lambda x, v: _cut(_put(x, v, (1, 0)), (3, 1), (2, 2))),
    *(Case("slice_of_concatenate", "f64[3] f64[0] f64[4]", lambda *xs, s=s: _cut(concatenate(*xs, axis=0), *s))
      for s in [((0,), (3,)), ((3,), (4,)), ((6,), (2,), (-3,)), ((2,), (1,))]),
    Case("slice_of_concatenate", "f64[2,3] f64[2,4]", lambda *xs: _cut(concatenate(*xs, axis=1), (1, 4), (1, 2))),
    Case("update_of_all", f"{M} {M}", lambda x, v: _put(x, v, (0, 0))),
    Case("update_of_all", f"{M} f64[0,2]", lambda x, v: _put(x, v, (0, 0))),
    Case("updates_of_all", "f64[2,5] f64[2,3] f64[2,2]", lambda x, v, w: _put(_put(x, v, (0, 2)), w, (0, 0))),
    *(Case("overlapping_sums", f"f64[{n}] f64[{m}] f64[3]",
           lambda x, v, w, n=n, a=a, b=b: _plus(_put(fill(2, (n,), F64), v, (a,)), w, (b,)))
      for n, m, a, b in [(6, 4, 0, 2), (6, 4, 2, 0), (6, 3, 0, 3), (8, 2, 1, 4), (8, 5, 2, 3)]),
    Case("overlapping_sums", "f64[5] f64[3] f64[4]",
         lambda x, v, w: _plus(_plus(_plus(_put(fill(0, (5,), F64), v, (0,)), v, (1,)), v, (2,)), w, (1,))),
    *(Case("overlapping_sums", "f64[4,5] f64[3,5] f64[4,4]",
           lambda x, v, w, k=k: _plus(_put(fill(0, (4, 5), F64), (v, w)[k], (0, 0)), (v, w)[k], (1 - k, k)))
      for k in (0, 1)),
    Case("update_of_update", "f64[9] f64[3] f64[3]", lambda x, v, w: _put(_put(x, v, (1,), (2,)), w, (1,), (2,))),
    Case("update_with_own", "f64[9]", lambda x: _put(x, _cut(x, (1,), (3,), (2,)), (1,), (2,))),
    Case("update_with_own", "f64[9] f64[3]", lambda x, v: _put(_put(x, v, (1,), (2,)), v, (1,), (2,))),
    Case("update_of_region", "f64[4,5] f64[2]", lambda x, v: _put_in_region(
        x, v, (2, 4), (1, 3), (1, -2), (3,), (2,), (-1,))),
    Case("update_of_region", "f64[4,1,5] f64[1,2]", lambda x, v: _put_in_region(
        x, v, (1, 0, 0), (2, 1, 5), (1, 1, 1), (2, 5), (1, 1), (1, 3))),
    Case("update_of_transpose", "f64[4,3,5] f64[2,2,3]", lambda x, v: transpose(
        _put(transpose(x, axes=(2, 0, 1)), v, (0, 3, 0), (2, -2, 1)), axes=(1, 2, 0))),
    Case("concatenate_slices", "f64[4,5]", lambda x: concatenate(
        _cut(x, (1, 0), (3, 2)), _cut(x, (1, 2), (3, 1)), _cut(x, (1, 3), (3, 2)), axis=1)),
    Case("concatenate_slices", "f64[7] f64[2]", lambda x, y: concatenate(
        y, _cut(x, (0,), (2,)), _cut(x, (2,), (3,)), _cut(x, (6,), (1,)), _cut(x, (1,), (1,)), axis=0)),
    Case("concatenate_empty", "f64[3]", lambda x: concatenate(x, axis=0)),
    Case("concatenate_empty", "f64[0] f64[3] f64[0] f64[2]", lambda *xs: concatenate(*xs, axis=0)),
    Case("concatenate_empty", "f64[2,0] f64[2,0]", lambda *xs: concatenate(*xs, axis=1)),
    # reductions
    *(Case("reduce_no_axes", spec, lambda x, op=op: op(x, axes=()))
      for op in (reduce_sum, reduce_prod, reduce_max, reduce_min) for spec in (V, "f64[3,1]", "i8[1,5]")),
    *(Case("reduce_of_reduce", "f64[2,3,4]", lambda x, op=op: op(op(x, axes=(1,)), axes=(1,)))
      for op in (reduce_max, reduce_min)),
    *(Case("reduce_of_reduce", "i64[2,3,4]", lambda x, op=op: op(op(x, axes=(0, 2)), axes=(0,)))
      for op in (reduce_sum, reduce_prod, reduce_max)),
    # lowering
    *(Case("arg_reduction", spec, lambda x, op=op, axis=axis: op(x, axis=axis))
      for op in (argmax, argmin) for spec, axis in [
        (V, 0), ("f32[3,4]", 1), ("i8[5,4]", 0), ("bool[7,2]", 0), ("f64[2,30,3]", 1), ("f64[0,3]", 1)]),
    *(Case("whole_matmul", spec, matmul) for spec in ("bool[3,4] bool[4,5]", "bool[3,0] bool[0,5]", "i64[3,0] i64[0,5]")),
    Case("shared_matrix", "f64[2,3,4] f64[4,5]",
         lambda x, y: matmul(x, broadcast_to(y, shape=(2, 4, 5))), 1e-13, False),
    Case("vector_product", "f64[3,4] f64[4]", lambda x, y: matmul(x, reshape(y, shape=(4, 1))), 1e-13, False),
    Case("vector_product", "f32[4] f32[4,5]", lambda x, y: matmul(reshape(x, shape=(1, 4)), y), 1e-5, False),
    Case("vector_product", "f64[2,4] f64[2,4,5]", lambda x, y: matmul(reshape(x, shape=(2, 1, 4)), y), 1e-13, False),
    Case("vector_product", "f64[0] f64[0,5]", lambda x, y: matmul(reshape(x, shape=(1, 0)), y)),
    Case("vector_product", "f64[3,4] f64[2,4]",
         lambda x, y: matmul(x, ew.exp(reshape(_cut(y, (1, 0), (1, 4)), shape=(4, 1)))), 1e-13, False),
    Case("vector_product", "f64[2,3,4] f64[4]",
         lambda x, y: matmul(x, broadcast_to(reshape(y, shape=(4, 1)), shape=(2, 4, 1))), 1e-13, False),
    Case("outer_product", "f64[3] f64[4]",
         lambda x, y: matmul(reshape(x, shape=(3, 1)), reshape(y, shape=(1, 4))), 0.0, False),
    Case("outer_product", "f32[2,3] f32[2,1,4]", lambda x, y: matmul(reshape(x, shape=(2, 3, 1)), y), 0.0, False),
    Case("outer_product", "f32[2,3] f32[2,4]", lambda x, y: matmul(
        reshape(x, shape=(2, 3, 1)), transpose(reshape(y, shape=(2, 4, 1)), axes=(0, 2, 1))), 0.0, False),
    *(Case("triangular_solve", "f64[3,3] f64[3,2]", _by_factor(upper, is_turned), 1e-12, False)
      for upper in (False, True) for is_turned in (False, True)),
    *(Case("short_window", spec, correlate, 1e-5, False) for spec in ("f64[7] f64[3]", "f32[2,5] f32[2,5]")),
    Case("short_window", "i8[9] i8[4]", correlate),
    *(Case("take_along_as_gather", spec,
           lambda x, y: take_along(x, argsort(y, axis=1, kind="stable"), axis=1, distinct=True))
      for spec in ("f64[3,4] f64[3,4]", "i8[2,5,3] f32[2,5,3]", "f64[2,0] f64[2,0]")),
    *(Case("put_along_as_scatter", spec,
           lambda x, y: put_along_add(x, argsort(y, axis=1, kind="stable"), axis=1, distinct=True, length=y.shape[1]))
      for spec in ("f64[3,4] f64[3,4]", "i8[2,5,3] f32[2,5,3]", "f64[2,0] f64[2,0]")),
    *(Case("lexsort_key_by_key", spec, lambda *keys: lexsort(*keys, axis=0))
      for spec in ("f64[9]", "i8[40] f64[40]", "bool[30,2] f32[30,2] u8[30,2]", "f64[0] i64[0]")),
    *(Case("interp_between_points", spec, lambda x, xp=xp, fp=fp: interp(x, constant(np.array(xp)), constant(np.array(fp))))
      for spec in (V, "f64[5,40]", "f64[]", "f64[0]") for xp, fp in [
        ([0.5], [2.0]), ([-1.0, 1.0], [3.0, 0.1]), ([-3.0, -1.0, 0.0, 0.3, 4.0], [0.1, -np.inf, -np.inf, 2.0, np.nan]),
        ([-np.inf, -1.0, 0.0, 0.0, np.inf, np.inf], [1.0, 1.0, 2.0, 3.0, 3.0, 4.0])]),
    *(Case("stable_sort", spec, lambda x: sort(x, axis=0, kind="stable")) for spec in (V, "f32[9,2]", "f64[0,3]")),
    # stabilising, here on tame inputs; see test_stable
    *(Case("softmax", "f64[3,4,5]", _softmax(axes), 1e-13, False) for axes in [(0,), (1,), (2,), (0, 2), (0, 1, 2)]),
    Case("softmax", "f32[4,4]", _softmax((1,)), 1e-5, False),
    *(Case("softmax_by_reciprocal", "f64[4,4]", _softmax(axes, by_reciprocal=k), 1e-13, False)
      for k in (1, 2) for axes in [(0,), (1,), (0, 1)]),
    *(Case("logsumexp", "f64[4,4]", lambda x, axes=axes: ew.log(reduce_sum(ew.exp(x), axes=axes)), 1e-13, False)
      for axes in [(0,), (1,), (0, 1)]),
    Case("logsumexp", "f64[4,4]", lambda x: ew.log(keep_axes(reduce_sum(ew.exp(x), axes=(1,)), (4, 4), (1,))), 1e-13, False),
    Case("log_softmax", "f64[4,4]", lambda x: ew.log(_softmax((0,))(x)), 1e-12, False),
    Case("log_softmax", "f64[4,4]", lambda x: ew.log(_cut(_softmax((1,))(x), (1, 0), (2, 3))), 1e-12, False),
    Case("sigmoid", V, lambda x: ew.divide(like(x, 1), _one_plus(ew.negative(x))), 1e-14),
    Case("sigmoid", "f64[7]", lambda x: ew.divide(ew.exp(x), _one_plus(x)), 1e-14, False),
    Case("sigmoid_by_power", V, lambda x: ew.power(_one_plus(ew.negative(x)), like(x, -1)), 1e-14),
    Case("softplus", V, lambda x: ew.log(_one_plus(x)), 1e-13, False),
    Case("softplus_of_log1p", V, lambda x: ew.log1p(ew.exp(x)), 1e-13, False),
    Case("log_sigmoid", V, lambda x: ew.log(ew.sigmoid(x)), 1e-13, False),
    *(Case("log1mexp", "f64[7]", f, 1e-9, False) for f in (
        lambda x: ew.log(ew.subtract(like(x, 1), ew.exp(ew.negative(ew.exp(x))))),
        lambda x: ew.log(ew.negative(ew.expm1(ew.negative(ew.exp(x))))),
    )),
    Case("log1mexp_of_log1p", "f64[7]", lambda x: ew.log1p(ew.negative(ew.exp(ew.negative(ew.exp(x))))), 1e-9, False),
    Case("softplus_of_parts", V, lambda x: ew.add(
        ew.maximum(x, like(x, 0)), ew.log1p(ew.exp(ew.negative(ew.absolute(x))))), 1e-13, False),
    Case("log_one_minus_sigmoid", V, lambda x: ew.log(ew.subtract(like(x, 1), ew.sigmoid(x))), 1e-9, False),
]  # fmt: skip

#: Graphs that look like those of a rule, on which none may fire.
UNTOUCHED = [
    Case("x + 0.0 is 0.0 for -0.0", V, _number(ew.add, 0.0)),
    Case("x - -0.0", V, _number(ew.subtract, -0.0)),
    Case("x * 0.0 may be NaN", V, _number(ew.multiply, 0.0)),
    Case("x * -0.0", V, _number(ew.multiply, -0.0)),
    Case("0.0 - x has another zero", V, lambda x: ew.subtract(like(x, 0.0), x)),
    Case("x - x may be NaN", V, _same(ew.subtract)),
    Case("x == x is False for NaN", V, _same(ew.equal)),
    Case("x <= x is False for NaN", V, _same(ew.less_equal)),
    Case("x // 1.0 rounds", V, _number(ew.floor_divide, 1)),
    Case("x % 1.0 is the fraction", V, _number(ew.remainder, 1)),
    Case("not x < y with NaN", f"{V} {V}", lambda x, y: ew.logical_not(ew.less(x, y))),
    Case("1 / 3 is not exact", V, _number(ew.divide, 3)),
    Case("the reciprocal is subnormal", V, _number(ew.divide, 2.0**1023)),
    Case("the reciprocal is infinite", V, _number(ew.divide, 2.0**-1074)),
    Case("x / 0.0", V, _number(ew.divide, 0.0)),
    Case("x / inf", V, _number(ew.divide, np.inf)),
    Case("x ** 9", V, _number(ew.power, 9)),
    Case("x ** 2.5", V, _number(ew.power, 2.5)),
    Case("x ** nan", V, _number(ew.power, np.nan)),
    Case("float sums keep their order", M, lambda x: reduce_sum(reduce_sum(x, axes=(0,)), axes=(0,))),
    Case("floats do not associate", V, lambda x: ew.add(ew.add(x, like(x, 2)), like(x, 3))),
    Case("int64 does not fit into float64", "i64[9]", lambda x: ew.convert(ew.convert(x, dtype=F64), dtype=I64)),
    Case("float to uint8 is not by wrapping", "i8[9]", lambda x: ew.convert(ew.convert(x, dtype=F32), dtype=U8), 300),
    Case("maximum of zeros depends on order", V, lambda x: ew.maximum(like(x, 0), x)),
    Case("sum of 0.1", "", lambda: reduce_sum(fill(0.1, (10,), F64), axes=(0,))),
    Case("arrays may change", "", lambda: ew.exp(constant(np.zeros(3)))),
    Case("scalar arrays may change", "", lambda: ew.exp(constant(np.array(0.0)))),
    Case("outer broadcasts are full already", "f64[4] f64[3,1]", lambda x, y: ew.add(
        broadcast_to(x, shape=(3, 4)), broadcast_to(y, shape=(3, 4)))),
    Case("overlapping regions", "f64[9] f64[3]", lambda x, v: _cut(_put(x, v, (1,)), (3,), (3,))),
    Case("reversed regions", "f64[9] f64[9]", lambda x, v: _put(x, v, (8,), (-1,))),
    Case("slice over two pieces", "f64[3] f64[4]", lambda *xs: _cut(concatenate(*xs, axis=0), (2,), (2,))),
    Case("transpose of a plain product", "f64[3,4] f64[4,5]", lambda x, y: transpose(
        matmul(x, y), axes=(1, 0)), 1e-12, False),
    Case("the total of another axis", "f64[4,4]", lambda x: ew.divide(
        ew.exp(x), broadcast_to(reduce_sum(ew.exp(x), axes=(1,)), shape=(4, 4))), 1e-12, False),
    Case("the total of something else", "f64[4,4] f64[4,4]", lambda x, y: ew.divide(
        ew.exp(x), keep_axes(reduce_sum(ew.exp(y), axes=(1,)), (4, 4), (1,))), 1e-12, False),
    Case("log1p(exp(-|x|)) is stable", V, lambda x: ew.log1p(ew.exp(ew.negative(ew.absolute(x)))), 1e-12),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.specs}")
def test_rule_fires_and_keeps_the_value(case):
    """The rule alone fires, and so does the optimiser as a whole; both leave the value as it is."""
    graph = support.graph_of(case.specs, case.build)
    options = {"tolerance": case.tolerance, "special": case.special}
    helpers = [support.ALL[name] for name in ("softmax", "fold") if name != case.rule]
    helpers = helpers if case.rule in ("log_softmax", "fold") else []
    extra = [support.ALL["elementwise_of_broadcast"]] if case.rule == "fold" else []
    _, fired = support.assert_equivalent(graph, [support.ALL[case.rule], *helpers, *extra], **options)
    assert case.rule in fired
    tolerance = case.tolerance or (1e-15 if case.rule == "power_small" else 0.0)
    support.assert_equivalent(graph, OPTIMISE + LOWER, tolerance=tolerance, special=case.special)


@pytest.mark.parametrize("case", UNTOUCHED, ids=lambda case: case.rule)
def test_nothing_fires_where_bits_would_change(case):
    graph = support.graph_of(case.specs, case.build)
    new, fired = support.assert_equivalent(graph, OPTIMISE, tolerance=case.tolerance, special=case.special)
    assert fired == []
    assert new.outputs[0].op is graph.outputs[0].op


def test_every_rule_has_a_case():
    assert {case.rule for case in CASES} == set(support.ALL)


def test_names_are_unique():
    names = [rule.name for rule in OPTIMISE + LOWER]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("op", [ew.add, ew.subtract, ew.multiply, ew.divide, ew.equal, ew.less, ew.maximum], ids=str)
def test_complex_numbers_keep_their_special_values(op):
    """What holds of reals does not of infinities and signed zeros in two parts: no rule of reals is used on them."""
    for value in (0, -0.0, 1, -1, 2, 0.25, 1j, complex(-0.0, -0.0), complex(1, -0.0)):
        for build in (
            lambda x, value=value: op(x, like(x, value)),
            lambda x, value=value: op(like(x, value), x),
            lambda x, value=value: op(ew.negative(x), like(x, value)),
            lambda x, value=value: ew.logical_not(op(x, like(x, value))) if op in (ew.equal, ew.less) else x,
            lambda x: op(x, x),
        ):
            support.assert_equivalent(support.graph_of("c128[40]", build), OPTIMISE)


@pytest.mark.parametrize("k", [-1, 0, 1, 2, 3, 5, 8, 0.5])
def test_powers_of_complex_numbers(k):
    """Small whole powers are multiplied up."""
    graph = support.graph_of("c128[40]", lambda x: ew.power(x, like(x, k)))
    _, fired = support.assert_equivalent(graph, OPTIMISE, tolerance=1e-13, special=False)
    assert bool(fired) == (k in (2, 3, 5, 8))
