"""Drawings of what goes on inside of a layer: rasters, time constants, bounds, and bars of lesions and of reasons.

They take the colours of text and ground from matplotlib, so they can be read on a light and on a dark one.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError, unknown
from wormnet.plot.style import new_axes
from wormnet.plot.traces import LINES
from wormnet.wiring import check

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["activity", "bounds", "lesions", "time_constants", "why"]

UP, DOWN = "#2F8FC6", "#D1495B"
"""The colours of what raises and of what lowers; each stands out from white and from black."""


def activity(activity: Any, ax: "Axes | None" = None, *, colours: str = "viridis") -> "Axes":
    """Draw the potentials of one sequence as a raster: a row for each neuron, time to the right.

    Args: activity: an `audit.Activity` of one sequence.   ax: where; a new figure if None.   colours: a colour map.
    Returns: the axes.   Raises: ArgumentError for what is none.

    >>> from wormnet.audit import Activity
    >>> activity(Activity([1.0, 2.0], ("a", "b"), np.eye(2), None)).get_xlabel()
    'time'
    """
    potential = _one_sequence(activity, "potential")
    n = len(activity.neurons)
    ax = new_axes((7.0, float(np.clip(0.16 * n, 2.0, 9.0)))) if ax is None else ax
    before = activity.time[0] - (activity.time[1] - activity.time[0]) if len(activity.time) > 1 else 0.0
    extent = (float(before), float(activity.time[-1]), n - 0.5, -0.5)
    image = ax.imshow(potential.T, aspect="auto", interpolation="nearest", cmap=colours, extent=extent)
    every = max(1, -(-n // 50))
    ax.set_yticks(range(0, n, every), activity.neurons[::every], fontsize=7)
    ax.set(xlabel="time")
    ax.figure.colorbar(image, ax=ax, label="potential")  # pyright: ignore[reportAttributeAccessIssue]
    return ax


def time_constants(activity: Any, *neurons: str, ax: "Axes | None" = None) -> "Axes":
    """Draw liquid time constants of one sequence over time.

    Args:
        activity: an `audit.Activity` of one sequence.
        neurons: names; none for the six whose time constants vary most.   ax: where; a new figure if None.

    Returns: the axes.   Raises: ArgumentError for what is none, has no time constants (CfC), or an unknown neuron.

    >>> from wormnet.audit import Activity
    >>> time_constants(Activity([1.0, 2.0], ("a", "b"), np.eye(2), np.ones((2, 2))), "b").get_ylabel()
    'time constant'
    """
    taus = _one_sequence(activity, "time_constants")
    finite = np.where(np.isfinite(taus) & (taus > 0), taus, np.nan)
    spread = [np.ptp(np.log(row[np.isfinite(row)])) if np.isfinite(row).any() else 0.0 for row in finite.T]
    drawn = _lines(activity.neurons, neurons, spread, ax, lambda i: (activity.time, finite[:, i]), None)
    drawn.set(xlabel="time", ylabel="time constant", yscale="log")
    return drawn


def bounds(bounds: Any, *neurons: str, ax: "Axes | None" = None, time: Any = None, inside: Any = None) -> "Axes":
    """Draw certified bounds as bands over the samples.

    Args:
        bounds: an `audit.Bounds`.
        neurons: names; none for the six with the widest bounds at the end.   ax: where; a new figure if None.
        time: (time,) of the samples; None for their numbers.
        inside: (time, neurons) potentials to draw inside of the bands, such as `rnn.trace(x)`.

    Returns: the axes.   Raises: ArgumentError for what is none, or an unknown neuron.

    >>> from wormnet.audit import Bounds
    >>> bounds(Bounds(("a",), [[0.0]], [[1.0]], ("a",), [[0.0]], [[1.0]])).get_ylabel()
    'potential'
    """
    if not hasattr(bounds, "y_low"):
        raise ArgumentError(f"bounds draws what wormnet.audit.bounds returns; it is given {type(bounds).__name__}.")
    at = np.arange(len(bounds.low)) if time is None else np.asarray(time, np.float64)
    width = bounds.high[-1] - bounds.low[-1]
    lines = None if inside is None else np.asarray(inside, np.float64)
    drawn = _lines(
        bounds.neurons, neurons, np.where(np.isfinite(width), width, 0.0), ax,
        None if lines is None else lambda i: (at, lines[:, i]), lambda i: (at, bounds.low[:, i], bounds.high[:, i]),
    )  # fmt: skip
    drawn.set(xlabel="sample" if time is None else "time", ylabel="potential")
    return drawn


def lesions(lesions: Any, most: int = 20, ax: "Axes | None" = None) -> "Axes":
    """Draw how much the score changes without each part, the largest changes first.

    Args: lesions: an `audit.Lesions`.   most: how many.   ax: where; a new figure if None.
    Returns: the axes.   Raises: ArgumentError for what is none.

    >>> from wormnet.audit import Lesions
    >>> ax = lesions(Lesions(1.0, ("AVA",), ("neuron",), [3.0], [2.0]))
    >>> [label.get_text() for label in ax.get_yticklabels()]
    ['AVA']
    """
    if not hasattr(lesions, "intact") or not hasattr(lesions, "changes"):
        raise ArgumentError(f"lesions draws what wormnet.audit.lesions returns; it is given {type(lesions).__name__}.")
    most = check.number("most", most, 1)
    drawn = _bars(lesions.names[:most], lesions.changes[:most], ax)
    rest = len(lesions.names) - most
    drawn.set_xlabel(f"change of the score ({lesions.intact:.4g} intact)")
    if rest > 0:
        drawn.set_title(f"{rest} more change it less", loc="left", fontsize=9)
    return drawn


def why(why: Any, most: int = 12, ax: "Axes | None" = None) -> "Axes":
    """Draw what each term carried into a neuron's potential; what is left out is drawn as one bar.

    Args: why: an `audit.Why`.   most: how many terms.   ax: where; a new figure if None.
    Returns: the axes.   Raises: ArgumentError for what is none.

    >>> from wormnet.audit import Why
    >>> names, kinds = ("(memory)", "(itself)", "in0"), ("memory", "itself", "chemical")
    >>> why(Why("a", 0, names, kinds, [0.0, 0.1, 0.5], 0.0, 0.6, {}, None, None)).get_xlabel()
    'carried into the potential of a'
    """
    if not hasattr(why, "senders"):
        raise ArgumentError(f"why draws what wormnet.audit.why returns; it is given {type(why).__name__}.")
    most = check.number("most", most, 1)
    order = list(why.order)
    names = [why.senders[i] for i in order[:most]]
    values = [float(why.potential[i]) for i in order[:most]]
    if order[most:]:
        names.append(f"{len(order) - most} more")
        values.append(float(why.potential[order[most:]].sum()))
    drawn = _bars(names, np.array(values), ax)
    drawn.set_xlabel(f"carried into the potential of {why.neuron}")
    drawn.set_title(f"sample {why.sample}: {why.before:.4g} to {why.after:.4g}", loc="left", fontsize=10)
    return drawn


def _one_sequence(activity: Any, name: str) -> NDArray[np.float64]:
    if not hasattr(activity, "time_constants"):
        raise ArgumentError(f"what wormnet.audit.activity returns is drawn here, not {type(activity).__name__}.")
    values = getattr(activity, name)
    if values is None:
        raise ArgumentError("this activity has no time constants: its model solves no differential equation.")
    if values.ndim != 2:
        raise ArgumentError(f"this activity has {len(values)} sequences; one is drawn: activity(rnn, x[0]).")
    return values


def _lines(known: Any, names: Any, size: Any, ax: Any, line: Any, band: Any) -> Any:
    """Lines and bands (time, ...) of some neurons, by default of the six with the largest size."""
    for name in names:
        if name not in known:
            raise ArgumentError(unknown("neuron", name, known))
    names = names or tuple(known[i] for i in np.argsort(-np.asarray(size), kind="stable")[:6])
    ax = new_axes((7.0, 3.6)) if ax is None else ax
    for k, name in enumerate(names):
        i, colour = known.index(name), LINES[k % (len(LINES) - 1)]
        if band is not None:
            ax.fill_between(*band(i), color=colour, alpha=0.25, linewidth=0, label=name if line is None else None)
        if line is not None:
            ax.plot(*line(i), color=colour, linewidth=1.6, label=name)
    ax.legend(frameon=False, ncols=min(len(names), 3), fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _bars(names: Any, values: NDArray[np.float64], ax: Any) -> Any:
    """Bars from the top, to the right above 0 and to the left below."""
    ax = new_axes((6.0, 0.8 + 0.24 * max(len(names), 3))) if ax is None else ax
    values = np.asarray(values, np.float64)
    shown = np.where(np.isfinite(values), values, 0.0)
    ax.barh(range(len(names)), shown, color=[UP if one >= 0 else DOWN for one in shown])
    for i in np.flatnonzero(~np.isfinite(values)):
        ax.text(0.0, float(i), f" {values[i]}", va="center", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.invert_yaxis()
    ax.axvline(0.0, color="#808080", linewidth=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    return ax
