"""Samples with which a program that was printed is compared with its layer."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from wormnet.errors import ArgumentError, ShapeError
from wormnet.export.network import Network

__all__ = ["SAMPLES", "Trial", "one_sequence", "trial", "values_of"]

SAMPLES = 20


@dataclass(frozen=True, eq=False)
class Trial:
    """Samples, and what the layer gives for them.

    Attributes:
        x: (time, inputs).   dt: (time,).   y: (time, outputs), computed in double precision.
        single: the largest difference to y when the layer computes in single precision.
    """

    x: NDArray[np.float64]
    dt: NDArray[np.float64]
    y: NDArray[np.float64]
    single: float

    @property
    def scale(self) -> float:
        """The largest output, and at least 1."""
        return max(1.0, float(np.abs(self.y).max()))


def trial(network: Network, x: ArrayLike | None = None, dt: ArrayLike | None = None) -> Trial:
    """Samples of one's own, or random ones: standard normal, 0.1 to 1 `time_unit` apart, the same every time.

    Raises: ShapeError, ArgumentError for samples that the layer does not take.
    """
    rng, inputs = np.random.default_rng(0), network.layout.wiring.n_inputs
    given = rng.standard_normal((SAMPLES, inputs)) if x is None else one_sequence(x, inputs)
    times = rng.uniform(0.1, 1.0, len(given)) * network.time_unit if dt is None else values_of("dt", dt)
    if times.shape not in ((), (len(given),)):
        raise ShapeError(f"dt has shape {times.shape}; it takes one number, or one per sample: ({len(given)},).")
    times = np.broadcast_to(times, len(given))
    if not (times > 0).all():
        raise ArgumentError(f"dt holds {times[~(times > 0)][0]:g}; it is the time since the previous sample, > 0.")
    given, times = (one.astype(np.float32).astype(np.float64) for one in (given, times))
    y = network.run(given, times)[0]
    if not np.isfinite(y).all():
        raise ArgumentError(
            "the layer's outputs leave what numbers hold for these samples (an explicit solver diverges where dt "
            "is long); give samples of its own range: x=, dt=."
        )
    single = np.abs(network.run(given, times, torch.float32)[0] - y).max()
    return Trial(given, times, y, float(single))


def one_sequence(x: ArrayLike, inputs: int) -> NDArray[np.float64]:
    """Samples as (time, inputs) numbers. Raises ShapeError, ArgumentError for anything else."""
    given = values_of("x", x)
    if given.ndim != 2 or given.shape[1] != inputs or not len(given):
        raise ShapeError(f"x has shape {given.shape}; it takes one sequence: (time, {inputs}).")
    return given


def values_of(what: str, given: ArrayLike) -> NDArray[np.float64]:
    """Finite numbers. Raises ArgumentError for anything else."""
    try:
        values = np.asarray(given.detach() if isinstance(given, torch.Tensor) else given, np.float64)
    except (TypeError, ValueError):
        raise ArgumentError(f"{what} is {type(given).__name__}; it takes an array of numbers.") from None
    if not np.isfinite(values).all():
        raise ArgumentError(f"{what} holds {values[~np.isfinite(values)][0]:g}; it takes finite numbers.")
    return values
