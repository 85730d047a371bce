# ruff: noqa: RUF001, RUF002, RUF003 - mathematical signs are what this table is about
"""How operations are written in mathematics: tables by op name come in use here, a short label per node goes out.
Knows nothing of boxes, sizes or colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tracegraph.ir import Node

__all__ = ["is_ordered", "label", "number"]

#: The sign of each op that has one; an op that is not here is written by its name.
SYMBOLS: Mapping[str, str] = {
    "add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "floor_divide": "⌊÷⌋", "remainder": "mod",
    "power": "^", "negative": "−·", "absolute": "|·|", "sign": "sgn", "maximum": "max", "minimum": "min",
    "expm1": "exp·−1", "log1p": "log(1+·)", "sqrt": "√", "sigmoid": "σ",
    "floor": "⌊·⌋", "ceil": "⌈·⌉", "rint": "round", "equal": "=", "not_equal": "≠", "less": "<", "less_equal": "≤",
    "greater": ">", "greater_equal": "≥", "logical_and": "∧", "logical_or": "∨", "logical_xor": "⊻",
    "logical_not": "¬", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "⊕", "invert": "~",
    "left_shift": "≪", "right_shift": "≫", "convert": "cast", "reduce_sum": "Σ", "reduce_prod": "∏",
    "reduce_max": "max", "reduce_min": "min", "argmax": "arg max", "argmin": "arg min", "matmul": "@",
    "transpose": "·ᵀ", "broadcast_to": "broadcast", "concatenate": "concat", "identity": "id",
    "stop_gradient": "stop ∂",
}  # fmt: skip

#: Signs that stand between their operands, so that a literal operand can be written beside them: ``1 − ·``.
INFIX = frozenset("+ − × ÷ mod ^ = ≠ < ≤ > ≥ ∧ ∨ ⊻ & | ⊕ ≪ ≫".split())

#: Ops whose operands may change places, so that a picture need not number them.
COMMUTATIVE = frozenset(
    "add multiply maximum minimum equal not_equal logical_and logical_or logical_xor bitwise_and bitwise_or "
    "bitwise_xor".split()
)

#: Reductions whose axes show as subscripts: Σ₀₁.
WITH_AXES = frozenset(["reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "argmax", "argmin"])

_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def label(node: Node, literals: Sequence[str | None]) -> str:
    """The node as one writes it; a dot stands for each operand that an arrow brings.

    Args:
        node: an operation.
        literals: for each operand, its number if it is drawn inside the node; None where an arrow brings it.

    >>> from tracegraph.ir import aval_of
    >>> from tracegraph.ops.elementwise import maximum, subtract
    >>> from tracegraph.ops.leaf import input_node
    >>> x = input_node(aval_of((3,), float))
    >>> label(subtract(x, x), [None, None]), label(subtract(x, x), ["1", None]), label(maximum(x, x), [None, "0"])
    ('−', '1 − ·', 'max(·, 0)')
    """
    sign = SYMBOLS.get(node.op.name, node.op.name) + _axes(node)
    if not any(literals):
        return sign
    operands = [text or "·" for text in literals]
    return f" {sign} ".join(operands) if sign in INFIX else f"{sign}({', '.join(operands)})"


def number(value: float) -> str:
    """A literal in few characters.

    >>> number(1.0), number(-0.5), number(1 / 3), number(True)
    ('1', '−0.5', '0.3333', 'true')
    """
    text = str(value).lower() if isinstance(value, int) else f"{value:.4g}"
    return text.replace("-", "−")


def is_ordered(node: Node) -> bool:
    """Whether it matters which operand is which.

    >>> from tracegraph.ir import aval_of
    >>> from tracegraph.ops.elementwise import add, divide
    >>> from tracegraph.ops.leaf import input_node
    >>> x = input_node(aval_of((), float))
    >>> is_ordered(add(x, x)), is_ordered(divide(x, x))
    (False, True)
    """
    return node.op.name not in COMMUTATIVE


def _axes(node: Node) -> str:
    """The axes of a reduction, unless it reduces all of them."""
    if node.op.name not in WITH_AXES or not node.aval.ndim:
        return ""
    axes = node.params["axes"] if "axes" in node.params else (node.params["axis"],)
    separator = "," if any(axis > 9 for axis in axes) else ""
    return separator.join(map(str, axes)).translate(_SUBSCRIPTS)
