"""Continuous-time recurrent neurons: the standard leaky rate model."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.models.ode import OdeModel
from wormnet.models.spec import ParamSpec, Values, add_by, check_flag, connections
from wormnet.wiring.core import Wiring

__all__ = ["CTRNN"]


@dataclass(frozen=True)
class CTRNN(OdeModel):
    r"""Continuous-time recurrent neurons.

        time_constant_i dv_i/dt = -v_i + tanh(sum_s weight_s u_pre(s) + bias_i)

    with u_j the input or state of cell j. Every ordered pair of cells that any synapse joins has one weight (a gap
    junction joins both ways), which starts with the sign of its synapse.

    Args:
        unfolds: sub-steps per sample, 1 or more.
        solver: "semi_implicit", "euler", "exponential_euler" or "rk4".
        fixed_polarity: weights keep the sign of their synapse.

    Units: dimensionless; time_constant in the unit of dt. States stay within -1..1 once there (not under "euler" with
    dt / unfolds above the time constant, nor under "rk4" with one far above it).
    Source: Funahashi & Nakamura 1993, Neural Networks 6, 801-806; the baseline of Hasani et al. 2021, AAAI.

    >>> CTRNN(solver="rk5")
    Traceback (most recent call last):
    wormnet.errors.ArgumentError: unknown solver 'rk5'; did you mean 'rk4'? Known: semi_implicit, euler, ...
    """

    name: ClassVar[str] = "ctrnn"

    unfolds: int = 6
    solver: str = "semi_implicit"
    fixed_polarity: bool = False

    def __post_init__(self):
        self._check_ode()
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

    def indices(self, wiring: Wiring) -> dict[str, NDArray[np.int64]]:
        """Sender, receiver and connection, those from inputs apart from those from neurons."""
        links = connections(wiring, own=False)
        found = {}
        from_input = links.pre < wiring.n_inputs
        for sender, chosen, shift in (("input", from_input, 0), ("neuron", ~from_input, wiring.n_inputs)):
            found[f"{sender}_pre"] = links.pre[chosen] - shift
            found[f"{sender}_post"] = links.post[chosen]
            found[f"{sender}_connection"] = np.flatnonzero(chosen)
        return found

    def prepare(self, p: Values, at: Values) -> Values:
        """Split the weights by sender, once per call."""
        ready = dict(p)
        for sender in ("input", "neuron"):
            ready[f"weight_{sender}"] = p["weight"][at[f"{sender}_connection"]]
        return ready

    def capacitance(self, p: Values) -> Tensor:
        """The time constant."""
        return p["time_constant"]

    def from_inputs(self, p: Values, at: Values, x: Tensor) -> tuple[Tensor, Tensor]:
        """The part of the sum that the inputs send; it acts through tanh in `combine`."""
        return self._sum(p, at, x, "input") + p["bias"], torch.ones_like(p["bias"])

    def from_neurons(self, p: Values, at: Values, v: Tensor) -> tuple[Tensor, Tensor]:
        """The part of the sum that the neurons send."""
        return self._sum(p, at, v, "neuron"), torch.zeros_like(p["bias"])

    def combine(self, drive: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
        """The whole sum acts through tanh."""
        return torch.tanh(drive), pull

    def _sum(self, p: Values, at: Values, u: Tensor, sender: str) -> Tensor:
        return add_by(at[f"{sender}_post"], p[f"weight_{sender}"] * u[:, at[f"{sender}_pre"]], p["bias"].shape[0])
