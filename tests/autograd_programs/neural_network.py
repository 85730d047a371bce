"""A classifier whose parameters are a list of (weights, bias) pairs, trained by an Adam written by hand."""

from itertools import pairwise

import numpy as np
from scipy.special import logsumexp

from tracegraph import grad


def init_random_params(scale, layer_sizes, rs):
    return [(scale * rs.randn(m, n), scale * rs.randn(n)) for m, n in pairwise(layer_sizes)]


def neural_net_predict(params, inputs):
    for weights, bias in params:
        outputs = np.dot(inputs, weights) + bias
        inputs = np.tanh(outputs)
    return outputs - logsumexp(outputs, axis=1, keepdims=True)


def l2_norm(params):
    if isinstance(params, np.ndarray):
        return np.sum(params**2)
    return sum(l2_norm(part) for part in params)


def log_posterior(params, inputs, targets, l2_reg):
    log_prior = -l2_reg * l2_norm(params)
    log_lik = np.sum(neural_net_predict(params, inputs) * targets)
    return log_prior + log_lik


def tree_update(function, *trees):
    if isinstance(trees[0], (list, tuple)):
        return type(trees[0])(tree_update(function, *parts) for parts in zip(*trees, strict=True))
    return function(*trees)


def adam(gradient, x, num_iters, step_size=0.05, b1=0.9, b2=0.999, eps=1e-8):
    m = tree_update(np.zeros_like, x)
    v = tree_update(np.zeros_like, x)
    for i in range(num_iters):
        g = gradient(x, i)
        m = tree_update(lambda m, g: (1 - b1) * g + b1 * m, m, g)
        v = tree_update(lambda v, g: (1 - b2) * (g**2) + b2 * v, v, g)
        mhat = tree_update(lambda m, i=i: m / (1 - b1 ** (i + 1)), m)
        vhat = tree_update(lambda v, i=i: v / (1 - b2 ** (i + 1)), v)
        x = tree_update(lambda x, m, v: x - step_size * m / (np.sqrt(v) + eps), x, mhat, vhat)
    return x


rs = np.random.RandomState(0)
images = rs.randn(24, 6)
labels = np.eye(3)[np.argmax(images[:, :3], axis=1)]
batch_size, num_batches = 8, 3


def objective(params, iteration):
    idx = int(iteration) % num_batches
    batch = slice(idx * batch_size, (idx + 1) * batch_size)
    return -log_posterior(params, images[batch], labels[batch], 0.1)


initial = init_random_params(0.3, [6, 8, 3], rs)
arguments = (initial, 1)


def main():
    params = adam(grad(objective), initial, 60)
    total = [sum(objective(each, i) for i in range(num_batches)) for each in (initial, params)]
    return tuple(total)
