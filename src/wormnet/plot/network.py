"""The drawing of a wiring: cells in columns, on a circle or on springs, and the synapses between them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, WiringError, unknown
from wormnet.plot.style import ROLE_COLOURS, SIGN_COLOURS, by_sign, changed, counts, new_axes
from wormnet.wiring import atlas
from wormnet.wiring.core import CURRENT, Wiring, prove_wiring
from wormnet.wiring.layout import COLUMNS, LAYOUTS, groups

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["wiring"]

LABEL_SIZE = 7.0
"""Size of the cells' names, in points."""


def wiring(
    wiring: Wiring,
    ax: "Axes | None" = None,
    *,
    layout: str = "columns",
    by_class: bool = False,
    least: float = 0.0,
    labels: bool | Mapping[str, str] | None = None,
    role_colours: Mapping[str, str] | None = None,
    sign_colours: Mapping[str, str] | None = None,
    legend: bool = True,
) -> "Axes":
    """Draw who is connected to whom: a column for each role, cells coloured by role, synapses by sign.

    All cells and synapses are drawn, however many; with many, lines get thinner and lighter. An arrow ends at the
    receiver; gap junctions are dashed, currents dotted, self-synapses rings. Outputs have a dark rim. Of a whole
    connectome, `by_class=True, least=10` draws what can be followed by eye.

    Args:
        wiring: what to draw.
        ax: where; a new figure if None.
        layout: "columns" (inputs, sensory, inter, command, motor, unknown), "classes" (the same, with the cells of a
            class side by side), "body" (the worm's ganglia from head to tail, an order and no map), "circle", "spring".
        by_class: draw one cell for each class of the worm, as `wiring.group_by("class", within="drop")`, and lines as
            wide as the root of their counts.
        least: leave out synapses of a smaller count; the title tells how many are drawn.
        labels: whether to write names (None: where they do not collide), or a mapping from names to what to write.
        role_colours, sign_colours: changes to ROLE_COLOURS and SIGN_COLOURS.
        legend: whether to explain the colours.

    Returns: the axes.
    Raises: ArgumentError for an unknown layout, colour or name, or a `least` that is no number; WiringError for no
        wiring; WormnetError without matplotlib.

    >>> import wormnet
    >>> ax = wormnet.plot.wiring(wormnet.auto_ncp(inputs=8, neurons=19, outputs=1))
    >>> ax.get_title("left")
    '8 inputs, 19 neurons, 87 synapses'
    >>> ax = wormnet.plot.wiring(wormnet.connectome("cook2019"), layout="classes", by_class=True, least=10)
    >>> print(ax.get_title("left"))
    0 inputs, 118 neurons, 414 synapses, 93 gap junctions; those of 10 contacts or more, 507 of 2,254
    """
    prove_wiring(wiring)
    if isinstance(least, bool) or not isinstance(least, (int, float)) or not 0 <= least < np.inf:
        raise ArgumentError(f"least is {least!r}; it takes a number of contacts, 0 or more.")
    if not isinstance(layout, str) or layout not in LAYOUTS:
        raise ArgumentError(unknown("layout", layout, LAYOUTS))
    if not isinstance(labels, (bool, Mapping, type(None))):
        raise ArgumentError(
            f"labels is {labels!r}; it takes True, False, None or a mapping from names to what to write."
        )
    if isinstance(labels, Mapping):
        try:
            labels = {atlas.one_of("cell to label", name, wiring.cells): text for name, text in labels.items()}
        except WiringError as error:
            raise ArgumentError(str(error)) from None
    role_colours = changed("role", ROLE_COLOURS, role_colours)
    sign_colours = changed("sign", SIGN_COLOURS, sign_colours)
    ax = new_axes((9.0, 6.0)) if ax is None else ax
    whole = wiring.group_by("class", within="drop") if by_class else wiring
    strong = whole.count >= least
    wiring = whole if strong.all() else whole.lesion(synapses=np.flatnonzero(~strong))
    group_of = groups(wiring)
    at, radius = LAYOUTS[layout](wiring, group_of)
    extent = np.ptp(at, axis=0) + 4 * radius.max() if len(at) else np.ones(2)
    box = ax.get_window_extent()
    # Points per unit of the layout, roughly: margins and names take some.
    scale = 72 / ax.figure.dpi * 0.92 * min(box.width / extent[0], box.height / extent[1])
    _draw_synapses(ax, wiring, at, radius, sign_colours, layout, by_count=by_class)
    _draw_cells(ax, wiring, group_of, at, radius, role_colours, scale)
    _draw_labels(ax, wiring, group_of, at, radius, labels, layout, scale)
    if layout == "columns":
        _draw_heads(ax, group_of, at, radius)
    if legend:
        _draw_legend(ax, wiring, group_of, role_colours, sign_colours)
    drawn = "" if wiring is whole else f"; those of {least:g} contacts or more, {strong.sum():,} of {len(strong):,}"
    ax.set_title(counts(wiring) + drawn, fontsize=10, loc="left")
    ax.set_aspect("equal")
    ax.margins(0.03)
    ax.set_axis_off()
    return ax


