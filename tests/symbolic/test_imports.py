"""The packages import each other's private files, so each must come up first in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("package", ["symbolic", "nn", "optim", "random"])
def test_each_package_can_be_imported_first(package: str) -> None:
    """And then has every name that it lists."""
    code = f"import tracegraph.{package} as package; [getattr(package, name) for name in package.__all__]"
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
