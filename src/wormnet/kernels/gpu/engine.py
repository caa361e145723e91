"""The Triton engine: whole sequences on an NVIDIA GPU, differentiable."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from wormnet.kernels.gpu import launch
from wormnet.kernels.gpu.arguments import Call, Plan, Saved
from wormnet.kernels.gpu.tables import build
from wormnet.models import OdeModel
from wormnet.models.spec import Model
from wormnet.wiring.core import Wiring

__all__ = ["run"]

MOST_LANES = 16
"""Most sequences of a program. Not measured on a card yet."""

_tables = lru_cache(maxsize=32)(build)


def run(
    model: Model,
    wiring: Wiring,
    p: Mapping[str, Tensor],
    x: Tensor,
    dt: Tensor,
    lengths: Tensor | None,
    v0: Tensor,
    keep: Tensor | None,
    *,
    lanes: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Run an "ltc" or "ctrnn" with the semi-implicit solver over whole sequences, differentiably.

    Args:
        model, wiring: what, on whom; what `kernels.gpu.unable` returns None for.
        p: the parameters as they enter the equation, by name.
        x: (batch, time, inputs), as the synapses see it (behind `read_in`).
        dt: (batch, time) or (1, 1).
        lengths: (batch,) or None.
        v0: (batch, neurons) the state before the first sample.
        keep: neurons whose state after every sample is wanted, each once; None for all.
        lanes: sequences that share a program, a power of two; None to choose by the batch and the device.

    Returns: (batch, time, kept), zero behind a sequence's end, and (batch, neurons) after each sequence's last sample.
    """
    assert isinstance(model, OdeModel)
    tables = _tables(model, wiring, x.device)
    n, device = tables.n_neurons, x.device
    keep = torch.arange(n, device=device) if keep is None else keep
    place = torch.full((n,), -1, dtype=torch.int32, device=device)
    place[keep] = torch.arange(len(keep), dtype=torch.int32, device=device)
    if model.name == "ltc":
        alone = (p["capacitance"], p["leak"] * p["v_leak"], p["leak"])
        chemical = (p["conductance"], p["slope"], p["midpoint"], p["reversal"])
        linear = torch.cat([p[name] for name in ("gap_conductance", "current") if name in p] or [x.new_zeros(0)])
    else:
        alone = (p["time_constant"], p["bias"], torch.ones_like(p["bias"]))
        chemical = (x.new_zeros(0),) * 4
        linear = p["weight"]
    tensors = [values.contiguous() for values in (x, v0, *alone, *chemical, linear)]
    save = torch.is_grad_enabled() and any(values.requires_grad for values in (dt, *tensors))
    lanes = _lanes(x.shape[0], device) if lanes is None else lanes
    needs_dt = save and dt.requires_grad
    plan = Plan(tables, keep.int(), place, model.unfolds, model.name == "ctrnn", lanes, save, needs_dt)
    # Triton launches on the current device, which need not be that of the tensors.
    with torch.cuda.device_of(x):
        return _Sequence.apply(plan, lengths if lengths is None else lengths.int(), dt, *tensors)  # pyright: ignore[reportReturnType]


def _lanes(batch: int, device: torch.device) -> int:
    """The fewest that do not make more than two programs for each multiprocessor: time is what cannot be shared."""
    lanes, programs = 1, 2 * torch.cuda.get_device_properties(device).multi_processor_count
    while lanes < MOST_LANES and batch > lanes * programs:
        lanes *= 2
    return lanes


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: Plan, lengths: Tensor | None, *tensors: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        saved, kept, final = launch.forward(plan, Call(lengths, *tensors))
        ctx.plan, ctx.n_saved = plan, len(saved)
        if plan.save:
            ctx.save_for_backward(*saved, lengths, *tensors)
        return kept, final

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_kept: Tensor, d_final: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore[reportIncompatibleMethodOverride]
        saved, call = Saved(*ctx.saved_tensors[: ctx.n_saved]), Call(*ctx.saved_tensors[ctx.n_saved :])
        return None, None, *launch.backward(ctx.plan, call, saved, d_kept.contiguous(), d_final.contiguous())
