"""Contractions: matrix products of all shapes, and the convolutions of an image network with their gradients."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.workload import Arguments, Workload, random

__all__ = ["CONTRACTIONS"]

F32 = np.float32


def matmul(np: Any, x: Any, y: Any) -> Any:
    return np.matmul(x, y)


class Layer(NamedTuple):
    """A convolution of 8 images: channels in and out, taps, stride, padding, places."""

    channels: int
    filters: int
    taps: int
    stride: int
    padding: int
    places: int

    def __str__(self) -> str:
        step = f"/{self.stride}" if self.stride > 1 else ""
        return f"{self.channels}-{self.filters} {self.taps}x{self.taps}{step} at {self.places}"

    def arguments(self, images: int) -> Arguments:
        x = random(images, self.channels, self.places, self.places, dtype=F32)
        return x, random(self.filters, self.channels, self.taps, self.taps, seed=1, dtype=F32) / self.taps

    def plain(self, np: Any, x: Any, w: Any) -> Any:
        """One product for each tap."""
        x = np.pad(x, ((0, 0), (0, 0), (self.padding, self.padding), (self.padding, self.padding)))
        last = self.places + 2 * self.padding - self.taps
        side, total = last // self.stride + 1, 0
        for i in range(self.taps):
            for j in range(self.taps):
                seen = x[:, :, i : i + last + 1 : self.stride, j : j + last + 1 : self.stride]
                total = total + np.matmul(w[:, :, i, j], np.reshape(seen, (x.shape[0], self.channels, side * side)))
        return np.reshape(total, (x.shape[0], self.filters, side, side))

    def tracegraph(self, np: Any, x: Any, w: Any) -> Any:
        nn = importlib.import_module("tracegraph.nn")
        return nn.conv2d(x, w, stride=self.stride, padding=self.padding)

    def jax(self, np: Any, x: Any, w: Any) -> Any:
        lax = importlib.import_module("jax.lax")
        return lax.conv_general_dilated(x, w, (self.stride,) * 2, [(self.padding,) * 2] * 2)


def squared(layer: Callable[..., Any]) -> Callable[..., Any]:
    def loss(np: Any, x: Any, w: Any) -> Any:
        y = layer(np, x, w)
        return np.mean(y * y)

    return loss


#: Those of GoogLeNet's first layers and of three of its modules.
LAYERS = (
    Layer(3, 64, 7, 2, 3, 224), Layer(64, 192, 3, 1, 1, 56), Layer(192, 96, 1, 1, 0, 28), Layer(96, 208, 3, 1, 1, 14),
    Layer(32, 96, 5, 1, 2, 28),
)  # fmt: skip


def _gemm(dtype: Any, n: int) -> Workload:
    def arguments(n: int) -> Arguments:
        return random(n, n, dtype=dtype), random(n, n, seed=1, dtype=dtype)

    return Workload(f"gemm {n} {'f32' if dtype is F32 else 'f64'}", matmul, arguments, n, 32)


CONTRACTIONS: tuple[Workload, ...] = (
    *(_gemm(dtype, n) for dtype in (F32, np.float64) for n in (128, 512, 1024, 2048)),
    Workload(
        "gemm batch of 64 x 128 f32",
        matmul,
        lambda n: (random(n, 128, 128, dtype=F32), random(n, 128, 128, seed=1, dtype=F32)),
        64,
        4,
    ),
    Workload("gemm 4096 matrix by vector f64", matmul, lambda n: (random(n, n), random(n, seed=1)), 4096, 32),
    *(
        Workload(
            f"conv {layer}",
            layer.plain,
            layer.arguments,
            8,
            4,
            variants={"tracegraph": layer.tracegraph, "jax": layer.jax},
        )
        for layer in LAYERS
    ),
    *(
        Workload(
            f"gradient: conv {layer}",
            squared(layer.plain),
            layer.arguments,
            8,
            4,
            argnums=(0, 1),
            variants={"tracegraph": squared(layer.tracegraph), "jax": squared(layer.jax)},
        )
        for layer in LAYERS
    ),
)
