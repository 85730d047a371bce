"""What the tests of rewriting share: inputs full of special values, and comparison to the last bit."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from tracegraph.backends.reference import run
from tracegraph.ir import DTYPES, Aval, Graph, Node, check
from tracegraph.ops.leaf import input_node
from tracegraph.rewrite import LOWER, OPTIMISE, Firing, Rule, rewrite

LONG = {short: dtype for dtype, short in DTYPES.items()}
ALL = {rule.name: rule for rule in OPTIMISE + LOWER}


def aval(text: str) -> Aval:
    """``"f64[2,3]"`` as an `Aval`."""
    short, shape = re.fullmatch(r"(\w+)\[([\d,]*)\]", text).groups()
    return Aval(tuple(map(int, filter(None, shape.split(",")))), LONG[short])


def graph_of(specs: str, build: Callable[..., Node | Sequence[Node]]) -> Graph:
    inputs = [input_node(aval(text)) for text in specs.split()]
    made = build(*inputs)
    return Graph(inputs, [made] if isinstance(made, Node) else made)


def sample(of: Aval, seed: int, *, special: bool = True) -> np.ndarray:
    """Numbers of all sizes, and in every third place one that is apt to break an identity."""
    rng = np.random.default_rng(seed)
    if of.dtype.kind == "b":
        return np.asarray(rng.integers(0, 2, of.shape), bool)
    if of.dtype.kind == "c":
        part = Aval(of.shape, np.dtype(f"f{of.dtype.itemsize // 2}"))
        parts = [sample(part, 2 * seed + k, special=special) for k in range(2)]
        whole = np.empty(of.shape, of.dtype)
        whole.real, whole.imag = parts
        return whole
    if of.dtype.kind in "iu":
        info = np.iinfo(of.dtype)
        values = rng.integers(-9 if of.dtype.kind == "i" else 0, 9, of.shape)
        odd = [0, 1, info.max, info.min, info.min + 1]
    else:
        info = np.finfo(of.dtype)
        values = rng.normal(size=of.shape) * 3
        odd = [0.0, -0.0, np.nan, np.inf, -np.inf, info.max, info.smallest_subnormal, 1.0]
    picked = np.asarray(odd, of.dtype)[rng.integers(0, len(odd), of.shape)]
    chosen = (rng.integers(0, 3, of.shape) == 0) & special
    return np.asarray(np.where(chosen, picked, values.astype(of.dtype)), of.dtype)


def assert_same(got: np.ndarray, expected: np.ndarray, tolerance: float = 0.0) -> None:
    """Equal to the last bit, the sign of zero included; all NaNs are one. Or close, where a rule is not exact."""
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype)
    if tolerance:
        np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)
        return
    np.testing.assert_array_equal(got, expected)
    if got.dtype.kind == "c":
        assert_same(got.real, expected.real)
        assert_same(got.imag, expected.imag)
    if got.dtype.kind == "f":
        number = ~np.isnan(got)
        np.testing.assert_array_equal(np.signbit(got)[number], np.signbit(expected)[number])


def assert_equivalent(
    graph: Graph, rules: Sequence[Rule], *, tolerance: float = 0.0, special: bool = True
) -> tuple[Graph, list[str]]:
    """Rewrites, checks and compares on several inputs; gives the new graph and the names of the rules that fired."""
    fired: list[Firing] = []
    new = check(rewrite(graph, rules, fired=fired), "rewrite")
    assert new.inputs == graph.inputs
    for seed in range(6):
        arrays = [sample(node.aval, 7 * seed + k, special=special) for k, node in enumerate(graph.inputs)]
        for got, expected in zip(run(new, arrays), run(graph, arrays), strict=True):
            assert_same(got, expected, tolerance)
    return new, [name for name, _ in fired]
