"""GoogLeNet (Szegedy et al., 2015) without its auxiliary classifiers, on images of 224 x 224: the network itself, and
its loss with the gradient by all parameters.

The network is written once, over a module of layers that each library has its own of.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.workload import Arguments, Workload, random

__all__ = ["GOOGLENET"]

CLASSES = 1000
#: For each module: the filters of its 1x1; of its 3x3, and of the 1x1 before that; of its 5x5 likewise; behind its pool.
MODULES = (
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64),
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64), (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip
#: Modules with a pool before them.
POOLED = (2, 7)


def network(layers: Any, images: Any, parameters: Any) -> Any:
    """The scores of the classes, from images (images, 3, 224, 224)."""
    conv, pool = layers.conv, layers.pool
    stem, modules, dense = parameters
    x = pool(conv(images, *stem[0], stride=2, padding=3), stride=2)
    x = layers.normalised(x)
    x = conv(conv(x, *stem[1]), *stem[2], padding=1)
    x = pool(layers.normalised(x), stride=2)
    for number, (one, three_in, three, five_in, five, behind) in enumerate(modules):
        if number in POOLED:
            x = pool(x, stride=2)
        branches = [
            conv(x, *one),
            conv(conv(x, *three_in), *three, padding=1),
            conv(conv(x, *five_in), *five, padding=2),
            conv(pool(x, stride=1), *behind),
        ]
        x = layers.joined(branches)
    return layers.dense(layers.mean(x), *dense)


def parameters() -> Any:
    """Weights and biases of all layers."""
    numbers = iter(range(1000))

    def layer(filters: int, channels: int, taps: int) -> Any:
        scale = np.float32(np.sqrt(2 / (channels * taps * taps)))
        weights = random(filters, channels, taps, taps, seed=next(numbers), dtype=np.float32) * scale
        return weights, np.full(filters, 0.1, np.float32)

    stem = (layer(64, 3, 7), layer(64, 64, 1), layer(192, 64, 3))
    modules, channels = [], 192
    for one, three_in, three, five_in, five, behind in MODULES:
        modules.append(
            (
                layer(one, channels, 1), layer(three_in, channels, 1), layer(three, three_in, 3),
                layer(five_in, channels, 1), layer(five, five_in, 5), layer(behind, channels, 1),
            )
        )  # fmt: skip
        channels = one + three + five + behind
    weights = random(channels, CLASSES, seed=next(numbers), dtype=np.float32) / np.float32(100 * np.sqrt(channels))
    return stem, tuple(modules), (weights, np.zeros(CLASSES, np.float32))


# -- layers ------------------------------------------------------------------------------------------------------------


class Plain:
    """Layers of NumPy's functions: a product for each tap, a maximum for each place of a window."""

    def __init__(self, np: Any) -> None:
        self.np = np

    def conv(self, x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0) -> Any:
        images, channels, n, _ = x.shape
        filters, taps = w.shape[0], w.shape[2]
        side, total = (n + 2 * padding - taps) // stride + 1, b[:, None]
        x = self.np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
        for i in range(taps):
            for j in range(taps):
                rows, columns = (slice(k, k + stride * (side - 1) + 1, stride) for k in (i, j))
                seen = x[:, :, rows, columns].reshape(images, channels, side * side)
                total = total + w[:, :, i, j] @ seen
        return self.np.maximum(total, 0).reshape(images, filters, side, side)

    def pool(self, x: Any, stride: int) -> Any:
        n = x.shape[2]
        before = stride == 1
        x = self.np.pad(x, ((0, 0), (0, 0), (before, 1), (before, 1)), constant_values=-float("inf"))
        spans = [slice(k, k + n, stride) for k in range(3)]
        return functools.reduce(self.np.maximum, [x[:, :, i, j] for i in spans for j in spans])

    def normalised(self, x: Any) -> Any:
        channels = x.shape[1]
        squares = self.np.pad(x * x, ((0, 0), (2, 2), (0, 0), (0, 0)))
        total = sum(squares[:, k : k + channels] for k in range(5))
        return x / (1 + 2e-5 * total) ** 0.75

    def joined(self, branches: Sequence[Any]) -> Any:
        return self.np.concatenate(branches, axis=1)

    def mean(self, x: Any) -> Any:
        return self.np.mean(x, axis=(2, 3))

    def dense(self, x: Any, w: Any, b: Any) -> Any:
        return x @ w + b


class Ours(Plain):
    """Layers of `tracegraph.nn`."""

    def conv(self, x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0) -> Any:
        nn = importlib.import_module("tracegraph.nn")
        return np.maximum(nn.conv2d(x, w, stride=stride, padding=padding) + b[:, None, None], 0)

    def pool(self, x: Any, stride: int) -> Any:
        nn = importlib.import_module("tracegraph.nn")
        return nn.max_pool2d(x, 3, stride=stride, padding="same")

    def normalised(self, x: Any) -> Any:
        nn = importlib.import_module("tracegraph.nn")
        return nn.local_response_norm(x, 5)


