"""Formulas that overflow or cancel as they are written become ones that do not: softmax, log-sum-exp, sigmoid, softplus.
They are used before differentiation, so that derivatives of all orders are those of the stable formula.

The greatest element is subtracted as a constant (`stop_gradient`): mathematically the result does not depend on it, so no
derivative flows through it. Where it is not finite it is taken as 0, which leaves infinities and NaN to come out as the
plain formula has them (``logsumexp`` of all -inf is -inf).
"""

from __future__ import annotations

import math
from collections.abc import Callable

from tracegraph.ir import Node, Op
from tracegraph.ops.broadcast import keep_axes, reduce_sum
from tracegraph.ops.elementwise import (
    absolute,
    add,
    divide,
    equal,
    exp,
    expm1,
    greater,
    isfinite,
    less,
    like,
    log,
    log1p,
    maximum,
    multiply,
    negative,
    power,
    sigmoid,
    subtract,
    where,
)  # fmt: skip
from tracegraph.ops.leaf import identity, stop_gradient
from tracegraph.ops.reduce import reduce_max
from tracegraph.ops.region import slice_
from tracegraph.rewrite.engine import Rule, Rules, rule
from tracegraph.rewrite.match import VIEWS, is_number, repeated_reduction, under_views, unview

__all__ = ["STABLE"]

_NAMES = VIEWS | {identity, stop_gradient}
_REGIONS = VIEWS | {slice_}


def _real_rule(name: str, op: Op) -> Callable[[Callable[[Node], Node | None]], Rule]:
    """A rule for reals only: complex numbers have no greatest one that could be subtracted."""

    def decorate(apply: Callable[[Node], Node | None]) -> Rule:
        return rule(name, op)(apply)._replace(apply=lambda node: apply(node) if node.dtype.kind == "f" else None)

    return decorate


# -- softmax and log-sum-exp -------------------------------------------------------------------------------------------


@_real_rule("softmax", divide)
def softmax(node: Node) -> Node | None:
    """``exp(x) / sum(exp(x)) -> exp(x - max(x)) / sum(exp(x - max(x)))``"""
    return _softmax(*node.inputs)


@_real_rule("softmax_by_reciprocal", multiply)
def softmax_by_reciprocal(node: Node) -> Node | None:
    """``exp(x) * (1 / sum(exp(x)))``, whose reciprocal may be taken before or after it is repeated."""
    for top, factor in (node.inputs, node.inputs[::-1]):
        if top.op is exp:
            core, path = unview(factor)
            bottom = _reciprocal_of(core)
            if bottom is not None:
                return _softmax(top, under_views(bottom, path), shifted=True)
    return None


def _softmax(top: Node, bottom: Node, *, shifted: bool = False) -> Node | None:
    """Softmax, if it is one. ``shifted``: also where the greatest element is subtracted already."""
    if top.op is not exp:
        return None
    total = repeated_reduction(bottom, reduce_sum, top)
    if total is None:
        return None
    if not _can_shift(total):
        return divide(top, bottom) if shifted else None
    axes = total.params["axes"]
    (x,) = top.inputs
    e = exp(subtract(x, keep_axes(_greatest(x, axes), x.shape, axes)))
    return divide(e, keep_axes(reduce_sum(e, axes=axes), e.shape, axes))


def _reciprocal_of(node: Node) -> Node | None:
    """The ``x`` of ``1 / x`` or ``x ** -1``."""
    if node.op is divide and is_number(node.inputs[0], 1):
        return node.inputs[1]
    return node.inputs[0] if node.op is power and is_number(node.inputs[1], -1) else None


@_real_rule("logsumexp", log)
def logsumexp(node: Node) -> Node | None:
    """``log(sum(exp(x))) -> log(sum(exp(x - max(x)))) + max(x)``, also with views between the logarithm and the sum.

    The gradient of what is -inf altogether is 0."""
    total, path = unview(node.inputs[0])
    if total.op is not reduce_sum or total.inputs[0].op is not exp or not _can_shift(total):
        return None
    axes = total.params["axes"]
    (x,) = total.inputs[0].inputs
    greatest = _greatest(x, axes)
    shifted = reduce_sum(exp(subtract(x, keep_axes(greatest, x.shape, axes))), axes=axes)
    none = equal(shifted, like(shifted, 0))
    logarithm = where(none, like(shifted, -math.inf), log(where(none, like(shifted, 1), shifted)))
    return under_views(add(logarithm, greatest), path)


