# pyright: reportOptionalCall=false
"""The way of numbers from anywhere in an array into lanes, and back."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.lanes import Lanes, broadcast, in_fours, indices

__all__ = ["collect", "collect4", "pick", "spread", "spread4"]


def _lane(builder, count, lane):
    """A lane's number, or the last one's below count, and whether it is below."""
    here = ir.Constant(count.type, lane)
    below = builder.icmp_signed("<", here, count)
    return builder.select(below, here, builder.sub(count, ir.Constant(count.type, 1))), below


@intrinsic
def collect(typingctx, array, offset, stride, count):
    """The numbers at offset, offset + stride, ... of a flat array, in `count` (1 or more) lanes; 0 in the others."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        result = ir.Constant(ir.VectorType(data.type.pointee, LANES), ir.Undefined)
        for lane in range(LANES):
            at, below = _lane(builder, args[3], lane)
            number = builder.load(builder.gep(data, [builder.add(args[1], builder.mul(at, args[2]))]))
            number = builder.select(below, number, ir.Constant(number.type, 0.0))
            result = builder.insert_element(result, number, ir.Constant(ir.IntType(32), lane))
        return result

    return Lanes(array.dtype)(array, types.intp, types.intp, types.intp), generate


def _concatenate(builder, parts):
    while len(parts) > 1:
        both = indices(range(2 * parts[0].type.count))
        parts = [builder.shuffle_vector(a, b, both) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _transpose_fours(builder, rows):
    """Every four lanes of four vectors as a matrix, transposed."""
    low, high = in_fours([0, LANES, 1, LANES + 1]), in_fours([2, LANES + 2, 3, LANES + 3])
    first, last = in_fours([0, 1, LANES, LANES + 1]), in_fours([2, 3, LANES + 2, LANES + 3])
    found = []
    for half in (low, high):
        ab, cd = builder.shuffle_vector(*rows[:2], half), builder.shuffle_vector(*rows[2:], half)
        found += [builder.shuffle_vector(ab, cd, first), builder.shuffle_vector(ab, cd, last)]
    return found


@intrinsic
def collect4(typingctx, array, offset, stride, count):
    """What collect gives at offset to offset + 3: four neighbours are read at a time."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        four, size = ir.VectorType(data.type.pointee, 4), sig.args[0].dtype.bitwidth // 8
        rows = []
        for lane in range(LANES):
            at, _ = _lane(builder, args[3], lane)
            place = builder.gep(data, [builder.add(args[1], builder.mul(at, args[2]))])
            rows.append(builder.load(builder.bitcast(place, four.as_pointer()), align=size))
        # Within every four lanes of these stand the four neighbours of sequences k, k + 4, ...
        found = _transpose_fours(builder, [_concatenate(builder, rows[k::4]) for k in range(4)])
        whole = ir.VectorType(args[3].type, LANES)
        below = builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), broadcast(builder, args[3]))
        none = ir.Constant(found[0].type, [0.0] * LANES)
        return context.make_tuple(builder, sig.return_type, [builder.select(below, one, none) for one in found])

    return types.UniTuple(Lanes(array.dtype), 4)(array, types.intp, types.intp, types.intp), generate


@intrinsic
def spread(typingctx, array, offset, stride, count, value):
    """Write the first `count` (1 or more) lanes to offset, offset + stride, ... of a flat array."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        # The lanes above `count` write to the last place below, which is written after them.
        for lane in reversed(range(LANES)):
            at, _ = _lane(builder, args[3], lane)
            number = builder.extract_element(args[4], ir.Constant(ir.IntType(32), lane))
            builder.store(number, builder.gep(data, [builder.add(args[1], builder.mul(at, args[2]))]))
        return context.get_dummy_value()

    return types.void(array, types.intp, types.intp, types.intp, Lanes(array.dtype)), generate


@intrinsic
def spread4(typingctx, array, offset, stride, count, a, b, c, d):
    """What spread does with a to d at offset to offset + 3: four neighbours are written at a time."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        four, size = ir.VectorType(data.type.pointee, 4), sig.args[0].dtype.bitwidth // 8
        rows = _transpose_fours(builder, args[4:])
        for lane in reversed(range(LANES)):
            at, _ = _lane(builder, args[3], lane)
            place = builder.gep(data, [builder.add(args[1], builder.mul(at, args[2]))])
            row, part = rows[lane % 4], indices(range(lane // 4 * 4, lane // 4 * 4 + 4))
            builder.store(builder.shuffle_vector(row, row, part), builder.bitcast(place, four.as_pointer()), align=size)
        return context.get_dummy_value()

    block = Lanes(array.dtype)
    return types.void(array, types.intp, types.intp, types.intp, block, block, block, block), generate


@intrinsic
def pick(typingctx, array, offset, indices, first):
    """array[offset + indices[first]], array[offset + indices[first + 1]], ...: a block of numbers from anywhere."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        places = context.make_array(sig.args[2])(context, builder, args[2]).data
        result = ir.Constant(ir.VectorType(data.type.pointee, LANES), ir.Undefined)
        for lane in range(LANES):
            here = ir.Constant(args[3].type, lane)
            place = builder.sext(builder.load(builder.gep(places, [builder.add(args[3], here)])), args[1].type)
            number = builder.load(builder.gep(data, [builder.add(args[1], place)]))
            result = builder.insert_element(result, number, ir.Constant(ir.IntType(32), lane))
        return result

    return Lanes(array.dtype)(array, types.intp, indices, types.intp), generate
