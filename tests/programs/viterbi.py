"""A hidden Markov model: the likelihood of what was seen by the forward algorithm, and the likeliest path by Viterbi's."""

import numpy as np


def forward(start, move, emit, seen):
    alpha = start * emit[:, seen[0]]
    total = 0.0
    for symbol in seen[1:]:
        size = alpha.sum()
        total += np.log(size)
        alpha = (alpha / size) @ move * emit[:, symbol]
    return total + np.log(alpha.sum())


def best_path(start, move, emit, seen):
    steps, states = len(seen), len(start)
    log_move, log_emit = np.log(move), np.log(emit)
    score = np.log(start) + log_emit[:, seen[0]]
    back = np.zeros((steps, states), dtype=int)
    for t in range(1, steps):
        options = score[:, None] + log_move
        back[t] = options.argmax(axis=0)
        score = options[back[t], np.arange(states)] + log_emit[:, seen[t]]
    path = np.zeros(steps, dtype=int)
    path[-1] = score.argmax()
    for t in range(steps - 1, 0, -1):
        path[t - 1] = back[t, path[t]]
    return path, score.max()


def viterbi(start, move, emit, seen):
    return forward(start, move, emit, seen), *best_path(start, move, emit, seen)


def arguments(size="small", seed=0):
    steps, states, symbols = {"small": (12, 3, 4), "bench": (2000, 60, 20)}[size]
    rng = np.random.default_rng(seed)
    move, emit = rng.random((states, states)) + 0.1, rng.random((states, symbols)) + 0.1
    move /= move.sum(axis=1, keepdims=True)
    emit /= emit.sum(axis=1, keepdims=True)
    return np.full(states, 1 / states), move, emit, rng.integers(0, symbols, steps)


def loss(start, move, emit, seen):
    return forward(start, move, emit, seen)


differentiate = (0, 1, 2)
