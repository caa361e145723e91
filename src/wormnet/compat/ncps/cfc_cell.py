"""Closed-form continuous-time cells in the form of ncps: linear maps of the inputs and the state, and masks."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from wormnet.compat.ncps.network import Network
from wormnet.compat.ncps.notices import tell
from wormnet.errors import ShapeError, WiringError
from wormnet.models import CfC as Model
from wormnet.models.cfc import ACTIVATIONS
from wormnet.models.spec import check_choice, check_count, check_flag
from wormnet.nn.convert import (
    HEADS,
    backbone_values,
    layered_form,
    layered_values,
    weight_places,
)
from wormnet.wiring.chance import dense

__all__ = ["CfCCell", "acts_outside"]


class LeCun(nn.Module):
    """1.7159 tanh(0.666 x)"""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise."""
        return 1.7159 * torch.tanh(0.666 * x)


MODES = ("default", "pure", "no_gate")
LAYERS = {"lecun_tanh": LeCun, "tanh": nn.Tanh, "relu": nn.ReLU, "silu": nn.SiLU, "gelu": nn.GELU}


class CfCCell(nn.Module):
    """A closed-form continuous-time cell: one sample at a time. Equation: `wormnet.models.CfC`.

    Args:
        input_size, hidden_size: numbers of inputs and neurons.
        mode: "default", "pure" or "no_gate".
        backbone_activation: lecun_tanh, tanh, relu, silu or gelu.
        backbone_units, backbone_layers, backbone_dropout: of the layers that all heads share; 0 layers for none.
        sparsity_mask: None, or (inputs + neurons, neurons), with a backbone (backbone_units, neurons): what the weights
            of the heads are multiplied with; its sign does not matter.
        masks_gate: whether the two heads of the gate are masked too; ncps masks them not.

    Parameters have the names and shapes of ncps; the mask is a buffer.

    >>> new, same = CfCCell(4, 8)(torch.zeros(2, 4), torch.zeros(2, 8), 1.0)
    >>> new.shape
    torch.Size([2, 8])
    """

    sparsity_mask: Tensor | None
    ff1: nn.Linear

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        mode: str = "default",
        backbone_activation: str = "lecun_tanh",
        backbone_units: int = 128,
        backbone_layers: int = 1,
        backbone_dropout: float = 0.0,
        sparsity_mask: ArrayLike | None = None,
        *,
        masks_gate: bool = True,
    ):
        super().__init__()
        check_count("input_size", input_size, 0)
        check_count("hidden_size", hidden_size, 1)
        check_choice("mode", mode, MODES)
        check_choice("backbone_activation", backbone_activation, tuple(ACTIVATIONS))
        check_flag("masks_gate", masks_gate)
        self.input_size, self.hidden_size, self.mode = input_size, hidden_size, mode
        self.masks_gate, self.backbone_layers, self._dropout = masks_gate, backbone_layers, backbone_dropout
        self._activation, self._units = backbone_activation, backbone_units
        width = backbone_units if backbone_layers else input_size + hidden_size
        self.register_buffer("sparsity_mask", _mask(sparsity_mask, (width, hidden_size)))
        if mode == "pure":
            self.w_tau, self.A = nn.Parameter(torch.zeros(1, hidden_size)), nn.Parameter(torch.ones(1, hidden_size))
        self.backbone = self._backbone() if backbone_layers else None
        for _, name in HEADS[:1] if mode == "pure" else HEADS:
            setattr(self, name, nn.Linear(width, hidden_size))
        for p in self.parameters():
            if p.dim() == 2:
                nn.init.xavier_uniform_(p)
        self._rest_absent()
        self.register_load_state_dict_pre_hook(_check_cell)

    def _backbone(self) -> nn.Sequential:
        # Its dropout, which the engine applies, stands where ncps has it, since names in checkpoints count the parts.
        parts: list[nn.Module] = []
        for layer in range(self.backbone_layers):
            width = self._units if layer else self.input_size + self.hidden_size
            parts += [nn.Linear(width, self._units), LAYERS[self._activation]()]
            parts += [nn.Dropout(self._dropout)] if layer and self._dropout > 0 else []
        if self._dropout > 0:
            tell("dropout")
        return nn.Sequential(*parts)

    def _rest_absent(self) -> None:
        """Set weights of the gate to 0 where it is masked, so that ncps, which masks it not, computes the same."""
        if self.sparsity_mask is None or not self.masks_gate or self.mode == "pure":
            return
        with torch.no_grad():
            for _, name in HEADS[2:]:
                getattr(self, name).weight.mul_(self.sparsity_mask != 0)

    # -- sizes ---------------------------------------------------------------------------------------------------------

    @property
    def state_size(self) -> int:
        """Number of neurons."""
        return self.hidden_size

    @property
    def layer_sizes(self) -> list[int]:
        """All neurons are one layer."""
        return [self.hidden_size]

    @property
    def sensory_size(self) -> int:
        """Number of inputs."""
        return self.input_size

    # -- running -------------------------------------------------------------------------------------------------------

    @property
    def network(self) -> Network:
        """What runs."""
        known = self.__dict__.get("_network")
        if known is None or known[0] != self.masks_gate:
            known = self.__dict__["_network"] = self.masks_gate, self._network_now()
        return known[1]

    def _network_now(self) -> Network:
        wiring = dense(self.input_size, self.hidden_size).replace(sign=0, source="ncps")
        if self.backbone_layers:
            return Network(
                wiring,
                Model(
                    mode=self.mode,
                    backbone_layers=self.backbone_layers,
                    backbone_units=self._units,
                    backbone_activation=self._activation,
                    backbone_dropout=self._dropout,
                ),
            )
        if self.sparsity_mask is not None and self.masks_gate:
            post, pre = np.nonzero(self.sparsity_mask.cpu().numpy())
            wiring = wiring.replace(pre=pre, post=post + self.input_size, kind=0, sign=0, count=1.0)
        place, _ = weight_places(wiring, self.layer_sizes)
        return Network(wiring, Model(mode=self.mode), place)

    def values(self) -> dict[str, Tensor]:
        """The parameters as they enter the equation of `wormnet.models.CfC`, differentiable."""
        if self.backbone_layers:
            return backbone_values(self)
        return layered_values([self], self.network.place(self.ff1.weight.device))

    def form(self, *, hold: bool) -> tuple[Any, Any, dict[str, Tensor]]:
        """Wiring, model and values for `wormnet.from_ncps`."""
        if self.backbone_layers:
            return self.network.wiring, self.network.model, self.values()
        return layered_form(self.network.wiring, [self], self.network.place(self.ff1.weight.device), hold=hold)

    def forward(self, input: Tensor, hx: Tensor, ts: Any) -> tuple[Tensor, Tensor]:  # noqa: A002
        """One sample.

        Args:
            input: (batch, inputs).   hx: (batch, neurons).
            ts: the time since the sample before: a number, (batch,) or (batch, 1).

        Returns: the new state, twice.
        """
        new, _ = self.network.step(self, input, hx, ts)
        return new, new