def _draw_synapses(
    ax: Any, wiring: Wiring, at: NDArray[Any], radius: NDArray[Any], colours: Mapping[str, str], layout: str,
    *, by_count: bool,
) -> None:  # fmt: skip
    from matplotlib.collections import EllipseCollection, LineCollection, PatchCollection
    from matplotlib.patches import Polygon

    n = max(wiring.n_synapses, 1)
    present = [group for group in COLUMNS if group in set(groups(wiring))]
    column = np.array([present.index(group) for group in groups(wiring)], int)
    alpha, width = float(np.clip(8.0 / np.sqrt(n), 0.09, 0.85)), float(np.clip(15.0 / np.sqrt(n), 0.35, 1.4))
    for name, chosen in by_sign(wiring).items():
        pre, post = wiring.pre[chosen], wiring.post[chosen]
        own = pre == post
        style = {"alpha": alpha, "linewidths": width, "zorder": 1}
        if own.any():
            size = radius[post[own]]
            # Above the cell; on a circle, outside of it.
            away = np.stack([0 * size, 1 + 0 * size], 1)
            if layout == "circle":
                away = at[post[own]] / np.maximum(np.hypot(*at[post[own]].T), 1e-9)[:, None]
            # One among many lines may be hard to see; one on its own cell never hides another.
            rings = style | {"alpha": max(alpha, 0.6), "linewidths": max(width, 0.6)}
            ax.add_collection(
                EllipseCollection(
                    1.3 * size, 1.3 * size, 0.0, units="xy", offsets=at[post[own]] + 1.3 * size[:, None] * away,
                    transOffset=ax.transData, facecolors="none", edgecolors=colours[name], **rings,
                )
            )  # fmt: skip
        for dotted in (False, True):
            some = ~own & ((wiring.kind[chosen] == CURRENT) == dotted)
            if not some.any():
                continue
            ends = at[pre[some]], at[post[some]]
            columns = column[post[some]] - column[pre[some]] if layout == "columns" else None
            curve = _curves(*ends, radius[pre[some]], radius[post[some]], columns, layout, name == "gap junction")
            dashes = "dotted" if dotted else "dashed" if name == "gap junction" else "solid"
            wide = width * (0.6 + 3.4 * np.sqrt(wiring.count[chosen[some]] / wiring.count.max())) if by_count else width
            lines = style | {"linewidths": wide}
            ax.add_collection(LineCollection(list(curve), colors=colours[name], linestyles=dashes, **lines))
            if name != "gap junction":
                heads = [Polygon(head) for head in _arrow_heads(curve, 0.55 * radius[post[some]])]
                shade = min(1.0, alpha * 1.4)
                ax.add_collection(PatchCollection(heads, color=colours[name], alpha=shade, linewidths=0, zorder=2))
    ax.autoscale_view()


