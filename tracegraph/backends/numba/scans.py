"""Kernels that carry a value along an axis: a scan comes in, its source and its table go out.

Along the last axis each row is carried in a register; along another one a strip of columns is carried together, through
what has just been written, and its innermost loop is vectorised.
"""

from __future__ import annotations

from tracegraph.backends.numba.source import KernelSource, Slot
from tracegraph.compiler.kernel import STRIP, LibraryKernel
from tracegraph.ir import Node

__all__ = ["write_scan"]

_ROWS = """
def {name}_rows(args, lo, hi):
{head}
    for row in range(lo, hi):
        at = row * n
        total = {first}
        store(out, at, total)
        for i in range(at + 1, at + n):
            total = {next}
            store(out, i, total)
"""

_COLUMNS = """
def {name}_columns(args, lo, hi):
{head}
    inner = args[{inner}]
    strips = args[{strips}]
    for item in range(lo, hi):
        at = item // strips * n * inner
        start = item % strips * {strip}
        stop = min(start + {strip}, inner)
        for i in range(at + start, at + stop):
            store(out, i, {first_column})
        for k in range(1, n):
            here = at + k * inner
            for i in range(here + start, here + stop):
                total = reload(out, i - inner)
                store(out, i, {next})
"""


def write_scan(kernel: LibraryKernel) -> KernelSource:
    """The kernel of a scan. Its table holds the operands, the result, and extents."""
    node = kernel.node
    dtype = "boolean" if node.dtype.kind == "b" else str(node.dtype)
    words = [f"a{k}" for k in range(len(kernel.operands))]
    head = [f"    {word} = pointer(args, {k}, {dtype})" for k, word in enumerate((*words, "out"))]
    head.append(f"    n = args[{len(head)}]")
    _, n, inner = kernel.extents
    template = _ROWS if inner == 1 else _COLUMNS
    text = template.format(
        name=_name(node),
        head="\n".join(head),
        first=f"load({words[-1]}, at)",
        first_column=f"load({words[-1]}, i)",
        next=_step(node),
        inner=len(head),
        strips=len(head) + 1,
        strip=STRIP,
    ).lstrip()
    slots = [*(_slot(kernel, k) for k in range(len(words))), Slot(node, 0), Slot(None, n)]
    if inner != 1:
        slots += [Slot(None, inner), Slot(None, kernel.strips)]
    name = text[len("def ") : text.index("(")]
    return KernelSource(name, text, tuple(slots), (None,) * len(text.splitlines()))


def _name(node: Node) -> str:
    return node.op.name if "ufunc" not in node.params else f"{node.op.name}_{node.params['ufunc']}"


def _step(node: Node) -> str:
    """The next value, from the one before."""
    if "ufunc" in node.params:
        return f"{node.params['ufunc']}(total, load(a0, i))"
    return "add(multiply(load(a0, i), total), load(a1, i))"


def _slot(kernel: LibraryKernel, k: int) -> Slot:
    operand = kernel.operands[k]
    layout = operand.layout()
    assert layout is not None, "an operand that strides cannot express was copied"
    return Slot(operand.base, layout.offset)
