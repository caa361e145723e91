"""Wirings by name: connectomes, named circuits, and files."""

import os
from pathlib import Path

from wormnet.errors import WiringError, unknown
from wormnet.wiring import atlas, circuits, files
from wormnet.wiring.connectome import connectome
from wormnet.wiring.core import Wiring

__all__ = ["find", "known"]


def known() -> dict[str, str]:
    """The names that `find` knows, and what each is in half a sentence.

    >>> known()["klinotaxis"]
    'The minimal circuit that steers the head along a salt gradient.'
    """
    connectomes = {name: atlas.source(name).paper for name in atlas.names()}
    named = {name: (getattr(circuits, name).__doc__ or "").split("\n")[0] for name in circuits.__all__}
    return connectomes | named


def find(name: str) -> Wiring:
    """A connectome ("cook2019"), a named circuit ("tap_withdrawal"), or a file (a path to .json or .graphml).

    Connectomes and circuits come as their functions give them without options.
    Raises: WiringError with near names if there is none of the three, or the file holds no wiring.

    >>> find("klinotaxis").n_neurons
    10
    """
    if name in atlas.names():
        return connectome(name)
    if name in circuits.__all__:
        return getattr(circuits, name)()
    if Path(name).suffix.lower() in (".json", ".graphml") or os.sep in name:
        return files.load(name)
    raise WiringError(f"{unknown('wiring', name, known())} A file's name ends in .json or .graphml.")
