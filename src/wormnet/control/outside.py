"""Worlds of others to keep a lane in: CarRacing-v3 of Gymnasium, and racetrack-v1 of highway-env."""

import contextlib
import importlib
import io
import math
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from wormnet.control.camera import LUMA, Camera
from wormnet.control.cars import Cars, check_roads
from wormnet.control.lane import DIFFICULTIES, Car, Difficulty, Drive
from wormnet.control.road import SPACING, Road
from wormnet.errors import ArgumentError, need, unknown
from wormnet.wiring import check

__all__ = ["OUTSIDE", "CarRacing", "Racetrack", "cars_on", "centre_line", "faster", "resized"]

Floats = NDArray[np.float64]
LONGEST = 1e5
"""m of road: many laps, each of whose points is held."""


def resized(picture: NDArray[Any], rows: int, columns: int) -> Floats:
    """A picture (h, w) or (h, w, channels) with other numbers of rows and columns: each pixel the mean of its area.

    >>> resized(np.array([[0.0, 1.0, 2.0], [4.0, 5.0, 6.0]]), 1, 2)
    array([[2.33333333, 3.66666667]])
    """
    down, across = _shares(rows, picture.shape[0]), _shares(columns, picture.shape[1])
    return np.asarray(np.tensordot(across, np.tensordot(down, picture, (1, 0)), (1, 1)).swapaxes(0, 1), np.float64)


@cache
def _shares(parts: int, of: int) -> Floats:
    """(parts, of): what each of `of` pixels side by side adds to the mean over each of `parts` equal parts of them."""
    ends, pixels = np.linspace(0, of, parts + 1)[:, None], np.arange(of)
    covered = np.clip(np.minimum(ends[1:], pixels + 1) - np.maximum(ends[:-1], pixels), 0, None)
    return covered * parts / of


def centre_line(points: Floats, *, smooth: float, start: float, length: float, width: float) -> Road:
    """A closed track as a road, lap after lap.

    The track's own points are joined by straight lines, and smoothed by two running means, which takes a bend of radius
    r inwards by about smooth^2 / (12 r).

    Args:
        points: (n, 2) m, in the order of driving; the last is joined to the first.   smooth: m, of a running mean.
        start: where on the lap the road begins, from 0 to 1.   length: of the road, m.   width: m.

    >>> angle = np.linspace(0, 2 * np.pi, 100, endpoint=False)
    >>> ring = np.stack([50 * np.cos(angle), 50 * np.sin(angle)], 1)
    >>> road = centre_line(ring, smooth=4.0, start=0.0, length=700, width=10)
    >>> road.length, float(road.curvature.mean().round(3))  # two laps and more, to the left
    (700.0, 0.02)
    """
    line = _even(points, 0.1)
    for _ in range(2):
        line = _running_mean(line, round(smooth / 0.1))
    line = _even(line, SPACING)
    ahead, behind = np.roll(line, -1, 0), np.roll(line, 1, 0)
    heading = np.unwrap(np.arctan2(*(ahead - behind).T[::-1]))
    around = 2 * math.pi * round((heading[-1] - heading[0]) / (2 * math.pi))
    curvature = (np.append(heading[1:], heading[0] + around) - np.append(heading[-1] - around, heading[:-1])) / 2
    n, first = round(length / SPACING) + 1, round(start * len(line))
    laps, at = np.divmod(first + np.arange(n), len(line))
    return Road(line[at, 0], line[at, 1], heading[at] + around * laps, curvature[at] / SPACING, width)


def _even(points: Floats, spacing: float) -> Floats:
    """Points of a closed line, evenly spaced by about that."""
    closed = np.concatenate([points, points[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(closed, axis=0).T))])
    at = np.linspace(0, along[-1], round(along[-1] / spacing), endpoint=False)
    return np.stack([np.interp(at, along, one) for one in closed.T], 1)


def _running_mean(points: Floats, window: int) -> Floats:
    half = window // 2
    padded = np.concatenate([points[-half:], points, points[:half]])
    sums = np.cumsum(np.concatenate([np.zeros((1, 2)), padded]), 0)
    return (sums[2 * half + 1 :] - sums[: -2 * half - 1]) / (2 * half + 1)


