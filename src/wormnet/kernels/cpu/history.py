"""Memory for histories. A large one is used again: fresh pages cost as much as to compute what they will hold."""

import weakref
from collections import deque
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["room_for"]

LARGE = 2**20
"""Bytes from which it is worth the trouble."""

_spare: deque[NDArray[Any]] = deque(maxlen=1)
"""The memory of the last history that nobody needs any more; at most one."""


def room_for(size: int, like: Tensor) -> Tensor:
    """A flat tensor of `size` numbers in the dtype of another, holding anything."""
    needed = size * like.element_size()
    if needed < LARGE:
        return like.new_empty(size)
    memory = _found(needed)
    aligned = memory[-memory.ctypes.data % 64 :][:needed].view(torch.empty(0, dtype=like.dtype).numpy().dtype)
    # The tensor holds on to this view, and when the last one that looks at it goes, the memory is free again.
    weakref.finalize(aligned, _spare.append, memory).atexit = False
    if torch.are_deterministic_algorithms_enabled():
        aligned.fill(np.nan)  # as torch fills its own empty memory then
    return torch.from_numpy(aligned)


def _found(needed: int) -> NDArray[Any]:
    try:
        memory = _spare.pop()
    except IndexError:
        return np.empty(needed + 64, np.uint8)
    fits = needed + 64 <= len(memory) <= 4 * needed
    return memory if fits else np.empty(needed + 64, np.uint8)
