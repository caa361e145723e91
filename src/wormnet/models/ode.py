"""Neurons that are ordinary differential equations, and the four ways to solve them."""

from abc import abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from wormnet.models import formulas
from wormnet.models.spec import Model, Values, check_choice, check_count

__all__ = ["ORDER", "SOLVERS", "OdeModel"]

Pull = Callable[[Tensor], tuple[Tensor, Tensor]]
"""v (batch, neurons) -> drive, pull of capacitance dv/dt = drive - pull v, both (batch, neurons)."""


def _semi_implicit(v: Tensor, capacitance: Tensor, pull_at: Pull, h: Tensor) -> Tensor:
    return formulas.semi_implicit(v, capacitance, *pull_at(v), h)


def _euler(v: Tensor, capacitance: Tensor, pull_at: Pull, h: Tensor) -> Tensor:
    return formulas.explicit_euler(v, capacitance, *pull_at(v), h)


def _exponential_euler(v: Tensor, capacitance: Tensor, pull_at: Pull, h: Tensor) -> Tensor:
    drive, pull = pull_at(v)
    # A neuron that nothing pulls on has no rest; there dv/dt is constant and the step is Euler's.
    still = pull == 0
    safe = torch.where(still, torch.ones_like(pull), pull)
    relaxed = formulas.exponential_euler(v, drive / safe, torch.exp(-h * safe / capacitance))
    return torch.where(still, formulas.explicit_euler(v, capacitance, drive, pull, h), relaxed)


def _rk4(v: Tensor, capacitance: Tensor, pull_at: Pull, h: Tensor) -> Tensor:
    def rate(at: Tensor) -> Tensor:
        return formulas.velocity(at, capacitance, *pull_at(at))

    k1 = rate(v)
    k2 = rate(v + 0.5 * h * k1)
    k3 = rate(v + 0.5 * h * k2)
    k4 = rate(v + h * k3)
    return formulas.rk4_sum(v, k1, k2, k3, k4, h)


SOLVERS = {"semi_implicit": _semi_implicit, "euler": _euler, "exponential_euler": _exponential_euler, "rk4": _rk4}
ORDER = {"semi_implicit": 1, "euler": 1, "exponential_euler": 1, "rk4": 4}
"""The order of convergence that each solver claims, and the tests measure."""


class OdeModel(Model):
    """A model of the form capacitance_i dv_i/dt = drive_i(v, x) - pull_i(v, x) v_i.

    Every sample's dt is cut into `unfolds` equal sub-steps, the inputs held. A model writes what comes from the inputs
    (once for a sample) and what comes from the neurons (every sub-step).
    """

    solver: str
    unfolds: int

    def _check_ode(self) -> None:
        check_choice("solver", self.solver, tuple(SOLVERS))
        check_count("unfolds", self.unfolds, 1)

    @abstractmethod
    def capacitance(self, p: Values) -> Tensor:
        """(neurons,) what dv/dt is multiplied by."""

    @abstractmethod
    def from_inputs(self, p: Values, at: Values, x: Tensor) -> tuple[Tensor, Tensor]:
        """Drive and pull by the inputs x (batch, inputs) and the neuron alone: each (batch, neurons)."""

    @abstractmethod
    def from_neurons(self, p: Values, at: Values, v: Tensor) -> tuple[Tensor, Tensor]:
        """Drive and pull by the states v (batch, neurons): each (batch, neurons) or a number."""

    def combine(self, drive: Tensor, pull: Tensor) -> tuple[Tensor, Tensor]:
        """What the sums of both parts make: themselves, unless the model says otherwise."""
        return drive, pull

    def step(self, p: Values, at: Values, v: Tensor, x: Tensor, dt: Tensor, training: bool = False) -> Tensor:
        """Advance v by one sample, as Model.step says."""
        drive_x, pull_x = self.from_inputs(p, at, x)
        capacitance, h = self.capacitance(p), dt / self.unfolds

        def pull_at(v: Tensor) -> tuple[Tensor, Tensor]:
            drive, pull = self.from_neurons(p, at, v)
            return self.combine(drive_x + drive, pull_x + pull)

        solve = SOLVERS[self.solver]
        for _ in range(self.unfolds):
            v = solve(v, capacitance, pull_at, h)
        return v
