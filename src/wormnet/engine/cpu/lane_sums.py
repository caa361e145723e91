# pyright: reportOptionalCall=false
"""Reductions over the lanes of blocks.

The adjoints a, b, c and d of an edge's four coefficients are reduced to one block as soon as they are known, so that no
more than one edge's are alive; four such blocks are reduced to the sixteen sums of four edges. The halves of a block,
which are whole registers on many machines, are added first; shuffles that stay within 128 bits are cheap.
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


def _crossed(builder, a, b):
    return builder.shuffle_vector(a, b, in_fours([2, 3, LANES, LANES + 1]))


def _turned(builder, a):
    return builder.shuffle_vector(a, a, in_fours([2, 3, 0, 1]))


def _join(builder, ab, cd):
    even, odd = in_fours([0, 2, LANES, LANES + 2]), in_fours([1, 3, LANES + 1, LANES + 3])
    return builder.fadd(builder.shuffle_vector(ab, cd, even), builder.shuffle_vector(ab, cd, odd))


def _pair(builder, a, b):
    return builder.fadd(_halves(builder, a, b), _crossed(builder, a, b))


def _groups(builder, a, b, groups):
    """Groups of four lanes; from 4 on they are those of b."""
    return builder.shuffle_vector(a, b, indices([4 * group + i for group in groups for i in range(4)]))


def _sum_of_groups(builder, a, b, first, second):
    """The sum of two choices among the groups of four lanes."""
    return builder.fadd(_groups(builder, a, b, first), _groups(builder, a, b, second))


def _low(builder, a, b):
    return _groups(builder, a, b, (0, 1, 4, 5))


def _high(builder, a, b):
    return _groups(builder, a, b, (2, 3, 6, 7))


def _reduced(builder, values, group):
    """One block of an edge's group: in every four lanes of the first half are a, a, c, c, of the second b, b, d, d."""
    none = ir.Constant(values[0].type, [0.0] * LANES)
    a, b, c, d = (none if k is None else values[k] for k in group)
    ab = builder.fadd(_low(builder, a, b), _high(builder, a, b))
    return _pair(builder, ab, builder.fadd(_low(builder, c, d), _high(builder, c, d)))


def _prepared(builder, adjoints, group):
    """For a group of four sums what `_reduced_product` takes: low and high halves, straight and crossed."""
    none = ir.Constant(adjoints[0].type, [0.0] * LANES)
    a, b, c, d = (none if k is None else adjoints[k] for k in group)
    made = []
    for half in (_low, _high):
        ab, cd = half(builder, a, b), half(builder, c, d)
        made += [_halves(builder, ab, cd), _crossed(builder, ab, cd)]
    return made


def _reduced_product(builder, u, ready):
    """What `_reduced` makes of u times four adjoints, of which `ready` is what `_prepared` made."""
    low, high = _low(builder, u, u), _high(builder, u, u)
    result = builder.fmul(low, ready[0], flags=("contract",))
    for one, factor in ((high, ready[2]), (_turned(builder, low), ready[1]), (_turned(builder, high), ready[3])):
        result = builder.fadd(result, builder.fmul(one, factor, flags=("contract",)), flags=("contract",))
    return result


