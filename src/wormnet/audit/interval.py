"""Interval arithmetic on arrays, rounded outwards: whatever the numbers inside, the result is inside."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ON_INTERVALS", "Interval", "hull"]

Array = NDArray[np.float64]
EPS = np.finfo(np.float64).eps

ULPS = 8
"""By how much the elementary functions of NumPy and those composed of them may be off, in units of the last place."""


class Interval:
    """Numbers known to lie between two arrays, with arithmetic whose results hold whatever these numbers are.

    Each bound is rounded outwards by a unit of the last place. A number that occurs twice in a formula counts as two,
    so bounds may be wider than need be, and never narrower. Division by what may be 0 gives everything.

    Args: low, high: arrays of a shape; high None for single numbers.

    >>> x = Interval(-1.0, 2.0)
    >>> 4.0 in x * x, 4.1 in x * x, -2.0 in x * x
    (True, False, True)
    >>> 3.0 in x * 1.5 - 1.0, 3.0 in 1 / x, 3.0 in 1 / (x + 10)
    (False, True, False)
    """

    __slots__ = ("high", "low")
    # NumPy's own operators leave it to ours.
    __array_ufunc__ = None

    def __init__(self, low: ArrayLike, high: ArrayLike | None = None):
        self.low = np.asarray(low, np.float64)
        self.high = self.low if high is None else np.asarray(high, np.float64)

    def __repr__(self) -> str:
        return f"Interval({self.low!r}, {self.high!r})"

    def __contains__(self, value: Any) -> bool:
        return bool(np.all((self.low <= value) & (value <= self.high)))

    def __getitem__(self, place: Any) -> "Interval":
        return Interval(self.low[place], self.high[place])

    def __neg__(self) -> "Interval":
        return Interval(-self.high, -self.low)

    def __pos__(self) -> "Interval":
        return self

    def __abs__(self) -> "Interval":
        least = np.where(self.low > 0, self.low, np.where(self.high < 0, -self.high, 0.0))
        return Interval(least, np.maximum(-self.low, self.high))

    def __add__(self, other: Any) -> "Interval":
        other = of(other)
        return _out(self.low + other.low, self.high + other.high)

    def __sub__(self, other: Any) -> "Interval":
        other = of(other)
        return _out(self.low - other.high, self.high - other.low)

    def __mul__(self, other: Any) -> "Interval":
        other = of(other)
        return _of_four(np.multiply, self, other)

    def __truediv__(self, other: Any) -> "Interval":
        other = of(other)
        found = _of_four(np.divide, self, other)
        zero = (other.low <= 0) & (other.high >= 0)
        return Interval(np.where(zero, -np.inf, found.low), np.where(zero, np.inf, found.high))

    __radd__, __rmul__ = __add__, __mul__

    def __rsub__(self, other: Any) -> "Interval":
        return of(other) - self

    def __rtruediv__(self, other: Any) -> "Interval":
        return of(other) / self

    def within(self, other: "Interval") -> "Interval":
        """What is known if both are: the intersection."""
        return Interval(np.maximum(self.low, other.low), np.minimum(self.high, other.high))


def of(value: Any) -> Interval:
    """A number or an array as an interval of that single number."""
    return value if isinstance(value, Interval) else Interval(value)


def hull(one: Any, other: Any) -> Interval:
    """Around both.

    >>> hull(Interval(1.0), Interval(3.0))
    Interval(array(1.), array(3.))
    """
    one, other = of(one), of(other)
    return Interval(np.minimum(one.low, other.low), np.maximum(one.high, other.high))


def _out(low: Any, high: Any, ulps: int = 1) -> Interval:
    """Rounded outwards; no number at all (inf - inf) is everything."""
    low, high = np.asarray(low), np.asarray(high)
    # A sum of floating-point numbers that is 0 is exactly 0; of products see `_of_four`.
    low = np.where(low == 0, low, np.nextafter(low, -np.inf))
    high = np.where(high == 0, high, np.nextafter(high, np.inf))
    if ulps > 1:
        low, high = low - ulps * np.spacing(np.abs(low)), high + ulps * np.spacing(np.abs(high))
    return Interval(np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))


def _of_four(operation: Callable[..., Any], a: Interval, b: Interval) -> Interval:
    with np.errstate(all="ignore"):
        ends = [operation(x, y) for x in (a.low, a.high) for y in (b.low, b.high)]
        least = np.minimum(np.minimum(ends[0], ends[1]), np.minimum(ends[2], ends[3]))
        most = np.maximum(np.maximum(ends[0], ends[1]), np.maximum(ends[2], ends[3]))
    # Rounded by hand: a product may be 0 because it is too small for a number.
    least, most = np.nextafter(least, -np.inf), np.nextafter(most, np.inf)
    # But its sign is certain, which is what monotony is read from.
    alike = ((a.low >= 0) & (b.low >= 0)) | ((a.high <= 0) & (b.high <= 0))
    opposed = ((a.low >= 0) & (b.high <= 0)) | ((a.high <= 0) & (b.low >= 0))
    least, most = np.where(alike, np.maximum(least, 0.0), least), np.where(opposed, np.minimum(most, 0.0), most)
    return Interval(np.where(np.isnan(least), -np.inf, least), np.where(np.isnan(most), np.inf, most))


# -- the elementary functions of models --------------------------------------------------------------------------------


def _rising(function: Callable[[Array], Array], x: Any, least: float, most: float) -> Interval:
    """An increasing function with its range."""
    x = of(x)
    with np.errstate(all="ignore"):
        found = _out(function(x.low), function(x.high), ULPS)
    return Interval(np.clip(found.low, least, most), np.clip(found.high, least, most))


def _logistic(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1.0 + small)


def _where_less(a: Any, b: Any, then: Any, otherwise: Any) -> Interval:
    a, b, then, otherwise = (of(one) for one in (a, b, then, otherwise))
    surely, never, both = a.high < b.low, a.low >= b.high, hull(then, otherwise)
    return Interval(
        np.where(surely, then.low, np.where(never, otherwise.low, both.low)),
        np.where(surely, then.high, np.where(never, otherwise.high, both.high)),
    )


ON_INTERVALS: Mapping[str, Callable[..., Any]] = {
    "absolute": lambda x: abs(of(x)),
    "exp": lambda x: _rising(np.exp, x, 0.0, np.inf),
    "sigmoid": lambda x: _rising(_logistic, x, 0.0, 1.0),
    "tanh": lambda x: _rising(np.tanh, x, -1.0, 1.0),
    "where_less": _where_less,
}
"""The elementary functions of models on intervals."""


def gathered(values: Interval, post: NDArray[np.int64], n: int) -> Interval:
    """(n,) sums over edges into each neuron."""
    sums = [np.bincount(post, one, n) for one in np.broadcast_arrays(values.low, values.high)]
    size = np.bincount(post, np.maximum(np.abs(values.low), np.abs(values.high)), n)
    error = (np.bincount(post, minlength=n) + 2) * EPS * size
    return _out(sums[0] - error, sums[1] + error)


def product(weight: Array, z: Interval) -> Interval:
    """(rows,) weight z"""
    above, below = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
    error = (weight.shape[1] + 4) * EPS * (np.abs(weight) @ np.maximum(np.abs(z.low), np.abs(z.high)))
    return _out(above @ z.low + below @ z.high - error, above @ z.high + below @ z.low + error)
