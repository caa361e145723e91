"""How smooth and how low-dimensional the states of a network are, as published for neural circuit policies."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ShapeError

__all__ = ["Dynamics", "dynamics", "steepest", "variance_explained"]


class Dynamics(NamedTuple):
    """The two published numbers."""

    pc1: float
    """Share of the variance of all states that their first principal component explains, 0 to 1."""
    l_max: float
    """Mean over the neurons of their steepest change, in units of the state per sample."""
    per_neuron: NDArray[np.float64]
    """(neurons,) the steepest change of each neuron, sorted."""


def dynamics(states: Sequence[NDArray[np.floating]]) -> Dynamics:
    """PC1 and L_max of hidden states.

    Args:
        states: one (time, neurons) array per sequence, without the output neurons.

    Raises: ShapeError for arrays of other shapes.
    Source: Lechner et al. 2020, Nat. Mach. Intell. 2, 642-652 (NCP: PC1 92 %, LSTM 51 %; L_max in figure 4c).

    >>> line = np.arange(5.0)[:, None] * [1.0, 2.0]  # two neurons that move together
    >>> found = dynamics([line])
    >>> found.pc1, found.per_neuron
    (1.0, array([1., 2.]))
    """
    states = _checked(states)
    per_neuron = np.sort(np.mean([steepest(one) for one in states], axis=0))
    return Dynamics(variance_explained(np.concatenate(states)), float(per_neuron.mean()), per_neuron)


def steepest(states: NDArray[np.floating]) -> NDArray[np.float64]:
    """L_max(n) = max over t of |X(n, t + 1) - X(n, t)| / dt, dt = 1 sample, of states (time, neurons); 0 of one sample.

    >>> steepest(np.array([[0.0, 1.0], [2.0, 1.0], [3.0, 0.5]]))
    array([2. , 0.5])
    """
    values = np.asarray(states, np.float64)
    if len(values) < 2:
        return np.zeros(values.shape[1])
    return np.abs(np.diff(values, axis=0)).max(0)


def variance_explained(states: NDArray[np.floating]) -> float:
    """The share of the variance of states (samples, neurons) along their first principal component; 1 if none varies.

    >>> variance_explained(np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
    0.5
    """
    values = np.asarray(states, np.float64)
    variances = np.linalg.eigvalsh(np.cov(values, rowvar=False, bias=True).reshape(values.shape[1], -1))
    return float(variances[-1] / variances.sum()) if variances.sum() > 0 else 1.0


def _checked(states: Sequence[NDArray[np.floating]]) -> list[NDArray[np.float64]]:
    found = [np.asarray(one, np.float64) for one in states]
    found = [one for one in found if one.ndim != 2 or len(one)]
    if not found or any(one.ndim != 2 or one.shape[1:] != found[0].shape[1:] or not one.shape[1] for one in found):
        shapes = [one.shape for one in found[:3]]
        raise ShapeError(f"states have shapes {shapes}; they take one (time, neurons) array per sequence.")
    return found