def _mask(given: ArrayLike | None, shape: tuple[int, int]) -> Tensor | None:
    """The mask as the weights stand, (neurons, senders)."""
    if given is None:
        return None
    mask = np.abs(np.asarray(given))
    if mask.shape != shape:
        raise ShapeError(f"sparsity_mask has shape {mask.shape}; it takes (senders, neurons): {shape}.")
    return torch.as_tensor(mask.T.copy(), dtype=torch.get_default_dtype())


def acts_outside(state_dict: dict[str, Any], prefix: str, mask: Tensor, present: Tensor) -> bool:
    """Whether a weight of a checkpoint acts where nothing is present: of g and h if the mask lets it, of the gate."""
    for head, name in HEADS:
        weight = state_dict.get(f"{prefix}{name}.weight")
        if weight is not None and weight.shape == mask.shape:
            acts = weight.to(mask) * mask if head in "gh" else weight.to(mask)
            if bool((acts[present == 0] != 0).any()):
                return True
    return False


def _check_cell(module: Any, state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    """Refuse the weights of another mask, and compute with those of ncps as ncps does."""
    given, own = state_dict.get(prefix + "sparsity_mask"), module.sparsity_mask
    if given is None or own is None or given.is_meta or own.is_meta or given.shape != own.shape:
        return
    if not torch.equal(given.to(own), own):
        raise WiringError(
            f"these weights belong to another mask, of {int((given != 0).sum())} connections; this cell's has "
            f"{int((own != 0).sum())}."
        )
    if module.masks_gate and acts_outside(state_dict, prefix, own, own):
        tell("masked cell")
        module.masks_gate = False
