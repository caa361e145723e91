"""What stands for a value that is missing."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["FILLS", "fill", "is_missing"]

FILLS = ("forward", "zero")


def is_missing(cell: Any) -> bool:
    """Whether a cell of a table holds nothing: None, NaN, or what pandas has for these."""
    named = type(cell).__name__ in ("NAType", "NaTType", "NoneType")
    return named or (isinstance(cell, float) and cell != cell)


def fill(
    x: NDArray[np.floating],
    how: Literal["forward", "zero"],
    dt: NDArray[np.floating] | None = None,
    indicators: bool = True,
) -> NDArray[np.floating]:
    """Replace NaN by numbers, and say which they are.

    Args:
        x: (sequences, time, inputs), NaN where a value is missing.
        how: "forward": the last value seen in this channel, 0 before the first; "zero": 0.
        dt: (sequences, time) time since the previous sample, for the time since a value was seen; None: 1.
        indicators: append what GRU-D takes beside the values: a mask, and the time since the channel was last seen.

    Returns:
        (sequences, time, 3 inputs): the values; 1 where they were observed and 0 where they are filled in; the time
        since the last observation before this sample, counted from the first sample on, in units of dt. Without
        `indicators` (sequences, time, inputs): the values alone.

    Source: Che et al. 2018, Recurrent Neural Networks for Multivariate Time Series with Missing Values, Scientific
    Reports 8, 6085, section "Notations" (mask and time interval).

    >>> fill(np.array([[[np.nan], [3.0], [np.nan], [np.nan]]]), "forward")[0].T
    array([[0., 3., 3., 3.],
           [0., 1., 0., 0.],
           [0., 1., 1., 2.]])
    """
    seen = ~np.isnan(x)
    n, time, inputs = x.shape
    if how == "zero":
        values = np.where(seen, x, 0)
    else:
        latest = np.maximum.accumulate(np.where(seen, np.arange(time)[:, None], -1), axis=1)
        values = np.take_along_axis(x, np.maximum(latest, 0), axis=1)
        values = np.where(latest >= 0, values, 0)
    if not indicators:
        return values
    gap = np.ones((n, time)) if dt is None else np.asarray(dt, np.float64)
    since = np.zeros((n, time, inputs))
    for t in range(1, time):
        since[:, t] = gap[:, t, None] + np.where(seen[:, t - 1], 0, since[:, t - 1])
    return np.concatenate([values, seen.astype(x.dtype), since.astype(x.dtype)], axis=2)
