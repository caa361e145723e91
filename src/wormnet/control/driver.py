"""What drives a car: a convolutional head that looks, a recurrent network that decides, and a read-out that steers."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from wormnet.control import driver_files
from wormnet.control.cells import width_of
from wormnet.errors import ArgumentError, ShapeError
from wormnet.models.spec import check_count

__all__ = ["FEATURES", "FILTERS", "Driver", "head"]

FILTERS = (24, 36, 48, 64, 8)
"""Of the five convolutions. With the kernels and strides below, padding, and 78 x 200 RGB pictures, the head has the
published 79,420 parameters."""
KERNELS, STRIDES = (5, 5, 3, 3, 3), (2, 2, 2, 1, 1)
FEATURES = 4
"""Linear features of each filter of the last convolution."""


def head(rows: int, columns: int, channels: int = 1, filters: Sequence[int] = FILTERS) -> nn.Sequential:
    """The convolutional head of a driver: (batch, channels, rows, columns) -> (batch, 4 x filters of the last).

    Five convolutions with ReLU (`head.look`), then four linear features of each of the last one's pictures.

    Args: rows, columns, channels: of the pictures.   filters: of the five convolutions.
    Raises: ArgumentError for another number of filters.
    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652. Its table of sizes is not readable in our copy: kernels,
        strides and filters are those that give the published 79,420 parameters.

    >>> sum(p.numel() for p in head(78, 200, channels=3).parameters())
    79420
    """
    if len(filters) != len(KERNELS) or min(filters) < 1:
        raise ArgumentError(f"filters is {tuple(filters)}; it takes {len(KERNELS)} numbers of 1 or more.")
    stages: list[nn.Module] = []
    for before, after, kernel, stride in zip((channels, *filters), filters, KERNELS, STRIDES):
        stages += [nn.Conv2d(before, after, kernel, stride, padding=kernel // 2), nn.ReLU()]
        rows, columns = -(-rows // stride), -(-columns // stride)
    last = filters[-1]
    features = nn.Conv2d(last, FEATURES * last, (rows, columns), groups=last)
    return nn.Sequential(OrderedDict(look=nn.Sequential(*stages), features=features, flat=nn.Flatten()))


class Driver(nn.Module):
    """Steers by what it sees.

        command = W core(head(whitened picture)) + b

    Every picture is whitened by its own mean and deviation, as published.

    Args:
        core: (x (batch, time, 4 x filters), state) -> (y (batch, time, width), state): a layer of wormnet, torch's
            LSTM with the batch first, or a module with the attribute `width`.
        rows, columns, channels: of the pictures.   filters: of the head.

    >>> import wormnet
    >>> driver = Driver(wormnet.LTC(wormnet.auto_ncp(inputs=32, neurons=19, outputs=1)), rows=12, columns=40)
    >>> steering, state = driver(torch.zeros(2, 5, 12, 40, 1))
    >>> steering.shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        core: nn.Module,
        *,
        rows: int = 48,
        columns: int = 160,
        channels: int = 1,
        filters: Sequence[int] = FILTERS,
    ):
        super().__init__()
        for name, n in (("rows", rows), ("columns", columns), ("channels", channels)):
            check_count(name, n, 1)
        for one in filters:
            check_count("filters", one, 1)
        rows, columns, channels, filters = int(rows), int(columns), int(channels), tuple(int(one) for one in filters)
        self.head, self.core = head(rows, columns, channels, filters), core
        self.read_out = nn.Linear(width_of(core), 1)
        # Torch draws it from +-1 behind a core of one output: far beyond what is steered, and what pulls it back may
        # push the core into saturation for good (docs/results/driving.md).
        nn.init.zeros_(self.read_out.bias)
        self.pictures, self.filters = (rows, columns, channels), filters

    def forward(self, pictures: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Pictures (batch, time, rows, columns, channels) -> steering (batch, time), and the state after them.

        Steering is in shares of the sharpest curvature, > 0 to the left.
        """
        if pictures.dim() != 5 or tuple(pictures.shape[2:]) != self.pictures:
            raise ShapeError(
                f"pictures have shape {tuple(pictures.shape)}; this driver takes (batch, time, *{self.pictures})."
            )
        y, state = self.core(self.features(pictures), state)
        return self.read_out(y)[..., 0], state

    def features(self, pictures: Tensor) -> Tensor:
        """What the core sees: (batch, time, 4 x filters)."""
        flat = whitened(pictures.flatten(0, 1)).permute(0, 3, 1, 2)
        return self.head(flat).unflatten(0, pictures.shape[:2])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write head, core and read-out into one safetensors file, whole or not at all.

        Raises: ArgumentError if the core is no recurrent layer of wormnet, LSTM or GRU of torch, or `Memoryless`, or
            the driver is not in single precision, changed, pruned or tied; DataError if it cannot be written.
        """
        driver_files.save(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> "Driver":
        """Read a driver that `save` wrote, in evaluation mode; nothing in the file is executed.

        Raises: DataError if there is no such file, or it holds no driver or a damaged one.
        """
        return driver_files.load(path)


def whitened(pictures: Tensor) -> Tensor:
    """Pictures (n, rows, columns, channels) with mean 0 and deviation 1 each; an even one becomes zeros."""
    # The floor is that of one pixel that differs, as in TensorFlow's per_image_standardization.
    floor = pictures[0].numel() ** -0.5
    deviation, mean = torch.std_mean(pictures, (1, 2, 3), correction=0, keepdim=True)
    return (pictures - mean) / deviation.clamp(min=floor)
