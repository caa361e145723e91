"""The parameters of a model as data: what they belong to, how they start, what they have to obey."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from wormnet.errors import ArgumentError, unknown
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = [
    "CONSTRAINTS",
    "SCOPES",
    "Connections",
    "ParamSpec",
    "Values",
    "check_choice",
    "check_count",
    "check_flag",
    "check_name",
    "connections",
    "shape_of",
]

Values = Mapping[str, Tensor]
"""Tensors by name: parameters as they enter the equation, or coefficients computed from them."""

SCOPES = ("neuron", "input", "output", "chemical", "gap", "current", "connection")
"""What a parameter can have one value for: a cell, a synapse of a kind, or a connection (see `connections`)."""

CONSTRAINTS = (None, "positive", "non_negative", "polarity")


@dataclass(frozen=True)
class ParamSpec:
    """One parameter of a model: name, shape, unit, start, constraint, meaning.

    Allocation, checkpoints, the engines and `describe` all read it.

    Attributes:
        name: as in the model's equation; a Python name.
        over: one value for each of these: a word of SCOPES; or a shape of its own, its axes numbers or these words.
        start: the bounds of the uniform distribution that it is drawn from; each a number, or one for each value.
        unit: model units; potentials and time are dimensionless unless the model says otherwise.
        meaning: in half a sentence.
        constraint: None; "positive", stored as the inverse of softplus; "non_negative", which may be exactly 0 (see
            `nn.constraints`); "polarity", likewise a magnitude that takes the sign of its synapse (free where the
            wiring leaves the sign to be learned).
        signed: the start takes the sign of its synapse (a random one where it is to be learned).
        counted: the start is multiplied by the synapse's count over the mean count of its kind.

    Raises: ArgumentError for anything that is none of these.

    >>> ParamSpec("leak", "nueron", (0.0, 1.0), "conductance", "of the leak")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown scope of parameter leak 'nueron'; did you mean 'neuron'? Known: neuron, ...
    """

    name: str
    over: str | tuple[str | int, ...]
    start: tuple[ArrayLike, ArrayLike]
    unit: str
    meaning: str
    constraint: Literal["positive", "non_negative", "polarity"] | None = None
    signed: bool = False
    counted: bool = False

    def __post_init__(self):
        check_name("parameter", self.name)
        axes = self.over if isinstance(self.over, tuple) else (self.over,)
        for axis in axes:
            if isinstance(axis, str):
                check_choice(f"scope of parameter {self.name}", axis, SCOPES)
            else:
                check_count(f"an axis of parameter {self.name}", axis, 0)
        check_choice(f"constraint of parameter {self.name}", self.constraint, CONSTRAINTS)
        for flag in ("signed", "counted"):
            check_flag(f"{flag} of parameter {self.name}", getattr(self, flag))
        for what in ("unit", "meaning"):
            if not isinstance(getattr(self, what), str) or not getattr(self, what):
                raise ArgumentError(f"{what} of parameter {self.name} is {getattr(self, what)!r}; it takes text.")
        of_synapses = self.over in ("chemical", "gap", "current", "connection")
        if (self.signed or self.counted or self.constraint == "polarity") and not of_synapses:
            raise ArgumentError(f"parameter {self.name} belongs to no synapses, so it has neither sign nor count.")
        self._check_start()

    def _check_start(self) -> None:
        if not isinstance(self.start, tuple) or len(self.start) != 2:
            raise ArgumentError(f"start of parameter {self.name} is {self.start!r}; it takes a pair (low, high).")
        low, high = (_once(np.asarray(bound)) for bound in self.start)
        if not all(bound.dtype.kind in "fiu" and np.isfinite(bound).all() for bound in (low, high)):
            raise ArgumentError(f"start of parameter {self.name} is {self.start!r}; its bounds are finite numbers.")
        if np.any(low > high):
            raise ArgumentError(f"start of parameter {self.name} is {self.start!r}; low is above high.")
        least = {"positive": "above 0", "non_negative": "0 or more", "polarity": "0 or more"}.get(self.constraint or "")
        if least and np.any(low <= 0 if self.constraint == "positive" else low < 0):
            raise ArgumentError(f"{self.constraint} parameter {self.name} starts at {np.min(low):g}; it takes {least}.")

    @cached_property
    def stored_as(self) -> str:
        """The name of the module's parameter: a constrained one holds an unconstrained number, and says so."""
        return f"{self.name}_raw" if self.constraint else self.name


def _once(values: NDArray[Any]) -> NDArray[Any]:
    """The numbers of an array that repeats them along an axis (broadcast), which may be of any length."""
    return values[tuple(slice(1) if step == 0 else slice(None) for step in values.strides)]


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

    For models with a single kind of weight. With `own`, every neuron also reads its own state.
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


def check_name(what: str, given: object) -> None:
    """Raise ArgumentError unless it can be a Python name."""
    if not isinstance(given, str) or not given.isidentifier():
        raise ArgumentError(f"the name of a {what} is {given!r}; it takes a Python name such as 'leak'.")


def check_choice(what: str, given: object, known: tuple[Any, ...]) -> None:
    """Raise ArgumentError unless an option is one of the known values."""
    if not any(given is one or (isinstance(given, str) and given == one) for one in known):
        raise ArgumentError(unknown(what, given, known))


def check_count(what: str, given: object, least: int) -> None:
    """Raise ArgumentError unless an option is a whole number of at least `least`."""
    if isinstance(given, bool) or not isinstance(given, (int, np.integer)) or given < least:
        raise ArgumentError(f"{what} is {given!r}; it takes a whole number of {least} or more.")


def check_flag(what: str, given: object) -> None:
    """Raise ArgumentError unless an option is True or False."""
    if not isinstance(given, bool):
        raise ArgumentError(f"{what} is {given!r}; it takes True or False.")
