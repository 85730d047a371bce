"""Derivatives of whole models: gradients and Hessian-vector products, with loops where a library has them. Each library
computes the same; `loops` and `slopes` say how it writes a loop and asks for a derivative inside a function."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from benchmarks.gradients import rosenbrock
from benchmarks.workload import Arguments, Workload, random

__all__ = ["DERIVATIVES"]

Scan = Callable[[Callable[..., Any], Any, Any], tuple[Any, Any]]


def _by_python(np: Any, f: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
    """A loop that is written out."""
    carry, rows = init, []
    for x in xs:
        carry, row = f(carry, x)
        rows.append(row)
    return carry, np.stack(rows)


def _ours(np: Any, f: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
    return importlib.import_module("tracegraph").scan(f, init, xs)  # type: ignore[no-any-return]


def _jax(np: Any, f: Callable[..., Any], init: Any, xs: Any) -> tuple[Any, Any]:
    return importlib.import_module("jax.lax").scan(f, init, xs)  # type: ignore[no-any-return]


def looped(function: Callable[..., Any]) -> tuple[Callable[..., Any], Mapping[str, Callable[..., Any]]]:
    """A function that takes a loop after the module, for every library: plain, and by those that have one."""

    def over(loop: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def bound(np: Any, *args: Any) -> Any:
            return function(np, functools.partial(loop, np), *args)

        return bound

    return over(_by_python), {"tracegraph": over(_ours), "jax": over(_jax)}


#: Where each library has its `grad`, and with the same signatures `jvp`, `vjp` and `vmap`; autograd has only the first.
TRANSFORMS = {"autograd": "autograd", "tracegraph": "tracegraph", "jax": "jax", "torch": "torch.func"}


def sloped(function: Callable[..., Any], *names: str) -> dict[str, Callable[..., Any]]:
    """A function that takes the module of a library's transforms after `np`, for each library (or those of these names)."""

    def over(package: str) -> Callable[..., Any]:
        @functools.wraps(function)
        def bound(np: Any, *args: Any) -> Any:
            return function(np, importlib.import_module(package), *args)

        return bound

    return {name: over(TRANSFORMS[name]) for name in names or TRANSFORMS}


# -- models ------------------------------------------------------------------------------------------------------------


def logistic(np: Any, weights: Any, x: Any, signs: Any) -> Any:
    return np.mean(np.log(1 + np.exp(-signs * np.matmul(x, weights)))) + 1e-3 * np.sum(weights * weights)


def logistic_slope(np: Any, weights: Any, x: Any, signs: Any) -> Any:
    """The gradient, by hand."""
    return 2e-3 * weights - np.matmul(signs / (1 + np.exp(signs * np.matmul(x, weights))), x) / len(x)


def logistic_curvature(np: Any, d: Any, weights: Any, direction: Any, x: Any, signs: Any) -> Any:
    """A Hessian-vector product."""
    return d.grad(lambda w: np.sum(d.grad(lambda v: logistic(np, v, x, signs))(w) * direction))(weights)


def logistic_curvature_by_hand(np: Any, weights: Any, direction: Any, x: Any, signs: Any) -> Any:
    right = 1 / (1 + np.exp(-signs * np.matmul(x, weights)))
    return 2e-3 * direction + np.matmul(right * (1 - right) * np.matmul(x, direction), x) / len(x)


def newton(np: Any, weights: Any, x: Any, signs: Any, slope: Any = None, curvature: Any = None) -> Any:
    """Three steps of Newton's method, each by ten conjugate gradients; the derivatives by hand unless they are given."""
    slope = slope or logistic_slope
    curvature = curvature or logistic_curvature_by_hand
    for _ in range(3):
        residual = -slope(np, weights, x, signs)
        step, along, size = 0 * weights, residual, np.sum(residual * residual)
        for _ in range(10):
            curved = curvature(np, weights, along, x, signs)
            length = size / np.sum(along * curved)
            step, residual = step + length * along, residual - length * curved
            before, size = size, np.sum(residual * residual)
            along = residual + size / before * along
        weights = weights + step
    return weights


def newton_by_transforms(np: Any, d: Any, weights: Any, x: Any, signs: Any) -> Any:
    def slope(np: Any, w: Any, x: Any, signs: Any) -> Any:
        return d.grad(lambda w: logistic(np, w, x, signs))(w)

    return newton(np, weights, x, signs, slope, lambda np, *args: logistic_curvature(np, d, *args))


