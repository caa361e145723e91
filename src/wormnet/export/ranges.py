"""The range of every number of a network, for all inputs and times within limits: interval arithmetic that is proved.

A state's range is a set that a sample maps into itself. Under a bounded solver a new state lies between the old one
and drive / pull, a mean of the potentials that a neuron's edges pull to; that mean is taken edge by edge, since the
quotient of the sums' intervals would forget that the same conductances stand in both.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError
from wormnet.export.expressions import Term, Traced
from wormnet.export.network import Dense, Direct, Edges, Network, Piece, Solved

__all__ = ["Interval", "Ranges", "ranges_of"]

Array = NDArray[np.float64]
ROUNDS = 4000


@dataclass(frozen=True, eq=False)
class Interval:
    """lo <= a number <= hi, for each of many."""

    lo: Array
    hi: Array

    @property
    def most(self) -> Array:
        """The largest magnitude."""
        return np.maximum(np.abs(self.lo), np.abs(self.hi))

    def at(self, index: Any) -> "Interval":
        """Some of them."""
        return Interval(self.lo[index], self.hi[index])

    def hull(self, other: "Interval") -> "Interval":
        """What holds both."""
        return Interval(np.minimum(self.lo, other.lo), np.maximum(self.hi, other.hi))


class Unbounded(Exception):
    """A number whose range cannot be told."""


def point(values: Any) -> Interval:
    """Numbers that are known."""
    array = np.asarray(values, np.float64)
    return Interval(array, array)


def _corners(op: Any, a: Interval, b: Interval) -> Interval:
    found = [op(x, y) for x in (a.lo, a.hi) for y in (b.lo, b.hi)]
    return Interval(np.minimum.reduce(found), np.maximum.reduce(found))


def multiply(a: Interval, b: Interval) -> Interval:
    """a b; of a number with itself its square."""
    found = _corners(np.multiply, a, b)
    return Interval(np.maximum(found.lo, 0.0), found.hi) if a is b else found


def divide(a: Interval, b: Interval) -> Interval:
    """a / b. Raises Unbounded where b may be 0."""
    if np.any((b.lo <= 0) & (b.hi >= 0)):
        raise Unbounded("a division by a number that may be 0")
    return _corners(np.divide, a, b)


def _absolute(a: Interval) -> Interval:
    inside = (a.lo <= 0) & (a.hi >= 0)
    return Interval(np.where(inside, 0.0, np.minimum(np.abs(a.lo), np.abs(a.hi))), a.most)


def sigmoid(x: Array) -> Array:
    """The logistic function, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * np.asarray(x, np.float64)))


def _exp(a: Interval) -> Interval:
    if np.any(a.hi > 60):
        raise Unbounded("exp of a number that may be large")
    return Interval(np.exp(a.lo), np.exp(a.hi))


def _where_less(a: Interval, b: Interval, then: Interval, otherwise: Interval) -> Interval:
    yes, no = a.hi < b.lo, a.lo >= b.hi
    both = then.hull(otherwise)
    lo = np.where(yes, then.lo, np.where(no, otherwise.lo, both.lo))
    return Interval(lo, np.where(yes, then.hi, np.where(no, otherwise.hi, both.hi)))


OPS: Mapping[str, Any] = {
    "add": lambda a, b: Interval(a.lo + b.lo, a.hi + b.hi),
    "subtract": lambda a, b: Interval(a.lo - b.hi, a.hi - b.lo),
    "multiply": multiply,
    "divide": divide,
    "negative": lambda a: Interval(-a.hi, -a.lo),
    "absolute": _absolute,
    "exp": _exp,
    "tanh": lambda a: Interval(np.tanh(a.lo), np.tanh(a.hi)),
    "sigmoid": lambda a: Interval(sigmoid(a.lo), sigmoid(a.hi)),
    "where_less": _where_less,
}


