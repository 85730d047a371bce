"""What is known of traced whole numbers: each is a sum of multiples of others, and lies between bounds.

That tells whether two of them are the same, whether a slice between two has an extent that is known, and whether it lies
within an array.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tracegraph.ir import Node
from tracegraph.ops.leaf import is_literal

__all__ = ["INT", "Form", "Span", "Spans"]

INT = np.dtype(np.int64)
#: The least and the greatest value; infinite where nothing is known.
Span = tuple[float, float]
#: Multiples of other numbers.
Terms = frozenset[tuple["Node | Choice", int]]


class Form(NamedTuple):
    """A whole number: a constant, and multiples of other numbers. Equal forms are equal numbers."""

    constant: int
    terms: Terms

    def plus(self, other: Form, times: int = 1) -> Form:
        """The sum with some times another."""
        terms = dict(self.terms)
        for atom, factor in other.terms:
            terms[atom] = terms.get(atom, 0) + times * factor
        left = frozenset((atom, factor) for atom, factor in terms.items() if factor)
        return Form(self.constant + times * other.constant, left)

    def minus(self, other: Form) -> Form:
        return self.plus(other, -1)

    @property
    def nodes(self) -> list[Node]:
        """What is not known of it."""
        return [node for atom, _ in self.terms for node in ([atom] if isinstance(atom, Node) else atom.nodes)]


#: Comparisons: whether the second operand is taken first, and what is subtracted from the difference.
_MARGINS = {"less": (False, 0), "greater": (True, 0), "less_equal": (False, 1), "greater_equal": (True, 1)}


class Choice(NamedTuple):
    """The lesser or the greater of two numbers."""

    name: str
    operands: frozenset[Form]

    @property
    def nodes(self) -> list[Node]:
        return [node for each in self.operands for node in each.nodes]


class Spans:
    """What one trace knows of whole numbers."""

    def __init__(self) -> None:
        self._stands: dict[Node, Node | int] = {}
        self._known: dict[Terms, Span] = {}

    def stand(self, node: Node, other: Node | int) -> None:
        """Notes what a node stands for: another one, or a number that is known by now."""
        self._stands[node] = other

    def bound(self, node: Node, low: float, high: float) -> None:
        """Notes between which bounds a number lies."""
        number = self.form(node)
        self._known[number.terms] = low - number.constant, high - number.constant

    def form(self, value: Node | int) -> Form:
        """What a number is made of."""
        while not isinstance(value, int) and value in self._stands:
            value = self._stands[value]
        if isinstance(value, int) or is_literal(value):
            return Form(value if isinstance(value, int) else int(value.params["value"]), frozenset())
        name, inputs = value.op.name, value.inputs
        if value.dtype == INT:
            if name in ("convert", "negative") and np.can_cast(inputs[0].dtype, INT):
                return Form(0, frozenset()).plus(self.form(inputs[0]), -1 if name == "negative" else 1)
            if name in ("add", "subtract"):
                return self.form(inputs[0]).plus(self.form(inputs[1]), 1 if name == "add" else -1)
            if name in ("minimum", "maximum"):
                operands = frozenset(map(self.form, inputs))
                return next(iter(operands)) if len(operands) == 1 else _atom(Choice(name, operands))
            if name == "multiply":
                one, other = sorted(map(self.form, inputs), key=lambda each: len(each.terms))
                return Form(0, frozenset()).plus(other, one.constant) if not one.terms else _atom(value)
        return _atom(value)

    def margin(self, node: Node) -> Form | None:
        """The number that is negative just where a comparison of whole numbers holds; None of other truths."""
        if node.op.name not in _MARGINS or any(each.dtype != INT or each.shape for each in node.inputs):
            return None
        one, other = map(self.form, node.inputs)
        is_turned, more = _MARGINS[node.op.name]
        number = other.minus(one) if is_turned else one.minus(other)
        return Form(number.constant - more, number.terms)

    def of(self, number: Form) -> Span:
        """Between which bounds a number lies."""
        low, high = self._known.get(number.terms, (-math.inf, math.inf))
        low, high = low + number.constant, high + number.constant
        choices = ((each, by) for each, by in number.terms if isinstance(each, Choice) and abs(by) == 1)
        atom, factor = next(choices, (None, 0))
        if atom is not None:
            rest = Form(number.constant, number.terms - {(atom, factor)})
            spans = [self.of(rest.plus(each, factor)) for each in atom.operands]
            choose = min if (atom.name == "minimum") == (factor == 1) else max
            found = choose(least for least, _ in spans), choose(most for _, most in spans)
        else:
            ends = [
                sorted(factor * end for end in self._known.get(frozenset({(atom, 1)}), (-math.inf, math.inf)))
                for atom, factor in number.terms
            ]
            found = number.constant + sum(least for least, _ in ends), number.constant + sum(most for _, most in ends)
        return max(low, found[0]), min(high, found[1])


def _atom(value: Node | Choice) -> Form:
    return Form(0, frozenset({(value, 1)}))
