"""Drawings of wirings: the only place that knows matplotlib.

Every function draws on the axes that it is given, or on a new figure of its own that no global state knows; save it
with `axes.figure.savefig("wiring.png")`, or return it from a notebook cell as `axes.figure`.
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, WormnetError, unknown
from wormnet.wiring.core import GAP, ROLES, Wiring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LAYOUTS", "ROLE_COLOURS", "SIGN_COLOURS", "adjacency", "wiring"]

COLUMNS = ("input", "sensory", "inter", "command", "motor", "unknown")
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

LABELLED = 60
"""Cells up to which names are written by themselves."""


def wiring(
    wiring: Wiring,
    axes: "Axes | None" = None,
    *,
    layout: str = "columns",
    labels: bool | Mapping[str, str] | None = None,
    role_colours: Mapping[str, str] | None = None,
    sign_colours: Mapping[str, str] | None = None,
    legend: bool = True,
) -> "Axes":
    """Draw who is connected to whom: a column for each role, cells coloured by role, synapses by sign.

    All cells and synapses are drawn, however many; with many, lines get thinner and lighter. An arrow ends at the
    receiver; gap junctions are dashed, self-synapses are rings. Outputs have a dark rim.

    Args:
        wiring: what to draw.
        axes: where; a new figure if None.
        layout: "columns" (inputs, sensory, inter, command, motor, unknown), "circle" or "spring".
        labels: whether to write names (None: up to 60 cells), or a mapping from names to what to write.
        role_colours, sign_colours: changes to ROLE_COLOURS and SIGN_COLOURS.
        legend: whether to explain the colours.

    Returns: the axes.
    Raises: ArgumentError for an unknown layout or colour name, WormnetError without matplotlib.

    >>> import wormnet
    >>> axes = wormnet.plot.wiring(wormnet.auto_ncp(inputs=8, neurons=19, outputs=1))
    >>> axes.get_title("left")
    '8 inputs, 19 neurons, 87 synapses'
    """
    if layout not in LAYOUTS:
        raise ArgumentError(unknown("layout", layout, LAYOUTS))
    role_colours = _changed("role", ROLE_COLOURS, role_colours)
    sign_colours = _changed("sign", SIGN_COLOURS, sign_colours)
    axes = _new_axes((9.0, 6.0)) if axes is None else axes
    groups = np.array(["input"] * wiring.n_inputs + list(wiring.roles), dtype=object)
    at = LAYOUTS[layout](wiring, groups)
    radius = _radius(at)
    _draw_synapses(axes, wiring, at, radius, sign_colours)
    _draw_cells(axes, wiring, groups, at, radius, role_colours)
    _draw_labels(axes, wiring, groups, at, radius, labels, layout)
    if layout == "columns":
        _draw_heads(axes, groups, at, radius)
    if legend:
        _draw_legend(axes, wiring, groups, role_colours, sign_colours)
    n_gap = int((wiring.kind == GAP).sum())
    counts = [f"{wiring.n_inputs} inputs", f"{wiring.n_neurons} neurons", f"{wiring.n_synapses - n_gap} synapses"]
    gaps = [f"{n_gap} gap junction{'s' * (n_gap != 1)}"] * bool(n_gap)
    axes.set_title(", ".join(counts + gaps), fontsize=10, loc="left")
    axes.set_aspect("equal")
    axes.margins(0.04)
    axes.set_axis_off()
    return axes


def adjacency(wiring: Wiring, axes: "Axes | None" = None, *, sign_colours: Mapping[str, str] | None = None) -> "Axes":
    """Draw the adjacency matrix: a row for every sender, a column for every receiver, ordered by role.

    A square is a synapse, coloured by sign; a gap junction between neurons is one in both places.

    Args: wiring: what to draw.   axes: where; a new figure if None.   sign_colours: changes to SIGN_COLOURS.
    Returns: the axes.   Raises: as `wiring` does.

    >>> import wormnet
    >>> adjacency(wormnet.dense(2, 3)).get_ylabel()
    'sender'
    """
    colours = _changed("sign", SIGN_COLOURS, sign_colours)
    axes = _new_axes((7.5, 6.5)) if axes is None else axes
    from matplotlib.colors import to_rgba
    from matplotlib.patches import Patch

    groups = np.array(["input"] * wiring.n_inputs + list(wiring.roles), dtype=object)
    order = np.argsort([COLUMNS.index(group) for group in groups], kind="stable")
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order))
    image = np.full((len(order), len(order), 4), 0.0)
    for name, chosen in _by_sign(wiring).items():
        pre, post = wiring.pre[chosen], wiring.post[chosen]
        image[place[pre], place[post]] = to_rgba(colours[name])
        if name == "gap junction":
            both = pre >= wiring.n_inputs
            image[place[post[both]], place[pre[both]]] = to_rgba(colours[name])
    if len(order):
        axes.imshow(image, interpolation="nearest")
    n = len(order)
    first = [int(np.argmax(groups[order] == group)) for group in COLUMNS if np.any(groups == group)]
    for edge in first[1:]:
        axes.axhline(edge - 0.5, color="#D8DCE0", linewidth=0.8, zorder=0)
        axes.axvline(edge - 0.5, color="#D8DCE0", linewidth=0.8, zorder=0)
    names = [group for group in COLUMNS if np.any(groups == group)]
    middles = [(a + b - 1) / 2 for a, b in zip(first, [*first[1:], n], strict=False)]
    axes.set_xticks(middles, names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9)
    axes.set_yticks(middles, names, fontsize=9)
    axes.tick_params(length=0)
    axes.set(xlim=(-0.5, max(n, 1) - 0.5), ylim=(max(n, 1) - 0.5, -0.5), xlabel="receiver", ylabel="sender")
    axes.set_aspect("equal")
    for spine in axes.spines.values():
        spine.set_color("#D8DCE0")
    if wiring.n_synapses:
        handles = [Patch(color=colours[name], label=name) for name in _by_sign(wiring)]
        axes.legend(
            handles=handles, frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0
        )
    return axes


# -- where cells stand -------------------------------------------------------------------------------------------------


def _columns(wiring: Wiring, groups: NDArray[Any]) -> NDArray[np.float64]:
    at = np.zeros((len(groups), 2))
    present = [group for group in COLUMNS if np.any(groups == group)]
    tallest = max([min(int(np.sum(groups == group)), 40) for group in present], default=1)
    x = 0.0
    for group in present:
        members = np.flatnonzero(groups == group)
        # A crowded column becomes several beside each other, so that cells stay apart.
        lanes = int(np.ceil(len(members) / tallest))
        rows = int(np.ceil(len(members) / lanes))
        lane, row = np.divmod(np.arange(len(members)), rows)
        in_lane = np.bincount(lane, minlength=lanes)[lane]
        at[members, 0] = x + lane * 1.25
        at[members, 1] = ((in_lane - 1) / 2 - row) * _spread(rows, tallest)
        x += (lanes - 1) * 1.25 + max(3.6, tallest * 0.42)
    return at


def _spread(rows: int, tallest: int) -> float:
    return min(2.6, max(1.3, 1.0 * (tallest - 1) / max(rows - 1, 1)))


def _circle(wiring: Wiring, groups: NDArray[Any]) -> NDArray[np.float64]:
    n = max(len(groups), 1)
    order = np.argsort([COLUMNS.index(group) for group in groups], kind="stable")
    angle = np.empty(len(groups))
    angle[order] = np.pi / 2 - 2 * np.pi * np.arange(len(groups)) / n
    return np.stack([np.cos(angle), np.sin(angle)], 1) * max(n / (2 * np.pi), 1.0)


def _spring(wiring: Wiring, groups: NDArray[Any]) -> NDArray[np.float64]:
    import networkx

    graph = networkx.Graph()
    graph.add_nodes_from(range(len(groups)))
    graph.add_edges_from(zip(wiring.pre.tolist(), wiring.post.tolist(), strict=True))
    found = networkx.spring_layout(graph, seed=0, scale=max(np.sqrt(len(groups)) * 1.2, 1.0))
    return np.array([found[i] for i in range(len(groups))]).reshape(-1, 2)


LAYOUTS: dict[str, Callable[[Wiring, NDArray[Any]], NDArray[np.float64]]] = {
    "columns": _columns,
    "circle": _circle,
    "spring": _spring,
}
"""The layouts by name."""


def _radius(at: NDArray[np.float64]) -> float:
    if len(at) < 2:
        return 0.32
    # Compared with a sample of all cells: enough to find how close they stand.
    sample = at[:: max(1, len(at) // 400)]
    gaps = np.hypot(*(sample[:, None] - at[None]).transpose(2, 0, 1))
    return float(min(0.32, 0.42 * gaps[gaps > 1e-9].min(initial=1.0)))


# -- what is drawn -----------------------------------------------------------------------------------------------------


def _by_sign(wiring: Wiring) -> dict[str, NDArray[np.int64]]:
    """The synapses of each colour that has any."""
    gap = wiring.kind == GAP
    masks = {
        "excitatory": ~gap & (wiring.sign > 0),
        "inhibitory": ~gap & (wiring.sign < 0),
        "unsigned": ~gap & (wiring.sign == 0),
        "gap junction": gap,
    }
    return {name: np.flatnonzero(mask) for name, mask in masks.items() if mask.any()}


def _draw_synapses(axes: Any, wiring: Wiring, at: NDArray[Any], radius: float, colours: Mapping[str, str]) -> None:
    from matplotlib.collections import EllipseCollection, LineCollection, PatchCollection
    from matplotlib.patches import Polygon

    n = wiring.n_synapses
    alpha = float(np.clip(6.0 / np.sqrt(max(n, 1)), 0.07, 0.75))
    width = float(np.clip(12.0 / np.sqrt(max(n, 1)), 0.35, 1.2))
    for name, chosen in _by_sign(wiring).items():
        start, end = at[wiring.pre[chosen]], at[wiring.post[chosen]]
        own = wiring.pre[chosen] == wiring.post[chosen]
        style = {"color": colours[name], "alpha": alpha, "linewidths": width, "zorder": 1}
        if own.any():
            offsets = end[own] + np.array([0.0, radius * 1.25])
            size = np.full(int(own.sum()), radius * 1.3)
            rings = EllipseCollection(
                size, size, 0.0, units="xy", offsets=offsets, transOffset=axes.transData, facecolors="none",
                edgecolors=colours[name], alpha=alpha, linewidths=width, zorder=1,
            )  # fmt: skip
            axes.add_collection(rings)
        if own.all():
            continue
        curve = _curves(start[~own], end[~own], radius, 1.6 if name == "gap junction" else 1.0)
        dashes = "dashed" if name == "gap junction" else "solid"
        axes.add_collection(LineCollection(list(curve), linestyles=dashes, **style))
        if name != "gap junction":
            heads = [Polygon(head) for head in _arrow_heads(curve, radius * 0.42)]
            axes.add_collection(PatchCollection(heads, color=colours[name], alpha=min(1.0, alpha * 1.3), linewidths=0))
    axes.autoscale_view()


def _curves(start: NDArray[Any], end: NDArray[Any], radius: float, more: float) -> NDArray[np.float64]:
    """(synapses, points, 2) from rim to rim; bent aside where a straight line would run through a column."""
    along = end - start
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    aside = np.stack([-along[:, 1], along[:, 0]], 1) / length
    # Lines within a column or against the flow bend; those that follow the flow stay straight.
    bend = np.where(along[:, :1] > 0.95, 0.0, np.where(np.abs(along[:, :1]) < 1e-9, 0.28, 0.18) * more) * length
    middle = (start + end) / 2 + aside * bend
    # From rim to rim; where cells touch, a short line is left all the same.
    cut = np.minimum(radius / length, 0.35)[:, :, None]
    t = cut + (1 - 2 * cut) * np.linspace(0.0, 1.0, 15)[None, :, None]
    return (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * end[:, None]


def _arrow_heads(curve: NDArray[np.float64], size: float) -> NDArray[np.float64]:
    tip = curve[:, -1]
    along = tip - curve[:, -2]
    along = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None] * size
    aside = np.stack([-along[:, 1], along[:, 0]], 1) * 0.45
    return np.stack([tip, tip - along * 1.1 + aside, tip - along * 1.1 - aside], 1)


def _draw_cells(
    axes: Any, wiring: Wiring, groups: NDArray[Any], at: NDArray[Any], radius: float, colours: Mapping[str, str]
) -> None:
    from matplotlib.collections import EllipseCollection

    if not len(at):
        return
    # Where every neuron is read out, a rim would tell nothing.
    outputs = set(wiring.outputs) if wiring.n_outputs < wiring.n_neurons else set()
    faces = [colours[group] for group in groups]
    rims = ["#1F2933" if name in outputs else "white" for name in wiring.cells]
    size = np.full(len(at), 2 * radius)
    cells = EllipseCollection(
        size, size, 0.0, units="xy", offsets=at, transOffset=axes.transData, facecolors=faces, edgecolors=rims,
        linewidths=1.4 if radius > 0.2 else 0.7, zorder=3,
    )  # fmt: skip
    axes.add_collection(cells)
    axes.update_datalim(np.concatenate([at - 1.6 * radius, at + 1.6 * radius]))


def _draw_labels(
    axes: Any, wiring: Wiring, groups: NDArray[Any], at: NDArray[Any], radius: float, labels: Any, layout: str
) -> None:
    if labels is False or (labels is None and len(at) > LABELLED):
        return
    from matplotlib.patheffects import withStroke

    text = labels if isinstance(labels, Mapping) else {}
    centre = at.mean(axis=0) if len(at) else np.zeros(2)
    for name, group, (x, y) in zip(wiring.cells, groups, at, strict=True):
        side, place = ("center", (x, y - 1.15 * radius))
        if layout == "columns" and group in ("input", "motor"):
            side, place = ("right", (x - 1.5 * radius, y)) if group == "input" else ("left", (x + 1.5 * radius, y))
        elif layout == "circle":
            away = np.array([x, y]) - centre
            place = (x, y) + away / max(np.hypot(*away), 1e-9) * radius * 1.6
            side = "left" if away[0] > 1e-6 else "right" if away[0] < -1e-6 else "center"
        vertical = "top" if side == "center" and layout == "columns" else "center"
        halo = [withStroke(linewidth=2.0, foreground="white")]
        axes.text(
            *place, text.get(name, name), ha=side, va=vertical, fontsize=7, color="#3E4C59", zorder=4, path_effects=halo
        )


def _draw_heads(axes: Any, groups: NDArray[Any], at: NDArray[Any], radius: float) -> None:
    if not len(at):
        return
    top = at[:, 1].max() + 2.2 * radius
    for group in COLUMNS:
        if np.any(groups == group):
            x = at[groups == group, 0].mean()
            axes.text(
                x, top, group if group != "input" else "inputs", ha="center", va="bottom", fontsize=9, color="#52606D"
            )
    axes.update_datalim([(at[0, 0], top + radius)])


def _draw_legend(
    axes: Any, wiring: Wiring, groups: NDArray[Any], roles: Mapping[str, str], signs: Mapping[str, str]
) -> None:
    from matplotlib.lines import Line2D

    entries = [
        Line2D([], [], linestyle="", marker="o", markersize=7, color=roles[group], label=group)
        for group in ("input", *ROLES)
        if np.any(groups == group)
    ]
    if set(wiring.outputs) != set(wiring.neurons):
        entries.append(
            Line2D(
                [], [], linestyle="", marker="o", markersize=7, color="white", markeredgecolor="#1F2933", label="output"
            )
        )
    for name in _by_sign(wiring):
        dashes = "dashed" if name == "gap junction" else "solid"
        entries.append(Line2D([], [], color=signs[name], linestyle=dashes, label=name))
    if entries:
        axes.legend(
            handles=entries, loc="upper center", bbox_to_anchor=(0.5, -0.01), ncols=min(len(entries), 5), frameon=False,
            fontsize=8,
        )  # fmt: skip


def _changed(what: str, known: Mapping[str, str], changes: Mapping[str, str] | None) -> dict[str, str]:
    for name in changes or {}:
        if name not in known:
            raise ArgumentError(unknown(f"{what} to colour", name, known))
    return {**known, **(changes or {})}


def _new_axes(size: tuple[float, float]) -> "Axes":
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise WormnetError('drawing needs matplotlib: pip install "wormnet[plot]"') from None
    return Figure(figsize=size, layout="constrained").subplots()
