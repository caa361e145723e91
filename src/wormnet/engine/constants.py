"""What torch may be doing around a call, and tensors that outlive it.

Tensors that follow from a layout alone are made once and kept for every later call. Made within a mode of fake tensors,
under inference or while torch traces, they would be of no use to later calls.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.utils._python_dispatch import _disable_current_modes

__all__ = ["fake", "in_memory", "kept", "plainly", "shown", "watched"]

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
    """A cached tensor, as a fake one if a mode of fake tensors is active."""
    if torch.compiler.is_compiling():
        return values
    mode = torch._C._get_dispatch_mode(FAKE)
    return values if mode is None else mode.from_tensor(values)


def fake(values: Tensor) -> bool:
    """Whether a tensor is fake: shape and dtype without data."""
    return isinstance(values, torch._subclasses.FakeTensor)


def watched(*given: Tensor) -> bool:
    """Whether torch intercepts operators: a tracer, a dispatch mode, fake tensors, or batched gradients."""
    if torch._C._len_torch_dispatch_stack() > 0 or torch._C._get_tracing_state() is not None:
        return True
    # What torch.autograd.grad(is_grads_batched=True) hands a backward pass is a batch that no kernel may look into.
    batched: Any = torch._C._functorch.is_legacy_batchedtensor  # pyright: ignore[reportAttributeAccessIssue]
    for one in given:  # a generator would take longer than all of the rest
        kind = type(one)
        if (kind is not Tensor and kind is not torch.nn.Parameter) or batched(one):
            return True
    return False


def in_memory(*given: Tensor) -> bool:
    """Whether code of our own may read these tensors: NumPy can, and nothing that torch does would miss it."""
    if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active() or forward_ad._current_level >= 0:
        return False
    for one in given:
        if not one.is_cpu or one.dtype not in (torch.float32, torch.float64):
            return False
    return not watched(*given)