def _sixteen(builder, a, b, c, d):
    """The four sums each that four blocks have been reduced to, one after the other in one block."""
    mixed = _sum_of_groups(builder, _join(builder, a, b), _join(builder, c, d), (0, 2, 4, 6), (1, 3, 5, 7))
    # Of two edges each half holds a c a c, b d b d.
    order = [8 * half + i for half in range(LANES // 8) for i in (0, 4, 1, 5, 2, 6, 3, 7)]
    return builder.shuffle_vector(mixed, mixed, indices(order))


def _four(builder, v):
    """The four sums that one block has been reduced to."""
    first, second = (_fold_within(builder, builder.shuffle_vector(v, v, indices(range(k, k + 8)))) for k in (0, 8))
    even, odd = (builder.shuffle_vector(first, second, indices([k, 4 + k, 2 + k, 6 + k])) for k in (0, 1))
    return builder.fadd(even, odd)


def _fold_within(builder, v):
    half = v.type.count // 2
    low, high = indices(range(half)), indices(range(half, 2 * half))
    return builder.fadd(builder.shuffle_vector(v, v, low), builder.shuffle_vector(v, v, high))


def grouped(n):
    """How the sums of an edge's n coefficients are kept: in groups of four that share blocks, or in lanes of their own.

    Returns: for each group its coefficients, filled up with None; the coefficients that have lanes.
    """
    rest = n % 4
    groups = [tuple(range(k, k + 4)) for k in range(0, n - rest, 4)]
    if rest > 1:
        groups.append((*range(n - rest, n), *[None] * (4 - rest)))
    return groups, [n - 1] if rest == 1 else []


def _add(context, builder, sig, args, at, value):
    pointer, align = pointer_to(context, builder, sig.args[0], args[0], at)
    pointer = builder.bitcast(pointer, value.type.as_pointer())
    builder.store(builder.fadd(builder.load(pointer, align=align), value), pointer, align=align)


def _plus(builder, at, number, times):
    return builder.add(at, builder.mul(number, ir.Constant(number.type, times)))


def _unpacked(builder, values):
    return [builder.extract_value(values, k) for k in range(len(values.type))]


@cache
def reductions(n, *, linear):
    """Four operations that add the adjoints of an edge's n coefficients to their sums.

    prepare   adjoints of what the edges of a neuron add -> what `reduce` takes
    reduce    (ready, given) -> an edge's adjoints, each group's as one block, then those with lanes of their own
    four      (array, at, group, e, a, b, c, d): add those of edges e to e + 3
    one       (array, at, group, e, a): of one edge

    Given are the adjoints of u and the coefficients; if `linear`, where those of the coefficients are u times those of
    the sums, u alone. The sums of four coefficients fill a quarter of a block for each edge, and such a group has
    `group` numbers; what is left over has lanes of its own past the groups.
    """
    groups, alone = grouped(n)
    n_groups, n_alone = len(groups), len(alone)
    size = 4 * n_groups + n_alone if linear else 1

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
    def reduce(typingctx, ready, given):
        def generate(context, builder, sig, args):
            shared, values = _unpacked(builder, args[0]), _unpacked(builder, args[1])
            if linear:
                found = [_reduced_product(builder, values[0], shared[4 * k : 4 * k + 4]) for k in range(n_groups)]
                found += [builder.fmul(values[0], one) for one in shared[4 * n_groups :]]
            else:
                found = [_reduced(builder, values[1:], group) for group in groups] + [values[1 + k] for k in alone]
            return context.make_tuple(builder, sig.return_type, found)

        return types.UniTuple(ready.dtype, n_groups + n_alone)(ready, given), generate

    def add_lanes(context, builder, sig, args, edge, values):
        at = _plus(builder, args[1], args[2], n_groups)
        for value in values:
            _add(context, builder, sig, args, _plus(builder, at, edge, LANES), value)

    @intrinsic
    def four(typingctx, array, at, group, e, a, b, c, d):
        def generate(context, builder, sig, args):
            edges = [_unpacked(builder, one) for one in args[4:]]
            for number in range(n_groups):
                place = _plus(builder, _plus(builder, args[1], args[2], number), args[3], 4)
                _add(context, builder, sig, args, place, _sixteen(builder, *(one[number] for one in edges)))
            for k, one in enumerate(edges):
                edge = builder.add(args[3], ir.Constant(args[3].type, k))
                add_lanes(context, builder, sig, args, edge, one[n_groups:])
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, types.intp, a, b, c, d), generate

    @intrinsic
    def one(typingctx, array, at, group, e, a):
        def generate(context, builder, sig, args):
            values = _unpacked(builder, args[4])
            for number in range(n_groups):
                place = _plus(builder, _plus(builder, args[1], args[2], number), args[3], 4)
                _add(context, builder, sig, args, place, _four(builder, values[number]))
            add_lanes(context, builder, sig, args, args[3], values[n_groups:])
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, types.intp, a), generate

    return prepare, reduce, four, one


@intrinsic
def total(typingctx, a):
    """The sum over all lanes, in a fixed order."""

    def generate(context, builder, sig, args):
        value = args[0]
        while value.type.count > 1:
            value = _fold_within(builder, value)
        return builder.extract_element(value, ir.Constant(ir.IntType(32), 0))

    return a.number(a), generate