def _curves(
    start: NDArray[Any], end: NDArray[Any], leave: NDArray[Any], arrive: NDArray[Any],
    columns: NDArray[np.int64] | None, layout: str, more: bool,
) -> NDArray[np.float64]:  # fmt: skip
    """(synapses, points, 2) from rim to rim; straight are only those from one column to the next."""
    along = end - start
    length = np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None]
    aside = np.stack([-along[:, 1], along[:, 0]], 1) / length
    if layout == "circle":
        # The farther apart two cells are, the more their line bows towards the centre.
        pull = 0.7 * np.sqrt(np.minimum(length / (2 * np.hypot(*start[0])), 1.0)) + 0.15 * more
        middle = (start + end) / 2 * (1 - pull) + aside * length * 0.04
    else:
        # Bent lines stay off the straight ones and the columns between, and the two of a pair off each other.
        bend = np.where(np.abs(along[:, :1]) < 1e-9, 0.3, 0.15)
        if columns is not None:
            bend = np.where(columns[:, None] == 1, 0.0, np.where(columns[:, None] > 1, 0.12, bend))
        bend = bend + 0.1 * more
        middle = (start + end) / 2 + aside * bend * length
    # Where cells touch, a short line is left all the same.
    leaving, arriving = (2 * np.hypot(*(middle - end_point).T) for end_point in (start, end))
    first = np.minimum(leave / np.maximum(leaving, 1e-9), 0.35)[:, None, None]
    last = 1 - np.minimum(1.05 * arrive / np.maximum(arriving, 1e-9), 0.35)[:, None, None]
    t = first + (last - first) * np.linspace(0.0, 1.0, 17)[None, :, None]
    return (1 - t) ** 2 * start[:, None] + 2 * t * (1 - t) * middle[:, None] + t**2 * end[:, None]


def _arrow_heads(curve: NDArray[np.float64], size: NDArray[np.float64]) -> NDArray[np.float64]:
    tip = curve[:, -1]
    along = tip - curve[:, -2]
    along = along / np.maximum(np.hypot(along[:, 0], along[:, 1]), 1e-9)[:, None] * size[:, None]
    aside = np.stack([-along[:, 1], along[:, 0]], 1) * 0.45
    return np.stack([tip, tip - along * 1.1 + aside, tip - along * 1.1 - aside], 1)


def _draw_cells(
    ax: Any, wiring: Wiring, group_of: NDArray[Any], at: NDArray[Any], radius: NDArray[Any],
    colours: Mapping[str, str], scale: float,
) -> None:  # fmt: skip
    from matplotlib.collections import EllipseCollection

    if not len(at):
        return
    # Where every neuron is read out, a rim would tell nothing.
    outputs = set(wiring.outputs) if wiring.n_outputs < wiring.n_neurons else set()
    ax.add_collection(
        EllipseCollection(
            2 * radius, 2 * radius, 0.0, units="xy", offsets=at, transOffset=ax.transData,
            facecolors=[colours[group] for group in group_of],
            edgecolors=["#1F2933" if name in outputs else "white" for name in wiring.cells],
            linewidths=np.minimum(1.4, 0.22 * radius * scale), zorder=3,
        )
    )  # fmt: skip
    ax.update_datalim(np.concatenate([at - 2 * radius[:, None], at + 2 * radius[:, None]]))


def _draw_labels(
    ax: Any, wiring: Wiring, group_of: NDArray[Any], at: NDArray[Any], radius: NDArray[Any], labels: Any,
    layout: str, scale: float,
) -> None:  # fmt: skip
    if labels is False or not len(at):
        return
    from matplotlib.patheffects import withStroke

    text = {name: name for name in wiring.cells} | (dict(labels) if isinstance(labels, Mapping) else {})
    halo = [withStroke(linewidth=2.0, foreground="white")]
    fits = np.ones(len(at), bool) if labels is not None else _fitting(wiring, group_of, at, radius, layout, scale)
    for i in np.flatnonzero(fits):
        (x, y), r, turn, anchor = at[i], radius[i], 0.0, "anchor"
        place, side, vertical = (x, y - 1.2 * r), "center", "top"
        if layout == "columns" and group_of[i] == "input":
            place, side, vertical = (x - 1.5 * r, y), "right", "center_baseline"
        elif layout == "columns" and group_of[i] == "motor":
            place, side, vertical = (x + 1.6 * r, y), "left", "center_baseline"
        elif layout == "circle":
            away = at[i] / max(np.hypot(x, y), 1e-9)
            # Along the radius, and never upside down; beyond the ring of a self-synapse.
            turn = np.degrees(np.arctan2(away[1], away[0]))
            side, turn = ("right", turn + 180) if away[0] < -1e-9 else ("left", turn)
            place, vertical = at[i] + 2.2 * r * away, "center_baseline"
        ax.text(
            *place, text[wiring.cells[i]], ha=side, va=vertical, rotation=turn, rotation_mode=anchor,
            fontsize=LABEL_SIZE, color="#3E4C59", zorder=4, path_effects=halo,
        )  # fmt: skip
    if layout == "circle" and fits.any():
        longest = max(len(text[wiring.cells[i]]) for i in np.flatnonzero(fits))
        ax.update_datalim(at * (1 + (0.6 * LABEL_SIZE * longest / scale + 2.2 * radius.max()) / np.hypot(*at[0])))


