"""Workloads as a good user of Numba writes them: loops, in parallel where that pays, with `fastmath`."""

# mypy: disable-error-code="untyped-decorator"
# (numba gives its decorators no types)

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import get_num_threads, njit, prange

__all__ = ["KERNELS"]

parallel = njit(parallel=True, fastmath=True, cache=True)
serial = njit(fastmath=True, cache=True)

# -- elementwise -------------------------------------------------------------------------------------------------------


@serial
def _cdf(x: Any) -> Any:
    t = 1 / (1 + 0.2316419 * abs(x))
    series = t * (0.319381530 + t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))))
    tail = 0.3989422804014327 * math.exp(-0.5 * x * x) * series
    return 1 - tail if x >= 0 else tail


@parallel
def black_scholes(spot: Any, strike: Any, years: Any, rate: Any, volatility: Any) -> Any:
    call, put = np.empty_like(spot), np.empty_like(spot)
    for i in prange(len(spot)):
        spread = volatility * math.sqrt(years[i])
        d1 = (math.log(spot[i] / strike[i]) + (rate + 0.5 * volatility * volatility) * years[i]) / spread
        discounted = strike[i] * math.exp(-rate * years[i])
        call[i] = spot[i] * _cdf(d1) - discounted * _cdf(d1 - spread)
        put[i] = call[i] - spot[i] + discounted
    return call, put


