"""Every row of the table of operations: its rule, its reference, its derivatives, its batching, its kernel."""

import itertools
from typing import Any

import numpy as np
import pytest
from support.cases import CASES, EXACT_ZERO, KINDS, NOT_OPERATIONS, REFUSED, UNDIFFERENTIATED, Case
from support.compare import assert_same_values

from tracegraph import pipeline
from tracegraph.backends import reference
from tracegraph.ir import DTYPES, Aval, Graph, Node, check
from tracegraph.ops import ALL, fourier, linalg
from tracegraph.ops.broadcast import reduce_sum
from tracegraph.ops.elementwise import add, multiply, real
from tracegraph.ops.leaf import constant, input_node
from tracegraph.transforms.autodiff import jvp, vjp
from tracegraph.transforms.batching import batch

F32, F64, C128 = np.dtype("f4"), np.dtype("f8"), np.dtype("c16")
SMALL = [case for case in CASES if not case.is_large]
SMOOTH = [case for case in SMALL if case.smooth is not None]
#: References that are expressions, and how many ulps they may be off what they stand for.
INEXACT = {"sigmoid": 4, "expm": 64, "cholesky_pullback": 2**12, "polygamma": 64, "histogram": 8, "correlate": 8}
#: Structural operations are tried on some dtypes, for they only move elements.
MOVED = tuple(np.dtype(name) for name in ("f2", "f4", "f8", "c16", "i4", "?"))
#: Operations of libraries, whose sums may be in another order in a stack.
ROUNDED = frozenset({"matmul", *(op.name for op in (*linalg.OPS, *fourier.OPS))})


def over(cases: list[Case]) -> Any:
    return pytest.mark.parametrize("case", cases, ids=str)


def dtypes_of(case: Case) -> list[np.dtype]:
    """The dtypes to try a case on."""
    kind = ALL[case.op].kind
    return [dtype for dtype in KINDS[case.dtypes] if kind in ("elementwise", "reduce", "product") or dtype in MOVED]


def value(node: Node, inputs: list[Node], arrays: list[np.ndarray]) -> np.ndarray:
    return reference.run(check(Graph(inputs, [node])), arrays)[0]


def test_every_operation_has_a_case() -> None:
    """The table of cases names every operation."""
    assert {case.op for case in CASES} | set(NOT_OPERATIONS) == set(ALL)


def test_every_float_operation_has_a_derivative_or_a_reason() -> None:
    """An operation without a derivative rule gives no floats, or is known to have none."""
    without = {
        case.op for case in SMALL for dtype in KINDS[case.dtypes]
        if ALL[case.op].vjp is None and case.apply(case.inputs(dtype)).dtype.kind in "fc"
    }  # fmt: skip
    assert without == set(UNDIFFERENTIATED) - set(NOT_OPERATIONS)


def test_every_operation_with_a_derivative_is_tried_where_it_is_smooth() -> None:
    """Each row with a derivative rule that does not refuse has a case that checks it."""
    assert {case.op for case in SMOOTH} == {name for name, op in ALL.items() if op.vjp is not None} - {
        *REFUSED,
        *NOT_OPERATIONS,
    }


@pytest.mark.parametrize("name", [name for name in ALL if name not in NOT_OPERATIONS])
def test_rule_takes_its_dtypes_only(name: str) -> None:
    """An operation takes the dtypes that its case names, and refuses the others by name."""
    case = next(case for case in SMALL if case.op == name)
    for dtype in DTYPES:
        if dtype in KINDS[case.dtypes]:
            case.apply(case.inputs(dtype))
        else:
            with pytest.raises(TypeError, match=f"{name} does not take {dtype}"):
                case.apply(case.inputs(dtype))


@pytest.mark.parametrize("name", [case.op for case in CASES if case.is_large and len(case.shapes) > 1])
def test_operands_of_two_dtypes_are_refused(name: str) -> None:
    """Operations are strict: promotion is not theirs to do."""
    case = next(case for case in SMALL if case.op == name)
    avals = case.avals(KINDS[case.dtypes][0])
    other = next(dtype for dtype in DTYPES if dtype != avals[-1].dtype)
    inputs = [input_node(aval) for aval in [*avals[:-1], Aval(avals[-1].shape, other)]]
    with pytest.raises((TypeError, ValueError)):
        case.apply(inputs)


