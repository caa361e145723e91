"""Drives of the expert, recorded to be learned from."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wormnet.control.camera import Camera
from wormnet.control.lane import Difficulty
from wormnet.control.outside import cars_on
from wormnet.errors import ArgumentError
from wormnet.wiring import check

__all__ = ["Recording", "record"]

SWAY, SWAY_SECONDS = 0.25, 0.5
"""Deviation, in shares of the sharpest curvature, and correlation time, s, of what is added to the expert's wishes."""


@dataclass(frozen=True, eq=False)
class Recording:
    """What a camera saw on some roads, and what the expert would have steered.

    Args:
        pictures: (roads, frames, rows, columns, channels) uint8.
        steering: (roads, frames) float32, in shares of the sharpest curvature.
        jumps: (roads, frames) booleans: whether the car was put back just before, or the road has ended.
    """

    pictures: NDArray[np.uint8]
    steering: NDArray[np.float32]
    jumps: NDArray[np.bool_]

    def windows(self, length: int, roads: Sequence[int] | None = None) -> NDArray[np.int64]:
        """(windows, 2), road and first frame of the windows of `length` frames that hold no jump, end to end.

        Raises: ArgumentError if there is none.
        """
        found = [
            (road, first)
            for road in (range(len(self.jumps)) if roads is None else roads)
            for first in range(0, self.jumps.shape[1] - length + 1, length)
            if not self.jumps[road, first + 1 : first + length].any()
        ]
        if not found:
            raise ArgumentError(f"no window of {length} frames without a jump; take longer roads.")
        return np.array(found, np.int64)

    def cut(self, windows: NDArray[np.int64], length: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Pictures (windows, length, rows, columns, channels) from 0 to 1, and steering (windows, length)."""
        frames = windows[:, 1:] + np.arange(length)
        pictures = np.divide(self.pictures[windows[:, :1], frames], 255, dtype=np.float32)
        return pictures, self.steering[windows[:, :1], frames]


def record(
    where: str | Difficulty, *, seeds: Sequence[int], length: float = 200.0, camera: Camera | None = None
) -> Recording:
    """Let the expert drive, one road for each seed, and record what it sees and steers; arguments as `cars_on`.

    A slow random sway is added to what it commands, so that it shows how to come back from beside the middle of the
    lane (Laskey et al. 2017, CoRL, "DART"); what is recorded is what it wanted.

    >>> found = record("easy", seeds=[0, 1], length=60)
    >>> found.pictures.shape, bool(abs(found.steering).max() <= 1)
    ((2, 200, 48, 160, 1), True)
    """
    drive = cars_on(where, seeds=seeds, length=length, camera=camera)
    rng = check.generator(int(np.sum(np.asarray(seeds, np.int64) * np.arange(1, len(seeds) + 1)) % 2**31))
    frames = max(2, round((length - 30.0) / drive.distance))
    keep = math.exp(-1 / (drive.rate_hz * SWAY_SECONDS))
    sway, before = np.zeros(len(seeds)), drive.crashes.copy()
    pictures, steering, jumps = [], [], []
    for _ in range(frames):
        wanted = drive.expert()
        pictures.append(np.round(drive.pictures() * 255).astype(np.uint8))
        steering.append((wanted / drive.sharpest).astype(np.float32))
        jumps.append((drive.crashes > before) | drive.done)
        before = drive.crashes.copy()
        sway = keep * sway + math.sqrt(1 - keep**2) * SWAY * drive.sharpest * rng.normal(size=len(seeds))
        drive.step(wanted + sway)
    return Recording(np.stack(pictures, 1), np.stack(steering, 1), np.stack(jumps, 1))
