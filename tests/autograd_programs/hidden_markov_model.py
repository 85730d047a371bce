"""A hidden Markov model by its forward recursion, in logs; the expected statistics are gradients."""

import numpy as np
from numpy import array, exp, log, zeros
from scipy.special import logsumexp

from tracegraph import grad

observations = [0, 1, 1, 2, 0, 2, 2, 1]


def normalise(a):
    return a - logsumexp(a, axis=-1, keepdims=True)


def log_partition(natural):
    start, transition, emission = natural
    alpha = start + emission[:, observations[0]]
    for y in observations[1:]:
        alpha = logsumexp(alpha[:, None] + transition, axis=0) + emission[:, y]
    return logsumexp(alpha)


def objective(params):
    return -log_partition([normalise(part) for part in params])


rs = np.random.RandomState(0)
arguments = ([rs.randn(2), rs.randn(2, 2), rs.randn(2, 3)],)


def main():
    params = [normalise(part) for part in arguments[0]]
    before = objective(params)
    for _ in range(15):
        counts = grad(log_partition)(params)
        assert np.isclose(np.sum(counts[2]), len(observations))
        params = [log(count / np.sum(count, axis=-1, keepdims=True)) for count in counts]
    assert np.allclose([np.sum(exp(row)) for row in params[1]], array([1.0, 1.0]) + zeros(2))
    return before, objective(params)
