"""Interval arithmetic: what a model's functions can give for all numbers within bounds, proved.

Every end is rounded outwards, so the exact result for every number within the arguments lies within the result. The
functions of `elementary` are in FUNCTIONS by name; `engine.bind` puts them into a model's functions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FUNCTIONS", "Interval", "Unbounded", "absolute", "exp", "sigmoid", "tanh", "where_less"]

Array = NDArray[np.float64]
ULPS = 4
"""The C library's exp and tanh are right to an ulp or two."""


class Unbounded(ArithmeticError):
    """A number whose range cannot be told."""


@dataclass(frozen=True, eq=False, repr=False)
class Interval:
    """lo <= a number <= hi, for each of many (arrays that broadcast).

    Args: lo, hi: arrays of one shape.

    >>> a = Interval.of(-1.0, 3.0)
    >>> (a * a).lo.item(), (a - 1.0).hi.item() >= 2.0
    (0.0, True)
    >>> Interval.of(0.1) + 0.2 == 0.3
    False
    """

    lo: Array
    hi: Array

    @classmethod
    def of(cls, lo: Any, hi: Any = None) -> "Interval":
        """From lo to hi; with one argument the number itself. An interval stays what it is."""
        if isinstance(lo, Interval):
            return lo
        low = np.asarray(lo, np.float64)
        low, high = np.broadcast_arrays(low, low if hi is None else np.asarray(hi, np.float64))
        return cls(low, high)

    def __repr__(self) -> str:
        return f"Interval({self.lo}, {self.hi})"

    @property
    def most(self) -> Array:
        """The largest magnitude."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def __getitem__(self, index: Any) -> "Interval":
        return Interval(self.lo[index], self.hi[index])

    def full(self, shape: int | tuple[int, ...]) -> "Interval":
        """One for each place of a shape."""
        return Interval(np.broadcast_to(self.lo, shape), np.broadcast_to(self.hi, shape))

    def hull(self, other: "Interval") -> "Interval":
        """The least that holds both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))

    def within(self, other: "Interval") -> "Interval":
        """What both hold; they have to meet."""
        return Interval(np.maximum(self.lo, other.lo), np.minimum(self.hi, other.hi))

    def wider(self, by: Any) -> "Interval":
        """With `by` >= 0 more room on both sides."""
        return outward(self.lo - by, self.hi + by)

    def summed(self, post: NDArray[Any], n: int) -> "Interval":
        """The sums of those with post 0, 1, ..., n - 1."""
        many, size = (np.bincount(post, one, n) for one in (np.ones(len(post)), self.most))
        # Each partial sum is at most `size`, and each addition errs by half an ulp of it.
        room = (many + 1) * size * np.finfo(np.float64).eps
        lo, hi = (np.bincount(post, one, n) for one in (self.lo, self.hi))
        made = outward(lo - room, hi + room)
        signs = (np.bincount(post, one, n) > 0 for one in (self.lo < 0, self.hi > 0))
        return _signed(made, *(~one for one in signs))

    def __add__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        made = outward(self.lo + b.lo, self.hi + b.hi)
        return _signed(made, (self.lo >= 0) & (b.lo >= 0), (self.hi <= 0) & (b.hi <= 0))

    def __sub__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        return outward(self.lo - b.hi, self.hi - b.lo)

    def __mul__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        found = _corners(np.multiply, self, b)
        return Interval(np.maximum(found.lo, 0.0), found.hi) if b is self else found

    def __truediv__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        if np.any((b.lo <= 0) & (b.hi >= 0)):
            raise Unbounded("a division by a number that may be 0")
        return _corners(np.divide, self, b)

    def __neg__(self) -> "Interval":
        return Interval(-self.hi, -self.lo)

    def __abs__(self) -> "Interval":
        across = (self.lo <= 0) & (self.hi >= 0)
        return Interval(np.where(across, 0.0, np.minimum(np.abs(self.lo), np.abs(self.hi))), self.most)

    def __radd__(self, other: Any) -> "Interval":
        return self + other

    def __rsub__(self, other: Any) -> "Interval":
        return Interval.of(other) - self

    def __rmul__(self, other: Any) -> "Interval":
        return self * other

    def __rtruediv__(self, other: Any) -> "Interval":
        return Interval.of(other) / self


def outward(lo: Array, hi: Array, ulps: int = 1) -> Interval:
    """Both ends moved outwards by some ulps."""
    for _ in range(ulps):
        lo, hi = np.nextafter(lo, -np.inf), np.nextafter(hi, np.inf)
    return Interval(lo, hi)


def _signed(made: Interval, above: Any, below: Any) -> Interval:
    """What is known not to be below 0, or above it, is told so."""
    lo = np.where(above, np.maximum(made.lo, 0.0), made.lo)
    return Interval(lo, np.where(below, np.minimum(made.hi, 0.0), made.hi))


def _corners(op: Any, a: Interval, b: Interval) -> Interval:
    found = [op(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    low, high = np.minimum.reduce(found), np.maximum.reduce(found)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise Unbounded("a number that may leave what double precision holds")
    same = ((a.lo >= 0) & (b.lo >= 0)) | ((a.hi <= 0) & (b.hi <= 0))
    other = ((a.lo >= 0) & (b.hi <= 0)) | ((a.hi <= 0) & (b.lo >= 0))
    return _signed(outward(low, high), same, other)


def exp(x: Any) -> Interval:
    """e^x."""
    a = Interval.of(x)
    if np.any(a.hi > 700):
        raise Unbounded("exp of a number that may be large")
    found = outward(np.exp(a.lo), np.exp(a.hi), ULPS)
    return Interval(np.maximum(found.lo, 0.0), found.hi)


def tanh(x: Any) -> Interval:
    """The hyperbolic tangent."""
    a = Interval.of(x)
    found = outward(np.tanh(a.lo), np.tanh(a.hi), ULPS)
    return Interval(np.maximum(found.lo, -1.0), np.minimum(found.hi, 1.0))


def sigmoid(x: Any) -> Interval:
    """The logistic function."""
    a = Interval.of(x)
    # Below -36 it is e^x to less than an ulp; above, 1 + e^-x rounds twice.
    ends = [np.where(end < -36, np.exp(np.minimum(end, 0.0)), 1 / (1 + np.exp(-np.maximum(end, -36))))
            for end in (a.lo, a.hi)]  # fmt: skip
    found = outward(ends[0], ends[1], 2 * ULPS)
    return Interval(np.maximum(found.lo, 0.0), np.minimum(found.hi, 1.0))


def absolute(x: Any) -> Interval:
    """|x|"""
    return abs(Interval.of(x))


def where_less(a: Any, b: Any, then: Any, otherwise: Any) -> Interval:
    """`then` where a < b, else `otherwise`; both where it cannot be told."""
    a, b, then, otherwise = map(Interval.of, (a, b, then, otherwise))
    yes, no, both = a.hi < b.lo, a.lo >= b.hi, then.hull(otherwise)
    lo = np.where(yes, then.lo, np.where(no, otherwise.lo, both.lo))
    return Interval(lo, np.where(yes, then.hi, np.where(no, otherwise.hi, both.hi)))


FUNCTIONS: Mapping[str, Any] = {
    "exp": exp,
    "tanh": tanh,
    "sigmoid": sigmoid,
    "absolute": absolute,
    "where_less": where_less,
}
"""The functions of `elementary`, on intervals."""
