"""The range of every state and sum of a network, for all inputs and times within limits, proved in interval arithmetic.

A state's range is a set that a sample maps into itself. Under a bounded solver a new state lies between the old one
and drive / pull, a mean of the potentials that a neuron's edges pull to; that mean is taken edge by edge, since the
quotient of the sums' intervals would forget that the same conductances stand in both.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wormnet.errors import ArgumentError
from wormnet.export.expressions import Term, Traced
from wormnet.export.network import Dense, Direct, Edges, Network, Piece, Solved
from wormnet.models.interval import FUNCTIONS, Interval, Unbounded

__all__ = ["Ranges", "mixed", "ranges_of", "values"]

Array = NDArray[np.float64]
ROUNDS = 200
OPERATORS = {
    "add": Interval.__add__,
    "subtract": Interval.__sub__,
    "multiply": Interval.__mul__,
    "divide": Interval.__truediv__,
    "negative": Interval.__neg__,
    **FUNCTIONS,
}
UNBOUNDED = {
    "divide": "a division by a number that may be 0 or close to it",
    "exp": "exp of a number that may be large",
}
"""Why a result may leave what double precision holds, where the operation tells."""


@dataclass(eq=False)
class Ranges:
    """The ranges of a network.

    Attributes:
        states: for each (neurons,).
        inputs: as they are mapped (inputs,).
        h: for each update how long a sub-step lasts.
        sums: by update and number, the largest magnitude on the way to the sum.
    """

    states: list[Interval]
    inputs: Interval
    h: Mapping[int, Interval]
    sums: dict[tuple[int, int], float] = field(default_factory=dict)


def mixed(term: Term) -> tuple[Term, Term, Term] | None:
    """(first, gate, second) of first + gate (second - first); None for other terms."""
    if term.op == "add" and term.of[1].op == "multiply":
        first, (gate, change) = term.of[0], term.of[1].of
        if change.op == "subtract" and change.of[1] is first:
            return first, gate, change.of[0]
    return None


def values(function: Traced, given: Sequence[Interval]) -> dict[int, Interval]:
    """The range of every term of a function, by id. Raises: Unbounded, if one has none."""
    found: dict[int, Interval] = {}
    for term in function.order:
        if term.op == "argument":
            found[id(term)] = given[int(term.value)]
        elif term.op == "constant":
            found[id(term)] = Interval.of(term.value)
        else:
            made = OPERATORS[term.op](*(found[id(one)] for one in term.of)).bounded(UNBOUNDED.get(term.op))
            parts = mixed(term)
            if parts is not None:
                first, gate, second = (found[id(one)] for one in parts)
                if np.all(gate.lo >= 0) and np.all(gate.hi <= 1):
                    made = made.within(first.hull(second))
            found[id(term)] = made
    return found


def ranges_of(network: Network, inputs: Interval, h: Mapping[int, Interval]) -> Ranges:
    """The ranges for all inputs and times within limits, from the states that a reset sets.

    Raises: ArgumentError if a range cannot be told.
    """
    ranges = Ranges([Interval.of(one) for one in network.initial], inputs, h)
    try:
        for turn in range(ROUNDS):
            grown = False
            for piece in network.pieces:
                for state, new in zip(piece.states, _advanced(piece, ranges), strict=True):
                    old = ranges.states[state]
                    if np.any(new.lo < old.lo) or np.any(new.hi > old.hi):
                        grown = True
                        ranges.states[state] = old.hull(_beyond(old, new) if turn % 5 == 4 else new)
            if not grown:
                return _narrowed(network, ranges)
        raise Unbounded("a state that may grow without limit")
    except Unbounded as unbounded:
        raise ArgumentError(
            f"fixed point needs the range of every number, and this layer has {unbounded}. Take narrower limits "
            '(x_range, dt_range), the solver "semi_implicit", or number="float".'
        ) from None


def _beyond(old: Interval, new: Interval) -> Interval:
    """Past where a slow growth ends, but not past 0; the next rounds see whether that holds."""
    more = 1e-6 + 0.1 * (np.maximum(new.hi, old.hi) - np.minimum(new.lo, old.lo))
    down, up = np.maximum(old.lo - new.lo, 0.0), np.maximum(new.hi - old.hi, 0.0)
    lo = new.lo - 10 * down - np.where(down > 0, more, 0.0)
    hi = new.hi + 10 * up + np.where(up > 0, more, 0.0)
    return Interval(np.where(new.lo >= 0, np.maximum(lo, 0.0), lo), np.where(new.hi <= 0, np.minimum(hi, 0.0), hi))


def _narrowed(network: Network, ranges: Ranges) -> Ranges:
    """The ranges without what growth has overshot.

    A sample that starts in a set that it maps into itself ends in the image of that set, or stays at the start.
    """
    for _ in range(3):
        for piece in network.pieces:
            for state, new in zip(piece.states, _advanced(piece, ranges), strict=True):
                narrow = Interval.of(network.initial[state]).hull(new)
                ranges.states[state] = ranges.states[state].within(narrow)
    return ranges


def _advanced(piece: Piece, ranges: Ranges) -> list[Interval]:
    """The ranges of what a piece's states go to from those before; a solver's step may end anywhere between."""
    if isinstance(piece, Solved):
        return _solved(piece, ranges)
    if isinstance(piece, Dense):
        raise ArgumentError(
            "fixed point takes layers whose synapses are single edges; this one has matrices (a backbone or mixed "
            'memory). Use number="float".'
        )
    assert isinstance(piece, Direct)
    given = [ranges.states[state] for state in piece.states] + _sums(piece, piece.edges, ranges)
    given += [Interval.of(one) for _, one in piece.coefficients]
    found = values(piece.node, [*given, ranges.h[piece.number]])
    return [found[id(one)].full(len(ranges.states[0].lo)) for one in piece.node.results]


def _reached(edges: Edges, ranges: Ranges) -> dict[int, Interval]:
    """The range of every term of an edge's function, edge by edge."""
    sender = (ranges.inputs if edges.reads is None else ranges.states[edges.reads])[edges.pre]
    return values(edges.function, [sender, *(Interval.of(one) for _, one in edges.coefficients)])


