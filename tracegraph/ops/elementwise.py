"""Operations on each element by itself. A row's name is NumPy's, and is also the name of its scalar function in
generated kernels; its derivative is written beside it.

Subgradients at kinks: 0 for ``absolute`` and ``sign`` at 0; half each for a tie of ``maximum`` or ``minimum``.

The cotangent ``ct`` of a complex ``z`` stands for the change ``Re(ct * dz)`` of what is differentiated, without conjugation:
then the rule of a holomorphic function is that of the real one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tracegraph.ir import Aval, Node, Op
from tracegraph.ir.node import Vjp
from tracegraph.ops.broadcast import expand_leading, fill, zeros_like
from tracegraph.ops.rules import (
    ANY,
    BOOL,
    BOOLS,
    COMPLEX,
    FLOATS,
    INEXACT,
    INTEGERS,
    NUMBERS,
    REALS,
    Params,
    batch_all,
    complex_of,
    each,
    is_float,
    real_of,
    same_avals,
)  # fmt: skip

OPS: list[Op] = []
INT32, UINT8 = np.dtype(np.int32), np.dtype(np.uint8)


def _row(
    name: str,
    reference: Callable[..., Any],
    vjp: Vjp | None = None,
    *,
    dtypes: Iterable[np.dtype] = FLOATS,
    to: Callable[[np.dtype], np.dtype] | None = None,
    arity: int = 1,
    in_kernels: bool = True,
) -> Op:
    """A strict elementwise operation.

    Args:
        name: of the operation, and of its scalar function if it has one.
        reference: what it means.
        vjp: its derivative rule.
        dtypes: what it takes.
        to: what the dtype of the result is, if it is not the same.
        arity: the number of operands, where the reference does not say.
        in_kernels: whether kernels have a scalar function for it; if not, it is a step of NumPy.
    """
    allowed = frozenset(dtypes)
    if isinstance(reference, np.ufunc):
        arity = reference.nin

    def rule(*avals: Aval) -> Aval:
        aval = same_avals(name, avals)
        if aval.dtype not in allowed:
            raise TypeError(f"{name} does not take {aval.dtype}")
        return aval if to is None else Aval(aval.shape, to(aval.dtype))

    def batch(inputs: Sequence[Node], axes: Sequence[bool], params: Params) -> Node:
        return op(*batch_all(op, inputs, axes, expand_leading))

    loop = f"{name}({', '.join(f'{{{k}}}' for k in range(arity))})" if in_kernels else None
    op: Op = Op(name, rule=rule, reference=reference, vjp=vjp, batch=batch, kind="elementwise", loop=loop)
    OPS.append(op)
    return op


def _to_bool(dtype: np.dtype) -> np.dtype:
    return BOOL


def like(node: Node, value: complex) -> Node:
    """A constant of the node's shape and dtype."""
    return fill(value, node.shape, node.dtype)


# -- arithmetic ----------------------------------------------------------------------------------------------------

add: Op = _row("add", np.add, each(lambda ct, out, x, y: ct, lambda ct, out, x, y: ct), dtypes=ANY)
subtract: Op = _row(
    "subtract", np.subtract, each(lambda ct, out, x, y: ct, lambda ct, out, x, y: negative(ct)), dtypes=NUMBERS
)
multiply: Op = _row(
    "multiply",
    np.multiply,
    each(lambda ct, out, x, y: multiply(ct, y), lambda ct, out, x, y: multiply(ct, x)),
    dtypes=ANY,
)
divide: Op = _row(
    "divide",
    np.divide,
    each(lambda ct, out, x, y: divide(ct, y), lambda ct, out, x, y: negative(divide(multiply(ct, out), y))),
    dtypes=INEXACT,
)
floor_divide: Op = _row("floor_divide", np.floor_divide, dtypes=REALS)
remainder: Op = _row(
    "remainder",
    np.remainder,
    each(lambda ct, out, x, y: ct, lambda ct, out, x, y: negative(multiply(ct, floor_divide(x, y)))),
    dtypes=REALS,
)


