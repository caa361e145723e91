"""The CPU engine: any program, compiled by Numba, sixteen sequences at a time in the lanes of SIMD vectors.

Importing this package imports no Numba; the first call does.
"""

import importlib.util
import os

import torch

from wormnet.engine.program import Program

__all__ = ["LANES", "unable"]

LANES = 16
"""How many sequences make a block, the smallest piece of work."""


def unable(program: Program, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the engine cannot run a program on a device in a dtype; None if it can.

    >>> from wormnet.engine.program import program_of
    >>> from wormnet.models import LTC
    >>> unable(program_of(LTC()), torch.device("cuda"), torch.float32)
    'the layer is on cuda, not on the CPU'
    """
    if device.type != "cpu":
        return f"the layer is on {device.type}, not on the CPU"
    if not dtype.is_floating_point:
        return f"it takes a floating dtype, not {dtype}"
    if os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0"):
        return "NUMBA_DISABLE_JIT is set, and the kernels need Numba's compiler"
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    return None
