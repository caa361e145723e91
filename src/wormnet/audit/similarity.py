"""How alike two images or maps are: structural similarity."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.audit.frozen import frozen
from wormnet.errors import ArgumentError, ShapeError

__all__ = ["Similarity", "ssim"]

RADIUS, SIGMA = 5, 1.5
"""The window of Wang et al. 2004: 11 x 11, Gaussian, sd 1.5 pixels."""
K1, K2 = 0.01, 0.03


@dataclass(frozen=True, eq=False)
class Similarity:
    """Structural similarity of pairs of images.

    Args:
        index: (...) the mean over an image, 1 for equal ones; a number for a single pair.
        map: (..., height - 10, width - 10) the index of every window.

    >>> Similarity(1.0, np.ones((1, 1))).index.item()
    1.0
    """

    index: NDArray[np.float64]
    map: NDArray[np.float64]

    def __post_init__(self):
        for name in ("index", "map"):
            object.__setattr__(self, name, frozen(getattr(self, name)))


def ssim(one: ArrayLike, other: ArrayLike, *, peak: float) -> Similarity:
    r"""Structural similarity of images, such as saliency maps of clean and of noisy frames.

        SSIM = (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 + C2))
        C1 = (0.01 L)^2,   C2 = (0.03 L)^2

    with means, variances and the covariance under a Gaussian window of 11 x 11 pixels, sd 1.5, at each place where it
    fits whole: luminance, contrast and structure with exponents 1 and C3 = C2 / 2. The index is its mean.

    Args:
        one, other: (..., height, width), at least 11 x 11, values 0 to peak.
        peak: L, the range of values: 255 as published, 1 for the maps of `visual_backprop`, which gives the same
            numbers as their 255-fold with 255. It has no default, since the wrong one is silently wrong.

    Returns: a Similarity.   Raises: ShapeError, or ArgumentError for values outside of 0 to peak.
    Source: Wang, Bovik, Sheikh & Simoncelli 2004, IEEE Trans. Image Process. 13, 600-612, section III; used on
        attention by Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652, figure 4b.

    >>> image = np.linspace(0, 1, 20 * 20).reshape(20, 20)
    >>> ssim(image, image, peak=1).index.item(), ssim(image, 1 - image, peak=1).index.item() < 0
    (1.0, True)
    """
    x, y = (np.asarray(values, np.float64) for values in (one, other))
    if isinstance(peak, bool) or not isinstance(peak, (int, float, np.number)) or not 0 < peak < np.inf:
        raise ArgumentError(f"peak is {peak!r}; it takes the largest value that a pixel can have, such as 255 or 1.")
    size = 2 * RADIUS + 1
    if x.shape != y.shape or x.ndim < 2 or min(x.shape[-2:]) < size:
        raise ShapeError(
            f"images have shapes {x.shape} and {y.shape}; ssim takes two of the same (..., height, width), at least "
            f"{size} x {size}."
        )
    for values in (x, y):
        if values.size and not (values.min() >= 0 and values.max() <= peak):
            raise ArgumentError(
                f"images hold values from {values.min():.3g} to {values.max():.3g}; with peak={peak:g} they take 0 to "
                f"{peak:g}."
            )
    # Two variances and a covariance of mean-free values: with the means in, digits cancel.
    centre = peak / 2
    mx, my, xx, yy, xy = (
        _windowed(values) for values in (x, y, (x - centre) ** 2, (y - centre) ** 2, (x - centre) * (y - centre))
    )
    vx, vy = np.maximum(xx - (mx - centre) ** 2, 0.0), np.maximum(yy - (my - centre) ** 2, 0.0)
    covariance = xy - (mx - centre) * (my - centre)
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    found = (2 * mx * my + c1) * (2 * covariance + c2) / ((mx**2 + my**2 + c1) * (vx + vy + c2))
    return Similarity(found.mean((-2, -1)), found)


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """(..., height - 10, width - 10) weighted means: the window is a product of two, one for each axis."""
    weight = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weight /= weight.sum()
    for axis in (-2, -1):
        n = values.shape[axis] - 2 * RADIUS
        parts = (w * np.take(values, np.arange(i, i + n), axis) for i, w in enumerate(weight))
        values = sum(parts, np.zeros(()))
    return values