@over(SMALL)
def test_rule_and_reference_agree_with_numpy(case: Case) -> None:
    """The rule foretells the shape and dtype of what NumPy's own function gives, and the reference gives its values."""
    assert case.numpy is not None
    for dtype in KINDS[case.dtypes]:
        arrays = case.arrays(dtype)
        node = case.apply(case.inputs(dtype))
        with np.errstate(all="ignore"):
            expected = np.asarray(case.numpy(*arrays, **case.params))
            actual = np.asarray(ALL[case.op].reference(*arrays, **case.params))
        assert node.aval == Aval(expected.shape, expected.dtype)
        assert_same_values(expected, actual, ulps=INEXACT.get(case.op, 0))


# -- derivatives -------------------------------------------------------------------------------------------------------


def dot(x: Node, y: np.ndarray) -> Node:
    """The sum of the products of a node with constants; the real part of it."""
    total = reduce_sum(multiply(x, constant(y)), axes=tuple(range(x.aval.ndim)))
    return real(total) if total.dtype.kind == "c" else total


def random(rng: np.random.Generator, node: Node) -> np.ndarray:
    """Of a node's shape and dtype."""
    values = rng.normal(size=node.shape)
    return np.asarray(values + 1j * rng.normal(size=node.shape) if node.dtype.kind == "c" else values)


def total(nodes: list[Node]) -> Node:
    result, *rest = nodes
    for node in rest:
        result = add(result, node)
    return result


def along(scalar: Node, inputs: list[Node], direction: list[np.ndarray]) -> Node | None:
    """The derivative of a scalar in a direction, by its backward pass."""
    found = vjp([scalar], [constant(np.ones(()))], inputs).wrt
    terms = [dot(ct, step) for ct, step in zip(found, direction, strict=True) if ct is not None]
    return total(terms) if terms else None


def differentiable(case: Case) -> list[np.dtype]:
    """The dtypes for which a case has derivatives."""
    return [dtype for dtype in KINDS[case.dtypes] if dtype.kind in "fc"]


def over_smooth(function: Any) -> Any:
    """Cases where they are smooth, in double precision, of reals and of complex numbers."""
    rows = [(case, dtype) for case in SMOOTH for dtype in (F64, C128) if dtype in differentiable(case)]
    return pytest.mark.parametrize(("case", "dtype"), rows, ids=str)(function)


@pytest.mark.parametrize("order", [1, 2, 3])
@over_smooth
def test_derivative_against_finite_differences(case: Case, dtype: np.dtype, order: int) -> None:
    """The first, second and third derivative in random directions are those found by differences of the one before."""
    rng = np.random.default_rng(3)
    inputs, arrays = case.inputs(dtype), case.arrays(dtype, case.smooth)
    floats = [k for k, node in enumerate(inputs) if node.dtype == dtype]
    out = case.apply_smoothly(inputs)
    scalar: Node | None = dot(out, random(rng, out))
    direction: list[np.ndarray] = []
    for _ in range(order):
        before = scalar
        if before is None:
            return  # the derivative before is 0 everywhere
        direction = [random(rng, inputs[k]) for k in floats]
        scalar = along(before, [inputs[k] for k in floats], direction)
    assert before is not None

    def moved(by: float) -> float:
        steps = dict(zip(floats, direction, strict=True))
        return float(value(before, inputs, [x + by * steps[k] if k in steps else x for k, x in enumerate(arrays)]))

    h = 1e-3
    expected = (8 * (moved(h) - moved(-h)) - (moved(2 * h) - moved(-2 * h))) / (12 * h)
    actual = 0.0 if scalar is None else float(value(scalar, inputs, arrays))
    size = sum(np.abs(step).sum() for step in direction)
    rel = 1e-5 if order == 3 else 1e-6  # of a third derivative the differences themselves are less exact
    assert actual == pytest.approx(expected, rel=rel, abs=1e-8 * (1 + size) * (1 + abs(moved(0))))


