"""Cases in the forms that people keep them in, as Sequences whose y is the row that each answer has."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from aeon.utils.conversion import convert_collection
from aeon.utils.validation.collection import get_type
from numpy.typing import NDArray

from wormnet.data import Sequences
from wormnet.data.batch import Item
from wormnet.data.windows import cuts
from wormnet.errors import ArgumentError, ShapeError

__all__ = [
    "Fill",
    "from_collection",
    "from_columns",
    "in_time",
    "in_windows",
    "is_complete",
    "labels_in",
    "numbered",
    "told",
]

Fill = Literal["forward", "zero"] | None


def numbered(cases: Sequences, per: str | None = None) -> Sequences:
    """Cases whose targets are their own numbers: 0, 1, ... in the order of `Sequences.targets`."""
    if (per or cases.per) == "sequence":
        return told(cases, np.arange(len(cases)))
    rows = np.zeros(cases.mask.shape, np.int64)
    rows[cases.mask] = np.arange(cases.mask.sum())
    return told(cases, rows)


def told(cases: Sequences, y: NDArray[Any]) -> Sequences:
    """The same cases with other targets."""
    lengths = cases.lengths
    if lengths is None and cases.x.shape[1] == 1:
        # Said, so that Sequences does not take one step of several channels for a mistaken axis.
        lengths = np.ones(len(cases), np.int64)
    return Sequences(cases.x, y, lengths, cases.dt)


def labels_in(cases: Sequences) -> NDArray[Any]:
    """The targets of Sequences, in a row; classes by their names where they have any."""
    return np.array(cases.classes)[cases.targets] if cases.classes else cases.targets


def from_columns(x: NDArray[Any], missing: Fill, indicators: bool) -> Sequences:
    """Of (cases, time): one channel, equal lengths."""
    return numbered(Sequences(x[:, :, None], np.zeros(len(x), np.int64), missing=missing, indicators=indicators))


def from_collection(X: Any, missing: Fill, indicators: bool) -> Sequences | None:
    """Of Sequences, a list of their items, or any collection of aeon's; None for what has two axes.

    Raises: ShapeError for what has other shapes; ArgumentError for what is no number.
    """
    if isinstance(X, Sequences):
        return numbered(X)
    if is_complete(X):
        return numbered(_joined(X))
    if isinstance(X, np.ndarray) and X.ndim > 3:
        raise ShapeError(f"X has shape {X.shape}; it takes (cases, channels, time), or (cases, time).")
    if isinstance(X, np.ndarray) and X.ndim == 3:
        kind = "numpy3D"
    elif isinstance(X, list) and X and isinstance(X[0], np.ndarray):
        X, kind = [a[None] if isinstance(a, np.ndarray) and a.ndim == 1 else a for a in X], "np-list"
    else:
        kind = get_type(X, raise_error=False) if (isinstance(X, list) and X != []) or _is_frame(X) else None
        if kind in (None, "numpy2D", "pd-wide"):
            return None
        X, kind = convert_collection(X, "np-list"), "np-list"
    y = np.zeros(len(X), np.int64)
    if kind == "np-list" or X.shape[2] == 1:
        X = list(X)
        if len({a.shape[0] for a in X}) > 1:
            raise ShapeError(f"X has cases of {sorted({a.shape[0] for a in X})} channels; all have the same.")
    return numbered(Sequences.from_channels(X, y, missing=missing, indicators=indicators))


def is_complete(X: Any) -> bool:
    """Whether X is Sequences, or a list of their items, which bring dt along and have no gaps left."""
    return isinstance(X, Sequences) or (isinstance(X, list) and bool(X) and all(isinstance(one, Item) for one in X))


def in_windows(cases: Sequences, length: int) -> Sequences:
    """Cases with a target per step, cut into windows that begin half a window after each other."""
    return _joined([_part(one, window) for one in cases for window in cuts(one.length, length, max(1, length // 2))])


def in_time(cases: Sequences, share: float) -> tuple[Sequences, Sequences]:
    """The first steps of each case, and the last share of them."""
    at = [one.length - max(1, round(share * one.length)) for one in cases]
    first = [_part(one, slice(0, k)) for one, k in zip(cases, at)]
    return _joined(first), _joined([_part(one, slice(k, None)) for one, k in zip(cases, at)])


def _part(one: Item, steps: slice) -> Item:
    x = one.x[steps]
    return Item(x, one.y[steps], len(x), None if one.dt is None else one.dt[steps])


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "iloc")


def _joined(items: Sequence[Item]) -> Sequences:
    """Sequences of items, as searches over settings pick them out."""
    dts: list[Any] = [one.dt for one in items]
    if any((dt is None) != (dts[0] is None) for dt in dts):
        raise ArgumentError("some items of X have dt and others do not; they are of different Sequences.")
    return Sequences.from_list([one.x for one in items], [one.y for one in items], None if dts[0] is None else dts)
