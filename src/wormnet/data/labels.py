"""Classes as numbers: names are sorted and numbered, whole numbers stay what they are."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.data.arrays import first_place, numbers, own
from wormnet.errors import ArgumentError, unknown

__all__ = ["class_names", "labels_of", "named", "renumber"]


def named(name: str, value: Any, padding: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """An array of numbers, or of names (dtype str) where strings are given; names in the padding are not looked at."""
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise ArgumentError(f"{name} is a masked array that hides labels; leave those sequences out, or fill them in.")
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        return numbers(name, value)  # which says what is wrong
    if array.dtype.kind == "S":
        try:
            return np.char.decode(array, "utf-8")
        except UnicodeDecodeError as error:
            raise ArgumentError(f"{name} holds bytes that are no UTF-8 ({error}); decode them to str.") from None
    if array.dtype.kind not in "OTU":
        return numbers(name, array)
    labels = array.astype(object)
    if padding is not None and padding.shape == labels.shape:
        labels[padding] = ""
    for place in np.ndindex(labels.shape):
        label = labels[place]
        if isinstance(label, str):
            continue
        if (
            label is None
            or type(label).__name__ in ("NAType", "NaTType")
            or (isinstance(label, float) and label != label)
        ):
            raise ArgumentError(
                f"{name}{list(place)} is missing; every sequence takes a label: leave those without one out."
            )
        raise ArgumentError(f"{name}{list(place)} is {label!r}; it takes names only, or an array of numbers only.")
    return labels.astype(str)


def labels_of(
    given: NDArray[Any], padding: NDArray[np.bool_], classes: Sequence[str]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Numbers of the classes, and their names (empty: none are known). Padding becomes class 0."""
    real = np.broadcast_to(True, given.shape) if given.ndim == 1 else ~padding
    if given.dtype.kind == "U":
        found = np.unique(given[real])
        known = tuple(classes) or tuple(str(name) for name in found)
        for name in found:
            if name not in known:
                raise ArgumentError(unknown("class in y:", str(name), known))
        order = np.argsort(known, kind="stable")
        labels = np.zeros(given.shape, np.int64)
        labels[real] = order[np.searchsorted(np.array(known)[order], given[real])] if len(found) else 0
        return labels, known
    labels = own(np.where(real, given, 0), np.int64)
    place = first_place(labels < 0)
    if place is not None:
        raise ArgumentError(
            f"y{list(place)} of sequence {place[0]} is {given[place]}; classes are whole numbers from 0 on."
        )
    if classes and labels.size and labels.max() >= len(classes):
        place = first_place(labels == labels.max())
        raise ArgumentError(f"y{list(place or ())} is {labels.max()}, but there are {len(classes)} classes: {classes}.")
    return labels, tuple(classes)


def renumber(y: NDArray[Any], old: Sequence[str], new: Sequence[str]) -> NDArray[np.int64]:
    """Labels of the classes `old` as labels of the classes `new`, which hold all of them."""
    return np.array([new.index(name) for name in old], np.int64)[y]


def class_names(given: Any) -> tuple[str, ...]:
    """Names of classes as a tuple; ArgumentError if they are no different strings."""
    names = tuple(given) if not isinstance(given, str) else (given,)
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise ArgumentError(f"classes is {given!r}; it takes the names of the classes, all different.")
    return tuple(str(name) for name in names)
