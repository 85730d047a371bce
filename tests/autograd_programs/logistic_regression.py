"""Logistic regression by gradient descent."""

import numpy as np

from tracegraph import grad

inputs = np.array([[0.52, 1.12, 0.77], [0.88, -1.08, 0.15], [0.52, 0.06, -1.30], [0.74, -2.49, 1.39]])
targets = np.array([True, True, False, True])


def sigmoid(x):
    return 0.5 * (np.tanh(x / 2.0) + 1)


def logistic_predictions(weights, inputs):
    return sigmoid(np.dot(inputs, weights))


def training_loss(weights):
    preds = logistic_predictions(weights, inputs)
    label_probabilities = preds * targets + (1 - preds) * (1 - targets)
    return -np.sum(np.log(label_probabilities))


objective = training_loss
arguments = (np.array([0.1, -0.3, 0.2]),)


def main():
    training_gradient_fun = grad(training_loss)
    weights = np.array([0.0, 0.0, 0.0])
    before = training_loss(weights)
    for _ in range(100):
        weights -= training_gradient_fun(weights) * 0.01
    return before, training_loss(weights)
