"""The trained networks of a study: one small safetensors file for each run, and finding the best of them."""

from collections.abc import Mapping
from typing import Any

import safetensors.torch
from torch import nn

__all__ = ["packed"]


def packed(network: nn.Module, record: Mapping[str, Any]) -> bytes:
    """The content of the file of a run's weights."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    return safetensors.torch.save(tensors, metadata={"run": record["id"]})
