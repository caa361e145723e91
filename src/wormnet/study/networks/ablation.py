"""The worm's ingredients, each of which can be taken away: a neuron between LTC and CT-RNN, on circuits between NCP and
dense.

    v' = (target - v) / tau

    target   conductance   (g_leak v_leak + sum open E) / (g_leak + sum open),    open = g sigma(slope (u - midpoint))
             additive      v_leak + sum open E / g_leak
    tau      liquid        c / (g_leak + sum open)
             fixed         c / g_leak

Conductance and liquid is LTC; additive and fixed is a continuous-time recurrent network with the same synapses.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import wormnet
from wormnet.models.equation import Edge, Model, State, Sum, Update
from wormnet.models.ltc import LTC, chemical, current, d_chemical, d_current, d_gap, gap
from wormnet.models.solvers import SOLVERS
from wormnet.models.spec import ParamSpec, Values, check_choice, check_count, check_flag
from wormnet.nn import Recurrent
from wormnet.study.network import Network, Shape
from wormnet.study.networks.worm import SHORTEST, UNFOLDS, Connectome, enough_unfolds
from wormnet.wiring import CHEMICAL, GAP, Wiring
from wormnet.wiring.null import randomised

__all__ = ["BASES", "FACTORS", "Ablated", "Circuit", "cell", "cell_name", "levels_of"]

FACTORS: dict[str, tuple[str, str]] = {
    "synapses": ("conductance", "additive"),
    "tau": ("liquid", "fixed"),
    "density": ("sparse", "dense"),
    "hierarchy": ("layered", "flat"),
    "recurrence": ("recurrent", "acyclic"),
    "signs": ("balanced", "excitatory"),
    "start": ("spread", "published"),
    "gaps": ("gaps", "no-gaps"),
}
"""What can be taken away: by factor, the worm's level and the other one.

density: of circuits of about equal parameters.   hierarchy: inter, command and motor neurons, or as many synapses
anywhere.   recurrence: command neurons among each other; without, as many synapses and no cycle.
signs: excitation and inhibition with probability one half, or excitation alone. They are kept in training: if they were
free, as in `ncp-ltc-repaired`, the factor were about the start alone.
start: of the effective time constants, spread log-uniformly from .1 samples to the length, or as published.
gaps: gap junctions, of a connectome.
"""

BASES: dict[str, tuple[str, ...]] = {
    "ncp": ("synapses", "tau", "density", "hierarchy", "recurrence", "signs", "start"),
    "cook2019": ("synapses", "tau", "signs", "start", "gaps"),
}
"""What each factor applies to: neural circuit policies with two motor neurons, and the whole connectome."""

MOTOR = 2

# -- the neuron --------------------------------------------------------------------------------------------------------


def additive_fixed(v, drive, pull, apart, apart_pull, leak):
    """c v' = drive - leak v: a current, and a leak that stays as it is."""
    return drive + apart, leak + apart_pull


def d_additive_fixed(v, leak, by_drive, by_pull):
    """Adjoints of v, the sums and the leak."""
    return 0.0, by_drive, 0.0, by_drive, by_pull, by_pull


def additive_liquid(v, drive, pull, apart, apart_pull, leak):
    """c v' = (drive / leak - v) pull."""
    target = drive / leak
    return target * pull + apart, pull + apart_pull, target, pull


def d_additive_liquid(v, leak, target, pull, by_drive, by_pull):
    """Adjoints of v, the sums and the leak."""
    by_target = by_drive * pull / leak
    return 0.0, by_target, by_drive * target + by_pull, by_drive, by_pull, -(by_target * target)


def conductance_fixed(v, drive, pull, apart, apart_pull, leak):
    """c v' = (drive / pull - v) leak."""
    target = drive / pull
    return leak * target + apart, leak + apart_pull, target, pull


def d_conductance_fixed(v, leak, target, pull, by_drive, by_pull):
    """Adjoints of v, the sums and the leak."""
    by_target = by_drive * leak / pull
    return 0.0, by_target, -(by_target * target), by_drive, by_pull, by_drive * target + by_pull


