"""Where loops are in code, and by which decisions they are left."""

from collections.abc import Callable
from typing import Any

from tracegraph.tracing.flow import Region, regions


def loops(function: Callable[..., Any]) -> tuple[Region, ...]:
    return regions(function.__code__)


def test_a_for_that_is_left() -> None:
    def function(x: Any) -> Any:
        for k in range(100):  # noqa: B007
            x = x * 0.5
            if x < 1e-3:
                break
        return x, k

    (region,) = loops(function)
    assert region.is_for
    assert region.is_whole
    assert [each.moves for each in region.exits.values()] == [()]
    assert region.names == {"k", "x"}


def test_names_bound_on_the_way_out() -> None:
    def function(x: Any) -> Any:
        found = None
        for k in range(100):
            if x < k:
                found = k
                done = True
                break
        return found, done

    (region,) = loops(function)
    (leaves,) = region.exits.values()
    assert leaves.outcome
    assert leaves.moves == (("found", "k", "k"), ("done", None, True))


def test_a_while_of_two_conditions() -> None:
    def function(x: Any) -> Any:
        k = 0
        while x > 1 and k < 10:
            x, k = x / 2, k + 1
        return x

    (region,) = loops(function)
    assert not region.is_for
    assert region.is_whole
    assert [each.outcome for each in region.exits.values()] == [False, False]


def test_a_while_that_returns() -> None:
    def function(x: Any) -> Any:
        while True:
            x = x / 2
            if x < 1:
                return x

    (region,) = loops(function)
    assert region.is_whole
    assert len(region.exits) == 1


def test_inner_loops_come_first() -> None:
    def function(x: Any) -> Any:
        for i in range(3):
            while x > i:
                x = x - 1
        return x

    inner, outer = loops(function)
    assert (inner.is_for, outer.is_for) == (False, True)
    assert outer.head < inner.head < inner.end < outer.end
    assert not outer.exits


def test_long_jumps() -> None:
    lines = "".join(f"        x = x * {k}.5 + y[{k}]\n" for k in range(60))
    names: dict[str, Any] = {}
    exec(f"def function(x, y):\n    for k in range(3):\n{lines}        if x < k: break\n    return x", names)
    (region,) = loops(names["function"])
    assert region.is_for
    assert region.is_whole
    assert len(region.exits) == 1


def test_what_is_not_left_by_decisions_alone() -> None:
    def returns(x: Any) -> Any:
        for k in range(3):
            if x < k:
                return k
        return -1

    def has_else(x: Any) -> Any:
        for k in range(3):
            if x < k:
                break
        else:
            x = 0
        return x

    def catches(x: Any) -> Any:
        for k in range(3):
            try:
                x = x[k]
            except IndexError:
                x = 0
        return x

    def yields(x: Any) -> Any:
        for k in range(3):
            yield x[k]

    for function in (returns, has_else, catches, yields):
        assert not any(region.is_whole for region in loops(function))
