"""The Triton engine: whole sequences on an NVIDIA GPU, as operators that torch can differentiate and trace."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import isqrt
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils.checkpoint import checkpoint

from wormnet.kernels import check_history
from wormnet.kernels.gpu import launch, layers
from wormnet.kernels.gpu.arguments import Call, Plan, Saved, parts
from wormnet.kernels.gpu.cfc_backbone_operator import backbone_params_of
from wormnet.kernels.gpu.cfc_operator import params_of
from wormnet.kernels.gpu.tables import Tables, build
from wormnet.models import CTRNN, CfC, OdeModel
from wormnet.models.spec import Model
from wormnet.wiring.core import Wiring

__all__ = ["Engine", "engine_of"]

MOST_LANES = 16
"""Most sequences of a program. Not measured on a card yet."""


@dataclass(frozen=True)
class Engine:
    """Runs an "ltc" or "ctrnn" with the semi-implicit solver, or a "cfc", over whole sequences, differentiably.

    Args:
        tables: the numbers of its tables, see `engine_of`; none for a "cfc" behind a backbone.
        sizes: those that are plain numbers.
        checkpoint: keep for the backward pass the states between spans of sqrt(time) samples only, and compute what is
            inside of a span a second time: memory in sqrt(time), one launch for each span.
        lanes: sequences that share a program, a power of two; None to choose by the batch and the device.
    """

    tables: tuple[Tensor, ...]
    sizes: tuple[int, ...]
    checkpoint: bool = False
    lanes: int | None = None

    def __call__(
        self,
        model: Model,
        wiring: Wiring,
        p: Mapping[str, Tensor],
        x: Tensor,
        dt: Tensor,
        lengths: Tensor | None,
        v0: Tensor,
        keep: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Run the sequences.

        Args:
            model, wiring: what, on whom: those of the tables.
            p: the parameters as they enter the equation, by name.
            x: (batch, time, inputs), as the synapses see it (behind `read_in`).
            dt: (batch, time) or (1, 1).
            lengths: (batch,) or None.
            v0: (batch, neurons) the state before the first sample.
            keep: neurons whose state after every sample is wanted, each once; None for all.

        Returns: (batch, time, kept), zero behind a sequence's end, and (batch, neurons) after each one's last sample.
        """
        operator, params = _operands(model, p, x)
        save = torch.is_grad_enabled() and any(values.requires_grad for values in (dt, x, v0, *params))
        keep = torch.arange(v0.shape[1], device=x.device) if keep is None else keep
        lanes = _lanes(model, x.shape[0], x.device) if self.lanes is None else self.lanes
        tables = (list(self.tables), list(self.sizes))
        if isinstance(model, CfC) and model.backbone_layers:
            tables, options = (), (model.mode, model.backbone_activation, lanes, save)
        elif isinstance(model, CfC):
            options = (model.mode, lanes, save)
        else:
            assert isinstance(model, OdeModel)
            options = (model.unfolds, model.name == "ctrnn", lanes, save, save and dt.requires_grad)

        def run(dt: Tensor, x: Tensor, lengths: Tensor | None, v0: Tensor) -> tuple[Tensor, Tensor]:
            return operator(*tables, keep, lengths, dt, x, v0, *params, *options)[:2]

        time = x.shape[1]
        if not (self.checkpoint and save and time > 1):
            return run(dt, x, lengths, v0)
        kept, span = [], isqrt(time - 1) + 1
        for begin in range(0, time, span):
            some = slice(begin, begin + span)
            left = None if lengths is None else (lengths - begin).clamp(0, len(range(time)[some]))
            part = (dt if dt.shape == (1, 1) else dt[:, some], x[:, some], left, v0)
            out, v0 = checkpoint(run, *part, use_reentrant=False)  # pyright: ignore[reportGeneralTypeIssues]
            kept.append(out)
        return torch.cat(kept, 1), v0


