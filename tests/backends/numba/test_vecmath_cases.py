"""What the tests of `vecmath` share: kernels with a loop per function, operands, and errors in units in the last place."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

Call = Callable[..., None]

FLOATS = ("float32", "float64")
SIGNED = ("int8", "int16", "int32", "int64")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
INTEGERS = (*SIGNED, *UNSIGNED)
DTYPES = ("bool", *INTEGERS, *FLOATS)


def numba_name(dtype: np.dtype) -> str:
    return "boolean" if dtype.kind == "b" else str(dtype)


def loops(functions: Mapping[str, np.dtype], operands: Sequence[np.dtype], step: int = 1) -> str:
    """The source of a kernel `each` that applies each function in a loop of its own, `step` elements in each turn."""
    kinds = [*operands, *functions.values()]
    names = [*(f"x{k}" for k in range(len(operands))), *(f"out_{name}" for name in functions)]
    lines = ["def each(args, lo, hi):"]
    for slot, (name, kind) in enumerate(zip(names, kinds, strict=True)):
        lines.append(f"    {name} = pointer(args, {slot}, {numba_name(np.dtype(kind))})")
    for name in functions:
        lines.append(f"    for i in range(lo, hi // {step}):")
        for place in [f"i * {step} + {k}" for k in range(step)]:
            arguments = ", ".join(f"load(x{k}, {place})" for k in range(len(operands)))
            lines.append(f"        store(out_{name}, {place}, {name}({arguments}))")
    return "\n".join(lines) + "\n"


def evaluate(
    call: Call, functions: Mapping[str, np.dtype], *operands: np.ndarray, step: int = 1
) -> dict[str, np.ndarray]:
    """The results of several functions on the same operands, whose number `step` divides, from one kernel."""
    results = {name: np.empty(operands[0].shape, dtype) for name, dtype in functions.items()}
    source = loops(functions, [x.dtype for x in operands], step)
    call(source, "each", [*operands, *results.values()], 0, operands[0].size)
    return results


def specials(dtype: str) -> np.ndarray:
    """Values at which functions have something special to do."""
    if dtype == "bool":
        return np.array([False, True])
    if dtype in INTEGERS:
        limits, bits = np.iinfo(dtype), np.iinfo(dtype).bits
        small = [0, 1, 2, 3, 7, bits - 1, bits, -1, -2, -bits]
        large = [limits.max // 2, limits.max - 1, limits.max, limits.min, limits.min + 1]
        return np.unique(np.array([n for n in (*small, *large) if n >= limits.min], dtype))
    facts = np.finfo(dtype)
    sizes = [0, facts.smallest_subnormal, facts.tiny, facts.tiny / 2, facts.eps, 0.1, 0.5, 1, 1 - facts.epsneg]
    sizes += [1 + facts.eps, 1.5, 2, 2.5, 3, 7, 10, 127.5, 256, 1e10, 2 / facts.eps, facts.max, np.inf]
    return np.array([*sizes, *(-float(size) for size in sizes), np.nan], dtype)


def pairs(dtype: str, count: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of specials, random bits, and random numbers of like size."""
    x, y = (grid.ravel() for grid in np.meshgrid(specials(dtype), specials(dtype)))
    random = np.random.default_rng(7)
    if dtype == "bool":
        return x, y
    bits = random.integers(0, 256, (2, count * x.itemsize), np.uint8).view(dtype)
    low = 0 if dtype in UNSIGNED else -20
    like = random.integers(low, 20, (2, count)).astype(dtype)
    if dtype in FLOATS:
        like += random.random((2, count)).astype(dtype)
    return np.concatenate([x, bits[0], like[0]]), np.concatenate([y, bits[1], like[1]])


def assert_same(got: np.ndarray, expected: np.ndarray, what: str, *operands: np.ndarray) -> None:
    """Equal bit for bit, any nan counting as any other."""
    same = got == expected
    if got.dtype.kind == "f":
        same = np.where(np.isnan(expected), np.isnan(got), same & (np.signbit(got) == np.signbit(expected)))
    wrong = np.flatnonzero(~same)[:5]
    shown = [([x[k] for x in operands], got[k], expected[k]) for k in wrong]
    assert not wrong.size, f"{what} of {operands[0].dtype}: (operands, got, expected) {shown}"


def errors(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """The distance from exact results (longdouble) in units in the last place; infinite for a wrong special value."""
    facts = np.finfo(got.dtype)
    beyond = np.ldexp(np.longdouble(1), facts.maxexp)  # what infinity stands for where the exact result is finite
    regular = np.isfinite(exact) & (exact != 0)
    wanted = np.clip(np.where(regular, exact, 1), -beyond, beyond)
    result = np.where(np.isinf(got), np.copysign(beyond, got), got.astype(np.longdouble))
    exponent = np.clip(np.frexp(wanted)[1], facts.minexp + 1, facts.maxexp)
    distance = np.abs(result - wanted) / np.ldexp(np.longdouble(1), exponent - 1 - facts.nmant)
    same = (got == exact) & (np.signbit(got) == np.signbit(exact)) | np.isnan(got) & np.isnan(exact)
    distance = np.where(np.isnan(got), np.inf, distance)
    return np.where(regular, distance, np.where(same, 0, np.inf)).astype(float)


def test_specials_hold_what_they_should():
    """The operands that the tests rest upon include both zeros, infinities, nan and the least integer."""
    assert np.signbit(specials("float64")[specials("float64") == 0]).tolist() == [False, True]
    assert np.isnan(specials("float32")).sum() == 1
    assert np.iinfo("int8").min in specials("int8")


def test_errors_count_units_in_the_last_place():
    """One unit off is 1, a wrong special value is infinitely wrong, and subnormals have the smallest unit."""
    exact = np.array([1, 1, np.inf, np.nan, 0, 2**-148], np.longdouble)
    got = np.array([1 + 2**-23, np.nan, 1, np.nan, -0.0, 2**-149], np.float32)
    np.testing.assert_array_equal(errors(got, exact), [1, np.inf, np.inf, 0, np.inf, 1])