def rosenbrock_curvature(np: Any, d: Any, x: Any, direction: Any) -> Any:
    return d.jvp(d.grad(functools.partial(rosenbrock, np)), (x,), (direction,))[1]


def rosenbrock_curvature_by_hand(np: Any, x: Any, direction: Any) -> Any:
    here, following, none = x[:-1], x[1:], np.zeros(1)
    lower = (1200 * here * here - 400 * following + 2) * direction[:-1] - 400 * here * direction[1:]
    upper = 200 * direction[1:] - 400 * here * direction[:-1]
    return np.concatenate([lower, none]) + np.concatenate([none, upper])


def decays(np: Any, parameters: Any, times: Any, seen: Any) -> Any:
    """The residuals of a sum of exponentials."""
    return np.matmul(np.exp(-times[:, None] * parameters[1]), parameters[0]) - seen


def gauss_newton(np: Any, d: Any, parameters: Any, direction: Any, times: Any, seen: Any) -> Any:
    """The residuals' Jacobian, transposed, times itself times a vector."""

    def residuals(p: Any) -> Any:
        return decays(np, p, times, seen)

    return d.vjp(residuals, parameters)[1](d.jvp(residuals, (parameters,), (direction,))[1])[0]


def gauss_newton_by_hand(np: Any, parameters: Any, direction: Any, times: Any, seen: Any) -> Any:
    by_weights = np.exp(-times[:, None] * parameters[1])
    by_rates = -times[:, None] * by_weights * parameters[0]
    pushed = np.matmul(by_weights, direction[0]) + np.matmul(by_rates, direction[1])
    return np.stack([np.matmul(pushed, by_weights), np.matmul(pushed, by_rates)])


def example_loss(np: Any, parameters: Any, x: Any, y: Any) -> Any:
    inward, bias, outward = parameters
    return (np.matmul(np.tanh(np.matmul(x, inward) + bias), outward) - y) ** 2


def example_slopes(np: Any, d: Any, parameters: Any, x: Any, y: Any) -> Any:
    """A network's gradient for each example."""
    return d.vmap(d.grad(functools.partial(example_loss, np)), (None, 0, 0))(parameters, x, y)


def example_slopes_by_hand(np: Any, parameters: Any, x: Any, y: Any) -> Any:
    inward, bias, outward = parameters
    hidden = np.tanh(np.matmul(x, inward) + bias)
    error = 2 * (np.matmul(hidden, outward) - y)[:, None]
    back = error * outward * (1 - hidden * hidden)
    return [x[:, :, None] * back[:, None, :], back, error * hidden]


def cubics(np: Any, linear: Any, constant: Any) -> Any:
    """Roots of many cubic equations by Newton's method, which is differentiated as it stands."""
    x = constant
    for _ in range(20):
        x = x - (x * x * x + linear * x - constant) / (3 * x * x + linear)
    return np.sum(x * x)


def _cubics_by(package: str) -> Callable[..., Any]:
    """By the equation: the implicit function theorem."""

    def found(np: Any, linear: Any, constant: Any) -> Any:
        def solve(f: Any, x: Any) -> Any:
            for _ in range(20):
                x = x - f(x) / (3 * x * x + linear)
            return x

        x = importlib.import_module(package).custom_root(
            lambda x: x * x * x + linear * x - constant, constant, solve, lambda g, y: y / g(np.ones_like(y))
        )
        return np.sum(x * x)

    return found


def gaussian_process(np: Any, logs: Any, x: Any, y: Any) -> Any:
    scale, length, noise = np.exp(logs[0]), np.exp(logs[1]), np.exp(logs[2])
    squares = np.sum((x[:, None] - x[None]) ** 2, axis=2)
    covariance = scale * np.exp(-0.5 * squares / length**2) + (noise + 1e-6) * np.eye(len(y))
    factor = np.linalg.cholesky(covariance)
    half = np.linalg.solve(factor, y)
    return 0.5 * np.sum(half * half) + np.sum(np.log(np.sum(factor * np.eye(len(y)), axis=1)))


