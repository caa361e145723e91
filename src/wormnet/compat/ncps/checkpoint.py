"""The wiring that a checkpoint of ncps was trained on."""

import copy
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.compat.ncps.wirings import Wiring
from wormnet.errors import WiringError

__all__ = ["wiring_of"]


def wiring_of(state_dict: Mapping[str, Any], like: Wiring) -> Wiring:
    """The wiring that a checkpoint of an LTC or a wired CfC of ncps was trained on.

    ncps adds synapses whenever a wiring is built again, and its checkpoints hold the outcome as masks, which fit no
    wiring that is built once. A layer made on what this returns loads them.

    Args:
        state_dict: of a module with one such layer in it.
        like: a wiring with the same neurons, made by the same call; it stays as it is. Signs that the checkpoint does
            not tell are taken from it.

    Raises: WiringError if the checkpoint holds no mask, or one of another size.

    >>> from wormnet.compat.ncps.wirings import FullyConnected
    >>> masks = {"rnn_cell.sensory_sparsity_mask": [[1, 0]], "rnn_cell.sparsity_mask": [[0, 1], [0, 0]]}
    >>> wiring = wiring_of(masks, FullyConnected(2, 1))
    >>> wiring.input_dim, wiring.sensory_synapse_count, wiring.synapse_count
    (1, 1, 1)
    """
    held = {name: np.asarray(value) for name, value in state_dict.items() if name.endswith(("sparsity_mask", "erev"))}
    found = copy.deepcopy(like)
    senses = [name for name in held if name.endswith("sensory_sparsity_mask")]
    layers = sorted((int(m[1]), name) for name in held if (m := re.search(r"layer_(\d+)\.sparsity_mask$", name)))
    if len(senses) == 1:
        prefix = senses[0].removesuffix("sensory_sparsity_mask")
        sense, inner = (_signed(held, f"{prefix}{word}") for word in ("sensory_", ""))
    elif len(layers) == like.num_layers:
        sense, inner = _of_layers([held[name] for _, name in layers], like)
    else:
        raise WiringError(
            "the checkpoint holds the mask of no single LTC or wired CfC like this; it holds "
            f"{', '.join(name for name in held if 'mask' in name) or 'none'}."
        )
    n = like.units
    if inner.shape != (n, n) or sense.ndim != 2 or sense.shape[1] != n:
        raise WiringError(f"the checkpoint's masks are {sense.shape} and {inner.shape}; the wiring has {n} neurons.")
    found.__dict__.pop("_rng", None)  # nothing more is drawn, so building it again is no difference from ncps
    found.set_input_dim(len(sense))
    found.sensory_adjacency_matrix, found.adjacency_matrix = sense, inner
    return found


def _signed(held: Mapping[str, NDArray[Any]], prefix: str) -> NDArray[np.int32]:
    """An LTC's mask with the signs of its reversal potentials."""
    mask = held[f"{prefix}sparsity_mask"] != 0
    reversal = held.get(f"{prefix}erev", np.ones(mask.shape))
    return np.where(mask, np.where(reversal < 0, -1, 1), 0).astype(np.int32)


def _of_layers(masks: list[NDArray[Any]], like: Wiring) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The synapses of a wired CfC's masks. ncps masks none within a layer: these stay."""
    layers = [like.get_neurons_of_layer(layer) for layer in range(like.num_layers)]
    inner = like.adjacency_matrix.astype(np.int32)
    sizes = [len(layer) for layer in layers]
    width = masks[0].shape[1] - sizes[0]
    fits = [mask.shape == (n, before + n) for mask, n, before in zip(masks, sizes, [width, *sizes[:-1]], strict=True)]
    if not all(fits) or width < 0:
        shapes = ", ".join(str(mask.shape) for mask in masks)
        raise WiringError(f"the checkpoint's masks are {shapes}; the layers of the wiring have {sizes} neurons.")
    sense = np.zeros((width, like.units), np.int32)
    if like.input_dim == width and like.sensory_adjacency_matrix is not None:
        sense[:] = like.sensory_adjacency_matrix
    for layer, (mask, mine) in enumerate(zip(masks, layers, strict=True)):
        matrix, senders = (sense, list(range(width))) if layer == 0 else (inner, layers[layer - 1])
        at = np.ix_(senders, mine)
        joined = mask[:, : len(senders)].T != 0
        matrix[at] = np.where(joined, np.where(matrix[at] == 0, 1, matrix[at]), 0)
    return sense, inner
