"""Distributions as functions of a generator's state: each takes words from it, which moves its counter on, and makes of
them what it draws. They run while a function is traced, on placeholders, and are NumPy code but for the first few.

What has a location, a scale or another parameter by which the inverse of its distribution function is written down has
derivatives by it: what is drawn is a function of the parameters and of random words that do not depend on them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tracegraph.ir import Node, Shape
from tracegraph.ops.elementwise import (
    add,
    bitwise_and,
    bitwise_xor,
    convert,
    equal,
    like,
    multiply,
    right_shift,
    subtract,
    where,
)
from tracegraph.ops.leaf import iota
from tracegraph.ops.random import WORD, random_bits, variates
from tracegraph.ops.shape import reshape_to
from tracegraph.tracing.lift import cast, node_of, result, spread

F64, F32 = np.dtype(np.float64), np.dtype(np.float32)
#: Tells the keys of children from the words of their parent.
_CHILDREN = 0x9E3779B97F4A7C15

# -- from the state to words and floats --------------------------------------------------------------------------------


def take(state: Any, count: int) -> tuple[Node, Node]:
    """The counter as it is, from where on ``count`` words are now the caller's, and the key."""
    counter, key = state[1], state[0]
    state[1] = counter + np.uint64(count)
    return counter.node, key.node


def words(state: Any, shape: Shape) -> Node:
    """A random uint64 for each element."""
    counter, key = take(state, math.prod(shape))
    index = reshape_to(iota(length=math.prod(shape), dtype=WORD), shape)
    return random_bits(add(index, spread(counter, shape)), spread(key, shape))


def _shifted(word: Node, bits: int) -> Node:
    return right_shift(word, like(word, bits))


def _scaled(word: Node, bits: int, dtype: np.dtype) -> Any:
    whole = convert(word, dtype=dtype)
    return result(multiply(whole, like(whole, 2.0**-bits)), is_array=True)


def _digits(dtype: np.dtype) -> int:
    return 53 if dtype == F64 else 24


def unit(state: Any, shape: Shape, dtype: np.dtype = F64) -> Any:
    """Of [0, 1), a multiple of the spacing below 1."""
    digits = _digits(dtype)
    return _scaled(_shifted(words(state, shape), 64 - digits), digits, dtype)


def _positive_unit(word: Node, bits: int, dtype: np.dtype) -> Any:
    """Of (0, 1], from the upper bits of a word."""
    whole = _shifted(word, 64 - bits)
    return _scaled(add(whole, like(whole, 1)), bits, dtype)


def inner_unit(state: Any, shape: Shape) -> Any:
    """Of (0, 1), and 1 less it is as exact as it."""
    whole = convert(_shifted(words(state, shape), 12), dtype=F64)
    return result(multiply(add(whole, like(whole, 0.5)), like(whole, 2.0**-52)), is_array=True)


def double(value: Any) -> Any:
    """A parameter as float64."""
    return result(node_of(value, F64), is_array=True)


# -- standard distributions --------------------------------------------------------------------------------------------


def random(state: Any, *, shape: Shape, dtype: np.dtype = F64) -> Any:
    return unit(state, shape, dtype)


def standard_exponential(state: Any, *, shape: Shape, dtype: np.dtype = F64) -> Any:
    """By the inverse of its distribution function."""
    return -np.log(_positive_unit(words(state, shape), 53 if dtype == F64 else 32, dtype))


def standard_normal(state: Any, *, shape: Shape, dtype: np.dtype = F64) -> Any:
    """A radius and an angle (Box and Muller 1958), from a word each, or in float32 from the halves of one."""
    first = words(state, shape)
    if dtype == F64:
        radius, turn = _positive_unit(first, 53, F64), unit(state, shape)
    else:
        low = _shifted(multiply(first, like(first, 1 << 32)), 40)
        radius, turn = _positive_unit(first, 32, F32), _scaled(low, 24, F32)
    return np.sqrt(-2.0 * np.log(radius)) * np.cos(2.0 * math.pi * turn)


def standard_cauchy(state: Any, *, shape: Shape) -> Any:
    return np.tan(math.pi * (inner_unit(state, shape) - 0.5))


# -- with parameters, by the inverse of the distribution function or from the standard ones -----------------------------


def uniform(state: Any, low: Any, high: Any, *, shape: Shape) -> Any:
    start = double(low)
    return start + (double(high) - start) * unit(state, shape)


def normal(state: Any, loc: Any, scale: Any, *, shape: Shape) -> Any:
    return double(loc) + double(scale) * standard_normal(state, shape=shape)


def lognormal(state: Any, mean: Any, sigma: Any, *, shape: Shape) -> Any:
    return np.exp(normal(state, mean, sigma, shape=shape))


def exponential(state: Any, scale: Any, *, shape: Shape) -> Any:
    return double(scale) * standard_exponential(state, shape=shape)


def laplace(state: Any, loc: Any, scale: Any, *, shape: Shape) -> Any:
    u = inner_unit(state, shape)
    side = u - 0.5
    return double(loc) - double(scale) * np.copysign(np.log(1.0 - 2.0 * np.abs(side)), side)


