"""Kernels of pools (`ops.pooling` says what those are): an operation comes in, its source and its table go out.

Windows that lie inside the images are computed side by side in vectors, row by row of each window; those that reach beyond
them one by one. The text holds the sizes of windows and the steps between them, never extents.
"""

from __future__ import annotations

from tracegraph.backends.numba.source import KernelSource, Slot
from tracegraph.compiler.kernel import LibraryKernel
from tracegraph.compiler.materialise import Access

__all__ = ["write_pool"]

#: So many columns of a window are written out; others are looped over.
WRITTEN = 16

# A task is some rows of results.
_LARGEST = """
    first = min((left + {step} - 1) // {step}, across)
    last = max(first, min(across, (columns + left - {width}) // {step} + 1))
    for item in range(lo, hi):
        top = item % places * {down} - above
        bottom = min(top + {height}, rows)
        top = max(top, 0)
        at = item * across
        for row in range(top, bottom):
            line = (item // places * rows + row) * columns
            if row == top:
                for q in range(first, last):
                    i = line + q * {step} - left
                    store(out, at + q, {terms})
            else:
                for q in range(first, last):
                    i = line + q * {step} - left
                    store(out, at + q, maximum(reload(out, at + q), {terms}))
            for t in range({written}, {width}):
                for q in range(first, last):
                    store(out, at + q, maximum(reload(out, at + q), load(a0, line + q * {step} - left + t)))
            for side in range(2):
                for q in range(last if side else 0, across if side else first):
                    begin = max(q * {step} - left, 0)
                    total = load(a0, line + begin) if row == top else reload(out, at + q)
                    for j in range(begin, min(q * {step} - left + {width}, columns)):
                        total = maximum(total, load(a0, line + j))
                    store(out, at + q, total)
"""

# From the last element of each window to the first.
_PLACES = """
    first = min((left + {step} - 1) // {step}, across)
    last = max(first, min(across, (columns + left - {width}) // {step} + 1))
    for item in range(lo, hi):
        begin = item % places * {down} - above
        top = max(begin, 0)
        bottom = min(begin + {height}, rows)
        at = item * across
        for q in range(at, at + across):
            store(out, q, {dtype_out}(0))
        for back in range(bottom - top):
            row = bottom - 1 - back
            number = {narrow}((row - begin) * {width})
            line = (item // places * rows + row) * columns
            for t in range({width} - 1, {written} - 1, -1):
                for q in range(first, last):
                    largest = load(a1, at + q)
                    value = load(a0, line + q * {step} - left + t)
                    if value == largest or value != value:
                        store(out, at + q, {dtype_out}(number + t))
            for q in range(first, last):
                i = line + q * {step} - left
                largest = load(a1, at + q)
                place = {narrow}(reload(out, at + q))
{tests}
                store(out, at + q, {dtype_out}(place))
            for side in range(2):
                for q in range(last if side else 0, across if side else first):
                    largest = load(a1, at + q)
                    start = max(q * {step} - left, 0)
                    stop = min(q * {step} - left + {width}, columns)
                    for j in range(stop - start):
                        value = load(a0, line + stop - 1 - j)
                        if value == largest or value != value:
                            store(out, at + q, {dtype_out}((row - begin) * {width} + stop - 1 - j - q * {step} + left))
"""
_TEST = """                value = load(a0, i + {t})
                place = {narrow}(number + {narrow}({t})) if (value == largest) | (value != value) else place"""

