"""What all drawings share: colours, new axes, saving."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, DataError, WormnetError, unknown
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
    """Known colours with some of them changed; ArgumentError for a name that is not among them."""
    for name in changes or {}:
        if name not in known:
            raise ArgumentError(unknown(f"{what} to colour", name, known))
    return {**known, **(changes or {})}


def new_axes(size: tuple[float, float]) -> "Axes":
    """Axes on a figure of their own, of a size in inches."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise WormnetError('drawing needs matplotlib: pip install "wormnet[plot]"') from None
    return Figure(figsize=size, layout="constrained").subplots()


def save(ax: "Axes", path: str | Path, dpi: int = 150) -> None:
    """Write the figure of some axes into a file; the ending of its name tells the format (.png, .svg, .pdf, ...).

    Raises: ArgumentError for an ending that matplotlib does not know, DataError if the file cannot be written.
    """
    figure: Any = ax.figure
    known = figure.canvas.get_supported_filetypes()
    if Path(path).suffix[1:].lower() not in known:
        raise ArgumentError(
            f"{path} ends in {Path(path).suffix!r}; a drawing ends in one of .{', .'.join(sorted(known))}."
        )
    try:
        figure.savefig(path, dpi=dpi)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}.") from None
