"""Ranges and slices whose bounds are traced: triangular loops as loops of the graph, against eager NumPy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.rolled import compare, roll_all

import tracegraph as tg

X = np.linspace(0.5, 2.0, 9)
Y = np.cos(np.arange(9.0))
A = np.sin(np.arange(63.0) ** 2).reshape(9, 7)
S = np.cos(np.arange(64.0)).reshape(8, 8) + 8 * np.eye(8)
N = np.array([3, -1, 4, 1, -5, 9, 2, -6, 5])


@pytest.fixture(autouse=True)
def _rolled(monkeypatch: pytest.MonkeyPatch) -> None:
    roll_all(monkeypatch)


# -- ranges ------------------------------------------------------------------------------------------------------------


def orthogonal(a: Any) -> Any:
    q, r = np.zeros_like(a), np.zeros((a.shape[1], a.shape[1]))
    for k in range(a.shape[1]):
        r[k, k] = np.sqrt(np.dot(a[:, k], a[:, k]))
        q[:, k] = a[:, k] / r[k, k]
        for j in range(k + 1, a.shape[1]):
            r[k, j] = np.dot(q[:, k], a[:, j])
            a[:, j] -= q[:, k] * r[k, j]
    return q, r


def by_elements(a: Any) -> Any:
    n = len(a)
    for i in range(n):
        for j in range(i):
            total = 0.0
            for k in range(j):
                total += a[i, k] * a[k, j]
            a[i, j] = (a[i, j] - total) / a[j, j]
        for j in range(i, n):
            for k in range(i):
                a[i, j] -= a[i, k] * a[k, j]
    return a


def backwards(a: Any) -> Any:
    n = len(a)
    x = np.zeros(n)
    for i in range(n - 1, -1, -1):
        total = a[i, -1]
        for j in range(n - 1, i, -1):
            total -= a[i, j] * x[j]
        x[i] = total / a[i, i]
    return x


def by_steps(x: Any) -> Any:
    out = np.zeros_like(x)
    for i in range(1, len(x)):
        for j in range(i, len(x), 3):
            out[j] += x[i]
        for j in range(i, -1, -2):
            out[j] *= x[i]
    return out


def sieve(n: Any) -> Any:
    prime = np.ones(n, bool)
    prime[:2] = False
    for i in range(2, n):
        if prime[i]:
            for j in range(i * i, n, i):
                prime[j] = False
    return prime


def chained(p: Any) -> Any:
    """The order of a product of matrices."""
    n = len(p) - 1
    cost = np.zeros((n, n))
    for length in range(2, n + 1):
        for i in range(n - length + 1):
            j = i + length - 1
            best = np.inf
            for k in range(i, j):
                c = cost[i, k] + cost[k + 1, j] + p[i] * p[k + 1] * p[j + 1]
                if c < best:
                    best = c
            cost[i, j] = best
    return cost


def folded(seq: Any) -> Any:
    """Pairs of bases: conditions on places that bounds tell, and `max`."""
    n = len(seq)
    table = np.zeros((n, n), np.int32)
    for i in range(n - 1, -1, -1):
        for j in range(i + 1, n):
            if j - 1 >= 0:
                table[i, j] = max(table[i, j], table[i, j - 1])
            if i + 1 < n:
                table[i, j] = max(table[i, j], table[i + 1, j])
            if j - 1 >= 0 and i + 1 < n:
                if i < j - 1:
                    table[i, j] = max(table[i, j], table[i + 1, j - 1] + (seq[i] + seq[j] == 3))
                else:
                    table[i, j] = max(table[i, j], table[i + 1, j - 1])
            for k in range(i + 1, j):
                table[i, j] = max(table[i, j], table[i, k] + table[k + 1, j])
    return table


def extremes(x: Any) -> Any:
    low, high, clipped = 0.5, x[0], np.zeros_like(x)
    for k in range(len(x)):
        low = min(low, x[k])
        high = max(high, x[k], 1)
        clipped[k] = min(max(x[k], 0), 1.25)
    return low, high, clipped


RANGES = [
    (orthogonal, A), (by_elements, S), (backwards, S), (by_steps, X), (chained, np.arange(1.0, 9.0) % 5 + 1),
    (folded, N % 4), (extremes, Y),
]  # fmt: skip


@pytest.mark.parametrize(("function", "x"), RANGES, ids=lambda each: getattr(each, "__name__", ""))
def test_ranges(function: Callable[..., Any], x: Any) -> None:
    assert compare(function, x) > 0


def test_steps_that_are_traced_are_written_out() -> None:
    compare(sieve, 30)


# -- slices ------------------------------------------------------------------------------------------------------------


def solved(a: Any, x: Any) -> Any:
    for i in range(len(a)):
        x[i] = (x[i] - a[i, :i] @ x[:i]) / a[i, i]
    for i in range(len(a) - 1, -1, -1):
        x[i] = (x[i] - np.dot(a[i, i + 1 :], x[i + 1 : len(a)])) / a[i, i]
    return x


def factored(a: Any) -> Any:
    for i in range(len(a)):
        for j in range(i):
            a[i, j] -= a[i, :j] @ a[:j, j]
            a[i, j] /= a[j, j]
        for j in range(i, len(a)):
            a[i, j] -= a[i, :i] @ a[:i, j]
    return a


def by_outer_products(a: Any) -> Any:
    for k in range(len(a) - 1):
        a[k + 1 :, k] /= a[k, k]
        a[k + 1 :, k + 1 :] -= np.outer(a[k + 1 :, k], a[k, k + 1 :])
    return a


def recursion(r: Any) -> Any:
    """Durbin's: slices that are turned round."""
    y = np.empty_like(r)
    alpha, beta = -r[0], 1.0
    y[0] = -r[0]
    for k in range(1, len(r)):
        beta *= 1.0 - alpha * alpha
        alpha = -(r[k] + np.dot(np.flip(r[:k]), y[:k])) / beta
        y[:k] += alpha * y[:k][::-1]
        y[k] = alpha + 0.01 * (r[k - 1 :: -1] @ y[:k]) + 0.01 * r[k:0:-1].sum()
    return y


