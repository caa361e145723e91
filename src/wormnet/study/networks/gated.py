"""LSTM and GRU, by torch."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from wormnet.study.network import Network, Shape, register_network

__all__ = ["Gated", "GatedCore"]

_KINDS = {"lstm": nn.LSTM, "gru": nn.GRU}


class GatedCore(nn.Module):
    """torch's LSTM or GRU under the contract of wormnet's layers; it is told dt by its inputs alone."""

    def __init__(self, kind: str, inputs: int, width: int):
        super().__init__()
        self.width = width
        self.rnn = _KINDS[kind](inputs, width, batch_first=True)

    def forward(
        self, x: Tensor, state: Any = None, dt: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """As wormnet's layers; what lies behind a sequence's end is left to the caller."""
        return self.rnn(x, state)

    def operations(self) -> tuple[int, int]:
        """Per sample: multiplications, and values of exp, tanh and the like."""
        gates = {"LSTM": (4, 3, 5), "GRU": (3, 3, 3)}[type(self.rnn).__name__]
        inputs, width = self.rnn.input_size, self.width
        return gates[0] * (inputs + width) * width + gates[1] * width, gates[2] * width


@dataclass(frozen=True)
class Gated:
    """Builds the core of a kind."""

    kind: str

    def __call__(self, shape: Shape, seed: int) -> GatedCore:
        """The core."""
        return GatedCore(self.kind, shape.n_inputs, shape.size)


register_network(
    Network("lstm", Gated("lstm"), about="LSTM: Hochreiter & Schmidhuber 1997, Neural Computation 9, 1735", sized=True)
)
register_network(Network("gru", Gated("gru"), about="GRU: Cho et al. 2014, arXiv 1406.1078", sized=True))
