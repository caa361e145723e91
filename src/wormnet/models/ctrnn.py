"""Continuous-time recurrent neurons: the standard leaky rate model."""

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from wormnet.models.elementary import tanh
from wormnet.models.equation import Edge, Model, State, Sum, Update, check_solver
from wormnet.models.formulas import d_tanh
from wormnet.models.solvers import SOLVERS
from wormnet.models.spec import ParamSpec, check_flag, connections
from wormnet.wiring.core import Wiring

__all__ = ["CTRNN"]


def weighted(u, weight):
    """The contribution of a connection to the sum."""
    return u * weight


def d_weighted(u, weight, by_total):
    """Adjoints of u and the weight."""
    return by_total * weight, by_total * u


def rate(v, total):
    """Drive and pull; the drive is kept."""
    drive = tanh(total)
    return drive, 1.0, drive


def d_rate(v, drive, by_drive, by_pull):
    """Adjoints of v and the sum."""
    return 0.0, by_drive * d_tanh(drive)


def terms(v, drive):
    """Drive and pull again."""
    return drive, 1.0


@final
@dataclass(frozen=True)
class CTRNN(Model):
    r"""Continuous-time recurrent neurons.

        time_constant_i dv_i/dt = -v_i + tanh(sum_s weight_s u_pre(s) + bias_i)

    with u_j the input or state of cell j. Every ordered pair of cells that any synapse joins has one weight (a gap
    junction joins both ways), which starts with the sign of its synapse.

    Args:
        unfolds: sub-steps per sample, 1 or more.
        solver: "semi_implicit", "exponential_euler", "exponential_midpoint", "euler" or "rk4".
        fixed_polarity: weights keep the sign of their synapse.

    Units: dimensionless; time_constant in units of `time_unit`. States stay within -1..1 once there (not under "euler"
    with dt / unfolds above the time constant, nor under "rk4" with one far above it).
    Source: Funahashi & Nakamura 1993, Neural Networks 6, 801-806; the baseline of Hasani et al. 2021, AAAI.

    >>> CTRNN(solver="rk5")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown solver 'rk5'; did you mean 'rk4'? Known: semi_implicit, euler, ...
    """

    name: ClassVar[str] = "ctrnn"
    states: ClassVar[tuple[State, ...]] = (State("v", "1", "activity"),)

    unfolds: int = 6
    solver: str = "semi_implicit"
    fixed_polarity: bool = False

    def __post_init__(self):
        check_solver(self, tuple(SOLVERS))
        check_flag("fixed_polarity", self.fixed_polarity)

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        links = connections(wiring, own=False)
        fan_in = np.bincount(links.post, minlength=wiring.n_neurons)
        # Uniform with variance 1 / fan-in, so that the sum's variance does not depend on the wiring.
        reach = np.sqrt(3.0 / np.maximum(fan_in, 1))
        return (
            ParamSpec("time_constant", "neuron", (0.5, 2.0), "time", "of the leak", "positive"),
            ParamSpec("bias", "neuron", (0.0, 0.0), "1", "of the sum"),
            ParamSpec(
                "weight",
                "connection",
                (np.zeros(len(links.post)), reach[links.post]),
                "1",
                "of the sender's state",
                "polarity" if self.fixed_polarity else None,
                signed=True,
                counted=True,
            ),
        )

    def updates(self) -> tuple[Update, ...]:
        """One: a weighted sum of all connections, and the leaky rate under the chosen solver."""
        return (
            Update(
                edges=(Edge("connection", ("weight",), ("total",), weighted, d_weighted, linear=True),),
                sums=(Sum("total", "bias"),),
                node=rate,
                d_node=d_rate,
                terms=terms,
                keeps=1,
                solver=SOLVERS[self.solver],
                capacitances=("time_constant",),
                unfolds=self.unfolds,
            ),
        )
