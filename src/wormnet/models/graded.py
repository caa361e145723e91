"""The whole worm with graded transmission: a potential and a synaptic activation per neuron, in physical units."""

from dataclasses import dataclass, fields
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.errors import ArgumentError
from wormnet.models.elementary import sigmoid
from wormnet.models.equation import Edge, Model, State, Sum, Update, check_solver
from wormnet.models.formulas import d_sigmoid, gate_argument
from wormnet.models.ltc import CURRENT_EDGE, GAP_EDGE
from wormnet.models.solvers import SOLVERS
from wormnet.models.spec import ParamSpec, Values
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring

__all__ = ["GradedWorm"]


def transmitted(u, driven, conductance):
    """A conductance that the sender's activation u opens; driven is conductance x reversal."""
    return u * driven, u * conductance


def d_transmitted(u, driven, conductance, by_drive, by_pull):
    """Adjoints of u and the coefficients."""
    return by_drive * driven + by_pull * conductance, by_drive * u, by_pull * u


def graded(v, s, drive, pull, threshold, steepness, rise, decay):
    """Drive and pull of the potential, and of the activation: rise gate (1 - s) - decay s."""
    gate = sigmoid(gate_argument(v, steepness, threshold))
    opening = rise * gate
    return drive, pull, opening, opening + decay, gate


def d_graded(v, s, threshold, steepness, rise, decay, gate, by_drive, by_pull, by_opening, by_closing):
    """Adjoints of v, s, the sums and the coefficients."""
    by_both = by_opening + by_closing
    by_argument = by_both * rise * d_sigmoid(gate)
    by_v = by_argument * steepness
    return by_v, 0.0, by_drive, by_pull, -by_v, by_argument * (v - threshold), by_both * gate, by_closing


@final
@dataclass(frozen=True)
class GradedWorm(Model):
    r"""The graded-transmission model of the whole nervous system of C. elegans.

        capacitance_i dv_i/dt = leak_i (v_leak_i - v_i)
                              + sum_chemical conductance_k s_pre(k) (reversal_k - v_i)
                              + sum_gap      gap_conductance_k (v_pre(k) - v_i)
                              + sum_current  current_k x_pre(k)
        ds_i/dt = rise_i sigma(steepness_i (v_i - threshold_i)) (1 - s_i) - decay_i s_i

    with sigma the logistic function, v the potential and s the share of a neuron's synapses that is active. Every
    conductance starts as that of one contact times the synapse's count. `threshold` starts at the potential at rest,
    where sigma is one half, s = rise / (rise + 2 decay) (parameter `activation`) and no current flows; a sequence
    starts there. Rest is that of the wiring without its inputs; lesion a wiring and the new model has another rest.

    Inputs: a current synapse injects the input as a current, a gap junction takes it as a potential, and a chemical
    synapse as an activation 0..1.

    Args:
        unfolds: sub-steps per sample, 1 or more. The table below says how many it takes.
        solver: as of `LTC`. Under a bounded one v stays between the potentials that pull on it and s within 0..1. The
            default differs from that of `LTC`, since here potentials are meant to be those of the equation.
        capacitance: of the membrane, pF.   leak: conductance of the membrane, nS.   v_leak: its potential, mV.
        conductance, gap_conductance: of one contact, nS.
        excitatory, inhibitory: reversal potentials, mV; a synapse whose sign is to be learned starts as excitatory.
        rise, decay: rates of activation and of its loss, 1 / ms.   steepness: 1 / mV.

    Units: mV, ms, nS, pF, pA; dt in ms, unless `time_unit` says otherwise.
    Raises: ArgumentError for a constant that is not finite, or not above 0 where it has to be.

    Accuracy: largest error in mV of any neuron of `connectome("varshney2011")` against scipy's Radau, by solver and
    unfolds, in 20 samples of 5 ms from rest on, with 2 pA into PLML and PLMR, which moves PLML by 8.4 mV. The fastest
    neuron's time constant is 0.07 ms.

        solver                  order        1         6        24
        semi_implicit               1      1.7      0.45      0.13
        euler                       1 diverges  diverges  diverges
        exponential_euler           1      1.2      0.19     0.048
        exponential_midpoint        2     0.48     0.025    0.0019
        rk4                         4 diverges  diverges  diverges

    Source: Kunert, Shlizerman & Kutz 2014, Phys. Rev. E 89, 052805, on potentials and synapses of Wicks, Roehrig &
    Rankin 1996, J. Neurosci. 16, 4017. Equations and constants are those of the authors' code (Neural Interactome,
    initialize.py, 07f851b; modWorm, network_params.py, 7474256) but for its clock, which is 1.5 times slower (1.5 pF,
    1 / 1.5 and 5 / 1.5 per s) than 1 pF, 1 / s and 5 / s, which others restate as published (so Kunert-Graf et al.
    2017, Front. Comput. Neurosci. 11, 53). Its inhibitory reversal is -48 mV; others quote -45 mV for the papers. Its
    conductances are per contact of Varshney et al. 2011; sections of cook2019 take `weights="scaled"`.

    >>> GradedWorm(inhibitory=-45.0).options["leak"]
    0.01
    """

    name: ClassVar[str] = "graded"
    states: ClassVar[tuple[State, ...]] = (
        State("v", "mV", "membrane potential", "threshold"),
        State("s", "1", "active share of the synapses that it makes", "activation"),
    )

    unfolds: int = 6
    solver: str = "exponential_midpoint"
    capacitance: float = 1.0
    leak: float = 0.01
    v_leak: float = -35.0
    conductance: float = 0.1
    gap_conductance: float = 0.1
    excitatory: float = 0.0
    inhibitory: float = -48.0
    rise: float = 0.001
    decay: float = 0.005
    steepness: float = 0.125

    def __post_init__(self):
        check_solver(self, tuple(SOLVERS))
        for name in (field.name for field in fields(self) if field.type in (float, "float")):
            value, potential = getattr(self, name), name in ("v_leak", "excitatory", "inhibitory")
            number = isinstance(value, (int, float, np.number)) and not isinstance(value, bool) and np.isfinite(value)
            if not number or (value <= 0 and not potential):
                raise ArgumentError(f"{name} is {value!r}; it takes a finite number{'' if potential else ' above 0'}.")

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """The parameters; the docstring of the class has the equation."""
        rest = _rest(self, wiring)
        activation = self.rise / (self.rise + 2 * self.decay)

        def neuron(name, value, unit, meaning, constraint: str | None = "positive"):
            return ParamSpec(name, "neuron", (value, value), unit, meaning, constraint)  # pyright: ignore

        specs = [
            neuron("capacitance", self.capacitance, "pF", "membrane capacitance"),
            neuron("leak", self.leak, "nS", "leak conductance"),
            neuron("v_leak", self.v_leak, "mV", "resting potential of the leak", None),
            neuron("threshold", rest, "mV", "where half of the gates open, and where a sequence starts", None),
            neuron("steepness", self.steepness, "1 / mV", "of the gates"),
            neuron("rise", self.rise, "1 / ms", "rate at which open gates activate synapses"),
            neuron("decay", self.decay, "1 / ms", "rate at which activation is lost"),
            neuron("activation", activation, "1", "where a sequence starts", "non_negative"),
        ]
        kinds = {"chemical": self.conductance, "gap": self.gap_conductance}
        for (over, contact), kind in zip(kinds.items(), (CHEMICAL, GAP), strict=True):
            name = "conductance" if kind == CHEMICAL else "gap_conductance"
            count = wiring.count[wiring.of_kind(kind)]
            mean = contact * float(count.mean()) if len(count) else contact
            specs.append(ParamSpec(name, over, (mean, mean), "nS", "fully active", "non_negative", counted=True))
        reversal = _reversal(self, wiring)
        specs.append(ParamSpec("reversal", "chemical", (reversal, reversal), "mV", "that the synapse pulls to"))
        if len(wiring.of_kind(CURRENT)):
            specs.append(ParamSpec("current", "current", (1.0, 1.0), "pA / input", "gain of the input", signed=True))
        return tuple(specs)

    def updates(self) -> tuple[Update, ...]:
        """One: synapses that read activations, junctions that read potentials, and both states under one solver."""
        chemical = Edge(
            *("chemical", ("driven", "conductance"), ("drive", "pull"), transmitted, d_transmitted), reads="s"
        )
        return (
            Update(
                edges=(chemical, GAP_EDGE, CURRENT_EDGE),
                sums=(Sum("drive", "leak_drive"), Sum("pull", "leak")),
                node=graded,
                d_node=d_graded,
                coefficients=("threshold", "steepness", "rise", "decay"),
                keeps=1,
                solver=SOLVERS[self.solver],
                capacitances=("capacitance", "one"),
                unfolds=self.unfolds,
            ),
        )

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """Conductance x reversal, leak x v_leak, and 1, by which the activation's derivative is multiplied."""
        made = {"driven": p["conductance"] * p["reversal"], "leak_drive": p["leak"] * p["v_leak"]}
        return {**p, **made, "one": torch.ones_like(p["leak"])}


