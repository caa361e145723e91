"""A wiring alone as a network that can be looked at: nothing is trained."""

import warnings
from collections.abc import Sequence

import torch

from wormnet.errors import BlindOutputWarning
from wormnet.nn import LTC, Recurrent
from wormnet.wiring.core import Wiring
from wormnet.wiring.layout import family_of

__all__ = ["untrained"]


def untrained(wiring: Wiring, drive: Sequence[str] = ()) -> Recurrent:
    """An LTC on a wiring whose parameters are drawn at random, from seed 0; those that count by the contacts.

    Args:
        wiring: any.   drive: cells or classes that get an input of their own, which injects current. Without any, a
            wiring without inputs gets one for each class of its sensory neurons.

    Raises: WiringError for a cell that is not there.

    >>> import wormnet
    >>> untrained(wormnet.circuits.touch(), ["ALM"]).wiring.inputs
    ('to ALM',)
    """
    if not drive and not wiring.n_inputs:
        sensory = [name for name, role in zip(wiring.neurons, wiring.roles) if role == "sensory"]
        families = dict(zip(sensory, family_of(sensory)))
        driven = {one: [name for name in sensory if families[name] == one] for one in dict.fromkeys(families.values())}
    else:
        driven = {one: [one] for one in dict.fromkeys(drive)}
    if driven:
        wiring = wiring.drive({f"to {one}": cells for one, cells in driven.items()})
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        # What is looked at cell by cell has no blind outputs.
        warnings.simplefilter("ignore", BlindOutputWarning)
        torch.manual_seed(0)
        return LTC(wiring, backend="reference")
