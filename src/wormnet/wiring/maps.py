"""A circuit in the world: quantities felt by pairs of sensory cells, actions made by pairs of motor neurons.

`wormnet.control.Policy` puts them around a circuit.

Source: Hasani, Lechner, Amini, Rus & Grosu 2020, ICML, with its supplement ("paper") and published program ("code").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import WiringError
from wormnet.wiring.biophysics import check_map, motor, sensory
from wormnet.wiring.check import shortened

__all__ = ["MotorMap", "SensoryMap"]


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


def _check(positive: object, negative: object, low: float, high: float, mode: str) -> None:
    for what, name in (("positive", positive), ("negative", negative)):
        if not isinstance(name, str):
            raise WiringError(f"{what} is {shortened(name)}; it takes the name of a cell.")
    if positive == negative:
        raise WiringError(f"positive and negative are both {positive!r}; a map takes two cells.")
    check_map(low, high, mode)
