"""A long short-term memory over a batch of sequences, by a Python loop over time."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Weights:
    inputs: np.ndarray
    hidden: np.ndarray
    bias: np.ndarray


def sigmoid(x):
    return 0.5 * (1 + np.tanh(0.5 * x))


def step(weights, x, h, c):
    gates = x @ weights.inputs + h @ weights.hidden + weights.bias
    i, f, g, o = np.hsplit(gates, 4)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def lstm(weights, sequence):
    steps, batch, _ = sequence.shape
    units = weights.hidden.shape[0]
    h, c = np.zeros((batch, units)), np.zeros((batch, units))
    outputs = np.zeros((steps, batch, units))
    for t in range(steps):
        h, c = step(weights, sequence[t], h, c)
        outputs[t] = h
    return outputs, c


def arguments(size="small", seed=0):
    steps, batch, width, units = {"small": (4, 3, 5, 6), "bench": (50, 64, 64, 96)}[size]
    rng = np.random.default_rng(seed)
    weights = Weights(
        rng.normal(size=(width, 4 * units)) / np.sqrt(width),
        rng.normal(size=(units, 4 * units)) / np.sqrt(units),
        np.zeros(4 * units),
    )
    return weights, rng.normal(size=(steps, batch, width))


def loss(weights, sequence):
    return np.mean(lstm(weights, sequence)[0] ** 2)


differentiate = (1,)
