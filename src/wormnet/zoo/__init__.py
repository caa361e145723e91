"""Trained networks by name, each with a card that says what it was measured to do, and beside what.

    rnn = wormnet.zoo.load("tap_withdrawal")
    print(wormnet.zoo.card("tap_withdrawal").scores)

`wormnet zoo list` names them, `wormnet zoo show NAME` prints a card. `pack` makes a card of a study's network.
"""

from wormnet.zoo.card import Card
from wormnet.zoo.pack import pack
from wormnet.zoo.shelf import card, load, names

__all__ = ["Card", "card", "load", "names", "pack"]
