"""Random NumPy programs: straight lines of statements on small arrays, the same for the same seed.

A program is drawn by running it: each statement is made for the values that the variables have at that point, and is
kept if NumPy takes it. So no rule of NumPy's is written down here a second time.
"""

import linecache
import random
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tracegraph.ir import DTYPES

__all__ = ["Program", "draw", "quiet", "spread", "variants"]

Env = dict[str, Any]


@dataclass(frozen=True)
class Statement:
    """One line.

    Attributes:
        source: the line.
        target: the variable that it binds or writes into.
        noise: how exact its value is: "" as exact as its operands; "rounded" or "close": to the last place or to a few;
            else the source of what the error is relative to, such as the sum of the magnitudes.
    """

    source: str
    target: str
    noise: str = ""


@dataclass(frozen=True)
class Program:
    """Inputs by name, and statements. It returns every variable that it binds."""

    seed: int
    inputs: tuple[tuple[str, Any], ...]
    statements: tuple[Statement, ...]

    @property
    def names(self) -> list[str]:
        """The variables that it binds, in order."""
        names = [name for name, _ in self.inputs]
        bound = dict.fromkeys(line.target for line in self.statements)
        return [name for name in bound if name not in names]

    def source(self) -> str:
        """The function as Python source."""
        lines = [f"    {line.source}" for line in self.statements]
        names = "".join(f"{name}, " for name in self.names)
        return "\n".join([f"def program({', '.join(dict(self.inputs))}):", *lines, f"    return ({names})", ""])

    def script(self) -> str:
        """A program that can be run by itself, with its inputs."""
        given = [f"{name} = {_literal(value)}" for name, value in self.inputs]
        call = f"print(program({', '.join(dict(self.inputs))}))"
        return "\n".join([f"# seed {self.seed}", "import numpy as np", "", self.source(), *given, call])

    def function(self) -> Callable[..., Any]:
        """The function itself; tracebacks show its source."""
        source, file = self.source(), f"<program {self.seed}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        scope: dict[str, Any] = {"np": np}
        exec(compile(source, file, "exec"), scope)
        return scope["program"]  # type: ignore[no-any-return]

    def arguments(self) -> list[Any]:
        """Fresh copies of the inputs."""
        return [value.copy() if isinstance(value, np.ndarray) else value for _, value in self.inputs]


def _literal(value: Any) -> str:
    if not isinstance(value, np.ndarray):
        return repr(value)
    with np.printoptions(threshold=10**6):
        values = repr(value.tolist()).replace("nan", "np.nan").replace("inf", "np.inf")
    return f"np.array({values}, np.{value.dtype}).reshape({value.shape})"


