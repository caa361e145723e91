"""A network in fixed point: its formats, and a sample in integers as the C program computes it."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError
from wormnet.export.expressions import Traced, traced
from wormnet.export.fixed import Code, Fix, Word, halved, quotient
from wormnet.export.network import Direct, Edges, Network, Piece, Solved
from wormnet.export.ranges import ranges_of
from wormnet.models.interval import Interval

__all__ = ["MAP", "Formats", "Integers", "Machine", "advanced", "formats_of", "per_dt", "projected"]

Array = NDArray[np.float64]
Whole = NDArray[np.int64]


def mapped(u, scale, shift):
    """An input or output through its map."""
    return u * scale + shift


MAP = traced(mapped, 3, 1)
DT = Word(32)
"""Times are held in 32 bits, whatever the rest is held in."""


class Machine(Protocol):
    """What runs a sample: on formats, on integers, on bounds of errors."""

    def table(self, values: Array) -> Any:
        """A coefficient."""
        ...

    def take(self, value: Any, index: Any) -> Any:
        """The values of some neurons or inputs."""
        ...

    def put(self, value: Any, index: Any, new: Any) -> Any:
        """With the new values of some neurons."""
        ...

    def start(self, values: Array, what: tuple[int, int]) -> Any:
        """What a sum begins with."""
        ...

    def add(self, total: Any, post: Whole, value: Any) -> Any:
        """With edges added to a sum."""
        ...

    def call(self, where: Hashable, function: Traced, given: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
        """A function; wanted: for each result ("state", number), ("sum", update, number) or None."""
        ...


def advanced(network: Network, m: Machine, states: Sequence[Any], inputs: Any, h: Mapping[int, Any]) -> list[Any]:
    """The states after a sample."""
    found = list(states)
    for piece in network.pieces:
        if isinstance(piece, Solved):
            _solved(network, piece, m, found, inputs, h[piece.number])
        elif isinstance(piece, Direct):
            _direct(network, piece, m, found, inputs, h[piece.number])
    return found


def _begun(network: Network, piece: Piece, m: Machine) -> list[Any]:
    nothing = np.zeros(network.layout.wiring.n_neurons)
    starts = (nothing if one is None else one[1] for one in piece.starts)
    return [m.start(one, (piece.number, k)) for k, one in enumerate(starts)]


def _summed(
    piece: Piece, m: Machine, sums: Sequence[Any], where: str, group: Sequence[Edges], states: Any, inputs: Any
) -> list[Any]:
    """Sums with edges added."""
    found = list(sums)
    for kind, edges in enumerate(group):
        sender = m.take(inputs if edges.reads is None else states[edges.reads], edges.pre)
        given = [sender, *(m.table(values) for _, values in edges.coefficients)]
        wanted = [("sum", piece.number, k) for k in edges.adds]
        for k, one in zip(edges.adds, m.call((piece.number, where, kind), edges.function, given, wanted), strict=True):
            found[k] = m.add(found[k], edges.post, one)
    return found


def _solved(network: Network, piece: Solved, m: Machine, states: list[Any], inputs: Any, h: Any) -> None:
    p, width = piece.number, len(piece.states)
    coefficients = [m.table(values) for _, values in piece.coefficients]
    brought = _summed(piece, m, _begun(network, piece, m), "brought", piece.brought, states, inputs)
    for _ in range(piece.unfolds):
        passed = [[states[state] for state in piece.states]]
        for j, advance in enumerate(piece.stages):
            at = list(states)
            for state, value in zip(piece.states, passed[-1], strict=True):
                at[state] = value
            sums = _summed(piece, m, brought, "edges", piece.edges, at, inputs)
            terms = m.call((p, "node"), piece.node, [*passed[-1], *sums, *coefficients], [None] * (2 * width))
            new = []
            for k, state in enumerate(piece.states):
                given = [*(one[k] for one in passed), m.table(piece.capacitances[k][1]), *terms[2 * k : 2 * k + 2], h]
                new += m.call((p, "stage", j, k), advance, given, [("state", state)])
            passed.append(new)
        for state, value in zip(piece.states, passed[-1], strict=True):
            states[state] = value


def _direct(network: Network, piece: Direct, m: Machine, states: list[Any], inputs: Any, h: Any) -> None:
    coefficients = [m.table(values) for _, values in piece.coefficients]
    for low, high in pairwise(piece.layers):
        sums = _summed(piece, m, _begun(network, piece, m), "edges", piece.edges, states, inputs)
        given = [*(states[state] for state in piece.states), *sums, *coefficients, h]
        new = m.call((piece.number, "node"), piece.node, given, [("state", state) for state in piece.states])
        for state, value in zip(piece.states, new, strict=True):
            states[state] = m.put(states[state], piece.order[low:high], value)


# -- formats -----------------------------------------------------------------------------------------------------------


@dataclass(eq=False)
class Formats:
    """The formats of a network, and its functions as instructions.

    Attributes:
        word: the width of what is stored.
        given, inputs: of the inputs, and as they are mapped.
        states, y: of each state, and of the outputs.
        dt: of the time since the last sample, in 32 bits.
        h: for each update of the length of a sub-step.
        sums: fraction bits of the sums, by update and number.
        codes: the functions, by where they run.
    """

    word: Word
    given: Fix
    inputs: Fix
    dt: Fix
    h: dict[int, Fix]
    states: list[Fix]
    sums: dict[tuple[int, int], int]
    y: Fix
    codes: dict[Hashable, Code] = field(default_factory=dict)

    # -- as a machine: every function is compiled where it is met ------------------------------------------------------

    def table(self, values: Array) -> Fix:
        """See Machine."""
        held, f = self.word.held(values)
        return Fix(f, Interval.of(values).hull(Interval.of(held * 2.0**-f)))

    def take(self, value: Fix, index: Any) -> Fix:
        """See Machine."""
        return Fix(value.f, value.range[index])

    def put(self, value: Fix, index: Any, new: Fix) -> Fix:
        """See Machine."""
        return value

    def start(self, values: Array, what: tuple[int, int]) -> Fix:
        """See Machine."""
        found = self.table(values).range.wider(2.0 ** -(self.sums[what] + 1))
        return Fix(self.sums[what], found, found.most)

    def add(self, total: Fix, post: Whole, value: Fix) -> Fix:
        """See Machine."""
        n, terms = len(total.range.lo), value.range.full(len(post))
        reach = total.reach + np.bincount(post, terms.most, n) * 1.000001
        if float(reach.max(initial=0.0)) * 2.0**total.f > 2.0 ** (2 * self.word.bits - 1) - 1:
            raise ArgumentError(f'a sum takes more than {2 * self.word.bits} bits; use number="q31" or "float".')
        return Fix(total.f, total.range + terms.summed(post, n), reach)

    def call(self, where: Hashable, function: Traced, given: Sequence[Fix], wanted: Sequence[Any]) -> list[Fix]:
        """See Machine."""
        if where not in self.codes:
            known = self.states[wanted[0][1]].range if isinstance(where, tuple) and "stage" in where else None
            targets = [
                None if one is None else self.states[one[1]] if one[0] == "state" else self.sums[one[1], one[2]]
                for one in wanted
            ]
            self.codes[where] = self.word.code(function, given, targets, known)
        return list(self.codes[where].fixes)

    # -- times ---------------------------------------------------------------------------------------------------------

    def rate(self, network: Network, piece: Piece) -> tuple[int, int, int]:
        """(m, f, by): a sub-step lasts h = dt m / 2^by, m with f fraction bits."""
        held, f = DT.held(np.array([per_dt(network, piece)]))
        return int(held[0]), f, self.dt.f + f - self.h[piece.number].f


def per_dt(network: Network, piece: Piece) -> float:
    """How long a sub-step lasts in the equation's time, for each unit of dt."""
    return 1.0 / (network.time_unit * (piece.unfolds if isinstance(piece, Solved) else 1))