def _needed(module: str, package: str, world: str) -> Any:
    # pygame greets on the standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        return need(module, package, world, extra="outside")


class CarRacing(Cars):
    """CarRacing-v3 of Gymnasium: a track for each seed, seen from above, ahead is up.

    The car, its tyres and its engine are Box2D's; gas and brake hold its speed, and a command turns its front wheels so
    far that they would roll along that curvature. Box2D's unit of length counts as a metre: the car is 4.8 m long. It
    has left its road when a wheel has. The bar below the picture, with speed, steering and score, is cut off.

    Args:
        seeds: one for each car; each decides that car's track.   length: of the roads, m.
        camera: rows, columns and channels of the pictures; nothing else is taken of it.

    Raises: WormnetError if Gymnasium or Box2D is missing.
    """

    name: ClassVar[str] = "CarRacing-v3"
    speed: ClassVar[float] = 20.0
    """m/s"""
    frames: ClassVar[int] = 3
    """Steps of the world from one picture to the next; it takes 50 a second."""
    wheelbase, limit_angle, half_width = 3.24, 0.4, 1.38
    """m, rad and m, of gymnasium.envs.box2d.car_dynamics: WHEELPOS, the joints' limits, WHEELPOS + WHEEL_W."""

    def __init__(self, *, seeds: Sequence[int], length: float = 1000.0, camera: Camera | None = None):
        check_roads(seeds, length, LONGEST)
        self.camera, self.worlds, roads = camera or Camera(), [], []
        gymnasium = self.needed()
        racing = importlib.import_module("gymnasium.envs.box2d.car_racing")
        self._seconds = 1 / racing.FPS
        for seed in seeds:
            world = gymnasium.make(self.name, render_mode="state_pixels").unwrapped
            world.reset(seed=int(check.generator(seed).integers(2**31)))
            world.t = 1.0  # in the first second it zooms in
            self.worlds.append(world)
            points, width = np.array(world.track)[:, 2:], 2 * racing.TRACK_WIDTH
            roads.append(centre_line(points, smooth=7.0, start=0.0, length=length, width=width))
        sharpest, distance = math.tan(self.limit_angle) / self.wheelbase, self.speed * self.frames * self._seconds
        super().__init__(
            roads, sharpest=sharpest, distance=distance, rate_hz=racing.FPS / self.frames, ahead=self.speed * 0.5
        )
        for i in range(len(roads)):
            self.place(i, 0, 0.0, 0.0, float(roads[i].curvature[0]))

    @classmethod
    def needed(cls) -> Any:
        """What it is made by, or WormnetError."""
        _needed("Box2D", "gymnasium[box2d]", cls.name)
        _needed("pygame", "gymnasium[box2d]", cls.name)
        return _needed("gymnasium", "gymnasium[box2d]", cls.name)

    def pictures(self) -> NDArray[np.float32]:
        """(cars, rows, columns, channels) from 0 to 1."""
        return np.stack([_picture(world.render()[:84], self.camera) for world in self.worlds])

    def _drive(self, wanted: Floats, going: NDArray[np.bool_]) -> None:
        for i in np.flatnonzero(going):
            world = self.worlds[i]
            car = world.car
            for _ in range(self.frames):
                missing = self.speed - car.hull.linearVelocity.length
                # What step() of the environment does, but for drawing.
                car.steer(math.atan(wanted[i] * self.wheelbase))
                car.gas(min(max(0.2 * missing, 0.0), 1.0))
                car.brake(min(max(-0.1 * missing, 0.0), 0.5))
                car.step(self._seconds)
                world.world.Step(self._seconds, 180, 60)
            (x, y), before = car.hull.position, (self.x[i], self.y[i])
            self.x[i], self.y[i], self.heading[i] = x, y, car.hull.angle + math.pi / 2
            self.km[i] += math.dist((x, y), before) / 1000

    def left_its_road(self, i: int) -> bool:
        """Whether a wheel of car i has."""
        return abs(self.places[i].offset) > self.roads[i].width / 2 - self.half_width

    def _put(self, i: int, x: float, y: float, heading: float, bend: float | None) -> None:
        world = self.worlds[i]
        old = world.car
        steering = old.wheels[0].joint.angle if bend is None else math.atan(bend * self.wheelbase)
        world.car = car = type(old)(world.world, heading - math.pi / 2, x, y)
        old.destroy()
        ahead = (self.speed * math.cos(heading), self.speed * math.sin(heading))
        car.hull.linearVelocity = ahead
        for wheel in car.wheels:
            wheel.linearVelocity, wheel.omega = ahead, self.speed / wheel.wheel_rad
        car.steer(steering)


