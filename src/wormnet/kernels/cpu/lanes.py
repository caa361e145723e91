# pyright: reportOptionalCall=false
"""A Numba type for one number of each of sixteen sequences: LLVM's own vectors, with arithmetic.

The sequences of a batch are computed alike, so a block of them is one vector, and every value of a kernel is such a
vector. Spelling that as a type, instead of loops that a compiler may or may not vectorise, keeps sums in registers
and makes the scalar source of `models.formulas` compile for a block as it stands.
"""

import operator

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic

from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.compiled import inlined

__all__ = [
    "Lanes",
    "all_lanes",
    "clamp",
    "collect",
    "collect4",
    "entry",
    "fold4",
    "halves",
    "join",
    "load",
    "pair",
    "pick",
    "power_of_two",
    "same",
    "select_less",
    "spread",
    "spread4",
    "store",
    "total",
    "turned",
]


class Lanes(types.Type):
    """One number for each lane."""

    def __init__(self, number: types.Float):
        self.number = number
        super().__init__(name=f"Lanes({number} x {LANES})")

    def can_convert_from(self, typingctx, other):
        """A plain number is the same in every lane."""
        return typingctx.can_convert(other, self.number) if isinstance(other, types.Number) else None


@register_default(Lanes)
class _LanesModel(PrimitiveModel):
    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, ir.VectorType(dmm.lookup(fe_type.number).get_value_type(), LANES))


def _broadcast(builder, value):
    kind = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), _indices([0] * LANES))


def _indices(numbers):
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))


@lower_cast(types.Number, Lanes)
def _cast(context, builder, fromty, toty, val):
    return _broadcast(builder, context.cast(builder, val, fromty, toty.number))


_OPERATIONS = {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul", operator.truediv: "fdiv"}


class _Arithmetic(AbstractTemplate):
    def generic(self, args, kws):
        lanes = [one for one in args if isinstance(one, Lanes)]
        if len(args) == 2 and lanes and all(isinstance(one, (Lanes, types.Number)) for one in args):
            return signature(lanes[0], lanes[0], lanes[0])
        return None


def _register(operation, name):
    infer_global(operation)(type(f"Lanes_{name}", (_Arithmetic,), {"key": operation}))

    @lower_builtin(operation, Lanes, Lanes)
    def _lower(context, builder, sig, args):
        return getattr(builder, name)(*args, flags=("contract",))


for _operation, _name in _OPERATIONS.items():
    _register(_operation, _name)


@infer_global(operator.neg)
class _Negative(AbstractTemplate):
    key = operator.neg

    def generic(self, args, kws):
        return signature(args[0], args[0]) if len(args) == 1 and isinstance(args[0], Lanes) else None


@lower_builtin(operator.neg, Lanes)
def _lower_negative(context, builder, sig, args):
    return builder.fsub(ir.Constant(args[0].type, [-0.0] * LANES), args[0])


def _pointer(context, builder, array_type, array, offset):
    data = context.make_array(array_type)(context, builder, array).data
    kind = ir.VectorType(context.get_data_type(array_type.dtype), LANES)
    return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer()), array_type.dtype.bitwidth // 8


@intrinsic
def load(typingctx, array, offset):
    """The sixteen numbers of a flat array from `offset` on."""

    def generate(context, builder, sig, args):
        pointer, align = _pointer(context, builder, sig.args[0], args[0], args[1])
        return builder.load(pointer, align=align)

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(typingctx, array, offset, value):
    """Write a block to a flat array from `offset` on."""

    def generate(context, builder, sig, args):
        pointer, align = _pointer(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, Lanes(array.dtype)), generate


@intrinsic
def all_lanes(typingctx, array, number):
    """A number in every lane, in the type of `array`."""

    def generate(context, builder, sig, args):
        return _broadcast(builder, args[1])

    return Lanes(array.dtype)(array, array.dtype), generate


@intrinsic
def same(typingctx, array, at):
    """The number at a place of a flat array in every lane; unlike array[at] it does not ask if `at` is negative."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return _broadcast(builder, builder.load(builder.gep(data, [args[1]])))

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def entry(typingctx, array, at):
    """The whole number at a place of a flat array; unlike array[at] it does not ask if `at` is negative."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        return builder.sext(builder.load(builder.gep(data, [args[1]])), context.get_value_type(types.intp))

    return types.intp(array, types.intp), generate


