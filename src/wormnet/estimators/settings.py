"""What every estimator is told: which network, how large, and how it is trained."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from wormnet.errors import ArgumentError, shown, unknown
from wormnet.study.checks import is_real
from wormnet.study.network import Network, given, known, named
from wormnet.study.plan import ACCELERATORS, Training
from wormnet.wiring import Wiring

__all__ = ["DEFAULT_NETWORK", "Settings", "count", "network_of", "plain", "seed_of"]

DEFAULT_NETWORK = "ncp-ltc-repaired"
"""The network of an estimator that is not told another one."""

MOST_HELD_OUT = 0.5


@dataclass(init=False, eq=False, repr=False)
class Settings:
    """Arguments that all estimators share; `WormClassifier` tells what they mean."""

    network: Any = DEFAULT_NETWORK
    _: KW_ONLY
    # More than a study's: of few cases an epoch has few steps.
    epochs: int = 200
    batch: int = Training.batch
    learning_rate: float = Training.learning_rate
    weight_decay: float = Training.weight_decay
    patience: int = 40
    validation: float = 0.2
    accelerator: str = "cpu"
    verbose: int = 0
    random_state: Any = 0

    def _training(self, balanced: bool) -> Training:
        """The plan of the training. Raises ArgumentError that names the argument."""
        share = plain(self.validation)
        if not is_real(share) or not 0 <= share <= MOST_HELD_OUT:
            raise ArgumentError(
                f"validation is {shown(share)}; it takes the share of the cases that is held out, 0 to {MOST_HELD_OUT}."
            )
        if self.accelerator not in ACCELERATORS:
            raise ArgumentError(unknown("accelerator", self.accelerator, ACCELERATORS))
        names = ("epochs", "batch", "learning_rate", "weight_decay", "patience")
        return Training(**{name: plain(getattr(self, name)) for name in names}, class_weights=balanced)


def plain(value: Any) -> Any:
    """A NumPy number, as searches over settings give them, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def count(name: str, given: Any, least: int = 1) -> int:
    """A whole number of steps. Raises ArgumentError for anything else."""
    value = plain(given)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ArgumentError(f"{name} is {shown(value)}; it takes a whole number of steps, {least} or more.")
    return value


def network_of(network: Any) -> Network:
    """The network that an estimator asks for: a name, a Network, a Wiring, or a function (shape, seed) -> module.

    Raises: ArgumentError for a network that there is not.

    >>> network_of("ncp-cfc-repaired-12/rewire").size
    12
    """
    if isinstance(network, (str, Network)):
        return named(network)
    if isinstance(network, Wiring) or callable(network):
        return given(getattr(network, "__name__", "own"), network)
    raise ArgumentError(
        f"network is {shown(network)}; it takes one of {', '.join(known()[:4])}, ..., a Network, a Wiring, or a "
        "function (shape, seed) -> module."
    )


def seed_of(random_state: Any) -> int:
    """A seed: the whole number itself, the next one of a RandomState, or, for None, one that nobody knows beforehand.

    Raises: ArgumentError for anything else.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(2**31))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if isinstance(random_state, int | np.integer) and 0 <= random_state < 2**32:
        return int(random_state)
    raise ArgumentError(
        f"random_state is {shown(random_state)}; it takes a whole number from 0 to {2**32 - 1}, a RandomState, or None."
    )
