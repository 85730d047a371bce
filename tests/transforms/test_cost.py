"""What derivatives cost: arithmetic against that of the function, from optimised graphs, and memory, from the plan."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.compiler.cost import weight_of
from tracegraph.ir import Graph, Node
from tracegraph.ops.control import Loop
from tracegraph.pipeline import optimise


def work(graph: Graph) -> float:
    """The arithmetic of a graph, in additions."""
    return sum(work_of(node) for node in graph.nodes)


def work_of(node: Node) -> float:
    name, size = node.op.name, math.prod(node.shape)
    first = node.inputs[0].shape if node.inputs else ()
    if name == "loop":
        parts = Loop.of(node)
        return parts.length * work(parts.body)
    if node.op.kind == "elementwise":
        return size * weight_of(node)
    if name == "matmul":
        return 2 * size * first[-1]
    if name == "correlate":
        return 2 * size * node.inputs[1].shape[-1]
    if node.op.kind == "reduce" or name in ("cumulate", "argmax", "argmin", "scatter_add"):
        return math.prod(first)
    if name == "cholesky":
        return size * first[-1] / 3
    if name == "cholesky_pullback":
        return size * first[-1] * 5 / 6
    if name == "solve":
        return 2 / 3 * math.prod(first) * first[-1] + 2 * size * first[-1]
    if name in ("inv", "det", "slogdet"):
        return 2 * math.prod(first) * first[-1]
    return 0


def of(function: Callable[..., Any], *args: Any) -> float:
    compiled = function if isinstance(function, tg.Compiled) else tg.compile(function)
    return work(optimise(compiled.graph(*args)))


RNG = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def mlp(params: Any, x: Any) -> Any:
    for w, b in params:
        x = np.tanh(x @ w + b)
    return np.mean(x**2)


def rectified(params: Any, x: Any) -> Any:
    for w, b in params:
        x = np.maximum(x @ w + b, 0)
    return np.mean(x**2)


def classifier(w: Any, x: Any, y: Any) -> Any:
    scores = x @ w
    logs = scores - np.log(np.sum(np.exp(scores), axis=1, keepdims=True))
    return -np.mean(np.sum(logs * y, axis=1))


def logistic(w: Any, x: Any, y: Any) -> Any:
    p = 1 / (1 + np.exp(-(x @ w)))
    return -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


def gaussian_process(log_scale: Any, x: Any, y: Any) -> Any:
    distance = (x[:, None] - x[None, :]) ** 2
    k = np.exp(-distance * np.exp(log_scale)) + 0.1 * np.eye(x.size)
    factor = np.linalg.cholesky(k)
    a = np.linalg.solve(factor, y)
    return 0.5 * np.sum(a**2) + np.sum(np.log(np.diag(factor)))


def convolution(kernel: Any, image: Any) -> Any:
    out = 0.0
    for i in range(3):
        for j in range(3):
            out = out + kernel[i, j] * image[i : i + 30, j : j + 30]
    return np.sum(np.maximum(out, 0) ** 2)


def attention(q: Any, k: Any, v: Any) -> Any:
    scores = q @ k.T / np.sqrt(16)
    e = np.exp(scores - np.max(scores, axis=1, keepdims=True))
    return np.sum((e / np.sum(e, axis=1, keepdims=True) @ v) ** 2)


def rosenbrock(x: Any) -> Any:
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def black_scholes(s: Any) -> Any:
    d1 = (np.log(s / 100.0) + 0.07) / 0.2
    cdf = lambda x: 1 / (1 + np.exp(-1.702 * x))  # noqa: E731
    return np.sum(s * cdf(d1) - 95 * cdf(d1 - 0.2))


def n_body(x: Any) -> Any:
    d = x[:, None, :] - x[None, :, :]
    return -np.sum(1 / np.sqrt(np.sum(d * d, axis=-1) + 0.01))


def normalised(x: Any) -> Any:
    mean = np.mean(x, axis=1, keepdims=True)
    return np.sum(np.tanh((x - mean) / np.sqrt(np.var(x, axis=1, keepdims=True) + 1e-5)))


def mixture(means: Any, x: Any) -> Any:
    logs = -0.5 * np.sum((x[:, None, :] - means[None, :, :]) ** 2, axis=-1)
    return np.sum(np.log(np.sum(np.exp(logs), axis=1)))


def recurrent(w: Any, xs: Any) -> Any:
    def step(h: Any, x: Any) -> Any:
        h = np.tanh(w @ h + x)
        return h, None

    return np.sum(tg.scan(step, np.zeros(16), xs)[0] ** 2)


LAYERS = [(normal(32, 32) / 6, normal(32)) for _ in range(4)]
#: A function and its arguments; it is differentiated by the first.
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "mlp": (mlp, (LAYERS, normal(64, 32))),
    "rectified": (rectified, (LAYERS, normal(64, 32))),
    "classifier": (classifier, (normal(20, 10), normal(64, 20), np.eye(10)[RNG.integers(0, 10, 64)])),
    "logistic": (logistic, (normal(20), normal(64, 20), (normal(64) > 0) * 1.0)),
    "gaussian process": (gaussian_process, (0.3, normal(40), normal(40))),
    "convolution": (convolution, (normal(3, 3), normal(32, 32))),
    "attention": (attention, (normal(32, 16), normal(32, 16), normal(32, 16))),
    "rosenbrock": (rosenbrock, (normal(1000),)),
    "black-scholes": (black_scholes, (np.abs(normal(1000)) * 10 + 100,)),
    "n-body": (n_body, (normal(30, 3),)),
    "normalised": (normalised, (normal(64, 32),)),
    "mixture": (mixture, (normal(5, 4), normal(200, 4))),
    "recurrent": (recurrent, (normal(16, 16) / 4, normal(20, 16))),
}
over_programs = pytest.mark.parametrize("name", PROGRAMS)


@over_programs
def test_value_and_grad_is_at_most_four_times_the_function(name: str) -> None:
    """The cheap gradient principle (W. Baur and V. Strassen, 1983)."""
    f, args = PROGRAMS[name]
    assert of(tg.value_and_grad(f), *args) <= 4 * of(f, *args)


@over_programs
def test_hessian_vector_product_is_at_most_twice_a_gradient(name: str) -> None:
    """Forward over reverse and reverse over reverse, next to gradient and function."""
    f, args = PROGRAMS[name]
    first, *rest = args
    slope = tg.grad(f)
    product = tg.compile(lambda v, x, *rest: tg.jvp(lambda x: slope(x, *rest), (x,), (v,))[1])
    bound = 2 * (of(slope, *args) + of(f, *args))
    assert of(product, first, first, *rest) <= bound
