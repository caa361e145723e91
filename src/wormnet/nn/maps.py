"""Elementwise maps of inputs and outputs: value x scale + shift, each number of a sample with its own."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.constants import in_memory
from wormnet.models.spec import Values

__all__ = ["mapped"]

MANY = 2**15
"""Numbers from which on `_Map` is taken; for few its call costs more than it saves."""


def mapped(p: Values, values: Tensor, word: str) -> Tensor:
    """Inputs or outputs scaled and shifted, where the model has parameters for it.

    p: the parameters by name, `{word}_scale` (width,) and `{word}_shift` (width,) among them, or neither, or no shift.
    values: (batch, time, width), or (batch, width).
    """
    scale, shift = p.get(f"{word}_scale"), p.get(f"{word}_shift")
    if scale is None:
        return values
    if shift is None:
        return values * scale
    if values.dim() == 3 and values.numel() >= MANY and torch.is_grad_enabled() and in_memory(values, scale, shift):
        return _Map.apply(values, scale, shift)  # pyright: ignore[reportReturnType]
    return torch.addcmul(shift, values, scale)


class _Map(torch.autograd.Function):
    """The same with sums in the backward pass that need no memory of the size of the batch.

    Torch makes a product of that size for each factor, of pages that the system hands out anew: a tenth of a training
    step of an LTC on a neural circuit policy.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        ctx.save_for_backward(values, scale)
        return torch.addcmul(shift, values, scale)

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        values, scale = ctx.saved_tensors
        by_values, by_scale, by_shift = ctx.needs_input_grad
        return (
            adjoint * scale if by_values else None,
            _summed_products(adjoint, values) if by_scale else None,
            adjoint.sum((0, 1)) if by_shift else None,
        )


def _summed_products(a: Tensor, b: Tensor) -> Tensor:
    """(width,) the sum of a b over batch and time."""
    if torch.is_grad_enabled() or not in_memory(a, b):  # a derivative of this gradient, or a batch of gradients
        return (a * b).sum((0, 1))
    # Each sequence by itself and then all of them, which loses fewer digits than one long sum.
    return torch.from_numpy(np.einsum("bti,bti->bi", a.detach().numpy(), b.detach().numpy())).sum(0)
