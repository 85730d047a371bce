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
        ulps: how many units in the last place a float may be off; a complex number, by its modulus, five more, because
            NumPy's own products are rounded in other places in long arrays than in short ones.
        slack: what it may be off besides, absolutely.
        signed_zero: whether 0.0 and -0.0 differ.
    """
    expected_leaves, expected_structure = flatten(expected)
    actual_leaves, actual_structure = flatten(actual)
    assert expected_structure == actual_structure
    for want, have in zip(expected_leaves, actual_leaves, strict=True):
        assert kind_of(want) == kind_of(have)
        assert_same_values(want, have, ulps=ulps, slack=slack, signed_zero=signed_zero)


def _size(values: np.ndarray) -> np.ndarray:
    """The modulus, at least the least number without loss."""
    with np.errstate(all="ignore"):
        return np.maximum(np.abs(values.astype(np.clongdouble)), np.finfo(values.dtype).tiny)


def _assert_same_complex(expected: np.ndarray, actual: np.ndarray, ulps: float, slack: Any) -> None:
    near = (ulps + 5) * np.finfo(expected.dtype).eps
    allowed = near * _size(expected) + slack
    with np.errstate(all="ignore"):
        close = np.abs(actual.astype(np.clongdouble) - expected) <= allowed
        same = [
            (a == b) | (np.isnan(a) & np.isnan(b)) | (np.abs(a - b) <= near * np.abs(b))
            for a, b in ((actual.real, expected.real), (actual.imag, expected.imag))
        ]
    wrong = ~(close & np.isfinite(expected) | same[0] & same[1])
    if wrong.any():
        at = tuple(np.argwhere(wrong)[0])
        raise AssertionError(
            f"{wrong.sum()} of {wrong.size} elements differ; at {at}: expected {expected[at]!r}, got {actual[at]!r}"
        )


def assert_same_values(
    expected: Any, actual: Any, *, ulps: float = 0, slack: Any = 0.0, signed_zero: bool = True
) -> None:
    """Same dtype, shape and values."""
    expected, actual = np.asarray(expected), np.asarray(actual)
    assert (expected.dtype, expected.shape) == (actual.dtype, actual.shape)
    if expected.dtype.kind == "c":
        _assert_same_complex(expected, actual, ulps, slack)
        return
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