@dataclass(eq=False)
class Ranges:
    """The ranges of a network.

    Attributes:
        states: for each (neurons,).
        given, inputs: of the inputs as they are given and as they are mapped (inputs,).
        h: for each update how long a sub-step lasts.
        most: the largest magnitude of a term, by where its function runs and the term's id; of a sum by ("sum", update,
            number), and of a matrix product by ("product", update, layer).
    """

    states: list[Interval]
    given: Interval
    inputs: Interval
    h: dict[int, float]
    most: dict[Hashable, float] = field(default_factory=dict)

    def note(self, key: Hashable, value: Interval) -> None:
        """Keep the largest magnitude that has been seen."""
        self.most[key] = max(self.most.get(key, 0.0), float(value.most.max(initial=0.0)))

    def values(self, where: Hashable, function: Traced, given: Sequence[Interval]) -> dict[int, Interval]:
        """The range of every term of a function, by id; noted."""
        found: dict[int, Interval] = {}
        for term in function.order:
            if term.op == "argument":
                found[id(term)] = given[int(term.value)]
            elif term.op == "constant":
                found[id(term)] = point(term.value)
            else:
                found[id(term)] = OPS[term.op](*(found[id(one)] for one in term.of))
            self.note((where, id(term)), found[id(term)])
        return found


def ranges_of(network: Network, x: float, dt: float) -> Ranges:
    """The ranges for all inputs of magnitude up to x, and times up to dt (as the layer takes it).

    Raises: ArgumentError if a range cannot be told.
    """
    wiring = network.layout.wiring
    given = Interval(np.full(wiring.n_inputs, -x), np.full(wiring.n_inputs, x))
    inputs = given
    if network.input_map is not None:
        scale, shift = (point(one) for one in network.input_map)
        inputs = OPS["add"](multiply(given, scale), shift)
    h = {p.number: dt / network.time_unit / (p.unfolds if isinstance(p, Solved) else 1) for p in network.pieces}
    ranges = Ranges([point(one) for one in network.initial], given, inputs, h)
    try:
        for turn in range(ROUNDS):
            before = list(ranges.states)
            ranges.most.clear()
            for piece in network.pieces:
                for state, new in zip(piece.states, _advanced(piece, ranges), strict=True):
                    ranges.states[state] = ranges.states[state].hull(new)
            pairs = list(zip(ranges.states, before, strict=True))
            # That a sample maps the set into itself is the proof.
            if all(np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi) for a, b in pairs):
                break
            if max(float(one.most.max()) for one in ranges.states) > 1e6:
                raise Unbounded("a state that may grow without limit")
            if turn % 10 == 9:
                # Past where a slow geometric growth ends; whether it is far enough is seen above.
                ranges.states = [_beyond(*pair) for pair in pairs]
        else:
            raise Unbounded("a state that may grow without limit")
    except Unbounded as unbounded:
        raise ArgumentError(
            f"fixed point needs the range of every number, and this layer has {unbounded} (inputs up to {x:g}, dt up to "
            f'{dt:g}). Use number="float", or narrower limits: samples x= and dt= of its own.'
        ) from None
    return ranges


def _beyond(now: Interval, before: Interval) -> Interval:
    """Ten times as much growth as was seen last, but not past 0."""
    lo, hi = now.lo + 10 * (now.lo - before.lo), now.hi + 10 * (now.hi - before.hi)
    return Interval(np.where(now.lo >= 0, np.maximum(lo, 0.0), lo), np.where(now.hi <= 0, np.minimum(hi, 0.0), hi))


def _advanced(piece: Piece, ranges: Ranges) -> list[Interval]:
    """The ranges of a piece's states after it, from those before."""
    if isinstance(piece, Solved):
        return _solved(piece, ranges)
    n = len(ranges.states[0].lo)
    if isinstance(piece, Dense):
        z = [ranges.inputs if piece.mapped else ranges.given, ranges.states[piece.reads]]
        values = Interval(*(np.concatenate([getattr(one, end) for one in z]) for end in ("lo", "hi")))
        for number, (_, weight, bias) in enumerate(piece.matrices):
            values = _product(weight, bias, values)
            ranges.note(("product", piece.number, number), values)
            if number + 1 < len(piece.matrices) and piece.activation is not None:
                where = (piece.number, "activation", number)
                values = ranges.values(where, piece.activation, [values])[id(piece.activation.results[0])]
                ranges.note(("hidden", piece.number, number), values)
        sums = [values.at(slice(k * n, (k + 1) * n)) for k in range(len(piece.sums))]
        for k, one in enumerate(sums):
            ranges.note(("sum", piece.number, k), one)
    else:
        assert isinstance(piece, Direct)
        sums = _sums(piece, [("edges", piece.edges)], ranges)
    given = [ranges.states[state] for state in piece.states] + sums + [point(v) for _, v in piece.coefficients]
    given.append(Interval(np.zeros(1), np.full(1, ranges.h[piece.number])))
    found = ranges.values((piece.number, "node"), piece.node, given)
    return [_full(found[id(one)], n) for one in piece.node.results]


