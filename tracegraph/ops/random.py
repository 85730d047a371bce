"""Random numbers that depend on nothing but a counter and a key.

``random_bits`` draws each element by itself, in kernels: Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror and Shaw,
"Parallel random numbers: as easy as 1, 2, 3", SC 2011). Counter and key are two 32-bit words each, the low one first, and
so is the result. ``variates`` are of distributions that are drawn by rejection: NumPy draws them, from a Philox generator
that begins anew at each counter.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.ir import Aval, Node, Op, Shape
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.rules import Params, batch_all, same_avals

__all__ = ["OPS", "PARITY", "ROTATIONS", "ROUNDS", "WORD", "random_bits", "variates"]

ROUNDS = 20
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
#: What makes the third word of the key schedule differ from the sum of the others.
PARITY = 0x1BD11BDA

WORD = np.dtype(np.uint64)
_HALF = np.uint64(32)


def _bits_rule(*avals: Aval) -> Aval:
    aval = same_avals("random_bits", avals)
    if aval.dtype != WORD:
        raise TypeError(f"random_bits does not take {aval.dtype}")
    return aval


def _bits_reference(counter: Any, key: Any) -> Any:
    x, y = _halves(counter)
    first, second = _halves(key)
    schedule = (first, second, first ^ second ^ np.uint32(PARITY))
    x, y = x + first, y + second
    for k in range(ROUNDS):
        rotation = np.uint32(ROTATIONS[k % 8])
        x = x + y
        y = (y << rotation | y >> (np.uint32(32) - rotation)) ^ x
        if k % 4 == 3:
            step = k // 4 + 1
            x, y = x + schedule[step % 3], y + schedule[(step + 1) % 3] + np.uint32(step)
    return x.astype(WORD) | y.astype(WORD) << _HALF


def _halves(words: Any) -> tuple[np.ndarray, np.ndarray]:
    """The low and the high 32 bits; arrays of rank 1 at least, since NumPy warns where a number wraps around."""
    return np.asarray(words).astype(np.uint32), (np.asarray(words) >> _HALF).astype(np.uint32)


def _batch_bits(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    return random_bits(*batch_all(random_bits, inputs, axes, expand_leading))


#: 64 random bits for each pair of a counter and a key.
random_bits: Op = Op(
    "random_bits",
    rule=_bits_rule,
    reference=_bits_reference,
    batch=_batch_bits,
    kind="elementwise",
    loop="random_bits({0}, {1})",
)

# -- what NumPy draws --------------------------------------------------------------------------------------------------

_DOUBLE = np.dtype(float)
#: How NumPy is asked where it is not ``law(*params, size)``.
_CALLS: Mapping[str, Callable[..., Any]] = {
    "binomial": lambda draw, n, p, size: draw.binomial(n.astype(int), p, size),
    "hypergeometric": lambda draw, a, b, n, size: draw.hypergeometric(
        a.astype(int), b.astype(int), n.astype(int), size
    ),
    "multinomial": lambda draw, n, p, size: draw.multinomial(n.astype(int), p, size),
    "multivariate_hypergeometric": lambda draw, colors, n, size: draw.multivariate_hypergeometric(
        colors.astype(int), int(n), size
    ),
    "permutation": lambda draw, size: draw.permutation(size[0]),
    "permuted": lambda draw, size: draw.permuted(np.broadcast_to(np.arange(size[-1]), size), axis=-1),
    "choice": lambda draw, p, size: draw.choice(p.size, size, p=p),
    "choice without replacement": lambda draw, p, size: draw.choice(p.size, size, replace=False, p=p),
}


def _variates_rule(
    counter: Aval, key: Aval, *params: Aval, law: str, size: Shape, event: Shape, dtype: np.dtype
) -> Aval:
    if not counter == key == Aval(counter.shape, WORD):
        raise TypeError(f"variates: counter and key are {counter} and {key}")
    for aval in params:
        if aval.dtype != _DOUBLE:
            raise TypeError(f"variates does not take {aval.dtype}")
        if aval.shape[: counter.ndim] != counter.shape:
            raise ValueError(f"variates: a parameter is {aval}, the counters are {counter}")
    return Aval((*counter.shape, *size, *event), dtype)


def _variates_reference(
    counter: Any, key: Any, *params: Any, law: str, size: Shape, event: Shape, dtype: np.dtype
) -> np.ndarray:
    out = np.empty((*np.shape(counter), *size, *event), dtype)
    call = _CALLS.get(law) or (lambda draw, *args: getattr(draw, law)(*args))
    for k in itertools.product(*map(range, np.shape(counter))):
        philox = np.random.Philox(counter=[0, 0, 0, int(counter[k])], key=[int(key[k]), 0])
        out[k] = call(np.random.Generator(philox), *[np.asarray(param[k]) for param in params], size)
    return out


def _variates_vjp(ct: Node, node: Node, i: int) -> Node | None:
    raise UnsupportedError(
        f"what is drawn from {node.params['law']} has no derivative by the parameters; those of location and scale are "
        "applied to what is drawn, as in scale * rng.standard_gamma(shape), and have one"
    )


def _batch_variates(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
    return variates(*batch_all(variates, inputs, axes, expand_leading), **params)


#: NumPy's ``law(*params, size)``, for each counter and key; ``event`` is the shape of one draw.
variates: Op = Op(
    "variates", rule=_variates_rule, reference=_variates_reference, vjp=_variates_vjp, batch=_batch_variates
)

OPS: Sequence[Op] = (random_bits, variates)
