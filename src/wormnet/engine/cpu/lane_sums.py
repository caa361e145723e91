# pyright: reportOptionalCall=false
"""Reductions over the lanes of blocks.

Four blocks a, b, c and d are reduced together: join(pair(a, b), pair(c, d)) is one block whose lanes k, k + 4, k + 8,
... sum to the total of block k. Shuffles that stay within 128 bits are cheap; what is left of the sum can wait for the
end.
"""

from functools import cache

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.lanes import in_fours, indices, pointer_to

__all__ = ["grouped", "reductions", "total"]


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


def _fold_within(builder, v):
    half = v.type.count // 2
    low, high = indices(range(half)), indices(range(half, 2 * half))
    return builder.fadd(builder.shuffle_vector(v, v, low), builder.shuffle_vector(v, v, high))


def _four_by_four(builder, a, b, c, d):
    """The four sums each that four blocks have been reduced to, one after the other in one block."""
    # The two halves of each block are added first; on some machines they are whole registers.
    ab = _sum_of_groups(builder, a, b, (0, 1, 4, 5), (2, 3, 6, 7))
    cd = _sum_of_groups(builder, c, d, (0, 1, 4, 5), (2, 3, 6, 7))
    return _sum_of_groups(builder, ab, cd, (0, 2, 4, 6), (1, 3, 5, 7))


def grouped(n):
    """How the sums of an edge's n coefficients are kept: in groups of four that share blocks, or in lanes of their own.

    Returns: for each group its coefficients, filled up with None; the coefficients that have lanes.
    """
    rest = n % 4
    groups = [tuple(range(k, k + 4)) for k in range(0, n - rest, 4)]
    if rest > 1:
        groups.append((*range(n - rest, n), *[None] * (4 - rest)))
    return groups, [n - 1] if rest == 1 else []


def _reduced(builder, values, group):
    none = ir.Constant(values[0].type, [0.0] * LANES)
    a, b, c, d = (none if k is None else values[k] for k in group)
    return _join(builder, _pair(builder, a, b), _pair(builder, c, d))


def _add(context, builder, sig, args, at, value):
    pointer, align = pointer_to(context, builder, sig.args[0], args[0], at)
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    builder.store(builder.fadd(builder.load(pointer, align=align), value), pointer, align=align)


def _plus(builder, at, number, times):
    return builder.add(at, builder.mul(number, ir.Constant(number.type, times)))


def _turned_product(builder, u, straight, crossed):
    """pair of u times two blocks, of which `straight` and `crossed` are what `_prepared` made."""
    both = builder.fmul(u, straight, flags=("contract",))
    return builder.fadd(both, builder.fmul(_turned(builder, u), crossed, flags=("contract",)), flags=("contract",))


def _prepared(builder, adjoints, group):
    """For a group of four sums what they share: the halves of each pair of adjoints, straight and crossed."""
    none = ir.Constant(adjoints[0].type, [0.0] * LANES)
    a, b, c, d = (none if k is None else adjoints[k] for k in group)
    return [
        _halves(builder, a, b),
        _turned(builder, _halves(builder, b, a)),
        _halves(builder, c, d),
        _turned(builder, _halves(builder, d, c)),
    ]


def _edge_sums(builder, n, linear, ready, edge):
    """Of one edge the reduced block of each group, and the adjoints of coefficients with lanes of their own."""
    groups, alone = grouped(n)
    if not linear:
        values = edge[1:]
        return [_reduced(builder, values, group) for group in groups], [values[k] for k in alone]
    (u,) = edge
    blocks = []
    for k in range(len(groups)):
        first, crossed, second, second_crossed = ready[4 * k : 4 * k + 4]
        ab = _turned_product(builder, u, first, crossed)
        blocks.append(_join(builder, ab, _turned_product(builder, u, second, second_crossed)))
    return blocks, [builder.fmul(u, one) for one in ready[4 * len(groups) :]]


def _add_lanes(context, builder, sig, args, n_groups, edge, values):
    """Add to the lanes of an edge's coefficients that have some; they stand past the groups."""
    at = _plus(builder, args[1], args[2], n_groups)
    for value in values:
        _add(context, builder, sig, args, _plus(builder, at, edge, LANES), value)


def _unpacked(builder, values):
    return [builder.extract_value(values, k) for k in range(len(values.type))]


@cache
def reductions(n, *, linear):
    """Three operations that add the adjoints of an edge's n coefficients to their sums.

    prepare   adjoints of what the edges of a neuron add -> what `four` and `one` take
    four      (array, at, group, e, ready, a, b, c, d): of edges e to e + 3
    one       (array, at, group, e, ready, a): of one edge

    Of each edge they take the adjoints of u and the coefficients; if `linear`, where those of the coefficients are u
    times those of the sums, u alone. The sums of four coefficients fill a quarter of a block for each edge, and such a
    group has `group` numbers; what is left over has lanes of its own past the groups.
    """
    groups, alone = grouped(n)
    size = 4 * len(groups) + len(alone) if linear else 1

    @intrinsic
    def prepare(typingctx, adjoints):
        def generate(context, builder, sig, args):
            given = _unpacked(builder, args[0])
            made = given[:1]
            if linear:
                made = [one for group in groups for one in _prepared(builder, given, group)]
                made += [given[k] for k in alone]
            return context.make_tuple(builder, sig.return_type, made)

        return types.UniTuple(adjoints.dtype, size)(adjoints), generate

    @intrinsic
    def four(typingctx, array, at, group, e, ready, a, b, c, d):
        def generate(context, builder, sig, args):
            shared = _unpacked(builder, args[4])
            found = [_edge_sums(builder, n, linear, shared, _unpacked(builder, one)) for one in args[5:]]
            for number in range(len(groups)):
                block = _four_by_four(builder, *(blocks[number] for blocks, _ in found))
                place = _plus(builder, _plus(builder, args[1], args[2], number), args[3], 4)
                _add(context, builder, sig, args, place, block)
            for k, (_, lanes) in enumerate(found):
                edge = builder.add(args[3], ir.Constant(args[3].type, k))
                _add_lanes(context, builder, sig, args, len(groups), edge, lanes)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, types.intp, ready, a, b, c, d), generate

    @intrinsic
    def one(typingctx, array, at, group, e, ready, a):
        def generate(context, builder, sig, args):
            blocks, lanes = _edge_sums(builder, n, linear, _unpacked(builder, args[4]), _unpacked(builder, args[5]))
            for number, value in enumerate(blocks):
                while value.type.count > 4:
                    value = _fold_within(builder, value)
                place = _plus(builder, _plus(builder, args[1], args[2], number), args[3], 4)
                _add(context, builder, sig, args, place, value)
            _add_lanes(context, builder, sig, args, len(groups), args[3], lanes)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, types.intp, ready, a), generate

    return prepare, four, one


@intrinsic
def total(typingctx, a):
    """The sum over all lanes, in a fixed order."""

    def generate(context, builder, sig, args):
        value = args[0]
        while value.type.count > 1:
            value = _fold_within(builder, value)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return a.number(a), generate
