"""Closed-form continuous-time cells on a wiring, in the form of ncps."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from wormnet.compat.ncps.cfc_cell import CfCCell, acts_outside
from wormnet.compat.ncps.ltc import built
from wormnet.compat.ncps.network import Network
from wormnet.compat.ncps.notices import tell
from wormnet.compat.ncps.wirings import Wiring
from wormnet.errors import ArgumentError, WiringError
from wormnet.models import CfC as Model
from wormnet.models.spec import check_choice, connections
from wormnet.nn.convert import HEADS, layered_form, layered_values, layered_wiring, layers_joined, weight_places

__all__ = ["WiredCfCCell"]

SYNAPSES = ("wiring", "layers")


class WiredCfCCell(nn.Module):
    """Closed-form continuous-time cells on a wiring, one sample at a time. Equation: `wormnet.models.CfC`.

    Args:
        input_size: number of inputs; None if the wiring is built.
        wiring: of `wormnet.compat.ncps.wirings`; it is copied.
        mode: "default", "pure" or "no_gate".
        synapses: "wiring" (and None, which says so): a neuron reads what the wiring joins to it, and its own state.
            "layers": what ncps computes: a neuron reads all of its own layer, and through the gate all of the layer
            before, but nothing that skips a layer.

    The state holds the neurons layer by layer, as in ncps: inter, command, motor. Parameters have the names and shapes
    of ncps; those of synapses that skip a layer, which have none there, stand in `skip`. A checkpoint of ncps loads,
    and the cell then computes as ncps does.

    Raises: WiringError for a wiring without inputs or outputs, and in `load_state_dict` for weights of another wiring.

    >>> from wormnet.compat.ncps.wirings import AutoNCP
    >>> cell = WiredCfCCell(20, AutoNCP(28, 4), synapses="wiring")
    >>> output, hx = cell(torch.zeros(2, 20), torch.zeros(2, 28), 1.0)
    >>> output.shape, hx.shape, cell.layer_sizes
    (torch.Size([2, 4]), torch.Size([2, 28]), [15, 9, 4])
    """

    network: Network

    def __init__(self, input_size: int | None, wiring: Wiring, mode: str = "default", *, synapses: str | None = None):
        super().__init__()
        if not isinstance(wiring, Wiring):
            raise ArgumentError(f"wiring is {wiring!r}; a wired cell takes a wiring of wormnet.compat.ncps.wirings.")
        check_choice("synapses", synapses, (*SYNAPSES, None))
        if synapses is None:
            tell("wired CfC")
        self._wiring = wiring = copy.deepcopy(built(wiring, input_size))
        layers = [list(wiring.get_neurons_of_layer(layer)) for layer in range(wiring.num_layers)]
        order = [i for layer in layers for i in layer]
        if sorted(order) != list(range(wiring.units)):
            raise WiringError(f"the layers of the wiring hold the neurons {layers}; they take each of them once.")
        inner = wiring.adjacency_matrix[np.ix_(order, order)]
        self._matrix = np.concatenate([wiring._built()[:, order], inner])
        self._sizes = [len(layer) for layer in layers]
        self._outputs = self._motor(order)
        self.mode = mode
        before = [self.sensory_size, *self.layer_sizes[:-1]]
        for layer, (width, n) in enumerate(zip(before, self.layer_sizes, strict=True)):
            cell = CfCCell(width, n, mode, backbone_units=0, backbone_layers=0, sparsity_mask=np.ones((width + n, n)))
            self.add_module(f"layer_{layer}", cell)
        self._join(synapses or "wiring")
        for cell in self._layers:
            cell._rest_absent()
        if self.synapses == "wiring":
            self._sign_weights()
        self.register_load_state_dict_pre_hook(_check_layers)

    def _motor(self, order: list[int]) -> list[int]:
        """Where in the state the outputs stand."""
        n, last = self.motor_size, self.layer_sizes[-1]
        if n == last:
            return list(range(len(order) - last, len(order)))
        tell("outputs")
        return [order.index(i) for i in range(n)]

    @property
    def _layers(self) -> list[Any]:
        return [getattr(self, f"layer_{layer}") for layer in range(self.num_layers)]

    def _blocks(self, matrix: NDArray[Any]) -> list[NDArray[Any]]:
        """(neurons, senders) for each layer, from (inputs + neurons, neurons)."""
        ends = np.cumsum([0, self.sensory_size, *self.layer_sizes])
        columns = ends[1:] - self.sensory_size
        return [
            matrix[ends[i] : ends[i + 2], columns[i] : columns[i + 1]].T.copy() for i in range(len(self.layer_sizes))
        ]

    def _masks(self, synapses: str) -> list[Tensor]:
        """The mask of each layer."""
        masks = self._blocks(np.abs(self._matrix))
        for mask, n in zip(masks, self.layer_sizes, strict=True):
            own = mask[:, -n:]
            if synapses == "layers":
                own[:] = 1
            np.fill_diagonal(own, np.where(np.diag(own) == 0, 1, np.diag(own)))  # everyone reads its own state
        return [torch.as_tensor(mask, dtype=torch.get_default_dtype()) for mask in masks]

    def _join(self, synapses: str) -> None:
        """Take the synapses of the wiring, or those of ncps."""
        self.synapses = synapses
        for cell, mask in zip(self._layers, self._masks(synapses), strict=True):
            cell.sparsity_mask = mask.to(cell.sparsity_mask)
            cell.masks_gate = synapses == "wiring"
        peer = self._wiring
        if synapses == "wiring":
            wiring = layered_wiring(peer, self._matrix != 0, self._outputs, self._matrix)
        else:
            wiring = layered_wiring(peer, layers_joined(self.sensory_size, self.layer_sizes), self._outputs)
        place, self._skipping = weight_places(wiring, self.layer_sizes)
        self.network = Network(wiring, Model(mode=self.mode), place)
        if len(self._skipping) and not hasattr(self, "skip"):
            self._add_skips()

    def _sign_weights(self) -> None:
        """Let the weights of g and h start with the sign of their synapse."""
        with torch.no_grad():
            for cell, block in zip(self._layers, self._blocks(np.sign(self._matrix)), strict=True):
                sign = torch.as_tensor(block, dtype=cell.ff1.weight.dtype, device=cell.ff1.weight.device)
                for _, name in self._heads()[:2]:
                    weight = getattr(cell, name).weight
                    weight.copy_(torch.where(sign == 0, weight, weight.abs() * sign))

    def _heads(self) -> Sequence[tuple[str, str]]:
        return HEADS[:1] if self.mode == "pure" else HEADS

    def _add_skips(self) -> None:
        """Weights of the synapses that no layer's matrix has a place for."""
        n, like = len(self._skipping), self._layers[0].ff1.weight
        links = connections(self.network.wiring, own=True)
        pre, post = links.pre[self._skipping], links.post[self._skipping]
        fan_in = np.bincount(links.post)[post]
        reach = torch.as_tensor(np.sqrt(3.0 / fan_in), dtype=torch.get_default_dtype())
        sign = torch.as_tensor(np.sign(self._matrix[pre, post]), dtype=torch.get_default_dtype())
        drawn = {name: (2 * torch.rand(n) - 1) * reach for _, name in self._heads()}
        signed = {name: value.abs() * sign if name in ("ff1", "ff2") else value for name, value in drawn.items()}
        self.skip = nn.ParameterDict(signed).to(like)

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def state_size(self) -> int:
        """Number of neurons."""
        return self._wiring.units

    @property
    def layer_sizes(self) -> list[int]:
        """Numbers of neurons."""
        return self._sizes

    @property
    def num_layers(self) -> int:
        """Number of layers."""
        return len(self.layer_sizes)

    @property
    def sensory_size(self) -> int:
        """Number of inputs."""
        return len(self._wiring._built())

    @property
    def motor_size(self) -> int:
        """Number of outputs."""
        return self._wiring.output_dim or 0

    @property
    def output_size(self) -> int:
        """Number of outputs."""
        return self.motor_size

    @property
    def synapse_count(self) -> int:
        """How many synapses there are between neurons."""
        return self._wiring.synapse_count

    @property
    def sensory_synapse_count(self) -> int:
        """How many synapses there are from inputs."""
        tell("sensory_synapse_count")
        return self._wiring.sensory_synapse_count

    # -- running -------------------------------------------------------------------------------------------------------

    def _skip_weights(self) -> Any:
        return self.skip if len(self._skipping) else None

    def values(self) -> dict[str, Tensor]:
        """The parameters as they enter the equation of `wormnet.models.CfC`, differentiable."""
        return layered_values(self._layers, self._place(), self._skip_weights())

    def form(self, *, hold: bool) -> tuple[Any, Any, dict[str, Tensor]]:
        """Wiring, model and values for `wormnet.from_ncps`."""
        return layered_form(self.network.wiring, self._layers, self._place(), self._skip_weights(), hold=hold)

    def _place(self) -> Tensor | None:
        return self.network.place(self._layers[0].ff1.weight.device)

    def forward(self, input: Tensor, hx: Tensor, timespans: Any = 1.0) -> tuple[Tensor, Tensor]:  # noqa: A002
        """One sample.

        Args:
            input: (batch, inputs).   hx: (batch, neurons).
            timespans: the time since the sample before: a number, (batch,) or (batch, 1).

        Returns: (batch, outputs), and the new state.
        """
        return self.network.step(self, input, hx, timespans)


