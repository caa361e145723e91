"""Liquid time-constant neurons: graded, conductance-based."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.models import formulas
from wormnet.models.ode import OdeModel
from wormnet.models.spec import ParamSpec, Values, add_by, check_choice, check_flag
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["LTC"]

MAPS = ("affine", "linear", None)


@dataclass(frozen=True)
class LTC(OdeModel):
    r"""Liquid time-constant neurons, with chemical, gap and current synapses.

        capacitance_i dv_i/dt = leak_i (v_leak_i - v_i)
                              + sum_chemical conductance_s sigma(slope_s (u_pre(s) - midpoint_s)) (reversal_s - v_i)
                              + sum_gap      gap_conductance_s (u_pre(s) - v_i)
                              + sum_current  current_s u_pre(s)

    with u_j the input or potential of cell j and sigma the logistic function. Under the semi-implicit solver the new
    v_i is a weighted mean of potentials with positive weights, so no dt makes it leave the range of v, v_leak,
    reversal and the gap junctions' partners (current synapses excepted).

    Args:
        unfolds: sub-steps per sample, 1 or more.
        solver: "semi_implicit" (as published), "euler", "exponential_euler" or "rk4". Only the first is stable for
            every dt; the explicit ones may diverge where dt pull / capacitance is large.
        input_map, output_map: "affine" (w x + b), "linear" (w x) or None; elementwise, start as the identity.
        fixed_polarity: reversal potentials keep the sign of their synapse; otherwise they are free, as published.

    Units: potentials, times and conductances are dimensionless; capacitance / leak is a time in the unit of dt.
    Source: Hasani et al. 2021, AAAI 35(9), 7657-7666, Algorithm 1; Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652,
    equations 1-3. Ranges of the start are those of the authors' code (`ncps` 1.0.1); positive parameters go through
    softplus and start inside of these ranges.

    >>> LTC(unfolds=3).options["solver"]
    'semi_implicit'
    """

    name: ClassVar[str] = "ltc"

    unfolds: int = 6
    solver: str = "semi_implicit"
    input_map: str | None = "affine"
    output_map: str | None = "affine"
    fixed_polarity: bool = False

    def __post_init__(self):
        self._check_ode()
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
                "conductance", "chemical", (0.001, 1.0), "conductance", "of the open synapse", "positive", counted=True
            ),
            ParamSpec("slope", "chemical", (3.0, 8.0), "1 / potential", "steepness of the synapse's gate"),
            ParamSpec("midpoint", "chemical", (0.3, 0.8), "potential", "of the sender, where the gate is half open"),
            ParamSpec(
                "reversal", "chemical", (1.0, 1.0), "potential", "that the synapse pulls to", polarity, signed=True
            ),
        ]
        if len(wiring.of_kind(GAP)):
            unit, meaning = "conductance", "of the gap junction"
            specs.append(ParamSpec("gap_conductance", "gap", (0.001, 1.0), unit, meaning, "positive", counted=True))
        if len(wiring.of_kind(CURRENT)):
            unit, meaning = "current / input", "gain of the input"
            specs.append(ParamSpec("current", "current", (0.001, 1.0), unit, meaning, signed=True, counted=True))
        for word, option in (("input", self.input_map), ("output", self.output_map)):
            if option:
                specs.append(ParamSpec(f"{word}_scale", word, (1.0, 1.0), "1", f"{word} gain"))
            if option == "affine":
                specs.append(ParamSpec(f"{word}_shift", word, (0.0, 0.0), "potential", f"{word} offset"))
        return tuple(specs)

    def indices(self, wiring: Wiring) -> dict[str, NDArray[np.int64]]:
        """For each kind: sender, receiver and synapse of the edges, those from inputs apart from those from neurons."""
        found = {}
        for word, kind in (("chemical", CHEMICAL), ("gap", GAP), ("current", CURRENT)):
            csr = wiring.csr(kind)
            from_input = csr.pre < wiring.n_inputs
            for sender, chosen, shift in (("input", from_input, 0), ("neuron", ~from_input, wiring.n_inputs)):
                found[f"{word}_{sender}_pre"] = csr.pre[chosen] - shift
                found[f"{word}_{sender}_post"] = csr.post[chosen]
                found[f"{word}_{sender}_synapse"] = csr.synapse[chosen]
        return found

    def prepare(self, p: Values, at: Values) -> Values:
        """Split the synapses' parameters by sender, once per call."""
        ready = dict(p)
        n = p["leak"].shape[0]
        for sender in ("input", "neuron"):
            chosen = at[f"chemical_{sender}_synapse"]
            for name in ("conductance", "slope", "midpoint", "reversal"):
                ready[f"{name}_{sender}"] = p[name][chosen]
            ready[f"conductance_reversal_{sender}"] = ready[f"conductance_{sender}"] * ready[f"reversal_{sender}"]
            if "gap_conductance" in p:
                ready[f"gap_{sender}"] = p["gap_conductance"][at[f"gap_{sender}_synapse"]]
                ready[f"gap_pull_{sender}"] = add_by(at[f"gap_{sender}_post"], ready[f"gap_{sender}"][None], n)
        if "current" in p:
            ready["current_input"] = p["current"][at["current_input_synapse"]]
        return ready

    def read_in(self, p: Values, x: Tensor) -> Tensor:
        """Scale and shift each input."""
        return _mapped(p, x, "input")

    def read_out(self, p: Values, y: Tensor) -> Tensor:
        """Scale and shift each output."""
        return _mapped(p, y, "output")

    def capacitance(self, p: Values) -> Tensor:
        """The membrane capacitance."""
        return p["capacitance"]

    def from_inputs(self, p: Values, at: Values, x: Tensor) -> tuple[Tensor, Tensor]:
        """Leak, and the synapses that inputs send."""
        drive, pull = self._synapses(p, at, x, "input")
        if "current_input" in p:
            current = p["current_input"] * x[:, at["current_input_pre"]]
            drive = drive + add_by(at["current_input_post"], current, p["leak"].shape[0])
        return drive + p["leak"] * p["v_leak"], pull + p["leak"]

    def from_neurons(self, p: Values, at: Values, v: Tensor) -> tuple[Tensor, Tensor]:
        """The synapses between neurons."""
        return self._synapses(p, at, v, "neuron")

    def _synapses(self, p: Values, at: Values, u: Tensor, sender: str) -> tuple[Tensor, Tensor]:
        n = p["leak"].shape[0]
        u_pre, post = u[:, at[f"chemical_{sender}_pre"]], at[f"chemical_{sender}_post"]
        gate = torch.sigmoid(formulas.gate_argument(u_pre, p[f"slope_{sender}"], p[f"midpoint_{sender}"]))
        drive = add_by(post, gate * p[f"conductance_reversal_{sender}"], n)
        pull = add_by(post, gate * p[f"conductance_{sender}"], n)
        if f"gap_{sender}" in p:
            drive = drive + add_by(at[f"gap_{sender}_post"], p[f"gap_{sender}"] * u[:, at[f"gap_{sender}_pre"]], n)
            pull = pull + p[f"gap_pull_{sender}"]
        return drive, pull


def _mapped(p: Values, values: Tensor, word: str) -> Tensor:
    scale, shift = p.get(f"{word}_scale"), p.get(f"{word}_shift")
    if scale is None:
        return values
    return values * scale if shift is None else torch.addcmul(shift, values, scale)