def lstm(np: Any, scan: Scan, parameters: Any, xs: Any, start: Any) -> Any:
    inward, across, bias = parameters
    size = start.shape[1]

    def sigmoid(z: Any) -> Any:
        return 1 / (1 + np.exp(-z))

    def step(state: Any, x: Any) -> Any:
        hidden, memory = state
        gates = np.matmul(x, inward) + np.matmul(hidden, across) + bias
        take, keep, show = (sigmoid(gates[:, k * size : (k + 1) * size]) for k in range(3))
        memory = keep * memory + take * np.tanh(gates[:, 3 * size :])
        hidden = show * np.tanh(memory)
        return (hidden, memory), hidden

    _, rows = scan(step, (start, start), xs)
    return np.mean(rows * rows)


def lorenz(np: Any, scan: Scan, parameters: Any, start: Any, times: Any) -> Any:
    """Integrated by Runge and Kutta's fourth-order method."""
    h = 1e-3

    def slope(y: Any) -> Any:
        return np.stack(
            [parameters[0] * (y[1] - y[0]), y[0] * (parameters[1] - y[2]) - y[1], y[0] * y[1] - parameters[2] * y[2]]
        )

    def step(y: Any, _: Any) -> Any:
        a = slope(y)
        b = slope(y + h / 2 * a)
        c = slope(y + h / 2 * b)
        d = slope(y + h * c)
        return y + h / 6 * (a + 2 * b + 2 * c + d), y[0]

    last, _ = scan(step, start, times)
    return np.sum(last)


def hamiltonian(np: Any, scan: Scan, slope: Any, position: Any, momenta: Any) -> Any:
    """Leapfrog steps of a Markov chain, with the slope of the energy at each."""

    def leap(state: Any, _: Any) -> Any:
        q, p = state
        p = p - 0.005 * slope(q)
        q = q + 0.01 * p
        return (q, p - 0.005 * slope(q)), np.sum(q)

    def draw(q: Any, p: Any) -> Any:
        (q, _), _ = scan(leap, (q, p), np.zeros(10))
        return q, q

    return scan(draw, position, momenta)[1]


def _chain(loop: Callable[..., Any], package: str | None = None) -> Callable[..., Any]:
    """A chain on the posterior of a logistic regression, with the slope by a library or by hand."""

    def chain(np: Any, position: Any, momenta: Any, x: Any, signs: Any) -> Any:
        def slope(q: Any) -> Any:
            if package is None:
                return logistic_slope(np, q, x, signs) * len(x)
            return importlib.import_module(package).grad(lambda q: logistic(np, q, x, signs) * len(x))(q)

        return hamiltonian(np, functools.partial(loop, np), slope, position, momenta)

    return chain


def components(np: Any, unmixing: Any, x: Any) -> Any:
    """Independent component analysis: the likelihood of heavy-tailed sources."""
    sources = np.matmul(x, unmixing)
    return np.mean(np.sum(np.log(np.cosh(sources)), axis=1)) - np.linalg.slogdet(unmixing)[1]


def adjustment(np: Any, cameras: Any, points: Any, which: Any, what: Any, seen: Any) -> Any:
    """Residuals of points seen by cameras: a shift, a small rotation and a focal length each."""
    camera, point = cameras[which], points[what]
    turn, shift, focal = camera[:, :3], camera[:, 3:6], camera[:, 6:]
    crossed = np.stack(
        [
            turn[:, 1] * point[:, 2] - turn[:, 2] * point[:, 1],
            turn[:, 2] * point[:, 0] - turn[:, 0] * point[:, 2],
            turn[:, 0] * point[:, 1] - turn[:, 1] * point[:, 0],
        ],
        axis=1,
    )
    moved = point + crossed + shift
    return 0.5 * np.sum((focal * moved[:, :2] / moved[:, 2:] - seen) ** 2)


# -- arguments ---------------------------------------------------------------------------------------------------------


def logistic_arguments(n: int) -> Arguments:
    return random(100) / 10, random(n, 100, seed=1), np.sign(random(n, seed=2))


def curvature_arguments(n: int) -> Arguments:
    weights, x, signs = logistic_arguments(n)
    return weights, random(100, seed=5), x, signs


def decay_arguments(n: int) -> Arguments:
    return np.abs(random(2, 8)), random(2, 8, seed=1), np.linspace(0, 3, n), random(n, seed=2)


def example_arguments(n: int) -> Arguments:
    parameters = [random(64, 32) / 8, random(32, seed=1), random(32, seed=2)]
    return parameters, random(n, 64, seed=3), random(n, seed=4)


def process_arguments(n: int) -> Arguments:
    return np.array([0.0, 0.5, -2.0]), random(n, 3), random(n, seed=1)