def logistic(state: Any, loc: Any, scale: Any, *, shape: Shape) -> Any:
    u = inner_unit(state, shape)
    return double(loc) + double(scale) * np.log(u / (1.0 - u))


def gumbel(state: Any, loc: Any, scale: Any, *, shape: Shape) -> Any:
    return double(loc) - double(scale) * np.log(-np.log(inner_unit(state, shape)))


def rayleigh(state: Any, scale: Any, *, shape: Shape) -> Any:
    return double(scale) * np.sqrt(2.0 * standard_exponential(state, shape=shape))


def weibull(state: Any, a: Any, *, shape: Shape) -> Any:
    return standard_exponential(state, shape=shape) ** (1.0 / double(a))


def pareto(state: Any, a: Any, *, shape: Shape) -> Any:
    return np.expm1(standard_exponential(state, shape=shape) / double(a))


def power(state: Any, a: Any, *, shape: Shape) -> Any:
    return np.exp(-standard_exponential(state, shape=shape) / double(a))


def triangular(state: Any, left: Any, mode: Any, right: Any, *, shape: Shape) -> Any:
    low, top, high = double(left), double(mode), double(right)
    u = unit(state, shape)
    width, rise, fall = high - low, top - low, high - top
    is_rising = u * width < rise
    rising = low + np.sqrt(np.where(is_rising, u * width * rise, 1.0))
    falling = high - np.sqrt(np.where(is_rising, 1.0, (1.0 - u) * width * fall))
    return np.where(is_rising, rising, falling)


def wald(state: Any, mean: Any, scale: Any, *, shape: Shape) -> Any:
    """A root of the equation whose value is a squared normal, or the other one (Michael, Schucany and Haas 1976)."""
    mu, lam = double(mean), double(scale)
    y = mu * standard_normal(state, shape=shape) ** 2
    root = mu * (1.0 - 2.0 * y / (y + np.sqrt(4.0 * lam * y + y * y)))
    return np.where(unit(state, shape) * (mu + root) <= mu, root, mu * mu / root)


def multivariate_normal(state: Any, mean: Any, factor: Any, *, shape: Shape) -> Any:
    """``factor @ factor.T`` is the covariance."""
    rows = standard_normal(state, shape=(math.prod(shape), mean.shape[0]))
    return np.reshape(double(mean) + rows @ double(factor).T, (*shape, mean.shape[0]))


# -- integers ----------------------------------------------------------------------------------------------------------


def integers(state: Any, low: Any, last: Any, *, shape: Shape, dtype: np.dtype, is_narrow: bool) -> Any:
    """``low + floor(word * count / 2**64)`` (Lemire 2019, without its rejection): what ``count`` values there are differ in
    probability by one part in 2**64 / count.

    Args:
        low, last: the least and the greatest value, as uint64 modulo 2**64.
        is_narrow: whether there are less than 2**32 values: then the product takes two multiplications rather than four.
    """
    start = spread(node_of(low, WORD), shape)
    above = spread(node_of(last, WORD), shape)
    count = add(subtract(above, start), like(start, 1))
    word = words(state, shape)
    high_word, low_word = _shifted(word, 32), _low(word)
    if is_narrow:
        product = _shifted(add(multiply(high_word, count), _shifted(multiply(low_word, count), 32)), 32)
        return result(cast(add(start, product), dtype), is_array=True)
    high_count, low_count = _shifted(count, 32), _low(count)
    middle = add(multiply(high_word, low_count), _shifted(multiply(low_word, low_count), 32))
    cross = add(multiply(low_word, high_count), _low(middle))
    product = add(multiply(high_word, high_count), add(_shifted(middle, 32), _shifted(cross, 32)))
    everything = equal(count, like(count, 0))
    return result(cast(add(start, where(everything, word, product)), dtype), is_array=True)


def _low(word: Node) -> Node:
    return bitwise_and(word, like(word, 0xFFFFFFFF))


def raw(state: Any, *, shape: Shape) -> Any:
    return result(words(state, shape), is_array=True)


def children(state: Any, *, shape: Shape) -> Any:
    """States of generators whose keys are words of another stream of this one's."""
    counter, key = take(state, math.prod(shape))
    index = add(iota(length=math.prod(shape), dtype=WORD), spread(counter, shape))
    keys = random_bits(index, spread(bitwise_xor(key, like(key, _CHILDREN)), shape))
    return np.stack([result(keys), result(like(keys, 0))], axis=-1)


# -- what NumPy draws --------------------------------------------------------------------------------------------------


def drawn(
    state: Any, params: Any, scale: Any = None, *, law: str, shape: Shape, event: Shape = (), dtype: np.dtype = F64
) -> Any:
    """NumPy's ``law(*params, shape)``, times a scale; ``event`` is the shape of one draw."""
    counter, key = take(state, 1)
    nodes = [node_of(param, F64) for param in params]
    value = result(variates(counter, key, *nodes, law=law, size=shape, event=event, dtype=dtype), is_array=True)
    return value if scale is None else value * double(scale)
