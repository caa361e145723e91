"""Memory for histories, which are large and allocated in every call.

The system reclaims large allocations when they are freed and hands them out again page by page, which can take as long
as the computation. So buffers that are no longer in use are kept for the next call, up to HELD bytes.
"""

import math
import os
import sys
import threading

import numpy as np
import torch
from torch import Tensor

__all__ = ["HELD", "empty"]

LARGE = 2**19
"""Bytes from which a piece is kept."""

HELD = 2**28
"""Bytes that are kept at most."""

_pieces: list[np.ndarray] = []
_lock = threading.Lock()


def _after_fork() -> None:
    """A child inherits a lock that another thread held, and not the thread."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def empty(like: Tensor, size: int) -> Tensor:
    """So many uninitialized numbers in the dtype of a tensor, aligned to a cache line."""
    if size * like.element_size() < LARGE:
        return like.new_empty(size)
    memory = torch.from_numpy(_free_piece(size * like.element_size() + 64))
    start = -memory.data_ptr() % 64
    made = memory[start : start + size * like.element_size()].view(like.dtype)
    if torch.are_deterministic_algorithms_enabled():
        made.fill_(math.nan)  # as torch fills its own then
    return made


def _free_piece(size: int) -> np.ndarray:
    """A buffer that nothing else refers to, between one and two times the requested size."""
    with _lock:
        for i in range(len(_pieces)):
            # The list and the call are the only ones who know it.
            if size <= _pieces[i].nbytes <= 2 * size and sys.getrefcount(_pieces[i]) == 2:
                piece = _pieces.pop(i)
                _pieces.append(piece)
                return piece
        piece = np.empty(size, np.uint8)
        if size <= HELD:
            _pieces.append(piece)
            while sum(one.nbytes for one in _pieces) > HELD:
                _pieces.pop(0)  # its holder keeps it alive as long as it is needed
        return piece
