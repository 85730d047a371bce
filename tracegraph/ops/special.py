"""Ufuncs that have no row of their own: NumPy's rarer ones, SciPy's special functions, anybody's. NumPy runs them; their
derivatives are here, by their names.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np

from tracegraph.errors import UnsupportedError
from tracegraph.ir import DTYPES, Aval, Node, Op, canonical
from tracegraph.ir.node import Vjp
from tracegraph.ops import elementwise as ew
from tracegraph.ops.broadcast import expand_leading
from tracegraph.ops.elementwise import add, divide, like, multiply, negative, subtract
from tracegraph.ops.rules import FLOATS, batch_all, each, is_float

__all__ = ["OPS", "erf", "erfc", "gammaln", "known_name", "pointwise"]


@cache
def known_name(ufunc: np.ufunc) -> str:
    """The name of a ufunc of NumPy's or SciPy's; nothing for one of somebody else's, which may have a name of theirs."""
    modules = [
        sys.modules.get(name) for name in ("numpy", "numpy._core.umath", "scipy.special", "scipy.special._ufuncs")
    ]
    name = ufunc.__name__
    return name if any(getattr(module, name, None) is ufunc for module in modules) else ""


@cache
def _result_dtypes(ufunc: np.ufunc, dtypes: tuple[np.dtype, ...]) -> tuple[np.dtype, ...] | None:
    """The dtypes of what the loop of exactly these dtypes gives; None if there is none."""
    try:
        found = ufunc.resolve_dtypes((*dtypes, *(None,) * ufunc.nout))
    except TypeError:
        return None
    is_exact = found[: ufunc.nin] == dtypes and all(dtype in DTYPES for dtype in found)
    return tuple(map(canonical, found[ufunc.nin :])) if is_exact else None


def _rule(*avals: Aval, ufunc: np.ufunc, output: int = 0) -> Aval:
    dtypes = _result_dtypes(ufunc, tuple(aval.dtype for aval in avals))
    if dtypes is None:
        raise TypeError(f"pointwise does not take {', '.join(str(aval.dtype) for aval in avals)}")
    if any(aval.shape != avals[0].shape for aval in avals):
        raise ValueError(f"pointwise: operands of a strict operation differ: {', '.join(map(repr, avals))}")
    return Aval(avals[0].shape, dtypes[output])


def _reference(*arrays: np.ndarray, ufunc: np.ufunc, output: int = 0) -> np.ndarray:
    values = ufunc(*arrays)
    return np.asarray(values[output] if ufunc.nout > 1 else values)


def _vjp(ct: Node, out: Node, i: int) -> Node | None:
    ufunc = out.params["ufunc"]
    rules = _DERIVATIVES.get(known_name(ufunc))
    if rules is None:
        raise UnsupportedError(f"{ufunc.__name__} has no derivative here")
    rule = rules[i]
    if rule is None or not is_float(out.inputs[i]):
        return None
    return multiply(ct, rule(out, *out.inputs))


#: A ufunc, by itself, on operands of its loop's dtypes and one shape; ``output``: which of its results.
pointwise: Op = Op(
    "pointwise",
    rule=_rule,
    reference=_reference,
    vjp=_vjp,
    batch=lambda inputs, axes, params: pointwise(*batch_all(pointwise, inputs, axes, expand_leading), **params),
)

# -- derivatives -------------------------------------------------------------------------------------------------------

#: The factor of the cotangent for each operand, from the node and its operands; None where it is zero or not known.
Slope = Callable[..., Node]


def _s(name: str, *x: Node) -> Node:
    """A ufunc of SciPy's, which is only needed once someone has used another."""
    from scipy import special  # type: ignore[import-untyped,unused-ignore]

    return pointwise(*x, ufunc=getattr(special, name))


def _times(x: Node, number: float) -> Node:
    return multiply(x, like(x, number))


def _plus(x: Node, number: float) -> Node:
    return add(x, like(x, number))


def _square(x: Node) -> Node:
    return multiply(x, x)


def _gauss(x: Node) -> Node:
    """exp(-x^2)."""
    return ew.exp(negative(_square(x)))


def _normal(x: Node) -> Node:
    """The density of the normal distribution."""
    return _times(ew.exp(_times(_square(x), -0.5)), 1 / math.sqrt(2 * math.pi))


def _beta_slope(out: Node, a: Node, b: Node) -> Node:
    return subtract(polygamma(a, n=0), polygamma(add(a, b), n=0))


def _where_zero(x: Node, value: Node, otherwise: Node) -> Node:
    return ew.where(ew.equal(x, like(x, 0)), value, otherwise)


