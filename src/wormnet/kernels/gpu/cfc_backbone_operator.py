"""CfC sequences behind a backbone as an operator: launches its two kernels, and multiplies over whole sequences."""

# Triton's launches take numbers where the kernels' annotations speak of tl.constexpr, and options besides.
# pyright: reportArgumentType=false, reportCallIssue=false

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from wormnet.kernels import check_history
from wormnet.kernels.gpu import cfc_backbone
from wormnet.kernels.gpu.arguments import dt_strides, parts, warps
from wormnet.kernels.gpu.cfc_operator import by_dt, params_of, valid
from wormnet.kernels.gpu.layers import ADJOINTS
from wormnet.models import CfC
from wormnet.models.cfc import ACTIVATIONS

__all__ = ["backbone_params_of"]

# Not measured on a card yet: a matrix of weights goes through shared memory by tiles of DEPTH_BYTES x COLUMNS.
COLUMNS = 128
"""Most neurons or units of a tile."""
DEPTH_BYTES = 128


def backbone_params_of(model: CfC, p: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Weight and bias of the first layer, those of the others, and what `params_of` gives for the heads."""
    weights, biases = ([p[f"backbone_{what}{i}"] for i in range(model.backbone_layers)] for what in ("weight", "bias"))
    units = model.backbone_units
    inner = torch.stack(weights[1:]) if weights[1:] else weights[0].new_zeros(0, units, units)
    inner_bias = torch.stack(biases[1:]) if biases[1:] else biases[0].new_zeros(0, units)
    return weights[0], biases[0], inner, inner_bias, *params_of(model, p)


@torch.library.custom_op("wormnet::triton_backbone_forward", mutates_args=())
def _forward(
    keep: Tensor,
    lengths: Tensor | None,
    dt: Tensor,
    x: Tensor,
    v0: Tensor,
    first: Tensor,
    first_bias: Tensor,
    inner: Tensor,
    inner_bias: Tensor,
    outer: Tensor,
    alone: Tensor,
    mode: str,
    activation: str,
    lanes: int,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    (batch, time, n_inputs), n, (n_heads, _, units) = x.shape, v0.shape[1], outer.shape
    layers = len(inner) + 1
    states = x.new_empty(batch, time + 1, n)
    states[:, 0] = v0
    sums = x.new_empty((batch, time, layers, units) if save else 0)
    heads = x.new_empty(batch, time if save else 1, n_heads, n)
    if batch * time:
        # Triton launches on the current device, which need not be that of the tensors.
        with torch.cuda.device_of(x):
            cfc_backbone.backbone_forward[(parts(batch, lanes),)](
                states=states,
                sums=sums,
                heads=heads,
                hidden=x.new_empty(batch, layers, units),
                drive=torch.nn.functional.linear(x, first[:, :n_inputs], first_bias),
                first=first[:, n_inputs:].t().contiguous(),
                inner=inner.mT.contiguous(),
                inner_bias=inner_bias.contiguous(),
                outer=outer.flatten(0, 1).t().contiguous(),
                HEAD_TILE=_columns(n_heads * n),
                SAVE=save,
                **_arguments(lengths, dt, outer, alone, layers, mode, activation, lanes, batch, time),
            )
    kept = states[:, 1:, keep]
    if lengths is not None:
        kept = torch.where(valid(lengths, time), kept, 0.0)
    return kept.contiguous(), states[:, time].clone(), states, sums, heads


@_forward.register_fake
def _(keep, lengths, dt, x, v0, first, first_bias, inner, inner_bias, outer, alone, *options) -> tuple[Tensor, ...]:
    (batch, time, _), n, (n_heads, _, units), save = x.shape, v0.shape[1], outer.shape, options[-1]
    return (
        x.new_empty(batch, time, keep.shape[0]),
        x.new_empty(batch, n),
        x.new_empty(batch, time + 1, n),
        x.new_empty((batch, time, inner.shape[0] + 1, units) if save else 0),
        x.new_empty(batch, time if save else 1, n_heads, n),
    )


@torch.library.custom_op("wormnet::triton_backbone_backward", mutates_args=())
def _backward(
    keep: Tensor,
    lengths: Tensor | None,
    dt: Tensor,
    x: Tensor,
    first: Tensor,
    inner: Tensor,
    outer: Tensor,
    alone: Tensor,
    states: Tensor,
    sums: Tensor,
    heads: Tensor,
    d_kept: Tensor,
    d_final: Tensor,
    mode: str,
    activation: str,
    lanes: int,
) -> list[Tensor]:
    """Gradients of dt, x, v0, first, first_bias, inner, inner_bias, outer, alone."""
    (batch, time, n_inputs), n, layers = x.shape, d_final.shape[1], len(inner) + 1
    if lengths is not None:
        d_kept = torch.where(valid(lengths, time), d_kept, 0.0)
    d_states = torch.zeros_like(states)
    d_states[:, 1:, keep] = d_kept
    d_states[:, time] += d_final
    d_sums, adjoints = torch.empty_like(sums), states.new_empty(batch, time, ADJOINTS, n)
    if batch * time:
        with torch.cuda.device_of(x):
            cfc_backbone.backbone_backward[(parts(batch, lanes),)](
                d_states=d_states,
                d_sums=d_sums,
                adjoints=adjoints,
                sums=sums,
                heads=heads,
                first=first[:, n_inputs:].contiguous(),
                inner=inner.contiguous(),
                outer=outer.contiguous(),
                **_arguments(lengths, dt, outer, alone, layers, mode, activation, lanes, batch, time),
            )
    d_dt = by_dt(adjoints, heads, alone[-1], mode).sum(2)
    # Under autocast a backward pass would multiply in half precision.
    with torch.autocast(x.device.type, enabled=False):
        products = _products(x, states[:, :-1], sums, d_sums, adjoints[:, :, : len(outer)], outer, activation)
        d_x = d_sums[:, :, 0] @ first[:, :n_inputs]
    d_first, d_inner, d_outer = products
    d_bias = d_sums.sum((0, 1))
    return [
        d_dt.sum().reshape(1, 1) if dt.shape == (1, 1) else d_dt,
        d_x,
        d_states[:, 0].clone(),
        d_first,
        d_bias[0].clone(),
        d_inner,
        d_bias[1:].clone(),
        d_outer,
        adjoints[:, :, : len(alone)].sum((0, 1)),
    ]


@_backward.register_fake
def _(keep, lengths, dt, x, first, inner, outer, alone, states, sums, heads, d_kept, d_final, *_) -> list[Tensor]:
    biases = first.new_empty(first.shape[0]), inner.new_empty(inner.shape[:2])
    like = (dt, x, d_final, first, biases[0], inner, biases[1], outer, alone)
    return [values.new_empty(values.shape) for values in like]


def _arguments(
    lengths: Tensor | None,
    dt: Tensor,
    outer: Tensor,
    alone: Tensor,
    layers: int,
    mode: str,
    activation: str,
    lanes: int,
    batch: int,
    time: int,
) -> dict[str, Any]:
    """What both kernels take."""
    n_heads, n, units = outer.shape
    return {
        "dt": dt,
        "lengths": dt if lengths is None else lengths.int(),
        "alone": alone.contiguous(),
        "batch": batch,
        "time": time,
        "n_neurons": n,
        "n_units": units,
        "n_layers": layers,
        **dt_strides(dt),
        "HEADS": n_heads,
        "LANES": lanes,
        "NEURON_TILE": _columns(n),
        "UNIT_TILE": _columns(units),
        "DEPTH": DEPTH_BYTES // dt.element_size(),
        "ACTIVATION": activation,
        "HAS_LENGTHS": lengths is not None,
        "PURE": mode == "pure",
        "NO_GATE": mode == "no_gate",
        "num_warps": warps(lanes * max(_columns(n_heads * n), _columns(units))),
    }


def _columns(n: int) -> int:
    return min(max(16, 1 << (n - 1).bit_length()), COLUMNS)


def _products(
    x: Tensor, before: Tensor, sums: Tensor, d_sums: Tensor, d_heads: Tensor, outer: Tensor, activation: str
) -> tuple[Tensor, Tensor, Tensor]:
    """Sums over all samples of what each weight's receiver adds to the loss, times what its sender sent."""
    sent, d_sums = ACTIVATIONS[activation](sums).flatten(0, 1), d_sums.flatten(0, 1)
    to_first = d_sums[:, 0].t()
    first = torch.cat([to_first @ x.flatten(0, 1), to_first @ before.flatten(0, 1)], 1)
    inner = d_sums[:, 1:].permute(1, 2, 0) @ sent[:, :-1].transpose(0, 1)
    return first, inner, (d_heads.flatten(2).flatten(0, 1).t() @ sent[:, -1]).reshape(outer.shape)


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    keep, lengths, dt, x, _, first, _, inner, _, outer, alone, *ctx.options, ctx.save = inputs
    ctx.save_for_backward(keep, lengths, dt, x, first, inner, outer, alone, *output[2:])


def _pass_back(ctx: Any, d_kept: Tensor, d_final: Tensor, *_: Tensor) -> tuple[Any, ...]:
    check_history(ctx.save)
    saved = ctx.saved_tensors  # read once: a checkpoint computes them anew at every look
    given = torch.ops.wormnet.triton_backbone_backward(*saved, d_kept, d_final, *ctx.options)
    return None, None, *given, None, None, None, None


_forward.register_autograd(_pass_back, setup_context=_setup)
