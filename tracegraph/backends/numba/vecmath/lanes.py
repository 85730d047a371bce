"""Functions that are written for vectors of every length: their calls stand in a kernel's loop as calls on scalars, with the
names of the variants on vectors in LLVM's attribute `vector-function-abi-variant`, so that the loop vectoriser calls those.

Only then are the functions defined (`definitions`) and inlined. What comes in is an emitter, which sees how many lanes its
operands have: it may use instructions that LLVM's own intrinsics don't reach, and branch on whether any lane needs something
rare. It knows nothing of Numba.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from llvmlite import ir

from ..loader import host_cpu
from .value import BOOLEAN, FLOAT32, FLOAT64, SIGNED, UNSIGNED, Kind, Operand, Value, select

HAS_AVX512 = {"+avx512f", "+avx512vl", "+avx512dq"} <= set(host_cpu()[1].split(","))

# A loop that also handles wider or narrower dtypes may have vectors of any of these lengths.
_LENGTHS = (2, 4, 8, 16, 32, 64)
_PREFIX = "lanes."
_CALLED = re.compile(rf'call [^@\n]*@"?({re.escape(_PREFIX)}[\w.]+)')
_KEPT = "@llvm.compiler.used"
_WORD = ir.IntType(32)
_KINDS: dict[str, Kind] = {
    f"{kind.family}{kind.bits}": kind for kind in (BOOLEAN, FLOAT32, FLOAT64, *SIGNED.values(), *UNSIGNED.values())
}
_PURE = ("nounwind", "willreturn", "readnone")


@dataclass(frozen=True)
class _Function:
    """An emitter, the kind of its result as it follows from the first operand's, and whether it is called seldom."""

    emit: Callable[..., Value]
    result: Callable[[Kind], Kind]
    is_cold: bool


_FUNCTIONS: dict[str, _Function] = {}


def by_lanes(
    name: str, emit: Callable[..., Value], result: Callable[[Kind], Kind] = lambda kind: kind, is_cold: bool = False
) -> Callable[..., Value]:
    """An emitter that calls the function `emit` writes, or writes it in place if the operands have lanes already.

    Args:
        name: of the function.
        emit: what writes it.
        result: the kind of the result, from that of the first operand.
        is_cold: whether it stays a function, out of the way.
    """
    _FUNCTIONS[name] = _Function(emit, result, is_cold)

    def call(first: Value, *others: Operand) -> Value:
        operands = [first, *(other if isinstance(other, Value) else first.lift(other) for other in others)]
        lanes = first.kind.lanes
        if lanes and not is_cold:
            return emit(*operands)
        kinds = [operand.kind for operand in operands]
        target = f"{_PREFIX}{name}.{'.'.join(f'{kind.family}{kind.bits}' for kind in kinds)}"
        if lanes:
            target = _variant(target, lanes)
        module = first.builder.module
        given = result(first.kind).in_lanes(lanes)
        function = module.globals.get(target)
        if function is None:
            function = ir.Function(module, ir.FunctionType(given.ir, [kind.ir for kind in kinds]), target)
            _promise(function, *_PURE, *(() if lanes else (_variants(target, len(kinds)),)))
        return Value(first.builder, first.builder.call(function, [operand.raw for operand in operands]), given)

    return call


def _variant(function: str, lanes: int) -> str:
    return f"{function}.{lanes}"


def _variants(function: str, arity: int) -> str:
    names = (f"_ZGV_LLVM_N{lanes}{'v' * arity}_{function}({_variant(function, lanes)})" for lanes in _LENGTHS)
    return f'"vector-function-abi-variant"="{",".join(names)}"'


def _promise(function: ir.Function, *attributes: str) -> None:
    """Attributes, of which llvmlite itself knows only some."""
    for attribute in attributes:
        set.add(function.attributes, attribute)


def called(module: str) -> frozenset[str]:
    """The functions by lanes that a module's text calls."""
    return frozenset(_CALLED.findall(module))


def declarations(functions: Iterable[str]) -> str:
    """The text of the variants of functions, which a module needs before its loops are vectorised."""
    lines, names = [], []
    for function in sorted(functions):
        _, kinds, result = _signature(function)
        for lanes in _LENGTHS:
            given = ", ".join(str(kind.in_lanes(lanes).ir) for kind in kinds)
            names.append(_variant(function, lanes))
            lines.append(f'declare {result.in_lanes(lanes).ir} @"{names[-1]}"({given})')
    if names:
        pointers = ", ".join(f'ptr @"{name}"' for name in names)
        lines.append(f'{_KEPT} = appending global [{len(names)} x ptr] [{pointers}], section "llvm.metadata"')
    return "\n".join(lines) + "\n"


def _signature(function: str) -> tuple[_Function, list[Kind], Kind]:
    """A function by its full name without lanes, the kinds of its operands and of its result."""
    name, *rest = function.removeprefix(_PREFIX).split(".")
    kinds = [_KINDS[each] for each in rest]
    return _FUNCTIONS[name], kinds, _FUNCTIONS[name].result(kinds[0])


