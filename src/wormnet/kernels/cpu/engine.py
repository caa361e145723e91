"""The kernels as operators that torch can differentiate and trace, and the engine that calls them."""

import importlib
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from wormnet.errors import BackendError
from wormnet.kernels import check_history
from wormnet.kernels.cpu import LANES
from wormnet.kernels.cpu.plans import PLANS, blocks_of, edges_of, kernels_of
from wormnet.kernels.cpu.pool import run_tasks, workers
from wormnet.models import Model
from wormnet.models.spec import Values
from wormnet.wiring.core import Wiring

__all__ = ["Engine", "engine_of"]

GROUPS = 32
"""Into how many sums the blocks' gradients go at most. A number of its own, since bits must not follow the threads'."""


LARGE = 2**22
"""Bytes from which NumPy asks the system for large pages."""


@dataclass(frozen=True)
class Engine:
    """Runs a model on a wiring over whole batches; what it is called with, `kernels.dispatch.Run` tells."""

    name: str
    parameters: tuple[str, ...]
    edges: Tensor
    option: int
    checkpoint: bool = False

    def __call__(
        self,
        model: Model,
        wiring: Wiring,
        p: Values,
        x: Tensor,
        dt: Tensor,
        lengths: Tensor | None,
        v0: Tensor,
        keep: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """(batch, time, kept), (batch, neurons)"""
        given = x.dtype
        if given != torch.float32 and given != torch.float64:
            p, (x, dt, v0) = {name: one.float() for name, one in p.items()}, (one.float() for one in (x, dt, v0))
        batch, time, _ = x.shape
        found = [p[name] for name in self.parameters if name in p]
        packed = torch.cat([one if one.dim() == 1 else one.reshape(-1) for one in found])
        keep = torch.arange(v0.shape[1], device=v0.device) if keep is None else keep
        if forward_ad._current_level >= 0:
            _check_no_tangents(packed, x, dt, v0)
        needed = torch.is_grad_enabled() and (any(one.requires_grad for one in (packed, x, dt, v0)) or _transformed())
        span = -1 if not needed else math.isqrt(max(time - 1, 0)) + 1 if self.checkpoint and time > 1 else time
        dt = dt if dt.shape == (batch, time) else dt.expand(batch, time)
        run = _way(_Forward, torch.ops.wormnet.cpu_forward, None if needed else _forward)
        kept, last, _ = run(packed, self.edges, x, dt, lengths, v0, keep, self.name, self.option, span)
        return (kept, last) if kept.dtype == given else (kept.to(given), last.to(given))


def engine_of(model: Model, wiring: Wiring, checkpoint: bool) -> Engine:
    """The engine for a model on a wiring. What `kernels.cpu.unable` gives no reason against."""
    name = kernels_of(model)
    plan = PLANS[name]
    return Engine(name, plan.parameters(model), edges_of(name, wiring), plan.option(model), checkpoint)


@cache
def _kernels(name: str) -> Any:
    """The compiled functions; importing them imports Numba."""
    return importlib.import_module(f"wormnet.kernels.cpu.{name}")


def _transformed() -> bool:
    """Whether torch.func is at work; what it wraps does not tell whether a gradient will be asked for."""
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()


def _way(function: type[torch.autograd.Function], operator: Any, plain: Any) -> Any:
    """How to call a kernel: plainly where nothing is differentiated; as an operator, one node to whoever traces.

    torch.func transforms autograd functions and no operators, but takes tenths of a millisecond for each call.
    """
    if torch.compiler.is_compiling():
        return operator
    if torch._C._are_functorch_transforms_active():
        return function.apply
    return operator if plain is None or _watched() else plain


def _watched() -> bool:
    """Whether something follows the operators: a tracer, or a mode such as that of fake tensors."""
    return torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None


def _check_no_tangents(*given: Tensor) -> None:
    if any(forward_ad.unpack_dual(one).tangent is not None for one in given):
        raise BackendError(
            'the cpu kernels have no forward derivatives; for these build the layer with backend="reference".'
        )


def _saved_size(batch: int, time: int, n: int, name: str, option: int, span: int) -> int:
    rows = 0 if span < 0 else PLANS[name].history(n, time, option) if span == time else (time + span - 1) // span * n
    return blocks_of(batch) * rows * LANES


def _flat(values: Tensor) -> np.ndarray:
    # Each of these is half a microsecond, and one sample takes not many of them.
    values = values.detach() if values.requires_grad else values
    numbers = (values if values.is_contiguous() else values.contiguous()).numpy()
    return numbers if numbers.ndim == 1 else numbers.reshape(-1)


def _numbers(lengths: Tensor | None, like: np.ndarray) -> np.ndarray:
    return np.empty(0, like.dtype) if lengths is None else lengths.contiguous().numpy().astype(like.dtype)


def _empty(like: Tensor, *shape: int) -> np.ndarray:
    """Memory that holds anything, from the start of a cache line on, as torch gives it.

    Much of it comes from NumPy, which asks for large pages: to be given the history of 302 neurons and 100 samples in
    small ones takes as long as to compute it.
    """
    size = math.prod(shape) * like.element_size()
    if size < LARGE:
        return like.new_empty(shape).numpy()
    memory = np.empty(size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    made = memory[start : start + size].view(like.new_empty(0).numpy().dtype).reshape(shape)
    if torch.are_deterministic_algorithms_enabled():
        made.fill(np.nan)  # as torch fills its own then
    return made


def _room(tasks: int, rows: int, like: Tensor) -> np.ndarray:
    return _empty(like, workers(tasks), max(rows, 1) * LANES)


def _like(values: Tensor, fill: float | None = None) -> Tensor:
    made = torch.empty_like(values, memory_format=torch.contiguous_format)
    return made if fill is None else made.fill_(fill)


def _forward(
    p: Tensor,
    edges: Tensor,
    x: Tensor,
    dt: Tensor,
    lengths: Tensor | None,
    v0: Tensor,
    keep: Tensor,
    name: str,
    option: int,
    span: int,
) -> tuple[Tensor, Tensor, Tensor]:
    (batch, time, inputs), n, width, forward = x.shape, v0.shape[1], keep.shape[0], _kernels(name).forward
    numbers, wiring, blocks = _flat(p), edges.numpy(), blocks_of(batch)
    sizes = (n, inputs, batch, time, width, option, span)
    # Behind a sequence's end nothing is written.
    kept = x.new_empty(batch, time, width) if lengths is None else x.new_zeros(batch, time, width)
    last, size = _like(v0), _saved_size(batch, time, n, name, option, span)
    saved = _empty(x, size)
    room = _room(blocks, PLANS[name].room(n, inputs, int(wiring[0]), option), x)
    shared = (numbers, wiring, sizes, _flat(x), _flat(dt), _numbers(lengths, numbers), _flat(v0), keep.numpy())
    out = (_flat(kept), _flat(last), saved)
    run_tasks(blocks, len(room), lambda block, worker: forward(*shared, *out, block, room[worker]))
    return kept, last, torch.from_numpy(saved) if size else x.new_empty(0)


def _backward(
    p: Tensor,
    edges: Tensor,
    x: Tensor,
    dt: Tensor,
    lengths: Tensor | None,
    keep: Tensor,
    saved: Tensor,
    g_kept: Tensor,
    g_last: Tensor,
    name: str,
    option: int,
    span: int,
    by_x: bool,
    by_dt: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    check_history(span >= 0)
    (batch, time, inputs), n, kernels = x.shape, g_last.shape[1], _kernels(name)
    sizes = (n, inputs, batch, time, keep.shape[0], option, span)
    # Behind a sequence's end nothing is written.
    fill = None if lengths is None else 0.0
    g_x, g_dt = _like(x, fill) if by_x else x.new_empty(0), _like(dt, fill) if by_dt else dt.new_empty(0)
    g_v0, g_p = _like(g_last), _like(p)
    groups = min(blocks_of(batch), GROUPS)
    numbers, wiring = _flat(p), edges.numpy()
    sums = _empty(x, groups, len(numbers))
    history = PLANS[name].history(n, span, option) if span != time else 0
    room = _room(groups, history + PLANS[name].room_back(n, inputs, int(wiring[0]), len(numbers), option), x)
    shared = (numbers, wiring, sizes, _flat(x), _flat(dt), _numbers(lengths, numbers), keep.numpy(), saved.numpy())
    out = (_flat(g_kept), _flat(g_last), *(_flat(one) for one in (g_x, g_dt, g_v0)))
    run_tasks(
        groups,
        len(room),
        lambda group, worker: kernels.backward(*shared, *out, sums[group], group, groups, room[worker]),
    )
    kernels.finish(numbers, wiring, n, sums, g_p.numpy())
    return g_p, g_x, g_dt, g_v0


# -- what torch has to know of them ------------------------------------------------------------------------------------

_library = torch.library.Library("wormnet", "FRAGMENT")
_GIVEN, _OPTIONS = "Tensor p, Tensor edges, Tensor x, Tensor dt, Tensor? lengths", "str name, int option, int span"
_PASSED_BACK = "Tensor keep, Tensor saved, Tensor g_kept, Tensor g_last"
for _name, _arguments, _results, _function in (
    ("cpu_forward", f"Tensor v0, Tensor keep, {_OPTIONS}", "Tensor, Tensor, Tensor", _forward),
    ("cpu_backward", f"{_PASSED_BACK}, {_OPTIONS}, bool by_x, bool by_dt", "Tensor, Tensor, Tensor, Tensor", _backward),
):
    _library.define(f"{_name}({_GIVEN}, {_arguments}) -> ({_results})", tags=(torch.Tag.pt2_compliant_tag,))
    _library.impl(_name, _function, "CPU")


@torch.library.register_fake("wormnet::cpu_forward", lib=_library)
def _(p, edges, x, dt, lengths, v0, keep, name, option, span):
    batch, time, _ = x.shape
    saved = _saved_size(batch, time, v0.shape[1], name, option, span)
    return x.new_empty(batch, time, keep.shape[0]), _like(v0), x.new_empty(saved)


@torch.library.register_fake("wormnet::cpu_backward", lib=_library)
def _(p, edges, x, dt, lengths, keep, saved, g_kept, g_last, name, option, span, by_x, by_dt):
    g_x, g_dt = _like(x) if by_x else x.new_empty(0), _like(dt) if by_dt else dt.new_empty(0)
    return _like(p), g_x, g_dt, _like(g_last)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
    p, edges, x, dt, lengths, _, keep, *ctx.options = inputs
    ctx.save_for_backward(p, edges, x, dt, lengths, keep, output[2])
    # The history is by far the largest of the outputs; a gradient of zeros for it would cost as much as the way back.
    ctx.mark_non_differentiable(output[2])
    ctx.set_materialize_grads(False)
    ctx.shapes = output[0].shape, output[1].shape


def _pass_back(ctx: Any, *given: Any) -> tuple[Any, ...]:
    like = ctx.saved_tensors[0]
    g_kept, g_last = (
        like.new_zeros(shape) if one is None else one for one, shape in zip(given[:2], ctx.shapes, strict=True)
    )
    run = _way(_Backward, torch.ops.wormnet.cpu_backward, None if torch.is_grad_enabled() else _backward)
    by_x, by_dt = ctx.needs_input_grad[2:4]  # mostly nobody asks for them
    g_p, g_x, g_dt, g_v0 = run(*ctx.saved_tensors, g_kept, g_last, *ctx.options, by_x, by_dt)
    return g_p, None, g_x if by_x else None, g_dt if by_dt else None, None, g_v0, None, None, None, None


def _no_second_derivative(ctx: Any, *_: Any) -> Any:
    raise BackendError(
        "the cpu kernels have first derivatives only; for a derivative of a gradient build the layer with "
        'backend="reference".'
    )


torch.library.register_autograd("wormnet::cpu_forward", _pass_back, setup_context=_setup, lib=_library)
torch.library.register_autograd("wormnet::cpu_backward", _no_second_derivative, lib=_library)


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


def _one_by_one(function: Any, info: Any, in_dims: tuple[Any, ...], arguments: tuple[Any, ...]) -> tuple[Any, Any]:
    results = [
        function.apply(*[one if d is None else one.select(d, i) for one, d in zip(arguments, in_dims, strict=True)])
        for i in range(info.batch_size)
    ]
    stacked = tuple(torch.stack(parts) for parts in zip(*results, strict=True))
    return stacked, (0,) * len(stacked)