class Jax:
    """Layers of JAX, which likes channels last."""

    @staticmethod
    def conv(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0) -> Any:
        jax = importlib.import_module("jax")
        layout = ("NHWC", "OIHW", "NHWC")
        y = jax.lax.conv_general_dilated(x, w, (stride, stride), [(padding, padding)] * 2, dimension_numbers=layout)
        return jax.numpy.maximum(y + b, 0)

    @staticmethod
    def pool(x: Any, stride: int) -> Any:
        jax = importlib.import_module("jax")
        return jax.lax.reduce_window(x, -np.inf, jax.lax.max, (1, 3, 3, 1), (1, stride, stride, 1), "SAME")

    @staticmethod
    def normalised(x: Any) -> Any:
        jax = importlib.import_module("jax")
        around = [(0, 0), (0, 0), (0, 0), (2, 2)]
        total = jax.lax.reduce_window(x * x, 0.0, jax.lax.add, (1, 1, 1, 5), (1, 1, 1, 1), around)
        return x / (1 + 2e-5 * total) ** 0.75

    @staticmethod
    def joined(branches: Sequence[Any]) -> Any:
        return importlib.import_module("jax.numpy").concatenate(branches, axis=3)

    @staticmethod
    def mean(x: Any) -> Any:
        return x.mean((1, 2))

    @staticmethod
    def dense(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b


class Torch:
    """Layers of PyTorch, for images of any memory format."""

    @staticmethod
    def conv(x: Any, w: Any, b: Any, stride: int = 1, padding: int = 0) -> Any:
        functional = importlib.import_module("torch.nn.functional")
        return functional.relu(functional.conv2d(x, w, b, stride=stride, padding=padding))

    @staticmethod
    def pool(x: Any, stride: int) -> Any:
        functional = importlib.import_module("torch.nn.functional")
        return functional.max_pool2d(x, 3, stride=stride, padding=int(stride == 1), ceil_mode=True)

    @staticmethod
    def normalised(x: Any) -> Any:
        return importlib.import_module("torch.nn.functional").local_response_norm(x, 5)

    @staticmethod
    def joined(branches: Sequence[Any]) -> Any:
        return importlib.import_module("torch").cat(branches, 1)

    @staticmethod
    def mean(x: Any) -> Any:
        return x.mean((2, 3))

    @staticmethod
    def dense(x: Any, w: Any, b: Any) -> Any:
        return x @ w + b


# -- workloads ---------------------------------------------------------------------------------------------------------


def scores(np: Any, images: Any, parameters: Any) -> Any:
    return network(Plain(np), images, parameters)


def scores_ours(np: Any, images: Any, parameters: Any) -> Any:
    return network(Ours(np), images, parameters)


def scores_jax(np: Any, images: Any, parameters: Any) -> Any:
    return network(Jax, np.transpose(images, (0, 2, 3, 1)), parameters)


def scores_torch(torch: Any, images: Any, parameters: Any) -> Any:
    return network(Torch, images.contiguous(memory_format=torch.channels_last), parameters)


def loss_of(np: Any, scores: Any, classes: Any) -> Any:
    """The mean over the images of the cross entropy of softmax."""
    highest = np.max(scores, axis=1, keepdims=True)
    totals = np.log(np.sum(np.exp(scores - highest), axis=1)) + highest[:, 0]
    return np.mean(totals - scores[np.arange(classes.shape[0]), classes])


def loss(np: Any, images: Any, classes: Any, parameters: Any) -> Any:
    return loss_of(np, scores(np, images, parameters), classes)


def loss_ours(np: Any, images: Any, classes: Any, parameters: Any) -> Any:
    return loss_of(np, scores_ours(np, images, parameters), classes)


def loss_jax(np: Any, images: Any, classes: Any, parameters: Any) -> Any:
    return loss_of(np, scores_jax(np, images, parameters), classes)


def loss_torch(torch: Any, images: Any, classes: Any, parameters: Any) -> Any:
    return torch.nn.functional.cross_entropy(scores_torch(torch, images, parameters), classes)


def arguments(images: int) -> Arguments:
    return random(images, 3, 224, 224, dtype=np.float32), parameters()


def labelled(images: int) -> Arguments:
    classes = np.random.default_rng(1).integers(0, CLASSES, images)
    return random(images, 3, 224, 224, dtype=np.float32), classes, parameters()


GOOGLENET: tuple[Workload, ...] = (
    Workload(
        "GoogLeNet at 224 f32",
        scores,
        arguments,
        8,
        4,
        variants={"tracegraph": scores_ours, "jax": scores_jax, "torch": scores_torch},
    ),
    Workload(
        "gradient: GoogLeNet at 224 f32",
        loss,
        labelled,
        8,
        4,
        argnums=(2,),
        variants={"tracegraph": loss_ours, "jax": loss_jax, "torch": loss_torch},
    ),
)
