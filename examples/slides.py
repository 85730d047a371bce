"""The program of the slides, on 1,797 handwritten digits: it trains a network, predicts digits that it has not seen, and
draws the slides' graphs.

    python examples/slides.py
    python examples/slides.py --epochs 1
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from tqdm import tqdm

from tracegraph.symbolic import (
    DenseLayer,
    Expression,
    InputLayer,
    categorical_crossentropy,
    eq,
    exp,
    get_all_params,
    grad,
    matrix,
    mean,
    program,
    run,
    scalar,
    sgd,
    softmax,
    vector,
)  # fmt: skip
from tracegraph.viz import draw

OUT = Path(__file__).parent / "out"
BATCH = 16

Pair = tuple[np.ndarray, np.ndarray]


# -- the network -------------------------------------------------------------------------------------------------------


def train_and_predict(epochs: int) -> None:
    """The slides' listing: define, train, validate, predict."""
    training, validation, unlabelled = split_digits()

    X, Y = matrix(), vector()
    net = InputLayer(X)
    net = DenseLayer(net, num_units=64)
    net = DenseLayer(net, num_units=10, nonlinearity=softmax)
    prediction = net
    parameters = get_all_params(net)
    loss = mean(categorical_crossentropy(prediction, Y))
    accuracy = mean(eq(prediction, Y))

    gradient = grad(loss, parameters)
    train_op = sgd(gradient, parameters)

    for epoch in range(1, epochs + 1):
        with tqdm(list(get_minibatches(training, epoch)), desc=f"epoch {epoch:>2}", leave=False) as minibatches:
            for x_mb, y_mb in minibatches:
                run([train_op], feed={X: x_mb, Y: y_mb})
                loss_mb, accuracy_mb = run([loss, accuracy], feed={X: x_mb, Y: y_mb})
                minibatches.set_postfix(loss=f"{loss_mb:.3f}", accuracy=f"{accuracy_mb:.3f}", refresh=False)

        x_v, y_v = validation
        valid_loss, valid_acc = run([loss, accuracy], feed={X: x_v, Y: y_v})
        print(f"epoch {epoch:>2}  validation loss {valid_loss:.3f}  accuracy {valid_acc:.4f}")

    x_new, y_hidden = unlabelled
    (y_new,) = run([prediction], feed={X: x_new})
    right = np.count_nonzero(y_new.argmax(axis=1) == y_hidden)
    print(f"predicted {len(x_new)} unlabelled digits: {right} right, {right / len(x_new):.1%}")

    example = {X: training[0][:BATCH], Y: training[1][:BATCH]}
    W1, b1, W2, b2 = parameters
    names = {X: "X", Y: "Y", W1: "W₁", b1: "b₁", W2: "W₂", b2: "b₂"}
    write_picture(
        "network", "The network, its loss and its accuracy", {loss: "loss", accuracy: "accuracy"}, names, example
    )


def split_digits() -> tuple[Pair, Pair, Pair]:
    """Digits of 8 x 8 pixels with their classes, for training, for validation, and some whose classes stay hidden."""
    images, classes = load_digits(return_X_y=True)
    order = np.random.default_rng(3).permutation(len(images))
    images, classes = images[order] / 16, classes[order]
    return (images[:1200], classes[:1200]), (images[1200:1500], classes[1200:1500]), (images[1500:], classes[1500:])


def get_minibatches(pair: Pair, seed: int) -> Iterator[Pair]:
    """All digits once, in random order."""
    images, classes = pair
    order = np.random.default_rng(seed).permutation(len(images))
    for start in range(0, len(order), BATCH):
        chosen = order[start : start + BATCH]
        yield images[chosen], classes[chosen]


# -- the pictures ------------------------------------------------------------------------------------------------------


def draw_formulas() -> None:
    """The graphs that the slides begin with, and what is the derivative of what."""
    a, x, b, y, c = inputs = [scalar(name) for name in "axbyc"]
    feed = dict(zip(inputs, (1.0, 2.0, 3.0, -1.0, 0.5), strict=True))
    names = {leaf: leaf.name or "" for leaf in inputs}

    write_picture("sum", "z = x + y", {x + y: "z"}, names, feed)
    write_picture("linear", "z = a·x + b·y + c", {a * x + b * y + c: "z"}, names, feed)

    by = b * y
    inner = a * x + by
    z = exp(inner + c)
    write_picture("exp", "z = exp(a·x + b·y + c)", {z: "z"}, names, feed)

    slopes = {f"∂z/∂{leaf.name}": grad(z, leaf) for leaf in inputs}
    for name, slope in slopes.items():
        write_picture(f"exp_by_{name[-1]}", name, {z: "z", slope: name}, names, feed)
    inner_slope = grad(inner, b)
    write_picture("inner_by_b", "⊞ = a·x + b·y, and ∂⊞/∂b", {inner: "⊞", inner_slope: "∂⊞/∂b"}, names, feed)
    write_picture("exp_by_inner", "⊞ = a·x + b·y, and ∂z/∂⊞", {inner: "⊞", grad(z, inner): "∂z/∂⊞"}, names, feed)
    third = grad(grad(grad(z, a), by), c)
    write_picture("third_order", "∎ = b·y, and ∂³z/∂a∂∎∂c", {z: "z", third: "∂³z/∂a∂∎∂c"}, names, feed)


def write_picture(
    file: str,
    title: str,
    outputs: dict[Expression, str],
    leaves: dict[Expression, str],
    feed: dict[Expression, np.ndarray] | dict[Expression, float],
) -> None:
    """Draws the graph of some outputs."""
    running = program(list(outputs))
    graph = running.graph({leaf: value for leaf, value in feed.items() if leaf in set(running.inputs)})
    inputs = dict(zip(graph.inputs, (*running.inputs, *running.parameters), strict=True))
    names = {node: leaves[leaf] for node, leaf in inputs.items()}
    labels: dict[object, str] = {}
    for node, name in zip(graph.outputs, outputs.values(), strict=True):
        which = labels if name.startswith("∂") else names
        which[node] = f"{which[node]} = {name}" if node in which else name
    parameters = graph.inputs[len(running.inputs) :]
    picture = draw(graph, names=names, labels=labels, title=title, parameters=parameters)
    (OUT / f"{file}.svg").write_text(picture, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=60, help="how often to go over the digits (default: 60)")
    options = parser.parse_args()
    OUT.mkdir(exist_ok=True)
    draw_formulas()
    train_and_predict(options.epochs)
    print(f"{len(list(OUT.glob('*.svg')))} pictures are in {OUT}")


if __name__ == "__main__":
    main()