@parallel
def normal_cdf(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(len(x)):
        out[i] = _cdf(x[i])
    return out


@parallel
def chain(x: Any, y: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(len(x)):
        out[i] = math.sqrt(abs(math.exp(-x[i]) * y[i] + math.tanh(x[i]) - x[i] / (y[i] * y[i] + 1)))
    return out


@parallel
def polynomial(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(len(x)):
        v = x[i]
        total = -0.17 + v * 0.05
        total = 0.11 + v * (0.013 + v * total)
        total = 0.3 + v * (-0.7 + v * total)
        total = -0.125 + v * (0.0625 + v * total)
        out[i] = 1.0 + v * (-0.5 + v * (0.25 + v * total))
    return out


@parallel
def triad(x: Any, y: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(len(x)):
        out[i] = x[i] + 3.0 * y[i]
    return out


@parallel
def sine(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(len(x)):
        out[i] = math.sin(x[i])
    return out


@parallel
def pieces(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(len(x)):
        v = x[i]
        if v < -2:
            out[i] = -1.0 - v
        elif v < -0.5:
            out[i] = v * v
        elif v < 0.5:
            out[i] = v
        elif v < 2:
            out[i] = v * (1 - v)
        else:
            out[i] = v - 4
    return out


@parallel
def _mandelbrot(real: Any, imaginary: Any, steps: Any) -> Any:
    count = np.zeros_like(real)
    for i in prange(real.shape[0]):
        for j in range(real.shape[1]):
            x, y = real[i, j], imaginary[i, j]
            for _ in range(steps):
                xx, yy = x * x, y * y
                if xx + yy > 4:
                    break
                count[i, j] += 1
                y = 2 * x * y + imaginary[i, j]
                x = xx - yy + real[i, j]
    return count


@serial
def exponential(a: Any, x: Any, b: Any, y: Any, c: Any) -> Any:
    return math.exp(a * x + b * y + c)


@serial
def multiply_add(x: Any, y: Any) -> Any:
    return x * y + x


# -- rows and columns --------------------------------------------------------------------------------------------------


@parallel
def softmax(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        top = x[i, 0]
        for j in range(x.shape[1]):
            top = max(top, x[i, j])
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            out[i, j] = math.exp(x[i, j] - top)
            total += out[i, j]
        for j in range(x.shape[1]):
            out[i, j] /= total
    return out


@parallel
def layernorm_gelu(x: Any, scale: Any, shift: Any) -> Any:
    out, real = np.empty_like(x), x.dtype.type
    a, b, half, one = real(0.7978845608), real(0.044715), real(0.5), real(1)
    for i in prange(x.shape[0]):
        mean = np.sum(x[i]) / real(x.shape[1])
        variance = real(0)
        for j in range(x.shape[1]):
            variance += (x[i, j] - mean) ** 2
        rate = one / math.sqrt(variance / real(x.shape[1]) + real(1e-5))
        for j in range(x.shape[1]):
            y = (x[i, j] - mean) * rate * scale[j] + shift[j]
            out[i, j] = half * y * (one + math.tanh(a * (y + b * y * y * y)))
    return out


@parallel
def column_statistics(x: Any) -> Any:
    rows, columns = x.shape
    sums, tops = np.zeros(columns, x.dtype), np.empty(columns, x.dtype)
    threads = get_num_threads()
    for t in prange(threads):
        lo, hi = columns * t // threads, columns * (t + 1) // threads
        tops[lo:hi] = x[0, lo:hi]
        for i in range(rows):
            for j in range(lo, hi):
                sums[j] += x[i, j]
                tops[j] = max(tops[j], x[i, j])
    return sums, tops, sums / x.dtype.type(rows)


@parallel
def row_statistics(x: Any) -> Any:
    sums, places = np.empty(x.shape[0], x.dtype), np.empty(x.shape[0], np.int64)
    for i in prange(x.shape[0]):
        sums[i] = np.sum(x[i])
        places[i] = np.argmax(x[i])
    return sums, places


@parallel
def standardise(x: Any) -> Any:
    rows, columns = x.shape
    out = np.empty_like(x)
    threads = get_num_threads()
    for t in prange(threads):
        lo, hi = columns * t // threads, columns * (t + 1) // threads
        mean, square = np.zeros(hi - lo), np.zeros(hi - lo)
        for i in range(rows):
            mean += x[i, lo:hi]
        mean /= rows
        for i in range(rows):
            square += (x[i, lo:hi] - mean) ** 2
        rate = 1 / np.sqrt(square / rows + 1e-12)
        for i in range(rows):
            out[i, lo:hi] = (x[i, lo:hi] - mean) * rate
    return out


@parallel
def column_variance(x: Any) -> Any:
    rows, columns = x.shape
    out = np.empty(columns, x.dtype)
    threads = get_num_threads()
    for t in prange(threads):
        lo, hi = columns * t // threads, columns * (t + 1) // threads
        mean, square = np.zeros(hi - lo, x.dtype), np.zeros(hi - lo, x.dtype)
        for i in range(rows):
            mean += x[i, lo:hi]
        mean /= x.dtype.type(rows)
        for i in range(rows):
            square += (x[i, lo:hi] - mean) ** 2
        out[lo:hi] = square / x.dtype.type(rows)
    return out


@parallel
def row_variance(x: Any) -> Any:
    out, count = np.empty(x.shape[0], x.dtype), x.dtype.type(x.shape[1])
    for i in prange(x.shape[0]):
        mean, square = np.sum(x[i]) / count, x.dtype.type(0)
        for j in range(x.shape[1]):
            square += (x[i, j] - mean) ** 2
        out[i] = square / count
    return out


@parallel
def log_sum_exp(x: Any) -> Any:
    out = np.empty(x.shape[0], x.dtype)
    for i in prange(x.shape[0]):
        top = x[i, 0]
        for j in range(x.shape[1]):
            top = max(top, x[i, j])
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += math.exp(x[i, j] - top)
        out[i] = math.log(total) + top
    return out


@parallel
def row_sums(x: Any) -> Any:
    out = np.empty(x.shape[0], x.dtype)
    for i in prange(x.shape[0]):
        total = x.dtype.type(0)
        for j in range(x.shape[1]):
            total += x[i, j]
        out[i] = total
    return out


@parallel
def masked_sum(x: Any) -> Any:
    total = 0.0
    for i in prange(len(x)):
        total += x[i] if x[i] > 0 else 0.0
    return total


@parallel
def masked_mean(x: Any) -> Any:
    out = np.empty(x.shape[0])
    for i in prange(x.shape[0]):
        total, count = 0.0, 0.0
        for j in range(x.shape[1]):
            total += x[i, j] if x[i, j] > 0 else 0.0
            count += 1.0 if x[i, j] > 0 else 0.0
        out[i] = total / count
    return out


# -- neighbours, orders, places ----------------------------------------------------------------------------------------


@parallel
def pairwise_forces(places: Any, masses: Any) -> Any:
    out = np.empty_like(places)
    for i in prange(len(places)):
        a, b, c = 0.0, 0.0, 0.0
        for j in range(len(places)):
            x, y, z = places[j, 0] - places[i, 0], places[j, 1] - places[i, 1], places[j, 2] - places[i, 2]
            squared = x * x + y * y + z * z + 1e-3
            weight = masses[j] / (squared * math.sqrt(squared))
            a, b, c = a + x * weight, b + y * weight, c + z * weight
        out[i, 0], out[i, 1], out[i, 2] = a, b, c
    return out


@parallel
def stencil(grid: Any) -> Any:
    grid, new = grid.copy(), grid.copy()
    for _ in range(10):
        for i in prange(1, grid.shape[0] - 1):
            for j in range(1, grid.shape[1] - 1):
                new[i, j] = 0.25 * (grid[i - 1, j] + grid[i + 1, j] + grid[i, j - 1] + grid[i, j + 1])
        grid, new = new, grid
    return grid


@parallel
def stencil_3d(grid: Any) -> Any:
    grid, new = grid.copy(), grid.copy()
    for _ in range(10):
        for i in prange(1, grid.shape[0] - 1):
            for j in range(1, grid.shape[1] - 1):
                for k in range(1, grid.shape[2] - 1):
                    new[i, j, k] = grid[i, j, k] + 0.1 * (
                        grid[i - 1, j, k] + grid[i + 1, j, k] + grid[i, j - 1, k] + grid[i, j + 1, k]
                        + grid[i, j, k - 1] + grid[i, j, k + 1] - 6 * grid[i, j, k]
                    )  # fmt: skip
        grid, new = new, grid
    return grid


@parallel
def transpose_add(x: Any, y: Any) -> Any:
    out, side = np.empty_like(x), 32
    for block in prange((x.shape[0] + side - 1) // side):
        rows = range(block * side, min((block + 1) * side, x.shape[0]))
        for first in range(0, x.shape[1], side):
            for i in rows:
                for j in range(first, min(first + side, x.shape[1])):
                    out[i, j] = x[i, j] + y[j, i]
    return out


@parallel
def cumsum_columns(x: Any) -> Any:
    rows, columns = x.shape
    out, threads = np.empty_like(x), get_num_threads()
    for t in prange(threads):
        lo, hi = columns * t // threads, columns * (t + 1) // threads
        out[0, lo:hi] = x[0, lo:hi]
        for i in range(1, rows):
            for j in range(lo, hi):
                out[i, j] = out[i - 1, j] + x[i, j]
    return out


@parallel
def cumsum_rows(x: Any) -> Any:
    out = np.empty_like(x)
    for i in prange(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j]
            out[i, j] = total
    return out


@parallel
def cumsum(x: Any) -> Any:
    threads, out = get_num_threads(), np.empty_like(x)
    sums = np.zeros(threads + 1)
    for t in prange(threads):
        total = 0.0
        for i in range(len(x) * t // threads, len(x) * (t + 1) // threads):
            total += x[i]
        sums[t + 1] = total
    sums = np.cumsum(sums)
    for t in prange(threads):
        total = sums[t]
        for i in range(len(x) * t // threads, len(x) * (t + 1) // threads):
            total += x[i]
            out[i] = total
    return out


@parallel
def gather(x: Any, places: Any) -> Any:
    out = np.empty(len(places), x.dtype)
    for i in prange(len(places)):
        out[i] = x[places[i]]
    return out


@parallel
def scatter_add(start: Any, places: Any, values: Any) -> Any:
    threads = get_num_threads()
    found = np.zeros((threads, len(start)), start.dtype)
    for t in prange(threads):
        for i in range(len(values) * t // threads, len(values) * (t + 1) // threads):
            found[t, places[i]] += values[i]
    out = start.copy()
    for j in prange(len(start)):
        for t in range(threads):
            out[j] += found[t, j]
    return out


@parallel
def histogram(x: Any) -> Any:
    threads = get_num_threads()
    counts = np.zeros((threads, 128), np.int64)
    for t in prange(threads):
        for i in range(len(x) * t // threads, len(x) * (t + 1) // threads):
            place = (x[i] + 4.0) * 12.5
            if 0.0 <= place <= 100.0:
                counts[t, min(int(place), 99)] += 1
    return counts.sum(axis=0)[:100]


@serial
def sort(x: Any) -> Any:
    return np.sort(x)


@serial
def argsort(x: Any) -> Any:
    return np.argsort(x)


@serial
def cholesky(x: Any) -> Any:
    return np.linalg.cholesky(x)


# -- products and gradients --------------------------------------------------------------------------------------------


@serial
def product(x: Any, y: Any) -> Any:
    return np.dot(x, y)


@serial
def products(x: Any, y: Any) -> Any:
    out = np.empty((x.shape[0], x.shape[1], y.shape[2]), x.dtype)
    for k in range(x.shape[0]):
        out[k] = np.dot(x[k], y[k])
    return out


@parallel
def _rows_of_attention(scores: Any) -> Any:
    for i in prange(scores.shape[0]):
        top, total = np.max(scores[i]), np.float32(0)
        for j in range(scores.shape[1]):
            scores[i, j] = math.exp(np.float32(0.125) * (scores[i, j] - top))
            total += scores[i, j]
        scores[i] /= total


@serial
def attention(queries: Any, keys: Any, values: Any) -> Any:
    """BLAS has threads of its own, and must not be called by ours."""
    out = np.empty_like(queries)
    for k in range(queries.shape[0]):
        scores = np.dot(queries[k], keys[k].T)
        _rows_of_attention(scores)
        out[k] = np.dot(scores, values[k])
    return out


@parallel
def _rosenbrock(x: Any) -> Any:
    n, value = len(x), 0.0
    slope = np.empty_like(x)
    for i in prange(n - 1):
        value += 100 * (x[i + 1] - x[i] ** 2) ** 2 + (1 - x[i]) ** 2
    for i in prange(n):
        found = 0.0
        if i < n - 1:
            found += -400 * x[i] * (x[i + 1] - x[i] ** 2) - 2 * (1 - x[i])
        if i > 0:
            found += 200 * (x[i] - x[i - 1] ** 2)
        slope[i] = found
    return value, slope


def rosenbrock(x: Any) -> Any:
    value, slope = _rosenbrock(x)
    return value, (slope,)


@serial
def _logistic(weights: Any, bias: Any, x: Any, signs: Any) -> Any:
    margins = signs * (np.dot(x, weights) + bias)
    value = np.mean(np.log(1 + np.exp(-margins))) + 1e-3 * np.sum(weights * weights)
    each = -signs / (1 + np.exp(margins)) / len(x)
    return value, np.dot(each, x) + 2e-3 * weights, np.sum(each)


def logistic(weights: Any, bias: Any, x: Any, signs: Any) -> Any:
    value, by_weights, by_bias = _logistic(weights, bias, x, signs)
    return value, (by_weights, by_bias)


def logistic_without_bias(weights: Any, x: Any, signs: Any) -> Any:
    value, by_weights, _ = _logistic(weights, 0.0, x, signs)
    return value, (by_weights,)


@serial
def logistic_curvature(weights: Any, direction: Any, x: Any, signs: Any) -> Any:
    right = 1 / (1 + np.exp(-signs * np.dot(x, weights)))
    return 2e-3 * direction + np.dot(right * (1 - right) * np.dot(x, direction), x) / len(x)


#: By the name of the workload.
KERNELS: Mapping[str, Callable[..., Any]] = {
    "black-scholes 1M f64": black_scholes,
    "normal cdf 1M f64": normal_cdf,
    "chain of ten 1M f64": chain,
    "polynomial 1M f64": polynomial,
    "softmax rows 4096x1024 f32": softmax,
    "layernorm + gelu 4096x1024 f32": layernorm_gelu,
    "column sum/max/mean 4096x2048 f32": column_statistics,
    "row sum + argmax 4096x2048 f32": row_statistics,
    "standardise columns 8192x256 f64": standardise,
    "pairwise forces 1500 f64": pairwise_forces,
    "matmul 1024 f32": product,
    "attention 8x512x64 f32": attention,
    "stencil in place 2048x2048 x 10 f64": stencil,
    "mandelbrot 1000x1000 x 30 f64": lambda real, imaginary: _mandelbrot(real, imaginary, 30),
    "mandelbrot 1000x1000 x 100 f64": lambda real, imaginary: _mandelbrot(real, imaginary, 100),
    "call: five numbers": exponential,
    "call: two arrays of 8 f64": multiply_add,
    "triad 8M f64": triad,
    "transpose-add 4096x4096 f64": transpose_add,
    "sin 5M f32": sine,
    "where-chain 10M f64": pieces,
    "cumsum columns 4096x4096 f64": cumsum_columns,
    "cumsum rows 4096x4096 f64": cumsum_rows,
    "cumsum 10M f64": cumsum,
    "variance of columns 4096x2048 f32": column_variance,
    "variance of rows 4096x2048 f32": row_variance,
    "log-sum-exp of rows 4096x1024 f32": log_sum_exp,
    "short rows: sums 100000x20 f64": row_sums,
    "short rows: softmax 100000x20 f64": softmax,
    "sum by a boolean mask 10M f64": masked_sum,
    "masked mean of rows 4096x2048 f64": masked_mean,
    "gather 10M f64": gather,
    "scatter-add 10M f64": scatter_add,
    "histogram 10M f64": histogram,
    "argsort 1M f64": argsort,
    "sort 1M f64": sort,
    "stencil of 7 points 256x256x256 x 10 f64": stencil_3d,
    "cholesky 512 f64": cholesky,
    **{f"gemm {n} {kind}": product for n in (128, 512, 1024, 2048) for kind in ("f32", "f64")},
    "gemm batch of 64 x 128 f32": products,
    "gemm 4096 matrix by vector f64": product,
    "gradient: rosenbrock 1M f64": rosenbrock,
    "gradient: logistic 10000x100 f64": logistic,
    "derivatives: logistic 10000x100": logistic_without_bias,
    "derivatives: logistic 10000x100, Hessian times vector": logistic_curvature,
}
