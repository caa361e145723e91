"""Tensors that follow from a layout alone: made once and kept for every later call, whatever mode torch is in.

Made within a mode of fake tensors, under inference or while torch traces, they would be of no use to later calls.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["fake", "kept", "plainly", "shown"]

FAKE = torch._C._TorchDispatchModeKey.FAKE


@contextmanager
def plainly() -> Iterator[None]:
    """Make tensors as if torch were in no mode."""
    with torch.inference_mode(False), _disable_current_modes():
        yield


def kept(values: np.ndarray, device: torch.device) -> Tensor:
    """An array as a tensor that later calls may use."""
    with plainly():
        return torch.tensor(values, device=device)


def shown(values: Tensor) -> Tensor:
    """A kept tensor as the mode of fake tensors takes it, if torch is in one."""
    if torch.compiler.is_compiling():
        return values
    mode = torch._C._get_dispatch_mode(FAKE)
    return values if mode is None else mode.from_tensor(values)


def fake(values: Tensor) -> bool:
    """Whether a tensor has a shape and no numbers."""
    return isinstance(values, torch._subclasses.FakeTensor)
