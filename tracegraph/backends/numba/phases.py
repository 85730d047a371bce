"""Kernels of operations that have a text of their own: a phase comes in, its source and its table go out."""

from __future__ import annotations

from collections.abc import Mapping

from tracegraph.backends.numba import counts, scans, scatters, searches, sorts
from tracegraph.backends.numba.sorter import sort_address
from tracegraph.backends.numba.source import ERRORS, KernelSource, Slot
from tracegraph.backends.numba.texts import Text
from tracegraph.compiler.kernel import PhaseKernel

__all__ = ["write_phase"]

_TEXTS: Mapping[str, Text] = {**scans.TEXTS, **sorts.TEXTS, **searches.TEXTS, **counts.TEXTS, **scatters.TEXTS}


def write_phase(kernel: PhaseKernel) -> KernelSource:
    """The source of a phase. Its table holds its buffers, then its numbers."""
    text = _TEXTS[kernel.text]
    words = text.buffers.split()
    dtypes = {
        word: "boolean" if node.dtype.kind == "b" else str(node.dtype)
        for word, (node, _) in zip(words, kernel.buffers, strict=True)
    }
    head = [f"    {word} = pointer(args, {k}, {dtype})" for k, (word, dtype) in enumerate(dtypes.items())]
    slots = [Slot(node, offset) for node, offset in kernel.buffers]
    head += [f"    {word}_at = args[{k}]" for k, word in enumerate(words) if f"{word}_at" in text.body]
    numbers = dict(zip(text.numbers.split(), kernel.numbers, strict=True))
    if text.sorted:
        numbers["sort"] = sort_address(str(kernel.buffers[words.index(text.sorted)][0].dtype))
    head += [f"    {word} = args[{len(slots) + k}]" for k, word in enumerate(numbers)]
    slots += [Slot(None, number) for number in numbers.values()]
    ufunc = kernel.node.params.get("ufunc", "")
    name = "_".join(filter(None, (kernel.node.op.name, ufunc, kernel.text.removeprefix(f"{kernel.node.op.name}_"))))
    if "store(errors" in text.body:
        head.append(f"    errors = pointer(args, {len(slots)}, int64)")
        slots.append(Slot(ERRORS, 0))
    body = text.body.strip("\n").format(**dtypes, **dict(kernel.words))
    lines = [f"def {name}(args, lo, hi):", *head, *body.splitlines(), ""]
    return KernelSource(name, "\n".join(lines), tuple(slots))
