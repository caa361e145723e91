"""The compiled engines as one pair of operators that torch can differentiate, trace and batch, on every device.

forward   (p, tables, sizes, x, dt, lengths, starts, state, initial, drop, keep, program, span)
          -> kept (batch, time, kept), last (states, batch, neurons), saved
backward  (the same without state, saved, the adjoints of kept and last, and what is asked for)
          -> adjoints of p, x, dt, state, initial; empty where nobody asks

p         all coefficients, see `layout`                tables, sizes   the wiring as the device's engine reads it
x         (batch, time, width of a sample)              dt              (batch, time)
lengths   (batch,) or None                              starts          (batch, time) booleans or None
state     (states, batch, neurons) before the first sample
initial   (states, batch, neurons) that a start sets, None for zeros
drop      (hidden layers, batch, time, units) 0 or 1 / (1 - dropout), or None
keep      (kept,) neurons whose first state is wanted after every sample
program   a name for `program_named`
span      -1 to keep no history, `time` or more to keep all of it, or the samples between two states that are kept,
          from which the backward pass computes the rest again
"""

import importlib
from functools import cache
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from wormnet.engine.constants import watched
from wormnet.engine.program import program_named
from wormnet.errors import BackendError

__all__ = ["ALL", "device_engine", "run"]

ALL = 2**31 - 1
"""The span that keeps all of the history, however many samples a graph will be called with."""

GIVES_FORWARD, GIVES_BACKWARD = "(Tensor, Tensor, Tensor)", "(Tensor, Tensor, Tensor, Tensor, Tensor)"
_GIVEN = "Tensor p, Tensor tables, SymInt[] sizes, Tensor x, Tensor dt, Tensor? lengths, Tensor? starts"
_REST = "Tensor? initial, Tensor? drop, Tensor keep"


def device_engine(kind: str) -> ModuleType:
    """The module that has `forward`, `backward` and `saved_size` for a kind of device."""
    return _launch("gpu" if kind == "cuda" else "cpu")


@cache
def _launch(engine: str) -> ModuleType:
    # Imported when first needed: they import Numba, or Triton.
    return importlib.import_module(f"wormnet.engine.{engine}.launch")


def run(*given: Any) -> tuple[Tensor, Tensor]:
    """Kept and last; differentiable. Takes what forward takes."""
    if forward_ad._current_level >= 0:
        _check_no_tangents(given)
    if torch.compiler.is_compiling():
        kept, last, _ = torch.ops.wormnet.forward(*given)
    elif torch._C._are_functorch_transforms_active():
        # torch.func transforms autograd functions and no operators, but takes tenths of a millisecond for each call.
        kept, last, _ = _Forward.apply(*given)  # pyright: ignore[reportGeneralTypeIssues]
    elif watched(given[0], given[3], given[4], given[7]):
        kept, last, _ = torch.ops.wormnet.forward(*given)
    elif given[-1] < 0:
        kept, last, _ = _forward(*given)
    else:
        kept, last, _ = _Eager.apply(*given)  # pyright: ignore[reportGeneralTypeIssues]
    return kept, last


