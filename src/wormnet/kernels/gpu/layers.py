"""Index arrays that the Triton kernels of CfC read: cells in the order in which a sample updates them."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from wormnet.kernels.gpu.tables import Rows, put, rows
from wormnet.models.cfc import CfC
from wormnet.models.spec import connections
from wormnet.wiring.core import Wiring

__all__ = ["ADJOINTS", "Layers", "build"]

ADJOINTS = 4
"""Adjoints that the backward pass leaves for each neuron and sample, see kernels.gpu.cfc."""


class Layers(NamedTuple):
    """Cells are the inputs, layer 0, and behind them the neurons layer by layer.

    A slot of states holds the inputs of a sample and the neurons after it. What a neuron reads is counted from the
    start of the slot before: a cell below `cells` is an old state, above it an input or a state that is already new.
    """

    n_inputs: int
    widest: int
    """the most cells of a layer"""
    order: Tensor
    """(neurons,) the neuron at each place"""
    position: Tensor
    """(neurons,) the place of each neuron"""
    start: Tensor
    """(layers + 1,) first cell of each layer"""
    read: Tensor
    """(heads x connections,) what each weight is multiplied with"""
    row_of: Tensor
    """(heads x connections,) place of the receiver + head x neurons"""
    by_post: Rows
    """rows by receiver; `other` is what is read"""
    by_pre: Rows
    """rows by sender; `other` is the receiver's place, plus ADJOINTS x neurons if it reads one sample later"""


def build(model: CfC, wiring: Wiring, device: torch.device | str) -> Layers:
    """The tables of a CfC without a backbone on a wiring."""
    n_inputs, n = wiring.n_inputs, wiring.n_neurons
    order = np.argsort(wiring.layers, kind="stable")
    position = np.argsort(order)
    layer = np.concatenate([np.zeros(n_inputs, np.int64), wiring.layers[order] + 1])
    cells = np.concatenate([np.arange(n_inputs), n_inputs + position])
    links = connections(wiring, own=True)
    pre, post = cells[links.pre], n_inputs + position[links.post]
    old = layer[pre] >= layer[post]
    read = np.where(old, pre, pre + n_inputs + n)
    start = np.searchsorted(layer, np.arange(layer.max(initial=0) + 2))
    heads = np.arange(len(model.heads))[:, None]
    return Layers(
        n_inputs,
        int(np.diff(start).max()),
        put(order, device, torch.int64),
        put(position, device, torch.int64),
        put(start, device),
        put(np.tile(read, len(model.heads)), device),
        put((heads * n + post - n_inputs).flatten(), device),
        rows(post, read, n_inputs + n, device),
        rows(pre, post - n_inputs + np.where(old, ADJOINTS * n, 0), n_inputs + n, device),
    )
