"""A plain recurrent network with named parameters kept in a class."""

from collections import namedtuple

import numpy as np

from tracegraph import value_and_grad

Params = namedtuple("Params", "start change predict")


class Network:
    def __init__(self, size):
        self.size = size

    def init(self, rs):
        return Params(0.1 * rs.randn(self.size), 0.3 * rs.randn(self.size + 1, self.size), 0.3 * rs.randn(self.size))

    def run(self, params, sequence):
        state = params.start
        outputs = []
        for value in sequence:
            state = np.tanh(np.dot(np.append(state, value), params.change))
            outputs.append(np.dot(state, params.predict))
        return np.array(outputs)

    def loss(self, params):
        return np.mean((self.run(params, series[:-1]) - series[1:]) ** 2)


series = np.sin(np.arange(9) * 0.7)
network = Network(3)
objective = network.loss
arguments = (network.init(np.random.RandomState(1)),)


def main():
    fun = value_and_grad(network.loss)
    params = arguments[0]
    losses = []
    for _ in range(80):
        loss, slopes = fun(params)
        losses.append(loss)
        params = Params(*(p - 0.3 * g for p, g in zip(params, slopes, strict=True)))
    return losses[0], losses[-1]
