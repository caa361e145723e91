"""Time stamps as the time since the previous sample."""

from collections.abc import Iterable
from datetime import UTC, datetime
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.data.arrays import first_place, numbers, untransposed
from wormnet.data.missing import is_missing
from wormnet.errors import ArgumentError, ShapeError, shown

__all__ = ["UNITS", "are_dates", "dt_of", "stamps", "utc"]

UNITS = {"D": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds", "us": "microseconds"}


def stamps(name: str, given: Any, unit: str | None = None) -> NDArray[np.float64]:
    """Time stamps as float64. Dates are counted in `unit` from the first of them on; numbers are in units of their own.

    >>> stamps("times", np.array(["2020-01-01T00", "2020-01-01T12"], "datetime64"), "D")
    array([0. , 0.5])
    """
    if unit is not None and unit not in UNITS:
        raise ArgumentError(f"time_unit is {unit!r}; it takes one of {', '.join(map(repr, UNITS))}.")
    try:
        array = np.asarray(given)
    except (ValueError, TypeError, RuntimeError):
        return numbers(name, given).astype(np.float64)
    if array.dtype.kind in "OU" and array.size:
        cells = array.ravel().tolist()
        plain = utc(name, cells) if are_dates(array) else [np.nan if is_missing(one) else float(one) for one in cells]
        array = np.asarray(plain).reshape(array.shape)
    if array.dtype.kind not in "mM":
        if unit is not None:
            raise ArgumentError(
                f"time_unit is {unit!r}, but {name} holds numbers, whose unit is their own; leave it out."
            )
        return numbers(name, given if np.ma.isMaskedArray(given) else array).astype(np.float64)
    if unit is None:
        raise ArgumentError(
            f"{name} holds dates; say what dt is counted in: time_unit= takes {', '.join(map(repr, UNITS))}."
        )
    known = ~np.isnat(array)
    found = np.full(array.shape, np.nan)
    if known.any():
        found[known] = (array[known] - array[known].flat[0]) / np.timedelta64(1, unit)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return found


def are_dates(array: NDArray[Any]) -> bool:
    """Whether time stamps are dates, or objects and texts that should be; not numbers.

    >>> are_dates(np.array(["2024-05-31"])), are_dates(np.array([1, None], object))
    (True, False)
    """
    if array.dtype.kind == "O":
        return not all(isinstance(one, Real) or is_missing(one) for one in array.flat)
    return array.dtype.kind in "mMU"


def utc(name: str, dates: Iterable[Any]) -> NDArray[Any]:
    """Dates of Python and pandas, and ISO 8601 texts, as datetime64; those with a time zone as that moment in UTC."""
    found = []
    for when in dates:
        try:
            found.append(np.datetime64(_moment(when), "us"))
        except (ValueError, TypeError, OverflowError):
            raise ArgumentError(
                f"{name} holds {shown(when)}; it takes numbers, or dates, as text such as 2024-05-31 or "
                "2024-05-31T12:30."
            ) from None
    return np.array(found, "datetime64[us]")


def _moment(when: Any) -> Any:
    """A date without a time zone; None where it is missing. Raises ValueError or TypeError for a number."""
    if is_missing(when):
        return None
    # NumPy would take these for years, and for counts of its unit.
    if isinstance(when, Real) or (isinstance(when, str) and when.strip().isdigit()):
        raise ValueError
    if isinstance(when, str):
        when = datetime.fromisoformat(when.strip())
    return when.astimezone(UTC).replace(tzinfo=None) if getattr(when, "tzinfo", None) is not None else when


def dt_of(times: NDArray[np.float64], first_dt: Any, padding: NDArray[np.bool_], inputs: int) -> NDArray[np.float64]:
    """(sequences, time) time since the previous sample, of stamps (sequences, time) or (time,)."""
    n, time = padding.shape
    if times.shape not in {(n, time), (time,)}:
        turned = untransposed((n, time, inputs)) if times.shape in {(n, inputs), (inputs,)} else ""
        raise ShapeError(
            f"times has shape {times.shape}; it takes a stamp per sample: ({n}, {time}), or ({time},) for all "
            f"sequences alike.{turned}"
        )
    times = np.broadcast_to(times, (n, time))
    gaps = np.diff(times, axis=1)
    place = first_place(~padding & ~np.isfinite(times))
    if place is not None:
        raise ArgumentError(f"times{list(place)} of sequence {place[0]} is {times[place]}; a time stamp is finite.")
    first = _first(first_dt, n, gaps[~padding[:, 1:]])
    place = first_place(~padding[:, 1:] & ~(gaps > 0))
    if place is not None:
        i, t = place
        if gaps[i, t] == 0:
            advice = "Two samples of one time make one: merge them, or leave one out."
        else:
            advice = "Sort the samples of a sequence by their time."
        raise ArgumentError(
            f"times[{i}, {t + 1}] of sequence {i} is {times[i, t + 1]:.15g}, after {times[i, t]:.15g}; stamps "
            f"increase. {advice}"
        )
    return np.concatenate([first[:, None], np.where(padding[:, 1:], 1, gaps)], axis=1)


def _first(given: Any, n: int, gaps: NDArray[np.float64]) -> NDArray[np.float64]:
    """(sequences,) dt of the first samples."""
    usual = f" The median interval of these data is {np.median(gaps):.6g}." if gaps.size else ""
    if given is None:
        raise ArgumentError(
            "times tells how far samples lie apart, but not how far the first one is from the state that its sequence "
            f"starts from: pass first_dt=, a number > 0 (often the usual interval), or one per sequence.{usual}"
        )
    first = numbers("first_dt", given).astype(np.float64)
    if first.shape not in {(), (n,)}:
        raise ShapeError(f"first_dt has shape {first.shape}; it takes a number, or one per sequence: ({n},).")
    if not np.all(np.isfinite(first) & (first > 0)):
        raise ArgumentError(
            f"first_dt is {given!r}; it is the time between the state that a sequence starts from and its first "
            f"sample, > 0 even where the first stamp is 0.{usual}"
        )
    return np.broadcast_to(first, (n,))