def _power_base(ct: Node, out: Node, x: Node, y: Node) -> Node:
    """d(x**y)/dx = y x**(y-1), and exactly 0 where y is 0, whatever x is."""
    zero = equal(y, like(y, 0))
    slope = multiply(y, power(x, where(zero, like(y, 1), subtract(y, like(y, 1)))))
    return multiply(ct, where(zero, like(y, 0), slope))


def _power_exponent(ct: Node, out: Node, x: Node, y: Node) -> Node:
    """d(x**y)/dy = x**y log x, and 0 at x = 0, the limit from y > 0."""
    safe = where(equal(x, like(x, 0)), like(x, 1), x)
    return multiply(ct, multiply(out, log(safe)))


power: Op = _row("power", np.power, each(_power_base, _power_exponent), dtypes=NUMBERS)
negative: Op = _row("negative", np.negative, each(lambda ct, out, x: negative(ct)), dtypes=NUMBERS)


def _absolute_vjp(ct: Node, out: Node, x: Node) -> Node:
    if x.dtype.kind != "c":
        return multiply(ct, sign(x))
    safe = where(equal(out, like(out, 0)), like(out, 1), out)
    return multiply(conj(x), convert(divide(ct, safe), dtype=x.dtype))


def _sign_vjp(ct: Node, out: Node, x: Node) -> Node | None:
    """Constant between jumps for reals. ``z / |z|`` turns with z: what is left of dz is its part across z, over 2|z|."""
    if x.dtype.kind != "c":
        return None
    across = subtract(ct, conj(multiply(ct, multiply(out, out))))
    size = absolute(x)
    zero = equal(size, like(size, 0))
    scaled = divide(across, convert(where(zero, like(size, 1), multiply(size, like(size, 2))), dtype=x.dtype))
    return where(zero, zeros_like(ct), scaled)


absolute: Op = _row("absolute", np.absolute, each(_absolute_vjp), dtypes=ANY, to=real_of)
sign: Op = _row("sign", np.sign, each(_sign_vjp), dtypes=NUMBERS)


def _pick(compare: Callable[[Node, Node], Node], mine: int) -> Callable[..., Node]:
    """The share of the cotangent of max(x, y) or min(x, y) that goes to one side: all, half at a tie, or none.

    ``compare``: whether a side is chosen, or as good as the other."""

    def rule(ct: Node, out: Node, *xy: Node) -> Node:
        me, other = xy[mine], xy[1 - mine]
        share = where(equal(me, other), multiply(ct, like(ct, 0.5)), ct)
        return where(compare(me, other), share, zeros_like(ct))

    return rule


maximum: Op = _row(
    "maximum",
    np.maximum,
    each(_pick(lambda x, y: greater_equal(x, y), 0), _pick(lambda x, y: greater_equal(x, y), 1)),
    dtypes=ANY,
)
minimum: Op = _row(
    "minimum",
    np.minimum,
    each(_pick(lambda x, y: less_equal(x, y), 0), _pick(lambda x, y: less_equal(x, y), 1)),
    dtypes=ANY,
)


def _or_other_is_nan(compare: Callable[[Node, Node], Node]) -> Callable[[Node, Node], Node]:
    return lambda x, y: logical_or(compare(x, y), not_equal(y, y))


fmax: Op = _row(
    "fmax",
    np.fmax,
    each(
        _pick(_or_other_is_nan(lambda x, y: greater_equal(x, y)), 0),
        _pick(_or_other_is_nan(lambda x, y: greater_equal(x, y)), 1),
    ),
    dtypes=ANY,
)
fmin: Op = _row(
    "fmin",
    np.fmin,
    each(
        _pick(_or_other_is_nan(lambda x, y: less_equal(x, y)), 0),
        _pick(_or_other_is_nan(lambda x, y: less_equal(x, y)), 1),
    ),
    dtypes=ANY,
)
fmod: Op = _row(
    "fmod",
    np.fmod,
    each(lambda ct, out, x, y: ct, lambda ct, out, x, y: negative(multiply(ct, trunc(divide(x, y))))),
    dtypes=REALS,
)

# -- exponentials --------------------------------------------------------------------------------------------------

