"""debug_print shows values when the compiled function runs, in order, on every way through it."""

from typing import Any

import numpy as np
import pytest

import tracegraph as tg


def loop(x: Any) -> Any:
    tg.debug_print("start", x, 1)
    while x[0] < 4:
        x = x * 2
        tg.debug_print(x.sum(), end=";\n")
    return x


def test_values_are_printed_at_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    """Traced or eager, in the function's order, once for each time that it comes by."""
    compiled = tg.compile(loop)
    for x in (np.ones(2), np.ones(2) * 3, np.ones(2)):
        loop(x)
        expected = capsys.readouterr().out
        compiled(x)
        assert capsys.readouterr().out == expected


def test_derivatives_print_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The value that the function has."""
    tg.grad(lambda x: (tg.debug_print("x =", x), x * x)[1])(3.0)
    assert capsys.readouterr().out == "x = 3.0\n"