def _check_layers(module: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Refuse the weights of another wiring, and compute with those of ncps as ncps does."""
    names = [f"{prefix}layer_{layer}." for layer in range(module.num_layers)]
    given: list[Any] = [state_dict.get(name + "sparsity_mask") for name in names]
    own = {kind: module._masks(kind) for kind in SYNAPSES}
    if any(mask is None or mask.is_meta for mask in given):
        return
    if [mask.shape for mask in given] != [mask.shape for mask in own["wiring"]]:
        return  # torch says so
    fits = [k for k in SYNAPSES if all(torch.equal(a.to(b), b) for a, b in zip(given, own[k], strict=True))]
    if not fits:
        counts = [sum(int((mask != 0).sum()) for mask in masks) for masks in (given, own["wiring"])]
        raise WiringError(
            f"these weights belong to another wiring: their masks have {counts[0]} connections, those of this wiring "
            f"{counts[1]}. Make the wiring as it was made then; or take it from the checkpoint, "
            "wormnet.compat.ncps.wiring_of(state_dict, like=wiring), if ncps built it more than once."
        )
    kind = fits[0] if len(fits) == 1 else module.synapses
    if len(fits) == 2 and any(map(acts_outside, [state_dict] * len(names), names, own["layers"], own["wiring"])):
        kind = "layers"
    if kind == "layers" and module.synapses != "layers":
        tell("checkpoint")
        for name, value in module.skip.items() if hasattr(module, "skip") else ():
            state_dict.setdefault(f"{prefix}skip.{name}", torch.zeros_like(value))
    if kind != module.synapses:
        module._join(kind)
