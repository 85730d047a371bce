"""Scalar functions one by one, on one core and in cache: nanoseconds for an element in a kernel of ours and in NumPy's ufunc
with `out=` (or SciPy's). `python -m benchmarks.functions [--only exp,log]` prints them, the worst ratio first.
"""

from __future__ import annotations

import argparse
import ctypes
import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from benchmarks.timing import Effort, race
from tracegraph.backends.numba.cache import default_cache

__all__ = ["CASES", "Case", "measure"]

COUNT = 20_000
EFFORT = Effort(seconds=0.03, rounds=7, batch=1e-3)
FLOATS = ("float32", "float64")
INTEGERS = tuple(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))

Span = tuple[float, float]
_PLAIN: Span = (-10.0, 10.0)


class Case(NamedTuple):
    """A function on operands of one kind.

    Attributes:
        name: of the row.
        expression: what our kernel computes of `x` and `y`.
        rival: the ufunc.
        spans: where the operands lie, one for each.
        dtypes: what it is timed for.
        is_logarithmic: whether the operands are spread evenly by their logarithms.
    """

    name: str
    expression: str
    rival: Callable[..., Any]
    spans: tuple[Span, ...]
    dtypes: Sequence[str] = FLOATS
    is_logarithmic: bool = False

    def operands(self, dtype: str) -> list[np.ndarray]:
        random = np.random.default_rng(1)
        if self.is_logarithmic:
            return [np.exp(random.uniform(*np.log(span), COUNT)).astype(dtype) for span in self.spans]
        return [random.uniform(*span, COUNT).astype(dtype) for span in self.spans]


def _power_by(n: int) -> Callable[..., Any]:
    return lambda x, out: np.power(x, n, out=out)


def _unary(names: str, *spans: Span) -> list[Case]:
    return [Case(name, f"{name}(x)", getattr(np, name), spans) for name in names.split()]


def _binary(names: str, *spans: Span, dtypes: Sequence[str] = FLOATS) -> list[Case]:
    return [Case(name, f"{name}(x, y)", getattr(np, name), spans, dtypes) for name in names.split()]


def _rare() -> list[Case]:
    """Functions of operands that are seldom met."""
    huge, quotients = (1e10, 1e30), ((1e20, 1e30), (1e-3, 1.0))
    waves = [
        Case(f"{name}, huge", f"{name}(x)", getattr(np, name), (huge,), is_logarithmic=True)
        for name in ("sin", "cos", "tan")
    ]
    rests = [
        Case(f"{name}, huge", f"{name}(x, y)", getattr(np, name), quotients, is_logarithmic=True)
        for name in ("fmod", "remainder", "floor_divide")
    ]
    return [*waves, *rests]


def _of_scipy() -> list[Case]:
    try:
        from scipy import special
    except ImportError:
        return []
    return [
        Case("erf", "erf(x)", special.erf, ((-4.0, 4.0),)),
        Case("erfc", "erfc(x)", special.erfc, ((-4.0, 8.0),)),
        Case("sigmoid", "sigmoid(x)", special.expit, ((-20.0, 20.0),)),
        Case("gammaln", "gammaln(x)", special.gammaln, ((0.0, 30.0),)),
        Case("gammaln, below 0", "gammaln(x)", special.gammaln, ((-30.0, 0.0),)),
    ]


