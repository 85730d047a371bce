"""`check_grads` finds wrong derivatives and passes right ones; `stop_gradient` makes constants."""

from typing import Any

import numpy as np
import pytest
from support.compare import assert_same

import tracegraph as tg

X = np.array([0.5, -1.25, 2.0])
W = np.arange(6.0).reshape(2, 3) / 4


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (lambda p, x: {"y": np.tanh(p["w"] @ x), "n": np.sum(np.exp(-x)) * p["b"]}, ({"w": W, "b": 0.5}, X)),
        (lambda x: np.exp(x) * np.where(x > 0, x, x**3), (X,)),
        (lambda x: np.tanh(x) * x, (X.astype("f4"),)),
        (lambda z: np.abs(z) ** 2 + np.exp(z) * np.conj(z), (X + 1j,)),
        (tg.grad(lambda x: np.sum(x**4)), (X,)),
        (tg.vmap(lambda w: np.prod(w)), (W,)),
    ],
)
def test_right_derivatives_pass(f: Any, args: Any) -> None:
    """To third order, in both modes, of trees, single precision and complex numbers."""
    tg.check_grads(f, args, order=3 if args[0] is X else 2)


def test_wrong_derivatives_are_found() -> None:
    """With the mode, the order and the place."""
    f = lambda x: {"a": x, "b": x * tg.stop_gradient(x)}  # noqa: E731
    with pytest.raises(AssertionError, match=r"the jvp of <lambda> at \['b'\] differs from finite differences by"):
        tg.check_grads(f, (X,))
    with pytest.raises(AssertionError, match="the vjp of <lambda> differs"):
        tg.check_grads(f, (X,), modes=("rev",))
    second = lambda x: x * x + (x - tg.stop_gradient(x)) ** 2 * 0  # noqa: E731
    tg.check_grads(second, (X,))
    third = lambda x: tg.jvp(lambda y: y * y * tg.stop_gradient(x), (x,), (np.ones(3),))[1]  # noqa: E731
    with pytest.raises(AssertionError, match="the jvp of"):
        tg.check_grads(third, (X,), order=1)


def test_tolerances() -> None:
    """As asked for."""
    f = lambda x: x * (1 + 1e-3 * tg.stop_gradient(x))  # noqa: E731
    tg.check_grads(f, (X,), order=1, atol=1e-1, rtol=1e-1)
    with pytest.raises(AssertionError):
        tg.check_grads(f, (X,), order=1, atol=1e-6, rtol=1e-6)


def test_refusals() -> None:
    """Of modes, orders and arguments."""
    with pytest.raises(ValueError, match="modes are 'fwd' and 'rev'"):
        tg.check_grads(np.sin, (X,), modes=("forward",))
    with pytest.raises(ValueError, match="order is at least 1"):
        tg.check_grads(np.sin, (X,), order=0)
    with pytest.raises(TypeError, match="args must be a tuple"):
        tg.check_grads(np.sin, X)


def test_stop_gradient() -> None:
    """Of trees, in both modes; integers and everything outside of traces are left alone."""
    assert tg.stop_gradient(X) is X
    tree = {"x": X, "n": 3, "b": 2.0}
    assert_same(tree, tg.compile(tg.stop_gradient)(tree))
    f = lambda x: x * tg.stop_gradient({"x": x})["x"]  # noqa: E731
    assert_same(np.float64(3.0), tg.grad(f)(3.0))
    assert_same(np.float64(3.0), tg.jvp(f, (3.0,), (1.0,))[1])
    assert type(tg.compile(tg.stop_gradient)(2.0)) is float
