"""Ordinary neural circuits: a wiring with parameters in mV, S and F, their units, bounds, and maps to the world.

    C dv/dt = G_leak (V_leak - v) + sum w (E - v) / (1 + exp(-slope (v_pre - midpoint))) + sum_gap w (v_pre - v)

Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, with its supplement and published code.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas
from wormnet.wiring.check import shortened
from wormnet.wiring.core import CHEMICAL, CURRENT, GAP, Wiring, prove_wiring

__all__ = ["BOUNDS", "MODES", "Biophysical", "Units", "check_bounds", "clip_to_bounds", "motor", "sensory", "simulate"]

Values = Mapping[str, NDArray[np.float64]]

PER_NEURON = ("capacitance", "leak", "v_leak")
PER_CHEMICAL = ("conductance", "slope", "midpoint", "reversal")

BOUNDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "capacitance": (0.001, 1.0),  # F
        "leak": (0.05, 5.0),  # S
        "v_leak": (-90.0, 0.0),  # mV
        "conductance": (0.0, 3.0),  # S
        "gap_conductance": (0.0, 3.0),  # S
        "slope": (0.05, 0.5),  # 1 / mV
    }
)
"""The bounds that the published circuits were searched in (Table S2 of the supplement)."""

MODES: Mapping[str, float] = MappingProxyType({"paper": -70.0, "code": -60.0})
"""The two published maps between the world and potentials, by the potential of a motor neuron that means 0."""

REST, FULL = -70.0, -20.0
"""mV: a sensory cell that feels nothing, and one that feels all it can."""


@dataclass(frozen=True, eq=False)
class Biophysical:
    """A wiring and its parameters in mV, S, F and s; the names are those of the LTC model.

    Attributes:
        wiring: without current synapses.
        values: capacitance (F), leak (S), v_leak (mV), each (neurons,); conductance (S), slope (1/mV), midpoint (mV),
            reversal (mV), each (chemical synapses,); gap_conductance (S), (gap junctions,). Read-only, in the wiring's
            order. Inputs have no parameters, their potential is given.
        held: {input: mV} of inputs with one potential for good.

    Raises: WiringError for a name, shape or number that does not fit.
    """

    wiring: Wiring
    values: Values
    held: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self):
        object.__setattr__(self, "values", MappingProxyType(_checked(self.wiring, self.values)))
        held = {}
        for name, potential in self.held.items():
            held[atlas.one_of("held input", name, self.wiring.inputs)] = potential
            if not isinstance(potential, (int, float, np.integer, np.floating)) or not math.isfinite(potential):
                raise WiringError(f"{name} is held at {shortened(potential)} mV; it takes a finite potential.")
        object.__setattr__(self, "held", MappingProxyType(held))

    def __reduce__(self) -> tuple[Any, ...]:
        # As a wiring does: the class and plain values, which torch.load(weights_only=True) reads by the names of both.
        return type(self), (self.wiring, {name: v.tolist() for name, v in self.values.items()}, dict(self.held))


@dataclass(frozen=True)
class Units:
    """What the numbers 0 and 1 of a model mean: potential u = (v - zero) / scale, and so on.

    With the published parameters, -70 to -20 mV become potentials 0 to 1.

    Attributes: zero, scale: mV.   conductance: S.   time: s.

    >>> units = Units()
    >>> units.potential([-70.0, -45.0]), units.millivolts(0.5)
    (array([0. , 0.5]), np.float64(-45.0))
    """

    zero: float = REST
    scale: float = FULL - REST
    conductance: float = 1.0
    time: float = 1.0

    def __post_init__(self):
        if not all(map(math.isfinite, (self.zero, self.scale, self.conductance, self.time))):
            raise WiringError(f"{self} holds a number that is not finite.")
        if min(self.scale, self.conductance, self.time) <= 0:
            raise WiringError(f"{self} holds a unit that is not > 0; scale, conductance and time take numbers > 0.")

    def potential(self, millivolts: ArrayLike) -> NDArray[np.float64]:
        """Millivolts as a model's potential."""
        return (np.asarray(millivolts, np.float64) - self.zero) / self.scale

    def millivolts(self, potential: ArrayLike) -> NDArray[np.float64]:
        """A model's potential in millivolts."""
        return np.asarray(potential, np.float64) * self.scale + self.zero

    def to_model(self, values: Values) -> dict[str, NDArray[np.float64]]:
        """Biophysical values as values of an LTC: `LTC(wiring).set_values(**units.to_model(values))`.

        The LTC then computes the same, with dt in units of `time`: nothing is lost but rounding.
        """
        return {name: self._change(name, np.asarray(value, np.float64), 1) for name, value in values.items()}

    def to_biophysical(self, values: Values) -> dict[str, NDArray[np.float64]]:
        """The opposite of `to_model`."""
        return {name: self._change(name, np.asarray(value, np.float64), -1) for name, value in values.items()}

    def _change(self, name: str, value: NDArray[np.float64], way: int) -> NDArray[np.float64]:
        if name in ("v_leak", "midpoint", "reversal"):
            return self.potential(value) if way > 0 else self.millivolts(value)
        factors = {
            "capacitance": 1.0 / (self.conductance * self.time),
            "leak": 1.0 / self.conductance,
            "conductance": 1.0 / self.conductance,
            "gap_conductance": 1.0 / self.conductance,
            "slope": self.scale,
        }
        if name not in factors:
            raise WiringError(unknown("parameter", name, [*PER_NEURON, *PER_CHEMICAL, "gap_conductance"]))
        return value * factors[name] if way > 0 else value / factors[name]