def conductance_liquid(v, drive, pull, apart, apart_pull, leak):
    """c v' = drive - pull v."""
    return drive + apart, pull + apart_pull


def d_conductance_liquid(v, leak, by_drive, by_pull):
    """Adjoints of v, the sums and the leak."""
    return 0.0, by_drive, by_pull, by_drive, by_pull, 0.0


_NODES = {
    ("additive", "fixed"): (additive_fixed, d_additive_fixed, 0),
    ("additive", "liquid"): (additive_liquid, d_additive_liquid, 2),
    ("conductance", "fixed"): (conductance_fixed, d_conductance_fixed, 2),
    ("conductance", "liquid"): (conductance_liquid, d_conductance_liquid, 0),
}
_SYNAPSE = ("driven", "conductance", "slope", "midpoint")
# Gap junctions and currents are no part of what is ablated.
_EDGES = (
    Edge("chemical", _SYNAPSE, ("drive", "pull"), chemical, d_chemical),
    Edge("gap", ("gap_conductance",), ("apart", "apart_pull"), gap, d_gap),
    Edge("current", ("current",), ("apart",), current, d_current, linear=True),
)


@final
@dataclass(frozen=True)
class Ablated(Model):
    r"""Neurons between LTC and CT-RNN; the file's first lines tell the equation.

    Gap junctions add gap_conductance (u - v) / c to v', and currents current u / c, in all of them alike.

    The start is that of `LTC`, with two changes, so that a cell differs in what it does and not in where it starts.
    Additive synapses have no other conductance to be weighed against than the leak, so the leak of a neuron starts
    higher by half of the conductances it receives, in the mean. And with the published start (no `time_constants`), a
    fixed time constant takes the effective value that a liquid one has.

    Args:
        synapses: "conductance" or "additive".   tau: "liquid" or "fixed".
        unfolds, fixed_polarity: as of `LTC`.   Semi-implicit steps; inputs and outputs have the affine maps of `LTC`.

    >>> Ablated("additive", "fixed").options["tau"]
    'fixed'
    """

    name: ClassVar[str] = "ablated"
    states: ClassVar[tuple[State, ...]] = LTC.states

    synapses: str = "conductance"
    tau: str = "liquid"
    unfolds: int = UNFOLDS
    fixed_polarity: bool = False

    def __post_init__(self):
        check_choice("synapses", self.synapses, FACTORS["synapses"])
        check_choice("tau", self.tau, FACTORS["tau"])
        check_count("unfolds", self.unfolds, 1)
        check_flag("fixed_polarity", self.fixed_polarity)

    def params(self, wiring: Wiring) -> tuple[ParamSpec, ...]:
        """Those of LTC; the leak of additive neurons starts higher."""
        specs = {spec.name: spec for spec in LTC(fixed_polarity=self.fixed_polarity).params(wiring)}
        if self.synapses == "additive":
            low, high = (np.asarray(end, np.float64) for end in specs["leak"].start)
            half = 0.5 * _mean_conductance(wiring, specs["conductance"])
            meaning = "leak conductance, which weighs the synapses"
            specs["leak"] = ParamSpec("leak", "neuron", (low + half, high + half), "conductance", meaning, "positive")
        return tuple(specs.values())

    def updates(self) -> tuple[Update, ...]:
        """One: the synapses of LTC, and the membrane that is asked for."""
        node, d_node, keeps = _NODES[self.synapses, self.tau]
        return (
            Update(
                edges=_EDGES,
                sums=(Sum("drive", "leak_drive"), Sum("pull", "leak"), Sum("apart"), Sum("apart_pull")),
                node=node,
                d_node=d_node,
                coefficients=("leak",),
                keeps=keeps,
                solver=SOLVERS["semi_implicit"],
                capacitances=("capacitance",),
                unfolds=self.unfolds,
            ),
        )

    def coefficients(self, p: Values) -> dict[str, Tensor]:
        """As of LTC."""
        return LTC().coefficients(p)

    def open_conductance(self, p: Values, wiring: Wiring) -> Tensor:
        """The leak and the gap junctions, and with liquid time constants half of each chemical conductance."""
        if self.tau == "liquid":
            return LTC().open_conductance(p, wiring)
        closed = {**p, "conductance": torch.zeros_like(p["conductance"])}
        return LTC().open_conductance(closed, wiring)


