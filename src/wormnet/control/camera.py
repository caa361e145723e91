"""What a camera behind the windscreen sees of a road: inverse perspective, no graphics library, no display."""

import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wormnet.control.road import SPACING, Road, nearest
from wormnet.errors import ArgumentError
from wormnet.wiring import check

__all__ = ["LUMA", "Camera", "Looks", "random_looks", "render"]

LUMA = (0.299, 0.587, 0.114)
"""What red, green and blue add to grey: ITU-R BT.601."""


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: where it is in the car, which way it looks, and how many pixels it has.

    Args:
        height: m above the road.   pitch: rad, > 0 down.   yaw: rad, > 0 to the left.   shift: m to the left of the
        car's middle.   view: rad, horizontal field of view.   rows, columns: pixels.   channels: 1 (grey) or 3 (RGB).

    Raises: ArgumentError that names the number that cannot be.

    >>> Camera(channels=2)
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: channels is 2; it takes 1 (grey) or 3 (RGB).
    """

    height: float = 1.3
    pitch: float = 0.14
    yaw: float = 0.0
    shift: float = 0.0
    view: float = 1.4
    rows: int = 48
    columns: int = 160
    channels: int = 1
    _rays: NDArray[np.float64] = field(init=False, repr=False, compare=False)

    def __post_init__(self):
        if self.channels not in (1, 3):
            raise ArgumentError(f"channels is {self.channels!r}; it takes 1 (grey) or 3 (RGB).")
        for name, low, high in (
            ("height", 0.1, 100.0),
            ("pitch", -1.5, 1.5),
            ("yaw", -1.5, 1.5),
            ("shift", -10.0, 10.0),
            ("view", 0.1, 3.0),
            ("rows", 1, 4096),
            ("columns", 1, 4096),
        ):
            if not low <= getattr(self, name) <= high:
                raise ArgumentError(f"{name} is {getattr(self, name)!r}; it takes {low} to {high}.")
        object.__setattr__(self, "_rays", self._ground())

    @property
    def rays(self) -> NDArray[np.float64]:
        """(rows, columns, 2), m ahead and to the left: where a pixel's ray meets flat ground; inf above the horizon."""
        return self._rays

    def _ground(self) -> NDArray[np.float64]:
        focal = self.columns / 2 / math.tan(self.view / 2)
        left = ((self.columns - 1) / 2 - np.arange(self.columns))[None, :] / focal
        up = ((self.rows - 1) / 2 - np.arange(self.rows))[:, None] / focal
        ahead = math.cos(self.pitch) + up * math.sin(self.pitch)
        falls = math.sin(self.pitch) - up * math.cos(self.pitch)
        far = self.height / np.maximum(falls, 1e-9)
        cos, sin = math.cos(self.yaw), math.sin(self.yaw)
        rays = np.full((self.rows, self.columns, 2), np.inf)
        seen = np.broadcast_to(falls > 1e-9, rays.shape[:2])
        forward, sideways = far * (ahead * cos - left * sin), far * (ahead * sin + left * cos)
        rays[seen, 0], rays[seen, 1] = forward[seen], sideways[seen] + self.shift
        rays.setflags(write=False)
        return rays


@dataclass(frozen=True)
class Looks:
    """Surfaces and light of a drive; brightness from 0 to 1.

    Args:
        road, verge, line, sky: RGB.   texture: of road and verge, relative.   wear: share of the lines that is gone.
        shadow: how dark the shadows on the road are, 0 to 1.   sun: rad, to the left of the x axis.
        glare: of the sun, 0 to 1.   light: gain of the camera.   haze: 1/m.   seed: of texture, wear and shadows.
    """

    road: tuple[float, float, float] = (0.36, 0.36, 0.38)
    verge: tuple[float, float, float] = (0.30, 0.42, 0.20)
    line: tuple[float, float, float] = (0.92, 0.92, 0.90)
    sky: tuple[float, float, float] = (0.65, 0.78, 0.92)
    texture: float = 0.1
    wear: float = 0.0
    shadow: float = 0.0
    sun: float = 0.0
    glare: float = 0.0
    light: float = 1.0
    haze: float = 0.0
    seed: int = 0

    def __post_init__(self):
        for one in fields(self):
            value = getattr(self, one.name)
            numbers = np.asarray(value, np.float64)
            shape = (3,) if one.name in ("road", "verge", "line", "sky") else ()
            if numbers.shape != shape or not np.isfinite(numbers).all() or (one.name != "sun" and (numbers < 0).any()):
                takes = "three numbers, red, green and blue," if shape else "a number"
                raise ArgumentError(f"{one.name} is {value!r}; it takes {takes} of 0 or more.")


