"""Drawings that count: the adjacency matrix, and degrees beside those of null models."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from wormnet.errors import ArgumentError
from wormnet.plot.style import SIGN_COLOURS, by_sign, changed, counts, new_axes
from wormnet.wiring.core import Wiring, prove_wiring
from wormnet.wiring.layout import COLUMNS, groups
from wormnet.wiring.measure import degree

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["adjacency", "degrees"]


def adjacency(wiring: Wiring, ax: "Axes | None" = None, *, sign_colours: Mapping[str, str] | None = None) -> "Axes":
    """Draw the adjacency matrix: a row for every sender, a column for every receiver, ordered by role.

    A square is a synapse, coloured by sign; a gap junction between neurons is one in both places.

    Args: wiring: what to draw.   ax: where; a new figure if None.   sign_colours: changes to SIGN_COLOURS.
    Returns: the axes.   Raises: as `wiring` does.

    >>> import wormnet
    >>> adjacency(wormnet.dense(2, 3)).get_ylabel()
    'sender'
    """
    prove_wiring(wiring)
    colours = changed("sign", SIGN_COLOURS, sign_colours)
    ax = new_axes((7.5, 6.5)) if ax is None else ax
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    group_of = groups(wiring)
    order = np.argsort([COLUMNS.index(group) for group in group_of], kind="stable")
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    image = np.full((len(order), len(order), 4), 0.0)
    for name, chosen in by_sign(wiring).items():
        pre, post = wiring.pre[chosen], wiring.post[chosen]
        image[place[pre], place[post]] = to_rgba(colours[name])
        if name == "gap junction":
            both = pre >= wiring.n_inputs
            image[place[post[both]], place[pre[both]]] = to_rgba(colours[name])
    if len(order):
        ax.imshow(image, interpolation="nearest")
    n = len(order)
    first = [int(np.argmax(group_of[order] == group)) for group in COLUMNS if np.any(group_of == group)]
    for edge in first[1:]:
        ax.axhline(edge - 0.5, color="#D8DCE0", linewidth=0.8, zorder=0)
        ax.axvline(edge - 0.5, color="#D8DCE0", linewidth=0.8, zorder=0)
    names = [group for group in COLUMNS if np.any(group_of == group)]
    middles = [(a + b - 1) / 2 for a, b in zip(first, [*first[1:], n], strict=False)]
    ax.set_xticks(middles, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    ax.set_yticks(middles, names, fontsize=9)
    ax.tick_params(length=0)
    ax.set(xlim=(-0.5, max(n, 1) - 0.5), ylim=(max(n, 1) - 0.5, -0.5), xlabel="receiver", ylabel="sender")
    ax.set_aspect("equal")
    for spine in ax.spines.values():
        spine.set_color("#D8DCE0")
    ax.set_title(counts(wiring), fontsize=10, loc="left")
    if wiring.n_synapses:
        handles = [Patch(color=colours[name], label=name) for name in by_sign(wiring)]
        ax.legend(handles=handles, frameon=False, fontsize=9, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=4)
    return ax


def degrees(wiring: Wiring, nulls: Iterable[Wiring] = (), ax: "Axes | None" = None) -> "Axes":
    """Draw how many neurons have at least k partners, for the wiring and, behind it, for each of its nulls.

    Received and sent synapses apart, on logarithmic axes: heavy tails are hubs.

    Args:
        wiring: of which.
        nulls: random wirings to compare with, see `wormnet.nulls`.
        ax: where; a new figure if None.

    Returns: the axes.   Raises: ArgumentError for nulls that are none, else as `wiring` does.

    >>> import wormnet
    >>> wiring = wormnet.random(inputs=4, neurons=30, outputs=2, sparsity=0.8)
    >>> degrees(wiring, wormnet.nulls(wiring, "erdos_renyi", 5)).get_xlabel()
    'k: synapses of a neuron'
    """
    prove_wiring(wiring)
    if not isinstance(nulls, Iterable):
        raise ArgumentError(f"nulls is {nulls!r}; it takes several wirings: wormnet.nulls(wiring, 'rewire', 20).")
    ax = new_axes((6.0, 4.0)) if ax is None else ax
    shown = [(one, "null", 0.25, 0.8) for one in nulls]
    for one, word, alpha, width in [*shown, (wiring, "", 1.0, 2.0)]:
        for name, values, colour in zip(("received", "sent"), degree(one), SIGN_COLOURS.values(), strict=False):
            k = np.sort(values[one.n_inputs :])
            at_least = np.arange(len(k), 0, -1) / max(len(k), 1)
            label = f"{name} {word}".strip()
            first = label not in ax.get_legend_handles_labels()[1]
            ax.step(
                np.maximum(k, 0.5), at_least, where="post", color=colour, alpha=alpha, linewidth=width,
                label=label if first else "_", zorder=2 + alpha,
            )  # fmt: skip
    ax.set(xscale="log", yscale="log", xlabel="k: synapses of a neuron", ylabel="share of neurons with at least k")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(frameon=False, fontsize=9)
    return ax
