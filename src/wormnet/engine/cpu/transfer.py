# pyright: reportOptionalCall=false
"""Gather values from anywhere in an array into lanes, and scatter them back.

A block has the rows `rows[first]`, `rows[first + 1]`, ..., `count` of them (1 or more): sequences, or samples. A row's
numbers begin at its number times `stride`. Lanes from `count` on repeat the last one, so that whatever is computed in
them stays finite as long as that does.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.lanes import Lanes, in_fours, indices

__all__ = ["collect", "collect4", "pick", "spread", "spread4"]


def _below(builder, count, lane):
    """A lane, or the last one below count."""
    here = ir.Constant(count.type, lane)
    below = builder.icmp_signed("<", here, count)
    return builder.select(below, here, builder.sub(count, ir.Constant(count.type, 1)))


def _places(context, builder, sig, args):
    """For each lane the address of its number. args: as those of collect."""
    data = context.make_array(sig.args[0])(context, builder, args[0]).data
    rows = context.make_array(sig.args[1])(context, builder, args[1]).data
    _, _, first, stride, offset, count = args[:6]
    found = []
    for lane in range(LANES):
        row = builder.load(builder.gep(rows, [builder.add(first, _below(builder, count, lane))]))
        found.append(builder.gep(data, [builder.add(offset, builder.mul(row, stride))]))
    return found


def _arguments(array, rows):
    return array, rows, types.intp, types.intp, types.intp, types.intp


@intrinsic
def collect(typingctx, array, rows, first, stride, offset, count):
    """The number at `offset` of each row of a block."""

    def generate(context, builder, sig, args):
        places = _places(context, builder, sig, args)
        result = ir.Constant(ir.VectorType(places[0].type.pointee, LANES), ir.Undefined)
        for lane, place in enumerate(places):
            result = builder.insert_element(result, builder.load(place), ir.Constant(ir.IntType(32), lane))
        return result

    return Lanes(array.dtype)(*_arguments(array, rows)), generate


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
def collect4(typingctx, array, rows, first, stride, offset, count):
    """What collect gives at offset to offset + 3: four neighbours are read at a time."""

    def generate(context, builder, sig, args):
        size = sig.args[0].dtype.bitwidth // 8
        fours = []
        for place in _places(context, builder, sig, args):
            four = ir.VectorType(place.type.pointee, 4)
            fours.append(builder.load(builder.bitcast(place, four.as_pointer()), align=size))
        # Within every four lanes of these stand the four neighbours of rows k, k + 4, ...
        found = _transpose_fours(builder, [_concatenate(builder, fours[k::4]) for k in range(4)])
        return context.make_tuple(builder, sig.return_type, found)

    return types.UniTuple(Lanes(array.dtype), 4)(*_arguments(array, rows)), generate


@intrinsic
def spread(typingctx, array, rows, first, stride, offset, count, value):
    """Write the lanes that have a row to `offset` of each."""

    def generate(context, builder, sig, args):
        # The lanes without one write to the place of the last that has, which is written after them.
        for lane, place in reversed(list(enumerate(_places(context, builder, sig, args)))):
            builder.store(builder.extract_element(args[6], ir.Constant(ir.IntType(32), lane)), place)
        return context.get_dummy_value()

    return types.void(*_arguments(array, rows), Lanes(array.dtype)), generate


@intrinsic
def spread4(typingctx, array, rows, first, stride, offset, count, a, b, c, d):
    """What spread does with a to d at offset to offset + 3: four neighbours are written at a time."""

    def generate(context, builder, sig, args):
        size = sig.args[0].dtype.bitwidth // 8
        fours = _transpose_fours(builder, args[6:])
        for lane, place in reversed(list(enumerate(_places(context, builder, sig, args)))):
            four = ir.VectorType(place.type.pointee, 4)
            row, part = fours[lane % 4], indices(range(lane // 4 * 4, lane // 4 * 4 + 4))
            builder.store(builder.shuffle_vector(row, row, part), builder.bitcast(place, four.as_pointer()), align=size)
        return context.get_dummy_value()

    block = Lanes(array.dtype)
    return types.void(*_arguments(array, rows), block, block, block, block), generate


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
