"""How parameters begin: a shape, a dtype and a generator of random numbers come in, an array goes out."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tracegraph.ir import Shape

__all__ = [
    "Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Normal", "Orthogonal", "Uniform",
]  # fmt: skip

Generator = np.random.Generator


@dataclass(frozen=True)
class Constant:
    """One number everywhere.

    >>> Constant(0.5)((2,), np.dtype(float), np.random.default_rng(0))
    array([0.5, 0.5])
    """

    value: float = 0.0

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return np.full(shape, self.value, dtype)


@dataclass(frozen=True)
class Normal:
    """A normal distribution. With a ``seed`` it always gives the same numbers, whatever layer it is used for."""

    std: float = 0.01
    mean: float = 0.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return _own(generator, self.seed).normal(self.mean, self.std, shape).astype(dtype)


@dataclass(frozen=True)
class Uniform:
    """A uniform distribution on ``[low, high)``. With a ``seed`` it always gives the same numbers."""

    low: float = -0.01
    high: float = 0.01
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return _own(generator, self.seed).uniform(self.low, self.high, shape).astype(dtype)


@dataclass(frozen=True)
class GlorotNormal:
    """A normal distribution of deviation ``gain * sqrt(2 / (inputs + outputs))`` (Glorot and Bengio, 2010)."""

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return Normal(self.gain * math.sqrt(2 / sum(_fans(shape))), seed=self.seed)(shape, dtype, generator)


@dataclass(frozen=True)
class GlorotUniform:
    """A uniform distribution of deviation ``gain * sqrt(2 / (inputs + outputs))`` (Glorot and Bengio, 2010)."""

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return _symmetric(self.gain * math.sqrt(6 / sum(_fans(shape))), self.seed)(shape, dtype, generator)


@dataclass(frozen=True)
class HeNormal:
    """A normal distribution of deviation ``gain / sqrt(inputs)``; a gain of sqrt(2) suits rectifiers (He et al., 2015)."""

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return Normal(self.gain / math.sqrt(_fans(shape)[0]), seed=self.seed)(shape, dtype, generator)


@dataclass(frozen=True)
class HeUniform:
    """A uniform distribution of deviation ``gain / sqrt(inputs)`` (He et al., 2015)."""

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        return _symmetric(self.gain * math.sqrt(3 / _fans(shape)[0]), self.seed)(shape, dtype, generator)


@dataclass(frozen=True)
class Orthogonal:
    """Orthonormal rows or columns, whichever are fewer, times ``gain`` (Saxe, McClelland and Ganguli, 2013).

    >>> q = Orthogonal()((3, 2), np.dtype(float), np.random.default_rng(0))
    >>> np.allclose(q.T @ q, np.eye(2))
    True
    """

    gain: float = 1.0
    seed: int | None = None

    def __call__(self, shape: Shape, dtype: np.dtype, generator: Generator) -> np.ndarray:
        _fans(shape)
        flat = (shape[0], math.prod(shape[1:]))
        noise = _own(generator, self.seed).normal(size=(max(flat), min(flat)))
        q, r = np.linalg.qr(noise)
        q = q * np.sign(np.diagonal(r))
        return np.asarray(self.gain * (q if flat[0] >= flat[1] else q.T).reshape(shape), dtype)


def _own(generator: Generator, seed: int | None) -> Generator:
    return generator if seed is None else np.random.default_rng(seed)


def _symmetric(limit: float, seed: int | None) -> Uniform:
    return Uniform(-limit, limit, seed)


def _fans(shape: Shape) -> tuple[int, int]:
    """How many inputs and outputs a unit has: the extents of a matrix, times the receptive field behind them."""
    if len(shape) < 2:
        raise ValueError(
            f"this initialiser needs a shape of at least two axes (inputs, units), got {shape}; "
            "use Constant, Normal or Uniform"
        )
    field = math.prod(shape[2:])
    return shape[0] * field, shape[1] * field
