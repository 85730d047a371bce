"""Normalisation of batches while training, with running statistics, and the derivatives by hand."""

import numpy as np


class BatchNorm:
    def __init__(self, channels, momentum=0.9, eps=1e-5):
        self.gamma = np.ones(channels)
        self.beta = np.zeros(channels)
        self.mean = np.zeros(channels)
        self.var = np.ones(channels)
        self.momentum = momentum
        self.eps = eps

    def forward(self, x, training=True):
        if training:
            mean, var = x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))
            self.mean *= self.momentum
            self.mean += (1 - self.momentum) * mean
            self.var *= self.momentum
            self.var += (1 - self.momentum) * var
        else:
            mean, var = self.mean, self.var
        self.inverse = 1 / np.sqrt(var + self.eps)
        self.normal = (x - mean) * self.inverse
        return self.gamma * self.normal + self.beta

    def backward(self, grad):
        count = np.prod(grad.shape[:3])
        by_gamma = np.einsum("nhwc,nhwc->c", grad, self.normal)
        by_beta = grad.sum(axis=(0, 1, 2))
        by_x = self.gamma * self.inverse / count * (count * grad - by_beta - self.normal * by_gamma)
        self.gamma -= 0.01 * by_gamma
        self.beta -= 0.01 * by_beta
        return by_x


def batch_norm(batches, held_out):
    layer = BatchNorm(batches.shape[-1])
    slopes = []
    for x in batches:
        out = layer.forward(x)
        slopes.append(layer.backward(np.tanh(out) / len(x)))
    return layer.forward(held_out, training=False), np.stack(slopes), layer.mean, layer.var


def arguments(size="small", seed=0):
    k, n, h, c = {"small": (2, 3, 4, 5), "bench": (4, 16, 28, 16)}[size]
    rng = np.random.default_rng(seed)
    return 1 + 2 * rng.normal(size=(k, n, h, h, c)), rng.normal(size=(n, h, h, c))
