"""Writes in place: which updates need no copy, in which order, and that no program gives another answer for it."""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from support.compare import assert_same
from support.programs import quiet

import tracegraph as tg
from tracegraph.backends import reference
from tracegraph.compiler.inplace import are_apart, are_same, find_in_place
from tracegraph.compiler.materialise import overwrite
from tracegraph.ir import Graph, Node, aval_of, check
from tracegraph.ir.layout import contiguous
from tracegraph.ops import ALL
from tracegraph.ops.leaf import input_node
from tracegraph.ops.region import region, update

PROGRAMS = 120


def stages(function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """The value of each stage for a program."""
    compiled, seen = tg.compile(function), dict[str, Any]()
    compiled._path(tuple(np.array(each) for each in arguments), {}, seen.__setitem__)
    return seen


def check_program(function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
    """Native and interpreted, a program gives what it gives eagerly; no wave reads what it writes over."""
    mine, theirs = ([np.array(each) for each in arguments] for _ in range(2))
    with quiet():
        expected = [*function(*mine), *mine]
        actual = [*tg.compile(function)(*theirs), *theirs]
        seen = stages(function, *arguments)
        settled = reference.run(check(seen["fuse"].graph, "fuse"), arguments)
        traced = reference.run(seen["trace"], arguments)
    assert_same(expected, actual, ulps=16, slack=1e-9)
    assert_same(
        traced, [each.reshape(one.shape) for each, one in zip(settled, traced, strict=True)], ulps=16, slack=1e-9
    )
    for wave in seen["schedule"].waves:
        kernels = [seen["schedule"].kernels[number] for number in wave.kernels]
        for one in kernels:
            others = {node for each in kernels if each is not one for node in (*each.reads, *each.writes)}
            assert not any(node.op is overwrite and node in others for node in one.writes)
    return seen


def copies(seen: dict[str, Any]) -> int:
    """How many buffers there are that are written in parts."""
    return sum(node.op.name == "assemble" for node in seen["fuse"].graph.nodes)


# -- what is done in place ---------------------------------------------------------------------------------------------


def sweeps(a, b):
    for _ in range(5):
        b[1:-1] = (a[:-2] + a[1:-1] + a[2:]) / 3
        a[1:-1] = (b[:-2] + b[1:-1] + b[2:]) / 3
    return ()


def rows(a, b):
    for i in range(1, 7):
        a[i, 1:-1] += a[i - 1, :-2] + a[i - 1, 2:] + b[i, 1:-1]
        a[i, 1:-1] /= 3
    return ()


def scalars(a, b):
    for i in range(1, 7):
        for j in range(1, i):
            a[i, j] -= a[i, :j] @ a[:j, j]
            a[i, j] /= b[j, j]
    return ()


def through_views(a, b):
    columns, flat, last = a.T[2:5], a.reshape(-1), a[::-1][0]
    for k in range(3):
        columns[k] = b[k] + k
        flat[k::7] *= 2
        last[k] = flat[5]
        for row in a:
            row[k] = row[k + 1]
    return ()


def shifted(a, b):
    for k in range(1, 4):
        a[k:] = a[:-k]
        a[::-1] += b
        a[:, 1:] = a[:, :-1] + 1
    return ()


def read_before(a, b):
    a[0] = 1
    total, half, turned = a.sum(), a[1] / 2, a.T * b.T
    a[1] = 2
    return total, half, turned + 0


@pytest.mark.parametrize("program", [sweeps, rows, scalars, through_views, read_before])
def test_each_array_is_copied_once(program: Callable[..., Any]) -> None:
    """However often an argument is written to, one copy is made of it: that which the caller gets."""
    rng = np.random.default_rng(0)
    seen = check_program(program, rng.normal(size=(8, 8)), rng.normal(size=(8, 8)))
    assert copies(seen) == (2 if program is sweeps else 1)


def old_and_new(a, b):
    a[0] = b[0]
    old = a.copy()
    a[1] = old[0] + 1
    return (old + a,)


def two_futures(a, b):
    a[0] = b[0]
    other = a.copy()
    a[1] = 1
    other[1] = 2
    a[2] = other[1]
    other[0] = a[1]
    return (other,)


def versions(a, b):
    kept = []
    for k in range(4):
        a[k] = b[k]
        kept.append(a.copy())
        kept.append(a.T.reshape(-1))
    return kept


@pytest.mark.parametrize("program", [old_and_new, two_futures, versions, shifted])
def test_what_is_needed_later_is_kept(program: Callable[..., Any]) -> None:
    """A value that is still needed, together with the new one or as a result, is not written over."""
    rng = np.random.default_rng(1)
    check_program(program, rng.normal(size=(8, 8)), rng.normal(size=(8, 8)))


def test_the_end_of_a_chain_lives_in_the_memory_of_the_result() -> None:
    """No kernel copies what has been written in place to where the caller looks for it."""
    seen = stages(rows, np.ones((8, 8)), np.ones((8, 8)))
    (output,) = seen["fuse"].graph.outputs
    assert output.op is overwrite
    assert output not in seen["plan"].offsets
    assert sum(output in kernel.writes for kernel in seen["fuse"].kernels) == len(seen["fuse"].kernels)


def test_a_write_to_where_it_reads_elsewhere_is_computed_first() -> None:
    """A shifted read must not see what the same kernel has written; one at the same place, or apart, may be in it."""
    array = np.arange(64.0).reshape(8, 8)

    def kernels(write: Callable[[Any], None]) -> int:
        def program(a):
            a[0, 0] = 0
            write(a)
            return ()

        return len(check_program(program, array)["fuse"].kernels) - 2

    def shifted(a):
        a[1:] = a[:-1] * 2

    def at_point(a):
        a[1:] = a[1:] * 2 + 1

    def apart(a):
        a[::2, 1:] = a[1::2, :-1] * 2

    assert [kernels(write) for write in (shifted, at_point, apart)] == [2, 1, 1]


# -- the order ---------------------------------------------------------------------------------------------------------


def node_of(name: str, *inputs: Node, **params: Any) -> Node:
    return ALL[name](*inputs, **params)


def test_of_two_updates_of_one_value_one_copies() -> None:
    """A value that goes two ways cannot be written over by both."""
    x, v = input_node(aval_of((4,), float)), input_node(aval_of((2,), float))
    first = update(x, v, starts=(0,), steps=(1,))
    one, two = (update(first, v, starts=(k,), steps=(1,)) for k in (1, 2))
    order, found = find_in_place(Graph([x, v], [one, two]))
    assert len(found) == 1
    assert order[-1] in found


def test_a_reader_of_both_values_makes_a_copy_needed() -> None:
    """What reads the old value and needs the new one cannot come before the write."""
    x, v = input_node(aval_of((4,), float)), input_node(aval_of((2,), float))
    old = update(x, v, starts=(0,), steps=(1,))
    new = update(old, v, starts=(1,), steps=(1,))
    _, found = find_in_place(Graph([x, v], [node_of("add", old, new)]))
    assert not found
    order, found = find_in_place(Graph([x, v], [new, node_of("exp", old)]))
    assert found == {new}
    assert order.index(new) == len(order) - 1


def test_kernels_that_share_operands_are_not_lost() -> None:
    """Values that two kernels need are kept by the one that runs first, also where a third stands between them."""
    m = np.random.default_rng(2).normal(size=(5, 5))

    def program(x):
        c, a = np.exp(x), np.sin(x)
        return c + a, a + c @ m @ m

    check_program(program, m)


# -- layouts -----------------------------------------------------------------------------------------------------------


def test_layouts_that_are_said_to_be_apart_are() -> None:
    """Against the elements themselves; and most that are apart are found to be."""
    rng = random.Random(0)
    missed = 0
    for _ in range(3000):
        shape = tuple(rng.randint(1, 5) for _ in range(rng.randint(1, 3)))
        elements = np.arange(np.prod(shape)).reshape(shape)
        seen = []
        for _ in range(2):
            cuts = [_cut(rng, n) for n in shape]
            starts, steps, sizes = zip(*cuts, strict=True)
            layout = contiguous(shape).slice(starts, steps, sizes)
            array = elements[region(starts, steps, sizes)]
            if rng.random() < 0.5:
                axes = tuple(rng.sample(range(len(shape)), len(shape)))
                layout, array = layout.transpose(axes), array.transpose(axes)
            seen.append((layout, array))
        (one, a), (other, b) = seen
        share = bool(np.intersect1d(a, b).size)
        apart = are_apart(one, other, shape)
        assert not (apart and share)
        assert are_same(one, other) == (a.shape == b.shape and np.array_equal(a, b)) or not a.size
        missed += not apart and not share
    assert missed < 60


def _cut(rng: random.Random, n: int) -> tuple[int, int, int]:
    start, step = rng.randrange(n), rng.choice([1, 1, -1, 2, -2, 3])
    most = (n - 1 - start) // step + 1 if step > 0 else start // -step + 1
    return start, step, rng.randint(0 if rng.random() < 0.1 else 1, most)


# -- random programs ---------------------------------------------------------------------------------------------------


class _Draw:
    """A random program of writes into regions and reads of regions, of two arrays and of what is made of them."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        shape = self.chance.choice([(6,), (4, 5), (5, 5), (3, 3), (2, 3, 4), (1, 4), (0, 3)])
        values = np.random.default_rng(seed)
        self.arguments = [values.normal(size=shape).round(2) for _ in "ab"]
        self.env: dict[str, Any] = dict(zip("ab", map(np.copy, self.arguments), strict=True))
        self.lines: list[str] = []
        for count in range(40):
            line = self._line(f"t{count}")
            with quiet():
                try:
                    exec(line, {"np": np}, self.env)
                except (ValueError, TypeError, IndexError):
                    continue
            self.lines.append(line)

    def function(self) -> Callable[..., Any]:
        results = [name for name in self.env if name[0] == "t" and self.chance.random() < 0.4]
        source = "\n    ".join(["def program(a, b):", *self.lines, f"return [{', '.join(results)}]"])
        scope: dict[str, Any] = {"np": np}
        exec(source, scope)
        return scope["program"]  # type: ignore[no-any-return]

    def _line(self, new: str) -> str:
        x, y, target = self._seen(), self._seen(), self._seen()
        target = target if target.endswith("]") else f"{target}[...]"
        kinds = [
            f"{target} = {x}", f"{target} = {x} + {y} * 0.5", f"{target} = 1.5", f"{target} += {x}", f"{target} *= 0.5",
            f"{new} = {x} * 0.5 + {y}", f"{new} = {x}", f"{new} = np.copy({x})", f"{new} = np.sum({x})",
            f"{new} = np.reshape({x}, -1)", f"{new} = np.concatenate([np.ravel({x}), np.ravel({y})])",
            f"{new} = np.atleast_2d({x}) @ np.atleast_2d({y}).T", f"{new} = np.max(np.atleast_2d({x}) * 2, axis=-1)",
        ]  # fmt: skip
        return self.chance.choices(kinds, [4, 6, 2, 6, 1, 3, 3, 2, 1, 2, 1, 1, 1])[0]

    def _seen(self) -> str:
        name = self.chance.choice(["a", "b", "a", *self.env])
        shape = np.shape(self.env[name])
        items = [self._item(n) for n in shape[: self.chance.randint(0, len(shape))]]
        turned = ".T" if self.chance.random() < 0.1 else ""
        return f"{name}{turned}[{', '.join(items)}]" if items else f"{name}{turned}"

    def _item(self, n: int) -> str:
        if n and self.chance.random() < 0.3:
            return str(self.chance.randrange(-n, n))
        bounds = [str(self.chance.randint(-n - 1, n + 1)) if self.chance.random() < 0.4 else "" for _ in range(2)]
        return ":".join(bounds) + self.chance.choice(["", "", "", ":2", ":-1", ":-2"])


@pytest.mark.parametrize("first", range(0, PROGRAMS, 20))
def test_random_writes_and_reads(first: int) -> None:
    """Overlapping regions, backwards, of one element or of none, through views and views of views."""
    for seed in range(first, first + 20):
        program = _Draw(seed)
        function = program.function()
        try:
            check_program(function, *program.arguments)
        except Exception as error:
            error.add_note("\n".join([f"seed {seed}", *program.lines]))
            raise
