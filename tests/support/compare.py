"""Equality of what two programs gave: kind, dtype, shape and values, with a tolerance that says what it stands for."""

from typing import Any

import numpy as np

from tracegraph.tree import flatten

__all__ = ["assert_same", "assert_same_values", "kind_of"]


def kind_of(value: Any) -> str:
    """What a leaf is to its user: an array or a number, and of which dtype and shape. A number is always NumPy's."""
    if isinstance(value, np.ndarray):
        return f"array {value.dtype}{list(value.shape)}"
    return f"number {np.asarray(value).dtype}"


def assert_same(expected: Any, actual: Any, *, ulps: float = 0, slack: Any = 0.0, signed_zero: bool = True) -> None:
    """Same containers, and in them the same kinds, dtypes, shapes and values.

    Args:
        ulps: how many units in the last place a float may be off.
        slack: what it may be off besides, absolutely.
        signed_zero: whether 0.0 and -0.0 differ.
    """
    expected_leaves, expected_structure = flatten(expected)
    actual_leaves, actual_structure = flatten(actual)
    assert expected_structure == actual_structure
    for want, have in zip(expected_leaves, actual_leaves, strict=True):
        assert kind_of(want) == kind_of(have)
        assert_same_values(want, have, ulps=ulps, slack=slack, signed_zero=signed_zero)


def assert_same_values(
    expected: Any, actual: Any, *, ulps: float = 0, slack: Any = 0.0, signed_zero: bool = True
) -> None:
    """Same dtype, shape and values."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape)
    if expected.dtype.kind != "f":
        np.testing.assert_array_equal(actual, expected)
        return
    wide_expected, wide_actual = expected.astype(np.longdouble), actual.astype(np.longdouble)
    with np.errstate(all="ignore"):
        allowed = ulps * np.spacing(np.abs(expected)).astype(np.longdouble) + slack
        close = np.abs(wide_actual - wide_expected) <= allowed
    same = (expected == actual) | (np.isnan(expected) & np.isnan(actual)) | close
    if signed_zero and ulps == 0 and not np.any(slack):
        same &= (np.signbit(expected) == np.signbit(actual)) | np.isnan(expected)
    if not same.all():
        worst = np.argwhere(~same)[0]
        at = tuple(worst)
        raise AssertionError(
            f"{(~same).sum()} of {same.size} elements differ; at {at}: expected {expected[at]!r}, got {actual[at]!r}, "
            f"allowed {np.broadcast_to(allowed, same.shape)[at]!r}"
        )
