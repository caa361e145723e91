"""Checks of the arrays that `Sequences` is made of, each with an error that names the sequence at fault."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from wormnet.errors import ArgumentError, ShapeError

__all__ = ["check_y_shape", "finite", "first_place", "lengths_of", "numbers", "own", "pad", "pad_steps", "positive"]

_MOST_PADDED = 1 << 27  # numbers that are padded without asking how many of them are real
Y_TAKES = (
    "y takes whole numbers or names, (sequences,) = a class per sequence or (sequences, time) = a class per step, or "
    "floats, (sequences, outputs) = regression per sequence or (sequences, time, outputs) = regression per step"
)
MISSING = 'For missing values pass missing="forward" or missing="zero".'


def numbers(name: str, value: Any) -> NDArray[Any]:
    """An array of numbers. What a masked array hides becomes NaN, so that it cannot be taken for a value."""
    try:
        if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
            value = np.ma.filled(value.astype(np.result_type(value.dtype, np.float32)), np.nan)
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        ragged = "inhomogeneous" in str(error)
        hint = "For sequences of unequal length use Sequences.from_list." if ragged else f"NumPy says: {error}"
        raise ShapeError(f"{name} is no array of numbers. {hint}") from None
    if array.dtype.kind not in "biuf":
        raise ArgumentError(f"{name} holds {array.dtype} values; it takes numbers.")
    return array


def own(array: NDArray[Any], dtype: DTypeLike) -> NDArray[Any]:
    """A copy that shares nothing with the caller's array."""
    with np.errstate(over="ignore"):  # what overflows float32 becomes inf, and is reported as such
        return np.array(array, dtype=dtype, order="C", copy=True)


def first_place(bad: NDArray[np.bool_]) -> tuple[int, ...] | None:
    """Indices of the first true entry; None if there is none."""
    places = np.argwhere(bad)
    return tuple(int(i) for i in places[0]) if len(places) else None


def finite(
    name: str, given: NDArray[Any], padding: NDArray[np.bool_] | None, fill: float = 0, hint: str = ""
) -> NDArray[np.float32]:
    """A copy in float32 with the padding filled; ArgumentError if another number is not finite."""
    array = own(given, np.float32)
    if padding is not None:
        array[padding] = fill
    bad = ~np.isfinite(array)
    place = first_place(bad)
    if place is not None:
        raise ArgumentError(
            f"{name}{list(place)} of sequence {place[0]} is {given[place]}; it takes numbers that are finite in "
            f"float32. {bad.sum()} such numbers in all.{' ' + hint if hint and np.isnan(array[place]) else ''}"
        )
    return array


def positive(dt: NDArray[np.float32]) -> None:
    """ArgumentError unless all dt are > 0, with advice that fits where they are not."""
    place = first_place(dt <= 0)
    if place is None:
        return
    if dt.ndim == 2 and not np.any(dt[:, 1:] <= 0) and np.all(dt[:, 0] >= 0):
        advice = (
            "No sample comes before the first one, so its dt is the time since the state that the sequence starts "
            "from, and you have to say it: pass times= and first_dt= instead of dt, or put the usual interval there."
        )
    elif dt[place] == 0:
        advice = "Two samples of one time make one: merge them, or leave one out."
    else:
        advice = "Sort the samples of a sequence by their time."
    raise ArgumentError(
        f"dt{list(place)} of sequence {place[0]} is {dt[place]} in float32; time since the previous sample is > 0. "
        f"{advice}"
    )


def check_y_shape(y: NDArray[Any], x_shape: tuple[int, ...]) -> None:
    """ShapeError unless y fits beside x of (sequences, time, inputs)."""
    n, time, inputs = x_shape
    steps = y.shape[1:2]
    if y.dtype.kind == "f":
        fits = (y.ndim == 2 and y.shape[0] == n) or (y.ndim == 3 and y.shape[:2] == (n, time))
        fits = fits and y.shape[-1] > 0
        hint = " For one number per sequence pass y[:, None]; for classes pass whole numbers." if y.ndim == 1 else ""
        steps = steps if y.ndim == 3 else ()
    else:
        fits = y.shape in {(n,), (n, time)}
        hint = " For regression pass floats." if y.ndim > 1 else ""
    if not fits:
        turned = f" If y is per step:{untransposed(x_shape)}" if steps == (inputs,) and y.shape[0] == n else ""
        raise ShapeError(
            f"y has shape {y.shape} of {y.dtype}, beside {n} sequences of {time} steps; {Y_TAKES}.{hint}{turned}"
        )


