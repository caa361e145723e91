"""Liquid-resistance liquid-capacitance neurons, and the saturated liquid time-constant neurons that they build on."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from wormnet.models.elementary import sigmoid, tanh
from wormnet.models.equation import Edge, Model, State, Sum, Update, check_solver
from wormnet.models.formulas import d_sigmoid, d_tanh, gate_argument
from wormnet.models.ltc import MAPS, map_params
from wormnet.models.solvers import SOLVERS
from wormnet.models.spec import ParamSpec, Values, check_choice, connections
from wormnet.wiring.core import Wiring

__all__ = ["ELASTANCES", "LRC", "STC"]

ELASTANCES = ("asymmetric", "symmetric")

# -- edges -------------------------------------------------------------------------------------------------------------


def gated(u, conductance, weight, slope, midpoint):
    """What a connection adds to f and z."""
    gate = sigmoid(gate_argument(u, slope, midpoint))
    return gate * conductance, gate * weight


def d_gated(u, conductance, weight, slope, midpoint, by_f, by_z):
    """Adjoints of u and the coefficients."""
    gate = sigmoid(gate_argument(u, slope, midpoint))
    by_argument = (by_f * conductance + by_z * weight) * d_sigmoid(gate)
    by_u = by_argument * slope
    return by_u, by_f * gate, by_z * gate, by_argument * (u - midpoint), -by_u


def liquid(u, conductance, weight, slope, midpoint, elastance_weight):
    """What a connection adds to f, z and the elastance's argument."""
    gate = sigmoid(gate_argument(u, slope, midpoint))
    return gate * conductance, gate * weight, u * elastance_weight


def d_liquid(u, conductance, weight, slope, midpoint, elastance_weight, by_f, by_z, by_e):
    """Adjoints of u and the coefficients."""
    gate = sigmoid(gate_argument(u, slope, midpoint))
    by_argument = (by_f * conductance + by_z * weight) * d_sigmoid(gate)
    by_gate_u = by_argument * slope
    by_u = by_gate_u + by_e * elastance_weight
    return by_u, by_f * gate, by_z * gate, by_argument * (u - midpoint), -by_gate_u, by_e * u


# -- nodes: drive and pull, and what the derivative needs again --------------------------------------------------------


def saturated(v, f, z, v_leak):
    """tanh(z) v_leak and sigma(f)."""
    forget, drive = sigmoid(f), tanh(z)
    return drive * v_leak, forget, forget, drive


def d_saturated(v, v_leak, forget, drive, by_drive, by_pull):
    """Adjoints of v, f, z and v_leak."""
    return 0.0, by_pull * d_sigmoid(forget), by_drive * v_leak * d_tanh(drive), by_drive * drive


def asymmetric(v, f, z, e, v_leak):
    """The same, both times the elastance sigma(e)."""
    forget, drive, elastance = sigmoid(f), tanh(z), sigmoid(e)
    return elastance * drive * v_leak, elastance * forget, forget, drive, elastance


def d_asymmetric(v, v_leak, forget, drive, elastance, by_drive, by_pull):
    """Adjoints of v, f, z, e and v_leak."""
    by_f = by_pull * elastance * d_sigmoid(forget)
    by_z = by_drive * elastance * v_leak * d_tanh(drive)
    by_e = (by_drive * drive * v_leak + by_pull * forget) * d_sigmoid(elastance)
    return 0.0, by_f, by_z, by_e, by_drive * elastance * drive


def symmetric(v, f, z, e, v_leak, shift):
    """The same with an elastance that is largest at e = 0."""
    forget, drive, above, below = sigmoid(f), tanh(z), sigmoid(e + shift), sigmoid(e - shift)
    elastance = above - below
    return elastance * drive * v_leak, elastance * forget, forget, drive, above, below


def d_symmetric(v, v_leak, shift, forget, drive, above, below, by_drive, by_pull):
    """Adjoints of v, f, z, e, v_leak and the shift."""
    elastance = above - below
    by_f = by_pull * elastance * d_sigmoid(forget)
    by_z = by_drive * elastance * v_leak * d_tanh(drive)
    by_elastance = by_drive * drive * v_leak + by_pull * forget
    by_above, by_below = by_elastance * d_sigmoid(above), by_elastance * d_sigmoid(below)
    return 0.0, by_f, by_z, by_above - by_below, by_drive * elastance * drive, by_above + by_below


