"""The networks of the zoo by name, or by the path of a card: their cards, their files, loading them."""

import hashlib
import os
from pathlib import Path
from typing import Any

from wormnet import nn
from wormnet.data import Files
from wormnet.data.download import fetch
from wormnet.errors import ArgumentError, DataError, unknown
from wormnet.paths import checked, printable, read_bytes
from wormnet.zoo.card import Card, read

__all__ = ["card", "load", "names"]

FOLDER = Path(__file__).parent / "networks"

MAX_BYTES = 2**30
"""The largest file of weights that is read."""


def names() -> list[str]:
    """The networks that `load` knows.

    >>> names()
    ['cartpole-ncp_ltc', 'inverted_pendulum-tap_withdrawal', 'japanese_vowels-ncp_ltc', 'lane-ncp_ltc_19',
     'mountain_car-tap_withdrawal', 'tap_withdrawal']
    """
    return sorted(path.stem for path in FOLDER.glob("*.json"))


def card(name: str | os.PathLike[str]) -> Card:
    """What a network is: its data, split, scores, baselines, nulls, price, versions, licence.

    Args: name: one of `names()`, or the path of a card of your own, ending in .json.
    Raises: ArgumentError for another name, DataError for a file that holds no card.

    >>> card("tap_withdrawal").scores["rows that hold, of 6"]
    6
    """
    return read(_path(name))


def load(name: str | os.PathLike[str]) -> Any:
    """A trained network, ready to use.

    Its weights are a safetensors file, whose sha256 is compared with the card's before it is read. They come with
    wormnet, or are downloaded once from the card's `url` into the cache.

    Args: name: one of `names()`, or the path of a card of your own, ending in .json, with the weights beside it.
    Returns: a layer (`wormnet.Recurrent`) for a card of kind "layer"; for one of kind "run" a
        `wormnet.study.weights.Trained`, which takes data in the units of the data set and gives scores of classes or
        predictions, and needs the extra study; for one of kind "policy" a `wormnet.control.Policy`,
        for one of kind "driver" a `wormnet.control.Driver`.
    Raises: ArgumentError for another name; DataError for weights that are missing, damaged or not those of the card.

    >>> load("inverted_pendulum-tap_withdrawal").act([0.0, 0.1, 0.0, 0.0]).shape
    (1,)
    >>> rnn = load("tap_withdrawal")
    >>> rnn.wiring.outputs
    ('FWD', 'REV')
    """
    path = _path(name)
    found = read(path)
    weights = path.with_suffix(".safetensors")
    if not weights.exists() and found.url:
        weights = fetch(Files("zoo", found.url, {weights.name: found.sha256}))[weights.name]
    digest = hashlib.sha256(read_bytes(weights, MAX_BYTES)).hexdigest()
    if digest != found.sha256:
        raise DataError(
            f"{printable(weights)} has sha256 {digest}; its card has {found.sha256}. It is damaged, or the weights of "
            "another network: put the right ones beside the card."
        )
    if found.kind == "layer":
        return nn.load(weights)
    if found.kind in ("policy", "driver"):
        from wormnet import control

        return {"policy": control.Policy, "driver": control.Driver}[found.kind].load(weights)
    from wormnet.study import weights as of_studies

    return of_studies.load(weights, {"card": found})


def _path(name: str | os.PathLike[str]) -> Path:
    if isinstance(name, str) and name in names():
        return FOLDER / f"{name}.json"
    if isinstance(name, os.PathLike) or (isinstance(name, str) and name.endswith(".json")):
        return checked(name, "name")
    raise ArgumentError(
        f"{unknown('network', name, names())} A card of your own is given by its path, ending in .json."
    )
