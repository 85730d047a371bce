"""docs/derivatives.md is true: every row of its tables, in both modes."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tracegraph as tg

PAGE = Path(__file__).parents[2] / "docs" / "derivatives.md"
ROWS = re.findall(r"^\| `(.+)` \| `(.+)` \| `(.+)` \|$", PAGE.read_text(), re.MULTILINE)
NAMES: dict[str, Any] = {"np": np}


def total(text: str, names: dict[str, Any]) -> Any:
    """The sum of a row's values."""
    return eval(f"lambda x: np.sum({text})", names)


@pytest.mark.parametrize(("text", "at", "expected"), ROWS, ids=[f"{text} at {at}" for text, at, _ in ROWS])
def test_row(text: str, at: str, expected: str) -> None:
    """The derivative of the sum of the values, by reverse mode, and by forward mode in the direction of each element."""
    names = dict(NAMES)
    if "scipy" in text:
        pytest.importorskip("scipy.special")
        names["scipy"] = __import__("scipy")
    f = total(text, names)
    x, wanted = np.asarray(eval(at, names)), np.asarray(eval(expected, names), float)
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(tg.grad(f)(x), wanted, rtol=1e-9, atol=1e-30)
        for k in np.ndindex(x.shape):
            step = np.zeros_like(x)
            step[k] = 1
            _, pushed = tg.jvp(f, (x,), (step,))
            np.testing.assert_allclose(pushed, wanted[k], rtol=1e-9, atol=1e-30)


def test_the_page_has_its_tables() -> None:
    """No row is overlooked by the pattern."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert len(lines) == len(ROWS) > 60