# -- models ------------------------------------------------------------------------------------------------------------


@final
@dataclass(frozen=True)
class STC(Model):
    r"""Saturated liquid time-constant neurons: LTC whose conductance and drive cannot grow without bound.

        dv_i/dt = -sigma(f_i) v_i + tanh(z_i) v_leak_i
        f_i = leak_i + sum_j conductance_ji sigma(slope_ji (y_j - midpoint_ji))
        z_i = leak_i + sum_j weight_ji sigma(slope_ji (y_j - midpoint_ji))

    with y the inputs and states, and sigma the logistic function. Without sigma(f) and tanh(z) this is LTC of
    capacitance 1 with weight = conductance x reversal / v_leak. The sums run over every cell that any synapse joins to
    neuron i (a gap junction joins both ways), and over i itself: the paper's sums run over all cells, i included.

    Args:
        unfolds: sub-steps per sample, 1 or more; 1 as published.
        solver: "euler" (as published), or any other that `LTC` takes.
        input_map, output_map: "affine" (w x + b), "linear" (w x) or None; elementwise, start as the identity.

    Units: dimensionless; time in units of `time_unit`. |v_i| stays within 2 |v_leak_i| once there, under "euler" and
    "rk4" as long as dt / unfolds is at most 1, and whatever dt under the other solvers.
    Source: Farsang, Neubauer & Grosu 2024, arXiv 2403.08791. Starts are those of the authors' TensorFlow cell: leak,
    v_leak, conductance, slope and midpoint from the ranges of `LTC`. `weight` is an orthogonal matrix there; here,
    where connections are sparse, uniform with variance 1 / fan-in and the sign of the synapse. It is relative to v_leak
    (weight = conductance x reversal / v_leak), so a neuron with v_leak < 0 takes excitation as its inhibition.

    >>> STC().options
    {'unfolds': 1, 'solver': 'euler', 'input_map': 'affine', 'output_map': 'affine'}
    """

    name: ClassVar[str] = "stc"
    states: ClassVar[tuple[State, ...]] = (State("v", "1", "membrane potential"),)

    unfolds: int = 1
    solver: str = "euler"
    input_map: str | None = "affine"
    output_map: str | None = "affine"

    def __post_init__(self):
        check_solver(self, tuple(SOLVERS))
        check_choice("input_map", self.input_map, MAPS)
        check_choice("output_map", self.output_map, MAPS)

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        return (*_params(wiring), *map_params(self.input_map, self.output_map))

    def updates(self) -> tuple[Update, ...]:
        """One: the gated sums of all connections, and the saturated membrane under the chosen solver."""
        edge = Edge("connection", ("conductance", "weight", "slope", "midpoint"), ("f", "z"), gated, d_gated)
        return (
            Update(
                edges=(edge,),
                sums=(Sum("f", "leak"), Sum("z", "leak")),
                node=saturated,
                d_node=d_saturated,
                coefficients=("v_leak",),
                keeps=2,
                solver=SOLVERS[self.solver],
                capacitances=("capacitance",),
                unfolds=self.unfolds,
                own_state=True,
            ),
        )

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """The capacitance is 1."""
        return {**p, "capacitance": torch.ones_like(p["leak"])}


