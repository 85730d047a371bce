"""Workloads that are differentiated: each returns a number, and what is timed is that number with its gradient."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.forward import exponential, exponential_arguments
from benchmarks.workload import Arguments, Workload, random

__all__ = ["GRADIENTS"]

F32 = np.float32


def rosenbrock(np: Any, x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def tanh_network(np: Any, layers: Any, x: Any, targets: Any) -> Any:
    (first, first_bias), (second, second_bias) = layers
    predicted = np.matmul(np.tanh(np.matmul(x, first) + first_bias), second) + second_bias
    return np.mean((predicted - targets) ** 2)


def classifier(np: Any, layers: Any, x: Any, one_hot: Any) -> Any:
    *hidden, (last, last_bias) = layers
    for weights, bias in hidden:
        x = np.maximum(np.matmul(x, weights) + bias, 0)
    scores = np.matmul(x, last) + last_bias
    scores = scores - np.max(scores, axis=1, keepdims=True)
    log_total = np.log(np.sum(np.exp(scores), axis=1))
    return np.mean(log_total - np.sum(scores * one_hot, axis=1))


def recurrent(np: Any, parameters: Any, sequence: Any, start: Any) -> Any:
    inward, across, bias = parameters
    state = start
    for step in range(sequence.shape[0]):
        state = np.tanh(np.matmul(sequence[step], inward) + np.matmul(state, across) + bias)
    return np.mean(state * state)


def logistic(np: Any, weights: Any, bias: Any, x: Any, signs: Any) -> Any:
    margins = signs * (np.matmul(x, weights) + bias)
    return np.mean(np.log(1 + np.exp(-margins))) + 1e-3 * np.sum(weights * weights)


def dense_layers(*widths: int, dtype: Any = np.float64) -> list[list[np.ndarray]]:
    """Weights and biases of layers between these widths."""
    return [
        [random(m, n, seed=k, dtype=dtype) / dtype(np.sqrt(m)), np.full(n, 0.1, dtype)]
        for k, (m, n) in enumerate(pairwise(widths))
    ]


def classifier_arguments(n: int) -> Arguments:
    one_hot = np.eye(10, dtype=F32)[np.arange(n) % 10]
    return dense_layers(784, 512, 256, 10, dtype=F32), random(n, 784, seed=9, dtype=F32), one_hot


def recurrent_arguments(n: int) -> Arguments:
    parameters = [random(64, 64) / 8, random(64, 64, seed=1) / 8, random(64, seed=2)]
    return parameters, random(50, n, 64, seed=3), np.zeros((n, 64))


def logistic_arguments(n: int) -> Arguments:
    return random(100) / 10, 0.1, random(n, 100, seed=1), np.sign(random(n, seed=2))


GRADIENTS = (
    Workload(
        "gradient: exp(ax+by+c), five numbers", exponential, exponential_arguments, None, None, argnums=(0, 1, 2, 3, 4)
    ),
    Workload("gradient: rosenbrock 1M f64", rosenbrock, lambda n: (random(n),), 1_000_000, 64, argnums=(0,)),
    Workload(
        "gradient: MLP 4-16-3, n=8 f64",
        tanh_network,
        lambda n: (dense_layers(4, 16, 3), random(n, 4, seed=5), random(n, 3, seed=6)),
        8,
        8,
        argnums=(0,),
    ),
    Workload("gradient: MLP 784-512-256-10, n=128 f32", classifier, classifier_arguments, 128, 8, argnums=(0,)),
    Workload("gradient: RNN 50x16x64 unrolled f64", recurrent, recurrent_arguments, 16, 4, argnums=(0,)),
    Workload("gradient: logistic 10000x100 f64", logistic, logistic_arguments, 10_000, 32, argnums=(0, 1)),
)