class Racetrack(Cars):
    """racetrack-v1 of highway-env: one track of two lanes, seen from above, ahead is up.

    The car is highway-env's bicycle model, alone on the track at its speed limit. Its lane, and where on the lap it
    begins, are drawn from its seed. It has left its road when highway-env says so: when its middle is on no lane.
    highway-env draws its map with north up; the picture is turned.

    Args:
        seeds: one for each car.   length: of the roads, m.
        camera: rows, columns and channels of the pictures, grey in any case; nothing else is taken of it.

    Raises: WormnetError if highway-env is missing.
    """

    name: ClassVar[str] = "racetrack-v1"
    speed: ClassVar[float] = 10.0
    """m/s"""
    rate: ClassVar[int] = 15
    """Steps of the world and pictures a second."""
    view: ClassVar[tuple[float, float, float]] = (24.0, 4.0, 16.0)
    """m ahead, behind and to either side."""
    pixels: ClassVar[int] = 4
    """For a metre."""

    def __init__(self, *, seeds: Sequence[int], length: float = 1000.0, camera: Camera | None = None):
        check_roads(seeds, length, LONGEST)
        self.camera, self.worlds, self._eyes, roads = camera or Camera(), [], [], []
        gymnasium = self.needed()
        observation = importlib.import_module("highway_env.envs.common.observation")
        side = 2 * math.ceil(self.pixels * math.hypot(self.view[0], self.view[2]))
        settings = {"other_vehicles": 0, "simulation_frequency": self.rate, "policy_frequency": self.rate}
        for seed in seeds:
            rng = check.generator(seed)
            lane, start = int(rng.integers(2)), float(rng.random())
            world = gymnasium.make(self.name, config=settings).unwrapped
            world.reset(seed=0)
            eye = observation.GrayscaleObservation(
                world, (side, side), 1, [*LUMA], scaling=self.pixels, centering_position=[0.5, 0.5]
            )
            eye.viewer.enabled = True  # with SDL_VIDEODRIVER=dummy it would draw nothing, and need no display here
            self.worlds.append(world)
            self._eyes.append(eye)
            roads.append(centre_line(_lap(world.road.network, lane), smooth=4.0, start=start, length=length, width=5.0))
        first = self.worlds[0]
        self._half_length = first.vehicle.LENGTH / 2
        sharpest = math.sin(math.atan(0.5 * math.tan(first.action_type.steering_range[1]))) / self._half_length
        super().__init__(
            roads, sharpest=sharpest, distance=self.speed / self.rate, rate_hz=self.rate, ahead=self.speed * 0.6
        )
        for i in range(len(roads)):
            self.place(i, 0, 0.0, 0.0, None)

    @classmethod
    def needed(cls) -> Any:
        """What it is made by, or WormnetError."""
        _needed("highway_env", "highway-env", cls.name)
        return _needed("gymnasium", "gymnasium", cls.name)

    def pictures(self) -> NDArray[np.float32]:
        """(cars, rows, columns, channels) from 0 to 1."""
        ahead, behind, aside = self.view
        step = 1 / self.pixels
        up, right = np.mgrid[ahead - step / 2 : -behind : -step, -aside + step / 2 : aside : step]
        found = []
        for eye, heading in zip(self._eyes, self.heading):
            drawn = eye.observe()[-1].T
            # highway-env's y goes down, as rows do: to the right of the car's way is (-sin, cos) of its heading there.
            cos, sin, middle = math.cos(-heading), math.sin(-heading), len(drawn) / 2
            column = np.floor(middle + self.pixels * (up * cos - right * sin)).astype(int)
            row = np.floor(middle + self.pixels * (up * sin + right * cos)).astype(int)
            found.append(_picture(drawn[row, column], self.camera))
        return np.stack(found)

    def _drive(self, wanted: Floats, going: NDArray[np.bool_]) -> None:
        for i in np.flatnonzero(going):
            world = self.worlds[i]
            # Its angle that makes the wheels roll along that curvature; to the right is > 0 there.
            angle = math.atan(2 * math.tan(math.asin(-wanted[i] * self._half_length)))
            # What step() of the environment does, but for drawing.
            world.action_type.act(np.array([angle / world.action_type.steering_range[1]]))
            world.road.act()
            world.road.step(1 / self.rate)
            self.x[i], self.y[i] = world.vehicle.position[0], -world.vehicle.position[1]
            self.heading[i] = -world.vehicle.heading
            self.km[i] += world.vehicle.speed / self.rate / 1000

    def left_its_road(self, i: int) -> bool:
        """Whether car i has, as highway-env has it."""
        return not self.worlds[i].vehicle.on_road

    def _put(self, i: int, x: float, y: float, heading: float, bend: float | None) -> None:
        # Its wheels turn at once, so that what they were turned to does not matter.
        vehicle = self.worlds[i].vehicle
        vehicle.position, vehicle.heading, vehicle.speed = np.array([x, -y]), -heading, self.speed
        vehicle.on_state_update()


