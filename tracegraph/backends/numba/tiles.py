"""Intrinsics of contractions: short vectors between memory and registers, and the product of two packed panels.

Addresses are int64 and untyped, because a kernel computes them from tables; what these read and write LLVM must suppose to
overlap. Vectors are LLVM's own, of as many lanes as the caller says, so one text serves AVX-512, AVX2 and NEON. Like
`intrinsics` it imports numba and is imported by `jit` alone.
"""

# mypy: disable-error-code="untyped-decorator"
# (numba gives its decorators no types)

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.errors import TypingError
from numba.core.typing.templates import Signature
from numba.extending import intrinsic

from .intrinsics import TABLE, WORD, Builder, Typed, Values
from .loader import host_cpu

INT = ir.IntType(32)
BIT = ir.IntType(1)
#: Vector registers that the loop over a tile's terms must leave for there to be another loop around it.
SPARE = 2
#: How many terms ahead of their use what is packed is fetched.
PIPELINE = 16


def _element(dtype: Any) -> ir.Type:
    if not isinstance(dtype, types.NumberClass) or dtype.dtype not in (types.float32, types.float64):
        raise TypingError(f"a vector was asked for of {dtype}, expected float32 or float64")
    return ir.FloatType() if dtype.dtype == types.float32 else ir.DoubleType()


def _size(element: ir.Type) -> int:
    return 4 if element == ir.FloatType() else 8


def _suffix(vector: ir.VectorType) -> str:
    return f"v{vector.count}f{8 * _size(vector.element)}"


def _literal(given: Any, what: str) -> int:
    if not isinstance(given, types.IntegerLiteral):
        raise TypingError(f"{what} was given as {given}, expected a literal integer")
    return int(given.literal_value)


def _constant(vector: ir.VectorType, values: Sequence[Any]) -> ir.Constant:
    return ir.Constant(vector, [ir.Constant(vector.element, value) for value in values])


def _zero(vector: ir.VectorType) -> ir.Constant:
    return _constant(vector, [0.0] * vector.count)


def _at(builder: Builder, address: ir.Value, offset: int | ir.Value, kind: ir.Type) -> ir.Value:
    """The place of a value of a type at some bytes from an address."""
    if isinstance(offset, int):
        offset = ir.Constant(WORD, offset)
    return builder.inttoptr(builder.add(address, offset), kind.as_pointer())


def _load(builder: Builder, address: ir.Value, offset: int | ir.Value, kind: ir.Type) -> ir.Value:
    """A vector or a number at any address; nothing is supposed about its alignment beyond an element's."""
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    return builder.load(_at(builder, address, offset, kind), align=_size(element))


def _store(builder: Builder, address: ir.Value, offset: int | ir.Value, value: ir.Value) -> None:
    element = value.type.element if isinstance(value.type, ir.VectorType) else value.type
    builder.store(value, _at(builder, address, offset, value.type), align=_size(element))


def _mask(builder: Builder, count: ir.Value, lanes: int) -> ir.Value:
    """Which of the lanes come before a count."""
    numbers = ir.VectorType(INT, lanes)
    given = _splat(builder, builder.trunc(count, INT), lanes)
    return builder.icmp_signed("<", _constant(numbers, range(lanes)), given)


def _splat(builder: Builder, value: ir.Value, lanes: int) -> ir.Value:
    vector = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(INT, 0))
    zeros = _constant(ir.VectorType(INT, lanes), [0] * lanes)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), zeros)


def _masked_load(
    builder: Builder, address: ir.Value, offset: int | ir.Value, vector: ir.VectorType, mask: ir.Value
) -> ir.Value:
    place = _at(builder, address, offset, vector)
    kind = ir.FunctionType(vector, [place.type, INT, mask.type, vector])
    function = _declared(builder, f"llvm.masked.load.{_suffix(vector)}.p0", kind)
    return builder.call(function, [place, ir.Constant(INT, _size(vector.element)), mask, _zero(vector)])


def _masked_store(builder: Builder, address: ir.Value, offset: int | ir.Value, value: ir.Value, mask: ir.Value) -> None:
    place = _at(builder, address, offset, value.type)
    kind = ir.FunctionType(ir.VoidType(), [value.type, place.type, INT, mask.type])
    function = _declared(builder, f"llvm.masked.store.{_suffix(value.type)}.p0", kind)
    builder.call(function, [value, place, ir.Constant(INT, _size(value.type.element)), mask])


