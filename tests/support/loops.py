"""Random loops over elements and slices, with bounds that depend on outer loops, the same for the same seed.

No column is assigned to a row of the same array: NumPy then overwrites what it has still to read.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

PLACES = [
    "{i}",
    "{i}",
    "{i}",
    "{j}",
    "n - 1 - {i}",
    "{i} - 1",
    "min({i} + 1, n - 1)",
    "({i} + {j}) % n",
    "{i} // 2",
    "0",
    "-1",
]
RANGES = [
    "range({i})", "range({i} + 1)", "range({i}, n)", "range({i} + 1, n)", "range(n - 1, {i}, -1)", "range({i}, -1, -1)",
    "range({i}, n, 2)", "range(n - {i})", "range(max(0, {i} - 2), min(n, {i} + 2))",
]  # fmt: skip
SLICES = [
    ":{i}", "{i}:", "{i} + 1:", ":{i} + 1", "{i}:{i} + 2", "{j}:{i}", "{i}:{j} + 1", "max(0, {i} - 2):{i} + 1",
    "{i} - 1:{i} + 1", ":-{i}", "-{i}:", "::-1", "{i}::-1", "{i}:0:-1", "1:{i}", "{i}:n - 1", ":n - {i}",
    "{i}:{i} + 3", ":", ":{i}:2",
]  # fmt: skip
CONDITIONS = ["x[{p}] > 0", "{i} > {j}", "{i} % 2 == 0", "s < 0.5", "{i} < 2", "{i} >= {j} and y[{p}] < 1", "not {i}"]
ENDS = ["s > 0.4", "{e} > 0.5", "np.max(np.abs({v})) < 1", "x[{p}] < -1", "{i} == 3"]
NUMBERS = [
    "x[{p}]", "y[{p}]", "a[{p}, {p}]", "np.sum({v})", "{v} @ {w}", "np.dot({v}, {w})", "{v}.sum()", "np.tanh(s)", "0.25",
    "np.max({v})", "{v}.argmin()", "np.linalg.norm({v})", "np.any({v} > 1)", "max(s, x[{p}])", "len(x)", "k[{p}]",
    "np.sum(a[{s}, {r}])", "x[{s}].mean()", "np.sum({v}) * {i}",
]  # fmt: skip
VECTORS = ["x[{s}]", "y[{s}]", "a[{p}, {s}]", "a[{s}, {p}]", "a[{s}].sum(axis=1)", "k[{s}]"]
OF_VECTORS = [
    "{v}", "{v} * 0.5", "{v} + {w}", "np.sin({v})", "{v} - {e}", "np.flip({v})", "np.where({v} > 0, {w}, 0.1)", "{v}[::-1]",
    "np.maximum({v}, 0)", "-{v}", "{v} ** 2", "a[{s}, {r}] @ x[{r}]", "np.clip({v}, -1, 1)",
]  # fmt: skip
STATEMENTS = [
    "x[{p}] = {e}", "x[{p}] += 0.5 * {e}", "a[{p}, {p}] -= 0.25 * {e}", "x[{s}] = {u}", "y[{s}] += 0.25 * {u}",
    "x[{s}] *= 0.5", "b = x[{p}]", "x[{p}] += 0.5 * b", "last = {j}", "s = 0.5 * s + last * 0.01 + 0.1 * np.sum(item)",
    "a[{p}, {s}] = {u} + 0", "a[{s}, {p}] -= 0.5 * {u}", "a[{s}, {r}] += 0.1 * np.outer(x[{s}], y[{r}])",
    "s = np.tanh(s + {e})", "s = 0.5 * {e}", "out.append({e})", "v = {u}", "v = x[{s}].copy(); v *= 0.5; x[{s}] = v",
    "k[{p}] += 1", "x[{s}] = {e}", "row = a[{p}]; row[{s}] += 0.125", "y[{p}] = {e}; s = y[{p}] * 0.5",
]  # fmt: skip
LARGEST = 1e6


class Draw:
    """Draws one program."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.names: list[str] = []

    def pick(self, choices: list[str]) -> str:
        return self.chance.choice(choices)

    def place(self) -> str:
        i, j = (self.chance.choice(self.names[-2:]) for _ in "ij")
        return self.pick(PLACES).format(i=i, j=j)

    def piece(self) -> str:
        i, j = (self.chance.choice(self.names[-2:]) for _ in "ij")
        return self.pick(SLICES).format(i=i, j=j)

    def filled(self, template: str, piece: str, depth: int = 0) -> str:
        """A template with its places filled in: vectors of one statement are of one slice, mostly."""
        other = self.piece()
        names = {"i": self.chance.choice(self.names), "j": self.chance.choice(self.names), "s": piece, "r": other}
        while "{p}" in template:
            template = template.replace("{p}", self.place(), 1)
        for name, choices in (("v", VECTORS), ("w", VECTORS), ("u", OF_VECTORS), ("e", NUMBERS)):
            if f"{{{name}}}" in template:
                inner = piece if name != "e" or self.chance.random() < 0.5 else other
                choices = choices if depth < 3 else ["x[{s}]"] if name in "vwu" else ["0.5"]
                names[name] = self.filled(self.pick(choices), inner, depth + 1)
        return template.format(**names)

    def statements(self, count: int) -> list[str]:
        found = []
        for _ in range(count):
            line = self.filled(self.pick(STATEMENTS), self.piece())
            if self.chance.random() < 0.25:
                found += [f"if {self.filled(self.pick(CONDITIONS), self.piece())}:", f"    {line}"]
                if self.chance.random() < 0.5:
                    found += ["else:", f"    {self.filled(self.pick(STATEMENTS), self.piece())}"]
            else:
                found.append(line)
        return found

    def loop(self, depth: int) -> list[str]:
        if depth:
            extent = self.pick(RANGES).format(i=self.chance.choice(self.names))
        else:
            extent = self.pick(["range(n)", "range(n)", "range(1, n)", "range(n - 1, -1, -1)", "range(1, n - 1)"])
        name = "ijl"[depth]
        self.names.append(name)
        body = self.statements(self.chance.randint(0 if depth < 2 else 1, 2))
        if depth < 2 and self.chance.random() < (0.8, 0.3)[depth]:
            body += self.loop(depth + 1)
        body += self.left() if self.chance.random() < 0.25 else []
        body += self.statements(self.chance.randint(0, 1)) if body else self.statements(1)
        if self.chance.random() < 0.2:
            lines = self.condition(name, body)
        else:
            items = self.pick(["enumerate(x)", "enumerate(y[::-1])", "zip(range(n), x)", "enumerate(a)"])
            first = f"for {name}, item in {items}:" if self.chance.random() < 0.2 else f"for {name} in {extent}:"
            lines = [first, *(f"    {line}" for line in body)]
        self.names.pop()
        return lines

    def left(self) -> list[str]:
        """A loop is left before its end."""
        moves = self.pick(["", "", "last = {i}; ", "b = s; last = 7; "]).format(i=self.names[-1])
        return [f"if {self.filled(self.pick(CONDITIONS + ENDS), self.piece())}:", f"    {moves}break"]

    def condition(self, name: str, body: list[str]) -> list[str]:
        """A ``while`` that counts, and ends by what it computes, too."""
        end = self.pick([f"{name} < n - 1", f"{name} < n - 1 and x[{name}] < 1", f"x[{name}] < 1 and {name} < n - 1"])
        ends = self.filled(self.pick(ENDS), self.piece())
        if self.chance.random() < 0.3:
            last = [f"    {name} += 1", f"    if {name} == n - 1 or {ends}:", "        break"]
            return [f"{name} = 0", "while True:", *(f"    {line}" for line in body), *last]
        return [
            f"{name} = {self.pick(['0', '1', 'int(k[0] > 0)'])}",
            f"while {end}:",
            *(f"    {line}" for line in body),
            f"    {name} += 1",
        ]


def source(seed: int) -> str:
    """The text of a program, a function ``f``."""
    body = [
        "n = len(x)",
        "s = b = item = 0.0",
        "last = 0",
        "out = []",
        *Draw(seed).loop(0),
        "return a, x, y, k, s, b, last, item, out",
    ]
    return "\n".join(["def f(a, x, y, k):", *(f"    {line}" for line in body)])


def function_of(text: str) -> Callable[..., Any]:
    names: dict[str, Any] = {"np": np, "__name__": "drawn"}
    exec(compile(text, "<drawn>", "exec"), names)
    return names["f"]  # type: ignore[no-any-return]


def arguments(seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(4, 8))
    return [rng.normal(size=(n, n)), rng.normal(size=n), rng.normal(size=n), rng.integers(-3, 4, n)]
