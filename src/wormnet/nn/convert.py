"""Networks of the `ncps` package as networks of ours. `ncps` itself is never imported."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from wormnet.errors import ArgumentError
from wormnet.models import LTC, CfC
from wormnet.nn.layers import layer_of
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.chance import dense
from wormnet.wiring.core import Wiring

__all__ = ["from_ncps"]


def from_ncps(module: nn.Module) -> Recurrent:
    """Turn an LTC or CfC of `ncps` 1.0.1 into one of ours that computes the same.

    The wiring is the one that `ncps` computes, which is not always the one that it draws:

    - neurons keep the order that `ncps` has in its hidden state, so states carry over;
    - a CfC on a wiring there joins every neuron to all neurons of its own layer and of the layer before, whatever the
      wiring says, and has no signs; the converted wiring has all these synapses, with signs to be learned;
    - an LTC's signs are those of its reversal potentials now.

    Dropout in a backbone acts after every layer here (training only); `ncps` has none after the first, so a backbone of
    one layer is converted without.

    Args: module: an `ncps.torch.LTC` or `ncps.torch.CfC`, with any wiring, mixed memory, projection.
    Returns: an LTC, CfC or MixedMemory in the module's dtype, device and mode (train or eval), sharing no memory.
    Raises: ArgumentError for anything else, or a conductance below zero (trained with explicit constraints that were
        not applied).

    >>> from_ncps(torch.nn.LSTM(2, 3))
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: from_ncps takes an ncps.torch.LTC or CfC, not torch.nn.modules.rnn.LSTM.
    """
    kind = f"{type(module).__module__}.{type(module).__name__}"
    own = next((base for base in type(module).__mro__ if base.__module__.startswith("ncps.torch")), None)
    if own is None or own.__name__ not in ("LTC", "CfC"):
        raise ArgumentError(f"from_ncps takes an ncps.torch.LTC or CfC, not {kind}.")
    peer: Any = module
    with torch.no_grad():
        if own.__name__ == "LTC":
            wiring, model, values = _ltc(peer.rnn_cell)
        elif hasattr(peer.rnn_cell, "_layers"):
            wiring, model, values = _wired_cfc(peer.rnn_cell._layers, peer.rnn_cell._wiring)
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
            _copy_lstm(peer.lstm, ours.lstm)
        if ours.projection is not None and fc is not None:
            ours.projection.load_state_dict(fc.state_dict())
    return ours.train(module.training)


def _ltc(cell: Any) -> tuple[Wiring, LTC, dict[str, Any]]:
    # The cell computes with this dict, which need not be what is registered.
    p = {name: value.detach().double().cpu() for name, value in cell._params.items()}
    positive = torch.nn.functional.softplus if cell._implicit_param_constraints else lambda value: value

    def magnitude(value: Tensor, name: str) -> Tensor:
        value = positive(value)
        if bool((value < 0).any()):
            raise ArgumentError(
                f"the module's {name} holds {value.min().item():g}; apply its constraints first "
                "(rnn_cell.apply_weight_constraints())."
            )
        # Softplus reaches no zero, which the explicit constraints may leave.
        return value.clamp(min=1e-12)

    peer, n_inputs = cell._wiring, p["sensory_w"].shape[0]
    mask = torch.cat([p["sensory_sparsity_mask"], p["sparsity_mask"]])
    w = torch.cat([p["sensory_w"], p["w"]])
    reversal = torch.cat([p["sensory_erev"], p["erev"]])
    # Sorted by receiver, then sender: the order of a Wiring's synapses.
    post, pre = (index.numpy() for index in torch.nonzero(mask.T, as_tuple=True))
    wiring = Wiring(
        n_inputs,
        _neuron_names(peer, range(peer.units)),
        roles=_roles(peer, range(peer.units)),
        outputs=range(peer.output_dim),
        layers=_layer_numbers(peer),
        pre=pre,
        post=post + n_inputs,
        sign=np.sign(reversal[pre, post].numpy()).astype(int),
        source="ncps",
    )
    values = {
        "capacitance": magnitude(p["cm"], "cm"),
        "leak": magnitude(p["gleak"], "gleak"),
        "v_leak": p["vleak"],
        "conductance": (magnitude(w, "w") * mask)[pre, post],
        "slope": torch.cat([p["sensory_sigma"], p["sigma"]])[pre, post],
        "midpoint": torch.cat([p["sensory_mu"], p["mu"]])[pre, post],
        "reversal": reversal[pre, post],
    }
    for word in ("input", "output"):
        for ours, theirs in (("scale", "w"), ("shift", "b")):
            if f"{word}_{theirs}" in p:
                values[f"{word}_{ours}"] = p[f"{word}_{theirs}"]
    # Anything but these two means no map to ncps.
    maps = [value if value in ("affine", "linear") else None for value in (cell._input_mapping, cell._output_mapping)]
    return wiring, LTC(unfolds=cell._ode_unfolds, input_map=maps[0], output_map=maps[1]), values


def _dense_cfc(cell: Any) -> tuple[Wiring, CfC, dict[str, Any]]:
    drawn = dense(cell.input_size, cell.hidden_size)
    wiring = drawn.replace(sign=0, source="ncps")
    options: dict[str, Any] = {"mode": cell.mode, "backbone_layers": 0}
    values = {}
    parts = [] if cell.backbone is None else list(cell.backbone)
    linears = [part for part in parts if isinstance(part, nn.Linear)]
    for i, linear in enumerate(linears):
        values[f"backbone_weight{i}"], values[f"backbone_bias{i}"] = linear.weight, linear.bias
    if linears:
        dropout = [part.p for part in parts if isinstance(part, nn.Dropout)]
        activation = type(parts[1]).__name__.lower().replace("lecun", "lecun_tanh")
        options |= {
            "backbone_layers": len(linears),
            "backbone_units": linears[0].out_features,
            "backbone_activation": activation,
            "backbone_dropout": dropout[0] if dropout else 0.0,
        }
    for head, theirs in _heads(cell):
        values[f"{head}_weight"] = theirs.weight if linears else theirs.weight.flatten()
        values[f"{head}_bias"] = theirs.bias
    if cell.mode == "pure":
        values["w_tau"], values["A"] = cell.w_tau[0], cell.A[0]
    return wiring, CfC(**options), values


def _wired_cfc(cells: list[Any], peer: Any) -> tuple[Wiring, CfC, dict[str, Any]]:
    n_inputs, sizes, mode = peer.input_dim, [cell.hidden_size for cell in cells], cells[0].mode
    order = [i for layer in range(peer.num_layers) for i in peer.get_neurons_of_layer(layer)]
    first = np.concatenate([[0], np.cumsum(sizes)])
    heads: dict[str, list[Tensor]] = {}
    biases: dict[str, list[Tensor]] = {}
    pre, post = [], []
    for layer, cell in enumerate(cells):
        # What a neuron reads, as cell numbers: the layer before (or the inputs), then its own layer.
        before = np.arange(n_inputs) if layer == 0 else n_inputs + np.arange(first[layer - 1], first[layer])
        senders = np.concatenate([before, n_inputs + np.arange(first[layer], first[layer + 1])])
        for neuron in range(sizes[layer]):
            pre.append(senders)
            post.append(np.full(len(senders), n_inputs + first[layer] + neuron))
        for head, theirs in _heads(cell):
            weight = theirs.weight * cell.sparsity_mask if head in "gh" else theirs.weight
            heads.setdefault(head, []).append(weight.flatten())
            biases.setdefault(head, []).append(theirs.bias)
    wiring = Wiring(
        n_inputs,
        _neuron_names(peer, order),
        roles=_roles(peer, order),
        outputs=range(first[-2], first[-1]),
        layers=np.repeat(np.arange(len(sizes)), sizes),
        pre=np.concatenate(pre),
        post=np.concatenate(post),
        source="ncps",
    )
    values: dict[str, Any] = {f"{head}_weight": torch.cat(parts) for head, parts in heads.items()}
    values |= {f"{head}_bias": torch.cat(parts) for head, parts in biases.items()}
    if mode == "pure":
        values["w_tau"] = torch.cat([cell.w_tau[0] for cell in cells])
        values["A"] = torch.cat([cell.A[0] for cell in cells])
    return wiring, CfC(mode=mode), values


def _heads(cell: Any) -> list[tuple[str, nn.Linear]]:
    if cell.mode == "pure":
        return [("g", cell.ff1)]
    return [("g", cell.ff1), ("h", cell.ff2), ("a", cell.time_a), ("b", cell.time_b)]


def _copy_lstm(theirs: Any, ours: nn.LSTMCell) -> None:
    def reordered(rows: Tensor) -> Tensor:
        # Gates there: candidate, input, forget, output; in torch: input, forget, candidate, output.
        candidate, put_in, forget, out = rows.chunk(4)
        return torch.cat([put_in, forget, candidate, out])

    bias = theirs.input_map.bias.clone()
    bias.chunk(4)[2].add_(1.0)  # the forget gate's offset is a constant there
    ours.weight_ih.copy_(reordered(theirs.input_map.weight))
    ours.weight_hh.copy_(reordered(theirs.recurrent_map.weight))
    ours.bias_ih.copy_(reordered(bias))
    ours.bias_hh.zero_()


def _roles(peer: Any, order: Any) -> list[str]:
    kinds = [peer.get_type_of_neuron(i) for i in order]
    return [kind if kind in ("inter", "command", "motor", "sensory") else "unknown" for kind in kinds]


def _neuron_names(peer: Any, order: Any) -> list[str]:
    return [f"{peer.get_type_of_neuron(i)}{i}" for i in order]


def _layer_numbers(peer: Any) -> list[int]:
    layers = [0] * peer.units
    for layer in range(peer.num_layers):
        for neuron in peer.get_neurons_of_layer(layer):
            layers[neuron] = layer
    return layers
