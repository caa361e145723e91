"""What every estimator is told: which network, how large, and how it is trained."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from wormnet.errors import ArgumentError, shown, unknown
from wormnet.study.checks import is_real
from wormnet.study.network import Network, given, known, named
from wormnet.study.plan import ACCELERATORS, Training
from wormnet.wiring import Wiring

__all__ = ["DEFAULT_NETWORK", "Settings", "network_of", "plain", "seed_of"]

DEFAULT_NETWORK = "ncp-cfc-repaired"
"""The network of an estimator that is not told another one."""

MOST_HELD_OUT = 0.5


@dataclass(init=False, eq=False, repr=False)
class Settings:
    """Arguments that all estimators share; each estimator's docstring tells what they mean."""

    network: Any = DEFAULT_NETWORK
    _: KW_ONLY
    neurons: int | None = None
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

    def _training(self, **more: Any) -> Training:
        """The plan of the training. Raises ArgumentError that names the argument."""
        share = plain(self.validation)
        if not is_real(share) or not 0 <= share <= MOST_HELD_OUT:
            raise ArgumentError(
                f"validation is {shown(share)}; it takes the share of the cases that is held out, 0 to {MOST_HELD_OUT}."
            )
        if self.accelerator not in ACCELERATORS:
            raise ArgumentError(unknown("accelerator", self.accelerator, ACCELERATORS))
        return Training(
            epochs=plain(self.epochs),
            batch=plain(self.batch),
            learning_rate=plain(self.learning_rate),
            weight_decay=plain(self.weight_decay),
            patience=plain(self.patience),
            residual=False,
            **more,
        )


def plain(value: Any) -> Any:
    """A NumPy number, as searches over settings give them, as Python's own."""
    return value.item() if isinstance(value, np.generic) else value


def network_of(network: Any, neurons: Any = None) -> Network:
    """The network that an estimator asks for.

    Args:
        network: a name of `wormnet.study`, a Network, a Wiring, or a function (shape, seed) -> module.
        neurons: how many neurons or units; None for what the name says, else for as many as give about the parameters
            of `ncp-ltc-repaired` with 32 neurons.

    Raises: ArgumentError for a network that there is not, or one whose size is its own.

    >>> network_of("ncp-cfc-repaired/rewire", neurons=12).name, network_of("gru", 8).size
    ('ncp-cfc-repaired-12/rewire', 8)
    """
    neurons = plain(neurons)
    if not isinstance(network, (str, Network, Wiring)) and not callable(network):
        raise ArgumentError(
            f"network is {shown(network)}; it takes one of {', '.join(known()[:4])}, ..., a Network, a Wiring, or a "
            "function (shape, seed) -> module."
        )
    if neurons is not None and (not isinstance(neurons, int) or isinstance(neurons, bool) or neurons < 1):
        raise ArgumentError(f"neurons is {shown(neurons)}; it takes a whole number, 1 or more, or None.")
    if not isinstance(network, str):
        found = network if isinstance(network, Network) else given(getattr(network, "__name__", "own"), network)
        return found if neurons is None else found.of_size(neurons)
    found = named(network)
    if neurons is None:
        return found
    if found.size:
        raise ArgumentError(f"network {network!r} tells its size; leave neurons={neurons} away.")
    # The size stands behind the bare name, before a null or a skip.
    cut = min((i for i in map(network.find, "/+") if i >= 0), default=len(network))
    return named(f"{network[:cut]}-{neurons}{network[cut:]}")


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
