"""Every example runs from beginning to end, as a user would run it, for one epoch or step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"

#: Arguments for a quick run, and what the end of the output says.
RUNS = {
    "googlenet.py": (["--steps", "2"], "digits that it has not seen: 0."),
    "slides.py": (["--epochs", "1"], "pictures are in"),
    "decorator.py": (["--steps", "1"], "accuracy on the data it was fitted to: 0.9"),
}


def run_example(name: str, *arguments: str) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_run() -> None:
    """The table names them all."""
    assert {path.name for path in EXAMPLES.glob("*.py")} == set(RUNS)


@pytest.mark.parametrize("name", RUNS)
def test_example_runs(name: str) -> None:
    """And says at the end what it should."""
    arguments, text = RUNS[name]
    assert text in run_example(name, *arguments).splitlines()[-1]


def test_the_slides_network_learns_to_read() -> None:
    """Its validation accuracy after all epochs is at least 0.96, and its pictures are SVG."""
    lines = run_example("slides.py").splitlines()
    accuracies = [float(line.split()[-1]) for line in lines if line.startswith("epoch")]
    assert accuracies[-1] >= 0.96
    pictures = sorted((EXAMPLES / "out").glob("*.svg"))
    assert {"sum", "linear", "exp", "network"} <= {path.stem for path in pictures}
    for path in pictures:
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
