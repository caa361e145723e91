"""A sparse feed-forward layer."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from wormnet.engine.constants import fake, kept, shown
from wormnet.errors import ArgumentError, ShapeError, WiringError
from wormnet.models.spec import check_flag, connections
from wormnet.nn.arguments import check_input
from wormnet.nn.parameters import remember_wiring
from wormnet.wiring.core import Wiring

__all__ = ["WiredLinear"]


class WiredLinear(nn.Module):
    r"""A linear layer with weights only where the wiring has synapses.

        y_i = sum_s weight_s x_pre(s) + bias_i

    Args:
        wiring: a wiring with synapses only from inputs to neurons; y holds its outputs, in order.
        bias: whether there is a bias for each output.
        device, dtype: of the parameters.

    Weights are drawn uniformly with variance 1 / (3 fan-in), as nn.Linear does, and take the sign of their synapse.
    Synapses onto neurons that are not read out have no weight, since it could not affect y.

    Call: x (..., inputs) -> y (..., outputs).
    Raises: WiringError if neurons send, ShapeError if x is not that wide, ArgumentError for another dtype or device.

    >>> import wormnet
    >>> layer = WiredLinear(wormnet.random(inputs=64, neurons=10, outputs=10, sparsity=0.9, recurrent=False))
    >>> layer(torch.zeros(5, 64)).shape, layer.weight.shape
    (torch.Size([5, 10]), torch.Size([64]))
    """

    def __init__(
        self,
        wiring: Wiring,
        *,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        if not isinstance(wiring, Wiring):
            raise ArgumentError(f"wiring is {type(wiring).__name__}; it takes a Wiring, for example random(...).")
        for s in np.flatnonzero(wiring.pre >= wiring.n_inputs)[:1]:
            ends = f"{wiring.cells[wiring.pre[s]]!r} to {wiring.cells[wiring.post[s]]!r}"
            raise WiringError(
                f"a feed-forward layer takes synapses from inputs alone; synapse {s} goes from neuron {ends}. "
                "Use random(..., recurrent=False), or a recurrent layer."
            )
        check_flag("bias", bias)
        self.wiring = wiring
        links = connections(wiring, own=False)
        place = np.full(wiring.n_neurons, -1)
        place[wiring.output_index] = np.arange(wiring.n_outputs)
        read = np.flatnonzero(place[links.post] >= 0)
        self._sign = wiring.sign[links.synapse[read]]
        self._pre, self._post = links.pre[read], place[links.post[read]]
        self._at: tuple[Tensor, ...] = ()
        self.weight = nn.Parameter(torch.empty(len(read), device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(wiring.n_outputs, device=device, dtype=dtype)) if bias else None
        remember_wiring(self)
        self.reset_parameters()
        self._indices()

    def reset_parameters(self) -> None:
        """Draw all parameters anew, from torch's global generator."""
        if self.weight.is_meta or fake(self.weight):
            return
        post, sign = torch.from_numpy(self._post), torch.from_numpy(self._sign)
        reach = torch.bincount(post, minlength=self.wiring.n_outputs).clamp(min=1).double().rsqrt()
        drawn = torch.rand(len(post), dtype=torch.float64, device="cpu") * reach[post]
        sign = torch.where(sign == 0, torch.randint(0, 2, sign.shape, device="cpu") * 2 - 1, sign)
        with torch.no_grad():
            self.weight.copy_(drawn * sign)
            if self.bias is not None:
                self.bias.copy_((torch.rand(len(reach), dtype=torch.float64, device="cpu") * 2 - 1) * reach)

    def forward(self, x: Tensor) -> Tensor:
        """x (..., inputs) -> (..., outputs)."""
        check_input(x, self.weight, "(..., {})", self.wiring.n_inputs)
        if x.dim() == 0 or x.shape[-1] != self.wiring.n_inputs:
            raise ShapeError(f"x has shape {tuple(x.shape)}; the layer takes (..., {self.wiring.n_inputs}).")
        flat = x.to(self.weight.dtype).reshape(math.prod(x.shape[:-1]), self.wiring.n_inputs)
        pre, post = self._indices()
        y = flat.new_zeros(flat.shape[0], self.wiring.n_outputs).index_add(1, post, flat[:, pre] * self.weight)
        y = y if self.bias is None else y + self.bias
        return y.reshape(*x.shape[:-1], self.wiring.n_outputs)

    def _indices(self) -> tuple[Tensor, ...]:
        """Sender and output of each weight on its device. They follow from the wiring and so are no buffers."""
        if not self._at or self._at[0].device != self.weight.device:
            at = tuple(kept(ends, self.weight.device) for ends in (self._pre, self._post))
            if torch.compiler.is_compiling():
                return at  # what is made while a graph is traced belongs to the graph
            self._at = at
        return tuple(shown(one) for one in self._at)

    def extra_repr(self) -> str:
        """The wiring, for print."""
        return f"{self.wiring}, bias={self.bias is not None}"
