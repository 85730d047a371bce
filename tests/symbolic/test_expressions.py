"""Recording: operators, NumPy's functions and the module's functions say on expressions what NumPy says on arrays."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tracegraph.symbolic as ts
from tracegraph import TraceError

X = np.random.default_rng(0).normal(size=(3, 4))
P = np.exp(X) / np.exp(X).sum(axis=-1, keepdims=True)
HOT = np.eye(4)[[1, 3, 0]]

#: What is recorded on an expression of X; what NumPy says on X itself; the same function serves both where it is alone.
CASES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "operators": (same := lambda x: (-x + 2 * x / 3 - 1) ** 2 // 0.5 % 0.7 @ x[0] + abs(2.0 - x[:, 0]) * +x[:, 1], same),
    "reflected": (same := lambda x: (X - x * 2) @ x.T + 1 / x[:, :3] + 2.0 ** x[:, :3], same),
    "comparisons": (same := lambda x: ((x > 0) & (x < 1)) | ~(x >= -1) ^ (x == X) & (x != 0.5) & (x <= 3), same),
    "indexing": (same := lambda x: x[::-1, 1:3][..., None, 0], same),
    "methods": (same := lambda x: x.sum(axis=0).mean() + x.max() * x.std() - x.reshape(2, 6).T.transpose()[0, 1], same),
    "numpy": (same := lambda x: np.concatenate([np.exp(x), np.stack([x, x], axis=0)[1]], axis=1), same),
    "reduce": (same := lambda x: np.add.reduce(x, axis=1), same),
    "astype": (same := lambda x: x.astype(np.float32), same),
    "eq": (lambda x: ts.eq(x, X), lambda x: x == X),
    "eq classes": (lambda x: ts.eq(x, np.array([1, 3, 0])), lambda x: x.argmax(axis=1) == np.array([1, 3, 0])),
    "neq classes": (lambda x: ts.neq(x, np.array([1, 3, 0])), lambda x: x.argmax(axis=1) != np.array([1, 3, 0])),
    "relu": (ts.relu, lambda x: np.maximum(x, 0)),
    "leaky_relu": (ts.leaky_relu, lambda x: np.where(x > 0, x, 0.01 * x)),
    "elu": (ts.elu, lambda x: np.where(x > 0, x, np.expm1(x))),
    "softplus": (ts.softplus, lambda x: np.logaddexp(x, 0)),
    "sigmoid": (ts.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "softmax": (ts.softmax, lambda x: P),
    "softmax of columns": (lambda x: ts.softmax(x, axis=0), lambda x: np.exp(x) / np.exp(x).sum(axis=0)),
    "logsumexp": (lambda x: ts.logsumexp(x, axis=1), lambda x: np.log(np.exp(x).sum(axis=1))),
    "squared_error": (lambda x: ts.squared_error(x, 1.0), lambda x: (x - 1) ** 2),
    "binary": (lambda x: ts.binary_crossentropy(ts.sigmoid(x), HOT), lambda x: np.logaddexp(0, np.where(HOT, -x, x))),
    "classes": (
        lambda x: ts.categorical_crossentropy(ts.softmax(x), np.array([1.0, 3.0, 0.0])),
        lambda x: -np.log((P * HOT).sum(axis=1)),
    ),
    "one-hot": (lambda x: ts.categorical_crossentropy(ts.softmax(x), HOT), lambda x: -np.log((P * HOT).sum(axis=1))),
    "no such class": (
        lambda x: ts.categorical_crossentropy(ts.softmax(x), np.array([-1.0, 4.0, 0.5])),
        lambda x: np.full(3, np.nan),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_expressions_mean_what_numpy_means(case: str) -> None:
    """The value of what is recorded is the value of what NumPy does."""
    symbolic, eager = CASES[case]
    x = ts.matrix()
    found, expected = ts.run(symbolic(x), feed={x: X}), np.asarray(eager(X))
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6 if found.dtype == np.float32 else 1e-12, atol=1e-15)


def test_costs_at_certainty_are_exact() -> None:
    """Probabilities of exactly 0 and 1 cost nothing where they are right."""
    p = np.array([[1.0, 0.0], [0.0, 1.0]])
    assert ts.run(ts.categorical_crossentropy(p, np.array([0, 1]))).tolist() == [0.0, 0.0]
    assert ts.run(ts.binary_crossentropy(p, p)).tolist() == [[0.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize(
    ("use", "text"),
    [
        (bool, "was asked whether it is true"),
        (float, r"was asked for a number by float\(\); run\(expression, feed=...\) gives its value"),
        (int, "was asked for a number by int"),
        (operator.index, "was used as an index"),
        (list, "was iterated over, but its length is not known yet; write x\\[0\\]"),
        (len, "was asked for its length"),
        (np.asarray, "was asked for its values"),
        (lambda x: np.add(x, 1, out=np.zeros(2)), "np.add: an expression cannot be written with out="),
    ],
)
def test_what_needs_a_value_is_refused(use: Callable[[Any], Any], text: str) -> None:
    """With the line that did it."""
    x = ts.vector("x")
    with pytest.raises(TraceError, match=text) as caught:
        use(x * 2)
    assert "test_expressions.py" in str(caught.value)


def test_an_expression_is_evaluated_once() -> None:
    """However often it is used."""
    calls = []

    def counted(x: Any) -> Any:
        calls.append(x)
        return x + 1

    x = ts.vector()
    once = ts.record(counted, x)
    ts.run([once * once, once + 1], feed={x: np.zeros(2)})
    assert len(calls) == 1


def test_deep_expressions_need_no_deep_stack() -> None:
    """Three thousand additions, one upon another."""
    x = ts.scalar()
    total: Any = x
    for _ in range(3000):
        total = total + 1.0
    assert len(ts.program([total]).inputs) == 1
