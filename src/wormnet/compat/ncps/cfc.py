"""Closed-form continuous-time networks over sequences, in the form of ncps."""

from torch import Tensor, nn

from wormnet.compat.ncps.cfc_cell import CfCCell
from wormnet.compat.ncps.notices import tell
from wormnet.compat.ncps.sequence import Sequence, check_units
from wormnet.compat.ncps.wired_cfc import WiredCfCCell
from wormnet.compat.ncps.wirings import Wiring
from wormnet.errors import ArgumentError
from wormnet.models.spec import check_count

__all__ = ["CfC"]


class CfC(Sequence):
    """A closed-form continuous-time network over sequences: `ncps.torch.CfC` on wormnet's engines.

    Args:
        input_size: number of inputs; None if the wiring is built.
        units: a wiring of `wormnet.compat.ncps.wirings`, or the number of neurons of a dense network.
        proj_size: None, or the width of a linear map after the outputs.
        return_sequences: outputs for every sample, or for the last one alone.
        batch_first: whether the batch stands before the time.
        mixed_memory: put an LSTM cell in front.
        mode: "default", "pure" or "no_gate".
        activation: of the backbone: lecun_tanh, tanh, relu, silu or gelu.
        backbone_units, backbone_layers, backbone_dropout: of a dense network; None for 128, 1 and 0.
        synapses: on a wiring: see `WiredCfCCell`.

    Call: `forward` tells the shapes.   Source: Hasani et al. 2022, Nat. Mach. Intell. 4, 992-1003.

    >>> import torch
    >>> rnn = CfC(20, 50)
    >>> output, hx = rnn(torch.zeros(2, 3, 20), torch.zeros(2, 50), timespans=torch.ones(2, 3, 1))
    >>> output.shape, hx.shape
    (torch.Size([2, 3, 50]), torch.Size([2, 50]))
    """

    def __init__(
        self,
        input_size: int | None,
        units: Wiring | int,
        proj_size: int | None = None,
        return_sequences: bool = True,
        batch_first: bool = True,
        mixed_memory: bool = False,
        mode: str = "default",
        activation: str = "lecun_tanh",
        backbone_units: int | None = None,
        backbone_layers: int | None = None,
        backbone_dropout: float | None = None,
        *,
        synapses: str | None = None,
    ):
        super().__init__()
        backbone = {
            "backbone_units": backbone_units,
            "backbone_layers": backbone_layers,
            "backbone_dropout": backbone_dropout,
        }
        given = {name: value for name, value in backbone.items() if value is not None}
        if proj_size is not None:
            check_count("proj_size", proj_size, 1)
        self.wired_mode = isinstance(units, Wiring)
        if isinstance(units, Wiring):
            if given:
                raise ArgumentError(
                    f"Cannot use {' or '.join(given)} in wired mode: a CfC on a wiring has no backbone."
                )
            self.wiring = units
            self.rnn_cell = WiredCfCCell(input_size, units, mode, synapses=synapses)
            width = self.rnn_cell.output_size
        else:
            check_units(units)
            if input_size is None:
                raise ArgumentError("input_size is None; a dense CfC takes the number of its inputs.")
            if synapses is not None:
                raise ArgumentError(f"synapses is {synapses!r}, and units no wiring; a dense CfC takes None.")
            self.rnn_cell = CfCCell(input_size, units, mode, activation, **given)
            width = units
        self.input_size, self.proj_size, self.state_size = input_size, proj_size, self.rnn_cell.state_size
        self._make(units, mixed_memory=mixed_memory, return_sequences=return_sequences, batch_first=batch_first)
        self._width = width
        self.fc = nn.Identity() if proj_size is None else nn.Linear(width, proj_size)

    @property
    def output_size(self) -> int:
        """Width of the output."""
        if self.proj_size is None:
            return self._width
        tell("output_size")
        return self.proj_size

    def _read_out(self, y: Tensor) -> Tensor:
        return self.fc(y)