def _over(x: Node, y: Node, *, at_zero: float) -> Node:
    """x / y, and a number where y is 0."""
    safe = _where_zero(y, like(y, 1), y)
    return _where_zero(y, like(y, at_zero), divide(x, safe))


def _boxcox_power(out: Node, x: Node, power: Node) -> Node:
    """By the power: (x^p log x - out) / p, in the limit log(x)^2 / 2."""
    log = ew.log(x)
    safe = _where_zero(power, like(power, 1), power)
    inner = divide(subtract(multiply(add(multiply(out, power), like(out, 1)), log), out), safe)
    return _where_zero(power, _times(_square(log), 0.5), inner)


_ROOT_PI = math.sqrt(math.pi)

_DERIVATIVES: Mapping[str, Sequence[Slope | None]] = {
    "nextafter": (lambda out, x, y: like(x, 1), None),
    "spacing": (None,),
    "frexp": (lambda out, x: divide(out, x),),
    "ldexp": (lambda out, x, n: pointwise(like(x, 1), n, ufunc=np.ldexp), None),
    "logit": (lambda out, x: divide(like(x, 1), multiply(x, subtract(like(x, 1), x))),),
    "log_expit": (lambda out, x: ew.sigmoid(negative(x)),),
    "erfinv": (lambda out, x: _times(ew.exp(_square(out)), _ROOT_PI / 2),),
    "erfcinv": (lambda out, x: _times(ew.exp(_square(out)), -_ROOT_PI / 2),),
    "erfcx": (lambda out, x: _plus(_times(multiply(x, out), 2), -2 / _ROOT_PI),),
    "dawsn": (lambda out, x: _plus(_times(multiply(x, out), -2), 1),),
    "gamma": (lambda out, x: multiply(out, polygamma(x, n=0)),),
    "rgamma": (lambda out, x: negative(multiply(out, polygamma(x, n=0))),),
    "psi": (lambda out, x: polygamma(x, n=1),),
    "_zeta": (None, lambda out, s, q: negative(multiply(s, pointwise(_plus(s, 1), q, ufunc=out.params["ufunc"])))),
    "beta": (
        lambda out, a, b: multiply(out, _beta_slope(out, a, b)),
        lambda out, a, b: multiply(out, _beta_slope(out, b, a)),
    ),
    "betaln": (_beta_slope, lambda out, a, b: _beta_slope(out, b, a)),
    "poch": (
        lambda out, z, m: negative(multiply(out, _beta_slope(out, z, m))),
        lambda out, z, m: multiply(out, polygamma(add(z, m), n=0)),
    ),
    "ndtr": (lambda out, x: _normal(x),),
    "log_ndtr": (lambda out, x: multiply(_normal(x), ew.exp(negative(out))),),
    "ndtri": (lambda out, x: divide(like(x, 1), _normal(out)),),
    "i0": (lambda out, x: _s("i1", x),),
    "i1": (lambda out, x: subtract(_s("i0", x), _over(out, x, at_zero=0.5)),),
    "i0e": (lambda out, x: subtract(_s("i1e", x), multiply(ew.sign(x), out)),),
    "i1e": (
        lambda out, x: subtract(_s("i0e", x), add(_over(out, x, at_zero=0.5), multiply(ew.sign(x), out))),
    ),
    "j0": (lambda out, x: negative(_s("j1", x)),),
    "j1": (lambda out, x: subtract(_s("j0", x), _over(out, x, at_zero=0.5)),),
    "y0": (lambda out, x: negative(_s("y1", x)),),
    "y1": (lambda out, x: subtract(_s("y0", x), divide(out, x)),),
    "jv": (None, lambda out, v, x: _times(subtract(_s("jv", _plus(v, -1), x), _s("jv", _plus(v, 1), x)), 0.5)),
    "yv": (None, lambda out, v, x: _times(subtract(_s("yv", _plus(v, -1), x), _s("yv", _plus(v, 1), x)), 0.5)),
    "iv": (None, lambda out, v, x: _times(add(_s("iv", _plus(v, -1), x), _s("iv", _plus(v, 1), x)), 0.5)),
    "kv": (None, lambda out, v, x: _times(add(_s("kv", _plus(v, -1), x), _s("kv", _plus(v, 1), x)), -0.5)),
    "exprel": (lambda out, x: _over(subtract(ew.exp(x), out), x, at_zero=0.5),),
    "boxcox": (lambda out, x, p: ew.power(x, _plus(p, -1)), _boxcox_power),
    "boxcox1p": (
        lambda out, x, p: ew.power(_plus(x, 1), _plus(p, -1)),
        lambda out, x, p: _boxcox_power(out, _plus(x, 1), p),
    ),
    "inv_boxcox": (lambda out, y, p: ew.power(out, subtract(like(p, 1), p)), None),
    "gammainc": (None, lambda out, a, x: ew.exp(_gamma_density(a, x))),
    "gammaincc": (None, lambda out, a, x: negative(ew.exp(_gamma_density(a, x)))),
    "betainc": (None, None, lambda out, a, b, x: ew.exp(_beta_density(a, b, x))),
    "exp10": (lambda out, x: _times(out, math.log(10)),),
}  # fmt: skip


