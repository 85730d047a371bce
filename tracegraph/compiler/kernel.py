"""The kinds of kernels that the fuser makes, and the kinds of values the stages after it hand on."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from tracegraph.compiler.contract import Contraction, contraction_of
from tracegraph.compiler.materialise import Access
from tracegraph.compiler.native import has_blas, has_contraction, has_direct, is_pool
from tracegraph.compiler.nest import Load, Nest, Pick
from tracegraph.ir import Aval, Graph, Node

__all__ = ["CallKernel", "Decision", "Fused", "Kernel", "LibraryKernel", "NestKernel", "PhaseKernel"]

#: How many turns a loop is taken to have if nobody can know.
UNKNOWN_TURNS = 100


class NestKernel(NamedTuple):
    """A loop nest.

    Attributes:
        nest: what it computes.
        pieces: into how many it must be cut because each leaves a partial result; 1 if any cut will do.
        partials: the buffers of those partial results, one for each reduction.
        after: buffers that are written before, although it does not read them.
    """

    nest: Nest
    pieces: int = 1
    partials: tuple[Node, ...] = ()
    after: tuple[Node, ...] = ()

    def __str__(self) -> str:
        loops = " x ".join(f"{axis.extent}{' reduced' if axis.is_reduced else ''}" for axis in self.nest.axes) or "1"
        return f"nest over {loops}: {_work(self)}"

    def pace(self, buffer: Node) -> int:
        """How many bytes a turn of the outer loop moves on in a buffer."""
        return self.nest.pace(buffer)

    @property
    def reads(self) -> tuple[Node, ...]:
        loads = [each for each in (*self.nest.body, *self.nest.epilogue) if isinstance(each, (Load, Pick))]
        return tuple(dict.fromkeys([each.address.buffer for each in loads]))

    @property
    def writes(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys([each.address.buffer for each in (*self.nest.body_stores, *self.nest.stores)]))


class LibraryKernel(NamedTuple):
    """An operation on whole arrays that a library does.

    Attributes:
        node: the operation. A contraction is a kernel of our own, a small product or one of integers is another, a product
            that BLAS has is called from native code; any other is for NumPy, which runs it between two stretches of native
            code.
        operands: how it reads its operands.
        packed: of a contraction, the memory in which an operand that all its tasks need is packed.
        packs: whether it is the kernel that packs that.
    """

    node: Node
    operands: tuple[Access, ...]
    packed: Node | None = None
    packs: bool = False

    def __str__(self) -> str:
        kinds = {
            "packing": self.packs,
            "contraction": self.is_contraction,
            "product": self.is_direct,
            "BLAS": self.is_product,
            "pool": self.is_pool,
        }
        return f"{next((kind for kind, holds in kinds.items() if holds), 'NumPy')}: {_work(self)}"

    @property
    def is_contraction(self) -> bool:
        return has_contraction(self.node)

    @property
    def contraction(self) -> Contraction:
        """How it is one."""
        return contraction_of(self.node, self.operands)

    @property
    def factors(self) -> tuple[Access, Access]:
        """Of a contraction, A and B."""
        first, second = self.operands
        return (first, second) if self.node.op.name == "matmul" else (second, first)

    @property
    def walks(self) -> bool:
        """Whether it is a contraction that computes row by row of a result in C order."""
        if not self.is_contraction or self.packs or not self.node.aval.size:
            return False
        contraction = self.contraction
        return contraction.is_by_rows and contraction.unit is not None and contraction.extents[2] > 0

    def pace(self, buffer: Node) -> int:
        """How many bytes a row moves on in a buffer, of a contraction that walks; 0 where it does not go row by row."""
        contraction = self.contraction
        if buffer is self.node:
            return contraction.extents[1] * buffer.dtype.itemsize
        own, other = self.factors
        return contraction.pace * buffer.dtype.itemsize if buffer is own.base and buffer is not other.base else 0

    @property
    def is_product(self) -> bool:
        return has_blas(self.node) or self.is_direct

    @property
    def is_direct(self) -> bool:
        return has_direct(self.node)

    @property
    def is_pool(self) -> bool:
        return is_pool(self.node)

    @property
    def items(self) -> int:
        """How many parts of a pool, or of a product without packing, are independent: rows of results, or images to spread
        over."""
        return math.prod(self.node.shape[: -2 if self.node.op.name == "pool_spread" else -1])

    @property
    def reads(self) -> tuple[Node, ...]:
        """Of a contraction one operand of which is packed, the other and that."""
        bases = [operand.base for operand in self.operands]
        if self.packed is not None:
            own, shared = [operand.base for operand in self.factors][:: 1 if self.contraction.shared == "b" else -1]
            bases = [shared] if self.packs else [own, self.packed]
        return tuple(dict.fromkeys(bases))

    @property
    def writes(self) -> tuple[Node, ...]:
        return (self.packed,) if self.packs and self.packed is not None else (self.node,)


class PhaseKernel(NamedTuple):
    """One phase of an operation that has a text of its own: a running result, a sort, a sum at indices. All its tasks
    can run at the same time; phases of one operation hand on what they find in buffers that they share.

    Attributes:
        node: the operation.
        text: which text it is.
        buffers: what the text's pointers point to: a buffer, and the first element in it.
        numbers: what its other words are.
        reads: the buffers that an earlier kernel must have written.
        writes: the buffers that it writes.
        extent: of what its tasks are slices of.
        step: how much of that makes a task.
        nanoseconds: about how long one core takes.
        words: what the places in the text stand for, if that is not the same for all.
    """

    node: Node
    text: str
    buffers: tuple[tuple[Node, int], ...]
    numbers: tuple[int, ...]
    reads: tuple[Node, ...]
    writes: tuple[Node, ...]
    extent: int
    step: int
    nanoseconds: float
    words: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.text.replace('_', ' ')}: {_work(self)}"


class CallKernel(NamedTuple):
    """A loop or a branch: programs that run inside this one.

    Attributes:
        node: the operation; its parameter ``plans`` holds the memory plan of each of its graphs.
        operands: how it reads its operands, which lie in C order.
        results: the buffers of its results.
        arenas: the memory of each plan's intermediate values.
        spares: of a loop, a second buffer for each carry: a turn reads the one and writes the other; None for what is
            changed in place.
    """

    node: Node
    operands: tuple[Access, ...]
    results: tuple[Node, ...]
    arenas: tuple[Node, ...]
    spares: tuple[Node | None, ...]

    def __str__(self) -> str:
        inner = "\n".join(f"  {line}" for plan in self.plans for line in str(plan.schedule.fused).splitlines())
        return f"{self.node.op.name} of {len(self.results)} results\n{inner}".rstrip()

    @property
    def plans(self) -> tuple[Any, ...]:
        return self.node.params["plans"]  # type: ignore[no-any-return]

    @property
    def reads(self) -> tuple[Node, ...]:
        return tuple(dict.fromkeys(operand.base for operand in self.operands))

    @property
    def writes(self) -> tuple[Node, ...]:
        return (*self.results, *self.arenas, *(each for each in self.spares if each is not None))

    @property
    def nanoseconds(self) -> float:
        """About how long it takes on one core."""
        times: list[float] = [plan.schedule.nanoseconds for plan in self.plans]
        if self.node.op.name == "branch":
            return max(times)
        turns = self.node.params["length"]
        return float(sum(times) * (UNKNOWN_TURNS if turns is None else turns))


Kernel = NestKernel | LibraryKernel | PhaseKernel | CallKernel


class Decision(NamedTuple):
    """Why a value is computed in a kernel that needs it, or is not.

    Attributes:
        node: the value.
        kernel: the number of the kernel that computes it.
        user: that of the kernel that needs it.
        reason: in words.
    """

    node: Node
    kernel: int
    user: int
    reason: str


class Fused(NamedTuple):
    """What the fuser made.

    Attributes:
        graph: the settled graph.
        kernels: in an order in which they can run.
        outputs: the avals that results are given as; the buffer of one may have another shape of the same size.
        decisions: what was computed together, and what was not.
    """

    graph: Graph
    kernels: tuple[Kernel, ...]
    outputs: tuple[Aval, ...]
    decisions: tuple[Decision, ...] = ()

    def __str__(self) -> str:
        return "\n".join(line for number in range(len(self.kernels)) for line in self._lines(number))

    def _lines(self, number: int) -> list[str]:
        """A kernel, and why values are computed in it, or are not computed in those that read them from it."""
        reasons: dict[tuple[int, str], dict[str, None]] = {}
        for node, kernel, user, reason in self.decisions:
            if kernel == number:
                reasons.setdefault((user, reason), {})[node.op.name] = None
        lines = [f"kernel {number}: {self.kernels[number]}"]
        for (user, reason), names in reasons.items():
            place = "in it" if user == number else f"not in kernel {user}"
            lines.append(f"    {', '.join(names)} {place}: {reason}")
        return lines


def _work(kernel: Kernel) -> str:
    """What a kernel computes, and the shapes that it reads and writes."""
    nodes = kernel.nest.nodes if isinstance(kernel, NestKernel) else [kernel.node]
    names = ", ".join(dict.fromkeys(node.op.name for node in nodes)) or "copy"
    reads, writes = (", ".join(str(node.aval) for node in side) or "nothing" for side in (kernel.reads, kernel.writes))
    return f"{names} ({reads} -> {writes})"
