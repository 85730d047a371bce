"""Which products are ours is measured once and kept."""

import numpy as np
import pytest

import tracegraph as tg
from tracegraph.backends.numba import choice
from tracegraph.backends.numba.cache import KernelCache
from tracegraph.compiler import native


@pytest.fixture
def measured(cold_cache: KernelCache, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The dtypes that were measured, with a cache that knows nothing."""
    found: list[str] = []

    def measure(dtype: str) -> bool:
        found.append(dtype)
        return dtype == "float32"

    monkeypatch.setattr(choice, "_measured", measure)
    monkeypatch.setattr(choice, "default_cache", cold_cache)
    choice.does_products.cache_clear()
    yield found
    choice.does_products.cache_clear()


def test_what_is_measured_is_kept(measured: list[str]) -> None:
    """Another process finds the answer on the disk."""
    for _ in range(2):
        assert choice.does_products(np.dtype("float32"))
        assert not choice.does_products(np.dtype("float64"))
        choice.does_products.cache_clear()
    assert measured == ["float32", "float64"]


def test_a_measurement_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Either answer may come out, and the product of our kernel is right."""
    monkeypatch.setattr(choice, "OUR_SECONDS", 0.001)
    monkeypatch.setattr(choice, "ITS_SECONDS", 0.001)
    assert choice._measured("float32") in (True, False)


@pytest.mark.parametrize("is_ours", [False, True])
def test_both_answers_give_the_product(is_ours: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, and with what follows."""
    monkeypatch.setattr(native.Settings, "does_products", staticmethod(lambda dtype: is_ours))
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(200, 180)), rng.normal(size=(180, 170)), rng.normal(size=170)
    layer = tg.compile(lambda x, w, b: (x @ w, np.tanh(x @ w + b)))
    expected = x @ w, np.tanh(x @ w + b)
    for found, right in zip(layer(x, w, b), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-12)
    assert ("contraction" in str(layer.explain(x, w, b))) == is_ours