def _reversal(model: GradedWorm, wiring: Wiring) -> NDArray[np.float64]:
    sign = wiring.sign[wiring.of_kind(CHEMICAL)]
    return np.where(sign < 0, model.inhibitory, model.excitatory).astype(np.float64)


def _rest(model: GradedWorm, wiring: Wiring) -> NDArray[np.float64]:
    """The potentials (neurons,) at which no current flows with all gates half open: a linear system.

    It is symmetric and its diagonal dominates, so conjugate gradients solve it in a few steps, however large.
    """
    n, inputs = wiring.n_neurons, wiring.n_inputs
    ends, g = {}, {}
    for kind, contact in ((CHEMICAL, model.conductance), (GAP, model.gap_conductance)):
        chosen = wiring.of_kind(kind)
        within = wiring.pre[chosen] >= inputs
        ends[kind] = wiring.pre[chosen][within] - inputs, wiring.post[chosen][within] - inputs
        g[kind] = contact * wiring.count[chosen][within]
    reversal = _reversal(model, wiring)[wiring.pre[wiring.of_kind(CHEMICAL)] >= inputs]
    open_half = g[CHEMICAL] * (model.rise / (model.rise + 2 * model.decay))
    post, (one, other), gap = ends[CHEMICAL][1], ends[GAP], g[GAP]
    pull = model.leak + np.bincount(post, open_half, n)
    drive = model.leak * model.v_leak + np.bincount(post, open_half * reversal, n)
    diagonal = pull + np.bincount(one, gap, n) + np.bincount(other, gap, n)

    def flow(v: NDArray[np.float64]) -> NDArray[np.float64]:
        return diagonal * v - np.bincount(one, gap * v[other], n) - np.bincount(other, gap * v[one], n)

    v = drive / pull
    residual = drive - flow(v)
    step = z = residual / diagonal
    for _ in range(10 * n):
        if not np.abs(z).max(initial=0.0) > 1e-13 * np.abs(v).max(initial=0.0):
            break
        flown, weight = flow(step), residual @ z
        length = weight / (step @ flown)
        v, residual = v + length * step, residual - length * flown
        z = residual / diagonal
        step = z + (residual @ z) / weight * step
    return v
