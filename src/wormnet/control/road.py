"""Roads to keep a lane on: a centre line of bends and straights, and where a car is on it."""

import math
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wormnet.errors import ArgumentError
from wormnet.wiring import check

__all__ = ["SPACING", "Place", "Road", "nearest", "random_road"]

SPACING = 0.5
"""m between two points of a centre line."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Road:
    """A road by its centre line: points every `SPACING` metres, and what holds at each.

    Args:
        x, y: (n,) m.   heading: (n,) rad, anticlockwise from the x axis.   curvature: (n,) 1/m, > 0 to the left.
        width: m, from edge to edge.

    Raises: ArgumentError for arrays of unequal length or fewer than two points, or a width that is not > 0.

    >>> straight = Road(np.arange(3) * SPACING, np.zeros(3), np.zeros(3), np.zeros(3), width=4.0)
    >>> straight.length
    1.0
    """

    x: Floats
    y: Floats
    heading: Floats
    curvature: Floats
    width: float = 4.0

    def __post_init__(self):
        for name in ("x", "y", "heading", "curvature"):
            array = np.array(getattr(self, name), np.float64)
            if array.ndim != 1 or len(array) < 2 or len(array) != len(self.x) or not np.isfinite(array).all():
                raise ArgumentError(
                    f"{name} has shape {array.shape}; a road takes x, y, heading and curvature of one length, two "
                    "points or more, all finite."
                )
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if not 0 < self.width < math.inf:
            raise ArgumentError(f"width is {self.width!r}; it takes a number of metres > 0.")

    @property
    def length(self) -> float:
        """Metres along the centre line."""
        return (len(self.x) - 1) * SPACING

    def locate(self, x: float, y: float, near: float = 0.0) -> "Place":
        """Where a point lies, beside the stretch of road around `near`, metres along it.

        >>> straight = Road(np.arange(9) * SPACING, np.zeros(9), np.zeros(9), np.zeros(9))
        >>> straight.locate(2.2, 1.0)
        Place(along=2.2, offset=1.0, heading=0.0, curvature=0.0)
        """
        return Place(*_locate(self.x, self.y, self.heading, self.curvature, x, y, round(near / SPACING)))


@dataclass(frozen=True)
class Place:
    """A point beside a road: metres along it and to the left of its centre line, and the road's direction there."""

    along: float
    offset: float
    heading: float
    curvature: float


def random_road(
    *, length: float = 1000.0, radius: tuple[float, float] = (25.0, 200.0), width: float = 4.0, seed: int = 0
) -> Road:
    """A road of bends and straights, drawn at random.

    One stretch in four is straight, the others bend left or right with a radius drawn log-uniformly; a stretch is 15 to
    60 m long, and no bend turns by more than 120 degrees. The curvature goes linearly from one stretch's to the next
    over 10 m, as on roads that are built (clothoids). Nothing keeps a road from crossing itself; what is
    drawn of it, and where a car is, is told from the stretch that it is on.

    Args:
        length: m.   radius: smallest and largest, m.   width: m.   seed: same seed, same road.

    Raises: ArgumentError for numbers that cannot be.

    >>> road = random_road(length=200, seed=1)
    >>> road.length, bool(abs(road.curvature).max() <= 1 / 25)
    (200.0, True)
    """
    if not 0 < length <= 1e5:
        raise ArgumentError(f"length is {length!r}; it takes metres, more than 0 and at most 100,000.")
    if not (len(radius) == 2 and 0 < radius[0] <= radius[1] < math.inf):
        raise ArgumentError(f"radius is {radius!r}; it takes the smallest and the largest in metres.")
    rng = check.generator(seed)
    n = round(length / SPACING) + 1
    targets: list[float] = []
    # The first 20 m are straight, so that a car at rest on the centre line starts in the right direction.
    stretch, bend = 20.0, 0.0
    while len(targets) < n:
        targets += [bend] * round(stretch / SPACING)
        stretch, bend = float(rng.uniform(15.0, 60.0)), 0.0
        if rng.random() >= 0.25:
            drawn = math.exp(rng.uniform(*np.log(radius)))
            bend = float(rng.choice([-1.0, 1.0])) / drawn
            stretch = min(stretch, 2 / 3 * math.pi * drawn)
    window = round(10.0 / SPACING)
    padded = np.concatenate([np.zeros(window - 1), targets[:n]])
    curvature = np.convolve(padded, np.full(window, 1 / window), mode="valid")
    # The middle of each piece of SPACING decides where it leads.
    turned = SPACING * (curvature[1:] + curvature[:-1]) / 2
    heading = np.concatenate([[0.0], np.cumsum(turned)])
    middle = (heading[1:] + heading[:-1]) / 2
    x, y = (np.concatenate([[0.0], np.cumsum(SPACING * part)]) for part in (np.cos(middle), np.sin(middle)))
    return Road(x, y, heading, curvature, width)


@njit(cache=True, nogil=True)
def nearest(xs, ys, x, y, start):
    """The point of a centre line that is nearest to (x, y), found by walking downhill from point `start`."""
    i = min(max(start, 0), len(xs) - 1)
    best = (xs[i] - x) ** 2 + (ys[i] - y) ** 2
    for step in (1, -1):
        j = i + step
        while 0 <= j < len(xs):
            far = (xs[j] - x) ** 2 + (ys[j] - y) ** 2
            if far >= best:
                break
            best, i = far, j
            j += step
    return i


@njit(cache=True, nogil=True)
def _locate(xs, ys, headings, curvatures, x, y, start):
    i = nearest(xs, ys, x, y, start)
    cos, sin = np.cos(headings[i]), np.sin(headings[i])
    dx, dy = x - xs[i], y - ys[i]
    ahead, left = dx * cos + dy * sin, dy * cos - dx * sin
    # A bend's centre line leaves its tangent by ahead^2 curvature / 2.
    offset = left - 0.5 * ahead * ahead * curvatures[i]
    return i * SPACING + ahead, offset, headings[i] + ahead * curvatures[i], curvatures[i]
