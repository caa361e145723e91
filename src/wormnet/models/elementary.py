"""The elementary functions that models are written with: on torch tensors, and on plain numbers.

A model's functions are arithmetic and these. An engine runs the same source with its own versions of them (see
`engine.bind`), so a model imports them by name and calls nothing else.
"""

import math
from typing import Any

import torch

__all__ = ["NAMES", "absolute", "exp", "sigmoid", "tanh", "where_less"]

NAMES = ("absolute", "exp", "sigmoid", "tanh", "where_less")
"""The functions that an engine has to provide."""


def exp(x: Any) -> Any:
    """e^x."""
    return torch.exp(x) if isinstance(x, torch.Tensor) else math.exp(x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return torch.tanh(x) if isinstance(x, torch.Tensor) else math.tanh(x)


def sigmoid(x: Any) -> Any:
    """The logistic function 1 / (1 + e^-x).

    >>> sigmoid(0.0)
    0.5
    """
    if isinstance(x, torch.Tensor):
        return torch.sigmoid(x)
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else 0.0


def absolute(x: Any) -> Any:
    """|x|; its derivative at 0 is 0."""
    return abs(x)


def where_less(a: Any, b: Any, then: Any, otherwise: Any) -> Any:
    """Elementwise `then` where a < b, else `otherwise`, also where a or b is NaN.

    >>> where_less(1.0, 2.0, 3.0, 4.0)
    3.0
    """
    condition = a < b
    if isinstance(condition, torch.Tensor):
        found = torch.where(condition, then, otherwise)
        # Of two plain numbers torch makes the default dtype. (torch.result_type cannot be traced.)
        kinds = [one.dtype for one in (a, b) if isinstance(one, torch.Tensor)]
        kept = kinds[0] if len(kinds) == 1 else torch.promote_types(*kinds)
        return found if found.dtype == kept else found.to(kept)
    return then if condition else otherwise
