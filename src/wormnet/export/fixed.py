"""Fixed point: a model's functions as instructions on integers, which C prints, NumPy runs and intervals bound.

A number x is held as the integer x 2^f. Stored numbers take a word (16 or 32 bits), what is computed takes two, where
products of words are exact. Everything else is rounded once, to nearest: shifts with halves upwards, quotients with
halves away from 0. The range of every number is known before, and formats follow from it, so nothing overflows.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError
from wormnet.export.expressions import Term, Traced
from wormnet.export.ranges import mixed
from wormnet.models.interval import Interval, exp, sigmoid, tanh

__all__ = ["Code", "Fix", "Instruction", "Word", "halved", "quotient", "reduced"]

Array = NDArray[np.float64]


class Fix(NamedTuple):
    """A number in a format: its fraction bits, and the range of the number and of what stands for it.

    reach: of a sum, the largest magnitude on the way to it.
    """

    f: int
    range: Interval
    reach: Any = 0.0


class Instruction(NamedTuple):
    """One integer operation.

    Attributes:
        op: "constant", "shift", "add", "subtract", "negative", "absolute", "multiply", "divide", "clamp", "mix",
            "sigmoid", "tanh" or "exp".
        of: the places of what it takes among the arguments and earlier instructions.
        f: the fraction bits of its result.
        by: how far it shifts (to the right), its least and its largest integer, or the constant.
        value: of a constant, the number it stands for.
    """

    op: str
    of: tuple[int, ...]
    f: int
    by: tuple[int, ...] = ()
    value: float = 0.0


@dataclass(frozen=True, eq=False)
class Code:
    """A function as instructions: the fraction bits of its arguments, the places of its results, and their formats."""

    given: tuple[int, ...]
    instructions: tuple[Instruction, ...]
    results: tuple[int, ...]
    fixes: tuple[Fix, ...]


def halved(v: Any, by: int) -> Any:
    """v / 2^by rounded to nearest, halves upwards; by < 0 multiplies."""
    return ((v >> (by - 1)) + 1) >> 1 if by > 0 else v << -by


def quotient(n: Any, d: Any, by: int, low: int, high: int) -> Any:
    """n 2^by / d rounded to nearest, halves away from 0, kept within low..high; d > 0, by >= 0."""
    n = np.clip(n, -((-low * d) >> by), (high * d) >> by) << by
    return np.sign(n) * ((np.abs(n) + (d >> 1)) // d)


@dataclass(frozen=True)
class Word:
    """The width of stored numbers, 16 or 32 bits, and the tables that belong to it."""

    bits: int

    # -- formats -------------------------------------------------------------------------------------------------------

    @property
    def top(self) -> int:
        """The largest integer of a stored number."""
        return 2 ** (self.bits - 1) - 1

    def fits(self, most: float, top: int | None = None) -> int:
        """The most fraction bits with which a magnitude, rounded, is at most top (a word's)."""
        top = self.top if top is None else top
        f = min(math.floor(math.log2(top / max(most, 2.0**-60))) + 1, 60)
        while most * 2.0**f + 1 > top:
            f -= 1
        return f

    def held(self, values: Array) -> tuple[NDArray[np.int64], int]:
        """Numbers of a table in a word: integers, and their fraction bits."""
        f = self.fits(float(np.abs(values).max(initial=0.0)))
        return np.round(values * 2.0**f).astype(np.int64), f

    # -- the tables of the logistic function and of exp ----------------------------------------------------------------

    @property
    def steps(self) -> int:
        """The tables have an entry every 2^-steps."""
        return 2 if self.bits == 16 else 5

    @property
    def span(self) -> int:
        """How far they reach; past it the functions are less than a bit of a word."""
        return 12 if self.bits == 16 else 23

    @property
    def fraction(self) -> int:
        """Fraction bits of their argument, so that the distance to an entry has a word's."""
        return self.bits - 1 + self.steps

    def table(self, op: str) -> NDArray[np.int64]:
        """sigmoid(-x) with `bits` fraction bits, or exp(-x) with one less, at x = 0, 2^-steps, ..., span."""
        x = np.arange(self.span * 2**self.steps + 1) / 2**self.steps
        found = np.exp(-x) / 2 if op == "exp" else 1 / (1 + np.exp(x))
        return np.round(found * 2.0**self.bits).astype(np.int64)

    def table_error(self, op: str) -> float:
        """How far a table lies from its function.

        The remainder of Taylor's series of third order at half the distance of two entries, with the fourth derivative
        (at most 0.13 for the logistic function, 1 for exp(-x)), the last entry, and the roundings: half a unit of the
        entry, half of the result, and together less than a half of what is multiplied by the distance.
        """
        near, bit = 2.0 ** -(self.steps + 1), 2.0**-self.bits
        if op == "exp":
            return near**4 / 24 * math.exp(near) + math.exp(-self.span) + 3.0 * bit
        return (near**4 / 24 * 0.13 + math.exp(-self.span) + 1.5 * bit) * (2 if op == "tanh" else 1)

    def looked_up(self, op: str, x: NDArray[np.int64], by: int) -> NDArray[np.int64]:
        """sigmoid, tanh or exp of x (for exp <= 0), which is first shifted by `by`.

        The results have `bits` fraction bits, those of exp one less.
        """
        w, end = self.bits, self.span << self.fraction
        size = np.abs(x)
        size = np.minimum(halved(size, by) if by > 0 else np.minimum(size, end >> -by) << -by, end)
        k = (size + (1 << (w - 2))) >> (w - 1)
        d, third = (k << (w - 1)) - size, (2**w + 1) // 3
        t = self.table(op)[k]
        if op == "exp":
            first = second = t
            last = halved(t * third, w)
        else:
            first = halved(t * ((1 << w) - t), w)
            second = halved(first * ((1 << w) - 2 * t), w)
            last = halved(halved(first * ((1 << w) - 6 * first), w) * third, w)
        series = first + halved(d * (second + halved(d * last, self.fraction)), self.fraction + 1)
        t = np.maximum(t + halved(d * series, self.fraction), 0)
        if op == "exp":
            return t
        t = np.minimum(t, 1 << (w - 1))
        if op == "sigmoid":
            return np.where(x > 0, (1 << w) - t, t)
        return np.where(x > 0, (1 << w) - 2 * t, 2 * t - (1 << w))

    # -- functions as instructions -------------------------------------------------------------------------------------

    def code(
        self,
        function: Traced,
        given: Sequence[Fix],
        wanted: Sequence["Fix | int | None"],
        known: Interval | None = None,
    ) -> Code:
        """A function as instructions.

        Args: given: formats and ranges of the arguments.   wanted: for each result the fraction bits, or format and
            range within which it is kept, or None for what comes.   known: a range of the first result that intervals
            do not see.
        Raises: ArgumentError for what fixed point does not have.
        """
        return _Compiler(self, given).made(function, wanted, known)


class _Compiler:
    """Writes the instructions of one function."""

    def __init__(self, word: Word, given: Sequence[Fix]):
        self.word, self.fixes = word, list(given)
        self.n_arguments, self.instructions = len(given), []

    def made(self, function: Traced, wanted: Sequence[Fix | int | None], known: Interval | None) -> Code:
        places: dict[int, int] = {}
        for term in function.order:
            own = known if term is function.results[0] else None
            target = wanted[0] if own is not None else None
            places[id(term)] = self._term(term, places, own, target if isinstance(target, Fix) else None)
        results = []
        for one, what in zip(function.results, wanted, strict=True):
            place = places[id(one)]
            if what is not None:
                place = self._shift(place, what if isinstance(what, int) else what.f)
            if isinstance(what, Fix):
                place = self._clamp(place, what)
            results.append(place)
        fixes = tuple(self.fixes[place] for place in results)
        given = tuple(one.f for one in self.fixes[: self.n_arguments])
        return Code(given, *_used(self.n_arguments, self.instructions, results), fixes)

    def _emit(
        self, op: str, of: Sequence[int], f: int, by: tuple[int, ...] = (), value: float = 0.0, known: Any = None
    ) -> int:
        one = Instruction(op, tuple(of), f, by, value)
        found = reduced(self.word, one, [self.fixes[place].range for place in of], [self.fixes[p].f for p in of])
        if known is not None:
            found = found.within(known.wider(2.0**-f))
        if float(found.most.max(initial=0.0)) * 2.0**f > 2 ** (2 * self.word.bits - 1) - 1:
            raise ArgumentError(
                f"a {op} takes more than {2 * self.word.bits} bits; take narrower limits (x_range, dt_range), or "
                'number="float".'
            )
        self.instructions.append(one)
        self.fixes.append(Fix(f, found))
        return len(self.fixes) - 1

    def _most(self, place: int) -> float:
        return float(self.fixes[place].range.most.max(initial=0.0))

    def _shift(self, place: int, f: int) -> int:
        by, most = self.fixes[place].f - f, 2 * self.word.bits - 2
        if by > most:
            return self._shift(self._shift(place, f + by - most), f)
        return place if by == 0 else self._emit("shift", (place,), f, (by,))

    def _clamp(self, place: int, limits: Fix) -> int:
        low, high = _integers(limits)
        found = self.fixes[place].range
        inside = float(found.lo.min()) * 2.0**limits.f >= low and float(found.hi.max()) * 2.0**limits.f <= high
        return place if inside else self._emit("clamp", (place,), limits.f, (low, high))

    def _narrow(self, place: int) -> int:
        """As one of two factors whose product fits two words."""
        return self._shift(place, min(self.fixes[place].f, self.word.fits(self._most(place), self.word.top + 1)))

    def _aligned(self, places: Sequence[int], most: float) -> list[int]:
        """Numbers in one format, in which each of them and a magnitude fit two words."""
        largest = max(most, *map(self._most, places))
        f = min(
            max(self.fixes[place].f for place in places), self.word.fits(largest, 2 ** (2 * self.word.bits - 1) - 1)
        )
        return [self._shift(place, f) for place in places]

    def _term(self, term: Term, places: dict[int, int], known: Interval | None, target: Fix | None) -> int:
        if term.op == "argument":
            return int(term.value)
        if term.op == "constant":
            f = self.word.fits(abs(term.value))
            v = round(term.value * 2.0**f)
            # Without its last zeros: 1 is 1, so that nothing is lost where it is added.
            while f > 0 and v % 2 == 0:
                v, f = v // 2, f - 1
            return self._emit("constant", (), f, (v,), term.value)
        parts = mixed(term)
        if parts is not None:
            first, gate, second = (places[id(one)] for one in parts)
            opens = self.fixes[gate].range
            if np.all(opens.lo >= 0) and np.all(opens.hi <= 1):
                return self._mix(first, gate, second)
        of = [places[id(one)] for one in term.of]
        ranges = [self.fixes[place].range for place in of]
        if term.op in ("add", "subtract"):
            made = ranges[0] + ranges[1] if term.op == "add" else ranges[0] - ranges[1]
            of = self._aligned(of, float(made.most.max(initial=0.0)))
            return self._emit(term.op, of, self.fixes[of[0]].f)
        if term.op == "multiply":
            of = [self._narrow(place) for place in of]
            return self._emit("multiply", of, self.fixes[of[0]].f + self.fixes[of[1]].f)
        if term.op == "divide":
            return self._divide(of, known, target)
        if term.op in ("negative", "absolute"):
            return self._emit(term.op, of, self.fixes[of[0]].f)
        if term.op in ("sigmoid", "tanh", "exp"):
            if term.op == "exp" and np.any(ranges[0].hi > 0):
                raise ArgumentError('fixed point has exp(x) for x <= 0 only; use number="float".')
            # tanh(x) is 2 sigmoid(2 x) - 1, and twice a number is the same integer with a fraction bit less.
            fraction = self.word.fraction + (term.op == "tanh")
            of = [self._shift(of[0], min(self.fixes[of[0]].f, fraction + self.word.bits))]
            by = self.fixes[of[0]].f - fraction
            return self._emit(term.op, of, self.word.bits - (term.op == "exp"), (by,))
        raise ArgumentError(
            f'fixed point has no {term.op}, which this model, activation or solver takes; use number="float", or the '
            'solver "semi_implicit".'
        )

    def _mix(self, first: int, gate: int, second: int) -> int:
        """first + gate (second - first), whose range is that of the two."""
        most = max(self._most(first), self._most(second))
        f = min(max(self.fixes[first].f, self.fixes[second].f), self.word.fits(2 * most, self.word.top + 1))
        first, second = self._shift(first, f), self._shift(second, f)
        gate = self._shift(gate, min(self.fixes[gate].f, self.word.bits - 1))
        return self._emit("mix", (first, gate, second), f, (self.fixes[gate].f,))

    def _divide(self, of: list[int], known: Interval | None, target: Fix | None) -> int:
        below = self._narrow(of[1])
        divisor = self.fixes[below].range
        if np.any(divisor.lo <= 0):
            raise ArgumentError(
                "fixed point divides by what is above 0 only, and a divisor of this layer may be below; use "
                'number="float".'
            )
        made = (self.fixes[of[0]].range / divisor).bounded()
        made = made if known is None else made.within(known)
        limits = target or Fix(self.word.fits(float(made.most.max(initial=0.0))), made)
        by = limits.f + self.fixes[below].f - self.fixes[of[0]].f
        if by > 2 * self.word.bits - 2:
            raise ArgumentError('a quotient is too large for fixed point; use number="float".')
        above = of[0] if by >= 0 else self._shift(of[0], limits.f + self.fixes[below].f)
        return self._emit("divide", (above, below), limits.f, (max(by, 0), *_integers(limits)), known=known)


def _used(first: int, instructions: Sequence[Instruction], results: Sequence[int]) -> tuple[Any, Any]:
    """Instructions and results without what no result needs."""
    needed = set(results)
    for k in reversed(range(len(instructions))):
        if first + k in needed:
            needed.update(instructions[k].of)
    kept = [k for k in range(len(instructions)) if first + k in needed]
    place = {**{k: k for k in range(first)}, **{first + k: first + new for new, k in enumerate(kept)}}
    made = tuple(instructions[k]._replace(of=tuple(place[one] for one in instructions[k].of)) for k in kept)
    return made, tuple(place[one] for one in results)


def _integers(limits: Fix) -> tuple[int, int]:
    """The integers around a range."""
    low, high = float(limits.range.lo.min()), float(limits.range.hi.max())
    return math.floor(low * 2.0**limits.f), math.ceil(high * 2.0**limits.f)


def reduced(word: Word, one: Instruction, of: Sequence[Interval], f: Sequence[int]) -> Interval:
    """The range of an instruction's result, as a number and as the integer that stands for it.

    Args: of, f: ranges and fraction bits of what it takes.
    """
    half = 2.0 ** -(one.f + 1)
    if one.op == "constant":
        return Interval.of(one.value).hull(Interval.of(one.by[0] * 2.0**-one.f))
    if one.op == "shift":
        return of[0].wider(half) if one.by[0] > 0 else of[0]
    if one.op in ("add", "subtract"):
        return of[0] + of[1] if one.op == "add" else of[0] - of[1]
    if one.op == "multiply":
        return of[0] * of[1] if one.of[0] != one.of[1] else of[0] * of[0]
    if one.op == "negative":
        return -of[0]
    if one.op == "absolute":
        return abs(of[0])
    if one.op == "clamp":
        return of[0].within(Interval.of(one.by[0] * 2.0**-one.f, one.by[1] * 2.0**-one.f))
    if one.op == "mix":
        return of[0].hull(of[2]).wider(half)
    if one.op == "divide":
        # Where the dividend is cut off, the quotient is at most one more unit of it below its limit.
        cut = 2.0 ** -f[0] / of[1].lo if one.by[0] else 0.0
        found = (of[0] / of[1]).bounded().wider(half + cut)
        limits = Interval.of(one.by[1] * 2.0**-one.f, one.by[2] * 2.0**-one.f)
        return Interval(np.clip(found.lo, limits.lo, limits.hi), np.clip(found.hi, limits.lo, limits.hi))
    error = word.table_error(one.op) + (half if one.by[0] > 0 else 0.0)
    plain = {"sigmoid": sigmoid, "tanh": tanh, "exp": exp}[one.op](of[0]).wider(error)
    ends = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0), "exp": (0.0, 1.0 + 2 * error)}[one.op]
    return plain.within(Interval.of(*ends))