def _prefetch(builder: Builder, address: ir.Value, *, is_written: bool, level: int = 1) -> None:
    place = builder.inttoptr(address, ir.IntType(8).as_pointer())
    kind = ir.FunctionType(ir.VoidType(), [place.type, INT, INT, INT])
    function = _declared(builder, "llvm.prefetch.p0", kind)
    builder.call(function, [place, *(ir.Constant(INT, n) for n in (int(is_written), 4 - level, 1))])


def _declared(builder: Builder, name: str, kind: ir.FunctionType) -> ir.Function:
    """An LLVM intrinsic by its full name."""
    module = builder.module
    return module.globals[name] if name in module.globals else ir.Function(module, kind, name)


def _transposed(builder: Builder, lines: list[ir.Value]) -> list[ir.Value]:
    """The transpose of as many vectors as they have lanes, by halves: each stage swaps the off-diagonal blocks of pairs."""
    count = len(lines)
    numbers, half = ir.VectorType(INT, count), count // 2
    while half:
        low = [k if not k & half else k - half + count for k in range(count)]
        high = [k + half if not k & half else k + count for k in range(count)]
        following = list(lines)
        for k in range(count):
            if not k & half:
                pair = lines[k], lines[k + half]
                following[k] = builder.shuffle_vector(*pair, _constant(numbers, low))
                following[k + half] = builder.shuffle_vector(*pair, _constant(numbers, high))
        lines = following
        half //= 2
    return lines


def _multiply_add(builder: Builder, x: ir.Value, y: ir.Value, total: ir.Value) -> ir.Value:
    if {"+fma", "+neon"} & set(host_cpu()[1].split(",")):
        kind = ir.FunctionType(total.type, [total.type] * 3)
        return builder.call(_declared(builder, f"llvm.fma.{_suffix(total.type)}", kind), [x, y, total])
    return builder.fadd(builder.fmul(x, y), total)