def reflected(a: Any) -> Any:
    """Householder's: norms, copies, elements of slices, and products of matrices."""
    r, q = a.copy(), np.eye(len(a))
    for k in range(a.shape[1]):
        x = r[k:, k]
        v = x.copy()
        v[0] += np.copysign(np.linalg.norm(x), x[0])
        e = np.zeros_like(v)
        e[0] = v[0]
        v = v / np.linalg.norm(v + 0 * e)
        r[k:, k:] -= 2.0 * np.outer(v, v @ r[k:, k:])
        q[:, k:] -= 2.0 * np.outer(q[:, k:] @ v, v)
    return q, r


def pivoted(a: Any, b: Any) -> Any:
    n = len(a)
    for k in range(n - 1):
        p = k + np.argmax(np.abs(a[k:, k]))
        if p != k:
            a[[k, p]] = a[[p, k]]
            b[[k, p]] = b[[p, k]]
        for i in range(k + 1, n):
            m = a[i, k] / a[k, k]
            a[i, k:] -= m * a[k, k:]
            b[i] -= m * b[k]
    return a, b


def symmetric(a: Any) -> Any:
    cov = np.zeros((a.shape[1], a.shape[1]))
    for i in range(a.shape[1]):
        cov[i:, i] = cov[i, i:] = a[:, i] @ a[:, i:]
        cov[i, : i + 1] *= 0.5
    return cov


def shifted(x: Any) -> Any:
    for i in range(2, len(x)):
        x[1:i] = x[: i - 1] * 0.5 + 1
        x[-i:] -= 1
    return x


def statistics(x: Any) -> Any:
    out = []
    for i in range(1, len(x)):
        head, rest = x[:i], x[i:]
        out.append(np.sum(head) + rest.max() + np.argmin(rest) + head.std() + rest.var() + head.mean())
        out.append(np.prod(head) - head.min() + np.any(rest > 1) + np.count_nonzero(head > 0.7) + np.cumsum(rest)[0])
    return np.array(out)


def trailing(x: Any, width: Any) -> Any:
    out = np.zeros_like(x)
    for i in range(len(x)):
        piece = x[max(0, i - width + 1) : i + 1]
        out[i] = piece.mean() + piece.max() + len(x) * piece[-1]
    return out


def of_one_width(x: Any, width: Any) -> Any:
    out = np.zeros(len(x) - width + 1)
    for i in range(len(x) - width + 1):
        out[i] = np.sum(x[i : i + width] * np.hanning(width))
        x[i : i + 2] += 0.25
    return out, x