@contextmanager
def quiet() -> Iterator[None]:
    """Without NumPy's warnings of values that are not finite."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        warnings.simplefilter("ignore", np.exceptions.ComplexWarning)
        yield


def variants(program: Program) -> Iterator[Program]:
    """The program without one of its statements, the last one first."""
    for k in reversed(range(len(program.statements))):
        yield replace(program, statements=program.statements[:k] + program.statements[k + 1 :])


# -- how exact a program's values are ----------------------------------------------------------------------------------


def spread(program: Program, expected: Sequence[Any], runs: int = 4) -> list[Any]:
    """How far each value of the results, and then of the arguments, may be from those of an eager run.

    The program is run with errors of a few units in the last place after every statement that is not exact. What comes
    out different by that is no better known; infinity stands for values that may be anything (a comparison fell out
    the other way).
    """
    slack = [np.zeros(np.shape(value)) for value in expected]
    for run in range(runs):
        rng = np.random.default_rng([program.seed, run // 2])  # two runs with opposite errors
        env: Env = dict(zip(dict(program.inputs), program.arguments(), strict=True))
        with quiet():
            for line in program.statements:
                scale = eval(line.noise, {"np": np}, env) if line.noise not in ("", "rounded", "close") else None
                exec(line.source, {"np": np}, env)
                if line.noise:
                    env[line.target] = _disturbed(env[line.target], line.noise, scale, rng, (-1) ** run)
            values = [env[name] for name in (*program.names, *dict(program.inputs))]
            slack = [np.fmax(known, _distance(*pair)) for known, *pair in zip(slack, expected, values, strict=True)]
    with quiet():
        return [4 * distance for distance in slack]


def _disturbed(value: Any, noise: str, scale: Any, rng: np.random.Generator, sign: int) -> Any:
    """The value with an error, in its own memory; whole numbers are exact where only rounding could hurt them."""
    array = np.asarray(value)
    if array.dtype.kind not in "fc":
        return value
    error = sign * rng.choice([-1.0, 1.0], array.shape) * rng.uniform(0.5, 1, array.shape) * np.finfo(array.dtype).eps
    if noise == "rounded":
        wrong = np.where((np.rint(array) == array) & (np.abs(array) < 2.0**10), array, array * (1 + error))
    elif noise == "close":
        wrong = array * (1 + 4 * error)
    else:
        wrong = array + 4 * error * scale
    if isinstance(value, np.ndarray) and value.flags.writeable:
        value[...] = wrong
        return value
    return type(value)(wrong)


def _distance(expected: Any, actual: Any) -> np.ndarray:
    expected, actual = np.asarray(expected, complex), np.asarray(actual, complex)
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual))
    distance = np.abs(expected - actual)
    return np.where(same, 0.0, np.where(np.isfinite(distance), distance, np.inf))


# -- drawing -----------------------------------------------------------------------------------------------------------


class _Draw:
    """One program in the making: the variables with their values, and the source of chance."""

    def __init__(self, seed: int, *, smooth: bool) -> None:
        self.chance = random.Random(seed)
        self.smooth = smooth
        self.env: Env = {}
        self.count = 0
        self.extents = [self.chance.choice([1, 2, 3, 3, 4, 5, 0 if self.chance.random() < 0.15 else 2]) for _ in "mnk"]

    def pick(self, *choices: Any) -> Any:
        return self.chance.choice(choices)

    def new(self) -> str:
        self.count += 1
        return f"t{self.count}"

    def names(self, want: Callable[[Any], bool] = lambda value: True) -> list[str]:
        return [name for name, value in self.env.items() if want(value)]

    def any(self, want: Callable[[Any], bool] = lambda value: True) -> str:
        """A variable, a late one sooner than an early one."""
        names = self.names(want)
        return names[max(self.chance.randrange(len(names)), self.chance.randrange(len(names)))]

    def array(self) -> str:
        return self.any(lambda value: isinstance(value, np.ndarray) and value.ndim > 0)

    def floating(self) -> str:
        return self.any(lambda value: np.asarray(value).dtype.kind == "f")

    def partner(self, name: str) -> str:
        """A second operand: one that broadcasts with the first, or a Python number."""
        shape = np.shape(self.env[name])
        if self.chance.random() < 0.25:
            return self.number()
        return self.any(lambda value: _fits(np.shape(value), shape))

    def number(self) -> str:
        return (
            str(self.pick(0.5, 1.5, -0.25, 2.0))
            if self.smooth
            else str(self.pick(0.5, 2, 3, -1, 1.5, 0, 1, True, -2.0))
        )

    def axis(self, x: Any, *, several: bool = True) -> str:
        ndim = np.ndim(x)
        if not ndim or self.chance.random() < 0.25:
            return "None"
        axes = self.chance.sample(range(ndim), self.chance.randint(1, ndim))
        signed = [axis - ndim if self.chance.random() < 0.4 else axis for axis in axes]
        return repr(tuple(signed)) if several and self.chance.random() < 0.3 else repr(signed[0])

    def index(self, shape: tuple[int, ...]) -> str:
        """A basic index for an array of this shape."""
        items = [self.item(n) for n in shape[: self.chance.randint(0, len(shape))]]
        if self.chance.random() < 0.2:
            items.insert(self.chance.randint(0, len(items)), "None")
        if self.chance.random() < 0.2 or not items:
            items.insert(self.chance.randint(0, len(items)), "...")
        return ", ".join(items)

    def item(self, n: int) -> str:
        if n and self.chance.random() < 0.3:
            return str(self.chance.randint(-n, n - 1))
        bounds = [str(self.chance.randint(-n - 1, n + 1)) if self.chance.random() < 0.4 else "" for _ in range(2)]
        step = self.pick("", "", "", ":-1", ":2", ":-2", ":3")
        return ":".join(bounds) + step

    def shape_for(self, size: int) -> tuple[int, ...]:
        """A shape of that many elements."""
        shape = []
        while len(shape) < 3 and size > 1:
            n = self.pick(*(n for n in range(1, size + 1) if size % n == 0))
            shape.append(n)
            size //= n
        shape = [*shape, size] if size != 1 or not shape else shape
        if self.chance.random() < 0.3 and 0 not in shape:
            shape[self.chance.randrange(len(shape))] = -1
        return tuple(shape)


def _fits(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    return all(1 in pair or pair[0] == pair[1] for pair in zip(reversed(shape), reversed(other), strict=False))


def _unary(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any()
    exact = (
        "negative",
        "absolute",
        "floor",
        "ceil",
        "trunc",
        "rint",
        "sign",
        "isnan",
        "isfinite",
        "logical_not",
        "positive",
    )
    close = ("exp", "log", "sqrt", "tanh", "expm1", "log1p")
    function = draw.pick(*exact, *close, "square")
    noise = "" if function in exact else "rounded" if function == "square" else "close"
    return Statement(f"{name} = np.{function}({x})", name, noise)


def _operator(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any()
    y = draw.partner(x)
    if draw.chance.random() < 0.15:
        exponents = (
            (2, 3, 2.0, 0.5) if np.all(np.isfinite(draw.env[x])) else (2, 3)
        )  # NumPy has two values of (-inf)**0.5
        return Statement(f"{name} = {x} ** {draw.pick(*exponents)}", name, "close")
    symbol = draw.pick(*"+ - * / // % < <= == != > >= & | ^ + - * /".split())
    pair = f"{x} {symbol} {y}" if draw.chance.random() < 0.7 else f"{y} {symbol} {x}"
    return Statement(f"{name} = {pair}", name, "rounded" if symbol in "*/" else "")


def _binary(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any()
    function = draw.pick("maximum", "minimum", "add", "multiply", "logical_and", "copysign", "logaddexp", "subtract")
    noise = {"multiply": "rounded", "logaddexp": f"1 + np.abs({name})"}.get(function, "")
    line = f"{name} = np.{function}({x}, {draw.partner(x)})"
    return Statement(line, name, "close" if function == "logaddexp" else noise)


def _out(draw: _Draw) -> Statement:
    """A ufunc into an array that is there already, perhaps masked."""
    z = draw.array()
    shape = draw.env[z].shape
    x, y = (draw.any(lambda value: _fills(np.shape(value), shape)) for _ in "xy")
    function = draw.pick("add", "subtract", "multiply", "maximum")
    masks = draw.names(lambda value: np.asarray(value).dtype.kind == "b" and _fills(np.shape(value), shape))
    where = f", where={draw.pick(*masks)}" if masks and draw.chance.random() < 0.5 else ""
    return Statement(f"np.{function}({x}, {y}, out={z}{where})", z, "rounded" if function == "multiply" else "")


def _fills(shape: tuple[int, ...], whole: tuple[int, ...]) -> bool:
    return len(shape) <= len(whole) and _fits(shape, whole) and np.broadcast_shapes(shape, whole) == whole


def _reduction(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any()
    function = draw.pick("sum", "sum", "mean", "max", "min", "prod", "any", "all", "var", "argmax", "argmin")
    axis = draw.axis(draw.env[x], several=not function.startswith("arg"))
    arguments = f"axis={axis}" + (", keepdims=True" if draw.chance.random() < 0.3 else "")
    if draw.smooth or draw.chance.random() < 0.7 or not hasattr(draw.env[x], "sum"):
        line = f"{name} = np.{function}({x}, {arguments})"
    else:
        line = f"{name} = {x}.{function}({arguments})"
    size = f"np.abs(np.asarray({x}, float))"
    noise = {
        "sum": f"np.sum({size}, {arguments})",
        "mean": f"np.mean({size}, {arguments})",
        "var": f"np.mean({size} ** 2, {arguments})",
        "prod": "close",
    }
    return Statement(line, name, noise.get(function, ""))


def _reshape(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any(_is_in_c_order)
    shape = draw.shape_for(draw.env[x].size)
    return Statement(
        f"{name} = {draw.pick(f'{x}.reshape({shape})', f'np.reshape({x}, {shape})', f'np.ravel({x})')}", name
    )


def _is_in_c_order(value: Any) -> bool:
    """An array, or a view of one, that lies in C order: traced arrays are taken to.

    NumPy lets the result of a ufunc lie in the order of its operands. Whether a reshape of it is a view or a copy is
    not traced.
    """
    while isinstance(value, np.ndarray) and value.base is not None:
        value = value.base
    return isinstance(value, np.ndarray) and value.flags.c_contiguous


def _transpose(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.array()
    ndim = draw.env[x].ndim
    axes = tuple(draw.chance.sample(range(ndim), ndim))
    i, j = draw.chance.randrange(-ndim, ndim), draw.chance.randrange(-ndim, ndim)
    lines = (f"{x}.T", f"np.transpose({x}, {axes})", f"np.swapaxes({x}, {i}, {j})", f"np.moveaxis({x}, {i}, {j})")
    return Statement(f"{name} = {draw.pick(*lines)}", name)


def _slice(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any(lambda value: isinstance(value, np.ndarray))
    return Statement(f"{name} = {x}[{draw.index(draw.env[x].shape)}]", name)


def _view(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.array()
    k = draw.chance.randrange(draw.env[x].ndim)
    lead = draw.pick(1, 2, 3)
    lines = (
        f"np.expand_dims({x}, {k})",
        f"np.squeeze({x})",
        f"np.flip({x}, {k})",
        f"np.broadcast_to({x}, {(lead, *draw.env[x].shape)})",
        f"np.atleast_2d({x})",
    )
    return Statement(f"{name} = {draw.pick(*lines)}", name)


def _join(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.array()
    shape = draw.env[x].shape
    axis = draw.chance.randrange(-len(shape), len(shape))

    def joins(value: Any) -> bool:
        other = np.shape(value)
        return len(other) == len(shape) and all(
            n == m for k, (n, m) in enumerate(zip(shape, other, strict=True)) if k != axis % len(shape)
        )

    alike = draw.any(lambda value: np.shape(value) == shape)
    lines = (
        f"np.concatenate([{x}, {draw.any(joins)}], axis={axis})",
        f"np.stack([{x}, {alike}], axis={axis})",
        f"np.vstack([{x}, {alike}])",
        f"np.hstack(({x}, {alike}, {x}))",
    )
    return Statement(f"{name} = {draw.pick(*lines)}", name)


def _choose(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any()
    y = draw.partner(x)
    if draw.chance.random() < 0.4:
        low, high = sorted([draw.pick(-1, 0, -0.5), draw.pick(1, 0.5, 2)])
        return Statement(f"{name} = {draw.pick(f'np.clip({x}, {low}, {high})', f'np.clip({x}, {low}, None)')}", name)
    return Statement(f"{name} = np.where({x} > 0, {x}, {y})", name)


def _astype(draw: _Draw) -> Statement | None:
    name, x = draw.new(), draw.any(lambda value: isinstance(value, (np.ndarray, np.generic)))
    to = draw.pick("np.float64", "np.float32", "np.int64", "np.int32", "bool", "float")
    value = np.asarray(draw.env[x])
    unsafe = value.dtype.kind in "fc" and "int" in to and not np.all(np.abs(value.astype(complex)) < 1e6)
    return None if unsafe else Statement(f"{name} = {x}.astype({to})", name)


def _product(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any(lambda value: np.ndim(value) > 0)
    shape = np.shape(draw.env[x])

    def multiplies(value: Any) -> bool:
        other = np.shape(value)
        if not other:
            return False
        return shape[-1] == other[-2 if len(other) > 1 else 0] and (len(other) < 3 or _fits(shape[:-2], other[:-2]))

    y = draw.any(multiplies)
    line = draw.pick(
        f"{x} @ {y}", f"np.matmul({x}, {y})", f"np.dot({x}, {y})" if np.ndim(draw.env[y]) < 3 else f"{x} @ {y}"
    )
    return Statement(f"{name} = {line}", name, f"np.matmul(np.abs({x}).astype(float), np.abs({y}).astype(float))")


def _assign(draw: _Draw) -> Statement:
    """Into a part of an array, or all of it: plain or augmented."""
    z = draw.array()
    index = draw.index(draw.env[z].shape)
    part = draw.env[z][eval(f"np.s_[{index}]", {"np": np})]
    value = draw.number() if draw.chance.random() < 0.3 else draw.any(lambda value: _fills(np.shape(value), part.shape))
    taken = np.asarray(draw.env.get(value, 0))
    into = draw.env[z].dtype.kind
    symbol = draw.pick("=", "=", "+=", "*=", "-=")
    if symbol == "=" and into in "iu" and taken.dtype.kind in "fc" and not np.all(np.abs(taken.astype(complex)) < 1e6):
        value = "1"
    return Statement(f"{z}[{index}] {symbol} {value}", z, "rounded" if symbol == "*=" else "")


def _augment(draw: _Draw) -> Statement:
    """``x += y``: in place for an array, a new binding for a number."""
    z = draw.any(lambda value: isinstance(value, np.ndarray))
    value = draw.any(lambda value: _fills(np.shape(value), draw.env[z].shape))
    symbol = draw.pick("+=", "-=", "*=", "/=", "+=")
    y = draw.number() if draw.chance.random() < 0.3 else value
    return Statement(f"{z} {symbol} {y}", z, "rounded" if symbol in ("*=", "/=") else "")


def _create(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.any(lambda value: isinstance(value, np.ndarray))
    lines = (
        f"{x}.copy()",
        f"np.zeros_like({x})",
        f"np.ones_like({x})",
        f"np.full_like({x}, 2)",
        f"np.array({x}.shape)",
    )
    return Statement(f"{name} = {draw.pick(*lines[:4])}", name)


def _round(draw: _Draw) -> Statement:
    name, x = draw.new(), draw.floating()
    return Statement(
        f"{name} = {draw.pick(f'np.round({x}, 1)', f'np.nan_to_num({x})', f'np.round({x})')}", name, "rounded"
    )


def _wrong(draw: _Draw) -> Statement:
    """What NumPy refuses."""
    name, x = draw.new(), draw.array()
    shape = draw.env[x].shape
    lines = (
        f"{x} + np.ones({(*shape[:-1], shape[-1] + 2)})",
        f"np.sum({x}, axis={len(shape)})",
        f"{x}.reshape({draw.env[x].size + 1})",
        f"{x}[{shape[0]}]",
        f"{x}[{', '.join('0' * (len(shape) + 1))}]",
        f"{x} @ np.ones({shape[-1] + 1})",
        f"np.concatenate([{x}, {x}[0:0, None]])",
        f"np.transpose({x}, {(0,) * (len(shape) + 1)})",
        f"np.stack([{x}, {x}[:0]])",
        f"np.broadcast_to({x}, {tuple(n + 2 for n in shape)})",
        f"np.max({x}[:0], axis=0)",
        f"~({x} / 2)",
        f"-({x} > 0)",
        f"({x} > 0) - ({x} > 0)",
        f"np.add({x}, 0.5, out=np.ones_like({x}, dtype=int))",
        f"np.expand_dims({x}, {len(shape) + 1})",
        f"np.squeeze({x}[None, None], {2 + len(shape)})",
    )
    return Statement(f"{name} = {draw.pick(*lines)}", name)


_KINDS: tuple[tuple[Callable[[_Draw], Statement | None], int], ...] = (
    (_unary, 3), (_operator, 6), (_binary, 2), (_out, 2), (_reduction, 4), (_reshape, 2), (_transpose, 2), (_slice, 4),
    (_view, 2), (_join, 2), (_choose, 2), (_astype, 1), (_product, 2), (_assign, 3), (_augment, 2), (_create, 1),
    (_round, 1),
)  # fmt: skip


def _smooth(draw: _Draw) -> Statement:
    """What has derivatives everywhere, and does not grow."""
    name, x = draw.new(), draw.any()
    y = draw.any(lambda value: _fits(np.shape(value), np.shape(draw.env[x])))
    axis = draw.axis(draw.env[x])
    return Statement(
        f"{name} = " + draw.pick(
            f"np.tanh({x} * {y})", f"{x} + {y}", f"{x} - {y} * 0.5", f"np.exp(np.tanh({x}))", f"np.sqrt(1 + {x} * {x})",
            f"{x} / (2 + {y} * {y})", f"np.log1p(np.exp(np.tanh({x})))", f"np.sum({x}, axis={axis}) * 0.5",
            f"np.mean({x}, axis={axis}, keepdims=True)", f"np.tanh(np.prod(np.tanh({x}), axis={axis}))",
            f"np.where({draw.number()} > 0, {x}, {y})", f"(1 + np.tanh({x})) ** 1.5",
            f"(1.5 + np.tanh({x})) ** np.tanh({y})",
            f"np.logaddexp({x}, {y})", f"np.var({x}, axis={axis})", f"np.expm1(np.tanh({x})) - {y}", f"np.copy({x})",
        ),
        name,
    )  # fmt: skip


_SMOOTH_KINDS: tuple[tuple[Callable[[_Draw], Statement | None], int], ...] = (
    (_smooth, 8), (_reshape, 1), (_transpose, 1), (_slice, 2), (_view, 1), (_join, 1), (_product, 1), (_assign, 2),
)  # fmt: skip


def _inputs(draw: _Draw, seed: int) -> list[tuple[str, Any]]:
    rng = np.random.default_rng(seed)
    m, n, k = draw.extents
    shapes = [(m, n), (n,), (m, 1), (n, k), (k, m, n), (), (m, n), (1, n)]
    given: list[tuple[str, Any]] = []
    for name in "abcd"[: draw.chance.randint(1, 4)]:
        shape = draw.pick(*shapes[: 4 if name == "a" else 8])
        dtype = "f8" if draw.smooth else draw.pick(*"f8 f8 f8 f4 f4 i8 i8 i4 ? i1 u1 c16 c8 f2".split())
        given.append(
            (name, _values(rng, shape, np.dtype(dtype), special=not draw.smooth and draw.chance.random() < 0.15))
        )
    if draw.chance.random() < 0.3:
        given.append(("s", draw.pick(0.5, -1.25) if draw.smooth else draw.pick(2, -1.5, 0.75, True)))
    return given


def _values(rng: np.random.Generator, shape: tuple[int, ...], dtype: np.dtype, *, special: bool) -> np.ndarray:
    if dtype.kind in "fc":
        values = rng.normal(size=shape) + (1j * rng.normal(size=shape) if dtype.kind == "c" else 0)
        if special:
            values = np.where(rng.random(shape) < 0.2, rng.choice([np.nan, np.inf, -np.inf, 0.0, -0.0], shape), values)
        return np.asarray(values, dtype)
    low = -6 if dtype.kind == "i" else 0
    return rng.integers(low, 2 if dtype.kind == "b" else 9, shape).astype(dtype)


def draw(seed: int, length: int = 25, *, smooth: bool = False, wrong: float = 0.06) -> Program:
    """A program.

    Args:
        seed: the same seed and arguments give the same program.
        length: the greatest number of statements.
        smooth: only float64 and what is differentiable everywhere.
        wrong: how often it ends with a statement that NumPy refuses.
    """
    draw = _Draw(seed, smooth=smooth)
    inputs = _inputs(draw, seed)
    program = Program(seed, tuple(inputs), ())
    draw.env.update(zip(dict(inputs), program.arguments(), strict=True))
    kinds, weights = zip(*(_SMOOTH_KINDS if smooth else _KINDS), strict=True)
    lines: list[Statement] = []
    for _ in range(draw.chance.randint(1, length)):
        make = draw.chance.choices(kinds, weights)[0]
        line = _tried(draw, make)
        if line is not None:
            lines.append(line)
    if not smooth and draw.chance.random() < wrong and draw.names(lambda value: np.ndim(value) > 0):
        lines.append(_wrong(draw))
    return replace(program, statements=tuple(lines))


def _tried(draw: _Draw, make: Callable[[_Draw], Statement | None]) -> Statement | None:
    """A statement that NumPy takes, carried out; None if chance made none."""
    try:
        with quiet():
            line = make(draw)
    except (IndexError, ValueError, TypeError):  # no variable fits
        return None
    if line is None:
        return None
    with quiet():
        try:
            exec(line.source, {"np": np}, draw.env)
        except (TypeError, ValueError, IndexError, ArithmeticError):
            return None
    value = draw.env[line.target]
    is_wild = draw.smooth and not np.all(np.abs(value) < 30)
    is_wild |= type(value) is complex  # a root of a negative number, which Python makes complex for its value
    if np.size(value) > 400 or np.ndim(value) > 5 or np.asarray(value).dtype not in DTYPES or is_wild:
        del draw.env[line.target]
        return None
    return line
