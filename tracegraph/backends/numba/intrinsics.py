"""Intrinsics of generated kernel source: memory, reductions, indirect calls and atomics.

What comes in: the typed calls of a kernel under compilation; what goes out: LLVM instructions built in
place of each call, with the alias metadata that lets LLVM vectorise without run-time checks. It imports
numba, so only `jit` and `vecmath` may import it, and it knows nothing of graphs, caches or threads.

A kernel reads its table `args` (int64 words) and then works on typed pointers:

    def kernel(args, lo, hi):
        x = pointer(args, 0, float32)
        out = pointer(args, 1, float32)
        for i in range(lo, hi):
            store(out, i, load(x, i) + load(x, i))

Words of the table (`args[k]`) are to be read before loops: LLVM must suppose that a store may change them.

Rules of aliasing that the caller vouches for: `load` never sees what a `store` of the same kernel wrote
(`reload` does, for its own slot), and two slots that are stored to never overlap.
"""

# mypy: disable-error-code="untyped-decorator"
# (numba gives its decorators no types)

import math
import platform
from collections.abc import Callable
from typing import Any, TypeAlias

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.core.errors import TypingError
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

Builder: TypeAlias = ir.IRBuilder
Values: TypeAlias = list[ir.Value]
Mark: TypeAlias = Callable[[ir.Instruction], None]
Typed: TypeAlias = tuple[Signature, Callable[[Any, Builder, Signature, Values], ir.Value]]

TABLE = types.CPointer(types.int64)
WORD = ir.IntType(64)
BYTE = ir.IntType(8)
#: Of memory that a kernel has of its own: that of the widest vectors.
HELD_ALIGNMENT = 64
#: Bytes of a line of the cache, at least those of the widest vector.
LINE = 64

ELEMENT_TYPES: dict[str, types.Type] = {
    "boolean": types.boolean,
    "int8": types.int8,
    "int16": types.int16,
    "int32": types.int32,
    "int64": types.int64,
    "uint8": types.uint8,
    "uint16": types.uint16,
    "uint32": types.uint32,
    "uint64": types.uint64,
    "float32": types.float32,
    "float64": types.float64,
    "complex64": types.complex64,
    "complex128": types.complex128,
}


class SlotPointer(types.Type):  # type: ignore[misc]  # numba is untyped
    """The type of a pointer to elements of `dtype` whose address stands in slot `slot` of the table."""

    def __init__(self, dtype: types.Type, slot: int) -> None:
        self.dtype = dtype
        self.slot = slot
        super().__init__(name=f"SlotPointer({dtype}, {slot})")


@register_default(SlotPointer)
class _SlotPointerModel(PrimitiveModel):  # type: ignore[misc]
    """A slot pointer is a plain address in LLVM."""

    def __init__(self, manager: Any, fe_type: SlotPointer) -> None:
        super().__init__(manager, fe_type, _storage(fe_type.dtype).as_pointer())


def _storage(dtype: types.Type) -> ir.Type:
    """The LLVM type of one stored element; a boolean is stored as a byte, a complex number as two floats."""
    if isinstance(dtype, types.Complex):
        return ir.LiteralStructType([_storage(dtype.underlying_float)] * 2)
    if isinstance(dtype, types.Float):
        return ir.FloatType() if dtype.bitwidth == 32 else ir.DoubleType()
    return BYTE if dtype == types.boolean else ir.IntType(dtype.bitwidth)


def _scope(module: ir.Module, name: str) -> ir.MDValue:
    domain = module.add_metadata(["tracegraph"])
    return module.add_metadata([name, domain])


def _store_scope(module: ir.Module, slot: int) -> ir.MDValue:
    return _scope(module, f"stored {slot}")


def _mark_loaded(builder: Builder, instruction: ir.Instruction) -> None:
    """Put an instruction in the scope that no store belongs to."""
    module = builder.module
    instruction.set_metadata("alias.scope", module.add_metadata([_scope(module, "loaded")]))


