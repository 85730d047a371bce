"""A small GoogLeNet (Szegedy et al., 2015) that learns to read 1,797 handwritten digits of 8 x 8 pixels: two inception
modules, each of four branches side by side, and one number a channel at the end.

    python examples/googlenet.py
    python examples/googlenet.py --steps 2
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.datasets import load_digits

from tracegraph.nn import (
    ConcatLayer,
    Conv2DLayer,
    DenseLayer,
    GlobalPoolLayer,
    InputLayer,
    Layer,
    LocalResponseNormalization2DLayer,
    MaxPool2DLayer,
    count_params,
    softmax,
)
from tracegraph.symbolic import adam, categorical_crossentropy, eq, get_all_params, grad, mean, run, tensor4, vector

BATCH = 32
UNSEEN = 300


def inception(net: Layer, one: int, three_in: int, three: int, five_in: int, five: int, behind: int) -> Layer:
    """Four branches: 1x1; 1x1 and 3x3; 1x1 and 5x5; a pool and 1x1. Each number is one of filters."""
    branches = [
        Conv2DLayer(net, one, 1),
        Conv2DLayer(Conv2DLayer(net, three_in, 1), three, 3, pad="same"),
        Conv2DLayer(Conv2DLayer(net, five_in, 1), five, 5, pad="same"),
        Conv2DLayer(MaxPool2DLayer(net, 3, stride=1, pad="same"), behind, 1),
    ]
    return ConcatLayer(branches)


def network(net: Layer) -> Layer:
    net = Conv2DLayer(net, 16, 3, pad="same")
    net = LocalResponseNormalization2DLayer(net)
    net = inception(net, 8, 8, 16, 4, 8, 8)
    net = MaxPool2DLayer(net, 3, stride=2, pad="same")
    net = inception(net, 16, 16, 32, 8, 16, 16)
    return DenseLayer(GlobalPoolLayer(net), num_units=10, nonlinearity=softmax)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=400, help="how many batches to learn from (default: 400)")
    options = parser.parse_args()

    images, classes = load_digits(return_X_y=True)
    rng = np.random.default_rng(0)
    order = rng.permutation(len(images))
    images, classes = images[order].reshape(-1, 1, 8, 8) / 16, classes[order]

    X, Y = tensor4(shape=(None, 1, 8, 8)), vector()
    net = network(InputLayer(X))
    loss, accuracy = mean(categorical_crossentropy(net, Y)), mean(eq(net, Y))
    parameters = get_all_params(net)
    train_op = adam(grad(loss, parameters), parameters, learning_rate=3e-3)
    print(f"{len(parameters)} arrays of {count_params(net):,} parameters")

    for step in range(1, options.steps + 1):
        chosen = rng.integers(UNSEEN, len(images), BATCH)
        _, value = run([train_op, loss], feed={X: images[chosen], Y: classes[chosen]})
        if step % 100 == 0:
            print(f"step {step:>4}  loss {value:.3f}")

    (right,) = run([accuracy], feed={X: images[:UNSEEN], Y: classes[:UNSEEN]})
    print(f"accuracy on {UNSEEN} digits that it has not seen: {right:.3f}")


if __name__ == "__main__":
    main()