# A task is some images.
_SPREAD = """
    first = max((left + {step} - 1) // {step}, {reach} - 1)
    last = max(first, min(across, (columns + left - {step}) // {step} + 1)) if {width} == {written} else first
    zero = {dtype}(0)
    for item in range(lo, hi):
        start = item * rows * columns
        for i in range(start, start + rows * columns):
            store(out, i, zero)
        for p in range(places):
            begin = p * {down} - above
            at = (item * places + p) * across
            for row in range(max(begin, 0), min(begin + {height}, rows)):
                number = {narrow}((row - begin) * {width})
                line = start + row * columns
                for q in range(first, last):
                    i = line + q * {step} - left
{phases}
                for side in range(2):
                    low, high = (last * {step} - left, columns) if side else (0, min(first * {step} - left, columns))
                    for j in range(low, high):
                        total = reload(out, line + j)
                        q = max((j + left - {width} + {step}) // {step}, 0)
                        while q < across and q * {step} <= j + left:
                            if load(a1, at + q) == number + j + left - q * {step}:
                                total = add(total, load(a0, at + q))
                            q += 1
                        store(out, line + j, total)
"""
_SHARE = "(share{m} if place{m} == number + {narrow}({t}) else zero)"


def write_pool(kernel: LibraryKernel) -> KernelSource:
    """The kernel of a pool. Its table holds the operands, the result, the extents of an image and of what its windows give,
    and how far the first window begins before it."""
    node = kernel.node
    (height, width), (down, step) = node.params["sizes"], node.params["strides"]
    shapes = node.inputs[0].shape, node.shape
    image, results = shapes[::-1] if node.op.name == "pool_spread" else shapes
    dtypes = [*(str(each.base.dtype) for each in kernel.operands), str(node.dtype)]
    words = [*(f"a{k}" for k in range(len(kernel.operands))), "out"]
    lines = [f"    {word} = pointer(args, {k}, {dtypes[k]})" for k, word in enumerate(words)]
    numbers = ("rows", "columns", "places", "across", "above", "left")
    lines += [f"    {number} = args[{k}]" for k, number in enumerate(numbers, start=len(words))]
    narrow = "int16" if height * width <= 256 else "int32"
    written = min(width, WRITTEN)
    common = {"height": height, "width": width, "down": down, "step": step, "narrow": narrow, "written": written}
    template = {"max_pool": _LARGEST, "pool_places": _PLACES, "pool_spread": _SPREAD}[node.op.name]
    body = template.format(
        terms=_largest_of(written),
        tests="\n".join(_TEST.format(t=t, narrow=narrow) for t in reversed(range(written))),
        phases="\n".join(_phases(written, step, narrow)),
        reach=-(-width // step),
        dtype=dtypes[0],
        dtype_out=dtypes[-1],
        **common,
    )
    name = f"{node.op.name}_{dtypes[0]}_{height}x{width}_by_{down}x{step}"
    text = "\n".join([f"def {name}(args, lo, hi):", *lines, body.strip("\n"), ""])
    slots = [*(_slot(each) for each in kernel.operands), Slot(node, 0)]
    slots += [Slot(None, n) for n in (*image[-2:], *results[-2:], *node.params["before"])]
    return KernelSource(name, text, tuple(slots))


def _largest_of(width: int) -> str:
    """The largest of adjacent elements."""
    terms = "load(a0, i)"
    for t in range(1, width):
        terms = f"maximum({terms}, load(a0, i + {t}))"
    return terms


def _phases(width: int, step: int, narrow: str) -> list[str]:
    """What flows back to as many elements as lie between windows, from the windows that they are in."""
    indent = " " * 20
    lines = []
    for m in range(-(-width // step)):
        lines += [f"{indent}share{m} = load(a0, at + q - {m})", f"{indent}place{m} = load(a1, at + q - {m})"]
    for first in range(min(step, width)):
        total = f"reload(out, i + {first})"
        for m, tap in enumerate(range(first, width, step)):
            total = f"add({total}, {_SHARE.format(m=m, t=tap, narrow=narrow)})"
        lines.append(f"{indent}store(out, i + {first}, {total})")
    return lines


def _slot(operand: Access) -> Slot:
    layout = operand.layout()
    assert layout is not None, "an operand that strides cannot express was copied"
    return Slot(operand.base, layout.offset)
