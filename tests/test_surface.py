"""The table of NumPy's functions in docs/numpy.md is complete and true, and its examples hold for all kinds of arrays."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, seed, settings
from hypothesis import strategies as st
from support.nearly import difference
from support.numpy_examples import NOT_TRACED, VALUES, arguments_of, examples, function_of, public
from support.running import outcome, same_error
from support.surface import document, line_of, row_of

import tracegraph as tg

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "numpy.md"
IS_WRITING = os.environ.get("TRACEGRAPH_GOLDEN") == "write"


def test_every_public_function_has_an_example_or_a_reason() -> None:
    missing = [name for name in public().values() if not examples().get(name) and name not in NOT_TRACED]
    assert missing == []
    assert sorted(NOT_TRACED.keys() - public().values()) == []


@pytest.mark.skipif(not IS_WRITING, reason="writes the table, with TRACEGRAPH_GOLDEN=write")
def test_write_the_table() -> None:
    DOCUMENT.write_text(document(map(row_of, examples())), encoding="utf-8")


@pytest.mark.skipif(IS_WRITING, reason="the table is being written")
@pytest.mark.parametrize("name", examples())
def test_the_table_is_true(name: str) -> None:
    """Its line is what trying the function gives; run with TRACEGRAPH_GOLDEN=write to accept a change."""
    line = line_of(row_of(name))
    start = line[: line.index("` |")]
    known = (known for known in DOCUMENT.read_text(encoding="utf-8").splitlines() if known.startswith(f"{start}` |"))
    assert next(known, None) == line


# -- other arrays than those of the table ------------------------------------------------------------------------------

CHUNK = 50
DTYPES = "f8 f8 f8 f4 i8 i4 i1 u1 u8 ? f2 c16 c8".split()
LAYOUTS = ("C", "C", "F", "reversed", "stepped", "repeated", "read-only")
SOURCES = [source for sources in examples().values() for source in sources if arguments_of(source)]


def laid_out(values: np.ndarray, layout: str) -> np.ndarray:
    """An array of these values with other strides; "repeated" has the first of each column, with a stride of zero."""
    match layout:
        case "F":
            return np.asfortranarray(values)
        case "reversed":
            return np.asarray(np.flip(np.flip(values).copy()))
        case "stepped":
            spaced = np.zeros((*values.shape, 2), values.dtype)
            spaced[..., 1] = values
            return spaced[..., 1]
        case "repeated" if values.ndim and values.size:
            return np.broadcast_to(values[:1], values.shape)
        case "read-only":
            values.flags.writeable = False
    return values


def layouts_for(source: str) -> tuple[str, ...]:
    """Along axes of one element strides mean nothing, and a placeholder has those of C order. NumPy's `ufunc.at` writes into
    read-only arrays; its reductions by two functions err on elements side by side."""
    if any(name in source for name in ("strides", "arctan2.reduce", "power.reduce")):
        return ("C",)
    if "iu" in source and "] = " in source:  # of equal indices the last in memory counts
        return ("C", "stepped", "read-only")
    return LAYOUTS[: LAYOUTS.index("repeated")] if ".at(" in source else LAYOUTS


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[tuple[str, tuple[int, ...], str]], int]:
    """An example, and for each of its arguments a dtype, a shape and a layout."""
    source = draw(st.sampled_from(SOURCES))
    layouts = layouts_for(source)
    extent = st.sampled_from((3, 4, 2, 1, 0))
    common = draw(st.none() | st.lists(extent, max_size=4).map(tuple))
    kinds = []
    for name in arguments_of(source):
        value = VALUES[name]
        dtype = draw(st.just(value.dtype.str) | st.sampled_from(DTYPES))
        shape = draw(st.sampled_from((common, common, common[1:])) if common is not None else st.just(value.shape))
        kinds.append((dtype, shape, draw(st.sampled_from(layouts))))
    return source, kinds, draw(st.integers(0, 99))


def arrays(source: str, kinds: list[tuple[str, tuple[int, ...], str]], number: int) -> list[np.ndarray]:
    """The arguments of a call: floats as the table has them, in size, and whole numbers that serve as indices.

    What is searched is in order: what NumPy finds in another line depends on where it looked last.
    """
    rng = np.random.default_rng(number)
    found = []
    for name, (dtype, shape, layout) in zip(arguments_of(source), kinds, strict=True):
        if np.dtype(dtype).kind in "fc":
            values = rng.choice(np.ravel(VALUES[name]), shape).astype(np.result_type(dtype, VALUES[name]))
            values = values + 0.01 * rng.random(shape) if VALUES[name].dtype.kind in "fc" else values
        else:
            values = rng.integers(0, 5, shape)
        if np.dtype(dtype).kind != "c":
            values = values.real
        if name == "r" and ("np.interp" in source or "searchsorted" in source):
            values = np.sort(values, axis=-1) if np.ndim(values) else values
        found.append(laid_out(np.asarray(values).astype(dtype), layout))
    return found


def _is_numpys_fault(source: str, args: list[np.ndarray], error: Exception | None) -> bool:
    """An error lost on its way out of `ufunc.at`, or a transform of nothing, which reads what is in memory behind it."""
    is_of_nothing = any(name in source for name in ("hfft(", "irfft")) and not all(each.size for each in args)
    return is_of_nothing or (isinstance(error, SystemError) and "NULL without setting an exception" in str(error))


def check_call(call: tuple[str, list[tuple[str, tuple[int, ...], str]], int]) -> None:
    source = call[0]
    mine, theirs = arrays(*call), arrays(*call)
    expected, error = outcome(function_of(source), mine)
    actual, caught = outcome(tg.compile(function_of(source)), theirs)
    if isinstance(caught, tg.UnsupportedError | tg.TraceError):
        event(f"refused: {str(caught).splitlines()[0]:.60}")
    elif _is_numpys_fault(source, theirs, error):
        event("not what NumPy means to do")
    elif error is not None:
        if source.startswith("len(") and isinstance(error, IndexError):
            return  # what nobody looks at is not worked out
        if "read-only" in str(error) and caught is None and difference(mine, theirs) is None:
            return  # there was nothing to write
        assert caught is not None, f"{source}: eager {error!r}, compiled: no error"
        # With a second fault, that an argument is read-only may be found first or last.
        only_one = all(array.flags.writeable for array in mine)
        assert not only_one or same_error(error, caught), f"{source}: eager {error!r}, compiled {caught!r}"
    else:
        if isinstance(caught, ValueError) and "read-only" in str(caught) and not all(a.flags.writeable for a in mine):
            return  # some of NumPy's methods write to what is read-only
        assert caught is None, f"{source}: eager no error, compiled {caught!r}"
        if "argsort(" in source and "stable" not in source and any(np.unique(a).size < a.size for a in mine):
            return  # equal elements come in any order
        assert difference(expected, actual) is None, source
        assert difference(mine, theirs) is None, f"{source}: what it leaves in its arguments"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "first" in metafunc.fixturenames:
        metafunc.parametrize("first", range(0, metafunc.config.getoption("--examples"), CHUNK))


@pytest.mark.filterwarnings("ignore:Exception ignored in. 'array_dealloc'")  # by an error that `ufunc.at` lost
def test_other_arrays(first: int) -> None:
    """Any dtype, rank, extent and layout gives what NumPy gives, or the same class of error, or is refused."""
    body: Any = given(calls())(check_call)
    few = settings(
        max_examples=CHUNK, deadline=None, database=None, suppress_health_check=list(HealthCheck), print_blob=False
    )
    seed(first)(few(body))()
