"""A trained network as one layer, which can be saved, exported and drawn by itself."""

import torch

from wormnet.errors import ArgumentError
from wormnet.nn import Recurrent
from wormnet.nn.files import built, fill, head_of, tensors_of
from wormnet.study.network import Predictor, core_of

__all__ = ["whole"]


def whole(network: Predictor) -> Recurrent:
    """One layer that does all that a network does: samples as they were recorded in, scores out, for every sample.

        (x - mean) / deviation goes into the layer's map of inputs, shift + scale (W y + b) into its projection.

    Where the time between samples varies and the wiring has inputs for it, the last two inputs are dt and log dt, in
    units of `network.shape.time_unit`. Where gaps were filled, the channels are followed by a mask of each and the time
    since each was seen, as in `wormnet.data.Sequences`. The layer takes dt besides, as it is.

    Raises: ArgumentError for a network that is no layer of wormnet, whose inputs have no affine map, or that adds
        something to its read-out.
    """
    core, shape = core_of(network), network.shape
    if not isinstance(core, Recurrent):
        raise ArgumentError(f"this network is a {type(core).__name__}; one layer can be made of wormnet's layers.")
    values = core.values()
    if "input_scale" not in values or "input_shift" not in values:
        raise ArgumentError(
            f"the inputs of a {type(core).__name__} have no affine map that could standardise them; standardise x "
            "yourself, with input_shift and input_scale of the trained module, and take its layer."
        )
    if network.skip is not None or shape.residual:
        raise ArgumentError("this network adds its newest input to what it reads out, which no layer does.")
    tensors = tensors_of(core)
    layer = built(head_of(core) | {"proj_size": shape.n_outputs})
    assert isinstance(layer, Recurrent)
    read_out, scale = network.read_out, network.get_buffer("scale")
    with torch.no_grad():
        tensors["projection.weight"] = scale[:, None] * read_out.weight
        tensors["projection.bias"] = network.get_buffer("shift") + scale * read_out.bias
        fill(layer, tensors)
        mean, deviation = (
            torch.cat([network.get_buffer(f"input_{one}"), network.get_buffer(f"time_{one}")])[: core.wiring.n_inputs]
            for one in ("shift", "scale")
        )
        gain = values["input_scale"] / deviation
        layer.set_values(input_scale=gain, input_shift=values["input_shift"] - gain * mean)
    return layer.eval()