def random_looks(*, hard: float = 0.0, seed: int = 0) -> Looks:
    """Surfaces and light, drawn at random: gentle, or hard: worn lines, deep shadows, low sun, a verge like the road.

    Args: hard: from 0, gentle, to 1; in between, the ranges that are drawn from are as far on the way from one to the
        other.   seed: same seed, same looks.

    >>> random_looks(seed=1) == random_looks(seed=1), random_looks(hard=1).shadow > random_looks().shadow
    (True, True)
    """
    if not 0 <= hard <= 1:
        raise ArgumentError(f"hard is {hard!r}; it takes 0, gentle, to 1.")
    rng = check.generator(seed)

    def drawn(gentle: tuple[float, float], harder: tuple[float, float]) -> float:
        low, high = ((1 - hard) * one + hard * other for one, other in zip(gentle, harder))
        return float(rng.uniform(low, high))

    tone = rng.uniform(0.28, 0.42)
    tint = rng.uniform(0.97, 1.03, 3)
    near = rng.uniform(0.0, 0.8 * hard) if hard else 0.0  # how much of the road's own tone the verge has
    green, sky = np.array([0.30, 0.42, 0.20]) * rng.uniform(0.7, 1.3), np.array([0.65, 0.78, 0.92])

    def colour(rgb: Any) -> tuple[float, float, float]:
        red, green, blue = (float(round(one, 4)) for one in np.clip(rgb, 0, 1))
        return red, green, blue

    return Looks(
        road=colour(tone * tint),
        verge=colour((1 - near) * green + near * tone * np.array([1.1, 1.0, 0.9])),
        line=colour(rng.uniform(0.75, 0.95) * np.array([1.0, 1.0, rng.uniform(0.8, 1.0)])),
        sky=colour(sky * rng.uniform(0.6, 1.05)),
        texture=drawn((0.05, 0.15), (0.15, 0.35)),
        wear=drawn((0.0, 0.15), (0.3, 0.8)),
        shadow=drawn((0.0, 0.2), (0.45, 0.75)),
        sun=float(rng.uniform(-math.pi, math.pi)),
        glare=drawn((0.0, 0.1), (0.2, 0.9)),
        light=drawn((0.9, 1.1), (0.5, 1.4)),
        haze=drawn((0.0, 0.005), (0.005, 0.03)),
        seed=int(rng.integers(2**31)),
    )


def render(
    road: Road, looks: Looks, camera: Camera, x: float, y: float, heading: float, *, near: float = 0.0
) -> NDArray[np.float32]:
    """(rows, columns, channels) from 0 to 1: the picture of a car's camera.

    Args:
        x, y, heading: of the car, m and rad.   near: about where on the road it is, metres along it.

    >>> from wormnet.control.road import random_road
    >>> picture = render(random_road(seed=1), Looks(), Camera(), 0.0, 0.0, 0.0)
    >>> picture.shape, bool(0 <= picture.min() and picture.max() <= 1)
    ((48, 160, 1), True)
    """
    picture = np.empty((camera.rows, camera.columns, camera.channels), np.float32)
    colours = np.array([looks.road, looks.verge, looks.line, looks.sky])
    if camera.channels == 1:
        colours = colours @ np.array(LUMA)[:, None]
    surface = (looks.texture, looks.wear, looks.shadow)
    light = (looks.sun, looks.glare, looks.light, looks.haze, camera.view, camera.yaw)
    _render(
        picture, road.x, road.y, road.heading, road.curvature, road.width, colours, surface, light, looks.seed,
        camera.rays, x, y, heading, round(near / SPACING),
    )  # fmt: skip
    return picture


LINE, DASH, GAP = 0.15, 3.0, 4.5
"""m: width of the lines along both edges; the right one is broken into dashes and gaps."""


@njit(cache=True, nogil=True, inline="always")
def _hash(i, j, seed):
    """A number from 0 to 1 for each point of a grid."""
    h = np.uint32(i) * np.uint32(374761393) + np.uint32(j) * np.uint32(668265263) + np.uint32(seed) * np.uint32(974711)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(1274126177)
    return np.float64((h ^ (h >> np.uint32(16))) & np.uint32(0xFFFFFF)) / 16777216.0