@_real_rule("log1mexp", log)
def log_of_one_minus_exp(node: Node) -> Node | None:
    """``log(1 - exp(x))`` and ``log(-expm1(x))``"""
    (source,) = node.inputs
    if source.op is subtract and is_number(source.inputs[0], 1) and source.inputs[1].op is exp:
        return _log1mexp(source.inputs[1].inputs[0])
    if source.op is negative and source.inputs[0].op is expm1 and not _is_near(source.inputs[0].inputs[0]):
        return _log1mexp(source.inputs[0].inputs[0])
    return None


@_real_rule("log1mexp_of_log1p", log1p)
def log1p_of_minus_exp(node: Node) -> Node | None:
    """``log1p(-exp(x))``"""
    (source,) = node.inputs
    if source.op is negative and source.inputs[0].op is exp and not _is_near(source.inputs[0].inputs[0]):
        return _log1mexp(source.inputs[0].inputs[0])
    return None


def _log1mexp(x: Node) -> Node:
    """By expm1 near 0 and by log1p farther below, where each is exact (M. Maechler, 2012)."""
    near = greater(x, like(x, -math.log(2)))
    below, above = where(near, like(x, -1), x), where(near, x, like(x, -1))
    return where(near, log(negative(expm1(above))), log1p(negative(exp(below))))


def _is_near(x: Node) -> bool:
    """Whether x is what `_log1mexp` takes one side by."""
    return x.op is where and any(is_number(side, -1) for side in x.inputs[1:])


@_real_rule("log_softmax", log)
def log_softmax(node: Node) -> Node | None:
    """``log(exp(z) / sum(exp(z))) -> z - log(sum(exp(z)))``, also of a part of it; `softmax` has shifted z before."""
    core, path = unview(node.inputs[0], _REGIONS)
    if core.op is not divide or core.inputs[0].op is not exp:
        return None
    top, bottom = core.inputs
    total = repeated_reduction(bottom, reduce_sum, top)
    if total is None:
        return None
    (z,) = top.inputs
    return under_views(subtract(z, keep_axes(log(total), z.shape, total.params["axes"])), path)


def _greatest(x: Node, axes: tuple[int, ...]) -> Node:
    """The greatest element, as a constant for derivatives; 0 where it is not finite."""
    greatest = reduce_max(x, axes=axes)
    return stop_gradient(where(isfinite(greatest), greatest, like(greatest, 0)))


def _can_shift(total: Node) -> bool:
    """Whether there is a greatest element in ``sum(exp(x))``, and it is not subtracted from x already."""
    if 0 in total.inputs[0].shape or not total.params["axes"]:
        return False
    (x,) = total.inputs[0].inputs
    if x.op is not subtract:
        return True
    shift, _ = unview(x.inputs[1], _NAMES)
    if shift.op is where:
        shift, _ = unview(shift.inputs[1], _NAMES)
    return shift.op is not reduce_max


# -- sigmoid and softplus ----------------------------------------------------------------------------------------------


@_real_rule("sigmoid", divide)
def sigmoid_of_quotient(node: Node) -> Node | None:
    """``1 / (1 + exp(-x)) -> sigmoid(x)`` and ``exp(x) / (1 + exp(x)) -> sigmoid(x)``"""
    top, bottom = node.inputs
    x = _one_plus_exp(bottom)
    if x is None:
        return None
    if is_number(top, 1):
        return sigmoid(_minus(x))
    return sigmoid(x) if top.op is exp and top.inputs[0] is x else None


@_real_rule("sigmoid_by_power", power)
def sigmoid_by_power(node: Node) -> Node | None:
    """``(1 + exp(-x)) ** -1 -> sigmoid(x)``"""
    x = _one_plus_exp(node.inputs[0])
    return sigmoid(_minus(x)) if x is not None and is_number(node.inputs[1], -1) else None


