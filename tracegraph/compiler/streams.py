"""Which kernels had better write past the caches. A plan comes in, numbers of kernels go out.

A store of a whole line that goes past the caches spares the processor the reading of what is written over: a triad moves
three arrays instead of four. What is written so is not in the cache for whoever reads it next, but of arrays this large
little would be left of it anyway.
"""

from __future__ import annotations

from tracegraph.compiler.kernel import NestKernel
from tracegraph.compiler.memory import Plan
from tracegraph.compiler.traffic import traffic_of

__all__ = ["streaming"]

#: Bytes that a kernel moves. Measured: at half of this a copy loses 4 % and a triad gains 2; at twice as much they gain 15
#: and 50 %, and so does a chain of copies.
LEAST_BYTES = 48_000_000


def streaming(plan: Plan) -> frozenset[int]:
    """The kernels that move much, and write nothing that another one needs while it is still in the cache."""
    kernels = plan.schedule.kernels
    large = {
        number
        for number, kernel in enumerate(kernels)
        if isinstance(kernel, NestKernel)
        and sum(node.aval.nbytes for node in (*kernel.reads, *kernel.writes)) >= LEAST_BYTES
        and traffic_of(kernel, plan.shelves).nbytes >= LEAST_BYTES
    }
    for wave in plan.schedule.waves if large else ():
        for task in wave.tasks:
            inside = {part.kernel for part in task.parts}
            for number in large & inside:
                others = {node for each in inside - {number} for node in (*kernels[each].reads, *kernels[each].writes)}
                if not others.isdisjoint(kernels[number].writes) or not plan.shelves.keys().isdisjoint(
                    kernels[number].writes
                ):
                    large.remove(number)
    return frozenset(large)
