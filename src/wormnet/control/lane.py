"""Keeping a lane in front of a camera: our cars and roads, and a Gymnasium environment."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wormnet.control.camera import Camera, Looks, random_looks, render
from wormnet.control.cars import Cars, check_roads
from wormnet.control.road import Road, random_road
from wormnet.errors import ArgumentError, need, unknown
from wormnet.wiring import check

__all__ = ["DIFFICULTIES", "Car", "Difficulty", "Drive", "environment"]


@dataclass(frozen=True)
class Car:
    """A bicycle model of a car, told which curvature to drive.

        dx/dt = speed cos(heading)    dy/dt = speed sin(heading)    dheading/dt = speed curvature
        dcurvature/dt = (command - curvature) / lag,   at most `rate` fast

    Args:
        speed: m/s.   rate_hz: pictures and commands a second.   width: m.   sharpest: 1/m, the largest curvature.
        lag: s, of the steering.   rate: 1/(m s), how fast the curvature changes at most.
        delay: commands that are on their way from the picture to the wheels.

    Source: the speed and 30 pictures a second are those of Lechner et al. 2020, Nat. Mach. Intell. 2, 642; the other
    numbers are those of no car in particular.

    >>> Car().distance  # m from one picture to the next
    0.15
    """

    speed: float = 4.5
    rate_hz: float = 30.0
    width: float = 1.8
    sharpest: float = 0.2
    lag: float = 0.15
    rate: float = 0.6
    delay: int = 0

    def __post_init__(self):
        for one in ("speed", "rate_hz", "width", "sharpest", "lag", "rate"):
            value = getattr(self, one)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
                raise ArgumentError(f"{one} is {value!r}; it takes a number > 0.")
        if isinstance(self.delay, bool) or not isinstance(self.delay, int) or not 0 <= self.delay <= 100:
            raise ArgumentError(f"delay is {self.delay!r}; it takes a whole number of commands, 0 to 100.")

    @property
    def distance(self) -> float:
        """m from one picture to the next."""
        return self.speed / self.rate_hz


@dataclass(frozen=True)
class Difficulty:
    """How hard a road is: its bends, its looks, and what differs from the drives that were learned from.

    Args:
        radius: m, the sharpest and the widest bend.   hard_looks: worn lines, shadows, low sun.
        shift, yaw: m and rad; the camera sits up to this far off, drawn for each drive.   delay: of the car.
    """

    radius: tuple[float, float]
    hard_looks: float = 0.0
    shift: float = 0.0
    yaw: float = 0.0
    delay: int = 0


DIFFICULTIES = {
    "easy": Difficulty(radius=(25.0, 200.0)),
    "hard": Difficulty(radius=(12.0, 60.0), hard_looks=0.5, shift=0.25, yaw=0.04, delay=3),
}
"""By name."""


class Drive(Cars):
    """Cars on roads of our own, seen through a windscreen: what the environment and the driving test are made of.

    Args:
        difficulty: a name of `DIFFICULTIES`, or a Difficulty.   seeds: one for each car; each decides that car's road,
        looks and camera.   length: of the roads, m.   car, camera: what drives and what sees.

    A car so far off that a wheel leaves the road crashes: that is counted, and it is put back onto the centre line. At
    the end of its road a car is done and stays there.

    >>> drive = Drive("easy", seeds=[0, 1], length=100)
    >>> drive.pictures().shape
    (2, 48, 160, 1)
    >>> while not drive.done.all():
    ...     drive.step(drive.expert())
    >>> drive.crashes.tolist(), bool(drive.km.min() > 0.07)
    ([0, 0], True)
    """

    def __init__(
        self,
        difficulty: str | Difficulty = "easy",
        *,
        seeds: Sequence[int],
        length: float = 1000.0,
        car: Car | None = None,
        camera: Camera | None = None,
    ):
        if isinstance(difficulty, str):
            if difficulty not in DIFFICULTIES:
                raise ArgumentError(unknown("difficulty", difficulty, DIFFICULTIES))
            difficulty = DIFFICULTIES[difficulty]
        if not isinstance(difficulty, Difficulty):
            raise ArgumentError(f"difficulty is {difficulty!r}; it takes a name or a Difficulty.")
        check_roads(seeds, length)
        self.difficulty = difficulty
        self.car = dataclasses.replace(car or Car(), delay=(car or Car()).delay + difficulty.delay)
        roads: list[Road] = []
        self.looks: list[Looks] = []
        self.cameras: list[Camera] = []
        for seed in seeds:
            rng = check.generator(seed)
            of_road, of_looks = (int(rng.integers(2**31)) for _ in range(2))
            camera_now = camera or Camera()
            roads.append(random_road(length=length, radius=difficulty.radius, seed=of_road))
            self.looks.append(random_looks(hard=difficulty.hard_looks, seed=of_looks))
            self.cameras.append(
                dataclasses.replace(
                    camera_now,
                    shift=camera_now.shift + float(rng.uniform(-1, 1)) * difficulty.shift,
                    yaw=camera_now.yaw + float(rng.uniform(-1, 1)) * difficulty.yaw,
                )
            )
        super().__init__(roads, sharpest=self.car.sharpest, distance=self.car.distance, rate_hz=self.car.rate_hz)
        self.curvature = np.zeros(len(roads))
        self._waiting = np.zeros((len(roads), self.car.delay))

    @property
    def limit(self) -> NDArray[np.float64]:
        """(cars,) m from the centre line at which a wheel leaves the road."""
        return np.array([(road.width - self.car.width) / 2 for road in self.roads])

    def pictures(self) -> NDArray[np.float32]:
        """(cars, rows, columns, channels) from 0 to 1."""
        pairs = zip(self.roads, self.looks, self.cameras, self.x, self.y, self.heading, self.places)
        return np.stack(
            [render(road, looks, eye, x, y, to, near=place.along) for road, looks, eye, x, y, to, place in pairs]
        )

    def _drive(self, wanted: NDArray[np.float64], going: NDArray[np.bool_]) -> None:
        car = self.car
        if car.delay:
            wanted, self._waiting = self._waiting[:, 0], np.column_stack([self._waiting[:, 1:], wanted])
        seconds = 1 / car.rate_hz
        change = (wanted - self.curvature) * -math.expm1(-seconds / car.lag)
        self.curvature += np.where(going, np.clip(change, -car.rate * seconds, car.rate * seconds), 0.0)
        # Along an arc: the chord points to where the heading is half-way.
        turn = car.distance * self.curvature
        chord = car.distance * np.sinc(turn / (2 * np.pi))
        self.x += np.where(going, chord * np.cos(self.heading + turn / 2), 0.0)
        self.y += np.where(going, chord * np.sin(self.heading + turn / 2), 0.0)
        self.heading += np.where(going, turn, 0.0)
        self.km += np.where(going, car.distance / 1000, 0.0)

    def left_its_road(self, i: int) -> bool:
        """Whether a wheel of car i has."""
        return abs(self.places[i].offset) > (self.roads[i].width - self.car.width) / 2

    def _put(self, i: int, x: float, y: float, heading: float, bend: float | None) -> None:
        if bend is not None:
            self.curvature[i] = self._waiting[i] = bend


def environment(
    difficulty: str | Difficulty = "easy",
    *,
    length: float = 1000.0,
    car: Car | None = None,
    camera: Camera | None = None,
    noise: float = 0.0,
    render_mode: Literal["rgb_array"] | None = None,
) -> Any:
    """A Gymnasium environment of lane keeping.

    An observation is a picture (rows, columns, channels), float32 from 0 to 1; an action one number from -1 to 1, the
    curvature in shares of the sharpest that the car can do, > 0 to the left. The reward is 1 - (offset / limit)^2
    for every picture, and -10 for a crash, which ends the episode; so does the end of the road, as a truncation.
    `info` holds offset, turned, bend, km, and the expert's action.

    Args:
        difficulty: see `DIFFICULTIES`.   length: of the road, m.   car, camera: what drives and what sees.
        noise: variance sigma^2 of Gaussian noise added to every pixel, drawn from the environment's seed.

    Raises: ArgumentError as `Drive`; WormnetError if gymnasium is missing.

    >>> world = environment(length=100)
    >>> picture, info = world.reset(seed=1)
    >>> picture, reward, crashed, over, info = world.step([info["expert"]])
    >>> picture.shape, crashed, over
    ((48, 160, 1), False, False)
    """
    gymnasium = need("gymnasium", "gymnasium", "an environment", extra="control")
    if not 0 <= noise < math.inf:
        raise ArgumentError(f"noise is {noise!r}; it takes a variance, 0 or more.")
    if render_mode not in (None, "rgb_array"):
        raise ArgumentError(unknown("render_mode", render_mode, (None, "rgb_array")))
    eye, mode = camera or Camera(), render_mode

    class LaneKeeping(gymnasium.Env):
        metadata = {"render_modes": ["rgb_array"], "render_fps": round((car or Car()).rate_hz)}  # noqa: RUF012
        observation_space = gymnasium.spaces.Box(0.0, 1.0, (eye.rows, eye.columns, eye.channels), np.float32)
        action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)
        render_mode = mode
        drive: Drive | None = None

        def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
            super().reset(seed=seed)
            road = int(self.np_random.integers(2**31))
            self.drive = Drive(difficulty, seeds=[road], length=length, car=car, camera=eye)
            return self._seen(), self._info()

        def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            if self.drive is None:
                raise ArgumentError("the environment has not been reset; call reset() before step().")
            drive = self.drive
            command = np.asarray(action, np.float64).reshape(-1) * drive.car.sharpest
            before = int(drive.crashes[0])
            drive.step(command)
            crashed = int(drive.crashes[0]) > before
            reward = -10.0 if crashed else 1.0 - float(drive.offset[0] / drive.limit[0]) ** 2
            return self._seen(), reward, crashed, bool(drive.done[0]), self._info()

        def render(self) -> Any:
            if self.render_mode is None or self.drive is None:
                return None
            return (np.broadcast_to(self.drive.pictures()[0], (eye.rows, eye.columns, 3)) * 255).astype(np.uint8)

        def _seen(self) -> Any:
            assert self.drive is not None
            picture = self.drive.pictures()[0]
            if noise:
                drawn = self.np_random.normal(0.0, math.sqrt(noise), picture.shape)
                picture = np.clip(picture + drawn, 0.0, 1.0).astype(np.float32)
            return picture

        def _info(self) -> dict[str, Any]:
            drive = self.drive
            assert drive is not None
            return {
                "offset": float(drive.offset[0]),
                "turned": float(drive.turned[0]),
                "bend": float(drive.bend[0]),
                "km": float(drive.km[0]),
                "expert": float(drive.expert()[0] / drive.car.sharpest),
            }

    return LaneKeeping()
