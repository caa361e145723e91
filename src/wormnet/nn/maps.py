"""Elementwise maps of inputs and outputs: value x scale + shift, each number of a sample with its own."""

import torch
from torch import Tensor

from wormnet.engine.layout import INPUT_MAP
from wormnet.models.spec import Values

__all__ = ["input_map", "mapped", "seen"]


def input_map(p: Values) -> dict[str, Tensor]:
    """Those of the parameters that map inputs."""
    return {name: p[name] for name in INPUT_MAP if name in p}


def mapped(p: Values, values: Tensor, word: str) -> Tensor:
    """Inputs or outputs scaled and shifted, where the model has parameters for it.

    p: the parameters by name, `{word}_scale` (width,) and `{word}_shift` (width,) among them, or neither, or no shift.
    values: (batch, time, width), or (batch, width).
    """
    scale, shift = p.get(f"{word}_scale"), p.get(f"{word}_shift")
    if scale is None:
        return values
    return values * scale if shift is None else torch.addcmul(shift, values, scale)


def seen(p: Values, x: Tensor, *, memory: bool) -> Tensor:
    """The inputs as an engine that does not map them reads them: mapped, and where an LSTM cell stands in front, once
    more as they are given."""
    return torch.cat([mapped(p, x, "input"), x], 2) if memory else mapped(p, x, "input")