def check_bounds(circuit: Biophysical) -> None:
    """Raise WiringError, naming the cell or synapse, if a value is outside of the published bounds (`BOUNDS`)."""
    for name, (low, high) in BOUNDS.items():
        values = circuit.values.get(name, np.zeros(0))
        for i in np.flatnonzero((values < low) | (values > high))[:1]:
            owner = _owner(circuit.wiring, name, int(i))
            raise WiringError(
                f"{name} of {owner} is {values[i]:g}; published circuits have {low:g} to {high:g}. "
                "clip_to_bounds moves it there."
            )


def clip_to_bounds(circuit: Biophysical) -> Biophysical:
    """The circuit with every value moved to the nearest one within the published bounds (`BOUNDS`)."""
    values = {name: np.clip(v, *BOUNDS[name]) if name in BOUNDS else v for name, v in circuit.values.items()}
    return Biophysical(circuit.wiring, values, circuit.held)


def sensory(x: ArrayLike, low: float, high: float, mode: str = "paper") -> NDArray[np.float64]:
    """The potentials of the two sensory cells that feel one quantity x: one feels x > 0, the other x < 0.

        v+ = -70 + 50 x / high if x > 0, else -70;   v- = -70 + 50 x / low if x < 0, else -70   (mV)

    Args:
        x: any shape.   low, high: the values of x that are felt in full, low < 0 < high.
        mode: "paper" (never above -20 mV) or "code" (no limit, as in the published program).

    Returns: (..., 2) mV, v+ and v-.   Raises: WiringError for other arguments.

    >>> sensory([0.5, -2.0], -1.0, 1.0)
    array([[-45., -70.],
           [-70., -20.]])
    """
    check_map(low, high, mode)
    x = np.asarray(x, np.float64)
    share = np.stack([np.maximum(x, 0.0) / high, np.minimum(x, 0.0) / low], axis=-1)
    return REST + (FULL - REST) * (np.minimum(share, 1.0) if mode == "paper" else share)


def motor(v: ArrayLike, low: float, high: float, mode: str = "paper") -> NDArray[np.float64]:
    """What two motor neurons do together: one pulls y up to `high`, the other down to `low`.

        y = high s(v+) + low s(v-),   s(v) = (v - rest) / (-20 - rest), kept between 0 and 1

    Args:
        v: (..., 2) mV, v+ and v-.   low, high: low < 0 < high.
        mode: "paper" (rest = -70 mV) or "code" (rest = -60 mV, as in the published program).

    Returns: (...).   Raises: WiringError for other arguments.

    >>> motor([-45.0, -70.0], -1.0, 1.0), motor([-45.0, -70.0], -1.0, 1.0, mode="code")
    (np.float64(0.5), np.float64(0.375))
    """
    check_map(low, high, mode)
    v = np.asarray(v, np.float64)
    if not v.ndim or v.shape[-1] != 2:
        raise WiringError(f"v has shape {v.shape}; it takes the potentials of two motor neurons last: (..., 2).")
    share = np.clip((v - MODES[mode]) / (FULL - MODES[mode]), 0.0, 1.0)
    return high * share[..., 0] + low * share[..., 1]


