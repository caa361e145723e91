"""What models are tried on: a wiring with every kind of synapse, and numbers that are the same every time."""

from typing import Any

import torch
from torch import Tensor

from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["N", "at", "draw", "mixed_wiring", "parts", "start", "times"]

N = 5
"""Inputs, neurons, sequences and samples: all the same number, so that a mixed-up axis is not found by its size."""


def mixed_wiring() -> Wiring:
    """Five inputs and five neurons, three layers, synapses of all kinds and signs, a self-synapse; two are read out."""
    rows = [
        # pre, post, kind, sign, count
        (0, 5, CHEMICAL, 1, 1),
        (1, 5, CHEMICAL, -1, 2),
        (1, 6, CHEMICAL, 0, 1),
        (5, 7, CHEMICAL, 1, 3),
        (6, 7, CHEMICAL, -1, 1),
        (7, 7, CHEMICAL, 1, 1),
        (7, 8, CHEMICAL, 0, 1),
        (8, 5, CHEMICAL, -1, 1),
        (5, 6, GAP, 0, 2),
        (7, 9, GAP, 0, 1),
        (2, 9, GAP, 0, 1),
        (5, 7, GAP, 0, 1),
        (3, 6, CURRENT, 1, 1),
        (4, 8, CURRENT, -1, 2),
        (0, 5, CURRENT, 0, 1),
    ]
    pre, post, kind, sign, count = zip(*rows, strict=True)
    return Wiring(N, N, outputs=[3, 0], layers=[0, 0, 1, 2, 2], pre=pre, post=post, kind=kind, sign=sign, count=count)


def draw(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    """Standard normal numbers."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64, device="cpu").to(dtype)


def times(*shape: int, seed: int = 2, dtype: torch.dtype = torch.float32) -> Tensor:
    """Times since the previous sample, 0.05 to 0.8: short enough for the explicit solvers."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return (0.05 + 0.75 * torch.rand(*shape, generator=generator, dtype=torch.float64, device="cpu")).to(dtype)


def start(layer: Recurrent, batch: int, seed: int = 3) -> Any:
    """A state that is not zero."""
    n_states, n, stored = len(layer._state_names), layer.wiring.n_neurons, layer._stored()
    drawn = tuple(draw(batch, n, seed=seed + i, dtype=stored.dtype).to(stored.device) * 0.5 for i in range(n_states))
    return drawn if n_states > 1 else drawn[0]


def parts(state: Any) -> tuple[Tensor, ...]:
    """The tensors of a state."""
    return state if isinstance(state, tuple) else (state,)


def at(state: Any, chosen: Any) -> Any:
    """The state of some of the sequences."""
    return tuple(one[chosen] for one in state) if isinstance(state, tuple) else state[chosen]
