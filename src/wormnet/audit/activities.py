"""What every neuron does over time: its potential, and the time constant that its synapses leave it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wormnet.audit.frozen import frozen
from wormnet.errors import ArgumentError
from wormnet.nn.diagnose import _Seen, _states, _taus
from wormnet.nn.maps import mapped
from wormnet.nn.recurrent import Recurrent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Activity", "activity"]

AT_ONCE = 4096
"""Samples of which time constants are computed at once."""


@dataclass(frozen=True, eq=False)
class Activity:
    """Potentials and liquid time constants after every sample.

    Args:
        time: (time,) since the start of the first sequence, in the unit of dt.   neurons: their names.
        potential: (time, neurons), or (batch, time, neurons): the first state of each neuron.
        time_constants: likewise, in the unit of dt; None where the model solves no differential equation (CfC).

    >>> Activity([1.0], ("a",), [[0.5]], None).potential.shape
    (1, 1)
    """

    time: NDArray[np.float64]
    neurons: tuple[str, ...]
    potential: NDArray[np.float64]
    time_constants: NDArray[np.float64] | None

    def __post_init__(self):
        for name in ("time", "potential", "time_constants"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, frozen(getattr(self, name)))

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """Draw all potentials of one sequence as a raster; see `wormnet.plot.activity`."""
        from wormnet import plot

        return plot.activity(self, ax=ax)

    def plot_time_constants(self, *neurons: str, ax: "Axes | None" = None) -> "Axes":
        """Draw time constants of one sequence; see `wormnet.plot.time_constants`."""
        from wormnet import plot

        return plot.time_constants(self, *neurons, ax=ax)


def activity(rnn: Recurrent, x: Tensor, *, state: Any = None, dt: Any = None) -> Activity:
    r"""Every neuron's potential and its liquid time constant after every sample.

        tau_i(t) = capacitance_i / pull_i(t),   in   capacitance_i dv_i/dt = drive_i - pull_i v_i

    at the inputs and states of that sample: for LTC neurons capacitance / (leak + all open conductances), the
    published tau_system. Drive and pull are those that the model declares, so this holds for every model that solves
    a differential equation.

    Args:
        rnn: a layer, which stays as it is.
        x: (time, inputs), or (batch, time, inputs).   state, dt: as a call takes them.

    Returns: an Activity.   Raises: what a call raises.
    Source: Hasani et al. 2021, AAAI 35(9), 7657-7666; Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652, equation 2.

    >>> import wormnet
    >>> rnn = wormnet.LTC(wormnet.Wiring(0, ["a"]), backend="reference")
    >>> rnn.set_values(capacitance=0.5, leak=0.25)
    >>> activity(rnn, torch.zeros(3, 0), dt=2.0).time_constants.round(6).tolist()
    [[2.0], [2.0], [2.0]]
    """
    if not isinstance(rnn, Recurrent):
        raise ArgumentError(f"activity takes a recurrent layer of wormnet, not {type(rnn).__name__}.")
    training = rnn.training
    rnn.eval()
    try:
        with torch.no_grad():
            samples, states, _ = rnn._arranged(x, state, dt, None, None, None)
            kept = _states(rnn, samples, states)
            seen = mapped(rnn.values(), samples.x, "input").flatten(0, 1).double()
            flat = [one.flatten(0, 1).double() for one in kept]
            spans = samples.dt.expand(samples.x.shape[:2])
            steps = spans.reshape(-1, 1).double()
            parts = []
            for first in range(0, max(len(seen), 1), AT_ONCE):
                some = slice(first, first + AT_ONCE)
                parts.append(_taus(rnn, _Seen(seen[some], [one[some] for one in flat], steps[some])))
    finally:
        rnn.train(training)
    potential = kept[0].double().cpu().numpy()
    taus = None
    if parts[0] is not None:
        taus = torch.cat(parts).reshape(kept[0].shape).cpu().numpy() * rnn.time_unit  # pyright: ignore
    if x.dim() == 2:
        potential, taus = potential[0], None if taus is None else taus[0]
    elapsed = np.cumsum(spans[0].double().cpu().numpy()) if len(spans) else np.zeros(0)
    return Activity(elapsed * rnn.time_unit, rnn.wiring.neurons, potential, taus)
