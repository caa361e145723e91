# pyright: reportOptionalCall=false
"""Denormal numbers are zero while a kernel runs.

Adjoints that vanish over time become denormal, and each operation on a denormal takes the processor about a hundred
cycles. The setting is per thread, so kernels set it in the thread they run on and restore the previous value.
"""

import platform

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

__all__ = ["flush_denormals", "restore"]

FLUSH = {"x86_64": 0x8040, "amd64": 0x8040, "aarch64": 1 << 24, "arm64": 1 << 24}
"""The bits of the control register: flush to zero and denormals are zero of MXCSR, FZ of FPCR."""

MACHINE = platform.machine().lower()
WORD, LONG = ir.IntType(32), ir.IntType(64)


def _read(builder):
    if MACHINE in ("x86_64", "amd64"):
        place = builder.alloca(WORD)
        _call(builder, "llvm.x86.sse.stmxcsr", place)
        return builder.zext(builder.load(place), LONG)
    if MACHINE in FLUSH:
        return builder.asm(ir.FunctionType(LONG, []), "mrs $0, fpcr", "=r", [], side_effect=True)
    return ir.Constant(LONG, 0)


def _write(builder, value):
    if MACHINE in ("x86_64", "amd64"):
        place = builder.alloca(WORD)
        builder.store(builder.trunc(value, WORD), place)
        _call(builder, "llvm.x86.sse.ldmxcsr", place)
    elif MACHINE in FLUSH:
        builder.asm(ir.FunctionType(ir.VoidType(), [LONG]), "msr fpcr, $0", "r", [value], side_effect=True)


def _call(builder, name, place):
    byte = ir.IntType(8).as_pointer()
    function = builder.module.globals.get(name) or ir.Function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte]), name
    )
    builder.call(function, [builder.bitcast(place, byte)])


@intrinsic
def flush_denormals(typingctx):
    """Set the processor to treat denormal numbers as zeros; returns the setting that was there."""

    def generate(context, builder, sig, args):
        before = _read(builder)
        _write(builder, builder.or_(before, ir.Constant(LONG, FLUSH.get(MACHINE, 0))))
        return before

    return types.int64(), generate


@intrinsic
def restore(typingctx, before):
    """Put a setting back."""

    def generate(context, builder, sig, args):
        _write(builder, args[0])
        return context.get_dummy_value()

    return types.void(types.int64), generate