def formats_of(network: Network, bits: int, x: Interval, dt: tuple[float, float]) -> Formats:
    """The formats for inputs (inputs,) and times within limits.

    Raises: ArgumentError for what has no bound or no fixed point.
    """
    word = Word(bits)
    f_x = word.fits(float(x.most.max(initial=0.0)))
    given = Fix(f_x, x.wider(2.0 ** -(f_x + 1)))
    mapping = network.input_map
    inputs = x if mapping is None else x * Interval.of(mapping[0]) + Interval.of(mapping[1])
    h = {p.number: Interval.of(0.0, dt[1] * per_dt(network, p) * 1.000001) for p in network.pieces}
    ranges = ranges_of(network, inputs.wider(1e-3 * inputs.most), h)
    f_dt = DT.fits(dt[1])
    steps = {}
    for number, one in h.items():
        f = word.fits(float(one.hi) * 1.001)
        steps[number] = Fix(f, Interval.of(0.0, float(one.hi) * 1.001))
    states = []
    for one in ranges.states:
        low, high = float(one.lo.min()), float(one.hi.max())
        states.append(Fix(word.fits(max(-low, high)), Interval.of(low, high)))
    sums = {what: word.fits(2 * most, 2 ** (2 * bits - 1) - 1) for what, most in ranges.sums.items()}
    found = Formats(word, given, given, Fix(f_dt, Interval.of(*dt)), steps, states, sums, states[0])
    if mapping is not None:
        most = float(inputs.most.max(initial=0.0))
        f = word.fits(most * 1.001)
        maps = [found.table(one) for one in mapping]
        code = word.code(MAP, [given, *maps], [f])
        found.codes["input",], found.inputs = code, code.fixes[0]
    n = network.layout.wiring.n_neurons
    advanced(network, found, [Fix(one.f, one.range.full(n)) for one in states], found.inputs, steps)
    _outputs(network, found)
    return found


