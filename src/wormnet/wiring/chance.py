"""Wirings without a plan: dense, random, small-world."""

import numpy as np

from wormnet.wiring.core import Wiring

__all__ = ["dense", "random", "small_world"]


def dense(inputs: int, neurons: int, outputs: int | None = None, *, seed: int = 0) -> Wiring:
    """Every cell sends to every neuron, itself included."""
    pre, post = np.divmod(np.arange((inputs + neurons) * neurons), neurons)
    sign = np.random.default_rng(seed).choice([-1, 1], len(pre))
    read_out = None if outputs is None else range(neurons - outputs, neurons)
    return Wiring(inputs, neurons, outputs=read_out, pre=pre, post=post + inputs, sign=sign, source="dense")


def random() -> Wiring:
    """Synapses drawn uniformly."""
    raise NotImplementedError


def small_world() -> Wiring:
    """A ring with shortcuts."""
    raise NotImplementedError
