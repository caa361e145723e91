"""What a neuron model is made of: states, and the updates that advance them by one sample.

A model is data plus a few scalar functions. The functions map numbers to numbers, using arithmetic and the functions of
`elementary`, so every engine runs the same source: on torch tensors, SIMD lanes or Triton blocks.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import torch
from torch import Tensor

from wormnet.errors import ArgumentError
from wormnet.models.solvers import Solver
from wormnet.models.spec import ParamSpec, Values, check_choice, check_count, check_name
from wormnet.wiring.core import Wiring

__all__ = ["DenseUpdate", "Edge", "Model", "State", "Sum", "Update"]

Function = Callable[..., Any]


@dataclass(frozen=True)
class State:
    """A number that every neuron keeps from one sample to the next.

    Attributes:
        name: as in the equation.
        unit: model units.
        meaning: in half a sentence.
        start: what it is before the first sample: a number, or the name of a parameter of the neurons.
    """

    name: str
    unit: str
    meaning: str
    start: float | str = 0.0

    def __post_init__(self):
        check_name("state", self.name)
        for what in ("unit", "meaning"):
            if not isinstance(getattr(self, what), str) or not getattr(self, what):
                raise ArgumentError(f"{what} of state {self.name} is {getattr(self, what)!r}; it takes text.")


@dataclass(frozen=True)
class Sum:
    """What a neuron adds up over the edges that it receives.

    Attributes:
        name: as in the equation.
        start: the coefficient of the neuron that it begins with; None for 0.
    """

    name: str
    start: str | None = None

    def __post_init__(self):
        check_name("sum", self.name)


@dataclass(frozen=True)
class Edge:
    """What one kind of synapse does.

    Attributes:
        over: "chemical", "gap" (both ways), "current", or "connection" (each ordered pair of cells once).
        coefficients: what each has, in the order in which the functions take it.
        adds: the sums that it adds to.
        edge: (u, *coefficients) -> what it adds to each of these, where u is the presynaptic state or input.
        d_edge: (u, *coefficients, *adjoints of these sums) -> the adjoints of u and of each coefficient.
        reads: the presynaptic state; the first of the model if empty. An input has one value, whatever is read.
        linear: whether it adds u times one coefficient to each sum, so that the adjoints of the coefficients are u
            times those of the sums; engines then sum them in less time.
    """

    over: str
    coefficients: tuple[str, ...]
    adds: tuple[str, ...]
    edge: Function
    d_edge: Function
    reads: str = ""
    linear: bool = False

    def __post_init__(self):
        check_choice("kind of edge", self.over, ("chemical", "gap", "current", "connection"))
        for name in (*self.coefficients, *self.adds):
            check_name(f"coefficient or sum of {self.over} edges", name)


@dataclass(frozen=True)
class Update:
    """One way to advance the neurons' states: sums over edges, then a function applied to each neuron by itself.

    With a solver (an ordinary differential equation), each state obeys capacitance dv/dt = drive - pull v:

        node    (*states, *sums, *coefficients) -> drive and pull of the first state, of the second, ..., *kept
        d_node  (*states, *coefficients, *kept, *adjoints of drive and pull) -> adjoints of states, sums, coefficients
        terms   None, or (*states, *coefficients, *kept) -> drive and pull of each state, if these alone determine them:
                engines may then compute anew in the backward pass what the solver would otherwise keep

    and without one, node gives the new states themselves:

        node    (*states, *sums, *coefficients, dt) -> *states, *kept
        d_node  (*states, *coefficients, *kept, dt, *adjoints of the new states)
                -> adjoints of states, sums, coefficients, and that of log dt (dt d/ddt)

    Attributes:
        edges: the kinds of synapse, in the order in which they are added.
        sums: what they add to.
        node, d_node, terms: see above. Any value they return may be a plain constant.
        coefficients: of each neuron, in the order in which node takes them.
        keeps: how many additional values node returns for d_node.
        solver: None, or how the equation is solved.
        capacitances: with a solver, for each state the coefficient that multiplies its derivative.
        unfolds: sub-steps per sample, with a solver; the inputs are held.
        own_state: whether connections include one from a neuron's own state.
        layered: neurons are updated layer by layer in the order of `Wiring.layers`, so that a neuron sees the new
            states of earlier layers; otherwise all at once. Without a solver only.
        states: those it reads and updates, the others are unchanged; all of the model's if empty.
    """

    edges: tuple[Edge, ...]
    sums: tuple[Sum, ...]
    node: Function
    d_node: Function
    coefficients: tuple[str, ...] = ()
    keeps: int = 0
    solver: Solver | None = None
    capacitances: tuple[str, ...] = ()
    unfolds: int = 1
    own_state: bool = False
    layered: bool = False
    states: tuple[str, ...] = ()
    terms: Function | None = None


@dataclass(frozen=True)
class DenseUpdate:
    """An update whose sums are matrix products over all cells, optionally after hidden layers that all neurons share.

    z = [inputs, the state that is read]; for each hidden layer z <- activation(weight z + bias); then the sums are
    weight z + bias, and node is that of an `Update` without a solver.

    Attributes:
        sums: names; the weight has len(sums) x neurons rows, those of the first sum first.
        weight, bias: names of their coefficients.
        node, d_node, coefficients, keeps: as of an `Update`.
        hidden: for each hidden layer, names of its weight and its bias.
        units: of each hidden layer.
        activation: None, or s -> (value, derivative).
        dropout: the share of hidden units that is 0 in training; the others are divided by one minus it.
        reads: the state in z; the first of the model if empty.
        states: as of an `Update`.
        mapped: whether z holds the inputs mapped by `input_scale` and `input_shift`, or as they are.
    """

    sums: tuple[str, ...]
    weight: str
    bias: str
    node: Function
    d_node: Function
    coefficients: tuple[str, ...] = ()
    keeps: int = 0
    hidden: tuple[tuple[str, str], ...] = ()
    units: int = 0
    activation: Function | None = None
    dropout: float = 0.0
    reads: str = ""
    states: tuple[str, ...] = ()
    mapped: bool = True


class Model(ABC):
    """What a neuron computes. Each model is a frozen dataclass whose fields are its options.

    A new model defines `name`, `states`, `params`, `updates` and, if edges and nodes take values other than the
    parameters themselves, `coefficients`; `docs/extending.md` shows one from end to end. It then runs on every engine,
    in the stepper and in the contract tests (`wormnet.testing.check_model`); `register` gives it its name in files,
    studies and on the command line.

    A parameter `input_scale`, `input_shift` (over "input"), `output_scale` or `output_shift` (over "output") maps the
    inputs before they meet a synapse, or the first states of the output neurons.
    """

    name: ClassVar[str]
    states: ClassVar[tuple[State, ...]]

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
    def updates(self) -> tuple[Update | DenseUpdate, ...]:
        """What happens in a sample, in this order."""

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """What edges and nodes take, by name, computed from the parameters as they enter the equation.

        A coefficient of an edge has one value for each synapse of its kind (or connection), one of a node for each
        neuron. Torch differentiates it.
        """
        return dict(p)

    def uniform_updates(self) -> tuple[Update | DenseUpdate, ...] | None:
        """What happens in a sample if dt is one number for all of a call, where less is to do then; None if not.

        Has to compute what `updates` does at that dt, which is looked at when a layer is built.
        """
        return None

    def uniform_coefficients(self, p: Values, dt: Tensor) -> dict[str, Tensor]:
        """What the edges and nodes of `uniform_updates` take, like `coefficients`; dt is a tensor without axes."""
        return self.coefficients(p)

    def open_conductance(self, p: Values, wiring: Wiring) -> Tensor:
        """(neurons,) what pulls on a neuron at the start, so that capacitance / it is its effective time constant.

        1 unless the model says otherwise.
        """
        return torch.ones(wiring.n_neurons, dtype=torch.float64, device="cpu")


def check_solver(model: Any, known: tuple[str, ...]) -> None:
    """Raise ArgumentError unless a model's options `solver` and `unfolds` are legal."""
    check_choice("solver", model.solver, known)
    check_count("unfolds", model.unfolds, 1)