def without_declarations(module: str) -> str:
    """A module's text that no longer keeps what it doesn't call."""
    return re.sub(rf"^{re.escape(_KEPT)} = .*$", "", module, flags=re.MULTILINE)


@lru_cache(maxsize=256)
def definitions(functions: frozenset[str]) -> str:
    """The text of a module that defines these functions, and those that they call."""
    module = ir.Module("lanes")
    todo, done = sorted(functions), set()
    while todo:
        for each in todo:
            _define(module, each)
        done.update(todo)
        todo = sorted(_declared(module) - done)
    return str(module)


def _declared(module: ir.Module) -> set[str]:
    return {
        function.name for function in module.functions if function.is_declaration and function.name.startswith(_PREFIX)
    }


def _define(module: ir.Module, name: str) -> None:
    stem, _, last = name.rpartition(".")
    plain, lanes = (stem, int(last)) if last.isdigit() else (name, 1)
    function, kinds, result = _signature(plain)
    given = [kind.in_lanes(lanes) for kind in kinds]
    kind = ir.FunctionType(result.in_lanes(lanes).ir, [each.ir for each in given])
    target = module.globals.get(name) or ir.Function(module, kind, name)
    _promise(target, "noinline" if function.is_cold else "alwaysinline", *_PURE)
    builder = ir.IRBuilder(target.append_basic_block())
    operands = [Value(builder, raw, each) for raw, each in zip(target.args, given, strict=True)]
    builder.ret(function.emit(*operands).raw)


# -- rare cases --------------------------------------------------------------------------------------------------------


def rarely(name: str, applies: Callable[..., Value], emit: Callable[..., Value]) -> Callable[..., Value]:
    """An emitter `(usual, x, ...)` of what `emit` writes of `x, ...` where `applies(x, ...)` holds, `usual` elsewhere.

    What `emit` writes stays out of the loop, and is computed only if the condition holds in any lane.
    """
    cold = by_lanes(f"cold_{name}", lambda usual, *operands: emit(*operands), is_cold=True)

    def guarded(usual: Value, *operands: Value) -> Value:
        builder = usual.builder
        condition = applies(*operands)
        before = builder.block
        rare, after = (builder.append_basic_block(part) for part in ("rare", "after"))
        builder.cbranch(any_lane(condition), rare, after).set_weights([1, 10_000])
        builder.position_at_end(rare)
        value = select(condition, cold(usual, *operands), usual)
        builder.branch(after)
        builder.position_at_end(after)
        result = builder.phi(usual.kind.ir)
        result.add_incoming(usual.raw, before)
        result.add_incoming(value.raw, rare)
        return Value(builder, result, usual.kind)

    return by_lanes(f"rare_{name}", guarded)


# -- vectors of the machine's own length -------------------------------------------------------------------------------


def _lane_numbers(start: int, count: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(_WORD, count), list(range(start, start + count)))


