"""The numbers of a policy as one vector, and what a stepper takes for many such vectors at once."""

import copy
import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from wormnet.control.maps import Motors, Senses
from wormnet.engine.layout import Layout, layout_of
from wormnet.engine.program import program_of
from wormnet.errors import ArgumentError, BlindOutputWarning, ShapeError
from wormnet.export.ends import Ends
from wormnet.models import named
from wormnet.nn.recurrent import Recurrent
from wormnet.wiring.biophysics import BOUNDS, Biophysical, Units

__all__ = ["Block", "CircuitNumbers", "LayerNumbers", "Rows", "numbers_of", "proved"]

Array = NDArray[Any]
FLOAT = np.float32
"""What circuits compute in: 16 of these are one vector of the CPU."""


class Block(NamedTuple):
    """One parameter in the vector: its name, shape, and the bounds of all its numbers."""

    name: str
    shape: tuple[int, ...]
    low: float
    high: float

    @property
    def size(self) -> int:
        """How many numbers of the vector it is."""
        return math.prod(self.shape)


class Rows(NamedTuple):
    """What steppers and maps take, each with an axis of vectors in front."""

    coefficients: dict[str, Array]
    initial: tuple[Array, ...]
    input_map: tuple[Array, Array] | None
    output_map: tuple[Array, Array] | None
    projection: tuple[Array, Array] | None
    sense: Array
    move: Array


class _Numbers:
    """A network's parameters, then the projections of its senses and motors."""

    layout: Layout
    dt: float

    def __init__(self, blocks: Sequence[Block], senses: Senses, motors: Motors):
        ends = [Block("sense", senses.weight.shape, -math.inf, math.inf)]
        ends += [Block("move", motors.weight.shape, -math.inf, math.inf)]
        self.blocks = [*blocks, *(one for one in ends if one.size)]
        self.senses, self.motors = senses, motors
        self.size = sum(one.size for one in self.blocks)
        self.low, self.high = (
            np.concatenate([np.full(one.size, bound) for one, bound in zip(self.blocks, bounds)] or [np.zeros(0)])
            for bounds in ([one.low for one in self.blocks], [one.high for one in self.blocks])
        )

    def vector(self, values: dict[str, Array]) -> Array:
        """The vector of the values of all blocks."""
        return np.concatenate([np.ravel(values[one.name]) for one in self.blocks] or [np.zeros(0)]).astype(np.float64)

    def split(self, theta: Array) -> dict[str, Array]:
        """(vectors, K) -> the values of every block, (vectors, *shape)."""
        ends = np.cumsum([one.size for one in self.blocks])[:-1]
        parts = np.split(theta, ends, axis=1)
        return {one.name: part.reshape(len(theta), *one.shape) for one, part in zip(self.blocks, parts)}

    def maps(self, theta: Array, warmup: int) -> Ends:
        """The senses and motors with the projections of one vector (K,)."""
        sense, move = self.ends(self.split(theta[None]), 1)
        felt, made = self.senses.table, self.motors.table
        n = self.senses.observations
        none = np.zeros((0, 0))
        return Ends(
            observations=int(self.senses.pick.max(initial=-1)) + 1 if n is None else n,
            of=np.maximum(felt[:, 0], 0).astype(np.int64),
            scale=felt[:, 1],
            middle=felt[:, 2],
            # What feels nothing has its potential for good.
            least=np.where(felt[:, 0] < 0, felt[:, 5], felt[:, 3]),
            most=np.where(felt[:, 0] < 0, felt[:, 5], felt[:, 4]),
            pick=self.senses.pick,
            sense=sense[0] if len(sense) else none,
            up=made[:, 0].astype(np.int64),
            down=np.maximum(made[:, 1], 0).astype(np.int64),
            high=made[:, 2],
            low=made[:, 3],
            base=made[:, 4],
            zero=None if np.isnan(made[:, 5]).any() else made[:, 5],
            move=move[0] if len(move) else none,
            limits=self.motors.limits,
            first=self.motors.first,
            dt=self.dt,
            warmup=warmup,
        )

    def ends(self, values: dict[str, Array], n: int) -> tuple[Array, Array]:
        """The weights of both projections, (n, ...) or (0, 0, 0)."""
        none = np.zeros((0, 0, 0))
        return (values.get("sense", none), values.get("move", none))


