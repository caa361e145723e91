# pyright: reportOptionalCall=false, reportCallIssue=false, reportOperatorIssue=false
"""Products of rows with matrices, several sums at a time: what BLAS would do, in the order of the lanes.

A sum in one register waits for itself; eight of them keep the multipliers busy, and share what they read.
"""

from numba.core import types
from numba.extending import intrinsic

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import inlined
from wormnet.kernels.cpu.folds import fold4
from wormnet.kernels.cpu.lanes import all_lanes, broadcast, load, pointer_to, store
from wormnet.kernels.cpu.rows import add_to, clear

__all__ = ["add_outer", "dense", "dense_back"]

TILE = 16
"""How many sources an outer product takes at a time."""


def _unpacked(builder, value):
    return [builder.extract_value(value, k) for k in range(len(value.type))]


def _several(generate_one):
    """The code of an intrinsic that makes every block of a tuple by generate_one(context, builder, sig, args, k)."""

    def generate(context, builder, sig, args):
        made = [generate_one(context, builder, sig, args, k) for k in range(sig.return_type.count)]
        return context.make_tuple(builder, sig.return_type, made)

    return generate


def _multiply_add(builder, a, b, c):
    return builder.fadd(builder.fmul(a, b, flags=("contract",)), c, flags=("contract",))


@intrinsic
def plus_numbers(typingctx, sums, array, offsets, shift, u):
    """sums[k] + u x (the number at offsets[k] + shift of a flat array), for every k of a tuple."""

    def one(context, builder, sig, args, k):
        data = context.make_array(sig.args[1])(context, builder, args[1]).data
        at = builder.add(builder.extract_value(args[2], k), args[3])
        number = broadcast(builder, builder.load(builder.gep(data, [at])))
        return _multiply_add(builder, number, args[4], builder.extract_value(args[0], k))

    return sums(sums, array, offsets, types.intp, u), _several(one)


@intrinsic
def plus_outer(typingctx, sums, a, a_offsets, a_shift, b, b_offsets, b_shift):
    """sums[j][i] + (the block of a at a_offsets[i] + a_shift) x (that of b at b_offsets[j] + b_shift), for all i, j."""

    def blocks(context, builder, array_type, array, offsets, shift):
        places = [builder.add(offset, shift) for offset in _unpacked(builder, offsets)]
        pointers = [pointer_to(context, builder, array_type, array, at) for at in places]
        return [builder.load(pointer, align=align) for pointer, align in pointers]

    def generate(context, builder, sig, args):
        left, right = (blocks(context, builder, sig.args[k], *args[k : k + 3]) for k in (1, 4))
        rows = [
            [_multiply_add(builder, one, other, had) for one, had in zip(left, _unpacked(builder, row))]
            for other, row in zip(right, _unpacked(builder, args[0]))
        ]
        rows = [context.make_tuple(builder, kind, row) for kind, row in zip(sig.return_type, rows)]
        return context.make_tuple(builder, sig.return_type, rows)

    return sums(sums, a, a_offsets, types.intp, b, b_offsets, types.intp), generate


@intrinsic
def dot_numbers(typingctx, start, blocks, array, offsets, shift):
    """start + the sum over k of blocks[k] x (the number at offsets[k] + shift of a flat array)."""

    def generate(context, builder, sig, args):
        data, total = context.make_array(sig.args[2])(context, builder, args[2]).data, args[0]
        for block, offset in zip(_unpacked(builder, args[1]), _unpacked(builder, args[3])):
            number = broadcast(builder, builder.load(builder.gep(data, [builder.add(offset, args[4])])))
            total = _multiply_add(builder, block, number, total)
        return total

    return start(start, blocks, array, offsets, types.intp), generate


@inlined
def eight(first, last, stride):
    """Eight numbers of rows from `first` on, times a stride; behind the last row the last one again."""
    return (
        first * stride,
        min(first + 1, last) * stride,
        min(first + 2, last) * stride,
        min(first + 3, last) * stride,
        min(first + 4, last) * stride,
        min(first + 5, last) * stride,
        min(first + 6, last) * stride,
        min(first + 7, last) * stride,
    )


