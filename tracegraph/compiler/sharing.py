"""Which values are computed in the memory of others: intermediate ones in that of the one they are made of, and results in
that of an argument that the function changes, or that the caller has given away.

An input node that may be written over has a parameter ``reuse``: the number of the output that is to be there at the end,
or `ANY`. Updates of such an input are done in place by `materialise`. Here, once waves are known, the same is found for
outputs that are computed anew: each element may be written only where nothing reads the input's element any more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from tracegraph.compiler.inplace import reusable
from tracegraph.compiler.kernel import Kernel, NestKernel, PhaseKernel
from tracegraph.compiler.materialise import Access, root_of, shares_memory
from tracegraph.compiler.nest import Instruction, Load, Pick, Store
from tracegraph.compiler.schedule import Schedule, Wave
from tracegraph.ir import Graph, Node
from tracegraph.ops.leaf import ANY
from tracegraph.ops.shape import reshape

__all__ = ["share"]


def share(schedule: Schedule) -> Schedule:
    """The schedule with kernels that write into the memory of what they alone read, or read such an input from the memory of
    an output."""
    return _with_arguments(_with_intermediates(schedule))


def _with_intermediates(schedule: Schedule) -> Schedule:
    """Intermediate values that one kernel alone reads, and makes others of point by point, lend those their memory."""
    graph = schedule.fused.graph
    outside = {*graph.inputs, *graph.outputs}
    readers = Counter(node for kernel in schedule.kernels for node in kernel.reads)
    writers = Counter(node for kernel in schedule.kernels for node in kernel.writes)

    def is_simple(node: Node) -> bool:
        return writers[node] == 1 and node not in outside and not shares_memory(node)

    memory: dict[Node, Node] = {}
    for kernel in schedule.kernels:
        if not isinstance(kernel, NestKernel) or kernel.pieces > 1:
            continue
        free = [node for node in kernel.reads if readers[node] == 1 and is_simple(node)]
        for made in filter(is_simple, kernel.writes):
            lender = next((node for node in free if _is_pointwise(kernel, node, made)), None)
            if lender is not None:
                free.remove(lender)
                memory[made] = memory.get(lender, lender)
    if not memory:
        return schedule
    kernels = tuple(_moved(kernel, memory) for kernel in schedule.kernels)
    return schedule._replace(fused=schedule.fused._replace(kernels=kernels))


def _with_arguments(schedule: Schedule) -> Schedule:
    """Inputs that may be written over are read from the memory of an output."""
    graph = schedule.fused.graph
    found: dict[int, int] = {}
    waves = schedule.waves
    free = reusable(graph)
    for number, node in enumerate(graph.inputs):
        for output in _candidates(graph, node) if node in free else ():
            if output in found:
                continue
            if root_of(graph.outputs[output]) is not node:
                ordered = _ordered(node, graph.outputs[output], schedule.kernels, waves)
                if ordered is None:
                    continue
                waves = ordered
            found[output] = number
            break
    written = {root_of(node) for node in graph.nodes if shares_memory(node)}
    if not written.intersection(graph.inputs) <= {graph.inputs[number] for number in found.values()}:
        raise AssertionError("an input is written over that is not in the memory of an output")
    if not found:
        return schedule
    memory = {graph.inputs[number]: graph.outputs[output] for output, number in found.items()}
    kernels = tuple(_moved(kernel, memory) for kernel in schedule.kernels)
    fused = schedule.fused._replace(kernels=kernels)
    return schedule._replace(fused=fused, waves=waves, shared=tuple(found.items()))


def _candidates(graph: Graph, node: Node) -> list[int]:
    """The outputs that an input's memory may be used for: those computed in it already, then those of its shape."""
    wanted = node.params["reuse"]
    if wanted != ANY:
        return [wanted]
    meant = {other.params.get("reuse") for other in graph.inputs}
    fitting = [
        number
        for number, output in enumerate(graph.outputs)
        if number not in meant and output.dtype == node.dtype and output.aval.size == node.aval.size
    ]
    return sorted(fitting, key=lambda k: (root_of(graph.outputs[k]) is not node, graph.outputs[k].shape != node.shape))