def _sums(piece: Piece, edges: Sequence[Edges], ranges: Ranges) -> list[Interval]:
    """The ranges of the sums; the largest magnitude on the way to them is noted."""
    n = len(ranges.states[0].lo)
    found = [Interval.of(np.zeros(n) if one is None else one[1]) for one in piece.starts]
    most = [one.most for one in found]
    for one in edges:
        reached = _reached(one, ranges)
        for k, result in zip(one.adds, one.function.results, strict=True):
            terms = reached[id(result)].full(len(one.pre))
            found[k] = found[k] + terms.summed(one.post, n)
            most[k] = most[k] + np.bincount(one.post, terms.most, n)
    for k, one in enumerate(most):
        ranges.sums[piece.number, k] = float(one.max(initial=0.0))
    return found


def _solved(piece: Solved, ranges: Ranges) -> list[Interval]:
    if not piece.bounded:
        raise Unbounded("a solver whose steps have no bound")
    edges = (*piece.brought, *piece.edges)
    given = [ranges.states[state] for state in piece.states] + _sums(piece, edges, ranges)
    found = values(piece.node, given + [Interval.of(one) for _, one in piece.coefficients])
    new = []
    for k, _ in enumerate(piece.states):
        drive, pull = piece.node.results[2 * k : 2 * k + 2]
        if np.any(found[id(pull)].lo < 0):
            raise Unbounded("a conductance that may be below 0")
        target = _mean(piece, drive, pull, edges, ranges)
        target = _quotient(drive, pull, found) if target is None else target
        new.append(target.full(len(ranges.states[0].lo)))
    return new


