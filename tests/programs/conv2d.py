"""A convolution layer with stride and a bias, by a loop over the window of the kernel."""

import numpy as np


def conv2d(images, kernels, bias, stride=1):
    n, h, w, _ = images.shape
    kh, kw, _, filters = kernels.shape
    oh, ow = (h - kh) // stride + 1, (w - kw) // stride + 1
    out = np.zeros((n, oh, ow, filters), dtype=images.dtype)
    for i in range(kh):
        for j in range(kw):
            patch = images[:, i : i + stride * oh : stride, j : j + stride * ow : stride, :]
            out += np.tensordot(patch, kernels[i, j], axes=(3, 0))
    out += bias
    return out


def arguments(size="small", seed=0):
    n, h, c, filters = {"small": (2, 9, 3, 4), "bench": (16, 112, 16, 32)}[size]
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, h, h + 1, c)), rng.normal(size=(3, 3, c, filters)), rng.normal(size=filters), 2


def loss(images, kernels, bias, stride):
    return np.sum(np.tanh(conv2d(images, kernels, bias, 2)))


differentiate = (0, 1, 2)
