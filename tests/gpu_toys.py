"""Models that no engine knows: two states, several parts, constants of every kind."""

from dataclasses import dataclass

from wormnet.models import SOLVERS, Edge, Model, ParamSpec, State, Sum, Update
from wormnet.models.elementary import sigmoid, tanh
from wormnet.models.formulas import d_sigmoid, d_tanh

RATE = 0.3
"""No number that float32 holds."""


def synapse(u, conductance, reversal):
    gate = sigmoid(u)
    return gate * conductance * reversal, gate * conductance


def d_synapse(u, conductance, reversal, by_drive, by_pull):
    gate = sigmoid(u)
    by_gate = by_drive * conductance * reversal + by_pull * conductance
    return by_gate * d_sigmoid(gate), gate * (by_drive * reversal + by_pull), by_drive * gate * conductance


def junction(u, conductance):
    return conductance * u, conductance


def d_junction(u, conductance, by_drive, by_pull):
    return by_drive * conductance, by_drive * u + by_pull


def membrane(v, a, drive, pull, gain):
    gate = sigmoid(v * gain)
    return drive, pull + 0.1, RATE * gate, 0.7, gate


def d_membrane(v, a, gain, gate, by_drive, by_pull, by_rise, by_fall):
    by_argument = RATE * by_rise * d_sigmoid(gate)
    return by_argument * gain, 0.0, by_drive, by_pull, by_argument * v


def weighted(u, weight):
    return u * weight


def d_weighted(u, weight, by_total):
    return by_total * weight, by_total * u


def relaxed(a, total, dt):
    y = tanh(total)
    return a + RATE * dt * (y - a), y


def d_relaxed(a, y, dt, by_new):
    by_change = by_new * RATE * dt
    return by_new - by_change, by_change * d_tanh(y), by_change * (y - a)


def leaky(v, drive, pull):
    return drive, pull + 0.1


def d_leaky(v, by_drive, by_pull):
    return 0.0, by_drive, by_pull


SPECS = (
    ParamSpec("capacitance", "neuron", (0.5, 1.0), "1", "of the potential", "positive"),
    ParamSpec("current", "neuron", (0.0, 1.0), "1", "injected"),
    ParamSpec("conductance", "chemical", (0.1, 1.0), "1", "of synapses", "positive"),
    ParamSpec("reversal", "chemical", (-1.0, 1.0), "1", "of synapses"),
    ParamSpec("gap_conductance", "gap", (0.1, 1.0), "1", "of gap junctions", "positive"),
)
SYNAPSE = Edge("chemical", ("conductance", "reversal"), ("drive", "pull"), synapse, d_synapse, reads="a")
JUNCTION = Edge("gap", ("gap_conductance",), ("drive", "pull"), junction, d_junction, reads="v")
SUMS = (Sum("drive", "current"), Sum("pull"))


@dataclass(frozen=True)
class TwoStates(Model):
    """A potential, and a synaptic activation that follows it and that synapses read."""

    name = "two-states"
    states = (State("v", "1", "potential"), State("a", "1", "activation"))
    solver: str = "semi_implicit"
    unfolds: int = 2

    def params(self, wiring):
        own = (
            ParamSpec("slowness", "neuron", (0.5, 1.0), "1", "of the activation", "positive"),
            ParamSpec("gain", "neuron", (0.5, 1.0), "1", "of the activation"),
        )
        return (*SPECS, *own)

    def updates(self):
        return (
            Update(
                edges=(JUNCTION, SYNAPSE), sums=SUMS, node=membrane, d_node=d_membrane, coefficients=("gain",), keeps=1,
                solver=SOLVERS[self.solver], capacitances=("capacitance", "slowness"), unfolds=self.unfolds,
            ),
        )  # fmt: skip


@dataclass(frozen=True)
class TwoParts(Model):
    """The potential under a solver, then the activation, layer by layer, without one."""

    name = "two-parts"
    states = (State("v", "1", "potential"), State("a", "1", "activation"))
    solver: str = "exponential_midpoint"

    def params(self, wiring):
        return (*SPECS, ParamSpec("weight", "connection", (-1.0, 1.0), "1", "of connections"))

    def updates(self):
        return (
            Update(
                edges=(SYNAPSE, JUNCTION), sums=SUMS, node=leaky, d_node=d_leaky, solver=SOLVERS[self.solver],
                capacitances=("capacitance",), unfolds=2, states=("v",),
            ),
            Update(
                edges=(Edge("connection", ("weight",), ("total",), weighted, d_weighted, reads="a"),),
                sums=(Sum("total"),), node=relaxed, d_node=d_relaxed, keeps=1, own_state=True, layered=True,
                states=("a",),
            ),
        )  # fmt: skip