def _gamma_density(a: Node, x: Node) -> Node:
    return subtract(subtract(multiply(_plus(a, -1), ew.log(x)), x), gammaln(a))


def _beta_density(a: Node, b: Node, x: Node) -> Node:
    logs = add(multiply(_plus(a, -1), ew.log(x)), multiply(_plus(b, -1), ew.log1p(negative(x))))
    return subtract(logs, _s("betaln", a, b))


# -- those that kernels have -------------------------------------------------------------------------------------------


def _native(name: str, function: Callable[[float], float], vjp: Vjp) -> Op:
    """A function of floats that has a scalar function in kernels; Python's own is the reference."""

    def rule(x: Aval) -> Aval:
        if x.dtype not in FLOATS:
            raise TypeError(f"{name} does not take {x.dtype}")
        return x

    def reference(x: np.ndarray) -> np.ndarray:
        return np.asarray([function(value) for value in x.ravel().tolist()], x.dtype).reshape(x.shape)

    op: Op = Op(
        name, rule=rule, reference=reference, vjp=vjp, kind="elementwise", loop=f"{name}({{0}})",
        batch=lambda inputs, axes, params: op(*inputs),
    )  # fmt: skip
    return op


def _lgamma(x: float) -> float:
    """log|gamma(x)|, infinite where Python's raises an error."""
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):
        return math.inf


erf: Op = _native("erf", math.erf, each(lambda ct, out, x: multiply(ct, _times(_gauss(x), 2 / _ROOT_PI))))
erfc: Op = _native("erfc", math.erfc, each(lambda ct, out, x: multiply(ct, _times(_gauss(x), -2 / _ROOT_PI))))
gammaln: Op = _native("gammaln", _lgamma, each(lambda ct, out, x: multiply(ct, polygamma(x, n=0))))

# -- the derivatives of log(gamma(x)) ------------------------------------------------------------------------------------

#: Bernoulli's numbers B(2), B(4), ...
_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798)
#: From here on the asymptotic series is exact to a double's precision.
_FAR = 16.0
#: The most steps of the recurrence from x to x + 1; what is farther below 0 gets NaN.
_STEPS = 10_000


def _polygamma_reference(x: np.ndarray, *, n: int) -> np.ndarray:
    """The derivative of order n + 1, by the recurrence up to where the asymptotic series holds.

    Below 0 the logarithmic derivative itself is reflected first.
    """
    y = np.asarray(x, float)
    sign = (-1.0) ** (n + 1)
    total = np.zeros_like(y)
    if n == 0:
        below = y < 0
        total = np.where(below, -math.pi / np.tan(math.pi * np.where(below, np.mod(y, 1), 0.5)), total)
        y = np.where(below, 1 - y, y)
    y = np.where(y < -_STEPS, math.nan, y)
    far = _FAR + n
    while np.any(near := y < far):
        total = np.where(near, total + sign * math.factorial(n) / y ** (n + 1), total)
        y = np.where(near, y + 1, y)
    series = math.factorial(n) / (2 * y ** (n + 1))
    for k, number in enumerate(_BERNOULLI, start=1):
        series = series + number * math.factorial(2 * k + n - 1) / math.factorial(2 * k) / y ** (2 * k + n)
    leading = -np.log(y) if n == 0 else math.factorial(n - 1) / y**n
    return np.asarray(total + sign * (leading + series), x.dtype)


def _polygamma_rule(x: Aval, *, n: int) -> Aval:
    if x.dtype not in FLOATS:
        raise TypeError(f"polygamma does not take {x.dtype}")
    return x


#: The derivative of order n + 1 of log(gamma(x)).
polygamma: Op = Op(
    "polygamma",
    rule=_polygamma_rule,
    reference=_polygamma_reference,
    vjp=each(lambda ct, out, x: multiply(ct, polygamma(x, n=out.params["n"] + 1))),
    batch=lambda inputs, axes, params: polygamma(*inputs, n=params["n"]),
)

OPS: Sequence[Op] = (pointwise, erf, erfc, gammaln, polygamma)
