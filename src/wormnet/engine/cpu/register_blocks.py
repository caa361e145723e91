# pyright: reportOptionalCall=false
"""Tuples of blocks: as many sums at a time as there are registers for.

A single running sum waits for its own latency; several of them keep the multipliers busy and share loads. Their number
does not change any result, since each is summed in the same order.
"""

import platform

import llvmlite.binding as llvm
from llvmlite import ir
from numba.core import config, types
from numba.extending import intrinsic

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.lanes import Lanes, indices, number_at, pointer_to

__all__ = [
    "add_rows",
    "full_rows",
    "no_sums",
    "plus_numbers",
    "rows_from",
    "store_rows",
    "transpose",
]


def _registers() -> tuple[int, int]:
    """Bits and number of the vector registers that kernels are compiled for."""
    given = config.CPU_FEATURES  # pyright: ignore[reportAttributeAccessIssue]
    has = llvm.get_host_cpu_features() if given is None else dict.fromkeys(given.replace("+", "").split(","), True)
    if has.get("avx512f"):
        return 512, 32
    return (256, 16) if has.get("avx") else (128, 32 if platform.machine() in ("aarch64", "arm64") else 16)


REGISTER_BITS, REGISTERS = _registers()


def _blocks_in_registers(number):
    return REGISTERS * REGISTER_BITS // (LANES * number.bitwidth)


def _n_rows(number, most=8):
    """At most three quarters of the registers for sums; what they are multiplied with takes its place too.

    Each row takes a register for its address as well, unless the distances of rows are constants: then there may be
    more than 8.
    """
    return min(most, _blocks_in_registers(number) * 3 // 4)


def _unpacked(builder, value):
    return [builder.extract_value(value, k) for k in range(len(value.type))]


def _tuple_of(n, generate_one):
    """The code of an intrinsic that makes the n elements of a tuple by generate_one(context, builder, sig, args, k)."""

    def generate(context, builder, sig, args):
        made = [generate_one(context, builder, sig, args, k) for k in range(n)]
        return context.make_tuple(builder, sig.return_type, made)

    return generate


def _multiply_add(builder, a, b, c):
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


def _least(builder, a, b):
    return builder.select(builder.icmp_signed("<", a, b), a, b)


def _row(builder, first, last, k):
    return _least(builder, builder.add(first, ir.Constant(first.type, k)), last)


def _places(n):
    def one(context, builder, sig, args, k):
        return builder.mul(_row(builder, args[1], args[2], k), args[3])

    return _tuple_of(n, one)


@intrinsic
def rows_from(typingctx, array, first, last, stride):
    """Rows from `first` on times a stride, as many as an `array`'s type has registers for; the last row fills up."""
    n = _n_rows(array.dtype)
    return types.UniTuple(types.intp, n)(array, types.intp, types.intp, types.intp), _places(n)


@intrinsic
def full_rows(typingctx, array, first, stride):
    """Rows from `first` on times a constant stride, up to sixteen."""
    n = _n_rows(array.dtype, 16)

    def one(context, builder, sig, args, k):
        return builder.mul(builder.add(args[1], ir.Constant(args[1].type, k)), args[2])

    return types.UniTuple(types.intp, n)(array, types.intp, types.intp), _tuple_of(n, one)


@intrinsic
def no_sums(typingctx, array, places):
    """A block of zeros for each of some places."""

    def one(context, builder, sig, args, k):
        return ir.Constant(context.get_value_type(sig.return_type.dtype), [0.0] * LANES)

    return types.UniTuple(Lanes(array.dtype), len(places))(array, places), _tuple_of(len(places), one)


@intrinsic
def store_rows(typingctx, array, at, places, blocks):
    """Write blocks to their places, relative to `at`."""

    def generate(context, builder, sig, args):
        for place, block in zip(_unpacked(builder, args[2]), _unpacked(builder, args[3])):
            pointer, align = pointer_to(context, builder, sig.args[0], args[0], builder.add(args[1], place))
            builder.store(block, pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, places, blocks), generate


@intrinsic
def plus_numbers(typingctx, sums, array, offsets, shift, u):
    """sums[k] + u x (the number at offsets[k] + shift of an array, see `number_at`), for every k."""

    def one(context, builder, sig, args, k):
        at = builder.add(builder.extract_value(args[2], k), args[3])
        number = number_at(context, builder, sig.args[1], args[1], at)
        return _multiply_add(builder, number, args[4], builder.extract_value(args[0], k))

    return sums(sums, array, offsets, types.intp, u), _tuple_of(len(sums), one)


@intrinsic
def add_rows(typingctx, array, at, first, last, stride, blocks):
    """Add blocks to rows from `first` on times a stride, relative to `at`; those past row `last` are left out."""

    def generate(context, builder, sig, args):
        _, at, first, last, stride, _ = args
        for k, block in enumerate(_unpacked(builder, args[5])):
            past = builder.icmp_signed(">", builder.add(first, ir.Constant(first.type, k)), last)
            block = builder.select(past, ir.Constant(block.type, [0.0] * LANES), block)
            place = builder.add(at, builder.mul(_row(builder, first, last, k), stride))
            pointer, align = pointer_to(context, builder, sig.args[0], args[0], place)
            builder.store(builder.fadd(builder.load(pointer, align=align), block), pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp, types.intp, blocks), generate


@intrinsic
def transpose(typingctx, array, at, last, to, to_at):
    """Write rows of what stands in columns: block l gets lane l of the rows from `at` on, up to row `last` (again)."""

    def generate(context, builder, sig, args):
        rows = []
        for k in range(LANES):
            row = _row(builder, ir.Constant(args[2].type, 0), args[2], k)
            place = builder.add(args[1], builder.mul(row, ir.Constant(row.type, LANES)))
            pointer, align = pointer_to(context, builder, sig.args[0], args[0], place)
            rows.append(builder.load(pointer, align=align))
        # Exchange halves, then quarters, ... of each two rows.
        distance = LANES // 2
        while distance:
            low = indices([lane if not lane & distance else LANES + lane - distance for lane in range(LANES)])
            high = indices([lane + distance if not lane & distance else LANES + lane for lane in range(LANES)])
            for k in range(LANES):
                if not k & distance:
                    a, b = rows[k], rows[k + distance]
                    rows[k] = builder.shuffle_vector(a, b, low)
                    rows[k + distance] = builder.shuffle_vector(a, b, high)
            distance //= 2
        for k, row in enumerate(rows):
            place = builder.add(args[4], ir.Constant(args[4].type, k * LANES))
            pointer, align = pointer_to(context, builder, sig.args[3], args[3], place)
            builder.store(row, pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, array, types.intp), generate
