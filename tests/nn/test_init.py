"""How parameters begin: the moments of each distribution, and what is special about each."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tracegraph.nn import Constant, GlorotNormal, GlorotUniform, HeNormal, HeUniform, Normal, Orthogonal, Uniform

FLOAT = np.dtype(np.float64)
INPUTS, UNITS = 300, 200

DEVIATIONS = {
    Normal(0.5, mean=2.0): 0.5,
    Uniform(1.0, 3.0): 2 / math.sqrt(12),
    GlorotNormal(): math.sqrt(2 / (INPUTS + UNITS)),
    GlorotUniform(gain=2.0): 2 * math.sqrt(2 / (INPUTS + UNITS)),
    HeNormal(math.sqrt(2)): math.sqrt(2 / INPUTS),
    HeUniform(): math.sqrt(1 / INPUTS),
}


@pytest.mark.parametrize("initialiser", DEVIATIONS, ids=lambda each: type(each).__name__)
def test_moments(initialiser: Any) -> None:
    """The deviation and the mean are those of the distribution, within what 60,000 draws tell."""
    values = initialiser((INPUTS, UNITS), FLOAT, np.random.default_rng(0))
    mean = 2.0 if isinstance(initialiser, (Normal, Uniform)) else 0.0
    assert values.std() == pytest.approx(DEVIATIONS[initialiser], rel=0.02)
    assert values.mean() == pytest.approx(mean, abs=5 * DEVIATIONS[initialiser] / math.sqrt(values.size))


@pytest.mark.parametrize(
    "initialiser", [*DEVIATIONS, Constant(1.5), Orthogonal()], ids=lambda each: type(each).__name__
)
def test_dtype_and_generator(initialiser: Any) -> None:
    """The dtype that is asked for; equal generators give equal arrays."""
    first, second = (initialiser((4, 3), np.dtype(np.float32), np.random.default_rng(1)) for _ in range(2))
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4, 2, 3)])
def test_orthogonal(shape: tuple[int, ...]) -> None:
    """Of a matrix, the rows or the columns, whichever are fewer, are orthogonal and of length gain."""
    q = Orthogonal(gain=2.0)(shape, FLOAT, np.random.default_rng(0)).reshape(shape[0], -1)
    product = q @ q.T if q.shape[0] < q.shape[1] else q.T @ q
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-12)


def test_receptive_fields_count_as_inputs() -> None:
    """Axes behind the second multiply both fans."""
    values = HeNormal()((100, 10, 5, 5), FLOAT, np.random.default_rng(0))
    assert values.std() == pytest.approx(1 / math.sqrt(2500), rel=0.02)


def test_vectors_have_no_fans() -> None:
    """The error says what to use."""
    with pytest.raises(ValueError, match=r"at least two axes \(inputs, units\), got \(3,\); use Constant, Normal or U"):
        GlorotUniform()((3,), FLOAT, np.random.default_rng(0))
