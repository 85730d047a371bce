"""What kernels take for each operation, against what `compiler/cost` says: ``python -m benchmarks.costs``.

Nanoseconds are of one thread for one element of an array in the second-level cache, less those of a copy. A weight is how
many additions of float64 that is.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

import tracegraph as tg
from tracegraph.compiler.cost import ADDITION, PICK, TRANSFER, WEIGHTS

#: Elements of the arrays: small enough for the cache, large enough for a call not to count.
INSIDE, OUTSIDE = 30_000, 4_000_000

#: How each operation is asked for; others by NumPy's name.
FORMS: dict[str, Callable[[Any], Any]] = {
    "add": lambda x: x + 0.3,
    "multiply": lambda x: x * 0.3,
    "divide": lambda x: 0.3 / x,
    "floor_divide": lambda x: x // 0.3,
    "remainder": lambda x: x % 0.3,
    "maximum": lambda x: np.maximum(x, 0.3),
    "where": lambda x: np.where(x > 0.3, x, 0.5),
    "power": lambda x: x**0.7,
    "hypot": lambda x: np.hypot(x, 0.3),
    "arctan2": lambda x: np.arctan2(x, 0.3),
    "arccosh": lambda x: np.arccosh(x + 1),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
}


def nanoseconds(function: Callable[[Any], Any], x: np.ndarray, *more: np.ndarray) -> float:
    """The least time for an element in many calls."""
    compiled, best = tg.compile(function), np.inf
    compiled(x, *more)
    runs = max(1, 300_000 // x.size)
    for _ in range(25):
        start = time.perf_counter()
        for _ in range(runs):
            compiled(x, *more)
        best = min(best, time.perf_counter() - start)
    return best / runs / x.size * 1e9


def chained(x: Any) -> Any:
    for k in range(16):
        x = x + 0.3 if k % 2 else np.maximum(x, 0.1 * k)
    return x


def main() -> None:
    rng = np.random.default_rng(0)
    with tg.num_threads(1):
        x = rng.uniform(0.1, 0.9, INSIDE)
        copy = nanoseconds(np.copy, x)
        addition = (nanoseconds(chained, x) - copy) / 16
        large = rng.uniform(0.1, 0.9, OUTSIDE)
        transfer = nanoseconds(np.copy, large) / 2
        picks = [nanoseconds(lambda i, x: x[i], rng.integers(0, each.size, each.size), each) for each in (x, large)]
        print(f"addition  {addition:6.3f} ns  (table: {ADDITION})")
        print(f"transfer  {copy / 2:6.3f} ns in cache, {transfer:.3f} from memory  (table: {TRANSFER})")
        print(
            f"pick      {picks[0] - copy:6.3f} ns in cache, {picks[1] - 2 * transfer:.3f} from memory  (table: {PICK})"
        )
        print(f"\n{'':14}{'float64':>9}{'float32':>9}{'weight':>8}{'table':>7}")
        for name in sorted({*WEIGHTS, *FORMS, "negative", "absolute", "rint", "isnan"} - {"pick", "random_bits"}):
            function = FORMS.get(name) or getattr(np, name)
            double = nanoseconds(function, x) - copy
            single = nanoseconds(function, x.astype(np.float32)) - copy / 2
            print(f"{name:14}{double:9.3f}{single:9.3f}{double / addition:8.1f}{WEIGHTS.get(name, 1):7}")


if __name__ == "__main__":
    main()
