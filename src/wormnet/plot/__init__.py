"""Drawings of wirings and of what they do: the only place that knows matplotlib.

Every function draws on the axes that it is given, or on a new figure of its own that no global state knows; save it
with `save(ax, "wiring.png")`, or return it from a notebook cell as `ax.figure`.
"""

from wormnet.plot.matrix import adjacency, degrees
from wormnet.plot.network import wiring
from wormnet.plot.saliency import saliency
from wormnet.plot.style import ROLE_COLOURS, SIGN_COLOURS, save
from wormnet.plot.traces import traces
from wormnet.wiring.layout import LAYOUTS

__all__ = [
    "LAYOUTS",
    "ROLE_COLOURS",
    "SIGN_COLOURS",
    "adjacency",
    "degrees",
    "saliency",
    "save",
    "traces",
    "wiring",
]