def _outputs(network: Network, found: Formats) -> None:
    """The format of what is read out, and its map."""
    state, word = found.states[0], found.word
    read = Fix(state.f, state.range.full(len(network.read)))
    if network.linear is not None:
        weight, bias = network.matrix
        most = np.abs(weight).sum(1) * float(state.range.most) + np.abs(bias)
        found.y = Fix(word.fits(float(most.max()) * 1.001), Interval.of(-most, most))
    elif network.output_map is not None:
        scale, shift = network.output_map
        y = read.range * Interval.of(scale) + Interval.of(shift)
        f = word.fits(float(y.most.max()) * 1.001)
        code = word.code(MAP, [read, *(found.table(one) for one in network.output_map)], [f])
        found.codes["output",], found.y = code, code.fixes[0]
    else:
        found.y = read


def projected(network: Network, formats: Formats) -> tuple[Whole, Whole, int, int]:
    """(weight, bias, fraction bits of the weight and of the bias) of the linear map at the end, as integers."""
    weight, bias = network.matrix
    state, word = formats.states[0], formats.word
    most = float((np.abs(weight).sum(1) * float(state.range.most) + np.abs(bias)).max())
    f = min(
        word.fits(float(np.abs(weight).max(initial=0.0))), word.fits(2 * most, 2 ** (2 * word.bits - 1) - 1) - state.f
    )
    held = np.round(weight * 2.0**f).astype(np.int64)
    return held, np.round(bias * 2.0 ** (f + state.f)).astype(np.int64), f, f + state.f


# -- a sample in integers ----------------------------------------------------------------------------------------------