def _ordered(node: Node, output: Node, kernels: Sequence[Kernel], waves: Sequence[Wave]) -> tuple[Wave, ...] | None:
    """The waves in an order in which the input is read for the last time before the output is written, or by the very kernel
    that writes it and at the same places; None if there is none."""
    if node.dtype != output.dtype or node.aval.size != output.aval.size or shares_memory(output):
        return None
    is_written = False
    ordered: list[Wave] = []
    for wave in waves:
        numbers = set(wave.kernels)
        readers = {number for number in numbers if node in kernels[number].reads}
        writers = {number for number in numbers if output in kernels[number].writes}
        if readers and is_written:
            return None
        if readers & writers and not (len(writers) == 1 and _is_pointwise(kernels[min(writers)], node, output)):
            return None
        ordered += _split(wave, writers) if writers and readers - writers else [wave]
        is_written = is_written or bool(writers)
    return tuple(ordered)


def _split(wave: Wave, late: set[int]) -> list[Wave]:
    """A wave in two: the kernels that have to wait for the others come last. No task has parts of several yet."""
    sides = ([task for task in wave.tasks if (task.parts[0].kernel in late) == is_late] for is_late in (False, True))
    return [Wave(tuple(tasks), wave.is_parallel and len(tasks) > 1) for tasks in sides]


def _is_pointwise(kernel: Kernel, node: Node, output: Node) -> bool:
    """Whether a kernel reads each element of an input only at the point at which it then writes that element's place: of the
    body, or once a reduction is done, but then no partial results may wait in the output."""
    if not isinstance(kernel, NestKernel) or node.dtype != output.dtype or node.aval.size != output.aval.size:
        return False
    nest = kernel.nest
    sides = ((nest.body, nest.body_stores), (nest.epilogue, nest.stores))
    reads = [
        [each.address for each in side if isinstance(each, (Load, Pick)) and _reads(each, node)] for side, _ in sides
    ]
    stores = [[store for store in side if store.address.buffer is output] for _, side in sides]
    if all(reads) or all(stores) or bool(reads[0]) != bool(stores[0]):
        return False
    is_after = bool(reads[1])
    if (is_after and nest.is_column) or any(
        isinstance(each, Pick) and _reads(each, node) for each in sides[is_after][0]
    ):
        return False
    axes = nest.kept if is_after else range(len(nest.axes))
    (first, *others) = stores[is_after]
    same = {address[1:] for address in (first.address, *reads[is_after])}
    moves = all(first.address.strides[k] for k in axes if nest.axes[k].extent != 1)
    return not others and not first.places and len(same) == 1 and moves


def _reads(each: Instruction, node: Node) -> bool:
    return isinstance(each, (Load, Pick)) and each.address.buffer is node


def _moved(kernel: Kernel, memory: Mapping[Node, Node]) -> Kernel:
    """A kernel that finds some values in the memory of others."""
    if not any(node in memory for node in (*kernel.reads, *kernel.writes)):
        return kernel
    if isinstance(kernel, NestKernel):
        nest = kernel.nest
        body, epilogue = (tuple(_moved_read(each, memory) for each in side) for side in (nest.body, nest.epilogue))
        body_stores, stores = (
            tuple(_moved_store(each, memory) for each in side) for side in (nest.body_stores, nest.stores)
        )
        return kernel._replace(nest=nest._replace(body=body, epilogue=epilogue, body_stores=body_stores, stores=stores))
    if isinstance(kernel, PhaseKernel):
        buffers = tuple((memory.get(node, node), start) for node, start in kernel.buffers)
        return kernel._replace(buffers=buffers, reads=tuple(memory.get(node, node) for node in kernel.reads))
    operands = tuple(_moved_access(operand, memory) for operand in kernel.operands)
    return kernel._replace(operands=operands)


def _moved_read(each: Instruction, memory: Mapping[Node, Node]) -> Instruction:
    if isinstance(each, (Load, Pick)) and each.address.buffer in memory:
        return each._replace(address=each.address._replace(buffer=memory[each.address.buffer]))
    return each


def _moved_store(store: Store, memory: Mapping[Node, Node]) -> Store:
    address = store.address
    return store._replace(address=address._replace(buffer=memory.get(address.buffer, address.buffer)))


def _moved_access(operand: Access, memory: Mapping[Node, Node]) -> Access:
    buffer = memory.get(operand.base)
    if buffer is None:
        return operand
    return Access(buffer, (reshape(buffer, shape=operand.base.shape), *operand.views))
