"""What the kernels of each model need: the order of the parameters, the wiring as numbers, and room. No Numba."""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.models import Model
from wormnet.models.spec import connections
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["PLANS", "Plan", "edges_of"]


class Plan(NamedTuple):
    """One model's kernels, as the engine sees them. Rows hold LANES numbers each."""

    parameters: tuple[str, ...]
    """their order, those that a wiring has"""
    edges: Callable[[Wiring], list[NDArray[np.int64]]]
    """the wiring as whole numbers"""
    history: Callable[[int, int, int], int]
    """rows that a block's history has, of (neurons, time, option)"""
    room: Callable[[int, int], int]
    """rows that a block needs on the way there, of (neurons, inputs)"""
    room_back: Callable[[int, int, int], int]
    """and on the way back beside a history, of (neurons, inputs, parameters)"""
    option: Callable[[Model], int]
    """the one number that the kernels take from the model's options"""


def _bounds(start: NDArray[np.int64], post: NDArray[np.int64], from_input: NDArray[np.bool_]) -> NDArray[np.int64]:
    """2 n + 1 numbers: neuron i receives edges [2 i] up to [2 i + 1] from inputs, then up to [2 i + 2] from neurons."""
    middle = start[:-1] + np.bincount(post[from_input], minlength=len(start) - 1)
    return np.append(np.stack([start[:-1], middle], 1), start[-1])


def _synapses(wiring: Wiring) -> list[NDArray[np.int64]]:
    """Three counts; bounds of the chemical, gap and current edges; senders of each, and the synapses of the gap edges.

    Senders are numbered among the inputs or among the neurons.
    """
    kinds = [wiring.csr(kind) for kind in (CHEMICAL, GAP, CURRENT)]
    bounds = [_bounds(csr.start, csr.post, csr.pre < wiring.n_inputs) for csr in kinds]
    senders = [np.where(csr.pre < wiring.n_inputs, csr.pre, csr.pre - wiring.n_inputs) for csr in kinds]
    return [np.array([len(csr.pre) for csr in kinds]), *bounds, *senders[:2], kinds[1].synapse, senders[2]]


def _rates(wiring: Wiring) -> list[NDArray[np.int64]]:
    """A count; bounds and senders of the connections."""
    links = connections(wiring, own=False)
    from_input = links.pre < wiring.n_inputs
    start = np.append(0, np.cumsum(np.bincount(links.post, minlength=wiring.n_neurons)))
    senders = np.where(from_input, links.pre, links.pre - wiring.n_inputs)
    return [np.array([len(senders)]), _bounds(start, links.post, from_input), senders]


def _layered(wiring: Wiring) -> list[NDArray[np.int64]]:
    """A count; each neuron's first connection; the neurons layer by layer; senders among inputs, old, new states.

    A neuron reads the new states of earlier layers and the old ones of its own and later ones.
    """
    links, n_inputs, n = connections(wiring, own=True), wiring.n_inputs, wiring.n_neurons
    start = np.append(0, np.cumsum(np.bincount(links.post, minlength=n)))
    layer = np.concatenate([np.full(n_inputs, n), wiring.layers])
    is_new = layer[links.pre] < wiring.layers[links.post]
    return [np.array([len(links.pre)]), start, np.argsort(wiring.layers, kind="stable"), links.pre + n * is_new]


PLANS = {
    "ltc": Plan(
        (
            "capacitance",
            "leak",
            "v_leak",
            "conductance",
            "slope",
            "midpoint",
            "reversal",
            "gap_conductance",
            "current",
        ),
        _synapses,
        lambda n, time, unfolds: (2 * time * unfolds + 1) * n,
        lambda n, inputs: 5 * n + inputs,
        lambda n, inputs, parameters: 8 * n + 2 * inputs + parameters,
        lambda model: int(model.options["unfolds"]),
    ),
    "ctrnn": Plan(
        ("time_constant", "bias", "weight"),
        _rates,
        lambda n, time, unfolds: (2 * time * unfolds + 1) * n,
        lambda n, inputs: 4 * n + inputs,
        lambda n, inputs, parameters: 6 * n + 2 * inputs + parameters,
        lambda model: int(model.options["unfolds"]),
    ),
    "cfc": Plan(
        (*(f"{head}_{what}" for what in ("weight", "bias") for head in "ghab"), "w_tau", "A"),
        _layered,
        lambda n, time, mode: (5 * time + 1) * n,
        lambda n, inputs: 4 * n + inputs,
        lambda n, inputs, parameters: 5 * n + 2 * inputs + parameters,
        lambda model: ("default", "no_gate", "pure").index(model.options["mode"]),
    ),
}
"""By the name of the model."""


@lru_cache(maxsize=64)
def edges_of(name: str, wiring: Wiring) -> Tensor:
    """A wiring as a model's kernels read it, int32."""
    # Kept for later calls too, which may need gradients even if this one does not.
    with torch.inference_mode(False):
        return torch.tensor(np.concatenate(PLANS[name].edges(wiring)).astype(np.int32), device="cpu")