class Integers:
    """Computes what the C program computes, bit for bit."""

    def __init__(self, network: Network, formats: Formats):
        self.network, self.formats = network, formats

    def table(self, values: Array) -> Whole:
        """See Machine."""
        return self.formats.word.held(values)[0]

    def take(self, value: Whole, index: Any) -> Whole:
        """See Machine."""
        return value[index]

    def put(self, value: Whole, index: Any, new: Whole) -> Whole:
        """See Machine."""
        made = value.copy()
        made[index] = np.broadcast_to(new, value.shape)[index]
        return made

    def start(self, values: Array, what: tuple[int, int]) -> Whole:
        """See Machine."""
        held, f = self.formats.word.held(values)
        return halved(held, f - self.formats.sums[what])

    def add(self, total: Whole, post: Whole, value: Whole) -> Whole:
        """See Machine."""
        made = total.copy()
        np.add.at(made, post, np.broadcast_to(value, post.shape))
        return made

    def call(self, where: Hashable, function: Traced, given: Sequence[Any], wanted: Sequence[Any]) -> list[Any]:
        """See Machine."""
        code, word = self.formats.codes[where], self.formats.word
        found = list(given)
        for one in code.instructions:
            found.append(_run(word, one, [found[place] for place in one.of]))
        return [found[place] for place in code.results]

    def start_states(self) -> list[Whole]:
        """The states after a reset."""
        return [
            np.round(one * 2.0**fix.f).astype(np.int64)
            for one, fix in zip(self.network.initial, self.formats.states, strict=True)
        ]

    def given(self, x: Array) -> Whole:
        """Inputs as integers."""
        return np.round(np.asarray(x, np.float64) * 2.0**self.formats.given.f).astype(np.int64)

    def times(self, dt: Array) -> Whole:
        """Times as integers."""
        return np.round(np.asarray(dt, np.float64) * 2.0**self.formats.dt.f).astype(np.int64)

    def limits(self) -> tuple[Whole, Whole]:
        """The integers within which each input is kept."""
        f, given = self.formats.given.f, self.formats.given.range
        return np.ceil(given.lo * 2.0**f).astype(np.int64), np.floor(given.hi * 2.0**f).astype(np.int64)

    def run(self, x: Whole, dt: Whole) -> Whole:
        """Inputs (time, inputs) and times (time,) as integers -> outputs (time, outputs) as integers, from a reset."""
        states, y, (low, high) = self.start_states(), [], self.limits()
        for now, time in zip(x, dt, strict=True):
            inputs = np.clip(now, low, high)
            if self.network.input_map is not None:
                maps = [self.table(one) for one in self.network.input_map]
                inputs = self.call(("input",), MAP, [inputs, *maps], [None])[0]
            h = {}
            for piece in self.network.pieces:
                m, _, by = self.formats.rate(self.network, piece)
                h[piece.number] = halved(time * m, by)
            states = advanced(self.network, self, states, inputs, h)
            y.append(self._read(states[0][self.network.read]))
        return np.array(y).reshape(len(y), self.network.n_outputs)

    def _read(self, read: Whole) -> Whole:
        if self.network.linear is not None:
            weight, bias, _, f = projected(self.network, self.formats)
            return halved(weight @ read + bias, f - self.formats.y.f)
        if self.network.output_map is not None:
            return self.call(("output",), MAP, [read, *map(self.table, self.network.output_map)], [None])[0]
        return read


def _run(word: Word, one: Any, of: list[Any]) -> Any:
    """An instruction on integers."""
    if one.op == "constant":
        return np.int64(one.by[0])
    if one.op == "shift":
        return halved(of[0], one.by[0])
    if one.op in ("add", "subtract", "multiply"):
        return {"add": np.add, "subtract": np.subtract, "multiply": np.multiply}[one.op](*of)
    if one.op in ("negative", "absolute"):
        return -of[0] if one.op == "negative" else np.abs(of[0])
    if one.op == "divide":
        return quotient(*of, *one.by)
    if one.op == "clamp":
        return np.clip(of[0], *one.by)
    if one.op == "mix":
        return of[0] + halved(of[1] * (of[2] - of[0]), one.by[0])
    return word.looked_up(one.op, np.asarray(of[0]), one.by[0])
