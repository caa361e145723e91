"""Images, one after the other
===========================

Image sequences: a small convolution sees, a neural circuit policy decides.

A bright square moves over a dark picture; the network is to follow its speed and direction.

    python examples/images.py [--quick]
"""

import sys

import torch
from torch import nn

import wormnet


class Watcher(nn.Module):
    """A convolution for each picture, then a worm-wired layer over time."""

    def __init__(self):
        super().__init__()
        self.eye = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=2),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(16),
        )
        self.brain = wormnet.CfC(wormnet.auto_ncp(inputs=16, neurons=24, outputs=2))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """pictures (batch, time, 1, height, width) -> (batch, time, 2)."""
        features = self.eye(pictures.flatten(0, 1)).unflatten(0, pictures.shape[:2])
        return self.brain(features)[0]


def films(n: int, frames: int, size: int = 20) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures of a moving square, and its velocity at each."""
    speed = torch.rand(n, 2) * 2 - 1
    at = size / 2 + speed[:, None] * (torch.arange(frames)[None, :, None] - frames / 2)
    rows = torch.arange(size)
    near = [((rows - at[..., k : k + 1]).abs() < 2.5).float() for k in (0, 1)]
    return (near[0][..., :, None] * near[1][..., None, :])[:, :, None], speed[:, None].expand(n, frames, 2)


def main(steps: int) -> None:
    torch.manual_seed(0)
    model = Watcher()
    model(films(1, 2)[0])  # tells the lazy layer its size
    optimiser = torch.optim.Adam(model.parameters(), lr=0.005)
    for step in range(steps):
        pictures, speed = films(16, 8)
        # The first picture tells nothing of the speed.
        loss = nn.functional.mse_loss(model(pictures)[:, 1:], speed[:, 1:])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step:4}   mean squared error {loss.item():.4f}   (always zero: {speed.square().mean():.4f})")


if __name__ == "__main__":
    main(3 if "--quick" in sys.argv else 300)