def lstm_arguments(n: int) -> Arguments:
    f32 = np.float32
    inward, across = random(64, 512, dtype=f32) / f32(10), random(128, 512, seed=1, dtype=f32) / f32(10)
    return (inward, across, np.zeros(512, f32)), random(100, n, 64, seed=2, dtype=f32), np.zeros((n, 128), f32)


def lorenz_arguments(n: int) -> Arguments:
    return np.array([10.0, 28.0, 8 / 3]), np.ones(3), np.zeros(n)


def chain_arguments(n: int) -> Arguments:
    return random(20) / 10, random(n, 20, seed=3), random(200, 20, seed=1), np.sign(random(200, seed=2))


def components_arguments(n: int) -> Arguments:
    return random(16, 16) / 4 + np.eye(16), random(n, 16, seed=1)


def adjustment_arguments(n: int) -> Arguments:
    rng = np.random.default_rng(0)
    cameras = 0.1 * rng.normal(size=(n // 100 + 1, 7)) + np.array([0, 0, 0, 0, 0, 5, 1.0])
    which, what = rng.integers(0, len(cameras), n), rng.integers(0, n // 5 + 1, n)
    return cameras, rng.normal(size=(n // 5 + 1, 3)), which, what, rng.normal(size=(n, 2))


LSTM, LSTM_VARIANTS = looped(lstm)
LORENZ, LORENZ_VARIANTS = looped(lorenz)
CHAINS = {
    "autograd": _chain(_by_python, "autograd"),
    "tracegraph": _chain(_ours, "tracegraph"),
    "jax": _chain(_jax, "jax"),
    "torch": _chain(_by_python, "torch.func"),
}

FORWARD_MODE = ("tracegraph", "jax", "torch")

DERIVATIVES = (
    Workload("derivatives: logistic 10000x100", logistic, logistic_arguments, 10_000, 32, argnums=(0,)),
    Workload(
        "derivatives: logistic 10000x100, Hessian times vector", logistic_curvature_by_hand, curvature_arguments, 10_000, 32,
        variants=sloped(logistic_curvature),
    ),
    Workload(
        "derivatives: Newton's method, logistic 10000x100, 3 x 10 products", newton, logistic_arguments, 10_000, 400,
        variants=sloped(newton_by_transforms),
    ),
    Workload(
        "derivatives: rosenbrock 1M, Hessian times vector", rosenbrock_curvature_by_hand,
        lambda n: (random(n), random(n, seed=1)), 1_000_000, 64, variants=sloped(rosenbrock_curvature, *FORWARD_MODE),
    ),
    Workload(
        "derivatives: Gauss-Newton product, 100000 residuals", gauss_newton_by_hand, decay_arguments, 100_000, 40,
        variants=sloped(gauss_newton, *FORWARD_MODE),
    ),
    Workload(
        "derivatives: gradients of 512 examples, 64-32-1", example_slopes_by_hand, example_arguments, 512, 8,
        variants=sloped(example_slopes, *FORWARD_MODE),
    ),
    Workload(
        "derivatives: roots of 100000 cubics", cubics, lambda n: (1 + random(n) ** 2, random(n, seed=1)), 100_000, 40,
        argnums=(0, 1), variants={"tracegraph": _cubics_by("tracegraph"), "jax": _cubics_by("jax.lax")},
    ),
    Workload("derivatives: Gaussian process, 300 points", gaussian_process, process_arguments, 300, 12, argnums=(0,)),
    Workload(
        "derivatives: LSTM 100 steps, 32x128 f32", LSTM, lstm_arguments, 32, 2, argnums=(0,), variants=LSTM_VARIANTS
    ),
    Workload(
        "derivatives: ODE, 10000 Runge-Kutta steps", LORENZ, lorenz_arguments, 10_000, 20, argnums=(0, 1),
        variants=LORENZ_VARIANTS,
    ),
    Workload(
        "derivatives: HMC of 20 numbers, 100 x 10 steps", _chain(_by_python), chain_arguments, 100, 3,
        variants=CHAINS,
    ),
    Workload("derivatives: ICA 10000x16", components, components_arguments, 10_000, 40, argnums=(0,)),
    Workload(
        "derivatives: bundle adjustment, 50000 residuals", adjustment, adjustment_arguments, 50_000, 60, argnums=(0, 1)
    ),
)  # fmt: skip
