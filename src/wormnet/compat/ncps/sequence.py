"""What LTC and CfC have in common: sequences, states, timespans, an LSTM cell in front."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from wormnet.compat.ncps.network import Network, clock
from wormnet.engine.samples import arrange, wrong_width
from wormnet.errors import ArgumentError, ShapeError
from wormnet.models.spec import check_count, check_flag
from wormnet.nn.arguments import check_input, check_state, lifted_state
from wormnet.nn.convert import lstm_weights

__all__ = ["LSTMCell", "Sequence"]


class LSTMCell(nn.Module):
    """The LSTM cell of mixed memory, with 1 added to the forget gate's argument.

    Args: input_size: number of inputs.   hidden_size: number of cells.

    >>> h, c = LSTMCell(4, 8)(torch.zeros(2, 4), (torch.zeros(2, 8), torch.zeros(2, 8)))
    >>> h.shape
    torch.Size([2, 8])
    """

    def __init__(self, input_size: int, hidden_size: int):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        self.input_map = nn.Linear(input_size, 4 * hidden_size)
        self.recurrent_map = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        nn.init.xavier_uniform_(self.input_map.weight)
        nn.init.uniform_(self.input_map.bias, -0.1, 0.1)
        nn.init.orthogonal_(self.recurrent_map.weight)

    def weights(self) -> tuple[Tensor, Tensor, Tensor]:
        """weight_ih, weight_hh and bias of torch's LSTM cell."""
        return lstm_weights(self.input_map, self.recurrent_map)

    def forward(self, inputs: Tensor, states: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """One sample: (batch, inputs) and two states (batch, cells) to two states."""
        weight_ih, weight_hh, bias = self.weights()
        return torch.lstm_cell(inputs, states, weight_ih, weight_hh, bias, torch.zeros_like(bias))


class Sequence(nn.Module):
    """A cell run over sequences; see `LTC` and `CfC`."""

    rnn_cell: Any

    def _make(self, units: Any, *, mixed_memory: bool, return_sequences: bool, batch_first: bool) -> None:
        """What follows from the cell, which is made first."""
        flags = {"mixed_memory": mixed_memory, "return_sequences": return_sequences, "batch_first": batch_first}
        for name, flag in flags.items():
            check_flag(name, flag)
        self.wiring_or_units = units
        self.return_sequences, self.batch_first, self.use_mixed = return_sequences, batch_first, mixed_memory
        if mixed_memory:
            self.lstm = LSTMCell(self.rnn_cell.sensory_size, self.rnn_cell.state_size)
        self._get_ready()
        self.register_load_state_dict_post_hook(_ready_again)

    def _network(self) -> Network:
        """What runs: that of the cell, which may have changed with a checkpoint."""
        network = self.rnn_cell.network
        if not self.use_mixed:
            return network
        known = self.__dict__.get("_mixed")
        if known is None or known[0] is not network:
            known = self.__dict__["_mixed"] = network, network.with_memory()
        return known[1]

    def _get_ready(self) -> None:
        self._network().prepare(next(self.parameters()))

    def _apply(self, fn: Any, recurse: bool = True) -> "Sequence":
        """Move or cast: to(), double(), cuda()."""
        super()._apply(fn, recurse)
        self._get_ready()
        return self

    def _read_out(self, y: Tensor) -> Tensor:
        return y

    def forward(self, input: Any, hx: Any = None, timespans: Any = None) -> tuple[Any, Any]:  # noqa: A002
        """Run sequences.

        Args:
            input: (batch, time, inputs), (time, batch, inputs) if not batch_first, (time, inputs) for one sequence; or
                a PackedSequence.
            hx: (batch, units), (units,) for one sequence; with mixed memory a pair of them; None for zeros.
            timespans: the time since the sample before: (batch, time) or (batch, time, 1), axes as those of input;
                (time,) or (time, 1) for one sequence; a number; None for 1. 0 is no time at all.

        Returns: outputs for every sample (for the last one alone unless return_sequences), and hx after it.
        Raises: ShapeError for a shape that fits nothing of the above, ArgumentError for a wrong value or type.
        """
        if isinstance(input, PackedSequence):
            return self._packed(input, hx, timespans)
        stored, width = next(self.parameters()), self.rnn_cell.sensory_size
        check_input(input, stored, "(batch, time, {})", width)
        if input.dim() not in (2, 3) or input.shape[-1] != width:
            raise wrong_width(input, width, batch_first=self.batch_first)
        if input.dim() == 3:
            return self._run(input, hx, timespans, None)
        hx = lifted_state(tuple(hx) if isinstance(hx, list) else hx, self.rnn_cell.state_size, "hx")
        axis = 0 if self.batch_first else 1
        if timespans is not None:
            timespans = torch.as_tensor(timespans, dtype=stored.dtype, device=stored.device)
            timespans = timespans.unsqueeze(axis) if timespans.dim() else timespans
        y, hx = self._run(input.unsqueeze(axis), hx, timespans, None)
        y = y.squeeze(axis) if self.return_sequences else y[0]
        return y, tuple(one[0] for one in hx) if self.use_mixed else hx[0]

    def _run(self, x: Tensor, hx: Any, timespans: Any, lengths: Tensor | None) -> tuple[Tensor, Any]:
        network, stored, cell = self._network(), next(self.parameters()), self.rnn_cell
        with torch.autocast(x.device.type, enabled=False):
            x = x.to(stored.dtype)
            dt = clock(timespans, x, batch_first=self.batch_first, sizes=(*cell.layer_sizes, cell.state_size))
            try:
                samples = arrange(x, dt, lengths, network.wiring.n_inputs, batch_first=self.batch_first)
            except (ShapeError, ArgumentError) as error:
                raise type(error)(str(error).replace("dt ", "timespans ").replace("dt[", "timespans[")) from None
            shape = samples.x.shape[0], network.wiring.n_neurons
            names = ("h", "c") if self.use_mixed else ("h",)
            given = tuple(hx) if isinstance(hx, list) else hx
            zeros = (samples.x.new_zeros(shape),) * len(names)
            states = zeros if hx is None else check_state(given, stored, shape, names, "hx")
            lstm = None
            if self.use_mixed:
                weight_ih, weight_hh, bias = self.lstm.weights()
                lstm = {"lstm_weight": torch.cat([weight_ih, weight_hh], 1), "lstm_bias": bias}
            y, states = network.run(
                cell.values(), samples, states, lstm, training=self.training, sequences=self.return_sequences
            )
            y = self._read_out(y)
        if self.return_sequences and not self.batch_first:
            y = y.transpose(0, 1)
        return y, states if self.use_mixed else states[0]

    def _packed(self, x: PackedSequence, hx: Any, timespans: Any) -> tuple[Any, Any]:
        padded, lengths = pad_packed_sequence(x, batch_first=self.batch_first)
        check_input(padded, next(self.parameters()), "(batch, time, {})", self.rnn_cell.sensory_size)
        y, hx = self._run(padded, hx, timespans, lengths.to(padded.device))
        if self.return_sequences:
            y = pack_padded_sequence(y, lengths, batch_first=self.batch_first, enforce_sorted=False)
        return y, hx

    def extra_repr(self) -> str:
        """The wiring and the model, for print."""
        network = self._network()
        return f"{network.wiring}, {network.model}"


def _ready_again(module: Any, _: Any) -> None:
    """After a checkpoint that changed what the cell computes."""
    module._get_ready()


def check_units(units: Any) -> None:
    """Raise ArgumentError unless it is a number of neurons."""
    if any("Wiring" in base.__name__ for base in type(units).__mro__):
        raise ArgumentError(
            f"units is {type(units).__module__}.{type(units).__name__}; it takes a wiring of "
            "wormnet.compat.ncps.wirings, or a number of neurons. Import the wirings from there too."
        )
    check_count("units", units, 1)
