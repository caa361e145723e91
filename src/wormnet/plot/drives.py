"""Drawings of drives: crashes over noise, and films of what a driver sees and steers."""

import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wormnet.atomic import write_whole
from wormnet.errors import ShapeError, need
from wormnet.plot.style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["crashes", "film", "strip"]

Interval = tuple[float, float, float]
"""Low, estimate, high."""


def crashes(noise: Sequence[float], rates: Mapping[str, Sequence[Interval]], ax: "Axes | None" = None) -> "Axes":
    """Crashes per km over the variance of the pixel noise, a line with intervals for each network.

    Args: rates: network -> (low, estimate, high) for each of `noise`.

    >>> crashes([0.0, 0.1], {"ncp-ltc": [(0, 1, 2), (3, 4, 5)]}).get_ylabel()
    'crashes per km'
    """
    ax = ax or new_axes((7.0, 4.0))
    for number, (network, found) in enumerate(rates.items()):
        low, middle, high = np.array(found, float).T
        # Side by side: intervals on top of each other cannot be read.
        at = np.arange(len(noise)) + (number - (len(rates) - 1) / 2) * 0.6 / max(len(rates), 1)
        ax.errorbar(at, middle, [middle - low, high - middle], marker="o", capsize=2, linewidth=1, label=network)
    ax.set_xticks(range(len(noise)), [f"{one:g}" for one in noise])
    ax.set(xlabel="variance of the pixel noise", ylabel="crashes per km")
    ax.set_ylim(bottom=0)
    ax.legend(frameon=False, fontsize="small")
    return ax


def film(
    path: str | os.PathLike[str], pictures: NDArray[Any], steering: NDArray[Any], *, fps: float = 10.0, scale: int = 3
) -> None:
    """Write a film (GIF) of a drive: what the camera saw, and below it what was steered.

    Args:
        pictures: (time, rows, columns) or (time, rows, columns, 1 or 3), from 0 to 1.
        steering: (time, n) in shares of the sharpest curvature, > 0 to the left: a bar for each, the first the driver's
            (blue), the second the expert's (green).
    Raises: ShapeError for other shapes, DataError if the file cannot be written.
    """
    image = need("PIL.Image", "pillow", "a film", extra="plot")
    frames = [image.fromarray(one) for one in _frames(pictures, steering, scale)]
    content = io.BytesIO()
    frames[0].save(
        content,
        format="GIF",
        save_all=True,
        append_images=frames[1:],
        duration=round(1000 / fps),
        loop=0,
        optimize=True,
    )
    write_whole(path, content.getvalue())


def strip(
    path: str | os.PathLike[str], pictures: NDArray[Any], steering: NDArray[Any], *, frames: int = 6, scale: int = 2
) -> None:
    """Write some frames of a drive below each other, evenly spaced in time, as a PNG; arguments as those of `film`."""
    image = need("PIL.Image", "pillow", "a strip of frames", extra="plot")
    chosen = np.linspace(0, len(pictures) - 1, min(frames, len(pictures))).round().astype(int)
    content = io.BytesIO()
    drawn = _frames(np.asarray(pictures)[chosen], np.asarray(steering)[chosen], scale)
    image.fromarray(np.concatenate(list(drawn))).save(content, format="PNG")
    write_whole(path, content.getvalue())


BARS = ((11, 111, 164), (47, 158, 126), (209, 73, 91))


def _frames(pictures: NDArray[Any], steering: NDArray[Any], scale: int) -> NDArray[np.uint8]:
    """(time, rows, columns, 3): the pictures, larger, above a bar of 4 rows for each of the commands."""
    pictures, steering = np.asarray(pictures), np.asarray(steering)
    if pictures.ndim == 3:
        pictures = pictures[..., None]
    if pictures.ndim != 4 or pictures.shape[-1] not in (1, 3) or steering.ndim != 2 or len(steering) != len(pictures):
        raise ShapeError(
            f"pictures have shape {pictures.shape}, steering {steering.shape}; they take (time, rows, columns, 1 or 3) "
            "and (time, n)."
        )
    large = np.repeat(np.repeat(np.clip(pictures, 0, 1), scale, 1), scale, 2)
    seen = (np.broadcast_to(large, (*large.shape[:3], 3)) * 255).astype(np.uint8)
    width, thick = seen.shape[2], 2 * scale
    bars = np.full((len(seen), thick * steering.shape[1], width, 3), 235, np.uint8)
    columns = np.arange(width)
    for number, colour in enumerate(BARS[: steering.shape[1]]):
        tip = width / 2 - np.clip(steering[:, number, None], -1, 1) * width / 2  # left is to the left
        inside = (columns >= np.minimum(tip, width / 2 - 1)) & (columns <= np.maximum(tip, width / 2 + 1))
        rows = slice(number * thick, (number + 1) * thick)
        bars[:, rows] = np.where(inside[:, None, :, None], np.array(colour, np.uint8), bars[:, rows])
    return np.concatenate([seen, bars], 1)
