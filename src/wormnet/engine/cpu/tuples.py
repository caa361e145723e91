# pyright: reportOptionalCall=false
"""Several blocks at a time, as tuples: a model decides how many sums, states and coefficients there are.

Each function here makes an operation for a given number of them, which kernels then call.
"""

from functools import cache

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from wormnet.engine.cpu.lanes import Lanes, broadcast, pointer_to

__all__ = ["adding", "as_blocks", "fetching", "loading", "repeating", "storing"]


def _tuple_type(kind, n):
    return types.UniTuple(kind, n) if n else types.Tuple(())


def _at(builder, at, stride, number):
    return builder.add(at, builder.mul(stride, ir.Constant(stride.type, number)))


@cache
def loading(numbers):
    """(array, at, stride) -> the blocks at `at` + number x stride of a flat array."""

    @intrinsic
    def blocks(typingctx, array, at, stride):
        kind = Lanes(array.dtype)

        def generate(context, builder, sig, args):
            found = []
            for number in numbers:
                place = _at(builder, args[1], args[2], number)
                pointer, align = pointer_to(context, builder, sig.args[0], args[0], place)
                found.append(builder.load(pointer, align=align))
            return context.make_tuple(builder, sig.return_type, found)

        return _tuple_type(kind, len(numbers))(array, types.intp, types.intp), generate

    return blocks


@cache
def fetching(numbers, *, write=False):
    """(array, at, stride): ask for the blocks that `loading` will read, or `storing` will `write`, some time before.

    A long history does not stay in the caches, and to wait for its lines takes longer than to compute what is in them.
    The blocks may lie outside of the array: nothing is read.
    """

    @intrinsic
    def fetch(typingctx, array, at, stride):
        def generate(context, builder, sig, args):
            byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
            kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
            name = "llvm.prefetch.p0"
            function = builder.module.globals.get(name) or ir.Function(builder.module, kind, name)
            purpose, keep, data = (ir.Constant(word, number) for number in (int(write), 3, 1))
            for number in numbers:
                place = _at(builder, args[1], args[2], number)
                pointer, _ = pointer_to(context, builder, sig.args[0], args[0], place)
                builder.call(function, [builder.bitcast(pointer, byte), purpose, keep, data])
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp), generate

    return fetch


@cache
def repeating(n):
    """(array, at, stride) -> n numbers of a flat array, `stride` apart, each in every lane."""

    @intrinsic
    def several(typingctx, array, at, stride):
        kind = Lanes(array.dtype)

        def generate(context, builder, sig, args):
            data = context.make_array(sig.args[0])(context, builder, args[0]).data
            found, place = [], args[1]
            for _ in range(n):
                found.append(broadcast(builder, builder.load(builder.gep(data, [place]))))
                place = builder.add(place, args[2])
            return context.make_tuple(builder, sig.return_type, found)

        return _tuple_type(kind, n)(array, types.intp, types.intp), generate

    return several


@cache
def storing(numbers):
    """(array, at, stride, blocks): write the first blocks of a tuple to `at` + number x stride of a flat array."""

    @intrinsic
    def store(typingctx, array, at, stride, blocks):
        def generate(context, builder, sig, args):
            for k, number in enumerate(numbers):
                place = _at(builder, args[1], args[2], number)
                pointer, align = pointer_to(context, builder, sig.args[0], args[0], place)
                builder.store(builder.extract_value(args[3], k), pointer, align=align)
            return context.get_dummy_value()

        return types.void(array, types.intp, types.intp, blocks), generate

    return store


@cache
def adding(where):
    """(totals, blocks) -> totals, with block k added to the total number where[k]."""

    @intrinsic
    def add(typingctx, totals, blocks):
        def generate(context, builder, sig, args):
            found = [builder.extract_value(args[0], k) for k in range(len(sig.args[0]))]
            for k, number in enumerate(where):
                found[number] = builder.fadd(found[number], builder.extract_value(args[1], k), flags=("contract",))
            return context.make_tuple(builder, sig.return_type, found)

        return totals(totals, blocks), generate

    return add


@cache
def as_blocks(n):
    """(array, values) -> a tuple of n blocks in the type of `array`, from as many blocks or plain numbers."""

    @intrinsic
    def convert(typingctx, array, values):
        kind = Lanes(array.dtype)
        given = list(values) if isinstance(values, types.BaseTuple) else [values]  # pyright: ignore[reportArgumentType]
        if len(given) != n:
            return None

        def generate(context, builder, sig, args):
            single = not isinstance(sig.args[1], types.BaseTuple)
            found = []
            for k, one in enumerate(given):
                value = args[1] if single else builder.extract_value(args[1], k)
                found.append(value if one == kind else context.cast(builder, value, one, kind))
            return context.make_tuple(builder, sig.return_type, found)

        return _tuple_type(kind, n)(array, values), generate

    return convert