def _mark_stored(builder: Builder, instruction: ir.Instruction, slot: int) -> None:
    """Keep an instruction apart from the loads and from lower slots (higher slots name this one)."""
    module = builder.module
    others = [_scope(module, "loaded"), *(_store_scope(module, k) for k in range(slot))]
    instruction.set_metadata("alias.scope", module.add_metadata([_store_scope(module, slot)]))
    instruction.set_metadata("noalias", module.add_metadata(others))


def _element(builder: Builder, pointer: ir.Value, index: ir.Value) -> ir.Value:
    return builder.gep(pointer, [index], inbounds=True)


def _part(builder: Builder, element: ir.Value, k: int) -> ir.Value:
    """The place of the real or the imaginary part of a complex element."""
    return builder.gep(element, [ir.Constant(ir.IntType(32), 0), ir.Constant(ir.IntType(32), k)], inbounds=True)


def _width(dtype: types.Type) -> int:
    return 1 if dtype == types.boolean else int(dtype.bitwidth) // 8


def _read(context: Any, builder: Builder, dtype: types.Type, place: ir.Value, mark: Mark) -> ir.Value:
    """An element; of booleans, any byte but zero is true, as in C."""
    if isinstance(dtype, types.Complex):
        pair = ir.Constant(context.get_value_type(dtype), ir.Undefined)
        for k in range(2):
            part = _read(context, builder, dtype.underlying_float, _part(builder, place, k), mark)
            pair = builder.insert_value(pair, part, k)
        return pair
    value = builder.load(place, align=_width(dtype))
    mark(value)
    if dtype == types.boolean:
        return builder.icmp_unsigned("!=", value, ir.Constant(BYTE, 0))
    return value


def _write(builder: Builder, dtype: types.Type, place: ir.Value, value: ir.Value, mark: Mark) -> None:
    if isinstance(dtype, types.Complex):
        for k in range(2):
            part = builder.extract_value(value, k)
            _write(builder, dtype.underlying_float, _part(builder, place, k), part, mark)
        return
    if dtype == types.boolean:
        value = builder.zext(value, BYTE)
    mark(builder.store(value, place, align=_width(dtype)))


def _require_pointer(given: types.Type, function: str) -> SlotPointer:
    if not isinstance(given, SlotPointer):
        raise TypingError(f"{function}() was given {given}, expected what pointer(args, slot, dtype) gives")
    return given


@intrinsic(prefer_literal=True)
def pointer(typing: Any, args: Any, slot: Any, dtype: Any) -> Typed:
    """`pointer(args, slot, dtype)`: the typed pointer whose address is `args[slot]`; `slot` is a literal."""
    if not isinstance(slot, types.IntegerLiteral):
        raise TypingError(f"pointer() was given slot {slot}, expected a literal integer")
    if not isinstance(dtype, types.NumberClass) or dtype.dtype not in ELEMENT_TYPES.values():
        raise TypingError(f"pointer() was given dtype {dtype}, expected one of {', '.join(ELEMENT_TYPES)}")
    result = SlotPointer(dtype.dtype, slot.literal_value)

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        address = builder.load(_element(builder, values[0], ir.Constant(WORD, result.slot)))
        _mark_loaded(builder, address)
        return builder.inttoptr(address, _storage(result.dtype).as_pointer())

    return result(TABLE, slot, dtype), generate


@intrinsic(prefer_literal=True)
def hold(typing: Any, slot: Any, dtype: Any, count: Any) -> Typed:
    """`hold(slot, dtype, n)`: the typed pointer to memory of the kernel's own for n elements, in a slot of its own."""
    if not all(isinstance(each, types.IntegerLiteral) for each in (slot, count)):
        raise TypingError(f"hold() was given slot {slot} and count {count}, expected literals")
    result = SlotPointer(dtype.dtype, slot.literal_value)

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        with builder.goto_entry_block():
            memory = builder.alloca(ir.ArrayType(_storage(result.dtype), count.literal_value))
            memory.align = HELD_ALIGNMENT
        return builder.bitcast(memory, _storage(result.dtype).as_pointer())

    return result(slot, dtype, count), generate


