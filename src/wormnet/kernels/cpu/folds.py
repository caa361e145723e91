# pyright: reportOptionalCall=false
"""Sums over the lanes of blocks.

Four blocks a, b, c and d fold into one, join(pair(a, b), pair(c, d)), of which every fourth lane, from 0, 1, 2 and 3
on, adds up to the sum of all lanes of a, b, c and d. Shuffles that stay within 128 bits are cheap; what is left of the
sum can wait for the end. If a and b are products x u and y u, then their pair is halves(x, y) u +
turned(halves(y, x)) turned(u), whose first factors many u share.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.lanes import in_fours, indices, pointer_to

__all__ = ["add_four", "four_by_four", "halves", "join", "pair", "total", "turned"]


def _halves(builder, a, b):
    return builder.shuffle_vector(a, b, in_fours([0, 1, LANES + 2, LANES + 3]))


def _turned(builder, a):
    return builder.shuffle_vector(a, a, in_fours([2, 3, 0, 1]))


def _join(builder, ab, cd):
    even, odd = in_fours([0, 2, LANES, LANES + 2]), in_fours([1, 3, LANES + 1, LANES + 3])
    return builder.fadd(builder.shuffle_vector(ab, cd, even), builder.shuffle_vector(ab, cd, odd))


def _pair(builder, a, b):
    return builder.fadd(_halves(builder, a, b), _turned(builder, _halves(builder, b, a)))


def _sum_of_groups(builder, a, b, first, second):
    """The sum of two choices among the groups of four lanes; from 4 on they are those of b."""
    low, high = (indices([4 * group + i for group in groups for i in range(4)]) for groups in (first, second))
    return builder.fadd(builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high))


@intrinsic
def halves(typingctx, a, b):
    """Of every four lanes, the first two of a and the last two of b."""
    return a(a, a), lambda context, builder, sig, args: _halves(builder, *args)


@intrinsic
def turned(typingctx, a):
    """Of every four lanes, the last two before the first two."""
    return a(a), lambda context, builder, sig, args: _turned(builder, *args)


@intrinsic
def pair(typingctx, a, b):
    """Of every four lanes sums of two: two of a, two of b."""
    return a(a, a), lambda context, builder, sig, args: _pair(builder, *args)


@intrinsic
def join(typingctx, ab, cd):
    """Of every four lanes the sums of neighbours: two of ab, two of cd."""
    return ab(ab, ab), lambda context, builder, sig, args: _join(builder, *args)


def _fold_within(builder, v):
    half = v.type.count // 2
    low, high = indices(range(half)), indices(range(half, 2 * half))
    return builder.fadd(builder.shuffle_vector(v, v, low), builder.shuffle_vector(v, v, high))


@intrinsic
def four_by_four(typingctx, a, b, c, d):
    """The four sums each that four blocks have folded into, one behind the other in one block."""

    def generate(context, builder, sig, args):
        a, b, c, d = args
        # Of each block first the two halves are added, which are whole registers on some machines.
        ab = _sum_of_groups(builder, a, b, (0, 1, 4, 5), (2, 3, 6, 7))
        cd = _sum_of_groups(builder, c, d, (0, 1, 4, 5), (2, 3, 6, 7))
        return _sum_of_groups(builder, ab, cd, (0, 2, 4, 6), (1, 3, 5, 7))

    return a(a, a, a, a), generate


@intrinsic
def add_four(typingctx, array, at, folded):
    """Add the four sums that a block has folded into to the four numbers of a flat array from `at` on."""

    def generate(context, builder, sig, args):
        value = args[2]
        while value.type.count > 4:
            value = _fold_within(builder, value)
        pointer, align = pointer_to(context, builder, sig.args[0], args[0], args[1])
        pointer = builder.bitcast(pointer, value.type.as_pointer())
        builder.store(builder.fadd(builder.load(pointer, align=align), value), pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, folded), generate


@intrinsic
def total(typingctx, a):
    """The sum over all lanes, in a fixed order."""

    def generate(context, builder, sig, args):
        value = args[0]
        while value.type.count > 1:
            value = _fold_within(builder, value)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return a.number(a), generate
