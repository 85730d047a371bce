"""Workloads that are bound by how data moves: transposes, scans, sorts, gathers, scatters, reductions along short and long
rows, stencils, masks, and the few library calls (FFT, Cholesky) that NumPy programs wait for most."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from benchmarks.forward import F32, mandelbrot, mandelbrot_arguments, softmax
from benchmarks.workload import Arguments, Workload, random

__all__ = ["ARRAYS"]

BINS, RANGE = 100, (-4.0, 4.0)


def triad(np: Any, x: Any, y: Any) -> Any:
    return x + 3.0 * y


def transpose_add(np: Any, x: Any, y: Any) -> Any:
    return x + y.T


def cumsum(np: Any, x: Any, axis: int) -> Any:
    return np.cumsum(x, axis=axis)


def argsort(np: Any, x: Any) -> Any:
    return np.argsort(x)


def sort(np: Any, x: Any) -> Any:
    return np.sort(x)


def histogram(np: Any, x: Any) -> Any:
    return np.histogram(x, bins=BINS, range=RANGE)[0]


def histogram_jax(np: Any, x: Any) -> Any:
    return np.histogram(x, bins=BINS, range=RANGE)[0].astype(int)


def histogram_pytorch(torch: Any, x: Any) -> Any:
    return torch.histc(x, BINS, *RANGE).long()


def gather(np: Any, x: Any, places: Any) -> Any:
    return x[places]


def scatter_add(np: Any, start: Any, places: Any, values: Any) -> Any:
    found = np.copy(start)
    np.add.at(found, places, values)
    return found


def scatter_add_jax(np: Any, start: Any, places: Any, values: Any) -> Any:
    return start.at[places].add(values)


def scatter_add_pytorch(torch: Any, start: Any, places: Any, values: Any) -> Any:
    return torch.index_add(start, 0, places, values)


def stencil(np: Any, grid: Any) -> Any:
    """Ten steps of the seven points in three dimensions, in place."""
    grid = np.copy(grid)
    for _ in range(10):
        grid[1:-1, 1:-1, 1:-1] = _around(grid)
    return grid


def stencil_jax(np: Any, grid: Any) -> Any:
    for _ in range(10):
        grid = grid.at[1:-1, 1:-1, 1:-1].set(_around(grid))
    return grid


def _around(grid: Any) -> Any:
    within = grid[1:-1, 1:-1, 1:-1]
    return within + 0.1 * (
        grid[:-2, 1:-1, 1:-1] + grid[2:, 1:-1, 1:-1] + grid[1:-1, :-2, 1:-1] + grid[1:-1, 2:, 1:-1]
        + grid[1:-1, 1:-1, :-2] + grid[1:-1, 1:-1, 2:] - 6 * within
    )  # fmt: skip


def convolution(np: Any, image: Any, kernel: Any) -> Any:
    """By the Fourier transform, round the edges."""
    shape = image.shape
    return np.fft.irfft2(np.fft.rfft2(image) * np.fft.rfft2(kernel, s=shape), s=shape)


def cholesky(np: Any, matrix: Any) -> Any:
    return np.linalg.cholesky(matrix)


def cholesky_arguments(n: int) -> Arguments:
    x = random(n, n)
    return (x @ x.T + n * np.eye(n),)


def log_sum_exp(np: Any, x: Any) -> Any:
    top = np.max(x, axis=1, keepdims=True)
    return np.log(np.sum(np.exp(x - top), axis=1)) + top[:, 0]


def row_sums(np: Any, x: Any) -> Any:
    return np.sum(x, axis=1)


def sine(np: Any, x: Any) -> Any:
    return np.sin(x)


def variance(np: Any, x: Any, axis: int) -> Any:
    return np.var(x, axis=axis)


def masked_sum(np: Any, x: Any) -> Any:
    return np.sum(x[x > 0])


def masked_sum_jax(np: Any, x: Any) -> Any:
    """Whose shapes cannot depend on data."""
    return np.sum(x, where=x > 0)


def masked_mean(np: Any, x: Any) -> Any:
    return np.mean(x, axis=1, where=x > 0)


def masked_mean_by_hand(np: Any, x: Any) -> Any:
    """Where `mean` takes no mask."""
    return np.sum(np.where(x > 0, x, 0), axis=1) / np.sum(np.where(x > 0, 1.0, 0.0), axis=1)


def pieces(np: Any, x: Any) -> Any:
    """A function with another formula on each of five intervals."""
    return np.where(
        x < -2, -1.0 - x, np.where(x < -0.5, x * x, np.where(x < 0.5, x, np.where(x < 2, x * (1 - x), x - 4)))
    )  # fmt: skip


def halves(n: int) -> Arguments:
    return (random(n, n // 2, dtype=F32),)


def _places(n: int, below: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, below, n)


def _with(function: Any, **settings: int) -> Any:
    bound = functools.partial(function, **settings)
    functools.update_wrapper(bound, function)
    return bound


ARRAYS: tuple[Workload, ...] = (
    Workload("triad 8M f64", triad, lambda n: (random(n), random(n, seed=1)), 8_000_000, 64),
    Workload("transpose-add 4096x4096 f64", transpose_add, lambda n: (random(n, n), random(n, n, seed=1)), 4096, 32),
    Workload("sin 5M f32", sine, lambda n: (random(n, dtype=F32),), 5_000_000, 64),
    Workload("where-chain 10M f64", pieces, lambda n: (random(n) * 2,), 10_000_000, 64),
    Workload("cumsum columns 4096x4096 f64", _with(cumsum, axis=0), lambda n: (random(n, n),), 4096, 32),
    Workload("cumsum rows 4096x4096 f64", _with(cumsum, axis=1), lambda n: (random(n, n),), 4096, 32),
    Workload("cumsum 10M f64", _with(cumsum, axis=0), lambda n: (random(n),), 10_000_000, 64),
    Workload("variance of columns 4096x2048 f32", _with(variance, axis=0), halves, 4096, 64),
    Workload("variance of rows 4096x2048 f32", _with(variance, axis=1), halves, 4096, 64),
    Workload("log-sum-exp of rows 4096x1024 f32", log_sum_exp, lambda n: (random(n, n // 4, dtype=F32),), 4096, 64),
    Workload("short rows: sums 100000x20 f64", row_sums, lambda n: (random(n, 20),), 100_000, 64),
    Workload("short rows: softmax 100000x20 f64", softmax, lambda n: (random(n, 20),), 100_000, 64),
    Workload(
        "sum by a boolean mask 10M f64", masked_sum, lambda n: (random(n),), 10_000_000, 64,
        variants={"jax": masked_sum_jax},
    ),
    Workload(
        "masked mean of rows 4096x2048 f64", masked_mean, lambda n: (random(n, n // 2),), 4096, 64,
        variants={"torch": masked_mean_by_hand, "pytensor": masked_mean_by_hand},
    ),
    Workload("gather 10M f64", gather, lambda n: (random(n), _places(n, n)), 10_000_000, 64),
    Workload(
        "scatter-add 10M f64", scatter_add, lambda n: (np.zeros(n // 10), _places(n, n // 10), random(n)), 10_000_000, 64,
        variants={"jax": scatter_add_jax, "torch": scatter_add_pytorch},
    ),
    Workload(
        "histogram 10M f64", histogram, lambda n: (random(n),), 10_000_000, 64,
        variants={"jax": histogram_jax, "torch": histogram_pytorch}, stray=0.1,
    ),
    Workload("argsort 1M f64", argsort, lambda n: (random(n),), 1_000_000, 64),
    Workload("sort 1M f64", sort, lambda n: (random(n),), 1_000_000, 64),
    Workload(
        "stencil of 7 points 256x256x256 x 10 f64", stencil, lambda n: (random(n, n, n),), 256, 12,
        variants={"jax": stencil_jax},
    ),
    Workload(
        "mandelbrot 1000x1000 x 100 f64", _with(mandelbrot, steps=100), mandelbrot_arguments, 1000, 32, stray=1e-4
    ),
    Workload("convolution by FFT 1024x1024 f64", convolution, lambda n: (random(n, n), random(31, 31, seed=1)), 1024, 48),
    Workload("cholesky 512 f64", cholesky, cholesky_arguments, 512, 16),
)  # fmt: skip
