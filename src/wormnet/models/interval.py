"""Interval arithmetic: what a model's functions can give for all numbers within bounds, proved.

Every end is rounded outwards, so the exact result for every number within the arguments lies within the result; where
it may be any number, or larger than double precision holds, ends are infinite. The functions of `elementary` are in
FUNCTIONS by name; `engine.bind` puts them into a model's functions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["FUNCTIONS", "Interval", "Unbounded", "absolute", "exp", "product", "sigmoid", "tanh", "where_less"]

Array = NDArray[np.float64]
EPS = np.finfo(np.float64).eps
ULPS = 8
"""By how much NumPy's exp and tanh and what is composed of them may be off, in units of the last place."""


class Unbounded(ArithmeticError):
    """A number whose range cannot be told."""


@dataclass(frozen=True, eq=False, repr=False)
class Interval:
    """lo <= a number <= hi, for each of many (arrays that broadcast).

    A number that occurs twice in a formula counts as two, so ends may be farther out than need be, and never nearer.

    Args: lo, hi: arrays of one shape.

    >>> a = Interval.of(-1.0, 3.0)
    >>> (a * a).lo.item(), (a - 1.0).hi.item() >= 2.0
    (0.0, True)
    >>> 0.3 in Interval.of(0.1) + 0.2, 3.0 in 1 / a, 3.0 in 1 / (a + 10)
    (True, True, False)
    """

    lo: Array
    hi: Array
    # NumPy's own operators leave it to ours.
    __array_ufunc__ = None

    @classmethod
    def of(cls, lo: Any, hi: Any = None) -> "Interval":
        """From lo to hi; with one argument the number itself. An interval stays what it is."""
        if isinstance(lo, Interval):
            return lo
        low = np.asarray(lo, np.float64)
        return cls(low, low) if hi is None else cls(*np.broadcast_arrays(low, np.asarray(hi, np.float64)))

    def __repr__(self) -> str:
        return f"Interval({self.lo}, {self.hi})"

    @property
    def most(self) -> Array:
        """The largest magnitude."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def __contains__(self, value: Any) -> bool:
        return bool(np.all((self.lo <= value) & (value <= self.hi)))

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

    def bounded(self, why: str | None = None) -> "Interval":
        """Itself. Raises: Unbounded, which says why, if an end is infinite."""
        if not (np.isfinite(self.lo).all() and np.isfinite(self.hi).all()):
            raise Unbounded(why or "a number that may leave what double precision holds")
        return self

    def wider(self, by: Any) -> "Interval":
        """With `by` >= 0 more room on both sides."""
        return outward(self.lo - by, self.hi + by)

    @np.errstate(all="ignore")
    def summed(self, post: NDArray[Any], n: int) -> "Interval":
        """The sums of those with post 0, 1, ..., n - 1."""
        many, size = (np.bincount(post, one, n) for one in (np.ones(len(post)), self.most))
        # Each partial sum is at most `size`, and each addition errs by half an ulp of it.
        room = (many + 1) * size * EPS
        lo, hi = (np.bincount(post, one, n) for one in (self.lo, self.hi))
        made = outward(lo - room, hi + room)
        signs = (np.bincount(post, one, n) > 0 for one in (self.lo < 0, self.hi > 0))
        return _signed(made, *(~one for one in signs))

    @np.errstate(all="ignore")
    def __add__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        return _sum(self.lo + b.lo, self.hi + b.hi)

    @np.errstate(all="ignore")
    def __sub__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        return _sum(self.lo - b.hi, self.hi - b.lo)

    def __mul__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        found = _corners(np.multiply, self, b)
        return Interval(np.maximum(found.lo, 0.0), found.hi) if b is self else found

    def __truediv__(self, other: Any) -> "Interval":
        b = Interval.of(other)
        found, zero = _corners(np.divide, self, b), (b.lo <= 0) & (b.hi >= 0)
        return Interval(np.where(zero, -np.inf, found.lo), np.where(zero, np.inf, found.hi))

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
    """Both ends moved outwards by at least some ulps; no number at all (inf - inf) becomes any number."""
    lo, hi = np.nextafter(lo, -np.inf), np.nextafter(hi, np.inf)
    if ulps > 1:
        lo, hi = lo - ulps * np.spacing(np.abs(lo)), hi + ulps * np.spacing(np.abs(hi))
    return Interval(np.where(np.isnan(lo), -np.inf, lo), np.where(np.isnan(hi), np.inf, hi))


def _sum(lo: Array, hi: Array) -> Interval:
    """The ends of a sum of two: where floating point has 0 it is exactly 0, and a sign that is certain stays so."""
    made = outward(lo, hi)
    return Interval(np.where(lo == 0, lo, made.lo), np.where(hi == 0, hi, made.hi))


def _signed(made: Interval, above: Any, below: Any) -> Interval:
    """What is known not to be below 0, or above it, is told so."""
    lo = np.where(above, np.maximum(made.lo, 0.0), made.lo)
    return Interval(lo, np.where(below, np.minimum(made.hi, 0.0), made.hi))


@np.errstate(all="ignore")
def _corners(op: Callable[..., Any], a: Interval, b: Interval) -> Interval:
    ends = [op(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    low = np.minimum(np.minimum(ends[0], ends[1]), np.minimum(ends[2], ends[3]))
    high = np.maximum(np.maximum(ends[0], ends[1]), np.maximum(ends[2], ends[3]))
    # An end may be 0 because it is too small for a number, but the sign is certain.
    same = ((a.lo >= 0) & (b.lo >= 0)) | ((a.hi <= 0) & (b.hi <= 0))
    other = ((a.lo >= 0) & (b.hi <= 0)) | ((a.hi <= 0) & (b.lo >= 0))
    return _signed(outward(low, high), same, other)


@np.errstate(all="ignore")
def product(weight: Array, x: Interval) -> Interval:
    """(rows,) The product of a matrix (rows, numbers) and many numbers."""
    above, below = np.maximum(weight, 0.0), np.minimum(weight, 0.0)
    room = (weight.shape[1] + 4) * EPS * (np.abs(weight) @ x.most)
    return outward(above @ x.lo + below @ x.hi - room, above @ x.hi + below @ x.lo + room)


@np.errstate(all="ignore")
def _rising(function: Callable[[Array], Array], x: Any, least: float, most: float) -> Interval:
    """An increasing function whose values are within least..most."""
    a = Interval.of(x)
    found = outward(function(a.lo), function(a.hi), ULPS)
    return Interval(np.clip(found.lo, least, most), np.clip(found.hi, least, most))


def exp(x: Any) -> Interval:
    """e^x."""
    return _rising(np.exp, x, 0.0, np.inf)


def tanh(x: Any) -> Interval:
    """The hyperbolic tangent."""
    return _rising(np.tanh, x, -1.0, 1.0)


def sigmoid(x: Any) -> Interval:
    """The logistic function."""
    return _rising(_logistic, x, 0.0, 1.0)


def _logistic(x: Array) -> Array:
    small = np.exp(-np.abs(x))
    return np.where(x < 0, small, 1.0) / (1.0 + small)


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
