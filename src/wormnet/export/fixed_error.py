"""A bound on the error of a network in fixed point, proved.

Each instruction's error is at most a sum of those of what it takes, each times how much it can matter, and of its own
rounding. So the errors after a sample are at most A e + b with e those before it, A and b >= 0, and this is iterated.
Where A is a contraction, a bound holds for ever: for errors E with A E + b <= E, no sample leads out of 0..E.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wormnet.export.expressions import Traced
from wormnet.export.fixed import Instruction, Word, reduced
from wormnet.export.fixed_step import MAP, Formats, advanced, per_dt, projected
from wormnet.export.network import Network
from wormnet.models.interval import Interval

__all__ = ["Bound", "bound_of"]

Array = NDArray[np.float64]
PARTS = 8
"""The times are bounded in so many parts of their range each."""
ROOM = 1 + 1e-9
"""Of the bounds themselves, which are sums and products of positive numbers in double precision."""


class Rough(NamedTuple):
    """A number in fixed point: its range, and a bound on its error, linear in the errors before the sample.

    error: (numbers or 1, errors before + 1): what each counts, and a constant.
    """

    range: Interval
    error: Array


@dataclass(frozen=True, eq=False)
class Bound:
    """What is known of the outputs' errors.

    Attributes:
        steps: (samples, outputs) after each sample from a reset.
        ever: (outputs,) after any number of samples; None if that is not known.
    """

    steps: Array
    ever: Array | None

    @property
    def largest(self) -> float:
        """Of all outputs and samples."""
        return float((self.steps if self.ever is None else self.ever).max())

    def __str__(self) -> str:
        if self.ever is not None:
            return f"at most {self.largest:.2g} after any number of samples"
        told = [k for k in (1, 10, 100) if k < len(self.steps)] + [len(self.steps)]
        found = ", ".join(f"{self.steps[:k].max():.2g} over {k} sample{'s' * (k > 1)}" for k in told)
        return f"at most {found}"


class Errors:
    """Runs a sample on ranges and bounds; see `fixed_step.Machine`."""

    def __init__(self, network: Network, formats: Formats):
        self.network, self.formats = network, formats
        self.n = network.layout.wiring.n_neurons
        self.width = self.n * len(formats.states) + 1

    def constant(self, size: Any) -> Array:
        """A bound that does not depend on what was before."""
        found = np.zeros((*np.shape(np.atleast_1d(size)), self.width))
        found[..., -1] = size
        return found

    def table(self, values: Array) -> Rough:
        """See Machine."""
        held, f = self.formats.word.held(values)
        close = held * 2.0**-f
        return Rough(Interval.of(values).hull(Interval.of(close)), self.constant(np.abs(close - values) * ROOM))

    def take(self, value: Rough, index: Any) -> Rough:
        """See Machine."""
        return Rough(value.range[index], value.error[index])

    def put(self, value: Rough, index: Any, new: Rough) -> Rough:
        """See Machine."""
        error = value.error.copy()
        error[index] = np.broadcast_to(new.error, error.shape)[index]
        return Rough(value.range, error)

    def start(self, values: Array, what: tuple[int, int]) -> Rough:
        """See Machine."""
        found, f = self.table(values), self.formats.sums[what]
        half = 2.0 ** -(f + 1) if f < self.formats.word.held(values)[1] else 0.0
        return Rough(found.range.wider(half), found.error + self.constant(half))

    def add(self, total: Rough, post: NDArray[np.int64], value: Rough) -> Rough:
        """See Machine."""
        error = total.error.copy()
        np.add.at(error, post, np.broadcast_to(value.error, (len(post), self.width)))
        return Rough(total.range + value.range.full(len(post)).summed(post, self.n), error)

    def call(self, where: Hashable, function: Traced, given: Sequence[Rough], wanted: Sequence[Any]) -> list[Rough]:
        """See Machine."""
        code, word = self.formats.codes[where], self.formats.word
        found, f = list(given), list(code.given)
        for one in code.instructions:
            of = [found[place] for place in one.of]
            made = reduced(word, one, [part.range for part in of], [f[place] for place in one.of]).bounded()
            found.append(Rough(made, _error(self, word, one, of, [f[place] for place in one.of])))
            f.append(one.f)
        made = [found[place] for place in code.results]
        if isinstance(where, tuple) and "stage" in where:
            # What intervals do not see of a bounded solver.
            made = [Rough(one.range.within(self.formats.states[wanted[0][1]].range), one.error) for one in made]
        return made


def _error(m: Errors, word: Word, one: Instruction, of: list[Rough], f: list[int]) -> Array:
    """A bound on the error of an instruction's result."""
    half = 2.0 ** -(one.f + 1)

    def weighed(value: Rough, by: Any) -> Array:
        return value.error * np.atleast_1d(by)[..., None]

    if one.op == "constant":
        return m.constant(abs(one.by[0] * 2.0**-one.f - one.value) * ROOM)
    if one.op == "shift":
        return of[0].error + m.constant(half if one.by[0] > 0 else 0.0)
    if one.op in ("add", "subtract"):
        return of[0].error + of[1].error
    if one.op == "multiply":
        return weighed(of[0], of[1].range.most) + weighed(of[1], of[0].range.most)
    if one.op == "divide":
        n, d = of
        low = d.range.lo
        cut = 2.0 ** -f[0] if one.by[0] else 0.0
        limit = max(abs(one.by[1]), abs(one.by[2])) * 2.0**-one.f
        # n/d - n'/d' = (n - n')/d + n'/d' (d' - d)/d, and n'/d' is within the limits.
        most = np.minimum((n.range / d.range).bounded().most, limit)
        return weighed(n, 1 / low) + weighed(d, most / low) + m.constant(half + cut / low)
    if one.op == "mix":
        change = (of[2].range - of[0].range).most
        return np.maximum(of[0].error, of[2].error) + weighed(of[1], change) + m.constant(half)
    if one.op in ("sigmoid", "tanh", "exp"):
        steepest = _steepest(one.op, of[0].range)
        shifted = 2.0 ** -(word.fraction + 1) if one.by[0] > 0 else 0.0
        return weighed(of[0], steepest) + m.constant(word.table_error(one.op) + steepest * shifted)
    return of[0].error


