"""What a policy feels and does: quantities onto sensory cells, motor neurons onto actions, as two small kernels.

Potentials are those of `Units()`: 0 is -70 mV, a cell at rest, and 1 is -20 mV, one that feels or does all it can.
Pairs of cells are `SensoryMap` and `MotorMap` of `wormnet.wiring`; here are single cells, learned projections, and what
an agent that was trained by gradient has on its ends.

Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, with its supplement ("paper") and published program ("code").
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import ArgumentError, shown, unknown
from wormnet.wiring import MotorMap, SensoryMap
from wormnet.wiring.biophysics import MODES, Units
from wormnet.wiring.core import Wiring

__all__ = [
    "FEELS",
    "MOVES",
    "Choice",
    "MotorCell",
    "Motors",
    "Projection",
    "Senses",
    "SensoryCell",
    "Standardised",
    "Within",
    "listed",
    "make",
    "sense",
]

Array = NDArray[np.float64]


MOST_FIRST = 2**20
"""So that single precision, which programs in C have, tells all actions of a `Choice`."""
MOST_WIDTH = 2**20
"""Of a projection: a file that claims more would fill the memory before it was found out."""


@dataclass(frozen=True)
class SensoryCell:
    """One sensory cell that feels one quantity x.

        v = -70 + 50 (x - low) / (high - low)   (mV)

    Attributes:
        cell: its name.   low, high: the values of x at which it is at -70 and at -20 mV.
        mode: "paper", v stays between the two; "code", it may leave them, as in the published program.

    >>> SensoryCell("PVD", low=0.0, high=1.0)
    SensoryCell(cell='PVD', low=0.0, high=1.0, mode='paper')
    """

    cell: str
    low: float
    high: float
    mode: str = "paper"

    def __post_init__(self):
        _prove_cell(self)


@dataclass(frozen=True)
class Standardised:
    """One input that is given a quantity x in deviations from its mean, no more than so many.

        input = min(max((x - mean) / deviation, -most), most)

    Attributes: cell: the input's name.   mean, deviation: of the quantity.   most: how many deviations.

    >>> Standardised("angle", mean=0.1, deviation=0.2)
    Standardised(cell='angle', mean=0.1, deviation=0.2, most=10.0)
    """

    cell: str
    mean: float
    deviation: float
    most: float = 10.0

    def __post_init__(self):
        _check_name(self.cell)
        # Below the smallest its inverse leaves double precision.
        for name, least in (("mean", -math.inf), ("deviation", 1e-300), ("most", 0.0)):
            given = getattr(self, name)
            number = _number(given)
            if not least < number < math.inf:
                above = {-math.inf: "", 0.0: " > 0"}.get(least, f" > {least:g}")
                raise ArgumentError(f"{name} is {shown(given)}; it takes a finite number{above}.")
            object.__setattr__(self, name, number)


@dataclass(frozen=True)
class Within:
    """Last among the moves: each number of the action is kept within bounds, those of a space Box.

    Attributes: low, high: of each number; -inf and inf are none.

    >>> Within([-1.0], [1.0])
    Within(low=(-1.0,), high=(1.0,))
    """

    low: Sequence[float]
    high: Sequence[float]

    def __post_init__(self):
        for name in ("low", "high"):
            given = getattr(self, name)
            if not isinstance(given, (list, tuple, np.ndarray)) or any(math.isnan(_number(one)) for one in given):
                raise ArgumentError(f"{name} is {shown(given)}; it takes a list of numbers.")
            object.__setattr__(self, name, tuple(_number(one) for one in given))
        good = all(low <= high and low < math.inf and high > -math.inf for low, high in zip(self.low, self.high))
        if len(self.low) != len(self.high) or not good:
            raise ArgumentError(f"low is {shown(self.low)} and high {shown(self.high)}; it takes low <= high of each.")


@dataclass(frozen=True)
class Choice:
    """Last among the moves: the action is which of the numbers is largest, as of a space Discrete.

    Attributes: first: the action if the first number is largest; the next for the second, and so on.

    >>> Choice()
    Choice(first=0)
    """

    first: int = 0

    def __post_init__(self):
        whole = isinstance(self.first, (int, np.integer)) and not isinstance(self.first, bool)
        if not whole or abs(int(self.first)) > MOST_FIRST:
            raise ArgumentError(f"first is {shown(self.first)}; it takes a whole number, {MOST_FIRST:,} at most.")
        object.__setattr__(self, "first", int(self.first))


@dataclass(frozen=True)
class MotorCell:
    """One motor neuron that makes one action y.

        y = low + (high - low) s(v),   s(v) = (v - rest) / (-20 - rest), kept between 0 and 1

    Attributes:
        cell: its name.   low, high: the actions at rest and at -20 mV.
        mode: "paper", rest = -70 mV; "code", rest = -60 mV, as in the published program.

    >>> MotorCell("FWD", low=0.0, high=1.0).mode
    'paper'
    """

    cell: str
    low: float
    high: float
    mode: str = "paper"

    def __post_init__(self):
        _prove_cell(self)


class Projection:
    """A linear map that is learned with the circuit: first among the senses, or last among the moves.

    Among senses it makes the quantities that the maps behind it feel of `width` observations; among moves it makes
    `width` actions of the numbers that the maps before it give. It has no bias, as published.

    Args:
        width: of the side to the world.
        weight: None, or (quantities, width) among senses and (width, numbers) among moves; by default drawn from a
            normal distribution of variance 1, as published.
        seed: of that draw.

    >>> Projection(17)
    Projection(17)
    """

    def __init__(self, width: int, weight: ArrayLike | None = None, *, seed: int = 0):
        if isinstance(width, bool) or not isinstance(width, (int, np.integer)) or not 1 <= width <= MOST_WIDTH:
            raise ArgumentError(f"width is {shown(width)}; a projection takes 1 to {MOST_WIDTH:,}.")
        self.width, self.seed = int(width), seed
        self.weight = None if weight is None else np.array(weight, np.float64)

    def __repr__(self) -> str:
        return f"Projection({self.width})"

    def start(self, shape: tuple[int, int]) -> Array:
        """The weight at the start, of a shape that the maps beside it ask for."""
        if self.weight is None:
            return np.random.default_rng(self.seed).normal(size=shape)
        if self.weight.shape != shape or not np.isfinite(self.weight).all():
            raise ArgumentError(f"the projection's weight has shape {self.weight.shape}; it takes finite {shape}.")
        return self.weight.copy()


Feels = SensoryMap | SensoryCell | Standardised | Projection
Moves = MotorMap | MotorCell | Projection | Within | Choice
FEELS: Mapping[str, type] = {one.__name__: one for one in (SensoryMap, SensoryCell, Standardised, Projection)}
MOVES: Mapping[str, type] = {one.__name__: one for one in (MotorMap, MotorCell, Projection, Within, Choice)}


@dataclass(frozen=True, eq=False)
class Senses:
    """The senses of a policy as arrays.

    Attributes:
        table: (inputs, 6): for each input of the wiring which quantity it feels (-1 for none), scale, middle, least and
            most of scale (x - middle), and its potential if it feels none.
        pick: (quantities,) which observation each quantity is; empty with a projection.
        weight: (quantities, observations) of the projection at the start; (0, 0) without.
        observations: how many numbers an observation has, None for "at least those that are picked".
    """

    table: Array
    pick: NDArray[np.int64]
    weight: Array
    observations: int | None

    @classmethod
    def of(
        cls,
        wiring: Wiring,
        maps: Iterable[Feels] | None,
        observe: Sequence[int] | None,
        observations: int | None,
        held: Mapping[str, float],
    ) -> "Senses":
        """Of maps onto the inputs of a wiring; None feels input after input as it is."""
        table = np.zeros((wiring.n_inputs, 6))
        table[:, 0] = -1
        fed: list[int] = []

        def feed(name: str, quantity: int, scale: float, middle: float, least: float, most: float) -> None:
            place = _place("input", name, wiring.inputs)
            fed.append(place)
            table[place, :5] = quantity, scale, middle, least, most

        projection = None
        if maps is None:
            for i, name in enumerate(wiring.inputs):
                feed(name, i, 1.0, 0.0, -math.inf, math.inf)
            n = wiring.n_inputs
        else:
            given = listed("sense", maps, FEELS)
            projection = given.pop(0) if given and isinstance(given[0], Projection) else None
            for i, one in enumerate(given):
                if isinstance(one, Projection):
                    raise ArgumentError("sense has a projection behind maps; it takes one, first.")
                if isinstance(one, Standardised):
                    feed(one.cell, i, 1.0 / one.deviation, one.mean, -one.most, one.most)
                    continue
                most = 1.0 if one.mode == "paper" else math.inf
                if isinstance(one, SensoryMap):
                    feed(one.positive, i, 1.0 / one.high, 0.0, 0.0, most)
                    feed(one.negative, i, 1.0 / one.low, 0.0, 0.0, most)
                else:
                    width = one.high - one.low
                    least = 0.0 if one.mode == "paper" else -math.inf
                    feed(one.cell, i, 1.0 / width, one.low, least, most)
            n = len(given)
            for name, potential in held.items():
                place = _place("held input", name, wiring.inputs)
                fed.append(place)
                table[place, 5] = Units().potential(potential)
        for place, name in enumerate(wiring.inputs):
            if fed.count(place) != 1:
                what = "no map feeds it" if place not in fed else "it is fed more than once"
                raise ArgumentError(f"input {name!r} has no one potential: {what}. Each takes one map, or is held.")
        if projection is not None:
            if observe is not None:
                raise ArgumentError("observe picks observations, and a projection reads all: give one of the two.")
            return cls(table, np.zeros(0, np.int64), projection.start((n, projection.width)), projection.width)
        pick = _picked(observe, n, observations)
        if observations is None and observe is None:
            observations = n
        return cls(table, pick, np.zeros((0, 0)), observations)


@dataclass(frozen=True, eq=False)
class Motors:
    """The moves of a policy as arrays.

    Attributes:
        table: (numbers, 6): output that pulls up, output that pulls down (-1 for none), high, low, what is added, and
            the potential that means 0 (NaN: the output as it is).
        weight: (made, numbers) of the projection at the start; (0, 0) without.
        limits: (2, made) the least and the most of what is made, infinite without `Within`.
        first: what `Choice` counts from; None without.
    """

    table: Array
    weight: Array
    limits: Array
    first: int | None = None

    @property
    def actions(self) -> int:
        """How many numbers an action has."""
        return self.limits.shape[1] if self.first is None else 1

    @property
    def choices(self) -> int:
        """How many actions there are to choose from; 0 if actions are numbers."""
        return 0 if self.first is None else self.limits.shape[1]

    @classmethod
    def of(cls, wiring: Wiring, maps: Iterable[Moves] | None, outputs: int) -> "Motors":
        """Of the outputs of a wiring; None does output after output as it is."""
        given = [] if maps is None else listed("move", maps, MOVES)
        last = given.pop() if given and isinstance(given[-1], (Within, Choice)) else None
        projection = given.pop() if given and isinstance(given[-1], Projection) else None
        rows: list[tuple[float, ...]] = []
        if not given:
            rows = [(i, -1, 1.0, 0.0, 0.0, math.nan) for i in range(outputs)]
        for one in given:
            if isinstance(one, (Projection, Within, Choice)):
                raise ArgumentError(
                    f"move has a {type(one).__name__} before other maps; after those of cells it takes one Projection, "
                    "then one Within or Choice."
                )
            if outputs != wiring.n_outputs:
                raise ArgumentError("the layer projects its outputs (proj_size), so no move can name a neuron.")
            zero = float(Units().potential(MODES[one.mode]))
            if isinstance(one, MotorMap):
                up, down = (_place("output", name, wiring.outputs) for name in (one.positive, one.negative))
                rows.append((up, down, one.high, one.low, 0.0, zero))
            else:
                rows.append((_place("output", one.cell, wiring.outputs), -1, one.high - one.low, 0.0, one.low, zero))
        table = np.array(rows, np.float64).reshape(-1, 6)
        weight = np.zeros((0, 0)) if projection is None else projection.start((projection.width, len(table)))
        made = len(weight) or len(table)
        limits = np.array([np.full(made, -math.inf), np.full(made, math.inf)])
        if isinstance(last, Within):
            if len(last.low) != made:
                raise ArgumentError(f"Within has bounds for {len(last.low)} numbers; the action has {made}.")
            limits = np.array([last.low, last.high])
        return cls(table, weight, limits, last.first if isinstance(last, Choice) else None)


@njit(cache=True, nogil=True)
def sense(observation, table, pick, weight, out):
    """Potentials of the inputs, out (vectors, environments, inputs), of observations (vectors, environments, n).

    weight: (vectors, quantities, n) of a projection; without one (0, 0, 0).
    Returns: -1, or the flat place of the first number that is not finite; out is then not filled.
    """
    vectors, environments, n = observation.shape
    for p in range(vectors):
        for e in range(environments):
            for i in range(n):
                if not np.isfinite(observation[p, e, i]):
                    return (p * environments + e) * n + i
    for p in range(vectors):
        for e in range(environments):
            for i in range(table.shape[0]):
                quantity = int(table[i, 0])
                if quantity < 0:
                    out[p, e, i] = table[i, 5]
                    continue
                if weight.shape[0]:
                    x = 0.0
                    for k in range(n):
                        x += weight[p, quantity, k] * observation[p, e, k]
                else:
                    x = observation[p, e, pick[quantity]]
                out[p, e, i] = min(max((x - table[i, 2]) * table[i, 1], table[i, 3]), table[i, 4])
    return -1


@njit(cache=True, nogil=True)
def _share(v, zero):
    return min(max((v - zero) / (1.0 - zero), 0.0), 1.0)


@njit(cache=True, nogil=True)
def make(outputs, table, weight, limits, choice, first, out):
    """Actions, out (vectors, environments, actions), of outputs (vectors, environments, outputs).

    weight: (vectors, made, numbers) of a projection; without one (0, 0, 0).
    limits: (2, made).   choice: whether the action is which number is largest, counted from `first`.
    """
    vectors, environments, _ = out.shape
    n = limits.shape[1]
    made = np.empty(n)
    for p in range(vectors):
        for e in range(environments):
            if weight.shape[0]:
                made[:] = 0.0
            for a in range(table.shape[0]):
                up, down, zero = int(table[a, 0]), int(table[a, 1]), table[a, 5]
                if np.isnan(zero):
                    y = outputs[p, e, up] * 1.0
                else:
                    y = table[a, 4] + table[a, 2] * _share(outputs[p, e, up], zero)
                    if down >= 0:
                        y += table[a, 3] * _share(outputs[p, e, down], zero)
                if weight.shape[0]:
                    for m in range(n):
                        made[m] += weight[p, m, a] * y
                else:
                    made[a] = y
            if choice:
                best = 0
                for m in range(1, n):
                    best = m if made[m] > made[best] else best
                out[p, e, 0] = first + best
            else:
                for m in range(n):
                    out[p, e, m] = min(max(made[m], limits[0, m]), limits[1, m])


def _place(what: str, name: str, among: Sequence[str]) -> int:
    if name not in among:
        raise ArgumentError(unknown(what, name, among))
    return list(among).index(name)


def listed(what: str, maps: Any, kinds: Mapping[str, type]) -> list[Any]:
    """Maps as a list. Raises: ArgumentError for what is none of the kinds."""
    if isinstance(maps, str) or not isinstance(maps, Iterable):
        raise ArgumentError(f"{what} is {shown(maps)}; it takes a list of {', '.join(kinds)}.")
    given = list(maps)
    for one in given:
        if not isinstance(one, tuple(kinds.values())):
            raise ArgumentError(f"{what} holds {shown(one)}; it takes {', '.join(kinds)}.")
    return given


def _picked(observe: Sequence[int] | None, n: int, observations: int | None) -> NDArray[np.int64]:
    """Which observation each quantity is."""
    if observe is None:
        return np.arange(n)
    try:
        pick = np.array(observe)
    except ValueError:
        pick = np.zeros(0)
    most = math.inf if observations is None else observations
    if pick.shape != (n,) or pick.dtype.kind not in "iu" or (pick < 0).any() or (pick >= most).any():
        upto = "" if observations is None else f" below {observations}"
        raise ArgumentError(f"observe is {shown(observe)}; it takes {n} places of an observation, from 0{upto}.")
    return pick.astype(np.int64)


def _check_name(cell: object) -> None:
    if not isinstance(cell, str):
        raise ArgumentError(f"cell is {shown(cell)}; it takes the name of a cell.")


def _number(given: object) -> float:
    """A number as Python has it, or NaN: of NumPy's small types arithmetic would overflow, or lose digits."""
    if not isinstance(given, (int, float, np.integer, np.floating)) or isinstance(given, bool):
        return math.nan
    try:
        return float(given)
    except OverflowError:
        return math.nan


def _prove_cell(one: SensoryCell | MotorCell) -> None:
    _check_name(one.cell)
    if not isinstance(one.mode, str) or one.mode not in MODES:
        raise ArgumentError(unknown("mode", one.mode, MODES))
    low, high = _number(one.low), _number(one.high)
    if not math.isfinite(low) or not math.isfinite(high):
        raise ArgumentError(f"low is {shown(one.low)} and high {shown(one.high)}; it takes two finite numbers.")
    if low == high:
        raise ArgumentError(f"low and high are both {shown(one.low)}; it takes two different numbers.")
    object.__setattr__(one, "low", low)
    object.__setattr__(one, "high", high)
