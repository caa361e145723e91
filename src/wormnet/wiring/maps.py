"""A circuit in the world: quantities felt by pairs of sensory cells, actions made by pairs of motor neurons.

Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, with its supplement ("paper") and published program ("code").
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError
from wormnet.wiring import atlas
from wormnet.wiring.biophysics import REST, Biophysical, check_map, motor, sensory, simulate
from wormnet.wiring.check import number, shortened

__all__ = ["CircuitPolicy", "MotorMap", "SensoryMap"]

T = TypeVar("T")


@dataclass(frozen=True)
class SensoryMap:
    """Two sensory cells that feel one quantity x: one feels x > 0, the other x < 0.

        v+ = -70 + 50 x / high if x > 0, else -70;   v- = -70 + 50 x / low if x < 0, else -70   (mV)

    Called with x of any shape it gives (..., 2) mV, v+ and v-.

    Attributes:
        positive, negative: names of the two cells.
        low, high: the values of x that are felt in full, low < 0 < high.
        mode: "paper", potentials never exceed -20 mV; "code", they have no limit, as in the published program.

    Raises: WiringError for other values.

    >>> angle = SensoryMap("PLM", "AVM", low=-0.12, high=0.12)  # as in the published inverted pendulum
    >>> angle(0.06), angle(-1.0)
    (array([-45., -70.]), array([-70., -20.]))
    """

    positive: str
    negative: str
    low: float
    high: float
    mode: str = "paper"

    def __post_init__(self):
        _check(self.positive, self.negative, self.low, self.high, self.mode)

    def __call__(self, x: ArrayLike) -> NDArray[np.float64]:
        """(..., 2) mV of the cells that feel the positive and the negative values of x (...)."""
        return sensory(x, self.low, self.high, self.mode)


@dataclass(frozen=True)
class MotorMap:
    """Two motor neurons that make one action y together: one pulls y up to `high`, the other down to `low`.

        y = high s(v+) + low s(v-),   s(v) = (v - rest) / (-20 - rest), kept between 0 and 1

    Called with (..., 2) mV it gives y, of shape (...).

    Attributes:
        positive, negative: names of the two neurons.
        low, high: the actions of either alone, low < 0 < high.
        mode: "paper", rest = -70 mV; "code", rest = -60 mV, as in the published program.

    Raises: WiringError for other values.

    >>> push = MotorMap("FWD", "REV", low=-0.3, high=0.3)
    >>> push([-20.0, -70.0]), push([-45.0, -20.0])
    (np.float64(0.3), np.float64(-0.15))
    """

    positive: str
    negative: str
    low: float
    high: float
    mode: str = "paper"

    def __post_init__(self):
        _check(self.positive, self.negative, self.low, self.high, self.mode)

    def __call__(self, v: ArrayLike) -> NDArray[np.float64]:
        """The action (...) of the potentials (..., 2) mV."""
        return motor(v, self.low, self.high, self.mode)


class CircuitPolicy:
    """A circuit as a policy: observations in, actions out, its neurons' potentials kept from one step to the next.

    As published: from -70 mV, `steps` semi-implicit steps of `dt` seconds for every step of the environment. The
    potentials of several environments side by side, observations (environments, quantities), are kept apart.

    Args:
        circuit: for example of `read_bnn`; each input is fed by one sensory map, or held at a potential for good.
        sensory: one for each quantity of an observation, in order.
        motor: one for each number of an action, in order.
        dt: s.   steps: at least 1.

    Raises: WiringError if a map names a cell that is not there, or an input is fed by none or by two.

    >>> from wormnet.wiring import tap
    >>> policy = CircuitPolicy(
    ...     tap.tw_pure(),
    ...     sensory=[SensoryMap("PLM", "AVM", -0.12, 0.12), SensoryMap("ALM", "PVD", -1.0, 1.0)],
    ...     motor=[MotorMap("FWD", "REV", -0.3, 0.3)],
    ... )
    >>> policy.step([0.0, 0.0]).round(3), policy.step([-0.12, 1.0]).round(3)  # at rest; touched at the head
    (array([-0.006]), array([-0.085]))
    """

    def __init__(
        self,
        circuit: Biophysical,
        sensory: Iterable[SensoryMap],
        motor: Iterable[MotorMap],
        *,
        dt: float = 0.01,
        steps: int = 10,
    ):
        if not isinstance(circuit, Biophysical):
            raise WiringError(f"circuit is {shortened(circuit)}; it takes a Biophysical, as read_bnn gives.")
        self.circuit = circuit
        self.sensory = _all_of("sensory", sensory, SensoryMap)
        self.motor = _all_of("motor", motor, MotorMap)
        self.steps = number("steps", steps, 1)
        if isinstance(dt, bool) or not isinstance(dt, (int, float, np.integer, np.floating)) or not 0 < dt < np.inf:
            raise WiringError(f"dt is {shortened(dt)}; it takes seconds, a number > 0.")
        self.dt = float(dt)
        wiring = circuit.wiring
        self._felt = _places("input", self.sensory, wiring.inputs)
        self._moving = _places("neuron", self.motor, wiring.neurons)
        fed = [place for both in self._felt for place in both] + [wiring.inputs.index(name) for name in circuit.held]
        for place, name in enumerate(wiring.inputs):
            if fed.count(place) != 1:
                what = "no sensory map feeds it" if place not in fed else "it is fed more than once"
                raise WiringError(f"input {name!r} has no one potential: {what}. Each takes one map, or is held.")
        self.reset()

    def reset(self) -> None:
        """Put all neurons back to -70 mV."""
        self._v: NDArray[np.float64] | None = None

    def step(self, observation: ArrayLike) -> NDArray[np.float64]:
        """Take an observation (..., quantities) and give the action (..., actions) after `steps` steps of `dt`.

        Raises: WiringError for another number of quantities, values that are not finite, or another number of
            environments than before; `reset` first.
        """
        x, n = np.asarray(observation, np.float64), len(self.sensory)
        if x.shape[-1:] != (n,):
            raise WiringError(f"the observation has shape {x.shape}; it takes {n} quantities last: (..., {n}).")
        if not np.isfinite(x).all():
            raise WiringError("the observation holds a number that is not finite.")
        wiring = self.circuit.wiring
        v = np.full((*x.shape[:-1], wiring.n_neurons), REST) if self._v is None else self._v
        if v.shape[:-1] != x.shape[:-1]:
            raise WiringError(
                f"the observation is of shape {x.shape} and the potentials are of {v.shape[:-1]} environments; "
                "other environments take a reset()."
            )
        inputs = np.full((*x.shape[:-1], wiring.n_inputs), REST)
        for i, (feels, places) in enumerate(zip(self.sensory, self._felt)):
            inputs[..., places] = feels(x[..., i])
        for name, potential in self.circuit.held.items():
            inputs[..., wiring.inputs.index(name)] = potential
        self._v = simulate(wiring, self.circuit.values, inputs, self.steps * self.dt, dt=self.dt, v=v)
        moved = [moves(self._v[..., places]) for moves, places in zip(self.motor, self._moving)]
        return np.stack(moved, axis=-1) if moved else np.zeros((*x.shape[:-1], 0))


def _check(positive: object, negative: object, low: float, high: float, mode: str) -> None:
    for what, name in (("positive", positive), ("negative", negative)):
        if not isinstance(name, str):
            raise WiringError(f"{what} is {shortened(name)}; it takes the name of a cell.")
    if positive == negative:
        raise WiringError(f"positive and negative are both {positive!r}; a map takes two cells.")
    check_map(low, high, mode)


def _all_of(what: str, given: Iterable[T], kind: type[T]) -> tuple[T, ...]:
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise WiringError(f"{what} is {shortened(given)}; it takes a list of {kind.__name__}.")
    found = tuple(given)
    for one in found:
        if not isinstance(one, kind):
            raise WiringError(f"{what} holds {shortened(one)}; it takes a list of {kind.__name__}.")
    return found


def _places(what: str, maps: Sequence[SensoryMap | MotorMap], among: tuple[str, ...]) -> list[list[int]]:
    """The places of both cells of every map among the inputs, or the neurons."""
    return [[among.index(atlas.one_of(what, name, among)) for name in (one.positive, one.negative)] for one in maps]
