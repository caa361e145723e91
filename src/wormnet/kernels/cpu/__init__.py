"""Numba kernels for the CPU: whole sequences, sixteen at a time in the lanes of vectors.

Importing this package imports no Numba; the first call does.
"""

import torch

from wormnet.models import CTRNN, LTC, CfC
from wormnet.models.spec import Model

__all__ = ["LANES", "unable"]

LANES = 16
"""How many sequences make a block, the smallest piece of work."""


def unable(model: Model, device: torch.device, dtype: torch.dtype, *, training: bool = False) -> str | None:
    """Why the kernels cannot run a model on a device in a dtype; None if they can.

    >>> unable(LTC(solver="rk4"), torch.device("cpu"), torch.float32)
    "solver 'rk4' runs on the reference engine only"
    """
    if isinstance(model, CfC):
        if model.backbone_layers and model.backbone_activation == "gelu":
            return "a backbone of gelu runs on the reference engine only"
        if model.backbone_layers and model.backbone_dropout and training:
            return "dropout in a backbone runs, in training mode, on the reference engine only"
        if model.backbone_layers > 31:
            return "a backbone of more than 31 layers runs on the reference engine only"
    elif not isinstance(model, (LTC, CTRNN)):
        return f"{model.name} has no CPU kernel"
    elif model.solver != "semi_implicit":
        return f"solver {model.solver!r} runs on the reference engine only"
    if device.type != "cpu":
        return f"the layer is on {device.type}, not on the CPU"
    return None