class CircuitNumbers(_Numbers):
    """Those of an ordinary neural circuit, in mV, S, F and s, within the published bounds.

    Midpoints and reversal potentials stay as they are, as published.
    """

    def __init__(self, circuit: Biophysical, senses: Senses, motors: Motors, dt: float, steps: int):
        model = named("ltc", unfolds=steps, input_map=None, output_map=None)
        self.layout, self.dt = layout_of(program_of(model, memory=False), circuit.wiring), dt
        self.circuit, self.model = circuit, model
        blocks = [Block(name, circuit.values[name].shape, *bounds) for name, bounds in BOUNDS.items()
                  if name in circuit.values and circuit.values[name].size]  # fmt: skip
        super().__init__(blocks, senses, motors)

    def start(self) -> Array:
        """The circuit's own values."""
        return self.vector({**self.circuit.values, "sense": self.senses.weight, "move": self.motors.weight})

    def rows(self, theta: Array) -> Rows:
        """For vectors (n, K), which are within bounds."""
        n, values = len(theta), self.split(theta)
        sense, move = self.ends(values, n)
        full = {name: values.get(name, np.broadcast_to(v, (n, *v.shape))) for name, v in self.circuit.values.items()}
        tensors = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in Units().to_model(full).items()}
        coefficients = {name: one.numpy().astype(FLOAT) for name, one in self.model.coefficients(tensors).items()}
        zero = np.zeros((n, self.circuit.wiring.n_neurons), FLOAT)  # -70 mV
        return Rows(coefficients, (zero,) * len(self.model.states), None, None, None, sense, move)

    def as_layer(self, theta: Array, *, trained: bool = False) -> Recurrent:
        """The circuit with these values as a layer: 0 is -70 mV, 1 is -20 mV, dt is in s.

        In double precision; in single precision, on the fastest engine, one that is to be trained.
        """
        how = {} if trained else {"backend": "reference", "dtype": torch.float64}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", BlindOutputWarning)  # a circuit is as it is
            layer = Recurrent(self.circuit.wiring, self.model, **how)
        layer.set_values(**Units().to_model(self.with_vector(theta).values))
        searched = {one.name for one in self.blocks}
        for name, one in layer.named_parameters():
            one.requires_grad_(name.removesuffix("_raw") in searched)
        return layer

    def vector_of(self, layer: Recurrent) -> Array:
        """The vector of a layer that `as_layer` made, which is brought back within the bounds first."""
        own = {
            name: one.detach().double().numpy() for name, one in layer.values().items() if name in self.circuit.values
        }
        found = Units().to_biophysical(own)
        found = {name: np.clip(one, *BOUNDS.get(name, (-np.inf, np.inf))) for name, one in found.items()}
        layer.set_values(**Units().to_model(found))
        return self.vector({**found, "sense": self.senses.weight, "move": self.motors.weight})

    def with_vector(self, theta: Array) -> Biophysical:
        """The circuit with these values."""
        values = {name: value[0] for name, value in self.split(theta[None]).items()}
        new = {name: values.get(name, value) for name, value in self.circuit.values.items()}
        return Biophysical(self.circuit.wiring, new, self.circuit.held)