exp: Op = _row("exp", np.exp, each(lambda ct, out, x: multiply(ct, out)), dtypes=INEXACT)
expm1: Op = _row("expm1", np.expm1, each(lambda ct, out, x: multiply(ct, add(out, like(out, 1)))), dtypes=INEXACT)
log: Op = _row("log", np.log, each(lambda ct, out, x: divide(ct, x)), dtypes=INEXACT)
log1p: Op = _row("log1p", np.log1p, each(lambda ct, out, x: divide(ct, add(x, like(x, 1)))), dtypes=INEXACT)
sqrt: Op = _row("sqrt", np.sqrt, each(lambda ct, out, x: divide(multiply(ct, like(out, 0.5)), out)), dtypes=INEXACT)
tanh: Op = _row(
    "tanh", np.tanh, each(lambda ct, out, x: multiply(ct, subtract(like(out, 1), multiply(out, out)))), dtypes=INEXACT
)


def _sigmoid_reference(x: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow on either side."""
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1 / (1 + small), small / (1 + small)), x.dtype)


sigmoid: Op = _row(
    "sigmoid",
    _sigmoid_reference,
    each(lambda ct, out, x: multiply(ct, multiply(out, subtract(like(out, 1), out)))),
)

exp2: Op = _row(
    "exp2", np.exp2, each(lambda ct, out, x: multiply(ct, multiply(out, like(out, math.log(2))))), dtypes=INEXACT
)
log2: Op = _row("log2", np.log2, each(lambda ct, out, x: divide(ct, multiply(x, like(x, math.log(2))))), dtypes=INEXACT)
log10: Op = _row(
    "log10", np.log10, each(lambda ct, out, x: divide(ct, multiply(x, like(x, math.log(10))))), dtypes=INEXACT
)
cbrt: Op = _row("cbrt", np.cbrt, each(lambda ct, out, x: divide(ct, multiply(like(x, 3), multiply(out, out)))))

# -- trigonometric and hyperbolic functions --------------------------------------------------------------------------


def _square_plus(x: Node, number: float) -> Node:
    return add(multiply(x, x), like(x, number))


def _one_minus_square(x: Node) -> Node:
    """Of reals in factors, exact near 1; of complex numbers as it keeps to one side of the cuts."""
    if x.dtype.kind == "c":
        return negative(_square_plus(x, -1))
    return multiply(subtract(like(x, 1), x), add(x, like(x, 1)))


sin: Op = _row("sin", np.sin, each(lambda ct, out, x: multiply(ct, cos(x))), dtypes=INEXACT)
cos: Op = _row("cos", np.cos, each(lambda ct, out, x: negative(multiply(ct, sin(x)))), dtypes=INEXACT)
tan: Op = _row("tan", np.tan, each(lambda ct, out, x: multiply(ct, _square_plus(out, 1))), dtypes=INEXACT)
arcsin: Op = _row("arcsin", np.arcsin, each(lambda ct, out, x: divide(ct, sqrt(_one_minus_square(x)))), dtypes=INEXACT)
arccos: Op = _row(
    "arccos",
    np.arccos,
    each(lambda ct, out, x: negative(divide(ct, sqrt(_one_minus_square(x))))),
    dtypes=INEXACT,
)
arctan: Op = _row("arctan", np.arctan, each(lambda ct, out, x: divide(ct, _square_plus(x, 1))), dtypes=INEXACT)
arctan2: Op = _row(
    "arctan2",
    np.arctan2,
    each(
        lambda ct, out, y, x: multiply(ct, _over_length(_over_length(x, hypot(y, x)), hypot(y, x))),
        lambda ct, out, y, x: negative(multiply(ct, _over_length(_over_length(y, hypot(y, x)), hypot(y, x)))),
    ),
)
sinh: Op = _row("sinh", np.sinh, each(lambda ct, out, x: multiply(ct, cosh(x))), dtypes=INEXACT)
cosh: Op = _row("cosh", np.cosh, each(lambda ct, out, x: multiply(ct, sinh(x))), dtypes=INEXACT)
arcsinh: Op = _row("arcsinh", np.arcsinh, each(lambda ct, out, x: divide(ct, sqrt(_square_plus(x, 1)))), dtypes=INEXACT)


def _arccosh_vjp(ct: Node, out: Node, x: Node) -> Node:
    """Two roots rather than that of ``x * x - 1``, which is on another branch left of the imaginary axis."""
    return divide(ct, multiply(sqrt(subtract(x, like(x, 1))), sqrt(add(x, like(x, 1)))))


arccosh: Op = _row("arccosh", np.arccosh, each(_arccosh_vjp), dtypes=INEXACT)
arctanh: Op = _row("arctanh", np.arctanh, each(lambda ct, out, x: divide(ct, _one_minus_square(x))), dtypes=INEXACT)
hypot: Op = _row(
    "hypot",
    np.hypot,
    each(
        lambda ct, out, x, y: multiply(ct, _over_length(x, out)),
        lambda ct, out, x, y: multiply(ct, _over_length(y, out)),
    ),
)


def _over_length(x: Node, length: Node) -> Node:
    """x / length, and 0 where that is 0."""
    zero = equal(length, like(length, 0))
    return where(zero, like(x, 0), divide(x, where(zero, like(length, 1), length)))


# -- complex numbers -------------------------------------------------------------------------------------------------


def _make_complex(re: np.ndarray, im: np.ndarray) -> np.ndarray:
    result = np.empty(np.shape(re), complex_of(re.dtype))
    result.real, result.imag = re, im
    return result


conj: Op = _row("conj", np.conjugate, each(lambda ct, out, x: conj(ct)), dtypes=COMPLEX)
real: Op = _row("real", np.real, each(lambda ct, out, x: convert(ct, dtype=x.dtype)), dtypes=COMPLEX, to=real_of)
imag: Op = _row(
    "imag", np.imag, each(lambda ct, out, x: make_complex(zeros_like(ct), negative(ct))), dtypes=COMPLEX, to=real_of
)
make_complex: Op = _row(
    "make_complex",
    _make_complex,
    each(lambda ct, out, re, im: real(ct), lambda ct, out, re, im: negative(imag(ct))),
    dtypes=[real_of(dtype) for dtype in COMPLEX],
    to=complex_of,
    arity=2,
)

# -- rounding and floating-point tests -----------------------------------------------------------------------------

floor: Op = _row("floor", np.floor)
ceil: Op = _row("ceil", np.ceil)
trunc: Op = _row("trunc", np.trunc)
rint: Op = _row("rint", np.rint, dtypes=INEXACT)
isnan: Op = _row("isnan", np.isnan, dtypes=INEXACT, to=_to_bool)
isinf: Op = _row("isinf", np.isinf, dtypes=INEXACT, to=_to_bool)
isfinite: Op = _row("isfinite", np.isfinite, dtypes=INEXACT, to=_to_bool)
signbit: Op = _row("signbit", np.signbit, to=_to_bool)
copysign: Op = _row(
    "copysign",
    np.copysign,
    each(lambda ct, out, x, y: multiply(ct, multiply(sign(x), copysign(like(x, 1), y))), None),
)

nextafter: Op = _row("nextafter", np.nextafter, each(lambda ct, out, x, y: ct, None), in_kernels=False)
spacing: Op = _row("spacing", np.spacing, in_kernels=False)
frexp_mantissa: Op = _row(
    "frexp_mantissa",
    lambda x: np.frexp(x)[0],
    each(lambda ct, out, x: ldexp(ct, negative(frexp_exponent(x)))),
    in_kernels=False,
)
frexp_exponent: Op = _row("frexp_exponent", lambda x: np.frexp(x)[1], to=lambda dtype: INT32, in_kernels=False)


def _ldexp_rule(x: Aval, exponent: Aval) -> Aval:
    if x.dtype not in FLOATS:
        raise TypeError(f"ldexp does not take {x.dtype}")
    if x.shape != exponent.shape or exponent.dtype not in INTEGERS:
        raise TypeError(f"ldexp: the exponents of {x} are {exponent}")
    return x


#: ``x * 2**exponent``, where the power alone may overflow.
ldexp: Op = Op(
    "ldexp",
    rule=_ldexp_rule,
    reference=np.ldexp,
    vjp=each(lambda ct, out, x, exponent: ldexp(ct, exponent), None),
    batch=lambda inputs, axes, params: ldexp(*batch_all(ldexp, inputs, axes, expand_leading)),
    kind="elementwise",
)

# -- comparison, logic, bits ---------------------------------------------------------------------------------------

equal: Op = _row("equal", np.equal, dtypes=ANY, to=_to_bool)
not_equal: Op = _row("not_equal", np.not_equal, dtypes=ANY, to=_to_bool)
less: Op = _row("less", np.less, dtypes=ANY, to=_to_bool)
less_equal: Op = _row("less_equal", np.less_equal, dtypes=ANY, to=_to_bool)
greater: Op = _row("greater", np.greater, dtypes=ANY, to=_to_bool)
greater_equal: Op = _row("greater_equal", np.greater_equal, dtypes=ANY, to=_to_bool)
logical_and: Op = _row("logical_and", np.logical_and, dtypes=BOOLS)
logical_or: Op = _row("logical_or", np.logical_or, dtypes=BOOLS)
logical_xor: Op = _row("logical_xor", np.logical_xor, dtypes=BOOLS)
logical_not: Op = _row("logical_not", np.logical_not, dtypes=BOOLS)
bitwise_and: Op = _row("bitwise_and", np.bitwise_and, dtypes=INTEGERS)
bitwise_or: Op = _row("bitwise_or", np.bitwise_or, dtypes=INTEGERS)
bitwise_xor: Op = _row("bitwise_xor", np.bitwise_xor, dtypes=INTEGERS)
invert: Op = _row("invert", np.invert, dtypes=INTEGERS)
left_shift: Op = _row("left_shift", np.left_shift, dtypes=INTEGERS)
right_shift: Op = _row("right_shift", np.right_shift, dtypes=INTEGERS)
gcd: Op = _row("gcd", np.gcd, dtypes=INTEGERS, in_kernels=False)
lcm: Op = _row("lcm", np.lcm, dtypes=INTEGERS, in_kernels=False)
bitwise_count: Op = _row("bitwise_count", np.bitwise_count, dtypes=INTEGERS, to=lambda dtype: UINT8, in_kernels=False)

# -- choice and conversion -----------------------------------------------------------------------------------------


def _where_rule(condition: Aval, x: Aval, y: Aval) -> Aval:
    aval = same_avals("where", (x, y))
    if condition != Aval(x.shape, BOOL):
        raise TypeError(f"where: the condition is {condition}, expected {Aval(x.shape, BOOL)}")
    return aval


where: Op = Op(
    "where",
    rule=_where_rule,
    reference=np.where,
    vjp=each(
        None,
        lambda ct, out, c, x, y: where(c, ct, zeros_like(ct)),
        lambda ct, out, c, x, y: where(c, zeros_like(ct), ct),
    ),
    batch=lambda inputs, axes, params: where(*batch_all(where, inputs, axes, expand_leading)),
    kind="elementwise",
    loop="where({0}, {1}, {2})",
)


def _convert_vjp(ct: Node, out: Node, x: Node) -> Node | None:
    """A real that becomes complex is changed by the real part only."""
    if not (is_float(out) and is_float(x)):
        return None
    return convert(ct if x.dtype.kind == "c" or ct.dtype.kind != "c" else real(ct), dtype=x.dtype)


def _convert(x: np.ndarray, *, dtype: np.dtype) -> np.ndarray:
    """Without a warning where an imaginary part is dropped."""
    source = np.asarray(x)
    return (source.real if source.dtype.kind == "c" and dtype.kind not in "cb" else source).astype(dtype)


convert: Op = Op(
    "convert",
    rule=lambda x, *, dtype: Aval(x.shape, dtype),
    reference=_convert,
    vjp=each(_convert_vjp),
    batch=lambda inputs, axes, params: convert(*inputs, **params),
    kind="elementwise",
    loop="cast_{dtype}({0})",
)

OPS += [where, convert, ldexp]