def _mean(piece: Solved, drive: Term, pull: Term, edges: Sequence[Edges], ranges: Ranges) -> Interval | None:
    """The range of drive / pull where both are sums over edges, a mean of what these pull to; None if they are not."""
    first = len(piece.states)
    places = [int(one.value) - first if one.op == "argument" else -1 for one in (drive, pull)]
    if not all(0 <= place < len(piece.sums) for place in places):
        return None
    n = len(ranges.states[0].lo)
    start = [np.zeros(n) if one is None else one[1] for one in (piece.starts[place] for place in places)]
    own = np.divide(start[0], start[1], out=np.zeros(n), where=start[1] > 0)
    posts, weights, targets = [np.arange(n)], [Interval.of(start[1])], [Interval.of(own).wider(1e-12 * np.abs(own))]
    injected = Interval.of(np.where(start[1] > 0, 0.0, start[0]))
    for one in edges:
        found, m = _reached(one, ranges), len(one.pre)
        terms = dict(zip(one.adds, one.function.results, strict=True))
        above, below = (terms.get(place) for place in places)
        if below is None and above is not None:
            injected = injected + found[id(above)].full(m).summed(one.post, n)
        elif below is not None:
            weight = found[id(below)].full(m)
            if above is not None:
                # What has no conductance pulls to nowhere.
                idle = np.where(weight.hi == 0, 1.0, 0.0)
                injected = injected + (found[id(above)].full(m) * idle).summed(one.post, n)
            keep = weight.hi != 0
            kept = {key: term.full(m)[keep] for key, term in found.items()}
            posts.append(one.post[keep])
            weights.append(weight[keep])
            nothing = Interval.of(np.zeros(int(keep.sum())))
            targets.append(nothing if above is None else _quotient(above, below, kept))
    post, weight = np.concatenate(posts), _joined(weights)
    if np.any(weight.lo < 0):
        raise Unbounded("a conductance that may be below 0")
    ends = _joined(targets)
    high = _largest_mean(post, weight, ends.hi, injected.hi, n)
    return Interval(-_largest_mean(post, weight, -ends.lo, -injected.lo, n), high)


def _joined(parts: list[Interval]) -> Interval:
    return Interval(np.concatenate([one.lo for one in parts]), np.concatenate([one.hi for one in parts]))


def _largest_mean(post: NDArray[np.int64], weight: Interval, target: Array, injected: Array, n: int) -> Array:
    """A bound on (sum of weight x target + injected) / sum of weights of each neuron, each weight in its range.

    The largest takes the most of what pulls above it and the least of what pulls below: Dinkelbach's iteration climbs
    to it. That nothing is larger is checked in the end. A neuron on which nothing pulls keeps its state: -inf.
    """
    pulled = np.bincount(post, weight.hi, n) > 0
    value = np.zeros(n)
    for turn in range(100):
        chosen = np.where(target > value[post], weight.hi, weight.lo)
        under, over = np.bincount(post, chosen, n), np.bincount(post, chosen * target, n) + injected
        if np.any((under <= 0) & (injected > 0)):
            raise Unbounded("a current into a neuron that nothing surely pulls back")
        top = np.full(n, -np.inf)
        np.maximum.at(top, post, np.where(weight.hi > 0, target, -np.inf))
        new = np.where(under > 0, over / np.where(under > 0, under, 1.0), np.where(pulled, top, 0.0))
        new = np.maximum(new, value) if turn else new
        if np.all(np.abs(new - value) <= 1e-12 * (1 + np.abs(new))):
            break
        value = new
    value = value + 1e-9 * (1 + np.abs(value))
    chosen = np.where(target > value[post], weight.hi, weight.lo)
    parts, counts = chosen * (target - value[post]), np.bincount(post, minlength=n)
    room = 4 * np.finfo(np.float64).eps * (counts + 2) * (np.bincount(post, np.abs(parts), n) + np.abs(injected))
    if np.any(pulled & (np.bincount(post, parts, n) + injected + room > 0)):
        raise Unbounded("a mean that cannot be told")
    return np.where(pulled, value, -np.inf)


def _quotient(above: Term, below: Term, found: dict[int, Interval]) -> Interval:
    """The range of a quotient, without the factors that stand in both."""
    (sign, left), (other, right) = _factors(above), _factors(below)
    left, right = list(left), list(right)
    for one in list(left):
        if one in right:
            left.remove(one)
            right.remove(one)
    made = _product([found[id(one)] for one in left])
    made = (made / _product([found[id(one)] for one in right])).bounded(UNBOUNDED["divide"]) if right else made
    return -made if sign * other < 0 else made


def _product(factors: list[Interval]) -> Interval:
    made = factors[0] if factors else Interval.of(1.0)
    for one in factors[1:]:
        made = (made * one).bounded()
    return made


def _factors(term: Term) -> tuple[int, tuple[Term, ...]]:
    if term.op == "negative":
        sign, found = _factors(term.of[0])
        return -sign, found
    if term.op == "multiply":
        (one, left), (other, right) = (_factors(part) for part in term.of)
        return one * other, (*left, *right)
    return 1, (term,)
