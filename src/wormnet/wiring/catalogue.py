"""Wirings by name: connectomes, named circuits, and files."""

import os
from pathlib import Path
from typing import Any

from wormnet.errors import ArgumentError, WiringError, unknown
from wormnet.wiring import atlas, circuits, files
from wormnet.wiring.connectome import connectome
from wormnet.wiring.core import Wiring
from wormnet.wiring.edges import read_edges

__all__ = ["find", "known"]


def known() -> dict[str, str]:
    """The names that `find` knows, and what each is in half a sentence.

    >>> known()["klinotaxis"]
    'The minimal circuit that steers the head along a salt gradient.'
    """
    connectomes = {name: atlas.source(name).paper for name in atlas.names()}
    named = {name: (getattr(circuits, name).__doc__ or "").split("\n")[0] for name in circuits.__all__}
    return connectomes | named


def find(name: str, **options: Any) -> Wiring:
    """A connectome ("cook2019"), a named circuit ("tap_withdrawal"), or a file (.json, .graphml, .csv, .tsv).

    Connectomes and circuits come as their functions give them without options.

    Args: options: for a file of GraphML or a table: inputs, outputs, attributes, repeated; see `read_edges`.
    Raises: WiringError with near names if there is none of the three, or the file holds no wiring; ArgumentError for
        options of what takes none.

    >>> find("klinotaxis").n_neurons
    10
    """
    if not isinstance(name, str):
        raise WiringError(unknown("wiring", name, known()))
    if name in atlas.names() or name in circuits.__all__:
        if options:
            raise ArgumentError(f"{name} comes as it is; {', '.join(options)} is for files.")
        return connectome(name) if name in atlas.names() else getattr(circuits, name)()
    ending = Path(name).suffix.lower()
    if ending in (".csv", ".tsv"):
        return read_edges(name, **options)
    if ending in (".json", ".graphml") or os.sep in name:
        return files.load(name, **options)
    raise WiringError(f"{unknown('wiring', name, known())} A file's name ends in .json, .graphml, .csv or .tsv.")
