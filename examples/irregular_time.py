"""Irregular time
==============

Does a network gain from being told how much time has passed?

A wave is sampled at random times, and the network is to say where it stands at each. The same network is trained twice:
once it is told the time since the previous sample (dt), once it believes that samples come one time unit apart.

    python examples/irregular_time.py [--quick]
"""

import math
import sys

import torch

import wormnet


def waves(n: int, samples: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The height of n waves some way back (x), the gaps between samples (dt), and the height now (y)."""
    dt = torch.rand(n, samples) * 1.9 + 0.1
    phase = torch.cumsum(dt, 1) * 0.5 + torch.rand(n, 1) * 2 * math.pi
    # x is the wave as the previous sample saw it: only dt tells how far it has moved on since.
    seen = phase - dt * 0.5
    return torch.stack([torch.sin(seen), torch.cos(seen)], 2), dt, torch.sin(phase)[:, :, None]


def train(told: bool, steps: int) -> float:
    """Mean squared error on new waves after training."""
    torch.manual_seed(0)
    rnn = wormnet.LTC(wormnet.auto_ncp(inputs=2, neurons=16, outputs=1))
    optimiser = torch.optim.Adam(rnn.parameters(), lr=0.01)
    for _ in range(steps):
        x, dt, y = waves(32, 24)
        loss = torch.nn.functional.mse_loss(rnn(x, dt=dt if told else None)[0], y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    x, dt, y = waves(256, 24)
    with torch.no_grad():
        return torch.nn.functional.mse_loss(rnn(x, dt=dt if told else None)[0], y).item()


if __name__ == "__main__":
    steps = 3 if "--quick" in sys.argv else 300
    print(f"told the time: {train(True, steps):.4f}   not told: {train(False, steps):.4f}   (mean squared error)")
