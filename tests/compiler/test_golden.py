"""Generated kernels, reviewed as text: a change in what the compiler writes shows as a diff of these files.

Refresh them with ``TRACEGRAPH_GOLDEN=write python -m pytest tests/compiler/test_golden.py``.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracegraph as tg

FOLDER = Path(__file__).parent / "golden"

MATRIX = np.ones((12, 16))
VECTOR = np.ones(16)
POINTS = np.ones((12, 3))
SINGLE = MATRIX.astype(np.float32)


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def stencil(x: Any) -> Any:
    x[1:-1] = (x[:-2] + x[2:]) / 2
    return x


def in_place(x: Any) -> Any:
    x[:2] *= 2
    x[1, 1:] -= x[0, 0] * x[2, :-1]
    x[2, 3] += x[1, 1:] @ x[0, 1:]
    return x


def at_indices(x: Any, i: Any) -> Any:
    x[i] = np.exp(x[i]) + 1
    np.add.at(x, (slice(None), i), x[:, ::-1][:, :12])
    return x, np.sum(x[i] * x, axis=1)


#: Each program and its arguments: one of every form that a kernel can take.
PROGRAMS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "scalars": (lambda a, x, b, y, c: np.exp(a * x + b * y + c), (1.0, 2.0, 3.0, 4.0, 5.0)),
    "chain": (lambda x: np.exp(x) + 1, (MATRIX,)),
    "broadcast": (lambda x, b: np.maximum(x + b, 0), (MATRIX, VECTOR)),
    "transpose": (lambda x: x.T + 1, (MATRIX,)),
    "row_sum": (lambda x: np.sum(x * x, axis=1), (MATRIX,)),
    "column_mean": (lambda x: np.mean(x, axis=0), (MATRIX,)),
    "points": (lambda x: np.sum((x[:, None] - x[None]) ** 2, axis=-1), (POINTS,)),
    "few_columns": (lambda x, b: (x * b, np.mean(x, axis=0)), (POINTS, np.ones(3))),
    "logsumexp": (lambda x: np.log(np.sum(np.exp(x), axis=1)), (MATRIX,)),
    "column_statistics": (lambda x: (np.sum(x, axis=0), np.max(x, axis=0), np.mean(x, axis=0)), (MATRIX,)),
    "extremes": (lambda x: (np.min(x), np.max(x)), (MATRIX,)),
    "any": (lambda x: np.any(x > 0, axis=1), (MATRIX,)),
    "long_sum": (lambda x: np.sqrt(np.sum(x * x)), (np.ones(1 << 20),)),
    "argmax": (lambda x: np.argmax(x, axis=1), (MATRIX,)),
    "softmax_f32": (softmax, (SINGLE,)),
    "concatenate": (lambda x, b: np.concatenate([x, x * b]), (MATRIX, VECTOR)),
    "stencil": (stencil, (VECTOR,)),
    "in_place": (in_place, (MATRIX,)),
    "at_indices": (at_indices, (MATRIX, np.arange(12))),
    "mixed_dtypes": (lambda x: x.astype(np.int32) // 2 > 1, (SINGLE,)),
    "scan_rows": (lambda x: np.cumsum(x, axis=1), (MATRIX,)),
    "scan_columns": (lambda x: np.maximum.accumulate(x), (MATRIX,)),
    "recurrence": (tg.grad(lambda x: np.sum(np.cumprod(x))), (VECTOR,)),
    "gradient": (tg.grad(lambda x: np.sum(np.tanh(x) ** 2)), (VECTOR,)),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_source_of_kernels_is_as_reviewed(name: str) -> None:
    """The kernels of each program are those of its golden file."""
    function, arguments = PROGRAMS[name]
    compiled = function if isinstance(function, tg.Compiled) else tg.compile(function)
    program = compiled._path(arguments, {})[0].program
    actual = "\n\n".join(text.rstrip() for text in program.kernels) + "\n"
    path = FOLDER / f"{name}.py.txt"
    if os.environ.get("TRACEGRAPH_GOLDEN") == "write":
        path.write_text(actual)
    assert path.read_text() == actual


def test_every_golden_file_has_its_program() -> None:
    """No golden file is left behind."""
    assert {path.name.removesuffix(".py.txt") for path in FOLDER.iterdir()} == set(PROGRAMS)
