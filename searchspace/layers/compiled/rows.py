"""Sums and products of rows of numbers in vector instructions, for numba to compile into loops.

A row lies at an address: `width` numbers, a multiple of LANES, like those of the (empty) array
`like`: float32, or bfloat16, which numpy does not have, as uint16. All arithmetic is in float32.
"""

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.cgutils import alloca_once_value, for_range, get_or_insert_function
from numba.extending import intrinsic

LANES = 8  # 16 are 10 % faster in bfloat16, and too many for heads of 8 channels
# Sums may be taken in any order, as torch's; nan and inf are kept.
FAST = ("contract", "nsz", "reassoc")
SHORT, INT, LONG = (ir.IntType(bits) for bits in (16, 32, 64))
SHORTS, INTS = ir.VectorType(SHORT, LANES), ir.VectorType(INT, LANES)
FLOATS = ir.VectorType(ir.FloatType(), LANES)
SUMS = types.Array(types.float32, 1, "C")
Lowered = tuple[Any, Callable[[Any, ir.IRBuilder, Any, Any], Any]]  # the signature, the code


def _every(number: int) -> ir.Constant:
    return ir.Constant(INTS, [number] * LANES)


def _splat(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    one = builder.insert_element(ir.Constant(FLOATS, ir.Undefined), number, INT(0))
    return builder.shuffle_vector(one, one, _every(0))


def _is_float32(like: Any) -> bool:
    return bool(like.dtype == types.float32)


def _place(builder: ir.IRBuilder, row: ir.Value, index: ir.Value, like: Any) -> ir.Value:
    """Return a pointer to LANES of a row's numbers, from `index` on."""
    offset = builder.mul(index, LONG(like.dtype.bitwidth // 8))
    kind = FLOATS if _is_float32(like) else SHORTS
    return builder.inttoptr(builder.add(row, offset), kind.as_pointer())


def _load(builder: ir.IRBuilder, row: ir.Value, index: ir.Value, like: Any) -> ir.Value:
    place = _place(builder, row, index, like)
    stored = builder.load(place, align=like.dtype.bitwidth // 8)
    if _is_float32(like):
        return stored
    return builder.bitcast(builder.shl(builder.zext(stored, INTS), _every(16)), FLOATS)


def _stored(builder: ir.IRBuilder, numbers: ir.Value, like: Any) -> ir.Value:
    """Convert numbers to a map's type: to bfloat16, rounded to the nearest, halves to even."""
    if _is_float32(like):
        return numbers
    bits = builder.bitcast(numbers, INTS)
    even = builder.and_(builder.lshr(bits, _every(16)), _every(1))
    rounded = builder.lshr(builder.add(builder.add(bits, _every(0x7FFF)), even), _every(16))
    nan = builder.fcmp_unordered("uno", numbers, numbers)  # rounding might carry into its sign
    return builder.trunc(builder.select(nan, _every(0x7FC0), rounded), SHORTS)


@intrinsic
def dot(context: Any, own: Any, theirs: Any, width: Any, like: Any) -> Lowered:
    """Sum the products of two rows."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        own, theirs, width, _ = values
        sums = alloca_once_value(builder, ir.Constant(FLOATS, [0.0] * LANES))
        with for_range(builder, builder.udiv(width, LONG(LANES))) as loop:
            index = builder.mul(loop.index, LONG(LANES))
            one, other = _load(builder, own, index, like), _load(builder, theirs, index, like)
            product = builder.fmul(one, other, flags=FAST)
            builder.store(builder.fadd(builder.load(sums), product, flags=FAST), sums)
        kind = ir.FunctionType(ir.FloatType(), [ir.FloatType(), FLOATS])
        total = get_or_insert_function(builder.module, kind, f"llvm.vector.reduce.fadd.v{LANES}f32")
        return builder.call(total, [ir.FloatType()(0.0), builder.load(sums)], fastmath=FAST)

    return types.float32(types.uint64, types.uint64, types.int64, like), lower


@intrinsic
def add(context: Any, sums: Any, weight: Any, row: Any, width: Any, like: Any) -> Lowered:
    """Add: sums += weight · row; the sums are float32."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        sums, weight, row, width, _ = values
        weights = _splat(builder, weight)
        with for_range(builder, builder.udiv(width, LONG(LANES))) as loop:
            index = builder.mul(loop.index, LONG(LANES))
            product = builder.fmul(weights, _load(builder, row, index, like), flags=FAST)
            total = builder.fadd(_load(builder, sums, index, SUMS), product, flags=FAST)
            builder.store(total, _place(builder, sums, index, SUMS), align=4)
        return context.get_dummy_value()

    return types.void(types.uint64, types.float32, types.uint64, types.int64, like), lower


@intrinsic
def scale(context: Any, target: Any, weight: Any, row: Any, width: Any, like: Any) -> Lowered:
    """Write target = weight · row past the caches, so that the old content is not read for it.

    The target's address must be a multiple of the bytes of LANES numbers.
    """

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        target, weight, row, width, _ = values
        weights, size = _splat(builder, weight), LANES * like.dtype.bitwidth // 8
        once = builder.module.add_metadata([INT(1)])
        with for_range(builder, builder.udiv(width, LONG(LANES))) as loop:
            index = builder.mul(loop.index, LONG(LANES))
            product = builder.fmul(weights, _load(builder, row, index, like), flags=FAST)
            place = _place(builder, target, index, like)
            store = builder.store(_stored(builder, product, like), place, align=size)
            store.set_metadata("nontemporal", once)
        return context.get_dummy_value()

    return types.void(types.uint64, types.float32, types.uint64, types.int64, like), lower


@intrinsic
def keep(context: Any, target: Any, sums: Any, width: Any, like: Any) -> Lowered:
    """Write target = sums; the sums are float32."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        target, sums, width, _ = values
        with for_range(builder, builder.udiv(width, LONG(LANES))) as loop:
            index = builder.mul(loop.index, LONG(LANES))
            numbers = _stored(builder, _load(builder, sums, index, SUMS), like)
            place = _place(builder, target, index, like)
            builder.store(numbers, place, align=like.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64, types.int64, like), lower


@intrinsic
def fetch(context: Any, address: Any) -> Lowered:
    """Prefetch the cache line at an address, which need not be a valid one."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        place = ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [place, INT, INT, INT])
        prefetch = builder.module.declare_intrinsic("llvm.prefetch", [place], kind)
        reading, near, data = INT(0), INT(3), INT(1)
        builder.call(prefetch, [builder.inttoptr(values[0], place), reading, near, data])
        return context.get_dummy_value()

    return types.void(types.uint64), lower


@intrinsic
def finish(context: Any) -> Lowered:
    """Fence: every thread sees from here on what was written past the caches."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), lower


@intrinsic
def pointer(context: Any, address: Any, like: Any) -> Lowered:
    """Cast an address to numba's pointer to numbers like those of an array."""
    kind = types.CPointer(like.dtype)

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        return builder.inttoptr(values[0], context.get_value_type(kind))

    return kind(types.uint64, like), lower


@intrinsic
def take(context: Any, counter: Any, share: Any) -> Lowered:
    """Add to the int64 at a pointer, atomically, and return its old value."""

    def lower(context: Any, builder: ir.IRBuilder, signature: Any, values: Any) -> ir.Value:
        place = builder.bitcast(values[0], LONG.as_pointer())
        return builder.atomic_rmw("add", place, values[1], "monotonic")

    return types.int64(counter, types.int64), lower
