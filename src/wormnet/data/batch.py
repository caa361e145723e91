"""One sequence, and a batch of them as tensors."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ShapeError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Batch", "Item", "collate"]


class Item(NamedTuple):
    """One sequence without padding."""

    x: NDArray[np.float32]
    """(length, inputs)"""
    y: Any
    """Its class, (length,) classes, (outputs,) numbers, or (length, outputs) numbers."""
    length: int
    dt: NDArray[np.float32] | None
    """(length,) time since the previous sample; None: 1."""


class Batch(NamedTuple):
    """Sequences as tensors: `rnn(batch.x, dt=batch.dt, lengths=batch.lengths)`."""

    x: "Tensor"
    """(batch, longest, inputs), 0 past the ends"""
    y: "Tensor"
    """(batch, ...) as in `Sequences`; per step padded with 0"""
    dt: "Tensor | None"
    """(batch, longest), 1 past the ends; None where the data have none"""
    lengths: "Tensor"
    """(batch,) steps"""


def collate(items: Sequence[Item]) -> Batch:
    """Pad items to the longest of them (at least one step). Raises ShapeError for what are no items of one data set."""
    import torch

    items = list(items)
    if not items or not all(isinstance(item, Item) for item in items):
        raise ShapeError("collate was given something else; it takes a list of items of Sequences: part[0], part[1].")
    lengths = [item.length for item in items]
    longest, first = max(1, *lengths), items[0]
    per_step = np.ndim(first.y) == (2 if np.asarray(first.y).dtype.kind == "f" else 1)
    if any(item.x.shape[1] != first.x.shape[1] or (item.dt is None) != (first.dt is None) for item in items):
        raise ShapeError("the items are of several data sets: their inputs or their dt differ.")
    x = np.zeros((len(items), longest, first.x.shape[1]), np.float32)
    dt = None if first.dt is None else np.ones((len(items), longest), np.float32)
    y = np.zeros((len(items), longest, *np.shape(first.y)[1:]), np.asarray(first.y).dtype) if per_step else None
    for i, item in enumerate(items):
        x[i, : item.length] = item.x
        if dt is not None:
            dt[i, : item.length] = item.dt
        if y is not None:
            y[i, : item.length] = item.y
    y = np.stack([np.asarray(item.y) for item in items]) if y is None else y
    return Batch(
        torch.from_numpy(x),
        torch.from_numpy(y),
        None if dt is None else torch.from_numpy(dt),
        torch.tensor(lengths, dtype=torch.int64),
    )
