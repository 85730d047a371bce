"""Matrix products that read their operands where they lie: of integers, which BLAS does not know, and of batches of matrices
that are too small for a call each. Extents come in, source text goes out; `products` fills the table.

A row of C is a sum of rows of B. Where B has few rows and columns the text spells the sum out.
"""

from __future__ import annotations

__all__ = ["direct_kernel"]

#: Up to so many columns and terms the text is without loops over them.
SPELT = 4
#: So many rows of B are added at a time.
TERMS = 4

_KERNEL = """
def {name}(args, lo, hi):
    # Rows lo to hi of C, those of all items of the batch counted through.
    m, n, k = args[3], args[4], args[5]
    a_item, a_row, a_term = args[6], args[7], args[8]
    b_item, b_row = args[9], args[10]
    a = pointer(args, 0, {dtype})
    b = pointer(args, 1, {dtype})
    c = pointer(args, 2, {dtype})
    item = lo // m
    i = lo - item * m
    for row in range(lo, hi):
        at_a, at_b, at_c = item * a_item + i * a_row, item * b_item, row * n
{row}
        i += 1
        if i == m:
            i = 0
            item += 1
"""

_LOOPS = """
        x = load(a, at_a)
        for j in range(n):
            store(c, at_c + j, x * load(b, at_b + j))
        t = 1
        while t + {terms} <= k:
{numbers}
            for j in range(n):
                store(c, at_c + j, reload(c, at_c + j) + ({sum}))
            t += {terms}
        while t < k:
            x = load(a, at_a + t * a_term)
            at = at_b + t * b_row
            for j in range(n):
                store(c, at_c + j, reload(c, at_c + j) + x * load(b, at + j))
            t += 1
"""


def direct_kernel(dtype: str, columns: int, terms: int) -> tuple[str, str]:
    """Name and source of the product for a number of columns of B and of rows."""
    name = f"product_{dtype}"
    if max(columns, terms) > SPELT:
        return name, _KERNEL.format(name=name, dtype=dtype, row=_loops()).lstrip()
    name = f"{name}_{terms}_{columns}"
    return name, _KERNEL.format(name=name, dtype=dtype, row=_spelt(columns, terms)).lstrip()


def _loops() -> str:
    numbers = []
    for t in range(TERMS):
        numbers.append(f"            x{t} = load(a, at_a + (t + {t}) * a_term)")
        numbers.append(f"            at{t} = at_b + (t + {t}) * b_row")
    total = " + ".join(f"x{t} * load(b, at{t} + j)" for t in range(TERMS))
    return _LOOPS.format(terms=TERMS, numbers="\n".join(numbers), sum=total).strip("\n")


def _spelt(columns: int, terms: int) -> str:
    lines = [f"x{t} = load(a, at_a + {t} * a_term)" for t in range(terms)]
    for j in range(columns):
        total = " + ".join(f"x{t} * load(b, at_b + {t} * b_row + {j})" for t in range(terms))
        lines.append(f"store(c, at_c + {j}, {total})")
    return "\n".join(f"        {line}" for line in lines)