@intrinsic
def load(typing: Any, pointer: Any, index: Any) -> Typed:
    """`load(p, i)`: element `i` of memory that this kernel does not write (or writes at `i` only later)."""
    dtype = _require_pointer(pointer, "load").dtype

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        place = _element(builder, values[0], values[1])
        return _read(context, builder, dtype, place, lambda each: _mark_loaded(builder, each))

    return dtype(pointer, types.int64), generate


@intrinsic
def reload(typing: Any, pointer: Any, index: Any) -> Typed:
    """`reload(p, i)`: element `i` of an output of this kernel, seeing what was stored to the same slot."""
    dtype, slot = _require_pointer(pointer, "reload").dtype, pointer.slot

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        place = _element(builder, values[0], values[1])
        return _read(context, builder, dtype, place, lambda each: _mark_stored(builder, each, slot))

    return dtype(pointer, types.int64), generate


@intrinsic
def store(typing: Any, pointer: Any, index: Any, value: Any) -> Typed:
    """`store(p, i, v)`: write `v`, converted to the pointer's dtype, to element `i`."""
    dtype, slot = _require_pointer(pointer, "store").dtype, pointer.slot

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        place = _element(builder, values[0], values[1])
        _write(builder, dtype, place, values[2], lambda each: _mark_stored(builder, each, slot))
        return context.get_dummy_value()

    return types.void(pointer, types.int64, dtype), generate


@intrinsic
def stream(typing: Any, pointer: Any, index: Any, value: Any) -> Typed:
    """`stream(p, i, v)`: as `store`, past the caches: of lines that are written over as a whole, nothing is read.

    Elements are written in order, from the start of a line on, which is what lets vectors be stored so.
    """
    dtype, slot = _require_pointer(pointer, "stream").dtype, pointer.slot
    if not isinstance(dtype, (types.Float, types.Integer)):
        raise TypingError(f"stream() was given a pointer to {dtype}, expected to integers or floats")

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        stored = builder.store(values[2], _element(builder, values[0], values[1]), align=LINE)
        _mark_stored(builder, stored, slot)
        stored.set_metadata("nontemporal", builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)]))
        return context.get_dummy_value()

    return types.void(pointer, types.int64, dtype), generate


@intrinsic
def begins_line(typing: Any, pointer: Any, index: Any) -> Typed:
    """`begins_line(p, i)`: whether element `i` lies at the start of a line of the cache."""
    _require_pointer(pointer, "begins_line")

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        address = builder.ptrtoint(_element(builder, values[0], values[1]), WORD)
        return builder.icmp_unsigned("==", builder.urem(address, ir.Constant(WORD, LINE)), ir.Constant(WORD, 0))

    return types.boolean(pointer, types.int64), generate


@intrinsic
def fence(typing: Any) -> Typed:
    """`fence()`: whoever sees what is written from now on sees what was streamed before."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def inside(typing: Any, index: Any, extent: Any) -> Typed:
    """`inside(i, n)`: the index counted from the start, if it is in bounds; else 0."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        place = _from_start(builder, *values)
        zero = ir.Constant(WORD, 0)
        return builder.select(builder.icmp_unsigned("<", place, values[1]), place, zero)

    return types.int64(types.int64, types.int64), generate


