"""Cars on roads, side by side: what recordings and the driving test need of a world, ours or another's."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.control.road import SPACING, Place, Road
from wormnet.errors import ArgumentError, ShapeError

__all__ = ["Cars", "check_roads", "pure_pursuit"]


def pure_pursuit(place: Place, heading: float, *, ahead: float = 6.0) -> float:
    """The curvature that brings a car to the centre line `ahead` metres on: the expert.

        curvature = 2 left / ahead^2,   left: how far to the left of the car's axis the target is

    Source: Coulter 1992, CMU-RI-TR-92-01. The road ahead is taken to bend as it does where the car is.

    >>> pure_pursuit(Place(along=0.0, offset=0.0, heading=0.0, curvature=0.1), heading=0.0)
    0.1
    """
    turn = place.heading - heading
    # The target beside the car's place: on the arc, `ahead` metres along the road.
    left = -place.offset * math.cos(turn) + ahead * math.sin(turn) + 0.5 * place.curvature * ahead**2 * math.cos(turn)
    return 2 * left / ahead**2


def check_roads(seeds: Sequence[int], length: float, most: float = math.inf) -> None:
    """Raise ArgumentError without seeds, or for a length in m that no road to drive on has."""
    if not len(seeds):
        raise ArgumentError("seeds is empty; it takes one for each car.")
    if not 30 <= length <= most:
        takes = "30 m or more" if most == math.inf else f"30 m to {most:,.0f} m"
        raise ArgumentError(f"length is {length!r}; a road to drive on takes {takes}.")


class Cars(ABC):
    """One or many cars, each on its road. A world says how they move, what they see, and when one has left its road.

    A car that leaves its road crashes: that is counted, and it is put back onto the centre line. Near the end of its
    road a car is done and stays there.

    Args:
        roads: one for each car.   sharpest: 1/m, the largest curvature that can be commanded.
        distance: m from one picture to the next.   rate_hz: pictures a second.
        ahead: m, how far ahead the expert looks.
    """

    def __init__(self, roads: Sequence[Road], *, sharpest: float, distance: float, rate_hz: float, ahead: float = 6.0):
        self.roads, n = list(roads), len(roads)
        self.sharpest, self.distance, self.rate_hz, self.ahead = sharpest, distance, rate_hz, ahead
        self.x, self.y, self.heading, self.km = (np.zeros(n) for _ in range(4))
        self.crashes, self.done = np.zeros(n, np.int64), np.zeros(n, np.bool_)
        self.places = [road.locate(0.0, 0.0) for road in self.roads]

    @abstractmethod
    def pictures(self) -> NDArray[np.float32]:
        """(cars, rows, columns, channels) from 0 to 1."""

    @abstractmethod
    def _drive(self, wanted: NDArray[np.float64], going: NDArray[np.bool_]) -> None:
        """Move the cars that are going, in x, y, heading and km, on to the next picture; curvatures are in bounds."""

    @abstractmethod
    def left_its_road(self, i: int) -> bool:
        """Whether car i, whose place is known, has."""

    @abstractmethod
    def _put(self, i: int, x: float, y: float, heading: float, bend: float | None) -> None:
        """Put car i there, at its speed, steering along a bend of that curvature; None: as it steers now."""

    @property
    def offset(self) -> NDArray[np.float64]:
        """(cars,) m to the left of the centre line."""
        return np.array([place.offset for place in self.places])

    @property
    def turned(self) -> NDArray[np.float64]:
        """(cars,) rad between a car's direction and its road's, > 0 to the left."""
        return np.array([heading - place.heading for heading, place in zip(self.heading, self.places)])

    @property
    def bend(self) -> NDArray[np.float64]:
        """(cars,) 1/m, curvature of the road where the car is."""
        return np.array([place.curvature for place in self.places])

    def expert(self) -> NDArray[np.float64]:
        """(cars,) 1/m, what pure pursuit commands, within what the car can do. It knows nothing of a delay."""
        wanted = [pure_pursuit(place, to, ahead=self.ahead) for place, to in zip(self.places, self.heading)]
        return np.clip(wanted, -self.sharpest, self.sharpest)

    def step(self, commands: ArrayLike) -> None:
        """Drive on to the next picture.

        Args: commands: (cars,) curvatures in 1/m, > 0 to the left; what the car cannot do is cut off.
        Raises: ShapeError for another number of commands, ArgumentError if one is not finite; no car has moved then.
        """
        wanted = np.asarray(commands, np.float64)
        if wanted.shape != self.x.shape:
            raise ShapeError(f"commands has shape {wanted.shape}; it takes one for each car: {self.x.shape}.")
        if not np.isfinite(wanted).all():
            raise ArgumentError(f"commands holds {wanted[~np.isfinite(wanted)][0]}; it takes finite curvatures in 1/m.")
        going = ~self.done
        self._drive(np.clip(wanted, -self.sharpest, self.sharpest), going)
        for i in np.flatnonzero(going):
            road = self.roads[i]
            self.places[i] = road.locate(self.x[i], self.y[i], self.places[i].along)
            if self.left_its_road(int(i)):
                self.crashes[i] += 1
                k = self._point(int(i))
                self.place(int(i), k, 0.0, 0.0, float(road.curvature[k]))
            # The last metres of a road have nothing in front of them to see.
            self.done[i] = self.places[i].along > road.length - 25.0

    def disturb(self, offset: ArrayLike, turned: ArrayLike) -> None:
        """Put the cars beside the centre line, so that there is something to recover from.

        Args: offset: (cars,) m to the left.   turned: (cars,) rad to the left of the road's direction.
        """
        for i, (aside, turn) in enumerate(zip(*np.broadcast_arrays(offset, turned, self.x)[:2])):
            self.place(i, self._point(i), float(aside), float(turn), None)

    def _point(self, i: int) -> int:
        """The number of the point of its centre line that car i is beside."""
        return int(np.clip(round(self.places[i].along / SPACING), 0, len(self.roads[i].x) - 1))

    def place(self, i: int, k: int, aside: float, turn: float, bend: float | None) -> None:
        """Put car i beside point k of its centre line.

        Args: aside: m to the left.   turn: rad to the left of the road's direction.   bend: 1/m, the curvature that
            it steers along; None: as it steers now.
        """
        road, to = self.roads[i], self.roads[i].heading[k]
        self.x[i], self.y[i] = road.x[k] - aside * math.sin(to), road.y[k] + aside * math.cos(to)
        self.heading[i] = to + turn
        self._put(i, float(self.x[i]), float(self.y[i]), float(self.heading[i]), bend)
        self.places[i] = road.locate(self.x[i], self.y[i], k * SPACING)