def untransposed(x_shape: tuple[int, ...]) -> str:
    """Advice for an array whose last two axes look exchanged."""
    return (
        f" x has shape {x_shape}, and its axis 1 is taken for time; it looks like (sequences, channels, time): pass "
        "x.transpose(0, 2, 1), or Sequences.from_channels(x, y)."
    )


def lengths_of(given: ArrayLike, x_shape: tuple[int, ...]) -> NDArray[np.int64]:
    """(sequences,) numbers of steps from 0 to time."""
    n, time, inputs = x_shape
    lengths = numbers("lengths", given)
    if lengths.shape != (n,) or lengths.dtype.kind not in "iu":
        raise ShapeError(
            f"lengths has shape {lengths.shape} of {lengths.dtype}; it takes one whole number per sequence: ({n},)."
        )
    place = first_place((lengths < 0) | (lengths > time))
    if place is not None:
        turned = untransposed(x_shape) if lengths.min() >= 0 and lengths.max() == inputs else ""
        raise ArgumentError(
            f"lengths[{place[0]}] is {lengths[place]}; sequence {place[0]} has 0 to {time} steps.{turned}"
        )
    return own(lengths, np.int64)


def pad(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """(time_i, ...) arrays as one (sequences, longest or 1, ...) array with zeros past the ends."""
    dtype, longest = np.result_type(*arrays), max(map(len, arrays))
    if len(arrays) * longest * math.prod(arrays[0].shape[1:]) > max(_MOST_PADDED, 20 * sum(a.size for a in arrays)):
        raise ShapeError(
            f"{len(arrays)} sequences hold {sum(map(len, arrays))} steps in all, and the longest {longest}: padded to "
            "it they would not fit. Cut the long ones into several."
        )
    padded = np.zeros((len(arrays), max(1, *map(len, arrays)), *arrays[0].shape[1:]), dtype)
    for i, a in enumerate(arrays):
        padded[i, : len(a)] = a
    return padded


def pad_steps(name: str, given: Any, lengths: Sequence[int], read: Any = numbers) -> Any:
    """Pad what is given per step; leave what is given per sequence."""
    if given is None:
        return None
    if not isinstance(given, Iterable) or isinstance(given, str):
        raise ShapeError(f"{name} is {given!r}; it takes one entry for each of the {len(lengths)} sequences.")
    arrays = [read(f"{name}[{i}]", a) for i, a in enumerate(given)]
    if len(arrays) != len(lengths):
        raise ShapeError(f"{name} has {len(arrays)} entries; there are {len(lengths)} sequences.")
    # A row of floats is the regression target of a whole sequence; per step it has a second axis.
    per_step = arrays[0].ndim == 2 or (arrays[0].ndim == 1 and (name != "y" or arrays[0].dtype.kind != "f"))
    if not per_step:
        odd = [i for i, a in enumerate(arrays) if a.shape != arrays[0].shape]
        if odd:
            raise ShapeError(f"{name}[{odd[0]}] has shape {arrays[odd[0]].shape} and {name}[0] {arrays[0].shape}.")
        return np.stack(arrays)
    kind = next((a.dtype.kind for a in arrays if len(a)), "f")  # an empty list is float64 for NumPy, whatever is meant
    arrays = [a if len(a) else a.astype(next(b.dtype for b in [*arrays, a] if len(b) or b is a)) for a in arrays]
    for i, (a, length) in enumerate(zip(arrays, lengths)):
        if a.ndim != arrays[0].ndim or len(a) != length or a.shape[1:] != arrays[0].shape[1:]:
            raise ShapeError(
                f"{name}[{i}] has shape {a.shape}; sequence {i} has {length} steps, and {name}[0] has shape "
                f"{arrays[0].shape}."
            )
        if name == "y" and len(a) and (a.dtype.kind == "f") != (kind == "f"):
            raise ShapeError(
                f"y[{i}] holds {a.dtype} and y[0] {arrays[0].dtype}; whole numbers are classes, floats are regression."
            )
    return pad(arrays)
