"""Convolution and pooling: values against loops, derivatives against differences, traced or not, and what is refused."""

import itertools
import math

import numpy as np
import pytest

import tracegraph as tg
from tracegraph import nn
from tracegraph.symbolic import run, tensor4


def random(*shape, dtype=float):
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(dtype)


def slow_conv(x, w, stride, ends, dilation, groups):
    """Place by place."""
    rank = x.ndim - 2
    x = np.pad(x, [(0, 0), (0, 0), *ends])
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, w.shape[2:], strict=True)]
    places = [(n - span) // s + 1 for n, span, s in zip(x.shape[2:], spans, stride, strict=True)]
    out = np.zeros((x.shape[0], w.shape[0], *places))
    into, each = x.shape[1] // groups, w.shape[0] // groups
    for o, place in itertools.product(range(w.shape[0]), np.ndindex(*places)):
        first = o // each * into
        window = tuple(slice(place[a] * stride[a], place[a] * stride[a] + spans[a], dilation[a]) for a in range(rank))
        out[(slice(None), o, *place)] = np.sum(
            x[(slice(None), slice(first, first + into), *window)] * w[o], (*range(1, rank + 2),)
        )
    return out


GRID = [
    ((2, 3, 7), (4, 3, 3), {}),
    ((2, 4, 9), (6, 2, 2), {"stride": 2, "padding": 1, "groups": 2, "dilation": 3}),
    ((2, 3, 6, 7), (4, 3, 3, 2), {"padding": ((1, 0), (2, 1))}),
    ((1, 4, 8, 8), (4, 1, 3, 3), {"padding": "same", "groups": 4}),
    ((2, 2, 9, 8), (3, 2, 5, 3), {"stride": (3, 2), "padding": "same"}),
    ((1, 2, 5, 6), (3, 2, 1, 1), {"stride": 2, "padding": "valid"}),
    ((2, 1, 9, 12), (3, 1, 5, 4), {"stride": (2, 3), "padding": 2}),
    ((1, 2, 8, 9), (2, 1, 3, 3), {"stride": 2, "padding": 1, "groups": 2}),
    ((1, 2, 4, 5, 4), (3, 2, 2, 3, 2), {"padding": (1, 0, 1), "stride": (1, 2, 1)}),
]


def ends_of(padding, x, w, stride, dilation):
    if padding == "same":
        found = []
        for n, k, s, d in zip(x[2:], w[2:], stride, dilation, strict=True):
            total = max((math.ceil(n / s) - 1) * s + d * (k - 1) + 1 - n, 0)
            found.append((total // 2, total - total // 2))
        return found
    if padding in ("valid", None):
        return [(0, 0)] * (len(x) - 2)
    padding = (padding,) * (len(x) - 2) if isinstance(padding, int) else padding
    return [(each, each) if isinstance(each, int) else each for each in padding]


@pytest.mark.parametrize(("images", "weights", "options"), GRID)
def test_values(images, weights, options):
    x, w = random(*images), random(*weights)
    rank = x.ndim - 2
    stride, dilation = (
        (each,) * rank if isinstance(each, int) else each
        for each in (options.get("stride", 1), options.get("dilation", 1))
    )
    ends = ends_of(options.get("padding"), images, weights, stride, dilation)
    expected = slow_conv(x, w, stride, ends, dilation, options.get("groups", 1))
    function = getattr(nn, f"conv{rank}d")
    np.testing.assert_allclose(function(x, w, **options), expected, atol=1e-12)
    np.testing.assert_allclose(nn.conv(x, w, **options), expected, atol=1e-12)
    np.testing.assert_allclose(tg.compile(lambda x, w: function(x, w, **options))(x, w), expected, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("images", "weights", "options"),
    [
        ((3, 20, 17, 19), (33, 20, 3, 3), {"padding": 1}),
        ((2, 6, 41, 43), (48, 6, 5, 5), {"stride": 2, "padding": 2}),
        ((4, 64, 16, 15), (80, 64, 1, 1), {}),
        ((1, 24, 30, 30), (40, 24, 3, 3), {"stride": 3, "dilation": 2}),
        ((2, 48, 24, 9), (7, 48, 3, 5), {"padding": (0, 2)}),
    ],
)
def test_large_ones(dtype, images, weights, options):
    """Enough work that a kernel that gathers nothing may be chosen: values, and derivatives, as it is linear."""
    x, w = random(*images, dtype=dtype), random(*weights, dtype=dtype)
    tolerance = 1e-4 if dtype == "float32" else 1e-11
    stride, dilation, padding = (options.get(name, n) for name, n in (("stride", 1), ("dilation", 1), ("padding", 0)))
    ends = [(n, n) for n in (padding if isinstance(padding, tuple) else (padding,) * 2)]
    found = tg.compile(lambda x, w: nn.conv(x, w, **options))(x, w)
    np.testing.assert_allclose(found, slow_conv(x, w, (stride,) * 2, ends, (dilation,) * 2, 1), atol=tolerance)
    ct = random(*found.shape, dtype=dtype)
    by_x, by_w = tg.compile(tg.grad(lambda x, w: np.sum(nn.conv(x, w, **options) * ct), (0, 1)))(x, w)
    np.testing.assert_allclose(np.sum(by_w * w), np.sum(found * ct), rtol=1e3 * tolerance, atol=1e3 * tolerance)
    np.testing.assert_allclose(np.sum(by_x * x), np.sum(found * ct), rtol=1e3 * tolerance, atol=1e3 * tolerance)


@pytest.mark.parametrize(("images", "weights", "options"), GRID)
def test_derivatives(images, weights, options):
    """By images and by weights, along random directions."""
    x, w = random(*images), random(*weights)

    def loss(x, w):
        return np.sum(np.sin(nn.conv(x, w, **options)))

    for argnum, start in enumerate((x, w)):
        direction = random(*start.shape[::-1]).reshape(start.shape)
        slope = np.sum(tg.grad(loss, argnums=argnum)(x, w) * direction)
        moved = [[x, w], [x, w]]
        for step, args in zip((1e-6, -1e-6), moved, strict=True):
            args[argnum] = start + step * direction
        compiled = tg.compile(loss)
        assert slope == pytest.approx((compiled(*moved[0]) - compiled(*moved[1])) / 2e-6, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    "options", [{}, {"stride": 2}, {"stride": 3, "padding": 1, "output_padding": 2}, {"dilation": 2}]
)
def test_transpose_is_the_derivative(options):
    """Of a convolution of images of that size by these."""
    y, w = random(2, 6, 5, 4), random(6, 2, 3, 3)
    out = nn.conv_transpose2d(y, w, groups=2, **options)
    forward = {name: value for name, value in options.items() if name != "output_padding"}
    assert nn.conv2d(np.zeros_like(out), w, groups=2, **forward).shape == y.shape
    expected = tg.grad(lambda x: np.sum(nn.conv2d(x, w, groups=2, **forward) * y))(np.zeros_like(out))
    np.testing.assert_allclose(out, expected, atol=1e-12)


def test_transpose_to_the_same_size():
    assert nn.conv_transpose(random(1, 2, 5, 6), random(2, 3, 4, 4), stride=2, padding="same").shape == (1, 3, 10, 12)


def test_new_batch_size_compiles_nothing():
    convolve = tg.compile(lambda x, w: nn.conv2d(x, w, padding=1))
    convolve(random(4, 3, 9, 9), random(5, 3, 3, 3))
    before = convolve.cache_info().compiled
    for images, size in ((1, 9), (7, 9), (2, 30)):
        convolve(random(images, 3, size, size), random(5, 3, 3, 3))
    assert convolve.cache_info().compiled == before


@pytest.mark.parametrize("dtype", ["float32", "float16", "complex128", "int64"])
def test_dtypes(dtype):
    x, w = (np.round(random(1, 2, 5, 5) * 3).astype(dtype), np.round(random(3, 2, 2, 2) * 3).astype(dtype))
    out = nn.conv2d(x, w)
    assert out.dtype == (np.dtype(float) if dtype == "int64" else np.dtype(dtype))
    ends = [(0, 0)] * 2
    np.testing.assert_allclose(out.real, slow_conv(x.real, w.real, (1, 1), ends, (1, 1), 1), atol=1e-6)


def slow_pool(x, reduce, size, stride, padding, outside):
    x = np.pad(x, [(0, 0), (0, 0), *[(padding, padding)] * 2], constant_values=outside)
    rows, columns = ((n - size) // stride + 1 for n in x.shape[2:])
    out = np.empty((*x.shape[:2], rows, columns))
    for i, j in np.ndindex(rows, columns):
        out[:, :, i, j] = reduce(x[:, :, i * stride : i * stride + size, j * stride : j * stride + size], (2, 3))
    return out


@pytest.mark.parametrize(("size", "stride", "padding"), [(2, None, 0), (3, 2, 1), (3, 1, 1), (2, 3, 0)])
def test_pools(size, stride, padding):
    x = random(2, 3, 7, 8)
    for pool, reduce, outside in ((nn.max_pool2d, np.max, -np.inf), (nn.avg_pool2d, np.mean, 0)):
        expected = slow_pool(x, reduce, size, stride or size, padding, outside)
        np.testing.assert_allclose(pool(x, size, stride=stride, padding=padding), expected, atol=1e-14)
        traced = tg.compile(lambda x, pool=pool: pool(x, size, stride=stride, padding=padding))
        np.testing.assert_allclose(traced(x), expected, atol=1e-14)


def test_derivative_of_max_pool():
    """It goes to where the largest value was."""
    x = np.random.default_rng(0).permutation(np.arange(36.0)).reshape(1, 1, 6, 6)
    found = tg.grad(lambda x: np.sum(nn.max_pool2d(x, 3)))(x)
    expected = np.zeros_like(x)
    for i, j in np.ndindex(2, 2):
        block = x[0, 0, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        row, column = np.unravel_index(block.argmax(), (3, 3))
        expected[0, 0, 3 * i + row, 3 * j + column] = 1
    np.testing.assert_array_equal(found, expected)


def test_whole_numbers_are_pooled():
    assert nn.max_pool2d(np.arange(-16, 0).reshape(1, 1, 4, 4), 2, padding=1).tolist() == [
        [[[-16, -14, -13], [-8, -6, -5], [-4, -2, -1]]]
    ]


@pytest.mark.parametrize("size", [1, 4, 5])
def test_local_response_norm(size):
    x = random(2, 6, 3, 3)
    total = np.zeros_like(x)
    for c in range(6):
        for other in range(max(c - size // 2, 0), min(c + (size - 1) - size // 2, 5) + 1):
            total[:, c] += x[:, other] ** 2
    expected = x / (2 + 0.5 / size * total) ** 0.75
    np.testing.assert_allclose(nn.local_response_norm(x, size, alpha=0.5, k=2.0), expected, rtol=1e-12)


def test_expressions_are_recorded():
    x = tensor4()
    values, weights = random(3, 2, 5, 5), random(4, 2, 3, 3)
    pooled = nn.max_pool2d(nn.conv2d(x, weights, padding=1), 2)
    expected = nn.max_pool2d(nn.conv2d(values, weights, padding=1), 2)
    np.testing.assert_allclose(run(pooled, {x: values}), expected)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nn.conv2d(np.ones((1, 3, 5)), np.ones((2, 3, 2))), "conv2d: images of rank 3"),
        (lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 3, 2, 2))), "expected .images, channels"),
        (lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 2, 2))), "for images with 3 channels"),
        (lambda: nn.conv(np.ones((1, 4, 5)), np.ones((3, 2, 2)), groups=2), "in 2 groups"),
        (lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 3, 7))), "weights that span 7"),
        (lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 3, 2)), stride=0), "stride is 0"),
        (
            lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 3, 2)), padding="full"),
            "expected numbers, 'same' or 'valid'",
        ),
        (lambda: nn.conv(np.ones((1, 3, 5)), np.ones((2, 3, 2)), padding=(1, 2)), "padding is"),
        (lambda: nn.max_pool2d(np.ones((1, 3, 5, 5)), 6), "windows of 6"),
        (lambda: nn.max_pool2d(np.ones((3, 5, 5)), 2), "images of rank 3"),
        (lambda: nn.conv_transpose(np.ones((1, 2, 3)), np.ones((2, 1, 2)), padding=3), "nothing is left"),
    ],
)
def test_refusals_say_what_was_given(call, message):
    with pytest.raises(ValueError, match=message):
        call()
