"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--programs", type=int, default=2000, help="how many random programs to run (default: 2000)")
    parser.addoption("--native", type=int, default=150, help="how many of them through compiled kernels (default: 150)")
    parser.addoption(
        "--examples", type=int, default=300, help="how many variations of NumPy's functions (default: 300)"
    )