@intrinsic
def select_less(typingctx, a, b, if_less, otherwise):
    """Lane by lane `if_less` where a < b, else `otherwise`; also where a or b is NaN."""

    def generate(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", args[0], args[1]), args[2], args[3])

    return a(a, a, a, a), generate


@intrinsic
def clamp(typingctx, a, low, high):
    """Each lane between two numbers; NaN stays NaN."""

    def generate(context, builder, sig, args):
        value, low, high = args[0], _broadcast(builder, args[1]), _broadcast(builder, args[2])
        value = builder.select(builder.fcmp_ordered(">", value, high), high, value)
        return builder.select(builder.fcmp_ordered("<", value, low), low, value)

    return a(a, a.number, a.number), generate


def _in_fours(indices):
    """The same choice of lanes within every four; LANES and more stand for the second vector."""
    return _indices([part + i for part in range(0, LANES, 4) for i in indices])


@intrinsic
def halves(typingctx, a, b):
    """Of every four lanes, the first two of a and the last two of b."""

    def generate(context, builder, sig, args):
        return builder.shuffle_vector(*args, _in_fours([0, 1, LANES + 2, LANES + 3]))

    return a(a, a), generate


@intrinsic
def turned(typingctx, a):
    """Of every four lanes, the last two before the first two."""

    def generate(context, builder, sig, args):
        return builder.shuffle_vector(args[0], args[0], _in_fours([2, 3, 0, 1]))

    return a(a), generate


@intrinsic
def join(typingctx, ab, cd):
    """Of every four lanes the sums of neighbours: two of ab, two of cd."""

    def generate(context, builder, sig, args):
        even, odd = _in_fours([0, 2, LANES, LANES + 2]), _in_fours([1, 3, LANES + 1, LANES + 3])
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
    low, high = _indices(range(half)), _indices(range(half, 2 * half))
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


@intrinsic
def power_of_two(typingctx, shifted):
    """2^n of each lane, for shifted = n + bias + 1.5 2^m with m the bits of the mantissa: its low bits, moved up.

    n from -bias (which gives 0) to bias + 1 (which gives inf).
    """

    def generate(context, builder, sig, args):
        bits, mantissa = (32, 23) if sig.args[0].number == types.float32 else (64, 52)
        whole = ir.VectorType(ir.IntType(bits), LANES)
        moved = builder.shl(builder.bitcast(args[0], whole), ir.Constant(whole, [mantissa] * LANES))
        return builder.bitcast(moved, args[0].type)

    return shifted(shifted), generate


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
        both = _indices(range(2 * parts[0].type.count))
        parts = [builder.shuffle_vector(a, b, both) for a, b in zip(parts[::2], parts[1::2])]
    return parts[0]


def _transpose_fours(builder, rows):
    """Every four lanes of four vectors as a matrix, transposed."""
    low, high = _in_fours([0, LANES, 1, LANES + 1]), _in_fours([2, LANES + 2, 3, LANES + 3])
    first, last = _in_fours([0, 1, LANES, LANES + 1]), _in_fours([2, 3, LANES + 2, LANES + 3])
    found = []
    for half in (low, high):
        ab, cd = builder.shuffle_vector(*rows[:2], half), builder.shuffle_vector(*rows[2:], half)
        found += [builder.shuffle_vector(ab, cd, first), builder.shuffle_vector(ab, cd, last)]
    return found


@intrinsic
def collect4(typingctx, array, offset, stride, count):
    """What collect gives at offset, offset + 1, offset + 2 and offset + 3: four neighbours are read at a time."""

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
        below = builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), _broadcast(builder, args[3]))
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
    """What spread does with a, b, c and d at offset, offset + 1, offset + 2 and offset + 3, four neighbours at a time."""

    def generate(context, builder, sig, args):
        data = context.make_array(sig.args[0])(context, builder, args[0]).data
        four, size = ir.VectorType(data.type.pointee, 4), sig.args[0].dtype.bitwidth // 8
        rows = _transpose_fours(builder, args[4:])
        for lane in reversed(range(LANES)):
            at, _ = _lane(builder, args[3], lane)
            place = builder.gep(data, [builder.add(args[1], builder.mul(at, args[2]))])
            row, part = rows[lane % 4], _indices(range(lane // 4 * 4, lane // 4 * 4 + 4))
            builder.store(
                builder.shuffle_vector(row, row, part), builder.bitcast(place, four.as_pointer()), align=size
            )
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
