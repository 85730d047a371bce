"""Local alignment of two sequences: one diagonal after the other, each as a whole."""

import numpy as np


def smith_waterman(a, b, match, mismatch, gap):
    n, m = len(a), len(b)
    score = np.zeros((n + 1, m + 1), dtype=np.int32)
    for d in range(2, n + m + 1):
        i = np.arange(max(1, d - m), min(n, d - 1) + 1)
        j = d - i
        same = a[i - 1] == b[j - 1]
        diagonal = score[i - 1, j - 1] + np.where(same, match, mismatch)
        up, left = score[i - 1, j] - gap, score[i, j - 1] - gap
        score[i, j] = np.maximum(np.maximum(diagonal, 0), np.maximum(up, left))
    best = np.unravel_index(np.argmax(score), score.shape)
    length = 0
    i, j = best
    while score[i, j] > 0:
        step = match if a[i - 1] == b[j - 1] else mismatch
        if score[i, j] == score[i - 1, j - 1] + step:
            i, j = i - 1, j - 1
        elif score[i, j] == score[i - 1, j] - gap:
            i -= 1
        else:
            j -= 1
        length += 1
    return score, np.array(best), length


def arguments(size="small", seed=0):
    n, m = {"small": (7, 9), "bench": (500, 560)}[size]
    rng = np.random.default_rng(seed)
    return rng.integers(0, 4, n), rng.integers(0, 4, m), 3, -3, 2
