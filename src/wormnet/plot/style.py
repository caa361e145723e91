"""What all drawings share: colours, new axes, saving."""

import io
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wormnet.atomic import write_whole
from wormnet.errors import ArgumentError, need, unknown
from wormnet.paths import checked, printable
from wormnet.wiring.core import CURRENT, GAP, Wiring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["ROLE_COLOURS", "SIGN_COLOURS", "by_sign", "changed", "counts", "new_axes", "save"]

ROLE_COLOURS = {
    "input": "#9AA5B1",
    "sensory": "#56B4E9",
    "inter": "#F0C04A",
    "command": "#CC79A7",
    "motor": "#2F9E7E",
    "unknown": "#C9CFD6",
}
"""A colour for inputs and for each role; after Okabe & Ito, told apart by colour-blind readers."""
SIGN_COLOURS = {"excitatory": "#0B6FA4", "inhibitory": "#D1495B", "unsigned": "#7A828C", "gap junction": "#2B2B2B"}
"""A colour for each sign of a synapse, and for gap junctions."""


def by_sign(wiring: Wiring) -> dict[str, NDArray[np.int64]]:
    """The synapses of each colour that has any."""
    gap = wiring.kind == GAP
    masks = {
        "excitatory": ~gap & (wiring.sign > 0),
        "inhibitory": ~gap & (wiring.sign < 0),
        "unsigned": ~gap & (wiring.sign == 0),
        "gap junction": gap,
    }
    return {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}


def counts(wiring: Wiring) -> str:
    """What a drawing's title counts: inputs, neurons, synapses."""
    n_gap, n_current = int((wiring.kind == GAP).sum()), int((wiring.kind == CURRENT).sum())
    numbers = {
        "input": wiring.n_inputs,
        "neuron": wiring.n_neurons,
        "synapse": wiring.n_synapses - n_gap - n_current,
        "gap junction": n_gap,
        "current": n_current,
    }
    always = ("input", "neuron", "synapse")
    return ", ".join(f"{n:,} {what}{'s' * (n != 1)}" for what, n in numbers.items() if n or what in always)


def changed(what: str, known: Mapping[str, str], changes: Mapping[str, str] | None) -> dict[str, str]:
    """Known colours with some of them changed; ArgumentError for a name not among them, or what is no colour."""
    changes = {} if changes is None else changes
    if not isinstance(changes, Mapping):
        raise ArgumentError(f"{what} colours are given as {changes!r}; they take a mapping from names to colours.")
    for name in changes:
        if name not in known:
            raise ArgumentError(unknown(f"{what} to colour", name, known))
    if changes:
        from matplotlib.colors import is_color_like

        for name in [name for name in changes if not is_color_like(changes[name])][:1]:
            raise ArgumentError(f"{changes[name]!r} is no colour for {name!r}; matplotlib takes 'red' or '#D1495B'.")
    return {**known, **changes}


def new_axes(size: tuple[float, float]) -> "Axes":
    """Axes on a figure of their own, of a size in inches."""
    figure = need("matplotlib.figure", "matplotlib", "drawing", extra="plot")
    return figure.Figure(figsize=size, layout="constrained").subplots()


def save(ax: "Axes", path: str | os.PathLike[str], dpi: int = 150) -> None:
    """Write the figure of some axes into a file; the ending of its name tells the format (.png, .svg, .pdf, ...).

    Raises: ArgumentError for what is no path, or an ending that matplotlib does not know; DataError if the file cannot
        be written, and then an older one stays as it was.
    """
    figure: Any = ax.figure
    known = figure.canvas.get_supported_filetypes()
    path = checked(path)
    ending = path.suffix[1:].lower()
    if ending not in known:
        raise ArgumentError(
            f"{printable(path)} ends in {path.suffix!r}; a drawing ends in one of .{', .'.join(sorted(known))}."
        )
    content = io.BytesIO()
    figure.savefig(content, dpi=dpi, format=ending)
    write_whole(path, content.getvalue())