def simulate(
    wiring: Wiring, values: Values, inputs: ArrayLike, seconds: float, *, dt: float = 0.01, v: ArrayLike = REST
) -> NDArray[np.float64]:
    """The potentials of all neurons after some time with constant inputs, by the published semi-implicit step.

    Args:
        values: as of `Biophysical`; each may have more axes in front, for many circuits at once.
        inputs: (..., inputs) mV.   seconds: a whole number of steps dt.   v: mV at the start; the published -70.

    Returns: (..., neurons) mV.   Raises: WiringError if seconds is no whole number of steps, or inputs do not fit.

    >>> lone = Wiring(0, 1)
    >>> values = {"capacitance": np.ones(1), "leak": np.ones(1), "v_leak": np.zeros(1)}
    >>> simulate(lone, values, np.zeros(0), 1.0, dt=1.0)  # (-70 C/dt + G V) / (C/dt + G)
    array([-35.])
    """
    steps = round(seconds / dt) if dt > 0 else -1
    if steps < 0 or abs(steps * dt - seconds) > 1e-9 * max(1.0, seconds):
        raise WiringError(f"seconds is {seconds} and dt {dt}; it takes a whole number of steps dt > 0.")
    n, u = wiring.n_neurons, np.asarray(inputs, np.float64)
    if u.shape[-1:] != (wiring.n_inputs,):
        raise WiringError(f"inputs has shape {u.shape}; it takes a potential for each input last: {wiring.n_inputs}.")
    chemical, gap = wiring.csr(CHEMICAL), wiring.csr(GAP)
    onto = [np.equal.outer(csr.post, np.arange(n)).astype(np.float64) for csr in (chemical, gap)]
    weight, slope, midpoint, reversal = (
        np.asarray(values.get(name, np.zeros(0)))[..., chemical.synapse]
        for name in ("conductance", "slope", "midpoint", "reversal")
    )
    gap_weight = np.asarray(values.get("gap_conductance", np.zeros(0)))[..., gap.synapse]
    inertia = values["capacitance"] / dt
    rest, pull_always = values["leak"] * values["v_leak"], inertia + values["leak"] + gap_weight @ onto[1]
    front = np.broadcast_shapes(
        *(np.shape(a)[:-1] for a in (u, inertia, rest, weight, slope, midpoint, reversal, gap_weight))
    )
    state = np.broadcast_to(np.asarray(v, np.float64), (*front, n))
    u = np.broadcast_to(u, (*front, wiring.n_inputs))
    for _ in range(steps):
        of_cells = np.concatenate([u, state], axis=-1)
        gate = weight / (1.0 + np.exp(-slope * (of_cells[..., chemical.pre] - midpoint)))
        drive = (gate * reversal) @ onto[0] + (gap_weight * of_cells[..., gap.pre]) @ onto[1]
        state = (inertia * state + rest + drive) / (pull_always + gate @ onto[0])
    return np.array(state)


# -- what may be passed ------------------------------------------------------------------------------------------------


def _checked(wiring: Wiring, values: Values) -> dict[str, NDArray[np.float64]]:
    prove_wiring(wiring)
    if not isinstance(values, Mapping):
        raise WiringError(f"values is {shortened(values)}; it takes a mapping from the names of parameters to numbers.")
    if len(wiring.of_kind(CURRENT)):
        raise WiringError("the wiring has current synapses; an ordinary neural circuit has none. Use clamp, not drive.")
    sizes: dict[str, int] = dict.fromkeys(PER_NEURON, wiring.n_neurons)
    sizes |= dict.fromkeys(PER_CHEMICAL, len(wiring.of_kind(CHEMICAL)))
    if len(wiring.of_kind(GAP)):
        sizes["gap_conductance"] = len(wiring.of_kind(GAP))
    for name in values:
        if name not in sizes:
            raise WiringError(unknown("parameter", name, sizes))
    checked = {}
    for name, n in sizes.items():
        if name not in values:
            raise WiringError(f"{name} is missing; the circuit takes {', '.join(sizes)}.")
        try:
            value = np.array(values[name], np.float64)
        except (TypeError, ValueError):
            raise WiringError(f"{name} is {shortened(values[name])}; it takes numbers, shape ({n},).") from None
        if value.shape != (n,):
            raise WiringError(f"{name} has shape {value.shape}; it takes ({n},).")
        positive = name in ("capacitance", "leak", "slope")
        wrong = ~np.isfinite(value) | (positive & (value <= 0)) | (name.endswith("conductance") & (value < 0))
        for i in np.flatnonzero(wrong)[:1]:
            takes = "a number > 0" if positive else "a finite number" + (", 0 or more" if "cond" in name else "")
            raise WiringError(f"{name} of {_owner(wiring, name, int(i))} is {value[i]:g}; it takes {takes}.")
        value.flags.writeable = False
        checked[name] = value
    return checked


def _owner(wiring: Wiring, name: str, i: int) -> str:
    """The cell or synapse that a value belongs to."""
    if name in PER_NEURON:
        return wiring.neurons[i]
    s = wiring.of_kind(GAP if name == "gap_conductance" else CHEMICAL)[i]
    return f"{wiring.cells[wiring.pre[s]]} -> {wiring.cells[wiring.post[s]]}"


def check_map(low: object, high: object, mode: object) -> None:
    """The bounds and the mode of a map between the world and potentials."""
    if not isinstance(mode, str) or mode not in MODES:
        raise WiringError(unknown("mode", mode, MODES))
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float, np.integer, np.floating)):
            raise WiringError(f"low is {shortened(low)} and high {shortened(high)}; it takes numbers, low < 0 < high.")
    if not (-math.inf < low < 0 < high < math.inf):  # pyright: ignore[reportOperatorIssue]
        raise WiringError(f"low is {low} and high {high}; it takes low < 0 < high.")
