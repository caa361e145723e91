"""Checks and shapes the arguments of a call; the only place that knows what dt, lengths and starts mean."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.constants import fake, in_memory
from wormnet.errors import ArgumentError, ShapeError

__all__ = ["Samples", "arrange", "numbers", "tensor_of", "without_padding", "wrong_width"]


WHOLE = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)


class Samples(NamedTuple):
    """A batch of sequences."""

    x: Tensor
    """(batch, time, inputs)"""
    dt: Tensor
    """(batch, time), or (1, 1) for one number"""
    lengths: Tensor | None = None
    """(batch,) or None: all of full length"""
    starts: Tensor | None = None
    """(batch, time) whether the state is the initial one before a sample; None: nowhere"""

    def valid(self) -> Tensor | None:
        """(batch, time) whether a sample belongs to its sequence; None if all do."""
        if self.lengths is None:
            return None
        return _valid(self.x, self.lengths)

    def dt_at(self, t: int) -> Tensor:
        """(batch, 1) or (1, 1) how long sample t lasted."""
        return self.dt[:, t : t + 1] if self.dt.shape[1] > 1 else self.dt[:, :1]


def arrange(
    x: Tensor,
    dt: float | Tensor | None,
    lengths: Tensor | None,
    n_inputs: int,
    *,
    starts: Tensor | None = None,
    batch_first: bool = True,
    time_unit: float = 1.0,
    clean: bool = True,
) -> Samples:
    """Check x, dt, lengths and starts against each other, and shape them.

    Args:
        x: (batch, time, n_inputs).
        dt: time since the previous sample, > 0 and finite: a number, (batch, 1) for each sequence, (1, time) for all
            sequences alike, or (batch, time) for each sample; None for one `time_unit`. What stands past a sequence's
            end is not looked at.
        lengths: (batch,) whole numbers, 0 to time; None if all sequences fill the time axis.
        starts: (batch, time) booleans; None if no sequence starts anew.
        batch_first: False if x is (time, batch, n_inputs), and dt and starts likewise: (1, batch), (time, 1),
            (time, batch). Samples are always batch first.
        time_unit: how much of dt is one unit of the equation's time.
        clean: whether x has to be 0 past a sequence's end, as it has to for all but the CPU's engine.

    Raises:
        ShapeError: if a shape fits nothing of the above; there is no broadcasting by luck.
        ArgumentError: if dt is not > 0, or a length is outside of the time axis. Values are looked at on the CPU only,
            since looking would stop a GPU; they are not looked at while a graph is traced.
    """
    if x.dim() != 3 or x.shape[2] != n_inputs:
        raise wrong_width(x, n_inputs, batch_first=batch_first)
    x = x if batch_first else x.transpose(0, 1)
    batch, time, _ = x.shape
    if dt is None and lengths is None and starts is None:
        return Samples(x, x.new_ones(1, 1))
    lengths = _lengths(lengths, batch, time, x.device)
    starts = _starts(starts, batch, time, x.device, batch_first)
    samples = Samples(x, x.new_ones(1, 1) if dt is None else _dt(dt, x, batch_first), lengths, starts)
    if lengths is not None:
        # What stands in the padding may be anything, NaN too, and must reach neither outputs nor gradients.
        if clean or not in_memory(x):
            x = without_padding(x, lengths)
        padded_dt = samples.dt
        if padded_dt.shape == (batch, time):
            padded_dt = torch.where(_valid(x, lengths), padded_dt, torch.ones((), dtype=x.dtype, device=x.device))
        samples = Samples(x, padded_dt, lengths, starts)
    if dt is not None:
        _check_positive(samples.dt)
        if time_unit != 1.0:
            samples = samples._replace(dt=samples.dt / time_unit)
            _check_range(samples.dt, time_unit)
    return samples


def _valid(x: Tensor, lengths: Tensor) -> Tensor:
    """(batch, time) whether a sample of x (batch, time, inputs) belongs to its sequence."""
    return torch.arange(x.shape[1], device=x.device) < lengths[:, None]


def without_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """x with 0 past each sequence's end."""
    if x.requires_grad or not in_memory(x):
        return torch.where(_valid(x, lengths)[:, :, None], x, torch.zeros((), dtype=x.dtype, device=x.device))
    # The same in about half of the time.
    made = x.clone(memory_format=torch.contiguous_format)
    for row, length in zip(made.numpy(), lengths.tolist(), strict=True):
        row[length:] = 0
    return made


def wrong_width(x: Tensor, n_inputs: int, *, batch_first: bool) -> ShapeError:
    """The error for an x that is no batch of sequences of this many inputs."""
    axes = "batch, time" if batch_first else "time, batch"
    return ShapeError(
        f"x has shape {tuple(x.shape)}; the layer takes ({axes}, {n_inputs}) or (time, {n_inputs}): "
        f"its wiring has {n_inputs} input{'s' * (n_inputs != 1)}."
    )


def tensor_of(values: Any, **options: Any) -> Tensor:
    """A tensor in another dtype or on another device, itself if that changes nothing. Anything but a tensor is
    copied: torch notices later changes of tensors only, and others would change the backward pass."""
    if isinstance(values, Tensor):
        return values.to(**options)
    if isinstance(values, np.ndarray):  # torch takes none that runs backwards, or of another machine's byte order
        values = values.astype(values.dtype.newbyteorder("="), order="C")
    return torch.tensor(values, **options)


