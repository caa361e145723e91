"""Which implementation runs a model, and why."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from wormnet.errors import ArgumentError, BackendError, unknown
from wormnet.kernels import cpu, gpu
from wormnet.models.spec import Model
from wormnet.wiring.core import Wiring

__all__ = ["BACKENDS", "Choice", "check_backend", "choose"]

BACKENDS = ("auto", "reference", "cpu", "gpu")

Run = Callable[..., tuple[Tensor, Tensor]]
"""run(model, wiring, p, x, dt, lengths, v0, keep) -> kept (batch, time, kept), final state (batch, neurons).

p holds the parameters as they enter the equation, by name; x is mapped by `Model.read_in`; dt is (batch, time) or
(1, 1); lengths is None or (batch,); keep is None or the neurons whose states are wanted after every sample.
"""


@dataclass(frozen=True)
class Choice:
    """An implementation and the reason for it. `run` is None for the reference engine, `models.scan`."""

    name: str
    reason: str
    run: Run | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def check_backend(backend: str) -> str:
    """The name, or ArgumentError with those that exist."""
    if backend not in BACKENDS:
        raise ArgumentError(unknown("backend", backend, BACKENDS))
    return backend


def choose(
    backend: str,
    model: Model,
    wiring: Wiring,
    device: torch.device,
    dtype: torch.dtype,
    *,
    mixed_memory: bool = False,
    training: bool = False,
    checkpoint: bool = False,
) -> Choice:
    """The implementation that runs `model` on a wiring, on a device, in a dtype.

    Args:
        backend: a name of BACKENDS; a named one runs or raises, "auto" takes the fastest that can.
        mixed_memory: whether an LSTM cell stands in front of the neurons.
        training: whether the layer is in training mode.
        checkpoint: spend time to save memory on the way back.

    Raises: BackendError if a named implementation cannot run this; it says why.
    """
    reasons = []
    for name in BACKENDS[1:] if backend == "auto" else [backend]:
        reason = _unable(name, model, device, dtype, mixed_memory, training, checkpoint)
        if reason is None and (name != "reference" or backend == name):
            why = "asked for" if backend == name else f"the layer is on {device.type}, in {dtype}"
            return _engine(name, why, model, wiring, device, checkpoint)
        if reason is not None:
            reasons.append(f"not {name}: {reason}")
    if backend == "auto" and not checkpoint:
        return Choice("reference", "; ".join(reasons))
    raise BackendError(f'{"; ".join(reasons)}. Use backend="auto"{" and checkpoint=False" * checkpoint}.')


def _unable(
    name: str, model: Model, device: torch.device, dtype: torch.dtype, memory: bool, training: bool, checkpoint: bool
) -> str | None:
    if checkpoint and name == "reference":
        return "it keeps all states, so it takes no checkpoint=True"
    if name == "reference":
        return None
    if memory:
        return "an LSTM cell in front of the neurons runs on the reference engine only"
    return (gpu if name == "gpu" else cpu).unable(model, device, dtype, training=training)


def _engine(name: str, reason: str, model: Model, wiring: Wiring, device: torch.device, checkpoint: bool) -> Choice:
    if name == "reference":
        return Choice(name, reason)
    if name == "cpu":
        from wormnet.kernels.cpu.engine import engine_of

        return Choice("cpu", reason, engine_of(model, wiring, checkpoint))
    from wormnet.kernels.gpu.engine import engine_of

    return Choice("gpu", reason, engine_of(model, wiring, device, checkpoint=checkpoint))
