"""Recordings cut into windows, and divided into folds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wormnet.data.about import whole
from wormnet.data.sequences import Sequences
from wormnet.errors import ArgumentError

__all__ = ["cuts", "deal", "fold_of", "read_length", "windowed"]


def cuts(steps: int, length: int, stride: int | None = None, offset: int = 0) -> list[slice]:
    """Windows of a recording.

    Without `stride` they lie side by side and the last one is as short as it has to be: each step counts once. With
    it one begins every `stride` steps from `offset` on, all of full length (a recording that is shorter than that is
    one window).

    >>> cuts(7, 3)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 7, None)]
    >>> cuts(7, 3, stride=2)
    [slice(0, 3, None), slice(2, 5, None), slice(4, 7, None)]
    """
    if stride is None:
        return [slice(start, min(start + length, steps)) for start in range(0, steps, length)]
    last = max(steps - length, 0)
    return [slice(start, min(start + length, steps)) for start in range(min(offset, last), last + 1, stride)]


def windowed(
    recordings: Sequence[tuple[NDArray[np.generic], ...]], length: int, stride: int, epoch: int = 0
) -> Sequences:
    """Windows of recordings (x, y) or (x, y, dt); in each epoch but 0 they begin elsewhere in each recording.

    >>> part = windowed([(np.zeros((7, 1)), np.arange(7))], 3, 2, epoch=1)
    >>> np.diff(part.y[:, 0])
    array([2, 2])
    """
    rng = np.random.default_rng(epoch)
    pieces: list[tuple[NDArray[np.generic], ...]] = []
    for arrays in recordings:
        offset = int(rng.integers(stride)) if epoch else 0
        pieces += [tuple(array[one] for array in arrays) for one in cuts(len(arrays[0]), length, stride, offset)]
    return Sequences.from_list(*zip(*pieces))


def fold_of(fold: object, folds: int) -> int | None:
    """The option `fold`: None for the standard split, or the number of a fold."""
    if fold is None:
        return None
    number = whole("fold", fold)
    if not 0 <= number < folds:
        raise ArgumentError(f"fold is {number}; it takes 0 to {folds - 1}, or None for the standard split.")
    return number


def read_length(length: object, most: int, published: int | None = None) -> int:
    """The option `length`, steps in a window; `published` if only that is taken."""
    steps = whole("length", length)
    if not 1 <= steps <= most:
        raise ArgumentError(f"length is {steps}; it takes 1 to {most} steps.")
    if published is not None and steps != published:
        raise ArgumentError(f"length is {steps}; the published windows have {published} steps.")
    return steps


def deal(labels: Sequence[object] | NDArray[np.generic], folds: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """Indices of `folds` disjoint parts with as nearly as possible the same share of every label.

    >>> [part.tolist() for part in deal([0, 0, 0, 0, 1, 1], 2)]
    [[1, 2, 5], [0, 3, 4]]
    """
    given, rng = np.asarray(labels), np.random.default_rng(seed)
    dealt, turn = np.empty(len(given), np.int64), 0
    for label in np.unique(given):
        rows = rng.permutation(np.flatnonzero(given == label))
        dealt[rows] = (turn + np.arange(len(rows))) % folds
        turn += len(rows)
    return [np.flatnonzero(dealt == fold) for fold in range(folds)]
