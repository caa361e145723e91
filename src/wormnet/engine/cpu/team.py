# pyright: reportCallIssue=false, reportOperatorIssue=false, reportOptionalCall=false
"""A kernel that several threads share: each finds the arrays of the call, and takes tasks until none is left.

A call is a list of words in memory, see `threads.words_of`, so a thread runs from its first task to its last without
Python, and never waits for the GIL.
"""

from collections.abc import Callable

import numpy as np
from llvmlite import ir
from numba import from_dtype
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array

from wormnet.engine.cpu import LANES
from wormnet.engine.cpu.compiled import Kernel, kernel
from wormnet.engine.cpu.threads import HEAD, MOST_WORKERS, TASK, TASKS, WORKER

__all__ = ["Arrays", "team_kernel"]

Arrays = tuple[str, ...]
"""The type of each array's numbers: "f" for those of the layer, or the name of a NumPy type of whole numbers."""

INT = ir.IntType(64)


def _word(builder, address, place):
    """A pointer to a word of a call."""
    words = builder.inttoptr(address, INT.as_pointer())
    return builder.gep(words, [INT(place) if isinstance(place, int) else place])


@intrinsic
def _read(typingctx, address, place):
    """A word of the call at an address."""

    def generate(context, builder, sig, args):
        return builder.load(_word(builder, args[0], args[1]))

    return types.intp(types.intp, types.intp), generate


@intrinsic
def _take(typingctx, address, place):
    """The number that a word holds, which is counted up by one: no two threads are given the same."""

    def generate(context, builder, sig, args):
        return builder.atomic_rmw("add", _word(builder, args[0], args[1]), INT(1), "monotonic")

    return types.intp(types.intp, types.intp), generate


def _array(context, builder, kind, address, place):
    """The array whose address stands in a word, and its size in the next."""
    made = context.make_array(kind)(context, builder)
    data = builder.inttoptr(builder.load(_word(builder, address, place)), made.data.type)
    shape, size = [builder.load(_word(builder, address, place + 1))], kind.dtype.bitwidth // 8
    if kind.ndim == 2:
        lanes = INT(LANES)
        shape = [builder.sdiv(shape[0], lanes), lanes]
    strides = [INT(size * LANES), INT(size)][-kind.ndim :]
    populate_array(made, data=data, shape=shape, strides=strides, itemsize=INT(size), meminfo=None)
    return made._getvalue()


def _arrays(kinds):
    """address -> the arrays of a call."""

    @intrinsic
    def get(typingctx, address):
        def generate(context, builder, sig, args):
            found = [_array(context, builder, kind, args[0], HEAD + 2 * i) for i, kind in enumerate(kinds)]
            return context.make_tuple(builder, sig.return_type, found)

        return types.Tuple(kinds)(types.intp), generate

    return get


def _numbers(first, count):
    """address -> `count` whole numbers, from word `first` on."""

    @intrinsic
    def get(typingctx, address):
        def generate(context, builder, sig, args):
            found = [builder.load(_word(builder, args[0], first + i)) for i in range(count)]
            return context.make_tuple(builder, sig.return_type, found)

        return types.UniTuple(types.intp, count)(types.intp), generate

    return get


def team_kernel(
    name: str, run: Callable[..., None], arrays: Arrays, numbers: int, dtype: str, *, by_lane: bool = False
) -> Kernel:
    """A kernel of the address of a call: each thread that enters runs tasks until none is left.

    Args:
        name: as for `kernel`.
        run: (arrays, numbers, task, worker) does one task.
        arrays: see `Arrays`.
        numbers: how many whole numbers come after them.
        dtype: the type of the layer's numbers: a character of NumPy's.
        by_lane: whether the first array is (size / LANES, LANES).
    """
    types_of = [from_dtype(np.dtype(dtype if kind == "f" else kind)) for kind in arrays]
    kinds = [types.Array(one, 2 if by_lane and not i else 1, "C") for i, one in enumerate(types_of)]
    arrays_of, numbers_of = _arrays(kinds), _numbers(HEAD + 2 * len(arrays), numbers)

    def enter(address):
        worker = _take(address, WORKER)
        if worker < _read(address, MOST_WORKERS):
            given, whole, tasks = arrays_of(address), numbers_of(address), _read(address, TASKS)
            task = _take(address, TASK)
            while task < tasks:
                run(given, whole, task, worker)
                task = _take(address, TASK)

    enter.__name__ = name.partition("_")[0]  # which a message tells if compilation takes long
    return kernel(enter, f"{name}_{dtype}{'_by_lane' * by_lane}")