@njit(cache=True, nogil=True)
def _noise(x, y, seed):
    """Smooth noise from 0 to 1: random numbers on a grid of unit width, interpolated."""
    i, j = np.floor(x), np.floor(y)
    a, b = x - i, y - j
    a, b = a * a * (3 - 2 * a), b * b * (3 - 2 * b)
    p, q = np.int64(i), np.int64(j)
    low = _hash(p, q, seed) * (1 - a) + _hash(p + 1, q, seed) * a
    high = _hash(p, q + 1, seed) * (1 - a) + _hash(p + 1, q + 1, seed) * a
    return low * (1 - b) + high * b


@njit(cache=True, nogil=True, inline="always")
def _covered(inside, blur):
    """Share of a pixel of this size that is inside of an edge, by how far its middle is."""
    return min(max(0.5 + inside / blur, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _render(picture, xs, ys, headings, curvatures, width, colours, surface, light, seed, rays, x, y, heading, start):
    texture, wear, shadow = surface
    sun, glare, gain, haze, view, yaw = light
    rows, columns, channels = picture.shape
    cos, sin = np.cos(heading), np.sin(heading)
    pixel = view / columns
    row_start = start
    # The sun's lobe is a product of what rows and columns have.
    shine = np.zeros(columns)
    for column in range(columns if glare > 0 else 0):
        bearing = (columns / 2 - column - 0.5) * pixel + yaw + heading - sun
        bearing -= 2 * np.pi * np.round(bearing / (2 * np.pi))
        shine[column] = glare * np.exp(-bearing * bearing / 0.18)
    # From the nearest row to the horizon: each pixel finds its piece of road beside its neighbour's.
    for row in range(rows - 1, -1, -1):
        at = row_start
        height = (row - 0.25 * rows) * pixel
        lobe = np.exp(-height * height / 0.18)
        for column in range(columns):
            ahead, left = rays[row, column, 0], rays[row, column, 1]
            away = np.sqrt(ahead * ahead + left * left)
            if not away < 120.0:
                for channel in range(channels):
                    picture[row, column, channel] = colours[3, channel]
            else:
                px, py = x + ahead * cos - left * sin, y + ahead * sin + left * cos
                at = nearest(xs, ys, px, py, at)
                if column == 0:
                    row_start = at
                c, s = np.cos(headings[at]), np.sin(headings[at])
                dx, dy = px - xs[at], py - ys[at]
                along = dx * c + dy * s
                offset = dy * c - dx * s - 0.5 * along * along * curvatures[at]
                along += at * 0.5
                blur = max(0.02, away * pixel)
                on_road = _covered(0.5 * width - abs(offset), blur)
                fine = max(0.0, 1.0 - blur / 0.3)
                grain = 0.6 * (_noise(0.35 * px, 0.35 * py, seed) - 0.5)
                if fine > 0:
                    grain += fine * (_noise(4 * px, 4 * py, seed + 1) - 0.5)
                painted = _covered(0.5 * LINE - abs(abs(offset) - 0.5 * width + LINE), blur)
                if offset < 0 and np.fmod(along, DASH + GAP) > DASH:
                    painted = 0.0
                if painted > 0 and wear > 0:
                    side = 1.0 if offset > 0 else -1.0
                    painted *= _covered(_noise(0.7 * along, 7.0 * side, seed + 2) - wear, 0.2)
                dark = 1.0
                if shadow > 0:
                    dark -= shadow * _covered(_noise(0.15 * px + 0.05 * py, 0.25 * py, seed + 3) - 0.55, 0.06)
                fog = 1.0 - np.exp(-haze * away)
                for channel in range(channels):
                    ground = colours[1, channel] + on_road * (colours[0, channel] - colours[1, channel])
                    ground *= 1.0 + texture * 2 * grain
                    ground += painted * (colours[2, channel] - ground)
                    ground *= dark
                    picture[row, column, channel] = ground + fog * (colours[3, channel] - ground)
            for channel in range(channels):
                seen = gain * (picture[row, column, channel] + lobe * shine[column])
                picture[row, column, channel] = min(max(seen, 0.0), 1.0)
