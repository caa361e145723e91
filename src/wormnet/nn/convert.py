"""Networks of the `ncps` package as wirings, models and values of ours. `ncps` itself is never imported.

`from_ncps` takes a trained network over; `wormnet.compat.ncps` computes with the same functions in every call.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.errors import ArgumentError
from wormnet.models import LTC, CfC
from wormnet.models.spec import check_flag, connections
from wormnet.nn.layers import layer_of
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.chance import dense
from wormnet.wiring.core import Wiring

__all__ = [
    "HEADS",
    "LEAST",
    "backbone_model",
    "backbone_values",
    "from_ncps",
    "layered_form",
    "layered_values",
    "layered_wiring",
    "layers_joined",
    "lstm_weights",
    "ltc_model",
    "ltc_places",
    "ltc_values",
    "ltc_wiring",
    "weight_places",
]

HOMES = ("ncps.torch", "wormnet.compat.ncps")
"""Where the classes live that `from_ncps` takes."""

LEAST = 1e-12, 1e-30
"""What stands for a conductance, and for a weight, that is exactly 0 and trained all the same: here 0 means absent."""


def from_ncps(module: nn.Module, *, hold: bool = True) -> Recurrent:
    """Turn an LTC or CfC of `ncps` 1.0.1 into one of ours that computes the same and trains the same.

    The wiring is the one that `ncps` computes, which is not always the one that it draws:

    - neurons keep the order that `ncps` has in its hidden state, so states carry over;
    - a CfC on a wiring there joins every neuron to all neurons of its own layer and of the layer before, whatever the
      wiring says, and has no signs; the converted wiring has all these synapses, with signs to be learned;
    - an LTC's signs are those of its reversal potentials now.

    Dropout in a backbone acts after every layer here (training only); `ncps` has none after the first, so a backbone of
    one layer is converted without. An LTC with explicit constraints is converted to one with implicit ones, which
    computes the same and trains differently.

    Args:
        module: an LTC or CfC of `ncps.torch` or `wormnet.compat.ncps`, with any wiring, mixed memory, projection.
        hold: what `ncps` does not train is not trained: weights of g and h that the mask of a CfC takes away stay 0
            (`models.CfC(fixed_zeros=True)`), and the LSTM cell's second bias, which `ncps` lacks, is frozen. False
            trains all of it.

    Returns: an LTC, CfC or MixedMemory in the module's dtype, device and mode (train or eval), sharing no memory.
    Raises: ArgumentError for anything else, or a conductance below zero (trained with explicit constraints that were
        not applied).

    >>> from_ncps(torch.nn.LSTM(2, 3))
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: from_ncps takes an ncps.torch.LTC or CfC, not torch.nn.modules.rnn.LSTM.
    """
    check_flag("hold", hold)
    own = next((base for base in type(module).__mro__ if base.__module__.startswith(HOMES)), None)
    if own is None or own.__name__ not in ("LTC", "CfC"):
        kind = f"{type(module).__module__}.{type(module).__name__}"
        raise ArgumentError(f"from_ncps takes an ncps.torch.LTC or CfC, not {kind}.")
    peer: Any = module
    with torch.no_grad():
        if hasattr(peer.rnn_cell, "form"):
            wiring, model, values = peer.rnn_cell.form(hold=hold)
        elif own.__name__ == "LTC":
            wiring, model, values = _ltc(peer.rnn_cell)
        elif hasattr(peer.rnn_cell, "_layers"):
            wiring, model, values = _wired_cfc(peer.rnn_cell._layers, peer.rnn_cell._wiring, hold=hold)
        else:
            wiring, model, values = _dense_cfc(peer.rnn_cell)
        fc = getattr(peer, "fc", None)
        ours = layer_of(
            wiring,
            model,
            mixed_memory=peer.use_mixed,
            proj_size=fc.out_features if isinstance(fc, nn.Linear) else None,
            batch_first=peer.batch_first,
            return_sequences=peer.return_sequences,
        )
        first = next(module.parameters())
        ours.to(device=first.device, dtype=first.dtype)
        ours.set_values(**values)
        if ours.lstm is not None:
            weights = lstm_weights(peer.lstm.input_map, peer.lstm.recurrent_map)
            for name, value in zip(("weight_ih", "weight_hh", "bias_ih"), weights, strict=True):
                getattr(ours.lstm, name).copy_(value)
            ours.lstm.bias_hh.zero_().requires_grad_(not hold)
        if ours.projection is not None and fc is not None:
            ours.projection.load_state_dict(fc.state_dict())
    return ours.train(module.training)


# -- LTC ---------------------------------------------------------------------------------------------------------------


def _ltc(cell: Any) -> tuple[Wiring, LTC, dict[str, Any]]:
    # The cell computes with this dict, which need not be what is registered.
    p = {name: value.detach().double().cpu() for name, value in cell._params.items()}
    implicit = cell._implicit_param_constraints
    for name in ("cm", "gleak", "w", "sensory_w"):
        if not implicit and bool((p[name] < 0).any()):
            raise ArgumentError(
                f"the module's {name} holds {p[name].min().item():g}; apply its constraints first "
                "(rnn_cell.apply_weight_constraints())."
            )

    def positive(value: Tensor) -> Tensor:
        # Softplus reaches no zero, which the explicit constraints may leave.
        return (torch.nn.functional.softplus(value) if implicit else value).clamp(min=LEAST[0])

    mask = torch.cat([p["sensory_sparsity_mask"], p["sparsity_mask"]]).numpy()
    wiring = ltc_wiring(cell._wiring, mask, torch.cat([p["sensory_erev"], p["erev"]]).numpy())
    values = ltc_values(p, torch.from_numpy(ltc_places(wiring)), positive, cell._epsilon)
    return wiring, ltc_model(cell._ode_unfolds, cell._input_mapping, cell._output_mapping), values


def ltc_wiring(peer: Any, mask: NDArray[Any], reversal: NDArray[Any]) -> Wiring:
    """The wiring of an LTC: peer is a wiring of ncps; mask and reversal are (inputs + neurons, neurons)."""
    # Sorted by receiver, then sender: the order of a Wiring's synapses.
    post, pre = np.nonzero(mask.T)
    n_inputs = mask.shape[0] - mask.shape[1]
    return Wiring(
        n_inputs,
        _neuron_names(peer, range(peer.units)),
        roles=_roles(peer, range(peer.units)),
        outputs=range(peer.output_dim),
        layers=_layer_numbers(peer),
        pre=pre,
        post=post + n_inputs,
        sign=np.sign(reversal[pre, post]).astype(int),
        source="ncps",
    )


def ltc_model(unfolds: int, input_map: Any, output_map: Any) -> LTC:
    """The model of an LTC; anything but these two names means no map to ncps."""
    maps = [one if one in ("affine", "linear") else None for one in (input_map, output_map)]
    return LTC(unfolds=unfolds, input_map=maps[0], output_map=maps[1])


def ltc_places(wiring: Wiring) -> NDArray[np.int64]:
    """(synapses,) where each synapse stands in the matrices of an ncps LTC, inputs above neurons, row by row."""
    return wiring.pre * wiring.n_neurons + wiring.post - wiring.n_inputs


def ltc_values(
    p: Mapping[str, Tensor], place: Tensor, positive: Callable[[Tensor], Tensor], epsilon: float
) -> dict[str, Tensor]:
    """The values of the equation from the parameters of an ncps LTC cell.

    ncps divides by the sum of all conductances plus epsilon: a leak to 0, which here is a part of the leak.
    """

    def at_synapses(word: str) -> Tensor:
        return torch.cat([p[f"sensory_{word}"], p[word]]).flatten()[place]

    leak = positive(p["gleak"])
    values = {
        "capacitance": positive(p["cm"]),
        "leak": leak + epsilon,
        "v_leak": p["vleak"] * leak / (leak + epsilon) if epsilon else p["vleak"],
        "conductance": positive(at_synapses("w")) * at_synapses("sparsity_mask"),
        "slope": at_synapses("sigma"),
        "midpoint": at_synapses("mu"),
        "reversal": at_synapses("erev"),
    }
    for word in ("input", "output"):
        for ours, theirs in (("scale", "w"), ("shift", "b")):
            if f"{word}_{theirs}" in p:
                values[f"{word}_{ours}"] = p[f"{word}_{theirs}"]
    return values


# -- CfC ---------------------------------------------------------------------------------------------------------------


def _dense_cfc(cell: Any) -> tuple[Wiring, CfC, dict[str, Any]]:
    wiring = dense(cell.input_size, cell.hidden_size).replace(sign=0, source="ncps")
    if cell.backbone is None:
        place, _ = weight_places(wiring, [cell.hidden_size])
        return wiring, CfC(mode=cell.mode), layered_values([cell], torch.from_numpy(place))
    return wiring, backbone_model(cell.mode, cell.backbone), backbone_values(cell)


def _wired_cfc(cells: list[Any], peer: Any, *, hold: bool) -> tuple[Wiring, CfC, dict[str, Any]]:
    sizes = [cell.hidden_size for cell in cells]
    wiring = layered_wiring(peer, layers_joined(peer.input_dim, sizes), range(sum(sizes) - sizes[-1], sum(sizes)))
    return layered_form(wiring, cells, torch.from_numpy(weight_places(wiring, sizes)[0]), hold=hold)


def layered_form(
    wiring: Wiring, cells: Sequence[Any], place: Tensor | None, skip: Mapping[str, Tensor] | None = None, *, hold: bool
) -> tuple[Wiring, CfC, dict[str, Any]]:
    """Wiring, model and values of a CfC in layers; see `from_ncps` and `layered_values`."""
    values = layered_values(cells, place, skip)
    masks = [torch.ones_like(cell.ff1.weight) if cell.sparsity_mask is None else cell.sparsity_mask for cell in cells]
    present = torch.cat([mask.flatten() != 0 for mask in masks])
    present = torch.cat([present, present.new_ones(len(values["g_weight"]))])  # skip weights come last
    present = present[: len(values["g_weight"])] if place is None else present[place]
    for name in {"g_weight", "h_weight"} & set(values):
        values[name] = torch.where((values[name] == 0) & present, LEAST[1], values[name])
    return wiring, CfC(mode=cells[0].mode, fixed_zeros=hold and not bool(present.all())), values


def layers_joined(n_inputs: int, sizes: Sequence[int]) -> NDArray[np.bool_]:
    """(inputs + neurons, neurons) what a CfC of ncps joins: each layer with itself and with the one before it."""
    before = np.repeat(np.arange(-1, len(sizes)), [n_inputs, *sizes])
    post = np.repeat(np.arange(len(sizes)), sizes)
    return (before[:, None] == post) | (before[:, None] == post - 1)


def layered_wiring(peer: Any, joined: NDArray[Any], outputs: Iterable[int], sign: NDArray[Any] | None = None) -> Wiring:
    """The wiring of a wired CfC, whose neurons stand layer by layer, as in its state.

    Args:
        peer: a wiring of ncps.
        joined: (inputs + neurons, neurons) where there is a synapse.   sign: likewise; None to learn it.
        outputs: the neurons that are read out, as they stand in the state.
    """
    sizes = [len(peer.get_neurons_of_layer(layer)) for layer in range(peer.num_layers)]
    order = [int(i) for layer in range(peer.num_layers) for i in peer.get_neurons_of_layer(layer)]
    post, pre = np.nonzero(joined.T)
    n_inputs = joined.shape[0] - joined.shape[1]
    return Wiring(
        n_inputs,
        _neuron_names(peer, order),
        roles=_roles(peer, order),
        outputs=outputs,
        layers=np.repeat(np.arange(len(sizes)), sizes),
        pre=pre,
        post=post + n_inputs,
        sign=0 if sign is None else np.sign(sign[pre, post]).astype(int),
        source="ncps",
    )


def weight_places(wiring: Wiring, sizes: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(connections,) where each connection's weight stands among those of an ncps CfC, and which have none there.

    A layer of ncps has a matrix (neurons of the layer, neurons of the layer before or inputs, then its own); they are
    counted one after the other, row by row. The connections that stand in none follow these, in their order.
    """
    links, n_inputs = connections(wiring, own=True), wiring.n_inputs
    # Groups of cells: the inputs, then each layer. Layer i's matrix has columns for group i and group i + 1.
    first = np.concatenate([[0], np.cumsum([n_inputs, *sizes])])
    layer = np.repeat(np.arange(len(sizes)), sizes)[links.post]
    width = np.array([n_inputs, *sizes][:-1]) + np.array(sizes)
    offset = np.concatenate([[0], np.cumsum(width * np.array(sizes))])
    column, row = links.pre - first[layer], links.post + n_inputs - first[layer + 1]
    place = offset[layer] + row * width[layer] + column
    skips = np.flatnonzero((column < 0) | (column >= width[layer]))
    place[skips] = offset[-1] + np.arange(len(skips))
    return place, skips


