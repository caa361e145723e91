"""How parameters that obey a constraint are stored, so that any optimizer may move what is stored freely.

    positive       value = softplus(stored)
    non_negative   value = softplus(stored + SHIFT), and 0 where stored is exactly 0
    polarity       value = the sign of its synapse times a non-negative magnitude; stored itself where the sign is free

A non-negative number that is stored as 0 is absent: it is 0 in the equation, its gradient is 0, and it stays absent
until it is set. So pruning, which puts zeros in, takes synapses away, and weight decay, which pulls what is stored
towards 0, pulls magnitudes towards LEAST, the lower end of the published start, where a synapse does next to nothing.
"""

import math

import torch
from torch import Tensor

from wormnet.errors import ArgumentError
from wormnet.models.spec import ParamSpec

__all__ = ["LEAST", "SHIFT", "stored_from", "value_of"]

LEAST = 0.001
SHIFT = math.log(math.expm1(LEAST))
"""softplus(SHIFT) = LEAST"""


def value_of(spec: ParamSpec, stored: Tensor, sign: Tensor | None) -> Tensor:
    """The value that enters the equation. sign: of each value's synapse, for a polarity."""
    if spec.constraint == "positive":
        return torch.nn.functional.softplus(stored)
    if spec.constraint == "non_negative":
        return _non_negative(stored)
    if spec.constraint == "polarity" and sign is not None:
        return torch.where(sign == 0, stored, sign * _non_negative(stored))
    return stored


def _non_negative(stored: Tensor) -> Tensor:
    # What is absent is the stored 0 itself, without a gradient: a tensor made of the number 0.0 would take longer.
    return torch.where(stored.logical_not(), stored.detach(), torch.nn.functional.softplus(stored + SHIFT))


def stored_from(spec: ParamSpec, value: Tensor, sign: Tensor | None) -> Tensor:
    """The stored number of a value. Raises ArgumentError if the constraint does not allow it."""
    if not bool(torch.isfinite(value).all()):
        wrong = value[~torch.isfinite(value)][0].item()
        raise ArgumentError(f"{spec.name} holds {wrong:g}; it takes finite values.")
    if spec.constraint is None:
        return value
    free = torch.zeros_like(value, dtype=torch.bool)
    magnitude, takes = value, "values > 0" if spec.constraint == "positive" else "values of 0 or more"
    if spec.constraint == "polarity":
        sign = torch.ones_like(value) if sign is None else sign.to(value)
        free, magnitude = sign == 0, torch.where(sign == 0, 1.0, sign * value)
        takes = "values with the sign of their synapse, or 0"
    wrong = magnitude <= 0 if spec.constraint == "positive" else magnitude < 0
    if bool(wrong.any()):
        raise ArgumentError(f"{spec.name} holds {value[wrong][0].item():g}; it takes {takes}.")
    # softplus inverted, without overflow for large magnitudes.
    raw = magnitude + torch.log(-torch.expm1(-magnitude))
    if spec.constraint == "positive":
        return raw
    shifted = raw - SHIFT
    # LEAST itself would be stored as 0, or as so little that half precision makes it 0, but is not absent.
    shifted = torch.where(shifted.abs() < 1e-7, 1e-7, shifted)
    return torch.where(free, value, torch.where(magnitude == 0, 0.0, shifted))