def _mean_conductance(wiring: Wiring, spec: ParamSpec) -> NDArray[np.float64]:
    """(neurons,) the sum of the conductances that a neuron receives, as it is expected at the start."""
    chemical = wiring.of_kind(CHEMICAL)
    low, high = (np.asarray(end, np.float64) for end in spec.start)
    each = (low + high) / 2 * wiring.count[chemical] / wiring.count[chemical].mean()
    found = np.bincount(wiring.post[chemical] - wiring.n_inputs, weights=each, minlength=wiring.n_neurons)
    return found.astype(np.float64)


# -- the circuit -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Circuit:
    """A neural circuit policy of `shape.size` neurons, without the ingredients that are not in it."""

    dense: bool = False
    layered: bool = True
    recurrent: bool = True
    balanced: bool = True

    def __call__(self, shape: Shape, seed: int) -> Wiring:
        """The wiring."""
        motor = max(1, min(MOTOR, shape.size // 3))
        policy = wormnet.auto_ncp(inputs=shape.n_inputs, neurons=shape.size, outputs=motor, seed=seed)
        rng = np.random.default_rng([seed, 7])
        may = self._pairs(policy)
        if self.dense:
            chosen = np.flatnonzero(may)
        elif self.layered:
            chosen = _kept(may, policy, rng)
        elif self.recurrent:
            return self._signed(randomised(policy, seed), rng)
        else:
            chosen = _reaching(may, policy, rng)
        pre, post = np.divmod(chosen, policy.n_neurons)
        found = policy.replace(pre=pre, post=post + policy.n_inputs, kind=CHEMICAL, sign=1, count=1.0)
        return self._signed(found, rng)

    def _pairs(self, policy: Wiring) -> NDArray[np.bool_]:
        """(cells, neurons), flat: the synapses that this kind of circuit may have."""
        i, cells = policy.n_inputs, len(policy.cells)
        pre, post = np.arange(cells)[:, None], np.arange(i, cells)
        if not self.layered:
            may = np.ones((cells, cells - i), bool) if self.recurrent else pre < post
        else:
            layer = np.concatenate([np.full(i, -1), policy.layers])
            may = layer[post] == layer[pre] + 1
            if self.recurrent:
                command = np.array(["input"] * i + list(policy.roles)) == "command"
                may = may | (command[pre] & command[post])
        return may.ravel()

    def _signed(self, wiring: Wiring, rng: np.random.Generator) -> Wiring:
        n = wiring.n_synapses
        return wiring.replace(sign=rng.choice([-1, 1], n) if self.balanced else np.ones(n, np.int64))


def _codes(wiring: Wiring) -> NDArray[np.int64]:
    return wiring.pre * wiring.n_neurons + wiring.post - wiring.n_inputs


def _kept(may: NDArray[np.bool_], policy: Wiring, rng: np.random.Generator) -> NDArray[np.int64]:
    """The synapses of the policy that may be, and for each other one a new one that may be, while there are any."""
    codes = _codes(policy)
    stay, free = codes[may[codes]], np.setdiff1d(np.flatnonzero(may), codes)
    more = rng.choice(free, min(len(codes) - len(stay), len(free)), replace=False)
    return np.sort(np.concatenate([stay, more]))


def _reaching(may: NDArray[np.bool_], policy: Wiring, rng: np.random.Generator) -> NDArray[np.int64]:
    """As many synapses as the policy has, of those that may be; every neuron hears a cell before it."""
    n, places = policy.n_neurons, np.flatnonzero(may)
    first = np.array([rng.choice(places[places % n == neuron]) for neuron in range(n)])
    more = rng.choice(np.setdiff1d(places, first), max(policy.n_synapses - n, 0), replace=False)
    return np.sort(np.concatenate([first, more]))


@dataclass(frozen=True)
class Neurons:
    """Builds ablated neurons on a wiring; all of them are read."""

    synapses: str
    tau: str
    spread: bool
    unfolds: int = UNFOLDS

    def __call__(self, wiring: Wiring, shape: Shape) -> Recurrent:
        """The layer."""
        wiring = wiring.read_out(*wiring.neurons)
        model = Ablated(self.synapses, self.tau, self.unfolds, fixed_polarity=True)
        bounds = (SHORTEST, float(max(shape.steps, 1))) if self.spread else None
        rnn = Recurrent(wiring, model, time_unit=shape.time_unit, time_constants=bounds)
        if not self.spread and self.tau == "fixed" and self.synapses == "conductance":
            with torch.no_grad():
                p = {name: value.detach() for name, value in rnn.values().items()}
                share = model.open_conductance(p, wiring) / LTC().open_conductance(p, wiring)
                rnn.set_values(capacitance=p["capacitance"] * share)
        return rnn


@dataclass(frozen=True)
class Worm:
    """The connectome, without the ingredients that are not in it."""

    gaps: bool
    balanced: bool

    def __call__(self, shape: Shape, seed: int) -> Wiring:
        """The wiring."""
        wiring = Connectome("cook2019")(shape, seed)
        if not self.gaps:
            wiring = wiring.lesion(synapses=wiring.kind == GAP)
        if not self.balanced:
            wiring = wiring.replace(sign=np.where(wiring.kind == CHEMICAL, 1, wiring.sign))
        return wiring


# -- cells by name -----------------------------------------------------------------------------------------------------


def cell_name(base: str, levels: dict[str, str]) -> str:
    """The name of the network with these levels, those of the worm left out.

    >>> cell_name("ncp", {"synapses": "additive", "tau": "fixed", "density": "sparse"})
    'ncp(additive,fixed)'
    """
    taken = [levels[factor] for factor in BASES[base] if levels.get(factor, FACTORS[factor][0]) != FACTORS[factor][0]]
    return f"{base}({','.join(taken) or 'worm'})"


def levels_of(name: str) -> tuple[str, dict[str, str]] | None:
    """Base and levels of a cell's name, as `cell_name` makes it; None for any other.

    >>> levels_of("ncp(worm)")[1]["tau"]
    'liquid'
    """
    match = re.fullmatch(r"([a-z0-9]+)\(([a-z,-]+)\)", name)
    if match is None or match[1] not in BASES:
        return None
    levels = {factor: FACTORS[factor][0] for factor in BASES[match[1]]}
    if match[2] != "worm":
        for word in match[2].split(","):
            factor = next((factor for factor in levels if FACTORS[factor][1] == word), None)
            if factor is None:
                return None
            levels[factor] = word
    return (match[1], levels) if cell_name(match[1], levels) == name else None


def cell(name: str) -> Network | None:
    """The network of a cell's name, with its ingredients in that order; None for any other name.

    >>> cell("ncp(additive,fixed)").family
    'null'
    """
    found = levels_of(name)
    if found is None:
        return None
    base, levels = found
    has = {factor: level == FACTORS[factor][0] for factor, level in levels.items()}
    gone = [f"{FACTORS[factor][1]} instead of {FACTORS[factor][0]}" for factor in levels if not has[factor]]
    about = f"LTC on {base}: {', '.join(gone) or 'with all ingredients'}"
    family = "null" if gone else "worm"
    of_neurons = partial(Neurons, levels["synapses"], levels["tau"], has["start"])
    if base == "ncp":
        wiring = Circuit(not has["density"], has["hierarchy"], has["recurrence"], has["signs"])
        return Network(name, of_neurons(), family, (), about, wiring, sized=True, least=4)
    return Network(name, of_neurons(enough_unfolds(base, "ltc")), family, (), about, Worm(has["gaps"], has["signs"]))
