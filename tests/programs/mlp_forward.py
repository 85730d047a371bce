"""A network of three layers with a softmax at its end, forward only."""

import numpy as np


def relu(x):
    return np.maximum(x, 0)


def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def mlp_forward(x, w1, b1, w2, b2, w3, b3):
    x = relu(x @ w1 + b1)
    x = relu(x @ w2 + b2)
    return softmax(x @ w3 + b3)


def arguments(size="small", seed=0):
    n, widths = {"small": (8, (12, 16, 10, 5)), "bench": (4096, (784, 512, 256, 10))}[size]
    rng = np.random.default_rng(seed)
    layers = []
    for k in range(3):
        fan_in, fan_out = widths[k : k + 2]
        layers += [rng.normal(size=(fan_in, fan_out)) / np.sqrt(fan_in), 0.1 * rng.normal(size=fan_out)]
    return rng.normal(size=(n, widths[0])).astype(np.float32), *(np.float32(layer) for layer in layers)