@intrinsic
def outside(typing: Any, index: Any, extent: Any) -> Typed:
    """`outside(i, n)`: whether an index is out of bounds."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.icmp_unsigned(">=", _from_start(builder, *values), values[1])

    return types.boolean(types.int64, types.int64), generate


def _from_start(builder: Builder, index: ir.Value, extent: ir.Value) -> ir.Value:
    """A negative index counts from the end."""
    is_negative = builder.icmp_signed("<", index, ir.Constant(WORD, 0))
    return builder.select(is_negative, builder.add(index, extent), index)


def _accumulator(name: str, operation_on_floats: str, operation_on_integers: str) -> Any:
    """An intrinsic `name(acc, v)` that LLVM may reassociate, which is what vectorises a reduction; complex sums by parts."""

    def accumulate(typing: Any, accumulator: Any, value: Any) -> Typed:
        by_parts = isinstance(accumulator, types.Complex) and name == "accumulate_add"
        if not by_parts and not isinstance(accumulator, (types.Float, types.Integer)):
            raise TypingError(f"{name}() was given {accumulator}, expected an integer or a float")

        def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
            if by_parts:
                total = values[0]
                for k in range(2):
                    parts = [builder.extract_value(each, k) for each in values]
                    total = builder.insert_value(total, builder.fadd(*parts, flags=("reassoc",)), k)
                return total
            if isinstance(accumulator, types.Float):
                return getattr(builder, operation_on_floats)(*values, flags=("reassoc", "contract"))
            return getattr(builder, operation_on_integers)(*values)

        return accumulator(accumulator, accumulator), generate

    return _named(accumulate, name, f"`{name}(acc, v)`: the next accumulator; the order of terms is free.")


def _binary(operand: ir.Type) -> ir.FunctionType:
    return ir.FunctionType(operand, [operand, operand])


def _named(implementation: Callable[..., Any], name: str, doc: str) -> Any:
    implementation.__name__ = implementation.__qualname__ = name
    implementation.__doc__ = doc
    return intrinsic(implementation)


accumulate_add = _accumulator("accumulate_add", "fadd", "add")
accumulate_mul = _accumulator("accumulate_mul", "fmul", "mul")


@intrinsic
def multiply_term(typing: Any, x: Any, y: Any) -> Typed:
    """`multiply_term(x, y)`: a product of floats that is added up: `accumulate_add` need not round it before it adds."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.fmul(*values, flags=("contract",))

    return x(x, x), generate


def _extremum(name: str, suffix: str) -> Any:
    """An intrinsic `name(acc, v)`: NaN wins, as in `np.maximum`, and -0.0 is below 0.0."""

    def accumulate(typing: Any, accumulator: Any, value: Any) -> Typed:
        if not isinstance(accumulator, (types.Float, types.Integer)):
            raise TypingError(f"{name}() was given {accumulator}, expected an integer or a float")

        def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
            if isinstance(accumulator, types.Float):
                stem = f"llvm.{suffix}imum"
            else:
                stem = f"llvm.{'s' if accumulator.signed else 'u'}{suffix}"
            function = builder.module.declare_intrinsic(stem, [values[0].type], _binary(values[0].type))
            return builder.call(function, values)

        return accumulator(accumulator, accumulator), generate

    return _named(accumulate, name, f"`{name}(acc, v)`: the {suffix}imum of both; NaN if either is NaN.")


accumulate_max = _extremum("accumulate_max", "max")
accumulate_min = _extremum("accumulate_min", "min")


def _peak(name: str, comparison: str) -> Any:
    """An intrinsic `name(acc, v)`: one instruction, and any value at all if either is NaN, which `note_nan` is there for."""

    def accumulate(typing: Any, accumulator: Any, value: Any) -> Typed:
        if not isinstance(accumulator, types.Float):
            raise TypingError(f"{name}() was given {accumulator}, expected a float")

        def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
            flags = ("nnan", "nsz")
            is_better = builder.fcmp_ordered(comparison, values[1], values[0], flags=flags)
            return builder.select(is_better, values[1], values[0], flags=flags)

        return accumulator(accumulator, accumulator), generate

    return _named(accumulate, name, f"`{name}(acc, v)`: the more extreme of two numbers that are not NaN.")


peak_max = _peak("peak_max", ">")
peak_min = _peak("peak_min", "<")


@intrinsic
def note_nan(typing: Any, noted: Any, value: Any) -> Typed:
    """`note_nan(noted, v)`: not zero from the first NaN on."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        is_nan = builder.fcmp_unordered("uno", values[1], values[1])
        return builder.or_(values[0], builder.zext(is_nan, values[0].type))

    return noted(noted, value), generate


@intrinsic
def nan_if(typing: Any, noted: Any, value: Any) -> Typed:
    """`nan_if(noted, v)`: NaN if one was noted, else the value."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        is_noted = builder.icmp_unsigned("!=", values[0], ir.Constant(values[0].type, 0))
        return builder.select(is_noted, ir.Constant(values[1].type, math.nan), values[1])

    return value(noted, value), generate


