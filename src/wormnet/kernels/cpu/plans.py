"""What the kernels of each model need: the order of the parameters, the wiring as numbers, and room. No Numba."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.kernels.cpu import LANES
from wormnet.models import Model
from wormnet.models.spec import connections
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["ACTIVATIONS", "CHUNK", "PLANS", "Plan", "backbone_option", "blocks_of", "edges_of", "kernels_of"]


CHUNK = 8
"""How many samples the gradients of a backbone's weights wait for each other."""


class Plan(NamedTuple):
    """One model's kernels, as the engine sees them. Rows hold LANES numbers each."""

    parameters: Callable[[Model], tuple[str, ...]]
    """the order of the parameters, of which a wiring may lack some"""
    edges: Callable[[Wiring], list[NDArray[np.int64]]]
    """the wiring as whole numbers"""
    history: Callable[[int, int, int], int]
    """rows that a block's history has, of (neurons, time, option)"""
    room: Callable[[int, int, int, int], int]
    """rows that a block needs on the way there, of (neurons, inputs, connections, option)"""
    room_back: Callable[[int, int, int, int, int], int]
    """and on the way back beside a history, of (neurons, inputs, connections, parameters, option)"""
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
    """A count; bounds; the neurons layer by layer; senders among inputs, old, new states.

    A neuron reads the new states of earlier layers and the old ones of its own and later ones.
    """
    links, n_inputs, n = connections(wiring, own=True), wiring.n_inputs, wiring.n_neurons
    start = np.append(0, np.cumsum(np.bincount(links.post, minlength=n)))
    layer = np.concatenate([np.full(n_inputs, n), wiring.layers])
    is_new = layer[links.pre] < wiring.layers[links.post]
    bounds, order = _bounds(start, links.post, links.pre < n_inputs), np.argsort(wiring.layers, kind="stable")
    return [np.array([len(links.pre)]), bounds, order, links.pre + n * is_new]


def backbone_option(model: Model) -> int:
    """Mode, activation, layers and units as one number."""
    mode, kind = CFC_MODES.index(model.options["mode"]), ACTIVATIONS.index(model.options["backbone_activation"])
    return mode + 4 * (kind + 8 * (model.options["backbone_layers"] + 32 * model.options["backbone_units"]))


def _hidden(option: int) -> int:
    return option // 32 % 32 * (option // 1024)


def _backbone_parameters(model: Model) -> tuple[str, ...]:
    layers = range(model.options["backbone_layers"])
    return (*(f"backbone_{what}{layer}" for layer in layers for what in ("weight", "bias")), *CFC_PARAMETERS)


def _backbone_room(n: int, inputs: int, _: int, parameters: int, option: int) -> int:
    """Cells and heads; gradients; a chunk's gradients and cells, those turned; sums, of weights in whole blocks."""
    outs = 4 * n + _hidden(option)
    chunk = CHUNK * (outs + 1 + inputs + n + 1 + LANES)
    return (inputs + 5 * n) + (inputs + 3 * n) + chunk + (outs + 1 + 2 * n) + parameters // LANES + 1 + outs


def blocks_of(numbers: Any) -> Any:
    """How many blocks of LANES hold so many numbers, or sequences; symbolic ones while a call is traced."""
    return (numbers + LANES - 1) // LANES


def _ltc_room_back(n: int, inputs: int, synapses: int, parameters: int, _: int) -> int:
    """States, drive and pull, two products for each synapse; gradients; lanes, and four sums for each synapse."""
    return (
        (inputs + 3 * n + blocks_of(2 * synapses))
        + (inputs + 5 * n)
        + parameters
        - 4 * synapses
        + blocks_of(4 * synapses)
    )


def _cfc_room_back(n: int, inputs: int, connections: int, parameters: int, mode: int) -> int:
    """Cells; gradients; lanes, and four sums for each connection, or lanes in the mode "pure"."""
    heads, rows = (1, connections) if CFC_MODES[mode] == "pure" else (4, blocks_of(4 * connections))
    return (inputs + 2 * n) + (inputs + 3 * n) + parameters - heads * connections + rows


LTC_PARAMETERS = (
    *("capacitance", "leak", "v_leak"),
    *("conductance", "slope", "midpoint", "reversal", "gap_conductance", "current"),
)
CFC_PARAMETERS = (*(f"{head}_{what}" for what in ("weight", "bias") for head in "ghab"), "w_tau", "A")
CFC_MODES = ("default", "no_gate", "pure")
ACTIVATIONS = ("lecun_tanh", "tanh", "relu", "silu")
"""Those that the kernels know, by their numbers."""

PLANS = {
    "ltc": Plan(
        lambda model: LTC_PARAMETERS,
        _synapses,
        lambda n, time, unfolds: (2 * time * unfolds + 1) * n,
        lambda n, inputs, synapses, _: 5 * n + inputs + blocks_of(2 * synapses),
        _ltc_room_back,
        lambda model: int(model.options["unfolds"]),
    ),
    "ctrnn": Plan(
        lambda model: ("time_constant", "bias", "weight"),
        _rates,
        lambda n, time, unfolds: (2 * time * unfolds + 1) * n,
        lambda n, inputs, *_: 4 * n + inputs,
        lambda n, inputs, _, parameters, __: 6 * n + 2 * inputs + parameters,
        lambda model: int(model.options["unfolds"]),
    ),
    "cfc": Plan(
        lambda model: CFC_PARAMETERS,
        _layered,
        lambda n, time, mode: (5 * time + 1) * n,
        lambda n, inputs, *_: 4 * n + inputs,
        _cfc_room_back,
        lambda model: CFC_MODES.index(model.options["mode"]),
    ),
    "cfc_backbone": Plan(
        _backbone_parameters,
        lambda wiring: [np.zeros(1, np.int64)],
        lambda n, time, option: (5 * time + 1) * n + 2 * time * _hidden(option),
        lambda n, inputs, _, option: 7 * n + inputs + 2 * _hidden(option),
        _backbone_room,
        backbone_option,
    ),
}
"""By the name of the kernels' module."""


def kernels_of(model: Model) -> str:
    """The name of the module that runs a model."""
    return "cfc_backbone" if model.options.get("backbone_layers") else model.name


@lru_cache(maxsize=64)
def edges_of(name: str, wiring: Wiring) -> Tensor:
    """A wiring as a model's kernels read it, int32."""
    # Kept for later calls too, which may need gradients even if this one does not.
    with torch.inference_mode(False):
        return torch.tensor(np.concatenate(PLANS[name].edges(wiring)).astype(np.int32), device="cpu")