@lru_cache(maxsize=64)
def engine_of(
    model: Model, wiring: Wiring, device: torch.device, *, checkpoint: bool = False, lanes: int | None = None
) -> Engine:
    """The engine for a model on a wiring, its tables on a device. What `kernels.gpu.unable` gives no reason against."""
    # Kept for later calls too, which may need gradients even if this one does not.
    with torch.inference_mode(False):
        leaves = pytree.tree_leaves(_tables(model, wiring, device))
    tensors, sizes = (tuple(leaf for leaf in leaves if isinstance(leaf, kind)) for kind in (Tensor, int))
    return Engine(tensors, sizes, checkpoint, lanes)  # pyright: ignore[reportArgumentType]


def _tables(model: Model, wiring: Wiring, device: torch.device) -> Tables | layers.Layers | tuple[()]:
    if not isinstance(model, CfC):
        return build(model, wiring, device)
    # Behind a backbone every cell sends to every neuron, so there is nothing to look up.
    return () if model.backbone_layers else layers.build(model, wiring, device)


def _operands(model: Model, p: Mapping[str, Tensor], x: Tensor) -> tuple[Callable[..., Any], tuple[Tensor, ...]]:
    """The operator that runs a model, and the model's parameters as it takes them."""
    if isinstance(model, CfC) and model.backbone_layers:
        return torch.ops.wormnet.triton_backbone_forward, backbone_params_of(model, p)
    if isinstance(model, CfC):
        return torch.ops.wormnet.triton_cfc_forward, params_of(model, p)
    if model.name == "ltc":
        alone = (p["capacitance"], p["leak"] * p["v_leak"], p["leak"])
        chemical = (p["conductance"], p["slope"], p["midpoint"], p["reversal"])
        linear = torch.cat([p[name] for name in ("gap_conductance", "current") if name in p] or [x.new_zeros(0)])
    else:
        alone = (p["time_constant"], p["bias"], torch.ones_like(p["bias"]))
        chemical = tuple(x.new_zeros(4, 0).unbind())
        linear = p["weight"]
    return torch.ops.wormnet.triton_forward, (*alone, *chemical, linear)


def _lanes(model: Model, batch: int, device: torch.device) -> int:
    """The fewest that do not make more programs than can run at once: time is what cannot be shared.

    Two run on each multiprocessor; of those with a backbone one, which reads all weights for every sample, so that no
    fewer than four sequences share them.
    """
    lanes, programs = (4, 1) if isinstance(model, CfC) and model.backbone_layers else (1, 2)
    programs *= torch.cuda.get_device_properties(device).multi_processor_count
    while lanes < MOST_LANES and batch > lanes * programs:
        lanes *= 2
    return lanes


# Operators take flat lists; all tables have the structure of this one.
_LEAVES, _STRUCTURE = pytree.tree_flatten(build(CTRNN(), Wiring(0, 1), "cpu"))


def _plan(
    tables: Sequence[Tensor],
    sizes: Sequence[int],
    keep: Tensor,
    unfolds: int,
    tanh: bool,
    lanes: int,
    save: bool,
    needs_dt: bool,
) -> Plan:
    tensors, numbers = iter(tables), iter(sizes)
    leaves = [next(tensors) if isinstance(leaf, Tensor) else next(numbers) for leaf in _LEAVES]
    full: Tables = pytree.tree_unflatten(leaves, _STRUCTURE)
    place = torch.full((full.n_neurons,), -1, dtype=torch.int32, device=keep.device)
    place[keep] = torch.arange(len(keep), dtype=torch.int32, device=keep.device)
    return Plan(full, keep.int(), place, unfolds, tanh, lanes, save, needs_dt)


def _call(lengths: Tensor | None, dt: Tensor, *numbers: Tensor) -> Call:
    return Call(None if lengths is None else lengths.int(), dt, *(values.contiguous() for values in numbers))