@contextmanager
def _counted(
    builder: Builder, count: ir.Value, carried: Sequence[ir.Value]
) -> Iterator[tuple[ir.Value, list[ir.Value], list[ir.Value]]]:
    """A loop over a count: gives its index, the carried values, and a list to put the next ones in.

    Afterwards that list holds the values that came out.
    """
    before = builder.block
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(WORD)
    index.add_incoming(ir.Constant(WORD, 0), before)
    now = [builder.phi(value.type) for value in carried]
    for phi, value in zip(now, carried, strict=True):
        phi.add_incoming(value, before)
    builder.cbranch(builder.icmp_signed("<", index, count), body, after)
    builder.position_at_end(body)
    following: list[ir.Value] = []
    yield index, list(now), following
    for phi, value in zip(now, following, strict=True):
        phi.add_incoming(value, builder.block)
    index.add_incoming(builder.add(index, ir.Constant(WORD, 1)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)
    following[:] = now


@intrinsic
def get(typing: Any, dtype: Any, address: Any) -> Typed:
    """`get(dtype, address)`: the number at an address."""
    element = _element(dtype)

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        return _load(builder, values[1], 0, element)

    return dtype.dtype(dtype, types.int64), generate


@intrinsic
def put(typing: Any, dtype: Any, address: Any, value: Any) -> Typed:
    """`put(dtype, address, value)`: write a number to an address."""
    _element(dtype)

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        _store(builder, values[1], 0, values[2])
        return context.get_dummy_value()

    return types.void(dtype, types.int64, dtype.dtype), generate


@intrinsic(prefer_literal=True)
def prefetch(typing: Any, address: Any) -> Typed:
    """`prefetch(address)`: the cache line of an address will be read soon."""

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        _prefetch(builder, values[0], is_written=False)
        return context.get_dummy_value()

    return types.void(types.int64), generate


@intrinsic(prefer_literal=True)
def copy_lanes(typing: Any, dtype: Any, lanes: Any, target: Any, source: Any, count: Any) -> Typed:
    """`copy_lanes(dtype, lanes, target, source, count)`: copy up to `lanes` numbers from one address to another."""
    vector = ir.VectorType(_element(dtype), _literal(lanes, "lanes"))

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        _, _, target, source, count = values
        with builder.if_else(builder.icmp_signed("<", count, ir.Constant(WORD, vector.count))) as (some, whole):
            with some:
                mask = _mask(builder, count, vector.count)
                _masked_store(builder, target, 0, _masked_load(builder, source, 0, vector, mask), mask)
            with whole:
                _store(builder, target, 0, _load(builder, source, 0, vector))
        return context.get_dummy_value()

    return types.void(dtype, lanes, types.int64, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def copy_pairs(typing: Any, dtype: Any, lanes: Any, target: Any, source: Any, count: Any) -> Typed:
    """`copy_pairs(dtype, lanes, target, source, count)`: the same of every other number; none behind the last is read."""
    vector = ir.VectorType(_element(dtype), _literal(lanes, "lanes"))
    length = vector.count
    evens = _constant(ir.VectorType(INT, length), range(0, 2 * length, 2))

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        _, _, target, source, count = values
        there = builder.sub(builder.add(count, count), ir.Constant(WORD, 1))
        halves = []
        for start in (0, length):
            mask = _mask(builder, builder.sub(there, ir.Constant(WORD, start)), length)
            halves.append(_masked_load(builder, source, start * _size(vector.element), vector, mask))
        found = builder.shuffle_vector(*halves, evens)
        _masked_store(builder, target, 0, found, _mask(builder, count, length))
        return context.get_dummy_value()

    return types.void(dtype, lanes, types.int64, types.int64, types.int64), generate


@intrinsic(prefer_literal=True)
def write_lanes(typing: Any, dtype: Any, lanes: Any, target: Any, source: Any, count: Any, is_added: Any) -> Typed:
    """`write_lanes(dtype, lanes, target, source, count, is_added)`: the same, or add them to what is there."""
    vector = ir.VectorType(_element(dtype), _literal(lanes, "lanes"))

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        _, _, target, source, count, is_added = values
        mask = _mask(builder, count, vector.count)
        value = _masked_load(builder, source, 0, vector, mask)
        with builder.if_else(is_added) as (more, first):
            with more:
                total = builder.fadd(value, _masked_load(builder, target, 0, vector, mask))
                _masked_store(builder, target, 0, total, mask)
            with first:
                _masked_store(builder, target, 0, value, mask)
        return context.get_dummy_value()

    return types.void(dtype, lanes, types.int64, types.int64, types.int64, types.boolean), generate


@intrinsic(prefer_literal=True)
def transpose_lanes(
    typing: Any, dtype: Any, lanes: Any, width: Any, step: Any, target: Any, source: Any, rows: Any, count: Any
) -> Typed:
    """`transpose_lanes(dtype, lanes, width, step, target, source, rows, count)`: the transpose of a small block.

    Line k of the result, for k below `count` (at most `lanes`), is at `target + k * step`: the `width` numbers (at most
    `lanes`) number k of the rows whose places, in bytes from `source`, stand in the table `rows`.
    """
    vector = ir.VectorType(_element(dtype), _literal(lanes, "lanes"))
    breadth, stride = _literal(width, "width"), _literal(step, "step")

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        target, source, rows, count = values[4:]
        places = [builder.add(source, builder.load(builder.gep(rows, [ir.Constant(WORD, k)]))) for k in range(breadth)]
        all_lanes = _constant(ir.VectorType(BIT, vector.count), [k < breadth for k in range(vector.count)])

        def write(k: int, line: ir.Value) -> None:
            if breadth < vector.count:
                _masked_store(builder, target, k * stride, line, all_lanes)
            else:
                _store(builder, target, k * stride, line)

        rest = [_zero(vector)] * (vector.count - breadth)
        mask = _mask(builder, count, vector.count)
        lines = _transposed(builder, [_masked_load(builder, place, 0, vector, mask) for place in places] + rest)
        for k, line in enumerate(lines):
            with builder.if_then(builder.icmp_signed("<", ir.Constant(WORD, k), count)):
                write(k, line)
        return context.get_dummy_value()

    return types.void(dtype, lanes, width, step, types.int64, types.int64, TABLE, types.int64), generate


@intrinsic(prefer_literal=True)
def multiply_tile(
    typing: Any, dtype: Any, lanes: Any, rows: Any, vectors: Any,
    a: Any, b: Any, depth: Any, c: Any, places: Any, m: Any, n: Any, is_added: Any, ahead: Any, step: Any,
) -> Typed:  # fmt: skip
    """`multiply_tile(dtype, lanes, rows, vectors, a, b, depth, c, places, m, n, is_added, ahead, step)`: a product's tile.

    The tile is `rows` by `vectors * lanes` and stays in registers. For each k below `depth` the panel `a` holds one number
    for each row and the panel `b` one for each column. Of the result the first m rows and n columns are stored (or added
    to what is there): row i at `c + places[i]`. What lies at `ahead + k * step` arrives in the second-level cache meanwhile.
    """
    vector = ir.VectorType(_element(dtype), _literal(lanes, "lanes"))
    height, across = _literal(rows, "rows"), _literal(vectors, "vectors")
    size, count = _size(vector.element), vector.count
    line = size * count
    features = set(host_cpu()[1].split(","))
    registers = 32 if {"+avx512f", "+neon"} & features else 16

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        a, b, depth, c, places, m, n, is_added, ahead, step = values[4:]

        def multiplied(first: ir.Value, terms: ir.Value, begun: Sequence[ir.Value]) -> list[ir.Value]:
            """The sums, with some more terms."""
            a_here = builder.add(a, builder.mul(first, ir.Constant(WORD, height * size)))
            b_here = builder.add(b, builder.mul(first, ir.Constant(WORD, across * line)))
            ahead_here = builder.add(ahead, builder.mul(first, step))
            with _counted(builder, terms, begun) as (k, sums, following):
                a_now = builder.add(a_here, builder.mul(k, ir.Constant(WORD, height * size)))
                b_now = builder.add(b_here, builder.mul(k, ir.Constant(WORD, across * line)))
                _prefetch(builder, builder.add(ahead_here, builder.mul(k, step)), is_written=False, level=2)
                columns = [_load(builder, b_now, v * line, vector) for v in range(across)]
                for i in range(height):
                    number = _splat(builder, _load(builder, a_now, i * size, vector.element), count)
                    following += [
                        _multiply_add(builder, number, columns[v], sums[i * across + v]) for v in range(across)
                    ]
            return following

        def expect(row: ir.Value) -> None:
            """What is added to, or overwritten, arrives while the tile is computed."""
            place = builder.add(c, builder.load(builder.gep(places, [row])))
            for offset in range(0, across * line, 64):
                _prefetch(builder, builder.add(place, ir.Constant(WORD, offset)), is_written=True)

        zeros, zero, rows_all = [_zero(vector)] * (height * across), ir.Constant(WORD, 0), ir.Constant(WORD, height)
        if height * across + across + 1 > registers - SPARE:
            for i in range(height):
                expect(ir.Constant(WORD, i))
            following = multiplied(zero, depth, zeros)
        else:  # row by row between terms, for a core waits for few lines of memory at once
            share = builder.sdiv(builder.add(depth, ir.Constant(WORD, height - 1)), rows_all)
            with _counted(builder, rows_all, zeros) as (row, begun, following):
                expect(row)
                first = builder.mul(row, share)
                left = builder.sub(depth, first)
                terms = builder.select(builder.icmp_signed("<", left, share), left, share)
                following += multiplied(first, terms, begun)
        sums = following

        def place_of(row: int) -> ir.Value:
            return builder.add(c, builder.load(builder.gep(places, [ir.Constant(WORD, row)])))

        def whole() -> None:
            """Without masks, and all of it is loaded before any is stored."""
            before, places_of_rows = builder.block, [place_of(i) for i in range(height)]
            with builder.if_then(is_added):
                added = [
                    builder.fadd(value, _load(builder, places_of_rows[at // across], at % across * line, vector))
                    for at, value in enumerate(sums)
                ]
                inside = builder.block
            totals = [builder.phi(vector) for _ in sums]
            for phi, value, more in zip(totals, sums, added, strict=True):
                phi.add_incoming(value, before)
                phi.add_incoming(more, inside)
            for at, total in enumerate(totals):
                _store(builder, places_of_rows[at // across], at % across * line, total)

        def some() -> None:
            masks = [_mask(builder, builder.sub(n, ir.Constant(WORD, v * count)), count) for v in range(across)]
            every = _splat(builder, is_added, count)
            for i in range(height):
                with builder.if_then(builder.icmp_signed("<", ir.Constant(WORD, i), m)):
                    place = place_of(i)
                    for v, value in enumerate(sums[i * across : (i + 1) * across]):
                        old = _masked_load(builder, place, v * line, vector, builder.and_(masks[v], every))
                        _masked_store(builder, place, v * line, builder.fadd(value, old), masks[v])

        is_some = builder.or_(
            builder.icmp_signed("<", m, rows_all), builder.icmp_signed("<", n, ir.Constant(WORD, across * count))
        )
        with builder.if_else(is_some) as (edge, inner):
            with edge:
                some()
            with inner:
                whole()
        return context.get_dummy_value()

    word = types.int64
    given = (word, word, word, word, TABLE, word, word, types.boolean, word, word)
    return types.void(dtype, lanes, rows, vectors, *given), generate


@intrinsic(prefer_literal=True)
def multiply_places(
    typing: Any, dtype: Any, lanes: Any, height: Any, vectors: Any, apart: Any, pitch: Any,
    x: Any, offsets: Any, w: Any, depth: Any, c: Any, pace: Any, m: Any, low: Any, high: Any, ahead: Any,
) -> Typed:  # fmt: skip
    """`multiply_places(dtype, lanes, height, vectors, apart, pitch, x, offsets, w, depth, c, pace, m, low, high, ahead)`: a
    tile of a product one operand of which is read where it lies.

    The tile is `vectors * lanes` rows by `height` columns, and each column stays in registers as vectors. For each k below
    `depth` column j takes the number at `x + offsets[k] + j * apart` times the vectors at `w + k * pitch`. Of the result the
    first m rows are stored, columns `low` to `high` of them, rows `pace` bytes apart from `c` on. What lies `ahead` behind
    the numbers arrives in the first-level cache meanwhile.
    """
    vector = ir.VectorType(_element(dtype), _literal(lanes, "lanes"))
    down, across, spacing = _literal(height, "height"), _literal(vectors, "vectors"), _literal(apart, "apart")
    step, size, count = _literal(pitch, "pitch"), _size(vector.element), vector.count

    def generate(context: Any, builder: Builder, signature: Signature, values: Values) -> ir.Value:
        x, offsets, w, depth, c, pace, m, low, high, ahead = values[6:]

        def multiplied(
            first: ir.Value | int, last: ir.Value, begun: Sequence[ir.Value], *, expects: bool
        ) -> list[ir.Value]:
            """The sums, with some more terms; with each, if it `expects` that, a row is made ready to be written."""
            start = ir.Constant(WORD, first) if isinstance(first, int) else first
            with _counted(builder, builder.sub(last, start), begun) as (turn, sums, following):
                k = builder.add(turn, start)
                if expects:
                    place = builder.add(c, builder.mul(pace, k))
                    _prefetch(builder, builder.add(place, edge), is_written=True)
                here = builder.add(x, builder.load(builder.gep(offsets, [k])))
                terms = builder.add(w, builder.mul(k, ir.Constant(WORD, step)))
                for place in range((down - 1) * spacing, -1, -64):
                    _prefetch(
                        builder, builder.add(here, builder.add(ahead, ir.Constant(WORD, place))), is_written=False
                    )
                for v in range(across):
                    later = ir.Constant(WORD, PIPELINE * step + v * size * count)
                    _prefetch(builder, builder.add(terms, later), is_written=False)
                rows = [_load(builder, terms, v * size * count, vector) for v in range(across)]
                for j in range(down):
                    number = _splat(builder, _load(builder, here, j * spacing, vector.element), count)
                    following += [_multiply_add(builder, number, rows[v], sums[j * across + v]) for v in range(across)]
            return following

        edge = builder.mul(builder.sub(high, ir.Constant(WORD, 1)), ir.Constant(WORD, size))
        many = builder.select(builder.icmp_signed("<", m, depth), m, depth)
        following = multiplied(0, many, [_zero(vector)] * (down * across), expects=True)
        following = multiplied(many, depth, following, expects=False)
        for at in range(0, down, count):
            before, until = (builder.sub(end, ir.Constant(WORD, at)) for end in (low, high))
            mask = builder.and_(_mask(builder, until, count), builder.not_(_mask(builder, before, count)))
            for v in range(across):
                part = following[at * across + v : min(at + count, down) * across : across]
                turned = _transposed(builder, part + [_zero(vector)] * (count - len(part)))
                for i, line in enumerate(turned):
                    row = v * count + i
                    with builder.if_then(builder.icmp_signed("<", ir.Constant(WORD, row), m)):
                        place = builder.add(c, builder.mul(pace, ir.Constant(WORD, row)))
                        _masked_store(builder, place, at * size, line, mask)
        return context.get_dummy_value()

    word = types.int64
    given = (word, TABLE, word, word, word, word, word, word, word, word)
    return types.void(dtype, lanes, height, vectors, apart, pitch, *given), generate


NAMESPACE: dict[str, Any] = {
    "get": get,
    "put": put,
    "prefetch": prefetch,
    "copy_lanes": copy_lanes,
    "copy_pairs": copy_pairs,
    "write_lanes": write_lanes,
    "transpose_lanes": transpose_lanes,
    "multiply_tile": multiply_tile,
    "multiply_places": multiply_places,
}
