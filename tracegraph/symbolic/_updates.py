"""Updates: expressions of new values come in, what `run` assigns to parameters goes out. Nothing is assigned here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NoReturn

from tracegraph.errors import FeedError, at
from tracegraph.ir import Where
from tracegraph.symbolic._expression import Expression, as_expression
from tracegraph.symbolic._leaves import Parameter
from tracegraph.tracing import node_of, user_where

__all__ = ["Updates", "check_once", "updates"]


class Updates(Expression):
    """New values of parameters. Fetching it gives None and, once everything has been computed, assigns them.

    Made by `updates` and by the rules of `tracegraph.optim`.
    """

    __slots__ = ("parameters",)

    def __init__(self, pairs: Iterable[tuple[Parameter, Expression]], where: Where | None = None) -> None:
        pairs = tuple(pairs)
        super().__init__(
            _updates, (tuple(value for _, value in pairs), tuple(parameter for parameter, _ in pairs)), where=where
        )
        self.parameters = tuple(parameter for parameter, _ in pairs)

    def evaluate(self, values: Mapping[Expression, Any]) -> None:
        """Checks that each new value fits its parameter.

        Raises:
            FeedError: it has another shape or dtype.
        """
        for parameter, value in zip(self.parameters, self.operands, strict=False):
            aval, wanted = node_of(values[value]).aval, node_of(values[parameter]).aval
            if aval != wanted:
                raise FeedError(
                    at(
                        f"the update of {parameter.describe()}, which is {wanted}, is {aval} from {value.describe()}",
                        self.where,
                    )
                )

    def new_values(self, values: Mapping[Expression, Any]) -> list[Any]:
        """The new values, in the order of the parameters."""
        return [values[value] for value in self.operands[: len(self.parameters)]]


def _updates() -> NoReturn:
    raise AssertionError("updates are applied by the program")


def updates(*groups: Updates | Mapping[Parameter, Any]) -> Updates:
    """An update of several parameters at once, from ``{parameter: new value}`` or from other updates.

    Raises:
        FeedError: a parameter is updated twice.
        TypeError: what is to be updated is no parameter.

    Example:
        >>> from tracegraph.symbolic import Parameter, run
        >>> n = Parameter(0.0, name="n")
        >>> run(updates({n: n + 1.0}))
        >>> n.get_value()
        array(1.)
    """
    pairs: list[tuple[Any, Expression]] = []
    for group in groups:
        if isinstance(group, Updates):
            pairs += zip(group.parameters, group.operands, strict=False)
        else:
            pairs += [(parameter, as_expression(value)) for parameter, value in group.items()]
    for parameter, _ in pairs:
        if not isinstance(parameter, Parameter):
            raise TypeError(at(f"updates: only parameters can be updated, got {parameter!r:.60}", user_where()))
    check_once([parameter for parameter, _ in pairs])
    return Updates(pairs)


def check_once(parameters: Sequence[Parameter]) -> None:
    """Raises `FeedError` for a parameter that stands twice."""
    seen: set[Parameter] = set()
    for parameter in parameters:
        if parameter in seen:
            raise FeedError(at(f"{parameter.describe()} is updated twice in one run", user_where()))
        seen.add(parameter)
