"""The drawing of potentials over time, with null networks as a band."""

from typing import TYPE_CHECKING, Any

import numpy as np

from wormnet.errors import ArgumentError
from wormnet.plot.style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["traces"]

LINES = ("#0B6FA4", "#D1495B", "#2F9E7E", "#CC79A7", "#B8860B", "#5B5F97", "#7A828C", "#2B2B2B")
"""Colours of the lines; after the eighth they begin anew."""


def traces(recording: Any, *names: str, ax: "Axes | None" = None, level: float = 0.9) -> "Axes":
    """Draw what `wormnet.stimulate` recorded: a line for each neuron or class, the nulls as a band of its colour.

    Args:
        recording: a `wormnet.audit.Recording`.
        names: neurons or classes, at least one; none for the six that move most.
        ax: where; a new figure if None.   level: the share of null networks inside of the band.

    Returns: the axes. Times with a stimulus have a grey ground.
    Raises: ArgumentError for what is no recording, WiringError for a neuron that is not there.

    >>> import torch, wormnet
    >>> rnn = wormnet.LTC(wormnet.circuits.touch())
    >>> ax = traces(wormnet.stimulate(rnn, {"ALM": 1.0}, samples=20), "AVA", "AVB")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['AVA', 'AVB']
    """
    if not hasattr(recording, "potential"):
        raise ArgumentError(f"traces draws what wormnet.stimulate returns; it is given {type(recording).__name__}.")
    if not names:
        moves = np.ptp(recording.potential, axis=0)
        names = tuple(recording.neurons[i] for i in np.argsort(-moves, kind="stable")[:6])
    lines = [recording[name] for name in names]
    ax = new_axes((7.0, 3.6)) if ax is None else ax
    on = np.any([wave != 0 for wave in recording.stimuli.values()], axis=0)
    edges = np.concatenate([[0.0], recording.time])
    for i in np.flatnonzero(on):
        ax.axvspan(float(edges[i]), float(edges[i + 1]), color="#808080", alpha=0.12, linewidth=0)
    for i, (name, line) in enumerate(zip(names, lines)):
        colour = LINES[i % len(LINES)]
        if len(recording.null):
            ax.fill_between(recording.time, *recording.band(name, level), color=colour, alpha=0.18, linewidth=0)
        ax.plot(recording.time, line, color=colour, linewidth=1.6, label=name)
    ax.set(xlabel="time", ylabel="potential", xlim=(0, recording.time[-1]))
    given = ", ".join(recording.stimuli)
    nulls = f"; bands: {level:.0%} of {len(recording.null)} nulls" if len(recording.null) else ""
    ax.set_title(f"stimulus: {given}{nulls}", loc="left", fontsize=10)
    ax.legend(frameon=False, ncols=min(len(names), 6))
    ax.spines[["top", "right"]].set_visible(False)
    return ax