@intrinsic
def call_kernel(typing: Any, address: Any, args: Any, lo: Any, hi: Any) -> Typed:
    """`call_kernel(address, args, lo, hi)`: call the kernel at `address` on the table at address `args`."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        kernel = ir.FunctionType(ir.VoidType(), [WORD, WORD, WORD])
        builder.call(builder.inttoptr(values[0], kernel.as_pointer()), values[1:])
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int64), generate


@intrinsic
def table(typing: Any, address: Any) -> Typed:
    """`table(address)`: the int64 words at an address, indexed like `args`."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.inttoptr(values[0], WORD.as_pointer())

    return TABLE(types.int64), generate


@intrinsic
def address_of(typing: Any, words: Any) -> Typed:
    """`address_of(args)`: the address of a table as an int64."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.ptrtoint(values[0], WORD)

    return types.int64(TABLE), generate


@intrinsic
def float_from_word(typing: Any, word: Any) -> Typed:
    """`float_from_word(word)`: the float64 whose bits a word of a table holds."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.bitcast(values[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def call_c(typing: Any, address: Any, arguments: Any) -> Typed:
    """`call_c(address, (a, b, ...))`: call a C function with arguments as typed here; gives an int64."""
    if not isinstance(arguments, types.BaseTuple):
        raise TypingError(f"call_c() was given arguments {arguments}, expected a tuple")

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        operands = [builder.extract_value(values[1], k) for k in range(len(arguments))]
        function = ir.FunctionType(WORD, [operand.type for operand in operands])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), operands)

    return types.int64(types.int64, arguments), generate


def _word(builder: Builder, values: Values) -> ir.Value:
    """The place of word `index` in a table, for the atomics that follow; all are sequentially consistent."""
    return _element(builder, values[0], values[1])


@intrinsic
def atomic_load(typing: Any, words: Any, index: Any) -> Typed:
    """`atomic_load(words, index)`: the word, as last stored by any thread."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.load_atomic(_word(builder, values), "seq_cst", align=8)

    return types.int64(TABLE, types.int64), generate


@intrinsic
def atomic_store(typing: Any, words: Any, index: Any, value: Any) -> Typed:
    """`atomic_store(words, index, value)`: every earlier write is seen by whoever sees this one."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        builder.store_atomic(values[2], _word(builder, values), "seq_cst", align=8)
        return context.get_dummy_value()

    return types.void(TABLE, types.int64, types.int64), generate


@intrinsic
def atomic_add(typing: Any, words: Any, index: Any, value: Any) -> Typed:
    """`atomic_add(words, index, value)`: add to the word; its former value comes back."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return builder.atomic_rmw("add", _word(builder, values), values[2], "seq_cst")

    return types.int64(TABLE, types.int64, types.int64), generate


@intrinsic
def atomic_replace(typing: Any, words: Any, index: Any, expected: Any, value: Any) -> Typed:
    """`atomic_replace(words, index, expected, value)`: store if the word is as expected; whether it was."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        outcome = builder.cmpxchg(_word(builder, values), values[2], values[3], "seq_cst", "seq_cst")
        return builder.extract_value(outcome, 1)

    return types.boolean(TABLE, types.int64, types.int64, types.int64), generate


_X86_PAUSE = ("llvm.x86.sse2.pause", ())
_ARM_PAUSE = ("llvm.aarch64.isb", (15,))
_PAUSES: dict[str, tuple[str, tuple[int, ...]]] = {
    "x86_64": _X86_PAUSE,
    "AMD64": _X86_PAUSE,
    "aarch64": _ARM_PAUSE,
    "arm64": _ARM_PAUSE,
}


