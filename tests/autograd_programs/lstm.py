"""An LSTM over characters by a Python loop, parameters in a dict."""

import string

import numpy as np
from scipy.special import logsumexp

from tracegraph import grad


def sigmoid(x):
    return 0.5 * (np.tanh(x) + 1.0)


def concat_and_multiply(weights, *args):
    cat_state = np.hstack(args + (np.ones((args[0].shape[0], 1)),))
    return np.dot(cat_state, weights)


def init_lstm_params(input_size, state_size, output_size, param_scale=0.2, rs=None):
    def rp(*shape):
        return rs.randn(*shape) * param_scale

    return {
        "init cells": rp(1, state_size),
        "init hiddens": rp(1, state_size),
        "change": rp(input_size + state_size + 1, state_size),
        "forget": rp(input_size + state_size + 1, state_size),
        "ingate": rp(input_size + state_size + 1, state_size),
        "outgate": rp(input_size + state_size + 1, state_size),
        "predict": rp(state_size + 1, output_size),
    }


def lstm_predict(params, inputs):
    def update_lstm(inp, hiddens, cells):
        change = np.tanh(concat_and_multiply(params["change"], inp, hiddens))
        forget = sigmoid(concat_and_multiply(params["forget"], inp, hiddens))
        ingate = sigmoid(concat_and_multiply(params["ingate"], inp, hiddens))
        outgate = sigmoid(concat_and_multiply(params["outgate"], inp, hiddens))
        cells = cells * forget + ingate * change
        hiddens = outgate * np.tanh(cells)
        return hiddens, cells

    def hiddens_to_output_probs(hiddens):
        output = concat_and_multiply(params["predict"], hiddens)
        return output - logsumexp(output, axis=1, keepdims=True)

    num_sequences = inputs.shape[1]
    hiddens = np.repeat(params["init hiddens"], num_sequences, axis=0)
    cells = np.repeat(params["init cells"], num_sequences, axis=0)

    output = [hiddens_to_output_probs(hiddens)]
    for inp in inputs:
        hiddens, cells = update_lstm(inp, hiddens, cells)
        output.append(hiddens_to_output_probs(hiddens))
    return output


def lstm_log_likelihood(params, inputs, targets):
    logprobs = lstm_predict(params, inputs)
    loglik = 0.0
    num_time_steps, num_examples, _ = inputs.shape
    for t in range(num_time_steps):
        loglik += np.sum(logprobs[t] * targets[t])
    return loglik / (num_time_steps * num_examples)


def one_hot(text):
    return np.array([[float(c == letter) for letter in string.ascii_lowercase[:5]] for c in text])


training = np.stack([one_hot(text) for text in ("abcde", "bcdea", "cdeab")], axis=1)


def objective(params):
    return -lstm_log_likelihood(params, training, training)


arguments = (init_lstm_params(5, 4, 5, rs=np.random.RandomState(0)),)


def main():
    gradient = grad(objective)
    params = arguments[0]
    for _ in range(40):
        slopes = gradient(params)
        params = {name: value - 2.0 * slopes[name] for name, value in params.items()}
    return objective(arguments[0]), objective(params)
