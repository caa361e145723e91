"""The engine for NVIDIA GPUs: kernels written in Triton for each program. Importing it imports neither Triton nor CUDA.

`functions` binds a model's functions, `source` writes kernels around them: `sequence` (and `products`, its matrix
products) the two that run along time, `timewise` those that are parallel over it. `tables` encodes a layout, `launch`
runs it all.
"""

from importlib.util import find_spec

import torch

from wormnet.engine.program import Program

__all__ = ["unable"]


def unable(program: Program, device: torch.device, dtype: torch.dtype) -> str | None:
    """Why the engine cannot run a program on a device in a dtype; None if it can.

    >>> from wormnet.engine.program import program_of
    >>> from wormnet.models import MODELS
    >>> program = program_of(next(iter(MODELS.values()))())
    >>> unable(program, torch.device("cuda"), torch.bfloat16)
    'the GPU kernels take torch.float32 and torch.float64, not torch.bfloat16'
    """
    if dtype not in (torch.float32, torch.float64):
        return f"the GPU kernels take torch.float32 and torch.float64, not {dtype}"
    if find_spec("triton") is None:
        return "triton is not installed"
    if device.type != "cuda":
        return f"the layer is on {device.type}, not on a CUDA device"
    if not torch.cuda.is_available():
        return "no CUDA device"
    capability = torch.cuda.get_device_capability(device)
    if capability < (8, 0):
        return f"the CUDA device has compute capability {capability[0]}.{capability[1]}; the kernels need 8.0"
    # 3.4 has `knobs`, and 3.5 products of float64 and of fewer than 16 rows.
    release, least = _triton_release(), (3, 5) if any(part.dense for part in program.parts) else (3, 4)
    if release < least:
        return f"triton {release[0]}.{release[1]} is installed; the kernels of this model need {least[0]}.{least[1]}"
    return None


def _triton_release() -> tuple[int, int]:
    import triton

    major, minor = triton.__version__.split(".")[:2]
    return int(major), int(minor)