@intrinsic
def pause(typing: Any) -> Typed:
    """`pause()`: tell the CPU that this thread spins, where there is an instruction for it."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        if platform.machine() in _PAUSES:
            name, operands = _PAUSES[platform.machine()]
            words = [ir.Constant(ir.IntType(32), operand) for operand in operands]
            kind = ir.FunctionType(ir.VoidType(), [word.type for word in words])
            builder.call(builder.module.declare_intrinsic(name, (), kind), words)
        return context.get_dummy_value()

    return types.void(), generate


def _order_key(name: str, description: str, *, is_tie: bool) -> Any:
    """An intrinsic that makes an integer of an element, such that integers are in the order in which NumPy sorts."""

    def key(typing: Any, value: Any) -> Typed:
        if value not in ELEMENT_TYPES.values() or isinstance(value, types.Complex):
            raise TypingError(f"{name}() was given {value}, expected a number that is not complex")

        def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
            (x,) = values
            if isinstance(value, types.Float):
                return _float_key(builder, x, value.bitwidth, is_tie=is_tie)
            if value == types.boolean:
                return builder.zext(builder.trunc(x, ir.IntType(1)), WORD)
            if value == types.uint64:
                return builder.xor(x, ir.Constant(WORD, 1 << 63))
            return builder.sext(x, WORD) if value.signed else builder.zext(x, WORD)

        return types.int64(value), generate

    return _named(key, name, description)


def _float_key(builder: Builder, x: ir.Value, bits: int, *, is_tie: bool) -> ir.Value:
    """The bits of a float, those but the sign turned over where it is negative; NaN last."""
    word = ir.IntType(bits)
    if is_tie:
        x = builder.fadd(x, ir.Constant(x.type, 0.0))
    raw = builder.bitcast(x, word)
    sign = builder.ashr(raw, ir.Constant(word, bits - 1))
    turned = builder.xor(raw, builder.lshr(sign, ir.Constant(word, 1)))
    last = ir.Constant(word, 0x7FC00000 if bits == 32 else 0x7FF8 << 48)
    key = builder.select(builder.fcmp_unordered("uno", x, x), last, turned)
    return key if bits == 64 else builder.sext(key, WORD)


order_key = _order_key("order_key", "`order_key(x)`: an int64 in the order of sorting; -0.0 before 0.0.", is_tie=False)
tie_key = _order_key("tie_key", "`tie_key(x)`: the same, but -0.0 and 0.0 have one key.", is_tie=True)


@intrinsic
def of_order_key(typing: Any, key: Any, dtype: Any) -> Typed:
    """`of_order_key(key, dtype)`: the element that has an order key; a NaN for that of NaNs."""
    if not isinstance(dtype, types.NumberClass):
        raise TypingError(f"of_order_key() was given dtype {dtype}, expected one of {', '.join(ELEMENT_TYPES)}")
    result = dtype.dtype

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        (raw, _) = values
        if result == types.boolean:
            return builder.zext(builder.trunc(raw, ir.IntType(1)), context.get_value_type(result))
        if result == types.uint64:
            return builder.xor(raw, ir.Constant(WORD, 1 << 63))
        word = ir.IntType(result.bitwidth)
        raw = raw if result.bitwidth == 64 else builder.trunc(raw, word)
        if not isinstance(result, types.Float):
            return raw
        sign = builder.ashr(raw, ir.Constant(word, result.bitwidth - 1))
        return builder.bitcast(
            builder.xor(raw, builder.lshr(sign, ir.Constant(word, 1))), context.get_value_type(result)
        )

    return result(types.int64, dtype), generate


NAMESPACE: dict[str, Any] = {
    "order_key": order_key,
    "tie_key": tie_key,
    "of_order_key": of_order_key,
    **ELEMENT_TYPES,
    "pointer": pointer,
    "hold": hold,
    "load": load,
    "reload": reload,
    "store": store,
    "stream": stream,
    "begins_line": begins_line,
    "fence": fence,
    "inside": inside,
    "outside": outside,
    "accumulate_add": accumulate_add,
    "accumulate_mul": accumulate_mul,
    "multiply_term": multiply_term,
    "accumulate_max": accumulate_max,
    "accumulate_min": accumulate_min,
    "peak_max": peak_max,
    "peak_min": peak_min,
    "note_nan": note_nan,
    "nan_if": nan_if,
    "call_kernel": call_kernel,
    "table": table,
    "address_of": address_of,
    "float_from_word": float_from_word,
    "call_c": call_c,
    "atomic_load": atomic_load,
    "atomic_store": atomic_store,
    "atomic_add": atomic_add,
    "atomic_replace": atomic_replace,
    "pause": pause,
}