CASES: list[Case] = [
    *_unary("exp exp2 expm1 sinh cosh tanh arcsinh", _PLAIN),
    *_unary("log log2 log10 sqrt cbrt", (1e-3, 1e3)),
    *_unary("log1p", (-0.9, 10.0)),
    *_unary("sin cos tan", (-100.0, 100.0)),
    *_unary("arcsin arccos arctanh", (-1.0, 1.0)),
    *_unary("arctan", _PLAIN),
    *_unary("arccosh", (1.0, 100.0)),
    *_unary("square reciprocal absolute sign floor ceil trunc rint isnan isinf isfinite signbit", _PLAIN),
    *_binary("power", (0.0, 10.0), (-5.0, 5.0)),
    *(
        Case(f"power {n}", f"power_{n}(x)" if n > 0 else f"power_minus_{-n}(x)", _power_by(n), ((0.5, 2.0),))
        for n in (3, 5, -2)
    ),
    *_binary("arctan2 hypot copysign maximum fmin", _PLAIN, _PLAIN),
    *_binary("fmod remainder floor_divide", (-100.0, 100.0), _PLAIN),
    *(
        Case(name, f"add(maximum(x, y), log1p({exponential}(negative(absolute(subtract(x, y))))))", rival, (_PLAIN, _PLAIN))
        for name, exponential, rival in (("logaddexp", "exp", np.logaddexp), ("logaddexp2", "exp2", np.logaddexp2))
    ),
    *_binary("floor_divide remainder", (0.0, 100.0), (1.0, 10.0), dtypes=INTEGERS),
    *_binary("power", (0.0, 10.0), (0.0, 10.0), dtypes=INTEGERS),
    *_of_scipy(),
    *_rare(),
]  # fmt: skip

# -- measuring ---------------------------------------------------------------------------------------------------------

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64)


def _kernel(case: Case, operands: Sequence[np.ndarray], out: np.ndarray) -> Callable[[], None]:
    """A call of our kernel."""
    kinds = {**dict(zip("xy", operands, strict=False)), "out": out}
    lines = ["def each(args, lo, hi):"]
    for slot, (name, array) in enumerate(kinds.items()):
        dtype = "boolean" if array.dtype == bool else str(array.dtype)
        lines.append(f"    {name}_at = pointer(args, {slot}, {dtype})")
    lines += [
        "    for i in range(lo, hi):",
        *(f"        {name} = load({name}_at, i)" for name in kinds if name != "out"),
    ]
    lines.append(f"        store(out_at, i, {case.expression})")
    function = _KERNEL(default_cache.address("\n".join(lines) + "\n", "each"))
    table = np.array([array.ctypes.data for array in kinds.values()], np.int64)
    return functools.partial(lambda table, address: function(address, 0, COUNT), table, table.ctypes.data)


class Row(NamedTuple):
    """Nanoseconds for an element."""

    name: str
    dtype: str
    ours: float
    rival: float

    @property
    def ratio(self) -> float:
        return self.rival / self.ours


def measure(only: str = "", effort: Effort = EFFORT) -> list[Row]:
    """The rows with one of these words in their names, as `only` lists them, the slowest beside its rival first."""
    words = [word for word in only.split(",") if word]
    rows = []
    for case in CASES:
        for dtype in case.dtypes:
            if words and not any(word in f"{case.name} {dtype}" for word in words):
                continue
            with np.errstate(all="ignore"):
                rows.append(_row(case, dtype, effort))
    return sorted(rows, key=lambda row: row.ratio)


def _row(case: Case, dtype: str, effort: Effort) -> Row:
    operands = case.operands(dtype)
    out, room = (np.empty_like(case.rival(*(x[:1] for x in operands), out=None), shape=COUNT) for _ in range(2))
    ours = _kernel(case, operands, out)
    seconds = race({"ours": ours, "rival": lambda: case.rival(*operands, out=room)}, effort)
    return Row(case.name, dtype, seconds["ours"] / COUNT * 1e9, seconds["rival"] / COUNT * 1e9)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.functions", description=__doc__)
    parser.add_argument(
        "--only", default="", metavar="NAME", help="only rows with this (or this,or that) in their name"
    )
    rows = measure(parser.parse_args().only)
    print(f"{'':24}{'':9}{'ours ns':>9}{'NumPy ns':>10}{'ratio':>8}")
    for row in rows:
        print(f"{row.name:24}{row.dtype:9}{row.ours:9.3f}{row.rival:10.3f}{row.ratio:8.2f}")
    print(f"geometric mean of {len(rows)}: {math.exp(np.mean([math.log(row.ratio) for row in rows])):.2f}")


if __name__ == "__main__":
    main()