@inlined
def dense(p, weight, bias, outs, width, source, source_at, to, to_at):
    """outs rows from width rows: bias + weight (outs, width) source, eight at a time.

    So sources are read less, and no sum waits for itself.
    """
    none, one = all_lanes(p, p.dtype.type(0)), all_lanes(p, p.dtype.type(1))
    for o in range(0, outs, 8):
        rows, places, biases = eight(o, outs - 1, width), eight(o, outs - 1, LANES), eight(o, outs - 1, 1)
        start = (none, none, none, none, none, none, none, none)
        sums = plus_numbers(start, p, biases, bias, one)
        for j in range(width):
            sums = plus_numbers(sums, p, rows, weight + j, load(source, source_at + j * LANES))
        # Behind the last output the last one has been computed again, and is written where it belongs.
        store(to, to_at + places[0], sums[0])
        store(to, to_at + places[1], sums[1])
        store(to, to_at + places[2], sums[2])
        store(to, to_at + places[3], sums[3])
        store(to, to_at + places[4], sums[4])
        store(to, to_at + places[5], sums[5])
        store(to, to_at + places[6], sums[6])
        store(to, to_at + places[7], sums[7])


@inlined
def load_below(g, at, o, outs):
    """Row o, zeros behind the last one."""
    return load(g, at + o * LANES) if o < outs else all_lanes(g, g.dtype.type(0))


@inlined
def dense_back(p, weight, outs, width, begin, g, g_at, to_at):
    """Set width rows of g from to_at on to weight^T times the outs rows from g_at on; those before `begin` to 0."""
    clear(g, to_at, width)
    for o in range(0, outs, 8):
        rows = eight(o, outs - 1, width)
        given = (
            load_below(g, g_at, o, outs),
            load_below(g, g_at, o + 1, outs),
            load_below(g, g_at, o + 2, outs),
            load_below(g, g_at, o + 3, outs),
            load_below(g, g_at, o + 4, outs),
            load_below(g, g_at, o + 5, outs),
            load_below(g, g_at, o + 6, outs),
            load_below(g, g_at, o + 7, outs),
        )
        for j in range(begin, width):
            at = to_at + j * LANES
            store(g, at, dot_numbers(load(g, at), given, p, rows, weight + j))


@inlined
def four(first, last):
    """Where four rows from `first` on begin; behind the last row the last one again."""
    second, third, fourth = min(first + 1, last), min(first + 2, last), min(first + 3, last)
    return first * LANES, second * LANES, third * LANES, fourth * LANES


@inlined
def add_folded(parts, at, sums):
    """Add four sums, folded into a block, to a place in parts."""
    add_to(parts, at, fold4(sums[0], sums[1], sums[2], sums[3]))


@inlined
def add_outer(g, g_at, g_stride, outs, width, u, u_at, u_stride, samples, parts, parts_at):
    """Add the sum over samples of g (outs rows) times u (width rows) to parts, four outputs to a block (see fold4).

    Four sources at a time, and few of them until all outputs have had them, so that they stay in the nearest cache.
    """
    none = all_lanes(parts, parts.dtype.type(0))
    nothing = (none, none, none, none)
    for tile in range(0, width, TILE):
        for o in range(0, outs, 4):
            at = parts_at + o // 4 * width * LANES
            for j in range(tile, min(tile + TILE, width), 4):
                sums = (nothing, nothing, nothing, nothing)
                for k in range(samples):
                    from_g, from_u = four(o, outs - 1), four(j, width - 1)
                    sums = plus_outer(sums, g, from_g, g_at + k * g_stride, u, from_u, u_at + k * u_stride)
                places = four(j, width - 1)
                add_folded(parts, at + places[0], sums[0])
                if places[1] > places[0]:
                    add_folded(parts, at + places[1], sums[1])
                if places[2] > places[1]:
                    add_folded(parts, at + places[2], sums[2])
                if places[3] > places[2]:
                    add_folded(parts, at + places[3], sums[3])