def _full(value: Interval, n: int) -> Interval:
    return Interval(np.broadcast_to(value.lo, n), np.broadcast_to(value.hi, n))


def _product(weight: Array, bias: Array, z: Interval) -> Interval:
    up, down = np.maximum(weight, 0), np.minimum(weight, 0)
    return Interval(up @ z.lo + down @ z.hi + bias, up @ z.hi + down @ z.lo + bias)


def _reached(piece: Piece, where: str, kind: int, edges: Edges, ranges: Ranges) -> dict[int, Interval]:
    """The range of every term of an edge's function, edge by edge."""
    sender = (ranges.inputs if edges.reads is None else ranges.states[edges.reads]).at(edges.pre)
    given = [sender, *(point(values) for _, values in edges.coefficients)]
    return ranges.values((piece.number, where, kind), edges.function, given)


def _sums(piece: Piece, groups: Sequence[tuple[str, tuple[Edges, ...]]], ranges: Ranges) -> list[Interval]:
    """The ranges of the sums; the largest magnitude on the way to them is noted."""
    n = len(ranges.states[0].lo)
    starts = [np.zeros(n) if one is None else one[1] for one in piece.starts]
    low, high, most = [one.copy() for one in starts], [one.copy() for one in starts], [np.abs(one) for one in starts]
    for where, group in groups:
        for kind, edges in enumerate(group):
            found = _reached(piece, where, kind, edges, ranges)
            for k, result in zip(edges.adds, edges.function.results, strict=True):
                one = _full(found[id(result)], len(edges.pre))
                for total, values in ((low[k], one.lo), (high[k], one.hi), (most[k], one.most)):
                    np.add.at(total, edges.post, values)
    for k, one in enumerate(most):
        ranges.note(("sum", piece.number, k), point(one))
    return [Interval(a, b) for a, b in zip(low, high, strict=True)]


def _solved(piece: Solved, ranges: Ranges) -> list[Interval]:
    if not piece.bounded:
        raise Unbounded("a solver whose steps have no bound (euler, rk4)")
    n = len(ranges.states[0].lo)
    groups = [("brought", piece.brought), ("edges", piece.edges)]
    sums = _sums(piece, groups, ranges)
    given = [ranges.states[state] for state in piece.states] + sums + [point(v) for _, v in piece.coefficients]
    found = ranges.values((piece.number, "node"), piece.node, given)
    new = []
    for k, state in enumerate(piece.states):
        drive, pull = piece.node.results[2 * k : 2 * k + 2]
        if np.any(found[id(pull)].lo < 0):
            raise Unbounded("a pull that may be below 0")
        target = _mean(piece, drive, pull, groups, ranges)
        if target is None:
            target = _quotient(drive, pull, found)
        new.append(ranges.states[state].hull(_full(target, n)))
    h = Interval(np.zeros(1), np.full(1, ranges.h[piece.number]))
    for k, _ in enumerate(piece.states):
        terms = [found[id(one)] for one in piece.node.results[2 * k : 2 * k + 2]]
        for j, advance in enumerate(piece.stages):
            arguments = [*[new[k]] * (j + 1), point(piece.capacitances[k][1]), *terms, h]
            ranges.values((piece.number, "stage", j, k), advance, arguments)
            # The solver's bound, which intervals do not see.
            for result in advance.results:
                ranges.most[(piece.number, "stage", j, k), id(result)] = float(new[k].most.max())
    return new


