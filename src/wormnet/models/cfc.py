"""Closed-form continuous-time neurons: a gate in time instead of a solver."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.errors import ArgumentError, WiringError
from wormnet.models import formulas
from wormnet.models.spec import Model, ParamSpec, Values, add_by, check_choice, check_count, check_flag, connections
from wormnet.wiring.core import Wiring

__all__ = ["ACTIVATIONS", "CfC"]

MODES = ("default", "pure", "no_gate")
ACTIVATIONS = {
    "lecun_tanh": lambda x: 1.7159 * torch.tanh(0.666 * x),
    "tanh": torch.tanh,
    "relu": torch.relu,
    "silu": torch.nn.functional.silu,
    "gelu": torch.nn.functional.gelu,
}
"""What a backbone may use between its layers; lecun_tanh is 1.7159 tanh(0.666 x)."""


@dataclass(frozen=True)
class CfC(Model):
    r"""Closed-form continuous-time neurons.

    Every neuron reads z = its senders' inputs and states, and its own state. With linear heads over z,

        default:  v <- tanh(g(z)) (1 - gate) + tanh(h(z)) gate,   gate = sigma(a(z) dt + b(z))
        no_gate:  v <- tanh(g(z)) + tanh(h(z)) gate
        pure:     v <- A - A exp(-dt (|w_tau| + |g(z)|)) g(z)

    The recurrent part is sparse too: a head has one weight for every ordered pair of cells that a synapse joins (a gap
    junction joins both ways) and one for the neuron's own state. Neurons are updated layer by layer in the order of
    `Wiring.layers`, so that a neuron sees the new states of earlier layers and the old ones of its own and later ones.
    The weights of the heads g and h start with the sign of their synapse.

    Args:
        mode: "default", "no_gate" or "pure".
        fixed_polarity: the weights of g and h keep the sign of their synapse.
        backbone_layers: 0, or the number of layers that all heads share on a wiring where every cell sends to every
            neuron (`dense`); z then is the last layer's output.
        backbone_units, backbone_activation, backbone_dropout: of each backbone layer; the activation is one of
            lecun_tanh, tanh, relu, silu, gelu, the dropout (0 to below 1) follows every layer and acts in training.

    Units: dimensionless.
    Source: Hasani et al. 2022, Nat. Mach. Intell. 4, 992-1003, equation 4, in the form of the authors' code: the gate's
    argument is a dt + b (the paper has -f dt), g and h pass through tanh.

    >>> CfC(mode="pure").options["backbone_layers"]
    0
    """

    name: ClassVar[str] = "cfc"
    own_state: ClassVar[bool] = True

    mode: str = "default"
    fixed_polarity: bool = False
    backbone_layers: int = 0
    backbone_units: int = 128
    backbone_activation: str = "lecun_tanh"
    backbone_dropout: float = 0.0

    def __post_init__(self):
        check_choice("mode", self.mode, MODES)
        check_flag("fixed_polarity", self.fixed_polarity)
        check_count("backbone_layers", self.backbone_layers, 0)
        check_count("backbone_units", self.backbone_units, 1)
        check_choice("backbone_activation", self.backbone_activation, tuple(ACTIVATIONS))
        if not isinstance(self.backbone_dropout, (int, float, np.number)) or not 0 <= self.backbone_dropout < 1:
            raise ArgumentError(f"backbone_dropout is {self.backbone_dropout!r}; it takes 0 to below 1.")
        if self.backbone_layers and self.fixed_polarity:
            raise ArgumentError("fixed_polarity has no meaning behind a backbone, which mixes all cells; take one.")

    def check(self, wiring: Wiring) -> None:
        """A backbone mixes all cells, so every cell has to send to every neuron."""
        missing = (wiring.n_inputs + wiring.n_neurons) * wiring.n_neurons - len(connections(wiring, own=True).pre)
        if self.backbone_layers and (missing or np.any(wiring.layers)):
            what = f"lacks {missing} of them" if missing else "updates its neurons in several layers"
            raise WiringError(
                f"a backbone takes a wiring in which every cell sends to every neuron at once; this one {what}. "
                "Use dense(inputs, neurons), or backbone_layers=0."
            )

    @property
    def heads(self) -> tuple[str, ...]:
        """The names of the heads."""
        return ("g",) if self.mode == "pure" else ("g", "h", "a", "b")

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        links, n = connections(wiring, own=True), wiring.n_neurons
        specs = []
        width = wiring.n_inputs + n
        for layer in range(self.backbone_layers):
            reach, units = np.sqrt(6.0 / (width + self.backbone_units)), self.backbone_units
            meaning = f"of backbone layer {layer}"
            specs.append(ParamSpec(f"backbone_weight{layer}", (units, width), (-reach, reach), "1", meaning))
            reach = 1.0 / np.sqrt(width)
            specs.append(ParamSpec(f"backbone_bias{layer}", (units,), (-reach, reach), "1", meaning))
            width = units
        # Uniform with variance 1 / fan-in, so that the sum's variance does not depend on the wiring.
        fan_in = np.bincount(links.post, minlength=n) if not self.backbone_layers else np.full(n, width)
        reach = np.sqrt(3.0 / np.maximum(fan_in, 1))
        for head in self.heads:
            meaning = {
                "g": "of the early state",
                "h": "of the late state",
                "a": "of the gate's rate",
                "b": "of the gate's offset",
            }[head]
            if self.backbone_layers:
                start = (np.broadcast_to(-reach[:, None], (n, width)), np.broadcast_to(reach[:, None], (n, width)))
                specs.append(ParamSpec(f"{head}_weight", ("neuron", width), start, "1", meaning))
            elif head in "gh":
                polarity = "polarity" if self.fixed_polarity else None
                start = (np.zeros(len(links.post)), reach[links.post])
                specs.append(
                    ParamSpec(f"{head}_weight", "connection", start, "1", meaning, polarity, signed=True, counted=True)
                )
            else:
                start = (-reach[links.post], reach[links.post])
                specs.append(
                    ParamSpec(f"{head}_weight", "connection", start, "1" if head == "b" else "1 / time", meaning)
                )
            bias = 1.0 / np.sqrt(np.maximum(fan_in, 1))
            specs.append(ParamSpec(f"{head}_bias", "neuron", (-bias, bias), "1", meaning))
        if self.mode == "pure":
            specs.append(ParamSpec("w_tau", "neuron", (0.0, 0.0), "1 / time", "slowest rate of decay"))
            specs.append(ParamSpec("A", "neuron", (1.0, 1.0), "1", "state at rest"))
        return tuple(specs)

    def indices(self, wiring: Wiring) -> dict[str, NDArray[np.int64]]:
        """For each layer: its neurons, and sender, receiver (within the layer) and connection of what they read."""
        links = connections(wiring, own=True)
        found = {}
        for layer in range(self._n_layers(wiring)):
            neurons = np.flatnonzero(wiring.layers == layer)
            place = np.full(wiring.n_neurons, -1)
            place[neurons] = np.arange(len(neurons))
            chosen = np.flatnonzero(place[links.post] >= 0)
            found[f"neurons{layer}"] = neurons
            found[f"pre{layer}"] = links.pre[chosen]
            found[f"post{layer}"] = place[links.post[chosen]]
            found[f"connection{layer}"] = chosen
        return found

    def prepare(self, p: Values, at: Values) -> Values:
        """Gather each layer's weights, once per call; as a matrix where every cell sends to every neuron."""
        ready = dict(p)
        for layer in range(len(at) // 4):
            neurons, chosen = at[f"neurons{layer}"], at[f"connection{layer}"]
            ready[f"bias{layer}"] = torch.cat([p[f"{head}_bias"][neurons] for head in self.heads])
            if not self.backbone_layers:
                ready[f"weight{layer}"] = torch.stack([p[f"{head}_weight"][chosen] for head in self.heads])
        if self.backbone_layers:
            ready["weight0"] = torch.cat([p[f"{head}_weight"] for head in self.heads])
        return ready

    def step(self, p: Values, at: Values, v: Tensor, x: Tensor, dt: Tensor, training: bool = False) -> Tensor:
        """Advance v by one sample, as Model.step says."""
        n_layers = len(at) // 4
        for layer in range(n_layers):
            neurons = at[f"neurons{layer}"]
            heads = self._heads(p, at, torch.cat([x, v], 1), layer, training)
            new = self._update(p, neurons, heads, dt)
            v = new if n_layers == 1 else v.index_copy(1, neurons, new)
        return v

    def _heads(self, p: Values, at: Values, z: Tensor, layer: int, training: bool) -> tuple[Tensor, ...]:
        for i in range(self.backbone_layers):
            z = torch.nn.functional.linear(z, p[f"backbone_weight{i}"], p[f"backbone_bias{i}"])
            z = ACTIVATIONS[self.backbone_activation](z)
            z = torch.nn.functional.dropout(z, self.backbone_dropout, training)
        weight, bias, n = p[f"weight{layer}"], p[f"bias{layer}"], at[f"neurons{layer}"].shape[0]
        if self.backbone_layers or weight.shape[1] == n * z.shape[1]:
            # Connections are sorted by (receiver, sender), so all of them in a row are the matrix.
            return torch.nn.functional.linear(z, weight.reshape(-1, z.shape[1]), bias).split(n, 1)
        read, post = z[:, at[f"pre{layer}"]], at[f"post{layer}"]
        sums = [add_by(post, read * weight[i], n) for i in range(len(self.heads))]
        return tuple(total + b for total, b in zip(sums, bias.split(n), strict=True))

    def _update(self, p: Values, neurons: Tensor, heads: tuple[Tensor, ...], dt: Tensor) -> Tensor:
        if self.mode == "pure":
            rest, rate = p["A"][neurons], p["w_tau"][neurons].abs() + heads[0].abs()
            return formulas.decayed(rest, heads[0], torch.exp(-dt * rate))
        g, h, a, b = heads
        gate = torch.sigmoid(formulas.affine(a, b, dt))
        if self.mode == "no_gate":
            return formulas.gated(torch.tanh(g), torch.tanh(h), gate)
        return formulas.mix(torch.tanh(g), torch.tanh(h), gate)

    @staticmethod
    def _n_layers(wiring: Wiring) -> int:
        return int(wiring.layers.max()) + 1 if wiring.n_neurons else 0