@_real_rule("softplus", log)
def softplus_of_log(node: Node) -> Node | None:
    """``log(1 + exp(x)) -> maximum(x, 0) + log1p(exp(-|x|))``"""
    x = _one_plus_exp(node.inputs[0])
    return None if x is None else _softplus(x)


@_real_rule("softplus_of_log1p", log1p)
def softplus_of_log1p(node: Node) -> Node | None:
    """``log1p(exp(x))``, unless x is never positive: then it is stable, and may be what these rules made."""
    (source,) = node.inputs
    if source.op is not exp or _is_minus_absolute(source.inputs[0]):
        return None
    return _softplus(source.inputs[0])


@_real_rule("log_sigmoid", log)
def log_of_sigmoid(node: Node) -> Node | None:
    """``log(sigmoid(x)) -> minimum(x, 0) - log1p(exp(-|x|))``"""
    (source,) = node.inputs
    return _log_sigmoid(source.inputs[0]) if source.op is sigmoid else None


@_real_rule("log_one_minus_sigmoid", log)
def log_of_one_minus_sigmoid(node: Node) -> Node | None:
    """``log(1 - sigmoid(x)) -> log(sigmoid(-x))``, the other half of a binary cross-entropy."""
    (source,) = node.inputs
    if source.op is subtract and is_number(source.inputs[0], 1) and source.inputs[1].op is sigmoid:
        return _log_sigmoid(_minus(source.inputs[1].inputs[0]))
    return None


@_real_rule("softplus_of_parts", add)
def softplus_of_parts(node: Node) -> Node | None:
    """``maximum(x, 0) + log1p(exp(-|x|))``, whose parts have kinks that its sum has not."""
    for part, rest in (node.inputs, node.inputs[::-1]):
        if rest.op is log1p and rest.inputs[0].op is exp and part.op is maximum:
            exponent = rest.inputs[0].inputs[0]
            x = next((x for x, other in (part.inputs, part.inputs[::-1]) if is_number(other, 0)), None)
            if x is not None and exponent.op is negative and exponent.inputs[0].op is absolute:
                return _softplus(x) if exponent.inputs[0].inputs[0] is x else None
    return None


def _one_plus_exp(node: Node) -> Node | None:
    """The ``x`` of ``1 + exp(x)``."""
    if node.op is add:
        for one, power_of_e in (node.inputs, node.inputs[::-1]):
            if power_of_e.op is exp and is_number(one, 1):
                return power_of_e.inputs[0]
    return None


def _minus(x: Node) -> Node:
    return x.inputs[0] if x.op is negative else negative(x)


def _softplus(x: Node) -> Node:
    """Choices in place of ``maximum`` and ``absolute``: the same values, but smooth at 0, so that derivatives of all
    orders are right there too (a logistic regression starts there)."""
    positive = greater(x, like(x, 0))
    return add(where(positive, x, like(x, 0)), log1p(exp(where(positive, negative(x), x))))


def _log_sigmoid(x: Node) -> Node:
    below = less(x, like(x, 0))
    return subtract(where(below, x, like(x, 0)), log1p(exp(where(below, x, negative(x)))))


def _is_minus_absolute(x: Node) -> bool:
    """Whether x is ``-|y|``, as users write it or as `_softplus` and `_log_sigmoid` do."""
    if x.op is negative:
        return x.inputs[0].op is absolute
    return x.op is where and (_are_opposite(x.inputs[1], x.inputs[2]) or _are_opposite(x.inputs[2], x.inputs[1]))


def _are_opposite(x: Node, y: Node) -> bool:
    return x.op is negative and x.inputs[0] is y


STABLE: Rules = (
    softmax,
    softmax_by_reciprocal,
    logsumexp,
    log_softmax,
    sigmoid_of_quotient,
    sigmoid_by_power,
    softplus_of_log,
    softplus_of_log1p,
    log_of_sigmoid,
    log_of_one_minus_sigmoid,
    log_of_one_minus_exp,
    log1p_of_minus_exp,
    softplus_of_parts,
)  # fmt: skip
