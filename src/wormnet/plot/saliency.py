"""The drawing of what a network attends to, over the image that it sees."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from wormnet.errors import ArgumentError, ShapeError
from wormnet.plot.style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["saliency"]


def saliency(
    image: ArrayLike, values: ArrayLike, ax: "Axes | None" = None, *, colours: str | None = None, opacity: float = 0.75
) -> "Axes":
    """Draw a saliency map over its image: the more a place counts, the more of the colour covers it.

    Args:
        image: (height, width), (height, width, 1 or 3), or channels first; grey images fill the range of their values,
            coloured ones are 0 to 1.
        values: (height, width): of `audit.visual_backprop`, or contributions of either sign.
        ax: where; a new figure if None.
        colours: a colour map of matplotlib; None for "inferno", or "coolwarm" around 0 where values are negative.
        opacity: of the largest value, 0 to 1.

    Returns: the axes.   Raises: ShapeError for an image of another size, ArgumentError for a wrong value.

    >>> saliency(np.zeros((4, 6)), np.eye(4, 6)).get_images()[1].get_array().shape
    (4, 6)
    """
    seen, values = _image(np.asarray(image, np.float64)), np.asarray(values, np.float64)
    if values.ndim != 2 or seen.shape[:2] != values.shape:
        raise ShapeError(f"the map has shape {values.shape}; over this image it takes {seen.shape[:2]}.")
    if not (np.isfinite(values).all() and np.isfinite(seen).all()):
        raise ArgumentError("the image or the map is not finite everywhere.")
    if isinstance(opacity, bool) or not isinstance(opacity, (int, float)) or not 0 <= opacity <= 1:
        raise ArgumentError(f"opacity is {opacity!r}; it takes a number from 0 to 1.")
    high, negative = float(np.abs(values).max(initial=0.0)), bool((values < 0).any())
    ax = new_axes((6.0, max(1.6, 6.0 * seen.shape[0] / max(seen.shape[1], 1)))) if ax is None else ax
    ax.imshow(seen, cmap="gray", interpolation="nearest")
    ax.imshow(
        values, cmap=colours or ("coolwarm" if negative else "inferno"), interpolation="bilinear",
        vmin=-high if negative else 0.0, vmax=high or 1.0, alpha=opacity * np.abs(values) / (high or 1.0),
    )  # fmt: skip
    ax.set_axis_off()
    return ax


def _image(image: np.ndarray) -> np.ndarray:
    """(height, width) or (height, width, 3)"""
    if image.ndim == 3 and image.shape[-1] not in (1, 3) and image.shape[0] in (1, 3):
        image = np.moveaxis(image, 0, -1)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[-1] != 3):
        raise ShapeError(f"the image has shape {image.shape}; it takes (height, width), with 1 or 3 channels or none.")
    if image.ndim == 3 and not (image.min(initial=0.0) >= 0 and image.max(initial=0.0) <= 1):
        raise ArgumentError(f"the coloured image goes up to {image.max():.3g}; it takes values from 0 to 1.")
    return image
