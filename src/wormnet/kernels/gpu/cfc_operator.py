"""CfC sequences as an operator that torch can differentiate and trace: launches its two kernels and sums gradients."""

# Triton's launches take numbers where the kernels' annotations speak of tl.constexpr, and options besides.
# pyright: reportArgumentType=false, reportCallIssue=false

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from wormnet.kernels import check_history
from wormnet.kernels.gpu import cfc, samples
from wormnet.kernels.gpu.arguments import chunks_of, dt_strides, padded, parts, tile_size, warps
from wormnet.kernels.gpu.layers import ADJOINTS, Layers, build
from wormnet.kernels.gpu.tables import WIDTH, Rows
from wormnet.models import CfC
from wormnet.wiring.core import Wiring

__all__ = ["by_dt", "params_of", "valid"]

# Operators take flat lists; all tables have the structure of this one.
_LEAVES, _STRUCTURE = pytree.tree_flatten(build(CfC(), Wiring(0, 1), "cpu"))


def params_of(model: CfC, p: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
    """(heads, connections) the weights, and (4 or 3, neurons) what a neuron has by itself, see kernels.gpu.cfc."""
    own = [p[f"{head}_bias"] for head in model.heads]
    own += [p["A"], p["w_tau"].abs()] if model.mode == "pure" else []
    return torch.stack([p[f"{head}_weight"] for head in model.heads]), torch.stack(own)


def by_dt(adjoints: Tensor, heads: Tensor, slowest: Tensor, mode: str) -> Tensor:
    """What each neuron adds to the gradient of dt; axis 2 of adjoints and heads has them one behind the other.

    slowest: w_tau's size, the last of `params_of`, in the mode "pure"; not looked at in others.
    """
    if mode == "pure":
        return -(adjoints[:, :, 3] * (slowest + heads[:, :, 0].abs()))
    return adjoints[:, :, 3] * heads[:, :, 2]


@torch.library.custom_op("wormnet::triton_cfc_forward", mutates_args=())
def _forward(
    tables: Sequence[Tensor],
    sizes: Sequence[int],
    keep: Tensor,
    lengths: Tensor | None,
    dt: Tensor,
    x: Tensor,
    v0: Tensor,
    weight: Tensor,
    alone: Tensor,
    mode: str,
    lanes: int,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    layers = _layers(tables, sizes)
    (batch, time, n_inputs), n, n_heads = x.shape, v0.shape[1], weight.shape[0]
    blocks = parts(batch, lanes)
    states = x.new_empty(blocks, time + 1, n_inputs + n, lanes)
    states[:, 0, :n_inputs] = 0.0
    states[:, 1:, :n_inputs] = _in_blocks(x, lanes)
    states[:, :1, n_inputs:] = _in_blocks(v0[:, None, layers.order], lanes)
    heads = x.new_empty((blocks, time, n_heads, n, lanes) if save else 0)
    if blocks * n:
        arguments = _arguments(layers, layers.by_post, lengths, dt, weight, alone, mode, lanes, batch, time)
        # Triton launches on the current device, which need not be that of the tensors.
        with torch.cuda.device_of(x):
            cfc.cfc_forward[(blocks,)](states=states, heads=heads, SAVE=save, **arguments)
    kept = _out_of_blocks(states[:, 1:, n_inputs + layers.position[keep]], batch)
    if lengths is not None:
        kept = torch.where(valid(lengths, time), kept, 0.0)
    final = _out_of_blocks(states[:, time:, n_inputs + layers.position], batch)[:, 0]
    return kept.contiguous(), final.contiguous(), states, heads


@_forward.register_fake
def _(tables, sizes, keep, lengths, dt, x, v0, weight, alone, mode, lanes, save) -> tuple[Tensor, ...]:
    (batch, time, n_inputs), n = x.shape, v0.shape[1]
    blocks = parts(batch, lanes)
    return (
        x.new_empty(batch, time, keep.shape[0]),
        x.new_empty(batch, n),
        x.new_empty(blocks, time + 1, n_inputs + n, lanes),
        x.new_empty((blocks, time, weight.shape[0], n, lanes) if save else 0),
    )


@torch.library.custom_op("wormnet::triton_cfc_backward", mutates_args=())
def _backward(
    tables: Sequence[Tensor],
    sizes: Sequence[int],
    keep: Tensor,
    lengths: Tensor | None,
    dt: Tensor,
    weight: Tensor,
    alone: Tensor,
    states: Tensor,
    heads: Tensor,
    d_kept: Tensor,
    d_final: Tensor,
    mode: str,
) -> list[Tensor]:
    """Gradients of dt, x, v0, weight, alone."""
    layers, n_inputs = _layers(tables, sizes), sizes[0]
    (blocks, slots, _, lanes), time, batch, n = states.shape, states.shape[1] - 1, d_kept.shape[0], d_final.shape[1]
    if lengths is not None:
        d_kept = torch.where(valid(lengths, time), d_kept, 0.0)
    d_states = torch.zeros_like(states)
    d_states[:, 1:, n_inputs + layers.position[keep]] = _in_blocks(d_kept, lanes)
    d_states[:, slots - 1 :, n_inputs:] += _in_blocks(d_final[:, None, layers.order], lanes)
    adjoints = states.new_empty(blocks, time, ADJOINTS, n, lanes)
    if blocks * n:
        arguments = _arguments(layers, layers.by_pre, lengths, dt, weight, alone, mode, lanes, batch, time)
        with torch.cuda.device_of(states):
            cfc.cfc_backward[(blocks,)](d_states=d_states, adjoints=adjoints, heads=heads, **arguments)
    slowest = alone[-1][layers.order][:, None]
    d_dt = _out_of_blocks(by_dt(adjoints, heads, slowest, mode).sum(2, keepdim=True), batch)[..., 0]
    d_states = _out_of_blocks(d_states, batch)
    with torch.cuda.device_of(states):
        d_weight = _weights(layers, states, adjoints, weight, batch)
    return [
        d_dt.sum().reshape(1, 1) if dt.shape == (1, 1) else d_dt.contiguous(),
        d_states[:, 1:, :n_inputs].contiguous(),
        d_states[:, 0, n_inputs:][:, layers.position].contiguous(),
        d_weight,
        adjoints[:, :, : len(alone)].sum((0, 1, 4))[:, layers.position].contiguous(),
    ]


@_backward.register_fake
def _(tables, sizes, keep, lengths, dt, weight, alone, states, heads, d_kept, d_final, mode) -> list[Tensor]:
    x = states.new_empty(*d_kept.shape[:2], sizes[0])
    return [dt.new_empty(dt.shape), x, *(values.new_empty(values.shape) for values in (d_final, weight, alone))]


def _layers(tables: Sequence[Tensor], sizes: Sequence[int]) -> Layers:
    tensors, numbers = iter(tables), iter(sizes)
    leaves = [next(tensors) if isinstance(leaf, Tensor) else next(numbers) for leaf in _LEAVES]
    return pytree.tree_unflatten(leaves, _STRUCTURE)


def _arguments(
    layers: Layers,
    rows: Rows,
    lengths: Tensor | None,
    dt: Tensor,
    weight: Tensor,
    alone: Tensor,
    mode: str,
    lanes: int,
    batch: int,
    time: int,
) -> dict[str, Any]:
    """What both kernels take."""
    blocks, n_heads, n_rows = parts(batch, lanes), len(weight), rows.other.shape[1]
    neurons, row_tile = tile_size(layers.widest, lanes), tile_size(n_heads * n_rows, lanes)
    return {
        "sums": weight.new_empty(blocks, n_heads, n_rows, lanes),
        "dt": dt,
        "lengths": layers.start if lengths is None else lengths.int(),
        "alone": alone[:, layers.order].contiguous(),
        "start": layers.start,
        "other": rows.other,
        "weight": padded(weight)[:, rows.edge].contiguous(),
        "first": rows.first,
        "batch": batch,
        "time": time,
        "n_inputs": layers.n_inputs,
        "n_neurons": alone.shape[1],
        "n_layers": len(layers.start) - 1,
        "n_rows": n_rows,
        "longest": rows.longest,
        **dt_strides(dt),
        "HEADS": n_heads,
        "LANES": lanes,
        "NEURON_TILE": neurons,
        "ROW_TILE": row_tile,
        "WIDTH": WIDTH,
        "HAS_LENGTHS": lengths is not None,
        "PURE": mode == "pure",
        "NO_GATE": mode == "no_gate",
        "num_warps": warps(max(neurons, row_tile)),
    }


def _weights(layers: Layers, states: Tensor, adjoints: Tensor, weight: Tensor, batch: int) -> Tensor:
    """Sums over time of each weight's adjoint: that of its head times what it read."""
    (blocks, slots, cells, lanes), n, n_edges = states.shape, adjoints.shape[3], weight.numel()
    if not adjoints.numel() * n_edges:
        return torch.zeros_like(weight)
    chunk, chunks = chunks_of(slots - 1, blocks)
    tile = tile_size(n_edges, lanes)
    sums = states.new_empty(blocks, chunks, 1, n_edges, lanes)
    samples.edge_sums[(blocks, chunks, parts(n_edges * lanes, tile))](
        sums,
        states,
        adjoints,
        adjoints,
        layers.read,
        layers.row_of,
        weight,
        batch=batch,
        slots=slots - 1,
        n_neurons=ADJOINTS * n,
        n_edges=n_edges,
        chunk=chunk,
        u_slots=slots,
        u_slot=cells * lanes,
        u_cell=lanes,
        u_lane=1,
        pull_slots=slots - 1,
        LANES=lanes,
        TILE=tile,
        CHEMICAL=False,
        FROM_STATES=True,
        num_warps=warps(tile),
    )
    return sums.sum((0, 1, 2, 4)).reshape(weight.shape)


def valid(lengths: Tensor, time: int) -> Tensor:
    """(batch, time, 1) whether a sample belongs to its sequence."""
    return (torch.arange(time, device=lengths.device) < lengths[:, None])[..., None]


def _in_blocks(values: Tensor, lanes: int) -> Tensor:
    """(batch, time, n) -> (blocks, time, n, lanes), filled up with zeros."""
    batch, time, n = values.shape
    blocks = parts(batch, lanes)
    full = torch.nn.functional.pad(values, (0, 0, 0, 0, 0, blocks * lanes - batch))
    return full.reshape(blocks, lanes, time, n).permute(0, 2, 3, 1)


def _out_of_blocks(values: Tensor, batch: int) -> Tensor:
    """(blocks, time, n, lanes) -> (batch, time, n)."""
    blocks, time, n, lanes = values.shape
    return values.permute(0, 3, 1, 2).reshape(blocks * lanes, time, n)[:batch]


def _setup(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
    tables, ctx.sizes, keep, lengths, dt, _, _, weight, alone, ctx.mode, _, ctx.save = inputs
    ctx.n_tables = len(tables)
    ctx.save_for_backward(*tables, keep, lengths, dt, weight, alone, *output[2:])


def _pass_back(ctx: Any, d_kept: Tensor, d_final: Tensor, *_: Tensor) -> tuple[Any, ...]:
    check_history(ctx.save)
    saved = ctx.saved_tensors  # read once: a checkpoint computes them anew at every look
    tables, rest = list(saved[: ctx.n_tables]), saved[ctx.n_tables :]
    given = torch.ops.wormnet.triton_cfc_backward(tables, ctx.sizes, *rest, d_kept, d_final, ctx.mode)
    return [None] * ctx.n_tables, None, None, None, *given, None, None, None


_forward.register_autograd(_pass_back, setup_context=_setup)
