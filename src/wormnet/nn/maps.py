"""Elementwise maps of inputs and outputs: value x scale + shift, each number of a sample with its own."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from wormnet.engine.constants import in_memory
from wormnet.engine.samples import without_padding
from wormnet.models.spec import Values

__all__ = ["mapped"]

MANY = 2**15
"""Numbers from which on `_Map` is taken; for few its call costs more than it saves."""


def mapped(p: Values, values: Tensor, word: str, lengths: Tensor | None = None) -> Tensor:
    """Inputs or outputs scaled and shifted, where the model has parameters for it.

    p: the parameters by name, `{word}_scale` (width,) and `{word}_shift` (width,) among them, or neither, or no shift.
    values: (batch, time, width), or (batch, width).
    lengths: (batch,) of sequences in whose padding anything may stand; nothing of it reaches a gradient.
    """
    scale, shift = p.get(f"{word}_scale"), p.get(f"{word}_shift")
    if scale is None:
        return values
    large = values.dim() == 3 and values.numel() >= MANY
    if shift is not None and large and torch.is_grad_enabled() and in_memory(values, scale, shift):
        return _Map.apply(values, scale, shift, lengths)  # pyright: ignore[reportReturnType]
    if lengths is not None:
        values = without_padding(values, lengths)
    return values * scale if shift is None else torch.addcmul(shift, values, scale)


class _Map(torch.autograd.Function):
    """The same with sums in the backward pass that need no memory of the size of the batch.

    Torch makes a product of that size for each factor, of pages that the system hands out anew: a tenth of a training
    step of an LTC on a neural circuit policy.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, scale: Tensor, shift: Tensor, lengths: Tensor | None) -> Tensor:
        ctx.save_for_backward(values, scale, lengths)
        return torch.addcmul(shift, values, scale)

    @staticmethod
    def backward(ctx: Any, adjoint: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        values, scale, lengths = ctx.saved_tensors
        by_values, by_scale, by_shift, _ = ctx.needs_input_grad
        return (
            adjoint * scale if by_values else None,
            _summed_products(adjoint, values, lengths) if by_scale else None,
            adjoint.sum((0, 1)) if by_shift else None,
            None,
        )


def _summed_products(a: Tensor, b: Tensor, lengths: Tensor | None) -> Tensor:
    """(width,) the sum of a b over batch and time; past each sequence's end a is 0, and b may be anything."""
    if torch.is_grad_enabled() or not in_memory(a, b):  # a derivative of this gradient, or a batch of gradients
        return (a * (b if lengths is None else without_padding(b, lengths))).sum((0, 1))
    # Each sequence by itself and then all of them, which loses fewer digits than one long sum.
    found = torch.from_numpy(np.einsum("bti,bti->bi", a.detach().numpy(), b.detach().numpy())).sum(0)
    if lengths is not None and not torch.isfinite(found).all():
        return _summed_products(a, without_padding(b, lengths), None)
    return found
