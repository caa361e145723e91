"""The one loop over time, and the only place that knows what dt and lengths mean."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from wormnet.errors import ArgumentError, ShapeError

__all__ = ["Samples", "arrange", "numbers", "scan", "wrong_width"]

State = tuple[Tensor, ...]
Step = Callable[[State, Tensor, Tensor], State]
"""(state, x (batch, inputs), dt (batch, 1)) -> state"""


class Samples(NamedTuple):
    """A batch of sequences, checked and shaped once."""

    x: Tensor
    """(batch, time, inputs)"""
    dt: Tensor
    """(batch, time) or (1, 1)"""
    lengths: Tensor | None
    """(batch,) or None: all of full length"""

    def valid(self) -> Tensor | None:
        """(batch, time) whether a sample belongs to its sequence; None if all do."""
        if self.lengths is None:
            return None
        return torch.arange(self.x.shape[1], device=self.x.device) < self.lengths[:, None]


def arrange(
    x: Tensor, dt: float | Tensor | None, lengths: Tensor | None, n_inputs: int, *, batch_first: bool = True
) -> Samples:
    """Check x, dt and lengths against each other, and shape dt.

    Args:
        x: (batch, time, n_inputs).
        dt: time since the previous sample, > 0 and finite: a number, (batch,) for each sequence, or (batch, time) for
            each sample; None for 1. What stands behind a sequence's end is not looked at.
        lengths: (batch,) whole numbers, 0 to time; None if all sequences fill the time axis.
        batch_first: False if x is (time, batch, n_inputs), and a dt for each sample (time, batch). Samples are always
            batch first.

    Raises:
        ShapeError: if a shape fits nothing of the above; there is no broadcasting by luck.
        ArgumentError: if dt is not > 0, or a length is outside of the time axis. Values are looked at on the CPU only,
            since looking would stop a GPU; they are not looked at while a graph is traced.
    """
    if x.dim() != 3 or x.shape[2] != n_inputs:
        raise wrong_width(x, n_inputs, batch_first=batch_first)
    x = x if batch_first else x.transpose(0, 1)
    batch, time, _ = x.shape
    if dt is None and lengths is None:
        return Samples(x, x.new_ones(1, 1), None)
    lengths = _lengths(lengths, batch, time, x.device)
    samples = Samples(x, _dt(dt, x, batch_first), lengths)
    valid = samples.valid()
    if valid is not None:
        # What stands in the padding may be anything, NaN too, and must reach neither outputs nor gradients.
        x = torch.where(valid[:, :, None], x, torch.zeros((), dtype=x.dtype, device=x.device))
        padded_dt = samples.dt
        if padded_dt.shape[1] == time and padded_dt.shape[0] == batch:
            padded_dt = torch.where(valid, padded_dt, torch.ones((), dtype=x.dtype, device=x.device))
        samples = Samples(x, padded_dt, lengths)
    if dt is not None:
        _check_positive(samples.dt)
    return samples


def wrong_width(x: Tensor, n_inputs: int, *, batch_first: bool) -> ShapeError:
    """The error for an x that is no batch of sequences of this many inputs."""
    axes = "batch, time" if batch_first else "time, batch"
    return ShapeError(
        f"x has shape {tuple(x.shape)}; the layer takes ({axes}, {n_inputs}) or (time, {n_inputs}): "
        f"its wiring has {n_inputs} input{'s' * (n_inputs != 1)}."
    )


def numbers(dt: object, like: Tensor) -> Tensor | None:
    """dt as a tensor in the dtype and on the device of another, whatever it is given as."""
    if dt is None:
        return None
    try:
        if isinstance(dt, Tensor) and dt.is_complex():
            raise TypeError
        return torch.as_tensor(dt, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError):
        given = f"holds {dt.dtype}" if isinstance(dt, Tensor) else f"is {dt!r}"
        raise ArgumentError(f"dt {given}; it takes a number, or a tensor of numbers > 0.") from None


def _lengths(lengths: Tensor | None, batch: int, time: int, device: torch.device) -> Tensor | None:
    if lengths is None:
        return None
    try:
        lengths = torch.as_tensor(lengths, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"lengths is {lengths!r}; it takes a tensor of whole numbers, 0 to {time}.") from None
    if lengths.shape != (batch,):
        raise ShapeError(f"lengths has shape {tuple(lengths.shape)}; it takes one for each sequence: ({batch},).")
    if lengths.is_floating_point() or lengths.dtype == torch.bool:
        raise ArgumentError(f"lengths holds {lengths.dtype}; it takes whole numbers, 0 to {time}.")
    if _may_look(lengths):
        for i in torch.nonzero((lengths < 0) | (lengths > time))[:1].flatten().tolist():
            raise ArgumentError(f"lengths[{i}] is {int(lengths[i])}; x has {time} samples, so it takes 0 to {time}.")
    return lengths


def _dt(dt: float | Tensor | None, x: Tensor, batch_first: bool) -> Tensor:
    batch, time, _ = x.shape
    shaped = numbers(dt, x)
    if shaped is None:
        return torch.ones(1, 1, dtype=x.dtype, device=x.device)
    if shaped.dim() == 0:
        return shaped.reshape(1, 1)
    if shaped.shape == (batch,):
        return shaped[:, None].expand(batch, time)
    takes = (batch, time) if batch_first else (time, batch)
    if shaped.shape == takes:
        return shaped if batch_first else shaped.T
    raise ShapeError(
        f"dt has shape {tuple(shaped.shape)}; it takes one number, one per sequence: ({batch},), "
        f"or one per sample: {takes}."
    )


def _check_positive(dt: Tensor) -> None:
    if not _may_look(dt) or not dt.numel():
        return
    least, most = torch.aminmax(dt)  # NaN if any is
    if not (least.item() > 0 and most.item() < float("inf")):
        row, column = torch.nonzero(~((dt > 0) & torch.isfinite(dt)))[0].tolist()
        raise ArgumentError(
            f"dt holds {dt[row, column].item():g} (sequence {row}, sample {column}); it is the time since the previous "
            "sample, finite and > 0. Merge samples that came at the same time."
        )


def _may_look(values: Tensor) -> bool:
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def scan(step: Step, state: State, samples: Samples, keep: Tensor | None) -> tuple[Tensor, State]:
    """Run `step` along time; a sequence that has ended keeps its state.

    Args:
        step: (state, x, dt) -> state.
        state: a tuple of tensors (batch, ...); the first is what is kept.
        keep: (kept,) which entries of state[0] to keep for every sample; None for all.

    Returns: (batch, time, kept), zero behind a sequence's end, and each sequence's state after its last sample.
    """
    x, dt, _ = samples
    valid, kept = samples.valid(), []
    for t in range(x.shape[1]):
        now = dt[:, t : t + 1] if dt.shape[1] > 1 else dt[:, :1]
        new = step(state, x[:, t], now)
        if valid is not None:
            new = tuple(torch.where(valid[:, t : t + 1], n, s) for n, s in zip(new, state, strict=True))
        state = new
        kept.append(state[0] if keep is None else state[0][:, keep])
    if not kept:
        width = state[0].shape[1] if keep is None else keep.shape[0]
        return state[0].new_zeros(state[0].shape[0], 0, width), state
    y = torch.stack(kept, 1)
    return (y if valid is None else torch.where(valid[:, :, None], y, torch.zeros_like(y))), state
