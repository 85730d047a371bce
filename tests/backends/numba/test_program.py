"""Linked programs: steps of Python between tapes, constants by reference, calls from several threads at once."""

import threading

import numpy as np

import tracegraph as tg
from tracegraph.backends.numba import program

RNG = np.random.default_rng(0)


def products(x):
    y = np.tanh(x @ x.T) + 1
    return (y @ x).sum(axis=0), x[:, ::-1] @ x.T


def test_products_where_there_is_no_blas(monkeypatch):
    """Without a BLAS that is known, NumPy does the products between stretches of native code."""
    monkeypatch.setattr(program, "product_code", lambda node: 0)
    x = RNG.normal(size=(5, 7))
    for size in (5, 1, 0):
        for one, other in zip(products(x[:size]), tg.compile(products)(x[:size]), strict=True):
            np.testing.assert_allclose(other, one, rtol=1e-13)


def test_a_constant_that_is_not_in_c_order_is_read_anew_at_each_call():
    """The program reads a copy of it, which is renewed."""
    weights = RNG.normal(size=(3, 2)).T
    compiled = tg.compile(lambda x: x * weights)
    for _ in range(4):
        weights += 1
        assert np.array_equal(compiled(np.ones((2, 3))), weights)


def test_threads_have_memory_of_their_own():
    """One compiled function called from several threads at once gives each its own answer."""
    compiled = tg.compile(lambda x: np.sum(np.exp(x) * np.tanh(x), axis=1) @ x)
    arguments = [RNG.normal(size=(200, 300)) for _ in range(4)]
    expected = [compiled(x) for x in arguments]
    wrong = []

    def work(k):
        for _ in range(30):
            if not np.array_equal(compiled(arguments[k]), expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
