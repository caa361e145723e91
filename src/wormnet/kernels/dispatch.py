"""Which implementation runs a model, and why."""

from dataclasses import dataclass

import torch

from wormnet.errors import ArgumentError, unknown
from wormnet.models.spec import Model

__all__ = ["BACKENDS", "Choice", "check_backend", "choose"]

BACKENDS = ("auto", "reference")


@dataclass(frozen=True)
class Choice:
    """An implementation and the reason for it."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def check_backend(backend: str) -> str:
    """The name, or ArgumentError with those that exist."""
    if backend not in BACKENDS:
        raise ArgumentError(unknown("backend", backend, BACKENDS))
    return backend


def choose(backend: str, model: Model, device: torch.device, dtype: torch.dtype) -> Choice:
    """The implementation that runs `model` on a device in a dtype."""
    if backend == "reference":
        return Choice("reference", "asked for")
    return Choice("reference", f"plain torch is the only engine for {model.name} on {device.type} in {dtype}")
