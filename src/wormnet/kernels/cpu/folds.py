# pyright: reportOptionalCall=false, reportCallIssue=false
"""Sums over the lanes of blocks."""

from llvmlite import ir
from numba.extending import intrinsic

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import inlined
from wormnet.kernels.cpu.lanes import in_fours, indices

__all__ = ["fold4", "halves", "join", "pair", "total", "turned"]


@intrinsic
def halves(typingctx, a, b):
    """Of every four lanes, the first two of a and the last two of b."""

    def generate(context, builder, sig, args):
        return builder.shuffle_vector(*args, in_fours([0, 1, LANES + 2, LANES + 3]))

    return a(a, a), generate


@intrinsic
def turned(typingctx, a):
    """Of every four lanes, the last two before the first two."""

    def generate(context, builder, sig, args):
        return builder.shuffle_vector(args[0], args[0], in_fours([2, 3, 0, 1]))

    return a(a), generate


@intrinsic
def join(typingctx, ab, cd):
    """Of every four lanes the sums of neighbours: two of ab, two of cd."""

    def generate(context, builder, sig, args):
        even, odd = in_fours([0, 2, LANES, LANES + 2]), in_fours([1, 3, LANES + 1, LANES + 3])
        return builder.fadd(builder.shuffle_vector(*args, even), builder.shuffle_vector(*args, odd))

    return ab(ab, ab), generate


@inlined
def pair(a, b):
    """Of every four lanes sums of two: two of a, two of b."""
    return halves(a, b) + turned(halves(b, a))


@inlined
def fold4(a, b, c, d):
    """One block of which every fourth lane, from 0, 1, 2 and 3 on, adds up to the sum of all lanes of a, b, c and d.

    Shuffles that stay within 128 bits are cheap; what is left of the sum can wait for the end. If a and b are products
    x u and y u, then their pair is halves(x, y) u + turned(halves(y, x)) turned(u), whose first factors many u share.
    """
    return join(pair(a, b), pair(c, d))


def _fold_within(builder, v):
    half = v.type.count // 2
    low, high = indices(range(half)), indices(range(half, 2 * half))
    return builder.fadd(builder.shuffle_vector(v, v, low), builder.shuffle_vector(v, v, high))


@intrinsic
def total(typingctx, a):
    """The sum over all lanes, in a fixed order."""

    def generate(context, builder, sig, args):
        value = args[0]
        while value.type.count > 1:
            value = _fold_within(builder, value)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return a.number(a), generate
