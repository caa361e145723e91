"""Fixed point: the format of every number, the same operations as C text, as integers, and as bounds on their errors.

A number x is held as the integer x 2^f. Products are exact in twice the width of a word; everything else is rounded once.
"""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError
from wormnet.export.expressions import Term, Traced
from wormnet.export.network import Dense, Direct, Network, Solved
from wormnet.export.ranges import Interval, Ranges, sigmoid

__all__ = ["Bounds", "Fix", "Fixed", "Integers", "Machine", "stepped"]

SPAN = 32
"""The table of the logistic function reaches so far; past it, it is 0 or 1 to the last bit of a word of 32 bits."""


class Fix(NamedTuple):
    """A number of a machine in a format: its value is v / 2^f."""

    v: Any
    f: int


@dataclass(eq=False)
class Fixed:
    """The formats of a network in words of 16 or 32 bits.

    Attributes:
        word: bits.
        most: the largest magnitude of every number, see `Ranges`.
        formats: fraction bits of what is kept: ("state", number), ("input",), ("given",), ("h", update), ...
        limits: for each state the least and the largest integer.
    """

    word: int
    most: dict[Hashable, float]
    formats: dict[Hashable, int] = field(default_factory=dict)
    limits: dict[int, tuple[int, int]] = field(default_factory=dict)

    def fits(self, most: float, width: int | None = None) -> int:
        """The most fraction bits with which a magnitude fits a width (a word's), with a little room for rounding."""
        room = (self.word if width is None else width) - 1
        return room - math.ceil(math.log2(max(most, 2.0**-40) * 1.01))

    @property
    def steps(self) -> int:
        """The table has an entry every 2^-steps."""
        return 2 if self.word == 16 else 5

    @property
    def table(self) -> NDArray[np.int64]:
        """The logistic function at 0, 2^-steps, ..., SPAN, with a word's bits less one."""
        at = np.arange(SPAN * 2**self.steps + 1) / 2**self.steps
        return np.round(sigmoid(at) * 2.0 ** (self.word - 1)).astype(np.int64)

    @property
    def table_error(self) -> float:
        """How far the interpolated table lies from the logistic function: h^4 / 384 max |f''''|, and three roundings."""
        return 0.13 * 2.0 ** (-4 * self.steps) / 384 + 3 * 2.0 ** (1 - self.word)

    # -- a function in a machine ---------------------------------------------------------------------------------------

    def call(
        self, m: "Machine", where: Hashable, function: Traced, given: Sequence[Fix], wanted: Sequence[Hashable]
    ) -> list[Fix]:
        """The results of a function, each in the format of what is wanted (None: as it comes)."""
        found: dict[int, Fix] = {}
        for term in function.order:
            found[id(term)] = m.named(self._term(m, where, term, given, found))
        return [self.turned(m, found[id(one)], what) for one, what in zip(function.results, wanted, strict=True)]

    def turned(self, m: "Machine", value: Fix, what: Hashable) -> Fix:
        """A value in the format of what it is to be; a state is kept within its limits."""
        if what is None:
            return value
        made = self.shifted(m, value, self.formats[what])
        if isinstance(what, tuple) and what[0] == "state":
            made = Fix(m.clamp(made.v, *self.limits[what[1]], made.f), made.f)
        return made

    def shifted(self, m: "Machine", value: Fix, f: int) -> Fix:
        """A value with f fraction bits."""
        return value if value.f == f else Fix(m.shift(value.v, value.f - f, f), f)

    def narrow(self, m: "Machine", value: Fix, most: float) -> Fix:
        """A value in a word."""
        return self.shifted(m, value, min(value.f, self.fits(most)))

    def constant(self, m: "Machine", value: float) -> Fix:
        """A constant in a word."""
        f = self.fits(abs(value)) if value else 0
        return Fix(m.constant(value, f), f)

    def _term(
        self, m: "Machine", where: Hashable, term: Term, given: Sequence[Fix], found: dict[int, Fix]
    ) -> Fix:
        if term.op == "argument":
            return given[int(term.value)]
        if term.op == "constant":
            return self.constant(m, term.value)
        of = [found[id(one)] for one in term.of]
        mosts = [self.most[where, id(one)] for one in term.of]
        most = self.most[where, id(term)]
        if term.op in ("add", "subtract"):
            f = min(of[0].f, of[1].f, self.fits(most, 2 * self.word - 1))
            a, b = (self.shifted(m, one, f) for one in of)
            return Fix(m.add(a.v, b.v) if term.op == "add" else m.subtract(a.v, b.v), f)
        if term.op == "multiply":
            a, b = (self.narrow(m, one, largest) for one, largest in zip(of, mosts, strict=True))
            return Fix(m.multiply(a.v, b.v), a.f + b.f)
        if term.op == "divide":
            below = self.narrow(m, of[1], mosts[1])
            f = self.fits(most)
            # The quotient times the divisor fits twice a word, and so does the shifted dividend.
            return Fix(m.divide(of[0].v, f + below.f - of[0].f, below.v, f), f)
        if term.op == "negative":
            return Fix(m.negative(of[0].v), of[0].f)
        if term.op == "absolute":
            return Fix(m.absolute(of[0].v), of[0].f)
        if term.op == "where_less":
            a, b = (self.shifted(m, one, min(of[0].f, of[1].f)) for one in of[:2])
            then, otherwise = (self.shifted(m, one, min(of[2].f, of[3].f)) for one in of[2:])
            return Fix(m.choose(a.v, b.v, then.v, otherwise.v), then.f)
        if term.op in ("sigmoid", "tanh"):
            # tanh(x) = 2 sigma(2 x) - 1, and twice a number is the same integer with a fraction bit less.
            twice = term.op == "tanh"
            x = Fix(of[0].v, of[0].f - twice)
            end = self.word - 6
            if mosts[0] * (2 if twice else 1) >= SPAN - 1:
                bound = (SPAN - 1) * 2**x.f if x.f >= 0 else SPAN - 1
                x = Fix(m.clamp(x.v, -int(bound), int(bound), x.f), x.f)
            s = m.sigmoid(self.shifted(m, x, end).v, twice)
            return Fix(s, self.word - 1)
        raise ArgumentError(f"fixed point has no {term.op}, which this layer's model or solver takes; use number=\"float\".")


class Machine:
    """What computes: C text, integers, or bounds. f is the fraction bits of the result, where it matters."""

    fixed: Fixed

    def named(self, value: Fix) -> Fix:
        """The value, computed once."""
        return value

    def constant(self, value: float, f: int) -> Any: ...
    def shift(self, v: Any, by: int, f: int) -> Any: ...
    def add(self, a: Any, b: Any) -> Any: ...
    def subtract(self, a: Any, b: Any) -> Any: ...
    def multiply(self, a: Any, b: Any) -> Any: ...
    def divide(self, a: Any, by: int, b: Any, f: int) -> Any: ...
    def negative(self, a: Any) -> Any: ...
    def absolute(self, a: Any) -> Any: ...
    def choose(self, a: Any, b: Any, then: Any, otherwise: Any) -> Any: ...
    def clamp(self, v: Any, low: int, high: int, f: int) -> Any: ...
    def sigmoid(self, v: Any, twice: bool) -> Any: ...
    def table(self, values: NDArray[np.float64]) -> Fix: ...
    def take(self, v: Any, index: Any) -> Any: ...
    def total(self, start: Any, parts: list[tuple[Any, Any]]) -> Any: ...
    def product(self, weight: NDArray[np.float64], z: list[Fix], bias: NDArray[np.float64], f: int) -> Any: ...
    def settled(self, state: int, v: Any) -> Any: ...
