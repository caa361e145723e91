"""minGRU and LRU: recurrent networks whose recurrence is linear in the state, and so runs over all samples at once."""

import math
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from wormnet.study.network import Network, Shape, register_network

__all__ = ["LRU", "MinGRU", "Stack", "Stacked"]

LAYERS = 2


class MinGRU(nn.Module):
    r"""A gated recurrent unit whose gate does not read the state.

        h_t = (1 - z_t) h_{t-1} + z_t g(W_h x_t + b_h),   z_t = sigma(W_z x_t + b_z)
        g(a) = a + 0.5 if a >= 0, else sigma(a)

    g is positive, so the products are sums of logarithms: with a*_t = sum_{s <= t} log(1 - z_s),

        log h_t = a*_t + logcumsumexp_s(log z_s + log g_s - a*_s),   all t at once.

    Called with x (batch, time, width) and state h (batch, width) it gives all h (batch, time, width).
    Source: Feng et al. 2024, arXiv 2410.01201, Algorithm 6 (log space).

    >>> unit = MinGRU(3)
    >>> unit(torch.zeros(2, 5, 3), torch.ones(2, 3)).shape
    torch.Size([2, 5, 3])
    """

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.linear = nn.Linear(width, 2 * width)

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """(batch, width) what the state is before the first sample: g(0)."""
        return like.new_full((batch, self.width), 0.5)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """All states."""
        gate, candidate = self.linear(x).chunk(2, -1)
        log_keep, log_take = -functional.softplus(gate), -functional.softplus(-gate)
        decay = torch.cumsum(log_keep, 1)
        log_new = torch.where(
            candidate >= 0, (functional.relu(candidate) + 0.5).log(), -functional.softplus(-candidate)
        )
        added = torch.cat([state.log()[:, None], log_take + log_new - decay], 1)
        return torch.exp(decay + torch.logcumsumexp(added, 1)[:, 1:])

    def read(self, states: Tensor, x: Tensor) -> Tensor:
        """What the layer puts out."""
        return states

    def operations(self) -> tuple[int, int]:
        """Per sample: multiplications, and values of exp, tanh and the like."""
        return 2 * self.width**2 + 2 * self.width, 2 * self.width


class LRU(nn.Module):
    r"""A linear recurrent unit: a diagonal linear recurrence of complex states.

        h_t = lambda h_{t-1} + gamma B x_t,   y_t = Re(C h_t) + D x_t
        lambda = exp(-exp(nu) + i exp(theta)),   |lambda| < 1;   gamma starts at sqrt(1 - |lambda|^2)

    All samples at once: h is the convolution of B x with the powers of lambda, by the fast Fourier transform.
    Called with x (batch, time, width) and state h (batch, width), complex, it gives all h (batch, time, width).
    Source: Orvieto et al. 2023, arXiv 2303.06349; |lambda| starts uniform on the ring .9 to .999 (r_min, r_max there),
    phases up to pi / 10.

    >>> unit = LRU(3)
    >>> unit(torch.zeros(2, 5, 3), unit.initial(2, torch.zeros(1))).dtype
    torch.complex64
    """

    R_MIN, R_MAX, PHASE = 0.9, 0.999, math.pi / 10

    def __init__(self, width: int):
        super().__init__()
        self.width = width
        square = self.R_MIN**2 + torch.rand(width) * (self.R_MAX**2 - self.R_MIN**2)
        self.nu = nn.Parameter((-0.5 * square.log()).log())
        self.theta = nn.Parameter((self.PHASE * torch.rand(width).clamp_min(1e-6)).log())
        self.gamma = nn.Parameter(0.5 * (1 - square).log())
        scale = (2 * width) ** -0.5
        self.b_weight = nn.Parameter(scale * torch.randn(2, width, width))
        self.c_weight = nn.Parameter(scale * torch.randn(2, width, width))
        self.d_weight = nn.Parameter(torch.randn(width))

    def initial(self, batch: int, like: Tensor) -> Tensor:
        """(batch, width) zeros."""
        return torch.complex(like.new_zeros(batch, self.width), like.new_zeros(batch, self.width))

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        """All states."""
        steps = x.shape[1]
        driven = torch.complex(x @ self.b_weight[0].T, x @ self.b_weight[1].T) * self.gamma.exp()
        # log lambda times 0 .. steps: powers without rounding that grows.
        rate = torch.complex(-self.nu.exp(), self.theta.exp())
        powers = torch.exp(rate * torch.arange(steps + 1, device=x.device, dtype=x.dtype)[:, None])
        length = 1 << (2 * steps - 1).bit_length()
        kernel, signal = torch.fft.fft(powers[:-1], length, 0), torch.fft.fft(driven, length, 1)
        convolved = torch.fft.ifft(kernel * signal, dim=1)[:, :steps]
        return convolved + powers[1:] * state[:, None]

    def read(self, states: Tensor, x: Tensor) -> Tensor:
        """What the layer puts out."""
        return states.real @ self.c_weight[0].T - states.imag @ self.c_weight[1].T + self.d_weight * x

    def operations(self) -> tuple[int, int]:
        """Per sample: multiplications, and values of exp, tanh and the like."""
        return 4 * self.width**2 + 7 * self.width, 0


class Stack(nn.Module):
    """Linear recurrent layers under the contract of wormnet's layers: it has dt among its inputs.

        x <- W x + b;  for each layer  x <- x + gelu-gated(layer(normalised x))

    with the gate as published for LRU: u sigma(V u), u = gelu(output of the layer).
    """

    def __init__(self, kind: type[MinGRU] | type[LRU], inputs: int, width: int, layers: int = LAYERS):
        super().__init__()
        self.width = width
        self.encoder = nn.Linear(inputs, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.layers = nn.ModuleList(kind(width) for _ in range(layers))
        self.gates = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))

    def forward(
        self, x: Tensor, state: Any = None, dt: Tensor | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        """As wormnet's layers; what lies behind a sequence's end is left to the caller. The state is one per layer."""
        y, last = self.encoder(x), []
        for i, parts in enumerate(zip(self.norms, self.layers, self.gates)):
            norm, layer, gate = cast(Any, parts)
            normal = norm(y)
            states = layer(normal, layer.initial(len(x), x) if state is None else state[i])
            last.append(states[:, -1])
            u = functional.gelu(layer.read(states, normal))
            y = y + u * torch.sigmoid(gate(u))
        return y, last

    def operations(self) -> tuple[int, int]:
        """Per sample: multiplications, and values of exp, tanh and the like."""
        of_layers = [layer.operations() for layer in self.layers]  # pyright: ignore[reportCallIssue]
        n, width = len(of_layers), self.width
        products = self.encoder.in_features * width + n * (width**2 + 5 * width)
        return products + sum(one for one, _ in of_layers), 2 * n * width + sum(one for _, one in of_layers)


@dataclass(frozen=True)
class Stacked:
    """Builds a stack of layers of a kind."""

    kind: type[MinGRU] | type[LRU]

    def __call__(self, shape: Shape, seed: int) -> Stack:
        """The core."""
        return Stack(self.kind, shape.n_inputs, shape.size)


register_network(
    Network("mingru", Stacked(MinGRU), about="minGRU, two layers: Feng et al. 2024, arXiv 2410.01201", sized=True)
)
register_network(
    Network(
        "lru",
        Stacked(LRU),
        about="Linear recurrent units, two layers: Orvieto et al. 2023, arXiv 2303.06349",
        sized=True,
    )
)
