"""Loops that end by what they compute: ``while``, and ``break``, as loops of the graph."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.rolled import compare, loops_in, roll_all

import tracegraph as tg

X = np.linspace(0.5, 2.0, 12)
A = np.cos(np.arange(36.0)).reshape(6, 6) + 8 * np.eye(6)
N = np.array([3, 12, 4, 1, 25, 9, 2, 16, 5, 30, 7, 8])


@pytest.fixture(autouse=True)
def _rolled(monkeypatch: pytest.MonkeyPatch) -> None:
    roll_all(monkeypatch)


def left_early(x: Any) -> Any:
    total = 0.0
    for i in range(len(x)):
        if i == 7:
            break
        total += x[i]
    return total, i


def jacobi(a: Any) -> Any:
    b, diagonal = a[0], np.diag(a)
    rest, x = a - np.diagflat(diagonal), np.zeros(len(a))
    for k in range(1000):  # noqa: B007
        new = (b - rest @ x) / diagonal
        if np.max(np.abs(new - x)) < 1e-10:
            break
        x = new
    return x, k


def conjugate_gradient(a: Any) -> Any:
    a = a + a.T
    x, turns = np.zeros(len(a)), 0
    r = a[0] - a @ x
    p, size = r.copy(), r @ r
    while True:
        ap = a @ p
        alpha = size / (p @ ap)
        x, r = x + alpha * p, r - alpha * ap
        before, size = size, r @ r
        turns += 1
        if np.sqrt(size) < 1e-8:
            break
        p = r + size / before * p
    return np.round(x, 10), turns


def newton(x: Any) -> Any:
    """Where each search ends is another number of turns."""
    out = np.empty_like(x)
    for i in range(len(x)):
        root = x[i]
        while abs(root * root - x[i]) > 1e-10:
            root = 0.5 * (root + x[i] / root)
        out[i] = root
    return out


def of_two_conditions(x: Any) -> Any:
    k = 0
    while np.sum(x) > 0.01 and k < 50:
        x = x * 0.9
        if x[0] > 0.3:
            x = x * 0.5
        k += 1
    return x, k


def two_breaks(x: Any) -> Any:
    total = 0.0
    for k in range(100):
        total += x[k % len(x)]
        if total > 30:
            break
        x = x * 0.99
        if total < -5:
            break
    return total, k, x


def with_flags(x: Any) -> Any:
    """What is bound on the way out."""
    found, is_found, value = -1, False, x[0]
    for k in range(len(x)):
        value = value + x[k]
        if value > 9:
            found = k
            is_found = True
            break
    return found, is_found, value


def never_left(x: Any) -> Any:
    found = -1
    for k in range(len(x)):
        x[k] *= 2
        if x[k] > 100:
            found = k
            break
    return found, k, x


def left_in_the_first_turn(x: Any) -> Any:
    for k, value in enumerate(x):
        if value > 0:
            break
        x[k] = 7
    return k, value, x


def bisected(x: Any) -> Any:
    """The numbers that decide are known in the first turn."""
    keys, out = x[::-1] * 1.1, np.zeros(len(x), int)
    for i, key in enumerate(keys):
        low, high = 0, len(x)
        while low < high:
            middle = (low + high) // 2
            if x[middle] < key:
                low = middle + 1
            else:
                high = middle
        out[i] = low
    return out


def collatz(n: Any) -> Any:
    steps = np.zeros(len(n), int)
    for i, value in enumerate(n):
        count = 0
        while value != 1:
            if value % 2 == 0:
                value //= 2
            else:
                value = 3 * value + 1
            count += 1
        steps[i] = count
    return steps


def inserted(x: Any) -> Any:
    for i in range(1, len(x)):
        key, j = x[i], i - 1
        while j >= 0 and x[j] > key:
            x[j + 1] = x[j]
            j -= 1
        x[j + 1] = key
    return x


def escapes(x: Any) -> Any:
    out = np.zeros((len(x), len(x)), int)
    for i in range(len(x)):
        for j in range(len(x)):
            z, c = 0j, (x[i] - 1) + 1j * (x[j] - 1)
            for turn in range(30):  # noqa: B007
                if abs(z) > 2:
                    break
                z = z * z + c
            out[i, j] = turn
    return out


def inside_a_function(x: Any) -> Any:
    def cube_root(value: Any) -> Any:
        root = value
        while True:
            new = root - (root**3 - value) / (3 * root**2)
            if abs(new - root) < 1e-12:
                return new
            root = new

    return np.array([cube_root(value) for value in x])


def changed_in_place(x: Any) -> Any:
    while x.max() > 0.1:
        x -= 0.25 * x
        x[x.argmin()] += 0.01
    return x


def sieved(n: Any) -> Any:
    prime = np.ones(len(n) * 4, bool)
    p = 2
    while p * p < len(prime):
        if prime[p]:
            prime[p * p :: p] = False
        p += 1
    return prime


def left_by_what_is_known(x: Any) -> Any:
    """Once it is decided, the inner loop is left in each first turn."""
    limit = x[0]
    for i in range(len(x)):
        for j in range(i + 1):
            x[j] += 2
            if limit < 0.75:
                break
    return x


def entered_again(x: Any) -> Any:
    """What decides about the inner loop does not change in its first turn."""
    for i in [0, 1, 2, 3, 4]:
        x[0] += 0.5 * x[i]
        j = 1
        while x[j] < 1 and j < 4:
            if j > i:
                break
            j += 1
    return x, j


ROLLED = [
    (left_early, X), (jacobi, A), (conjugate_gradient, A), (newton, X), (of_two_conditions, X), (two_breaks, X),
    (two_breaks, -X), (with_flags, X), (with_flags, X / 9), (never_left, X), (left_in_the_first_turn, X),
    (left_in_the_first_turn, -X), (bisected, X), (collatz, N), (inserted, X[::-1] ** 2 % 1), (escapes, X),
    (inside_a_function, X), (changed_in_place, X),
]  # fmt: skip


@pytest.mark.parametrize(("function", "x"), ROLLED, ids=lambda each: getattr(each, "__name__", ""))
def test_loops_of_the_graph(function: Callable[..., Any], x: Any) -> None:
    loops = compare(function, np.ascontiguousarray(x))
    assert loops > 0 or function is left_in_the_first_turn


def test_other_arguments_end_elsewhere() -> None:
    compiled = tg.compile(with_flags)
    for scale in (1.0, 0.3, 3.0, 0.01, -1.0):
        assert str(compiled(X * scale)) == str(with_flags(X * scale))


def test_few_forks_suffice() -> None:
    """A function that asks for more than a few values is made of loops at once."""

    def halved(x: Any) -> Any:
        while x.sum() > 1e-3:
            x = x * 0.5
        return x

    assert loops_in(tg.compile(halved).graph(X)) == 1


@pytest.mark.parametrize("function", [newton, of_two_conditions, two_breaks, jacobi], ids=lambda each: each.__name__)
def test_derivatives(function: Callable[..., Any]) -> None:
    def loss(x: Any) -> Any:
        out = function(x * 1.0)
        return np.sum(np.sin(out[0] if isinstance(out, tuple) else out))

    tg.check_grads(tg.compile(loss), (A if function is jacobi else X[:4],), order=2)


# -- loops that are written out ----------------------------------------------------------------------------------------


def with_else(x: Any) -> Any:
    for k in range(len(x)):
        if x[k] > 1:
            break
        x[k] += 0.5
    else:
        x[0] = 100
    return x


def returned(x: Any) -> Any:
    total = 0.0
    for k in range(len(x)):
        total += x[k]
        if total > 9:
            return total * k
    return -total


def told(x: Any) -> Any:
    seen = []
    for k in range(len(x)):
        if x[k] > 1.2:
            seen.append(k)
            break
    return np.array(seen) + x[0]


def continued(x: Any) -> Any:
    k = total = 0
    while k < len(x):
        k += 1
        if x[k - 1] > 1:
            continue
        total += x[k - 1]
    return total


@pytest.mark.parametrize(
    "function",
    [left_by_what_is_known, with_else, returned, told, continued, sieved],
    ids=lambda each: getattr(each, "__name__", ""),
)
def test_what_numpy_does(function: Callable[..., Any]) -> None:
    compare(function, X)
