"""A small convolutional network for digits: convolution, max pooling, twice, then three dense layers."""

import numpy as np


def relu(x):
    return np.maximum(x, 0)


def conv(x, weights):
    k = weights.shape[0]
    windows = np.lib.stride_tricks.sliding_window_view(x, (k, k), axis=(1, 2))
    return np.einsum("nhwcij,ijcf->nhwf", windows, weights)


def max_pool(x):
    n, h, w, c = x.shape
    out = np.empty((n, h // 2, w // 2, c), dtype=x.dtype)
    for i in range(h // 2):
        for j in range(w // 2):
            out[:, i, j, :] = np.max(x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2, :], axis=(1, 2))
    return out


def lenet(x, conv1, conv2, fc1, fc2, fc3):
    x = max_pool(relu(conv(x, conv1)))
    x = max_pool(relu(conv(x, conv2)))
    x = x.reshape(len(x), -1)
    x = relu(x @ fc1)
    x = relu(x @ fc2)
    return x @ fc3


def arguments(size="small", seed=0):
    n, side, widths = {"small": (2, 16, (20, 12)), "bench": (64, 28, (120, 84))}[size]
    rng = np.random.default_rng(seed)
    inner = ((side - 4) // 2 - 4) // 2
    shapes = [(5, 5, 1, 6), (5, 5, 6, 16), (inner * inner * 16, widths[0]), widths, (widths[1], 10)]
    weights = [rng.normal(size=shape, scale=1 / np.sqrt(np.prod(shape[:-1]))) for shape in shapes]
    return rng.random((n, side, side, 1)), *weights