@over_smooth
def test_forward_mode_is_the_transpose_of_reverse_mode(case: Case, dtype: np.dtype) -> None:
    """For any u and v: <u, J v> = <J^T u, v>."""
    rng = np.random.default_rng(4)
    inputs, arrays = case.inputs(dtype), case.arrays(dtype, case.smooth)
    floats = [node for node in inputs if node.dtype == dtype]
    out = case.apply_smoothly(inputs)
    u, v = random(rng, out), [random(rng, node) for node in floats]
    (pushed,) = jvp([out], floats, [constant(step) for step in v])
    pulled = vjp([out], [constant(u)], floats).wrt
    forward = 0.0 if pushed is None else float(value(dot(pushed, u), inputs, arrays))
    terms = [dot(ct, step) for ct, step in zip(pulled, v, strict=True) if ct is not None]
    assert terms or (case.op == "sign" and dtype == F64)
    if not terms:
        return
    assert forward == pytest.approx(float(value(total(terms), inputs, arrays)), rel=1e-12, abs=1e-12)


@over(SMOOTH)
def test_cotangents_have_the_avals_of_their_inputs(case: Case) -> None:
    """Of whatever precision, a cotangent has the shape and dtype of what it belongs to."""
    for dtype in differentiable(case):
        inputs = case.inputs(dtype)
        floats = [node for node in inputs if node.dtype == dtype]
        out = case.apply_smoothly(inputs)
        found = vjp([out], [input_node(out.aval)], floats).wrt
        assert any(ct is not None for ct in found) or (case.op == "sign" and dtype.kind == "f")
        assert all(ct is None or ct.aval == node.aval for ct, node in zip(found, floats, strict=True))


# -- batching ----------------------------------------------------------------------------------------------------------


@over([case for case in SMALL if case.shapes])
def test_batching_is_a_loop_over_examples(case: Case) -> None:
    """Whichever inputs have the batch axis, batched or shared, element k of the result is that of example k."""
    dtypes = [dtype for dtype in (F64, C128) if dtype in KINDS[case.dtypes]] or KINDS[case.dtypes][:1]
    patterns = list(itertools.product((False, True), repeat=len(case.shapes)))
    for dtype, size, pattern in itertools.product(dtypes, (1, 3), patterns):
        inputs = case.inputs(dtype)
        graph = Graph(inputs, [case.apply(inputs)])
        stacks = case.arrays(dtype, lead=(size,))
        examples = [[x[k if batched else 0] for x, batched in zip(stacks, pattern, strict=True)] for k in range(size)]
        expected = np.stack([reference.run(graph, arrays)[0] for arrays in examples])
        given = [x if batched else x[0] for x, batched in zip(stacks, pattern, strict=True)]
        (actual,) = reference.run(check(batch(graph, size, pattern)), given)
        assert_same_values(expected, actual, slack=1e-12 if case.op in ROUNDED else 0.0)


@over([case for case in SMALL if case.shapes])
def test_batch_of_none(case: Case) -> None:
    """A batch without examples gives a result without examples."""
    dtype = KINDS[case.dtypes][-1]
    inputs = case.inputs(dtype)
    out = case.apply(inputs)
    graph = check(batch(Graph(inputs, [out]), 0, [True] * len(inputs)))
    assert graph.outputs[0].aval == Aval((0, *out.shape), out.dtype)
    assert reference.run(graph, [np.zeros((0, *node.shape), node.dtype) for node in inputs])[0].shape == (0, *out.shape)


# -- kernels -----------------------------------------------------------------------------------------------------------