def in_length(x: Sequence[Value], lanes: int, emit: Callable[..., Value]) -> Value:
    """What `emit` writes of vectors of so many lanes, for operands of any number of lanes: padded, or in halves."""
    builder, given = x[0].builder, x[0].kind.lanes
    if given == lanes:
        return emit(*x)
    if given > lanes:
        halves = [
            in_length([_shuffled(each, start, given // 2) for each in x], lanes, emit) for start in (0, given // 2)
        ]
        joined = builder.shuffle_vector(halves[0].raw, halves[1].raw, _lane_numbers(0, given))
        return Value(builder, joined, halves[0].kind.in_lanes(given))
    if given == 1:
        padded = [_inserted(each, lanes) for each in x]
        result = emit(*padded)
        return Value(builder, builder.extract_element(result.raw, _WORD(0)), result.kind.in_lanes(1))
    # The operand's lanes again and again: repeats of its last one, LLVM 22 permutes by a wrong index.
    numbers = ir.Constant(ir.VectorType(_WORD, lanes), [k % given for k in range(lanes)])
    padded = [
        Value(builder, builder.shuffle_vector(each.raw, each.raw, numbers), each.kind.in_lanes(lanes)) for each in x
    ]
    return _shuffled(emit(*padded), 0, given)


def _shuffled(x: Value, start: int, count: int) -> Value:
    """Some lanes of a vector, one after the other."""
    builder = x.builder
    if count == 1:
        return Value(builder, builder.extract_element(x.raw, _WORD(start)), x.kind.in_lanes(1))
    return Value(builder, builder.shuffle_vector(x.raw, x.raw, _lane_numbers(start, count)), x.kind.in_lanes(count))


def _inserted(x: Value, lanes: int) -> Value:
    kind = x.kind.in_lanes(lanes)
    empty = ir.Constant(kind.ir, ir.Undefined)
    return Value(x.builder, x.builder.insert_element(empty, x.raw, _WORD(0)), kind)


# -- tables ------------------------------------------------------------------------------------------------------------


def table(name: str, entries: dict[Kind, Sequence[float]]) -> Callable[[Value], Value]:
    """An emitter of the entry of a table whose number stands in the lowest bits of an integer.

    Args:
        name: of the table.
        entries: by the kind of float; so many that they fit in one or two of AVX-512's registers, a power of two.
    """

    def kind_of(index: Kind) -> Kind:
        return FLOAT32 if index.bits == 32 else FLOAT64

    def emit(index: Value) -> Value:
        kind = kind_of(index.kind)
        numbers = entries[kind]
        if HAS_AVX512:
            return in_length([index], 512 // kind.bits, lambda index: _permuted(index, kind, numbers))
        return _loaded(index, kind, numbers, f"{name}.{kind.bits}")

    return by_lanes(f"table_{name}", emit, kind_of)


def _permuted(index: Value, kind: Kind, numbers: Sequence[float]) -> Value:
    """By permuting the lanes of one or two registers that hold the table."""
    lanes = index.kind.lanes
    kind = kind.in_lanes(lanes)

    def register(start: int) -> Value:
        values = [ir.Constant(kind.element, numbers[(start + k) % len(numbers)]) for k in range(lanes)]
        return Value(index.builder, ir.Constant(kind.ir, values), kind)

    if len(numbers) <= lanes:
        suffix = "sf" if kind.bits == 32 else "df"
        return register(0).call_named(f"llvm.x86.avx512.permvar.{suffix}.512", index.raw)
    suffix = "ps" if kind.bits == 32 else "pd"
    return register(0).call_named(f"llvm.x86.avx512.vpermi2var.{suffix}.512", index.raw, register(lanes))


def _loaded(index: Value, kind: Kind, numbers: Sequence[float], name: str) -> Value:
    """By loads from memory."""
    return gathered(index & (len(numbers) - 1), kind, numbers, name)


def gathered(index: Value, kind: Kind, numbers: Sequence[float], name: str) -> Value:
    """The entries of a table in memory, of any length, with these numbers; the name is the table's."""
    builder, lanes = index.builder, index.kind.lanes
    module, kind = builder.module, kind.in_lanes(index.kind.lanes)
    place = module.globals.get(f"table.{name}")
    if place is None:
        content = ir.Constant(ir.ArrayType(kind.element, len(numbers)), [ir.Constant(kind.element, x) for x in numbers])
        place = ir.GlobalVariable(module, content.type, f"table.{name}")
        place.initializer, place.global_constant, place.linkage = content, True, "internal"
    if lanes == 1:
        entry = builder.gep(place, [ir.Constant(index.kind.ir, 0), index.raw], inbounds=True)
        return Value(builder, builder.load(entry), kind)
    address = builder.ptrtoint(place, ir.IntType(64))
    wide = index if index.kind.bits == 64 else index.convert("zext", UNSIGNED[64])
    start = builder.insert_element(ir.Constant(wide.kind.ir, ir.Undefined), address, _WORD(0))
    starts = builder.shuffle_vector(start, start, ir.Constant(ir.VectorType(_WORD, lanes), [0] * lanes))
    places = builder.add(starts, (wide * (kind.bits // 8)).raw)
    pointers = builder.inttoptr(places, ir.VectorType(ir.PointerType(), lanes))
    everywhere = ir.Constant(ir.VectorType(ir.IntType(1), lanes), [ir.Constant(ir.IntType(1), 1)] * lanes)
    function_type = ir.FunctionType(kind.ir, [pointers.type, everywhere.type, kind.ir])
    function_name = f"llvm.masked.gather.{kind.suffix}.v{lanes}p0"
    function = module.globals.get(function_name) or ir.Function(module, function_type, function_name)
    return Value(builder, builder.call(function, [pointers, everywhere, ir.Constant(kind.ir, ir.Undefined)]), kind)


# -- control flow ------------------------------------------------------------------------------------------------------


def any_lane(condition: Value) -> ir.Value:
    """Whether a condition holds in any lane, for a branch."""
    lanes = condition.kind.lanes
    if lanes <= 1:
        return condition.raw
    bits = condition.builder.bitcast(condition.raw, ir.IntType(lanes))
    return condition.builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))


def repeated(
    state: Sequence[Value], goes_on: Callable[..., Value], step: Callable[..., Sequence[Value]]
) -> tuple[Value, ...]:
    """The state after as many steps as any lane asks for; the others must not change by more of them."""
    builder = state[0].builder
    before = builder.block
    head, body, after = (builder.append_basic_block(part) for part in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    phis = [builder.phi(each.kind.ir) for each in state]
    current = [Value(builder, phi, each.kind) for phi, each in zip(phis, state, strict=True)]
    builder.cbranch(any_lane(goes_on(*current)), body, after)
    builder.position_at_end(body)
    changed = step(*current)
    for phi, first, later in zip(phis, state, changed, strict=True):
        phi.add_incoming(first.raw, before)
        phi.add_incoming(later.raw, builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    return tuple(current)
