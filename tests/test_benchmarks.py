"""The benchmarks run, print every row and refuse wrong answers. How fast anything is, no test asks."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("black-scholes", "softmax", "layernorm", "column sum", "row sum", "pairwise", "matmul", "attention", "stencil")
PARTS += ("mandelbrot", "polynomial", "standardise", "chain", "five numbers", "two arrays", "rosenbrock", "MLP 4-16-3")
PARTS += (
    "programs: ",
    "derivatives: LSTM",
    "MLP 784",
    "RNN",
    "logistic",
    "import numpy",
    "import tracegraph",
    "1,000 nodes",
    "10,000 nodes",
    "passes: elementwise chain",
    "cumsum",
    "gather",
    "Gauss-Newton",
)
GROUPS = ("forward", "arrays", "contractions", "gradients", "derivatives")


def run(*options: str) -> str:
    command = [sys.executable, "-m", "benchmarks", "--smoke", "--peers", "none", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_smoke_run_has_every_row(tmp_path):
    printed = run("--json", str(tmp_path / "figures.json"))
    figures = json.loads((tmp_path / "figures.json").read_text())
    names = [
        row["name"] for section in (*GROUPS, "programs", "imports", "compile", "passes") for row in figures[section]
    ]
    assert all(name in printed for name in names)
    assert [part for part in PARTS if not any(part in name for name in names)] == []
    for row in (row for group in GROUPS for row in figures[group]):
        assert row["seconds"]["tracegraph"] > 0, row
        assert row["first"]["tracegraph"]["warm"]["seconds"] > 0, row
        assert row["limit"]["bytes"] > 0, row
    assert all(row["seconds"]["numpy"] > 0 for row in figures["programs"])
    assert "geometric mean of eager/ours" in printed
    assert figures["machine"]["triad GB/s"].keys() == {"tracegraph", "numpy"}
    assert all(limit > 0 for limit in figures["machine"]["limits"].values())


def test_only_runs_what_was_asked_for():
    printed = run("--only", "polynomial")
    assert "polynomial" in printed
    assert "softmax" not in printed
    assert "import numpy" not in printed


@pytest.fixture
def checking(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    return pytest.importorskip("benchmarks.checking")


def square_sum(np, x):
    return np.sum(x * x)


@pytest.mark.parametrize("wrong", [np.float64(14.1), np.float64(np.nan), np.float32(14), np.array([14.0])])
def test_a_wrong_value_aborts_with_the_name(checking, wrong):
    from benchmarks.workload import Workload

    workload = Workload("sum of squares", square_sum, lambda n: (np.arange(float(n)),), 4, 4)
    checking.check(workload, workload.arguments(4), {"tracegraph": np.float64(14)})
    with pytest.raises(checking.WrongAnswer, match="sum of squares: tracegraph gives"):
        checking.check(workload, workload.arguments(4), {"tracegraph": wrong})


@pytest.mark.parametrize("wrong", [[0, 2, 4, 6.1], [0, 2, 4, np.nan], [0, 2, 4], [0, 2, 6, 4], [0, 2, 4, 0]])
def test_a_wrong_gradient_aborts_with_the_name(checking, wrong):
    from benchmarks.workload import Workload

    workload = Workload("sum of squares", square_sum, lambda n: (np.arange(float(n)),), 4, 4, argnums=(0,))
    checking.check(workload, workload.arguments(4), {"jax": (np.float64(14), (np.array([0, 2, 4, 6.0]),))})
    with pytest.raises(checking.WrongAnswer, match="sum of squares: jax gives"):
        checking.check(workload, workload.arguments(4), {"jax": (np.float64(14), (np.array(wrong, float),))})


INFINITE = np.array([1.0, np.nan, np.inf, -np.inf, 1 + 1j * np.nan])


@pytest.mark.parametrize("place", range(5))
def test_what_is_not_finite_must_stand_where_it_is_wanted(checking, place):
    assert checking.first_difference(INFINITE.copy(), INFINITE) is None
    for wrong in (2.0, np.inf if place != 2 else -np.inf):
        other = INFINITE.copy()
        other[place] = wrong
        assert "1 of 5 elements wrong" in checking.first_difference(other, INFINITE)
    assert "nothing to compare" in checking.first_difference(INFINITE[1:], INFINITE[1:])
    assert checking.first_difference(np.ones(0), np.ones(0)) is None


def test_what_a_product_must_move_and_multiply(checking):
    from benchmarks.demand import demand_of
    from benchmarks.limits import Limits
    from benchmarks.workload import Workload

    workload = Workload("product", lambda np, x, y: np.matmul(x, y), lambda n: (np.ones((n, 4)), np.ones((4, n))), 8, 8)
    args = workload.arguments(8)
    found = demand_of(workload, args, args[0] @ args[1], Limits(1.0, 1.0, 1.0, 2.0, 1e-3), 2)
    assert found.bytes == 8 * (32 + 32 + 64)
    assert found.operations == 2 * 8 * 8 * 4
    assert found.seconds == pytest.approx(found.operations / 1e6)
    assert found.bound == "fma"


def test_a_slow_contender_runs_once(checking):
    import time

    from benchmarks.timing import Effort, TooSlow, limited, race

    calls = []
    seconds = race({"slow": lambda: calls.append(time.sleep(0.05)), "quick": int}, Effort(0.0, 3, 0.0, patience=0.02))
    assert len(calls) == 1
    assert seconds["slow"] > 0.05 > seconds["quick"]
    with pytest.raises(TooSlow, match="given up"), limited(0.01):
        time.sleep(1)


def test_bars_of_faster_ones_end_at_the_line(checking):
    from benchmarks.plot import chart

    rows = [{"name": "a < b", "seconds": {"tracegraph": 1.0, "numpy": 20.0, "jax": 0.5}}]
    drawn = chart("arrays", rows)
    assert "a &lt; b" in drawn
    assert ">20<" in drawn
    assert ">0.5<" in drawn
