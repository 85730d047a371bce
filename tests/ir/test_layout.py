"""Layouts are NumPy's strides: chains of views on both sides give the same offsets and strides, or both say copy."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracegraph.ir.layout import Layout, contiguous
from tracegraph.ops.region import region

Shape = tuple[int, ...]


def addresses(layout: Layout) -> np.ndarray:
    """Where each element lies."""
    grid = np.indices(layout.shape)
    return layout.offset + sum(
        (grid[k] * stride for k, stride in enumerate(layout.strides)), np.zeros(layout.shape, int)
    )


@st.composite
def regions(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    starts, steps, sizes = [], [], []
    for n in shape:
        step = draw(st.sampled_from([1, 1, 2, -1, -2, 3]))
        size = draw(st.integers(0, -(-n // abs(step)))) if n else 0
        room = n - 1 - (size - 1) * abs(step)
        low = draw(st.integers(0, room)) if size else 0
        starts.append(low if step > 0 or not size else low + (size - 1) * -step)
        steps.append(step)
        sizes.append(size)
    return {"starts": tuple(starts), "steps": tuple(steps), "sizes": tuple(sizes)}


@st.composite
def shapes_of(draw: st.DrawFn, size: int) -> Shape:
    shape: list[int] = []
    while size > 1 and len(shape) < 3:
        shape.append(draw(st.sampled_from([n for n in range(1, size + 1) if size % n == 0])))
        size //= shape[-1]
    ones = [1] * draw(st.integers(0, 2))
    return tuple(draw(st.permutations([*shape, *ones, *([size] if size != 1 else [])])))


@st.composite
def chains(draw: st.DrawFn) -> tuple[Shape, list[tuple[str, dict[str, Any]]]]:
    """A shape and view operations on it, one after the other."""
    start = tuple(draw(st.lists(st.integers(0 if draw(st.booleans()) else 1, 4), max_size=3)))
    shape, steps = start, []
    for _ in range(draw(st.integers(1, 5))):
        name = draw(st.sampled_from(["transpose", "slice", "reshape", "reshape", "broadcast_to"]))
        if name == "transpose":
            params: dict[str, Any] = {"axes": tuple(draw(st.permutations(range(len(shape)))))}
            shape = tuple(shape[k] for k in params["axes"])
        elif name == "slice":
            params = draw(regions(shape))
            shape = params["sizes"]
        elif name == "reshape":
            params = {"shape": draw(shapes_of(int(np.prod(shape, dtype=int))))}
            shape = params["shape"]
        else:
            lead = draw(st.sampled_from([(), (2,), (1,)]))
            params = {"shape": (*lead, *(draw(st.sampled_from([1, 3])) if n == 1 else n for n in shape))}
            shape = params["shape"]
        if np.prod(shape, dtype=int) > 200 or len(shape) > 6:
            break
        steps.append((name, params))
    return start, steps


def viewed(array: np.ndarray, name: str, params: dict[str, Any]) -> np.ndarray:
    if name == "transpose":
        return array.transpose(params["axes"])
    if name == "slice":
        return array[(*region(**params), ...)]
    if name == "reshape":
        return array.reshape(params["shape"])
    return np.broadcast_to(array, params["shape"])


@settings(max_examples=600, deadline=None)
@given(chains())
def test_chains_of_views_are_numpys(chain: tuple[Shape, list[tuple[str, dict[str, Any]]]]) -> None:
    """Every element lies where NumPy has it; a reshape is a copy exactly where NumPy makes one."""
    shape, steps = chain
    whole = np.arange(int(np.prod(shape, dtype=int))).reshape(shape)
    array, layout = whole, contiguous(shape)
    for name, params in steps:
        array, after = viewed(array, name, params), layout.view(name, params)
        is_copy = bool(array.size) and not np.shares_memory(array, whole)
        assert (after is None) == is_copy
        if after is None:
            whole = array = np.arange(array.size).reshape(array.shape)
            layout = contiguous(array.shape)
            continue
        layout = after
        assert layout.shape == array.shape
        np.testing.assert_array_equal(addresses(layout), array)
        assert layout.is_contiguous() == array.flags.c_contiguous


@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 3), (2, 0, 3), (4, 1, 2)])
def test_contiguous_arrays_are_in_c_order(shape: Shape) -> None:
    """Elements are numbered as they lie."""
    layout = contiguous(shape)
    assert layout.is_contiguous()
    np.testing.assert_array_equal(addresses(layout), np.arange(int(np.prod(shape, dtype=int))).reshape(shape))


def test_an_axis_of_one_keeps_its_stride_in_a_broadcast() -> None:
    """So a batch of one is read by the kernel that reads any batch."""
    assert contiguous((1, 3)).broadcast_to((1, 3)).strides == (3, 1)
    assert contiguous((1, 3)).broadcast_to((2, 3)).strides == (0, 1)
