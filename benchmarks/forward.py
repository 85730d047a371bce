"""Workloads without derivatives: elementwise chains, reductions, products, in-place updates, and functions so small that
only the cost of a call counts."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.workload import Arguments, Workload, random

__all__ = ["F32", "FORWARD", "exponential", "exponential_arguments", "mandelbrot", "mandelbrot_arguments", "softmax"]

F32 = np.float32


def normal_cdf(np: Any, x: Any) -> Any:
    """Abramowitz and Stegun 26.2.17, good to 7.5e-8."""
    t = 1 / (1 + 0.2316419 * np.abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = 0.3989422804014327 * np.exp(-0.5 * x * x) * series
    return np.where(x >= 0, 1 - tail, tail)


def black_scholes(np: Any, spot: Any, strike: Any, years: Any, rate: float, volatility: float) -> Any:
    spread = volatility * np.sqrt(years)
    d1 = (np.log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / spread
    d2 = d1 - spread
    discounted = strike * np.exp(-rate * years)
    call = spot * normal_cdf(np, d1) - discounted * normal_cdf(np, d2)
    return call, call - spot + discounted


def black_scholes_arguments(n: int) -> Arguments:
    draw = np.random.default_rng(0).uniform
    return draw(80, 120, n), draw(80, 120, n), draw(0.25, 2, n), 0.03, 0.2


def softmax(np: Any, x: Any) -> Any:
    powers = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


def layernorm_gelu(np: Any, x: Any, scale: Any, shift: Any) -> Any:
    centred = x - np.mean(x, axis=-1, keepdims=True)
    variance = np.mean(centred * centred, axis=-1, keepdims=True)
    y = centred / np.sqrt(variance + 1e-5) * scale + shift
    return 0.5 * y * (1 + np.tanh(0.7978845608 * (y + 0.044715 * y * y * y)))


def column_statistics(np: Any, x: Any) -> Any:
    return np.sum(x, axis=0), np.max(x, axis=0), np.mean(x, axis=0)


def row_statistics(np: Any, x: Any) -> Any:
    return np.sum(x, axis=1), np.argmax(x, axis=1)


def standardise(np: Any, x: Any) -> Any:
    centred = x - np.mean(x, axis=0)
    return centred / np.sqrt(np.mean(centred * centred, axis=0) + 1e-12)


def pairwise_forces(np: Any, places: Any, masses: Any) -> Any:
    apart = places[None, :, :] - places[:, None, :]
    squared = np.sum(apart * apart, axis=-1) + 1e-3
    weight = masses[None, :] / (squared * np.sqrt(squared))
    return np.sum(apart * weight[:, :, None], axis=1)


def matmul(np: Any, x: Any, y: Any) -> Any:
    return np.matmul(x, y)


def attention(np: Any, queries: Any, keys: Any, values: Any) -> Any:
    return np.matmul(softmax(np, np.matmul(queries, np.swapaxes(keys, 1, 2)) * 0.125), values)


def stencil(np: Any, grid: Any) -> Any:
    grid = np.copy(grid)
    for _ in range(10):
        grid[1:-1, 1:-1] = 0.25 * (grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:])
    return grid


def stencil_without_assignment(np: Any, grid: Any) -> Any:
    """The same for JAX, whose arrays cannot be assigned to."""
    for _ in range(10):
        mean = 0.25 * (grid[:-2, 1:-1] + grid[2:, 1:-1] + grid[1:-1, :-2] + grid[1:-1, 2:])
        grid = grid.at[1:-1, 1:-1].set(mean)
    return grid


def mandelbrot(np: Any, real: Any, imaginary: Any, steps: int = 30) -> Any:
    x, y, count = real, imaginary, np.zeros_like(real)
    for _ in range(steps):
        xx, yy = x * x, y * y
        inside = xx + yy <= 4
        count = np.where(inside, count + 1, count)
        y = np.where(inside, 2 * x * y + imaginary, y)
        x = np.where(inside, xx - yy + real, x)
    return count


def mandelbrot_arguments(n: int) -> Arguments:
    real, imaginary = np.meshgrid(np.linspace(-2, 0.6, n), np.linspace(-1.2, 1.2, n))
    return np.ascontiguousarray(real), np.ascontiguousarray(imaginary)


COEFFICIENTS = (1.0, -0.5, 0.25, -0.125, 0.0625, 0.3, -0.7, 0.11, 0.013, -0.17, 0.05)


def polynomial(np: Any, x: Any) -> Any:
    value = COEFFICIENTS[-1]
    for coefficient in reversed(COEFFICIENTS[:-1]):
        value = value * x + coefficient
    return value


def chain(np: Any, x: Any, y: Any) -> Any:
    """Ten operations, three of them dear."""
    return np.sqrt(np.abs(np.exp(-x) * y + np.tanh(x) - x / (y * y + 1)))


def exponential(np: Any, a: Any, x: Any, b: Any, y: Any, c: Any) -> Any:
    return np.exp(a * x + b * y + c)


def exponential_arguments(_: int) -> Arguments:
    return 1.1, 0.7, -0.3, 2.0, 0.25


def multiply_add(np: Any, x: Any, y: Any) -> Any:
    return x * y + x


# -- the same for numexpr, which takes expressions as text ------------------------------------------------------


def normal_cdf_numexpr(numexpr: Any, x: Any) -> Any:
    t = numexpr.evaluate("1 / (1 + 0.2316419 * abs(x))", {"x": x})
    series = "t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))"
    tail = numexpr.evaluate(f"0.3989422804014327 * exp(-0.5 * x * x) * {series}", {"x": x, "t": t})
    return numexpr.evaluate("where(x >= 0, 1 - tail, tail)", {"x": x, "tail": tail})


def black_scholes_numexpr(
    numexpr: Any, spot: Any, strike: Any, years: Any, rate: float, volatility: float
) -> tuple[Any, Any]:
    names = {"spot": spot, "strike": strike, "years": years, "rate": rate, "volatility": volatility}
    spread = numexpr.evaluate("volatility * sqrt(years)", names)
    d1 = numexpr.evaluate(
        "(log(spot / strike) + (rate + 0.5 * volatility * volatility) * years) / spread", {**names, "spread": spread}
    )
    discounted = numexpr.evaluate("strike * exp(-rate * years)", names)
    first = normal_cdf_numexpr(numexpr, d1)
    second = normal_cdf_numexpr(numexpr, numexpr.evaluate("d1 - spread", {"d1": d1, "spread": spread}))
    parts = {"spot": spot, "discounted": discounted, "first": first, "second": second}
    call = numexpr.evaluate("spot * first - discounted * second", parts)
    return call, numexpr.evaluate("call - spot + discounted", {**parts, "call": call})


def polynomial_numexpr(numexpr: Any, x: Any) -> Any:
    opened = "".join(f"{coefficient} + x * (" for coefficient in COEFFICIENTS[:-1])
    return numexpr.evaluate(f"{opened}{COEFFICIENTS[-1]}{')' * (len(COEFFICIENTS) - 1)}", {"x": x})


def chain_numexpr(numexpr: Any, x: Any, y: Any) -> Any:
    return numexpr.evaluate("sqrt(abs(exp(-x) * y + tanh(x) - x / (y * y + 1)))", {"x": x, "y": y})


FORWARD = (
    Workload(
        "black-scholes 1M f64",
        black_scholes,
        black_scholes_arguments,
        1_000_000,
        64,
        variants={"numexpr": black_scholes_numexpr},
    ),
    Workload(
        "normal cdf 1M f64", normal_cdf, lambda n: (random(n),), 1_000_000, 64, variants={"numexpr": normal_cdf_numexpr}
    ),
    Workload(
        "chain of ten 1M f64",
        chain,
        lambda n: (random(n), random(n, seed=1)),
        1_000_000,
        64,
        variants={"numexpr": chain_numexpr},
    ),
    Workload(
        "polynomial 1M f64", polynomial, lambda n: (random(n),), 1_000_000, 64, variants={"numexpr": polynomial_numexpr}
    ),
    Workload("softmax rows 4096x1024 f32", softmax, lambda n: (random(n, n // 4, dtype=F32),), 4096, 64),
    Workload(
        "layernorm + gelu 4096x1024 f32",
        layernorm_gelu,
        lambda n: (random(n, n // 4, dtype=F32), random(n // 4, seed=1, dtype=F32), random(n // 4, seed=2, dtype=F32)),
        4096,
        64,
    ),
    Workload(
        "column sum/max/mean 4096x2048 f32", column_statistics, lambda n: (random(n, n // 2, dtype=F32),), 4096, 64
    ),
    Workload("row sum + argmax 4096x2048 f32", row_statistics, lambda n: (random(n, n // 2, dtype=F32),), 4096, 64),
    Workload("standardise columns 8192x256 f64", standardise, lambda n: (random(n, 256) * 3 + 1,), 8192, 64),
    Workload(
        "pairwise forces 1500 f64", pairwise_forces, lambda n: (random(n, 3), np.abs(random(n, seed=1))), 1500, 32
    ),
    Workload("matmul 1024 f32", matmul, lambda n: (random(n, n, dtype=F32), random(n, n, seed=1, dtype=F32)), 1024, 32),
    Workload(
        "attention 8x512x64 f32",
        attention,
        lambda n: tuple(random(8, n, 64, seed=seed, dtype=F32) for seed in range(3)),
        512,
        16,
    ),
    Workload(
        "stencil in place 2048x2048 x 10 f64",
        stencil,
        lambda n: (random(n, n),),
        2048,
        32,
        variants={"jax": stencil_without_assignment},
    ),
    Workload("mandelbrot 1000x1000 x 30 f64", mandelbrot, mandelbrot_arguments, 1000, 32, stray=1e-4),
    Workload("call: five numbers", exponential, exponential_arguments, None, None),
    Workload("call: two arrays of 8 f64", multiply_add, lambda n: (random(n), random(n, seed=1)), 8, 8),
)