@final
@dataclass(frozen=True)
class LRC(Model):
    r"""Liquid-resistance liquid-capacitance neurons: STC whose capacitance depends on inputs and states too.

        dv_i/dt = elastance_i (-sigma(f_i) v_i + tanh(z_i) v_leak_i)
        e_i = elastance_bias_i + sum_j elastance_weight_ji y_j
        elastance_i = sigma(e_i)                                                 "asymmetric"
                      sigma(e_i + shift_i) - sigma(e_i - shift_i)                "symmetric"

    with f, z and y as in `STC`, and the same cells j. The elastance, between 0 and 1, is one over a capacitance.

    Args:
        unfolds: sub-steps per sample, 1 or more; 1 as published.
        solver: "euler" (as published), or any other that `LTC` takes.
        elastance: "asymmetric" or "symmetric".
        input_map, output_map: "affine" (w x + b), "linear" (w x) or None; elementwise, start as the identity.

    Units, bound: as of `STC`.
    Source: Farsang, Neubauer & Grosu 2024, arXiv 2403.08791; the symmetric elastance is that of the authors' code.
    Starts as of `STC`. The elastance is a dense layer over all inputs and states there, with Glorot's uniform start;
    here it reads the same cells as f and z, with that start for their fan-in and fan-out. Its bias starts at 0, the
    shift at 1.

    >>> LRC(elastance="symetric")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown elastance 'symetric'; did you mean 'symmetric' or 'asymmetric'? Known: ...
    """

    name: ClassVar[str] = "lrc"
    states: ClassVar[tuple[State, ...]] = (State("v", "1", "membrane potential"),)

    unfolds: int = 1
    solver: str = "euler"
    elastance: str = "asymmetric"
    input_map: str | None = "affine"
    output_map: str | None = "affine"

    def __post_init__(self):
        check_solver(self, tuple(SOLVERS))
        check_choice("elastance", self.elastance, ELASTANCES)
        check_choice("input_map", self.input_map, MAPS)
        check_choice("output_map", self.output_map, MAPS)

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        links = connections(wiring, own=True)
        fan_in = np.bincount(links.post, minlength=wiring.n_neurons)[links.post]
        reach = np.sqrt(6.0 / (fan_in + np.bincount(links.pre)[links.pre]))
        specs = [
            ParamSpec("elastance_weight", "connection", (-reach, reach), "1", "of the sender, in the elastance"),
            ParamSpec("elastance_bias", "neuron", (0.0, 0.0), "1", "of the elastance's argument"),
        ]
        if self.elastance == "symmetric":
            meaning = "half of the elastance's width"
            specs.append(ParamSpec("elastance_shift", "neuron", (1.0, 1.0), "1", meaning, "non_negative"))
        return (*_params(wiring), *specs, *map_params(self.input_map, self.output_map))

    def updates(self) -> tuple[Update, ...]:
        """One: the gated and linear sums of all connections, and the liquid membrane under the chosen solver."""
        synapse = ("conductance", "weight", "slope", "midpoint", "elastance_weight")
        both = self.elastance == "symmetric"
        return (
            Update(
                edges=(Edge("connection", synapse, ("f", "z", "e"), liquid, d_liquid),),
                sums=(Sum("f", "leak"), Sum("z", "leak"), Sum("e", "elastance_bias")),
                node=symmetric if both else asymmetric,
                d_node=d_symmetric if both else d_asymmetric,
                coefficients=("v_leak", "elastance_shift") if both else ("v_leak",),
                keeps=4 if both else 3,
                solver=SOLVERS[self.solver],
                capacitances=("capacitance",),
                unfolds=self.unfolds,
                own_state=True,
            ),
        )

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """The capacitance is 1, since the elastance stands in drive and pull."""
        return {**p, "capacitance": torch.ones_like(p["leak"])}


def _params(wiring: Wiring) -> tuple[ParamSpec, ...]:
    """The parameters that both have."""
    links = connections(wiring, own=True)
    reach = np.sqrt(3.0 / np.maximum(np.bincount(links.post, minlength=wiring.n_neurons), 1))[links.post]
    over = "connection"
    return (
        ParamSpec("leak", "neuron", (0.001, 1.0), "conductance", "leak conductance", "positive"),
        ParamSpec("v_leak", "neuron", (-0.2, 0.2), "potential", "resting potential of the leak"),
        ParamSpec(
            "conductance", over, (0.001, 1.0), "conductance", "of the open connection", "non_negative", counted=True
        ),
        ParamSpec(
            *("weight", over, (np.zeros(len(reach)), reach), "conductance", "of the drive, relative to v_leak"),
            signed=True,
            counted=True,
        ),
        ParamSpec("slope", over, (3.0, 8.0), "1 / potential", "steepness of the connection's gate"),
        ParamSpec("midpoint", over, (0.3, 0.8), "potential", "of the sender, where the gate is half open"),
    )