def numbers(dt: object, like: Tensor) -> Tensor | None:
    """dt as a tensor in the dtype and on the device of another, whatever it is given as."""
    if dt is None:
        return None
    try:
        if isinstance(dt, Tensor) and dt.is_complex():
            raise TypeError
        return tensor_of(dt, dtype=like.dtype, device=like.device)
    except (TypeError, ValueError, RuntimeError):
        given = f"holds {dt.dtype}" if isinstance(dt, Tensor) else f"is {dt!r}"
        raise ArgumentError(f"dt {given}; it takes a number, or a tensor of numbers > 0.") from None


def _lengths(lengths: Tensor | None, batch: int, time: int, device: torch.device) -> Tensor | None:
    if lengths is None:
        return None
    try:
        lengths = tensor_of(lengths, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"lengths is {lengths!r}; it takes a tensor of whole numbers, 0 to {time}.") from None
    if lengths.shape != (batch,):
        raise ShapeError(f"lengths has shape {tuple(lengths.shape)}; it takes one for each sequence: ({batch},).")
    if lengths.dtype not in WHOLE:
        raise ArgumentError(
            f"lengths holds {lengths.dtype}; it takes whole numbers, 0 to {time}. Convert: lengths.long()."
        )
    if _may_look(lengths):
        # Python's own min and max: those of arrays take as long as many a small batch's kernels.
        found = _numbers_of(lengths)
        looked = found.flatten().tolist()
        if looked and (min(looked) < 0 or max(looked) > time):
            at = next(i for i, one in enumerate(looked) if not 0 <= one <= time)
            # torch.func may batch along any axis, so the place is told of one batch only.
            place = f"[{at}] is" if found.dim() == 1 else " holds"
            raise ArgumentError(f"lengths{place} {looked[at]}; x has {time} samples, so it takes 0 to {time}.")
    return lengths


def _starts(starts: Tensor | None, batch: int, time: int, device: torch.device, batch_first: bool) -> Tensor | None:
    if starts is None:
        return None
    try:
        starts = tensor_of(starts, device=device)
    except (TypeError, ValueError, RuntimeError):
        raise ArgumentError(f"starts is {starts!r}; it takes a tensor of booleans.") from None
    takes = (batch, time) if batch_first else (time, batch)
    if starts.shape != takes:
        raise ShapeError(f"starts has shape {tuple(starts.shape)}; it takes one boolean per sample: {takes}.")
    if starts.dtype != torch.bool:
        raise ArgumentError(f"starts holds {starts.dtype}; it takes booleans: starts.bool().")
    return starts if batch_first else starts.T


def _dt(dt: float | Tensor, x: Tensor, batch_first: bool) -> Tensor:
    batch, time, _ = x.shape
    shaped = numbers(dt, x)
    assert shaped is not None
    if shaped.dim() == 0:
        return shaped.reshape(1, 1)
    turned = shaped if batch_first or shaped.dim() != 2 else shaped.T
    if turned.dim() == 2 and turned.shape[0] in (1, batch) and turned.shape[1] in (1, time):
        return turned if turned.shape == (1, 1) else turned.expand(batch, time)
    names = "(batch, 1), (1, time) or (batch, time)" if batch_first else "(1, batch), (time, 1) or (time, batch)"
    hint = ""
    if shaped.dim() == 1:
        of_sequence, of_sample = ("dt[:, None]", "dt[None, :]") if batch_first else ("dt[None, :]", "dt[:, None]")
        hint = f" One axis alone could mean either: {of_sequence} is one per sequence, {of_sample} one per sample."
    takes = (batch, time) if batch_first else (time, batch)
    raise ShapeError(
        f"dt has shape {tuple(shaped.shape)}; it takes one number, or {names}, which here is {takes}.{hint}"
    )


def _check_positive(dt: Tensor) -> None:
    if not _may_look(dt) or not dt.numel():
        return
    dt = _numbers_of(dt)
    least, most = torch.aminmax(dt)  # NaN if any is
    if not (least.item() > 0 and most.item() < float("inf")):
        at = torch.nonzero(~((dt > 0) & torch.isfinite(dt)))[0].tolist()
        row, column = at[-2:]
        raise ArgumentError(
            f"dt holds {dt[tuple(at)].item():g} (sequence {row}, sample {column}); it is the time since the previous "
            "sample, finite and > 0. Merge samples that came at the same time."
        )


def _check_range(dt: Tensor, time_unit: float) -> None:
    """Raise if dt in units of time is too small or too large for its dtype."""
    if _may_look(dt) and dt.numel() and not (dt.min().item() > 0 and dt.max().item() < float("inf")):
        raise ArgumentError(f"dt / time_unit, with time_unit={time_unit:g}, leaves the range of {dt.dtype}.")


def _may_look(values: Tensor) -> bool:
    if values.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    return torch._C._get_tracing_state() is None and not fake(values)


def _numbers_of(values: Tensor) -> Tensor:
    """What stands in a tensor that torch.func has wrapped, for all of a batch at once."""
    functorch: Any = torch._C._functorch  # pyright: ignore[reportAttributeAccessIssue]
    while functorch.is_functorch_wrapped_tensor(values):
        values = functorch.get_unwrapped(values)
    return values.detach()