def _forward(p: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    *given, span = rest
    return device_engine(p.device.type).forward(p, *given, min(span, given[2].shape[1]))


def _backward(p: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    *given, span, wanted = rest
    if span < 0:
        raise BackendError(
            "the kernels were called, traced or exported without gradients and have kept nothing to differentiate "
            "with; call, trace or export with gradients enabled (outside of torch.no_grad())."
        )
    return device_engine(p.device.type).backward(p, *given, min(span, given[2].shape[1]), wanted)


def _check_no_tangents(given: tuple[Any, ...]) -> None:
    for one in given:
        if isinstance(one, Tensor) and one.is_floating_point() and forward_ad.unpack_dual(one).tangent is not None:
            raise BackendError(
                'the compiled engines have no forward derivatives; for these build the layer with backend="reference".'
            )


# -- what torch has to know of them ------------------------------------------------------------------------------------

_library = torch.library.Library("wormnet", "FRAGMENT")
_library.define(
    f"forward({_GIVEN}, Tensor state, {_REST}, str program, int span) -> {GIVES_FORWARD}",
    tags=(torch.Tag.pt2_compliant_tag,),
)
_library.define(
    f"backward({_GIVEN}, {_REST}, Tensor saved, Tensor g_kept, Tensor g_last, str program, int span, bool[] wanted)"
    f" -> {GIVES_BACKWARD}",
    tags=(torch.Tag.pt2_compliant_tag,),
)
for _device in ("CPU", "CUDA"):
    _library.impl("forward", _forward, _device)
    _library.impl("backward", _backward, _device)


@torch.library.register_fake("wormnet::forward", lib=_library)
def _(p, tables, sizes, x, dt, lengths, starts, state, initial, drop, keep, program, span):
    batch, time, _ = x.shape
    size_of, n = device_engine(p.device.type).saved_size, state.shape[2]
    span = time if span == ALL else span
    saved = size_of(program_named(program), n, batch, time, span, padded=lengths is not None, starts=starts is not None)
    return x.new_empty(batch, time, keep.shape[0]), _like(state), x.new_empty(saved)


@torch.library.register_fake("wormnet::backward", lib=_library)
def _(p, tables, sizes, x, dt, lengths, starts, initial, drop, keep, saved, g_kept, g_last, program, span, wanted):
    return tuple(
        _like(one) if asked else p.new_empty(0) for one, asked in zip((p, x, dt, g_last, g_last), wanted, strict=True)
    )


def _like(values: Tensor) -> Tensor:
    return torch.empty_like(values, memory_format=torch.contiguous_format)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    p, tables, ctx.sizes, x, dt, lengths, starts, _, initial, drop, keep, ctx.program, ctx.span = inputs
    ctx.save_for_backward(p, tables, x, dt, lengths, starts, initial, drop, keep, output[2])
    # The history is by far the largest output; a gradient of zeros for it would cost as much as the backward pass.
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)
    ctx.shapes = output[0].shape, output[1].shape


def _pass_back(ctx: Any, *given: Any) -> tuple[Any, ...]:
    p, tables, *others = ctx.saved_tensors  # read once: a checkpoint computes them anew at every look
    g_kept, g_last = (p.new_zeros(shape) if g is None else g for g, shape in zip(given[:2], ctx.shapes, strict=True))
    # In the order of forward: p, x, dt, state, initial.
    wanted = [bool(ctx.needs_input_grad[i]) for i in (0, 3, 4, 7, 8)]
    call = (p, tables, ctx.sizes, *others, g_kept, g_last, ctx.program, ctx.span, wanted)
    if torch.compiler.is_compiling():
        found = torch.ops.wormnet.backward(*call)
    elif torch._C._are_functorch_transforms_active():
        found = _Backward.apply(*call)  # pyright: ignore[reportGeneralTypeIssues]
    elif torch.is_grad_enabled() or watched(p, g_kept, g_last):
        found = torch.ops.wormnet.backward(*call)
    else:
        found = _backward(*call)
    g_p, g_x, g_dt, g_state, g_initial = (g if asked else None for g, asked in zip(found, wanted, strict=True))
    return g_p, None, None, g_x, g_dt, None, None, g_state, g_initial, None, None, None, None


def _no_second_derivative(ctx: Any, *_: Any) -> Any:
    raise BackendError(
        "the compiled engines have first derivatives only; for a derivative of a gradient build the layer with "
        'backend="reference".'
    )


torch.library.register_autograd("wormnet::forward", _pass_back, setup_context=_setup, lib=_library)
torch.library.register_autograd("wormnet::backward", _no_second_derivative, lib=_library)


class _Forward(torch.autograd.Function):
    forward, setup_context = staticmethod(_forward), staticmethod(_setup)
    backward = staticmethod(_pass_back)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        return _one_by_one(_Forward, info, in_dims, arguments)


class _Backward(torch.autograd.Function):
    forward, backward = staticmethod(_backward), staticmethod(_no_second_derivative)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        """A second derivative does not exist, so nothing is kept for it."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *arguments: Any) -> tuple[Any, Any]:
        return _one_by_one(_Backward, info, in_dims, arguments)


class _Eager(torch.autograd.Function):
    """The same without the dispatcher, which takes a tenth of a millisecond, where nothing intercepts operators."""

    @staticmethod
    def forward(ctx: Any, *given: Any) -> tuple[Tensor, Tensor, Tensor]:
        found = _forward(*given)
        _setup(ctx, given, found)
        return found

    backward = staticmethod(_pass_back)


def _one_by_one(function: Any, info: Any, in_dims: tuple[Any, ...], arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    results = [
        function.apply(
            *[one if not isinstance(d, int) else one.select(d, i) for one, d in zip(arguments, in_dims, strict=True)]
        )
        for i in range(info.batch_size)
    ]
    stacked = tuple(torch.stack(parts) for parts in zip(*results, strict=True))
    return stacked, (0,) * len(stacked)
