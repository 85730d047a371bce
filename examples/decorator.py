"""Plain NumPy code, compiled and differentiated: the slides' formula, and a logistic regression fitted to real data by
Newton's method with line search.

    python examples/decorator.py
    python examples/decorator.py --steps 2
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from sklearn.datasets import load_breast_cancer

import tracegraph as tg


@tg.compile
def z(a: float, x: float, b: float, y: float, c: float) -> Any:
    """The slides' formula."""
    return np.exp(a * x + b * y + c)


def show_formula() -> None:
    """Values, derivatives, and what one can ask of a compiled function."""
    point = (1.0, 2.0, 3.0, -1.0, 0.5)
    print(f"z = {z(*point):.4f}")
    by_a, by_y = tg.grad(z, argnums=(0, 3))(*point)
    print(f"∂z/∂a = {by_a:.4f}, ∂z/∂y = {by_y:.4f}")
    print(f"∂²z/∂a² = {tg.grad(tg.grad(z))(*point):.4f}")
    print(f"\nits graph:\n{z.graph(*point)}\n\nits kernel:\n{z.source(*point)}\n\n{z.cache_info()}\n")


def cost(weights: np.ndarray, features: np.ndarray, labels: np.ndarray) -> Any:
    """Mean cross-entropy of a logistic regression, with a little weight decay. Labels are -1 and 1."""
    margins = labels * (features @ weights)
    return np.mean(np.log(1 + np.exp(-margins))) + 1e-3 * np.sum(weights**2)


cost_and_slope = tg.value_and_grad(cost)


@tg.compile
def curvature_along(weights: np.ndarray, direction: np.ndarray, features: np.ndarray, labels: np.ndarray) -> Any:
    """The Hessian of the cost times a direction: the gradient of the slope in that direction."""

    def slope(at: np.ndarray) -> Any:
        return np.sum(tg.grad(cost)(at, features, labels) * direction)

    return tg.grad(slope)(weights)


def newton_direction(weights: np.ndarray, slope: np.ndarray, data: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Solves Hessian @ direction = -slope by conjugate gradients, from products with the Hessian alone."""
    direction, residual = np.zeros_like(slope), -slope
    search, square = residual, residual @ residual
    for _ in range(len(slope)):
        if square < 1e-16:
            break
        bent = curvature_along(weights, search, *data)
        length = square / (search @ bent)
        direction, residual = direction + length * search, residual - length * bent
        search, square = residual + (residual @ residual) / square * search, residual @ residual
    return direction


def fit(steps: int) -> None:
    """Newton's method, each step halved until the cost falls."""
    features, classes = load_breast_cancer(return_X_y=True)
    features = (features - features.mean(axis=0)) / features.std(axis=0)
    data = np.column_stack([features, np.ones(len(features))]), 2.0 * classes - 1
    weights = np.zeros(data[0].shape[1])
    for step in range(1, steps + 1):
        value, slope = cost_and_slope(weights, *data)
        direction = newton_direction(weights, slope, data)
        length = 1.0
        while cost_and_slope(weights + length * direction, *data)[0] > value and length > 1e-6:
            length /= 2
        weights = weights + length * direction
        print(f"step {step:>2}  cost {value:.9f}  slope {np.linalg.norm(slope):.1e}")
    right = np.mean(np.sign(data[0] @ weights) == data[1])
    print(f"accuracy on the data it was fitted to: {right:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=8, help="steps of Newton's method (default: 8)")
    options = parser.parse_args()
    show_formula()
    fit(options.steps)


if __name__ == "__main__":
    main()
