"""What derivatives cost: arithmetic against that of the function, from optimised graphs, and memory, from the plan."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph as tg
from tracegraph import pipeline
from tracegraph.compiler.cost import weight_of
from tracegraph.ir import Graph, Node
from tracegraph.ops.control import Loop
from tracegraph.pipeline import optimise
from tracegraph.tree import flatten


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


#: What is dearer, and why. The second derivative of cholesky takes products of whole matrices, where a gradient takes
#: 5/6 n^3 steps.
SECOND: dict[str, float] = {"gaussian process": 7}


@over_programs
def test_hessian_vector_product_is_at_most_twice_a_gradient(name: str) -> None:
    """Forward over reverse and reverse over reverse, next to gradient and function."""
    f, args = PROGRAMS[name]
    first, *rest = args
    slope = tg.grad(f)

    def forward(v: Any, x: Any, *rest: Any) -> Any:
        return tg.jvp(lambda x: slope(x, *rest), (x,), (v,))[1]

    def reverse(v: Any, x: Any, *rest: Any) -> Any:
        def product(x: Any) -> Any:
            pairs = zip(flatten(slope(x, *rest))[0], flatten(v)[0], strict=True)
            return sum(np.sum(each * direction) for each, direction in pairs)

        return tg.grad(product)(x)

    bound = SECOND.get(name, 2) * (of(slope, *args) + of(f, *args))
    assert of(forward, first, first, *rest) <= bound
    assert of(reverse, first, first, *rest) <= bound


def test_dead_adjoints_are_not_computed() -> None:
    """A gradient by the last layer does not go through those before, nor compute what other arguments would need."""

    def f(last: Any, first: Any, x: Any) -> Any:
        return np.sum(np.tanh(np.tanh(x @ first) @ last))

    w, x = normal(8, 8), normal(5, 8)
    products = lambda *argnums: sum(  # noqa: E731
        node.op.name == "matmul" for node in optimise(tg.grad(f, argnums=argnums).graph(w, w, x)).nodes
    )
    assert products(0) == 3
    assert products(0, 1) == 5
    assert products(0, 1, 2) == 6
    assert of(tg.grad(lambda x: np.sum(x * 2.0 + np.floor(np.exp(x)))), x) <= x.size


@pytest.mark.parametrize(
    "step", [np.tanh, lambda x: np.where(x > 0, np.sqrt(x), 0.1 * x), lambda x: np.maximum(x[::-1], x)]
)
def test_nodes_grow_with_depth(step: Callable[[Any], Any]) -> None:
    """The gradient of twice as deep a function has twice as many nodes."""

    def nodes(depth: int) -> int:
        def f(x: Any) -> Any:
            for _ in range(depth):
                x = step(x)
            return np.sum(x)

        return len(optimise(tg.grad(f).graph(np.ones(4))).nodes)

    few, more, most = map(nodes, (10, 20, 40))
    assert most - more == 2 * (more - few)


def layered(activation: Callable[[Any], Any], *, residual: bool = False) -> Callable[[Any, Any], Any]:
    def network(params: Any, x: Any) -> Any:
        for w, b in params:
            y = activation(x @ w + b)
            x = x + y if residual else y
        return np.sum(x * x)

    return network


#: A network, and how many arrays of each layer its derivative needs: what it multiplies weights by, and what an activation's
#: derivative is computed from where that is something else.
NETWORKS: dict[str, tuple[Callable[[Any, Any], Any], int]] = {
    "tanh": (layered(np.tanh), 1),
    "sigmoid": (layered(lambda x: 1 / (1 + np.exp(-x))), 1),
    "rectified": (layered(lambda x: np.maximum(x, 0)), 2),
    "leaky": (layered(lambda x: np.where(x > 0, x, 0.1 * x)), 1),
    "residual": (layered(np.tanh, residual=True), 2),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_memory_of_a_deep_gradient(name: str) -> None:
    """At its peak, the gradient of 50 layers holds little more than what their derivatives are computed from."""
    network, arrays = NETWORKS[name]
    layers, width, batch = 50, 32, 128
    params = [(normal(width, width), normal(width)) for _ in range(layers)]
    program = pipeline.build(tg.value_and_grad(network).graph(params, normal(batch, width)))
    assert program.plan.arena_bytes <= 1.2 * arrays * layers * batch * width * 8