def _fitting(
    wiring: Wiring, group_of: NDArray[Any], at: NDArray[Any], radius: NDArray[Any], layout: str, scale: float
) -> NDArray[np.bool_]:
    """(cells,) whether the name of each has room."""
    high = 1.15 * LABEL_SIZE / scale
    if layout == "circle":
        return np.full(len(at), 2 * np.pi * np.hypot(*at[0]) / len(at) > high)
    if layout in ("spring", "classes"):
        return _free(wiring, at, radius, high, scale)
    fits = np.ones(len(at), bool)
    for group in set(group_of):
        members = np.flatnonzero(group_of == group)
        lanes = np.unique(at[members, 0])
        in_first = np.sort(at[members[at[members, 0] == lanes[0]], 1])
        apart = np.diff(in_first).min(initial=np.inf)
        beside = group in ("input", "motor") and len(lanes) == 1
        fits[members] = apart > high if beside else apart > 2.2 * radius[members].max() + high
        if len(lanes) > 1:
            longest = max(len(wiring.cells[i]) for i in members)
            fits[members] &= np.diff(lanes).min() > 0.62 * LABEL_SIZE * longest / scale
    return fits


def _free(wiring: Wiring, at: NDArray[Any], radius: NDArray[Any], high: float, scale: float) -> NDArray[np.bool_]:
    """(cells,) the names below cells that meet no cell and no name before them; none if there are very many."""
    free = np.zeros(len(at), bool)
    if len(at) > 300:
        return free
    half = np.array([0.3 * LABEL_SIZE * len(name) / scale for name in wiring.cells])
    centre = at - np.stack([0 * radius, 1.2 * radius + high / 2], 1)
    for i in range(len(at)):
        to_cells, to_names = np.abs(at - centre[i]), np.abs(centre - centre[i])
        on_cell = (to_cells[:, 0] < half[i] + 0.8 * radius) & (to_cells[:, 1] < 0.5 * high + 0.8 * radius)
        on_cell[i] = False
        on_name = free & (to_names[:, 0] < half[i] + half) & (to_names[:, 1] < high)
        free[i] = not (on_cell.any() or on_name.any())
    return free


def _draw_heads(ax: Any, group_of: NDArray[Any], at: NDArray[Any], radius: NDArray[Any]) -> None:
    if not len(at):
        return
    top = (at[:, 1] + 3 * radius).max()
    for group in COLUMNS:
        if np.any(group_of == group):
            x = (at[group_of == group, 0].min() + at[group_of == group, 0].max()) / 2
            name = "inputs" if group == "input" else group
            ax.text(x, top, name, ha="center", va="bottom", fontsize=9, color="#52606D")
    ax.update_datalim([(at[0, 0], top * 1.02 + radius.max())])


def _draw_legend(
    ax: Any, wiring: Wiring, group_of: NDArray[Any], roles: Mapping[str, str], signs: Mapping[str, str]
) -> None:
    from matplotlib.lines import Line2D

    def dot(colour: str, label: str, **rim: Any) -> Line2D:
        return Line2D([], [], linestyle="", marker="o", markersize=7, color=colour, label=label, **rim)

    entries = [dot(roles[group], group) for group in COLUMNS if np.any(group_of == group)]
    if wiring.n_outputs < wiring.n_neurons:
        entries.append(dot("white", "output", markeredgecolor="#1F2933"))
    for name in by_sign(wiring):
        dashes = "dashed" if name == "gap junction" else "solid"
        entries.append(Line2D([], [], color=signs[name], linestyle=dashes, label=name))
    if np.any(wiring.kind == CURRENT):
        entries.append(Line2D([], [], color=signs["unsigned"], linestyle="dotted", label="current"))
    if entries:
        ax.legend(
            handles=entries, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=min(len(entries), 7), frameon=False,
            fontsize=8, columnspacing=1.4, handletextpad=0.5,
        )  # fmt: skip
