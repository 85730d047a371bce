"""Products that read their operands where they lie agree with NumPy for every layout, and never read beyond operands."""

import numpy as np
import pytest

import tracegraph as tg

SHAPES = [
    ((5, 7), (7, 6)), ((1, 9), (9, 4)), ((6, 1), (1, 5)), ((20, 3, 3), (20, 3, 3)), ((20, 4, 4), (20, 4, 1)),
    ((2, 3, 4, 5), (2, 3, 5, 6)), ((8, 9, 16), (8, 16, 11)), ((7,), (7,)), ((3, 5), (5,)), ((4, 1, 2), (2, 6)),
    ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((5, 0, 3), (5, 3, 2)),
]  # fmt: skip


def flipped(a, b):
    return np.matmul(np.swapaxes(b, -1, -2), np.swapaxes(a, -1, -2))


def backwards(a, b):
    return np.matmul(a[..., ::-1, ::-1], b[..., ::-1, :])


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "float32", "complex128"])
def test_products_agree_with_numpy(dtype):
    rng = np.random.default_rng(0)
    for shapes in SHAPES:
        a, b = (rng.integers(0, 99, shape).astype(dtype) for shape in shapes)
        if dtype == "complex128":
            a = a + 1j * a[::-1]
        for product in (np.matmul, flipped, backwards) if min(a.ndim, b.ndim) > 1 else (np.matmul,):
            compiled, expected = tg.compile(product)(a, b), product(a, b)
            assert compiled.dtype == expected.dtype
            np.testing.assert_array_equal(compiled, expected)


@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_nothing_is_read_beyond_operands(at_end, dtype):
    for shapes in [
        ((37, 3, 3), (37, 3, 3)),
        ((9, 5, 13), (9, 13, 7)),
        ((3, 67, 65), (3, 65, 66)),
        ((3, 70, 130), (130, 99)),
    ]:
        a, b = (at_end(np.random.default_rng(0).integers(0, 9, shape).astype(dtype)) for shape in shapes)
        np.testing.assert_array_equal(tg.compile(np.matmul)(a, b), a @ b)