def patches(a: Any, kernel: Any) -> Any:
    (h, w), (m, n) = a.shape, kernel.shape
    out = np.zeros((h - m + 1, w - n + 1))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] = (a[i : i + m, j : j + n] * kernel).sum()
    return out


def lattice(v: Any) -> Any:
    for i in range(len(v) - 2, -1, -1):
        v[: i + 1] = 0.6 * v[1 : i + 2] + 0.4 * v[: i + 1]
        v[: i + 1] = np.maximum(v[: i + 1], np.where(v[: i + 1] > 1, 1.5, 0.5))
    return v


def of_rows(a: Any) -> Any:
    for i in range(1, len(a)):
        a[:i] += a[i] * 0.125
        a[i:, 1:3] -= a[:i].sum(axis=0)[1:3]
        a[i, :] += np.mean(a[: i + 1], axis=0)
    return a


def whole(n: Any) -> Any:
    total = 0
    for i in range(1, len(n)):
        n[:i] += n[i:].max() // 2
        total += n[:i] @ n[:i]
    return n, total


def in_branches(x: Any) -> Any:
    for i in range(1, len(x)):
        if x[i] > 1:
            x[:i] *= 0.5
        else:
            x[i:] += np.sum(x[:i])
    return x


SLICES = [
    (solved, S, X[:8]), (factored, S), (by_outer_products, S), (recursion, X[::-1] * 0.3), (reflected, A),
    (pivoted, S[::-1], Y[:8]), (symmetric, A), (shifted, X), (statistics, X), (trailing, X, 3), (of_one_width, X, 4),
    (patches, A, A[:2, :3]), (lattice, X), (of_rows, A), (whole, N), (in_branches, X),
]  # fmt: skip


@pytest.mark.parametrize("case", SLICES, ids=lambda case: case[0].__name__)
def test_slices(case: tuple[Any, ...]) -> None:
    function, *args = case
    assert compare(function, *(np.ascontiguousarray(each) for each in args[:1]), *args[1:]) > 0


def test_other_dtypes() -> None:
    for dtype in ("f4", "c16", "i4"):
        compare(by_outer_products if dtype != "i4" else of_rows_of_integers, (S * 3).astype(dtype))


def of_rows_of_integers(a: Any) -> Any:
    for i in range(1, len(a)):
        a[:i] += a[i]
        a[i, :i] = np.sum(a[:i, i])
    return a


LOSSES: dict[str, Callable[[Any], Any]] = {
    "solved": lambda a: solved(a * 1.0, a[0] + 1),
    "by_outer_products": lambda a: by_outer_products(a * 1.0),
    "reflected": lambda a: reflected(a[:, :3] * 1.0)[1],
    "recursion": lambda a: recursion(a[0] * 0.05),
    "statistics": lambda a: statistics(a[0] * 1.0),
}


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives(name: str) -> None:
    tg.check_grads(tg.compile(lambda a: np.sum(np.sin(LOSSES[name](a)))), (S[:4, :4].copy(),), order=2)


# -- what is not known to be right -------------------------------------------------------------------------------------


def of_unlike_lengths(x: Any) -> Any:
    for i in range(1, len(x) - 1):
        x[i] += np.sum(x[: i + 1] * x[i : i + 1])
    return x


def least_of_none(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += x[:i].max(initial=0.0)
    return total


def sorted_heads(x: Any) -> Any:
    for i in range(1, len(x)):
        x[:i] = np.sort(x[:i])
    return x


def negative(x: Any) -> Any:
    """Bounds that count from the end."""
    for i in range(1, len(x)):
        x[-i] += x[:-i].sum()
    return x


def past_the_end(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        total += x[i : i + 3].sum() + x[i - 2 : i].sum()
    return total


@pytest.mark.parametrize(
    "function", [of_unlike_lengths, least_of_none, sorted_heads, negative, past_the_end], ids=lambda each: each.__name__
)
def test_what_numpy_does(function: Callable[..., Any]) -> None:
    compare(function, X)


def test_an_empty_maximum_is_an_error() -> None:
    def heads(x: Any) -> Any:
        total = 0.0
        for start in range(6):
            for i in range(start, len(x)):
                total += x[: i - 3 * (i > 7)].max() + x[i - start :].max()
        return total

    with pytest.raises(ValueError, match="zero-size array to reduction operation maximum"):
        tg.compile(heads)(X)