# Names of the heads here and there.
HEADS = (("g", "ff1"), ("h", "ff2"), ("a", "time_a"), ("b", "time_b"))


def layered_values(
    cells: Sequence[Any], place: Tensor | None, skip: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """The values of the equation from the CfC cells of each layer.

    Args:
        place: see `weight_places`; None if the weights stand in the order of the connections.
        skip: the weights that stand in no layer's matrix, by the name of the head in ncps.
    """
    pure = cells[0].mode == "pure"
    values: dict[str, Tensor] = {}
    for head, name in HEADS[:1] if pure else HEADS:
        weights = [_masked(cell, head, getattr(cell, name).weight).flatten() for cell in cells]
        weight = torch.cat([*weights, skip[name]] if skip else weights)
        values[f"{head}_weight"] = weight if place is None else weight[place]
        values[f"{head}_bias"] = torch.cat([getattr(cell, name).bias for cell in cells])
    if pure:
        values["w_tau"] = torch.cat([cell.w_tau[0] for cell in cells])
        values["A"] = torch.cat([cell.A[0] for cell in cells])
    return values


def _masked(cell: Any, head: str, weight: Tensor) -> Tensor:
    """A head's weight as it acts. ncps masks g and h only; a cell of `compat.ncps` may mask the gate's heads too."""
    if cell.sparsity_mask is None:
        return weight
    if head in "gh":
        return weight * cell.sparsity_mask
    return weight * (cell.sparsity_mask != 0) if getattr(cell, "masks_gate", False) else weight


def backbone_model(mode: str, backbone: Iterable[nn.Module], dropout: float | None = None) -> CfC:
    """The model of a CfC with a backbone, given as the layers of ncps; the dropout is theirs unless it is given."""
    parts = list(backbone)
    linears = [part for part in parts if isinstance(part, nn.Linear)]
    found = [part.p for part in parts if isinstance(part, nn.Dropout)]
    return CfC(
        mode=mode,
        backbone_layers=len(linears),
        backbone_units=linears[0].out_features,
        backbone_activation=type(parts[1]).__name__.lower().replace("lecun", "lecun_tanh"),
        backbone_dropout=dropout if dropout is not None else found[0] if found else 0.0,
    )


def backbone_values(cell: Any) -> dict[str, Tensor]:
    """The values of the equation from a CfC cell with a backbone."""
    values: dict[str, Tensor] = {}
    for i, linear in enumerate(part for part in cell.backbone if isinstance(part, nn.Linear)):
        values[f"backbone_weight{i}"], values[f"backbone_bias{i}"] = linear.weight, linear.bias
    for head, name in HEADS[:1] if cell.mode == "pure" else HEADS:
        values[f"{head}_weight"] = _masked(cell, head, getattr(cell, name).weight)
        values[f"{head}_bias"] = getattr(cell, name).bias
    if cell.mode == "pure":
        values["w_tau"], values["A"] = cell.w_tau[0], cell.A[0]
    return values


# -- what both have ----------------------------------------------------------------------------------------------------


def lstm_weights(input_map: nn.Linear, recurrent_map: nn.Linear) -> tuple[Tensor, Tensor, Tensor]:
    """weight_ih, weight_hh and bias of torch's LSTM cell from that of ncps."""

    def reordered(rows: Tensor) -> Tensor:
        # Gates there: candidate, input, forget, output; in torch: input, forget, candidate, output.
        candidate, put_in, forget, out = rows.chunk(4)
        return torch.cat([put_in, forget, candidate, out])

    offset = torch.zeros_like(input_map.bias)
    offset.chunk(4)[2].add_(1.0)  # the forget gate's offset is a constant there
    return reordered(input_map.weight), reordered(recurrent_map.weight), reordered(input_map.bias + offset)


def _roles(peer: Any, order: Iterable[int]) -> list[str]:
    kinds = [peer.get_type_of_neuron(i) for i in order]
    return [kind if kind in ("inter", "command", "motor", "sensory") else "unknown" for kind in kinds]


def _neuron_names(peer: Any, order: Iterable[int]) -> list[str]:
    return [f"{peer.get_type_of_neuron(i)}{i}" for i in order]


def _layer_numbers(peer: Any) -> list[int]:
    layers = [0] * peer.units
    for layer in range(peer.num_layers):
        for neuron in peer.get_neurons_of_layer(layer):
            layers[neuron] = layer
    return layers
