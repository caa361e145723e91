"""How far results may lie apart, for every dtype and back end: the only table of its kind, nowhere looser."""

import torch
from torch import Tensor

__all__ = ["AGAINST_REFERENCE", "SAME_ENGINE", "close"]

# (relative, absolute) of outputs and states, then of gradients, which are sums of many terms.
SAME_ENGINE = {
    torch.float64: ((1e-12, 1e-12), (1e-10, 1e-10)),
    torch.float32: ((1e-5, 1e-6), (1e-4, 1e-5)),
    torch.bfloat16: ((4e-2, 4e-2), (2e-1, 2e-1)),
    torch.float16: ((4e-3, 4e-3), (3e-2, 3e-2)),
}
"""Two runs of one engine that sum in another order (a batch and its sequences one by one, padded and packed)."""

AGAINST_REFERENCE = {
    "reference": SAME_ENGINE,
}
"""An engine against the reference; one that is not listed is held to what holds between two runs of one engine."""


def close(got: Tensor, expected: Tensor, *, backend: str = "reference", gradient: bool = False) -> None:
    """Raise AssertionError unless two tensors agree as far as their dtype and back end allow, NaN nowhere.

    >>> close(torch.tensor(1.0), torch.tensor(1.1))
    Traceback (most recent call last):
    AssertionError: Scalars are not close! ...
    """
    relative, absolute = AGAINST_REFERENCE.get(backend, SAME_ENGINE)[expected.dtype][gradient]
    if torch.isnan(got).any():
        raise AssertionError("NaN in the result")
    torch.testing.assert_close(got, expected, rtol=relative, atol=absolute)