def _mean(piece: Solved, drive: Term, pull: Term, groups: Any, ranges: Ranges) -> Interval | None:
    """The range of drive / pull where both are sums over edges, a mean of what these pull to; None if they are not."""
    first = len(piece.states)
    places = [int(one.value) - first if one.op == "argument" else -1 for one in (drive, pull)]
    if not all(0 <= place < len(piece.sums) for place in places):
        return None
    n = len(ranges.states[0].lo)
    starts = [np.zeros(n) if one is None else one[1] for one in (piece.starts[place] for place in places)]
    posts, weights, towards, injected = (
        [np.arange(n)],
        [point(starts[1])],
        [],
        point(np.where(starts[1] > 0, 0.0, starts[0])),
    )
    towards.append(point(np.divide(starts[0], starts[1], out=np.zeros(n), where=starts[1] > 0)))
    for where, group in groups:
        for kind, edges in enumerate(group):
            found, m = _reached(piece, where, kind, edges, ranges), len(edges.pre)
            by_sum = dict(zip(edges.adds, edges.function.results, strict=True))
            above, below = (by_sum.get(place) for place in places)
            if below is None and above is not None:
                one = _full(found[id(above)], m)
                ends = [np.bincount(edges.post, np.broadcast_to(end, m), n) for end in (one.lo, one.hi)]
                injected = Interval(injected.lo + ends[0], injected.hi + ends[1])
            if below is not None:
                posts.append(edges.post)
                weights.append(_full(found[id(below)], m))
                nothing = above is None
                towards.append(point(np.zeros(m)) if nothing else _full(_quotient(above, below, found), m))
    post, weight = np.concatenate(posts), _joined(weights)
    if np.any(weight.lo < 0):
        raise Unbounded("a conductance that may be below 0")
    ends = _joined(towards)
    high = _largest_mean(post, weight, ends.hi, injected.hi, n)
    return Interval(-_largest_mean(post, weight, -ends.lo, -injected.lo, n), high)


def _joined(parts: list[Interval]) -> Interval:
    return Interval(np.concatenate([one.lo for one in parts]), np.concatenate([one.hi for one in parts]))


def _largest_mean(post: Any, weight: Interval, towards: Array, injected: Array, n: int) -> Array:
    """The largest (sum of weight x towards + injected) / sum of weights of each neuron, each weight in its range.

    It takes the largest weight of what pulls above the mean and the least of what pulls below: Dinkelbach's iteration,
    which climbs to it. The neurons on whom nothing can pull stay, and count as 0.
    """
    can = weight.hi > 0
    top = np.full(n, -np.inf)
    np.maximum.at(top, post[can], towards[can])
    value = np.where(np.isfinite(top), top, 0.0)
    for step in range(100):
        chosen = np.where(towards > value[post], weight.hi, weight.lo)
        under = np.bincount(post, chosen, n)
        over = np.bincount(post, chosen * towards, n) + injected
        if np.any((under <= 0) & (injected > 0)):
            raise Unbounded("a current into a neuron that nothing surely pulls back")
        new = np.where(under > 0, over / np.where(under > 0, under, 1.0), np.where(np.isfinite(top), top, 0.0))
        new = new if step == 0 else np.maximum(new, value)
        if np.all(np.abs(new - value) <= 1e-12 * (1 + np.abs(new))):
            break
        value = new
    return value


def _quotient(above: Term, below: Term, found: dict[int, Interval]) -> Interval:
    """The range of a quotient, without the factors that stand in both."""
    found_above, found_below = _factors(above), _factors(below)
    signs, factors = (found_above[0], found_below[0]), (found_above[1], found_below[1])
    left: list[Term] = list(factors[0])
    right: list[Term] = list(factors[1])
    for one in factors[0]:
        if one in right:
            left.remove(one)
            right.remove(one)
    value = point(float(signs[0] * signs[1]))
    for one in left:
        value = multiply(value, found[id(one)])
    under = point(1.0)
    for one in right:
        under = multiply(under, found[id(one)])
    return divide(value, under)


def _factors(term: Term) -> tuple[int, tuple[Term, ...]]:
    if term.op == "negative":
        sign, found = _factors(term.of[0])
        return -sign, found
    if term.op == "multiply":
        (one, left), (other, right) = (_factors(part) for part in term.of)
        return one * other, (*left, *right)
    return 1, (term,)