class LayerNumbers(_Numbers):
    """Those of a layer, as torch stores them: without bounds."""

    def __init__(self, layer: Recurrent, senses: Senses, motors: Motors, dt: float):
        self.layer, self.dt, self.layout = layer, dt, layer._layout
        blocks = [Block(name, tuple(one.shape), -math.inf, math.inf) for name, one in layer.named_parameters()]
        super().__init__([one for one in blocks if one.size], senses, motors)

    def start(self) -> Array:
        """The layer's own values."""
        return self.vector_of(self.layer)

    def rows(self, theta: Array) -> Rows:
        """For vectors (n, K)."""
        values, layer = self.split(theta), copy.deepcopy(self.layer)
        sense, move = self.ends(values, len(theta))
        found = []
        for i in range(len(theta)):
            self._write(layer, values, i)
            found.append(layer.stepper().numbers)
        names = found[0]["coefficients"]
        coefficients = {name: np.stack([one["coefficients"][name] for one in found]) for name in names}
        initial = tuple(np.stack(states) for states in zip(*(one["initial"] for one in found)))

        def pair(name: str) -> Any:
            if found[0][name] is None:
                return None
            return tuple(np.stack([one[name][side] for one in found]) for side in (0, 1))

        maps = (pair("input_map"), pair("output_map"), pair("projection"))
        return Rows(coefficients, initial, *maps, sense, move)

    def as_layer(self, theta: Array, *, trained: bool = False) -> Recurrent:
        """The same as `with_vector`."""
        return self.with_vector(theta)

    def vector_of(self, layer: Recurrent) -> Array:
        """The vector of a layer that `as_layer` made."""
        own = {name: one.detach().double().cpu().numpy() for name, one in layer.named_parameters()}
        return self.vector({**own, "sense": self.senses.weight, "move": self.motors.weight})

    def with_vector(self, theta: Array) -> Recurrent:
        """A copy of the layer with these values."""
        layer = copy.deepcopy(self.layer)
        self._write(layer, self.split(theta[None]), 0)
        return layer

    def _write(self, layer: Recurrent, values: dict[str, Array], i: int) -> None:
        with torch.no_grad():
            for name, one in layer.named_parameters():
                if name in values:
                    one.copy_(torch.from_numpy(np.ascontiguousarray(values[name][i])))


def numbers_of(network: Any, senses: Senses, motors: Motors, dt: float, steps: int) -> CircuitNumbers | LayerNumbers:
    """The numbers of a circuit or a layer."""
    if isinstance(network, Biophysical):
        return CircuitNumbers(network, senses, motors, dt, steps)
    return LayerNumbers(network, senses, motors, dt)


def proved(theta: Any, numbers: CircuitNumbers | LayerNumbers, vectors: int | None) -> Array:
    """Vectors as (vectors, K), finite and within bounds; vectors: how many, None for one, which has no axis."""
    shape = (numbers.size,) if vectors is None else (vectors, numbers.size)
    try:
        found = np.array(theta, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"theta is of type {type(theta).__name__}; it takes numbers, {shape}.") from None
    if found.shape != shape:
        raise ShapeError(f"theta has shape {found.shape}; it takes {shape}: {_table(numbers)}.")
    flat = found.reshape(-1, numbers.size)
    room = 1e-9 * np.maximum(1.0, np.abs(np.where(np.isfinite(numbers.high), numbers.high, 0.0)))
    good = np.isfinite(flat) & (flat >= numbers.low - room) & (flat <= numbers.high + room)
    for _, k in np.argwhere(~good)[:1]:
        at = 0
        for one in numbers.blocks:
            if k < at + one.size:
                worst = flat[:, k][~good[:, k]][0]
                raise ArgumentError(
                    f"{one.name} number {k - at} is {worst:g}; it takes {one.low:g} to {one.high:g}, finite. "
                    "numpy.clip(theta, *policy.bounds) moves it there."
                )
            at += one.size
    return np.clip(flat, numbers.low, numbers.high)


def _table(numbers: CircuitNumbers | LayerNumbers) -> str:
    return ", ".join(f"{one.size} {one.name}" for one in numbers.blocks[:12])
