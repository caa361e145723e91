# pyright: reportOptionalCall=false
"""A Numba type for one number of each of sixteen sequences: LLVM's own vectors, with arithmetic.

All sequences of a batch go through the same arithmetic, so a block of them is one vector, and so is every value in a
kernel. A vector type, instead of loops that a compiler may or may not vectorise, keeps sums in registers and lets a
model's scalar source compile for a block unchanged.
"""

import operator

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import PrimitiveModel, register_default
from numba.core.imputils import lower_builtin, lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic

from wormnet.engine.cpu import LANES

__all__ = [
    "Lanes",
    "absolute",
    "all_lanes",
    "broadcast",
    "clamp",
    "entry",
    "in_fours",
    "indices",
    "load",
    "number_at",
    "only",
    "pointer_to",
    "power_of_two",
    "same",
    "select_less",
    "store",
    "where_less",
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


def broadcast(builder, value):
    """A number in every lane."""
    kind = ir.VectorType(value.type, LANES)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), indices([0] * LANES))


def indices(numbers):
    """Lanes to choose, as LLVM's shuffles take them."""
    return ir.Constant(ir.VectorType(ir.IntType(32), len(numbers)), list(numbers))


def in_fours(choice):
    """The same choice of lanes within every four; LANES and more stand for the second vector."""
    return indices([part + i for part in range(0, LANES, 4) for i in choice])


@lower_cast(types.Number, Lanes)
def _cast(context, builder, fromty, toty, val):
    return broadcast(builder, context.cast(builder, val, fromty, toty.number))


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


def pointer_to(context, builder, array_type, array, offset):
    """Where the block from `offset` of a flat array on is, and the alignment that is promised."""
    data = context.make_array(array_type)(context, builder, array).data
    kind = ir.VectorType(context.get_data_type(array_type.dtype), LANES)
    return builder.bitcast(builder.gep(data, [offset]), kind.as_pointer()), array_type.dtype.bitwidth // 8


def number_at(context, builder, array_type, array, place):
    """The number at a place of an array, in every lane; each lane has its own in an array (places, LANES)."""
    if array_type.ndim == 2:
        first = builder.mul(place, ir.Constant(place.type, LANES))
        pointer, align = pointer_to(context, builder, array_type, array, first)
        return builder.load(pointer, align=align)
    data = context.make_array(array_type)(context, builder, array).data
    return broadcast(builder, builder.load(builder.gep(data, [place])))


@intrinsic
def load(typingctx, array, offset):
    """The sixteen numbers of a flat array from `offset` on."""

    def generate(context, builder, sig, args):
        pointer, align = pointer_to(context, builder, sig.args[0], args[0], args[1])
        return builder.load(pointer, align=align)

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def store(typingctx, array, offset, value):
    """Write a block to a flat array from `offset` on."""

    def generate(context, builder, sig, args):
        pointer, align = pointer_to(context, builder, sig.args[0], args[0], args[1])
        builder.store(args[2], pointer, align=align)
        return context.get_dummy_value()

    return types.void(array, types.intp, Lanes(array.dtype)), generate


@intrinsic
def all_lanes(typingctx, array, number):
    """A number in every lane, in the type of `array`."""

    def generate(context, builder, sig, args):
        return broadcast(builder, args[1])

    return Lanes(array.dtype)(array, array.dtype), generate


@intrinsic
def same(typingctx, array, at):
    """The number at a place of coefficients, see `number_at`."""

    def generate(context, builder, sig, args):
        return number_at(context, builder, sig.args[0], args[0], args[1])

    return Lanes(array.dtype)(array, types.intp), generate


@intrinsic
def only(typingctx, value, count):
    """A block in its first `count` lanes, 0 in the others."""

    def generate(context, builder, sig, args):
        whole = ir.VectorType(args[1].type, LANES)
        below = builder.icmp_signed("<", ir.Constant(whole, list(range(LANES))), broadcast(builder, args[1]))
        return builder.select(below, args[0], ir.Constant(args[0].type, [0.0] * LANES))

    return value(value, types.intp), generate


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


def _as_lanes(context, builder, value, given, kind):
    """A value of a block's type: itself, or a plain number in every lane."""
    return value if given == kind else context.cast(builder, value, given, kind)


def _block_of(*given):
    """The type of the block among some types; None if there is none."""
    return next((one for one in given if isinstance(one, Lanes)), None)


@intrinsic
def where_less(typingctx, a, b, then, otherwise):
    """Lane by lane `then` where a < b, else `otherwise`, also where a or b is NaN; any of them may be a number."""
    kind = _block_of(a, b, then, otherwise)

    def generate(context, builder, sig, args):
        a, b, x, y = (_as_lanes(context, builder, v, g, kind) for v, g in zip(args, sig.args, strict=True))
        return builder.select(builder.fcmp_ordered("<", a, b), x, y)

    return kind(a, b, then, otherwise), generate


@intrinsic
def absolute(typingctx, a):
    """|a| of each lane."""

    def generate(context, builder, sig, args):
        bits, kind = (32, ir.IntType(32)) if sig.args[0].number == types.float32 else (64, ir.IntType(64))
        whole = ir.VectorType(kind, LANES)
        cleared = builder.and_(builder.bitcast(args[0], whole), ir.Constant(whole, [2 ** (bits - 1) - 1] * LANES))
        return builder.bitcast(cleared, args[0].type)

    return a(a), generate


@intrinsic
def clamp(typingctx, a, low, high):
    """Each lane between two numbers; NaN stays NaN."""

    def generate(context, builder, sig, args):
        value, low, high = args[0], broadcast(builder, args[1]), broadcast(builder, args[2])
        value = builder.select(builder.fcmp_ordered(">", value, high), high, value)
        return builder.select(builder.fcmp_ordered("<", value, low), low, value)

    return a(a, a.number, a.number), generate


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
