"""What a call of the Triton kernels is made of, and the arguments that several of them share."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from wormnet.kernels.gpu.tables import WIDTH, Edges, Rows, Tables

__all__ = [
    "Call",
    "Plan",
    "Saved",
    "blocked",
    "chunks_of",
    "dt_strides",
    "in_lists",
    "in_rows",
    "packed",
    "padded",
    "parts",
    "shared",
    "tile_size",
    "warps",
]

# Not measured on a card yet: both follow from the widths of the hardware alone.
TILE = 1024
"""Most numbers in a tile: four for each of 256 threads."""
PROGRAMS = 512
"""About how many programs share a sum over time."""


class Plan(NamedTuple):
    """What a call is made of besides its numbers."""

    tables: Tables
    keep: Tensor
    """(kept,)"""
    place: Tensor
    """(neurons,) its place in `keep`, -1 for none"""
    unfolds: int
    tanh: bool
    """whether the sum acts through tanh (CTRNN)"""
    lanes: int
    """sequences of a program"""
    save: bool
    """whether a backward pass may follow"""
    needs_dt: bool
    """whether dt takes a gradient"""

    @property
    def needs_rate(self) -> bool:
        """Whether the sub-steps' drive - pull v is saved: for the gradient of dt, or to know the tanh again."""
        return self.save and (self.needs_dt or self.tanh)


class Call(NamedTuple):
    """The numbers of a call; all contiguous but dt."""

    lengths: Tensor | None
    dt: Tensor
    x: Tensor
    v0: Tensor
    capacitance: Tensor
    drive_alone: Tensor
    """(neurons,) what drives a neuron that hears nothing"""
    pull_alone: Tensor
    conductance: Tensor
    slope: Tensor
    midpoint: Tensor
    reversal: Tensor
    linear: Tensor


class Saved(NamedTuple):
    """What the forward pass leaves for the backward pass; (blocks, slots, neurons, lanes) or empty."""

    states: Tensor
    inverse: Tensor
    rate: Tensor


def shared(plan: Plan, call: Call) -> dict[str, Any]:
    """What both kernels that walk along time take."""
    batch, time, _ = call.x.shape
    return {
        "dt": call.dt,
        "lengths": plan.keep if call.lengths is None else call.lengths,
        "capacitance": call.capacitance,
        "batch": batch,
        "time": time,
        "n_neurons": plan.tables.n_neurons,
        "n_kept": len(plan.keep),
        **dt_strides(call.dt),
        "UNFOLDS": plan.unfolds,
        "LANES": plan.lanes,
        "WIDTH": WIDTH,
        "HAS_LENGTHS": call.lengths is not None,
        "TANH": plan.tanh,
    }


def in_rows(
    call: Call, chemical: tuple[Edges, Rows], linear: tuple[Edges, Rows], lanes: int
) -> tuple[dict[str, Any], dict[str, int]]:
    """The rows with their edges' parameters beside them, and the sizes of the tiles."""
    (chem_edges, chem), (lin_edges, lin) = chemical, linear
    n_rows = chem.other.shape[1], lin.other.shape[1]
    neurons, rows = tile_size(len(call.capacitance), lanes), tile_size(max(n_rows), lanes)
    arguments = {
        "chem_other": chem.other,
        "chem_params": padded(packed(call, chem_edges))[:, chem.edge],
        "chem_first": chem.first,
        "lin_other": lin.other,
        "lin_weight": padded(call.linear[lin_edges.parameter])[lin.edge],
        "lin_first": lin.first,
        "chem_rows": n_rows[0],
        "lin_rows": n_rows[1],
        "chem_longest": chem.longest,
        "lin_longest": lin.longest,
    }
    return arguments, {"NEURON_TILE": neurons, "ROW_TILE": rows, "num_warps": warps(max(neurons, rows))}


def in_lists(call: Call, chemical: Edges, linear: Edges, *, by_post: bool) -> dict[str, Any]:
    """The edges of inputs by receiver or by sender, with their parameters in that order."""
    chem, lin = (chemical.by_post, linear.by_post) if by_post else (chemical.by_pre, linear.by_pre)
    return {
        "chem_start": chem.start,
        "chem_other": chem.other,
        "chem_params": packed(call, chemical)[:, chem.order].contiguous(),
        "lin_start": lin.start,
        "lin_other": lin.other,
        "lin_weight": call.linear[linear.parameter][lin.order],
        "chem_edges": len(chem.other),
        "chem_longest": chem.longest,
        "lin_longest": lin.longest,
    }


def packed(call: Call, edges: Edges) -> Tensor:
    """(4, edges) slope, midpoint, conductance, conductance x reversal."""
    values = torch.stack([call.slope, call.midpoint, call.conductance, call.conductance * call.reversal])
    return values[:, edges.parameter].contiguous()


def dt_strides(dt: Tensor) -> dict[str, int]:
    """How far apart dt's numbers lie for neighbouring sequences and samples."""
    sequence_stride, sample_stride = (0, 0) if dt.shape == (1, 1) else dt.stride()
    return {"dt_sequence": sequence_stride, "dt_sample": sample_stride}


def padded(values: Tensor) -> Tensor:
    """With a zero behind the last number of each row, for the places that stand for no edge."""
    return torch.nn.functional.pad(values, (0, 1))


def blocked(v: Tensor, blocks: int, lanes: int) -> Tensor:
    """(batch, neurons) -> (blocks, neurons, lanes), filled up with zeros."""
    full = torch.nn.functional.pad(v, (0, 0, 0, blocks * lanes - v.shape[0]))
    return full.reshape(blocks, lanes, v.shape[1]).transpose(1, 2)


def parts(n: int, size: int) -> int:
    """How many parts of a size n numbers make."""
    return -(-n // size)


def tile_size(n: int, lanes: int) -> int:
    """Numbers in a tile of n rows, neurons or edges x lanes: a power of two."""
    return min(lanes << max(n - 1, 0).bit_length(), TILE)


def warps(numbers: int) -> int:
    """One thread for a number of the tile, within 32 to 256."""
    return min(8, max(1, numbers // 32))


def chunks_of(slots: int, blocks: int) -> tuple[int, int]:
    """How many slots a program sums, and how many programs that takes for each block."""
    chunk = max(1, parts(slots * blocks, PROGRAMS))
    return chunk, parts(slots, chunk)
