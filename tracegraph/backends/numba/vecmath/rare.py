"""Rare cases by C's scalar functions, without giving up vector loops: a condition and operands come in, the value of the
C function where the condition holds goes out, and nothing of use elsewhere.

The call is to a scalar function that names its vector variants in LLVM's attribute `vector-function-abi-variant`, so
that the loop vectoriser calls those. A variant tests whether any lane is concerned, and goes on to the halves of the
vector, down to calls of C's function, only if so: the common case costs a call and a test. It knows nothing of Numba.
"""

from __future__ import annotations

from llvmlite import ir

from .value import Value, select

# A loop that also handles wider or narrower dtypes may have vectors of any of these lengths.
_LANES = (2, 4, 8, 16, 32)
_INDEX = ir.IntType(32)


def rarely(function: str, condition: Value, x: Value, *others: Value) -> Value:
    """C's `function(x, ...)` where the condition holds, which must imply that x is not 0."""
    name = function + ("f" if x.kind.bits == 32 else "")
    marked = select(condition, x, 0.0)
    scalar = _scalar(x.builder.module, name, x.kind.ir, 1 + len(others))
    return Value(x.builder, x.builder.call(scalar, [marked.raw, *(other.raw for other in others)]), x.kind)


def _scalar(module: ir.Module, name: str, element: ir.Type, arity: int) -> ir.Function:
    """The function that loops call for one element; it goes through the widest variant, which keeps all alive."""
    known = module.globals.get(f"rare.{name}")
    if known is not None:
        return known
    kind = ir.FunctionType(element, [element] * arity)
    below = module.globals.get(name) or ir.Function(module, kind, name)
    variants = []
    for lanes in _LANES:
        below = _variant(module, f"rare.{name}.{lanes}", below, ir.VectorType(element, lanes))
        variants.append(below)
    function = ir.Function(module, kind, f"rare.{name}")
    names = (
        f"_ZGV_LLVM_N{lanes}{'v' * arity}_{function.name}({variant.name})"
        for lanes, variant in zip(_LANES, variants, strict=True)
    )
    _promise(function, f'"vector-function-abi-variant"="{",".join(names)}"')
    builder = ir.IRBuilder(function.append_basic_block())
    empty = ir.Constant(variants[-1].args[0].type, None)
    widened = [builder.insert_element(empty, operand, _INDEX(0)) for operand in function.args]
    builder.ret(builder.extract_element(builder.call(variants[-1], widened), _INDEX(0)))
    return function


def _variant(module: ir.Module, name: str, below: ir.Function, vector: ir.VectorType) -> ir.Function:
    """The function on vectors: anything if all of the first operand is 0, else that of both halves."""
    function = ir.Function(module, ir.FunctionType(vector, [vector] * len(below.args)), name)
    _promise(function)
    first = function.args[0]
    entry, rare, done = (function.append_basic_block(part) for part in ("entry", "rare", "done"))
    builder = ir.IRBuilder(entry)
    concerned = builder.bitcast(
        builder.fcmp_unordered("!=", first, ir.Constant(vector, None)), ir.IntType(vector.count)
    )
    builder.cbranch(builder.icmp_unsigned("!=", concerned, ir.Constant(concerned.type, 0)), rare, done)
    builder.position_at_end(rare)
    halves = [[_half(builder, operand, part) for operand in function.args] for part in (0, 1)]
    value = _joined(builder, vector, [builder.call(below, half) for half in halves])
    builder.branch(done)
    builder.position_at_end(done)
    result = builder.phi(vector)
    result.add_incoming(first, entry)
    result.add_incoming(value, rare)
    builder.ret(result)
    return function


def _half(builder: ir.IRBuilder, value: ir.Value, part: int) -> ir.Value:
    """The lower (0) or upper (1) half of a vector; of two elements, a scalar."""
    size = value.type.count // 2
    if size == 1:
        return builder.extract_element(value, _INDEX(part))
    return builder.shuffle_vector(value, value, _lanes(part * size, size))


def _joined(builder: ir.IRBuilder, vector: ir.VectorType, halves: list[ir.Value]) -> ir.Value:
    if vector.count == 2:
        lower = builder.insert_element(ir.Constant(vector, None), halves[0], _INDEX(0))
        return builder.insert_element(lower, halves[1], _INDEX(1))
    return builder.shuffle_vector(*halves, _lanes(0, vector.count))


def _lanes(start: int, count: int) -> ir.Constant:
    return ir.Constant(ir.VectorType(_INDEX, count), list(range(start, start + count)))


def _promise(function: ir.Function, *others: str) -> None:
    """Attributes without which a loop with a call is not vectorised; llvmlite itself knows only some of them.

    The linkage keeps C's calling convention, which LLVM changes of internal functions: calls that its vectoriser of straight
    code makes later have C's, and it takes a call by another convention for one that can't be reached.
    """
    function.linkage = "linkonce_odr"
    for attribute in ("noinline", "nounwind", "willreturn", "readnone", *others):
        set.add(function.attributes, attribute)