@torch.library.custom_op("wormnet::triton_forward", mutates_args=())
def _forward(
    tables: Sequence[Tensor],
    sizes: Sequence[int],
    keep: Tensor,
    lengths: Tensor | None,
    dt: Tensor,
    x: Tensor,
    v0: Tensor,
    capacitance: Tensor,
    drive_alone: Tensor,
    pull_alone: Tensor,
    conductance: Tensor,
    slope: Tensor,
    midpoint: Tensor,
    reversal: Tensor,
    linear: Tensor,
    unfolds: int,
    tanh: bool,
    lanes: int,
    save: bool,
    needs_dt: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    plan = _plan(tables, sizes, keep, unfolds, tanh, lanes, save, needs_dt)
    alone, chemical = (capacitance, drive_alone, pull_alone), (conductance, slope, midpoint, reversal)
    # Triton launches on the current device, which need not be that of the tensors.
    with torch.cuda.device_of(x):
        saved, kept, final = launch.forward(plan, _call(lengths, dt, x, v0, *alone, *chemical, linear))
    return kept, final, saved.states, saved.inverse, saved.rate


@_forward.register_fake
def _(tables, sizes, keep, lengths, dt, x, v0, *rest) -> tuple[Tensor, ...]:
    unfolds, tanh, lanes, save, needs_dt = rest[-5:]
    (batch, time, _), n = x.shape, v0.shape[1]
    blocks, steps = parts(batch, lanes), time * unfolds
    each = (blocks, steps, n, lanes)
    return (
        x.new_empty(batch, time, keep.shape[0]),
        x.new_empty(batch, n),
        x.new_empty(blocks, steps + 1 if save else 2, n, lanes),
        x.new_empty(each if save else 0),
        x.new_empty(each if save and (tanh or needs_dt) else 0),
    )


@torch.library.custom_op("wormnet::triton_backward", mutates_args=())
def _backward(
    tables: Sequence[Tensor],
    sizes: Sequence[int],
    keep: Tensor,
    lengths: Tensor | None,
    numbers: Sequence[Tensor],
    saved: Sequence[Tensor],
    d_kept: Tensor,
    d_final: Tensor,
    unfolds: int,
    tanh: bool,
    lanes: int,
    needs_dt: bool,
) -> list[Tensor]:
    plan = _plan(tables, sizes, keep, unfolds, tanh, lanes, True, needs_dt)
    with torch.cuda.device_of(d_final):
        given = launch.backward(
            plan, _call(lengths, *numbers), Saved(*saved), d_kept.contiguous(), d_final.contiguous()
        )
    return [torch.empty(0) if gradient is None else gradient for gradient in given]


@_backward.register_fake
def _(tables, sizes, keep, lengths, numbers, saved, d_kept, d_final, unfolds, tanh, lanes, needs_dt) -> list[Tensor]:
    dt, *others = (values.new_empty(values.shape) for values in numbers)
    return [dt if needs_dt else torch.empty(0), *others]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    tables, ctx.sizes, keep, lengths = inputs[:4]
    ctx.unfolds, ctx.tanh, ctx.lanes, ctx.save, ctx.needs_dt = inputs[-5:]
    ctx.n_tables = len(tables)
    ctx.save_for_backward(*tables, keep, lengths, *inputs[4:-5], *output[2:])


def _pass_back(ctx: Any, d_kept: Tensor, d_final: Tensor, *_: Tensor) -> tuple[Any, ...]:
    check_history(ctx.save)
    saved = ctx.saved_tensors  # read once: a checkpoint computes them anew at every look
    tables, (keep, lengths, *rest) = saved[: ctx.n_tables], saved[ctx.n_tables :]
    d_dt, *others = torch.ops.wormnet.triton_backward(
        list(tables),
        ctx.sizes,
        keep,
        lengths,
        rest[:-3],
        rest[-3:],
        d_kept,
        d_final,
        ctx.unfolds,
        ctx.tanh,
        ctx.lanes,
        ctx.needs_dt,
    )
    return [None] * ctx.n_tables, None, None, None, d_dt if ctx.needs_dt else None, *others, *[None] * 5


_forward.register_autograd(_pass_back, setup_context=_setup)
