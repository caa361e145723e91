"""What a neuron model is made of: its parameters as data, and the few functions that an engine calls."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wormnet.errors import ArgumentError, unknown
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["Connections", "Model", "ParamSpec", "Values", "connections", "shape_of"]

Values = Mapping[str, Tensor]
"""Parameters (or what a model made of them) and index tensors by name."""


@dataclass(frozen=True)
class ParamSpec:
    """One parameter of a model: name, shape, unit, start, constraint, meaning.

    The allocation, the checkpoints, the kernels' arguments and `describe` all read it.

    Attributes:
        name: as in the model's equation.
        over: one value for each of these: "neuron", "input", "output", synapse of a kind ("chemical", "gap",
            "current"), or "connection" (see `connections`); or a shape of its own, its axes numbers or these words.
        start: the bounds of the uniform distribution that it is drawn from; each a number, or one for each value.
        unit: model units; potentials and time are dimensionless unless the user says otherwise.
        meaning: in half a sentence.
        constraint: None; "positive", stored as the inverse of softplus; "polarity", stored likewise as a magnitude
            that takes the sign of its synapse (free where the wiring leaves the sign to be learned).
        signed: the start takes the sign of its synapse (a random one where it is to be learned).
        counted: the start is multiplied by the synapse's count over the mean count of its kind.
    """

    name: str
    over: str | tuple[str | int, ...]
    start: tuple[ArrayLike, ArrayLike]
    unit: str
    meaning: str
    constraint: Literal["positive", "polarity"] | None = None
    signed: bool = False
    counted: bool = False

    @cached_property
    def stored_as(self) -> str:
        """The name of the module's parameter: a constrained one holds an unconstrained number, and says so."""
        return f"{self.name}_raw" if self.constraint else self.name


@dataclass(frozen=True)
class Connections:
    """Ordered pairs (pre, post) joined by at least one synapse, sorted by (post, pre)."""

    pre: NDArray[np.int64]
    """(connections,) cell that sends"""
    post: NDArray[np.int64]
    """(connections,) neuron that receives"""
    synapse: NDArray[np.int64]
    """(connections,) a synapse that makes the pair, the chemical one if there is one; -1 for a neuron's own state"""


def connections(wiring: Wiring, *, own: bool) -> Connections:
    """Each ordered pair of cells once, whatever kinds of synapse join it; gap junctions join both ways.

    For models that know one kind of weight. With `own`, every neuron also reads its own state.
    """
    edges = []
    for kind in (CHEMICAL, GAP, CURRENT):
        csr = wiring.csr(kind)
        edges.append(np.stack([csr.post, csr.pre, wiring.of_kind(kind)[csr.synapse]]))
    if own:
        self_number = np.arange(wiring.n_neurons)
        edges.append(np.stack([self_number, self_number + wiring.n_inputs, np.full(wiring.n_neurons, -1)]))
    post, pre, synapse = np.concatenate(edges, axis=1)
    _, first = np.unique(post * (wiring.n_inputs + wiring.n_neurons) + pre, return_index=True)
    return Connections(pre[first], post[first], synapse[first])


class Model(ABC):
    """What a neuron computes. Each model is a frozen dataclass: its fields are its options, its methods its equations.

    A new model writes `params`, `indices` and `step` (or, if it is an ordinary differential equation, what `OdeModel`
    asks for) and gets every engine, layer, test and table.
    """

    name: ClassVar[str]
    own_state: ClassVar[bool] = False
    """Whether a neuron's connections include one from its own state (see `connections`)."""

    @classmethod
    def option_names(cls) -> tuple[str, ...]:
        """The options the model takes, in order."""
        return tuple(field.name for field in fields(cls))  # pyright: ignore[reportArgumentType]

    @property
    def options(self) -> dict[str, Any]:
        """The model's options by name; `type(model)(**model.options)` is the model."""
        return {name: getattr(self, name) for name in self.option_names()}

    def check(self, wiring: Wiring) -> None:
        """Raise WiringError if the model cannot run on the wiring. Most run on any."""
        return

    @abstractmethod
    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The model's parameters on a wiring, in the order of allocation."""

    @abstractmethod
    def indices(self, wiring: Wiring) -> dict[str, NDArray[np.int64]]:
        """Index arrays that `step` gathers and sums with; they move with the module."""

    def prepare(self, p: Values, at: Values) -> Values:
        """What is the same for every step of a call, made of the parameters' values once."""
        return p

    def read_in(self, p: Values, x: Tensor) -> Tensor:
        """Map the inputs (..., inputs) before they meet a synapse."""
        return x

    def read_out(self, p: Values, y: Tensor) -> Tensor:
        """Map the states of the output neurons (..., outputs) to the outputs."""
        return y

    @abstractmethod
    def step(self, p: Values, at: Values, v: Tensor, x: Tensor, dt: Tensor, training: bool = False) -> Tensor:
        """Advance the states v (batch, neurons) by one sample x (batch, inputs) that lasted dt (batch, 1)."""


def shape_of(spec: ParamSpec, wiring: Wiring, n_connections: int) -> tuple[int, ...]:
    """The shape of a parameter on a wiring."""
    size = {
        "neuron": wiring.n_neurons,
        "input": wiring.n_inputs,
        "output": wiring.n_outputs,
        "chemical": len(wiring.of_kind(CHEMICAL)),
        "gap": len(wiring.of_kind(GAP)),
        "current": len(wiring.of_kind(CURRENT)),
        "connection": n_connections,
    }
    axes = spec.over if isinstance(spec.over, tuple) else (spec.over,)
    return tuple(size[axis] if isinstance(axis, str) else int(axis) for axis in axes)


def check_choice(what: str, given: object, known: tuple[object, ...]) -> None:
    """Raise ArgumentError unless an option is one of the known values."""
    if given not in known:
        raise ArgumentError(unknown(what, given, [str(k) for k in known]))


def check_count(what: str, given: object, least: int) -> None:
    """Raise ArgumentError unless an option is a whole number of at least `least`."""
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < least:
        raise ArgumentError(f"{what} is {given!r}; it takes a whole number of {least} or more.")


def check_flag(what: str, given: object) -> None:
    """Raise ArgumentError unless an option is True or False."""
    if not isinstance(given, bool):
        raise ArgumentError(f"{what} is {given!r}; it takes True or False.")


def add_by(post: Tensor, values: Tensor, n: int) -> Tensor:
    """Sum values (batch, edges) over the edges that end on the same of n neurons: (batch, n)."""
    return torch.zeros(values.shape[0], n, dtype=values.dtype, device=values.device).index_add(1, post, values)
