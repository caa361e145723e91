"""Liquid time-constant neurons: graded, conductance-based."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch import Tensor

from wormnet.models.elementary import sigmoid
from wormnet.models.equation import Edge, Model, State, Sum, Update, check_solver
from wormnet.models.formulas import d_sigmoid, gate_argument
from wormnet.models.solvers import SOLVERS
from wormnet.models.spec import ParamSpec, Values, check_choice, check_flag
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["CURRENT_EDGE", "GAP_EDGE", "LTC", "MAPS", "map_params"]

MAPS = ("affine", "linear", None)


def chemical(u, driven, conductance, slope, midpoint):
    """A conductance opened by the sender: what it adds to drive and pull, with driven = conductance x reversal."""
    gate = sigmoid(gate_argument(u, slope, midpoint))
    return gate * driven, gate * conductance


def d_chemical(u, driven, conductance, slope, midpoint, by_drive, by_pull):
    """Adjoints of u and the coefficients."""
    gate = sigmoid(gate_argument(u, slope, midpoint))
    by_argument = (by_drive * driven + by_pull * conductance) * d_sigmoid(gate)
    by_u = by_argument * slope
    return by_u, by_drive * gate, by_pull * gate, by_argument * (u - midpoint), -by_u


def gap(u, conductance):
    """An always open conductance to the partner cell: its contributions to drive and pull."""
    return conductance * u, conductance


def d_gap(u, conductance, by_drive, by_pull):
    """Adjoints of u and the conductance."""
    return by_drive * conductance, by_drive * u + by_pull


def current(u, gain):
    """An injected current: its contribution to drive."""
    return gain * u


def d_current(u, gain, by_drive):
    """Adjoints of u and the gain."""
    return by_drive * gain, by_drive * u


def membrane(v, drive, pull):
    """The sums are drive and pull themselves."""
    return drive, pull


def d_membrane(v, by_drive, by_pull):
    """Adjoints of v and the sums."""
    return 0.0, by_drive, by_pull


GAP_EDGE = Edge("gap", ("gap_conductance",), ("drive", "pull"), gap, d_gap)
CURRENT_EDGE = Edge("current", ("current",), ("drive",), current, d_current, linear=True)


@final
@dataclass(frozen=True)
class LTC(Model):
    r"""Liquid time-constant neurons, with chemical, gap and current synapses.

        capacitance_i dv_i/dt = leak_i (v_leak_i - v_i)
                              + sum_chemical conductance_s sigma(slope_s (u_pre(s) - midpoint_s)) (reversal_s - v_i)
                              + sum_gap      gap_conductance_s (u_pre(s) - v_i)
                              + sum_current  current_s u_pre(s)

    with u_j the input or potential of cell j and sigma the logistic function. Under a bounded solver the new v_i is a
    weighted mean of potentials with positive weights, so for every dt it stays within the range of v, v_leak, reversal
    and the gap junctions' partners (unless there are current synapses).

    Args:
        unfolds: sub-steps per sample, 1 or more.
        solver: "semi_implicit" (as published), "exponential_euler", "exponential_midpoint" (second order, bounded),
            "euler" or "rk4", which may diverge where dt pull / capacitance is large.
        input_map, output_map: "affine" (w x + b), "linear" (w x) or None; elementwise, start as the identity.
        fixed_polarity: reversal potentials keep the sign of their synapse; otherwise they are free, as published.

    Units: potentials, times and conductances are dimensionless; capacitance / leak is a time in units of `time_unit`.
    Source: Hasani et al. 2021, AAAI 35(9), 7657-7666, Algorithm 1; Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652,
    equations 1-3. Ranges of the start are those of the authors' code (`ncps` 1.0.1); positive parameters go through
    softplus and start inside of these ranges.

    >>> LTC(unfolds=3).options["solver"]
    'semi_implicit'
    """

    name: ClassVar[str] = "ltc"
    states: ClassVar[tuple[State, ...]] = (State("v", "potential", "membrane potential"),)

    unfolds: int = 6
    solver: str = "semi_implicit"
    input_map: str | None = "affine"
    output_map: str | None = "affine"
    fixed_polarity: bool = False

    def __post_init__(self):
        check_solver(self, tuple(SOLVERS))
        check_flag("fixed_polarity", self.fixed_polarity)
        check_choice("input_map", self.input_map, MAPS)
        check_choice("output_map", self.output_map, MAPS)

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        polarity = "polarity" if self.fixed_polarity else None
        specs = [
            ParamSpec("capacitance", "neuron", (0.4, 0.6), "capacitance", "membrane capacitance", "positive"),
            ParamSpec("leak", "neuron", (0.001, 1.0), "conductance", "leak conductance", "positive"),
            ParamSpec("v_leak", "neuron", (-0.2, 0.2), "potential", "resting potential of the leak"),
            ParamSpec(
                *("conductance", "chemical", (0.001, 1.0), "conductance", "of the open synapse", "non_negative"),
                counted=True,
            ),
            ParamSpec("slope", "chemical", (3.0, 8.0), "1 / potential", "steepness of the synapse's gate"),
            ParamSpec("midpoint", "chemical", (0.3, 0.8), "potential", "of the sender, where the gate is half open"),
            ParamSpec(
                "reversal", "chemical", (1.0, 1.0), "potential", "that the synapse pulls to", polarity, signed=True
            ),
        ]
        if len(wiring.of_kind(GAP)):
            unit, meaning = "conductance", "of the gap junction"
            specs.append(ParamSpec("gap_conductance", "gap", (0.001, 1.0), unit, meaning, "non_negative", counted=True))
        if len(wiring.of_kind(CURRENT)):
            unit, meaning = "current / input", "gain of the input"
            specs.append(ParamSpec("current", "current", (0.001, 1.0), unit, meaning, signed=True, counted=True))
        return (*specs, *map_params(self.input_map, self.output_map))

    def updates(self) -> tuple[Update, ...]:
        """One: the three kinds of synapse, and the membrane under the chosen solver."""
        synapse = ("driven", "conductance", "slope", "midpoint")
        return (
            Update(
                edges=(Edge("chemical", synapse, ("drive", "pull"), chemical, d_chemical), GAP_EDGE, CURRENT_EDGE),
                sums=(Sum("drive", "leak_drive"), Sum("pull", "leak")),
                node=membrane,
                d_node=d_membrane,
                solver=SOLVERS[self.solver],
                capacitances=("capacitance",),
                unfolds=self.unfolds,
            ),
        )

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """Conductance x reversal of each synapse, and leak x v_leak of each neuron."""
        return {**p, "driven": p["conductance"] * p["reversal"], "leak_drive": p["leak"] * p["v_leak"]}

    def open_conductance(self, p: Values, wiring: Wiring) -> Tensor:
        """The leak, half of each chemical conductance, and all gap junctions."""
        total = p["leak"].clone()
        for name, kind, share in (("conductance", CHEMICAL, 0.5), ("gap_conductance", GAP, 1.0)):
            if name in p:
                csr = wiring.csr(kind)
                total.index_add_(0, torch.from_numpy(csr.post), share * p[name][torch.from_numpy(csr.synapse)])
        return total


def map_params(input_map: str | None, output_map: str | None) -> tuple[ParamSpec, ...]:
    """The parameters of elementwise maps of inputs and outputs, which start as the identity."""
    specs = []
    for word, option in (("input", input_map), ("output", output_map)):
        if option:
            specs.append(ParamSpec(f"{word}_scale", word, (1.0, 1.0), "1", f"{word} gain"))
        if option == "affine":
            specs.append(ParamSpec(f"{word}_shift", word, (0.0, 0.0), "potential", f"{word} offset"))
    return tuple(specs)