def check_kernel(case: Case, arrays: list[np.ndarray], ulps: float | None = None) -> None:
    """The pipeline's own way to run a call gives what the reference gives."""
    inputs = [input_node(Aval(x.shape, x.dtype)) for x in arrays]
    graph = Graph(inputs, [case.apply(inputs)])
    (expected,) = reference.run(graph, arrays)
    (actual,) = pipeline.build(graph).run(arrays)
    slack = case.slack(*arrays, **case.params) if case.slack else 0.0
    of_complex = 2 * any(x.dtype.kind == "c" for x in arrays)
    assert_same_values(
        expected,
        actual,
        ulps=of_complex + (case.ulps if ulps is None else ulps),
        slack=slack,
        signed_zero=case.op not in EXACT_ZERO,
    )


@over(list(CASES))
def test_kernel_against_reference(case: Case) -> None:
    """Kernels give what the reference gives: empty, single, odd and large operands, every dtype."""
    for dtype in dtypes_of(case):
        check_kernel(case, case.arrays(dtype))


def special(dtype: np.dtype) -> np.ndarray:
    """The values at which things go wrong."""
    if dtype.kind == "b":
        return np.array([False, True])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return np.unique(np.array([limits.min, limits.min + 1, limits.max - 1, limits.max, 0, 1, 2, 3, 7, 63], dtype))
    if dtype.kind == "c":
        parts = np.array([0.0, -0.0, 1e-3, 1.0, -2.5, np.inf, -np.inf, np.nan])
        values = np.empty((8, 8), dtype)
        values.real, values.imag = np.meshgrid(parts, parts)
        return values.ravel()
    limits = np.finfo(dtype)
    positive = [
        0.0, limits.smallest_subnormal, limits.tiny, limits.eps, 1e-3, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 10.0, 88.0, 89.0, 104.0,
        709.0, 710.0, 746.0, 2.0**23 + 1, 2.0**31, float(limits.max), np.inf, np.nan,
    ]  # fmt: skip
    values = np.array([*positive, *(-x for x in positive)])
    with np.errstate(over="ignore"):
        return values.astype(dtype)


@over([case for case in SMALL if ALL[case.op].kind == "elementwise" and case.shapes[0] == (2, 3)])
def test_kernel_at_special_values(case: Case) -> None:
    """Kernels treat NaN, infinities, signed zeros, subnormals and the ends of integers as the reference does."""
    for dtype in KINDS[case.dtypes]:
        values = special(dtype)
        if case.op == "convert" and values.dtype.kind in "fc" and case.params["dtype"].kind in "iu":
            values = values[np.abs(values) < (100 if case.params["dtype"].kind == "i" else 0)]
        grids = np.meshgrid(*[values] * len([k for k in range(len(case.shapes)) if k not in case.fixed]))
        arrays = [grid.ravel() for grid in grids]
        if case.op == "power" and dtype.kind in "iu":
            arrays = [x[arrays[1] >= 0] for x in arrays]
        for k, fixed in case.fixed.items():
            arrays.insert(k, (np.arange(arrays[0].size) % 3 == 0).astype(fixed))
        check_kernel(case, arrays)


@pytest.mark.parametrize("name", ["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin"])
@pytest.mark.parametrize("dtype", [F32, F64], ids=str)
def test_reductions_of_special_values(name: str, dtype: np.dtype) -> None:
    """One NaN or infinity anywhere decides a reduction as it does in NumPy."""
    rng = np.random.default_rng(5)
    x = rng.uniform(0.5, 1.5, (12, 41)).astype(dtype)
    for row, values in enumerate([[np.nan], [np.inf], [-np.inf], [np.inf, -np.inf], [np.nan, np.inf], [-0.0, 0.0]]):
        x[row, rng.choice(41, len(values), replace=False)] = values
    x[6] = np.nan
    x[7] = -np.inf
    x[8] = 0
    params: dict[str, Any] = {"axis": 1} if name.startswith("arg") else {"axes": (1,)}
    node = input_node(Aval(x.shape, x.dtype))
    graph = Graph([node], [ALL[name](node, **params)])
    (expected,) = reference.run(graph, [x])
    (actual,) = pipeline.build(graph).run([x])
    assert_same_values(expected, actual, ulps=0 if expected.dtype.kind == "i" else 64, signed_zero=False)