def _lap(network: Any, lane: int) -> Floats:
    """(n, 2) points of a lap along one of the lanes of a network whose roads are a ring; y goes up."""
    first = here = next(iter(network.graph))
    points, ways = [], []
    while True:
        (onward,) = network.graph[here]
        one = network.get_lane((here, onward, lane))
        for along in np.arange(0.0, one.length, SPACING):
            heading = one.heading_at(along)
            points.append(one.position(along, 0.0) * (1, -1))
            ways.append(np.array([math.cos(heading), -math.sin(heading)]))
        here = onward
        if here == first:
            break
    # Some pieces begin before the end of the one before: what would lead back is left out.
    kept = [points[0]]
    for point, way in zip(points[1:], ways[1:]):
        if (point - kept[-1]) @ way > 0:
            kept.append(point)
    while (points[0] - kept[-1]) @ ways[0] <= 0:
        kept.pop()
    return np.array(kept)


def _picture(picture: NDArray[Any], camera: Camera) -> NDArray[np.float32]:
    """(rows, columns, channels) from 0 to 1 of a picture (h, w) or (h, w, 3) from 0 to 255."""
    small = resized(picture, camera.rows, camera.columns) / 255
    if small.ndim == 3 and camera.channels == 1:
        small = small @ LUMA
    if small.ndim == 2:
        small = np.repeat(small[..., None], camera.channels, 2)
    return small.astype(np.float32)


OUTSIDE: dict[str, type[CarRacing] | type[Racetrack]] = {one.name: one for one in (CarRacing, Racetrack)}
"""By the name that Gymnasium knows them by."""


def faster(where: str) -> float:
    """How many times as fast as on our road cars drive there; so much longer are its roads.

    >>> faster("easy"), faster("CarRacing-v3")
    (1.0, 4.444444444444445)
    """
    return OUTSIDE[where].speed / Car().speed if where in OUTSIDE else 1.0


def cars_on(
    where: str | Difficulty, *, seeds: Sequence[int], length: float = 1000.0, camera: Camera | None = None
) -> Cars:
    """Cars on our own road, by its difficulty, or in a world of `OUTSIDE`; arguments as those of `Drive`.

    Raises: ArgumentError for an unknown name, no seeds, or a length that cannot be; WormnetError that says how to
        install what a world needs.

    >>> cars_on("hard", seeds=[1], length=60).distance
    0.15
    """
    if isinstance(where, str) and where not in (*DIFFICULTIES, *OUTSIDE):
        raise ArgumentError(unknown("world", where, (*DIFFICULTIES, *OUTSIDE)))
    if isinstance(where, str) and where in OUTSIDE:
        return OUTSIDE[where](seeds=seeds, length=length, camera=camera)
    return Drive(where, seeds=seeds, length=length, camera=camera)
