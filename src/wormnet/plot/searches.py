"""The drawing of a search: what its vectors earned over evaluations."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wormnet.errors import ArgumentError
from wormnet.plot.style import new_axes
from wormnet.plot.traces import LINES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["search"]


def search(found: Any, ax: "Axes | None" = None, *, target: float | None = None) -> "Axes":
    """Draw the best objective so far over evaluations, and the mean of each generation as a pale line.

    Args:
        found: what `wormnet.control.search` returns, or a mapping from names to several of them.
        ax: where; a new figure if None.   target: a value to draw a line at.

    Returns: the axes.   Raises: ArgumentError for what is no search.

    >>> from types import SimpleNamespace
    >>> one = SimpleNamespace(evaluations=np.array([8, 16]), best=np.array([1.0, 3.0]), mean=np.array([0.0, 2.0]))
    >>> search({"worm": one}).get_legend().get_texts()[0].get_text()
    'worm'
    """
    several = isinstance(found, Mapping)
    searches = dict(found) if isinstance(found, Mapping) else {"": found}
    for one in searches.values():
        if not all(hasattr(one, name) for name in ("evaluations", "best", "mean")):
            raise ArgumentError(f"search draws what wormnet.control.search returns; it is given {type(one).__name__}.")
    axes: Any = new_axes((6.4, 3.8)) if ax is None else ax
    for i, (name, one) in enumerate(searches.items()):
        colour = LINES[i % len(LINES)]
        axes.plot(one.evaluations, one.mean, color=colour, linewidth=0.8, alpha=0.4)
        axes.plot(one.evaluations, np.maximum.accumulate(one.best), color=colour, linewidth=1.6, label=name or None)
    if target is not None:
        axes.axhline(target, color="#7A828C", linewidth=0.8, linestyle="--")
    axes.set(xlabel="vectors tried", ylabel="objective: best so far, mean of a generation (pale)")
    if several:
        axes.legend(frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return axes