def _steepest(op: str, x: Interval) -> Array:
    """The largest derivative on a range."""
    nearest = np.where((x.lo <= 0) & (x.hi >= 0), 0.0, np.minimum(np.abs(x.lo), np.abs(x.hi)))
    if op == "exp":
        return np.exp(np.minimum(x.hi, 0.0)) * ROOM
    if op == "tanh":
        return np.minimum((1 - np.tanh(nearest) ** 2) * ROOM + 1e-15, 1.0)
    return np.minimum(0.25 * (1 - np.tanh(nearest / 2) ** 2) * ROOM + 1e-15, 0.25)


def bound_of(network: Network, formats: Formats, dt: tuple[float, float], samples: int) -> Bound:
    """The bound for inputs and times within the formats' limits, over a number of samples and, if it is known, ever.

    The error is the difference to the layer in exact arithmetic that is given the same inputs and times as real numbers
    (so rounding these to integers counts).
    """
    m = Errors(network, formats)
    ends = np.geomspace(dt[0], dt[1], PARTS + 1) if dt[1] > dt[0] else np.array(dt)
    ends[0], ends[-1] = dt
    maps = [_sample(m, Interval.of(low, high)) for low, high in pairwise(ends)]
    begin = np.concatenate(
        [
            np.abs(np.round(one * 2.0**fix.f) * 2.0**-fix.f - one)
            for one, fix in zip(network.initial, formats.states, strict=True)
        ]
    )
    # No state and its fixed counterpart lie farther apart than their range is wide.
    cap = np.concatenate(
        [np.full(m.n, float(fix.range.hi - fix.range.lo) + 2.0 ** (1 - fix.f)) for fix in formats.states]
    )
    read = _readout(m)

    def after(e: Array) -> Array:
        return np.minimum(np.max([a @ e + b for a, b in maps], axis=0) * ROOM, cap)

    errors, steps = begin, []
    for _ in range(samples):
        errors = after(errors)
        steps.append((read[0] @ errors + read[1]) * ROOM)
    ever = _invariant(maps, cap)
    if ever is None or not np.all(after(ever) <= ever) or not np.all(begin <= ever):
        return Bound(np.array(steps), None)
    return Bound(np.array(steps), (read[0] @ ever + read[1]) * ROOM)


def _invariant(maps: list[tuple[Array, Array]], cap: Array) -> Array | None:
    """Errors that no sample leads out of, if a sample contracts; whether it does is for the caller to see."""
    a, b = (np.max([one[k] for one in maps], axis=0) for k in (0, 1))
    if np.abs(np.linalg.eigvals(a)).max() >= 1 - 1e-6:
        return None
    found = np.linalg.solve(np.eye(len(b)) - a * ROOM, b * ROOM**2)
    return np.minimum(np.maximum(found, 0.0) * ROOM, cap) if np.all(found >= 0) else None


def _sample(m: Errors, dt: Interval) -> tuple[Array, Array]:
    """A and b: the errors after a sample are at most A e + b."""
    formats, network, n = m.formats, m.network, m.n
    states = []
    for k, fix in enumerate(formats.states):
        error = np.zeros((n, m.width))
        error[np.arange(n), k * n + np.arange(n)] = 1.0
        states.append(Rough(fix.range.full(n), error))
    given = formats.given
    inputs = Rough(given.range, m.constant(np.full(len(given.range.lo), 2.0 ** -(given.f + 1))))
    if network.input_map is not None:
        inputs = m.call(("input",), MAP, [inputs, *map(m.table, network.input_map)], [None])[0]
    h = {}
    for piece in network.pieces:
        rate, (whole, f, _) = per_dt(network, piece), formats.rate(network, piece)
        off = 2.0 ** -(formats.dt.f + 1) * rate * ROOM + float(dt.hi) * abs(whole * 2.0**-f - rate) * ROOM
        error = (off + 2.0 ** -(formats.h[piece.number].f + 1)) * ROOM
        h[piece.number] = Rough((dt * rate).wider(error), m.constant(error))
    new = np.concatenate([one.error for one in advanced(network, m, states, inputs, h)])
    return new[:, :-1], new[:, -1]


def _readout(m: Errors) -> tuple[Array, Array]:
    """R and r: the outputs' errors are at most R e + r."""
    formats, network, n = m.formats, m.network, m.n
    error = np.zeros((n, m.width))
    error[np.arange(n), np.arange(n)] = 1.0
    read = m.take(Rough(formats.states[0].range.full(n), error), network.read)
    if network.linear is not None:
        weight, bias = network.matrix
        held, whole, f, f_sum = projected(network, formats)
        off = np.abs(held * 2.0**-f - weight).sum(1) * float(formats.states[0].range.most)
        off = off + np.abs(whole * 2.0**-f_sum - bias)
        found = np.abs(held * 2.0**-f) @ read.error
        found[:, -1] += (off + 2.0 ** -(formats.y.f + 1)) * ROOM
    elif network.output_map is not None:
        found = m.call(("output",), MAP, [read, *map(m.table, network.output_map)], [None])[0].error
    else:
        found = read.error
    return found[:, :-1], found[:, -1]
