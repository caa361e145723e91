"""Kernels for NVIDIA GPUs, written in Triton. Importing this package imports neither Triton nor CUDA."""

from importlib.util import find_spec

import torch

from wormnet.models import CTRNN, LTC, CfC
from wormnet.models.spec import Model

__all__ = ["unable"]


def unable(model: Model, device: torch.device, dtype: torch.dtype, *, training: bool = False) -> str | None:
    """Why the kernels cannot run a model on a device in a dtype; None if it can.

    >>> unable(CTRNN(solver="rk4"), torch.device("cuda"), torch.float32)
    "solver 'rk4' runs on the reference engine only"
    """
    if not isinstance(model, (LTC, CTRNN, CfC)):
        return f"{model.name} has no GPU kernel"
    if isinstance(model, CfC):
        if model.backbone_layers and model.backbone_activation == "gelu":
            return "a backbone of gelu runs on the reference engine only"
        if model.backbone_layers and model.backbone_dropout and training:
            return "dropout in a backbone runs, in training mode, on the reference engine only"
    elif model.solver != "semi_implicit":
        return f"solver {model.solver!r} runs on the reference engine only"
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
    release, least = _triton_release(), (3, 5) if model.options.get("backbone_layers") else (3, 4)
    if release < least:
        return f"triton {release[0]}.{release[1]} is installed; the kernels of this model need {least[0]}.{least[1]}"
    return None


def _triton_release() -> tuple[int, int]:
    import triton

    major, minor = triton.__version__.split(".")[:2]
    return int(major), int(minor)
